"""Brokerage roles of Gould and Fernandez: who passes things on between groups, and what falls apart without them.

A broker b stands on an open path a -> b -> c: a acts toward b, b toward c, and a not toward c. With the groups of the
three, the path makes b a coordinator (all alike), consultant (a and c alike), representative (a and b alike),
gatekeeper (b and c alike) or liaison (all different).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from sna.errors import ParameterError, SchemaError
from sna.forum import Forum
from sna.network.network import Network, build_network
from sna.stats.inference import adjust_p, monte_carlo_p
from sna.talk.interactions import list_interactions
from sna.talk.threads import MISSING
from sna.types import Floats, Ints, Moment

ROLES = ("coordinator", "consultant", "gatekeeper", "representative", "liaison")
_MOST_PATHS = 500_000  # a sample of so many paths gives shares within 0.2 percentage points
_ROWS = 512  # brokers at a time


@dataclass(frozen=True)
class _Ties:
    """Distinct directed ties among people with group codes; ``first`` and ``last`` are times of interaction or None."""

    people: list[str]
    hidden: NDArray[np.bool_]
    group: Ints
    groups: tuple[str, ...]
    out: sparse.csr_array
    into: sparse.csr_array
    first: sparse.csr_array | None
    last: sparse.csr_array | None

    @property
    def missing(self) -> int:
        return self.groups.index(MISSING) if MISSING in self.groups else -1


def brokerage_roles(
    data: Forum | Network,
    *,
    by: str = "role",
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    time_ordered: bool = False,
) -> pl.DataFrame:
    """How often each person stands in each of the five brokerage roles.

    Parameters
    ----------
    data
        A Forum, or a Network whose people carry the attribute. Groups are those at the end of the window: a path
        joins interactions of different times, and each of its three people must be one node in one group. Where
        many changed role, cut the time with ``since`` and ``until`` into windows in which few did, and compare.
    by
        Any attribute.
    kinds, since, until
        Interactions of a forum to use.
    time_ordered
        Count a -> b -> c only when some interaction of b toward c came after one of a toward b: nothing can be passed
        on before it arrives. Needs a Forum.

    Returns
    -------
    DataFrame
        ``person_id, coordinator, consultant, gatekeeper, representative, liaison, n_paths, cross_share``, one row per
        person, silent people included, people who opted out left out. ``n_paths`` also counts paths on which a group
        is not known; ``cross_share`` is the share of the five roles that is not coordinator (null without any).

    Notes
    -----
    The count grows with the square of activity, so it says who stands between, not who chooses to bridge. Its total
    is compared with a null that keeps volume and place in `brokerage_totals`, not with the Bernoulli graph of the
    paper, which finds "too little" brokerage in every network that clusters.

    Source: Gould and Fernandez (1989), Sociological Methodology 19.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c"], "role": ["HR", "IT", "HR"]})
    >>> edges = pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    >>> brokerage_roles(network_from_edges(edges, people=people)).row(1)
    ('b', 0, 1, 0, 0, 0, 1, 1.0)
    """
    ties = _ties(data, by, kinds=kinds, since=since, until=until, time_ordered=time_ordered)
    counts = np.zeros((len(ties.people), len(ROLES)), dtype=np.int64)
    n_paths = np.zeros(len(ties.people), dtype=np.int64)
    for broker, table in _tables(ties):
        n_paths[broker] = table.sum()
        counts[broker] = _roles_of(table, int(ties.group[broker]), ties.missing)
    frame = pl.DataFrame(
        {"person_id": ties.people, **{name: counts[:, i] for i, name in enumerate(ROLES)}, "n_paths": n_paths},
        schema_overrides={"person_id": pl.String},
    )
    total = pl.sum_horizontal(ROLES)
    share = pl.when(total > 0).then((total - pl.col("coordinator")) / total).alias("cross_share")
    return frame.with_columns(share).filter(pl.Series(~ties.hidden)).sort("person_id")


def label_totals(
    data: Forum | Network,
    *,
    by: str = "role",
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    time_ordered: bool = False,
    draws: int = 999,
    rng: np.random.Generator | int | None = None,
) -> pl.DataFrame:
    """Brokerage of the whole network by role, against permuted labels: a description.

    Parameters
    ----------
    data, by, kinds, since, until, time_ordered
        As in `brokerage_roles`.
    draws, rng
        Permutations of the labels among the people who have a known group and a tie.

    Returns
    -------
    DataFrame
        ``role, observed, expected, ratio, p_value, p_adjusted, null, n_paths_tested``. ``expected`` is exact: open
        paths times the chance that three people drawn without replacement have such groups. p is two-sided,
        Holm-adjusted over the five roles.

    Notes
    -----
    Above 500,000 open paths p rests on a random sample of them, chosen without looking at labels.

    When it misleads: always, as a claim: label permutation ignores that groups differ in volume and sit in different
    channels, and finds a departure in most forums in which people pay no attention to groups. `sna.brokerage_totals`
    holds both.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c"], "role": ["HR", "IT", "HR"]})
    >>> edges = pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    >>> label_totals(network_from_edges(edges, people=people), draws=9, rng=1)["observed"].to_list()
    [0, 1, 0, 0, 0]
    """
    ties = _ties(data, by, kinds=kinds, since=since, until=until, time_ordered=time_ordered)
    generator = np.random.default_rng(rng)
    known = np.flatnonzero((ties.group != ties.missing) & _has_tie(ties))
    counts, observed = {}, np.zeros(len(ROLES), dtype=np.int64)
    for broker, table in _tables(ties):
        if ties.group[broker] != ties.missing:
            counts[broker] = int(_known_table(table, ties).sum())
            observed += _roles_of(table, int(ties.group[broker]), ties.missing)
    paths = _sample_paths(ties, counts, generator)
    labels, sample = ties.group.copy(), np.empty((draws, len(ROLES)))
    for draw in range(draws):
        labels[known] = generator.permutation(ties.group[known])
        sample[draw] = _count_roles(labels, paths)
    p_value = monte_carlo_p(_count_roles(ties.group, paths), sample)
    expected = sum(counts.values()) * _role_chances(np.bincount(ties.group[known], minlength=len(ties.groups)))
    return pl.DataFrame(
        {
            "role": list(ROLES),
            "observed": observed,
            "expected": expected,
            "ratio": np.divide(observed, expected, out=np.full(len(ROLES), np.nan), where=expected > 0),
            "p_value": p_value,
            "p_adjusted": adjust_p(p_value),
        }
    ).with_columns(
        pl.col("ratio").fill_nan(None),
        pl.lit("label permutation").alias("null"),
        pl.lit(paths.shape[1]).cast(pl.Int64).alias("n_paths_tested"),
    )


def list_bridges(
    data: Forum | Network,
    *,
    by: str = "role",
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    time_ordered: bool = False,
) -> pl.DataFrame:
    """Who bridges which pair of groups.

    Returns
    -------
    DataFrame
        ``from_group, to_group, person_id, role, n_paths, path_share``: open paths from people of one group through the
        person to people of another, and their share of all open paths of that pair. Largest first within each
        pair; people who opted out are not listed and count in the share. ``role`` is the brokerage role.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c"], "role": ["HR", "IT", "Ops"]})
    >>> edges = pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    >>> list_bridges(network_from_edges(edges, people=people)).rows()
    [('HR', 'Ops', 'b', 'liaison', 1, 1.0)]
    """
    ties = _ties(data, by, kinds=kinds, since=since, until=until, time_ordered=time_ordered)
    rows = []
    for broker, table in _tables(ties):
        for a, c in np.argwhere(_known_table(table, ties) > 0):
            if a != c:
                role = _role_name(int(a), int(ties.group[broker]), int(c), ties.missing)
                rows.append((ties.groups[a], ties.groups[c], ties.people[broker], role, int(table[a, c]), broker))
    columns = {"from_group": pl.String, "to_group": pl.String, "person_id": pl.String, "role": pl.String}
    schema = pl.Schema({**columns, "n_paths": pl.Int64, "_row": pl.Int64})
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    share = (pl.col("n_paths") / pl.col("n_paths").sum()).over("from_group", "to_group").alias("path_share")
    hidden = frame["_row"].is_in(np.flatnonzero(ties.hidden).tolist())
    listed = frame.with_columns(share).filter(~hidden).drop("_row")
    return listed.sort("from_group", "to_group", "n_paths", "person_id", descending=[False, False, True, False])


def bridging_loss(
    data: Forum | Network,
    *,
    by: str = "role",
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
) -> pl.DataFrame:
    """What falls apart between groups without each person.

    Returns
    -------
    DataFrame
        ``person_id, n_sole_pairs, sole_share, n_cut_pairs``, largest first. ``n_sole_pairs``: ordered pairs of
        people of different known groups whose only open path of two steps runs through the person, and their
        share of all pairs with such a path. ``n_cut_pairs``: pairs of people of different groups who are connected
        in any way and would not be without the person (direction ignored).

    Notes
    -----
    When it misleads: others may step in. This is structure, an upper bound of the loss.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b", "c"], "role": ["HR", "IT", "Ops"]})
    >>> edges = pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    >>> bridging_loss(network_from_edges(edges, people=people)).row(0)
    ('b', 1, 1.0, 1)
    """
    ties = _ties(data, by, kinds=kinds, since=since, until=until, time_ordered=False)
    sole, total = _sole_pairs(ties)
    frame = pl.DataFrame(
        {
            "person_id": ties.people,
            "n_sole_pairs": sole,
            "sole_share": sole / max(total, 1),
            "n_cut_pairs": _cut_pairs(ties),
        },
        schema_overrides={"person_id": pl.String},
    ).filter(pl.Series(~ties.hidden))
    return frame.sort("n_sole_pairs", "n_cut_pairs", "person_id", descending=[True, True, False])


# Reading the ties --------------------------------------------------------------------------------------------------


def _ties(
    data: Forum | Network, by: str, *, kinds: Sequence[str], since: Moment, until: Moment, time_ordered: bool
) -> _Ties:
    if isinstance(data, Network) and time_ordered:
        raise ParameterError("Time order needs interactions.", got="A Network.", hint="pass the forum itself")
    if isinstance(data, Network):
        network = data
    else:
        network = build_network(data, kinds=kinds, since=since, until=until, attributes=(by,))
    if by not in network.people.columns:
        raise SchemaError(f"People need the attribute {by!r}.", got=f"Columns: {', '.join(network.people.columns)}.")
    matrix, ids = network.to_sparse()
    out = sparse.csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)
    out.sort_indices()
    labels = network.people[by].cast(pl.String).fill_null(MISSING)
    groups = tuple(labels.unique().sort())
    codes = {name: code for code, name in enumerate(groups)}
    people = network.people
    hidden = people["opt_out"].fill_null(False) if "opt_out" in people.columns else pl.Series([False] * len(ids))
    first, last = (None, None)
    if time_ordered and isinstance(data, Forum):
        first, last = _times(list_interactions(data, kinds=kinds, since=since, until=until), ids)
    group = np.array([codes[name] for name in labels], dtype=np.int64)
    return _Ties(ids, hidden.to_numpy(), group, groups, out, out.T.tocsr(), first, last)


def _times(rows: pl.DataFrame, ids: list[str]) -> tuple[sparse.csr_array, sparse.csr_array]:
    """First interaction of each tie (by target) and last of each (by source), as positive numbers."""
    index = pl.DataFrame({"id": ids}).with_row_index("code")
    spans = rows.group_by("source", "target").agg(pl.col("at").min().alias("first"), pl.col("at").max().alias("last"))
    spans = spans.join(index.rename({"id": "source", "code": "i"}), on="source")
    spans = spans.join(index.rename({"id": "target", "code": "j"}), on="target").sort("i", "j")
    i, j = spans["i"].to_numpy(), spans["j"].to_numpy()
    start = rows["at"].min()
    shape = (len(ids), len(ids))
    first, last = (
        (spans.select((pl.col(name) - start).dt.total_microseconds() + 1).to_series().fill_null(1).to_numpy())
        for name in ("first", "last")
    )
    into = sparse.coo_array((first.astype(np.float64), (j, i)), shape=shape).tocsr()
    out = sparse.coo_array((last.astype(np.float64), (i, j)), shape=shape).tocsr()
    into.sort_indices()
    out.sort_indices()
    return into, out


def _has_tie(ties: _Ties) -> NDArray[np.bool_]:
    return np.asarray((np.diff(ties.out.indptr) + np.diff(ties.into.indptr)) > 0)


# Open paths --------------------------------------------------------------------------------------------------------


def _neighbours(matrix: sparse.csr_array, row: int) -> Ints:
    return matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]].astype(np.int64)


def _open(ties: _Ties, broker: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Senders, receivers, and which of their pairs are open paths through the broker."""
    senders, receivers = _neighbours(ties.into, broker), _neighbours(ties.out, broker)
    column = np.full(len(ties.people), -1, dtype=np.int64)
    column[receivers] = np.arange(len(receivers))
    rows = ties.out[senders]
    hit = column[rows.indices]
    row = np.repeat(np.arange(len(senders)), np.diff(rows.indptr))
    is_open = senders[:, None] != receivers[None, :]
    is_open[row[hit >= 0], hit[hit >= 0]] = False
    if ties.first is not None and ties.last is not None:
        came, went = _row_data(ties.first, broker), _row_data(ties.last, broker)
        is_open &= came[:, None] < went[None, :]
    return senders, receivers, is_open


