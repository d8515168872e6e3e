"""Two exports of one forum are that forum, not two."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import sna
from sna.people.overlap import group_exports, join_exports

START = datetime(2024, 1, 1, 12, tzinfo=UTC)
PEOPLE = {f"u{n}": f"Person {n}" for n in range(6)}


def make_posts(first, last):
    """Posts of the days from ``first`` to ``last``: every third opens a thread, the next two answer it."""
    rows = []
    for day in range(first, last):
        root = f"p{day - day % 3}"
        parent = root if day % 3 and day - day % 3 >= first else None
        thread = root if day % 3 == 0 or parent else f"p{first}"
        rows.append((f"p{day}", thread, parent, f"u{day % 6}", START + timedelta(days=day), "help"))
    names = ["post_id", "thread_id", "parent_id", "author_id", "created_at", "space"]
    return pl.DataFrame(rows, schema=names, orient="row")


def export(first, last, *, platform="slack", likes=1, people=PEOPLE, **more):
    posts = make_posts(first, last)
    given = {
        "posts": posts,
        "people": pl.DataFrame({"person_id": list(people), "name": list(people.values())}),
        "signals": posts.select("post_id", person_id=pl.lit("u0"), kind=pl.lit("like"), n=pl.lit(likes)),
        "mentions": posts.select("post_id", person_id=pl.lit("u1"), basis=pl.lit("markup")),
    } | more
    read = {name: frame.height for name, frame in given.items()}
    end = START + timedelta(days=last)
    source = sna.Source(platform, capabilities={"threads": "yes"}, exported_at=end, rows_read=read)
    return sna.build_forum(**given, source=source)


def test_two_overlapping_exports_are_the_one_forum_they_come_from():
    whole = export(0, 60)
    for parts in ([export(0, 40), export(21, 60)], [export(21, 60), export(0, 40)]):
        merged = sna.merge_forums(parts)
        assert merged.source.platform == "slack"
        assert merged.people.height == 6
        for table in ("people", "posts", "signals", "mentions"):
            assert getattr(merged, table).equals(getattr(whole, table)), table


def test_the_books_balance_and_say_what_was_there_twice():
    merged = sna.merge_forums([export(0, 40), export(21, 60)])
    books = {row["table"]: row for row in merged.accounting().iter_rows(named=True)}
    assert (books["posts"]["read"], books["posts"]["withheld"], books["posts"]["used"]) == (79, 19, 60)
    assert (books["people"]["read"], books["people"]["withheld"], books["people"]["added"]) == (12, 6, 0)
    twice = merged.issues.filter(reason="in_two_exports")
    assert dict(twice.select("table", "n").iter_rows()) == {"mentions": 19, "people": 6, "posts": 19, "signals": 19}


def test_a_thread_that_one_export_cut_is_whole_again():
    merged = sna.merge_forums([export(0, 32), export(31, 60)])
    assert merged.posts.filter(post_id="p31")["parent_id"].item() == "p30"
    assert merged.posts.filter(post_id="p32")["thread_id"].item() == "p30"
    assert merged.posts["thread_id"].n_unique() == 20


def test_the_newest_state_of_a_post_counts():
    old, new = export(0, 40, likes=2), export(0, 60, likes=5)
    merged = sna.merge_forums([old, new])
    assert merged.signals["n"].unique().to_list() == [5]
    assert merged.signals.height == 60
    edited = make_posts(0, 60).with_columns(text=pl.lit("new words"))
    merged = sna.merge_forums([old, export(0, 60, posts=edited)])
    assert merged.posts["text"].unique().to_list() == ["new words"]


def test_halves_without_a_common_post_are_known_by_their_people():
    merged = sna.merge_forums([export(0, 30), export(30, 60)])
    assert merged.people.height == 6
    assert merged.posts["post_id"].to_list() == [f"p{n}" for n in range(60)]


def test_two_forums_of_one_platform_stay_two():
    others = {person: f"Other {name}" for person, name in PEOPLE.items()}
    posts = make_posts(0, 40).with_columns(pl.col("created_at") + timedelta(minutes=7))
    other = export(0, 40, people=others, posts=posts)
    assert group_exports([export(0, 40), other]) == [[0], [1]]
    merged = sna.merge_forums([export(0, 40), other])
    assert (merged.posts.height, merged.people.height) == (80, 12)
    assert group_exports([export(0, 40), export(0, 40, platform="teams")]) == [[0], [1]]


def test_posts_alike_by_people_called_otherwise_are_another_forum():
    other = export(0, 40, people={person: f"Other {name}" for person, name in PEOPLE.items()})
    assert group_exports([export(0, 40), other]) == [[0], [1]]


def test_halves_made_by_hand_go_on_declaring_nothing():
    halves = [sna.build_forum(posts=make_posts(0, 20)), sna.build_forum(posts=make_posts(10, 30))]
    merged = sna.merge_forums(halves)
    assert merged.posts.height == 30
    assert not merged.states_capabilities


def test_overlapping_halves_beside_another_forum():
    teams = export(0, 10, platform="teams", people={f"t{n}": f"T {n}" for n in range(6)})
    merged = sna.merge_forums([export(0, 40), teams, export(21, 60)])
    assert merged.posts.height == 70
    assert set(merged.posts["space"]) == {"slack/help", "teams/help"}
    labelled = sna.merge_forums([export(0, 40), teams, export(21, 60)], labels=["b", "t", "a"])
    assert set(labelled.posts["space"]) == {"a/help", "t/help"}


def test_who_is_listed_once_is_listed():
    met = pl.DataFrame({"person_id": ["u0", "u9"], "placeholder": [True, True]})
    joined = join_exports([export(0, 40), sna.build_forum(posts=make_posts(21, 60), people=met)])
    listed = dict(joined.people.select("person_id", "placeholder").iter_rows())
    assert (listed["u0"], listed["u9"]) == (False, True)


@pytest.mark.parametrize("n", [2, 3])
def test_the_same_export_again_changes_nothing(n):
    one = export(0, 30)
    merged = sna.merge_forums([one] * n)
    assert merged.posts.equals(one.posts)
    assert merged.people.equals(one.people)


def test_warnings_are_those_of_the_whole():
    silent = PEOPLE | {"u7": "Quiet"}
    halves = [export(0, 40, people=silent), export(21, 60)]
    assert sna.list_warnings(sna.merge_forums(halves)).height == 0
