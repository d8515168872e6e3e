"""Change of level as planted."""

import numpy as np
import pytest

import sna
from sna.vitality import trend
from tests.conftest import day
from tests.vitality.forums import steady


def test_a_planted_fall_is_found_where_it_is():
    rng = np.random.default_rng(3)
    forum = steady(list(rng.poisson(30, 26)) + list(rng.poisson(15, 20)))
    estimate = trend.momentum_change(forum, draws=199, rng=1)
    assert estimate.value == pytest.approx(0.5, abs=0.1)
    assert estimate.low < estimate.value < estimate.high < 1
    assert estimate.p_value <= 0.02
    assert f"{day(7 * 26):%Y-%m-%d}" in estimate.measure


def test_noise_has_no_change_point_and_short_series_are_refused():
    rng = np.random.default_rng(5)
    rejected = sum(
        trend.momentum_change(steady(rng.poisson(20, 40)), draws=99, rng=seed).p_value <= 0.05 for seed in range(12)
    )
    assert rejected <= 3
    with pytest.raises(sna.NotAnswerableError, match="16 complete weeks"):
        trend.momentum_change(steady([5] * 15))
    with pytest.raises(sna.SnaError, match="measure is one of"):
        trend.momentum_change(steady([5] * 20), measure="mood")


def test_the_week_cut_by_the_export_is_no_fall():
    values = [20] * 30 + [2]
    forum = steady(values)
    cut = sna.build_forum(posts=forum.posts, people=forum.people, source=sna.Source("cut", exported_at=day(7 * 30 + 3)))
    estimate = trend.momentum_change(cut, draws=99, rng=0)
    assert estimate.n == 30
    assert estimate.value == pytest.approx(1)
    assert estimate.p_value == 1


def test_the_collapse_of_a_real_forum_is_dated(shared):
    """The urho3d community ended after a governance conflict in 2021 and 2022."""
    forum = sna.read_forum(shared / "data" / "urho3d_discourse")
    estimate = trend.momentum_change(forum, since="2019-01-01", draws=199, rng=0)
    assert estimate.value < 0.6
    assert estimate.p_value <= 0.01


@pytest.mark.calibration
def test_size_of_the_change_point_test():
    """White weekly noise: 5 % false alarms. Memory between weeks raises that; the docstring says so."""
    rng = np.random.default_rng(8)
    rates = {}
    for memory in (0.0, 0.3):
        rejected = 0
        for _ in range(300):
            noise = rng.normal(0, 1, 110)
            for t in range(1, 110):
                noise[t] += memory * noise[t - 1]
            logs = noise[30:] * 0.2 + 3
            height = trend._split(logs[None, :])[1][0]
            null = np.stack([logs[trend._shuffle_blocks(80, rng)] for _ in range(199)])
            rejected += (1 + (trend._split(null)[1] >= height).sum()) / 200 <= 0.05
        rates[memory] = rejected / 300
    assert 0.02 < rates[0.0] < 0.09
    assert rates[0.3] < 0.1
