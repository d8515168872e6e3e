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
Codes = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

_LOW = (1 << 32) - 1
_DIRECT_LIMIT = 1 << 25
_PIECE = 1 << 17
_EMPTY = -1
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

    Integers below 2**25 are looked up in a table by value. Everything else goes through an open-addressing table keyed
    by 64 bits: the integer itself, or the hash of the text. Two texts would be taken for one if their hashes were
    equal; among 300,000 ids the chance is below 3e-9.
    """

    def __init__(self) -> None:
        self._ids: list[pl.Series] = []
        self._n = 0
        self._direct = np.full(0, _EMPTY, dtype=np.int32)
        self._slots = np.full(1 << 10, _EMPTY, dtype=np.int32)
        self._slot_keys = np.zeros(1 << 10, dtype=np.uint64)

    def ids(self) -> pl.Series:
        """The ids as text, by code."""
        return pl.concat([part.cast(pl.String) for part in self._ids]) if self._ids else pl.Series([], dtype=pl.String)

    def code(self, column: pl.Series) -> Codes:
        """One code per row of a column (Int64 or String) without nulls."""
        codes = np.zeros(len(column), dtype=np.int32)
        for start in range(0, len(column), _PIECE):
            piece = column.slice(start, _PIECE)
            codes[start : start + _PIECE] = self._code_piece(piece)
        return codes

    def _code_piece(self, column: pl.Series) -> Codes:
        if column.dtype == pl.String:
            return self._code_keyed(column, column.hash().to_numpy())
        values = column.to_numpy()
        if values.min() >= 0 and values.max() < _DIRECT_LIMIT:
            return self._code_direct(column, values)
        small = (values >= 0) & (values < _DIRECT_LIMIT)
        codes = np.zeros(values.size, dtype=np.int32)
        codes[small] = self._code_direct(column.filter(pl.Series(small)), values[small])
        codes[~small] = self._code_keyed(column.filter(pl.Series(~small)), values[~small].view(np.uint64))
        return codes

    def _name(self, ids: pl.Series) -> Codes:
        """Codes for ids never seen before."""
        self._ids.append(ids)
        self._n += len(ids)
        return np.arange(self._n - len(ids), self._n, dtype=np.int32)

    def _code_direct(self, column: pl.Series, values: Integers) -> Codes:
        high = int(values.max(initial=-1))
        if high >= self._direct.size:
            more = np.full(min(2 * high + 2, _DIRECT_LIMIT) - self._direct.size, _EMPTY, dtype=np.int32)
            self._direct = np.concatenate([self._direct, more])
        codes = self._direct.take(values)
        if codes.min(initial=0) == _EMPTY:
            missing = np.flatnonzero(codes == _EMPTY)
            first = _claim(self._direct, values[missing], missing)
            self._direct[values[first]] = self._name(column.gather(first))
            codes[missing] = self._direct.take(values[missing])
        return codes

    def _code_keyed(self, column: pl.Series, keys: Keys) -> Codes:
        self._make_room(keys.size)
        codes = np.zeros(keys.size, dtype=np.int32)
        rows, place = np.arange(keys.size), self._place(keys)
        while rows.size:
            held = self._slots.take(place)
            free = np.flatnonzero(held == _EMPTY)
            if free.size:
                first = _claim(self._slots, place[free], free)
                self._slots[place[first]] = self._name(column.gather(rows[first]))
                self._slot_keys[place[first]] = keys[rows[first]]
                held = self._slots.take(place)
            found = self._slot_keys.take(place) == keys.take(rows)
            codes[rows] = held
            left = np.flatnonzero(~found)
            rows, place = rows[left], (place[left] + 1) & (self._slots.size - 1)
        return codes

    def _place(self, keys: Keys) -> Integers:
        """Preferred slot: the top bits of a multiplicative hash (Fibonacci hashing)."""
        spread = keys * np.uint64(0x9E3779B97F4A7C15)
        return (spread >> np.uint64(65 - self._slots.size.bit_length())).view(np.int64)

    def _make_room(self, more: int) -> None:
        """Keep the table at most a quarter full, whatever the next ``more`` keys are."""
        if 4 * (self._n + more) <= self._slots.size:
            return
        full = np.flatnonzero(self._slots != _EMPTY)
        keys, codes = self._slot_keys[full], self._slots[full]
        size = 1 << (4 * (self._n + more)).bit_length()
        self._slots, self._slot_keys = np.full(size, _EMPTY, dtype=np.int32), np.zeros(size, dtype=np.uint64)
        place = self._place(keys)
        while keys.size:
            free = np.flatnonzero(self._slots.take(place) == _EMPTY)
            first = _claim(self._slots, place[free], free)
            self._slots[place[first]], self._slot_keys[place[first]] = codes[first], keys[first]
            left = np.ones(keys.size, dtype=bool)
            left[first] = False
            keys, codes, place = keys[left], codes[left], (place[left] + 1) & (size - 1)


def _claim(table: Codes, place: Integers, rows: Integers) -> Integers:
    """Of rows that want the same empty place in the table, the one that gets it."""
    marks = (-2 - rows).astype(np.int32)
    table[place] = marks
    return rows[table.take(place) == marks]


@dataclass
class _Pile:
    """What has been read so far: provisional codes of both ends, and weights if there are any."""

    coder: Coder = field(default_factory=Coder)
    ends: list[tuple[Codes, Codes]] = field(default_factory=list)
    weights: list[Floats] = field(default_factory=list)
    n_edges: int = 0
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
    keys = _join_keys(pile.ends, rename)
    weights = np.concatenate(pile.weights) if pile.weights else None
    keys, weights, n_self = _drop_self(*_sum_runs(keys, weights))
    indptr = np.searchsorted(keys, np.arange(len(ids) + 1, dtype=np.int64) << 32)
    wide = np.int32 if keys.size < 2**31 else np.int64
    indptr, indices = indptr.astype(wide), (keys & _LOW).astype(wide)
    for array in (indptr, indices, weights):
        array.flags.writeable = False
    return Packed(ids, indptr, indices, weights, pile.n_edges, n_self, pile.n_unknown)


def _add(pile: _Pile, batch: pl.DataFrame) -> None:
    edges = _check_edges(batch)
    pile.n_edges += edges.height
    if edges["source"].null_count() or edges["target"].null_count():
        edges = edges.drop_nulls(["source", "target"])
        pile.n_unknown += batch.height - edges.height
    pile.ends.append((pile.coder.code(edges["source"]), pile.coder.code(edges["target"])))
    if "weight" in edges.columns:
        pile.weights.append(edges["weight"].to_numpy())


def _check_edges(batch: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in ("source", "target") if name not in batch.columns]
    if missing:
        raise SchemaError(
            f"Edges have the columns source, target and, if you like, weight; {', '.join(missing)} is missing.",
            got="Found: " + ", ".join(map(repr, batch.columns)) + ".",
            hint='edges.rename({"<your column>": "source"})',
        )
    whole = all(batch.schema[name].is_integer() and batch.schema[name] != pl.UInt64 for name in ("source", "target"))
    wanted = pl.Int64 if whole else pl.String
    if "weight" not in batch.columns and batch.schema["source"] == batch.schema["target"] == wanted:
        return batch
    ids = [pl.col(name).cast(wanted) for name in ("source", "target")]
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
    ids = seen.alias("id")
    if extra is not None:
        more = extra.cast(pl.String).alias("id").to_frame().join(ids.to_frame(), on="id", how="anti")
        ids = pl.concat([ids, more["id"]])
    order = ids.arg_sort().to_numpy()
    places = np.empty(order.size, dtype=np.int64)
    places[order] = np.arange(order.size)
    return ids.gather(order).alias("person_id"), places[: len(seen)]


def _join_keys(ends: list[tuple[Codes, Codes]], rename: Integers) -> Integers:
    """All keys in one array under their final codes; each part is let go as soon as it is used."""
    keys = np.empty(sum(source.size for source, _ in ends), dtype=np.int64)
    high = rename << 32
    ends.reverse()
    start = 0
    while ends:
        source, target = ends.pop()
        part = keys[start : start + source.size]
        high.take(source, out=part, mode="clip")
        part |= rename.take(target)
        start += source.size
    return keys


def _sum_runs(keys: Integers, weights: Floats | None) -> tuple[Integers, Floats, Integers]:
    """Each key once, in order; its summed weight; the number of its rows.

    Weights of equal keys are added in order of size, so that the order of rows changes no digit.
    """
    if weights is not None and (weights == 1.0).all():
        weights = None
    if weights is None:
        keys.sort()
    else:
        whole = bool((weights == np.floor(weights)).all()) and float(weights.sum()) < _EXACT
        order = np.argsort(keys) if whole else np.lexsort((weights, keys))
        keys, weights = keys[order], weights[order]
    first = np.ones(keys.size, dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    rows = np.diff(starts, append=keys.size)
    sums = rows.astype(np.float64) if weights is None else np.add.reduceat(weights, starts) if starts.size else weights
    return keys[starts], sums, rows


def _drop_self(keys: Integers, weights: Floats, rows: Integers) -> tuple[Integers, Floats, int]:
    """Without the ties from a person to themselves, and the number of rows these had."""
    alone = (keys >> 32) == (keys & _LOW)
    if not alone.any():
        return keys, weights, 0
    others = ~alone
    return keys[others], weights[others], int(rows[alone].sum())
