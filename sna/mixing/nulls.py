"""Null models of who meets whom: what each holds and shuffles, draws from it, moments where they are exact.

The null decides the answer. With no preference for one's own role at all, shuffling labels or holding volumes
"finds" one in nearly every forum whose roles differ in where and how much they take part; permuting the participants
of threads within channel and period does not (docs/mixing/calibration.json). So the first three nulls here are
descriptive yardsticks with closed forms, and `participation_null` is the one a claim may rest on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from sna.errors import ParameterError
from sna.types import Floats, Ints

_FLAG_BITS = 20
_FLAG_SHIFT = np.uint32(32 - _FLAG_BITS)
_SEATS_PER_DRAW = 300_000
_MOST_SWEEPS = 2
_SEATS_PER_PART = 65_536


@dataclass(frozen=True)
class Pairs:
    """Coded pairs "source acts toward target", one element per interaction or per joining of a thread.

    Attributes
    ----------
    source, target
        Person codes, int64, shape ``(n,)``.
    source_group, target_group
        Group codes as of the interaction, index into ``groups``.
    stratum
        Where and when it happened (channel and period): the bounds of opportunity.
    thread
        Thread codes; -1 where not known.
    groups
        Group names, in code order.
    """

    source: Ints
    target: Ints
    source_group: Ints
    target_group: Ints
    stratum: Ints
    thread: Ints
    groups: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of pairs."""
        return len(self.source)


@dataclass(frozen=True)
class Null:
    """A null model.

    Attributes
    ----------
    name
        As it is written next to every number.
    holds
        What is equal in every draw.
    shuffles
        What is random.
    draw
        ``draw(pairs, draws, rng)`` yields ``draws`` Pairs. The observed pairs and the draws are exchangeable when
        the null is true, so ``(1 + k) / (1 + n)`` is an exact p-value.
    moments
        ``moments(pairs, contrasts)`` gives the exact mean and variance of each ``sum(contrast * mixing counts)``
        for contrasts of shape ``(m, k, k)``; None where there is no closed form.
    count
        ``count(pairs, draws, rng)`` gives the mixing counts of what ``draw`` yields for an equal ``rng``, shape
        ``(draws, k, k)``, faster; None where counting draw by draw is as good.
    """

    name: str
    holds: tuple[str, ...]
    shuffles: str
    draw: Callable[[Pairs, int, np.random.Generator], Iterator[Pairs]]
    moments: Callable[[Pairs, Floats], tuple[Floats, Floats]] | None = None
    count: Callable[[Pairs, int, np.random.Generator], Floats] | None = None


def count_groups(pairs: Pairs) -> Floats:
    """Mixing counts ``(k, k)``: pairs from each group (row) toward each group (column)."""
    k = len(pairs.groups)
    cells = np.bincount(pairs.source_group * k + pairs.target_group, minlength=k * k)
    return cells.reshape(k, k).astype(np.float64)


def label_null() -> Null:
    """Permute the labels of people; who acts toward whom stays as it is (Mantel 1967; Krackhardt 1988).

    A person who changed group counts as one node per group held. Moments are exact.

    When it misleads: groups differ in how much and where they take part, and labels carry that with them.
    """
    holds = ("who acts toward whom", "number of people of each group taking part")
    return Null("label permutation", holds, "the labels of people", _draw_labels, _label_moments)


def volume_null() -> Null:
    """Hold how much each person sends and receives, permute who receives (the configuration model).

    Each cell is hypergeometric: mean ``out_a in_b / n``. When it misleads: people who sit in different channels
    cannot meet whatever they prefer.
    """
    holds = ("pairs sent by each person", "pairs received by each person")
    return Null("volume-holding", holds, "who receives, over the whole forum", _draw_receivers, _receiver_moments)


def channel_null() -> Null:
    """As `volume_null`, but only among interactions of the same channel and period.

    Cells are sums of independent hypergeometrics. When it misleads: single interactions are not independent, one
    long thread makes many alike.
    """
    holds = ("pairs sent by each person per channel and period", "pairs received by each person per channel and period")
    return Null("channel-stratified", holds, "who receives, within channel and period", _draw_within, _within_moments)


