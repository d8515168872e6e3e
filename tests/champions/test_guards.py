"""Guards: every planted character is held back or said, and ordinary people are not."""

import dataclasses

import pytest

import sna
from sna.champions.guards import GUARDS, list_guards
from sna.simulate.characters import CHARACTERS, add_character

SENTENCES = {
    "pair": "40 of 40 helps went to one person",
    "burst": "helps fell within seven days",
    "program": "is this account a program?",
    "empty": "200 of 200 replies have the same text",
    "specialist": "nobody else of this group took part: answering may be their job",
    "newcomer": "here for 3 weeks only",
    "two accounts": "another account has the same name",
    "night": "there at other hours than most",
}
NOT_HELD_BACK = ("two accounts", "night")


@pytest.fixture(scope="module")
def forum():
    """A year without recorded views: where chances are known worst, pretenders have it easiest."""
    made = sna.make_forum(n_people=100, n_threads=900, n_weeks=52, rng=5).forum
    capabilities = {**made.source.capabilities, "reads": "no"}
    return dataclasses.replace(
        made, events=made.events.head(0), source=dataclasses.replace(made.source, capabilities=capabilities)
    )


def test_every_guard_has_a_character():
    assert len(CHARACTERS) == len(GUARDS) == len(SENTENCES)
    assert list_guards()["meaning"].str.len_chars().min() > 10


@pytest.mark.parametrize("kind", CHARACTERS)
def test_the_character_is_seen(forum, kind):
    planted, accounts = add_character(forum, kind, rng=1)
    found = sna.find_champions(planted)
    for account in accounts:
        row = found.filter(person_id=account).row(0, named=True)
        assert SENTENCES[kind] in row["caution"]
        if kind not in NOT_HELD_BACK:
            assert row["standing"] is None
            assert not row["certainly_top"]
            assert row["verdict"].startswith("held back: ")


def test_hardly_anybody_else_is_held_back(forum):
    found = sna.find_champions(forum)
    helpers = found.filter(found["n_helps"] >= 5)
    assert found.filter(found["verdict"].str.starts_with("held back")).height <= helpers.height / 20


def test_somebody_who_is_there_at_night_has_fewer_chances(forum):
    planted, _ = add_character(forum, "night", rng=1)
    night = sna.find_champions(planted).filter(person_id="night-1").row(0, named=True)
    assert night["standing"] is not None
    assert night["contribution_low"] > 1.5