def _tables(ties: _Ties) -> Iterator[tuple[int, Ints]]:
    """Open paths of each broker by the groups of sender and receiver, ``(k, k)``: all pairs less those not open.

    No sender is ever laid against every receiver, so a hub costs what its neighbours' ties cost.
    """
    k, place = len(ties.groups), np.full(len(ties.people), -1, dtype=np.int32)
    degrees = np.diff(ties.out.indptr), np.diff(ties.into.indptr)
    for broker in np.flatnonzero((degrees[0] > 0) & (degrees[1] > 0)).tolist():
        senders, receivers = _neighbours(ties.into, broker), _neighbours(ties.out, broker)
        if degrees[0][senders].sum() <= degrees[1][receivers].sum():
            a, c = _find_ties(ties.out, senders, receivers, place)
        else:
            c, a = _find_ties(ties.into, receivers, senders, place)
        _, own_a, own_c = np.intersect1d(senders, receivers, assume_unique=True, return_indices=True)
        a, c = np.concatenate([a, own_a]), np.concatenate([c, own_c])
        sent, received = ties.group[senders], ties.group[receivers]
        if ties.first is None or ties.last is None:
            table = np.outer(np.bincount(sent, minlength=k), np.bincount(received, minlength=k))
        else:
            came, went = _row_data(ties.first, broker), _row_data(ties.last, broker)
            table = _count_in_time(sent, came, received, went, k)
            in_time = came[a] < went[c]
            a, c = a[in_time], c[in_time]
        yield broker, table - np.bincount(sent[a] * k + received[c], minlength=k * k).reshape(k, k)


