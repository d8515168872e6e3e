"""Who helped whom, and who had the chance to: the two tables on which champions are found.

A *help* is the first contribution of one person to a thread that somebody else started. A *chance* is such a thread.
Counting threads, not posts, keeps long banter from looking like help. In a source without threads (an edge list, a
stream of messages) every week in which a person is in touch with anybody stands for one thread of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.schema import TIME
from sna.talk.interactions import POSITIVE_REACTIONS, list_interactions
from sna.talk.openers import list_openers
from sna.talk.windows import WEEK, make_window, merge_spells

OPPORTUNITIES = ("auto", "reads", "memberships", "attention", "spaces", "all")
"""How a person's chances are counted; see `count_chances`."""
_READ_KINDS = ("view", "read")
_THANKS = ("thanks", "endorse")
_PRIOR_PARTICIPATIONS = 1.0
_GRACE = timedelta(days=90)
_WEEK_SECONDS = 7 * 86400
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Helping:
    """Helps, chances and spans of one forum in one window.

    Attributes
    ----------
    helps
        `list_helps`: one row per thread and helper.
    chances
        `list_chances`: one row per thread.
    spans
        ``person_id, start, end, entered_by_act, weeks``: when each human was around to act (90 days after the last
        sign of life they are taken to be gone), and the weeks from joining to leaving or the end of the window.
    since, until
        The window, both ends known.
    basis
        "threads", or "weekly contacts" for a source without threads.
    """

    helps: pl.DataFrame
    chances: pl.DataFrame
    spans: pl.DataFrame
    since: datetime
    until: datetime
    basis: str


def build_helping(
    forum: Forum, *, since: datetime | date | str | None = None, until: datetime | date | str | None = None
) -> Helping:
    """Helps, chances and spans in one window.

    Raises
    ------
    NotAnswerableError
        When the forum holds no dated posts.
    """
    start, end = make_window(since, until)
    if forum.period is None:
        raise NotAnswerableError(
            "Finding who helps needs dated posts.",
            got="No post has a time.",
            hint="map a time column to created_at",
        )
    latest = forum.observed_until or forum.period[1]
    start = max(start or forum.period[0], forum.period[0])
    end = min(end, latest) if end is not None and end <= latest else end or _just_after(latest)
    helps, chances, basis = _tables(forum, end)
    inside = helps.filter(pl.col("at") >= start)
    return Helping(
        inside,
        chances.filter(pl.col("asked_at").is_between(start, end, closed="left")),
        _spans(forum, start, end),
        start,
        end,
        basis,
    )


def list_helps(
    forum: Forum, *, since: datetime | date | str | None = None, until: datetime | date | str | None = None
) -> pl.DataFrame:
    """One row per thread and human who contributed to a thread somebody else started.

    Returns
    -------
    DataFrame
        ``thread_id, space, asker_id, asked_at, person_id, at`` (first contribution), ``post_id`` (that post),
        ``n_posts`` (contributions to the thread), ``position`` (1 for the first helper), ``n_helpers``, ``next_at``
        (when the next helper came; null for the last), ``n_accepted, n_thanks, n_likes`` (signals by others on the
        person's posts in the thread). Sorted by at, post_id.

    Notes
    -----
    ``since <= at < until``; signals after ``until`` are not counted, signals without a time are.

    When it misleads: without marked answers any later post of somebody else is a help, jokes included.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2", "3"], "thread_id": ["1", "1", "1"],
    ...                       "author_id": ["ann", "bob", "bob"], "kind": ["root", "reply", "reply"],
    ...                       "created_at": ["2024-01-01", "2024-01-02", "2024-01-03"]})
    >>> list_helps(build_forum(posts=posts)).select("asker_id", "person_id", "n_posts", "position").rows()
    [('ann', 'bob', 2, 1)]
    """
    return build_helping(forum, since=since, until=until).helps


