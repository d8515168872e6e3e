"""The Forum: one frozen object with every table of an export, validated once, when it is made.

`build_forum` takes tables from a reader (or by hand), casts and checks them, adds a placeholder person for
every author the people table does not know, and writes what it could not use to ``issues``.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl

from sna.admit import admit_tables
from sna.errors import NotAnswerableError, ParameterError, SchemaError
from sna.schema import ANALYSES, CAPABILITIES, GRADES, TABLES, TIME
from sna.types import Frame, as_polars


@dataclass(frozen=True)
class Source:
    """Where a forum comes from and what that source can know.

    Attributes
    ----------
    platform
        The reader's name, such as ``"discourse"``.
    coverage
        What part was exported, in words ("public channels", "one quarter of mail").
    capabilities
        A level ("yes", "partial", "no") for each of `sna.schema.CAPABILITIES`; absent means "no".
    exported_at
        The administrative censoring time: nothing after it is known. Defaults to the last event seen.
    rows_read
        Rows the reader met, by table.
    files
        Names of the files that were read.
    is_judged
        Whether the capabilities were held against the rows; a forum of which nothing is known then has none, while one
        made by hand that names none is assumed to have all.
    """

    platform: str
    coverage: str = ""
    capabilities: Mapping[str, str] = field(default_factory=dict)
    exported_at: datetime | None = None
    rows_read: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    is_judged: bool = False


@dataclass(frozen=True, repr=False)
class Forum:
    """People, roles, posts, mentions, signals, events, memberships, campaigns, their source and its issues.

    Make one with `sna.read_forum`, `sna.read_table`, `sna.load_example` or `build_forum`. Every table is a
    polars DataFrame whose columns are listed in `sna.schema`.
    """

    people: pl.DataFrame
    roles: pl.DataFrame
    posts: pl.DataFrame
    mentions: pl.DataFrame
    signals: pl.DataFrame
    events: pl.DataFrame
    memberships: pl.DataFrame
    campaigns: pl.DataFrame
    source: Source
    issues: pl.DataFrame

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        """First and last post; None for a forum without dated posts."""
        first, last = self.posts["created_at"].min(), self.posts["created_at"].max()
        return (first, last) if isinstance(first, datetime) and isinstance(last, datetime) else None

    @property
    def observed_until(self) -> datetime | None:
        """The censoring time: the export's own date, else the last post, signal or event."""
        if self.source.exported_at is not None:
            return self.source.exported_at
        times = [self.posts["created_at"], self.signals["at"], self.events["at"]]
        last = pl.concat([column.alias("at") for column in times]).max()
        return last if isinstance(last, datetime) else None

    def supports(self, capability: str) -> str:
        """Level of one capability: "yes", "partial" or "no"."""
        if capability not in CAPABILITIES:
            raise ParameterError(f"A capability is one of {', '.join(CAPABILITIES)}.", got=f"Got {capability!r}.")
        return self.source.capabilities.get(capability, "no")

    @property
    def states_capabilities(self) -> bool:
        """Whether the source declares any capability; if not, everything is assumed to be available."""
        return self.source.is_judged or any(level != "no" for level in self.source.capabilities.values())

    def attribute(self, name: str, *, at: datetime | None = None) -> pl.DataFrame:
        """Each person's value of an attribute at a time (an as-of join over the role spells).

        Parameters
        ----------
        name
            Attribute in the roles table ("role", "department", "level", "manager", ...).
        at
            The moment; None means the last moment observed.

        Returns
        -------
        DataFrame
            ``person_id, <name>``, one row per person, null where nothing is known then.

        Raises
        ------
        SchemaError
            When no person has this attribute.

        Examples
        --------
        >>> forum = build_forum(posts=pl.DataFrame({"post_id": ["1"], "thread_id": ["1"], "author_id": ["a"]}),
        ...                     roles=pl.DataFrame({"person_id": ["a"], "attribute": ["role"], "value": ["IT"]}))
        >>> forum.attribute("role").rows()
        [('a', 'IT')]
        """
        frame = self.people.select("person_id", pl.lit(at).cast(TIME).alias("_at"))
        return join_attribute(self, frame, by=name, at="_at").drop("_at")

    def list_attributes(self) -> pl.DataFrame:
        """Attributes known, with the number of people, of values and of changes, and their basis."""
        return (
            self.roles.group_by("attribute")
            .agg(
                pl.col("person_id").n_unique().alias("n_people"),
                pl.col("value").n_unique().alias("n_values"),
                (pl.len() - pl.col("person_id").n_unique()).alias("n_changes"),
                pl.col("basis").unique().sort().str.join(", ").alias("basis"),
            )
            .sort("attribute")
        )

    def accounting(self) -> pl.DataFrame:
        """Rows read = rows used + rejected + withheld, by table; ``added`` counts placeholders made here."""
        lost = (
            self.issues.filter(pl.col("kind").is_in(["rejected", "withheld"]))
            .group_by("table", "kind")
            .agg(pl.col("n").sum())
        )
        losses = {(t, k): n for t, k, n in lost.iter_rows()}
        rows = []
        for name in TABLES:
            read = self.source.rows_read.get(name, 0)
            rejected, withheld = losses.get((name, "rejected"), 0), losses.get((name, "withheld"), 0)
            used, height = read - rejected - withheld, getattr(self, name).height
            rows.append((name, read, used, rejected, withheld, height - used))
        return pl.DataFrame(rows, schema=["table", "read", "used", "rejected", "withheld", "added"], orient="row")

    def equals(self, other: Forum) -> bool:
        """Same tables, row by row, and the same source."""
        tables = [*TABLES, "issues"]
        return self.source == other.source and all(getattr(self, name).equals(getattr(other, name)) for name in tables)

    def __repr__(self) -> str:
        authors = self.posts["author_id"].n_unique() - int(self.posts["author_id"].has_nulls())
        period = self.period
        when = f", {period[0]:%Y-%m-%d} to {period[1]:%Y-%m-%d}" if period else ""
        lost = self.issues.filter(pl.col("kind") == "rejected")["n"].sum()
        attributes = ", ".join(self.roles["attribute"].unique().sort()) or "none"
        threads = self.posts["thread_id"].n_unique()
        return (
            f"Forum ({self.source.platform}): {self.posts.height:,} posts in {threads:,} threads "
            f"by {authors:,} of {self.people.height:,} people{when}; {self.signals['n'].sum():,} signals; "
            f"attributes: {attributes}; {lost:,} rows rejected."
        )

    def _repr_html_(self) -> str:
        counts = "".join(
            f"<tr><th>{name}</th><td style='text-align:right'>{getattr(self, name).height:,}</td></tr>"
            for name in [*TABLES, "issues"]
        )
        return f"<p>{html.escape(repr(self))}</p><table>{counts}</table>"


