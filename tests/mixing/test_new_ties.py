"""First contacts far apart, worked out on a small chart of reporting lines."""

import polars as pl
import pytest

import sna
from sna.mixing.new_ties import list_new_ties, novel_tie_share
from tests.conftest import day

BOSS = {"m1": "top", "m2": "top", "a": "m1", "b": "m1", "c": "m2", "d": "m2"}
UNIT = {"top": "T", "m1": "A", "a": "A", "b": "A", "m2": "C", "c": "C", "d": "C", "loose": "C"}


def forum(threads, opt_out=()):
    posts = [
        (f"{thread}-{i}", thread, person, day(at + i / 100), space)
        for thread, space, at, people in threads
        for i, person in enumerate(people)
    ]
    roles = [(p, "manager", m) for p, m in BOSS.items()] + [(p, "department", u) for p, u in UNIT.items()]
    return sna.build_forum(
        posts=pl.DataFrame(posts, schema=["post_id", "thread_id", "author_id", "created_at", "space"], orient="row"),
        roles=pl.DataFrame(roles, schema=["person_id", "attribute", "value"], orient="row"),
        people=pl.DataFrame({"person_id": list(UNIT), "opt_out": [p in opt_out for p in UNIT]}),
    )


THREADS = [
    ("t1", "x", 0, ["a", "c", "b"]),
    ("t2", "y", 1, ["d"]),
    ("t3", "x", 40, ["a", "c", "d"]),
    ("t4", "x", 41, ["b", "c", "loose", "m1"]),
]


def test_distance_unit_and_space_by_hand():
    rows = list_new_ties(forum(THREADS)).drop("first_at", "thread_id", "space")
    assert rows.rows() == [
        ("a", "c", 4, False, False, True),
        ("a", "b", 2, True, False, False),
        ("a", "d", 4, False, False, True),
        # in the second month, b and c have both used space x before
        ("b", "c", 4, False, True, False),
        # "loose" is in no line of the chart: with another unit and no shared space we cannot say
        ("b", "loose", None, False, False, None),
        ("b", "m1", 1, True, False, False),
    ]


def test_a_first_contact_is_listed_once_with_its_thread():
    rows = list_new_ties(forum(THREADS), since=day(39))
    assert rows.select("person_a", "person_b", "thread_id").rows() == [
        ("a", "d", "t3"),
        ("b", "c", "t4"),
        ("b", "loose", "t4"),
        ("b", "m1", "t4"),
    ]


def test_nearer_counts_when_asked_for():
    rows = list_new_ties(forum(THREADS), min_distance=5)
    assert not rows["novel"].fill_null(False).any()
    with pytest.raises(sna.SnaError, match="min_distance"):
        list_new_ties(forum(THREADS), min_distance=0)


def test_people_who_opted_out_are_not_listed_and_still_count():
    hidden = forum(THREADS, opt_out=("a",))
    assert "a" not in list_new_ties(hidden)["person_a"].to_list()
    assert novel_tie_share(hidden, draws=9, rng=1)["n_new_ties"].to_list() == [2, 4]


def test_shares_add_up_to_the_list():
    table = novel_tie_share(forum(THREADS), draws=49, rng=1)
    assert table.select("n_new_ties", "n_judged", "n_novel").rows() == [(2, 2, 1), (4, 3, 1)]
    assert table["novel_share"].to_list() == pytest.approx([1 / 2, 1 / 3])


def test_share_of_a_simulated_forum_lies_where_chance_puts_it():
    simulated = sna.make_forum(n_threads=200, rng=2).forum
    table = novel_tie_share(simulated, draws=99, rng=1).filter(pl.col("expected_share").is_not_null())
    assert table["n_novel"].sum() > 0
    inside = ((table["novel_share"] >= table["low"]) & (table["novel_share"] <= table["high"])).mean()
    assert inside >= 0.6
    listed = list_new_ties(simulated)
    everyone = simulated.people.filter("opt_out").is_empty()
    assert table["n_novel"].sum() == listed["novel"].sum() or not everyone


def test_needs_spaces_and_a_chart():
    made = forum(THREADS)
    nowhere = sna.build_forum(posts=made.posts.with_columns(space=pl.lit(None, pl.String)), roles=made.roles)
    with pytest.raises(sna.NotAnswerableError, match="space"):
        list_new_ties(nowhere)
    with pytest.raises(sna.SchemaError, match="boss"):
        list_new_ties(made, manager="boss")
