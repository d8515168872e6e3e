"""What is a question: sentences written for this test, and what never decides."""

import polars as pl
import pytest

import sna
from sna.talk.questions import is_question, list_questions
from tests.conftest import day

QUESTIONS = [
    ("The gauge leaks", "Since Monday the inlet gauge leaks. What should I check first?"),
    ("How to export the shift plan as a table", "The menu has no entry for it."),
    (None, "does anyone have the minutes of yesterday's meeting"),
    ("Access to the archive", "I cannot open the drawing archive since the update. Any help would be appreciated."),
    ("Standard for seals", "I am looking for the standard we use for seals. Thanks in advance"),
    ("Drucker im dritten Stock", "Weiß jemand, warum der Drucker nicht geht?"),
    ("Accès au réseau", "Quelqu'un sait comment se connecter depuis l'usine ?"),
    ("图纸在哪里", "新图纸在哪里？"),
]
NO_QUESTIONS = [
    (
        "Version 2.4 of the travel tool released",
        "We are pleased to announce the new version.",
    ),
    ("Choir meets again", "All are welcome. Bring a friend."),
    ("Weekly digest", "All threads of the week are in the archive."),
    ("Vacancy: engineer in Lyon", "We are looking for an engineer. Please apply before the deadline, 3 May."),
    ("What we learnt about the coating", "Notes from the line, for the record."),
    (None, "lol"),
    ("Re: The gauge leaks", "What should I check first?"),
    (None, "You can find it at https://host.example/search?q=what&x=why? and in the manual."),
    (None, "> What should I check first?\nThe valve, then the seal."),
]


@pytest.mark.parametrize(("title", "text"), QUESTIONS)
def test_questions_are_questions(title, text):
    assert is_question(text, title=title)


@pytest.mark.parametrize(("title", "text"), NO_QUESTIONS)
def test_announcements_replies_and_quotes_are_none(title, text):
    assert not is_question(text, title=title)


def forum_of(rows):
    columns = ["post_id", "thread_id", "author_id", "created_at", "kind", "title", "text"]
    return sna.build_forum(posts=pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None))


ASK, TELL = "How do we deal with it?", "Choir meets again. All are welcome."


def test_an_answer_never_makes_a_question():
    rows = [
        ("1", "a", "ann", day(0), "root", "The gauge", ASK),
        ("2", "b", "ann", day(1), "root", "Choir", TELL),
        ("3", "b", "bob", day(2), "answer", None, "I will come."),
        ("4", "a", "bob", day(2), "reply", None, "Wait."),
    ]
    questions = list_questions(forum_of(rows))
    assert questions.select("thread_id", "asker_id", "basis").rows() == [("a", "ann", "text")]


def test_answers_to_lost_mails_and_threads_without_their_opening_post_are_none():
    rows = [
        ("1", "a", "ann", day(0), "root", "The gauge", ASK),
        ("2", "b", "bob", day(1), "reply", "The valve", "What about the seal?"),
        ("3", "c", "bob", day(1), "answer", None, "Is it the seal?"),
    ]
    assert list_questions(forum_of(rows))["thread_id"].to_list() == ["a"]


def test_spaces_that_mark_no_roots_keep_their_questions():
    """Two sources in one forum: a list with roots, and a chat whose lines are all replies."""
    rows = [("1", "a", "ann", day(0), "root", "list", ASK), ("2", "b", "bob", day(1), "reply", "chat", ASK)]
    columns = ["post_id", "thread_id", "author_id", "created_at", "kind", "space", "text"]
    forum = sna.build_forum(posts=pl.DataFrame(rows, schema=columns, orient="row"))
    assert list_questions(forum)["thread_id"].to_list() == ["a", "b"]


def test_a_platform_of_questions_and_answers_is_taken_at_its_word():
    rows = [("1", "a", "ann", day(0), "root", "Gauge", "It leaks."), ("2", "a", "bob", day(1), "answer", None, "Seal.")]
    assert list_questions(forum_of(rows)).select("thread_id", "basis").rows() == [("a", "recorded")]


def test_without_words_every_thread_counts_and_says_so():
    rows = [("1", "a", "ann", day(0), "root", None, None), ("2", "a", "bob", day(1), "reply", None, None)]
    assert list_questions(forum_of(rows)).select("thread_id", "basis").rows() == [("a", "thread")]


def test_the_planted_questions_of_the_example_are_found_and_nothing_else():
    """Its questions end with one of four sentences; digests, ideas, choir and cake do not."""
    forum = sna.load_example()
    openers = forum.posts.filter(pl.col("kind") == "root")
    planted = openers.filter(pl.col("text").str.ends_with("?"))["thread_id"]
    assert set(list_questions(forum)["thread_id"]) == set(planted)


def test_bots_ask_nothing(six):
    posts = six.posts.with_columns(title=pl.lit("How does it work?"), text=pl.lit("How does it work?"))
    people = six.people.with_columns(kind=pl.when(person_id="ann").then(pl.lit("bot")).otherwise("kind"))
    forum = sna.build_forum(posts=posts, people=people, source=six.source)
    assert list_questions(forum)["thread_id"].to_list() == ["t2", "t3"]
    assert list_questions(forum, bots=True).height == 3
