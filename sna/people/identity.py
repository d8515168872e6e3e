"""Join several exports into one forum, and decide who is who: sure keys link, likeness only suggests.

Order of the rules: the analyst's file (same / different), an employee or directory id, the e-mail address. Two accounts
of one source, bots and function mailboxes are never joined by themselves. Every link is kept with its method.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import polars as pl

from sna.errors import ParameterError
from sna.formats.frames import load_frame
from sna.forum import Forum, Source, build_forum
from sna.people.names import email_key, name_key, name_likeness, name_parts
from sna.people.overlap import group_exports, join_exports, join_levels
from sna.readers.collect import Collector
from sna.schema import PEOPLE, TABLES
from sna.types import Frame

EXTERNAL_IDS = (
    "employee_id",
    "employee_number",
    "external_id",
    "aad_object_id",
    "scim_external_id",
    "sso_id",
)
"""Attributes that name a person outside the platform, the surest key after the analyst's word."""

CONFIDENCE: Mapping[str, float] = {"override": 1.0, "own": 1.0, "external_id": 0.99, "email": 0.95}
_BLOCK = 200
_LINK = "identity_link"


@dataclass
class _Clusters:
    """Accounts joined into people. An account is ``label:native``; its source is the label."""

    parent: dict[str, str]
    members: dict[str, set[str]] = field(default_factory=dict)
    method: dict[str, str] = field(default_factory=dict)
    apart: set[frozenset[str]] = field(default_factory=set)
    refused: list[tuple[str, str, str]] = field(default_factory=list)

    def root(self, account: str) -> str:
        while self.parent[account] != account:
            self.parent[account] = self.parent[self.parent[account]]
            account = self.parent[account]
        return account

    def join(self, one: str, two: str, *, method: str) -> None:
        """Join two clusters unless the rules forbid it; the smaller id leads."""
        a, b = sorted((self.root(one), self.root(two)))
        if a == b:
            return
        ours, theirs = self.members.get(a, {a}), self.members.get(b, {b})
        why = self._forbidden(ours, theirs, method)
        if why:
            self.refused.append((f"{one} = {two}", method, why))
            return
        self.parent[b] = a
        self.members[a] = ours | theirs
        for account in (one, two):
            self.method.setdefault(account, method)

    def _forbidden(self, ours: set[str], theirs: set[str], method: str) -> str:
        if any(frozenset((x, y)) in self.apart for x in ours for y in theirs):
            return "the overrides say different"
        both = {_label_of(x) for x in ours} & {_label_of(x) for x in theirs}
        return f"both are of {min(both)}" if both and method != "override" else ""


def merge_forums(
    forums: Sequence[Forum],
    *,
    overrides: Frame | str | Path | None = None,
    labels: Sequence[str] | None = None,
) -> Forum:
    """Join several forums into one; the order in which they are given does not matter.

    Exports of one forum (overlapping periods, or the same people under the same ids) are first joined by their ids, so
    that no post and no person counts twice. Where only one forum is left, that forum is returned with its own ids.

    Parameters
    ----------
    forums
        Two or more. They stay as they are.
    overrides
        The analyst's decisions, a CSV or frame with ``decision`` ("same" or "different"), ``account_a``,
        ``account_b``; accounts are written ``label:id``. `suggest_identities` makes a file to fill in.
    labels
        One short name per forum, in the same order; by default the platform, numbered where it occurs twice.

    Returns
    -------
    Forum
        Ids of posts, threads, people and campaigns are ``label:id``, spaces ``label/space``. A person with several
        accounts has the first of their ids in alphabetical order. A capability on which the sources differ is
        "partial". `list_identity_links` tells who was joined, how, and how surely.

    Raises
    ------
    ParameterError
        Fewer than two forums, bad labels, overrides that name unknown accounts or contradict each other.

    Notes
    -----
    When it misleads: addresses are re-used. A new employee with the address of one who left is joined to that person;
    say "different" in the overrides. A person with no shared key stays two people: look at `suggest_identities`.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> def one(name):
    ...     people = pl.DataFrame({"person_id": ["1"], "email": ["ann@corp.example"]})
    ...     posts = pl.DataFrame({"post_id": ["p"], "thread_id": ["p"], "author_id": ["1"]})
    ...     return build_forum(people=people, posts=posts, source=Source(name))
    >>> merged = merge_forums([one("slack"), one("discourse")])
    >>> merged.people["person_id"].to_list(), merged.posts["post_id"].to_list()
    (['discourse:1'], ['discourse:p', 'slack:p'])
    """
    named = _named(forums, labels)
    if len(named) == 1 and overrides is None:
        return next(iter(named.values()))
    clusters = _cluster(named, _read_overrides(overrides))
    person = {account: clusters.root(account) for account in clusters.parent}
    tables = {name: _stacked(named, name, person) for name in TABLES if name != "people"}
    tables["roles"] = tables["roles"].unique(maintain_order=True)
    people = _merged_people(named, person)
    log, read = Collector("merged"), {name: _rows_read(named, name) for name in TABLES}
    n_doubles = sum(forum.roles.height for forum in named.values()) - tables["roles"].height
    n_joined = sum(forum.people.height for forum in named.values()) - people.height
    _log_links(log, clusters, n_joined=n_joined, n_doubles=n_doubles)
    issues = [_labelled_issues(label, forum) for label, forum in named.items()]
    source = replace(_source(named), rows_read=read)
    return build_forum(**tables, people=people, source=source, issues=pl.concat([*issues, log.issues()]))


