"""Gitter rooms as its API gives them: a JSON array of messages. Threads exist in newer rooms only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sna.formats.container import Container
from sna.forum import Forum
from sna.readers.chat import JsonFiles, as_dict, as_id, as_list, as_text, list_dicts, peek_json, strip_secrets
from sna.readers.collect import Collector, Reader, ReadOptions, from_iso


def read_gitter(container: Container, options: ReadOptions) -> Forum:
    """Read Gitter messages; see `sna.read_forum`. The room is the name of the file."""
    log = Collector("gitter")
    files = JsonFiles(container, log)
    names = _message_files(container)
    people: dict[str, str] = {}
    best: dict[str, tuple[tuple[str, str], dict[str, Any], str]] = {}
    for name in names:
        for _, item in files.items(name, "posts"):
            _take(log, best, as_dict(item), name)
    for key, (_, message, name) in best.items():
        _add_post(log, people, key, message, name)
    for person, title in people.items():
        log.derive("people", person_id=person, name=title or None)
    return log.forum(capabilities=CAPABILITIES, coverage=f"{len(names):,} rooms", files=names)


def _message_files(container: Container) -> list[str]:
    return [name for name in container.match(r".*\.json")[:5000] if _is_room(peek_json(container, name, size=65_536))]


def _is_room(document: Any) -> bool:
    first = as_dict(next(iter(as_list(document)), None))
    return {"fromUser", "sent", "text"} <= set(first)


def _recognise(container: Container) -> str | None:
    for name in container.match(r".*\.json")[:20]:
        if _is_room(peek_json(container, name, size=65_536)):
            return f"{name} holds Gitter messages"
    return None


def _take(log: Collector, best: dict[str, Any], message: dict[str, Any], file: str) -> None:
    """Of two messages with one id the earlier is kept, whatever their order."""
    key, sent = as_id(message.get("id")), as_text(message.get("sent"))
    if key is None or from_iso(sent) is None:
        log.reject("posts", "missing_value", file=file, position=f"id {key}")
        return
    entry = ((str(sent), as_text(message.get("text")) or ""), message, file)
    if key in best:
        first, second = sorted((best[key], entry), key=lambda item: item[0])
        if first[0] == second[0]:
            log.withhold("posts", "exact_copy", file=second[2])
        else:
            log.reject("posts", "duplicate_id", file=second[2], position=f"id {key}")
        entry = first
    best[key] = entry


def _add_post(log: Collector, people: dict[str, str], key: str, message: dict[str, Any], file: str) -> None:
    sender = as_dict(message.get("fromUser"))
    author = as_id(sender.get("id")) or as_id(sender.get("username"))
    if author:
        people[author] = max(
            people.get(author, ""), as_text(sender.get("displayName")) or as_text(sender.get("username")) or ""
        )
    parent = as_id(message.get("parentId"))
    log.add(
        "posts",
        post_id=key,
        thread_id=parent or key,
        parent_id=parent,
        parent_basis="root_default" if parent else "none",
        author_id=author,
        created_at=from_iso(as_text(message.get("sent"))),
        space=file.rpartition("/")[2].removesuffix(".json"),
        kind="reply" if parent else "root",
        text=strip_secrets(as_text(message.get("text")) or "") or None,
        edited_at=from_iso(as_text(message.get("editedAt"))),
    )
    for person in dict.fromkeys(
        filter(None, (as_id(item.get("userId")) for item in list_dicts(message.get("mentions"))))
    ):
        log.add("mentions", post_id=key, person_id=person, basis="structured")


CAPABILITIES: Mapping[str, str] = {
    "reply_parent": "partial",
    "threads": "partial",
    "spaces": "yes",
    "mentions": "yes",
    "edits": "partial",
    "text": "yes",
    "exact_times": "yes",
}

READERS = (Reader("gitter", "Gitter room (JSON)", _recognise, read_gitter, CAPABILITIES),)
