"""Who talks across roles (or any attribute): observed against what a named null expects.

The null decides the answer, so mixing is reported as a ladder of nulls (`mixing_ladder`), claims rest on the
thread-participation null alone (`cross_role_level`), and the headline is change over time (`cross_role_change`).
Models that put a person's measured activity into a regression of ties (conditional logit, log-linear tables by role)
are left out on purpose: with no preference at all they report one in 20 to 95 % of forums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.mixing.nulls import NULLS, Null, Pairs, channel_null, count_groups, find_null, participation_null
from sna.mixing.pairs import (
    Coded,
    Seating,
    cell_moments,
    code_interactions,
    code_joins,
    code_network,
    cross_share,
    draw_counts,
    left_out_ratios,
    left_out_thetas,
    make_seating,
    permute_change,
    require_spaces,
    within_spaces,
)
from sna.network.network import Network
from sna.results import Estimate
from sna.schema import TIME
from sna.stats.inference import adjust_p, jackknife_interval, logit, max_t_p, monte_carlo_p, normal_p
from sna.talk.windows import make_window
from sna.types import Floats, Moment

VERDICT_NULL = "thread participation"
LEAST_THREADS = 20
"""Threads with a joiner of known group that a claim about level, or each period of a claim about change, needs."""


@dataclass(frozen=True)
class MixingDraws:
    """Draws of the thread-participation null, made once and passed on as ``drawn=`` to every function that needs them.

    Attributes
    ----------
    coded
        The joinings they were made from.
    counts
        Mixing counts of each draw, shape ``(draws, k, k)``.
    by
        The attribute.
    """

    coded: Coded
    counts: Floats
    by: str


def draw_mixing(
    forum: Forum,
    *,
    by: str = "role",
    since: Moment = None,
    until: Moment = None,
    period: str = "1q",
    draws: int = 999,
    rng: np.random.Generator | int | None = None,
) -> MixingDraws:
    """Draw from the thread-participation null once, for several results on the same pairs.

    Parameters
    ----------
    forum, by, since, until, period, draws, rng
        As in `mixing_matrix`.

    Raises
    ------
    NotAnswerableError
        When the source has no spaces, or there is too little data.
    """
    require_spaces(forum, analysis="a claim about talk between groups")
    coded = code_joins(forum, by, since=since, until=until, period=period)
    _require_pairs(coded, by)
    counts = draw_counts(participation_null(), coded.pairs, draws=draws, rng=np.random.default_rng(rng))
    return MixingDraws(coded, counts, by)


def mixing_matrix(
    data: Forum | Network,
    *,
    by: str = "role",
    null: str | Null = "volume-holding",
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    period: str = "1q",
    draws: int = 999,
    level: float = 0.95,
    adjust: str = "max-t",
    rng: np.random.Generator | int | None = None,
    drawn: MixingDraws | None = None,
) -> pl.DataFrame:
    """Who acts toward whom, group by group: observed, expected, ratio with interval, p.

    Parameters
    ----------
    data
        A Forum, or a Network whose people carry the attribute.
    by
        Any attribute; in a forum the one held at the time of each interaction. People for whom it is not known are
        the group "(missing)".
    null
        Name of one of `sna.mixing.nulls.NULLS`, or a Null. Under "thread participation" the pairs are the joinings of
        threads (who joined whose thread, once per person and thread); otherwise interactions of ``kinds``.
    kinds, since, until
        Interactions used; a Network has its own.
    period
        Length of a period in which participants are exchangeable ("1mo", "1q", "1y").
    draws, rng
        Monte-Carlo draws, for nulls without a closed form.
    level
        Of the interval of the ratio.
    adjust
        "max-t", "holm" or "bh", over all cells of the matrix. "max-t" is Westfall and Young's adjustment from the
        joint draws (`sna.stats.inference.max_t_p`); a null with a closed form makes no draws and uses Holm's instead.
    drawn
        From `draw_mixing`, with ``null="thread participation"``; the parameters that describe pairs and draws are
        then its own.

    Returns
    -------
    DataFrame
        ``from_group, to_group, observed, expected, ratio, low, high, p_value, p_adjusted, null``, one row per ordered
        pair of groups. ``ratio`` is null where nothing is expected. The interval comes from the group jackknife over
        threads of the log ratio; for a Network, which knows no threads, from the spread of the null.

    Raises
    ------
    SchemaError
        When the attribute is not known.
    NotAnswerableError
        When the null needs spaces and the source has none.

    Notes
    -----
    Volume-holding cells are hypergeometric: ``expected = out_a in_b / n``, p exact. Label and channel-stratified
    cells have exact mean and variance, p by the normal distribution.

    When it misleads: the closed-form nulls are descriptive. Departures from them are found in forums where nobody
    minds roles at all, because people of a role share channels. Claims go through "thread participation".

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c", "d"], "role": ["HR", "HR", "IT", "IT"]})
    >>> edges = pl.DataFrame({"source": ["a", "b", "c", "d"], "target": ["b", "a", "d", "a"]})
    >>> table = mixing_matrix(network_from_edges(edges, people=people))
    >>> table.select("from_group", "to_group", "observed", "expected", "ratio").rows()  # doctest: +NORMALIZE_WHITESPACE
    [('HR', 'HR', 2, 1.5, 1.3333333333333333), ('HR', 'IT', 0, 0.5, 0.0),
     ('IT', 'HR', 1, 1.5, 0.6666666666666666), ('IT', 'IT', 1, 0.5, 2.0)]
    """
    chosen = find_null(null)
    generator = np.random.default_rng(rng)
    if drawn is not None:
        if chosen.name != VERDICT_NULL:
            raise ParameterError(f"Draws are of the {VERDICT_NULL} null.", got=f"null={chosen.name!r}.")
        return _matrix(drawn.coded, chosen, draws=draws, level=level, adjust=adjust, rng=generator, drawn=drawn.counts)
    if isinstance(data, Network):
        if chosen.name == VERDICT_NULL:
            raise NotAnswerableError(
                "The thread-participation null needs threads.", got="A Network.", hint="pass the forum itself"
            )
        coded = code_network(data, by)
    else:
        _require_strata(data, chosen)
        if chosen.name == VERDICT_NULL:
            coded = code_joins(data, by, since=since, until=until, period=period)
        else:
            coded = code_interactions(data, by, kinds=kinds, since=since, until=until, period=period)
    return _matrix(coded, chosen, draws=draws, level=level, adjust=adjust, rng=generator)


def mixing_ladder(
    forum: Forum,
    *,
    by: str = "role",
    since: Moment = None,
    until: Moment = None,
    period: str = "1q",
    draws: int = 999,
    level: float = 0.95,
    adjust: str = "max-t",
    rng: np.random.Generator | int | None = None,
    drawn: MixingDraws | None = None,
) -> pl.DataFrame:
    """The mixing matrix of thread joinings under every named null, from the one that ignores most to the verdict's.

    Returns
    -------
    DataFrame
        Columns of `mixing_matrix`; p-values are adjusted within each null. Nulls that need spaces are left out where
        the source has none.

    Notes
    -----
    All rungs look at the same pairs (who joined whose thread), so what differs between them is the null alone.
    """
    coded = drawn.coded if drawn else code_joins(forum, by, since=since, until=until, period=period)
    generator = np.random.default_rng(rng)
    counts = drawn.counts if drawn else None
    tables = [
        _matrix(coded, null, draws=draws, level=level, adjust=adjust, rng=generator, drawn=counts)
        for null in _usable_nulls(forum)
    ]
    return pl.concat(tables)


def cross_role_ladder(
    forum: Forum,
    *,
    by: str = "role",
    since: Moment = None,
    until: Moment = None,
    period: str = "1q",
    draws: int = 999,
    rng: np.random.Generator | int | None = None,
    drawn: MixingDraws | None = None,
) -> pl.DataFrame:
    """The share of joinings that cross groups, against every named null.

    Returns
    -------
    DataFrame
        ``null, holds, observed_share, expected_share, theta, p_value, n_pairs, supports_claims``; ``theta`` is
        logit(observed) - logit(expected). Only the thread-participation null supports claims.

    Notes
    -----
    Pairs with an unknown group are left out of the shares (``n_pairs`` counts those used) and stay in the draws.
    """
    coded = drawn.coded if drawn else code_joins(forum, by, since=since, until=until, period=period)
    _require_pairs(coded, by)
    generator = np.random.default_rng(rng)
    counts = drawn.counts if drawn else None
    rows = [judge_share(coded, null, draws=draws, rng=generator, drawn=counts) for null in _usable_nulls(forum)]
    return pl.DataFrame(rows)


def cross_role_level(
    forum: Forum,
    *,
    by: str = "role",
    since: Moment = None,
    until: Moment = None,
    period: str = "1q",
    draws: int = 999,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
    drawn: MixingDraws | None = None,
) -> Estimate:
    """Do people seek or avoid the threads of other groups? Log-odds against the thread-participation null.

    Parameters
    ----------
    forum
        Must record the space of its threads.
    by, since, until, period, draws, level, rng
        As in `mixing_matrix`.
    drawn
        From `draw_mixing`; the parameters that describe pairs and draws are then its own.

    Returns
    -------
    Estimate
        ``theta = logit(observed cross-group share) - logit(expected)``; negative: fewer cross-group joinings than
        opportunity gives. ``expected`` is 0, the interval comes from the group jackknife over threads, p from the
        draws, two-sided.

    Raises
    ------
    NotAnswerableError
        When the source has no spaces, or there are too few threads or only one group.

    Notes
    -----
    Unknown groups are left out of the share. Theta is its own estimand: half or so of a preference parameter in a
    model of choices, because those who avoid each other are also spread over the null's threads.

    When it misleads: a space recorded wrongly for 10 % of threads already makes most forums without any preference
    look segregated (docs/mixing/calibration.json). `cross_role_change` bears that.
    """
    made = drawn or draw_mixing(forum, by=by, since=since, until=until, period=period, draws=draws, rng=rng)
    coded, missing = made.coded, made.coded.missing
    shares = cross_share(made.counts, missing=missing)
    observed = float(cross_share(count_groups(coded.pairs), missing=missing))
    theta = float(logit(observed) - logit(shares.mean()))
    _, low, high = jackknife_interval(theta, left_out_thetas(coded), level=level)
    return Estimate(
        f"cross-{made.by} log-odds of joining a thread",
        theta,
        low=low,
        high=high,
        level=level,
        expected=0.0,
        p_value=float(monte_carlo_p(observed, shares)),
        null=VERDICT_NULL,
        n=len(coded.threads),
        unit="threads",
        draws=len(made.counts),
    )


def cross_role_change(
    forum: Forum,
    *,
    split_at: datetime | date | str,
    by: str = "role",
    since: Moment = None,
    until: Moment = None,
    draws: int = 999,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> Estimate:
    """Did talk across groups change at a date? The headline: it stands even where channels are not recorded.

    Parameters
    ----------
    forum
        Spaces are used where they are known.
    split_at
        Threads that began before it are the first period, the others the second.
    by, since, until, draws, level, rng
        As in `mixing_matrix`.

    Returns
    -------
    Estimate
        ``theta(after) - theta(before)``: positive means more talk across groups. p from permuting the period labels
        of whole threads (within spaces where they are known), interval from the group jackknife over the threads of
        each period (Welch degrees of freedom).

    Raises
    ------
    NotAnswerableError
        When a period has too few threads.

    Notes
    -----
    In each period theta compares the observed share with its closed-form expectation when the participants of a
    space and period are seated at random, except in their own threads.

    When it misleads: something else changed at the same date (a new channel, a reorganisation, another way of
    logging). Where spaces are not known, a shift of talk between channels looks like a change of preference.
    """
    coded = within_spaces(code_joins(forum, by, since=since, until=until))
    _require_pairs(coded, by)
    after = _begun_after(coded, split_at)
    for half, name in ((0, "before"), (1, "after")):
        _require_threads(int((after == half).sum()), f"{by} change", f"threads {name} {split_at}")
    seating = make_seating(coded)
    value, sample = permute_change(coded, after, draws=draws, rng=np.random.default_rng(rng), seating=seating)
    low, high = _change_interval(coded, after, value, level=level, seating=seating)
    return Estimate(
        f"change in cross-{by} log-odds of joining a thread",
        value,
        low=low,
        high=high,
        level=level,
        expected=0.0,
        p_value=float(monte_carlo_p(value, sample)),
        null="periods of whole threads permuted",
        n=len(coded.threads),
        unit="threads",
        draws=draws,
    )


def list_silent_pairs(
    forum: Forum,
    *,
    by: str = "role",
    since: Moment = None,
    until: Moment = None,
    period: str = "1q",
    draws: int = 999,
    level: float = 0.95,
    least_expected: float = 5.0,
    rng: np.random.Generator | int | None = None,
    drawn: MixingDraws | None = None,
) -> pl.DataFrame:
    """Pairs of groups that meet in the same channels and still talk less than chance would have it.

    Parameters
    ----------
    forum, by, since, until, period, draws, rng, drawn
        As in `cross_role_level`; spaces must be known.
    level
        Pairs whose adjusted p is at most ``1 - level`` are listed.
    least_expected
        Pairs expected to meet less often than this are not judged at all.

    Returns
    -------
    DataFrame
        ``group_a, group_b, observed, expected, ratio, p_value, p_adjusted, null``, strongest silence first; both
        directions are added up. p is one-sided (fewer), adjusted over all pairs judged (Benjamini-Hochberg).
    """
    made = drawn or draw_mixing(forum, by=by, since=since, until=until, period=period, draws=draws, rng=rng)
    coded, sample = made.coded, made.counts
    known = [code for code in range(len(coded.pairs.groups)) if code != coded.missing]
    a, b = (np.asarray(known)[index] for index in np.triu_indices(len(known), k=1))
    both = sample[:, a, b] + sample[:, b, a]
    counts = count_groups(coded.pairs)
    seen, expected = counts[a, b] + counts[b, a], both.mean(axis=0)
    judged = expected >= least_expected
    p_value = np.where(judged, monte_carlo_p(seen, both, alternative="less"), np.nan)
    names = pl.Series(list(coded.pairs.groups), dtype=pl.String)
    table = pl.DataFrame(
        {
            "group_a": names.gather(a),
            "group_b": names.gather(b),
            "observed": seen.astype(np.int64),
            "expected": expected,
            "ratio": np.divide(seen, expected, out=np.full(len(seen), np.nan), where=expected > 0),
            "p_value": p_value,
            "p_adjusted": adjust_p(p_value, method="bh"),
        }
    ).with_columns(pl.lit(VERDICT_NULL).alias("null"))
    limit = 1 - level + 1e-12
    return table.filter(pl.col("p_adjusted") <= limit).sort("p_adjusted", "ratio", "group_a", "group_b")


# Shared steps ------------------------------------------------------------------------------------------------------


def _usable_nulls(forum: Forum) -> list[Null]:
    nulls = [make() for make in NULLS.values()]
    try:
        require_spaces(forum, analysis="a null within channels")
    except NotAnswerableError:
        return nulls[:2]
    return nulls


def _require_strata(forum: Forum, null: Null) -> None:
    if null.name in (channel_null().name, participation_null().name):
        require_spaces(forum, analysis=f"the {null.name} null")


def _require_pairs(coded: Coded, by: str) -> None:
    counts = count_groups(coded.pairs)
    known = [code for code in range(len(counts)) if code != coded.missing]
    if len(known) < 2:
        raise NotAnswerableError(
            f"Talk across groups needs at least two values of {by!r}.",
            got=f"Known among those who joined threads: {[coded.pairs.groups[code] for code in known] or 'none'}.",
            hint="choose another attribute, or a longer period",
        )
    both = np.isin(coded.pairs.source_group, known) & np.isin(coded.pairs.target_group, known)
    _require_threads(len(np.unique(coded.pairs.thread[both])), by, "threads that somebody of known group joined")


def _require_threads(found: int, what: str, unit: str) -> None:
    if found < LEAST_THREADS:
        raise NotAnswerableError(
            f"Too little data: {what} needs {LEAST_THREADS} {unit}.", got=f"{found}.", hint="take a longer period"
        )


def _begun_after(coded: Coded, split_at: datetime | date | str) -> NDArray[np.int64]:
    moment = make_window(split_at, None)[0]
    later = coded.started.to_frame("at").select(pl.col("at") >= pl.lit(moment, TIME)).to_series()
    return later.fill_null(False).cast(pl.Int64).to_numpy()


def _change_interval(
    coded: Coded, after: NDArray[np.int64], value: float, *, level: float, seating: Seating
) -> tuple[float | None, float | None]:
    """Jackknife each period by itself; add the variances, with Welch's degrees of freedom."""
    errors, freedom = [], []
    for half in (0, 1):
        parts = left_out_thetas(coded, chosen=np.flatnonzero(after == half), seating=seating)
        error, _, _ = jackknife_interval(0.0, parts, level=level)
        if error is None:
            return None, None
        errors.append(error**2)
        freedom.append(len(parts) - 1)
    total = sum(errors)
    if total == 0:
        return value, value
    degrees = total**2 / sum(e**2 / f for e, f in zip(errors, freedom, strict=True))
    reach = float(stats.t.ppf(0.5 + level / 2, degrees)) * float(np.sqrt(total))
    return value - reach, value + reach


