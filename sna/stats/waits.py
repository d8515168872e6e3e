"""Waiting times that may not have ended yet: Kaplan-Meier and the restricted mean.

A waiting time is censored when the observation ends before the event: it is known to be longer, not missing.
"""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sna.errors import ParameterError
from sna.types import Bools, Floats

_CURVE = {
    "time": pl.Float64,
    "n_at_risk": pl.Int64,
    "n_events": pl.Int64,
    "waiting_share": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


def kaplan_meier(waits: ArrayLike, observed: ArrayLike, *, level: float = 0.95) -> pl.DataFrame:
    """Estimate the share still waiting over time, with censored waits (Kaplan & Meier 1958; `scipy.stats.ecdf`).

    Parameters
    ----------
    waits
        Time waited until the event or until the observation ended; not negative.
    observed
        True where the event happened, False where the wait is censored.
    level
        Of the pointwise interval, on the log(-log) scale.

    Returns
    -------
    DataFrame
        ``time, n_at_risk, n_events, waiting_share, low, high``: one row per time at which an event happened, in order;
        ``waiting_share`` holds just after it. Before the first row everybody waits.

    Raises
    ------
    ParameterError
        For waits that are negative or not numbers, or arrays of different length.

    Notes
    -----
    When it misleads: when a wait is more likely to be censored the longer it would have been. The curve says nothing
    after the longest wait.

    Examples
    --------
    >>> kaplan_meier([1, 2, 2, 4], [True, True, False, True]).select("time", "n_at_risk", "waiting_share").rows()
    [(1.0, 4, 0.75), (2.0, 3, 0.5), (4.0, 1, 0.0)]
    """
    times, happened = _checked(waits, observed)
    if not happened.any():
        return pl.DataFrame(schema=_CURVE)
    share = stats.ecdf(stats.CensoredData(uncensored=times[happened], right=times[~happened])).sf
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The confidence interval is undefined")
        band = share.confidence_interval(confidence_level=level, method="log-log")
    columns = dict(zip(_CURVE, _at_events(times, happened), strict=False))
    place = np.searchsorted(share.quantiles, columns["time"])
    columns |= {"waiting_share": share.probabilities[place]}
    columns |= {"low": band.low.probabilities[place], "high": band.high.probabilities[place]}
    curve = pl.DataFrame(columns, schema=_CURVE)
    return curve.with_columns(pl.col("low", "high").fill_nan(None).fill_null(pl.col("waiting_share")))


def start_curve(curve: pl.DataFrame, n: int) -> pl.DataFrame:
    """Put the row in front of a curve that it starts from: at time 0 all ``n`` are waiting.

    Examples
    --------
    >>> start_curve(kaplan_meier([1.0], [True]), 1).select("time", "waiting_share").rows()
    [(0.0, 1.0), (1.0, 0.0)]
    """
    first = pl.DataFrame([(0.0, n, 0, 1.0, 1.0, 1.0)], schema=_CURVE, orient="row")
    return pl.concat([first, curve])


def _at_events(times: Floats, happened: Bools) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Times of events, how many were still waiting just before each, and how many events there were."""
    distinct, n_events = np.unique(times[happened], return_counts=True)
    return distinct, len(times) - np.searchsorted(np.sort(times), distinct, side="left"), n_events


def survival_quantile(curve: pl.DataFrame, share: float = 0.5) -> tuple[float | None, float | None, float | None]:
    """Time by which ``share`` of all have had the event, with its interval (Brookmeyer & Crowley 1982).

    Parameters
    ----------
    curve
        From `kaplan_meier`; the interval has its level.
    share
        Of all who waited.

    Returns
    -------
    tuple
        ``value, low, high``; None where the curve does not come down that far.

    Examples
    --------
    >>> survival_quantile(kaplan_meier([1, 2, 3, 4], [True] * 4))
    (2.0, 1.0, 4.0)
    """
    reached = [curve.filter(pl.col(name) <= 1 - share + 1e-12)["time"] for name in ("waiting_share", "low", "high")]
    value, low, high = (None if times.is_empty() else float(times[0]) for times in reached)
    return value, low, high


def restricted_mean(waits: ArrayLike, observed: ArrayLike, *, horizon: float) -> tuple[float, Floats]:
    """Mean wait up to a horizon (the area under the Kaplan-Meier curve), and the part of each wait in its error.

    Parameters
    ----------
    waits, observed
        As in `kaplan_meier`. Followed for less than the horizon, the curve is carried on flat: a bound from above.
    horizon
        Waits longer than this count as this.

    Returns
    -------
    tuple
        The mean (Irwin 1949), and the influence of each wait on it, shape ``(n,)``. The influences add up to zero; the
        sum of their squares is Greenwood's variance ``sum_i A_i^2 d_i / (n_i (n_i - d_i))``, with A_i the area from
        event time t_i to the horizon. Waits that are not independent are added up within their cluster before squaring.

    Examples
    --------
    >>> mean, influence = restricted_mean([1, 3, 9], [True, True, False], horizon=5.0)
    >>> mean, influence.round(3).tolist()
    (3.0, [-0.667, 0.0, 0.667])
    """
    times, happened = _checked(waits, observed)
    distinct, n_at_risk, n_events = _at_events(times, happened & (times < horizon))
    survival = np.cumprod(1 - n_events / n_at_risk)
    areas = np.diff(np.concatenate([[0.0], distinct, [horizon]])) * np.concatenate([[1.0], survival])
    after = np.cumsum(areas[::-1])[::-1][1:]
    left = n_at_risk - n_events
    weight = np.divide(after, left, out=np.zeros(len(after)), where=left > 0)
    expected = np.concatenate([[0.0], np.cumsum(weight * n_events / n_at_risk)])
    influence = expected[np.searchsorted(distinct, times, side="right")]
    ended = happened & (times < horizon)
    influence[ended] -= weight[np.searchsorted(distinct, times[ended])]
    return float(areas.sum()), influence


def clustered_means(
    waits: ArrayLike, observed: ArrayLike, *, groups: ArrayLike, clusters: ArrayLike, horizon: float
) -> tuple[Floats, Floats, float]:
    """Restricted mean wait of each group, their covariance, and its degrees of freedom; clusters may span groups.

    Parameters
    ----------
    waits, observed, horizon
        As in `restricted_mean`.
    groups
        Number of each wait's group, 0 to k - 1.
    clusters
        Waits that may be alike for a reason of their own (one asker) have the same cluster.

    Returns
    -------
    tuple
        Means, shape ``(k,)``; covariance, shape ``(k, k)``, from influences added up within C clusters, times
        C / (C - 1); degrees of freedom: the geometric mean of C - 1 and of ``(sum v)^2 / sum v^2 - 1``, with v the
        squared influence of each cluster, which counts clusters that outweigh the rest as few. The first alone finds
        differences that are not there in up to 9 % of cases, the second alone in 2 to 4 % (docs/calibration.md).

    Examples
    --------
    >>> means, covariance, df = clustered_means(
    ...     [1, 3, 5, 7], [True] * 4, groups=[0, 0, 1, 1], clusters=[0, 1, 2, 3], horizon=9.0)
    >>> means.tolist(), covariance.round(3).tolist(), df
    ([2.0, 6.0], [[0.667, 0.0], [0.0, 0.667]], 3.0)
    """
    times, happened = _checked(waits, observed)
    group, cluster = np.asarray(groups), np.unique(np.asarray(clusters), return_inverse=True)[1]
    means, sums = np.empty(group.max() + 1), np.zeros((cluster.max() + 1, group.max() + 1))
    for k in range(len(means)):
        own = group == k
        means[k], influence = restricted_mean(times[own], happened[own], horizon=horizon)
        np.add.at(sums[:, k], cluster[own], influence)
    n, size = len(sums), (sums**2).sum(axis=1)
    effective = size.sum() ** 2 / (size**2).sum() if size.any() else 1.0
    df = np.sqrt((effective - 1) * (n - 1))
    return means, sums.T @ sums * n / max(n - 1, 1), float(df)


def _checked(waits: ArrayLike, observed: ArrayLike) -> tuple[Floats, Bools]:
    times, happened = np.asarray(waits, dtype=np.float64), np.asarray(observed, dtype=bool)
    if times.shape != happened.shape or times.ndim != 1 or not (times >= 0).all():
        raise ParameterError(
            "Waits are numbers of at least 0, each with a flag.",
            got=f"Got {times.shape} waits, {happened.shape} flags.",
        )
    return times, happened
