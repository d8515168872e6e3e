"""The threads behind the names: what a champion did, and stories of problems solved, in words an executive reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from sna.champions.facets import has_attribute, list_newcomers, saved_hours
from sna.champions.helps import Helping, build_helping
from sna.errors import NotAnswerableError, ParameterError
from sna.forum import Forum, join_attribute
from sna.stats.waits import kaplan_meier
from sna.types import Moment

_MIN_MATCHED = 20


def champion_evidence(
    forum: Forum, person_id: str | Sequence[str], *, since: Moment = None, until: Moment = None, top: int = 5
) -> pl.DataFrame:
    """The threads that best show what a person does for others.

    Threads are ordered by recognition (accepted, then thanked, then liked), by the waiting saved, and by time.

    Parameters
    ----------
    person_id
        A human who did not opt out, or several.
    top
        Number of threads of each.

    Returns
    -------
    DataFrame
        ``person_id, thread_id, post_id, title, space, at, hours_after_question, saved_hours, n_helpers, accepted,
        thanked, liked, newcomer, why``, the best thread of each person first. Nobody else is named.

    Raises
    ------
    ParameterError
        When the person is unknown, not human, or opted out.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "1"], "author_id": ["ann", "bob"],
    ...                       "kind": ["root", "reply"], "space": ["help", "help"],
    ...                       "created_at": ["2024-01-01T00:00", "2024-01-01T02:00"]})
    >>> champion_evidence(build_forum(posts=posts), "bob")["why"].item()
    'Helped in help after 2 hours, as the only one.'
    """
    people = [person_id] if isinstance(person_id, str) else list(person_id)
    _check_people(forum, people)
    helping = build_helping(forum, since=since, until=until)
    saved = saved_hours(helping.helps, helping).filter(pl.col("person_id").is_in(people))
    newcomers = (
        list_newcomers(forum, helping)["thread_id"] if helping.basis == "threads" else pl.Series(dtype=pl.String)
    )
    rows = saved.join(_titles(forum), on="thread_id", how="left", maintain_order="left").select(
        "person_id",
        "thread_id",
        "post_id",
        "title",
        "space",
        "at",
        ((pl.col("at") - pl.col("asked_at")).dt.total_seconds() / 3600).alias("hours_after_question"),
        "saved_hours",
        "position",
        "n_helpers",
        (pl.col("n_accepted") > 0).alias("accepted"),
        (pl.col("n_thanks") > 0).alias("thanked"),
        pl.col("n_likes").alias("liked"),
        pl.col("thread_id").is_in(newcomers.implode()).alias("newcomer"),
    )
    order = ["accepted", "thanked", "liked", "saved_hours", "at", "post_id"]
    ranked = rows.sort(order, descending=[True, True, True, True, True, False])
    best = ranked.filter(pl.int_range(pl.len()).over("person_id") < top).sort("person_id", maintain_order=True)
    return best.with_columns(_sentence()).drop("position")


def _check_people(forum: Forum, people: Sequence[str]) -> None:
    shown = forum.people.filter((pl.col("kind") == "human") & ~pl.col("opt_out"))["person_id"]
    wrong = sum(person not in set(shown) for person in people)
    if wrong:
        raise ParameterError(
            "Evidence is given for humans of this forum who did not opt out.",
            got=f"{wrong} of {len(people)} ids are not of such people.",
            hint="take person_id from sna.find_champions(forum)",
        )


def _titles(forum: Forum) -> pl.DataFrame:
    titled = forum.posts.filter(pl.col("title").is_not_null())
    return titled.unique("thread_id", keep="first", maintain_order=True).select("thread_id", "title")


def _sentence() -> pl.Expr:
    """One sentence per thread, from its facts."""
    title, space = pl.col("title"), pl.col("space")
    others = pl.col("n_helpers") - 1
    subject = pl.when(title.is_not_null()).then(pl.format('"{}"', title)).otherwise(pl.lit(""))
    where = pl.when(space.is_not_null()).then(pl.format(" in {}", space)).otherwise(pl.lit(""))
    wait = pl.when(pl.col("hours_after_question").is_not_null()).then(
        pl.format(" after {}", _duration(pl.col("hours_after_question")))
    )
    rank = (
        pl.when(others == 0)
        .then(pl.lit(", as the only one"))
        .when(pl.col("position") == 1)
        .then(
            pl.format(
                ", as the first of {}; the next came {} later", pl.col("n_helpers"), _duration(pl.col("saved_hours"))
            )
        )
        .otherwise(pl.format(", as number {} of {}", pl.col("position"), pl.col("n_helpers")))
    )
    named = pl.when("accepted").then(pl.lit("; accepted")).when("thanked").then(pl.lit("; thanked"))
    praise = named.when(pl.col("liked") > 0).then(pl.format("; likes: {}", pl.col("liked"))).otherwise(pl.lit(""))
    new = pl.when("newcomer").then(pl.lit("; the asker was new here")).otherwise(pl.lit(""))
    lead = pl.when(title.is_not_null()).then(pl.lit("Helped with ")).otherwise(pl.lit("Helped"))
    return pl.concat_str([lead, subject, where, wait.otherwise(pl.lit("")), rank, praise, new, pl.lit(".")]).alias(
        "why"
    )


def _duration(hours: pl.Expr) -> pl.Expr:
    """Hours in words: minutes below two hours, days above two days."""
    minutes, whole, days = (hours * 60).round(0), hours.round(0), (hours / 24).round(0)
    return (
        pl.when(hours < 2 - 1e-9)
        .then(pl.format("{} minutes", minutes.cast(pl.Int64)))
        .when(hours < 48)
        .then(pl.format("{} hours", whole.cast(pl.Int64)))
        .otherwise(pl.format("{} days", days.cast(pl.Int64)))
    )


def list_war_stories(
    forum: Forum, *, by: str = "role", since: Moment = None, until: Moment = None, top: int = 10
) -> pl.DataFrame:
    """Problems solved together and fast, each against comparable threads, with the denominator.

    A thread is solved when an answer was accepted or thanked or, where the source records neither, when somebody
    helped. Its time is held against all comparable threads, solved or not: those of the same space (of the whole
    forum when the space has fewer than 20), with the unsolved censored at the end of the window (Kaplan-Meier).

    Parameters
    ----------
    by
        Attribute that counts as breadth; people are counted where nobody has it.

    Returns
    -------
    DataFrame
        Candidates for stories, for a human to confirm: ``thread_id, title, space, asked_at, hours_to_solution,
        expected_hours`` (median of the comparable; null when fewer than half are ever solved),
        ``slower_share`` (of comparable threads not solved by that time), ``n_comparable, n_people, groups, helper_ids``
        (without those who opted out), ``n_solved, n_threads`` (the denominator, in every row) and ``story``. Ordered
        by ``slower_share`` times breadth against the usual breadth of solved threads. At least two people helped.

    Raises
    ------
    NotAnswerableError
        When the source has no threads, or none is solved.

    Notes
    -----
    When it misleads: stories are picked, not sampled; "k of n" belongs in every telling. What it saved in money or
    time to market is not in the log; ask the owner.

    Examples
    --------
    >>> import sna
    >>> stories = list_war_stories(sna.make_forum(n_people=60, n_threads=80, rng=1).forum, top=1)
    >>> stories["n_threads"].item(), stories["slower_share"].item() > 0.5
    (80, True)
    """
    helping = build_helping(forum, since=since, until=until)
    if helping.basis != "threads":
        raise NotAnswerableError(
            "Stories need threads.", got="The source records who turned to whom, not in what thread."
        )
    threads = _solved_threads(helping)
    if not threads["hours"].count():
        raise NotAnswerableError("Stories need solved threads.", got=f"None of {threads.height} is.")
    judged = _against_comparable(threads)
    rows = (
        judged.filter(pl.col("solved")).join(_casts(forum, helping, by), on="thread_id").filter(pl.col("n_people") > 2)
    )
    usual = float(rows["breadth"].mean() or 1.0)  # type: ignore[arg-type]
    rows = rows.with_columns(
        score=pl.col("slower_share") * pl.col("breadth") / usual,
        n_solved=pl.lit(int(threads["solved"].sum())),
        n_threads=pl.lit(threads.height),
    )
    ranked = rows.sort(["score", "asked_at", "thread_id"], descending=[True, True, False]).head(top)
    told = ranked.join(_titles(forum), on="thread_id", how="left", maintain_order="left").with_columns(_story(by))
    return told.rename({"hours": "hours_to_solution"}).select(_STORY_COLUMNS)


_STORY_COLUMNS = (
    "thread_id",
    "title",
    "space",
    "asked_at",
    "hours_to_solution",
    "expected_hours",
    "slower_share",
    "n_comparable",
    "n_people",
    "groups",
    "helper_ids",
    "n_solved",
    "n_threads",
    "story",
)


def _solved_threads(helping: Helping) -> pl.DataFrame:
    """Every chance with the hours to its solution, or to the end of the window (``solved`` is False)."""
    helps = helping.helps
    recognised = (pl.col("n_accepted") + pl.col("n_thanks")) > 0
    if helps.filter(recognised).height:
        helps = helps.filter(recognised)
    first = helps.group_by("thread_id").agg(pl.col("at").min().alias("solved_at"))
    rows = helping.chances.join(first, on="thread_id", how="left", maintain_order="left")
    seconds = (pl.coalesce("solved_at", pl.lit(helping.until)) - pl.col("asked_at")).dt.total_seconds()
    return rows.with_columns(
        solved=pl.col("solved_at").is_not_null(),
        waited=(seconds / 3600).clip(lower_bound=0.0),
        pool=pl.when(pl.len().over("space") >= _MIN_MATCHED)
        .then(pl.col("space").fill_null(""))
        .otherwise(pl.lit("\0all")),
    ).with_columns(hours=pl.when("solved").then("waited"))


def _against_comparable(threads: pl.DataFrame) -> pl.DataFrame:
    """Add the median and the share still unsolved at each thread's time, among comparable threads."""
    parts = []
    for (pool,), own in threads.group_by("pool", maintain_order=True):
        group = threads if pool == "\0all" else own
        curve = kaplan_meier(group["waited"].to_numpy(), group["solved"].to_numpy())
        times, unsolved = curve["time"].to_numpy(), np.append(1.0, curve["waiting_share"].to_numpy())
        place = np.searchsorted(times, own["waited"].to_numpy(), side="right")
        below = np.flatnonzero(unsolved <= 0.5)
        median = float(times[below[0] - 1]) if below.size else None
        share = pl.Series("slower_share", unsolved[place])
        parts.append(
            own.with_columns(
                share, expected_hours=pl.lit(median, pl.Float64), n_comparable=pl.lit(group.height, pl.Int64)
            )
        )
    return pl.concat(parts)


