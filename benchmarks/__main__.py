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
PACKAGES = ("polars", "numpy", "scipy", "networkx", "igraph", "pandas")


def main() -> None:
    """Run the benchmarks asked for; the others keep their recorded result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=MODULES, help="run one benchmark")
    parser.add_argument("--scale", type=int, help="events for one large run of the network benchmark, such as 60000000")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the network benchmark")
    options = parser.parse_args()
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    if options.scale:
        record["network, large"] = _entry("network", scale=options.scale)
    else:
        present = [name for name in MODULES if importlib.util.find_spec(f"benchmarks.{name}")]
        for name in present if options.only is None else [options.only]:
            print(f"{name} ...", flush=True)
            record[name] = _entry(name, **({"rounds": options.rounds} if name == "network" else {}))
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (HERE / "RESULTS.md").write_text(_page(record), encoding="utf-8")
    print(f"Written: {HERE / 'RESULTS.md'}")


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
    lines = ["# Benchmarks", "", "Written by `make bench`. Medians over rounds that take turns; CPU is user + system."]
    for name, entry in record.items():
        lines += ["", f"## {name}", "", entry["about"], "", *_table(entry["rows"]), "", f"*{entry['when']}.*"]
    return "\n".join(lines) + "\n"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    head = ["| " + " | ".join(column.replace("_", " ") for column in columns) + " |", "|---" * len(columns) + "|"]
    return head + ["| " + " | ".join(str(row.get(column, "")) for column in columns) + " |" for row in rows]


if __name__ == "__main__":
    main()
