"""Load any table as a polars frame, losing nothing in silence: CSV in any dialect, JSONL, Parquet, any DataFrame.

Cells of text formats stay text here; times and numbers are read where their meaning is known.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from sna.errors import FormatError, ParameterError, ReadError
from sna.formats.container import Container, open_container
from sna.formats.csv import ANY, Dialect, load_csv
from sna.formats.json import parse_json, read_json
from sna.formats.loaded import Loaded, list_problems
from sna.types import Frame, as_polars

_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_PARQUET_SUFFIXES = (".parquet", ".pq")
_BLANK = b"\xef\xbb\xbf \t\r\n"
_BINARY = (b"SQLite format 3", b"%PDF", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\x7fELF")


def load_frame(data: Frame | str | Path, dialect: Dialect = ANY) -> Loaded:
    """Load a path (CSV, TSV, JSONL, JSON, Parquet; packed or not) or any DataFrame.

    Parameters
    ----------
    data
        A path, or a table: see `sna.types.Frame`.
    dialect
        Of a text file; found out by default. Without a header the columns are ``column_1``, ``column_2``...

    Raises
    ------
    ReadError
        Missing, empty or damaged file, or an archive with several tables.
    """
    if isinstance(data, str | Path):
        with open_container(data) as container:
            return load_member(container, _only_table(container), dialect=dialect)
    return Loaded(as_polars(data), "")


def load_member(container: Container, name: str, *, dialect: Dialect = ANY) -> Loaded:
    """Load one member of an export; see `load_frame`."""
    suffix = Path(name).suffix.lower()
    head = container.peek(name, 4096)
    if head.startswith(b"PAR1") or suffix in _PARQUET_SUFFIXES:
        return _load_parquet(container, name)
    if suffix in _JSON_SUFFIXES or head.lstrip(_BLANK)[:1] == b"{":
        return _load_json(container, name)
    if head.startswith(_BINARY):
        raise FormatError(
            f"{name} must be CSV, TSV, JSONL or Parquet.",
            got="It is a binary file of another kind.",
            hint="export the table as CSV UTF-8",
        )
    return load_csv(container, name, dialect=dialect)


def as_text(values: pl.Series, *, strip: bool = True) -> pl.Series:
    """Ids and labels as text: whole floats lose their ``.0``, times become ISO, spaces around may be removed."""
    if values.dtype.is_float():
        whole = values.drop_nulls().drop_nans()
        if (whole == whole.round(0)).all():
            values = values.fill_nan(None).cast(pl.Int64, strict=False)
    if isinstance(values.dtype, pl.Datetime):
        values = values.dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
    if isinstance(values.dtype, pl.List | pl.Struct | pl.Array):
        values = pl.Series(values.name, [_json_text(v) for v in values.to_list()], dtype=pl.String)
    text = values.cast(pl.String).str.replace_all("\x00", "", literal=True)
    return text.str.strip_chars() if strip else text


def _only_table(container: Container) -> str:
    names = [name for name in container.names if "__MACOSX" not in name]
    if len(names) == 1:
        return names[0]
    if "xl/workbook.xml" in names:
        raise FormatError(
            f"{container.path.name} must be CSV, TSV, JSONL or Parquet.",
            got="It is an Excel workbook.",
            hint="save the sheet as CSV UTF-8, or pass a DataFrame read with pandas.read_excel",
        )
    raise ParameterError(
        "read_table reads one table.",
        got=f"{container.path.name} holds {len(names):,} files: {', '.join(names[:5])}.",
        hint="name the file inside it, or describe them all in a mapping (sna.read_mapped)",
    )


def _load_parquet(container: Container, name: str) -> Loaded:
    with container.open(name) as raw:
        try:
            frame = pl.read_parquet(io.BytesIO(raw.read()))
        except pl.exceptions.PolarsError as error:
            raise ReadError(f"{name} must be a whole Parquet file.", got=str(error).splitlines()[0]) from error
    return Loaded(frame, name)


def _load_json(container: Container, name: str) -> Loaded:
    """JSON lines, or one JSON array of objects; nested objects become dotted columns, lists stay JSON text."""
    whole = container.peek(name, 64).lstrip(_BLANK)[:1] == b"["
    rows, lines, bad = [], [], []
    for number, item in enumerate(read_json(container, name) if whole else container.lines(name), start=1):
        if not whole and not item.strip(_BLANK):
            continue
        try:
            record = item if whole else parse_json(item, name)[0]
            if not isinstance(record, dict):
                raise ReadError("", got=f"a JSON {type(record).__name__} instead of an object")
            rows.append(flatten(record))
            lines.append(number)
        except ReadError as error:
            bad.append((f"{'item' if whole else 'line'} {number}", error.got))
    columns = dict.fromkeys(key for row in rows for key in row)
    frame = pl.DataFrame({key: pl.Series(key, [row.get(key) for row in rows], dtype=pl.String) for key in columns})
    return Loaded(frame, name, list_problems("damaged_row", bad), pl.Series("line", lines, dtype=pl.Int64))


def flatten(record: dict[str, Any], *, prefix: str = "") -> dict[str, str | None]:
    """Nested objects to dotted names, scalars to text, lists to JSON text."""
    flat: dict[str, str | None] = {}
    for key, value in record.items():
        if isinstance(value, dict) and value and prefix.count(".") < 8:
            flat.update(flatten(value, prefix=f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = _json_text(value)
    return flat


def _json_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else json.dumps(value, default=str, sort_keys=True)
