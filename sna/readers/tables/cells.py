"""Cells of a table become ids, times and flags; what they hold that is odd is logged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sna.errors import SchemaError
from sna.formats.loaded import Loaded
from sna.formats.times import parse_times
from sna.readers.collect import Collector

_TRUE = ("true", "1", "1.0", "yes", "y", "t", "x", "accepted")
_FALSE = ("false", "0", "0.0", "no", "n", "f", "-", "")


def pick_columns(loaded: Loaded, columns: Mapping[str, pl.Series]) -> pl.DataFrame:
    """The columns under our names, and where each row is (``_file``, ``_at``), as `Collector.log_rows` wants it."""
    named = [values.alias(name) for name, values in columns.items()]
    return pl.DataFrame([loaded.positions.alias("_at"), *named]).with_columns(pl.lit(loaded.name).alias("_file"))


def read_times(
    log: Collector, frame: pl.DataFrame, *, name: str, table: str = "posts", strict: bool = True, **how: Any
) -> pl.DataFrame:
    """The frame with the column ``name`` read as times (see `parse_times`); what cannot be read is null and logged.

    Raises
    ------
    SchemaError
        When no value can be read and ``strict`` is true.
    """
    raw = frame[name]
    times = parse_times(raw, **how)
    bad = times.is_null() & raw.is_not_null()
    if strict and len(bad) and bad.all():
        raise SchemaError(
            f"The column for {name} must hold times.",
            got=f"None could be read; the first is {raw[0]!r}.",
            hint='name the right column, or say how it is written: time_format="%d.%m.%Y %H:%M"',
        )
    if bad.any():
        shown = pl.lit(f"{name} ") + pl.col(name).cast(pl.String)
        log.log_rows(table, frame.filter(bad), reason="bad_time", kind="repaired", detail=shown)
    return frame.with_columns(times.alias(name))


def read_flags(log: Collector, frame: pl.DataFrame, *, name: str) -> pl.DataFrame:
    """The frame with the column ``name`` as yes or no; a word that is neither is null, and logged."""
    word = pl.col(name).cast(pl.String).str.strip_chars().str.to_lowercase()
    flag = pl.when(word.is_in(_TRUE)).then(True).when(word.is_in(_FALSE)).then(False)
    odd = frame.filter(flag.is_null() & pl.col(name).is_not_null())
    if odd.height:
        shown = pl.lit(f"{name} ") + pl.col(name).cast(pl.String)
        log.log_rows("posts", odd, reason="unknown_flag", kind="repaired", detail=shown)
    return frame.with_columns(flag.alias(name))
