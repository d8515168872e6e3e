"""One order for a list of helpers: who helps steadily and lately. It is the order that validation measures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import polars as pl

from sna.champions.helps import build_helping
from sna.forum import Forum
from sna.people.listed import listed_people
from sna.types import Moment

ENSEMBLE_WEIGHTS: Mapping[str, float] = {
    "recent_help_weeks": 1.0,
    "recent_helps": 0.5,
    "recent_people": 0.5,
    "recent_weeks": 0.5,
    "recent_posts": 0.1,
}
"""Weights of `ensemble_score`: round numbers, the same for every forum."""
HALF_LIFE_MONTHS = 4.0
"""An act counts half as much after so many months, in every forum."""
MONTH_SECONDS = 365.25 / 12 * 86400
_DIGITS = 9


def ensemble_score(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = HALF_LIFE_MONTHS
) -> pl.DataFrame:
    """Order people by how steadily and how lately they helped: the order of `sna.find_champions`.

    Every act counts ``2 ** (-age / half-life)``, age counted back from the end of the window. The score is the sum of
    `ENSEMBLE_WEIGHTS` times the faded counts: weeks with a help 1, threads of others helped in 0.5, distinct people
    helped 0.5 (each at the latest help), weeks with a post 0.5, posts 0.1.

    Parameters
    ----------
    forum
        Any forum with dated posts.
    since, until
        Window of the acts. By default the whole history: after a year an act counts an eighth, so that a score does not
        depend on how many old years were exported.
    half_life_months
        Months after which an act counts half; None: every act counts in full.

    Returns
    -------
    DataFrame
        ``person_id, score`` and the faded counts, for all humans who did not opt out, best first (then by id).

    Raises
    ------
    NotAnswerableError
        When no post has a time.

    Notes
    -----
    This says who is likely to go on helping, not who is better than peers with the same chances: it does not adjust
    for role, tenure or chances. docs/champions/validation.md compares it with the usual scores on forums of several
    kinds, and says what of that was in-sample.

    When it misleads: it follows those who are active now; an expert on leave fades as one who has gone.

    Source: an exponentially discounted count is the sufficient statistic of a Poisson rate that drifts (the discounted
    gamma-Poisson model, West & Harrison 1997); recency and frequency as in Fader, Hardie & Lee (2005).

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "1"], "author_id": ["ann", "bob"],
    ...                       "kind": ["root", "reply"], "created_at": ["2024-01-01", "2024-01-02"]})
    >>> ensemble_score(build_forum(posts=posts)).select("person_id", pl.col("score").round(3)).rows()
    [('bob', 2.6), ('ann', 0.597)]
    """
    helping = build_helping(forum, since=since, until=until)
    return score_helps(
        forum, helping.helps, since=helping.since, until=helping.until, half_life_months=half_life_months
    )


def score_helps(
    forum: Forum,
    helps: pl.DataFrame,
    *,
    since: datetime,
    until: datetime,
    half_life_months: float | None = HALF_LIFE_MONTHS,
) -> pl.DataFrame:
    """The score of `ensemble_score` from helps at hand."""
    inside = pl.col("created_at").is_between(since, until, closed="left")
    posts = forum.posts.filter(inside).select(pl.col("author_id").alias("person_id"), at="created_at")
    week = ((pl.lit(until) - pl.col("at")).dt.total_seconds() // (7 * 86400)).alias("week")
    helps, posts = helps.sort("at", "post_id").with_columns(week), posts.sort("at").with_columns(week)
    parts = {
        "recent_help_weeks": helps.unique(["person_id", "week"], keep="last", maintain_order=True),
        "recent_helps": helps,
        "recent_people": helps.unique(["person_id", "asker_id"], keep="last", maintain_order=True),
        "recent_weeks": posts.unique(["person_id", "week"], keep="last", maintain_order=True),
        "recent_posts": posts,
    }
    people = listed_people(forum)
    for name, acts in parts.items():
        faded = fade_counts(acts, until=until, half_life_months=half_life_months).rename({"faded": name})
        people = people.join(faded, on="person_id", how="left").with_columns(pl.col(name).fill_null(0.0))
    score = pl.sum_horizontal(pl.col(name) * weight for name, weight in ENSEMBLE_WEIGHTS.items())
    # Rounded to nine digits, so that the order in which numbers are added cannot decide a tie.
    table = people.with_columns(score.round_sig_figs(_DIGITS).alias("score"))
    return table.select("person_id", "score", *ENSEMBLE_WEIGHTS).sort("score", "person_id", descending=[True, False])


def fading(at: pl.Expr, *, until: datetime, half_life_months: float) -> pl.Expr:
    """Weight of an act: ``2 ** (-age / half-life)``."""
    seconds = (pl.lit(until) - at).dt.total_seconds()
    return (-seconds * (np.log(2) / (half_life_months * MONTH_SECONDS))).exp()


def fade_counts(acts: pl.DataFrame, *, until: datetime, half_life_months: float | None) -> pl.DataFrame:
    """Acts per person, each counted ``2 ** (-age / half-life)``: ``person_id, faded``; None: each counted once.

    Examples
    --------
    >>> acts = pl.DataFrame({"person_id": ["a", "a"], "at": [datetime(2024, 1, 1), datetime(2024, 1, 31, 10, 30)]})
    >>> fade_counts(acts, until=datetime(2024, 1, 31, 10, 30), half_life_months=1.0).rows()
    [('a', 1.5)]
    """
    ordered = acts.sort("person_id", "at")
    weight = (
        pl.lit(1.0)
        if half_life_months is None
        else fading(pl.col("at"), until=until, half_life_months=half_life_months)
    )
    weighted = ordered.select("person_id", weight.alias("faded"))
    return weighted.group_by("person_id", maintain_order=True).agg(pl.col("faded").sum().round_sig_figs(_DIGITS))
