"""Partial pooling: rates, shares and means of many people, pulled towards what their peers do.

Two right answers of two are not better than 180 of 200. Each function estimates from all people how much people
really differ (empirical Bayes) and pulls each person towards the expectation by as much as their data are thin.
Sources: Robbins (1956); Efron & Morris (1975); Clayton & Kaldor (1987) for rates; Koenker & Mizera (2014) for the
non-parametric prior; Henderson & Newton (2016) and Gu & Koenker (2023) for selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats
from scipy.special import betaln, digamma, gammainc, gammaincc, gammaln, logsumexp

from sna.errors import ParameterError
from sna.types import Floats

SHRINKAGE_COLUMNS = ("expected", "estimate", "low", "high", "prob_above")
_LOG_SHAPE = (-5.0, 8.0)
_SHAPE_SD = 2.0
_NODE_STEP = 0.1
_GROUP_SD = 1.0
_SMALL_GROUP = 5
_COVARIATE_SD = 1.0
# A covariate may change what is expected by at most this factor per standard deviation (log scale): with a free slope,
# one that follows the outcome would predict that the busiest helper should have helped thousands of times.
_COVARIATE_LIMIT = 0.5
# A covariate in which hardly anybody differs would be an effect of its own for the few who do.
_COVARIATE_SPREAD = 0.1
_COVARIATE_RANGE = 2.5
_GRID = 120


@dataclass(frozen=True)
class RateModel:
    """A gamma-Poisson (NB2) model of counts: expected count per row, and the shape of the prior of the rate ratio.

    ``theta ~ Gamma(shape, shape)`` has mean 1 and variance ``1 / shape``.
    """

    expected: Floats
    shape: float


def shrink_rates(
    counts: ArrayLike,
    exposure: ArrayLike,
    *,
    group: Sequence[str | None] | None = None,
    covariates: ArrayLike | None = None,
    factor: float = 1.5,
    level: float = 0.95,
    prior: str = "gamma",
    exposure_error: float = 0.0,
) -> pl.DataFrame:
    """Ratio of each person's rate to the rate their group and exposure predict, partially pooled.

    ``count ~ Poisson(expected * theta)``, ``log expected = log exposure + group + covariates``,
    ``theta ~ Gamma(a, a)`` by marginal maximum likelihood (NB2); the posterior is
    ``Gamma(count + a, expected + a)``. With ``prior="npmle"`` the prior of theta is any distribution on a grid
    (Kiefer-Wolfowitz, by EM): a robustness check that does not assume the gamma's tail.

    Parameters
    ----------
    counts, exposure
        One value per person: acts, and chances to act. Rows with exposure 0 get nulls.
    group
        Peer group of each person (null is a group of its own). People of groups of fewer than 5 are compared with the
        average of the others; group effects are themselves pulled to 0 (normal, sd 1 on the log scale).
    covariates
        Array of shape (n,) or (n, k), such as log tenure; standardised here and cut at 2.5 standard deviations. The
        slope of each lies between -0.5 and 0.5 per standard deviation, on the log scale. One whose standard deviation
        is below 0.1 is left out.
    factor
        The c of ``prob_above = P(theta >= c)``.
    level
        Of the posterior interval ``low .. high``.
    exposure_error
        Log standard deviation of the error in each person's exposure: 0.3 means known to about 30 %. It is integrated
        over numerically, so that theta must stand out by more than exposure may be wrong. People are
        taken to differ by at least as much (a at most 1 / error squared).

    Returns
    -------
    DataFrame
        ``expected`` (count), ``estimate`` (posterior mean of theta), ``low``, ``high``, ``prob_above``; rows as given.

    Raises
    ------
    ParameterError
        For negative or unequally long input, or an unknown prior.

    Notes
    -----
    When it misleads: when exposure is measured wrongly, theta rewards those whose exposure was under-counted. The
    interval ignores the uncertainty of the prior itself; with fewer than about 30 people it is too narrow.

    Examples
    --------
    >>> frame = shrink_rates([0, 1, 2, 30], [10, 10, 10, 10])
    >>> frame["estimate"].round(1).to_list()
    [0.0, 0.2, 0.3, 3.5]
    """
    count, chance = _pair(counts, exposure, "counts", "exposure")
    usable = chance > 0
    if not usable.any():
        return _nulls(count.size)
    groups = None if group is None else np.array([value or "" for value in group], dtype=object)[usable]
    extra = None if covariates is None else np.asarray(covariates, dtype=float).reshape(count.size, -1)[usable]
    model = fit_rates(count[usable], chance[usable], group=groups, covariates=extra)
    options = {"factor": factor, "level": level, "error": exposure_error}
    if prior == "npmle":
        columns = _grid_posterior(count[usable], model.expected, **options)
    elif prior != "gamma":
        raise ParameterError("prior is 'gamma' or 'npmle'.", got=f"Got {prior!r}.")
    elif exposure_error > 0:
        columns = _mixed_posterior(count[usable], model, **options)
    else:
        columns = gamma_posterior(count[usable], model, factor=factor, level=level)
    return _spread([model.expected, *columns], usable)


def fit_rates(
    counts: Floats, exposure: Floats, *, group: NDArray[np.object_] | None = None, covariates: Floats | None = None
) -> RateModel:
    """Fit the NB2 model of `shrink_rates` by penalised marginal maximum likelihood (L-BFGS, exact gradient)."""
    design, precision = _design(counts.size, group, covariates)
    offset = np.log(exposure)
    start = np.zeros(design.shape[1] + 1)
    start[0] = np.log((counts.sum() + 0.5) / exposure.sum())

    def loss(p: Floats) -> tuple[float, Floats]:
        return _nb_loss(p, counts=counts, design=design, offset=offset, precision=precision)

    n_covariates = 0 if covariates is None else int((covariates.std(axis=0) > _COVARIATE_SPREAD).sum())
    bounds = [(-30.0, 30.0)] * (design.shape[1] - n_covariates)
    bounds += [(-_COVARIATE_LIMIT, _COVARIATE_LIMIT)] * n_covariates + [_LOG_SHAPE]
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return RateModel(np.exp(design @ found.x[:-1] + offset), float(np.exp(found.x[-1])))


def gamma_posterior(counts: Floats, model: RateModel, *, factor: float, level: float) -> list[Floats]:
    """Mean, interval and ``P(theta >= factor)`` of ``Gamma(count + a, expected + a)``."""
    shape, rate = counts + model.shape, model.expected + model.shape
    tail = (1 - level) / 2
    low, high = (stats.gamma.ppf(q, shape, scale=1 / rate) for q in (tail, 1 - tail))
    return [shape / rate, low, high, stats.gamma.sf(factor, shape, scale=1 / rate)]


def _mixed_posterior(counts: Floats, model: RateModel, *, factor: float, level: float, error: float) -> list[Floats]:
    """As `gamma_posterior`, with the exposure's error integrated over: a mixture of gammas, one per node."""
    nodes, weights = error_nodes(error)
    mean = model.expected[:, None] * nodes[None]
    y = counts[:, None]

    def log_marginal(a: float) -> Floats:
        fit = gammaln(y + a) - gammaln(a) + a * np.log(a / (a + mean)) + y * np.log(mean / (a + mean))
        return fit + np.log(weights)

    def loss(log_a: float) -> float:
        return float(log_a**2 / (2 * _SHAPE_SD**2) - logsumexp(log_marginal(np.exp(log_a)), axis=1).sum())

    # People differ at least as much as the record of their chances errs; else one outlier would pass for an error.
    widest = (_LOG_SHAPE[0], max(_LOG_SHAPE[0] + 1, min(_LOG_SHAPE[1], -2 * np.log(error))))
    a = float(np.exp(optimize.minimize_scalar(loss, bounds=widest, method="bounded").x))
    log_post = log_marginal(a)
    share = np.exp(log_post - logsumexp(log_post, axis=1, keepdims=True))
    shape, rate = y + a, mean + a
    tail = (1 - level) / 2
    low, high = (_mixed_quantile(q, shape, rate, share) for q in (tail, 1 - tail))
    above = (share * gammaincc(shape, rate * factor)).sum(axis=1)
    return [(share * shape / rate).sum(axis=1), low, high, above]


