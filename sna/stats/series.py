"""Has the level of a weekly series changed? Trend, season and step told apart, with errors that have a memory.

Weekly counts drift for a while and come back, and part of their noise has no memory at all: errors are white noise plus
an AR(1) process, in many mixtures. How well each mixture explains the series weighs it; nothing is settled on one.
Every distribution is that of the same procedure on series simulated without a change, so that looking at many weeks,
and not knowing the memory, are paid for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sna.errors import ParameterError
from sna.types import Floats, Ints

YEAR = 365.25 / 7
"""Weeks in a year."""
LEAST_SEGMENT = 8
"""Weeks a step needs on both sides: a shorter one at the end of the series is a dip that may come back."""
_MEMORIES = (0.35, 0.6, 0.8, 0.93)
_PARTS = (0.35, 0.7, 1.0)
_MIXTURES = ((0.0, 0.0), *((memory, part) for memory in _MEMORIES for part in _PARTS))
_WHITE_WEIGHT = 12.0
"""Prior weight of errors without memory against each other mixture: as much as all twelve together. With less,
series without memory reject in 1 to 2 % instead of 5; with more, those with a memory of 0.8 reject too often
(docs/calibration.md)."""
_EVERY = 4
"""Steps at every fourth week are enough to weigh the mixtures by."""


@dataclass(frozen=True)
class LevelChange:
    """How the level of a series changed, on the scale of logarithms.

    Attributes
    ----------
    shape
        "none", "trend" (gradual), "step" (at once), or "unclear": a change that may have been either.
    effect, low, high
        In total for a step, else per year. Without a change the interval is that of the
        trend with the width that pays for all shapes looked at, with one it is that of the shape: hence zero lies
        outside exactly when ``p_value`` is below 1 - level.
    p_value
        Of the largest of all: is there any trend or step at all?
    at, at_low, at_high
        Weeks before the step, and the interval for it; None without a step.
    """

    shape: str
    effect: float
    low: float
    high: float
    p_value: float
    at: int | None = None
    at_low: int | None = None
    at_high: int | None = None


@dataclass(frozen=True)
class Yardstick:
    """What a series of one length is compared with: shapes, error mixtures, and draws without a change. Reusable.

    Attributes
    ----------
    nuisance
        Orthonormal columns of level and season, shape ``(n, r)``.
    shapes, lengths
        The line (first) and the steps, orthogonal to level and season and of length 1, shape ``(n, m)``; their length
        before, so that an effect is ``score / length``.
    steps
        Weeks before each step, shape ``(m - 1,)``.
    roots
        Per mixture: root of the covariance.
    whiteners, seen
        Per mixture: what whitens errors and takes out level and season; the line and some steps through it.
    constants
        Per mixture: log-likelihood less the part that depends on the series, for each shape.
    t_draws, weight_draws
        t of each shape in each draw, shape ``(mixtures, draws, m)``; weights of the mixtures there.
    """

    nuisance: Floats
    shapes: Floats
    lengths: Floats
    steps: Ints
    roots: tuple[Floats, ...]
    whiteners: tuple[Floats, ...]
    seen: tuple[Floats, ...]
    constants: tuple[Floats, ...]
    t_draws: Floats
    weight_draws: Floats


def make_yardstick(
    n: int, *, first_week: float = 0.0, draws: int = 299, rng: np.random.Generator | int | None = None
) -> Yardstick:
    """Build what series of ``n`` weeks are compared with.

    Parameters
    ----------
    n
        Weeks; at least 16. The season is one wave a year from 52 weeks on, two from 104 on, and none before.
    first_week
        Week of the year of the first value.
    draws
        Simulated series per mixture of errors.
    rng
        The source of chance.

    Examples
    --------
    >>> yardstick = make_yardstick(60, draws=9, rng=0)
    >>> yardstick.nuisance.shape, yardstick.shapes.shape, yardstick.t_draws.shape
    ((60, 3), (60, 46), (13, 9, 46))
    """
    if n < 2 * LEAST_SEGMENT:
        raise ParameterError(f"A change needs at least {2 * LEAST_SEGMENT} weeks.", got=f"Got {n}.")
    generator = np.random.default_rng(rng)
    level = _level_and_season(n, first_week)
    steps = np.arange(LEAST_SEGMENT, n - LEAST_SEGMENT + 1)
    raw = np.column_stack([np.arange(n) / YEAR, *(np.arange(n) >= k for k in steps)]).astype(np.float64)
    nuisance = np.linalg.qr(level)[0]
    clean = raw - nuisance @ (nuisance.T @ raw)
    lengths = np.linalg.norm(clean, axis=0)
    parts = [_see_through(_covariance(n, *mixture), level, shapes=raw[:, ::_EVERY]) for mixture in _MIXTURES]
    roots, whiteners, seen, constants = zip(*parts, strict=True)
    fixed = (nuisance, clean / lengths, lengths, steps, roots, whiteners, seen, constants)
    empty = Yardstick(*fixed, t_draws=np.empty(0), weight_draws=np.empty(0))
    simulated = [generator.standard_normal((draws, n)) @ root.T for root in roots]
    t_draws = np.stack([_t_values(series, empty)[0] for series in simulated])
    return Yardstick(*fixed, t_draws=t_draws, weight_draws=np.stack([_weigh(series, empty) for series in simulated]))


def _level_and_season(n: int, first_week: float) -> Floats:
    angle = 2 * np.pi * (np.arange(n) + first_week) / YEAR
    waves = 2 if n >= 104 else 1 if n >= 52 else 0
    season = [wave(k * angle) for k in range(1, waves + 1) for wave in (np.sin, np.cos)]
    return np.column_stack([np.ones(n), *season])


def _covariance(n: int, memory: float, part: float) -> Floats:
    """``part`` of the variance has a memory, the rest has none."""
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return np.eye(n) if part == 0 else (1 - part) * np.eye(n) + part * memory**lag


def _see_through(covariance: Floats, level: Floats, *, shapes: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Root, whitener without level and season, shapes through it, and constants of the restricted likelihood."""
    root = np.linalg.cholesky(covariance)
    inverse = np.linalg.inv(root)
    q, r = np.linalg.qr(inverse @ level)
    whitener = inverse - q @ (q.T @ inverse)
    seen = whitener @ shapes
    lengths = np.linalg.norm(seen, axis=0)
    constant = -np.log(np.diag(root)).sum() - np.log(np.abs(np.diag(r))).sum() - np.log(lengths)
    return np.asarray(root, dtype=np.float64), whitener, seen / lengths, constant


