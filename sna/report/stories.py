"""Which solved problems are worth telling?"""

from __future__ import annotations

import polars as pl

from sna.champions.stories import list_war_stories
from sna.report.context import Context, Question
from sna.report.layout import Section, view_table

_STORIES = 6
_SLOWER = 0.5
_COMPARABLE = 10
_STORY_NOTE = (
    "Solved means: somebody else's answer was accepted, or the asker gave thanks for it. "
    "The stories were chosen for an unusually quick solution by people of several groups. They are the best of many "
    "threads, not typical ones."
)


def find_stories(context: Context) -> pl.DataFrame:
    """The candidates that were quicker than most comparable threads."""
    stories = list_war_stories(context.grouped, by=context.by or "role", **context.window)
    enough = (pl.col("slower_share") >= _SLOWER) & (pl.col("n_comparable") >= _COMPARABLE)
    return stories.filter(enough).head(_STORIES)


def answer_stories(context: Context) -> Section:
    """The section: candidates as sentences."""
    shown = find_stories(context)
    if shown.is_empty():
        return Section(answer=["No thread was solved by several people quicker than most comparable ones."])
    return Section(
        answer=["Solved problems worth telling. They are candidates: ask somebody who was there before you tell one."],
        tables=[view_table(shown, "Candidates", header={"story": "what happened"})],
        notes=[_STORY_NOTE],
    )


QUESTION = Question("stories", "Which solved problems are worth telling?", answer_stories)
