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
from sna.stats.waits import clustered_means, kaplan_meier, start_curve, survival_quantile
from sna.talk.openers import list_openers
from sna.talk.threads import MISSING
from sna.talk.windows import cut_window, make_window
from sna.types import Floats, Moment
from sna.vitality.periods import name_period

HORIZON_DAYS = 7.0
LEAST_ASKERS = 5
"""Askers a group needs to be compared: with fewer, its spread cannot be told from its questions."""
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
    (1500, 0.867, True)
    """
    if horizon_days <= 0:
        raise ParameterError("horizon_days is more than 0.", got=f"Got {horizon_days}.")
    waits = _grouped(forum, list_waits(forum, since=since, until=until, kinds=kinds, bots=bots), by, every)
    rows = [
        _summary(str(name), group, horizon_days * 24, level)
        for (name,), group in waits.group_by("group", maintain_order=True)
    ]
    return pl.DataFrame(rows, schema=_SUMMARY).sort("group")


def _grouped(forum: Forum, waits: pl.DataFrame, by: str | None, every: str | None) -> pl.DataFrame:
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
    means, covariance, df = _clustered(group.with_columns(_place=pl.lit(0)), horizon)
    if df <= 0:
        return float(means[0]), None, None
    reach = float(stats.t.ppf(0.5 + level / 2, df) * np.sqrt(covariance[0, 0]))
    return float(means[0]), max(float(means[0]) - reach, 0.0), min(float(means[0]) + reach, horizon)


def _clustered(waits: pl.DataFrame, horizon: float) -> tuple[Floats, Floats, float]:
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
    (0.0, 1.0, 1500)
    """
    waits = _grouped(forum, list_waits(forum, since=since, until=until, kinds=kinds), by, every)
    columns = ["time", "waiting_share", "low", "high", "n_at_risk"]
    parts = [kaplan_meier([], []).select(columns).with_columns(group=pl.lit(_ALL))]
    for (name,), group in waits.group_by("group", maintain_order=True):
        curve = kaplan_meier(group["wait_hours"].to_numpy(), group["is_answered"].to_numpy(), level=level)
        parts.append(start_curve(curve, group.height).select(columns).with_columns(group=pl.lit(str(name))))
    curves = pl.concat(parts).select("group", pl.col("time").alias("wait_hours"), *columns[1:])
    return curves.sort("group", "wait_hours", maintain_order=True)


def compare_waits(
    forum: Forum,
    *,
    by: str | None = None,
    every: str | None = None,
    since: Moment = None,
    until: Moment = None,
    kinds: Sequence[str] = ("answer", "reply"),
    horizon_days: float = HORIZON_DAYS,
) -> Estimate:
    """Do the groups wait alike? One joint test of their mean waits, with askers as the units.

    Parameters
    ----------
    forum, by, every, since, until, kinds
        As in `time_to_answer`. Groups with fewer than five askers are left out, and the measure says how many.
    horizon_days
        Waits longer than this count as this.

    Returns
    -------
    Estimate
        In hours: the mean wait of the slowest group minus that of the fastest, named in the measure. It is chosen for
        being the largest difference, so it has no interval; ``p_value`` is that of the joint test and decides alone.

    Raises
    ------
    NotAnswerableError
        With fewer than two groups of five askers, or without an answer or enough follow-up in one of them.

    Notes
    -----
    Restricted means (Kaplan-Meier) with a covariance that adds up each asker's questions, Wald test as Hotelling's F.
    The log-rank test takes questions as independent: where askers have their own speed it found differences between
    groups that wait alike in 39 % of forums.

    When it misleads: groups ask different questions; helpers who answer much tie questions of different askers.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> compare_waits(load_example(), every="1q").n
    1500
    """
    waits = _grouped(forum, list_waits(forum, since=since, until=until, kinds=kinds), by, every)
    kept = waits.filter(pl.coalesce("asker_id", "thread_id").n_unique().over("group") >= LEAST_ASKERS)
    names = kept["group"].unique().sort()
    if len(names) < 2:
        raise NotAnswerableError(
            f"Comparing waits needs two groups of at least {LEAST_ASKERS} askers.",
            got=f"Got {waits['group'].n_unique()} groups, {len(names)} of them so large.",
        )
    kept = kept.with_columns(_place=(pl.col("group").rank("dense") - 1).cast(pl.Int64))
    _require_followed(kept, horizon_days)
    means, covariance, df = _clustered(kept, horizon_days * 24)
    slow, fast = int(means.argmax()), int(means.argmin())
    left_out = waits["group"].n_unique() - len(names)
    what = f"mean wait within {horizon_days:g} days by {by or every}, in hours: {names[slow]} minus {names[fast]}"
    return Estimate(
        what + (f" ({left_out} groups with fewer than {LEAST_ASKERS} askers left out)" if left_out else ""),
        float(means[slow] - means[fast]),
        p_value=_equal_means_p(means, covariance, df),
        null="all groups wait alike",
        n=kept.height,
        unit="questions",
    )


