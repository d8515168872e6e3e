"""How far a selection depends on choices, and whom it reaches: stability and fairness of `find_champions`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import polars as pl

from sna.champions.chances import list_opportunities
from sna.champions.facets import build_facets, has_attribute
from sna.champions.find import judge_people
from sna.champions.helps import build_helping, last_year
from sna.forum import Forum
from sna.people.listed import listed_people
from sna.stats.inference import wilson_interval
from sna.types import Frame, Moment, as_polars


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

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> forum = make_forum(n_people=40, n_threads=60, rng=1).forum
    >>> champion_stability(forum).columns[:3]
    ['person_id', 'selected_share', 'as asked']
    """
    helping = build_helping(forum, since=last_year(forum, since=since, until=until), until=until)
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
    frames = [listed_people(forum)]
    for name, change in variants.items():
        picked = _selected(forum, **{**base, **change}).select("person_id", pl.col("selected").alias(name))
        frames.append(picked)
    joined = reduce(lambda a, b: a.join(b, on="person_id", how="left", maintain_order="left"), frames)
    joined = joined.with_columns(pl.col(name).fill_null(value=False) for name in variants)
    share = pl.mean_horizontal(pl.col(name).cast(pl.Float64) for name in variants)
    table = joined.with_columns(selected_share=share).filter(pl.col("selected_share") > 0)
    return table.sort(["selected_share", "person_id"], descending=[True, False]).select(
        "person_id", "selected_share", *variants
    )


def _selected(forum: Forum, *, fdr: float, since: Moment, until: Moment, **options: Any) -> pl.DataFrame:
    """Who is a champion under these options, without the ranks and forecasts of `sna.find_champions`."""
    helping = build_helping(forum, since=since, until=until)
    return judge_people(forum, helping, facets=build_facets(forum, helping, **options), fdr=fdr)


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

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> people = pl.DataFrame({"person_id": ["a", "b"], "selected": [True, False], "tenure_weeks": [1.0, 1.0]})
    >>> roles = pl.DataFrame({"person_id": ["a", "b"], "attribute": ["role"] * 2, "value": ["IT", "IT"]})
    >>> table = champion_fairness(people, build_forum(roles=roles), by=("role",)).filter(attribute="role")
    >>> table.select("value", "selected_share", pl.col("low", "high").round(2)).rows()
    [('IT', 0.5, 0.09, 0.91)]
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
