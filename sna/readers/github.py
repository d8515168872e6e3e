"""GitHub issues and discussions as JSON: REST arrays, GraphQL responses, ``gh --json`` output, migration archives.

- people are known by login (in lower case): it is the only name all these forms share. A renamed account splits in two.
- a discussion's comments are answers where its category takes answers, their replies are comments; issue comments
  have no recorded parent but the issue ("root_default").
- ``space`` is the repository, for discussions with the category.
- an accepted answer says who chose it and when. Reactions carry names where they were exported, else totals.
- the association with the repository (owner, member, ...) is a snapshot: the closest one met.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sna.formats.container import Container
from sna.formats.html import scan_markdown
from sna.formats.json import as_dict, as_id, as_list, as_text, list_dicts, peek_json, pick_text
from sna.formats.times import from_iso
from sna.forum import Forum
from sna.readers.collect import Collector, JsonFiles, Reader, ReadOptions, levels_of, show_progress

_INSIDE = ("data", "repository", "organization", "node", "search", "discussions", "discussion", "issues", "issue")
_LISTS = ("pullRequests", "nodes", "edges", "items")
_DEPTH = 12
_LOOKED_AT = 40
_MOST = 2**53
_PLACE = re.compile(r"([\w.\-]+/[\w.\-]+)/(?:issues|pull|pulls|discussions)/(\d+)")
_CLOSENESS = ("OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR", "FIRST_TIME_CONTRIBUTOR", "FIRST_TIMER", "NONE")
_REACTIONS = {"+1": "like", "thumbs_up": "like", "-1": "emoji:thumbs_down", "thumbs_down": "emoji:thumbs_down"}
_SPOKEN = ("author", "user")
_MARKS = (b'"number"', b'"issue_url"', b'"discussions"', b'"issue_comment"')
CAPABILITIES = levels_of(
    yes="threads spaces acceptance acceptance_time text exact_times",
    partial="reply_parent mentions reactions reaction_times platform_role deleted_posts edits",
)


def recognise(container: Container) -> str | None:
    """JSON whose first objects are issues, discussions or their comments."""
    for name in container.match(r".*\.json")[:_LOOKED_AT]:
        head = container.peek(name)
        if any(mark in head for mark in _MARKS):
            found = next(_objects(peek_json(container, name, size=262_144)), None)
            if found is not None:
                return f"{name} holds GitHub {found[0]}s"
    return None


def read(container: Container, options: ReadOptions) -> Forum:
    """Read every JSON file of the export."""
    into = Collector("github", options)
    files = JsonFiles(container, into)
    work = _Work(into)
    names = container.match(r".*\.json")
    used = [name for name in show_progress(names, options, what="GitHub") if _read_file(container, files, name, work)]
    work.finish()
    levels = {**CAPABILITIES, "reply_parent": "yes" if work.seen == {"discussion"} else "partial"}
    if "discussion" not in work.seen:
        levels.update(acceptance="no", acceptance_time="no")
    return into.forum(capabilities=levels, coverage=", ".join(f"{kind}s" for kind in sorted(work.seen)), files=used)


def _read_file(container: Container, files: JsonFiles, name: str, work: _Work) -> bool:
    """Whether the file held anything we know; what it holds besides is rejected, item by item."""
    is_list = isinstance(peek_json(container, name), list)
    items = (item for _, item in files.items(name, "posts")) if is_list else iter([files.document(name, "posts")])
    strange, n_known = [], 0
    for number, item in enumerate(items, start=1):
        n_found = work.take(item, file=name, number=number)
        n_known += n_found
        if not n_found:
            strange.append(f"item {number}")
    for position in strange if n_known else []:
        work.into.reject("posts", "not_recognised", file=name, position=position)
    if not n_known:
        work.into.note("posts", "file_not_used", file=name)
    return n_known > 0


READERS = (Reader("github", "GitHub issues and discussions (JSON)", recognise, read, CAPABILITIES),)


def _objects(value: Any, *, depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Threads, comments, users and reactions of a response, wherever GraphQL or REST puts them."""
    if depth > _DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            yield from _objects(item, depth=depth + 1)
    elif isinstance(value, dict):
        kind = _kind(value)
        if kind:
            yield kind, value
        else:
            for key in (*_INSIDE, *_LISTS):
                yield from _objects(value.get(key), depth=depth + 1)


