"""Load any table as a polars frame, losing nothing in silence: CSV in any dialect, JSONL, Parquet, any DataFrame.

Cells of text formats stay text here; times and numbers are read where their meaning is known.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import narwhals as nw
import orjson
import polars as pl

from sna.errors import FormatError, ParameterError, ReadError
from sna.formats.container import Container, open_container
from sna.formats.encodings import TextFile, find_encoding
from sna.forum import make_issues

SEPARATORS = (",", ";", "\t", "|")
_CELL_BYTES = 16 * 1024**2
_PLAIN_BYTES = 1024**3
_SAMPLE_ROWS = 200
_SAMPLE_CHARS = 65_536
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True)
class Loaded:
    """A table as it came: ``frame``, the rows met (``n_read``, rejected ones too), and what to know about it.

    ``lines`` holds, for text formats, the line each row starts at; None where rows have no line.
    """

    frame: pl.DataFrame
    name: str
    n_read: int
    issues: list[pl.DataFrame] = field(default_factory=list)
    lines: pl.Series | None = None


def load_frame(
    data: object,
    *,
    sep: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    table: str = "posts",
) -> Loaded:
    """Load a path (CSV, TSV, JSONL, JSON, Parquet; packed or not) or any DataFrame.

    Parameters
    ----------
    data
        A path, a polars frame, or any object that speaks the Arrow PyCapsule or the narwhals protocol.
    sep, encoding, header
        Dialect of a text file; found out when None. Without a header the columns are ``column_1``, ``column_2``...
    table
        Canonical table that rejected rows are counted for.

    Raises
    ------
    ReadError
        Missing, empty or damaged file, or an archive with several tables.
    """
    if isinstance(data, str | Path):
        with open_container(data) as container:
            name = _only_table(container)
            return load_member(container, name, sep=sep, encoding=encoding, header=header, table=table)
    frame = _from_dataframe(data)
    return Loaded(frame, "", frame.height)


def load_member(
    container: Container,
    name: str,
    *,
    sep: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    escape: str | None = None,
    table: str = "posts",
) -> Loaded:
    """Load one member of an export; see `load_frame`. ``escape`` is the character that escapes a quote."""
    suffix = Path(name).suffix.lower()
    head = container.peek(name, 4096)
    if head.startswith(b"PAR1") or suffix in _PARQUET_SUFFIXES:
        return _load_parquet(container, name)
    if suffix in _JSON_SUFFIXES or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _load_json(container, name, table)
    _refuse_binary(head, name)
    dialect = _Dialect(sep, header, escape, table)
    found = TextFile(encoding) if encoding else find_encoding(container, name)
    if found.encoding in ("utf-8", "utf-8-sig") and escape is None:
        plain = _load_plain_csv(container, name, dialect)
        if plain is not None:
            return plain
    with _text_of(container, name, found, table) as (text, issues):
        return _load_csv(text, name, issues, dialect)


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


def issue_rows(frame: pl.DataFrame, *, table: str, reason: str, kind: str, file: str = "") -> pl.DataFrame:
    """One issue per row of ``frame``, which has the columns ``position`` and, optionally, ``detail``."""
    detail = pl.col("detail").cast(pl.String).str.slice(0, 200) if "detail" in frame.columns else pl.lit("")
    return frame.select(
        pl.lit(table).alias("table"),
        pl.lit(reason).alias("reason"),
        pl.lit(kind).alias("kind"),
        pl.lit(file).alias("file"),
        pl.col("position").cast(pl.String),
        pl.lit(1, pl.Int64).alias("n"),
        detail.fill_null("").alias("detail"),
    )


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


def _refuse_binary(head: bytes, name: str) -> None:
    if head.startswith((b"SQLite format 3", b"%PDF", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\x7fELF")):
        raise FormatError(
            f"{name} must be CSV, TSV, JSONL or Parquet.",
            got="It is a binary file of another kind.",
            hint="export the table as CSV UTF-8",
        )


@contextmanager
def _text_of(
    container: Container, name: str, found: TextFile, table: str
) -> Iterator[tuple[io.TextIOBase, list[pl.DataFrame]]]:
    issues = []
    if found.reason:
        issues.append(make_issues(table, found.reason, kind="note", file=name, detail=found.detail))
    with container.open(name) as raw:
        try:
            yield io.TextIOWrapper(raw, encoding=found.encoding, errors=found.errors, newline=""), issues
        except LookupError as error:
            raise ParameterError("encoding must be one Python knows.", got=f"Got {found.encoding!r}.") from error
        except UnicodeDecodeError as error:
            raise ReadError(
                f"{name} must be text in {found.encoding}.",
                got=f"It cannot be decoded at byte {error.start:,}.",
                hint="leave encoding out to have it found",
            ) from error


@dataclass(frozen=True)
class _Dialect:
    sep: str | None
    header: bool | None
    escape: str | None
    table: str


def _load_plain_csv(container: Container, name: str, dialect: _Dialect) -> Loaded | None:
    """The quick way for a file without quotes, NUL or ragged rows; None when it has any of them."""
    with container.open(name) as raw:
        data = raw.read(_PLAIN_BYTES + 1).removeprefix(b"\xef\xbb\xbf")
    if len(data) > _PLAIN_BYTES or b'"' in data or b"\x00" in data or b"\r" in data.replace(b"\r\n", b""):
        return None
    head = data[:_SAMPLE_CHARS].decode("utf-8", "ignore")
    if not head.strip():
        return None
    sep = dialect.sep or find_separator(head)
    first = head.splitlines()[0].split(sep)
    header = looks_like_header(first) if dialect.header is None else dialect.header
    issues: list[pl.DataFrame] = []
    names = _column_names(first if header else [], len(first), issues, name)
    n_rows = data.count(b"\n") + (not data.endswith(b"\n"))
    if len(sep) != 1 or data.count(sep.encode()) != n_rows * (len(first) - 1) or (sep == " " and b"  " in data):
        return None
    frame = _quick_frame(data, sep, names, skip=int(header))
    if frame is None or frame.height != n_rows - int(header):
        return None
    lines = pl.int_range(1 + header, n_rows + 1, eager=True).alias("line")
    return Loaded(frame, name, frame.height, issues, lines)


def _quick_frame(data: bytes, sep: str, names: list[str], *, skip: int) -> pl.DataFrame | None:
    try:
        return pl.read_csv(
            data,
            separator=sep,
            has_header=False,
            skip_rows=skip,
            new_columns=names,
            schema_overrides=[pl.String] * len(names),
            infer_schema=False,
            quote_char=None,
        ).fill_null("")
    except pl.exceptions.PolarsError:
        return None


def _load_csv(text: io.TextIOBase, name: str, issues: list[pl.DataFrame], dialect: _Dialect) -> Loaded:
    sample = text.read(_SAMPLE_CHARS)
    if not sample.strip("\ufeff\x00 \t\r\n"):
        raise ReadError(f"{name} must hold a table.", got="It is empty.", hint="export it again")
    sep = dialect.sep or find_separator(sample)
    lines = _Lines(sample, text)
    rows = _numbered_rows(lines, sep, dialect.escape)
    first_line, first = next(rows)
    header = looks_like_header(first) if dialect.header is None else dialect.header
    width = _row_width(sample, sep, dialect.escape, len(first))
    names = _column_names(first if header else [], max(width, len(first)), issues, name)
    body = rows if header else _with_first((first_line, first), rows)
    frame, numbers, n_read = _fill_columns(body, names, name, issues, dialect.table)
    if lines.n_nul:
        note = f"{lines.n_nul:,} NUL bytes removed"
        issues.append(make_issues(dialect.table, "nul_bytes", kind="note", file=name, detail=note))
    return Loaded(frame, name, n_read, issues, numbers)


class _Lines:
    """The lines of a text stream after a sample already read, without NUL; counts what it removes."""

    def __init__(self, sample: str, rest: io.TextIOBase) -> None:
        self._sample, self._rest, self.n_nul = sample, rest, 0

    def __iter__(self) -> Iterator[str]:
        head = io.StringIO(self._sample.removeprefix("\ufeff") + self._rest.readline(_CELL_BYTES), newline="")
        for source in (head, self._rest):
            while line := source.readline(_CELL_BYTES):
                if "\x00" in line:
                    self.n_nul += line.count("\x00")
                    line = line.replace("\x00", "")
                yield line


def _numbered_rows(lines: _Lines, sep: str, escape: str | None) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line they start at; blank lines are skipped."""
    old = csv.field_size_limit(_CELL_BYTES)
    try:
        reader = csv.reader(
            iter(lines), delimiter=sep, escapechar=escape, doublequote=escape is None, skipinitialspace=sep == " "
        )
        start = 1
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise ReadError(
            f"A cell may have {_CELL_BYTES:,} characters.", got=f"{error}.", hint="a quote may be left open"
        ) from error
    finally:
        csv.field_size_limit(old)