def _find_ties(matrix: sparse.csr_array, rows: Ints, columns: Ints, place: NDArray[np.int32]) -> tuple[Ints, Ints]:
    """Positions in ``rows`` and ``columns`` of the ties between them; ``place`` is all -1 before and after."""
    length = matrix.indptr[rows + 1] - matrix.indptr[rows]
    ends = np.cumsum(length)
    at = np.arange(ends[-1]) + np.repeat(matrix.indptr[rows] - (ends - length), length)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    found = place.take(matrix.indices.take(at))
    place[columns] = -1
    hit = np.flatnonzero(found >= 0)
    return np.searchsorted(ends, hit, side="right"), found[hit].astype(np.int64)


def _row_data(matrix: sparse.csr_array, row: int) -> Floats:
    return np.asarray(matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]])


def _count_in_time(sent: Ints, came: Floats, received: Ints, went: Floats, k: int) -> Ints:
    """Pairs of a sender and a receiver by group whose first time of coming lies before the last of going, (k, k)."""
    order = np.argsort(came, kind="stable")
    so_far = np.zeros((len(sent) + 1, k), dtype=np.int64)
    so_far[np.arange(1, len(sent) + 1), sent[order]] = 1
    so_far = np.cumsum(so_far, axis=0)
    table = np.zeros((k, k), dtype=np.int64)
    np.add.at(table.T, received, so_far[np.searchsorted(came[order], went, side="left")])
    return table


