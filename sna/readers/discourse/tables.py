"""Discourse: the tables and columns we read, and the store they are gathered in.

The JSON, backup and live-database readers all fill `Tables` with text cells; `sna.readers.discourse.forum` does the
rest. Columns not named in `COLUMNS` (password hashes, IPs, tokens, raw mails) are never looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import polars as pl

from sna.formats.html import HtmlScanner, Markup, scan_markdown
from sna.readers.collect import clean_text

COLUMNS: Mapping[str, tuple[str, ...]] = {
    name: tuple(columns.split())
    for name, columns in {
        "posts": "id user_id topic_id post_number post_type reply_to_post_number created_at updated_at deleted_at "
        "user_deleted version last_version_at like_count raw cooked username category_id",
        "topics": "id title user_id category_id archetype created_at deleted_at posts_count stream_length",
        "users": "id username name email admin moderator trust_level title created_at suspended_at staged "
        "primary_group_id seen_at listed",
        "categories": "id name parent_category_id read_restricted",
        "category_groups": "category_id group_id permission_type",
        "user_emails": "user_id email primary",
        "user_profiles": "user_id location",
        "single_sign_on_records": "user_id external_id",
        "user_fields": "id name",
        "user_custom_fields": "user_id name value",
        "groups": "id name automatic",
        "group_users": "group_id user_id created_at",
        "group_histories": "group_id target_user_id action created_at",
        "user_histories": "action target_user_id previous_value new_value created_at details subject",
        "post_actions": "id post_id user_id post_action_type_id created_at deleted_at username",
        "bookmarks": "user_id post_id bookmarkable_id bookmarkable_type created_at",
        "discourse_reactions_reactions": "id post_id reaction_value reaction_users_count",
        "discourse_reactions_reaction_users": "reaction_id user_id post_id created_at",
        "quoted_posts": "post_id quoted_post_id",
        "user_actions": "action_type user_id acting_user_id target_post_id created_at",
        "discourse_solved_solved_topics": "topic_id answer_post_id accepter_user_id created_at answer_post_number "
        "accepter_username",
        "topic_custom_fields": "topic_id name value created_at",
        "post_custom_fields": "post_id name value created_at",
        "user_visits": "user_id visited_at posts_read",
        "topic_views": "topic_id user_id viewed_at",
        "post_timings": "topic_id user_id",
        "post_mentions": "post_id username",
        "own_fields": "user_id attribute value",
    }.items()
}
"""Allow-list; the names in `OWN` are ours and never asked of a database."""

OWN = frozenset(
    ("like_count", "seen_at", "listed", "stream_length", "answer_post_number", "accepter_username", "subject", "n")
)
_BATCH = 5_000
_TEXT, _WHOLE = frozenset({str, type(None)}), frozenset({int, type(None)})
_DIGESTED = (*COLUMNS["posts"], "text", "quote_topic_id", "quote_post_number")


def columns_of(table: str) -> tuple[str, ...]:
    """Columns a table has here: posts hold words and first quote in place of ``raw`` and ``cooked``."""
    return tuple(c for c in _DIGESTED if c not in ("raw", "cooked")) if table == "posts" else COLUMNS[table]


@dataclass
class Tables:
    """Rows of the allowed tables, all cells text, gathered in batches; posts are reduced to plain text at once."""

    _frames: dict[str, list[pl.DataFrame]] = field(default_factory=lambda: defaultdict(list))
    _rows: dict[str, list[Mapping[str, object]]] = field(default_factory=lambda: defaultdict(list))
    timings_read: int = 0

    def add(self, table: str, **cells: object) -> None:
        """Keep one row; numbers and booleans become the text PostgreSQL would write."""
        self.add_row(table, cells)

    def add_row(self, table: str, cells: Mapping[str, object]) -> None:
        """Keep what one row has in the columns of the table."""
        rows = self._rows[table]
        rows.append(cells)
        if len(rows) >= _BATCH:
            self._flush(table)

    def add_frame(self, table: str, frame: pl.DataFrame) -> None:
        """Keep many rows of text columns."""
        whole = _complete(frame, COLUMNS[table])
        if table == "posts":
            whole = self._digest(whole)
        if table == "post_timings":
            self.timings_read += whole.height
            whole = whole.group_by("topic_id", "user_id").agg(pl.len().cast(pl.String).alias("n"))
        self._frames[table].append(whole)

    def merge(self, table: str, key: str, *, newest: str) -> None:
        """Reduce a table to one row per key."""
        self._frames[table] = [merged_rows(self.get(table), key, newest=newest).select(columns_of(table))]

    def _flush(self, table: str) -> None:
        if rows := self._rows[table]:
            columns = [_text_column(name, [row.get(name) for row in rows]) for name in COLUMNS[table]]
            self.add_frame(table, pl.DataFrame(columns))
            rows.clear()

    def _digest(self, posts: pl.DataFrame) -> pl.DataFrame:
        scan = HtmlScanner().scan
        texts = posts.select("cooked", "raw").iter_rows()
        found = [scan(cooked) if cooked else scan_markdown(raw) for cooked, raw in texts]
        names = [
            (post, name)
            for post, markup in zip(posts["id"], found, strict=True)
            for name in markup.mentions
            if post is not None
        ]
        self._frames["post_mentions"].append(
            pl.DataFrame(names, schema=dict.fromkeys(COLUMNS["post_mentions"], pl.String), orient="row")
        )
        quotes = [_first_quote(markup, topic) for markup, topic in zip(found, posts["topic_id"], strict=True)]
        return posts.drop("raw", "cooked").with_columns(
            pl.Series("text", [markup.text for markup in found], pl.String),
            pl.Series("quote_topic_id", [quote[0] for quote in quotes], pl.String),
            pl.Series("quote_post_number", [quote[1] for quote in quotes], pl.String),
        )

    def has(self, table: str) -> bool:
        """Whether the source has any row of this table."""
        self._flush(table)
        return any(frame.height for frame in self._frames[table])

    def get(self, table: str) -> pl.DataFrame:
        """All rows of one table, each of its columns present."""
        self._flush(table)
        names = [*columns_of(table), *(["n"] if table == "post_timings" else [])]
        empty = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
        return pl.concat([empty, *(frame.select(names) for frame in self._frames[table])])


def as_text(value: object) -> str | None:
    """Cell as PostgreSQL would write it; ids stay exact; lists and objects are no cells."""
    if isinstance(value, str):
        return value if value.isascii() and "\x00" not in value else clean_text(value)
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else None
    return str(value) if isinstance(value, int) else None


def _text_column(name: str, values: list[object]) -> pl.Series:
    """`as_text` of many cells; those of one type at once."""
    kinds = set(map(type, values))
    with suppress(UnicodeEncodeError, OverflowError, TypeError):
        if kinds <= _TEXT:
            column = pl.Series(name, values, pl.String)
            return column.str.replace_all("\x00", "", literal=True)
        if kinds <= _WHOLE:
            return pl.Series(name, values, pl.Int64).cast(pl.String)
    return pl.Series(name, list(map(as_text, values)), pl.String)


def _complete(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    have = frame.columns
    return frame.select(
        pl.col(name).cast(pl.String) if name in have else pl.lit(None, pl.String).alias(name) for name in names
    )


def _first_quote(markup: Markup, topic: str | None) -> tuple[str | None, str | None]:
    return next(((t, number) for t, number in markup.quotes if t in (None, topic)), (None, None))


def is_true(column: str) -> pl.Expr:
    """PostgreSQL's, JSON's or a CSV's true."""
    return pl.col(column).str.to_lowercase().is_in(["t", "true", "1", "yes"]).fill_null(False)


def preferred_first(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """Rows that share a key in an order of their own: latest change first, then by content."""
    twice = frame[key].is_duplicated()
    if not twice.any():
        return frame
    order = ["updated_at", *(name for name in frame.columns if name != "updated_at")]
    return pl.concat([frame.filter(~twice), frame.filter(twice).sort(order, descending=True, nulls_last=True)])


def merged_rows(frame: pl.DataFrame, key: str, *, newest: str | None = None) -> pl.DataFrame:
    """One row per key: each cell the first known value, from the newest row on."""
    rest = [name for name in frame.columns if name != key]
    order = [newest, *[name for name in rest if name != newest]] if newest else rest
    ordered = frame.filter(pl.col(key).is_not_null()).sort(order, descending=True, nulls_last=True)
    return ordered.group_by(key, maintain_order=True).agg(pl.col(name).drop_nulls().first() for name in rest)