def _with_first(first: tuple[int, list[str]], rest: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rest


def _sample_rows(sample: str, sep: str, escape: str | None = None) -> list[list[str]]:
    reader = csv.reader(
        io.StringIO(sample, newline=""),
        delimiter=sep,
        escapechar=escape,
        doublequote=escape is None,
        skipinitialspace=sep == " ",
    )
    rows = []
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) > _SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    cut_off = len(sample) >= _SAMPLE_CHARS or len(rows) > _SAMPLE_ROWS
    return rows[:-1] if cut_off and len(rows) > 1 else rows


def find_separator(sample: str) -> str:
    """The separator that cuts the sample into the most columns of one same number; a comma if none does."""
    best, best_score = ",", 0.0
    for sep in (*SEPARATORS, " "):
        rows = _sample_rows(sample.removeprefix("\ufeff"), sep)
        width, count = Counter(len(row) for row in rows).most_common(1)[0]
        share = count / len(rows)
        score = share * min(width, 20) if width > 1 and share > 0.5 else 0.0
        if sep == " ":
            score = score / 2 if share > 0.6 and width <= 6 and len(rows[0]) == width else 0.0
        if score > best_score:
            best, best_score = sep, score
    return best


def looks_like_header(row: Sequence[str]) -> bool:
    """A row is a header unless one of its cells is a number or a date."""
    return not any(cell.strip()[:1].isdigit() or cell.strip()[:2].lstrip("-").isdigit() for cell in row)


