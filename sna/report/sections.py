"""The questions of the report, one function each: of the forum, as it may be shown, to a `Section`.

An analysis the source cannot support raises `NotAnswerableError`; the report then says so in the section's place.
"""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from sna.champions.evidence import champion_evidence, list_war_stories
from sna.champions.find import find_champions
from sna.errors import NotAnswerableError
from sna.forum import Forum, list_analyses
from sna.mixing.change import cross_role_change
from sna.mixing.claims import cross_role_level
from sna.mixing.draws import MixingDraws, draw_mixing
from sna.mixing.levels import hierarchy_flow
from sna.mixing.matrix import mixing_matrix
from sna.network.brokerage import brokerage_roles
from sna.people.privacy import clean_label
from sna.report import plot
from sna.results import Estimate, format_number
from sna.talk.interactions import list_interactions
from sna.talk.threads import MISSING
from sna.vitality.momentum import weekly_momentum
from sna.vitality.trend import momentum_change
from sna.vitality.waits import time_to_answer, waiting_curve, waiting_time_change

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Result = TypeVar("Result")
_DPI = 130
_CELL_LENGTH = 400


@dataclass(frozen=True)
class ReportOptions:
    """How to write a report.

    Attributes
    ----------
    by
        Attribute for cross-role conversations; None takes the first of role, department, job_title, platform_role.
    names
        Show names instead of pseudonyms.
    min_group
        Groups of fewer people are not shown (10 by default, at least 5).
    key
        Key of the pseudonyms; the same key gives the same pseudonyms in the next report. None: a new one each time.
    draws
        Monte-Carlo draws of the null model.
    rng
        Seed of those draws.
    progress
        Show a progress bar.
    """

    by: str | None = None
    names: bool = False
    min_group: int = 10
    key: bytes | None = None
    draws: int = 499
    rng: int = 0
    progress: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture as base64 PNG, and what it shows."""

    png: str
    caption: str


@dataclass(frozen=True)
class TableView:
    """A table as text; ``numeric`` are the columns to align right; a folded one opens on a click."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """One question of the report and its answer; ``headline`` goes to the top of the page."""

    id: str
    title: str
    headline: str = ""
    answer: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[TableView] = ()
    notes: Sequence[str] = ()
    refused: str = ""


@dataclass(frozen=True)
class Context:
    """What every section gets: the forum as it may be shown, and how."""

    forum: Forum
    options: ReportOptions
    by: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()

    def label(self, person_id: str) -> str:
        """A person's name or pseudonym."""
        return self.labels.get(person_id, person_id)


TITLES = {
    "data": "What is this report made of?",
    "champions": "Who are the bright spots?",
    "across": "Do people talk across roles?",
    "momentum": "Is the forum alive?",
    "answers": "Are questions answered?",
    "stories": "Which solved problems are worth telling?",
    "methods": "How was this computed, and what can it not say?",
}


def _picture(draw: Callable[[Axes], object], *, caption: str, width: float = 8.0, height: float = 3.4) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(canvas)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # scripts the font lacks are boxes; tables show them
        draw(canvas.subplots())
        canvas.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return Figure(base64.b64encode(buffer.getvalue()).decode("ascii"), caption)


def _table(
    frame: pl.DataFrame, caption: str, *, header: Mapping[str, str] | None = None, folded: bool = False
) -> TableView:
    """Any frame as text; numbers to three digits, everything from the export cleaned of control characters."""
    header = header or {name: name.replace("_", " ") for name in frame.columns}
    frame = frame.select(list(header))
    numeric = frozenset(k for k, dtype in enumerate(frame.dtypes) if dtype.is_numeric())
    rows = [[_cell(value) for value in row] for row in frame.iter_rows()]
    return TableView(caption, list(header.values()), rows, numeric, folded)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return format_number(value)
    if hasattr(value, "strftime"):
        return f"{value:%Y-%m-%d}"
    return clean_label(str(value), max_length=_CELL_LENGTH)


