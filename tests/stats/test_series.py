"""Level changes: size, coverage, and what the pieces are on paper."""

import numpy as np
import pytest

import sna
from sna.stats.series import fit_level_change, make_yardstick


@pytest.fixture(scope="module")
def yardstick():
    return make_yardstick(80, draws=199, rng=0)


def autocorrelated(n, memory, rng):
    noise = rng.standard_normal(n)
    for t in range(1, n):
        noise[t] = memory * noise[t - 1] + np.sqrt(1 - memory**2) * noise[t]
    return noise


def test_an_effect_is_that_of_least_squares(yardstick):
    """With hardly any noise the size of a step and the slope of a line come back, whatever the season."""
    weeks, noise = np.arange(80), np.random.default_rng(1).normal(0, 1e-3, 80)
    wave = np.sin(2 * np.pi * weeks * 7 / 365.25)
    step = fit_level_change(noise + 0.4 * wave - 0.7 * (weeks >= 30), yardstick, rng=0)
    assert (step.shape, step.at, step.at_low, step.at_high) == ("step", 30, 30, 30)
    assert step.effect == pytest.approx(-0.7, abs=0.01)
    line = fit_level_change(noise + 0.4 * wave + 0.3 * weeks * 7 / 365.25, yardstick, rng=0)
    assert line.shape == "trend"
    assert line.effect == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_false_alarms_are_rare_and_zero_lies_outside_exactly_when_p_says_so(yardstick, memory):
    rng, alarms = np.random.default_rng(4), 0
    for _ in range(60):
        change = fit_level_change(autocorrelated(80, memory, rng), yardstick, rng=rng)
        alarms += change.p_value < 0.05
        assert (change.p_value < 0.05) == (change.low > 0 or change.high < 0) == (change.shape != "none")
    assert alarms <= 8


def test_level_and_season_do_not_matter(yardstick):
    rng = np.random.default_rng(6)
    noise = rng.normal(size=80)
    season = 3 + 2 * np.cos(2 * np.pi * np.arange(80) * 7 / 365.25 + 0.4)
    plain, moved = (fit_level_change(x, yardstick, rng=1) for x in (noise, noise + season))
    assert moved.p_value == pytest.approx(plain.p_value)
    assert moved.effect == pytest.approx(plain.effect)


def test_a_memory_makes_a_change_less_certain(yardstick):
    """The same rise, once beside noise without memory, once beside a slow swing of the same size."""
    rise = np.linspace(0, 1.5, 80)
    rng = np.random.default_rng(11)
    white, slow = (
        np.median([fit_level_change(rise + autocorrelated(80, m, rng), yardstick, rng=0).p_value for _ in range(15)])
        for m in (0.0, 0.8)
    )
    assert white < slow


def test_too_short_a_series_is_refused():
    with pytest.raises(sna.SnaError, match="at least 16 weeks"):
        make_yardstick(15)
