"""Stack Exchange data dump: ``Posts.xml`` and, where present, Users, Comments, Votes and Badges.

What becomes what:

- a question is a thread and its root post; an answer's parent is its question; a comment is a post of kind "comment"
  with id ``c<Id>`` (comments and posts are numbered apart) whose parent is the post it is written under.
- ``space`` is the question's first tag. Tags are topics that people follow, not rooms they join; the first one (sites
  list them from general to special) stands for where a question is seen, so "spaces" is only *partial* here.
- ``@Name`` at a comment's post becomes a mention when it fits exactly one earlier participant of that post.
- an accepted answer is a signal "accept" by the asker, on the day of its vote (day precision, at 00:00) when Votes are
  there. Other votes are anonymous: one row per post, kind and day, ``n`` votes. A bounty offered is signed.
- reputation and location are snapshots; a badge is an event, for one person can hold many at once; the last access is
  an event "last_access" (one per person: it says when somebody was last seen, not how often they come).
- tag wikis, elections and the other special post types, and moderation votes, are withheld.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from sna.errors import ReadError
from sna.formats.container import Container
from sna.formats.times import iso_time
from sna.formats.xmlrows import CUT_OFF, RowFile, look_at, read_rows, unescape_columns
from sna.forum import Forum
from sna.readers.collect import Collector, Reader, ReadOptions, levels_of, show_progress
from sna.schema import POSTS, SIGNALS

_TABLES = ("posts", "users", "comments", "votes", "badges", "postlinks", "posthistory", "tags")
_COLUMNS = {
    "posts": (
        "PostTypeId", "ParentId", "AcceptedAnswerId", "CreationDate", "OwnerUserId", "Body", "Title", "Tags",
        "LastEditDate",
    ),
    "users": ("DisplayName", "CreationDate", "LastAccessDate", "Reputation", "Location"),
    "comments": ("PostId", "Text", "CreationDate", "UserId"),
    "votes": ("PostId", "VoteTypeId", "CreationDate", "UserId"),
    "badges": ("UserId", "Name", "Date"),
}  # fmt: skip
_VOTES = {"2": "upvote", "3": "downvote", "5": "bookmark", "8": "bounty_offer", "9": "bounty"}
_VOTES |= dict.fromkeys(("4", "12"), "flag")
_ACCEPT = "1"
_POST_TYPES = {
    "3": "orphaned_tag_wiki", "4": "tag_wiki_excerpt", "5": "tag_wiki", "6": "moderator_nomination",
    "7": "wiki_placeholder", "8": "privilege_wiki",
}  # fmt: skip
_VOTE_SCHEMA: dict[str, Any] = {name: SIGNALS.columns[name] for name in ("post_id", "person_id", "kind", "at", "n")}
_CALL = r"@\w[\w.'’\-]*"
_SHORTEST = 3
_SYSTEM = "-1"
_TARGETS = {"posts": "posts", "users": "people", "comments": "posts", "votes": "signals", "badges": "events"}
_NUMBERED_APART = ("votes", "badges")
"""Tables whose ids do not get into the forum, so that its own check for repeated ids does not see them."""
_Dump = dict[str, tuple[RowFile, ...]]
CAPABILITIES = levels_of(
    yes="reply_parent threads acceptance roster text exact_times",
    partial="spaces mentions reactions reaction_times acceptance_time logins org_attributes edits",
)
_NEEDS_FILE = {
    "users": ("roster", "org_attributes", "logins", "mentions"),
    "comments": ("mentions",),
    "votes": ("reactions", "reaction_times", "acceptance_time"),
}


def recognise(container: Container) -> str | None:
    """A file whose root element is ``<posts>`` with rows that have a ``PostTypeId``."""
    for name in container.match(r".*posts[^/]*\.xml")[:50]:
        head = container.peek(name, 65_536)
        if b"PostTypeId" in head.replace(b"\0", b"") or head.rstrip().endswith(b"<posts/>"):
            return f"{name} holds rows with a PostTypeId"
    return None


def read(container: Container, options: ReadOptions) -> Forum:
    """Read one site of a dump.

    Raises
    ------
    ReadError
        No posts file, several sites in one folder, or a document type that declares entities.
    """
    into = Collector("stackexchange")
    dump = _find_files(container, into)
    source = _Rows(container, dump, into, options)
    for frame in source.of("users"):
        _add_users(frame, into)
    accepted = _add_posts(source, into)
    known = into.table("posts").select("post_id", "thread_id", "space").unique("post_id", maintain_order=True)
    for frame in source.of("comments"):
        _add_comments(frame, into, known=known)
    _add_badges(source, into)
    _add_system(into)
    _add_signals(source, into, accepted=accepted, known=known)
    add_name_mentions(into)
    absent = {need for table, needs in _NEEDS_FILE.items() if table not in dump for need in needs}
    return into.forum(
        capabilities={name: "no" if name in absent else level for name, level in CAPABILITIES.items()},
        coverage="one site: " + ", ".join(sorted(dump)),
        files=[file.name for files in dump.values() for file in files],
    )


READERS = (Reader("stackexchange", "Stack Exchange data dump (XML)", recognise, read, CAPABILITIES),)


def _find_files(container: Container, into: Collector) -> _Dump:
    """The files of one site by table; notes say what was left aside."""
    words = "|".join(_TABLES)
    found = [_look_at(container, name, into=into) for name in container.match(rf".*(?:{words})[^/]*\.xml")]
    files = [file for file in found if file is not None]
    homes = sorted({_home(file.name) for file in files if file.root == "posts"})
    if len(homes) != 1:
        raise ReadError(
            "One site of the dump is read at a time, with one Posts.xml.",
            got=f"Posts were found in {len(homes)} places: {', '.join(homes[:5]) or 'none'}.",
            hint="give the folder of one site; sna.merge_forums joins several",
        )
    chosen: _Dump = {}
    for table in _TABLES:
        of_table = [file for file in files if file.root == table]
        at_home = [file for file in of_table if _home(file.name) == homes[0]] or of_table
        exact = [file for file in at_home if PurePosixPath(file.name).stem.lower() == table] or at_home
        chosen[table] = tuple(exact) if table in _COLUMNS else ()
        for file in of_table:
            if file not in chosen[table]:
                into.note("posts", "file_not_used", file=file.name)
            elif file.doctype:
                into.note("posts", "doctype_ignored", file=file.name, detail="it names a DTD, which is not opened")
    return {table: of_table for table, of_table in chosen.items() if of_table}


def _look_at(container: Container, name: str, *, into: Collector) -> RowFile | None:
    """A file of a table, by its root; one whose head is missing by its name; nothing of any other."""
    file, table = look_at(container, name), PurePosixPath(name).stem.lower()
    if file is not None and file.root in _TABLES:
        return file
    if table not in _COLUMNS:
        into.note("posts", "file_not_used", file=name)
    elif b"<row" in container.peek(name, container.limits.line_bytes).replace(b"\0", b""):
        into.reject(_TARGETS[table], "damaged_row", file=name, position="start of file", detail="its head is missing")
        return RowFile(name, table, doctype=False)
    else:
        into.reject(_TARGETS[table], "damaged_file", file=name, position="start of file", detail="it holds no rows")
    return None


def _home(name: str) -> str:
    return str(PurePosixPath(name).parent)


@dataclass(frozen=True)
class _Rows:
    """Frames of raw rows of a table, file by file; rows that cannot be read go to the collector's issues."""

    container: Container
    dump: _Dump
    into: Collector
    options: ReadOptions

    def of(self, table: str) -> Iterator[pl.DataFrame]:
        """Frames of one table, with ``_file`` and ``_at`` to say where a row is; rows have ids of their own."""
        target, seen = _TARGETS[table], _SeenIds()
        for file in self.dump.get(table, ()):
            refuse = partial(self._refuse, target, file.name)
            frames = read_rows(self.container, file.name, columns=_COLUMNS[table], refuse=refuse)
            for frame in show_progress(frames, self.options, what=file.name):
                place = frame.with_columns(_file=pl.lit(file.name), _at="Id " + pl.col("Id").fill_null("(none)"))
                nameless = pl.col("Id").fill_null("").str.strip_chars() == ""
                rows = self.into.drop(target, place, lost=nameless, reason="missing_id")
                if table in _NUMBERED_APART:
                    rows = self.into.drop(target, rows, lost=seen.repeated(rows["Id"]), reason="duplicate_id")
                yield rows

    def _refuse(self, table: str, file: str, reason: str, position: str, detail: str) -> None:
        log = self.into.note if reason == CUT_OFF else self.into.reject
        log(table, reason, file=file, position=position, detail=detail)