def _section_data(context: Context) -> Section:
    forum = context.forum
    kinds = dict(forum.people.group_by("kind").len().iter_rows())
    humans, others = kinds.get("human", 0), sum(kinds.values()) - kinds.get("human", 0)
    people = forum.people.filter(pl.col("kind") == "human")["person_id"]
    authors = forum.posts.filter(pl.col("author_id").is_in(people.implode()))["author_id"].n_unique()
    books = forum.accounting().filter(pl.col("read") + pl.col("added") > 0)
    lost, read = int(books["rejected"].sum()), int(books["read"].sum())
    withheld = int(books["withheld"].sum())
    issues = forum.issues.group_by("table", "kind", "reason").agg(rows=pl.col("n").sum()).sort("rows", descending=True)
    roster = (
        "The silent people are known, too."
        if forum.supports("roster") != "no"
        else ("People who never posted are not in this export, so shares of the staff cannot be given.")
    )
    names = "shown" if context.options.names else "pseudonyms, new in each report unless a key is given"
    return Section(
        "data",
        TITLES["data"],
        headline=f"{authors:,} of {humans:,} known people wrote {forum.posts.height:,} {_threads(forum)}.",
        answer=[
            f"Source: {_plain(forum.source.platform)}{_coverage(forum)}. {roster}",
            f"{read:,} rows were read; {lost:,} could not be used and {withheld:,} were left out on purpose "
            f"(private or system content). Bots and system accounts, not counted as people: {others:,}. "
            f"Names are {names}.",
        ],
        tables=[
            _table(list_analyses(forum), "Which analyses this source can support", folded=True),
            _table(books, "Rows read, used, rejected, withheld, and placeholders added", folded=True),
            _table(issues, "Rows not used or mended, by reason", folded=True),
        ],
    )


def _threads(forum: Forum) -> str:
    if forum.supports("threads") == "no":
        return "messages"
    return f"posts in {_count(forum.posts['thread_id'].n_unique(), 'thread')}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _coverage(forum: Forum) -> str:
    return f" ({clean_label(forum.source.coverage)})" if forum.source.coverage else ""


def _section_champions(context: Context) -> Section:
    forum, by = context.forum, context.by or "role"
    table = find_champions(forum, by=by)
    chosen, judged = table.filter("selected"), table.filter(pl.col("contribution").is_not_null())
    missing = [part for part in (table["not_measured"][0] or "").split("; ") if part]
    if chosen.is_empty():
        compared = f" among the {judged.height:,} who can be compared" if judged.height > 1 else ""
        answer = [f"No bright spot can be named with certainty{compared}: {table['verdict'][0]}."]
        return Section("champions", TITLES["champions"], headline=answer[0], answer=answer, notes=missing)
    shown = chosen.head(_SHOWN)
    names = [context.label(person) for person in shown["person_id"]]
    headline = (
        f"{chosen.height:,} bright spots among {judged.height:,} people who took part: they help more than their "
    )
    headline += f"{_plain(by)}, tenure" if context.by else "tenure"
    headline += " and opportunity predict; at most one in ten of them is expected to be a wrong name."
    spread = (
        f"The first listed helps {format_number(shown['contribution'][0])} times as often as expected (95% interval "
    )
    spread += f"{format_number(shown['contribution_low'][0])} to {format_number(shown['contribution_high'][0])})."
    picture = _picture(
        lambda ax: plot.plot_champions(shown, ax=ax, labels=names),
        caption="Help given against what peers with the same chances give (1 = as expected), with 95% intervals.",
        height=0.9 + 0.32 * shown.height,
    )
    return Section(
        "champions",
        TITLES["champions"],
        headline=headline,
        answer=[
            spread,
            "Facets are kept apart: somebody may help often, reach many, or bridge groups, and not all three.",
        ],
        figures=[picture],
        tables=[_champion_table(context, shown, names), _evidence_table(context, shown)],
        notes=[
            "A rank is a set of places, not one place: read 1-40 as 'the data cannot tell'. "
            "Silence about somebody says nothing about their work.",
            _BOUND_NOTE,
            *missing,
        ],
    )


_BOUND_NOTE = (
    "The list is chosen for its expected share of wrong names, not person by person: single intervals may include 1. "
    "The bound holds while people's chances to help are recorded about right; on synthetic forums with views wrong by "
    "half, one name in four was wrong."
)
_SHOWN = 15
_EVIDENCE_PER_PERSON = 2


