"""From rows of edges to a sorted, summed, integer-coded matrix: the kernel below `sna.network`.

Edges come in batches. Each id gets a provisional code when it is first seen, each edge one 64-bit key
``source code << 32 | target code``. At the end the codes are renamed into the order of the sorted ids, the keys are
sorted once, and runs of equal keys become ties. Memory is about eight bytes per edge beside the result (24 where edges
carry weights), and equal edges in another order give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from sna.errors import SchemaError

Integers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

_LOW = (1 << 32) - 1
_DIRECT_LIMIT = 1 << 26
_SLOTS_PER_ID = 8
_EXACT = float(1 << 53)


@dataclass(frozen=True)
class Packed:
    """Ties in CSR order over ``ids`` (sorted text), and how many edges were left out on the way."""

    ids: pl.Series
    indptr: npt.NDArray[Any]
    indices: npt.NDArray[Any]
    weights: Floats
    n_edges: int
    n_self: int
    n_unknown: int


class Coder:
    """Codes for ids, in order of first appearance.

    Integers below 2**26 are looked up in a table. Everything else goes through a 64-bit key (the integer itself, or
    the hash of the text) and an open table of slots; what meets an occupied slot is found by binary search. Two texts
    would be taken for one if their 64-bit hashes were equal: for 300,000 ids the chance is below 3e-9.
    """

    def __init__(self) -> None:
        self._ids: list[pl.Series] = []
        self._keys: Keys = np.zeros(0, dtype=np.uint64)
        self._sorted: Integers = np.zeros(0, dtype=np.int64)
        self._direct: npt.NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._slots: npt.NDArray[np.int32] = np.zeros(0, dtype=np.int32)

    def ids(self) -> pl.Series:
        """The ids as text, by code."""
        return pl.concat([part.cast(pl.String) for part in self._ids]) if self._ids else pl.Series([], dtype=pl.String)

    def code(self, column: pl.Series) -> npt.NDArray[np.int32]:
        """One code per row of a column (Int64 or String) without nulls."""
        if column.is_empty():
            return np.zeros(0, dtype=np.int32)
        if column.dtype != pl.String:
            low, high = column.min(), column.max()
            if isinstance(low, int) and isinstance(high, int) and low >= 0 and high < _DIRECT_LIMIT:
                return self._code_direct(column, high)
        return self._code_keyed(column)

    def _code_direct(self, column: pl.Series, high: int) -> npt.NDArray[np.int32]:
        values = column.to_numpy()
        if high >= self._direct.size:
            self._direct = np.full(max(high + 1, min(2 * high, _DIRECT_LIMIT)), -1, dtype=np.int32)
            known = self._keys.view(np.int64)
            inside = (known >= 0) & (known < self._direct.size)
            self._direct[known[inside]] = np.flatnonzero(inside)
        codes = self._direct.take(values)
        missing = np.flatnonzero(codes < 0)
        if missing.size:
            self._learn(column.gather(missing), values.view(np.uint64)[missing])
            codes[missing] = self._search(values.view(np.uint64)[missing])
            self._direct[values[missing]] = codes[missing]
        return codes

    def _code_keyed(self, column: pl.Series) -> npt.NDArray[np.int32]:
        keys = column.hash().to_numpy() if column.dtype == pl.String else column.to_numpy().view(np.uint64)
        codes, missing = self._try_slots(keys)
        if missing.size:
            self._learn(column.gather(missing), keys[missing])
            codes[missing] = self._search(keys[missing])
        return codes

    def _try_slots(self, keys: Keys) -> tuple[npt.NDArray[np.int32], Integers]:
        """Codes where the slot's id has this key, and the rows where it has not."""
        if not self._keys.size:
            return np.zeros(keys.size, dtype=np.int32), np.arange(keys.size)
        self._fill_slots()
        codes = self._slots.take(self._slot(keys))
        return codes, np.flatnonzero(self._keys.take(codes) != keys)

    def _slot(self, keys: Keys) -> Integers:
        spread = keys * np.uint64(0x9E3779B97F4A7C15)
        return (spread >> np.uint64(65 - int(self._slots.size).bit_length())).view(np.int64)

    def _fill_slots(self) -> None:
        if self._slots.size < _SLOTS_PER_ID * self._keys.size:
            size = 1 << (2 * _SLOTS_PER_ID * self._keys.size).bit_length()
            self._slots = np.zeros(size, dtype=np.int32)
            self._slots[self._slot(self._keys)] = np.arange(self._keys.size, dtype=np.int32)

    def _learn(self, column: pl.Series, keys: Keys) -> None:
        seen, first = np.unique(keys, return_index=True)
        if self._keys.size:
            place = np.searchsorted(self._keys[self._sorted], seen).clip(max=self._keys.size - 1)
            new = self._keys[self._sorted[place]] != seen
            seen, first = seen[new], first[new]
        if not seen.size:
            return
        start = self._keys.size
        self._ids.append(column.gather(first))
        self._keys = np.concatenate([self._keys, seen])
        self._sorted = np.argsort(self._keys, kind="stable")
        if self._slots.size:
            self._slots[self._slot(seen)] = np.arange(start, self._keys.size, dtype=np.int32)

    def _search(self, keys: Keys) -> npt.NDArray[np.int32]:
        return self._sorted[np.searchsorted(self._keys[self._sorted], keys)].astype(np.int32)


