"""Tables of counts of people from which nothing about a small group can be worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.optimize import linprog

from sna.errors import ParameterError, SchemaError
from sna.types import Bools, Floats, Frame, Ints, as_polars

SMALLEST_GROUP = 10
FLOOR = 5
"""No group below this is ever shown, whatever is asked."""
_TOTAL = "(total)"
_LARGEST_SHARE = 0.5
_UNBOUNDED = 3
"""Status of SciPy's `linprog` for a goal without limit."""


@dataclass(frozen=True)
class _Grid:
    """A table of counts with its margins as last row and column; ``hidden`` says what is not published."""

    counts: Floats
    hidden: Bools


def suppress_small_groups(
    frame: Frame,
    *,
    by: str | Sequence[str],
    n: str = "n_people",
    smallest: int = SMALLEST_GROUP,
    largest_share: str | None = None,
    with_totals: bool = False,
) -> pl.DataFrame:
    """Hide small groups, and enough others that the hidden counts cannot be recovered from the totals.

    Parameters
    ----------
    frame
        One row per group, or per pair of groups.
    by
        One or two columns that name the groups. A pair that has no row counts as zero.
    n
        Column with the number of distinct people.
    smallest
        Groups of 1 to ``smallest - 1`` people are hidden. At least 5.
    largest_share
        Column with the share of the largest contributor: groups where one person makes more than half are hidden too.
    with_totals
        Append the totals that may be printed and those that may not, named "(total)".

    Returns
    -------
    DataFrame
        The same rows, in the same order, with ``suppressed``: "" (shown), "small", "dominated" or "complementary".
        Every column outside ``by`` is null where it is not "". Totals are taken to be known to the reader, as they
        nearly always are; those that must not be are in ``with_totals``.

    Raises
    ------
    ParameterError
        For ``smallest`` below 5, or more than two grouping columns.
    SchemaError
        For a missing column, a repeated group or a missing count.

    Notes
    -----
    Primary suppression alone protects nobody when totals are known: in 8 x 5 tables most hidden cells can be computed.
    Further cells are hidden, the smallest first, until linear programming shows that no hidden cell can be pinned
    down to a range narrower than ``smallest`` from everything published (Fischetti & Salazar 2001 give the exact
    optimum; this is the usual greedy heuristic with an exact audit). Zero cells are shown.

    When it misleads: two tables of overlapping periods or groups can be subtracted. Publish fixed periods.

    Examples
    --------
    >>> table = pl.DataFrame({"role": ["HR", "IT", "Sales"], "n_people": [3, 14, 40]})
    >>> suppress_small_groups(table, by="role").rows()
    [('HR', None, 'small'), ('IT', None, 'complementary'), ('Sales', 40, '')]
    """
    frame, names = as_polars(frame), [by] if isinstance(by, str) else list(by)
    _check_suppression(frame, names, n, smallest)
    row, column, counts = _spread(frame, names, n)
    cell = counts[row, column]
    small = (cell > 0) & (cell < smallest)
    share = frame[largest_share].fill_null(0).to_numpy() if largest_share else np.zeros(frame.height)
    dominated = ~small & (cell > 0) & (share > _LARGEST_SHARE)
    first = (counts > 0) & (counts < smallest)
    first[row[dominated], column[dominated]] = True
    hidden = _complement(_Grid(counts, first), float(smallest))
    reason = np.where(hidden, "complementary", "")[row, column]
    reason = np.where(small, "small", np.where(dominated, "dominated", reason))
    marked = frame.with_columns(pl.Series("suppressed", reason, dtype=pl.String))
    shown = pl.col("suppressed") == ""
    marked = marked.with_columns(pl.when(shown).then(pl.col(c)).alias(c) for c in frame.columns if c not in names)
    if not with_totals:
        return marked
    totals = _totals(frame, names, n, (row, column), _Grid(counts, hidden), first)
    return pl.concat([marked.with_columns(pl.col(names).cast(pl.String)), totals], how="diagonal_relaxed")


def _totals(
    frame: pl.DataFrame,
    names: Sequence[str],
    n: str,
    place: tuple[Ints, Ints],
    grid: _Grid,
    first: Bools,
) -> pl.DataFrame:
    """One row per total: of each row, of each column, of everything."""
    labels = [
        dict(zip(codes.tolist(), frame[name].cast(pl.String).to_list(), strict=True))
        for name, codes in zip(names, place, strict=False)
    ]
    rows = []
    for i, j in np.argwhere(_margin_mask(grid.counts.shape)):
        reason = "" if not grid.hidden[i, j] else "small" if first[i, j] else "complementary"
        at = {name: known.get(int(k), _TOTAL) for name, known, k in zip(names, labels, (i, j), strict=False)}
        rows.append({**at, n: None if reason else int(grid.counts[i, j]), "suppressed": reason})
    return pl.DataFrame(rows, schema={**dict.fromkeys(names, pl.String), n: frame.schema[n], "suppressed": pl.String})


