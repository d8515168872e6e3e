"""Where a mapping finds its rows: tables of an SQL dump, CSV files, table XML; items of JSON, BSON and Atom files."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import IO, Any

import polars as pl
from lxml import etree

from sna.errors import ReadError, SnaError
from sna.formats.bson import read_bson
from sna.formats.container import Container
from sna.formats.csv import ANY, Dialect
from sna.formats.frames import PARQUET, WORKBOOKS, flatten, load_member
from sna.formats.json import parse_json, read_json
from sna.formats.loaded import Loaded, list_problems
from sna.formats.sqldump import list_sql_tables, looks_like_sql, read_sql_tables
from sna.formats.times import from_epoch

_TABLES = (".csv", ".tsv", ".txt", *PARQUET)
_TABLE_FILES = (*_TABLES, ".jsonl", ".ndjson")
_ATOM = "{http://www.w3.org/2005/Atom}"


@dataclass(frozen=True)
class TableAt:
    """Where a table lies: kind ("sql", "xml", "file"), member, the name there, its columns."""

    kind: str
    member: str
    name: str
    columns: tuple[str, ...]


def list_tables(container: Container, *, sep: str | None = None) -> list[TableAt]:
    """All tables of an export: of SQL dumps, table XML, and one per CSV file (named like the file)."""
    found = []
    for name in container.names:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in (".sql", ".dump"):
            if looks_like_sql(container.peek(name)):
                tables = list_sql_tables(container, name).items()
                found += [TableAt("sql", name, table, tuple(columns)) for table, columns in tables]
        elif suffix == ".xml":
            if b"<table name=" in container.peek(name, 4096):
                parts = _xml_tables(container, name).items()
                found += [TableAt("xml", name, table, tuple(columns)) for table, (columns, _) in parts]
        elif suffix in _TABLE_FILES:
            found.append(TableAt("file", name, PurePosixPath(name).stem, _header(container, name, sep)))
    return found


def _header(container: Container, name: str, sep: str | None) -> tuple[str, ...]:
    """Columns of a table file from its first bytes; none when it is no table."""
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix in (".parquet", ".pq"):
            return tuple(load_member(container, name).frame.columns)
        first = container.peek(name).splitlines()[0].decode("utf-8-sig", "replace")
        if suffix in (".jsonl", ".ndjson"):
            record = parse_json(first.encode(), name)[0]
            return tuple(flatten(record)) if isinstance(record, dict) else ()
        cells = first.split(sep or max(",;\t|", key=first.count))
        return tuple(cell.strip().strip('"') for cell in cells)
    except (SnaError, IndexError, ValueError):
        return ()


def resolve_tables(tables: Sequence[TableAt], needed: Mapping[str, Sequence[str]]) -> dict[str, TableAt] | None:
    """Find the needed tables under one common prefix (phpbb_, mybb_, flarum_...); None when one is not there."""
    by_name = {table.name.lower(): table for table in tables}
    key = next(iter(needed))
    prefixes = sorted({name[: -len(key)] for name in by_name if name.endswith(key.lower())}, key=len)
    for prefix in prefixes:
        chosen = {name: by_name.get(f"{prefix}{name}".lower()) for name in needed}
        if all(at and {c.lower() for c in needed[n]} <= {c.lower() for c in at.columns} for n, at in chosen.items()):
            rest = {n[len(prefix) :]: at for n, at in by_name.items() if n.startswith(prefix)}
            return rest | {n: at for n, at in chosen.items() if at}
    return None


def load_tables(
    container: Container, places: Iterable[TableAt], *, dialect: Dialect = ANY
) -> dict[tuple[str, str], Loaded]:
    """Read the tables at these places, each dump only once; by (member, table name)."""
    wanted: dict[str, list[TableAt]] = defaultdict(list)
    for place in places:
        wanted[place.member].append(place)
    loaded: dict[tuple[str, str], Loaded] = {}
    for member, here in wanted.items():
        if here[0].kind == "sql":
            loaded |= _load_sql(container, member, [place.name for place in here])
        elif here[0].kind == "xml":
            tables = _xml_tables(container, member)
            loaded |= {(member, p.name): Loaded(text_frame(tables[p.name][1], p.columns), member) for p in here}
        else:
            loaded[member, here[0].name] = load_member(container, member, dialect=dialect)
    return loaded


def _load_sql(container: Container, member: str, names: list[str]) -> dict[tuple[str, str], Loaded]:
    values: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    bad: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for table, columns, row, _ in read_sql_tables(container, member, wanted=names):
        if row is None:
            bad[table].append((f"{table} row {len(values[table]) + len(bad[table]) + 1}", ""))
        else:
            values[table].append(dict(zip(columns, row, strict=True)))
    return {
        (member, name): Loaded(text_frame(rows), member, list_problems("damaged_row", bad[name]), place=f"{name} row ")
        for name, rows in values.items()
    }


def load_items(container: Container, pattern: str, *, items: str, whole: Collection[str] = ()) -> list[Loaded]:
    """Records of each file that matches: JSON, JSONL, BSON, Atom entries, elements of XML; rows of tables and sheets.

    ``items`` is the dotted path of the list in a JSON or XML file, or the name of a sheet. Nested objects become dotted
    columns, lists stay JSON text (see `explode` of a mapping), and so do the columns in ``whole``. What stands around
    the list in its file is there under names that start with ``^``.
    """
    found = []
    for name in container.names:
        if not fnmatch(PurePosixPath(name).name.lower(), pattern.lower()):
            continue
        if name.lower().endswith((*_TABLES, *WORKBOOKS)):
            found.append(load_member(container, name, dialect=Dialect(sheet=items or None)))
            continue
        try:
            records = list(_records(container, name, items))
        except (ValueError, RecursionError) as error:
            if isinstance(error, SnaError):
                raise
            raise ReadError(f"{name} must be whole.", got=f"{error}.", hint="export it again") from error
        good = [_flat(_plain(record), whole) for record in records if isinstance(record, dict)]
        bad = [(f"item {i}", "") for i, record in enumerate(records, start=1) if not isinstance(record, dict)]
        found.append(Loaded(text_frame(good), name, list_problems("not_an_object", bad)))
    return found


def text_frame(records: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> pl.DataFrame:
    """Records as text columns; a column that first appears late is there too."""
    names = dict.fromkeys([*columns, *(key for record in records for key in record)])
    return pl.DataFrame([pl.Series(name, [row.get(name) for row in records], dtype=pl.String) for name in names])


def _records(container: Container, name: str, items: str) -> Iterator[Any]:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".bson":
        with container.open(name) as stream:
            yield from read_bson(stream)
    elif suffix in (".jsonl", ".ndjson"):
        yield from (parse_json(line, name)[0] for line in container.lines(name) if line.strip())
    else:
        data = read_xml(container, name) if suffix in (".xml", ".atom") else _whole(container, name)
        yield from walk_items(data, [part for part in items.split(".") if part])


def _flat(record: dict[str, Any], whole: Collection[str]) -> dict[str, str | None]:
    kept = {
        key: json.dumps(value, sort_keys=True)
        for key, value in record.items()
        if key in whole and isinstance(value, dict)
    }
    return flatten({key: value for key, value in record.items() if key not in kept}) | kept


def _whole(container: Container, name: str) -> Any:
    """A JSON document, or one JSON object per line whatever the file is called."""
    try:
        return read_json(container, name)
    except ReadError:
        lines = [line for line in container.lines(name) if line.strip()]
        if len(lines) > 1 and lines[0].lstrip().startswith(b"{") and lines[0].rstrip().endswith(b"}"):
            return [parse_json(line, name)[0] for line in lines]
        raise


def walk_items(data: Any, path: Sequence[str], *, around: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """Items under a path of keys, with what stands around them; lists on the way are walked through."""
    if isinstance(data, list):
        for item in data:
            yield from walk_items(item, path, around=around) if path or isinstance(item, dict) else iter((item,))
    elif not path:
        yield {**data, **(around or {})} if isinstance(data, dict) else data
    elif isinstance(data, dict) and path[0] in data:
        beside = {f"^{key}": value for key, value in data.items() if key != path[0] and not isinstance(value, list)}
        yield from walk_items(data[path[0]], path[1:], around={**(around or {}), **beside})


def _plain(value: Any) -> Any:
    """Mongo's extended JSON ({"$oid": ...}, {"$date": ...}) as plain values."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        key, inner = next(iter(value.items()))
        if key == "$date":
            return _plain_date(inner if not isinstance(inner, dict) else next(iter(inner.values()), None))
        if key in ("$oid", "$numberLong", "$numberInt", "$numberDouble"):
            return inner
    return {key: _plain(item) for key, item in value.items()}


