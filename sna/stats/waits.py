"""Waiting times that may not have ended yet: Kaplan-Meier, restricted mean, log-rank.

A waiting time is censored when the observation ends before the event: it is known to be longer, not missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sna.errors import ParameterError
from sna.types import Floats


@dataclass(frozen=True)
class SurvivalCurve:
    """Kaplan-Meier estimate: ``survival`` just after each event time in ``times``, with Greenwood's variance.

    Attributes
    ----------
    times, survival, variance
        Distinct event times (ascending), S(t) and Var S(t) there.
    n_at_risk, n_events
        How many were still waiting just before each time, and how many events happened at it.
    n, n_observed
        How many were followed, and how many of them had the event.
    last
        Longest time followed; the curve says nothing after it.
    """

    times: Floats
    survival: Floats
    variance: Floats
    n_at_risk: NDArray[np.int64]
    n_events: NDArray[np.int64]
    n: int
    n_observed: int
    last: float

    def at(self, time: float) -> float:
        """Share still waiting after ``time``."""
        place = int(np.searchsorted(self.times, time, side="right"))
        return 1.0 if place == 0 else float(self.survival[place - 1])


def kaplan_meier(waits: ArrayLike, observed: ArrayLike) -> SurvivalCurve:
    """Estimate the share still waiting over time, with censored waits (Kaplan & Meier 1958).

    Parameters
    ----------
    waits
        Time waited until the event or until the observation ended; not negative.
    observed
        True where the event happened, False where the wait is censored.

    Raises
    ------
    ParameterError
        For waits that are negative or not numbers, or arrays of different length.

    Notes
    -----
    ``S(t) = prod_{t_i <= t} (1 - d_i / n_i)``; variance ``S(t)^2 sum d_i / (n_i (n_i - d_i))`` (Greenwood).
    When it misleads: when censoring depends on how long the wait would have been.

    Examples
    --------
    >>> curve = kaplan_meier([1, 2, 2, 4], [True, True, False, True])
    >>> curve.times.tolist(), curve.survival.round(3).tolist()
    ([1.0, 2.0, 4.0], [0.75, 0.5, 0.0])
    """
    times, happened = _checked(waits, observed)
    distinct = np.unique(times[happened])
    sorted_times, sorted_events = np.sort(times), np.sort(times[happened])
    n_at_risk = len(times) - np.searchsorted(sorted_times, distinct, side="left")
    n_events = np.searchsorted(sorted_events, distinct, "right") - np.searchsorted(sorted_events, distinct, "left")
    survival = np.cumprod(1 - n_events / n_at_risk).astype(np.float64)
    left = np.maximum(n_at_risk - n_events, 0)
    with np.errstate(divide="ignore"):
        steps = np.where(left > 0, n_events / (n_at_risk * np.maximum(left, 1)), 0.0)
    variance = survival**2 * np.cumsum(steps)
    last = float(times.max(initial=0.0))
    return SurvivalCurve(distinct, survival, variance, n_at_risk, n_events, len(times), int(happened.sum()), last)


def survival_quantile(
    curve: SurvivalCurve, share: float = 0.5, *, level: float = 0.95
) -> tuple[float | None, float | None, float | None]:
    """Time by which ``share`` of all have had the event, with its interval (Brookmeyer & Crowley 1982).

    Returns
    -------
    tuple
        ``value, low, high``; None where the curve does not come down that far.

    Examples
    --------
    >>> survival_quantile(kaplan_meier([1, 2, 3, 4], [True] * 4))[0]
    2.0
    """
    low, high = survival_band(curve, level=level)
    return _crossing(curve, curve.survival, share), _crossing(curve, low, share), _crossing(curve, high, share)


def survival_band(curve: SurvivalCurve, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Pointwise interval of S(t) on the log(-log) scale, at the times of the curve; inside 0 to 1.

    Examples
    --------
    >>> low, high = survival_band(kaplan_meier([1, 2, 3, 4], [True] * 4))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.128, 0.058, 0.009, 0.0], [0.961, 0.845, 0.665, 0.0])
    """
    reach = float(stats.norm.ppf(0.5 + level / 2))
    inside = (curve.survival > 0) & (curve.survival < 1)
    s = np.where(inside, curve.survival, 0.5)
    spread = np.where(inside, np.sqrt(curve.variance) / (s * np.abs(np.log(s))), 0.0)
    low, high = s ** np.exp(reach * spread), s ** np.exp(-reach * spread)
    return np.where(inside, low, curve.survival), np.where(inside, high, curve.survival)


