"""Viva Engage (Yammer): the network export, one folder of CSV files per network, whole or in slices by date."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from sna.forum import Forum
from sna.readers.collect import Collector, Reader, ReadOptions, clean_text, from_iso, show_progress
from sna.readers.container import Container
from sna.readers.csvrows import iter_csv, peek_header, plain_header
from sna.readers.markup import html_to_text, tidy_text
from sna.schema import MENTIONS

CAPABILITIES = {
    "reply_parent": "yes",
    "threads": "yes",
    "spaces": "yes",
    "mentions": "yes",
    "reactions": "no",
    "acceptance": "no",
    "roster": "partial",
    "memberships": "no",
    "platform_role": "no",
    "org_attributes": "partial",
    "deleted_posts": "yes",
    "edits": "partial",
    "text": "yes",
    "exact_times": "yes",
}
_NEEDED = {"id", "thread_id", "replied_to_id", "sender_id", "created_at"}
_FILES = (
    *("users", "admins", "groups", "topics", "campaigns", "messageversions", "messages"),
    *("likedmessages", "bestreplymessages"),
)
"""Files we use, in the order they are read; what comes with them (pages, attachments) is left alone."""

_ID = re.compile(r"-?\d{1,19}")
_USER = re.compile(r"\[\[user:(\d{1,19})(?:[:|][^\]]{0,200})?\]\]")
_TAG = re.compile(r"\[\[tag:(\d{1,19})(?:[:|][^\]]{0,200})?\]\]")
_UNTIL = re.compile(r"until\s*[=:]\s*([0-9][0-9T:.+\-Z ]{8,34})", re.IGNORECASE)
_PROFILE = ("job_title", "department", "location")

Row = Mapping[str, str]


def _recognise(container: Container) -> str | None:
    for name in _named(container, "messages"):
        if {plain_header(cell) for cell in peek_header(container, name)} >= _NEEDED:
            return f"{name} has the columns of a Viva Engage (Yammer) network export"
    return None


def _named(container: Container, stem: str) -> list[str]:
    return container.match(rf"(?:.*/)?{stem}(?:[-_. ]?\d[\w.\- ]*)?\.csv")


def _read(container: Container, options: ReadOptions) -> Forum:
    reading = _Reading(Collector("viva_engage"), options)
    used = [(stem, name) for stem in _FILES for name in _named(container, stem)]
    for stem, name in show_progress(used, options, what="Viva Engage files"):
        take = getattr(reading, f"take_{stem}")
        for line, row in iter_csv(container, name):
            take(row, name, line)
    reading.finish()
    return reading.log.forum(
        capabilities=_capabilities({stem for stem, _ in used}),
        coverage="all groups and conversations" if options.include_private else "public groups",
        exported_at=_exported_at(container),
        files=[name for _, name in used],
    )


def _capabilities(stems: Iterable[str]) -> dict[str, str]:
    raised = {"likedmessages": "reactions", "bestreplymessages": "acceptance", "admins": "platform_role"}
    return {**CAPABILITIES, **{raised[stem]: "partial" for stem in stems if stem in raised}}


def _exported_at(container: Container) -> datetime | None:
    """End of the period asked for, from request.txt."""
    times = []
    for name in container.match(r"(?:.*/)?request\.txt"):
        text = container.peek(name).decode("utf-8", "replace")
        times += [moment(found.strip()) for found in _UNTIL.findall(text)]
    return max((time for time in times if time is not None), default=None)


@dataclass
class _Reading:
    """What is known so far: names of groups and topics, which groups are private, when messages were edited."""

    log: Collector
    options: ReadOptions
    groups: dict[str, str] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    topics: dict[str, str] = field(default_factory=dict)
    edited: dict[str, datetime] = field(default_factory=dict)
    senders: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    named: dict[str, tuple[str, str]] = field(default_factory=dict)
    facts: dict[tuple[str, str], str] = field(default_factory=dict)
    mentions: list[tuple[str, str, str]] = field(default_factory=list)
    withheld: set[str] = field(default_factory=set)

    def take_users(self, row: Row, file: str, line: int) -> None:
        person = self._id(row, "people", file, line)
        if person is None:
            return
        left = _time(row, "deleted_at") or _time(row, "suspended_at")
        self.log.add(
            "people",
            person_id=person,
            name=cell(row, "name"),
            email=_email(row, "email"),
            joined_at=_time(row, "joined_at"),
            left_at=left,
        )
        for attribute in _PROFILE:
            if value := cell(row, attribute):
                self.facts[person, attribute] = value

    def take_admins(self, row: Row, file: str, line: int) -> None:
        person = _first(row, "user_id", "id")
        if person is None or not _ID.fullmatch(person):
            self.log.reject("roles", "bad_id", file=file, position=f"line {line}", detail=person or "")
            return
        role = _first(row, "role", "admin_type", "type") or "admin"
        self.facts[person, "platform_role"] = role

    def take_groups(self, row: Row, file: str, line: int) -> None:
        group, name = cell(row, "id"), cell(row, "name")
        if group and name:
            self.groups[group] = max(name, self.groups.get(group, name))
        if group and (_is_true(row, "private") or (cell(row, "privacy") or "").lower() == "private"):
            self.shut.add(group)

    def take_topics(self, row: Row, file: str, line: int) -> None:
        if (topic := cell(row, "id")) and (name := cell(row, "name")):
            self.topics[topic] = name

    def take_campaigns(self, row: Row, file: str, line: int) -> None:
        name = cell(row, "name") or cell(row, "hashtag")
        if not name:
            self.log.reject("campaigns", "missing_value", file=file, position=f"line {line}")
            return
        self.log.add(
            "campaigns",
            campaign_id=_first(row, "id", "campaign_id", "hashtag") or name,
            name=name,
            kind="other",
            starts_at=_time(row, "starts_at", "start_date", "created_at", "creation_date", "created"),
            ends_at=_time(row, "ends_at", "end_date", "ended_at", "closed_at"),
            audience=cell(row, "hashtag"),
        )

    def take_messageversions(self, row: Row, file: str, line: int) -> None:
        message, when = _first(row, "message_id", "id"), _time(row, "updated_at", "edited_at", "created_at")
        if message and when:
            self.edited[message] = max(when, self.edited.get(message, when))

    def take_messages(self, row: Row, file: str, line: int) -> None:
        message = self._id(row, "posts", file, line)
        if message is None:
            return
        reason = self._reason(row)
        if reason:
            self.withheld.add(message)
            self.log.withhold("posts", reason, file=file)
            return
        self._sender(row)
        self._group(row)
        self._post(message, row, file, line)

    def _reason(self, row: Row) -> str | None:
        """Why a message is not read: system message, private conversation, private group."""
        if (cell(row, "message_type") or "").lower() == "system":
            return "system_message"
        if self.options.include_private:
            return None
        if _is_true(row, "in_private_conversation"):
            return "private_message"
        return "private_group" if _is_true(row, "in_private_group") or cell(row, "group_id") in self.shut else None

    def _sender(self, row: Row) -> None:
        """The sender as the newest message shows them, for those Users.csv does not list."""
        person = cell(row, "sender_id")
        if person:
            kind = "human" if (cell(row, "sender_type") or "user").lower() in ("user", "guest") else "bot"
            name, email = cell(row, "sender_name") or "", _email(row, "sender_email") or ""
            seen = (cell(row, "created_at") or "", name, email, kind)
            self.senders[person] = max(seen, self.senders.get(person, seen))

    def _group(self, row: Row) -> None:
        group, name, when = cell(row, "group_id"), cell(row, "group_name"), cell(row, "created_at") or ""
        if group and name:
            self.named[group] = max((when, name), self.named.get(group, ("", "")))

    def _post(self, message: str, row: Row, file: str, line: int) -> None:
        thread, replied = cell(row, "thread_id") or cell(row, "conversation_id"), cell(row, "replied_to_id")
        thread = thread or (message if replied is None else cell(row, "parent_id"))
        if thread is None:
            self.log.reject("posts", "missing_value", file=file, position=f"line {line}", detail="thread_id")
            return
        root = message == thread
        parent = None if root else replied or thread
        created = _time(row, "created_at")
        if created is None:
            self.log.note("posts", "time_unreadable", file=file, position=f"line {line}")
        self.log.add(
            "posts",
            post_id=message,
            thread_id=thread,
            parent_id=parent,
            parent_basis="none" if parent is None else "explicit" if replied else "root_default",
            author_id=cell(row, "sender_id"),
            created_at=created,
            space=cell(row, "group_id") or _conversation(row),
            kind="root" if root else "reply",
            title=cell(row, "title"),
            text=self._text(row),
            edited_at=_time(row, "edited_at"),
            deleted_at=_time(row, "deleted_at"),
        )
        for person in dict.fromkeys(_USER.findall(row.get("body", "") or row.get("html_body", ""))):
            self.mentions.append((message, person, "structured"))
        if (cell(row, "message_type") or "").lower() == "announcement":
            self._announcement(message, row, created)

    def _announcement(self, message: str, row: Row, created: datetime | None) -> None:
        self.log.derive(
            "campaigns",
            campaign_id=f"announcement:{message}",
            name=cell(row, "title") or "announcement",
            kind="push",
            starts_at=created,
            audience=cell(row, "group_id"),
        )

    def _text(self, row: Row) -> str:
        body = cell(row, "body")
        text = body.replace("\\r\\n", "\n").replace("\\n", "\n") if body else html_to_text(cell(row, "html_body"))
        text = _USER.sub(r"@\1", text)
        return tidy_text(_TAG.sub(lambda tag: f"#{self.topics.get(tag[1], tag[1])}", text))

    def take_likedmessages(self, row: Row, file: str, line: int) -> None:
        person = _first(row, "liked_by_id", "liker_id", "user_id", "liked_by")
        when = _time(row, "liked_at", "like_created_at") or (_time(row, "created_at") if "message_id" in row else None)
        self._signal("like", row, file, line, person=person, when=when)

    def take_bestreplymessages(self, row: Row, file: str, line: int) -> None:
        person = _first(row, "marked_by_id", "marked_best_by_id", "best_reply_by_id", "user_id")
        self._signal("accept", row, file, line, person=person, when=_time(row, "marked_at", "best_reply_at"))

    def _signal(self, kind: str, row: Row, file: str, line: int, *, person: str | None, when: datetime | None) -> None:
        message = _first(row, "best_reply_id", "best_reply_message_id", "message_id", "id")
        if message is None:
            self.log.reject("signals", "missing_value", file=file, position=f"line {line}", detail="message_id")
        elif message in self.withheld:
            self.log.withhold("signals", "private_space", file=file)
        else:
            self.log.add("signals", post_id=message, person_id=person, kind=kind, at=when)

    def _id(self, row: Row, table: str, file: str, line: int) -> str | None:
        value = cell(row, "id")
        if value is not None and _ID.fullmatch(value):
            return value
        reason = "id_rounded" if value and re.fullmatch(r"\d[.,]\d+[eE]\+?\d+", value) else "bad_id"
        self.log.reject(table, reason, file=file, position=f"line {line}", detail=value or "")
        return None

    def finish(self) -> None:
        """Name the spaces, add the senders Users.csv lacks, and put the newest of several copies of a row first."""
        posts = self.log.table("posts")
        edited = pl.DataFrame(
            list(self.edited.items()), schema={"post_id": pl.String, "_edited": posts.schema["edited_at"]}, orient="row"
        )
        names = _space_names({**{group: name for group, (_, name) in self.named.items()}, **self.groups})
        wide = posts.join(edited, on="post_id", how="left").with_columns(
            pl.coalesce("edited_at", "_edited").alias("edited_at"), pl.col("space").replace(names)
        )
        self.log.replace("posts", _newest_first(wide.drop("_edited"), ["deleted_at", "edited_at"]))
        campaigns = self.log.table("campaigns")
        self.log.replace("campaigns", campaigns.with_columns(pl.col("audience").replace(names)))
        self._finish_people()

    def _finish_people(self) -> None:
        people = _newest_first(self.log.table("people"), ["left_at", "joined_at"])
        self.log.replace("people", people)
        listed = set(people["person_id"])
        for person in sorted(self.senders.keys() - listed):
            _, name, email, kind = self.senders[person]
            self.log.derive("people", person_id=person, name=name or None, email=email or None, kind=kind)
        everybody = sorted(listed | self.senders.keys())
        if any(attribute == "platform_role" for _, attribute in self.facts):
            self.facts = {**{(person, "platform_role"): "member" for person in everybody}, **self.facts}
        for (person, attribute), value in sorted(self.facts.items()):
            self.log.add("roles", person_id=person, attribute=attribute, value=value)
        mentions = pl.DataFrame(self.mentions, schema=MENTIONS.schema, orient="row")
        self.log.add_frame("mentions", mentions.unique(maintain_order=True))


def _newest_first(frame: pl.DataFrame, times: list[str]) -> pl.DataFrame:
    """Slices of an export repeat rows; the copy that knows of the latest change stands, whatever the file order."""
    rest = [name for name in frame.columns if name not in times]
    return frame.sort([*times, *rest], descending=True, nulls_last=True)


def _space_names(names: Mapping[str, str]) -> dict[str, str]:
    """Group id to name; groups that share a name keep their id beside it."""
    times = Counter(names.values())
    return {group: name if times[name] == 1 else f"{name} ({group})" for group, name in names.items()}


def _conversation(row: Row) -> str | None:
    return "private message" if _is_true(row, "in_private_conversation") else None


def cell(row: Row, name: str) -> str | None:
    """A cell; None when empty, absent or the word null."""
    value = (row.get(name) or "").strip()
    return clean_text(value) if value and value.lower() != "null" else None


def _first(row: Row, *names: str) -> str | None:
    return next((value for name in names if (value := cell(row, name))), None)


def _email(row: Row, name: str) -> str | None:
    value = cell(row, name)
    return value.casefold() if value and "@" in value else None


def _is_true(row: Row, name: str) -> bool:
    return (row.get(name) or "").strip().lower() in ("true", "t", "1", "yes")


def _time(row: Row, *names: str) -> datetime | None:
    return next((when for name in names if (when := moment(cell(row, name)))), None)


def moment(value: str | None) -> datetime | None:
    """Time in the spellings of Yammer's exports, old and new.

    Examples
    --------
    >>> moment("2013/05/06 07:08:09 +0000") == moment("2013-05-06T07:08:09.000Z") == moment("2013-05-06 07:08:09 UTC")
    True
    """
    if not value:
        return None
    plain = value.replace("/", "-").removesuffix("UTC").strip()
    return from_iso(re.sub(r" ([+-]\d\d:?\d\d)$", r"\1", plain))


READERS = (Reader("viva_engage", "Viva Engage (Yammer) network export", _recognise, _read, CAPABILITIES),)
