"""From a forum or a network to coded pairs, and the arithmetic on them that the measures of mixing share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from sna.errors import NotAnswerableError, ParameterError, SchemaError
from sna.forum import Forum, join_attribute, require_capabilities
from sna.mixing.nulls import Null, Pairs, count_groups, count_margins, take_pairs
from sna.network.network import Network
from sna.stats.inference import jackknife_groups, logit
from sna.talk.interactions import list_interactions
from sna.talk.threads import MISSING, thread_participation
from sna.talk.windows import cut_window
from sna.types import Floats, Ints, Moment

_CHUNK = 32
_MOMENT_CELLS = 4_000_000
_STRATIFIED = ("channel-stratified", "thread participation")


@dataclass(frozen=True)
class Coded:
    """Pairs with the ids behind the codes; ``threads`` in order of their start, ``people`` sorted.

    ``space`` and ``period`` are codes of each pair; together they make the stratum.
    """

    pairs: Pairs
    people: pl.Series
    threads: pl.Series
    started: pl.Series
    space: Ints
    period: Ints

    @property
    def missing(self) -> int:
        """Code of the group of people whose attribute is not known; -1 when there are none."""
        groups = self.pairs.groups
        return groups.index(MISSING) if MISSING in groups else -1


def require_spaces(forum: Forum, *, analysis: str) -> None:
    """Refuse what needs the channel of a thread when the source does not record it.

    Raises
    ------
    NotAnswerableError
        When no post has a space, or the source says it does not know them.
    """
    require_capabilities(forum, ("threads", "spaces"), analysis=analysis)
    if forum.posts["space"].null_count() == forum.posts.height:
        raise NotAnswerableError(
            f"Not answerable from this source: {analysis} needs the space (channel) of each thread, because people "
            "in different channels cannot meet whatever they prefer.",
            got="No post has a space.",
            hint="cross_role_change compares periods and does not need it",
        )


def code_joins(forum: Forum, by: str, *, since: Moment = None, until: Moment = None, period: str = "1q") -> Coded:
    """Who joined whose thread: one pair per thread and participant other than its asker.

    Groups are as of the joining and, for the asker, as of the thread's start. The stratum is space and period.
    """
    rows = thread_participation(forum)
    asked = pl.col("person_id") == pl.col("asker_id")
    starts = rows.filter(asked).select("thread_id", pl.col("at").alias("started_at"))
    starts = starts.join(_askers(rows), on="thread_id")
    starts = join_attribute(forum, starts, by=by, person="asker_id", at="started_at")
    joins = cut_window(rows.filter(~asked), since=since, until=until)
    joins = join_attribute(forum, joins, by=by, at="at", into="_from")
    joins = joins.join(starts.rename({by: "_to"}).drop("asker_id"), on="thread_id", how="left", maintain_order="left")
    return _code(joins.rename({"person_id": "source", "asker_id": "target"}), period)


def _askers(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("thread_id", "asker_id").unique()


def code_interactions(
    forum: Forum,
    by: str,
    *,
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    period: str = "1q",
) -> Coded:
    """Who acted toward whom, groups as of the interaction; each row one pair whatever its weight."""
    rows = list_interactions(forum, kinds=kinds, since=since, until=until)
    rows = join_attribute(forum, rows, by=by, person="source", at="at", into="_from")
    rows = join_attribute(forum, rows, by=by, person="target", at="at", into="_to")
    first = pl.col("at").min().over("thread_id")
    return _code(rows.with_columns(first.alias("started_at")), period)


def code_network(network: Network, by: str) -> Coded:
    """Ties of a network, each repeated by its weight.

    Raises
    ------
    SchemaError
        When people have no such attribute.
    ParameterError
        When a weight is not a whole number: nulls count interactions.
    """
    if by not in network.people.columns:
        known = [name for name in network.people.columns if name not in ("person_id", "name", "kind", "opt_out")]
        raise SchemaError(
            f"The network's people need the attribute {by!r}.",
            got=f"Attributes: {', '.join(known) or 'none'}.",
            hint="network_from_edges(edges, people=frame with person_id and the attribute)",
        )
    ties = network.ties
    if not (ties["weight"] == ties["weight"].round()).all():
        raise ParameterError("Mixing counts interactions.", got="Weights that are not whole numbers.")
    groups = network.people.select("person_id", pl.col(by).cast(pl.String))
    rows = ties.select(pl.exclude("weight").repeat_by(pl.col("weight").cast(pl.UInt32))).explode("source", "target")
    for end, name in (("source", "_from"), ("target", "_to")):
        rows = rows.join(groups.rename({"person_id": end, by: name}), on=end, how="left", maintain_order="left")
    blank = pl.lit(None, pl.String)
    empty = pl.lit(None, pl.Datetime("us", "UTC"))
    return _code(
        rows.with_columns(blank.alias("thread_id"), blank.alias("space"), empty.alias("at"), empty.alias("started_at")),
        "1q",
    )


def code_any(data: Forum | Network, by: str, *, kinds: Sequence[str], since: Moment, until: Moment) -> Coded:
    """Interactions of a forum, or the ties of a network."""
    if isinstance(data, Network):
        return code_network(data, by)
    return code_interactions(data, by, kinds=kinds, since=since, until=until)


def _code(rows: pl.DataFrame, period: str) -> Coded:
    """Codes by sorted id, so that the order of rows never matters."""
    rows = rows.sort("at", "thread_id", "source", "target", nulls_last=True).with_columns(
        pl.col("_from", "_to").fill_null(MISSING), pl.col("space").fill_null(""), pl.col("at").dt.truncate(period)
    )
    people, (source, target) = _encode(rows["source"], rows["target"])
    groups, (source_group, target_group) = _encode(rows["_from"], rows["_to"])
    order = rows.select("thread_id", "started_at").drop_nulls("thread_id")
    threads = (
        order.group_by("thread_id").agg(pl.col("started_at").min()).sort("started_at", "thread_id", nulls_last=True)
    )
    codes = threads.select("thread_id", pl.int_range(pl.len(), dtype=pl.Int64).alias("_thread"))
    thread = rows.select("thread_id").join(codes, on="thread_id", how="left", maintain_order="left")["_thread"]
    space, when = _dense(rows["space"]), _dense(rows["at"])
    _, stratum = np.unique(when * (space.max(initial=0) + 1) + space, return_inverse=True)
    pairs = Pairs(
        source=source,
        target=target,
        source_group=source_group,
        target_group=target_group,
        stratum=stratum.astype(np.int64),
        thread=thread.fill_null(-1).to_numpy().copy(),
        groups=tuple(groups),
    )
    return Coded(pairs, people, threads["thread_id"], threads["started_at"], space, when)


def _dense(column: pl.Series) -> Ints:
    """Codes by rank; null is code 0 where there is one."""
    ranks = column.rank("dense").cast(pl.Int64)
    return (ranks.fill_null(0) - int(not column.has_nulls())).to_numpy().copy()


def _encode(*columns: pl.Series) -> tuple[pl.Series, list[Ints]]:
    names = pl.concat([column.alias("_id") for column in columns]).unique().sort()
    index = pl.DataFrame({"_id": names}).with_row_index("_code")
    codes = []
    for column in columns:
        joined = column.alias("_id").to_frame().join(index, on="_id", how="left", maintain_order="left")
        codes.append(joined["_code"].cast(pl.Int64).to_numpy().copy())
    return names, codes


def draw_counts(null: Null, pairs: Pairs, *, draws: int, rng: np.random.Generator) -> Floats:
    """Mixing counts of each draw, shape ``(draws, k, k)``."""
    if null.count is not None:
        return null.count(pairs, draws, rng)
    return np.stack([count_groups(drawn) for drawn in null.draw(pairs, draws, rng)])


def cross_share(counts: Floats, *, missing: int = -1) -> Floats:
    """Share of pairs between different groups, among pairs whose groups are both known; shape ``(..., k, k)``."""
    known = np.array([code for code in range(counts.shape[-1]) if code != missing], dtype=np.int64)
    block = counts[..., known[:, None], known[None, :]]
    total = block.sum(axis=(-2, -1))
    same = np.einsum("...aa->...", block)
    return np.divide(total - same, total, out=np.full(np.shape(total), np.nan), where=total > 0)


@dataclass(frozen=True)
class Seating:
    """Joins as sparse matrices over threads, so that any subset of threads is one matrix product away.

    ``joined`` and ``asked`` have one row per (stratum, group): participants, and seats by the asker's group.
    ``own_joined`` and ``own_asked`` have one row per (stratum, person, group) of people who did both there;
    ``own_row`` is the (stratum, group) row they belong to. ``same`` and ``known`` count pairs per thread.
    """

    joined: sparse.csr_array
    asked: sparse.csr_array
    own_joined: sparse.csr_array
    own_asked: sparse.csr_array
    own_row: sparse.csr_array
    same: Floats
    known: Floats
    known_row: Floats
    groups: int


def make_seating(coded: Coded) -> Seating:
    """Seating of the pairs in their strata; their threads must be known."""
    pairs, k, missing, strata = coded.pairs, len(coded.pairs.groups), coded.missing, coded.pairs.stratum
    n_threads, rows = len(coded.threads), (int(strata.max()) + 1) * k
    cell, seat = strata * k + pairs.source_group, strata * k + pairs.target_group
    n_people = len(coded.people)
    joiner = cell * n_people + pairs.source
    asker = seat * n_people + pairs.target
    both = np.intersect1d(joiner, asker)
    known = (pairs.source_group != missing) & (pairs.target_group != missing)
    same = known & (pairs.source_group == pairs.target_group)
    return Seating(
        joined=_tally(cell, pairs.thread, (rows, n_threads)),
        asked=_tally(seat, pairs.thread, (rows, n_threads)),
        own_joined=_tally_known(both, joiner, pairs.thread, n_threads),
        own_asked=_tally_known(both, asker, pairs.thread, n_threads),
        own_row=_tally(both // n_people, np.arange(len(both)), (rows, len(both))),
        same=_per_thread(pairs, same, n_threads),
        known=_per_thread(pairs, known, n_threads),
        known_row=(np.arange(rows) % k != missing).astype(np.float64),
        groups=k,
    )


def _per_thread(pairs: Pairs, counted: NDArray[np.bool_], n_threads: int) -> Floats:
    return np.bincount(pairs.thread[counted], minlength=n_threads).astype(np.float64)


def _tally(row: Ints, column: Ints, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(row)), (row, column)), shape=shape).tocsr()


def _tally_known(keys: Ints, codes: Ints, column: Ints, width: int) -> sparse.csr_array:
    if len(keys) == 0:
        return sparse.csr_array((0, width))
    at = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    found = keys[at] == codes
    return _tally(at[found], column[found], (len(keys), width))


Parts = tuple[Floats, ...]


def seated_parts(seating: Seating, weights: Floats) -> Parts:
    """What theta needs of each column of thread weights ``(threads, m)``; sums over disjoint threads add up."""
    matrices = (seating.joined, seating.asked, seating.own_joined, seating.own_asked)
    counts = (seating.same, seating.known)
    return (*(matrix @ weights for matrix in matrices), *(count @ weights for count in counts))


def seated_theta(seating: Seating, parts: Parts) -> Floats:
    """Log-odds of the cross-group share minus its expectation, for each column of the parts.

    The expectation seats the participants of a stratum at random among its threads, except in their own. To first
    order, with F joiners and S seats of a group among n, and f, s those of one person:
    ``E same = sum(F S) / n - sum(f s) (1 - S / n) / n``.
    """
    joined, asked, own_joined, own_asked, same_seen, known_seen = parts
    shape = (-1, seating.groups, joined.shape[1])
    own = (seating.own_row @ (own_joined * own_asked)).reshape(shape)
    joined, asked = joined.reshape(shape), asked.reshape(shape)
    on = seating.known_row.reshape(-1, seating.groups, 1)
    size = np.maximum(joined.sum(axis=1, keepdims=True), 1.0)
    share, lost = asked / size, own / size
    known_share = (share * on).sum(axis=1, keepdims=True)
    same = ((joined * share - lost * (1 - share)) * on).sum(axis=(0, 1))
    known = ((joined * known_share - lost * (1 - known_share)) * on).sum(axis=(0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = 1 - np.clip(same / known, 0.0, 1.0)
        return np.asarray(logit(1 - same_seen / known_seen) - logit(expected))


def left_out_thetas(coded: Coded, *, chosen: Ints | None = None, seating: Seating | None = None) -> Floats:
    """Theta with each group of threads left out in turn; ``chosen`` are the threads that count at all."""
    threads = np.arange(len(coded.threads)) if chosen is None else chosen
    group = jackknife_groups(len(threads))
    weights = np.zeros((len(coded.threads), group.max(initial=0) + 1))
    weights[threads] = 1.0
    weights[threads, group] = 0.0
    seating = seating or make_seating(coded)
    return seated_theta(seating, seated_parts(seating, weights))


def permute_change(
    coded: Coded, after: Ints, *, draws: int, rng: np.random.Generator, seating: Seating | None = None
) -> tuple[float, Floats]:
    """Theta after minus theta before, observed and with the labels of threads permuted within their space.

    Chunks of draws have their own random numbers, so results do not depend on how many processors share the work.
    """
    seating = seating or make_seating(coded)
    labels = after.astype(np.int8)
    everything = seated_parts(seating, np.ones((len(labels), 1)))

    def change(weights: Floats) -> Floats:
        later = seated_parts(seating, weights)
        earlier = tuple(whole - part for whole, part in zip(everything, later, strict=True))
        return seated_theta(seating, later) - seated_theta(seating, earlier)

    space = np.zeros(len(labels), dtype=np.int64)
    space[coded.pairs.thread] = coded.pairs.stratum
    members = np.split(np.argsort(space, kind="stable"), np.cumsum(np.bincount(space))[:-1])

    def sample(seed: Ints, width: int) -> Floats:
        return change(_permute_labels(labels, members, width, np.random.default_rng(seed)))

    widths = [min(_CHUNK, draws - start) for start in range(0, draws, _CHUNK)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        parts = list(pool.map(sample, rng.integers(0, 2**32, (len(widths), 4)), widths))
    return float(change(labels[:, None].astype(np.float64))[0]), np.concatenate(parts)


def _permute_labels(labels: NDArray[np.int8], members: list[Ints], width: int, rng: np.random.Generator) -> Floats:
    """Labels (0 or 1) permuted among the members of each set, in ``width`` columns: sorted by 63 random bits."""
    weights = np.empty((len(labels), width))
    for rows in members:
        keys = rng.integers(0, 2**64, (width, len(rows)), dtype=np.uint64)
        keys &= ~np.uint64(1)
        keys |= labels[rows].astype(np.uint64)
        keys.sort(axis=1)
        keys &= np.uint64(1)
        weights[rows] = keys.T
    return weights


def within_spaces(coded: Coded) -> Coded:
    """The same pairs with the space alone as stratum."""
    return replace(coded, pairs=replace(coded.pairs, stratum=coded.space))


def left_out_ratios(pairs: Pairs, null: Null, *, expected: Floats) -> Floats | None:
    """Log ratios of observed to expected with each group of threads left out, ``(groups, k, k)``; None without threads.

    The expectation of what remains is the closed form of its strata, scaled as ``expected`` is to that of the whole.
    """
    n_threads = int(pairs.thread.max(initial=-1)) + 1
    if n_threads < 2 or (pairs.thread < 0).any():
        return None
    group = jackknife_groups(n_threads)[pairs.thread]
    stratum = pairs.stratum if null.name in _STRATIFIED else np.zeros_like(pairs.stratum)
    whole = _mean_within(pairs, stratum)
    factor = np.divide(expected, whole, out=np.ones_like(whole), where=whole > 0)
    parts = []
    for left_out in range(int(group.max()) + 1):
        kept = take_pairs(pairs, np.flatnonzero(group != left_out))
        fraction = kept.size / pairs.size
        mean = (
            expected * fraction
            if null.name == "label permutation"
            else factor * _mean_within(kept, stratum[group != left_out])
        )
        parts.append(np.log(count_groups(kept) + 0.5) - np.log(mean + 0.5))
    return np.stack(parts)


def _mean_within(pairs: Pairs, stratum: Ints) -> Floats:
    sent, received = count_margins(replace(pairs, stratum=stratum))
    return (sent / np.maximum(sent.sum(axis=1, keepdims=True), 1.0)).T @ received


def cell_moments(null: Null, pairs: Pairs) -> tuple[Floats, Floats]:
    """Exact mean and variance of every cell, each ``(k, k)``; as many rows of cells at a time as memory allows."""
    k = len(pairs.groups)
    if null.moments is None:
        raise ParameterError("Moments need a null with a closed form.", got=f"The {null.name} null.")
    step = max(1, _MOMENT_CELLS // (k * k * max(k, int(pairs.stratum.max(initial=0)) + 1)))
    found = []
    for start in range(0, k, step):
        rows = min(step, k - start)
        contrasts = np.zeros((rows * k, k, k))
        contrasts[np.arange(rows * k), start + np.arange(rows * k) // k, np.arange(rows * k) % k] = 1.0
        found.append(null.moments(pairs, contrasts))
    mean, variance = (np.concatenate(parts).reshape(k, k) for parts in zip(*found, strict=True))
    return mean, variance
