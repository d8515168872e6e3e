"""Did the weekly level change?"""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.results import Estimate
from sna.types import Floats, Moment
from sna.vitality.momentum import weekly_momentum

MEASURES = {"n_active": "people active", "n_posts": "posts", "n_new": "new people"}
LEAST_SEGMENT_WEEKS = 4
_LEAST_BLOCK, _MOST_BLOCK = 4, 8


def read_series(forum: Forum, *, measure: str, since: Moment, until: Moment) -> tuple[list[datetime], Floats]:
    """Complete weeks and the measure in them."""
    if measure not in MEASURES:
        raise ParameterError(f"measure is one of {', '.join(MEASURES)}.", got=f"Got {measure!r}.")
    table = weekly_momentum(forum, since=since, until=until).filter("is_complete")
    if table.height < 4 * LEAST_SEGMENT_WEEKS:
        raise NotAnswerableError(
            f"A change over time needs at least {4 * LEAST_SEGMENT_WEEKS} complete weeks.",
            got=f"Got {table.height}.",
        )
    return table["week"].to_list(), table[measure].to_numpy().astype(np.float64)


def momentum_change(
    forum: Forum,
    *,
    measure: str = "n_active",
    since: Moment = None,
    until: Moment = None,
    draws: int = 999,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> Estimate:
    """Did the weekly level change, when, and by how much? One change point against shuffled blocks of weeks.

    Parameters
    ----------
    forum, since, until
        Complete weeks only.
    measure
        "n_active", "n_posts" or "n_new".
    draws
        Of the null and of the bootstrap.
    level, rng
        Of the interval; the source of chance.

    Returns
    -------
    Estimate
        The mean per week after the change divided by that before it; the measure names the week. The interval
        resamples blocks within both segments and holds the week fixed.

    Raises
    ------
    NotAnswerableError
        With fewer than 16 complete weeks.

    Notes
    -----
    Statistic: the largest standardised CUSUM of log(1 + x), segments of at least 4 weeks. Null: blocks of 4 to 8
    weeks (an eighth of the period) in random order, which keeps short memory and holidays within blocks and destroys
    change; not an information criterion, because weekly counts are autocorrelated, where those see changes everywhere.
    False alarms at 5 % over 80 weeks: 3.5 % without memory, 4 % and 12 % with correlations of 0.3 and 0.6 between
    neighbouring weeks.

    When it misleads: strong memory (see above); a slow trend also gives a change point, somewhere in the middle; there
    may be several.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> momentum_change(load_example(), measure="n_posts", rng=0).value < 0.8
    True
    """
    generator = np.random.default_rng(rng)
    weeks, values = read_series(forum, measure=measure, since=since, until=until)
    logs = np.log1p(values)
    (at,), (height,) = _split(logs[None, :])
    shuffled = np.stack([logs[_shuffle_blocks(len(logs), generator)] for _ in range(draws)])
    larger = int((_split(shuffled)[1] >= height - 1e-12).sum())
    ratios = _ratio_draws(values, int(at), draws, generator)
    low, high = (
        (None, None) if not np.isfinite(ratios).all() else np.quantile(ratios, [0.5 - level / 2, 0.5 + level / 2])
    )
    before = values[:at].mean()
    return Estimate(
        f"{MEASURES[measure]} per week from {weeks[at]:%Y-%m-%d} on, relative to before",
        float(values[at:].mean() / before) if before else float("inf"),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        level=level,
        expected=1.0,
        p_value=(1 + larger) / (1 + draws),
        null="shuffled blocks of weeks",
        n=len(values),
        unit="weeks",
        draws=draws,
    )


def _split(series: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Best split of each row and its standardised CUSUM: ``|S_k - k/n S_n| / sqrt(k (n - k) / n)``."""
    n = series.shape[1]
    k = np.arange(LEAST_SEGMENT_WEEKS, n - LEAST_SEGMENT_WEEKS + 1)
    sums = np.cumsum(series, axis=1)
    gap = np.abs(sums[:, k - 1] - k / n * sums[:, -1:]) / np.sqrt(k * (n - k) / n)
    best = gap.argmax(axis=1)
    return k[best], gap[np.arange(len(best)), best]


def _block_weeks(n: int) -> int:
    return min(max(n // 8, _LEAST_BLOCK), _MOST_BLOCK)


def _shuffle_blocks(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Week numbers with blocks in random order, starting from a random place in a circle."""
    start = int(rng.integers(0, n))
    order = (start + np.arange(n)) % n
    size = _block_weeks(n)
    blocks = [order[i : i + size] for i in range(0, n, size)]
    return np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])


def draw_blocks(n: int, draws: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of a circular block bootstrap: one row per draw."""
    size = min(_block_weeks(n), n)
    starts = rng.integers(0, n, (draws, -(-n // size)))
    rows = (starts[:, :, None] + np.arange(size)) % n
    return rows.reshape(draws, -1)[:, :n]


def _ratio_draws(values: Floats, at: int, draws: int, rng: np.random.Generator) -> Floats:
    before = values[:at][draw_blocks(at, draws, rng=rng)].mean(axis=1)
    after = values[at:][draw_blocks(len(values) - at, draws, rng=rng)].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return after / before
