"""Has activity changed: gradually, at once, or not beyond season and chance? Dated, and ending with today."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.results import Estimate, Frozen, format_day, format_number
from sna.stats.series import LEAST_SEGMENT, LevelChange, fit_level_change, make_yardstick
from sna.types import Floats, Moment
from sna.vitality.momentum import weekly_momentum

MEASURES = {"n_active": "people writing", "n_posts": "posts", "n_new": "new people"}
MOST_WEEKS = 156
"""A change longer ago than three years is history; the forum has been another one since."""
_NOW_WEEKS = 13
"""Weeks of "now": a quarter of a year, compared with the same weeks of an earlier year, so of the same season."""
_LEAST_MEAN = 2.0
"""Per week: below this, single people make the series and its logarithm misleads."""


@dataclass(frozen=True, repr=False)
class Momentum(Frozen):
    """What activity is now, what it was, and how it changed.

    Attributes
    ----------
    measure
        "n_active", "n_posts" or "n_new".
    shape
        "none", "trend" (gradual), "step" (at once), or "unclear": a change that may have been either.
    change
        The estimate: a ratio per year, or for a step the ratio of after to before; 1 is no change.
    now_per_week, until
        Mean of the last 13 complete weeks, and the moment the last of them ended (a Monday).
    before_per_week, years_before
        Mean of the same 13 weeks one or two years earlier, and how many; None where the window is shorter.
    step_at, step_from, step_to
        The Monday at which a step was, and the interval for it; None without a step.
    n_weeks
        Complete weeks looked at, at most 156. With fewer than 52 the season cannot be told from a change.
    """

    measure: str
    shape: str
    change: Estimate
    now_per_week: float
    until: datetime
    before_per_week: float | None
    years_before: int | None
    step_at: datetime | None
    step_from: datetime | None
    step_to: datetime | None
    n_weeks: int

    def sentence(self) -> str:
        """Today's number against the same weeks of an earlier year, then what kind of change that is."""
        what = MEASURES[self.measure]
        now = f"Now {format_number(self.now_per_week)} {what} a week (mean of the 13 weeks to {self._last_day()})"
        return f"{now}{self._since() if self.shape != 'none' else ''}. {self.change_sentence()}"

    def change_sentence(self) -> str:
        """What kind of change there was in the weeks looked at, or that none can be told from season and chance."""
        what = f"the number of {MEASURES[self.measure]} a week"
        weeks = f"Over the {self.n_weeks} weeks to {self._last_day()}"
        if self.shape == "none":
            return f"{weeks} {what} shows no lasting change beyond season and chance."
        season = "" if self.n_weeks >= 52 else " Less than a year is known: this may be the season."
        return f"{weeks} {what} {self._how()}{season}"

    def _last_day(self) -> str:
        return format_day(self.until - timedelta(days=1))

    def _since(self) -> str:
        if self.years_before is None or not self.before_per_week:
            return ""
        ratio = self.now_per_week / self.before_per_week
        before = f"{format_number(self.before_per_week)} {_YEARS[self.years_before]} ago"
        if round(abs(ratio - 1), 2) == 0:
            return f", as many as the {before}"
        return f", {abs(ratio - 1):.0%} {'more' if ratio > 1 else 'fewer'} than the {before}"

    def _how(self) -> str:
        value, low, high = (self.change.value, self.change.low or 0.0, self.change.high or math.inf)
        verb, sure = "rose" if value > 1 else "fell", f"{self.change.level:.0%} interval"
        if self.step_at and self.step_from and self.step_to:
            size = f"{value:.2f} times the level before ({sure} {low:.2f} to {high:.2f})"
            dates = f"{format_day(self.step_from)} to {format_day(self.step_to)}"
            return f"{verb} at once, to {size}, in the week of {format_day(self.step_at)} ({sure} {dates})."
        ends = sorted((abs(low - 1), abs(high - 1)))
        rate = f"by {abs(value - 1):.0%} a year on average ({sure} {ends[0]:.0%} to {ends[1]:.0%})"
        if self.shape == "trend":
            return f"{verb} gradually, {rate}."
        return f"{verb} {rate}; whether gradually or at once cannot be told."


_YEARS = {1: "a year", 2: "two years"}


def read_series(forum: Forum, *, measure: str, since: Moment, until: Moment) -> tuple[list[datetime], Floats]:
    """Complete weeks, and the measure in them.

    Raises
    ------
    NotAnswerableError
        With fewer than 16 complete weeks.
    """
    if measure not in MEASURES:
        raise ParameterError(f"measure is one of {', '.join(MEASURES)}.", got=f"Got {measure!r}.")
    table = weekly_momentum(forum, since=since, until=until).filter("is_complete")
    if table.height < 2 * LEAST_SEGMENT:
        raise NotAnswerableError(
            f"A change over time needs at least {2 * LEAST_SEGMENT} complete weeks.", got=f"Got {table.height}."
        )
    return table["week"].to_list(), table[measure].to_numpy().astype(np.float64)


