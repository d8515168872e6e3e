"""Stack Internal (Stack Overflow for Teams, Enterprise) as JSON: the official export script and pages of its API.

``users.json, user_groups.json, tags.json, articles.json, questions_answers_comments.json``, in the spelling of API 2.3
(``question_id``, epoch seconds), of API v3 (``id``, ``creationDate``, ISO text) or mixed in one object, as the script
writes them; also single API responses with ``items``.

- ids get a letter for their kind (``q1`` question, ``a1`` answer, ``c1`` comment, ``article1``), for
  kinds are numbered apart.
- votes come as totals without names or times; who accepted an answer, and when, is not said.
- a deleted user has no id: their posts have no author.
- groups are memberships, subject-matter experts the attribute "sme_tag"; department and job title are snapshots.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from sna.formats.container import Container
from sna.formats.html import html_to_text
from sna.formats.json import as_dict, as_id, as_list, as_text, list_dicts, peek_json
from sna.formats.times import from_epoch, from_iso
from sna.forum import Forum
from sna.readers.collect import Collector, JsonFiles, Reader, ReadOptions, levels_of, show_progress
from sna.readers.stack.exchange import add_name_mentions

_STEMS = {
    "questions_answers_comments": "questions",
    "questions": "questions",
    "articles": "articles",
    "users": "users",
    "user_groups": "groups",
    "tags": "tags",
}
_KEYS = {"question_id": "questions", "article_id": "articles", "user_id": "users"}
_TARGETS = {"users": "people", "groups": "memberships", "tags": "roles", "articles": "posts", "questions": "posts"}
_PERSON_FACTS: dict[str, tuple[str, ...]] = {"platform_role": ("role", "user_type")}
_PERSON_FACTS |= {name: (name,) for name in ("reputation", "department", "job_title", "location")}
_TOTALS = {"upvote": "up_vote_count", "downvote": "down_vote_count", "bookmark": "favorite_count"}
_LOOKED_AT = 40
_MOST = 2**53
CAPABILITIES = levels_of(
    yes="reply_parent threads acceptance roster text exact_times",
    partial="spaces mentions reactions logins memberships platform_role org_attributes edits",
)
_NEEDS_FILE = {"users": ("roster", "org_attributes", "logins", "platform_role"), "groups": ("memberships",)}


def recognise(container: Container) -> str | None:
    """The script's file name with a list inside, or objects with a ``question_id``."""
    for name in container.match(r".*\.json")[:_LOOKED_AT]:
        likely = PurePosixPath(name).stem.lower() in _STEMS or b'"question_id"' in container.peek(name)
        if likely and _kind_of(container, name) == "questions":
            return f"{name} holds questions with their answers, as Stack Internal writes them"
    return None


def read(container: Container, options: ReadOptions) -> Forum:
    """Read one export or a folder of API responses."""
    into = Collector("stack_internal")
    files = JsonFiles(container, into)
    kinds: dict[str, list[str]] = {}
    for name in container.match(r".*\.json"):
        kind = _kind_of(container, name)
        if kind is None:
            into.note("posts", "file_not_used", file=name)
        else:
            kinds.setdefault(kind, []).append(name)
    work = _Work(into)
    for kind in _TARGETS:
        for name in kinds.get(kind, []):
            items = files.items(name, _TARGETS[kind], under=("items",))
            for number, (_, item) in enumerate(show_progress(items, options, what=name), start=1):
                work.take(kind, item, file=name, number=number)
    work.add_owners()
    add_name_mentions(into)
    absent = {need for kind, needs in _NEEDS_FILE.items() if kind not in kinds for need in needs}
    return into.forum(
        capabilities={name: "no" if name in absent else level for name, level in CAPABILITIES.items()},
        coverage=", ".join(sorted(kinds)),
        files=[name for names in kinds.values() for name in names],
    )


READERS = (Reader("stack_internal", "Stack Internal (JSON)", recognise, read, CAPABILITIES),)