def count_chances(forum: Forum, helping: Helping, *, opportunity: str = "auto") -> pl.DataFrame:
    """How many threads of others each human could have helped in, whether or not they did.

    Parameters
    ----------
    forum, helping
        The forum, and `build_helping` of it.
    opportunity
        "reads": views recorded for the person. "memberships": threads in the spaces of which one was a member
        at that time. "attention": threads while active, each space counted in full when the person's share of
        participations there is at least the space's share of all threads, else in proportion (shares, so that
        taking part more does not raise it; one prior participation spread like all threads). "spaces": all
        threads in each space where the person took part at all. "all": all threads while active. "auto": the
        first of these that the source can tell. Active is from joining, or the first sign of life, until
        leaving, or 90 days after the last.

    Returns
    -------
    DataFrame
        ``person_id, n_chances, n_chances_people, opportunity``: threads, and distinct people who started them (each
        person's threads share a weight of one). Silent people are included.

    Raises
    ------
    ParameterError
        For an unknown opportunity, or memberships where there are none.
    """
    rule = _opportunity_rule(forum, helping, opportunity)
    if rule == "reads":
        return _count_reads(forum, helping)
    cells = _cells(forum, helping, rule)
    counted = _count_in_cells(helping.chances, cells)
    total = counted.group_by("person_id").agg(pl.col("n_chances").sum(), pl.col("n_chances_people").sum())
    people = helping.spans.select("person_id")
    return people.join(total, on="person_id", how="left", maintain_order="left").with_columns(
        pl.col("n_chances", "n_chances_people").fill_null(0.0).clip(lower_bound=0.0), opportunity=pl.lit(rule)
    )


def list_opportunities(forum: Forum) -> tuple[str, ...]:
    """The definitions of opportunity this forum can support, the default one first."""
    spaces = forum.posts["space"].drop_nulls().n_unique()
    read = forum.events["kind"].is_in(_READ_KINDS).any() and forum.supports("reads") == "yes"
    found: tuple[str, ...] = ("reads",) if read else ()
    found += ("memberships",) if not forum.memberships.is_empty() and spaces else ()
    return (*found, *(("attention", "spaces") if spaces > 1 else ()), "all")


def _opportunity_rule(forum: Forum, helping: Helping, opportunity: str) -> str:
    if opportunity not in OPPORTUNITIES:
        raise ParameterError(f"opportunity is one of {', '.join(OPPORTUNITIES)}.", got=f"Got {opportunity!r}.")
    if helping.basis != "threads":
        return "all"
    known = list_opportunities(forum)
    if opportunity in ("reads", "memberships") and opportunity not in known:
        raise ParameterError(
            f"opportunity={opportunity!r} needs them recorded per person.",
            got="They are not.",
            hint="opportunity='auto'",
        )
    return known[0] if opportunity == "auto" else opportunity


def _tables(forum: Forum, until: datetime) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    if has_threads(forum):
        acts = list_interactions(forum, kinds=("answer",), until=until)
        chances = list_chances(forum)
        asked = list_openers(forum).select("thread_id", asked_at="started_at")
        basis = "threads"
    else:
        acts, chances = _weekly_contacts(forum, until)
        asked = chances.select("thread_id", "asked_at")
        basis = "weekly contacts"
    helps = _first_acts(acts).join(asked, on="thread_id", how="left", maintain_order="left")
    helps = helps.join(_recognition(forum, until), on=["thread_id", "person_id"], how="left", maintain_order="left")
    counts = pl.col("n_accepted", "n_thanks", "n_likes").fill_null(0)
    return helps.with_columns(counts).select(*_HELP_COLUMNS), chances, basis


_HELP_COLUMNS = (
    "thread_id",
    "space",
    "asker_id",
    "asked_at",
    "person_id",
    "at",
    "post_id",
    "n_posts",
    "position",
    "n_helpers",
    "next_at",
    "n_accepted",
    "n_thanks",
    "n_likes",
)


def has_threads(forum: Forum) -> bool:
    """Whether the source knows which posts belong together (a forum made by hand is taken at its word)."""
    if forum.states_capabilities:
        return forum.supports("threads") != "no"
    return forum.posts["thread_id"].is_duplicated().any()


