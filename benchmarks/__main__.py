"""``python -m benchmarks [--scale N] [--only NAME]``: run every benchmark there is and write RESULTS.md."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORD = HERE / "results.json"
MODULES = ("network", "readers_chat", "readers_files", "mixing", "champions")
QUICK: dict[str, dict[str, int]] = {"readers_chat": {"n_messages": 40_000, "repeats": 1}}
PACKAGES = ("polars", "numpy", "scipy", "networkx", "igraph", "pandas")


INTRODUCTION = (
    "Written by `make bench` (about five minutes on two free cores); the large run by",
    "`python -m benchmarks --scale 60000000`. CPU is user + system. Methods of the network benchmark take turns, each",
    "in a process of its own; figures are medians over rounds, multiples are medians of the ratios within a round.",
    "Other work was running wherever the load is above one: seconds vary by a third then, ratios less.",
    "",
    "Aims: networkx takes at least 15 times the CPU of sna; edges of 10 million events take at most 3 times the CPU of",
    "reading their columns (not reached yet where the table says more); under 60 bytes per event.",
)


def main() -> None:
    """Run the benchmarks asked for; the others keep their recorded result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=MODULES, help="run one benchmark")
    parser.add_argument("--scale", type=int, help="events for one large run of the network benchmark, such as 60000000")
    parser.add_argument("--full", action="store_true", help="every benchmark at full size, however long it takes")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of the network benchmark")
    options = parser.parse_args()
    if options.scale:
        _keep("network, large", _entry("network", scale=options.scale))
    else:
        present = [name for name in MODULES if importlib.util.find_spec(f"benchmarks.{name}")]
        for name in present if options.only is None else [options.only]:
            print(f"{name} ...", flush=True)
            quick = {} if options.full else QUICK.get(name, {})
            _keep(name, _entry(name, **({"rounds": options.rounds} if name == "network" else quick)))
    print(f"Written: {HERE / 'RESULTS.md'}")


def _keep(name: str, entry: dict[str, Any]) -> None:
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    record = dict(sorted({**record, name: entry}.items()))
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (HERE / "RESULTS.md").write_text(_page(record), encoding="utf-8")


def _entry(name: str, **options: Any) -> dict[str, Any]:
    module = importlib.import_module(f"benchmarks.{name}")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    rows = module.run(**options)
    return {"rows": rows, "about": (module.__doc__ or "").split("\n\n")[0], "when": _facts(load)}


def _facts(load: float) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    machine = f"{platform.system()} {platform.machine()}, {_processor()}{os.cpu_count()} cores, {_memory()}"
    python = f"Python {platform.python_version()}"
    return f"{datetime.now(UTC):%Y-%m-%d}; {machine}{python}, {versions}; load before the run {load:.1f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":")[1].strip() + ", " for line in lines if line.startswith("model name")), "")


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB memory, "
    except (AttributeError, ValueError, OSError):
        return ""


def _page(record: dict[str, Any]) -> str:
    lines = ["# Benchmarks", "", *INTRODUCTION]
    for name, entry in record.items():
        lines += ["", f"## {name}", "", entry["about"], "", *_table(entry["rows"]), "", f"*{entry['when']}.*"]
    return "\n".join(lines) + "\n"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    head = ["| " + " | ".join(column.replace("_", " ") for column in columns) + " |", "|---" * len(columns) + "|"]
    return head + ["| " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |" for row in rows]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
