"""Characters who look like champions and are none, planted into any forum: what the guards must see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from sna.errors import ParameterError
from sna.forum import Forum, build_forum
from sna.types import Floats

_TEXT = "Have you checked the settings of the second valve? Note {} of the manual is about it."
_VIEWS_PER_WEEK = 20
_NOBODY = "the forum has no dated threads"


@dataclass
class _Part:
    """What a character adds to the tables of a forum, row by row."""

    posts: list[dict[str, object]] = field(default_factory=list)
    signals: list[dict[str, object]] = field(default_factory=list)
    name: str | None = None
    role: str | None = None
    weeks: float | None = None


def add_character(forum: Forum, kind: str, *, rng: np.random.Generator | int | None = 0) -> tuple[Forum, list[str]]:
    """Add one of `CHARACTERS` to a forum.

    Parameters
    ----------
    forum
        A forum with dated threads over half a year or more.
    kind
        "pair" (two accounts that ask, answer and thank each other), "burst" (nearly all answers in one week), "program"
        (answers within half a minute), "empty" (answers "ok" everywhere), "specialist" (the only one of a role, and
        answering is the job), "newcomer" (answers in the last three weeks only), "two accounts" (one person, two
        accounts of one name), "night" (a good helper who is there when most others sleep).
    rng
        Generator or seed.

    Returns
    -------
    Forum, list
        The forum with the accounts of the character, and their ids.

    Raises
    ------
    ParameterError
        For an unknown kind, or a forum without dated threads.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> forum, accounts = add_character(make_forum(n_people=60, n_threads=300, n_weeks=52, rng=1).forum, "pair")
    >>> accounts
    ['pair-1', 'pair-2']
    """
    if kind not in CHARACTERS:
        raise ParameterError(f"kind is one of {', '.join(CHARACTERS)}.", got=f"Got {kind!r}.")
    if forum.period is None:
        raise ParameterError("A character needs dated threads to answer.", got="No post has a time.")
    part = CHARACTERS[kind](forum, np.random.default_rng(rng))
    who = sorted({str(row["author_id"]) for row in part.posts})
    if (forum.posts["kind"] == "answer").any():  # a forum that marks answers takes nothing else for help
        part.posts = [{**row, "kind": "answer" if row["kind"] == "reply" else row["kind"]} for row in part.posts]
    return _joined(forum, part, who), who


def _pick(forum: Forum, n: int, draw: np.random.Generator, *, since: float = 0.0, until: float = 0.98) -> pl.DataFrame:
    """Threads begun in a part of the period, drawn at random."""
    first, last = forum.period or (datetime.min, datetime.max)
    start, end = first + (last - first) * since, first + (last - first) * until
    roots = forum.posts.filter(
        (pl.col("kind") == "root") & pl.col("author_id").is_not_null() & pl.col("created_at").is_between(start, end)
    )
    picked = draw.choice(roots.height, min(n, roots.height), replace=False)
    return roots.select("thread_id", "post_id", "space", "created_at")[np.sort(picked).tolist()]


def _answers(who: str, threads: pl.DataFrame, hours: Floats, *, text: str = _TEXT) -> list[dict[str, object]]:
    return [
        {
            "post_id": f"{who}-{i}",
            "thread_id": thread,
            "parent_id": post,
            "author_id": who,
            "created_at": at + timedelta(hours=float(wait)),
            "space": space,
            "kind": "reply",
            "text": text.format(i),
        }
        for i, ((thread, post, space, at), wait) in enumerate(zip(threads.iter_rows(), hours, strict=True))
    ]


def _waits(n: int, draw: np.random.Generator) -> Floats:
    return np.exp(draw.normal(np.log(4.0), 1.0, n))


def _pair(forum: Forum, draw: np.random.Generator) -> _Part:
    part = _Part()
    for i, (at, space) in enumerate(_pick(forum, 80, draw).select("created_at", "space").iter_rows()):
        asks, answers = ("pair-1", "pair-2") if i % 2 else ("pair-2", "pair-1")
        thread = f"pair-t{i}"
        about = {"thread_id": thread, "space": space, "text": _TEXT.format(i)}
        part.posts.append({"post_id": thread, "author_id": asks, "created_at": at, "kind": "root", **about})
        later = at + timedelta(hours=2)
        reply = {"post_id": f"{thread}-a", "parent_id": thread, "author_id": answers, "created_at": later}
        part.posts.append({**reply, "kind": "reply", **about})
        part.signals.append({"post_id": f"{thread}-a", "person_id": asks, "kind": "like", "at": later})
    return part


def _burst(forum: Forum, draw: np.random.Generator) -> _Part:
    week = _pick(forum, 40, draw, since=0.8, until=0.8 + 7 / max(_days(forum), 7))
    rest = pl.concat([_pick(forum, 2, draw, since=a, until=a + 0.05) for a in (0.3, 0.5, 0.9)])
    threads = pl.concat([week, rest]).unique("thread_id", maintain_order=True)
    return _Part(_answers("burst-1", threads, np.full(threads.height, 2.0)))


def _program(forum: Forum, draw: np.random.Generator) -> _Part:
    threads = _pick(forum, 200, draw)
    return _Part(_answers("program-1", threads, draw.uniform(20, 40, threads.height) / 3600))


def _empty(forum: Forum, draw: np.random.Generator) -> _Part:
    threads = _pick(forum, 200, draw)
    return _Part(_answers("empty-1", threads, _waits(threads.height, draw), text="ok"))


def _specialist(forum: Forum, draw: np.random.Generator) -> _Part:
    threads = _pick(forum, 120, draw)
    return _Part(_answers("specialist-1", threads, _waits(threads.height, draw)), role="Librarian")


def _newcomer(forum: Forum, draw: np.random.Generator) -> _Part:
    threads = _pick(forum, 30, draw, since=1 - 21 / max(_days(forum), 21), until=1.0)
    return _Part(_answers("newcomer-1", threads, np.full(threads.height, 0.5)), weeks=3.0)


def _two_accounts(forum: Forum, draw: np.random.Generator) -> _Part:
    part = _Part(name="Orla Quist")
    for who in ("two accounts-1", "two accounts-2"):
        threads = _pick(forum, 60, draw)
        part.posts += _answers(who, threads, _waits(threads.height, draw))
    return part


def _night(forum: Forum, draw: np.random.Generator) -> _Part:
    """Answers at the hours farthest from the busiest one: half a day later, within two hours."""
    hours = forum.posts.drop_nulls("created_at")["created_at"].dt.hour()
    quiet = (int(np.bincount(hours.to_numpy(), minlength=24).argmax()) + 12) % 24
    threads = _pick(forum, 60, draw)
    asked = threads["created_at"].dt.hour().to_numpy()
    wait = (quiet - asked) % 24 + draw.uniform(0, 2, threads.height)
    return _Part(_answers("night-1", threads, wait))


CHARACTERS: Mapping[str, Callable[[Forum, np.random.Generator], _Part]] = {
    "pair": _pair,
    "burst": _burst,
    "program": _program,
    "empty": _empty,
    "specialist": _specialist,
    "newcomer": _newcomer,
    "two accounts": _two_accounts,
    "night": _night,
}
"""The characters by name; see `add_character`."""


def _days(forum: Forum) -> float:
    first, last = forum.period or (datetime.min, datetime.max)
    return (last - first).total_seconds() / 86400


def _joined(forum: Forum, part: _Part, who: list[str]) -> Forum:
    """All tables of the forum with the rows of the character; views and memberships only where there are any."""
    ids = pl.DataFrame({"person_id": who})
    spaces = forum.memberships.select("space").unique()
    role = pl.lit(part.role) if part.role else pl.lit(_usual_role(forum))
    roles = ids.with_columns(attribute=pl.lit("role"), value=role) if not forum.roles.is_empty() else None
    added = {
        "posts": _frame(part.posts),
        "signals": _frame(part.signals),
        "people": ids.with_columns(name=pl.lit(part.name, pl.String)),
        "memberships": ids.join(spaces, how="cross").sort("person_id", "space"),
        "events": _views(forum, ids, part.weeks),
        "roles": roles,
    }
    tables = {name: _stack(getattr(forum, name), rows) for name, rows in added.items()}
    kept = {name: getattr(forum, name) for name in ("mentions", "campaigns", "issues")}
    return build_forum(**tables, **kept, source=forum.source)


def _frame(rows: list[dict[str, object]]) -> pl.DataFrame | None:
    return pl.DataFrame(rows, infer_schema_length=None) if rows else None


def _stack(table: pl.DataFrame, rows: pl.DataFrame | None) -> pl.DataFrame:
    return table if rows is None or rows.is_empty() else pl.concat([table, rows], how="diagonal_relaxed")


def _usual_role(forum: Forum) -> str | None:
    held = forum.roles.filter(pl.col("attribute") == "role")["value"].value_counts().sort("count", "value")
    return None if held.is_empty() else str(held["value"][-1])


def _views(forum: Forum, ids: pl.DataFrame, weeks: float | None) -> pl.DataFrame | None:
    """The same number of views every week, for as long as the character is there."""
    if not (forum.events["kind"] == "view").any():
        return None
    first, last = forum.period or (datetime.min, datetime.max)
    start = first if weeks is None else last - timedelta(weeks=weeks)
    at = pl.datetime_range(start, last, "1w", time_unit="us", eager=True).alias("at")
    rows = ids.join(at.to_frame(), how="cross")
    return rows.with_columns(kind=pl.lit("view"), n=pl.lit(_VIEWS_PER_WEEK, pl.Int64))
