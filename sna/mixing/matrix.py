"""The mixing matrix: who acts toward whom, group by group, observed against what a null expects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import stats

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.mixing.draws import BY, MixingDraws, require_agreement, require_pairs, spaces_known
from sna.mixing.nulls import (
    NULLS,
    Null,
    cell_moments,
    draw_counts,
    find_null,
    participation_null,
    require_null,
    volume_null,
)
from sna.mixing.pairs import (
    EVERY,
    Pairs,
    code_interactions,
    code_joins,
    code_network,
    count_groups,
    lay_strata,
    take_pairs,
)
from sna.network.network import Network
from sna.stats.inference import adjust_p, jackknife_groups, max_t_p, monte_carlo_p, normal_p
from sna.types import Floats, Moment


def mixing_matrix(
    data: Forum | Network | MixingDraws,
    *,
    by: str | None = None,
    null: str | Null | None = None,
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    every: str | None = None,
    draws: int = 999,
    level: float = 0.95,
    adjust: str = "max-t",
    rng: np.random.Generator | int | None = None,
) -> pl.DataFrame:
    """Who acts toward whom, group by group: observed, expected, ratio with interval, p.

    Parameters
    ----------
    data
        A Forum, a Network whose people carry the attribute, or ready draws (`draw_mixing`).
    by
        Any attribute; in a forum the one held at the time of each interaction. None: "role", or that of the draws.
    null
        A Null, or the name of one of `sna.mixing.nulls.NULLS`. None takes "thread participation", the one that may
        carry claims: its pairs are the joinings of threads (who joined whose thread, once per person and thread).
        Where the data have no threads or no spaces it takes "volume-holding", whose pairs are the interactions of
        ``kinds``; the column ``note`` then says so.
    kinds, since, until
        Interactions used; a Network has its own.
    every
        Length of the period within which people are exchangeable ("1w", "1mo", "1q", "1y"). None: "1mo", or that of
        the draws.
    draws, rng
        Monte-Carlo draws, for nulls without a closed form. Ready draws have their own.
    level
        Of the interval of the ratio.
    adjust
        "max-t", "holm" or "bh", over all cells of known groups. "max-t" is Westfall and Young's adjustment from the
        joint draws (`sna.stats.inference.max_t_p`); a null with a closed form makes no draws and uses Holm's instead.

    Returns
    -------
    DataFrame
        ``from_group, to_group, observed, expected, ratio, low, high, p_value, p_adjusted, null, supports_claims,
        note``, one row per ordered pair of groups. ``ratio`` is null where nothing is expected. The interval comes
        from the group jackknife over threads of the log ratio; for a Network, which knows no threads, from the spread
        of the null. People whose group is not known are the rows and columns "(missing)": counted, never judged
        (no ratio, no p). ``note`` is null unless the recommended null could not be used.

    Raises
    ------
    SchemaError
        When the attribute is not known.
    NotAnswerableError
        When the null needs what the data do not have.
    ParameterError
        When a parameter contradicts ready draws.

    Notes
    -----
    Volume-holding cells are hypergeometric: ``expected = out_a in_b / n``, p exact. Label and channel-stratified
    cells have exact mean and variance, p by the normal distribution. The adjusted p of a cell is never below its p.

    When it misleads: where ``supports_claims`` is false the matrix is a description. Departures from those nulls are
    found in forums where people pay no attention to roles, because people of a role share channels.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c", "d"], "role": ["HR", "HR", "IT", "IT"]})
    >>> edges = pl.DataFrame({"source": ["a", "b", "c", "d"], "target": ["b", "a", "d", "a"]})
    >>> table = mixing_matrix(network_from_edges(edges, people=people))
    >>> table.select("from_group", "to_group", "observed", "expected", "ratio").rows()  # doctest: +NORMALIZE_WHITESPACE
    [('HR', 'HR', 2, 1.5, 1.3333333333333333), ('HR', 'IT', 0, 0.5, 0.0),
     ('IT', 'HR', 1, 1.5, 0.6666666666666666), ('IT', 'IT', 1, 0.5, 2.0)]
    >>> table["note"][0]
    'A description, not a claim: the thread participation null needs threads and spaces.'
    """
    generator = np.random.default_rng(rng)
    if isinstance(data, MixingDraws):
        asked = None if null is None else find_null(null)
        require_agreement(data, by=by, since=since, until=until, every=every, null=asked)
        return judge_matrix(data.pairs, data.null, level=level, adjust=adjust, rng=generator, counts=data.counts)
    chosen, note = _choose_null(data, null)
    pairs = _pairs_for(chosen, data, by or BY, kinds=kinds, since=since, until=until, every=every or EVERY)
    table = judge_matrix(pairs, chosen, draws=draws, level=level, adjust=adjust, rng=generator)
    return table.with_columns(pl.lit(note, pl.String).alias("note"))


def mixing_ladder(
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
    """The mixing matrix of thread joinings under every named null, from the simplest to the one for claims.

    Parameters
    ----------
    data, by, since, until, every, draws, level, adjust, rng
        As in `mixing_matrix`.

    Returns
    -------
    DataFrame
        Columns of `mixing_matrix`; p-values are adjusted within each null. Nulls that need spaces are left out where
        the source has none.

    Notes
    -----
    All nulls are applied to the same pairs (who joined whose thread), so what differs between them is the null alone.

    When it misleads: every null but the last. Showing that is the purpose of the ladder.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> ladder = mixing_ladder(make_forum(n_people=60, n_threads=60, rng=1).forum, draws=9, rng=1)
    >>> ladder.group_by("null", maintain_order=True).agg(pl.col("observed").sum())["observed"].n_unique()
    1
    """
    pairs = take_joinings(data, by=by, since=since, until=until, every=every)
    require_pairs(pairs)
    generator = np.random.default_rng(rng)
    tables = [
        judge_matrix(pairs, null, draws=draws, level=level, adjust=adjust, rng=generator, counts=counts)
        for null, counts in list_rungs(data)
    ]
    return pl.concat(tables)


def take_joinings(
    data: Forum | MixingDraws, *, by: str | None, since: Moment, until: Moment, every: str | None
) -> Pairs:
    """The joinings of ready draws, or of a forum."""
    if isinstance(data, MixingDraws):
        require_agreement(data, by=by, since=since, until=until, every=every)
        return data.pairs
    return code_joins(data, by or BY, since=since, until=until, every=every or EVERY)


def list_rungs(data: Forum | MixingDraws) -> list[tuple[Null, Floats | None]]:
    """Every named null the data allow, each with its ready draws where there are some."""
    known = data.spaces_known if isinstance(data, MixingDraws) else spaces_known(data)
    nulls = [make() for make in NULLS.values()]
    usable = [null for null in nulls if known or not null.needs]
    if isinstance(data, MixingDraws):
        return [(null, data.counts if null == data.null else None) for null in usable]
    return [(null, None) for null in usable]


def _choose_null(data: Forum | Network, null: str | Null | None) -> tuple[Null, str | None]:
    """The null asked for, else the recommended one, else the volume-holding one with the reason."""
    if null is not None:
        chosen = find_null(null)
        require_null(data, chosen)
        return chosen, None
    best = participation_null()
    try:
        require_null(data, best)
    except NotAnswerableError:
        return volume_null(), f"A description, not a claim: the {best.name} null needs threads and spaces."
    return best, None


def _pairs_for(
    null: Null, data: Forum | Network, by: str, *, kinds: Sequence[str], since: Moment, until: Moment, every: str
) -> Pairs:
    if isinstance(data, Network):
        pairs = code_network(data, by)
    elif null.pairs == "joinings":
        pairs = code_joins(data, by, since=since, until=until, every=every)
    else:
        pairs = code_interactions(data, by, kinds=kinds, since=since, until=until, every=every)
    require_pairs(pairs)
    return pairs


def judge_matrix(
    pairs: Pairs,
    null: Null,
    *,
    draws: int = 999,
    level: float = 0.95,
    adjust: str = "max-t",
    rng: np.random.Generator,
    counts: Floats | None = None,
) -> pl.DataFrame:
    """The table of `mixing_matrix` for pairs and a null; ``counts`` are ready draws."""
    if adjust not in ("max-t", "holm", "bh"):
        raise ParameterError("adjust is 'max-t', 'holm' or 'bh'.", got=f"Got {adjust!r}.")
    pairs, k = lay_strata(pairs, null.strata), len(pairs.groups)
    seen = count_groups(pairs)
    known = (np.arange(k) != pairs.missing)[:, None] & (np.arange(k) != pairs.missing)[None, :]
    sample = None
    if null.moments is None:
        sample = draw_counts(null, pairs, draws=draws, rng=rng) if counts is None else counts
        expected, sd = sample.mean(axis=0), sample.std(axis=0)
        p_value = monte_carlo_p(seen, sample)
    else:
        expected, variance = cell_moments(null, pairs)
        sd = np.sqrt(variance)
        p_value = null.cell_p(seen) if null.cell_p else normal_p(seen, expected, variance=variance, continuity=0.5)
    p_value = np.where(known, p_value, np.nan)
    ratio = np.divide(seen, expected, out=np.full(seen.shape, np.nan), where=(expected > 0) & known)
    low, high = _ratio_interval(pairs, null, seen, expected, sd, level=level)
    names = pl.Series(list(pairs.groups), dtype=pl.String)
    return pl.DataFrame(
        {
            "from_group": names.gather(np.repeat(np.arange(k), k)),
            "to_group": names.gather(np.tile(np.arange(k), k)),
            "observed": seen.ravel().astype(np.int64),
            "expected": expected.ravel(),
            "ratio": ratio.ravel(),
            "low": np.where(np.isnan(ratio), np.nan, low).ravel(),
            "high": np.where(np.isnan(ratio), np.nan, high).ravel(),
            "p_value": p_value.ravel(),
            "p_adjusted": _adjust_cells(seen, sample, p_value, adjust).ravel(),
        }
    ).with_columns(
        pl.col("ratio", "low", "high", "p_value", "p_adjusted").fill_nan(None),
        pl.lit(null.name).alias("null"),
        pl.lit(null.supports_claims).alias("supports_claims"),
        pl.lit(None, pl.String).alias("note"),
    )


def _adjust_cells(seen: Floats, sample: Floats | None, p_value: Floats, adjust: str) -> Floats:
    """Adjusted p of the cells that have a p, never below it: the draws put another floor under each of the two."""
    judged = ~np.isnan(p_value)
    adjusted = np.full(p_value.shape, np.nan)
    if sample is not None and adjust == "max-t":
        family = max_t_p(seen[judged], sample[:, judged])
    else:
        family = adjust_p(p_value[judged], method="holm" if adjust == "max-t" else adjust)
    adjusted[judged] = np.maximum(family, p_value[judged])
    return adjusted


def _ratio_interval(
    pairs: Pairs, null: Null, seen: Floats, expected: Floats, sd: Floats, *, level: float
) -> tuple[Floats, Floats]:
    """Ends of the interval of observed / expected."""
    parts = left_out_ratios(pairs, null, expected=expected)
    if parts is None:
        reach = float(stats.norm.ppf(0.5 + level / 2)) * np.divide(sd, expected, out=sd * 0, where=expected > 0)
        ratio = np.divide(seen, expected, out=np.zeros_like(seen), where=expected > 0)
        return np.maximum(ratio - reach, 0.0), ratio + reach
    g = len(parts)
    error = np.sqrt((g - 1) / g * ((parts - parts.mean(axis=0)) ** 2).sum(axis=0))
    reach = float(stats.t.ppf(0.5 + level / 2, g - 1)) * error
    centre = np.log(seen + 0.5) - np.log(expected + 0.5)
    return np.where(seen > 0, np.exp(centre - reach), 0.0), np.exp(centre + reach)


def left_out_ratios(pairs: Pairs, null: Null, *, expected: Floats) -> Floats | None:
    """Log ratios of observed to expected with each group of threads left out, ``(groups, k, k)``; None without threads.

    The expectation of what remains is what ``null.expected`` gives, scaled as ``expected`` is to that of the whole.
    """
    n_threads = int(pairs.thread.max(initial=-1)) + 1
    if n_threads < 2 or (pairs.thread < 0).any():
        return None
    group = jackknife_groups(n_threads)[pairs.thread]
    whole = expected if null.expected is None else null.expected(pairs)
    factor = np.divide(expected, whole, out=np.ones_like(whole), where=whole > 0)
    parts = []
    for left_out in range(int(group.max()) + 1):
        kept = take_pairs(pairs, np.flatnonzero(group != left_out))
        mean = expected * kept.size / pairs.size if null.expected is None else factor * null.expected(kept)
        parts.append(np.log(count_groups(kept) + 0.5) - np.log(mean + 0.5))
    return np.stack(parts)
