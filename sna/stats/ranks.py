"""Confidence sets for ranks: what the data allow to say about who is first, and no more.

Source: Mogstad, Romano, Shaikh & Wilhelm (2024), "Inference for ranks with applications to mobility across
neighbourhoods and academic achievement across countries", Review of Economic Studies. A percentile bootstrap of
ranks covers almost nobody when people are tied; these sets do.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sna.errors import ParameterError
from sna.types import Bools, Floats

_SIMULATED_UP_TO = 150
_BLOCK = 512


def rank_sets(
    estimates: ArrayLike,
    errors: ArrayLike,
    *,
    level: float = 0.95,
    simultaneous: bool = True,
    stepdown: bool = True,
    draws: int = 2000,
    rng: np.random.Generator | int | None = 0,
) -> pl.DataFrame:
    """Confidence sets for ranks; rank 1 is the largest estimate.

    Person i ranks certainly below everyone whose estimate exceeds theirs by more than the critical value times the
    standard error of the difference, and certainly above everyone they exceed by as much. The critical value is the
    quantile of the largest studentised difference over all pairs (simultaneous) or over the pairs of one person
    (marginal), by simulation from independent normals; ``stepdown`` drops rejected pairs and repeats.

    Parameters
    ----------
    estimates, errors
        One estimate and its standard error per person.
    simultaneous
        True: all sets hold together with probability ``level``. False: each set by itself.
    draws, rng
        Of the simulation. Above 150 people simultaneous sets use Tukey and Kramer's critical value (the studentised
        range), which is conservative for unequal errors (Hayter 1984) and needs no simulation; marginal sets then use
        Bonferroni's.

    Returns
    -------
    DataFrame
        ``rank`` (1 + number of larger estimates), ``rank_low``, ``rank_high``; rows as given. Rows whose estimate or
        error is null or NaN get nulls and take no part.

    Raises
    ------
    ParameterError
        For unequally long input, errors that are not positive, or a level outside (0, 1).

    Notes
    -----
    When it misleads: estimates are taken as independent and about normal; for counts use `rate_scale` first.

    Examples
    --------
    >>> rank_sets([1.0, 2.0, 9.0], [0.1, 1.0, 0.1]).rows()
    [(3, 2, 3), (2, 2, 3), (1, 1, 1)]
    """
    x, se = _check(estimates, errors, level)
    usable = np.isfinite(x) & np.isfinite(se)
    below, above = _rank_bounds(
        x[usable], se[usable], level=level, simultaneous=simultaneous, stepdown=stepdown, draws=draws, rng=rng
    )
    n = int(usable.sum())
    rank = 1 + n - np.searchsorted(np.sort(x[usable]), x[usable], side="right")
    return _columns(usable, rank=rank, rank_low=1 + below, rank_high=n - above)


def find_top_set(
    estimates: ArrayLike,
    errors: ArrayLike,
    *,
    top: int,
    level: float = 0.95,
    draws: int = 2000,
    rng: np.random.Generator | int | None = 0,
) -> Bools:
    """Who may be among the first ``top``: a set that holds all of them with probability ``level``.

    One-sided simultaneous step-down over all ordered pairs: a person leaves the set when at least ``top`` others
    are better beyond doubt. Sharper than reading ``rank_low <= top`` off two-sided sets.

    Raises
    ------
    ParameterError
        As `rank_sets`, and for ``top`` below 1.

    Examples
    --------
    >>> find_top_set([1.0, 2.0, 9.0], [0.1, 1.0, 0.1], top=1).tolist()
    [False, False, True]
    """
    x, se = _check(estimates, errors, level)
    if top < 1:
        raise ParameterError("top is at least 1.", got=f"Got {top}.")
    usable = np.isfinite(x) & np.isfinite(se)
    result = np.zeros(x.size, dtype=bool)
    better = _one_sided(x[usable], se[usable], level=level, draws=draws, rng=rng)
    result[usable] = better < top
    return result


def rate_scale(counts: ArrayLike, exposure: ArrayLike, *, error: float = 0.0) -> tuple[Floats, Floats]:
    """Counts with exposure on a scale on which ranks of rates can be compared as ranks of normals.

    With exact exposure ``sqrt((y + 3/8) / E)``, whose standard error is known: ``1 / (2 sqrt(E))`` (Anscombe's
    transform stabilises the variance of a Poisson count). With an ``error`` in the exposure (log standard deviation)
    ``log((y + 1/2) / E)``, with standard error ``sqrt(1 / (y + 1/2) + error^2)``. Exposure 0 gives NaN.

    Examples
    --------
    >>> x, se = rate_scale([9], [1.0])
    >>> round(float(x[0]), 2), float(se[0])
    (3.06, 0.5)
    >>> x, se = rate_scale([1.5], [2.0], error=0.5)
    >>> float(x[0]), round(float(se[0]), 4)
    (0.0, 0.866)
    """
    y, e = np.asarray(counts, dtype=float), np.asarray(exposure, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ok = e > 0
        if error > 0:
            half = y + 0.5
            return np.where(ok, np.log(half / e), np.nan), np.where(ok, np.sqrt(1 / half + error**2), np.nan)
        return np.where(ok, np.sqrt((y + 0.375) / e), np.nan), np.where(ok, 0.5 / np.sqrt(e), np.nan)


def _rank_bounds(
    x: Floats,
    se: Floats,
    *,
    level: float,
    simultaneous: bool,
    stepdown: bool,
    draws: int,
    rng: np.random.Generator | int | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of people certainly better and certainly worse than each person."""
    n = x.size
    if n < 2:
        return np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    if n > _SIMULATED_UP_TO:
        cut = _range(n, level) / np.sqrt(2) if simultaneous else stats.norm.isf((1 - level) / 2 / (n - 1))
        return _count_pairs(x, se, float(cut))
    noise = np.random.default_rng(rng).standard_normal((draws, n)) * se
    if simultaneous:
        better = _two_sided(x, se, noise, np.ones(n, dtype=bool), level=level, stepdown=stepdown)
        return better.sum(axis=1), better.sum(axis=0)
    below, above = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for i in range(n):
        better = _two_sided(x, se, noise, np.arange(n) == i, level=level, stepdown=stepdown)
        below[i], above[i] = better[i].sum(), better[:, i].sum()
    return below, above


