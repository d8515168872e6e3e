"""Stream files of ``<row .../>`` elements (Stack Exchange dumps and their kin) into frames of text columns.

An attribute value cannot hold a raw ``<`` or its own quote, so cutting at ``<row`` and reading attributes from left to
right is exact on well-formed rows; every row is checked for that, and one that is not is reported instead of
stopping the file, which is what a strict parser has to do. Memory holds one block and one frame.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt
import polars as pl
from lxml import etree

from sna.errors import ReadError
from sna.formats.container import Container
from sna.formats.encodings import wide_encoding

_BLOCK = 4 * 1024**2
_FIRST = re.compile(r"<row ([A-Za-z_][\w.\-]*)=")
_INNER = re.compile(r"( ?/>\s*<row)? ([A-Za-z_][\w.\-]*)=")
_LAST = re.compile(r" ?/>\s*")
_ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9_.\-]+)["']""")
_ENCODINGS = re.compile(
    r"utf-?(8|16|32)(-[lb]e)?|us-ascii|ascii|iso-8859-([1-9]|1[013-6])|latin-?1|(windows-|cp)125[0-8]"
)
_ENTITY = r"&(?:lt|gt|amp|quot|apos|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"
_REFERENCE = re.compile(r"&(?:#[xX]([0-9A-Fa-f]{1,6})|#([0-9]{1,7})|(lt|gt|amp|quot|apos));")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_LONE = re.compile("[\ud800-\udfff]")
_NO_CHARACTER = re.compile(b"\xef\xbf[\xbe\xbf]")
_CONTROL_BYTES = bytes({*range(32)} - {9, 10, 13})
_NAMED = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&", "&#xA;": "\n", "&#xD;": "\r"}
_COMMON_NUMERIC = "&#x(?:A|D);"

CUT_OFF = "file_cut_off"
"""Reason given to ``refuse`` when the file has no end; it is about the file, not about one row."""

Refuse = Callable[[str, str, str], None]
"""Called with (reason, position, detail) for each row that cannot be read."""


@dataclass(frozen=True)
class RowFile:
    """A member whose root holds rows: its root tag, and what its head says."""

    name: str
    root: str
    doctype: bool


def look_at(container: Container, name: str) -> RowFile | None:
    """Root tag of a row file, from its first bytes; None when it is not one.

    Raises
    ------
    ReadError
        When the document declares entities or has an internal DTD subset: those can expand without end.
    """
    head = container.peek(name, 16_384)
    text = head.decode(_encoding_of(head, name), "replace").removeprefix("\ufeff")
    match = re.search(r"<([A-Za-z][\w.\-]*)[\s/>]", re.sub(r"<[?!][^>]*>", "", text)) if "<" in text else None
    prolog = text[: text.find(f"<{match[1]}")] if match else text
    doctype = re.search(r"<!DOCTYPE\b", prolog, re.IGNORECASE) is not None
    if re.search(r"<!ENTITY\b|<!DOCTYPE[^>]*\[", prolog, re.IGNORECASE):
        raise ReadError(
            f"{name} must not declare entities.",
            got="It has a document type with declarations inside, which a Stack Exchange dump never has.",
            hint="delete the <!DOCTYPE ...> part if you trust the file",
        )
    return RowFile(name, match[1].lower(), doctype) if match else None


def read_rows(container: Container, name: str, *, columns: tuple[str, ...], refuse: Refuse) -> Iterator[pl.DataFrame]:
    """Frames of the rows of one member: a text column per attribute wanted, null where the attribute is absent.

    Parameters
    ----------
    columns
        Attributes wanted; ``Id`` is always read, to name rows in ``refuse``.
    refuse
        Called for rows with bad characters, bad bytes, broken markup or undefined entities.

    Raises
    ------
    ReadError
        A single row is longer than the line limit, or the encoding is not known.
    """
    wanted = tuple(dict.fromkeys(("Id", *columns)))
    number = 0
    with container.open(name) as stream:
        for block in _whole_rows(_as_utf8(stream, name), name, container.limits.line_bytes, refuse):
            frame, count = _parse(block, wanted, number=number, refuse=refuse)
            number += count
            if frame.height:
                yield _unescaped(frame, refuse)


