"""Who acted toward whom, when and how: the table from which every network is made.

One row is one interaction: ``source`` acts toward ``target``. The rules are named (`EDGE_RULES`), versioned and chosen
with ``kinds=``. A time window cuts interactions, never posts, so that a recent reply to an old post is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from sna.errors import ParameterError
from sna.forum import Forum, require_capabilities
from sna.schema import TIME
from sna.talk.openers import list_openers
from sna.talk.windows import Window, in_window, make_window
from sna.types import Moment

COLUMNS: Mapping[str, Any] = {
    "source": pl.String,
    "target": pl.String,
    "at": TIME,
    "kind": pl.String,
    "post_id": pl.String,
    "thread_id": pl.String,
    "space": pl.String,
    "weight": pl.Float64,
}
REPLY_RULES = ("recorded", "root", "previous")
LEFT_OUT = ("self", "bot", "unknown_author", "undated", "no_parent", "large_thread")
"""Reasons for which an interaction is left out; see `count_left_out`."""
POSITIVE_REACTIONS = ("like", "upvote", "endorse", "thanks")
"""Signal kinds that count as a reaction, with every ``emoji:<code>`` but thumbs down; flags and bookmarks do not."""
_EMOJI_AGAINST = ("emoji:-1", "emoji:thumbs_down", "emoji:thumbsdown", "emoji:\N{THUMBS DOWN SIGN}")


@dataclass(frozen=True)
class EdgeRule:
    """One named way to make an interaction out of posts, mentions or signals.

    Attributes
    ----------
    kind
        The name used in ``kinds=``.
    version
        Raised whenever the rule gives other rows from the same forum; recorded on each `sna.Network`.
    source, target
        Who acts, and toward whom.
    at
        What the time of the interaction is.
    needs
        Capabilities of the source it requires.
    partial
        Whether "partial" is enough of them.
    """

    kind: str
    version: int
    source: str
    target: str
    at: str
    needs: tuple[str, ...]
    partial: bool = True


EDGE_RULES: Mapping[str, EdgeRule] = {
    rule.kind: rule
    for rule in (
        EdgeRule("reply", 1, "author of a post", "author of the post it answers", "post", ("reply_parent",)),
        EdgeRule("answer", 2, "author of an answer", "author of the thread's first post", "post", ("threads",)),
        EdgeRule("acceptance", 2, "who accepted, else the asker", "author of it", "acceptance", ("acceptance",)),
        EdgeRule("mention", 1, "author of a post", "each person mentioned in it, once", "post", ("mentions",)),
        EdgeRule("reaction", 1, "who reacted", "author of the post", "reaction", ("reactions",), partial=False),
        EdgeRule(
            "co_participation",
            1,
            "each participant of a thread",
            "each other participant",
            "first post of the later of the two",
            ("threads",),
        ),
    )
}
"""The edge rules by name; `list_edge_rules` shows them as a table."""


def is_positive_reaction() -> pl.Expr:
    """Whether the signal ``kind`` of a row is a reaction in favour: `POSITIVE_REACTIONS` or an ``emoji:<code>``.

    Examples
    --------
    >>> kinds = pl.DataFrame({"kind": ["like", "emoji:tada", "flag"]})
    >>> kinds.select(is_positive_reaction())["kind"].to_list()
    [True, True, False]
    """
    emoji = pl.col("kind").str.starts_with("emoji:") & ~pl.col("kind").is_in(_EMOJI_AGAINST)
    return pl.col("kind").is_in(POSITIVE_REACTIONS) | emoji


def list_edge_rules() -> pl.DataFrame:
    """The edge rules: ``kind, version, source, target, at, needs``.

    Examples
    --------
    >>> list_edge_rules()["kind"].to_list()
    ['reply', 'answer', 'acceptance', 'mention', 'reaction', 'co_participation']
    """
    rows = [(r.kind, r.version, r.source, r.target, r.at, ", ".join(r.needs)) for r in EDGE_RULES.values()]
    return pl.DataFrame(rows, schema=["kind", "version", "source", "target", "at", "needs"], orient="row")


def list_interactions(
    forum: Forum,
    *,
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    bots: bool = False,
    self_ties: bool = False,
    reply_rule: str = "recorded",
    max_thread_people: int | None = 50,
) -> pl.DataFrame:
    """Who acted toward whom: one row per interaction.

    Parameters
    ----------
    forum
        Any forum. Its people keep their place whether they opted out or not: opting out hides a person in
        person-level results, and does not change the counts of others.
    kinds
        Names of `EDGE_RULES`. Several kinds are stacked: a reply that is also an answer then has two rows.
    since, until
        Keep interactions with ``since <= at < until`` (a time without zone is UTC; text is read as ISO 8601). Both
        posts of a reply need not be in the window. Interactions without a time are kept only without a window.
    bots
        True keeps interactions from and to bots and system accounts.
    self_ties
        True keeps what people do toward themselves.
    reply_rule
        Whom a reply answers: "recorded" (the parent the source wrote down), "root" (the thread's first post) or
        "previous" (the post before it in the thread, by time then id). Slack, Teams and Mattermost know only the root:
        compare such a forum with others under "root".
    max_thread_people
        Co-participation skips threads with more participants (an announcement with 300 "thank you" is not 44,850
        conversations); None skips none.

    Returns
    -------
    DataFrame
        ``source, target, at, kind, post_id, thread_id, space, weight``, sorted by time, post, source, target, kind.
        ``weight`` is 1, or the number of reactions in one row of the source. Co-participation has two rows per pair,
        one each way.

    Raises
    ------
    ParameterError
        For an unknown kind or reply rule, an empty window or a time that cannot be read.
    NotAnswerableError
        When the source does not record what a rule needs. If a forum declares no capabilities, everything is assumed
        to be available.

    Notes
    -----
    Edge rules are a choice, not a fact: `count_left_out` tells what each choice leaves out, and a headline should hold
    under more than one ``reply_rule``.

    When it misleads: under "root" every network is a set of stars around those who start threads; under "previous" a
    reply in a busy thread is credited to whoever wrote last. An "answer" in a source that does not mark answers is any
    later post of somebody else in the thread, thanks and jokes included.

    Examples
    --------
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "1"], "parent_id": [None, "1"],
    ...                       "author_id": ["ann", "bob"], "created_at": ["2024-01-01", "2024-01-02"]})
    >>> from sna.forum import build_forum
    >>> list_interactions(build_forum(posts=posts)).select("source", "target", "kind", "weight").rows()
    [('bob', 'ann', 'reply', 1.0)]
    """
    rows, _ = sift_interactions(
        forum,
        kinds=kinds,
        since=since,
        until=until,
        bots=bots,
        self_ties=self_ties,
        reply_rule=reply_rule,
        max_thread_people=max_thread_people,
    )
    return rows.sort("at", "post_id", "source", "target", "kind", "weight", nulls_last=True)


def count_left_out(forum: Forum, **options: Any) -> dict[str, int]:
    """Count the interactions `list_interactions` leaves out with the same options, by reason.

    Returns
    -------
    dict
        ``unknown_author`` (one side is not known: deleted account, anonymous vote), ``bot`` (one side is a bot or a
        system account), ``self`` (both sides are one person), ``undated`` (a window was asked for and there is no
        time), ``no_parent`` (a reply of which the source does not say what it answers), ``large_thread`` (pairs in
        threads above ``max_thread_people``). Each interaction is counted once, under the first reason in this order:
        no_parent, large_thread, undated, unknown_author, bot, self. What lies outside the window is not counted.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "1"], "parent_id": [None, "1"],
    ...                       "author_id": ["ann", "ann"], "created_at": ["2024-01-01", "2024-01-02"]})
    >>> count_left_out(build_forum(posts=posts))["self"]
    1
    """
    _, left_out = sift_interactions(forum, **options)
    return left_out


def sift_interactions(
    forum: Forum,
    *,
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    bots: bool = False,
    self_ties: bool = False,
    reply_rule: str = "recorded",
    max_thread_people: int | None = 50,
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Interactions, unsorted, and the counts of those left out; see `list_interactions` and `count_left_out`."""
    kinds = check_kinds(kinds, reply_rule=reply_rule)
    window = make_window(since, until)
    left_out = dict.fromkeys(LEFT_OUT, 0)
    makers: Mapping[str, Callable[[], pl.DataFrame]] = {
        "reply": lambda: _replies(forum, reply_rule, window, left_out),
        "answer": lambda: _answers(forum),
        "acceptance": lambda: _acceptances(forum),
        "mention": lambda: _mentions(forum),
        "reaction": lambda: _reactions(forum),
        "co_participation": lambda: _co_participations(forum, max_thread_people, window, left_out),
    }
    for kind in kinds:
        _require(forum, kind, reply_rule)
    found = pl.concat([_as_interactions(makers[kind](), kind) for kind in kinds])
    inside, undated = _cut(found, window)
    left_out["undated"] += undated
    kept, counts = _drop_strangers(inside, forum.people, bots=bots, self_ties=self_ties)
    return kept, {reason: n + counts.get(reason, 0) for reason, n in left_out.items()}


