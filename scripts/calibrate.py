"""Run the long calibrations and write docs/calibration.md from their results; ``--render`` only writes the page."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PARTS = {
    "mixing": "Do people talk across roles? False alarms where nobody minds roles, and power where people do",
    "champions": "Are planted champions found, and how many of the names are wrong?",
    "questions": "Is a thread a question? Labelled text of real forums",
    "vitality": "Has activity changed, do people wait longer? False alarms, coverage and power",
}
INTRO = """# Calibration: what the methods do where the truth is known

Written by `make calibrate` from `docs/*/calibration.json`; do not edit. The forums are synthetic (`sna.make_forum`):
roles may or may not matter, champions are planted or not, channels and chances may be recorded wrongly. A test at the
5 % level should reject about 5 % of the forums without an effect. Methods known to be wrong are run as well and should
fail: that guards against a simulator that is too kind.
"""


def render(value: Mapping[str, Any], *, depth: int = 3) -> list[str]:
    """A nested result as headings, lists of figures and, where the rows are alike, one table."""
    lines = [f"- {words(name)}: {figure(item)}" for name, item in value.items() if not isinstance(item, Mapping)]
    groups = {name: item for name, item in value.items() if isinstance(item, Mapping)}
    if len(groups) > 1 and all(is_flat(item) for item in groups.values()):
        return [*lines, "", *table(groups), ""]
    for name, item in groups.items():
        lines += ["", f"{'#' * depth} {words(name)}", "", *render(item, depth=depth + 1)]
    return lines


def is_flat(value: Mapping[str, Any]) -> bool:
    """Only figures inside."""
    return not any(isinstance(item, Mapping | list) for item in value.values())


def table(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A Markdown table; designs become columns when there are more figures than designs."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    if len(names) > len(rows):
        rows = {name: {design: row.get(name) for design, row in rows.items()} for name in names}
        names = list(dict.fromkeys(name for row in rows.values() for name in row))
    head = ["| | " + " | ".join(map(words, names)) + " |", "|---" * (len(names) + 1) + "|"]
    return head + [
        f"| {words(label)} | " + " | ".join(figure(row.get(name)) for name in names) + " |"
        for label, row in rows.items()
    ]


def words(name: str) -> str:
    """A key as words."""
    return name.replace("_", " ")


def figure(value: object) -> str:
    """A number to three digits."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(figure, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    if "--render" not in sys.argv:
        for part in PARTS:
            subprocess.run([sys.executable, str(Path(__file__).with_name(f"calibrate_{part}.py"))], check=True)
    page = [INTRO]
    for part, title in PARTS.items():
        recorded = DOCS / part / "calibration.json"
        if not recorded.exists():
            continue
        result = json.loads(recorded.read_text(encoding="utf-8"))
        page += [f"## {title}", "", *render(result), ""]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(page)).strip() + "\n"
    (DOCS / "calibration.md").write_text(text, encoding="utf-8")
