"""Calibrate the champions on planted ones and write docs/champions/calibration.json.

Two designs. "counts": 1,500 people in five roles with heavy-tailed chances and 4 % planted champions, counts drawn from
the rates; opportunity measured with a log-normal error of the stated size. "forums": whole synthetic forums
(`sna.make_forum`), with exact views, with views or channels recorded wrongly, and without views while people differ in
how much they read (independently of role and of asking), read by `sna.find_champions`. "characters": pretenders planted
into forums, and how often they are named.

Usage: python scripts/calibrate_champions.py [repetitions of counts] [of forums] [of characters]   (default 10, 8, 4)
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
from sna.simulate.characters import CHARACTERS, add_character
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
ALIKE = {"theta_shape": float("inf"), "competence_spread": 0.0}
NO_VIEWS = {"opportunity": "memberships"}
FORUM_DESIGNS: Mapping[str, dict[str, Any]] = {
    "exact views, x3, others alike": {**ALIKE},
    "exact views, x5, others alike": {**ALIKE, "champion_factor": 5.0},
    "exact views, x3, others alike, competence by space 0.3": {**ALIKE, "competence_spread": 0.3},
    "exact views, x3, others differ": {},
    "exact views, no champions": {**ALIKE, "champion_share": 0.0},
    "loud people, exact views, x4": {"loud_share": 0.04, "champion_factor": 4.0},
    "views off by 0.5, x3": {"opportunity_error": 0.5},
    "10 % of threads misfiled, x3": {"channel_error": 0.1},
    "no views, attention 0, x3": {**ALIKE, **NO_VIEWS, "presence_spread": 0.0},
    "no views, attention 1, x3": {**ALIKE, **NO_VIEWS, "presence_spread": 1.0},
    "no views, attention 1, no champions": {**ALIKE, **NO_VIEWS, "presence_spread": 1.0, "champion_share": 0.0},
    "no views, attention 1, others differ": {**NO_VIEWS, "competence_spread": 0.0, "presence_spread": 1.0},
}
FORUM_SIZE = {"n_people": 300, "n_threads": 2500, "n_weeks": 52, "champion_factor": 3.0, "champion_share": 0.05}


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
    return float(truth[first].mean()) if first.size else 0.0


def judge_forum(simulation: sna.Simulation, *, opportunity: str = "auto") -> dict[str, float]:
    """Whom `sna.find_champions` names in one synthetic forum, and whether its rank sets hold for everybody."""
    found = sna.find_champions(simulation.forum, level=0.95, opportunity=opportunity)
    truth = simulation.truth.people.select("person_id", "is_champion", "theta", "is_loud", "expected_answers")
    rows = found.join(truth, on="person_id").filter(pl.col("contribution").is_not_null()).sort("person_id")
    champion, chosen = rows["is_champion"].to_numpy(), rows["selected"].to_numpy()
    # The yardstick of theta is what peers do on average, champions among them.
    relative = (rows["theta"] / np.average(rows["theta"], weights=rows["expected_answers"])).to_numpy()
    result = {"precision champions": precision(rows["contribution"].to_numpy(), champion)}
    for name, score in COMPARATORS.items():
        table = rows.select("person_id").join(score(simulation.forum), on="person_id", how="left")
        result[f"precision {name}"] = precision(table.sort("person_id")["score"].to_numpy(), champion)
    low, high = rows["contribution_low"].to_numpy(), rows["contribution_high"].to_numpy()
    # What a ratio without views states: the rate, time spent reading included.
    meant = (rows["theta"] * rows["expected_answers"]).to_numpy()
    rate = meant * rows["n_helps"].sum() / meant.sum() / rows["expected_helps"].to_numpy()
    return result | {
        "coverage of the rate": float(((rate >= low) & (rate <= high)).mean()),
        "names with a rate below 1.5": float((rate[chosen] < 1.5).mean()) if chosen.any() else 0.0,
        "selected": float(chosen.sum()),
        "steady helpers": float((rows["standing"] == "steady helper").sum()),
        "false share": float((relative[chosen] < 1.5).mean()) if chosen.any() else 0.0,
        "share below average": float((relative[chosen] < 1.0).mean()) if chosen.any() else 0.0,
        "loud among selected": float(rows["is_loud"].to_numpy()[chosen].mean()) if chosen.any() else 0.0,
        "found share": float(chosen[champion].mean()) if champion.any() else 0.0,
        "coverage of 95 %": float(((relative >= low) & (relative <= high)).mean()),
        "all rank sets hold": float(ranks_hold(rows)),
        "certainly in the top ten": float(rows["certainly_top"].sum()),
    }


def ranks_hold(rows: pl.DataFrame) -> bool:
    """Whether everybody's true rank lies in their set; people who are truly equal may take any of their places."""
    ranked = rows.filter(pl.col("rank_low").is_not_null())
    best = ranked["theta"].rank("min", descending=True)
    last = ranked["theta"].rank("max", descending=True)
    return bool(((ranked["rank_low"] <= last) & (ranked["rank_high"] >= best)).all())


