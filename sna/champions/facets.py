"""The facets of a champion, measured apart: each is a ratio to what was to be expected, partially pooled.

Every facet is a DataFrame ``person_id, <facet>, <facet>_low, <facet>_high`` and the counts it rests on. Where the
source cannot support one, the values are null and `list_facets` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from sna.champions.chances import chance_error, count_chances
from sna.champions.helps import Helping
from sna.forum import Forum, join_attribute
from sna.stats.shrinkage import fit_precision, shrink_means, shrink_rates, shrink_shares
from sna.talk.windows import WEEK

FACETS = {
    "contribution": "threads of others helped in, against other helpers of the same chances, group and tenure",
    "helpfulness": "share of helps that were accepted or thanked, against the same quarter, place and competition",
    "appreciation": "share of helps that were liked, against the same quarter, place and competition",
    "waiting_saved_hours": "hours the asker would have waited longer for the next helper, per help, at most 168",
    "reach": "distinct people helped, against other helpers who could have helped as many people",
    "bridging": "share of helps across groups, against who asks in the same spaces",
    "catalysis": "newcomers helped first who came back, against comparable newcomers (association, not effect)",
    "consistency": "share of weeks with a help, against everybody's share",
}
_WAIT_CAP_HOURS = 168.0
_MIN_COVARIATE_PEOPLE = 50
_MIN_RECOGNISED = 10
_MIN_NEWCOMERS = 200
_MIN_NEWCOMERS_OWN = 5
_RETURN_DAYS = 60
# No record is exact: with 0, one forum in two without any champion had somebody named.
_LEAST_ERROR = 0.1
UNSEEN_ATTENTION = 1.0
"""Log standard deviation of how much people read, taken for ranks where no views are recorded: forums with views show
0.6 to 1.0, and nothing but views can tell."""


@dataclass(frozen=True)
class Facet:
    """One side of helping, as measured in one forum and window.

    Attributes
    ----------
    name
        Its name, a key of `FACETS`.
    frame
        ``person_id, <name>, <name>_low, <name>_high`` and the counts behind them; nulls where it cannot be measured.
    reason
        Why it cannot be measured; empty when it can.
    """

    name: str
    frame: pl.DataFrame
    reason: str = ""


@dataclass(frozen=True)
class FacetTable:
    """All facets of everybody who took part, in one table.

    Attributes
    ----------
    people
        One row per person: the facets, their counts and what was expected.
    reasons
        By facet, why it could not be measured.
    exposure_error
        Log standard deviation of the error in chances that the intervals include.
    views
        Whether chances are recorded views.
    """

    people: pl.DataFrame
    reasons: Mapping[str, str]
    exposure_error: float
    views: bool


def build_facets(
    forum: Forum,
    helping: Helping,
    *,
    by: str = "role",
    factor: float = 1.5,
    level: float = 0.95,
    opportunity: str = "auto",
    opportunity_error: float | None = None,
    prior: str = "gamma",
) -> FacetTable:
    """All facets of every human who took part, and of nobody else; see `sna.find_champions` for the arguments."""
    people = _participants(forum, helping, by)
    chances = count_chances(forum, helping, opportunity=opportunity)
    error = max(chance_error(helping, chances), _LEAST_ERROR) if opportunity_error is None else opportunity_error
    people = people.join(chances, on="person_id", how="left", maintain_order="left")
    helps = helping.helps.filter(pl.col("person_id").is_in(people["person_id"].implode()))
    options = {"level": level, "exposure_error": error}
    facets = [
        _contribution(people, helps, factor=factor, prior=prior, **options),
        _recognition(people, helps, "helpfulness", pl.col("n_accepted") + pl.col("n_thanks"), level=level),
        _recognition(people, helps, "appreciation", pl.col("n_likes"), level=level),
        _waiting_saved(people, helps, helping, level=level),
        _reach(people, helps, **options),
        _bridging(forum, people, helping, helps, by=by, level=level),
        _catalysis(forum, people, helping, level=level),
        _consistency(people, helps, level=level),
    ]
    frames = (facet.frame for facet in facets)
    joined = reduce(lambda a, b: a.join(b, on="person_id", how="left", maintain_order="left"), frames)
    reasons = {facet.name: facet.reason for facet in facets if facet.reason}
    return FacetTable(joined, reasons, error, (chances["opportunity"] == "reads").any())


def _participants(forum: Forum, helping: Helping, by: str) -> pl.DataFrame:
    """Humans who posted or helped in the window, with their group as of its end (null where none is known)."""
    posted = forum.posts.filter(pl.col("created_at").is_between(helping.since, helping.until, closed="left"))
    active = pl.concat([posted["author_id"].drop_nulls(), helping.helps["person_id"].alias("author_id")]).unique()
    spans = helping.spans.filter(pl.col("person_id").is_in(active.implode()))
    first = posted.group_by(pl.col("author_id").alias("person_id")).agg(pl.col("created_at").min().alias("first_at"))
    rows = spans.join(first, on="person_id", how="left", maintain_order="left")
    if not has_attribute(forum, by):
        return rows.with_columns(group=pl.lit(None, pl.String))
    return join_attribute(forum, rows.with_columns(_at=pl.lit(helping.until)), by=by, at="_at", into="group").drop(
        "_at"
    )


def has_attribute(forum: Forum, name: str) -> bool:
    """Whether anybody has this attribute."""
    return bool((forum.roles["attribute"] == name).any())


def _counted(people: pl.DataFrame, helps: pl.DataFrame) -> pl.DataFrame:
    """Helps that count against chances: all but the act by which somebody was first seen."""
    entry = people.filter("entered_by_act").select("person_id", "first_at")
    joined = helps.join(entry, on="person_id", how="left", maintain_order="left")
    return joined.filter(pl.col("first_at").is_null() | (pl.col("at") != pl.col("first_at")))


def _per_person(people: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """Counts beside each participant, zero where there are none."""
    joined = people.join(counts, on="person_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col(name).fill_null(0) for name in counts.columns if name != "person_id")


def _named(people: pl.DataFrame, result: pl.DataFrame, name: str) -> pl.DataFrame:
    columns = {"estimate": name, "low": f"{name}_low", "high": f"{name}_high"}
    return pl.concat([people.select("person_id"), result.select(list(columns)).rename(columns)], how="horizontal")


def _covariates(people: pl.DataFrame) -> np.ndarray | None:
    """Log tenure; left out in small forums, where it only adds noise."""
    if people.height < _MIN_COVARIATE_PEOPLE:
        return None
    return np.log1p(people.select("weeks").cast(pl.Float64).to_numpy())


def _rates(people: pl.DataFrame, count: str, exposure: str, **options: Any) -> pl.DataFrame:
    """Ratio to what other helpers do: people who only ask are nobody's yardstick, and get no ratio."""
    helper = (pl.col(exposure) > 0) & (pl.col(count) > 0)
    chance = pl.when(helper).then(pl.max_horizontal(exposure, count)).otherwise(0.0)
    rows = people.with_columns(chance.alias(exposure))
    counts = np.where(rows[exposure].to_numpy() > 0, rows[count].to_numpy(), 0)
    group = rows["group"].to_list() if rows["group"].null_count() < rows.height else None
    return shrink_rates(counts, rows[exposure].to_numpy(), group=group, covariates=_covariates(rows), **options)


