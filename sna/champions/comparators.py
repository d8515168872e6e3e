"""Scores of expertise and standing from the literature, to compare champions with; none adjusts for opportunity.

Every function takes a forum and a window and returns ``person_id, score`` for all humans who did not opt out, sorted
by id; those without any act score 0. `COMPARATORS` holds them by name. With ``half_life_months`` an act counts half as
much after so many months, as in `sna.ensemble_score`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

import polars as pl

from sna.champions.helps import build_helping, has_threads, last_year
from sna.champions.score import fade_counts, fading
from sna.forum import Forum, build_forum
from sna.network.centrality import hits, pagerank
from sna.network.network import network_from_edges
from sna.people.listed import listed_people
from sna.talk.interactions import list_interactions
from sna.talk.windows import cut_window, make_window
from sna.types import Moment


def raw_posts(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = None
) -> pl.DataFrame:
    """Number of posts: the league table of most platforms.

    When it misleads: it rewards presence, long banter and busy channels.

    Examples
    --------
    >>> raw_posts(_example()).rows()
    [('ann', 1.0), ('bob', 2.0), ('cat', 1.0)]
    """
    posts = cut_window(forum.posts, since=since, until=until, column="created_at")
    acts = posts.select(pl.col("author_id").alias("person_id"), at="created_at")
    return _scores(forum, _count(forum, acts, until, half_life_months))


def raw_answers(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = None
) -> pl.DataFrame:
    """Number of answers given to others (any later post in somebody else's thread where answers are not marked).

    Examples
    --------
    >>> raw_answers(_example()).rows()
    [('ann', 0.0), ('bob', 2.0), ('cat', 1.0)]
    """
    acts = list_answers(forum, since=since, until=until).rename({"source": "person_id"})
    return _scores(forum, _count(forum, acts, until, half_life_months))


def people_reached(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = None
) -> pl.DataFrame:
    """Number of distinct people answered: the out-degree among those who answer.

    Examples
    --------
    >>> people_reached(_example()).rows()
    [('ann', 0.0), ('bob', 1.0), ('cat', 1.0)]
    """
    acts = list_answers(forum, since=since, until=until).sort("at", nulls_last=False)
    latest = acts.unique(["source", "target"], keep="last", maintain_order=True).rename({"source": "person_id"})
    return _scores(forum, _count(forum, latest, until, half_life_months))


def in_degree(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = None
) -> pl.DataFrame:
    """Number of distinct people who turned to the person (replied to, or wrote to, them).

    Examples
    --------
    >>> in_degree(_example()).rows()
    [('ann', 2.0), ('bob', 0.0), ('cat', 0.0)]
    """
    turns = list_turns(forum, since=since, until=until).sort("at", nulls_last=False)
    latest = turns.unique(["source", "target"], keep="last", maintain_order=True).rename({"target": "person_id"})
    return _scores(forum, _count(forum, latest, until, half_life_months))


def reply_pagerank(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = None
) -> pl.DataFrame:
    """PageRank of the reply network (Brin & Page 1998): whose posts are answered by people who are answered.

    Examples
    --------
    >>> reply_pagerank(_example()).with_columns(pl.col("score").round(3)).rows()
    [('ann', 0.574), ('bob', 0.213), ('cat', 0.213)]
    """
    turns = list_turns(forum, since=since, until=until)
    return _network_scores(forum, _weigh(forum, turns, until, half_life_months), "pagerank")


def expertise_rank(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = None
) -> pl.DataFrame:
    """ExpertiseRank: PageRank with damping 0.85 on the network from askers to those who answered them.

    Zhang, Ackerman & Adamic (2007), "Expertise networks in online communities", WWW.

    Examples
    --------
    >>> expertise_rank(_example())["score"].round(2).to_list()
    [0.26, 0.41, 0.33]
    """
    return _network_scores(forum, _asker_to_answerer(forum, since, until, half_life_months), "pagerank")


def hits_authority(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = None
) -> pl.DataFrame:
    """HITS authority (Kleinberg 1999) on the network from askers to those who answered them.

    Examples
    --------
    >>> hits_authority(_example())["score"].round(2).to_list()
    [0.0, 0.67, 0.33]
    """
    return _network_scores(forum, _asker_to_answerer(forum, since, until, half_life_months), "authority")


def z_score(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = None
) -> pl.DataFrame:
    """Answers against questions: ``(a - q) / sqrt(a + q)``, the z-number of Zhang, Ackerman & Adamic (2007).

    When it misleads: it collapses among people with one answer, and an expert who also asks scores 0.

    Examples
    --------
    >>> z_score(_example())["score"].round(3).to_list()
    [-1.0, 1.414, 1.0]
    """
    answers = list_answers(forum, since=since, until=until).rename({"source": "person_id"})
    if has_threads(forum):
        chances = build_helping(forum, since=since, until=until).chances
        asked = chances.select(pl.col("asker_id").alias("person_id"), at="asked_at")
    else:
        asked = list_turns(forum, since=since, until=until).rename({"target": "person_id"})
    given = _count(forum, answers, until, half_life_months).rename({"score": "a"})
    taken = _count(forum, asked, until, half_life_months).rename({"score": "q"})
    both = given.join(taken, on="person_id", how="full", coalesce=True).fill_null(0)
    a, q = pl.col("a").cast(pl.Float64), pl.col("q").cast(pl.Float64)
    return _scores(forum, both.select("person_id", ((a - q) / (a + q).sqrt()).alias("score")))


def acceptance_ratio(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = None
) -> pl.DataFrame:
    """Share of the threads helped in where the answer was accepted.

    When it misleads: one accepted answer of one is 100 %; partial pooling exists for this.

    Examples
    --------
    >>> acceptance_ratio(_example()).rows()
    [('ann', 0.0), ('bob', 0.0), ('cat', 0.0)]
    """
    helps = build_helping(forum, since=since, until=until).helps
    accepted = _count(forum, helps.filter(pl.col("n_accepted") > 0), until, half_life_months)
    given = _count(forum, helps, until, half_life_months).rename({"score": "n"})
    share = (pl.col("score").fill_null(0.0) / pl.col("n")).alias("score")
    return _scores(forum, given.join(accepted, on="person_id", how="left").select("person_id", share))


def bus_factor(
    forum: Forum, *, since: Moment = None, until: Moment = None, half_life_months: float | None = None
) -> pl.DataFrame:
    """Bus-factor rule: threads in which nobody else helped, that is, which hang on this one person.

    After the truck-factor rule for code (Avelino et al. 2016), with threads in the place of files.

    Examples
    --------
    >>> bus_factor(_example()).rows()
    [('ann', 0.0), ('bob', 0.0), ('cat', 0.0)]
    """
    helps = build_helping(forum, since=since, until=until).helps.filter(pl.col("n_helpers") == 1)
    return _scores(forum, _count(forum, helps, until, half_life_months))


COMPARATORS: Mapping[str, Callable[..., pl.DataFrame]] = {
    "raw_posts": raw_posts,
    "raw_answers": raw_answers,
    "people_reached": people_reached,
    "in_degree": in_degree,
    "pagerank": reply_pagerank,
    "hits_authority": hits_authority,
    "z_score": z_score,
    "expertise_rank": expertise_rank,
    "acceptance_ratio": acceptance_ratio,
    "bus_factor": bus_factor,
}
"""Comparators under their literature names; each is called with ``(forum, since=, until=, half_life_months=)``."""


def clocked_comparators(half_life_months: float) -> dict[str, Callable[[Forum], pl.DataFrame]]:
    """Every comparator three times: over all history, over the last twelve months, and faded.

    A score that fades is fairly compared only with scores that have the same clock.

    Examples
    --------
    >>> list(clocked_comparators(4.0))[:3]
    ['raw_posts', 'raw_posts, last year', 'raw_posts, faded']
    """
    found: dict[str, Callable[[Forum], pl.DataFrame]] = {}
    for name, score in COMPARATORS.items():
        found[name] = score
        found[f"{name}, last year"] = partial(_in_last_year, score)
        found[f"{name}, faded"] = partial(score, half_life_months=half_life_months)
    return found


def _in_last_year(score: Callable[..., pl.DataFrame], forum: Forum) -> pl.DataFrame:
    return score(forum, since=last_year(forum, since=None, until=None))


def list_answers(forum: Forum, *, since: Moment = None, until: Moment = None) -> pl.DataFrame:
    """Answers (source answers target); in a source without threads, whatever people direct at each other."""
    if has_threads(forum):
        return list_interactions(forum, kinds=("answer",), since=since, until=until)
    return list_turns(forum, since=since, until=until)


def list_turns(forum: Forum, *, since: Moment = None, until: Moment = None) -> pl.DataFrame:
    """Who turned to whom: replies as recorded, else answers, else mentions."""
    if not forum.states_capabilities or forum.supports("reply_parent") != "no":
        return list_interactions(forum, kinds=("reply",), since=since, until=until)
    return list_interactions(forum, kinds=("answer",) if has_threads(forum) else ("mention",), since=since, until=until)


def _asker_to_answerer(forum: Forum, since: Moment, until: Moment, half_life_months: float | None) -> pl.DataFrame:
    acts = list_answers(forum, since=since, until=until)
    return _weigh(forum, acts.with_columns(source="target", target="source"), until, half_life_months)


def _end(forum: Forum, until: Moment) -> datetime:
    """The moment from which age is counted back."""
    end = make_window(None, until)[1] or forum.observed_until
    return end if end is not None else datetime.min.replace(tzinfo=UTC)


def _count(forum: Forum, acts: pl.DataFrame, until: Moment, half_life_months: float | None) -> pl.DataFrame:
    """Acts per person, each counted once or faded: ``person_id, score``."""
    rows = acts.select("person_id", "at").drop_nulls("person_id")
    if half_life_months is not None:
        rows = rows.drop_nulls("at")
    return fade_counts(rows, until=_end(forum, until), half_life_months=half_life_months).rename({"faded": "score"})


def _weigh(forum: Forum, acts: pl.DataFrame, until: Moment, half_life_months: float | None) -> pl.DataFrame:
    """Edges, each of weight 1 or faded: ``source, target, weight``."""
    if half_life_months is None:
        return acts.select("source", "target")
    weight = fading(pl.col("at"), until=_end(forum, until), half_life_months=half_life_months)
    return acts.drop_nulls("at").select("source", "target", weight.clip(lower_bound=1e-12).alias("weight"))


def _network_scores(forum: Forum, edges: pl.DataFrame, measure: str) -> pl.DataFrame:
    people = forum.people.filter(pl.col("kind") == "human").select("person_id")
    network = network_from_edges(edges, people=people)
    table = pagerank(network) if measure == "pagerank" else hits(network)
    return _scores(forum, table.select("person_id", pl.col(measure).alias("score")))


def _scores(forum: Forum, found: pl.DataFrame) -> pl.DataFrame:
    """All humans who did not opt out, by id; 0 where nothing was found."""
    return (
        listed_people(forum)
        .join(found, on="person_id", how="left", maintain_order="left")
        .with_columns(pl.col("score").cast(pl.Float64).fill_null(0.0))
    )


def _example() -> Forum:
    """Ann asks; Bob answers twice, Cat once."""
    posts = pl.DataFrame(
        {
            "post_id": ["1", "2", "3", "4"],
            "thread_id": ["t"] * 4,
            "parent_id": [None, "1", "1", "1"],
            "author_id": ["ann", "bob", "bob", "cat"],
            "kind": ["root", "reply", "reply", "reply"],
            "created_at": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"],
        }
    )
    return build_forum(posts=posts)
