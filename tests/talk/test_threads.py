"""Threads and participation on the six-person forum, and the traps of roots, bots and windows."""

import polars as pl
import pytest

import sna
from sna.talk.threads import list_threads, roles_per_thread, thread_participation
from tests.conftest import day


def test_one_row_per_thread(six):
    threads = list_threads(six)
    assert threads["thread_id"].to_list() == ["t1", "t2", "t3"]
    assert threads["asker_id"].to_list() == ["ann", "dan", "cat"]
    assert threads["n_posts"].to_list() == [3, 3, 2]
    assert threads["n_people"].to_list() == [2, 3, 2]
    assert threads["first_reply_at"].to_list() == [day(1), day(3), day(12)]
    assert threads["last_post_at"].to_list() == [day(1.5), day(4), day(12)]
    assert threads["accepted_post_id"].to_list() == ["p2", None, None]
    assert threads["space"].to_list() == ["help", "help", "lounge"]


def test_bots_count_only_when_asked_for(six):
    assert list_threads(six, bots=True)["n_posts"].to_list() == [3, 3, 3]
    assert "bot" not in thread_participation(six)["person_id"]
    assert "bot" in thread_participation(six, bots=True)["person_id"]


def test_the_asker_returning_is_no_first_reply():
    posts = pl.DataFrame(
        {
            "post_id": ["1", "2", "3"],
            "thread_id": ["t"] * 3,
            "author_id": ["a", "a", "b"],
            "created_at": [day(0), day(1), day(2)],
        }
    )
    threads = list_threads(sna.build_forum(posts=posts))
    assert threads["first_reply_at"].to_list() == [day(2)]


def test_the_root_is_the_root_even_when_dated_later():
    posts = pl.DataFrame(
        {
            "post_id": ["1", "2"],
            "thread_id": ["t"] * 2,
            "parent_id": ["2", None],
            "author_id": ["b", "a"],
            "created_at": [day(0), day(1)],
            "kind": ["reply", "root"],
        }
    )
    assert list_threads(sna.build_forum(posts=posts))["asker_id"].to_list() == ["a"]


def test_a_thread_without_a_known_asker_keeps_its_participants():
    posts = pl.DataFrame(
        {
            "post_id": ["1", "2"],
            "thread_id": ["t"] * 2,
            "author_id": [None, "b"],
            "created_at": [day(0), day(1)],
        }
    )
    forum = sna.build_forum(posts=posts)
    assert thread_participation(forum).select("person_id", "asker_id").rows() == [("b", None)]
    assert list_threads(forum)["first_reply_at"].to_list() == [day(1)]


def test_participation_counts_each_person_once_and_keeps_the_first_time(six):
    rows = thread_participation(six).filter(pl.col("thread_id") == "t1")
    assert rows.select("person_id", "at", "n_posts").rows() == [("ann", day(0), 2), ("bob", day(1), 1)]


def test_windows_cut_participations_and_never_the_asker(six):
    rows = thread_participation(six, since=day(3), until=day(12))
    assert rows.select("thread_id", "person_id", "asker_id").rows() == [
        ("t2", "bob", "dan"),
        ("t2", "cat", "dan"),
        ("t3", "cat", "cat"),
    ]


def test_a_bad_window_is_refused(six):
    with pytest.raises(sna.SnaError, match="since must be before until"):
        thread_participation(six, since=day(3), until=day(3))


def test_roles_per_thread_uses_the_role_of_the_day(six):
    # t1: HR, IT; t2: Sales, IT, IT; t3: IT and dan, who is HR by then
    table = roles_per_thread(six)
    assert table.rows() == [(2, 3, 1.0, pytest.approx(7 / 3))]


def test_unknown_roles_add_no_role():
    posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["t", "t"], "author_id": ["a", "b"]})
    roles = pl.DataFrame({"person_id": ["a"], "attribute": ["role"], "value": ["IT"]})
    table = roles_per_thread(sna.build_forum(posts=posts, roles=roles))
    assert table.select("n_roles", "n_threads", "n_people_mean").rows() == [(1, 1, 2.0)]


def test_row_order_does_not_matter(six):
    shuffled = sna.build_forum(
        posts=six.posts.sample(fraction=1.0, shuffle=True, seed=3), people=six.people, roles=six.roles
    )
    assert thread_participation(shuffled).equals(thread_participation(six))
    assert list_threads(shuffled).drop("accepted_post_id").equals(list_threads(six).drop("accepted_post_id"))
