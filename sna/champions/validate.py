"""Do champions found today matter tomorrow? Scores from before a moment against outcomes from after it.

Nothing later than the moment reaches a score: `forum_before` cuts every table. The outcome lies in the horizon after.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from sna.champions.comparators import clocked_comparators
from sna.champions.facets import list_newcomers
from sna.champions.helps import Helping, build_helping
from sna.champions.score import HALF_LIFE_MONTHS, ensemble_score
from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum
from sna.people.listed import listed_people
from sna.talk.interactions import is_positive_reaction
from sna.talk.windows import make_window
from sna.types import Floats

OUTCOMES: Mapping[str, str] = {
    "answering": "threads of others helped in after the moment (still active and answering)",
    "accepted": "helps after the moment that were accepted",
    "returned": "newcomers helped first after the moment who came back within 60 days",
    "likes": "likes, emoji and votes in favour gained on posts written after the moment",
    "appointed": "a value of `attribute` that begins after the moment",
}
"""Outcomes of `validate_champions`: what each counts."""

Scores = Mapping[str, Callable[[Forum], pl.DataFrame]]

OURS = "ensemble"
_TOP = 10
_METRICS = ("auc", "average_precision", "precision_at_10", "ndcg")


def forum_before(forum: Forum, at: datetime | date | str) -> Forum:
    """The forum as it could be known at a moment.

    Posts, signals, events, memberships, campaigns and spells of roles that begin at ``at`` or later are removed, and
    ends that lie later are forgotten. What has no time is removed where it could be later knowledge: signals, events
    and attributes taken from a snapshot. People are kept if they joined or acted before.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "1"], "author_id": ["ann", "bob"],
    ...                       "created_at": ["2024-01-01", "2024-02-01"]})
    >>> forum_before(build_forum(posts=posts), "2024-01-15").people["person_id"].to_list()
    ['ann']
    """
    moment = _moment(at)
    posts = forum.posts.filter(pl.col("created_at") < moment).with_columns(
        _forget("edited_at", moment), _forget("deleted_at", moment)
    )
    known = pl.col("post_id").is_in(posts["post_id"].implode())
    signals = forum.signals.filter((pl.col("at") < moment) & known)
    events = forum.events.filter(pl.col("at") < moment)
    memberships, roles = _spells_before(forum.memberships, moment), _spells_before(forum.roles, moment)
    seen = pl.concat(
        [posts["author_id"], *(t["person_id"] for t in (signals, events, memberships, roles))]
    ).drop_nulls()
    people = forum.people.filter(
        (pl.col("joined_at") < moment) | pl.col("person_id").is_in(seen.unique().implode())
    ).with_columns(_forget("left_at", moment), name=pl.lit(None, pl.String))
    return dataclasses.replace(
        forum,
        people=people,
        posts=posts,
        signals=signals,
        events=events,
        memberships=memberships,
        roles=roles,
        mentions=forum.mentions.filter(known),
        campaigns=forum.campaigns.filter(pl.col("starts_at") < moment),
        source=dataclasses.replace(forum.source, exported_at=moment),
        issues=forum.issues.head(0),
    )


def _forget(column: str, moment: datetime) -> pl.Expr:
    return pl.when(pl.col(column) < moment).then(pl.col(column)).alias(column)


def _spells_before(frame: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Spells known to have begun before; one without a beginning may have been learnt at the export, by a snapshot."""
    begun = pl.col("valid_from") < moment
    if "basis" in frame.columns:
        begun = begun.fill_null(pl.col("basis").is_in(["event", "effective_dated"]))
    return frame.filter(begun).with_columns(_forget("valid_to", moment))


def _moment(at: datetime | date | str) -> datetime:
    moment, _ = make_window(at, None)
    if moment is None:
        raise ParameterError("at is a date or time.", got="Got None.")
    return moment


