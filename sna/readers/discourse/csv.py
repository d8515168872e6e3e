"""Discourse's CSV downloads for administrators: the user list and the log of staff actions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sna.formats.container import Container
from sna.formats.csv import MORE, iter_csv, peek_header
from sna.readers.collect import Collector
from sna.readers.discourse.people import SECRET_FIELD, field_attribute
from sna.readers.discourse.tables import Tables

_USER_HEADER = {"username", "trust_level", "posts_read_count"}
_STAFF_HEADER = {"staff_user", "action", "subject", "created_at"}
_USER_CELLS = ("username", "name", "email", "title", "created_at", "trust_level", "admin", "moderator", "staged")
_FIELD = re.compile(r"^(.*) \(custom user field\)$")
_LATEST = "~"
"""Sorts after every time: what a user list says outranks what a post said."""
_ACTIONS = {
    "change_trust_level": "2",
    "auto_trust_level_change": "15",
    "change_username": "21",
    "grant_admin": "32",
    "revoke_admin": "33",
    "grant_moderation": "34",
    "revoke_moderation": "35",
}


def csv_kind(container: Container, name: str) -> str | None:
    """Say "users" or "staff" when a CSV is one of Discourse's own, else None."""
    header = {cell.strip() for cell in peek_header(container, name)}
    return "users" if header >= _USER_HEADER else "staff" if header >= _STAFF_HEADER else None


def take_csvs(container: Container, tables: Tables, *, collector: Collector) -> list[str]:
    """Read the user lists and staff logs of an export; the names of the files used."""
    used = []
    for name in container.match(r".*\.csv"):
        kind = csv_kind(container, name)
        if kind:
            used.append(name)
            take = _take_user if kind == "users" else _take_action
            for position, row in iter_csv(container, name, plain=False):
                take(row, tables, collector, file=name, position=position)
    return used


def _take_user(row: Mapping[str, str], tables: Tables, collector: Collector, *, file: str, position: int) -> None:
    person = (row.get("id") or "").strip()
    if not re.fullmatch(r"-?\d{1,19}", person):
        collector.reject("people", "bad_id", file=file, position=position, detail=person)
        return
    if MORE in row:
        collector.note("people", "row_too_long", file=file, position=position)
    cells = {name: row.get(name) or None for name in _USER_CELLS}
    tables.add("users", id=person, listed=True, seen_at=_LATEST, **cells)
    tables.add("user_profiles", user_id=person, location=row.get("location"))
    tables.add("single_sign_on_records", user_id=person, external_id=row.get("external_id"))
    for header, value in row.items():
        label = _FIELD.match(header)
        if label and value and not SECRET_FIELD.search(header):
            tables.add("own_fields", user_id=person, attribute=field_attribute(label[1]), value=value)
    for group in (row.get("group_names") or "").split(";"):
        if group.strip():
            tables.add("group_users", group_id=group.strip(), user_id=person)


def _take_action(row: Mapping[str, str], tables: Tables, collector: Collector, *, file: str, position: int) -> None:
    action = _ACTIONS.get((row.get("action") or "").strip())
    if action is None:
        collector.withhold("roles", "other_staff_action", file=file)
        return
    facts = {name: row.get(name) or None for name in ("subject", "created_at", "details")}
    tables.add("user_histories", action=action, **facts)
