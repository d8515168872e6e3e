"""Which post solved a thread, as far as the source records it: accepted, marked or thanked for by who asked."""

from __future__ import annotations

import polars as pl

from sna.errors import NotAnswerableError
from sna.forum import Forum
from sna.talk.openers import list_openers

BASES = ("accepted", "marked", "thanked")
"""What a solution rests on, strongest first: accepted; marked with a check by the asker; thanked for by the asker."""
CHECK_MARKS = (
    *("white_check_mark", "heavy_check_mark", "ballot_box_with_check", "check_mark", "check"),
    *("2705", "2714", "2611", "✅", "✔", "☑"),
)
"""Codes of the emoji that mean "done" on the platforms read here."""
LEAST_MARKED = 10
"""Solved threads a source without acceptance must record: one check mark among a thousand threads is no habit."""


def list_solutions(forum: Forum) -> pl.DataFrame:
    """The post that solved each thread, where the source records one.

    Parameters
    ----------
    forum
        Any forum.

    Returns
    -------
    DataFrame
        ``thread_id, post_id, solver_id, solved_at, basis``, sorted by thread: one row per solved thread. ``basis`` is
        one of `BASES`, the strongest known; of several posts the first written. ``solved_at`` is when the post was
        written, not when it was accepted: from then on the answer was there.

    Raises
    ------
    NotAnswerableError
        When the source records no acceptance, and fewer than ten threads marked or thanked for by the asker.

    Notes
    -----
    Only the asker can mark or thank a thread solved; acceptance counts whoever gave it (on some platforms moderators
    do). The opening post is no solution. A post by the asker is: they found it themselves.

    When it misleads: many askers never say that it worked, so the share solved is a lower bound; thanks are sometimes
    politeness. Thanks in words are not read.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2", "3"], "thread_id": ["t"] * 3, "author_id": ["a", "b", "c"],
    ...                       "kind": ["root", "answer", "answer"],
    ...                       "created_at": ["2024-01-01", "2024-01-02", "2024-01-03"]})
    >>> signals = pl.DataFrame({"post_id": ["2", "3"], "person_id": ["a", "a"], "kind": ["thanks", "accept"]})
    >>> list_solutions(build_forum(posts=posts, signals=signals)).select("post_id", "basis").rows()
    [('3', 'accepted')]
    """
    marks = [f"emoji:{code}" for code in CHECK_MARKS]
    asker = (pl.col("person_id") == pl.col("asker_id")).fill_null(value=False)
    rank = (
        pl.when(pl.col("kind") == "accept")
        .then(0)
        .when(asker & pl.col("kind").is_in(marks))
        .then(1)
        .when(asker & (pl.col("kind") == "thanks"))
        .then(2)
    )
    openers = list_openers(forum).select("thread_id", "asker_id", opener_id="post_id")
    posts = forum.posts.select("post_id", "thread_id", solver_id="author_id", solved_at="created_at")
    solved = (
        forum.signals.join(posts, on="post_id")
        .join(openers, on="thread_id")
        .with_columns(rank.alias("_rank"))
        .filter(pl.col("_rank").is_not_null() & pl.col("post_id").ne_missing(pl.col("opener_id")))
    )
    if solved.is_empty() or (solved["_rank"].min() != 0 and solved["thread_id"].n_unique() < LEAST_MARKED):
        raise NotAnswerableError(
            "Not answerable from this source: whether a question was solved needs an accepted answer, or a mark or "
            "thanks by who asked.",
            got=f"The {forum.source.platform} export records {solved['thread_id'].n_unique() or 'none'}.",
            hint='say "answered" and use time_to_answer',
        )
    first = solved.sort("_rank", "solved_at", "post_id", nulls_last=True).unique("thread_id", keep="first")
    basis = pl.col("_rank").replace_strict(dict(enumerate(BASES)), return_dtype=pl.String).alias("basis")
    return first.select("thread_id", "post_id", "solver_id", "solved_at", basis).sort("thread_id")
