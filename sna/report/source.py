"""What is this report made of? What was read, what was left out, and who is counted."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from sna.forum import Forum, list_analyses, list_roster
from sna.people.privacy import clean_label
from sna.report.context import Context, Question
from sna.report.layout import Section, view_table
from sna.results import format_count
from sna.talk.windows import cut_window


@dataclass(frozen=True)
class SourceFacts:
    """People and posts in the window; rows read, not used and left out in the whole export."""

    n_people: int
    n_authors: int
    n_posts: int
    n_threads: int
    n_other_accounts: int
    n_read: int
    n_rejected: int
    n_withheld: int
    has_threads: bool


def count_source(context: Context) -> SourceFacts:
    """Count people, posts and rows."""
    forum = context.forum
    people = list_roster(forum)["person_id"]
    humans = forum.people.filter(pl.col("kind") == "human").height
    posts = cut_window(forum.posts.with_columns(at="created_at"), **context.window)
    books = forum.accounting()
    return SourceFacts(
        n_people=people.len(),
        n_authors=posts.filter(pl.col("author_id").is_in(people.implode()))["author_id"].n_unique(),
        n_posts=posts.height,
        n_threads=posts["thread_id"].n_unique(),
        n_other_accounts=forum.people.height - humans,
        n_read=int(books["read"].sum()),
        n_rejected=int(books["rejected"].sum()),
        n_withheld=int(books["withheld"].sum()),
        has_threads=forum.supports("threads") != "no",
    )


def source_headline(facts: SourceFacts) -> str:
    """Who wrote how much."""
    posts = format_count(facts.n_posts, "post" if facts.has_threads else "message")
    where = f" in {format_count(facts.n_threads, 'thread')}" if facts.has_threads else ""
    known = format_count(facts.n_people, "known person", plural="known people")
    return f"{facts.n_authors:,} of {known} wrote {posts}{where}."


def rows_words(facts: SourceFacts) -> str:
    """What happened to the rows of the export."""
    return (
        f"{format_count(facts.n_read, 'row')} of the export were read; {facts.n_rejected:,} could not be used and "
        f"{facts.n_withheld:,} were left out on purpose (private or system content). Bots and system accounts "
        f"({facts.n_other_accounts:,}) are not counted as people."
    )


def answer_source(context: Context) -> Section:
    """The section: counts, then the tables to check them by."""
    forum, facts = context.forum, count_source(context)
    books = forum.accounting().filter(pl.col("read") + pl.col("added") > 0)
    issues = forum.issues.group_by("table", "kind", "reason").agg(rows=pl.col("n").sum())
    names = "shown" if context.options.names else "replaced by pseudonyms, new in each report unless a key is given"
    return Section(
        headlines=[source_headline(facts)],
        answer=[_origin(forum), f"{rows_words(facts)} Names are {names}."],
        tables=[
            view_table(list_analyses(forum), "Which analyses this source can support", folded=True),
            view_table(books, "Rows read, used, rejected, withheld, and placeholders added", folded=True),
            view_table(
                issues.sort(["rows", "table", "kind", "reason"], descending=[True, False, False, False]),
                "Rows not used, repaired or noted, by reason",
                folded=True,
            ),
        ],
    )


def _origin(forum: Forum) -> str:
    coverage = f" ({clean_label(forum.source.coverage)})" if forum.source.coverage else ""
    silent = (
        "People who never wrote are known too."
        if forum.supports("roster") != "no"
        else "People who never wrote are not in this export, so shares of all staff cannot be given."
    )
    return f"Source: {clean_label(forum.source.platform).replace('_', ' ')}{coverage}. {silent}"


QUESTION = Question("source", "What is this report made of?", answer_source)
