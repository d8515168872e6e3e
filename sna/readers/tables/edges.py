"""Read a ready list of ties (from, to, when): e-mail logs, chat logs, published interaction streams."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import polars as pl

from sna.errors import ParameterError, ReadError, SchemaError
from sna.formats.frames import Loaded, as_text, issue_rows, load_frame
from sna.formats.times import check_time_format, parse_times
from sna.forum import Forum, Source, build_forum, make_issues
from sna.readers.tables.guess import guess_frame
from sna.schema import CAPABILITIES, ISSUES, TABLES, TIME


def read_edges(
    data: object,
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
    sep, encoding, header
        Dialect of a text file, found out when None.

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
    loaded = load_frame(data, sep=sep, encoding=encoding, header=header)
    given = {"source": source, "target": target, "at": at, "space": space, "message": message}
    frame = _pick(loaded, {key: value for key, value in given.items() if value is not None})
    issues = list(loaded.issues)
    frame = _with_times(frame, loaded, issues, time_format=time_format, timezone=timezone)
    frame = _drop_incomplete(frame, loaded, issues)
    posts = _name_messages(frame, issues, loaded)
    return _build(posts, loaded, issues, platform, has_time=at is not None, has_space=space is not None)


def _pick(loaded: Loaded, given: Mapping[str, str | int]) -> pl.DataFrame:
    names = loaded.frame.columns
    missing = [key for key in ("source", "target") if key not in given]
    if missing:
        raise SchemaError(
            "read_edges needs the columns of source and target.",
            got=f"Missing: {', '.join(missing)}; found: {', '.join(map(repr, names))}.",
            hint=_proposal(loaded.frame),
        )
    chosen = {key: _named(value, names) for key, value in given.items()}
    columns = [loaded.frame[name].alias(key) for key, name in chosen.items()]
    place = "line " if loaded.lines is not None else "row "
    number = loaded.lines if loaded.lines is not None else pl.int_range(1, loaded.frame.height + 1, eager=True)
    frame = pl.DataFrame([number.alias("position"), *columns]).with_columns(pl.lit(place).alias("place"))
    ids = [as_text(frame[key]).alias(key) for key in chosen if key != "at"]
    frame = frame.with_columns(ids)
    return frame.with_columns(pl.when(pl.col(c.name) != "").then(pl.col(c.name)).alias(c.name) for c in ids)


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


def _with_times(
    frame: pl.DataFrame, loaded: Loaded, issues: list[pl.DataFrame], *, time_format: str | None, timezone: str
) -> pl.DataFrame:
    if "at" not in frame.columns:
        return frame.with_columns(pl.lit(None, TIME).alias("at"))
    raw = frame["at"]
    raw = raw if raw.dtype != pl.String else raw.set(raw == "", None)
    times = parse_times(raw, time_format=time_format, timezone=timezone)
    bad = times.is_null() & raw.is_not_null()
    if len(bad) and bad.all():
        raise SchemaError(
            "The column for at must hold times.", got=f"The first is {raw[0]!r}.", hint='time_format="%d.%m.%Y %H:%M"'
        )
    if bad.any():
        lost = frame.filter(bad).select(_position(), pl.col("at").cast(pl.String).alias("detail"))
        issues.append(issue_rows(lost, table="posts", reason="bad_time", kind="repaired", file=loaded.name))
    return frame.with_columns(times.alias("at"))


def _position() -> pl.Expr:
    return (pl.col("place") + pl.col("position").cast(pl.String)).alias("position")


def _drop_incomplete(frame: pl.DataFrame, loaded: Loaded, issues: list[pl.DataFrame]) -> pl.DataFrame:
    whole = pl.col("source").is_not_null() & pl.col("target").is_not_null()
    lost = frame.filter(~whole)
    if lost.height:
        issues.append(
            issue_rows(
                lost.select(_position()), table="posts", reason="missing_value", kind="rejected", file=loaded.name
            )
        )
    if lost.height == frame.height:
        raise ReadError(f"{loaded.name or 'The table'} must hold ties.", got="No row has a source and a target.")
    return frame.filter(whole)


def _name_messages(frame: pl.DataFrame, issues: list[pl.DataFrame], loaded: Loaded) -> pl.DataFrame:
    """Rows with a post_id: the message's own, or a number in order of time, source, target."""
    order = [name for name in ("at", "source", "target", "space", "message") if name in frame.columns]
    frame = frame.sort(order, nulls_last=True, maintain_order=True)
    if "message" not in frame.columns:
        width = max(7, len(str(frame.height)))
        number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(width)
        return frame.with_columns((pl.lit("e") + number).alias("post_id"))
    senders = frame.group_by("message").agg(pl.col("source").n_unique().alias("n"))
    mixed = senders.filter((pl.col("n") > 1) & pl.col("message").is_not_null())
    if mixed.height:
        shared = f"{mixed.height:,} message ids have several senders; kept apart"
        issues.append(make_issues("posts", "id_reused", kind="repaired", file=loaded.name, detail=shared))
    apart = pl.col("message").is_in(mixed["message"].implode())
    named = pl.when(apart).then(pl.col("message") + "/" + pl.col("source")).otherwise(pl.col("message"))
    spare = pl.lit("e") + pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(7)
    return frame.with_columns(pl.coalesce(named, spare).alias("post_id"))


def _build(
    rows: pl.DataFrame, loaded: Loaded, issues: list[pl.DataFrame], platform: str, *, has_time: bool, has_space: bool
) -> Forum:
    first = rows.unique("post_id", keep="first", maintain_order=True)
    posts = first.select(
        "post_id",
        pl.col("post_id").alias("thread_id"),
        pl.col("source").alias("author_id"),
        pl.col("at").alias("created_at"),
        (pl.col("space") if has_space else pl.lit(None, pl.String)).alias("space"),
        pl.lit("root").alias("kind"),
    )
    ends = pl.concat([rows["source"].alias("person_id"), rows["target"].alias("person_id")])
    people = ends.unique().sort().to_frame().with_columns(pl.col("person_id").alias("name"))
    mentions = rows.select("post_id", pl.col("target").alias("person_id"), pl.lit("structured").alias("basis"))
    n_lost = loaded.n_read - rows.height
    levels = dict.fromkeys(CAPABILITIES, "no") | {"mentions": "yes"}
    levels["spaces"] = "yes" if has_space else "no"
    levels["exact_times"] = "yes" if has_time else "no"
    return build_forum(
        posts=posts,
        people=people,
        mentions=mentions,
        source=Source(
            platform,
            coverage="a list of ties",
            capabilities=levels,
            rows_read={**dict.fromkeys(TABLES, 0), "posts": posts.height + n_lost, "mentions": rows.height},
            files=(loaded.name,) if loaded.name else (),
        ),
        issues=pl.concat([ISSUES.empty(), *issues]),
    )