def _note_bad_times(frame: pl.DataFrame, into: Collector, table: str) -> None:
    unread = pl.col("CreationDate").is_not_null() & iso_time("CreationDate").is_null()
    into.log_rows(table, frame.filter(unread), reason="bad_time", kind="repaired")


def _add_users(frame: pl.DataFrame, into: Collector) -> None:
    _note_bad_times(frame, into, "people")
    kind = pl.when(pl.col("Id") == _SYSTEM).then(pl.lit("system")).otherwise(pl.lit("human"))
    joined = iso_time("CreationDate")
    into.add_frame("people", frame.select(person_id="Id", name="DisplayName", kind=kind, joined_at=joined))
    for column in ("Reputation", "Location"):
        stated = frame.select(person_id="Id", value=pl.col(column).str.strip_chars()).filter(pl.col("value") != "")
        facts = {"attribute": pl.lit(column.lower()), "basis": pl.lit("snapshot")}
        into.derive_frame("roles", stated.with_columns(**facts))
    seen = frame.select(person_id="Id", kind=pl.lit("last_access"), at=iso_time("LastAccessDate"))
    into.derive_frame("events", seen.filter(pl.col("at").is_not_null()))


def _add_system(into: Collector) -> None:
    """The site's own account, when users were not exported, must not pass for a person."""
    used = (into.table("posts")["author_id"] == _SYSTEM).any()
    if used and _SYSTEM not in into.table("people")["person_id"]:
        into.derive("people", person_id=_SYSTEM, name="Community", kind="system", placeholder=True)


