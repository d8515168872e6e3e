"""What a person meets first: completion, the index, import time, the command line without data."""

import importlib
import inspect
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import sna

ROOT = Path(__file__).parents[1]
HEAVY = {"polars", "numpy", "scipy", "sklearn", "matplotlib", "seaborn", "networkx", "pandas", "lxml", "jinja2"}


def loaded_by(*command: str) -> set[str]:
    """Heavy packages a fresh Python has loaded after a command of ours, whatever its exit code."""
    # a package whose parts are there was loaded; a lazy one has only its name
    report = "print('LOADED', *{name.split('.')[0] for name in sys.modules if '.' in name}, file=sys.stderr)"
    code = f"import atexit, sys\natexit.register(lambda: {report})\n{command[0]}"
    told = subprocess.run([sys.executable, "-c", code, *command[1:]], capture_output=True, text=True, check=False)
    line = next(line for line in told.stderr.splitlines() if line.startswith("LOADED"))
    return set(line.split()) & HEAVY


def test_import_loads_nothing_heavy():
    assert loaded_by("import sna") == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["report", "--help"], ["report"], ["nonsense"]])
def test_help_and_wrong_usage_load_nothing_heavy(arguments):
    assert loaded_by("from sna.cli import main; main(prog_name='sna')", *arguments) == set()


def test_a_missing_file_is_refused_without_the_report():
    command = "from sna.cli import main; main(prog_name='sna')"
    assert loaded_by(command, "report", "/no/such/file") <= {"polars", "numpy", "lxml"}


def test_completion_shows_the_families_and_about_twenty_everyday_names():
    assert set(dir(sna)) == set(sna.FAMILIES) | set(sna.EVERYDAY)
    assert 18 <= len(sna.EVERYDAY) <= 24
    assert set(sna.FAMILIES) | set(sna.EVERYDAY) <= set(sna.__all__)
    folders = {path.parent.name for path in (ROOT / "sna").glob("*/__init__.pyi")}
    assert set(sna.FAMILIES) == folders


@pytest.mark.parametrize("family", sna.FAMILIES)
def test_completion_of_a_family_shows_its_public_names_only(family):
    module = importlib.import_module(f"sna.{family}")
    assert dir(module) == sorted(module.__all__)
    assert not [name for name in dir(module) if name.startswith("_") or inspect.ismodule(getattr(module, name))]


def test_every_public_name_works_flat_and_from_its_family():
    index = runpy.run_path(str(ROOT / "scripts" / "make_index.py"))
    for family, name, _ in index["public_names"]():
        flat = getattr(sna, name)
        if family in sna.FAMILIES:
            assert getattr(importlib.import_module(f"sna.{family}"), name) is flat, f"sna.{family}.{name}"


def test_help_is_an_index_of_every_public_name():
    index = runpy.run_path(str(ROOT / "scripts" / "make_index.py"))
    source = (ROOT / "sna" / "__init__.py").read_text(encoding="utf-8")
    assert index["written"](source) == source, "run `make index`"
    lines = {line.split()[0]: line for line in sna.__doc__.splitlines() if line.startswith("    ")}
    modules = {name for name in sna.__all__ if inspect.ismodule(getattr(sna, name))}
    assert set(lines) == set(sna.__all__) - modules
    for name, line in lines.items():
        said = line.split(maxsplit=1)[1:]
        assert said, f"{name} has no first line"
        thing = getattr(sna, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            assert inspect.getdoc(thing).startswith(said[0].removesuffix(" ...")), name


def test_type_checkers_are_told_that_there_are_types():
    assert (ROOT / "sna" / "py.typed").is_file()
