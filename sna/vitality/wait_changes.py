"""Do people wait longer than others, or than before? One test per sentence, with askers as the units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from scipy import stats

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.results import Estimate, Frozen, format_count, format_day, format_duration
from sna.stats.waits import kaplan_meier, survival_quantile
from sna.talk.windows import make_window
from sna.types import Floats, Moment
from sna.vitality.waits import HORIZON_DAYS, clustered_waits, group_waits, list_waits

LEAST_ASKERS = 5
"""Askers a group needs to be compared: with fewer, its spread cannot be told from its questions."""


def compare_waits(
    forum: Forum,
    *,
    to: str = "answer",
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
    forum, to, since, until, kinds
        As in `list_waits`.
    by, every
        As in `time_to_answer`. Groups with fewer than five askers, without an answer, or without a question that was
        followed for the horizon are left out, and the measure says how many.
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
        With fewer than two groups that can be compared.

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
    914
    """
    waits = group_waits(forum, list_waits(forum, to=to, since=since, until=until, kinds=kinds), by=by, every=every)
    enough = pl.coalesce("asker_id", "thread_id").n_unique() >= LEAST_ASKERS
    kept = waits.filter((enough & _is_followed(horizon_days)).over("group"))
    names = kept["group"].unique().sort()
    if len(names) < 2:
        raise NotAnswerableError(
            f"Comparing waits needs two groups of at least {LEAST_ASKERS} askers, each with an answer and a question "
            f"followed for {horizon_days:g} days.",
            got=f"Got {waits['group'].n_unique()} groups, {len(names)} of them so.",
        )
    kept = kept.with_columns(_place=(pl.col("group").rank("dense") - 1).cast(pl.Int64))
    means, covariance, df = clustered_waits(kept, horizon_days * 24)
    slow, fast = int(means.argmax()), int(means.argmin())
    left_out = waits["group"].n_unique() - len(names)
    what = f"mean wait within {horizon_days:g} days by {by or every}, in hours: {names[slow]} minus {names[fast]}"
    return Estimate(
        what + (f" ({format_count(left_out, 'group')} with too few askers or answers left out)" if left_out else ""),
        float(means[slow] - means[fast]),
        p_value=_equal_means_p(means, covariance, df),
        null="all groups wait alike",
        n=kept.height,
        unit=_unit(kept),
    )


def _equal_means_p(means: Floats, covariance: Floats, df: float) -> float:
    """Wald test that all means are equal, as Hotelling's F; 1 where too few askers are left to tell."""
    contrasts = np.diff(np.eye(len(means)), axis=0)
    gap, k = contrasts @ means, len(means) - 1
    statistic = float(gap @ np.linalg.pinv(contrasts @ covariance @ contrasts.T) @ gap)
    rest = df - k + 1
    return float(stats.f.sf(statistic * rest / (df * k), k, rest)) if rest > 0 else 1.0


def _is_followed(horizon_days: float) -> pl.Expr:
    """An answer, and a question followed for the horizon (or all of them answered)."""
    long_enough = (pl.col("wait_hours") >= horizon_days * 24).any() | pl.col("is_answered").all()
    return long_enough & pl.col("is_answered").any()


def _require_followed(waits: pl.DataFrame, horizon_days: float) -> None:
    groups = waits.group_by("_place", maintain_order=True).agg(
        pl.len(), pl.col("is_answered").sum(), _is_followed(horizon_days).alias("enough")
    )
    if not groups["enough"].all():
        raise NotAnswerableError(
            f"Both periods need answers and a question followed for {horizon_days:g} days.",
            got="; ".join(f"{n} questions, {answered} answered" for _, n, answered, _ in groups.iter_rows()) + ".",
            hint="choose an earlier moment or a shorter horizon",
        )


