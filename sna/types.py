"""The types every floor shares: a moment and a table as callers give them, and arrays of numbers."""

from __future__ import annotations

import json
from datetime import date, datetime

import narwhals as nw
import numpy as np
import polars as pl
from narwhals.typing import IntoDataFrame
from numpy.typing import NDArray

from sna.errors import ParameterError

Moment = datetime | date | str | None
"""A point in time: aware datetimes as they are, naive ones and dates as UTC, text in ISO 8601; None: no limit."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Frame = pl.DataFrame | pl.LazyFrame | IntoDataFrame
"""A table as callers have it: polars, pandas, Arrow, or anything else that narwhals or the Arrow C stream can read."""


def as_polars(table: Frame) -> pl.DataFrame:
    """Any table as a polars frame; the one place where other libraries' tables come in.

    Whatever marks a missing value there (None, NaN, NaT, NA) is null here; moments with a time zone become UTC; cells
    of a pandas object column that are not text become JSON text.

    Raises
    ------
    ParameterError
        When it is no table.

    Examples
    --------
    >>> import pandas as pd
    >>> as_polars(pd.DataFrame({"person_id": ["ann", None], "n": [1.0, float("nan")]})).rows()
    [('ann', 1.0), (None, None)]
    """
    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    try:
        frame = nw.from_native(table, eager_only=True)
    except TypeError:
        if hasattr(table, "__arrow_c_stream__"):
            return pl.DataFrame(table)  # type: ignore[arg-type]
        raise ParameterError(
            "A table is a polars, pandas or Arrow table (or anything else with the Arrow C stream).",
            got=f"Got {type(table).__name__}.",
        ) from None
    return pl.DataFrame([_column(frame[name]) for name in frame.columns])


def _column(values: nw.Series) -> pl.Series:
    """One column through NumPy or plain Python values: pandas object columns hold what no Arrow type does."""
    name = str(values.name)
    if values.dtype == nw.Datetime and values.dtype.time_zone is not None:  # type: ignore[attr-defined]
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return pl.Series(name, values.to_numpy()).dt.replace_time_zone("UTC")
    if values.dtype == nw.Datetime or values.dtype.is_float():
        return pl.Series(name, values.to_numpy(), nan_to_null=True)
    missing = values.is_null().to_list()
    cells = [None if gone else value for value, gone in zip(values.to_list(), missing, strict=True)]
    if values.dtype in (nw.Object, nw.Categorical, nw.Enum, nw.String):
        return pl.Series(name, [None if cell is None else _text(cell) for cell in cells], dtype=pl.String)
    return pl.Series(name, cells)


def _text(cell: object) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell, sort_keys=True, default=str)
