"""People's attributes over time from HR: snapshots, change logs and intervals; CSV of any system, Viva Insights, SCIM.

`read_org` reads the table, `add_org` joins it to a forum: roles as of any moment, silent people as the denominator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from sna.errors import ParameterError, ReadError, SchemaError
from sna.formats.container import open_container
from sna.formats.csv import Dialect
from sna.formats.frames import as_text, load_frame
from sna.formats.loaded import Loaded
from sna.formats.times import check_time_format
from sna.people.org_columns import OrgColumns, find_org_columns, is_private_column
from sna.people.reporting_lines import level_spells
from sna.people.scim import is_scim, load_scim
from sna.readers.collect import Collector
from sna.readers.tables.cells import pick_columns, read_times
from sna.schema import ROLES, TIME
from sna.types import Frame

_NOBODY = (
    *("", "(blank)", "blank", "vacant", "no_manager", "tbd", "tba", "n/a", "na", "none", "null", "-", "#n/a", "open"),
    "unbesetzt",
)
_TOTALS = r"(?i)^(?:grand |sub-?)?total\b|^(?:summe|gesamt|applied filters|count)\b"
_DATES = ("valid_from", "valid_to", "joined_at", "left_at")
_KEYS = ("person_id", "email", "name", "username")


@dataclass(frozen=True, repr=False)
class OrgData:
    """What HR knows: ``people`` (one row each), ``spells`` (attributes over time), ``issues``, and rows read.

    Attributes
    ----------
    people
        ``person_id, email, name, username, joined_at, left_at``.
    spells
        The columns of a forum's ``roles``; managers are person ids of this table where they are in it.
    issues
        What could not be used or was repaired, in the columns of ``forum.issues``.
    n_read
        Rows of the file, the rejected ones too.
    columns
        What each column was taken for: ``field, column``.
    """

    people: pl.DataFrame
    spells: pl.DataFrame
    issues: pl.DataFrame
    n_read: int
    columns: pl.DataFrame
    file: str = ""

    def __repr__(self) -> str:
        attributes = ", ".join(self.spells["attribute"].unique().sort()) or "none"
        basis = ", ".join(self.spells["basis"].unique().sort())
        lost = self.issues.filter(pl.col("kind") == "rejected")["n"].sum()
        return (
            f"OrgData: {self.people.height:,} people; attributes: {attributes} ({basis or 'no dates'}); "
            f"{self.n_read:,} rows read, {lost:,} rejected."
        )


@dataclass
class _Table:
    """The rows on their way to OrgData, under our names, and the log of what was met."""

    frame: pl.DataFrame
    columns: OrgColumns
    file: str
    log: Collector

    def note(self, reason: str, detail: str, *, n: int = 1, table: str = "roles") -> None:
        """Log something about rows that are kept; nothing when there are none."""
        if n:
            self.log.note(table, reason, file=self.file, detail=detail, n=n)

    def drop(self, lost: pl.Expr, reason: str, *, detail: str = "") -> None:
        """Take rows out and log each, with what its column ``detail`` holds."""
        shown = pl.col(detail) if detail else detail
        self.frame = self.log.drop("roles", self.frame, lost=lost, reason=reason, detail=shown)


def read_org(
    data: Frame | str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    as_of: datetime | None = None,
    time_format: str | None = None,
    timezone: str = "UTC",
    sep: str | None = None,
    encoding: str | None = None,
) -> OrgData:
    """Read people's attributes: one row per person, per person and date, or per person and attribute.

    Parameters
    ----------
    data
        A CSV, JSONL or Parquet path (Viva Insights organisational data, exports of the usual HR systems, an
        ``ID, ReportsToID`` list), SCIM users as JSON, or any DataFrame.
    columns
        Our key -> your column, where the header is not recognised: person_id, email, name, username, manager,
        valid_from, valid_to, joined_at, left_at (and attribute, value for one attribute per row).
    attributes
        Attribute -> your column; only these are read then. By default every column that is not a key, not private
        and not a measurement.
    as_of
        Date of a snapshot. Without it a snapshot is taken to hold for the whole period, and marked "snapshot".
    time_format, timezone
        See `sna.formats.times.parse_times`; Viva Insights files are always month first.
    sep, encoding
        Dialect of a text file, found out when None.

    Returns
    -------
    OrgData
        ``.people``, ``.spells``, ``.issues``, ``.columns`` (what was taken for what).

    Raises
    ------
    SchemaError
        When no column can be the person, or a named column is not there.

    Notes
    -----
    Several dates per person make an effective-dated history: a row holds until the person's next row; a cell that
    becomes empty ends the spell. A manager column gives the attribute "manager" and, unless a level is in the
    table, "level": steps from the top (0), recomputed at every date a reporting line changes. A person who is his or
    her own manager is a top. Pay, phone, birth dates, health and the like are never read.

    When it misleads: HR backdates. The history is what HR believes today about the past, not what people saw then.

    Examples
    --------
    >>> org = read_org(pl.DataFrame({"ID": ["a", "b", "c"], "ReportsToID": ["a", "a", "b"]}))
    >>> org.spells.filter(attribute="level").select("person_id", "value").rows()
    [('a', '0'), ('b', '1'), ('c', '2')]
    """
    check_time_format(time_format, timezone)
    loaded = _load(data, sep=sep, encoding=encoding)
    table = _name_columns(loaded, columns or {}, attributes)
    viva = {"PersonId", "EffectiveDate"} <= set(loaded.frame.columns)
    how = {"time_format": time_format or ("mdy" if viva else None), "timezone": timezone}
    for name in [name for name in _DATES if name in table.frame.columns]:
        if table.frame.schema[name] == pl.String:
            table.frame = table.frame.with_columns(_filled(name).alias(name))
        table.frame = read_times(table.log, table.frame, name=name, table="roles", strict=False, **how)
    _identify(table)
    if table.frame.is_empty():
        reasons = ", ".join(table.log.issues()["reason"].unique().sort()) or "no rows"
        raise ReadError(f"{loaded.name or 'The table'} must hold people.", got=f"None could be used: {reasons}.")
    people = _people(table)
    _resolve_managers(table, people)
    spells = _long_spells(table) if table.columns.layout == "long" else _wide_spells(table, as_of)
    spells = _with_levels(table, spells, people)
    taken = [*table.columns.keys.items(), *((f"attributes.{k}", v) for k, v in table.columns.attributes.items())]
    return OrgData(
        people=people,
        spells=spells.sort(list(ROLES.sort), nulls_last=True),
        issues=table.log.issues(),
        n_read=loaded.n_read,
        columns=pl.DataFrame(taken, schema=["field", "column"], orient="row"),
        file=loaded.name,
    )


def _load(data: Frame | str | Path, *, sep: str | None, encoding: str | None) -> Loaded:
    if isinstance(data, str | Path):
        with open_container(data) as container:
            users = [name for name in container.names if name.lower().endswith((".json", ".jsonl"))]
            if users and all(is_scim(container, name) for name in users):
                return load_scim(container, users)
    return load_frame(data, Dialect(sep, encoding))


def _name_columns(loaded: Loaded, columns: Mapping[str, str], attributes: Mapping[str, str] | None) -> _Table:
    """Pick the columns under our names, as text."""
    found = find_org_columns(loaded.frame)
    wanted = [*columns.values(), *(attributes or {}).values()]
    missing = [name for name in wanted if name not in loaded.frame.columns]
    private = [name for name in wanted if is_private_column(name)]
    if missing or private:
        raise SchemaError(
            f"read_org cannot read {', '.join(map(repr, missing + private))}.",
            got="Private facts are never read." if private else f"Found: {', '.join(map(repr, loaded.frame.columns))}.",
            hint="leave them out of the export" if private else "name columns that are there",
        )
    keys = {**{k: v for k, v in found.keys.items() if v not in wanted}, **columns}
    named = found.attributes if attributes is None else attributes
    named = {k: v for k, v in named.items() if v not in keys.values()}
    layout = "long" if {"attribute", "value"} <= set(keys) else "wide"
    cells = {k: loaded.frame[v] if k in _DATES else as_text(loaded.frame[v]) for k, v in keys.items()}
    cells |= {f"is:{k}": as_text(loaded.frame[v]) for k, v in named.items()}
    log = Collector("org")
    log.log_loaded(loaded, "roles")
    table = _Table(pick_columns(loaded, cells), OrgColumns(layout, keys, named, found.left_out), loaded.name, log)
    for reason, names in found.left_out.items():
        lost = [name for name in names if name not in wanted]
        table.note(reason, f"not read: {', '.join(lost[:8])}", n=len(lost))
    return table


def _identify(table: _Table) -> None:
    """Settle the person of each row: the id, else e-mail, login or name; take out totals, vacancies and doubles."""
    frame = table.frame
    if {"first_name", "last_name"} <= set(frame.columns) and "name" not in frame.columns:
        full = pl.concat_str(["first_name", "last_name"], separator=" ", ignore_nulls=True).str.strip_chars()
        frame = frame.with_columns(full.alias("name"))
    present = [key for key in ("person_id", "email", "username", "name") if key in frame.columns]
    if not present:
        raise SchemaError(
            "The table must say who each row is about.",
            got=f"Columns taken as attributes: {', '.join(table.columns.attributes) or 'none'}.",
            hint='columns={"person_id": "<your column>"}',
        )
    filled = [_filled(key) for key in present]
    table.frame = frame.with_columns(pl.coalesce(filled).alias("person_id"))
    for key in ("email", "username", "name"):
        if key not in table.frame.columns:
            table.frame = table.frame.with_columns(pl.lit(None, pl.String).alias(key))
    person = pl.col("person_id")
    table.frame = table.frame.with_columns(
        pl.when(_filled("email").is_null() & person.str.contains(r"^[^@\s]+@[^@\s]+$")).then(person)
        .otherwise(_filled("email")).alias("email")
    )  # fmt: skip
    table.drop(person.is_null(), "missing_person")
    table.drop(person.str.contains(_TOTALS), "total_row", detail="person_id")
    table.drop(person.str.contains(r"^=?\d(?:[.,]\d+)?E\+\d+$"), "spreadsheet_number", detail="person_id")
    _drop_doubles(table)


def _filled(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(~text.str.to_lowercase().is_in(_NOBODY)).then(text)


def _drop_doubles(table: _Table) -> None:
    """Same person and date twice: an equal row is a double, a different one a conflict (the first in order wins)."""
    facts = [name for name in table.frame.columns if not name.startswith("_")]
    key = [name for name in ("person_id", "attribute", "valid_from") if name in facts]
    rest = [name for name in facts if name not in key]
    table.frame = table.frame.sort([*key, *rest], nulls_last=True, maintain_order=True)
    table.drop(~pl.struct(facts).is_first_distinct(), "duplicate_row", detail="person_id")
    table.drop(~pl.struct(key).is_first_distinct(), "conflicting_row", detail="person_id")


def _people(table: _Table) -> pl.DataFrame:
    """One row per person: the latest name and address, the first hire, the last leave."""
    order = [name for name in ("person_id", "valid_from", "email", "name") if name in table.frame.columns]
    ordered = table.frame.sort(order, nulls_last=False)
    facts = [_filled(key).drop_nulls().last().alias(key) for key in ("email", "name", "username")]
    for name, pick in (("joined_at", pl.Expr.min), ("left_at", pl.Expr.max)):
        known = name in ordered.columns
        facts.append((pick(pl.col(name)) if known else pl.lit(None, TIME).first()).alias(name))
    people = ordered.group_by("person_id").agg(facts).sort("person_id")
    if "joined_at" in ordered.columns:
        hires = ordered.group_by("person_id").agg(pl.col("joined_at").drop_nulls().n_unique().alias("n"))
        n_rehired = hires.filter(pl.col("n") > 1).height
        table.note("rehired", "people with several hire dates; the first kept", n=n_rehired, table="people")
    odd = people.filter(pl.col("left_at") < pl.col("joined_at"))["person_id"]
    table.note("left_before_joined", ", ".join(odd.head(5)), n=len(odd), table="people")
    return people.select(*_KEYS, "joined_at", "left_at").cast({"joined_at": TIME, "left_at": TIME})


def _resolve_managers(table: _Table, people: pl.DataFrame) -> None:
    """Managers named by id, e-mail, login or full name become person ids; the column ``boss`` is null for "none"."""
    if "manager" not in table.frame.columns:
        return
    known = _lookup_of(people)
    named = _filled("manager")
    vacant = table.frame.filter(pl.col("manager").is_not_null() & named.is_null() & (pl.col("manager") != ""))
    table.note("vacant_manager", "managers such as Vacant, TBD or (blank); read as none", n=vacant.height)
    key = named.str.to_lowercase()
    boss = pl.coalesce(key.replace_strict(known, default=None, return_dtype=pl.String), named)
    table.frame = table.frame.with_columns(boss.alias("boss"))
    own = table.frame.filter(pl.col("boss") == pl.col("person_id"))["person_id"].unique().sort()
    table.note("self_manager", f"read as the top: {', '.join(own.head(5))}", n=len(own))
    table.frame = table.frame.with_columns(pl.when(pl.col("boss") != pl.col("person_id")).then("boss").alias("boss"))
    lost = table.frame.filter(~pl.col("boss").is_in(people["person_id"].implode()))["boss"].unique().sort()
    table.note("unknown_manager", f"not in the table: {', '.join(lost.head(5))}", n=len(lost))


def _lookup_of(people: pl.DataFrame) -> dict[str, str]:
    """Casefolded id, e-mail, login, name -> person; a key of two people is no key; ids come first."""
    known: dict[str, str] = {}
    for key in ("person_id", "email", "username", "name"):
        pairs = people.select(pl.col(key).str.to_lowercase().alias("key"), "person_id").drop_nulls().unique()
        once = pairs.filter(pl.len().over("key") == 1)
        known = {**dict(once.iter_rows()), **known}
    bare = {key.lstrip("0"): person for key, person in sorted(known.items()) if key.lstrip("0")}
    return {**bare, **known}


def _long_spells(table: _Table) -> pl.DataFrame:
    frame = table.frame.with_columns(_filled("value").alias("value"))
    for name in ("valid_from", "valid_to"):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, TIME).alias(name))
    private = [name for name in frame["attribute"].drop_nulls().unique().sort() if is_private_column(name)]
    hidden = frame.filter(pl.col("attribute").is_in(private)).height
    table.note("private_column", f"not kept: {', '.join(private[:8])}", n=hidden)
    frame = frame.drop_nulls("attribute").filter(~pl.col("attribute").is_in(private))
    canonical = {raw: _canonical(raw) for raw in frame["attribute"].unique()}
    frame = frame.with_columns(pl.col("attribute").replace(canonical))
    frame = _bosses_as_values(frame)
    parts = [_dated_spells(part.drop("attribute"), name[0]) for name, part in frame.group_by("attribute")]
    return pl.concat([ROLES.empty(), *parts])


def _canonical(attribute: str) -> str:
    probe = find_org_columns(pl.DataFrame({"person_id": ["x"], attribute: ["y"]}))
    return "manager" if "manager" in probe.keys else next(iter(probe.attributes), attribute)


def _bosses_as_values(frame: pl.DataFrame) -> pl.DataFrame:
    """In the long layout managers are values of the attribute "manager"."""
    rows = frame.filter(pl.col("attribute") == "manager")
    if rows.is_empty():
        return frame
    ids = {person.lower(): person for person in frame["person_id"].unique().sort(descending=True)}
    boss = pl.coalesce(
        pl.col("value").str.to_lowercase().replace_strict(ids, default=None, return_dtype=pl.String), "value"
    )
    return frame.with_columns(pl.when(pl.col("attribute") == "manager").then(boss).otherwise("value").alias("value"))


def _wide_spells(table: _Table, as_of: datetime | None) -> pl.DataFrame:
    frame = table.frame
    dated = "valid_from" in frame.columns and frame["valid_from"].n_unique() > 1
    if not dated:
        if "valid_from" in frame.columns and as_of is None:
            table.note("one_snapshot", "all rows have one date; taken to hold for the whole period", n=frame.height)
        frame = frame.with_columns(pl.lit(as_of, TIME).alias("valid_from"))
    if "valid_to" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, TIME).alias("valid_to"))
    frame = _half_open(frame, table)
    values = {f"is:{name}": name for name in table.columns.attributes}
    if "boss" in frame.columns:
        values["boss"] = "manager"
    parts = [ROLES.empty()]
    for column, name in values.items():
        value = _filled(column) if column != "boss" else pl.col("boss")
        part = frame.select("person_id", value.alias("value"), "valid_from", "valid_to")
        parts.append(_dated_spells(part, name))
    return pl.concat(parts)


def _half_open(frame: pl.DataFrame, table: _Table) -> pl.DataFrame:
    """End dates that are the day before the person's next start are the last day: move them to the next start."""
    following = pl.col("valid_from").shift(-1).over("person_id")
    ordered = frame.sort("person_id", "valid_from", nulls_last=False)
    gaps = ordered.select((following - pl.col("valid_to")).alias("gap"))["gap"].drop_nulls()
    if len(gaps) and (gaps == timedelta(days=1)).any() and not (gaps == timedelta(0)).any():
        table.note("last_day_inclusive", "end dates are the last day that counts", n=len(gaps))
        return ordered.with_columns(pl.col("valid_to") + pl.duration(days=1))
    return ordered


