"""Do people talk across roles? Whether it has changed, where it is more or less than expected, who bridges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from sna.errors import NotAnswerableError
from sna.forum import Forum
from sna.mixing.change import cross_role_change
from sna.mixing.claims import cross_role_level
from sna.mixing.draws import MixingDraws, draw_mixing
from sna.mixing.levels import hierarchy_flow
from sna.mixing.matrix import mixing_matrix
from sna.network.brokerage import brokerage_roles
from sna.report import plot
from sna.report.context import Context, Question, try_answer
from sna.report.layout import Figure, Section, TableView, draw_picture, view_table
from sna.report.waiting import middle_of
from sna.results import Estimate
from sna.talk.interactions import list_interactions
from sna.talk.threads import MISSING

_BRIDGES = 10
_LARGEST_PICTURE = 16
_CLAIM = (
    "observed / expected when the participants of a channel and quarter are placed at random in its threads. Above 1: "
    "more than expected. * marks cells that differ from 1 beyond chance, allowing for the number of cells."
)
_DESCRIPTIVE = (
    "observed / expected from how much each person gives and receives. This is a description only: it also shows "
    "differences where nobody pays attention to roles, because people of a role share channels."
)
_MISSING_NOTE = "(missing) are people whose group is not known at that time; they are counted, not dropped."


@dataclass(frozen=True)
class AcrossFacts:
    """The change and the level (or why there is none), and the matrix without small groups."""

    split_at: datetime
    change: Estimate | str
    level: Estimate | str
    matrix: pl.DataFrame
    n_hidden: int


def measure_across(context: Context) -> AcrossFacts:
    """Change, level and matrix of talk across groups in the window."""
    by = _required_groups(context)
    forum = context.forum
    split_at = middle_of(context)
    drawn = try_answer(lambda: draw_mixing(forum, by=by, **context.window, **context.chance))
    change = try_answer(lambda: cross_role_change(forum, split_at=split_at, by=by, **context.window, **context.chance))
    level = drawn if isinstance(drawn, str) else try_answer(lambda: cross_role_level(drawn))
    matrix = _matrix(context, by, None if isinstance(drawn, str) else drawn)
    visible = matrix.filter(pl.col("from_group").is_in(context.groups) & pl.col("to_group").is_in(context.groups))
    return AcrossFacts(split_at, change, level, visible, len(set(matrix["from_group"]) - context.groups))


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


def _matrix(context: Context, by: str, drawn: MixingDraws | None) -> pl.DataFrame:
    if drawn is None:
        return mixing_matrix(context.forum, by=by, kinds=_kinds(context.forum), **context.window)
    return mixing_matrix(drawn)


def _kinds(forum: Forum) -> tuple[str, ...]:
    """Replies where the source records them; else whom a message is addressed to."""
    return ("reply",) if forum.supports("reply_parent") != "no" else ("mention",)


def across_change_words(facts: AcrossFacts, word: str) -> str:
    """Whether talk across groups has changed."""
    change = facts.change
    if isinstance(change, str):
        return f"Whether talk across {word}s has changed cannot be said: {change}"
    when = f"after {facts.split_at:%d %B %Y} (the middle of the period)"
    if change.low is not None and change.low > 0:
        return f"Talk across {word}s has increased {when}{_odds_words(change)}"
    if change.high is not None and change.high < 0:
        return f"Talk across {word}s has decreased {when}{_odds_words(change)}"
    return f"No change of talk across {word}s {when} can be shown{_odds_words(change)}"


def _odds_words(change: Estimate) -> str:
    """A change of log-odds as a ratio, allowing for who was around."""
    value, low, high = (None if x is None else f"{math.exp(x):.2f}" for x in (change.value, change.low, change.high))
    ratio = f": allowing for who was around, the odds of joining a thread of another group are {value} times as high"
    return ratio + (f" (95% interval {low} to {high})." if low and high else ".")


def across_level_words(facts: AcrossFacts, word: str) -> str:
    """Whether there is more or less talk across groups than expected."""
    level = facts.level
    if isinstance(level, str):
        return f"Whether people seek or avoid other {word}s cannot be said: {level}"
    seats = "if participants of the same channel and quarter had been placed at random in its threads"
    if level.high is not None and level.high < 0:
        return f"People talk less across {word}s than {seats}. {level.sentence()}"
    if level.low is not None and level.low > 0:
        return f"People talk more across {word}s than {seats}. {level.sentence()}"
    return f"People talk across {word}s about as much as {seats}. {level.sentence()}"


def answer_across(context: Context) -> Section:
    """The section: change, level, the matrix, levels, bridges."""
    facts, word = measure_across(context), context.group_word
    estimates = [e.to_frame().select(_ESTIMATE) for e in (facts.change, facts.level) if isinstance(e, Estimate)]
    what = _DESCRIPTIVE if isinstance(facts.level, str) else _CLAIM
    return Section(
        headlines=[across_change_words(facts, word)],
        answer=[across_change_words(facts, word), across_level_words(facts, word)],
        figures=_matrix_picture(facts.matrix, f"Who turns to whom, by {word}: {what}"),
        tables=[
            *([view_table(pl.concat(estimates), "The estimates", folded=True)] if estimates else []),
            view_table(facts.matrix, "Every pair of groups", folded=True),
            *_flow_table(context),
            *_bridge_table(context),
        ],
        notes=_notes(context, facts),
    )


_ESTIMATE = ("measure", "value", "low", "high", "expected", "p_value", "null", "n", "unit", "draws")


def _notes(context: Context, facts: AcrossFacts) -> Sequence[str]:
    least = context.options.min_group
    hidden = (
        [f"Groups with fewer than {least} active people are not shown: {facts.n_hidden}."] if facts.n_hidden else []
    )
    return [*hidden, *([_MISSING_NOTE] if MISSING in facts.matrix["from_group"].to_list() else [])]


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


def _bridge_table(context: Context) -> list[TableView]:
    """Who stands between people of different groups who do not exchange directly."""
    forum = context.forum
    paths = brokerage_roles(forum, by=context.by or "role", kinds=_kinds(forum), **context.window)
    paths = paths.with_columns(paths=pl.sum_horizontal(_BRIDGING)).filter(pl.col("paths") > 0)
    top = paths.sort(["paths", "person_id"], descending=[True, False]).head(_BRIDGES)
    if top.is_empty():
        return []
    people = pl.Series("person", [context.label(person) for person in top["person_id"]])
    shown = top.select(people, pl.col("paths").alias("open paths"), *_BRIDGING)
    caption = "Who connects groups: paths between two people who do not exchange directly. Busy people have more"
    return [view_table(shown, caption, folded=True)]


_BRIDGING = ("liaison", "gatekeeper", "representative", "consultant")
QUESTION = Question("across", "Do people talk across roles?", answer_across)
