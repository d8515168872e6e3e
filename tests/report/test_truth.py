"""Every printed sentence is counted again from raw rows by `scripts/truth.py`, which shares no code with the report."""

import importlib.util
import random
import sys
from datetime import timedelta
from pathlib import Path

import pytest

import sna

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def truth():
    """The script as a module."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec = importlib.util.spec_from_file_location("truth", SCRIPTS / "truth.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["truth"] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(SCRIPTS))
        sys.modules.pop("truth", None)


@pytest.fixture(scope="module")
def forum():
    return sna.make_forum(
        n_people=90, n_threads=500, n_weeks=80, champion_share=0.1, champion_factor=8.0, role_preference=1.0, rng=5
    ).forum


def test_every_printed_sentence_is_counted_again(truth, forum, monkeypatch):
    monkeypatch.setattr(truth, "WINDOWS", 2)
    checked = list(truth.check_forum(forum, random.Random(1)))
    assert [c for c in checked if not c.agrees] == []
    assert {c.kind for c in checked} >= {"evidence", "stories", "champions", "across", "momentum", "waiting"}
    assert len(checked) > 100


def test_a_sentence_about_other_rows_is_noticed(truth, forum, monkeypatch):
    """The same checks against raw rows in which every reply came two days later."""
    monkeypatch.setattr(truth, "WINDOWS", 0)
    read = truth.read_raw

    def late(data, by):
        raw = read(data, by)
        for name, rows in raw.threads.items():
            moved = [post if post.kind == "root" else shift(truth, post) for post in rows]
            raw.threads[name] = sorted(moved, key=lambda post: (post.at, post.id))
        return raw

    monkeypatch.setattr(truth, "read_raw", late)
    wrong = {c.kind for c in truth.check_forum(forum, random.Random(1)) if not c.agrees}
    assert wrong >= {"evidence", "stories", "waiting"}


def shift(truth, post):
    return truth.Post(
        post.id, post.thread, post.parent, post.author, post.at + timedelta(days=2), post.kind, post.space
    )


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0.5, "less than a minute"), (1, "1 minute"), (119, "119 minutes"), (120, "2 hours"), (2880, "2 days")],
)
def test_durations_are_said_alike_by_two_pieces_of_code(truth, minutes, words):
    from sna.results import format_duration

    assert truth.spoken(timedelta(minutes=minutes)) == words
    assert format_duration(minutes / 60) == words
