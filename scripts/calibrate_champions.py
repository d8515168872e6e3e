"""Calibrate the champions on planted ones and write docs/champions/calibration.json.

Two designs. "counts": 1,500 people in five roles with heavy-tailed chances and 4 % planted champions, counts drawn from
the rates; opportunity measured with a log-normal error of the stated size. "forums": whole synthetic forums
(`sna.make_forum`), with loud decoys and with chances or channels recorded wrongly, read by `sna.find_champions`.

Usage: python scripts/calibrate_champions.py [repetitions of counts] [repetitions of forums]   (default 40 and 5)
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import sna
from sna.champions.comparators import COMPARATORS
from sna.stats.shrinkage import select_by_local_fdr, shrink_rates

ROOT = Path(__file__).parents[1]
ROLE_SHARES = (0.45, 0.25, 0.15, 0.10, 0.05)
ROLE_EFFECTS = np.array([0.0, 0.5, -0.4, 0.9, -0.8])
BAR = 1.8
COUNT_DESIGNS: Mapping[str, dict[str, float]] = {
    "sparse x2.5": {"champion_factor": 2.5, "richness": 0.0},
    "sparse x4": {"champion_factor": 4.0, "richness": 0.0},
    "rich x2.5": {"champion_factor": 2.5, "richness": 2.0},
    "rich x4": {"champion_factor": 4.0, "richness": 2.0},
    "rich x4, chances off by 0.25": {"champion_factor": 4.0, "richness": 2.0, "error": 0.25},
    "rich x4, chances off by 0.5": {"champion_factor": 4.0, "richness": 2.0, "error": 0.5},
    "rich x4, chances off by 1": {"champion_factor": 4.0, "richness": 2.0, "error": 1.0},
}
FORUM_DESIGNS: Mapping[str, dict[str, Any]] = {
    "rich": {"loud_share": 0.04},
    "rich, views off by 0.25": {"loud_share": 0.04, "opportunity_error": 0.25},
    "rich, views off by 0.5": {"loud_share": 0.04, "opportunity_error": 0.5},
    "rich, views off by 1": {"loud_share": 0.04, "opportunity_error": 1.0},
    "rich, 10 % of threads misfiled": {"loud_share": 0.04, "channel_error": 0.1},
    "rich, 30 % of threads misfiled": {"loud_share": 0.04, "channel_error": 0.3},
    "rich, no views recorded": {"loud_share": 0.04, "opportunity": "memberships"},
    "rich, no views or memberships recorded": {"loud_share": 0.04, "opportunity": "attention"},
    "sparse": {"loud_share": 0.04, "n_threads": 1000},
}
FORUM_SIZE = {"n_people": 800, "n_threads": 6000, "n_weeks": 52, "champion_factor": 4.0}


def draw_counts(
    rng: np.random.Generator, *, champion_factor: float, richness: float, error: float = 0.0, n: int = 1500
) -> pl.DataFrame:
    """People with known theta, the chances they had and the chances that were recorded, and their counts."""
    role = rng.choice(len(ROLE_SHARES), n, p=ROLE_SHARES)
    years = rng.gamma(2.0, 1.5, n)
    chances = np.exp(rng.normal(1.2 + richness, 1.1, n))
    champion = rng.random(n) < 0.04
    theta = np.where(champion, rng.gamma(20.0, champion_factor / 20.0, n), rng.gamma(3.0, 1 / 3.0, n))
    rate = np.exp(ROLE_EFFECTS[role] + 0.15 * np.log1p(years) - 2.2)
    answers = rng.poisson(chances * rate * theta)
    questions = rng.poisson(chances * 0.25 * np.exp(-0.1 * years))
    helpful = 1 / (1 + np.exp(-(-0.6 + 0.9 * champion + rng.normal(0, 0.5, n))))
    return pl.DataFrame(
        {
            "role": role.astype(str),
            "log_years": np.log1p(years),
            "recorded": chances * np.exp(rng.normal(0, 1, n) * error),
            "expected": chances * rate,
            "answers": answers,
            "questions": questions,
            "accepted": rng.binomial(answers, helpful),
            "champion": champion,
            "theta": theta,
        }
    )


def judge_counts(people: pl.DataFrame, *, known: float = 0.0) -> dict[str, float]:
    """Precision at the number of champions, realised false-discovery rate, coverage and error of theta."""
    fits = {
        prior: shrink_rates(
            people["answers"],
            people["recorded"],
            group=people["role"].to_list(),
            covariates=people["log_years"],
            factor=BAR,
            level=0.9,
            prior=prior,
            exposure_error=known,
        )
        for prior in ("gamma", "npmle")
    }
    a, q = people["answers"].to_numpy().astype(float), people["questions"].to_numpy().astype(float)
    scores = {
        "raw answers": a,
        "accepted answers": people["accepted"].to_numpy().astype(float),
        "z-score": (a - q) / np.sqrt(np.maximum(a + q, 1)),
        "raw ratio": a / fits["gamma"]["expected"].to_numpy(),
        "EB gamma": fits["gamma"]["estimate"].to_numpy(),
        "EB npmle": fits["npmle"]["estimate"].to_numpy(),
        "oracle": people["theta"].to_numpy(),
    }
    champion, theta = people["champion"].to_numpy(), people["theta"].to_numpy()
    result = {f"precision {name}": precision(value, champion) for name, value in scores.items()}
    for prior, fit in fits.items():
        chosen = select_by_local_fdr(fit["prob_above"], fdr=0.10)
        result[f"selected {prior}"] = float(chosen.sum())
        result[f"false share {prior}"] = float((theta[chosen] < BAR).mean()) if chosen.any() else 0.0
        inside = (theta >= fit["low"].to_numpy()) & (theta <= fit["high"].to_numpy())
        result[f"coverage of 90 % {prior}"] = float(inside.mean())
        result[f"mse {prior}"] = float(((fit["estimate"].to_numpy() - theta) ** 2).mean())
    result["mse raw ratio"] = float(((scores["raw ratio"] - theta) ** 2).mean())
    return result


def precision(score: np.ndarray, truth: np.ndarray) -> float:
    """Share of true ones among as many first ones as there are true ones; ties by position."""
    first = np.argsort(-score, kind="stable")[: int(truth.sum())]
    return float(truth[first].mean())


def judge_forum(simulation: sna.Simulation, *, opportunity: str = "auto") -> dict[str, float]:
    """Precision, realised false-discovery rate and coverage of one synthetic forum."""
    found = sna.find_champions(simulation.forum, factor=1.5, level=0.9, opportunity=opportunity)
    truth = simulation.truth.people.select("person_id", "is_champion", "theta", "is_loud", "expected_answers")
    rows = found.join(truth, on="person_id").filter(pl.col("contribution").is_not_null()).sort("person_id")
    champion = rows["is_champion"].to_numpy()
    # The yardstick of theta is what peers do on average, champions among them.
    relative = (rows["theta"] / np.average(rows["theta"], weights=rows["expected_answers"])).to_numpy()
    chosen = rows["selected"].to_numpy()
    result = {"precision champions": precision(rows["contribution"].to_numpy(), champion)}
    for name, score in COMPARATORS.items():
        table = rows.select("person_id").join(score(simulation.forum), on="person_id", how="left")
        result[f"precision {name}"] = precision(table.sort("person_id")["score"].to_numpy(), champion)
    low, high = rows["contribution_low"].to_numpy(), rows["contribution_high"].to_numpy()
    return result | {
        "selected": float(chosen.sum()),
        "false share": float((relative[chosen] < 1.5).mean()) if chosen.any() else 0.0,
        "loud among selected": float(rows["is_loud"].to_numpy()[chosen].mean()) if chosen.any() else 0.0,
        "found share": float(chosen[champion].mean()),
        "coverage of 90 %": float(((relative >= low) & (relative <= high)).mean()),
    }


def average(results: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every figure, and its Monte-Carlo standard error where it matters most."""
    means = {key: round(float(np.mean([r[key] for r in results])), 4) for key in results[0]}
    for key in [k for k in means if k.startswith(("false share", "precision champions", "precision EB gamma"))]:
        error = np.std([r[key] for r in results], ddof=1) / np.sqrt(len(results)) if len(results) > 1 else np.nan
        means[f"{key} (se)"] = round(float(error), 4)
    return means