def check_kinds(kinds: Sequence[str], *, reply_rule: str = "recorded") -> tuple[str, ...]:
    """The kinds asked for, without repetition and in the order of `EDGE_RULES`.

    Raises
    ------
    ParameterError
        For a name that is not a rule, or no name at all.
    """
    asked = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    unknown = [kind for kind in asked if kind not in EDGE_RULES]
    if unknown or not asked:
        raise ParameterError(
            f"kinds holds one or more of {', '.join(EDGE_RULES)}.", got=f"Got {list(asked)}.", hint='kinds=("reply",)'
        )
    if reply_rule not in REPLY_RULES:
        raise ParameterError(f"reply_rule is one of {', '.join(REPLY_RULES)}.", got=f"Got {reply_rule!r}.")
    return tuple(kind for kind in EDGE_RULES if kind in asked)


def _require(forum: Forum, kind: str, reply_rule: str) -> None:
    rule = EDGE_RULES[kind]
    needs = rule.needs if kind != "reply" or reply_rule == "recorded" else ("threads",)
    require_capabilities(forum, needs, analysis=f"the edge rule {kind!r}", partial=rule.partial)


def _as_interactions(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    weight = pl.col("weight") if "weight" in frame.columns else pl.lit(1.0)
    return frame.with_columns(pl.lit(kind).alias("kind"), weight.cast(pl.Float64).alias("weight")).select(*COLUMNS)


def _cut(frame: pl.DataFrame, window: Window) -> tuple[pl.DataFrame, int]:
    if window == (None, None):
        return frame, 0
    return frame.filter(in_window(window)), frame["at"].null_count()


def _drop_strangers(
    frame: pl.DataFrame, people: pl.DataFrame, *, bots: bool, self_ties: bool
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Drop interactions with nobody, with bots and with oneself; count each once."""
    machines = people.filter(pl.col("kind") != "human")["person_id"].implode()
    source, target = pl.col("source"), pl.col("target")
    unknown = source.is_null() | target.is_null()
    bot = pl.lit(False) if bots else source.is_in(machines) | target.is_in(machines)
    alone = pl.lit(False) if self_ties else source == target
    reason = pl.when(unknown).then(pl.lit("unknown_author")).when(bot).then(pl.lit("bot"))
    marked = frame.with_columns(reason.when(alone).then(pl.lit("self")).alias("_reason"))
    counts = marked["_reason"].drop_nulls().value_counts()
    return marked.filter(pl.col("_reason").is_null()).drop("_reason"), dict(counts.iter_rows())


def _dated_posts(forum: Forum) -> pl.DataFrame:
    return forum.posts.select(
        "post_id", "thread_id", "parent_id", "space", pl.col("kind").alias("post_kind"), "author_id", at="created_at"
    )


def _replies(forum: Forum, rule: str, window: Window, left_out: dict[str, int]) -> pl.DataFrame:
    posts = _dated_posts(forum).rename({"author_id": "source"})
    if rule == "root":
        return _toward_asker(posts, _askers(forum))
    if rule == "previous":
        posts = posts.filter(pl.col("at").is_not_null()).sort("at", "post_id")
        before = pl.col("post_id").shift(1).over("thread_id")
        posts = posts.with_columns(before.alias("parent_id"))
    else:
        orphan = pl.col("parent_id").is_null() & (pl.col("post_kind") != "root")
        left_out["no_parent"] += posts.filter(orphan & in_window(window)).height
    return _toward_author(posts.filter(pl.col("parent_id").is_not_null()), forum, on="parent_id")


def _toward_author(frame: pl.DataFrame, forum: Forum, *, on: str) -> pl.DataFrame:
    """Add the author of the post named in column ``on`` as the target."""
    authors = forum.posts.select(pl.col("post_id").alias(on), pl.col("author_id").alias("target"))
    return frame.join(authors, on=on, how="left")


def _askers(forum: Forum) -> pl.DataFrame:
    """Who opened each thread: ``thread_id, first_id, target``."""
    return list_openers(forum).select("thread_id", first_id="post_id", target="asker_id")


def _toward_asker(posts: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    joined = posts.join(first, on="thread_id", how="left")
    return joined.filter(pl.col("post_id").ne_missing(pl.col("first_id")))


def _answers(forum: Forum) -> pl.DataFrame:
    posts = _dated_posts(forum).rename({"author_id": "source"})
    marked = posts.filter(pl.col("post_kind") == "answer")
    return _toward_asker(posts.filter(pl.col("post_kind") != "root") if marked.is_empty() else marked, _askers(forum))


def _signals(forum: Forum, which: pl.Expr) -> pl.DataFrame:
    posts = forum.posts.select("post_id", "thread_id", "space")
    given = forum.signals.filter(which).rename({"person_id": "source", "n": "weight"})
    return _toward_author(given.join(posts, on="post_id", how="left"), forum, on="post_id")


def _acceptances(forum: Forum) -> pl.DataFrame:
    accepted = _signals(forum, pl.col("kind") == "accept").drop("weight")
    askers = _askers(forum).select("thread_id", pl.col("target").alias("asker"))
    asker = pl.coalesce("source", "asker").alias("source")
    return accepted.join(askers, on="thread_id", how="left").with_columns(asker)


def _mentions(forum: Forum) -> pl.DataFrame:
    named = forum.mentions.select("post_id", pl.col("person_id").alias("target")).unique()
    return named.join(_dated_posts(forum), on="post_id", how="left").rename({"author_id": "source"})


def _reactions(forum: Forum) -> pl.DataFrame:
    return _signals(forum, is_positive_reaction())


def _co_participations(
    forum: Forum,
    max_people: int | None,
    window: Window,
    left_out: dict[str, int],
) -> pl.DataFrame:
    """Pairs of people in one thread, from the moment the second of them has posted."""
    posts = _dated_posts(forum).filter(pl.col("author_id").is_not_null())
    first = posts.unique(["thread_id", "author_id"], keep="first", maintain_order=True).with_row_index("order")
    size = pl.len().over("thread_id")
    if max_people is not None:
        large = first.filter(size > max_people)
        left_out["large_thread"] += _count_pairs(large, window)
        first = first.filter(size <= max_people)
    earlier = first.select("thread_id", "order", pl.col("author_id").alias("target"))
    pairs = first.join(earlier, on="thread_id", how="inner", suffix="_earlier").filter(
        pl.col("order_earlier") < pl.col("order")
    )
    there = pairs.rename({"author_id": "source"})
    back = pairs.rename({"author_id": "target", "target": "source"})
    return pl.concat([there, back.select(there.columns)])


def _count_pairs(first: pl.DataFrame, window: Window) -> int:
    """Directed pairs whose later member joined inside the window: twice the number of people there before."""
    before = first.with_columns((2 * pl.int_range(pl.len()).over("thread_id")).alias("n_pairs"))
    return int(before.filter(in_window(window))["n_pairs"].sum())
