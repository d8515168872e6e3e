"""What solved a thread: accepted, marked or thanked for by who asked, and nobody else's word."""

import polars as pl
import pytest

import sna
from sna.talk.solutions import LEAST_MARKED, list_solutions
from tests.conftest import day


def threads(n, signals):
    """``n`` threads by ann, each with replies by bob (day 1) and cat (day 2); signals as (post, person, kind)."""
    rows = [
        row
        for i in range(n)
        for row in (
            (f"q{i}", f"t{i}", "ann", day(0), "root"),
            (f"b{i}", f"t{i}", "bob", day(1), "reply"),
            (f"c{i}", f"t{i}", "cat", day(2), "reply"),
        )
    ]
    posts = pl.DataFrame(rows, schema=["post_id", "thread_id", "author_id", "created_at", "kind"], orient="row")
    given = pl.DataFrame(signals, schema=["post_id", "person_id", "kind"], orient="row")
    return sna.build_forum(posts=posts, signals=given)


def test_the_strongest_word_counts_and_of_equals_the_first_post():
    forum = threads(
        3, [("b0", "ann", "thanks"), ("c0", "dan", "accept"), ("c1", "ann", "accept"), ("b1", "ann", "accept")]
    )
    rows = list_solutions(forum).select("thread_id", "post_id", "solver_id", "solved_at", "basis").rows()
    assert rows == [("t0", "c0", "cat", day(2), "accepted"), ("t1", "b1", "bob", day(1), "accepted")]


def test_marks_and_thanks_are_the_askers_alone():
    mark = "emoji:white_check_mark"
    mine = [(f"b{i}", "ann", mark if i % 2 else "thanks") for i in range(LEAST_MARKED)]
    others = [("c11", "bob", mark), ("c11", "cat", "thanks"), ("q11", "ann", mark), ("b11", "ann", "emoji:smile")]
    solved = list_solutions(threads(12, mine + others))
    assert set(solved["thread_id"]) == {f"t{i}" for i in range(LEAST_MARKED)}
    assert dict(solved.select("thread_id", "basis").rows())["t1"] == "marked"
    assert dict(solved.select("thread_id", "basis").rows())["t0"] == "thanked"


def test_a_few_marks_are_no_record_of_what_was_solved():
    few = [(f"b{i}", "ann", "thanks") for i in range(LEAST_MARKED - 1)]
    for signals in (few, [("b0", "bob", "like")], []):
        with pytest.raises(sna.NotAnswerableError, match="whether a question was solved"):
            list_solutions(threads(12, signals))
