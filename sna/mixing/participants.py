"""Draws of the thread-participation null: who sits in which thread, as a Markov chain of swaps.

Draws are a Markov chain over all ways to seat the participants of each stratum in its threads, nobody twice in a
thread or in their own. Its moves are symmetric, so it is uniform in the long run. In one sweep every seat is
matched with another seat of its stratum; a matched pair swaps its people unless one of the four (thread, person)
combinations it could fill collides with those of another pair, or with an asker. That rule is the same before and
after the swap, so each sweep preserves the uniform distribution exactly. Permuting first and repairing conflicts
afterwards does not: it ends more often in configurations with many neighbours. The observed configuration takes a
random place in the chain (Besag and Clifford 1989, serial method), which makes the Monte-Carlo p-value exact however
slowly the chain mixes, and even where no sequence of swaps joins two configurations (three people who each joined the
next one's only thread).

Strata that share no thread are chains of their own, and so are the draws before and after the observed one; each has
its own random numbers, so results do not depend on how many processors share the work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from sna.errors import ParameterError
from sna.mixing.pairs import PER_PAIR, Pairs, take_pairs
from sna.types import Floats, Ints

_FLAG_BITS = 20
_FLAG_SHIFT = np.uint32(32 - _FLAG_BITS)
# One or two sweeps between draws: enough for draws that differ, few enough for a million seats.
_SEATS_PER_DRAW = 300_000
_MOST_SWEEPS = 2
_SEATS_PER_PART = 65_536


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


def draw_participants(pairs: Pairs, *, draws: int, rng: np.random.Generator) -> Iterator[Pairs]:
    """The pairs with other participants, ``draws`` times; pairs come in order of the parts."""
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


def count_participants(pairs: Pairs, *, draws: int, rng: np.random.Generator) -> Floats:
    """Mixing counts of what `draw_participants` yields for an equal ``rng``, shape ``(draws, k, k)``."""
    parts, lengths, sweeps = _plan(pairs, draws, rng)
    k, (before, after) = len(pairs.groups), lengths
    counts = np.zeros((draws, k, k))
    if len(parts) == 1:
        counts[:before] = _count_walk(parts[0], parts[0].seeds[0], before, sweeps)
        counts[before:] = _count_walk(parts[0], parts[0].seeds[1], after, sweeps)
        return counts
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
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_PAIR}
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
