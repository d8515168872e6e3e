"""Champions: people who help steadily, lately, and more than peers with the same chances, with the uncertainty said.

Loud is not enough, and a title is not evidence. The order is the score that validation measures (`ensemble_score`).
The rate ratio is a filter and an explanation. Ranks are sets, facets stay apart, and what only looks like a champion is
held back with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from sna.champions.facets import FACETS, UNSEEN_ATTENTION, FacetTable, build_facets, has_attribute
from sna.champions.forecast import forecast_from
from sna.champions.guards import Case, find_cautions
from sna.champions.helps import Helping, build_helping, last_year, narrow_helping
from sna.champions.score import score_helps
from sna.errors import ParameterError
from sna.forum import Forum
from sna.people.listed import listed_people
from sna.stats.ranks import find_top_set, rank_sets, rate_scale
from sna.types import Moment

_MIN_HELPERS = 10
_MIN_HELPS = 30
_MIN_EXPECTED = 1.0
FLOOR: Mapping[str, int] = {"n_helps": 5, "n_people_helped": 3, "n_weeks_active": 3}
"""Fewer helps, people helped or weeks with a help than these, and nobody is named."""
STANDINGS = ("champion", "steady helper")
"""Values of the column ``standing``; null for everybody else."""


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
    """Find people who help steadily and lately, and more than peers with the same chances.

    Champions come first, then steady helpers, then everybody else, each in the order of `sna.ensemble_score`, the one
    that `sna.validate_champions` measures. A **champion** helped more often than other helpers with the same chances
    (interval above 1, and at least ``factor`` times with probability ``1 - fdr``), at least 5 times, 3 people, in 3
    weeks, was seen in the last quarter of the window, and no guard (`list_guards`) holds them back. A **steady helper**
    meets the same counts; nothing is claimed about their chances.

    Parameters
    ----------
    forum
        Any forum with threads, replies or mentions.
    by
        Attribute that makes peers ("role", "level", "department"). When nobody has it, all are one group: the column
        ``group`` is then null and ``not_measured`` says so.
    since, until
        Window of the helps and the chances, ``since <= at < until``; roles are those at its end. By default the last
        twelve months.
    factor
        How many times the expectation makes a champion.
    fdr
        How probable it may be that a champion's ratio is below ``factor``. As far as chances are known, the expected
        share of wrong names is then at most this. Without recorded views it is no bound: part of a ratio may be time
        spent reading.
    top
        The k of ``certainly_top`` and ``possibly_top``.
    level
        Of all intervals and of the rank sets. People of whom less than one help is expected are not ranked.
    opportunity
        How chances are counted; see `sna.champions.chances.count_chances`.
    opportunity_error
        Log standard deviation of the error in a person's chances. By default it is estimated from odd against even
        weeks (`sna.champions.chances.chance_error`), and at least 0.1. Rank sets take 1.0 where no views are recorded,
        because how much people read is then unknown.
    prior
        "gamma", or "npmle" for a prior of any shape.

    Returns
    -------
    DataFrame
        One row per human who did not opt out: ``person_id, group, score, standing`` ("champion", "steady helper" or
        null), ``selected`` (champions), ``n_helps, n_people_helped, n_weeks_active, last_seen`` (last post in the
        window), ``chance_next_quarter`` (of helping in the next 13 weeks, `sna.forecast_helping`), ``n_chances,
        expected_helps``; each facet of `sna.champions.FACETS` as a ratio to the expectation (hours for
        ``waiting_saved_hours``) with ``_low`` and ``_high``; ``prob_above`` = P(ratio >= factor), ``rank_low,
        rank_high, certainly_top`` (champions only), ``possibly_top``, the counts behind the facets, ``caution`` (what
        to look at before naming somebody), ``verdict`` in words and ``not_measured`` with what this source cannot tell.
        Silent people are listed with nulls.

    Raises
    ------
    NotAnswerableError
        When posts have no times, or nobody's acts can be assigned to anybody.
    ParameterError
        For arguments out of range.

    Notes
    -----
    People who opted out stay in the expectations (as everybody's peers) and never in the table.

    When it misleads: when chances are measured wrongly (a busy space counted as a quiet one) the ratio is wrong by the
    same factor; compare `champion_stability`. A rate says nothing about why: a rota or a job description may explain
    it. docs/champions/calibration.json says what share of planted champions is found, and what share of names is wrong.

    Sources: Clayton & Kaldor (1987); Mogstad et al. (2024); Gu & Koenker (2023).

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> simulation = make_forum(n_people=120, n_threads=900, champion_factor=6.0, theta_shape=50.0, rng=1)
    >>> found = find_champions(simulation.forum).filter("selected")["person_id"]
    >>> sorted(found) == list(simulation.truth.champions)
    True
    """
    _check(factor=factor, fdr=fdr, top=top, level=level)
    history = build_helping(forum, until=until)
    helping = narrow_helping(forum, history, since=last_year(forum, since=since, until=until))
    options: dict[str, Any] = {"by": by, "factor": factor, "level": level, "opportunity": opportunity, "prior": prior}
    facets = build_facets(forum, helping, opportunity_error=opportunity_error, **options)
    judged = judge_people(forum, helping, facets=facets, fdr=fdr)
    error = _rank_error(facets) if opportunity_error is None else opportunity_error
    ranked = _rank(judged, top=top, level=level, error=error)
    score = score_helps(forum, history.helps, since=history.since, until=history.until).select("person_id", "score")
    chance = forecast_from(forum, history).drop("basis")
    table = listed_people(forum)
    for known in (ranked, score, chance):
        table = table.join(known, on="person_id", how="left")
    return (
        table.with_columns(
            pl.col("n_helps", "n_people_helped").fill_null(0),
            pl.col("selected", "certainly_top", "possibly_top").fill_null(value=False),
            verdict=_verdict(level, helping, views=facets.views),
            not_measured=pl.lit(_missing(forum, facets, helping, by)),
        )
        .sort(_order(), "score", "person_id", descending=[False, True, False], nulls_last=True)
        .select(CHAMPION_COLUMNS)
    )


def _order() -> pl.Expr:
    """Champions, then steady helpers, then everybody else."""
    return pl.col("standing").replace_strict({name: i for i, name in enumerate(STANDINGS)}, default=len(STANDINGS))


CHAMPION_COLUMNS = (
    "person_id",
    "group",
    "score",
    "standing",
    "selected",
    "n_helps",
    "n_people_helped",
    "n_weeks_active",
    "last_seen",
    "chance_next_quarter",
    "n_chances",
    "expected_helps",
    "contribution",
    "contribution_low",
    "contribution_high",
    "prob_above",
    "rank_low",
    "rank_high",
    "certainly_top",
    "possibly_top",
    *(f"{name}{end}" for name in list(FACETS)[1:] for end in ("", "_low", "_high")),
    "n_recognised",
    "n_liked",
    "n_spaces",
    "n_groups",
    "n_cross",
    "n_newcomers",
    "tenure_weeks",
    "opportunity",
    "caution",
    "verdict",
    "not_measured",
)
"""Columns of `find_champions`, in order."""


def list_facets(forum: Forum, *, by: str = "role", since: Moment = None, until: Moment = None) -> pl.DataFrame:
    """What each facet measures and whether this forum supports it: ``facet, meaning, measured, reason``.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> list_facets(make_forum(n_people=40, n_threads=60, rng=1).forum)["facet"].to_list()[:3]
    ['contribution', 'helpfulness', 'appreciation']
    """
    helping = build_helping(forum, since=last_year(forum, since=since, until=until), until=until)
    reasons = build_facets(forum, helping, by=by).reasons
    rows = [(name, meaning, name not in reasons, reasons.get(name, "")) for name, meaning in FACETS.items()]
    return pl.DataFrame(rows, schema=["facet", "meaning", "measured", "reason"], orient="row")


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


def _with_facts(forum: Forum, helping: Helping, people: pl.DataFrame, facets: FacetTable) -> pl.DataFrame:
    """Add when people were last seen, and what to look at before naming them."""
    inside = pl.col("created_at").is_between(helping.since, helping.until, closed="left")
    seen = forum.posts.filter(inside).group_by(pl.col("author_id").alias("person_id"))
    cautions = find_cautions(Case(forum, helping, facets.people))
    joined = people.join(
        seen.agg(pl.col("created_at").max().alias("last_seen")), on="person_id", how="left", maintain_order="left"
    ).join(cautions, on="person_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("held_back").fill_null(value=False))


def judge_people(forum: Forum, helping: Helping, *, facets: FacetTable, fdr: float) -> pl.DataFrame:
    """Who is a champion and who a steady helper among those who took part; the reasons stay as columns."""
    shown = listed_people(forum).join(facets.people, on="person_id", how="inner", maintain_order="left")
    people = _with_facts(forum, helping, shown, facets)
    n_helpers, n_helps = int((people["n_helps"] > 0).sum()), int(people["n_helps"].sum())
    enough = n_helpers >= _MIN_HELPERS and n_helps >= _MIN_HELPS
    last_quarter = helping.until - (helping.until - helping.since) / 4
    floor = pl.all_horizontal(pl.col(name) >= least for name, least in FLOOR.items())
    return (
        people.with_columns(
            enough=pl.lit(enough),
            above=pl.lit(enough)
            & (pl.col("prob_above") >= 1 - fdr).fill_null(value=False)
            & (pl.col("contribution_low") > 1).fill_null(value=False),
            enough_helps=floor.fill_null(value=False),
            lately=(pl.col("last_seen") >= last_quarter).fill_null(value=False),
            unhelpful=(pl.col("helpfulness_high") < 1).fill_null(value=False),
        )
        .with_columns(steady=pl.col("enough_helps") & pl.col("lately") & ~pl.col("held_back"))
        .with_columns(selected=pl.col("above") & pl.col("steady") & ~pl.col("unhelpful"))
        .with_columns(
            standing=pl.when("selected").then(pl.lit(STANDINGS[0])).when("steady").then(pl.lit(STANDINGS[1])),
            expected_helps=pl.col("expected"),
        )
    )


def _rank_error(facets: FacetTable) -> float:
    """Error of chances for ranks: without views, nobody knows how much people read."""
    return facets.exposure_error if facets.views else max(facets.exposure_error, UNSEEN_ATTENTION)


def _rank(people: pl.DataFrame, *, top: int, level: float, error: float) -> pl.DataFrame:
    expected = people["expected"].fill_null(0.0).to_numpy()
    exposure = np.where(expected >= _MIN_EXPECTED, expected, 0.0)
    scale, spread = rate_scale(people["n_counted"].to_numpy(), exposure, error=error)
    sets = rank_sets(scale, spread, level=level).select("rank_low", "rank_high")
    possible = pl.Series("possibly_top", find_top_set(scale, spread, top=top, level=level))
    return pl.concat([people, sets], how="horizontal").with_columns(
        certainly_top=(pl.col("rank_high") <= top) & pl.col("selected"), possibly_top=possible
    )


def _missing(forum: Forum, facets: FacetTable, helping: Helping, by: str) -> str:
    """What could not be measured, and why, as one line."""
    notes = [] if has_attribute(forum, by) else [f"group: nobody's {by!r} is known, so all are compared with all"]
    undated = forum.posts["created_at"].null_count()
    if undated:
        notes.append(f"times: {undated:,} of {forum.posts.height:,} posts have no time and are not counted")
    if not facets.views:
        notes.append("views: how much each person reads is not recorded, so part of a ratio may be time spent reading")
    if helping.helps.is_empty():
        notes.append("helps: nobody wrote in a thread that somebody else started")
    return "; ".join([*notes, *(f"{name}: {reason}" for name, reason in facets.reasons.items())])


def _verdict(level: float, helping: Helping, *, views: bool) -> pl.Expr:
    low, high = pl.col("contribution_low").round(1), pl.col("contribution_high").round(1)
    peers = "other helpers who viewed as many" if views else "other helpers in the same spaces at the same time"
    ratio = pl.format(
        f"{{}} times as many as {peers} ({level:.0%} interval {{}} to {{}})", pl.col("contribution").round(1), low, high
    )
    unseen = "" if views else "; part of this may be time spent reading, which is not recorded"
    counts = pl.format("{} helps for {} people in {} weeks", "n_helps", "n_people_helped", "n_weeks_active")
    last = pl.format("last seen {}", pl.col("last_seen").dt.strftime("%Y-%m-%d"))
    cases = [
        (pl.col("n_counted").is_null(), pl.lit("silent in this period")),
        (pl.lit(helping.helps.is_empty()), pl.lit("insufficient data: nobody helped anybody in this period")),
        (pl.col("selected"), pl.format(f"champion: {{}}, {{}}{unseen}", counts, ratio)),
        (
            pl.col("held_back") & (pl.col("n_helps") >= FLOOR["n_helps"]),
            pl.format("held back: {}; {}", "caution", counts),
        ),
        (
            pl.col("unhelpful") & pl.col("above"),
            pl.format("active, but accepted or thanked less than expected: {}", ratio),
        ),
        (
            pl.col("steady") & ~pl.col("enough"),
            pl.format("steady helper: {}; too few helpers here to compare", counts),
        ),
        (pl.col("steady"), pl.format("steady helper: {}; {}", counts, ratio)),
        (~pl.col("enough"), pl.format("insufficient data: too few helpers or helps in this period; {}", counts)),
        (pl.col("n_helps") == 0, pl.lit("took part, helped nobody in this period")),
        (pl.col("contribution").is_null(), pl.format("insufficient data: no chances to help are known; {}", counts)),
        (pl.col("enough_helps"), pl.format("not seen lately: {}; {}", last, counts)),
        (pl.col("above"), pl.format("too few helps to name: {}, {}", counts, ratio)),
    ]
    text = pl.format("not named: {}; {}", counts, ratio)
    for condition, sentence in reversed(cases):
        text = pl.when(condition).then(sentence).otherwise(text)
    return text
