"""``python -m tests.conformance``: run every implementation that is installed and write docs/conformance.md."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.conformance.adapters import ADAPTERS, NotOfferedError, find_version
from tests.conformance.cases import CASES, INVARIANCES, Case, same

PASS, FAIL, NOT_OFFERED = "pass", "differs", "not offered"
TARGET = Path(__file__).parents[2] / "docs" / "conformance.md"
INTRODUCTION = """# Conformance: what a tool for interaction networks should get right

Small inputs with answers worked out on paper, and changes of the input that must not change the answer. Written by
`make conformance`; the cases are in `tests/conformance/cases.py`, the calls in `tests/conformance/adapters.py`.

*pass*: the expected answer. *differs*: another answer, or an error; see the notes below the table. *not offered*: the
tool has no such function. A difference is not always a defect: it may be what the tool documents and another convention
than ours. Each tool is called through its documented entry point for a table of edges and a table of people.
"""
_SHARED = "where the largest singular value is shared by several components, it is one vector of many."
KNOWN = {
    ("networkx", "split"): "A `DiGraph` keeps the last of several rows for one pair, as documented; sum rows first.",
    ("networkx", "distance"): "`weight` is a length in networkx, as documented; pass 1/weight for tie strengths.",
    ("networkx", "self"): "Ties to oneself are kept and count in strength, as documented.",
    ("networkx", "components"): f"The singular vector comes from a random start; {_SHARED}",
    ("igraph", "split"): "Several rows for one pair stay several parallel edges, as documented; call `simplify` first.",
    ("igraph", "distance"): "`weights` are lengths in igraph, as documented; pass 1/weight for tie strengths.",
    ("igraph", "self"): "Ties to oneself are kept and count in strength, as documented.",
    ("igraph", "components"): f"An eigenvector of the leading eigenvalue; {_SHARED}",
    ("vivainsights", "distance"): "Its centralities do not use the weights.",
    ("vivainsights", "split"): "Several rows for one pair stay several parallel edges.",
    ("vivainsights", "position"): "Attributes are attached in the order of origins, then destinations, while the"
    " vertices are numbered in the order in which the ties meet them.",
}


def judge(case: Case, adapter: Any) -> tuple[str, str]:
    """Verdict and, where the answer differs, what was found."""
    if not hasattr(adapter, case.needs):
        return NOT_OFFERED, ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, expected = case.run(adapter)
    except NotOfferedError:
        return NOT_OFFERED, ""
    except Exception as error:
        return FAIL, f"{type(error).__name__}: {str(error).rstrip('.')}"
    return (PASS, "") if same(found, expected) else (FAIL, f"found {_show(found)}, expected {_show(expected)}")


def write_table(path: Path, *, cases: Sequence[Case], adapters: Iterable[type]) -> Path:
    """Run everything and write the table."""
    present = [(adapter, find_version(adapter)) for adapter in adapters]
    results = {(case.name, adapter.name): judge(case, adapter()) for case in cases for adapter, v in present if v}
    used = [(adapter, version) for adapter, version in present if version]
    lines = [INTRODUCTION, "| case | " + " | ".join(f"{a.name} {v}" for a, v in used) + " |"]
    lines.append("|---" * (len(used) + 1) + "|")
    lines += [f"| {case.name} | " + " | ".join(results[case.name, a.name][0] for a, _ in used) + " |" for case in cases]
    lines += ["", *_totals(cases, results, used), *_notes(cases, results, used)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _show(values: Any) -> str:
    def one(value: Any) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    parts = (f"{'->'.join(k) if isinstance(k, tuple) else k}: {one(v)}" for k, v in sorted(values.items()))
    return "{" + ", ".join(parts) + "}"


def _totals(cases: Sequence[Case], results: Any, used: Any) -> Iterable[str]:
    for adapter, _ in used:
        verdicts = [results[case.name, adapter.name][0] for case in cases]
        offered = len(cases) - verdicts.count(NOT_OFFERED)
        yield f"- {adapter.name}: passes {verdicts.count(PASS)} of the {offered} it offers an answer to"


def _notes(cases: Sequence[Case], results: Any, used: Any) -> Iterable[str]:
    yield "\n## Where answers differ, with the smallest input"
    for adapter, _ in used:
        for case in cases:
            verdict, detail = results[case.name, adapter.name]
            if verdict == FAIL:
                note = _known(adapter.name, case)
                yield f"- **{adapter.name}, {case.name}**. Input: {case.smallest}. {detail}.{note}"


def _known(name: str, case: Case) -> str:
    topics = {
        "split": "split" in case.name or "repeated" in case.name,
        "self": "oneself" in case.name,
        "distance": case.needs == "weighted_betweenness",
        "components": "components" in case.name,
        "position": case.needs == "attributes",
    }
    topic = next((topic for topic, applies in topics.items() if applies), "")
    return " " + KNOWN[name, topic] if (name, topic) in KNOWN else ""


if __name__ == "__main__":
    sys.stdout.write(
        f"{write_table(TARGET, cases=CASES, adapters=ADAPTERS.values())}: {len(CASES)} cases, of which "
        f"{len(INVARIANCES)} invariances.\n"
    )
