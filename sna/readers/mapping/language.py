"""What a mapping may say, and errors that name the line, the key and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import polars as pl
import yaml

from sna.errors import SchemaError, SnaError
from sna.formats.times import check_time_format
from sna.readers.mapping.compute import STEPS, TEXT_TYPES, TIME_TYPES
from sna.schema import CAPABILITIES, GRADES, TABLES, Table

FILL_IN = "FILL_IN"
"""What a guess writes where a person must decide; a mapping that still holds it is refused."""
_PATTERN_LENGTH = 500
_MAX_BYTES = 1024**2


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
    top = _Place(data, source, node)
    _MAPPING(top)
    if not any(data.get(name) for name in ("posts", "people")):
        top.fail("a mapping fills posts or people at least", got=sorted(data))


@dataclass(frozen=True)
class _Place:
    """A value in a mapping and the way to it, for messages."""

    value: Any
    source: str
    node: yaml.Node | None
    path: tuple[str | int, ...] = ()

    def at(self, key: str | int) -> _Place:
        return replace(self, value=self.value[key], path=(*self.path, key))

    def fail(self, need: str, *, got: Any = ...) -> NoReturn:
        where = ".".join(str(step) for step in self.path) or "the top"
        shown = self.value if got is ... else got
        raise MappingError(
            f"In {self._line()}, {where}: {need}.", got=f"Got {shown!r}.", hint="docs/readers/mapping.md"
        )

    def _line(self) -> str:
        node, line = self.node, None
        for step in self.path:
            found = None
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                found = (node.value[step], node.value[step])
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return f"{self.source} line {line}" if line else self.source


_Check = Callable[[_Place], None]


def _any(place: _Place) -> None:
    """Nothing is checked."""


def _fields(checks: Mapping[str, _Check], *, needed: Sequence[str] = (), one_of: Sequence[str] = ()) -> _Check:
    """An object with these keys, of which some must be there, and exactly one of some others."""

    def check(place: _Place) -> None:
        if not isinstance(place.value, dict):
            place.fail(f"this is a mapping with the keys {', '.join(checks)}")
        for key in place.value:
            if key not in checks:
                replace(place, path=(*place.path, key)).fail(f"the keys are {', '.join(checks)}", got=key)
            checks[key](place.at(key))
        if one_of and len(set(one_of) & set(place.value)) != 1:
            place.fail(f"exactly one of {', '.join(one_of)}", got=sorted(place.value))
        for key in needed:
            if key not in place.value:
                place.fail(f"{place.path[-1] if place.path else 'a mapping'} must fill {key}", got=sorted(place.value))

    return check


def _values(item: _Check) -> _Check:
    """An object with any keys."""

    def check(place: _Place) -> None:
        if not isinstance(place.value, dict):
            place.fail("this is a mapping: key and value")
        for key in place.value:
            item(place.at(key))

    return check


def _many(item: _Check, *, alone: bool = True) -> _Check:
    """A list; or one item ``alone``, or nothing."""

    def check(place: _Place) -> None:
        if isinstance(place.value, list):
            for number in range(len(place.value)):
                item(place.at(number))
        elif place.value and not alone:
            place.fail(f"{place.path[-1]} is a list")
        elif place.value:
            item(place)

    return check


def _words(*allowed: str) -> _Check:
    def check(place: _Place) -> None:
        _filled(place)
        if place.value not in allowed:
            place.fail(f"one of {', '.join(allowed)}")

    return check


def _name(place: _Place) -> None:
    if not isinstance(place.value, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", place.value):
        place.fail("name is one word in small letters")


def _zone(place: _Place) -> None:
    try:
        check_time_format(None, place.value)
    except SnaError as error:
        place.fail(error.need.rstrip("."))


def _pattern(place: _Place) -> None:
    """Patterns run on an engine whose time grows only with the text; they are short and have one group."""
    if not isinstance(place.value, str) or len(place.value) > _PATTERN_LENGTH:
        place.fail(f"a pattern is text of at most {_PATTERN_LENGTH} characters", got=str(place.value)[:60])
    try:
        pl.Series([""]).str.extract(place.value, 0)
    except pl.exceptions.PolarsError as error:
        place.fail(f"a pattern without look-around and back-references ({str(error).splitlines()[0]})")


def _test(place: _Place) -> None:
    if isinstance(place.value, dict):
        _fields({"not": _any, "present": _any, "matches": _pattern})(place)


def _column(place: _Place) -> None:
    if isinstance(place.value, str):
        _filled(place)
        return
    _COLUMN(place)
    if place.value.get("type") == "strptime" and "%" not in str(place.value.get("format", "")):
        place.fail("strptime needs a format such as '%d.%m.%Y %H:%M'", got=place.value.get("format"))


def _filled(place: _Place) -> None:
    """Refuse what a guess left open."""
    if place.value == FILL_IN:
        place.fail(f"this is still to be filled in: name your column, or its type, instead of {FILL_IN}")


def _rule(table: Table) -> _Check:
    given = [name for name in table.required if name not in table.defaults and name not in ("thread_id", "attribute")]
    columns = _fields(dict.fromkeys(table.columns, _column), needed=given)
    condition = _many(_values(_test))
    step = {"col": _any, "as": _any, "sep": _any, "regex": _pattern}
    source = {"table": _any, "file": _any, "items": _any, "optional": _any}
    keys: dict[str, _Check] = {
        "from": _fields(source, one_of=("table", "file")),
        "explode": _many(_fields(step, needed=("col",))),
        "add": _values(_column),
        **dict.fromkeys(("where", "private_when", "drop"), condition),
        "columns": columns,
        "dedupe_key": _many(_words(*table.columns), alone=False),
    }
    return _fields(keys, needed=("from", "columns"))


_SOURCES = ("col", "const", "template", "coalesce", "made")
_LOOKUP = {**dict.fromkeys(("table", "file", "items", "key", "value"), _any), "where": _many(_values(_test))}
_COLUMN = _fields(
    {
        **dict.fromkeys((*_SOURCES, *STEPS, "format", "timezone"), _any),
        "col": _filled,
        "coalesce": _many(lambda place: _column(place), alone=False),
        "regex": _pattern,
        "lookup": _many(_fields(_LOOKUP, needed=("key", "value"), one_of=("table", "file"))),
        "map": _values(_any),
        "type": _words(*TIME_TYPES, "strptime", *TEXT_TYPES),
    },
    one_of=_SOURCES,
)
_SETTINGS = {
    **dict.fromkeys(("null_values", "encoding"), _any),
    "timezone": _zone,
    "dialect": _fields({"sep": _any, "escape": _any}),
    "replies": _words("none", "root_default", "previous"),
    "given_parents": _words(*TABLES["posts"].values["parent_basis"]),
}
_MAPPING = _fields(
    {
        "name": _name,
        **dict.fromkeys(("title", "version", "notes", "recognise", "coverage"), _any),
        "capabilities": _fields(dict.fromkeys(CAPABILITIES, _words(*GRADES))),
        "settings": _fields(_SETTINGS),
        **{name: _many(_rule(table), alone=False) for name, table in TABLES.items()},
    },
    needed=("name",),
)


def capability_levels(data: Mapping[str, Any]) -> dict[str, str]:
    """The capability record of a mapping; what it does not name is "no"."""
    return dict.fromkeys(CAPABILITIES, "no") | dict(data.get("capabilities") or {})