def _champion_table(context: Context, shown: pl.DataFrame, names: list[str]) -> TableView:
    def interval(name: str) -> list[str]:
        rows = shown.select(name, f"{name}_low", f"{name}_high").iter_rows()
        return ["-" if v is None else f"{v:.1f} ({lo:.1f}\u2013{hi:.1f})" for v, lo, hi in rows]

    columns = {
        "person": names,
        "group": [_shown_group(context, value) for value in shown["group"]],
        "helped in (expected)": [
            f"{a:,} ({b:.0f})" for a, b in shown.select("n_helped", "expected_helped").iter_rows()
        ],
        "contribution": interval("contribution"),
        "helpfulness": interval("helpfulness"),
        "reach": interval("reach"),
        "bridging": interval("bridging"),
        "consistency": interval("consistency"),
        "rank": [f"{a}\u2013{b}" if a else "-" for a, b in shown.select("rank_low", "rank_high").iter_rows()],
    }
    caption = "Bright spots: ratio to what was to be expected, with 95% intervals"
    table = _table(pl.DataFrame(columns), caption, header={name: name for name in columns})
    return replace(table, numeric=frozenset(range(2, len(columns))))


def _shown_group(context: Context, value: str | None) -> str:
    return value if value and value in context.groups else "-"


def _evidence_table(context: Context, shown: pl.DataFrame) -> TableView:
    frames = []
    for person in shown["person_id"]:
        threads = champion_evidence(context.forum, person).head(_EVIDENCE_PER_PERSON)
        frames.append(threads.with_columns(person=pl.lit(context.label(person))))
    evidence = pl.concat(frames)
    header = {"person": "person", "why": "what happened"}
    return _table(evidence, "Threads that show it", header=header)


def _section_across(context: Context) -> Section:
    by = context.by
    if by is None:
        raise NotAnswerableError(
            "Who talks across roles needs people's roles or departments.", hint="add them with --org people.csv"
        )
    forum, options = context.forum, context.options
    _require_talk(context, by)
    drawn = _try(lambda: draw_mixing(forum, by=by, draws=options.draws, rng=options.rng))
    change = _try(
        lambda: cross_role_change(forum, split_at=_middle(forum), by=by, draws=options.draws, rng=options.rng)
    )
    level = drawn if isinstance(drawn, str) else _try(lambda: cross_role_level(drawn))
    estimates = [e for e in (change, level) if isinstance(e, Estimate)]
    visible, notes = _visible_matrix(context, by, None if isinstance(drawn, str) else drawn)
    caption = _CLAIM if isinstance(level, Estimate) else _DESCRIPTIVE
    figures = [e.to_frame().select(_ESTIMATE) for e in estimates]
    return Section(
        "across",
        TITLES["across"],
        headline=_across_words(change, _plain(by)),
        answer=[_across_words(change, _plain(by), split=_middle(forum)), _level_words(level, _plain(by))],
        figures=_matrix_picture(visible, f"Who turns to whom, by {_plain(by)}: {caption}"),
        tables=[
            *([_table(pl.concat(figures), "The estimates")] if figures else []),
            _table(visible, "Every pair of groups", folded=True),
            *_flow_table(context),
            *_bridge_table(context, by),
        ],
        notes=notes,
    )


def _require_talk(context: Context, by: str) -> None:
    if len(context.groups) < 2:
        need = f"Talk across {_plain(by)}s needs two of at least {context.options.min_group} people each."
        raise NotAnswerableError(need, got=f"Got {len(context.groups)}.", hint="choose another attribute with --by")
    if list_interactions(context.forum, kinds=_kinds(context.forum)).is_empty():
        raise NotAnswerableError(f"Talk across {_plain(by)}s needs people who turn to each other.", got="Nobody does.")


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _visible_matrix(context: Context, by: str, drawn: MixingDraws | None) -> tuple[pl.DataFrame, list[str]]:
    """The mixing matrix without small groups, and what to say about them."""
    forum, options = context.forum, context.options
    matrix = mixing_matrix(forum, by=by, kinds=_kinds(forum)) if drawn is None else mixing_matrix(drawn)
    visible = matrix.filter(pl.col("from_group").is_in(context.groups) & pl.col("to_group").is_in(context.groups))
    hidden = len(set(matrix["from_group"]) - set(context.groups))
    notes = [f"Groups of fewer than {options.min_group} people are not shown: {hidden}."] if hidden else []
    return visible, [*notes, *([_MISSING_NOTE] if MISSING in visible["from_group"].to_list() else [])]


