"""Mailing lists: mbox files of Mailman, Google Groups and Vault, groups.io; pipermail's text archives; single mails."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sna.formats.container import Container
from sna.formats.csv import iter_csv, peek_header, plain_header
from sna.formats.times import from_iso, from_mail_date
from sna.forum import Forum
from sna.readers.collect import Collector, Reader, ReadOptions, clean_text, levels_of, show_progress
from sna.readers.mail.messages import Mail, decode_words, mail_text, parse_mail, split_mbox, starts_like_mbox
from sna.readers.mail.rewritten import Origin, find_authors, read_origin
from sna.readers.mail.senders import Sender, identify, is_automatic_reply, is_generated, is_machine
from sna.readers.mail.text import base_subject, own_words
from sna.readers.mail.threads import Letter, thread_mails

CAPABILITIES = levels_of(yes="reply_parent threads spaces text exact_times")
_MBOX = r".*\.(?:mbox|mbx|mail|txt)|(?:.*/)?[^./]+"
_EML = r".*\.eml"
_PEEKED_FILES = 40
_HEAD = 8192
_ID = re.compile(r"<([^<>\s]{1,998})>")
_TAG = re.compile(r"^(?:re|aw|fwd?|sv)?:?\s*\[([^\[\]]{1,80})\]", re.IGNORECASE)
_STAMP = re.compile(
    r"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d(?::\d\d)?)(?: [+-]\d{4}| [A-Z]{2,4})? (\d{4})"
)
_LATE, _EARLY = timedelta(days=2), timedelta(days=300)


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
            reading.take(data, name, number=number)
    for name in show_progress(singles, options, what="Mails"):
        with container.open(name) as stream:
            reading.take(stream.read(), name, number=1)
    members = _read_members(container, reading.log)
    reading.finish(default_space=re.sub(r"\.(mbox|zip|gz|tar|tgz|eml)", "", container.path.name))
    listed = {"memberships": "yes", "roster": "partial", "platform_role": "partial"}
    capabilities = {**CAPABILITIES, **(listed if members else {})}
    return reading.log.forum(
        capabilities=capabilities, files=(*boxes, *singles, *members), coverage="mail sent to lists"
    )


@dataclass(frozen=True)
class _Draft:
    """One mail, until all are seen: only then are its thread, its author and its space known."""

    key: str
    digest: str
    origin: Origin
    letter: Letter
    is_generated: bool
    row: Mapping[str, Any]


@dataclass
class _Reading:
    """Mails taken so far; a machine's answers in a person's name are withheld."""

    log: Collector
    drafts: list[_Draft] = field(default_factory=list)
    tags: Counter[str] = field(default_factory=Counter)

    def take(self, data: bytes, file: str, *, number: int) -> None:
        """One mail, with a note of what had to be mended."""
        mail = parse_mail(data)
        headers = mail.headers
        subject = " ".join(decode_words(headers.get("subject", "")).split())
        if is_automatic_reply(headers, subject):
            self.log.withhold("posts", "automatic_reply", file=file)
            return
        text, trouble = mail_text(mail)
        text = own_words(text)
        at, basis = read_time(mail)
        found = _ID.search(headers.get("message-id", ""))
        notes = [("mime_damaged", "note", trouble)] if trouble else []
        notes += [(f"time_from_{basis}", "repaired", "")] if basis != "date" else []
        notes += [] if found else [("missing_id", "repaired", "")]
        for reason, kind, detail in notes:
            self.log.note("posts", reason, kind=kind, file=file, position=f"message {number}", detail=detail)
        digest = hashlib.sha256(repr((str(at), text)).encode("utf-8", "replace")).hexdigest()[:20]
        key = found[1] if found else f"sha256:{digest}"
        letter = Letter(key, references(headers), *base_subject(subject), at)
        space = _space(headers, subject, self.tags)
        row = {"created_at": at, "space": space, "title": clean_text(subject), "text": clean_text(text)}
        self.drafts.append(_Draft(key, digest, read_origin(headers), letter, is_generated(headers), row))

    def finish(self, *, default_space: str) -> None:
        """Give final ids, thread the mails, name their authors and spaces."""
        final = self._final_ids()
        ids = [final[draft.key, draft.digest] for draft in self.drafts]
        letters = {post: replace(draft.letter, post_id=post) for post, draft in zip(ids, self.drafts, strict=True)}
        places = thread_mails(letters.values())
        senders = find_authors([draft.origin for draft in self.drafts])
        persons = identify(senders)
        space = self._main_tag() or default_space
        authors: dict[str, str] = {}
        for post, sender in zip(ids, senders, strict=True):
            authors[post] = min(authors.get(post, ""), persons[sender], key=_clearest)
        for draft, post in zip(self.drafts, ids, strict=True):
            place, letter = places[post], draft.letter
            begins = place.parent_id is None and place.thread_id == post and not (letter.references or letter.is_reply)
            facts = {
                "post_id": post,
                "thread_id": place.thread_id,
                "parent_id": place.parent_id,
                "parent_basis": place.basis,
                "author_id": authors[post] or None,
                "kind": "root" if begins else "reply",
            }
            self.log.add("posts", **{**draft.row, **facts, "space": draft.row["space"] or space})
        self._people([(persons[sender], sender) for sender in senders])

    def _final_ids(self) -> dict[tuple[str, str], str]:
        """Post ids: the Message-ID for the first content seen under it, by order of content; its own for any other."""
        contents: dict[str, set[str]] = defaultdict(set)
        for draft in self.drafts:
            contents[draft.key].add(draft.digest)
        final = {}
        for key, digests in contents.items():
            first, *others = sorted(digests)
            final[key, first] = key
            for digest in others:
                final[key, digest] = f"{key}#{digest[:8]}"
                self.log.note("posts", "id_reused", kind="repaired", position=f"post_id {key}#{digest[:8]}")
        return final

    def _main_tag(self) -> str | None:
        """The list's tag in subjects, when at least half of the mails without a list header have it."""
        tag, n = min(self.tags.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
        return tag if tag and 2 * n >= self.tags.total() else None

    def _people(self, authors: Sequence[tuple[str, Sender]]) -> None:
        names: dict[str, Counter[str]] = defaultdict(Counter)
        machine: Counter[str] = Counter()
        clear = {}
        for draft, (person, sender) in zip(self.drafts, authors, strict=True):
            machine[person] += draft.is_generated
            names[person][sender.name or ""] += 1
            if sender.address and not sender.hidden:
                clear[person] = sender.address
        for person in sorted(set(self.log.table("memberships")["person_id"]) - names.keys()):
            self.log.derive("people", person_id=person, email=person)
        for person in sorted(names.keys() - {""}):
            is_bot = is_machine(clear.get(person)) or machine[person] == names[person].total()
            name = min(names[person].items(), key=lambda item: (item[0] == "", -item[1], item[0]))[0]
            kind = "bot" if is_bot else "human"
            self.log.derive("people", person_id=person, name=name or None, email=clear.get(person), kind=kind)


def _clearest(person: str) -> tuple[bool, bool, str]:
    """Of the authors that copies of one mail name, the first in this order is its author: one with an address."""
    return not person, person.startswith("name:"), person


def references(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Ids from the oldest ancestor to the parent: References, else the last id in In-Reply-To.

    Examples
    --------
    >>> references({"in-reply-to": "Your message of Monday <a@x> <b@x>"})
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
    received = from_mail_date(mail.headers.get("received", "").rpartition(";")[2])
    date = from_mail_date(mail.headers.get("date", ""))
    if date and (received is None or -_EARLY < date - received < _LATE):
        return date, "date"
    if received:
        return received, "received"
    found = _STAMP.search(mail.separator)
    stamp = from_mail_date("{1} {0} {3} {2} +0000".format(*found.groups())) if found else None
    return (stamp, "separator") if stamp else (None, "nowhere")


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
    log.add(
        "memberships", person_id=person, space=space, valid_from=from_iso(cells["at"]) or from_mail_date(cells["at"])
    )
    if cells["role"]:
        log.add("roles", person_id=person, attribute="platform_role", value=cells["role"].lower())


READERS = (Reader("mbox", "Mailing list (mbox)", _recognise, _read, CAPABILITIES),)
