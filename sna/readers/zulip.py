"""Zulip export: streams and topics, who read what, subscriptions and roles over time.

Replies are not recorded; a quote that links to a message is the only parent. Private streams and direct messages are
left out unless asked for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from sna.formats.container import Container
from sna.formats.json import as_dict, as_id, as_text, inner_json, peek_json, pick_text
from sna.formats.times import from_epoch
from sna.forum import Forum
from sna.readers.chat import Moves, add_memberships
from sna.readers.collect import Collector, JsonFiles, Reader, ReadOptions, levels_of, show_progress
from sna.schema import EVENTS, SIGNALS, Table

CAPABILITIES = levels_of(
    yes="threads spaces mentions reactions reads logins memberships platform_role text exact_times",
    partial="reply_parent roster org_attributes edits",
)

_PROFILES = {"userprofile": "human", "userprofile_mirrordummy": "human", "userprofile_crossrealm": "system"}
_TABLES = ("stream", "recipient", *_PROFILES, "subscription", "realmauditlog", "useractivityinterval", "reaction")
_TABLES += ("customprofilefield", "customprofilefieldvalue")
_REALM_TABLES = tuple(f"zerver_{name}" for name in _TABLES)
_MESSAGE_TABLES = ("zerver_message", "zerver_usermessage", "zerver_reaction")
_ROLES = {100: "owner", 200: "admin", 300: "moderator", 400: "member", 600: "guest"}
_DEACTIVATED, _REACTIVATED, _ROLE_CHANGED = 103, 104, 105
_SUBSCRIPTIONS = {301: True, 302: True, 303: False}
_PERSONAL, _STREAM = 1, 2
_READ, _STARRED, _MENTIONED = 1, 2, 8
_WORDS = {
    "job_title": ("job title", "title", "position"),
    "role": ("role",),
    "department": ("department", "team"),
    "location": ("location", "office"),
    "level": ("level",),
    "manager": ("manager",),
}
_ATTRIBUTES = {word: attribute for attribute, words in _WORDS.items() for word in words}
_QUOTED = re.compile(r"^(`{3,}|~{3,})[ ]*quote\b.*?(?:^\1[ ]*$|\Z)", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^(`{3,}|~{3,}).*?(?:^\1[ ]*$|\Z)|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_SAID = re.compile(r"@_?\*\*[^*\n]+\*\*[^\n]{0,40}\]\([^)\s]{0,300}#narrow/[^)\s]{0,500}/(?:near|with)/(\d+)\)")
_AT = re.compile(r"@\*\*([^*|\n]+)(?:\|(\d+))?\*\*")
_GROUP = re.compile(r"@_?\*[^*\n]+\*(?!\*)")
_BROADCAST = frozenset({"all", "everyone", "stream", "channel", "topic"})


@dataclass
class _Realm:
    """What an export has told so far."""

    log: Collector
    tables: dict[str, list[tuple[str, dict[str, Any]]]] = field(default_factory=dict)
    streams: dict[Any, tuple[str, bool]] = field(default_factory=dict)
    recipients: dict[Any, tuple[Any, Any]] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    named: dict[str, set[str]] = field(default_factory=dict)
    grouped: set[str] = field(default_factory=set)
    seen_by: list[pl.DataFrame] = field(default_factory=list)
    reactions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def rows(self, table: str) -> list[tuple[str, dict[str, Any]]]:
        """File and row of everything in a table of the realm."""
        return self.tables.get(f"zerver_{table}", [])


def read_zulip(container: Container, options: ReadOptions) -> Forum:
    """Read a Zulip export; see `sna.read_forum`."""
    log = Collector("zulip", options)
    files, realm = JsonFiles(container, log), _Realm(log)
    realms, names = container.match(r"(.*/)?realm\.json"), _message_files(container)
    for file in realms:
        for table, row in files.items(file, "people", under=_REALM_TABLES):
            realm.tables.setdefault(table, []).append((file, as_dict(row)))
    for read in (_read_spaces, _read_people, _read_roles, _read_fields, _read_memberships, _read_visits):
        read(realm)
    for name in show_progress(names, options, what="Zulip message files", total=len(names)):
        _read_messages(files, realm, name)
    for write in (_write_reactions, _write_reads, _write_mentions, _finish_posts):
        write(realm)
    coverage = f"{len(realm.streams):,} streams, {options.scope} private streams and direct messages"
    return log.forum(capabilities=CAPABILITIES, coverage=coverage, files=[*realms, *names])


def _message_files(container: Container) -> list[str]:
    return container.match(r"(.*/)?messages-\d+\.json")


def _recognise(container: Container) -> str | None:
    for name in [*_message_files(container)[:3], *container.match(r"(.*/)?realm\.json")[:3]]:
        if any(key.startswith("zerver_") for key in as_dict(peek_json(container, name))):
            return f"{name} holds tables of a Zulip server"
    return None


# --- realm ------------------------------------------------------------------------------------------------------------


def _read_spaces(realm: _Realm) -> None:
    """Streams and recipients; where two rows contradict each other the space is unknown, and so private."""
    for _, stream in realm.rows("stream"):
        key = as_id(stream.get("id"))
        name = as_text(stream.get("name")) or f"stream {key}"
        old_name, old_private = realm.streams.get(key, (name, False))
        realm.streams[key] = (min(name, old_name), old_private or stream.get("invite_only") is True)
    for _, row in realm.rows("recipient"):
        key, target = as_id(row.get("id")), (row.get("type"), as_id(row.get("type_id")))
        realm.recipients[key] = target if realm.recipients.get(key, target) == target else (None, None)


def _read_people(realm: _Realm) -> None:
    left: dict[str, datetime | None] = {}
    for who, at, entry in _audit(realm, _DEACTIVATED, _REACTIVATED):
        left[who] = at if entry["event_type"] == _DEACTIVATED else None
    for table, kind in _PROFILES.items():
        for file, user in realm.rows(table):
            person = as_id(user.get("id"))
            if person is None or person in realm.people:
                realm.log.reject("people", "id_missing_or_twice", file=file, position=f"id {person}")
                continue
            email = pick_text(user, "delivery_email", "email")
            realm.people[person] = as_text(user.get("full_name")) or email or person
            realm.log.add(
                "people",
                person_id=person,
                name=realm.people[person],
                kind="bot" if user.get("is_bot") is True else kind,
                email=email,
                joined_at=from_epoch(user.get("date_joined")),
                left_at=left.get(person),
                placeholder="dummy" in table or user.get("is_mirror_dummy") is True,
            )
            realm.log.add_roles(person, account_status="deactivated" if user.get("is_active") is False else None)


def _audit(realm: _Realm, *kinds: int) -> list[tuple[str, datetime, dict[str, Any]]]:
    """Entries of the audit log of these kinds with a person and a time, in order of time."""
    found = []
    for _, entry in realm.rows("realmauditlog"):
        person, at = as_id(entry.get("modified_user")), from_epoch(entry.get("event_time"))
        if person and at and entry.get("event_type") in kinds:
            found.append((person, at, entry))
    return sorted(found, key=lambda item: (item[1], item[0], str(item[2].get("id"))))


def _read_roles(realm: _Realm) -> None:
    """Spells from the changes the server logged; today's role as a snapshot for those who never changed."""
    changes: dict[str, list[tuple[datetime, str | None, str, bool]]] = {}
    for person, at, entry in _audit(realm, _ROLE_CHANGED):
        data = inner_json(entry.get("extra_data"))
        new = _role_name(data.get("2"))
        if new:
            changes.setdefault(person, []).append((at, _role_name(data.get("1")), new, entry.get("backfilled") is True))
    for person, steps in changes.items():
        role = {"person_id": person, "attribute": "platform_role"}
        if steps[0][1]:
            realm.log.derive("roles", **role, value=steps[0][1], valid_to=steps[0][0], basis="event")
        ends = [*(step[0] for step in steps[1:]), None]
        for (at, _, new, backfilled), end in zip(steps, ends, strict=True):
            basis = "inferred" if backfilled else "event"
            realm.log.add("roles", **role, value=new, valid_from=at, valid_to=end, basis=basis)
    for _, user in realm.rows("userprofile"):
        who = as_id(user.get("id"))
        if who and who not in changes:
            realm.log.add_roles(who, platform_role=_current_role(user))