def list_outcomes(
    forum: Forum,
    *,
    at: datetime | date | str,
    horizon: timedelta | None = None,
    outcome: str = "answering",
    attribute: str = "platform_role",
) -> pl.DataFrame:
    """What became of each person after a moment.

    Parameters
    ----------
    forum
        The whole forum.
    at, horizon
        The outcome lies in ``at <= time < at + horizon``; None: until the end.
    outcome
        One of `OUTCOMES`.
    attribute
        Of "appointed".

    Returns
    -------
    DataFrame
        ``person_id, outcome`` (a count) for humans who did not opt out and had posted before ``at``, by id. People who
        already held the role at that moment are no candidates for "appointed" and are left out.

    Raises
    ------
    ParameterError
        For an unknown outcome.
    NotAnswerableError
        When nobody has a positive outcome, or everybody has.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2", "3", "4"], "thread_id": ["1", "1", "3", "3"],
    ...                       "author_id": ["ann", "bob", "ann", "bob"], "kind": ["root", "reply"] * 2,
    ...                       "created_at": ["2024-01-01", "2024-01-02", "2024-02-01", "2024-02-02"]})
    >>> list_outcomes(build_forum(posts=posts), at="2024-01-15").rows()
    [('ann', 0.0), ('bob', 1.0)]
    """
    if outcome not in OUTCOMES:
        raise ParameterError(f"outcome is one of {', '.join(OUTCOMES)}.", got=f"Got {outcome!r}.")
    start = _moment(at)
    end = min(start + horizon, _end(forum)) if horizon is not None else _end(forum)
    if start >= end:
        raise ParameterError("at lies before the end of the forum.", got=f"{start} and {end}.")
    counts = _count_outcome(forum, outcome, start, end, attribute)
    posted = forum.posts.filter(pl.col("created_at") < start)["author_id"].drop_nulls().unique()
    people = listed_people(forum).filter(pl.col("person_id").is_in(posted.implode()))
    if outcome == "appointed":
        incumbents = _incumbents(forum, start, end, attribute)
        people = people.filter(~pl.col("person_id").is_in(incumbents.implode()))
    table = people.join(counts, on="person_id", how="left", maintain_order="left")
    table = table.with_columns(pl.col("outcome").cast(pl.Float64).fill_null(0.0))
    positive = int((table["outcome"] > 0).sum())
    if not 0 < positive < table.height:
        raise NotAnswerableError(
            f"Validating on {outcome!r} needs people with and without it after {start:%Y-%m-%d}.",
            got=f"{positive} of {table.height} people have it.",
            hint="another moment, horizon or outcome",
        )
    return table


def _end(forum: Forum) -> datetime:
    if forum.period is None:
        raise NotAnswerableError("Validation needs dated posts.", got="No post has a time.")
    return forum.period[1] + timedelta(seconds=1)


def _count_outcome(forum: Forum, outcome: str, start: datetime, end: datetime, attribute: str) -> pl.DataFrame:
    if outcome == "appointed":
        spells = forum.roles.filter(pl.col("attribute") == attribute)
        fresh = spells.filter(pl.col("valid_from").is_between(start, end, closed="left"))
        return fresh.group_by("person_id").len("outcome")
    if outcome == "likes":
        posts = forum.posts.filter(pl.col("created_at").is_between(start, end, closed="left"))
        given = forum.signals.filter(is_positive_reaction()).rename({"person_id": "giver"})
        joined = given.join(posts.select("post_id", person_id="author_id"), on="post_id")
        others = joined.filter(pl.col("giver").is_null() | (pl.col("giver") != pl.col("person_id")))
        return others.group_by("person_id").agg(pl.col("n").sum().alias("outcome"))
    helping = build_helping(forum, since=start)
    if outcome == "returned":
        return _returned(forum, helping, start, end)
    helps = helping.helps.filter(pl.col("at") < end)
    if outcome == "accepted":
        helps = helps.filter(pl.col("n_accepted") > 0)
    return helps.group_by("person_id").len("outcome")


