"""Slack: workspace and Enterprise Grid exports, slackdump, and pages of the Web API.

A message's ``ts`` is its identity within a channel and its time in microseconds; it is text and stays text. Only the
root of a thread is recorded, so a reply's parent is the root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from os.path import commonpath
from typing import Any

from sna.formats.container import Container
from sna.formats.json import as_dict, as_id, as_list, as_text, dig, list_dicts, list_ids, peek_json, pick_id, pick_text
from sna.formats.times import from_epoch, from_iso
from sna.forum import Forum
from sna.readers.chat import Roster, add_memberships, add_mentions, place_in_thread
from sna.readers.collect import Collector, JsonFiles, Reader, ReadOptions, levels_of, show_progress
from sna.readers.slack_text import block_text, count_mentions, find_mentions, parse_stamp, plain_text, to_moment

CAPABILITIES = levels_of(
    yes="threads spaces mentions reactions text exact_times",
    partial="reply_parent roster memberships platform_role org_attributes deleted_posts edits",
)

_INDEX = r"(.*/)?(channels|groups|dms|mpims)\.json"
_DAY_FILE = re.compile(r"(?P<base>(?:.*/)?)(?P<folder>[^/]+)/\d{4}-\d\d-\d\d\.json", re.IGNORECASE)
_UNLISTED_PRIVATE = re.compile(r"mpdm-|[DG][A-Z0-9]{7,}$")
_HUMAN = frozenset({"", "file_share", "file_comment", "thread_broadcast", "me_message", "bot_message", "tombstone"})
_CHANGES = {"message_changed": "edited_at", "message_deleted": "deleted_at"}
_MOVES = {"channel_join": True, "group_join": True, "channel_leave": False, "group_leave": False}
_MESSAGE_KEYS = ("messages", "slackdump_thread_replies")
_NAMES = ("profile.real_name", "real_name", "profile.display_name", "name")
_ROLES = {
    "is_primary_owner": "primary_owner",
    "is_owner": "owner",
    "is_admin": "admin",
    "is_ultra_restricted": "single_channel_guest",
    "is_restricted": "multi_channel_guest",
}


@dataclass(frozen=True)
class _Space:
    """One conversation: who is in it, and where it lies."""

    id: str
    name: str
    private: bool
    members: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Index:
    """All listed conversations by (base folder, id or name); ``closed``: a folder that is not listed is private."""

    listed: Mapping[tuple[str, str], _Space | None]
    closed: bool


@dataclass
class _People(Roster):
    """The roster, and which account a bot's id stands for."""

    bot_users: dict[str, str] = field(default_factory=dict)


@dataclass
class _Conversation:
    """The messages of one conversation while it is read."""

    space: _Space
    log: Collector
    people: _People
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, dict[str, datetime]] = field(default_factory=dict)
    moves: dict[tuple[str, str], list[tuple[datetime, bool]]] = field(default_factory=dict)
    system: set[str] = field(default_factory=set)


def read_slack(container: Container, options: ReadOptions) -> Forum:
    """Read a Slack export; see `sna.read_forum`."""
    log = Collector("slack", options)
    files, people = JsonFiles(container, log), _People(log)
    spaces = _list_spaces(files)
    _read_people(files, people)
    for space in show_progress(spaces, options, what="Slack conversations", total=len(spaces)):
        if space.private and not options.include_private:
            _withhold_space(files, space)
        else:
            _read_space(files, space, people)
    people.write_met()
    _read_integrations(files)
    logins = {"logins": "yes"} if _read_analytics(files) else {}
    if not container.match(_INDEX):
        detail = "no list of channels; withheld are those named like direct messages"
        log.note("posts", "privacy_unknown", detail=detail)
    private = sum(space.private for space in spaces)
    scope = "with private" if options.include_private else f"without {private:,} private"
    return log.forum(
        capabilities={**CAPABILITIES, **logins},
        coverage=f"{len(spaces) - private:,} public channels, {scope} conversations",
        files=[name for name in container.names if name.endswith(".json")],
    )


def _recognise(container: Container) -> str | None:
    indexes = container.match(_INDEX)
    days = [name for name in container.names if _DAY_FILE.fullmatch(name)]
    if indexes and days:
        return f"it holds {indexes[0]} and {len(days):,} day files of messages"
    for name in container.match(r".*\.json")[:20]:
        if _holds_messages(peek_json(container, name, size=262_144)):
            return f"{name} holds messages with a Slack time stamp (ts)"
    return None


