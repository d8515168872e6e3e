"""Discourse backups: the COPY blocks of a plain-text PostgreSQL dump, read as text. Nothing in the dump is executed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from sna.errors import ReadError
from sna.formats.container import Container
from sna.forum import Forum
from sna.readers.collect import Collector, Reader, ReadOptions, show_progress
from sna.readers.discourse.csv import take_csvs
from sna.readers.discourse.forum import make_forum
from sna.readers.discourse.tables import COLUMNS, OWN, Tables

_RESTS_ON = {
    "spaces": ("topics", "no"),
    "mentions": ("user_actions", "partial"),
    "reactions": ("post_actions", "no"),
    "reaction_times": ("post_actions", "no"),
    "reads": ("topic_views", "no"),
    "logins": ("user_visits", "no"),
    "roster": ("users", "no"),
    "memberships": ("group_users", "no"),
    "platform_role": ("user_histories", "partial"),
    "org_attributes": ("user_custom_fields", "no"),
}
"""Capability: the table it rests on, and its level when the source has no such table."""
_ALWAYS = ("reply_parent", "threads", "acceptance", "acceptance_time", "deleted_posts", "text", "exact_times")
CAPABILITIES = dict.fromkeys((*_ALWAYS, *_RESTS_ON), "yes") | {"org_attributes": "partial", "edits": "partial"}

_COPY = re.compile(rb'COPY (?:"?[\w$]+"?\.)?"?(\w+)"? \(([^)]*)\) FROM stdin;', re.IGNORECASE)
_POSTS = re.compile(rb'(?:COPY|CREATE TABLE) (?:"?[\w$]+"?\.)?"?posts"? \([^;]{0,5000}?\bpost_number\b', re.IGNORECASE)
_HEAD = 8 * 1024 * 1024
_BATCH_LINES, _BATCH_BYTES = 20_000, 16 * 1024 * 1024
_SIGNATURES = (b"-- PostgreSQL database dump", b"-- PostgreSQL database dump complete")
"""How pg_dump begins and ends a dump; with the first and without the second it is cut off."""
_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2}-\d{6})")
_FORUM_TABLE = {
    **dict.fromkeys(("users", "user_emails", "user_profiles"), "people"),
    **dict.fromkeys(("user_visits", "topic_views", "post_timings"), "events"),
    **dict.fromkeys(("groups", "group_users", "group_histories"), "memberships"),
    **dict.fromkeys(("user_histories", "user_fields", "user_custom_fields"), "roles"),
    **dict.fromkeys(("posts", "topics", "categories"), "posts"),
}


def allowed_columns(table: str) -> tuple[str, ...]:
    """Columns of a table of Discourse that may be read."""
    return tuple(name for name in COLUMNS.get(table, ()) if name not in OWN)


def lowered_capabilities(seen: Sequence[str]) -> dict[str, str]:
    """The capability record of a source that has these tables only."""
    levels = dict(CAPABILITIES)
    levels.update({name: level for name, (table, level) in _RESTS_ON.items() if table not in seen})
    return levels


def add_rows(tables: Tables, table: str, *, frame: pl.DataFrame) -> None:
    """Keep rows of a database table; accounts found there are the roster."""
    tables.add_frame(table, frame.with_columns(pl.lit("t").alias("listed")) if table == "users" else frame)


def _dumps(container: Container) -> list[str]:
    return [name for name in container.match(r".*\.sql") if _POSTS.search(container.peek(name, _HEAD))]


def _recognise(container: Container) -> str | None:
    found = _dumps(container)
    return f"{found[0]} is a PostgreSQL dump with Discourse's posts table" if found else None


def _read(container: Container, options: ReadOptions) -> Forum:
    collector, tables = Collector("discourse"), Tables()
    names = _dumps(container)
    seen: set[str] = set()
    for name in names:
        for block in show_progress(_blocks(container, name), options, what="Discourse backup"):
            seen |= {block.table} if block.columns else set()
            block.write(tables, collector, file=name)
    if "posts" not in seen:
        raise ReadError(
            f"{container.path.name} must hold COPY blocks, as pg_dump writes them in plain format.",
            got="It has none for the table posts.",
            hint="use the backup Discourse makes, or pg_dump without --inserts and --format=custom",
        )
    listed = take_csvs(container, tables, collector=collector)
    return make_forum(
        tables,
        options,
        collector=collector,
        capabilities=lowered_capabilities(sorted(seen)),
        files=(*names, *listed),
        exported_at=_exported_at(container, names),
    )


def _exported_at(container: Container, names: Sequence[str]) -> datetime | None:
    """When the backup was made, from the name Discourse gives it."""
    stamp = next((found for name in (container.path.name, *names) if (found := _STAMP.search(name))), None)
    try:
        return datetime.strptime(stamp[1], "%Y-%m-%d-%H%M%S").replace(tzinfo=UTC) if stamp else None
    except ValueError:
        return None


@dataclass
class _Block:
    """Some consecutive lines of one allowed table."""

    table: str
    columns: tuple[str, ...]
    first_line: int
    lines: list[bytes] = field(default_factory=list)
    n_bytes: int = 0
    cut_off: bool = False

    def write(self, tables: Tables, collector: Collector, *, file: str) -> None:
        """Parse the lines and keep their allowed columns; a line with too few or many cells is rejected."""
        tabs = len(self.columns) - 1
        whole = [line for line in self.lines if line.count(b"\t") == tabs]
        subject = _FORUM_TABLE.get(self.table, "signals")
        if len(whole) < len(self.lines):
            for number, line in enumerate(self.lines, start=self.first_line):
                if line.count(b"\t") != tabs:
                    collector.reject(subject, "damaged_row", file=file, position=f"line {number}", detail=self.table)
        if self.cut_off:
            collector.note(subject, "table_cut_off", file=file, position=self.table, detail="no end mark")
        wanted = [name for name in allowed_columns(self.table) if name in self.columns]
        if whole and wanted:
            add_rows(tables, self.table, frame=_cells(whole, self.columns, wanted))


def _blocks(container: Container, name: str) -> Iterator[_Block]:
    """Batches of lines of the allowed tables; all other text is passed over."""
    block: _Block | None = None
    skipping = signed = False
    for number, line in enumerate(container.lines(name), start=1):
        if line == b"\\.":
            if block is not None:
                yield block
            block, skipping = None, False
        elif block is not None:
            block.lines.append(line)
            block.n_bytes += len(line)
            if len(block.lines) >= _BATCH_LINES or block.n_bytes >= _BATCH_BYTES:
                yield block
                block = _Block(block.table, block.columns, number + 1)
        elif line in _SIGNATURES:
            signed = line == _SIGNATURES[0]
        elif not skipping and line[:5].upper() == b"COPY " and (header := _COPY.match(line)):
            block = _opened(header, number + 1)
            skipping = block is None
    if block is not None or signed:
        block = block or _Block("posts", (), 0)
        block.cut_off = True
        yield block


def _opened(header: re.Match[bytes], line: int) -> _Block | None:
    table = header[1].decode("ascii", "replace")
    columns = tuple(name.strip().strip('"') for name in header[2].decode("utf-8", "replace").split(","))
    return _Block(table, columns, line) if allowed_columns(table) else None


def _cells(lines: list[bytes], columns: Sequence[str], wanted: Sequence[str]) -> pl.DataFrame:
    r"""COPY text to columns: tab-separated, ``\N`` for null, backslash escapes."""
    rows = pl.DataFrame({"_row": [line.decode("utf-8", "replace") for line in lines]}, schema={"_row": pl.String})
    cells = rows.select(pl.col("_row").str.split("\t"))
    frame = cells.select(pl.col("_row").list.get(columns.index(name)).alias(name) for name in wanted)
    return frame.with_columns(_unescaped(name) for name in wanted)


def _unescaped(name: str) -> pl.Expr:
    cell = pl.col(name)
    plain = cell.str.replace_all("\\\\", "\x00", literal=True)
    for code, character in (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\b", " "), ("\\f", " "), ("\\v", " ")):
        plain = plain.str.replace_all(code, character, literal=True)
    plain = plain.str.replace_all("\x00", "\\", literal=True)
    escaped = cell.str.contains("\\", literal=True)
    return pl.when(cell == "\\N").then(None).when(escaped).then(plain).otherwise(cell).alias(name)


READERS = (Reader("discourse_backup", "Discourse backup (PostgreSQL dump)", _recognise, _read, CAPABILITIES),)
