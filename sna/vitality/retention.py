"""How long people stay, by when they came."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from sna.errors import NotAnswerableError
from sna.forum import Forum
from sna.schema import TIME
from sna.stats.waits import kaplan_meier
from sna.talk.activity import human_posts
from sna.vitality.periods import name_period


def cohort_retention(
    forum: Forum, *, idle_days: float = 60.0, every: str | None = "1q", level: float = 0.95
) -> pl.DataFrame:
    """How long people stay, by when they first posted (Kaplan-Meier).

    Parameters
    ----------
    forum
        People who never posted are in no cohort.
    idle_days
        A person is lost at the last post before a silence of at least this long.
    every
        Length of a cohort: "1w", "1mo", "1q" or "1y"; None for everybody together.
    level
        Of the pointwise intervals.

    Returns
    -------
    DataFrame
        ``cohort, weeks, retained_share, low, high, n_at_risk, n_people``: share of the cohort still active so many
        weeks after the first post, begun weeks counted; a row at 0 weeks (below 1 by those who posted once and never
        again) and one per week at which somebody was lost.

    Raises
    ------
    NotAnswerableError
        When the forum was observed for less than ``idle_days``.

    Notes
    -----
    A silence can only be seen to last when ``idle_days`` have passed, so everybody is censored that long before the
    export, and people who first posted later are in no cohort. Without this, recent cohorts look unfaithful.

    When it misleads: cohorts differ in who they are; coming back after a long silence does not undo being lost.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> cohort_retention(load_example(), every=None).select("weeks", "retained_share", "n_people").row(0)
    (0.0, 0.9316239316239316, 234)
    """
    cohort_of = pl.lit("everybody") if every is None else name_period(pl.col("first"), every)
    lives = _lives(forum, idle_days, cohort_of)
    parts = []
    for (cohort,), group in lives.group_by("cohort", maintain_order=True):
        curve = kaplan_meier(group["weeks"].to_numpy(), group["lost"].to_numpy(), level=level)
        begin = pl.DataFrame(
            {"time": [0.0], "n_at_risk": [group.height], "waiting_share": 1.0, "low": 1.0, "high": 1.0}
        )
        rows = pl.concat([begin, curve.select(begin.columns)]).unique("time", keep="last", maintain_order=True)
        parts.append(rows.with_columns(cohort=pl.lit(cohort), n_people=pl.lit(group.height, pl.Int64)))
    names = {"time": "weeks", "waiting_share": "retained_share"}
    columns = ["cohort", "weeks", "retained_share", "low", "high", "n_at_risk", "n_people"]
    return pl.concat(parts).rename(names).select(columns).sort("cohort", "weeks")


def _lives(forum: Forum, idle_days: float, cohort: pl.Expr) -> pl.DataFrame:
    """Each person's weeks from first post to loss or censoring: ``cohort, weeks, lost``."""
    posts = human_posts(forum)
    end = forum.observed_until
    cut = None if end is None else end - timedelta(days=idle_days)
    idle = pl.lit(timedelta(days=idle_days))
    pause = pl.col("at").shift(-1).over("author_id") - pl.col("at")
    stops = posts.sort("author_id", "at").with_columns(
        (pause.fill_null(pl.lit(cut, TIME) + idle - pl.col("at")) >= idle).alias("_stop")
    )
    lives = stops.group_by("author_id").agg(
        pl.col("at").min().alias("first"), pl.col("at").filter(pl.col("_stop")).min().alias("_lost_at")
    )
    lives = lives.filter(pl.col("first") < pl.lit(cut, TIME)).sort("author_id")
    if lives.is_empty():
        raise NotAnswerableError(
            f"Retention needs people first seen at least {idle_days:g} days before the export.",
            got=f"The forum is observed until {end}.",
            hint="use a shorter idle_days, or more data",
        )
    lost = (pl.col("_lost_at") < pl.lit(cut, TIME)).fill_null(value=False)
    until = pl.when(lost).then(pl.col("_lost_at")).otherwise(pl.lit(cut, TIME))
    weeks = ((until - pl.col("first")).dt.total_days(fractional=True) / 7).ceil()
    return lives.select(cohort.alias("cohort"), weeks.alias("weeks"), lost.alias("lost")).sort("cohort")
