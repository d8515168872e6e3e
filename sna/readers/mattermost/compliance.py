"""Mattermost compliance exports: CSV (real ids, membership rows, roots of replies) and Actiance XML (no replies)."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from lxml import etree

from sna.errors import ReadError
from sna.formats.container import Container
from sna.formats.csv import Dialect
from sna.formats.frames import load_member
from sna.formats.loaded import Loaded
from sna.formats.times import from_epoch
from sna.forum import Forum
from sna.readers.chat import Moves, list_spells, place_in_thread
from sna.readers.collect import Collector, Reader, ReadOptions, clean_text, levels_of, show_progress
from sna.readers.mattermost.bulk import MentionNames

CSV_CAPABILITIES = levels_of(
    yes="threads spaces memberships text exact_times", partial="reply_parent mentions roster deleted_posts edits"
)
ACTIANCE_CAPABILITIES = levels_of(yes="spaces memberships text exact_times", partial="roster")

_CSV = ("mattermost_compliance", "Mattermost compliance export (CSV)")
_ACTIANCE = ("mattermost_actiance", "Mattermost compliance export (Actiance XML)")
_NEEDED = {"post creation time", "channel type", "username", "post id"}
_MOVES = {"join": True, "leave": False}
_FORBIDDEN = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|&#(?:x0*(?:[0-8bcefBCEF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));"
)
_WORDS = "post message"
_Key = tuple[str, str]


class _Row(dict[str, str]):
    """A row by column; a column that is not there is empty."""

    def __missing__(self, key: str) -> str:
        return ""


@dataclass
class _Members:
    """What membership rows say: joins, leaves, and who was found inside when a file begins."""

    log: Collector
    moves: Moves = field(default_factory=dict)
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
    members: _Members
    names: MentionNames = field(default_factory=MentionNames)
    people: dict[str, tuple[datetime, str, str, bool]] = field(default_factory=dict)
    posts: dict[str, tuple[tuple[Any, ...], _Row, str, datetime]] = field(default_factory=dict)
    edited: dict[str, datetime] = field(default_factory=dict)


def read_compliance_csv(container: Container, options: ReadOptions) -> Forum:
    """Read Mattermost compliance CSV files; see `sna.read_forum`."""
    log = Collector("mattermost", options)
    state = _Compliance(log, _Members(log))
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
    coverage = f"compliance CSV, {options.scope} private channels and direct messages"
    return log.forum(capabilities=CSV_CAPABILITIES, coverage=coverage, files=names)


def _csv_files(container: Container) -> list[str]:
    return [name for name in container.match(r".*\.csv")[:1000] if set(_header(container, name)) >= _NEEDED]


def _header(container: Container, name: str) -> list[str]:
    first = container.peek(name, 4096).removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0]
    return [cell.strip().strip('"').lower() for cell in first.decode("utf-8", "replace").split(",")]


def _recognise_csv(container: Container) -> str | None:
    names = _csv_files(container)
    return f"{names[0]} has the columns of a Mattermost compliance export" if names else None


def _rows(log: Collector, loaded: Loaded) -> Iterator[tuple[_Row, str]]:
    """Rows by lower-case column name, and where they are; rows that do not fit the header are rejected."""
    log.log_loaded(loaded, "posts")
    keys = [name.strip().lower() for name in loaded.frame.columns]
    for position, values in zip(loaded.positions, loaded.frame.iter_rows(), strict=True):
        row = zip(keys, values, strict=True)
        yield _Row({key: value if key == _WORDS else value.strip() for key, value in row if value}), position


def _take_row(state: _Compliance, row: _Row, file: str, position: str) -> None:
    kind = row["post type"].lower() or "message"
    table = "memberships" if kind == "previously-joined" else "events" if kind in _MOVES else "posts"
    if state.log.hides(row["channel type"].lower() != "public", table, file=file):
        return
    at = from_epoch(row["post creation time"], unit="ms")
    person = row["user id"] or row["username"]
    if at is None or not person:
        state.log.reject(table, "missing_value", file=file, position=position)
        return
    _meet(state, person, row, at)
    key = (person, _space(row))
    if table == "memberships":
        state.members.inside.setdefault(key, []).append((at, file))
    elif table == "events":
        state.log.add("events", person_id=person, kind=kind, object=key[1], at=at)
        state.members.moves.setdefault(key, []).append((at, _MOVES[kind]))
    else:
        _take_message(state, row, kind, file, at, position)


def _meet(state: _Compliance, person: str, row: _Row, at: datetime) -> None:
    """The name somebody had last is kept; names of before still resolve mentions."""
    facts = (at, row["username"] or person, row["user email"], row["user type"].lower() == "bot")
    state.people[person] = max(facts, state.people.get(person, facts))
    state.names.ids[facts[1].lower()] = person


def _space(row: _Row) -> str:
    channel, team = row["channel name"] or row["channel id"], row["team name"]
    return f"{team}/{channel}" if team and row["channel type"].lower() in ("public", "private") else channel


def _take_message(state: _Compliance, row: _Row, kind: str, file: str, at: datetime, position: str) -> None:
    post_id, newer, updated = row["post id"], row["edited by post id"], _updated(row)
    if kind.startswith("system_") or "attachment" in kind.split():
        reason = "system_message" if kind.startswith("system_") else "attachment_row"
        state.log.withhold("posts", f"{reason}:{kind}", file=file)
    elif not post_id:
        state.log.reject("posts", "missing_id", file=file, position=position)
    elif newer:
        state.log.withhold("posts", "older_version", file=file)
        moment = from_epoch(updated, unit="ms") or at
        state.edited[newer] = max(moment, state.edited.get(newer, moment))
    else:
        version = ((int(updated) if updated.isdecimal() else 0, kind, *sorted(row.items())), row, file, at)
        old = state.posts.get(post_id)
        if old is not None:
            state.log.withhold("posts", "exact_copy" if old[1] == row else "older_version", file=min(file, old[2]))
        state.posts[post_id] = max(version, old or version, key=lambda item: item[0])


def _updated(row: _Row, *, what: str = "time") -> str:
    return next((value for key, value in row.items() if "update" in key and what in key), "")


def _add_post(state: _Compliance, post_id: str, row: _Row, file: str, at: datetime) -> None:
    text, update = clean_text(row[_WORDS]) or "", _updated(row, what="type").lower()
    deleted = update == "deleted" or row["post type"].lower().startswith("deleted")
    moment = from_epoch(_updated(row), unit="ms")
    state.log.add(
        "posts",
        **place_in_thread(post_id, row["replied to post id"] or None),
        author_id=row["user id"] or row["username"],
        created_at=at,
        space=_space(row),
        text=text or None,
        edited_at=moment if update.startswith("edited") else state.edited.get(post_id),
        deleted_at=(moment or at) if deleted else None,
    )
    state.names.note(post_id, text, file=file)


# --- Actiance XML -----------------------------------------------------------------------------------------------------


@dataclass
class _Dump:
    """What an Actiance dump has told so far; ``seen`` counts messages by identity."""

    log: Collector
    members: _Members
    seen: Counter[str] = field(default_factory=Counter)
    people: set[str] = field(default_factory=set)


def read_actiance(container: Container, options: ReadOptions) -> Forum:
    """Read Mattermost's Actiance XML; see `sna.read_forum`. Replies are not recorded: every message stands alone."""
    log = Collector("mattermost", options)
    dump = _Dump(log, _Members(log))
    names = _actiance_files(container)
    for name in names:
        for talk in show_progress(_conversations(container, name, log), options, what="Actiance conversations"):
            _take_conversation(dump, talk, name)
    for person in dump.people:
        log.derive("people", person_id=person, name=person.partition("@")[0], email=person if "@" in person else None)
    dump.members.write(dated=True)
    coverage = f"compliance XML, {options.scope} private channels and direct messages"
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


