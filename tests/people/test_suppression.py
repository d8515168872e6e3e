"""Hidden groups stay hidden: an attacker with linear programming and all totals learns nothing exact."""

import numpy as np
import polars as pl
import pytest

import sna
from sna.people import suppression


def _table(counts):
    rows, columns = counts.shape
    return pl.DataFrame(
        {
            "role": np.repeat([f"r{i}" for i in range(rows)], columns),
            "level": np.tile([f"l{j}" for j in range(columns)], rows),
            "n_people": counts.ravel().astype(int),
        }
    )


def _random_table(seed):
    return np.random.default_rng(seed).negative_binomial(0.9, 0.9 / (0.9 + 18), (8, 5))


def test_primary_suppression_alone_can_be_undone_and_ours_cannot():
    undone, cells, kept = 0, 0, 0
    for seed in range(4):
        counts = _table(_random_table(seed))
        naive = counts.with_columns(
            suppressed=pl.when(pl.col("n_people").is_between(1, 9)).then(pl.lit("small")).otherwise(pl.lit(""))
        )
        attack = suppression.audit_suppression(counts, naive, by=("role", "level"))
        undone += (attack["width"] < 1e-6).sum()
        cells += attack.height
        ours = suppression.suppress_small_groups(counts, by=("role", "level"), with_totals=True)
        audit = suppression.audit_suppression(counts, ours, by=("role", "level"))
        assert audit["safe"].all()
        assert (audit["width"] >= 10).all()
        kept += (ours["suppressed"] == "").sum()
        inner = ours.head(40)
        assert (inner.filter(suppressed="")["n_people"] >= 10).sum() + (inner["n_people"] == 0).sum() == (
            inner["suppressed"] == ""
        ).sum()
    assert undone > 0.15 * cells
    assert kept > 60


def test_hidden_values_hold_the_truth_between_the_bounds():
    counts = _table(_random_table(3))
    ours = suppression.suppress_small_groups(counts, by=("role", "level"), with_totals=True)
    audit = suppression.audit_suppression(counts, ours, by=("role", "level")).join(counts, on=["role", "level"])
    assert audit.height > 3
    assert (audit["low"] <= audit["n_people"]).all()
    assert (audit["n_people"] <= audit["high"]).all()


def test_one_cell_and_its_total_alone_in_a_row():
    """Hiding 12 to protect 3 does not help when 12 is alone in its row and the row's total is printed."""
    counts = _table(np.array([[3, 40, 50], [12, 0, 0], [60, 70, 80]]))
    ours = suppression.suppress_small_groups(counts, by=("role", "level"), with_totals=True)
    assert suppression.audit_suppression(counts, ours, by=("role", "level"))["safe"].all()


def test_dominated_groups_and_every_other_column_are_hidden():
    frame = pl.DataFrame(
        {"role": ["a", "b", "c"], "n_people": [30, 40, 50], "largest": [0.6, 0.1, 0.2], "mean_posts": [9.0, 2.0, 3.0]}
    )
    shown = suppression.suppress_small_groups(frame, by="role", largest_share="largest")
    assert shown["suppressed"].to_list() == ["dominated", "complementary", ""]
    assert shown["mean_posts"].to_list() == [None, None, 3.0]
    assert shown["n_people"].to_list() == [None, None, 50]


def test_the_floor_and_bad_tables_are_refused():
    frame = pl.DataFrame({"role": ["a", "a"], "n_people": [3, 4]})
    with pytest.raises(sna.SnaError, match="Groups below 5"):
        suppression.suppress_small_groups(frame, by="role", smallest=4)
    with pytest.raises(sna.SchemaError, match="repeated"):
        suppression.suppress_small_groups(frame, by="role")
    with pytest.raises(sna.SchemaError, match="needs the columns n"):
        suppression.suppress_small_groups(frame, by="role", n="n")


def test_suppression_does_not_depend_on_the_order_of_rows():
    counts = _table(_random_table(5))
    ours = suppression.suppress_small_groups(counts, by=("role", "level"))
    mixed = suppression.suppress_small_groups(counts.sample(fraction=1, shuffle=True, seed=2), by=("role", "level"))
    assert mixed.sort("role", "level").equals(ours.sort("role", "level"))