def list_identity_links(forum: Forum) -> pl.DataFrame:
    """Which accounts are which person in a merged forum.

    Returns
    -------
    DataFrame
        ``source, account, person_id, method, confidence``, one row per account, sorted; the method is "override",
        "external_id", "email", or "own" for an account that stands alone. People who opted out are left out.

    Raises
    ------
    ParameterError
        When the forum was not made by `merge_forums`.

    Examples
    --------
    >>> def staff(platform, *rows):
    ...     people = pl.DataFrame(rows, schema=["person_id", "name", "email"], orient="row")
    ...     return build_forum(people=people, source=Source(platform))
    >>> chat = staff("chat", ("U1", "Ann Smith", "ann@x.org"))
    >>> wiki = staff("wiki", ("7", "Ann S.", "ann@x.org"), ("8", "Anne Smith", None))
    >>> list_identity_links(merge_forums([chat, wiki])).select("source", "account", "person_id", "method").rows()
    [('chat', 'U1', 'chat:U1', 'email'), ('wiki', '7', 'chat:U1', 'email'), ('wiki', '8', 'wiki:8', 'own')]
    """
    if forum.source.platform != "merged":
        raise ParameterError("list_identity_links needs a merged forum.", got=f"Got {forum.source.platform!r}.")
    hidden = forum.people.filter(pl.col("opt_out"))["person_id"]
    rows = [json.loads(text) for text in forum.issues.filter(pl.col("reason") == _LINK)["detail"]]
    linked = {row["person_id"] for row in rows}
    rows += [_link(person, person, "own") for person in forum.people["person_id"] if person not in linked]
    schema = {
        "source": pl.String,
        "account": pl.String,
        "person_id": pl.String,
        "method": pl.String,
        "confidence": pl.Float64,
    }
    links = pl.DataFrame(rows, schema=schema, orient="row")
    return links.filter(~pl.col("person_id").is_in(hidden.implode())).sort("person_id", "source", "account")


def suggest_identities(
    forums: Sequence[Forum], *, labels: Sequence[str] | None = None, likeness: float = 0.85
) -> pl.DataFrame:
    """Pairs of accounts that may be one person and that no sure key joins. Nothing is joined by it.

    Parameters
    ----------
    forums, labels
        As for `merge_forums`; one forum is allowed, to look for doubles inside it.
    likeness
        Smallest likeness of names, 0 to 1.

    Returns
    -------
    DataFrame
        ``decision`` (empty: write "same" or "different"), ``account_a, account_b, name_a, name_b, likeness, reason``,
        the likeliest first. Saved as CSV and filled in it is the ``overrides`` file.

    Examples
    --------
    >>> def staff(platform, *rows):
    ...     people = pl.DataFrame(rows, schema=["person_id", "name", "email"], orient="row")
    ...     return build_forum(people=people, source=Source(platform))
    >>> chat = staff("chat", ("U1", "Ann Smith", "ann@x.org"))
    >>> wiki = staff("wiki", ("7", "Ann S.", "ann@x.org"), ("8", "Anne Smith", None))
    >>> suggest_identities([chat, wiki]).select("account_a", "account_b", "likeness", "reason").rows()
    [('chat:U1', 'wiki:8', 0.947, 'similar name')]
    """
    named = _named(forums, labels, least=1)
    clusters = _cluster(named, [])
    people = pl.concat([_accounts(label, forum) for label, forum in named.items()])
    people = people.filter((pl.col("kind") == "human") & ~pl.col("opt_out") & ~pl.col("placeholder"))
    facts = {row["account"]: row for row in people.iter_rows(named=True)}
    rows = []
    for one, two in sorted(_candidate_pairs(facts)):
        if clusters.root(one) != clusters.root(two):
            score, reason = _alike(facts[one], facts[two])
            if score >= likeness:
                rows.append(("", one, two, facts[one]["name"], facts[two]["name"], round(score, 3), reason))
    columns = ["decision", "account_a", "account_b", "name_a", "name_b", "likeness", "reason"]
    schema = {name: pl.Float64 if name == "likeness" else pl.String for name in columns}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.sort("likeness", "account_a", "account_b", descending=[True, False, False])