def _take_conversation(dump: _Dump, talk: Any, file: str) -> None:
    room = (talk.findtext("RoomID") or "").strip()
    space = f"{(talk.get('Perspective') or 'room').strip()} [{room.rpartition(' - ')[2]}]"
    ended = talk.findtext("EndTimeUTC")
    for item in talk.iterchildren("Message", "ParticipantEntered", "ParticipantLeft", "FileTransferStarted"):
        table = {"Message": "posts", "ParticipantEntered": "memberships"}.get(item.tag, "events")
        login, moment = (item.findtext("LoginName") or "").strip(), item.findtext("DateTimeUTC")
        at = from_epoch(moment, unit="ms")
        if dump.log.hides(not room.startswith("public"), table, file=file):
            continue
        if not login or at is None:
            dump.log.reject(table, "missing_value", file=file, position=f"line {item.sourceline}")
        elif item.tag == "FileTransferStarted":
            dump.log.withhold("events", "file_transfer", file=file)
        elif item.tag == "ParticipantLeft" and moment == ended:
            dump.log.withhold("events", "end_of_export_window", file=file)
        else:
            dump.people.add(login)
            _keep_item(dump, item, (login, space), at, file, room)


def _keep_item(dump: _Dump, item: Any, key: _Key, at: datetime, file: str, room: str) -> None:
    if item.tag == "ParticipantEntered":
        dump.members.inside.setdefault(key, []).append((at, file))
    elif item.tag == "ParticipantLeft":
        dump.log.add("events", person_id=key[0], kind="leave", object=key[1], at=at)
        dump.members.moves.setdefault(key, []).append((at, False))
    else:
        _add_message(dump, item, key, at, file, room)


def _add_message(dump: _Dump, item: Any, key: _Key, at: datetime, file: str, room: str) -> None:
    """Messages without an id are known by room, login, time and words; equal ones are numbered."""
    text = clean_text(item.findtext("Content")) or ""
    given = (item.findtext("MessageId") or "").strip()
    facts = "\x00".join((room, key[0], item.findtext("DateTimeUTC") or "", text))
    identity = given or hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()
    dump.seen[identity] += 1
    if dump.seen[identity] > 1 and given:
        dump.log.withhold("posts", "exact_copy", file=file)
        return
    if dump.seen[identity] > 1:
        dump.log.note("posts", "duplicate_identity", file=file, position=identity)
        identity = f"{identity}-{dump.seen[identity]}"
    place = place_in_thread(identity, None)
    dump.log.add("posts", **place, author_id=key[0], created_at=at, space=key[1], text=text or None)


READERS = (
    Reader(*_CSV, _recognise_csv, read_compliance_csv, CSV_CAPABILITIES),
    Reader(*_ACTIANCE, _recognise_actiance, read_actiance, ACTIANCE_CAPABILITIES),
)
