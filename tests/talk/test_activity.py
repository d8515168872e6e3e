"""Activity on the six-person forum, by hand; opportunity against a slow and simple count."""

import polars as pl
import pytest

import sna
from sna.simulate import make_forum
from sna.talk import activity
from tests.conftest import day


def test_activity_by_hand(six):
    table = activity.person_activity(six)
    assert table["person_id"].to_list() == ["ann", "bob", "cat", "dan", "eve"]
    columns = ["n_posts", "n_threads", "n_started", "n_answers", "n_days_active", "n_weeks_active"]
    assert table.select(columns).rows() == [
        (2, 1, 1, 0, 2, 1),
        (2, 2, 0, 2, 2, 1),
        (2, 2, 1, 0, 2, 2),
        (2, 2, 1, 1, 2, 2),
        (0, 0, 0, 0, 0, 0),
    ]
    assert table["days_active_per_week"].to_list() == [2, 2, 1, 1, None]
    assert table["first_at"][0] == day(0)
    assert table["last_at"][3] == day(12)
    assert activity.person_activity(six, bots=True)["person_id"].to_list() == ["ann", "bob", "bot", "cat", "dan", "eve"]


def test_an_answer_in_the_window_to_a_question_before_it_counts(six):
    table = activity.person_activity(six, since=day(0.5), until=day(2))
    assert table.filter(person_id="bob")["n_answers"].item() == 1
    assert table.filter(person_id="ann").select("n_posts", "n_started").row(0) == (1, 0)


def test_people_who_opted_out_are_not_listed():
    forum = make_forum(n_people=40, n_threads=30, opt_out_share=0.2, rng=1).forum
    gone = forum.people.filter("opt_out")["person_id"]
    for table in (activity.person_activity(forum), activity.visible_posts(forum)):
        assert table.height == 32
        assert not table["person_id"].is_in(gone.implode()).any()


def test_weeks_by_hand_with_the_last_one_flagged(six):
    table = activity.weekly_activity(six)
    assert table.select("n_posts", "n_people", "n_threads", "is_complete").rows() == [
        (6, 4, 2, True),
        (2, 2, 1, False),
    ]
    by_role = activity.weekly_activity(six, by="role")
    second = by_role.filter(pl.col("week") == day(7))
    assert dict(second.select("group", "n_posts").rows()) == {"HR": 1, "IT": 1, "Sales": 0}
    assert dict(by_role.filter(pl.col("week") == day(0)).select("group", "n_posts").rows()) == {
        "HR": 2,
        "IT": 3,
        "Sales": 1,
    }


def test_weeks_without_a_post_are_there(six):
    later = pl.DataFrame(
        {"post_id": ["z"], "thread_id": ["z"], "author_id": ["ann"], "created_at": [day(40)], "kind": ["root"]}
    )
    posts = pl.concat([six.posts, sna.admit.conform(later, sna.schema.POSTS)])
    forum = sna.build_forum(posts=posts, people=six.people, roles=six.roles)
    assert activity.weekly_activity(forum)["n_posts"].to_list() == [6, 2, 0, 0, 0, 1]


def test_visible_posts_by_hand(six):
    seen = dict(activity.visible_posts(six).rows())
    # "help" holds six posts by people, "lounge" two. ann and bob wrote in help only, cat and dan in both.
    assert seen == {"ann": 4, "bob": 4, "cat": 6, "dan": 6, "eve": 0}
    assert dict(activity.visible_posts(six, kinds=("root",)).rows()) == {
        "ann": 1,
        "bob": 2,
        "cat": 2,
        "dan": 2,
        "eve": 0,
    }


def test_visible_posts_equal_a_simple_count_over_people_and_posts():
    forum = make_forum(
        n_people=40, n_threads=60, n_weeks=30, joiner_share=0.3, leaver_share=0.3, channel_concentration=0.8, rng=2
    ).forum
    overlapping = pl.concat([forum.memberships, forum.memberships.with_columns(valid_from=pl.lit(day(40)))])
    forum = sna.build_forum(
        **{name: getattr(forum, name) for name in sna.schema.TABLES if name != "memberships"},
        memberships=overlapping,
        source=forum.source,
    )
    expected = dict.fromkeys(forum.people["person_id"], 0)
    people = {row["person_id"]: row for row in forum.people.iter_rows(named=True)}
    spells = {}
    for row in forum.memberships.iter_rows(named=True):
        spells.setdefault((row["person_id"], row["space"]), []).append((row["valid_from"], row["valid_to"]))
    for post in forum.posts.iter_rows(named=True):
        for person, row in people.items():
            at = post["created_at"]
            employed = (row["joined_at"] is None or row["joined_at"] <= at) and (
                row["left_at"] is None or at < row["left_at"]
            )
            member = any(
                (a is None or a <= at) and (b is None or at < b) for a, b in spells.get((person, post["space"]), [])
            )
            expected[person] += employed and member and post["author_id"] != person
    assert dict(activity.visible_posts(forum).rows()) == expected
    with pytest.raises(sna.SnaError, match="spaces is one of"):
        activity.visible_posts(forum, spaces="all")
