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
        "periods of whole threads permuted within channels",
        "who takes part in each thread",
    ),
    (
        "Talk across groups: more or less than expected?",
        "participants of threads permuted within channel and quarter",
        "each person's number of threads per channel and quarter, each thread's number of people",
    ),
    ("People per week", "counted: active = new + stayed + came back", "-"),
    (
        "Waiting for an answer",
        "Kaplan-Meier: a question still open when the export was made has waited at least that long",
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
