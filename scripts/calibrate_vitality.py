"""Level changes and waits where the truth is known: false alarms, coverage, power.

About five minutes on one processor; writes docs/vitality/calibration.json.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import sna
from sna.stats.series import YEAR, Yardstick, fit_level_change, make_yardstick
from sna.types import Floats

TARGET = Path(__file__).parents[1] / "docs" / "vitality" / "calibration.json"
LENGTHS = (52, 78, 104, 156)
SERIES, FITTED, FORUMS = 400, 150, 150
FLAT: Mapping[str, Mapping[str, float]] = {
    "flat": {},
    "a swing of 30 % in a year": {"swing": 0.3},
    "memory 0.3": {"memory": 0.3, "noise": 0.2},
    "memory 0.6": {"memory": 0.6, "noise": 0.2},
    "memory 0.6, swing 30 %": {"memory": 0.6, "noise": 0.3, "swing": 0.3},
    "memory 0.8": {"memory": 0.8, "noise": 0.3},
    "two weeks a year at half": {"dip": 0.7},
}
CHANGED: Mapping[str, Mapping[str, float]] = {
    "decline of 20 % a year": {"memory": 0.3, "noise": 0.2, "yearly": 0.8},
    "decline of 40 % a year": {"memory": 0.3, "noise": 0.2, "yearly": 0.6},
    "step to 70 %": {"memory": 0.3, "noise": 0.2, "step": 0.7},
    "step to 50 %": {"memory": 0.3, "noise": 0.2, "step": 0.5},
    "step to 50 %, memory 0.6, swing 20 %": {"memory": 0.6, "noise": 0.2, "step": 0.5, "swing": 0.2},
}
STEP_AT = 0.6


def weekly(design: Mapping[str, float], weeks: int, n: int, *, rng: np.random.Generator) -> Floats:
    """Logarithms of Poisson counts around 30 a week: ``n`` series."""
    d = {"memory": 0.0, "noise": 0.0, "swing": 0.0, "dip": 0.0, "yearly": 1.0, "step": 1.0} | dict(design)
    t = np.arange(weeks)
    drift = rng.standard_normal((n, weeks))
    drift[:, 1:] *= np.sqrt(1 - d["memory"] ** 2)
    for week in range(1, weeks):
        drift[:, week] += d["memory"] * drift[:, week - 1]
    season = d["swing"] * np.sin(2 * np.pi * (t / YEAR + rng.random((n, 1)))) - d["dip"] * (t % 52 < 2)
    change = np.log(d["yearly"]) * t / YEAR + np.log(d["step"]) * (t >= int(STEP_AT * weeks))
    return np.log(rng.poisson(30 * np.exp(season + change + d["noise"] * drift)) + 0.5)


def alarms(weeks: int, yardstick: Yardstick, *, rng: np.random.Generator) -> dict[str, float]:
    """Share of series without a change in which one is found at 5 %."""
    found = {}
    for name, design in FLAT.items():
        p = [fit_level_change(row, yardstick, rng=rng).p_value for row in weekly(design, weeks, SERIES, rng=rng)]
        found[name] = float(np.mean(np.array(p) < 0.05))
    return found


def changes(weeks: int, yardstick: Yardstick, *, rng: np.random.Generator) -> dict[str, Any]:
    """How a planted change is named, and how often the intervals hold it."""
    table = {}
    for name, design in CHANGED.items():
        fits = [fit_level_change(row, yardstick, rng=rng) for row in weekly(design, weeks, FITTED, rng=rng)]
        kind = "step" if "step" in design else "yearly"
        truth = np.log(design[kind])
        named = [f for f in fits if (f.shape == "step") == (kind == "step") and f.shape != "none"]
        dated = [
            f.at_low <= int(STEP_AT * weeks) <= f.at_high
            for f in fits
            if f.at_low is not None and f.at_high is not None
        ]
        table[name] = {
            "found": float(np.mean([f.shape != "none" for f in fits])),
            "called a step": float(np.mean([f.shape == "step" for f in fits])),
            "called gradual": float(np.mean([f.shape == "trend" for f in fits])),
            "interval holds the size": float(np.mean([f.low <= truth <= f.high for f in named])) if named else None,
            "interval holds the date": float(np.mean(dated)) if dated and kind == "step" else None,
        }
    return table


def asking(rng: np.random.Generator, *, spread: float, slower: float, by_role: bool) -> sna.Forum:
    """400 questions by 60 askers, each with a speed of their own; one role or the later half slower."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    speed = np.exp(rng.normal(2, spread, 60))
    asker = rng.choice(60, 400, p=rng.dirichlet(np.ones(60)))
    at = np.sort(rng.uniform(0, 200, 400))
    late = (asker % 2 == 1) if by_role else at >= 100
    wait = rng.exponential(speed[asker]) * np.where(late, slower, 1.0)
    wait[rng.random(400) < 0.1] = np.inf
    rows = [(f"q{i}", f"t{i}", f"p{asker[i]}", start + timedelta(days=at[i]), "root") for i in range(400)]
    rows += [
        (f"a{i}", f"t{i}", "helper", start + timedelta(days=at[i], hours=wait[i]), "answer")
        for i in range(400)
        if np.isfinite(wait[i]) and at[i] + wait[i] / 24 < 214
    ]
    posts = pl.DataFrame(rows, schema=["post_id", "thread_id", "author_id", "created_at", "kind"], orient="row")
    people = pl.DataFrame({"person_id": [f"p{i}" for i in range(60)]})
    roles = people.with_columns(attribute=pl.lit("role"), value=pl.Series(["HR", "IT"] * 30))
    source = sna.Source("planted", exported_at=start + timedelta(days=214))
    return sna.build_forum(
        posts=posts, people=pl.concat([people, pl.DataFrame({"person_id": ["helper"]})]), roles=roles, source=source
    )


def waits(rng: np.random.Generator) -> dict[str, Any]:
    """False alarms, coverage and power of the two comparisons of waits."""
    table = {}
    for name, spread, slower in (
        ("alike", 0.0, 1.0),
        ("own speeds", 1.0, 1.0),
        ("own speeds, twice as slow", 1.0, 2.0),
    ):
        groups, periods = [], []
        for _ in range(FORUMS):
            forum = asking(rng, spread=spread, slower=slower, by_role=True)
            groups.append(sna.compare_waits(forum, by="role").p_value < 0.05)
            change = sna.waiting_time_change(
                asking(rng, spread=spread, slower=slower, by_role=False), split_at=datetime(2024, 4, 10, tzinfo=UTC)
            )
            periods.append((change.p_value < 0.05, change.low <= 0 <= change.high))
        table[name] = {
            "groups found to differ": float(np.mean(groups)),
            "periods found to differ": float(np.mean(periods, axis=0)[0]),
        }
        if slower == 1:
            table[name]["interval holds no change"] = float(np.mean(periods, axis=0)[1])
    return table


if __name__ == "__main__":
    generator = np.random.default_rng(20261125)
    result: dict[str, Any] = {"false alarms at 5 percent": {}, "planted changes": {}}
    for length in LENGTHS:
        stick = make_yardstick(length, first_week=10, rng=generator)
        result["false alarms at 5 percent"][f"{length} weeks"] = alarms(length, stick, rng=generator)
        result["planted changes"][f"{length} weeks"] = changes(length, stick, rng=generator)
    result["waits of 60 askers, 400 questions"] = waits(generator)
    TARGET.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