def _row_width(sample: str, sep: str, escape: str | None, default: int) -> int:
    rows = _sample_rows(sample.removeprefix("\ufeff"), sep, escape)[1:]
    return Counter(len(row) for row in rows).most_common(1)[0][0] if rows else default


def _column_names(header: list[str], width: int, issues: list[pl.DataFrame], file: str) -> list[str]:
    """Names of the columns, unique; a nameless first column (row names) and blank names are filled in."""
    cells = [cell.strip().strip("\ufeff") for cell in header]
    if header and width == len(header) + 1:
        cells.insert(0, "")
    seen: Counter[str] = Counter()
    names = []
    for number, cell in enumerate(cells + [""] * (width - len(cells) if not header else 0), start=1):
        name = cell or f"column_{number}"
        seen[name] += 1
        if seen[name] > 1:
            note = f"column {number} is a second {name!r}; it is called {name}_{seen[name]}"
            issues.append(make_issues("posts", "duplicate_column", kind="note", file=file, detail=note))
            name = f"{name}_{seen[name]}"
        names.append(name)
    return names


def _fill_columns(
    rows: Iterator[tuple[int, list[str]]], names: list[str], file: str, issues: list[pl.DataFrame], table: str
) -> tuple[pl.DataFrame, pl.Series, int]:
    width, kept, numbers, bad, n_read = len(names), [], [], [], 0
    for line, row in rows:
        n_read += 1
        if len(row) > width and not any(row[width:]):
            row = row[:width]
        if len(row) == width:
            kept.append(row)
            numbers.append(line)
        else:
            bad.append((f"line {line}", f"{len(row)} cells instead of {width}"))
    if bad:
        lost = pl.DataFrame(bad, schema=["position", "detail"], orient="row")
        issues.append(issue_rows(lost, table=table, reason="damaged_row", kind="rejected", file=file))
    columns = list(zip(*kept, strict=True)) if kept else [()] * width
    frame = pl.DataFrame([pl.Series(name, cells, dtype=pl.String) for name, cells in zip(names, columns, strict=True)])
    return frame, pl.Series("line", numbers, dtype=pl.Int64), n_read