@dataclass
class _Pile:
    """What has been read so far."""

    coder: Coder = field(default_factory=Coder)
    keys: list[Integers] = field(default_factory=list)
    weights: list[Floats] = field(default_factory=list)
    n_edges: int = 0
    n_self: int = 0
    n_unknown: int = 0


def pack_edges(batches: Iterable[pl.DataFrame], *, extra_ids: pl.Series | None = None) -> Packed:
    """Sum edges into ties.

    Parameters
    ----------
    batches
        Frames with ``source, target`` and, in all or none of them, ``weight``.
    extra_ids
        Ids that have a row even without an edge.

    Raises
    ------
    SchemaError
        For a missing column, or a weight that is missing, not finite or not positive.

    Examples
    --------
    >>> packed = pack_edges([pl.DataFrame({"source": ["b", "b", "a"], "target": ["a", "a", "a"]})])
    >>> packed.ids.to_list(), packed.indptr.tolist(), packed.indices.tolist(), packed.weights.tolist(), packed.n_self
    (['a', 'b'], [0, 0, 1], [0], [2.0], 1)
    """
    pile = _Pile()
    for batch in batches:
        _add(pile, batch)
    ids, rename = _order(pile.coder.ids(), extra_ids)
    if pile.weights:
        keys, weights = _sum_weights(_join_keys(pile.keys, rename), np.concatenate(pile.weights))
    else:
        keys, weights = _count(_join_keys(pile.keys, rename))
    indptr = np.searchsorted(keys, np.arange(len(ids) + 1, dtype=np.int64) << 32)
    wide = np.int32 if keys.size < 2**31 else np.int64
    indptr, indices = indptr.astype(wide), (keys & _LOW).astype(wide)
    for array in (indptr, indices, weights):
        array.flags.writeable = False
    return Packed(ids, indptr, indices, weights, pile.n_edges, pile.n_self, pile.n_unknown)


def _add(pile: _Pile, batch: pl.DataFrame) -> None:
    edges = _check_edges(batch)
    known = edges.drop_nulls(["source", "target"])
    pile.n_edges += edges.height
    pile.n_unknown += edges.height - known.height
    source, target = (pile.coder.code(known[name]) for name in ("source", "target"))
    keys = source.astype(np.int64)
    keys <<= 32
    keys |= target
    others = np.flatnonzero(source != target) if (source == target).any() else None
    if others is not None:
        pile.n_self += keys.size - others.size
        keys = keys[others]
    pile.keys.append(keys)
    if "weight" in edges.columns:
        weights = known["weight"].to_numpy()
        pile.weights.append(weights if others is None else weights[others])


def _check_edges(batch: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in ("source", "target") if name not in batch.columns]
    if missing:
        raise SchemaError(
            f"Edges have the columns source, target and, if you like, weight; {', '.join(missing)} is missing.",
            got="Found: " + ", ".join(map(repr, batch.columns)) + ".",
            hint='edges.rename({"<your column>": "source"})',
        )
    whole = all(batch.schema[name].is_integer() and batch.schema[name] != pl.UInt64 for name in ("source", "target"))
    ids = [pl.col(name).cast(pl.Int64 if whole else pl.String) for name in ("source", "target")]
    if "weight" not in batch.columns:
        return batch.select(ids)
    edges = batch.select(*ids, pl.col("weight").cast(pl.Float64))
    bad = edges.filter(~(pl.col("weight").is_finite() & (pl.col("weight") > 0)).fill_null(False))
    if bad.height:
        raise SchemaError(
            "A weight is a positive number.", got=f"{bad.height} rows have {bad['weight'][0]} or the like."
        )
    return edges


def _order(seen: pl.Series, extra: pl.Series | None) -> tuple[pl.Series, Integers]:
    """All ids sorted as text, and each provisional code's place among them."""
    ids = seen if extra is None else pl.concat([seen.alias("id"), extra.cast(pl.String).alias("id")])
    ids = ids.unique().sort().alias("person_id")
    places = ids.to_frame("id").with_row_index("place")
    joined = seen.to_frame("id").join(places, on="id", how="left", maintain_order="left")
    return ids, joined["place"].cast(pl.Int64).to_numpy()


def _join_keys(parts: list[Integers], rename: Integers) -> Integers:
    """All keys in one array under their final codes; each part is let go as soon as it is copied."""
    keys = np.empty(sum(part.size for part in parts), dtype=np.int64)
    parts.reverse()
    start = 0
    while parts:
        part = parts.pop()
        keys[start : start + part.size] = (rename.take(part >> 32) << 32) | rename.take(part & _LOW)
        start += part.size
    return keys


def _starts(keys: Integers) -> Integers:
    """Where each run of equal keys begins."""
    first = np.ones(keys.size, dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return np.flatnonzero(first)


def _count(keys: Integers) -> tuple[Integers, Floats]:
    keys.sort()
    starts = _starts(keys)
    return keys[starts], np.diff(starts, append=keys.size).astype(np.float64)


def _sum_weights(keys: Integers, weights: Floats) -> tuple[Integers, Floats]:
    """Sum per key; equal keys are added in order of weight, so that the order of rows changes no digit."""
    if (weights == 1.0).all():
        return _count(keys)
    whole = bool((weights == np.floor(weights)).all()) and float(weights.sum()) < _EXACT
    order = np.argsort(keys) if whole else np.lexsort((weights, keys))
    keys, weights = keys[order], weights[order]
    starts = _starts(keys)
    return keys[starts], np.add.reduceat(weights, starts) if starts.size else weights
