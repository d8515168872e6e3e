"""Preference for one's own group, given who was around: the estimand of the claims about talk across groups.

In a stratum (a space in a period) people with given numbers of joinings sit in threads of given sizes. If joining a
thread begun by one's own group has ``exp(delta)`` times the odds of joining another one that is as much at hand, then,
given these margins, a seating has a chance in proportion to ``exp(delta * pairs of the same group)``: the
thread-participation null, tilted. ``delta`` is therefore what does not depend on how large the groups are, how active,
or in which spaces. It is estimated by setting the expected number of pairs of the same group equal to the observed one.

The expected table of a stratum has the margins and the odds of the model: ``u_a v_b exp(delta [a = b])``, found by
iterative proportional fitting (Deming and Stephan 1940), less what nobody can do: join a thread of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats

from sna.mixing.pairs import Pairs
from sna.results import Estimate
from sna.stats.inference import jackknife_groups
from sna.types import Bools, Floats, Ints

_FITS = 60
_CLOSE = 1e-9
_NEWTON_STEPS = 25
# Beyond exp(6) = 400 times the odds a preference is as good as complete.
_STRONGEST = 6.0
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Seating:
    """Joinings as sparse matrices over threads, so that any subset of threads is one matrix product away.

    Attributes
    ----------
    joined, asked
        One row per (stratum, group): participants, and seats by the asker's group; one column per thread.
    own_joined, own_asked
        One row per (stratum, person, group) of people who did both there; ``own_row`` sums them to the rows above.
    same, known
        Pairs of the same known group, and pairs of known groups, per thread.
    known_row
        1 for rows of known groups, 0 for "(missing)".
    groups
        Number of groups.
    """

    joined: sparse.csr_array
    asked: sparse.csr_array
    own_joined: sparse.csr_array
    own_asked: sparse.csr_array
    own_row: sparse.csr_array
    same: Floats
    known: Floats
    known_row: Floats
    groups: int


@dataclass(frozen=True)
class Margins:
    """What is held of each column of thread weights; arrays ``(strata, k, m)``, ``same`` and ``known`` ``(m,)``."""

    joined: Floats
    asked: Floats
    own: Floats
    on: Floats
    same: Floats
    known: Floats


def make_seating(pairs: Pairs) -> Seating:
    """Seating of the pairs in their strata; their threads must be known."""
    k, missing, strata = len(pairs.groups), pairs.missing, pairs.stratum
    n_threads, n_people, rows = len(pairs.threads), len(pairs.people), (int(strata.max()) + 1) * k
    cell, seat = strata * k + pairs.source_group, strata * k + pairs.target_group
    joiner, asker = cell * n_people + pairs.source, seat * n_people + pairs.target
    both = np.intersect1d(joiner, asker)
    known = (pairs.source_group != missing) & (pairs.target_group != missing)
    same = known & (pairs.source_group == pairs.target_group)
    return Seating(
        joined=_tally(cell, pairs.thread, (rows, n_threads)),
        asked=_tally(seat, pairs.thread, (rows, n_threads)),
        own_joined=_tally_known(both, joiner, pairs.thread, n_threads),
        own_asked=_tally_known(both, asker, pairs.thread, n_threads),
        own_row=_tally(both // n_people, np.arange(len(both)), (rows, len(both))),
        same=_per_thread(pairs, same, n_threads),
        known=_per_thread(pairs, known, n_threads),
        known_row=(np.arange(rows) % k != missing).astype(np.float64),
        groups=k,
    )


def _per_thread(pairs: Pairs, counted: Bools, n_threads: int) -> Floats:
    return np.bincount(pairs.thread[counted], minlength=n_threads).astype(np.float64)


def _tally(row: Ints, column: Ints, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(row)), (row, column)), shape=shape).tocsr()


def _tally_known(keys: Ints, codes: Ints, column: Ints, width: int) -> sparse.csr_array:
    if len(keys) == 0:
        return sparse.csr_array((0, width))
    at = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    found = keys[at] == codes
    return _tally(at[found], column[found], (len(keys), width))


def hold_margins(seating: Seating, weights: Floats) -> Margins:
    """Margins of the threads with these weights, one column each, shape ``(threads, m)``."""
    shape = (-1, seating.groups, weights.shape[1])
    own = seating.own_row @ ((seating.own_joined @ weights) * (seating.own_asked @ weights))
    return Margins(
        joined=(seating.joined @ weights).reshape(shape),
        asked=(seating.asked @ weights).reshape(shape),
        own=own.reshape(shape),
        on=seating.known_row.reshape(-1, seating.groups, 1),
        same=seating.same @ weights,
        known=seating.known @ weights,
    )


def expected_same_share(margins: Margins, delta: Floats) -> Floats:
    """Expected share of pairs of the same group among pairs of known groups, for each column and its ``delta``."""
    odds = np.expm1(delta)[None, None, :] * margins.on
    row, column = _fit(margins, odds)
    same = row * column * (1 + odds)
    reached = (column * margins.on).sum(axis=1, keepdims=True)
    known = row * (reached + odds * column) * margins.on
    joined, cells = np.maximum(margins.joined, 1.0), np.maximum(margins.joined * margins.asked, 1.0)
    # Seats people would take in their own threads go to the other seats of the stratum.
    barred = margins.own * same / cells
    same = ((same - barred * (1 - same / joined)) * margins.on).sum(axis=(0, 1))
    known = ((known - barred * (1 - known / joined)) * margins.on).sum(axis=(0, 1))
    return np.divide(same, known, out=np.full(len(delta), np.nan), where=known > 0)


def _fit(margins: Margins, odds: Floats) -> tuple[Floats, Floats]:
    """Row and column factors of the table with these margins whose cells of the same group have ``1 + odds``."""
    size = np.maximum(margins.joined.sum(axis=1, keepdims=True), 1.0)
    row, column = margins.joined, margins.asked / size
    for _ in range(_FITS):
        below = column.sum(axis=1, keepdims=True) + odds * column
        row = np.divide(margins.joined, below, out=np.zeros_like(row), where=below > 0)
        beside = row.sum(axis=1, keepdims=True) + odds * row
        new = np.divide(margins.asked, beside, out=np.zeros_like(column), where=beside > 0)
        moved = float(np.abs(new - column).max(initial=0.0))
        column = new
        if moved < _CLOSE:
            break
    return row, column


def fit_preference(margins: Margins, *, shift: float = 0.0) -> Floats:
    """``delta`` of each column, the log-odds preference for one's own group; NaN without pairs of known groups.

    ``shift`` is added to the expected share, where draws tell it more exactly than the closed form. One pair at the
    expected share is added to the observed ones, so that a forum without any pair of the same group has a finite value.
    """
    m = len(margins.same)
    delta = np.zeros(m)
    expected = expected_same_share(margins, delta) + shift
    target = (margins.same + expected) / (margins.known + 1)
    for _ in range(_NEWTON_STEPS):
        value = expected_same_share(margins, delta) + shift
        slope = (expected_same_share(margins, delta + 1e-4) + shift - value) / 1e-4
        step = np.divide(target - value, slope, out=np.zeros(m), where=slope > 1e-12)
        new = np.clip(delta + np.clip(step, -1.0, 1.0), -_STRONGEST, _STRONGEST)
        moved, delta = float(np.nanmax(np.abs(new - delta), initial=0.0)), new
        if moved < 1e-7:
            break
    return np.where(np.isnan(expected), np.nan, delta)


def preferences(seating: Seating, weights: Floats, *, shift: float = 0.0) -> Floats:
    """`fit_preference` of many columns of thread weights, as many at a time as memory allows."""
    width = max(1, _CELLS_AT_ONCE // max(len(seating.known_row), 1))
    parts = [
        fit_preference(hold_margins(seating, weights[:, start : start + width]), shift=shift)
        for start in range(0, weights.shape[1], width)
    ]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Scores:
    """What each thread says about preference at a fitted ``delta``, shape ``(threads,)``.

    ``score`` is its pairs of the same group beyond what is expected of these people in these seats, ``weight`` the
    information it carries; the score over the weight is the step by which the thread alone would move ``delta``.
    """

    score: Floats
    weight: Floats


def score_threads(pairs: Pairs, seating: Seating) -> Scores:
    """Scores of all threads at the preference fitted to all of them; they add up to zero."""
    everything = hold_margins(seating, np.ones((len(seating.same), 1)))
    odds = np.expm1(fit_preference(everything))[None, None, :] * everything.on
    row, column = _fit(everything, odds)
    same = row * column * (1 + odds)
    of_joiner = (same / np.maximum(everything.joined, 1.0))[:, :, 0]
    of_seat = (same / np.maximum(everything.asked, 1.0))[:, :, 0]
    size = np.maximum(everything.joined.sum(axis=1), 1.0)
    middle = (same.sum(axis=1) / size)[:, 0]
    where = pairs.stratum
    is_same = (pairs.source_group == pairs.target_group).astype(np.float64)
    gap = is_same - of_joiner[where, pairs.source_group] - of_seat[where, pairs.target_group] + middle[where]
    gap[(pairs.source_group == pairs.missing) | (pairs.target_group == pairs.missing)] = 0.0
    score = _sum_threads(pairs, gap)
    weight = _sum_threads(pairs, gap**2)
    return Scores(score - weight * score.sum() / max(weight.sum(), 1e-12), weight)


def _sum_threads(pairs: Pairs, values: Floats) -> Floats:
    return np.bincount(pairs.thread, values, minlength=len(pairs.threads)).astype(np.float64)


def jackknife_preference(seating: Seating, *, chosen: Ints | None = None, shift: float = 0.0) -> tuple[float, Floats]:
    """The preference in the chosen threads (all by default), and with each group of them left out in turn."""
    n = len(seating.same)
    threads = np.arange(n) if chosen is None else chosen
    group = jackknife_groups(len(threads))
    weights = np.zeros((n, int(group.max(initial=0)) + 2))
    weights[threads] = 1.0
    weights[threads, group + 1] = 0.0
    found = preferences(seating, weights, shift=shift)
    return float(found[0]), found[1:]


def jackknife_error(parts: Floats) -> tuple[float, float]:
    """Standard error from the estimates with one group left out each, and its degrees of freedom."""
    g = len(parts)
    return float(np.sqrt((g - 1) / g * ((parts - parts.mean()) ** 2).sum())), float(g - 1)


def welch(errors: Floats, freedoms: Floats) -> tuple[float, float]:
    """Standard error of a difference of independent parts, and Welch's degrees of freedom.

    Examples
    --------
    >>> welch(np.array([3.0, 4.0]), np.array([19.0, 19.0]))[0]
    5.0
    """
    total = float((errors**2).sum())
    spread = float((errors**4 / freedoms).sum())
    return float(np.sqrt(total)), total**2 / spread if spread > 0 else float(freedoms.sum())


def t_estimate(
    measure: str,
    value: float,
    *,
    error: float,
    freedom: float,
    level: float,
    null: str,
    n: int,
    draws: int | None = None,
) -> Estimate:
    """Interval and p of one t statistic against zero; none of them where the error is not defined."""
    low = high = p_value = None
    if np.isfinite(value) and np.isfinite(error):
        reach = float(stats.t.ppf(0.5 + level / 2, freedom)) * error
        low, high = value - reach, value + reach
        scaled = abs(value) / error if error > 0 else (np.inf if value else 0.0)
        p_value = max(float(2 * stats.t.sf(scaled, freedom)), float(np.finfo(np.float64).tiny))
    return Estimate(
        measure,
        value,
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
