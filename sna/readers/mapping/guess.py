"""Propose a mapping for an unknown export: each line with its reason, tried on the first rows, none left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from sna.errors import FormatError, SnaError
from sna.formats.container import Container, open_container
from sna.forum import Forum
from sna.readers.mapping.language import FILL_IN, parse_mapping
from sna.readers.mapping.presets import find_preset
from sna.readers.mapping.run import run_mapping
from sna.readers.mapping.sample import Sample, list_samples
from sna.readers.tables.guess import SYNONYMS, count_known, guess_frame, plain_name, time_format_of

_TARGETS = {"author": "author_id", "thread": "thread_id", "parent": "parent_id"}
_POSTS = ("post_id", "author_id", "created_at", "thread_id", "parent_id", "space", "kind", "title", "text", "edited_at")
_TYPES = {None: "time", "dmy": "date_dmy", "mdy": "date_mdy", "excel": "excel"}
_THREADS = (*SYNONYMS["thread"], "topics", "threads", "question", "questions", "discussions", "conversations")
_CANDIDATES = 8
_YES = "(?i)^(?:true|1|1.0|yes|y|t|x|accepted)$"


@dataclass(frozen=True, repr=False)
class MappingGuess:
    """A proposed mapping.

    Attributes
    ----------
    yaml
        To save, look over and use with `read_mapped`.
    guesses
        ``field, column, confidence, reasons``.
    preset
        Name of the preset that fits, if one does.
    missing
        What a person must fill in before the mapping can be used, in words.
    tested
        What the first rows give when read with it, in words.
    """

    yaml: str
    guesses: pl.DataFrame
    preset: str | None = None
    missing: tuple[str, ...] = ()
    tested: tuple[str, ...] = ()

    @property
    def mapping(self) -> dict[str, Any]:
        """The mapping as `read_mapped` takes it.

        Raises
        ------
        SchemaError
            While something is missing.
        """
        return parse_mapping(self.yaml, "the guess")

    def __str__(self) -> str:
        return self.yaml

    def __repr__(self) -> str:
        return self.yaml


def guess_mapping(path: str | Path) -> MappingGuess:
    """Propose a mapping for an unknown export and try it on the first rows.

    Parameters
    ----------
    path
        A file, folder or archive of CSV, JSON, JSONL, XML, Parquet or workbooks. Of files with like columns all are
        mapped; what is not mapped is listed.

    Returns
    -------
    MappingGuess
        ``str(guess)`` is YAML to save, look over and use with `read_mapped`. When a preset fits, it names that.

    Raises
    ------
    ReadError
        Missing, empty or damaged file.
    FormatError
        No table of posts in it.

    Notes
    -----
    When it misleads: the first 5,000 rows are looked at. What is rare in them, or differs later, is not seen.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> rows = ("user,posted,topic,message", "ann,2024-01-01 10:00,5,Hello", "bob,2024-01-02 10:00,5,Hi")
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "posts.csv"
    ...     n_characters = path.write_text(chr(10).join(rows))
    ...     guess = guess_mapping(path)
    >>> guess.guesses.select("field", "column").rows()
    [('created_at', 'posted'), ('author', 'user'), ('thread', 'topic'), ('text', 'message')]
    >>> guess.tested[0]
    'all 2 rows give 2 posts by 2 people, 2024-01-01 to 2024-01-02'
    """
    with open_container(path) as container:
        preset = find_preset(container)
        if preset:
            name, reason = preset
            return MappingGuess(
                f"# {reason}\n# read it with: sna.read_mapped(path, {name!r})\n", guess_frame(pl.DataFrame()), name
            )
        samples = list_samples(container)
        chosen = _best(samples, container)
        draft = _Draft(chosen, tuple(name for name in container.names if name not in {s.member for s in chosen}))
        return _tried(container, draft)


def _best(samples: Sequence[Sample], container: Container) -> list[Sample]:
    """The tables of posts: the one that looks most like posts, and those with the same columns."""
    kinds = {(sample.items, frozenset(sample.columns)): sample for sample in reversed(samples)}
    known = sorted(kinds.values(), key=lambda sample: (count_known(sample.columns), sample.frame.height), reverse=True)
    scored = [(_likeness(sample), -number, sample) for number, sample in enumerate(known[:_CANDIDATES])]
    if not scored or max(scored)[0] <= 0:
        suffixes = sorted({PurePosixPath(name).suffix or name for name in container.names})
        seen = "; ".join(f"{s.member}: {', '.join(s.columns[:8])}" for s in samples[:3])
        raise FormatError(
            f"{container.path.name} must hold a table of posts: rows with a person and a time or a text.",
            got=f"Found {', '.join(suffixes[:8])} files" + (f" with {seen}." if seen else " without columns."),
            hint="export the posts as CSV, JSON, XML, Parquet or a workbook; a list of ties is read with --edges",
        )
    best = max(scored)[2]
    alike = [s for s in samples if set(s.columns) == set(best.columns) and s.items == best.items]
    return alike if best in alike else [best]


def _likeness(sample: Sample) -> float:
    guesses = dict(guess_frame(sample.frame.drop("_file", "_at")).select("field", "confidence").iter_rows())
    if not {"created_at", "text"} & set(guesses):
        return 0.0
    return sum(guesses.values()) + ("author" in guesses) + min(sample.frame.height, 100) / 100


@dataclass(frozen=True)
class _Draft:
    """The tables that are mapped, and the files that are not."""

    samples: list[Sample]
    others: tuple[str, ...]

    @property
    def rows(self) -> pl.DataFrame:
        return pl.concat([sample.frame for sample in self.samples], how="diagonal")

    @property
    def patterns(self) -> list[str]:
        """The file, or one pattern that fits all mapped files and no other, or else each file."""
        names = sorted({PurePosixPath(sample.member).name for sample in self.samples})
        if len(names) == 1:
            return names
        start = "".join(step[0] for step in takewhile(lambda step: len(set(step)) == 1, zip(*names, strict=False)))
        suffix = PurePosixPath(names[0]).suffix
        for pattern in (f"*{suffix}", f"{start}*{suffix}"):
            others = [PurePosixPath(name).name.lower() for name in self.others]
            if all(fnmatch(name, pattern) for name in names) and not any(fnmatch(o, pattern.lower()) for o in others):
                return [pattern]
        return names

    @property
    def loaded(self) -> dict[tuple[str, str], pl.DataFrame]:
        """The samples as `run_mapping` wants them: by pattern and path of the list."""
        parts = {pattern: [s.frame for s in self.samples if fnmatch(s.member.split("/")[-1], pattern)]
                 for pattern in self.patterns}  # fmt: skip
        items = self.samples[0].items
        return {(f"file {pattern}", items): pl.concat(frames, how="diagonal") for pattern, frames in parts.items()}

    @property
    def origins(self) -> list[str]:
        """The ``from`` of each rule."""
        items = f", items: {_quoted(self.samples[0].items)}" if self.samples[0].items else ""
        return [f"  - from: {{file: {_quoted(pattern)}{items}}}" for pattern in self.patterns]


def _tried(container: Container, draft: _Draft) -> MappingGuess:
    rows = draft.rows
    guesses = guess_frame(rows.drop("_file", "_at"))
    body, missing = _as_yaml(guesses, rows, draft)
    tested: tuple[str, ...] = ()
    if not missing:
        try:
            data = parse_mapping(body, "guess")
            forum = run_mapping(container, data, include_private=True, loaded=draft.loaded)
            tested = _told(forum, rows.height, whole=all(sample.whole for sample in draft.samples))
        except SnaError as error:
            missing = (f"it cannot be read as it is: {error}",)
    head = [f"Tested: {line}." for line in tested] + [f"MISSING: {line}." for line in missing] + _files_told(draft)
    head += _columns_told(guesses, rows)
    if {"author", "addressee"} <= set(guesses["field"]) and "text" not in set(guesses["field"]):
        head.append(
            "It looks like a list of ties (from, to, when); such a list is read with --edges or sna.read_edges."
        )
    lines = ["# A guess: check every line.", *(f"# {_one_line(line)}" for line in head)]
    return MappingGuess("\n".join(lines) + "\n" + body, guesses, None, missing, tested)


def _columns_told(guesses: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Columns the mapping does not use; facts of people are among them, which belong to a list of people."""
    about = guesses.filter(pl.col("field").str.starts_with("attributes."))["column"].to_list()
    used = [column for column in guesses["column"] if column not in about]
    left = [name for name in rows.columns if name not in used and name not in ("_file", "_at")]
    told = [f"Columns not used: {_some(left)}."] if left else []
    return told + ([f"Facts of people ({_some(about)}) are read from a list of people: --org."] if about else [])


