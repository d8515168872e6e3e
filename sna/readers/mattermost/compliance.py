"""Mattermost compliance exports: CSV (real ids, membership rows, roots of replies) and Actiance XML (no replies)."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from lxml import etree

from sna.errors import ReadError
from sna.formats.container import Container
from sna.formats.csv import Dialect
from sna.formats.frames import load_member
from sna.formats.loaded import Loaded
from sna.forum import Forum
from sna.readers.chat import list_spells, strip_secrets
from sna.readers.collect import Collector, Reader, ReadOptions, clean_text, from_epoch, show_progress
from sna.readers.mattermost.bulk import MentionNames

_NEEDED = {"post creation time", "channel type", "username", "post id"}
_MOVES = {"join": True, "leave": False}
_FORBIDDEN = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|&#(?:x0*(?:[0-8bcefBCEF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));"
)
_Key = tuple[str, str]


@dataclass
class _Members:
    """What membership rows say: joins, leaves, and who was found inside when a file begins."""

    log: Collector
    moves: dict[_Key, list[tuple[datetime, bool]]] = field(default_factory=dict)
    inside: dict[_Key, list[tuple[datetime, str]]] = field(default_factory=dict)

    def write(self, *, dated: bool) -> None:
        """Add spells. Somebody found inside joined before; ``dated`` when the row tells since when.

        Each row that says "inside" is a row of the source: it becomes a spell, or is withheld as a repetition.
        """
        for key in {**self.inside, **self.moves}:
            found = sorted(self.inside.get(key, ()))
            changes = [*self.moves.get(key, ()), *((at, True) for at, _ in found)]
            spells = list_spells(changes, member_now=False)
            if found and not dated and spells[0][0] == found[0][0]:
                spells[0] = (None, spells[0][1])
            for rank, (start, end) in enumerate(spells):
                add = self.log.add if rank < len(found) else self.log.derive
                add("memberships", person_id=key[0], space=key[1], valid_from=start, valid_to=end)
            for _, file in found[len(spells) :]:
                self.log.withhold("memberships", "repeated_snapshot", file=file)


@dataclass
class _Compliance:
    """Rows of all CSV files of one export."""

    log: Collector
    options: ReadOptions
    members: _Members
    names: MentionNames = field(default_factory=MentionNames)
    people: dict[str, tuple[datetime, str, str, bool]] = field(default_factory=dict)
    posts: dict[str, tuple[tuple[Any, ...], dict[str, str], str, datetime]] = field(default_factory=dict)
    edited: dict[str, datetime] = field(default_factory=dict)


def read_compliance_csv(container: Container, options: ReadOptions) -> Forum:
    """Read Mattermost compliance CSV files; see `sna.read_forum`."""
    log = Collector("mattermost")
    state = _Compliance(log, options, _Members(log))
    names = _csv_files(container)
    for name in show_progress(names, options, what="Mattermost compliance files", total=len(names)):
        for row, position in _rows(log, load_member(container, name, dialect=Dialect(header=True))):
            _take_row(state, row, name, position)
    for post_id, (_, row, file, at) in state.posts.items():
        _add_post(state, post_id, row, file, at)
    for person, (_, username, email, bot) in state.people.items():
        state.names.ids[username.lower()] = person
        log.derive("people", person_id=person, name=username, email=email or None, kind="bot" if bot else "human")
    state.names.resolve(log)
    state.members.write(dated=False)
    scope = "with" if options.include_private else "without"
    return log.forum(
        capabilities=CSV_CAPABILITIES,
        coverage=f"compliance CSV, {scope} private channels and direct messages",
        files=names,
    )


def _csv_files(container: Container) -> list[str]:
    return [name for name in container.match(r".*\.csv")[:1000] if set(_header(container, name)) >= _NEEDED]


def _header(container: Container, name: str) -> list[str]:
    first = container.peek(name, 4096).removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0]
    return [cell.strip().strip('"').lower() for cell in first.decode("utf-8", "replace").split(",")]


def _recognise_csv(container: Container) -> str | None:
    names = _csv_files(container)
    return f"{names[0]} has the columns of a Mattermost compliance export" if names else None


def _rows(log: Collector, loaded: Loaded) -> Iterator[tuple[dict[str, str], str]]:
    """Rows as dictionaries with lower-case keys, and where they are; rows that do not fit the header are rejected."""
    log.log_loaded(loaded, "posts")
    keys = [name.strip().lower() for name in loaded.frame.columns]
    for position, values in zip(loaded.positions, loaded.frame.iter_rows(), strict=True):
        yield {key: value or "" for key, value in zip(keys, values, strict=True)}, position


def _take_row(state: _Compliance, row: dict[str, str], file: str, position: str) -> None:
    kind = row.get("post type", "").strip().lower() or "message"
    table = "memberships" if kind == "previously-joined" else "events" if kind in _MOVES else "posts"
    if row["channel type"].strip().lower() != "public" and not state.options.include_private:
        state.log.withhold(table, "private_space", file=file)
        return
    at = from_epoch(row["post creation time"], unit="ms")
    person = row.get("user id", "").strip() or row["username"].strip()
    if at is None or not person:
        state.log.reject(table, "missing_value", file=file, position=position)
        return
    _meet(state, person, row, at)
    space = _space(row)
    if table == "memberships":
        state.members.inside.setdefault((person, space), []).append((at, file))
    elif table == "events":
        state.log.add("events", person_id=person, kind=kind, object=space, at=at)
        state.members.moves.setdefault((person, space), []).append((at, _MOVES[kind]))
    else:
        _take_message(state, row, kind, file, at, position)


def _meet(state: _Compliance, person: str, row: dict[str, str], at: datetime) -> None:
    """The name somebody had last is kept; names of before still resolve mentions."""
    username = row["username"].strip() or person
    bot = row.get("user type", "").strip().lower() == "bot"
    facts = (at, username, row.get("user email", "").strip(), bot)
    state.people[person] = max(facts, state.people.get(person, facts))
    state.names.ids[username.lower()] = person


def _space(row: dict[str, str]) -> str:
    channel = row.get("channel name", "").strip() or row.get("channel id", "").strip()
    team = row.get("team name", "").strip()
    return f"{team}/{channel}" if team and row["channel type"].strip().lower() in ("public", "private") else channel


def _take_message(state: _Compliance, row: dict[str, str], kind: str, file: str, at: datetime, position: str) -> None:
    post_id = row["post id"].strip()
    newer = row.get("edited by post id", "").strip()
    if kind.startswith("system_") or "attachment" in kind.split():
        state.log.withhold(
            "posts", f"{'system_message' if kind.startswith('system_') else 'attachment_row'}:{kind}", file=file
        )
    elif not post_id:
        state.log.reject("posts", "missing_id", file=file, position=position)
    elif newer:
        state.log.withhold("posts", "older_version", file=file)
        updated = from_epoch(_updated(row), unit="ms") or at
        state.edited[newer] = max(updated, state.edited.get(newer, updated))
    else:
        version = ((int(_updated(row)) if _updated(row).isdecimal() else 0, kind, *sorted(row.items())), row, file, at)
        old = state.posts.get(post_id)
        if old is not None:
            state.log.withhold("posts", "exact_copy" if old[1] == row else "older_version", file=min(file, old[2]))
        state.posts[post_id] = version if old is None else max(version, old, key=lambda item: item[0])


def _updated(row: dict[str, str]) -> str:
    return next((value.strip() for key, value in row.items() if "update" in key and "time" in key), "")


def _add_post(state: _Compliance, post_id: str, row: dict[str, str], file: str, at: datetime) -> None:
    root = row.get("replied to post id", "").strip()
    text = clean_text(row.get("post message")) or ""
    update = next((value.strip().lower() for key, value in row.items() if "update" in key and "type" in key), "")
    deleted = update == "deleted" or row.get("post type", "").strip().lower().startswith("deleted")
    edited = from_epoch(_updated(row), unit="ms") if update.startswith("edited") else state.edited.get(post_id)
    state.log.add(
        "posts",
        post_id=post_id,
        thread_id=root or post_id,
        parent_id=root or None,
        parent_basis="root_default" if root else "none",
        author_id=row.get("user id", "").strip() or row["username"].strip(),
        created_at=at,
        space=_space(row),
        kind="reply" if root else "root",
        text=strip_secrets(text) or None,
        edited_at=edited,
        deleted_at=(from_epoch(_updated(row), unit="ms") or at) if deleted else None,
    )
    state.names.note(post_id, text, file=file)


# --- Actiance XML -----------------------------------------------------------------------------------------------------


def read_actiance(container: Container, options: ReadOptions) -> Forum:
    """Read Mattermost's Actiance XML; see `sna.read_forum`. Replies are not recorded: every message stands alone."""
    log = Collector("mattermost")
    members = _Members(log)
    seen: Counter[str] = Counter()
    people: set[str] = set()
    names = _actiance_files(container)
    for name in names:
        for talk in show_progress(_conversations(container, name, log), options, what="Actiance conversations"):
            _take_conversation(log, members, talk, name, options, seen, people)
    for person in people:
        log.derive("people", person_id=person, name=person.partition("@")[0], email=person if "@" in person else None)
    members.write(dated=True)
    scope = "with" if options.include_private else "without"
    coverage = f"compliance XML, {scope} private channels and direct messages"
    return log.forum(capabilities=ACTIANCE_CAPABILITIES, coverage=coverage, files=names)


