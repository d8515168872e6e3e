"""From rows of edges to a sorted, summed, integer-coded matrix: the kernel below `sna.network.network`.

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
from sna.types import Floats

Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]

_LOW = (1 << 32) - 1  # the target's half of a key
_SELF = (1 << 63) - 1  # sorts behind every real key, so that ties of a person to themselves are cut off at once
_DIRECT_LIMIT = 1 << 25  # the table by value then takes at most 128 MB
_PIECE = 1 << 17  # rows at a time: their codes and keys fit into the second-level cache (1.5 MB)
_EMPTY = -1  # no code lives here yet
_DIGITS = 15  # 10**15 * 16 is still below 2**63
_EXACT = float(1 << 53)  # sums of whole numbers below this are exact whatever their order


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
    equal; among 300,000 ids the chance is below 3e-9. Work goes in pieces that stay in the processor's cache.
    """

    def __init__(self) -> None:
        self._ids: list[pl.Series] = []
        self._n = 0
        self._direct = np.full(0, _EMPTY, dtype=np.int32)
        self._slots = np.full(1 << 10, _EMPTY, dtype=np.int32)
        self._keys = np.zeros(1 << 8, dtype=np.uint64)
        self._keyed: list[Codes] = []

    def ids(self) -> pl.Series:
        """The ids by code: Int64 if all are integers, else text."""
        if not self._ids:
            return pl.Series([], dtype=pl.String)
        whole = all(part.dtype == pl.Int64 for part in self._ids)
        return pl.concat(self._ids if whole else [part.cast(pl.String) for part in self._ids])

    def code(self, column: pl.Series) -> Codes:
        """One code per row of a column (Int64 or String) without nulls."""
        text = column.dtype == pl.String
        values = column.hash().to_numpy() if text else column.to_numpy()
        codes = np.empty(values.size, dtype=np.int32)
        code = self._code_keyed if text else self._code_integers
        for start in range(0, values.size, _PIECE):
            stop = start + _PIECE
            code(column.slice(start, _PIECE), values[start:stop], codes[start:stop])
        return codes

    def _code_integers(self, column: pl.Series, values: Integers, codes: Codes) -> None:
        high = int(values.view(np.uint64).max())  # negative integers are the largest here
        if high < _DIRECT_LIMIT:
            self._code_direct(values, codes, high=high)
            return
        small = (values >= 0) & (values < _DIRECT_LIMIT)
        near, far = values[small], values[~small].view(np.uint64)
        near_codes, far_codes = np.empty(near.size, dtype=np.int32), np.empty(far.size, dtype=np.int32)
        self._code_direct(near, near_codes, high=int(near.max(initial=0)))
        self._code_keyed(column.filter(pl.Series(~small)), far, far_codes)
        codes[small], codes[~small] = near_codes, far_codes

    def _name(self, ids: pl.Series) -> Codes:
        """Codes for ids never seen before."""
        self._ids.append(ids)
        self._n += len(ids)
        return np.arange(self._n - len(ids), self._n, dtype=np.int32)

    def _code_direct(self, values: Integers, codes: Codes, *, high: int) -> None:
        if high >= self._direct.size:
            more = np.full(min(high + high // 4 + 1, _DIRECT_LIMIT) - self._direct.size, _EMPTY, dtype=np.int32)
            self._direct = np.concatenate([self._direct, more])
        self._direct.take(values, out=codes, mode="clip")  # all lie in the table; "clip" spares numpy a buffer
        if codes.min(initial=0) == _EMPTY:
            missing = np.flatnonzero(codes == _EMPTY)
            new = values[_claim(self._direct, values[missing], missing)]
            self._direct[new] = self._name(pl.Series(new))
            codes[missing] = self._direct.take(values[missing])

    def _code_keyed(self, column: pl.Series, keys: Keys, codes: Codes) -> None:
        self._make_room(keys.size)
        rows, place = np.arange(keys.size), self._place(keys)
        codes[:] = held = self._held(place, rows, keys=keys, column=column)
        wrong = np.flatnonzero(self._keys.take(held) != keys)
        while wrong.size:  # another key lives in this slot: try the next one
            rows, place = rows[wrong], (place[wrong] + 1) & (self._slots.size - 1)
            codes[rows] = held = self._held(place, rows, keys=keys, column=column)
            wrong = np.flatnonzero(self._keys.take(held) != keys[rows])

    def _held(self, place: Integers, rows: Integers, *, keys: Keys, column: pl.Series) -> Codes:
        """The code in each row's place; of the rows that want a free place, one gets it under a new code."""
        held = self._slots.take(place)
        if held.min() == _EMPTY:
            free = np.flatnonzero(held == _EMPTY)
            first = _claim(self._slots, place[free], free)
            self._slots[place[first]] = named = self._name(column[rows[first]])
            self._keys[named] = keys[rows[first]]
            self._keyed.append(named)
            held[free] = self._slots.take(place[free])
        return held

    def _place(self, keys: Keys) -> Integers:
        """Preferred slot: the top bits of a multiplicative hash (Fibonacci hashing)."""
        spread = keys * np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio
        spread >>= np.uint64(65 - self._slots.size.bit_length())  # as many top bits as number the slots
        return spread.view(np.int64)

    def _make_room(self, more: int) -> None:
        """Keep the table at most a quarter full, whatever the next ``more`` keys are."""
        if self._n + more > self._keys.size:
            self._keys = np.concatenate([self._keys, np.zeros(self._n + more, dtype=np.uint64)])
        if 4 * (self._n + more) <= self._slots.size:
            return
        self._slots = np.full(1 << (4 * (self._n + more)).bit_length(), _EMPTY, dtype=np.int32)
        codes = np.concatenate([np.zeros(0, dtype=np.int32), *self._keyed])
        place = self._place(self._keys[codes])
        while codes.size:
            free = np.flatnonzero(self._slots.take(place) == _EMPTY)
            first = _claim(self._slots, place[free], free)
            self._slots[place[first]] = codes[first]
            left = np.flatnonzero(self._slots.take(place) != codes)
            codes, place = codes[left], (place[left] + 1) & (self._slots.size - 1)


def _claim(table: Codes, place: Integers, rows: Integers) -> Integers:
    """Of rows that want the same empty place in the table, the one that gets it."""
    marks = (-2 - rows).astype(np.int32)  # negative, one for each row, never `_EMPTY`: the last one written wins
    table[place] = marks
    return rows[table.take(place) == marks]


@dataclass
class _EdgesRead:
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
    read = _EdgesRead()
    for batch in batches:
        _add(read, batch)
    ids, rename = _order(read.coder.ids(), extra_ids)
    read.coder = Coder()  # its tables are no longer needed
    keys = _join_keys(read.ends, rename)
    n_rows = keys.size
    keys, weights, n_others = _sum_runs(keys, np.concatenate(read.weights) if read.weights else None)
    indptr = np.searchsorted(keys, np.arange(len(ids) + 1, dtype=np.int64) << 32)  # where each source begins
    keys &= _LOW
    wide = np.int32 if keys.size < 2**31 else np.int64  # SciPy works with half the memory where it can
    indptr, indices = indptr.astype(wide), keys.astype(wide)
    for array in (indptr, indices, weights):
        array.flags.writeable = False
    return Packed(ids, indptr, indices, weights, read.n_edges, n_rows - n_others, read.n_unknown)


def _add(read: _EdgesRead, batch: pl.DataFrame) -> None:
    edges = _check_edges(batch)
    read.n_edges += edges.height
    if edges["source"].null_count() or edges["target"].null_count():
        edges = edges.drop_nulls(["source", "target"])
        read.n_unknown += batch.height - edges.height
    read.ends.append((read.coder.code(edges["source"]), read.coder.code(edges["target"])))
    if "weight" in edges.columns:
        read.weights.append(edges["weight"].to_numpy())


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


def _order(seen: pl.Series, extra: pl.Series | None) -> tuple[pl.Series, Codes]:
    """All ids sorted as text, and each provisional code's place among them."""
    ids = seen.alias("id")
    if extra is not None:
        ids = ids.cast(pl.String)
        more = extra.cast(pl.String).alias("id").to_frame().join(ids.to_frame(), on="id", how="anti")
        ids = pl.concat([ids, more["id"]])
    order = _text_order(ids)
    places = np.empty(order.size, dtype=np.int32)
    places[order] = np.arange(order.size, dtype=np.int32)
    return ids.gather(order).cast(pl.String).alias("person_id"), places[: len(seen)]


def _text_order(ids: pl.Series) -> Integers:
    """Rows in the order of the ids as text; integers are filled up with zeros: 12 is 1200 of 2 digits, before 13."""
    values = ids.to_numpy() if ids.dtype == pl.Int64 else np.array([-1])
    if values.min() >= 0 and values.max() < 10**_DIGITS:
        n_digits = 1 + np.searchsorted(10 ** np.arange(1, _DIGITS), values, side="right")
        return np.argsort(values * 10 ** (_DIGITS - n_digits) * 16 + n_digits)
    return ids.cast(pl.String).to_frame("id").select(pl.arg_sort_by("id", multithreaded=False)).to_series().to_numpy()


def _join_keys(ends: list[tuple[Codes, Codes]], rename: Codes) -> Integers:
    """All keys in one array under their final codes, `_SELF` where the ends are one person.

    Each part is let go as soon as it is used.
    """
    keys = np.empty(sum(source.size for source, _ in ends), dtype=np.int64)
    ends.reverse()
    stop = 0
    while ends:
        source, target = ends.pop()
        for start in range(0, source.size, _PIECE):
            from_codes, to_codes = source[start : start + _PIECE], target[start : start + _PIECE]
            part = keys[stop : stop + from_codes.size]
            part[:] = rename.take(from_codes)
            part <<= 32
            part |= rename.take(to_codes)
            part[from_codes == to_codes] = _SELF
            stop += part.size
    return keys


def _sum_runs(keys: Integers, weights: Floats | None) -> tuple[Integers, Floats, int]:
    """Each key but `_SELF` once, in order; its summed weight; the number of rows behind them.

    Weights of equal keys are added in order of size, so that the order of rows changes no digit.
    """
    if weights is not None and (weights == 1.0).all():
        weights = None  # counting rows is quicker, and gives the same
    if weights is None:
        keys.sort()
    else:
        whole = bool((weights == np.floor(weights)).all()) and float(weights.sum()) < _EXACT
        order = np.argsort(keys) if whole else np.lexsort((weights, keys))
        keys, weights = keys[order], weights[order]
    n_rows = int(np.searchsorted(keys, _SELF))
    keys = keys[:n_rows]
    edge = np.ones(n_rows + 1, dtype=bool)  # a run begins where the key is another than before
    np.not_equal(keys[1:], keys[:-1], out=edge[1:-1])
    bounds = np.flatnonzero(edge)
    if weights is None or not n_rows:
        return keys[bounds[:-1]], np.diff(bounds).astype(np.float64), n_rows
    return keys[bounds[:-1]], np.add.reduceat(weights[:n_rows], bounds[:-1]), n_rows