def _dated_spells(rows: pl.DataFrame, attribute: str) -> pl.DataFrame:
    """A row holds until the person's next row or its own end; equal neighbours become one spell; null ends one."""
    ordered = rows.sort("person_id", "valid_from", "value", nulls_last=False)
    following = pl.col("valid_from").shift(-1).over("person_id")
    until = pl.min_horizontal("valid_to", following)
    ordered = ordered.with_columns(until.alias("until"))
    touching = (pl.col("until").shift(1).over("person_id") == pl.col("valid_from")).fill_null(False)
    same = pl.col("value").eq_missing(pl.col("value").shift(1).over("person_id"))
    runs = ordered.with_columns((~(touching & same)).cum_sum().alias("run"))
    spells = runs.group_by("run", maintain_order=True).agg(
        pl.col("person_id").first(),
        pl.col("value").first(),
        pl.col("valid_from").first(),
        pl.col("until").last().alias("valid_to"),
    )
    dated = pl.col("valid_from").is_not_null() | pl.col("valid_to").is_not_null()
    several = rows["valid_from"].n_unique() > 1 or rows["valid_to"].null_count() < rows.height
    basis = pl.when(dated & pl.lit(several)).then(pl.lit("effective_dated")).otherwise(pl.lit("snapshot"))
    whole = spells.with_columns(pl.lit(attribute).alias("attribute"), basis.alias("basis"))
    return whole.drop_nulls("value").select(list(ROLES.columns))


