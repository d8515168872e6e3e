"""The example forum: regenerated bit by bit, what the README says is in it, found when installed."""

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import sna
from sna import datasets

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "datasets" / "example"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_example", ROOT / "scripts" / "make_example.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def example():
    return sna.load_example()


def test_the_script_writes_the_same_bytes_again(script, tmp_path):
    script.main(tmp_path)
    written = {file.name for file in tmp_path.iterdir()}
    assert written | {"README.md"} == {file.name for file in FOLDER.iterdir()}
    for name in written:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), f"{name}: run scripts/make_example.py"


def test_it_is_small_and_says_that_it_is_synthetic():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 1_000_000
    assert "synthetic" in (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()[0]


def test_it_holds_what_its_readme_promises(example):
    assert example.people["kind"].value_counts().sort("kind").rows() == [("bot", 2), ("human", 320)]
    assert example.people["opt_out"].sum() == 1
    assert example.observed_until == datetime(2024, 12, 27, tzinfo=UTC)
    assert example.campaigns["kind"].to_list() == ["pull", "push", "newsletter", "leader"]
    assert set(example.roles["attribute"]) == {"role", "department", "level", "location", "manager"}
    assert example.posts["space"].n_unique() == 7
    assert 6_000 < example.posts.height < 9_000
    assert example.issues.is_empty()
    silent = example.people.filter(pl.col("kind") == "human").join(
        example.posts, left_on="person_id", right_on="author_id", how="anti"
    )
    assert 0.2 <= silent.height / 320 < 0.3
    assert example.people["left_at"].drop_nulls().len() == 32
    assert example.roles.filter(attribute="role")["person_id"].n_unique() == 314


def test_the_managers_form_a_tree_with_one_head(example):
    manager = dict(example.attribute("manager").drop_nulls().iter_rows())
    everybody = set(example.people.filter(kind="human")["person_id"])
    (head,) = everybody - set(manager)
    for person in everybody:
        steps = 0
        while person != head:
            person, steps = manager[person], steps + 1
            assert steps < 6


def test_the_truth_names_people_of_the_forum(example):
    truth = datasets.load_example_truth()
    assert len(truth["champions"]) == 13
    assert set(truth["champions"]) | set(truth["loud"]) <= set(example.people["person_id"])
    assert truth["role_preference"] == [1.0, 0.1]
    assert truth["changed_at"] == "2024-07-01T00:00:00+00:00"


def test_the_folder_is_found_in_an_installed_package_too(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "_INSTALLED", FOLDER)
    monkeypatch.setattr(datasets, "_CHECKOUT", tmp_path)
    assert datasets.example_folder() == FOLDER
    monkeypatch.setattr(datasets, "_INSTALLED", tmp_path)
    with pytest.raises(sna.ReadError, match=r"make_example.py"):
        sna.load_example()
