"""Evidence threads and war stories: facts on paper, nobody named who opted out, the denominator always there."""

import dataclasses

import polars as pl
import pytest

import sna
from tests.conftest import day


def test_evidence_on_paper(six):
    found = sna.champion_evidence(six, "bob")
    assert found["thread_id"].to_list() == ["t1", "t2"]
    assert found["accepted"].to_list() == [True, False]
    assert found["hours_after_question"].to_list() == [24.0, 24.0]
    assert found["saved_hours"].to_list() == [168.0, 168.0]
    assert found["why"].to_list() == [
        "Helped in help after 24 hours, as the only one; accepted.",
        "Helped in help after 24 hours, as the only one; likes: 2.",
    ]


def test_several_people_at_once_and_top(six):
    found = sna.champion_evidence(six, ["bob", "dan"], top=1)
    assert found["person_id"].to_list() == ["bob"]


@pytest.mark.parametrize("who", ["nobody", "bot", "ann"])
def test_evidence_is_refused_for_those_who_may_not_be_shown(six, who):
    people = six.people.with_columns(opt_out=pl.col("person_id") == "ann")
    with pytest.raises(sna.SnaError, match="did not opt out"):
        sna.champion_evidence(dataclasses.replace(six, people=people), who)


@pytest.fixture(scope="module")
def story_forum():
    """30 questions by ann; two others solve the last within the hour, dan the rest after four days or never."""
    posts, signals = [], []
    for i in range(30):
        name = f"t{i:02d}"
        posts.append((name, name, "ann", day(i), "help", "root", f"question {i}"))
        if i == 29:
            posts.append((f"{name}a", name, "bob", day(i + 0.5 / 24), "help", "reply", None))
            posts.append((f"{name}b", name, "cat", day(i + 1 / 24), "help", "reply", None))
            signals.append((f"{name}a", "ann", "accept", day(i + 1)))
        elif i % 2:
            posts.append((f"{name}a", name, "dan", day(i + 4), "help", "reply", None))
            signals.append((f"{name}a", "ann", "accept", day(i + 5)))
    names = ["post_id", "thread_id", "author_id", "created_at", "space", "kind", "title"]
    roles = pl.DataFrame(
        {"person_id": ["ann", "bob", "cat", "dan"], "attribute": ["role"] * 4, "value": ["HR", "IT", "Sales", "HR"]}
    )
    return sna.build_forum(
        posts=pl.DataFrame(posts, schema=names, orient="row"),
        signals=pl.DataFrame(signals, schema=["post_id", "person_id", "kind", "at"], orient="row"),
        roles=roles,
    )


def test_the_planted_story_is_told_with_its_denominator(story_forum):
    found = sna.list_war_stories(story_forum)
    row = found.row(0, named=True)
    assert found.height == 1
    assert (row["thread_id"], row["n_solved"], row["n_threads"], row["n_comparable"]) == ("t29", 15, 30, 30)
    assert row["hours_to_solution"] == 0.5
    assert row["groups"] == ["HR", "IT", "Sales"]
    assert row["helper_ids"] == ["bob", "cat"]
    assert row["slower_share"] == pytest.approx(29 / 30)
    assert row["story"].startswith('"question 29" in help was solved in 30 minutes by 2 people')
    assert "97 % of the 30 comparable took longer or are unsolved" in row["story"]


def test_those_who_opted_out_are_not_in_the_story(story_forum):
    people = story_forum.people.with_columns(opt_out=pl.col("person_id") == "bob")
    row = sna.list_war_stories(dataclasses.replace(story_forum, people=people)).row(0, named=True)
    assert row["helper_ids"] == ["cat"]
    assert row["n_people"] == 3


def test_expectation_counts_the_unsolved(story_forum):
    """The median over solved threads alone would be 96 hours; half are never solved, so it is later, or unknown."""
    expected = sna.list_war_stories(story_forum)["expected_hours"].item()
    assert expected is None or expected >= 96


def test_nothing_solved_is_not_answerable():
    posts = pl.DataFrame({"post_id": ["1"], "thread_id": ["1"], "author_id": ["a"], "created_at": [day(0)]})
    forum = sna.build_forum(posts=posts, source=sna.Source("x", capabilities={"threads": "yes"}))
    with pytest.raises(sna.NotAnswerableError, match="solved threads"):
        sna.list_war_stories(forum)