def _named(forums: Sequence[Forum], labels: Sequence[str] | None, *, least: int = 2) -> dict[str, Forum]:
    """Forums by label, in an order that depends on what they hold and not on how they were given."""
    if len(forums) < least:
        raise ParameterError(f"At least {least} forums are needed.", got=f"Got {len(forums)}.")
    if labels is not None:
        good = len(set(labels)) == len(forums) and all(re.fullmatch(r"[\w.-]+", label) for label in labels)
        if not good:
            raise ParameterError(
                "labels are one word each, all different, one per forum.", got=f"Got {list(labels)} for {len(forums)}."
            )
        groups = group_exports(forums, by_people=False)
        return dict(sorted((min(labels[i] for i in group), _joined(forums, group)) for group in groups))
    by_platform: dict[str, list[Forum]] = defaultdict(list)
    distinct = [_joined(forums, group) for group in group_exports(forums)]
    for forum in sorted(distinct, key=_fingerprint):
        by_platform[re.sub(r"[^\w.-]", "_", forum.source.platform)].append(forum)
    named = {}
    for platform in sorted(by_platform):
        for number, forum in enumerate(by_platform[platform], start=1):
            named[platform if len(by_platform[platform]) == 1 else f"{platform}{number}"] = forum
    if len(named) < len(distinct):
        raise ParameterError("Platform names must not collide.", got=f"Got {sorted(by_platform)}.", hint="labels=(...)")
    return named


def _joined(forums: Sequence[Forum], group: Sequence[int]) -> Forum:
    return forums[group[0]] if len(group) == 1 else join_exports([forums[i] for i in group])


def _fingerprint(forum: Forum) -> tuple[str, str, str]:
    start = forum.period[0].isoformat() if forum.period else ""
    digest = hashlib.sha256()
    for table in (forum.people, forum.posts):
        digest.update(table.write_csv().encode())
    return (forum.source.platform, start, digest.hexdigest())


def _label_of(account: str) -> str:
    return account.split(":", 1)[0]


def _accounts(label: str, forum: Forum) -> pl.DataFrame:
    return forum.people.with_columns((pl.lit(f"{label}:") + pl.col("person_id")).alias("account"))


def _cluster(named: Mapping[str, Forum], decisions: list[tuple[str, str, str]]) -> _Clusters:
    """Apply the rules in order; keys in alphabetical order, so that the result does not depend on row order."""
    people = pl.concat([_accounts(label, forum) for label, forum in named.items()])
    clusters = _Clusters({account: account for account in people["account"].sort()})
    _apply_overrides(clusters, decisions)
    free = people.filter((pl.col("kind") == "human") & ~pl.col("placeholder"))
    externals = _external_keys(named, set(free["account"]))
    emails = [(email_key(email), account) for account, email in free.select("account", "email").iter_rows()]
    for method, pairs in (("external_id", externals), ("email", emails)):
        _join_by_key(clusters, pairs, method)
    return clusters


def _external_keys(named: Mapping[str, Forum], free: set[str]) -> list[tuple[str | None, str]]:
    keys: list[tuple[str | None, str]] = []
    for label, forum in named.items():
        rows = forum.roles.filter(pl.col("attribute").is_in(EXTERNAL_IDS))
        for attribute, value, person in rows.select("attribute", "value", "person_id").unique().iter_rows():
            if f"{label}:{person}" in free:
                keys.append((f"{attribute} {name_key(value)}", f"{label}:{person}"))
    return keys