def calibrate(*, n_counts: int, n_forums: int) -> dict[str, Any]:
    """Run every design; seeds are spawned from 2024."""
    seeds = np.random.SeedSequence(2024)
    counts, forums = {}, {}
    for name, design in COUNT_DESIGNS.items():
        rngs = [np.random.default_rng(s) for s in seeds.spawn(n_counts)]
        known = design.get("error", 0.0)
        drawn = [draw_counts(rng, **design) for rng in rngs]
        counts[name] = average([judge_counts(people) for people in drawn])
        if known:
            counts[f"{name}, error stated"] = average([judge_counts(people, known=known) for people in drawn])
        print(f"counts, {name}: done", flush=True)
    for name, design in FORUM_DESIGNS.items():
        rngs = [np.random.default_rng(s) for s in seeds.spawn(n_forums)]
        options = {**FORUM_SIZE, **design}
        opportunity = options.pop("opportunity", "auto")
        runs = [judge_forum(sna.make_forum(**options, rng=rng), opportunity=opportunity) for rng in rngs]
        forums[name] = average(runs)
        print(f"forums, {name}: done", flush=True)
    return {
        "counts": {"repetitions": n_counts, "bar": BAR, "fdr": 0.10, "designs": counts},
        "forums": {"repetitions": n_forums, "bar": 1.5, "fdr": 0.10, "size": FORUM_SIZE, "designs": forums},
    }


def main() -> None:
    """Run and write the record."""
    given = [int(value) for value in sys.argv[1:3]]
    n_counts, n_forums = (*given, *(40, 5)[len(given) :])
    begun = time.time()
    result = calibrate(n_counts=n_counts, n_forums=n_forums)
    target = ROOT / "docs" / "champions" / "calibration.json"
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{target.name}: {time.time() - begun:.0f} s")


if __name__ == "__main__":
    main()
