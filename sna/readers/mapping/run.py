"""Read any export with a declarative mapping (YAML): which table and column becomes what. No code is evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl

from sna.errors import FormatError, ParameterError, ReadError
from sna.formats.container import Container, open_container
from sna.formats.frames import issue_rows, load_frame
from sna.formats.secrets import hide_secrets
from sna.forum import Forum, Source, build_forum, make_issues
from sna.readers.collect import lower_levels
from sna.readers.mapping.compute import compute_column, explode_rows, matches
from sna.readers.mapping.language import capability_levels, check_mapping, parse_mapping
from sna.readers.mapping.sources import Rows, TableAt, list_tables, load_items, load_tables, resolve_tables
from sna.readers.tables.guess import guess_frame
from sna.readers.tables.posts import threads_of_parents
from sna.schema import ISSUES, TABLES, TIME, Table

_NULLS = ("", "NULL", "\\N")


@dataclass(frozen=True, repr=False)
class MappingGuess:
    """A proposed mapping: ``yaml`` to save and correct, ``guesses`` with the reasons, ``preset`` when one fits."""

    yaml: str
    guesses: pl.DataFrame
    preset: str | None = None

    def __str__(self) -> str:
        return self.yaml

    def __repr__(self) -> str:
        return self.yaml


def list_presets() -> tuple[str, ...]:
    """Names of the mappings that come with the package."""
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
    return parse_mapping(path.read_text(encoding="utf-8"), path.name)


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
    """One reading of an export with a mapping: sources loaded once, rows counted, issues kept."""

    container: Container
    data: dict[str, Any]
    include_private: bool
    places: dict[str, TableAt]
    options: dict[str, Any]
    loaded: dict[tuple[str, str], Rows] = field(default_factory=dict)
    issues: list[pl.DataFrame] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))

    def rows(self, origin: Mapping[str, Any]) -> pl.DataFrame:
        """Rows of one source; what it could not read is logged and counted the first time."""
        if "file" in origin:
            key = ("file " + origin["file"], str(origin.get("items") or ""))
            if key not in self.loaded:
                self._keep(key, load_items(self.container, origin["file"], items=key[1], whole=_exploded(self.data)))
            return self.loaded[key].frame
        place = self.places.get(origin["table"].lower())
        if place is None:
            return pl.DataFrame(schema={"_file": pl.String, "_at": pl.String})
        key = (place.member, place.name)
        if key not in self.loaded:
            dialect, encoding = self.options["dialect"], self.options["encoding"]
            wanted = [at for at in self._wanted() if (at.member, at.name) not in self.loaded and at.member == key[0]]
            for name, rows in load_tables(self.container, wanted, dialect=dialect, encoding=encoding).items():
                self._keep(name, rows)
        return self.loaded[key].frame

    def _wanted(self) -> list[TableAt]:
        return [self.places[name] for name in sorted(_table_names(self.data)) if name in self.places]

    def _keep(self, key: tuple[str, str], rows: Rows) -> None:
        self.loaded[key] = rows
        self.issues += rows.issues
        self.read["posts"] += rows.n_lost

    def lookup(self, spec: Mapping[str, Any]) -> pl.DataFrame:
        return self.rows(spec)

    def log(self, rows: pl.DataFrame, table: str, *, reason: str, kind: str) -> None:
        """Log rows one by one (rejected, repaired) or counted per file (withheld)."""
        if rows.is_empty():
            return
        if kind == "withheld":
            for file, n in rows.group_by("_file").len().sort("_file").iter_rows():
                self.issues.append(make_issues(table, reason, kind=kind, n=n, file=file))
            return
        for name, part in sorted(rows.partition_by("_file", as_dict=True).items()):
            shown = part.select(pl.col("_at").alias("position"))
            self.issues.append(issue_rows(shown, table=table, reason=reason, kind=kind, file=str(name[0])))


def _exploded(data: Mapping[str, Any]) -> frozenset[str]:
    """Columns a mapping unfolds: objects among them are kept whole, with their keys."""
    steps = [step for name in TABLES for rule in data.get(name) or [] for step in _listed(rule.get("explode"))]
    return frozenset(step["col"] for step in steps)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


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


def run_mapping(container: Container, data: dict[str, Any], *, include_private: bool) -> Forum:
    """Read an open container with a checked mapping; see `read_mapped`."""
    settings = data.get("settings") or {}
    options = {
        "null_values": tuple(str(v) for v in settings.get("null_values", _NULLS)),
        "timezone": settings.get("timezone", "UTC"),
        "dialect": settings.get("dialect") or {},
        "encoding": settings.get("encoding"),
    }
    places = _find_tables(container, data, options["dialect"])
    run = _Run(container, data, include_private, places, options)
    tables = {name: _fill(run, name) for name in TABLES}
    tables["people"] = _joined_people(tables["people"])
    run.read["people"] = tables["people"].height
    tables["posts"] = hide_secrets(_settled(tables["posts"], settings))
    source = Source(
        data["name"],
        coverage=data.get("coverage", ""),
        capabilities=lower_levels(capability_levels(data), tables, rows_read=run.read),
        rows_read=run.read,
        files=tuple(sorted({key[0] for key in run.loaded if not key[0].startswith("file ")} | _files_of(run))),
    )
    clean = {name: frame.drop("_file", "_at", strict=False) for name, frame in tables.items()}
    return build_forum(**clean, source=source, issues=pl.concat([ISSUES.empty(), *run.issues]))


def _files_of(run: _Run) -> set[str]:
    frames = [rows.frame for key, rows in run.loaded.items() if key[0].startswith("file ")]
    return {str(name) for frame in frames for name in frame["_file"].unique()}


def _find_tables(container: Container, data: Mapping[str, Any], dialect: Mapping[str, str]) -> dict[str, TableAt]:
    rules = [rule for name in TABLES for rule in data.get(name) or [] if "table" in rule["from"]]
    if not rules:
        return {}
    needed: dict[str, Sequence[str]] = dict((data.get("recognise") or {}).get("tables") or {})
    if not needed:
        needed = {rule["from"]["table"]: () for rule in rules if not rule["from"].get("optional")}
    tables = list_tables(container, dialect=dialect)
    places = resolve_tables(tables, needed)
    if places is None:
        raise FormatError(
            f"The mapping {data['name']} needs the tables {', '.join(needed)}, with one common prefix.",
            got=f"Found: {', '.join(sorted({t.name for t in tables})[:12]) or 'no tables'}.",
            hint="export them too, or mark a rule's from as optional: true",
        )
    return places


def _fill(run: _Run, name: str) -> pl.DataFrame:
    """All rows of one target table."""
    table = TABLES[name]
    meta = {"_file": pl.String, "_at": pl.String}
    parts = [pl.DataFrame(schema={**table.columns, **meta})]
    parts += [_apply(run, rule, table) for rule in run.data.get(name) or []]
    return pl.concat(parts, how="diagonal")


def _apply(run: _Run, rule: Mapping[str, Any], table: Table) -> pl.DataFrame:
    """One rule: filter, unfold, withhold, compute, check."""
    frame = run.rows(rule["from"])
    for step in _listed(rule.get("explode")):
        frame = explode_rows(frame, step)
    for name, spec in (rule.get("add") or {}).items():
        frame = frame.with_columns(compute_column(frame, spec, lookup=run.lookup, options=run.options).alias(name))
    if rule.get("where"):
        frame = frame.filter(matches(rule["where"], frame.columns))
    run.read[table.name] += frame.height
    hidden = [("drop", "dropped_by_mapping")] + ([] if run.include_private else [("private_when", "private_space")])
    for key, reason in hidden:
        if rule.get(key):
            gone = matches(rule[key], frame.columns)
            run.log(frame.filter(gone), table.name, reason=reason, kind="withheld")
            frame = frame.filter(~gone)
    computed = {
        name: compute_column(frame, spec, lookup=run.lookup, options=run.options)
        for name, spec in rule["columns"].items()
    }
    result = pl.DataFrame([values.alias(name) for name, values in computed.items()])
    result = result.with_columns(frame["_file"], frame["_at"]) if frame.width else result
    return _checked(run, _cast(run, result, frame, rule, table), rule, table)


def _cast(run: _Run, result: pl.DataFrame, frame: pl.DataFrame, rule: Mapping[str, Any], table: Table) -> pl.DataFrame:
    """Types of the target; times that could not be read and words that are not allowed are repaired and logged."""
    changes = []
    for name, dtype in table.columns.items():
        if name not in result.columns:
            continue
        values = result[name]
        if dtype == TIME:
            values = (
                values
                if isinstance(values.dtype, pl.Datetime)
                else compute_column(
                    frame, {**_as_dict(rule["columns"][name]), "type": "time"}, lookup=run.lookup, options=run.options
                )
            )
            spec = {k: v for k, v in _as_dict(rule["columns"][name]).items() if k not in ("type", "format")}
            raw = compute_column(frame, spec, lookup=run.lookup, options=run.options)
            lost = values.is_null() & raw.is_not_null() & ~raw.is_in(["0", "0000-00-00 00:00:00"]).fill_null(True)
            run.log(result.filter(lost), table.name, reason="bad_time", kind="repaired")
        elif dtype == pl.Int64:
            values = values.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
        elif dtype == pl.Boolean and values.dtype == pl.String:
            values = values.str.to_lowercase().is_in(["true", "1", "yes", "y"])
        allowed = table.values.get(name)
        if allowed and (odd := values.is_not_null() & ~values.is_in(list(allowed)).fill_null(True)).any():
            run.log(result.filter(odd), table.name, reason=f"unknown_{name}", kind="repaired")
            values = values.set(odd, None)
        changes.append(values.alias(name))
    return result.with_columns(changes)


def _as_dict(spec: Any) -> dict[str, Any]:
    return dict(spec) if isinstance(spec, dict) else {"col": spec}


def _checked(run: _Run, result: pl.DataFrame, rule: Mapping[str, Any], table: Table) -> pl.DataFrame:
    needed = [name for name in table.required if name not in table.defaults and name in result.columns]
    needed = [name for name in needed if name != "thread_id"]
    whole = pl.all_horizontal([pl.col(name).is_not_null() for name in needed])
    if table.name != "people":
        run.log(result.filter(~whole), table.name, reason="missing_value", kind="rejected")
    result = result.filter(whole)
    key = rule.get("dedupe_key")
    if key:
        latest = "edited_at" if "edited_at" in result.columns else "_file"
        order = [*key, latest, "_file", "_at"]
        ordered = result.sort(order, descending=[name == "edited_at" for name in order], nulls_last=True)
        first = pl.struct(key).is_first_distinct()
        run.log(ordered.filter(~first), table.name, reason="duplicate_row", kind="rejected")
        result = ordered.filter(first)
    return result


def _joined_people(people: pl.DataFrame) -> pl.DataFrame:
    """One row per person: the first known value of each fact, in the order of the rules."""
    facts = [name for name in TABLES["people"].columns if name != "person_id"]
    ordered = people.with_row_index("_n").sort("_n")
    return ordered.group_by("person_id", maintain_order=True).agg(pl.col(name).drop_nulls().first() for name in facts)


def _settled(posts: pl.DataFrame, settings: Mapping[str, Any]) -> pl.DataFrame:
    """Threads from parents where there are none; kind and parent by the place in the thread."""
    frame = posts.sort("created_at", "post_id", "_file", "_at", nulls_last=True)
    if frame.is_empty():
        return frame
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


def guess_mapping(path: str | Path) -> MappingGuess:
    """Propose a mapping for an unknown export, with reasons; nothing is read with it.

    Returns
    -------
    MappingGuess
        ``str(guess)`` is YAML to save, look over and use with `read_mapped`. When a preset fits, it names that.

    Raises
    ------
    ReadError
        Missing, empty or damaged file.
    FormatError
        No table in it.
    """
    from sna.readers.mapping.presets import find_preset

    with open_container(path) as container:
        preset = find_preset(container)
        tables = [table for table in list_tables(container) if table.columns and table.kind == "file"]
        single = len(container.names) == 1
    empty = guess_frame(pl.DataFrame())
    if preset:
        name, reason = preset
        return MappingGuess(f"# {reason}\n# read it with: sna.read_mapped(path, {name!r})\n", empty, name)
    if single:
        guesses, table = guess_frame(load_frame(path).frame), tables[0].name if tables else Path(path).stem
        origin = {"table": table} if tables else {"file": Path(path).name}
        return MappingGuess(_as_yaml(guesses, origin), guesses)
    scored = [(guess_frame(_sample(path, table)), table) for table in tables]
    if not scored:
        raise FormatError(f"{Path(path).name} must hold a table.", got="No CSV, JSONL or Parquet file was found.")
    guesses, best = max(scored, key=lambda pair: (pair[0]["confidence"].sum(), pair[1].name))
    return MappingGuess(_as_yaml(guesses, {"table": best.name}), guesses)


def _sample(path: str | Path, table: TableAt) -> pl.DataFrame:
    with open_container(path) as container:
        rows = load_tables(container, [table], dialect={}, encoding=None)[table.member, table.name]
    return rows.frame.drop("_file", "_at").head(5_000)


_TARGETS = {"author": "author_id", "thread": "thread_id", "parent": "parent_id"}


def _as_yaml(guesses: pl.DataFrame, origin: Mapping[str, str]) -> str:
    """The guess as YAML, every line with its reason; what has no place in posts becomes rules of its own."""
    lines = ["# A guess: check every line.", "name: my_forum", "settings:", "  replies: root_default", "posts:"]
    source = ", ".join(f"{key}: {_quoted(value)}" for key, value in origin.items())
    lines += [f"  - from: {{{source}}}", "    columns:"]
    rows = {f: (c, n, why) for f, c, n, why in guesses.iter_rows()}
    if "post_id" not in rows:
        lines.append("      post_id: FILL_IN  # no column with a different value in every row was found")
    for name, (col, sure, why) in rows.items():
        target = _TARGETS.get(name, name)
        if target not in TABLES["posts"].columns:
            continue
        is_time = TABLES["posts"].columns[target] == TIME
        spec = f"{{col: {_quoted(col)}, type: time}}" if is_time else _quoted(col)
        lines.append(f"      {target}: {spec}  # {why} ({sure:.2f})")
    lines.append("capabilities:")
    lines += [f"  {name}: {level}" for name, level in _guessed_levels(set(rows)).items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _guessed_levels(found: set[str]) -> dict[str, str]:
    levels = {"threads": "thread", "spaces": "space", "text": "text", "exact_times": "created_at"}
    known = {name: "yes" for name, column_name in levels.items() if column_name in found}
    known["reply_parent"] = "yes" if "parent" in found else "partial"
    return known