def _known_table(table: Ints, ties: _Ties) -> Ints:
    known = np.arange(len(table)) != ties.missing
    return np.asarray(table * np.outer(known, known))


def _roles_of(table: Ints, own: int, missing: int) -> Ints:
    """Counts in the order of ROLES; zero when the broker's own group is not known."""
    if own == missing:
        return np.zeros(len(ROLES), dtype=np.int64)
    known = np.arange(len(table)) != missing
    block = table * np.outer(known, known)
    inside = block[own, own]
    sent, received, alike = block[own].sum() - inside, block[:, own].sum() - inside, np.trace(block) - inside
    rest = block.sum() - inside - sent - received - alike
    return np.array([inside, alike, received, sent, rest], dtype=np.int64)


def _role_name(a: int, b: int, c: int, missing: int) -> str | None:
    if b == missing:
        return None
    if a == b:
        return "coordinator" if b == c else "representative"
    if b == c:
        return "gatekeeper"
    return "consultant" if a == c else "liaison"


def _count_roles(labels: Ints, paths: Ints) -> Ints:
    a, b, c = labels[paths]
    ab, bc, ac = a == b, b == c, a == c
    inside = int((ab & bc).sum())
    sent, received, alike = int(ab.sum()) - inside, int(bc.sum()) - inside, int(ac.sum()) - inside
    return np.array([inside, alike, received, sent, len(a) - inside - sent - received - alike])


