"""Several forums become one: sure keys link, likeness only suggests, and the order of the inputs does not matter."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sna
from sna.errors import ParameterError
from sna.people.names import email_key, name_likeness


def make(platform, people, *, roles=None, capabilities=None):
    """A forum whose people are (id, name, email, kind); the first one posts, the second answers."""
    frame = pl.DataFrame(
        [(p[0], p[1], p[2], p[3] if len(p) > 3 else "human") for p in people],
        schema={"person_id": pl.String, "name": pl.String, "email": pl.String, "kind": pl.String},
        orient="row",
    )
    posts = pl.DataFrame(
        {
            "post_id": ["1", "2"],
            "thread_id": ["1", "1"],
            "parent_id": [None, "1"],
            "author_id": [people[0][0], people[-1][0]],
            "created_at": ["2024-01-01", "2024-01-02"],
            "space": ["general", "general"],
        }
    )
    spells = roles and pl.DataFrame(roles, schema=["person_id", "attribute", "value"], orient="row")
    source = sna.Source(platform, capabilities=capabilities or {"threads": "yes"})
    return sna.build_forum(people=frame, posts=posts, roles=spells, source=source)


CHAT = [("u1", "Ann Ax", "ANN@x.io"), ("u2", "Bob By", "bob@x.io"), ("bot", "Helper", "bot1@x.io", "bot"),
        ("u3", "Cat Cy", None), ("u4", "Dan Do", "shared@x.io")]  # fmt: skip
BOARD = [("1", "ann", "ann@x.io"), ("2", "Robert By", None), ("3", "cat cy", None), ("4", "D1", "shared@x.io"),
         ("5", "D2", "Shared@x.io"), ("6", "Helper", "bot1@x.io"), ("7", "Support", "support@x.io")]  # fmt: skip


def pair():
    return make("chat", CHAT, capabilities={"threads": "yes", "mentions": "yes"}), make("board", BOARD)


def links(forum):
    frame = sna.list_identity_links(forum).filter(pl.col("method") != "own")
    return {(s, a): (p, m) for s, a, p, m, _ in frame.iter_rows()}


def test_only_sure_keys_link():
    merged = sna.merge_forums(pair())
    assert links(merged) == {("board", "1"): ("board:1", "email"), ("chat", "u1"): ("board:1", "email")}
    assert merged.people.height == 11
    assert set(merged.posts["author_id"]) == {"board:1", "board:7", "chat:u4"}
    assert set(merged.posts["space"]) == {"chat/general", "board/general"}
    assert set(merged.posts["parent_id"].drop_nulls()) == {"chat:1", "board:1"}
    unclear = merged.issues.filter(pl.col("reason") == "identity_unclear")["position"].to_list()
    assert unclear == ["board:4, board:5, chat:u4"]
    assert merged.supports("threads") == "yes"
    assert merged.supports("mentions") == "partial"


def test_the_books_balance():
    merged = sna.merge_forums(pair())
    books = merged.accounting()
    assert (books["added"] == 0).all()
    people = books.row(by_predicate=pl.col("table") == "people", named=True)
    assert (people["read"], people["used"], people["withheld"]) == (12, 11, 1)


def test_a_directory_id_links_before_the_address():
    one = make("chat", [("u1", "A", "a@x.io"), ("u2", "B", "b@x.io")], roles=[("u1", "employee_id", "E7")])
    two = make("board", [("1", "B?", "b@x.io"), ("2", "A?", "b2@x.io")], roles=[("1", "employee_id", "e7")])
    merged = sna.merge_forums([one, two])
    assert links(merged)["chat", "u1"] == ("board:1", "external_id")
    assert ("chat", "u2") not in links(merged)
    why = merged.issues.filter(pl.col("reason") == "identity_unclear")["detail"].to_list()
    assert why == ["email: both are of chat"]


def test_overrides_win_and_are_reversible(tmp_path):
    forums = pair()
    path = tmp_path / "people.csv"
    path.write_text(
        "decision,account_a,account_b\ndifferent,chat:u1,board:1\nsame,chat:u3,board:3\nsame,chat:u2,chat:u4\n,chat:u4,board:4\n"
    )
    merged = sna.merge_forums(forums, overrides=path)
    assert links(merged) == {
        ("chat", "u3"): ("board:3", "override"),
        ("board", "3"): ("board:3", "override"),
        ("chat", "u2"): ("chat:u2", "override"),
        ("chat", "u4"): ("chat:u2", "override"),
    }
    assert {row[0] for row in links(sna.merge_forums(forums))} == {"chat", "board"}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("same", "chat:u1", "chat:nobody")], "Unknown: chat:nobody"),
        ([("same", "chat:u1", "chat:u2"), ("different", "chat:u2", "chat:u1")], "contradict"),
        ([("maybe", "chat:u1", "chat:u2")], "same, different or empty"),
    ],
)
def test_overrides_with_mistakes(rows, words):
    frame = pl.DataFrame(rows, schema=["decision", "account_a", "account_b"], orient="row")
    with pytest.raises(ParameterError, match=words):
        sna.merge_forums(pair(), overrides=frame)
    with pytest.raises(ParameterError, match="columns decision"):
        sna.merge_forums(pair(), overrides=pl.DataFrame({"a": ["b"]}))


def test_similar_names_are_suggested_and_the_file_can_be_given_back(tmp_path):
    forums = pair()
    frame = sna.suggest_identities(forums)
    assert frame.select("account_a", "account_b", "reason").rows() == [
        ("board:3", "chat:u3", "same name"),
        ("board:4", "board:5", "same address, unclear"),
        ("board:4", "chat:u4", "same address, unclear"),
        ("board:5", "chat:u4", "same address, unclear"),
    ]
    path = tmp_path / "s.csv"
    frame.head(1).with_columns(pl.lit("same").alias("decision")).write_csv(path)
    assert links(sna.merge_forums(forums, overrides=path))["chat", "u3"] == ("board:3", "override")
    assert links(sna.merge_forums(forums, overrides=frame)) == links(sna.merge_forums(forums))


def test_a_login_that_equals_an_address_is_suggested():
    one = make("chat", [("jdoe", "jd", None), ("x", "Xu", None)])
    two = make("board", [("1", "Jane Doe", "jdoe@x.io"), ("2", "Yu", None)])
    assert sna.suggest_identities([one, two]).select("account_a", "account_b", "reason").rows() == [
        ("board:1", "chat:jdoe", "same login")]  # fmt: skip


def test_the_same_platform_twice_is_numbered_or_labelled():
    one, two = make("chat", CHAT), make("chat", [("u1", "Zed", None), ("u9", "Yan", None)])
    merged = sna.merge_forums([one, two])
    assert merged.equals(sna.merge_forums([two, one]))
    assert {i.split(":")[0] for i in merged.people["person_id"]} == {"chat1", "chat2"}
    named = sna.merge_forums([one, two], labels=("ops", "hr"))
    assert "hr:u9" in named.people["person_id"]
    for bad in (("a", "a"), ("a",), ("a:b", "c")):
        with pytest.raises(ParameterError, match="labels"):
            sna.merge_forums([one, two], labels=bad)
    with pytest.raises(ParameterError, match="At least 2"):
        sna.merge_forums([one])


def test_people_facts_are_joined_carefully():
    one = make(
        "chat", [("u1", "Ann", "a@x.io"), ("u2", "B", None)], roles=[("u1", "role", "HR"), ("u1", "manager", "u2")]
    )
    two = make("board", [("1", "A", "a@x.io"), ("2", "B", None)], roles=[("1", "role", "HR")])
    out = two.people.with_columns((pl.col("person_id") == "1").alias("opt_out"))
    two = sna.build_forum(people=out, posts=two.posts, roles=two.roles, source=two.source)
    merged = sna.merge_forums([one, two])
    ann = merged.people.row(by_predicate=pl.col("person_id") == "board:1", named=True)
    assert (ann["name"], ann["opt_out"]) == ("A", True)
    assert merged.roles.select("person_id", "attribute", "value").rows() == [
        ("board:1", "manager", "chat:u2"), ("board:1", "role", "HR")]  # fmt: skip
    assert "board:1" not in sna.list_identity_links(merged)["person_id"]
    assert (merged.accounting()["added"] == 0).all()


def test_links_survive_writing_and_need_a_merged_forum(tmp_path):
    merged = sna.merge_forums(pair())
    back = sna.read_forum(sna.write_forum(merged, tmp_path / "m"))
    assert links(back) == links(merged)
    with pytest.raises(ParameterError, match="merged"):
        sna.list_identity_links(pair()[0])


@pytest.mark.parametrize(
    ("address", "key"),
    [("A@X.io", "a@x.io"), ("mailto:a@x.io", "a@x.io"), ("a+b@x.io", "a+b@x.io"), ("No-Reply@x.io", None),
     ("helpdesk+1@x.io", None), ("a_corp.io#EXT#@t.io", "a@corp.io"), ("nobody", None), (None, None)],
)  # fmt: skip
def test_addresses(address, key):
    assert email_key(address) == key


ADDRESS = st.sampled_from([None, "a@x.io", "b@x.io", "c@x.io", "help@x.io", "A@x.io"])
PEOPLE = st.lists(st.tuples(st.sampled_from("pqrstuv"), st.sampled_from(["An Na", "Bo Bo"]), ADDRESS), min_size=2,
                  max_size=6, unique_by=lambda row: row[0])  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(st.lists(PEOPLE, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_order_of_forums_and_rows_does_not_matter(rosters, rng):
    platforms = ["chat", "board", "mail", "chat"]
    forums = [make(platforms[i], roster) for i, roster in enumerate(rosters)]
    shuffled = [make(platforms[i], [roster[0], *rng.sample(roster[1:-1], len(roster) - 2), roster[-1]])
                for i, roster in enumerate(rosters)]  # fmt: skip
    rng.shuffle(shuffled)
    merged, again = sna.merge_forums(forums), sna.merge_forums(shuffled)
    assert merged.equals(again)
    assert (merged.accounting()["added"] == 0).all()
    found = sna.list_identity_links(merged)
    assert found.height == sum(len(roster) for roster in rosters)
    assert found.select(pl.struct("source", "account").is_unique().all()).item()
    assert found.group_by("person_id", "source").len()["len"].max() == 1


@given(st.text(max_size=20), st.text(max_size=20))
def test_likeness_is_symmetric_and_bounded(one, two):
    assert name_likeness(one, two) == name_likeness(two, one)
    assert 0 <= name_likeness(one, two) <= 1
