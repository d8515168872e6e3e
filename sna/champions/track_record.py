"""How good this list was in the past on this forum: lists made then, and who of them went on helping."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from sna.champions.comparators import raw_posts
from sna.champions.find import find_champions
from sna.champions.forecast import QUARTER
from sna.champions.helps import Helping, build_helping
from sna.champions.validate import forum_before
from sna.errors import ParameterError
from sna.forum import Forum
from sna.stats.inference import wilson_interval
from sna.talk.windows import make_window
from sna.types import Frame, Moment, as_polars

_YEAR = timedelta(weeks=52)
_HALF_YEAR = timedelta(weeks=26)
_LEAST_NAMES = 5
METHODS = ("this method", "counting posts")
"""How the lists of `champion_track_record` are made."""
_SCHEMA: dict[str, Any] = {
    "method": pl.String,
    "made_at": pl.Datetime("us", "UTC"),
    "n_listed": pl.Int64,
    "n_helping": pl.Int64,
    "share": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


def champion_track_record(
    forum: Forum, *, at: Moment = None, by: str = "role", top: int = 10, level: float = 0.95
) -> pl.DataFrame:
    """How many of a list made in the past went on helping, beside the list made by counting posts.

    Each list sees only what was known when it was made (`sna.forum_before`). "Went on helping": helped in at least one
    thread of somebody else in the 13 weeks after.

    Parameters
    ----------
    forum
        The whole forum.
    at
        When the lists are made; by default a year before the end, or half a year if less than one and a half are known.
    by
        Attribute that makes peers, as in `sna.find_champions`.
    top
        Length of the lists at most: champions first, then steady helpers, as `sna.find_champions` lists them. The list
        by posts (of the same twelve months) is made as long.
    level
        Of the Wilson intervals.

    Returns
    -------
    DataFrame
        ``method`` ("this method", "counting posts"), ``made_at, n_listed, n_helping, share, low, high``. Empty when
        less than half a year came before, less than 13 weeks after, or fewer than 5 people could be listed.

    Raises
    ------
    NotAnswerableError
        When no post has a time.

    Notes
    -----
    When it misleads: ten names are few, so the intervals are wide; one moment of one forum is one case.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> table = champion_track_record(load_example())
    >>> table["method"].to_list(), table["n_listed"].to_list()
    (['this method', 'counting posts'], [10, 10])
    """
    if top < _LEAST_NAMES:
        raise ParameterError(f"top is at least {_LEAST_NAMES}.", got=f"Got {top}.")
    history = build_helping(forum)
    moment = make_window(at, None)[0] or _some_time_ago(history)
    if moment - history.since < _HALF_YEAR or history.until - moment < QUARTER:
        return pl.DataFrame(schema=_SCHEMA)
    known = forum_before(forum, moment)
    found = find_champions(known, by=by, until=moment)
    ours = found.filter(pl.col("standing").is_not_null())["person_id"].head(top)
    if ours.len() < _LEAST_NAMES:
        return pl.DataFrame(schema=_SCHEMA)
    posts = raw_posts(known, since=moment - timedelta(days=365), until=moment)
    loudest = posts.sort("score", "person_id", descending=[True, False])["person_id"].head(ours.len())
    after = history.helps.filter((pl.col("at") >= moment) & (pl.col("at") < moment + QUARTER))["person_id"].unique()
    counts = [int(names.is_in(after.implode()).sum()) for names in (ours, loudest)]
    listed = ours.len()
    low, high = wilson_interval(counts, [listed, listed], level=level)
    rows = zip(METHODS, [moment] * 2, [listed] * 2, counts, [n / listed for n in counts], low, high, strict=True)
    return pl.DataFrame(list(rows), schema=_SCHEMA, orient="row")


def _some_time_ago(history: Helping) -> datetime:
    known = history.until - history.since
    return history.until - (_YEAR if known >= _YEAR + _HALF_YEAR else _HALF_YEAR)


def say_track_record(record: Frame) -> str:
    """The table of `champion_track_record` as one sentence, or why there is none.

    Examples
    --------
    >>> from datetime import UTC
    >>> from datetime import datetime
    >>> made_at = datetime(2024, 3, 1, tzinfo=UTC)
    >>> rows = [("this method", made_at, 10, 8, 0.8, 0.49, 0.943), ("counting posts", made_at, 10, 6, 0.6, 0.31, 0.83)]
    >>> say_track_record(pl.DataFrame(rows, schema=_SCHEMA, orient="row"))[:79]
    'Of 10 people on a list made by this method on 2024-03-01, 8 helped again in the'
    """
    rows = as_polars(record).to_dicts()
    if not rows:
        return "The history is too short, or too few people help, to say how good an earlier list was."
    ours, posts = rows
    spans = [f"{row['low']:.0%} to {row['high']:.0%}" for row in rows]
    return (
        f"Of {ours['n_listed']} people on a list made by this method on {ours['made_at']:%Y-%m-%d}, "
        f"{ours['n_helping']} helped again in the 13 weeks after (95% interval {spans[0]}); of as many listed by "
        f"counting posts, {posts['n_helping']} ({spans[1]})."
    )