def _with_levels(table: _Table, spells: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Levels from the reporting line, where no level is given."""
    managers = spells.filter(pl.col("attribute") == "manager")
    if managers.is_empty() or (spells["attribute"] == "level").any():
        return spells
    basis = "effective_dated" if (managers["basis"] == "effective_dated").any() else "snapshot"
    levels, cyclic = level_spells(_with_tops(table, managers, people), basis)
    table.note("manager_cycle", f"no level: {', '.join(cyclic[:5])}", n=len(cyclic))
    unknown = people.height - levels["person_id"].n_unique()
    table.note("level_unknown", "people whose reporting line does not reach a top", n=unknown)
    return pl.concat([spells, levels])


def _with_tops(table: _Table, managers: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Managers as spells, with a null for the times a person is in the table and has none."""
    wide = table.columns.layout == "wide"
    if wide and "valid_from" in table.frame.columns and table.frame["valid_from"].n_unique() > 1:
        rows = table.frame.select("person_id", pl.col("boss").alias("value"), "valid_from")
        ordered = rows.sort("person_id", "valid_from", nulls_last=False)
        return ordered.with_columns(pl.col("valid_from").shift(-1).over("person_id").alias("valid_to"))
    tops = people.join(managers, on="person_id", how="anti").select("person_id")
    rest = tops.with_columns(pl.lit(None, pl.String).alias("value"), pl.lit(None, TIME).alias("valid_from"))
    known = managers.select("person_id", "value", "valid_from", "valid_to")
    return pl.concat([known, rest.with_columns(pl.lit(None, TIME).alias("valid_to"))])


def check_match_on(match_on: Sequence[str]) -> None:
    """Refuse unknown keys of `add_org`.

    Raises
    ------
    ParameterError
        With the keys known.
    """
    wrong = [key for key in match_on if key not in _KEYS]
    if wrong or not match_on:
        raise ParameterError(f"match_on names some of {', '.join(_KEYS)}, the surest first.", got=f"Got {match_on!r}.")
