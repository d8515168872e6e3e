"""The canonical folder: a Forum as Parquet files and one JSON file, read back equal to what was written."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import polars as pl

from sna.admit import conform
from sna.errors import ReadError
from sna.formats.frames import whole_or_error
from sna.forum import Forum, Source
from sna.schema import CAPABILITIES, GRADES, ISSUES, TABLES

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
    source = _read_source(root / _SOURCE_FILE)
    tables = {}
    for name, table in {**TABLES, "issues": ISSUES}.items():
        path = root / f"{name}.parquet"
        if not path.is_file():
            raise _not_ours(root, f"{path.name} is missing")
        with whole_or_error(path.name, "Parquet file", hint="convert the export again"):
            frame = pl.read_parquet(path)
        tables[name] = conform(frame, table)
    return Forum(**tables, source=source)


def _not_ours(root: Path, got: str) -> ReadError:
    need = f"{root} should hold {_SOURCE_FILE} and one Parquet file per table, as `sna convert` writes them."
    return ReadError(need, got=f"{got}.", hint="convert the export again")


def _read_source(path: Path) -> Source:
    """The source, each fact of the type it must have."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        exported, read = facts.pop("exported_at"), facts.pop("rows_read")
        source = Source(
            **{**facts, "files": tuple(map(str, facts["files"]))},
            exported_at=datetime.fromisoformat(exported) if exported else None,
            rows_read={str(table): int(n) for table, n in read.items()},
        )
        texts = (source.platform, source.coverage, *source.capabilities, *source.capabilities.values())
        unknown = (set(source.capabilities) - set(CAPABILITIES)) | (set(source.capabilities.values()) - set(GRADES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_ours(path.parent, f"{path.name}: {type(error).__name__}: {error}") from error
    if unknown or not all(isinstance(text, str) for text in texts):
        raise _not_ours(path.parent, f"{path.name} has values of another kind: {sorted(map(str, unknown))}")
    return source
