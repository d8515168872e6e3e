"""The plain values of BSON documents (mongodump): numbers, text, times, ids, lists. Code and binary are skipped."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from sna.errors import ReadError

_LARGEST = 16 * 1024**2 + 16 * 1024
_DEEPEST = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_bson(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Documents of a .bson file, one after another.

    Raises
    ------
    ReadError
        For a document that is cut off, too large or of an unknown kind.
    """
    while head := stream.read(4):
        size = struct.unpack("<i", head)[0] if len(head) == 4 else 0
        if not 5 <= size <= _LARGEST:
            raise ReadError("BSON documents have 5 bytes to 16 MiB.", got=f"One says {size:,}.", hint="dump it again")
        body = stream.read(size - 4)
        if len(body) < size - 4:
            raise ReadError("The BSON file must be whole.", got="It is cut off.", hint="dump it again")
        try:
            yield _document(body, 0, 0)[0]
        except (struct.error, IndexError, ValueError, KeyError, OverflowError) as error:
            if isinstance(error, ReadError):
                raise
            raise ReadError("The BSON file must be whole.", got=f"A document is damaged ({error}).") from error


def _document(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    if depth > _DEEPEST:
        raise ReadError(f"BSON may be nested {_DEEPEST} deep.", got="One is deeper.")
    record: dict[str, Any] = {}
    while data[at] != 0:
        kind = data[at]
        end = data.index(b"\x00", at + 1)
        key = data[at + 1 : end].decode("utf-8", "replace")
        record[key], at = _value(kind, data, end + 1, depth)
    return record, at + 1


def _value(kind: int, data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if kind in (0x03, 0x04):
        inner, end = _document(data, at + 4, depth + 1)
        return (list(inner.values()) if kind == 0x04 else inner), end
    if kind in (0x02, 0x0D, 0x0E):
        size = struct.unpack_from("<i", data, at)[0]
        return data[at + 4 : at + 3 + size].decode("utf-8", "replace"), at + 4 + size
    if kind == 0x05:
        return None, at + 5 + struct.unpack_from("<i", data, at)[0]
    if kind == 0x07:
        return data[at : at + 12].hex(), at + 12
    if kind == 0x0B:
        second = data.index(b"\x00", data.index(b"\x00", at) + 1)
        return None, second + 1
    return _number(kind, data, at)


def _number(kind: int, data: bytes, at: int) -> tuple[Any, int]:
    if kind == 0x08:
        return bool(data[at]), at + 1
    if kind in (0x06, 0x0A, 0x7F, 0xFF):
        return None, at
    if kind == 0x13:
        return None, at + 16
    code, size = {0x01: ("<d", 8), 0x09: ("<q", 8), 0x10: ("<i", 4), 0x11: ("<Q", 8), 0x12: ("<q", 8)}[kind]
    number = struct.unpack_from(code, data, at)[0]
    return ((_EPOCH + timedelta(milliseconds=number)).isoformat() if kind == 0x09 else number), at + size
