"""Open paths counted against brute force; nobody bridges where nobody minds groups; a planted bridge is named."""

from itertools import permutations

import numpy as np
import polars as pl
import pytest

import sna
from sna.mixing.bridging import brokerage_totals, count_open_paths, find_bridges
from sna.network.brokerage import ROLES
from tests.conftest import day


@pytest.mark.parametrize("seed", range(5))
def test_open_paths_equal_brute_force(seed):
    rng = np.random.default_rng(seed)
    n, group = 14, rng.integers(0, 3, 14)
    pairs = rng.integers(0, n, (60, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    ties = set(map(tuple, pairs.tolist()))
    counts = np.zeros((n, 5))
    for a, b, c in permutations(range(n), 3):
        if (a, b) in ties and (b, c) in ties and (a, c) not in ties:
            x, y, z = group[[a, b, c]]
            role = (
                0 if x == y == z else 1 if x == z else 2 if y == z else 3 if x == y else 4
            )  # coordinator, consultant, gatekeeper, representative, liaison
            counts[b, role] += 1
    assert (count_open_paths(pairs[:, 0], pairs[:, 1], group=group) == counts).all()


def test_totals_are_those_of_who_joined_whose_thread(six):
    # joins: bob->ann, bob->dan, cat->dan, dan->cat; too few for a claim, so the brute force is on a made forum
    forum = sna.make_forum(n_people=40, n_threads=60, rng=3).forum
    totals = brokerage_totals(forum, draws=19, rng=1)
    assert totals["role"].to_list() == list(ROLES)
    rows = sna.thread_participation(forum).filter(pl.col("person_id") != pl.col("asker_id"))
    edges = rows.select(source="person_id", target="asker_id").unique()
    network = sna.network_from_edges(edges, people=forum.attribute("role"))
    table = sna.brokerage_roles(network)
    assert totals["observed"].to_list() == [int(table[role].sum()) for role in ROLES]
    assert (totals["p_adjusted"] >= totals["p_value"]).all()
    with pytest.raises(sna.NotAnswerableError, match="20 threads"):
        brokerage_totals(six)


def test_without_threads_or_spaces_it_is_a_description():
    edges = pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    people = pl.DataFrame({"person_id": ["a", "b", "c"], "role": ["x", "y", "x"]})
    totals = brokerage_totals(sna.network_from_edges(edges, people=people), draws=9, rng=1)
    assert totals["observed"].to_list() == [0, 1, 0, 0, 0]
    assert not totals["supports_claims"].any()
    assert totals["note"].str.starts_with("A description, not a claim").all()


def test_nobody_minds_groups_and_few_totals_are_rejected():
    rejected = []
    for seed in range(16):
        forum = sna.make_forum(n_people=80, n_threads=200, champion_share=0, silent_share=0, rng=seed).forum
        rejected.append((brokerage_totals(forum, draws=39, rng=seed)["p_adjusted"] <= 0.05).any())
    # permuted labels reject in two thirds; with 16 forums more than four at 5 % has a chance below 1 in 100
    assert sum(rejected) <= 4


def test_somebody_who_alone_crosses_is_named():
    """Two groups that keep to themselves in one channel, and one person who joins both sides' threads."""
    rng, rows = np.random.default_rng(1), []
    groups = [[f"{side}{i}" for i in range(12)] for side in "xy"]
    for thread in range(120):
        own, other = groups[thread % 2], groups[1 - thread % 2]
        asker = own[0] if thread % 12 in (0, 1) else own[int(rng.integers(1, 12))]
        joiners = {own[int(i)] for i in rng.integers(1, 12, 3)} - {asker}
        joiners |= {other[0]} if rng.random() < 0.5 else set()
        rows += [(f"t{thread:03d}", person, day(thread / 6 + k / 100)) for k, person in enumerate([asker, *joiners])]
    posts = pl.DataFrame(
        [(f"{t}-{p}", t, p, at, "help") for t, p, at in rows],
        schema=["post_id", "thread_id", "author_id", "created_at", "space"],
        orient="row",
    )
    roles = pl.DataFrame(
        {"person_id": groups[0] + groups[1], "attribute": ["role"] * 24, "value": ["x"] * 12 + ["y"] * 12}
    )
    bridges = find_bridges(sna.build_forum(posts=posts, roles=roles), draws=99, rng=1)
    assert set(bridges["person_id"].head(2)) == {"x0", "y0"}
    # everybody else joins across less than chance would have it
    assert (bridges.filter(~pl.col("person_id").is_in(["x0", "y0"]))["p_adjusted"] > 0.05).all()
