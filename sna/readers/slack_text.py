"""Slack's own notation: time stamps, marked-up text, rich-text blocks and the people mentioned in them."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sna.formats.json import as_dict, as_id, as_text, list_dicts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^<>]*)?>")
_TAG = re.compile(r"<([^<>]*)>")


def parse_stamp(value: Any) -> str | None:
    """A ts as text with six decimals; never through float, which would change its last digits."""
    if value is None:
        return None
    if type(value) is str and len(value) == 17 and value[10] == "." and value.isascii():
        return value if (value[:10] + value[11:]).isdecimal() else None
    if isinstance(value, float):
        value = f"{value:.6f}"
    seconds, _, part = str(value).partition(".") if isinstance(value, str | int) else ("", "", "")
    if not (seconds.isdecimal() and len(seconds) <= 11 and (part + "0").isdecimal() and (seconds + part).isascii()):
        return None
    return f"{seconds}.{part[:6]:0<6}"


def to_moment(stamp: str) -> datetime:
    """The moment of a ts, exact to the microsecond."""
    return _EPOCH + timedelta(microseconds=int(stamp.replace(".", "")))


def count_mentions(text: str) -> int:
    """How many mentions a text holds."""
    return sum(1 for _ in _MENTION.finditer(text))


def find_mentions(message: dict[str, Any], raw: str) -> tuple[str, Mapping[str, int]]:
    """How mentions are known ("structured" or "markup"), and whom how often; names inside code are only text."""
    blocks = [block for block in list_dicts(message.get("blocks")) if block.get("type") == "rich_text"]
    if blocks:
        users = (as_id(node.get("user_id")) for node in _nodes(blocks) if node.get("type") == "user")
        return "structured", Counter(filter(None, users))
    return "markup", Counter(_MENTION.findall(_CODE.sub(" ", raw))) if "<@" in raw else {}


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All objects below a list of blocks, in reading order, without recursion."""
    stack = list(reversed(list_dicts(value)))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed([*list_dicts(node.get("elements")), *list_dicts(node.get("fields"))]))


def block_text(message: dict[str, Any]) -> str:
    """Words of a message whose text is empty: from its blocks, else what its attachments say."""
    parts = []
    for node in _nodes(message.get("blocks")):
        if node.get("type") == "user":
            parts.append(f"@{as_id(node.get('user_id'))}")
        elif node.get("type") == "emoji":
            parts.append(f":{as_text(node.get('name'))}:")
        else:
            inner = node.get("text")
            parts.append(as_text(inner) or as_text(as_dict(inner).get("text")) or as_text(node.get("url")) or "")
    if not any(parts):
        attachments = list_dicts(message.get("attachments"))
        parts = [as_text(item.get("text")) or as_text(item.get("fallback")) or "" for item in attachments]
    return plain_text("".join(parts))


def plain_text(raw: str) -> str:
    """Slack markup to plain text: ids for people, labels for links, no query strings."""
    if not raw:
        return ""
    return html.unescape(_TAG.sub(_markup, raw) if "<" in raw else raw)


def _markup(found: re.Match[str]) -> str:
    target, _, label = found.group(1).partition("|")
    if target.startswith("@"):
        return target
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        return label or f"@{target[1:].partition('^')[0]}"
    if target.startswith("tel:"):
        return "[phone]"
    return label or target.removeprefix("mailto:")
