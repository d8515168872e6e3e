"""Messages and likes of a Viva Engage export, thousands of rows at a time."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import polars as pl

from sna.formats.csv import LINE
from sna.formats.html import html_to_text, tidy_text
from sna.formats.times import from_iso, parse_times
from sna.readers.collect import clean_text

_SPACES = "".join(filter(str.isspace, map(chr, range(sys.maxunicode))))
_USER = re.compile(r"\[\[user:(\d{1,19})(?:[:|][^\]]{0,200})?\]\]")
_TAG = re.compile(r"\[\[tag:(\d{1,19})(?:[:|][^\]]{0,200})?\]\]")
_CELLS = (
    *("id", "thread_id", "conversation_id", "replied_to_id", "parent_id", "group_id", "group_name", "message_type"),
    *("sender_id", "sender_type", "sender_name", "sender_email", "title", "body", "html_body", "created_at"),
    *("edited_at", "deleted_at"),
)
_LIKE_CELLS = (
    *("liked_by_id", "liker_id", "user_id", "liked_by", "best_reply_id", "best_reply_message_id", "message_id", "id"),
    *("marked_by_id", "marked_best_by_id", "best_reply_by_id"),
)
_LIKE_TIMES = ("liked_at", "like_created_at", "created_at", "marked_at", "best_reply_at")


def read_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells of Messages.csv, cleaned: `LINE`, text columns, times, and the two flags; what is absent is null."""
    times = ("created_at", "edited_at", "deleted_at")
    cells = frame.select(LINE, *_clean(frame, _CELLS), *_flags(frame)).with_columns(_raw_body(frame))
    said = pl.coalesce("created_at", pl.lit("")).alias("_said")
    return cells.with_columns(said).with_columns(moments(cells[name]) for name in times)


def read_like_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells of LikedMessages.csv and BestReplyMessages.csv, cleaned; ``_whole``: ``message_id`` stands there."""
    cells = frame.select(LINE, *_clean(frame, (*_LIKE_CELLS, *_LIKE_TIMES)))
    whole = frame["message_id"].is_not_null() if "message_id" in frame.columns else pl.lit(False)
    return cells.with_columns(moments(cells[name]) for name in _LIKE_TIMES).with_columns(whole.alias("_whole"))


def _clean(frame: pl.DataFrame, names: Iterable[str]) -> Iterator[pl.Expr]:
    """What `sna.readers.viva_engage.export.cell` does, for whole columns."""
    for name in names:
        bare = pl.col(name).str.strip_chars(_SPACES)
        known = (bare != "") & ((bare.str.len_bytes() != 4) | (bare.str.slice(0, 5).str.to_lowercase() != "null"))
        clean = pl.when(known).then(bare.str.replace_all("\x00", "", literal=True))
        yield (clean if name in frame.columns else pl.lit(None, pl.String)).alias(name)


def _flags(frame: pl.DataFrame) -> Iterator[pl.Expr]:
    for name in ("in_private_conversation", "in_private_group"):
        flag = pl.col(name).str.strip_chars(_SPACES).str.to_lowercase().is_in(["true", "t", "1", "yes"])
        yield (flag.fill_null(False) if name in frame.columns else pl.lit(False)).alias(name)


def _raw_body(frame: pl.DataFrame) -> pl.Series:
    """The words as they are written, where mentions are looked for."""
    empty = pl.Series("_raw", [""], pl.String).new_from_index(0, frame.height)
    body, page = (frame[name].fill_null("") if name in frame.columns else empty for name in ("body", "html_body"))
    return body.zip_with(body != "", page).alias("_raw")


def either(first: str, second: str) -> pl.Expr:
    """The first column where it says anything, else the second: Python's ``first or second``."""
    return pl.when(pl.col(first) != "").then(pl.col(first)).otherwise(pl.col(second))


def first_of(names: Iterable[str]) -> pl.Expr:
    """The first of several columns that says anything."""
    return pl.coalesce(pl.when(pl.col(name) != "").then(pl.col(name)) for name in names)


