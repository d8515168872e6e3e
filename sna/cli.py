"""The command line: `sna report | check | convert | map | lab`. Errors are sentences, never tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import lazy_loader

import sna
from sna.errors import FormatError, NotAnswerableError, ParameterError, ReadError, SchemaError, SnaError

if TYPE_CHECKING:  # help and wrong usage answer at once: nothing heavy is imported before a command needs it
    import polars as pl

    from sna.forum import Forum
else:
    pl = lazy_loader.load("polars")

EXIT_CODES: Mapping[type[SnaError], int] = {
    ParameterError: 2,
    FormatError: 4,
    ReadError: 3,
    SchemaError: 5,
    NotAnswerableError: 6,
}
"""Exit code by kind of error; 2 is wrong usage, 1 any other `SnaError`."""


class _Group(click.Group):
    """Turns every expected error into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SnaError as error:
            click.echo(f"sna: {_printable(str(error))}", err=True)
            code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)
            ctx.exit(code)
        except (KeyboardInterrupt, BrokenPipeError):
            ctx.exit(130)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("SNA_DEBUG"):
                raise
            click.echo(
                f"sna: this is a defect of sna, not of your data: {type(error).__name__}: {error}"[:500], err=True
            )
            click.echo("Hint: set SNA_DEBUG=1 to see where, and report it.", err=True)
            ctx.exit(70)


def _printable(text: str) -> str:
    """Text without terminal escapes and other control characters (user content is hostile)."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


@dataclass(frozen=True)
class Request:
    """What a command was asked to read, and how."""

    export: str | None
    example: bool
    org: str | None
    platform: str | None
    mapping: str | None
    edges: str | None
    columns: str | None
    time_format: str | None
    sheet: str | None
    org_columns: str | None
    private: bool
    yes: bool
    quiet: bool


_OPTIONS = (
    click.argument("export", required=False),
    click.option("--example", is_flag=True, help="Use the bundled synthetic forum."),
    click.option("--org", help="People's roles, departments, managers: HRIS or Viva Insights CSV, SCIM JSON."),
    click.option("--platform", help="Skip recognition and use this reader."),
    click.option("--mapping", help="Read with this mapping: a YAML file (`sna map guess`) or a preset's name."),
    click.option("--edges", help="Read a list of ties: its columns from,to,time by name, or by position: 1,2,3."),
    click.option("--columns", help="Read one table of posts: author=user,created_at=date,thread=topic,text=body ..."),
    click.option("--time-format", help="How its times are written: dmy, mdy, excel, epoch_s ... or '%d.%m.%Y %H:%M'."),
    click.option("--sheet", help="The sheet of a workbook."),
    click.option("--org-columns", help="Columns of the --org file: person_id=ID,manager=Boss,valid_from=Since ..."),
    click.option("--private", is_flag=True, help="Also read private channels and direct messages."),
    click.option("--yes", is_flag=True, help="Read an unknown table with the mapping that is guessed, without asking."),
    click.option("--quiet", is_flag=True, help="No progress bars."),
)
_BY = click.option("--by", default=None, help="Attribute of people: role (default), department, level, ...")
_JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")


def _reads_forum(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the arguments of `Request`, collected in one."""

    @wraps(command)
    def run(**given: Any) -> None:
        request = Request(**{field.name: given.pop(field.name) for field in fields(Request)})
        command(request=request, **given)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


@click.group(cls=_Group)
@click.version_option(package_name="sna-toolkit", prog_name="sna")
def main() -> None:
    """Interaction graphs, champions and cross-role conversations from internal-forum exports."""


@main.command()
@_reads_forum
@_BY
@click.option("--out", default="report", show_default=True, help="Folder for report.html.")
@click.option("--names", is_flag=True, help="Show people's names (default: pseudonyms).")
@click.option("--min-group", default=10, show_default=True, help="Suppress groups of fewer people (at least 5).")
@click.option("--since", default=None, help="Report on what happened from this date on (2024-01-31).")
@click.option("--until", default=None, help="Report on what happened before this date.")
@click.option("--split-at", default=None, help="Date or campaign that parts before from after; searched by default.")
def report(*, request: Request, out: str, **options: Any) -> None:
    """Read EXPORT and write one self-contained HTML report."""
    forum = _load(request)
    path = sna.write_report(forum, out, options=sna.ReportOptions(**options, progress=not request.quiet))
    click.echo(_printable(repr(forum)))
    click.echo(f"Report: {path.resolve()}")


@main.command()
@_reads_forum
@_JSON
def check(*, request: Request, as_json: bool) -> None:
    """Say what EXPORT is, which rows were used or not and why, and which analyses it can support."""
    forum = _load(replace(request, quiet=request.quiet or as_json))
    facts = describe(forum, reason=_reason(request))
    click.echo(json.dumps(facts, indent=1, ensure_ascii=True) if as_json else _printable(_in_words(facts)))


def _reason(request: Request) -> str:
    """Why the export was read as it was."""
    if request.platform or request.mapping or request.edges or request.columns:
        return "it was said so on the command line"
    if not request.export or _is_database(request.export):
        return ""
    try:
        return sna.recognise(request.export).reason
    except FormatError:
        return "no reader knows it; its columns were guessed"


