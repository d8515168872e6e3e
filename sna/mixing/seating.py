"""Preference for one's own group, given who was around: the estimand of the claims about talk across groups.

In a stratum (a space in a period) people with given numbers of joinings sit in threads of given sizes. If joining a
thread begun by one's own group has ``exp(delta)`` times the odds of joining another one that is as much at hand, then,
given these margins, a seating has a chance in proportion to ``exp(delta * pairs of the same group)``: the
thread-participation null, tilted. ``delta`` is therefore what does not depend on how large the groups are, how active,
or in which spaces. It is estimated by setting the expected number of pairs of the same group equal to the observed one.

The expected table of a stratum has the margins and the odds of the model: ``u_a v_b exp(delta [a = b])``, found by
iterative proportional fitting (Deming and Stephan 1940), less what nobody can do: join a thread of one's own. The
error comes from the scores of whole threads, whatever makes the joinings of one thread alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from sna.mixing.pairs import Pairs, cross_share
from sna.results import Estimate
from sna.types import Floats, Ints

_FITS = 60
_CLOSE = 1e-9
_NEWTON_STEPS = 25
# Beyond exp(6) = 400 times the odds a preference is as good as complete.
_STRONGEST = 6.0


@dataclass(frozen=True)
class Margins:
    """What is held in each stratum, arrays ``(strata, k)``, and how many pairs are of the same and of known groups.

    ``joined`` counts participants by their group, ``asked`` seats by the group of who began the thread, ``own`` the
    pairs of a joining and a seat that belong to one person; ``on`` is 1 for known groups, shape ``(k,)``.
    """

    joined: Floats
    asked: Floats
    own: Floats
    on: Floats
    same: float
    known: float


@dataclass(frozen=True)
class Preference:
    """A fitted ``delta`` with its standard error and degrees of freedom; NaN where nobody had a choice."""

    delta: float
    error: float
    freedom: float


@dataclass(frozen=True)
class Scores:
    """What each thread says about preference at a fitted ``delta``, shape ``(threads,)``.

    ``score`` is its pairs of the same group beyond what is expected of these people in these seats; ``square`` its
    contribution to the variance of the sum; ``weight`` the information it carries: ``score.sum() / weight.sum()`` is
    the step by which threads would move ``delta``.
    """

    score: Floats
    square: Floats
    weight: Floats


def hold_margins(pairs: Pairs) -> Margins:
    """The margins of pairs in their strata."""
    k, missing, strata = len(pairs.groups), pairs.missing, pairs.stratum
    shape = (int(strata.max(initial=-1)) + 1, k)
    cell, seat = strata * k + pairs.source_group, strata * k + pairs.target_group
    known = (pairs.source_group != missing) & (pairs.target_group != missing)
    return Margins(
        joined=_tally(cell, shape),
        asked=_tally(seat, shape),
        own=_own_seats(pairs, shape),
        on=(np.arange(k) != missing).astype(np.float64),
        same=float((known & (pairs.source_group == pairs.target_group)).sum()),
        known=float(known.sum()),
    )


def _tally(codes: Ints, shape: tuple[int, int]) -> Floats:
    return np.bincount(codes, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)


def _own_seats(pairs: Pairs, shape: tuple[int, int]) -> Floats:
    """Sum over people, in a group and stratum, of their joinings times the seats in their own threads."""
    n_people = max(len(pairs.people), 1)
    joined = (pairs.stratum * shape[1] + pairs.source_group) * n_people + pairs.source
    asked = (pairs.stratum * shape[1] + pairs.target_group) * n_people + pairs.target
    joiners, times = np.unique(joined, return_counts=True)
    askers, seats = np.unique(asked, return_counts=True)
    both, first, second = np.intersect1d(joiners, askers, assume_unique=True, return_indices=True)
    own = np.bincount(both // n_people, times[first] * seats[second], minlength=shape[0] * shape[1])
    return own.reshape(shape).astype(np.float64)


def expected_same_share(margins: Margins, delta: float = 0.0) -> float:
    """Expected share of pairs of the same group among pairs of known groups; NaN without any."""
    same, known = _expected_tables(margins, delta)
    joined, cells = np.maximum(margins.joined, 1.0), np.maximum(margins.joined * margins.asked, 1.0)
    # Seats people would take in their own threads go to the other seats of the stratum.
    barred = margins.own * same / cells
    n_same = float(((same - barred * (1 - same / joined)) * margins.on).sum())
    n_known = float(((known - barred * (1 - known / joined)) * margins.on).sum())
    return n_same / n_known if n_known > 0 else float("nan")


def _expected_tables(margins: Margins, delta: float) -> tuple[Floats, Floats]:
    """Expected pairs of each joining group with its own group, and with any known group; ``(strata, k)``."""
    odds = np.expm1(delta) * margins.on
    row, column = margins.joined, margins.asked / np.maximum(margins.joined.sum(axis=1, keepdims=True), 1.0)
    for _ in range(_FITS):
        below = column.sum(axis=1, keepdims=True) + odds * column
        row = np.divide(margins.joined, below, out=np.zeros_like(row), where=below > 0)
        beside = row.sum(axis=1, keepdims=True) + odds * row
        new = np.divide(margins.asked, beside, out=np.zeros_like(column), where=beside > 0)
        moved, column = float(np.abs(new - column).max(initial=0.0)), new
        if moved < _CLOSE:
            break
    reached = (column * margins.on).sum(axis=1, keepdims=True)
    return row * column * (1 + odds), row * (reached + odds * column) * margins.on


def fit_preference(margins: Margins, *, shift: float = 0.0) -> tuple[float, float]:
    """``delta``, the log-odds preference for one's own group, and the information about it.

    ``shift`` is added to the expected share, where draws tell it more exactly than the closed form. One pair at the
    expected share is added to the observed ones, so that a forum without any pair of the same group has a finite value.
    """
    expected = expected_same_share(margins) + shift
    if np.isnan(expected):
        return float("nan"), 0.0
    delta, slope, target = 0.0, 0.0, (margins.same + expected) / (margins.known + 1)
    for _ in range(_NEWTON_STEPS):
        value = expected_same_share(margins, delta) + shift
        slope = (expected_same_share(margins, delta + 1e-4) + shift - value) / 1e-4
        step = float(np.clip((target - value) / slope, -1.0, 1.0)) if slope > 1e-12 else 0.0
        moved = float(np.clip(delta + step, -_STRONGEST, _STRONGEST)) - delta
        delta += moved
        if abs(moved) < 1e-7:
            break
    return delta, slope * margins.known


def score_threads(pairs: Pairs, margins: Margins, *, delta: float) -> Scores:
    """Scores of all threads at ``delta``; those of a stratum add up to its pairs of the same group less the expected.

    A pair scores 1 or 0 for the same group, less the means of its joiner's and of its seat's group, plus that of the
    stratum. Within a stratum of n pairs, the n_t of a thread leave each other only the other seats: their squared sum
    counts n / (n - n_t) times (exact for a random permutation).
    """
    same, _ = _expected_tables(margins, delta)
    size = margins.joined.sum(axis=1)
    where, on = pairs.stratum, (pairs.source_group != pairs.missing) & (pairs.target_group != pairs.missing)
    of_joiner = (same / np.maximum(margins.joined, 1.0))[where, pairs.source_group]
    of_seat = (same / np.maximum(margins.asked, 1.0))[where, pairs.target_group]
    middle = (same.sum(axis=1) / np.maximum(size, 1.0))[where]
    is_same = (pairs.source_group == pairs.target_group).astype(np.float64)
    gap: Floats = (is_same - of_joiner - of_seat + middle) * on
    n_threads = len(pairs.threads)
    sitting, place, n_sitting = np.unique(where * n_threads + pairs.thread, return_inverse=True, return_counts=True)
    others = size[sitting // n_threads] - n_sitting
    sums: Floats = np.bincount(place, gap, minlength=len(sitting)).astype(np.float64)
    scale = np.divide(n_sitting + others, others, out=np.zeros(len(sitting)), where=others > 0)
    thread = sitting % n_threads

    def per_thread(codes: Ints, values: Floats) -> Floats:
        return np.bincount(codes, values, minlength=n_threads).astype(np.float64)

    return Scores(
        score=per_thread(thread, sums),
        square=per_thread(thread, np.square(sums) * scale),
        weight=per_thread(pairs.thread, np.square(gap)),
    )


def estimate_preference(pairs: Pairs, *, shift: float = 0.0) -> Preference:
    """The preference in these pairs, with the error that the scores of their threads give."""
    margins = hold_margins(pairs)
    delta, information = fit_preference(margins, shift=shift)
    if information <= 0:
        return Preference(float("nan"), float("nan"), float("nan"))
    square = score_threads(pairs, margins, delta=delta).square
    total = float(square.sum())
    freedom = total**2 / float((square**2).sum()) if total > 0 else 1.0
    return Preference(delta, float(np.sqrt(total)) / information, freedom)


def place_preference(pairs: Pairs, counts: Floats) -> Preference:
    """As `estimate_preference`, with the zero where draws without preference have it.

    ``counts`` are mixing counts of draws, ``(draws, k, k)``. The closed form leaves out that nobody joins a thread
    twice, which matters where a few people join nearly every thread.
    """
    closed = expected_same_share(hold_margins(pairs))
    drawn = 1 - cross_share(counts, missing=pairs.missing)
    return estimate_preference(pairs, shift=float(drawn[~np.isnan(drawn)].mean()) - closed if len(drawn) else 0.0)


def subtract(later: Preference, earlier: Preference) -> Preference:
    """The difference of two independent preferences, with Welch's degrees of freedom.

    Examples
    --------
    >>> gap = subtract(Preference(2.0, 3.0, 9.0), Preference(1.0, 4.0, 9.0))
    >>> gap.delta, gap.error
    (1.0, 5.0)
    """
    squares = np.array([later.error**2, earlier.error**2])
    spread = float((squares**2 / np.array([later.freedom, earlier.freedom])).sum())
    freedom = float(squares.sum()) ** 2 / spread if spread > 0 else later.freedom + earlier.freedom
    return Preference(later.delta - earlier.delta, float(np.sqrt(squares.sum())), freedom)


def t_estimate(
    measure: str, found: Preference, *, level: float, null: str, n: int, draws: int | None = None
) -> Estimate:
    """The preference for other groups (``-delta``) with interval and p of one t statistic against zero."""
    low = high = p_value = None
    if np.isfinite(found.delta) and np.isfinite(found.error):
        reach = float(stats.t.ppf(0.5 + level / 2, found.freedom)) * found.error
        low, high = -found.delta - reach, -found.delta + reach
        scaled = abs(found.delta) / found.error if found.error > 0 else (np.inf if found.delta else 0.0)
        p_value = max(float(2 * stats.t.sf(scaled, found.freedom)), float(np.finfo(np.float64).tiny))
    return Estimate(
        measure,
        -found.delta,
        low=low,
        high=high,
        level=level,
        expected=0.0,
        p_value=p_value,
        null=null,
        n=n,
        unit="threads",
        draws=draws,
    )