def _add_posts(source: _Rows, into: Collector) -> pl.DataFrame:
    """Add questions and answers; returns ``question, asker, answer`` of the accepted ones."""
    for raw in source.of("posts"):
        frame = _questions_and_answers(raw, into)
        _note_bad_times(frame, into, "posts")
        into.add_frame("posts", _posts(frame))
    posts = pl.concat([into.table("posts"), pl.DataFrame(schema={"_accepted": pl.String})], how="diagonal")
    spaces = posts.filter(pl.col("kind") == "root").select("thread_id", pl.col("space").alias("_space"))
    joined = posts.join(spaces.unique("thread_id", keep="first", maintain_order=True), on="thread_id", how="left")
    into.replace("posts", joined.with_columns(space="_space").drop("_space", "_accepted"))
    return _known_answers(joined.with_columns(space="_space"), into)


def _questions_and_answers(frame: pl.DataFrame, into: Collector) -> pl.DataFrame:
    special = frame.filter(~pl.col("PostTypeId").is_in(["1", "2"]).fill_null(False))
    for post_type, file, n in special.group_by("PostTypeId", "_file").len().iter_rows():
        into.withhold("posts", _POST_TYPES.get(post_type, "unknown_post_type"), file=file, n=n)
    lost = (pl.col("PostTypeId") == "2") & pl.col("ParentId").is_null()
    asked = frame.filter(pl.col("PostTypeId").is_in(["1", "2"]))
    return into.drop("posts", asked, lost=lost, reason="no_parent")


def _posts(frame: pl.DataFrame) -> pl.DataFrame:
    root = pl.col("PostTypeId") == "1"
    return frame.select(
        post_id="Id",
        thread_id=pl.when(root).then("Id").otherwise("ParentId"),
        parent_id=pl.when(~root).then("ParentId"),
        parent_basis=pl.when(root).then(pl.lit("none")).otherwise(pl.lit("explicit")),
        author_id="OwnerUserId",
        created_at=iso_time("CreationDate"),
        space=pl.when(root).then(pl.col("Tags").str.extract(r"([^<>|]+)")),
        kind=pl.when(root).then(pl.lit("root")).otherwise(pl.lit("answer")),
        title="Title",
        text=pl.col("Body").str.replace_all("<[^>]*>", "").str.strip_chars(),
        edited_at=iso_time("LastEditDate"),
        _accepted=pl.when(root).then("AcceptedAnswerId"),
    ).pipe(unescape_columns, ("text",))


