"""What may look like a champion and is none: reasons to look before naming somebody, each in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from sna.champions.helps import Helping
from sna.forum import Forum

_MOST = 0.5
_ENOUGH = 5
_INSTANT_SECONDS = 120.0
_FEW_CHARACTERS = 12
_SMALL_ROLE = 5
_NEW_WEEKS = 8
_LONG_WEEKS = 26
_ODD_HOURS = 0.6


@dataclass(frozen=True)
class Case:
    """What every guard looks at: the forum, helps of the window, and the group of each person who took part."""

    forum: Forum
    helping: Helping
    people: pl.DataFrame


def list_guards() -> pl.DataFrame:
    """The guards: ``guard, holds_back, meaning``. A guard that holds back keeps a person from being selected.

    Examples
    --------
    >>> list_guards().filter("holds_back")["guard"].to_list()
    ['reciprocity', 'burst', 'instant replies', 'empty replies', 'single specialist', 'newcomer']
    """
    rows = [(name, guard.holds_back, guard.meaning) for name, guard in GUARDS.items()]
    return pl.DataFrame(rows, schema=["guard", "holds_back", "meaning"], orient="row")


def find_cautions(case: Case) -> pl.DataFrame:
    """Sentences of the guards that fire: ``person_id, caution, held_back``; people without any are not listed.

    Parameters
    ----------
    case
        Helps of the window. ``people`` has ``person_id, group, hours_share``.

    Returns
    -------
    DataFrame
        ``caution``: the sentences, those that hold back first. ``held_back``: whether one of them holds back.
    """
    frames = [
        guard.find(case).select("person_id", "sentence", held_back=pl.lit(guard.holds_back), order=pl.lit(i))
        for i, guard in enumerate(GUARDS.values())
    ]
    found = pl.concat(frames).sort("person_id", "order")
    return found.group_by("person_id", maintain_order=True).agg(
        pl.col("sentence").str.join("; ").alias("caution"), pl.col("held_back").any()
    )


def _reciprocity(case: Case) -> pl.DataFrame:
    """Most helps to one person, or most thanks and likes from one."""
    helped = _most(case.helping.helps, "asker_id").with_columns(
        sentence=pl.format("{} of {} helps went to one person", "most", "n")
    )
    posts = case.forum.posts.select("post_id", "author_id", "created_at")
    given = case.forum.signals.rename({"person_id": "giver"}).join(posts, on="post_id")
    inside = pl.col("created_at").is_between(case.helping.since, case.helping.until, closed="left")
    given = given.filter(inside & pl.col("giver").is_not_null() & (pl.col("giver") != pl.col("author_id")))
    thanked = _most(given.rename({"author_id": "person_id"}), "giver").with_columns(
        sentence=pl.format("{} of {} acceptances, thanks and likes came from one person", "most", "n")
    )
    return pl.concat([helped, thanked], how="diagonal").unique("person_id", keep="first", maintain_order=True)


def _most(acts: pl.DataFrame, partner: str) -> pl.DataFrame:
    """People of whose acts more than half are with one partner: ``person_id, n, most``."""
    counts = acts.group_by("person_id", partner).len("k").group_by("person_id")
    table = counts.agg(pl.col("k").sum().alias("n"), pl.col("k").max().alias("most"))
    return table.filter((pl.col("n") >= _ENOUGH) & (pl.col("most") > _MOST * pl.col("n"))).sort("person_id")


def _burst(case: Case) -> pl.DataFrame:
    """More than half of the helps within seven days."""
    helps = case.helping.helps.sort("person_id", "at")
    if case.helping.until - case.helping.since < timedelta(weeks=_NEW_WEEKS):
        helps = helps.head(0)
    weeks = helps.rolling("at", period="7d", group_by="person_id").agg(pl.len().alias("k"))
    table = weeks.group_by("person_id").agg(pl.len().alias("n"), pl.col("k").max().alias("most"))
    found = table.filter((pl.col("n") >= _ENOUGH) & (pl.col("most") > _MOST * pl.col("n")))
    return found.with_columns(sentence=pl.format("{} of {} helps fell within seven days", "most", "n"))


def _instant_replies(case: Case) -> pl.DataFrame:
    """Replies within two minutes, where others need much longer: an account that may be a program."""
    waits = case.helping.helps.filter(pl.col("asked_at").is_not_null() & (pl.col("at") >= pl.col("asked_at")))
    waits = waits.select("person_id", seconds=(pl.col("at") - pl.col("asked_at")).dt.total_seconds())
    usual = waits.group_by("person_id").agg(pl.col("seconds").median())["seconds"].median()
    fast = waits.group_by("person_id").agg(pl.col("seconds").median().alias("own"), pl.len().alias("n"))
    limit = pl.min_horizontal(pl.lit(_INSTANT_SECONDS), pl.lit(usual, pl.Float64) / 5)
    return fast.filter((pl.col("n") >= _ENOUGH) & (pl.col("own") <= limit)).with_columns(
        sentence=pl.format(
            "half of the replies came within {} seconds: is this account a program?",
            pl.col("own").ceil().cast(pl.Int64),
        )
    )


def _empty_replies(case: Case) -> pl.DataFrame:
    """Replies of a few characters, or the same text again and again, where others write more."""
    texts = case.forum.posts.select("post_id", "text").drop_nulls()
    helps = case.helping.helps.join(texts, on="post_id").with_columns(text=pl.col("text").str.strip_chars())
    size = pl.col("text").str.len_chars()
    per_person = helps.group_by("person_id").agg(
        size.median().alias("size"),
        pl.len().alias("n"),
        pl.col("text").unique_counts().max().alias("same"),
    )
    usual = per_person["size"].median()
    short = (pl.col("size") <= _FEW_CHARACTERS) & (pl.lit(usual, pl.Float64) >= 3 * _FEW_CHARACTERS)
    same = pl.col("same") > _MOST * pl.col("n")
    found = per_person.filter((pl.col("n") >= _ENOUGH) & (short | same))
    sentence = pl.when(same).then(pl.format("{} of {} replies have the same text", "same", "n"))
    few = pl.format("half of the {} replies have at most {} characters", "n", pl.col("size").cast(pl.Int64))
    return found.with_columns(sentence=sentence.otherwise(few))


def _single_specialist(case: Case) -> pl.DataFrame:
    """One of few people of a role: there are no peers to compare with, and answering may be their job."""
    groups = case.people.filter(pl.col("group").is_not_null())
    sized = groups.with_columns(n=pl.len().over("group"))
    counts = case.helping.helps.group_by("person_id").len("n_helps").filter(pl.col("n_helps") >= _ENOUGH)
    few = sized.filter(pl.col("n") < _SMALL_ROLE).join(counts, on="person_id")
    alone = pl.when(pl.col("n") == 1).then(pl.lit("nobody else of this group took part"))
    words = alone.otherwise(pl.format("only {} people of this group took part", "n"))
    return few.with_columns(sentence=pl.format("{}: answering may be their job, and there are no peers", words))


def _newcomer(case: Case) -> pl.DataFrame:
    """Helps for less than eight weeks, in a forum that is older than half a year."""
    first = case.forum.posts.drop_nulls(["author_id", "created_at"]).group_by(person_id="author_id")
    seen = first.agg(pl.col("created_at").min().alias("first"))
    began = seen["first"].min()
    weeks = (pl.lit(case.helping.until) - pl.col("first")).dt.total_seconds() / (7 * 86400)
    old = began is not None and case.helping.until - began >= timedelta(weeks=_LONG_WEEKS)  # type: ignore[operator]
    new = seen.filter((weeks < _NEW_WEEKS) & pl.lit(old)).with_columns(n=weeks.floor().cast(pl.Int64))
    return new.join(case.helping.helps.select("person_id").unique(), on="person_id").with_columns(
        sentence=pl.format("here for {} weeks only", pl.col("n") + 1)
    )


def _two_accounts(case: Case) -> pl.DataFrame:
    """Two people of the same name, both active: possibly one person."""
    active = case.forum.posts["author_id"].drop_nulls().unique()
    humans = case.forum.people.filter((pl.col("kind") == "human") & pl.col("person_id").is_in(active.implode()))
    words = pl.col("name").str.to_lowercase().str.extract_all(r"\p{L}+").list.sort().list.join(" ")
    named = humans.with_columns(words=words).filter(
        pl.col("words").str.contains(" ") & (pl.col("name") != pl.col("person_id"))
    )
    double = named.with_columns(n=pl.len().over("words")).filter(pl.col("n") > 1)
    return double.join(case.helping.helps.select("person_id").unique(), on="person_id").with_columns(
        sentence=pl.lit("another account has the same name: if it is the same person, join the two first")
    )


def _other_hours(case: Case) -> pl.DataFrame:
    """There at other hours than most: chances rest on the hours of a day in which a person was seen."""
    away = case.people.filter(pl.col("hours_share") < _ODD_HOURS)
    return away.join(case.helping.helps.select("person_id").unique(), on="person_id").with_columns(
        sentence=pl.format(
            "there at other hours than most: {} % of the threads asked were counted as chances",
            (100 * pl.col("hours_share")).round(0).cast(pl.Int64),
        )
    )


@dataclass(frozen=True)
class Guard:
    """One guard: how to find whom it concerns, whether it keeps them from being selected, and what it means."""

    find: Callable[[Case], pl.DataFrame]
    holds_back: bool
    meaning: str


GUARDS: Mapping[str, Guard] = {
    "reciprocity": Guard(_reciprocity, True, "more than half of the helps or of the thanks are with one person"),
    "burst": Guard(_burst, True, "more than half of the helps fell within seven days"),
    "instant replies": Guard(_instant_replies, True, "replies come faster than people write: perhaps a program"),
    "empty replies": Guard(_empty_replies, True, "replies of a few characters, or always the same text"),
    "single specialist": Guard(_single_specialist, True, "fewer than five people of the group: a job, and no peers"),
    "newcomer": Guard(_newcomer, True, "less than eight weeks in a forum older than half a year"),
    "two accounts": Guard(_two_accounts, False, "another account of the same name is active"),
    "other hours": Guard(_other_hours, False, "there at hours at which few threads are asked"),
}
"""The guards by name, in the order in which their sentences are given."""
