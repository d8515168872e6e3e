"""Brokerage roles on hand-drawn paths, under time order, and what falls apart without a person."""

import itertools

import networkx as nx
import numpy as np
import polars as pl
import pytest

import sna
from sna.network.brokerage import ROLES, bridging_loss, brokerage_roles, label_totals, list_bridges
from tests.conftest import day


def network(ties, roles):
    edges = pl.DataFrame(ties, schema=["source", "target"], orient="row")
    people = pl.DataFrame(
        {"person_id": list(roles), "role": list(roles.values())}, schema_overrides={"role": pl.String}
    )
    return sna.network_from_edges(edges, people=people)


@pytest.mark.parametrize(
    ("groups", "role"),
    list(zip(("xxx", "xyx", "yxx", "xxy", "xyz"), ROLES, strict=True)),
)
def test_the_five_roles(groups, role):
    table = brokerage_roles(network([("a", "b"), ("b", "c")], dict(zip("abc", groups, strict=True))))
    assert table["person_id"].to_list() == ["a", "b", "c"]
    assert {name: table[name].to_list() for name in ROLES} == {name: [0, int(name == role), 0] for name in ROLES}


def test_a_closed_path_or_a_return_is_no_brokerage():
    closed = brokerage_roles(network([("a", "b"), ("b", "c"), ("a", "c")], {"a": "x", "b": "y", "c": "z"}))
    back = brokerage_roles(network([("a", "b"), ("b", "a")], {"a": "x", "b": "y"}))
    assert closed["n_paths"].sum() == back["n_paths"].sum() == 0


def test_unknown_groups_are_counted_as_paths_and_not_as_roles():
    table = brokerage_roles(network([("a", "b"), ("b", "c")], {"a": None, "b": "x", "c": "y"}))
    assert table.row(1) == ("b", 0, 0, 0, 0, 0, 1, None)


def brute_force(ties, roles):
    counts = {person: dict.fromkeys(ROLES, 0) for person in roles}
    have = set(ties)
    for a, b, c in itertools.permutations(roles, 3):
        if (a, b) in have and (b, c) in have and (a, c) not in have:
            same = (roles[a] == roles[b], roles[b] == roles[c], roles[a] == roles[c])
            name = {
                (True, True, True): "coordinator",
                (False, False, True): "consultant",
                (False, True, False): "gatekeeper",
                (True, False, False): "representative",
                (False, False, False): "liaison",
            }[same]
            counts[b][name] += 1
    return counts


@pytest.mark.parametrize("seed", range(4))
def test_random_networks_equal_brute_force(seed):
    rng = np.random.default_rng(seed)
    people = [f"p{i:02d}" for i in range(14)]
    roles = {person: "xyz"[rng.integers(3)] for person in people}
    ties = sorted({(people[a], people[b]) for a, b in rng.integers(0, 14, (50, 2)).tolist() if a != b})
    table = brokerage_roles(network(ties, roles))
    expected = brute_force(ties, roles)
    assert {row["person_id"]: {name: row[name] for name in ROLES} for row in table.iter_rows(named=True)} == expected
    bridges = list_bridges(network(ties, roles))
    crossing = sum(sum(c[n] for n in ("gatekeeper", "representative", "liaison")) for c in expected.values())
    assert bridges["n_paths"].sum() == crossing
    shares = bridges.group_by("from_group", "to_group").agg(pl.col("path_share").sum())
    assert shares["path_share"].to_list() == pytest.approx([1.0] * shares.height)


def test_totals_expect_what_all_permutations_give():
    ties = [("a", "b"), ("b", "c"), ("c", "d"), ("b", "d"), ("e", "b")]
    roles = {"a": "x", "b": "y", "c": "x", "d": "y", "e": "z"}
    means = dict.fromkeys(ROLES, 0.0)
    orders = list(itertools.permutations(roles.values()))
    for order in orders:
        for counts in brute_force(ties, dict(zip(roles, order, strict=True))).values():
            means = {name: means[name] + counts[name] / len(orders) for name in ROLES}
    table = label_totals(network(ties, roles), draws=2000, rng=1)
    assert table["expected"].to_list() == pytest.approx([means[name] for name in ROLES])
    assert table["observed"].sum() == table["n_paths_tested"][0]
    assert (table["p_adjusted"] >= table["p_value"]).all()


def test_time_order_keeps_only_what_could_be_passed_on():
    def forum(first, second):
        posts = pl.DataFrame(
            {
                "post_id": ["1", "2", "3", "4"],
                "thread_id": ["t", "t", "u", "u"],
                "parent_id": [None, "1", None, "3"],
                "parent_basis": ["none", "explicit"] * 2,
                "author_id": ["b", "a", "c", "b"],
                "created_at": [day(0), day(first), day(0), day(second)],
            }
        )
        roles = pl.DataFrame({"person_id": list("abc"), "attribute": ["role"] * 3, "value": list("xyz")})
        return sna.build_forum(posts=posts, roles=roles)

    assert brokerage_roles(forum(2, 1))["liaison"].sum() == 1
    assert brokerage_roles(forum(2, 1), time_ordered=True)["liaison"].sum() == 0
    assert brokerage_roles(forum(1, 2), time_ordered=True)["liaison"].sum() == 1
    with pytest.raises(sna.SnaError, match="forum itself"):
        brokerage_roles(network([("a", "b")], {"a": "x", "b": "y"}), time_ordered=True)


