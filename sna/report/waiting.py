"""Are questions answered, and how long do people wait?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from sna.errors import NotAnswerableError
from sna.report import plot
from sna.report.context import Context, Question, try_answer
from sna.report.layout import Section, TableView, draw_picture, view_table
from sna.results import Estimate, format_count, format_duration
from sna.talk.windows import cut_window, make_window
from sna.vitality.waits import list_waits, time_to_answer, waiting_curve, waiting_time_change

_LEAST_QUESTIONS = 10
_MOST_SPACES = 20


@dataclass(frozen=True)
class WaitingFacts:
    """One row of `time_to_answer` for the whole window, and the change between its halves (or why there is none)."""

    overall: Mapping[str, Any]
    split_at: datetime
    change: Estimate | str


def measure_waiting(context: Context) -> WaitingFacts:
    """How long questions wait, and whether that has changed."""
    waits = time_to_answer(context.forum, **context.window)
    if not waits["n_questions"].sum():
        raise NotAnswerableError("Waiting for an answer needs dated questions.", got="There are none.")
    split_at = middle_of(context)
    change = try_answer(lambda: waiting_time_change(context.forum, split_at=split_at, **context.window))
    return WaitingFacts(waits.row(0, named=True), split_at, change)


def middle_of(context: Context) -> datetime:
    """The middle of the window, as far as it holds posts.

    Raises
    ------
    NotAnswerableError
        When no post in the window has a date.
    """
    posts = cut_window(context.forum.posts.select(at="created_at"), **context.window).drop_nulls()
    if posts.is_empty():
        raise NotAnswerableError("A change over time needs dated posts.", got="No post has a date.")
    start, end = make_window(context.options.since, context.options.until)
    first, last = (start or posts["at"].min()), (end or posts["at"].max())
    return first + (last - first) / 2  # type: ignore[operator, return-value]


def answered_words(facts: WaitingFacts) -> str:
    """How many are answered, and how soon; shares only of enough questions."""
    row = facts.overall
    n, share = row["n_questions"], row["answered_7d_share"]
    if n < _LEAST_QUESTIONS or share is None:
        why = "too few for shares" if n < _LEAST_QUESTIONS else "none could be followed for a week"
        return f"{row['n_answered']:,} of {format_count(n, 'thread')} had a reply by somebody else so far; {why}."
    low, high = row["answered_7d_share_low"], row["answered_7d_share_high"]
    interval = "" if low is None or high is None else f" (95% interval {low:.0%} to {high:.0%})"
    median = row["median_hours"]
    soon = "." if median is None else f"; half of all threads have one within {format_duration(median)}."
    return f"{share:.0%} of {n:,} threads have a reply by somebody else within a week{interval}{soon}"


def wait_change_words(facts: WaitingFacts) -> str:
    """Whether people wait longer than before."""
    if isinstance(facts.change, str):
        return f"Whether people wait longer than before cannot be said: {facts.change}"
    return f"Before and after {facts.split_at:%d %B %Y}: {facts.change.sentence()}"


def answer_waiting(context: Context) -> Section:
    """The section: sentences, the curve, the spaces."""
    facts = measure_waiting(context)
    picture = draw_picture(
        lambda ax: plot.plot_waiting(waiting_curve(context.forum, **context.window), ax=ax),
        caption="Share of threads still without a reply by somebody else, by hours since they began; the band is the "
        "95% interval. Threads that are still open count as waiting.",
    )
    return Section(
        headlines=[answered_words(facts)],
        answer=[answered_words(facts), wait_change_words(facts)],
        figures=[picture],
        tables=_space_tables(context),
    )


def _space_tables(context: Context) -> list[TableView]:
    """Waits by space, for spaces in which enough people asked."""
    if context.forum.supports("spaces") == "no":
        return []
    askers = list_waits(context.forum, **context.window).group_by("space").agg(pl.col("asker_id").n_unique().alias("n"))
    large = askers.filter(pl.col("n") >= context.options.min_group)["space"].drop_nulls()
    table = time_to_answer(context.forum, by="space", **context.window).filter(pl.col("group").is_in(large.implode()))
    shown = table.sort(["n_questions", "group"], descending=[True, False]).head(_MOST_SPACES)
    return [view_table(shown, "By space", header=_WAITS, folded=True)] if shown.height else []


_WAITS = {
    "group": "space",
    "n_questions": "threads",
    "coverage_share": "share with a reply so far",
    "median_hours": "median wait, hours",
    "answered_7d_share": "with a reply within 7 days",
    "answered_7d_share_low": "from",
    "answered_7d_share_high": "to",
}
QUESTION = Question("waiting", "Are questions answered?", answer_waiting)
