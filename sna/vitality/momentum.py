"""Growth accounting: who is new, stayed, came back or was lost, week by week.

A week that the export cuts in two is flagged, and nothing that would look like a fall is computed for it.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sna.forum import Forum, list_roster
from sna.stats.inference import wilson_interval
from sna.talk.activity import human_posts, list_weeks
from sna.talk.windows import WEEK, cut_window
from sna.types import Moment


def weekly_momentum(
    forum: Forum, *, since: Moment = None, until: Moment = None, level: float = 0.95, bots: bool = False
) -> pl.DataFrame:
    """Growth accounting: who is new, stayed, came back or was lost, week by week.

    Parameters
    ----------
    forum
        Active means: posted in that week (Monday to Sunday, UTC).
    since, until
        Weeks that begin in this window are shown. What is *new* is always judged on the whole forum.
    level
        Of Wilson's interval for the active share.
    bots
        Count bots and system accounts as active. Off by default.

    Returns
    -------
    DataFrame
        ``week, n_posts, n_active, n_new, n_retained, n_returned, n_lost, quick_ratio, n_roster, active_share,
        active_share_low, active_share_high, is_complete``; every week from the first post to the last, quiet ones too.
        ``n_roster``: people employed at some time of the week (null where the source has no roster).
        In an incomplete week ``n_lost``, ``quick_ratio`` and the shares are null: it is not over.

    Notes
    -----
    ``active(t) = new(t) + retained(t) + returned(t)`` and ``active(t-1) = retained(t) + lost(t)``;
    ``quick_ratio = (new + returned) / lost`` (null when nobody was lost). The roster is that of the week, from
    ``joined_at`` and ``left_at``, so that joiners do not count before they came.

    When it misleads: the share falls in holidays; a forum's first weeks are all "new".

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> weekly_momentum(load_example()).select(pl.len(), pl.col("n_new").sum()).row(0)
    (78, 238)
    """
    posts = human_posts(forum, bots=bots).with_columns(pl.col("at").dt.truncate(WEEK).alias("week"))
    seen = posts.select("author_id", "week").unique().sort("author_id", "week")
    before = pl.col("week").shift(1).over("author_id")
    status = seen.select(
        "week",
        before.is_null().alias("new"),
        (before == pl.col("week").dt.offset_by("-1w")).fill_null(value=False).alias("retained"),
    )
    counts = status.group_by("week").agg(
        pl.len().alias("n_active"), pl.col("new").sum().alias("n_new"), pl.col("retained").sum().alias("n_retained")
    )
    weeks = list_weeks(forum, posts["at"])
    table = (
        weeks.join(counts, on="week", how="left")
        .join(posts.group_by("week").agg(pl.len().alias("n_posts")), on="week", how="left")
        .with_columns(pl.col("n_active", "n_new", "n_retained", "n_posts").fill_null(0).cast(pl.Int64))
        .sort("week")
    )
    table = table.with_columns(_roster(forum, table["week"], posts, bots=bots))
    return cut_window(_account(table, level).with_columns(at="week"), since=since, until=until).drop("at")


def _account(table: pl.DataFrame, level: float) -> pl.DataFrame:
    """The identities, the shares, and nulls where a week is not over."""
    done = pl.col("is_complete")
    lost = pl.col("n_active").shift(1).fill_null(0) - pl.col("n_retained")
    table = table.with_columns(
        (pl.col("n_active") - pl.col("n_new") - pl.col("n_retained")).alias("n_returned"),
        pl.when(done).then(lost).alias("n_lost"),
    )
    gained = pl.col("n_new") + pl.col("n_returned")
    table = table.with_columns(
        pl.when(pl.col("n_lost") > 0).then(gained / pl.col("n_lost")).alias("quick_ratio"),
        pl.when(done & (pl.col("n_roster") > 0)).then(pl.col("n_active") / pl.col("n_roster")).alias("active_share"),
    )
    counts = table.select(pl.when(done).then("n_active"), "n_roster").cast(pl.Float64).fill_null(float("nan"))
    low, high = wilson_interval(counts["n_active"].to_numpy(), counts["n_roster"].to_numpy(), level=level)
    ends = pl.DataFrame({"active_share_low": low, "active_share_high": high}).fill_nan(None)
    return table.hstack(ends).select(
        "week",
        "n_posts",
        "n_active",
        "n_new",
        "n_retained",
        "n_returned",
        "n_lost",
        "quick_ratio",
        "n_roster",
        "active_share",
        "active_share_low",
        "active_share_high",
        "is_complete",
    )


def _roster(forum: Forum, weeks: pl.Series, posts: pl.DataFrame, *, bots: bool) -> pl.Series:
    """People employed at some time of each week; whoever posts before joining or after leaving was there."""
    if forum.supports("roster") == "no":
        return pl.Series("n_roster", [None] * len(weeks), dtype=pl.Int64)
    first_last = posts.group_by(pl.col("author_id").alias("person_id")).agg(
        pl.col("at").min().alias("_first"), pl.col("at").max().alias("_last")
    )
    others = forum.people.filter((pl.col("kind") != "human") & pl.lit(bots))
    people = pl.concat([list_roster(forum), others]).join(first_last, on="person_id", how="left")
    known = people.filter(pl.col("joined_at").is_not_null())
    begin = known.select(pl.min_horizontal("joined_at", "_first").alias("t"))["t"].sort()
    left = people.filter(pl.col("left_at").is_not_null())
    end = left.select(pl.max_horizontal("left_at", "_last").alias("t"))["t"].sort()
    starts = weeks.dt.epoch("us").to_numpy()
    stops = weeks.dt.offset_by(WEEK).dt.epoch("us").to_numpy()
    come = np.searchsorted(begin.dt.epoch("us").to_numpy(), stops, side="left") + people.height - known.height
    gone = np.searchsorted(end.dt.epoch("us").to_numpy(), starts, side="left")
    return pl.Series("n_roster", (come - gone).astype(np.int64))