def _mixed_quantile(q: float, shape: Floats, rate: Floats, share: Floats) -> Floats:
    """Quantile of each row's mixture of gammas: Newton steps on the log scale from the gamma of equal moments."""
    mean = (share * shape / rate).sum(axis=1)
    spread = (share * shape * (shape + 1) / rate**2).sum(axis=1) - mean**2
    x = np.log(np.maximum(stats.gamma.ppf(q, mean**2 / spread, scale=spread / mean), 1e-12))
    log_constant = shape * np.log(rate) - gammaln(shape)
    for _ in range(8):
        value = np.exp(x)[:, None]
        cumulative = (share * gammainc(shape, rate * value)).sum(axis=1)
        slope = (share * np.exp(log_constant + shape * np.log(value) - rate * value)).sum(axis=1)
        step = np.clip((cumulative - q) / np.maximum(slope, 1e-12), -0.7, 0.7)
        x = np.maximum(x - step, np.log(1e-12))
        if np.abs(step).max() < 1e-7:
            return np.exp(x)
    rows = np.flatnonzero(np.abs(step) >= 1e-7)
    x[rows] = _bisect(q, shape[rows], rate[rows], share[rows])
    return np.exp(x)


def _bisect(q: float, shape: Floats, rate: Floats, share: Floats) -> Floats:
    """Logs of the quantiles between those of the first and the last component."""
    ends = np.log(np.maximum(stats.gamma.ppf(q, shape, scale=1 / rate), 1e-12))
    low, high = ends.min(axis=1), ends.max(axis=1)
    for _ in range(45):
        middle = (low + high) / 2
        below = (share * gammainc(shape, rate * np.exp(middle)[:, None])).sum(axis=1) < q
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def error_nodes(error: float) -> tuple[Floats, Floats]:
    """Multipliers of mean 1 and their weights, for a log-normal error of this log standard deviation.

    Evenly spaced over four standard deviations, a tenth apart on the log scale or closer: with fewer nodes the
    probabilities of people with many acts would jump from node to node.

    Examples
    --------
    >>> nodes, weights = error_nodes(0.3)
    >>> round(float(nodes @ weights), 6), round(float(nodes**2 @ weights), 3)
    (1.0, 1.094)
    """
    if not 0 <= error <= 2:
        raise ParameterError("The log standard deviation of exposure lies between 0 and 2.", got=f"Got {error}.")
    steps = max(4, int(np.ceil(4 * error / _NODE_STEP)))
    points = np.linspace(-4.0, 4.0, 2 * steps + 1)
    weights = np.exp(-(points**2) / 2)
    weights /= weights.sum()
    nodes = np.exp(error * points)
    return nodes / (nodes @ weights), weights