def _files_told(draft: _Draft) -> list[str]:
    members = sorted({sample.member for sample in draft.samples})
    if len(members) == 1 and not draft.others:
        return []
    told = [f"Read: {len(members)} of {len(members) + len(draft.others)} files ({_some(members)})."]
    return told + ([f"Not read: {_some(draft.others)}."] if draft.others else [])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def _told(forum: Forum, n_rows: int, *, whole: bool) -> tuple[str, ...]:
    """What the rows gave, in sentences."""
    posts, lost = forum.posts, forum.issues.filter(pl.col("table") == "posts")
    when = "" if forum.period is None else f", {forum.period[0]:%Y-%m-%d} to {forum.period[1]:%Y-%m-%d}"
    people = posts["author_id"].drop_nulls().n_unique()
    which = f"all {n_rows:,} rows" if whole else f"the first {n_rows:,} rows"
    told = [f"{which} give {posts.height:,} posts by {people:,} people{when}"]
    sizes = posts.group_by("thread_id").len()["len"]
    told.append(f"{len(sizes):,} threads, {int((sizes > 1).sum()):,} of them with a reply")
    gone = lost.filter(pl.col("reason").is_in(["parent_missing", "parent_in_other_thread", "parent_cycle"])).height
    named = posts.filter(pl.col("parent_basis") == "explicit").height + gone
    if named:
        told.append(f"{named - gone:,} of {named:,} replies find the post they answer ({(named - gone) / named:.0%})")
    else:
        told.append("no reply names the post it answers: it counts as an answer to the first post of its thread")
    bad = lost.filter(pl.col("kind") == "rejected").group_by("reason").agg(pl.col("n").sum()).sort("reason").rows()
    told += [f"{n:,} rows are not used: {reason}" for reason, n in bad]
    return tuple(told)


