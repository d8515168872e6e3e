"""Several exports of one forum (two halves, last month's and today's) become that forum: rows joined by their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

from sna.forum import Forum, Source, build_forum
from sna.readers.collect import Collector
from sna.readers.sanity import settle_levels
from sna.schema import CAPABILITIES, TABLES

_SAME_POSTS, _ENOUGH_POSTS = 0.01, 3
_SAME_PEOPLE, _ENOUGH_PEOPLE = 0.5, 5
"""Share of the smaller export's posts, or of its people, that two exports have in common, and how many at least."""
_OF = {"mentions": "post_id", "signals": "post_id", "roles": "person_id", "memberships": "person_id"}
"""Tables whose rows belong to a post or person as one export tells them: the newest that tells anything is taken."""


def is_same_forum(one: Forum, two: Forum, *, by_people: bool = True) -> bool:
    """Whether two exports are of one forum: posts of one id, author and moment, or people of one id and name.

    Examples
    --------
    >>> ids = ["1", "2", "3"]
    >>> posts = pl.DataFrame({"post_id": ids, "thread_id": ids, "author_id": ids, "created_at": ["2024-01-01"] * 3})
    >>> forum = build_forum(posts=posts, source=Source("slack"))
    >>> is_same_forum(forum, forum), is_same_forum(forum, build_forum(posts=posts, source=Source("teams")))
    (True, False)
    """
    if one.source.platform != two.source.platform:
        return False
    keys = ["post_id", "author_id", "created_at"]
    posts = [forum.posts.select(keys).drop_nulls() for forum in (one, two)]
    people = [_named_once(forum) for forum in (one, two)]
    n_posts = posts[0].join(posts[1], on=keys, how="semi").height
    n_people = people[0].join(people[1], on=["person_id", "name"], how="semi").height
    n_renamed = people[0].join(people[1], on="person_id", how="semi").height - n_people
    if n_renamed > n_people:
        return False
    same_people = n_people >= max(_ENOUGH_PEOPLE, _SAME_PEOPLE * min(frame.height for frame in people))
    return n_posts >= max(_ENOUGH_POSTS, _SAME_POSTS * min(frame.height for frame in posts)) or (
        by_people and same_people
    )


def _named_once(forum: Forum) -> pl.DataFrame:
    """Ids and names of listed people, without names that several have or that only repeat the id."""
    listed = forum.people.filter(~pl.col("placeholder")).select("person_id", "name").drop_nulls()
    return listed.filter((pl.col("name") != pl.col("person_id")) & pl.col("name").is_unique())


def group_exports(forums: Sequence[Forum], *, by_people: bool = True) -> list[list[int]]:
    """Positions of exports that are of one forum, each group in order."""
    groups: list[list[int]] = []
    for at, forum in enumerate(forums):
        same = [g for g in groups if any(is_same_forum(forums[i], forum, by_people=by_people) for i in g)]
        groups = [g for g in groups if g not in same] + [sorted([at, *(i for g in same for i in g)])]
    return sorted(groups)


def join_exports(forums: Sequence[Forum]) -> Forum:
    """One forum of several exports of it: nothing is counted twice, and the newest state of a row is kept.

    A person counts as listed when one export lists them. A reply keeps the parent that one export knows, and threads
    that one export cut in two are one again.

    Parameters
    ----------
    forums
        Exports of one forum; their order does not matter.

    Examples
    --------
    >>> def half(*ids):
    ...     posts = pl.DataFrame({"post_id": ids, "thread_id": ids, "author_id": ["ann"] * len(ids)})
    ...     return build_forum(posts=posts, source=Source("slack"))
    >>> whole = join_exports([half("1", "2"), half("2", "3")])
    >>> whole.posts["post_id"].to_list(), whole.people.height
    (['1', '2', '3'], 1)
    """
    newest = sorted(forums, key=_age, reverse=True)
    tables = {"posts": _join_posts(newest), "people": _join_people(newest)}
    tables |= {name: _join_table(newest, name) for name in TABLES if name not in tables}
    log = Collector(newest[0].source.platform)
    for name in TABLES:
        lost = sum(getattr(forum, name).height for forum in forums) - tables[name].height
        if lost:
            log.withhold(name, "in_two_exports", file="", n=lost)
    issues = pl.concat([*(forum.issues for forum in newest), log.issues()])
    joined = build_forum(**tables, source=_join_sources(newest), issues=issues)
    return settle_levels(joined, about=tuple(TABLES)) if joined.states_capabilities else joined