def _kind(item: dict[str, Any]) -> str | None:
    spoken = any(key in item for key in _SPOKEN) and ("createdAt" in item or "created_at" in item)
    if spoken and ("issue_url" in item or item.get("type") == "issue_comment"):
        return "comment"
    if spoken and "title" in item and ("number" in item or item.get("type") in ("issue", "pull_request")):
        is_discussion = "category" in item or "/discussions/" in str(item.get("url")) or "isAnswered" in item
        return "discussion" if is_discussion else "issue"
    if spoken and "content" in item and "body" not in item:
        return "reaction"
    return "user" if "login" in item and "title" not in item and not spoken else None


def _first(item: dict[str, Any], *names: str) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _inner(value: Any) -> list[Any]:
    """A list given as such, or as GraphQL's ``nodes`` or ``edges``."""
    if isinstance(value, dict):
        return as_list(value.get("nodes")) or [as_dict(edge).get("node") for edge in as_list(value.get("edges"))]
    return as_list(value)


def _place(item: dict[str, Any]) -> tuple[str, str | None]:
    """Repository and number of a thread, from its addresses."""
    for name in ("html_url", "url", "issue_url", "issue"):
        match = _PLACE.search(str(item.get(name)))
        if match:
            return match[1], match[2]
    repository = pick_text(item, "repository.nameWithOwner", "repository_url") or ""
    return "/".join(repository.rstrip("/").split("/")[-2:]), as_id(item.get("number"))


