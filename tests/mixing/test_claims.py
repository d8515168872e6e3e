"""Mixing on forums with answers on paper, planted preferences, missing roles, and sources without channels."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

import sna
from sna.mixing.nulls import NULLS, Null, cell_moments, channel_null, draw_counts, participation_null
from sna.mixing.pairs import code_joins, count_groups, cross_share
from sna.mixing.seating import (
    Preference,
    estimate_preference,
    expected_same_share,
    fit_preference,
    hold_margins,
    score_threads,
    subtract,
    t_estimate,
)
from sna.stats.inference import max_t_p
from tests.conftest import day
from tests.role_blind import code_pairs, make_blind_forum


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
    table = sna.mixing_matrix(six, null="volume-holding")
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
    pairs = code_joins(six, "role")
    names = pairs.groups
    counts = count_groups(pairs)
    assert {(names[a], names[b]): counts[a, b] for a, b in np.argwhere(counts)} == {
        ("IT", "HR"): 1,
        ("IT", "Sales"): 2,
        ("HR", "IT"): 1,
    }


def test_an_asker_keeps_the_role_held_when_asking():
    roles = {"a": [("HR", None, day(5)), ("IT", day(5), None)], "b": "IT", "c": "IT"}
    pairs = code_joins(talk([("t", "s", 4.99, ["a", "b", "c"])], roles=roles), "role")
    assert [pairs.groups[code] for code in pairs.target_group] == ["HR", "HR"]


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
    assert (table["p_adjusted"] >= table["p_value"]).all()
    judged = table.filter(pl.col("ratio").is_not_null())
    assert (judged["low"] <= judged["ratio"] + 1e-9).all()
    assert (judged["high"] >= judged["ratio"] * 0.9 - 1e-9).all()


def test_channel_expectation_by_hand():
    # space x: HR asks, IT joins; space y: IT asks, IT joins: within spaces there is nothing to shuffle
    roles = {"h": "HR", "i": "IT", "j": "IT"}
    forum = talk([("t", "x", 0, ["h", "i"]), ("u", "y", 1, ["j", "i"])], roles=roles)
    pairs = code_joins(forum, "role")
    mean, variance = cell_moments(channel_null(), pairs)
    assert mean == pytest.approx(count_groups(pairs))
    assert variance == pytest.approx(np.zeros((2, 2)))


def test_a_segregated_forum_is_seen_and_named(segregated):
    level = sna.cross_role_level(sna.make_forum(role_preference=1.0, rng=4).forum, draws=199, rng=1)
    assert level.value < 0
    assert level.high < 0
    assert level.p_value <= 6 / 200
    assert level.null == "thread participation"
    silent = sna.list_silent_pairs(segregated, draws=199, rng=1)
    assert sorted(silent.select("from_group", "to_group", "observed").rows()) == [("HR", "IT", 0), ("IT", "HR", 0)]
    # draws next to the observed forum in the chain may still be like it
    assert silent["p_adjusted"][0] <= 6 / 200


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
        change = sna.cross_role_change(each, split_at=half)
        assert change.value > 0.1
        assert change.low > 0
        assert change.p_value <= 0.02


def test_change_of_nothing_is_zero_by_construction(segregated):
    # the same weeks twice: theta before equals theta after
    with pytest.raises(sna.NotAnswerableError, match="before"):
        sna.cross_role_change(segregated, split_at=day(5))
    twice = [(f"{half}{i:02d}", "help", i + 91 * half, people(i)) for half in (0, 1) for i in range(24)]
    roles = {f"p{i:02d}": "IT" if i % 3 else "HR" for i in range(16)}
    change = sna.cross_role_change(talk(twice, roles=roles), split_at=day(90), draws=19, rng=1)
    assert change.value == pytest.approx(0.0, abs=1e-9)
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


def test_closed_form_expectation_agrees_with_the_draws():
    pairs = make_blind_forum(np.random.default_rng(3), delta=0.5)
    closed = expected_same_share(hold_margins(pairs))
    sample = draw_counts(participation_null(), pairs, draws=199, rng=np.random.default_rng(1))
    assert closed == pytest.approx(1 - float(cross_share(sample).mean()), abs=0.004)


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
    ready = sna.draw_mixing(simulated, draws=49, rng=4)
    assert sna.cross_role_level(ready) == sna.cross_role_level(simulated, draws=49, rng=4)
    ladder = sna.cross_role_ladder(ready)
    assert ladder["theta"].to_list()[-1] * sna.cross_role_level(ready).value > 0
    cells = sna.mixing_ladder(ready).filter(pl.col("null") == "thread participation")
    assert cells.equals(sna.mixing_matrix(simulated, null="thread participation", draws=49, rng=4))
    assert cells.equals(sna.mixing_matrix(ready))
    assert sna.list_silent_pairs(ready).equals(sna.list_silent_pairs(simulated, draws=49, rng=4))
    half = simulated.period[0] + (simulated.period[1] - simulated.period[0]) / 2
    changes = [sna.cross_role_change(data, split_at=half, draws=49, rng=1) for data in (ready, simulated)]
    assert changes[0] == changes[1]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"by": "department"}, "by: the draws have 'role', asked for 'department'"),
        ({"every": "1q"}, "every: the draws have '1mo', asked for '1q'"),
        ({"since": "2024-02-01"}, "since: the draws have None, asked for 2024-02-01"),
        ({"until": "2024-05-01"}, "until: the draws have"),
    ],
)
def test_what_contradicts_ready_draws_is_an_error(simulated, asked, words):
    ready = sna.draw_mixing(simulated, draws=9, rng=4)
    for ask in (
        sna.mixing_matrix,
        sna.mixing_ladder,
        sna.cross_role_ladder,
        sna.cross_role_level,
        sna.cross_role_change,
        sna.find_change_date,
        sna.list_silent_pairs,
    ):
        with pytest.raises(sna.SnaError, match=words):
            ask(ready, **asked)
    # what agrees is no contradiction
    assert sna.cross_role_level(ready, by="role", every="1mo").n > 0


def test_another_null_than_that_of_the_draws_is_an_error(simulated):
    ready = sna.draw_mixing(simulated, draws=9, rng=4)
    with pytest.raises(sna.SnaError, match="the draws have the thread participation null"):
        sna.mixing_matrix(ready, null="volume-holding")
    assert sna.mixing_matrix(ready, null="thread participation").equals(sna.mixing_matrix(ready))


def test_nothing_asks_for_the_name_of_a_null(simulated):
    """The built-in nulls under other names give the same numbers, in every function that takes a null."""
    for name in NULLS:
        built_in = sna.mixing.nulls.find_null(name)
        renamed = replace(built_in, name="mine")
        first, second = (sna.mixing_matrix(simulated, null=null, draws=29, rng=3) for null in (built_in, renamed))
        assert first.drop("null").equals(second.drop("null")), name
        assert second["null"].unique().to_list() == ["mine"]
        if built_in.pairs == "interactions":
            flows = [sna.hierarchy_flow(simulated, null=null, draws=9, rng=3) for null in (built_in, renamed)]
            assert flows[0].drop("null").equals(flows[1].drop("null"))
    ready = sna.draw_mixing(simulated, null=replace(participation_null(), name="mine"), draws=29, rng=3)
    level = sna.cross_role_level(ready)
    assert replace(level, null="") == replace(sna.cross_role_level(simulated, draws=29, rng=3), null="")
    assert level.null == "mine"


def test_a_null_of_ones_own_runs_on_the_pairs_and_strata_it_names(simulated):
    """Participants permuted within spaces over the whole time, without regard to who sits twice."""

    def shuffle(pairs, draws, rng):
        for _ in range(draws):
            order = np.lexsort((rng.random(pairs.size), pairs.stratum))
            home = np.argsort(pairs.stratum, kind="stable")
            source, group = pairs.source.copy(), pairs.source_group.copy()
            source[home], group[home] = pairs.source[order], pairs.source_group[order]
            yield replace(pairs, source=source, source_group=group)

    mine = Null("mine", ("joins per space",), "people", shuffle, pairs="joinings", strata=("space",), needs=("spaces",))
    table = sna.mixing_matrix(simulated, null=mine, draws=99, rng=1)
    joins = sna.mixing_matrix(simulated, null="thread participation", draws=9, rng=1)
    assert table["observed"].equals(joins["observed"])
    assert not table["supports_claims"].any()
    assert table["expected"].sum() == pytest.approx(table["observed"].sum())
    with pytest.raises(sna.NotAnswerableError, match="supports claims"):
        sna.cross_role_level(sna.draw_mixing(simulated, null=mine, draws=9, rng=1))
    with pytest.raises(sna.SnaError, match="strata"):
        replace(mine, strata=("weather",))


def test_the_recommended_null_is_the_default_and_a_fallback_says_so(simulated):
    assert sna.mixing_matrix(simulated, draws=9)["null"].unique().to_list() == ["thread participation"]
    nowhere = replace(simulated, posts=simulated.posts.with_columns(space=pl.lit(None, pl.String)))
    table = sna.mixing_matrix(nowhere)
    assert table["null"].unique().to_list() == ["volume-holding"]
    assert table["note"].unique().to_list()[0].startswith("A description, not a claim")
    assert not table["supports_claims"].any()


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("adjust", ["max-t", "holm", "bh"])
def test_adjusted_p_is_never_below_p(null, adjust):
    for seed in range(4):
        forum = sna.make_forum(n_people=40, n_threads=80, n_roles=4, role_preference=1.5, rng=seed).forum
        table = sna.mixing_matrix(forum, null=null, adjust=adjust, draws=99, rng=seed)
        assert (table["p_adjusted"] >= table["p_value"]).all(), seed


def test_interval_and_p_of_an_estimate_agree():
    """p < 0.05 exactly when the 95 % interval leaves out the expectation, over forums with and without preference."""
    inside = set()
    for seed in range(24):
        preference = (0.0, 0.4, 0.8)[seed % 3]
        forum = sna.make_forum(n_people=60, n_threads=140, role_preference=preference, rng=seed).forum
        half = forum.period[0] + (forum.period[1] - forum.period[0]) / 2
        for estimate in (
            sna.cross_role_level(forum, draws=49, rng=1),
            sna.cross_role_change(forum, split_at=half),
            sna.cross_role_change(forum, draws=99, rng=1),
            sna.cross_role_level(forum, draws=49, level=0.8, rng=1),
        ):
            leaves_out = not estimate.low <= estimate.expected <= estimate.high
            assert (estimate.p_value <= 1 - estimate.level + 1e-12) == leaves_out, (seed, estimate)
            inside.add(leaves_out)
    assert inside == {True, False}


def test_the_error_of_a_change_has_welch_degrees_of_freedom():
    """Against SciPy's own Welch test: two parts of very different spread and size."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(0, 6, 6), rng.normal(1, 4, 30)
    parts = [Preference(float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x))), len(x) - 1.0) for x in (first, second)]
    made = t_estimate("gap", subtract(parts[1], parts[0]), level=0.95, null="", n=36)
    expected = stats.ttest_ind(first, second, equal_var=False)
    interval = expected.confidence_interval()
    assert (made.low, made.high) == pytest.approx((interval.low, interval.high))
    assert made.p_value == pytest.approx(expected.pvalue)