def _role_name(code: Any) -> str | None:
    return _ROLES.get(code) if isinstance(code, int) else None


def _current_role(user: dict[str, Any]) -> str | None:
    if user.get("is_bot") is True:
        return None
    role = user.get("role")
    if isinstance(role, int):
        return _role_name(role)
    return "admin" if user.get("is_realm_admin") is True else "guest" if user.get("is_guest") is True else "member"


def _read_fields(realm: _Realm) -> None:
    """Profile fields that say role, department and the like; others (phone numbers, birthdays) are not read."""
    fields = {}
    for _, item in realm.rows("customprofilefield"):
        name = (as_text(item.get("name")) or "").strip().lower()
        fields[as_id(item.get("id"))] = (_ATTRIBUTES.get(name), inner_json(item.get("field_data")))
    for file, row in realm.rows("customprofilefieldvalue"):
        attribute, choices = fields.get(as_id(row.get("field")), (None, {}))
        person, value = as_id(row.get("user_profile")), as_text(row.get("value"))
        if not attribute or not person or not value:
            realm.log.withhold("roles", "profile_field_not_asked_for", file=file)
            continue
        chosen = pick_text(choices.get(value), "text") or value
        ids = re.findall(r"\d+", chosen) if attribute == "manager" else []
        realm.log.add_roles(person, **{attribute: ids[0] if ids else chosen})


