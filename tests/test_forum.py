"""The Forum is validated once, at the door."""

import contextlib
import json
from datetime import UTC, datetime

import polars as pl
import pytest

import sna
from sna.errors import ReadError, SnaError
from tests.conftest import day


def posts(**columns):
    base = {"post_id": ["1", "2"], "thread_id": ["t", "t"], "author_id": ["a", "b"]}
    return pl.DataFrame({**base, **columns})


def test_every_author_is_in_people_and_silent_people_are_kept(six):
    assert set(six.posts["author_id"]) <= set(six.people["person_id"])
    assert "eve" in six.people["person_id"].to_list()
    assert six.issues.is_empty()


def test_role_is_as_of_the_time_asked(six):
    assert dict(six.attribute("role", at=day(2)).rows())["dan"] == "Sales"
    assert dict(six.attribute("role", at=day(10)).rows())["dan"] == "HR"
    assert dict(six.attribute("role").rows())["dan"] == "HR"
    joined = sna.join_attribute(six, six.posts, by="role", person="author_id")
    assert joined.filter(pl.col("author_id") == "dan").sort("created_at")["role"].to_list() == ["Sales", "HR"]
    assert joined["post_id"].equals(six.posts["post_id"])


def test_attribute_is_joined_by_id_whatever_the_row_order(six):
    shuffled = six.posts.sample(fraction=1, shuffle=True, seed=1)
    a = sna.join_attribute(six, shuffled, by="role", person="author_id").sort("post_id")["role"]
    b = sna.join_attribute(six, six.posts, by="role", person="author_id").sort("post_id")["role"]
    assert a.equals(b)


def test_same_rows_in_another_order_give_the_same_forum(six):
    tables = {name: getattr(six, name).sample(fraction=1, shuffle=True, seed=3) for name in sna.schema.TABLES}
    assert sna.build_forum(**tables, source=six.source).equals(six)


def test_missing_column_says_what_was_found_and_what_to_do():
    with pytest.raises(sna.SchemaError, match=r"no column 'thread_id'. Found: 'post_id', 'user'. Hint: columns="):
        sna.build_forum(posts=pl.DataFrame({"post_id": ["1"], "user": ["a"]}))


def test_unknown_column_and_unknown_value_are_refused():
    with pytest.raises(sna.SchemaError, match="Unknown: 'salary'"):
        sna.build_forum(posts=posts(salary=[1, 2]))
    with pytest.raises(sna.SchemaError, match=r"posts.kind is one of"):
        sna.build_forum(posts=posts(kind=["root", "rant"]))


def test_rows_that_cannot_be_used_are_in_issues_and_the_books_balance():
    forum = sna.build_forum(
        posts=pl.DataFrame({"post_id": ["1", "1", None], "thread_id": ["t"] * 3, "author_id": ["a", "a", "b"]}),
        signals=pl.DataFrame({"post_id": ["1", "9"], "kind": ["like", "like"]}),
    )
    found = set(forum.issues.select("table", "reason", "kind").iter_rows())
    assert ("posts", "duplicate_id", "rejected") in found
    assert ("posts", "missing_value", "rejected") in found
    assert ("signals", "unknown_post", "rejected") in found
    for _, read, used, rejected, withheld, added in forum.accounting().iter_rows():
        assert read == used + rejected + withheld
        assert added >= 0
    books = {row[0]: row[1:] for row in forum.accounting().iter_rows()}
    assert books["posts"] == (3, 1, 2, 0, 0)
    assert books["signals"] == (2, 1, 1, 0, 0)


def test_which_of_two_rows_with_one_id_stays_does_not_depend_on_row_order():
    twice = pl.DataFrame({"post_id": ["1", "1"], "thread_id": ["t", "t"], "author_id": ["b", "a"], "text": ["x", None]})
    first, second = (sna.build_forum(posts=rows) for rows in (twice, twice.reverse()))
    assert first.posts["author_id"].to_list() == ["a"]
    assert first.equals(second)


