"""Microsoft Teams: Graph documents (one page or many) and the export tree with PascalCase keys.

Both hold the same objects, so keys are matched whatever their case, and a file is known by what it holds. Channels
record the root of a reply only; chats have no threads and are private.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from sna.errors import ReadError
from sna.formats.container import Container
from sna.formats.html import html_to_text, tidy_text
from sna.forum import Forum
from sna.readers.chat import (
    JsonFiles,
    add_memberships,
    as_dict,
    as_id,
    as_list,
    as_text,
    list_dicts,
    parse_json,
    peek_json,
    strip_secrets,
)
from sna.readers.collect import Collector, Reader, ReadOptions, from_iso, show_progress

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CONTEXT = {kind: re.compile(rf"\$metadata#[^\"]*{kind}\('([^']+)'\)") for kind in ("teams", "channels", "chats")}
_NOT_PLAIN = re.compile(r"<(?:script|style|template|title|noscript|textarea|svg|object|!|\?)|\n", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div|/li|/h[1-6]|/tr|/pre|/blockquote|hr|p|div|li)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_MOVES = {"membersadded": True, "membersjoined": True, "membersdeleted": False, "membersleft": False}
_LIKES = frozenset({"like", "\U0001f44d"})
_DEPTH = 12
_NESTED = frozenset({dict, list})


@dataclass(frozen=True)
class _Channel:
    """A channel: its team, its name and who may see it."""

    team: str
    name: str
    private: bool


@dataclass
class _Tenant:
    """What an export has told so far."""

    log: Collector
    options: ReadOptions
    teams: dict[str, tuple[str, bool]] = field(default_factory=dict)
    channels: dict[str, _Channel] = field(default_factory=dict)
    unlisted: dict[tuple[str, str | None], _Channel] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    met: dict[str, tuple[bool, str, str]] = field(default_factory=dict)
    owners: set[str] = field(default_factory=set)
    posts: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)
    implied: set[tuple[str, str]] = field(default_factory=set)
    moves: dict[tuple[str, str], list[tuple[datetime, bool]]] = field(default_factory=dict)

    def meet(self, person: str, *, name: str | None = None, email: str | None = None, bot: bool = False) -> str:
        """Remember somebody who is not in the user list; of several names the first in order is kept."""
        if person not in self.known:
            was_bot, old_name, old_email = self.met.get(person, (False, "", ""))
            names = sorted(filter(None, (old_name, name)))
            self.met[person] = (was_bot or bot, names[0] if names else "", old_email or email or "")
        return person


def read_teams(container: Container, options: ReadOptions) -> Forum:
    """Read a Microsoft Teams export; see `sna.read_forum`."""
    log = Collector("teams")
    files = JsonFiles(container, log)
    tenant = _Tenant(log, options)
    found = _sort_files(container)
    for kind, take in (
        ("teams", _take_team),
        ("channels", _take_channel),
        ("users", _take_user),
        ("members", _take_member),
    ):
        for name in found[kind]:
            context = _team_of(container, name)
            for item in _items(files, name, "memberships" if kind == "members" else "people"):
                take(tenant, item, name, context)
    for name in show_progress(found["messages"], options, what="Teams message files", total=len(found["messages"])):
        place = _context_of(container, name)
        for message in _messages(files, name):
            _take_message(tenant, {**place, **message} if place else message, name)
    if not tenant.teams and not tenant.channels:
        log.note("posts", "privacy_unknown", detail="no list of teams or channels; withheld are chats")
    _write_posts(tenant)
    add_memberships(log, tenant.members, moves=tenant.moves, implied=tenant.implied)
    _write_people(tenant)
    scope = "with" if options.include_private else "without"
    coverage = f"{len(found['messages']):,} message files, {scope} private teams, private channels and chats"
    return log.forum(capabilities=CAPABILITIES, coverage=coverage, files=[n for names in found.values() for n in names])


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
    document = peek_json(container, name, size=65_536)
    shown = _lower(document) if isinstance(document, dict) else {"value": document}
    first = next(iter(list_dicts(shown.get("value"))), None)
    return _lower(first if first is not None else shown)


def _kind_of(item: dict[str, Any]) -> str | None:
    """What a file holds, by the keys of its first object."""
    keys = set(item)
    if {"createddatetime", "body"} <= keys and keys & {"messagetype", "replytoid", "channelidentity"}:
        return "messages"
    if "groupsid" in keys or {"visibility", "displayname"} <= keys:
        return "teams"
    if "membershiptype" in keys and "displayname" in keys:
        return "channels"
    if "userid" in keys and keys & {"role", "roles"}:
        return "members"
    return "users" if "userprincipalname" in keys else None


def _team_of(container: Container, name: str) -> str:
    """The team a file belongs to: from its path, else from the context of a Graph page."""
    guids = _GUID.findall(name)
    if guids:
        return str(guids[-1]).lower()
    head = container.peek(name, 2048).decode("utf-8", "replace")
    found = _CONTEXT["teams"].search(head)
    return found[1].lower() if found else ""


def _context_of(container: Container, name: str) -> dict[str, Any]:
    """Where the messages of a Graph page were said, for messages that do not say so themselves."""
    head = container.peek(name, 2048).decode("utf-8", "replace")
    chat, team, channel = (_CONTEXT[kind].search(head) for kind in ("chats", "teams", "channels"))
    if chat:
        return {"chatid": unquote(chat[1])}
    if channel:
        return {"channelidentity": {"channelid": unquote(channel[1]), "teamid": unquote(team[1]) if team else None}}
    return {}


def _items(files: JsonFiles, name: str, table: str) -> Iterator[dict[str, Any]]:
    """Objects of an array, of a page (``value``) or of a file that holds one object, with lower-case keys."""
    count = 0
    for _, item in files.items(name, table, under=("value", "Value")):
        count += 1
        yield as_dict(_lower(item))
    if count == 0:
        shown = as_dict(peek_json(files.container, name, size=65_536))
        if _kind_of(_lower(shown)):
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
    team = (as_id(item.get("groupsid")) or as_id(item.get("id")) or "").lower()
    old_name, old_private = tenant.teams.get(team, ("", False))
    name = as_text(item.get("displayname")) or as_text(item.get("name")) or old_name
    private = (as_text(item.get("visibility")) or as_text(item.get("privacy")) or "").lower() in (
        "private",
        "hiddenmembership",
    )
    if team:
        tenant.teams[team] = (name or team, private or old_private)


def _take_channel(tenant: _Tenant, item: dict[str, Any], file: str, context: str) -> None:
    channel = as_id(item.get("id"))
    if channel:
        team_name, team_private = tenant.teams.get(context, (context, False))
        private = team_private or (as_text(item.get("membershiptype")) or "standard").lower() == "private"
        tenant.channels[channel] = _Channel(team_name, as_text(item.get("displayname")) or channel, private)


def _take_user(tenant: _Tenant, item: dict[str, Any], file: str, context: str) -> None:
    person = _person(item.get("id"))
    if person is None:
        tenant.log.reject("people", "missing_id", file=file, position="")
        return
    if person in tenant.known:
        tenant.log.withhold("people", "listed_twice", file=file)
        return
    tenant.known.add(person)
    principal = as_text(item.get("userprincipalname")) or ""
    email = as_text(item.get("mail")) or _principal_email(principal)
    tenant.log.add("people", person_id=person, name=as_text(item.get("displayname")), email=email)
    attributes = {
        "job_title": as_text(item.get("jobtitle")),
        "department": as_text(item.get("department")),
        "location": as_text(item.get("officelocation")),
        "manager": _person(as_dict(item.get("manager")).get("id")),
        "account_status": "deactivated" if item.get("accountenabled") is False else None,
        "platform_role": "guest" if "#EXT#" in principal or item.get("usertype") == "Guest" else None,
    }
    for attribute, value in attributes.items():
        if value:
            tenant.log.add("roles", person_id=person, attribute=attribute, value=value, basis="snapshot")


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
    if private and not tenant.options.include_private:
        tenant.log.withhold("memberships", "private_space", file=file)
        return
    email = as_text(item.get("email")) or _principal_email(as_text(item.get("username")) or "")
    tenant.meet(person, name=as_text(item.get("name")) or as_text(item.get("displayname")), email=email)
    roles = {str(role).lower() for role in (*as_list(item.get("roles")), item.get("role"))}
    if "owner" in roles:
        tenant.owners.add(person)
    spaces = {
        _space(channel) for channel in tenant.channels.values() if channel.team == team_name and not channel.private
    }
    first, *others = sorted(spaces or {team_name})
    if (person, first) in tenant.members:
        tenant.log.withhold("memberships", "listed_twice", file=file)
    tenant.members.add((person, first))
    tenant.implied.update((person, space) for space in others)


def _space(channel: _Channel) -> str:
    return f"{channel.team}/{channel.name}" if channel.team else channel.name


def _write_people(tenant: _Tenant) -> None:
    for person, (bot, name, email) in tenant.met.items():
        facts = {"name": name or None, "email": email or None, "kind": "bot" if bot else "human"}
        tenant.log.derive("people", person_id=person, placeholder=not bot, **facts)
    for person in tenant.owners:
        tenant.log.derive("roles", person_id=person, attribute="platform_role", value="team_owner", basis="snapshot")


# --- messages ---------------------------------------------------------------------------------------------------------


def _take_message(tenant: _Tenant, message: dict[str, Any], file: str) -> None:
    native, at = as_id(message.get("id")), from_iso(as_text(message.get("createddatetime")))
    chat, channel = as_id(message.get("chatid")), as_id(as_dict(message.get("channelidentity")).get("channelid"))
    place = channel or chat or ""
    about = tenant.channels.get(channel or "") or _unlisted(tenant, message, channel)
    private = (channel is None and chat is not None) or about.private
    if private and not tenant.options.include_private:
        tenant.log.withhold("posts", "private_space", file=file)
    elif native is None or at is None:
        tenant.log.reject("posts", "missing_value", file=file, position=f"id {native}")
    elif _is_system(message):
        _withhold_system(tenant, message, _space(about) if channel else place, at, file)
    else:
        _keep(tenant, _row_of(tenant, message, f"{place}:{native}", at, _space(about) if channel else place, file))


def _unlisted(tenant: _Tenant, message: dict[str, Any], channel: str | None) -> _Channel:
    """A channel no list names is private when its team's channels are listed, else as private as its team."""
    team = (as_id(as_dict(message.get("channelidentity")).get("teamid")) or "").lower()
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
    sender = as_dict(message.get("from"))
    return kind != "unknownfuturevalue" or bool(message.get("eventdetail")) or not any(sender.values())