def participation_null() -> Null:
    """Permute the participants of threads within channel and period: the null for claims.

    ``source`` joined the thread that ``target`` began. Held: the number of threads each person joined per channel
    and period, each thread's size, its asker, and that nobody joins a thread twice or their own.

    Notes
    -----
    Draws are a Markov chain over such configurations whose moves are symmetric, hence uniform in the long run. In one
    sweep every seat is matched with another seat of its channel and period; a matched pair swaps its people unless
    one of the four (thread, person) combinations it could fill collides with those of another pair, or with an
    asker. That rule is the same before and after the swap, so each sweep preserves the uniform distribution
    exactly. Permuting first and repairing conflicts afterwards does not: it ends more often in configurations with
    many neighbours. The observed configuration takes a random place in the chain (Besag and Clifford 1989,
    serial method), which makes the Monte-Carlo p-value exact however slowly the chain mixes, and even where no
    sequence of swaps joins two configurations (three people who each joined the next one's only thread).

    Channels that share no thread are chains of their own, and so are the draws before and after the observed one;
    each has its own random numbers, so results do not depend on how many processors share the work.

    When it misleads: channels that are recorded wrongly, or that are not where people really meet, leave differences
    of opportunity inside a stratum.
    """
    holds = (
        "threads joined by each person per channel and period",
        "participants of each thread per period",
        "asker of each thread",
        "nobody joins a thread twice or their own",
    )
    shuffles = "participants of threads within channel and period"
    return Null("thread participation", holds, shuffles, _draw_participants, count=_count_participants)


NULLS: Mapping[str, Callable[[], Null]] = {
    "label permutation": label_null,
    "volume-holding": volume_null,
    "channel-stratified": channel_null,
    "thread participation": participation_null,
}
"""The ladder, from the null that ignores most to the one that holds most."""


def find_null(null: str | Null) -> Null:
    """A null by its name, or itself.

    Raises
    ------
    ParameterError
        When no null has that name.

    Examples
    --------
    >>> find_null("volume-holding").shuffles
    'who receives, over the whole forum'
    """
    if isinstance(null, Null):
        return null
    if null not in NULLS:
        raise ParameterError(f"A null is one of {', '.join(map(repr, NULLS))}.", got=f"Got {null!r}.")
    return NULLS[null]()


# Labels ------------------------------------------------------------------------------------------------------------


def _nodes(pairs: Pairs) -> tuple[Ints, Ints, Ints]:
    """Node of each source and of each target, and each node's group; a node is a person in a group."""
    k = len(pairs.groups)
    ends = np.concatenate([pairs.source * k + pairs.source_group, pairs.target * k + pairs.target_group])
    codes, nodes = np.unique(ends, return_inverse=True)
    return nodes[: pairs.size], nodes[pairs.size :], codes % k


def _draw_labels(pairs: Pairs, draws: int, rng: np.random.Generator) -> Iterator[Pairs]:
    source, target, labels = _nodes(pairs)
    for _ in range(draws):
        shuffled = rng.permutation(labels)
        yield replace(pairs, source_group=shuffled[source], target_group=shuffled[target])


def _label_moments(pairs: Pairs, contrasts: Floats) -> tuple[Floats, Floats]:
    """Mantel's moments: the same six sums over ordered node pairs, of the network and of the contrast."""
    source, target, labels = _nodes(pairs)
    n = len(labels)
    ties = _tie_sums(source, target, n)
    sizes = np.bincount(labels, minlength=len(pairs.groups)).astype(np.float64)
    values = _contrast_sums(contrasts, sizes)
    falling = np.cumprod([n, n - 1.0, n - 2.0, n - 3.0])
    two, three, four = falling[1], max(falling[2], 1.0), max(falling[3], 1.0)
    mean = ties[0] * values[0] / two
    weights = [two, two, three, three, three / 2, four]
    second = sum(a * b / weight for a, b, weight in zip(ties[1:], values[1:], weights, strict=True))
    return mean, np.maximum(second - mean**2, 0.0)


def _tie_sums(source: Ints, target: Ints, n: int) -> tuple[float, ...]:
    """Total, and the sums of products of two ties: same, mutual, shared source, shared target, chained, disjoint."""
    keys, weight = np.unique(source * n + target, return_counts=True)
    weight = weight.astype(np.float64)
    i, j = np.divmod(keys, n)
    mirror = np.searchsorted(keys, j * n + i)
    found = (mirror < len(keys)) & (keys[np.minimum(mirror, len(keys) - 1)] == j * n + i)
    out, into = np.bincount(i, weight, n), np.bincount(j, weight, n)
    same, total = (weight**2).sum(), weight.sum()
    mutual = (weight[found] * weight[mirror[found]]).sum()
    sources, targets = (out**2).sum() - same, (into**2).sum() - same
    chained = (out * into).sum() - mutual
    return total, same, mutual, sources, targets, chained, total**2 - same - mutual - sources - targets - 2 * chained