def _kind_of(container: Container, name: str) -> str | None:
    """What a file lists: told by its first object, else by its name."""
    head = peek_json(container, name)
    items = as_list(as_dict(head).get("items")) if isinstance(head, dict) else as_list(head)
    first = as_dict(items[0]) if items else {}
    found = next((kind for key, kind in _KEYS.items() if key in first), None)
    stem = _STEMS.get(PurePosixPath(name).stem.lower())
    known = not items or bool(first.keys() & {"id", "name"})
    return found or (stem if known and (isinstance(head, list) or "items" in as_dict(head)) else None)


def _get(item: dict[str, Any], *names: str) -> Any:
    """Value under the first name there is, in snake_case (API 2.3) or camelCase (API v3)."""
    for name in names:
        camel = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
        for spelling in (name, camel):
            if item.get(spelling) is not None:
                return item[spelling]
    return None


def _time(value: Any) -> datetime | None:
    """Epoch seconds or ISO text, both of which occur in one file."""
    if isinstance(value, str) and not value.strip().isdigit():
        return from_iso(value.strip())
    return from_epoch(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None


def _text(item: dict[str, Any]) -> str | None:
    markdown = as_text(_get(item, "body_markdown"))
    text = html.unescape(markdown) if markdown else html_to_text(as_text(item.get("body")))
    return text or None


def _tags(item: dict[str, Any]) -> list[str]:
    names = [tag.get("name") if isinstance(tag, dict) else tag for tag in as_list(item.get("tags"))]
    return [name for name in names if isinstance(name, str) and name]


@dataclass(frozen=True)
class _Work:
    """One pass over the objects; remembers people met as owners and ids already used."""

    into: Collector
    owners: dict[str, str | None] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    posts: set[str] = field(default_factory=set)

    def take(self, kind: str, item: Any, *, file: str, number: int) -> None:
        """Add one object of a file."""
        place = f"item {number}"
        if not isinstance(item, dict):
            self.into.reject(_TARGETS[kind], "not_an_object", file=file, position=place)
        elif kind == "users":
            self._person(item, file=file, place=place)
        elif kind == "groups":
            self._group(item, file=file, place=place)
        elif kind == "tags":
            self._experts(item)
        else:
            self._thread(item, "q" if kind == "questions" else "article", file=file, place=place)

    def add_owners(self) -> None:
        """People known only as owners of posts."""
        for person, name in sorted(self.owners.items()):
            if person not in self.known:
                self.into.derive("people", person_id=person, name=name, placeholder=True)

    def _person(self, item: dict[str, Any], *, file: str, place: str) -> None:
        person = as_id(_get(item, "user_id", "id"))
        if person is None:
            self.into.reject("people", "missing_id", file=file, position=place)
            return
        joined = _time(_get(item, "creation_date"))
        name, email = as_text(_get(item, "display_name", "name")), as_text(item.get("email"))
        self.into.add("people", person_id=person, name=name, email=email, joined_at=joined)
        if person in self.known:
            return
        self.known.add(person)
        for attribute, names in _PERSON_FACTS.items():
            value = _get(item, *names)
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
                self.into.derive("roles", person_id=person, attribute=attribute, value=str(value), basis="snapshot")
        seen = _time(_get(item, "last_access_date"))
        if seen is not None:
            self.into.derive("events", person_id=person, kind="last_access", at=seen)

    def _group(self, item: dict[str, Any], *, file: str, place: str) -> None:
        name = as_text(item.get("name"))
        for member in list_dicts(item.get("users")):
            person = self._owner(member)
            if person is None or name is None:
                self.into.reject("memberships", "missing_id", file=file, position=place)
            else:
                self.into.add("memberships", person_id=person, space=name)

    def _experts(self, item: dict[str, Any]) -> None:
        smes = item.get("smes") or item.get("subjectMatterExperts")
        people = list_dicts(smes) or list_dicts(as_dict(smes).get("users"))
        tag = as_text(item.get("name"))
        for person in sorted({owner for owner in map(self._owner, people) if owner}) if tag else []:
            self.into.derive("roles", person_id=person, attribute="sme_tag", value=tag, basis="snapshot")

    def _owner(self, owner: Any) -> str | None:
        """Id of a user object; None for a deleted user."""
        facts = as_dict(owner)
        person = as_id(_get(facts, "user_id", "id"))
        if person is None or facts.get("user_type") == "does_not_exist":
            return None
        names = (self.owners.get(person), as_text(_get(facts, "display_name", "name")))
        self.owners[person] = max(filter(None, names), default=None)
        return person

    def _thread(self, item: dict[str, Any], letter: str, *, file: str, place: str) -> None:
        number = as_id(_get(item, "question_id", "article_id", "id"))
        if number is None:
            self.into.reject("posts", "missing_id", file=file, position=place)
            return
        tags, root = _tags(item), f"{letter}{number}"
        shared = {"thread_id": root, "space": tags[0] if tags else None}
        title = as_text(item.get("title"))
        facts = {"parent_id": None, "parent_basis": "none", "kind": "root", "title": html.unescape(title or "") or None}
        is_new = self._post(item, root, file=file, **shared, **facts)
        if is_new:
            self._mentions(item, root)
        self._comments(item, root, file=file, shared=shared)
        chosen = as_id(_get(item, "accepted_answer_id")) if is_new else None
        for key, answer in self._objects(item, "answer", file=file, place=root):
            facts = {"parent_id": root, "parent_basis": "explicit", "kind": "answer"}
            is_new = self._post(answer, f"a{key}", file=file, **shared, **facts)
            if is_new and (_get(answer, "is_accepted") is True or key == chosen):
                self.into.derive("signals", post_id=f"a{key}", kind="accept", n=1)
            self._comments(answer, f"a{key}", file=file, shared=shared)

    def _comments(self, item: dict[str, Any], parent: str, *, file: str, shared: dict[str, Any]) -> None:
        for key, comment in self._objects(item, "comment", file=file, place=parent):
            facts = {"parent_id": parent, "parent_basis": "explicit", "kind": "comment"}
            self._post(comment, f"c{key}", file=file, **shared, **facts)

    def _objects(
        self, item: dict[str, Any], kind: str, *, file: str, place: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The answers or comments inside an object, each with its id."""
        for number, value in enumerate(as_list(item.get(f"{kind}s")), start=1):
            key = as_id(_get(as_dict(value), f"{kind}_id", "id"))
            if key is not None:
                yield key, value
                continue
            reason = "missing_id" if isinstance(value, dict) else "not_an_object"
            self.into.reject("posts", reason, file=file, position=f"{place} {kind}s {number}")

    def _post(self, item: dict[str, Any], post: str, *, file: str, **facts: Any) -> bool:
        """Add one post; False when its id was used before (it is then rejected as a duplicate)."""
        created = _get(item, "creation_date")
        at = _time(created)
        if at is None:
            self.into.note("posts", "bad_time", kind="repaired", file=file, position=post)
        if _get(item, "is_deleted") is True:
            self.into.note("posts", "deleted_time_unknown", file=file, position=post)
        edited = _time(_get(item, "last_edit_date", "last_edited_date"))
        author = self._owner(_get(item, "owner"))
        self.into.add(
            "posts", post_id=post, author_id=author, created_at=at, edited_at=edited, text=_text(item), **facts
        )
        if post in self.posts:
            return False
        self.posts.add(post)
        for kind, name in _TOTALS.items():
            n = _get(item, name)
            if isinstance(n, int) and not isinstance(n, bool) and 0 < n < _MOST:
                self.into.add("signals", post_id=post, kind=kind, n=n)
        return True

    def _mentions(self, item: dict[str, Any], post: str) -> None:
        people = {self._owner(user) for user in list_dicts(_get(item, "mentioned_users"))} - {None}
        for person in sorted(person for person in people if person):
            self.into.derive("mentions", post_id=post, person_id=person, basis="structured")