def _two_sided(x: Floats, se: Floats, noise: Floats, rows: Bools, *, level: float, stepdown: bool) -> Bools:
    """``[i, j]`` is True where j is better than i beyond doubt, over pairs that touch ``rows``."""
    n = x.size
    spread = np.sqrt(se[:, None] ** 2 + se[None] ** 2)
    gap = (x[None] - x[:, None]) / spread
    first, second = np.triu_indices(n, 1)
    relevant = rows[first] | rows[second]
    first, second = first[relevant], second[relevant]
    size = np.abs(gap[first, second])
    open_ = np.ones(first.size, dtype=bool)
    while open_.any():
        cut = _largest(noise, first[open_], second[open_], spread, level, absolute=True)
        rejected = (size > cut) & open_
        open_ &= ~rejected
        if not stepdown or not rejected.any():
            break
    found = np.zeros((n, n), dtype=bool)
    i, j = first[~open_], second[~open_]
    found[i, j], found[j, i] = gap[i, j] > 0, gap[j, i] > 0
    return found


def _one_sided(
    x: Floats, se: Floats, *, level: float, draws: int, rng: np.random.Generator | int | None
) -> NDArray[np.int64]:
    """Number of people certainly better than each, by a one-sided step-down over all ordered pairs."""
    n = x.size
    if n < 2:
        return np.zeros(n, dtype=np.int64)
    if n > _SIMULATED_UP_TO:
        return _count_pairs(x, se, _range(n, level) / np.sqrt(2))[0]
    noise = np.random.default_rng(rng).standard_normal((draws, n)) * se
    spread = np.sqrt(se[:, None] ** 2 + se[None] ** 2)
    gap = (x[None] - x[:, None]) / spread
    first, second = np.nonzero(~np.eye(n, dtype=bool))
    open_ = np.ones(first.size, dtype=bool)
    while open_.any():
        cut = _largest(noise, first[open_], second[open_], spread, level, absolute=False)
        rejected = (gap[first, second] > cut) & open_
        if not rejected.any():
            break
        open_ &= ~rejected
    return np.bincount(first[~open_], minlength=n)


def _largest(
    noise: Floats, first: NDArray[np.int64], second: NDArray[np.int64], spread: Floats, level: float, *, absolute: bool
) -> float:
    """Quantile of the largest studentised difference of pure noise over the pairs."""
    scale = 1 / spread[first, second]
    tops = np.empty(noise.shape[0])
    step = max(1, 4_000_000 // first.size)
    for start in range(0, noise.shape[0], step):
        part = noise[start : start + step]
        gaps = (part[:, second] - part[:, first]) * scale
        tops[start : start + step] = (np.abs(gaps) if absolute else gaps).max(axis=1)
    return float(np.quantile(tops, level))


def _count_pairs(x: Floats, se: Floats, cut: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many others are beyond doubt better, and worse, than each; in blocks, without an n x n array."""
    value, variance = x.astype(np.float32), (se.astype(np.float32) * np.float32(cut)) ** 2
    below, above = np.zeros(x.size, dtype=np.int64), np.zeros(x.size, dtype=np.int64)
    for start in range(0, x.size, _BLOCK):
        rows = slice(start, start + _BLOCK)
        gap = value[None] - value[rows, None]
        apart = gap * np.abs(gap)
        limit = variance[rows, None] + variance[None]
        below[rows] = np.count_nonzero(apart > limit, axis=1)
        above[rows] = np.count_nonzero(apart < -limit, axis=1)
    return below, above


def _range(n: int, level: float) -> float:
    """Quantile of the range of ``n`` independent standard normals."""
    return float(stats.studentized_range.ppf(level, n, np.inf))


def _check(estimates: ArrayLike, errors: ArrayLike, level: float) -> tuple[Floats, Floats]:
    x, se = np.asarray(estimates, dtype=float), np.asarray(errors, dtype=float)
    if x.shape != se.shape or x.ndim != 1:
        raise ParameterError("One standard error per estimate is needed.", got=f"Shapes {x.shape} and {se.shape}.")
    if (se <= 0).any():
        raise ParameterError("Standard errors are positive.", got=f"{int((se <= 0).sum())} are not.")
    if not 0 < level < 1:
        raise ParameterError("level lies between 0 and 1.", got=f"Got {level}.")
    return x, se


def _columns(usable: Bools, **values: NDArray[np.int64]) -> pl.DataFrame:
    frame = {}
    for name, column in values.items():
        full = np.full(usable.size, -1, dtype=np.int64)
        full[usable] = column
        frame[name] = pl.Series(name, full).replace(-1, None)
    return pl.DataFrame(frame)
