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
from sna.mixing.pairs import code_joins, count_groups, cross_share
from sna.simulate import make_forum
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


def test_the_calibration_codes_what_the_library_codes():
    """Joinings taken from the simulated world are those of the forum that is written and read again."""
    script = study()
    for design in ({}, {"role_hours": 0.8}, {"joiner_share": 0.3, "leaver_share": 0.3, "role_change_share": 0.3}):
        pairs, _ = script.simulate(design, 3)
        forum = make_forum(**{**script.BASE, **design}, rng=np.random.default_rng([107, 3])).forum
        coded = code_joins(forum, "role")
        assert (pairs.at == coded.at).all()
        assert (pairs.stratum.max(), pairs.size) == (coded.stratum.max(), coded.size)
        names, known = np.array(pairs.groups), np.array(coded.groups)
        assert (names[pairs.source_group] == known[coded.source_group]).all()
        assert (names[pairs.target_group] == known[coded.target_group]).all()


@pytest.mark.calibration
def test_full_calibration():
    """Every design in which nobody minds roles: claims are wrong in at most 7 %, or withheld (fewer than 3 %)."""
    found = study().calibrate(200)
    most = 0.07 + 3 * np.sqrt(0.05 * 0.95 / 200)
    for design, row in found["nobody minds roles"].items():
        for claim in ("level claimed", "change claimed", "change claimed after a search"):
            assert row[claim] <= most, (design, claim)
    for design, row in found["a constant preference"].items():
        assert row["change claimed"] <= most, design
    for row in found["brokerage totals, nobody minds roles"].values():
        assert row["any role"] <= most
    assert found["power: a preference changes"]["preference .8 to 0"]["change claimed"] >= 0.9
    assert found["power: a constant preference"]["preference 0.6"]["level claimed"] >= 0.6
    assert found["nulls that support no claim, nobody minds roles"]["plain"]["label permutation"] >= 0.9
