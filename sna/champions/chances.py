"""How many threads each person could have helped in, and how well that number is known.

A thread is a chance for a person who was around, in its space, at that time of the day. Where views are recorded, they
say so themselves. Without views, nobody can tell how much a person reads: chances then are those of somebody who was
there as others were.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from sna.champions.helps import Helping
from sna.errors import ParameterError
from sna.forum import Forum
from sna.stats.shrinkage import estimate_exposure_error
from sna.talk.windows import merge_spells
from sna.types import Floats

OPPORTUNITIES = ("auto", "reads", "memberships", "attention", "spaces", "all")
"""How a person's chances are counted; see `count_chances`."""
HOURS = 3
"""Hours in one part of the day."""
_PARTS = 24 // HOURS
_READ_KINDS = ("view", "read")
_PRIOR_PARTICIPATIONS = 1.0
# As many acts as give half the weight to a person's own hours: fewer say little about when somebody is there.
_PRIOR_ACTS = 10.0
# Hours are estimated from few acts: a person within a fifth of the others counts as there in full.
_SLACK = 1.25
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_MIN_DELAYS = 30


def count_chances(forum: Forum, helping: Helping, *, opportunity: str = "auto", hours: bool = True) -> pl.DataFrame:
    """How many threads of others each human could have helped in, whether or not they did.

    Parameters
    ----------
    forum, helping
        The forum, and `build_helping` of it.
    opportunity
        "reads": threads of others the person is recorded to have viewed. "memberships": threads in the spaces of which
        one was a member at that time. "attention": threads while active, each space counted in full when the person's
        share of participations there is at least the space's share of all threads, else in proportion (shares, so that
        taking part more does not raise it; one prior participation spread like all threads). "spaces": all threads in
        each space where the person took part at all. "all": all threads while active. "auto": the first of these that
        the source can tell. Active is from joining, or the first sign of life, until leaving or after the last sign.
    hours
        True counts a thread less when it was asked at hours at which the person is there less than others (recorded
        views need no such guess).

    Returns
    -------
    DataFrame
        ``person_id, n_chances, n_chances_people, n_chances_odd, hours_share, opportunity``: threads; distinct people
        who started them (each person's threads share a weight of one); the part of the threads that fell in odd weeks;
        the share of the threads that remained after the hours of the day were taken into account. Silent people are
        included.

    Raises
    ------
    ParameterError
        For an unknown opportunity, or memberships where there are none.

    Notes
    -----
    When it misleads: without recorded views, a person who reads much has more chances than is known here.

    Examples
    --------
    >>> from sna.champions.helps import build_helping
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "1"], "author_id": ["ann", "bob"],
    ...                       "kind": ["root", "reply"], "created_at": ["2024-01-01T09:00", "2024-01-01T10:00"]})
    >>> forum = build_forum(posts=posts)
    >>> count_chances(forum, build_helping(forum), opportunity="all").select("person_id", "n_chances").rows()
    [('ann', 0.0), ('bob', 0.0)]
    """
    rule = _opportunity_rule(forum, helping, opportunity)
    people = helping.spans.select("person_id")
    if rule == "reads":
        counted = _count_reads(forum, helping)
    else:
        cells = _cells(forum, helping, rule)
        whole = _count_in_cells(helping.chances, cells)
        there = _hours_there(forum, helping) if hours else pl.DataFrame()
        counted = whole if there.is_empty() else _count_by_hours(helping, cells, there, whole)
    names = ("n_chances", "n_chances_people", "n_chances_odd")
    table = people.join(counted, on="person_id", how="left", maintain_order="left").with_columns(
        pl.col(names).fill_null(0.0).clip(lower_bound=0.0), opportunity=pl.lit(rule)
    )
    share = pl.col("hours_share") if "hours_share" in table.columns else pl.lit(None, pl.Float64)
    return table.select("person_id", *names, share.alias("hours_share"), "opportunity")


def list_opportunities(forum: Forum) -> tuple[str, ...]:
    """The definitions of opportunity this forum can support, the default one first.

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> list_opportunities(load_example())
    ('reads', 'memberships', 'attention', 'spaces', 'all')
    """
    spaces = forum.posts["space"].drop_nulls().n_unique()
    read = forum.events["kind"].is_in(_READ_KINDS).any() and forum.supports("reads") == "yes"
    found: tuple[str, ...] = ("reads",) if read else ()
    found += ("memberships",) if not forum.memberships.is_empty() and spaces else ()
    return (*found, *(("attention", "spaces") if spaces > 1 else ()), "all")


