"""The threads behind a name: what a person wrote, when, after whom, and how it was received.

Every sentence can be checked against `forum.posts` and `forum.signals`: its time is that of the post it is about, and
the people it counts wrote before that post.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from sna.champions.helps import has_threads
from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.people.listed import listed_people
from sna.people.privacy import clean_label
from sna.results import format_count, format_duration, format_space
from sna.schema import TIME
from sna.talk.interactions import POSITIVE_REACTIONS
from sna.talk.threads import list_threads
from sna.talk.windows import cut_window, make_window
from sna.types import Moment

LONGEST_HOURS = 30 * 24.0
"""A reply that came later than this after the first post is neither evidence nor the solution of a story."""
_LONGEST_GAP_HOURS = 7 * 24.0
_LONGEST_TITLE = 100


def champion_evidence(
    forum: Forum, person_id: str | Sequence[str], *, since: Moment = None, until: Moment = None, top: int = 5
) -> pl.DataFrame:
    """The threads that best show what a person does for others.

    One row per thread: the person's accepted post where there is one, else their first post that was thanked for,
    else their first post. Ordered by acceptance, thanks, likes, and the time until somebody else replied.

    Parameters
    ----------
    person_id
        A human who did not opt out, or several.
    since, until
        Window of the person's posts, ``since <= at < until``; signals given after ``until`` do not count.
    top
        Number of threads of each.

    Returns
    -------
    DataFrame
        ``person_id, thread_id, post_id, title, space, at, hours_after_question`` (from the thread's first post to
        this one), ``saved_hours`` (from a first reply to the next by somebody else, at most 168; 0 for others),
        ``n_before`` (other people than the asker who wrote in the thread before), ``n_helpers`` (people other than
        the asker who wrote in it at all), ``accepted, thanked, liked, newcomer`` (it was the asker's first post) and
        ``why``, a sentence. The best thread of each person first. Nobody else is named. Posts later than 30 days
        after the first are left out.

    Raises
    ------
    ParameterError
        When the person is unknown, not human, or opted out.
    NotAnswerableError
        When the source has no threads.

    Notes
    -----
    Accepted, thanked and liked mean: by somebody else than the author. When it misleads: a reply without acceptance
    or thanks may have helped nobody; the sentence then says that somebody replied, and no more.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "1"], "author_id": ["ann", "bob"],
    ...                       "kind": ["root", "reply"], "space": ["help", "help"],
    ...                       "created_at": ["2024-01-01T00:00", "2024-01-01T02:00"]})
    >>> champion_evidence(build_forum(posts=posts), "bob")["why"].item()
    "First to reply in help, 2 hours after the first post; nobody else replied; it was the asker's first post."
    """
    people = [person_id] if isinstance(person_id, str) else list(person_id)
    _check_people(forum, people)
    replies = list_replies(forum, until=until)
    own = cut_window(replies.filter(pl.col("person_id").is_in(people)), since=since, until=until)
    own = own.filter(pl.col("hours") <= LONGEST_HOURS)
    chosen = own.sort(
        pl.col("n_accepts") > 0, pl.col("n_thanks") > 0, "at", "post_id", descending=[True, True, False, False]
    ).unique(["person_id", "thread_id"], keep="first", maintain_order=True)
    rows = chosen.join(_first_posts(forum), on="asker_id", how="left", maintain_order="left").select(
        "person_id",
        "thread_id",
        "post_id",
        "title",
        "space",
        "at",
        pl.col("hours").alias("hours_after_question"),
        pl.when(pl.col("n_before") == 0).then("gap_hours").otherwise(0.0).alias("saved_hours"),
        "n_before",
        "n_helpers",
        (pl.col("n_accepts") > 0).alias("accepted"),
        (pl.col("n_thanks") > 0).alias("thanked"),
        pl.col("n_likes").alias("liked"),
        _opens(pl.col("first_thread"), pl.col("first_at")).alias("newcomer"),
    )
    order = ["accepted", "thanked", "liked", "saved_hours", "at", "post_id"]
    ranked = rows.sort(order, descending=[True, True, True, True, True, False])
    best = ranked.filter(pl.int_range(pl.len()).over("person_id") < top).sort("person_id", maintain_order=True)
    why = [_sentence(row) for row in best.iter_rows(named=True)]
    return best.with_columns(pl.Series("why", why, dtype=pl.String))


def _check_people(forum: Forum, people: Sequence[str]) -> None:
    shown = set(listed_people(forum)["person_id"])
    wrong = sum(person not in shown for person in people)
    if wrong:
        raise ParameterError(
            "Evidence is given for humans of this forum who did not opt out.",
            got=f"{wrong} of {len(people)} ids are not of such people.",
            hint="take person_id from sna.find_champions(forum)",
        )


def list_replies(forum: Forum, *, until: Moment = None) -> pl.DataFrame:
    """Every post by a person in a thread that somebody else began: when, after how many others, how it was received.

    Parameters
    ----------
    forum
        Must record threads. Bots count neither as askers nor as people; neither do posts without a time.
    until
        Posts and signals from then on are not counted; signals without a time are.

    Returns
    -------
    DataFrame
        ``thread_id, title, space, asker_id, asked_at, post_id, person_id, at, hours`` (since the thread's first post),
        ``n_before`` (other people who wrote in the thread before, the asker not counted), ``n_helpers`` (people other
        than the asker in the thread), ``gap_hours`` (until somebody else wrote, the asker not counted; at most 168
        or until the end), ``n_accepts, n_asker_thanks, n_thanks, n_likes`` (given by others than the author).
        Sorted by time and id.

    Raises
    ------
    NotAnswerableError
        When the source has no threads.
    """
    if not has_threads(forum):
        raise NotAnswerableError(
            "Evidence needs threads.", got="The source records who turned to whom, not in what thread."
        )
    threads = list_threads(forum).select("thread_id", "title", "space", "asker_id", asked_at="started_at")
    humans = forum.people.filter(pl.col("kind") == "human").select("person_id")
    posts = forum.posts.select("post_id", "thread_id", pl.col("author_id").alias("person_id"), at="created_at")
    posts = cut_window(posts.drop_nulls(["person_id", "at"]), since=None, until=until)
    rows = posts.join(humans, on="person_id", how="semi").join(
        threads.drop_nulls(["asker_id", "asked_at"]), on="thread_id"
    )
    rows = rows.filter((pl.col("person_id") != pl.col("asker_id")) & (pl.col("at") >= pl.col("asked_at")))
    counted = _count_others(rows.sort("at", "post_id"), until=until or forum.observed_until)
    return counted.join(_received(forum, until), on="post_id", how="left", maintain_order="left").with_columns(
        pl.col("n_accepts", "n_asker_thanks", "n_thanks", "n_likes").fill_null(0)
    )


def _count_others(rows: pl.DataFrame, *, until: Moment) -> pl.DataFrame:
    """Add ``hours, n_before, n_helpers, gap_hours`` to posts in order of time and id."""
    end = pl.lit(make_window(None, until)[1], TIME)
    arrived = pl.struct("thread_id", "person_id").is_first_distinct().cast(pl.Int64)
    rows = rows.with_columns(arrived=arrived, first_at=pl.col("at").first().over("thread_id", "person_id"))
    before = (pl.col("arrived").cum_sum() - pl.col("arrived")).over("thread_id")
    rows = rows.with_columns(before=before, next_person=pl.col("person_id").shift(-1).over("thread_id"))
    at_once = pl.col("before").min().over("thread_id", "at")
    returned = (pl.col("first_at") < pl.col("at")).cast(pl.Int64)
    next_at = pl.when(pl.col("next_person") != pl.col("person_id")).then(pl.col("at").shift(-1).over("thread_id"))
    rows = rows.with_columns(next_at.alias("next_at")).with_columns(pl.col("next_at").backward_fill().over("thread_id"))
    gap = _hours(pl.coalesce("next_at", end) - pl.col("at")).clip(0.0, _LONGEST_GAP_HOURS)
    return rows.with_columns(
        hours=_hours(pl.col("at") - pl.col("asked_at")),
        n_before=at_once - returned,
        n_helpers=pl.col("arrived").sum().over("thread_id"),
        gap_hours=gap,
    ).drop("arrived", "first_at", "before", "next_person", "next_at")


def _hours(span: pl.Expr) -> pl.Expr:
    return span.dt.total_microseconds() / 3.6e9


def _received(forum: Forum, until: Moment) -> pl.DataFrame:
    """Signals by others than its author on each post."""
    posts = forum.posts.select("post_id", "thread_id", "author_id")
    askers = list_threads(forum).select("thread_id", "asker_id")
    end = make_window(None, until)[1]
    in_time = pl.lit(value=True) if end is None else pl.col("at").is_null() | (pl.col("at") < end)
    rows = forum.signals.filter(in_time).join(posts, on="post_id").join(askers, on="thread_id", how="left")
    rows = rows.filter(pl.col("person_id").is_null() | (pl.col("person_id") != pl.col("author_id")))
    kind, n = pl.col("kind"), pl.col("n")
    thanks = kind == "thanks"
    liked = (kind.is_in(POSITIVE_REACTIONS) | kind.str.starts_with("emoji:")) & ~thanks
    return rows.group_by("post_id").agg(
        n.filter(kind == "accept").sum().alias("n_accepts"),
        n.filter(thanks & (pl.col("person_id") == pl.col("asker_id"))).sum().alias("n_asker_thanks"),
        n.filter(thanks).sum().alias("n_thanks"),
        n.filter(liked).sum().alias("n_likes"),
    )


def _first_posts(forum: Forum) -> pl.DataFrame:
    """The thread in which each person wrote first."""
    dated = forum.posts.drop_nulls(["author_id", "created_at"]).sort("created_at", "post_id")
    first = dated.unique("author_id", keep="first", maintain_order=True)
    return first.select(asker_id="author_id", first_thread="thread_id", first_at="created_at")


def _opens(thread: pl.Expr, at: pl.Expr) -> pl.Expr:
    """Whether the thread's first post was the asker's first post anywhere."""
    return ((thread == pl.col("thread_id")) & (at == pl.col("asked_at"))).fill_null(value=False)


def subject_words(title: str | None, space: str | None) -> str:
    """Title in quotes and space, as far as they are known and readable; long titles are cut."""
    where = format_space(space)
    what = f' "{clean_label(title, max_length=_LONGEST_TITLE)}"' if title else ""
    return what + (f" in {clean_label(where, max_length=_LONGEST_TITLE)}" if where else "")


def _sentence(row: Mapping[str, Any]) -> str:
    """One sentence per thread, from its facts."""
    subject = subject_words(row["title"], row["space"])
    to = f" to{subject}" if row["title"] else subject
    after = f", {format_duration(row['hours_after_question'])} after the first post"
    others = format_count(row["n_before"], "other person", plural="other people")
    before = f"; {others} had replied before" if row["n_before"] else ""
    if row["accepted"]:
        text = f"Wrote the accepted answer{to}{after}{before or '; the first to reply'}"
    elif row["thanked"]:
        text = f"Was thanked for a reply{to}{after}{before or '; the first to reply'}"
    elif row["n_before"]:
        text = f"Replied{to}{after}{before}"
    else:
        text = f"First to reply{to}{after}; {_next_words(row)}"
    likes = f"; likes: {row['liked']:,}" if row["liked"] else ""
    return text + likes + ("; it was the asker's first post" if row["newcomer"] else "") + "."


def _next_words(row: Mapping[str, Any]) -> str:
    """When somebody else replied after a first reply."""
    if row["n_helpers"] == 1:
        return "nobody else replied"
    if row["saved_hours"] >= _LONGEST_GAP_HOURS:
        return "nobody else replied within a week"
    return f"the next person replied {format_duration(row['saved_hours'])} later"
