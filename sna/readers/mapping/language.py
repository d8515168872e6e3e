"""What a mapping may say, and errors that name the line, the key and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import yaml

from sna.errors import SchemaError, SnaError
from sna.formats.times import check_time_format
from sna.readers.mapping.compute import TEXT_TYPES, TIME_TYPES
from sna.schema import CAPABILITIES, LEVELS, TABLES

TOP = ("name", "title", "version", "notes", "recognise", "coverage", "capabilities", "settings", *TABLES)
SETTINGS = ("null_values", "timezone", "encoding", "dialect", "replies", "given_parents", "root_word")
RULE = ("from", "explode", "add", "where", "private_when", "drop", "columns", "dedupe_key")
COLUMN = (
    *("col", "const", "template", "coalesce", "none_if", "regex", "lookup", "map", "type", "format", "timezone"),
    *("prefix", "default"),
)
TYPES = (*TIME_TYPES, "strptime", *TEXT_TYPES)
_PATTERN_LENGTH = 500
_MAX_BYTES = 1024**2
Path = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """YAML 1.2 words: only true and false are booleans, so that columns may be called on, off, yes, no, y or n."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:bool"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false|True|False)$"), list("tTfF"))


class MappingError(SchemaError):
    """A mapping says something it may not say; the message names the line and the key."""


def parse_mapping(text: str, source: str) -> dict[str, Any]:
    """Read and check the YAML of a mapping.

    Raises
    ------
    MappingError
        Not YAML, anchors or double keys in it, or anything `check_mapping` refuses.
    """
    if len(text) > _MAX_BYTES:
        raise MappingError(f"A mapping has at most {_MAX_BYTES:,} characters.", got=f"{source}: {len(text):,}.")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _Loader)):
            raise MappingError("A mapping has no anchors and aliases.", got=f"{source} has some.", hint="write it out")
        node = yaml.compose(text, _Loader)
        data = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise MappingError("A mapping must be valid YAML.", got=f"{source}{where}: {error}.") from error
    _check_doubles(node, source)
    check_mapping(data, source=source, node=node)
    return dict(data)


