"""Which post opens each thread, and who asked: the one definition that every analysis joins."""

from __future__ import annotations

import polars as pl

from sna.forum import Forum


def list_openers(forum: Forum) -> pl.DataFrame:
    """The post that opens each thread, its author and its time: one row per thread.

    Parameters
    ----------
    forum
        Any forum.

    Returns
    -------
    DataFrame
        ``thread_id, post_id`` (the opener), ``asker_id`` (its author), ``started_at`` (its time), ``space``, ``title``,
        ``first_at`` (the earliest time known in the thread), sorted by thread. ``post_id``, ``asker_id`` and
        ``started_at`` are null where the opening post is not in the source; ``asker_id`` is null when its author is
        not known, ``started_at`` when it has no time. A bot or a system account is listed as any author is.

    Notes
    -----
    The opener is the first of these that exists; ties go to the earliest time, then the smallest id, and posts
    without a time come last:

    1. a post of kind "root";
    2. a post of kind "reply" that answers nothing (sources that do not mark roots);
    3. the first post of the thread, when it is of kind "reply".

    Answers and comments never open a thread: what they belong to is missing, and so is who asked. ``space`` and
    ``title`` are the opener's, or those of the thread's first post when the opener is missing.

    When it misleads: an opener is not always a question. Announcements open threads too.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2", "3"], "thread_id": ["t", "t", "u"],
    ...                       "author_id": ["ann", "bob", "cat"], "kind": ["root", "answer", "answer"],
    ...                       "created_at": ["2024-01-01", "2024-01-02", "2024-01-03"]})
    >>> list_openers(build_forum(posts=posts)).select("thread_id", "post_id", "asker_id").rows()
    [('t', '1', 'ann'), ('u', None, None)]
    """
    posts = forum.posts.select("post_id", "thread_id", "parent_id", "author_id", "created_at", "space", "title", "kind")
    posts = posts.sort("created_at", "post_id", nulls_last=True)
    reply = pl.col("kind") == "reply"
    rank = (
        pl.when(pl.col("kind") == "root")
        .then(0)
        .when(reply & pl.col("parent_id").is_null())
        .then(1)
        .when(reply & pl.col("thread_id").is_first_distinct())
        .then(2)
        .otherwise(3)
    )
    first = posts.group_by("thread_id").agg(pl.col("created_at").min().alias("first_at"))
    ranked = posts.with_columns(rank.alias("_rank")).sort("_rank", maintain_order=True)
    opener = ranked.unique("thread_id", keep="first", maintain_order=True).join(first, on="thread_id")
    known = pl.col("_rank") < 3
    return opener.select(
        "thread_id",
        pl.when(known).then("post_id").alias("post_id"),
        pl.when(known).then("author_id").alias("asker_id"),
        pl.when(known).then("created_at").alias("started_at"),
        "space",
        "title",
        "first_at",
    ).sort("thread_id")
