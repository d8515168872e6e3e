"""The project's own files agree with each other."""

import os
import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def tracked_files():
    out = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in out.splitlines()]


def test_environment_yml_is_what_pyproject_says():
    render = runpy.run_path(str(ROOT / "scripts" / "make_environment.py"))["render"]
    assert (ROOT / "environment.yml").read_text(encoding="utf-8") == render()


def declared_requirements():
    """Everything the lock is made from: see `make lock`."""
    text = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = text["project"]["optional-dependencies"]
    locked = re.findall(r"--extra (\w+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert set(extras) - set(locked) == {"peers"}, "an extra is not in the lock"
    lines = [*text["project"]["dependencies"], *text["dependency-groups"]["dev"]]
    return [Requirement(line) for line in lines + [need for name in locked for need in extras[name]]]


def test_the_lock_pins_every_dependency_as_pyproject_asks():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9_.-]+)(?:\[[^\]]*\])?==([^ ;]+)", lock, flags=re.MULTILINE))
    for need in declared_requirements():
        name = canonicalize_name(need.name)
        assert name in pinned, f"{name} is not in requirements.lock: run make lock"
        assert need.specifier.contains(pinned[name], prereleases=True), f"{need} is not {pinned[name]}: run make lock"


def test_the_lock_has_hashes_and_names_no_index():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", lock)
    assert all("--hash=sha256:" in block for block in blocks if "==" in block.split("\n")[0])
    assert not re.search(r"^--(extra-)?index-url|^--find-links|https?://", lock, flags=re.MULTILINE)


def test_no_machine_path_or_registry_host_is_in_the_project():
    pattern = re.compile(r"(^|[^A-Za-z])/(work|farm|root)/|python" + r"hosted|npm" + r"js\.org|py" + r"pi\.org")
    for path in tracked_files():
        if path.suffix in {".py", ".md", ".yml", ".toml", ".lock", ".ipynb", ".sh", ".cfg", ""} and path.is_file():
            found = pattern.search(path.read_text(encoding="utf-8", errors="ignore"))
            assert not found, f"{path}: {found.group(0)!r}"


def test_notebooks_are_small_and_have_outputs():
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert notebooks
    for path in notebooks:
        assert path.stat().st_size < 500_000, path
        assert '"output_type"' in path.read_text(encoding="utf-8"), f"{path.name} was committed without outputs"


def test_an_installed_wheel_brings_the_example_the_presets_and_the_report(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    code = "import sna; f = sna.load_example(); print(sna.__file__, f.posts.height, len(sna.list_presets()))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    ask = [sys.executable, "-c", code]
    out = subprocess.run(ask, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert out[0].startswith(str(tmp_path))
    assert int(out[1]) > 1000
    assert int(out[2]) >= 9


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_path_a_page_names_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:sna|tests|docs|scripts|benchmarks|notebooks)/[\w./-]*)`", text)
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    missing = [path for path in named + linked if not (ROOT / path).exists()]
    assert not missing, f"{page} names {missing}"


def test_every_make_target_that_a_page_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for page in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        named = set(re.findall(r"(?:^    |`)make ([a-z-]+)", text, flags=re.MULTILINE))
        assert named <= targets, f"{page} names make {sorted(named - targets)}"
