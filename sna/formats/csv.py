"""CSV in any dialect: row by row for formats whose header is known, or as one table of text with its problems."""

from __future__ import annotations

import _csv
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

import polars as pl

from sna.errors import ParameterError, ReadError
from sna.formats.container import Container
from sna.formats.encodings import TextFile, find_encoding
from sna.formats.loaded import PROBLEM, Loaded, list_problems

CELL_BYTES = 16 * 1024**2
MORE = "_more"
"""Key of what a row has beyond its header."""
LINE = "_line"
"""Column with the line number; no plain header name begins with an underscore."""
SEPARATORS = (",", ";", "\t", "|", " ")
_BATCH = 10_000
_PLAIN_BYTES = 1024**3
_SAMPLE_ROWS = 200
_SAMPLE_BYTES = 65_536
_Row = tuple[int, list[str]]


@dataclass(frozen=True)
class Dialect:
    """How a table is written; what is None is found out.

    ``escape`` is the character that escapes a quote; ``sheet`` names the sheet of a workbook.
    """

    sep: str | None = None
    encoding: str | None = None
    header: bool | None = None
    escape: str | None = None
    sheet: str | None = None


ANY = Dialect()
"""Everything is found out."""


def plain_header(name: str) -> str:
    """Header name in lower case with underscores.

    Examples
    --------
    >>> plain_header("Thread ID "), plain_header("repliedToId")
    ('thread_id', 'replied_to_id')
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def peek_header(container: Container, name: str) -> list[str]:
    """Header cells of a CSV, read from its first bytes."""
    head = container.peek(name, _SAMPLE_BYTES)
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = head.decode("utf-16" if wide else "utf-8-sig", "replace")
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=_usual_separator(text)), [])
    except csv.Error:
        return []


def iter_csv(container: Container, name: str, *, plain: bool = True) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by header name; cells a short row lacks are left out, those too many are under `MORE`.

    Parameters
    ----------
    plain
        Names by `plain_header`; False keeps them as written.

    Raises
    ------
    ReadError
        A cell longer than 16 MB, or quotes that never end.
    """
    rows = _rows_of_member(container, name)
    _, first = next(rows, (0, []))
    header = [plain_header(cell) if plain else cell.strip() for cell in first]
    for line, row in rows:
        cells = dict(zip(header, row, strict=False))
        yield line, {**cells, MORE: "1"} if len(row) > len(header) else cells


def csv_frames(container: Container, name: str) -> Iterator[pl.DataFrame]:
    """The rows of `iter_csv`, thousands at a time: `LINE` and one text column per plain header name.

    Cells a short row lacks are null, those too many are dropped; of two columns with one name the later counts.
    """
    rows = _rows_of_member(container, name)
    _, first = next(rows, (0, []))
    header = [plain_header(cell) for cell in first]
    while batch := list(islice(rows, _BATCH)):
        yield _frame(header, batch)


def _frame(header: Sequence[str], batch: list[_Row]) -> pl.DataFrame:
    width = len(header)
    rows = [row if len(row) == width else [*row[:width], *[None] * (width - len(row))] for _, row in batch]
    columns = {LINE: pl.Series(LINE, [line for line, _ in batch], pl.Int64)}
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        column = pl.Series(name, cells, pl.String)
        columns[name] = column.zip_with(column.is_not_null(), columns[name]) if name in columns else column
    return pl.DataFrame(list(columns.values()))


def _rows_of_member(container: Container, name: str) -> Iterator[_Row]:
    """Line number and cells of each row that is not empty, the header first."""
    found = find_encoding(container, name)
    first = container.peek(name, _SAMPLE_BYTES).decode(found.encoding, "replace")
    with _text_of(container, name, TextFile(found.encoding, "replace")) as text:
        yield from _numbered_rows(text, name, Dialect(sep=_usual_separator(first)))


def _usual_separator(text: str) -> str:
    line = text.split("\n", 1)[0]
    return max(",;\t", key=line.count)


