"""Interactions on the six-person forum, with answers worked out on paper."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import sna
from sna.errors import NotAnswerableError, ParameterError
from sna.talk.interactions import LEFT_OUT
from sna.talk.windows import make_window
from tests.conftest import day


def rows(frame: pl.DataFrame) -> list[tuple]:
    return frame.select("source", "target", "post_id").rows()


def make_posts(*posts: tuple, **columns) -> sna.Forum:
    """Posts as (id, thread, parent, author, day, kind)."""
    frame = pl.DataFrame(
        [(*p[:4], None if p[4] is None else day(p[4]), p[5]) for p in posts],
        schema={
            **dict.fromkeys(["post_id", "thread_id", "parent_id", "author_id"], pl.String),
            "created_at": pl.Datetime("us", "UTC"),
            "kind": pl.String,
        },
        orient="row",
    )
    return sna.build_forum(posts=frame, **columns)


REPLIES = [("bob", "ann", "p2"), ("ann", "bob", "p3"), ("bob", "dan", "p5"), ("cat", "bob", "p6"), ("dan", "cat", "p8")]
EXPECTED = {
    "reply": REPLIES,
    "answer": [("bob", "ann", "p2"), ("bob", "dan", "p5")],
    "acceptance": [("ann", "bob", "p2")],
    "mention": [],
    "reaction": [("cat", "bob", "p5"), ("dan", "bob", "p5")],
    "co_participation": [
        ("ann", "bob", "p2"),
        ("bob", "ann", "p2"),
        ("bob", "dan", "p5"),
        ("dan", "bob", "p5"),
        ("bob", "cat", "p6"),
        ("cat", "bob", "p6"),
        ("cat", "dan", "p6"),
        ("dan", "cat", "p6"),
        ("cat", "dan", "p8"),
        ("dan", "cat", "p8"),
    ],
}


@pytest.mark.parametrize("kind", sna.EDGE_RULES)
def test_every_rule_gives_the_interactions_counted_on_paper(six, kind):
    found = sna.list_interactions(six, kinds=(kind,))
    assert rows(found) == EXPECTED[kind]
    assert found["kind"].unique().to_list() == [kind] * bool(EXPECTED[kind])
    assert (found["weight"] == 1.0).all()


def test_columns_and_times(six):
    found = sna.list_interactions(six, kinds=("reply", "acceptance"))
    assert found.columns == ["source", "target", "at", "kind", "post_id", "thread_id", "space", "weight"]
    assert found.filter(pl.col("kind") == "acceptance")["at"].to_list() == [day(1.6)]
    assert found.filter(post_id="p8").select("at", "thread_id", "space").rows() == [(day(12), "t3", "lounge")]


def test_several_kinds_are_stacked_in_order_of_time(six):
    found = sna.list_interactions(six, kinds=("answer", "reply"))
    assert found.select("post_id", "kind").rows()[:3] == [("p2", "answer"), ("p2", "reply"), ("p3", "reply")]
    assert found.height == 7
    assert sna.list_interactions(six, kinds=("reply", "answer", "reply")).equals(found)


def test_bots_are_out_by_default_and_counted(six):
    assert sna.count_left_out(six)["bot"] == 1
    assert rows(sna.list_interactions(six, bots=True)) == [*REPLIES, ("bot", "cat", "p9")]
    assert sna.count_left_out(six, bots=True)["bot"] == 0
    assert sna.count_left_out(six, kinds=("co_participation",))["bot"] == 4


def test_a_recent_reply_to_an_old_post_stays():
    """Cutting the posts first (the trap) loses the parent and with it the reply."""
    forum = make_posts(("old", "t", None, "ann", 0, "root"), ("new", "t", "old", "bob", 100, "reply"))
    since = day(90)
    assert rows(sna.list_interactions(forum, since=since)) == [("bob", "ann", "new")]
    trap = sna.build_forum(posts=forum.posts.filter(pl.col("created_at") >= since))
    assert rows(sna.list_interactions(trap)) == []


def test_windows_are_half_open_and_do_not_count_what_lies_outside(six):
    assert rows(sna.list_interactions(six, since=day(1.5), until=day(4))) == [
        ("ann", "bob", "p3"),
        ("bob", "dan", "p5"),
    ]
    halves = [sna.list_interactions(six, until=day(3)), sna.list_interactions(six, since=day(3))]
    assert pl.concat(halves).equals(sna.list_interactions(six))
    assert sna.count_left_out(six, until=day(12))["bot"] == 0
    # the reaction to p5 (day 3) was given on day 5: its own time counts, not that of the post
    assert sna.list_interactions(six, kinds=("reaction",), since=day(4)).height == 2


def test_windows_take_dates_and_text_and_mean_utc(six):
    expected = sna.list_interactions(six, since=day(3))
    for since in ("2024-01-04", date(2024, 1, 4), datetime(2024, 1, 4), "2024-01-04T02:00:00+02:00"):
        assert sna.list_interactions(six, since=since).equals(expected)
    assert make_window(None, "2024-01-04T00:00:00Z")[1] == datetime(2024, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "options",
    [
        {"kinds": ("replies",)},
        {"kinds": ()},
        {"reply_rule": "parent"},
        {"since": "yesterday"},
        {"since": 2024},
        {"since": "2024-02-01", "until": "2024-02-01"},
    ],
)
def test_wrong_options_are_refused_with_a_hint(six, options):
    with pytest.raises(ParameterError, match="Got"):
        sna.list_interactions(six, **options)


def test_a_single_kind_may_be_given_as_text(six):
    assert sna.list_interactions(six, kinds="answer").equals(sna.list_interactions(six, kinds=("answer",)))


def test_reply_rules_differ_where_they_should(six):
    assert rows(sna.list_interactions(six, reply_rule="root")) == [
        ("bob", "ann", "p2"),  # p3 is the asker in her own thread
        ("bob", "dan", "p5"),
        ("cat", "dan", "p6"),  # by record it answers bob
        ("dan", "cat", "p8"),
    ]
    assert sna.count_left_out(six, reply_rule="root") == dict.fromkeys(LEFT_OUT, 0) | {"self": 1, "bot": 1}
    assert rows(sna.list_interactions(six, reply_rule="previous", bots=True))[-1] == ("bot", "dan", "p9")


def test_what_people_do_toward_themselves_is_dropped_and_counted():
    forum = make_posts(
        ("1", "t", None, "ann", 0, "root"), ("2", "t", "1", "ann", 1, "reply"), ("3", "t", "2", "bob", 2, "reply")
    )
    assert rows(sna.list_interactions(forum)) == [("bob", "ann", "3")]
    assert sna.count_left_out(forum)["self"] == 1
    assert rows(sna.list_interactions(forum, self_ties=True)) == [("ann", "ann", "2"), ("bob", "ann", "3")]
    assert sna.count_left_out(forum, self_ties=True)["self"] == 0


def test_unknown_authors_and_replies_without_parent_are_counted():
    forum = make_posts(
        ("1", "t", None, None, 0, "root"),
        ("2", "t", "1", "bob", 1, "reply"),  # answers a deleted account
        ("3", "t", "2", None, 2, "reply"),  # written by a deleted account
        ("4", "t", None, "ann", 3, "reply"),  # the source does not say what it answers
    )
    assert sna.list_interactions(forum).is_empty()
    assert sna.count_left_out(forum) == dict.fromkeys(LEFT_OUT, 0) | {"unknown_author": 2, "no_parent": 1}
    assert sna.count_left_out(forum, until=day(3))["no_parent"] == 0


def test_undated_interactions_are_kept_without_a_window_and_counted_with_one():
    forum = make_posts(("1", "t", None, "ann", 0, "root"), ("2", "t", "1", "bob", None, "reply"))
    assert sna.list_interactions(forum).height == 1
    assert sna.list_interactions(forum, since=day(0)).is_empty()
    assert sna.count_left_out(forum, since=day(0))["undated"] == 1
    assert sna.list_interactions(forum, reply_rule="previous").is_empty()


def test_answers_where_the_source_marks_none_are_all_later_posts_of_others():
    forum = make_posts(
        ("1", "t", None, "ann", 0, "root"),
        ("2", "t", "1", "bob", 1, "reply"),
        ("3", "t", "2", "ann", 2, "reply"),
        ("4", "t", "2", "cat", 3, "reply"),
    )
    assert rows(sna.list_interactions(forum, kinds=("answer",))) == [("bob", "ann", "2"), ("cat", "ann", "4")]
    assert sna.count_left_out(forum, kinds=("answer",))["self"] == 1


def test_an_answer_whose_question_is_missing_makes_no_other_answerer_the_asker():
    forum = make_posts(("2", "t", None, "bob", 1, "answer"), ("3", "t", None, "cat", 2, "answer"))
    assert sna.list_interactions(forum, kinds=("answer",)).is_empty()
    assert sna.count_left_out(forum, kinds=("answer",))["unknown_author"] == 2


def test_acceptance_without_accepter_is_the_askers():
    signals = pl.DataFrame(
        {"post_id": ["2"], "person_id": [None], "kind": ["accept"]}, schema_overrides={"person_id": pl.String}
    )
    forum = make_posts(("1", "t", None, "ann", 0, "root"), ("2", "t", "1", "bob", 1, "answer"), signals=signals)
    assert rows(sna.list_interactions(forum, kinds=("acceptance",))) == [("ann", "bob", "2")]


def test_mentions_count_once_per_post_and_person():
    mentions = pl.DataFrame(
        {"post_id": ["1", "1", "1"], "person_id": ["cat", "cat", "ann"], "basis": ["markup", "text", "markup"]}
    )
    forum = make_posts(("1", "t", None, "ann", 0, "root"), mentions=mentions)
    assert rows(sna.list_interactions(forum, kinds=("mention",))) == [("ann", "cat", "1")]
    assert sna.count_left_out(forum, kinds=("mention",))["self"] == 1


def test_reactions_are_the_kind_ones_with_a_name():
    given_by_bob = [("like", 1), ("emoji:tada", 2), ("downvote", 1), ("flag", 1), ("bookmark", 1), ("accept", 1)]
    signals = pl.DataFrame(
        [*(("1", "bob", kind, n) for kind, n in given_by_bob), ("1", None, "upvote", 57)],
        schema=["post_id", "person_id", "kind", "n"],
        orient="row",
    )
    forum = make_posts(("1", "t", None, "ann", 0, "root"), signals=signals)
    found = sna.list_interactions(forum, kinds=("reaction",))
    assert found["weight"].sort().to_list() == [1.0, 2.0]
    assert sna.count_left_out(forum, kinds=("reaction",))["unknown_author"] == 1


def test_announcement_threads_are_skipped_and_their_pairs_counted():
    crowd = [(f"p{i}", "big", None, f"u{i:02}", i, "root" if i == 0 else "reply") for i in range(10)]
    forum = make_posts(*crowd, ("x", "small", None, "u00", 50, "root"), ("y", "small", "x", "u01", 51, "reply"))
    kinds = ("co_participation",)
    assert sna.list_interactions(forum, kinds=kinds, max_thread_people=None).height == 10 * 9 + 2
    assert sna.list_interactions(forum, kinds=kinds, max_thread_people=10).height == 10 * 9 + 2
    assert rows(sna.list_interactions(forum, kinds=kinds, max_thread_people=9)) == [
        ("u00", "u01", "y"),
        ("u01", "u00", "y"),
    ]
    assert sna.count_left_out(forum, kinds=kinds, max_thread_people=9)["large_thread"] == 90
    assert sna.count_left_out(forum, kinds=kinds, max_thread_people=9, until=day(2))["large_thread"] == 2


def test_people_who_opted_out_stay_in_the_counts(six):
    people = six.people.with_columns(opt_out=pl.col("person_id") == "bob")
    forum = sna.build_forum(people=people, posts=six.posts)
    assert rows(sna.list_interactions(forum)) == REPLIES


def test_a_rule_the_source_cannot_support_is_refused(six):
    source = sna.Source("chat", capabilities={"threads": "yes", "reactions": "partial"})
    forum = sna.build_forum(posts=six.posts, signals=six.signals, source=source)
    for kind in ("reply", "acceptance", "mention", "reaction"):
        with pytest.raises(NotAnswerableError, match="Not answerable from this source"):
            sna.list_interactions(forum, kinds=(kind,))
    assert sna.list_interactions(forum, reply_rule="root").height == 5
    assert sna.list_interactions(forum, kinds=("answer", "co_participation")).height == 16


def test_rules_are_named_and_versioned():
    table = sna.list_edge_rules()
    assert table["kind"].to_list() == list(sna.EDGE_RULES)
    assert table["version"].min() >= 1
    assert set(table["needs"]) <= set(sna.schema.CAPABILITIES)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_row_order_changes_nothing_and_inputs_stay_as_they_were(six, seed):
    before = six.posts.clone()
    shuffled = sna.build_forum(
        posts=six.posts.sample(fraction=1, shuffle=True, seed=seed),
        people=six.people.sample(fraction=1, shuffle=True, seed=seed + 1),
        signals=six.signals.sample(fraction=1, shuffle=True, seed=seed + 2),
        source=six.source,
    )
    for kinds in (tuple(EXPECTED), ("reply",)):
        assert_frame_equal(sna.list_interactions(shuffled, kinds=kinds), sna.list_interactions(six, kinds=kinds))
    assert_frame_equal(six.posts, before)


def test_time_shift_moves_every_interaction_by_as_much(six):
    shift = pl.duration(days=33)
    posts = six.posts.with_columns(pl.col("created_at") + shift)
    signals = six.signals.with_columns(pl.col("at") + shift)
    later = sna.build_forum(posts=posts, signals=signals, people=six.people, source=six.source)
    kinds = tuple(EXPECTED)
    expected = sna.list_interactions(six, kinds=kinds).with_columns(pl.col("at") + shift)
    assert_frame_equal(sna.list_interactions(later, kinds=kinds), expected)
