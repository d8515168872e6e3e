"""How was this computed, and what can it not say?"""

from __future__ import annotations

from sna.report.context import Context, Question
from sna.report.layout import Section, TableView

_METHODS = (
    (
        "Bright spots",
        "the rate of people with the same group, tenure and chances to help; rates of people with few chances are "
        "pulled towards the average (gamma-Poisson empirical Bayes)",
        "threads started by others that were open to the person",
    ),
    (
        "Talk across groups: has it changed?",
        "people who took part in the same channel and month; the date is searched for, with a correction, or given",
        "each person's and each thread's number of participations",
    ),
    (
        "Talk across groups: more or less than expected?",
        "people who took part in the same channel, week and four hours of the day",
        "each person's and each thread's number of participations",
    ),
    ("People per week", "the same weeks a year earlier", "-"),
    (
        "Waiting for an answer",
        "what came before; a question still open when the export was made has waited at least that long",
        "unanswered questions",
    ),
)
_LIMITS = (
    "A log of posts cannot say why people are silent, whether a conversation would otherwise have happened by "
    "telephone, or whether a campaign or a manager caused a change.",
    "Figures about single people are uncertain, and publishing them changes behaviour. Talk to the works council and "
    "the data protection officer before you use them.",
)


def answer_methods(_context: Context) -> Section:
    """The section: one row per question with what it was compared with."""
    return Section(
        answer=["Each finding is compared with what the data would look like without the effect in question."],
        tables=[TableView("What each answer is compared with", ["question", "compared with", "held fixed"], _METHODS)],
        notes=_LIMITS,
    )


QUESTION = Question("methods", "How was this computed, and what can it not say?", answer_methods)
