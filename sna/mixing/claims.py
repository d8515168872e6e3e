"""Claims about the level of talk across groups, and the pairs that stay silent, against the null for claims.

The null decides the answer, so the share of talk across groups is shown as a ladder of nulls (`cross_role_ladder`),
claims rest on the thread-participation null alone (`cross_role_level`), and the headline is change over time
(`cross_role_change`). Models that put a person's measured activity into a regression of ties (conditional logit,
log-linear tables by role) are left out on purpose: with no preference at all they report one in 20 to 95 % of forums.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sna.errors import NotAnswerableError
from sna.forum import Forum
from sna.mixing.draws import BY, MixingDraws, require_groups, take_draws
from sna.mixing.matrix import judge_matrix, list_rungs, take_joinings
from sna.mixing.nulls import Moments, Null, draw_counts, participation_null, require_null
from sna.mixing.pairs import Pairs, code_joins, count_groups, cross_share, cut_periods, lay_strata
from sna.mixing.seating import place_preference, t_estimate
from sna.results import Estimate
from sna.stats.inference import logit, monte_carlo_p, normal_p
from sna.types import Floats, Moment


def cross_role_ladder(
    data: Forum | MixingDraws,
    *,
    by: str | None = None,
    since: Moment = None,
    until: Moment = None,
    every: str | None = None,
    draws: int = 999,
    rng: np.random.Generator | int | None = None,
) -> pl.DataFrame:
    """The share of joinings that cross groups, against every named null.

    Parameters
    ----------
    data, by, since, until, every, draws, rng
        As in `mixing_matrix`.

    Returns
    -------
    DataFrame
        ``null, holds, observed_share, expected_share, theta, p_value, n_pairs, supports_claims``; ``theta`` is
        logit(observed) - logit(expected). Only the thread-participation null supports claims.

    Notes
    -----
    Pairs with an unknown group are left out of the shares (``n_pairs`` counts those used) and stay in the draws.

    When it misleads: the nulls that do not support claims: without any preference they still reject in most forums.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> cross_role_ladder(make_forum(n_people=60, n_threads=60, rng=1).forum, draws=9, rng=1)["null"].to_list()
    ['label permutation', 'volume-holding', 'channel-stratified', 'thread participation']
    """
    pairs = take_joinings(data, by=by, since=since, until=until, every=every)
    require_groups(pairs, data.by if isinstance(data, MixingDraws) else by or BY)
    generator = np.random.default_rng(rng)
    rows = [judge_share(pairs, null, draws=draws, rng=generator, counts=counts) for null, counts in list_rungs(data)]
    return pl.DataFrame(rows)


def cross_role_level(
    data: Forum | MixingDraws,
    *,
    by: str | None = None,
    since: Moment = None,
    until: Moment = None,
    every: str | None = None,
    draws: int = 999,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> Estimate:
    """Do people seek or avoid the threads of other groups, given who was around?

    Parameters
    ----------
    data
        A Forum that records the space of its threads, or ready draws (`draw_mixing`).
    by, since, until, every, draws, level, rng
        As in `mixing_matrix`.

    Returns
    -------
    Estimate
        Log-odds of joining a thread of another group rather than one of one's own that is as much at hand; negative:
        people keep to their own group. ``expected`` is 0. The interval and p come from one procedure, the scores
        of whole threads (t distribution): p < 0.05 exactly when the 95 % interval leaves out 0.

    Raises
    ------
    NotAnswerableError
        When the source has no spaces, or there are too few threads, too few known groups or only one of them.

    Notes
    -----
    The estimand is the parameter of the thread-participation null tilted by preference (`sna.mixing.seating`). The
    draws place its zero exactly: what the closed form expects is corrected by what the draws show.

    When it misleads: a space recorded wrongly for 10 % of threads already makes most forums without any preference
    look segregated. So does a period too long for forums whose groups are active at different times: compare several
    (`cross_role_levels`). `cross_role_change` is robust to wrong spaces.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> level = cross_role_level(make_forum(role_preference=2.0, rng=1).forum, draws=99, rng=1)
    >>> level.value < 0, level.high < 0, level.unit
    (True, True, 'threads')
    """
    ready = take_draws(data, by=by, since=since, until=until, every=every, draws=draws, rng=rng)
    if not ready.null.supports_claims:
        raise NotAnswerableError(
            "A claim about level needs a null that supports claims.", got=f"Draws of the {ready.null.name} null."
        )
    return judge_level(ready.pairs, ready.counts, null=ready.null, by=ready.by, level=level)


def judge_level(pairs: Pairs, counts: Floats, *, null: Null, by: str, level: float) -> Estimate:
    """The estimate of `cross_role_level` from joinings and the mixing counts of their draws."""
    return t_estimate(
        f"log-odds of joining a thread of another {by} rather than one's own",
        place_preference(pairs, counts),
        level=level,
        null=null.name,
        n=len(pairs.threads),
        draws=len(counts),
    )


SEATINGS = (("1q", False), ("1mo", False), ("1w", False), ("1w", True))
"""Periods, and whether by hour of day, at which the level is shown; the last is the finest."""


def cross_role_levels(
    forum: Forum,
    *,
    by: str = BY,
    since: Moment = None,
    until: Moment = None,
    draws: int = 199,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pl.DataFrame:
    """The level of talk across groups, with people compared within longer and shorter periods.

    Parameters
    ----------
    forum, by, since, until, draws, level, rng
        As in `cross_role_level`.

    Returns
    -------
    DataFrame
        ``every, by_hour, value, low, high, p_value, n_threads``, one row for each of quarter, month, week, and week
        by four hours of the day. ``value`` is that of `cross_role_level`.

    Raises
    ------
    NotAnswerableError
        As `cross_role_level`.

    Notes
    -----
    Groups that are active in different weeks or at different hours seem to avoid each other as long as people of
    different weeks or hours are compared. Where rows disagree, that is the likely reason, and only the last row is
    safe from it; it is also the least certain.

    When it misleads: as `cross_role_level`, except for time.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> levels = cross_role_levels(make_forum(n_threads=200, role_weeks=1.0, rng=1).forum, draws=49, rng=1)
    >>> levels.select("every", "by_hour").row(0), levels["value"][0] < levels["value"][2]
    (('1q', False), True)
    """
    require_null(forum, participation_null())
    pairs = code_joins(forum, by, since=since, until=until)
    require_groups(pairs, by)
    return judge_levels(pairs, by=by, draws=draws, level=level, rng=np.random.default_rng(rng))


def judge_levels(
    pairs: Pairs, *, by: str = BY, draws: int = 199, level: float = 0.95, rng: np.random.Generator
) -> pl.DataFrame:
    """The table of `cross_role_levels` for joinings."""
    rows = []
    for every, by_hour in SEATINGS:
        null = participation_null(by_hour=by_hour)
        seated = lay_strata(cut_periods(pairs, every), null.strata)
        counts = draw_counts(null, seated, draws=draws, rng=rng)
        found = judge_level(seated, counts, null=null, by=by, level=level)
        rows.append((every, by_hour, found.value, found.low, found.high, found.p_value, found.n))
    schema = {"every": pl.String, "by_hour": pl.Boolean, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    frame = pl.DataFrame(rows, schema={**schema, "p_value": pl.Float64, "n_threads": pl.Int64}, orient="row")
    return frame.with_columns(pl.col("value").fill_nan(None))


def list_silent_pairs(
    data: Forum | MixingDraws,
    *,
    by: str | None = None,
    since: Moment = None,
    until: Moment = None,
    every: str | None = None,
    draws: int = 999,
    level: float = 0.95,
    adjust: str = "max-t",
    rng: np.random.Generator | int | None = None,
) -> pl.DataFrame:
    """Groups that meet in the same channels and still join each other's threads less than chance would have it.

    These are exactly the cells of `mixing_matrix` that stand out below 1, between different known groups.

    Parameters
    ----------
    data, by, since, until, every, draws, adjust, rng
        As in `mixing_matrix`; spaces must be known.
    level
        Pairs whose adjusted p is at most ``1 - level`` are listed.

    Returns
    -------
    DataFrame
        ``from_group, to_group, observed, expected, ratio, p_value, p_adjusted, null``: people of ``from_group`` who
        joined threads of ``to_group``, strongest silence first.

    Raises
    ------
    NotAnswerableError
        As `cross_role_level`.

    Notes
    -----
    When it misleads: as `cross_role_level`. A pair that is not listed need not talk: where few joinings are expected,
    silence cannot be told from chance.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> made = make_forum(n_threads=900, pair_preference={("Sales", "Engineering"): -4.0}, rng=1)
    >>> list_silent_pairs(made.forum, draws=199, rng=1).select("from_group", "to_group").rows()
    [('Engineering', 'Sales')]
    """
    ready = take_draws(data, by=by, since=since, until=until, every=every, draws=draws, rng=rng)
    table = judge_matrix(
        ready.pairs, ready.null, level=level, adjust=adjust, rng=np.random.default_rng(0), counts=ready.counts
    )
    return pick_silent(table, level=level)


def pick_silent(matrix: pl.DataFrame, *, level: float = 0.95) -> pl.DataFrame:
    """The cells of a mixing matrix between different groups that stand out below 1, strongest first."""
    stands_out = (pl.col("p_adjusted") <= 1 - level + 1e-12) & (pl.col("ratio") < 1)
    cells = matrix.filter(stands_out & (pl.col("from_group") != pl.col("to_group")))
    columns = ("from_group", "to_group", "observed", "expected", "ratio", "p_value", "p_adjusted", "null")
    return cells.select(columns).sort("ratio", "p_adjusted", "from_group", "to_group")


def judge_share(
    pairs: Pairs, null: Null, *, draws: int, rng: np.random.Generator, counts: Floats | None = None
) -> dict[str, object]:
    """One row of `cross_role_ladder`; ``counts`` are ready draws."""
    pairs = lay_strata(pairs, null.strata)
    seen = count_groups(pairs)
    observed = float(cross_share(seen, missing=pairs.missing))
    if null.moments is None:
        sample = draw_counts(null, pairs, draws=draws, rng=rng) if counts is None else counts
        shares = cross_share(sample, missing=pairs.missing)
        expected, p_value = float(shares.mean()), float(monte_carlo_p(observed, shares))
    else:
        expected, p_value = _closed_share(pairs, seen, null.moments)
    known = np.ix_(pairs.known, pairs.known)
    return {
        "null": null.name,
        "holds": "; ".join(null.holds),
        "observed_share": observed,
        "expected_share": expected,
        "theta": float(logit(observed) - logit(expected)),
        "p_value": p_value,
        "n_pairs": int(seen[known].sum()),
        "supports_claims": null.supports_claims,
    }


def _closed_share(pairs: Pairs, seen: Floats, moments: Moments) -> tuple[float, float]:
    """Expected cross-group share and its p: (cross - share * known) has mean zero and an exact variance."""
    is_known = (np.arange(len(seen)) != pairs.missing).astype(np.float64)
    known = np.outer(is_known, is_known)
    cross = known * (1 - np.eye(len(seen)))
    (crossing, all_known), _ = moments(pairs, np.stack([cross, known]))
    share = float(crossing / all_known)
    contrast = cross - share * known
    mean, variance = moments(pairs, contrast[None])
    return share, float(normal_p((contrast * seen).sum(), mean[0], variance=variance[0]))
