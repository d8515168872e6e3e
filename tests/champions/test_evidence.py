"""Evidence: every time is that of the post the sentence is about, and everybody it counts wrote before that post."""

import dataclasses

import polars as pl
import pytest

import sna
from sna.champions.evidence import list_replies
from tests.conftest import day


def hours(n):
    return day(n / 24)


@pytest.fixture
def thread():
    """ann asks; bob replies after 1 hour; cat after 2; bob again after 5 (accepted, liked twice); dan after 6.

    A bot replies first. bob likes his own post. A second thread of ann's gets dan's reply after 40 days.
    """
    posts = [
        ("q", "t", "ann", hours(0), "root"),
        ("z", "t", "bot", hours(0.5), "reply"),
        ("a", "t", "bob", hours(1), "reply"),
        ("b", "t", "cat", hours(2), "reply"),
        ("c", "t", "bob", hours(5), "reply"),
        ("d", "t", "dan", hours(6), "reply"),
        ("q2", "u", "ann", day(1), "root"),
        ("e", "u", "dan", day(41), "reply"),
    ]
    frame = pl.DataFrame(posts, schema=["post_id", "thread_id", "author_id", "created_at", "kind"], orient="row")
    titles = pl.when(pl.col("kind") == "root").then(pl.format("how to {}", "thread_id"))
    signals = [
        ("c", "ann", "accept", day(1)),
        ("c", "cat", "like", day(1)),
        ("c", "dan", "emoji:heart", day(1)),
        ("c", "bob", "like", day(1)),
        ("b", "dan", "thanks", day(1)),
    ]
    return sna.build_forum(
        posts=frame.with_columns(titles.alias("title"), space=pl.lit("help")),
        people=pl.DataFrame({"person_id": ["ann", "bob", "cat", "dan", "bot"], "kind": ["human"] * 4 + ["bot"]}),
        signals=pl.DataFrame(signals, schema=["post_id", "person_id", "kind", "at"], orient="row"),
    )


def why(forum, person, **options):
    return sna.champion_evidence(forum, person, **options)["why"].to_list()


def test_the_time_is_that_of_the_accepted_post_and_people_wrote_before_it(thread):
    row = sna.champion_evidence(thread, "bob").row(0, named=True)
    assert (row["post_id"], row["hours_after_question"], row["n_before"], row["n_helpers"]) == ("c", 5.0, 1, 3)
    assert row["why"] == (
        'Wrote the accepted answer to "how to t" in help, 5 hours after the first post; 1 other person had replied '
        "before; likes: 2; it was the asker's first post."
    )


def test_thanks_are_thanks_and_a_reply_without_either_is_only_a_reply(thread):
    assert why(thread, "cat") == [
        'Was thanked for a reply to "how to t" in help, 2 hours after the first post; 1 other person had replied '
        "before; it was the asker's first post."
    ]
    assert why(thread, "dan") == [
        'Replied to "how to t" in help, 6 hours after the first post; 2 other people had replied before; '
        "it was the asker's first post."
    ]


def test_of_two_posts_of_one_person_the_thanked_one_is_shown(thread):
    more = pl.DataFrame({"post_id": ["d"], "person_id": ["cat"], "kind": ["thanks"], "at": [day(1)]})
    later = thread.posts.filter(post_id="d").with_columns(
        pl.lit("f").alias("post_id"), pl.lit(hours(7)).cast(thread.posts.schema["created_at"]).alias("created_at")
    )
    signals = pl.concat([thread.signals, more.with_columns(post_id=pl.lit("f"))], how="diagonal_relaxed")
    forum = sna.build_forum(
        posts=pl.concat([thread.posts, later]), people=thread.people, signals=signals, source=thread.source
    )
    assert sna.champion_evidence(forum, "dan")["post_id"].to_list() == ["f"]


def test_a_reply_after_more_than_thirty_days_is_no_evidence(thread):
    assert "u" not in sna.champion_evidence(thread, "dan")["thread_id"].to_list()
    earlier = thread.posts.with_columns(
        created_at=pl.when(pl.col("post_id") == "e").then(pl.lit(day(2))).otherwise("created_at")
    )
    soon = sna.build_forum(posts=earlier, people=thread.people, signals=thread.signals)
    assert 'First to reply to "how to u" in help, 24 hours after the first post; nobody else replied.' in why(
        soon, "dan"
    )


def test_a_window_cuts_posts_and_signals(thread):
    assert why(thread, "bob", until=hours(5)) == [
        'First to reply to "how to t" in help, 60 minutes after the first post; the next person replied 60 minutes '
        "later; it was the asker's first post."
    ]
    assert why(thread, "bob", until=hours(20))[0].startswith("First to reply")
    assert why(thread, "bob", since=day(1)) == []


def test_a_space_that_is_only_an_id_is_not_printed(thread):
    posts = thread.posts.with_columns(space=pl.lit("10"))
    forum = sna.build_forum(posts=posts, people=thread.people, signals=thread.signals)
    assert why(forum, "cat")[0].startswith('Was thanked for a reply to "how to t", 2 hours')


def test_people_who_write_at_the_same_moment_are_not_before_each_other(thread):
    posts = thread.posts.with_columns(
        created_at=pl.when(pl.col("post_id") == "b").then(pl.lit(hours(1))).otherwise("created_at")
    )
    rows = list_replies(sna.build_forum(posts=posts, people=thread.people))
    assert dict(rows.select("post_id", "n_before").iter_rows()) == {"a": 0, "b": 0, "c": 1, "d": 2, "e": 0}


def test_evidence_on_paper(six):
    found = sna.champion_evidence(six, "bob")
    assert found["thread_id"].to_list() == ["t1", "t2"]
    assert found["accepted"].to_list() == [True, False]
    assert found["hours_after_question"].to_list() == [24.0, 24.0]
    assert found["saved_hours"].to_list() == [168.0, 24.0]
    assert found["why"].to_list() == [
        "Wrote the accepted answer in help, 24 hours after the first post; the first to reply; it was the asker's "
        "first post.",
        "First to reply in help, 24 hours after the first post; the next person replied 24 hours later; likes: 2; "
        "it was the asker's first post.",
    ]


def test_several_people_at_once_and_top(six):
    found = sna.champion_evidence(six, ["bob", "dan"], top=1)
    assert found["person_id"].to_list() == ["bob", "dan"]


@pytest.mark.parametrize("who", ["nobody", "bot", "ann"])
def test_evidence_is_refused_for_those_who_may_not_be_shown(six, who):
    people = six.people.with_columns(opt_out=pl.col("person_id") == "ann")
    with pytest.raises(sna.SnaError, match="did not opt out"):
        sna.champion_evidence(dataclasses.replace(six, people=people), who)


def test_without_threads_there_is_no_evidence(six):
    source = sna.Source("mail", capabilities={"reply_parent": "yes", "threads": "no"})
    with pytest.raises(sna.NotAnswerableError, match="needs threads"):
        sna.champion_evidence(dataclasses.replace(six, source=source), "bob")