def test_the_expected_table_has_the_margins_and_the_odds():
    # one stratum: 3 of a and 2 of b join seats of 2 a and 3 b, nobody their own
    pairs = code_pairs([0, 0, 1, 1, 1], [0, 1, 2, 3, 4], [5, 5, 6, 6, 6], [0] * 5, [0, 0, 0, 1, 1, 0, 1])
    margins = hold_margins(pairs)
    assert expected_same_share(margins) == pytest.approx((3 * 2 + 2 * 3) / 5 / 5)
    # twice the odds for one's own: cells x, 3 - x, 2 - x, x with x * x = 2 * 2 * (3 - x)(2 - x)
    x = min(np.roots([3, -20, 24]).real)
    assert expected_same_share(margins, float(np.log(2))) == pytest.approx(2 * x / 5)


def test_scores_add_up_to_the_pairs_beyond_expectation_and_have_its_exact_variance():
    """Threads of one seat each: the variance of a permuted sum, exactly (Hoeffding)."""
    rng = np.random.default_rng(5)
    n, roles = 400, rng.integers(0, 3, 800)
    pairs = code_pairs(range(n), range(n), range(n, 2 * n), rng.integers(0, 40, n), roles)
    margins = hold_margins(pairs)
    scores = score_threads(pairs, margins, delta=0.0)
    assert scores.score.sum() == pytest.approx(margins.same - expected_same_share(margins) * n)
    _, variance = channel_null().moments(pairs, np.eye(3)[None])
    assert scores.square.sum() == pytest.approx(float(variance[0]), rel=0.15)


