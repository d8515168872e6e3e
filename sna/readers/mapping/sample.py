"""The first rows of every table of an unknown export, whatever its size: of CSV, JSON, XML, Parquet and workbooks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from sna.errors import ReadError, SnaError
from sna.formats.container import Container
from sna.formats.frames import PARQUET, WORKBOOKS, flatten, list_sheets, load_member, load_parquet, load_workbook
from sna.formats.json import peek_json
from sna.formats.loaded import Loaded
from sna.readers.mapping.sources import read_xml, text_frame, walk_items
from sna.readers.tables.cells import pick_columns

ROWS = 5_000
_BYTES = 2 * 1024**2
_LEAST_BYTES = 65_536
_WHOLE_XML = 64 * 1024**2
_TEXTS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
_DEEPEST = 3
_MANY = 400
_PATHS = 12
_ITEMS = 10


@dataclass(frozen=True)
class Sample:
    """Some rows of one table: its file, the path of its list (or its sheet) there, all cells as text, and its place."""

    member: str
    items: str
    frame: pl.DataFrame
    whole: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the table."""
        return tuple(name for name in self.frame.columns if name not in ("_file", "_at"))


def list_samples(container: Container) -> list[Sample]:
    """A sample of each table of an export; files that are no tables have none."""
    names = [name for name in container.names if "__MACOSX" not in name][:_MANY]
    size = max(_LEAST_BYTES, _BYTES // max(1, len(names)))
    rows = max(200, ROWS // max(1, len(names)))
    samples = []
    for name in names:
        try:
            found = list(_samples_of(container, name, size=size, rows=rows))
        except (SnaError, ValueError, RecursionError):
            continue
        samples += [sample for sample in found if sample.frame.height and len(sample.columns) > 1]
    return samples


def _samples_of(container: Container, name: str, *, size: int, rows: int) -> Iterator[Sample]:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in PARQUET:
        yield _sample(load_parquet(container, name, rows=rows), "", whole=False)
    elif suffix in WORKBOOKS:
        for sheet in list_sheets(container, name):
            with suppress(ReadError):
                yield _sample(load_workbook(container, name, sheet=sheet, rows=rows), sheet, whole=False)
    elif suffix in _TEXTS or (suffix == ".json" and _has_lines(container, name)):
        head, whole = _head_of(container, name, size)
        loaded = load_member(head, name)
        yield _sample(loaded, "", whole=whole)
    elif suffix in (".json", ".xml"):
        data, whole = _document(container, name, size)
        for path in islice(_paths(data), _PATHS):
            items = list(islice(walk_items(data, path), rows + 1))
            records = [flatten(item) for item in items if isinstance(item, dict)]
            cut = len(items) > rows or not whole
            yield _sample(Loaded(text_frame(records[:-1] if cut else records), name), ".".join(path), whole=not cut)


def _sample(loaded: Loaded, items: str, *, whole: bool) -> Sample:
    cells = {column.name: column for column in loaded.frame.select(pl.all().cast(pl.String))}
    return Sample(loaded.name, items, pick_columns(loaded, cells).head(ROWS), whole and loaded.frame.height <= ROWS)


def _head_of(container: Container, name: str, size: int) -> tuple[Container, bool]:
    """A container of one member, cut after its last whole line within the first bytes."""
    data = container.peek(name, size)
    whole = len(data) < size
    if not whole and b"\n" in data:
        data = data[: data.rfind(b"\n") + 1 + (data[data.rfind(b"\n") + 1 :][:1] == b"\x00")]
    return replace(container, names=(name,), _open=lambda _: io.BytesIO(data)), whole


def _has_lines(container: Container, name: str) -> bool:
    lines = container.peek(name, 16_384).split(b"\n")
    return len(lines) > 1 and lines[0].strip().startswith(b"{") and lines[0].strip().endswith(b"}")


def _document(container: Container, name: str, size: int) -> tuple[Any, bool]:
    """A JSON or XML document, as far as its first bytes go; XML is read whole up to a limit."""
    if name.lower().endswith(".json"):
        return peek_json(container, name, size=size), len(container.peek(name, size)) < size
    if len(container.peek(name, _WHOLE_XML)) == _WHOLE_XML:
        return None, False
    return read_xml(container, name), True


def _paths(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the lists of objects in a document, and of the lists in their objects."""
    if isinstance(data, list):
        objects = [item for item in data if isinstance(item, dict)]
        if objects:
            yield path
        if len(path) < _DEEPEST:
            keys = dict.fromkeys(key for item in objects[:_ITEMS] for key, value in item.items() if _lists(value))
            for key in keys:
                found = dict.fromkeys(
                    inner for item in objects[:_ITEMS] for inner in _paths(item.get(key), (*path, key))
                )
                yield from found
    elif isinstance(data, dict) and len(path) < _DEEPEST:
        for key, value in data.items():
            yield from _paths(value, (*path, key))


def _lists(value: Any) -> bool:
    return isinstance(value, list | dict)