def _holds_messages(document: Any) -> bool:
    page = isinstance(document, dict) and ("ok" in document or "channel_id" in document)
    first = as_list(document.get("messages") if page else document)[:5]
    return any(
        isinstance(item.get("ts"), str) and parse_stamp(item["ts"]) and "text" in item for item in list_dicts(first)
    )


# --- spaces -----------------------------------------------------------------------------------------------------------


def _list_spaces(files: JsonFiles) -> list[_Space]:
    """Conversations in order of id; folders of one shared channel are joined."""
    index = _read_indexes(files)
    found: dict[str, list[_Space]] = {}
    folders = _day_folders(files.container)
    outer = commonpath([base for base, _ in folders]) if folders else ""
    for (base, folder), names in folders.items():
        space = _find_space(index, base, folder, tuple(names), outer=outer)
        found.setdefault(space.id, []).append(space)
    for name in () if found else files.container.match(r".*\.json"):
        document = peek_json(files.container, name)
        if _holds_messages(document):
            space = _loose_space(name, as_dict(document))
            found.setdefault(space.id, []).append(space)
    for (base, key), entry in index.listed.items():
        if entry and entry.id == key:
            found.setdefault(key, [_place(entry, base, key, ())])
    return [_join_spaces(parts) for _, parts in sorted(found.items())]


def _day_folders(container: Container) -> dict[tuple[str, str], list[str]]:
    folders: dict[tuple[str, str], list[str]] = {}
    for match in filter(None, map(_DAY_FILE.fullmatch, container.names)):
        folders.setdefault((match["base"], match["folder"]), []).append(match[0])
    return folders


def _read_indexes(files: JsonFiles) -> _Index:
    """Channels, groups, mpims and dms, by base folder and by id and name; None where a name is not unique."""
    listed: dict[tuple[str, str], _Space | None] = {}
    readable: dict[str, bool] = {}
    for file in files.container.match(_INDEX):
        base, _, stem = file.removesuffix(".json").rpartition("/")
        document = files.document(file, "memberships")
        readable[stem] = document is not None
        for entry in filter(None, (_listed(channel, stem) for channel in list_dicts(document))):
            for key in {entry.id, entry.name}:
                place = (f"{base}/" if base else "", key)
                listed[place] = entry if listed.get(place, entry) == entry else None
    closed = readable.pop("channels", False) or not all(readable.values())
    return _Index(listed, closed)


def _listed(channel: dict[str, Any], stem: str) -> _Space | None:
    id_, name = as_id(channel.get("id")), as_text(channel.get("name"))
    flags = any(channel.get(flag) is True for flag in ("is_private", "is_im", "is_mpim"))
    members = frozenset(list_ids(channel.get("members")))
    return (
        _Space(id_ or name or "", name or id_ or "", flags or stem.lower() != "channels", members)
        if id_ or name
        else None
    )


def _find_space(index: _Index, base: str, folder: str, names: tuple[str, ...], *, outer: str) -> _Space:
    """The listed channel of a folder, looked up beside the folder and above it; ``outer`` holds the whole export."""
    above = base
    while True:
        entry = index.listed.get((above, folder))
        if entry:
            return _place(entry, base, entry.name, names)
        if not above or (above, folder) in index.listed:
            break
        above = re.sub(r"[^/]*/$", "", above)
    private = index.closed or (above, folder) in index.listed or _UNLISTED_PRIVATE.match(folder) is not None
    return _place(_Space(f"{base}{folder}".removeprefix(f"{outer}/"), folder, private), base, folder, names)


def _place(entry: _Space, base: str, key: str, names: tuple[str, ...]) -> _Space:
    """Channel names are unique in a workspace only, so those of a Grid export carry the workspace."""
    workspace = re.search(r"(?:^|/)teams/([^/]+)/$", base)
    name = entry.name if key == entry.id else key
    return replace(entry, name=f"{workspace[1]}/{name}" if workspace else name, files=names)


def _loose_space(name: str, document: dict[str, Any]) -> _Space:
    channel = as_id(document.get("channel_id")) or name.rpartition("/")[2].removesuffix(".json")
    private = channel.startswith("D") and "channel_id" in document
    return _Space(channel, as_text(document.get("name")) or channel, private, files=(name,))