def chance_error(helping: Helping, chances: pl.DataFrame) -> float:
    """Log standard deviation of the error in chances, estimated from odd against even weeks.

    If a person's chances are right in every week, their helps divide between odd and even weeks as their chances do;
    what they differ by beyond chance shows how far the record of chances is off. An error that is the same in all
    weeks, such as how much somebody reads where no views are recorded, cannot be seen.

    Parameters
    ----------
    helping, chances
        `build_helping`, and `count_chances` of it.

    Examples
    --------
    >>> from sna.champions.helps import build_helping
    >>> from sna.datasets import load_example
    >>> helping = build_helping(load_example())
    >>> chance_error(helping, count_chances(load_example(), helping)) < 0.3
    True
    """
    asked = helping.chances.select("thread_id", _odd_week(pl.col("asked_at")).alias("odd"))
    counts = (
        helping.helps.join(asked, on="thread_id")
        .group_by("person_id")
        .agg(pl.col("odd").sum().alias("odd"), (~pl.col("odd")).sum().alias("even"))
    )
    rows = counts.join(chances, on="person_id").filter(
        (pl.col("n_chances_odd") > 0) & (pl.col("n_chances_odd") < pl.col("n_chances"))
    )
    odd = rows["n_chances_odd"].to_numpy()
    counted = (rows["odd"].cast(pl.Float64).to_numpy(), rows["even"].cast(pl.Float64).to_numpy())
    return estimate_exposure_error(counted, (odd, rows["n_chances"].to_numpy() - odd))


def _odd_week(at: pl.Expr) -> pl.Expr:
    return at.dt.epoch("s") // (7 * 86400) % 2 == 1


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


def _count_reads(forum: Forum, helping: Helping) -> pl.DataFrame:
    """Threads of others viewed, each once; where views do not say of what, the number of views."""
    inside = pl.col("at").is_between(helping.since, helping.until, closed="left")
    reads = forum.events.filter(pl.col("kind").is_in(_READ_KINDS) & inside)
    threads = forum.posts.select(pl.col("post_id").alias("object"), "thread_id")
    whole = helping.chances.select(pl.col("thread_id").alias("object"), "thread_id")
    places = pl.concat([whole, threads]).unique("object", keep="first", maintain_order=True)
    known = (
        reads.filter(pl.col("object").is_not_null())
        .join(places, on="object")
        .unique(["person_id", "thread_id"], keep="first", maintain_order=True)
        .join(helping.chances.select("thread_id", "asker_id"), on="thread_id")
        .filter(pl.col("person_id") != pl.col("asker_id"))
        .select("person_id", "at", n=pl.lit(1.0))
    )
    unknown = reads.filter(pl.col("object").is_null()).select("person_id", "at", pl.col("n").cast(pl.Float64))
    odd = _odd_week(pl.col("at"))
    counts = (
        pl.concat([known, unknown])
        .group_by("person_id")
        .agg(pl.col("n").sum().alias("n_chances"), pl.col("n").filter(odd).sum().alias("n_chances_odd"))
    )
    people_share = helping.chances["asker_id"].n_unique() / max(helping.chances.height, 1)
    return counts.with_columns(n_chances_people=pl.col("n_chances") * people_share)


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
    return (
        _acts(forum, helping)
        .group_by("person_id", pl.col("space").fill_null(""))
        .agg(pl.col("thread_id").n_unique().alias("n"))
    )


def _acts(forum: Forum, helping: Helping) -> pl.DataFrame:
    """Posts of humans in the window: ``person_id, thread_id, space, at``."""
    posts = forum.posts.filter(
        pl.col("author_id").is_in(helping.spans["person_id"].implode())
        & pl.col("created_at").is_between(helping.since, helping.until, closed="left")
    )
    return posts.select(pl.col("author_id").alias("person_id"), "thread_id", "space", at="created_at")


