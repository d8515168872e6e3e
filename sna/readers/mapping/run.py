"""Read any export with a declarative mapping (YAML): which table and column becomes what. No code is evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl

from sna.errors import FormatError, ParameterError, ReadError
from sna.formats.container import Container, open_container
from sna.formats.csv import Dialect
from sna.formats.loaded import Loaded
from sna.forum import Forum
from sna.readers.collect import Collector
from sna.readers.mapping.compute import Rules, compute_column, explode_rows, listed, matches, raw_column
from sna.readers.mapping.language import MappingError, capability_levels, check_mapping, parse_mapping
from sna.readers.mapping.sources import TableAt, list_tables, load_items, load_tables, resolve_tables
from sna.readers.tables.cells import pick_columns
from sna.readers.tables.posts import threads_of_parents
from sna.schema import TABLES, TIME, Table


def list_presets() -> tuple[str, ...]:
    """Names of the mappings that come with the package.

    Examples
    --------
    >>> "phpbb3" in list_presets()
    True
    """
    folder = resources.files("sna.readers.mapping") / "presets"
    return tuple(sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml")))


def load_mapping(mapping: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """A mapping by preset name, from a YAML file, or as a dict; checked.

    Raises
    ------
    ParameterError
        When it is neither a preset nor a file.
    SchemaError
        When it says what a mapping may not say; the message names line and key.
    """
    if isinstance(mapping, Mapping):
        check_mapping(dict(mapping))
        return dict(mapping)
    if str(mapping) in list_presets():
        item = resources.files("sna.readers.mapping") / "presets" / f"{mapping}.yaml"
        return parse_mapping(item.read_text(encoding="utf-8"), f"preset {mapping}")
    path = Path(mapping)
    if not path.is_file():
        raise ParameterError(
            "A mapping is a YAML file or the name of a preset.",
            got=f"Got {str(mapping)!r}; presets: {', '.join(list_presets())}.",
            hint="sna map guess FILE proposes one",
        )
    try:
        return parse_mapping(path.read_text(encoding="utf-8-sig"), path.name)
    except UnicodeDecodeError as error:
        got = f"{path.name} cannot be decoded at byte {error.start:,}."
        raise MappingError("A mapping must be text in UTF-8.", got=got, hint="save it as UTF-8") from error


def validate_mapping(mapping: str | Path | Mapping[str, Any]) -> pl.DataFrame:
    """Check a mapping without reading data, and show what it fills.

    Returns
    -------
    DataFrame
        ``table, source, columns``: one row per rule.

    Raises
    ------
    SchemaError
        Naming line, key and what is allowed.

    Examples
    --------
    >>> validate_mapping("mybb").filter(table="posts")["source"].to_list()
    ['table posts']
    """
    data = load_mapping(mapping)
    rows = []
    for table in TABLES:
        for rule in data.get(table) or []:
            origin = rule["from"]
            source = f"table {origin['table']}" if "table" in origin else f"file {origin['file']}"
            rows.append((table, source, ", ".join(rule["columns"])))
    return pl.DataFrame(rows, schema=["table", "source", "columns"], orient="row")


def read_mapped(path: str | Path, mapping: str | Path | Mapping[str, Any], *, include_private: bool = False) -> Forum:
    """Read an export with a mapping or a preset.

    Parameters
    ----------
    path
        A folder, file or archive: SQL dump (text), CSV per table, JSON, JSONL, BSON, Atom or table XML.
    mapping
        Name of a preset (`list_presets`), path of a YAML file, or a dict; docs/readers/mapping.md tells the language.
    include_private
        Keep rows for which ``private_when`` holds; withheld and counted by default.

    Raises
    ------
    SchemaError
        The mapping says what it may not say.
    FormatError
        The export lacks a table the mapping needs.
    ReadError
        The export is missing, damaged or holds no posts.

    Examples
    --------
    >>> import tempfile
    >>> rows = pl.DataFrame({"nr": [1, 2], "by": ["ann", "bob"], "on": ["1.2.2024", "2.2.2024"]})
    >>> columns = {"post_id": "nr", "author_id": "by", "created_at": {"col": "on", "type": "date_dmy"}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows.write_csv(Path(folder) / "notes.csv")
    ...     mapping = {"name": "notes", "posts": [{"from": {"table": "notes"}, "columns": columns}]}
    ...     forum = read_mapped(folder, mapping)
    >>> forum.posts.select("post_id", "author_id").rows()
    [('1', 'ann'), ('2', 'bob')]
    """
    data = load_mapping(mapping)
    with open_container(path) as container:
        forum = run_mapping(container, data, include_private=include_private)
    if forum.posts.is_empty():
        lost = forum.issues.select("table", "reason", "n").head(3).rows()
        raise ReadError(
            f"{Path(path).name} must hold posts.",
            got=f"None could be read with {data['name']}; issues: {lost or 'none'}.",
        )
    return forum


@dataclass
class _Run:
    """One reading of an export with a mapping: sources loaded once, rows counted and logged."""

    container: Container
    data: Mapping[str, Any]
    log: Collector
    places: Mapping[str, TableAt]
    dialect: Dialect
    loaded: dict[tuple[str, str], pl.DataFrame] = field(default_factory=dict)

    def rows(self, origin: Mapping[str, Any]) -> pl.DataFrame:
        """Rows of one source; what it could not read is logged and counted the first time."""
        if "file" in origin:
            key = (f"file {origin['file']}", str(origin.get("items") or ""))
            if key not in self.loaded:
                whole = frozenset(step["col"] for rule in _rules(self.data) for step in listed(rule.get("explode")))
                self._keep(key, load_items(self.container, origin["file"], items=key[1], whole=whole))
            return self.loaded[key]
        place = self.places.get(origin["table"].lower())
        if place is None:
            return pl.DataFrame(schema=_PLACE)
        key = (place.member, place.name)
        if key not in self.loaded:
            wanted = [self.places[name] for name in sorted(_table_names(self.data)) if name in self.places]
            wanted = [at for at in wanted if (at.member, at.name) not in self.loaded and at.member == place.member]
            for name, loaded in load_tables(self.container, wanted, dialect=self.dialect).items():
                self._keep(name, [loaded])
        return self.loaded[key]

    def _keep(self, key: tuple[str, str], parts: Sequence[Loaded]) -> None:
        frames = [pl.DataFrame(schema=_PLACE)]
        for part in parts:
            self.log.log_loaded(part, "posts")
            frames.append(pick_columns(part, {c.name: c for c in part.frame.select(pl.all().cast(pl.String))}))
        self.loaded[key] = pl.concat(frames, how="diagonal")

    @property
    def files(self) -> set[str]:
        """Names of the files that were read."""
        members = {key[0] for key in self.loaded if not key[0].startswith("file ")}
        return members.union(*(set(frame["_file"]) for key, frame in self.loaded.items() if key[0] not in members))


_PLACED_POST = ("post_id", "_file", "_at")
_PLACE = pl.Schema({"_at": pl.String, "_file": pl.String})


def _rules(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (rule for name in TABLES for rule in data.get(name) or [])


def _table_names(data: Mapping[str, Any]) -> set[str]:
    """All tables a mapping speaks of, in rules and lookups."""
    found = set()
    stack: list[Any] = [data.get(name) for name in TABLES]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if isinstance(item.get("table"), str):
                found.add(item["table"].lower())
            stack += list(item.values())
        elif isinstance(item, list):
            stack += item
    return found


def run_mapping(
    container: Container,
    data: Mapping[str, Any],
    *,
    include_private: bool,
    loaded: Mapping[tuple[str, str], pl.DataFrame] | None = None,
) -> Forum:
    """Read an open container with a checked mapping; see `read_mapped`. Rows in ``loaded`` are taken as they are."""
    settings = data.get("settings") or {}
    dialect = Dialect(**(settings.get("dialect") or {}), encoding=settings.get("encoding"))
    log = Collector(data["name"])
    run = _Run(container, data, log, _find_tables(container, data, sep=dialect.sep), dialect, dict(loaded or {}))
    rules = Rules(run.rows, timezone=settings.get("timezone", "UTC"))
    if "null_values" in settings:
        rules = replace(rules, null_values=tuple(str(value) for value in settings["null_values"]))
    lost = pl.DataFrame(schema=dict.fromkeys(_PLACED_POST, pl.String))
    for name, table in TABLES.items():
        parts = [_apply(run, rules, rule, table, include_private=include_private) for rule in data.get(name) or []]
        rows = pl.concat([pl.DataFrame(schema={**table.columns, **_PLACE}), *parts], how="diagonal")
        if name == "posts":
            rows, lost = _first_of_each(log, rows)
        elif name in ("mentions", "signals"):
            rows = _of_kept_posts(log, rows, lost, table=name)
        rows = {"people": _joined_people, "posts": _settled}.get(name, _as_is)(rows, settings)
        log.add_frame(name, rows.drop(_PLACE.names(), strict=False))
    return log.forum(capabilities=capability_levels(data), coverage=data.get("coverage", ""), files=run.files)


def _find_tables(container: Container, data: Mapping[str, Any], *, sep: str | None) -> dict[str, TableAt]:
    rules = [rule for rule in _rules(data) if "table" in rule["from"]]
    if not rules:
        return {}
    needed: dict[str, Sequence[str]] = dict((data.get("recognise") or {}).get("tables") or {})
    if not needed:
        needed = {rule["from"]["table"]: () for rule in rules if not rule["from"].get("optional")}
    tables = list_tables(container, sep=sep)
    places = resolve_tables(tables, needed)
    if places is None:
        raise FormatError(
            f"The mapping {data['name']} needs the tables {', '.join(needed)}, with one common prefix.",
            got=f"Found: {', '.join(sorted({t.name for t in tables})[:12]) or 'no tables'}.",
            hint="export them too, or mark a rule's from as optional: true",
        )
    return places


def _first_of_each(log: Collector, posts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Posts without the second rows of an id, whatever the order of rows, and the places of those."""
    if not posts["post_id"].is_duplicated().any():
        return posts, posts.select(_PLACED_POST).clear()
    ordered = posts.sort(posts.columns, nulls_last=True)
    again = ~pl.col("post_id").is_first_distinct() & pl.col("post_id").is_not_null()
    lost = ordered.filter(again).select(_PLACED_POST)
    return log.drop("posts", ordered, lost=again, reason="duplicate_id"), lost


def _of_kept_posts(log: Collector, rows: pl.DataFrame, lost: pl.DataFrame, *, table: str) -> pl.DataFrame:
    """Mentions or signals without those in the row of a post that was not kept."""
    there = pl.struct(_PLACED_POST).is_in(lost.to_struct().implode())
    return log.drop(table, rows, lost=there, reason="message_not_kept")


def _apply(run: _Run, rules: Rules, rule: Mapping[str, Any], table: Table, *, include_private: bool) -> pl.DataFrame:
    """One rule: filter, unfold, withhold, compute, check."""
    frame = run.rows(rule["from"])
    for step in listed(rule.get("explode")):
        frame = explode_rows(frame, step)
    for name, spec in (rule.get("add") or {}).items():
        frame = frame.with_columns(compute_column(frame, spec, rules=rules).alias(name))
    if rule.get("where"):
        frame = frame.filter(matches(rule["where"], frame.columns))
    hidden = [("drop", "dropped_by_mapping"), ("private_when", "private_space")][: 1 if include_private else 2]
    for key, reason in hidden:
        if rule.get(key):
            frame = run.log.drop(
                table.name, frame, lost=matches(rule[key], frame.columns), reason=reason, kind="withheld"
            )
    columns = [_column(run.log, rules, frame, rule, table, name).alias(name) for name in rule["columns"]]
    return _checked(run.log, pl.DataFrame([frame["_file"], frame["_at"], *columns]), rule, table)


def _column(
    log: Collector, rules: Rules, frame: pl.DataFrame, rule: Mapping[str, Any], table: Table, name: str
) -> pl.Series:
    """One column in the type of its table; times and words that cannot be read are logged and become null."""
    spec, dtype = rule["columns"][name], table.columns[name]
    lost, reason = None, "bad_time"
    values = compute_column(frame, spec, rules=rules)
    if dtype == TIME:
        raw = raw_column(frame, spec, rules=rules)
        if not isinstance(values.dtype, pl.Datetime):
            values = compute_column(
                frame, {**(spec if isinstance(spec, dict) else {"col": spec}), "type": "time"}, rules=rules
            )
        lost = values.is_null() & raw.is_not_null() & ~raw.is_in(["0", "0000-00-00 00:00:00"]).fill_null(True)
    elif dtype == pl.Int64:
        values = values.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    elif dtype == pl.Boolean and values.dtype == pl.String:
        values = values.str.to_lowercase().is_in(["true", "1", "yes", "y"])
    elif name in table.values:
        lost, reason = ~values.is_in(list(table.values[name])).fill_null(True), f"unknown_{name}"
        values = values.set(lost, None)
    if lost is not None and lost.any():
        log.log_rows(table.name, frame.filter(lost), reason=reason, kind="repaired")
    return values


def _checked(log: Collector, result: pl.DataFrame, rule: Mapping[str, Any], table: Table) -> pl.DataFrame:
    """Without the rows that lack what the table needs, and without second rows of one ``dedupe_key``."""
    needed = [name for name in table.required if name not in table.defaults and name in result.columns]
    needed = [name for name in needed if not _is_made(rule["columns"][name])]
    missing = pl.any_horizontal([pl.col(name).is_null() for name in needed if name != "thread_id"] or [pl.lit(False)])
    if table.name == "people":
        result = result.filter(~missing)
    else:
        result = log.drop(table.name, result, lost=missing, reason="missing_value")
    key = rule.get("dedupe_key")
    if key:
        latest = "edited_at" if "edited_at" in result.columns else "_file"
        order = [*key, latest, "_file", "_at"]
        result = result.sort(order, descending=[name == "edited_at" for name in order], nulls_last=True)
        result = log.drop(table.name, result, lost=~pl.struct(key).is_first_distinct(), reason="duplicate_row")
    return result


def _as_is(rows: pl.DataFrame, settings: Mapping[str, Any]) -> pl.DataFrame:
    return rows


def _is_made(spec: Any) -> bool:
    return isinstance(spec, dict) and "made" in spec


def _joined_people(people: pl.DataFrame, settings: Mapping[str, Any]) -> pl.DataFrame:
    """One row per person: the first known value of each fact, in the order of the rules."""
    facts = [name for name in TABLES["people"].columns if name != "person_id"]
    ordered = people.with_row_index("_n").sort("_n")
    return ordered.group_by("person_id", maintain_order=True).agg(pl.col(name).drop_nulls().first() for name in facts)


def _settled(posts: pl.DataFrame, settings: Mapping[str, Any]) -> pl.DataFrame:
    """Threads from parents where there are none; kind and parent by the place in the thread."""
    frame = posts.sort("created_at", "post_id", "_file", "_at", nulls_last=True)
    if frame.is_empty():
        return frame
    if frame["post_id"].null_count():
        thread = pl.col("thread_id").fill_null("post")
        number = pl.int_range(1, pl.len() + 1).over(thread).cast(pl.String)
        frame = frame.with_columns(pl.coalesce("post_id", thread + "#" + number).alias("post_id"))
    if frame["thread_id"].null_count():
        derived = threads_of_parents(frame.rename({"parent_id": "parent"}))
        frame = frame.with_columns(pl.coalesce("thread_id", derived).alias("thread_id"))
    opens = pl.col("post_id") == pl.col("post_id").filter(pl.col("parent_id").is_null()).first().over("thread_id")
    kind = pl.coalesce("kind", pl.when(opens).then(pl.lit("root")).otherwise(pl.lit("reply")))
    frame = frame.with_columns(kind.alias("kind"))
    given = pl.when(pl.col("parent_id").is_not_null()).then(pl.lit(settings.get("given_parents", "explicit")))
    frame = frame.with_columns(pl.coalesce("parent_basis", given).alias("parent_basis"))
    first_space = pl.col("space").drop_nulls().first().over("thread_id")
    frame = frame.with_columns(pl.coalesce("space", first_space).alias("space"))
    rule = settings.get("replies", "none")
    if rule == "none":
        return frame
    roots = pl.when(pl.col("kind") == "root").then(pl.col("post_id"))
    before = pl.coalesce(roots.forward_fill(), roots.drop_nulls().first())
    found = (pl.col("post_id").shift(1) if rule == "previous" else before).over("thread_id")
    lacks = pl.col("parent_id").is_null() & (pl.col("kind") != "root") & found.is_not_null()
    return frame.with_columns(
        pl.when(lacks).then(found).otherwise("parent_id").alias("parent_id"),
        pl.when(lacks).then(pl.lit(rule)).otherwise("parent_basis").alias("parent_basis"),
    )
