"""Who starts threads and who responds: month by month, by competing clocks.

Person i responds to thread t with odds w(i, t) = presence x affinity to the space x competence x theta x
exp(delta [same role] + eta |level gap| + ...) x g(t), independently of everybody else. Given how many respond to each
thread and how often each person responds within a space and month, every arrangement without a person twice in a
thread (or answering himself) then has the same probability when delta = eta = 0: the thread-participation null is
exactly right, not only on average.

Drawn by thinning: a Poisson number of points with rate log(1 + w), at least one of which means a response, because
1 - exp(-log(1 + w)) = w / (1 + w).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sna.simulate.clock import Clock, month_hours
from sna.simulate.design import Design, logit
from sna.simulate.org import Staff
from sna.simulate.rhythm import Rhythm, make_rhythm
from sna.types import Bools, Floats, Ints

_DELAY_SPREAD = 1.3
_GRID = 256


@dataclass(frozen=True)
class Talk:
    """Threads (row = thread, in order of start) and responses (sorted by thread, then time).

    ``after`` and ``delay`` of a response are the wall-clock hour and the working hours it took; ``expected`` is the
    expected number of responses per person at theta = 1 without preferences; ``engaged`` has a column per month.
    """

    start: Floats
    month: Ints
    asker: Ints
    space: Ints
    is_question: Bools
    is_social: Bools
    thread: Ints
    person: Ints
    at: Floats
    expected: Floats
    engaged: Bools


@dataclass(frozen=True)
class World:
    """Everything drawn before the first post is written."""

    design: Design
    clock: Clock
    staff: Staff
    talk: Talk


def make_talk(design: Design, staff: Staff, *, clock: Clock, rng: np.random.Generator) -> Talk:
    """Draw all threads and first responses."""
    start = clock.draw_arrivals(design.n_threads, rng=rng)
    months = month_hours(design)
    month = np.searchsorted(months, start, side="right") - 1
    question = rng.random(design.n_threads) < design.question_share
    social = ~question & (rng.random(design.n_threads) < design.social_share)
    spread = design.interest_spread
    interest = np.exp(rng.normal(0, spread, design.n_threads) - spread**2 / 2)
    interest = interest * _growth(design, start, clock.n_hours)
    rhythm = make_rhythm(design, rng=rng)
    drift = _drift(design, len(months), rng=rng)
    pull = design.replies_per_thread * interest
    draft = _Draft(design, staff, month, question, pull, _later(design, months), drift, start, rhythm)
    asker, space, thread, person, expected, engaged = draft.run(len(months), rng=rng)
    hurdle = np.exp(rng.normal(0, 0.5, design.n_threads))
    delay = design.answer_hours * hurdle[thread] * np.exp(rng.normal(0, _DELAY_SPREAD, len(thread)))
    at = clock.after(start[thread], delay)
    if rhythm is not None:
        at = rhythm.draw_times(start[thread], staff.role[person, month[thread]], rng=rng)
    order = np.lexsort((person, at, thread))
    return Talk(
        start, month, asker, space, question, social, thread[order], person[order], at[order], expected, engaged
    )


def change_hour(design: Design) -> float:
    """Hours after the start at which the planted preference changes: the first month after ``changes_at``."""
    planned = design.changes_at * (design.end - design.start).total_seconds() / 3600
    months = month_hours(design)
    return float(months[months >= planned].min(initial=np.inf))


def _later(design: Design, months: Floats) -> Bools:
    return (months >= change_hour(design)) & (design.role_preference_later is not None)


def _growth(design: Design, start: Floats, n_hours: float) -> Floats:
    """Pull of threads by their start, from 1 to ``thread_growth`` times as much, with a mean of about 1."""
    factor = design.thread_growth ** (start / n_hours)
    return factor / (factor.mean() if len(factor) else 1.0)


def _drift(design: Design, months: int, *, rng: np.random.Generator) -> Floats | None:
    """Presence of each person in each month as a multiple of the usual one, a random walk; None: it does not move."""
    if design.presence_drift == 0:
        return None
    return np.exp(np.cumsum(rng.normal(0, design.presence_drift, (design.n_people, months)), axis=1))


@dataclass(frozen=True)
class _Draft:
    design: Design
    staff: Staff
    month: Ints
    question: Bools
    pull: Floats
    later: Bools
    drift: Floats | None = None
    start: Floats | None = None
    rhythm: Rhythm | None = None

    def run(self, n_months: int, *, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints, Floats, Bools]:
        """Month by month: who is engaged, who asks where, who responds, who stays."""
        n = self.design.n_people
        engaged = np.zeros((n, n_months), dtype=bool)
        newcomer = np.ones(n, dtype=bool)
        began, asker, space = np.zeros(n, dtype=bool), np.zeros(len(self.month), int), np.zeros(len(self.month), int)
        expected, responses = np.zeros(n), [np.empty((2, 0), dtype=np.int64)]
        here = np.zeros(n, dtype=bool)
        for month in range(n_months):
            here = self._engage(month, here, began, rng=rng)
            engaged[:, month] = here
            rows = np.flatnonzero(self.month == month)
            asker[rows] = self._askers(here, month, rows, rng=rng)
            space[rows] = _draw_rows(self.staff.affinity[asker[rows]], rng=rng)
            found = self._respond(month, rows, asker[rows], space[rows], here, expected, rng=rng)
            responses.append(found)
            began |= here
            here = self._stay(here, newcomer, asker[rows], rows, found, rng=rng)
            newcomer[asker[rows]] = False
        thread, person = np.concatenate(responses, axis=1)
        return asker, space, thread, person, expected, engaged

    def _engage(self, month: int, stayed: Bools, began: Bools, *, rng: np.random.Generator) -> Bools:
        """Those who stayed, those who start, and those who come back, among people present."""
        present = self.staff.present(month) & ~self.staff.silent
        u = rng.random(len(present))
        comeback = 1 / (1 + np.exp(-logit(self.design.comeback) - self.staff.frailty))
        back = began & ~stayed & (u < comeback) if self.design.retention is not None else began
        return present & (stayed | (~began & (u < self.design.adoption)) | back)

    def _presence(self, month: int) -> Floats:
        return self.staff.presence if self.drift is None else self.staff.presence * self.drift[:, month]

    def _askers(self, here: Bools, month: int, rows: Ints, *, rng: np.random.Generator) -> Ints:
        weight = self._presence(month) * self.staff.asking * np.where(self.staff.loud, self.design.loud_factor, 1)
        able = here if here.any() else self.staff.present(month) & ~self.staff.silent
        if self.rhythm is None or self.start is None:
            return rng.choice(len(here), len(rows), p=weight * able / (weight * able).sum())
        beat = self.rhythm.at(self.start[rows])[:, self.staff.role[:, month]]
        return _draw_rows(beat * (weight * able)[None, :], rng=rng)

    def _stay(
        self, here: Bools, newcomer: Bools, asker: Ints, rows: Ints, found: Ints, *, rng: np.random.Generator
    ) -> Bools:
        """Who is still there next month: helped by answers, and newcomers by a champion's answer."""
        if self.design.retention is None:
            return here
        owner = np.zeros(len(self.month), dtype=np.int64)
        owner[rows] = asker
        n = self.design.n_people
        answered, lifted = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        answered[owner[found[0]]] = True
        lifted[owner[found[0][self.staff.champion[found[1]]]]] = True
        odds = logit(self.design.retention) + self.staff.frailty + self.design.reply_effect * answered
        odds = odds + self.design.catalysis * (lifted & newcomer)
        return here & (rng.random(n) < 1 / (1 + np.exp(-odds)))

    def _respond(
        self,
        month: int,
        rows: Ints,
        asker: Ints,
        space: Ints,
        here: Bools,
        expected: Floats,
        *,
        rng: np.random.Generator,
    ) -> Ints:
        """Responses (thread row, person row) to the threads of one month; adds to ``expected`` in place."""
        staff, found = self.staff, [np.empty((2, 0), dtype=np.int64)]
        group = 2 * space + self.question[rows]
        for key in np.unique(group):
            at, mine = int(key) // 2, group == key
            base = self._presence(month) * staff.affinity[:, at] * staff.competence[:, at]
            g = self.pull[rows[mine]] / (base * ~staff.silent).sum()
            _add_expected(expected, base * here, g, asker[mine])
            loud = 1.0 if key % 2 else np.where(staff.loud, self.design.loud_factor, 1.0)
            weight = base * here * staff.theta * loud
            pairs = self._points(month, weight, g, asker[mine], beat=self._beat(rows[mine]), rng=rng)
            found.append(np.stack([rows[mine][pairs[0]], pairs[1]]))
        return np.concatenate(found, axis=1)

    def _beat(self, rows: Ints) -> Floats | None:
        """How active each role is while each thread is new, ``(threads, roles)``; None: all alike."""
        if self.rhythm is None or self.start is None:
            return None
        return self.rhythm.while_new(self.start[rows])

    def _points(
        self,
        month: int,
        weight: Floats,
        g: Floats,
        asker: Ints,
        *,
        beat: Floats | None = None,
        rng: np.random.Generator,
    ) -> tuple[Ints, Ints]:
        """Thinned Poisson points: distinct pairs (thread, person)."""
        top = np.ones(len(g)) if beat is None else beat.max(axis=1)
        classes, liking = self._liking(month)
        total, most = np.cumsum(weight), float(liking.max())
        thread = np.repeat(np.arange(len(g)), rng.poisson(g * top * total[-1] * most))
        person = np.searchsorted(total, rng.random(len(thread)) * total[-1], side="right")
        person = np.minimum(person, len(weight) - 1)
        odds = weight[person] * g[thread]
        active = odds if beat is None else odds * beat[thread, self.staff.role[person, month]]
        rate = np.log1p(active * liking[classes[asker[thread]], classes[person]])
        with np.errstate(invalid="ignore", divide="ignore"):
            keep = (rng.random(len(thread)) * odds * top[thread] * most < rate) & (person != asker[thread])
        pairs = np.unique(thread[keep] * len(weight) + person[keep])
        return pairs // len(weight), pairs % len(weight)

    def _liking(self, month: int) -> tuple[Ints, Floats]:
        """Class (role and level) of each person, and the multiplier by (asker's class, responder's class)."""
        design, levels = self.design, np.arange(1, 6)
        delta = design.role_preference_later if self.later[month] else design.role_preference
        roles = np.eye(design.n_roles) * (delta or 0.0)
        for (source, target), more in design.pair_preference.items():
            roles[design.roles.index(source), design.roles.index(target)] += more
        gap = levels[:, None] - levels[None, :]
        rungs = design.level_gap * np.abs(gap) + design.upward * np.maximum(gap, 0)
        classes = self.staff.role[:, month] * 5 + self.staff.level - 1
        return classes, np.exp(np.kron(roles, np.ones((5, 5))) + np.kron(np.ones_like(roles), rungs))


def _add_expected(expected: Floats, weight: Floats, g: Floats, asker: Ints) -> None:
    """Add each person's expected responses, sum over threads of others of w g / (1 + w g)."""
    active = np.flatnonzero(weight > 0)
    if not len(active):
        return
    low, high = weight[active].min(), weight[active].max()
    grid = np.geomspace(low, high * (1 + 1e-12), _GRID) if len(active) > _GRID else np.unique(weight[active])
    value = (grid[:, None] * g / (1 + grid[:, None] * g)).sum(axis=1)
    expected[active] += np.interp(weight[active], grid, value)
    own = weight[asker] * g
    np.subtract.at(expected, asker, own / (1 + own))


def _draw_rows(shares: Floats, *, rng: np.random.Generator) -> Ints:
    """One column per row, with the row's shares as chances."""
    if not len(shares):
        return np.empty(0, dtype=np.int64)
    total = np.cumsum(shares, axis=1)
    return (rng.random(len(shares))[:, None] * total[:, -1:] >= total).sum(axis=1)