@pytest.mark.parametrize("planted", [-0.7, 0.0, 0.7])
def test_the_planted_preference_comes_back_whatever_the_sizes_of_groups(planted):
    """Two designs whose shares of talk across roles differ widely; the estimate is the same."""
    for n_roles in (2, 5):
        found = []
        for seed in range(4):
            made = sna.make_forum(n_roles=n_roles, n_threads=600, role_preference=planted, silent_share=0, rng=seed)
            found.append(estimate_preference(code_joins(made.forum, "role", every="1mo")))
        mean, error = np.mean([one.delta for one in found]), np.mean([one.error for one in found]) / 2
        # time and space blur a preference a little; they never turn it around
        assert abs(mean - planted) < 0.2 * abs(planted) + 3 * error, (n_roles, mean, error)


def test_a_forum_without_any_pair_of_the_same_group_has_a_finite_preference():
    pairs = code_pairs([0, 1, 2, 3], [0, 1, 2, 3], [2, 3, 0, 1], [0] * 4, [0, 0, 1, 1])
    delta, information = fit_preference(hold_margins(pairs))
    assert -6 <= delta < 0
    assert information > 0


def test_the_jackknife_of_the_label_null_is_scaled_to_the_threads_kept():
    """Without scaling, leaving out a twentieth of the pairs would look like a twentieth fewer than expected."""
    from sna.mixing.matrix import left_out_ratios
    from sna.mixing.nulls import label_null

    pairs = make_blind_forum(np.random.default_rng(4), n_threads=100)
    expected = cell_moments(label_null(), pairs)[0]
    parts = left_out_ratios(pairs, label_null(), expected=expected)
    whole = np.log(count_groups(pairs) + 0.5) - np.log(expected + 0.5)
    big = count_groups(pairs) > 60
    assert np.abs(parts.mean(axis=0) - whole)[big].max() < 0.005
    # by hand for the first group: threads 0, 20, 40, ... are left out
    kept = pairs.thread % 20 != 0
    counts = np.zeros_like(expected)
    np.add.at(counts, (pairs.source_group[kept], pairs.target_group[kept]), 1)
    by_hand = np.log(counts + 0.5) - np.log(expected * kept.mean() + 0.5)
    assert parts[0] == pytest.approx(by_hand)