def _casts(forum: Forum, helping: Helping, by: str) -> pl.DataFrame:
    """People of each thread, asker included: how many, of which groups, and the helpers who may be named."""
    helps = helping.helps.select("thread_id", "person_id", "at")
    asked = helping.chances.select("thread_id", person_id="asker_id", at="asked_at")
    cast = pl.concat([asked, helps])
    known = has_attribute(forum, by)
    cast = (
        join_attribute(forum, cast, by=by, at="at", into="group")
        if known
        else cast.with_columns(group=pl.lit(None, pl.String))
    )
    hidden = forum.people.filter("opt_out")["person_id"].implode()
    named = (
        helps.filter(~pl.col("person_id").is_in(hidden))
        .group_by("thread_id")
        .agg(pl.col("person_id").unique().sort().alias("helper_ids"))
    )
    groups = pl.col("group").drop_nulls().unique().sort()
    people = cast.group_by("thread_id").agg(pl.col("person_id").n_unique().alias("n_people"), groups.alias("groups"))
    breadth = pl.col("groups").list.len() if known else pl.col("n_people")
    joined = people.with_columns(breadth=breadth.cast(pl.Float64)).join(named, on="thread_id", how="left")
    return joined.with_columns(pl.col("helper_ids").fill_null([]))


def _story(by: str) -> pl.Expr:
    """The story as a sentence; groups are named when there are at least two."""
    what = (
        pl.when(pl.col("title").is_not_null()).then(pl.format('"{}"', pl.col("title"))).otherwise(pl.lit("A question"))
    )
    where = pl.when(pl.col("space").is_not_null()).then(pl.format(" in {}", pl.col("space"))).otherwise(pl.lit(""))
    who = pl.format(" was solved in {} by {} people", _duration(pl.col("hours")), pl.col("n_people") - 1)
    of = pl.when(pl.col("groups").list.len() > 1).then(
        pl.format(
            f" (with the asker of {{}} {by} groups: {{}})",
            pl.col("groups").list.len(),
            pl.col("groups").list.join(", "),
        )
    )
    share = (pl.col("slower_share") * 100).round(0).cast(pl.Int64)
    rest = pl.format("; {} % of the {} comparable took longer or are unsolved", share, pl.col("n_comparable"))
    return pl.concat_str([what, where, who, of.otherwise(pl.lit("")), rest, pl.lit(".")]).alias("story")