def _contribution(people: pl.DataFrame, helps: pl.DataFrame, **options: Any) -> Facet:
    all_helps = helps.group_by("person_id").agg(
        pl.len().alias("n_helps"),
        pl.col("space").drop_nulls().n_unique().alias("n_spaces"),
        pl.col("asker_id").n_unique().alias("n_people_helped"),
    )
    counted = _counted(people, helps).group_by("person_id").agg(pl.len().alias("n_counted"))
    rows = _per_person(_per_person(people, all_helps), counted)
    result = _rates(rows, "n_counted", "n_chances", **options)
    frame = pl.concat([_named(rows, result, "contribution"), result.select("expected", "prob_above")], how="horizontal")
    extra = rows.select(
        "group", "weeks", "n_chances", "hours_share", "opportunity", *all_helps.columns[1:], "n_counted"
    )
    return Facet("contribution", pl.concat([frame, extra], how="horizontal").rename({"weeks": "tenure_weeks"}))


def _reach(people: pl.DataFrame, helps: pl.DataFrame, **options: Any) -> Facet:
    counted = _counted(people, helps).group_by("person_id").agg(pl.col("asker_id").n_unique().alias("n_reached"))
    rows = _per_person(people, counted)
    result = _rates(rows, "n_reached", "n_chances_people", **options)
    return Facet("reach", _named(rows, result, "reach"))


