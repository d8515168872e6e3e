"""What the chat readers share: JSON read safely, secrets kept out of texts, spells from joins and leaves."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Protocol

import ijson
import orjson

from sna.errors import ReadError
from sna.formats.container import Container
from sna.formats.secrets import SLACK_TOKEN, TOKEN_REMOVED, URL
from sna.readers.collect import Collector

WHOLE_BYTES = 64 * 1024**2
"""Documents up to this size are parsed at once; larger ones are streamed item by item."""

_FEW_KEYS = 3
_BOM = b"\xef\xbb\xbf"
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\."
)
_URL, _SLACK_TOKEN = re.compile(URL), re.compile(SLACK_TOKEN)


class Readable(Protocol):
    """Anything with ``read(size)``."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes."""


def parse_json(data: bytes, name: str) -> tuple[Any, bool]:
    """Parse one JSON document; the flag says whether bytes had to be mended (lone surrogates, wrong encoding, NaN).

    Raises
    ------
    ReadError
        When it is not JSON, or nested so deeply that no export would be.
    """
    body = data.removeprefix(_BOM)
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        body = body.decode("utf-16", "replace").encode()
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(body), False
    try:
        return json.loads(_ESCAPES.sub(_mend_surrogate, body).decode("utf-8", "replace")), True
    except RecursionError:
        raise ReadError(f"{name} must be JSON of usual depth.", got="It is nested too deeply.") from None
    except ValueError as error:
        raise ReadError(f"{name} must be valid JSON.", got=f"{error}.", hint="export it again") from error


def _mend_surrogate(found: re.Match[bytes]) -> bytes:
    escape = found.group()
    return b"\\ufffd" if len(escape) == 6 else escape


