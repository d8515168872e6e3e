"""Microsoft Teams: Graph documents (one page or many) and the export tree with PascalCase keys.

Both hold the same objects, so keys are matched whatever their case, and a file is known by what it holds. Channels
record the root of a reply only; chats have no threads and are private.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from sna.formats.container import Container
from sna.formats.html import html_to_text, tidy_text
from sna.formats.json import (
    as_dict,
    as_id,
    as_list,
    as_text,
    dig,
    inner_json,
    list_dicts,
    peek_json,
    pick_id,
    pick_text,
)
from sna.formats.times import from_iso
from sna.forum import Forum
from sna.readers.chat import Moves, Roster, add_memberships, add_mentions
from sna.readers.collect import Collector, JsonFiles, Reader, ReadOptions, levels_of, show_progress

CAPABILITIES = levels_of(
    yes="threads spaces mentions reactions reaction_times text exact_times",
    partial="reply_parent roster memberships platform_role org_attributes deleted_posts edits",
)

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CONTEXT = {kind: re.compile(rf"\$metadata#[^\"]*{kind}\('([^']+)'\)") for kind in ("teams", "channels", "chats")}
_NOT_PLAIN = re.compile(r"<(?:script|style|template|title|noscript|textarea|svg|object|!|\?)|\n", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div|/li|/h[1-6]|/tr|/pre|/blockquote|hr|p|div|li)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_MOVES = {"membersadded": True, "membersjoined": True, "membersdeleted": False, "membersleft": False}
_LIKES = frozenset({"like", "\U0001f44d"})
_POST = ("post_id", "thread_id", "author_id", "created_at", "space", "title", "text", "edited_at", "deleted_at")
_DEPTH = 12
_NESTED = frozenset({dict, list})


@dataclass(frozen=True)
class _Channel:
    """A channel: its team, its name and who may see it."""

    team: str
    name: str
    private: bool

    @property
    def space(self) -> str:
        """Name of the space: channels of two teams may be called alike."""
        return f"{self.team}/{self.name}" if self.team else self.name


@dataclass
class _Tenant:
    """What an export has told so far."""

    log: Collector
    people: Roster
    teams: dict[str, tuple[str, bool]] = field(default_factory=dict)
    channels: dict[str, _Channel] = field(default_factory=dict)
    unlisted: dict[tuple[str, str | None], _Channel] = field(default_factory=dict)
    owners: set[str] = field(default_factory=set)
    posts: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)
    implied: set[tuple[str, str]] = field(default_factory=set)
    moves: Moves = field(default_factory=dict)

    def meet(self, account: Any, *, bot: bool = False) -> str | None:
        """Remember the person of an account object."""
        person = _person(dig(account, "id"))
        return self.people.meet(person, name=pick_text(account, "displayname"), bot=bot) if person else None


def read_teams(container: Container, options: ReadOptions) -> Forum:
    """Read a Microsoft Teams export; see `sna.read_forum`."""
    log = Collector("teams", options)
    files, tenant = JsonFiles(container, log), _Tenant(log, Roster(log))
    found = _sort_files(container)
    takers = {"teams": _take_team, "channels": _take_channel, "users": _take_user, "members": _take_member}
    for kind, take in takers.items():
        for name in found[kind]:
            team = _team_of(container, name)
            for item in _items(files, name, "memberships" if kind == "members" else "people"):
                take(tenant, item, name, team)
    for name in show_progress(found["messages"], options, what="Teams message files", total=len(found["messages"])):
        place = _place_of(container, name)
        for message in _messages(files, name):
            _take_message(tenant, {**place, **message}, name)
    used = [name for names in found.values() for name in names]
    files.note_unused(used)
    if not tenant.teams and not tenant.channels:
        log.note("posts", "privacy_unknown", detail="no list of teams or channels; withheld are chats")
    _write_posts(tenant)
    add_memberships(log, tenant.members, moves=tenant.moves, implied=tenant.implied)
    tenant.people.write_met()
    for person in tenant.owners:
        log.derive("roles", person_id=person, attribute="platform_role", value="team_owner", basis="snapshot")
    coverage = f"{len(found['messages']):,} message files, {options.scope} private teams, private channels and chats"
    return log.forum(capabilities=CAPABILITIES, coverage=coverage, files=used)


def _recognise(container: Container) -> str | None:
    names = sorted(container.match(r".*\.json"), key=lambda name: ("message" not in name.lower(), name))
    for name in names[:25]:
        if _kind_of(_first_item(container, name)) == "messages":
            return f"{name} holds Microsoft Teams messages"
    return None


# --- files ------------------------------------------------------------------------------------------------------------


def _sort_files(container: Container) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {kind: [] for kind in ("teams", "channels", "users", "members", "messages")}
    for name in container.match(r".*\.json"):
        kind = _kind_of(_first_item(container, name))
        if kind:
            found[kind].append(name)
    return found


def _first_item(container: Container, name: str) -> dict[str, Any]:
    document = peek_json(container, name)
    shown = _lower(document) if isinstance(document, dict) else {"value": document}
    return next((as_dict(_lower(item)) for item in list_dicts(shown.get("value"))), as_dict(shown))


def _kind_of(item: dict[str, Any]) -> str | None:
    """What a file holds, by the keys of its first object."""
    keys = set(item)
    if {"createddatetime", "body"} <= keys and keys & {"messagetype", "replytoid", "channelidentity"}:
        return "messages"
    if "groupsid" in keys or {"visibility", "displayname"} <= keys:
        return "teams"
    if {"membershiptype", "displayname"} <= keys:
        return "channels"
    if "userid" in keys and keys & {"role", "roles"}:
        return "members"
    return "users" if "userprincipalname" in keys else None


def _team_of(container: Container, name: str) -> str:
    """The team a file belongs to: from its path, else from the context of a Graph page."""
    guids = _GUID.findall(name)
    return str(guids[-1] if guids else _context(container, name)["teams"] or "").lower()


def _context(container: Container, name: str) -> dict[str, str | None]:
    head = container.peek(name, 2048).decode("utf-8", "replace")
    return {kind: unquote(found[1]) if (found := rule.search(head)) else None for kind, rule in _CONTEXT.items()}


def _place_of(container: Container, name: str) -> dict[str, Any]:
    """Where the messages of a Graph page were said, for messages that do not say so themselves."""
    context = _context(container, name)
    if context["chats"]:
        return {"chatid": context["chats"]}
    channel = {"channelid": context["channels"], "teamid": context["teams"]}
    return {"channelidentity": channel} if context["channels"] else {}


def _items(files: JsonFiles, name: str, table: str) -> Iterator[dict[str, Any]]:
    """Objects of an array, of a page (``value``) or of a file that holds one object, with lower-case keys."""
    count = 0
    for _, item in files.items(name, table, under=("value", "Value")):
        count += 1
        yield as_dict(_lower(item))
    if count == 0 and _kind_of(_lower(as_dict(peek_json(files.container, name)))):
        yield as_dict(_lower(files.document(name, table)))


def _lower(value: Any, depth: int = 0) -> Any:
    """Keys in lower case, as deep as messages go; at the top anything but an object becomes an empty one."""
    if depth > _DEPTH:
        return None
    if isinstance(value, dict):
        inner = [_lower(item, depth + 1) if item.__class__ in _NESTED else item for item in value.values()]
        return dict(zip(_lower_keys(tuple(value)), inner, strict=True))
    if isinstance(value, list):
        return [_lower(item, depth + 1) if item.__class__ in _NESTED else item for item in value]
    return {} if depth == 0 else value


@lru_cache(maxsize=4096)
def _lower_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key.lower() for key in keys)


def _messages(files: JsonFiles, name: str) -> Iterator[dict[str, Any]]:
    """Messages and the replies nested in them; null fields are left out, so that a page's context can fill them."""
    for message in _items(files, name, "posts"):
        yield _filled(message)
        for reply in as_list(message.get("replies")):
            above = {"replytoid": message.get("id"), "channelidentity": message.get("channelidentity")}
            yield {**_filled(above), **_filled(as_dict(reply))}