_RECOGNITION = {"helpfulness": ("accepted or thanked", "n_recognised"), "appreciation": ("liked", "n_liked")}


def _recognition(people: pl.DataFrame, helps: pl.DataFrame, name: str, signals: pl.Expr, *, level: float) -> Facet:
    """Share of a person's helps with such signals, against what helps of the same kind and quarter got."""
    words, count = _RECOGNITION[name]
    marked = helps.with_columns(hit=(signals > 0).cast(pl.Float64))
    found = int(marked["hit"].sum())
    if found < _MIN_RECOGNISED:
        reason = f"{found} helps are known to be {words}, {_MIN_RECOGNISED} are needed"
        return Facet(name, _empty(people, name, {count: pl.Int64}), reason)
    sums = (
        marked.with_columns(usual=_usual_share(marked))
        .group_by("person_id")
        .agg(pl.col("hit").sum().cast(pl.Int64).alias(count), pl.len().alias("n"), pl.col("usual").mean())
    )
    rows = _per_person(people, sums)
    result = shrink_shares(
        rows[count].to_numpy(), rows["n"].to_numpy(), expected_share=rows["usual"].to_numpy(), level=level
    )
    return Facet(name, _named(rows, result, name).with_columns(rows[count]))


def _usual_share(marked: pl.DataFrame) -> pl.Series:
    """Expected share of hits of each help: that of its place and competition, times how its quarter did."""
    stratum = [pl.col("position").clip(upper_bound=3), pl.col("n_helpers").clip(upper_bound=3)]
    usual = (pl.col("hit").sum() + marked["hit"].mean()) / (pl.len() + 1)
    quarter = pl.col("at").dt.truncate("1q")
    rows = marked.with_columns(usual.over(stratum).alias("usual"))
    change = (pl.col("hit").sum() + 1) / (pl.col("usual").sum() + 1)
    return rows.select((pl.col("usual") * change.over(quarter)).clip(0.0, 0.99)).to_series()


