"""When people of each role are active: busy weeks, working hours, a role that grows.

Nulls within periods that are too long take this for a preference.

A person of role r acts at hour h in proportion to ``beat[r, h]``. Threads are met while they are new: attention fades
with the age of a thread, half of it within `HALF_LIFE_HOURS`. So the chance that somebody of a role responds to a
thread is in proportion to the beat of the role while the thread was new, and the response falls where the beat is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from sna.simulate.design import Design
from sna.types import Floats, Ints

HALF_LIFE_HOURS = 8.0
_HORIZON_HOURS = 96
_SHIFT_HOURS = 8


@dataclass(frozen=True)
class Rhythm:
    """``beat`` by role and hour since the start, and ``ahead``: its mean over the hours ahead, as attention fades."""

    beat: Floats
    ahead: Floats

    def at(self, hours: Floats) -> Floats:
        """Beat of each role at these hours, shape ``(hours, roles)``: who starts threads."""
        return np.asarray(self.beat[:, self._row(hours)].T)

    def while_new(self, hours: Floats) -> Floats:
        """Mean beat of each role while threads started at these hours are new, ``(hours, roles)``: who responds."""
        return np.asarray(self.ahead[:, self._row(hours)].T)

    def draw_times(self, start: Floats, role: Ints, *, rng: np.random.Generator) -> Floats:
        """Hours at which people of these roles respond to threads started at ``start``."""
        first = self._row(start)
        ages = np.arange(_HORIZON_HOURS)
        rate = self.beat[role[:, None], np.minimum(first[:, None] + ages, self.beat.shape[1] - 1)]
        total = np.cumsum(rate * 0.5 ** (ages / HALF_LIFE_HOURS), axis=1)
        hour = (rng.random(len(start))[:, None] * total[:, -1:] >= total).sum(axis=1)
        # A response within the thread's first hour falls between its start and the full hour.
        begin = np.maximum(first + hour, start)
        return np.asarray(begin + rng.random(len(start)) * (first + hour + 1 - begin))

    def _row(self, hours: Floats) -> Ints:
        return np.minimum(hours.astype(np.int64), self.beat.shape[1] - 1)


def make_rhythm(design: Design, *, rng: np.random.Generator) -> Rhythm | None:
    """The rhythm of a design; None when all roles are active alike."""
    if design.role_weeks == 0 and design.role_hours == 0 and design.role_growth == 1:
        return None
    n_hours = int((design.end - design.start).total_seconds() // 3600) + _HORIZON_HOURS + 1
    hours = np.arange(n_hours)
    weeks = rng.normal(0, design.role_weeks, (design.n_roles, n_hours // 168 + 1))
    beat = np.exp(weeks[:, hours // 168] - design.role_weeks**2 / 2)
    starts = np.arange(design.n_roles) * 24 / design.n_roles
    on_shift = (hours[None, :] - starts[:, None]) % 24 < _SHIFT_HOURS
    beat = beat * (1 - design.role_hours + design.role_hours * on_shift * 24 / _SHIFT_HOURS)
    beat[-1] *= design.role_growth ** (hours / n_hours - 0.5)
    fade = 0.5 ** (1 / HALF_LIFE_HOURS)
    ahead = lfilter([1 - fade], [1, -fade], beat[:, ::-1], axis=1)[:, ::-1]
    return Rhythm(beat, np.ascontiguousarray(ahead))