def _read_memberships(realm: _Realm) -> None:
    members: set[tuple[str, str]] = set()
    for file, row in realm.rows("subscription"):
        person, (space, private) = as_id(row.get("user_profile")), _space_of(realm, as_id(row.get("recipient")), "")
        if realm.log.hides(private, "memberships", file=file):
            continue
        if person is None or space is None:
            realm.log.reject("memberships", "missing_value", file=file, position=f"id {as_id(row.get('id'))}")
        elif row.get("active") is False or (person, space) in members:
            realm.log.withhold("memberships", "not_active", file=file)
        else:
            members.add((person, space))
    moves: Moves = {}
    for person, at, entry in _audit(realm, *_SUBSCRIPTIONS):
        name, private = realm.streams.get(as_id(entry.get("modified_stream"))) or ("", True)
        if name and (not private or realm.log.options.include_private):
            moves.setdefault((person, name), []).append((at, _SUBSCRIPTIONS[entry["event_type"]]))
    add_memberships(realm.log, members, moves=moves)


def _space_of(realm: _Realm, recipient: str | None, sender: str) -> tuple[str | None, bool]:
    """Name of the space behind a recipient, and whether it is private; what is unknown is private."""
    kind, target = realm.recipients.get(recipient, (None, None))
    if kind == _STREAM:
        return realm.streams.get(target, (None, True))
    if kind == _PERSONAL:
        return "direct:" + ",".join(sorted({sender, str(target)})), True
    return (f"group:{target}", True) if kind is not None else (None, True)


def _read_visits(realm: _Realm) -> None:
    for file, row in realm.rows("useractivityinterval"):
        person, at = as_id(row.get("user_profile")), from_epoch(row.get("start"))
        if person is None or at is None:
            realm.log.reject("events", "missing_value", file=file, position=f"id {as_id(row.get('id'))}")
        else:
            realm.log.add("events", person_id=person, kind="visit", at=at)


# --- messages ---------------------------------------------------------------------------------------------------------


def _read_messages(files: JsonFiles, realm: _Realm, name: str) -> None:
    for table, rows in files.chunks(name, "posts", under=_MESSAGE_TABLES):
        if table == "zerver_usermessage":
            realm.seen_by.append(_flag_frame([as_dict(row) for row in rows], name))
        elif table == "zerver_reaction":
            realm.reactions += [(name, as_dict(row)) for row in rows]
        else:
            for row in rows:
                _take_message(realm, as_dict(row), name)


def _flag_frame(rows: list[dict[str, Any]], file: str) -> pl.DataFrame:
    """Person, message and flags of many rows; ids become text, flags that are no number count as none."""
    given = (row.get("flags_mask", row.get("flags")) for row in rows)
    mask = [flags if isinstance(flags, int) and abs(flags) < 2**62 else 0 for flags in given]
    columns = {"person_id": [row.get("user_profile") for row in rows], "post_id": [row.get("message") for row in rows]}
    frame = pl.DataFrame([_id_column(name, values) for name, values in columns.items()])
    frame = frame.with_columns(pl.Series("mask", mask, dtype=pl.Int64), pl.lit(file).alias("file"))
    return frame.with_columns(pl.col("person_id", "file").cast(pl.Categorical))


