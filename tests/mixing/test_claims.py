"""Mixing on forums with answers on paper, planted preferences, missing roles, and sources without channels."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

import sna
from sna.mixing.nulls import NULLS, channel_null, count_groups
from sna.mixing.pairs import cell_moments, code_joins, make_seating, seated_parts, seated_theta
from sna.stats.inference import max_t_p
from tests.conftest import day
from tests.role_blind import make_blind_forum


def talk(rows, *, roles, spaces=True, capabilities=None):
    """A forum from (thread, space, day, people in order); ``roles`` maps people to a role or to spells."""
    posts = [
        (f"{thread}-{i}", thread, person, day(at + i / 100), space if spaces else None)
        for thread, space, at, people in rows
        for i, person in enumerate(people)
    ]
    spells = [
        (person, "role", value, start, end)
        for person, held in roles.items()
        for value, start, end in ([(held, None, None)] if isinstance(held, str) else held)
    ]
    times = {"valid_from": pl.Datetime("us", "UTC"), "valid_to": pl.Datetime("us", "UTC")}
    return sna.build_forum(
        posts=pl.DataFrame(posts, schema=["post_id", "thread_id", "author_id", "created_at", "space"], orient="row"),
        roles=pl.DataFrame(
            spells,
            schema={"person_id": pl.String, "attribute": pl.String, "value": pl.String, **times},
            orient="row",
        ),
        source=sna.Source("made", capabilities=capabilities or {}),
    )


@pytest.fixture(scope="module")
def segregated():
    """24 threads in one space; every asker is joined by their own role only."""
    roles = {f"p{i:02d}": "IT" if i % 2 else "HR" for i in range(16)}
    rows = [(f"t{i:02d}", "help", i, [f"p{(i + step) % 16:02d}" for step in (0, 2, 4)]) for i in range(24)]
    return talk(rows, roles=roles)


@pytest.fixture(scope="module")
def simulated():
    return sna.make_forum(n_people=120, n_threads=160, role_preference=0.8, rng=5).forum


def test_reply_matrix_of_the_six_person_forum(six):
    # bob->ann IT->HR, ann->bob HR->IT, bob->dan IT->Sales, cat->bob IT->IT, dan->cat HR->IT (dan is HR by then)
    table = sna.mixing_matrix(six)
    seen = {(a, b): n for a, b, n in table.select("from_group", "to_group", "observed").iter_rows() if n}
    assert seen == {("IT", "HR"): 1, ("HR", "IT"): 2, ("IT", "Sales"): 1, ("IT", "IT"): 1}
    # HR sends 2, IT receives 3 of 5
    row = table.row(by_predicate=(pl.col("from_group") == "HR") & (pl.col("to_group") == "IT"), named=True)
    assert row["expected"] == pytest.approx(6 / 5)
    assert row["ratio"] == pytest.approx(2 / 1.2)
    assert row["p_value"] == pytest.approx(2 * stats.hypergeom(5, 2, 3).sf(1))
    assert row["null"] == "volume-holding"


def test_joins_count_each_participant_of_a_thread_once(six):
    # t1: bob->ann; t2: bob->dan, cat->dan; t3: dan->cat
    coded = code_joins(six, "role")
    names = coded.pairs.groups
    counts = count_groups(coded.pairs)
    assert {(names[a], names[b]): counts[a, b] for a, b in np.argwhere(counts)} == {
        ("IT", "HR"): 1,
        ("IT", "Sales"): 2,
        ("HR", "IT"): 1,
    }


def test_an_asker_keeps_the_role_held_when_asking():
    roles = {"a": [("HR", None, day(5)), ("IT", day(5), None)], "b": "IT", "c": "IT"}
    coded = code_joins(talk([("t", "s", 4.99, ["a", "b", "c"])], roles=roles), "role")
    assert [coded.pairs.groups[code] for code in coded.pairs.target_group] == ["HR", "HR"]


def test_unknown_roles_are_a_stated_category(segregated):
    cut = segregated.roles.filter(pl.col("person_id") != "p00")
    forum = sna.build_forum(posts=segregated.posts, roles=cut)
    table = sna.mixing_matrix(forum, null="thread participation", draws=19, rng=1)
    assert "(missing)" in table["from_group"].to_list()
    assert (
        table["observed"].sum() == sna.mixing_matrix(segregated, null="thread participation", draws=9)["observed"].sum()
    )
    # shares leave them out on both sides
    assert sna.cross_role_ladder(forum, draws=19, rng=1)["n_pairs"].unique().to_list() == [
        int(table.filter((pl.col("from_group") != "(missing)") & (pl.col("to_group") != "(missing)"))["observed"].sum())
    ]


@pytest.mark.parametrize("null", NULLS)
def test_expected_counts_add_up_and_margins_hold(simulated, null):
    table = sna.mixing_matrix(simulated, null=null, draws=99, rng=1)
    assert table["expected"].sum() == pytest.approx(table["observed"].sum())
    if null != "label permutation":
        sums = table.group_by("from_group").agg(pl.col("observed", "expected").sum())
        assert sums["expected"].to_list() == pytest.approx(sums["observed"].to_list())
    assert table["p_value"].is_between(0, 1).all()
    assert (table["p_adjusted"] >= table["p_value"] - 1e-9).all() or null == "thread participation"
    judged = table.filter(pl.col("ratio").is_not_null())
    assert (judged["low"] <= judged["ratio"] + 1e-9).all()
    assert (judged["high"] >= judged["ratio"] * 0.9 - 1e-9).all()


def test_channel_expectation_by_hand():
    # space x: HR asks, IT joins; space y: IT asks, IT joins: within spaces there is nothing to shuffle
    roles = {"h": "HR", "i": "IT", "j": "IT"}
    forum = talk([("t", "x", 0, ["h", "i"]), ("u", "y", 1, ["j", "i"])], roles=roles)
    coded = code_joins(forum, "role")
    mean, variance = cell_moments(channel_null(), coded.pairs)
    assert mean == pytest.approx(count_groups(coded.pairs))
    assert variance == pytest.approx(np.zeros((2, 2)))


def test_a_segregated_forum_is_seen_and_named(segregated):
    level = sna.cross_role_level(sna.make_forum(role_preference=1.0, rng=4).forum, draws=199, rng=1)
    assert level.value < 0
    assert level.high < 0
    assert level.p_value <= 6 / 200
    assert level.null == "thread participation"
    silent = sna.list_silent_pairs(segregated, draws=199, rng=1)
    assert silent.select("group_a", "group_b", "observed").rows() == [("HR", "IT", 0)]
    # draws next to the observed forum in the chain may still be like it
    assert silent["p_adjusted"][0] <= 3 / 200


def test_planted_preference_has_its_sign_and_none_has_none():
    thetas = [sna.cross_role_level(sna.make_forum(role_preference=d, rng=8).forum, draws=99, rng=2) for d in (-1, 0, 1)]
    assert thetas[0].value > 0.2
    assert thetas[2].value < -0.2
    assert thetas[1].low < 0 < thetas[1].high


def test_level_is_not_answerable_without_spaces(segregated):
    nowhere = sna.build_forum(
        posts=segregated.posts.with_columns(space=pl.lit(None, pl.String)), roles=segregated.roles
    )
    for ask in (sna.cross_role_level, sna.list_silent_pairs):
        with pytest.raises(sna.NotAnswerableError, match="space"):
            ask(nowhere)
    with pytest.raises(sna.NotAnswerableError, match="space"):
        sna.mixing_matrix(nowhere, null="thread participation")
    assert sna.cross_role_ladder(nowhere)["null"].to_list() == ["label permutation", "volume-holding"]


def test_level_is_not_answerable_when_the_source_says_so(segregated):
    capabilities = {**dict.fromkeys(sna.schema.CAPABILITIES, "yes"), "spaces": "no"}
    forum = replace(segregated, source=replace(segregated.source, capabilities=capabilities))
    with pytest.raises(sna.NotAnswerableError, match="spaces"):
        sna.cross_role_level(forum)


def test_change_is_answerable_without_spaces():
    forum = sna.make_forum(n_threads=500, n_weeks=52, role_preference=1.2, role_preference_later=0.0, rng=3).forum
    half = forum.period[0] + (forum.period[1] - forum.period[0]) / 2
    blind = replace(forum, posts=forum.posts.with_columns(space=pl.lit(None, pl.String)))
    for each in (forum, blind):
        change = sna.cross_role_change(each, split_at=half, draws=199, rng=1)
        assert change.value > 0.1
        assert change.low > 0
        assert change.p_value <= 0.02


def test_change_of_nothing_is_zero_by_construction(segregated):
    # the same weeks twice: theta before equals theta after
    with pytest.raises(sna.NotAnswerableError, match="before"):
        sna.cross_role_change(segregated, split_at=day(5))
    twice = [(f"{half}{i:02d}", "help", i + 100 * half, people(i)) for half in (0, 1) for i in range(24)]
    roles = {f"p{i:02d}": "IT" if i % 3 else "HR" for i in range(16)}
    change = sna.cross_role_change(talk(twice, roles=roles), split_at=day(90), draws=99, rng=1)
    assert change.value == pytest.approx(0.0, abs=1e-12)
    assert change.p_value > 0.5


def people(i):
    return [f"p{(i * 5 + step * step) % 16:02d}" for step in range(4)]


def test_too_little_or_too_uniform_data_is_refused(six, segregated):
    with pytest.raises(sna.NotAnswerableError, match="20 threads"):
        sna.cross_role_level(six)
    same = sna.build_forum(posts=segregated.posts, roles=segregated.roles.with_columns(value=pl.lit("IT")))
    with pytest.raises(sna.NotAnswerableError, match="two values"):
        sna.cross_role_level(same)
    with pytest.raises(sna.SchemaError, match="attribute"):
        sna.cross_role_level(six, by="shoe_size")
    with pytest.raises(sna.SnaError, match="max-t"):
        sna.mixing_matrix(six, adjust="none")


def test_works_for_any_attribute(simulated):
    table = sna.mixing_matrix(simulated, by="location", null="thread participation", draws=49, rng=1)
    assert set(table["from_group"]) <= set(simulated.roles.filter(pl.col("attribute") == "location")["value"]) | {
        "(missing)"
    }


def test_networks_mix_without_threads():
    edges = pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "weight": [3.0, 1.0]})
    network = sna.network_from_edges(
        edges, people=pl.DataFrame({"person_id": ["a", "b", "c"], "role": ["HR", "HR", None]})
    )
    table = sna.mixing_matrix(network)
    cells = {(a, b): n for a, b, n in table.select("from_group", "to_group", "observed").iter_rows() if n}
    assert cells == {("HR", "HR"): 3, ("HR", "(missing)"): 1}
    with pytest.raises(sna.NotAnswerableError, match="threads"):
        sna.mixing_matrix(network, null="thread participation")
    with pytest.raises(sna.SchemaError, match="attribute"):
        sna.mixing_matrix(network, by="level")
    half = sna.network_from_edges(edges.with_columns(pl.lit(0.5).alias("weight")), people=network.people)
    with pytest.raises(sna.SnaError, match="whole numbers"):
        sna.mixing_matrix(half)


def test_row_order_and_names_do_not_matter(simulated):
    first = sna.mixing_matrix(simulated, null="thread participation", draws=29, rng=7)
    shuffled = sna.build_forum(
        posts=simulated.posts.sample(fraction=1.0, shuffle=True, seed=1),
        people=simulated.people.sample(fraction=1.0, shuffle=True, seed=2),
        roles=simulated.roles.sample(fraction=1.0, shuffle=True, seed=3),
    )
    assert sna.mixing_matrix(shuffled, null="thread participation", draws=29, rng=7).equals(first)


def test_the_ladder_shows_every_null_on_the_same_pairs(simulated):
    ladder = sna.cross_role_ladder(simulated, draws=99, rng=1)
    assert ladder["null"].to_list() == list(NULLS)
    assert ladder["observed_share"].n_unique() == 1
    assert ladder.filter("supports_claims")["null"].to_list() == ["thread participation"]
    cells = sna.mixing_ladder(simulated, draws=99, rng=1)
    assert cells.group_by("null").agg(pl.col("observed").sum())["observed"].n_unique() == 1


def test_closed_form_theta_agrees_with_the_draws():
    coded = make_blind_forum(np.random.default_rng(3), delta=0.5)
    seating = make_seating(coded)
    closed = seated_theta(seating, seated_parts(seating, np.ones((len(coded.threads), 1))))[0]
    from sna.mixing.nulls import participation_null
    from sna.mixing.pairs import cross_share, draw_counts
    from sna.stats.inference import logit

    sample = draw_counts(participation_null(), coded.pairs, draws=199, rng=np.random.default_rng(1))
    drawn = logit(cross_share(count_groups(coded.pairs))) - logit(cross_share(sample).mean())
    assert closed == pytest.approx(float(drawn), abs=0.015)


def test_labels_are_permuted_within_their_sets_and_evenly():
    from sna.mixing.pairs import _permute_labels

    labels, members = np.array([1, 0, 0, 1, 0, 1, 1], dtype=np.int8), [np.array([0, 2, 4, 6]), np.array([1, 3, 5])]
    drawn = _permute_labels(labels, members, 6000, np.random.default_rng(1))
    for rows, ones in zip(members, (2, 2), strict=True):
        assert (drawn[rows].sum(axis=0) == ones).all()
        kinds, seen = np.unique(drawn[rows], axis=1, return_counts=True)
        assert kinds.shape[1] == {4: 6, 3: 3}[len(rows)]
        assert stats.chisquare(seen).pvalue > 1e-3


def test_change_does_not_depend_on_the_number_of_processors(monkeypatch):
    from sna.mixing.pairs import permute_change, within_spaces

    coded = within_spaces(make_blind_forum(np.random.default_rng(5), n_threads=80))
    after = (np.arange(len(coded.threads)) >= 40).astype(np.int64)
    results = []
    for processors in (1, 3, None):
        monkeypatch.setattr("os.cpu_count", lambda n=processors: n)
        value, sample = permute_change(coded, after, draws=70, rng=np.random.default_rng(2))
        results.append((value, sample.tobytes()))
    assert len(sample) == 70
    assert len(set(sample.tolist())) > 60
    assert results[0] == results[1] == results[2]


def test_max_t_controls_the_family_and_beats_holm():
    rng = np.random.default_rng(1)
    false_alarms = []
    for _ in range(300):
        sample = rng.normal(size=(100, 30))
        false_alarms.append(max_t_p(sample[0], sample[1:]).min() <= 0.05)
    assert abs(np.mean(false_alarms) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 300)
    strong = rng.normal(size=(99, 50))
    observed = np.append(9.0, np.zeros(49))
    assert max_t_p(observed, strong)[0] == pytest.approx(0.01)


def test_draws_made_once_serve_every_result(simulated):
    drawn = sna.draw_mixing(simulated, draws=49, rng=4)
    assert sna.cross_role_level(simulated, drawn=drawn) == sna.cross_role_level(simulated, draws=49, rng=4)
    ladder = sna.cross_role_ladder(simulated, drawn=drawn)
    assert ladder["theta"].to_list()[-1] == pytest.approx(sna.cross_role_level(simulated, drawn=drawn).value)
    cells = sna.mixing_ladder(simulated, drawn=drawn).filter(pl.col("null") == "thread participation")
    assert cells.equals(sna.mixing_matrix(simulated, null="thread participation", draws=49, rng=4))
    assert cells.equals(sna.mixing_matrix(simulated, null="thread participation", drawn=drawn))
    with pytest.raises(sna.SnaError, match="thread participation"):
        sna.mixing_matrix(simulated, drawn=drawn)
    assert sna.list_silent_pairs(simulated, drawn=drawn).equals(sna.list_silent_pairs(simulated, draws=49, rng=4))


def test_a_forum_in_which_nobody_turns_to_anybody_is_refused(six):
    alone = sna.build_forum(posts=six.posts.head(1), people=six.people, roles=six.roles, source=six.source)
    for null in ("volume-holding", "label permutation"):
        with pytest.raises(sna.NotAnswerableError, match=r"none|no |There are none"):
            sna.mixing_matrix(alone, null=null)
