"""Where people stand in a network: strength, reach, PageRank, HITS, betweenness, constraint.

Each function takes a `Network` and returns a DataFrame ``person_id, <measure>`` sorted by id. Everybody in the network
has a row, silent people included, except those who opted out: they count in everybody's numbers and are not shown.
None of these is a measure of a person's worth; each says how ties lie, and `sna.find_champions` says more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import networkx as nx
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse
from scipy.linalg import eigh_tridiagonal

from sna.errors import ParameterError
from sna.network.network import Network
from sna.types import Floats

Mode = Literal["out", "in", "all"]
_GRID = math.lcm(*range(1, 23))  # 232,792,560: lengths 1/w are whole numbers for weights up to 22 times the weakest
_BLOCK = 256  # people at a time: a block of a dense network of 100,000 people takes 200 MB
_KRYLOV, _RESTARTS = 24, 200  # vectors kept before a restart, and restarts at most


def strength(network: Network, *, mode: Mode = "out") -> pl.DataFrame:
    r"""Sum of the weights of each person's ties.

    Parameters
    ----------
    network
        Any network.
    mode
        "out": what the person does toward others; "in": what others do toward them; "all": both.

    Returns
    -------
    DataFrame
        ``person_id, strength``, in interactions.

    Notes
    -----
    :math:`s_i = \sum_j w_{ij}` (Barrat, Barthelemy, Pastor-Satorras & Vespignani 2004, PNAS 101:3747).

    When it misleads: it grows with time spent and with the size of the channel; ten thousand posts to one colleague
    outweigh a hundred colleagues helped once (see `reach`).

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> n = network_from_edges(pl.DataFrame({"source": ["b", "b", "c"], "target": ["a", "a", "a"]}))
    >>> strength(n, mode="in").rows()
    [('a', 3.0), ('b', 0.0), ('c', 0.0)]
    """
    matrix = _directed(network, mode)
    return _table(network, strength=matrix.sum(axis=1))


def reach(network: Network, *, mode: Mode = "out", steps: int = 1) -> pl.DataFrame:
    """Number of distinct other people within ``steps`` ties.

    Parameters
    ----------
    network
        Any network.
    mode
        "out": people they act toward; "in": people who act toward them; "all": either.
    steps
        1 counts direct contacts; 2 also the contacts of contacts, and so on.

    Returns
    -------
    DataFrame
        ``person_id, reach``, in people.

    Notes
    -----
    With one step this is the degree of Freeman (1979), Social Networks 1:215.

    When it misleads: it counts a single "thanks" like a long collaboration, and it grows with every week observed.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> n = network_from_edges(pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"]}))
    >>> reach(n)["reach"].to_list(), reach(n, steps=2)["reach"].to_list()
    ([1, 1, 0], [2, 1, 0])
    """
    if steps < 1:
        raise ParameterError("steps is 1 or more.", got=f"Got {steps}.")
    ties = _pattern(_directed(network, mode))
    if steps == 1:
        return _table(network, reach=np.diff(ties.indptr).astype(np.int64))
    blocks = [_reach_block(ties, start, steps) for start in range(0, network.n_people, _BLOCK)]
    return _table(network, reach=np.concatenate([np.zeros(0, dtype=np.int64), *blocks]))


def pagerank(
    network: Network,
    *,
    mode: Literal["in", "out"] = "in",
    damping: float = 0.85,
    personalisation: Mapping[str, float] | None = None,
    tolerance: float = 1e-11,
) -> pl.DataFrame:
    r"""PageRank: a score that people pass on along their ties, in proportion to the weight of each tie.

    Parameters
    ----------
    network
        Any network.
    mode
        "in": the score flows from source to target, so people score high when people with high scores act toward them
        (in a reply network: whose posts are answered). "out": along the ties turned round (who answers those people).
    damping
        Share of the score passed on at each step; the rest restarts.
    personalisation
        Where restarts go: weight by person_id; people not named get none. None: to everybody alike. Score that
        reaches a person without outgoing ties is redistributed with the same weights.
    tolerance
        Stop when the vector moves less than this in sum.

    Returns
    -------
    DataFrame
        ``person_id, pagerank``; before leaving out those who opted out it sums to 1.

    Raises
    ------
    ParameterError
        For a damping outside (0, 1) or a personalisation that is empty, negative or names an unknown person.

    Notes
    -----
    :math:`x = d\,(P^\top x + x_{dangling}\,v) + (1-d)\,v` by power iteration (Brin & Page 1998, Computer Networks
    30:107).

    When it misleads: a person who is the only contact of somebody with a high score scores high too; values
    depend on the size of the network and are not comparable across networks.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> n = network_from_edges(pl.DataFrame({"source": ["a", "b"], "target": ["b", "a"]}))
    >>> pagerank(n)["pagerank"].round(6).to_list()
    [0.5, 0.5]
    """
    if not 0 < damping < 1:
        raise ParameterError("damping lies between 0 and 1.", got=f"Got {damping}.")
    restart = _restart(network, personalisation)
    if not network.n_people:
        return _table(network, pagerank=restart)
    matrix = _directed(network, "in" if mode == "out" else "out")
    return _table(network, pagerank=_power_iteration(matrix, restart, damping, tolerance))


def hits(network: Network, *, tolerance: float = 1e-12) -> pl.DataFrame:
    r"""HITS: hubs act toward good authorities, authorities are acted toward by good hubs.

    Parameters
    ----------
    network
        Any network.
    tolerance
        Relative accuracy asked of the eigenvector.

    Returns
    -------
    DataFrame
        ``person_id, hub, authority``; each sums to 1 over everybody, or is 0 everywhere in a network without ties.

    Notes
    -----
    The authority vector is what the power iteration on :math:`A^\top A` from equal scores tends to, also where the
    leading eigenvalue is shared by several components (Kleinberg 1999, Journal of the ACM 46:604); hubs are
    :math:`A` times it. Found by a Lanczos iteration from equal scores.

    When it misleads: it looks only at the densest part of the network (in a forum: the largest channel), everybody
    outside gets almost nothing.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> n = network_from_edges(pl.DataFrame({"source": ["a", "b"], "target": ["c", "c"]}))
    >>> hits(n)["hub"].round(6).to_list(), hits(n)["authority"].round(6).to_list()
    ([0.5, 0.5, 0.0], [0.0, 0.0, 1.0])
    """
    matrix, _ = network.to_sparse()
    if not matrix.nnz:
        return _table(network, hub=np.zeros(network.n_people), authority=np.zeros(network.n_people))
    authority = _leading_authority(matrix, tolerance)
    hub = matrix @ authority
    return _table(network, hub=hub / hub.sum(), authority=authority / authority.sum())


def betweenness(
    network: Network,
    *,
    distance: Literal["steps", "inverse_weight"] = "steps",
    normalised: bool = True,
    pivots: int | None = None,
    rng: np.random.Generator | int | None = None,
) -> pl.DataFrame:
    r"""Share of shortest directed paths between others that pass through each person.

    Parameters
    ----------
    network
        Any network.
    distance
        How long a tie is. "steps": every tie is one step. "inverse_weight": a tie of weight w is 1/w long, so that
        stronger ties are shorter. **Strength is never taken as length**: a tie of weight 100 is close, not far.
    normalised
        Divide by the number of ordered pairs of others, (n - 1)(n - 2), isolates included.
    pivots
        Estimate from shortest paths out of this many people drawn at random (Brandes & Pich 2007), scaled up; for
        networks of more than some ten thousand people. None uses everybody.
    rng
        Seed or generator for the draw of pivots.

    Returns
    -------
    DataFrame
        ``person_id, betweenness``.

    Raises
    ------
    ParameterError
        For an unknown distance or fewer than one pivot.

    Notes
    -----
    :math:`b_i = \sum_{s \ne i \ne t} \sigma_{st}(i) / \sigma_{st}` (Freeman 1977; Brandes 2001). Computed by igraph
    where it is installed and by networkx otherwise, with the same answers: lengths are whole numbers (1/w relative to
    the weakest tie, in steps of 1/232,792,560), so that two equally long paths are equal in both.

    When it misleads: on observed data most shortest paths are artefacts of the window; one stray message can make a
    broker. Compare with the same measure on half the data before naming anybody.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> ties = [("a", "b", 100), ("b", "c", 100), ("a", "d", 1), ("d", "c", 1)]
    >>> n = network_from_edges(pl.DataFrame(ties, schema=["source", "target", "weight"], orient="row"))
    >>> betweenness(n, distance="inverse_weight", normalised=False)["betweenness"].to_list()
    [0.0, 1.0, 0.0, 0.0]
    """
    if distance not in ("steps", "inverse_weight"):
        raise ParameterError("distance is 'steps' or 'inverse_weight'.", got=f"Got {distance!r}.")
    n = network.n_people
    sources = _draw_pivots(n, pivots, rng)
    matrix, _ = network.to_sparse()
    lengths = None if distance == "steps" else _lengths(matrix.data)
    values = _count_paths(matrix, lengths, sources) * (n / sources.size if sources is not None else 1.0)
    pairs = (n - 1) * (n - 2) if normalised and n > 2 else 1
    return _table(network, betweenness=values / pairs)


def constraint(network: Network) -> pl.DataFrame:
    r"""Burt's constraint: how far a person's contacts are each other's contacts too.

    Parameters
    ----------
    network
        Any network; ties count both ways, weights added.

    Returns
    -------
    DataFrame
        ``person_id, constraint``; low means many separate contacts (structural holes), null means no contact.

    Notes
    -----
    :math:`c_i = \sum_j (p_{ij} + \sum_q p_{iq} p_{qj})^2` over the contacts j of i, with p the share of i's ties
    (Burt 1992, Structural Holes, ch. 2), as in igraph and networkx.

    When it misleads: it is 1 for somebody with a single contact and falls with the number of contacts whatever they
    do, so it says little beside `reach` among people with few contacts.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> n = network_from_edges(pl.DataFrame({"source": ["a", "a"], "target": ["b", "c"]}))
    >>> constraint(n)["constraint"].to_list()
    [0.5, 1.0, 1.0]
    """
    both = _directed(network, "all")
    total = both.sum(axis=1)
    shares = sparse.diags_array(np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)) @ both
    ties = _pattern(both)
    blocks = [_constraint_block(shares, ties, start) for start in range(0, network.n_people, _BLOCK)]
    values = pl.Series(np.concatenate([np.zeros(0), *blocks]))
    silent = pl.Series(total == 0)
    return _table(network, constraint=pl.select(pl.when(~silent).then(values)).to_series())


def _table(network: Network, **measures: Any) -> pl.DataFrame:
    """Values by row of the network as a person-level table, without those who opted out."""
    people = network.people.select("person_id", "opt_out")
    columns = [pl.Series(name, values) for name, values in measures.items()]
    return people.with_columns(columns).filter(~pl.col("opt_out")).drop("opt_out")


def _directed(network: Network, mode: str) -> sparse.csr_array:
    """Weights with each person's ties of this mode in their row."""
    matrix, _ = network.to_sparse()
    if mode not in ("out", "in", "all"):
        raise ParameterError("mode is 'out', 'in' or 'all'.", got=f"Got {mode!r}.")
    if mode == "out":
        return matrix
    turned = matrix.T.tocsr()
    return turned if mode == "in" else (matrix + turned).tocsr()


def _pattern(matrix: sparse.csr_array) -> sparse.csr_array:
    """One where there is a tie."""
    return sparse.csr_array((np.ones_like(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)


def _reach_block(ties: sparse.csr_array, start: int, steps: int) -> npt.NDArray[np.int64]:
    rows = range(start, min(start + _BLOCK, ties.shape[0]))
    # one row for each person of the block, reaching only themselves so far
    seen = sparse.csr_array(
        (np.ones(len(rows)), (np.arange(len(rows)), np.array(rows))), shape=(len(rows), len(ties.indptr) - 1)
    )
    for _ in range(steps):
        wider = _pattern((seen + seen @ ties).tocsr())
        if wider.nnz == seen.nnz:
            break
        seen = wider
    return np.diff(seen.indptr).astype(np.int64) - 1  # without the person themselves


def _restart(network: Network, personalisation: Mapping[str, float] | None) -> Floats:
    ids = network.people["person_id"]
    if personalisation is None:
        return np.full(len(ids), 1.0 / max(len(ids), 1))
    unknown = sorted(set(personalisation) - set(ids))
    weights = np.array([float(personalisation.get(person, 0.0)) for person in ids])
    if unknown or not (weights >= 0).all() or not weights.sum() > 0:
        raise ParameterError(
            "personalisation gives people of this network weights of zero or more, one at least positive.",
            got=f"Not in the network: {unknown[:3]}." if unknown else "A weight is negative, or all are zero.",
        )
    return weights / weights.sum()


def _power_iteration(matrix: sparse.csr_array, restart: Floats, damping: float, tolerance: float) -> Floats:
    total = matrix.sum(axis=1)
    shares = np.divide(damping, total, out=np.zeros_like(total), where=total > 0)
    dangling = np.flatnonzero(total == 0)
    backwards = matrix.T
    x = restart
    # the error shrinks by the damping factor at each step, so this many steps reach the tolerance
    for _ in range(math.ceil(math.log(tolerance) / math.log(damping)) + 100):
        y = backwards @ (x * shares)
        y += (1.0 - damping + damping * x[dangling].sum()) * restart
        moved = np.abs(y - x).sum()
        x = y
        if moved < tolerance:
            break
    return x / x.sum()


def _leading_authority(matrix: sparse.csr_array, tolerance: float) -> Floats:
    """The part of equal scores that lies in the leading eigenspace of A'A."""
    backwards = matrix.T
    x = backwards @ matrix.sum(axis=1)  # equal scores multiplied once: nobody without a tie takes part in rounding
    for _ in range(_RESTARTS):
        x, residual = _lanczos(lambda v: backwards @ (matrix @ v), x, tolerance)
        if residual <= tolerance:
            break
    return np.where(x * np.sign(x.sum()) > 0, np.abs(x), 0.0)


def _lanczos(multiply: Callable[[Floats], Floats], start: Floats, tolerance: float) -> tuple[Floats, float]:
    """Best leading eigenvector within the space that repeated multiplication of ``start`` spans, and its residual.

    It ends where the space is exhausted. A library eigensolver would go on from a random vector there, and give equal
    components of a network unequal scores.
    """
    basis, diagonal, beside = [start / math.sqrt(_dot(start, start))], np.zeros(_KRYLOV), np.zeros(_KRYLOV)
    for j in range(_KRYLOV):
        y = multiply(basis[j])
        diagonal[j] = _dot(basis[j], y)
        for earlier in basis:  # against all of them: rounding would let equal vectors come back
            y -= _dot(earlier, y) * earlier
        beside[j] = math.sqrt(_dot(y, y))
        values, vectors = eigh_tridiagonal(diagonal[: j + 1], beside[:j])
        residual = abs(beside[j] * vectors[-1, -1]) / values[-1]
        if residual <= tolerance or j + 1 == _KRYLOV:
            break
        basis.append(y / beside[j])
    found = sum(weight * vector for weight, vector in zip(vectors[:, -1], basis, strict=True))
    return np.asarray(found), float(residual)


def _dot(left: Floats, right: Floats) -> float:
    """Inner product in one thread: BLAS would wake all cores for each and spin longer than the sum takes."""
    return float(np.einsum("i,i->", left, right))


def _lengths(weights: Floats) -> npt.NDArray[np.int64]:
    """1/w as whole numbers, the weakest tie the longest."""
    relative = weights / weights.min() if weights.size else weights
    return np.maximum(np.rint(_GRID / relative), 1).astype(np.int64)


def _draw_pivots(n: int, pivots: int | None, rng: np.random.Generator | int | None) -> npt.NDArray[np.int64] | None:
    if pivots is None or pivots >= n:
        return None
    if pivots < 1:
        raise ParameterError("pivots is 1 or more.", got=f"Got {pivots}.")
    return np.sort(np.random.default_rng(rng).choice(n, size=pivots, replace=False))


def _count_paths(
    matrix: sparse.csr_array, lengths: npt.NDArray[np.int64] | None, sources: npt.NDArray[np.int64] | None
) -> Floats:
    """Betweenness counts by igraph, else by networkx."""
    try:
        import igraph
    except ImportError:
        return _count_paths_networkx(matrix, lengths, sources)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    graph = igraph.Graph(n=matrix.shape[0], edges=np.column_stack([rows, matrix.indices]), directed=True)
    weights = None if lengths is None else lengths.tolist()
    chosen = None if sources is None else sources.tolist()
    return np.array(graph.betweenness(directed=True, weights=weights, sources=chosen), dtype=np.float64)


def _count_paths_networkx(
    matrix: sparse.csr_array, lengths: npt.NDArray[np.int64] | None, sources: npt.NDArray[np.int64] | None
) -> Floats:
    n = matrix.shape[0]
    rows = np.repeat(np.arange(n), np.diff(matrix.indptr)).tolist()
    length = [1] * len(rows) if lengths is None else lengths.tolist()
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_weighted_edges_from(zip(rows, matrix.indices.tolist(), length, strict=True), weight="length")
    weight = None if lengths is None else "length"
    if sources is None:
        counts = nx.betweenness_centrality(graph, normalized=False, weight=weight)
    else:
        counts = nx.betweenness_centrality_subset(graph, sources.tolist(), range(n), normalized=False, weight=weight)
    return np.array([counts[i] for i in range(n)], dtype=np.float64)


def _constraint_block(shares: sparse.csr_array, ties: sparse.csr_array, start: int) -> Floats:
    rows = slice(start, start + _BLOCK)
    direct = shares[rows]
    through = (direct @ shares).multiply(ties[rows])
    return np.asarray((direct + through).power(2).sum(axis=1))
