"""One self-contained HTML page a manager reads in two minutes: what this is, who, across roles, momentum, methods.

The questions are in `sna.report.sections`; here they are asked, and what may not be shown is taken out first: names
become pseudonyms unless asked for, small groups go, and everything from the export is escaped.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata, resources
from pathlib import Path

import jinja2
import polars as pl
from tqdm import tqdm

from sna.errors import NotAnswerableError, ParameterError, ReadError
from sna.forum import Forum
from sna.people.privacy import clean_label, pseudonymise
from sna.report.sections import POOLED, SECTIONS, TITLES, Context, ReportOptions, Section
from sna.talk.threads import MISSING

_GROUP_FLOOR = 5


def write_report(forum: Forum, folder: str | Path, *, options: ReportOptions | None = None) -> Path:
    """Write ``report.html`` into a folder.

    Parameters
    ----------
    forum
        What to report on.
    folder
        Made when it is not there.
    options
        Names, group size, attribute; `ReportOptions()` by default.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ParameterError
        For a group size under 5.
    ReadError
        When the folder cannot be written.
    """
    target = Path(folder) / "report.html"
    page = render_report(forum, options=options)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ReadError(f"The folder {folder} must be writable.", got=f"{error.strerror}.", hint="--out") from error
    return target


def render_report(forum: Forum, *, options: ReportOptions | None = None) -> str:
    """The report as one HTML page that needs no network."""
    options = options or ReportOptions()
    if options.min_group < _GROUP_FLOOR:
        raise ParameterError(f"min_group is at least {_GROUP_FLOOR}.", got=f"Got {options.min_group}.")
    context = _context(forum, options)
    sections = [
        _run(build, context) for build in tqdm(SECTIONS, desc="report", disable=not options.progress, leave=False)
    ]
    period = forum.period
    when = f"{period[0]:%d %B %Y} to {period[1]:%d %B %Y}" if period else "no dated posts"
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(
        resources.files("sna").joinpath("report/templates/report.html.j2").read_text(encoding="utf-8")
    )
    return template.render(
        title="What is going on in the forum?",
        subtitle=f"{forum.source.platform}, {when}; {forum.posts.height:,} posts, {forum.people.height:,} accounts",
        version=metadata.version("sna-toolkit"),
        headlines=[section.headline for section in sections if section.headline],
        sections=sections,
    )


def _context(forum: Forum, options: ReportOptions) -> Context:
    by = options.by or next((name for name in _GROUPINGS if _has(forum, name)), None)
    if by is not None and not _has(forum, by):
        known = ", ".join(forum.roles["attribute"].unique().sort()) or "none"
        raise ParameterError(f"--by needs an attribute of people, such as {known}.", got=f"Got {by!r}.")
    if options.names:
        labels = {p: clean_label(name or p) for p, name in forum.people.select("person_id", "name").iter_rows()}
    else:
        forum = pseudonymise(forum, key=options.key or secrets.token_bytes(32))
        labels = _short_labels(forum.people["person_id"].to_list())
    if by is None:
        return Context(forum, options, None, labels)
    forum = _pool_small_groups(forum, by, options.min_group)
    groups = frozenset(_large_groups(forum, by, options.min_group))
    return Context(forum, options, by, labels, groups)


def _short_labels(pseudonyms: list[str]) -> dict[str, str]:
    """The shortest ends of pseudonyms, at least four characters, that still tell everybody apart."""
    longest = max((len(name) for name in pseudonyms), default=4)
    for size in range(4, longest):
        if len({name[-size:] for name in pseudonyms}) == len(pseudonyms):
            return {name: f"Person {name[-size:]}" for name in pseudonyms}
    return {}


def _pool_small_groups(forum: Forum, by: str, min_group: int) -> Forum:
    """Groups that are too small to be shown become one, so that no sentence or table can name them."""
    kept = _large_groups(forum, by, min_group)
    small = (pl.col("attribute") == by) & ~pl.col("value").is_in(kept)
    value = pl.when(small).then(pl.lit(POOLED)).otherwise(pl.col("value"))
    return replace(forum, roles=forum.roles.with_columns(value=value))


def _large_groups(forum: Forum, by: str, min_group: int) -> list[str]:
    """Groups that held at least ``min_group`` humans at some time; "(missing)" when as many have no group at all."""
    humans = forum.people.filter(pl.col("kind") == "human").select("person_id")
    spells = forum.roles.filter(pl.col("attribute") == by).join(humans, on="person_id", how="semi")
    sizes = spells.group_by("value").agg(pl.col("person_id").n_unique().alias("n")).filter(pl.col("n") >= min_group)
    without = humans.join(spells, on="person_id", how="anti").height
    return [*sizes["value"], *([MISSING] if without >= min_group else [])]


_GROUPINGS = ("role", "department", "level", "job_title", "platform_role")


def _has(forum: Forum, attribute: str) -> bool:
    return attribute in forum.roles["attribute"].to_list()


def _run(build: Callable[[Context], Section], context: Context) -> Section:
    """Build a section; what the source cannot support is said, not left out."""
    try:
        return build(context)
    except NotAnswerableError as error:
        name = build.__name__.removeprefix("_section_")
        return Section(name, TITLES[name], refused=str(error))