@pytest.mark.parametrize(
    ("parents", "threads", "reason"),
    [
        ([None, "9"], ["t", "t"], "parent_missing"),
        ([None, "1"], ["t", "u"], "parent_in_other_thread"),
        (["2", "1"], ["t", "t"], "parent_cycle"),
        ([None, "2"], ["t", "t"], "parent_cycle"),
    ],
)
def test_a_parent_that_cannot_be_is_removed_with_an_issue(parents, threads, reason):
    forum = sna.build_forum(posts=posts(parent_id=parents, thread_id=threads, parent_basis=["explicit"] * 2))
    assert forum.issues.filter(pl.col("table") == "posts")["reason"].unique().to_list() == [reason]
    wrong = forum.posts.filter(pl.col("post_id") == "2")
    assert wrong["parent_id"].to_list() == [None]
    assert wrong["parent_basis"].to_list() == ["none"]


def test_a_long_chain_of_replies_is_not_a_cycle():
    n = 3000
    ids = [str(i) for i in range(n)]
    forum = sna.build_forum(
        posts=pl.DataFrame({"post_id": ids, "thread_id": ["t"] * n, "parent_id": [None, *ids[:-1]]})
    )
    assert forum.posts["parent_id"].null_count() == 1


def test_analyses_are_refused_when_the_source_cannot_know(six):
    blind = sna.build_forum(posts=six.posts, source=sna.Source("slack", capabilities={"threads": "yes"}))
    with pytest.raises(sna.NotAnswerableError, match="Not answerable from this source: lurkers needs reads"):
        sna.forum.require_capabilities(blind, ["reads"], analysis="lurkers")


def test_written_and_read_back_is_equal_and_written_twice_is_the_same_bytes(six, tmp_path):
    sna.write_forum(six, tmp_path / "a")
    sna.write_forum(six, tmp_path / "b")
    assert sna.read_forum(tmp_path / "a").equals(six)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_damaged_canonical_folder_is_a_read_error(six, tmp_path):
    sna.write_forum(six, tmp_path)
    (tmp_path / "people.parquet").write_bytes(b"nothing")
    with pytest.raises(sna.ReadError, match="convert the export again"):
        sna.read_forum(tmp_path)


def test_years_that_cannot_be_are_mended_at_the_door_and_said():
    times = pl.Series(["0001-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]).str.to_datetime()
    posts = pl.DataFrame({"post_id": ["a", "b", "c"], "thread_id": "t", "author_id": "p", "created_at": times})
    forum = sna.build_forum(posts=posts)
    assert forum.period == (datetime(2024, 1, 1, tzinfo=UTC),) * 2
    told = forum.issues.filter(pl.col("reason") == "impossible_time").select("kind", "position", "detail").rows()
    assert told == [("repaired", "post_id a", "created_at: the year 1"),
                    ("repaired", "post_id c", "created_at: the year 9999")]  # fmt: skip


def test_any_dataframe_library_may_bring_the_tables():
    table = pl.DataFrame({"post_id": ["a", "b"], "thread_id": ["t", "t"], "author_id": ["p", None],
                          "created_at": [datetime(2024, 1, 1), None]})  # fmt: skip
    ours = sna.build_forum(posts=table)
    for other in (table.to_pandas(), table.to_arrow(), table.lazy()):
        assert sna.build_forum(posts=other).equals(ours)


@pytest.mark.parametrize(
    ("key", "value"),
    [("capabilities", {"threads": "maybe"}), ("capabilities", ["threads"]), ("rows_read", 7), ("exported_at", "soon"),
     ("files", 3), ("platform", None), ("unknown", 1)],
)  # fmt: skip
def test_a_source_file_with_odd_values_is_a_read_error(six, tmp_path, key, value):
    sna.write_forum(six, tmp_path)
    file = tmp_path / "source.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(ReadError, match=r"source\.json"):
        sna.read_forum(tmp_path)


def test_one_flipped_bit_anywhere_in_parquet_is_no_crash(six, tmp_path):
    sna.write_forum(six, tmp_path)
    file = tmp_path / "posts.parquet"
    good = file.read_bytes()
    for at in range(0, len(good), max(1, len(good) // 150)):
        file.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
        with contextlib.suppress(SnaError):
            sna.read_forum(tmp_path)