def _filled(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if value is not None}


# --- teams, channels, people ------------------------------------------------------------------------------------------


def _take_team(tenant: _Tenant, item: dict[str, Any], file: str, context: str) -> None:
    team = (pick_id(item, "groupsid", "id") or "").lower()
    name, was_private = tenant.teams.get(team, ("", False))
    private = (pick_text(item, "visibility", "privacy") or "").lower() in ("private", "hiddenmembership")
    if team:
        tenant.teams[team] = (pick_text(item, "displayname", "name") or name or team, private or was_private)


def _take_channel(tenant: _Tenant, item: dict[str, Any], file: str, context: str) -> None:
    channel = as_id(item.get("id"))
    if channel:
        team_name, team_private = tenant.teams.get(context, (context, False))
        private = team_private or (as_text(item.get("membershiptype")) or "standard").lower() == "private"
        tenant.channels[channel] = _Channel(team_name, as_text(item.get("displayname")) or channel, private)


def _take_user(tenant: _Tenant, item: dict[str, Any], file: str, context: str) -> None:
    person = _person(item.get("id"))
    if not tenant.people.admit(person, file=file) or person is None:
        return
    principal = as_text(item.get("userprincipalname")) or ""
    email = as_text(item.get("mail")) or _principal_email(principal)
    tenant.log.add("people", person_id=person, name=as_text(item.get("displayname")), email=email)
    tenant.log.add_roles(
        person,
        job_title=as_text(item.get("jobtitle")),
        department=as_text(item.get("department")),
        location=as_text(item.get("officelocation")),
        manager=_person(dig(item, "manager.id")),
        account_status="deactivated" if item.get("accountenabled") is False else None,
        platform_role="guest" if "#EXT#" in principal or item.get("usertype") == "Guest" else None,
    )


