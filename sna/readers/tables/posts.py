"""Read any table of posts: say which column is the author, the time, the thread; guesses are shown, never taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sna.errors import ParameterError, ReadError, SchemaError
from sna.formats.frames import Loaded, as_text, issue_rows, load_frame
from sna.formats.secrets import hide_secrets
from sna.formats.times import check_time_format, parse_times
from sna.forum import Forum, Source, build_forum, make_issues
from sna.readers.tables.guess import KIND_WORDS, guess_frame, proposal
from sna.schema import CAPABILITIES, ISSUES, TABLES

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
_TIME_FIELDS = ("created_at", "edited_at", "deleted_at")
_TRUE = ("true", "1", "yes", "y", "t", "x", "accepted")
_REPEATABLE = ("thread", "space", "post_id")


@dataclass(frozen=True)
class _Cells:
    """How cells become ids."""

    null_values: tuple[str, ...]
    strip: bool


@dataclass
class _Rows:
    """The rows on their way to a Forum, and the issues met."""

    frame: pl.DataFrame
    file: str
    issues: list[pl.DataFrame] = field(default_factory=list)

    def drop(self, lost: pl.Expr, reason: str, *, detail: pl.Expr | None = None, kind: str = "rejected") -> None:
        """Take rows out and log each."""
        marked = self.frame.with_columns(lost.fill_null(False).alias("_lost"))
        if marked["_lost"].any():
            shown = pl.lit("") if detail is None else detail
            gone = marked.filter("_lost").select("position", shown.alias("detail"))
            self.issues.append(issue_rows(gone, table="posts", reason=reason, kind=kind, file=self.file))
            self.frame = marked.filter(~pl.col("_lost")).drop("_lost")

    def note(self, reason: str, detail: str, *, n: int = 1, kind: str = "note", table: str = "posts") -> None:
        """Log something about rows that are kept."""
        self.issues.append(make_issues(table, reason, kind=kind, n=n, file=self.file, detail=detail))


def read_table(
    data: object,
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
    loaded = load_frame(data, sep=sep, encoding=encoding, header=header)
    if columns is None:
        raise _not_without_columns(loaded, data)
    _check_fields(columns, attributes or {}, people_columns or {}, list(loaded.frame.columns))
    rows = _pick_columns(loaded, columns, attributes or {}, people_columns or {}, _Cells(tuple(null_values), strip))
    for name in [c for c in rows.frame.columns if c.split(":")[-1] in (*_TIME_FIELDS, "joined_at", "left_at")]:
        _read_times(rows, name, time_format, timezone)
    _mark_kinds(rows, kinds or {})
    _drop_unusable(rows, include_private=include_private)
    _name_posts(rows)
    _link_posts(rows)
    return _build(rows, loaded, platform, list(attributes or {}), list(people_columns or {}))


def guess_columns(data: object, *, sep: str | None = None, encoding: str | None = None) -> pl.DataFrame:
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
    return guess_frame(load_frame(data, sep=sep, encoding=encoding).frame)


def _not_without_columns(loaded: Loaded, data: object) -> SchemaError:
    guesses = guess_frame(loaded.frame)
    source = f'"{data}"' if isinstance(data, str) or loaded.name else "frame"
    return SchemaError(
        "read_table needs to be told which column is what.",
        got=f"Found: {', '.join(map(repr, loaded.frame.columns))}.",
        hint="check this guess, correct it and run it:\n" + proposal(guesses, source),
    )


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


def _pick_columns(
    loaded: Loaded,
    columns: ColumnMap,
    attributes: Mapping[str, str],
    people: Mapping[str, str],
    rules: _Cells,
) -> _Rows:
    """The named columns under our names; ids and labels as text, times as they came."""
    wanted = {**columns, **{f"is:{k}": v for k, v in attributes.items()}, **{f"who:{k}": v for k, v in people.items()}}
    place = "line" if loaded.lines is not None else "row"
    numbers = loaded.lines if loaded.lines is not None else pl.int_range(1, loaded.frame.height + 1, eager=True)
    rows = _Rows(pl.DataFrame({"position": f"{place} " + numbers.cast(pl.String)}), loaded.name, list(loaded.issues))
    picked = []
    for target, source in wanted.items():
        names = [source] if isinstance(source, str) else list(source)
        cells = [loaded.frame[name] for name in names]
        raw = cells[0] if len(cells) == 1 else _joined(cells, strip=rules.strip)
        is_time = target.split(":")[-1] in (*_TIME_FIELDS, "joined_at", "left_at")
        if not (is_time and (raw.dtype.is_temporal() or raw.dtype.is_numeric())):
            raw = _clean(as_text(raw, strip=rules.strip), target, rules, rows)
        picked.append(raw.alias(target))
    rows.frame = rows.frame.with_columns(picked)
    return rows


def _joined(cells: Sequence[pl.Series], *, strip: bool) -> pl.Series:
    """Several columns as one id, reversibly: `a | b`, with bars inside a value escaped."""
    frame = pl.DataFrame([as_text(cell, strip=strip).alias(str(i)) for i, cell in enumerate(cells)])
    escaped = [
        pl.col(name).fill_null("").str.replace_all("\\", "\\\\", literal=True).str.replace_all("|", "\\|", literal=True)
        for name in frame.columns
    ]
    return frame.select(pl.concat_str(escaped, separator=" | ")).to_series()


def _clean(text: pl.Series, target: str, rules: _Cells, rows: _Rows) -> pl.Series:
    names = target in ("author", "addressee", "who:name")
    nulls = [value for value in rules.null_values if not (names and value == "NA")]
    bare = text.str.strip_chars()
    text = text.set(bare.is_in(nulls).fill_null(False), None)
    if target in ("text", "title"):
        return text
    twins = text.n_unique() - text.str.strip_chars().n_unique()
    if twins:
        rows.note("spaces_around", f"{target}: {twins:,} values differ from another only by spaces", n=twins)
    quoted = text.str.extract(r'^="(.*)"$')
    formulas = int((text.str.contains(r"^[=@]\S") & quoted.is_null()).fill_null(False).sum())
    if formulas:
        rows.note("formula_cell", f"{target}: {formulas:,} cells start like a formula; kept as text", n=formulas)
    damaged = int(text.str.contains(r"^\d(?:\.\d+)?E\+\d+$").fill_null(False).sum())
    if damaged:
        rows.note("spreadsheet_number", f"{target}: {damaged:,} ids cut by a spreadsheet (1.23E+11)", n=damaged)
    return text.zip_with(quoted.is_null(), quoted)


def _read_times(rows: _Rows, name: str, time_format: str | None, timezone: str) -> None:
    raw = rows.frame[name]
    times = parse_times(raw, time_format=time_format, timezone=timezone)
    bad = times.is_null() & raw.is_not_null()
    if bad.all() and len(bad):
        raise SchemaError(
            f"The column for {name} must hold times.",
            got=f"None could be read; the first is {raw.drop_nulls()[0]!r}.",
            hint='name the right column, or say how it is written: time_format="%d.%m.%Y %H:%M"',
        )
    if bad.any():
        lost = rows.frame.filter(bad).select(
            "position", (pl.lit(f"{name} ") + pl.col(name).cast(pl.String)).alias("detail")
        )
        rows.issues.append(issue_rows(lost, table="posts", reason="bad_time", kind="repaired", file=rows.file))
    rows.frame = rows.frame.with_columns(times.alias(name))


def _mark_kinds(rows: _Rows, kinds: Mapping[str, str]) -> None:
    """Translate the kind column; words not known become null and are settled by position."""
    allowed = TABLES["posts"].values["kind"]
    wrong = sorted(set(kinds.values()) - set(allowed))
    if wrong:
        raise ParameterError(f"kinds maps your words to {', '.join(allowed)}.", got=f"Got {wrong}.")
    if "kind" not in rows.frame.columns:
        return
    words = {**KIND_WORDS, **{key.lower(): value for key, value in kinds.items()}}
    given = rows.frame["kind"].str.to_lowercase().str.strip_chars()
    kind = given.replace_strict(words, default=None, return_dtype=pl.String)
    unknown = given.filter(kind.is_null() & given.is_not_null())
    if len(unknown):
        shown = ", ".join(unknown.unique().sort().head(5))
        rows.note(
            "unknown_kind", f"{shown}: settled by place in the thread; or pass kinds=", n=len(unknown), kind="repaired"
        )
    rows.frame = rows.frame.with_columns(kind.alias("kind"))


def _drop_unusable(rows: _Rows, *, include_private: bool) -> None:
    if "private" in rows.frame.columns:
        if not include_private:
            rows.drop(_is_true("private"), "private_space", kind="withheld")
        rows.frame = rows.frame.drop("private")
    if "post_id" in rows.frame.columns:
        rows.drop(pl.col("post_id").is_null(), "missing_id")
    order = [name for name in rows.frame.columns if name != "position"]
    first = [name for name in ("created_at", "post_id", "thread", "author") if name in order]
    rows.frame = rows.frame.sort([*first, *(n for n in order if n not in first)], nulls_last=True, maintain_order=True)
    if "post_id" in rows.frame.columns:
        rows.drop(~pl.col("post_id").is_first_distinct(), "duplicate_id", detail=pl.lit("post_id ") + pl.col("post_id"))
    nameless = int(rows.frame["author"].null_count())
    if nameless:
        rows.note("missing_author", f"{nameless:,} posts have no author; kept without one", n=nameless)
    if rows.frame.is_empty():
        reasons = ", ".join(pl.concat(rows.issues)["reason"].unique().sort()) if rows.issues else "no rows"
        raise ReadError(f"{rows.file or 'The table'} must hold posts.", got=f"None could be used: {reasons}.")


def _is_true(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.to_lowercase().is_in(_TRUE).fill_null(False)


def _name_posts(rows: _Rows) -> None:
    """Post ids and thread ids where the table has none; rows are already in order of time."""
    frame = rows.frame
    if "thread" in frame.columns:
        alone = int(frame["thread"].null_count())
        if alone:
            rows.note("missing_thread", f"{alone:,} posts name no thread; each is its own", n=alone, kind="repaired")
    if "post_id" not in frame.columns:
        group = pl.col("thread").fill_null("(none)") if "thread" in frame.columns else pl.lit("post")
        number = pl.int_range(1, pl.len() + 1).over(group).cast(pl.String)
        frame = frame.with_columns((group + "#" + number).alias("post_id"))
    if "thread" not in frame.columns:
        thread = threads_of_parents(frame) if "parent" in frame.columns else frame["post_id"]
        frame = frame.with_columns(thread.alias("thread"))
    rows.frame = frame.with_columns(pl.col("thread").fill_null(pl.col("post_id")))


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


def _link_posts(rows: _Rows) -> None:
    """Kind, parent and parent_basis of every post; rows are in order of time."""
    frame = rows.frame
    has_parent = "parent" in frame.columns
    parent = pl.col("parent") if has_parent else pl.lit(None, pl.String)
    if has_parent:
        frame = frame.with_columns(
            pl.when((parent == "0") & ~pl.lit("0").is_in(frame["post_id"].implode()))
            .then(None)
            .otherwise(parent)
            .alias("parent")
        )
    kind = pl.col("kind") if "kind" in frame.columns else pl.lit(None, pl.String)
    opens = pl.col("post_id") == pl.col("post_id").filter(parent.is_null()).first().over("thread")
    settled = pl.coalesce(kind, pl.when(opens).then(pl.lit("root")).otherwise(pl.lit("reply")))
    frame = frame.with_columns(settled.alias("kind"), parent.alias("parent"))
    root = pl.when((pl.col("kind") == "root") & pl.col("parent").is_null()).then(pl.col("post_id"))
    before = pl.coalesce(root.forward_fill(), root.drop_nulls().first()).over("thread")
    lacks = pl.col("parent").is_null() & (pl.col("kind") != "root")
    rows.frame = frame.with_columns(
        pl.when(lacks).then(before).otherwise(pl.col("parent")).alias("parent_id"),
        pl.when(lacks & before.is_not_null())
        .then(pl.lit("root_default"))
        .when(pl.col("parent").is_not_null())
        .then(pl.lit("explicit"))
        .otherwise(pl.lit("none"))
        .alias("parent_basis"),
    )


def _build(rows: _Rows, loaded: Loaded, platform: str, attributes: list[str], people: list[str]) -> Forum:
    frame = rows.frame.rename({"thread": "thread_id", "author": "author_id"})
    posts = hide_secrets(frame.select(name for name in TABLES["posts"].columns if name in frame.columns))
    read = {**dict.fromkeys(TABLES, 0), "posts": loaded.n_read}
    source = Source(
        platform,
        coverage="one table of posts",
        capabilities=_capabilities(frame, rows.frame.columns, attributes),
        rows_read=read,
        files=(loaded.name,) if loaded.name else (),
    )
    return build_forum(
        posts=posts,
        people=_people(frame, people),
        roles=_spells(frame, attributes, rows),
        mentions=_addressees(frame),
        signals=_signals(frame),
        source=source,
        issues=pl.concat([ISSUES.empty(), *rows.issues]),
    )


def _people(frame: pl.DataFrame, facts: list[str]) -> pl.DataFrame:
    ids = [frame["author_id"].alias("person_id")]
    if "addressee" in frame.columns:
        ids.append(frame["addressee"].alias("person_id"))
    everyone = pl.concat(ids).drop_nulls().unique().sort().to_frame()
    last = [pl.col(f"who:{name}").drop_nulls().last().alias(name) for name in facts]
    known = frame.drop_nulls("author_id").group_by("author_id").agg(last).rename({"author_id": "person_id"})
    people = everyone.join(known, on="person_id", how="left", maintain_order="left")
    if "name" not in facts:
        people = people.with_columns(pl.col("person_id").alias("name"))
    if "opt_out" in facts:
        people = people.with_columns(_is_true("opt_out").alias("opt_out"))
    if "kind" in facts:
        word = pl.col("kind").str.to_lowercase()
        bot = pl.when(word.is_in([*_TRUE, "bot", "app"])).then(pl.lit("bot"))
        people = people.with_columns(
            bot.when(word.is_in(["system", "service"])).then(pl.lit("system")).otherwise(pl.lit("human")).alias("kind")
        )
    return people


def _spells(frame: pl.DataFrame, attributes: list[str], rows: _Rows) -> pl.DataFrame:
    """Runs of equal values over each person's dated posts."""
    spells = [TABLES["roles"].empty()]
    for name in attributes:
        seen = frame.select("author_id", "created_at", pl.col(f"is:{name}").alias("value")).drop_nulls()
        spells.append(spells_from_sightings(seen, name, rows=rows))
    return pl.concat(spells)