@main.command()
@_reads_forum
@click.argument("out")
def convert(*, request: Request, out: str) -> None:
    """Write EXPORT as the canonical Parquet folder OUT, which every command reads back fast."""
    forum = _load(request)
    path = sna.write_forum(forum, out)
    click.echo(_printable(repr(forum)))
    click.echo(f"Tables: {path.resolve()}")


@main.command()
@_reads_forum
@_BY
@click.option("--top", default=20, show_default=True, help="How many people to list.")
@_JSON
def champions(*, request: Request, by: str | None, top: int, as_json: bool) -> None:
    """List who helps: champions, then steady helpers, then others, in the validated order (ids, not names)."""
    forum = _load(request)
    table = sna.find_champions(forum, by=by or "role").filter(pl.col("n_helps") > 0).head(top)
    shown = table if as_json else table.drop("verdict")
    _show(shown.select(name for name in _CHAMPION_COLUMNS if name in shown.columns), as_json=as_json)


_CHAMPION_COLUMNS = (
    "person_id",
    "group",
    "standing",
    "selected",
    "n_helps",
    "n_people_helped",
    "n_weeks_active",
    "last_seen",
    "expected_helps",
    "contribution",
    "contribution_low",
    "contribution_high",
    "chance_next_quarter",
    "caution",
    "verdict",
)


@main.command()
@_reads_forum
@_BY
@click.option("--split-at", default=None, help="Date or campaign that parts before from after; searched by default.")
@click.option("--draws", default=999, show_default=True, help="Monte-Carlo draws.")
@click.option("--seed", default=0, show_default=True, help="Seed of the draws.")
@_JSON
def across(*, request: Request, by: str | None, split_at: str | None, draws: int, seed: int, as_json: bool) -> None:
    """Say whether talk across roles has changed, and whether it is more or less than expected."""
    summary = sna.cross_role_summary(_load(request), by=by or "role", split_at=split_at, draws=draws, rng=seed)
    if as_json:
        click.echo(json.dumps(summary.to_dict(), indent=1, default=str))
        return
    click.echo(_printable(summary.sentence()))
    columns = ("from_group", "to_group", "observed", "expected", "ratio", "p_adjusted")
    _show(summary.matrix.filter(pl.col("p_value").is_not_null()).select(columns), as_json=False)


def _shown_p(name: str) -> pl.Expr:
    """A column of p-values as text; a small one is never shown as zero."""
    p = pl.col(name)
    return pl.when(p < 0.001).then(pl.lit("< 0.001")).otherwise(p.round(3).cast(pl.String)).alias(name)


def _show(table: pl.DataFrame, *, as_json: bool) -> None:
    """A table for a person or for a script."""
    if as_json:
        click.echo(json.dumps(table.to_dicts(), indent=1, default=str))
        return
    floats = [name for name, kind in table.schema.items() if kind.is_float()]
    rounded = table.with_columns(_shown_p(name) if name.startswith("p_") else pl.col(name).round(2) for name in floats)
    with pl.Config(
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_formatting="ASCII_MARKDOWN",
        tbl_rows=-1,
        tbl_cols=-1,
        fmt_str_lengths=100,
        tbl_width_chars=240,
    ):
        click.echo(_printable(str(rounded)))


@main.command()
@click.argument("folder", default="notebooks")
def lab(folder: str) -> None:
    """Open JupyterLab on FOLDER."""
    if not Path(folder).is_dir():
        raise ReadError(f"{folder} must be a folder of notebooks.", got="There is none.", hint="sna lab <folder>")
    sys.exit(subprocess.run([sys.executable, "-m", "jupyterlab", folder], check=False).returncode)


@main.group("map")
def mapping() -> None:
    """Read any table: guess a mapping for it, check one, use one."""


@mapping.command("guess")
@click.argument("file")
def map_guess(file: str) -> None:
    """Propose a mapping for FILE (YAML) and say why."""
    click.echo(_printable(str(sna.guess_mapping(file))))


@mapping.command("check")
@click.argument("mapping_file")
def map_check(mapping_file: str) -> None:
    """Say whether MAPPING_FILE (or a preset's name) is a valid mapping; `convert --mapping` uses it."""
    sna.validate_mapping(mapping_file)
    click.echo(f"{_printable(mapping_file)} is a valid mapping.")


def _load(request: Request) -> Forum:
    if bool(request.export) == request.example:
        raise click.UsageError("Give an EXPORT (a folder, file or archive), or --example for the bundled forum.")
    org = sna.read_org(request.org, **_org_columns(request.org_columns)) if request.org else None
    forum = sna.load_example() if request.example else _read(str(request.export), request)
    return forum if org is None else sna.add_org(forum, org)


def _org_columns(text: str | None) -> dict[str, Any]:
    """Columns of the keys `sna.read_org` knows; any other word is an attribute, and only those are read then."""
    pairs = _pairs(text, "--org-columns")
    keys = set(sna.people.org_columns.KEYS)
    attributes = {name: column for name, column in pairs.items() if name not in keys}
    return {"columns": {k: v for k, v in pairs.items() if k in keys}, "attributes": attributes or None}