def _kinds(forum: Forum) -> tuple[str, ...]:
    """Replies where the source records them; else whom a message is addressed to."""
    return ("reply",) if forum.supports("reply_parent") != "no" else ("mention",)


def _matrix_picture(visible: pl.DataFrame, caption: str) -> list[Figure]:
    n_groups = visible["from_group"].n_unique()
    if not 1 < n_groups <= _LARGEST_PICTURE:
        return []
    size = 3 + 0.5 * n_groups
    return [
        _picture(lambda ax: plot.plot_mixing_matrix(visible, ax=ax), caption=caption, width=size + 1.5, height=size)
    ]


_LARGEST_PICTURE = 16


def _flow_table(context: Context) -> list[TableView]:
    """Up, across and down the levels, where levels are numbers."""
    forum, options = context.forum, context.options
    levels = forum.roles.filter(pl.col("attribute") == "level")["value"]
    if levels.n_unique() < 2 or levels.cast(pl.Float64, strict=False).has_nulls():
        return []
    flow = hierarchy_flow(forum, kinds=_kinds(forum), draws=options.draws, rng=options.rng)
    header = {"direction": "direction", "observed": "interactions", "expected": "expected", "ratio": "ratio"}
    header |= {"p_adjusted": "p, adjusted", "reciprocity": "answered back", "reciprocity_expected": "expected back"}
    return [_table(flow, "Up, sideways and down the levels, against the same volumes by chance", header=header)]


def _bridge_table(context: Context, by: str) -> list[TableView]:
    """Who stands between people of different groups who do not exchange directly."""
    roles = ("liaison", "gatekeeper", "representative", "consultant")
    paths = brokerage_roles(context.forum, by=by, kinds=_kinds(context.forum)).with_columns(
        paths=pl.sum_horizontal(roles)
    )
    top = paths.filter(pl.col("paths") > 0).sort(["paths", "person_id"], descending=[True, False]).head(_BRIDGES)
    if top.is_empty():
        return []
    people = pl.Series("person", [context.label(person) for person in top["person_id"]])
    shown = top.select(people, pl.col("paths").alias("open paths"), *roles)
    return [_table(shown, "Who bridges groups: open paths between people who do not exchange directly", folded=True)]


_BRIDGES = 10
_CLAIM = (
    "observed / expected when the participants of a channel and quarter are seated at random in its threads. Above 1: "
    "more than expected. * marks cells that stand out after adjusting for their number."
)
_ESTIMATE = ("measure", "value", "low", "high", "expected", "p_value", "null", "n", "unit", "draws")
POOLED = "(small groups)"
_MISSING_NOTE = "(missing) are people whose group is not known at that time; they are counted, not dropped."
_DESCRIPTIVE = (
    "observed / expected from how much each person gives and receives. A description only: it also finds departures "
    "where nobody minds roles, because people of a role share channels. Above 1: more than expected."
)


def _try(compute: Callable[[], Result]) -> Result | str:
    try:
        return compute()
    except NotAnswerableError as error:
        return str(error)


def _middle(forum: Forum) -> Any:
    if forum.period is None:
        raise NotAnswerableError("A change over time needs dated posts.", got="No post has a date.")
    first, last = forum.period
    return first + (last - first) / 2


def _across_words(change: Estimate | str, by: str, *, split: Any = None) -> str:
    if isinstance(change, str):
        return f"Whether talk across {by}s has changed cannot be said: {change}"
    interval = _odds_words(change)
    since = f". Before and after {split:%d %B %Y}: {change.sentence()}" if split else interval
    if change.low is not None and change.low > 0:
        return f"Talk across {by}s has increased from the first to the second half of the period{since}"
    if change.high is not None and change.high < 0:
        return f"Talk across {by}s has decreased from the first to the second half of the period{since}"
    return f"No change of talk across {by}s between the halves of the period can be shown{since}"