def build_forum(
    *,
    posts: Frame | None = None,
    people: Frame | None = None,
    roles: Frame | None = None,
    mentions: Frame | None = None,
    signals: Frame | None = None,
    events: Frame | None = None,
    memberships: Frame | None = None,
    campaigns: Frame | None = None,
    source: Source | None = None,
    issues: Frame | None = None,
) -> Forum:
    """Validate tables and join them into a Forum. Nothing is dropped without a row in ``issues``.

    Parameters
    ----------
    posts, people, ...
        Tables (polars, pandas, Arrow) with the columns of `sna.schema`; missing optional columns are filled, extra
        ones refused.
    source
        Platform and capabilities. ``rows_read`` is filled from the tables where the reader did not say.
    issues
        What the reader itself could not use.

    Raises
    ------
    SchemaError
        When a required column is missing, a column is unknown, a type cannot be cast or a value is not allowed.

    Notes
    -----
    Repaired here, each with an issue: an unknown author or role holder becomes a placeholder person; a parent that
    is missing, in another thread or part of a cycle is removed, and so is a time of a year before 1900 or after 2199.
    Rejected here: a second row with the same key, a mention or signal of a post that is not there, the acceptance of
    a post that opens its thread (a question is no answer), a row with a null in a required column.

    Examples
    --------
    >>> posts = {"post_id": ["1", "2"], "thread_id": ["t", "t"], "parent_id": [None, "9"], "author_id": ["ann", "ann"]}
    >>> forum = build_forum(posts=pl.DataFrame(posts), people=pl.DataFrame({"person_id": ["ann", "eve"]}))
    >>> forum.people["person_id"].to_list()
    ['ann', 'eve']
    >>> forum.issues.select("table", "reason", "kind", "detail").rows()
    [('posts', 'parent_missing', 'repaired', 'parent 9')]
    """
    tables_given = {
        "people": people,
        "roles": roles,
        "posts": posts,
        "mentions": mentions,
        "signals": signals,
        "events": events,
        "memberships": memberships,
        "campaigns": campaigns,
    }
    given = {name: None if table is None else as_polars(table) for name, table in tables_given.items()}
    source = source or Source("tables")
    read = {name: 0 if frame is None else frame.height for name, frame in given.items()} | dict(source.rows_read)
    tables, log = admit_tables(given, None if issues is None else as_polars(issues))
    return Forum(**tables, source=replace(source, rows_read=read, capabilities=_stated(source)), issues=log)


