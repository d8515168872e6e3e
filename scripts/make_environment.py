"""Write environment.yml for conda users from pyproject.toml; `--check` only says whether it is up to date."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "environment.yml"
CONDA_NAMES = {"igraph": "python-igraph", "psycopg": "psycopg", "matplotlib": "matplotlib-base"}
EXTRAS = ("notebooks", "igraph")


def conda_name(requirement: str) -> str:
    """A PyPI requirement in conda's words: ``matplotlib>=3.9`` -> ``matplotlib-base>=3.9``."""
    name, rest = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?(.*)", requirement).groups()
    return CONDA_NAMES.get(name, name) + rest


def render() -> str:
    """The text of environment.yml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = list(project["dependencies"])
    for extra in EXTRAS:
        needs += project["optional-dependencies"][extra]
    lines = [
        "# Generated from pyproject.toml by `make environment`; do not edit.",
        "name: sna",
        "channels: [conda-forge]",
        "dependencies:",
        f"  - python{project['requires-python']}",
        "  - pip",
        *(f"  - {conda_name(need)}" for need in sorted(needs)),
        "  - pip:",
        "      - --no-deps",
        "      - -e .",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if TARGET.read_text(encoding="utf-8") == render() else "environment.yml is out of date")
    TARGET.write_text(render(), encoding="utf-8")
