"""Who helped whom, and who had the chance to: the two tables on which champions are found.

A *help* is the first contribution of one person to a thread that somebody else started. A *chance* is such a thread.
Counting threads, not posts, keeps long banter from looking like help. In a source without threads (an edge list, a
stream of messages) every week in which a person writes to anybody, or is written to, counts as one thread of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from sna.errors import NotAnswerableError
from sna.forum import Forum
from sna.schema import TIME
from sna.talk.interactions import is_positive_reaction, list_interactions
from sna.talk.openers import list_openers
from sna.talk.windows import WEEK, make_window
from sna.types import Moment

_THANKS = ("thanks", "endorse")
_GRACE_DAYS = (7.0, 90.0)
_YEAR = timedelta(days=365)
_WEEK_SECONDS = 7 * 86400


@dataclass(frozen=True)
class Helping:
    """Helps, chances and spans of one forum in one window.

    Attributes
    ----------
    helps
        `list_helps`: one row per thread and helper.
    chances
        `list_chances`: one row per thread.
    spans
        ``person_id, start, end, entered_by_act, weeks``: when each human was around to act, and the weeks from
        joining to leaving or the end of the window. After the last sign of life a person is taken to stay for as long
        as their signs of life lay apart on average (7 to 90 days).
    since, until
        The window, both ends known.
    basis
        "threads", or "weekly contacts" for a source without threads.
    """

    helps: pl.DataFrame
    chances: pl.DataFrame
    spans: pl.DataFrame
    since: datetime
    until: datetime
    basis: str


def build_helping(forum: Forum, *, since: Moment = None, until: Moment = None) -> Helping:
    """Helps, chances and spans in one window.

    Raises
    ------
    NotAnswerableError
        When the forum holds no dated posts.
    """
    start, end = make_window(since, until)
    if forum.period is None:
        raise NotAnswerableError(
            "Finding who helps needs dated posts.",
            got="No post has a time.",
            hint="map a time column to created_at",
        )
    latest = forum.observed_until or forum.period[1]
    start = max(start or forum.period[0], forum.period[0])
    end = min(end, latest) if end is not None and end <= latest else end or _just_after(latest)
    helps, chances, basis = _tables(forum, end)
    chances = chances.filter(pl.col("asked_at") < end)
    return narrow_helping(forum, Helping(helps, chances, pl.DataFrame(), start, end, basis), since=start)


def narrow_helping(forum: Forum, helping: Helping, *, since: datetime) -> Helping:
    """The same helps and chances from a later moment on; the end stays."""
    start = max(since, helping.since)
    return replace(
        helping,
        helps=helping.helps.filter(pl.col("at") >= start),
        chances=helping.chances.filter(pl.col("asked_at") >= start),
        spans=_spans(forum, start, helping.until),
        since=start,
    )


def last_year(forum: Forum, *, since: Moment, until: Moment) -> datetime:
    """The beginning of the window: ``since`` if given, else twelve months before the end.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> last_year(load_example(), since=None, until="2025-03-01").isoformat()
    '2024-03-01T00:00:00+00:00'
    """
    start, end = make_window(since, until)
    if start is not None:
        return start
    end = end or forum.observed_until
    return end - _YEAR if end is not None else datetime.min.replace(tzinfo=UTC)


def list_helps(forum: Forum, *, since: Moment = None, until: Moment = None) -> pl.DataFrame:
    """One row per thread and human who contributed to a thread somebody else started.

    Returns
    -------
    DataFrame
        ``thread_id, space, asker_id, asked_at, person_id, at`` (first contribution), ``post_id`` (that post),
        ``n_posts`` (contributions to the thread), ``position`` (1 for the first helper), ``n_helpers``, ``next_at``
        (when the next helper came; null for the last), ``n_accepted, n_thanks, n_likes`` (signals by others on the
        person's posts in the thread). Sorted by at, post_id.

    Notes
    -----
    ``since <= at < until``; signals after ``until`` are not counted, signals without a time are.

    When it misleads: without marked answers any later post of somebody else is a help, jokes included.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2", "3"], "thread_id": ["1", "1", "1"],
    ...                       "author_id": ["ann", "bob", "bob"], "kind": ["root", "reply", "reply"],
    ...                       "created_at": ["2024-01-01", "2024-01-02", "2024-01-03"]})
    >>> list_helps(build_forum(posts=posts)).select("asker_id", "person_id", "n_posts", "position").rows()
    [('ann', 'bob', 2, 1)]
    """
    return build_helping(forum, since=since, until=until).helps


def _tables(forum: Forum, until: datetime) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    if has_threads(forum):
        acts = list_interactions(forum, kinds=("answer",), until=until)
        chances = list_chances(forum)
        asked = list_openers(forum).select("thread_id", asked_at="started_at")
        basis = "threads"
    else:
        acts, chances = _weekly_contacts(forum, until)
        asked = chances.select("thread_id", "asked_at")
        basis = "weekly contacts"
    helps = _first_acts(acts).join(asked, on="thread_id", how="left", maintain_order="left")
    helps = helps.join(_recognition(forum, until), on=["thread_id", "person_id"], how="left", maintain_order="left")
    counts = pl.col("n_accepted", "n_thanks", "n_likes").fill_null(0)
    return helps.with_columns(counts).select(*_HELP_COLUMNS), chances, basis


_HELP_COLUMNS = (
    "thread_id",
    "space",
    "asker_id",
    "asked_at",
    "person_id",
    "at",
    "post_id",
    "n_posts",
    "position",
    "n_helpers",
    "next_at",
    "n_accepted",
    "n_thanks",
    "n_likes",
)


def has_threads(forum: Forum) -> bool:
    """Whether the source knows which posts belong together.

    If a forum declares no capabilities, it has threads unless every post is alone in its thread while posts answer or
    mention somebody.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1"], "thread_id": ["1"], "author_id": ["ann"]})
    >>> has_threads(build_forum(posts=posts))
    True
    """
    if forum.states_capabilities:
        return forum.supports("threads") != "no"
    alone = not forum.posts["thread_id"].is_duplicated().any()
    directed = not forum.mentions.is_empty() or forum.posts["parent_id"].is_not_null().any()
    return not (alone and directed)


def list_chances(forum: Forum) -> pl.DataFrame:
    """Threads that a human started: ``thread_id, space, asker_id, asked_at, weight`` (1 / threads of that asker).

    Where the opening post has no time, ``asked_at`` is the first time known in the thread.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "2"], "author_id": ["ann", "ann"],
    ...                       "kind": ["root", "root"], "created_at": ["2024-01-01", "2024-01-02"]})
    >>> list_chances(build_forum(posts=posts)).select("thread_id", "asker_id", "weight").rows()
    [('1', 'ann', 0.5), ('2', 'ann', 0.5)]
    """
    humans = forum.people.filter(pl.col("kind") == "human")["person_id"].implode()
    asked_at = pl.coalesce("started_at", "first_at")
    return (
        list_openers(forum)
        .filter(pl.col("asker_id").is_in(humans) & asked_at.is_not_null())
        .select("thread_id", "space", "asker_id", asked_at=asked_at)
        .with_columns(weight=1.0 / pl.len().over("asker_id"))
        .sort("asked_at", "thread_id")
    )


def _weekly_contacts(forum: Forum, until: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Acts and pseudo-threads for a source that only knows who turned to whom."""
    kinds = [k for k, need in (("reply", "reply_parent"), ("mention", "mentions")) if forum.supports(need) != "no"]
    if not kinds:
        raise NotAnswerableError(
            "Finding who helps needs threads, replies or mentions.",
            got=f"A {forum.source.platform} export of this kind records none.",
            hint="sna.list_capabilities(forum)",
        )
    acts = list_interactions(forum, kinds=kinds, until=until)
    week = pl.col("at").dt.truncate(WEEK)
    name = pl.concat_str(pl.col("target"), week.dt.strftime("%Y-%m-%d"), separator=" ")
    acts = acts.filter(pl.col("at").is_not_null()).with_columns(thread_id=name, space=pl.lit(None, pl.String))
    sides = [acts.select(pl.col(side).alias("asker_id"), week.alias("asked_at")) for side in ("source", "target")]
    chances = pl.concat(sides).unique().sort("asked_at", "asker_id")
    names = pl.concat_str(pl.col("asker_id"), pl.col("asked_at").dt.strftime("%Y-%m-%d"), separator=" ")
    return acts, chances.select(
        names.alias("thread_id"),
        pl.lit(None, pl.String).alias("space"),
        "asker_id",
        "asked_at",
        (1.0 / pl.len().over("asker_id")).alias("weight"),
    )


