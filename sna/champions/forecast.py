"""Who will still be helping: the chance that a person helps in the next quarter, learnt from the quarters before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from sna.champions.helps import Helping, build_helping
from sna.champions.score import score_helps
from sna.forum import Forum
from sna.people.listed import listed_people
from sna.types import Bools, Floats, Moment

QUARTER = timedelta(weeks=13)
"""What "the next quarter" means: 13 weeks."""
FIXED_WEIGHTS: Mapping[str, float] = {
    "score": 1.0,
    "help_weeks_quarter": -0.2,
    "quarters_since_help": -0.55,
    "helps_year": 0.25,
    "post_weeks_quarter": 0.65,
    "weeks_helping": 0.2,
}
"""Log-odds per unit of ``log(1 + feature)``; each forum's own quarters then set the slope and the level."""
FIXED_INTERCEPT = -3.8
_YEAR = timedelta(weeks=52)
_MOST_QUARTERS = 8
_MIN_HISTORY = timedelta(weeks=26)
_MIN_ROWS = 100
_MIN_CLASS = 20
# One slope and one intercept are learnt from at least 100 rows: little regularisation is needed.
_INVERSE_PENALTY = 10.0


def forecast_helping(forum: Forum, *, until: Moment = None) -> pl.DataFrame:
    """The chance that a person will help somebody in the 13 weeks after the end of the window.

    Log-odds are `FIXED_WEIGHTS` times what is known at the end: the score of `sna.ensemble_score`, weeks with a help in
    the last quarter, time since the last help, helps in the last year, weeks with a post in the last quarter, and weeks
    since the first help. Their slope and level are learnt from up to eight earlier quarters of the same forum (logistic
    regression): what was known at the beginning of each, and who helped in it. Where those hold fewer than 100
    forecasts, or fewer than 20 of either kind, the fixed weights stand alone.

    Parameters
    ----------
    forum
        Any forum with dated posts.
    until
        The moment of the forecast; by default the end of the forum.

    Returns
    -------
    DataFrame
        ``person_id, chance_next_quarter, basis`` ("fixed weights", or how many earlier quarters were used), for all
        humans who did not opt out, the highest chance first. Null for those who did not help in the year before.

    Raises
    ------
    NotAnswerableError
        When no post has a time.

    Notes
    -----
    docs/champions/validation.md has the reliability table: of those given 70 to 80 %, how many did help.

    When it misleads: it knows what happened before in this forum, not what will change (a reorganisation, a new tool).

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> table = forecast_helping(make_forum(n_people=60, n_threads=400, n_weeks=52, rng=1).forum)
    >>> table["basis"][0], table["chance_next_quarter"].is_between(0, 1).all()
    ('fixed weights', True)
    """
    return forecast_from(forum, build_helping(forum, until=until))


def forecast_from(forum: Forum, helping: Helping) -> pl.DataFrame:
    """The forecast of `forecast_helping` from the helps of the whole history."""
    now = list_features(forum, helping, at=helping.until)
    logit, basis = weigh_features(now), "fixed weights"
    past = _earlier_quarters(forum, helping)
    rows = pl.concat([now.head(0).with_columns(helped=pl.lit(value=False)), *past])
    helped = rows["helped"].to_numpy()
    if rows.height >= _MIN_ROWS and min(helped.sum(), (~helped).sum()) >= _MIN_CLASS:
        logit = recalibrate(logit, past=weigh_features(rows), helped=helped)
        basis = f"{len(past)} earlier quarters"
    found = now.select("person_id", chance_next_quarter=pl.Series(1 / (1 + np.exp(-logit)), dtype=pl.Float64))
    people = listed_people(forum).join(found, on="person_id", how="left").with_columns(basis=pl.lit(basis))
    return people.sort("chance_next_quarter", "person_id", descending=[True, False], nulls_last=True)


def list_features(forum: Forum, helping: Helping, *, at: datetime) -> pl.DataFrame:
    """What is known at a moment of everybody who helped in the year before: ``person_id`` and ``log(1 + feature)``."""
    helps = helping.helps.filter(pl.col("at") < at)
    seconds = (pl.lit(at) - pl.col("at")).dt.total_seconds()
    week, lately = (seconds // (7 * 86400)).alias("week"), pl.col("at") >= at - QUARTER
    recent = helps.filter(pl.col("at") >= at - _YEAR).with_columns(week)
    own = recent.group_by("person_id").agg(
        pl.col("week").filter(lately).n_unique().alias("help_weeks_quarter"),
        (seconds.min() / QUARTER.total_seconds()).alias("quarters_since_help"),
        pl.len().alias("helps_year"),
    )
    inside = pl.col("created_at").is_between(at - QUARTER, at, closed="left")
    posts = forum.posts.filter(inside).select(pl.col("author_id").alias("person_id"), at="created_at")
    there = posts.with_columns(week).group_by("person_id").agg(pl.col("week").n_unique().alias("post_weeks_quarter"))
    tenure = helps.group_by("person_id").agg((seconds.max() / (7 * 86400)).alias("weeks_helping"))
    score = score_helps(forum, helps, since=helping.since, until=at).select("person_id", "score")
    rows = score.join(own, on="person_id").join(tenure, on="person_id").join(there, on="person_id", how="left")
    logs = (pl.col(name).cast(pl.Float64).fill_null(0.0).log1p() for name in FIXED_WEIGHTS)
    return rows.select("person_id", *logs).sort("person_id")


def weigh_features(rows: pl.DataFrame) -> Floats:
    """Log-odds of helping in the next quarter by the fixed weights."""
    return rows.select(*FIXED_WEIGHTS).to_numpy() @ np.array(list(FIXED_WEIGHTS.values())) + FIXED_INTERCEPT


def recalibrate(now: Floats, *, past: Floats, helped: Bools) -> Floats:
    """Log-odds with the slope and the level that fit earlier forecasts (Platt 1999).

    Examples
    --------
    >>> past = np.repeat([-1.0, 1.0], 400)
    >>> helped = np.r_[np.arange(400) < 80, np.arange(400) < 320]
    >>> (1 / (1 + np.exp(-recalibrate(np.array([-1.0, 1.0]), past=past, helped=helped)))).round(2).tolist()
    [0.2, 0.8]
    """
    model = LogisticRegression(C=_INVERSE_PENALTY).fit(past[:, None], helped)
    return np.asarray(model.decision_function(now[:, None]), dtype=np.float64)


def _earlier_quarters(forum: Forum, helping: Helping) -> list[pl.DataFrame]:
    """What was known at the beginning of each earlier quarter, and whether the person helped in it."""
    frames = []
    for back in range(1, _MOST_QUARTERS + 1):
        at = helping.until - back * QUARTER
        if at - helping.since < _MIN_HISTORY:
            break
        frames.append(list_features(forum, helping, at=at).with_columns(helped=_helps_after(helping, at)))
    return frames


def _helps_after(helping: Helping, at: datetime) -> pl.Expr:
    after = helping.helps.filter((pl.col("at") >= at) & (pl.col("at") < at + QUARTER))["person_id"].unique()
    return pl.col("person_id").is_in(after.implode())
