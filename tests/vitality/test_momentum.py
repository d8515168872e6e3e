"""Growth accounting on paper and as identities; change, novelty and genealogy as planted."""

import numpy as np
import polars as pl
import pytest

import sna
from sna.simulate import make_forum
from sna.vitality import momentum
from tests.conftest import START, day


def forum_of(weeks, *, end=None, people=None, roster="yes"):
    """One post per person and week: ``{"ann": [0, 1, 3]}``."""
    rows = [
        (f"{name}-{week}", f"{name}-{week}", name, day(7 * week + 1), "root")
        for name, active in weeks.items()
        for week in active
    ]
    posts = pl.DataFrame(rows, schema=["post_id", "thread_id", "author_id", "created_at", "kind"], orient="row")
    source = sna.Source("test", capabilities={"roster": roster, "reply_parent": "yes"}, exported_at=end)
    return sna.build_forum(posts=posts, people=people, source=source)


@pytest.fixture
def paper():
    people = pl.DataFrame(
        {
            "person_id": ["ann", "bob", "cat", "eve", "new", "old"],
            "joined_at": [None, None, None, None, day(14), None],
            "left_at": [None, None, None, None, None, day(7)],
        }
    )
    return forum_of({"ann": [0, 1, 3, 4], "bob": [0, 3], "cat": [1, 4]}, end=day(30), people=people)


def test_accounting_on_paper(paper):
    table = momentum.weekly_momentum(paper)
    assert table.select("n_active", "n_new", "n_retained", "n_returned", "n_lost").rows() == [
        (2, 2, 0, 0, 0),
        (2, 1, 1, 0, 1),
        (0, 0, 0, 0, 2),
        (2, 0, 0, 2, 0),
        (2, 0, 1, 1, None),
    ]
    assert table["quick_ratio"].to_list() == [None, 1.0, 0.0, None, None]
    assert table["is_complete"].to_list() == [True] * 4 + [False]
    # old left at the first moment of week 1 and was there until then; new joined at the first moment of week 2.
    assert table["n_roster"].to_list() == [5, 5, 5, 5, 5]
    assert table["active_share"].to_list() == [0.4, 0.4, 0.0, 0.4, None]


def test_roster_is_that_of_the_week():
    people = pl.DataFrame(
        {"person_id": ["a", "b", "c"], "joined_at": [None, day(15), day(9)], "left_at": [day(6), None, None]}
    )
    table = momentum.weekly_momentum(forum_of({"c": [0, 1, 2, 3]}, people=people, end=day(28)))
    assert table["n_roster"].to_list() == [2, 1, 2, 2]
    silent = momentum.weekly_momentum(forum_of({"c": [0, 1]}, people=people, roster="no"))
    assert silent["n_roster"].null_count() == silent["active_share"].null_count() == 2


def test_identities_hold_on_a_forum_with_everything():
    forum = make_forum(n_weeks=40, retention=0.8, joiner_share=0.3, leaver_share=0.2, n_bots=1, rng=7).forum
    table = momentum.weekly_momentum(forum)
    active, new, retained, returned = (table[f"n_{name}"] for name in ("active", "new", "retained", "returned"))
    assert (active == new + retained + returned).all()
    done = table.filter("is_complete")
    assert (done["n_active"].shift(1).fill_null(0) == done["n_retained"] + done["n_lost"]).all()
    authors = forum.posts.join(forum.people.filter(kind="human"), left_on="author_id", right_on="person_id")
    assert new.sum() == authors["author_id"].n_unique()
    assert (
        (done["active_share_low"] <= done["active_share"]) & (done["active_share"] <= done["active_share_high"])
    ).all()


def test_a_window_shows_fewer_weeks_and_changes_none(paper):
    whole = momentum.weekly_momentum(paper)
    assert momentum.weekly_momentum(paper, since=day(14), until=day(28)).equals(whole[2:4])


def test_wilson_against_statistics_on_paper():
    low, high = momentum.wilson_interval(pl.lit(0.0), pl.lit(10))
    assert pl.select(low.alias("low"), high.alias("high")).row(0) == pytest.approx((0, 0.27753), abs=1e-5)


def test_cohorts_by_hand():
    """Export at week 30, idle 60 days: everybody is censored at 210 - 60 = day 150."""
    forum = forum_of({"ann": [0, 4], "bob": [0], "cat": list(range(0, 30, 2)), "dan": [28]}, end=day(210))
    curve = momentum.cohort_retention(forum, every="all")
    assert curve.select("weeks", "retained_share", "n_at_risk").rows() == [
        (0.0, pytest.approx(2 / 3), 3),
        (4.0, pytest.approx(1 / 3), 2),
    ]
    with pytest.raises(sna.NotAnswerableError, match="at least 300 days"):
        momentum.cohort_retention(forum, idle_days=300)


def test_recent_cohorts_do_not_look_unfaithful():
    """The same people, always active: nobody is lost, whenever they began."""
    weeks = {f"p{i}": list(range(i, 40)) for i in range(20)}
    curve = momentum.cohort_retention(forum_of(weeks, end=day(280)), every="month")
    assert curve["cohort"].n_unique() > 3
    assert (curve["retained_share"] == 1).all()