def _waiting_saved(people: pl.DataFrame, helps: pl.DataFrame, helping: Helping, *, level: float) -> Facet:
    if helping.basis != "threads":
        return Facet("waiting_saved_hours", _empty(people, "waiting_saved_hours", {}), "the source has no threads")
    saved = saved_hours(helps, helping)
    sums = saved.group_by("person_id").agg(pl.col("saved_hours").mean().alias("mean"), pl.len().alias("n"))
    within = saved.select((pl.col("saved_hours") - pl.col("saved_hours").mean().over("person_id")).pow(2).sum()).item()
    freedom = max(saved.height - sums.height, 1)
    rows = people.join(sums, on="person_id", how="left", maintain_order="left")
    variance = (within or 0.0) / freedom / rows["n"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    result = shrink_means(rows["mean"].fill_null(float("nan")).to_numpy(), variance, level=level)
    floor = pl.col("estimate", "low").clip(lower_bound=0.0)
    return Facet("waiting_saved_hours", _named(rows, result.with_columns(floor), "waiting_saved_hours"))


def saved_hours(helps: pl.DataFrame, helping: Helping) -> pl.DataFrame:
    """Add ``saved_hours``: how much longer the asker would have waited for the next helper.

    0 for everyone but the first helper; at most 168; where nobody else came, the time observed after the help.
    """
    gap = pl.coalesce("next_at", pl.lit(helping.until)) - pl.col("at")
    hours = (gap.dt.total_seconds() / 3600).clip(0.0, _WAIT_CAP_HOURS)
    return helps.with_columns(saved_hours=pl.when(pl.col("position") == 1).then(hours).otherwise(0.0))


def _bridging(
    forum: Forum, people: pl.DataFrame, helping: Helping, helps: pl.DataFrame, *, by: str, level: float
) -> Facet:
    counts = {"n_cross": pl.Int64, "n_groups": pl.Int64}
    if not has_attribute(forum, by):
        return Facet("bridging", _empty(people, "bridging", counts), f"nobody's {by!r} is known")
    acts = join_attribute(forum, helps, by=by, at="at", into="own")
    acts = join_attribute(forum, acts, by=by, person="asker_id", at="at", into="other").drop_nulls(["own", "other"])
    if acts.is_empty():
        return Facet("bridging", _empty(people, "bridging", counts), f"no help between two people of known {by!r}")
    acts = acts.with_columns(cross=pl.col("own") != pl.col("other"), chance=_cross_chance(forum, helping, acts, by))
    sums = acts.group_by("person_id").agg(
        pl.col("cross").sum().cast(pl.Int64).alias("n_cross"),
        pl.col("other").n_unique().cast(pl.Int64).alias("n_groups"),
        pl.len().alias("n"),
        pl.col("chance").mean(),
    )
    rows = _per_person(people, sums)
    usable = (rows["chance"].is_between(0.01, 0.99) & (rows["n"] > 0)).to_numpy()
    result = shrink_shares(
        np.where(usable, rows["n_cross"].to_numpy(), 0),
        np.where(usable, rows["n"].to_numpy(), 0),
        expected_share=rows["chance"].to_numpy(),
        level=level,
    )
    return Facet("bridging", _named(rows, result, "bridging").with_columns(rows["n_cross"], rows["n_groups"]))


def _cross_chance(forum: Forum, helping: Helping, acts: pl.DataFrame, by: str) -> pl.Series:
    """Share of the threads of others in the same space whose asker is of another group: the null of one help."""
    pool = join_attribute(forum, helping.chances, by=by, person="asker_id", at="asked_at", into="other").drop_nulls(
        "other"
    )
    space = pl.col("space").fill_null("").alias("space")
    pool = pool.select(space, "other", "asker_id")
    sizes = pool.group_by("space").len("n_all")
    same = pool.group_by("space", pl.col("other").alias("own")).len("n_same")
    mine = pool.group_by("space", pl.col("asker_id").alias("person_id")).len("n_mine")
    mine_same = pool.group_by("space", pl.col("asker_id").alias("person_id"), pl.col("other").alias("own")).len(
        "n_both"
    )
    rows = acts.select(space, "own", "person_id")
    for frame, on in ((sizes, ["space"]), (same, ["space", "own"]), (mine, ["space", "person_id"])):
        rows = rows.join(frame, on=on, how="left", maintain_order="left")
    rows = rows.join(mine_same, on=["space", "person_id", "own"], how="left", maintain_order="left").fill_null(0)
    others = (pl.col("n_all").cast(pl.Float64) - pl.col("n_mine")).clip(lower_bound=1.0)
    return rows.select(1 - ((pl.col("n_same").cast(pl.Float64) - pl.col("n_both")) / others).clip(0.0, 1.0)).to_series()


def list_newcomers(forum: Forum, helping: Helping) -> pl.DataFrame:
    """People whose first post started a thread: ``person_id, asked_at, thread_id, helper_id, returned``.

    ``helper_id`` is the first helper (null for none) and ``returned`` whether the newcomer posted in another thread
    within 60 days; only those who could be observed for 60 days.
    """
    first = forum.posts.drop_nulls(["author_id", "created_at"]).unique("author_id", keep="first", maintain_order=True)
    window = timedelta(days=_RETURN_DAYS)
    fresh = helping.chances.join(
        first.select("thread_id", pl.col("author_id").alias("asker_id"), at="created_at"),
        on=["thread_id", "asker_id"],
    ).filter((pl.col("at") == pl.col("asked_at")) & (pl.col("asked_at") < helping.until - window))
    later = forum.posts.filter(pl.col("created_at") < helping.until).select(
        pl.col("author_id").alias("asker_id"), pl.col("thread_id").alias("other"), at2="created_at"
    )
    again = fresh.join(later, on="asker_id").filter(
        (pl.col("other") != pl.col("thread_id")) & (pl.col("at2") <= pl.col("asked_at") + window)
    )
    helper = helping.helps.filter(pl.col("position") == 1).select("thread_id", pl.col("person_id").alias("helper_id"))
    return (
        fresh.join(helper, on="thread_id", how="left", maintain_order="left")
        .select("asker_id", "asked_at", "thread_id", "helper_id", "space")
        .with_columns(returned=pl.col("asker_id").is_in(again["asker_id"].implode()))
        .rename({"asker_id": "person_id"})
    )


def _catalysis(forum: Forum, people: pl.DataFrame, helping: Helping, *, level: float) -> Facet:
    counts = {"n_newcomers": pl.Int64}
    if helping.basis != "threads":
        return Facet("catalysis", _empty(people, "catalysis", counts), "the source has no threads")
    answered = list_newcomers(forum, helping).drop_nulls("helper_id")
    sums = answered.group_by(pl.col("helper_id").alias("person_id")).agg(
        pl.len().cast(pl.Int64).alias("n_newcomers"), pl.col("returned").sum().alias("hits")
    )
    rows = _per_person(people, sums)
    blank = _empty(people, "catalysis", {}).with_columns(rows["n_newcomers"])
    if answered.height < _MIN_NEWCOMERS:
        return Facet(
            "catalysis",
            blank,
            f"insufficient data: {answered.height} newcomers were helped, {_MIN_NEWCOMERS} are needed",
        )
    k, n = rows["hits"].cast(pl.Float64).to_numpy(), rows["n_newcomers"].cast(pl.Float64).to_numpy()
    if _spread_p(k, n) > 0.05:
        return Facet("catalysis", blank, "insufficient data: helpers do not differ beyond chance in newcomers' return")
    usable = n >= _MIN_NEWCOMERS_OWN
    result = shrink_shares(np.where(usable, k, 0), np.where(usable, n, 0), level=level)
    return Facet("catalysis", _named(rows, result, "catalysis").with_columns(rows["n_newcomers"]))


def _spread_p(successes: np.ndarray, trials: np.ndarray) -> float:
    """Likelihood-ratio test of whether shares differ between people at all (half chi-square, 1 df)."""
    k, n = successes[trials > 0], trials[trials > 0]
    mean = np.full(k.size, np.clip(k.sum() / n.sum(), 1e-6, 1 - 1e-6))
    precision = fit_precision(k, n, mean=mean)
    pooled = stats.betabinom.logpmf(k, n, mean * precision, (1 - mean) * precision).sum()
    equal = stats.binom.logpmf(k, n, mean).sum()
    return float(0.5 * stats.chi2.sf(max(0.0, 2 * (pooled - equal)), 1))


def _consistency(people: pl.DataFrame, helps: pl.DataFrame, *, level: float) -> Facet:
    weeks = helps.group_by("person_id").agg(
        pl.col("at").dt.truncate(WEEK).n_unique().cast(pl.Int64).alias("n_weeks_active")
    )
    rows = _per_person(people, weeks).with_columns(
        all_weeks=pl.max_horizontal(pl.col("weeks").ceil(), pl.col("n_weeks_active"), 1)
    )
    result = shrink_shares(rows["n_weeks_active"].to_numpy(), rows["all_weeks"].to_numpy(), level=level)
    return Facet("consistency", _named(rows, result, "consistency").with_columns(rows["n_weeks_active"]))


def _empty(people: pl.DataFrame, name: str, counts: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    nulls = [pl.lit(None, pl.Float64).alias(column) for column in (name, f"{name}_low", f"{name}_high")]
    return people.select("person_id", *nulls, *(pl.lit(None, dtype).alias(n) for n, dtype in counts.items()))
