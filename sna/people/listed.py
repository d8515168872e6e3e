"""Whom a person-level table may list: humans who did not opt out."""

from __future__ import annotations

import polars as pl

from sna.forum import Forum


def listed_people(forum: Forum, *, bots: bool = False) -> pl.DataFrame:
    """``person_id`` of everybody a person-level table may list, sorted: humans who did not opt out.

    Parameters
    ----------
    forum
        Any forum.
    bots
        True adds bots and system accounts.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> people = pl.DataFrame({"person_id": ["b", "a", "c"], "kind": ["human", "human", "bot"],
    ...                        "opt_out": [False, True, False]})
    >>> listed_people(build_forum(people=people))["person_id"].to_list()
    ['b']
    """
    wanted = ~pl.col("opt_out") & (pl.lit(bots) | (pl.col("kind") == "human"))
    return forum.people.filter(wanted).select("person_id").sort("person_id")