@pytest.mark.parametrize("seed", range(3))
def test_random_forums_in_time_order_equal_brute_force(seed):
    rng = np.random.default_rng(seed)
    rows = [(f"p{a:02d}", f"p{b:02d}", day(i / 10)) for i, (a, b) in enumerate(rng.integers(0, 9, (40, 2)).tolist())]
    posts = [(f"{i}q", f"t{i}", None, "none", b, day(-1)) for i, (_, b, _) in enumerate(rows)]
    posts += [(f"{i}r", f"t{i}", f"{i}q", "explicit", a, at) for i, (a, _, at) in enumerate(rows)]
    schema = ["post_id", "thread_id", "parent_id", "parent_basis", "author_id", "created_at"]
    people = [f"p{i:02d}" for i in range(9)]
    role = {person: "xyz"[i % 3] for i, person in enumerate(people)}
    roles = pl.DataFrame({"person_id": people, "attribute": "role", "value": list(role.values())})
    forum = sna.build_forum(posts=pl.DataFrame(posts, schema=schema, orient="row"), roles=roles)
    times = {}
    for a, b, at in rows:
        times.setdefault((a, b), []).append(at)
    expected = dict.fromkeys(people, 0)
    for a, b, c in itertools.permutations(people, 3):
        if (a, b) in times and (b, c) in times and (a, c) not in times:
            expected[b] += min(times[a, b]) < max(times[b, c])
    table = brokerage_roles(forum, time_ordered=True)
    assert sum(expected.values()) > 20
    assert dict(table.select("person_id", "n_paths").filter(pl.col("n_paths") > 0).iter_rows()) == {
        person: n for person, n in expected.items() if n
    }
    assert label_totals(forum, time_ordered=True, draws=9, rng=1)["observed"].sum() == sum(expected.values())


def test_what_falls_apart_equals_taking_people_out():
    rng = np.random.default_rng(3)
    people = [f"p{i:02d}" for i in range(16)]
    roles = {person: "xy"[i % 2] for i, person in enumerate(people)}
    ties = sorted({(people[a], people[b]) for a, b in rng.integers(0, 16, (20, 2)).tolist() if a != b})
    table = {row[0]: row for row in bridging_loss(network(ties, roles)).iter_rows()}
    graph = nx.Graph(ties)
    graph.add_nodes_from(people)

    def joined(g, without):
        pairs = itertools.combinations([p for p in people if p != without], 2)
        return sum(roles[a] != roles[b] and nx.has_path(g, a, b) for a, b in pairs)

    directed, pairs, sole = nx.DiGraph(ties), 0, dict.fromkeys(people, 0)
    for a, c in itertools.permutations(people, 2):
        if roles[a] != roles[c] and a in directed and c in directed and not directed.has_edge(a, c):
            between = set(directed.successors(a)) & set(directed.predecessors(c))
            pairs += bool(between)
            if len(between) == 1:
                sole[between.pop()] += 1
    for person in people:
        cut = joined(graph, person) - joined(nx.restricted_view(graph, [person], []), person)
        assert table[person][3] == cut
        assert table[person][1] == sole[person]
        assert table[person][2] == pytest.approx(sole[person] / pairs)


def test_people_who_opted_out_are_nowhere_named():
    people = pl.DataFrame({"person_id": ["a", "b", "c"], "opt_out": [False, True, False]})
    posts = pl.DataFrame(
        {
            "post_id": ["1", "2", "3", "4"],
            "thread_id": ["t", "t", "u", "u"],
            "parent_id": [None, "1", None, "3"],
            "parent_basis": ["none", "explicit"] * 2,
            "author_id": ["b", "a", "c", "b"],
            "created_at": [day(0), day(1), day(0), day(2)],
        }
    )
    roles = pl.DataFrame({"person_id": list("abc"), "attribute": ["role"] * 3, "value": list("xyz")})
    forum = sna.build_forum(posts=posts, roles=roles, people=people)
    assert "b" not in brokerage_roles(forum)["person_id"].to_list()
    assert list_bridges(forum).is_empty()
    assert "b" not in bridging_loss(forum)["person_id"].to_list()
    assert label_totals(forum, draws=9, rng=1)["observed"].sum() == 1


def test_silent_people_are_there_and_bots_are_not(six):
    table = brokerage_roles(six)
    assert table["person_id"].to_list() == ["ann", "bob", "cat", "dan", "eve"]
    # dan is HR at the end: cat->bob->ann and cat->bob->dan (IT, IT, HR), ann->bob->dan (HR, IT, HR),
    # dan->cat->bob (HR, IT, IT), bob->dan->cat (IT, HR, IT)
    bob = ["representative", "representative", "consultant"]
    expected = {"ann": [], "bob": bob, "cat": ["gatekeeper"], "dan": ["consultant"]}
    for person, roles in expected.items():
        row = table.row(by_predicate=pl.col("person_id") == person, named=True)
        assert {name: row[name] for name in ROLES if row[name]} == {name: roles.count(name) for name in set(roles)}
