"""Ties that would hardly have arisen elsewhere: first contacts between people far apart in the organisation.

We can only say that there was no prior path in the systems we were given: reporting lines, units and the spaces of
this forum. People may know each other from lunch.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sna.errors import ParameterError
from sna.forum import Forum
from sna.mixing.nulls import participation_null
from sna.mixing.pairs import Pairs, code_joins, require_spaces
from sna.schema import TIME
from sna.stats.inference import monte_carlo_p
from sna.talk.threads import thread_participation
from sna.talk.windows import cut_window
from sna.types import Floats, Ints, Moment

_DEEPEST = 40
_UNKNOWN = -1
_APART = 10_000


@dataclass(frozen=True)
class _Office:
    """What was known of people when a period began: paths from the top, units, spaces used before."""

    path: Ints
    depth: Ints
    unit: Ints
    spaces: NDArray[np.bool_]


def list_new_ties(
    forum: Forum,
    *,
    min_distance: int = 3,
    manager: str = "manager",
    unit: str = "department",
    since: Moment = None,
    until: Moment = None,
    every: str = "1mo",
) -> pl.DataFrame:
    """First contacts: who joined whose thread for the first time, and how far apart the two were before.

    Parameters
    ----------
    forum
        Its people need the attributes ``manager`` (a person id) and ``unit``.
    min_distance
        Steps along the reporting lines from which two people count as far apart: 1 is one's manager, 2 a peer.
    manager, unit
        Names of the attributes.
    since, until
        First contacts listed; earlier ones are always taken into account.
    every
        What was known is taken as of the start of the period of the contact.

    Returns
    -------
    DataFrame
        ``person_a, person_b, first_at, thread_id, space, reporting_distance, same_unit, shared_space_before,
        novel``, in order of time, ``person_a < person_b``. The distance is null when one of them is not on
        the chart, and when no line joins them. ``novel``: far apart, another unit, no space both had used before; null
        when the chart or a unit is not known and the rest would make it novel. Pairs with somebody who
        opted out are not listed.

    Raises
    ------
    SchemaError
        When an attribute is not known.
    NotAnswerableError
        When the source has no spaces.

    Notes
    -----
    When it misleads: absence of a line on the chart is not absence of acquaintance; and early in a forum everything
    is a first contact, because nothing came before.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["t", "t"], "author_id": ["ann", "bob"],
    ...                       "created_at": ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"], "space": ["x", "x"]})
    >>> chart = [("ann", "manager", "top"), ("bob", "manager", "ann"), ("ann", "department", "A"),
    ...          ("bob", "department", "A")]
    >>> roles = pl.DataFrame(chart, schema=["person_id", "attribute", "value"], orient="row")
    >>> people = pl.DataFrame({"person_id": ["ann", "bob", "top"]})
    >>> ties = list_new_ties(build_forum(posts=posts, people=people, roles=roles))
    >>> ties.select("person_a", "person_b", "reporting_distance", "same_unit", "novel").rows()
    [('ann', 'bob', 1, True, False)]
    """
    if min_distance < 1:
        raise ParameterError("min_distance is at least 1.", got=f"Got {min_distance}.")
    require_spaces(forum, analysis="which ties are new between people apart")
    rows = _first_contacts(forum)
    people = forum.people["person_id"].sort()
    code = {person: i for i, person in enumerate(people)}
    a = np.array([code[person] for person in rows["person_a"]], dtype=np.int64)
    b = np.array([code[person] for person in rows["person_b"]], dtype=np.int64)
    starts = rows["first_at"].dt.truncate(every)
    distance, same_unit, shared = _apartness(
        forum, people, starts, (a, b), manager=manager, unit=unit, participation=thread_participation(forum)
    )
    novel = _novel(distance, same_unit, shared, min_distance)
    table = rows.with_columns(
        pl.Series("reporting_distance", distance).replace({_UNKNOWN: None, _APART: None}),
        pl.Series("same_unit", same_unit).replace_strict({1: True, 0: False, _UNKNOWN: None}, return_dtype=pl.Boolean),
        pl.Series("shared_space_before", shared),
        pl.Series("novel", novel).replace_strict({1: True, 0: False, _UNKNOWN: None}, return_dtype=pl.Boolean),
    )
    hidden = forum.people.filter("opt_out")["person_id"].implode()
    shown = table.filter(~pl.col("person_a").is_in(hidden) & ~pl.col("person_b").is_in(hidden))
    window = shown.with_columns(pl.col("first_at").alias("at"))
    return cut_window(window, since=since, until=until).drop("at")


def novel_tie_share(
    forum: Forum,
    *,
    min_distance: int = 3,
    manager: str = "manager",
    unit: str = "department",
    every: str = "1mo",
    draws: int = 199,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pl.DataFrame:
    """Share of new ties that are novel, period by period, against the thread-participation null.

    Parameters
    ----------
    forum, min_distance, manager, unit, every
        As in `list_new_ties`.
    draws, rng
        Monte-Carlo draws.
    level
        Share of the null's values that ``low`` and ``high`` enclose.

    Returns
    -------
    DataFrame
        ``period, n_new_ties, n_judged, n_novel, novel_share, expected_share, low, high, p_value``. Ties whose novelty
        is not known are in ``n_new_ties`` and not in ``n_judged``. ``low`` and ``high`` hold the middle ``level`` of
        the null's shares: they show where chance would put the share.

    Notes
    -----
    In each draw participants change places within space and period, everything that came before the period stays as it
    was, and the pairs that had met before do not count. With the same people in the same spaces, are those who meet
    further apart than chance makes them?

    When it misleads: as `list_new_ties`; and in the first periods, when nearly every tie is new.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> shares = novel_tie_share(make_forum(n_people=60, n_threads=60, n_weeks=9, rng=1).forum, draws=9, rng=1)
    >>> shares.columns[:4], shares.height
    (['period', 'n_new_ties', 'n_judged', 'n_novel'], 3)
    """
    require_spaces(forum, analysis="the share of novel ties")
    pairs = code_joins(forum, unit, every=every)
    participation = thread_participation(forum)
    starts = _period_starts(forum, pairs, every)
    history = _History.of(pairs)
    people = forum.people["person_id"].sort()
    seat = people.search_sorted(pairs.people).to_numpy().astype(np.int64)
    offices = [
        _office(forum, people, start, manager=manager, unit=unit, participation=participation) for start in starts
    ]

    def count(pairs: Pairs) -> Floats:
        a, b, period = history.new(pairs)
        return _count_novel((seat[a], seat[b], period), offices, min_distance)

    observed = count(pairs)
    drawn = participation_null().draw(pairs, draws, np.random.default_rng(rng))
    sample = np.stack([_share(count(draw)) for draw in drawn])
    return _share_table(starts, observed, sample, level=level)


def _share_table(starts: list[datetime | None], observed: Floats, sample: Floats, *, level: float) -> pl.DataFrame:
    share = _share(observed)
    known = ~np.isnan(sample).any(axis=0) & ~np.isnan(share)
    low, high, p_value, expected = np.full((4, len(starts)), np.nan)
    low[known], high[known] = np.quantile(sample[:, known], [0.5 - level / 2, 0.5 + level / 2], axis=0)
    p_value[known] = monte_carlo_p(share[known], sample[:, known])
    expected[known] = sample[:, known].mean(axis=0)
    return pl.DataFrame(
        {
            "period": pl.Series(starts, dtype=TIME),
            "n_new_ties": observed[:, 0].astype(np.int64),
            "n_judged": observed[:, 1].astype(np.int64),
            "n_novel": observed[:, 2].astype(np.int64),
            "novel_share": share,
            "expected_share": expected,
            "low": low,
            "high": high,
            "p_value": p_value,
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


# First contacts ----------------------------------------------------------------------------------------------------


def _first_contacts(forum: Forum) -> pl.DataFrame:
    joins = thread_participation(forum).filter((pl.col("person_id") != pl.col("asker_id")) & pl.col("at").is_not_null())
    return (
        joins.select(
            pl.min_horizontal("person_id", "asker_id").alias("person_a"),
            pl.max_horizontal("person_id", "asker_id").alias("person_b"),
            pl.col("at").alias("first_at"),
            "thread_id",
            "space",
        )
        .sort("first_at", "thread_id", "person_a", "person_b")
        .unique(["person_a", "person_b"], keep="first", maintain_order=True)
    )


@dataclass(frozen=True)
class _History:
    """Period in which each pair of people first met, by packed pair code."""

    keys: Ints
    first: Ints
    n_people: int

    @classmethod
    def of(cls, pairs: Pairs) -> _History:
        n = len(pairs.people)
        pair = _pack(pairs.source, pairs.target, n)
        order = np.lexsort((pairs.period, pair))
        keys, at = np.unique(pair[order], return_index=True)
        return cls(keys, pairs.period[order][at], n)

    def new(self, pairs: Pairs) -> tuple[Ints, Ints, Ints]:
        """Distinct pairs, per period, that had not met before that period: ``a, b, period``."""
        n = self.n_people
        packed = np.unique(pairs.period * n * n + _pack(pairs.source, pairs.target, n))
        period, pair = np.divmod(packed, n * n)
        at = np.minimum(np.searchsorted(self.keys, pair), len(self.keys) - 1)
        fresh = (self.keys[at] != pair) | (self.first[at] >= period)
        a, b = np.divmod(pair[fresh], n)
        return a, b, period[fresh]


def _pack(source: Ints, target: Ints, n: int) -> Ints:
    return np.minimum(source, target) * n + np.maximum(source, target)


def _period_starts(forum: Forum, pairs: Pairs, every: str) -> list[datetime | None]:
    joins = thread_participation(forum).filter(pl.col("person_id") != pl.col("asker_id"))
    starts = joins.select(pl.col("at").dt.truncate(every)).to_series().unique().sort(nulls_last=False)
    found: list[datetime | None] = starts.to_list()
    if len(found) != int(pairs.period.max(initial=-1)) + 1:
        raise ParameterError("Periods must be those of the joins.", got=f"{len(found)} periods.")
    return found


def _count_novel(pairs: tuple[Ints, Ints, Ints], offices: list[_Office], min_distance: int) -> Floats:
    """Per period: new ties, those whose novelty is known, novel ones; shape ``(periods, 3)``."""
    a, b, when = pairs
    counts = np.zeros((len(offices), 3))
    for period, office in enumerate(offices):
        here = when == period
        novel = _novel(*_compare(office, a[here], b[here]), min_distance)
        counts[period] = (len(novel), (novel != _UNKNOWN).sum(), (novel == 1).sum())
    return counts


def _share(counts: Floats) -> Floats:
    return np.divide(counts[:, 2], counts[:, 1], out=np.full(len(counts), np.nan), where=counts[:, 1] > 0)


# How far apart -----------------------------------------------------------------------------------------------------


def _apartness(
    forum: Forum,
    people: pl.Series,
    starts: pl.Series,
    pair: tuple[Ints, Ints],
    *,
    manager: str,
    unit: str,
    participation: pl.DataFrame,
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Reporting distance, same unit and shared space of each pair, as of the start of its period."""
    a, b = pair
    distance, same = np.full(len(a), _UNKNOWN), np.full(len(a), _UNKNOWN)
    shared = np.zeros(len(a), dtype=bool)
    for start in starts.unique().sort():
        here = (starts == start).to_numpy()
        office = _office(forum, people, start, manager=manager, unit=unit, participation=participation)
        distance[here], same[here], shared[here] = _compare(office, a[here], b[here])
    return distance, same, shared


