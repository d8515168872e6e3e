"""Pseudonyms, opting out, and text that is safe to show or to open in a spreadsheet.

None of this makes data anonymous: pseudonyms are still personal data, and who talks to whom can identify people.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from sna.admit import make_issues
from sna.errors import ParameterError
from sna.formats.files import write_whole
from sna.forum import Forum, build_forum
from sna.people.masking import Masker, build_masker, mask_column, sample_texts
from sna.schema import TABLES
from sna.types import Frame, as_polars

_KEY_BYTES = 16
_DIGITS = 12
_BREAKS = ("\u2028", "\u2029")
_JOINER, _NON_JOINER = "\u200d", "\u200c"
"""Kept where they shape what is seen: between parts of an emoji, and after a letter of a script without capitals."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")
_BEFORE_FORMULA = "; ,'\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
"""What a spreadsheet skips, or splits cells at in some locale, before it looks for a formula."""
_PERSON_COLUMNS = (
    ("people", "person_id"),
    ("roles", "person_id"),
    ("posts", "author_id"),
    ("mentions", "person_id"),
    ("signals", "person_id"),
    ("events", "person_id"),
    ("memberships", "person_id"),
)


def pseudonymise(forum: Forum, *, key: bytes | str, keep_text: bool = False) -> Forum:
    """Replace every person by a keyed pseudonym, the same one for the same id and key.

    Parameters
    ----------
    forum
        Left as it is.
    key
        At least 16 bytes, kept by the analyst and never written anywhere. Two exports with the same key can be
        joined; without it nobody can recompute a pseudonym from an id.
    keep_text
        Keep the text of posts. Off by default, because people are named in it.

    Returns
    -------
    Forum
        Ids and names replaced in every table, managers included; e-mail addresses, and positions and details of
        issues, removed. In titles, names of spaces and texts kept, known names, ids and addresses are replaced too.

    Raises
    ------
    ParameterError
        When the key is too short.

    Notes
    -----
    Pseudonym = first 12 hex digits of HMAC-SHA256(key, person_id). When it misleads: this is pseudonymisation in the
    sense of GDPR Art. 4(5), not anonymisation. Nicknames and misspelt names in titles stay; so do ids of posts and
    threads, by which those who hold the export can look up the evidence.

    Examples
    --------
    >>> people = pl.DataFrame({"person_id": ["a"], "name": ["Ann"]})
    >>> pseudonymise(build_forum(people=people), key=b"0123456789abcdef").people["name"].to_list()
    ['person-0c806ca38a87']
    """
    secret = key.encode() if isinstance(key, str) else key
    if len(secret) < _KEY_BYTES:
        raise ParameterError(
            f"The key needs at least {_KEY_BYTES} bytes.",
            got=f"Got {len(secret)}.",
            hint="secrets.token_bytes(32) makes one",
        )
    ids = _person_ids(forum)
    new = _pseudonyms(ids, dict(forum.people.select("person_id", "kind").iter_rows()), secret)
    tables = {name: getattr(forum, name) for name in TABLES}
    for table, column in _PERSON_COLUMNS:
        tables[table] = tables[table].with_columns(pl.col(column).replace_strict(new, default=None))
    manager = pl.col("value").replace_strict(new, default=None, return_dtype=pl.String)
    tables["roles"] = tables["roles"].with_columns(
        pl.when(pl.col("attribute") == "manager").then(manager).otherwise(pl.col("value")).alias("value")
    )
    tables["people"] = tables["people"].with_columns(name=pl.col("person_id"), email=pl.lit(None, pl.String))
    tables["events"] = tables["events"].with_columns(pl.col("object").replace(new))
    tables["campaigns"] = tables["campaigns"].with_columns(pl.col("audience").replace(new))
    masked = _mask_names(tables, _build_masker(forum, new), keep_text=keep_text)
    warned = pl.when(pl.col("kind") == "warning").then(pl.col("detail")).otherwise(pl.lit(""))  # counts, no names
    issues = forum.issues.with_columns(pl.lit("").alias("position"), warned.alias("detail"))
    return build_forum(**masked, source=forum.source, issues=issues)