def _part(at: pl.Expr) -> pl.Expr:
    return (at.dt.hour() // HOURS).cast(pl.Int32)


def _hours_there(forum: Forum, helping: Helping) -> pl.DataFrame:
    """``person_id, part, there``: how much of the threads asked in each part of the day a person is there for.

    A thread asked at some hour is helped in over the hours that follow, as helps in this forum are. A person is there
    in full (1) for the threads of a part of the day if their acts fall into those hours at least four fifths as much as
    everybody's acts do, else in proportion. Empty where there are too few helps to tell how long they take.
    """
    delays = helping.helps.filter(pl.col("asked_at").is_not_null() & (pl.col("at") >= pl.col("asked_at")))
    if helping.basis != "threads" or delays.height < _MIN_DELAYS:
        return pl.DataFrame(schema={"person_id": pl.String, "part": pl.Int32, "there": pl.Float64})
    lag = (delays.select(_part(pl.col("at")) - _part(pl.col("asked_at"))).to_series() % _PARTS).to_numpy()
    later = np.bincount(lag, minlength=_PARTS) / lag.size
    acts = _acts(forum, helping).group_by("person_id", _part(pl.col("at")).alias("part")).len("n")
    people = acts["person_id"].unique().sort()
    table = np.zeros((people.len(), _PARTS))
    table[people.search_sorted(acts["person_id"]).to_numpy(), acts["part"].to_numpy()] = acts["n"].to_numpy()
    there = _share_there(table, later)
    grid = people.to_frame().join(pl.DataFrame({"part": np.arange(_PARTS, dtype=np.int32)}), how="cross")
    return grid.with_columns(there=pl.Series(there.ravel()))


def _share_there(acts: Floats, later: Floats) -> Floats:
    """Per person and part of the day: own acts in the hours that follow, as a multiple of everybody's, at most 1."""
    usual = acts.sum(axis=0) / acts.sum()
    own = (acts + _PRIOR_ACTS * usual) / (acts.sum(axis=1, keepdims=True) + _PRIOR_ACTS)
    ahead = np.stack([np.roll(later, part) for part in range(_PARTS)], axis=1)
    reached, everybody = own @ ahead, usual @ ahead
    return np.minimum(1.0, _SLACK * reached / np.maximum(everybody, 1e-12))


def _count_by_hours(helping: Helping, cells: pl.DataFrame, hours: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
    """Chances with each part of the day counted by how much the person is there, and the share that remains."""
    parted = cells.join(hours, on="person_id", how="inner", maintain_order="left").with_columns(
        share=pl.col("share") * pl.col("there")
    )
    counted = _count_in_cells(helping.chances, parted.drop("there"))
    all_day = whole.select("person_id", pl.col("n_chances").alias("_all"))
    return counted.join(all_day, on="person_id", how="left").select(
        pl.exclude("_all"), hours_share=pl.when(pl.col("_all") > 0).then(pl.col("n_chances") / pl.col("_all"))
    )


def _count_in_cells(chances: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """Threads of others inside each cell, weighted by its share, by person: two binary searches per cell."""
    asked = pl.col("asked_at")
    threads = chances.select(
        pl.col("space").fill_null(""),
        "asker_id",
        "weight",
        at=asked.dt.epoch("us"),
        part=_part(asked) if "part" in cells.columns else pl.lit(0, pl.Int32),
        odd=_odd_week(asked).cast(pl.Float64),
    )
    spans = cells if "part" in cells.columns else cells.with_columns(part=pl.lit(0, pl.Int32))
    spans = spans.sort("person_id", "space", "part", "start")
    anywhere = spans["space"].is_null().to_numpy()
    whole, single = spans.filter(pl.col("space").is_null()), spans.filter(pl.col("space").is_not_null())
    sums = {}
    values = {"n_chances": pl.lit(1.0), "n_chances_people": pl.col("weight"), "n_chances_odd": pl.col("odd")}
    for name, value in values.items():
        rows = threads.with_columns(value=value)
        count = np.zeros(spans.height)
        count[~anywhere] = _window_sums(rows, single)
        count[anywhere] = _window_sums(rows.with_columns(space=pl.lit("")), whole)
        sums[name] = count * spans["share"].to_numpy()
    return (
        spans.select("person_id")
        .with_columns(**{name: pl.Series(v) for name, v in sums.items()})
        .group_by("person_id", maintain_order=True)
        .agg(pl.all().sum())
    )


def _window_sums(threads: pl.DataFrame, cells: pl.DataFrame) -> Floats:
    """Sum of ``value`` over threads of the cell's space and part inside its span, without the person's own threads."""
    if threads.is_empty() or cells.is_empty():
        return np.zeros(cells.height)
    place = ("space", "part")
    codes = (
        threads.select(place).unique().sort(place).with_row_index("code").with_columns(pl.col("code").cast(pl.Int64))
    )
    spans = cells.select(
        pl.col("space").fill_null(""), "part", "person_id", pl.col("start", "end").dt.epoch("us")
    ).with_row_index("row")
    spans = spans.join(codes, on=place, how="left", maintain_order="left").with_columns(pl.col("code").fill_null(-1))
    rows = threads.join(codes, on=place, how="left", maintain_order="left")
    everyone = _sums(rows, spans)
    owners = pl.concat([rows["asker_id"], spans["person_id"]]).unique().sort()
    ids = pl.DataFrame({"id": owners, "who": np.arange(owners.len(), dtype=np.int64)})
    wide = owners.len()
    own_rows = rows.join(ids, left_on="asker_id", right_on="id", how="left", maintain_order="left")
    own_spans = spans.join(ids, left_on="person_id", right_on="id", how="left", maintain_order="left")
    code = (pl.when(pl.col("code") >= 0).then(pl.col("code") * wide + pl.col("who")).otherwise(-1)).alias("code")
    return everyone - _sums(own_rows.with_columns(code), own_spans.with_columns(code))


def _sums(rows: pl.DataFrame, spans: pl.DataFrame) -> Floats:
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
