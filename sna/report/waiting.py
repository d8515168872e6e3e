"""Are questions answered, and how long do people wait?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from sna.errors import NotAnswerableError
from sna.report import plot
from sna.report.context import Context, Question, try_answer
from sna.report.layout import Section, TableView, draw_picture, view_table
from sna.results import Estimate, format_count, format_day, format_duration, format_p
from sna.talk.windows import make_window
from sna.vitality.wait_changes import waiting_time_change
from sna.vitality.waits import list_waits, time_to_answer, waiting_curve

_ALPHA = 0.05
_LEAST_QUESTIONS = 10
_WEEK = timedelta(days=7)
_WEEK_HOURS = 168.0
_MOST_SPACES = 20


@dataclass(frozen=True)
class WaitsInPeriod:
    """Waits of questions that could be followed for a week.

    Attributes
    ----------
    n, n_in_time
        Questions, and those with a reply by somebody else within a week.
    median_hours
        Half of all these questions had a reply within so many hours; None when fewer than half had one in a week.
    mean_hours
        The mean wait, counting a week where nobody replied in a week.
    """

    n: int
    n_in_time: int
    median_hours: float | None
    mean_hours: float


@dataclass(frozen=True)
class WaitingFacts:
    """Waits in the window and in its two parts, and the change between them (or why there is none)."""

    n_questions: int
    unit: str
    n_answered: int
    overall: WaitsInPeriod
    split_at: datetime
    before: WaitsInPeriod
    after: WaitsInPeriod
    change: Estimate | str


def measure_waiting(context: Context) -> WaitingFacts:
    """How long questions wait for a reply by somebody else, and whether that has changed."""
    forum = context.forum
    waits = list_waits(forum, **context.window)
    if waits.is_empty():
        raise NotAnswerableError("Waiting for an answer needs dated questions.", got="There are none.")
    first, last = waits["asked_at"][0], waits["asked_at"][-1]
    split_at = make_window(context.options.split_at, None)[0] or first + (last - first) / 2
    followed = waits.filter(pl.col("asked_at") + _WEEK <= forum.observed_until)
    later = pl.col("asked_at") >= split_at
    return WaitingFacts(
        waits.height,
        "thread" if (waits["basis"] == "thread").any() else "question",
        int(waits["is_answered"].sum()),
        _sum_up(followed),
        split_at,
        _sum_up(followed.filter(~later)),
        _sum_up(followed.filter(later)),
        try_answer(lambda: waiting_time_change(forum, split_at=split_at, **context.window)),
    )


def _sum_up(followed: pl.DataFrame) -> WaitsInPeriod:
    hours = followed.select(pl.when("is_answered").then("wait_hours").otherwise(float("inf"))).to_series()
    in_time = hours.filter(hours <= _WEEK_HOURS)
    median = hours.sort()[(len(hours) - 1) // 2] if len(hours) else float("inf")
    mean = float(hours.clip(upper_bound=_WEEK_HOURS).mean() or 0)  # type: ignore[arg-type]
    return WaitsInPeriod(len(hours), len(in_time), median if median <= _WEEK_HOURS else None, mean)


def answered_words(facts: WaitingFacts) -> str:
    """How many have a reply, and how soon; shares only of enough questions."""
    if facts.overall.n < _LEAST_QUESTIONS:
        n = format_count(facts.n_questions, facts.unit)
        return f"{facts.n_answered:,} of {n} had a reply by somebody else so far; too few for shares."
    period = facts.overall
    counts = f"{period.n_in_time:,} of {format_count(period.n, facts.unit)} ({period.n_in_time / period.n:.0%})"
    return f"{counts} had a reply by somebody else within a week{_half_words(period)}."


def _in_time_words(period: WaitsInPeriod) -> str:
    return f"{period.n_in_time:,} of {period.n:,} ({period.n_in_time / period.n:.0%})"


def _half_words(period: WaitsInPeriod) -> str:
    if period.median_hours is None:
        return ", fewer than half"
    return f", half of all within {format_duration(period.median_hours)}"


def wait_change_words(facts: WaitingFacts) -> str:
    """Before and after in counts, then whether the mean wait has changed beyond chance."""
    before, after = facts.before, facts.after
    if min(before.n, after.n) < _LEAST_QUESTIONS:
        return f"Before and after cannot be compared: too few {facts.unit}s."
    since = f"{format_day(facts.split_at)}"
    counts = (
        f"Of {facts.unit}s begun since {since}, {_in_time_words(after)} had a reply within a week{_half_words(after)}; "
        f"before, {_in_time_words(before)}{_half_words(before)}."
    )
    means = f"The mean wait, counting a week where nobody replied, was {after.mean_hours:.1f} hours since then"
    means += f" and {before.mean_hours:.1f} before"
    change = facts.change
    if isinstance(change, str) or change.p_value is None:
        return f"{counts} {means}."
    if change.p_value >= _ALPHA:
        return f"{counts} {means}; the difference may be chance ({format_p(change.p_value)})."
    return f"{counts} {means}: {'slower' if change.value > 0 else 'faster'} beyond chance ({format_p(change.p_value)})."


def answer_waiting(context: Context) -> Section:
    """The section: sentences, the curve, the spaces."""
    facts = measure_waiting(context)
    picture = draw_picture(
        lambda ax: plot.plot_waiting(waiting_curve(context.forum, **context.window), ax=ax),
        caption="Share of questions still without a reply by somebody else, by hours since they were asked; "
        "the band is the 95% interval. Questions that are still open count as waiting.",
    )
    return Section(
        headlines=[answered_words(facts), wait_change_words(facts)],
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
    named = pl.when(pl.col("group").str.contains(r"^\d+$")).then(pl.format("number {}", "group")).otherwise("group")
    shown = table.sort(["n_questions", "group"], descending=[True, False]).head(_MOST_SPACES).with_columns(group=named)
    return [view_table(shown, "By space", header=_WAITS, folded=True)] if shown.height else []


_WAITS = {
    "group": "space",
    "n_questions": "questions",
    "coverage_share": "share with a reply so far",
    "median_hours": "median wait, hours",
    "answered_7d_share": "with a reply within 7 days",
    "answered_7d_share_low": "from",
    "answered_7d_share_high": "to",
}
QUESTION = Question("waiting", "Are questions answered?", answer_waiting)