def _join_by_key(clusters: _Clusters, pairs: Iterable[tuple[str | None, str]], method: str) -> None:
    """Join the accounts of one key, unless one source has it twice: then nobody knows which is meant."""
    by_key: dict[str, set[str]] = defaultdict(set)
    for key, account in pairs:
        if key:
            by_key[key].add(account)
    for key in sorted(by_key):
        accounts = sorted(by_key[key])
        sources = [_label_of(account) for account in accounts]
        if len(set(sources)) < len(sources):
            clusters.refused.append((", ".join(accounts[:4]), method, "one source has this key twice"))
            continue
        for other in accounts[1:]:
            clusters.join(accounts[0], other, method=method)


def _read_overrides(overrides: Frame | str | Path | None) -> list[tuple[str, str, str]]:
    if overrides is None:
        return []
    frame = load_frame(overrides).frame
    needed = ("decision", "account_a", "account_b")
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ParameterError(
            "Overrides have the columns decision, account_a, account_b.",
            got=f"Found: {', '.join(frame.columns)}.",
            hint="start from sna.suggest_identities(forums).write_csv(...)",
        )
    rows = frame.select(pl.col(name).cast(pl.String).str.strip_chars().fill_null("") for name in needed).rows()
    wrong = sorted({word for word, _, _ in rows if word.lower() not in ("same", "different", "")})
    if wrong:
        raise ParameterError("decision is same, different or empty.", got=f"Got {wrong[:3]}.")
    return sorted((word.lower(), a, b) for word, a, b in rows if word)


def _apply_overrides(clusters: _Clusters, decisions: list[tuple[str, str, str]]) -> None:
    unknown = sorted({x for _, a, b in decisions for x in (a, b) if x not in clusters.parent})
    if unknown:
        labels = sorted({_label_of(account) for account in clusters.parent})
        raise ParameterError(
            "Overrides name accounts of these forums, written label:id.",
            got=f"Unknown: {', '.join(unknown[:3])}; labels: {', '.join(labels)}.",
        )
    clusters.apart |= {frozenset((a, b)) for word, a, b in decisions if word == "different"}
    for word, a, b in decisions:
        if word == "same":
            clusters.join(a, b, method="override")
    if clusters.refused:
        raise ParameterError(
            "Overrides must not contradict each other.", got=f"{clusters.refused[0][0]}: same and different."
        )


def _stacked(named: Mapping[str, Forum], name: str, person: Mapping[str, str]) -> pl.DataFrame:
    """One table of all forums under the new ids."""
    parts = []
    for label, forum in named.items():
        frame = getattr(forum, name)
        prefix = pl.lit(f"{label}:")
        ids = [c for c in ("post_id", "thread_id", "parent_id", "campaign_id", "object") if c in frame.columns]
        people = [c for c in ("person_id", "author_id") if c in frame.columns]
        frame = frame.with_columns(
            *((prefix + pl.col(c)).alias(c) for c in ids),
            *(_person_of(prefix + pl.col(c), person).alias(c) for c in people),
        )
        if "space" in frame.columns:
            frame = frame.with_columns((pl.lit(f"{label}/") + pl.col("space")).alias("space"))
        if name == "roles":
            boss = _person_of(prefix + pl.col("value"), person, keep=pl.col("value"))
            frame = frame.with_columns(
                pl.when(pl.col("attribute") == "manager").then(boss).otherwise("value").alias("value")
            )
        parts.append(frame)
    return pl.concat([TABLES[name].empty(), *parts])


def _person_of(account: pl.Expr, person: Mapping[str, str], *, keep: pl.Expr | None = None) -> pl.Expr:
    """The person of an account; ``keep`` stands in where it is no account."""
    found = account.replace_strict(dict(person), default=None, return_dtype=pl.String)
    return found if keep is None else pl.coalesce(found, keep)


def _merged_people(named: Mapping[str, Forum], person: Mapping[str, str]) -> pl.DataFrame:
    """One row per person: first known name and address, earliest join, left only when every account has left."""
    people = pl.concat([_accounts(label, forum) for label, forum in named.items()])
    people = people.with_columns(_person_of(pl.col("account"), person).alias("person_id")).sort("account")
    gone = pl.col("left_at").is_not_null().all()
    merged = people.group_by("person_id", maintain_order=True).agg(
        pl.col("name").drop_nulls().first(),
        pl.col("kind").first(),
        pl.col("joined_at").min(),
        pl.when(gone).then(pl.col("left_at").max()).alias("left_at"),
        pl.col("email").drop_nulls().first(),
        pl.col("opt_out").any(),
        pl.col("placeholder").all(),
    )
    return merged.select(list(PEOPLE.columns)).sort("person_id")