def _office(
    forum: Forum, people: pl.Series, start: datetime | None, *, manager: str, unit: str, participation: pl.DataFrame
) -> _Office:
    persons = people.alias("person_id").to_frame()
    attributes = persons.join(forum.attribute(manager, at=start), on="person_id", how="left", maintain_order="left")
    units = persons.join(forum.attribute(unit, at=start), on="person_id", how="left", maintain_order="left")[unit]
    path, depth = _paths(people, attributes[manager])
    before = participation.filter(pl.col("at") < pl.lit(start, TIME)).select("person_id", "space").drop_nulls().unique()
    names = participation["space"].drop_nulls().unique().sort()
    spaces = np.zeros((len(people), max(len(names), 1)), dtype=bool)
    rows = before.join(persons.with_row_index("_i"), on="person_id")
    columns = pl.DataFrame({"space": names}).with_row_index("_j")
    cells = rows.join(columns, on="space")
    spaces[cells["_i"].to_numpy(), cells["_j"].to_numpy()] = True
    codes = (units.rank("dense").cast(pl.Int64)).fill_null(_UNKNOWN).to_numpy().copy()
    return _Office(path, depth, codes, spaces)


def _paths(people: pl.Series, managers: pl.Series) -> tuple[Ints, Ints]:
    """Path from the top of the chart to each person, ``(people, deepest + 1)``, and its length minus one (or -1)."""
    code = {person: i for i, person in enumerate(people)}
    boss = np.array([code.get(name, _UNKNOWN) if name is not None else _UNKNOWN for name in managers], dtype=np.int64)
    on_chart = boss != _UNKNOWN
    on_chart[boss[on_chart]] = True
    chains = [np.arange(len(boss))]
    while len(chains) <= _DEEPEST and (chains[-1] != _UNKNOWN).any():
        last = chains[-1]
        chains.append(np.where(last == _UNKNOWN, _UNKNOWN, boss[last]))
    upward = np.stack(chains, axis=1)
    depth = (upward != _UNKNOWN).sum(axis=1) - 1
    depth[~on_chart | (depth >= _DEEPEST)] = _UNKNOWN
    path = np.full_like(upward, _UNKNOWN)
    for person in np.flatnonzero(depth != _UNKNOWN).tolist():
        path[person, : depth[person] + 1] = upward[person, depth[person] :: -1]
    return path, depth


