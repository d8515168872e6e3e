"""Imports point one way, functions stay small, and public names follow the rules of CONTRIBUTING.md."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = [
    "errors",
    "results",
    "schema",
    "forum",
    "readers",
    "datasets",
    "simulate",
    "privacy",
    "interactions",
    "threads",
    "activity",
    "network",
    "nulls",
    "inference",
    "shrinkage",
    "ranks",
    "survival",
    "centrality",
    "brokerage",
    "mixing",
    "homophily",
    "hierarchy",
    "novelty",
    "helping",
    "expertise",
    "facets",
    "champions",
    "evidence",
    "validation",
    "momentum",
    "answers",
    "resilience",
    "text",
    "effects",
    "hypotheses",
    "digest",
    "plot",
    "sections",
    "report",
    "cli",
]
FILES = sorted((ROOT / "sna").rglob("*.py"))
MODULES = [path for path in FILES if path.name != "__init__.py" or path.parent.name == "readers"]


def room(path: Path) -> str:
    """The module of ORDER a file belongs to."""
    return path.relative_to(ROOT / "sna").parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "sna" else [f"sna.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("sna.")}
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_only_up_the_list(path):
    here = "cli" if path.name == "__main__.py" else room(path).removeprefix("_")
    assert here in ORDER, f"{here} is not a room of the house; see ARCHITECTURE.md"
    wrong = {name for name in imported_rooms(path) if ORDER.index(name.removeprefix("_")) > ORDER.index(here)}
    assert not wrong, f"{here} may not import {sorted(wrong)}"


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
            yield node, node.end_lineno - node.lineno + 1 - doc


def test_functions_stay_within_the_budget():
    sizes = sorted(size for path in FILES for _, size in functions(path))
    assert sizes[len(sizes) // 2] <= 10
    assert sizes[int(0.9 * len(sizes))] <= 28
    assert sizes[-1] <= 60


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_stay_within_700_lines(path):
    assert path.read_text(encoding="utf-8").count("\n") <= 700


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_functions_take_at_most_two_positional_arguments(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            names = [arg.arg for arg in node.args.args]
            optional = len(node.args.defaults)
            assert len(names) - optional <= 3, f"{node.name}{names}: make the rest keyword-only"
            assert node.name != path.stem, f"{node.name} is named like its module"
            assert not node.name.startswith("test_"), node.name


def test_nothing_in_the_library_prints_or_uses_global_random_state():
    for path in FILES:
        source = path.read_text(encoding="utf-8")
        assert "np.random.seed" not in source, path
        assert "import random\n" not in source, path


def test_every_public_name_is_documented():
    import sna

    for name in sna.__all__:
        assert (getattr(sna, name).__doc__ or "").strip(), name


def test_every_room_is_on_the_map():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {room(path) for path in MODULES if path.name != "__main__.py"}
    assert {name for name in rooms if f"`{name}" not in text} == set()
    assert {name.strip("_") for name in rooms} <= set(ORDER)
