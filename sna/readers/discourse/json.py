"""Discourse as its API gives it: topic files, post lists, one object per line, category exports, user lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sna.formats.container import Container
from sna.formats.json import WHOLE_BYTES, as_dict, as_list, list_dicts
from sna.forum import Forum
from sna.readers.collect import Collector, JsonFiles, Reader, ReadOptions, levels_of, show_progress
from sna.readers.discourse.csv import csv_kind, take_csvs
from sna.readers.discourse.forum import make_forum
from sna.readers.discourse.tables import Tables

CAPABILITIES = levels_of(
    yes="reply_parent threads spaces acceptance text exact_times", partial="mentions reactions platform_role edits"
)
_SIGN = re.compile(rb'"(reply_to_post_number|post_stream|latest_posts|highest_post_number)"\s*:')
_PEEKED_FILES = 40
_LATEST = "~"
_LIKE = 2
_ID = re.compile(r"-?\d{1,19}")
_LINES = re.compile(rb"\s*\{[^\n]*\}[ \r]*\n\s*\{")
_ACCOUNT = ("username", "name", "admin", "moderator", "trust_level", "title", "email", "suspended_at")
_LISTS = ("categories", "groups", "users", "topics", "latest_posts")
"""Lists inside a document too large to hold."""


def _json_names(container: Container) -> list[str]:
    return container.match(r".*\.(json|jsonl|ndjson)")


def _recognise(container: Container) -> str | None:
    for name in _json_names(container)[:_PEEKED_FILES]:
        sign = _SIGN.search(container.peek(name))
        if sign:
            return f"{name} has Discourse's field {sign[1].decode()}"
    users = [name for name in container.match(r".*\.csv") if csv_kind(container, name) == "users"]
    return f"{users[0]} is a Discourse user list" if users else None


def _read(container: Container, options: ReadOptions) -> Forum:
    collector, tables = Collector("discourse"), Tables()
    names = _json_names(container)
    taker, files = _Taker(tables, collector), JsonFiles(container, collector)
    for name in show_progress(names, options, what="Discourse files"):
        taker.file = name
        for position, document in _documents(files, name):
            taker.take(document, position)
    listed = take_csvs(container, tables, collector=collector)
    for name in sorted(set(container.match(r".*\.csv")) - set(listed)):
        collector.note("posts", "file_not_used", file=name)
    raised = dict.fromkeys(("roster", "memberships", "org_attributes"), "partial") if listed else {}
    capabilities = {**CAPABILITIES, **raised}
    return make_forum(tables, options, collector=collector, capabilities=capabilities, files=(*names, *listed))


def _documents(files: JsonFiles, name: str) -> Iterator[tuple[str, object]]:
    """JSON values of a file: one, or one per line, or the items of a document too large to hold."""
    head = files.container.peek(name, WHOLE_BYTES + 1)
    if name.lower().endswith((".jsonl", ".ndjson")) or _LINES.match(head):
        yield from ((f"line {number}", item) for number, item in files.lines(name, "posts"))
    elif len(head) > WHOLE_BYTES:
        yield from ((key, {key: [item]} if key else item) for key, item in files.items(name, "posts", under=_LISTS))
    elif (document := files.document(name, "posts")) is not None:
        yield "", document


class _Taker:
    """Sort the objects of Discourse's API into tables, by the keys they have."""

    def __init__(self, tables: Tables, collector: Collector) -> None:
        self.tables, self.collector, self.file, self.position = tables, collector, "", ""
        self._lists: dict[str, Callable[[dict[str, Any]], None]] = {
            "categories": self.category,
            "groups": self.group,
            "users": self.listed_user,
            "members": self.listed_user,
            "topics": self.topic,
            "latest_posts": self.post,
            "post_action_users": self.lone_action,
        }

    def take(self, document: object, position: str) -> None:
        self.position = position
        for item in document if isinstance(document, list) else [document]:
            if not isinstance(item, dict) or not self._take_object(item):
                self.collector.note("posts", "not_recognised", file=self.file, position=position, detail=_keys(item))

    def _take_object(self, item: dict[str, Any]) -> bool:
        known = False
        for key, take in self._lists.items():
            if key in item:
                known = known or isinstance(item[key], list)
                for row in list_dicts(item[key]):
                    take(row)
        for key in ("topic_list", "category_list"):
            if isinstance(item.get(key), dict):
                known = self._take_object(item[key]) or known
        return self._take_single(item) or known

    def _take_single(self, item: dict[str, Any]) -> bool:
        if "post_stream" in item or ("posts_count" in item and "title" in item):
            self.topic(item)
        elif "post_number" in item:
            self.post(item)
        elif "username" in item and "id" in item:
            self.listed_user(item)
        elif isinstance(item.get("user"), dict):
            self.listed_user(item["user"])
        else:
            return False
        return True

    def topic(self, item: dict[str, Any]) -> None:
        """A topic with its posts, in the shape of a topic file or of a category export."""
        topic = _identifier(item.get("id"))
        if topic is None:
            self.collector.reject("posts", "bad_topic_id", file=self.file, position=self.position)
            return
        stream = as_dict(item.get("post_stream"))
        posts = stream.get("posts") or item.get("posts")
        length = len(stream["stream"]) if isinstance(stream.get("stream"), list) else item.get("posts_count")
        cells = {name: item.get(name) for name in ("title", "category_id", "archetype", "created_at", "deleted_at")}
        self.tables.add("topics", id=topic, stream_length=length, **cells)
        for post in list_dicts(posts):
            self.post({**post, "topic_id": topic})
        self._accepted(item.get("accepted_answer"), topic)
        self._participants(item)

    def _accepted(self, answer: object, topic: str) -> None:
        if isinstance(answer, dict) and answer.get("post_number"):
            number, by = answer["post_number"], answer.get("accepter_username")
            self.tables.add(
                "discourse_solved_solved_topics", topic_id=topic, answer_post_number=number, accepter_username=by
            )

    def _participants(self, item: dict[str, Any]) -> None:
        details = item.get("details")
        people = details.get("participants") if isinstance(details, dict) else item.get("participants")
        for person in list_dicts(people):
            self.user(person, seen_at="")

    def post(self, item: dict[str, Any]) -> None:
        """One post, its author as seen there, its counts of likes and reactions, whether it was accepted."""
        post = _identifier(item.get("id"))
        if post is None:
            self.collector.reject("posts", "bad_id", file=self.file, position=self.position)
            return
        author = _identifier(item.get("user_id"))
        own = {"id": post, "user_id": author, "like_count": self._likes(item, post)}
        self.tables.add_row("posts", {**item, **own})
        if author is not None:
            facts = {**_account(item), "title": item.get("user_title"), "created_at": item.get("user_created_at")}
            self.tables.add("users", **facts, id=author, seen_at=str(item.get("created_at") or ""))
        if item.get("topic_title") and _identifier(item.get("topic_id")):
            category, title = item.get("category_id"), item["topic_title"]
            self.tables.add("topics", id=item["topic_id"], title=title, category_id=category)
        if item.get("accepted_answer") is True:
            self.tables.add("discourse_solved_solved_topics", topic_id=item.get("topic_id"), answer_post_id=post)

    def _likes(self, item: Mapping[str, Any], post: str) -> object:
        """Count of likes; where the reactions plugin counts by kind, its counts stand instead."""
        reactions = list_dicts(item.get("reactions"))
        for reaction in reactions:
            code, count = reaction.get("id"), reaction.get("count")
            self.tables.add(
                "discourse_reactions_reactions", post_id=post, reaction_value=code, reaction_users_count=count
            )
        if reactions:
            return None
        likes = [a.get("count") for a in list_dicts(item.get("actions_summary")) if a.get("id") == _LIKE]
        return likes[0] if likes else item.get("like_count")

    def user(self, item: Mapping[str, Any], *, seen_at: str, listed: bool = False) -> None:
        """An account as one place of the export shows it; the newest such place counts."""
        person = _identifier(item.get("id"))
        if person is not None:
            joined = item.get("created_at") if listed else item.get("user_created_at")
            facts = {**_account(item), "created_at": joined, "listed": listed or None}
            self.tables.add("users", **facts, id=person, seen_at=seen_at)

    def listed_user(self, item: dict[str, Any]) -> None:
        """An account of a user list."""
        self.user(item, seen_at=_LATEST, listed=True)

    def category(self, item: dict[str, Any]) -> None:
        """A category; restricted when everyone is not among those who may see it."""
        permissions = item.get("permissions_params")
        shut = isinstance(permissions, dict) and bool(permissions) and "everyone" not in permissions
        cells = {name: item.get(name) for name in ("id", "name", "parent_category_id")}
        self.tables.add("categories", read_restricted=shut or item.get("read_restricted"), **cells)
        for child in list_dicts(item.get("subcategory_list")):
            self.category(child)

    def group(self, item: dict[str, Any]) -> None:
        """A group and, in a category export, its members."""
        self.tables.add("groups", id=item.get("id"), name=item.get("name"), automatic=item.get("automatic"))
        for person in as_list(item.get("user_ids")):
            self.tables.add("group_users", group_id=item.get("id"), user_id=person)

    def lone_action(self, item: dict[str, Any]) -> None:
        """Who liked a post; the answer does not say which post, the file's name may (``<post id>.json``)."""
        number = re.search(r"(\d+)\D*$", self.file)
        person = _identifier(item.get("id"))
        if number is None or person is None:
            self.collector.reject("signals", "unknown_post", file=self.file, position=f"user {person}")
            return
        self.user(item, seen_at="")
        self.tables.add("post_actions", post_id=number[1], user_id=person, post_action_type_id=_LIKE)


def _account(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item.get(name) for name in _ACCOUNT}


def _identifier(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    if type(value) is int and -(10**19) < value < 10**19:
        return str(value)
    text = str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else str(value)
    return text if _ID.fullmatch(text) else None


def _keys(item: object) -> str:
    return f"keys: {', '.join(sorted(map(str, item))[:6])}" if isinstance(item, dict) else type(item).__name__


READERS = (Reader("discourse", "Discourse topics and posts (JSON)", _recognise, _read, CAPABILITIES),)