def _person(value: Any) -> str | None:
    found = as_id(value)
    return _plain_person(found) if found else None


@lru_cache(maxsize=65_536)
def _plain_person(found: str) -> str:
    return found.lower() if _GUID.fullmatch(found) else found


def _principal_email(principal: str) -> str | None:
    """A guest's principal name holds the address of home: ``ann_home.org#EXT#@tenant``."""
    if "#EXT#" not in principal:
        return principal or None
    return "@".join(principal.partition("#EXT#")[0].rsplit("_", 1))


def _take_member(tenant: _Tenant, item: dict[str, Any], file: str, context: str) -> None:
    """A member of a team belongs to all its channels that everybody in the team may see."""
    person = _person(item.get("userid"))
    if person is None:
        tenant.log.reject("memberships", "missing_id", file=file, position="")
        return
    team_name, private = tenant.teams.get(context, (context, False))
    if tenant.log.hides(private, "memberships", file=file):
        return
    email = as_text(item.get("email")) or _principal_email(as_text(item.get("username")) or "")
    tenant.people.meet(person, name=pick_text(item, "name", "displayname"), email=email)
    if "owner" in {str(role).lower() for role in (*as_list(item.get("roles")), item.get("role"))}:
        tenant.owners.add(person)
    spaces = {about.space for about in tenant.channels.values() if about.team == team_name and not about.private}
    first, *others = sorted(spaces or {team_name})
    if (person, first) in tenant.members:
        tenant.log.withhold("memberships", "listed_twice", file=file)
    tenant.members.add((person, first))
    tenant.implied.update((person, space) for space in others)


# --- messages ---------------------------------------------------------------------------------------------------------