def _matrix(
    coded: Coded,
    null: Null,
    *,
    draws: int,
    level: float,
    adjust: str,
    rng: np.random.Generator,
    drawn: Floats | None = None,
) -> pl.DataFrame:
    pairs = coded.pairs
    if not pairs.groups or not len(pairs.source):
        raise NotAnswerableError("Mixing needs interactions between people.", got="There are none in this window.")
    seen = count_groups(pairs)
    expected, sd, p_value, p_adjusted = _judge_cells(
        pairs, seen, null, draws=draws, adjust=adjust, rng=rng, drawn=drawn
    )
    ratio = np.divide(seen, expected, out=np.full(seen.shape, np.nan), where=expected > 0)
    low, high = _ratio_interval(pairs, null, seen, expected, sd, level=level)
    k = len(pairs.groups)
    names = pl.Series(list(pairs.groups), dtype=pl.String)
    return pl.DataFrame(
        {
            "from_group": names.gather(np.repeat(np.arange(k), k)),
            "to_group": names.gather(np.tile(np.arange(k), k)),
            "observed": seen.ravel().astype(np.int64),
            "expected": expected.ravel(),
            "ratio": ratio.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "p_value": p_value.ravel(),
            "p_adjusted": p_adjusted,
        }
    ).with_columns(pl.col("ratio", "low", "high").fill_nan(None), pl.lit(null.name).alias("null"))


