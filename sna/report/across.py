"""Do people talk across roles? How many joinings cross groups, whether that has changed, which pairs stay silent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from sna.errors import NotAnswerableError
from sna.forum import Forum, join_attribute
from sna.mixing.change import cross_role_change, find_change_date
from sna.mixing.claims import cross_role_level, list_silent_pairs
from sna.mixing.draws import MixingDraws, draw_mixing
from sna.mixing.levels import hierarchy_flow
from sna.mixing.matrix import mixing_matrix
from sna.report import plot
from sna.report.context import Context, Question, try_answer
from sna.report.layout import Figure, Section, TableView, draw_picture, view_table
from sna.results import Estimate, format_count
from sna.talk.interactions import list_interactions
from sna.talk.threads import thread_participation
from sna.talk.windows import make_window
from sna.vitality.periods import name_period

_ALPHA = 0.05
_LEAST_JOININGS = 20
_LARGEST_PICTURE = 16
_EVERY = "1q"
_CLAIM = (
    "how many people of each row joined threads begun by people of each column, divided by the number expected if the "
    "participants of each channel and quarter were placed at random in its threads. Coloured cells (*) differ from 1 "
    "beyond chance, allowing for the number of cells; pale cells do not, whatever their number."
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
    split_at
        Where before ends and after begins; None when no date could be searched for.
    change, level
        Estimates, or why there is none.
    matrix, silent
        Cells and silent pairs of shown groups.
    n_hidden
        Groups that are too small to be shown.
    """

    joinings: pl.DataFrame
    split_at: datetime | None
    change: Estimate | str
    level: Estimate | str
    matrix: pl.DataFrame
    silent: pl.DataFrame | str
    n_hidden: int


def measure_across(context: Context) -> AcrossFacts:
    """Joinings, change, level, matrix and silent pairs in the window."""
    by = _required_groups(context)
    drawn = try_answer(lambda: draw_mixing(context.forum, by=by, **context.window, **context.chance))
    split_at, change = _change(context, by)
    level: Estimate | str = drawn if isinstance(drawn, str) else try_answer(lambda: cross_role_level(drawn))
    silent: pl.DataFrame | str = drawn if isinstance(drawn, str) else list_silent_pairs(drawn)
    matrix = _matrix(context, by, drawn)
    shown = pl.col("from_group").is_in(context.groups) & pl.col("to_group").is_in(context.groups)
    return AcrossFacts(
        list_joinings(context, by),
        split_at,
        change,
        level,
        matrix.filter(shown),
        silent if isinstance(silent, str) else silent.filter(shown),
        len(set(matrix["from_group"]) - context.groups),
    )


def _required_groups(context: Context) -> str:
    by, forum = context.by, context.forum
    if by is None:
        raise NotAnswerableError("Who talks across roles needs people's roles or departments (--org people.csv).")
    word = context.group_word
    if len(context.groups) < 2:
        need = f"Talk across {word}s needs two groups with at least {context.options.min_group} active people each."
        raise NotAnswerableError(need, got=f"Got {len(context.groups)}. Another attribute may do (--by).")
    if list_interactions(forum, kinds=_kinds(forum), **context.window).is_empty():
        raise NotAnswerableError(f"Talk across {word}s needs people who turn to each other.", got="Nobody does.")
    return by


def _kinds(forum: Forum) -> tuple[str, ...]:
    """Replies where the source records them; else whom a message is addressed to."""
    return ("reply",) if forum.supports("reply_parent") != "no" else ("mention",)


def _change(context: Context, by: str) -> tuple[datetime | None, Estimate | str]:
    """The change at the date asked for; else at the date of the largest change, corrected for the search."""
    forum, asked = context.forum, make_window(context.options.split_at, None)[0]
    if asked is not None:
        return asked, try_answer(lambda: cross_role_change(forum, split_at=asked, by=by, **context.window))
    found = try_answer(lambda: find_change_date(forum, by=by, **context.window, **context.chance))
    return (None, found) if isinstance(found, str) else found


def _matrix(context: Context, by: str, drawn: MixingDraws | str) -> pl.DataFrame:
    if isinstance(drawn, str):
        return mixing_matrix(context.forum, by=by, kinds=_kinds(context.forum), **context.window)
    return mixing_matrix(drawn)


def list_joinings(context: Context, by: str) -> pl.DataFrame:
    """Who joined a thread that somebody else began, and whether the two are of different groups."""
    rows = thread_participation(context.forum, **context.window)
    threads = thread_participation(context.forum).filter(pl.col("person_id") == pl.col("asker_id"))
    starts = threads.select("thread_id", "asker_id", started_at="at")
    starts = join_attribute(context.forum, starts, by=by, person="asker_id", at="started_at", into="asked")
    joins = rows.filter(pl.col("person_id") != pl.col("asker_id")).drop("asker_id").join(starts, on="thread_id")
    joins = join_attribute(context.forum, joins, by=by, at="at", into="own")
    shown = pl.col("own").is_in(context.groups) & pl.col("asked").is_in(context.groups)
    return joins.filter(shown).select("thread_id", "person_id", "started_at", crosses=pl.col("own") != pl.col("asked"))


