"""Rows of a CSV one by one, by header name; damage ends in a `ReadError`, odd rows are the caller's to judge."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice

import polars as pl

from sna.errors import ReadError
from sna.formats.container import Container
from sna.formats.encodings import find_encoding

CELL_BYTES = 16 * 1024 * 1024
MORE = "_more"
"""Key of what a row has beyond its header."""
LINE = "_line"
"""Column with the line number; no plain header name begins with an underscore."""
_BATCH = 10_000


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
    head = container.peek(name, 65_536)
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = head.decode("utf-16" if wide else "utf-8-sig", "replace")
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)), [])
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
    rows = _csv_rows(container, name)
    _, first = next(rows, (0, []))
    header = [plain_header(cell) if plain else cell.strip() for cell in first]
    for line, row in rows:
        cells = dict(zip(header, row, strict=False))
        yield line, {**cells, MORE: "1"} if len(row) > len(header) else cells


def csv_frames(container: Container, name: str) -> Iterator[pl.DataFrame]:
    """The rows of `iter_csv`, thousands at a time: `LINE` and one text column per plain header name.

    Cells a short row lacks are null, those too many are dropped; of two columns with one name the later counts.
    """
    rows = _csv_rows(container, name)
    _, first = next(rows, (0, []))
    header = [plain_header(cell) for cell in first]
    while batch := list(islice(rows, _BATCH)):
        yield _frame(header, batch)


def _frame(header: Sequence[str], batch: list[tuple[int, list[str]]]) -> pl.DataFrame:
    width = len(header)
    rows = [row if len(row) == width else [*row[:width], *[None] * (width - len(row))] for _, row in batch]
    columns = {LINE: pl.Series(LINE, [line for line, _ in batch], pl.Int64)}
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        column = pl.Series(name, cells, pl.String)
        columns[name] = column.zip_with(column.is_not_null(), columns[name]) if name in columns else column
    return pl.DataFrame(list(columns.values()))


def _csv_rows(container: Container, name: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is not empty, the header first."""
    found = find_encoding(container, name)
    first = container.peek(name, 65_536).decode(found.encoding, "replace")
    usual = csv.field_size_limit(CELL_BYTES)
    with container.open(name) as stream:
        text = io.TextIOWrapper(stream, encoding=found.encoding, errors="replace", newline="")
        rows = csv.reader(text, delimiter=_delimiter(first))
        try:
            yield rows.line_num, next(rows, [])
            for row in rows:
                if row:
                    yield rows.line_num, row
        except csv.Error as error:
            raise ReadError(
                f"{name} must be a CSV with cells below {CELL_BYTES:,} characters.",
                got=f"{error} near line {rows.line_num:,}.",
                hint="export it again",
            ) from error
        finally:
            csv.field_size_limit(usual)
            text.detach()


def _delimiter(text: str) -> str:
    line = text.split("\n", 1)[0]
    return max(",;\t", key=line.count)