def _plain_date(value: Any) -> Any:
    """Mongo's dates, ISO text or milliseconds (in one file both occur), as ISO text."""
    number = isinstance(value, int | str) and str(value).lstrip("-").isdecimal()
    when = from_epoch(int(value), unit="ms") if number else None
    return when.isoformat() if when else value


def _parsed(stream: IO[bytes], name: str) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        tree = etree.parse(stream, parser)
    except etree.XMLSyntaxError as error:
        raise ReadError(f"{name} must be whole XML.", got=f"{error}.", hint="export it again") from error
    if tree.docinfo.doctype:
        raise ReadError(f"{name} must not declare a document type.", got="It has a DOCTYPE.", hint="remove that line")
    return tree.getroot()


def _xml_tables(container: Container, name: str) -> dict[str, tuple[list[str], list[dict[str, str | None]]]]:
    """Tables of a `<dataset><table name><column/><row><value/></row></table></dataset>` file."""
    with container.open(name) as stream:
        root = _parsed(stream, name)
    tables = {}
    for table in root.iter("table"):
        columns = [(column.text or "").strip() for column in table.findall("column")]
        rows = [[value.text or "" for value in row.findall("value")] for row in table.findall("row")]
        tables[str(table.get("name"))] = (columns, [dict(zip(columns, row, strict=False)) for row in rows])
    return tables