def waiting_time_change(
    forum: Forum,
    *,
    to: str = "answer",
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
    forum, to, since, until, kinds
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
    (914, True)
    """
    waits, _ = _parted(forum, split_at, to=to, since=since, until=until, kinds=kinds)
    return _change(waits, horizon_days, level)


def _parted(
    forum: Forum, split_at: Moment, *, to: str, since: Moment, until: Moment, kinds: Sequence[str]
) -> tuple[pl.DataFrame, datetime]:
    """Waits with ``_place``: 0 asked before the moment, 1 from it on."""
    parted = make_window(split_at, None)[0]
    if parted is None:
        raise ParameterError(
            "split_at is the moment that parts the questions.", got="Got None.", hint='split_at="2024-06-01"'
        )
    waits = list_waits(forum, to=to, since=since, until=until, kinds=kinds)
    waits = waits.with_columns(_place=(pl.col("asked_at") >= parted).cast(pl.Int64))
    if waits["_place"].n_unique() < 2:
        raise NotAnswerableError("A change needs questions before and after.", got=f"All lie on one side of {parted}.")
    return waits, parted


def _change(waits: pl.DataFrame, horizon_days: float, level: float) -> Estimate:
    _require_followed(waits, horizon_days)
    means, covariance, df = clustered_waits(waits, horizon_days * 24)
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
        unit=_unit(waits),
    )


def _unit(waits: pl.DataFrame) -> str:
    """What the rows may be called: threads, where the source says nothing of questions."""
    return "threads" if (waits["basis"] == "thread").any() else "questions"


@dataclass(frozen=True)
class WaitsInPeriod:
    """Waits of one period: half wait no longer than the median; unanswered means not within the horizon."""

    n: int
    median_hours: float | None
    unanswered_share: float
    mean_hours: float


@dataclass(frozen=True, repr=False)
class WaitsNow(Frozen):
    """How long people wait since a date and before it, side by side, with one test.

    Attributes
    ----------
    to
        "answer" or "solution".
    split_at
        The moment that parts the questions.
    before, now
        Median, share without an answer within the horizon, and mean wait of each period (Kaplan-Meier).
    change
        Change of the mean wait: the only quantity that is tested; its p-value decides the sentence.
    horizon_days, unit
        Longest wait counted, and what the rows may be called: "questions" or "threads".
    """

    to: str
    split_at: datetime
    before: WaitsInPeriod
    now: WaitsInPeriod
    change: Estimate
    horizon_days: float
    unit: str

    def sentence(self) -> str:
        """Slower, faster or no change that can be shown; then the three numbers now and before."""
        since, p = format_day(self.split_at), self.change.p_value
        if p is None or p >= 1 - self.change.level:
            verdict = f"Since {since} no change of waiting can be shown"
        else:
            verdict = f"{'Slower' if self.change.value > 0 else 'Faster'} on average since {since}"
        return f"{verdict}: {self._median()}; {self._without()}; {self._mean()}."

    def _median(self) -> str:
        if self.now.median_hours is None:
            return f"fewer than half of the {self.unit} are {_DONE[self.to]} so far"
        words = f"half of the {self.unit} now wait {format_duration(self.now.median_hours)} or longer"
        if self.before.median_hours is None:
            return f"{words}; before, fewer than half were {_DONE[self.to]}"
        same = format_duration(self.before.median_hours) == format_duration(self.now.median_hours)
        return f"{words}, {'as before' if same else f'before {format_duration(self.before.median_hours)}'}"

    def _without(self) -> str:
        days = f"{self.horizon_days:g} days"
        return (
            f"{self.now.unanswered_share:.0%} are not {_DONE[self.to]} within {days}, "
            f"before {self.before.unanswered_share:.0%}"
        )

    def _mean(self) -> str:
        low, high = self.change.low, self.change.high
        sure = f"{self.change.level:.0%} interval"
        ends = "" if low is None or high is None else f" (difference {low:+.1f} to {high:+.1f} hours, {sure})"
        return (
            f"the mean wait, {self.horizon_days:g} days at most, is {self.now.mean_hours:.1f} hours, "
            f"before {self.before.mean_hours:.1f}{ends}"
        )


_DONE = {"answer": "answered", "solution": "known to be solved"}


def waits_now(
    forum: Forum,
    *,
    split_at: Moment,
    to: str = "answer",
    since: Moment = None,
    until: Moment = None,
    kinds: Sequence[str] = ("answer", "reply"),
    horizon_days: float = HORIZON_DAYS,
    level: float = 0.95,
) -> WaitsNow:
    """How long do people wait since a date, and before it: median, share without an answer and mean, side by side.

    Parameters
    ----------
    forum, split_at, to, since, until, kinds, horizon_days, level
        As in `waiting_time_change`.

    Returns
    -------
    WaitsNow
        Its `sentence` is ready for a report: "slower" or "faster" only where the mean wait changed beyond chance.

    Raises
    ------
    NotAnswerableError
        As `waiting_time_change`.

    Notes
    -----
    One test, of the mean wait; median and share are shown beside it because a mean can grow through longer waits or
    through more questions that nobody answers. When it misleads: a date chosen because it looks like a change.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> now = waits_now(load_example(), split_at="2024-01-01")
    >>> round(now.change.value - (now.now.mean_hours - now.before.mean_hours), 9), now.unit
    (0.0, 'questions')
    """
    waits, parted = _parted(forum, split_at, to=to, since=since, until=until, kinds=kinds)
    change = _change(waits, horizon_days, level)
    means, _, _ = clustered_waits(waits, horizon_days * 24)
    before, now = (_period(waits.filter(_place=k), float(means[k]), horizon_days * 24) for k in (0, 1))
    return WaitsNow(to, parted, before, now, change, horizon_days, _unit(waits))


def _period(waits: pl.DataFrame, mean: float, horizon: float) -> WaitsInPeriod:
    curve = kaplan_meier(waits["wait_hours"].to_numpy(), waits["is_answered"].to_numpy())
    within = curve.filter(pl.col("time") <= horizon)
    waiting = 1.0 if within.is_empty() else float(within["waiting_share"][-1])
    return WaitsInPeriod(waits.height, survival_quantile(curve)[0], waiting, mean)