def _labelled_issues(label: str, forum: Forum) -> pl.DataFrame:
    where = pl.when(pl.col("file") == "").then(pl.lit(label)).otherwise(pl.lit(f"{label}/") + pl.col("file"))
    return forum.issues.filter(pl.col("reason") != _LINK).with_columns(where.alias("file"))


def _link(account: str, person: str, method: str) -> dict[str, str | float]:
    source, native = account.split(":", 1)
    return {
        "source": source,
        "account": native,
        "person_id": person,
        "method": method,
        "confidence": CONFIDENCE[method],
    }


def _log_links(log: Collector, clusters: _Clusters, *, n_joined: int, n_doubles: int) -> None:
    """Who was joined to whom and how, what was not joined, and the rows that are one now."""
    if n_joined:
        told = "accounts joined to another account of the same person; see list_identity_links"
        log.note("people", "merged_account", kind="withheld", n=n_joined, detail=told)
    if n_doubles:
        told = "the same spell of the same person in two sources"
        log.note("roles", "duplicate_row", kind="rejected", n=n_doubles, detail=told)
    for accounts, method, why in sorted(set(clusters.refused)):
        log.note("people", "identity_unclear", position=accounts, detail=f"{method}: {why}")
    for root, members in clusters.members.items():
        if clusters.root(root) == root:
            if len(members) > 3:
                log.note("people", "large_identity", position=root, detail=f"{len(members)} accounts")
            for account in sorted(members):
                link = _link(account, root, clusters.method.get(account, "own"))
                log.note("people", _LINK, position=account, detail=json.dumps(link, sort_keys=True))


def _rows_read(named: Mapping[str, Forum], table: str) -> int:
    issues = pl.concat([forum.issues for forum in named.values()])
    lost = issues.filter(pl.col("kind").is_in(["rejected", "withheld"]), pl.col("table") == table)
    return sum(getattr(forum, table).height for forum in named.values()) + int(lost["n"].sum())


def _source(named: Mapping[str, Forum]) -> Source:
    ends = [forum.source.exported_at for forum in named.values()]
    return Source(
        "merged",
        coverage="; ".join(f"{label}: {forum.source.coverage or 'all'}" for label, forum in named.items()),
        capabilities=join_levels(list(named.values())),
        exported_at=min(end for end in ends if end) if all(ends) else None,
        files=tuple(f"{label}/{name}" for label, forum in named.items() for name in forum.source.files),
        is_judged=any(forum.source.is_judged for forum in named.values()),
    )


def _candidate_pairs(facts: Mapping[str, Mapping[str, object]]) -> set[tuple[str, str]]:
    """Accounts that share a word of their names, or a login with an address; words of many people are skipped."""
    blocks: dict[str, set[str]] = defaultdict(set)
    for account, row in facts.items():
        for word in name_parts(str(row["name"] or "")):
            if len(word) > 2:
                blocks[word].add(account)
        for login in _logins(row):
            blocks[f"@{login}"].add(account)
    small = [sorted(group) for group in blocks.values() if 1 < len(group) <= _BLOCK]
    return {pair for group in small for pair in combinations(group, 2)}


def _logins(row: Mapping[str, object]) -> set[str]:
    """What the person may be called at login: the id, the name, the part of the address before the @."""
    email = email_key(str(row["email"] or ""))
    words = {name_key(str(row["person_id"])), name_key(str(row["name"] or ""))}
    return {w for w in words | ({email.split("@")[0]} if email else set()) if len(w) > 2 and not w.isdigit()}


def _alike(one: Mapping[str, object], two: Mapping[str, object]) -> tuple[float, str]:
    score = name_likeness(str(one["name"] or ""), str(two["name"] or ""))
    if score >= 1:
        return score, "same name"
    if email_key(str(one["email"] or "")) and email_key(str(one["email"] or "")) == email_key(str(two["email"] or "")):
        return max(score, 0.95), "same address, unclear"
    if _logins(one) & _logins(two):
        return max(score, 0.9), "same login"
    return score, "similar name"