def _contrast_sums(contrasts: Floats, sizes: Floats) -> tuple[Floats, ...]:
    """The same sums for ``x[group of i, group of j]`` over ordered pairs of different nodes."""
    own = np.einsum("maa->ma", contrasts)
    rows = contrasts @ sizes - own
    columns = np.einsum("mab,a->mb", contrasts, sizes) - own
    lost = (own**2) @ sizes
    same = np.einsum("mab,a,b->m", contrasts**2, sizes, sizes) - lost
    mutual = np.einsum("mab,a,b->m", contrasts * contrasts.transpose(0, 2, 1), sizes, sizes) - lost
    sources, targets = (rows**2) @ sizes - same, (columns**2) @ sizes - same
    chained = (rows * columns) @ sizes - mutual
    total = rows @ sizes
    return total, same, mutual, sources, targets, chained, total**2 - same - mutual - sources - targets - 2 * chained


# Volumes -----------------------------------------------------------------------------------------------------------


def _draw_receivers(pairs: Pairs, draws: int, rng: np.random.Generator) -> Iterator[Pairs]:
    for _ in range(draws):
        order = rng.permutation(pairs.size)
        yield replace(pairs, target=pairs.target[order], target_group=pairs.target_group[order])


def _draw_within(pairs: Pairs, draws: int, rng: np.random.Generator) -> Iterator[Pairs]:
    home = np.argsort(pairs.stratum, kind="stable")
    block = pairs.stratum.astype(np.uint64)[home] << np.uint64(32)
    order = np.empty_like(home)
    for _ in range(draws):
        keys = block | rng.integers(0, 2**32, pairs.size, dtype=np.uint32)
        order[home] = home[np.argsort(keys)]
        yield replace(pairs, target=pairs.target[order], target_group=pairs.target_group[order])


def _receiver_moments(pairs: Pairs, contrasts: Floats) -> tuple[Floats, Floats]:
    return _within_moments(replace(pairs, stratum=np.zeros_like(pairs.stratum)), contrasts)


def _within_moments(pairs: Pairs, contrasts: Floats) -> tuple[Floats, Floats]:
    """Hoeffding's moments of a permuted sum, added over strata."""
    sent, received = count_margins(pairs)
    size = np.maximum(sent.sum(axis=1), 1.0)
    rows, columns = sent / size[:, None], received / size[:, None]
    by_row = np.einsum("mab,sb->msa", contrasts, columns)
    by_column = np.einsum("mab,sa->msb", contrasts, rows)
    centre = np.einsum("msa,sa->ms", by_row, rows)
    square = np.einsum("mab,sa,sb->ms", contrasts**2, rows, columns)
    # E of (x - row mean - column mean + mean)^2 over the product of the margins
    spread = square - np.einsum("msa,sa->ms", by_row**2, rows) - np.einsum("msb,sb->ms", by_column**2, columns)
    spread = np.maximum(spread + centre**2, 0.0)
    factor = np.where(size > 1, size**2 / np.maximum(size - 1, 1), 0.0)
    return centre @ size, spread @ factor


def count_margins(pairs: Pairs) -> tuple[Floats, Floats]:
    """Pairs sent and received by each group in each stratum, each of shape ``(strata, k)``."""
    k = len(pairs.groups)
    strata = int(pairs.stratum.max()) + 1 if pairs.size else 0
    sent = np.bincount(pairs.stratum * k + pairs.source_group, minlength=strata * k)
    received = np.bincount(pairs.stratum * k + pairs.target_group, minlength=strata * k)
    return sent.reshape(strata, k).astype(np.float64), received.reshape(strata, k).astype(np.float64)


