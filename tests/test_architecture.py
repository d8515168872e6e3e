"""Floors: imports point one way, file by file; functions stay small; public names follow CONTRIBUTING.md."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    "errors",
    "types",
    "results",
    "schema",
    "admit",
    "forum",
    "formats",
    "canonical",
    "readers",
    "people",
    "datasets",
    "simulate",
    "talk",
    "stats",
    "network",
    "mixing",
    "champions",
    "vitality",
    "report",
    "cli",
]
"""Bottom to top. A file imports from its own floor and those before it; `sna/__init__` and `__main__` are the roof."""

FILES = sorted((ROOT / "sna").rglob("*.py"))
ROOF = {"__init__.py", "__main__.py"}


def name_of(path: Path) -> str:
    """``sna/talk/threads.py`` -> ``talk.threads``; the `__init__` of a folder is the folder itself."""
    return ".".join(path.relative_to(ROOT / "sna").with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in FILES if path.parent.name != "sna" or path.name not in ROOF}


def floor_of(module: str) -> str:
    return module.split(".")[0]


def imported(path: Path) -> set[str]:
    """Modules of sna a file imports anywhere, also inside functions (not for type checking alone)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {module for name in names if name.startswith("sna.") for module in [resolve(name[4:])] if module}


def resolve(name: str) -> str:
    """The module a dotted name lies in: ``talk.threads.MISSING`` -> ``talk.threads``."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name


IMPORTS = {module: imported(path) - {module} for module, path in MODULES.items()}


def test_every_file_stands_on_a_floor_and_every_floor_exists():
    assert {floor_of(module) for module in MODULES} == set(FLOORS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_the_floors(module):
    here = FLOORS.index(floor_of(module))
    wrong = {name for name in IMPORTS[module] if FLOORS.index(floor_of(name)) > here}
    assert not wrong, f"{module} may not import {sorted(wrong)}"


def test_no_files_import_each_other_in_a_circle():
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("module", [name for name in MODULES if floor_of(name) == "formats"])
def test_formats_know_nothing_of_forums(module):
    assert {floor_of(name) for name in IMPORTS[module]} <= {"errors", "formats", "schema", "types"}


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
def test_files_stay_within_600_lines(path):
    assert path.read_text(encoding="utf-8").count("\n") <= 600


def test_folders_hold_at_most_14_files():
    for folder in {path.parent for path in FILES}:
        assert len(list(folder.glob("*.py"))) <= 14, folder


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_functions_take_at_most_two_positional_arguments(path):
    """Methods and nested functions too, with or without a default. Fields of dataclasses do not count."""
    for node, _ in functions(path):
        if not node.name.startswith("_"):
            names = [arg.arg for arg in node.args.posonlyargs + node.args.args if arg.arg not in ("self", "cls")]
            assert len(names) <= 2, f"{node.name}{names}: make the rest keyword-only"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_functions_are_not_named_like_their_module(path):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            assert node.name != path.stem
            assert not node.name.startswith("test_")


def test_nothing_in_the_library_prints_or_uses_global_random_state():
    for path in FILES:
        source = path.read_text(encoding="utf-8")
        assert "np.random.seed" not in source, path
        assert "import random\n" not in source, path


def test_every_public_name_is_documented():
    import sna

    for name in sna.__all__:
        assert (getattr(sna, name).__doc__ or "").strip(), name


def test_every_floor_is_on_the_map():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert [floor for floor in FLOORS if f"`{floor}" not in text] == []