def _actiance_files(container: Container) -> list[str]:
    return [name for name in container.match(r".*\.xml")[:1000] if b"<FileDump" in container.peek(name, 4096)]


def _recognise_actiance(container: Container) -> str | None:
    names = _actiance_files(container)
    return f"{names[0]} is an Actiance file dump" if names else None


def _conversations(container: Container, name: str, log: Collector) -> Iterator[Any]:
    """Conversations one by one; damage ends the file with an issue, a DOCTYPE ends the reading."""
    try:
        with container.open(name) as stream:
            yield from _parse(stream, name, log)
    except ReadError as error:
        if error.__cause__ is None:
            raise
        log.reject("posts", "damaged_file", file=name, position="", detail=error.got)


def _parse(stream: IO[bytes], name: str, log: Collector) -> Iterator[Any]:
    parser = etree.XMLPullParser(
        ("end",), tag="Conversation", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        for data in _clean_chunks(stream, name, log):
            parser.feed(data)
            for _, talk in parser.read_events():
                _refuse_doctype(talk.getroottree().docinfo.doctype != "", name)
                yield talk
                talk.clear(keep_tail=False)
                while talk.getprevious() is not None:
                    del talk.getparent()[0]
        parser.close()
    except etree.XMLSyntaxError as error:
        raise ReadError(f"{name} must be whole XML.", got=f"{error.msg}.", hint="export it again") from error


def _clean_chunks(stream: IO[bytes], name: str, log: Collector) -> Iterator[bytes]:
    """The file without characters XML forbids; a reference cut by the end of a chunk waits for the next one."""
    head = stream.read(65_536)
    _refuse_doctype(b"<!DOCTYPE" in head.partition(b"<FileDump")[0].upper(), name)
    rest, mended = b"", 0
    while head:
        data, rest = rest + head, b""
        cut = data.rfind(b"&", max(0, len(data) - 12))
        if cut >= 0:
            data, rest = data[:cut], data[cut:]
        data, n = _FORBIDDEN.subn(b"\xef\xbf\xbd", data)
        mended += n
        yield data
        head = stream.read(1 << 20)
    yield _FORBIDDEN.sub(b"\xef\xbf\xbd", rest)
    if mended:
        detail = f"{mended:,} characters XML forbids are shown as \ufffd"
        log.note("posts", "text_mended", kind="repaired", file=name, detail=detail)


def _refuse_doctype(found: bool, name: str) -> None:
    if found:
        raise ReadError(f"{name} must not declare a document type.", got="It has a DOCTYPE.", hint="was it changed?")


def _take_conversation(
    log: Collector,
    members: _Members,
    talk: Any,
    file: str,
    options: ReadOptions,
    seen: Counter[str],
    people: set[str],
) -> None:
    room = (talk.findtext("RoomID") or "").strip()
    private = not room.startswith("public")
    space = f"{(talk.get('Perspective') or 'room').strip()} [{room.rpartition(' - ')[2]}]"
    ended = talk.findtext("EndTimeUTC")
    for item in talk.iterchildren("Message", "ParticipantEntered", "ParticipantLeft", "FileTransferStarted"):
        table = {"Message": "posts", "ParticipantEntered": "memberships"}.get(item.tag, "events")
        login = (item.findtext("LoginName") or "").strip()
        moment = item.findtext("DateTimeUTC")
        at = from_epoch(moment, unit="ms")
        if private and not options.include_private:
            log.withhold(table, "private_space", file=file)
        elif not login or at is None:
            log.reject(table, "missing_value", file=file, position=f"line {item.sourceline}")
        elif item.tag == "FileTransferStarted":
            log.withhold("events", "file_transfer", file=file)
        elif item.tag == "ParticipantLeft" and moment == ended:
            log.withhold("events", "end_of_export_window", file=file)
        else:
            people.add(login)
            _keep_item(log, members, item, (login, space), at, file, seen, room)


def _keep_item(
    log: Collector, members: _Members, item: Any, key: _Key, at: datetime, file: str, seen: Counter[str], room: str
) -> None:
    if item.tag == "ParticipantEntered":
        members.inside.setdefault(key, []).append((at, file))
    elif item.tag == "ParticipantLeft":
        log.add("events", person_id=key[0], kind="leave", object=key[1], at=at)
        members.moves.setdefault(key, []).append((at, False))
    else:
        _add_message(log, item, key, at, file, seen, room)


def _add_message(log: Collector, item: Any, key: _Key, at: datetime, file: str, seen: Counter[str], room: str) -> None:
    """Messages without an id are known by room, login, time and words; equal ones are numbered."""
    text = clean_text(item.findtext("Content")) or ""
    given = (item.findtext("MessageId") or "").strip()
    facts = "\x00".join((room, key[0], item.findtext("DateTimeUTC") or "", text))
    identity = given or hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()
    seen[identity] += 1
    if seen[identity] > 1 and given:
        log.withhold("posts", "exact_copy", file=file)
        return
    if seen[identity] > 1:
        log.note("posts", "duplicate_identity", file=file, position=identity)
        identity = f"{identity}-{seen[identity]}"
    words = strip_secrets(text) or None
    post = {"post_id": identity, "thread_id": identity, "author_id": key[0], "created_at": at, "space": key[1]}
    log.add("posts", **post, kind="root", text=words)


CSV_CAPABILITIES: Mapping[str, str] = {
    "reply_parent": "partial",
    "threads": "yes",
    "spaces": "yes",
    "mentions": "partial",
    "roster": "partial",
    "memberships": "yes",
    "deleted_posts": "partial",
    "edits": "partial",
    "text": "yes",
    "exact_times": "yes",
}
ACTIANCE_CAPABILITIES: Mapping[str, str] = {
    "spaces": "yes",
    "roster": "partial",
    "memberships": "yes",
    "text": "yes",
    "exact_times": "yes",
}

READERS = (
    Reader(
        "mattermost_compliance",
        "Mattermost compliance export (CSV)",
        _recognise_csv,
        read_compliance_csv,
        CSV_CAPABILITIES,
    ),
    Reader(
        "mattermost_actiance",
        "Mattermost compliance export (Actiance XML)",
        _recognise_actiance,
        read_actiance,
        ACTIANCE_CAPABILITIES,
    ),
)
