"""One mail after the other: split an mbox, unfold headers, find the text among the MIME parts."""

from __future__ import annotations

import binascii
import codecs
import quopri
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header
from itertools import pairwise

from sna.errors import ReadError
from sna.formats.container import Container
from sna.formats.html import html_to_text

_BLOCK = 8 * 1024 * 1024
_MESSAGE_BYTES = 256 * 1024 * 1024
_OVERLAP = 8192
_HEADER_BYTES = 65_536
_WANTED = frozenset(
    (
        *("from", "sender", "reply-to", "x-reply-to", "x-original-from", "x-google-original-from", "to", "cc"),
        *("date", "received", "subject", "message-id", "in-reply-to", "references", "feedback-id"),
        *("list-id", "list-post", "x-beenthere", "mailing-list", "precedence", "auto-submitted"),
        *("x-autoreply", "x-autorespond", "content-type", "content-transfer-encoding", "content-disposition"),
    )
)
"""Headers we read; addresses of machines on the way and spam scores are left alone."""
_KEYS = {name.encode(): name for name in _WANTED}
_DEPTH, _PARTS = 20, 1000
_SEPARATOR = re.compile(rb"From [^\n]{0,998}?\d:\d\d[^\n]{0,200}?\d{4}[^\n]{0,80}\n(?=[!-9;-~]{1,80}[ \t]*:)")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_END = re.compile(rb"\r?\n[ \t]*\r?\n|\A[ \t]*\r?\n")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_PARAMETER = re.compile(r";\s*([\w*-]+)\s*=\s*(?:\"([^\"]*)\"|([^\s;]+))")


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
    walk = _Walk()
    plain = walk.text(mail.headers, _QUOTED_FROM.sub(rb"\1", mail.body), depth=0)
    return plain.replace("\x00", ""), walk.trouble


class _Walk:
    """Counts parts and depth while walking the MIME tree."""

    def __init__(self) -> None:
        self.parts = 0
        self.trouble: str | None = None

    def text(self, headers: dict[str, str], body: bytes, *, depth: int) -> str:
        kind, parameters = _content_type(headers.get("content-type", ""))
        if headers.get("content-disposition", "").lower().startswith("attachment"):
            return ""
        if kind.startswith("multipart/"):
            return self._multipart(kind, parameters.get("boundary", ""), body, depth)
        if not kind.startswith("text/"):
            return ""
        words = decode(_transferred(headers.get("content-transfer-encoding", ""), body), parameters.get("charset"))
        return html_to_text(words) if kind == "text/html" else words

    def _multipart(self, kind: str, boundary: str, body: bytes, depth: int) -> str:
        if depth >= _DEPTH or not boundary:
            self.trouble = "nested too deep" if boundary else "no boundary"
            return "" if boundary else decode(body)
        texts: dict[str, list[str]] = {"plain": [], "html": []}
        for part in self._split(boundary, body):
            inner = parse_mail(part)
            found = self.text(inner.headers, inner.body, depth=depth + 1)
            is_html = _content_type(inner.headers.get("content-type", ""))[0] == "text/html"
            texts["html" if is_html else "plain"].append(found)
        plain = "\n".join(text for text in texts["plain"] if text.strip())
        html = "\n".join(text for text in texts["html"] if text.strip())
        return plain or html if kind == "multipart/alternative" or plain else html

    def _split(self, boundary: str, body: bytes) -> Iterator[bytes]:
        mark = re.escape(boundary.encode("utf-8", "replace"))
        pieces = re.split(rb"(?:\A|\r?\n)--" + mark + rb"(?:--)?[ \t]*(?=\r?\n|\Z)", body)
        for piece in pieces[1:]:
            self.parts += 1
            if self.parts > _PARTS:
                self.trouble = f"more than {_PARTS} parts"
                return
            yield piece.removeprefix(b"\r").removeprefix(b"\n")


def _content_type(value: str) -> tuple[str, dict[str, str]]:
    kind = value.partition(";")[0].strip().lower() or "text/plain"
    found = {name.lower().rstrip("*"): quoted or bare for name, quoted, bare in _PARAMETER.findall(value[:4000])}
    return (kind if "/" in kind else "text/plain"), found


def _transferred(encoding: str, body: bytes) -> bytes:
    coding = encoding.strip().lower()
    if coding == "quoted-printable":
        return quopri.decodestring(body)
    if coding == "base64":
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        return binascii.a2b_base64(clean[: len(clean) // 4 * 4] if len(clean) % 4 == 1 else clean + b"==")
    return body