def steady(values):
    weeks = {f"p{i}": [w for w, n in enumerate(values) if i < n] for i in range(max(values))}
    return forum_of(weeks, end=day(7 * len(values)))


def test_a_planted_fall_is_found_where_it_is():
    rng = np.random.default_rng(3)
    forum = steady(list(rng.poisson(30, 26)) + list(rng.poisson(15, 20)))
    estimate = momentum.momentum_change(forum, draws=199, rng=1)
    assert momentum.change_week(forum) == day(7 * 26)
    assert estimate.value == pytest.approx(0.5, abs=0.1)
    assert estimate.low < estimate.value < estimate.high < 1
    assert estimate.p_value <= 0.02
    assert f"{day(7 * 26):%Y-%m-%d}" in estimate.measure


def test_noise_has_no_change_point_and_short_series_are_refused():
    rng = np.random.default_rng(5)
    rejected = sum(
        momentum.momentum_change(steady(rng.poisson(20, 40)), draws=99, rng=seed).p_value <= 0.05 for seed in range(12)
    )
    assert rejected <= 3
    with pytest.raises(sna.NotAnswerableError, match="16 complete weeks"):
        momentum.momentum_change(steady([5] * 15))
    with pytest.raises(sna.SnaError, match="measure is one of"):
        momentum.change_week(steady([5] * 20), measure="mood")


def test_the_week_cut_by_the_export_is_no_fall():
    values = [20] * 30 + [2]
    forum = steady(values)
    cut = sna.build_forum(posts=forum.posts, people=forum.people, source=sna.Source("cut", exported_at=day(7 * 30 + 3)))
    estimate = momentum.momentum_change(cut, draws=99, rng=0)
    assert estimate.n == 30
    assert estimate.value == pytest.approx(1)
    assert estimate.p_value == 1


def test_planted_novelty_floor_comes_back():
    week = np.arange(70)
    rate = 30 * (0.4 + 0.6 * np.exp(-week / 7))
    values = np.random.default_rng(2).poisson(rate)
    estimate = momentum.novelty_floor(steady(values), draws=99, rng=0)
    assert estimate.low < 0.4 < estimate.high
    assert estimate.value == pytest.approx(0.4, abs=0.1)
    assert momentum.novelty_floor(steady([20] * 40), draws=9, rng=0).value > 0.95


def test_genealogy_by_hand(six):
    table = momentum.reply_genealogy(six)
    assert table.select("n_roots", "n_replies", "replies_per_root", "depth_mean").rows() == [
        (2, 4, 2.0, 1.5),
        (1, 1, 1.0, 1.0),
    ]
    assert table["branching_ratio"].to_list() == pytest.approx([4 / 6, 1 / 2])
    assert table["unanswered_share"].to_list() == [0, 0]
    assert table["is_complete"].to_list() == [False, False]
    soon = momentum.reply_genealogy(six, within_days=1)
    assert soon.select("n_replies").to_series().to_list() == [2, 1]
    assert soon["is_complete"].to_list() == [True, False]


def test_same_rows_in_another_order_same_tables():
    forum = make_forum(n_people=60, n_threads=80, n_weeks=20, retention=0.8, rng=3).forum
    mixed = sna.build_forum(
        **{name: getattr(forum, name).sample(fraction=1, shuffle=True, seed=1) for name in sna.schema.TABLES},
        source=forum.source,
    )
    for table in (momentum.weekly_momentum, momentum.reply_genealogy):
        assert table(mixed).equals(table(forum))
    assert momentum.cohort_retention(mixed, idle_days=30).equals(momentum.cohort_retention(forum, idle_days=30))


def test_the_collapse_of_a_real_forum_shows(shared):
    """The urho3d community ended after a governance conflict in 2021 and 2022."""
    forum = sna.read_forum(shared / "data" / "urho3d_discourse")
    table = momentum.weekly_momentum(forum)
    assert (
        table["n_posts"].sum()
        + forum.posts.join(
            forum.people.filter(pl.col("kind") != "human"), left_on="author_id", right_on="person_id"
        ).height
        + forum.posts["author_id"].null_count()
        == forum.posts.height
    )
    estimate = momentum.momentum_change(forum, since="2019-01-01", draws=199, rng=0)
    week = momentum.change_week(forum, since="2019-01-01")
    assert START.replace(year=2020, month=10) < week < START.replace(year=2022, month=6)
    assert estimate.value < 0.6
    assert estimate.p_value <= 0.01


@pytest.mark.calibration
def test_size_of_the_change_point_test():
    """White weekly noise: 5 % false alarms. Memory between weeks raises that; the docstring says so."""
    rng = np.random.default_rng(8)
    rates = {}
    for memory in (0.0, 0.3):
        rejected = 0
        for _ in range(300):
            noise = rng.normal(0, 1, 110)
            for t in range(1, 110):
                noise[t] += memory * noise[t - 1]
            logs = noise[30:] * 0.2 + 3
            height = momentum._split(logs[None, :])[1][0]
            null = np.stack([logs[momentum._shuffle_blocks(80, rng)] for _ in range(199)])
            rejected += (1 + (momentum._split(null)[1] >= height).sum()) / 200 <= 0.05
        rates[memory] = rejected / 300
    assert 0.02 < rates[0.0] < 0.09
    assert rates[0.3] < 0.1