def spells_from_sightings(seen: pl.DataFrame, attribute: str, *, rows: _Rows) -> pl.DataFrame:
    """Spells of one attribute from ``author_id, created_at, value``: a value holds from its first sighting to the next
    change. Where one moment shows several values the most frequent wins, then the first in the alphabet.
    """
    counted = seen.group_by("author_id", "created_at", "value").agg(pl.len().alias("n"))
    ordered = counted.sort(["author_id", "created_at", "n", "value"], descending=[False, False, True, False])
    moments = ordered.unique(["author_id", "created_at"], keep="first", maintain_order=True)
    clashes = ordered.height - moments.height
    if clashes:
        rows.note("conflicting_attribute", f"{attribute}: two values at one moment; the more frequent kept", n=clashes)
    changed = (pl.col("value") != pl.col("value").shift(1).over("author_id")).fill_null(True)
    starts = moments.filter(changed)
    return starts.select(
        pl.col("author_id").alias("person_id"),
        pl.lit(attribute).alias("attribute"),
        "value",
        pl.col("created_at").alias("valid_from"),
        pl.col("created_at").shift(-1).over("author_id").alias("valid_to"),
        pl.lit("inferred").alias("basis"),
    )


def _addressees(frame: pl.DataFrame) -> pl.DataFrame:
    if "addressee" not in frame.columns:
        return TABLES["mentions"].empty()
    told = frame.drop_nulls("addressee")
    return told.select("post_id", pl.col("addressee").alias("person_id"), pl.lit("structured").alias("basis"))


