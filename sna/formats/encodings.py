"""Find the encoding of a text file by reading it once: UTF-8, UTF-16, Windows-1252, Latin-1."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from sna.formats.container import Container

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_IN_CP1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")


@dataclass(frozen=True)
class TextFile:
    """How to decode a file; ``reason`` and ``detail`` are filled when it is not plain UTF-8."""

    encoding: str
    errors: str = "strict"
    reason: str = ""
    detail: str = ""


def find_encoding(container: Container, name: str) -> TextFile:
    """How to decode a member.

    UTF-8 wins when the whole file is valid. A file with far more good than bad UTF-8 sequences is UTF-8 with damage;
    any other is Windows-1252, or Latin-1 when it has bytes that code does not know.
    """
    head = container.peek(name, 4096)
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return TextFile(encoding, errors="replace")
    wide = wide_encoding(head)
    if wide:
        return TextFile(wide, errors="replace", reason="encoding", detail=f"read as {wide} (it has no byte-order mark)")
    if _is_valid(container, name):
        return TextFile("utf-8")
    n_good, n_bad, unknown = _count_sequences(container, name)
    if n_good > 10 * n_bad:
        return TextFile("utf-8", "replace", "encoding", f"UTF-8 with {n_bad:,} damaged characters, shown as \ufffd")
    encoding = "latin-1" if unknown else "cp1252"
    return TextFile(encoding, "strict", "encoding", f"not UTF-8; read as {encoding}")


def wide_encoding(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of Western text is NUL."""
    pairs = len(head) // 2
    if pairs < 2:
        return None
    if head[1::2].count(0) > 0.7 * pairs and head[::2].count(0) < 0.1 * pairs:
        return "utf-16-le"
    if head[::2].count(0) > 0.7 * pairs and head[1::2].count(0) < 0.1 * pairs:
        return "utf-16-be"
    return None


def _is_valid(container: Container, name: str) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with container.open(name) as raw:
        try:
            while block := raw.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _count_sequences(container: Container, name: str) -> tuple[int, int, bool]:
    """Good and bad multi-byte UTF-8 sequences, and whether bytes unknown to Windows-1252 occur."""
    n_good, n_bad, unknown = 0, 0, False
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with container.open(name) as raw:
        while True:
            block = raw.read(1 << 20)
            text = decoder.decode(block, final=not block)
            if not text.isascii():
                escaped = [char for char in text if "\udc80" <= char <= "\udcff"]
                n_bad += len(escaped)
                n_good += sum(char > "\x7f" for char in text) - len(escaped)
            unknown = unknown or any(byte in _NOT_IN_CP1252 for byte in set(block))
            if not block:
                return n_good, n_bad, unknown
