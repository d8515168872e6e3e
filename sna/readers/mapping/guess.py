"""Propose a mapping for an unknown export, with the reason for every line. Nothing is read with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sna.errors import FormatError
from sna.formats.container import open_container
from sna.formats.frames import load_frame
from sna.readers.mapping.presets import find_preset
from sna.readers.mapping.sources import TableAt, list_tables, load_tables
from sna.readers.tables.guess import guess_frame
from sna.schema import TABLES, TIME


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

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> rows = ("user,posted,topic,message", "ann,2024-01-01 10:00,5,Hello", "bob,2024-01-02 10:00,5,Hi")
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "posts.csv"
    ...     n_characters = path.write_text(chr(10).join(rows))
    ...     guess_mapping(path).guesses.select("field", "column").rows()
    [('created_at', 'posted'), ('author', 'user'), ('thread', 'topic'), ('text', 'message')]
    """
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
        loaded = load_tables(container, [table])[table.member, table.name]
    return loaded.frame.head(5_000)


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