def shrink_shares(
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    expected_share: ArrayLike | None = None,
    factor: float = 1.0,
    level: float = 0.95,
) -> pl.DataFrame:
    """Each person's share of successes relative to the share expected, partially pooled (beta-binomial).

    ``successes ~ Binomial(trials, p)``, ``p ~ Beta(m s, (1 - m) s)`` with ``m`` the expected share of that
    person's trials and ``s`` the precision shared by all (marginal maximum likelihood). Everything is given
    as a ratio to ``m``: 1 is as expected.

    Parameters
    ----------
    successes, trials
        One value per person. Rows without trials get nulls.
    expected_share
        Expected share of each person's trials (from their strata); the overall share when not given.
    factor, level
        ``prob_above = P(p / m >= factor)``; level of the posterior interval.

    Returns
    -------
    DataFrame
        ``expected`` (successes), ``estimate`` (posterior mean of p / m), ``low``, ``high``, ``prob_above``.

    Raises
    ------
    ParameterError
        When successes exceed trials, or for negative or unequally long input.

    Notes
    -----
    When it misleads: expected shares near 1 leave no room above; a ratio cannot exceed 1 / m.

    Examples
    --------
    >>> shrink_shares([2, 180], [2, 200], expected_share=[0.6, 0.6])["estimate"].round(2).to_list()
    [1.29, 1.49]
    """
    success, trial = _pair(successes, trials, "successes", "trials")
    if (success > trial).any():
        raise ParameterError("successes are at most trials.", got=f"{int((success > trial).sum())} rows have more.")
    usable = trial > 0
    if not usable.any():
        return _nulls(success.size)
    k, n = success[usable], trial[usable]
    mean = np.full(k.size, (k.sum() + 0.5) / (n.sum() + 1.0))
    if expected_share is not None:
        mean = np.asarray(expected_share, dtype=float)[usable]
    mean = np.clip(mean, 1e-4, 1 - 1e-4)
    precision = fit_precision(k, n, mean=mean)
    a, b = k + mean * precision, n - k + (1 - mean) * precision
    tail = (1 - level) / 2
    low, high = (stats.beta.ppf(q, a, b) / mean for q in (tail, 1 - tail))
    above = stats.beta.sf(np.minimum(factor * mean, 1.0), a, b)
    return _spread([mean * n, a / (a + b) / mean, low, high, above], usable)