def _join_spaces(parts: list[_Space]) -> _Space:
    first = min(parts, key=lambda part: part.name)
    names = tuple(sorted(name for part in parts for name in part.files))
    members = frozenset[str]().union(*(part.members for part in parts))
    return _Space(first.id, first.name, any(part.private for part in parts), members, names)


def _withhold_space(files: JsonFiles, space: _Space) -> None:
    for name in space.files:
        files.log.hides(True, "posts", file=name, n=sum(1 for _ in _messages(files, name)))
    if space.members:
        files.log.hides(True, "memberships", file="".join(space.files[:1]), n=len(space.members))


# --- people -----------------------------------------------------------------------------------------------------------


def _read_people(files: JsonFiles, people: _People) -> None:
    for name in files.container.match(r"(.*/)?(org_)?users\.json"):
        for _, user in files.items(name, "people", under=("members", "users")):
            person = pick_id(user, "id")
            if people.admit(person, file=name, detail=str(user)[:60]) and person:
                _add_person(people, person, user)


def _add_person(people: _People, person: str, user: dict[str, Any]) -> None:
    bot, bot_id = user.get("is_bot") is True, pick_id(user, "profile.bot_id")
    if bot_id:
        people.bot_users[bot_id] = person
    people.log.add(
        "people",
        person_id=person,
        name=pick_text(user, *_NAMES),
        kind="bot" if bot or person == "USLACKBOT" else "human",
        email=pick_text(user, "profile.email", "email"),
    )
    people.log.add_roles(
        person,
        platform_role=None
        if bot
        else next((role for flag, role in _ROLES.items() if user.get(flag) is True), "member"),
        job_title=pick_text(user, "profile.title"),
        account_status="deactivated" if user.get("deleted") is True else None,
    )


# --- messages ---------------------------------------------------------------------------------------------------------


def _messages(files: JsonFiles, name: str) -> Iterator[Any]:
    """Messages of a day file, of a Web API page or of a slackdump file, with the replies nested in them."""
    for _, item in files.items(name, "posts", under=_MESSAGE_KEYS):
        yield item
        if isinstance(item, dict) and "slackdump_thread_replies" in item:
            yield from as_list(item["slackdump_thread_replies"])


def _read_space(files: JsonFiles, space: _Space, people: _People) -> None:
    talk = _Conversation(space, files.log, people)
    for name in space.files:
        for message in _messages(files, name):
            _take_message(talk, message, name)
    _withhold_copies(talk)
    _add_missing_roots(talk)
    for row in talk.rows.values():
        _add_post(talk, row)
    add_memberships(files.log, ((person, space.name) for person in space.members), moves=talk.moves)


def _take_message(talk: _Conversation, message: Any, file: str) -> None:
    stamp = parse_stamp(dig(message, "ts"))
    if stamp is None:
        talk.log.reject("posts", "bad_time", file=file, position="", detail=f"ts {str(dig(message, 'ts'))[:40]}")
        return
    kind = as_text(message.get("subtype")) or ""
    if kind in _CHANGES:
        _take_change(talk, message, kind, file, to_moment(stamp))
    elif kind not in _HUMAN:
        talk.system.add(stamp)
        _withhold_system(talk, message, kind, file, to_moment(stamp))
    else:
        _keep(talk, _row_of(talk, message, stamp, kind, file))


def _take_change(talk: _Conversation, message: dict[str, Any], kind: str, file: str, at: datetime) -> None:
    """An edit or a deletion as its own record: note the time, and keep the words if nothing else does."""
    inner = next((as_dict(message[key]) for key in ("message", "previous_message", "original") if message.get(key)), {})
    stamp = parse_stamp(inner.get("ts") or message.get("deleted_ts"))
    talk.log.withhold("posts", kind, file=file)
    if stamp is None:
        return
    times = talk.changes.setdefault(stamp, {})
    times[_CHANGES[kind]] = max(at, times.get(_CHANGES[kind], at))
    if stamp not in talk.rows and "user" in inner:
        talk.rows[stamp] = {**_row_of(talk, inner, stamp, as_text(inner.get("subtype")) or "", file), "derived": True}