def _take_message(tenant: _Tenant, message: dict[str, Any], file: str) -> None:
    native, at = as_id(message.get("id")), from_iso(as_text(message.get("createddatetime")))
    chat, channel = as_id(message.get("chatid")), pick_id(message, "channelidentity.channelid")
    about = tenant.channels.get(channel or "") or _unlisted(tenant, message, channel)
    place = channel or chat or ""
    space = about.space if channel else place
    if tenant.log.hides((channel is None and chat is not None) or about.private, "posts", file=file):
        return
    if native is None or at is None:
        tenant.log.reject("posts", "missing_value", file=file, position=f"id {native}")
    elif _is_system(message):
        _withhold_system(tenant, message, space, at, file)
    else:
        row = {**_row_of(tenant, message, native, place), "created_at": at, "space": space or None, "file": file}
        _keep(tenant, row)


def _unlisted(tenant: _Tenant, message: dict[str, Any], channel: str | None) -> _Channel:
    """A channel no list names is private when its team's channels are listed, else as private as its team."""
    team = (pick_id(message, "channelidentity.teamid") or "").lower()
    known = tenant.unlisted.get((team, channel))
    if known is None:
        name, private = tenant.teams.get(team, ("", False))
        listed = any(other.team == name for other in tenant.channels.values())
        known = _Channel(name, channel or "", private or (listed and channel is not None))
        tenant.unlisted[team, channel] = known
    return known


def _is_system(message: dict[str, Any]) -> bool:
    kind = (as_text(message.get("messagetype")) or "message").lower()
    if kind == "message":
        return False
    nobody = not any(as_dict(message.get("from")).values())
    return kind != "unknownfuturevalue" or bool(message.get("eventdetail")) or nobody


def _withhold_system(tenant: _Tenant, message: dict[str, Any], space: str, at: datetime, file: str) -> None:
    detail = as_dict(message.get("eventdetail"))
    named = (as_text(detail.get("@odata.type")) or "").lower().rpartition(".")[2].removesuffix("eventmessagedetail")
    tenant.log.withhold("posts", f"system_message:{named or 'event'}", file=file)
    for kind, joined in _MOVES.items():
        own = detail if named == kind else detail.get(kind)
        for member in list_dicts(own) or list_dicts(dig(own, "members")):
            person = tenant.meet(member)
            if person:
                tenant.moves.setdefault((person, space), []).append((at, joined))


def _row_of(tenant: _Tenant, message: dict[str, Any], native: str, place: str) -> dict[str, Any]:
    root, quoted = as_id(message.get("replytoid")), _quoted(message)
    is_chat = pick_id(message, "channelidentity.channelid") is None and as_id(message.get("chatid"))
    return {
        "post_id": f"{place}:{native}",
        "thread_id": place if is_chat else f"{place}:{root or native}",
        "parent_id": f"{place}:{root}" if root else None,
        "quoted_id": f"{place}:{quoted}" if quoted else None,
        "author_id": _author(tenant, message),
        "title": as_text(message.get("subject")),
        "text": _text(as_dict(message.get("body"))),
        "edited_at": from_iso(as_text(message.get("lastediteddatetime"))),
        "deleted_at": from_iso(as_text(message.get("deleteddatetime"))),
        "version": (as_text(message.get("lastmodifieddatetime")) or "", str(message.get("etag"))),
        "mentions": list_dicts(message.get("mentions")),
        "reactions": list_dicts(message.get("reactions")),
    }


def _author(tenant: _Tenant, message: dict[str, Any]) -> str | None:
    sender = as_dict(message.get("from"))
    people = (tenant.meet(sender.get(kind), bot=kind != "user") for kind in ("user", "application", "device"))
    return next(filter(None, people), None)


def _quoted(message: dict[str, Any]) -> str | None:
    """The message a reply quotes, from an attachment of type messageReference."""
    for attachment in list_dicts(message.get("attachments")):
        if attachment.get("contenttype") == "messageReference":
            return pick_id(_lower(inner_json(attachment.get("content"))), "messageid") or as_id(attachment.get("id"))
    return None


def _text(body: dict[str, Any]) -> str | None:
    content = as_text(body.get("content")) or ""
    is_html = (as_text(body.get("contenttype")) or "html").lower() == "html"
    return (_words(content) if is_html else content).strip() or None