def _pairs(text: str | None, option: str) -> dict[str, str]:
    """``a=b,c=d`` as a mapping; a column whose name holds a comma or an equals sign needs Python."""
    pairs = [part.partition("=") for part in text.split(",")] if text else []
    if any(not key.strip() or not value.strip() for key, _, value in pairs):
        raise click.UsageError(f"{option} is written field=column,field=column; got {text!r}.")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _read(export: str, request: Request) -> Forum:
    how: dict[str, Any] = {"time_format": request.time_format, "sheet": request.sheet}
    if request.edges:
        return sna.read_edges(export, **_ends(request.edges), **how)
    if request.columns:
        columns = _pairs(request.columns, "--columns")
        return sna.read_table(export, columns=columns, include_private=request.private, **how)
    if request.mapping:
        return sna.read_mapped(export, request.mapping, include_private=request.private)
    if _is_database(export):
        return sna.read_discourse_database(export, include_private=request.private, progress=not request.quiet)
    try:
        return sna.read_forum(
            export, platform=request.platform, include_private=request.private, progress=not request.quiet
        )
    except FormatError as error:
        if request.platform:
            raise
        return _read_guessed(export, request, error)


def _ends(text: str) -> dict[str, Any]:
    """Columns of a list of ties by name, or by position from 1."""
    names = [name.strip() for name in text.split(",")]
    if len(names) < 2 or not all(names):
        raise click.UsageError("--edges names the columns for from and to, and time if there is one: 'from,to,time'.")
    by_position = all(name.isdecimal() for name in names)
    ends: list[Any] = [int(name) - 1 for name in names] if by_position else list(names)
    return dict(zip(("source", "target", "at", "space"), ends, strict=False))


def _read_guessed(export: str, request: Request, error: FormatError) -> Forum:
    """Read an export no reader knows with a guessed mapping: shown, and used when somebody agrees."""
    try:
        guess = sna.guess_mapping(export)
    except SnaError:
        raise error from None
    click.echo(_printable(str(guess)), err=True)
    save = f"sna map guess {export} > mapping.yaml, correct it, and read with --mapping mapping.yaml; "
    save += "a list of ties is read with --edges 1,2,3 (from, to, time)"
    if guess.missing:
        raise SchemaError(f"{export} cannot be read without help.", got="; ".join(guess.missing) + ".", hint=save)
    asked = not request.yes and sys.stdin.isatty()
    if not request.yes and not (asked and click.confirm("Read it with this mapping?", err=True)):
        need = f"{export} is a table no reader knows; it is read when you agree to the guess above."
        raise FormatError(need, hint=f"--yes if every line is right; else {save}")
    return sna.read_mapped(export, guess.mapping, include_private=request.private)


def _is_database(export: str) -> bool:
    return export.startswith(("postgresql://", "postgresql+psycopg://"))


def describe(forum: Forum, *, reason: str = "") -> dict[str, Any]:
    """Facts about a forum that was read: counts per table, issues by reason, capabilities, analyses.

    Returns
    -------
    dict
        JSON-ready: ``platform, reason, warnings, period, tables, issues, capabilities, analyses``.
    """
    period = forum.period
    noted = forum.issues.filter(pl.col("kind") != "warning")
    issues = noted.group_by("table", "kind", "reason").agg(pl.col("n").sum()).sort("table", "kind", "reason")
    return {
        "platform": forum.source.platform,
        "reason": reason,
        "warnings": sna.list_warnings(forum).to_dicts(),
        "period": [moment.isoformat() for moment in period] if period else None,
        "tables": {row.pop("table"): row for row in forum.accounting().to_dicts()},
        "issues": issues.to_dicts(),
        "capabilities": dict(sna.list_capabilities(forum).select("capability", "level").rows()),
        "analyses": sna.list_analyses(forum).to_dicts(),
    }


def _in_words(facts: Mapping[str, Any]) -> str:
    lines = [f"Recognised: {facts['platform']}" + (f", because {facts['reason']}" if facts["reason"] else "")]
    lines += [f"WARNING: {warning['says']}" for warning in facts["warnings"]]
    if facts["period"]:
        lines.append(f"Period: {facts['period'][0][:10]} to {facts['period'][1][:10]}")
    lines += ["", f"{'table':<12} {'read':>10} {'used':>10} {'rejected':>9} {'withheld':>9} {'added':>7}"]
    for table, row in facts["tables"].items():
        cells = (row["read"], row["used"], row["rejected"], row["withheld"], row["added"])
        lines.append("{:<12} {:>10,} {:>10,} {:>9,} {:>9,} {:>7,}".format(table, *cells))
    lines += ["", "Rows not used or repaired, by reason:"]
    lines += [f"  {i['table']}: {i['n']:,} {i['kind']}, {i['reason']}" for i in facts["issues"]] or ["  none"]
    lines += ["", "What this source can support:"]
    for analysis in facts["analyses"]:
        lines.append(f"  [{analysis['answerable']:<7}] {analysis['analysis']}" + _because(analysis["because"]))
    return "\n".join(lines)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