def fit_precision(successes: Floats, trials: Floats, *, mean: Floats) -> float:
    """Precision ``s`` of the beta prior by marginal maximum likelihood, with a weak pull towards 10.

    Examples
    --------
    >>> alike, apart = np.full(50, 5.0), np.repeat([0.0, 10.0], 25)
    >>> ten, half = np.full(50, 10.0), np.full(50, 0.5)
    >>> fit_precision(alike, ten, mean=half) > 50 > 1 > fit_precision(apart, ten, mean=half)
    True
    """

    def loss(log_s: float) -> float:
        a, b = mean * np.exp(log_s), (1 - mean) * np.exp(log_s)
        fit = (betaln(successes + a, trials - successes + b) - betaln(a, b)).sum()
        return float(-fit + (log_s - np.log(10)) ** 2 / (2 * _SHAPE_SD**2))

    return float(np.exp(optimize.minimize_scalar(loss, bounds=(-3.0, 9.0), method="bounded").x))


def shrink_means(values: ArrayLike, variances: ArrayLike, *, level: float = 0.95) -> pl.DataFrame:
    """Partially pooled means (normal-normal): ``estimate, low, high``; rows with null variance get nulls.

    The variance between people is DerSimonian and Laird's moment estimate; each mean keeps the share
    ``between / (between + own variance)`` of its distance from the precision-weighted overall mean.

    Examples
    --------
    >>> shrink_means([0.0, 0.0, 6.0], [1.0, 1.0, 1.0])["estimate"].round(2).to_list()
    [0.17, 0.17, 5.67]
    """
    x, v = np.asarray(values, dtype=float), np.asarray(variances, dtype=float)
    usable = np.isfinite(x) & np.isfinite(v) & (v > 0)
    if usable.sum() < 2:
        return _nulls(x.size).select("estimate", "low", "high")
    weight = 1 / v[usable]
    mean = np.average(x[usable], weights=weight)
    excess = (weight * (x[usable] - mean) ** 2).sum() - (usable.sum() - 1)
    between = max(excess / (weight.sum() - (weight**2).sum() / weight.sum()), 0.0)
    keep = between / (between + v[usable])
    centre = np.average(x[usable], weights=1 / (between + v[usable]))
    half = stats.norm.ppf((1 + level) / 2) * np.sqrt(keep * v[usable])
    estimate = centre + keep * (x[usable] - centre)
    blank = np.full(estimate.size, np.nan)
    return _spread([blank, estimate, estimate - half, estimate + half, blank], usable).select("estimate", "low", "high")


def james_stein(values: ArrayLike, *, variance: float) -> tuple[Floats, float]:
    """Efron and Morris' estimator towards the grand mean, for equal known variances: estimates and factor c.

    ``c = 1 - (k - 3) * variance / sum((x - mean)^2)``, not below 0.

    Examples
    --------
    >>> estimates, c = james_stein([1.0, 2.0, 3.0, 4.0, 5.0], variance=1.0)
    >>> round(c, 3), estimates.round(2).tolist()
    (0.8, [1.4, 2.2, 3.0, 3.8, 4.6])
    """
    x = np.asarray(values, dtype=float)
    if x.size < 4:
        raise ParameterError("Shrinking towards the grand mean needs at least 4 values.", got=f"Got {x.size}.")
    spread = ((x - x.mean()) ** 2).sum()
    c = max(0.0, 1 - (x.size - 3) * variance / spread) if spread > 0 else 0.0
    return x.mean() + c * (x - x.mean()), float(c)


