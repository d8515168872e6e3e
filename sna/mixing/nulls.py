"""Null models of who meets whom: what each holds and shuffles, what it needs, and what it may be used for.

The null decides the answer. With no preference for one's own role at all, shuffling labels or holding volumes
"finds" one in nearly every forum whose roles differ in where and how much they take part; permuting the participants
of threads within space and period does not (docs/calibration.md). So the first three nulls here are descriptive
yardsticks with closed forms, and `participation_null` is the one a claim may rest on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum, require_capabilities
from sna.mixing.pairs import STRATA, Pairs, count_groups, count_margins, require_spaces
from sna.mixing.participants import count_participants, draw_participants
from sna.network.network import Network
from sna.types import Floats, Ints

_MOMENT_CELLS = 4_000_000

Moments = Callable[[Pairs, Floats], tuple[Floats, Floats]]
"""Exact mean and variance of sums over the mixing counts; see `Null.moments`."""


@dataclass(frozen=True)
class Null:
    """A null model: what the pairs would look like if groups did not matter.

    A null of your own runs exactly as the built-in ones do; nothing depends on its name.

    Attributes
    ----------
    name
        As it is written next to every number.
    holds
        What is equal in every draw.
    shuffles
        What is random.
    draw
        ``draw(pairs, draws, rng)`` yields ``draws`` Pairs. The observed pairs and the draws must be exchangeable when
        the null is true, so that ``(1 + k) / (1 + n)`` is an exact p-value.
    pairs
        What a pair is: "interactions" (who acted toward whom) or "joinings" (who joined whose thread, once per
        person and thread).
    strata
        The sets within which ``draw`` exchanges people: any of "space", "period" and "hour" (four hours of the day).
        ``pairs.stratum`` is coded so.
    needs
        Capabilities a source must have (`sna.list_capabilities`).
    supports_claims
        Whether a claim about people's preferences may rest on it. False: a description.
    moments
        ``moments(pairs, contrasts)`` gives the exact mean and variance of each ``sum(contrast * mixing counts)``
        for contrasts of shape ``(m, k, k)``. With it no draws are made.
    cell_p
        ``cell_p(counts)`` gives the exact two-sided p of each cell, ``(k, k)``. None: from the moments or the draws.
    expected
        ``expected(pairs)`` gives the expected counts of any subset of threads, ``(k, k)``, up to a factor; used to
        leave threads out in turn. None: in proportion to the number of pairs.
    count
        ``count(pairs, draws, rng)`` gives the mixing counts of what ``draw`` yields for an equal ``rng``, shape
        ``(draws, k, k)``, faster. None: draw by draw.

    Examples
    --------
    >>> def swap_ends(pairs, draws, rng):
    ...     for _ in range(draws):
    ...         yield replace(pairs, source_group=pairs.target_group, target_group=pairs.source_group)
    >>> mine = Null("swapped ends", ("who acts toward whom",), "the direction", swap_ends)
    >>> mine.pairs, mine.strata, mine.supports_claims
    ('interactions', (), False)
    """

    name: str
    holds: tuple[str, ...]
    shuffles: str
    draw: Callable[[Pairs, int, np.random.Generator], Iterator[Pairs]]
    pairs: str = "interactions"
    strata: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    supports_claims: bool = False
    moments: Moments | None = None
    cell_p: Callable[[Floats], Floats] | None = None
    expected: Callable[[Pairs], Floats] | None = None
    count: Callable[[Pairs, int, np.random.Generator], Floats] | None = None

    def __post_init__(self) -> None:
        if self.pairs not in ("interactions", "joinings"):
            raise ParameterError("Null.pairs is 'interactions' or 'joinings'.", got=f"Got {self.pairs!r}.")
        strange = [name for name in self.strata if name not in STRATA]
        if strange:
            raise ParameterError(f"Null.strata names any of {', '.join(STRATA)}.", got=f"Got {strange}.")


def label_null() -> Null:
    """Permute the labels of people; who acts toward whom stays as it is (Mantel 1967; Krackhardt 1988).

    A person who changed group counts as one node per group held. Moments are exact.

    When it misleads: groups differ in how much and where they take part, and labels carry that with them.

    Examples
    --------
    >>> label_null().holds
    ('who acts toward whom', 'number of people of each group taking part')
    """
    holds = ("who acts toward whom", "number of people of each group taking part")
    return Null("label permutation", holds, "the labels of people", _draw_labels, moments=_label_moments)


def volume_null() -> Null:
    """Hold how much each person sends and receives, permute who receives (the configuration model).

    Each cell is hypergeometric: mean ``out_a in_b / n``. When it misleads: people who sit in different channels
    cannot meet whatever they prefer.

    Examples
    --------
    >>> volume_null().shuffles
    'who receives, over the whole forum'
    """
    return Null(
        "volume-holding",
        ("pairs sent by each person", "pairs received by each person"),
        "who receives, over the whole forum",
        _draw_within,
        moments=_within_moments,
        cell_p=_hypergeometric_p,
        expected=_expected_within,
    )


def channel_null() -> Null:
    """As `volume_null`, but only among interactions of the same channel and period.

    Cells are sums of independent hypergeometrics. When it misleads: single interactions are not independent, one
    long thread makes many alike.

    Examples
    --------
    >>> channel_null().strata
    ('space', 'period')
    """
    return Null(
        "channel-stratified",
        ("pairs sent by each person per channel and period", "pairs received by each person per channel and period"),
        "who receives, within channel and period",
        _draw_within,
        strata=("space", "period"),
        needs=("threads", "spaces"),
        moments=_within_moments,
        expected=_expected_within,
    )


def participation_null(*, by_hour: bool = False) -> Null:
    """Permute the participants of threads within channel and period: the null for claims.

    ``source`` joined the thread that ``target`` began. Held: the number of threads each person joined per channel
    and period, each thread's size, its asker, and that nobody joins a thread twice or their own. How it draws:
    `sna.mixing.participants`. With ``by_hour`` people are exchanged only with those who joined in the same four hours
    of the day: where groups work at different hours, nothing coarser is fair.

    When it misleads: channels that are recorded wrongly, or that are not where people really meet, leave differences
    of opportunity inside a stratum; so do periods so long that people of different weeks count as present together.

    Examples
    --------
    >>> participation_null().supports_claims
    True
    """
    period = "period and hour of day" if by_hour else "period"
    holds = (
        f"threads joined by each person per channel and {period}",
        f"participants of each thread per {period}",
        "asker of each thread",
        "nobody joins a thread twice or their own",
    )
    return Null(
        "thread participation by hour" if by_hour else "thread participation",
        holds,
        f"participants of threads within channel and {period}",
        _draw_participants,
        pairs="joinings",
        strata=("space", "period", "hour") if by_hour else ("space", "period"),
        needs=("threads", "spaces"),
        supports_claims=True,
        expected=_expected_within,
        count=_count_participants,
    )


NULLS: Mapping[str, Callable[[], Null]] = {
    "label permutation": label_null,
    "volume-holding": volume_null,
    "channel-stratified": channel_null,
    "thread participation": participation_null,
}
"""The ladder, from the null that ignores most to the one that holds most."""


def find_null(null: str | Null) -> Null:
    """A null by its name, or itself.

    Raises
    ------
    ParameterError
        When no null has that name.

    Examples
    --------
    >>> find_null("volume-holding").shuffles
    'who receives, over the whole forum'
    """
    if isinstance(null, Null):
        return null
    if null not in NULLS:
        raise ParameterError(f"A null is one of {', '.join(map(repr, NULLS))}.", got=f"Got {null!r}.")
    return NULLS[null]()


def require_null(data: Forum | Network, null: Null) -> None:
    """Refuse a null whose needs the data do not meet.

    Raises
    ------
    NotAnswerableError
        When a network, which knows neither threads nor spaces, or a source lacks what the null needs.
    """
    if isinstance(data, Network):
        if null.needs or null.strata or null.pairs == "joinings":
            raise NotAnswerableError(
                f"The {null.name} null needs threads and spaces.", got="A Network.", hint="pass the forum itself"
            )
    elif "spaces" in null.needs or "space" in null.strata:
        require_spaces(data, analysis=f"the {null.name} null")
    elif null.needs:
        require_capabilities(data, null.needs, analysis=f"the {null.name} null")


def draw_counts(null: Null, pairs: Pairs, *, draws: int, rng: np.random.Generator) -> Floats:
    """Mixing counts of each draw, shape ``(draws, k, k)``."""
    if null.count is not None:
        return null.count(pairs, draws, rng)
    return np.stack([count_groups(drawn) for drawn in null.draw(pairs, draws, rng)])


def cell_moments(null: Null, pairs: Pairs) -> tuple[Floats, Floats]:
    """Exact mean and variance of every cell, each ``(k, k)``; as many rows of cells at a time as memory allows."""
    k = len(pairs.groups)
    if null.moments is None:
        raise ParameterError("Moments need a null with a closed form.", got=f"The {null.name} null.")
    step = max(1, _MOMENT_CELLS // (k * k * max(k, int(pairs.stratum.max(initial=0)) + 1)))
    found = []
    for start in range(0, k, step):
        rows = min(step, k - start)
        contrasts = np.zeros((rows * k, k, k))
        contrasts[np.arange(rows * k), start + np.arange(rows * k) // k, np.arange(rows * k) % k] = 1.0
        found.append(null.moments(pairs, contrasts))
    mean, variance = (np.concatenate(parts).reshape(k, k) for parts in zip(*found, strict=True))
    return mean, variance


# Labels ------------------------------------------------------------------------------------------------------------


def _nodes(pairs: Pairs) -> tuple[Ints, Ints, Ints]:
    """Node of each source and of each target, and each node's group; a node is a person in a group."""
    k = len(pairs.groups)
    ends = np.concatenate([pairs.source * k + pairs.source_group, pairs.target * k + pairs.target_group])
    codes, nodes = np.unique(ends, return_inverse=True)
    return nodes[: pairs.size], nodes[pairs.size :], codes % k