def audit_suppression(
    counts: Frame,
    published: Frame,
    *,
    by: str | Sequence[str],
    n: str = "n_people",
    smallest: int = SMALLEST_GROUP,
) -> pl.DataFrame:
    """What a reader of a published table can work out about each hidden cell.

    Parameters
    ----------
    counts
        The table before suppression.
    published
        What `suppress_small_groups` made of it. Its "(total)" rows say which totals the reader knows; without them,
        those of at least ``smallest`` people.
    by, n, smallest
        As in `suppress_small_groups`.

    Returns
    -------
    DataFrame
        The ``by`` columns, ``low, high, width`` (people) and ``safe`` (width at least ``smallest``), one row per
        hidden cell, in the order of ``published``.

    Examples
    --------
    >>> table = pl.DataFrame({"role": ["HR", "IT", "Sales"], "n_people": [3, 14, 40]})
    >>> audit_suppression(table, suppress_small_groups(table, by="role"), by="role").rows()
    [('HR', 0.0, 17.0, 17.0, True), ('IT', 0.0, 17.0, 17.0, True)]
    """
    counts, published, names = as_polars(counts), as_polars(published), [by] if isinstance(by, str) else list(by)
    _check_suppression(counts, names, n, smallest)
    row, column, grid = _spread(counts, names, n)
    text = pl.col(names).cast(pl.String)
    flags = counts.select(text).join(
        published.select(text, "suppressed"), on=names, how="left", maintain_order="left", nulls_equal=True
    )
    hidden = (grid > 0) & (grid < smallest) & _margin_mask(grid.shape)
    _hide_totals(hidden, counts, published, names, (row, column))
    hidden[row, column] = (flags["suppressed"] != "").to_numpy()
    low, high = _ranges(_Grid(grid, hidden))
    cells = hidden[row, column]
    ends = {"low": low[row, column][cells], "high": high[row, column][cells]}
    return (
        counts.select(names)
        .filter(pl.Series(cells))
        .with_columns(pl.Series(name, values) for name, values in ends.items())
        .with_columns((pl.col("high") - pl.col("low")).alias("width"))
        .with_columns((pl.col("width") >= smallest).alias("safe"))
    )


def _check_suppression(frame: pl.DataFrame, names: Sequence[str], n: str, smallest: int) -> None:
    if smallest < FLOOR:
        raise ParameterError(f"Groups below {FLOOR} people are never shown.", got=f"Got smallest={smallest}.")
    if not 1 <= len(names) <= 2:
        raise ParameterError("Suppression takes one or two grouping columns.", got=f"Got {len(names)}.")
    missing = [name for name in (*names, n) if name not in frame.columns]
    if missing:
        raise SchemaError(
            f"The table needs the columns {', '.join(missing)}.", got=f"Found: {', '.join(frame.columns)}."
        )
    if frame.select(names).is_duplicated().any() or frame[n].has_nulls():
        raise SchemaError("Each group has one row with a count.", got="A group is repeated or has no count.")


def _spread(frame: pl.DataFrame, names: Sequence[str], n: str) -> tuple[Ints, Ints, Floats]:
    """Row and column number of each group, and the grid of counts with margins (one column without, for one name)."""
    row = _codes(frame[names[0]])
    column = _codes(frame[names[1]]) if len(names) == 2 else np.zeros(frame.height, dtype=np.int64)
    n_rows, n_columns = (int(row.max(initial=-1)) + 1, int(column.max(initial=-1)) + 1)
    counts = np.zeros((n_rows + 1, n_columns + (len(names) == 2)))
    counts[row, column] = frame[n].cast(pl.Float64).to_numpy()
    counts[-1] = counts[:-1].sum(axis=0)
    if len(names) == 2:
        counts[:, -1] = counts[:, :-1].sum(axis=1)
    return row, column, counts


def _codes(values: pl.Series) -> Ints:
    return values.cast(pl.String).fill_null("").rank("dense").cast(pl.Int64).to_numpy() - 1


