"""Slower or faster, with askers as the units and one test per sentence."""

import numpy as np
import polars as pl
import pytest

import sna
from sna.vitality import wait_changes as changes
from sna.vitality import waits as answers
from tests.conftest import day
from tests.vitality.conftest import CAPABLE, asking_forum


def asked(speeds, *, every=0.1):
    """Questions by 25 askers in turn; the i-th waits ``speeds[i]`` hours, forever when it is None."""
    rows = []
    for i, hours in enumerate(speeds):
        rows.append((f"q{i}", f"t{i}", f"ann{i % 25}", day(every * i), "root"))
        if hours is not None:
            rows.append((f"a{i}", f"t{i}", "bob", day(every * i + hours / 24), "answer"))
    return asking_forum(rows)


def test_a_planted_slowdown_shows_with_its_sign_and_none_without():
    def joined(hours):
        rows = []
        rng = np.random.default_rng(1)
        for i in range(200):
            asked = i * 0.05
            wait = rng.exponential(1) / 24 * (hours if i >= 100 else 8)
            rows += [
                (f"q{i}", f"t{i}", f"ann{i % 25}", day(asked), "root"),
                (f"a{i}", f"t{i}", "bob", day(asked + wait), "answer"),
            ]
        return asking_forum(rows)

    slower = changes.waiting_time_change(joined(24), split_at=day(5))
    assert slower.value == pytest.approx(16, abs=6)
    assert slower.low > 0
    assert slower.p_value < 0.001
    same = changes.waiting_time_change(joined(8), split_at=day(5))
    assert same.low < 0 < same.high
    assert same.p_value > 0.05


def test_askers_are_the_units_and_one_asker_shows_nothing(four):
    """Two askers of each role, one of them slow with everything: forty questions are still four witnesses."""
    rows = [
        row
        for i in range(40)
        for asked, wait in [(i * 0.2, (1, 60, 2, 3)[i % 4] / 24)]
        for row in (
            (f"q{i}", f"t{i}", f"asker{i % 4}", day(asked), "root"),
            (f"a{i}", f"t{i}", "bob", day(asked + wait), "answer"),
        )
    ]
    names = [f"asker{i}" for i in range(4)]
    roles = {"person_id": names, "attribute": ["role"] * 4, "value": ["HR", "HR", "IT", "IT"]}
    forum = asking_forum(rows, people=pl.DataFrame({"person_id": [*names, "bob"]}), roles=pl.DataFrame(roles))
    with pytest.raises(sna.NotAnswerableError, match="at least 5 askers"):
        changes.compare_waits(forum, by="role")
    wide = answers.time_to_answer(forum).row(0, named=True)
    assert wide["restricted_mean_hours_high"] - wide["restricted_mean_hours_low"] > 40
    alone = answers.time_to_answer(asking_forum([row for row in rows if row[1] == "t0"])).row(0, named=True)
    assert alone["restricted_mean_hours_low"] is None


@pytest.mark.parametrize("slow", [False, True])
def test_groups_whose_askers_differ_alone_are_not_found_to_differ(slow):
    """Forty askers with a speed of their own, ten questions each; role by role the same, or twice as slow."""
    rng, rejected = np.random.default_rng(31), 0
    for _ in range(20):
        speed = np.exp(rng.normal(2, 1, 40)) * np.where(np.arange(40) < 20, 1, 4 if slow else 1)
        rows = [
            row
            for i in range(400)
            for row in (
                (f"q{i}", f"t{i}", f"p{i % 40}", day(i * 0.02), "root"),
                (f"a{i}", f"t{i}", "bob", day(i * 0.02 + rng.exponential(speed[i % 40]) / 24), "answer"),
            )
        ]
        names = [f"p{i}" for i in range(40)]
        roles = {"person_id": names, "attribute": ["role"] * 40, "value": ["HR"] * 20 + ["IT"] * 20}
        forum = asking_forum(rows, people=pl.DataFrame({"person_id": [*names, "bob"]}), roles=pl.DataFrame(roles))
        rejected += changes.compare_waits(forum, by="role").p_value < 0.05
    assert rejected >= 15 if slow else rejected <= 4


def test_the_sentence_has_all_three_numbers_and_one_verdict():
    """Before: 50 waits of 1 hour. Since: 40 of 3 hours and 10 without any answer. On paper."""
    forum = asked([1] * 50 + [3, 3, 3, 3, None] * 10)
    now = changes.waits_now(forum, split_at=day(5))
    assert (now.before.median_hours, now.now.median_hours) == (pytest.approx(1), pytest.approx(3))
    assert (now.before.unanswered_share, now.now.unanswered_share) == (0, pytest.approx(0.2))
    assert now.now.mean_hours == pytest.approx((40 * 3 + 10 * 168) / 50)
    text = now.sentence()
    assert text.startswith("Slower on average since 6 January 2024: half of the questions now wait ")
    assert "20% are not answered within 7 days, before 0%" in text
    assert "the mean wait, 7 days at most, is 36.0 hours, before 1.0" in text


def test_groups_that_cannot_be_compared_are_left_out_and_counted():
    """A third role asks twice, in the end: too few askers."""
    names = [*(f"ann{i}" for i in range(25)), "bob"]
    roles = {"person_id": names[:25], "attribute": ["role"] * 25, "value": ["HR"] * 12 + ["IT"] * 12 + ["Law"]}
    posts = asked([1, 2, 3, 4] * 25).posts
    people = pl.DataFrame({"person_id": names})
    forum = sna.build_forum(posts=posts, people=people, roles=pl.DataFrame(roles), source=CAPABLE)
    estimate = changes.compare_waits(forum, by="role")
    assert "(1 group with too few askers or answers left out)" in estimate.measure
    assert estimate.n == 96
    assert estimate.low is None


def test_the_interval_reaches_zero_exactly_at_the_level_the_p_value_names():
    rng = np.random.default_rng(3)
    forum = asked([*rng.exponential(5, 60), *rng.exponential(7, 60)])
    p = changes.waiting_time_change(forum, split_at=day(6)).p_value
    wide, narrow = (changes.waiting_time_change(forum, split_at=day(6), level=1 - p * x) for x in (0.98, 1.02))
    assert 0 < p < 0.98
    assert wide.low < 0 < wide.high
    assert narrow.low > 0 or narrow.high < 0


def test_without_a_change_no_direction_is_said():
    rng = np.random.default_rng(1)
    text = changes.waits_now(asked(rng.exponential(5, 100).tolist()), split_at=day(5)).sentence()
    assert text.startswith("Since 6 January 2024 no change of waiting can be shown: ")
    assert "slower" not in text
    assert "faster" not in text


def test_the_later_period_is_not_judged_before_it_was_followed(four):
    with pytest.raises(sna.NotAnswerableError, match="followed for 7 days"):
        changes.waiting_time_change(four, split_at=day(12))
    with pytest.raises(sna.NotAnswerableError, match="two groups"):
        changes.compare_waits(four, every="1y")