# Participants of threads -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seats:
    """Seats in order of stratum and thread, with all that stays the same from sweep to sweep.

    Who sits where is one uint32 per seat: the person code, then ``bits`` bits of group. ``mark`` is a random number
    of the seat's thread, ``start`` and ``room`` the first seat and the number of seats of each stratum.
    """

    asker: NDArray[np.uint32]
    mark: NDArray[np.uint32]
    start: Ints
    room: Ints
    order: Ints
    bits: np.uint32

    @property
    def mask(self) -> np.uint32:
        """The bits of the group."""
        return (np.uint32(1) << self.bits) - np.uint32(1)


@dataclass(frozen=True)
class _Part:
    """Pairs that share no thread with the rest, arranged as ``seats``, with a seed for the draws before and after."""

    pairs: Pairs
    seats: _Seats
    seeds: tuple[Ints, Ints]


def _draw_participants(pairs: Pairs, draws: int, rng: np.random.Generator) -> Iterator[Pairs]:
    parts, lengths, sweeps = _plan(pairs, draws, rng)
    arranged = _join_pairs([part.pairs for part in parts], pairs)
    for half, length in enumerate(lengths):
        chains = [_walk(part, part.seeds[half], length, sweeps) for part in parts]
        for _ in range(length):
            sitters = [(part.seats, next(chain)) for part, chain in zip(parts, chains, strict=True)]
            person = [(who >> seats.bits).astype(np.int64) for seats, who in sitters]
            group = [(who & seats.mask).astype(np.int64) for seats, who in sitters]
            none = [np.zeros(0, dtype=np.int64)]
            yield replace(arranged, source=np.concatenate(person + none), source_group=np.concatenate(group + none))


def _count_participants(pairs: Pairs, draws: int, rng: np.random.Generator) -> Floats:
    parts, lengths, sweeps = _plan(pairs, draws, rng)
    k, (before, after) = len(pairs.groups), lengths
    counts = np.zeros((draws, k, k))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        first = [pool.submit(_count_walk, part, part.seeds[0], before, sweeps) for part in parts]
        second = [pool.submit(_count_walk, part, part.seeds[1], after, sweeps) for part in parts]
        for walk in first:
            counts[:before] += walk.result()
        for walk in second:
            counts[before:] += walk.result()
    return counts


