"""The Forum: one frozen object with every table of an export, validated once at the door.

`build_forum` takes tables from a reader (or by hand), casts and checks them, adds a placeholder person for
every author the people table does not know, and writes what it could not use to ``issues``.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sna.errors import NotAnswerableError, ParameterError, ReadError, SchemaError
from sna.schema import ANALYSES, CAPABILITIES, ISSUES, LEVELS, PEOPLE, TABLES, TIME, Table

_SOURCE_FILE = "source.json"
_ROOT_STEPS = 40


@dataclass(frozen=True)
class Source:
    """Where a forum comes from and what that source can know.

    Attributes
    ----------
    platform
        The reader's name, such as ``"discourse"``.
    coverage
        What part was exported, in words ("public channels", "one quarter of mail").
    capabilities
        A level ("yes", "partial", "no") for each of `sna.schema.CAPABILITIES`; absent means "no".
    exported_at
        The administrative censoring time: nothing after it is known. Defaults to the last event seen.
    rows_read
        Rows the reader met, by table.
    files
        Names of the files that were read.
    """

    platform: str
    coverage: str = ""
    capabilities: Mapping[str, str] = field(default_factory=dict)
    exported_at: datetime | None = None
    rows_read: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Forum:
    """People, roles, posts, mentions, signals, events, memberships, campaigns, their source and its issues.

    Make one with `sna.read_forum`, `sna.read_table`, `sna.load_example` or `build_forum`. Every table is a
    polars DataFrame whose columns are listed in `sna.schema`.
    """

    people: pl.DataFrame
    roles: pl.DataFrame
    posts: pl.DataFrame
    mentions: pl.DataFrame
    signals: pl.DataFrame
    events: pl.DataFrame
    memberships: pl.DataFrame
    campaigns: pl.DataFrame
    source: Source
    issues: pl.DataFrame

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        """First and last post; None for a forum without dated posts."""
        first, last = self.posts["created_at"].min(), self.posts["created_at"].max()
        return (first, last) if isinstance(first, datetime) and isinstance(last, datetime) else None

    @property
    def observed_until(self) -> datetime | None:
        """The censoring time: the export's own date, else the last post, signal or event."""
        if self.source.exported_at is not None:
            return self.source.exported_at
        times = [self.posts["created_at"], self.signals["at"], self.events["at"]]
        last = pl.concat([column.alias("at") for column in times]).max()
        return last if isinstance(last, datetime) else None

    def supports(self, capability: str) -> str:
        """Level of one capability: "yes", "partial" or "no"."""
        if capability not in CAPABILITIES:
            raise ParameterError(f"A capability is one of {', '.join(CAPABILITIES)}.", got=f"Got {capability!r}.")
        return self.source.capabilities.get(capability, "no")

    @property
    def states_capabilities(self) -> bool:
        """Whether the source declares any capability; if not, everything is assumed to be available."""
        return any(level != "no" for level in self.source.capabilities.values())

    def attribute(self, name: str, *, at: datetime | None = None) -> pl.DataFrame:
        """Each person's value of an attribute at a time (an as-of join over the role spells).

        Parameters
        ----------
        name
            Attribute in the roles table ("role", "department", "level", "manager", ...).
        at
            The moment; None means the last moment observed.

        Returns
        -------
        DataFrame
            ``person_id, <name>``, one row per person, null where nothing is known then.

        Raises
        ------
        SchemaError
            When no person has this attribute.

        Examples
        --------
        >>> forum = build_forum(posts=pl.DataFrame({"post_id": ["1"], "thread_id": ["1"], "author_id": ["a"]}),
        ...                     roles=pl.DataFrame({"person_id": ["a"], "attribute": ["role"], "value": ["IT"]}))
        >>> forum.attribute("role").rows()
        [('a', 'IT')]
        """
        frame = self.people.select("person_id", pl.lit(at).cast(TIME).alias("_at"))
        return join_attribute(self, frame, by=name, at="_at").drop("_at")

    def list_attributes(self) -> pl.DataFrame:
        """Attributes known, with the number of people, of values and of changes, and their basis."""
        return (
            self.roles.group_by("attribute")
            .agg(
                pl.col("person_id").n_unique().alias("n_people"),
                pl.col("value").n_unique().alias("n_values"),
                (pl.len() - pl.col("person_id").n_unique()).alias("n_changes"),
                pl.col("basis").unique().sort().str.join(", ").alias("basis"),
            )
            .sort("attribute")
        )

    def accounting(self) -> pl.DataFrame:
        """Rows read = rows used + rejected + withheld, by table; ``added`` counts placeholders made here."""
        lost = (
            self.issues.filter(pl.col("kind").is_in(["rejected", "withheld"]))
            .group_by("table", "kind")
            .agg(pl.col("n").sum())
        )
        losses = {(t, k): n for t, k, n in lost.iter_rows()}
        rows = []
        for name in TABLES:
            read = self.source.rows_read.get(name, 0)
            rejected, withheld = losses.get((name, "rejected"), 0), losses.get((name, "withheld"), 0)
            used, height = read - rejected - withheld, getattr(self, name).height
            rows.append((name, read, used, rejected, withheld, height - used))
        return pl.DataFrame(rows, schema=["table", "read", "used", "rejected", "withheld", "added"], orient="row")

    def equals(self, other: Forum) -> bool:
        """Same tables, row by row, and the same source."""
        tables = [*TABLES, "issues"]
        return self.source == other.source and all(getattr(self, name).equals(getattr(other, name)) for name in tables)

    def __repr__(self) -> str:
        authors = self.posts["author_id"].n_unique() - int(self.posts["author_id"].has_nulls())
        period = self.period
        when = f", {period[0]:%Y-%m-%d} to {period[1]:%Y-%m-%d}" if period else ""
        lost = self.issues.filter(pl.col("kind") == "rejected")["n"].sum()
        attributes = ", ".join(self.roles["attribute"].unique().sort()) or "none"
        threads = self.posts["thread_id"].n_unique()
        return (
            f"Forum ({self.source.platform}): {self.posts.height:,} posts in {threads:,} threads "
            f"by {authors:,} of {self.people.height:,} people{when}; {self.signals['n'].sum():,} signals; "
            f"attributes: {attributes}; {lost:,} rows rejected."
        )

    def _repr_html_(self) -> str:
        counts = "".join(
            f"<tr><th>{name}</th><td style='text-align:right'>{getattr(self, name).height:,}</td></tr>"
            for name in [*TABLES, "issues"]
        )
        return f"<p>{html.escape(repr(self))}</p><table>{counts}</table>"