def judge_character(kind: str, *, views: bool, seed: np.random.SeedSequence) -> dict[str, float]:
    """Whether a planted pretender is named, and whether a sentence says why not."""
    forum_seed, character_seed = seed.spawn(2)
    forum = sna.make_forum(n_people=150, n_threads=1500, n_weeks=52, rng=np.random.default_rng(forum_seed)).forum
    planted, accounts = add_character(forum, kind, rng=np.random.default_rng(character_seed))
    found = sna.find_champions(planted, opportunity="auto" if views else "memberships")
    rows = found.filter(pl.col("person_id").is_in(accounts))
    return {
        "named": float(rows["selected"].any()),
        "steady helper": float((rows["standing"] == "steady helper").any()),
        "sentence given": float(rows["caution"].is_not_null().all()),
    }


def average(results: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every figure, and its Monte-Carlo standard error where it matters most."""
    means = {key: round(float(np.mean([r[key] for r in results])), 4) for key in results[0]}
    for key in [k for k in means if k.startswith(("false share", "precision champions", "precision EB gamma"))]:
        error = np.std([r[key] for r in results], ddof=1) / np.sqrt(len(results)) if len(results) > 1 else np.nan
        means[f"{key} (se)"] = round(float(error), 4)
    return means


def calibrate(*, n_counts: int, n_forums: int, n_characters: int) -> dict[str, Any]:
    """Run every design; seeds are spawned from 2024."""
    seeds = np.random.SeedSequence(2024)
    counts, forums, characters = {}, {}, {}
    for name, design in FORUM_DESIGNS.items():
        options = {**FORUM_SIZE, **design}
        opportunity = options.pop("opportunity", "auto")
        rngs = [np.random.default_rng(s) for s in seeds.spawn(n_forums)]
        forums[name] = average([judge_forum(sna.make_forum(**options, rng=r), opportunity=opportunity) for r in rngs])
        print(f"forums, {name}: done", flush=True)
    for kind in CHARACTERS:
        for views in (True, False):
            name = f"{kind}, {'with' if views else 'without'} views"
            runs = [judge_character(kind, views=views, seed=s) for s in seeds.spawn(n_characters)]
            characters[name] = average(runs)
        print(f"characters, {kind}: done", flush=True)
    for name, design in COUNT_DESIGNS.items():
        rngs = [np.random.default_rng(s) for s in seeds.spawn(n_counts)]
        known = design.get("error", 0.0)
        drawn = [draw_counts(rng, **design) for rng in rngs]
        counts[name] = average([judge_counts(people) for people in drawn])
        if known:
            counts[f"{name}, error stated"] = average([judge_counts(people, known=known) for people in drawn])
        print(f"counts, {name}: done", flush=True)
    size = {**FORUM_SIZE}
    return {
        "counts": {"repetitions": n_counts, "bar": BAR, "fdr": 0.10, "designs": counts},
        "forums": {"repetitions": n_forums, "bar": 1.5, "fdr": 0.10, "size": size, "designs": forums},
        "characters": {"repetitions": n_characters, "designs": characters},
    }


def main() -> None:
    """Run and write the record."""
    given = [int(value) for value in sys.argv[1:4]]
    n_counts, n_forums, n_characters = (*given, *(10, 8, 4)[len(given) :])
    begun = time.time()
    result = calibrate(n_counts=n_counts, n_forums=n_forums, n_characters=n_characters)
    target = ROOT / "docs" / "champions" / "calibration.json"
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{target.name}: {time.time() - begun:.0f} s")


if __name__ == "__main__":
    main()
