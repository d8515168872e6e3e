"""What each week's new threads grew into: replies per root, as recorded and not as modelled."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from sna.forum import Forum, require_capabilities
from sna.schema import TIME
from sna.talk.activity import list_weeks
from sna.talk.openers import list_openers
from sna.talk.windows import WEEK, cut_window
from sna.types import Moment


def reply_genealogy(
    forum: Forum, *, within_days: float = 14.0, since: Moment = None, until: Moment = None, bots: bool = False
) -> pl.DataFrame:
    """What each week's new threads grew into: replies per root, as recorded and not as modelled.

    Parameters
    ----------
    within_days
        Only replies so soon after the root count, so that old threads have had no longer than young ones.
    since, until
        Weeks in which the threads began.
    bots
        Count threads and replies by bots. Off by default.

    Returns
    -------
    DataFrame
        ``week, n_roots, n_replies, replies_per_root, unanswered_share, branching_ratio, depth_mean, is_complete``.
        ``branching_ratio``: direct replies per post, (posts - roots) / posts; ``depth_mean``: mean steps from a reply
        up to its root (null without replies). A week is complete when its threads were followed for ``within_days``.

    Raises
    ------
    NotAnswerableError
        When the source does not record which post a reply answers, not even the root.

    Notes
    -----
    When it misleads: sources that know only a reply's root have depth 1 throughout. A self-exciting model fitted
    to times alone confuses office hours with excitement; this counts recorded replies instead.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> reply_genealogy(load_example())["n_roots"].sum()
    1500
    """
    require_capabilities(forum, ("reply_parent",), analysis="reply genealogy")
    posts = _with_depth(forum, bots=bots)
    root = pl.col("at").filter("_opens").first().over("thread_id")
    posts = posts.with_columns(root.alias("_root_at"), root.dt.truncate(WEEK).alias("week"))
    posts = posts.filter(pl.col("_begun") & (pl.col("at") - pl.col("_root_at") <= timedelta(days=within_days)))
    reply = ~pl.col("_opens")
    threads = posts.group_by("week", "thread_id").agg(reply.sum().alias("n"), pl.col("depth").filter(reply).sum())
    table = threads.group_by("week").agg(
        pl.len().cast(pl.Int64).alias("n_roots"),
        pl.col("n").sum().cast(pl.Int64).alias("n_replies"),
        (pl.col("n") == 0).mean().alias("unanswered_share"),
        pl.col("depth").sum(),
    )
    followed = pl.col("week").dt.offset_by(WEEK) + timedelta(days=within_days) <= pl.lit(forum.observed_until, TIME)
    weeks = list_weeks(forum, posts["_root_at"]).select("week").join(table, on="week", how="left")
    weeks = cut_window(weeks.with_columns(at="week"), since=since, until=until)
    return (
        weeks.with_columns(pl.col("n_roots", "n_replies").fill_null(0), followed.alias("is_complete"))
        .with_columns(
            _ratio(pl.col("n_replies"), pl.col("n_roots")).alias("replies_per_root"),
            _ratio(pl.col("n_replies"), pl.col("n_replies") + pl.col("n_roots")).alias("branching_ratio"),
            _ratio(pl.col("depth"), pl.col("n_replies")).alias("depth_mean"),
        )
        .select(
            "week",
            "n_roots",
            "n_replies",
            "replies_per_root",
            "unanswered_share",
            "branching_ratio",
            "depth_mean",
            "is_complete",
        )
        .sort("week")
    )


def _ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)


def _with_depth(forum: Forum, *, bots: bool) -> pl.DataFrame:
    """Dated posts: ``depth`` (0 at the top), whether each opens its thread, and whether a person began the thread."""
    opens = pl.col("post_id").is_in(list_openers(forum)["post_id"].drop_nulls().implode())
    people = forum.people.select(pl.col("person_id").alias("author_id"), (pl.col("kind") == "human").alias("_human"))
    posts = (
        forum.posts.filter(pl.col("created_at").is_not_null())
        .select("post_id", "thread_id", "author_id", "kind", pl.col("created_at").alias("at"))
        .with_columns(_depths(forum.posts.filter(pl.col("created_at").is_not_null())), opens.alias("_opens"))
        .join(people, on="author_id", how="left")
        .with_columns((pl.col("_human").fill_null(value=True) | pl.lit(bots)).alias("_counts"))
        .sort("thread_id", "at", "post_id")
    )
    begun = (pl.col("_counts") & pl.col("_opens")).any().over("thread_id")
    return posts.with_columns(begun.alias("_begun")).filter("_counts")


def _depths(posts: pl.DataFrame) -> pl.Series:
    """Steps from each post up to a post without parent, by pointer doubling."""
    n = posts.height
    rows = posts.select(pl.col("post_id").alias("parent_id")).with_row_index("_row")
    parent = posts.select("parent_id").join(rows, on="parent_id", how="left", maintain_order="left")["_row"]
    jump = np.append(parent.cast(pl.Int64).fill_null(n).to_numpy(), n)
    depth = (jump != n).astype(np.int64)
    while (jump != n).any():
        depth += depth[jump]
        jump = jump[jump]
    return pl.Series("depth", depth[:n])
