"""Trend, season and step told apart, as planted; nothing where nothing was planted."""

import math

import numpy as np
import pytest

import sna
from sna.vitality import trend
from tests.conftest import START, day
from tests.vitality.forums import steady


def planted(weeks, *, mean=30.0, yearly=1.0, step=1.0, at=0.5, swing=0.0, seed=0):
    """A forum whose weekly number of people is Poisson around a line, a step and a season."""
    t = np.arange(weeks)
    season = np.exp(swing * np.sin(2 * np.pi * t * 7 / 365.25))
    rate = mean * season * yearly ** (t * 7 / 365.25) * np.where(t >= int(at * weeks), step, 1.0)
    return steady(np.random.default_rng(seed).poisson(rate).tolist())


def test_a_planted_step_is_found_where_it_is():
    now = trend.momentum_now(planted(104, step=0.5), draws=199, rng=1)
    assert now.shape == "step"
    assert now.step_from <= day(7 * 52) <= now.step_to
    assert abs(now.step_at - day(7 * 52)).days <= 21
    assert now.change.low < 0.5 < now.change.high < 1
    assert now.change.p_value <= 0.01
    assert f"{now.step_at:%Y-%m-%d}" in now.change.measure
    assert "fell at once, to 0." in now.sentence()


def test_a_smooth_decline_is_a_decline_with_its_rate_and_has_no_date():
    now = trend.momentum_now(planted(156, mean=60, yearly=0.7), draws=199, rng=1)
    assert now.shape == "trend"
    assert now.step_at is None
    assert now.change.low < 0.7 < now.change.high < 1
    assert "fell gradually, by" in now.sentence()


def test_a_swing_of_the_year_is_no_change():
    for weeks, seed in ((52, 0), (78, 1), (130, 2)):
        now = trend.momentum_now(planted(weeks, swing=0.3, seed=seed), draws=99, rng=0)
        assert now.shape == "none"
        assert "shows no lasting change" in now.sentence()
        assert "fell" not in now.sentence()
        assert "rose" not in now.sentence()


def test_the_sentence_ends_with_today_against_the_same_weeks_of_an_earlier_year():
    """60 a week for a year, then 30: the last 13 weeks against those 52 weeks earlier, on paper."""
    values = [60, 62, 58, 61] * 13 + [30, 32, 28, 31] * 13
    now = trend.momentum_now(steady(values), draws=99, rng=0)
    assert now.now_per_week == pytest.approx(np.mean(values[-13:]))
    assert now.before_per_week == pytest.approx(np.mean(values[-65:-52]))
    assert (now.years_before, now.until) == (1, day(7 * 104))
    ratio = 1 - np.mean(values[-13:]) / np.mean(values[-65:-52])
    assert f"{ratio:.0%} fewer than the" in now.sentence()
    assert "(mean of the 13 weeks to 28 December 2025)" in now.sentence()


def test_only_the_last_three_years_count():
    """A collapse six years ago, and three flat years since: nothing to announce."""
    rng = np.random.default_rng(2)
    values = [*rng.poisson(60, 156), *rng.poisson(15, 156)]
    now = trend.momentum_now(steady(values), draws=99, rng=0)
    assert (now.n_weeks, now.shape) == (156, "none")


def test_less_than_a_year_says_so():
    now = trend.momentum_now(planted(40, step=0.3), draws=99, rng=0)
    assert now.shape != "none"
    assert "this may be the season" in now.sentence()
    assert now.before_per_week is None


def test_noise_has_no_change_and_short_or_empty_series_are_refused():
    changed = sum(trend.momentum_change(planted(60, seed=s), draws=99, rng=s).p_value < 0.05 for s in range(20))
    assert changed <= 3
    with pytest.raises(sna.NotAnswerableError, match="16 complete weeks"):
        trend.momentum_change(steady([5] * 15))
    with pytest.raises(sna.NotAnswerableError, match="at least 2 people writing"):
        trend.momentum_change(steady([1] * 20))
    with pytest.raises(sna.SnaError, match="measure is one of"):
        trend.momentum_change(steady([5] * 20), measure="mood")


def test_the_week_cut_by_the_export_is_no_fall():
    forum = steady([20] * 30 + [2])
    cut = sna.build_forum(posts=forum.posts, people=forum.people, source=sna.Source("cut", exported_at=day(7 * 30 + 3)))
    estimate = trend.momentum_change(cut, draws=99, rng=0)
    assert estimate.n == 30
    assert estimate.value == pytest.approx(1)
    assert estimate.p_value == 1


def test_the_decline_of_a_real_forum_is_dated_and_ends_with_its_last_weeks(shared):
    """The urho3d community ended after a governance conflict in 2021 and 2022."""
    forum = sna.read_forum(shared / "data" / "urho3d_discourse")
    now = trend.momentum_now(forum, draws=199, rng=0)
    assert now.change.high < 1
    assert now.until > START.replace(year=2022, month=11)
    assert now.before_per_week > 2 * now.now_per_week
    assert math.isclose(now.change.level, 0.95)
