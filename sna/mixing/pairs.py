"""Pairs: who acted toward whom, with groups, space and period. Every measure of mixing starts from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from sna.errors import NotAnswerableError, ParameterError, SchemaError
from sna.forum import Forum, join_attribute, require_capabilities
from sna.network.network import Network
from sna.talk.interactions import list_interactions
from sna.talk.threads import MISSING, thread_participation
from sna.talk.windows import cut_window
from sna.types import Floats, Ints, Moment

EVERY = "1mo"
"""Length of the period within which the nulls exchange people, unless the caller chooses another."""


@dataclass(frozen=True)
class Pairs:
    """Pairs "source acts toward target": one element per interaction, or per joining of a thread.

    Attributes
    ----------
    source, target
        Person codes, int64, shape ``(n,)``; index into ``people``.
    source_group, target_group
        Group codes as of the interaction; index into ``groups``. People whose group is not known have the code
        ``missing``, which is counted and never judged.
    at
        Time of each pair in microseconds since 1970; `NO_TIME` where not known.
    space, period, hour
        Codes of the space, the period and the four hours of the day (UTC) of each pair.
    stratum
        Codes of the sets within which a null may exchange people: what ``Null.strata`` names, coded together.
    thread
        Thread codes, index into ``threads``; -1 where not known.
    groups
        Group names, in code order.
    people, threads, started
        Ids of people (sorted) and of threads (in order of their start), and when each thread started.

    Examples
    --------
    >>> from sna.network import network_from_edges
    >>> people = pl.DataFrame({"person_id": ["a", "b"], "role": ["HR", "IT"]})
    >>> network = network_from_edges(pl.DataFrame({"source": ["a"], "target": ["b"]}), people=people)
    >>> pairs = code_network(network, "role")
    >>> pairs.groups, pairs.source_group.tolist(), pairs.target_group.tolist()
    (('HR', 'IT'), [0], [1])
    """

    source: Ints
    target: Ints
    source_group: Ints
    target_group: Ints
    at: Ints
    space: Ints
    period: Ints
    hour: Ints
    stratum: Ints
    thread: Ints
    groups: tuple[str, ...]
    people: pl.Series
    threads: pl.Series
    started: pl.Series

    @property
    def size(self) -> int:
        """Number of pairs."""
        return len(self.source)

    @property
    def missing(self) -> int:
        """Code of the group of people whose attribute is not known; -1 when there are none."""
        return self.groups.index(MISSING) if MISSING in self.groups else -1

    @property
    def known(self) -> Ints:
        """Codes of the groups that are known."""
        return np.array([code for code, name in enumerate(self.groups) if name != MISSING], dtype=np.int64)


STRATA = ("space", "period", "hour")
PER_PAIR = ("source", "target", "source_group", "target_group", "at", *STRATA, "stratum", "thread")
NO_TIME = np.iinfo(np.int64).min
_HOUR = 3_600_000_000
HOURS = 4
"""Length of a part of the day: within it people of all groups are taken to be at work alike."""


def take_pairs(pairs: Pairs, order: Ints) -> Pairs:
    """The pairs at these positions, in this order."""
    return replace(pairs, **{name: getattr(pairs, name)[order] for name in PER_PAIR})


def lay_strata(pairs: Pairs, strata: Sequence[str]) -> Pairs:
    """The same pairs with ``stratum`` coded from the columns named: any of `STRATA`, or none."""
    code = np.zeros(pairs.size, dtype=np.int64)
    for name in ("hour", "period", "space"):
        if name in strata:
            column: Ints = getattr(pairs, name)
            code = code * (int(column.max(initial=0)) + 1) + column
    return replace(pairs, stratum=np.unique(code, return_inverse=True)[1].astype(np.int64))


def cut_periods(pairs: Pairs, every: str) -> Pairs:
    """The same pairs with ``period`` and ``hour`` coded from their times, and strata of space and period.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> pairs = code_joins(make_forum(n_people=40, n_threads=40, n_weeks=20, rng=1).forum, "role", every="1mo")
    >>> int(pairs.period.max()), int(cut_periods(pairs, "10y").period.max())
    (4, 0)
    """
    known = pairs.at != NO_TIME
    times = pl.Series(np.where(known, pairs.at, 0)).cast(pl.Datetime("us", "UTC")).dt.truncate(every)
    starts = np.where(known, times.to_physical().to_numpy(), NO_TIME)
    period = np.unique(starts, return_inverse=True)[1].astype(np.int64)
    hour = np.where(known, pairs.at // _HOUR % 24 // HOURS, 0)
    return lay_strata(replace(pairs, period=period, hour=hour), ("space", "period"))


def count_groups(pairs: Pairs) -> Floats:
    """Mixing counts ``(k, k)``: pairs from each group (row) toward each group (column)."""
    k = len(pairs.groups)
    cells = np.bincount(pairs.source_group * k + pairs.target_group, minlength=k * k)
    return cells.reshape(k, k).astype(np.float64)


def count_margins(pairs: Pairs) -> tuple[Floats, Floats]:
    """Pairs sent and received by each group in each stratum, each of shape ``(strata, k)``."""
    k = len(pairs.groups)
    strata = int(pairs.stratum.max()) + 1 if pairs.size else 0
    sent = np.bincount(pairs.stratum * k + pairs.source_group, minlength=strata * k)
    received = np.bincount(pairs.stratum * k + pairs.target_group, minlength=strata * k)
    return sent.reshape(strata, k).astype(np.float64), received.reshape(strata, k).astype(np.float64)


def cross_share(counts: Floats, *, missing: int = -1) -> Floats:
    """Share of pairs between different groups, among pairs whose groups are both known; shape ``(..., k, k)``.

    Examples
    --------
    >>> float(cross_share(np.array([[3.0, 1.0], [0.0, 0.0]])))
    0.25
    """
    known = np.array([code for code in range(counts.shape[-1]) if code != missing], dtype=np.int64)
    block = counts[..., known[:, None], known[None, :]]
    total = block.sum(axis=(-2, -1))
    same = np.einsum("...aa->...", block)
    return np.divide(total - same, total, out=np.full(np.shape(total), np.nan), where=total > 0)


def require_spaces(forum: Forum, *, analysis: str) -> None:
    """Refuse what needs the channel of a thread when the source does not record it.

    Raises
    ------
    NotAnswerableError
        When no post has a space, or the source says it does not know them.
    """
    require_capabilities(forum, ("threads", "spaces"), analysis=analysis)
    if forum.posts["space"].null_count() == forum.posts.height:
        raise NotAnswerableError(
            f"Not answerable from this source: {analysis} needs the space (channel) of each thread, because people "
            "in different channels cannot meet whatever they prefer.",
            got="No post has a space.",
            hint="cross_role_change compares periods and does not need it",
        )


def code_joins(forum: Forum, by: str, *, since: Moment = None, until: Moment = None, every: str = EVERY) -> Pairs:
    """Who joined whose thread: one pair per thread and participant other than its asker.

    Groups are as of the joining and, for the asker, as of the thread's start. The stratum is space and period.
    """
    rows = thread_participation(forum)
    asked = pl.col("person_id") == pl.col("asker_id")
    starts = rows.filter(asked).select("thread_id", pl.col("at").alias("started_at"))
    starts = starts.join(_askers(rows), on="thread_id")
    starts = join_attribute(forum, starts, by=by, person="asker_id", at="started_at")
    joins = cut_window(rows.filter(~asked), since=since, until=until)
    joins = join_attribute(forum, joins, by=by, at="at", into="_from")
    joins = joins.join(starts.rename({by: "_to"}).drop("asker_id"), on="thread_id", how="left", maintain_order="left")
    return _code(joins.rename({"person_id": "source", "asker_id": "target"}), every)


def _askers(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("thread_id", "asker_id").unique()


def code_interactions(
    forum: Forum,
    by: str,
    *,
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    every: str = EVERY,
) -> Pairs:
    """Who acted toward whom, groups as of the interaction; each row one pair whatever its weight."""
    rows = list_interactions(forum, kinds=kinds, since=since, until=until)
    rows = join_attribute(forum, rows, by=by, person="source", at="at", into="_from")
    rows = join_attribute(forum, rows, by=by, person="target", at="at", into="_to")
    first = pl.col("at").min().over("thread_id")
    return _code(rows.with_columns(first.alias("started_at")), every)


def code_network(network: Network, by: str) -> Pairs:
    """Ties of a network, each repeated by its weight.

    Raises
    ------
    SchemaError
        When people have no such attribute.
    ParameterError
        When a weight is not a whole number: nulls count interactions.
    """
    if by not in network.people.columns:
        known = [name for name in network.people.columns if name not in ("person_id", "name", "kind", "opt_out")]
        raise SchemaError(
            f"The network's people need the attribute {by!r}.",
            got=f"Attributes: {', '.join(known) or 'none'}.",
            hint="network_from_edges(edges, people=frame with person_id and the attribute)",
        )
    ties = network.ties
    if not (ties["weight"] == ties["weight"].round()).all():
        raise ParameterError("Mixing counts interactions.", got="Weights that are not whole numbers.")
    groups = network.people.select("person_id", pl.col(by).cast(pl.String))
    rows = ties.select(pl.exclude("weight").repeat_by(pl.col("weight").cast(pl.UInt32))).explode("source", "target")
    for end, name in (("source", "_from"), ("target", "_to")):
        rows = rows.join(groups.rename({"person_id": end, by: name}), on=end, how="left", maintain_order="left")
    blank = pl.lit(None, pl.String)
    empty = pl.lit(None, pl.Datetime("us", "UTC"))
    return _code(
        rows.with_columns(blank.alias("thread_id"), blank.alias("space"), empty.alias("at"), empty.alias("started_at")),
        EVERY,
    )


def code_any(data: Forum | Network, by: str, *, kinds: Sequence[str], since: Moment, until: Moment) -> Pairs:
    """Interactions of a forum, or the ties of a network."""
    if isinstance(data, Network):
        return code_network(data, by)
    return code_interactions(data, by, kinds=kinds, since=since, until=until)


def _code(rows: pl.DataFrame, every: str) -> Pairs:
    """Codes by sorted id, so that the order of rows never matters."""
    rows = rows.sort("at", "thread_id", "source", "target", nulls_last=True).with_columns(
        pl.col("_from", "_to").fill_null(MISSING), pl.col("space").fill_null("")
    )
    people, (source, target) = _encode(rows["source"], rows["target"])
    groups, (source_group, target_group) = _encode(rows["_from"], rows["_to"])
    order = rows.select("thread_id", "started_at").drop_nulls("thread_id")
    threads = (
        order.group_by("thread_id").agg(pl.col("started_at").min()).sort("started_at", "thread_id", nulls_last=True)
    )
    codes = threads.select("thread_id", pl.int_range(pl.len(), dtype=pl.Int64).alias("_thread"))
    thread = rows.select("thread_id").join(codes, on="thread_id", how="left", maintain_order="left")["_thread"]
    space = _dense(rows["space"])
    times = rows["at"].cast(pl.Datetime("us", "UTC")).to_physical().fill_null(NO_TIME)
    pairs = Pairs(
        source=source,
        target=target,
        source_group=source_group,
        target_group=target_group,
        at=times.to_numpy().copy(),
        space=space,
        period=np.zeros_like(space),
        hour=np.zeros_like(space),
        stratum=np.zeros_like(space),
        thread=thread.fill_null(-1).to_numpy().copy(),
        groups=tuple(groups),
        people=people,
        threads=threads["thread_id"],
        started=threads["started_at"],
    )
    return cut_periods(pairs, every)


def _dense(column: pl.Series) -> Ints:
    """Codes by rank; null is code 0 where there is one."""
    ranks = column.rank("dense").cast(pl.Int64)
    return (ranks.fill_null(0) - int(not column.has_nulls())).to_numpy().copy()


def _encode(*columns: pl.Series) -> tuple[pl.Series, list[Ints]]:
    names = pl.concat([column.alias("_id") for column in columns]).unique().sort()
    index = pl.DataFrame({"_id": names}).with_row_index("_code")
    codes = []
    for column in columns:
        joined = column.alias("_id").to_frame().join(index, on="_id", how="left", maintain_order="left")
        codes.append(joined["_code"].cast(pl.Int64).to_numpy().copy())
    return names, codes
