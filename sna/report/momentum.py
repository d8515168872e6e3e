"""Is the forum alive? How many people write each week, and whether that has changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from sna.errors import NotAnswerableError
from sna.report import plot
from sna.report.context import Context, Question, try_answer
from sna.report.layout import Section, draw_picture, view_table
from sna.results import format_count, format_day
from sna.vitality.momentum import weekly_momentum
from sna.vitality.trend import Momentum, momentum_now

_RECENT_WEEKS = 8
_YEAR_WEEKS = 52
_SAME = 0.005


@dataclass(frozen=True)
class MomentumFacts:
    """All weeks, the last complete ones, and the change (or why there is none)."""

    weeks: pl.DataFrame
    recent: pl.DataFrame
    change: Momentum | str


def measure_momentum(context: Context) -> MomentumFacts:
    """Count people by week and look for a change."""
    weeks = weekly_momentum(context.forum, **context.window)
    whole = weeks.filter("is_complete")
    if whole.is_empty():
        raise NotAnswerableError("Momentum needs a complete week.", got=f"{weeks.height} weeks, none complete.")
    change = try_answer(lambda: momentum_now(context.forum, **context.window, **context.chance))
    return MomentumFacts(weeks, whole.tail(_RECENT_WEEKS), change)


def recent_words(facts: MomentumFacts) -> str:
    """How many people wrote in the last complete weeks, and in the same weeks a year earlier."""
    active, share = facts.recent.select(pl.col("n_active", "active_share").mean()).row(0)
    first, last = facts.recent["week"][0], facts.recent["week"][-1] + timedelta(days=6)
    weeks = format_count(facts.recent.height, "complete week")
    words = (
        f"In the last {weeks} ({format_day(first)} to {format_day(last)}), {active:.1f} people a week wrote on average"
    )
    words += f", {share:.1%} of all staff" if share is not None else ""
    return words + f"{_year_words(facts, active)}."


def _year_words(facts: MomentumFacts, active: float) -> str:
    """The same weeks a year earlier, where they were all complete."""
    earlier = facts.recent["week"].dt.offset_by(f"-{_YEAR_WEEKS}w")
    then = facts.weeks.filter(pl.col("is_complete") & pl.col("week").is_in(earlier.implode()))
    if then.height < facts.recent.height:
        return ""
    before = float(then["n_active"].mean() or 0)  # type: ignore[arg-type]
    if not before:
        return "; in the same weeks a year earlier nobody wrote"
    change = active / before - 1
    word = "more" if change > 0 else "fewer"
    compared = f"{abs(change):.0%} {word} now" if abs(change) >= _SAME else "about the same"
    return f"; in the same weeks a year earlier it was {before:.1f} ({compared})"


def change_words(facts: MomentumFacts) -> str:
    """Whether the number of people has changed."""
    if isinstance(facts.change, str):
        return f"Whether activity has changed cannot be said: {facts.change}"
    if facts.change.shape == "none":
        weeks = f"the {facts.change.n_weeks} weeks to {format_day(facts.change.until)}"
        return f"A lasting change beyond season and chance cannot be shown from {weeks}."
    return facts.change.change_sentence()


def answer_momentum(context: Context) -> Section:
    """The section: sentences, the weeks as a picture, the last weeks as a table."""
    facts = measure_momentum(context)
    picture = draw_picture(
        lambda ax: plot.plot_momentum(facts.weeks, ax=ax, campaigns=context.forum.campaigns),
        caption="People who wrote each week: active = new + stayed + came back. Grey, below the line: wrote the week "
        "before and not in this one. A campaign's line says when it began, not that it caused anything.",
        height=4,
    )
    whole = facts.weeks.filter("is_complete")
    header = {name: words for name, words in _WEEK.items() if whole[name].null_count() < whole.height}
    return Section(
        headlines=[f"{recent_words(facts)} {change_words(facts)}"],
        answer=[recent_words(facts), change_words(facts)],
        figures=[picture],
        tables=[view_table(facts.recent.sort("week", descending=True), "The last complete weeks", header=header)],
    )


_WEEK = {
    "week": "week of",
    "n_posts": "posts",
    "n_active": "active",
    "n_new": "new",
    "n_retained": "stayed",
    "n_returned": "came back",
    "n_lost": "lost",
    "n_roster": "staff",
    "active_share": "active share",
    "active_share_low": "from",
    "active_share_high": "to",
}
QUESTION = Question("momentum", "Is the forum alive?", answer_momentum)