def _person_ids(forum: Forum) -> list[str]:
    """Everybody in people, and managers who are not."""
    managers = forum.roles.filter(pl.col("attribute") == "manager")["value"].alias("person_id")
    return pl.concat([forum.people["person_id"], managers]).unique().sort().to_list()


def _pseudonyms(ids: Sequence[str], kinds: Mapping[str, str], key: bytes) -> dict[str, str]:
    """Pseudonym by id; longer ones in the (very rare) case that two would be equal."""
    digests = {person: hmac.new(key, person.encode("utf-8", "surrogatepass"), "sha256").hexdigest() for person in ids}
    digits = _DIGITS
    while len({digest[:digits] for digest in digests.values()}) < len(digests):
        digits += 4
    prefix = {"human": "person", "bot": "bot", "system": "system"}
    return {p: f"{prefix[kinds.get(p, 'human')]}-{digest[:digits]}" for p, digest in digests.items()}


def _build_masker(forum: Forum, new: Mapping[str, str]) -> Masker:
    """Knows the names, addresses and account names of people; a bot called "system" is no secret."""
    names: dict[str, str] = {}
    handles: dict[str, str] = {}
    humans = forum.people.filter(pl.col("kind") == "human").sort("person_id")
    for person, name, email in humans.select("person_id", "name", "email").iter_rows():
        if name:
            (handles if name == person else names).setdefault(name, new[person])
        for handle in (person, email):
            if handle:
                handles.setdefault(handle, new[person])
    return build_masker(names, handles=handles, texts=sample_texts(forum.posts))


def _mask_names(tables: Mapping[str, pl.DataFrame], masker: Masker, *, keep_text: bool) -> dict[str, pl.DataFrame]:
    """Replace names of people in titles, texts, and names of spaces, groups and campaigns."""
    changed = dict(tables)
    text = mask_column("text", masker) if keep_text else pl.lit(None, pl.String).alias("text")
    changed["posts"] = tables["posts"].with_columns(mask_column("title", masker), mask_column("space", masker), text)
    changed["memberships"] = tables["memberships"].with_columns(mask_column("space", masker))
    changed["campaigns"] = tables["campaigns"].with_columns(mask_column("name", masker))
    value = pl.when(pl.col("attribute") == "manager").then(pl.col("value")).otherwise(mask_column("value", masker))
    changed["roles"] = tables["roles"].with_columns(value.alias("value"))
    return changed


def without_opted_out(forum: Forum) -> Forum:
    """The forum without the people who opted out; threads stay whole.

    Returns
    -------
    Forum
        Their rows in people, roles, mentions, events and memberships are gone, also where they are somebody's
        manager; their posts stay without author, title and text; their signals stay without a person. One issue says
        how many people.

    Notes
    -----
    When it misleads: reply chains still show that somebody was there. Counts of people are lower than the staff.

    Examples
    --------
    >>> people = pl.DataFrame({"person_id": ["a", "b"], "opt_out": [True, False]})
    >>> without_opted_out(build_forum(people=people)).people["person_id"].to_list()
    ['b']
    """
    gone = forum.people.filter("opt_out")["person_id"]
    if gone.is_empty():
        return forum
    tables = {name: getattr(forum, name) for name in TABLES}
    away = gone.implode()
    for name in ("people", "roles", "mentions", "events", "memberships"):
        tables[name] = tables[name].filter(~pl.col("person_id").is_in(away))
    as_manager = (pl.col("attribute") == "manager") & pl.col("value").is_in(away)
    tables["roles"] = tables["roles"].filter(~as_manager)
    mine = pl.col("author_id").is_in(away).fill_null(value=False)
    tables["posts"] = tables["posts"].with_columns(
        pl.when(~mine).then(pl.col(name)).alias(name) for name in ("author_id", "title", "text")
    )
    fan = pl.col("person_id").is_in(away).fill_null(value=False)
    tables["signals"] = tables["signals"].with_columns(pl.when(~fan).then(pl.col("person_id")).alias("person_id"))
    note = make_issues("people", "opted_out", kind="note", n=len(gone))
    return build_forum(**tables, source=forum.source, issues=pl.concat([forum.issues, note]))


