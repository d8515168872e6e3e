"""Uncertainty: Monte-Carlo p-values, group jackknife, bootstrap, adjustment for many tests.

Every function works on plain arrays, so that each measure brings its own statistic.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sna.errors import ParameterError
from sna.types import Floats

ALTERNATIVES = ("two-sided", "greater", "less")
GROUPS = 20
"""Groups of the jackknife over threads: enough for a stable standard error, few enough for groups of many threads."""


def monte_carlo_p(observed: ArrayLike, draws: ArrayLike, *, alternative: str = "two-sided") -> Floats:
    """Monte-Carlo p-value ``(1 + k) / (1 + n)``, never zero (Phipson and Smyth 2010).

    Parameters
    ----------
    observed
        Observed statistics, shape ``(...)``.
    draws
        Statistics of the draws, shape ``(n, ...)``.
    alternative
        "greater", "less", or "two-sided": twice the smaller one-sided p, at most 1, so that a skewed null is treated
        fairly on both sides. Ties count against the finding.

    Examples
    --------
    >>> float(monte_carlo_p(5.0, [1.0, 2.0, 3.0, 4.0], alternative="greater"))
    0.2
    >>> float(monte_carlo_p(5.0, [1.0, 2.0, 3.0, 4.0]))
    0.4
    """
    if alternative not in ALTERNATIVES:
        raise ParameterError(f"alternative is one of {', '.join(ALTERNATIVES)}.", got=f"Got {alternative!r}.")
    value, sample = np.asarray(observed, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    if sample.ndim == 0 or len(sample) == 0:
        raise ParameterError("A Monte-Carlo p-value needs at least one draw.", got="Got none.", hint="draws=999")
    tolerance = 1e-12 * np.maximum(np.abs(value), 1.0)
    above = (1 + (sample >= value - tolerance).sum(axis=0)) / (1 + len(sample))
    below = (1 + (sample <= value + tolerance).sum(axis=0)) / (1 + len(sample))
    if alternative == "two-sided":
        return np.asarray(np.minimum(1.0, 2 * np.minimum(above, below)))
    return np.asarray(above if alternative == "greater" else below)


def normal_p(observed: ArrayLike, mean: ArrayLike, *, variance: ArrayLike, continuity: float = 0.0) -> Floats:
    """Two-sided p-value of exact moments by the normal distribution; 1 where the null has no variance.

    Never zero: tails too small for a float are its smallest positive normal number, 2.2e-308.
    ``continuity`` (0.5 for counts) shrinks the distance. When it misleads: counts expected below about five.

    Examples
    --------
    >>> normal_p([1.96, 3.0], [0.0, 3.0], variance=[1.0, 0.0]).round(3).tolist()
    [0.05, 1.0]
    """
    distance = np.abs(np.asarray(observed, dtype=np.float64) - np.asarray(mean, dtype=np.float64)) - continuity
    sd = np.sqrt(np.asarray(variance, dtype=np.float64))
    scaled = np.divide(np.maximum(distance, 0.0), sd, out=np.zeros_like(distance), where=sd > 0)
    return np.asarray(np.maximum(2 * stats.norm.sf(scaled), np.finfo(np.float64).tiny))


def adjust_p(p_values: ArrayLike, *, method: str = "holm") -> Floats:
    """Adjust a family of p-values for looking at many.

    Parameters
    ----------
    p_values
        One family; NaN stays NaN and does not count.
    method
        "holm" bounds the chance of any false claim (Holm 1979); "bh" the share of false claims (Benjamini and
        Hochberg 1995).

    Examples
    --------
    >>> [round(float(p), 2) for p in adjust_p([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    >>> [round(float(p), 2) for p in adjust_p([0.01, 0.04, 0.03], method="bh")]
    [0.03, 0.04, 0.04]
    """
    if method not in ("holm", "bh"):
        raise ParameterError("method is 'holm' or 'bh'.", got=f"Got {method!r}.")
    raw = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(raw.shape, np.nan)
    known = np.flatnonzero(~np.isnan(raw))
    if method == "bh":
        adjusted[known] = stats.false_discovery_control(raw[known], method="bh")
        return adjusted
    order = known[np.argsort(raw[known], kind="stable")]
    adjusted[order] = np.maximum.accumulate(raw[order] * np.arange(len(order), 0, -1))
    return np.minimum(adjusted, 1.0)


def max_t_p(observed: ArrayLike, draws: ArrayLike) -> Floats:
    """Adjusted two-sided p-values of a family from joint draws: Westfall and Young's step-down maximum.

    Parameters
    ----------
    observed
        Shape ``(m,)``.
    draws
        Shape ``(n, m)``; the whole family is drawn together, so its dependence is used.

    Notes
    -----
    Each statistic is studentised by mean and spread of the draws and the observation together (which keeps them
    exchangeable); the largest is compared with the largest of each draw, the next with the largest of the rest.
    It bounds the chance of any false claim, and its smallest value is ``1 / (1 + n)`` however large the family.
    Statistics that never vary get 1.

    Examples
    --------
    >>> max_t_p([9.0, 0.0], [[0.0, 1.0], [1.0, 0.0], [0.5, 0.2]]).tolist()
    [0.25, 0.75]
    """
    value, sample = np.asarray(observed, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    together = np.vstack([value[None], sample])
    sd = together.std(axis=0)
    gap = np.abs(together - together.mean(axis=0))
    scaled = np.divide(gap, sd, out=np.zeros_like(gap), where=sd > 0)
    order = np.argsort(-scaled[0], kind="stable")
    largest = np.maximum.accumulate(scaled[:, order[::-1]], axis=1)[:, ::-1]
    p_values = (largest >= largest[0] - 1e-12).mean(axis=0)
    adjusted = np.empty(len(value))
    adjusted[order] = np.maximum.accumulate(p_values)
    return adjusted


def jackknife_groups(n_units: int, *, groups: int = GROUPS) -> NDArray[np.int64]:
    """Group of each unit, dealt out in turn: with units in order of time every group spans the whole period.

    Examples
    --------
    >>> jackknife_groups(5, groups=2).tolist()
    [0, 1, 0, 1, 0]
    """
    return np.arange(n_units, dtype=np.int64) % max(1, min(groups, n_units))


def jackknife_interval(
    value: float, left_out: ArrayLike, *, level: float = 0.95
) -> tuple[float | None, float | None, float | None]:
    """Standard error and interval from the estimates with one group left out each (t with groups - 1 degrees).

    Returns
    -------
    tuple
        ``se, low, high``; all None with fewer than two groups or an undefined estimate.

    Notes
    -----
    ``se^2 = (g - 1) / g * sum((theta_(-j) - mean)^2)`` (Miller 1974). When it misleads: with few groups, or one
    thread that outweighs the rest.

    Examples
    --------
    >>> [round(x, 3) for x in jackknife_interval(2.0, [1.5, 2.0, 2.5])]
    [0.577, -0.484, 4.484]
    """
    parts = np.asarray(left_out, dtype=np.float64)
    g = len(parts)
    if g < 2 or not np.isfinite(parts).all() or not np.isfinite(value):
        return None, None, None
    se = float(np.sqrt((g - 1) / g * ((parts - parts.mean()) ** 2).sum()))
    reach = float(stats.t.ppf(0.5 + level / 2, g - 1)) * se
    return se, value - reach, value + reach


def bootstrap_interval(
    statistic: Callable[[NDArray[np.int64]], float],
    n_units: int,
    *,
    draws: int = 999,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> tuple[float | None, float | None]:
    """Percentile bootstrap interval: ``statistic`` gets the indices of the units drawn with replacement.

    When it misleads: ranks and maxima, for which it covers almost nobody when people are tied.

    Examples
    --------
    >>> values = np.array([1.0, 1.0, 1.0])
    >>> bootstrap_interval(lambda rows: float(values[rows].mean()), 3, draws=9, rng=0)
    (1.0, 1.0)
    """
    if n_units < 2:
        return None, None
    generator = np.random.default_rng(rng)
    sample = np.array([statistic(generator.integers(0, n_units, n_units)) for _ in range(draws)])
    low, high = np.nanquantile(sample, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def wilson_interval(n_successes: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's (1927) score interval for a share, by `scipy.stats.binomtest`; NaN where ``n`` is 0 or not known.

    Parameters
    ----------
    n_successes, n
        Counts, alike in shape. NaN counts as not known.
    level
        Of the interval.

    Notes
    -----
    When it misleads: where the units are not independent, such as people of one team.

    Examples
    --------
    >>> low, high = wilson_interval([5, 0], [10, 0])
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.237, nan], [0.763, nan])
    """
    k, size = np.broadcast_arrays(np.asarray(n_successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    ends = np.full((2, k.size), np.nan)
    for place in np.flatnonzero((size.ravel() > 0) & ~np.isnan(k.ravel())):
        test = stats.binomtest(int(k.flat[place]), int(size.flat[place]))
        ends[:, place] = test.proportion_ci(level, method="wilson")
    return ends[0].reshape(k.shape), ends[1].reshape(k.shape)


def logit(share: ArrayLike) -> Floats:
    """Log-odds; infinite at 0 and 1.

    Examples
    --------
    >>> float(logit(0.5))
    0.0
    """
    p = np.asarray(share, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(p) - np.log1p(-p)