def _incumbents(forum: Forum, start: datetime, end: datetime, attribute: str) -> pl.Series:
    """Who at the moment already holds a value that others are given after it: no candidates for it."""
    spells = forum.roles.filter(pl.col("attribute") == attribute)
    given = spells.filter(pl.col("valid_from").is_between(start, end, closed="left"))["value"].unique()
    held = (pl.col("valid_from") < start).fill_null(value=True) & (pl.col("valid_to") > start).fill_null(value=True)
    return spells.filter(held & pl.col("value").is_in(given.implode()))["person_id"].unique()


def _returned(forum: Forum, helping: Helping, start: datetime, end: datetime) -> pl.DataFrame:
    fresh = list_newcomers(forum, helping).filter(
        pl.col("returned") & pl.col("asked_at").is_between(start, end, closed="left")
    )
    return fresh.drop_nulls("helper_id").group_by(pl.col("helper_id").alias("person_id")).len("outcome")


def validate_champions(
    forum: Forum,
    *,
    at: datetime | date | str,
    horizon: timedelta | None = None,
    outcome: str = "answering",
    attribute: str = "platform_role",
    scores: Scores | None = None,
    draws: int = 999,
    level: float = 0.95,
    rng: np.random.Generator | int | None = 0,
) -> pl.DataFrame:
    """How well scores known at a moment predict who matters after it, beside the usual scores.

    Parameters
    ----------
    forum
        The whole forum; scores see only `forum_before` of it.
    at, horizon, outcome, attribute
        See `list_outcomes`.
    scores
        Name to function of a forum, giving ``person_id, score``. By default `sna.ensemble_score` under the name
        "ensemble" and all `sna.champions.comparators.COMPARATORS`, each over all history, over the last twelve months
        and faded as ours is. The first is the one the others are compared with.
    draws, level, rng
        Of the bootstrap over people (percentile intervals).

    Returns
    -------
    DataFrame
        One row per score: ``score, n_people, n_positive``, and for ``auc`` and ``average_precision`` (outcome above
        0), ``precision_at_10`` (share of the first ten who are among the ten best, ties included) and ``ndcg`` (gain
        log2(1 + outcome), whole list), as scikit-learn defines them: the value, ``_low``, ``_high``, and
        ``_difference`` to the first score with ``_difference_low`` and ``_difference_high`` (below 0: worse than the
        first). Ties in the first ten are broken by id.

    Raises
    ------
    NotAnswerableError
        When nobody, or everybody, has the outcome.

    Notes
    -----
    When it misleads: with a handful of positives every interval is wide and percentile intervals are too narrow; an
    outcome that measures volume favours scores that measure volume; a forum is one case, whatever its interval.

    Examples
    --------
    >>> import sna
    >>> forum = sna.make_forum(n_people=60, n_threads=200, rng=1).forum
    >>> table = validate_champions(forum, at="2024-04-01", draws=50)
    >>> table["score"][0], table["auc_difference"][0]
    ('ensemble', 0.0)
    """
    truth = list_outcomes(forum, at=at, horizon=horizon, outcome=outcome, attribute=attribute)
    known = forum_before(forum, at)
    chosen = scores if scores is not None else DEFAULT_SCORES
    tables = {name: score(known) for name, score in chosen.items()}
    return _compare(truth, tables, draws=draws, level=level, rng=rng)


