"""Who are the bright spots? People who help steadily and lately, and more than others with the same chances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from sna.champions.evidence import champion_evidence
from sna.champions.facets import FACETS
from sna.champions.find import FLOOR, STANDINGS, find_champions
from sna.champions.helps import last_year
from sna.champions.track_record import champion_track_record, say_track_record
from sna.champions.validate import forum_before
from sna.report import plot
from sna.report.context import Context, Question, try_answer
from sna.report.layout import Section, TableView, draw_picture, view_table
from sna.results import format_count, format_day

_SHOWN = 15
_EVIDENCE_PER_PERSON = 2
_FLOOR = (
    f"helped at least {FLOOR['n_helps']} times, {FLOOR['n_people_helped']} people, in {FLOOR['n_weeks_active']} weeks, "
    "and were seen in the last quarter of the period"
)
_ORDER_NOTE = (
    "The order is that of the method's score, which fades with time and does best at naming those who go on helping "
    "(docs/champions/validation.md); the ratio to what was expected says why somebody stands out, and is no order. "
    "That somebody is not listed says nothing about their work."
)
_RATIO_NOTE = (
    "A ratio is pulled towards 1 where little is known, so it is not helps divided by expected helps. Expected: what "
    "other helpers of the same group and tenure would have given, with the same chances to help."
)


@dataclass(frozen=True)
class ChampionFacts:
    """What is said about champions.

    Attributes
    ----------
    table
        Everybody, from `find_champions`.
    standing
        What the people listed are: champions, or steady helpers where nobody is a champion.
    listed, shown
        All of that standing, in the order of the score, and the first of them.
    since
        Where the window begins.
    """

    table: pl.DataFrame
    standing: str
    listed: pl.DataFrame
    shown: pl.DataFrame
    since: datetime

    @property
    def n_helpers(self) -> int:
        """People who helped at all in the window."""
        return int((self.table["n_helps"] > 0).sum())


def measure_champions(context: Context) -> ChampionFacts:
    """Champions in the window; steady helpers where there are none."""
    since = last_year(context.forum, **context.window)
    table = find_champions(context.forum, by=context.by or "role", **context.window)
    standing = next((name for name in STANDINGS if name in table["standing"]), STANDINGS[0])
    listed = table.filter(standing=standing)
    return ChampionFacts(table, standing, listed, listed.head(_SHOWN), since)


def track_record_words(context: Context) -> str:
    """How good a list made in the past was, on all that is known until the end of the window."""
    until = context.options.until
    known = context.forum if until is None else forum_before(context.forum, until)
    return say_track_record(champion_track_record(known, by=context.by or "role"))


def champions_headline(facts: ChampionFacts) -> str:
    """How many were found, among how many, and how many are shown."""
    helpers = f"{format_count(facts.n_helpers, 'person', plural='people')} who helped since {format_day(facts.since)}"
    n = facts.listed.height
    shown = "" if n <= _SHOWN else f" The first {_SHOWN} of {n:,} are shown."
    if not n:
        return f"Nobody of the {helpers} can be named: nobody {_FLOOR.replace('were', 'was')}."
    named = format_count(n, facts.standing)
    if facts.standing == STANDINGS[0]:
        more = "They helped more than others with the same chances"
        return f"{named} among the {helpers}. {more}, and they {_FLOOR}.{shown}"
    return (
        f"No champion stands out beyond chance among the {helpers}. There are {named}, who {_FLOOR}; nothing more is "
        f"claimed of them.{shown}"
    )


def person_words(row: Mapping[str, Any], *, threads: bool) -> str:
    """What one person did, in counts; without threads, who was written to."""
    helps = format_count(row["n_helps"], "thread")
    people = format_count(row["n_people_helped"], "person", plural="people")
    weeks = format_count(row["n_weeks_active"], "week")
    did = f"replied in {helps} of {people}" if threads else f"wrote to {people}"
    return f"{did}, in {weeks}; last seen {format_day(row['last_seen'])}"


def answer_champions(context: Context) -> Section:
    """The section: headline, picture, people with their figures, threads that show it."""
    facts = measure_champions(context)
    missing = [part for line in facts.table["not_measured"].head(1).drop_nulls() for part in line.split("; ") if part]
    headline = champions_headline(facts)
    if facts.shown.is_empty():
        return Section(headlines=[headline], answer=[headline, track_record_words(context)], notes=missing)
    names = [context.label(person) for person in facts.shown["person_id"]]
    picture = draw_picture(
        lambda ax: plot.plot_champions(facts.shown, ax=ax, labels=names),
        caption="Help given against what people with the same chances give (1 = as expected), with 95% intervals; the "
        "order is that of the list.",
        height=0.9 + 0.32 * facts.shown.height,
    )
    return Section(
        headlines=[headline],
        answer=[headline, track_record_words(context)],
        figures=[picture],
        tables=[
            _people_table(context, facts, names),
            *_evidence_table(context, facts),
            _facet_table(facts.shown, names),
            _meanings(),
        ],
        notes=[_ORDER_NOTE, _RATIO_NOTE, *missing],
    )


def _people_table(context: Context, facts: ChampionFacts, names: list[str]) -> TableView:
    shown, threads = facts.shown, context.forum.supports("threads") != "no"
    table = shown.select(
        pl.Series("person", names),
        pl.when(pl.col("group").is_in(context.groups)).then("group").alias(context.group_word),
        pl.Series("what they did", [person_words(row, threads=threads) for row in shown.iter_rows(named=True)]),
        pl.Series("expected helps", ["-" if n is None else f"{n:.1f}" for n in shown["expected_helps"]]),
        pl.Series("ratio to expected (95% interval)", _intervals(shown, "contribution")),
        pl.Series("chance to help next quarter", [_percent(chance) for chance in shown["chance_next_quarter"]]),
        pl.col("caution").fill_null("").alias("look at first"),
    )
    if shown["caution"].null_count() == shown.height:
        table = table.drop("look at first")
    if not context.groups:
        table = table.drop(context.group_word)
    caption = f"{facts.standing.capitalize()}s: {shown.height:,} of {facts.listed.height:,} shown"
    return view_table(table, caption)


def _percent(chance: float | None) -> str:
    return "-" if chance is None else f"{chance:.0%}"


def _intervals(shown: pl.DataFrame, name: str) -> list[str]:
    rows = shown.select(name, f"{name}_low", f"{name}_high").iter_rows()
    return ["-" if v is None else f"{v:.1f} ({lo:.1f}\u2013{hi:.1f})" for v, lo, hi in rows]


def _facet_table(shown: pl.DataFrame, names: list[str]) -> TableView:
    """One column for each facet in which the people shown differ."""
    measured = [name for name in FACETS if shown[name].drop_nulls().round(2).n_unique() > 1]
    columns = {"person": names, **{name.replace("_", " "): _intervals(shown, name) for name in measured}}
    table = view_table(pl.DataFrame(columns), "Each side of helping apart, with 95% intervals", folded=True)
    return replace(table, numeric=frozenset(range(1, len(columns))))


def _meanings() -> TableView:
    rows = [(name.replace("_", " "), meaning) for name, meaning in FACETS.items()]
    return TableView("What the columns mean (1 = as expected)", ["column", "meaning"], rows, folded=True)


def _evidence_table(context: Context, facts: ChampionFacts) -> Sequence[TableView]:
    """The best threads of each person shown, where the source has threads."""
    people = facts.shown["person_id"].to_list()
    until = context.options.until
    found = try_answer(
        lambda: champion_evidence(context.forum, people, since=facts.since, until=until, top=_EVIDENCE_PER_PERSON)
    )
    if isinstance(found, str) or found.is_empty():
        return []
    place = {person: k for k, person in enumerate(people)}
    ordered = found.sort(pl.col("person_id").replace_strict(place, return_dtype=pl.Int64), maintain_order=True)
    named = ordered.with_columns(person=pl.Series([context.label(p) for p in ordered["person_id"]], dtype=pl.String))
    return [
        view_table(named, "Threads that show it", header={"person": "person", "at": "date", "why": "what happened"})
    ]


QUESTION = Question("champions", "Who are the bright spots?", answer_champions)
