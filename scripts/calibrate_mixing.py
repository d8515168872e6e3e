"""How often the mixing verdicts are wrong on forums where nobody minds roles, and how often right where people do.

Writes docs/mixing/calibration.json: ``python scripts/calibrate_mixing.py [replications]`` (2000 by default).
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from scipy import stats

from sna.mixing.claims import judge_share
from sna.mixing.nulls import channel_null, count_groups, label_null, participation_null, volume_null
from sna.mixing.pairs import (
    code_joins,
    cross_share,
    draw_counts,
    left_out_thetas,
    permute_change,
    within_spaces,
)
from sna.simulate import PRESETS, make_forum
from sna.stats.inference import jackknife_interval, logit, monte_carlo_p

OUT = Path(__file__).parents[1] / "docs" / "mixing" / "calibration.json"
CHANNEL_ERRORS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
PERIODS = ("1mo", "1q", "10y")
ALPHA = 0.05


def misplace(coded, share, rng):
    """The same pairs with a share of threads recorded in a space drawn at random."""
    pairs = coded.pairs
    space = np.zeros(len(coded.threads), dtype=np.int64)
    space[pairs.thread] = coded.space
    wrong = rng.random(len(space)) < share
    space[wrong] = rng.integers(0, coded.space.max() + 1, int(wrong.sum()))
    spaces, n = space[pairs.thread], int(coded.space.max()) + 1
    stratum = np.unique(coded.period * n + spaces, return_inverse=True)[1]
    return replace(coded, pairs=replace(pairs, stratum=stratum), space=spaces)


def verdict(coded, rng, *, draws):
    """P-value of the level verdict, its randomised rank (uniform under the null), theta and its interval."""
    sample = cross_share(draw_counts(participation_null(), coded.pairs, draws=draws, rng=rng), missing=coded.missing)
    observed = float(cross_share(count_groups(coded.pairs), missing=coded.missing))
    ties = (np.abs(sample - observed) < 1e-12).sum()
    rank = ((sample < observed - 1e-12).sum() + rng.random() * (1 + ties)) / (1 + draws)
    theta = float(logit(observed) - logit(sample.mean()))
    _, low, high = jackknife_interval(theta, left_out_thetas(coded))
    return {
        "p": float(monte_carlo_p(observed, sample)),
        "rank": float(rank),
        "theta": theta,
        "low": low,
        "high": high,
    }


def level_once(task):
    """All nulls on one forum; ``task`` is (preset, delta, seed, draws)."""
    preset, delta, seed, draws = task
    rng = np.random.default_rng([101, seed])
    forum = make_forum(**{**PRESETS[preset], "role_preference": delta}, rng=rng).forum
    coded = code_joins(forum, "role", period="1mo")
    row = verdict(coded, rng, draws=draws)
    for null in (label_null(), volume_null(), channel_null()):
        row[null.name] = judge_share(coded, null, draws=draws, rng=rng)["p_value"]
    return row


def error_once(task):
    """The verdict when channels are recorded wrongly, or periods are too long, on one role-blind forum."""
    seed, draws = task
    rng = np.random.default_rng([102, seed])
    forum = make_forum(**PRESETS["role_blind_channels"], rng=rng).forum
    coded = code_joins(forum, "role", period="1mo")
    row = {
        f"channel {share:.0%}": verdict(misplace(coded, share, rng), rng, draws=draws)["p"] for share in CHANNEL_ERRORS
    }
    for period in PERIODS:
        row[f"period {period}"] = verdict(code_joins(forum, "role", period=period), rng, draws=draws)["p"]
    return row


def change_once(task):
    """The change test on a year cut in two; ``task`` is (delta before, delta after, seed, draws)."""
    before, after, seed, draws = task
    rng = np.random.default_rng([103, seed])
    design = {**PRESETS["role_blind_channels"], "n_threads": 700, "n_weeks": 52, "role_preference": before}
    later = {} if before == after else {"role_preference_later": after, "changes_at": 0.5}
    forum = make_forum(**{**design, **later}, rng=rng).forum
    coded = code_joins(forum, "role", period="1mo")
    start, end = forum.period
    half = start + timedelta(seconds=(end - start).total_seconds() / 2)
    label = (coded.started >= half).fill_null(False).cast(int).to_numpy().astype(np.int64)
    row = {}
    for name, share in (("exact", 0.0), ("channel 30%", 0.3)):
        value, sample = permute_change(within_spaces(misplace(coded, share, rng)), label, draws=draws, rng=rng)
        row[name] = float(monte_carlo_p(value, sample))
    blind = replace(coded, space=np.zeros_like(coded.space))
    value, sample = permute_change(within_spaces(blind), label, draws=draws, rng=rng)
    row["channel unknown"] = float(monte_carlo_p(value, sample))
    return row


def share_rejected(rows, name):
    """Share of p-values at or below 5 %, with its Monte-Carlo error."""
    hit = float(np.mean([row[name] <= ALPHA for row in rows]))
    return {"rejected": round(hit, 4), "mc_error": round(float(np.sqrt(max(hit * (1 - hit), 1e-9) / len(rows))), 4)}


def summarise_level(rows):
    """Rejections of each null, uniformity of the verdict's ranks, coverage of zero, mean theta."""
    ranks = [row["rank"] for row in rows]
    names = {"thread participation": "p"} | {
        n: n for n in ("label permutation", "volume-holding", "channel-stratified")
    }
    return {
        "replications": len(rows),
        "rejected_at_5_percent": {shown: share_rejected(rows, name) for shown, name in names.items()},
        "rank_ks_p": float(stats.kstest(ranks, "uniform").pvalue),
        "interval_excludes_zero": float(np.mean([not row["low"] <= 0 <= row["high"] for row in rows])),
        "theta_mean": float(np.mean([row["theta"] for row in rows])),
        "theta_sd": float(np.std([row["theta"] for row in rows])),
    }


def calibrate(replications, *, draws=99, workers=2, save=lambda found: None):
    """Every study as one dict; ``replications`` for size, a tenth of them for the others; ``save`` after each."""
    few = max(replications // 10, 10)
    found = {"draws": draws, "period": "1mo"}
    with ProcessPoolExecutor(workers) as pool:
        for preset, count in (("role_blind_channels", replications), ("role_blind", few), ("role_blind_bursts", few)):
            tasks = [(preset, 0.0, seed, draws) for seed in range(count)]
            found[f"size {preset}"] = summarise_level(list(pool.map(level_once, tasks, chunksize=4)))
            save(found)
        for delta in (-0.3, 0.3, 0.6):
            tasks = [("role_blind_channels", delta, seed, draws) for seed in range(few)]
            found[f"power delta {delta}"] = summarise_level(list(pool.map(level_once, tasks, chunksize=4)))
        save(found)
        rows = list(pool.map(error_once, [(seed, draws) for seed in range(few)], chunksize=4))
        found["measurement error, no preference"] = {name: share_rejected(rows, name) for name in rows[0]}
        for before, after in ((0.0, 0.0), (0.3, 0.3), (0.3, 0.0), (0.15, 0.0)):
            rows = list(pool.map(change_once, [(before, after, seed, draws) for seed in range(few)], chunksize=4))
            found[f"change {before} to {after}"] = {name: share_rejected(rows, name) for name in rows[0]}
            save(found)
    return found


def write(found):
    """Write what is known so far, so that a run cut short is still a result."""
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    result = calibrate(int(sys.argv[1]) if len(sys.argv) > 1 else 2000, save=write)
    print(json.dumps(result, indent=1))
