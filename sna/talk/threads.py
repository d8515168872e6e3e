"""Threads and who takes part in them: the unit in which a forum's conversations happen.

A thread has one asker (the author of its root) and participants, each counted once however often they write.
"""

from __future__ import annotations

import polars as pl

from sna.forum import Forum, join_attribute
from sna.talk.openers import list_openers
from sna.talk.windows import cut_window
from sna.types import Moment

MISSING = "(missing)"
"""Category of people whose attribute is not known at that time: stated, never dropped."""


def list_threads(forum: Forum, *, bots: bool = False) -> pl.DataFrame:
    """One row per thread: where and when it began, who asked, how many took part, when somebody else replied.

    Parameters
    ----------
    forum
        Posts without an author count as posts and never as people.
    bots
        Count posts and people that are not human. Out by default; a thread begun by one then has no asker.

    Returns
    -------
    DataFrame
        ``thread_id, title, space, started_at, asker_id, n_posts, n_people, first_reply_at, last_post_at,
        accepted_post_id``, sorted by start. The space is that of the opening post; ``first_reply_at`` is the first
        post by somebody else than the asker; ``accepted_post_id`` the first answer that was accepted (null for none).

    Notes
    -----
    Which post opens a thread, and so who asked, is what `sna.talk.openers.list_openers` says. Where the opening post is
    missing, ``started_at`` and ``asker_id`` are null.

    When it misleads: a thread still open has a null ``first_reply_at``. It is censored at
    ``forum.observed_until``, not missing.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["t", "t"], "author_id": ["a", "b"],
    ...                       "created_at": ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]})
    >>> list_threads(build_forum(posts=posts)).select("asker_id", "n_posts", "n_people").rows()
    [('a', 2, 2)]
    """
    posts = _posts_of_people(forum, bots=bots)
    other = pl.col("author_id").is_not_null() & pl.col("author_id").ne_missing(pl.col("asker_id")) & ~pl.col("opens")
    threads = posts.group_by("thread_id", maintain_order=True).agg(
        pl.col("title", "space", "started_at", "asker_id").first(),
        pl.col("counted").sum().cast(pl.Int64).alias("n_posts"),
        pl.col("author_id").drop_nulls().n_unique().cast(pl.Int64).alias("n_people"),
        pl.col("created_at").filter(other).min().alias("first_reply_at"),
        pl.col("created_at").filter(pl.col("counted")).max().alias("last_post_at"),
    )
    joined = threads.join(_first_accepted(forum), on="thread_id", how="left")
    return joined.sort("started_at", "thread_id", nulls_last=True)


def thread_participation(
    forum: Forum, *, since: Moment = None, until: Moment = None, bots: bool = False
) -> pl.DataFrame:
    """One row per thread and person: when they first wrote in it and how often.

    Parameters
    ----------
    forum
        Where people write.
    since, until
        Keep participations that *began* in ``since <= at < until``. Posts are never cut: the asker of a thread
        begun earlier is still its asker.
    bots
        Include people that are not human. Out by default.

    Returns
    -------
    DataFrame
        ``thread_id, person_id, asker_id, space, at, n_posts``, sorted by thread, time and person. ``space`` and
        ``asker_id`` belong to the thread. This is a table of events, as `posts` is: it knows people who opted out.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2", "3"], "thread_id": ["t"] * 3, "author_id": ["a", "b", "b"]})
    >>> thread_participation(build_forum(posts=posts)).select("person_id", "asker_id", "n_posts").rows()
    [('a', 'a', 1), ('b', 'a', 2)]
    """
    rows = (
        _posts_of_people(forum, bots=bots)
        .filter(pl.col("author_id").is_not_null())
        .group_by("thread_id", pl.col("author_id").alias("person_id"))
        .agg(
            pl.col("asker_id").first(),
            pl.col("space").first(),
            pl.col("created_at").min().alias("at"),
            pl.len().cast(pl.Int64).alias("n_posts"),
        )
    )
    return cut_window(rows, since=since, until=until).sort("thread_id", "at", "person_id", nulls_last=True)


def roles_per_thread(forum: Forum, *, by: str = "role", since: Moment = None, until: Moment = None) -> pl.DataFrame:
    """Threads by the number of different roles among their participants.

    Parameters
    ----------
    forum
        Where people write; the role is the one held when they first wrote in the thread.
    by
        Any attribute.
    since, until
        Participations considered.

    Returns
    -------
    DataFrame
        ``n_roles, n_threads, thread_share, n_people_mean``. People without a known role do not add a role:
        a thread in which nobody's is known has 0.

    Notes
    -----
    When it misleads: bigger threads reach more roles by size alone. Read it next to ``n_people_mean``; the
    claim that people seek or avoid other roles is `cross_role_level`'s.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = {"post_id": ["1", "2"], "thread_id": ["t", "t"], "parent_id": [None, "1"], "author_id": ["ann", "bob"]}
    >>> roles = {"person_id": ["ann", "bob"], "attribute": ["role"] * 2, "value": ["HR", "IT"]}
    >>> forum = build_forum(posts=pl.DataFrame(posts), roles=pl.DataFrame(roles))
    >>> roles_per_thread(forum).rows()
    [(2, 1, 1.0, 2.0)]
    """
    rows = join_attribute(forum, thread_participation(forum, since=since, until=until), by=by, at="at", into="_group")
    threads = rows.group_by("thread_id").agg(
        pl.col("_group").drop_nulls().n_unique().cast(pl.Int64).alias("n_roles"),
        pl.len().alias("n_people"),
    )
    return (
        threads.group_by("n_roles")
        .agg(pl.len().cast(pl.Int64).alias("n_threads"), pl.col("n_people").mean().alias("n_people_mean"))
        .with_columns((pl.col("n_threads") / pl.col("n_threads").sum()).alias("thread_share"))
        .select("n_roles", "n_threads", "thread_share", "n_people_mean")
        .sort("n_roles")
    )


def _posts_of_people(forum: Forum, *, bots: bool) -> pl.DataFrame:
    """Posts in order of time, with their thread's ``asker_id, started_at, space, title`` and whether each opens it.

    ``author_id`` and ``asker_id`` are null where the person is not counted.
    """
    machines = forum.people.filter(pl.col("kind") != "human")["person_id"].implode()
    is_machine = pl.lit(value=False) if bots else pl.col("author_id").is_in(machines).fill_null(value=False)
    begun_by_one = pl.lit(value=False) if bots else pl.col("asker_id").is_in(machines).fill_null(value=False)
    openers = list_openers(forum).rename({"post_id": "opener_id"}).drop("first_at")
    return (
        forum.posts.select("post_id", "thread_id", "author_id", "created_at", "kind")
        .join(openers, on="thread_id")
        .with_columns(
            counted=~is_machine,
            opens=(pl.col("post_id") == pl.col("opener_id")).fill_null(value=False),
            asker_id=pl.when(~begun_by_one).then("asker_id"),
        )
        .with_columns(pl.when("counted").then("author_id").alias("author_id"))
        .sort("thread_id", "created_at", "post_id", nulls_last=True)
    )


def _first_accepted(forum: Forum) -> pl.DataFrame:
    accepted = forum.signals.filter(pl.col("kind") == "accept").sort("at", "post_id", nulls_last=True)
    return (
        accepted.join(forum.posts.select("post_id", "thread_id"), on="post_id", maintain_order="left")
        .group_by("thread_id", maintain_order=True)
        .agg(pl.col("post_id").first().alias("accepted_post_id"))
    )