def placed(cells: pl.DataFrame) -> pl.DataFrame:
    """Messages with ``_thread`` (null: unknown), ``_parent`` and ``_root``."""
    alone = pl.when(pl.col("replied_to_id").is_null()).then("id").otherwise("parent_id")
    named = cells.with_columns(either("thread_id", "conversation_id").alias("_named"), alone.alias("_alone"))
    return (
        named.with_columns(either("_named", "_alone").alias("_thread"))
        .with_columns((pl.col("id") == pl.col("_thread")).fill_null(False).alias("_root"))
        .with_columns(pl.when(~pl.col("_root")).then(either("replied_to_id", "_thread")).alias("_parent"))
    )


def post_rows(messages: pl.DataFrame, topics: Mapping[str, str]) -> pl.DataFrame:
    """Rows of ``posts`` from placed messages."""
    parent = pl.col("_parent").is_not_null()
    basis = pl.when(~parent).then(pl.lit("none")).when(pl.col("replied_to_id") != "").then(pl.lit("explicit"))
    private = pl.when("in_private_conversation").then(pl.lit("private message")).alias("_private")
    return messages.with_columns(private).select(
        pl.col("id").alias("post_id"),
        pl.col("_thread").alias("thread_id"),
        pl.col("_parent").alias("parent_id"),
        basis.otherwise(pl.lit("root_default")).alias("parent_basis"),
        pl.col("sender_id").alias("author_id"),
        "created_at",
        either("group_id", "_private").alias("space"),
        pl.when("_root").then(pl.lit("root")).otherwise(pl.lit("reply")).alias("kind"),
        "title",
        _texts(messages, topics).alias("text"),
        "edited_at",
        "deleted_at",
    )


def _texts(messages: pl.DataFrame, topics: Mapping[str, str]) -> pl.Series:
    """Plain words: line ends as written by the export, people and topics by id and name."""
    pairs = zip(messages["body"], messages["html_body"], strict=True)
    return pl.Series("text", [plain_words(body, page, topics=topics) for body, page in pairs], pl.String)


def plain_words(body: str | None, page: str | None, *, topics: Mapping[str, str]) -> str:
    """Words of one message, from its text or else its HTML."""
    text = body.replace("\\r\\n", "\n").replace("\\n", "\n") if body else html_to_text(page)
    if "[[" in text:
        text = _TAG.sub(lambda tag: f"#{topics.get(tag[1], tag[1])}", _USER.sub(r"@\1", text))
    return tidy_text(text)


def mention_rows(messages: pl.DataFrame) -> pl.DataFrame:
    """Who is mentioned in which message, each once."""
    said = messages.filter(pl.col("_raw").str.contains("[[user:", literal=True)).select("id", "_raw")
    found = said.select(pl.col("id").alias("post_id"), pl.col("_raw").str.extract_all(_USER.pattern).alias("_said"))
    people = found.explode("_said").select(
        "post_id", pl.col("_said").str.extract(r"user:(\d{1,19})").alias("person_id")
    )
    return people.drop_nulls().unique(maintain_order=True).with_columns(pl.lit("structured").alias("basis"))


def newest(messages: pl.DataFrame, key: str, *facts: str) -> pl.DataFrame:
    """Latest ``_said`` for each combination of ``key`` and ``facts``, of rows whose key says anything."""
    return messages.filter(pl.col(key) != "").group_by(key, *facts).agg(pl.col("_said").max())


def moments(texts: pl.Series) -> pl.Series:
    """`moment` of many cells."""
    return parse_times(texts.str.replace_all("/", "-", literal=True), time_format="iso")


def cell(value: str | None) -> str | None:
    """A cell; None when empty, absent or the word null."""
    value = (value or "").strip()
    return clean_text(value) if value and value.lower() != "null" else None


def moment(value: str | None) -> datetime | None:
    """Time in the spellings of Yammer's exports, old and new.

    Examples
    --------
    >>> moment("2013/05/06 07:08:09 +0000") == moment("2013-05-06T07:08:09.000Z") == moment("2013-05-06 07:08:09 UTC")
    True
    """
    if not value:
        return None
    plain = value.replace("/", "-").removesuffix("UTC").strip()
    return from_iso(re.sub(r" ([+-]\d\d:?\d\d)$", r"\1", plain))
