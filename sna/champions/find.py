"""Champions: people who help more than role, tenure and opportunity predict, with the uncertainty said.

Loud is not enough, and a title is not evidence. The yardstick is a rate ratio with a posterior; selection bounds the
expected share of false names; ranks are sets. Facets stay apart; `ensemble_score` is for those who need one list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from typing import Any

import numpy as np
import polars as pl

from sna.champions.facets import FACETS, Facet, build_facets, has_attribute
from sna.champions.helps import build_helping, list_opportunities
from sna.errors import ParameterError
from sna.forum import Forum
from sna.stats.inference import wilson_interval
from sna.stats.ranks import find_top_set, rank_sets, rate_scale
from sna.stats.shrinkage import select_by_local_fdr
from sna.types import Frame, Moment, as_polars

_MIN_PEOPLE = 10
_MIN_HELPS = 30
_MIN_EXPECTED = 1.0


def find_champions(
    forum: Forum,
    *,
    by: str = "role",
    since: Moment = None,
    until: Moment = None,
    factor: float = 1.5,
    fdr: float = 0.10,
    top: int = 10,
    level: float = 0.95,
    opportunity: str = "auto",
    opportunity_error: float | None = None,
    prior: str = "gamma",
) -> pl.DataFrame:
    """Find people who help more than their group, tenure and opportunity predict.

    A person's helps (threads of others contributed to) are compared with the helps expected from the threads they
    could have helped in, their group and their tenure. The ratio theta is partially pooled (`sna.shrink_rates`);
    ``selected`` is the largest set in which the expected share of people with theta below ``factor`` is at most
    ``fdr``; ranks are confidence sets (`sna.rank_sets`).

    Parameters
    ----------
    forum
        Any forum with threads, replies or mentions.
    by
        Attribute that makes peers ("role", "level", "department"). When nobody has it, all are one group: the column
        ``group`` is then null and ``not_measured`` says so.
    since, until
        Window of the helps and the chances, ``since <= at < until``; roles are those at its end.
    factor
        The bar: how many times the expectation makes a bright spot.
    fdr
        Bound on the expected share of false names among the selected.
    top
        The k of ``certainly_top`` and ``possibly_top``.
    level
        Of all intervals and of the rank sets. People of whom less than one help is expected are not ranked.
    opportunity
        How chances are counted; see `sna.champions.helps.count_chances`.
    opportunity_error
        Log standard deviation of the error in a person's chances: 0.4 takes them to be known to about 40 %, and
        a person must stand out by more than that. None: 0.38 where views are recorded, 0.48 elsewhere: about
        the smallest at which the bound ``fdr`` held on synthetic forums (docs/calibration.md). State less where
        chances are known better: the price of 0.38 is that many a small forum's champions are not named. Where
        no views are recorded, threads started and reactions given stand in for time spent there (a covariate,
        learnt); what they miss of it is part of theta.
    prior
        "gamma", or "npmle" for a prior of any shape.

    Returns
    -------
    DataFrame
        One row per human who did not opt out, the best first (then by id): ``person_id, group, n_chances,
        n_helped, expected_helped``; each facet of `sna.champions.FACETS` as a ratio to the expectation (hours for
        ``waiting_saved_hours``) with ``_low`` and ``_high``; ``prob_above`` = P(theta >= factor), ``selected,
        rank_low, rank_high, certainly_top, possibly_top``, the counts behind the facets, ``verdict`` in words and
        ``not_measured`` with what this source cannot tell. Silent people are listed with nulls.

    Raises
    ------
    NotAnswerableError
        When posts have no times, or nobody's acts can be assigned to anybody.
    ParameterError
        For arguments out of range.

    Notes
    -----
    People who opted out stay in the expectations (as everybody's peers) and never in the table.

    When it misleads: when chances are measured wrongly (a busy space counted as a quiet one) theta is wrong by the
    same factor; compare `champion_stability`. The recorded calibration (docs/calibration.md) says what share of the
    selected was wrong when chances were recorded with error. Where answers are few, most verdicts are "insufficient
    data": that is the answer. A rate says nothing about why: a rota, a job description or a quiet colleague may
    explain it.

    Sources: Clayton & Kaldor (1987); Mogstad et al. (2024); Gu & Koenker (2023).

    Examples
    --------
    >>> import sna
    >>> forum = sna.load_example()                                                      # doctest: +SKIP
    >>> sna.find_champions(forum).filter("selected").select("person_id", "verdict")     # doctest: +SKIP
    """
    _check(factor=factor, fdr=fdr, top=top, level=level)
    helping = build_helping(forum, since=since, until=until)
    facets = build_facets(
        forum,
        helping,
        by=by,
        factor=factor,
        level=level,
        opportunity=opportunity,
        opportunity_error=opportunity_error,
        prior=prior,
    )
    joined = reduce(lambda a, b: a.join(b, on="person_id", how="left", maintain_order="left"), _frames(facets))
    known = forum.people.filter(~pl.col("opt_out"))["person_id"]
    shown = joined.filter(pl.col("person_id").is_in(known.implode())).sort("person_id")
    enough = shown.height >= _MIN_PEOPLE and int(shown["n_helped"].sum()) >= _MIN_HELPS
    ranked = _select(shown, fdr=fdr, top=top, level=level, enough=enough)
    silent = forum.people.filter((pl.col("kind") == "human") & ~pl.col("opt_out")).select("person_id")
    table = silent.join(ranked, on="person_id", how="left")
    missing = _missing(forum, facets, by)
    return (
        table.with_columns(
            pl.col("n_helped", "n_people_helped").fill_null(0),
            pl.col("selected", "certainly_top", "possibly_top").fill_null(False),
            verdict=_verdict(factor, level, enough=enough),
            not_measured=pl.lit(missing),
        )
        .sort(_order(), descending=[True, True, False], nulls_last=True)
        .select(CHAMPION_COLUMNS)
    )


def _order() -> list[str]:
    return ["selected", "contribution", "person_id"]


CHAMPION_COLUMNS = (
    "person_id",
    "group",
    "n_chances",
    "n_helped",
    "expected_helped",
    "contribution",
    "contribution_low",
    "contribution_high",
    "prob_above",
    "selected",
    "rank_low",
    "rank_high",
    "certainly_top",
    "possibly_top",
    *(f"{name}{end}" for name in list(FACETS)[1:] for end in ("", "_low", "_high")),
    "n_recognised",
    "n_people_helped",
    "n_spaces",
    "n_groups",
    "n_cross",
    "n_newcomers",
    "n_active_weeks",
    "tenure_weeks",
    "opportunity",
    "verdict",
    "not_measured",
)
"""Columns of `find_champions`, in order."""


def list_facets(forum: Forum, *, by: str = "role", since: Moment = None, until: Moment = None) -> pl.DataFrame:
    """What each facet measures and whether this forum supports it: ``facet, meaning, measured, reason``."""
    facets = build_facets(forum, build_helping(forum, since=since, until=until), by=by)
    rows = [(f.name, FACETS[f.name], not f.reason, f.reason) for f in facets]
    return pl.DataFrame(rows, schema=["facet", "meaning", "measured", "reason"], orient="row")


def _frames(facets: Sequence[Facet]) -> list[pl.DataFrame]:
    return [facet.frame for facet in facets]


def _check(*, factor: float, fdr: float, top: int, level: float) -> None:
    rules = (
        ("factor is above 0", factor > 0, factor),
        ("fdr lies between 0 and 1", 0 < fdr < 1, fdr),
        ("top is at least 1", top >= 1, top),
        ("level lies between 0 and 1", 0 < level < 1, level),
    )
    for rule, holds, got in rules:
        if not holds:
            raise ParameterError(f"{rule}.", got=f"Got {got}.")


def _select(people: pl.DataFrame, *, fdr: float, top: int, level: float, enough: bool) -> pl.DataFrame:
    """Add selection and ranks; people credibly less helpful than expected are not selected, however active."""
    prob = people["prob_above"].fill_null(float("nan")).to_numpy()
    unhelpful = (pl.col("helpfulness_high") < 1).fill_null(False)
    people = people.with_columns(
        above_bar=pl.Series(select_by_local_fdr(prob, fdr=fdr) & enough), expected_helped=pl.col("expected")
    ).with_columns(selected=pl.col("above_bar") & ~unhelpful)
    expected = people["expected"].fill_null(0.0).to_numpy()
    scale, error = rate_scale(people["n_counted"].to_numpy(), np.where(expected >= _MIN_EXPECTED, expected, 0.0))
    sets = rank_sets(scale, error, level=level).select("rank_low", "rank_high")
    possible = pl.Series("possibly_top", find_top_set(scale, error, top=top, level=level))
    return pl.concat([people, sets], how="horizontal").with_columns(
        certainly_top=pl.col("rank_high") <= top, possibly_top=possible
    )


def _missing(forum: Forum, facets: Sequence[Facet], by: str) -> str:
    """What could not be measured, and why, as one line."""
    notes = [] if has_attribute(forum, by) else [f"group: nobody's {by!r} is known, so all are compared with all"]
    return "; ".join([*notes, *(f"{facet.name}: {facet.reason}" for facet in facets if facet.reason)])


def _verdict(factor: float, level: float, *, enough: bool) -> pl.Expr:
    low, high = pl.col("contribution_low"), pl.col("contribution_high")
    shown = [pl.col("contribution").round(1), low.round(1), high.round(1)]
    ratio = pl.format(
        f"helps {{}} times as often as peers with the same chances ({level:.0%} interval {{}} to {{}})", *shown
    )
    cases = [
        (pl.col("n_counted").is_null(), pl.lit("silent in this period")),
        (pl.lit(not enough), pl.lit("insufficient data: too few people or helps in this forum")),
        (pl.col("contribution").is_null(), pl.lit("insufficient data: no chances to help are known")),
        (pl.col("selected"), pl.format("bright spot: {}", ratio)),
        (pl.col("above_bar"), pl.format("active, but accepted or thanked less than expected: {}", ratio)),
        (
            (low < 1) & (high > factor),
            pl.format("insufficient data: between {} and {} times the expectation", *shown[1:]),
        ),
        (low >= 1, pl.format(f"above expectation, not surely above {factor:g} times: {{}}", ratio)),
    ]
    text = pl.format("no bright spot: {}", ratio)
    for condition, sentence in reversed(cases):
        text = pl.when(condition).then(sentence).otherwise(text)
    return text


def champion_stability(
    forum: Forum,
    *,
    by: str = "role",
    since: Moment = None,
    until: Moment = None,
    factor: float = 1.5,
    fdr: float = 0.10,
    opportunity_error: float | None = None,
) -> pl.DataFrame:
    """How often each person is selected when the choices behind the selection change.

    The choices: every definition of opportunity the forum supports, both priors, peers or no peer groups, and each
    half of the window alone.

    Returns
    -------
    DataFrame
        ``person_id, selected_share`` (of all variants), one Boolean column per variant, for people selected at least
        once; the most stable first.
    """
    helping = build_helping(forum, since=since, until=until)
    middle = helping.since + (helping.until - helping.since) / 2
    variants: dict[str, dict[str, Any]] = {
        "as asked": {},
        "npmle prior": {"prior": "npmle"},
        "no peer groups": {"by": "(none)"},
    }
    variants |= {f"opportunity {name}": {"opportunity": name} for name in list_opportunities(forum)}
    variants |= {"first half": {"until": middle}, "second half": {"since": middle}}
    base: dict[str, Any] = {"by": by, "since": helping.since, "until": helping.until, "factor": factor, "fdr": fdr}
    base["opportunity_error"] = opportunity_error
    frames = []
    for name, change in variants.items():
        picked = find_champions(forum, **{**base, **change}).select("person_id", pl.col("selected").alias(name))
        frames.append(picked)
    joined = reduce(lambda a, b: a.join(b, on="person_id", how="left", maintain_order="left"), frames)
    share = pl.mean_horizontal(pl.col(name).cast(pl.Float64) for name in variants)
    table = joined.with_columns(selected_share=share).filter(pl.col("selected_share") > 0)
    return table.sort(["selected_share", "person_id"], descending=[True, False]).select(
        "person_id", "selected_share", *variants
    )


def champion_fairness(
    champions: Frame, forum: Forum, *, by: Sequence[str] = ("role", "level", "location"), level: float = 0.95
) -> pl.DataFrame:
    """Selection rate by role, level, location and tenure, with Wilson intervals.

    Parameters
    ----------
    champions
        From `find_champions`; silent people count as not selected.
    by
        Attributes; those nobody has are left out. Tenure (quarters of the people with a known tenure) is always added.

    Returns
    -------
    DataFrame
        ``attribute, value, n_people, n_selected, selected_share, low, high``. A null value is "(not known)".

    Notes
    -----
    When it misleads: a difference between groups can be real, or come from chances that were measured worse for one
    group. Groups of fewer than 10 people should not be published.
    """
    people = as_polars(champions).select("person_id", "selected", "tenure_weeks")
    rows = []
    for name in by:
        if has_attribute(forum, name):
            values = forum.attribute(name).select("person_id", pl.col(name).alias("value"))
            rows.append(people.join(values, on="person_id", how="left").with_columns(attribute=pl.lit(name)))
    known = people.drop_nulls("tenure_weeks").sort("tenure_weeks", "person_id").with_row_index("place")
    quarter = (pl.col("place") * 4 // max(known.height, 1) + 1).cast(pl.String)
    tenure = pl.format("quarter {} (shortest first)", quarter)
    rows.append(known.with_columns(value=tenure, attribute=pl.lit("tenure")).drop("place"))
    columns = ("attribute", pl.col("value").fill_null("(not known)"), "selected")
    counts = (
        pl.concat([row.select(columns) for row in rows])
        .group_by("attribute", "value")
        .agg(pl.len().alias("n_people"), pl.col("selected").sum().cast(pl.Int64).alias("n_selected"))
        .sort("attribute", "value")
    )
    low, high = wilson_interval(counts["n_selected"].to_numpy(), counts["n_people"].to_numpy(), level=level)
    return counts.with_columns(
        selected_share=pl.col("n_selected") / pl.col("n_people"), low=pl.Series(low), high=pl.Series(high)
    )


ENSEMBLE_WEIGHTS: Mapping[str, float] = {
    "recent_helps": 1.0,
    "recent_people": 0.5,
    "recent_weeks": 0.5,
    "recent_recognised": 0.5,
    "recent_posts": 0.1,
    "lasting_helps": 0.1,
    "lasting_people": 0.05,
}
"""Weights of `ensemble_score`: round numbers, the same for every forum."""
HALF_LIFE_SHARE = 1 / 6
"""Half-life of an act in `ensemble_score`, as a share of the history known."""


def ensemble_score(forum: Forum, *, since: Moment = None, until: Moment = None) -> pl.DataFrame:
    """One list for those who need one: who is likely to go on helping, judged from what they did lately.

    Every act counts ``2 ** (-age / half_life)`` with a half-life of a sixth of the history, so that what a person did
    lately counts most and an early champion who left fades. The score is the sum of `ENSEMBLE_WEIGHTS` times the
    faded counts: threads helped in 1, distinct people helped 0.5 (each at the latest help), weeks with a post 0.5,
    helps accepted or thanked 0.5, posts 0.1. What lasts is added unfaded: threads helped in 0.1, people helped 0.05.

    Parameters
    ----------
    since, until
        Window of the acts; age is counted back from its end.

    Returns
    -------
    DataFrame
        ``person_id, score`` and the counts, for all humans who did not opt out, best first (then by id).

    Notes
    -----
    This is a forecast of presence, not a bright spot: it does not adjust for role, tenure or chances, and selects
    nobody. `find_champions` does. The weights are round and the same everywhere; docs/champions/validation.md holds
    them against the usual scores on forums of several kinds, and tells how wide the plateau of equally good weights is.

    When it misleads: it follows those who are active now; an expert on leave fades as one who has gone.

    Source: an exponentially discounted count is the sufficient statistic of a Poisson rate that drifts (the discounted
    gamma-Poisson model, West & Harrison 1997); recency and frequency as in Fader, Hardie & Lee (2005).

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "1"], "author_id": ["ann", "bob"],
    ...                       "kind": ["root", "reply"], "created_at": ["2024-01-01", "2024-01-02"]})
    >>> ensemble_score(build_forum(posts=posts)).select("person_id", pl.col("recent_helps").round(3)).rows()
    [('bob', 1.0), ('ann', 0.0)]
    """
    helping = build_helping(forum, since=since, until=until)
    half_life = max((helping.until - helping.since).total_seconds() * HALF_LIFE_SHARE, 1.0)
    helps = helping.helps.sort("at")
    posts = forum.posts.filter(pl.col("created_at").is_between(helping.since, helping.until, closed="left")).select(
        pl.col("author_id").alias("person_id"), at="created_at"
    )
    weeks = posts.with_columns(week=((helping.until - pl.col("at")).dt.total_seconds() // (7 * 86400)))
    recognised = helps.filter((pl.col("n_accepted") + pl.col("n_thanks")) > 0)
    parts = {
        "recent_helps": helps,
        "recent_people": helps.unique(["person_id", "asker_id"], keep="last"),
        "recent_weeks": weeks.sort("at").unique(["person_id", "week"], keep="last"),
        "recent_recognised": recognised,
        "recent_posts": posts,
    }
    people = forum.people.filter((pl.col("kind") == "human") & ~pl.col("opt_out")).select("person_id")
    lasting = {"lasting_helps": parts["recent_helps"], "lasting_people": parts["recent_people"]}
    for name, acts in {**parts, **lasting}.items():
        faded = _faded(acts, helping.until, half_life if name in parts else float("inf")).rename({"faded": name})
        people = people.join(faded, on="person_id", how="left").with_columns(pl.col(name).fill_null(0.0))
    score = pl.sum_horizontal(pl.col(name) * weight for name, weight in ENSEMBLE_WEIGHTS.items())
    # Sums are rounded so that the order in which polars adds cannot decide a tie.
    table = people.with_columns(score.round(9).alias("score"))
    return table.select("person_id", "score", *ENSEMBLE_WEIGHTS).sort("score", "person_id", descending=[True, False])


def _faded(acts: pl.DataFrame, until: datetime, half_life: float) -> pl.DataFrame:
    age = (until - pl.col("at")).dt.total_seconds() / half_life
    ordered = acts.sort("person_id", "at")
    weighted = ordered.select("person_id", (-age * np.log(2)).exp().alias("faded"))
    return weighted.group_by("person_id", maintain_order=True).agg(pl.col("faded").sum().round(9))
