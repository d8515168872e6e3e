"""Who are the bright spots? People who help more than others with the same chances, with the threads that show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from sna.champions.evidence import champion_evidence
from sna.champions.find import find_champions
from sna.report import plot
from sna.report.context import Context, Question
from sna.report.layout import Section, TableView, draw_picture, view_table
from sna.results import format_number

_SHOWN = 15
_EVIDENCE_PER_PERSON = 2
_BOUND_NOTE = (
    "Named are people with at least 5 helps for 3 people in 3 weeks, seen in the last quarter of the period, whose "
    "interval lies above 1 as a whole. They are listed in the order in which they are most likely to go on helping."
)
_RANK_NOTE = (
    "A rank is a range of places: 1\u201340 means that the data cannot tell. That somebody is not listed says nothing "
    "about their work."
)


@dataclass(frozen=True)
class ChampionFacts:
    """Everybody with their figures, those chosen, those shown, and what could not be measured."""

    table: pl.DataFrame
    chosen: pl.DataFrame
    shown: pl.DataFrame
    n_judged: int
    not_measured: Sequence[str]


def measure_champions(context: Context) -> ChampionFacts:
    """Find the bright spots in the window."""
    table = find_champions(context.forum, by=context.by or "role", **context.window)
    chosen = table.filter("selected")
    judged = table["contribution"].drop_nulls().len()
    missing = [part for part in (table["not_measured"][0] or "").split("; ") if part]
    return ChampionFacts(table, chosen, chosen.head(_SHOWN), judged, missing)


def champions_headline(context: Context, facts: ChampionFacts) -> str:
    """How many were found, and among how many."""
    if facts.chosen.is_empty():
        compared = f" among the {facts.n_judged:,} who can be compared" if facts.n_judged > 1 else ""
        return f"No bright spot can be named with certainty{compared}: {facts.table['verdict'][0]}."
    peers = f"{context.group_word}, tenure" if context.by else "tenure"
    return (
        f"{facts.chosen.height:,} bright spots among {facts.n_judged:,} people who took part: they help more than "
        f"their {peers} and opportunity predict."
    )


def first_words(facts: ChampionFacts) -> str:
    """What stands behind the first name."""
    value, low, high = (format_number(facts.shown[name][0]) for name in _CONTRIBUTION)
    return f"The first listed helps {value} times as often as expected (95% interval {low} to {high})."


def answer_champions(context: Context) -> Section:
    """The section: headline, picture, people with their figures, threads that show it."""
    facts = measure_champions(context)
    headline = champions_headline(context, facts)
    if facts.shown.is_empty():
        return Section(headlines=[headline], answer=[headline], notes=facts.not_measured)
    names = [context.label(person) for person in facts.shown["person_id"]]
    picture = draw_picture(
        lambda ax: plot.plot_champions(facts.shown, ax=ax, labels=names),
        caption="Help given against what people with the same chances give (1 = as expected), with 95% intervals.",
        height=0.9 + 0.32 * facts.shown.height,
    )
    return Section(
        headlines=[headline],
        answer=[first_words(facts), "Each column measures one thing: somebody may help often without reaching many."],
        figures=[picture],
        tables=[_champion_table(context, facts.shown, names), _evidence_table(context, facts.shown)],
        notes=[_RANK_NOTE, _BOUND_NOTE, *facts.not_measured],
    )


_CONTRIBUTION = ("contribution", "contribution_low", "contribution_high")


def _champion_table(context: Context, shown: pl.DataFrame, names: list[str]) -> TableView:
    ranks = shown.select("rank_low", "rank_high").iter_rows()
    columns = {
        "person": names,
        "group": [value if value in context.groups else "-" for value in shown["group"]],
        "helped in (expected)": [f"{a:,} ({b:.0f})" for a, b in shown.select("n_helps", "expected_helps").iter_rows()],
        **{name: _intervals(shown, name) for name in _FACETS},
        "rank": [f"{a}\u2013{b}" if a else "-" for a, b in ranks],
    }
    table = view_table(pl.DataFrame(columns), "Bright spots: ratio to what was expected, with 95% intervals")
    return replace(table, numeric=frozenset(range(2, len(columns))))


_FACETS = ("contribution", "helpfulness", "reach", "bridging", "consistency")


def _intervals(shown: pl.DataFrame, name: str) -> list[str]:
    rows = shown.select(name, f"{name}_low", f"{name}_high").iter_rows()
    return ["-" if v is None else f"{v:.1f} ({lo:.1f}\u2013{hi:.1f})" for v, lo, hi in rows]


def _evidence_table(context: Context, shown: pl.DataFrame) -> TableView:
    people = shown["person_id"].to_list()
    found = champion_evidence(context.forum, people, **context.window, top=_EVIDENCE_PER_PERSON)
    place = {person: k for k, person in enumerate(people)}
    ordered = found.sort(pl.col("person_id").replace_strict(place, return_dtype=pl.Int64), maintain_order=True)
    named = ordered.with_columns(person=pl.Series([context.label(p) for p in ordered["person_id"]], dtype=pl.String))
    return view_table(named, "Threads that show it", header={"person": "person", "why": "what happened"})


QUESTION = Question("champions", "Who are the bright spots?", answer_champions)
