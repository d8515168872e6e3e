"""Validate the order of the champions and the forecast on real forums; write docs/champions/validation.md and .csv.

The rules are fixed: cuts at 40, 60 and 80 % of each forum's period, a horizon of 20 % of it, the outcomes of
`sna.champions.validate.OUTCOMES` that have at least five positives, labels where the data state them. Weights and
forecasts are also judged with each forum left out of what they were learnt from. Only totals are written.

Usage: python scripts/validate.py [folder with data/]   (default: $SNA_SHARED, else ../shared)
"""

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

import sna
from sna.champions.forecast import FIXED_WEIGHTS, QUARTER, list_features, recalibrate
from sna.champions.helps import build_helping
from sna.champions.score import ENSEMBLE_WEIGHTS, ensemble_score
from sna.champions.validate import (
    DEFAULT_SCORES,
    OUTCOMES,
    forum_before,
    list_outcomes,
    validate_champions,
    validate_labels,
)

ROOT = Path(__file__).parents[1]
CUTS, HORIZON = (0.4, 0.6, 0.8), 0.2
MIN_POSITIVE = 5
DRAWS = 40
METRICS = ("auc", "average_precision", "precision_at_10", "ndcg")
HALF_LIVES = (2.0, 4.0, 6.0, 12.0)
GRID = ((0.5, 1.0, 2.0), (0.0, 0.5), (0.0, 0.5), (0.25, 0.5), (0.0, 0.1))
MOST_QUARTERS = 24
ENNET = {
    "kind": "type",
    "created_at": "date_time",
    "thread": "topic",
    "author": "user",
    "text": "post",
    "space": "theme",
}


def load_forums(data: Path) -> Iterator[tuple[str, Callable[[], sna.Forum]]]:
    """Every forum the folder holds: name and how to read it."""
    for folder in sorted((data / "stackexchange").glob("*/")):
        yield folder.name.rsplit("_", 1)[0], lambda folder=folder: sna.read_forum(folder)
    yield "urho3d", lambda: sna.read_forum(data / "urho3d_discourse")
    yield "ennet", lambda: sna.read_table(next((data / "ennet_roles").glob("ennet_dataset*.csv")), columns=ENNET)
    yield "r_package_devel", lambda: sna.read_forum(data / "r_package_devel" / "mbox")
    mail = data / "manufacturing_email" / "communication.csv"
    yield "manufacturing", lambda: sna.read_edges(mail, source="Sender", target="Recipient", at="EventDate", sep=";")
    stream = data / "sx_mathoverflow" / "sx-mathoverflow-a2q.txt.gz"
    yield "mathoverflow", lambda: sna.read_edges(stream, source=0, target=1, at=2, sep=" ", header=False)


def find_labels(name: str, data: Path, forum: sna.Forum) -> tuple[str, list[str]] | None:
    """People the data themselves call experts or managers, as ids of the forum."""
    if name == "ennet":
        rows = pl.read_csv(next((data / "ennet_roles").glob("ennet_dataset*.csv")), infer_schema_length=0)
        return "called technical expert", rows.filter(pl.col("role") == "Technical expert")["user"].unique().to_list()
    if name == "r_package_devel":
        core = pl.read_csv(data / "r_package_devel" / "r_core_team.csv")["name"].str.to_lowercase()
        known = forum.people.filter(pl.col("name").str.to_lowercase().is_in(core.implode()))
        return "in the core team", known["person_id"].to_list()
    if name == "manufacturing":
        lines = pl.read_csv(data / "manufacturing_email" / "reportsto.csv", infer_schema_length=0)
        return "has reports", lines.filter(pl.col("ID") != pl.col("ReportsToID"))["ReportsToID"].unique().to_list()
    return None


def as_listed(forum: sna.Forum) -> pl.DataFrame:
    """The order in which `sna.find_champions` lists people, as a score."""
    found = sna.find_champions(forum)
    return found.select("person_id", score=-pl.int_range(pl.len()).cast(pl.Float64))


OURS = ("ensemble", "find_champions")
SCORES = {**DEFAULT_SCORES, "find_champions": as_listed}


def _as_made(table: pl.DataFrame, _: sna.Forum) -> pl.DataFrame:
    """A score already worked out from the forum before the cut: the same for every outcome."""
    return table


def tag(table: pl.DataFrame, forum: str, outcome: str, cut: str) -> pl.DataFrame:
    """Say in front of each row what it is about."""
    about = [pl.lit(forum).alias("forum"), pl.lit(outcome).alias("outcome"), pl.lit(cut).alias("cut")]
    return table.select(*about, pl.all())


