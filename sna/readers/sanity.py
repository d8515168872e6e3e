"""The gate every forum passes after reading: levels as far as rows support them, warnings for what looks wrong.

A kind of export can record more than the export at hand does. A capability that no row supports becomes "no", and what
would make sentences false (no replies, few known roles, impossible years) is a row of ``forum.issues`` of the kind
"warning", which `sna check` and the report show first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from sna.admit import make_issues
from sna.forum import Forum, list_roster
from sna.results import format_count
from sna.schema import ISSUES, TIME

FIRST_YEAR = 1990
"""Nothing a forum holds was written before; earlier times are wrong units, wrong formats or empty cells."""

_CHATS = frozenset({"slack", "teams", "mattermost", "gitter", "rocketchat", "discord"})
"""Platforms where people can answer beside a thread."""
_TIMES = {"posts": ("created_at", "edited_at", "deleted_at"), "signals": ("at",), "events": ("at",)}
_ABOUT_ACCOUNTS = frozenset({"platform_role", "account_status", "trust_level", "external_id", "reputation", "sme_tag"})
"""Attributes of an account that say nothing of its owner's place in the organisation."""
_DAMAGE = ("damaged_file", "file_cut_off", "table_cut_off")
_LIKES = ("like", "upvote", "downvote", "endorse", "thanks")
_FEW_ROLES, _HALF = 0.2, 0.5
"""With a fifth of the people known, a role is known at both ends of one tie in 25; with half, of one in four."""
_FEW_THREADED, _SOME = 0.05, 0.01
_ENOUGH, _MANY = 5, 20
"""People or posts from which a share is worth a warning, and from which a date of its own is."""
_MACHINE = re.compile(r"(?:no-?reply|donotreply|mailer-daemon|notifications?)|.*-(?:list|bounces|request|owner)$")


@dataclass(frozen=True)
class Warned:
    """One thing that looks wrong: a word of the vocabulary, rows concerned, a sentence, and levels that go down."""

    reason: str
    table: str
    n: int
    says: str
    lowers: Mapping[str, str] = field(default_factory=dict)


def clear_times(
    tables: Mapping[str, pl.DataFrame], *, exported_at: datetime | None = None
) -> tuple[dict[str, pl.DataFrame], list[tuple[str, int]]]:
    """Tables without impossible times, and how many were removed from each: before `FIRST_YEAR`, or after the export.

    Times that are impossible in most rows are left: they are numbers counted from a start of their own, and their
    order still tells something.
    """
    now, first = datetime.now(UTC), datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    latest = {"created_at": exported_at or now}
    cleared, lost = dict(tables), []
    for table, names in _TIMES.items():
        frame = tables[table]
        odd = {
            name: ~pl.col(name).cast(TIME).is_between(first, latest.get(name, now) + timedelta(days=2))
            for name in names
            if name in frame.columns and frame.height
        }
        wrong = frame.select(**odd).fill_null(value=False)
        few = [name for name in wrong.columns if 0 < int(wrong[name].sum()) <= _HALF * frame[name].count()]
        if few:
            lost.append((table, int(wrong.select(pl.any_horizontal(few)).to_series().sum())))
            cleared[table] = frame.with_columns(pl.when(~odd[name].fill_null(value=False)).then(name) for name in few)
    return cleared, lost


def settle_levels(forum: Forum, *, about: tuple[str, ...] = ()) -> Forum:
    """The forum with its levels lowered to what was found, and with its warnings in ``issues``.

    ``about`` names the tables to look at again when a forum has changed since it was read; by default all of them.
    """
    levels = {name: level for name, level in forum.source.capabilities.items() if level != "no"}
    warned = [one for one in _find_warnings(forum) if not about or one.table in about]
    found = {} if about else _found(forum)
    lowered = {name: "no" if not found.get(name, True) else level for name, level in levels.items()}
    for one in warned:
        for name, level in one.lowers.items():
            lowered[name] = level if lowered.get(name, "no") != "no" else "no"
    again = (pl.col("kind") == "warning") & pl.col("table").is_in(about)
    notes = [make_issues(one.table, one.reason, kind="warning", n=one.n, detail=one.says) for one in warned]
    issues = pl.concat([forum.issues.filter(~again), *notes]).sort(list(ISSUES.sort), nulls_last=True)
    capabilities = {**forum.source.capabilities, **lowered}
    return replace(forum, issues=issues, source=replace(forum.source, capabilities=capabilities, is_judged=True))