def _withhold_system(talk: _Conversation, message: dict[str, Any], kind: str, file: str, at: datetime) -> None:
    talk.log.withhold("posts", f"system_message:{kind}", file=file)
    reactions = sum(len(as_list(reaction.get("users"))) for reaction in list_dicts(message.get("reactions")))
    lost = {"mentions": count_mentions(as_text(message.get("text")) or ""), "signals": reactions}
    for table, n in lost.items():
        if n:
            talk.log.withhold(table, "system_message", file=file, n=n)
    person = as_id(message.get("user"))
    if kind in _MOVES and person:
        talk.people.meet(person, name=_profile_name(message))
        talk.moves.setdefault((person, talk.space.name), []).append((at, _MOVES[kind]))


def _row_of(talk: _Conversation, message: dict[str, Any], stamp: str, kind: str, file: str) -> dict[str, Any]:
    root = parse_stamp(message.get("thread_ts"))
    gone = kind == "tombstone"
    raw = "" if gone else as_text(message.get("text")) or ""
    notes = {"tombstone": gone, "posted_through_app": message.get("bot_id") is not None}
    return {
        "ts": stamp,
        "root": root if root != stamp else None,
        "root_author": pick_id(message, "parent_user_id", "root.user") if root else None,
        "author": None if gone else _author(talk.people, message, kind),
        "broadcast": kind == "thread_broadcast",
        "text": "" if gone else plain_text(raw) or block_text(message),
        "mentions": ("markup", {}) if gone else find_mentions(message, raw),
        "reactions": list_dicts(message.get("reactions")),
        "edited": parse_stamp(dig(message, "edited.ts")) if "edited" in message else None,
        "notes": [reason for reason, holds in notes.items() if holds],
        "file": file,
    }


def _keep(talk: _Conversation, row: dict[str, Any]) -> None:
    """Keep a row; of two with one ts the plain reply wins over its broadcast, the longer over the shorter text."""
    old = talk.rows.get(row["ts"])
    if old is None or old.get("derived"):
        talk.rows[row["ts"]] = row
        return
    winner, loser = sorted(
        (old, row), key=lambda r: (r["broadcast"], -len(r["text"]), r["text"], str(r["author"]), r["file"])
    )
    talk.rows[row["ts"]] = winner
    same = (winner["text"], winner["author"]) == (loser["text"], loser["author"])
    if same or loser["broadcast"]:
        talk.log.withhold("posts", "broadcast_copy" if loser["broadcast"] else "exact_copy", file=loser["file"])
    else:
        talk.log.reject("posts", "duplicate_id", file=loser["file"], position=f"ts {row['ts']}")


def _withhold_copies(talk: _Conversation) -> None:
    """A broadcast with its own ts that repeats a reply of the same person in the same thread is not a second post."""
    replies = {(r["root"], r["author"], r["text"]) for r in talk.rows.values() if r["root"] and not r["broadcast"]}
    for stamp, row in list(talk.rows.items()):
        if row["broadcast"] and row["text"] and (row["root"], row["author"], row["text"]) in replies:
            talk.log.withhold("posts", "broadcast_copy", file=row["file"])
            del talk.rows[stamp]


def _add_missing_roots(talk: _Conversation) -> None:
    """Replies whose root was not exported get a placeholder root, so that the thread stays one thread."""
    missing: dict[str, list[dict[str, Any]]] = {}
    for row in talk.rows.values():
        if row["root"] and row["root"] not in talk.rows:
            missing.setdefault(row["root"], []).append(row)
    for stamp, replies in missing.items():
        system = stamp in talk.system
        authors = [] if system else sorted(filter(None, (row["root_author"] for row in replies)))
        author = talk.people.meet(authors[0]) if authors else None
        talk.log.derive("posts", **_post(talk, stamp, None), author_id=author)
        reason = "root_is_system_message" if system else "missing_root"
        file = min(row["file"] for row in replies)
        talk.log.note("posts", reason, kind="repaired", file=file, position=f"ts {stamp}")


def _post(talk: _Conversation, stamp: str, root: str | None) -> dict[str, Any]:
    key = talk.space.id
    place = place_in_thread(f"{key}:{stamp}", f"{key}:{root}" if root else None)
    return {**place, "space": talk.space.name, "created_at": to_moment(stamp)}