def validate_forum(name: str, forum: sna.Forum, data: Path) -> Iterator[pl.DataFrame]:
    """Every outcome at every cut, and the labels."""
    first, last = forum.period
    for cut in CUTS:
        at, horizon = first + (last - first) * cut, (last - first) * HORIZON
        known = forum_before(forum, at)
        scores = {key: partial(_as_made, score(known)) for key, score in SCORES.items()}
        for outcome in (key for key in OUTCOMES if key != "appointed"):
            try:
                truth = list_outcomes(forum, at=at, horizon=horizon, outcome=outcome)
            except sna.NotAnswerableError:
                continue
            if (truth["outcome"] > 0).sum() >= MIN_POSITIVE:
                table = validate_champions(forum, at=at, horizon=horizon, outcome=outcome, scores=scores, draws=DRAWS)
                yield tag(table, name, outcome, f"{cut:.0%}")
    labels = find_labels(name, data, forum)
    if labels:
        table = validate_labels(forum, labels[1], draws=DRAWS)
        yield tag(table, name, labels[0], "all")


def collect_parts(name: str, forum: sna.Forum) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """For every cut and outcome: the forum, parts of the score (half-life x person x part), and who was positive."""
    first, last = forum.period
    for cut in CUTS:
        at, horizon = first + (last - first) * cut, (last - first) * HORIZON
        known = forum_before(forum, at)
        tables = [ensemble_score(known, half_life_months=months) for months in HALF_LIVES]
        for outcome in (key for key in OUTCOMES if key != "appointed"):
            try:
                truth = list_outcomes(forum, at=at, horizon=horizon, outcome=outcome)
            except sna.NotAnswerableError:
                continue
            positive = (truth["outcome"] > 0).to_numpy()
            if positive.sum() >= MIN_POSITIVE:
                joined = [truth.join(table, on="person_id", how="left", maintain_order="left") for table in tables]
                yield name, np.stack([j.select(*ENSEMBLE_WEIGHTS).fill_null(0.0).to_numpy() for j in joined]), positive