def _equal_means_p(means: Floats, covariance: Floats, df: float) -> float:
    """Wald test that all means are equal, as Hotelling's F; 1 where too few askers are left to tell."""
    contrasts = np.diff(np.eye(len(means)), axis=0)
    gap, k = contrasts @ means, len(means) - 1
    statistic = float(gap @ np.linalg.pinv(contrasts @ covariance @ contrasts.T) @ gap)
    rest = df - k + 1
    return float(stats.f.sf(statistic * rest / (df * k), k, rest)) if rest > 0 else 1.0


def _require_followed(waits: pl.DataFrame, horizon_days: float) -> None:
    """Every group needs an answer, and a question followed for the horizon (or all of them answered)."""
    long_enough = (pl.col("wait_hours") >= horizon_days * 24).any() | pl.col("is_answered").all()
    groups = waits.group_by("_place", maintain_order=True).agg(
        pl.len(), pl.col("is_answered").sum(), (long_enough & pl.col("is_answered").any()).alias("enough")
    )
    if not groups["enough"].all():
        raise NotAnswerableError(
            f"Every period or group needs answers and a question followed for {horizon_days:g} days.",
            got="; ".join(f"{n} questions, {answered} answered" for _, n, answered, _ in groups.iter_rows()) + ".",
            hint="choose an earlier moment or a shorter horizon",
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
    """Change of the mean wait: questions asked from ``split_at`` on minus those asked before.

    Parameters
    ----------
    forum, since, until, kinds
        As in `list_waits`.
    split_at
        The moment that parts the questions.
    horizon_days
        Waits longer than this count as this; both periods must have been followed for so long by somebody.
    level
        Of the interval.

    Returns
    -------
    Estimate
        In hours, negative when answers come sooner. Interval and p-value come from the same t statistic, with askers
        as the units.

    Raises
    ------
    NotAnswerableError
        When a period has no answered question, or was followed for less than the horizon.

    Notes
    -----
    Each question is censored at the export, so that a later period with less time behind it does not look worse
    (or better). When it misleads: a change in what is asked looks like a change in how fast it is answered.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> change = waiting_time_change(load_example(), split_at="2024-01-01")
    >>> change.n, (change.p_value < 0.05) == (change.low > 0 or change.high < 0)
    (1500, True)
    """
    parted = make_window(split_at, None)[0]
    if parted is None:
        raise ParameterError(
            "split_at is the moment that parts the questions.", got="Got None.", hint='split_at="2024-06-01"'
        )
    waits = list_waits(forum, since=since, until=until, kinds=kinds)
    waits = waits.with_columns(_place=(pl.col("asked_at") >= parted).cast(pl.Int64))
    if waits["_place"].n_unique() < 2:
        raise NotAnswerableError("A change needs questions before and after.", got=f"All lie on one side of {parted}.")
    _require_followed(waits, horizon_days)
    means, covariance, df = _clustered(waits, horizon_days * 24)
    error = float(np.sqrt(np.array([-1, 1]) @ covariance @ np.array([-1, 1])))
    value, reach = float(means[1] - means[0]), float(stats.t.ppf(0.5 + level / 2, df)) * error if df > 0 else None
    return Estimate(
        f"change of the mean wait within {horizon_days:g} days, in hours",
        value,
        low=None if reach is None else value - reach,
        high=None if reach is None else value + reach,
        level=level,
        expected=0.0,
        p_value=None if not reach else float(2 * stats.t.sf(abs(value) / error, df)),
        null="same waits",
        n=waits.height,
        unit="questions",
    )