def estimate_exposure_error(counts: tuple[ArrayLike, ArrayLike], exposure: tuple[ArrayLike, ArrayLike]) -> float:
    """Log standard deviation of the error in each person's exposure, from two halves of the data.

    Given a person's total ``n``, the first half's count is binomial with share ``p`` = first exposure / both, if the
    exposures are right. Errors of the two halves that are independent add ``n (n - 1) p^2 (1 - p)^2 t^2`` to its
    variance; ``t^2`` is the moment estimate over all people, and the error of the two halves together is ``t / 2``.

    Parameters
    ----------
    counts, exposure
        Acts and chances in the first and in the second half, one value per person; exposures above 0.

    Returns
    -------
    float
        At most 1; 0 when counts divide no more unevenly than chance does.

    Notes
    -----
    When it misleads: an error that is the same in both halves cannot be seen.

    Examples
    --------
    >>> estimate_exposure_error(([10], [0]), ([1], [1]))
    1.0
    >>> estimate_exposure_error(([5, 5], [5, 5]), ([1, 1], [1, 1]))
    0.0
    """
    first, second = _pair(counts[0], counts[1], "the first counts", "the second counts")
    here, there = _pair(exposure[0], exposure[1], "the first exposures", "the second exposures")
    n, share = first + second, here / (here + there)
    even = share * (1 - share)
    excess = ((first - n * share) ** 2 - n * even).sum()
    scale = (n * (n - 1) * even**2).sum()
    return float(min(np.sqrt(max(excess, 0.0) / scale) / 2, 1.0)) if scale > 0 else 0.0


def select_by_local_fdr(prob_above: ArrayLike, *, fdr: float = 0.10) -> NDArray[np.bool_]:
    """The largest set whose expected share of false members, ``mean(1 - P(theta >= c))``, is at most ``fdr``.

    People with equal probability enter together or not at all, so row order does not matter. NaN never enters.

    Examples
    --------
    >>> select_by_local_fdr([0.99, 0.9, 0.8, 0.2], fdr=0.11).tolist()
    [True, True, True, False]
    """
    prob = np.nan_to_num(np.asarray(prob_above, dtype=float), nan=-1.0)
    if not 0 < fdr < 1:
        raise ParameterError("fdr lies between 0 and 1.", got=f"Got {fdr}.")
    order = np.argsort(-prob, kind="stable")
    ranked = prob[order]
    false_share = np.cumsum(1 - ranked) / np.arange(1, prob.size + 1)
    ends_tie = np.append(ranked[:-1] != ranked[1:], True)[: prob.size]
    good = np.flatnonzero((false_share <= fdr + 1e-12) & ends_tie & (ranked >= 0))
    chosen = np.zeros(prob.size, dtype=bool)
    if good.size:
        chosen[order[: good[-1] + 1]] = True
    return chosen


def fit_npmle(
    counts: ArrayLike, expected: ArrayLike, *, n_steps: int = 400, error: float = 0.0
) -> tuple[Floats, Floats]:
    """Non-parametric maximum-likelihood prior of theta: grid points and their weights.

    EM on 120 log-spaced points between 0.02 and 12 (wider when the data are), on rows pooled by equal count and
    near-equal (2 %) expectation.

    Examples
    --------
    >>> grid, weight = fit_npmle([1] * 50 + [40] * 50, [10] * 100)
    >>> round(float(weight[grid < 1].sum()), 2)
    0.5
    """
    y, e = _pair(counts, expected, "counts", "expected")
    top = max(12.0, float(np.max((y + 1) / (e + 1))) * 1.5)
    grid = np.exp(np.linspace(np.log(0.02), np.log(top), _GRID))
    cells, sizes = np.unique(np.c_[y, np.round(np.log(e) * 50)], axis=0, return_counts=True)
    likelihood = _likelihood(cells[:, 0], np.exp(cells[:, 1] / 50), grid, error=error)
    weight = np.full(_GRID, 1 / _GRID)
    share = sizes / sizes.sum()
    for _ in range(n_steps):
        weight = weight * (likelihood.T @ (share / (likelihood @ weight)))
    return grid, weight / weight.sum()


