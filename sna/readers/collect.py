"""What every reader uses: collect rows of any table, count what was read, and log what could not be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl
from tqdm import tqdm

from sna.admit import list_issues
from sna.errors import ReadError
from sna.formats.container import Container
from sna.formats.json import WHOLE_BYTES, json_chunks, parse_json
from sna.formats.loaded import Loaded
from sna.forum import Forum, Source, build_forum
from sna.readers.sanity import FIRST_YEAR, clear_times, settle_levels
from sna.readers.secrets import hide_secrets
from sna.schema import ISSUES, TABLES, TIME, Table

_CHUNK = 50_000
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True)
class ReadOptions:
    """How to read: private spaces only when asked for; progress bars may be silenced."""

    include_private: bool = False
    progress: bool = False
    timezone: str = "UTC"

    @property
    def scope(self) -> str:
        """The word for private spaces in ``coverage``: with or without."""
        return "with" if self.include_private else "without"


@dataclass(frozen=True)
class Reader:
    """One platform.

    Attributes
    ----------
    name, title
        Id ("stackexchange") and the words for a person ("Stack Exchange data dump (XML)").
    recognise
        Returns a sentence saying why this export is of this platform, or None. Cheap: looks at names and first bytes.
    read
        Turns the container into a Forum.
    capabilities
        The record published for this kind of export (a reader may lower it for one export).
    """

    name: str
    title: str
    recognise: Callable[[Container], str | None]
    read: Callable[[Container, ReadOptions], Forum]
    capabilities: Mapping[str, str]


@dataclass
class Collector:
    """Rows in, a Forum out. Every row a reader meets is either added, rejected or withheld.

    `add` counts a row as read and keeps it; `reject` and `withhold` count it as read and log why it is not kept;
    `note` logs something about rows that are kept; `derive` adds a row that is not a row of the source (a person
    known only from a post), without counting it as read.
    """

    platform: str
    options: ReadOptions = ReadOptions()
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in TABLES})
    _chunks: dict[str, list[pl.DataFrame]] = field(default_factory=lambda: {name: [] for name in TABLES})
    _read: Counter[str] = field(default_factory=Counter)
    _issues: list[dict[str, Any]] = field(default_factory=list)
    _issue_chunks: list[pl.DataFrame] = field(default_factory=list)
    _withheld: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, table: str, **row: Any) -> None:
        """Keep one row of the source."""
        self._read[table] += 1
        self._keep(table, row)

    def derive(self, table: str, **row: Any) -> None:
        """Keep a row that follows from the source without being a row of it."""
        self._keep(table, row)

    def _keep(self, table: str, row: dict[str, Any]) -> None:
        rows = self._rows[table]
        rows.append(row)
        if len(rows) >= _CHUNK:
            self._chunks[table].append(_frame(rows, TABLES[table]))
            rows.clear()

    def add_roles(self, person: str, **values: str | None) -> None:
        """Keep what the source says of a person today, one row of ``roles`` for each attribute that has a value."""
        for attribute, value in values.items():
            if value:
                self.add("roles", person_id=person, attribute=attribute, value=value, basis="snapshot")

    def add_frame(self, table: str, frame: pl.DataFrame) -> None:
        """Keep many rows of the source at once."""
        self._read[table] += frame.height
        self._chunks[table].append(frame)

    def reject(self, table: str, reason: str, *, file: str, position: object, detail: str = "") -> None:
        """Log one row of the source that cannot be used."""
        self._read[table] += 1
        self._log(table, reason, "rejected", 1, file, position, detail)

    def reject_rows(self, table: str, reason: str, *, file: str, positions: pl.Series) -> None:
        """Log many rows of the source that cannot be used, one issue for each position."""
        rows = positions.cast(pl.String).alias("_at").to_frame().with_columns(pl.lit(file).alias("_file"))
        self.log_rows(table, rows, reason=reason)

    def derive_frame(self, table: str, frame: pl.DataFrame) -> None:
        """Keep many rows that follow from the source without being rows of it."""
        self._chunks[table].append(frame)

    def withhold(self, table: str, reason: str, *, file: str, n: int = 1) -> None:
        """Count rows not asked for (private spaces, system messages); one issue per file and reason."""
        self._read[table] += n
        self._withheld[table, reason, file] += n

    def hides(self, private: bool, table: str, *, file: str, n: int = 1) -> bool:
        """Whether rows of a space are withheld because it is private; they are counted when they are."""
        hidden = private and not self.options.include_private
        if hidden:
            self.withhold(table, "private_space", file=file, n=n)
        return hidden

    def note(
        self,
        table: str,
        reason: str,
        *,
        kind: str = "note",
        file: str = "",
        position: object = "",
        detail: str = "",
        n: int = 1,
    ) -> None:
        """Log something about rows that are kept (``kind`` "note" or "repaired")."""
        self._log(table, reason, kind, n, file, position, detail)

    def log_rows(
        self,
        table: str,
        rows: pl.DataFrame,
        *,
        reason: str | pl.Expr,
        kind: str | pl.Expr = "rejected",
        detail: str | pl.Expr = "",
    ) -> None:
        """Log many rows, one issue for each; they say where they are in ``_file`` and ``_at``.

        Rejected rows are counted as read, and withheld ones too, which are logged as one issue per file.
        """
        if isinstance(kind, str) and kind == "withheld" and isinstance(reason, str):
            for file, n in rows.group_by("_file").len().iter_rows():
                self.withhold(table, reason, file=file, n=n)
            return
        place = {"file": pl.col("_file"), "position": pl.col("_at")}
        issues = list_issues(rows, table=table, reason=reason, kind=kind, detail=detail, **place)
        self._read[table] += int((issues["kind"] == "rejected").sum())
        self._issue_chunks.append(issues)

    def log_loaded(self, loaded: Loaded, table: str) -> None:
        """Log what could not be read of a loaded table, and count its lost rows."""
        rows = loaded.problems.rename({"position": "_at"}).with_columns(pl.lit(loaded.name).alias("_file"))
        self.log_rows(table, rows, reason=pl.col("reason"), kind=pl.col("kind"), detail=pl.col("detail"))

    def drop(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        lost: pl.Expr,
        reason: str,
        kind: str = "rejected",
        detail: str | pl.Expr = "",
    ) -> pl.DataFrame:
        """The frame without the rows ``lost``, which are logged as by `log_rows`."""
        marked = frame.with_columns(lost.fill_null(False).alias("_lost"))
        if not marked["_lost"].any():
            return frame
        self.log_rows(table, marked.filter("_lost"), reason=reason, kind=kind, detail=detail)
        return marked.filter(~pl.col("_lost")).drop("_lost")

    def issues(self) -> pl.DataFrame:
        """What was logged so far, in the columns of ``forum.issues``."""
        withheld = [
            {"table": table, "reason": reason, "kind": "withheld", "n": n, "file": file, "position": "", "detail": ""}
            for (table, reason, file), n in sorted(self._withheld.items())
        ]
        return pl.concat([ISSUES.empty(), *self._issue_chunks, _frame([*self._issues, *withheld], ISSUES)])

    def _log(self, table: str, reason: str, kind: str, n: int, file: str, position: object, detail: str) -> None:
        row = {"table": table, "reason": reason, "kind": kind, "n": n, "file": file}
        self._issues.append({**row, "position": str(position), "detail": detail[:200]})
        if len(self._issues) >= _CHUNK:
            self._issue_chunks.append(_frame(self._issues, ISSUES))
            self._issues.clear()

    def table(self, name: str) -> pl.DataFrame:
        """Rows of one table so far."""
        frames = [TABLES[name].empty(), *self._chunks[name]]
        if self._rows[name]:
            frames.append(_frame(self._rows[name], TABLES[name]))
        return pl.concat(frames, how="diagonal")

    def replace(self, name: str, frame: pl.DataFrame) -> None:
        """Put a reworked table in place of the rows so far (counts of rows read stay)."""
        self._rows[name].clear()
        self._chunks[name] = [frame]

    def forum(
        self,
        *,
        capabilities: Mapping[str, str],
        coverage: str = "",
        exported_at: datetime | None = None,
        files: Iterable[str] = (),
    ) -> Forum:
        """Build the validated Forum: without secrets and impossible times, its levels lowered to what was found."""
        frames = {name: _filled(self.table(name), TABLES[name]) for name in TABLES}
        frames["posts"] = hide_secrets(frames["posts"])
        frames, lost = clear_times(frames, exported_at=exported_at)
        for table, n in lost:
            self.note(table, "impossible_time", kind="repaired", n=n, detail=f"before {FIRST_YEAR} or after the export")
        source = Source(
            self.platform,
            coverage=coverage,
            capabilities=dict(capabilities),
            exported_at=exported_at,
            rows_read={name: self._read[name] for name in TABLES},
            files=tuple(sorted(files)),
        )
        return settle_levels(build_forum(**frames, source=source, issues=self.issues()))


def levels_of(*, yes: str = "", partial: str = "") -> dict[str, str]:
    """A record of capabilities from two lists of words; what is in neither is "no".

    Examples
    --------
    >>> levels_of(yes="threads text", partial="roster")
    {'threads': 'yes', 'text': 'yes', 'roster': 'partial'}
    """
    return {**dict.fromkeys(yes.split(), "yes"), **dict.fromkeys(partial.split(), "partial")}


@dataclass(frozen=True)
class JsonFiles:
    """The JSON members of one export; a damaged one is logged as one rejected row of ``table``."""

    container: Container
    log: Collector
    whole_bytes: int = WHOLE_BYTES

    def document(self, name: str, table: str) -> Any:
        """One whole document; None when it is damaged."""
        try:
            with self.container.open(name) as stream:
                return self._parse(stream.read(), name, table)
        except ReadError as error:
            self._damaged(name, table, error)
            return None

    def items(self, name: str, table: str, *, under: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
        """``(key, item)`` of the top array (key ""), else of the arrays or objects named in ``under``."""
        for key, chunk in self.chunks(name, table, under=under):
            for item in chunk:
                yield key, item

    def chunks(self, name: str, table: str, *, under: Sequence[str] = ()) -> Iterator[tuple[str, list[Any]]]:
        """The items of `items`, many at a time."""
        parse = partial(self._parse, name=name, table=table)
        try:
            yield from json_chunks(self.container, name, under=under, parse=parse, whole_bytes=self.whole_bytes)
        except ReadError as error:
            self._damaged(name, table, error)

    def lines(
        self, name: str, table: str, *, wanted: Callable[[bytes], bool] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """``(line number, object)`` of a file with one JSON object per line; bad lines are rejected one by one."""
        try:
            for number, line in enumerate(self.container.lines(name), start=1):
                if not line.strip() or (wanted is not None and not wanted(line)):
                    continue
                try:
                    yield number, self._parse(line, name, table, position=f"line {number}")
                except ReadError as error:
                    self._damaged(name, table, error, position=f"line {number}")
        except ReadError as error:
            self._damaged(name, table, error)

    def note_unused(self, used: Collection[str]) -> None:
        """Log the JSON files a reader made nothing of: of another kind, or cut off in their first object."""
        for name in self.container.match(r".*\.json"):
            if name not in used:
                self.log.note("posts", "file_not_used", file=name)

    def _parse(self, data: bytes, name: str, table: str, *, position: str = "") -> Any:
        document, mended = parse_json(data, name)
        if mended:
            self.log.note(table, "text_mended", kind="repaired", file=name, position=position)
        return document

    def _damaged(self, name: str, table: str, error: ReadError, *, position: str = "") -> None:
        """Log damage; a limit (archive bomb, depth bomb) has no cause and ends the reading."""
        if error.__cause__ is None:
            raise error
        self.log.reject(table, "damaged_file", file=name, position=position, detail=error.got)


def show_progress(items: Iterable[Any], options: ReadOptions, *, what: str, total: int | None = None) -> Iterator[Any]:
    """Iterate with a progress bar when asked for."""
    yield from tqdm(items, desc=what, total=total, disable=not options.progress, leave=False)


def clean_text(value: str | None) -> str | None:
    """Drop NUL and lone surrogates, which neither Parquet nor UTF-8 can hold."""
    if value is None:
        return None
    return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _frame(rows: list[dict[str, Any]], table: Table) -> pl.DataFrame:
    if not rows:
        return table.empty()
    return pl.DataFrame(_column(name, [row.get(name) for row in rows], table) for name in table.columns)


def _column(name: str, values: list[Any], table: Table) -> pl.Series:
    """One column; times go in as whole microseconds, a sixth of the work of converting each."""
    if table.columns[name] != TIME:
        return pl.Series(name, values, table.columns[name])
    micro = [None if at is None else (at - _EPOCH) // _MICROSECOND for at in values]
    return pl.Series(name, micro, pl.Int64).cast(TIME)


def _filled(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    return frame.select(name for name in table.columns if name in frame.columns)
