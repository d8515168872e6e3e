"""Survival curves by hand, against scipy and lifelines, and their invariances."""

import numpy as np
import pytest

import sna
from sna.stats.waits import clustered_means, kaplan_meier, restricted_mean, survival_quantile


@pytest.fixture
def waits():
    rng = np.random.default_rng(4)
    times = np.round(rng.exponential(5, 80), 1)
    return times, rng.random(80) < 0.7


def test_by_hand():
    """Six waits 1, 2, 2+, 3, 5+, 8: S = 5/6, 4/6, 4/9 and 0."""
    six = [1, 2, 2, 3, 5, 8], [True, True, False, True, False, True]
    curve = kaplan_meier(*six)
    assert curve["time"].to_list() == [1, 2, 3, 8]
    assert curve["waiting_share"].to_list() == pytest.approx([5 / 6, 4 / 6, 4 / 9, 0])
    assert curve["n_at_risk"].to_list() == [6, 5, 3, 1]
    assert curve["n_events"].to_list() == [1, 1, 1, 1]
    assert survival_quantile(curve)[0] == 3
    assert restricted_mean(*six, horizon=4)[0] == pytest.approx(1 + 5 / 6 + 4 / 6 + 4 / 9)


def test_curve_band_and_median_equal_lifelines(waits):
    lifelines = pytest.importorskip("lifelines")
    reference = lifelines.KaplanMeierFitter().fit(*waits)
    curve = kaplan_meier(*waits)
    at = curve["time"].to_list()
    assert curve["waiting_share"].to_list() == pytest.approx(reference.survival_function_.loc[at].iloc[:, 0].tolist())
    band = reference.confidence_interval_survival_function_.loc[at]
    assert curve["low"].to_list() == pytest.approx(band.iloc[:, 0].tolist())
    assert curve["high"].to_list() == pytest.approx(band.iloc[:, 1].tolist())
    assert survival_quantile(curve)[0] == reference.median_survival_time_


def test_restricted_mean_equals_lifelines_and_its_variance_is_greenwoods(waits):
    utils = pytest.importorskip("lifelines.utils")
    lifelines = pytest.importorskip("lifelines")
    mean, influence = restricted_mean(*waits, horizon=6.0)
    assert mean == pytest.approx(utils.restricted_mean_survival_time(lifelines.KaplanMeierFitter().fit(*waits), t=6.0))
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    curve = kaplan_meier(*waits)
    rows = [row for row in curve.select("time", "n_at_risk", "n_events", "waiting_share").rows() if row[0] < 6]
    ends = [row[0] for row in rows[1:]] + [6.0]
    areas = np.array([share * (end - time) for (time, _, _, share), end in zip(rows, ends, strict=True)])
    greenwood = sum(areas[i:].sum() ** 2 * d / (n * (n - d)) for i, (_, n, d, _) in enumerate(rows))
    assert (influence**2).sum() == pytest.approx(greenwood)


def test_restricted_mean_without_censoring_is_the_mean_of_the_cut_waits():
    times = np.array([0.5, 2.0, 3.0, 9.0, 30.0])
    mean, influence = restricted_mean(times, np.ones(5, bool), horizon=10.0)
    cut = np.minimum(times, 10)
    assert mean == pytest.approx(cut.mean())
    assert np.sqrt((influence**2).sum()) == pytest.approx(cut.std(ddof=0) / np.sqrt(5))


def test_twins_in_one_cluster_are_one_witness(waits):
    """Every wait twice: as two clusters the variance halves, as one it does not, and nor do the degrees of freedom."""
    times, happened = (np.tile(x, 2) for x in waits)
    group, single = np.zeros(160, int), np.arange(160)
    _, once, df = clustered_means(*waits, groups=group[:80], clusters=single[:80], horizon=6.0)
    _, apart, _ = clustered_means(times, happened, groups=group, clusters=single, horizon=6.0)
    _, together, df_together = clustered_means(times, happened, groups=group, clusters=single % 80, horizon=6.0)
    assert together == pytest.approx(once)
    assert df_together == pytest.approx(df)
    assert apart[0, 0] == pytest.approx(once[0, 0] / 2, rel=0.02)


def test_one_asker_in_two_groups_ties_their_means():
    """The same five askers wait an hour longer each: the difference has no variance at all."""
    hours = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    means, covariance, _ = clustered_means(
        np.r_[hours, hours + 1],
        [True] * 10,
        groups=np.repeat([0, 1], 5),
        clusters=np.tile(np.arange(5), 2),
        horizon=9.0,
    )
    assert means.tolist() == pytest.approx([3, 4])
    assert np.array([-1, 1]) @ covariance @ np.array([-1, 1]) == pytest.approx(0)


def test_a_curve_that_never_comes_down_has_no_median():
    value, _, high = survival_quantile(kaplan_meier([1, 5, 5, 5], [True, False, False, False]))
    assert value is None
    assert high is None
    assert kaplan_meier([], []).is_empty()


def test_wrong_waits_are_refused():
    for times, happened in (([-1.0], [True]), ([np.nan], [True]), ([1.0, 2.0], [True])):
        with pytest.raises(sna.SnaError, match="Waits are numbers"):
            kaplan_meier(times, happened)
        with pytest.raises(sna.SnaError, match="Waits are numbers"):
            restricted_mean(times, happened, horizon=1.0)