def leave_one_out(parts: list[tuple[str, np.ndarray, np.ndarray]]) -> pl.DataFrame:
    """Half-life and weights chosen on the other forums, judged on the one left out, beside those in use."""
    shipped = (HALF_LIVES.index(4.0), *ENSEMBLE_WEIGHTS.values())
    choices = [(i, *w) for i in range(len(HALF_LIVES)) for w in itertools.product(*GRID)]
    choices = [shipped, *(choice for choice in choices if choice != shipped)]
    names = sorted({name for name, _, _ in parts})
    found = {name: [] for name in names}
    for name, values, positive in parts:
        scores = [values[i] @ np.array(w) for i, *w in choices]
        found[name].append([(roc_auc_score(positive, s), average_precision_score(positive, s)) for s in scores])
    means = np.array([np.mean(found[name], axis=0) for name in names])
    rows = []
    for k, name in enumerate(names):
        best = int(np.delete(means, k, axis=0).mean(axis=(0, 2)).argmax()) if len(names) > 1 else 0
        i, *weights = choices[best]
        rows.append((name, HALF_LIVES[i], ", ".join(f"{w:g}" for w in weights), *means[k, best], *means[k, 0]))
    columns = ["forum", "half_life_months", "weights", "auc", "average_precision", "auc in use", "ap in use"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def collect_quarters(name: str, forum: sna.Forum) -> Iterator[pl.DataFrame]:
    """What was known at the beginning of each of the last quarters, and who helped in it."""
    helping = build_helping(forum)
    for back in range(1, MOST_QUARTERS + 1):
        at = helping.until - back * QUARTER
        if at - helping.since < 2 * QUARTER:
            return
        inside = pl.col("at").is_between(at, at + QUARTER, closed="left")
        after = helping.helps.filter(inside)["person_id"].unique()
        rows = list_features(forum, helping, at=at)
        yield rows.with_columns(
            helped=pl.col("person_id").is_in(after.implode()), forum=pl.lit(name), back=pl.lit(back)
        )


def forecast_left_out(rows: pl.DataFrame) -> pl.DataFrame:
    """Forecasts with weights learnt on the other forums, recalibrated on the eight quarters before, and what came."""
    frames = []
    sizes = rows.group_by("forum").len("n")
    weighted = rows.join(sizes, on="forum")
    for name in sorted(rows["forum"].unique()):
        others, own = weighted.filter(pl.col("forum") != name), rows.filter(forum=name)
        model = LogisticRegression(max_iter=2000).fit(
            others.select(*FIXED_WEIGHTS).to_numpy(),
            others["helped"].to_numpy(),
            sample_weight=(others.height / others["n"]).to_numpy(),
        )
        own = own.with_columns(logit=pl.Series(model.decision_function(own.select(*FIXED_WEIGHTS).to_numpy())))
        for back in own["back"].unique().sort():
            now, past = own.filter(back=back), own.filter(pl.col("back").is_between(back + 1, back + 8))
            helped, logit = past["helped"].to_numpy(), now["logit"].to_numpy()
            if past.height >= 100 and min(helped.sum(), (~helped).sum()) >= 20:
                logit = recalibrate(logit, past=past["logit"].to_numpy(), helped=helped)
            frames.append(now.select("forum", "helped", chance=pl.Series(1 / (1 + np.exp(-logit)))))
    return pl.concat(frames)


def tabulate_reliability(forecasts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """By tenth of the chance given, and by forum: how many, the mean chance, the share who did help."""
    tenth = (pl.col("chance") * 10).floor().clip(0, 9).cast(pl.Int64)
    given = pl.format("{} to {} %", tenth * 10, tenth * 10 + 10).alias("chance given")
    figures = [
        pl.len().alias("forecasts"),
        pl.col("chance").mean().alias("mean chance"),
        pl.col("helped").mean().alias("helped"),
    ]
    by_tenth = forecasts.group_by(tenth.alias("_tenth"), given).agg(*figures).sort("_tenth").drop("_tenth")
    return by_tenth, forecasts.group_by("forum").agg(*figures).sort("forum")


def judge(table: pl.DataFrame) -> pl.DataFrame:
    """One row per comparison of a comparator with the ensemble, by metric."""
    frames = []
    for metric in METRICS:
        keys = ["forum", "outcome", "cut", "score", "n_people", "n_positive", metric]
        ends = [f"{metric}_difference", f"{metric}_difference_low", f"{metric}_difference_high"]
        frame = table.filter(~pl.col("score").is_in(OURS)).select(*keys, *ends, metric=pl.lit(metric))
        frames.append(frame.rename({metric: "value", **dict(zip(ends, ("difference", "low", "high"), strict=True))}))
    verdict = pl.when(pl.col("low") > 0).then(pl.lit("beats the ensemble"))
    verdict = verdict.when(pl.col("high") < 0).then(pl.lit("is beaten")).otherwise(pl.lit("tied"))
    return pl.concat(frames).with_columns(verdict=verdict)


def markdown(frame: pl.DataFrame) -> str:
    """A frame as a markdown table, numbers to three decimals."""
    shown = frame.with_columns(pl.col(pl.Float64).round(3))
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + "---|" * shown.width]
    lines += ["| " + " | ".join("-" if v is None else str(v) for v in row) + " |" for row in shown.iter_rows()]
    return "\n".join(lines)


def summarise(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Means over forums, best of each forum, and the comparisons a comparator won."""
    dated = table.filter(pl.col("cut") != "all")
    per_forum = dated.group_by("forum", "score").agg(pl.col(METRICS).mean())
    means = per_forum.group_by("score").agg(pl.col(METRICS).mean(), pl.len().alias("n_forums"))
    means = means.sort("auc", descending=True).select("score", "n_forums", *METRICS)
    rows = []
    for forum, outcome in table.select("forum", "outcome").unique().sort("forum", "outcome").iter_rows():
        part = table.filter(forum=forum, outcome=outcome).group_by("score").agg(pl.col(METRICS).mean())
        ours = part.filter(score="ensemble")
        row = {"forum": forum, "outcome": outcome}
        for metric in METRICS:
            best = part.filter(~pl.col("score").is_in(OURS)).sort([metric, "score"], descending=[True, False])
            row |= {f"{metric} ours": ours[metric].item(), "best other " + metric: best[metric][0]}
            row |= {f"which {metric}": best["score"][0]}
        rows.append(row)
    return means, pl.DataFrame(rows), judge(table)


@dataclass(frozen=True)
class Findings:
    """All that was measured."""

    tables: list[pl.DataFrame] = field(default_factory=list)
    parts: list[tuple[str, np.ndarray, np.ndarray]] = field(default_factory=list)
    quarters: list[pl.DataFrame] = field(default_factory=list)
    records: list[pl.DataFrame] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def write_report(found: Findings) -> None:
    """docs/champions/validation.md and docs/champions/validation.csv."""
    table = pl.concat(found.tables)
    means, best, compared = summarise(table)
    counts = compared.group_by("metric", "verdict").len("n").sort("metric", "verdict")
    lost = compared.filter(verdict="beats the ensemble").select(
        "forum", "outcome", "cut", "metric", "score", "n_positive", "value", "difference", "low", "high"
    )
    by_tenth, by_forum = tabulate_reliability(forecast_left_out(pl.concat(found.quarters)))
    text = TEMPLATE.format(
        cuts=", ".join(f"{c:.0%}" for c in CUTS),
        horizon=f"{HORIZON:.0%}",
        minimum=MIN_POSITIVE,
        draws=DRAWS,
        forums=", ".join(sorted(table["forum"].unique())),
        skipped="; ".join(found.skipped) or "none",
        n=compared.height,
        lost=lost.height,
        means=markdown(means),
        best=markdown(best),
        counts=markdown(counts),
        losses=markdown(lost.sort("forum", "outcome", "cut", "metric", "score")) if lost.height else "None.",
        left_out=markdown(leave_one_out(found.parts)),
        by_tenth=markdown(by_tenth),
        by_forum=markdown(by_forum),
        records=markdown(pl.concat(found.records)) if found.records else "None could be made.",
    )
    (ROOT / "docs" / "champions" / "validation.md").write_text(text, encoding="utf-8")
    rounded = table.with_columns(pl.col(pl.Float64).round(4))
    rounded.write_csv(ROOT / "docs" / "champions" / "validation.csv")


TEMPLATE = """# Do champions found today matter tomorrow?

Written by `python scripts/validate.py`; do not edit. Real forums, totals only.

**Rules, fixed beforehand.** Cuts at {cuts} of each forum's period; the outcome lies in the next {horizon}. Scores see
only `sna.forum_before`: no post, signal, role or reaction without a date before the cut. Compared are all
humans who had posted before the cut. Outcomes with fewer than {minimum} positives are left out. Intervals: bootstrap
over people, {draws} draws, 95 %. "Beats" and "is beaten" mean that the interval of the paired difference excludes 0;
with {n} comparisons some will by chance.

**What is compared.** `ensemble` is `sna.ensemble_score`: weeks with a help (weight 1), threads helped in, distinct
people helped and weeks with a post (0.5 each) and posts (0.1), each faded with a half-life of four months, in every
forum. `find_champions` is the order in which `sna.find_champions` lists people: champions, then steady helpers, then
everybody else, each in the order of the ensemble. The others are in `sna.champions.comparators`: over all history, over
the last twelve months, and faded as the ensemble is. A label without a date ("called technical expert", "in the core
team", "has reports") says nothing about lately: there the ensemble is not faded, and `find_champions` takes no part.

**What was in-sample.** Half-life and weights were chosen on these ten forums, as round numbers in the middle of a wide
plateau. The table "Chosen on the other forums" below says what choosing them without a forum gives on that forum.
The forecast's fixed weights come from the six of these forums whose history is long enough; its reliability below is
measured with weights learnt without the forum they are judged on.

Forums: {forums}. Not run: {skipped}.

## Mean over forums (dated outcomes)
{means}

## By forum and outcome (mean over cuts)
{best}

## Comparisons with the ensemble
Each comparator at each forum, outcome, cut and metric:

{counts}

### Where a comparator beats the ensemble by more than its interval ({lost} of {n})
{losses}

## Chosen on the other forums
Half-life and weights (in the order help weeks, helps, people, weeks, posts) that do best on the other forums, and what
they give on the forum left out, beside those in use. Dated outcomes only.

{left_out}

## Who will still be helping: are the chances right?
`sna.forecast_helping` at the beginning of each of the last quarters: of those given 70 to 80 %, 70 to 80 % should help
in the 13 weeks after.

{by_tenth}

{by_forum}

## How good an earlier list was
`sna.champion_track_record`: of a list made a year before the end (half a year in short forums), who helped again in the
13 weeks after, beside a list made by counting posts.

{records}

Intervals of every figure and difference are in `validation.csv` beside this file.
"""


def measure(name: str, forum: sna.Forum, data: Path, found: Findings) -> None:
    """Everything about one forum."""
    found.tables.extend(validate_forum(name, forum, data))
    found.parts.extend(collect_parts(name, forum))
    found.quarters.extend(collect_quarters(name, forum))
    record = sna.champion_track_record(forum)
    if not record.is_empty():
        found.records.append(
            record.select(pl.lit(name).alias("forum"), pl.col("made_at").dt.date(), pl.exclude("made_at"))
        )


def main() -> None:
    """Run everything and write the report."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ.get("SNA_SHARED", ROOT.parent / "shared"))
    data, begun, found = root / "data", time.time(), Findings()
    for name, load in load_forums(data):
        try:
            forum = load()
        except (sna.SnaError, OSError, StopIteration) as error:
            found.skipped.append(f"{name} ({type(error).__name__})")
            continue
        measure(name, forum, data, found)
        print(f"{name}: {len(found.tables)} tables, {time.time() - begun:.0f} s", flush=True)
    write_report(found)


if __name__ == "__main__":
    main()