def _signals(frame: pl.DataFrame) -> pl.DataFrame:
    parts = [TABLES["signals"].empty().select("post_id", "kind", "n")]
    if "accepted" in frame.columns:
        parts.append(
            frame.filter(_is_true("accepted")).select(
                "post_id", pl.lit("accept").alias("kind"), pl.lit(1, pl.Int64).alias("n")
            )
        )
    if "likes" in frame.columns:
        n = pl.col("likes").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
        parts.append(frame.select("post_id", pl.lit("like").alias("kind"), n.alias("n")).filter(pl.col("n") > 0))
    return pl.concat(parts)


def _capabilities(frame: pl.DataFrame, given: Sequence[str], attributes: list[str]) -> dict[str, str]:
    has = {name: name in given for name in FIELDS}
    levels = dict.fromkeys(CAPABILITIES, "no")
    explicit = bool((frame["parent_basis"] == "explicit").any())
    threads = frame["thread_id"].n_unique() < frame.height
    levels["reply_parent"] = "yes" if explicit else "partial" if threads else "no"
    levels["threads"] = "yes" if threads else "no"
    levels["exact_times"] = _time_level(frame["created_at"]) if has["created_at"] else "no"
    yes = {
        "space": "spaces",
        "addressee": "mentions",
        "text": "text",
        "deleted_at": "deleted_posts",
        "accepted": "acceptance",
    }
    partial = {"likes": "reactions", "edited_at": "edits"}
    levels.update({capability: "yes" for name, capability in yes.items() if has[name]})
    levels.update({capability: "partial" for name, capability in partial.items() if has[name]})
    if attributes:
        levels["org_attributes"] = "partial"
    return levels


def _time_level(times: pl.Series) -> str:
    known = times.drop_nulls()
    if known.is_empty():
        return "no"
    return "partial" if (known == known.dt.truncate("1d")).all() else "yes"
