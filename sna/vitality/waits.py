"""How long people wait for an answer. An unanswered question is censored at the export, never left out.

The mean (or median) wait *of answered questions* gets better when hard questions are ignored, and is not offered. Every
waiting time stands beside its coverage: how many questions it rests on and how many of them were answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum, join_attribute, require_capabilities
from sna.schema import TIME
from sna.stats.inference import wilson_interval
from sna.stats.waits import clustered_means, kaplan_meier, start_curve, survival_quantile
from sna.talk.questions import list_questions
from sna.talk.solutions import list_solutions
from sna.talk.threads import MISSING
from sna.types import Floats, Moment
from sna.vitality.periods import name_period

HORIZON_DAYS = 7.0
_ALL = "all questions"


def list_waits(
    forum: Forum,
    *,
    to: str = "answer",
    since: Moment = None,
    until: Moment = None,
    kinds: Sequence[str] = ("answer", "reply"),
    bots: bool = False,
) -> pl.DataFrame:
    """One row per question: when it was asked, when it was first answered (or solved), how long that took.

    Parameters
    ----------
    forum
        Questions are those of `sna.list_questions`.
    to
        "answer": the first post by somebody else. "solution": the post that was accepted, marked or thanked for by the
        asker (`sna.list_solutions`), at the time it was written.
    since, until
        Questions *asked* in ``since <= asked_at < until``. Answers are never cut: they may come later.
    kinds
        Kinds of posts that answer. Comments do not, by default. A solution may be of any kind.
    bots
        Count questions and answers of bots and system accounts. Off by default: a greeting by a bot is no answer.

    Returns
    -------
    DataFrame
        ``thread_id, space, asker_id, asked_at, answered_at, wait_hours, is_answered, basis``, sorted by time and id;
        with ``to="solution"``, answered means solved. ``wait_hours`` of an open question is the time it has been open
        (censored at ``forum.observed_until``). ``basis`` says how a question is known: where it is "thread", the source
        has neither kinds nor words, every thread counts, and the rows should be called threads.

    Raises
    ------
    NotAnswerableError
        When the source has no threads, no dated posts, or (for solutions) does not record what solved them.

    Notes
    -----
    Posts whose author is unknown count as by somebody else. When it misleads: answers given elsewhere (in person, by
    mail) are not seen; clock hours include nights and weekends; what looks like a question (`sna.is_question`).

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> list_waits(load_example()).columns[3:]
    ['asked_at', 'answered_at', 'wait_hours', 'is_answered', 'basis']
    """
    if to not in _EVENTS:
        raise ParameterError(f"to is one of {', '.join(_EVENTS)}.", got=f"Got {to!r}.")
    require_capabilities(forum, ("threads",), analysis=f"the time to {_EVENTS[to]}")
    end = forum.observed_until
    if end is None:
        raise NotAnswerableError("Waiting times need dated posts.", got="No post has a time.")
    questions = list_questions(forum, since=since, until=until, bots=bots).filter(pl.col("asked_at").is_not_null())
    if to == "solution":
        ends = list_solutions(forum).select("thread_id", answered_at="solved_at")
    else:
        ends = _first_answers(forum, questions, kinds, bots=bots)
    return _with_waits(questions.rename({"asked_at": "at"}).join(ends, on="thread_id", how="left"), end)


_EVENTS = {"answer": "an answer", "solution": "a solution"}


def _first_answers(forum: Forum, questions: pl.DataFrame, kinds: Sequence[str], *, bots: bool) -> pl.DataFrame:
    """First post by somebody else in each thread: ``thread_id, answered_at``."""
    people = forum.people.select(pl.col("person_id").alias("author_id"), (pl.col("kind") == "human").alias("human"))
    posts = forum.posts.filter(pl.col("kind").is_in(list(kinds))).select(
        "post_id", "thread_id", "author_id", "created_at"
    )
    asked = questions.select("thread_id", "asker_id", opener_id="post_id")
    counted = pl.lit(value=True) if bots else pl.col("human").fill_null(value=True)
    by_another = pl.col("author_id").is_null() | pl.col("author_id").ne_missing(pl.col("asker_id"))
    return (
        posts.join(asked, on="thread_id")
        .join(people, on="author_id", how="left")
        .filter((pl.col("post_id") != pl.col("opener_id")) & counted & by_another)
        .group_by("thread_id")
        .agg(pl.col("created_at").min().alias("answered_at"))
    )


def _with_waits(questions: pl.DataFrame, end: Any) -> pl.DataFrame:
    until = pl.lit(end).cast(TIME)
    answered = pl.col("answered_at").is_not_null() & (pl.col("answered_at") <= until)
    wait = pl.when(answered).then(pl.col("answered_at")).otherwise(until) - pl.col("at")
    return (
        questions.filter(pl.col("at") <= until)
        .with_columns(
            (wait.dt.total_microseconds() / 3.6e9).clip(lower_bound=0).alias("wait_hours"),
            answered.alias("is_answered"),
            pl.when(answered).then(pl.col("answered_at")).alias("answered_at"),
        )
        .rename({"at": "asked_at"})
        .select("thread_id", "space", "asker_id", "asked_at", "answered_at", "wait_hours", "is_answered", "basis")
        .sort("asked_at", "thread_id")
    )


def time_to_answer(
    forum: Forum,
    *,
    by: str | None = None,
    every: str | None = None,
    since: Moment = None,
    until: Moment = None,
    kinds: Sequence[str] = ("answer", "reply"),
    bots: bool = False,
    horizon_days: float = HORIZON_DAYS,
    level: float = 0.95,
) -> pl.DataFrame:
    """How long questions wait for a first answer by somebody else, unanswered ones included (Kaplan-Meier).

    Parameters
    ----------
    forum, since, until, kinds, bots
        As in `list_waits`.
    by
        "space", or an attribute of the asker as of the question ("role", "level", ...).
    every
        "1w", "1mo", "1q" or "1y": by when the question was asked. Either this or ``by``.
    horizon_days
        Waits longer than this count as this in the restricted mean.
    level
        Of the intervals.

    Returns
    -------
    DataFrame
        ``group, n_questions, n_answered, coverage_share`` (answered so far), ``median_hours`` and ends (null when fewer
        than half are answered), ``restricted_mean_hours`` and ends, ``answered_24h_share`` and ends,
        ``answered_7d_share`` and ends, ``followed_share`` (questions followed for the whole horizon or answered).

    Raises
    ------
    NotAnswerableError
        As `list_waits`.

    Notes
    -----
    Intervals: median by Brookmeyer & Crowley (1982), shares on the log(-log) scale, restricted mean (Irwin
    1949) by a t with askers as the units.

    When it misleads: groups with different questions; a low ``followed_share`` means that the end of the curve rests
    on few; the intervals of median and shares take questions as independent of each other.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> row = time_to_answer(load_example()).row(0, named=True)
    >>> row["n_questions"], round(row["coverage_share"], 3), row["median_hours"] < 24
    (914, 0.906, True)
    """
    waits = list_waits(forum, since=since, until=until, kinds=kinds, bots=bots)
    return _summaries(group_waits(forum, waits, by=by, every=every), horizon_days, level)


def _summaries(waits: pl.DataFrame, horizon_days: float, level: float) -> pl.DataFrame:
    if horizon_days <= 0:
        raise ParameterError("horizon_days is more than 0.", got=f"Got {horizon_days}.")
    rows = [
        _summary(str(name), group, horizon_days * 24, level)
        for (name,), group in waits.group_by("group", maintain_order=True)
    ]
    return pl.DataFrame(rows, schema=_SUMMARY).sort("group")


def time_to_solution(
    forum: Forum,
    *,
    by: str | None = None,
    every: str | None = None,
    since: Moment = None,
    until: Moment = None,
    bots: bool = False,
    horizon_days: float = HORIZON_DAYS,
    level: float = 0.95,
) -> pl.DataFrame:
    """How many questions were solved, and how long it took until the post that solved them was written.

    Parameters
    ----------
    forum, by, every, since, until, bots, horizon_days, level
        As in `time_to_answer`.

    Returns
    -------
    DataFrame
        ``group, n_questions, n_solved, solved_share`` and ends (solved so far: at least so many, because not everybody
        says so; Wilson's interval), ``median_hours`` and ends (null when fewer than half are solved),
        ``restricted_mean_hours`` and ends, ``solved_24h_share`` and ends, ``solved_7d_share`` and ends,
        ``followed_share``.

    Raises
    ------
    NotAnswerableError
        When the source records neither acceptance nor marks or thanks by askers, has no threads or no dated posts.

    Notes
    -----
    Solved: see `sna.list_solutions`; the time is that of the post, not of its acceptance. Unsolved questions are
    censored at the export. When it misleads: as `time_to_answer`; and accepting is a habit that some groups lack.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2", "3"], "thread_id": ["t", "t", "u"], "author_id": ["a", "b", "a"],
    ...                       "kind": ["root", "answer", "root"],
    ...                       "created_at": ["2024-01-01", "2024-01-02", "2024-01-09"]})
    >>> signals = pl.DataFrame({"post_id": ["2"], "person_id": ["a"], "kind": ["accept"]})
    >>> table = time_to_solution(build_forum(posts=posts, signals=signals))
    >>> table.select("n_questions", "n_solved", "median_hours").row(0)
    (2, 1, 24.0)
    """
    waits = list_waits(forum, to="solution", since=since, until=until, bots=bots)
    table = _summaries(group_waits(forum, waits, by=by, every=every), horizon_days, level)
    low, high = wilson_interval(table["n_answered"].to_numpy(), table["n_questions"].to_numpy(), level=level)
    ends = table.with_columns(solved_share_low=pl.Series(low), solved_share_high=pl.Series(high)).rename(
        {
            name: name.replace("n_answered", "n_solved").replace("coverage", "solved").replace("answered", "solved")
            for name in table.columns
        }
    )
    first = ["group", "n_questions", "n_solved", "solved_share", "solved_share_low", "solved_share_high"]
    return ends.select(*first, pl.exclude(first))


def group_waits(forum: Forum, waits: pl.DataFrame, *, by: str | None, every: str | None) -> pl.DataFrame:
    """Add ``group``; people whose attribute is unknown are a group of their own."""
    if by is not None and every is not None:
        raise ParameterError("Waits are grouped by one thing.", got=f"Got by={by!r} and every={every!r}.")
    if every is not None:
        return waits.with_columns(name_period(pl.col("asked_at"), every).alias("group"))
    if by is None:
        return waits.with_columns(pl.lit(_ALL).alias("group"))
    if by == "space":
        return waits.with_columns(pl.col("space").fill_null(MISSING).alias("group"))
    named = join_attribute(forum, waits, by=by, person="asker_id", at="asked_at", into="group")
    return named.with_columns(pl.col("group").fill_null(MISSING))


_SUMMARY = {
    "group": pl.String,
    "n_questions": pl.Int64,
    "n_answered": pl.Int64,
    "coverage_share": pl.Float64,
    **{f"median_hours{end}": pl.Float64 for end in ("", "_low", "_high")},
    **{f"restricted_mean_hours{end}": pl.Float64 for end in ("", "_low", "_high")},
    **{f"answered_24h_share{end}": pl.Float64 for end in ("", "_low", "_high")},
    **{f"answered_7d_share{end}": pl.Float64 for end in ("", "_low", "_high")},
    "followed_share": pl.Float64,
}


def _summary(name: str, group: pl.DataFrame, horizon: float, level: float) -> dict[str, Any]:
    waits, observed = group["wait_hours"].to_numpy(), group["is_answered"].to_numpy()
    curve = kaplan_meier(waits, observed, level=level)
    cells = {
        "median_hours": survival_quantile(curve),
        "restricted_mean_hours": _mean_wait(group, horizon, level),
        "answered_24h_share": _share_by(curve, waits, 24.0),
        "answered_7d_share": _share_by(curve, waits, 168.0),
    }
    row: dict[str, Any] = {"group": name, "n_questions": group.height, "n_answered": int(observed.sum())}
    row["coverage_share"] = float(observed.mean())
    for column, ends in cells.items():
        row |= dict(zip((column, f"{column}_low", f"{column}_high"), ends, strict=True))
    return row | {"followed_share": float((observed | (waits >= horizon)).mean())}


def _mean_wait(group: pl.DataFrame, horizon: float, level: float) -> tuple[float, float | None, float | None]:
    """Restricted mean wait with its interval, inside what is possible; no interval from a single asker."""
    means, covariance, df = clustered_waits(group.with_columns(_place=pl.lit(0)), horizon)
    if df <= 0:
        return float(means[0]), None, None
    reach = float(stats.t.ppf(0.5 + level / 2, df) * np.sqrt(covariance[0, 0]))
    return float(means[0]), max(float(means[0]) - reach, 0.0), min(float(means[0]) + reach, horizon)


def clustered_waits(waits: pl.DataFrame, horizon: float) -> tuple[Floats, Floats, float]:
    """Mean waits of the groups numbered in ``_place``; questions by nobody known are a cluster each."""
    asker = pl.coalesce("asker_id", pl.format("\0{}", "thread_id"))
    clusters = waits.select(asker.rank("dense"))["asker_id"].to_numpy()
    hours, answered = waits["wait_hours"].to_numpy(), waits["is_answered"].to_numpy()
    return clustered_means(hours, answered, groups=waits["_place"].to_numpy(), clusters=clusters, horizon=horizon)


def _share_by(curve: pl.DataFrame, waits: Floats, hours: float) -> tuple[float | None, float | None, float | None]:
    """Share answered within ``hours`` with its interval; None when nobody was followed that long."""
    if waits.max() < hours and (curve.is_empty() or curve["waiting_share"][-1] > 0):
        return None, None, None
    before = curve.filter(pl.col("time") <= hours)
    if before.is_empty():
        return 0.0, None, None
    waiting, low, high = before.select("waiting_share", "low", "high").row(-1)
    return 1 - waiting, 1 - high, 1 - low


def waiting_curve(
    forum: Forum,
    *,
    to: str = "answer",
    by: str | None = None,
    every: str | None = None,
    since: Moment = None,
    until: Moment = None,
    kinds: Sequence[str] = ("answer", "reply"),
    level: float = 0.95,
) -> pl.DataFrame:
    """The Kaplan-Meier curves behind `time_to_answer`, for a picture.

    Returns
    -------
    DataFrame
        ``group, wait_hours, waiting_share, low, high, n_at_risk``; each curve starts with everybody waiting at 0.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> waiting_curve(load_example()).select("wait_hours", "waiting_share", "n_at_risk").row(0)
    (0.0, 1.0, 914)
    """
    waits = group_waits(forum, list_waits(forum, to=to, since=since, until=until, kinds=kinds), by=by, every=every)
    columns = ["time", "waiting_share", "low", "high", "n_at_risk"]
    parts = [kaplan_meier([], []).select(columns).with_columns(group=pl.lit(_ALL))]
    for (name,), group in waits.group_by("group", maintain_order=True):
        curve = kaplan_meier(group["wait_hours"].to_numpy(), group["is_answered"].to_numpy(), level=level)
        parts.append(start_curve(curve, group.height).select(columns).with_columns(group=pl.lit(str(name))))
    curves = pl.concat(parts).select("group", pl.col("time").alias("wait_hours"), *columns[1:])
    return curves.sort("group", "wait_hours", maintain_order=True)