def _age(forum: Forum) -> tuple[datetime, int, int]:
    """What makes an export the newer one; of two of one date the larger, then any that is always the same."""
    until = forum.observed_until or datetime.min.replace(tzinfo=UTC)
    return (until, forum.posts.height, sum(int(frame.hash_rows().sum()) for frame in (forum.posts, forum.people)))


def _join_posts(newest: Sequence[Forum]) -> pl.DataFrame:
    """Posts by id: one that knows its parent stands before one that does not, then the newest."""
    ranked = pl.concat([forum.posts.with_columns(pl.lit(rank).alias("_rank")) for rank, forum in enumerate(newest)])
    ranked = ranked.sort(pl.col("parent_id").is_null(), "_rank", maintain_order=True)
    kept = ranked.unique("post_id", keep="first", maintain_order=True)
    threads = ranked.join(kept.select("post_id", pl.col("thread_id").alias("_kept")), on="post_id")
    moved = threads.filter(pl.col("thread_id") != pl.col("_kept")).select("_rank", "thread_id", "_kept")
    moved = moved.sort("_rank", "thread_id", "_kept").unique(["_rank", "thread_id"], keep="first")
    joined = kept.join(moved, on=["_rank", "thread_id"], how="left", maintain_order="left")
    return joined.with_columns(thread_id=pl.coalesce("_kept", "thread_id")).drop("_rank", "_kept")


def _join_people(newest: Sequence[Forum]) -> pl.DataFrame:
    """People by id: who is listed stands before who is only met, then the newest; the earliest date of joining."""
    everybody = pl.concat([forum.people for forum in newest])
    kept = everybody.sort("placeholder", maintain_order=True).unique("person_id", keep="first", maintain_order=True)
    facts = everybody.group_by("person_id").agg(pl.col("joined_at").min(), pl.col("opt_out").any())
    return kept.drop("joined_at", "opt_out").join(facts, on="person_id", how="left").select(everybody.columns)


def _join_table(newest: Sequence[Forum], name: str) -> pl.DataFrame:
    """Rows of the newest export that tells of a post or person; of events and campaigns each row once."""
    owner, parts = _OF.get(name), [getattr(newest[0], name)]
    for rank, forum in enumerate(newest[1:], start=1):
        frame = getattr(forum, name)
        if owner is not None:
            told = [f.posts["post_id"] if owner == "post_id" else getattr(f, name)[owner] for f in newest[:rank]]
            parts.append(frame.filter(~pl.col(owner).is_in(pl.concat(told).implode())))
        else:
            key = list(TABLES[name].key or frame.columns)
            parts.append(frame.join(pl.concat(parts), on=key, how="anti", nulls_equal=True))
    return pl.concat(parts)


def _join_sources(newest: Sequence[Forum]) -> Source:
    ends = [forum.source.exported_at for forum in newest if forum.source.exported_at]
    read = {name: sum(forum.source.rows_read.get(name, 0) for forum in newest) for name in TABLES}
    return Source(
        newest[0].source.platform,
        coverage="; ".join(dict.fromkeys(forum.source.coverage for forum in newest if forum.source.coverage)),
        capabilities=join_levels(newest),
        exported_at=max(ends, default=None),
        rows_read=read,
        files=tuple(sorted({name for forum in newest for name in forum.source.files})),
        is_judged=any(forum.source.is_judged for forum in newest),
    )


def join_levels(forums: Sequence[Forum]) -> Mapping[str, str]:
    """Levels of several sources together: what they agree on, else "partial"."""
    grades = {name: {forum.supports(name) for forum in forums} for name in CAPABILITIES}
    return {name: min(found) if len(found) == 1 else "partial" for name, found in grades.items()}
