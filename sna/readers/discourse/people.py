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
from sna.schema import MEMBERSHIPS, ROLES, TIME

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
    number = pl.col("id").cast(pl.Int64, strict=False)
    bot = (pl.col("id") == _DISCOBOT) | (pl.col("username").str.to_lowercase() == "discobot")
    return (
        tables.get("users")
        .join(emails, on="id", how="left")
        .sort("id")
        .select(
            pl.col("id").alias("person_id"),
            pl.when(pl.col("name") != "").then(pl.col("name")).otherwise(pl.col("username")).alias("name"),
            pl.when(bot)
            .then(pl.lit("bot"))
            .when(number < 0)
            .then(pl.lit("system"))
            .otherwise(pl.lit("human"))
            .alias("kind"),
            iso_time("created_at").alias("joined_at"),
            pl.coalesce("email", "_email").str.to_lowercase().alias("email"),
            is_true("listed").alias("listed"),
        )
    )


def usernames(tables: Tables) -> pl.DataFrame:
    """Lower-case username to person, former names too: ``username, person_id``."""
    now = tables.get("users").select(pl.col("username").str.to_lowercase(), pl.col("id").alias("person_id"))
    renames = tables.get("user_histories").filter(pl.col("action") == _RENAMED)
    old = renames.select(
        pl.col("previous_value").str.to_lowercase().alias("username"), pl.col("target_user_id").alias("person_id")
    ).drop_nulls()
    former = old.join(now, on="username", how="anti").filter(pl.col("person_id").n_unique().over("username") == 1)
    both = pl.concat([now.drop_nulls(), former.unique()])
    return both.sort("username", "person_id").unique("username", keep="first", maintain_order=True)


def role_spells(tables: Tables) -> pl.DataFrame:
    """Platform role and trust level over time where the log has them, else as found; titles and profile fields."""
    users = tables.get("users")
    history = _history(tables)
    frames = [
        _with_history(_platform_roles(users), _role_changes(history, users), "platform_role"),
        _with_history(users.select("id", "trust_level"), _trust_changes(history), "trust_level"),
        _snapshot(users.select("id", "title"), "title"),
        _snapshot(tables.get("user_profiles").select("user_id", "location"), "location"),
        _snapshot(tables.get("single_sign_on_records").select("user_id", "external_id"), "external_id"),
        _custom_fields(tables),
    ]
    return pl.concat(frames).unique(maintain_order=True)


def _snapshot(frame: pl.DataFrame, attribute: str) -> pl.DataFrame:
    person, value = frame.columns
    rows = frame.filter(pl.col(person).is_not_null() & (pl.col(value).str.strip_chars() != ""))
    return rows.select(
        pl.col(person).alias("person_id"),
        pl.lit(attribute).alias("attribute"),
        pl.col(value).alias("value"),
        pl.lit(None, TIME).alias("valid_from"),
        pl.lit(None, TIME).alias("valid_to"),
        pl.lit("snapshot").alias("basis"),
    )


def _platform_roles(users: pl.DataFrame) -> pl.DataFrame:
    known = users.filter(pl.col("admin").is_not_null() | pl.col("moderator").is_not_null())
    role = pl.when(is_true("admin")).then(pl.lit("admin")).when(is_true("moderator")).then(pl.lit("moderator"))
    return known.select("id", role.otherwise(pl.lit("member")).alias("platform_role"))


def _with_history(now: pl.DataFrame, changes: dict[str, list[Change]], attribute: str) -> pl.DataFrame:
    """Spells from logged changes for those who have any; what is found now for the others."""
    rows = [
        (person, attribute, *spell, "event") for person in sorted(changes) for spell in change_spells(changes[person])
    ]
    dated = pl.DataFrame(rows, schema=ROLES.schema, orient="row")
    person = now.columns[0]
    return pl.concat([dated, _snapshot(now.filter(~pl.col(person).is_in(list(changes))), attribute)])


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
    names = tables.get("user_fields").select(
        ("user_field_" + pl.col("id")).alias("name"), pl.col("name").alias("_label")
    )
    rows = tables.get("user_custom_fields").join(names, on="name", how="inner")
    labels = {label: field_attribute(label) for label in rows["_label"].drop_nulls() if not SECRET_FIELD.search(label)}
    named = rows.with_columns(
        pl.col("_label").replace_strict(labels, default=None, return_dtype=pl.String).alias("attribute")
    )
    both = pl.concat([named.select("user_id", "attribute", "value"), tables.get("own_fields")])
    return pl.concat(
        [
            ROLES.empty(),
            *(
                _snapshot(both.filter(pl.col("attribute") == attribute).select("user_id", "value"), attribute)
                for attribute in both["attribute"].drop_nulls().unique().sort()
            ),
        ]
    )


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
