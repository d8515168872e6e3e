"""Join what HR knows to a forum: attributes over time, hire and leave dates, and the people who never post."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from sna.admit import make_issues
from sna.forum import Forum, build_forum, list_roster
from sna.people.names import name_key
from sna.people.org import OrgData, check_match_on
from sna.readers.sanity import settle_levels
from sna.schema import CAPABILITIES, ISSUES, TABLES

_ENOUGH, _HALF = 5, 0.5
"""From how many authors on the share that HR knows is judged, and the share from which its list is a roster."""


@dataclass(frozen=True)
class _Match:
    """``pairs`` (org_id, person_id, method), and what could not be matched clearly (``unclear``)."""

    pairs: pl.DataFrame
    unclear: pl.DataFrame


def add_org(
    forum: Forum, org: OrgData, *, match_on: Sequence[str] = ("person_id", "email", "username", "name")
) -> Forum:
    """Add people's attributes, hire and leave dates, and the people HR knows who never posted.

    Parameters
    ----------
    forum
        Any forum.
    org
        From `sna.read_org`.
    match_on
        Keys that may link a person of the forum to one of HR, the surest first: person_id, email, username (HR's login
        is the forum's id or name), name. E-mail, login and name are compared without case. A key that fits two people
        on either side links nobody.

    Returns
    -------
    Forum
        With ``org.spells`` under the forum's ids. An attribute the forum already had under the same name is kept as
        ``<platform>_<attribute>``. HR's hire and leave dates replace the account's. Capabilities ``roster`` and
        ``org_attributes`` rise.

    Raises
    ------
    ParameterError
        For an unknown key.

    Notes
    -----
    Who was matched how is counted in ``forum.issues`` (reason ``matched_by_<key>``); people of the forum HR does not
    know are counted as ``not_in_org``.

    When it misleads: two people with one name, one of them not in HR, are linked by name. Leave "name" out of
    ``match_on`` where names repeat.

    Examples
    --------
    >>> from sna.people.org import read_org
    >>> forum = build_forum(posts=pl.DataFrame({"post_id": ["1"], "thread_id": ["1"], "author_id": ["ann"]}))
    >>> org = read_org(pl.DataFrame({"PersonId": ["ann", "eve"], "Department": ["HR", "IT"]}))
    >>> add_org(forum, org).attribute("department").rows()
    [('ann', 'HR'), ('eve', 'IT')]
    """
    check_match_on(match_on)
    match = _match(forum.people, org.people, match_on)
    ids = _ids_for(org.people, forum.people, match.pairs)
    people, n_added = _joined_people(forum.people, org.people, ids, match.pairs)
    spells = _renamed(org.spells, ids)
    kept, moved = _old_roles(forum, spells)
    n_lost = int(org.issues.filter(kind="rejected")["n"].sum())
    issues = [forum.issues, org.issues, *_notes(forum, org, match, moved)]
    rows_read = dict(forum.source.rows_read)
    rows_read["roles"] = rows_read.get("roles", 0) + spells.height + n_lost
    rows_read["people"] = rows_read.get("people", 0) + n_added
    tables = {name: getattr(forum, name) for name in TABLES} | {"people": people, "roles": pl.concat([kept, spells])}
    few = _few_known(forum, match)
    source = replace(
        forum.source,
        capabilities=_raised(forum, org, roster=not few),
        rows_read=rows_read,
        files=tuple(sorted({*forum.source.files, *([org.file] if org.file else [])})),
    )
    joined = build_forum(**tables, source=source, issues=pl.concat([ISSUES.empty(), *issues, *few]))
    return settle_levels(joined, about=("people", "roles") if forum.states_capabilities else ())


def _raised(forum: Forum, org: OrgData, *, roster: bool) -> dict[str, str]:
    """Levels with what HR adds; in a forum that declares none all is taken as recorded where it is found."""
    levels = forum.source.capabilities if forum.states_capabilities else dict.fromkeys(CAPABILITIES, "yes")
    return {**levels, "org_attributes": _level(org), "roster": "yes" if roster else forum.supports("roster")}


def _few_known(forum: Forum, match: _Match) -> list[pl.DataFrame]:
    """A warning where HR knows less than half of the people who wrote: its list is not the forum's roster."""
    humans = list_roster(forum)["person_id"].implode()
    wrote = forum.posts.filter(pl.col("author_id").is_in(humans))["author_id"].unique()
    n = wrote.filter(wrote.is_in(match.pairs["person_id"].implode())).len()
    if wrote.len() < _ENOUGH or n >= _HALF * wrote.len():
        return []
    says = (
        f"The HR data have only {n:,} of the {wrote.len():,} people who wrote ({n / wrote.len():.0%}): silent people "
        "are not known from it. Do the ids or addresses of both differ?"
    )
    return [make_issues("org", "few_in_org", kind="warning", n=wrote.len() - n, detail=says)]


def _level(org: OrgData) -> str:
    return "yes" if (org.spells["basis"] == "effective_dated").any() else "partial"


def _match(people: pl.DataFrame, org: pl.DataFrame, match_on: Sequence[str]) -> _Match:
    """Link one to one, key by key; a key that several people share on one side is unclear and links nobody."""
    pairs = [pl.DataFrame(schema={"org_id": pl.String, "person_id": pl.String, "method": pl.String})]
    unclear = [pl.DataFrame(schema={"method": pl.String, "key": pl.String})]
    left, right = people.filter(~pl.col("placeholder") | pl.col("email").is_null()), org
    for method in match_on:
        ours = pl.concat(
            [left.select("person_id", _our_key(source, method).alias("key")) for source in _sources(method)]
        )
        theirs = right.select(pl.col("person_id").alias("org_id"), _their_key(method).alias("key"))
        joined = ours.drop_nulls().unique().join(theirs.drop_nulls().unique(), on="key")
        alone = (pl.col("person_id").n_unique().over("org_id") == 1) & (
            pl.col("org_id").n_unique().over("person_id") == 1
        )
        sure = joined.filter(alone)
        unclear.append(joined.filter(~alone).select(pl.lit(method).alias("method"), "key").unique())
        new = sure.select("org_id", "person_id").unique().with_columns(pl.lit(method).alias("method"))
        pairs.append(new)
        left = left.filter(~pl.col("person_id").is_in(new["person_id"].implode()))
        right = right.filter(~pl.col("person_id").is_in(new["org_id"].implode()))
    return _Match(pl.concat(pairs), pl.concat(unclear))


def _sources(method: str) -> tuple[str, ...]:
    return {"username": ("person_id", "name"), "person_id": ("person_id",)}.get(method, (method,))


def _our_key(column: str, method: str) -> pl.Expr:
    return pl.col(column) if method == "person_id" else _folded(column)


def _their_key(method: str) -> pl.Expr:
    return pl.col("person_id") if method == "person_id" else _folded(method)


def _folded(column: str) -> pl.Expr:
    """Without case and with single spaces; empty means none."""
    key = pl.col(column).map_elements(name_key, return_dtype=pl.String)
    return pl.when(key != "").then(key)


def _ids_for(org: pl.DataFrame, people: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, str]:
    """HR's id -> the forum's; people only HR knows keep theirs, with a prefix where the forum uses it for another."""
    linked = dict(pairs.select("org_id", "person_id").iter_rows())
    taken = set(people["person_id"])
    return {i: linked.get(i) or (f"org:{i}" if i in taken else i) for i in org["person_id"]}


def _joined_people(
    people: pl.DataFrame, org: pl.DataFrame, ids: dict[str, str], pairs: pl.DataFrame
) -> tuple[pl.DataFrame, int]:
    facts = org.with_columns(pl.col("person_id").replace_strict(ids, return_dtype=pl.String))
    dates = facts.select("person_id", pl.col("joined_at").alias("_in"), pl.col("left_at").alias("_out"), "email")
    joined = people.join(dates.rename({"email": "_email"}), on="person_id", how="left", maintain_order="left")
    known = joined.with_columns(
        pl.coalesce("_in", "joined_at").alias("joined_at"),
        pl.coalesce("_out", "left_at").alias("left_at"),
        pl.coalesce("email", "_email").alias("email"),
        (pl.col("placeholder") & ~pl.col("person_id").is_in(pairs["person_id"].implode())).alias("placeholder"),
    ).drop("_in", "_out", "_email")
    silent = facts.filter(~pl.col("person_id").is_in(people["person_id"].implode()))
    added = silent.select(
        "person_id",
        pl.coalesce("name", "username", "email", "person_id").alias("name"),
        "joined_at",
        "left_at",
        "email",
        pl.lit("human").alias("kind"),
        pl.lit(False).alias("opt_out"),
        pl.lit(False).alias("placeholder"),
    )
    return pl.concat([known, added.select(known.columns)]), added.height


def _renamed(spells: pl.DataFrame, ids: dict[str, str]) -> pl.DataFrame:
    """Spells under the forum's ids; managers too."""
    value = pl.when(pl.col("attribute") == "manager").then(pl.col("value").replace(ids)).otherwise("value")
    return spells.with_columns(pl.col("person_id").replace_strict(ids, return_dtype=pl.String), value.alias("value"))


def _old_roles(forum: Forum, spells: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The forum's own attributes; one that HR also has is renamed after its platform."""
    both = sorted(set(forum.roles["attribute"]) & set(spells["attribute"]))
    names = {name: f"{forum.source.platform}_{name}" for name in both}
    return forum.roles.with_columns(pl.col("attribute").replace(names)), list(names.values())


def _notes(forum: Forum, org: OrgData, match: _Match, moved: list[str]) -> list[pl.DataFrame]:
    notes = []

    def note(reason: str, n: int, *, detail: str) -> None:
        if n:
            notes.append(make_issues("people", reason, kind="note", n=n, file=org.file, detail=detail))

    for method, n in match.pairs.group_by("method").len().sort("method").iter_rows():
        note(f"matched_by_{method}", n, detail="people of the forum found in the HR data")
    for method, keys in match.unclear.group_by("method").agg(pl.col("key").sort()).sort("method").iter_rows():
        note(
            "match_unclear",
            len(keys),
            detail=f"{method} shared by several people, linked to nobody: {', '.join(keys[:3])}",
        )
    humans = forum.people.filter(pl.col("kind") == "human")
    outside = humans.filter(~pl.col("person_id").is_in(match.pairs["person_id"].implode())).height
    note("not_in_org", outside, detail="people of the forum that the HR data do not have")
    note("attribute_renamed", len(moved), detail=f"the forum's own attribute is now {', '.join(moved)}")
    last = forum.observed_until
    future = 0 if last is None else org.spells.filter(pl.col("valid_from") > last).height
    note("starts_after_forum", future, detail="spells that begin after the last thing seen in the forum")
    return notes