def _id_column(name: str, values: list[Any]) -> pl.Series:
    if all(type(value) is int and abs(value) < 2**62 for value in values):
        return pl.Series(name, values, dtype=pl.Int64).cast(pl.String)
    return pl.Series(name, [as_id(value) for value in values], dtype=pl.String)


def _take_message(realm: _Realm, message: dict[str, Any], file: str) -> None:
    key, sender = as_id(message.get("id")), as_id(message.get("sender"))
    at = from_epoch(message.get("date_sent", message.get("pub_date")))
    recipient = as_id(message.get("recipient"))
    space, private = _space_of(realm, recipient, sender or "")
    if key is None or at is None or sender is None or recipient is None:
        realm.log.reject("posts", "missing_value", file=file, position=f"id {key}")
    elif private and not realm.log.options.include_private:
        realm.log.withhold("posts", "private_space" if space else "unknown_space", file=file)
    elif key in realm.seen:
        realm.log.reject("posts", "duplicate_id", file=file, position=f"id {key}")
    else:
        realm.seen.add(key)
        _add_post(realm, message, key, sender, at, space or f"recipient {recipient}", recipient)


def _add_post(
    realm: _Realm, message: dict[str, Any], key: str, sender: str, at: datetime, space: str, recipient: str
) -> None:
    raw = as_text(message.get("content")) or ""
    topic = (as_text(message.get("subject")) or "").strip()
    quoted = _SAID.search(raw) if "#narrow/" in raw else None
    own = _QUOTED.sub("", raw) if quoted or "quote" in raw else raw
    if quoted:
        own = re.sub(r"^@_\*\*[^*\n]+\*\*[^\n]{0,40}\]\([^)\n]*\):?[ ]*$", "", own, flags=re.MULTILINE)
    private = space.startswith(("direct:", "group:"))
    place = space if private else f"{recipient}:{topic.removeprefix('✔ ').casefold()}"
    _note_mentions(realm, key, own)
    realm.log.add(
        "posts",
        post_id=key,
        thread_id=place,
        parent_id=quoted[1] if quoted else None,
        parent_basis="quote" if quoted else "none",
        author_id=sender,
        created_at=at,
        space=space,
        title=topic or None,
        text=own.strip() or None,
        edited_at=from_epoch(message.get("last_edit_time")),
    )


def _note_mentions(realm: _Realm, key: str, own: str) -> None:
    """People named outside quotes and code; names without an id are resolved at the end."""
    if "@" not in own:
        return
    spoken = _CODE.sub(" ", own) if "`" in own or "~~~" in own else own
    names = {found[2] or f"name:{found[1]}" for found in _AT.finditer(spoken)}
    if names:
        realm.named[key] = names
    if _GROUP.search(_AT.sub(" ", spoken)):
        realm.grouped.add(key)


def _write_reactions(realm: _Realm) -> None:
    for file, row in [*realm.rows("reaction"), *realm.reactions]:
        post, person, name = as_id(row.get("message")), as_id(row.get("user_profile")), as_text(row.get("emoji_name"))
        if post is None or name is None:
            realm.log.reject("signals", "missing_value", file=file, position=f"id {as_id(row.get('id'))}")
        elif post not in realm.seen:
            realm.log.withhold("signals", "message_not_kept", file=file)
        else:
            realm.log.add("signals", post_id=post, person_id=person, kind=f"emoji:{name}")


def _write_reads(realm: _Realm) -> None:
    """Who read which message (own messages apart), and who starred it. The time of reading is not recorded."""
    posts = realm.log.table("posts").select("post_id", "author_id")
    for frame in realm.seen_by:
        rows = frame.with_columns(pl.col("person_id", "file").cast(pl.String)).join(posts, on="post_id", how="left")
        state = (
            pl.when(pl.col("author_id").is_null() | pl.col("person_id").is_null())
            .then(pl.lit("message_not_kept"))
            .when(pl.col("author_id") == pl.col("person_id"))
            .then(pl.lit("own_message"))
            .when(pl.col("mask") & _READ == 0)
            .then(pl.lit("not_read"))
            .otherwise(pl.lit("read"))
        )
        rows = rows.with_columns(state.alias("state"))
        for reason, n in rows.filter(pl.col("state") != "read").group_by("state").len().iter_rows():
            realm.log.withhold("events", reason, file=rows["file"][0], n=n)
        read = rows.filter(pl.col("state") == "read")
        realm.log.add_frame("events", _filled(read, EVENTS, object=pl.col("post_id"), kind=pl.lit("read")))
        starred = rows.filter((pl.col("mask") & _STARRED != 0) & (pl.col("state") != "message_not_kept"))
        realm.log.derive_frame("signals", _filled(starred, SIGNALS, kind=pl.lit("bookmark")))