def _withhold_system(tenant: _Tenant, message: dict[str, Any], space: str, at: datetime, file: str) -> None:
    detail = as_dict(message.get("eventdetail"))
    named = (as_text(detail.get("@odata.type")) or "").lower().rpartition(".")[2].removesuffix("eventmessagedetail")
    tenant.log.withhold("posts", f"system_message:{named or 'event'}", file=file)
    for kind, joined in _MOVES.items():
        own = detail.get(kind)
        members = list_dicts(own) or list_dicts(as_dict(own).get("members"))
        if named == kind:
            members = list_dicts(detail.get("members"))
        for member in members:
            person = _person(member.get("id"))
            if person:
                tenant.meet(person, name=as_text(member.get("displayname")))
                tenant.moves.setdefault((person, space), []).append((at, joined))


def _row_of(
    tenant: _Tenant, message: dict[str, Any], post_id: str, at: datetime, space: str, file: str
) -> dict[str, Any]:
    place = post_id.rpartition(":")[0]
    root = as_id(message.get("replytoid"))
    is_chat = as_id(as_dict(message.get("channelidentity")).get("channelid")) is None and as_id(message.get("chatid"))
    quoted = _quoted(message)
    return {
        "post_id": post_id,
        "thread_id": place if is_chat else f"{place}:{root}" if root else post_id,
        "parent_id": f"{place}:{root}" if root else None,
        "quoted_id": f"{place}:{quoted}" if quoted else None,
        "author_id": _author(tenant, message),
        "created_at": at,
        "space": space or None,
        "title": as_text(message.get("subject")),
        "text": _text(as_dict(message.get("body"))),
        "edited_at": from_iso(as_text(message.get("lastediteddatetime"))),
        "deleted_at": from_iso(as_text(message.get("deleteddatetime"))),
        "version": (as_text(message.get("lastmodifieddatetime")) or "", str(message.get("etag"))),
        "mentions": list_dicts(message.get("mentions")),
        "reactions": list_dicts(message.get("reactions")),
        "file": file,
    }


