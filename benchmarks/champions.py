"""Champions on a large forum: 26,000 people, 1M posts; CPU and wall seconds, peak memory of a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import numpy as np
import polars as pl

import sna
from benchmarks.network import peak_bytes

N_PEOPLE, N_POSTS, N_SPACES, N_ROLES = 26_000, 1_000_000, 60, 12


def make_large_forum(*, n_people: int = N_PEOPLE, n_posts: int = N_POSTS, seed: int = 1) -> sna.Forum:
    """Power-law activity, five posts per thread, home spaces, roles, and 5 % of replies accepted."""
    rng = np.random.default_rng(seed)
    activity = rng.pareto(1.3, n_people) + 0.05
    author = rng.choice(n_people, n_posts, p=activity / activity.sum())
    thread = np.repeat(np.arange(n_posts // 5), 5)[:n_posts]
    space = (author[thread * 5] % N_SPACES).astype(str)
    start = datetime(2023, 1, 1, tzinfo=UTC).timestamp()
    asked = np.sort(rng.uniform(0, 2 * 365 * 86400, n_posts // 5))
    at = start + asked[thread] + rng.exponential(6 * 3600, n_posts) * (np.arange(n_posts) % 5 != 0)
    ids = np.arange(n_posts)
    first = ids % 5 == 0
    posts = pl.DataFrame(
        {
            "post_id": ids,
            "thread_id": thread,
            "parent_id": np.where(first, -1, thread * 5),
            "author_id": author,
            "created_at": (at * 1e6).astype(np.int64),
            "space": space,
            "kind": np.where(first, "root", "reply"),
        }
    ).with_columns(
        pl.col("post_id", "thread_id", "author_id").cast(pl.String),
        pl.when(pl.col("parent_id") >= 0).then(pl.col("parent_id").cast(pl.String)).alias("parent_id"),
        pl.col("created_at").cast(pl.Datetime("us", "UTC")),
        parent_basis=pl.when(pl.Series(first)).then(pl.lit("none")).otherwise(pl.lit("explicit")),
    )
    replies = posts.filter(kind="reply")
    accepted = replies.filter(pl.Series(rng.random(replies.height) < 0.05))
    signals = accepted.select("post_id", kind=pl.lit("accept"), at="created_at")
    people = pl.DataFrame({"person_id": np.arange(n_people).astype(str)})
    role = pl.Series((np.arange(n_people) // N_SPACES % N_ROLES).astype(str))  # every role in every home space
    roles = people.select("person_id", attribute=pl.lit("role"), value="role " + role)
    return sna.build_forum(posts=posts, people=people, roles=roles, signals=signals)


STEPS = {
    "find_champions": lambda forum: sna.find_champions(forum),
    "ensemble_score": lambda forum: sna.ensemble_score(forum),
    "champion_evidence": lambda forum: sna.champion_evidence(forum, [str(i) for i in range(10)]),
    "list_war_stories": lambda forum: sna.list_war_stories(forum),
}


def measure() -> list[dict[str, object]]:
    """Time every step in this process."""
    forum = make_large_forum()
    before = peak_bytes()
    rows = []
    for name, step in STEPS.items():
        wall, cpu = time.perf_counter(), time.process_time()
        step(forum)
        rows.append(
            {
                "measure": name,
                "people": N_PEOPLE,
                "posts": N_POSTS,
                "wall_seconds": round(time.perf_counter() - wall, 2),
                "cpu_seconds": round(time.process_time() - cpu, 2),
                "peak_mb": peak_bytes() // 2**20,
                "forum_mb": before // 2**20,
            }
        )
    return rows


def run() -> list[dict[str, object]]:
    """Run `measure` in a process of its own, so that the peak is its own."""
    code = "import json, benchmarks.champions as c; print(json.dumps(c.measure()))"
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    return pl.read_json(done.stdout.strip().splitlines()[-1].encode()).to_dicts()


if __name__ == "__main__":
    for row in run():
        print(row)
