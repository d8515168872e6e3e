"""War stories: the time of the accepted post, the people before it, and exact counts of the comparable."""

import dataclasses

import polars as pl
import pytest

import sna
from tests.conftest import day

NAMES = ["post_id", "thread_id", "author_id", "created_at", "space", "kind", "title"]


def build(posts, signals=(), **more):
    roles = pl.DataFrame(
        {"person_id": ["ann", "bob", "cat", "dan"], "attribute": ["role"] * 4, "value": ["HR", "IT", "Sales", "HR"]}
    )
    given = (
        pl.DataFrame(list(signals), schema=["post_id", "person_id", "kind", "at"], orient="row") if signals else None
    )
    return sna.build_forum(posts=pl.DataFrame(posts, schema=NAMES, orient="row"), signals=given, roles=roles, **more)


def thread(i, *, replies=(), accept=None, thanks=None):
    """A thread of ann's on day i; replies are (author, hours)."""
    name = f"t{i:02d}"
    posts = [(name, name, "ann", day(i), "help", "root", f"question {i}?")]
    posts += [
        (f"{name}{k}", name, who, day(i + hours / 24), "help", "reply", None) for k, (who, hours) in enumerate(replies)
    ]
    given = [(f"{name}{accept}", "ann", "accept", day(i + 5))] if accept is not None else []
    given += [(f"{name}{thanks}", "ann", "thanks", day(i + 5))] if thanks is not None else []
    return posts, given


def forum_of(*threads, **more):
    return build([p for posts, _ in threads for p in posts], [s for _, given in threads for s in given], **more)


@pytest.fixture(scope="module")
def story_forum():
    """30 threads: 14 solved by dan alone after 4 days, 15 never; the last by cat after 3 hours, with bob before."""
    slow = [thread(i, replies=[("dan", 96)], accept=0) if i % 2 else thread(i) for i in range(29)]
    return forum_of(*slow, thread(29, replies=[("bob", 1), ("cat", 3), ("dan", 50)], accept=1))


def test_the_planted_story_tells_the_accepted_post_and_who_wrote_before(story_forum):
    found = sna.list_war_stories(story_forum)
    row = found.row(0, named=True)
    assert found.height == 1
    assert (row["thread_id"], row["post_id"], row["basis"]) == ("t29", "t291", "accepted")
    assert row["hours_to_solution"] == 3.0
    assert row["groups"] == ["HR", "IT", "Sales"]
    assert row["helper_ids"] == ["bob", "cat"]
    assert (row["n_slower"], row["n_comparable"], row["n_solved"], row["n_threads"]) == (14, 14, 15, 30)
    assert row["story"] == (
        '"question 29?" in help: the accepted answer came 3 hours after the first post, and 2 people had replied by '
        "then; 3 roles took part, the asker's included: HR, IT, Sales. 14 of 14 other solved threads in the forum "
        "took longer; 15 of the 30 threads that people began were solved."
    )


def test_thanks_by_the_asker_solve_and_thanks_by_others_do_not():
    base = [thread(i + 10, replies=[("dan", 96)], thanks=0) for i in range(10)]
    told = forum_of(*base, thread(9, replies=[("bob", 1), ("cat", 2)], thanks=1))
    assert sna.list_war_stories(told)["basis"].to_list() == ["thanked"]
    posts, _ = thread(9, replies=[("bob", 1), ("cat", 2)])
    other = forum_of(*base, (posts, [("t091", "dan", "thanks", day(12))]))
    assert sna.list_war_stories(other).is_empty()


def test_where_nothing_says_solved_only_replies_are_told():
    forum = forum_of(
        *[thread(i, replies=[("dan", 96)]) for i in range(3)],
        thread(9, replies=[("bob", 0.25), ("cat", 2), ("dan", 30)]),
    )
    row = sna.list_war_stories(forum).row(0, named=True)
    assert row["basis"] == "replied"
    assert "first reply 15 minutes after the first post, and 2 people replied within a day" in row["story"]
    assert "accepted" not in row["story"]
    assert row["n_people"] == 3


@pytest.mark.parametrize("kind", ["flag", "downvote"])
def test_disputes_are_no_stories(story_forum, kind):
    fresh = pl.DataFrame({"post_id": ["t290"], "person_id": ["dan"], "kind": [kind], "at": [day(32)]})
    signals = pl.concat([story_forum.signals, fresh], how="diagonal_relaxed")
    forum = sna.build_forum(posts=story_forum.posts, signals=signals, roles=story_forum.roles)
    assert sna.list_war_stories(forum).is_empty()


def test_a_crowd_and_a_late_solution_are_no_stories():
    base = [thread(i, replies=[("dan", 96)], accept=0) for i in range(3)]
    crowd = thread(9, replies=[(f"p{k}", 0.1 * k) for k in range(1, 15)], accept=13)
    late = thread(10, replies=[("bob", 24), ("cat", 24 * 31)], accept=1)
    assert sna.list_war_stories(forum_of(*base, crowd, late)).is_empty()
    few = thread(9, replies=[(f"p{k}", 0.1 * k) for k in range(1, 13)], accept=11)
    assert sna.list_war_stories(forum_of(*base, few, late))["thread_id"].to_list() == ["t09"]


def test_those_who_opted_out_are_not_named_and_people_without_a_group_make_none(story_forum):
    people = story_forum.people.with_columns(opt_out=pl.col("person_id") == "bob")
    known = story_forum.roles.filter(pl.col("person_id") != "cat")
    row = sna.list_war_stories(dataclasses.replace(story_forum, people=people, roles=known)).row(0, named=True)
    assert row["helper_ids"] == ["cat"]
    assert row["n_people"] == 3
    assert row["groups"] == ["HR", "IT"]


def test_nothing_solved_is_not_answerable():
    posts = pl.DataFrame({"post_id": ["1"], "thread_id": ["1"], "author_id": ["a"], "created_at": [day(0)]})
    forum = sna.build_forum(posts=posts, source=sna.Source("x", capabilities={"threads": "yes"}))
    with pytest.raises(sna.NotAnswerableError, match="solved threads"):
        sna.list_war_stories(forum)
