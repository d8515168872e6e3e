"""Survival curves by hand, against scipy, and their invariances."""

import numpy as np
import pytest
from scipy import stats

import sna
from sna.stats.waits import kaplan_meier, log_rank, restricted_mean, survival_band, survival_quantile


@pytest.fixture
def waits():
    rng = np.random.default_rng(4)
    times = np.round(rng.exponential(5, 80), 1)
    return times, rng.random(80) < 0.7


def test_by_hand():
    """Six waits 1, 2, 2+, 3, 5+, 8: S = 5/6, 4/6, 4/9 and 0."""
    curve = kaplan_meier([1, 2, 2, 3, 5, 8], [True, True, False, True, False, True])
    assert curve.times.tolist() == [1, 2, 3, 8]
    assert curve.survival == pytest.approx([5 / 6, 4 / 6, 4 / 9, 0])
    assert curve.n_at_risk.tolist() == [6, 5, 3, 1]
    assert curve.variance[0] == pytest.approx(5 / 6 * 1 / 6 / 6)
    assert (curve.at(0.5), curve.at(1), curve.at(7)) == pytest.approx((1, 5 / 6, 4 / 9))
    assert survival_quantile(curve)[0] == 3
    mean, _ = restricted_mean(curve, 4)
    assert mean == pytest.approx(1 + 5 / 6 + 4 / 6 + 4 / 9)


def test_equals_scipy(waits):
    times, happened = waits
    censored = stats.CensoredData(uncensored=times[happened], right=times[~happened])
    reference = stats.ecdf(censored).sf
    curve = kaplan_meier(times, happened)
    at = np.isin(reference.quantiles, curve.times)
    assert curve.survival == pytest.approx(reference.probabilities[at])
    interval = reference.confidence_interval(method="log-log")
    low, high = survival_band(curve)
    assert low == pytest.approx(interval.low.probabilities[at])
    assert high == pytest.approx(interval.high.probabilities[at])


def test_log_rank_equals_scipy_and_two_equal_groups_do_not_differ(waits):
    times, happened = waits
    halves = [(times[k::2], happened[k::2]) for k in (0, 1)]
    reference = stats.logrank(*(stats.CensoredData(uncensored=t[h], right=t[~h]) for t, h in halves))
    statistic, df, p_value = log_rank(halves)
    assert (statistic, df, p_value) == pytest.approx((reference.statistic**2, 1, reference.pvalue))
    assert log_rank([(times, happened)] * 3) == pytest.approx((0, 2, 1))


def test_restricted_mean_without_censoring_is_the_mean_of_the_cut_waits():
    times = np.array([0.5, 2.0, 3.0, 9.0, 30.0])
    mean, error = restricted_mean(kaplan_meier(times, np.ones(5, bool)), 10.0)
    cut = np.minimum(times, 10)
    assert mean == pytest.approx(cut.mean())
    assert error == pytest.approx(cut.std(ddof=0) / np.sqrt(5))


def test_a_curve_that_never_comes_down_has_no_median():
    curve = kaplan_meier([1, 5, 5, 5], [True, False, False, False])
    value, _, high = survival_quantile(curve)
    assert value is None
    assert high is None
    assert kaplan_meier([], []).n == 0


def test_bad_waits_are_refused():
    for times, happened in (([-1.0], [True]), ([np.nan], [True]), ([1.0, 2.0], [True])):
        with pytest.raises(sna.SnaError, match="Waits are numbers"):
            kaplan_meier(times, happened)
    with pytest.raises(sna.SnaError, match="at least two groups"):
        log_rank([([1.0], [True])])
    with pytest.raises(sna.SnaError, match="needs events"):
        log_rank([([1.0], [False]), ([2.0], [False])])
