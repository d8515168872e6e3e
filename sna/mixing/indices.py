"""Homophily in the literature's classic indices: cross-group share, E-I, Coleman, Newman. Descriptives, no claims.

All of them compare with a forum in which everybody meets everybody, so roles that sit in different channels look as
if they avoided each other. `sna.mixing.claims` holds the measures a claim may rest on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import stats

from sna.forum import Forum
from sna.mixing.pairs import Pairs, code_any, count_groups, cross_share, take_pairs
from sna.network.network import Network
from sna.results import Estimate
from sna.talk.threads import MISSING
from sna.types import Floats, Moment


def cross_role_share(
    data: Forum | Network,
    *,
    by: str = "role",
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
) -> float:
    """Share of interactions between people of different groups, among those whose groups are both known.

    When it misleads: on its own. A forum with one big group has a low share whatever people prefer.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c"], "role": ["HR", "HR", "IT"]})
    >>> edges = pl.DataFrame({"source": ["a", "b", "c", "c"], "target": ["b", "a", "a", "b"]})
    >>> cross_role_share(network_from_edges(edges, people=people))
    0.5
    """
    pairs = code_any(data, by, kinds=kinds, since=since, until=until)
    return float(cross_share(count_groups(pairs), missing=pairs.missing))


def ei_index(
    data: Forum | Network,
    *,
    by: str = "role",
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    rescaled: bool = False,
) -> float:
    """E-I index of Krackhardt and Stern (1988): (external - internal) / (external + internal) ties.

    Parameters
    ----------
    data, by, kinds, since, until
        As in `mixing_matrix`. A tie is an ordered pair of people, however many interactions it holds; people whose
        group is not known are left out.
    rescaled
        Put the index between -1 and 1 of what this number of ties could reach given the group sizes.

    Returns
    -------
    float
        -1: all ties inside groups; 1: all across. NaN without ties, or when only one value could be reached.

    Notes
    -----
    With L ties and room for W inside and A across groups, the least index has ``min(L, W)`` ties inside, the greatest
    ``min(L, A)`` across.

    When it misleads: everywhere groups differ in size; compare it with a null, not with zero.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c"], "role": ["HR", "HR", "IT"]})
    >>> edges = pl.DataFrame({"source": ["a", "b", "c"], "target": ["b", "c", "a"]})
    >>> round(ei_index(network_from_edges(edges, people=people)), 3)
    0.333
    """
    pairs = code_any(data, by, kinds=kinds, since=since, until=until)
    ties = _distinct(pairs)
    known = (ties.source_group != pairs.missing) & (ties.target_group != pairs.missing)
    n = int(known.sum())
    external = int((known & (ties.source_group != ties.target_group)).sum())
    if n == 0:
        return float("nan")
    raw = (2 * external - n) / n
    if not rescaled:
        return raw
    counts = _group_sizes(data, by, pairs)
    sizes = np.array([size for group, size in counts.items() if group != MISSING], dtype=np.float64)
    within = float((sizes * (sizes - 1)).sum())
    across = float(sizes.sum() * (sizes.sum() - 1)) - within
    least, most = (n - 2 * min(n, within)) / n, (2 * min(n, across) - n) / n
    return 2 * (raw - least) / (most - least) - 1 if most > least else float("nan")


def coleman_homophily(
    data: Forum | Network,
    *,
    by: str = "role",
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
) -> pl.DataFrame:
    """Coleman's homophily of each group: ties inside it beyond what its size gives, between -1 and 1.

    Returns
    -------
    DataFrame
        ``group, n_people, n_ties, same_share, expected_share, homophily``. The expected share is
        ``(n_g - 1) / (n - 1)``; homophily is ``(same - expected) / (1 - expected)`` above it and
        ``(same - expected) / expected`` below (Coleman 1958; Signorile and O'Shea 1965).

    Notes
    -----
    When it misleads: groups that share a channel have it without any preference.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c"], "role": ["HR", "HR", "IT"]})
    >>> edges = pl.DataFrame({"source": ["a", "b", "c"], "target": ["b", "c", "a"]})
    >>> coleman_homophily(network_from_edges(edges, people=people)).rows()
    [('HR', 2, 2, 0.5, 0.5, 0.0), ('IT', 1, 1, 0.0, 0.0, 0.0)]
    """
    pairs = code_any(data, by, kinds=kinds, since=since, until=until)
    ties = _distinct(pairs)
    counts = count_groups(ties)
    people = _group_sizes(data, by, pairs)
    row = {name: code for code, name in enumerate(pairs.groups)}
    sizes = np.array(list(people.values()), dtype=np.float64)
    sent = np.array([counts[row[name]].sum() if name in row else 0.0 for name in people])
    inside = np.array([counts[row[name], row[name]] if name in row else 0.0 for name in people])
    same = np.divide(inside, sent, out=np.full(len(sent), np.nan), where=sent > 0)
    expected = np.maximum(sizes - 1, 0) / max(sizes.sum() - 1, 1)
    room = np.where(same >= expected, 1 - expected, expected)
    gap = same - expected
    homophily = np.divide(gap, room, out=np.where(np.isnan(same), np.nan, 0.0), where=room > 0)
    return pl.DataFrame(
        {
            "group": list(people),
            "n_people": sizes.astype(np.int64),
            "n_ties": sent.astype(np.int64),
            "same_share": same,
            "expected_share": expected,
            "homophily": homophily,
        }
    ).fill_nan(None)


def assortativity(
    data: Forum | Network,
    *,
    by: str = "role",
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    level: float = 0.95,
) -> Estimate:
    """Newman's assortativity coefficient of a category, with its jackknife error over interactions.

    Returns
    -------
    Estimate
        ``r = (sum e_ii - sum a_i b_i) / (1 - sum a_i b_i)`` with e the share of interactions in each cell (Newman 2003,
        eq. 2); interval from ``se^2 = sum (r_i - r)^2``, leaving out one interaction at a time (his eq. 5).

    Notes
    -----
    When it misleads: it compares with volume-holding shares, so shared channels look like preference; and interactions
    of one thread are not independent, so its interval is too narrow for a claim.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c", "d"], "role": ["HR", "HR", "IT", "IT"]})
    >>> edges = pl.DataFrame({"source": ["a", "b", "c", "d"], "target": ["b", "a", "d", "c"]})
    >>> assortativity(network_from_edges(edges, people=people)).value
    1.0
    """
    pairs = code_any(data, by, kinds=kinds, since=since, until=until)
    counts = count_groups(pairs)
    known = pairs.known
    value, error = newman_assortativity(counts[np.ix_(known, known)])
    reach = float(stats.norm.ppf(0.5 + level / 2)) * error
    n = int(counts[np.ix_(known, known)].sum())
    low, high = (None, None) if np.isnan(reach) else (value - reach, value + reach)
    return Estimate(f"assortativity by {by}", value, low=low, high=high, level=level, n=n, unit="interactions")


def newman_assortativity(counts: Floats) -> tuple[float, float]:
    """Assortativity and its jackknife standard error from mixing counts ``(k, k)``; NaN with only one group."""
    counts = np.asarray(counts, dtype=np.float64)
    value = _newman(counts)
    left_out = np.zeros_like(counts)
    for cell in np.argwhere(counts > 0):
        fewer = counts.copy()
        fewer[tuple(cell)] -= 1
        left_out[tuple(cell)] = _newman(fewer) - value
    return value, float(np.sqrt((counts * left_out**2).sum()))


def _newman(counts: Floats) -> float:
    total = float(counts.sum())
    if total <= 0:
        return float("nan")
    chance = float(counts.sum(axis=1) @ counts.sum(axis=0)) / total**2
    return (float(np.trace(counts)) / total - chance) / (1 - chance) if chance < 1 else float("nan")


def _distinct(pairs: Pairs) -> Pairs:
    """Each (source, target) and pair of groups once."""
    keys = np.stack([pairs.source, pairs.target, pairs.source_group, pairs.target_group])
    _, first = np.unique(keys, axis=1, return_index=True)
    return take_pairs(pairs, first)


def _group_sizes(data: Forum | Network, by: str, pairs: Pairs) -> dict[str, int]:
    """People of each group: all of a network's; in a forum, where groups change, those who take part."""
    if isinstance(data, Network):
        groups = data.people.select(pl.col(by).cast(pl.String).fill_null(MISSING).alias("group"))
    else:
        person = np.concatenate([pairs.source, pairs.target])
        group = np.concatenate([pairs.source_group, pairs.target_group])
        codes = np.unique(np.stack([person, group]), axis=1)[1]
        groups = pl.DataFrame({"group": [pairs.groups[code] for code in codes]}, schema={"group": pl.String})
    return {str(name): int(size) for name, size in groups.group_by("group").len().sort("group").iter_rows()}
