"""JSON read safely: parsed whole or streamed, mended where an encoder went wrong, and walked without surprises."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import IO, Any

import ijson
import orjson

from sna.errors import ReadError
from sna.formats.container import Container

WHOLE_BYTES = 64 * 1024**2
"""Documents up to this size are parsed at once; larger ones are streamed item by item."""

_FEW_KEYS = 3
_BOM = b"\xef\xbb\xbf"
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\."
)


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


def read_json(container: Container, name: str) -> Any:
    """One whole document of an export; see `parse_json`."""
    with container.open(name) as stream:
        return parse_json(stream.read(), name)[0]


def _mend_surrogate(found: re.Match[bytes]) -> bytes:
    escape = found.group()
    return b"\\ufffd" if len(escape) == 6 else escape


def inner_json(text: Any) -> dict[str, Any]:
    """The object written as JSON inside a text; empty for anything else."""
    with suppress(ReadError):
        return as_dict(parse_json(text.encode(), "text")[0] if isinstance(text, str) and text else text)
    return {}


def peek_json(container: Container, name: str, *, size: int = 65_536) -> Any:
    """What the first bytes of a document hold, as far as they go: the first items of its top array or object."""
    builder = ijson.ObjectBuilder()
    with suppress(ijson.JSONError, ReadError, ValueError):
        data = container.peek(name, size).removeprefix(_BOM)
        for event, value in ijson.basic_parse(io.BytesIO(data), use_float=True):
            builder.event(event, value)
    return getattr(builder, "value", None)


def json_chunks(
    container: Container,
    name: str,
    *,
    under: Sequence[str] = (),
    parse: Callable[[bytes], Any],
    whole_bytes: int = WHOLE_BYTES,
) -> Iterator[tuple[str, list[Any]]]:
    """``(key, items)`` of the top array (key ""), else of the arrays or objects named in ``under``.

    A document above ``whole_bytes`` is streamed, so memory stays bounded.
    """
    with container.open(name) as stream:
        head = stream.read(whole_bytes + 1)
    if len(head) <= whole_bytes:
        yield from _chunks_of(parse(head), under)
    elif head.removeprefix(_BOM).lstrip()[:1] == b"[":
        yield from _streamed(container, name, "")
    elif len(under) > _FEW_KEYS:
        yield from _streamed_tables(container, name, under)
    else:
        for key in under:
            yield from _streamed(container, name, key)


def _streamed(container: Container, name: str, key: str) -> Iterator[tuple[str, list[Any]]]:
    with container.open(name) as stream:
        for item in _stream_items(stream, f"{key}.item".removeprefix("."), name):
            yield key, [item]
    if key:
        with container.open(name) as stream:
            for _, item in _stream_items(stream, key, name, pairs=True):
                yield key, [item]


def _streamed_tables(container: Container, name: str, under: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """Many arrays in one pass; memory holds one array at a time, and they come in the order of the file."""
    with container.open(name) as stream:
        for key, value in _stream_items(stream, "", name, pairs=True):
            if key in under:
                yield from _chunks_of({key: value}, (key,))


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


def list_ids(values: Any) -> list[str]:
    """The ids of a list, each once, in its order."""
    return list(dict.fromkeys(filter(None, map(as_id, as_list(values)))))


def dig(item: Any, path: str) -> Any:
    """The value at a dotted path; None where the path ends early.

    Examples
    --------
    >>> dig({"from": {"user": {"id": 7}}}, "from.user.id"), dig({"from": "x"}, "from.user.id")
    (7, None)
    """
    for key in path.split("."):
        item = item.get(key) if isinstance(item, dict) else None
    return item


def pick_text(item: Any, *paths: str) -> str | None:
    """The first text found at dotted paths.

    Examples
    --------
    >>> pick_text({"name": "", "profile": {"real_name": "Ann"}}, "name", "profile.real_name")
    'Ann'
    """
    return next((text for path in paths if (text := as_text(dig(item, path)))), None)


def pick_id(item: Any, *paths: str) -> str | None:
    """The first id found at dotted paths."""
    return next((found for path in paths if (found := as_id(dig(item, path)))), None)
