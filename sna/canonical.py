"""The canonical folder: a Forum as Parquet files and one JSON file, read back equal to what was written."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from sna.admit import conform
from sna.errors import ReadError
from sna.forum import Forum, Source
from sna.schema import ISSUES, TABLES

_SOURCE_FILE = "source.json"


def write_forum(forum: Forum, folder: str | Path) -> Path:
    """Write the canonical Parquet folder: one file per table and ``source.json``. Same forum, same bytes.

    Raises
    ------
    ReadError
        When the folder cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sna.forum import build_forum
    >>> forum = build_forum(people=pl.DataFrame({"person_id": ["ann"]}))
    >>> with TemporaryDirectory() as folder:
    ...     read_canonical(write_forum(forum, folder)).people.equals(forum.people)
    True
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