@contextmanager
def _text_of(container: Container, name: str, found: TextFile) -> Iterator[io.TextIOBase]:
    with container.open(name) as raw:
        try:
            yield io.TextIOWrapper(raw, encoding=found.encoding, errors=found.errors, newline="")
        except LookupError as error:
            raise ParameterError("encoding must be one Python knows.", got=f"Got {found.encoding!r}.") from error
        except UnicodeDecodeError as error:
            raise ReadError(
                f"{name} must be text in {found.encoding}.",
                got=f"It cannot be decoded at byte {error.start:,}.",
                hint="leave encoding out to have it found",
            ) from error


def _numbered_rows(lines: Iterable[str], name: str, dialect: Dialect) -> Iterator[_Row]:
    """Cells of each row that is not blank, with the line it starts at."""
    usual, start = csv.field_size_limit(CELL_BYTES), 1
    reader = _reader(lines, dialect.sep or ",", dialect.escape)
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise ReadError(
            f"{name} must be a CSV with cells below {CELL_BYTES:,} characters.",
            got=f"{error} near line {reader.line_num:,}.",
            hint="export it again; a quote may be left open",
        ) from error
    finally:
        csv.field_size_limit(usual)


def _reader(lines: Iterable[str], sep: str, escape: str | None) -> _csv.Reader:
    return csv.reader(lines, delimiter=sep, escapechar=escape, doublequote=escape is None, skipinitialspace=sep == " ")


def load_csv(container: Container, name: str, *, dialect: Dialect) -> Loaded:
    """One CSV as a table of text columns.

    Raises
    ------
    ReadError
        Empty, or not text in its encoding.
    """
    found = TextFile(dialect.encoding) if dialect.encoding else find_encoding(container, name)
    if found.encoding in ("utf-8", "utf-8-sig") and dialect.escape is None:
        plain = _load_plain(container, name, dialect)
        if plain is not None:
            return plain
    problems = [list_problems(found.reason, [("", found.detail)], kind="note")] if found.reason else []
    n_nul: Counter[str] = Counter()
    with _text_of(container, name, found) as text:
        return _load_rows(_without_nul(text, n_nul), name, dialect, problems, n_nul)


def _load_plain(container: Container, name: str, dialect: Dialect) -> Loaded | None:
    """The quick way for a file without quotes, NUL or ragged rows; None when it has any of them."""
    with container.open(name) as raw:
        data = raw.read(_PLAIN_BYTES + 1).removeprefix(b"\xef\xbb\xbf")
    if len(data) > _PLAIN_BYTES or b'"' in data or b"\x00" in data or b"\r" in data.replace(b"\r\n", b""):
        return None
    head = data[:_SAMPLE_BYTES].decode("utf-8", "ignore")
    if not head.strip():
        return None
    sep = dialect.sep or find_separator(head)
    first = head.splitlines()[0].split(sep)
    header = looks_like_header(first) if dialect.header is None else dialect.header
    names, problems = _column_names(first if header else [], len(first))
    n_rows = data.count(b"\n") + (not data.endswith(b"\n"))
    if len(sep) != 1 or data.count(sep.encode()) != n_rows * (len(first) - 1) or (sep == " " and b"  " in data):
        return None
    frame = _quick_frame(data, sep, names, skip=int(header))
    if frame is None or frame.height != n_rows - int(header):
        return None
    return Loaded(frame, name, problems, pl.int_range(1 + header, n_rows + 1, eager=True).alias("line"))


