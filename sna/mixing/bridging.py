"""Who bridges groups more than volume and place give: open paths of thread joinings against the null for claims.

The number of open paths through a person grows with the square of activity, and groups that sit in different channels
leave more of them open. So brokerage is compared with draws of the thread-participation null, in which everybody joins
as many threads of the same channels and periods. Permuted labels, or graphs with the same number of ties, report
"too much" or "too little" brokerage in most forums in which people pay no attention to groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from sna.errors import NotAnswerableError
from sna.forum import Forum
from sna.mixing.draws import BY, require_groups
from sna.mixing.nulls import participation_null, require_null
from sna.mixing.pairs import EVERY, Pairs, code_joins, lay_strata
from sna.network.brokerage import ROLES, label_totals
from sna.network.network import Network
from sna.stats.inference import adjust_p, max_t_p, monte_carlo_p
from sna.types import Floats, Ints, Moment

_NOTE = "A description, not a claim: labels are permuted, because the data have no threads or no spaces."


def brokerage_totals(
    data: Forum | Network,
    *,
    by: str = BY,
    kinds: Sequence[str] = ("reply",),
    since: Moment = None,
    until: Moment = None,
    every: str = EVERY,
    draws: int = 199,
    rng: np.random.Generator | int | None = None,
) -> pl.DataFrame:
    """Brokerage of the whole forum by role, against the thread-participation null.

    Parameters
    ----------
    data
        A Forum: its ties are who joined whose thread. A Network, or a forum without spaces, only gets a description
        against permuted labels (`sna.network.brokerage.label_totals`), from ties of ``kinds``.
    by, since, until, every, draws, rng
        As in `mixing_matrix`. Each person is of the group held last.

    Returns
    -------
    DataFrame
        ``role, observed, expected, ratio, p_value, p_adjusted, null, supports_claims, note``, one row per role of Gould
        and Fernandez. p is two-sided and adjusted over the five roles (max-t, never below p).

    Notes
    -----
    When it misleads: as `cross_role_level`, and where people changed group often.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> totals = brokerage_totals(make_forum(n_people=60, n_threads=60, rng=1).forum, draws=19, rng=1)
    >>> totals["role"].to_list()
    ['coordinator', 'consultant', 'gatekeeper', 'representative', 'liaison']
    """
    if isinstance(data, Network):
        return _describe(label_totals(data, by=by, draws=draws, rng=rng))
    try:
        require_null(data, participation_null())
    except NotAnswerableError:
        return _describe(label_totals(data, by=by, kinds=kinds, since=since, until=until, draws=draws, rng=rng))
    pairs = _code(data, by, since=since, until=until, every=every)
    return judge_totals(pairs, draws=draws, rng=np.random.default_rng(rng))


def judge_totals(pairs: Pairs, *, draws: int, rng: np.random.Generator) -> pl.DataFrame:
    """The table of `brokerage_totals` for joinings."""
    paths, sample = _draw_paths(pairs, draws=draws, rng=rng)
    seen, drawn = paths.counts.sum(axis=0), sample.sum(axis=1)
    p_value, expected = monte_carlo_p(seen, drawn), drawn.mean(axis=0)
    return pl.DataFrame(
        {
            "role": list(ROLES),
            "observed": seen.astype(np.int64),
            "expected": expected,
            "ratio": np.divide(seen, expected, out=np.full(len(seen), np.nan), where=expected > 0),
            "p_value": p_value,
            "p_adjusted": np.maximum(max_t_p(seen, drawn), p_value),
        }
    ).with_columns(
        pl.col("ratio").fill_nan(None),
        pl.lit(participation_null().name).alias("null"),
        pl.lit(True).alias("supports_claims"),
        pl.lit(None, pl.String).alias("note"),
    )


def find_bridges(
    forum: Forum,
    *,
    by: str = BY,
    since: Moment = None,
    until: Moment = None,
    every: str = EVERY,
    draws: int = 199,
    rng: np.random.Generator | int | None = None,
) -> pl.DataFrame:
    """People who stand between groups more than their volume and place give.

    Parameters
    ----------
    forum
        Must record the space of its threads.
    by, since, until, every, draws, rng
        As in `brokerage_totals`.

    Returns
    -------
    DataFrame
        ``person_id, group, observed, expected, ratio, p_value, p_adjusted``: open paths from one person through this
        one to another, of at least two groups, and how many there would be if people joined the threads of their
        channels and periods without minding groups. Largest excess (observed - expected) first; p one-sided (more),
        adjusted over all people (Benjamini-Hochberg). People who opted out are not listed.

    Raises
    ------
    NotAnswerableError
        As `cross_role_level`.

    Notes
    -----
    When it misleads: few people stand out in a forum where many do the same; and a path is an opportunity to pass
    something on, not evidence that it was.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> bridges = find_bridges(make_forum(n_people=60, n_threads=60, rng=1).forum, draws=19, rng=1)
    >>> bridges.columns[:4], bool((bridges["p_adjusted"] >= bridges["p_value"]).all())
    (['person_id', 'group', 'observed', 'expected'], True)
    """
    require_null(forum, participation_null())
    pairs = _code(forum, by, since=since, until=until, every=every)
    paths, sample = _draw_paths(pairs, draws=draws, rng=np.random.default_rng(rng))
    seen, drawn = paths.counts[:, 1:].sum(axis=1), sample[:, :, 1:].sum(axis=2)
    expected = drawn.mean(axis=0)
    frame = pl.DataFrame(
        {
            "person_id": paths.people,
            "group": paths.groups,
            "observed": seen.astype(np.int64),
            "expected": expected,
            "ratio": np.divide(seen, expected, out=np.full(len(seen), np.nan), where=expected > 0),
            "p_value": monte_carlo_p(seen, drawn, alternative="greater"),
        }
    ).filter((pl.col("observed") > 0) | (pl.col("expected") > 0))
    adjusted = pl.Series("p_adjusted", adjust_p(frame["p_value"].to_numpy(), method="bh"))
    excess = (pl.col("observed") - pl.col("expected")).alias("_excess")
    hidden = forum.people.filter("opt_out")["person_id"].implode()
    shown = frame.with_columns(pl.col("ratio").fill_nan(None), adjusted, excess)
    shown = shown.filter(~pl.col("person_id").is_in(hidden))
    return shown.sort("_excess", "person_id", descending=[True, False]).drop("_excess")


@dataclass(frozen=True)
class _Paths:
    """People of known group who joined or began a thread, their groups, and their open paths by brokerage role."""

    people: pl.Series
    groups: list[str]
    counts: Floats


def _describe(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.lit(False).alias("supports_claims"), pl.lit(_NOTE).alias("note"))


def _code(forum: Forum, by: str, *, since: Moment, until: Moment, every: str) -> Pairs:
    pairs = code_joins(forum, by, since=since, until=until, every=every)
    require_groups(pairs, by)
    return pairs


def _draw_paths(pairs: Pairs, *, draws: int, rng: np.random.Generator) -> tuple[_Paths, Floats]:
    """Open paths of each person by role, observed and in each draw, ``(draws, people, roles)``."""
    null = participation_null()
    pairs = lay_strata(pairs, null.strata)
    group = _last_group(pairs)
    kept = np.flatnonzero(group >= 0)
    code = np.full(len(group), -1, dtype=np.int64)
    code[kept] = np.arange(len(kept))
    own = group[kept]

    def count(drawn: Pairs) -> Floats:
        source, target = code[drawn.source], code[drawn.target]
        both = (source >= 0) & (target >= 0)
        return count_open_paths(source[both], target[both], group=own)

    sample = np.stack([count(drawn) for drawn in null.draw(pairs, draws, rng)])
    names = [pairs.groups[one] for one in own]
    return _Paths(pairs.people.gather(kept), names, count(pairs)), sample


def _last_group(pairs: Pairs) -> Ints:
    """Known group each person held last, -1 for none; pairs are in order of time."""
    group = np.full(len(pairs.people), -1, dtype=np.int64)
    for person, held in ((pairs.target, pairs.target_group), (pairs.source, pairs.source_group)):
        known = held != pairs.missing
        group[person[known]] = held[known]
    return group


def count_open_paths(source: Ints, target: Ints, *, group: Ints) -> Floats:
    """Open paths a -> b -> c (no a -> c) through each person b, by brokerage role, shape ``(people, 5)``.

    Counted without listing them: all pairs of a sender and a receiver, less those that are one person, less those
    with a direct tie, each for paths whose ends named are of the same group.

    Examples
    --------
    >>> count_open_paths(np.array([0, 1]), np.array([1, 2]), group=np.array([0, 1, 0]))[1].tolist()
    [0.0, 1.0, 0.0, 0.0, 0.0]
    """
    n, k = len(group), int(group.max(initial=0)) + 1
    i, j = np.divmod(np.unique(source * n + target), n)
    same = group[i] == group[j]
    ties, inside = _matrix(i, j, n), _matrix(i[same], j[same], n)
    into, out = np.zeros((n, k)), np.zeros((n, k))
    np.add.at(into, (j, group[i]), 1.0)
    np.add.at(out, (i, group[j]), 1.0)
    rows = np.arange(n)
    all_in, all_out, own_in, own_out = into.sum(axis=1), out.sum(axis=1), into[rows, group], out[rows, group]
    back, back_inside = _row_sums(ties * ties.T), _row_sums(inside * inside.T)
    every = all_in * all_out - back - _closed(ties, ties, ties)
    first = own_in * all_out - back_inside - _closed(inside, ties, ties)
    second = all_in * own_out - back_inside - _closed(ties, inside, ties)
    ends = (into * out).sum(axis=1) - back - _closed(ties, ties, inside)
    alike = own_in * own_out - back_inside - _closed(inside, inside, inside)
    liaison = every - first - second - ends + 2 * alike
    return np.stack([alike, ends - alike, second - alike, first - alike, liaison], axis=1)


def _matrix(i: Ints, j: Ints, n: int) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(i)), (i, j)), shape=(n, n)).tocsr()


def _closed(first: sparse.csr_array, second: sparse.csr_array, across: sparse.csr_array) -> Floats:
    """Paths through each b over ``first`` (a -> b) and ``second`` (b -> c) that ``across`` (a -> c) closes."""
    return _row_sums(second * (first.T @ across))


def _row_sums(matrix: sparse.csr_array) -> Floats:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