def join_attribute(
    forum: Forum,
    frame: Frame,
    *,
    by: str = "role",
    person: str = "person_id",
    at: str | None = "created_at",
    into: str | None = None,
) -> pl.DataFrame:
    """Add to each row the person's attribute **as of that row's time** (people change roles).

    Parameters
    ----------
    forum, frame
        Roles are taken from the forum; row order of ``frame`` (polars, pandas, Arrow) is kept.
    by
        Attribute, such as "role" or "department".
    person, at
        Columns of ``frame`` with the person and the time. ``at=None`` uses the last moment observed.
    into
        Name of the new column; the attribute's name by default. Null where nothing is known then.

    Raises
    ------
    SchemaError
        When the forum has no such attribute.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> move = datetime(2024, 2, 1, tzinfo=UTC)
    >>> roles = {"person_id": ["ann"] * 2, "attribute": ["role"] * 2, "value": ["IT", "HR"],
    ...          "valid_from": [None, move], "valid_to": [move, None]}
    >>> forum = build_forum(people=pl.DataFrame({"person_id": ["ann"]}), roles=pl.DataFrame(roles))
    >>> acts = pl.DataFrame({"person_id": ["ann", "ann"], "created_at": [datetime(2024, 1, 31), datetime(2024, 2, 1)]})
    >>> join_attribute(forum, acts)["role"].to_list()
    ['IT', 'HR']
    """
    spells = forum.roles.filter(pl.col("attribute") == by).select("person_id", "valid_from", "valid_to", "value")
    if spells.is_empty():
        known = ", ".join(forum.roles["attribute"].unique().sort()) or "none"
        raise SchemaError(
            f"The forum needs the attribute {by!r} for this.",
            got=f"Attributes known: {known}.",
            hint="add people's attributes with sna.read_org(...) and sna.add_org(forum, org)",
        )
    begin = datetime.min.replace(tzinfo=UTC)
    spells = (
        spells.with_columns(pl.col("valid_from").fill_null(begin))
        .sort("person_id", "valid_from", "valid_to", "value", nulls_last=True)
        .rename({"person_id": "_person", "valid_from": "_from", "valid_to": "_to", "value": "_value"})
    )
    moment = forum.observed_until or datetime.max.replace(tzinfo=UTC)
    frame = as_polars(frame)
    rows = frame.select(
        pl.col(person).alias("_person"),
        (pl.col(at) if at is not None else pl.lit(moment)).cast(TIME).fill_null(moment).alias("_at"),
    ).with_row_index("_row")
    joined = rows.sort("_at").join_asof(
        spells.sort("_from"),
        left_on="_at",
        right_on="_from",
        by="_person",
        strategy="backward",
        check_sortedness=False,
    )
    valid = pl.col("_to").is_null() | (pl.col("_at") < pl.col("_to"))
    values = joined.sort("_row").select(pl.when(valid).then(pl.col("_value")).alias(into or by))
    return frame.with_columns(values[into or by])


def require_capabilities(forum: Forum, needs: Sequence[str], *, analysis: str, partial: bool = True) -> None:
    """Refuse an analysis the source cannot support. A source that declares nothing is assumed to have everything.

    Raises
    ------
    NotAnswerableError
        When a capability in ``needs`` is "no" (or "partial", with ``partial=False``).
    """
    if not forum.states_capabilities:
        return
    enough = ("yes", "partial") if partial else ("yes",)
    missing = [need for need in needs if forum.supports(need) not in enough]
    if missing:
        facts = "; ".join(f"{need}: {CAPABILITIES[need]}" for need in missing)
        raise NotAnswerableError(
            f"Not answerable from this source: {analysis} needs {facts}.",
            got=f"A {forum.source.platform} export does not record it.",
            hint="sna.list_capabilities(forum) shows what this source can support",
        )