def _quick_frame(data: bytes, sep: str, names: list[str], *, skip: int) -> pl.DataFrame | None:
    schema = dict.fromkeys(names, pl.String)
    try:
        frame = pl.read_csv(data, separator=sep, schema=schema, has_header=False, skip_rows=skip, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    return frame.fill_null("")


def _without_nul(text: io.TextIOBase, n_nul: Counter[str]) -> Iterator[str]:
    """Lines without NUL and byte-order mark; ``n_nul`` counts what is removed."""
    while line := text.readline(CELL_BYTES):
        if "\x00" in line:
            n_nul["n"] += line.count("\x00")
            line = line.replace("\x00", "")
        yield line.removeprefix("\ufeff")


def _load_rows(
    lines: Iterator[str], name: str, dialect: Dialect, problems: list[pl.DataFrame], n_nul: Counter[str]
) -> Loaded:
    head = list(_head_of(lines))
    sample = "".join(head)
    if not sample.strip():
        raise ReadError(f"{name} must hold a table.", got="It is empty.", hint="export it again")
    sep = dialect.sep or find_separator(sample)
    rows = _numbered_rows(chain(head, lines), name, Dialect(sep=sep, escape=dialect.escape))
    first = next(rows)
    header = looks_like_header(first[1]) if dialect.header is None else dialect.header
    width = _row_width(sample, sep, dialect.escape, len(first[1]))
    names, doubles = _column_names(first[1] if header else [], max(width, len(first[1])))
    frame, numbers, damaged = _fill_columns(rows if header else chain([first], rows), names)
    if n_nul["n"]:
        problems.append(list_problems("nul_bytes", [("", f"{n_nul['n']:,} NUL bytes removed")], kind="note"))
    return Loaded(frame, name, pl.concat([pl.DataFrame(schema=PROBLEM), *problems, doubles, damaged]), numbers)


def _head_of(lines: Iterator[str]) -> Iterator[str]:
    size = 0
    for line in lines:
        size += len(line)
        yield line
        if size >= _SAMPLE_BYTES:
            return


def _sample_rows(sample: str, sep: str, escape: str | None = None) -> list[list[str]]:
    rows = []
    try:
        for row in _reader(io.StringIO(sample, newline=""), sep, escape):
            if row:
                rows.append(row)
            if len(rows) > _SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    cut_off = len(sample) >= _SAMPLE_BYTES or len(rows) > _SAMPLE_ROWS
    return rows[:-1] if cut_off and len(rows) > 1 else rows


def find_separator(sample: str) -> str:
    """The separator that cuts the sample into the most columns of one same number; a comma if none does."""
    best, best_score = ",", 0.0
    for sep in SEPARATORS:
        rows = _sample_rows(sample.removeprefix("\ufeff"), sep)
        width, count = Counter(len(row) for row in rows).most_common(1)[0] if rows else (0, 0)
        share = count / max(len(rows), 1)
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
    rows = _sample_rows(sample, sep, escape)[1:]
    return Counter(len(row) for row in rows).most_common(1)[0][0] if rows else default


def _column_names(header: list[str], width: int) -> tuple[list[str], pl.DataFrame]:
    """Names of the columns, unique; a nameless first column (row names) and blank names are filled in."""
    cells = [cell.strip().strip("\ufeff") for cell in header] or [""] * width
    if width == len(cells) + 1:
        cells.insert(0, "")
    seen: Counter[str] = Counter()
    names, doubles = [], []
    for number, cell in enumerate(cells, start=1):
        name = cell or f"column_{number}"
        seen[name] += 1
        if seen[name] > 1:
            doubles.append(("", f"column {number} is a second {name!r}; it is called {name}_{seen[name]}"))
            name = f"{name}_{seen[name]}"
        names.append(name)
    return names, list_problems("duplicate_column", doubles, kind="note")


def _fill_columns(rows: Iterable[_Row], names: list[str]) -> tuple[pl.DataFrame, pl.Series, pl.DataFrame]:
    width, kept, numbers, bad = len(names), [], [], []
    for line, row in rows:
        if len(row) == width or (len(row) > width and not any(row[width:])):
            kept.append(row[:width])
            numbers.append(line)
        else:
            bad.append((f"line {line}", f"{len(row)} cells instead of {width}"))
    columns = list(zip(*kept, strict=True)) if kept else [()] * width
    frame = pl.DataFrame([pl.Series(name, cells, dtype=pl.String) for name, cells in zip(names, columns, strict=True)])
    return frame, pl.Series("line", numbers, dtype=pl.Int64), list_problems("damaged_row", bad)
