"""SCIM 2.0 users (RFC 7643) as a table: a snapshot of the directory. Attribute names in any case."""

from __future__ import annotations

from typing import Any

import polars as pl

from sna.formats.container import Container
from sna.formats.json import as_dict, as_list, parse_json, read_json
from sna.formats.loaded import Loaded, list_problems

_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user"
_PLAIN = ("id", "userName", "displayName", "title", "userType", "active")
_WORK = ("employeeNumber", "costCenter", "organization", "division", "department")
_COLUMNS = ("personId", "username", "email", "name", "title", "userType", "active", *_WORK, "managerId")


def is_scim(container: Container, name: str) -> bool:
    """Whether a JSON file speaks of SCIM in its first bytes."""
    return b"urn:ietf:params:scim" in container.peek(name, 65_536)


def load_scim(container: Container, names: list[str]) -> Loaded:
    """Users of SCIM files: single users, lists, ListResponse pages; groups and schemas are set aside.

    Raises
    ------
    ReadError
        When a file is not JSON.
    """
    rows, lost = [], []
    for name in names:
        for number, record in enumerate(_records(container, name), start=1):
            user = _user(record)
            if user is None:
                lost.append((f"{name} item {number}", "not a SCIM user"))
            else:
                rows.append(user)
    columns = {key: pl.Series(key, [row[key] for row in rows], dtype=pl.String) for key in _COLUMNS}
    used = [values for values in columns.values() if values.null_count() < len(values)]
    return Loaded(pl.DataFrame(used), names[0], list_problems("not_an_object", lost))


def _records(container: Container, name: str) -> list[Any]:
    if name.lower().endswith(".jsonl"):
        return [parse_json(line, name)[0] for line in container.lines(name) if line.strip()]
    data = read_json(container, name)
    if isinstance(data, dict):
        pages = _lower(data).get("resources")
        return pages if isinstance(pages, list) else [data]
    return data if isinstance(data, list) else [data]


def _lower(record: object) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in as_dict(record).items()}


def _user(record: object) -> dict[str, str | None] | None:
    """The facts we keep of one user, or None for what is no user."""
    user = _lower(record)
    kinds = [str(kind).lower() for kind in as_list(user.get("schemas"))]
    if "username" not in user or (kinds and not any(kind.endswith(":user") for kind in kinds)):
        return None
    plain = {key: _text(user.get(key.lower())) for key in _PLAIN}
    work = _lower(user.get(_ENTERPRISE))
    manager = _lower(work.get("manager"))
    facts = {key: _text(work.get(key.lower())) for key in _WORK}
    names = _lower(user.get("name"))
    full = names.get("formatted") or " ".join(filter(None, [names.get("givenname"), names.get("familyname")]))
    return {
        **facts,
        "personId": plain["id"] or plain["userName"],
        "username": plain["userName"],
        "email": _primary(user.get("emails")),
        "name": plain["displayName"] or _text(full),
        "title": plain["title"],
        "userType": plain["userType"],
        "active": plain["active"],
        "managerId": _text(manager.get("value")),
    }


def _primary(emails: object) -> str | None:
    found = [_lower(item) for item in emails] if isinstance(emails, list) else []
    first = next((item for item in found if item.get("primary") is True), found[0] if found else {})
    return _text(first.get("value"))


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) and str(value).strip() else None
