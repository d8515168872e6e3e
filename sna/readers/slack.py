"""Slack: workspace and Enterprise Grid exports, slackdump, and pages of the Web API.

A message's ``ts`` is its identity within a channel and its time in microseconds; it is text and stays text. Only the
root of a thread is recorded, so a reply's parent is the root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from os.path import commonpath
from typing import Any

from sna.formats.container import Container
from sna.forum import Forum
from sna.readers.chat import (
    JsonFiles,
    add_memberships,
    as_dict,
    as_id,
    as_list,
    as_text,
    list_dicts,
    peek_json,
)
from sna.readers.collect import Collector, Reader, ReadOptions, from_epoch, from_iso, show_progress
from sna.readers.slack_text import block_text, count_mentions, find_mentions, parse_stamp, plain_text, to_moment

_DAY_FILE = re.compile(r"(?P<base>(?:.*/)?)(?P<folder>[^/]+)/\d{4}-\d\d-\d\d\.json", re.IGNORECASE)
_UNLISTED_PRIVATE = re.compile(r"mpdm-|[DG][A-Z0-9]{7,}$")
_HUMAN = frozenset({"", "file_share", "file_comment", "thread_broadcast", "me_message", "bot_message", "tombstone"})
_CHANGES = {"message_changed": "edited_at", "message_deleted": "deleted_at"}
_MOVES = {"channel_join": True, "group_join": True, "channel_leave": False, "group_leave": False}
_MESSAGE_KEYS = ("messages", "slackdump_thread_replies")


@dataclass(frozen=True)
class _Space:
    """One conversation: where it lies and who is in it."""

    id: str
    name: str
    private: bool
    files: tuple[str, ...]
    members: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Listed:
    """A conversation as the index files list it."""

    id: str
    name: str
    private: bool
    members: frozenset[str]


@dataclass(frozen=True)
class _Index:
    """All listed conversations by (base folder, id or name); ``closed``: a folder that is not listed is private."""

    listed: Mapping[tuple[str, str], _Listed | None]
    closed: bool


@dataclass
class _Roster:
    """People known from the user list, and those met in messages only."""

    known: set[str] = field(default_factory=set)
    bot_users: dict[str, str] = field(default_factory=dict)
    met: dict[str, tuple[bool, str]] = field(default_factory=dict)

    def meet(self, person: str, name: str | None, *, bot: bool) -> str:
        """Remember somebody who is not in the user list; of several names the first in order is kept."""
        if person not in self.known:
            old_bot, old_name = self.met.get(person, (False, ""))
            names = sorted(part for part in (old_name, name or "") if part)
            self.met[person] = (bot or old_bot, names[0] if names else "")
        return person


@dataclass
class _Conversation:
    """The messages of one conversation while it is read."""

    space: _Space
    log: Collector
    roster: _Roster
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, dict[str, datetime]] = field(default_factory=dict)
    moves: dict[str, list[tuple[datetime, bool]]] = field(default_factory=dict)
    system: set[str] = field(default_factory=set)


def read_slack(container: Container, options: ReadOptions) -> Forum:
    """Read a Slack export; see `sna.read_forum`."""
    log = Collector("slack")
    files = JsonFiles(container, log)
    spaces = _list_spaces(files)
    roster = _read_people(files)
    for space in show_progress(spaces, options, what="Slack conversations", total=len(spaces)):
        if space.private and not options.include_private:
            _withhold_space(files, space)
        else:
            _read_space(files, space, roster)
    for person, (bot, name) in sorted(roster.met.items()):
        log.derive("people", person_id=person, name=name or None, kind="bot" if bot else "human", placeholder=not bot)
    _read_integrations(files)
    logins = _read_analytics(files)
    capabilities = {**CAPABILITIES, "logins": "yes"} if logins else CAPABILITIES
    if not container.match(r"(.*/)?(channels|groups|dms|mpims)\.json"):
        log.note(
            "posts", "privacy_unknown", detail="no list of channels; withheld are those named like direct messages"
        )
    private = sum(space.private for space in spaces)
    scope = "with private" if options.include_private else f"without {private:,} private"
    return log.forum(
        capabilities=capabilities,
        coverage=f"{len(spaces) - private:,} public channels, {scope} conversations",
        files=[name for name in container.names if name.endswith(".json")],
    )


def _recognise(container: Container) -> str | None:
    indexes = container.match(r"(.*/)?(channels|groups|dms|mpims)\.json")
    days = [name for name in container.names if _DAY_FILE.fullmatch(name)]
    if indexes and days:
        return f"it holds {indexes[0]} and {len(days):,} day files of messages"
    for name in container.match(r".*\.json")[:20]:
        if any(_is_message(item) for item in _first_items(peek_json(container, name))):
            return f"{name} holds messages with a Slack time stamp (ts)"
    return None


def _first_items(document: Any) -> list[Any]:
    if isinstance(document, dict):
        return as_list(document.get("messages"))[:5] if "ok" in document or "channel_id" in document else []
    return as_list(document)[:5]


def _is_message(item: Any) -> bool:
    message = as_dict(item)
    return parse_stamp(message.get("ts")) is not None and isinstance(message.get("ts"), str) and "text" in message


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
        document = peek_json(files.container, name, size=65_536)
        if any(_is_message(item) for item in _first_items(document)):
            space = _loose_space(name, as_dict(document))
            found.setdefault(space.id, []).append(space)
    silent = [
        _space_of(entry, base, key, ()) for (base, key), entry in index.listed.items() if entry and entry.id == key
    ]
    for space in silent:
        found.setdefault(space.id, [space])
    return [_join_spaces(parts) for _, parts in sorted(found.items())]


def _day_folders(container: Container) -> dict[tuple[str, str], list[str]]:
    folders: dict[tuple[str, str], list[str]] = {}
    for name in container.names:
        match = _DAY_FILE.fullmatch(name)
        if match:
            folders.setdefault((match["base"], match["folder"]), []).append(name)
    return folders


def _read_indexes(files: JsonFiles) -> _Index:
    """Channels, groups, mpims and dms, by base folder and by id and name; None where a name is not unique."""
    listed: dict[tuple[str, str], _Listed | None] = {}
    readable: dict[str, bool] = {}
    for file in files.container.match(r"(.*/)?(channels|groups|dms|mpims)\.json"):
        base, _, stem = file.removesuffix(".json").rpartition("/")
        document = files.document(file, "memberships")
        readable[stem] = document is not None
        for entry in filter(None, (_listed(channel, stem) for channel in list_dicts(document))):
            for key in {entry.id, entry.name}:
                place = (f"{base}/" if base else "", key)
                listed[place] = entry if listed.get(place, entry) == entry else None
    closed = readable.pop("channels", False) or not all(readable.values())
    return _Index(listed, closed)


def _listed(channel: dict[str, Any], stem: str) -> _Listed | None:
    id_, name = as_id(channel.get("id")), as_text(channel.get("name"))
    flags = any(channel.get(flag) is True for flag in ("is_private", "is_im", "is_mpim"))
    members = frozenset(filter(None, map(as_id, as_list(channel.get("members")))))
    private = flags or stem.lower() != "channels"
    return _Listed(id_ or name or "", name or id_ or "", private, members) if id_ or name else None


def _find_space(index: _Index, base: str, folder: str, names: tuple[str, ...], *, outer: str) -> _Space:
    """The listed channel of a folder, looked up beside the folder and above it; ``outer`` holds the whole export."""
    above = base
    while True:
        entry = index.listed.get((above, folder))
        if entry:
            return _space_of(entry, base, entry.name, names)
        if not above or (above, folder) in index.listed:
            break
        above = re.sub(r"[^/]*/$", "", above)
    private = index.closed if (above, folder) not in index.listed else True
    own = f"{base}{folder}".removeprefix(f"{outer}/")
    entry = _Listed(own, folder, private or _UNLISTED_PRIVATE.match(folder) is not None, frozenset())
    return _space_of(entry, base, folder, names)


def _space_of(entry: _Listed, base: str, key: str, names: tuple[str, ...]) -> _Space:
    """Channel names are unique in a workspace only, so those of a Grid export carry the workspace."""
    workspace = re.search(r"(?:^|/)teams/([^/]+)/$", base)
    name = entry.name if key == entry.id else key
    return _Space(entry.id, f"{workspace[1]}/{name}" if workspace else name, entry.private, names, entry.members)


def _loose_space(name: str, document: dict[str, Any]) -> _Space:
    channel = as_id(document.get("channel_id")) or name.rpartition("/")[2].removesuffix(".json")
    private = channel.startswith("D") and "channel_id" in document
    return _Space(channel, as_text(document.get("name")) or channel, private, (name,))


def _join_spaces(parts: list[_Space]) -> _Space:
    first = min(parts, key=lambda part: part.name)
    names = tuple(sorted(name for part in parts for name in part.files))
    members = frozenset[str]().union(*(part.members for part in parts))
    return _Space(first.id, first.name, any(part.private for part in parts), names, members)


def _withhold_space(files: JsonFiles, space: _Space) -> None:
    for name in space.files:
        count = sum(1 for _ in _messages(files, name))
        files.log.withhold("posts", "private_space", file=name, n=count)
    if space.members:
        file = space.files[0] if space.files else ""
        files.log.withhold("memberships", "private_space", file=file, n=len(space.members))


# --- people -----------------------------------------------------------------------------------------------------------


def _read_people(files: JsonFiles) -> _Roster:
    roster = _Roster()
    for name in files.container.match(r"(.*/)?(org_)?users\.json"):
        for _, user in files.items(name, "people", under=("members", "users")):
            person = as_id(as_dict(user).get("id"))
            if person is None:
                files.log.reject("people", "missing_id", file=name, position="", detail=as_text(str(user)[:60]) or "")
            elif person in roster.known:
                files.log.withhold("people", "listed_twice", file=name)
            else:
                _add_person(files.log, roster, person, user)
    return roster


def _add_person(log: Collector, roster: _Roster, person: str, user: dict[str, Any]) -> None:
    profile = as_dict(user.get("profile"))
    roster.known.add(person)
    bot_id = as_id(profile.get("bot_id"))
    if bot_id:
        roster.bot_users[bot_id] = person
    names = (profile.get("real_name"), user.get("real_name"), profile.get("display_name"), user.get("name"))
    log.add(
        "people",
        person_id=person,
        name=next((text for name in names if (text := as_text(name))), None),
        kind="bot" if user.get("is_bot") is True or person == "USLACKBOT" else "human",
        email=as_text(profile.get("email")) or as_text(user.get("email")),
    )
    attributes = {"platform_role": _platform_role(user), "job_title": as_text(profile.get("title"))}
    attributes["account_status"] = "deactivated" if user.get("deleted") is True else None
    for attribute, value in attributes.items():
        if value:
            log.add("roles", person_id=person, attribute=attribute, value=value, basis="snapshot")


def _platform_role(user: dict[str, Any]) -> str | None:
    names = {
        "is_primary_owner": "primary_owner",
        "is_owner": "owner",
        "is_admin": "admin",
        "is_ultra_restricted": "single_channel_guest",
        "is_restricted": "multi_channel_guest",
    }
    if user.get("is_bot") is True:
        return None
    return next((role for flag, role in names.items() if user.get(flag) is True), "member")


# --- messages ---------------------------------------------------------------------------------------------------------


def _messages(files: JsonFiles, name: str) -> Iterator[Any]:
    """Messages of a day file, of a Web API page or of a slackdump file, with the replies nested in them."""
    for _, item in files.items(name, "posts", under=_MESSAGE_KEYS):
        yield item
        if isinstance(item, dict) and "slackdump_thread_replies" in item:
            yield from as_list(item.get("slackdump_thread_replies"))


def _read_space(files: JsonFiles, space: _Space, roster: _Roster) -> None:
    talk = _Conversation(space, files.log, roster)
    for name in space.files:
        for message in _messages(files, name):
            _take_message(talk, message, name)
    _withhold_copies(talk)
    _add_missing_roots(talk)
    for row in talk.rows.values():
        _add_post(talk, row)
    name = space.name
    moves = {(person, name): changes for person, changes in talk.moves.items()}
    add_memberships(files.log, ((person, name) for person in space.members), moves=moves)


def _take_message(talk: _Conversation, message: Any, file: str) -> None:
    stamp = parse_stamp(message.get("ts")) if isinstance(message, dict) else None
    at = to_moment(stamp)
    if stamp is None or at is None:
        detail = f"ts {str(as_dict(message).get('ts'))[:40]}"
        talk.log.reject("posts", "bad_time", file=file, position="", detail=detail)
        return
    kind = as_text(message.get("subtype")) or ""
    if kind in _CHANGES:
        _take_change(talk, message, kind, file, at)
    elif kind not in _HUMAN:
        talk.system.add(stamp)
        _withhold_system(talk, message, kind, file, at)
    else:
        _keep(talk, _row_of(talk, message, stamp, at, kind, file))


def _take_change(talk: _Conversation, message: dict[str, Any], kind: str, file: str, at: datetime) -> None:
    """An edit or a deletion as its own record: note the time, and keep the words if nothing else does."""
    inner = (
        as_dict(message.get("message")) or as_dict(message.get("previous_message")) or as_dict(message.get("original"))
    )
    stamp = parse_stamp(inner.get("ts") or message.get("deleted_ts"))
    moment = to_moment(stamp)
    talk.log.withhold("posts", kind, file=file)
    if stamp is None or moment is None:
        return
    times = talk.changes.setdefault(stamp, {})
    times[_CHANGES[kind]] = max(at, times.get(_CHANGES[kind], at))
    if stamp not in talk.rows and "user" in inner:
        row = _row_of(talk, inner, stamp, moment, as_text(inner.get("subtype")) or "", file)
        talk.rows[stamp] = {**row, "derived": True}


def _withhold_system(talk: _Conversation, message: dict[str, Any], kind: str, file: str, at: datetime) -> None:
    talk.log.withhold("posts", f"system_message:{kind}", file=file)
    tokens = count_mentions(as_text(message.get("text")) or "")
    if tokens:
        talk.log.withhold("mentions", "system_message", file=file, n=tokens)
    reactions = sum(len(as_list(reaction.get("users"))) for reaction in list_dicts(message.get("reactions")))
    if reactions:
        talk.log.withhold("signals", "system_message", file=file, n=reactions)
    person = as_id(message.get("user"))
    if kind in _MOVES and person:
        talk.roster.meet(person, _profile_name(message), bot=False)
        talk.moves.setdefault(person, []).append((at, _MOVES[kind]))


def _row_of(
    talk: _Conversation, message: dict[str, Any], stamp: str, at: datetime, kind: str, file: str
) -> dict[str, Any]:
    root = parse_stamp(message["thread_ts"]) if "thread_ts" in message else None
    tombstone = kind == "tombstone"
    raw = "" if tombstone else as_text(message.get("text")) or ""
    return {
        "ts": stamp,
        "at": at,
        "root": root if root and root != stamp else None,
        "root_author": _root_author(message) if root else None,
        "author": None if tombstone else _author(talk.roster, message, kind),
        "broadcast": kind == "thread_broadcast",
        "text": "" if tombstone else plain_text(raw) or block_text(message),
        "mentions": {} if tombstone else find_mentions(message, raw),
        "reactions": list_dicts(message["reactions"]) if "reactions" in message else [],
        "edited_at": to_moment(parse_stamp(as_dict(message["edited"]).get("ts"))) if "edited" in message else None,
        "by_app": "bot_id" in message and message["bot_id"] is not None,
        "tombstone": tombstone,
        "file": file,
    }


def _root_author(message: dict[str, Any]) -> str | None:
    parent = as_id(message["parent_user_id"]) if "parent_user_id" in message else None
    return parent or (as_id(as_dict(message["root"]).get("user")) if "root" in message else None)


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
        author = talk.roster.meet(authors[0], None, bot=False) if authors else None
        talk.log.derive("posts", **_post(talk, stamp, None), author_id=author, created_at=to_moment(stamp), kind="root")
        position = f"ts {stamp}"
        reason = "root_is_system_message" if system else "missing_root"
        talk.log.note("posts", reason, kind="repaired", file=_first_file(replies), position=position)


def _first_file(rows: list[dict[str, Any]]) -> str:
    return str(min(row["file"] for row in rows))


def _post(talk: _Conversation, stamp: str, root: str | None) -> dict[str, Any]:
    return {
        "post_id": f"{talk.space.id}:{stamp}",
        "thread_id": f"{talk.space.id}:{root or stamp}",
        "parent_id": f"{talk.space.id}:{root}" if root else None,
        "parent_basis": "root_default" if root else "none",
        "space": talk.space.name,
    }


def _add_post(talk: _Conversation, row: dict[str, Any]) -> None:
    post = _post(talk, row["ts"], row["root"])
    post |= {"author_id": row["author"], "created_at": row["at"], "text": row["text"] or None}
    post |= {"kind": "reply" if row["root"] else "root", "edited_at": row["edited_at"]}
    if talk.changes:
        post |= talk.changes.get(row["ts"], {})
    add = talk.log.derive if row.get("derived") else talk.log.add
    add("posts", **post)
    if row["tombstone"]:
        talk.log.note("posts", "tombstone", file=row["file"], position=f"ts {row['ts']}")
    if row["by_app"]:
        talk.log.note("posts", "posted_through_app", file=row["file"], position=f"ts {row['ts']}")
    for (person, basis), times_said in row["mentions"].items():
        talk.log.add("mentions", post_id=post["post_id"], person_id=person, basis=basis)
        if times_said > 1:
            talk.log.withhold("mentions", "repeated_in_post", file=row["file"], n=times_said - 1)
    for reaction in row["reactions"]:
        _add_reaction(talk.log, post["post_id"], reaction, row["file"])


def _add_reaction(log: Collector, post_id: str, reaction: dict[str, Any], file: str) -> None:
    """One row per person, and one without a person for those the export counts but does not name."""
    name = (as_text(reaction.get("name")) or "").partition("::")[0]
    users = list(dict.fromkeys(filter(None, map(as_id, as_list(reaction.get("users"))))))
    count = reaction.get("count")
    unnamed = count - len(users) if isinstance(count, int) and not isinstance(count, bool) else 0
    if not name:
        log.reject("signals", "missing_value", file=file, position=post_id)
        return
    for person in users:
        log.add("signals", post_id=post_id, person_id=person, kind=f"emoji:{name}")
    if unnamed > 0:
        log.add("signals", post_id=post_id, person_id=None, kind=f"emoji:{name}", n=min(unnamed, 2**31))


def _author(roster: _Roster, message: dict[str, Any], kind: str) -> str | None:
    if kind == "file_comment":
        person = as_id(as_dict(message.get("comment")).get("user"))
        if person:
            return roster.meet(person, None, bot=False)
    person = as_id(message.get("user"))
    if person in roster.known:
        return person
    bot_id = as_id(message.get("bot_id"))
    if person:
        return roster.meet(person, _profile_name(message), bot=kind == "bot_message" or person == "USLACKBOT")
    name = as_text(as_dict(message.get("bot_profile")).get("name")) or as_text(message.get("username"))
    if bot_id and bot_id in roster.bot_users:
        return roster.bot_users[bot_id]
    return roster.meet(bot_id or f"bot:{name}", name, bot=True) if bot_id or name else None


def _profile_name(message: dict[str, Any]) -> str | None:
    profile = as_dict(message.get("user_profile"))
    return as_text(profile.get("real_name")) or as_text(profile.get("name"))


# --- other files ------------------------------------------------------------------------------------------------------


def _read_integrations(files: JsonFiles) -> None:
    for name in files.container.match(r"(.*/)?integration_logs\.json"):
        for _, entry in files.items(name, "events"):
            person = as_id(as_dict(entry).get("user_id"))
            at = from_epoch(as_dict(entry).get("date"))
            if not person or person == "0" or at is None:
                files.log.withhold("events", "missing_value", file=name)
                continue
            app = as_text(entry.get("app_type")) or as_text(entry.get("service_type"))
            kind = f"app_{as_text(entry.get('change_type')) or 'changed'}"
            files.log.add("events", person_id=person, kind=kind, object=app, at=at)


def _read_analytics(files: JsonFiles) -> bool:
    """Daily member analytics, one JSON object per line: a visit per active day, and searches."""
    found = False
    for name in files.container.match(r"(.*/)?[^/]*(analytics|member)[^/]*\.(nd)?jsonl?"):
        first = as_dict(peek_json(files.container, name, size=65_536))
        if not {"user_id", "date"} <= set(first):
            continue
        found = True
        for number, entry in files.lines(name, "events"):
            _add_active_day(files.log, as_dict(entry), name, number)
    return found


def _add_active_day(log: Collector, entry: dict[str, Any], file: str, number: int) -> None:
    person, at = as_id(entry.get("user_id")), from_iso(as_text(entry.get("date")))
    if person is None or at is None:
        log.reject("events", "missing_value", file=file, position=f"line {number}")
        return
    if entry.get("is_active") is not True:
        log.withhold("events", "inactive_day", file=file)
        return
    log.add("events", person_id=person, kind="visit", object=None, at=at)
    searches = entry.get("search_count")
    if isinstance(searches, int) and searches > 0:
        log.derive("events", person_id=person, kind="search", object=None, at=at, n=min(searches, 2**31))


CAPABILITIES: Mapping[str, str] = {
    "reply_parent": "partial",
    "threads": "yes",
    "spaces": "yes",
    "mentions": "yes",
    "reactions": "yes",
    "roster": "partial",
    "memberships": "partial",
    "platform_role": "partial",
    "org_attributes": "partial",
    "deleted_posts": "partial",
    "edits": "partial",
    "text": "yes",
    "exact_times": "yes",
}

READERS = (Reader("slack", "Slack export", _recognise, read_slack, CAPABILITIES),)
