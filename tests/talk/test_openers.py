"""Which post opens a thread and who asked: hand-made edge cases, and one answer in every analysis."""

import polars as pl
import pytest

import sna
from sna.champions.helps import build_helping, list_chances
from sna.talk.openers import list_openers
from sna.vitality.waits import list_waits
from tests.conftest import day

COLUMNS = ("post_id", "parent_id", "author_id", "created_at", "kind")
CASES = {
    "the question is missing": [("2", None, "bob", day(1), "answer"), ("3", "2", "cat", day(2), "reply")],
    "the first post has a parent": [("1", "2", "bob", day(0), "reply"), ("2", None, "ann", day(1), "reply")],
    "every post has a parent": [("1", "2", "ann", day(0), "reply"), ("2", "9", "bob", day(1), "reply")],
    "the root has no time": [("1", None, "ann", None, "root"), ("2", "1", "bob", day(1), "reply")],
    "two roots": [("9", None, "ann", day(0), "root"), ("1", None, "bob", day(1), "root")],
    "two roots, one without a time": [("1", None, "bob", None, "root"), ("9", None, "ann", day(1), "root")],
    "the root is dated after its reply": [("1", "2", "bob", day(0), "reply"), ("2", None, "ann", day(1), "root")],
    "the root's author is not known": [("1", None, None, day(0), "root"), ("2", "1", "bob", day(1), "reply")],
    "an unmarked stream": [("1", None, "ann", day(0), "reply"), ("2", None, "bob", day(1), "reply")],
    "a comment before the unmarked question": [
        ("1", None, "bob", day(0), "comment"),
        ("2", None, "ann", day(1), "reply"),
    ],
}
ANSWERS = {
    "the question is missing": (None, None, None),
    "the first post has a parent": ("2", "ann", day(1)),
    "every post has a parent": ("2", "bob", day(1)),
    "the root has no time": ("1", "ann", None),
    "two roots": ("9", "ann", day(0)),
    "two roots, one without a time": ("9", "ann", day(1)),
    "the root is dated after its reply": ("2", "ann", day(1)),
    "the root's author is not known": ("1", None, day(0)),
    "an unmarked stream": ("1", "ann", day(0)),
    "a comment before the unmarked question": ("2", "ann", day(1)),
}


def make(name):
    rows = pl.DataFrame(CASES[name], schema=COLUMNS, orient="row", schema_overrides={"parent_id": pl.String})
    return sna.build_forum(posts=rows.with_columns(thread_id=pl.lit("t")))


@pytest.mark.parametrize("name", CASES)
def test_who_opened_the_thread(name):
    assert list_openers(make(name)).select("post_id", "asker_id", "started_at").rows() == [ANSWERS[name]]


@pytest.mark.parametrize("name", CASES)
def test_every_analysis_agrees_on_who_asked(name):
    forum, (_, asker, started) = make(name), ANSWERS[name]
    assert sna.list_threads(forum).select("asker_id", "started_at").rows() == [(asker, started)]
    assert sna.thread_participation(forum)["asker_id"].unique().to_list() == [asker]
    assert list_chances(forum)["asker_id"].to_list() == ([asker] if asker else [])
    assert set(build_helping(forum).helps["asker_id"]) <= {asker}
    answers = sna.list_interactions(forum, kinds=("answer",))
    assert set(answers["target"]) <= {asker}
    assert asker not in answers["source"].to_list()
    assert list_waits(forum)["asker_id"].to_list() == ([asker] if started else [])
    counts = sna.person_activity(forum)
    dated_opener = asker if started else None
    assert counts.filter(pl.col("n_started") > 0)["person_id"].to_list() == ([dated_opener] if dated_opener else [])


def test_a_thread_whose_root_has_no_time_is_a_chance_from_its_first_known_time():
    forum = make("the root has no time")
    assert list_chances(forum).select("asker_id", "asked_at").rows() == [("ann", day(1))]
    helps = build_helping(forum).helps
    assert helps.select("person_id", "asker_id", "asked_at").rows() == [("bob", "ann", None)]


def test_a_bot_opens_a_thread_and_nobody_asked():
    posts = pl.DataFrame({"post_id": ["1"], "thread_id": ["t"], "author_id": ["rss"], "kind": ["root"]})
    people = pl.DataFrame({"person_id": ["rss"], "kind": ["bot"]})
    forum = sna.build_forum(posts=posts, people=people)
    assert list_openers(forum)["asker_id"].to_list() == ["rss"]
    assert sna.list_threads(forum)["asker_id"].to_list() == [None]
    assert sna.list_threads(forum, bots=True)["asker_id"].to_list() == ["rss"]


def test_row_order_does_not_matter():
    for name in CASES:
        forum = make(name)
        turned = sna.build_forum(posts=forum.posts.reverse())
        assert list_openers(turned).equals(list_openers(forum))
