"""One mail after the other: split an mbox, unfold headers, find the text among the MIME parts."""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from itertools import pairwise
from typing import Any

from sna.errors import ReadError
from sna.formats.container import Container
from sna.formats.html import html_to_text

_BLOCK = 8 * 1024 * 1024
_MESSAGE_BYTES = 256 * 1024 * 1024
_OVERLAP = 8192
_HEADER_BYTES = 65_536
_WANTED = frozenset(
    (
        *("from", "sender", "reply-to", "x-reply-to", "to", "cc", "author", "original-from"),
        *("x-original-from", "x-google-original-from", "x-original-sender"),
        *("date", "received", "subject", "message-id", "in-reply-to", "references", "feedback-id"),
        *("list-id", "list-post", "x-beenthere", "mailing-list", "precedence", "auto-submitted"),
        *("x-autoreply", "x-autorespond", "content-type", "content-transfer-encoding", "content-disposition"),
    )
)
"""Headers we read; addresses of machines on the way and spam scores are left alone."""
_KEYS = {name.encode(): name for name in _WANTED}
_DEPTH, _PARTS, _DEEP = 20, 1000, "nested too deep"
_SEPARATOR = re.compile(rb"From [^\n]{0,998}?\d:\d\d[^\n]{0,200}?\d{4}[^\n]{0,80}\n(?=[!-9;-~]{1,80}[ \t]*:)")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_END = re.compile(rb"\r?\n[ \t]*\r?\n|\A[ \t]*\r?\n")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_MIME = ("content-type", "content-transfer-encoding", "content-disposition")
_WORK = 20_000_000
"""Lines times multiparts: what the standard library's parser takes a few seconds for."""
_BASE64_LENGTH = "InvalidBase64LengthDefect"
_TORN = {
    "NoBoundaryInMultipartDefect": "no boundary",
    "StartBoundaryNotFoundDefect": "boundary not found",
    "CloseBoundaryNotFoundDefect": "no end boundary",
    **dict.fromkeys((_BASE64_LENGTH, "InvalidBase64PaddingDefect"), "base64 cut off"),
}
"""What the standard library finds torn, and our word for it."""


def starts_like_mbox(head: bytes) -> bool:
    """Whether bytes begin with a separator line followed by a header."""
    return _SEPARATOR.match(head.removeprefix(b"\xef\xbb\xbf").lstrip()) is not None


def _starts(buffer: bytes, since: int) -> list[int]:
    """Where messages begin, after ``since`` and after an empty line."""
    starts = []
    at = buffer.find(b"\nFrom ", since)
    while at >= 0:
        if buffer[max(0, at - 2) : at].endswith((b"\n", b"\n\r")) and _SEPARATOR.match(buffer, at + 1):
            starts.append(at + 1)
        at = buffer.find(b"\nFrom ", at + 1)
    return starts


def split_mbox(container: Container, name: str) -> Iterator[bytes]:
    """Messages of an mbox, each with its separator line.

    A separator is a line ``From ... time ... year`` after an empty line (or at the start) and before a header: body
    lines that merely begin with "From " do not split, and any bytes may stand in the separator.

    Raises
    ------
    ReadError
        A message above 256 MB.
    """
    buffer, searched = b"", 0
    with container.open(name) as stream:
        while block := stream.read(_BLOCK):
            buffer = buffer + block if buffer else block.removeprefix(b"\xef\xbb\xbf")
            starts = _starts(buffer, searched)
            pieces = (buffer[a:b] for a, b in pairwise([0, *starts]))
            yield from (piece for piece in pieces if piece.strip())
            buffer = buffer[starts[-1] :] if starts else buffer
            searched = max(0, len(buffer) - _OVERLAP)
            if len(buffer) > _MESSAGE_BYTES:
                raise ReadError(f"A message of {name} may have {_MESSAGE_BYTES:,} bytes.", got="One has more.")
    if buffer.strip():
        yield buffer


@dataclass(frozen=True)
class Mail:
    """Separator line (without line end), headers by lower-case name (first of each), body bytes."""

    separator: str
    headers: dict[str, str]
    body: bytes


def parse_mail(data: bytes) -> Mail:
    r"""Split one message into separator, headers and body; header values are unfolded text, not yet RFC 2047-decoded.

    Examples
    --------
    >>> parse_mail(b"From a Mon Jan  1 00:00:00 2024\nSubject: a\n b\n\ntext").headers
    {'subject': 'a b'}
    """
    data = data.lstrip(b"\r\n")
    separator = b""
    if data.startswith(b"From "):
        separator, _, data = data.partition(b"\n")
    end = _END.search(data)
    head, body = (data[: end.start()], data[end.end() :]) if end else (data, b"")
    return Mail(decode(separator).strip(), _headers(head), body)