def _odds_words(change: Estimate) -> str:
    """A change of log-odds in words for the top of the page."""
    value, low, high = (None if x is None else f"{math.exp(x):.2f}" for x in (change.value, change.low, change.high))
    odds = f": the odds that who joins a thread is of another group than those in it are {value} times what they were"
    return odds + (f" (95% interval {low} to {high})." if low and high else ".")


def _level_words(level: Estimate | str, by: str) -> str:
    if isinstance(level, str):
        return f"Whether people seek or avoid other {by}s cannot be said: {level}"
    if level.high is not None and level.high < 0:
        verb = f"less across {by}s than if participants of the same channel and period were seated at random"
    elif level.low is not None and level.low > 0:
        verb = f"more across {by}s than if participants of the same channel and period were seated at random"
    else:
        verb = f"across {by}s about as random seating within channel and period would have them"
    return f"People talk {verb}: {level.sentence()}"


def _section_momentum(context: Context) -> Section:
    forum, options = context.forum, context.options
    weeks = weekly_momentum(forum)
    whole = weeks.filter("is_complete")
    if whole.is_empty():
        raise NotAnswerableError("Momentum needs a complete week.", got=f"{weeks.height} weeks, none complete.")
    recent = whole.tail(_RECENT_WEEKS)
    active, share = recent.select(pl.col("n_active", "active_share").mean()).row(0)
    words = f"In the last {recent.height} complete weeks {format_number(active)} people a week wrote"
    words += f", {share:.1%} of the roster." if isinstance(share, float) else "; how many could have is not recorded."
    change = _try(lambda: momentum_change(forum, draws=options.draws, rng=options.rng))
    picture = _picture(
        lambda ax: plot.plot_momentum(weeks, ax=ax, campaigns=forum.campaigns),
        caption="People who wrote each week: active = new + retained + returned. Grey, below: wrote the week before "
        "and not in this one. A campaign's line says when it began, not that it caused anything.",
        height=4,
    )
    header = {name: words for name, words in _WEEK.items() if whole[name].null_count() < whole.height}
    return Section(
        "momentum",
        TITLES["momentum"],
        headline=_trend_words(change),
        answer=[words, change if isinstance(change, str) else f"Largest change of level: {change.sentence()}"],
        figures=[picture],
        tables=[_table(recent.sort("week", descending=True), "The last complete weeks", header=header)],
    )


_RECENT_WEEKS = 8
_WEEK = {
    "week": "week of",
    "n_posts": "posts",
    "n_active": "active",
    "n_new": "new",
    "n_retained": "retained",
    "n_returned": "returned",
    "n_lost": "lost",
    "n_roster": "roster",
    "active_share": "active share",
    "active_share_low": "from",
    "active_share_high": "to",
}


def _trend_words(change: Estimate | str) -> str:
    if isinstance(change, str):
        return f"Whether activity has changed cannot be said: {change}"
    if change.p_value is None or change.p_value >= _ALPHA:
        return "The weekly number of people who write shows no change of level beyond chance."
    if change.low is None or change.high is None:
        return "The weekly number of people who write has changed, but by how much cannot be said: too few write."
    verb = "risen" if change.value > 1 else "fallen"
    interval = f"95% interval {format_number(change.low)} to {format_number(change.high)}"
    return (
        f"The weekly number of people who write has {verb} to {change.value:.2f} times the level before ({interval})."
    )


_ALPHA = 0.05


def _section_answers(context: Context) -> Section:
    forum = context.forum
    waits = time_to_answer(forum)
    if not waits["n_questions"].sum():
        raise NotAnswerableError("Waiting for an answer needs dated questions.", got="There are none.")
    headline = _answered_words(waits.row(0, named=True))
    change = _try(lambda: waiting_time_change(forum, split_at=_middle(forum)))
    trend = change if isinstance(change, str) else f"First against second half of the period: {change.sentence()}"
    picture = _picture(
        lambda ax: plot.plot_waiting(waiting_curve(forum), ax=ax),
        caption="Share of questions still without an answer, by hours since asked; the band is the 95% interval. "
        "Questions that are still open count as waiting.",
    )
    tables = [_table(_waits_by_space(context), "By space", folded=True)] if forum.supports("spaces") != "no" else []
    return Section("answers", TITLES["answers"], headline, [headline, trend], [picture], tables)