def across_headline(facts: AcrossFacts, word: str) -> str:
    """The share that crosses groups, before and after where it has changed, today where it has not."""
    moved = isinstance(facts.change, Estimate) and facts.change.p_value is not None and facts.change.p_value < _ALPHA
    if facts.split_at is None or not moved:
        return f"{_share(facts.joinings, word)}. {across_change_words(facts, word)}"
    later = pl.col("started_at") >= facts.split_at
    after, before = facts.joinings.filter(later), facts.joinings.filter(~later)
    if min(before.height, after.height) < _LEAST_JOININGS:
        return f"{_share(facts.joinings, word)}. {across_change_words(facts, word)}"
    since = f" since {facts.split_at:%d %B %Y}"
    return f"{_share(after, word, since)}; before, {_crossing(before)}. {across_change_words(facts, word)}"


def _share(joinings: pl.DataFrame, word: str, since: str = "") -> str:
    if joinings.is_empty():
        return f"Nobody of a known {word} joined a thread of somebody else of a known {word}"
    times = f"Of {format_count(joinings.height, 'time')} that somebody joined a thread begun by another person"
    return f"{times}{since}, {_crossing(joinings, of=False)} crossed {word}s"


def _crossing(joinings: pl.DataFrame, *, of: bool = True) -> str:
    """How many joinings cross groups: "34 of 77 (44%)"."""
    crossing = int(joinings["crosses"].sum())
    total = f" of {joinings.height:,}" if of else ""
    return f"{crossing:,}{total} ({crossing / joinings.height:.0%})"


def across_change_words(facts: AcrossFacts, word: str) -> str:
    """Whether people have become readier to join threads of other groups, allowing for who was around."""
    change = facts.change
    if isinstance(change, str):
        return f"Whether that has changed cannot be said: {change}"
    if change.p_value is None or change.p_value >= _ALPHA:
        when = "" if facts.split_at is None else f" at {facts.split_at:%d %B %Y}, the date of the largest difference,"
        return f"Allowing for who was around, no change{when} can be shown."
    verb = "readier" if change.value > 0 else "less ready"
    return f"Allowing for who was around, people have become {verb} to join threads of another {word}{_odds(change)}."


def _odds(estimate: Estimate) -> str:
    """Log-odds as a ratio of odds with its interval."""
    ends = [None if x is None else f"{math.exp(x):.2f}" for x in (estimate.value, estimate.low, estimate.high)]
    interval = f", {estimate.level:.0%} interval {ends[1]} to {ends[2]}" if ends[1] and ends[2] else ""
    return f" (odds {ends[0]} times as high{interval})"


def across_level_words(facts: AcrossFacts, word: str) -> str:
    """Whether there is more or less talk across groups than expected."""
    level = facts.level
    if isinstance(level, str):
        return f"Whether people seek or avoid other {word}s cannot be said: {level}"
    around = f"Given who took part in the same channel and quarter, people join threads of another {word}"
    if level.p_value is None or level.p_value >= _ALPHA:
        return f"{around} about as often as chance would have it{_odds(level)}."
    return f"{around} {'more' if level.value > 0 else 'less'} often than chance would have it{_odds(level)}."


def silent_words(facts: AcrossFacts) -> str:
    """Which pairs of groups meet in the same channels and hardly talk."""
    silent = facts.silent
    if isinstance(silent, str):
        return ""
    if silent.is_empty():
        return "No pair of groups talks less than chance would have it, beyond doubt."
    pairs = [
        f"{a} joined threads of {b} {seen:,} times, where {expected:.1f} were expected"
        for a, b, seen, expected in silent.select("from_group", "to_group", "observed", "expected").iter_rows()
    ]
    return f"Groups that meet in the same channels and talk less than chance would have it: {'; '.join(pairs)}."


def answer_across(context: Context) -> Section:
    """The section: shares, change, level, silent pairs, then the matrix and the quarters."""
    facts, word = measure_across(context), context.group_word
    what = _DESCRIPTIVE if isinstance(facts.level, str) else _CLAIM
    answer = [across_headline(facts, word), across_level_words(facts, word), silent_words(facts)]
    estimates = [e.to_frame().select(_ESTIMATE) for e in (facts.change, facts.level) if isinstance(e, Estimate)]
    return Section(
        headlines=[across_headline(facts, word)],
        answer=[line for line in answer if line],
        figures=_matrix_picture(facts.matrix, f"Who joins whose threads, by {word}: {what}"),
        tables=[
            *_quarter_table(facts),
            *([view_table(pl.concat(estimates), "The estimates behind the words", folded=True)] if estimates else []),
            view_table(facts.matrix.select(_CELLS), "Every pair of groups", folded=True),
            *_flow_table(context),
        ],
        notes=_notes(context, facts),
    )


_ESTIMATE = ("measure", "value", "low", "high", "expected", "p_value", "null", "n", "unit")
_CELLS = ("from_group", "to_group", "observed", "expected", "ratio", "low", "high", "p_value", "p_adjusted", "null")


def _quarter_table(facts: AcrossFacts) -> list[TableView]:
    """The share that crosses groups, quarter by quarter."""
    dated = facts.joinings.drop_nulls("started_at").with_columns(quarter=name_period(pl.col("started_at"), _EVERY))
    table = dated.group_by("quarter").agg(
        pl.len().alias("joinings"), pl.col("crosses").sum().alias("across"), pl.col("crosses").mean().alias("share")
    )
    caption = "Joinings of threads somebody else began, by quarter: how many, and how many across groups"
    return [view_table(table.sort("quarter", descending=True), caption, folded=True)] if table.height else []


def _notes(context: Context, facts: AcrossFacts) -> Sequence[str]:
    small = f"Groups with fewer than {context.options.min_group} active people are not shown: {facts.n_hidden}."
    return [small] if facts.n_hidden else []


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
