"""From threads and responses to posts: turns, parents, acceptance, likes, bots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sna.simulate.conversation import Talk, World
from sna.simulate.design import Design, logit
from sna.simulate.words import SORTS, make_texts
from sna.types import Floats, Ints

Columns = dict[str, NDArray[Any]]

_MOST_TURNS = 12
_BOT_DELAY_HOURS = 0.02
_BOT_REPLY_SHARE = 0.1
_KINDS = ("root", "reply", "answer", "comment")


@dataclass(frozen=True)
class Posts:
    """Arrays over posts in order of time. ``parent`` is a row number, -1 for roots; bots follow the people in
    ``author``; ``first`` marks first responses; ``space`` is the true one.
    """

    thread: Ints
    parent: Ints
    author: Ints
    at: Floats
    kind: Ints
    sort: Ints
    space: Ints

    @property
    def size(self) -> int:
        """Number of posts."""
        return len(self.at)


def make_posts(world: World, *, rng: np.random.Generator) -> Posts:
    """Roots, first responses, turns between asker and responder, and bots; nothing after the export."""
    design, talk = world.design, world.talk
    blocks = [_roots(talk), _responses(design, talk, rng=rng)]
    blocks += _turns(world, rng=rng)
    if design.n_bots:
        blocks += _bots(design, talk, sum(block["at"].size for block in blocks), rng=rng)
    return _in_order(
        {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}, world.clock.n_hours
    )


def _code(sort: str) -> int:
    return SORTS.index(sort)


def _roots(talk: Talk) -> Columns:
    n = len(talk.start)
    sort = np.where(talk.is_question, _code("question"), np.where(talk.is_social, _code("social"), _code("news")))
    return {
        "thread": np.arange(n),
        "parent": np.full(n, -1),
        "author": talk.asker,
        "at": talk.start,
        "kind": np.zeros(n, dtype=np.int64),
        "sort": sort,
        "space": talk.space,
    }


def _responses(design: Design, talk: Talk, *, rng: np.random.Generator) -> Columns:
    n, threads = len(talk.thread), len(talk.start)
    question, social = talk.is_question[talk.thread], talk.is_social[talk.thread]
    follows = np.zeros(n, dtype=bool)
    follows[1:] = talk.thread[1:] == talk.thread[:-1]
    to_last = follows & ~question & (rng.random(n) < design.reply_to_last)
    return {
        "thread": talk.thread,
        "parent": np.where(to_last, threads + np.arange(n) - 1, talk.thread),
        "author": talk.person,
        "at": talk.at,
        "kind": np.where(question, _KINDS.index("answer"), _KINDS.index("reply")),
        "sort": np.where(question, _code("answer"), np.where(social, _code("fun"), _code("view"))),
        "space": talk.space[talk.thread],
    }


def _turns(world: World, *, rng: np.random.Generator) -> list[Columns]:
    """Asker and responder by turns, geometric in number, each answering the turn before."""
    design, talk = world.design, world.talk
    blocks: list[Columns] = []
    row, before = np.arange(len(talk.thread)), len(talk.start) + np.arange(len(talk.thread))
    at, size = talk.at, len(talk.start) + len(talk.thread)
    for turn in range(_MOST_TURNS):
        on = rng.random(len(row)) < design.burst
        row, before, at = row[on], before[on], at[on]
        at = world.clock.after(at, design.answer_hours * 0.5 * np.exp(rng.normal(0, 1, len(row))))
        thread = talk.thread[row]
        question = talk.is_question[thread]
        other = _code("turn") if turn else _code("thanks")
        blocks.append(
            {
                "thread": thread,
                "parent": before,
                "author": talk.person[row] if turn % 2 else talk.asker[thread],
                "at": at,
                "kind": np.where(question, _KINDS.index("comment"), _KINDS.index("reply")),
                "sort": np.full(len(row), other),
                "space": talk.space[thread],
            }
        )
        before, size = size + np.arange(len(row)), size + len(row)
    return blocks


def _bots(design: Design, talk: Talk, size: int, *, rng: np.random.Generator) -> list[Columns]:
    """Each bot starts a digest a week and answers some threads within seconds."""
    weeks = np.arange(int(design.n_weeks - design.censored_weeks), dtype=float) * 168 + 7
    bot, at = np.repeat(np.arange(design.n_bots), len(weeks)), np.tile(weeks, design.n_bots)
    at = at + bot * 0.25
    hit = np.flatnonzero(rng.random(len(talk.start)) < _BOT_REPLY_SHARE)
    who = rng.integers(0, design.n_bots, len(hit))
    digest = {
        "thread": len(talk.start) + np.arange(len(at)),
        "parent": np.full(len(at), -1),
        "author": design.n_people + bot,
        "at": at,
        "kind": np.zeros(len(at), dtype=np.int64),
        "sort": np.full(len(at), _code("digest")),
        "space": bot % design.n_spaces,
    }
    reply = {
        "thread": hit,
        "parent": hit,
        "author": design.n_people + who,
        "at": talk.start[hit] + _BOT_DELAY_HOURS,
        "kind": np.full(len(hit), _KINDS.index("reply")),
        "sort": np.full(len(hit), _code("turn")),
        "space": talk.space[hit],
    }
    return [digest, reply]


def _in_order(columns: Columns, n_hours: float) -> Posts:
    """Sort by time, keep what happened before the export, and renumber parents."""
    order = np.lexsort((np.arange(len(columns["at"])), columns["at"]))
    order = order[columns["at"][order] < n_hours]
    new = np.full(len(columns["at"]) + 1, -1)
    new[order] = np.arange(len(order))
    kept = {name: column[order] for name, column in columns.items()}
    kept["parent"] = new[kept["parent"]]
    return Posts(**kept)


def kind_names(posts: Posts) -> pl.Series:
    """Kinds of the posts in words."""
    return pl.Series(_KINDS).gather(posts.kind)


def draw_accepted(world: World, posts: Posts, *, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Accepted answers (post rows) and when: the asker picks by helpfulness, competence and order, or not at all."""
    design, staff, clock = world.design, world.staff, world.clock
    rows = np.flatnonzero(posts.kind == _KINDS.index("answer"))
    thread = posts.thread[rows]
    order = np.lexsort((rows, thread))
    rows, thread = rows[order], thread[order]
    starts = np.flatnonzero(np.diff(thread, prepend=-1))
    place = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    author = posts.author[rows]
    quality = staff.helpfulness[author] + np.log(staff.competence[author, posts.space[rows]])
    score = quality - 0.3 * place + rng.gumbel(0, 1, len(rows))
    best = np.lexsort((-score, thread))[starts]
    yes = rng.random(len(best)) < 1 / (1 + np.exp(-logit(design.acceptance) - quality[best]))
    chosen = rows[best[yes]]
    at = clock.after(posts.at[chosen], design.answer_hours * np.exp(rng.normal(0, 1, len(chosen))))
    return chosen[at < clock.n_hours], at[at < clock.n_hours]