def _check_doubles(node: yaml.Node | None, source: str) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = [str(key.value) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice:
            raise MappingError(
                "A key may occur once.", got=f"{source} line {node.start_mark.line + 1}: {twice!r} twice."
            )
        for _, value in node.value:
            _check_doubles(value, source)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_doubles(item, source)


def check_mapping(data: Any, *, source: str = "mapping", node: yaml.Node | None = None) -> None:
    """Refuse what a mapping may not say.

    Raises
    ------
    MappingError
        With the line (where known), the key and what is allowed.
    """
    check = _Check(source, node)
    check.keys(data, TOP, path=())
    if not isinstance(data.get("name"), str) or not re.fullmatch(r"[a-z][a-z0-9_]*", data["name"]):
        check.fail("name is one word in small letters", data.get("name"), path=("name",))
    if not any(data.get(name) for name in ("posts", "people")):
        check.fail("a mapping fills posts or people at least", sorted(data), path=())
    _check_settings(check, data.get("settings") or {})
    _check_capabilities(check, data.get("capabilities") or {})
    for table in TABLES:
        rules = data.get(table) or []
        if not isinstance(rules, list):
            check.fail(f"{table} is a list of rules", rules, path=(table,))
        for number, rule in enumerate(rules):
            _check_rule(check, rule, table, (table, number))


class _Check:
    """Where we are in a mapping, for messages."""

    def __init__(self, source: str, node: yaml.Node | None) -> None:
        self.source, self.node = source, node

    def line(self, path: Path) -> str:
        node, line = self.node, None
        for step in path:
            found = None
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                found = (node.value[step], node.value[step])
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return f"{self.source} line {line}" if line else self.source

    def fail(self, need: str, got: Any, *, path: Path) -> None:
        where = ".".join(str(step) for step in path) or "the top"
        raise MappingError(
            f"In {self.line(path)}, {where}: {need}.", got=f"Got {got!r}.", hint="docs/readers/mapping.md"
        )

    def keys(self, data: Any, allowed: Sequence[str], *, path: Path) -> None:
        if not isinstance(data, dict):
            self.fail(f"this is a mapping with the keys {', '.join(allowed)}", data, path=path)
        for key in data:
            if key not in allowed:
                self.fail(f"the keys are {', '.join(allowed)}", key, path=(*path, key))

    def words(self, value: Any, allowed: Sequence[str], *, path: Path) -> None:
        if value not in allowed:
            self.fail(f"one of {', '.join(allowed)}", value, path=path)


def _check_settings(check: _Check, settings: Any) -> None:
    check.keys(settings, SETTINGS, path=("settings",))
    check.keys(settings.get("dialect") or {}, ("sep", "escape"), path=("settings", "dialect"))
    check.words(settings.get("replies", "none"), ("none", "root_default", "previous"), path=("settings", "replies"))
    bases = TABLES["posts"].values["parent_basis"]
    check.words(settings.get("given_parents", "explicit"), bases, path=("settings", "given_parents"))
    try:
        check_time_format(None, settings.get("timezone", "UTC"))
    except SnaError as error:
        check.fail(error.need.rstrip("."), settings.get("timezone"), path=("settings", "timezone"))


def _check_capabilities(check: _Check, levels: Any) -> None:
    check.keys(levels, tuple(CAPABILITIES), path=("capabilities",))
    for name, level in levels.items():
        check.words(level, LEVELS, path=("capabilities", name))


def _check_rule(check: _Check, rule: Any, table: str, path: Path) -> None:
    check.keys(rule, RULE, path=path)
    source = rule.get("from")
    check.keys(source, ("table", "file", "items", "optional"), path=(*path, "from"))
    if ("table" in source) == ("file" in source):
        check.fail("from has either a table or a file", source, path=(*path, "from"))
    for key in ("where", "private_when", "drop"):
        _check_condition(check, rule.get(key) or {}, (*path, key))
    explode = rule.get("explode") or []
    for number, step in enumerate(explode if isinstance(explode, list) else [explode]):
        check.keys(step, ("col", "as", "sep", "regex"), path=(*path, "explode"))
        if "col" not in step:
            check.fail("explode names a col", step, path=(*path, "explode"))
        _check_pattern(check, step.get("regex"), (*path, "explode", number))
    for name, spec in (rule.get("add") or {}).items():
        _check_column(check, spec, (*path, "add", name))
    columns = rule.get("columns")
    check.keys(columns, tuple(TABLES[table].columns), path=(*path, "columns"))
    for name in TABLES[table].required:
        if name not in columns and name not in TABLES[table].defaults and name not in ("thread_id", "attribute"):
            check.fail(f"columns must fill {name}", sorted(columns), path=(*path, "columns"))
    for name, spec in columns.items():
        _check_column(check, spec, (*path, "columns", name))
    for name in rule.get("dedupe_key") or []:
        check.words(name, tuple(columns), path=(*path, "dedupe_key"))


def _check_condition(check: _Check, condition: Any, path: Path) -> None:
    if isinstance(condition, list):
        for number, item in enumerate(condition):
            _check_condition(check, item, (*path, number))
        return
    if not isinstance(condition, dict):
        check.fail("a condition is column: value, or a list of such", condition, path=path)
    for name, want in condition.items():
        if isinstance(want, dict):
            check.keys(want, ("not", "present", "matches"), path=(*path, name))
            _check_pattern(check, want.get("matches"), (*path, name))


def _check_column(check: _Check, spec: Any, path: Path) -> None:
    if isinstance(spec, str):
        return
    check.keys(spec, COLUMN, path=path)
    bases = [key for key in ("col", "const", "template", "coalesce") if key in spec]
    if len(bases) != 1:
        check.fail("exactly one of col, const, template, coalesce", sorted(spec), path=path)
    for number, part in enumerate(spec.get("coalesce") or []):
        _check_column(check, part, (*path, "coalesce", number))
    if "type" in spec:
        check.words(spec["type"], TYPES, path=(*path, "type"))
        if spec["type"] == "strptime" and "%" not in str(spec.get("format", "")):
            check.fail("strptime needs a format such as '%d.%m.%Y %H:%M'", spec.get("format"), path=path)
    lookups = spec.get("lookup") or []
    for step in lookups if isinstance(lookups, list) else [lookups]:
        check.keys(step, ("table", "file", "items", "key", "value", "where"), path=(*path, "lookup"))
        if not {"key", "value"} <= set(step) or ("table" in step) == ("file" in step):
            check.fail("lookup names a table or a file, its key and its value", sorted(step), path=(*path, "lookup"))
        _check_condition(check, step.get("where") or {}, (*path, "lookup", "where"))
    if "map" in spec and not isinstance(spec["map"], dict):
        check.fail("map is their word: our word", spec["map"], path=(*path, "map"))
    _check_pattern(check, spec.get("regex"), path)


def _check_pattern(check: _Check, pattern: Any, path: Path) -> None:
    """Patterns run on an engine whose time grows only with the text; they are short and have one group."""
    if pattern is None:
        return
    if not isinstance(pattern, str) or len(pattern) > _PATTERN_LENGTH:
        check.fail(f"a pattern is text of at most {_PATTERN_LENGTH} characters", str(pattern)[:60], path=path)
    try:
        pl.Series([""]).str.extract(pattern, 0)
    except pl.exceptions.PolarsError as error:
        check.fail(
            f"a pattern without look-around and back-references ({str(error).splitlines()[0]})", pattern, path=path
        )


def capability_levels(data: Mapping[str, Any]) -> dict[str, str]:
    """The capability record of a mapping; what it does not name is "no"."""
    return dict.fromkeys(CAPABILITIES, "no") | dict(data.get("capabilities") or {})
