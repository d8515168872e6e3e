"""What an export looks like to somebody who has to find the right one: its kind in words, and the next thing to do."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from sna.errors import SnaError
from sna.formats.container import Container
from sna.formats.csv import peek_header
from sna.formats.frames import WORKBOOKS, load_member
from sna.formats.json import as_dict, as_list, peek_json
from sna.formats.sqldump import looks_like_sql

_MAP = (
    "`sna map guess FILE` proposes a mapping for a table of posts (then --mapping); a list of ties is read with --edges"
)
_ASK = (
    "ask for the platform's own export as data, not as pages to look at; docs/readers/platforms.md lists what sna reads"
)
_MAGIC: Mapping[bytes, tuple[str, str]] = {
    b"%PDF": ("a PDF", _ASK),
    b"\x89PNG": ("an image", _ASK),
    b"\xff\xd8\xff": ("an image", _ASK),
    b"GIF8": ("an image", _ASK),
    b"SQLite format 3": ("an SQLite database", "export its tables of posts and people as CSV, or dump it as SQL"),
    b"!BDN": ("an Outlook mailbox (PST)", "save it as mbox, for example with readpst or Thunderbird"),
    b"\xd0\xcf\x11\xe0": ("an old Office file (DOC or MSG)", "save a table as CSV UTF-8, mails as mbox"),
    b"PAR1": ("a Parquet table", _MAP),
}
_OFFICE = {
    "word/document.xml": ("a Word document (DOCX)", _ASK),
    "ppt/presentation.xml": ("a presentation (PPTX)", _ASK),
}
_PARTS = {
    r"(channels|groups|dms|mpims|users|integration_logs)\.json": "Slack",
    r"realm\.json": "Zulip",
    r"(users|votes|comments|badges|postlinks|tags|posthistory)\.xml": "Stack Exchange",
    r"(users|groups|topics|admins|likedmessages)\.csv": "Viva Engage (Yammer)",
    r"user[-_]list.*\.csv": "Discourse",
}
_SHOWN = 8


def describe_export(container: Container) -> tuple[str, str]:
    """What an export is, in words, and what to do next.

    Returns
    -------
    tuple
        ``(what, hint)``, such as ``("a CSV with the columns a, b, c", "sna map guess ...")``.
    """
    for inside, told in _OFFICE.items():
        if inside in container.names:
            return told
    if not container.names:
        return "empty", "was the right folder or archive given?"
    if len(container.names) == 1 and container.kind == "file":
        what, hint = describe_file(container, container.names[0])
    else:
        what, hint = _describe_many(container)
    part = _part_of(container.names)
    whole = f"it looks like one part of a {part} export: give the whole folder or archive"
    return what, whole if part else hint.replace("FILE", shlex.quote(str(container.path)))


def _describe_many(container: Container) -> tuple[str, str]:
    """Files by kind, and what the first of the most frequent kind is."""
    kinds = Counter(_suffix(name) for name in container.names)
    told = [f"{n:,} {kind} file{'s' if n > 1 else ''}" for kind, n in kinds.most_common(3)]
    more = f" and {len(kinds) - 3:,} other kinds" if len(kinds) > 3 else ""
    first = min(name for name in container.names if _suffix(name) == kinds.most_common(1)[0][0])
    what, hint = describe_file(container, first)
    return f"a {container.kind} of {', '.join(told)}{more}; {first} is {what}", hint


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lstrip(".").upper() or "unnamed"


def _part_of(names: Iterable[str]) -> str | None:
    """The platform of which all files are known parts; what holds its messages is not among them."""
    stems = [PurePosixPath(name).name for name in names]
    for pattern, platform in _PARTS.items():
        if all(re.fullmatch(pattern, stem, re.IGNORECASE) for stem in stems):
            return platform
    return None


def describe_file(container: Container, name: str) -> tuple[str, str]:
    """What one file is, from its first bytes, and what to do with it."""
    try:
        head = container.peek(name)
    except SnaError as error:
        return "a file that cannot be opened", error.hint
    if name.lower().endswith(WORKBOOKS):
        return f"a workbook{_columns(container, name)}", _MAP
    for magic, told in _MAGIC.items():
        if head.startswith(magic):
            return (f"{told[0]}{_columns(container, name)}", told[1]) if magic == b"PAR1" else told
    if not head.strip():
        return "an empty file", "export it again"
    for look in _LOOKS:
        found = look(container, name, head)
        if found:
            return found
    return ("a binary file of no kind sna knows", _ASK) if b"\x00" in head[:1024] else ("plain text", _ASK)


def _columns(container: Container, name: str) -> str:
    try:
        return f" with the columns {_listed(load_member(container, name).frame.columns)}"
    except SnaError:
        return " that is damaged"


def _listed(names: Sequence[Any]) -> str:
    shown = ", ".join(str(name)[:40] for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")


def _json(container: Container, name: str, head: bytes) -> tuple[str, str] | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] not in (b"{", b"["):
        return None
    shown = peek_json(container, name)
    if text[:1] == b"{" and text.count(b"\n{") > 0:
        return f"JSON lines with the keys {_listed(list(as_dict(shown)))}", _MAP
    if isinstance(shown, list):
        keys = list(as_dict(next(iter(as_list(shown)), None)))
        return (f"a JSON list of objects with the keys {_listed(keys)}" if keys else "a JSON list", _MAP)
    return (f"a JSON object with the keys {_listed(list(shown))}", _MAP) if isinstance(shown, dict) and shown else None


def _xml(container: Container, name: str, head: bytes) -> tuple[str, str] | None:
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace").lstrip(
        "\ufeff \r\n\t"
    )
    root = re.search(r"<([A-Za-z_][\w.:-]*)", re.sub(r"<[?!][^>]*>", "", text[:4096])) if text.startswith("<") else None
    if root is None:
        return None
    return ("a web page (HTML)", _ASK) if root[1].lower() == "html" else (f"XML with root <{root[1]}>", _MAP)


def _sql(container: Container, name: str, head: bytes) -> tuple[str, str] | None:
    if not looks_like_sql(head):
        return None
    tables = re.findall(rb"CREATE TABLE (?:IF NOT EXISTS )?[`\"\[]?([\w.]+)", head)
    named = [table.decode() for table in dict.fromkeys(tables)]
    return (f"an SQL dump that begins with the tables {_listed(named)}" if named else "an SQL dump", _MAP)


def _mail(container: Container, name: str, head: bytes) -> tuple[str, str] | None:
    if not re.match(rb"From |(?:[A-Z][\w-]+: [^\n]*\n){2}", head):
        return None
    return "mail, or something like it", "a mailing list is read from .mbox or .eml files, or an archive of them"


def _csv(container: Container, name: str, head: bytes) -> tuple[str, str] | None:
    if b"\x00" in head[:1024] and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return None
    cells = [cell.strip() for cell in peek_header(container, name)]
    return (f"a CSV with the columns {_listed(cells)}", _MAP) if len(cells) > 1 and all(cells) else None


_LOOKS: tuple[Callable[[Container, str, bytes], tuple[str, str] | None], ...] = (_json, _xml, _sql, _mail, _csv)