def _margin_mask(shape: tuple[int, ...]) -> Bools:
    """Where the totals are: the last row and, with two groupings, the last column."""
    mask = np.zeros(shape, dtype=bool)
    mask[-1] = True
    mask[:, -1] |= shape[1] > 1
    return mask


def _hide_totals(
    hidden: Bools,
    counts: pl.DataFrame,
    published: pl.DataFrame,
    names: Sequence[str],
    place: tuple[Ints, Ints],
) -> None:
    """Mark in ``hidden`` the totals that the published table says are not shown."""
    codes = [
        {**dict(zip(counts[name].cast(pl.String).to_list(), at.tolist(), strict=True)), _TOTAL: -1}
        for name, at in zip(names, place, strict=False)
    ]
    for *labels, reason in published.select(pl.col(names).cast(pl.String), "suppressed").iter_rows():
        if _TOTAL in labels and reason:
            at = [known[label] for known, label in zip(codes, labels, strict=True)]
            hidden[at[0], at[1] if len(at) == 2 else 0] = True


def _ranges(grid: _Grid, wanted: Bools | None = None) -> tuple[Floats, Floats]:
    """Smallest and largest value of hidden cells that agree with everything published (linear programming)."""
    low, high = grid.counts.copy(), grid.counts.copy()
    cells = np.argwhere(grid.hidden)
    lines, totals = _equations(grid, cells)
    for k, (i, j) in enumerate(cells):
        if wanted is None or wanted[i, j]:
            low[i, j] = _extreme(k, lines, totals, lowest=True, otherwise=grid.counts[i, j])
            high[i, j] = _extreme(k, lines, totals, lowest=False, otherwise=grid.counts[i, j])
    return low, high


def _extreme(k: int, lines: Floats, totals: Floats, *, lowest: bool, otherwise: float) -> float:
    """Least or greatest value of variable ``k``; ``otherwise`` (no protection at all) if the solver fails."""
    goal = np.zeros(lines.shape[1])
    goal[k] = 1 if lowest else -1
    found = linprog(goal, A_eq=lines, b_eq=totals, bounds=(0, None), method="highs")
    if found.status == _UNBOUNDED:
        return np.inf
    return float(round(abs(found.fun), 6)) if found.status == 0 else otherwise


def _equations(grid: _Grid, cells: Ints) -> tuple[Floats, Floats]:
    """One equation per row and column with hidden cells: parts minus total = 0, what is published moved right."""
    counts, hidden = grid.counts, grid.hidden
    sign = np.ones(counts.shape)
    sign[-1, :] *= -1
    lines, totals = [], []
    for axis in (0, 1):
        if axis == 1 and counts.shape[1] == 1:
            continue
        factor = sign if axis == 0 else np.concatenate([np.ones_like(counts[:, :-1]), -np.ones_like(counts[:, -1:])], 1)
        for line in np.unique(cells[:, 1 - axis]):
            mine = cells[:, 1 - axis] == line
            lines.append(np.where(mine, factor[cells[:, 0], cells[:, 1]], 0.0))
            where = (slice(None), line) if axis == 0 else (line, slice(None))
            totals.append(-(factor[where] * counts[where] * ~hidden[where]).sum())
    return np.array(lines).reshape(-1, len(cells)), np.array(totals)


def _complement(grid: _Grid, least: float) -> Bools:
    """Hide more cells, the smallest in the line of an unsafe one, until every hidden cell's range is wide enough.

    Hiding more never narrows a range, so a cell found safe is not looked at again.
    """
    counts, hidden = grid.counts, grid.hidden.copy()
    safe = np.zeros_like(hidden)
    while (hidden & ~safe).any():
        low, high = _ranges(_Grid(counts, hidden), hidden & ~safe)
        unsafe = np.argwhere(hidden & ~safe & (high - low < least))
        safe |= hidden & (high - low >= least)
        more = {choice for cell in unsafe if (choice := _next_cell(counts, hidden, (int(cell[0]), int(cell[1]))))}
        if not more:
            break
        for cell in sorted(more):
            hidden[cell] = True
    return hidden


def _next_cell(counts: Floats, hidden: Bools, cell: tuple[int, int]) -> tuple[int, int] | None:
    """The smallest cell shown in the row or column of ``cell``, inner cells before totals; None when there is none."""
    i, j = cell
    total = _margin_mask(counts.shape)
    line = [(i, c) for c in range(counts.shape[1])] + [(r, j) for r in range(counts.shape[0])]
    free = [c for c in line if not hidden[c] and counts[c] > 0]
    return min(free, key=lambda c: (total[c], counts[c], c), default=None)
