"""Admit tables to a Forum: converted, checked and repaired, with an issue for every row that is lost or changed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from sna.errors import SchemaError
from sna.schema import ISSUES, PEOPLE, TABLES, TIME, Table

_YEARS = (1900, 2199)
_ROOT_STEPS = 40


def admit_tables(
    given: Mapping[str, pl.DataFrame | None], issues: pl.DataFrame | None = None
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """All tables of `sna.schema.TABLES`, valid together and sorted, and the issues; see `sna.forum.build_forum`."""
    log: list[pl.DataFrame] = [] if issues is None else [conform(issues, ISSUES)]
    tables = {name: _admit(given.get(name), table, log) for name, table in TABLES.items()}
    for name in ("mentions", "signals"):
        known = pl.col("post_id").is_in(tables["posts"]["post_id"].implode())
        tables[name] = _split(tables[name], known, TABLES[name], "unknown_post", log)
    asked = tables["posts"].filter(pl.col("kind") == "root")["post_id"].implode()
    answers = ~((pl.col("kind") == "accept") & pl.col("post_id").is_in(asked))
    tables["signals"] = _split(tables["signals"], answers, TABLES["signals"], "accepted_root", log)
    tables["posts"] = _mend_parents(tables["posts"], log)
    tables["people"] = _add_placeholders(tables, log)
    final = {name: _sorted(frame, TABLES[name]) for name, frame in tables.items()}
    return final, _sorted(pl.concat([ISSUES.empty(), *log]), ISSUES)


def make_issues(
    table: str, reason: str, *, kind: str, n: int = 1, file: str = "", position: str = "", detail: str = ""
) -> pl.DataFrame:
    """One row for ``issues``; ``n`` rows of ``table`` are meant."""
    told = {"table": table, "reason": reason, "kind": kind, "file": file, "position": position, "detail": detail}
    return list_issues(pl.DataFrame({"n": [n]}), **told, n=pl.col("n"))


def list_issues(rows: pl.DataFrame, **told: str | int | pl.Expr) -> pl.DataFrame:
    """Issues, one for each row; ``told`` gives columns of ``issues`` as text or as expressions over the rows.

    Examples
    --------
    >>> list_issues(pl.DataFrame({"id": ["p7"]}), table="posts", reason="bad_time", position="id").row(0)[:5]
    ('posts', 'bad_time', 'rejected', '', 'id')
    """
    words = {"kind": "rejected", "file": "", "position": "", "n": 1, "detail": ""} | told
    columns = {name: word if isinstance(word, pl.Expr) else pl.lit(word) for name, word in words.items()}
    frame = rows.select(columns[name].cast(dtype).alias(name) for name, dtype in ISSUES.columns.items())
    return frame.with_columns(pl.col("detail").str.slice(0, 200).fill_null(""))


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
    rows = _possible_times(conform(frame, table), table, log)
    complete = pl.all_horizontal(pl.col(name).is_not_null() for name in table.required)
    rows = _split(rows, complete, table, "missing_value", log)
    if table.key and rows.select(table.key).is_duplicated().any():
        ordered = rows.sort(rows.columns, nulls_last=True)  # which of two rows stays must not depend on row order
        rows = _split(ordered, pl.struct(table.key).is_first_distinct(), table, "duplicate_id", log)
    return rows


def _possible_times(frame: pl.DataFrame, table: Table, log: list[pl.DataFrame]) -> pl.DataFrame:
    """Times of years before 1900 or after 2199 are no times of a forum: they become null."""
    for name in [name for name, dtype in table.columns.items() if dtype == TIME]:
        odd = ~pl.col(name).dt.year().is_between(*_YEARS)
        lost = frame.filter(odd)
        if lost.height:
            shown = pl.lit(f"{name}: the year ") + pl.col(name).dt.year().cast(pl.String)
            log.append(_told(lost, table, "impossible_time", kind="repaired", detail=shown))
            frame = frame.with_columns(pl.when(~odd).then(name).alias(name))
    return frame


def _told(
    rows: pl.DataFrame, table: Table, reason: str | pl.Expr, *, kind: str, detail: str | pl.Expr = ""
) -> pl.DataFrame:
    """Issues of rows of a table, each at its first column (an id)."""
    first = next(iter(table.columns))
    position = pl.lit(f"{first} ") + pl.col(first).fill_null("(none)")
    return list_issues(rows, table=table.name, reason=reason, kind=kind, position=position, detail=detail)


def _split(frame: pl.DataFrame, keep: pl.Expr, table: Table, reason: str, log: list[pl.DataFrame]) -> pl.DataFrame:
    marked = frame.with_columns(keep.alias("_keep"))
    if marked["_keep"].all():
        return frame
    log.append(_told(marked.filter(~pl.col("_keep")), table, reason, kind="rejected"))
    return marked.filter("_keep").drop("_keep")


def _mend_parents(posts: pl.DataFrame, log: list[pl.DataFrame]) -> pl.DataFrame:
    """Remove parents that are missing, in another thread, or part of a cycle."""
    if posts["parent_id"].null_count() == posts.height:
        return posts
    parents = posts.select(pl.col("post_id").alias("parent_id"), pl.col("thread_id").alias("_thread"))
    joined = posts.join(parents, on="parent_id", how="left", maintain_order="left")
    elsewhere = pl.when(pl.col("_thread") != pl.col("thread_id")).then(pl.lit("parent_in_other_thread"))
    missing = pl.when(pl.col("parent_id").is_not_null() & pl.col("_thread").is_null()).then(pl.lit("parent_missing"))
    marked = joined.with_columns(pl.coalesce(missing, elsewhere).alias("_reason"))
    kept = marked.with_columns(pl.when(pl.col("_reason").is_null()).then("parent_id").alias("parent_id"))
    cycle = pl.when(_in_cycle(kept)).then(pl.lit("parent_cycle"))
    marked = marked.with_columns(pl.coalesce(cycle, "_reason").alias("_reason"))
    lost = marked.drop_nulls("_reason")
    if lost.is_empty():
        return posts
    shown = pl.lit("parent ") + pl.col("parent_id")
    log.append(_told(lost, TABLES["posts"], pl.col("_reason"), kind="repaired", detail=shown))
    good = pl.when(pl.col("_reason").is_null())
    basis = good.then("parent_basis").otherwise(pl.lit("none"))
    return marked.with_columns(good.then("parent_id").alias("parent_id"), basis.alias("parent_basis")).select(
        posts.columns
    )


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
    missing = used.filter(~used.is_in(people["person_id"].implode())).sort().to_frame()
    if missing.is_empty():
        return people
    log.append(_told(missing, PEOPLE, "not_in_people", kind="repaired"))
    return pl.concat([people, conform(missing.with_columns(pl.lit(True).alias("placeholder")), PEOPLE)])


def _sorted(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    return frame.sort(list(table.sort), nulls_last=True, maintain_order=True)
