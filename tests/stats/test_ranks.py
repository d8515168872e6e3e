"""Rank sets against the published examples, and their coverage where people are tied."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import sna
from sna.stats.ranks import find_top_set, rank_sets, rate_scale


def test_example_of_the_csranks_documentation():
    found = rank_sets(np.linspace(1, 3, 10), np.full(10, 0.2))
    assert found["rank"].to_list() == list(range(10, 0, -1))
    assert found["rank_low"].to_list() == [7, 6, 5, 4, 3, 2, 1, 1, 1, 1]
    assert found["rank_high"].to_list() == [10, 10, 10, 10, 9, 8, 7, 6, 5, 4]


@pytest.fixture(scope="module")
def pisa():
    return pl.read_csv(Path(__file__).parents[1] / "data" / "pisa_2018_mathematics.csv")


def test_pisa_2018_of_mogstad_and_others(pisa):
    scores, errors = pisa["math_score"].to_numpy(), pisa["math_se"].to_numpy()
    assert find_top_set(scores, errors, top=5).sum() == 12
    here = pisa["jurisdiction"].to_list().index("United Kingdom")
    single = rank_sets(scores, errors, simultaneous=False, stepdown=False)
    assert single.row(here)[1:] == (7, 23)
    assert rank_sets(scores, errors, simultaneous=False).row(here)[1:] == (8, 23)


def test_tied_people_are_covered_where_a_bootstrap_is_not():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(60):
        x = rng.normal(size=18)
        sets = rank_sets(x, np.ones(18), draws=500, rng=rng)
        covered.append(bool((sets["rank_low"] == 1).all() and (sets["rank_high"] == 18).all()))
    assert np.mean(covered) >= 0.85  # nominal 0.95, three Monte-Carlo errors below


def test_many_people_use_the_studentised_range():
    rng = np.random.default_rng(1)
    truth = np.r_[np.full(200, 0.0), 9.0]
    found = rank_sets(truth + rng.normal(size=201), np.ones(201))
    assert found.row(200) == (1, 1, 1)
    assert found["rank_low"].head(200).min() == 2
    assert found["rank_high"].head(200).max() == 201


def test_large_and_small_paths_agree_about_clear_cases():
    x = np.r_[np.arange(100) * 10.0, np.arange(100) * 10.0 + 5]
    found = rank_sets(x, np.full(200, 0.1))
    assert (found["rank_low"] == found["rank"]).all()
    assert (found["rank_high"] == found["rank"]).all()


def test_nan_takes_no_part_and_order_does_not_matter():
    x, se = np.array([3.0, np.nan, 1.0, 2.0]), np.array([0.1, 1.0, 0.1, 0.1])
    found = rank_sets(x, se)
    assert found.rows() == [(1, 1, 1), (None, None, None), (3, 3, 3), (2, 2, 2)]
    assert rank_sets(x[::-1], se[::-1]).reverse().rows() == found.rows()


def test_top_set_lies_within_two_sided_sets():
    rng = np.random.default_rng(2)
    x, se = rng.normal(size=40), rng.uniform(0.1, 0.6, 40)
    sharp = find_top_set(x, se, top=5)
    wide = (rank_sets(x, se)["rank_low"] <= 5).to_numpy()
    assert sharp[np.argsort(-x)[:5]].all()
    assert not (sharp & ~wide).any()


def test_rate_scale_has_the_stated_error():
    rng = np.random.default_rng(3)
    scaled, error = rate_scale(rng.poisson(8.0, 40000), np.full(40000, 4.0))
    assert scaled.std() == pytest.approx(error[0], rel=0.05)
    assert np.isnan(rate_scale([0], [0.0])[0]).all()


@pytest.mark.parametrize("wrong", [([1.0], [0.0]), ([1.0, 2.0], [1.0])])
def test_wrong_errors_are_refused(wrong):
    with pytest.raises(sna.SnaError):
        rank_sets(*wrong)


def test_top_below_one_is_refused():
    with pytest.raises(sna.SnaError):
        find_top_set([1.0], [1.0], top=0)