def _headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in _FOLD.sub(b" ", head).split(b"\n"):
        name, colon, value = line.partition(b":")
        key = _KEYS.get(name.strip().lower())
        if colon and key and key not in headers:
            headers[key] = decode(value[:_HEADER_BYTES]).strip()
    return headers


def decode(data: bytes, charset: str | None = None) -> str:
    """Bytes to text: the charset they claim when it is known and fits, else UTF-8, else Windows-1252."""
    if charset is None:
        with suppress(UnicodeError):
            return data.decode()
    for name in (charset, "utf-8", "cp1252"):
        try:
            if name and codecs.lookup(name)._is_text_encoding:
                return data.decode(name)
        except (LookupError, UnicodeError, ValueError):
            continue
    return data.decode("latin-1")


def decode_words(value: str) -> str:
    """Decode RFC 2047 words (``=?utf-8?q?...?=``); what is malformed stays as it is.

    Examples
    --------
    >>> decode_words("=?ISO-8859-1?Q?Germ=E1n?= P"), decode_words("=?nonsense?Q?a?=")
    ('Germán P', 'a')
    """
    if "=?" not in value:
        return value
    try:
        parts = decode_header(value)
        return "".join(part if isinstance(part, str) else decode(part, charset) for part, charset in parts)
    except (MessageError, binascii.Error, ValueError):
        return value


def mail_text(mail: Mail) -> tuple[str, str | None]:
    """Text of a message, and what was wrong with its MIME structure (None when nothing was).

    Of alternatives the plain one is taken, else the HTML as text; attachments and forwarded mails are left alone.
    """
    if mail.body.count(b"\n") * mail.body.lower().count(b"multipart/") > _WORK:
        return "", _DEEP
    troubles: list[str] = []
    try:
        text = _words(_message(mail), troubles, depth=0)
    except RecursionError:
        return "", _DEEP
    return text.replace("\x00", ""), next(iter(troubles), None)


def _message(mail: Mail) -> Message:
    """What the standard library makes of the body; only a multipart one has to be parsed."""
    body = _QUOTED_FROM.sub(rb"\1", mail.body)
    head = {name: mail.headers[name] for name in _MIME if name in mail.headers}
    if head.get("content-type", "").lower().startswith("multipart/"):
        lines = "".join(f"{name}: {value}\n" for name, value in head.items())
        return message_from_bytes(lines.encode() + b"\n" + body)
    message = Message()
    for name, value in head.items():
        message[name] = value
    message.set_payload(body.decode("ascii", "surrogateescape"))
    return message


def _words(part: Message, troubles: list[str], *, depth: int) -> str:
    kind = part.get_content_maintype()
    if part.get_content_disposition() == "attachment" or kind not in ("text", "multipart"):
        return ""
    if part.is_multipart():
        text = _joined(part.get_payload(), troubles, depth=depth + 1)
    else:
        charset = None if kind == "multipart" else part.get_content_charset()
        text = decode(_content(part), charset)
        text = html_to_text(text) if part.get_content_type() == "text/html" else text
    troubles += [_TORN[name] for name in _defects(part) if name in _TORN]
    return text


def _joined(parts: Any, troubles: list[str], *, depth: int) -> str:
    """The plain parts of a multipart message, else its HTML."""
    if depth > _DEPTH:
        troubles.append(_DEEP)
        return ""
    if len(parts) > _PARTS:
        troubles.append(f"more than {_PARTS} parts")
    texts: dict[bool, list[str]] = {False: [], True: []}
    for part in parts[:_PARTS]:
        texts[part.get_content_type() == "text/html"].append(_words(part, troubles, depth=depth))
    plain, html = ("\n".join(text for text in texts[is_html] if text.strip()) for is_html in (False, True))
    return plain or html


def _defects(part: Message) -> list[str]:
    return [type(defect).__name__ for defect in part.defects]


def _content(part: Message) -> bytes:
    """Bytes of a part; base64 that is cut off is read to its last whole group."""
    data = part.get_payload(decode=True)
    body = data if isinstance(data, bytes) else b""
    if _BASE64_LENGTH in _defects(part):
        whole = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        return binascii.a2b_base64(whole[: len(whole) // 4 * 4])
    return body
