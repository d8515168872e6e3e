"""Read any table of posts: say which column is the author, the time, the thread; guesses are shown, never taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sna.errors import ParameterError, ReadError, SchemaError
from sna.formats.csv import Dialect
from sna.formats.frames import as_text, load_frame
from sna.formats.loaded import Loaded
from sna.formats.times import check_time_format
from sna.forum import Forum
from sna.readers.collect import Collector
from sna.readers.tables.cells import pick_columns, read_flags, read_times
from sna.readers.tables.guess import KIND_WORDS, guess_frame, proposal
from sna.schema import CAPABILITIES, TABLES
from sna.types import Frame

ColumnMap = Mapping[str, str | Sequence[str]]

FIELDS: Mapping[str, str] = {
    "author": "who wrote the post",
    "created_at": "when",
    "thread": "the conversation it belongs to; several columns together may name it",
    "parent": "the post it answers, as a post_id",
    "post_id": "its own id",
    "space": "channel, category, theme or list",
    "kind": "question, answer, comment, reply",
    "title": "subject",
    "text": "the words",
    "addressee": "the person it is addressed to, when the table says so",
    "edited_at": "when it was last edited",
    "deleted_at": "when it was deleted",
    "accepted": "true when the post is the accepted answer",
    "likes": "how many likes it has",
    "private": "true when the post is not public",
}
"""What a column of the table can mean; only the author is required."""

PEOPLE_FIELDS = ("name", "email", "kind", "joined_at", "left_at", "opt_out")
NULL_VALUES = ("", "NULL", "\\N", "NA", "N/A", "#N/A", "NaN", "nan", "None", "(null)")
_TIMES = ("created_at", "edited_at", "deleted_at", "joined_at", "left_at")
_FLAGS = ("private", "accepted", "who:opt_out")
_REPEATABLE = ("thread", "space", "post_id")
_TELLS = {
    "space": ("spaces", "yes"),
    "addressee": ("mentions", "yes"),
    "text": ("text", "yes"),
    "deleted_at": ("deleted_posts", "yes"),
    "accepted": ("acceptance", "yes"),
    "likes": ("reactions", "partial"),
    "edited_at": ("edits", "partial"),
}
"""Column -> the capability it gives."""


def read_table(
    data: Frame | str | Path,
    *,
    columns: ColumnMap | None = None,
    attributes: Mapping[str, str] | None = None,
    people_columns: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    time_format: str | None = None,
    timezone: str = "UTC",
    platform: str = "table",
    sep: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    sheet: str | None = None,
    null_values: Sequence[str] = NULL_VALUES,
    strip: bool = False,
    include_private: bool = False,
) -> Forum:
    """Read a table with one post per row: CSV, TSV, JSONL, Parquet, or any DataFrame.

    Parameters
    ----------
    data
        A path (``.gz`` and single-file zips too), or a polars / pandas / pyarrow frame or anything that speaks the
        Arrow PyCapsule or narwhals protocol.
    columns
        Our field -> their column; the fields are the keys of `FIELDS`. ``thread``, ``space`` and
        ``post_id`` may name several columns, which together make the id. Without ``columns`` nothing is read: the
        error shows a mapping to copy and correct.
    attributes
        Attribute of the author -> their column, such as ``{"role": "role", "job_title": "job"}``. People change: each
        post tells the value at its time, and runs of equal values become spells (basis "inferred").
    people_columns
        Facts of the author that do not change: name, email, kind, joined_at, left_at, opt_out. The latest wins.
    kinds
        Their words for ``kind`` -> root, reply, answer or comment; the usual words are known.
    time_format, timezone
        See `sna.formats.times.parse_times`; the zone is for times that carry none.
    platform
        Name put on ``forum.source``.
    sep, encoding, header
        Dialect of a text file, found out when None.
    sheet
        Of a workbook (Excel, OpenDocument); may be left out when one sheet only has rows.
    null_values
        Cells that mean nothing. An author called "NA" stays an author.
    strip
        Remove spaces around ids and labels. Off by default, because it joins "Ann" and "Ann " into one person; where
        that would happen an issue says so.
    include_private
        Keep rows whose ``private`` column is true; withheld (and counted) by default.

    Returns
    -------
    Forum
        Without a parent column a reply's parent is the question before it in its thread (basis "root_default").
        Post ids, where the table has none, are ``<thread>#<n>`` in order of time.

    Raises
    ------
    SchemaError
        Columns not given or not there, no author column, or no time that can be read.
    ReadError
        The file is missing, empty, damaged or binary.

    Notes
    -----
    When it misleads: spells know only what the posts tell. A person who changed role in silence changes it here with
    the next post, and people who never post are not in the table: add them with `sna.add_org`.

    Examples
    --------
    >>> table = pl.DataFrame({"who": ["ann", "bob"], "when": ["2024-01-01", "2024-01-02"], "in": ["t", "t"]})
    >>> forum = read_table(table, columns={"author": "who", "created_at": "when", "thread": "in"})
    >>> forum.posts.select("post_id", "parent_id", "author_id").rows()
    [('t#1', None, 'ann'), ('t#2', 't#1', 'bob')]
    """
    check_time_format(time_format, timezone)
    loaded = load_frame(data, Dialect(sep, encoding, header, sheet=sheet))
    if columns is None:
        raise _not_without_columns(loaded, data)
    facts = {**_prefixed("is:", attributes or {}), **_prefixed("who:", people_columns or {})}
    _check_fields(columns, attributes or {}, people_columns or {}, list(loaded.frame.columns))
    log = Collector(platform)
    log.log_loaded(loaded, "posts")
    frame = _pick(log, loaded, {**columns, **facts}, null_values=null_values, strip=strip)
    for name in [name for name in frame.columns if _is_time(name)]:
        frame = read_times(log, frame, name=name, time_format=time_format, timezone=timezone)
    for name in [name for name in _FLAGS if name in frame.columns]:
        frame = read_flags(log, frame, name=name)
    frame = _mark_kinds(log, frame, kinds or {})
    frame = _drop_unusable(log, frame, file=loaded.name, include_private=include_private)
    frame = _link_posts(_name_posts(log, frame)).rename({"thread": "thread_id", "author": "author_id"})
    _fill(log, frame, list(attributes or {}), list(people_columns or {}))
    levels = _capabilities(frame, list(columns), bool(attributes))
    files = [loaded.name] if loaded.name else []
    return log.forum(capabilities=levels, coverage="one table of posts", files=files)


def guess_columns(data: Frame | str | Path, *, sep: str | None = None, encoding: str | None = None) -> pl.DataFrame:
    """Guess what the columns of a table mean, with reasons. Nothing is read with it: look, correct, and pass it on.

    Returns
    -------
    DataFrame
        ``field, column, confidence, reasons``, best first; confidence from 0 to 1.

    Examples
    --------
    >>> guess_columns(pl.DataFrame({"Author": ["a", "b", "a"], "Posted": ["2024-01-01", "2024-01-02", "2024-01-03"]})
    ...               ).select("field", "column").rows()
    [('created_at', 'Posted'), ('author', 'Author')]
    """
    return guess_frame(load_frame(data, Dialect(sep, encoding)).frame)


def _not_without_columns(loaded: Loaded, data: Frame | str | Path) -> SchemaError:
    guesses = guess_frame(loaded.frame)
    source = f'"{data}"' if isinstance(data, str) or loaded.name else "frame"
    return SchemaError(
        "read_table needs to be told which column is what.",
        got=f"Found: {', '.join(map(repr, loaded.frame.columns))}.",
        hint="check this guess, correct it and run it:\n" + proposal(guesses, source),
    )


def _prefixed(prefix: str, columns: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}{name}": column for name, column in columns.items()}


def _is_time(name: str) -> bool:
    return name.split(":")[-1] in _TIMES


def _check_fields(
    columns: ColumnMap, attributes: Mapping[str, str], people: Mapping[str, str], found: Sequence[str]
) -> None:
    unknown = sorted(set(columns) - set(FIELDS)) + sorted(set(people) - set(PEOPLE_FIELDS))
    if unknown:
        raise ParameterError(
            f"columns has the keys {', '.join(FIELDS)}; people_columns has {', '.join(PEOPLE_FIELDS)}.",
            got=f"Unknown: {', '.join(map(repr, unknown))}.",
            hint='the key is our field, the value your column: columns={"author": "user"}',
        )
    many = [key for key, value in columns.items() if not isinstance(value, str) and key not in _REPEATABLE]
    if many:
        raise ParameterError(f"Only {', '.join(_REPEATABLE)} may name several columns.", got=f"Got {many}.")
    if "author" not in columns:
        raise SchemaError(
            "columns must name the author.", got=f"Got {dict(columns)}.", hint='columns={"author": "<your column>"}'
        )
    wanted = [name for value in columns.values() for name in ([value] if isinstance(value, str) else value)]
    missing = [name for name in [*wanted, *attributes.values(), *people.values()] if name not in found]
    if missing:
        near = get_close_matches(missing[0], found, n=1, cutoff=0.5)
        raise SchemaError(
            f"The table has no column {', '.join(map(repr, missing))}.",
            got=f"Found: {', '.join(map(repr, found))}.",
            hint=f"did you mean {near[0]!r}?" if near else "sna.guess_columns(data) shows what fits",
        )


def _pick(
    log: Collector, loaded: Loaded, wanted: ColumnMap, *, null_values: Sequence[str], strip: bool
) -> pl.DataFrame:
    """The named columns under our names; ids and labels as text, times as they came."""
    picked = {}
    for target, source in wanted.items():
        cells = [loaded.frame[name] for name in ([source] if isinstance(source, str) else source)]
        raw = cells[0] if len(cells) == 1 else _joined(cells, strip=strip)
        if not (_is_time(target) and (raw.dtype.is_temporal() or raw.dtype.is_numeric())):
            raw = _clean(log, as_text(raw, strip=strip), target, null_values=null_values, file=loaded.name)
        picked[target] = raw
    return pick_columns(loaded, picked)


def _joined(cells: Sequence[pl.Series], *, strip: bool) -> pl.Series:
    """Several columns as one id, reversibly: `a | b`, with bars inside a value escaped."""
    frame = pl.DataFrame([as_text(cell, strip=strip).alias(str(i)) for i, cell in enumerate(cells)])
    escaped = [
        pl.col(name).fill_null("").str.replace_all("\\", "\\\\", literal=True).str.replace_all("|", "\\|", literal=True)
        for name in frame.columns
    ]
    return frame.select(pl.concat_str(escaped, separator=" | ")).to_series()


def _clean(log: Collector, text: pl.Series, target: str, *, null_values: Sequence[str], file: str) -> pl.Series:
    """Cells that mean nothing become null; spaces, formulas and ids cut by a spreadsheet are noted."""
    name_like = target in ("author", "addressee", "who:name")
    nulls = [value for value in null_values if not (name_like and value == "NA")]
    text = text.set(text.str.strip_chars().is_in(nulls).fill_null(False), None)
    if target in ("text", "title"):
        return text
    quoted = text.str.extract(r'^="(.*)"$')
    odd = {
        "spaces_around": (text.n_unique() - text.str.strip_chars().n_unique(), "values differ only by spaces"),
        "formula_cell": ((text.str.contains(r"^[=@]\S") & quoted.is_null()).sum(), "cells start like a formula"),
        "spreadsheet_number": (text.str.contains(r"^\d(?:\.\d+)?E\+\d+$").sum(), "ids cut by a spreadsheet (1.23E+11)"),
    }
    for reason, (n, what) in odd.items():
        if n:
            log.note("posts", reason, file=file, detail=f"{target}: {n:,} {what}; kept as they are", n=int(n))
    return text.zip_with(quoted.is_null(), quoted)


def _mark_kinds(log: Collector, frame: pl.DataFrame, kinds: Mapping[str, str]) -> pl.DataFrame:
    """Translate the kind column; words not known become null and are settled by position."""
    allowed = TABLES["posts"].values["kind"]
    wrong = sorted(set(kinds.values()) - set(allowed))
    if wrong:
        raise ParameterError(f"kinds maps your words to {', '.join(allowed)}.", got=f"Got {wrong}.")
    if "kind" not in frame.columns:
        return frame.with_columns(pl.lit(None, pl.String).alias("kind"))
    words = {**KIND_WORDS, **{key.lower(): value for key, value in kinds.items()}}
    given = frame["kind"].str.to_lowercase().str.strip_chars()
    kind = given.replace_strict(words, default=None, return_dtype=pl.String)
    unknown = given.filter(kind.is_null() & given.is_not_null())
    if len(unknown):
        told = f"{', '.join(unknown.unique().sort().head(5))}: settled by place in the thread; or pass kinds="
        log.note("posts", "unknown_kind", kind="repaired", file=frame["_file"][0], detail=told, n=len(unknown))
    return frame.with_columns(kind.alias("kind"))


def _drop_unusable(log: Collector, frame: pl.DataFrame, *, file: str, include_private: bool) -> pl.DataFrame:
    has_id = "post_id" in frame.columns
    if "private" in frame.columns and not include_private:
        frame = log.drop("posts", frame, lost=pl.col("private"), reason="private_space", kind="withheld")
    if has_id:
        frame = log.drop("posts", frame, lost=pl.col("post_id").is_null(), reason="missing_id")
    order = [name for name in frame.columns if not name.startswith("_")]
    first = [name for name in ("created_at", "post_id", "thread", "author") if name in order]
    frame = frame.sort([*first, *(n for n in order if n not in first)], nulls_last=True, maintain_order=True)
    if has_id:
        shown = pl.lit("post_id ") + pl.col("post_id")
        again = ~pl.col("post_id").is_first_distinct()
        frame = log.drop("posts", frame, lost=again, reason="duplicate_id", detail=shown)
    nameless = frame["author"].null_count()
    if nameless:
        told = f"{nameless:,} posts have no author; kept without one"
        log.note("posts", "missing_author", file=file, detail=told, n=nameless)
    if frame.is_empty():
        reasons = ", ".join(log.issues()["reason"].unique().sort()) or "no rows"
        raise ReadError(f"{file or 'The table'} must hold posts.", got=f"None could be used: {reasons}.")
    return frame


def _name_posts(log: Collector, frame: pl.DataFrame) -> pl.DataFrame:
    """Post ids and thread ids where the table has none; rows are already in order of time."""
    alone = frame["thread"].null_count() if "thread" in frame.columns else 0
    if alone:
        told = f"{alone:,} posts name no thread; each is its own"
        log.note("posts", "missing_thread", kind="repaired", file=frame["_file"][0], detail=told, n=alone)
    if "post_id" not in frame.columns:
        group = pl.col("thread").fill_null("(none)") if "thread" in frame.columns else pl.lit("post")
        number = pl.int_range(1, pl.len() + 1).over(group).cast(pl.String)
        frame = frame.with_columns((group + "#" + number).alias("post_id"))
    if "thread" not in frame.columns:
        thread = threads_of_parents(frame) if "parent" in frame.columns else frame["post_id"]
        frame = frame.with_columns(thread.alias("thread"))
    return frame.with_columns(pl.col("thread").fill_null(pl.col("post_id")))


def threads_of_parents(frame: pl.DataFrame) -> pl.Series:
    """Posts joined by parents are one thread, named after its first post that answers nothing."""
    known = pl.concat([frame["post_id"], frame["parent"].alias("post_id")]).drop_nulls().unique().sort()
    codes = pl.DataFrame({"id": known}).with_row_index("code")
    coded = (
        frame.select("post_id", "parent")
        .join(codes.rename({"id": "post_id"}), on="post_id", how="left", maintain_order="left")
        .join(codes.rename({"id": "parent", "code": "up"}), on="parent", how="left", maintain_order="left")
    )
    linked = coded.drop_nulls("up")
    size = len(known)
    ones = np.ones(linked.height, dtype=np.int8)
    graph = coo_array((ones, (linked["code"].to_numpy(), linked["up"].to_numpy())), shape=(size, size))
    label = connected_components(graph, directed=False)[1][coded["code"].to_numpy()]
    marked = frame.select("post_id", "parent").with_columns(pl.Series("part", label))
    roots = pl.col("post_id").filter(pl.col("parent").is_null()).first()
    return marked.select(pl.coalesce(roots, pl.col("parent").min()).over("part")).to_series()


def _link_posts(frame: pl.DataFrame) -> pl.DataFrame:
    """Kind, parent and parent_basis of every post; rows are in order of time."""
    if "parent" in frame.columns:
        zero = (pl.col("parent") == "0") & ~pl.lit("0").is_in(frame["post_id"].implode())
        frame = frame.with_columns(pl.when(~zero).then("parent").alias("parent"))
    else:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("parent"))
    opens = pl.col("post_id") == pl.col("post_id").filter(pl.col("parent").is_null()).first().over("thread")
    settled = pl.coalesce("kind", pl.when(opens).then(pl.lit("root")).otherwise(pl.lit("reply")))
    frame = frame.with_columns(settled.alias("kind"))
    root = pl.when((pl.col("kind") == "root") & pl.col("parent").is_null()).then(pl.col("post_id"))
    before = pl.coalesce(root.forward_fill(), root.drop_nulls().first()).over("thread")
    default = pl.when(pl.col("parent").is_null() & (pl.col("kind") != "root")).then(before)
    given = pl.when(pl.col("parent").is_not_null()).then(pl.lit("explicit"))
    return frame.with_columns(
        pl.coalesce("parent", default).alias("parent_id"),
        pl.coalesce(given, pl.when(default.is_not_null()).then(pl.lit("root_default")), pl.lit("none")).alias(
            "parent_basis"
        ),
    )


def _fill(log: Collector, frame: pl.DataFrame, attributes: list[str], people: list[str]) -> None:
    """The tables of the Forum; only posts are rows of the source."""
    log.add_frame("posts", frame.select(name for name in TABLES["posts"].columns if name in frame.columns))
    log.derive_frame("people", _people(frame, people))
    for name in attributes:
        seen = frame.select("author_id", "created_at", pl.col(f"is:{name}").alias("value")).drop_nulls()
        log.derive_frame("roles", _spells_from_sightings(log, seen, name))
    if "addressee" in frame.columns:
        told = frame.drop_nulls("addressee").select("post_id", person_id="addressee", basis=pl.lit("structured"))
        log.derive_frame("mentions", told)
    if "accepted" in frame.columns:
        accepted = frame.filter("accepted").select("post_id", kind=pl.lit("accept"), n=pl.lit(1, pl.Int64))
        log.derive_frame("signals", accepted)
    if "likes" in frame.columns:
        n = pl.col("likes").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
        log.derive_frame("signals", frame.select("post_id", kind=pl.lit("like"), n=n).filter(pl.col("n") > 0))


def _people(frame: pl.DataFrame, facts: list[str]) -> pl.DataFrame:
    ids = [frame[name].alias("person_id") for name in ("author_id", "addressee") if name in frame.columns]
    everyone = pl.concat(ids).drop_nulls().unique().sort().to_frame()
    last = [pl.col(f"who:{name}").drop_nulls().last().alias(name) for name in facts]
    known = frame.drop_nulls("author_id").group_by(person_id="author_id").agg(last)
    people = everyone.join(known, on="person_id", how="left", maintain_order="left")
    if "name" not in facts:
        people = people.with_columns(pl.col("person_id").alias("name"))
    if "opt_out" in facts:
        people = people.with_columns(pl.col("opt_out").fill_null(False))
    if "kind" in facts:
        bot = pl.col("kind").str.to_lowercase().is_in(["bot", "app", "true", "1", "yes", "y", "t", "x"])
        system = pl.col("kind").str.to_lowercase().is_in(["system", "service"])
        kind = pl.when(bot).then(pl.lit("bot")).when(system).then(pl.lit("system")).otherwise(pl.lit("human"))
        people = people.with_columns(kind.alias("kind"))
    return people


def _spells_from_sightings(log: Collector, seen: pl.DataFrame, attribute: str) -> pl.DataFrame:
    """Spells of one attribute from ``author_id, created_at, value``: a value holds from its first sighting to the next
    change. Where one moment shows several values the most frequent wins, then the first in the alphabet.
    """
    counted = seen.group_by("author_id", "created_at", "value").agg(pl.len().alias("n"))
    ordered = counted.sort(["author_id", "created_at", "n", "value"], descending=[False, False, True, False])
    moments = ordered.unique(["author_id", "created_at"], keep="first", maintain_order=True)
    clashes = ordered.height - moments.height
    if clashes:
        told = f"{attribute}: two values at one moment; the more frequent kept"
        log.note("posts", "conflicting_attribute", detail=told, n=clashes)
    changed = (pl.col("value") != pl.col("value").shift(1).over("author_id")).fill_null(True)
    return moments.filter(changed).select(
        "value",
        person_id="author_id",
        attribute=pl.lit(attribute),
        valid_from="created_at",
        valid_to=pl.col("created_at").shift(-1).over("author_id"),
        basis=pl.lit("inferred"),
    )


def _capabilities(frame: pl.DataFrame, given: Sequence[str], attributes: bool) -> dict[str, str]:
    explicit = bool((frame["parent_basis"] == "explicit").any())
    threads = frame["thread_id"].n_unique() < frame.height
    found = {
        "reply_parent": "yes" if explicit else "partial" if threads else "no",
        "threads": "yes" if threads else "no",
        "exact_times": _time_level(frame["created_at"]) if "created_at" in given else "no",
        "org_attributes": "partial" if attributes else "no",
    }
    told = {capability: word for name, (capability, word) in _TELLS.items() if name in given}
    return dict.fromkeys(CAPABILITIES, "no") | found | told


def _time_level(times: pl.Series) -> str:
    known = times.drop_nulls()
    if known.is_empty():
        return "no"
    return "partial" if (known == known.dt.truncate("1d")).all() else "yes"