def list_capabilities(forum: Forum) -> pl.DataFrame:
    """What the source can and cannot know: ``capability, level, meaning``.

    Examples
    --------
    >>> forum = build_forum(source=Source("wiki", capabilities={"threads": "yes"}))
    >>> list_capabilities(forum).filter(pl.col("level") == "yes").rows()
    [('threads', 'yes', 'which posts belong together')]
    """
    rows = [(name, forum.supports(name), meaning) for name, meaning in CAPABILITIES.items()]
    return pl.DataFrame(rows, schema=["capability", "level", "meaning"], orient="row")


def list_analyses(forum: Forum) -> pl.DataFrame:
    """Which analyses the source can support: ``analysis, answerable (yes / partial / no), because``.

    Examples
    --------
    >>> forum = build_forum(source=Source("wiki", capabilities={"threads": "yes"}))
    >>> list_analyses(forum).filter(pl.col("analysis") == "time to answer").rows()
    [('time to answer', 'no', 'exact_times: no')]
    """
    rows = []
    for analysis, needs in ANALYSES.items():
        grades = {need: _known(forum, need) for need in needs}
        worst = max(grades.values(), key=GRADES.index)
        because = "; ".join(f"{need}: {grade}" for need, grade in grades.items() if grade != "yes")
        rows.append((analysis, worst, because))
    return pl.DataFrame(rows, schema=["analysis", "answerable", "because"], orient="row")


def list_warnings(forum: Forum) -> pl.DataFrame:
    """What looks wrong in a forum, to be read before any number of it.

    Returns
    -------
    DataFrame
        ``warning, table, n, says``: a word, the table and the number of its rows concerned, and a sentence; what
        concerns most rows comes first. Empty when nothing looks wrong.

    Notes
    -----
    Warnings come from reading (`sna.read_forum` and its kind) and from `sna.add_org`; a forum made by hand has none.
    When it misleads: no warning is no proof. Only what can be seen in the rows is checked.

    Examples
    --------
    >>> list_warnings(build_forum()).height
    0
    """
    rows = forum.issues.filter(pl.col("kind") == "warning").sort("n", "reason", descending=[True, False])
    return rows.select(pl.col("reason").alias("warning"), "table", "n", pl.col("detail").alias("says"))


def list_roster(forum: Forum) -> pl.DataFrame:
    """People who could take part: humans, without placeholders that never acted. Shape (n people, columns of people).

    A name in somebody's text is no proof that its owner belongs to the forum, so it is no silent person.

    Examples
    --------
    >>> posts = pl.DataFrame({"post_id": ["1"], "thread_id": ["1"], "author_id": ["ann"]})
    >>> said = pl.DataFrame({"post_id": ["1"], "person_id": ["bob"]})
    >>> list_roster(build_forum(posts=posts, mentions=said))["person_id"].to_list()
    ['ann']
    """
    columns = [forum.posts["author_id"].alias("person_id")]
    columns += [getattr(forum, name)["person_id"] for name in ("roles", "signals", "events", "memberships")]
    acting = pl.concat([column.drop_nulls().unique() for column in columns])
    seen = ~pl.col("placeholder") | pl.col("person_id").is_in(acting.implode())
    return forum.people.filter((pl.col("kind") == "human") & seen)


def _known(forum: Forum, capability: str) -> str:
    """Level of a capability; a forum made by hand that declares none is judged by the attributes it has."""
    if capability == "org_attributes" and not forum.states_capabilities and not forum.roles.is_empty():
        return "partial"
    return forum.supports(capability)


def _stated(source: Source) -> dict[str, str]:
    stated = {name: source.capabilities.get(name, "no") for name in CAPABILITIES}
    unknown = sorted(set(source.capabilities) - set(CAPABILITIES))
    wrong = sorted(set(stated.values()) - set(GRADES))
    if unknown or wrong:
        raise SchemaError(
            f"Capabilities are {', '.join(CAPABILITIES)}, each {' / '.join(GRADES)}.",
            got=f"Got {unknown + wrong}.",
        )
    return stated