def unescape_columns(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Replace HTML entities, in place of columns, in one pass (so ``&amp;lt;`` becomes ``&lt;`` and no more)."""
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(r"&(?:[A-Za-z]+\d*|#\w+)", literal=False))
        .then(pl.col(name).map_elements(html.unescape, return_dtype=pl.String, skip_nulls=True))
        .otherwise(pl.col(name))
        .alias(name)
        for name in columns
    )


def _encoding_of(head: bytes, name: str) -> str:
    """How a document is written: its mark, the NUL bytes of UTF-16 without one, else what it declares.

    A document that declares UTF-16 and has neither is UTF-8: a program wrote text meant for memory to a file.
    """
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _ENCODING.search(head[:400])
    encoding = wide_encoding(head[:4096]) or (declared[1].decode("ascii").lower() if declared else "utf-8")
    if not _ENCODINGS.fullmatch(encoding):
        raise ReadError(f"{name} must be in an encoding we know.", got=f"It declares {encoding!r}.")
    return "utf-8" if re.fullmatch(r"utf-?(?:8|16|32)|(?:us-)?ascii", encoding) else encoding


def _as_utf8(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """Blocks of UTF-8 whatever the document declares."""
    head = stream.read(_BLOCK)
    encoding = _encoding_of(head, name)
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while head:
        yield head if encoding == "utf-8" else str(decoder.decode(head)).encode("utf-8", "replace")
        head = stream.read(_BLOCK)


def _whole_rows(blocks: Iterator[bytes], name: str, limit: int, refuse: Refuse) -> Iterator[bytes]:
    """Cut the stream into pieces that begin with ``<row`` and hold whole rows only."""
    carry, started = b"", False
    for block in blocks:
        carry += block
        if not started:
            start = _first_row(carry)
            if start < 0:
                _check_length(len(carry), limit, name)
                continue
            carry, started = carry[start:], True
        cut = carry.rfind(b"<row")
        if cut > 0:
            yield carry[:cut]
            carry = carry[cut:]
        _check_length(len(carry), limit, name)
    end = re.search(rb"</(?!row)[\w.\-]+\s*>\s*$", carry[-4096:])
    if end is None and (started or not carry.rstrip().endswith(b"/>")):
        refuse(CUT_OFF, "end of file", "the closing tag is missing")
    body = carry[: len(carry) - len(end[0])] if end else carry
    if started and body.strip():
        yield body


def _first_row(data: bytes) -> int:
    match = re.search(rb"<row[\s/>]", data)
    return match.start() if match else -1


def _check_length(size: int, limit: int, name: str) -> None:
    if size > limit:
        raise ReadError(f"A row of {name} may have {limit:,} bytes.", got="One is longer.", hint="split the export")


def _parse(block: bytes, columns: tuple[str, ...], *, number: int, refuse: Refuse) -> tuple[pl.DataFrame, int]:
    """Attributes of each row of a block, and the number of rows met."""
    suspect = len(block.translate(None, _CONTROL_BYTES)) != len(block) or _NO_CHARACTER.search(block) is not None
    try:
        text = block.decode("utf-8")
        frame = None if suspect else _parse_at_once(text, columns)
    except UnicodeDecodeError:
        text, frame = block.decode("utf-8", "surrogateescape"), None
    if frame is not None:
        return frame, frame.height
    return _parse_one_by_one(text.split("<row")[1:], columns, number=number, refuse=refuse)


def _parse_at_once(text: str, columns: tuple[str, ...]) -> pl.DataFrame | None:
    """Cut at the quotes: names and values alternate. None unless every piece shows that the rows are well formed."""
    parts = pl.Series([text]).str.split('"').explode()
    names, n_rows = parts.gather_every(2), text.count("<row")
    if len(names) < 2:
        return None
    inner = names.slice(1, len(names) - 2)
    forms = {name: _INNER.fullmatch(name) for name in inner.unique().to_list()}
    first, last = _FIRST.fullmatch(names[0]), _LAST.fullmatch(names[-1])
    sound = len(parts) % 2 == 1 and first and last and all(forms.values()) and text.count("<") == n_rows
    if not sound or first is None:
        return None
    known = {form: match[2] for form, match in forms.items() if match}
    keys = [first[1], *known.values()]
    code = {key: position for position, key in enumerate(dict.fromkeys(keys))}
    marks = {form: 2 * code[key] + int("<row" in form) for form, key in known.items()}
    coded = np.append(2 * code[first[1]], _mapped(inner, marks))
    return _spread(parts.gather_every(2, 1), coded >> 1, np.cumsum(coded & 1), code=code, columns=columns)


def _mapped(names: pl.Series, numbers: dict[str, int]) -> npt.NDArray[np.int64]:
    if names.is_empty():
        return np.empty(0, np.int64)
    return names.replace_strict(numbers, return_dtype=pl.Int64).to_numpy()


def _spread(
    values: pl.Series,
    codes: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    *,
    code: dict[str, int],
    columns: tuple[str, ...],
) -> pl.DataFrame | None:
    """One column per attribute; None when a row has an attribute twice."""
    spread = {}
    for name, number in code.items():
        where = np.flatnonzero(codes == number)
        if (np.diff(rows[where]) == 0).any():
            return None
        if name in columns:
            source = np.full(int(rows[-1]) + 1, -1)
            source[rows[where]] = where
            spread[name] = values.gather(pl.Series(source).replace(-1, None))
    empty = pl.Series([None], dtype=pl.String).new_from_index(0, int(rows[-1]) + 1)
    return pl.DataFrame({name: spread.get(name, empty) for name in columns})


def _parse_one_by_one(
    pieces: list[str], columns: tuple[str, ...], *, number: int, refuse: Refuse
) -> tuple[pl.DataFrame, int]:
    """The careful way, for blocks with a row that is not as dumps write it."""
    rows = []
    for offset, piece in enumerate(pieces, start=number + 1):
        if reason := _bad_characters(piece):
            refuse(reason, _position(piece, offset), "")
            continue
        row = _parse_strictly(piece.rstrip())
        if row is None:
            refuse("damaged_row", _position(piece, offset), "not a well-formed row")
        else:
            rows.append(row)
    data = {name: [row.get(name) for row in rows] for name in columns}
    return pl.DataFrame(data, schema=dict.fromkeys(columns, pl.String)), len(pieces)


def _parse_strictly(body: str) -> dict[str, str] | None:
    """A row as an XML parser reads it, its values escaped again; None when it is not well-formed."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        element = etree.fromstring(f"<row{body}", parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return {str(key): html.escape(str(value)) for key, value in element.attrib.items()}


def _bad_characters(piece: str) -> str | None:
    if _CONTROL.search(piece):
        return "bad_character"
    return "not_utf8" if _LONE.search(piece) else None


def _position(piece: str, number: int) -> str:
    match = re.search(r'\sId="(-?\w{1,40})"', piece)
    return f"Id {match[1]}" if match else f"row {number}"


def _unescaped(frame: pl.DataFrame, refuse: Refuse) -> pl.DataFrame:
    """Resolve the entities XML knows; refuse rows with others, or with characters XML forbids."""
    columns = [name for name in frame.columns if frame[name].str.contains("&", literal=True).any()]
    if not columns:
        return frame
    sound = pl.all_horizontal(
        (pl.col(name).str.count_matches("&", literal=True) == pl.col(name).str.count_matches(_ENTITY)).fill_null(True)
        for name in columns
    )
    rest = {name: frame[name].str.replace_all(_COMMON_NUMERIC, "").str.contains("&#", literal=True) for name in columns}
    plain = frame.with_columns(
        pl.col(name).str.replace_many(list(_NAMED), list(_NAMED.values())) for name in columns
    ).with_columns(
        pl.when(rest[name])
        .then(frame[name].map_elements(_decode, return_dtype=pl.String, skip_nulls=True) if rest[name].any() else None)
        .otherwise(pl.col(name))
        .alias(name)
        for name in columns
    )
    lost = pl.any_horizontal(frame[name].is_not_null() & plain[name].is_null() for name in columns)
    marked = plain.with_columns(
        frame.select(sound.alias("_sound")).to_series(), frame.select(lost.alias("_lost")).to_series()
    )
    for reason, rows in (("damaged_row", ~pl.col("_sound")), ("bad_character", pl.col("_sound") & pl.col("_lost"))):
        for row_id in marked.filter(rows)["Id"]:
            refuse(reason, f"Id {row_id}", "")
    return marked.filter(pl.col("_sound") & ~pl.col("_lost")).drop("_sound", "_lost")


def _decode(value: str) -> str | None:
    """XML entities by hand, for values with numeric references; None when one is not a character."""
    text = _REFERENCE.sub(_character, value)
    return None if _CONTROL.search(text) else text


def _character(match: re.Match[str]) -> str:
    if match[3]:
        return _NAMED[match[0]]
    code = int(match[1], 16) if match[1] else int(match[2])
    legal = code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
    return chr(code) if legal else "\x00"