def draw_likes(world: World, posts: Posts, *, rng: np.random.Generator) -> tuple[Ints, Ints, Floats]:
    """Likes as (post row, person row, hour), one per person and post, by readers of the space, silent ones included."""
    design, staff, clock = world.design, world.staff, world.clock
    human = posts.author < design.n_people
    mean = np.zeros(posts.size)
    mean[human] = design.likes_per_post * np.exp(staff.helpfulness[posts.author[human]] - 0.125)
    row = np.repeat(np.arange(posts.size), rng.poisson(mean))
    person = np.zeros(len(row), dtype=np.int64)
    for space in range(design.n_spaces):
        here = np.flatnonzero(posts.space[row] == space)
        total = np.cumsum(staff.presence * staff.affinity[:, space])
        picked = np.searchsorted(total, rng.random(len(here)) * total[-1], side="right")
        person[here] = np.minimum(picked, design.n_people - 1)
    at = clock.after(posts.at[row], design.answer_hours * np.exp(rng.normal(0, 1, len(row))))
    keep = (person != posts.author[row]) & (at < clock.n_hours)
    pairs, first = np.unique(row[keep] * design.n_people + person[keep], return_index=True)
    return pairs // design.n_people, pairs % design.n_people, at[keep][first]


def texts_of(posts: Posts, *, rng: np.random.Generator) -> tuple[pl.Series, pl.Series]:
    """Titles (roots only) and texts."""
    title, text = make_texts(posts.sort, rng=rng)
    root = pl.Series(posts.parent < 0)
    return pl.select(pl.when(root).then(title))[title.name], text
