"""Shrinkage against published figures, closed forms and planted rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import sna
from sna.stats.shrinkage import (
    RateModel,
    error_nodes,
    fit_npmle,
    fit_precision,
    fit_rates,
    gamma_posterior,
    james_stein,
    select_by_local_fdr,
    shrink_means,
    shrink_rates,
    shrink_shares,
)

# Efron & Morris (1975): hits of 18 players in their first 45 at-bats of 1970, and the averages in the rest.
HITS = np.array([18, 17, 16, 15, 14, 14, 13, 12, 11, 11, 10, 10, 10, 10, 10, 9, 8, 7])
SEASON = np.array([346, 298, 276, 222, 273, 270, 263, 210, 269, 230, 264, 256, 303, 264, 226, 285, 316, 200]) / 1000


def test_baseball_of_efron_and_morris():
    share = HITS / 45
    variance = share.mean() * (1 - share.mean()) / 45
    estimates, c = james_stein(share, variance=variance)
    assert c == pytest.approx(0.212, abs=5e-4)
    ratio = ((share - SEASON) ** 2).sum() / ((estimates - SEASON) ** 2).sum()
    assert ratio == pytest.approx(3.5, abs=0.05)


def test_beta_binomial_does_as_well_on_the_baseball_data():
    frame = shrink_shares(HITS, np.full(18, 45))
    estimates = (frame["estimate"] * frame["expected"] / 45).to_numpy()
    ratio = ((HITS / 45 - SEASON) ** 2).sum() / ((estimates - SEASON) ** 2).sum()
    assert ratio > 3


def test_posterior_is_the_gamma_of_the_book():
    mean, low, high, above = gamma_posterior(np.array([3.0]), RateModel(np.array([2.0]), 1.0), factor=1.5, level=0.9)
    law = stats.gamma(4, scale=1 / 3)
    assert (mean[0], low[0], high[0], above[0]) == pytest.approx((4 / 3, law.ppf(0.05), law.ppf(0.95), law.sf(1.5)))


def test_planted_shape_and_group_rates_come_back():
    rng = np.random.default_rng(1)
    group = np.repeat(["a", "b"], 4000)
    exposure = rng.gamma(2, 10, 8000)
    rate = np.where(group == "a", 0.1, 0.3)
    counts = rng.poisson(exposure * rate * rng.gamma(2.0, 0.5, 8000)).astype(float)
    model = fit_rates(counts, exposure, group=group.astype(object))
    assert model.shape == pytest.approx(2.0, rel=0.08)
    assert (model.expected / exposure)[0] == pytest.approx(0.1, rel=0.05)
    assert (model.expected / exposure)[-1] == pytest.approx(0.3, rel=0.05)


def test_gradient_of_the_fit_is_right():
    from scipy.optimize import check_grad

    from sna.stats.shrinkage import _nb_loss

    rng = np.random.default_rng(0)
    options = {
        "counts": rng.poisson(3.0, 50).astype(float),
        "design": np.c_[np.ones(50), rng.normal(size=50)],
        "offset": rng.normal(size=50),
        "precision": np.array([0.0, 1.0]),
    }
    point = np.array([0.2, -0.3, 0.4])
    gap = check_grad(lambda p: _nb_loss(p, **options)[0], lambda p: _nb_loss(p, **options)[1], point)
    assert gap < 1e-3


def test_little_data_is_pulled_to_the_expectation():
    frame = shrink_rates([1] * 50 + [4], [1.0] * 50 + [0.5])
    assert 1 < frame["estimate"][-1] < 8 * 0.98
    assert frame["low"][-1] < frame["estimate"][-1] < frame["high"][-1]


def test_small_groups_are_pooled_and_no_exposure_gives_null():
    group = ["one"] * 20 + ["two"] * 20 + ["tiny"] * 2
    frame = shrink_rates([0, 1, 2, 5] * 10 + [12, 0], [10.0] * 41 + [0.0], group=group)
    assert frame["estimate"].null_count() == 1
    assert frame["estimate"][40] > 1.5  # a group of one person must not be its own yardstick


def test_a_stated_error_of_exposure_widens_and_never_sharpens():
    rng = np.random.default_rng(5)
    counts, exposure = rng.poisson(np.r_[20 * rng.gamma(2.0, 0.5, 200), 60.0]), np.full(201, 20.0)
    exact, loose = shrink_rates(counts, exposure), shrink_rates(counts, exposure, exposure_error=0.4)
    assert loose["prob_above"][-1] < exact["prob_above"][-1]
    width = [(f["high"] / f["low"])[-1] for f in (exact, loose)]
    assert width[1] > width[0]
    none = shrink_rates(counts, exposure, exposure_error=1e-9)
    for name in ("estimate", "low", "high", "prob_above"):
        assert none[name].to_numpy() == pytest.approx(exact[name].to_numpy(), abs=2e-3)


def test_intervals_cover_what_was_drawn():
    rng = np.random.default_rng(3)
    exposure = rng.gamma(2, 3, 4000)
    theta = rng.gamma(3.0, 1 / 3, 4000)
    frame = shrink_rates(rng.poisson(exposure * theta), exposure, level=0.9)
    inside = (frame["low"].to_numpy() <= theta) & (theta <= frame["high"].to_numpy())
    assert inside.mean() == pytest.approx(0.9, abs=0.02)


def test_intervals_cover_with_exposure_known_to_half():
    rng = np.random.default_rng(4)
    exposure = rng.gamma(4, 5, 3000)
    theta = rng.gamma(3.0, 1 / 3, 3000)
    counts = rng.poisson(exposure * theta)
    recorded = exposure * np.exp(rng.normal(0, 0.5, 3000))
    cover = []
    for error in (0.0, 0.5):
        frame = shrink_rates(counts, recorded, level=0.9, exposure_error=error)
        scale = np.average(frame["expected"].to_numpy() / recorded)
        target = theta / (scale * np.exp(0.125)) if error == 0 else theta / scale
        cover.append(((frame["low"].to_numpy() <= target) & (target <= frame["high"].to_numpy())).mean())
    assert cover[1] > 0.85
    assert cover[0] < cover[1]


def test_npmle_finds_two_points():
    rng = np.random.default_rng(2)
    theta = np.where(rng.random(3000) < 0.2, 4.0, 0.5)
    grid, weight = fit_npmle(rng.poisson(20 * theta), np.full(3000, 20.0))
    assert weight.sum() == pytest.approx(1)
    assert weight[grid > 2].sum() == pytest.approx(0.2, abs=0.03)
    assert np.average(grid[grid > 2], weights=weight[grid > 2]) == pytest.approx(4.0, rel=0.05)


def test_shares_precision_and_ratio():
    rng = np.random.default_rng(6)
    trials = rng.integers(5, 60, 5000).astype(float)
    hits = rng.binomial(trials.astype(int), rng.beta(0.4 * 12, 0.6 * 12, 5000)).astype(float)
    assert fit_precision(hits, trials, mean=np.full(5000, 0.4)) == pytest.approx(12, rel=0.15)
    frame = shrink_shares(hits, trials)
    assert np.average(frame["estimate"].to_numpy()) == pytest.approx(1, abs=0.02)


def test_two_of_two_does_not_beat_180_of_200():
    frame = shrink_shares([2, 180, 40], [2, 200, 100], expected_share=[0.5, 0.5, 0.5])
    assert frame["estimate"][1] > frame["estimate"][0] > frame["estimate"][2]


def test_means_without_spread_collapse_to_the_mean():
    frame = shrink_means([1.0, 3.0], [100.0, 100.0])
    assert frame["estimate"].to_list() == pytest.approx([2.0, 2.0])


def test_error_nodes_have_mean_one():
    nodes, weights = error_nodes(0.7)
    assert nodes @ weights == pytest.approx(1, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.01, 0.5))
def test_selection_is_the_largest_set_within_the_bound(prob, fdr):
    chosen = select_by_local_fdr(prob, fdr=fdr)
    p = np.array(prob)
    if chosen.any():
        assert (1 - p[chosen]).mean() <= fdr + 1e-9
        assert p[chosen].min() > (p[~chosen].max() if (~chosen).any() else -1)
    rest = np.sort(p[~chosen])[::-1]
    ties = rest[rest == rest[0]] if rest.size else rest
    if ties.size:
        assert (1 - np.r_[p[chosen], ties]).mean() > fdr


@pytest.mark.parametrize(
    "call",
    [
        lambda: shrink_rates([1], [1, 2]),
        lambda: shrink_rates([-1], [1]),
        lambda: shrink_rates([1], [1], prior="flat"),
        lambda: shrink_rates([1], [1], exposure_error=5),
        lambda: shrink_shares([2], [1]),
        lambda: select_by_local_fdr([0.5], fdr=0),
        lambda: james_stein([1.0, 2.0], variance=1.0),
    ],
)
def test_wrong_arguments_are_refused(call):
    with pytest.raises(sna.SnaError):
        call()