def _t_values(series: Floats, yardstick: Yardstick) -> tuple[Floats, Floats, Floats]:
    """Of each series (rows) and shape: t, score, and residual standard deviation."""
    clean = series - (series @ yardstick.nuisance) @ yardstick.nuisance.T
    scores = clean @ yardstick.shapes
    left = np.maximum((clean**2).sum(axis=1)[:, None] - scores**2, 1e-12)
    spread = np.sqrt(left / (series.shape[1] - yardstick.nuisance.shape[1] - 1))
    return scores / spread, scores, spread


def _weigh(series: Floats, yardstick: Yardstick) -> Floats:
    """Weight of each mixture of errors by restricted likelihood, averaged over the shapes: ``(rows, mixtures)``."""
    logs = np.empty((len(series), len(_MIXTURES)))
    df = series.shape[1] - yardstick.nuisance.shape[1] - 1
    for place, (whitener, seen) in enumerate(zip(yardstick.whiteners, yardstick.seen, strict=True)):
        clean = series @ whitener.T
        left = np.maximum((clean**2).sum(axis=1)[:, None] - (clean @ seen) ** 2, 1e-12)
        each = yardstick.constants[place] - df / 2 * np.log(left)
        top = each.max(axis=1)
        logs[:, place] = top + np.log(np.exp(each - top[:, None]).mean(axis=1))
    logs[:, 0] += np.log(_WHITE_WEIGHT)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _p_values(sizes: Floats, weights: Floats, *, draws: Floats, weight_draws: Floats) -> Floats:
    """P of each size: the weighted share of draws as large, compared with the same share within the draws.

    The weights are themselves uncertain, so the weighted share alone is not uniform: it is judged once more by what it
    is in simulated series (Beran's prepivoting).
    """
    ordered = np.sort(draws, axis=1)
    first = [_tail(ordered, row, weight) for row, weight in zip(draws, weight_draws, strict=True)]
    shares, own = np.sort(np.stack(first), axis=1), _tail(ordered, sizes, weights)
    n = ordered.shape[1]
    below = np.stack([1 + np.searchsorted(row, own, side="right") for row in shares], axis=1) / (1 + n)
    return (weights * below).sum(axis=1)


def _tail(ordered: Floats, sizes: Floats, weights: Floats) -> Floats:
    n = ordered.shape[1]
    beyond = np.stack([n - np.searchsorted(row, sizes - 1e-12, side="left") for row in ordered], axis=1)
    return (weights * (1 + beyond) / (1 + n)).sum(axis=1)


def _critical(weight: Floats, *, draws: Floats, weight_draws: Floats, level: float) -> float:
    """The smallest size whose p is below 1 - level."""
    sizes = np.unique(np.quantile(draws, np.linspace(0.3, 1, 400)))
    p = _p_values(sizes, np.tile(weight, (len(sizes), 1)), draws=draws, weight_draws=weight_draws)
    beyond = np.flatnonzero(p < 1 - level)
    return float(sizes[beyond[0]]) if len(beyond) else float(sizes[-1])


