"""Growth accounting on paper and as identities."""

import polars as pl
import pytest

import sna
from sna.simulate import make_forum
from sna.vitality.genealogy import reply_genealogy
from sna.vitality.momentum import weekly_momentum
from sna.vitality.retention import cohort_retention
from tests.conftest import day
from tests.vitality.forums import forum_of


@pytest.fixture
def paper():
    people = pl.DataFrame(
        {
            "person_id": ["ann", "bob", "cat", "eve", "new", "old"],
            "joined_at": [None, None, None, None, day(14), None],
            "left_at": [None, None, None, None, None, day(7)],
        }
    )
    return forum_of({"ann": [0, 1, 3, 4], "bob": [0, 3], "cat": [1, 4]}, end=day(30), people=people)


def test_accounting_on_paper(paper):
    table = weekly_momentum(paper)
    assert table.select("n_active", "n_new", "n_retained", "n_returned", "n_lost").rows() == [
        (2, 2, 0, 0, 0),
        (2, 1, 1, 0, 1),
        (0, 0, 0, 0, 2),
        (2, 0, 0, 2, 0),
        (2, 0, 1, 1, None),
    ]
    assert table["quick_ratio"].to_list() == [None, 1.0, 0.0, None, None]
    assert table["is_complete"].to_list() == [True] * 4 + [False]
    # old left at the first moment of week 1 and was there until then; new joined at the first moment of week 2.
    assert table["n_roster"].to_list() == [5, 5, 5, 5, 5]
    assert table["active_share"].to_list() == [0.4, 0.4, 0.0, 0.4, None]


def test_roster_is_that_of_the_week():
    people = pl.DataFrame(
        {"person_id": ["a", "b", "c"], "joined_at": [None, day(15), day(9)], "left_at": [day(6), None, None]}
    )
    table = weekly_momentum(forum_of({"c": [0, 1, 2, 3]}, people=people, end=day(28)))
    assert table["n_roster"].to_list() == [2, 1, 2, 2]
    silent = weekly_momentum(forum_of({"c": [0, 1]}, people=people, roster="no"))
    assert silent["n_roster"].null_count() == silent["active_share"].null_count() == 2


def test_identities_hold_on_a_forum_with_everything():
    forum = make_forum(n_weeks=40, retention=0.8, joiner_share=0.3, leaver_share=0.2, n_bots=1, rng=7).forum
    table = weekly_momentum(forum)
    active, new, retained, returned = (table[f"n_{name}"] for name in ("active", "new", "retained", "returned"))
    assert (active == new + retained + returned).all()
    done = table.filter("is_complete")
    assert (done["n_active"].shift(1).fill_null(0) == done["n_retained"] + done["n_lost"]).all()
    authors = forum.posts.join(forum.people.filter(kind="human"), left_on="author_id", right_on="person_id")
    assert new.sum() == authors["author_id"].n_unique()
    assert (
        (done["active_share_low"] <= done["active_share"]) & (done["active_share"] <= done["active_share_high"])
    ).all()


def test_a_window_shows_fewer_weeks_and_changes_none(paper):
    whole = weekly_momentum(paper)
    assert weekly_momentum(paper, since=day(14), until=day(28)).equals(whole[2:4])


def test_same_rows_in_another_order_same_tables():
    forum = make_forum(n_people=60, n_threads=80, n_weeks=20, retention=0.8, rng=3).forum
    mixed = sna.build_forum(
        **{name: getattr(forum, name).sample(fraction=1, shuffle=True, seed=1) for name in sna.schema.TABLES},
        source=forum.source,
    )
    for table in (weekly_momentum, reply_genealogy):
        assert table(mixed).equals(table(forum))
    assert cohort_retention(mixed, idle_days=30).equals(cohort_retention(forum, idle_days=30))


def test_the_collapse_of_a_real_forum_shows(shared):
    """The urho3d community ended after a governance conflict in 2021 and 2022."""
    forum = sna.read_forum(shared / "data" / "urho3d_discourse")
    table = weekly_momentum(forum)
    bots = forum.people.filter(pl.col("kind") != "human")
    by_bots = forum.posts.join(bots, left_on="author_id", right_on="person_id").height
    assert table["n_posts"].sum() + by_bots + forum.posts["author_id"].null_count() == forum.posts.height