def _grid_posterior(counts: Floats, expected: Floats, *, factor: float, level: float, error: float) -> list[Floats]:
    grid, weight = fit_npmle(counts, expected, error=error)
    post = _likelihood(counts, expected, grid, error=error) * weight
    post /= post.sum(axis=1, keepdims=True)
    cumulative = np.cumsum(post, axis=1)
    tail = (1 - level) / 2
    low, high = (grid[np.minimum((cumulative < q).sum(axis=1), grid.size - 1)] for q in (tail, 1 - tail))
    return [post @ grid, low, high, post[:, grid >= factor].sum(axis=1)]


def _likelihood(counts: Floats, expected: Floats, grid: Floats, *, error: float) -> Floats:
    """Likelihood of each row at each grid point, error of exposure integrated over, scaled to at most 1 per row."""
    log = np.full((counts.size, grid.size), -np.inf)
    for node, weight in zip(*error_nodes(error), strict=True) if error > 0 else ((1.0, 1.0),):
        mean = expected[:, None] * (grid[None] * node)
        log = np.logaddexp(log, counts[:, None] * np.log(mean) - mean + np.log(weight))
    return np.exp(log - log.max(axis=1, keepdims=True))


def _nb_loss(p: Floats, *, counts: Floats, design: Floats, offset: Floats, precision: Floats) -> tuple[float, Floats]:
    """Penalised negative log-likelihood of the NB2 model and its gradient."""
    a = np.exp(p[-1])
    mu = np.exp(np.clip(design @ p[:-1] + offset, -700, 50))
    log_lik = (
        gammaln(counts + a) - gammaln(a) + a * np.log(a) - (a + counts) * np.log(a + mu) + counts * np.log(mu)
    ).sum()
    d_eta = a * (counts - mu) / (a + mu)
    d_a = (digamma(counts + a) - digamma(a) + np.log(a) + 1 - np.log(a + mu) - (a + counts) / (a + mu)).sum()
    penalty = 0.5 * (precision * p[:-1] ** 2).sum() + 0.5 * (p[-1] / _SHAPE_SD) ** 2
    gradient = np.append(-(design.T @ d_eta) + precision * p[:-1], -a * d_a + p[-1] / _SHAPE_SD**2)
    return float(penalty - log_lik), gradient


def _design(n: int, group: NDArray[np.object_] | None, covariates: Floats | None) -> tuple[Floats, Floats]:
    """Intercept, one column per large enough group, standardised covariates; and the penalty of each."""
    columns, precision = [np.ones(n)], [0.0]
    if group is not None:
        names, sizes = np.unique(group.astype(str), return_counts=True)
        large, weight = names[sizes >= _SMALL_GROUP], sizes[sizes >= _SMALL_GROUP]
        elsewhere = ~np.isin(group.astype(str), large)
        for name, share in zip(large, weight / max(weight.sum(), 1), strict=True) if large.size > 1 else ():
            # People of small groups get the average of the large ones, not an effect of their own.
            columns.append(np.where(elsewhere, share, group == name))
            precision.append(1 / _GROUP_SD**2)
    if covariates is not None:
        spread = covariates.std(axis=0)
        for j in np.flatnonzero(spread > _COVARIATE_SPREAD):
            standard = (covariates[:, j] - covariates[:, j].mean()) / spread[j]
            columns.append(np.clip(standard, -_COVARIATE_RANGE, _COVARIATE_RANGE))
            precision.append(1 / _COVARIATE_SD**2)
    return np.column_stack(columns), np.array(precision)


def _pair(first: ArrayLike, second: ArrayLike, name: str, other: str) -> tuple[Floats, Floats]:
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise ParameterError(f"{name} and {other} hold one value per person.", got=f"Shapes {a.shape} and {b.shape}.")
    if (a < 0).any() or (b < 0).any() or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ParameterError(f"{name} and {other} are finite and not negative.", got="Some are not.")
    return a, b


def _spread(columns: list[Floats], usable: NDArray[np.bool_]) -> pl.DataFrame:
    """Put columns computed on the usable rows back in place, null elsewhere."""
    frame = {}
    for name, values in zip(SHRINKAGE_COLUMNS, columns, strict=True):
        full = np.full(usable.size, np.nan)
        full[usable] = values
        frame[name] = pl.Series(name, full).fill_nan(None)
    return pl.DataFrame(frame)


def _nulls(n: int) -> pl.DataFrame:
    return pl.DataFrame({name: pl.Series(name, [None] * n, dtype=pl.Float64) for name in SHRINKAGE_COLUMNS})
