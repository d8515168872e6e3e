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
from sna.results import Estimate
from sna.schema import TIME
from sna.stats.waits import SurvivalCurve, kaplan_meier, log_rank, restricted_mean, survival_band, survival_quantile
from sna.talk.openers import list_openers
from sna.talk.threads import MISSING
from sna.talk.windows import cut_window, make_window
from sna.types import Moment

HORIZON_DAYS = 7.0
_PERIODS = {"month": "%Y-%m", "quarter": "%Y-Q", "year": "%Y"}
_ALL = "all questions"


def list_waits(
    forum: Forum,
    *,
    since: Moment = None,
    until: Moment = None,
    kinds: Sequence[str] = ("answer", "reply"),
    bots: bool = False,
) -> pl.DataFrame:
    """One row per question: when it was asked, when somebody else first answered, how long that took.

    Parameters
    ----------
    forum
        Every thread counts as a question; choose threads before for anything narrower.
    since, until
        Questions *asked* in ``since <= asked_at < until``. Answers are never cut: they may come later.
    kinds
        Kinds of posts that answer. Comments do not, by default.
    bots
        Count questions and answers of bots and system accounts. Off by default: a greeting by a bot is no answer.

    Returns
    -------
    DataFrame
        ``thread_id, space, asker_id, asked_at, answered_at, wait_hours, is_answered``, sorted by time and id.
        ``wait_hours`` of an open question is the time it has been open (censored at ``forum.observed_until``).

    Raises
    ------
    NotAnswerableError
        When the source has no threads, or no dated posts.

    Notes
    -----
    Posts whose author is unknown count as by somebody else. When it misleads: answers given elsewhere (in person, by
    mail) are not seen; clock hours include nights and weekends.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> list_waits(load_example()).select(pl.len(), pl.col("is_answered").sum()).row(0)
    (1500, 1301)
    """
    require_capabilities(forum, ("threads",), analysis="the time to an answer")
    end = forum.observed_until
    if end is None:
        raise NotAnswerableError("Waiting times need dated posts.", got="No post has a time.")
    posts = _posts(forum, bots=bots)
    roots = posts.filter(pl.col("is_root")).select(
        "thread_id", "space", pl.col("author_id").alias("asker_id"), pl.col("created_at").alias("at"), "counts"
    )
    roots = cut_window(roots.filter(pl.col("at").is_not_null() & pl.col("counts")), since=since, until=until)
    answers = (
        posts.filter(pl.col("kind").is_in(list(kinds)) & ~pl.col("is_root") & pl.col("counts"))
        .join(roots.select("thread_id", "asker_id"), on="thread_id")
        .filter(pl.col("author_id").is_null() | pl.col("author_id").ne_missing(pl.col("asker_id")))
        .group_by("thread_id")
        .agg(pl.col("created_at").min().alias("answered_at"))
    )
    return _with_waits(roots.join(answers, on="thread_id", how="left"), end)


def _posts(forum: Forum, *, bots: bool) -> pl.DataFrame:
    """Posts with ``is_root`` (the one that opens its thread) and ``counts`` (by a person, or by nobody known)."""
    people = forum.people.select(pl.col("person_id").alias("author_id"), (pl.col("kind") == "human").alias("counts"))
    openers = list_openers(forum).select("thread_id", opener_id="post_id")
    return (
        forum.posts.select("post_id", "thread_id", "author_id", "created_at", "space", "kind")
        .join(openers, on="thread_id")
        .join(people, on="author_id", how="left")
        .with_columns(
            (pl.col("post_id") == pl.col("opener_id")).fill_null(value=False).alias("is_root"),
            pl.lit(value=True).alias("counts") if bots else pl.col("counts").fill_null(value=True),
        )
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
        .select("thread_id", "space", "asker_id", "asked_at", "answered_at", "wait_hours", "is_answered")
        .sort("asked_at", "thread_id")
    )


