"""Who was active, when and how much; and what each person could have seen. Silent people are rows, with zeros."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sna.errors import ParameterError
from sna.forum import Forum, join_attribute
from sna.people.listed import listed_people
from sna.schema import TIME
from sna.talk.openers import list_openers
from sna.talk.threads import MISSING
from sna.talk.windows import WEEK, cut_window, merge_spells
from sna.types import Moment

_SPACES = ("auto", "memberships", "posted")


def person_activity(forum: Forum, *, since: Moment = None, until: Moment = None, bots: bool = False) -> pl.DataFrame:
    """Activity of each person, silent people included.

    Parameters
    ----------
    forum
        People who opted out are not listed.
    since, until
        Posts with ``since <= created_at < until``.
    bots
        List bots and system accounts too.

    Returns
    -------
    DataFrame
        ``person_id, n_posts, n_threads, n_started, n_answers, n_days_active, n_weeks_active, days_active_per_week,
        first_at, last_at``, sorted by id. ``n_answers`` counts answers and replies in threads begun by somebody else;
        ``days_active_per_week`` is over the person's active weeks (null for the silent). Weeks start on Monday, UTC.

    Notes
    -----
    When it misleads: volume is not help. See `sna.find_champions` for rates against opportunity.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> table = person_activity(load_example())
    >>> table.height, (table["n_posts"] == 0).sum()
    (319, 82)
    """
    posts = cut_window(human_posts(forum, bots=bots), since=since, until=until)
    opens = pl.col("post_id") == pl.col("opener_id")
    posts = posts.join(list_openers(forum).select("thread_id", "asker_id", opener_id="post_id"), on="thread_id")
    posts = posts.with_columns(opens.fill_null(value=False).alias("_opens"))
    helps = pl.col("kind").is_in(["answer", "reply"]) & (pl.col("author_id") != pl.col("asker_id")).fill_null(
        ~pl.col("_opens")
    )
    day = pl.col("at").dt.truncate("1d")
    table = posts.group_by(pl.col("author_id").alias("person_id")).agg(
        pl.len().alias("n_posts"),
        pl.col("thread_id").n_unique().alias("n_threads"),
        pl.col("_opens").sum().alias("n_started"),
        helps.sum().alias("n_answers"),
        day.n_unique().alias("n_days_active"),
        pl.col("at").dt.truncate(WEEK).n_unique().alias("n_weeks_active"),
        pl.col("at").min().alias("first_at"),
        pl.col("at").max().alias("last_at"),
    )
    people = listed_people(forum, bots=bots)
    counts = [name for name in table.columns if name.startswith("n_")]
    joined = people.join(table, on="person_id", how="left").with_columns(
        pl.col(counts).cast(pl.Int64).fill_null(0),
        (pl.col("n_days_active") / pl.col("n_weeks_active")).alias("days_active_per_week"),
    )
    order = ["person_id", *counts, "days_active_per_week", "first_at", "last_at"]
    return joined.select(order).sort("person_id")


def human_posts(forum: Forum, *, bots: bool = False) -> pl.DataFrame:
    """Dated posts with a known author: ``post_id, thread_id, author_id, at, space, kind``, in order of time."""
    kinds = forum.people.select(pl.col("person_id").alias("author_id"), pl.col("kind").alias("_kind"))
    return (
        forum.posts.filter(pl.col("author_id").is_not_null() & pl.col("created_at").is_not_null())
        .join(kinds, on="author_id", how="left")
        .filter((pl.col("_kind") == "human") | pl.lit(bots))
        .sort("created_at", "post_id")
        .select("post_id", "thread_id", "author_id", pl.col("created_at").alias("at"), "space", "kind")
    )


def weekly_activity(
    forum: Forum, *, by: str | None = None, since: Moment = None, until: Moment = None, bots: bool = False
) -> pl.DataFrame:
    """Posts, people and threads per week, by an attribute as of each post if asked.

    Parameters
    ----------
    forum, since, until, bots
        As in `person_activity`.
    by
        An attribute of people, or "space"; None for the whole forum.

    Returns
    -------
    DataFrame
        ``week`` (its Monday), ``group, n_posts, n_people, n_threads, is_complete``, sorted; weeks without a post in a
        group are there, with zeros. People whose attribute is unknown are the group "(missing)". A week is incomplete
        when the export ends within it: it is no fall.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> weekly_activity(load_example()).select(pl.len(), pl.col("is_complete").sum()).row(0)
    (78, 77)
    """
    posts = cut_window(human_posts(forum, bots=bots), since=since, until=until)
    if by is None:
        posts = posts.with_columns(pl.lit("everybody").alias("group"))
    elif by == "space":
        posts = posts.with_columns(pl.col("space").fill_null(MISSING).alias("group"))
    else:
        posts = join_attribute(forum, posts, by=by, person="author_id", at="at", into="group")
        posts = posts.with_columns(pl.col("group").fill_null(MISSING))
    table = posts.group_by(pl.col("at").dt.truncate(WEEK).alias("week"), "group").agg(
        pl.len().cast(pl.Int64).alias("n_posts"),
        pl.col("author_id").n_unique().cast(pl.Int64).alias("n_people"),
        pl.col("thread_id").n_unique().cast(pl.Int64).alias("n_threads"),
    )
    grid = list_weeks(forum, posts["at"]).join(table.select("group").unique(), how="cross")
    return (
        grid.join(table, on=["week", "group"], how="left")
        .with_columns(pl.col("n_posts", "n_people", "n_threads").fill_null(0))
        .select("week", "group", "n_posts", "n_people", "n_threads", "is_complete")
        .sort("week", "group")
    )


def list_weeks(forum: Forum, times: pl.Series) -> pl.DataFrame:
    """Every week from the first to the last of ``times``: ``week`` (its Monday) and ``is_complete``."""
    first, last = times.min(), times.max()
    if first is None:
        return pl.DataFrame(schema={"week": TIME, "is_complete": pl.Boolean})
    weeks = pl.select(
        pl.datetime_range(
            pl.lit(first, TIME).dt.truncate(WEEK), pl.lit(last, TIME).dt.truncate(WEEK), WEEK, time_unit="us"
        ).alias("week")
    )
    end = pl.lit(forum.observed_until, TIME)
    return weeks.with_columns((pl.col("week").dt.offset_by(WEEK) <= end).alias("is_complete"))


def visible_posts(
    forum: Forum,
    *,
    since: Moment = None,
    until: Moment = None,
    kinds: Sequence[str] | None = None,
    spaces: str = "auto",
) -> pl.DataFrame:
    """Opportunity: posts by other people in one's spaces while one was present.

    Parameters
    ----------
    forum
        People who opted out are not listed; their posts count for the others.
    since, until
        Posts with ``since <= created_at < until``.
    kinds
        Only posts of these kinds, such as ``("root",)`` for what one could have answered.
    spaces
        "memberships" (recorded), "posted" (spaces in which a person ever wrote), or "auto": the first where recorded.

    Returns
    -------
    DataFrame
        ``person_id, n_visible_posts``, sorted by id; zero for people in no space.

    Notes
    -----
    Present: from ``joined_at`` to ``left_at`` and, with memberships, while a member. When it misleads: visible is not
    read. With "posted", people who never wrote have no spaces, and who writes in many spaces has many chances
    *because* of writing: opportunity then depends on the outcome.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> visible_posts(load_example(), kinds=("root",))["n_visible_posts"].max() < 1500
    True
    """
    if spaces not in _SPACES:
        raise ParameterError(f"spaces is one of {', '.join(_SPACES)}.", got=f"Got {spaces!r}.")
    posts = cut_window(human_posts(forum), since=since, until=until)
    if kinds is not None:
        posts = posts.filter(pl.col("kind").is_in(list(kinds)))
    posts = posts.with_columns(pl.col("space").fill_null(MISSING))
    recorded = spaces == "memberships" or (spaces == "auto" and forum.memberships.height > 0)
    spells = _presence(forum, recorded=recorded)
    seen = _count_until(posts, spells, "end") - _count_until(posts, spells, "start")
    total = spells.with_columns(seen.alias("_n")).group_by("person_id").agg(pl.col("_n").sum())
    people = listed_people(forum)
    table = (
        people.join(total, on="person_id", how="left")
        .join(_own_posts(posts, spells), on="person_id", how="left")
        .select(
            "person_id",
            (pl.col("_n").fill_null(0) - pl.col("_own").fill_null(0)).cast(pl.Int64).alias("n_visible_posts"),
        )
    )
    return table.sort("person_id")


def _presence(forum: Forum, *, recorded: bool) -> pl.DataFrame:
    """Spells in which a person was in a space: ``person_id, space, start, end``, overlapping ones merged."""
    early, late = (
        pl.lit(text).str.to_datetime(time_unit="us", time_zone="UTC") for text in ("0001-01-01", "9999-01-01")
    )
    if recorded:
        spells = forum.memberships
    else:
        spells = human_posts(forum).select(
            pl.col("author_id").alias("person_id"),
            pl.col("space").fill_null(MISSING),
            pl.lit(None, TIME).alias("valid_from"),
            pl.lit(None, TIME).alias("valid_to"),
        )
    spells = (
        spells.unique()
        .join(forum.people.select("person_id", "joined_at", "left_at"), on="person_id", how="left")
        .with_columns(
            pl.max_horizontal("valid_from", "joined_at").fill_null(early).alias("start"),
            pl.min_horizontal("valid_to", "left_at").fill_null(late).alias("end"),
        )
    )
    return merge_spells(spells, by=("person_id", "space"))


def _count_until(posts: pl.DataFrame, spells: pl.DataFrame, column: str) -> pl.Series:
    """Posts in the space of each spell strictly before its ``column``."""
    steps = posts.select("space", pl.col("at").alias("_at")).sort("_at")
    steps = steps.with_columns(pl.int_range(1, pl.len() + 1).over("space").alias("_n"))
    rows = spells.select("space", pl.col(column).alias("_at")).with_row_index("_row").sort("_at")
    joined = rows.join_asof(
        steps, on="_at", by="space", strategy="backward", allow_exact_matches=False, check_sortedness=False
    )
    return joined.sort("_row")["_n"].fill_null(0).cast(pl.Int64)


def _own_posts(posts: pl.DataFrame, spells: pl.DataFrame) -> pl.DataFrame:
    """Posts by each person within the spells: they are not an opportunity."""
    return (
        posts.select(pl.col("author_id").alias("person_id"), "space", "at")
        .join(spells, on=["person_id", "space"])
        .filter((pl.col("at") >= pl.col("start")) & (pl.col("at") < pl.col("end")))
        .group_by("person_id")
        .agg(pl.len().alias("_own"))
    )