def build_forum(
    *,
    posts: pl.DataFrame | None = None,
    people: pl.DataFrame | None = None,
    roles: pl.DataFrame | None = None,
    mentions: pl.DataFrame | None = None,
    signals: pl.DataFrame | None = None,
    events: pl.DataFrame | None = None,
    memberships: pl.DataFrame | None = None,
    campaigns: pl.DataFrame | None = None,
    source: Source | None = None,
    issues: pl.DataFrame | None = None,
) -> Forum:
    """Validate tables and join them into a Forum. Nothing is dropped without a row in ``issues``.

    Parameters
    ----------
    posts, people, ...
        Polars frames with the columns of `sna.schema`; missing optional columns are filled, extra ones refused.
    source
        Platform and capabilities. ``rows_read`` is filled from the tables where the reader did not say.
    issues
        What the reader itself could not use.

    Raises
    ------
    SchemaError
        When a required column is missing, a column is unknown, a type cannot be cast or a value is not allowed.

    Notes
    -----
    Repaired here, each with an issue: an unknown author or role holder becomes a placeholder person; a parent that
    is missing, in another thread or part of a cycle is removed. Rejected here: a second row with the same key, a
    mention or signal of a post that is not there, a row with a null in a required column.
    """
    given = {
        "people": people,
        "roles": roles,
        "posts": posts,
        "mentions": mentions,
        "signals": signals,
        "events": events,
        "memberships": memberships,
        "campaigns": campaigns,
    }
    source = source or Source("tables")
    read = {name: 0 if frame is None else frame.height for name, frame in given.items()}
    read.update(source.rows_read)
    log: list[pl.DataFrame] = [] if issues is None else [conform(issues, ISSUES)]
    tables = {name: _admit(given[name], TABLES[name], log) for name in TABLES}
    for name in ("mentions", "signals"):
        tables[name] = _keep_known_posts(tables[name], tables["posts"], name, log)
    tables["posts"] = _mend_parents(tables["posts"], log)
    tables["people"] = _add_placeholders(tables, log)
    final = {name: _sorted(frame, TABLES[name]) for name, frame in tables.items()}
    all_issues = _sorted(pl.concat([ISSUES.empty(), *log]), ISSUES)
    return Forum(**final, source=replace(source, rows_read=read, capabilities=_levels(source)), issues=all_issues)