def list_chances(forum: Forum) -> pl.DataFrame:
    """Threads that a human started: ``thread_id, space, asker_id, asked_at, weight`` (1 / threads of that asker).

    Where the opening post has no time, ``asked_at`` is the first time known in the thread.
    """
    humans = forum.people.filter(pl.col("kind") == "human")["person_id"].implode()
    asked_at = pl.coalesce("started_at", "first_at")
    return (
        list_openers(forum)
        .filter(pl.col("asker_id").is_in(humans) & asked_at.is_not_null())
        .select("thread_id", "space", "asker_id", asked_at=asked_at)
        .with_columns(weight=1.0 / pl.len().over("asker_id"))
        .sort("asked_at", "thread_id")
    )


def _weekly_contacts(forum: Forum, until: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Acts and pseudo-threads for a source that only knows who turned to whom."""
    kinds = [k for k, need in (("reply", "reply_parent"), ("mention", "mentions")) if forum.supports(need) != "no"]
    if not kinds:
        raise NotAnswerableError(
            "Finding who helps needs threads, replies or mentions.",
            got=f"A {forum.source.platform} export of this kind records none.",
            hint="sna.list_capabilities(forum)",
        )
    acts = list_interactions(forum, kinds=kinds, until=until)
    week = pl.col("at").dt.truncate(WEEK)
    name = pl.concat_str(pl.col("target"), week.dt.strftime("%Y-%m-%d"), separator=" ")
    acts = acts.filter(pl.col("at").is_not_null()).with_columns(thread_id=name, space=pl.lit(None, pl.String))
    sides = [acts.select(pl.col(side).alias("asker_id"), week.alias("asked_at")) for side in ("source", "target")]
    chances = pl.concat(sides).unique().sort("asked_at", "asker_id")
    names = pl.concat_str(pl.col("asker_id"), pl.col("asked_at").dt.strftime("%Y-%m-%d"), separator=" ")
    return acts, chances.select(
        names.alias("thread_id"),
        pl.lit(None, pl.String).alias("space"),
        "asker_id",
        "asked_at",
        (1.0 / pl.len().over("asker_id")).alias("weight"),
    )


def _first_acts(acts: pl.DataFrame) -> pl.DataFrame:
    """One row per thread and helper, with their place among the helpers. Acts lie in order of time and post."""
    first = (
        acts.filter(pl.col("at").is_not_null())
        .group_by("thread_id", "source", maintain_order=True)
        .agg(
            pl.col("space", "at", "post_id").first(),
            pl.col("target").first().alias("asker_id"),
            pl.len().cast(pl.Int64).alias("n_posts"),
        )
        .rename({"source": "person_id"})
        .sort("at", "post_id", "person_id")
    )
    return first.with_columns(
        position=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("thread_id"),
        n_helpers=pl.len().cast(pl.Int64).over("thread_id"),
        next_at=pl.col("at").shift(-1).over("thread_id"),
    )


def _recognition(forum: Forum, until: datetime) -> pl.DataFrame:
    """Signals by others on each person's posts, by thread and person."""
    posts = forum.posts.select("post_id", "thread_id", pl.col("author_id").alias("person_id"), "created_at")
    others = forum.signals.filter(pl.col("at").is_null() | (pl.col("at") < until)).rename({"person_id": "giver"})
    joined = others.join(posts, on="post_id", how="inner").filter(
        pl.col("person_id").is_not_null()
        & (pl.col("giver").is_null() | (pl.col("giver") != pl.col("person_id")))
        & (pl.col("created_at") < until)
    )
    kind, n = pl.col("kind"), pl.col("n")
    thanks = kind.is_in(_THANKS)
    liked = (kind.is_in(POSITIVE_REACTIONS) | kind.str.starts_with("emoji:")) & ~thanks
    return joined.group_by("thread_id", "person_id").agg(
        n.filter(kind == "accept").sum().alias("n_accepted"),
        n.filter(thanks).sum().alias("n_thanks"),
        n.filter(liked).sum().alias("n_likes"),
    )


def _spans(forum: Forum, since: datetime, until: datetime) -> pl.DataFrame:
    """When each human could act: from joining, or from the first sign of life, until leaving or the end."""
    posts = forum.posts.select(pl.col("author_id").alias("person_id"), at="created_at")
    events = forum.events.select("person_id", "at")
    seen = pl.concat([posts, events]).drop_nulls().filter(pl.col("at") < until)
    seen_at = seen.group_by("person_id").agg(pl.col("at").min().alias("first_seen"), pl.col("at").max().alias("last"))
    humans = forum.people.filter(pl.col("kind") == "human").select("person_id", "joined_at", "left_at")
    rows = humans.join(seen_at, on="person_id", how="left", maintain_order="left")
    start = pl.min_horizontal("joined_at", "first_seen").fill_null(until)
    by_act = pl.col("first_seen").is_not_null() & (pl.col("joined_at").is_null() | (start < pl.col("joined_at")))
    here = pl.min_horizontal(pl.col("left_at").fill_null(until), pl.lit(until, TIME))
    gone = pl.min_horizontal(here, pl.max_horizontal("last", "joined_at") + _GRACE)
    start = pl.max_horizontal(start, pl.lit(since, TIME))
    return rows.select(
        "person_id",
        start.alias("start"),
        gone.alias("end"),
        (by_act & (pl.col("first_seen") >= since)).alias("entered_by_act"),
        weeks=((here - start).dt.total_seconds() / _WEEK_SECONDS).clip(lower_bound=0.0),
    )


def _count_reads(forum: Forum, helping: Helping) -> pl.DataFrame:
    inside = pl.col("at").is_between(helping.since, helping.until, closed="left")
    reads = forum.events.filter(pl.col("kind").is_in(_READ_KINDS) & inside)
    counts = reads.group_by("person_id").agg(pl.col("n").sum().cast(pl.Float64).alias("n_chances"))
    people_share = helping.chances["asker_id"].n_unique() / max(helping.chances.height, 1)
    rows = helping.spans.select("person_id").join(counts, on="person_id", how="left", maintain_order="left")
    return rows.with_columns(pl.col("n_chances").fill_null(0.0)).with_columns(
        n_chances_people=pl.col("n_chances") * people_share, opportunity=pl.lit("reads")
    )


def _cells(forum: Forum, helping: Helping, rule: str) -> pl.DataFrame:
    """``person_id, space, start, end, share``: when and with which share each person could see each space.

    A null space means every space.
    """
    spans = helping.spans.select("person_id", "start", "end")
    everywhere = spans.with_columns(space=pl.lit(None, pl.String), share=pl.lit(1.0))
    if rule == "all":
        return everywhere
    if rule == "memberships":
        return _membership_cells(forum, spans)
    taken = _participations(forum, helping)
    own = taken.join(spans, on="person_id")
    columns = ("person_id", "start", "end", "space", "share")
    if rule == "spaces":
        return own.with_columns(share=pl.lit(1.0)).select(columns)
    total = pl.col("n").sum().over("person_id")
    sizes = helping.chances.group_by(pl.col("space").fill_null("")).len("size")
    own = own.join(sizes, on="space", how="inner").with_columns(
        elsewhere=_PRIOR_PARTICIPATIONS / (total + _PRIOR_PARTICIPATIONS),
        relative=pl.col("n") / (total + _PRIOR_PARTICIPATIONS) * helping.chances.height / pl.col("size"),
    )
    own = own.with_columns(share=pl.col("relative").clip(upper_bound=1 - pl.col("elsewhere")))
    rest = own.group_by("person_id").agg(pl.col("elsewhere").first())
    prior = everywhere.drop("share").join(rest, on="person_id", how="left")
    prior = prior.with_columns(pl.col("elsewhere").fill_null(1.0).alias("share"))
    return pl.concat([own.select(columns), prior.select(columns)])


def _membership_cells(forum: Forum, spans: pl.DataFrame) -> pl.DataFrame:
    """Spells of membership cut to the person's span; overlapping spells of one space are merged into one."""
    cut = forum.memberships.join(spans, on="person_id").select(
        "person_id",
        "space",
        pl.max_horizontal("start", pl.col("valid_from").fill_null(_EARLIEST)).alias("start"),
        pl.min_horizontal("end", pl.col("valid_to").fill_null(pl.col("end"))).alias("end"),
    )
    merged = merge_spells(cut, by=("person_id", "space"))
    return merged.select("person_id", "start", "end", "space", share=pl.lit(1.0))


def _participations(forum: Forum, helping: Helping) -> pl.DataFrame:
    """Threads each human took part in, by space: ``person_id, space, n``."""
    posts = forum.posts.filter(
        pl.col("author_id").is_in(helping.spans["person_id"].implode())
        & pl.col("created_at").is_between(helping.since, helping.until, closed="left")
    )
    return posts.group_by(pl.col("author_id").alias("person_id"), pl.col("space").fill_null("")).agg(
        pl.col("thread_id").n_unique().alias("n")
    )


def _count_in_cells(chances: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """Threads of others inside each cell, weighted by its share: two binary searches per cell."""
    threads = chances.select(
        pl.col("space").fill_null(""), "asker_id", "weight", pl.col("asked_at").dt.epoch("us").alias("at")
    )
    anywhere = cells["space"].is_null().to_numpy()
    whole, single = cells.filter(pl.col("space").is_null()), cells.filter(pl.col("space").is_not_null())
    values = []
    for value in (pl.lit(1.0), pl.col("weight")):
        rows = threads.with_columns(value=value)
        count = np.zeros(cells.height)
        count[~anywhere] = _window_sums(rows, single)
        count[anywhere] = _window_sums(rows.with_columns(space=pl.lit("")), whole)
        values.append(count * cells["share"].to_numpy())
    return cells.select("person_id").with_columns(n_chances=pl.Series(values[0]), n_chances_people=pl.Series(values[1]))


def _window_sums(threads: pl.DataFrame, cells: pl.DataFrame) -> NDArray[np.float64]:
    """Sum of ``value`` over threads of the cell's space inside its span, without the person's own threads."""
    if threads.is_empty() or cells.is_empty():
        return np.zeros(cells.height)
    names = threads["space"].unique().sort()
    codes = pl.DataFrame({"space": names, "code": np.arange(names.len(), dtype=np.int64)})
    spans = cells.select(
        pl.col("space").fill_null(""), "person_id", pl.col("start", "end").dt.epoch("us")
    ).with_row_index("row")
    spans = spans.join(codes, on="space", how="left", maintain_order="left").with_columns(pl.col("code").fill_null(-1))
    rows = threads.join(codes, on="space", how="left", maintain_order="left")
    everyone = _sums(rows, spans)
    owners = pl.concat([rows["asker_id"], spans["person_id"]]).unique().sort()
    ids = pl.DataFrame({"id": owners, "who": np.arange(owners.len(), dtype=np.int64)})
    wide = owners.len()
    own_rows = rows.join(ids, left_on="asker_id", right_on="id", how="left", maintain_order="left")
    own_spans = spans.join(ids, left_on="person_id", right_on="id", how="left", maintain_order="left")
    code = (pl.when(pl.col("code") >= 0).then(pl.col("code") * wide + pl.col("who")).otherwise(-1)).alias("code")
    return everyone - _sums(own_rows.with_columns(code), own_spans.with_columns(code))


def _sums(rows: pl.DataFrame, spans: pl.DataFrame) -> NDArray[np.float64]:
    """Sums of ``value`` by code and time window, through one sorted array."""
    ordered = rows.sort("code", "at")
    at = ordered["at"].to_numpy()
    origin, width = int(at.min()), int(at.max() - at.min()) + 2
    ranks = np.unique(at)
    step = ranks.size + 1
    key = ordered["code"].to_numpy() * step + np.searchsorted(ranks, at)
    running = np.concatenate([[0.0], np.cumsum(ordered["value"].to_numpy())])
    code = spans["code"].to_numpy()
    ends = [np.clip(spans[name].to_numpy(), origin - 1, origin + width) for name in ("start", "end")]
    low, high = (np.searchsorted(key, code * step + np.searchsorted(ranks, end)) for end in ends)
    return np.where(code >= 0, running[np.maximum(high, low)] - running[low], 0.0)


def _just_after(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() + 1, UTC)
