"""How often the mixing verdicts are wrong on forums where nobody minds roles, and how often right where people do.

Writes docs/mixing/calibration.json: ``python scripts/calibrate_mixing.py [replications]`` (200 by default, one design
after the other; what is known so far is written after each).
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from sna.mixing.bridging import brokerage_totals
from sna.mixing.change import begun_after, cross_role_change, judge_change
from sna.mixing.claims import cross_role_levels, judge_share
from sna.mixing.draws import draw_mixing
from sna.mixing.nulls import channel_null, label_null, volume_null
from sna.mixing.pairs import code_joins
from sna.mixing.summary import compare_groups, decide_change, decide_level
from sna.simulate import make_forum

OUT = Path(__file__).parents[1] / "docs" / "mixing" / "calibration.json"
ALPHA = 0.05
DRAWS = 39
BASE = {"n_people": 120, "n_threads": 700, "n_weeks": 52, "silent_share": 0.0, "champion_share": 0.0}
TWO = {"n_roles": 2}
BLIND = {
    "plain": {},
    "roles have busy weeks, log sd .3": {"role_weeks": 0.3},
    "roles have busy weeks, log sd .5": {"role_weeks": 0.5},
    "roles have busy weeks, log sd 1": {"role_weeks": 1.0},
    "roles work different hours": {"role_hours": 0.8},
    "two roles join at 75 %": {"late_roles": 2},
    "threads grow sevenfold": {"thread_growth": 7.0},
    "a minority of two roles grows": {**TWO, "role_growth": 19.0},
    "presence drifts": {"presence_drift": 0.3},
    "turnover": {"joiner_share": 0.3, "leaver_share": 0.3},
    "unequal attention, log sd 1": {"presence_spread": 1.0},
    "30 % of roles missing": {"missing_role_share": 0.3},
    "two roles": TWO,
    "eight roles": {"n_roles": 8},
    "very large threads": {"interest_spread": 2.0},
    "bursts": {"burst": 0.6},
    "people change role": {"role_change_share": 0.3},
    "small forum": {"n_people": 60, "n_threads": 150, "n_weeks": 26},
    "no channels": {"channel_concentration": 0.0},
}
"""Designs without preference: what is claimed is wrong."""
CONSTANT = {
    "preference .6, two roles join at 75 %": {"late_roles": 2},
    "preference .6, a minority grows": {**TWO, "role_growth": 19.0},
    "preference .6, threads grow sevenfold": {"thread_growth": 7.0},
    "preference .6, roles have busy weeks, log sd .5": {"role_weeks": 0.5},
}
"""Designs with a constant preference: a change that is claimed is wrong."""
CHANGES = {"preference .6 to .2": (0.6, 0.2), "preference .8 to 0": (0.8, 0.0), "preference 0 to .4": (0.0, 0.4)}


def judge_once(design, seed):
    """All decisions on one forum: True where something is claimed or rejected."""
    made = make_forum(**{**BASE, **design}, rng=np.random.default_rng([107, seed]))
    forum = made.forum
    first, last = forum.period
    planted = "role_preference_later" in design
    split = made.truth.changed_at if planted else first + (last - first) / 2
    truth = design.get("role_preference", 0.0) - design.get("role_preference_later", design.get("role_preference", 0.0))
    changes = {}
    for every in ("1q", "1mo", "1w"):
        pairs = code_joins(forum, "role", every=every)
        changes[every] = judge_change(pairs, begun_after(pairs, split), by="role", level=0.95)
    after = begun_after(pairs, split)
    moved = compare_groups(pairs, after)[1]
    month = changes["1mo"]
    searched = cross_role_change(forum, draws=199, rng=seed)
    levels = cross_role_levels(forum, draws=DRAWS, rng=seed)
    rows = {
        f"level by {every}{' and hour' if hour else ''}": p is not None and p <= ALPHA
        for every, hour, p in levels.select("every", "by_hour", "p_value").iter_rows()
    }
    decision = decide_change(month, finer=changes["1w"], moved_share=moved)[0]
    return {
        "level claimed": decide_level(levels)[0] in ("more", "less"),
        **rows,
        "change claimed": decision in ("more", "less"),
        "change withheld": month.p_value <= ALPHA and decision not in ("more", "less"),
        **{f"change by {every}": estimate.p_value <= ALPHA for every, estimate in changes.items()},
        "change interval covers": month.low <= truth <= month.high,
        "search claimed": decide_change(searched, finer=changes["1w"], moved_share=moved)[0] in ("more", "less"),
        "search rejects": searched.p_value <= ALPHA,
    }


def judge_bridging(design, seed):
    """Whether any of the five brokerage roles is called more or less than expected on a role-blind forum."""
    forum = make_forum(**{**BASE, **design}, rng=np.random.default_rng([108, seed])).forum
    totals = brokerage_totals(forum, draws=99, rng=seed)
    return {"any role": bool((totals["p_adjusted"] <= ALPHA).any()), "liaison": totals["p_value"][-1] <= ALPHA}


def judge_ladder(design, seed):
    """Rejections of the nulls that support no claim, on the same joinings."""
    forum = make_forum(**{**BASE, **design}, rng=np.random.default_rng([107, seed])).forum
    pairs = code_joins(forum, "role")
    rng = np.random.default_rng(seed)
    return {
        null.name: judge_share(pairs, null, draws=0, rng=rng)["p_value"] <= ALPHA
        for null in (label_null(), volume_null(), channel_null())
    }


def judge_cells(design, seed):
    """Whether any cell of the matrix is starred on a role-blind forum."""
    from sna.mixing.matrix import mixing_matrix

    forum = make_forum(**{**BASE, **design}, rng=np.random.default_rng([107, seed])).forum
    table = mixing_matrix(draw_mixing(forum, draws=99, rng=seed))
    return {"any cell starred": bool((table["p_adjusted"] <= ALPHA).any())}


def study(judge, design, replications):
    """Shares over the replications, with the largest Monte-Carlo error among them."""
    rows = [judge(design, seed) for seed in range(replications)]
    shares = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
    return {"replications": replications, **shares}


def list_studies():
    """Section, design and judge of every study, in order of importance."""
    for name, design in BLIND.items():
        yield "nobody minds roles", name, judge_once, design
    for name, design in CONSTANT.items():
        yield "a constant preference", name, judge_once, {**design, "role_preference": 0.6}
    for name, (before, after) in CHANGES.items():
        design = {"role_preference": before, "role_preference_later": after}
        yield "power: a preference changes", name, judge_once, design
    for delta in (-0.6, -0.3, 0.3, 0.6):
        yield "power: a constant preference", f"preference {delta}", judge_once, {"role_preference": delta}
    for name in ("plain", "roles have busy weeks, log sd .5", "unequal attention, log sd 1"):
        yield "brokerage totals, nobody minds roles", name, judge_bridging, BLIND[name]
    for name in ("plain", "no channels"):
        yield "nulls that support no claim, nobody minds roles", name, judge_ladder, BLIND[name]
    yield "cells of the matrix, nobody minds roles", "plain", judge_cells, BLIND["plain"]


def calibrate(replications, *, save=lambda found: None):
    """Every study as one dict; ``save`` is called after each."""
    found = {"threads": BASE["n_threads"], "people": BASE["n_people"], "weeks": BASE["n_weeks"], "level": ALPHA}
    for section, name, judge, design in list_studies():
        start = time.perf_counter()
        found.setdefault(section, {})[name] = study(judge, design, replications)
        print(f"{section}: {name}: {time.perf_counter() - start:.0f} s", flush=True)
        save(found)
    return found


def write(found):
    """Write what is known so far, so that a run cut short is still a result."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    calibrate(int(sys.argv[1]) if len(sys.argv) > 1 else 200, save=write)
