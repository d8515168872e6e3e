"""Load any table as a polars frame, losing nothing in silence: CSV in any dialect, JSONL, Parquet, any DataFrame.

Cells of text formats stay text here; times and numbers are read where their meaning is known.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl

from sna.errors import FormatError, ParameterError, ReadError
from sna.formats.container import Container, open_container
from sna.formats.csv import ANY, Dialect, load_csv
from sna.formats.json import parse_json, read_json
from sna.formats.loaded import Loaded, list_problems
from sna.types import Frame, as_polars

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
PARQUET = (".parquet", ".pq")
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
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
    if head.startswith(b"PAR1") or suffix in PARQUET:
        return load_parquet(container, name)
    if is_workbook(name, head):
        return load_workbook(container, name, sheet=dialect.sheet)
    if suffix in _JSON_SUFFIXES or head.lstrip(_BLANK)[:1] == b"{":
        return _load_json(container, name)
    if head.startswith(_BINARY):
        raise FormatError(
            f"{name} must be CSV, TSV, JSONL or Parquet.",
            got="It is a binary file of another kind.",
            hint="export the table as CSV UTF-8",
        )
    return load_csv(container, name, dialect=dialect)


def load_parquet(container: Container, name: str, *, rows: int | None = None) -> Loaded:
    """One Parquet file, or its first ``rows``.

    Raises
    ------
    ReadError
        When it is damaged.
    """
    with container.open(name) as raw, whole_or_error(name, "Parquet file"):
        return Loaded(pl.read_parquet(io.BytesIO(raw.read()), n_rows=rows), name)


def load_workbook(container: Container, name: str, *, sheet: str | None = None, rows: int | None = None) -> Loaded:
    """One sheet of a workbook (Excel, OpenDocument) as text; its first row holds the names of the columns.

    Parameters
    ----------
    sheet
        Its name; may be left out when one sheet only has rows.
    rows
        Only the first.

    Raises
    ------
    ParameterError
        Several sheets have rows and none is named, or the one that is named is not there.
    ReadError
        When the workbook is damaged, locked or empty.
    """
    with container.open(name) as raw, whole_or_error(name, "workbook"):
        book = fastexcel.read_excel(raw.read())
        wanted = [sheet] if sheet in book.sheet_names else book.sheet_names
        frames = {title: book.load_sheet(title, dtypes="string", n_rows=rows).to_polars() for title in wanted}
    full = [title for title, frame in frames.items() if frame.height]
    if (sheet is not None and sheet not in frames) or len(full) > 1:
        raise ParameterError(
            f"{name} has several sheets; one must be named.",
            got=f"Got {sheet!r}; sheets with rows: {', '.join(map(repr, full))}.",
            hint='sheet="..." (--sheet at the shell)',
        )
    if not full:
        raise ReadError(f"{name} must hold a table.", got="No sheet has rows below a header.", hint="export it again")
    return Loaded(frames[full[0]].select(pl.all().fill_null("")), name, place=f"{full[0]} row ", first=2)


def list_sheets(container: Container, name: str) -> list[str]:
    """Names of the sheets of a workbook."""
    with container.open(name) as raw, whole_or_error(name, "workbook"):
        return list(fastexcel.read_excel(raw.read()).sheet_names)


def is_workbook(name: str, head: bytes) -> bool:
    """Whether a file is a workbook, by its name and first bytes."""
    return name.lower().endswith(WORKBOOKS) and head.startswith((b"PK\x03\x04", _OLD_WORKBOOK))


@contextmanager
def whole_or_error(name: str, what: str, *, hint: str = "export it again") -> Iterator[None]:
    """Errors of the library, and its panics (which are no `Exception`), as a `ReadError`."""
    try:
        yield
    except BaseException as error:
        known = isinstance(error, pl.exceptions.PolarsError | fastexcel.FastExcelError)
        if not known and type(error).__name__ != "PanicException":
            raise
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReadError(f"{name} must be a whole {what}.", got=f"{told}.", hint=hint) from error


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
    raise ParameterError(
        "read_table reads one table.",
        got=f"{container.path.name} holds {len(names):,} files: {', '.join(names[:5])}.",
        hint="name the file inside it, or describe them all in a mapping (sna.read_mapped)",
    )


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
