"""Apply one rule of a mapping to its rows: filter, unfold lists, compute columns. Only data, no code is evaluated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from sna.formats.times import parse_times

_TRUE = ("true", "1", "yes", "y", "t")
_HTML = r"<(?:script|style)[^>]*>[\s\S]*?</(?:script|style)>|<[^>]{0,2000}>"
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " ", "&amp;": "&"}
_BBCODE = r"\[/?(?:b|i|u|s|url|img|color|size|list|\*|code|quote|email|font|align)(?:=[^\]]{0,500})?(?::\w+)?\]"
_QUOTES = r"\[quote[^\]]*\][\s\S]*?\[/quote[^\]]*\]|<blockquote[\s\S]*?</blockquote>|<QUOTE[\s\S]*?</QUOTE>"

TIME_TYPES: Mapping[str, str | None] = {
    "time": None,
    "iso": "iso",
    "epoch_s": "epoch_s",
    "epoch_ms": "epoch_ms",
    "epoch_us": "epoch_us",
    "float_epoch": "float_epoch",
    "slack_ts": "slack_ts",
    "snowflake": "snowflake",
    "date_mdy": "mdy",
    "date_dmy": "dmy",
    "excel": "excel",
}
TEXT_TYPES = ("text", "id", "int", "bool", "html", "bbcode", "lower")
Lookup = Callable[[Mapping[str, Any]], pl.DataFrame]


def matches(condition: Any, columns: list[str]) -> pl.Expr:
    """A condition (or a list of them, any of which may hold) as an expression; a column that is absent is null."""
    if isinstance(condition, list):
        return pl.any_horizontal([matches(item, columns) for item in condition])
    tests = [
        _test(pl.col(name) if name in columns else pl.lit(None, pl.String), want) for name, want in condition.items()
    ]
    return pl.all_horizontal(tests)


def _test(column: pl.Expr, want: Any) -> pl.Expr:
    if isinstance(want, dict):
        if "present" in want:
            there = column.is_not_null() & (column != "")
            return (there if want["present"] else ~there).fill_null(not want["present"])
        if "matches" in want:
            return column.str.contains(want["matches"]).fill_null(False)
        return ~_test(column, want["not"])
    values = want if isinstance(want, list) else [want]
    texts = [_text(value) for value in values if value is not None]
    found = column.is_in(texts).fill_null(False)
    return found | column.is_null() if None in values else found


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def explode_rows(frame: pl.DataFrame, spec: Mapping[str, Any]) -> pl.DataFrame:
    """One row per element of a list: a JSON list, a delimited text, or all matches of a pattern.

    The new columns start with ``spec["as"]``; elements that are objects are flattened under it.
    """
    name, into = spec["col"], spec.get("as", "item")
    if name not in frame.columns:
        return frame.clear().with_columns(pl.lit(None, pl.String).alias(into))
    if "sep" in spec or "regex" in spec:
        cell = pl.col(name)
        parts = cell.str.split(spec["sep"]) if "sep" in spec else cell.str.extract_all(spec["regex"])
        listed = frame.with_columns(parts.alias(into)).explode(into).with_columns(pl.col(into).str.strip_chars())
        if "regex" in spec:
            listed = listed.with_columns(pl.col(into).str.extract(spec["regex"], 1))
        return listed.filter(pl.col(into).is_not_null() & (pl.col(into) != ""))
    return _explode_json(frame, name, into)


def _explode_json(frame: pl.DataFrame, name: str, into: str) -> pl.DataFrame:
    rows, records = [], []
    for number, cell in enumerate(frame[name].to_list()):
        for key, item in _elements(cell):
            rows.append(number)
            flat = _flat(item, f"{into}.") if isinstance(item, dict) else {into: _cell(item)}
            records.append({f"{into}._key": key, **flat})
    names = dict.fromkeys([into, *(key for record in records for key in record)])
    columns = [pl.Series(key, [record.get(key) for record in records], dtype=pl.String) for key in names]
    return (
        frame[rows].drop([n for n in names if n in frame.columns]).hstack(columns)
        if rows
        else frame.clear().with_columns(pl.lit(None, pl.String).alias(key) for key in names)
    )


def _elements(cell: str | None) -> list[tuple[str, Any]]:
    """Elements of a JSON list, or the values of a JSON object with their keys."""
    if not cell or cell[0] not in "[{":
        return []
    try:
        data = json.loads(cell)
    except ValueError:
        return []
    items = data.items() if isinstance(data, dict) else ((str(i), item) for i, item in enumerate(data))
    return [(str(key), item) for key, item in items]


def _flat(record: Mapping[str, Any], prefix: str) -> dict[str, str | None]:
    flat: dict[str, str | None] = {}
    for key, value in record.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = _cell(value)
    return flat


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, sort_keys=True)


def compute_column(frame: pl.DataFrame, spec: Any, *, lookup: Lookup, options: Mapping[str, Any]) -> pl.Series:
    """One target column: a column name, or a mapping with ``col``, ``const``, ``template`` or ``coalesce``."""
    if not isinstance(spec, dict):
        spec = {"col": spec}
    values = _base(frame, spec, lookup, options)
    if values.dtype == pl.String:
        values = values.set(values.is_in(list(options["null_values"])).fill_null(False), None)
    if "none_if" in spec:
        nulls = spec["none_if"] if isinstance(spec["none_if"], list) else [spec["none_if"]]
        values = values.set(values.is_in([_text(v) for v in nulls]).fill_null(False), None)
    if "regex" in spec:
        values = values.str.extract(spec["regex"], 1)
    if "lookup" in spec:
        for step in spec["lookup"] if isinstance(spec["lookup"], list) else [spec["lookup"]]:
            values = _looked_up(values, lookup(step), step)
    if "map" in spec:
        values = _translated(values, spec["map"])
    if "type" in spec:
        values = _typed(values, spec, options)
    if "prefix" in spec:
        values = pl.Series([spec["prefix"]]).new_from_index(0, len(values)) + values if len(values) else values
    if "default" in spec:
        values = values.fill_null(_text(spec["default"]))
    return values


def _base(frame: pl.DataFrame, spec: Mapping[str, Any], lookup: Lookup, options: Mapping[str, Any]) -> pl.Series:
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, frame.height)
    if "const" in spec:
        return pl.Series([_text(spec["const"])]).new_from_index(0, frame.height)
    if "coalesce" in spec:
        parts = [
            compute_column(frame, part, lookup=lookup, options=options).alias(str(i))
            for i, part in enumerate(spec["coalesce"])
        ]
        return pl.DataFrame(parts).select(pl.coalesce(pl.all())).to_series()
    if "template" in spec:
        names = re.findall(r"\{([^{}]+)\}", spec["template"])
        words = re.split(r"\{[^{}]+\}", spec["template"])
        cells = [frame[name] if name in frame.columns else nothing for name in names]
        text = pl.Series([words[0]]).new_from_index(0, frame.height)
        for cell, word in zip(cells, words[1:], strict=True):
            text = text + cell + word
        return text
    return frame[spec["col"]] if spec["col"] in frame.columns else nothing


def _looked_up(values: pl.Series, table: pl.DataFrame, spec: Mapping[str, Any]) -> pl.Series:
    """Values replaced through another table; those it does not know become null."""
    if "where" in spec:
        table = table.filter(matches(spec["where"], table.columns))
    if spec["key"] not in table.columns or spec["value"] not in table.columns:
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(values))
    pairs = table.select(pl.col(spec["key"]).alias("k"), pl.col(spec["value"]).alias("v")).drop_nulls("k")
    once = pairs.sort("k", "v", nulls_last=True).unique("k", keep="first", maintain_order=True)
    joined = values.alias("k").to_frame().join(once, on="k", how="left", maintain_order="left")
    return joined["v"]


def _translated(values: pl.Series, words: Mapping[Any, Any]) -> pl.Series:
    table = {_text(key): None if value is None else _text(value) for key, value in words.items() if key != "*"}
    rest = words.get("*", "keep")
    kept = values.replace(table)
    if rest == "keep":
        return kept
    known = values.is_in(list(table)).fill_null(True)
    other = pl.Series([rest], dtype=pl.String).new_from_index(0, len(values))
    return kept.zip_with(known, other)


def _typed(values: pl.Series, spec: Mapping[str, Any], options: Mapping[str, Any]) -> pl.Series:
    kind = spec["type"]
    if kind in TIME_TYPES or kind == "strptime":
        zone = spec.get("timezone", options["timezone"])
        pattern = spec["format"] if kind == "strptime" else TIME_TYPES[kind]
        nothing = values.is_in(["0", "0000-00-00 00:00:00"]).fill_null(False)
        return parse_times(values.set(nothing, None), time_format=pattern, timezone=zone)
    if kind == "int":
        return values.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    if kind == "bool":
        return values.str.to_lowercase().is_in(_TRUE)
    if kind == "lower":
        return values.str.to_lowercase()
    if kind in ("html", "bbcode"):
        return plain_text(values)
    return values


def plain_text(values: pl.Series) -> pl.Series:
    """The words of HTML, s9e XML or BBCode, without what is quoted from others."""
    text = values.str.replace_all(_QUOTES, " ").str.replace_all(_HTML, " ").str.replace_all(_BBCODE, " ")
    for entity, character in _ENTITIES.items():
        text = text.str.replace_all(entity, character, literal=True)
    return text.str.replace_all(r"[ \t]+", " ").str.strip_chars()