def drop_opted_out(forum: Forum, frame: pl.DataFrame, *, person: str = "person_id") -> pl.DataFrame:
    """Rows of a person-level table without those of people who opted out; order is kept.

    Examples
    --------
    >>> forum = build_forum(people=pl.DataFrame({"person_id": ["a", "b"], "opt_out": [True, False]}))
    >>> drop_opted_out(forum, pl.DataFrame({"person_id": ["a", "b"], "n": [1, 2]})).rows()
    [('b', 2)]
    """
    away = forum.people.filter("opt_out")["person_id"].implode()
    return frame.filter(~pl.col(person).is_in(away).fill_null(value=False))


def clean_label(text: str, *, max_length: int = 80) -> str:
    r"""Text from an export that is safe to show: one line, no control, surrogate or direction-changing characters.

    Parameters
    ----------
    text
        Anything a user of the forum could have typed. Escape it for HTML as well.
    max_length
        Longer labels end in an ellipsis.

    Examples
    --------
    >>> clean_label("Ann\u202e gnp.exe\x00\n(IT)")
    'Ann gnp.exe (IT)'
    """
    kept = "".join(
        " " if c.isspace() else c
        for before, c in zip(" " + text, text, strict=False)
        if c.isspace() or not _is_unsafe(c) or _shapes(before, c)
    )
    line = " ".join(kept.split())
    return line if len(line) <= max_length else line[: max_length - 1].rstrip() + "\u2026"


def _is_unsafe(character: str) -> bool:
    return character in _BREAKS or unicodedata.category(character) in ("Cc", "Cf", "Cs")


def _shapes(before: str, character: str) -> bool:
    """Whether a joiner is part of an emoji or of a word, not hidden in one."""
    if character == _JOINER:
        return unicodedata.category(before) in ("So", "Sk") or before == "\ufe0f"
    return character == _NON_JOINER and unicodedata.category(before) == "Lo"


def write_csv_safely(frame: Frame, path: str | Path) -> Path:
    r"""Write a CSV that a spreadsheet cannot mistake for formulas.

    Text (and column names) starting with ``= + - @ | %``, a tab or a line break, also behind blanks, semicolons or
    commas, gets a leading apostrophe and every text is quoted; control and direction-changing characters are removed.
    Numbers are not text and stay as they are. The file is replaced in one step: when writing fails, the old one stays.

    Returns
    -------
    Path
        Where it was written, in UTF-8.

    Raises
    ------
    ReadError
        When the file cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = write_csv_safely(pl.DataFrame({"name": ["=1+1", "Ann"], "n": [1, 2]}), Path(folder) / "people.csv")
    ...     path.read_text().splitlines()
    ['"name","n"', '"\'=1+1",1', '"Ann",2']
    """
    target, frame = Path(path), as_polars(frame)
    safe = frame.with_columns(
        pl.col(name).cast(pl.String).map_elements(_neutralise, return_dtype=pl.String)
        for name, dtype in frame.schema.items()
        if dtype in (pl.String, pl.Categorical, pl.Enum)
    ).rename({name: _neutralise(name) for name in frame.columns})
    return write_whole(target, safe.write_csv(quote_style="non_numeric").encode())


def _neutralise(text: str) -> str:
    kept = "".join(c for c in text if c in "\n\t" or not _is_unsafe(c))
    return f"'{kept}" if kept.lstrip(_BEFORE_FORMULA).startswith(_FORMULA) else kept
