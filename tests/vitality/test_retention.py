"""Cohorts by hand."""

import pytest

import sna
from sna.vitality import retention
from tests.conftest import day
from tests.vitality.forums import forum_of


def test_cohorts_by_hand():
    """Export at week 30, idle 60 days: everybody is censored at 210 - 60 = day 150."""
    forum = forum_of({"ann": [0, 4], "bob": [0], "cat": list(range(0, 30, 2)), "dan": [28]}, end=day(210))
    curve = retention.cohort_retention(forum, every=None)
    assert curve.select("weeks", "retained_share", "n_at_risk").rows() == [
        (0.0, pytest.approx(2 / 3), 3),
        (4.0, pytest.approx(1 / 3), 2),
    ]
    with pytest.raises(sna.NotAnswerableError, match="at least 300 days"):
        retention.cohort_retention(forum, idle_days=300)


def test_recent_cohorts_do_not_look_unfaithful():
    """The same people, always active: nobody is lost, whenever they began."""
    weeks = {f"p{i}": list(range(i, 40)) for i in range(20)}
    curve = retention.cohort_retention(forum_of(weeks, end=day(280)), every="1mo")
    assert curve["cohort"].n_unique() > 3
    assert (curve["retained_share"] == 1).all()
