"""Every public function has an example with an exact answer; doctest runs them, this test sees that they are there."""

import doctest
import inspect

import pytest

import sna

WITHOUT = {
    "read_discourse_database": "needs a PostgreSQL server; tests/readers/test_discourse_backup.py runs one",
}
"""Functions that cannot have an example, and why."""

FUNCTIONS = [name for name in sna.__all__ if inspect.isfunction(getattr(sna, name)) and name not in WITHOUT]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_have_an_example_with_an_exact_answer(name):
    function = getattr(sna, name)
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(function) or "")
    asked = [example for example in examples if example.want.strip() and name in example.source]
    shown = [example for example in examples if example.want.strip()]
    assert any(name in example.source for example in examples), f"{name} has no example that calls it"
    assert asked or shown, f"the example of {name} shows no answer"
    inexact = [example.source for example in shown if doctest.ELLIPSIS in example.options or "..." in example.want]
    assert not inexact, f"{name}: {inexact} has no exact answer"
    skipped = [example.source for example in examples if doctest.SKIP in example.options]
    assert not skipped, f"{name}: {skipped} is never run"


def test_the_exceptions_are_still_exceptions():
    for name in WITHOUT:
        assert not doctest.DocTestParser().get_examples(inspect.getdoc(getattr(sna, name)) or "")
