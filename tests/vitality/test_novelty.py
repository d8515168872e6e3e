"""A planted novelty floor comes back."""

import numpy as np
import pytest

from sna.vitality.novelty import novelty_floor
from tests.vitality.forums import steady


def test_planted_novelty_floor_comes_back():
    week = np.arange(70)
    rate = 30 * (0.4 + 0.6 * np.exp(-week / 7))
    values = np.random.default_rng(2).poisson(rate)
    estimate = novelty_floor(steady(values), draws=99, rng=0)
    assert estimate.low < 0.4 < estimate.high
    assert estimate.value == pytest.approx(0.4, abs=0.1)
    assert novelty_floor(steady([20] * 40), draws=9, rng=0).value > 0.95
