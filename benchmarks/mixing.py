"""Cross-role conversations on a large forum: 26,000 people, 1M posts, 999 draws; each step a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import sna
from benchmarks.champions import make_large_forum
from benchmarks.network import peak_bytes

SPLIT = "2024-01-01"


def ladder_and_verdict(forum):
    ready = sna.draw_mixing(forum, rng=1)
    sna.mixing_ladder(ready)
    sna.cross_role_ladder(ready)
    sna.list_silent_pairs(ready)
    return sna.cross_role_level(ready)


STEPS = {
    "both ladders, silent pairs, verdict on level; 999 draws": ladder_and_verdict,
    "cross_role_change at a date": lambda forum: sna.cross_role_change(forum, split_at=SPLIT),
    "find_change_date, 999 draws": lambda forum: sna.find_change_date(forum, rng=1),
    "mixing_matrix, closed form": lambda forum: sna.mixing_matrix(forum, null="volume-holding"),
    "brokerage_roles": lambda forum: sna.brokerage_roles(forum),
}


def run() -> list[dict]:
    """One row per step, each in a fresh process; reading the forum is not counted."""
    rows = []
    for name in STEPS:
        command = [sys.executable, "-m", "benchmarks.mixing", name]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows.append(json.loads(printed))
    return rows


def measure(name: str) -> dict:
    """Wall and CPU seconds of one step, and the peak memory of the process with the forum in it."""
    forum = make_large_forum()
    wall, cpu = time.perf_counter(), time.process_time()
    STEPS[name](forum)
    return {
        "step": name,
        "n_posts": forum.posts.height,
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_gb": round(peak_bytes() / 1e9, 2),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
