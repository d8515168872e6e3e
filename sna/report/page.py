"""One self-contained HTML page that a manager reads in two minutes; every question has a file of its own beside this.

What may not be shown is taken out before anything is asked (`build_context`): names become pseudonyms unless asked
for, small groups are pooled. The template escapes everything that comes from the export.
"""

from __future__ import annotations

from importlib import metadata, resources
from pathlib import Path

import jinja2
from tqdm import tqdm

from sna.errors import NotAnswerableError
from sna.formats.files import write_whole
from sna.forum import Forum, list_warnings
from sna.people.privacy import clean_label
from sna.report import across, champions, methods, momentum, source, stories, waiting
from sna.report.context import Context, Question, ReportOptions, build_context
from sna.report.layout import Section
from sna.results import format_day

QUESTIONS: tuple[Question, ...] = (
    source.QUESTION,
    champions.QUESTION,
    stories.QUESTION,
    across.QUESTION,
    momentum.QUESTION,
    waiting.QUESTION,
    methods.QUESTION,
)
"""The questions of the report, in the order of the page."""
_LONGEST_WARNING = 400


def write_report(forum: Forum, folder: str | Path, *, options: ReportOptions | None = None) -> Path:
    """Write ``report.html`` into a folder.

    Parameters
    ----------
    forum
        What to report on.
    folder
        Made when it is not there.
    options
        Names, group size, attribute, window; `ReportOptions()` by default.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ParameterError
        For a group size under 5.
    ReadError
        When the folder cannot be written. A report that was there before is then still whole.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sna.simulate import make_forum
    >>> forum = make_forum(n_people=60, n_threads=40, rng=1).forum
    >>> with TemporaryDirectory() as folder:
    ...     path = write_report(forum, folder, options=ReportOptions(names=True))
    ...     path.name, path.is_file()
    ('report.html', True)
    """
    return write_whole(Path(folder) / "report.html", render_report(forum, options=options).encode())


def render_report(forum: Forum, *, options: ReportOptions | None = None) -> str:
    """The report as one HTML page that needs no network.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> forum = make_forum(n_people=60, n_threads=40, rng=1).forum
    >>> page = render_report(forum)
    >>> page.startswith("<!doctype html>"), "<script" in page, forum.people["name"][0] in page
    (True, False, False)
    """
    options = options or ReportOptions()
    context = build_context(forum, options)
    asked = tqdm(QUESTIONS, desc="report", disable=not options.progress, leave=False)
    sections = [(question, ask(question, context)) for question in asked]
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(
        resources.files("sna").joinpath("report/templates/report.html.j2").read_text(encoding="utf-8")
    )
    return template.render(
        title="What is going on in the forum?",
        subtitle=_subtitle(forum, options),
        version=metadata.version("sna-toolkit"),
        warnings=[clean_label(says, max_length=_LONGEST_WARNING) for says in list_warnings(context.forum)["says"]],
        headlines=[line for _, section in sections for line in section.headlines],
        sections=sections,
    )


def ask(question: Question, context: Context) -> Section:
    """The answer to a question; what the source cannot support is said, not left out."""
    try:
        return question.answer(context)
    except NotAnswerableError as error:
        return Section(refused=" ".join(part for part in (error.need, error.got) if part))


def _subtitle(forum: Forum, options: ReportOptions) -> str:
    period = forum.period
    when = f"{format_day(period[0])} to {format_day(period[1])}" if period else "no dated posts"
    cut = "".join(f", {word} {at}" for word, at in (("from", options.since), ("before", options.until)) if at)
    return f"{forum.source.platform}, {when}; {forum.posts.height:,} posts, {forum.people.height:,} accounts{cut}"
