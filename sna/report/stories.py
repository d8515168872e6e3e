"""Which threads are worth telling as stories?"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from sna.champions.helps import last_year
from sna.champions.stories import REPLIED, list_war_stories
from sna.report.context import Context, Question, try_answer
from sna.report.layout import Section, view_table
from sna.results import format_day
from sna.talk.windows import make_window
from sna.types import Moment

_STORIES = 6
_SLOWER = 0.5
_COMPARABLE = 10
_BEST = "They are the best of many threads, not typical ones."
_SOLVED_NOTE = (
    f"Chosen for a quick solution with several people, of several groups where groups are known. {_BEST} Solved: "
    "somebody else's answer was accepted, or the asker marked it or gave thanks for it."
)
_REPLIED_NOTE = (
    f"Chosen for a quick first reply and several people, of several groups where groups are known. {_BEST} Which of "
    "them were solved is not recorded."
)


@dataclass(frozen=True)
class StoryFacts:
    """The stories told, and since when threads were looked at."""

    stories: pl.DataFrame
    since: Moment


def find_stories(context: Context) -> StoryFacts:
    """Candidates of the last twelve months that were quicker than most; of the whole window when there are none."""
    lately = last_year(context.forum, **context.window)
    stories = try_answer(lambda: _quick(context, lately))
    if isinstance(stories, pl.DataFrame) and not stories.is_empty():
        return StoryFacts(stories, lately)
    return StoryFacts(_quick(context, context.options.since), context.options.since)


def _quick(context: Context, since: Moment) -> pl.DataFrame:
    until = context.options.until
    stories = list_war_stories(context.grouped, by=context.by or "role", since=since, until=until)
    enough = (pl.col("slower_share") >= _SLOWER) & (pl.col("n_comparable") >= _COMPARABLE)
    return stories.filter(enough).head(_STORIES)


def answer_stories(context: Context) -> Section:
    """The section: candidates as sentences."""
    facts = find_stories(context)
    if facts.stories.is_empty():
        return Section(answer=["No thread stands out: several people, and quicker than most comparable ones."])
    lately = make_window(facts.since, None)[0]
    since = "" if lately is None else f" Threads begun since {format_day(lately)}."
    told = f"Candidates for stories: ask somebody who was there before you tell one.{since}"
    table = view_table(facts.stories, "Candidates", header={"asked_at": "begun", "story": "what happened"})
    replied = (facts.stories["basis"] == REPLIED).any()
    return Section(answer=[told], tables=[table], notes=[_REPLIED_NOTE if replied else _SOLVED_NOTE])


QUESTION = Question("stories", "Which threads are worth telling as stories?", answer_stories)