def read_xml(container: Container, name: str) -> Any:
    """An XML file as JSON would have it; of an Atom feed, its entries.

    Attributes and children stand by name, children of one name as a list; an element with neither is its text.
    """
    with container.open(name) as stream:
        root = _parsed(stream, name)
    if not str(root.tag).startswith(_ATOM):
        return _xml_value(root)
    entries = [root] if root.tag == f"{_ATOM}entry" else root.findall(f"{_ATOM}entry")
    return [_atom_record(entry) for entry in entries]


def _xml_value(element: Any) -> Any:
    inside: dict[str, list[Any]] = {_local_name(key): [value] for key, value in element.attrib.items()}
    for child in element:
        if isinstance(child.tag, str):
            inside.setdefault(_local(child), []).append(_xml_value(child))
    text = (element.text or "").strip()
    if inside and text:
        inside.setdefault("text", []).append(text)
    return {key: values[0] if len(values) == 1 else values for key, values in inside.items()} if inside else text


def _atom_record(entry: Any) -> dict[str, Any]:
    """An entry as a flat record: elements by name, categories by the end of their scheme, links by rel."""
    record: dict[str, Any] = {}
    for child in entry:
        if not isinstance(child.tag, str):
            continue
        name = _local(child)
        if name == "category":
            scheme = str(child.get("scheme", "")).rstrip("/").rsplit("/", 1)[-1] or "tag"
            record.setdefault(f"category_{scheme}", []).append(child.get("term"))
        elif name == "link":
            link = {_local_name(key): value for key, value in child.attrib.items()}
            record.setdefault(f"link_{str(link.get('rel', '')).rsplit('/', 1)[-1]}", link)
        elif len(child):
            record[name] = {_local(part): (part.text or "").strip() for part in child if isinstance(part.tag, str)}
        else:
            record[name] = (child.text or "").strip() or dict(child.attrib)
    for key in [k for k in record if k.startswith("category_")]:
        terms = record.pop(key)
        record[key] = terms[0] if key == "category_type" else ",".join(sorted(filter(None, terms)))
    return record


def _local(element: Any) -> str:
    return _local_name(element.tag)


def _local_name(tag: str) -> str:
    return re.sub(r"^\{[^}]*\}", "", tag)