def _plan(pairs: Pairs, draws: int, rng: np.random.Generator) -> tuple[list[_Part], tuple[int, int], int]:
    """Independent parts, the number of draws before and after the observed configuration, and sweeps per draw."""
    before = int(rng.integers(0, draws + 1))
    parts = []
    for rows in _split_rows(pairs):
        arranged = take_pairs(pairs, rows[np.lexsort((pairs.source[rows], pairs.thread[rows], pairs.stratum[rows]))])
        seeds = rng.integers(0, 2**32, (2, 4))
        parts.append(_Part(arranged, _seat(arranged, rng), (seeds[0], seeds[1])))
    return parts, (before, draws - before), int(np.clip(_SEATS_PER_DRAW // max(pairs.size, 1), 1, _MOST_SWEEPS))


def _split_rows(pairs: Pairs) -> list[Ints]:
    """Positions of the pairs in parts of whole components of strata, which share no thread; small enough for caches."""
    if pairs.size == 0:
        return []
    home = np.lexsort((pairs.stratum, pairs.thread))
    thread, stratum = pairs.thread[home], pairs.stratum[home]
    link = np.flatnonzero((thread[1:] == thread[:-1]) & (stratum[1:] != stratum[:-1]))
    strata = int(pairs.stratum.max()) + 1
    links = sparse.coo_array((np.ones(len(link)), (stratum[link], stratum[link + 1])), shape=(strata, strata))
    _, component = connected_components(links, directed=False)
    size = np.bincount(component[pairs.stratum])
    part = ((np.cumsum(size) - size) // _SEATS_PER_PART)[component[pairs.stratum]]
    order = np.argsort(part, kind="stable")
    cuts = np.flatnonzero(np.diff(part[order])) + 1
    return np.split(order, cuts)


def _join_pairs(parts: list[Pairs], whole: Pairs) -> Pairs:
    if not parts:
        return whole
    names = ("source", "target", "source_group", "target_group", "stratum", "thread")
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(whole, **joined)


def _walk(part: _Part, seed: Ints, length: int, sweeps: int) -> Iterator[NDArray[np.uint32]]:
    """Who sits where after each of ``length`` draws, starting at the observed configuration."""
    rng = np.random.default_rng(seed)
    flags = np.zeros(1 << _FLAG_BITS, dtype=np.bool_)
    sitters = (part.pairs.source << int(part.seats.bits) | part.pairs.source_group).astype(np.uint32)
    for _ in range(length):
        for _ in range(sweeps):
            sitters = _sweep(part.seats, sitters, flags, rng)
        yield sitters


def _count_walk(part: _Part, seed: Ints, length: int, sweeps: int) -> Ints:
    """Mixing counts of each draw, shape ``(length, k, k)``."""
    k, mask = len(part.pairs.groups), part.seats.mask
    width = int(mask) + 1
    toward = (part.pairs.target_group * width).astype(np.uint32)
    counts = np.empty((length, k, k), dtype=np.int64)
    for draw, sitters in enumerate(_walk(part, seed, length, sweeps)):
        cells = np.bincount(toward | (sitters & mask), minlength=k * width)
        counts[draw] = cells.reshape(k, width)[:, :k].T
    return counts


def take_pairs(pairs: Pairs, order: Ints) -> Pairs:
    """The pairs at these positions, in this order."""
    names = ("source", "target", "source_group", "target_group", "stratum", "thread")
    return replace(pairs, **{name: getattr(pairs, name)[order] for name in names})


def _seat(pairs: Pairs, rng: np.random.Generator) -> _Seats:
    room = np.bincount(pairs.stratum)
    bits = max(len(pairs.groups) - 1, 1).bit_length()
    if pairs.size and int(max(pairs.source.max(), pairs.target.max())) >> (32 - bits):
        raise ParameterError(
            "People times groups must fit 32 bits.", got=f"{len(pairs.groups)} groups.", hint="use a coarser attribute"
        )
    _, thread = np.unique(pairs.thread, return_inverse=True)
    marks = rng.integers(0, 2**32, thread.max(initial=0) + 1, dtype=np.uint32)
    return _Seats(
        asker=pairs.target.astype(np.uint32),
        mark=marks[thread],
        start=np.cumsum(room) - room,
        room=room,
        order=np.arange(pairs.size),
        bits=np.uint32(bits),
    )


def _sweep(
    seats: _Seats, sitters: NDArray[np.uint32], flags: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.uint32]:
    """Match seats i and j of a stratum when i + j = turn (mod its room); swap who sits there unless it is stuck.

    A pair takes part when both its seats are willing, which in each stratum is a random share of them: sometimes
    nearly all, for speed, sometimes so few that any swap that is possible alone can happen alone.
    """
    partner = _match(seats, rng)
    newcomers = sitters.take(partner)
    person, newcomer = sitters >> seats.bits, newcomers >> seats.bits
    reluctance = np.repeat((256 * rng.random(len(seats.room)) ** 4).astype(np.uint8), seats.room)
    active = rng.integers(0, 256, len(sitters), dtype=np.uint8) >= reluctance
    active &= active.take(partner)
    salt = np.uint32(2 * int(rng.integers(0, 2**31)) + 1)
    stuck = _collides(person * salt + seats.mark, newcomer * salt + seats.mark, active, flags)
    stuck |= newcomer == seats.asker
    stuck |= stuck.take(partner)
    return np.where(stuck, sitters, newcomers)


def _match(seats: _Seats, rng: np.random.Generator) -> Ints:
    """Each seat's partner: both halves of a stratum, cut at a random seat, are paired back to front."""
    turn = rng.integers(0, np.maximum(seats.room, 1))
    ends = np.stack([2 * seats.start + turn, 2 * seats.start + seats.room + turn], axis=1)
    lengths = np.stack([np.minimum(turn + 1, seats.room), np.maximum(seats.room - turn - 1, 0)], axis=1)
    return np.repeat(ends.ravel(), lengths.ravel()) - seats.order


def _collides(
    now: NDArray[np.uint32], then: NDArray[np.uint32], active: NDArray[np.bool_], flags: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Seats that are not active, or one of whose two (thread, person) hashes may occur twice.

    False alarms only slow the chain. ``flags`` is all False before and after.
    """
    hashes = np.concatenate([now, then.take(np.flatnonzero(active))])
    hashes.sort()
    twice = hashes[1:][hashes[1:] == hashes[:-1]] >> _FLAG_SHIFT
    flags[twice] = True
    stuck = flags.take(now >> _FLAG_SHIFT)
    stuck |= flags.take(then >> _FLAG_SHIFT)
    stuck |= ~active
    flags[twice] = False
    return stuck