def fit_level_change(
    logs: Floats, yardstick: Yardstick, *, level: float = 0.95, rng: np.random.Generator | int | None = None
) -> LevelChange:
    """Find whether a series has a trend or a step beyond level, season and errors with a memory, and which.

    Parameters
    ----------
    logs
        Logarithms of weekly values, shape ``(n,)``.
    yardstick
        From `make_yardstick`, for this length and first week.
    level, rng
        Of the intervals; the source of chance.

    Notes
    -----
    Least squares of every shape; the statistic is the largest absolute t. A step is said only where the best line
    is rejected against it (in series simulated with that line), a trend where the best step is; else it is unclear.

    When it misleads: a memory of more than about 0.8 from week to week, where a long swing looks like a change;
    several steps; less than a year, where the season cannot be told from a change.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(0, 0.1, 80)
    >>> yardstick = make_yardstick(80, draws=99, rng=0)
    >>> fit_level_change(noise, yardstick, rng=0).shape
    'none'
    >>> change = fit_level_change(noise - (np.arange(80) >= 50), yardstick, rng=0)
    >>> change.shape, change.at
    ('step', 50)
    """
    rows = np.asarray(logs, dtype=np.float64)[None, :]
    generator, weight = np.random.default_rng(rng), _weigh(rows, yardstick)[0]
    t, scores, spread = (part[0] for part in _t_values(rows, yardstick))
    largest = {"draws": np.abs(yardstick.t_draws).max(axis=2), "weight_draws": yardstick.weight_draws}
    p_value = float(_p_values(np.abs(t).max(keepdims=True), weight[None], **largest)[0])
    bound = _critical(weight, level=level, **largest)
    changed = p_value < 1 - level
    shape = _tell_apart(scores, spread, yardstick, weight=weight, level=level, rng=generator) if changed else "none"
    place = 1 + int(np.abs(t[1:]).argmax()) if shape == "step" else 0
    if changed:
        own = np.abs(yardstick.t_draws[:, :, place])
        pointwise = _critical(weight, draws=own, weight_draws=yardstick.weight_draws, level=level)
        bound = min(pointwise, abs(float(t[place])) * _INSIDE)
    effect, reach = (float(x / yardstick.lengths[place]) for x in (scores[place], bound * spread[place]))
    found = LevelChange(shape, effect, effect - reach, effect + reach, p_value)
    if shape != "step":
        return found
    inside = _as_good_steps(scores, spread, yardstick, weight=weight, level=level, rng=generator)
    return replace(found, at=int(yardstick.steps[place - 1]), at_low=int(inside.min()), at_high=int(inside.max()))


def _simulate(
    place: int, score: float, yardstick: Yardstick, *, spread: float, weight: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """What each shape explains, ``(draws, m)``, and what the best leaves, in series that have one shape and errors."""
    counts = rng.multinomial(_SHAPE_DRAWS, weight)
    n, rank = yardstick.nuisance.shape
    noise = [rng.standard_normal((k, n)) @ root.T for k, root in zip(counts, yardstick.roots, strict=True)]
    series = score * yardstick.shapes[:, place] + spread * np.concatenate(noise)
    clean = series - (series @ yardstick.nuisance) @ yardstick.nuisance.T
    explained = (clean @ yardstick.shapes) ** 2
    return explained, ((clean**2).sum(axis=1) - explained.max(axis=1)) / (n - rank - 1)


_SHAPE_DRAWS = 499
_INSIDE = 0.999
"""Where a change is found, zero is outside its interval: one procedure decides both."""


def _tell_apart(
    scores: Floats, spread: Floats, yardstick: Yardstick, *, weight: Floats, level: float, rng: np.random.Generator
) -> str:
    """A "step" where a line alone would not let the best step explain so much more, a "trend" in the other case."""
    best = 1 + int(np.abs(scores[1:]).argmax())
    gain = scores[best] ** 2 - scores[0] ** 2
    for shape, place, sign in (("step", 0, 1), ("trend", best, -1)):
        explained, left = _simulate(
            place, float(scores[place]), yardstick, spread=float(spread[place]), weight=weight, rng=rng
        )
        drawn = sign * (explained[:, 1:].max(axis=1) - explained[:, 0]) / left
        if sign * gain / float(spread.min()) ** 2 > np.quantile(drawn, level):
            return shape
    return "unclear"


def _as_good_steps(
    scores: Floats, spread: Floats, yardstick: Yardstick, *, weight: Floats, level: float, rng: np.random.Generator
) -> Ints:
    """Weeks whose step explains hardly less than the best, by the likelihood ratio as simulated with that step."""
    place = 1 + int(np.abs(scores[1:]).argmax())
    size, noise = float(scores[place]), float(spread[place])
    drawn, left = _simulate(place, size, yardstick, spread=noise, weight=weight, rng=rng)
    worse = np.quantile((drawn[:, 1:].max(axis=1) - drawn[:, place]) / left, level) * noise**2
    return yardstick.steps[scores[1:] ** 2 >= scores[place] ** 2 - worse]