def momentum_change(
    forum: Forum,
    *,
    measure: str = "n_active",
    since: Moment = None,
    until: Moment = None,
    draws: int = 299,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> Estimate:
    """By how much did weekly activity change, season and chance allowed for? See `momentum_now` for the whole sentence.

    Parameters
    ----------
    forum, measure, since, until, draws, level, rng
        As in `momentum_now`.

    Returns
    -------
    Estimate
        A ratio: per year for a gradual change and where none is found, after to before for a step; the measure says
        which, and names the week of a step. 1 is no change. Interval and p-value come from one procedure.

    Raises
    ------
    NotAnswerableError
        With fewer than 16 complete weeks, or fewer than two people (posts, ...) a week.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> change = momentum_change(load_example(), measure="n_posts", draws=99, rng=0)
    >>> change.n, (change.p_value < 0.05) == (change.low > 1 or change.high < 1)
    (77, True)
    """
    return momentum_now(forum, measure=measure, since=since, until=until, draws=draws, level=level, rng=rng).change


def momentum_now(
    forum: Forum,
    *,
    measure: str = "n_active",
    since: Moment = None,
    until: Moment = None,
    draws: int = 299,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> Momentum:
    """What is activity now, and how has it changed: gradually, at once, or not beyond season and chance?

    Parameters
    ----------
    forum
        Complete weeks only; of them the last 156.
    measure
        "n_active" (people writing), "n_posts" or "n_new".
    since, until
        Weeks that begin in this window.
    draws
        Simulated series for each of 13 kinds of error.
    level, rng
        Of the intervals; the source of chance.

    Returns
    -------
    Momentum
        Its `sentence` is ready for a report and says nothing of a change where none is found.

    Raises
    ------
    NotAnswerableError
        With fewer than 16 complete weeks, or fewer than two people (posts, ...) a week.

    Notes
    -----
    Logarithms of weekly counts, see `sna.stats.series`: a line and a step at every week, beside a season of one or two
    waves a year and errors that remember the weeks before. False alarms at 5 % on 52 to 156 weeks: 2 to 6 %
    for flat, seasonal and autocorrelated series (memory up to 0.6 from week to week), 5 to 9 % at 0.8
    (docs/calibration.md). One year of data shows little: a step to half is found in 6 of 10 series.

    When it misleads: strong memory; several changes in different directions; a change that is just large enough to
    be found looks larger than it is; less than a year, where the season looks like a change (the sentence says so);
    holidays that move.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> now = momentum_now(load_example(), draws=99, rng=0)
    >>> now.until.date().isoformat(), now.n_weeks, round(now.now_per_week, 1)
    ('2024-12-23', 77, 39.0)
    """
    generator = np.random.default_rng(rng)
    weeks, values = read_series(forum, measure=measure, since=since, until=until)
    weeks, values = weeks[-MOST_WEEKS:], values[-MOST_WEEKS:]
    if values.mean() < _LEAST_MEAN:
        raise NotAnswerableError(
            f"A change needs at least {_LEAST_MEAN:g} {MEASURES[measure]} a week.", got=f"Got {values.mean():.1f}."
        )
    first_week = weeks[0].timetuple().tm_yday / 7
    yardstick = make_yardstick(len(values), first_week=first_week, draws=draws, rng=generator)
    found = fit_level_change(np.log(values + 0.5), yardstick, level=level, rng=generator)
    years = 2 if len(values) >= 2 * 52 + _NOW_WEEKS else 1 if len(values) >= 52 + _NOW_WEEKS else None
    same_weeks = None if years is None else values[-52 * years - _NOW_WEEKS :][:_NOW_WEEKS]
    step_at, step_from, step_to = (None if k is None else weeks[k] for k in (found.at, found.at_low, found.at_high))
    return Momentum(
        measure=measure,
        shape=found.shape,
        change=_as_estimate(found, MEASURES[measure], weeks, level=level, draws=draws),
        now_per_week=float(values[-_NOW_WEEKS:].mean()),
        until=weeks[-1] + timedelta(days=7),
        before_per_week=None if same_weeks is None else float(same_weeks.mean()),
        years_before=years,
        step_at=step_at,
        step_from=step_from,
        step_to=step_to,
        n_weeks=len(values),
    )


def _as_estimate(found: LevelChange, what: str, weeks: list[datetime], *, level: float, draws: int) -> Estimate:
    """The change as a ratio."""
    kind = "per year, as a ratio" if found.at is None else f"from {weeks[found.at]:%Y-%m-%d} on, relative to before"
    value, low, high = (math.exp(x) for x in (found.effect, found.low, found.high))
    return Estimate(
        f"{what} per week {kind}",
        value,
        low=low,
        high=high,
        level=level,
        expected=1.0,
        p_value=found.p_value,
        null="level, season and errors with a memory",
        n=len(weeks),
        unit="weeks",
        draws=draws,
    )
