"""A synthetic log of interactions: power-law activity, home communities, repeated pairs, growth over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

COMMUNITIES = 400
PIECE = 1_000_000
START_US, PERIOD_US = 1_500_000_000_000_000, 150_000_000_000_000


def make_events(n_events: int, *, n_people: int | None = None, text: bool = False, rng: int = 1) -> pl.DataFrame:
    """Columns ``at, source, target``; ids are sparse integers, or texts such as "u100003".

    Activity is Pareto with tail exponent 1.15; 70 % of the interactions stay in the home community; 40 % repeat an
    earlier pair, half of these the other way round. By default there is one person per 40 events.
    """
    generator = np.random.default_rng(rng)
    m = n_people or max(n_events // 40, 100)
    source, target = _draw_pairs(generator, n_events, m)
    repeat = np.flatnonzero(generator.random(n_events) < 0.4)[1:]
    earlier = (generator.random(repeat.size) * repeat).astype(np.int64)
    flip = generator.random(repeat.size) < 0.5
    s, t = source[earlier], target[earlier]
    source[repeat], target[repeat] = np.where(flip, t, s), np.where(flip, s, t)
    at = START_US + np.sort((np.sqrt(generator.random(n_events)) * PERIOD_US).astype(np.int64))
    ids = pl.Series(generator.permutation(np.arange(m, dtype=np.int64) * 37 + 100_003))
    ids = pl.select(pl.format("u{}", ids)).to_series() if text else ids
    frame = {"at": pl.Series(at).cast(pl.Datetime("us", "UTC")), "source": ids.gather(source)}
    return pl.DataFrame({**frame, "target": ids.gather(target)})


def write_events(path: Path, n_events: int, *, text: bool = False) -> Path:
    """The same as a Parquet file, made and written in pieces of at most ten million events."""
    pieces = []
    for i, start in enumerate(range(0, n_events, 10 * PIECE)):
        size = min(10 * PIECE, n_events - start)
        pieces.append(path.with_suffix(f".{i}"))
        make_events(size, n_people=max(n_events // 40, 100), text=text, rng=i + 1).write_parquet(pieces[-1])
    pl.scan_parquet(pieces).sink_parquet(path, compression="zstd", row_group_size=PIECE)
    for piece in pieces:
        piece.unlink()
    return path


def _draw_pairs(generator: np.random.Generator, n: int, m: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    sizes = generator.zipf(1.6, COMMUNITIES).clip(1, 500).astype(float)
    home = np.sort(generator.choice(COMMUNITIES, m, p=sizes / sizes.sum()))
    acts = np.cumsum((1 + generator.pareto(1.15, m)).clip(max=m / 20))
    draws = np.cumsum((1 + generator.pareto(1.15, m)).clip(max=m / 20))
    source = np.searchsorted(acts, generator.random(n) * acts[-1]).clip(max=m - 1)
    first = np.searchsorted(home, np.arange(COMMUNITIES))
    last = np.searchsorted(home, np.arange(COMMUNITIES), side="right")
    low = np.concatenate([[0.0], draws])[first[home[source]]]
    high = np.concatenate([[0.0], draws])[last[home[source]]]
    local = generator.random(n) < 0.7
    u = generator.random(n)
    target = np.searchsorted(draws, np.where(local, low + u * (high - low), u * draws[-1])).clip(max=m - 1)
    return source.astype(np.int64), target.astype(np.int64)