def _draw_labels(pairs: Pairs, draws: int, rng: np.random.Generator) -> Iterator[Pairs]:
    source, target, labels = _nodes(pairs)
    for _ in range(draws):
        shuffled = rng.permutation(labels)
        yield replace(pairs, source_group=shuffled[source], target_group=shuffled[target])


def _label_moments(pairs: Pairs, contrasts: Floats) -> tuple[Floats, Floats]:
    """Mantel's moments: the same six sums over ordered node pairs, of the network and of the contrast."""
    source, target, labels = _nodes(pairs)
    n = len(labels)
    ties = _tie_sums(source, target, n)
    sizes = np.bincount(labels, minlength=len(pairs.groups)).astype(np.float64)
    values = _contrast_sums(contrasts, sizes)
    falling = np.cumprod([n, n - 1.0, n - 2.0, n - 3.0])
    two, three, four = falling[1], max(falling[2], 1.0), max(falling[3], 1.0)
    mean = ties[0] * values[0] / two
    weights = [two, two, three, three, three / 2, four]
    second = sum(a * b / weight for a, b, weight in zip(ties[1:], values[1:], weights, strict=True))
    return mean, np.maximum(second - mean**2, 0.0)


def _tie_sums(source: Ints, target: Ints, n: int) -> tuple[float, ...]:
    """Total, and the sums of products of two ties: same, mutual, shared source, shared target, chained, disjoint."""
    keys, weight = np.unique(source * n + target, return_counts=True)
    weight = weight.astype(np.float64)
    i, j = np.divmod(keys, n)
    mirror = np.searchsorted(keys, j * n + i)
    found = (mirror < len(keys)) & (keys[np.minimum(mirror, len(keys) - 1)] == j * n + i)
    out, into = np.bincount(i, weight, n), np.bincount(j, weight, n)
    same, total = (weight**2).sum(), weight.sum()
    mutual = (weight[found] * weight[mirror[found]]).sum()
    sources, targets = (out**2).sum() - same, (into**2).sum() - same
    chained = (out * into).sum() - mutual
    return total, same, mutual, sources, targets, chained, total**2 - same - mutual - sources - targets - 2 * chained


