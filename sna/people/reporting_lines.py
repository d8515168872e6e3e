"""Levels of a reporting line: how many steps a person is from the top, as of any date."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from sna.schema import TIME

_Numbers = npt.NDArray[np.int64]
_NONE, _UNKNOWN = -1, -2


def chain_depth(managers: _Numbers) -> _Numbers:
    """Steps to the top of each reporting line; -1 where the line never ends (a cycle).

    Parameters
    ----------
    managers
        Row number of each person's manager, -1 for none; shape (n,).

    Notes
    -----
    Pointer doubling: log2(n) passes whatever the length of the line.

    Examples
    --------
    >>> chain_depth(np.array([-1, 0, 1, 4, 3])).tolist()
    [0, 1, 2, -1, -1]
    """
    size = len(managers)
    jump = np.append(np.where(managers < 0, size, managers), size).astype(np.int64)
    steps = np.append((managers >= 0).astype(np.int64), 0)
    for _ in range(max(size, 1).bit_length() + 1):
        steps, jump = steps + steps[jump], jump[jump]
    return np.where(jump[:size] == size, steps[:size], -1)


def on_cycle(managers: _Numbers) -> npt.NDArray[np.bool_]:
    """People who are, after some steps, their own manager; shape (n,)."""
    size = len(managers)
    jump = np.append(np.where(managers < 0, size, managers), size).astype(np.int64)
    for _ in range(max(size, 1).bit_length() + 1):
        jump = jump[jump]
    marked = np.zeros(size + 1, dtype=bool)
    marked[jump[:size]] = True
    marked[size] = False
    return marked[:size]


def level_spells(managers: pl.DataFrame, basis: str) -> tuple[pl.DataFrame, list[str]]:
    """Levels (0 = top) as spells, from spells of managers; recomputed at every date a reporting line changes.

    Parameters
    ----------
    managers
        ``person_id, value, valid_from, valid_to``; the value is the manager's person_id, null for "has none".
    basis
        Basis written on the spells.

    Returns
    -------
    tuple
        Spells of the attribute "level", and the ids found on a cycle. A level is unknown, and has no spell, for people
        in or below a cycle, and for those whose line leaves the table; when the table has no top at all, people with
        a manager outside it are its tops.
    """
    ids = managers["person_id"].unique().sort()
    code = {person: number for number, person in enumerate(ids)}
    outside = _NONE if managers["value"].null_count() == 0 else _UNKNOWN
    ends = pl.concat([managers["valid_from"], managers["valid_to"].alias("valid_from")])
    dates: list[datetime | None] = [None, *ends.drop_nulls().unique().sort().to_list()]
    pieces, cyclic = [], set()
    for date in dates:
        line = _managers_at(managers, date, code, outside)
        here = np.arange(len(line))
        depth = chain_depth(np.where(line == _UNKNOWN, here, line))
        cyclic |= {ids[int(i)] for i in np.flatnonzero(on_cycle(np.where(line == _UNKNOWN, _NONE, line)))}
        pieces.append(pl.DataFrame({"person_id": ids, "level": depth}).with_columns(pl.lit(date, TIME).alias("at")))
    return _runs(pl.concat(pieces), basis), sorted(cyclic)


def _managers_at(rows: pl.DataFrame, date: datetime | None, code: dict[str, int], outside: int) -> _Numbers:
    """Row number of each person's manager then; people not in the table then have an unknown line."""
    line = np.full(len(code), _UNKNOWN, dtype=np.int64)
    begins, ends = pl.col("valid_from"), pl.col("valid_to")
    valid = begins.is_null() if date is None else begins.is_null() | (begins <= date)
    if date is not None:
        valid = valid & (ends.is_null() | (ends > date))
    current = rows.filter(valid).sort("person_id", "valid_from", "value", nulls_last=False)
    for person, manager in current.select("person_id", "value").iter_rows():
        line[code[person]] = _NONE if manager is None else code.get(manager, outside)
    return line


def _runs(levels: pl.DataFrame, basis: str) -> pl.DataFrame:
    ordered = levels.sort("person_id", "at", nulls_last=False)
    changed = (pl.col("level") != pl.col("level").shift(1).over("person_id")).fill_null(True)
    starts = ordered.filter(changed).with_columns(pl.col("at").shift(-1).over("person_id").alias("valid_to"))
    return starts.filter(pl.col("level") >= 0).select(
        "person_id",
        pl.lit("level").alias("attribute"),
        pl.col("level").cast(pl.String).alias("value"),
        pl.col("at").alias("valid_from"),
        "valid_to",
        pl.lit(basis).alias("basis"),
    )
