"""Time in a synthetic forum: office hours, novelty, campaigns, and the calendar months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from sna.simulate.design import Campaign, Design
from sna.types import Floats

_SPARE_WEEKS = 30
_NIGHT = 0.04
_WORKDAY = np.array([0.2, 0.8, 1.2, 1.3, 1.1, 0.6, 1.0, 1.2, 1.1, 0.9, 0.6, 0.3])


@dataclass(frozen=True)
class Clock:
    """Two warped clocks over hours since the start: ``work`` (people at their desks) and ``arrival`` (threads).

    Cumulative intensities at ``hours``; a waiting time is drawn in working hours and mapped back to the wall clock.
    """

    hours: Floats
    work: Floats
    arrival: Floats
    n_hours: float

    def draw_arrivals(self, n: int, *, rng: np.random.Generator) -> Floats:
        """Sorted arrival times of ``n`` threads, in hours since the start."""
        total = np.interp(self.n_hours, self.hours, self.arrival)
        return np.sort(np.interp(rng.random(n) * total, self.arrival, self.hours))

    def after(self, begin: Floats, delay: Floats) -> Floats:
        """The wall-clock hour at which ``delay`` working hours have passed since ``begin``."""
        return np.interp(np.interp(begin, self.hours, self.work) + delay, self.work, self.hours)


def make_clock(design: Design) -> Clock:
    """Build the clocks of a design; working hours are scaled so that a week has 168 of them."""
    hours = np.arange((design.n_weeks + _SPARE_WEEKS) * 168 + 1, dtype=float)
    rate = _office_rate(design, hours[:-1])
    weeks = hours[:-1] / 168
    trend = design.novelty_floor + (1 - design.novelty_floor) * np.exp(-weeks / design.novelty_weeks)
    for campaign in design.campaigns:
        trend = trend * _pulse(campaign, weeks)
    n_hours = (design.end - design.start).total_seconds() / 3600
    return Clock(hours, _cumulate(rate), _cumulate(rate * trend), n_hours)


def _cumulate(rate: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(rate)])


def _office_rate(design: Design, hours: Floats) -> Floats:
    if not design.office_hours:
        return np.ones_like(hours)
    first = design.start.weekday() * 24 + design.start.hour
    week = np.full(168, _NIGHT)
    for day in range(5):
        week[day * 24 + 7 : day * 24 + 19] = _WORKDAY
    return (week / week.mean())[(first + hours.astype(np.int64)) % 168]


def _pulse(campaign: Campaign, weeks: Floats) -> Floats:
    end = campaign.start_week + campaign.n_weeks
    during = (weeks >= campaign.start_week) & (weeks < end)
    fade = np.where(weeks >= end, np.exp(-np.maximum(weeks - end, 0) / max(campaign.fade_weeks, 1e-9)), 0.0)
    return 1 + (campaign.lift - 1) * np.where(during, 1.0, fade)


def list_months(design: Design) -> list[datetime]:
    """The start, and the first of every month up to the end."""
    months = [design.start]
    while True:
        following = (months[-1].replace(day=1) + timedelta(days=32)).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        if following >= design.end:
            return months
        months.append(following)


def month_hours(design: Design) -> Floats:
    """Starts of the months in hours since the start."""
    return np.array([(month - design.start).total_seconds() / 3600 for month in list_months(design)])


def to_times(design: Design, hours: Floats) -> NDArray[np.datetime64]:
    """Hours since the start as timestamps, not-a-number as not-a-time.

    Whole seconds: finer ones would depend on how a processor rounds.
    """
    start = np.datetime64(design.start.replace(tzinfo=None), "us")
    whole = np.where(np.isnan(hours), 0, np.floor(hours * 3600)).astype(np.int64).astype("timedelta64[s]")
    return np.where(np.isnan(hours), np.datetime64("NaT"), start + whole)