def time_to_answer(
    forum: Forum,
    *,
    by: str | None = None,
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
        "space", "month", "quarter", "year", or an attribute of the asker as of the question ("role", "level", ...).
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
    Intervals: median by Brookmeyer & Crowley (1982), shares on the log(-log) scale, restricted mean +- z SE
    (Irwin 1949, Greenwood). When it misleads: groups with different questions; a low ``followed_share`` means that
    the end of the curve rests on few.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> row = time_to_answer(load_example()).row(0, named=True)
    >>> row["n_questions"], round(row["coverage_share"], 3), row["median_hours"] < 24
    (1500, 0.867, True)
    """
    if horizon_days <= 0:
        raise ParameterError("horizon_days is more than 0.", got=f"Got {horizon_days}.")
    waits = _grouped(forum, list_waits(forum, since=since, until=until, kinds=kinds, bots=bots), by)
    rows = [
        _summary(str(name), group, horizon_days * 24, level)
        for (name,), group in waits.group_by("group", maintain_order=True)
    ]
    return pl.DataFrame(rows, schema=_SUMMARY).sort("group")


def _grouped(forum: Forum, waits: pl.DataFrame, by: str | None) -> pl.DataFrame:
    """Add ``group``; people whose attribute is unknown are a group of their own."""
    if by is None:
        return waits.with_columns(pl.lit(_ALL).alias("group"))
    if by == "space":
        return waits.with_columns(pl.col("space").fill_null(MISSING).alias("group"))
    if by == "quarter":
        quarter = pl.col("asked_at").dt.quarter().cast(pl.String)
        return waits.with_columns((pl.col("asked_at").dt.strftime(_PERIODS[by]) + quarter).alias("group"))
    if by in _PERIODS:
        return waits.with_columns(pl.col("asked_at").dt.strftime(_PERIODS[by]).alias("group"))
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
    curve = kaplan_meier(waits, observed)
    mean, error = restricted_mean(curve, horizon)
    reach = float(stats.norm.ppf(0.5 + level / 2)) * error
    cells = {
        "median_hours": survival_quantile(curve, 0.5, level=level),
        "restricted_mean_hours": (mean, max(mean - reach, 0.0), min(mean + reach, horizon)),
        "answered_24h_share": _share_by(curve, 24.0, level),
        "answered_7d_share": _share_by(curve, 168.0, level),
    }
    row: dict[str, Any] = {"group": name, "n_questions": group.height, "n_answered": int(observed.sum())}
    row["coverage_share"] = float(observed.mean())
    for column, ends in cells.items():
        row |= dict(zip((column, f"{column}_low", f"{column}_high"), ends, strict=True))
    return row | {"followed_share": float((observed | (waits >= horizon)).mean())}


def _share_by(curve: SurvivalCurve, hours: float, level: float) -> tuple[float | None, float | None, float | None]:
    """Share answered within ``hours`` with its interval; None when nobody was followed that long."""
    if curve.last < hours and (not len(curve.survival) or curve.survival[-1] > 0):
        return None, None, None
    low, high = survival_band(curve, level=level)
    place = int(np.searchsorted(curve.times, hours, side="right")) - 1
    if place < 0:
        return 0.0, None, None
    return 1 - curve.at(hours), 1 - float(high[place]), 1 - float(low[place])


def waiting_curve(
    forum: Forum,
    *,
    by: str | None = None,
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
    """
    waits = _grouped(forum, list_waits(forum, since=since, until=until, kinds=kinds), by)
    parts = []
    for (name,), group in waits.group_by("group", maintain_order=True):
        curve = kaplan_meier(group["wait_hours"].to_numpy(), group["is_answered"].to_numpy())
        low, high = survival_band(curve, level=level)
        columns = {
            "wait_hours": np.append(0.0, curve.times),
            "waiting_share": np.append(1.0, curve.survival),
            "low": np.append(1.0, low),
            "high": np.append(1.0, high),
            "n_at_risk": np.append(curve.n, curve.n_at_risk),
        }
        parts.append(pl.DataFrame(columns).select(pl.lit(str(name)).alias("group"), pl.all()))
    empty = pl.DataFrame(schema={"group": pl.String, **dict.fromkeys(_CURVE, pl.Float64), "n_at_risk": pl.Int64})
    return pl.concat([empty, *parts]).sort("group", "wait_hours")


_CURVE = ("wait_hours", "waiting_share", "low", "high")


def compare_waits(
    forum: Forum,
    *,
    by: str,
    since: Moment = None,
    until: Moment = None,
    kinds: Sequence[str] = ("answer", "reply"),
) -> Estimate:
    """Do the groups wait alike? The log-rank test (Mantel 1966) over questions.

    Returns
    -------
    Estimate
        ``value`` is the chi-square statistic, ``expected`` its degrees of freedom.

    Raises
    ------
    NotAnswerableError
        With fewer than two groups, or no answer at all.

    Notes
    -----
    When it misleads: several questions by one asker are not independent, and groups ask different questions.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> compare_waits(load_example(), by="quarter").n
    1500
    """
    waits = _grouped(forum, list_waits(forum, since=since, until=until, kinds=kinds), by)
    groups = [
        (group["wait_hours"].to_numpy(), group["is_answered"].to_numpy())
        for _, group in waits.group_by("group", maintain_order=True)
    ]
    if len(groups) < 2 or not waits["is_answered"].any():
        raise NotAnswerableError(
            "Comparing waits needs two groups and some answers.",
            got=f"Got {len(groups)} groups and {waits['is_answered'].sum()} answers.",
        )
    statistic, df, p_value = log_rank(groups)
    return Estimate(
        f"log-rank chi-square of waits by {by}",
        statistic,
        expected=float(df),
        p_value=p_value,
        null="same waits",
        n=waits.height,
        unit="questions",
    )


def waiting_time_change(
    forum: Forum,
    *,
    split_at: Moment,
    since: Moment = None,
    until: Moment = None,
    kinds: Sequence[str] = ("answer", "reply"),
    horizon_days: float = HORIZON_DAYS,
    level: float = 0.95,
) -> Estimate:
    """Change of the restricted mean wait: questions asked from ``split_at`` on minus those asked before.

    Parameters
    ----------
    split_at
        The moment that parts the questions.
    since, until
        Questions considered.
    horizon_days
        Waits longer than this count as this; both periods must have been followed for so long by somebody.

    Returns
    -------
    Estimate
        In hours, negative when answers come sooner; ``p_value`` is that of the log-rank test.

    Raises
    ------
    NotAnswerableError
        When a period has no answered question, or was followed for less than the horizon.

    Notes
    -----
    Each question is censored at the export, so that a later period with less time behind it does not look worse
    (or better). When it misleads: a change in what is asked looks like a change in how fast it is answered.
    """
    parted = make_window(split_at, None)[0]
    if parted is None:
        raise ParameterError(
            "split_at is the moment that parts the questions.", got="Got None.", hint='split_at="2024-06-01"'
        )
    waits = list_waits(forum, since=since, until=until, kinds=kinds)
    later = (waits["asked_at"] >= parted).to_numpy()
    hours, observed, horizon = waits["wait_hours"].to_numpy(), waits["is_answered"].to_numpy(), horizon_days * 24
    samples = [(hours[mask], observed[mask]) for mask in (~later, later)]
    curves = [kaplan_meier(*sample) for sample in samples]
    if any(not c.n_observed or (c.last < horizon and c.survival[-1] > 0) for c in curves):
        raise NotAnswerableError(
            f"Both periods need answers and a question followed for {horizon_days:g} days.",
            got="; ".join(f"{c.n} questions, {c.n_observed} answered" for c in curves) + ".",
            hint="choose an earlier moment or a shorter horizon",
        )
    (before, before_error), (after, after_error) = (restricted_mean(curve, horizon) for curve in curves)
    reach = float(stats.norm.ppf(0.5 + level / 2)) * float(np.hypot(before_error, after_error))
    return Estimate(
        f"change of the mean wait within {horizon_days:g} days, in hours",
        after - before,
        low=after - before - reach,
        high=after - before + reach,
        level=level,
        expected=0.0,
        p_value=log_rank(samples)[2],
        null="same waits",
        n=waits.height,
        unit="questions",
    )