def _compare(office: _Office, a: Ints, b: Ints) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    common = np.zeros(len(a), dtype=np.int64)
    together = np.ones(len(a), dtype=bool)
    for column in office.path.T:
        together &= (column[a] == column[b]) & (column[a] != _UNKNOWN)
        common += together
    known = (office.depth[a] != _UNKNOWN) & (office.depth[b] != _UNKNOWN)
    steps = office.depth[a] + office.depth[b] + 2 - 2 * common
    distance = np.where(known, np.where(common > 0, steps, _APART), _UNKNOWN)
    unknown = (office.unit[a] == _UNKNOWN) | (office.unit[b] == _UNKNOWN)
    same = np.where(unknown, _UNKNOWN, (office.unit[a] == office.unit[b]).astype(np.int64))
    return distance, same, np.asarray((office.spaces[a] & office.spaces[b]).any(axis=1))


def _novel(distance: Ints, same_unit: Ints, shared: NDArray[np.bool_], min_distance: int) -> Ints:
    """1 novel, 0 not, -1 not known."""
    near = shared | (same_unit == 1) | ((distance != _UNKNOWN) & (distance < min_distance))
    unknown = (distance == _UNKNOWN) | (same_unit == _UNKNOWN)
    return np.where(near, 0, np.where(unknown, _UNKNOWN, 1))
