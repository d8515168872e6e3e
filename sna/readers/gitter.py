"""Gitter rooms as its API gives them: a JSON array of messages. Threads exist in newer rooms only."""

from __future__ import annotations

from typing import Any

from sna.formats.container import Container
from sna.formats.json import as_dict, as_list, as_text, list_dicts, list_ids, peek_json, pick_id, pick_text
from sna.formats.times import from_iso
from sna.forum import Forum
from sna.readers.chat import add_mentions, place_in_thread
from sna.readers.collect import Collector, JsonFiles, Reader, ReadOptions, levels_of

CAPABILITIES = levels_of(yes="spaces mentions text exact_times", partial="reply_parent threads edits")


def read_gitter(container: Container, options: ReadOptions) -> Forum:
    """Read Gitter messages; see `sna.read_forum`. The room is the name of the file."""
    log = Collector("gitter", options)
    files = JsonFiles(container, log)
    names = _rooms(container)
    people: dict[str, str] = {}
    best: dict[str, tuple[tuple[str, str], dict[str, Any], str]] = {}
    for name in names:
        for _, item in files.items(name, "posts"):
            _take(log, best, as_dict(item), name)
    for key, (_, message, name) in best.items():
        _add_post(log, people, key, message, name)
    for person, title in people.items():
        log.derive("people", person_id=person, name=title or None)
    files.note_unused(names)
    return log.forum(capabilities=CAPABILITIES, coverage=f"{len(names):,} rooms", files=names)


def _rooms(container: Container, *, most: int = 5000) -> list[str]:
    keys = {"fromUser", "sent", "text"}
    firsts = {name: as_list(peek_json(container, name))[:1] for name in container.match(r".*\.json")[:most]}
    return [name for name, first in firsts.items() if any(keys <= set(as_dict(item)) for item in first)]


def _recognise(container: Container) -> str | None:
    return next((f"{name} holds Gitter messages" for name in _rooms(container, most=20)), None)


def _take(log: Collector, best: dict[str, Any], message: dict[str, Any], file: str) -> None:
    """Of two messages with one id the earlier is kept, whatever their order."""
    key, sent = pick_id(message, "id"), as_text(message.get("sent"))
    if key is None or from_iso(sent) is None:
        log.reject("posts", "missing_value", file=file, position=f"id {key}")
        return
    entry = ((str(sent), as_text(message.get("text")) or ""), message, file)
    first, second = sorted((best.get(key, entry), entry), key=lambda item: item[0])
    if key in best and first[0] == second[0]:
        log.withhold("posts", "exact_copy", file=second[2])
    elif key in best:
        log.reject("posts", "duplicate_id", file=second[2], position=f"id {key}")
    best[key] = first


def _add_post(log: Collector, people: dict[str, str], key: str, message: dict[str, Any], file: str) -> None:
    author = pick_id(message, "fromUser.id", "fromUser.username")
    if author:
        name = pick_text(message, "fromUser.displayName", "fromUser.username") or ""
        people[author] = max(people.get(author, ""), name)
    log.add(
        "posts",
        **place_in_thread(key, pick_id(message, "parentId")),
        author_id=author,
        created_at=from_iso(as_text(message.get("sent"))),
        space=file.rpartition("/")[2].removesuffix(".json"),
        text=as_text(message.get("text")),
        edited_at=from_iso(as_text(message.get("editedAt"))),
    )
    said = list_ids([item.get("userId") for item in list_dicts(message.get("mentions"))])
    add_mentions(log, key, said=dict.fromkeys(said, 1), basis="structured", file=file)


READERS = (Reader("gitter", "Gitter room (JSON)", _recognise, read_gitter, CAPABILITIES),)
