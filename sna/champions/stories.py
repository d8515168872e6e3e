"""Stories worth telling: problems that several people solved unusually quickly, each with its "k of n"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from sna.champions.evidence import LONGEST_HOURS, list_replies, subject_words
from sna.champions.facets import has_attribute
from sna.errors import NotAnswerableError
from sna.forum import Forum, join_attribute
from sna.results import format_count, format_duration
from sna.talk.questions import list_questions
from sna.talk.solutions import list_solutions
from sna.talk.threads import list_threads
from sna.talk.windows import cut_window
from sna.types import Moment

_MIN_MATCHED = 20
_LEAST_HELPERS = 2
_MOST_HELPERS = 12
_REPLY_TIME = "1d"
_UNKIND = ("flag", "downvote")
REPLIED = "replied"
"""What a story rests on where nothing records which threads were solved; else one of `sna.talk.solutions.BASES`."""


def list_war_stories(
    forum: Forum, *, by: str = "role", since: Moment = None, until: Moment = None, top: int = 10
) -> pl.DataFrame:
    """Threads that several people solved unusually quickly, each compared with similar threads.

    A thread is solved by the post `sna.list_solutions` names (accepted, marked or thanked for), when somebody else than
    the asker wrote it. Its time is the time of that post, its people are those who wrote up to it. Where nothing
    records what was solved, the story tells of questions (`sna.list_questions`), their first reply and those who
    replied within a day, and nothing is called solved.

    Parameters
    ----------
    by
        Attribute that counts as breadth; people are counted where nobody has it.
    since, until
        Threads begun in ``since <= at < until``; posts from ``until`` on do not count.
    top
        Number of stories at most.

    Returns
    -------
    DataFrame
        Candidates for stories, for a human to confirm: ``thread_id, title, space, asked_at, basis`` (what it rests on),
        ``post_id`` (the solution), ``hours_to_solution, n_people`` (with the asker), ``groups, helper_ids`` (without
        those who opted out), ``n_slower, n_comparable`` (other solved threads of the same space, or of the forum when
        the space has fewer than 20; slower ones took longer), ``slower_share, n_solved, n_threads`` (of all threads,
        in every row) and ``story``. Ordered by ``slower_share`` times the number of groups.

    Raises
    ------
    NotAnswerableError
        When the source has no threads, or none is solved.

    Notes
    -----
    Left out: solutions by fewer than 2 or more than 12 people or later than 30 days, and threads with a flag or a vote
    against any of their posts. When it misleads: stories are picked, not sampled; tell "k of n" with every one. What
    it saved is not in the log; ask those who were there.

    Examples
    --------
    >>> import sna
    >>> stories = list_war_stories(sna.make_forum(n_people=60, n_threads=80, rng=1).forum, top=1)
    >>> stories["n_solved"].item(), stories["n_threads"].item(), stories["basis"].item()
    (25, 80, 'accepted')
    """
    threads = _solved_threads(forum, since=since, until=until)
    n_solved = threads["hours"].count()
    if not n_solved:
        raise NotAnswerableError("Stories need solved threads.", got=f"None of {threads.height} is.")
    soon = threads.filter(pl.col("hours") <= LONGEST_HOURS).join(_quarrels(forum), on="thread_id", how="anti")
    several = pl.col("n_people").is_between(_LEAST_HELPERS + 1, _MOST_HELPERS + 1)
    chosen = soon.join(_casts(forum, soon, by, until), on="thread_id", maintain_order="left").filter(several)
    rows = _compared(threads, chosen)
    rows = rows.with_columns(
        score=pl.col("slower_share") * pl.col("breadth"), n_solved=pl.lit(n_solved), n_threads=pl.lit(threads.height)
    )
    best = rows.sort(["score", "asked_at", "thread_id"], descending=[True, True, False]).head(top)
    story = [_story(row, by.replace("_", " ")) for row in best.iter_rows(named=True)]
    named = best.with_columns(pl.Series("story", story, dtype=pl.String))
    return named.rename({"hours": "hours_to_solution"}).select(_COLUMNS)


_COLUMNS = (
    "thread_id",
    "title",
    "space",
    "asked_at",
    "basis",
    "post_id",
    "hours_to_solution",
    "n_people",
    "groups",
    "helper_ids",
    "n_slower",
    "n_comparable",
    "slower_share",
    "n_solved",
    "n_threads",
    "story",
)


def _solved_threads(forum: Forum, *, since: Moment, until: Moment) -> pl.DataFrame:
    """Every thread of a person with its solution: ``basis, post_id, solved_at, hours`` (null where there is none)."""
    solutions = _solutions(forum, list_replies(forum, until=until))
    threads = list_threads(forum).select("thread_id", "title", "space", "asker_id", at="started_at")
    if (solutions["basis"] == REPLIED).any():
        threads = threads.join(list_questions(forum).select("thread_id"), on="thread_id", how="semi")
    begun = cut_window(threads.drop_nulls(["asker_id", "at"]), since=since, until=until).rename({"at": "asked_at"})
    rows = begun.join(solutions, on="thread_id", how="left", maintain_order="left")
    return rows.with_columns(pool=pl.when(pl.col("hours").count().over("space") > _MIN_MATCHED).then("space"))


def _solutions(forum: Forum, replies: pl.DataFrame) -> pl.DataFrame:
    """Solutions by others than the asker: ``thread_id, post_id, hours, solved_at, basis``; else first replies."""
    written = replies.select("thread_id", "post_id", "hours", solved_at="at")
    try:
        return written.join(list_solutions(forum).select("post_id", "basis"), on="post_id")
    except NotAnswerableError:
        first = written.unique("thread_id", keep="first", maintain_order=True)
        return first.with_columns(basis=pl.lit(REPLIED))


def _compared(threads: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """Add ``n_comparable, n_slower, slower_share``: other solved threads of the pool, and those that took longer."""
    solved = threads.drop_nulls("hours")
    pools = {pool: np.sort(own["hours"].to_numpy()) for (pool,), own in solved.group_by("pool")}
    pools[None] = np.sort(solved["hours"].to_numpy())
    pairs = list(chosen.select("pool", "hours").iter_rows())
    slower = [len(pools[pool]) - int(np.searchsorted(pools[pool], hours, side="right")) for pool, hours in pairs]
    return chosen.with_columns(
        n_slower=pl.Series(slower, dtype=pl.Int64),
        n_comparable=pl.Series([len(pools[pool]) - 1 for pool, _ in pairs], dtype=pl.Int64),
    ).with_columns(slower_share=(pl.col("n_slower") / pl.col("n_comparable")).fill_nan(0.0))


def _quarrels(forum: Forum) -> pl.DataFrame:
    """Threads in which a post was flagged or voted against."""
    posts = forum.posts.select("post_id", "thread_id")
    return forum.signals.filter(pl.col("kind").is_in(_UNKIND)).join(posts, on="post_id").select("thread_id").unique()


def _casts(forum: Forum, threads: pl.DataFrame, by: str, until: Moment) -> pl.DataFrame:
    """People of each thread up to its solution, asker included: how many, of which groups, and who may be named."""
    last = pl.col("asked_at").dt.offset_by(_REPLY_TIME)
    ends = threads.select("thread_id", end=pl.when(pl.col("basis") == REPLIED).then(last).otherwise("solved_at"))
    replies = list_replies(forum, until=until).join(ends, on="thread_id").filter(pl.col("at") <= pl.col("end"))
    helpers = replies.select("thread_id", "person_id", "at")
    cast = pl.concat([threads.select("thread_id", person_id="asker_id", at="asked_at"), helpers])
    known = has_attribute(forum, by)
    cast = join_attribute(forum, cast, by=by, at="at", into="group") if known else cast.with_columns(group=_NOBODY)
    shown = forum.people.filter(~pl.col("opt_out"))["person_id"].implode()
    named = helpers.filter(pl.col("person_id").is_in(shown)).group_by("thread_id")
    people = cast.group_by("thread_id").agg(
        pl.col("person_id").n_unique().alias("n_people").cast(pl.Int64),
        pl.col("group").drop_nulls().unique().sort().alias("groups"),
    )
    breadth = pl.col("groups").list.len() if known else pl.col("n_people")
    names = named.agg(pl.col("person_id").unique().sort().alias("helper_ids"))
    joined = people.with_columns(breadth=breadth.cast(pl.Float64)).join(names, on="thread_id", how="left")
    return joined.with_columns(pl.col("helper_ids").fill_null([]))


_NOBODY = pl.lit(None, pl.String)


def _story(row: Mapping[str, Any], word: str) -> str:
    """The story in three sentences: what happened, who took part, and how rare it is."""
    subject = subject_words(row["title"], row["space"]).strip() or "A thread"
    words = _WORDS[row["basis"]]
    helpers = format_count(row["n_people"] - 1, "person", plural="people")
    what = words.what.format(soon=format_duration(row["hours"]), helpers=helpers)
    groups = row["groups"]
    of = f"; {len(groups)} {word}s took part, the asker's included: {', '.join(groups)}" if len(groups) > 1 else ""
    where = "in the same space" if row["pool"] is not None else "in the forum"
    rare = f"{row['n_slower']:,} of {row['n_comparable']:,} other {words.others} {where} took longer"
    share = f"{row['n_solved']:,} of the {row['n_threads']:,} {words.all} {words.share}"
    return f"{subject}: {what}{of}. {rare}; {share}."


@dataclass(frozen=True)
class _Words:
    """How a story is told, by what it rests on."""

    what: str
    others: str
    all: str
    share: str


_BY_THEN = "came {soon} after the first post, and {helpers} had replied by then"
_ALL, _SHARE = "threads that people began", "were solved"
_WORDS = {
    "accepted": _Words(f"the accepted answer {_BY_THEN}", "solved threads", _ALL, _SHARE),
    "marked": _Words(f"the reply that the asker marked as the solution {_BY_THEN}", "solved threads", _ALL, _SHARE),
    "thanked": _Words(f"the reply that the asker gave thanks for {_BY_THEN}", "solved threads", _ALL, _SHARE),
    REPLIED: _Words(
        "first reply {soon} after the first post, and {helpers} replied within a day",
        "questions with a reply",
        "questions",
        "had a reply by somebody else; which were solved is not recorded",
    ),
}
