"""The command line: `sna report | check | convert | map | lab`. Errors are sentences, never tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import polars as pl

import sna
from sna.errors import FormatError, NotAnswerableError, ReadError, SchemaError, SnaError
from sna.forum import Forum, list_analyses, list_capabilities
from sna.report import ReportOptions, write_report

EXIT_CODES: Mapping[type[SnaError], int] = {FormatError: 4, ReadError: 3, SchemaError: 5, NotAnswerableError: 6}
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


def _printable(text: str) -> str:
    """Text without terminal escapes and other control characters (user content is hostile)."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


_EXPORT = click.argument("export", required=False)
_ORG = click.option("--org", help="People's roles, departments, managers: HRIS or Viva Insights CSV, SCIM JSON.")
_PLATFORM = click.option("--platform", help="Skip recognition and use this reader.")
_PRIVATE = click.option("--private", is_flag=True, help="Also read private channels and direct messages.")
_QUIET = click.option("--quiet", is_flag=True, help="No progress bars.")


@click.group(cls=_Group)
@click.version_option(package_name="sna-toolkit", prog_name="sna")
def main() -> None:
    """Interaction graphs, champions and cross-role conversations from internal-forum exports."""


@main.command()
@_EXPORT
@click.option("--example", is_flag=True, help="Report on the bundled synthetic forum.")
@_ORG
@click.option("--out", default="report", show_default=True, help="Folder for report.html.")
@click.option("--by", default=None, help="Attribute for cross-role conversations; role if known.")
@click.option("--names", is_flag=True, help="Show people's names (default: pseudonyms).")
@click.option("--min-group", default=10, show_default=True, help="Suppress groups of fewer people (at least 5).")
@_PLATFORM
@_PRIVATE
@_QUIET
def report(
    *,
    export: str | None,
    example: bool,
    org: str | None,
    out: str,
    by: str | None,
    names: bool,
    min_group: int,
    platform: str | None,
    private: bool,
    quiet: bool,
) -> None:
    """Read EXPORT and write one self-contained HTML report."""
    forum = _load(export, example=example, org=org, platform=platform, private=private, quiet=quiet)
    options = ReportOptions(by=by, names=names, min_group=min_group, progress=not quiet)
    path = write_report(forum, out, options=options)
    click.echo(_printable(repr(forum)))
    click.echo(f"Report: {path.resolve()}")


@main.command()
@_EXPORT
@click.option("--example", is_flag=True, help="Check the bundled synthetic forum.")
@_ORG
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@_PLATFORM
@_PRIVATE
@_QUIET
def check(
    *,
    export: str | None,
    example: bool,
    org: str | None,
    as_json: bool,
    platform: str | None,
    private: bool,
    quiet: bool,
) -> None:
    """Say what EXPORT is, which rows were used or not and why, and which analyses it can support."""
    reason = "named with --platform" if platform else ""
    if export and not platform:
        reason = sna.recognise(export).reason
    forum = _load(export, example=example, org=org, platform=platform, private=private, quiet=quiet or as_json)
    facts = describe(forum, reason=reason)
    click.echo(json.dumps(facts, indent=1, ensure_ascii=True) if as_json else _printable(_in_words(facts)))


@main.command()
@click.argument("export")
@click.argument("out")
@_ORG
@_PLATFORM
@_PRIVATE
@_QUIET
def convert(*, export: str, out: str, org: str | None, platform: str | None, private: bool, quiet: bool) -> None:
    """Write EXPORT as the canonical Parquet folder OUT, which every command reads back fast."""
    forum = _load(export, example=False, org=org, platform=platform, private=private, quiet=quiet)
    path = sna.write_forum(forum, out)
    click.echo(_printable(repr(forum)))
    click.echo(f"Tables: {path.resolve()}")


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


@mapping.command("run")
@click.argument("export")
@click.argument("mapping_file")
@click.argument("out")
@_PRIVATE
def map_run(*, export: str, mapping_file: str, out: str, private: bool) -> None:
    """Read EXPORT with MAPPING_FILE (or a preset's name) and write the canonical folder OUT."""
    forum = sna.read_mapped(export, mapping_file, include_private=private)
    click.echo(_printable(repr(forum)))
    click.echo(f"Tables: {sna.write_forum(forum, out).resolve()}")


def _load(
    export: str | None, *, example: bool, org: str | None, platform: str | None, private: bool, quiet: bool
) -> Forum:
    if bool(export) == example:
        raise click.UsageError("Give an EXPORT (a folder, file or archive), or --example for the bundled forum.")
    if example:
        forum = sna.load_example()
    elif str(export).startswith(("postgresql://", "postgresql+psycopg://")):
        forum = sna.read_discourse_database(str(export), include_private=private, progress=not quiet)
    else:
        forum = sna.read_forum(str(export), platform=platform, include_private=private, progress=not quiet)
    return sna.add_org(forum, sna.read_org(org)) if org else forum


def describe(forum: Forum, *, reason: str = "") -> dict[str, Any]:
    """Facts about a forum that was read: counts per table, issues by reason, capabilities, analyses.

    Returns
    -------
    dict
        JSON-ready: ``platform, reason, period, tables, issues, capabilities, analyses``.
    """
    period = forum.period
    issues = forum.issues.group_by("table", "kind", "reason").agg(pl.col("n").sum()).sort("table", "kind", "reason")
    return {
        "platform": forum.source.platform,
        "reason": reason,
        "period": [moment.isoformat() for moment in period] if period else None,
        "tables": {row.pop("table"): row for row in forum.accounting().to_dicts()},
        "issues": issues.to_dicts(),
        "capabilities": dict(list_capabilities(forum).select("capability", "level").rows()),
        "analyses": list_analyses(forum).to_dicts(),
    }


def _in_words(facts: Mapping[str, Any]) -> str:
    lines = [f"Recognised: {facts['platform']}" + (f", because {facts['reason']}" if facts["reason"] else "")]
    if facts["period"]:
        lines.append(f"Period: {facts['period'][0][:10]} to {facts['period'][1][:10]}")
    lines += ["", f"{'table':<12} {'read':>10} {'used':>10} {'rejected':>9} {'withheld':>9} {'added':>7}"]
    for table, row in facts["tables"].items():
        cells = (row["read"], row["used"], row["rejected"], row["withheld"], row["added"])
        lines.append("{:<12} {:>10,} {:>10,} {:>9,} {:>9,} {:>7,}".format(table, *cells))
    lines += ["", "Rows not used or mended, by reason:"]
    lines += [f"  {i['table']}: {i['n']:,} {i['kind']}, {i['reason']}" for i in facts["issues"]] or ["  none"]
    lines += ["", "What this source can support:"]
    for analysis in facts["analyses"]:
        lines.append(f"  [{analysis['answerable']:<7}] {analysis['analysis']}" + _because(analysis["because"]))
    return "\n".join(lines)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
