"""Discourse tables to people, their roles over time and the groups they belong to."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import polars as pl

from sna.formats.times import iso_time
from sna.readers.chat import list_spells
from sna.readers.collect import Collector
from sna.readers.discourse.tables import Tables, is_true, merged_rows
from sna.schema import MEMBERSHIPS, ROLES

_DISCOBOT = "-2"
_TRUST, _GRANTS = ("2", "15"), {"32": ("admin", True), "33": ("admin", False)}
_GRANTS |= {"34": ("moderator", True), "35": ("moderator", False)}
_RENAMED = "21"
_ADDED, _REMOVED = "2", "3"
SECRET_FIELD = re.compile(r"phone|mobile|birth|salary|address|password|token|secret|\bssn\b|passport", re.IGNORECASE)

Change = tuple[datetime, str | None, str | None]
Spell = tuple[str, datetime | None, datetime | None]


def people_frame(tables: Tables) -> pl.DataFrame:
    """One row per account, in the columns of ``people`` and ``listed`` (it is a row of the source itself)."""
    primary = tables.get("user_emails").filter(is_true("primary"))
    emails = merged_rows(primary.select(pl.col("user_id").alias("id"), pl.col("email").alias("_email")), "id")
    number, username = pl.col("id").cast(pl.Int64, strict=False), pl.col("username")
    bot = (pl.col("id") == _DISCOBOT) | (username.str.to_lowercase() == "discobot")
    system = pl.when(number < 0).then(pl.lit("system")).otherwise(pl.lit("human"))
    accounts = tables.get("users").join(emails, on="id", how="left").sort("id")
    return accounts.select(
        person_id="id",
        name=pl.when(pl.col("name") != "").then("name").otherwise(username),
        kind=pl.when(bot).then(pl.lit("bot")).otherwise(system),
        joined_at=iso_time("created_at"),
        email=pl.coalesce("email", "_email").str.to_lowercase(),
        listed=is_true("listed"),
    )


def usernames(tables: Tables) -> pl.DataFrame:
    """Lower-case username to person, former names too: ``username, person_id``."""
    now = tables.get("users").select(pl.col("username").str.to_lowercase(), pl.col("id").alias("person_id"))
    renames = tables.get("user_histories").filter(action=_RENAMED)
    lower = pl.col("previous_value").str.to_lowercase()
    old = renames.select(username=lower, person_id="target_user_id").drop_nulls()
    former = old.join(now, on="username", how="anti").filter(pl.col("person_id").n_unique().over("username") == 1)
    both = pl.concat([now.drop_nulls(), former.unique()])
    return both.sort("username", "person_id").unique("username", keep="first", maintain_order=True)


def role_spells(tables: Tables) -> pl.DataFrame:
    """Platform role and trust level over time where the log has them, else as found; titles and profile fields."""
    users, history = tables.get("users"), _history(tables)
    changes = {"platform_role": _role_changes(history, users), "trust_level": _trust_changes(history)}
    rows = [
        (person, attribute, *spell, "event")
        for attribute, of_person in changes.items()
        for person in sorted(of_person)
        for spell in change_spells(of_person[person])
    ]
    dated = pl.DataFrame(rows, schema=ROLES.schema, orient="row")
    stated = [tables.get(table).select(*_fact(key, name, name)) for table, key, name in _STATED]
    found = pl.concat([_platform_roles(users), *stated, _custom_fields(tables)])
    said = found.filter(pl.col("person_id").is_not_null() & (pl.col("value").str.strip_chars() != ""))
    now = said.join(dated, on=["person_id", "attribute"], how="anti", maintain_order="left")
    return pl.concat([dated, now.with_columns(basis=pl.lit("snapshot"))], how="diagonal").unique(maintain_order=True)


_STATED = (
    ("users", "id", "trust_level"),
    ("users", "id", "title"),
    ("user_profiles", "user_id", "location"),
    ("single_sign_on_records", "user_id", "external_id"),
)
"""What accounts say of people today: table, column of the person, column of the value, whose name is the attribute."""


def _fact(person: str, attribute: str, value: str | pl.Expr) -> list[pl.Expr]:
    held = pl.col(value) if isinstance(value, str) else value
    return [pl.col(person).alias("person_id"), pl.lit(attribute).alias("attribute"), held.alias("value")]


def _platform_roles(users: pl.DataFrame) -> pl.DataFrame:
    known = users.filter(pl.col("admin").is_not_null() | pl.col("moderator").is_not_null())
    role = pl.when(is_true("admin")).then(pl.lit("admin")).when(is_true("moderator")).then(pl.lit("moderator"))
    return known.select(*_fact("id", "platform_role", role.otherwise(pl.lit("member"))))


def change_spells(changes: Sequence[Change]) -> list[Spell]:
    """Spells of one attribute from its changes (time, old value, new value).

    Examples
    --------
    >>> day = datetime(2024, 1, 1)
    >>> change_spells([(day, "member", "admin")]) == [("member", None, day), ("admin", day, None)]
    True
    """
    ordered = sorted(changes, key=lambda change: (change[0], str(change[1]), str(change[2])))
    points: list[tuple[str | None, datetime | None]] = [(ordered[0][1], None)] if ordered else []
    points += [(new, at) for at, _, new in ordered]
    spells: list[Spell] = []
    for (value, begin), (_, end) in zip(points, [*points[1:], (None, None)], strict=False):
        if value is None or (begin is not None and begin == end):
            continue
        if spells and spells[-1][0] == value and spells[-1][2] == begin:
            spells[-1] = (value, spells[-1][1], end)
        else:
            spells.append((value, begin, end))
    return spells


def _history(tables: Tables) -> pl.DataFrame:
    """Log of changes to accounts with a time and a person; staff logs name the person by username."""
    rows = tables.get("user_histories").with_columns(pl.col("subject").str.to_lowercase())
    names = usernames(tables).rename({"username": "subject", "person_id": "_person"})
    named = rows.join(names, on="subject", how="left", maintain_order="left")
    said = pl.col("details").str.extract_all(r"\d+")
    return named.select(
        "action",
        pl.coalesce("target_user_id", "_person").alias("person"),
        pl.coalesce("previous_value", said.list.get(0, null_on_oob=True)).alias("old"),
        pl.coalesce("new_value", said.list.get(1, null_on_oob=True)).alias("new"),
        iso_time("created_at").alias("at"),
    ).filter(pl.col("person").is_not_null() & pl.col("at").is_not_null())


def _trust_changes(history: pl.DataFrame) -> dict[str, list[Change]]:
    rows = history.filter(pl.col("action").is_in(_TRUST) & pl.col("new").is_not_null())
    changes: dict[str, list[Change]] = defaultdict(list)
    for person, at, old, new in rows.select("person", "at", "old", "new").iter_rows():
        changes[person].append((at, old, new))
    return dict(changes)


def _role_changes(history: pl.DataFrame, users: pl.DataFrame) -> dict[str, list[Change]]:
    """Grants and revocations of admin and moderator, as changes of one platform role."""
    flags = users.select("id", is_true("admin").alias("admin"), is_true("moderator").alias("moderator"))
    now = {person: {"admin": admin, "moderator": moderator} for person, admin, moderator in flags.iter_rows()}
    events: dict[str, list[tuple[datetime, str, bool]]] = defaultdict(list)
    for person, at, action in history.select("person", "at", "action").iter_rows():
        if action in _GRANTS:
            events[person].append((at, *_GRANTS[action]))
    return {person: _replayed(sorted(rows), now.get(person, {})) for person, rows in events.items()}


def _replayed(events: Sequence[tuple[datetime, str, bool]], now: dict[str, bool]) -> list[Change]:
    first = {flag: granted for _, flag, granted in reversed(events)}
    state = {flag: (not first[flag]) if flag in first else now.get(flag, False) for flag in ("admin", "moderator")}
    changes: list[Change] = []
    for at, flag, granted in events:
        before = _role_of(state)
        state[flag] = granted
        changes.append((at, before, _role_of(state)))
    return changes


def _role_of(state: dict[str, bool]) -> str:
    return "admin" if state["admin"] else "moderator" if state["moderator"] else "member"


def _custom_fields(tables: Tables) -> pl.DataFrame:
    """Profile fields the site defined (department, job title, ...), under their own names; not personal secrets."""
    names = tables.get("user_fields").select(name="user_field_" + pl.col("id"), _label="name")
    rows = tables.get("user_custom_fields").join(names, on="name", how="inner")
    labels = {label: field_attribute(label) for label in rows["_label"].drop_nulls() if not SECRET_FIELD.search(label)}
    attribute = pl.col("_label").replace_strict(labels, default=None, return_dtype=pl.String)
    named = rows.select("user_id", "value", attribute=attribute).drop_nulls("attribute")
    both = pl.concat([named.select("user_id", "attribute", "value"), tables.get("own_fields")])
    return both.rename({"user_id": "person_id"})


def field_attribute(label: str) -> str:
    """Attribute name of a profile field's label.

    Examples
    --------
    >>> field_attribute("Job Title ")
    'job_title'
    """
    return re.sub(r"\W+", "_", label.strip().lower()).strip("_") or "field"


def write_memberships(tables: Tables, collector: Collector) -> None:
    """Groups people belong to (``group:<name>``), over time where the log of groups has it."""
    groups = merged_rows(tables.get("groups"), "id").select(
        pl.col("id").alias("group_id"), pl.col("name").alias("_name"), is_true("automatic").alias("_automatic")
    )
    members = tables.get("group_users").join(groups, on="group_id", how="left")
    log = tables.get("group_histories").join(groups, on="group_id", how="left")
    automatic = pl.col("_automatic").fill_null(False)
    if n := members.filter(automatic).height:
        collector.withhold("memberships", "automatic_group", file="", n=n)
    rows = _membership_spells(members.filter(~automatic), log.filter(~automatic))
    collector.add_frame("memberships", pl.DataFrame(rows, schema=MEMBERSHIPS.schema, orient="row"))


def _membership_spells(
    members: pl.DataFrame, log: pl.DataFrame
) -> list[tuple[str, str, datetime | None, datetime | None]]:
    space = pl.concat_str(pl.lit("group:"), pl.coalesce("_name", "group_id"))
    steps: dict[tuple[str, str], list[tuple[datetime, bool]]] = defaultdict(list)
    moves = log.filter(pl.col("action").is_in([_ADDED, _REMOVED])).with_columns(pl.col("action") == _ADDED)
    for person, group, at, added in moves.select("target_user_id", space, iso_time("created_at"), "action").iter_rows():
        if person and group and at:
            steps[person, group].append((at, added))
    since = {
        (person, group): at
        for person, group, at in members.select("user_id", space, iso_time("created_at")).sort(pl.all()).iter_rows()
        if person and group
    }
    rows = []
    for key in sorted(steps.keys() | since.keys()):
        spells = list_spells(steps[key], member_now=key in since)
        if key in since and not (steps[key] and max(steps[key])[1]):
            spells[-1] = (since[key], None)
        rows += [(*key, begin, end) for begin, end in spells]
    return rows