def _answered_words(row: Mapping[str, Any]) -> str:
    """How many are answered, and how soon; shares only of enough questions."""
    n, share = row["n_questions"], row["answered_7d_share"]
    low, high = row["answered_7d_share_low"], row["answered_7d_share_high"]
    if n < _LEAST_QUESTIONS or share is None:
        why = "too few for shares" if n < _LEAST_QUESTIONS else "none followed for a week"
        return f"{row['n_answered']:,} of {_count(n, 'question')} answered so far; {why}."
    interval = "" if low is None or high is None else f" (95% interval {low:.0%} to {high:.0%})"
    median = row["median_hours"]
    soon = "." if median is None else f"; half of all questions have an answer within {_hours(median)}."
    return f"{share:.0%} of {n:,} questions are answered within a week{interval}{soon}"


_LEAST_QUESTIONS = 10


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"


_WAITS = {
    "group": "space",
    "n_questions": "questions",
    "coverage_share": "share answered so far",
    "median_hours": "median wait, hours",
    "answered_7d_share": "answered within 7 days",
    "answered_7d_share_low": "from",
    "answered_7d_share_high": "to",
}


def _waits_by_space(context: Context) -> pl.DataFrame:
    table = time_to_answer(context.forum, by="space").filter(pl.col("n_questions") >= context.options.min_group)
    return table.sort(["n_questions", "group"], descending=[True, False]).head(20).select(list(_WAITS)).rename(_WAITS)


def _section_stories(context: Context) -> Section:
    stories = list_war_stories(context.forum, by=context.by or "role")
    enough = (pl.col("slower_share") >= _SLOWER) & (pl.col("n_comparable") >= _COMPARABLE)
    shown = stories.filter(enough).head(_STORIES)
    if shown.is_empty():
        none = "No thread was solved by several helpers quicker than most comparable ones."
        return Section("stories", TITLES["stories"], answer=[none])
    return Section(
        "stories",
        TITLES["stories"],
        answer=["Solved problems worth telling, as candidates: somebody who was there should confirm each."],
        tables=[_table(shown, "Candidates", header={"story": "what happened"})],
        notes=[_STORY_NOTE],
    )


_STORIES = 6
_SLOWER = 0.5
_COMPARABLE = 10
_STORY_NOTE = (
    "Chosen for many roles and a quicker solution than comparable threads; "
    "being the best of many, they are not typical."
)


def _section_methods(context: Context) -> Section:
    return Section(
        "methods",
        TITLES["methods"],
        answer=[
            "Every number is held against a null model: what the data would look like without the effect in question.",
        ],
        tables=[TableView("Null models and yardsticks", ["question", "held against", "what is kept"], _METHODS)],
        notes=_LIMITS,
    )


_METHODS = (
    (
        "Bright spots",
        "the rate of peers with the same group, tenure and chances; rates partially pooled (gamma-Poisson empirical "
        "Bayes); selection with a local false discovery rate of at most 10 %",
        "threads of others that were open to the person",
    ),
    (
        "Talk across groups, change over time",
        "periods of whole threads permuted within channels",
        "who takes part in each thread",
    ),
    (
        "Talk across groups, level",
        "thread participants permuted within channel and quarter",
        "each person's number of threads per channel and quarter, each thread's number of people",
    ),
    ("Momentum", "an identity: active = new + retained + returned", "-"),
    (
        "Waiting for an answer",
        "Kaplan-Meier: a question still open when the export was made has waited at least that long",
        "unanswered questions",
    ),
)
_LIMITS = (
    "From logs alone nobody can say why people are silent, whether a conversation would otherwise have happened by "
    "telephone, or whether a campaign or a leader caused a change.",
    "Scores of people are uncertain and change behaviour when published. Talk to the works council and the data "
    "protection officer before using them.",
)


SECTIONS = (
    _section_data,
    _section_champions,
    _section_stories,
    _section_across,
    _section_momentum,
    _section_answers,
    _section_methods,
)
