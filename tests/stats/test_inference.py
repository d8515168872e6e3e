"""Monte-Carlo p-values, adjustment, jackknife and bootstrap against values worked out by hand or by scipy."""

import numpy as np
import pytest
from scipy import stats

import sna
from sna.stats.inference import (
    adjust_p,
    bootstrap_interval,
    jackknife_groups,
    jackknife_interval,
    logit,
    monte_carlo_p,
    normal_p,
    wilson_interval,
)


def test_a_monte_carlo_p_is_never_zero():
    assert monte_carlo_p(100.0, np.zeros(99), alternative="greater") == pytest.approx(0.01)
    assert monte_carlo_p(100.0, np.zeros(99)) == pytest.approx(0.02)


def test_ties_count_against_the_finding():
    assert monte_carlo_p(1.0, [1.0, 1.0, 0.0], alternative="greater") == pytest.approx(3 / 4)
    assert monte_carlo_p(1.0, [1.0, 1.0, 1.0]) == 1.0
    assert monte_carlo_p(0.1 + 0.2, [0.3], alternative="greater") == 1.0


def test_p_values_of_many_statistics_at_once():
    draws = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]])
    assert monte_carlo_p([0.0, 8.0], draws, alternative="less") == pytest.approx([0.25, 1.0])


def test_monte_carlo_p_is_uniform_under_the_null():
    sample = np.random.default_rng(1).normal(size=(40, 4000))
    p = monte_carlo_p(sample[0], sample[1:])
    assert abs((p <= 0.05).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize("bad", [{"alternative": "both"}, {"draws": []}])
def test_bad_requests_are_refused(bad):
    with pytest.raises(sna.SnaError):
        monte_carlo_p(1.0, bad.pop("draws", [1.0]), **bad)


def test_holm_and_bh_by_hand():
    raw = [0.01, 0.02, 0.03, 0.5]
    assert adjust_p(raw) == pytest.approx([0.04, 0.06, 0.06, 0.5])
    assert adjust_p(raw, method="bh") == pytest.approx([0.04, 0.04, 0.04, 0.5])
    assert adjust_p(raw, method="bh") == pytest.approx(stats.false_discovery_control(raw))


def test_adjustment_keeps_order_skips_nan_and_stays_below_one():
    adjusted = adjust_p([0.9, np.nan, 0.001, 0.8])
    assert np.isnan(adjusted[1])
    assert adjusted[[2, 3, 0]] == pytest.approx([0.003, 1.0, 1.0])
    assert adjust_p([]).size == 0


def test_an_unknown_adjustment_is_refused():
    with pytest.raises(sna.SnaError, match="holm"):
        adjust_p([0.1], method="none")


def test_jackknife_of_a_mean_equals_its_textbook_error():
    values = np.random.default_rng(2).normal(size=30)
    left_out = [np.delete(values, i).mean() for i in range(30)]
    error, low, high = jackknife_interval(values.mean(), left_out)
    assert error == pytest.approx(stats.sem(values))
    exact = stats.t.interval(0.95, 29, loc=values.mean(), scale=stats.sem(values))
    assert (low, high) == pytest.approx(exact)


def test_no_interval_from_one_group_or_an_undefined_estimate():
    assert jackknife_interval(1.0, [1.0]) == (None, None, None)
    assert jackknife_interval(1.0, [1.0, float("inf")]) == (None, None, None)
    assert jackknife_interval(float("nan"), [1.0, 2.0]) == (None, None, None)


def test_groups_are_dealt_out_in_turn():
    assert np.bincount(jackknife_groups(45)).tolist() == [3] * 5 + [2] * 15
    assert jackknife_groups(0).size == 0


def test_bootstrap_covers_the_mean():
    values = np.random.default_rng(3).normal(size=200)
    low, high = bootstrap_interval(lambda rows: float(values[rows].mean()), 200, rng=1)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * stats.sem(values), rel=0.15)
    assert bootstrap_interval(lambda rows: 0.0, 1) == (None, None)


def test_normal_p():
    assert normal_p(1.96, 0.0, variance=1.0) == pytest.approx(0.05, abs=1e-4)
    assert normal_p(3.0, 0.0, variance=0.0) == 1.0
    assert normal_p(0.4, 0.0, variance=1.0, continuity=0.5) == 1.0


def test_normal_p_is_never_zero():
    smallest = np.finfo(np.float64).tiny
    assert normal_p([1e3, -1e9, np.inf], 0.0, variance=1.0).tolist() == [smallest] * 3
    assert normal_p(30.0, 0.0, variance=1.0) == pytest.approx(2 * stats.norm.sf(30.0), rel=1e-12)


def test_logit():
    assert logit([0.5, 0.0, 1.0]).tolist() == [0.0, -np.inf, np.inf]


def test_wilson_on_paper_and_against_the_formula():
    low, high = wilson_interval([0, 3], [10, 10])
    assert (low[0], high[0]) == pytest.approx((0, 0.27753), abs=1e-5)
    z = stats.norm.ppf(0.975)
    centre, reach = 0.3 + z**2 / 20, z * np.sqrt(0.3 * 0.7 / 10 + z**2 / 400)
    assert (low[1], high[1]) == pytest.approx(((centre - reach) / (1 + z**2 / 10), (centre + reach) / (1 + z**2 / 10)))
    assert np.isnan(wilson_interval([1, np.nan], [0, 5])).all()