def _role_chances(sizes: Ints) -> Floats:
    """Chance of each role when the labels of three different people are drawn at random."""
    n = float(sizes.sum())
    if n < 3:
        return np.zeros(len(ROLES))
    size = sizes.astype(np.float64)
    inside = (size * (size - 1) * (size - 2)).sum() / (n * (n - 1) * (n - 2))
    two = (size * (size - 1) * (n - size)).sum() / (n * (n - 1) * (n - 2))
    return np.array([inside, two, two, two, 1 - inside - 3 * two])


def _sample_paths(ties: _Ties, counts: dict[int, int], rng: np.random.Generator) -> Ints:
    """Open paths among people of known group, ``(3, n)``: all of them, or a random sample."""
    brokers = np.array(sorted(counts), dtype=np.int64)
    ends = np.cumsum([counts[broker] for broker in brokers.tolist()], dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    chosen = np.arange(total) if total <= _MOST_PATHS else np.sort(rng.choice(total, _MOST_PATHS, replace=False))
    owner = np.searchsorted(ends, chosen, side="right")
    pieces = [np.zeros((3, 0), dtype=np.int64)]
    for at in np.unique(owner).tolist():
        senders, receivers, is_open = _open(ties, int(brokers[at]))
        known = ties.group != ties.missing
        is_open &= known[senders][:, None] & known[receivers][None, :]
        local = chosen[owner == at] - (ends[at] - counts[int(brokers[at])])
        a, c = np.divmod(np.flatnonzero(is_open)[local], len(receivers))
        broker = np.full(len(local), brokers[at], dtype=np.int64)
        pieces.append(np.stack([senders[a], broker, receivers[c]]))
    return np.concatenate(pieces, axis=1)


# What falls apart --------------------------------------------------------------------------------------------------


def _sole_pairs(ties: _Ties) -> tuple[Ints, int]:
    """Cross-group pairs with exactly one open path of two steps, by its broker; and pairs with at least one."""
    n = len(ties.people)
    named = ties.out.copy()
    named.data = np.repeat(np.arange(1.0, n + 1), np.diff(named.indptr))
    sole, total = np.zeros(n, dtype=np.int64), 0
    for start in range(0, n, _ROWS):
        rows = ties.out[start : start + _ROWS]
        ways = (rows @ ties.out).tocoo()
        direct = np.asarray(rows[ways.row, ways.col]).ravel() > 0
        a, c = ties.group[ways.row + start], ties.group[ways.col]
        kept = (a != c) & (a != ties.missing) & (c != ties.missing) & ~direct
        total += int(kept.sum())
        single = kept & (ways.data == 1)
        broker = np.asarray((rows @ named).tocsr()[ways.row[single], ways.col[single]]).ravel().astype(np.int64) - 1
        sole += np.bincount(broker, minlength=n)
    return sole, total


def _cut_pairs(ties: _Ties) -> Ints:
    """Cross-group pairs that only the person connects: the person's component is taken apart without them."""
    undirected = (ties.out + ties.into).tocsr()
    counts = np.zeros(len(ties.people), dtype=np.int64)
    for person in _cut_points(undirected).tolist():
        counts[person] = _lost_pairs(ties, undirected, person)
    return counts


def _cut_points(undirected: sparse.csr_array) -> Ints:
    import networkx as nx

    graph = nx.from_scipy_sparse_array(undirected)
    return np.array(sorted(nx.articulation_points(graph)), dtype=np.int64)


def _lost_pairs(ties: _Ties, undirected: sparse.csr_array, person: int) -> int:
    _, before = connected_components(undirected, directed=False)
    members = np.flatnonzero((before == before[person]) & (np.arange(len(before)) != person))
    n_parts, part = connected_components(undirected[members][:, members], directed=False)
    known = ties.group[members] != ties.missing
    k = len(ties.groups)
    cells = np.bincount(part[known] * k + ties.group[members][known], minlength=n_parts * k).reshape(-1, k)

    def across(table: Ints) -> int:
        return int(table.sum() ** 2 - (table**2).sum()) // 2

    return across(cells.sum(axis=0)) - sum(across(row) for row in cells)
