"""The tables of a Forum: their columns, types and allowed values, and the capabilities of a source.

This is the only place where column names and types of the canonical tables are written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

TIME = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Table:
    """Columns of one table. ``required`` may not be null; ``key`` is unique; ``values`` are the allowed values."""

    name: str
    columns: Mapping[str, pl.DataType | type[pl.DataType]]
    required: tuple[str, ...]
    key: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    sort: tuple[str, ...] = ()

    @property
    def schema(self) -> pl.Schema:
        """The polars schema."""
        return pl.Schema(dict(self.columns))

    def empty(self) -> pl.DataFrame:
        """A frame with the right columns and no rows."""
        return pl.DataFrame(schema=self.schema)


PEOPLE = Table(
    "people",
    {
        "person_id": pl.String,
        "name": pl.String,
        "kind": pl.String,
        "joined_at": TIME,
        "left_at": TIME,
        "email": pl.String,
        "opt_out": pl.Boolean,
        "placeholder": pl.Boolean,
    },
    required=("person_id", "kind", "opt_out", "placeholder"),
    key=("person_id",),
    values={"kind": ("human", "bot", "system")},
    defaults={"kind": "human", "opt_out": False, "placeholder": False},
    sort=("person_id",),
)
ROLES = Table(
    "roles",
    {
        "person_id": pl.String,
        "attribute": pl.String,
        "value": pl.String,
        "valid_from": TIME,
        "valid_to": TIME,
        "basis": pl.String,
    },
    required=("person_id", "attribute", "value", "basis"),
    values={"basis": ("event", "effective_dated", "snapshot", "inferred")},
    defaults={"basis": "snapshot"},
    sort=("person_id", "attribute", "valid_from", "value", "valid_to", "basis"),
)
POSTS = Table(
    "posts",
    {
        "post_id": pl.String,
        "thread_id": pl.String,
        "parent_id": pl.String,
        "parent_basis": pl.String,
        "author_id": pl.String,
        "created_at": TIME,
        "space": pl.String,
        "kind": pl.String,
        "title": pl.String,
        "text": pl.String,
        "edited_at": TIME,
        "deleted_at": TIME,
    },
    required=("post_id", "thread_id", "parent_basis", "kind"),
    key=("post_id",),
    values={
        "kind": ("root", "reply", "answer", "comment"),
        "parent_basis": ("explicit", "quote", "root_default", "header", "subject", "previous", "none"),
    },
    defaults={"parent_basis": "none", "kind": "reply"},
    sort=("created_at", "post_id"),
)
MENTIONS = Table(
    "mentions",
    {"post_id": pl.String, "person_id": pl.String, "basis": pl.String},
    required=("post_id", "person_id", "basis"),
    values={"basis": ("structured", "markup", "text")},
    defaults={"basis": "markup"},
    sort=("post_id", "person_id", "basis"),
)
SIGNALS = Table(
    "signals",
    {"post_id": pl.String, "person_id": pl.String, "kind": pl.String, "at": TIME, "n": pl.Int64},
    required=("post_id", "kind", "n"),
    defaults={"n": 1},
    sort=("post_id", "kind", "person_id", "at", "n"),
)
EVENTS = Table(
    "events",
    {"person_id": pl.String, "kind": pl.String, "object": pl.String, "at": TIME, "n": pl.Int64},
    required=("person_id", "kind", "n"),
    defaults={"n": 1},
    sort=("person_id", "kind", "at", "object", "n"),
)
MEMBERSHIPS = Table(
    "memberships",
    {"person_id": pl.String, "space": pl.String, "valid_from": TIME, "valid_to": TIME},
    required=("person_id", "space"),
    sort=("person_id", "space", "valid_from", "valid_to"),
)
CAMPAIGNS = Table(
    "campaigns",
    {
        "campaign_id": pl.String,
        "name": pl.String,
        "kind": pl.String,
        "starts_at": TIME,
        "ends_at": TIME,
        "audience": pl.String,
    },
    required=("campaign_id", "kind"),
    key=("campaign_id",),
    defaults={"kind": "other"},
    sort=("campaign_id",),
)
ISSUES = Table(
    "issues",
    {
        "table": pl.String,
        "reason": pl.String,
        "kind": pl.String,
        "file": pl.String,
        "position": pl.String,
        "n": pl.Int64,
        "detail": pl.String,
    },
    required=("table", "reason", "kind", "n"),
    values={"kind": ("rejected", "withheld", "repaired", "note", "warning")},
    defaults={"kind": "rejected", "n": 1},
    sort=("table", "kind", "reason", "file", "position", "detail", "n"),
)

TABLES: Mapping[str, Table] = {
    t.name: t for t in (PEOPLE, ROLES, POSTS, MENTIONS, SIGNALS, EVENTS, MEMBERSHIPS, CAMPAIGNS)
}

SIGNAL_KINDS = ("like", "upvote", "downvote", "accept", "endorse", "thanks", "bookmark", "flag")
"""Signal kinds shared by all platforms; further reactions are written ``emoji:<code>``."""

SPELL_ATTRIBUTES = ("role", "department", "level", "location", "manager", "job_title", "platform_role")
"""Attribute names that mean the same thing whatever the source; any other name is allowed too."""

CAPABILITIES: Mapping[str, str] = {
    "reply_parent": "whom a reply answers (partial: only the thread's root)",
    "threads": "which posts belong together",
    "spaces": "the channel, category or list of a post",
    "mentions": "who is mentioned, as an id (partial: by name in the text)",
    "reactions": "who reacted (partial: counts without names)",
    "reaction_times": "when a reaction was given",
    "acceptance": "which answer was accepted",
    "acceptance_time": "when it was accepted (partial: to the day)",
    "reads": "who viewed or read (partial: counts without names)",
    "logins": "who visited or logged in, and when",
    "roster": "the silent people too (partial: those with an account)",
    "memberships": "who belongs to which space (partial: a snapshot)",
    "platform_role": "moderator, admin and the like (partial: a snapshot)",
    "org_attributes": "role, department, level (partial: a snapshot or free text)",
    "deleted_posts": "posts that were deleted later",
    "edits": "edits (partial: the last one only)",
    "text": "the words of the posts",
    "exact_times": "times to the second or better (partial: to the day)",
}
GRADES = ("yes", "partial", "no")
"""How far a source has a capability."""

ANALYSES: Mapping[str, tuple[str, ...]] = {
    "who are the champions": ("threads",),
    "who talks across roles: level": ("threads", "spaces", "org_attributes"),
    "who talks across roles: change over time": ("threads", "org_attributes"),
    "who answers whom (reply network)": ("reply_parent",),
    "who thanks whom (reaction network)": ("reactions",),
    "who mentions whom": ("mentions",),
    "momentum: new, retained, returned, lost": ("exact_times",),
    "share of the roster that takes part": ("roster",),
    "time to answer": ("threads", "exact_times"),
    "questions solved": ("acceptance",),
    "silent readers": ("reads",),
    "visits and logins": ("logins",),
    "what is talked about": ("text",),
}
"""Each analysis and the capabilities it needs; `sna.list_analyses` judges a forum by it."""
