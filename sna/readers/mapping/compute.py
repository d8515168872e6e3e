"""Apply one rule of a mapping to its rows: filter, unfold lists, compute columns. Only data, no code is evaluated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from sna.formats.frames import flatten
from sna.formats.times import parse_times

_TRUE = ("true", "1", "yes", "y", "t")
_NO_TIME = ("0", "0000-00-00 00:00:00")
_HTML = r"<(?:script|style)[^>]*>[\s\S]*?</(?:script|style)>|<[^>]{0,2000}>"
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " ", "&amp;": "&"}
_BBCODE = r"\[/?(?:b|i|u|s|url|img|color|size|list|\*|code|quote|email|font|align)(?:=[^\]]{0,500})?(?::\w+)?\]"
_QUOTES = r"\[quote[^\]]*\][\s\S]*?\[/quote[^\]]*\]|<blockquote[\s\S]*?</blockquote>|<QUOTE[\s\S]*?</QUOTE>"

_SAME = ("iso", "epoch_s", "epoch_ms", "epoch_us", "float_epoch", "slack_ts", "snowflake", "excel")
TIME_TYPES: Mapping[str, str | None] = {
    "time": None,
    **{name: name for name in _SAME},
    "date_mdy": "mdy",
    "date_dmy": "dmy",
}


@dataclass(frozen=True)
class Rules:
    """What holds for a whole mapping: cells that mean nothing, the zone of times, and how other tables are found."""

    lookup: Callable[[Mapping[str, Any]], pl.DataFrame]
    null_values: tuple[str, ...] = ("", "NULL", "\\N")
    timezone: str = "UTC"


def listed(value: Any) -> list[Any]:
    """A value as a list: what a mapping may write alone or as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def matches(condition: Any, columns: list[str]) -> pl.Expr:
    """A condition (or a list of them, any of which may hold) as an expression; a column that is absent is null."""
    if isinstance(condition, list):
        return pl.any_horizontal([matches(item, columns) for item in condition])
    return pl.all_horizontal([_test(_cell(name, columns), want) for name, want in condition.items()])


def _cell(name: str, columns: list[str]) -> pl.Expr:
    return pl.col(name) if name in columns else pl.lit(None, pl.String)


def _test(column: pl.Expr, want: Any) -> pl.Expr:
    if isinstance(want, dict):
        if "present" in want:
            there = (column.is_not_null() & (column != "")).fill_null(False)
            return there if want["present"] else ~there
        if "matches" in want:
            return column.str.contains(want["matches"]).fill_null(False)
        return ~_test(column, want["not"])
    values = want if isinstance(want, list) else [want]
    found = column.is_in(_texts(values)).fill_null(False)
    return found | column.is_null() if None in values else found


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _texts(values: Any) -> list[str]:
    return [_text(value) for value in listed(values) if value is not None]


def explode_rows(frame: pl.DataFrame, spec: Mapping[str, Any]) -> pl.DataFrame:
    """One row per element of a list: a JSON list, a delimited text, or all matches of a pattern.

    The new columns start with ``spec["as"]``; elements that are objects are flattened under it.
    """
    name, into = spec["col"], spec.get("as", "item")
    if name not in frame.columns:
        return frame.clear().with_columns(pl.lit(None, pl.String).alias(into))
    if "sep" not in spec and "regex" not in spec:
        return _explode_json(frame, name, into)
    parts = pl.col(name).str.split(spec["sep"]) if "sep" in spec else pl.col(name).str.extract_all(spec["regex"])
    rows = frame.with_columns(parts.alias(into)).explode(into).with_columns(pl.col(into).str.strip_chars())
    if "regex" in spec:
        rows = rows.with_columns(pl.col(into).str.extract(spec["regex"], 1))
    return rows.filter(pl.col(into) != "")


def _explode_json(frame: pl.DataFrame, name: str, into: str) -> pl.DataFrame:
    rows, records = [], []
    for number, cell in enumerate(frame[name].to_list()):
        for key, item in _elements(cell):
            rows.append(number)
            flat = flatten(item, prefix=f"{into}.") if isinstance(item, dict) else flatten({into: item})
            records.append({f"{into}._key": key, **flat})
    names = dict.fromkeys([into, *(key for record in records for key in record)])
    columns = [pl.Series(key, [record.get(key) for record in records], dtype=pl.String) for key in names]
    return frame[rows].drop([n for n in names if n in frame.columns]).hstack(columns)


def _elements(cell: str | None) -> list[tuple[str, Any]]:
    """Elements of a JSON list, or the values of a JSON object with their keys."""
    if not cell or cell[0] not in "[{":
        return []
    try:
        data = json.loads(cell)
    except ValueError:
        return []
    return list(data.items()) if isinstance(data, dict) else [(str(i), item) for i, item in enumerate(data)]


