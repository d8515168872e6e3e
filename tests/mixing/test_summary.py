"""One answer: raw shares anybody can count, decisions withheld where comparisons disagree, the example's date."""

import html
from dataclasses import replace

import polars as pl
import pytest

import sna
from sna.mixing.summary import decide_level
from tests.conftest import day


@pytest.fixture(scope="module")
def changed():
    return sna.make_forum(n_threads=900, n_weeks=52, role_preference=1.5, role_preference_later=0.0, rng=3)


@pytest.fixture(scope="module")
def summary(changed):
    return sna.cross_role_summary(changed.forum, split_at=changed.truth.changed_at, draws=99, rng=1)


def test_raw_shares_are_those_anybody_can_count(changed, summary):
    """From posts alone: who wrote in a thread somebody else began, and whether their roles differ."""
    forum = changed.forum
    role = dict(forum.roles.filter(attribute="role").select("person_id", "value").iter_rows())
    counts = {"before": [0, 0], "after": [0, 0]}
    for _, posts in forum.posts.sort("created_at", "post_id").group_by("thread_id", maintain_order=True):
        asker, start = posts["author_id"][0], posts["created_at"][0]
        part = counts["after" if start >= changed.truth.changed_at else "before"]
        for person in posts["author_id"].unique():
            if person != asker:
                part[0] += 1
                part[1] += role[person] != role[asker]
    assert summary.shares.select("part", "n_joinings", "n_across").rows() == [
        (part, joinings, across) for part, (joinings, across) in counts.items()
    ]
    before, after = (across / joinings for joinings, across in counts.values())
    assert f"{before:.0%} of those who joined another person's thread before" in summary.sentence()
    assert f"{after:.0%} since ({counts['before'][0]:,} and {counts['after'][0]:,} joinings)" in summary.sentence()


def test_a_planted_change_is_claimed_and_its_date_found(changed, summary):
    assert (summary.change_decision, summary.split_basis) == ("more", "given")
    found = sna.cross_role_summary(changed.forum, draws=99, rng=1)
    assert found.split_basis == "search"
    assert abs((found.split_at - changed.truth.changed_at).days) <= 21
    assert found.change_decision == "more"


def test_every_face_of_the_summary_says_the_same(summary):
    assert repr(summary) == summary.sentence()
    assert summary.share_words() in html.unescape(summary._repr_html_())
    assert "<table" in summary._repr_html_()
    plain = summary.to_dict()
    assert plain["sentence"] == summary.sentence()
    assert plain["shares"] == summary.shares.to_dicts()
    assert plain["change"][0]["value"] == summary.change.value


def test_a_campaign_gives_the_date(changed):
    campaigns = pl.DataFrame(
        {"campaign_id": ["c1"], "name": ["Open house"], "kind": ["pull"], "starts_at": [changed.truth.changed_at]}
    )
    forum = replace(changed.forum, campaigns=sna.build_forum(posts=changed.forum.posts, campaigns=campaigns).campaigns)
    for name in ("c1", "Open house"):
        summary = sna.cross_role_summary(forum, split_at=name, draws=49, rng=1)
        assert summary.split_basis == "campaign Open house"
        assert summary.split_at == changed.truth.changed_at


def test_the_example_is_found_at_its_planted_date_which_is_no_campaign_and_not_the_middle():
    forum, truth = sna.load_example(), sna.load_example_truth()
    planted = pl.Series([truth["changed_at"]]).str.to_datetime(time_zone="UTC")[0]
    date, change = sna.find_change_date(forum, draws=199, rng=1)
    assert abs((date - planted).days) <= 14
    assert change.low > 0
    first, last = forum.period
    others = [*forum.campaigns["starts_at"], *forum.campaigns["ends_at"].drop_nulls(), first + (last - first) / 2]
    assert min(abs((planted - other).days) for other in others if other < last) > 28


def test_levels_that_disagree_are_undecided():
    columns = ["every", "by_hour", "value", "low", "high"]

    def levels(*rows):
        return pl.DataFrame([("1mo", False, *rows[0]), ("1w", True, *rows[1])], schema=columns, orient="row")

    assert decide_level(levels((-0.5, -0.6, -0.4), (-0.5, -0.7, -0.3)))[0] == "less"
    assert decide_level(levels((0.5, 0.4, 0.6), (0.5, 0.3, 0.7)))[0] == "more"
    only_coarse = decide_level(levels((-0.5, -0.6, -0.4), (-0.1, -0.4, 0.2)))
    assert only_coarse[0] == "undecided"
    assert "active at other times" in only_coarse[1]
    assert decide_level(levels((0.1, -0.1, 0.3), (-0.5, -0.7, -0.3)))[0] == "undecided"
    assert decide_level(levels((0.1, -0.1, 0.3), (None, None, None)))[0] == "undecided"
    shrinking = decide_level(levels((-2.9, -3.2, -2.6), (-0.6, -0.9, -0.2)))
    assert shrinking[0] == "undecided"
    assert "active at the same time" in shrinking[1]


def test_busy_weeks_of_roles_are_no_preference():
    """Roles with their own busy weeks: by quarter nearly every forum looks segregated, and no level is claimed."""
    alarms = {"quarter": 0, "claimed": 0}
    for seed in range(6):
        forum = sna.make_forum(
            n_threads=600, n_weeks=52, role_weeks=1.0, silent_share=0, champion_share=0, rng=seed
        ).forum
        levels = sna.cross_role_levels(forum, draws=49, rng=1)
        alarms["quarter"] += levels["high"][0] < 0
        alarms["claimed"] += decide_level(levels)[0] != "undecided"
    assert alarms["quarter"] >= 5
    assert alarms["claimed"] <= 1


def test_groups_that_move_are_said():
    forum = sna.make_forum(n_threads=700, n_weeks=52, n_roles=2, role_growth=19.0, role_preference=0.6, rng=2).forum
    half = forum.period[0] + (forum.period[1] - forum.period[0]) / 2
    summary = sna.cross_role_summary(forum, split_at=half, draws=49, rng=1)
    assert summary.groups["share_before"].sum() == pytest.approx(1)
    moved = (summary.groups["share_after"] - summary.groups["share_before"]).abs().sum() / 2
    assert summary.moved_share == pytest.approx(moved)
    assert summary.moved_share > 0.2
    assert "have changed, which moves the raw shares too" in summary.change_words()


def test_without_spaces_the_level_is_not_answerable_and_the_change_is(changed):
    nowhere = replace(changed.forum, posts=changed.forum.posts.with_columns(space=pl.lit(None, pl.String)))
    summary = sna.cross_role_summary(nowhere, split_at=changed.truth.changed_at, draws=49, rng=1)
    assert summary.level_decision == "not answerable"
    assert summary.levels.is_empty()
    assert summary.silent.is_empty()
    assert summary.change_decision == "more"
    assert not summary.matrix["supports_claims"].any()


def test_every_silent_pair_is_starred_in_the_matrix(summary):
    starred = summary.matrix.filter((pl.col("p_adjusted") <= 0.05) & (pl.col("ratio") < 1))
    cells = set(starred.select("from_group", "to_group").rows())
    assert set(summary.silent.select("from_group", "to_group").rows()) == {(a, b) for a, b in cells if a != b}


def test_too_little_is_refused(six):
    with pytest.raises(sna.NotAnswerableError, match="20 threads"):
        sna.cross_role_summary(six, split_at=day(2))