def _judge_cells(
    pairs: Pairs,
    seen: Floats,
    null: Null,
    *,
    draws: int,
    adjust: str,
    rng: np.random.Generator,
    drawn: Floats | None = None,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Expected count, its standard deviation, two-sided p and adjusted p of every cell."""
    if adjust not in ("max-t", "holm", "bh"):
        raise ParameterError("adjust is 'max-t', 'holm' or 'bh'.", got=f"Got {adjust!r}.")
    method = "holm" if adjust == "max-t" else adjust
    if null.moments is None:
        sample = draw_counts(null, pairs, draws=draws, rng=rng) if drawn is None else drawn
        p_value = monte_carlo_p(seen, sample)
        flat = sample.reshape(len(sample), -1)
        family = max_t_p(seen.ravel(), flat) if adjust == "max-t" else adjust_p(p_value.ravel(), method=method)
        return sample.mean(axis=0), sample.std(axis=0), p_value, family
    mean, variance = cell_moments(null, pairs)
    exact = null.name == "volume-holding"
    p_value = _hypergeometric_p(seen) if exact else normal_p(seen, mean, variance=variance, continuity=0.5)
    return mean, np.sqrt(variance), p_value, adjust_p(p_value.ravel(), method=method)


def _hypergeometric_p(seen: Floats) -> Floats:
    """Exact two-sided p of each cell given its row and column: twice the smaller tail, at most 1."""
    rows, columns, total = seen.sum(axis=1)[:, None], seen.sum(axis=0)[None, :], seen.sum()
    below = stats.hypergeom.cdf(seen, total, rows, columns)
    above = stats.hypergeom.sf(seen - 1, total, rows, columns)
    return np.asarray(np.clip(2 * np.minimum(below, above), np.finfo(np.float64).tiny, 1.0))


def _ratio_interval(
    pairs: Pairs, null: Null, seen: Floats, expected: Floats, sd: Floats, *, level: float
) -> tuple[Floats, Floats]:
    """Ends of the interval of observed / expected; NaN where nothing is expected."""
    parts = left_out_ratios(pairs, null, expected=expected)
    some = np.where(expected > 0, 1.0, np.nan)
    if parts is None:
        reach = float(stats.norm.ppf(0.5 + level / 2)) * np.divide(sd, expected, out=sd * 0, where=expected > 0)
        ratio = np.divide(seen, expected, out=np.zeros_like(seen), where=expected > 0)
        return np.maximum(ratio - reach, 0.0) * some, (ratio + reach) * some
    g = len(parts)
    error = np.sqrt((g - 1) / g * ((parts - parts.mean(axis=0)) ** 2).sum(axis=0))
    reach = float(stats.t.ppf(0.5 + level / 2, g - 1)) * error
    centre = np.log(seen + 0.5) - np.log(expected + 0.5)
    return np.where(seen > 0, np.exp(centre - reach), 0.0) * some, np.exp(centre + reach) * some


def judge_share(
    coded: Coded, null: Null, *, draws: int, rng: np.random.Generator, drawn: Floats | None = None
) -> dict[str, object]:
    """One row of `cross_role_ladder`."""
    pairs, missing = coded.pairs, coded.missing
    counts = count_groups(pairs)
    observed = float(cross_share(counts, missing=missing))
    if null.moments is None:
        sample = draw_counts(null, pairs, draws=draws, rng=rng) if drawn is None else drawn
        shares = cross_share(sample, missing=missing)
        expected, p_value = float(shares.mean()), float(monte_carlo_p(observed, shares))
    else:
        expected, p_value = _closed_share(pairs, counts, null, missing)
    known = [code for code in range(len(counts)) if code != missing]
    return {
        "null": null.name,
        "holds": "; ".join(null.holds),
        "observed_share": observed,
        "expected_share": expected,
        "theta": float(logit(observed) - logit(expected)),
        "p_value": p_value,
        "n_pairs": int(counts[np.ix_(known, known)].sum()),
        "supports_claims": null.name == VERDICT_NULL,
    }


def _closed_share(pairs: Pairs, counts: Floats, null: Null, missing: int) -> tuple[float, float]:
    """Expected cross-group share and its p: (cross - share * known) has mean zero and an exact variance."""
    k = len(counts)
    known = np.outer(np.arange(k) != missing, np.arange(k) != missing).astype(np.float64)
    cross = known * (1 - np.eye(k))
    if null.moments is None:
        raise ParameterError("A closed form is needed.", got=f"The {null.name} null.")
    (crossing, all_known), _ = null.moments(pairs, np.stack([cross, known]))
    share = float(crossing / all_known)
    contrast = cross - share * known
    mean, variance = null.moments(pairs, contrast[None])
    return share, float(normal_p((contrast * counts).sum(), mean[0], variance=variance[0]))
