"""Talk up, across and down the hierarchy, and who answers back, against a null."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.mixing.nulls import Null, channel_null, find_null, require_null, volume_null
from sna.mixing.pairs import EVERY, Pairs, code_interactions, code_network, lay_strata
from sna.network.network import Network
from sna.stats.inference import adjust_p, monte_carlo_p
from sna.talk.threads import MISSING
from sna.types import Floats, Ints, Moment

DIRECTIONS = ("upward", "lateral", "downward")


def hierarchy_flow(
    data: Forum | Network,
    *,
    by: str = "level",
    order: Sequence[str] | None = None,
    null: str | Null | None = None,
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    every: str = EVERY,
    draws: int = 999,
    rng: np.random.Generator | int | None = None,
) -> pl.DataFrame:
    """How much people act toward higher, equal and lower levels, and how often they are answered back.

    Parameters
    ----------
    data
        A Forum (levels as of each interaction) or a Network.
    by
        An attribute with an order.
    order
        Its values from lowest to highest. None: they are numbers, and a higher number is a higher level.
    null
        A null of interactions, or its name; None takes "channel-stratified" where the spaces of a forum are known,
        else "volume-holding".
    kinds, since, until, every, draws, rng
        As in `sna.mixing_matrix`.

    Returns
    -------
    DataFrame
        ``direction, observed, expected, ratio, p_value, p_adjusted, n_ties, reciprocity, reciprocity_expected,
        reciprocity_p, null``, one row each for upward, lateral, downward and "(missing)", where a level is not known.
        ``observed`` counts interactions; ``reciprocity`` is the share of ordered pairs of people (``n_ties``) who are
        acted toward in return. p two-sided, Holm over the known directions.

    Raises
    ------
    ParameterError
        When the levels are not numbers and no order is given, or the order lacks one.
    NotAnswerableError
        When no interaction has a known level at both ends.

    Notes
    -----
    When it misleads: both nulls are descriptive (see `sna.mixing.nulls`): a manager who answers everybody in a help
    channel talks downward because those who ask are below.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c"], "level": ["1", "1", "2"]})
    >>> edges = pl.DataFrame({"source": ["a", "a", "c"], "target": ["c", "b", "a"]})
    >>> flow = hierarchy_flow(network_from_edges(edges, people=people), rng=0)
    >>> flow.select("direction", "observed", "reciprocity").rows()
    [('upward', 1, 1.0), ('lateral', 1, 0.0), ('downward', 1, 1.0)]
    """
    chosen = _choose_null(data, null)
    if isinstance(data, Network):
        pairs = code_network(data, by)
    else:
        pairs = code_interactions(data, by, kinds=kinds, since=since, until=until, every=every)
    pairs = lay_strata(pairs, chosen.strata)
    rank = _ranks(pairs.groups, order, by)
    flow, answered, n_ties = _measure(pairs, rank)
    if flow[:3].sum() == 0:
        raise NotAnswerableError(f"The flow by {by!r} needs interactions with known levels at both ends.", got="None.")
    generator = np.random.default_rng(rng)
    sample = [_measure(drawn, rank)[:2] for drawn in chosen.draw(pairs, draws, generator)]
    flows, backs = np.stack([f for f, _ in sample]), np.stack([a for _, a in sample])
    p_flow = monte_carlo_p(flow, flows)
    table = pl.DataFrame(
        {
            "direction": [*DIRECTIONS, MISSING],
            "observed": flow.astype(np.int64),
            "expected": flows.mean(axis=0),
            "ratio": _divide(flow, flows.mean(axis=0)),
            "p_value": p_flow,
            "p_adjusted": np.append(adjust_p(p_flow[:3]), np.nan),
            "n_ties": n_ties,
            "reciprocity": answered,
            "reciprocity_expected": _mean_known(backs),
            "reciprocity_p": np.where(np.isnan(answered), np.nan, monte_carlo_p(answered, np.nan_to_num(backs))),
        }
    )
    table = table.with_columns(pl.col(pl.Float64).fill_nan(None), pl.lit(chosen.name).alias("null"))
    return table.filter((pl.col("direction") != MISSING) | (pl.col("observed") > 0))


def _choose_null(data: Forum | Network, null: str | Null | None) -> Null:
    if null is not None:
        chosen = find_null(null)
        if chosen.pairs != "interactions":
            got = f"The {chosen.name} null pairs {chosen.pairs}."
            raise ParameterError(
                "The flow by level needs a null of interactions.", got=got, hint="null='volume-holding'"
            )
        require_null(data, chosen)
        return chosen
    try:
        require_null(data, channel_null())
    except NotAnswerableError:
        return volume_null()
    return channel_null()


def _ranks(groups: tuple[str, ...], order: Sequence[str] | None, by: str) -> Floats:
    """Rank of each group, NaN where it is not known."""
    known = [name for name in groups if name != MISSING]
    if order is None:
        try:
            values = {name: float(name) for name in known}
        except ValueError as error:
            raise ParameterError(
                f"Values of {by!r} that are not numbers need an order.",
                got=f"Values: {', '.join(known)}.",
                hint="order=(lowest, ..., highest)",
            ) from error
    else:
        values = {str(name): float(place) for place, name in enumerate(order)}
    lacking = [name for name in known if name not in values]
    if lacking:
        raise ParameterError(f"order must name every value of {by!r}.", got=f"Not named: {', '.join(lacking)}.")
    return np.array([values.get(name, np.nan) for name in groups])


def _measure(pairs: Pairs, rank: Floats) -> tuple[Floats, Floats, Ints]:
    """Interactions by direction, share of ties answered back, and number of ties; the last entry is (missing)."""
    step = rank[pairs.target_group] - rank[pairs.source_group]
    direction = np.where(np.isnan(step), 3, 1 - np.sign(np.nan_to_num(step))).astype(np.int64)
    n = int(max(pairs.source.max(initial=0), pairs.target.max(initial=0))) + 1
    keys = (pairs.source * n + pairs.target) * 4 + direction
    ties = np.unique(keys[pairs.source != pairs.target])
    pair, way = np.divmod(ties, 4)
    every = np.unique(pair)
    back = (pair % n) * n + pair // n
    at = np.minimum(np.searchsorted(every, back), max(len(every) - 1, 0))
    mutual = every[at] == back if len(every) else np.zeros(0, dtype=bool)
    n_ties = np.bincount(way, minlength=4)
    flow = np.bincount(direction, minlength=4).astype(np.float64)
    return flow, _divide(np.bincount(way[mutual], minlength=4).astype(np.float64), n_ties.astype(np.float64)), n_ties


def _divide(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)


def _mean_known(sample: Floats) -> Floats:
    known = ~np.isnan(sample)
    return _divide(np.where(known, sample, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))
