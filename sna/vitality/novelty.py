"""What stays when the novelty of a new forum has worn off."""

from __future__ import annotations

import numpy as np

from sna.errors import NotAnswerableError
from sna.forum import Forum
from sna.results import Estimate
from sna.types import Floats, Ints, Moment
from sna.vitality.trend import MEASURES, read_series

_EM_STEPS = 200
_DECAYS = 12
_LEAST_BLOCK, _MOST_BLOCK = 4, 8


def novelty_floor(
    forum: Forum,
    *,
    measure: str = "n_posts",
    since: Moment = None,
    until: Moment = None,
    draws: int = 199,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> Estimate:
    """What share of the first weeks' level stays when novelty has worn off.

    Parameters
    ----------
    forum, measure, since, until
        As in `momentum_change`; start at the launch.
    draws, level, rng
        Of the block bootstrap interval.

    Returns
    -------
    Estimate
        ``floor / (floor + excess)`` of the fitted rate ``floor + excess exp(-t / tau)``; 1 when nothing decays.

    Raises
    ------
    NotAnswerableError
        With fewer than 16 complete weeks, or none with a post.

    Notes
    -----
    Poisson likelihood by EM for floor and excess, tau on a grid from 2 weeks to half the period. The interval
    resamples blocks of the multiplicative residuals. When it misleads: anything that falls slowly looks like novelty,
    growth is not in the model (the share is then 1), and a floor above what is reached is an extrapolation.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> floor = novelty_floor(load_example(), draws=50, rng=0)
    >>> 0 < floor.low < floor.value < floor.high < 1
    True
    """
    generator = np.random.default_rng(rng)
    _, values = read_series(forum, measure=measure, since=since, until=until)
    if not values.any():
        raise NotAnswerableError(f"A novelty floor needs weeks with {measure}.", got="All are zero.")
    (share,), (fit,) = _fit_decay(values[None, :])
    residuals = values / fit
    sample = fit * residuals[_draw_blocks(len(values), draws, rng=generator)]
    low, high = np.quantile(_fit_decay(sample)[0], [0.5 - level / 2, 0.5 + level / 2])
    return Estimate(
        f"novelty floor share of {MEASURES[measure]} per week",
        float(share),
        low=float(low),
        high=float(high),
        level=level,
        n=len(values),
        unit="weeks",
        draws=draws,
    )


def _draw_blocks(n: int, draws: int, *, rng: np.random.Generator) -> Ints:
    """Indices of a circular block bootstrap, blocks of 4 to 8 weeks: one row per draw."""
    size = min(max(n // 8, _LEAST_BLOCK), _MOST_BLOCK)
    starts = rng.integers(0, n, (draws, -(-n // size)))
    rows = (starts[:, :, None] + np.arange(size)) % n
    return rows.reshape(draws, -1)[:, :n]


def _fit_decay(series: Floats) -> tuple[Floats, Floats]:
    """Floor share and fitted rate of each row; the best of the decay times by Poisson likelihood."""
    n = series.shape[1]
    week = np.arange(n)
    best = np.full(len(series), -np.inf)
    share, rate = np.ones(len(series)), np.zeros_like(series)
    for tau in np.geomspace(2, n / 2, _DECAYS):
        basis = np.stack([np.ones(n), np.exp(-week / tau)])
        weight = np.repeat(series.mean(axis=1, keepdims=True) / 2, 2, axis=1) + 1e-12
        for _ in range(_EM_STEPS):
            weight = weight * ((series / (weight @ basis)) @ basis.T) / basis.sum(axis=1)
            weight = np.maximum(weight, 1e-12)
        mean = weight @ basis
        likelihood = (series * np.log(mean) - mean).sum(axis=1)
        better = likelihood > best + 1e-9
        best = np.where(better, likelihood, best)
        share = np.where(better, weight[:, 0] / weight.sum(axis=1), share)
        rate = np.where(better[:, None], mean, rate)
    return share, rate