def _author(tenant: _Tenant, message: dict[str, Any]) -> str | None:
    sender = as_dict(message.get("from"))
    for kind in ("user", "application", "device"):
        who = as_dict(sender.get(kind))
        person = _person(who.get("id"))
        if person:
            return tenant.meet(person, name=as_text(who.get("displayname")), bot=kind != "user")
    return None


def _quoted(message: dict[str, Any]) -> str | None:
    """The message a reply quotes, from an attachment of type messageReference."""
    for attachment in list_dicts(message.get("attachments")):
        if attachment.get("contenttype") == "messageReference":
            content = as_text(attachment.get("content"))
            try:
                inner = _lower(parse_json(content.encode(), "attachment")[0]) if content else {}
            except ReadError:
                inner = {}
            return as_id(inner.get("messageid")) or as_id(attachment.get("id"))
    return None


def _text(body: dict[str, Any]) -> str | None:
    content = as_text(body.get("content"))
    if not content:
        return None
    is_html = (as_text(body.get("contenttype")) or "html").lower() == "html"
    return strip_secrets(_words(content) if is_html else content).strip() or None


def _words(content: str) -> str:
    """Words of a message's HTML. What Teams writes is plain enough for two substitutions; the rest is parsed."""
    if "<" not in content:
        return html.unescape(content).replace("\u00a0", " ")
    if content.startswith("<p>") and content.endswith("</p>") and content.count("<") == 2:
        inner = content[3:-4]
        if ">" not in inner and "\n" not in inner:
            return tidy_text(html.unescape(inner))
    if not _NOT_PLAIN.search(content):
        bare = _TAG.sub("", _BREAK.sub("\n", content))
        if "<" not in bare and ">" not in bare:
            return tidy_text(html.unescape(bare))
    return html_to_text(content).replace("\u00a0", " ")


