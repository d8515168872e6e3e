"""Viva Engage (Yammer): the network export, one folder of CSV files per network, whole or in slices by date."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from sna.formats.container import Container
from sna.formats.csv import LINE, csv_frames, iter_csv, peek_header, plain_header
from sna.formats.json import pick_text
from sna.forum import Forum
from sna.readers.collect import Collector, Reader, ReadOptions, levels_of, show_progress
from sna.readers.viva_engage.messages import (
    cell,
    first_of,
    mention_rows,
    moment,
    newest,
    placed,
    post_rows,
    read_cells,
    read_like_cells,
)
from sna.schema import MENTIONS

CAPABILITIES = levels_of(
    yes="reply_parent threads spaces mentions deleted_posts text exact_times", partial="roster org_attributes edits"
)
_RAISED = {"likedmessages": "reactions", "bestreplymessages": "acceptance", "admins": "platform_role"}
_NEEDED = {"id", "thread_id", "replied_to_id", "sender_id", "created_at"}
_FILES = (
    *("users", "admins", "groups", "topics", "campaigns", "messageversions", "messages"),
    *("likedmessages", "bestreplymessages"),
)
"""Files we use, in the order they are read; what comes with them (pages, attachments) is left alone."""
_LARGE = frozenset({"messages", "likedmessages", "bestreplymessages"})

_ID = re.compile(r"-?\d{1,19}")
_UNTIL = re.compile(r"until\s*[=:]\s*([0-9][0-9T:.+\-Z ]{8,34})", re.IGNORECASE)
_PROFILE = ("job_title", "department", "location")

Row = Mapping[str, str | None]


def _recognise(container: Container) -> str | None:
    for name in _named(container, "messages"):
        if {plain_header(cell) for cell in peek_header(container, name)} >= _NEEDED:
            return f"{name} has the columns of a Viva Engage (Yammer) network export"
    return None


def _named(container: Container, stem: str) -> list[str]:
    return container.match(rf"(?:.*/)?{stem}(?:[-_. ]?\d[\w.\- ]*)?\.csv")


def _read(container: Container, options: ReadOptions) -> Forum:
    reading = _Reading(Collector("viva_engage", options))
    used = [(stem, name) for stem in _FILES for name in _named(container, stem)]
    for stem, name in show_progress(used, options, what="Viva Engage files"):
        take = getattr(reading, f"take_{stem}")
        if stem in _LARGE:
            for frame in csv_frames(container, name):
                take(frame, name)
        else:
            for line, row in iter_csv(container, name):
                take({key: cell(value) for key, value in row.items()}, name, line=line)
    reading.finish()
    return reading.log.forum(
        capabilities=CAPABILITIES | {_RAISED[stem]: "partial" for stem, _ in used if stem in _RAISED},
        coverage="all groups and conversations" if options.include_private else "public groups",
        exported_at=_exported_at(container),
        files=[name for _, name in used],
    )


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
    groups: dict[str, str] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    topics: dict[str, str] = field(default_factory=dict)
    edited: dict[str, datetime] = field(default_factory=dict)
    senders: dict[str, tuple[bool, str, str, str, str]] = field(default_factory=dict)
    named: dict[str, tuple[str, str]] = field(default_factory=dict)
    facts: dict[tuple[str, str], str] = field(default_factory=dict)
    mentions: list[pl.DataFrame] = field(default_factory=lambda: [MENTIONS.empty()])
    withheld: set[str] = field(default_factory=set)
    announced: dict[str, tuple[str, datetime | None, str]] = field(default_factory=dict)

    def take_users(self, row: Row, file: str, *, line: int) -> None:
        person = row.get("id")
        if person is None or not _ID.fullmatch(person):
            self._bad_id(person, "people", file, line)
            return
        left, email = _time(row, "deleted_at", "suspended_at"), row.get("email") or ""
        facts = {"name": row.get("name"), "email": email.casefold() if "@" in email else None}
        self.log.add("people", person_id=person, joined_at=_time(row, "joined_at"), left_at=left, **facts)
        self.facts |= {(person, attribute): value for attribute in _PROFILE if (value := row.get(attribute))}

    def take_admins(self, row: Row, file: str, *, line: int) -> None:
        person = pick_text(row, "user_id", "id")
        if person is None or not _ID.fullmatch(person):
            self.log.reject("roles", "bad_id", file=file, position=f"line {line}", detail=person or "")
            return
        self.facts[person, "platform_role"] = pick_text(row, "role", "admin_type", "type") or "admin"

    def take_groups(self, row: Row, file: str, *, line: int) -> None:
        group, name = row.get("id"), row.get("name")
        if group and name:
            self.groups[group] = max(name, self.groups.get(group, name))
        marked = (row.get("private") or "").lower() in ("true", "t", "1", "yes")
        if group and (marked or (row.get("privacy") or "").lower() == "private"):
            self.shut.add(group)

    def take_topics(self, row: Row, file: str, *, line: int) -> None:
        if (topic := row.get("id")) and (name := row.get("name")):
            self.topics[topic] = name

    def take_campaigns(self, row: Row, file: str, *, line: int) -> None:
        name = pick_text(row, "name", "hashtag")
        if not name:
            self.log.reject("campaigns", "missing_value", file=file, position=f"line {line}")
            return
        self.log.add(
            "campaigns",
            campaign_id=pick_text(row, "id", "campaign_id", "hashtag") or name,
            name=name,
            kind="other",
            starts_at=_time(row, "starts_at", "start_date", "created_at", "creation_date", "created"),
            ends_at=_time(row, "ends_at", "end_date", "ended_at", "closed_at"),
            audience=row.get("hashtag"),
        )

    def take_messageversions(self, row: Row, file: str, *, line: int) -> None:
        message, when = pick_text(row, "message_id", "id"), _time(row, "updated_at", "edited_at", "created_at")
        if message and when:
            self.edited[message] = max(when, self.edited.get(message, when))

    def take_messages(self, frame: pl.DataFrame, file: str) -> None:
        """Many messages: those kept become posts, the others are rejected or withheld."""
        cells = read_cells(frame)
        known = pl.col("id").str.contains(r"\A-?\d{1,19}\z").fill_null(False)
        for value, line in cells.filter(~known).select("id", LINE).iter_rows():
            self._bad_id(value, "posts", file, line)
        marked = cells.filter(known).with_columns(self._reason().alias("_reason"))
        hidden = marked.filter(pl.col("_reason").is_not_null())
        self.withheld.update(hidden["id"])
        for reason, n in hidden.group_by("_reason").len().iter_rows():
            self.log.withhold("posts", reason, file=file, n=n)
        messages = marked.filter(pl.col("_reason").is_null())
        self._senders(messages)
        self._groups(messages)
        self._posts(placed(messages), file)

    def _reason(self) -> pl.Expr:
        """Why a message is not read: system message, private conversation, private group."""
        system = pl.when(pl.col("message_type").str.to_lowercase() == "system").then(pl.lit("system_message"))
        if self.log.options.include_private:
            return system
        shut = pl.col("in_private_group") | pl.col("group_id").is_in(list(self.shut)).fill_null(False)
        private = system.when("in_private_conversation").then(pl.lit("private_message"))
        return private.when(shut).then(pl.lit("private_space"))

    def _senders(self, messages: pl.DataFrame) -> None:
        """Senders as the newest message that names them shows them, for those Users.csv does not list."""
        rows = newest(messages, "sender_id", "sender_type", "sender_name", "sender_email")
        for person, type_, name, email, said in rows.iter_rows():
            kind = "human" if (type_ or "user").lower() in ("user", "guest") else "bot"
            address = email.casefold() if email and "@" in email else ""
            seen = (bool(name), said, name or "", address, kind)
            self.senders[person] = max(seen, self.senders.get(person, seen))

    def _groups(self, messages: pl.DataFrame) -> None:
        for group, name, said in newest(messages, "group_id", "group_name").iter_rows():
            if name:
                self.named[group] = max((said, name), self.named.get(group, ("", "")))

    def _posts(self, messages: pl.DataFrame, file: str) -> None:
        for line in messages.filter(pl.col("_thread").is_null())[LINE]:
            self.log.reject("posts", "missing_value", file=file, position=f"line {line}", detail="thread_id")
        kept = messages.filter(pl.col("_thread").is_not_null())
        for line in kept.filter(pl.col("created_at").is_null())[LINE]:
            self.log.note("posts", "bad_time", file=file, position=f"line {line}")
        self.log.add_frame("posts", post_rows(kept, self.topics))
        self.mentions.append(mention_rows(kept))
        announced = kept.filter(pl.col("message_type").str.to_lowercase() == "announcement")
        for message, title, created, group in announced.select("id", "title", "created_at", "group_id").iter_rows():
            told = (title or "", created, group or "")
            self.announced[message] = max(told, self.announced.get(message, told), key=_rank)

    def _add_announcements(self) -> None:
        """One campaign for each announcement, however many slices of the export repeat it."""
        for message, (title, created, group) in sorted(self.announced.items()):
            facts = {"name": title or "announcement", "starts_at": created, "audience": group or None}
            self.log.derive("campaigns", campaign_id=f"announcement:{message}", kind="push", **facts)

    def take_likedmessages(self, frame: pl.DataFrame, file: str) -> None:
        """Who liked which message."""
        people = first_of(("liked_by_id", "liker_id", "user_id", "liked_by"))
        when = pl.coalesce("liked_at", "like_created_at", pl.when("_whole").then("created_at"))
        self._signals("like", read_like_cells(frame), file, person=people, when=when)

    def take_bestreplymessages(self, frame: pl.DataFrame, file: str) -> None:
        """Which reply was marked as the best."""
        people = first_of(("marked_by_id", "marked_best_by_id", "best_reply_by_id", "user_id"))
        when = pl.coalesce("marked_at", "best_reply_at")
        self._signals("accept", read_like_cells(frame), file, person=people, when=when)

    def _signals(self, kind: str, cells: pl.DataFrame, file: str, *, person: pl.Expr, when: pl.Expr) -> None:
        message = first_of(("best_reply_id", "best_reply_message_id", "message_id", "id"))
        rows = cells.select(
            LINE, message.alias("post_id"), person.alias("person_id"), pl.lit(kind).alias("kind"), when.alias("at")
        )
        for line in rows.filter(pl.col("post_id").is_null())[LINE]:
            self.log.reject("signals", "missing_value", file=file, position=f"line {line}", detail="message_id")
        named = rows.drop_nulls("post_id").drop(LINE)
        hidden = pl.col("post_id").is_in(list(self.withheld))
        if n := named.filter(hidden).height:
            self.log.withhold("signals", "private_space", file=file, n=n)
        self.log.add_frame("signals", named.filter(~hidden))

    def _bad_id(self, value: str | None, table: str, file: str, line: int) -> None:
        reason = "id_rounded" if value and re.fullmatch(r"\d[.,]\d+[eE]\+?\d+", value) else "bad_id"
        self.log.reject(table, reason, file=file, position=f"line {line}", detail=value or "")

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
        self._add_announcements()
        campaigns = self.log.table("campaigns")
        self.log.replace("campaigns", campaigns.with_columns(pl.col("audience").replace(names)))
        self._finish_people()

    def _finish_people(self) -> None:
        people = _newest_first(self.log.table("people"), ["left_at", "joined_at"])
        self.log.replace("people", people)
        listed = set(people["person_id"])
        for person in sorted(self.senders.keys() - listed):
            _, _, name, email, kind = self.senders[person]
            self.log.derive("people", person_id=person, name=name or None, email=email or None, kind=kind)
        everybody = sorted(listed | self.senders.keys())
        if any(attribute == "platform_role" for _, attribute in self.facts):
            self.facts = {**{(person, "platform_role"): "member" for person in everybody}, **self.facts}
        for (person, attribute), value in sorted(self.facts.items()):
            self.log.add("roles", person_id=person, attribute=attribute, value=value)
        self.log.add_frame("mentions", pl.concat(self.mentions).unique(maintain_order=True))


def _newest_first(frame: pl.DataFrame, times: list[str]) -> pl.DataFrame:
    """Slices of an export repeat rows; the copy that knows of the latest change stands, whatever the file order."""
    rest = [name for name in frame.columns if name not in times]
    return frame.sort([*times, *rest], descending=True, nulls_last=True)


def _space_names(names: Mapping[str, str]) -> dict[str, str]:
    """Group id to name; groups that share a name keep their id beside it."""
    times = Counter(names.values())
    return {group: name if times[name] == 1 else f"{name} ({group})" for group, name in names.items()}


def _rank(told: tuple[str, datetime | None, str]) -> tuple[str, str, str]:
    return told[0], str(told[1] or ""), told[2]


def _time(row: Row, *names: str) -> datetime | None:
    return next((when for name in names if (when := moment(row.get(name)))), None)


READERS = (Reader("viva_engage", "Viva Engage (Yammer) network export", _recognise, _read, CAPABILITIES),)