def test_a_claim_needs_enough_people_of_known_group():
    people = [f"p{i:02d}" for i in range(20)]
    rows = [(f"t{i:02d}", "help", i, [people[i % 20], people[(i + 3) % 20], people[(i + 7) % 20]]) for i in range(60)]
    few = talk(rows, roles={"p00": "HR", "p01": "IT", "p02": "IT", "p03": "HR"})
    for ask in (sna.cross_role_level, sna.cross_role_ladder, sna.draw_mixing):
        with pytest.raises(sna.NotAnswerableError, match="4 of 20 people who take part have a role"):
            ask(few)
    with pytest.raises(sna.NotAnswerableError, match="4 of 20 people"):
        sna.cross_role_change(few, split_at=day(30))


def test_unknown_groups_are_counted_and_never_judged(simulated):
    people = simulated.people["person_id"].head(30)
    partly = replace(simulated, roles=simulated.roles.filter(~pl.col("person_id").is_in(people.implode())))
    for null in NULLS:
        table = sna.mixing_matrix(partly, null=null, draws=19, rng=1)
        unknown = (pl.col("from_group") == "(missing)") | (pl.col("to_group") == "(missing)")
        assert table.filter(unknown)["observed"].sum() > 0
        assert (
            table.filter(unknown).select("ratio", "low", "high", "p_value", "p_adjusted").null_count().row(0)
            == (table.filter(unknown).height,) * 5
        )
        assert table.filter(~unknown)["p_adjusted"].null_count() == 0


def test_silent_pairs_are_the_starred_cells_below_one():
    forum = sna.make_forum(
        n_threads=900, role_preference=0.5, pair_preference={("Sales", "Support"): -4.0}, rng=2
    ).forum
    ready = sna.draw_mixing(forum, draws=199, rng=1)
    starred = sna.mixing_matrix(ready).filter(
        (pl.col("p_adjusted") <= 0.05) & (pl.col("ratio") < 1) & (pl.col("from_group") != pl.col("to_group"))
    )
    listed = sna.list_silent_pairs(ready)
    assert set(listed.select("from_group", "to_group").rows()) == set(starred.select("from_group", "to_group").rows())
    assert ("Support", "Sales") in listed.select("from_group", "to_group").rows()


def test_a_forum_in_which_nobody_turns_to_anybody_is_refused(six):
    alone = sna.build_forum(posts=six.posts.head(1), people=six.people, roles=six.roles, source=six.source)
    for null in ("volume-holding", "label permutation"):
        with pytest.raises(sna.NotAnswerableError, match=r"none|no |There are none"):
            sna.mixing_matrix(alone, null=null)