def _filled(frame: pl.DataFrame, table: Table, **columns: pl.Expr) -> pl.DataFrame:
    """Rows of a canonical table; columns not given are empty, and each row counts once."""
    facts = {"at": pl.lit(None, pl.Datetime("us", "UTC")), "n": pl.lit(1, pl.Int64), **columns}
    return frame.with_columns(**facts).select(list(table.columns))


def _write_mentions(realm: _Realm) -> None:
    """A name in the text, or the server's own mark; those marked through a group only are not personal mentions."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for person, name in realm.people.items():
        by_name[name].append(person)
    marked = _marked(realm)
    said = {(key, person) for key, names in realm.named.items() for person in _resolve(realm, key, names, by_name)}
    for key, person in said:
        basis = "structured" if (key, person) in marked else "markup"
        realm.log.add("mentions", post_id=key, person_id=person, basis=basis)
    for key, person in marked - said:
        if key in realm.grouped:
            realm.log.withhold("mentions", "through_a_group", file="")
        else:
            realm.log.add("mentions", post_id=key, person_id=person, basis="structured")


def _marked(realm: _Realm) -> set[tuple[str, str]]:
    pairs: set[tuple[str, str]] = set()
    for frame in realm.seen_by:
        rows = frame.filter(pl.col("mask") & _MENTIONED != 0).select("post_id", pl.col("person_id").cast(pl.String))
        pairs |= {(key, person) for key, person in rows.iter_rows() if key in realm.seen and person is not None}
    return pairs


def _resolve(realm: _Realm, key: str, names: set[str], by_name: dict[str, list[str]]) -> Iterator[str]:
    for name in sorted(names):
        plain = name.removeprefix("name:")
        if not name.startswith("name:"):
            yield name
        elif plain.lower() in _BROADCAST:
            realm.log.withhold("mentions", "broadcast", file="")
        elif len(by_name.get(plain, ())) == 1:
            yield by_name[plain][0]
        else:
            realm.log.withhold("mentions", "unknown_person", file="")


def _finish_posts(realm: _Realm) -> None:
    """The first message of a topic is its root; a quoted message is a parent when it is earlier in the same topic."""
    posts = realm.log.table("posts")
    order = posts.select(
        "post_id", "thread_id", "created_at", pl.col("post_id").cast(pl.Int64, strict=False).alias("_n")
    )
    firsts = order.sort("thread_id", "created_at", "_n", "post_id").group_by("thread_id").first()["post_id"]
    above = posts.select(
        pl.col("post_id").alias("parent_id"), pl.col("thread_id").alias("_thread"), pl.col("created_at").alias("_at")
    )
    joined = posts.join(above, on="parent_id", how="left", maintain_order="left")
    kept = (joined["_thread"] == joined["thread_id"]) & (joined["_at"] <= joined["created_at"])
    kept = kept.fill_null(value=False) & (posts["parent_id"] != posts["post_id"]).fill_null(value=False)
    lost = posts["parent_id"].is_not_null().sum() - int(kept.sum())
    if lost:
        realm.log.note(
            "posts", "quotes_another_topic", detail=f"{lost:,} quoted messages are not earlier in the same topic"
        )
    finished = posts.with_columns(
        pl.when(kept).then(pl.col("parent_id")).alias("parent_id"),
        pl.when(kept).then(pl.lit("quote")).otherwise(pl.lit("none")).alias("parent_basis"),
        pl.when(pl.col("post_id").is_in(firsts.implode()))
        .then(pl.lit("root"))
        .otherwise(pl.lit("reply"))
        .alias("kind"),
    )
    realm.log.replace("posts", finished)


READERS = (Reader("zulip", "Zulip export", _recognise, read_zulip, CAPABILITIES),)