def _as_yaml(guesses: pl.DataFrame, rows: pl.DataFrame, draft: _Draft) -> tuple[str, tuple[str, ...]]:
    """The guess as YAML, every line with its reason, and what must be filled in."""
    found = {_TARGETS.get(f, f): (c, f"{_one_line(why)} ({n:.2f})") for f, c, n, why in guesses.iter_rows()}
    around = draft.samples[0].items.split(".")[-2:-1]
    if "thread_id" not in found and around and "^id" in rows.columns and plain_name(around[0]) in _THREADS:
        found["thread_id"] = ("^id", f"the id of the {_one_line(around[0])} around it")
    missing, lines = [], []
    for target in _POSTS:
        if target in found:
            line, lack = _column_line(target, *found[target], rows=rows)
            lines.append(line)
            missing += [lack] if lack else []
        elif target == "post_id":
            lines.append("      post_id: {made: true}  # made: no column left is short and new in every row")
        elif target == "author_id":
            left = [name for name in rows.columns if name not in {c for c, _ in found.values()} | {"_file", "_at"}]
            choice = _one_line(", ".join(left[:8])) or "no column is left"
            lines.append(f"      author_id: {FILL_IN}  # who wrote it? one of: {choice}")
            missing.append("author_id: no column looks like a person")
        elif target in ("created_at", "thread_id"):
            lines.append(f"      # {target}: no column was found; {_WITHOUT[target]}")
    body = ["name: my_forum", "settings:", "  replies: root_default", "posts:"]
    for origin in draft.origins:
        body += [origin, "    columns:", *lines]
    body += _signal_lines(found, draft.origins) if "post_id" in found else []
    body += ["capabilities:", *(f"  {name}: {grade}" for name, grade in _grades(set(found)).items())]
    return "\n".join(body) + "\n", tuple(missing)


_WITHOUT = {
    "created_at": "nothing can be said about time",
    "thread_id": "threads follow from parents, or each post is its own",
}


def _column_line(target: str, column: str, why: str, *, rows: pl.DataFrame) -> tuple[str, str]:
    """One line of the mapping, and what is missing in it."""
    if target not in ("created_at", "edited_at"):
        return f"      {target}: {_quoted(column)}  # {why}", ""
    written = time_format_of(rows[column])
    if written == "ambiguous":
        spec = f"{{col: {_quoted(column)}, type: {FILL_IN}}}"
        lack = f"{target}: {column} can be day or month first: type: date_dmy or date_mdy"
        return f"      {target}: {spec}  # date_dmy or date_mdy? {why}", lack
    return f"      {target}: {{col: {_quoted(column)}, type: {_TYPES.get(written, written)}}}  # {why}", ""


def _signal_lines(found: Mapping[str, tuple[str, str]], origins: Sequence[str]) -> list[str]:
    rules = {"accepted": (_YES, "kind: {const: accept}"), "likes": ("^[1-9]", "kind: {const: like}, n: ")}
    lines = []
    for target, (pattern, columns) in rules.items():
        for origin in origins if target in found else ():
            column, why = found[target]
            more = columns + (_quoted(column) if target == "likes" else "")
            lines += [origin, f"    where: {{{_quoted(column)}: {{matches: '{pattern}'}}}}  # {why}"]
            lines.append(f"    columns: {{post_id: {_quoted(found['post_id'][0])}, {more}}}")
    return ["signals:", *lines] if lines else []


def _one_line(text: str) -> str:
    """Text that stays within its comment, whatever a header holds."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _grades(found: set[str]) -> dict[str, str]:
    needs = {"threads": ("thread_id", "parent_id"), "spaces": ("space",), "text": ("text",)}
    needs |= {"exact_times": ("created_at",), "acceptance": ("accepted",)}
    grades: dict[str, Any] = {name: "yes" for name, columns in needs.items() if found & set(columns)}
    if "likes" in found:
        grades["reactions"] = "partial"
    if "parent_id" in found or "thread_id" in found:
        grades["reply_parent"] = "yes" if "parent_id" in found else "partial"
    return grades
