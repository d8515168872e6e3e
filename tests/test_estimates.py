"""Every Estimate is coherent: p < 0.05 exactly when the 95 % interval excludes the expectation."""

import inspect
from functools import cache

import numpy as np
import pytest

import sna
from sna.simulate import make_forum


def estimators():
    """Public functions of `sna` that return an Estimate, found by their annotation."""
    functions = {name: getattr(sna, name) for name in sna.__all__ if inspect.isfunction(getattr(sna, name))}
    return {name: f for name, f in functions.items() if inspect.signature(f).return_annotation == "Estimate"}


@cache
def forums():
    """Without and with effects; small, so that p-values lie on both sides of 0.05."""
    designs = [
        {},
        {"novelty_floor": 0.4, "novelty_weeks": 30},
        {"role_preference": 0.7},
        {"role_preference": 0.0, "role_preference_later": 0.6},
        {"adoption": 0.3, "retention": 0.9},
        {"n_weeks": 110},
    ]
    base = {"n_people": 60, "n_threads": 400, "n_weeks": 60}
    return [make_forum(**(base | design), rng=seed).forum for seed, design in enumerate(designs)]


def call(function, forum):
    """The function with few draws, a seed, and the middle of the forum where it needs a date."""
    times = forum.posts["created_at"]
    given = {"rng": 1, "draws": 99, "split_at": times.sort()[len(times) // 2], "every": "1q"}
    wanted = inspect.signature(function).parameters
    return function(forum, **{name: value for name, value in given.items() if name in wanted})


def is_coherent(estimate):
    """Coherent, without one of the two, or saying which of them decides."""
    parts = (estimate.low, estimate.high, estimate.expected, estimate.p_value)
    if any(part is None or np.isnan(part) for part in parts) or "decides" in estimate.sentence():
        return True
    outside = not estimate.low <= estimate.expected <= estimate.high
    return outside == (estimate.p_value < 1 - estimate.level)


@pytest.mark.parametrize("name", estimators())
def test_interval_and_p_value_agree(name):
    results = []
    for forum in forums():
        try:
            results.append(call(estimators()[name], forum))
        except sna.NotAnswerableError:
            continue
    assert results, f"{name} could not be answered on any forum"
    wrong = [str(estimate) for estimate in results if not is_coherent(estimate)]
    assert not wrong, wrong


def test_the_functions_are_found():
    assert {"momentum_change", "waiting_time_change", "compare_waits", "cross_role_change"} <= set(estimators())


def test_the_check_sees_a_contradiction():
    estimate = sna.Estimate("x", 0.7, low=-2.6, high=4.1, expected=0.0, p_value=0.0005)
    assert not is_coherent(estimate)
    assert is_coherent(sna.Estimate("x", 0.7, low=0.1, high=1.3, expected=0.0, p_value=0.02))
    assert is_coherent(sna.Estimate("x", 0.7, p_value=0.02))