def _first_acts(acts: pl.DataFrame) -> pl.DataFrame:
    """One row per thread and helper, with their place among the helpers. Acts lie in order of time and post."""
    first = (
        acts.filter(pl.col("at").is_not_null())
        .group_by("thread_id", "source", maintain_order=True)
        .agg(
            pl.col("space", "at", "post_id").first(),
            pl.col("target").first().alias("asker_id"),
            pl.len().cast(pl.Int64).alias("n_posts"),
        )
        .rename({"source": "person_id"})
        .sort("at", "post_id", "person_id")
    )
    return first.with_columns(
        position=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("thread_id"),
        n_helpers=pl.len().cast(pl.Int64).over("thread_id"),
        next_at=pl.col("at").shift(-1).over("thread_id"),
    )


def _recognition(forum: Forum, until: datetime) -> pl.DataFrame:
    """Signals by others on each person's posts, by thread and person."""
    posts = forum.posts.select("post_id", "thread_id", pl.col("author_id").alias("person_id"), "created_at")
    others = forum.signals.filter(pl.col("at").is_null() | (pl.col("at") < until)).rename({"person_id": "giver"})
    joined = others.join(posts, on="post_id", how="inner").filter(
        pl.col("person_id").is_not_null()
        & (pl.col("giver").is_null() | (pl.col("giver") != pl.col("person_id")))
        & (pl.col("created_at") < until)
    )
    kind, n = pl.col("kind"), pl.col("n")
    thanks = kind.is_in(_THANKS)
    liked = is_positive_reaction() & ~thanks
    return joined.group_by("thread_id", "person_id").agg(
        n.filter(kind == "accept").sum().alias("n_accepted"),
        n.filter(thanks).sum().alias("n_thanks"),
        n.filter(liked).sum().alias("n_likes"),
    )