def validate_labels(
    forum: Forum,
    labels: Collection[str],
    *,
    scores: Scores | None = None,
    draws: int = 999,
    level: float = 0.95,
    rng: np.random.Generator | int | None = 0,
) -> pl.DataFrame:
    """How well scores single out people known to be experts or leaders from elsewhere.

    Parameters
    ----------
    labels
        Ids of these people. Compared are all humans who posted and did not opt out. Such a label has no date, so
        nothing is faded in the score called "ensemble".

    Returns
    -------
    DataFrame
        As `validate_champions`.

    Notes
    -----
    When it misleads: a title is not evidence; who has it may simply be more visible.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2", "3"], "thread_id": ["1"] * 3, "author_id": ["ann", "bob", "cat"],
    ...                       "kind": ["root", "reply", "comment"], "created_at": ["2024-01-01"] * 3})
    >>> validate_labels(build_forum(posts=posts), ["bob", "cat"], draws=5).select("score", "auc").row(0)
    ('ensemble', 1.0)
    """
    posted = forum.posts["author_id"].drop_nulls().unique()
    people = listed_people(forum).filter(pl.col("person_id").is_in(posted.implode()))
    truth = people.with_columns(outcome=pl.col("person_id").is_in(list(labels)).cast(pl.Float64))
    if not 0 < truth["outcome"].sum() < truth.height:
        raise NotAnswerableError(
            "Validating on labels needs people with and without one among those who posted.",
            got=f"{int(truth['outcome'].sum())} of {truth.height} have one.",
        )
    chosen = scores if scores is not None else {**DEFAULT_SCORES, OURS: _undated_score}
    return _compare(truth, {name: score(forum) for name, score in chosen.items()}, draws=draws, level=level, rng=rng)


def _undated_score(forum: Forum) -> pl.DataFrame:
    """The score without fading: a label without a date says nothing about lately."""
    return ensemble_score(forum, half_life_months=None)


DEFAULT_SCORES: Scores = {OURS: ensemble_score, **clocked_comparators(HALF_LIFE_MONTHS)}
"""What `validate_champions` compares by default: ours first, then each comparator over all history, over the last
twelve months, and with the same fading as ours."""


def _compare(
    truth: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    *,
    draws: int,
    level: float,
    rng: np.random.Generator | int | None,
) -> pl.DataFrame:
    outcome = truth["outcome"].to_numpy()
    values = {name: _aligned(truth, table) for name, table in tables.items()}
    generator = np.random.default_rng(rng)
    size = truth.height
    drawn = [np.sort(generator.integers(0, size, size)) for _ in range(draws)]
    point = {name: _metrics(value, outcome) for name, value in values.items()}
    spread = {name: np.array([_metrics(value[i], outcome[i]) for i in drawn]) for name, value in values.items()}
    first = next(iter(values))
    rows = []
    for name in values:
        row: dict[str, object] = {"score": name, "n_people": size, "n_positive": int((outcome > 0).sum())}
        apart = spread[name] - spread[first]
        for j, metric in enumerate(_METRICS):
            row |= {metric: float(point[name][j]), **_ends(spread[name][:, j], metric, level)}
            key = f"{metric}_difference"
            row |= {key: float(point[name][j] - point[first][j]), **_ends(apart[:, j], key, level)}
        rows.append(row)
    return pl.DataFrame(rows)


def _ends(draws: Floats, name: str, level: float) -> dict[str, float | None]:
    usable = draws[np.isfinite(draws)]
    if not usable.size:
        return {f"{name}_low": None, f"{name}_high": None}
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def _aligned(truth: pl.DataFrame, table: pl.DataFrame) -> Floats:
    """Scores in the order of the people; nobody's score is worse than any score given."""
    joined = truth.join(table.select("person_id", "score"), on="person_id", how="left", maintain_order="left")
    floor = joined["score"].min()
    return joined["score"].fill_null(0.0 if floor is None else float(floor) - 1.0).to_numpy().astype(float)  # type: ignore[arg-type]


def _metrics(score: Floats, outcome: Floats) -> Floats:
    """AUC, average precision, precision at 10 and NDCG, by scikit-learn; NaN where all or none are positive."""
    positive = outcome > 0
    if positive.all() or not positive.any():
        return np.full(len(_METRICS), np.nan)
    top = min(_TOP, outcome.size)
    least = max(np.partition(outcome, -top)[-top], np.nextafter(0, 1))
    first = np.argsort(-score, kind="stable")[:top]
    return np.array(
        [
            roc_auc_score(positive, score),
            average_precision_score(positive, score),
            (outcome[first] >= least).mean(),
            ndcg_score(np.log2(1 + outcome)[None], score[None]),
        ]
    )