@dataclass
class _Work:
    """One pass over the objects."""

    into: Collector
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    closeness: dict[str, str] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)
    posts: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)

    def take(self, item: Any, *, file: str, number: int) -> int:
        """Add what one item of a file holds; returns the number of objects known."""
        n_found, place = 0, f"item {number}"
        for kind, found in _objects(item):
            n_found += 1
            if kind == "user":
                self._account(found, file=file, place=place)
            elif kind == "reaction":
                self.into.reject("signals", "unknown_post", file=file, position=place)
            elif kind == "comment":
                self._loose_comment(found, file=file, place=place)
            else:
                self.seen.add(kind)
                self._thread(found, kind, file=file, place=place)
        return n_found

    def _account(self, item: dict[str, Any], *, file: str, place: str) -> None:
        login = self.person(item)
        if login is None or login in self.listed:
            self.into.reject("people", "missing_id" if login is None else "duplicate_id", file=file, position=place)
        else:
            self.listed.add(login)

    def person(self, value: Any) -> str | None:
        """Login of an account object or address; None for a deleted account ("ghost")."""
        facts = {"login": value.rstrip("/").rsplit("/", 1)[-1]} if isinstance(value, str) else as_dict(value)
        login = as_id(facts.get("login"))
        if login is None or login.lower() == "ghost":
            return None
        key = login.lower()
        known = self.people.setdefault(key, {"name": None, "kind": "human", "email": None})
        is_bot = "Bot" in (facts.get("__typename"), facts.get("type")) or facts.get("is_bot") is True
        if is_bot or key.endswith("[bot]"):
            known["kind"] = "bot"
        known["name"] = max(filter(None, (known["name"], as_text(facts.get("name")))), default=None)
        known["email"] = max(filter(None, (known["email"], as_text(facts.get("email")))), default=None)
        return key

    def finish(self) -> None:
        """Add people, their association and the mentions of people met."""
        for login, facts in sorted(self.people.items()):
            put = self.into.add if login in self.listed else self.into.derive
            put("people", person_id=login, **{**facts, "name": facts["name"] or login})
        for login, value in sorted(self.closeness.items()):
            role = value.lower()
            self.into.derive("roles", person_id=login, attribute="platform_role", value=role, basis="snapshot")
        said = set(self.said)
        met = {(post, name) for post, name in said if name in self.people}
        for post, name in sorted(met):
            self.into.derive("mentions", post_id=post, person_id=name, basis="text")
        if unknown := len(said) - len(met):
            self.into.note("mentions", "unknown_person", detail=f"{unknown:,} names are not among the people met")

    def _thread(self, item: dict[str, Any], kind: str, *, file: str, place: str) -> None:
        repository, number = _place(item)
        root = f"{repository}#{number}" if number else as_id(item.get("id"))
        if root is None:
            self.into.reject("posts", "missing_id", file=file, position=place)
            return
        category = as_dict(item.get("category"))
        space = ": ".join(part for part in (repository, as_text(category.get("name"))) if part) or None
        shared = {"thread_id": root, "space": space}
        title = as_text(item.get("title"))
        self._post(item, root, file=file, parent_id=None, parent_basis="none", kind="root", title=title, **shared)
        answerable = category.get("isAnswerable", category.get("is_answerable")) is True
        chosen = as_id(as_dict(item.get("answer")).get("id"))
        top = ("answer" if answerable or chosen else "reply", "explicit")
        top = top if kind == "discussion" else ("reply", "root_default")
        accepted = {"person": item.get("answerChosenBy"), "at": item.get("answerChosenAt"), "id": chosen}
        said = item.get("comments_data") or item.get("comments")
        for comment in _inner(said):
            post = self._comment(comment, root, file=file, basis=top[1], kind=top[0], shared=shared)
            if post is None:
                continue
            if kind == "discussion":
                self._accept(comment, post, accepted)
            for reply in _inner(as_dict(comment).get("replies")):
                self._comment(reply, post, file=file, basis="explicit", kind="comment", shared=shared)

    def _comment(
        self, item: Any, parent: str, *, file: str, basis: str, kind: str, shared: dict[str, Any]
    ) -> str | None:
        key = as_id(as_dict(item).get("id")) or as_id(as_dict(item).get("url"))
        if key is None:
            self.into.reject("posts", "missing_id", file=file, position=f"comment of {parent}")
            return None
        post = f"c{key}"
        self._post(item, post, file=file, parent_id=parent, parent_basis=basis, kind=kind, **shared)
        return post

    def _loose_comment(self, item: dict[str, Any], *, file: str, place: str) -> None:
        repository, number = _place({"issue_url": _first(item, "issue_url", "issue"), "html_url": item.get("html_url")})
        if number is None:
            self.into.reject("posts", "missing_thread", file=file, position=place)
            return
        self.seen.add("issue")
        shared = {"thread_id": f"{repository}#{number}", "space": repository or None}
        self._comment(item, shared["thread_id"] or "", file=file, basis="root_default", kind="reply", shared=shared)

    def _accept(self, comment: dict[str, Any], post: str, accepted: dict[str, Any]) -> None:
        if comment.get("isAnswer") is True or (accepted["id"] and accepted["id"] == as_id(comment.get("id"))):
            by, at = self.person(accepted["person"]), from_iso(as_text(accepted["at"]))
            self.into.derive("signals", post_id=post, person_id=by, kind="accept", at=at, n=1)

    def _post(self, item: dict[str, Any], post: str, *, file: str, **facts: Any) -> None:
        """Add one post with its reactions; a second one of the same id is rejected as a duplicate later."""
        author = self.person(_first(item, *_SPOKEN))
        created = _moment(item, "createdAt", "created_at")
        if created is None:
            self.into.note("posts", "bad_time", kind="repaired", file=file, position=post)
        markup = scan_markdown(as_text(item.get("body")))
        self.into.add(
            "posts",
            post_id=post,
            author_id=author,
            created_at=created,
            edited_at=_moment(item, "lastEditedAt"),
            deleted_at=_moment(item, "deletedAt"),
            text=markup.text or None,
            **facts,
        )
        if post in self.posts:
            return
        self.posts.add(post)
        self.said += [(post, name.lower()) for name in markup.mentions]
        self._note_closeness(item, author)
        self._reactions(item, post)

    def _note_closeness(self, item: dict[str, Any], author: str | None) -> None:
        value = _first(item, "authorAssociation", "author_association")
        if author and value in _CLOSENESS:
            known = self.closeness.get(author, "NONE")
            self.closeness[author] = min(known, value, key=_CLOSENESS.index)

    def _reactions(self, item: dict[str, Any], post: str) -> None:
        """Named reactions where they are, else their totals."""
        given = item.get("reactions_data") or item.get("reactions")
        named = [one for one in list_dicts(_inner(given)) if isinstance(one.get("content"), str)]
        for one in named:
            person, at = self.person(one.get("user")), _moment(one, "createdAt", "created_at")
            self.into.add("signals", post_id=post, person_id=person, kind=_signal(one["content"]), at=at, n=1)
        totals = [] if named else [*_totals(as_dict(item.get("reactions"))), *_groups(item.get("reactionGroups"))]
        for content, n in [*totals, ("upvote", item.get("upvoteCount"))]:
            if isinstance(n, int) and not isinstance(n, bool) and 0 < n < _MOST:
                kind = content if content == "upvote" else _signal(content)
                self.into.add("signals", post_id=post, kind=kind, n=n)


def _moment(item: dict[str, Any], *names: str) -> datetime | None:
    return from_iso(as_text(_first(item, *names)))


def _signal(content: str) -> str:
    code = content.lower()
    return _REACTIONS.get(code, f"emoji:{code}")


def _totals(counts: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(key, counts[key]) for key in sorted(counts) if key not in ("total_count", "totalCount", "url")]


def _groups(groups: Any) -> list[tuple[str, Any]]:
    pairs = []
    for group in list_dicts(groups):
        totals = as_dict(group.get("users")) or as_dict(group.get("reactors"))
        pairs.append((str(group.get("content")), totals.get("totalCount")))
    return pairs