def _words(content: str) -> str:
    """Words of a message's HTML. What Teams writes is plain enough for two substitutions; the rest is parsed."""
    if "<" not in content:
        return html.unescape(content).replace("\u00a0", " ")
    if not _NOT_PLAIN.search(content):
        bare = _TAG.sub("", _BREAK.sub("\n", content))
        if "<" not in bare and ">" not in bare:
            return tidy_text(html.unescape(bare))
    return html_to_text(content).replace("\u00a0", " ")


def _keep(tenant: _Tenant, row: dict[str, Any]) -> None:
    """A chat message lies in the mailbox of each member, and pages overlap: the last version counts, once."""
    old = tenant.posts.get(row["post_id"])
    first, second = sorted((old or row, row), key=_version)
    tenant.posts[row["post_id"]] = second
    if old is not None:
        tenant.log.withhold("posts", "older_version", file=first["file"])


def _version(row: dict[str, Any]) -> tuple[Any, ...]:
    return (*row["version"], len(row["reactions"]), len(row["mentions"]), row["text"] or "", row["file"])


def _write_posts(tenant: _Tenant) -> None:
    firsts: dict[str, tuple[datetime, str]] = {}
    for row in tenant.posts.values():
        moment = (row["created_at"], row["post_id"])
        firsts[row["thread_id"]] = min(moment, firsts.get(row["thread_id"], moment))
    for post_id, row in tenant.posts.items():
        parent, basis = _parent(tenant, row)
        is_root = row["thread_id"] == post_id or (parent is None and firsts[row["thread_id"]][1] == post_id)
        kept = {name: row[name] for name in _POST}
        tenant.log.add("posts", parent_id=parent, parent_basis=basis, kind="root" if is_root else "reply", **kept)
        _write_mentions(tenant, row)
        for reaction in row["reactions"]:
            _write_reaction(tenant, post_id, reaction, row["file"])


def _parent(tenant: _Tenant, row: dict[str, Any]) -> tuple[str | None, str]:
    """What a message quotes in its own thread, else the root of the thread."""
    quoted = tenant.posts.get(row["quoted_id"] or "")
    if quoted and quoted["thread_id"] == row["thread_id"] and quoted["created_at"] < row["created_at"]:
        return row["quoted_id"], "quote"
    return (row["parent_id"], "root_default") if row["parent_id"] else (None, "none")


def _write_mentions(tenant: _Tenant, row: dict[str, Any]) -> None:
    """A name of several words may be split over several mentions: then no part of it is the person's name."""
    users = [dig(item, "mentioned.user") or dig(item, "mentioned.application") for item in row["mentions"]]
    bots = [not as_dict(dig(item, "mentioned.user")) for item in row["mentions"]]
    said = Counter(person for user in users if (person := _person(dig(user, "id"))))
    if lost := len(users) - said.total():
        tenant.log.withhold("mentions", "broadcast", file=row["file"], n=lost)
    for user, bot in zip(users, bots, strict=True):
        person = _person(dig(user, "id"))
        if person:
            name = pick_text(user, "displayname") if said[person] == 1 else None
            tenant.people.meet(person, bot=bot, name=name)
    add_mentions(tenant.log, row["post_id"], said=said, basis="structured", file=row["file"])


def _write_reaction(tenant: _Tenant, post_id: str, reaction: dict[str, Any], file: str) -> None:
    name = as_text(reaction.get("reactiontype"))
    if name == "custom":
        name = as_text(reaction.get("displayname")) or name
    if not name:
        tenant.log.reject("signals", "missing_value", file=file, position=post_id)
        return
    person, at = tenant.meet(dig(reaction, "user.user")), from_iso(as_text(reaction.get("createddatetime")))
    kind = "like" if name in _LIKES else f"emoji:{name}"
    tenant.log.add("signals", post_id=post_id, person_id=person, kind=kind, at=at)


READERS = (Reader("teams", "Microsoft Teams export", _recognise, read_teams, CAPABILITIES),)
