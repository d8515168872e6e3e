"""Mappings that come with the package: one YAML per platform, used as readers by `sna.read_forum`."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatch
from functools import lru_cache, partial
from pathlib import PurePosixPath
from typing import Any

from sna.errors import SnaError
from sna.formats.container import Container
from sna.forum import Forum
from sna.readers.collect import Reader, ReadOptions
from sna.readers.mapping.language import capability_levels
from sna.readers.mapping.run import list_presets, load_mapping, run_mapping
from sna.readers.mapping.sources import TableAt, list_tables, resolve_tables


@lru_cache(maxsize=1)
def _tables_of(container: Container) -> tuple[TableAt, ...]:
    """Tables of a container, found once for all presets."""
    return tuple(list_tables(container))


def _recognise(container: Container, data: Mapping[str, Any]) -> str | None:
    rules = data.get("recognise") or {}
    needed = rules.get("tables")
    if needed and any(name.lower().endswith((".sql", ".dump", ".xml", ".csv", ".tsv")) for name in container.names):
        try:
            places = resolve_tables(_tables_of(container), needed)
        except SnaError:
            return None
        if places:
            return f"it has the tables {', '.join(places[name].name for name in needed)}"
    for rule in rules.get("files") or []:
        for name in container.names:
            if fnmatch(PurePosixPath(name).name.lower(), rule["name"].lower()) and _has(
                container, name, rule["contains"]
            ):
                return f"{name} has {', '.join(rule['contains'])}"
    return None


def _has(container: Container, name: str, words: list[str]) -> bool:
    head = container.peek(name)
    return all(word.encode() in head for word in words)


def _read(container: Container, options: ReadOptions, *, data: dict[str, Any]) -> Forum:
    return run_mapping(container, data, include_private=options.include_private)


def _reader(name: str) -> Reader:
    data = load_mapping(name)
    return Reader(
        name=name,
        title=data["title"],
        recognise=partial(_recognise, data=data),
        read=partial(_read, data=data),
        capabilities=capability_levels(data),
    )


def find_preset(container: Container) -> tuple[str, str] | None:
    """Name of the preset that knows an export, and why; None when none does."""
    for reader in READERS:
        reason = reader.recognise(container)
        if reason:
            return reader.name, reason
    return None


READERS: tuple[Reader, ...] = tuple(_reader(name) for name in list_presets())