def _contrast_sums(contrasts: Floats, sizes: Floats) -> tuple[Floats, ...]:
    """The same sums for ``x[group of i, group of j]`` over ordered pairs of different nodes."""
    own = np.einsum("maa->ma", contrasts)
    rows = contrasts @ sizes - own
    columns = np.einsum("mab,a->mb", contrasts, sizes) - own
    lost = (own**2) @ sizes
    same = np.einsum("mab,a,b->m", contrasts**2, sizes, sizes) - lost
    mutual = np.einsum("mab,a,b->m", contrasts * contrasts.transpose(0, 2, 1), sizes, sizes) - lost
    sources, targets = (rows**2) @ sizes - same, (columns**2) @ sizes - same
    chained = (rows * columns) @ sizes - mutual
    total = rows @ sizes
    return total, same, mutual, sources, targets, chained, total**2 - same - mutual - sources - targets - 2 * chained


# Volumes -----------------------------------------------------------------------------------------------------------


def _draw_within(pairs: Pairs, draws: int, rng: np.random.Generator) -> Iterator[Pairs]:
    home = np.argsort(pairs.stratum, kind="stable")
    block = pairs.stratum.astype(np.uint64)[home] << np.uint64(32)
    order = np.empty_like(home)
    for _ in range(draws):
        keys = block | rng.integers(0, 2**32, pairs.size, dtype=np.uint32)
        order[home] = home[np.argsort(keys)]
        yield replace(pairs, target=pairs.target[order], target_group=pairs.target_group[order])


