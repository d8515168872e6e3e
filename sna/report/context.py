"""What all questions of the report share: the forum as it may be shown, the window, the groups, names of people."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict, TypeVar

import polars as pl

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.people.privacy import clean_label, pseudonymise
from sna.people.suppression import FLOOR
from sna.report.layout import Section
from sna.talk.windows import cut_window, make_window
from sna.types import Moment

Result = TypeVar("Result")
_GROUPINGS = ("role", "department", "level", "job_title", "platform_role")
_SHORTEST_LABEL = 4


@dataclass(frozen=True)
class ReportOptions:
    """How to write a report.

    Attributes
    ----------
    by
        Attribute for cross-role conversations; None takes the first known of role, department, level, job_title,
        platform_role.
    since, until
        Window of the report, ``since <= at < until``; None has no limit.
    split_at
        Date, or name of a campaign, whose before and after are compared for talk across roles; None searches for the
        date of the largest change and corrects for the search.
    names
        Show names instead of pseudonyms.
    min_group
        Groups with fewer active people are not shown (10 by default, at least 5).
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
    since: Moment = None
    until: Moment = None
    split_at: Moment = None
    names: bool = False
    min_group: int = 10
    key: bytes | None = None
    draws: int = 499
    rng: int = 0
    progress: bool = False


class Window(TypedDict):
    """A window as keyword arguments."""

    since: Moment
    until: Moment


class Chance(TypedDict):
    """Monte-Carlo draws and their seed as keyword arguments."""

    draws: int
    rng: int


@dataclass(frozen=True)
class Context:
    """What every question gets: the forum as it may be shown, and how to show it.

    Attributes
    ----------
    forum
        With pseudonyms unless names are shown; roles as they are, because peers are compared by them.
    grouped
        The same forum, in which people of small groups have no group: for all that names groups.
    options
        As the caller gave them.
    by
        The attribute that makes groups; None when nobody has any.
    labels
        What each person is called in the report.
    groups
        Groups large enough to be shown.
    """

    forum: Forum
    grouped: Forum
    options: ReportOptions
    by: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()

    def label(self, person_id: str) -> str:
        """A person's name or pseudonym."""
        return self.labels.get(person_id, person_id)

    @property
    def window(self) -> Window:
        """``since`` and ``until``, for the functions that take them."""
        return {"since": self.options.since, "until": self.options.until}

    @property
    def chance(self) -> Chance:
        """``draws`` and ``rng``, for the functions that take them."""
        return {"draws": self.options.draws, "rng": self.options.rng}

    @property
    def group_word(self) -> str:
        """What a group is called in a sentence: "role", "job title"."""
        return (self.by or "role").replace("_", " ")


@dataclass(frozen=True)
class Question:
    """One question of the report; ``answer`` raises `NotAnswerableError` where the source cannot support it."""

    id: str
    title: str
    answer: Callable[[Context], Section]


def build_context(forum: Forum, options: ReportOptions) -> Context:
    """Replace names, find the groups that may be shown, and collect what the questions share.

    Raises
    ------
    ParameterError
        For a group size under 5, an empty window, or an attribute nobody has.
    """
    if options.min_group < FLOOR:
        raise ParameterError(f"min_group is at least {FLOOR}.", got=f"Got {options.min_group}.")
    make_window(options.since, options.until)
    by = _grouping(forum, options.by)
    if options.names:
        labels = {p: clean_label(name or p) for p, name in forum.people.select("person_id", "name").iter_rows()}
    else:
        forum = _with_words(pseudonymise(forum, key=options.key or secrets.token_bytes(32)), forum)
        labels = short_labels(forum.people["person_id"].to_list())
    if by is None:
        return Context(forum, forum, options, None, labels)
    kept = _large_groups(forum, by, options)
    small = (pl.col("attribute") == by) & ~pl.col("value").is_in(kept)
    value = pl.when(~small).then("value")  # null, not dropped: an earlier spell without an end must not go on
    grouped = replace(forum, roles=forum.roles.with_columns(value.alias("value")))
    return Context(forum, grouped, options, by, labels, frozenset(kept))


def _with_words(shown: Forum, known: Forum) -> Forum:
    """Texts and names stay for what compares them (is this a question? are these two accounts of one person?).

    No section prints a text, and people are printed by `Context.label` only.
    """
    words = known.posts.select("post_id", "text", pl.col("author_id").alias("_author"))
    posts = shown.posts.drop("text").join(words, on="post_id", how="left", maintain_order="left")
    new = posts.select("_author", "author_id").drop_nulls().unique("author_id")
    names = new.join(known.people.select("person_id", "name"), left_on="_author", right_on="person_id")
    people = shown.people.drop("name").join(
        names.select("author_id", "name"), left_on="person_id", right_on="author_id", how="left", maintain_order="left"
    )
    return replace(shown, posts=posts.select(shown.posts.columns), people=people.select(shown.people.columns))


def _grouping(forum: Forum, asked: str | None) -> str | None:
    known = set(forum.roles["attribute"])
    if asked is not None and asked not in known:
        names = ", ".join(sorted(known)) or "none"
        raise ParameterError(f"--by needs an attribute of people, such as {names}.", got=f"Got {asked!r}.")
    return asked or next((name for name in _GROUPINGS if name in known), None)


def short_labels(pseudonyms: list[str]) -> dict[str, str]:
    """The shortest ends of pseudonyms, at least four characters, that still tell everybody apart.

    Examples
    --------
    >>> short_labels(["person-0c806ca38a87", "person-11116ca38a87"])
    {'person-0c806ca38a87': 'Person 06ca38a87', 'person-11116ca38a87': 'Person 16ca38a87'}
    """
    longest = max((len(name) for name in pseudonyms), default=_SHORTEST_LABEL)
    for size in range(_SHORTEST_LABEL, longest):
        if len({name[-size:] for name in pseudonyms}) == len(pseudonyms):
            return {name: f"Person {name[-size:]}" for name in pseudonyms}
    return {}


def _large_groups(forum: Forum, by: str, options: ReportOptions) -> list[str]:
    """Groups of which at least ``min_group`` people wrote in the window."""
    humans = forum.people.filter(pl.col("kind") == "human").select("person_id")
    posts = forum.posts.select(pl.col("author_id").alias("person_id"), at="created_at")
    writers = cut_window(posts, since=options.since, until=options.until).join(humans, on="person_id", how="semi")
    active = writers.select("person_id").unique()
    spells = forum.roles.filter(pl.col("attribute") == by).join(active, on="person_id", how="semi")
    sizes = spells.group_by("value").agg(pl.col("person_id").n_unique().alias("n"))
    return sizes.filter(pl.col("n") >= options.min_group)["value"].to_list()


def try_answer(compute: Callable[[], Result]) -> Result | str:
    """The result, or in words why there is none."""
    try:
        return compute()
    except NotAnswerableError as error:
        return str(error)
