"""Do people talk across roles? How many joinings cross groups, whether that has changed, which pairs stay silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from sna.errors import NotAnswerableError
from sna.forum import Forum, join_attribute
from sna.mixing.levels import hierarchy_flow
from sna.mixing.pairs import EVERY
from sna.mixing.summary import CrossRoleSummary, cross_role_summary
from sna.report import plot
from sna.report.context import Context, Question
from sna.report.layout import Figure, Section, TableView, draw_picture, view_table
from sna.results import format_count, format_day
from sna.talk.threads import thread_participation
from sna.vitality.periods import name_period

_LARGEST_PICTURE = 16
_PAIRS = 5
_QUARTER = "1q"
_PERIOD = {"1w": "week", "1mo": "month", "1q": "quarter", "1y": "year"}[EVERY]
_CLAIM = (
    "how many people of each row joined threads begun by people of each column, divided by the number expected if the "
    f"participants of each channel and {_PERIOD} were placed at random in its threads. Coloured cells (*) differ from "
    "1 beyond chance, allowing for the number of cells; pale cells do not, whatever their number."
)
_DESCRIPTIVE = (
    "observed / expected from how much each person gives and receives. This is a description only: it also shows "
    "differences where nobody pays attention to roles, because people of a role share channels."
)


@dataclass(frozen=True)
class AcrossFacts:
    """What is said about talk across groups.

    Attributes
    ----------
    joinings
        ``thread_id, person_id, started_at, crosses``: one row per person who joined a thread somebody else began,
        where both are of a shown group.
    summary
        Change, level, matrix and silent pairs of shown groups.
    n_hidden
        Groups that are too small to be shown.
    """

    joinings: pl.DataFrame
    summary: CrossRoleSummary
    n_hidden: int


def measure_across(context: Context) -> AcrossFacts:
    """Joinings, change, level, matrix and silent pairs in the window."""
    by = _required_groups(context)
    split_at = context.options.split_at
    summary = cross_role_summary(context.grouped, by=by, split_at=split_at, **context.window, **context.chance)
    named = context.forum.roles.filter(pl.col("attribute") == by)["value"].n_unique()
    return AcrossFacts(list_joinings(context, by), summary, named - len(context.groups))


def _required_groups(context: Context) -> str:
    by, word = context.by, context.group_word
    if by is None:
        raise NotAnswerableError("Who talks across roles needs people's roles or departments (--org people.csv).")
    if len(context.groups) < 2:
        need = f"Talk across {word}s needs two groups with at least {context.options.min_group} active people each."
        raise NotAnswerableError(need, got=f"Got {len(context.groups)}. Another attribute may do (--by).")
    if list_joinings(context, by).is_empty():
        raise NotAnswerableError(f"Talk across {word}s needs people who join threads of others.", got="Nobody does.")
    return by


def list_joinings(context: Context, by: str) -> pl.DataFrame:
    """Who joined a thread that somebody else began, and whether the two are of different groups."""
    forum = context.grouped
    rows = thread_participation(forum, **context.window)
    threads = thread_participation(forum).filter(pl.col("person_id") == pl.col("asker_id"))
    starts = threads.select("thread_id", "asker_id", started_at="at")
    starts = join_attribute(forum, starts, by=by, person="asker_id", at="started_at", into="asked")
    joins = rows.filter(pl.col("person_id") != pl.col("asker_id")).drop("asker_id").join(starts, on="thread_id")
    joins = join_attribute(forum, joins, by=by, at="at", into="own").drop_nulls(["own", "asked"])
    return joins.select("thread_id", "person_id", "started_at", crosses=pl.col("own") != pl.col("asked"))


def across_headline(facts: AcrossFacts, word: str) -> str:
    """How many joinings cross groups: before and after where that has changed, else in the whole period."""
    summary = facts.summary
    later = (pl.col("started_at") >= summary.split_at).fill_null(value=False)
    after, before = facts.joinings.filter(later), facts.joinings.filter(~later)
    searched = summary.split_basis == "search" and summary.change_decision not in ("more", "less")
    if searched or not after.height or not before.height:
        return f"{_share(facts.joinings, word)}. {summary.change_words()}"
    since = f" since {format_day(summary.split_at)}"
    return f"{_share(after, word, since)}; before, {_crossing(before)}. {summary.change_words()}"


def _share(joinings: pl.DataFrame, word: str, since: str = "") -> str:
    times = f"Of {format_count(joinings.height, 'time')} that somebody joined a thread begun by another person"
    return f"{times}{since}, {_crossing(joinings, of=False)} crossed {word}s"


def _crossing(joinings: pl.DataFrame, *, of: bool = True) -> str:
    """How many joinings cross groups: "34 of 77 (44%)"."""
    crossing = int(joinings["crosses"].sum())
    total = f" of {joinings.height:,}" if of else ""
    return f"{crossing:,}{total} ({crossing / joinings.height:.0%})"


def silent_words(facts: AcrossFacts) -> str:
    """Which pairs of groups meet in the same channels and hardly talk."""
    if not facts.summary.matrix["supports_claims"].all():
        return ""
    pairs = [
        f"{a} joined threads of {b} {format_count(seen, 'time')}, where {expected:.1f} were expected"
        for a, b, seen, expected in facts.summary.silent.select(_PAIR).iter_rows()
    ]
    if not pairs:
        return "No two groups can be shown to talk less than the channels they share would lead to."
    more = f"; and {len(pairs) - _PAIRS:,} more" if len(pairs) > _PAIRS else ""
    return f"Groups that talk less than the channels they share would lead to: {'; '.join(pairs[:_PAIRS])}{more}."


_PAIR = ("from_group", "to_group", "observed", "expected")


def answer_across(context: Context) -> Section:
    """The section: shares, change, level, silent pairs, then the matrix and the quarters."""
    facts, word = measure_across(context), context.group_word
    summary, headline = facts.summary, across_headline(facts, word)
    matrix = summary.matrix.filter(
        pl.col("from_group").is_in(context.groups) & pl.col("to_group").is_in(context.groups)
    )
    what = _CLAIM if matrix["supports_claims"].all() else _DESCRIPTIVE
    return Section(
        headlines=[headline],
        answer=[line for line in (headline, summary.level_words(), silent_words(facts)) if line],
        figures=_matrix_picture(matrix, f"Who joins whose threads, by {word}: {what}"),
        tables=[
            *_quarter_table(facts),
            view_table(matrix.select(_CELLS), "Every pair of groups", folded=True),
            *_period_tables(summary),
            *_flow_table(context),
        ],
        notes=_notes(context, facts),
    )


_CELLS = ("from_group", "to_group", "observed", "expected", "ratio", "low", "high", "p_value", "p_adjusted", "null")


def _period_tables(summary: CrossRoleSummary) -> list[TableView]:
    """Change and level with people compared within longer and shorter periods."""
    tables = {"Change of log-odds, with people compared within periods": summary.changes}
    if summary.levels.height:
        tables["Level of log-odds, with people compared within periods"] = summary.levels
    return [view_table(table, caption, folded=True) for caption, table in tables.items()]


def _quarter_table(facts: AcrossFacts) -> list[TableView]:
    """The share that crosses groups, quarter by quarter."""
    dated = facts.joinings.drop_nulls("started_at").with_columns(quarter=name_period(pl.col("started_at"), _QUARTER))
    table = dated.group_by("quarter").agg(
        pl.len().alias("joinings"), pl.col("crosses").sum().alias("across"), pl.col("crosses").mean().alias("share")
    )
    caption = "Joinings of threads somebody else began, by quarter: how many, and how many across groups"
    return [view_table(table.sort("quarter", descending=True), caption, folded=True)] if table.height else []


def _notes(context: Context, facts: AcrossFacts) -> Sequence[str]:
    small = f"Groups with fewer than {context.options.min_group} active people are not shown: {facts.n_hidden}."
    return [small] if facts.n_hidden else []


def _kinds(forum: Forum) -> tuple[str, ...]:
    """Replies where the source records them; else whom a message is addressed to."""
    return ("reply",) if forum.supports("reply_parent") != "no" else ("mention",)


def _matrix_picture(visible: pl.DataFrame, caption: str) -> list[Figure]:
    n_groups = visible["from_group"].n_unique()
    if not 1 < n_groups <= _LARGEST_PICTURE:
        return []
    size = 3 + 0.5 * n_groups
    return [
        draw_picture(lambda ax: plot.plot_mixing_matrix(visible, ax=ax), caption=caption, width=size + 1.5, height=size)
    ]


def _flow_table(context: Context) -> list[TableView]:
    """Up, across and down the levels, where levels are numbers."""
    forum = context.forum
    levels = forum.roles.filter(pl.col("attribute") == "level")["value"]
    if levels.n_unique() < 2 or levels.cast(pl.Float64, strict=False).has_nulls():
        return []
    flow = hierarchy_flow(forum, kinds=_kinds(forum), **context.window, **context.chance)
    caption = "Up, sideways and down the levels, compared with the same volumes by chance"
    return [view_table(flow, caption, header=_FLOW)]


_FLOW = {
    "direction": "direction",
    "observed": "interactions",
    "expected": "expected",
    "ratio": "ratio",
    "p_adjusted": "p, adjusted",
    "reciprocity": "answered back",
    "reciprocity_expected": "expected back",
}


QUESTION = Question("across", "Do people talk across roles?", answer_across)