def compute_column(frame: pl.DataFrame, spec: Any, *, rules: Rules) -> pl.Series:
    """One target column: a column name, or a mapping with ``col``, ``const``, ``template`` or ``coalesce``.

    The further keys of the mapping are applied in the order of `STEPS`.
    """
    spec = spec if isinstance(spec, dict) else {"col": spec}
    values = _without(_base(frame, spec, rules), rules.null_values)
    for key, step in STEPS.items():
        if key in spec:
            values = step(values, spec, rules)
    return values


def _base(frame: pl.DataFrame, spec: Mapping[str, Any], rules: Rules) -> pl.Series:
    if "coalesce" in spec:
        parts = [compute_column(frame, part, rules=rules) for part in spec["coalesce"]]
        return pl.select(pl.coalesce(parts)).to_series()
    if "made" in spec:
        found = pl.lit(None, pl.String)
    elif "const" in spec:
        found = pl.lit(_text(spec["const"]))
    elif "template" in spec:
        pieces = re.split(r"\{([^{}]+)\}", spec["template"])
        cells = [_cell(piece, frame.columns) if i % 2 else pl.lit(piece) for i, piece in enumerate(pieces)]
        found = pl.concat_str(cells)
    else:
        found = _cell(spec["col"], frame.columns)
    rows = pl.int_range(pl.len()).alias("_row")
    return frame.select(rows, found.alias("_value"))["_value"]


def _without(values: pl.Series, nothing: tuple[str, ...] | list[str]) -> pl.Series:
    if values.dtype != pl.String:
        return values
    return values.set(values.is_in(list(nothing)).fill_null(False), None)


def _look_up(values: pl.Series, spec: Mapping[str, Any], rules: Rules) -> pl.Series:
    """Values replaced through other tables, one after another; those a table does not know become null."""
    for step in listed(spec["lookup"]):
        table = rules.lookup(step)
        if "where" in step:
            table = table.filter(matches(step["where"], table.columns))
        key, value = _cell(step["key"], table.columns), _cell(step["value"], table.columns)
        pairs = table.select(key.alias("k"), value.alias("v")).drop_nulls("k")
        once = pairs.sort("k", "v", nulls_last=True).unique("k", keep="first", maintain_order=True)
        values = values.alias("k").to_frame().join(once, on="k", how="left", maintain_order="left")["v"]
    return values


def _translate(values: pl.Series, spec: Mapping[str, Any], rules: Rules) -> pl.Series:
    words = {_text(key): None if word is None else _text(word) for key, word in spec["map"].items() if key != "*"}
    rest = spec["map"].get("*", "keep")
    if rest == "keep":
        return values.replace(words)
    return values.replace_strict({**words, None: None}, default=rest, return_dtype=pl.String)


def _cast(values: pl.Series, spec: Mapping[str, Any], rules: Rules) -> pl.Series:
    kind = spec["type"]
    if kind in TEXT_TYPES:
        return TEXT_TYPES[kind](values)
    pattern = spec["format"] if kind == "strptime" else TIME_TYPES[kind]
    zone = spec.get("timezone", rules.timezone)
    return parse_times(_without(values, _NO_TIME), time_format=pattern, timezone=zone)


def plain_text(values: pl.Series) -> pl.Series:
    """The words of HTML, s9e XML or BBCode, without what is quoted from others."""
    text = values.str.replace_all(_QUOTES, " ").str.replace_all(_HTML, " ").str.replace_all(_BBCODE, " ")
    for entity, character in _ENTITIES.items():
        text = text.str.replace_all(entity, character, literal=True)
    return text.str.replace_all(r"[ \t]+", " ").str.strip_chars()


TEXT_TYPES: Mapping[str, Callable[[pl.Series], pl.Series]] = {
    "text": lambda values: values,
    "id": lambda values: values,
    "int": lambda values: values.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False),
    "bool": lambda values: values.str.to_lowercase().is_in(_TRUE),
    "html": plain_text,
    "bbcode": plain_text,
    "lower": lambda values: values.str.to_lowercase(),
}

STEPS: Mapping[str, Callable[[pl.Series, Mapping[str, Any], Rules], pl.Series]] = {
    "none_if": lambda values, spec, _: _without(values, _texts(spec["none_if"])),
    "regex": lambda values, spec, _: values.str.extract(spec["regex"], 1),
    "lookup": _look_up,
    "map": _translate,
    "type": _cast,
    "prefix": lambda values, spec, _: values.to_frame("v").select(pl.lit(spec["prefix"]) + pl.col("v")).to_series(),
    "default": lambda values, spec, _: values.fill_null(_text(spec["default"])),
}
"""What may follow the source of a column, in the order in which it is applied."""


def raw_column(frame: pl.DataFrame, spec: Any, *, rules: Rules) -> pl.Series:
    """A column as it was before its type was read."""
    plain = {k: v for k, v in spec.items() if k not in ("type", "format")} if isinstance(spec, dict) else spec
    return compute_column(frame, plain, rules=rules)