def _add_post(talk: _Conversation, row: dict[str, Any]) -> None:
    post = _post(talk, row["ts"], row["root"])
    edited = to_moment(row["edited"]) if row["edited"] else None
    post |= {"author_id": row["author"], "text": row["text"] or None, "edited_at": edited}
    add = talk.log.derive if row.get("derived") else talk.log.add
    add("posts", **(post | talk.changes.get(row["ts"], {})))
    for reason in row["notes"]:
        talk.log.note("posts", reason, file=row["file"], position=f"ts {row['ts']}")
    basis, said = row["mentions"]
    add_mentions(talk.log, post["post_id"], said=said, basis=basis, file=row["file"])
    for reaction in row["reactions"]:
        _add_reaction(talk.log, post["post_id"], reaction, row["file"])


def _add_reaction(log: Collector, post_id: str, reaction: dict[str, Any], file: str) -> None:
    """One row per person, and one without a person for those the export counts but does not name."""
    name = (as_text(reaction.get("name")) or "").partition("::")[0]
    users, count = list_ids(reaction.get("users")), reaction.get("count")
    unnamed = count - len(users) if isinstance(count, int) and not isinstance(count, bool) else 0
    if not name:
        log.reject("signals", "missing_value", file=file, position=post_id)
        return
    for person in users:
        log.add("signals", post_id=post_id, person_id=person, kind=f"emoji:{name}")
    if unnamed > 0:
        log.add("signals", post_id=post_id, person_id=None, kind=f"emoji:{name}", n=min(unnamed, 2**31))


def _author(people: _People, message: dict[str, Any], kind: str) -> str | None:
    person = pick_id(message, "comment.user") if kind == "file_comment" else None
    if person:
        return people.meet(person)
    person, bot_id = as_id(message.get("user")), as_id(message.get("bot_id"))
    if person in people.listed:
        return person
    if person:
        bot = kind == "bot_message" or person == "USLACKBOT"
        return people.meet(person, name=_profile_name(message), bot=bot)
    name = pick_text(message, "bot_profile.name", "username")
    if bot_id and bot_id in people.bot_users:
        return people.bot_users[bot_id]
    return people.meet(bot_id or f"bot:{name}", name=name, bot=True) if bot_id or name else None


def _profile_name(message: dict[str, Any]) -> str | None:
    return pick_text(message, "user_profile.real_name", "user_profile.name") if "user_profile" in message else None


# --- other files ------------------------------------------------------------------------------------------------------


def _read_integrations(files: JsonFiles) -> None:
    for name in files.container.match(r"(.*/)?integration_logs\.json"):
        for _, entry in files.items(name, "events"):
            person, at = pick_id(entry, "user_id"), from_epoch(dig(entry, "date"))
            if not person or person == "0" or at is None:
                files.log.withhold("events", "missing_value", file=name)
                continue
            kind = f"app_{as_text(entry.get('change_type')) or 'changed'}"
            app = pick_text(entry, "app_type", "service_type")
            files.log.add("events", person_id=person, kind=kind, object=app, at=at)


def _read_analytics(files: JsonFiles) -> bool:
    """Daily member analytics, one JSON object per line: a visit per active day, and searches."""
    names = files.container.match(r"(.*/)?[^/]*(analytics|member)[^/]*\.(nd)?jsonl?")
    used = [name for name in names if {"user_id", "date"} <= set(as_dict(peek_json(files.container, name)))]
    for name in used:
        for number, entry in files.lines(name, "events"):
            _add_active_day(files.log, as_dict(entry), name, number)
    return bool(used)


def _add_active_day(log: Collector, entry: dict[str, Any], file: str, number: int) -> None:
    person, at = as_id(entry.get("user_id")), from_iso(as_text(entry.get("date")))
    if person is None or at is None:
        log.reject("events", "missing_value", file=file, position=f"line {number}")
    elif entry.get("is_active") is not True:
        log.withhold("events", "inactive_day", file=file)
    else:
        log.add("events", person_id=person, kind="visit", object=None, at=at)
        searches = entry.get("search_count")
        if isinstance(searches, int) and searches > 0:
            log.derive("events", person_id=person, kind="search", object=None, at=at, n=min(searches, 2**31))


READERS = (Reader("slack", "Slack export", _recognise, read_slack, CAPABILITIES),)
