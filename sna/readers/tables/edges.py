"""Read a ready list of ties (from, to, when): e-mail logs, chat logs, published interaction streams."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from sna.errors import ParameterError, ReadError, SchemaError
from sna.formats.csv import Dialect
from sna.formats.frames import as_text, load_frame
from sna.formats.loaded import Loaded
from sna.formats.times import check_time_format
from sna.forum import Forum
from sna.readers.collect import Collector
from sna.readers.tables.cells import pick_columns, read_times
from sna.readers.tables.guess import guess_frame
from sna.schema import CAPABILITIES, TIME
from sna.types import Frame


def read_edges(
    data: Frame | str | Path,
    *,
    source: str | int | None = None,
    target: str | int | None = None,
    at: str | int | None = None,
    space: str | int | None = None,
    message: str | int | None = None,
    time_format: str | None = None,
    timezone: str = "UTC",
    platform: str = "edges",
    sep: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    sheet: str | None = None,
) -> Forum:
    """Read a list of directed ties, one per row, as a Forum.

    Each row becomes one post by ``source`` that mentions ``target`` (basis "structured"), so
    ``sna.list_interactions(forum, kinds=("mention",))`` gives back exactly these ties, and every measure works on
    them with ``kinds=("mention",)``. There are no threads and no texts: analyses that need them say so.

    Parameters
    ----------
    data
        A path or any DataFrame; see `sna.read_table`.
    source, target, at
        Columns with who acted, toward whom and when; a name, or a position from 0. ``at`` may be left out.
    space
        Column with the channel or the kind of tie (mail, chat, answer): kept as the space of the interaction.
    message
        Column with the id of the message, when one mail to three people fills three rows: they become one post.
    time_format, timezone
        See `sna.formats.times.parse_times`.
    platform
        Name put on ``forum.source``.
    sep, encoding, header, sheet
        Dialect of a text file, found out when None; the sheet of a workbook.

    Raises
    ------
    SchemaError
        When source or target is not given or not there; the error proposes columns.
    ReadError
        When no row can be used.

    Notes
    -----
    When it misleads: without ``message`` a mail to thirty people is thirty posts, which is right for ties and wrong
    for counts of posts. A list of who was *copied* is not a list of who was addressed.

    Examples
    --------
    >>> table = pl.DataFrame({"from": ["ann", "ann"], "to": ["bob", "cat"], "time": ["2024-01-01", "2024-01-02"]})
    >>> forum = read_edges(table, source="from", target="to", at="time")
    >>> forum.posts.height, forum.mentions["person_id"].to_list()
    (2, ['bob', 'cat'])
    """
    check_time_format(time_format, timezone)
    loaded = load_frame(data, Dialect(sep, encoding, header, sheet=sheet))
    given = {"source": source, "target": target, "at": at, "space": space, "message": message}
    frame = _pick(loaded, {key: value for key, value in given.items() if value is not None})
    log = Collector(platform)
    log.log_loaded(loaded, "posts")
    if at is not None:
        frame = read_times(log, frame, name="at", time_format=time_format, timezone=timezone)
    lost = pl.col("source").is_null() | pl.col("target").is_null()
    frame = log.drop("posts", frame, lost=lost, reason="missing_value")
    if frame.is_empty():
        raise ReadError(f"{loaded.name or 'The table'} must hold ties.", got="No row has a source and a target.")
    _fill(log, _name_messages(log, frame))
    levels = dict.fromkeys(CAPABILITIES, "no") | {"mentions": "yes"}
    levels |= {name: "yes" for name, told in (("spaces", space), ("exact_times", at)) if told is not None}
    return log.forum(capabilities=levels, coverage="a list of ties", files=[loaded.name] if loaded.name else [])


def _pick(loaded: Loaded, given: Mapping[str, str | int]) -> pl.DataFrame:
    names = loaded.frame.columns
    missing = [key for key in ("source", "target") if key not in given]
    if missing:
        raise SchemaError(
            "read_edges needs the columns of source and target.",
            got=f"Missing: {', '.join(missing)}; found: {', '.join(map(repr, names))}.",
            hint=_proposal(loaded.frame),
        )
    columns = {key: loaded.frame[_named(value, names)] for key, value in given.items()}
    text = {key: as_text(cells) if key != "at" or cells.dtype == pl.String else cells for key, cells in columns.items()}
    frame = pick_columns(loaded, text)
    for name in ("at", "space", "message"):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, TIME if name == "at" else pl.String).alias(name))
    words = pl.selectors.string() - pl.selectors.starts_with("_")
    return frame.with_columns(pl.when(words != "").then(words).name.keep())


def _named(value: str | int, names: list[str]) -> str:
    if isinstance(value, int):
        if 0 <= value < len(names):
            return names[value]
        raise ParameterError(f"A column position is 0 to {len(names) - 1}.", got=f"Got {value}.")
    if value in names:
        return value
    near = get_close_matches(value, names, n=1, cutoff=0.5)
    raise SchemaError(
        f"The table has no column {value!r}.",
        got=f"Found: {', '.join(map(repr, names))}.",
        hint=f"did you mean {near[0]!r}?" if near else "give its name, or its position from 0",
    )


def _proposal(frame: pl.DataFrame) -> str:
    guesses = dict(guess_frame(frame).select("field", "column").iter_rows())
    names = frame.columns
    source = guesses.get("author", names[0])
    target = guesses.get("addressee", next((n for n in names if n != source), "..."))
    at = guesses.get("created_at", next((n for n in names[2:] if n not in (source, target)), None))
    more = f', at="{at}"' if at else ""
    return f'sna.read_edges(data, source="{source}", target="{target}"{more})'


def _name_messages(log: Collector, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows with a post_id: the message's own, or a number in order of time, source, target."""
    frame = frame.sort(["at", "source", "target", "space", "message"], nulls_last=True, maintain_order=True)
    senders = frame.group_by("message").agg(pl.col("source").n_unique().alias("n"))
    mixed = senders.filter((pl.col("n") > 1) & pl.col("message").is_not_null())["message"]
    if len(mixed):
        shared = f"{len(mixed):,} message ids have several senders; kept apart"
        log.note("posts", "id_reused", kind="repaired", file=frame["_file"][0], detail=shared)
    apart = pl.when(pl.col("message").is_in(mixed.implode())).then(pl.lit("/") + pl.col("source")).otherwise(pl.lit(""))
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(max(7, len(str(frame.height))))
    return frame.with_columns(pl.coalesce(pl.col("message") + apart, pl.lit("e") + number).alias("post_id"))


def _fill(log: Collector, rows: pl.DataFrame) -> None:
    first = rows.unique("post_id", keep="first", maintain_order=True)
    columns = {"thread_id": "post_id", "author_id": "source", "created_at": "at", "space": "space"}
    log.add_frame("posts", first.select("post_id", **columns, kind=pl.lit("root")))
    ends = pl.concat([rows["source"].alias("person_id"), rows["target"].alias("person_id")])
    log.derive_frame("people", ends.unique().sort().to_frame().with_columns(pl.col("person_id").alias("name")))
    log.add_frame("mentions", rows.select("post_id", person_id="target", basis=pl.lit("structured")))
