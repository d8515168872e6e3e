"""The verdict keeps its size where nobody minds roles, finds planted preferences, and the simpler nulls do not.

The slice in the default run has a fixed seed; `make calibrate` runs the studies of scripts/calibrate_mixing.py.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sna.mixing.claims import judge_share
from sna.mixing.nulls import draw_counts, label_null, participation_null, volume_null
from sna.mixing.pairs import count_groups, cross_share
from sna.stats.inference import monte_carlo_p
from tests.role_blind import make_blind_forum

SCRIPT = Path(__file__).parents[2] / "scripts" / "calibrate_mixing.py"


def study():
    spec = importlib.util.spec_from_file_location("calibrate_mixing", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verdict_p(pairs, rng):
    sample = cross_share(draw_counts(participation_null(), pairs, draws=99, rng=rng))
    return float(monte_carlo_p(cross_share(count_groups(pairs)), sample))


@pytest.fixture(scope="module")
def blind():
    """Forums whose people do not mind roles, with channels: 60 of them."""
    rngs = [np.random.default_rng([31, seed]) for seed in range(60)]
    return [(make_blind_forum(rng), rng) for rng in rngs]


def test_the_verdict_keeps_its_size(blind):
    rejected = np.mean([verdict_p(pairs, rng) <= 0.05 for pairs, rng in blind])
    # 60 forums: three Monte-Carlo standard errors around 5 %
    assert abs(rejected - 0.05) <= 3 * np.sqrt(0.05 * 0.95 / 60)


@pytest.mark.parametrize("make", [label_null, volume_null])
def test_the_simpler_nulls_reject_nearly_always(blind, make):
    rejected = [judge_share(pairs, make(), draws=0, rng=rng)["p_value"] <= 0.05 for pairs, rng in blind[:30]]
    assert np.mean(rejected) >= 0.95


@pytest.mark.parametrize("delta", [-0.3, 0.3])
def test_a_moderate_preference_is_found(delta):
    found = []
    for seed in range(12):
        rng = np.random.default_rng([32, seed])
        found.append(verdict_p(make_blind_forum(rng, delta=delta), rng) <= 0.05)
    # power above .8: fewer than 7 of 12 has a chance below 2 in 1000
    assert sum(found) >= 7
    assert stats.binom.cdf(6, 12, 0.8) < 0.02


@pytest.mark.calibration
def test_full_calibration():
    found = study().calibrate(2000)
    size = found["size role_blind_channels"]
    rejected = size["rejected_at_5_percent"]
    assert 0.03 <= rejected["thread participation"]["rejected"] <= 0.07
    assert size["rank_ks_p"] > 0.01
    assert abs(size["theta_mean"]) < 3 * size["theta_sd"] / np.sqrt(size["replications"])
    assert abs(size["interval_excludes_zero"] - 0.05) <= 0.02
    assert min(rejected[name]["rejected"] for name in ("label permutation", "volume-holding")) >= 0.95
    for delta in (-0.3, 0.3, 0.6):
        assert found[f"power delta {delta}"]["rejected_at_5_percent"]["thread participation"]["rejected"] >= 0.5
    assert found["measurement error, no preference"]["channel 100%"]["rejected"] > 0.5
    for kind in found["change 0.0 to 0.0"].values():
        assert kind["rejected"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