def _spans(forum: Forum, since: datetime, until: datetime) -> pl.DataFrame:
    """When each human could act: from joining, or from the first sign of life, until leaving or the end."""
    posts = forum.posts.select(pl.col("author_id").alias("person_id"), at="created_at")
    events = forum.events.select("person_id", "at")
    seen = pl.concat([posts, events]).drop_nulls().filter(pl.col("at") < until)
    seen_at = seen.group_by("person_id").agg(
        pl.col("at").min().alias("first_seen"), pl.col("at").max().alias("last"), pl.col("at").n_unique().alias("n")
    )
    humans = forum.people.filter(pl.col("kind") == "human").select("person_id", "joined_at", "left_at")
    rows = humans.join(seen_at, on="person_id", how="left", maintain_order="left")
    start = pl.min_horizontal("joined_at", "first_seen").fill_null(until)
    by_act = pl.col("first_seen").is_not_null() & (pl.col("joined_at").is_null() | (start < pl.col("joined_at")))
    here = pl.min_horizontal(pl.col("left_at").fill_null(until), pl.lit(until, TIME))
    apart = (pl.col("last") - pl.col("first_seen")).dt.total_seconds() / 86400 / pl.max_horizontal(pl.col("n") - 1, 1)
    grace = pl.duration(seconds=apart.fill_null(0.0).clip(*_GRACE_DAYS) * 86400)
    gone = pl.min_horizontal(here, pl.max_horizontal("last", "joined_at") + grace)
    start = pl.max_horizontal(start, pl.lit(since, TIME))
    return rows.select(
        "person_id",
        start.alias("start"),
        gone.alias("end"),
        (by_act & (pl.col("first_seen") >= since)).alias("entered_by_act"),
        weeks=((here - start).dt.total_seconds() / _WEEK_SECONDS).clip(lower_bound=0.0),
    )


def _just_after(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() + 1, UTC)
