"""How often the mixing verdicts are wrong on forums where nobody minds roles, and how often right where people do.

Writes docs/mixing/calibration.json: ``python scripts/calibrate_mixing.py [replications] [--resume]`` (200 by default,
one design after the other; what is known so far is written after each, and ``--resume`` goes on from there).
"""

import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from sna.forum import build_forum
from sna.mixing.bridging import judge_totals
from sna.mixing.change import begun_after, change_at, search_change
from sna.mixing.claims import judge_levels, judge_share
from sna.mixing.matrix import judge_matrix
from sna.mixing.nulls import channel_null, label_null, participation_null, volume_null
from sna.mixing.pairs import Pairs, code_joins, cut_periods, take_pairs
from sna.mixing.summary import compare_groups, decide_change, decide_level
from sna.readers import read_forum
from sna.simulate.clock import make_clock, month_hours, to_times
from sna.simulate.conversation import change_hour, make_talk
from sna.simulate.design import Design
from sna.simulate.org import make_staff
from sna.talk.threads import MISSING

OUT = Path(__file__).parents[1] / "docs" / "mixing" / "calibration.json"
ALPHA = 0.05
DRAWS = 19
CLAIMS = ("more", "less")
COPIES = "copies of real forums without any preference"
BASE = {"n_people": 120, "n_threads": 700, "n_weeks": 52, "silent_share": 0.0, "champion_share": 0.0}
TWO = {"n_roles": 2}
BLIND = {
    "plain": {},
    "roles have busy weeks, log sd .5": {"role_weeks": 0.5},
    "roles work different hours": {"role_hours": 0.8},
    "two roles join at 75 %": {"late_roles": 2},
    "threads grow sevenfold": {"thread_growth": 7.0},
    "a minority of two roles grows": {**TWO, "role_growth": 19.0},
    "roles have busy weeks, log sd 1": {"role_weeks": 1.0},
    "roles have busy weeks, log sd .3": {"role_weeks": 0.3},
    "30 % of roles missing": {"missing_role_share": 0.3},
    "presence drifts": {"presence_drift": 0.3},
    "unequal attention, log sd 1": {"presence_spread": 1.0},
    "two roles": TWO,
    "turnover": {"joiner_share": 0.3, "leaver_share": 0.3},
    "eight roles": {"n_roles": 8},
    "very large threads": {"interest_spread": 2.0},
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
_FIRST = 8
CHANGES = {"preference .6 to .2": (0.6, 0.2), "preference .8 to 0": (0.8, 0.0), "preference 0 to .4": (0.0, 0.4)}


def simulate(design, seed):
    """Joinings of a simulated forum as the library would code them, when its planted change was, and when it began.

    Taken from the simulated world itself: writing posts and reading them again gives the same pairs
    (tests/mixing/test_calibration.py) and takes thirty times as long.
    """
    rng = np.random.default_rng([107, seed])
    plan = Design(**{**BASE, **design})
    clock = make_clock(plan)
    staff = make_staff(plan, rng=rng)
    talk = make_talk(plan, staff, clock=clock, rng=rng)
    kept = np.flatnonzero(talk.at < clock.n_hours)
    kept = kept[np.lexsort((talk.person[kept], talk.thread[kept], talk.at[kept]))]
    thread, person, hours = talk.thread[kept], talk.person[kept], talk.at[kept]
    asker = talk.asker[thread]
    role = np.where(rng.random(plan.n_people)[:, None] < plan.missing_role_share, plan.n_roles, staff.role)
    joined, threads = np.searchsorted(month_hours(plan), hours, side="right") - 1, np.unique(thread)
    names = [*plan.roles, MISSING] if plan.missing_role_share else plan.roles
    blank = np.zeros(len(kept), dtype=np.int64)
    pairs = Pairs(
        source=person,
        target=asker,
        source_group=role[person, joined],
        target_group=role[asker, talk.month[thread]],
        at=to_times(plan, hours).astype("datetime64[us]").astype(np.int64),
        space=talk.space[thread],
        period=blank,
        hour=blank,
        stratum=blank,
        thread=np.searchsorted(threads, thread),
        groups=tuple(names),
        people=pl.Series(range(plan.n_people)).cast(pl.String),
        threads=pl.Series(threads).cast(pl.String),
        started=pl.Series(to_times(plan, talk.start[threads])).dt.replace_time_zone("UTC"),
    )
    middle = plan.start + (plan.end - plan.start) / 2
    changed = plan.start + timedelta(hours=min(change_hour(plan), 1e6))
    return cut_periods(pairs, "1mo"), changed if plan.role_preference_later is not None else middle


def judge_change_once(design, seed):
    """Whether a change is claimed at the middle, or at the planted date: True where it is."""
    pairs, split = simulate(design, seed)
    before = design.get("role_preference", 0.0)
    truth = before - design.get("role_preference_later", before)
    rng = np.random.default_rng([109, seed])
    month, week = (change_at(cut_periods(pairs, every), split, draws=DRAWS, rng=rng) for every in ("1mo", "1w"))
    moved = compare_groups(pairs, begun_after(pairs, split))[1]
    return {
        "change claimed": decide_change(month, finer=week, moved_share=moved)[0] in CLAIMS,
        "change by 1mo": month.p_value <= ALPHA,
        "change by 1w": week.p_value <= ALPHA,
        "its interval covers": month.low <= truth <= month.high,
    }


def judge_level_once(design, seed):
    """Whether a level is claimed, and whether each comparison rejects."""
    pairs, _ = simulate(design, seed)
    levels = judge_levels(pairs, draws=DRAWS, rng=np.random.default_rng([111, seed]))
    return {
        "level claimed": decide_level(levels)[0] in CLAIMS,
        **{
            f"level by {every}{' and hour' if by_hour else ''}": p is not None and p <= ALPHA
            for every, by_hour, p in levels.select("every", "by_hour", "p_value").iter_rows()
        },
    }


def judge_search_once(design, seed):
    """Whether a change is claimed at a date that was searched for."""
    pairs, _ = simulate(design, seed)
    rng = np.random.default_rng([112, seed])
    change, date = search_change(pairs, draws=59, rng=rng)
    week = change_at(cut_periods(pairs, "1w"), date, draws=DRAWS, rng=rng)
    moved = compare_groups(pairs, begun_after(pairs, date))[1]
    return {
        "change claimed after a search": decide_change(change, finer=week, moved_share=moved)[0] in CLAIMS,
        "search rejects": change.p_value <= ALPHA,
    }


def judge_both(design, seed):
    """Change and level."""
    return {**judge_level_once(design, seed), **judge_change_once(design, seed)}


def judge_bridging(design, seed):
    """Whether any of the five brokerage roles is called more or less than expected."""
    pairs, _ = simulate(design, seed)
    totals = judge_totals(pairs, draws=99, rng=np.random.default_rng([108, seed]))
    return {"any role": bool((totals["p_adjusted"] <= ALPHA).any()), "liaison": totals["p_value"][-1] <= ALPHA}


def judge_ladder(design, seed):
    """Rejections of the nulls that support no claim, on the same joinings."""
    pairs, rng = simulate(design, seed)[0], np.random.default_rng(seed)
    return {
        null.name: judge_share(pairs, null, draws=0, rng=rng)["p_value"] <= ALPHA
        for null in (label_null(), volume_null(), channel_null())
    }


def judge_cells(design, seed):
    """Whether any cell of the matrix is starred."""
    pairs, _ = simulate(design, seed)
    table = judge_matrix(pairs, participation_null(), draws=99, rng=np.random.default_rng([110, seed]))
    return {"any cell starred": bool((table["p_adjusted"] <= ALPHA).any())}


def read_copied(folder):
    """Joinings of two real forums by attributes of their people: the trust level, and how much they write."""
    urho = read_forum(Path(folder) / "data" / "urho3d_discourse")
    yield "urho3d, trust level", urho, "trust_level"
    yield "urho3d, volume of writing", with_volume(urho), "volume"
    exchange = read_forum(Path(folder) / "data" / "stackexchange" / "ai_2016-12")
    yield "ai.stackexchange, volume of writing", with_volume(exchange), "volume"


def with_volume(forum):
    """The forum with people grouped by how many posts they wrote."""
    n = pl.col("len")
    group = pl.when(n > 50).then(pl.lit("many")).when(n > 5).then(pl.lit("some")).otherwise(pl.lit("few"))
    counts = forum.posts.group_by(pl.col("author_id").alias("person_id")).len().drop_nulls()
    roles = counts.select("person_id", attribute=pl.lit("volume"), value=group)
    return build_forum(posts=forum.posts, people=forum.people, roles=roles, source=forum.source)


def study_copies(folder, replications):
    """Share of copies without preference, drawn from the null within months or weeks, in which a change is claimed."""
    found = {}
    for name, forum, by in read_copied(folder):
        pairs, (first, last) = code_joins(forum, by), forum.period
        for every in ("1mo", "1w"):
            rng = np.random.default_rng(113)
            drawn = participation_null().draw(cut_periods(pairs, every), 5 * replications, rng)
            # every fifth draw, because draws are a chain; pairs in order of time again
            kept = (draw for place, draw in enumerate(drawn) if place % 5 == 0)
            rows = [judge_copy(take_pairs(copy, np.argsort(copy.at, kind="stable")), first, last) for copy in kept]
            shares = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
            found[f"{name}, copies within {every}"] = {"replications": len(rows), **shares}
    return found


def judge_copy(copy, first, last):
    """Whether a change at the middle of the time is claimed in a copy."""
    middle = first + (last - first) / 2
    month, week = (change_at(cut_periods(copy, every), middle, draws=DRAWS, rng=1) for every in ("1mo", "1w"))
    return {
        "change claimed": decide_change(month, finer=week)[0] in CLAIMS,
        "change by 1mo": month.p_value <= ALPHA,
        "change by 1w": week.p_value <= ALPHA,
    }


def study(judge, design, replications):
    """Shares over the replications, with the largest Monte-Carlo error among them."""
    rows = [judge(design, seed) for seed in range(replications)]
    shares = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
    return {"replications": replications, **shares}


def list_studies():
    """Section, design, judge and its parameters of every study, in order of importance."""
    for name in list(BLIND)[:_FIRST]:
        yield "nobody minds roles", name, judge_both, BLIND[name]
    for name, design in CONSTANT.items():
        yield "a constant preference", name, judge_change_once, {**design, "role_preference": 0.6}
    for name, (before, after) in CHANGES.items():
        design = {"role_preference": before, "role_preference_later": after}
        yield "power: a preference changes", name, judge_change_once, design
    for delta in (-0.6, -0.3, 0.3, 0.6):
        yield "power: a constant preference", f"preference {delta}", judge_level_once, {"role_preference": delta}
    for name in ("plain", "roles have busy weeks, log sd .5", "two roles join at 75 %"):
        yield "a date that is searched for, nobody minds roles", name, judge_search_once, BLIND[name]
    for name, (before, after) in CHANGES.items():
        design = {"role_preference": before, "role_preference_later": after}
        yield "power: a date that is searched for", name, judge_search_once, design
    for name in ("plain", "roles have busy weeks, log sd .5", "unequal attention, log sd 1"):
        yield "brokerage totals, nobody minds roles", name, judge_bridging, BLIND[name]
    for name in list(BLIND)[_FIRST:]:
        yield "nobody minds roles", name, judge_both, BLIND[name]
    yield "cells of the matrix, nobody minds roles", "plain", judge_cells, BLIND["plain"]
    yield "nulls that support no claim, nobody minds roles", "plain", judge_ladder, BLIND["plain"]


def calibrate(replications, *, save=lambda found: None, done=None):
    """Every study as one dict; ``save`` is called after each. ``done`` is what an earlier run found, kept as it is."""
    sizes = {"threads": BASE["n_threads"], "people": BASE["n_people"], "weeks": BASE["n_weeks"], "level": ALPHA}
    found = sizes | (done or {})
    for section, name, judge, design in list_studies():
        if found.get(section, {}).get(name, {}).get("replications") == replications:
            continue
        start = time.perf_counter()
        found.setdefault(section, {})[name] = study(judge, design, replications)
        print(f"{section}: {name}: {time.perf_counter() - start:.0f} s", flush=True)
        save(found)
    if "SNA_SHARED" in os.environ and COPIES not in found:
        found[COPIES] = study_copies(os.environ["SNA_SHARED"], min(replications, 120))
        save(found)
    return found


def write(found):
    """Write what is known so far, so that a run cut short is still a result."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    earlier = json.loads(OUT.read_text(encoding="utf-8")) if "--resume" in sys.argv else None
    calibrate(numbers[0] if numbers else 200, save=write, done=earlier)
