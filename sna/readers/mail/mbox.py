"""Mailing lists: mbox files of Mailman, Google Groups and Vault, groups.io; pipermail's text archives; single mails."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import polars as pl

from sna.formats.container import Container
from sna.formats.csv import iter_csv, peek_header, plain_header
from sna.forum import Forum
from sna.readers.collect import Collector, Reader, ReadOptions, clean_text, from_iso, show_progress
from sna.readers.mail.messages import Mail, decode_words, mail_text, parse_mail, split_mbox, starts_like_mbox
from sna.readers.mail.senders import (
    Sender,
    identify,
    is_automatic_reply,
    is_generated,
    is_machine,
    read_sender,
)
from sna.readers.mail.text import base_subject, own_words
from sna.readers.mail.threads import Letter, thread_mails

CAPABILITIES = {
    "reply_parent": "yes",
    "threads": "yes",
    "spaces": "yes",
    "mentions": "no",
    "reactions": "no",
    "acceptance": "no",
    "roster": "no",
    "memberships": "no",
    "text": "yes",
    "exact_times": "yes",
}
_MBOX = r".*\.(?:mbox|mbx|mail|txt)|(?:.*/)?[^./]+"
_EML = r".*\.eml"
_PEEKED_FILES = 40
_HEAD = 8192
_ID = re.compile(r"<([^<>\s]{1,998})>")
_TAG = re.compile(r"^(?:re|aw|fwd?|sv)?:?\s*\[([^\[\]]{1,80})\]", re.IGNORECASE)
_STAMP = re.compile(
    r"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d(?::\d\d)?)(?: [+-]\d{4}| [A-Z]{2,4})? (\d{4})"
)
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES, start=1)}
_DATE = re.compile(
    rf"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?([0-9]{{1,2}}) ({'|'.join(_MONTHS)}) ([12][0-9]{{3}}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([01][0-9])([0-5][0-9])"
)
_LATE, _EARLY = timedelta(days=2), timedelta(days=300)
_YEARS = range(1980, 2200)


def _recognise(container: Container) -> str | None:
    boxes = _boxes(container, limit=_PEEKED_FILES)
    if boxes:
        return f"{boxes[0]} begins like an mbox"
    for name in container.match(_EML)[:1]:
        headers = parse_mail(container.peek(name)).headers
        if "from" in headers and ("date" in headers or "message-id" in headers):
            return f"{name} is a mail"
    return None


def _boxes(container: Container, *, limit: int | None = None) -> list[str]:
    names = container.match(_MBOX)
    return [name for name in names[:limit] if starts_like_mbox(container.peek(name, _HEAD))]


def _read(container: Container, options: ReadOptions) -> Forum:
    boxes, singles = _boxes(container), container.match(_EML)
    reading = _Reading(Collector("mbox"))
    for name in show_progress(boxes, options, what="Mail archives"):
        for number, data in enumerate(split_mbox(container, name), start=1):
            reading.take(parse_mail(data), name, number=number)
    for name in show_progress(singles, options, what="Mails"):
        with container.open(name) as stream:
            reading.take(parse_mail(stream.read()), name, number=1)
    members = _read_members(container, reading.log)
    reading.finish(default_space=re.sub(r"\.(mbox|zip|gz|tar|tgz|eml)", "", container.path.name))
    listed = {"memberships": "yes", "roster": "partial", "platform_role": "partial"}
    capabilities = {**CAPABILITIES, **(listed if members else {})}
    return reading.log.forum(
        capabilities=capabilities, files=(*boxes, *singles, *members), coverage="mail sent to lists"
    )


@dataclass
class _Reading:
    """Posts go to the log at once; what threading and identity need stays here until all mails are seen."""

    log: Collector
    letters: list[Letter] = field(default_factory=list)
    senders: dict[str, Sender] = field(default_factory=dict)
    seen: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    machines: Counter[Sender] = field(default_factory=Counter)
    sent: Counter[Sender] = field(default_factory=Counter)
    tags: Counter[str] = field(default_factory=Counter)

    def take(self, mail: Mail, file: str, *, number: int) -> None:
        """One mail: a post, or withheld when a machine answered for somebody."""
        headers = mail.headers
        subject = " ".join(decode_words(headers.get("subject", "")).split())
        if is_automatic_reply(headers, subject):
            self.log.withhold("posts", "automatic_reply", file=file)
            return
        text, trouble = mail_text(mail)
        text = own_words(text)
        position = f"message {number}"
        if trouble:
            self.log.note("posts", "mime_damaged", file=file, position=position, detail=trouble)
        at, basis = read_time(mail)
        if basis != "date":
            self.log.note("posts", f"time_from_{basis}", kind="repaired", file=file, position=position)
        sender = read_sender(headers)
        post_id = self._post_id(headers, (str(at), text), file, position)
        self._keep(post_id, sender, headers)
        base, is_reply = base_subject(subject)
        self.letters.append(Letter(post_id, references(headers, post_id), base, is_reply, at))
        self.log.add(
            "posts",
            post_id=post_id,
            thread_id=post_id,
            author_id=post_id,
            created_at=at,
            space=_space(headers, subject, self.tags),
            title=clean_text(subject),
            text=clean_text(text),
        )

    def _keep(self, post_id: str, sender: Sender, headers: Mapping[str, str]) -> None:
        self.senders[post_id] = sender
        self.sent[sender] += 1
        self.machines[sender] += is_generated(headers)

    def _post_id(self, headers: Mapping[str, str], facts: tuple[str, str], file: str, position: str) -> str:
        """The Message-ID; made from the content where it is missing. Other content under a used id gets its own."""
        digest = hashlib.sha256(repr(facts).encode("utf-8", "replace")).hexdigest()[:20]
        found = _ID.search(headers.get("message-id", ""))
        if not found:
            self.log.note("posts", "missing_id", kind="repaired", file=file, position=position)
        key = found[1] if found else f"sha256:{digest}"
        self.seen[key].append(digest)
        return f"{key}#{digest}"

    def finish(self, *, default_space: str) -> None:
        """Give final ids, thread the mails, name their authors and spaces."""
        final = self._final_ids()
        letters = {
            final[x.post_id]: Letter(final[x.post_id], x.references, x.subject, x.is_reply, x.at) for x in self.letters
        }
        places = thread_mails(letters.values())
        persons = identify(self.senders.values())
        space = self._main_tag() or default_space
        rows = []
        for key, sender in self.senders.items():
            post, place = final[key], places[final[key]]
            kind = "root" if place.parent_id is None and place.thread_id == post else "reply"
            author = persons[sender] or None
            rows.append((key, post, place.thread_id, place.parent_id, place.basis, kind, author))
        names = ["post_id", "_id", "_thread", "parent_id", "parent_basis", "kind", "_author"]
        known = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
        posts = self.log.table("posts").drop("parent_id", "parent_basis", "kind")
        joined = posts.join(known, on="post_id", how="left", maintain_order="left").sort(
            "post_id", "space", maintain_order=True
        )
        self.log.replace(
            "posts",
            joined.drop("post_id", "thread_id", "author_id")
            .rename({"_id": "post_id", "_thread": "thread_id", "_author": "author_id"})
            .with_columns(pl.col("space").fill_null(space)),
        )
        self._people(persons)

    def _final_ids(self) -> dict[str, str]:
        """Provisional key to post id: the plain id for the first content seen under it, by order of content."""
        final = {}
        for key, digests in self.seen.items():
            first, *others = sorted(set(digests))
            final[f"{key}#{first}"] = key
            for digest in others:
                final[f"{key}#{digest}"] = f"{key}#{digest[:8]}"
                self.log.note("posts", "id_reused", kind="repaired", position=f"post_id {key}#{digest[:8]}")
        return final

    def _main_tag(self) -> str | None:
        """The list's tag in subjects, when at least half of the mails without a list header have it."""
        tag, n = min(self.tags.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
        return tag if tag and 2 * n >= self.tags.total() else None

    def _people(self, persons: Mapping[Sender, str]) -> None:
        names: dict[str, Counter[str]] = defaultdict(Counter)
        sent: Counter[str] = Counter()
        machine: Counter[str] = Counter()
        clear = {}
        for sender, n in self.sent.items():
            person = persons[sender]
            if not person:
                continue
            sent[person] += n
            machine[person] += self.machines[sender]
            names[person][sender.name or ""] += n
            if sender.address and not sender.hidden:
                clear[person] = sender.address
        for person in sorted(set(self.log.table("memberships")["person_id"]) - sent.keys()):
            self.log.derive("people", person_id=person, email=person)
        for person in sorted(sent):
            is_bot = is_machine(clear.get(person)) or machine[person] == sent[person]
            name = min(names[person].items(), key=lambda item: (item[0] == "", -item[1], item[0]))[0]
            kind = "bot" if is_bot else "human"
            self.log.derive("people", person_id=person, name=name or None, email=clear.get(person), kind=kind)


def references(headers: Mapping[str, str], own: str) -> tuple[str, ...]:
    """Ids from the oldest ancestor to the parent: References, else the last id in In-Reply-To.

    Examples
    --------
    >>> references({"in-reply-to": "Your message of Monday <a@x> <b@x>"}, "c@x")
    ('b@x',)
    """
    chain = _ID.findall(headers.get("references", ""))
    if not chain:
        chain = _ID.findall(headers.get("in-reply-to", ""))[-1:]
    return tuple(chain[-100:])


def read_time(mail: Mail) -> tuple[datetime | None, str]:
    """When a mail was sent, and from where that is known: "date", else "received", "separator" or "nowhere".

    A Date that lies after the mail's arrival, or far before it, comes from a wrong clock and is not used.
    """
    received = _parsed(mail.headers.get("received", "").rpartition(";")[2])
    date = _parsed(mail.headers.get("date", ""))
    if date and (received is None or -_EARLY < date - received < _LATE):
        return date, "date"
    if received:
        return received, "received"
    stamp = _separator_time(mail.separator)
    return (stamp, "separator") if stamp else (None, "nowhere")


def _parsed(value: str) -> datetime | None:
    usual = _DATE.fullmatch(value.strip())
    if usual:
        return _usual_date(*usual.groups())
    try:
        found = parsedate_to_datetime(value.strip())
        moment = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.year in _YEARS else None


def _usual_date(day: str, month: str, year: str, *rest: str) -> datetime | None:
    """A date as RFC 5322 writes it."""
    hour, minute, second, east, zone_hours, zone_minutes = rest
    away = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    try:
        local = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        moment = local - away if east == "+" else local + away
    except (ValueError, OverflowError):
        return None
    return moment if moment.year in _YEARS else None


def _separator_time(separator: str) -> datetime | None:
    found = _STAMP.search(separator)
    return _parsed("{1} {0} {3} {2} +0000".format(*found.groups())) if found else None


def _space(headers: Mapping[str, str], subject: str, tags: Counter[str]) -> str | None:
    """List-Id, else the list's address; null (filled in later) for archives that keep neither."""
    listed = re.search(r"<([^<>]+)>|^([^<>\s]+)$", headers.get("list-id", ""))
    space = (listed[1] or listed[2]) if listed else headers.get("x-beenthere", "").replace("@", ".") or None
    if space is None:
        tag = _TAG.match(subject)
        tags[tag[1] if tag else ""] += 1
    return clean_text(space.casefold()) if space else None


def _read_members(container: Container, log: Collector) -> list[str]:
    """Group memberships of a Google Vault export."""
    used = []
    for name in container.match(r".*member[^/]*\.csv"):
        header = [plain_header(cell) for cell in peek_header(container, name)]
        columns = {
            key: next((column for column in header if re.search(rule, column)), None)
            for key, rule in (
                ("person", r"member.*(mail|address)|^member$"),
                ("space", "group"),
                ("at", "join|date|time"),
            )
        }
        role = next((column for column in header if "role" in column), None)
        if columns["person"] and columns["space"]:
            used.append(name)
            for line, row in iter_csv(container, name):
                _take_member(row, {**columns, "role": role}, log, file=name, line=line)
    return used


def _take_member(
    row: Mapping[str, str], columns: Mapping[str, str | None], log: Collector, *, file: str, line: int
) -> None:
    cells = {key: (row.get(column) or "").strip() if column else "" for key, column in columns.items()}
    person, space = cells["person"].casefold(), cells["space"].casefold().replace("@", ".")
    if "@" not in person or not space:
        log.reject("memberships", "bad_address", file=file, position=f"line {line}")
        return
    log.add("memberships", person_id=person, space=space, valid_from=from_iso(cells["at"]) or _parsed(cells["at"]))
    if cells["role"]:
        log.add("roles", person_id=person, attribute="platform_role", value=cells["role"].lower())


READERS = (Reader("mbox", "Mailing list (mbox)", _recognise, _read, CAPABILITIES),)
