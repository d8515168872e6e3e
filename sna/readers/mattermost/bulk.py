"""Mattermost: bulk export (JSON lines) and pages of the REST API.

A bulk export has no ids: a post is known by team, channel, author, words and time, and people by their user names.
Threads are flat, so a reply's parent is the root.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import polars as pl

from sna.formats.container import Container
from sna.formats.json import as_dict, as_id, as_list, as_text, dig, list_dicts, list_ids, peek_json, pick_id, pick_text
from sna.formats.times import from_epoch
from sna.forum import Forum
from sna.readers.chat import Moves, Roster, add_memberships, place_in_thread
from sna.readers.collect import Collector, JsonFiles, Reader, ReadOptions, levels_of, show_progress

BULK_CAPABILITIES = levels_of(
    yes="threads spaces reactions reaction_times text exact_times",
    partial="reply_parent mentions reads roster memberships platform_role org_attributes edits",
)
API_CAPABILITIES = levels_of(
    yes="threads spaces reactions reaction_times text exact_times", partial="reply_parent mentions deleted_posts edits"
)

_AT = re.compile(r"(?<![\w@/.-])@([a-z0-9][a-z0-9._-]*)", re.IGNORECASE)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_BROADCAST = frozenset({"all", "channel", "here"})
_JOINED = r"joined the (?:channel|team)|ist dem Kanal beigetreten|a rejoint le canal|se (?:ha unido|unió) al canal"
_LEFT = r"left the (?:channel|team)|hat den Kanal verlassen|a quitté le canal|(?:ha )?abandon(?:ó|ado) el canal"
_MOVED = re.compile(
    rf"@?(?P<who>[\w.-]+)\s(?:(?:has\s)?(?P<join>{_JOINED})|(?:has\s)?(?P<leave>{_LEFT})|"
    r"(?:was\s|has been\s)?(?P<added>added to the (?:channel|team) by)\s@?(?P<by>[\w.-]+?)|"
    r"(?:was\s|has been\s)?(?P<removed>removed from the (?:channel|team)))\.?",
    re.IGNORECASE,
)
_MOVES = {
    "system_join_channel": (True, "username"),
    "system_guest_join_channel": (True, "username"),
    "system_add_to_channel": (True, "addedUsername"),
    "system_leave_channel": (False, "username"),
    "system_remove_from_channel": (False, "removedUsername"),
}
_ROLES = {"system_admin": "admin", "system_manager": "manager", "system_guest": "guest", "system_user": "member"}
_POST_LINES = (b'"post"', b'"direct_post"')
_KINDS = {"version", "team", "channel", "user", "bot", "post", "emoji", "role", "scheme"}
_KINDS |= {"direct_channel", "direct_post"}


@dataclass
class MentionNames:
    """Mentions written as ``@name``, resolved once all names are known."""

    ids: dict[str, str] = field(default_factory=dict)
    waiting: list[tuple[str, str, str]] = field(default_factory=list)

    def note(self, post_id: str, text: str, *, file: str) -> None:
        """Remember what a text may mention; names in code are only text."""
        if "@" in text:
            found = dict.fromkeys(_AT.findall(_CODE.sub(" ", text) if "`" in text else text))
            self.waiting.extend((post_id, name.lower(), file) for name in found)

    def resolve(self, log: Collector) -> None:
        """Add the mentions of people; ``@all`` and names nobody has are withheld."""
        for post_id, name, file in self.waiting:
            person = self._person(name)
            if person:
                log.add("mentions", post_id=post_id, person_id=person, basis="text")
            else:
                reason = "broadcast" if name.rstrip("._-") in _BROADCAST else "unknown_person"
                log.withhold("mentions", reason, file=file)

    def _person(self, name: str) -> str | None:
        """A name may end in ``.``, ``-`` or ``_``, but mostly that is punctuation: the longest known name wins."""
        while name and name not in self.ids and name[-1] in "._-":
            name = name[:-1]
        return self.ids.get(name)


def later(value: Any) -> datetime | None:
    """A time in milliseconds where 0 or nothing means never."""
    return from_epoch(value, unit="ms") if value else None


def find_move(text: str, *, author: str | None) -> tuple[str, bool] | None:
    """``(name, joined)`` when a text is what the server writes about a join or leave, under the right author.

    Examples
    --------
    >>> find_move("ann joined the channel.", author="ann"), find_move("ann joined the channel.", author="bob")
    (('ann', True), None)
    >>> find_move("cat added to the channel by bob.", author="bob")
    ('cat', True)
    """
    found = _MOVED.fullmatch(text.strip()) if len(text) < 300 else None
    if not found:
        return None
    who, by = found["who"], found["by"] or found["who"]
    if found["removed"]:
        return who, False
    return (who, bool(found["join"] or found["added"])) if by == author else None


def add_person(log: Collector, person: str, *, user: Mapping[str, Any], bot: bool = False, **facts: Any) -> None:
    """One person with name, address, role and job title, as both the bulk export and the REST API write users."""
    full = " ".join(filter(None, (pick_text(user, "first_name"), pick_text(user, "last_name"))))
    roles = (pick_text(user, "roles") or "").split()
    bot = bot or user.get("is_bot") is True or "system_bot" in roles
    name = full or pick_text(user, "nickname", "display_name", "username")
    email = pick_text(user, "email")
    log.add("people", person_id=person, name=name, kind="bot" if bot else "human", email=email, **facts)
    role = next((title for name, title in _ROLES.items() if name in roles), None)
    log.add_roles(person, platform_role=role, job_title=pick_text(user, "position"))


def add_reactions(log: Collector, post_id: str, *, reactions: Any, file: str) -> None:
    """One row per reaction, with its time; persons are names in bulk exports and ids in the REST API."""
    for reaction in list_dicts(reactions):
        person, name = pick_id(reaction, "user", "user_id"), pick_text(reaction, "emoji_name")
        if person is None or name is None:
            log.reject("signals", "missing_value", file=file, position=post_id)
        else:
            at = from_epoch(reaction.get("create_at"), unit="ms")
            log.add("signals", post_id=post_id, person_id=person, kind=f"emoji:{name}", at=at)


# --- bulk export ------------------------------------------------------------------------------------------------------


@dataclass
class _Bulk:
    """What a bulk export has told so far."""

    log: Collector
    file: str
    people: Roster
    channels: dict[tuple[str, str], bool] = field(default_factory=dict)
    by_name: dict[str, bool] = field(default_factory=dict)
    names: MentionNames = field(default_factory=MentionNames)
    first: dict[str, str] = field(default_factory=dict)
    repeats: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)
    moves: Moves = field(default_factory=dict)

    def is_private(self, team: str, channel: str) -> bool:
        """Private when listed as such, or when channels are listed but not this one in any team."""
        return self.channels.get((team, channel), self.by_name.get(channel, bool(self.channels)))


def read_mattermost_bulk(container: Container, options: ReadOptions) -> Forum:
    """Read a Mattermost bulk export; see `sna.read_forum`."""
    log = Collector("mattermost", options)
    files = JsonFiles(container, log)
    names = _bulk_files(container)
    for name in names:
        bulk = _Bulk(log, name, Roster(log))
        _read_directory(files, bulk)
        posts = files.lines(name, "posts", wanted=_is_post_line)
        for number, line in show_progress(posts, options, what=f"Mattermost posts of {name}"):
            _take_line(bulk, line, f"line {number}")
        bulk.names.resolve(log)
        if not bulk.channels:
            log.note("posts", "privacy_unknown", file=name, detail="no lines of channels; withheld are direct messages")
        add_memberships(log, bulk.members, moves=bulk.moves)
        _rename_repeats(bulk)
    coverage = f"bulk export, {options.scope} private channels and direct messages"
    return log.forum(capabilities=BULK_CAPABILITIES, coverage=coverage, files=names)


def _bulk_files(container: Container) -> list[str]:
    """Files of objects, one a line; what lies in ``data/`` was attached by people and is not opened."""
    names = container.match(r"(?!data/)(?:[^/]+/)?[^/]+\.(jsonl|ndjson|json)")
    return [name for name in names[:200] if _object_of(peek_json(container, name))[0] in _KINDS]


def _object_of(line: Any) -> tuple[str | None, dict[str, Any]]:
    """Kind and object of a line: ``{"type": "post", "post": {...}}``."""
    kind = as_dict(line).get("type")
    return (kind, as_dict(line[kind])) if isinstance(kind, str) and kind in line else (None, {})


def _recognise_bulk(container: Container) -> str | None:
    names = _bulk_files(container)
    return f"{names[0]} holds Mattermost objects, one per line" if names else None


def _is_post_line(line: bytes) -> bool:
    return any(word in line[:40] for word in _POST_LINES)


def _read_directory(files: JsonFiles, bulk: _Bulk) -> None:
    """Channels first, whatever the order of lines, then people: their channels may be private."""
    people = []
    for number, line in files.lines(bulk.file, "people", wanted=lambda line: not _is_post_line(line)):
        kind, value = _object_of(line)
        if kind == "channel":
            _take_channel(bulk, value)
        elif kind == "direct_channel":
            _take_direct_channel(bulk, value)
        elif as_dict(line).get("type") in ("user", "bot"):
            people.append((f"line {number}", value, kind == "bot"))
    for position, user, bot in people:
        _take_user(bulk, user, position, bot=bot)


def _take_channel(bulk: _Bulk, channel: dict[str, Any]) -> None:
    team, name = as_id(channel.get("team")) or "", as_id(channel.get("name"))
    if name:
        private = channel.get("type") != "O"
        bulk.channels[team, name] = private
        bulk.by_name[name] = private or bulk.by_name.get(name, False)


def _take_direct_channel(bulk: _Bulk, channel: dict[str, Any]) -> None:
    """Members are names, or objects with a ``username`` in newer exports."""
    given = as_list(channel.get("members")) or as_list(channel.get("participants"))
    members = list_ids([member.get("username") if isinstance(member, dict) else member for member in given])
    for person in members:
        _add_membership(bulk, person, _direct_space(members), {}, private=True)


def _direct_space(members: Iterable[str]) -> str:
    return "direct:" + ",".join(sorted(set(members)))


def _take_user(bulk: _Bulk, user: dict[str, Any], position: str, *, bot: bool) -> None:
    person = as_id(user.get("username"))
    if not bulk.people.admit(person and person.lower(), file=bulk.file, position=position) or person is None:
        return
    bulk.names.ids[person.lower()] = person
    add_person(bulk.log, person, user=user, bot=bot, left_at=later(user.get("delete_at")))
    for team in list_dicts(user.get("teams")):
        for channel in list_dicts(team.get("channels")):
            place = (as_id(team.get("name")) or "", as_id(channel.get("name")) or "")
            if place[1]:
                space = "/".join(filter(None, place))
                _add_membership(bulk, person, space, channel, private=bulk.is_private(*place))


def _add_membership(bulk: _Bulk, person: str, space: str, facts: dict[str, Any], *, private: bool) -> None:
    if bulk.log.hides(private, "memberships", file=bulk.file):
        return
    if (person, space) in bulk.members:
        bulk.log.withhold("memberships", "listed_twice", file=bulk.file)
    bulk.members.add((person, space))
    at = later(facts.get("last_viewed_at"))
    if at is not None:
        bulk.log.derive("events", person_id=person, kind="view", object=space, at=at)


def _take_line(bulk: _Bulk, line: Any, position: str) -> None:
    kind, post = _object_of(line)
    if kind == "direct_post":
        space, private = _direct_space(list_ids(post.get("channel_members"))), True
        place = ("", space)
    else:
        place = (as_id(post.get("team")) or "", as_id(post.get("channel")) or "")
        space, private = "/".join(filter(None, place)), bulk.is_private(*place)
    replies = as_list(post.get("replies"))
    if bulk.log.hides(private, "posts", file=bulk.file, n=1 + len(replies)):
        return
    whole = _digest(post)
    root_id = _identity(bulk, place, post, whole)
    root_kept = _take_post(bulk, post, place_in_thread(root_id, None), space, position)
    if not root_kept and replies:
        _keep_lost_root(bulk, root_id, space, post)
    plain_root = root_id.partition("+")[0]
    for digest, rank in sorted((_digest(reply), rank) for rank, reply in enumerate(replies)):
        reply = as_dict(replies[rank])
        reply_id = _identity(bulk, (plain_root,), reply, digest + whole)
        _take_post(bulk, reply, place_in_thread(reply_id, root_id), space, position)


def _keep_lost_root(bulk: _Bulk, root_id: str, space: str, post: dict[str, Any]) -> None:
    """A thread may hang under a system message: the root stays, without author and words."""
    at = from_epoch(post.get("create_at"), unit="ms")
    bulk.log.derive("posts", **place_in_thread(root_id, None), created_at=at, space=space)
    bulk.log.note("posts", "root_is_system_message", kind="repaired", file=bulk.file, position=root_id)


def _digest(value: Any) -> str:
    try:
        packed = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)  # the order of keys means nothing
    except TypeError:
        packed = json.dumps(value, sort_keys=True).encode()
    return hashlib.blake2b(packed, digest_size=16).hexdigest()


def _identity(bulk: _Bulk, place: tuple[str, ...], post: dict[str, Any], whole: str) -> str:
    """Hash of place, author, words and time. A second post of the same hash gets a name of its own for now."""
    key = _digest([*place, post.get("user"), post.get("message"), post.get("create_at")])
    if key not in bulk.first:
        bulk.first[key] = whole
        return key
    group = bulk.repeats.setdefault(key, [(bulk.first[key], key)])
    group.append((whole, f"{key}+{len(group)}"))
    return group[-1][1]


def _rename_repeats(bulk: _Bulk) -> None:
    """Number posts of one identity by their whole content, so that the order of lines does not matter."""
    names: dict[str, str] = {}
    for key, group in bulk.repeats.items():
        order = sorted(group)
        names |= {old: key if rank == 0 else f"{key}-{rank + 1}" for rank, (_, old) in enumerate(order)}
        detail = f"{len(group)} posts with the same place, author, words and time are kept apart by number"
        bulk.log.note("posts", "duplicate_identity", file=bulk.file, position=key, detail=detail)
    for table in ("posts", "mentions", "signals") if names else ():
        frame = bulk.log.table(table)
        ids = [name for name in ("post_id", "thread_id", "parent_id") if name in frame.columns]
        bulk.log.replace(table, frame.with_columns(pl.col(ids).replace(names)))


def _take_post(bulk: _Bulk, post: dict[str, Any], place: dict[str, Any], space: str, position: str) -> bool:
    """Keep one post or reply; False when it is none: a system message, or without author or time."""
    author, at = as_id(post.get("user")), from_epoch(post.get("create_at"), unit="ms")
    text, kind = as_text(post.get("message")) or "", as_text(post.get("type")) or ""
    post_id = place["post_id"]
    if author is None or at is None:
        bulk.log.reject("posts", "missing_value", file=bulk.file, position=position, detail=post_id)
        return False
    move = None if post.get("type") == "" else _recorded_move(post, kind) or find_move(text, author=author)
    if move or kind.startswith("system_"):
        bulk.log.withhold("posts", f"system_message:{kind or 'membership'}", file=bulk.file)
        if move:
            bulk.moves.setdefault((move[0], space), []).append((at, move[1]))
        return False
    facts = {"created_at": at, "space": space, "text": text or None, "edited_at": later(post.get("edit_at"))}
    bulk.log.add("posts", **place, author_id=author, **facts)
    bulk.names.note(post_id, text, file=bulk.file)
    add_reactions(bulk.log, post_id, reactions=post.get("reactions"), file=bulk.file)
    for person in list_ids(post.get("flagged_by")):
        bulk.log.add("signals", post_id=post_id, person_id=person, kind="bookmark")
    return True


def _recorded_move(post: dict[str, Any], kind: str) -> tuple[str, bool] | None:
    """Who joined or left, from the properties of a system message."""
    joined, key = _MOVES.get(kind, (False, ""))
    name = pick_id(post, f"props.{key}", *(["user"] if key == "username" else [])) if key else None
    return (name, joined) if name else None


# --- REST API ---------------------------------------------------------------------------------------------------------


def read_mattermost_api(container: Container, options: ReadOptions) -> Forum:
    """Read pages of posts as the REST API gives them, with user and channel objects beside them."""
    log = Collector("mattermost", options)
    files, names = JsonFiles(container, log), MentionNames()
    channels: dict[str, dict[str, Any]] = {}
    pages, described = list[str](), list[str]()
    for name in container.match(r".*\.json"):
        shown = as_dict(peek_json(container, name))
        if _is_page(shown):
            pages.append(name)
        elif "username" in shown:
            described.append(name)
            _take_api_user(log, names, as_dict(files.document(name, "people")), name)
        elif "team_id" in shown and as_id(shown.get("id")):
            described.append(name)
            channels[str(shown["id"])] = shown
    for post_id, (post, page) in _latest_posts(files, pages).items():
        _take_api_post(log, names, post_id, post, page, channels.get(as_id(post.get("channel_id")) or "", {}))
    names.resolve(log)
    files.note_unused([*pages, *described])
    return log.forum(capabilities=API_CAPABILITIES, coverage="pages of the REST API", files=pages)


def _recognise_api(container: Container) -> str | None:
    pages = (name for name in container.match(r".*\.json")[:20] if _is_page(peek_json(container, name)))
    return next((f"{name} holds a page of Mattermost posts" for name in pages), None)


def _is_page(shown: Any) -> bool:
    posts = as_dict(dig(shown, "posts")).values()
    return "order" in as_dict(shown) and any({"create_at", "channel_id", "user_id"} <= set(as_dict(p)) for p in posts)


def _take_api_user(log: Collector, names: MentionNames, user: dict[str, Any], file: str) -> None:
    person, name = as_id(user.get("id")), as_id(user.get("username"))
    if person is None or name is None or name.lower() in names.ids:
        log.reject("people", "id_missing_or_twice", file=file, position="")
        return
    names.ids[name.lower()] = person
    add_person(log, person, user=user)


def _latest_posts(files: JsonFiles, pages: list[str]) -> dict[str, tuple[dict[str, Any], str]]:
    """Pages overlap: they repeat thread roots. The version updated last is the one that counts."""
    best: dict[str, tuple[tuple[int, str], dict[str, Any], str]] = {}
    for page in pages:
        for _, post in files.items(page, "posts", under=("posts",)):
            post_id = pick_id(post, "id")
            if post_id is None:
                files.log.reject("posts", "missing_id", file=page, position="")
                continue
            updated = post.get("update_at")
            version = ((updated if isinstance(updated, int) else 0, _digest(post)), post, page)
            if post_id in best:
                files.log.withhold("posts", "on_two_pages", file=min(page, best[post_id][2]))
            best[post_id] = max(version, best.get(post_id, version), key=lambda item: item[0])
    return {post_id: (post, page) for post_id, (_, post, page) in best.items()}


def _take_api_post(
    log: Collector, names: MentionNames, post_id: str, post: dict[str, Any], file: str, about: dict[str, Any]
) -> None:
    at, kind = from_epoch(post.get("create_at"), unit="ms"), as_text(post.get("type")) or ""
    if log.hides(about.get("type", "O") != "O", "posts", file=file):
        return
    if kind.startswith("system_"):
        log.withhold("posts", f"system_message:{kind}", file=file)
    elif at is None:
        log.reject("posts", "missing_time", file=file, position=post_id)
    else:
        text = as_text(post.get("message")) or ""
        log.add(
            "posts",
            **place_in_thread(post_id, as_id(post.get("root_id"))),
            author_id=as_id(post.get("user_id")),
            created_at=at,
            space=as_text(about.get("name")) or as_id(post.get("channel_id")),
            text=text or None,
            edited_at=later(post.get("edit_at")),
            deleted_at=later(post.get("delete_at")),
        )
        names.note(post_id, text, file=file)
        add_reactions(log, post_id, reactions=dig(post, "metadata.reactions"), file=file)


READERS = (
    Reader("mattermost", "Mattermost bulk export (JSONL)", _recognise_bulk, read_mattermost_bulk, BULK_CAPABILITIES),
    Reader("mattermost_api", "Mattermost REST API pages", _recognise_api, read_mattermost_api, API_CAPABILITIES),
)