def _add_comments(frame: pl.DataFrame, into: Collector, *, known: pl.DataFrame) -> None:
    joined = frame.join(known.rename({"post_id": "PostId"}), on="PostId", how="left", maintain_order="left")
    found = into.drop("posts", joined, lost=pl.col("thread_id").is_null(), reason="unknown_post")
    _note_bad_times(found, into, "posts")
    written = found.select(
        "thread_id",
        "space",
        post_id="c" + pl.col("Id"),
        parent_id="PostId",
        parent_basis=pl.lit("explicit"),
        author_id="UserId",
        created_at=iso_time("CreationDate"),
        kind=pl.lit("comment"),
        text="Text",
    )
    into.add_frame("posts", written)


def _add_badges(source: _Rows, into: Collector) -> None:
    for raw in source.of("badges"):
        nobody = pl.col("UserId").is_null() | pl.col("Name").is_null()
        frame = into.drop("events", raw, lost=nobody, reason="missing_value")
        earned = frame.select(person_id="UserId", kind=pl.lit("badge"), object="Name", at=iso_time("Date"))
        into.add_frame("events", earned)


class _SeenIds:
    """Tell repeated row ids; ids that only grow, as in a dump, need no look-up."""

    def __init__(self) -> None:
        self._chunks = [pl.Series([], dtype=pl.String)]
        self._highest = -(2**62)

    def repeated(self, ids: pl.Series) -> pl.Expr:
        """Mark rows whose id came before."""
        numbers = ids.cast(pl.Int64, strict=False)
        steps = pl.concat([pl.Series([self._highest]), numbers.fill_null(self._highest)]).diff().drop_nulls()
        mark = pl.repeat(False, len(ids), eager=True)
        if not (steps > 0).all():
            mark = ids.is_in(pl.concat(self._chunks).implode()) | ~ids.is_first_distinct()
        self._chunks.append(ids)
        self._highest = max([self._highest, *numbers.drop_nulls()])
        return pl.lit(mark)


def _add_signals(source: _Rows, into: Collector, *, accepted: pl.DataFrame, known: pl.DataFrame) -> None:
    """Accepted answers from the questions, their day and the anonymous votes from the votes."""
    sums = [pl.DataFrame(schema=_VOTE_SCHEMA)]
    stale = (pl.col("VoteTypeId") == _ACCEPT) & ~pl.col("PostId").is_in(accepted["answer"].implode())
    unknown = ~pl.col("PostId").is_in(known["post_id"].implode()).fill_null(False)
    for raw in source.of("votes"):
        moderation = ~pl.col("VoteTypeId").is_in([_ACCEPT, *_VOTES]).fill_null(False)
        frame = into.drop("signals", raw, lost=moderation, reason="moderation_vote", kind="withheld")
        frame = into.drop("signals", frame, lost=unknown, reason="unknown_post")
        sums.append(_by_day(into.drop("signals", frame, lost=stale, reason="accept_not_current")))
    votes = _summed(pl.concat(sums))
    merged = int(votes["n"].sum()) - votes.height
    if merged:
        into.withhold("signals", "merged_into_day_total", file=source.dump["votes"][0].name, n=merged)
    other = pl.col("kind") != "accept"
    into.add_frame("signals", votes.filter(other))
    _add_accepted(votes.filter(~other), accepted, into)


def _by_day(frame: pl.DataFrame) -> pl.DataFrame:
    kind = pl.col("VoteTypeId").replace_strict({**_VOTES, _ACCEPT: "accept"}, return_dtype=pl.String)
    at, once = iso_time("CreationDate"), pl.lit(1, pl.Int64)
    return _summed(frame.select(post_id="PostId", person_id="UserId", kind=kind, at=at, n=once))