def _load_parquet(container: Container, name: str) -> Loaded:
    with container.open(name) as raw:
        try:
            frame = pl.read_parquet(io.BytesIO(raw.read()))
        except pl.exceptions.PolarsError as error:
            raise ReadError(f"{name} must be a whole Parquet file.", got=str(error).splitlines()[0]) from error
    return Loaded(frame, name, frame.height)


def _load_json(container: Container, name: str, table: str) -> Loaded:
    """JSON lines, or one JSON array of objects; nested objects become dotted columns, lists stay JSON text."""
    head = container.peek(name, 64).lstrip(b"\xef\xbb\xbf \t\r\n")
    rows, lines, bad = _json_array(container, name) if head[:1] == b"[" else _json_lines(container, name)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    frame = pl.DataFrame({key: pl.Series(key, [row.get(key) for row in rows], dtype=pl.String) for key in columns})
    issues = []
    if bad:
        lost = pl.DataFrame(bad, schema=["position", "detail"], orient="row")
        issues.append(issue_rows(lost, table=table, reason="damaged_row", kind="rejected", file=name))
    return Loaded(frame, name, len(rows) + len(bad), issues, pl.Series("line", lines, dtype=pl.Int64))


def _json_lines(
    container: Container, name: str
) -> tuple[list[dict[str, str | None]], list[int], list[tuple[str, str]]]:
    rows, lines, bad = [], [], []
    for number, line in enumerate(container.lines(name), start=1):
        if not line.strip(b"\xef\xbb\xbf \t"):
            continue
        try:
            record = parse_json(line.removeprefix(b"\xef\xbb\xbf"))
            if not isinstance(record, dict):
                raise ValueError(f"a JSON {type(record).__name__} instead of an object")
            rows.append(flatten(record))
            lines.append(number)
        except (ValueError, RecursionError) as error:
            bad.append((f"line {number}", str(error)))
    return rows, lines, bad


def _json_array(
    container: Container, name: str
) -> tuple[list[dict[str, str | None]], list[int], list[tuple[str, str]]]:
    with container.open(name) as raw:
        records = _whole_json(raw, name)
    rows, lines, bad = [], [], []
    for number, record in enumerate(records, start=1):
        if isinstance(record, dict):
            rows.append(flatten(record))
            lines.append(number)
        else:
            bad.append((f"item {number}", f"a JSON {type(record).__name__} instead of an object"))
    return rows, lines, bad


def _whole_json(raw: IO[bytes], name: str) -> list[Any]:
    try:
        return parse_json(raw.read().removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise ReadError(f"{name} must be valid JSON.", got=f"{error}.", hint="export it again") from error


def parse_json(data: bytes) -> Any:
    """JSON to Python; falls back to the stdlib for lone surrogates, NaN and huge numbers; ValueError if hopeless."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return json.loads(data.decode("utf-8", "replace"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


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


def _from_dataframe(data: object) -> pl.DataFrame:
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    try:
        frame = nw.from_native(data, eager_only=True)  # type: ignore[call-overload]
    except TypeError:
        if hasattr(data, "__arrow_c_stream__"):
            return pl.DataFrame(data)
        raise ParameterError(
            "data is a path or a DataFrame (polars, pandas, pyarrow, anything with the Arrow PyCapsule protocol).",
            got=f"Got {type(data).__name__}.",
        ) from None
    return pl.DataFrame([_column(frame[name]) for name in frame.columns])


def _column(values: nw.Series) -> pl.Series:
    """One column through plain Python values, so that no Arrow library is needed."""
    if values.dtype == nw.Datetime and values.dtype.time_zone is not None:  # type: ignore[attr-defined]
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return pl.Series(str(values.name), values.to_numpy()).dt.replace_time_zone("UTC")
    if values.dtype == nw.Datetime or values.dtype.is_float():
        return pl.Series(str(values.name), values.to_numpy(), nan_to_null=True)
    missing = values.is_null().to_list()
    cells = [None if gone else value for value, gone in zip(values.to_list(), missing, strict=True)]
    if values.dtype in (nw.Object, nw.Categorical, nw.Enum, nw.String):
        cells = [cell if cell is None or isinstance(cell, str) else _json_text(cell) for cell in cells]
        return pl.Series(str(values.name), cells, dtype=pl.String)
    return pl.Series(str(values.name), cells)
