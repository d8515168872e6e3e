"""Edges, PageRank and HITS against networkx, igraph and pandas; each measurement in a process of its own.

``python -m benchmarks.network METHOD FILE`` runs one measurement and prints it as JSON.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.generate import write_events

MILLION = 1_000_000


def run(*, rounds: int = 3, scale: int | None = None) -> list[dict[str, Any]]:
    """All measurements, rounds interleaved: medians, and each method's CPU as a multiple of its yardstick."""
    with tempfile.TemporaryDirectory() as folder:
        if scale is not None:
            return _compare(Path(folder), scale, ["read columns", "sna edges"], rounds=1)
        small = [
            "sna PageRank + HITS",
            "networkx PageRank + HITS",
            "igraph PageRank + HITS",
            "pandas groupby",
            "sna table",
        ]
        large = ["read columns", "sna edges"]
        return [
            *_compare(Path(folder), MILLION, small, rounds=rounds),
            *_compare(Path(folder), 10 * MILLION, large, rounds=rounds),
            *_compare(Path(folder), 10 * MILLION, large, rounds=rounds, text=True),
        ]


def _compare(
    folder: Path, n_events: int, methods: list[str], *, rounds: int, text: bool = False
) -> list[dict[str, Any]]:
    path = write_events(folder / "events.parquet", n_events, text=text)
    found: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    for _ in range(rounds):
        for method in methods:
            found[method].append(_measure(method, path))
    medians = {m: {key: statistics.median(r[key] for r in rs) for key in rs[0]} for m, rs in found.items()}
    first = [measured["cpu_s"] for measured in found[methods[0]]]
    multiples = {
        m: statistics.median(r["cpu_s"] / base for r, base in zip(rs, first, strict=True)) for m, rs in found.items()
    }
    return [
        {
            "events": f"{n_events:,}",
            "ids": "text" if text else "integer",
            "method": method,
            "cpu_s": round(values["cpu_s"], 2),
            "wall_s": round(values["wall_s"], 2),
            "peak_bytes_per_event": round(values["peak"] / n_events),
            "cpu_as_multiple_of_first": round(multiples[method], 2),
            "rounds": rounds,
        }
        for method, values in medians.items()
    ]


def _measure(method: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.network", method, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return json.loads(done.stdout)


def _read(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path, columns=["source", "target"])


def _sna_measures(frame: pl.DataFrame) -> None:
    import sna

    network = sna.network_from_edges(frame)
    sna.pagerank(network)
    sna.hits(network)


def _networkx_measures(frame: pl.DataFrame) -> None:
    import networkx as nx

    graph = nx.DiGraph()
    ties = frame.filter(pl.col("source") != pl.col("target")).group_by("source", "target").len()
    graph.add_weighted_edges_from(ties.iter_rows())
    nx.pagerank(graph)
    nx.hits(graph)


def _igraph_measures(frame: pl.DataFrame) -> None:
    import igraph

    ties = frame.filter(pl.col("source") != pl.col("target")).group_by("source", "target").len()
    ids, codes = np.unique(np.concatenate([ties["source"], ties["target"]]), return_inverse=True)
    graph = igraph.Graph(n=ids.size, edges=codes.reshape(2, -1).T, directed=True)
    weights = ties["len"].to_list()
    graph.pagerank(weights=weights)
    graph.authority_score(weights=weights)
    graph.hub_score(weights=weights)


def _pandas_groupby(frame: pl.DataFrame) -> None:
    import pandas as pd

    table = pd.DataFrame({name: frame[name].to_numpy() for name in frame.columns})
    table.groupby(["source", "target"]).size()


def _sna_table(frame: pl.DataFrame) -> None:
    import sna

    sna.network_from_edges(frame).ties  # noqa: B018  the table itself is what is measured


def _sna_edges(path: Path) -> None:
    import sna

    sna.network_from_edges(path)


METHODS: dict[str, tuple[Callable[[Any], object], bool]] = {
    "sna PageRank + HITS": (_sna_measures, True),
    "networkx PageRank + HITS": (_networkx_measures, True),
    "igraph PageRank + HITS": (_igraph_measures, True),
    "pandas groupby": (_pandas_groupby, True),
    "sna table": (_sna_table, True),
    "read columns": (_read, False),
    "sna edges": (_sna_edges, False),
}


def peak_bytes() -> int:
    """Highest memory so far. ``ru_maxrss`` outlives exec and would hold the parent's peak; Linux's VmHWM does not."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(method: str, path: Path) -> None:
    """One measurement; imports, and the reading of a table that is handed over in memory, are not counted."""
    import igraph  # noqa: F401  imported beforehand, so that no import is measured
    import networkx as nx
    import pandas  # noqa: F401
    import scipy.sparse.linalg  # noqa: F401

    import sna

    nx.pagerank(nx.DiGraph([(0, 1)]))
    sna.hits(sna.network_from_edges(pl.DataFrame({"source": [1], "target": [2]})))
    call, in_memory = METHODS[method]
    argument = _read(path) if in_memory else path
    before, cpu, wall = peak_bytes(), time.process_time(), time.perf_counter()
    call(argument)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    sys.stdout.write(json.dumps({"cpu_s": cpu, "wall_s": wall, "peak": peak_bytes() - before}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
