"""Rows of chosen tables from the text of a mysqldump: only CREATE TABLE and INSERT are read, nothing is ever run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from sna.formats.container import Container

_NAME = r"[`\"\[]?([\w$]+)[`\"\]]?"
_CREATE = re.compile(rf"\s*CREATE TABLE (?:IF NOT EXISTS )?(?:{_NAME}\.)?{_NAME}\s*\(", re.IGNORECASE)
_INSERT = re.compile(
    rf"\s*(?:INSERT|REPLACE)\s+(?:IGNORE\s+)?INTO\s+(?:{_NAME}\.)?{_NAME}\s*(?:\(([^)]*)\))?\s*VALUES?\s*",
    re.IGNORECASE,
)
_COLUMN = re.compile(rf"\s*{_NAME}\s+\w", re.IGNORECASE)
_NO_COLUMN = re.compile(r"\s*(?:PRIMARY|UNIQUE|KEY|INDEX|CONSTRAINT|FULLTEXT|FOREIGN|CHECK|SPATIAL)\b", re.IGNORECASE)
_STRING = r"'(?:[^'\\]|\\.|'')*'"
_VALUE = re.compile(
    rf"\s*(?:(?:_binary|_utf8mb4|_utf8|N)?\s*({_STRING})|(0x[0-9A-Fa-f]+)|(NULL)\b|([-+]?[\w.]+))\s*([,)])",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(_STRING, re.DOTALL)
_PARENTHESES = re.compile(r"\([^()]*\)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "", "Z": "", "b": ""}
_SIGNED, _END = re.compile(r"-- (?:MySQL|MariaDB) dump \d"), re.compile(r"-- Dump completed")
_NO_END = "-- no end"
"""Stands where a dump that begins with a program's signature lacks the end that the program writes."""
_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)


def looks_like_sql(head: bytes) -> bool:
    """Whether the first bytes are of an SQL dump."""
    return bool(
        re.search(rb"CREATE TABLE|INSERT INTO|-- MySQL dump|-- MariaDB dump|phpMyAdmin SQL Dump", head[:65_536])
    )


def list_sql_tables(container: Container, name: str) -> dict[str, list[str]]:
    """Tables of a dump with their columns (from CREATE TABLE, or from the first INSERT that names them)."""
    tables: dict[str, list[str]] = {}
    for statement in _statements(container, name, wanted=None):
        created, inserted = _CREATE.match(statement), _INSERT.match(statement)
        if created:
            tables[created.group(2)] = _columns_of(statement[created.end() :])
        elif inserted:
            tables.setdefault(inserted.group(2), _names(inserted.group(3)))
    return tables


def read_sql_tables(
    container: Container, name: str, *, wanted: Collection[str]
) -> Iterator[tuple[str, list[str], list[str | None] | None, str]]:
    """Yield ``table, columns, values, raw`` for each row of the wanted tables; values are None for a torn row.

    A dump that is cut off, be it between two rows, has one torn row more: what followed is lost.
    """
    columns: dict[str, list[str]] = {}
    table, torn, ends = min(wanted, default=""), False, True
    for statement in _statements(container, name, wanted=wanted):
        created, inserted = _CREATE.match(statement), _INSERT.match(statement)
        if created:
            columns[created.group(2)] = _columns_of(statement[created.end() :])
        elif inserted and inserted.group(2) in wanted:
            table, ends = inserted.group(2), statement.rstrip().endswith(";")
            names = _names(inserted.group(3)) or columns.get(table, [])
            for values, raw in _tuples(statement, inserted.end()):
                whole = values is not None and len(values) == len(names)
                torn = values is None
                yield table, names, values if whole else None, raw
        if (statement == _NO_END or not ends) and not torn and wanted:
            torn = True
            yield table, [], None, "the dump has no end"


def _statements(container: Container, name: str, *, wanted: Collection[str] | None) -> Iterator[str]:
    """CREATE TABLE and INSERT statements; of an INSERT into other tables, or when only names count, just the head."""
    open_lines: list[str] = []
    inside = signed = False
    for line in container.lines(name):
        text = line.decode("utf-8", "replace")
        if not open_lines:
            signed = _SIGNED.match(text) is not None or (signed and _END.match(text) is None)
            created, inserted = _CREATE.match(text), _INSERT.match(text)
            if not created and not inserted:
                continue
            if inserted and (wanted is None or inserted.group(2) not in wanted):
                yield text[: inserted.end()]
                continue
        open_lines.append(text)
        inside = _ends_inside_string(text, inside)
        if not inside and text.rstrip().endswith(";"):
            yield "\n".join(open_lines)
            open_lines = []
    if open_lines:
        yield "\n".join(open_lines)
    if signed:
        yield _NO_END


def _ends_inside_string(text: str, inside: bool) -> bool:
    rest = _QUOTED.sub("", f"'{text}" if inside else text)
    return "'" in rest


def _columns_of(body: str) -> list[str]:
    """Column names of a CREATE TABLE, on one line or on many; commas in types, defaults and comments do not count."""
    body = _QUOTED.sub("''", body)
    for _ in range(2):
        body = _PARENTHESES.sub(" ", body)
    names = []
    for part in re.split(r"[,\n]", body):
        match = _COLUMN.match(part)
        if match and not _NO_COLUMN.match(part):
            names.append(match.group(1))
    return names


def _names(written: str | None) -> list[str]:
    return [part.strip().strip('`"[]') for part in written.split(",")] if written else []


def _tuples(statement: str, at: int) -> Iterator[tuple[list[str | None] | None, str]]:
    """The value tuples of an INSERT; a torn tuple ends the statement and is given as None."""
    while (start := statement.find("(", at)) >= 0 and not statement[at:start].strip(" ,\r\n\t"):
        values: list[str | None] = []
        at = start + 1
        while True:
            match = _VALUE.match(statement, at)
            if match is None:
                yield None, statement[start : start + 80]
                return
            values.append(_value(match))
            at = match.end()
            if match.group(5) == ")":
                break
        yield values, statement[start : start + 80]


def _value(match: re.Match[str]) -> str | None:
    text, binary, null, plain = match.group(1), match.group(2), match.group(3), match.group(4)
    if text is not None:
        return _ESCAPE.sub(lambda m: "'" if m.group(0) == "''" else _ESCAPES.get(m.group(1), m.group(1)), text[1:-1])
    return None if null else binary or plain