def _keep(tenant: _Tenant, row: dict[str, Any]) -> None:
    """A chat message lies in the mailbox of each member, and pages overlap: the last version counts, once."""
    old = tenant.posts.get(row["post_id"])
    if old is None:
        tenant.posts[row["post_id"]] = row
        return
    first, second = sorted((old, row), key=_version)
    tenant.posts[row["post_id"]] = second
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
        fields = (
            "post_id",
            "thread_id",
            "author_id",
            "created_at",
            "space",
            "title",
            "text",
            "edited_at",
            "deleted_at",
        )
        kept = {name: row[name] for name in fields}
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
    """A name of several words may be split over several mentions: one row per person and message."""
    found: Counter[str] = Counter()
    names: dict[str, str | None] = {}
    bots: dict[str, bool] = {}
    for mention in row["mentions"]:
        target = as_dict(mention.get("mentioned"))
        who = as_dict(target.get("user")) or as_dict(target.get("application"))
        person = _person(who.get("id"))
        if person is None:
            tenant.log.withhold("mentions", "broadcast", file=row["file"])
            continue
        names[person] = as_text(who.get("displayname"))
        bots[person] = not as_dict(target.get("user"))
        found[person] += 1
    for person, times in found.items():
        tenant.meet(person, bot=bots[person], name=names[person] if times == 1 else None)
        tenant.log.add("mentions", post_id=row["post_id"], person_id=person, basis="structured")
        if times > 1:
            tenant.log.withhold("mentions", "repeated_in_post", file=row["file"], n=times - 1)


def _write_reaction(tenant: _Tenant, post_id: str, reaction: dict[str, Any], file: str) -> None:
    name = as_text(reaction.get("reactiontype"))
    if name == "custom":
        name = as_text(reaction.get("displayname")) or name
    if not name:
        tenant.log.reject("signals", "missing_value", file=file, position=post_id)
        return
    who = as_dict(as_dict(reaction.get("user")).get("user"))
    person = _person(who.get("id"))
    if person:
        tenant.meet(person, name=as_text(who.get("displayname")))
    kind = "like" if name in _LIKES else f"emoji:{name}"
    at = from_iso(as_text(reaction.get("createddatetime")))
    tenant.log.add("signals", post_id=post_id, person_id=person, kind=kind, at=at)


CAPABILITIES: Mapping[str, str] = {
    "reply_parent": "partial",
    "threads": "yes",
    "spaces": "yes",
    "mentions": "yes",
    "reactions": "yes",
    "reaction_times": "yes",
    "roster": "partial",
    "memberships": "partial",
    "platform_role": "partial",
    "org_attributes": "partial",
    "deleted_posts": "partial",
    "edits": "partial",
    "text": "yes",
    "exact_times": "yes",
}

READERS = (Reader("teams", "Microsoft Teams export", _recognise, read_teams, CAPABILITIES),)
