"""Did talk across groups change, at a date that is known, or at one that the data are searched for?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from sna.errors import NotAnswerableError
from sna.forum import Forum
from sna.mixing.draws import BY, LEAST_THREADS, MixingDraws, require_agreement, require_groups, require_threads
from sna.mixing.nulls import draw_counts, participation_null
from sna.mixing.pairs import EVERY, NO_TIME, Pairs, code_joins, lay_strata, take_pairs
from sna.mixing.seating import (
    Margins,
    Scores,
    fit_preference,
    hold_margins,
    place_preference,
    score_threads,
    subtract,
    t_estimate,
)
from sna.results import Estimate
from sna.schema import TIME
from sna.talk.windows import make_window
from sna.types import Floats, Ints, Moment

_MOST_DATES = 100
# A change in the first or last tenth of what is known could not be told from chance.
_EDGE_SHARE = 0.1


def cross_role_change(
    data: Forum | MixingDraws,
    *,
    split_at: Moment = None,
    by: str | None = None,
    since: Moment = None,
    until: Moment = None,
    every: str | None = None,
    draws: int = 999,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> Estimate:
    """Did talk across groups change? At a known date, or at the date where it changed most.

    Parameters
    ----------
    data
        A Forum, or ready draws. Spaces are used where they are known.
    split_at
        Threads that began before it are the first part, the others the second: the start of a campaign, or a date
        chosen before looking at the data. None searches all dates (`find_change_date`) and corrects for the search.
    by, since, until, every, level
        As in `mixing_matrix`.
    draws, rng
        Draws of the thread-participation null, which place the zero exactly, and those of the search.

    Returns
    -------
    Estimate
        After minus before, of the log-odds of joining a thread of another group rather than one's own: positive means
        more talk across groups. Interval and p come from one procedure: p < 0.05 exactly when the 95 % interval leaves
        out 0. With a date they rest on the scores of whole threads in each part (t distribution, Welch's degrees of
        freedom); without one, the largest t statistic of all dates against that of draws in which each thread's
        score has a random sign.

    Raises
    ------
    NotAnswerableError
        When a part has too few threads.

    Notes
    -----
    People are compared with those who took part in the same space and period of the same part, so people of
    different years are never expected to have met.

    When it misleads: something else changed at the same date (a new channel, a reorganisation, another way of
    logging). Where spaces are not known, a shift of talk between channels looks like a change of preference. A date
    chosen because the data change there needs the search.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> made = make_forum(n_threads=900, n_weeks=52, role_preference=2.0, role_preference_later=0.0, rng=1)
    >>> change = cross_role_change(made.forum, split_at=made.truth.changed_at)
    >>> change.value > 1, change.low > 0, change.expected
    (True, True, 0.0)
    """
    pairs, by = _take_pairs(data, by=by, since=since, until=until, every=every)
    if split_at is None:
        return search_change(pairs, by, draws=draws, level=level, rng=np.random.default_rng(rng))[0]
    return change_at(pairs, split_at, by=by, draws=draws, level=level, rng=rng)


def find_change_date(
    data: Forum | MixingDraws,
    *,
    by: str | None = None,
    since: Moment = None,
    until: Moment = None,
    every: str | None = None,
    draws: int = 999,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> tuple[datetime, Estimate]:
    """The date at which talk across groups changed most, and the change there, corrected for the search.

    Parameters
    ----------
    data, by, since, until, every, draws, level, rng
        As in `cross_role_change`.

    Returns
    -------
    tuple
        The date, and the Estimate. There is always a date; whether there is a change, the Estimate says.

    Raises
    ------
    NotAnswerableError
        With fewer than 40 threads.

    Notes
    -----
    At up to 100 dates between the first and the last tenth of the information, the scores of the threads after and
    before are compared; the largest t statistic is compared with the largest of each draw.

    When it misleads: a slow change has no date; the one found is then its steepest part or simply its middle.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> made = make_forum(n_threads=900, n_weeks=52, role_preference=2.0, role_preference_later=0.0, rng=1)
    >>> date, change = find_change_date(made.forum, draws=199, rng=1)
    >>> abs((date - made.truth.changed_at).days) < 21, change.p_value
    (True, 0.005)
    """
    pairs, by = _take_pairs(data, by=by, since=since, until=until, every=every)
    change, date = search_change(pairs, by, draws=draws, level=level, rng=np.random.default_rng(rng))
    return date, change


def change_at(
    pairs: Pairs,
    split_at: Moment,
    *,
    by: str = BY,
    draws: int = 199,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> Estimate:
    """The estimate of `cross_role_change` at a date, for joinings."""
    after = begun_after(pairs, split_at)
    for half, name in ((0, "before"), (1, "after")):
        require_threads(int((after == half).sum()), f"{by} change", unit=f"threads {name} {split_at}")
    return judge_change(pairs, after, by=by, draws=draws, level=level, rng=np.random.default_rng(rng))


def judge_change(pairs: Pairs, after: Ints, *, by: str, draws: int, level: float, rng: np.random.Generator) -> Estimate:
    """The estimate of `cross_role_change` for threads labelled 0 (before) and 1 (after)."""
    # The same random numbers for both parts: what they have in common cancels.
    seed, found = rng.integers(0, 2**32, 4), []
    for half in (1, 0):
        part = lay_strata(take_pairs(pairs, np.flatnonzero(after[pairs.thread] == half)), ("space", "period"))
        counts = draw_counts(participation_null(), part, draws=draws, rng=np.random.default_rng(seed))
        found.append(place_preference(part, counts))
    gap = subtract(found[0], found[1])
    n = len(pairs.threads)
    return t_estimate(_measure(by), gap, level=level, null="no change of preference", n=n, draws=draws)


def begun_after(pairs: Pairs, split_at: Moment) -> Ints:
    """1 for each thread that began at or after a moment, else 0."""
    moment = make_window(split_at, None)[0]
    starts = pairs.started.cast(TIME).to_physical().fill_null(NO_TIME).to_numpy()
    begin = NO_TIME if moment is None else int(pl.Series([moment]).cast(TIME).to_physical()[0])
    return (starts >= begin).astype(np.int64)


def _take_pairs(
    data: Forum | MixingDraws, *, by: str | None, since: Moment, until: Moment, every: str | None
) -> tuple[Pairs, str]:
    if isinstance(data, MixingDraws):
        require_agreement(data, by=by, since=since, until=until, every=every)
        pairs, by = data.pairs, data.by
    else:
        by = by or BY
        pairs = code_joins(data, by, since=since, until=until, every=every or EVERY)
    require_groups(pairs, by)
    return lay_strata(pairs, ("space", "period")), by


def _measure(by: str) -> str:
    return f"change in the log-odds of joining a thread of another {by} rather than one's own"


def search_change(
    pairs: Pairs, by: str = BY, *, draws: int = 999, level: float = 0.95, rng: np.random.Generator
) -> tuple[Estimate, datetime]:
    """The largest change of all dates, its p among the largest of the draws, and an interval of the same procedure."""
    dated = pairs.started.len() - pairs.started.null_count()
    require_threads(dated // 2, f"a search for the date of a {by} change", unit="dated threads in each of two parts")
    margins = hold_margins(pairs)
    scores = score_threads(pairs, margins, delta=fit_preference(margins)[0])
    scores = replace(scores, score=_centre(scores, _mean_score(pairs, margins, draws=min(draws, 99), rng=rng)))
    cuts = _list_cuts(scores.weight[:dated])
    step, error = _compare_parts(scores, cuts)
    scaled = np.abs(step / error)
    at = int(np.argmax(scaled))
    largest = np.sort(_draw_largest(scores, cuts, error, draws=draws, rng=rng))
    p_value = (1 + int((largest >= scaled[at] - 1e-12).sum())) / (1 + draws)
    # The quantile that a statistic exceeds exactly when its p is at most 1 - level.
    allowed = int(np.floor((1 - level) * (1 + draws) + 1e-9)) - 1
    reach = (float(largest[draws - 1 - allowed]) if allowed >= 0 else np.inf) * float(error[at])
    date: datetime = pairs.started[int(cuts[at])]
    return (
        Estimate(
            f"{_measure(by)} at the date of the largest change, {date:%Y-%m-%d}",
            -float(step[at]),
            low=-float(step[at]) - reach,
            high=-float(step[at]) + reach,
            level=level,
            expected=0.0,
            p_value=p_value,
            null="no change of preference",
            n=len(pairs.threads),
            unit="threads",
            draws=draws,
        ),
        date,
    )


def _mean_score(pairs: Pairs, margins: Margins, *, draws: int, rng: np.random.Generator) -> Floats:
    """Mean score of each thread over draws without preference: what the closed form leaves out."""
    null, total = participation_null(), np.zeros(len(pairs.threads))
    for drawn in null.draw(pairs, draws, rng):
        total += score_threads(drawn, margins, delta=0.0).score
    return total / draws


def _centre(scores: Scores, mean: Floats) -> Floats:
    """Scores less their mean over draws, adding up to zero."""
    score = scores.score - mean
    centred: Floats = score - scores.weight * score.sum() / max(float(scores.weight.sum()), 1e-12)
    return centred


def _list_cuts(weight: Floats) -> Ints:
    """First thread of the second part, for up to 100 splits that leave enough threads and information on both sides."""
    known = np.cumsum(weight) / max(float(weight.sum()), 1e-12)
    first, last = LEAST_THREADS, len(weight) - LEAST_THREADS
    first = max(first, int(np.searchsorted(known, _EDGE_SHARE)))
    last = min(last, int(np.searchsorted(known, 1 - _EDGE_SHARE)))
    if weight.sum() <= 0 or first > last:
        raise NotAnswerableError(
            "The search for a date needs threads on both sides in which people of several groups meet.",
            got=f"{len(weight)} threads.",
            hint="take a longer period",
        )
    return np.unique(np.linspace(first, last, _MOST_DATES).astype(np.int64))


def _compare_parts(scores: Scores, cuts: Ints) -> tuple[Floats, Floats]:
    """Difference of preference after and before each cut, one step from the common one, and its standard error."""
    columns = (scores.score, scores.weight, scores.square)
    sums = [np.cumsum(column)[cuts - 1] for column in columns]
    totals = [float(column.sum()) for column in columns]
    (score, weight, square), (all_score, all_weight, all_square) = sums, totals
    step = (all_score - score) / (all_weight - weight) - score / weight
    error = np.sqrt(square / weight**2 + (all_square - square) / (all_weight - weight) ** 2)
    return step, np.maximum(error, 1e-12)


def _draw_largest(scores: Scores, cuts: Ints, error: Floats, *, draws: int, rng: np.random.Generator) -> Floats:
    """The largest t statistic over all cuts, with a random sign for the score of each thread."""
    largest, size, share = np.empty(draws), np.sqrt(scores.square), scores.weight / scores.weight.sum()
    earlier = np.cumsum(scores.weight)[cuts - 1]
    later = float(scores.weight.sum()) - earlier
    for draw in range(draws):
        score = np.where(rng.integers(0, 2, len(size), dtype=np.int8) == 1, size, -size)
        total = float(score.sum())
        # less each thread's share of the whole, because the common preference is fitted again
        before = np.cumsum(score - share * total)[cuts - 1]
        largest[draw] = np.abs((-before / later - before / earlier) / error).max()
    return largest
