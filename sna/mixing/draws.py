"""Draws of a null made once, and passed in place of the forum to every function that needs them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.mixing.nulls import Null, draw_counts, find_null, participation_null, require_null
from sna.mixing.pairs import EVERY, Pairs, code_joins, count_groups, lay_strata
from sna.network.network import Network
from sna.talk.windows import make_window
from sna.types import Floats, Moment

BY = "role"
"""The attribute compared unless the caller, or ready draws, say otherwise."""
LEAST_THREADS = 20
"""Threads with a joiner of known group that a claim about level, or each period of a claim about change, needs."""
LEAST_KNOWN_SHARE = 0.25
"""Share of joinings in which both groups are known (half of the people at each end) that a claim needs."""


@dataclass(frozen=True)
class MixingDraws:
    """Joinings of a forum, and draws of a null made from them once.

    Every function of this floor that draws takes it in place of the forum: the same draws then serve the matrix, the
    ladder, the verdict and the list of silent pairs.

    Attributes
    ----------
    pairs
        The joinings the draws were made from.
    counts
        Mixing counts of each draw, shape ``(draws, k, k)``.
    null
        The null they were drawn from.
    by, since, until, every
        As they were given to `draw_mixing`.
    spaces_known
        Whether the source records the space of its threads.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> ready = draw_mixing(make_forum(n_people=60, n_threads=60, rng=1).forum, draws=9, rng=1)
    >>> ready.by, ready.every, ready.counts.shape
    ('role', '1mo', (9, 5, 5))
    """

    pairs: Pairs
    counts: Floats
    null: Null
    by: str
    since: Moment
    until: Moment
    every: str
    spaces_known: bool


def draw_mixing(
    forum: Forum,
    *,
    by: str = BY,
    null: str | Null | None = None,
    since: Moment = None,
    until: Moment = None,
    every: str = EVERY,
    draws: int = 999,
    rng: np.random.Generator | int | None = None,
) -> MixingDraws:
    """Draw from a null once, for several results on the same pairs.

    Parameters
    ----------
    forum, by, since, until, every, draws, rng
        As in `mixing_matrix`.
    null
        A null of joinings; None takes the thread-participation null, the one for claims.

    Raises
    ------
    NotAnswerableError
        When the source has no spaces, too few threads, or too few people whose group is known.

    Notes
    -----
    When it misleads: draws belong to one attribute and one window. Functions refuse others instead of ignoring them.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> forum = make_forum(n_people=60, n_threads=60, rng=1).forum
    >>> ready = draw_mixing(forum, draws=9, rng=1)
    >>> bool((ready.counts.sum(axis=(1, 2)) == ready.pairs.size).all())
    True
    """
    chosen = participation_null() if null is None else find_null(null)
    if chosen.pairs != "joinings":
        raise ParameterError("Draws are of a null of joinings.", got=f"The {chosen.name} null pairs {chosen.pairs}.")
    require_null(forum, chosen)
    pairs = lay_strata(code_joins(forum, by, since=since, until=until, every=every), chosen.strata)
    require_groups(pairs, by)
    counts = draw_counts(chosen, pairs, draws=draws, rng=np.random.default_rng(rng))
    return MixingDraws(pairs, counts, chosen, by, since, until, every, spaces_known(forum))


def take_draws(
    data: Forum | MixingDraws,
    *,
    by: str | None,
    since: Moment,
    until: Moment,
    every: str | None,
    draws: int,
    rng: np.random.Generator | int | None,
) -> MixingDraws:
    """Ready draws as they are when nothing contradicts them, or new ones of a forum."""
    if isinstance(data, MixingDraws):
        require_agreement(data, by=by, since=since, until=until, every=every)
        return data
    if isinstance(data, Network):
        raise NotAnswerableError("Joinings of threads need a forum.", got="A Network.", hint="pass the forum itself")
    return draw_mixing(data, by=by or BY, since=since, until=until, every=every or EVERY, draws=draws, rng=rng)


def require_agreement(
    ready: MixingDraws, *, by: str | None, since: Moment, until: Moment, every: str | None, null: Null | None = None
) -> None:
    """Refuse what contradicts the draws; None means "as they are".

    Raises
    ------
    ParameterError
        Naming each parameter, what the draws hold and what was asked.
    """
    asked: dict[str, str | Null | None] = {"by": by, "every": every, "null": null}
    held: dict[str, str | Null] = {"by": ready.by, "every": ready.every, "null": ready.null}
    wrong = [
        f"{name}: the draws have {_say(held[name])}, asked for {_say(value)}"
        for name, value in asked.items()
        if value is not None and value != held[name]
    ]
    window = make_window(ready.since, ready.until)
    for place, (name, value) in enumerate((("since", since), ("until", until))):
        if value is not None and make_window(value, None)[0] != window[place]:
            wrong.append(f"{name}: the draws have {window[place]}, asked for {value}")
    if wrong:
        raise ParameterError(
            "Ready draws belong to one attribute, window, period and null.",
            got="; ".join(wrong) + ".",
            hint="leave the parameter out, or pass the forum itself",
        )


def _say(value: str | Null | None) -> str:
    return f"the {value.name} null" if isinstance(value, Null) else repr(value)


def spaces_known(forum: Forum) -> bool:
    """Whether nulls within spaces can be used at all."""
    try:
        require_null(forum, participation_null())
    except NotAnswerableError:
        return False
    return True


def require_groups(pairs: Pairs, by: str) -> None:
    """Refuse claims about talk across groups where hardly any group, or hardly any thread, is known.

    Raises
    ------
    NotAnswerableError
        With fewer than two known groups, fewer than 20 threads, or too few people of known group.
    """
    if len(pairs.known) < 2:
        raise NotAnswerableError(
            f"Talk across groups needs at least two values of {by!r}.",
            got=f"Known among those who joined threads: {[pairs.groups[code] for code in pairs.known] or 'none'}.",
            hint="choose another attribute, or a longer period",
        )
    both = (pairs.source_group != pairs.missing) & (pairs.target_group != pairs.missing)
    if both.mean() < LEAST_KNOWN_SHARE:
        people, known = _count_known(pairs)
        raise NotAnswerableError(
            f"Not answerable from this source: {known:,} of {people:,} people who take part have a {by}.",
            got=f"Both are known in {both.mean():.0%} of joinings; a claim needs {LEAST_KNOWN_SHARE:.0%}.",
            hint="add what is known of people: sna.add_org(forum, sna.read_org('people.csv'))",
        )
    require_threads(len(np.unique(pairs.thread[both])), by, unit="threads that somebody of known group joined")


def _count_known(pairs: Pairs) -> tuple[int, int]:
    person = np.concatenate([pairs.source, pairs.target])
    group = np.concatenate([pairs.source_group, pairs.target_group])
    return len(np.unique(person)), len(np.unique(person[group != pairs.missing]))


def require_threads(found: int, what: str, *, unit: str) -> None:
    """Refuse a claim that rests on fewer than 20 threads."""
    if found < LEAST_THREADS:
        raise NotAnswerableError(
            f"Too little data: {what} needs {LEAST_THREADS} {unit}.", got=f"{found}.", hint="take a longer period"
        )


def require_pairs(pairs: Pairs) -> None:
    """Refuse an empty matrix."""
    if not pairs.size or not count_groups(pairs).sum():
        raise NotAnswerableError("Mixing needs interactions between people.", got="There are none in this window.")