def _summed(votes: pl.DataFrame) -> pl.DataFrame:
    """One row per post, kind, person and day; one per post for acceptance (its last day)."""
    day = pl.when(pl.col("kind") != "accept").then("at").alias("_day")
    groups = votes.group_by("post_id", "person_id", "kind", day).agg(pl.col("at").max(), pl.col("n").sum())
    return groups.select(list(_VOTE_SCHEMA)).sort(list(_VOTE_SCHEMA))


def _add_accepted(votes: pl.DataFrame, accepted: pl.DataFrame, into: Collector) -> None:
    """Signals "accept": dated and counted as read where a vote row says so, derived from the question elsewhere."""
    days = votes.select("at", post_id="post_id", _dated=True)
    facts = accepted.select(post_id="answer", person_id="asker", kind=pl.lit("accept"))
    joined = facts.join(days, on="post_id", how="left", maintain_order="left")
    dated = pl.col("_dated").fill_null(False)
    into.add_frame("signals", joined.filter(dated).drop("_dated"))
    into.derive_frame("signals", joined.filter(~dated).drop("_dated"))


def _known_answers(posts: pl.DataFrame, into: Collector) -> pl.DataFrame:
    """Accepted answers that are in the dump, in the thread of their question; others are noted."""
    kept = posts.sort(list(POSTS.columns), nulls_last=True) if posts["post_id"].is_duplicated().any() else posts
    kept = kept.unique("post_id", keep="first", maintain_order=True)  # the copy that the Forum keeps, too
    answers = kept.filter(kind="answer").select(answer="post_id", question="thread_id")
    chosen = kept.select(question="post_id", asker="author_id", answer="_accepted").drop_nulls("answer")
    for question in chosen.join(answers, on=["answer", "question"], how="anti", maintain_order="left")["question"]:
        into.note("signals", "accepted_answer_missing", position=f"Id {question}")
    return chosen.join(answers, on=["answer", "question"], how="semi", maintain_order="left")


def add_name_mentions(into: Collector) -> None:
    """Add ``@Name`` in a comment as a mention when it fits exactly one earlier participant of the post it is under."""
    posts = into.table("posts").unique("post_id", maintain_order=True)
    names = _plain_names(into.table("people"))
    comments = posts.filter((pl.col("kind") == "comment") & pl.col("text").str.contains("@", literal=True))
    token = pl.col("text").str.extract_all(_CALL)
    calls = comments.select("post_id", "parent_id", "created_at", "author_id", token=token).explode("token")
    calls = calls.with_columns(_plain("token")).filter(pl.col("token").str.len_chars() > 0).unique()
    place = pl.when(pl.col("kind") == "comment").then("parent_id").otherwise("post_id")
    there = posts.group_by(parent_id=place, person_id="author_id").agg(since=pl.col("created_at").min())
    exact = pl.col("name") == pl.col("token")
    fits = calls.join(there.join(names, on="person_id"), on="parent_id").filter(
        (pl.col("since") <= pl.col("created_at"))
        & pl.col("person_id").ne_missing(pl.col("author_id"))
        & pl.col("name").str.starts_with(pl.col("token"))
        & (exact | (pl.col("token").str.len_chars() >= _SHORTEST))
    )
    best = fits.with_columns(exact=exact).filter(pl.col("exact") == pl.col("exact").max().over("post_id", "token"))
    single = best.filter(pl.len().over("post_id", "token") == 1).select("post_id", "person_id").unique()
    single = single.sort("post_id", "person_id")
    into.derive_frame("mentions", single.with_columns(basis=pl.lit("text")))
    lost = calls["post_id"].n_unique() - single["post_id"].n_unique()
    if lost:
        into.note("mentions", "unknown_person", detail=f"in {lost:,} comments no @Name fits exactly one participant")


def _plain(column: str) -> pl.Expr:
    """Letters and digits only, lower case: how names are compared."""
    return pl.col(column).str.replace(r"['’]s$", "").str.replace_all(r"[\W_]", "").str.to_lowercase()


def _plain_names(people: pl.DataFrame) -> pl.DataFrame:
    named = people.select("person_id", _plain("name")).filter(pl.col("name").str.len_chars() > 0)
    return named.unique("person_id", keep="first", maintain_order=True)