def _found(forum: Forum) -> dict[str, bool]:
    """Whether any row supports a capability."""
    posts, read = forum.posts, forum.source.rows_read
    signals, events = set(forum.signals["kind"].unique()), set(forum.events["kind"].unique())
    attributes = set(forum.roles["attribute"].unique())
    reacted = forum.signals.filter(pl.col("kind").is_in(_LIKES) | pl.col("kind").str.starts_with("emoji:"))
    accepted = forum.signals.filter(pl.col("kind") == "accept")
    return {
        "reply_parent": bool(posts["parent_id"].count()),
        "threads": posts["thread_id"].n_unique() < posts.height,
        "spaces": bool(posts["space"].count()),
        "mentions": not forum.mentions.is_empty(),
        "reactions": not reacted.is_empty(),
        "reaction_times": bool(reacted["at"].count()),
        "acceptance": "accept" in signals,
        "acceptance_time": bool(accepted["at"].count()),
        "reads": bool(events & {"read", "view"}),
        "logins": bool(events & {"visit", "login", "last_access"}),
        "roster": bool(read.get("people") or read.get("memberships")),
        "memberships": not forum.memberships.is_empty(),
        "platform_role": "platform_role" in attributes,
        "org_attributes": bool(attributes - _ABOUT_ACCOUNTS),
        "deleted_posts": bool(posts["deleted_at"].count()),
        "edits": bool(posts["edited_at"].count()),
        "text": bool(posts["text"].count() or posts["title"].count()),
        "exact_times": bool(posts["created_at"].count()),
    }


def _find_warnings(forum: Forum) -> Iterator[Warned]:
    for check in _CHECKS:
        found = check(forum)
        if found is not None:
            yield found


def _no_people(forum: Forum) -> Warned | None:
    if forum.posts["author_id"].count() or forum.posts.is_empty():
        return None
    says = "No post has a known author: nothing can be said of people. Was the column of authors left out?"
    lost = dict.fromkeys(("threads", "reply_parent", "roster", "reactions", "mentions"), "no")
    return Warned("no_people", "people", forum.posts.height, says, lost)


def _no_replies(forum: Forum) -> Warned | None:
    """Threads of one post each: answers were given some other way, so nothing is known to be unanswered."""
    posts, told = forum.posts.height, forum.supports("threads") != "no" or forum.mentions.is_empty()
    if forum.posts["thread_id"].n_unique() < posts or not told or posts < _ENOUGH:
        return None
    says = f"No post is recorded as an answer to another: {posts:,} posts in as many threads. "
    says += "Who answers whom, and how fast, is unknown."
    return Warned("no_replies", "posts", posts, says)


def _few_threaded(forum: Forum) -> Warned | None:
    """Where hardly any post is in a thread people answered beside it, and "unanswered" means nothing."""
    posts = forum.posts.with_columns(pl.len().over("thread_id").alias("_size"))
    n = posts.filter(pl.col("_size") > 1).height
    if forum.source.platform not in _CHATS or not 0 < n < _FEW_THREADED * posts.height:
        return None
    says = (
        f"Only {n:,} of {posts.height:,} posts are in a thread with another post. Most answers were probably "
        "given outside threads, so a post without a reply is not known to be unanswered."
    )
    return Warned("few_replies", "posts", n, says, {"threads": "no", "reply_parent": "partial"})


def _late_threads(forum: Forum) -> Warned | None:
    """Replies that begin long after the posts do: the platform had none before, or they were not exported."""
    dated = forum.posts.drop_nulls("created_at").with_columns(pl.len().over("thread_id").alias("_size"))
    first = dated.filter(pl.col("_size") > 1)["created_at"].min()
    before = 0 if first is None else dated.filter(pl.col("created_at") < first).height
    if (
        forum.source.platform not in _CHATS
        or not isinstance(first, datetime)
        or before < max(_MANY, _FEW_ROLES * dated.height)
    ):
        return None
    says = (
        f"The first thread with a reply is of {first:%Y-%m-%d}; {before:,} of {dated.height:,} posts are older. "
        f"Replies before that were probably not recorded: use since={first:%Y-%m-%d} for waiting times and answers."
    )
    return Warned("replies_begin_late", "posts", before, says, {"threads": "partial"})


def _nothing_accepted(forum: Forum) -> Warned | None:
    answered = forum.posts.filter(pl.col("parent_id").is_not_null())["thread_id"].n_unique()
    if forum.supports("acceptance") == "no" or answered < _ENOUGH or (forum.signals["kind"] == "accept").any():
        return None
    says = (
        "No answer is marked as accepted, though this kind of export can say so: which questions are solved is unknown."
    )
    return Warned("nothing_accepted", "signals", answered, says)


def _lost_times(forum: Forum) -> Warned | None:
    lost = forum.issues.filter(pl.col("reason").is_in(["impossible_time", "bad_time"]) & (pl.col("table") == "posts"))
    n = int(lost["n"].sum())
    if not n or ("impossible_time" not in lost["reason"] and n < _SOME * forum.posts.height):
        return None
    says = f"{n:,} posts have no usable time: before {FIRST_YEAR}, after the export, or not readable. Are days "
    return Warned("times_removed", "posts", n, says + "and months, or the unit of numbers, read as they were meant?")