def peek_json(container: Container, name: str, *, size: int = 262_144) -> Any:
    """What the first bytes of a document hold, as far as they go: the first items of its top array or object."""
    builder = ijson.ObjectBuilder()
    with suppress(ijson.JSONError, ReadError, ValueError):
        data = container.peek(name, size).removeprefix(_BOM)
        for event, value in ijson.basic_parse(io.BytesIO(data), use_float=True):
            builder.event(event, value)
    return getattr(builder, "value", None)


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
        """``(key, item)`` of the top array (key ""), else of the arrays or objects named in ``under``.

        A document above ``whole_bytes`` is streamed, so memory stays bounded.
        """
        for key, chunk in self.chunks(name, table, under=under):
            for item in chunk:
                yield key, item

    def chunks(self, name: str, table: str, *, under: Sequence[str] = ()) -> Iterator[tuple[str, list[Any]]]:
        """The items of `items`, many at a time."""
        try:
            with self.container.open(name) as stream:
                head = stream.read(self.whole_bytes + 1)
            if len(head) <= self.whole_bytes:
                yield from _chunks_of(self._parse(head, name, table), under)
            elif head.removeprefix(_BOM).lstrip()[:1] == b"[":
                yield from self._streamed(name, "")
            elif len(under) > _FEW_KEYS:
                yield from self._streamed_tables(name, under)
            else:
                for key in under:
                    yield from self._streamed(name, key)
        except ReadError as error:
            self._damaged(name, table, error)

    def _streamed(self, name: str, key: str) -> Iterator[tuple[str, list[Any]]]:
        with self.container.open(name) as stream:
            for item in _stream_items(stream, f"{key}.item".removeprefix("."), name):
                yield key, [item]
        if key:
            with self.container.open(name) as stream:
                for _, item in _stream_items(stream, key, name, pairs=True):
                    yield key, [item]

    def _streamed_tables(self, name: str, under: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
        """Many arrays in one pass; memory holds one array at a time, and they come in the order of the file."""
        with self.container.open(name) as stream:
            for key, value in _stream_items(stream, "", name, pairs=True):
                if key in under:
                    yield from _chunks_of({key: value}, (key,))

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


class _AfterBom:
    """A stream without its byte-order mark."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._head, self._rest = stream.read(3).removeprefix(_BOM), stream

    def read(self, size: int = -1) -> bytes:
        if self._head and size:
            head, self._head = self._head, b""
            return head
        return self._rest.read(size)


def _stream_items(stream: IO[bytes], prefix: str, name: str, *, pairs: bool = False) -> Iterator[Any]:
    walk = ijson.kvitems if pairs else ijson.items
    try:
        yield from walk(_AfterBom(stream), prefix, use_float=True)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise ReadError(f"{name} must be valid JSON to its end.", got=f"{error}.", hint="export it again") from error


def _chunks_of(document: Any, under: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(document, list):
        yield "", document
    elif isinstance(document, dict):
        for key in under:
            value = document.get(key)
            yield key, list(value.values()) if isinstance(value, dict) else as_list(value)


def as_list(value: Any) -> list[Any]:
    """The value when it is a list, else an empty list."""
    return value if isinstance(value, list) else []


def as_dict(value: Any) -> dict[str, Any]:
    """The value when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; anything else is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_id(value: Any) -> str | None:
    """An id as text; numbers never pass through float; None for what cannot be an id."""
    if isinstance(value, str):
        return value.strip().replace("\x00", "") or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def as_text(value: Any) -> str | None:
    """Text without NUL; None when empty or not text."""
    return value.replace("\x00", "") or None if isinstance(value, str) else None


def strip_secrets(text: str) -> str:
    """Drop query strings, fragments and passwords of URLs, and tokens of Slack.

    Examples
    --------
    >>> strip_secrets("see https://bob:pw@files.example.org/a.png?t=secret now")
    'see https://files.example.org/a.png now'
    """
    if "://" in text:
        text = _URL.sub(r"\1\2", text)
    return _SLACK_TOKEN.sub(TOKEN_REMOVED, text) if "xox" in text else text


def list_spells(
    changes: Iterable[tuple[datetime, bool]], *, member_now: bool
) -> list[tuple[datetime | None, datetime | None]]:
    """Membership spells from joins (True) and leaves (False) and, where known, today's membership.

    Examples
    --------
    >>> from datetime import datetime
    >>> day = lambda n: datetime(2024, 1, n)
    >>> [(a and a.day, b and b.day) for a, b in list_spells([(day(2), True), (day(5), False)], member_now=True)]
    [(2, 5), (5, None)]
    """
    ordered = sorted(set(changes))
    inside = not ordered[0][1] if ordered else member_now
    opened: datetime | None = None
    spells: list[tuple[datetime | None, datetime | None]] = []
    for at, joined in ordered:
        if joined and not inside:
            opened = at
        elif inside and not joined:
            spells.append((opened, at))
        inside = joined
    if inside:
        spells.append((opened, None))
    elif member_now:
        spells.append((ordered[-1][0], None))
    return spells


def add_memberships(
    log: Collector,
    members: Iterable[tuple[str, str]],
    *,
    moves: Mapping[tuple[str, str], list[tuple[datetime, bool]]],
    implied: Iterable[tuple[str, str]] = (),
) -> None:
    """Events and spells from joins and leaves, and one open spell for each of today's members.

    ``members`` are rows of the source; ``implied`` memberships follow from them.
    """
    listed = set(members)
    now = listed | set(implied)
    for key in now:
        spells = list_spells(moves.get(key, ()), member_now=True)
        add = log.add if key in listed else log.derive
        add("memberships", person_id=key[0], space=key[1], valid_from=spells[-1][0])
    for (person, space), changes in moves.items():
        for at, joined in changes:
            log.derive("events", person_id=person, kind="join" if joined else "leave", object=space, at=at)
        for start, end in list_spells(changes, member_now=(person, space) in now):
            if end is not None or (person, space) not in now:
                log.derive("memberships", person_id=person, space=space, valid_from=start, valid_to=end)