def restricted_mean(curve: SurvivalCurve, horizon: float) -> tuple[float, float]:
    """Mean wait up to a horizon, and its standard error: the area under S(t).

    Parameters
    ----------
    curve
        Followed for less than the horizon, the curve is carried on flat (a bound from above for the mean).
    horizon
        Waits longer than this count as this.

    Notes
    -----
    ``Var = sum_i A_i^2 d_i / (n_i (n_i - d_i))`` with A_i the area from t_i to the horizon (Irwin 1949).

    Examples
    --------
    >>> restricted_mean(kaplan_meier([1, 3], [True, True]), 4.0)[0]
    2.0
    """
    keep = curve.times < horizon
    times, survival = curve.times[keep], curve.survival[keep]
    edges = np.concatenate([[0.0], times, [horizon]])
    areas = np.diff(edges) * np.concatenate([[1.0], survival])
    after = np.cumsum(areas[::-1])[::-1][1:]
    left = curve.n_at_risk[keep] - curve.n_events[keep]
    steps = np.where(left > 0, curve.n_events[keep] / (curve.n_at_risk[keep] * np.maximum(left, 1)), 0.0)
    return float(areas.sum()), float(np.sqrt((after**2 * steps).sum()))


def log_rank(groups: Sequence[tuple[ArrayLike, ArrayLike]]) -> tuple[float, int, float]:
    """Test that all groups wait alike (Mantel 1966): statistic, degrees of freedom, p-value.

    Parameters
    ----------
    groups
        ``(waits, observed)`` of each group; at least two.

    Raises
    ------
    ParameterError
        With fewer than two groups, or without any event.

    Notes
    -----
    Chi-square of observed minus expected events given those at risk, with the hypergeometric covariance. When it
    misleads: curves that cross can differ much and still give a small statistic.

    Examples
    --------
    >>> statistic, df, p = log_rank([([1, 2, 3], [True] * 3), ([4, 5, 6], [True] * 3)])
    >>> round(statistic, 3), df, round(p, 3)
    (5.052, 1, 0.025)
    """
    checked = [_checked(*group) for group in groups]
    if len(checked) < 2:
        raise ParameterError("A log-rank test compares at least two groups.", got=f"Got {len(checked)}.")
    times = np.unique(np.concatenate([waits[happened] for waits, happened in checked]))
    if not len(times):
        raise ParameterError("A log-rank test needs events.", got="All waits are censored.")
    risk = np.array([len(w) - np.searchsorted(np.sort(w), times, side="left") for w, _ in checked], dtype=float)
    events = np.array([_events_at(w[h], times) for w, h in checked], dtype=float)
    n, d = risk.sum(axis=0), events.sum(axis=0)
    share = risk / n
    gap = (events - d * share).sum(axis=1)[:-1]
    factor = np.where(n > 1, d * (n - d) / np.maximum(n - 1, 1), 0.0)
    within = np.einsum("t,it,jt->ij", factor, share, share)
    covariance = (np.diag((factor * share).sum(axis=1)) - within)[:-1, :-1]
    statistic = float(gap @ np.linalg.pinv(covariance) @ gap)
    return statistic, len(checked) - 1, float(stats.chi2.sf(statistic, len(checked) - 1))


def _events_at(times_of_events: Floats, times: Floats) -> NDArray[np.int64]:
    ordered = np.sort(times_of_events)
    return np.searchsorted(ordered, times, "right") - np.searchsorted(ordered, times, "left")


def _crossing(curve: SurvivalCurve, survival: Floats, share: float) -> float | None:
    below = np.flatnonzero(survival <= 1 - share + 1e-12)
    return float(curve.times[below[0]]) if len(below) else None


def _checked(waits: ArrayLike, observed: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    times, happened = np.asarray(waits, dtype=np.float64), np.asarray(observed, dtype=bool)
    if times.shape != happened.shape or times.ndim != 1 or not (times >= 0).all():
        raise ParameterError(
            "Waits are numbers of at least 0, each with a flag.",
            got=f"Got {times.shape} waits, {happened.shape} flags.",
        )
    return times, happened