def _lost_files(forum: Forum) -> Warned | None:
    """Files that are damaged, or that chat readers, who know a file by what it holds, could make nothing of."""
    files = [forum.issues.filter(pl.col("reason").is_in(_DAMAGE))["file"].n_unique(), 0]
    if forum.source.platform in _CHATS:
        files[1] = forum.issues.filter(pl.col("reason") == "file_not_used")["file"].n_unique()
    damaged, unread = (format_count(n, "file") for n in files)
    says = f"{damaged} damaged or cut off, {unread} with nothing readable: what they held is missing."
    return Warned("files_lost", "files", sum(files), says) if any(files) else None


def _odd_times(forum: Forum) -> Warned | None:
    """Times that are no dates, such as seconds since the start of a recording: their order is all they tell."""
    times = forum.posts["created_at"].drop_nulls()
    n = times.filter(times.dt.year() < FIRST_YEAR).len()
    if n <= _HALF * times.len():
        return None
    says = f"{n:,} of {times.len():,} posts are dated before {FIRST_YEAR}: these are hardly dates. Their order is kept."
    return Warned("times_are_no_dates", "posts", n, says, {"exact_times": "partial"})


def _days_only(forum: Forum) -> Warned | None:
    times = forum.posts["created_at"].drop_nulls()
    if times.len() < _ENOUGH or forum.supports("exact_times") != "yes" or (times != times.dt.truncate("1d")).any():
        return None
    says = "All posts are dated to the day: waits shorter than a day and times of day are unknown."
    return Warned("dated_to_the_day", "posts", times.len(), says, {"exact_times": "partial"})


def _list_as_author(forum: Forum) -> Warned | None:
    """An author whose address is that of a list or a machine: many people's posts under one name."""
    spaces = {str(space).casefold().rpartition("/")[2] for space in forum.posts["space"].unique() if space}
    authors = forum.posts.group_by("author_id").len().join(forum.people, left_on="author_id", right_on="person_id")
    suspects = [
        n
        for email, n in authors.filter(pl.col("kind") == "human").select("email", "len").iter_rows()
        if email and (_local(email) in spaces or _MACHINE.fullmatch(_local(email)))
    ]
    n = sum(suspects)
    if n < max(_ENOUGH, _FEW_THREADED * forum.posts.height):
        return None
    says = (
        f"{n:,} of {forum.posts.height:,} posts have an author whose address looks like that of a list or a machine: "
        "if it is one, it stands for many people and is no champion."
    )
    return Warned("list_as_author", "people", n, says, {"reply_parent": "partial"})


def _local(email: str) -> str:
    return email.partition("@")[0].casefold()


def _few_roles(forum: Forum) -> Warned | None:
    """Claims about roles need the role of most people who write."""
    known = forum.roles.filter(~pl.col("attribute").is_in(_ABOUT_ACCOUNTS))["person_id"].implode()
    authors = _authors(forum)
    n = authors.filter(authors.is_in(known)).len()
    share = n / max(1, authors.len())
    if not n or authors.len() < _ENOUGH or forum.supports("org_attributes") == "no" or share >= _HALF:
        return None
    says = f"Only {n:,} of the {authors.len():,} people who wrote ({share:.0%}) have a role, department or level."
    level = "no" if share < _FEW_ROLES else "partial"
    says += " Talk across roles is not answerable." if level == "no" else " Results hold for these people only."
    return Warned("few_roles", "roles", authors.len() - n, says, {"org_attributes": level})


def _authors(forum: Forum) -> pl.Series:
    humans = forum.people.filter(pl.col("kind") == "human")["person_id"].implode()
    return (
        forum.posts["author_id"].drop_nulls().unique().to_frame().filter(pl.col("author_id").is_in(humans))["author_id"]
    )


def _no_silent_people(forum: Forum) -> Warned | None:
    """A list of people that holds only those who wrote was made from the posts: its share that takes part is 100 %."""
    roster = list_roster(forum)["person_id"]
    wrote = set(_authors(forum))
    if forum.supports("roster") == "no" or len(wrote) < _ENOUGH or set(roster) - wrote:
        return None
    says = "Everybody in the list of people has written: either nobody is silent, or silent people are not in the list."
    return Warned("no_silent_people", "people", len(wrote), says, {"roster": "no"})


def _only_mentioned(forum: Forum) -> Warned | None:
    known = list_roster(forum)["person_id"].implode()
    humans = forum.people.filter(pl.col("kind") == "human")["person_id"]
    n = forum.mentions["person_id"].unique().to_frame().filter(~pl.col("person_id").is_in(known)).height
    if n < max(_ENOUGH, _FEW_ROLES * len(humans)):
        return None
    says = f"{n:,} people are known from mentions only. They are not counted among the people of the forum."
    return Warned("only_mentioned", "people", n, says)


_CHECKS: tuple[Callable[[Forum], Warned | None], ...] = (
    _no_people,
    _no_replies,
    _few_threaded,
    _late_threads,
    _nothing_accepted,
    _lost_files,
    _lost_times,
    _odd_times,
    _days_only,
    _list_as_author,
    _few_roles,
    _no_silent_people,
    _only_mentioned,
)
