"""Faces of results: a sentence, a small table, a frame, a picture; p is never zero and never longer than a word."""

import re

import matplotlib as mpl
import pytest

import sna
from sna.results import format_cell, format_number

mpl.use("Agg")


@pytest.mark.parametrize(
    ("p", "words"), [(1e-300, "p &lt; 0.001"), (0.0009999, "p &lt; 0.001"), (0.001, "p = 0.001"), (0.25, "p = 0.250")]
)
def test_p_in_the_face_of_an_estimate(p, words):
    estimate = sna.Estimate("share", 0.31, low=0.2, high=0.4, expected=0.3, p_value=p, null="n", n=10, unit="threads")
    face = estimate._repr_html_()
    assert words in face
    assert "0.000" not in face
    assert not re.search(r"\d{8}", face)


def test_an_estimate_gives_always_the_same_columns_and_draws_itself():
    bare, full = sna.Estimate("share", 0.31), sna.Estimate("x", 1.0, low=0.5, high=2.0, expected=1.0, null="none")
    assert bare.to_frame().columns == full.to_frame().columns
    assert bare.to_frame().schema == full.to_frame().schema
    assert full.plot().get_xlabel() == "x"
    ax = full.plot()
    assert bare.plot(ax=ax) is ax


def test_results_that_hold_tables_have_a_face_too():
    made = sna.make_forum(n_people=60, n_threads=200, n_weeks=30, rng=1).forum
    for result in (sna.cross_role_summary(made, draws=19, rng=1), sna.momentum_now(made, draws=19, rng=1)):
        face = result._repr_html_()
        assert face.startswith("<p>")
        assert "<table" in face


def test_numbers_are_short():
    assert max(len(format_number(value)) for value in (1e-270, 123456.789, 0.000123456, -3.14159265, 1e12)) <= 17
    assert [format_cell("p_adjusted", value) for value in (0.0, 0.5)] == ["< 0.001", "0.500"]
