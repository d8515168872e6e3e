"""Validation: nothing later than the cut reaches a score, outcomes and metrics are right."""

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import sna
from sna.champions.comparators import COMPARATORS
from sna.champions.validate import _metrics, forum_before, list_outcomes, validate_champions, validate_labels
from tests.conftest import day

AT = datetime(2024, 4, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def forum():
    return sna.make_forum(n_people=120, n_threads=300, n_weeks=26, joiner_share=0.2, leaver_share=0.2, rng=3).forum


def mutate_future(forum, at):
    """Change everything that lies after ``at``: new posts, likes, roles, people; other ends, names, kinds of text."""
    later = at + timedelta(days=3)
    some = forum.people["person_id"].head(20)
    posts = pl.DataFrame({"post_id": [f"x{i}" for i in range(20)], "author_id": some}).with_columns(
        thread_id="post_id", created_at=pl.lit(later), kind=pl.lit("root"), space=pl.lit("new")
    )
    thread = forum.posts["thread_id"][0]
    answers = posts.with_columns(post_id=pl.col("post_id") + "a", thread_id=pl.lit(thread), kind=pl.lit("answer"))
    old = forum.posts.filter(pl.col("created_at") < at).head(40)
    likes = old.select("post_id", kind=pl.lit("accept"), at=pl.lit(later))
    untimed = old.select("post_id", kind=pl.lit("like"), n=pl.lit(50))
    role = pl.DataFrame({"person_id": some, "attribute": "role", "value": "Other"}).with_columns(
        valid_from=pl.lit(later), basis=pl.lit("event")
    )
    people = pl.concat([forum.people, pl.DataFrame({"person_id": ["late"], "joined_at": [later]})], how="diagonal")
    people = people.with_columns(left_at=pl.col("left_at").fill_null(later), name=pl.lit("renamed"))
    return sna.build_forum(
        posts=pl.concat([forum.posts, posts, answers], how="diagonal_relaxed"),
        people=people.with_columns(pl.col("kind").fill_null("human")),
        roles=pl.concat([forum.roles, role], how="diagonal_relaxed"),
        signals=pl.concat([forum.signals, likes, untimed], how="diagonal_relaxed"),
        mentions=forum.mentions,
        events=forum.events,
        memberships=forum.memberships,
        source=forum.source,
    )


def test_scores_do_not_see_the_future(forum):
    now, mutated = forum_before(forum, AT), forum_before(mutate_future(forum, AT), AT)
    assert now.equals(mutated)
    for score in (sna.ensemble_score, *COMPARATORS.values()):
        assert score(now).equals(score(mutated))
    assert sna.find_champions(now).equals(sna.find_champions(mutated))


def test_the_mutation_would_be_seen_without_the_cut(forum):
    assert not sna.ensemble_score(forum).equals(sna.ensemble_score(mutate_future(forum, AT)))


def test_everything_is_cut(six):
    known = forum_before(six, day(3.5))
    assert known.posts["post_id"].to_list() == ["p1", "p2", "p3", "p4", "p5"]
    assert known.signals["post_id"].to_list() == ["p2"]
    assert known.observed_until == day(3.5)
    dan = known.roles.filter(person_id="dan")
    assert dan.select("value", "valid_to").rows() == [("Sales", None)]
    assert set(known.people["person_id"]) == {"ann", "bob", "cat", "dan", "eve"}


def test_outcomes_on_paper(six):
    found = list_outcomes(six, at=day(2.5), horizon=timedelta(days=4))
    assert found.rows() == [("ann", 0.0), ("bob", 1.0), ("dan", 0.0)]
    likes = list_outcomes(six, at=day(2.5), horizon=timedelta(days=4), outcome="likes")
    assert likes.rows() == [("ann", 0.0), ("bob", 2.0), ("dan", 0.0)]
    with pytest.raises(sna.NotAnswerableError, match="with and without"):
        list_outcomes(six, at=day(2.5), outcome="accepted")


def test_appointment_is_an_outcome(six):
    roles = pl.DataFrame(
        {"person_id": ["bob"], "attribute": ["platform_role"], "value": ["moderator"], "valid_from": [day(5)]}
    ).with_columns(basis=pl.lit("event"))
    roles = pl.concat([six.roles, roles], how="diagonal_relaxed")
    named = dataclasses.replace(six, roles=roles)
    found = list_outcomes(named, at=day(4.5), horizon=timedelta(days=2), outcome="appointed")
    assert found.filter(pl.col("outcome") > 0)["person_id"].to_list() == ["bob"]


def test_metrics_on_paper():
    """Scores 4 3 2 1 for outcomes 0 3 0 1: positives at the places 2 and 4."""
    auc, precision, top, gain = _metrics(np.array([4.0, 3, 2, 1]), np.array([0.0, 3, 0, 1]))
    assert auc == pytest.approx(1 / 4)  # of four pairs, one is in order
    assert precision == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert top == pytest.approx(2 / 4)
    ideal = 2 + 1 / np.log2(3)
    assert gain == pytest.approx((2 / np.log2(3) + 1 / np.log2(5)) / ideal)


def test_everybody_positive_gives_no_metric():
    assert np.isnan(_metrics(np.array([1.0, 2.0]), np.array([1.0, 1.0]))).all()


def test_who_already_holds_the_role_is_no_candidate_for_it(six):
    roles = pl.DataFrame(
        {
            "person_id": ["ann", "bob", "cat"],
            "attribute": ["platform_role"] * 3,
            "value": ["moderator", "moderator", "moderator"],
            "valid_from": [day(0), day(8), day(9)],
            "valid_to": [None, None, None],
        },
        schema_overrides={"valid_to": pl.Datetime("us", "UTC")},
    )
    forum = sna.build_forum(posts=six.posts, people=six.people, roles=roles)
    table = list_outcomes(forum, at=day(7), outcome="appointed")
    assert table.filter(pl.col("outcome") > 0)["person_id"].to_list() == ["bob", "cat"]
    assert "ann" not in table["person_id"]


@pytest.mark.parametrize("name", COMPARATORS)
def test_fading_halves_a_comparator_and_keeps_the_order_of_equals(six, name):
    """With a half-life that is long beside the history, fading changes next to nothing; everybody is still listed."""
    plain, faded = COMPARATORS[name](six), COMPARATORS[name](six, half_life_months=1e6)
    assert plain["person_id"].equals(faded["person_id"])
    assert faded["score"].to_numpy() == pytest.approx(plain["score"].to_numpy(), abs=1e-3)


def test_a_faded_count_on_paper(six):
    """Bob answers on days 1 and 3; the forum ends on day 12: with a half-life of a day, 2 ** -11 + 2 ** -9."""
    days = 12 / 365.25
    posts = COMPARATORS["raw_answers"](six, until=day(12), half_life_months=days)
    assert dict(posts.rows())["bob"] == pytest.approx(2**-11 + 2**-9)


def test_the_table_compares_with_the_first(forum):
    scores = {"random": lambda f: f.people.select("person_id", score=pl.lit(0.0)), **COMPARATORS}
    table = validate_champions(forum, at=AT, scores=scores, draws=60)
    assert table["score"].to_list() == list(scores)
    assert table["auc"][0] == 0.5
    assert table["auc_difference"].to_numpy() == pytest.approx(table["auc"].to_numpy() - 0.5)
    answers = table.filter(score="raw_answers")
    assert answers["auc_low"].item() < answers["auc"].item() < answers["auc_high"].item()
    assert answers["auc_difference_low"].item() > 0


def test_ours_beats_the_raw_count_when_people_leave(forum):
    table = validate_champions(forum, at=AT, draws=60)
    ours, raw = table.row(0, named=True), table.filter(score="raw_posts").row(0, named=True)
    assert ours["score"] == "ensemble"
    assert ours["auc"] > raw["auc"]


def test_same_seed_same_table(forum):
    first, second = (validate_champions(forum, at=AT, draws=20, rng=7) for _ in range(2))
    assert first.equals(second)


def test_labels(forum):
    best = sna.ensemble_score(forum, half_life_months=None)["person_id"].head(5).to_list()
    table = validate_labels(forum, best, draws=20)
    assert table.row(0, named=True)["auc"] == 1.0
    with pytest.raises(sna.NotAnswerableError):
        validate_labels(forum, [], draws=5)


def test_unknown_outcome_and_moment_are_refused(forum):
    with pytest.raises(sna.SnaError, match="outcome is one of"):
        list_outcomes(forum, at=AT, outcome="fame")
    with pytest.raises(sna.SnaError, match="before the end"):
        list_outcomes(forum, at="2030-01-01")


def test_ensemble_fades_on_paper():
    posts = pl.DataFrame(
        [
            ("1", "1", "ann", day(0), "root"),
            ("2", "1", "bob", day(0), "reply"),
            ("3", "3", "ann", day(60), "root"),
            ("4", "3", "cat", day(60), "reply"),
        ],
        schema=["post_id", "thread_id", "author_id", "created_at", "kind"],
        orient="row",
    )
    forum = sna.build_forum(posts=posts)
    month = 365.25 / 12
    table = sna.ensemble_score(forum, half_life_months=10 / month)
    assert table["person_id"].to_list() == ["cat", "ann", "bob"]  # ann is still about
    faded = dict(table.select("person_id", "recent_helps").rows())
    # Half-life of ten days: bob's act of 60 days ago has faded to 2 ** -6.
    assert faded["cat"] == pytest.approx(1.0, abs=1e-4)
    assert faded["bob"] == pytest.approx(2**-6, abs=1e-4)
    row = table.row(0, named=True)
    assert row["score"] == pytest.approx(1 + 0.5 + 0.5 + 0.5 + 0.1, abs=1e-3)
    unfaded = sna.ensemble_score(forum, half_life_months=None)
    assert dict(unfaded.select("person_id", "score").rows()) == {"cat": 2.6, "bob": 2.6, "ann": 1.2}


def test_old_years_do_not_change_the_order():
    """A person's score depends on their acts, not on how much history was exported with them."""
    rows = [("1", "1", "ann", day(3650), "root"), ("2", "1", "bob", day(3660), "reply")]
    names = ["post_id", "thread_id", "author_id", "created_at", "kind"]
    old = [("0", "0", "eve", day(0), "root")]
    young = sna.ensemble_score(sna.build_forum(posts=pl.DataFrame(rows, schema=names, orient="row")))
    both = sna.ensemble_score(sna.build_forum(posts=pl.DataFrame(old + rows, schema=names, orient="row")))
    assert both.filter(pl.col("person_id") != "eve").equals(young)


def test_likes_are_counted_whatever_the_platform_calls_them(six):
    slack = dataclasses.replace(
        six, signals=six.signals.with_columns(kind=pl.col("kind").replace({"like": "emoji:tada", "thanks": "emoji:+1"}))
    )
    liked = (six.signals["kind"].is_in(["like", "thanks"])).sum()
    assert liked > 0
    assert list_outcomes(slack, at=day(2.5), outcome="likes").equals(list_outcomes(six, at=day(2.5), outcome="likes"))