def conform(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Cast a frame to a table's columns and types, in order; fill defaults and missing optional columns.

    Raises
    ------
    SchemaError
        For a missing required column, an unknown column, a value that cannot be cast or is not allowed.
    """
    _check_columns(frame, table)
    columns = []
    for name, dtype in table.columns.items():
        column = _cast(pl.col(name), frame.schema[name], dtype) if name in frame.columns else pl.lit(None, dtype)
        default = table.defaults.get(name)
        columns.append((column if default is None else column.fill_null(default)).alias(name))
    try:
        result = frame.select(columns)
    except pl.exceptions.PolarsError as error:
        raise SchemaError(
            f"The {table.name} table needs the types {_types(table)}.",
            got=f"A value cannot be cast: {str(error).splitlines()[0]}.",
            hint="parse times and write ids as text before building the forum",
        ) from error
    _check_values(result, table)
    return result


def join_attribute(
    forum: Forum,
    frame: pl.DataFrame,
    *,
    by: str = "role",
    person: str = "person_id",
    at: str | None = "created_at",
    into: str | None = None,
) -> pl.DataFrame:
    """Add to each row the person's attribute **as of that row's time** (people change roles).

    Parameters
    ----------
    forum, frame
        Roles are taken from the forum; row order of ``frame`` is kept.
    by
        Attribute, such as "role" or "department".
    person, at
        Columns of ``frame`` with the person and the time. ``at=None`` uses the last moment observed.
    into
        Name of the new column; the attribute's name by default. Null where nothing is known then.

    Raises
    ------
    SchemaError
        When the forum has no such attribute.
    """
    spells = forum.roles.filter(pl.col("attribute") == by).select("person_id", "valid_from", "valid_to", "value")
    if spells.is_empty():
        known = ", ".join(forum.roles["attribute"].unique().sort()) or "none"
        raise SchemaError(
            f"The forum needs the attribute {by!r} for this.",
            got=f"Attributes known: {known}.",
            hint="add people's attributes with sna.read_org(...) and sna.add_org(forum, org)",
        )
    begin = datetime.min.replace(tzinfo=UTC)
    spells = (
        spells.with_columns(pl.col("valid_from").fill_null(begin))
        .sort("person_id", "valid_from", "valid_to", "value", nulls_last=True)
        .rename({"person_id": "_person", "valid_from": "_from", "valid_to": "_to", "value": "_value"})
    )
    moment = forum.observed_until or datetime.max.replace(tzinfo=UTC)
    rows = frame.select(
        pl.col(person).alias("_person"),
        (pl.col(at) if at is not None else pl.lit(moment)).cast(TIME).fill_null(moment).alias("_at"),
    ).with_row_index("_row")
    joined = rows.sort("_at").join_asof(
        spells.sort("_from"),
        left_on="_at",
        right_on="_from",
        by="_person",
        strategy="backward",
        check_sortedness=False,
    )
    valid = pl.col("_to").is_null() | (pl.col("_at") < pl.col("_to"))
    values = joined.sort("_row").select(pl.when(valid).then(pl.col("_value")).alias(into or by))
    return frame.with_columns(values[into or by])


def require_capabilities(forum: Forum, needs: Sequence[str], *, analysis: str, partial: bool = True) -> None:
    """Refuse an analysis the source cannot support. A source that declares nothing is assumed to have everything.

    Raises
    ------
    NotAnswerableError
        When a capability in ``needs`` is "no" (or "partial", with ``partial=False``).
    """
    if not forum.states_capabilities:
        return
    enough = ("yes", "partial") if partial else ("yes",)
    missing = [need for need in needs if forum.supports(need) not in enough]
    if missing:
        facts = "; ".join(f"{need}: {CAPABILITIES[need]}" for need in missing)
        raise NotAnswerableError(
            f"Not answerable from this source: {analysis} needs {facts}.",
            got=f"A {forum.source.platform} export does not record it.",
            hint="sna.list_capabilities(forum) shows what this source can support",
        )


def list_capabilities(forum: Forum) -> pl.DataFrame:
    """What the source can and cannot know: ``capability, level, meaning``."""
    rows = [(name, forum.supports(name), meaning) for name, meaning in CAPABILITIES.items()]
    return pl.DataFrame(rows, schema=["capability", "level", "meaning"], orient="row")


def list_analyses(forum: Forum) -> pl.DataFrame:
    """Which analyses the source can support: ``analysis, answerable (yes / partial / no), because``."""
    rows = []
    for analysis, needs in ANALYSES.items():
        levels = {need: _known(forum, need) for need in needs}
        worst = max(levels.values(), key=LEVELS.index)
        because = "; ".join(f"{need}: {level}" for need, level in levels.items() if level != "yes")
        rows.append((analysis, worst, because))
    return pl.DataFrame(rows, schema=["analysis", "answerable", "because"], orient="row")


def _known(forum: Forum, capability: str) -> str:
    """Level of a capability; people's attributes may also have been added to a forum whose source has none."""
    if capability == "org_attributes" and forum.supports(capability) == "no" and not forum.roles.is_empty():
        return "partial"
    return forum.supports(capability)


def write_forum(forum: Forum, folder: str | Path) -> Path:
    """Write the canonical Parquet folder: one file per table and ``source.json``. Same forum, same bytes.

    Raises
    ------
    ReadError
        When the folder cannot be written.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in [*TABLES, "issues"]:
            getattr(forum, name).write_parquet(target / f"{name}.parquet", compression="zstd", statistics=False)
        facts = {**forum.source.__dict__, "files": list(forum.source.files)}
        facts["exported_at"] = forum.source.exported_at.isoformat() if forum.source.exported_at else None
        (target / _SOURCE_FILE).write_text(json.dumps(facts, indent=1, sort_keys=True), encoding="utf-8")
    except OSError as error:
        raise ReadError(f"The folder {target} must be writable.", got=f"{error.strerror}.") from error
    return target


def read_canonical(folder: str | Path) -> Forum:
    """Read a folder written by `write_forum`; equal to the forum that was written.

    Raises
    ------
    ReadError
        When a file is missing or damaged.
    """
    root = Path(folder)
    try:
        facts: dict[str, Any] = json.loads((root / _SOURCE_FILE).read_text(encoding="utf-8"))
        tables = {name: pl.read_parquet(root / f"{name}.parquet") for name in [*TABLES, "issues"]}
        exported = facts.pop("exported_at")
        source = Source(
            **{**facts, "files": tuple(facts["files"])},
            exported_at=datetime.fromisoformat(exported) if exported else None,
        )
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise ReadError(
            f"{root} should hold {_SOURCE_FILE} and one Parquet file per table, as `sna convert` writes them.",
            got=f"{type(error).__name__}: {error}.",
            hint="convert the export again",
        ) from error
    for name, frame in tables.items():
        conform(frame, ISSUES if name == "issues" else TABLES[name])
    return Forum(**tables, source=source)


def make_issues(
    table: str, reason: str, *, kind: str, n: int = 1, file: str = "", position: str = "", detail: str = ""
) -> pl.DataFrame:
    """One row for ``issues``; ``n`` rows of ``table`` are meant."""
    row = {"table": table, "reason": reason, "kind": kind, "file": file, "position": position}
    return conform(pl.DataFrame([{**row, "n": n, "detail": detail}]), ISSUES)


def _types(table: Table) -> str:
    return ", ".join(f"{name}: {dtype}" for name, dtype in table.columns.items())


def _check_columns(frame: pl.DataFrame, table: Table) -> None:
    needed = [name for name in table.required if name not in table.defaults]
    missing = [name for name in needed if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in table.columns]
    found = "Found: " + ", ".join(repr(name) for name in frame.columns) + "."
    if missing:
        example = f'columns={{"{missing[0]}": "<your column>"}}'
        raise SchemaError(
            f"The {table.name} table has no column {', '.join(map(repr, missing))}.", got=found, hint=example
        )
    if unknown:
        raise SchemaError(
            f"The {table.name} table has the columns {', '.join(table.columns)}.",
            got=f"Unknown: {', '.join(map(repr, unknown))}.",
            hint="drop them, or turn people's facts into rows of the roles table",
        )


def _cast(column: pl.Expr, have: pl.DataType, want: pl.DataType | type[pl.DataType]) -> pl.Expr:
    if want == TIME and have == pl.String:
        return column.str.to_datetime(time_unit="us", time_zone="UTC", strict=True)
    if want == TIME and isinstance(have, pl.Datetime):
        zoned = column.dt.replace_time_zone("UTC") if have.time_zone is None else column.dt.convert_time_zone("UTC")
        return zoned.cast(TIME)
    return column.cast(want)


def _check_values(frame: pl.DataFrame, table: Table) -> None:
    for name, allowed in table.values.items():
        wrong = frame.filter(~pl.col(name).is_in(allowed))[name].unique().sort().head(5).to_list()
        if wrong:
            raise SchemaError(f"{table.name}.{name} is one of {', '.join(allowed)}.", got=f"Found: {wrong}.")


def _admit(frame: pl.DataFrame | None, table: Table, log: list[pl.DataFrame]) -> pl.DataFrame:
    """Conform, then reject rows with a null where a value is required and second rows with the same key."""
    if frame is None:
        return table.empty()
    rows = conform(frame, table)
    complete = pl.all_horizontal(pl.col(name).is_not_null() for name in table.required)
    rows = _split(rows, complete, table, "missing_value", log)
    if table.key and rows.select(table.key).is_duplicated().any():
        ordered = rows.sort(rows.columns, nulls_last=True)  # which of two rows stays must not depend on row order
        rows = _split(ordered, pl.struct(table.key).is_first_distinct(), table, "duplicate_id", log)
    return rows


def _split(frame: pl.DataFrame, keep: pl.Expr, table: Table, reason: str, log: list[pl.DataFrame]) -> pl.DataFrame:
    marked = frame.with_columns(keep.alias("_keep"))
    if marked["_keep"].all():
        return frame
    lost = marked.filter(~pl.col("_keep"))
    id_column = next(iter(table.columns))
    log.append(
        lost.select(
            pl.lit(table.name).alias("table"),
            pl.lit(reason).alias("reason"),
            pl.lit("rejected").alias("kind"),
            (pl.lit(f"{id_column} ") + pl.col(id_column).fill_null("(none)")).alias("position"),
        ).pipe(conform, ISSUES)
    )
    return marked.filter("_keep").drop("_keep")


def _keep_known_posts(frame: pl.DataFrame, posts: pl.DataFrame, name: str, log: list[pl.DataFrame]) -> pl.DataFrame:
    known = pl.col("post_id").is_in(posts["post_id"].implode())
    return _split(frame, known, TABLES[name], "unknown_post", log)


def _mend_parents(posts: pl.DataFrame, log: list[pl.DataFrame]) -> pl.DataFrame:
    """Remove parents that are missing, in another thread, or part of a cycle."""
    if posts["parent_id"].null_count() == posts.height:
        return posts
    parents = posts.select(pl.col("post_id").alias("parent_id"), pl.col("thread_id").alias("_thread"))
    joined = posts.select("post_id", "parent_id", "thread_id").join(
        parents, on="parent_id", how="left", maintain_order="left"
    )
    reason = (
        pl.when(pl.col("parent_id").is_null())
        .then(None)
        .when(pl.col("_thread").is_null())
        .then(pl.lit("parent_missing"))
        .when(pl.col("_thread") != pl.col("thread_id"))
        .then(pl.lit("parent_in_other_thread"))
    )
    reasons = joined.select(reason.cast(pl.String).alias("reason"))["reason"]
    kept = posts.with_columns(pl.when(reasons.is_null()).then(pl.col("parent_id")).alias("parent_id"))
    cyclic = _in_cycle(kept)
    reasons = pl.select(pl.when(cyclic).then(pl.lit("parent_cycle")).otherwise(reasons).alias("reason"))["reason"]
    if reasons.null_count() == posts.height:
        return posts
    mended = posts.with_columns(
        pl.when(reasons.is_null()).then(pl.col("parent_id")).alias("parent_id"),
        pl.when(reasons.is_null()).then(pl.col("parent_basis")).otherwise(pl.lit("none")).alias("parent_basis"),
    )
    log.append(
        posts.with_columns(reasons.alias("reason"))
        .filter(pl.col("reason").is_not_null())
        .select(
            pl.lit("posts").alias("table"),
            "reason",
            pl.lit("repaired").alias("kind"),
            (pl.lit("post_id ") + pl.col("post_id")).alias("position"),
            (pl.lit("parent ") + pl.col("parent_id")).alias("detail"),
        )
        .pipe(conform, ISSUES)
    )
    return mended


def _in_cycle(posts: pl.DataFrame) -> pl.Series:
    """Rows whose chain of parents never ends, found by pointer doubling over row numbers."""
    size = posts.height
    rows = posts.select(pl.col("post_id").alias("parent_id")).with_row_index("_parent")
    parent = (
        posts.select("parent_id")
        .join(rows, on="parent_id", how="left", maintain_order="left")["_parent"]
        .fill_null(size)
        .to_numpy()
    )
    jump = np.append(parent, size).astype(np.int64)
    for _ in range(_ROOT_STEPS):
        if (jump == size).all():
            break
        jump = jump[jump]
    stuck = jump[:size] != size
    on_cycle = np.zeros(size + 1, dtype=bool)
    on_cycle[jump[:size][stuck]] = True
    return pl.Series(on_cycle[:size])


def _add_placeholders(tables: Mapping[str, pl.DataFrame], log: list[pl.DataFrame]) -> pl.DataFrame:
    """Make a person for every id that is used but not in ``people``."""
    people = tables["people"]
    columns = [tables["posts"]["author_id"]]
    columns += [tables[name]["person_id"] for name in ("roles", "mentions", "signals", "events", "memberships")]
    used = pl.concat([column.drop_nulls().unique().alias("person_id") for column in columns]).unique()
    missing = used.filter(~used.is_in(people["person_id"].implode())).sort()
    if missing.is_empty():
        return people
    log.append(
        pl.select(
            pl.lit("people").alias("table"),
            pl.lit("not_in_people").alias("reason"),
            pl.lit("repaired").alias("kind"),
            (pl.lit("person_id ") + missing).alias("position"),
        ).pipe(conform, ISSUES)
    )
    added = missing.to_frame().with_columns(pl.lit(True).alias("placeholder"))
    return pl.concat([people, conform(added, PEOPLE)])


def _sorted(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    return frame.sort(list(table.sort), nulls_last=True, maintain_order=True)


def _levels(source: Source) -> dict[str, str]:
    levels = {name: source.capabilities.get(name, "no") for name in CAPABILITIES}
    unknown = sorted(set(source.capabilities) - set(CAPABILITIES))
    wrong = sorted(set(levels.values()) - set(LEVELS))
    if unknown or wrong:
        raise SchemaError(
            f"Capabilities are {', '.join(CAPABILITIES)}, each {' / '.join(LEVELS)}.",
            got=f"Got {unknown + wrong}.",
        )
    return levels