def _within_moments(pairs: Pairs, contrasts: Floats) -> tuple[Floats, Floats]:
    """Hoeffding's moments of a permuted sum, added over strata."""
    sent, received = count_margins(pairs)
    size = np.maximum(sent.sum(axis=1), 1.0)
    rows, columns = sent / size[:, None], received / size[:, None]
    by_row = np.einsum("mab,sb->msa", contrasts, columns)
    by_column = np.einsum("mab,sa->msb", contrasts, rows)
    centre = np.einsum("msa,sa->ms", by_row, rows)
    square = np.einsum("mab,sa,sb->ms", contrasts**2, rows, columns)
    # E of (x - row mean - column mean + mean)^2 over the product of the margins
    spread = square - np.einsum("msa,sa->ms", by_row**2, rows) - np.einsum("msb,sb->ms", by_column**2, columns)
    spread = np.maximum(spread + centre**2, 0.0)
    factor = np.where(size > 1, size**2 / np.maximum(size - 1, 1), 0.0)
    return centre @ size, spread @ factor


def _expected_within(pairs: Pairs) -> Floats:
    """Expected counts when the receivers of each stratum are permuted; ``(k, k)``."""
    sent, received = count_margins(pairs)
    return (sent / np.maximum(sent.sum(axis=1, keepdims=True), 1.0)).T @ received


def _hypergeometric_p(counts: Floats) -> Floats:
    """Exact two-sided p of each cell given its row and column: twice the smaller tail, at most 1."""
    rows, columns, total = counts.sum(axis=1)[:, None], counts.sum(axis=0)[None, :], counts.sum()
    below = stats.hypergeom.cdf(counts, total, rows, columns)
    above = stats.hypergeom.sf(counts - 1, total, rows, columns)
    return np.asarray(np.clip(2 * np.minimum(below, above), np.finfo(np.float64).tiny, 1.0))


# Participants of threads -------------------------------------------------------------------------------------------


def _draw_participants(pairs: Pairs, draws: int, rng: np.random.Generator) -> Iterator[Pairs]:
    return draw_participants(pairs, draws=draws, rng=rng)


def _count_participants(pairs: Pairs, draws: int, rng: np.random.Generator) -> Floats:
    return count_participants(pairs, draws=draws, rng=rng)
