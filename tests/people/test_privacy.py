"""Pseudonyms reach every table, hidden groups stay hidden, labels and spreadsheets are safe."""

import csv

import polars as pl
import pytest

import sna
from sna.people import privacy
from sna.simulate import make_forum
from tests.conftest import day

KEY = b"a key of sixteen bytes or more"


@pytest.fixture(scope="module")
def chatty():
    posts = pl.DataFrame(
        {
            "post_id": ["1", "2", "3"],
            "thread_id": ["t", "t", "t"],
            "author_id": ["ann@x.org", "bob", "ann@x.org"],
            "created_at": [day(0), day(1), day(2)],
            "kind": ["root", "reply", "reply"],
            "space": ["with-bob", "with-bob", "with-bob"],
            "title": ["Ask ANN LEE about it", None, None],
            "text": ["ann@x.org knows", "Ann Lee does", "me"],
        }
    )
    people = pl.DataFrame(
        {
            "person_id": ["ann@x.org", "bob", "boss"],
            "name": ["Ann Lee", "Bob", "Cy"],
            "email": ["ann@x.org", None, None],
        }
    )
    roles = pl.DataFrame(
        {
            "person_id": ["ann@x.org", "bob", "bob"],
            "attribute": ["manager", "manager", "role"],
            "value": ["boss", "outsider", "IT"],
        }
    )
    signals = pl.DataFrame({"post_id": ["2", "2"], "person_id": ["ann@x.org", None], "kind": ["like", "like"]})
    events = pl.DataFrame({"person_id": ["bob"], "kind": ["view"], "object": ["ann@x.org"]})
    memberships = pl.DataFrame({"person_id": ["bob"], "space": ["with-bob"]})
    mentions = pl.DataFrame({"post_id": ["1"], "person_id": ["bob"]})
    return sna.build_forum(
        posts=posts,
        people=people,
        roles=roles,
        signals=signals,
        events=events,
        memberships=memberships,
        mentions=mentions,
        issues=sna.admit.make_issues("posts", "odd", kind="note", position="person ann@x.org", detail="Ann Lee"),
    )


def _everything(forum):
    cells = []
    for name in [*sna.schema.TABLES, "issues"]:
        for column in getattr(forum, name).select(pl.col(pl.String)):
            cells += [str(value) for value in column.drop_nulls()]
    return "\n".join(cells).lower()


def test_no_id_name_or_address_survives_in_any_table(chatty):
    shown = _everything(privacy.pseudonymise(chatty, key=KEY, keep_text=True))
    for trace in ("ann", "lee", "x.org", "bob", "boss", "outsider"):
        assert trace in _everything(chatty)
        assert trace not in shown


def test_pseudonyms_keep_who_talks_to_whom_and_who_manages_whom(chatty):
    shown = privacy.pseudonymise(chatty, key=KEY)
    new = dict(zip(chatty.posts["author_id"], shown.posts["author_id"], strict=True))
    assert len(set(new.values())) == 2
    manager = dict(shown.attribute("manager").drop_nulls().iter_rows())
    assert manager[new["ann@x.org"]] in shown.people["person_id"].to_list()
    assert shown.posts["text"].null_count() == 3
    assert shown.posts["parent_id"].equals(chatty.posts["parent_id"])
    assert shown.memberships["space"][0] == shown.posts["space"][0]


def test_only_whole_words_are_names():
    people = pl.DataFrame({"person_id": ["7", "8"], "name": ["Rob", "Mo Lee"]})
    posts = pl.DataFrame(
        {"post_id": ["1"], "thread_id": ["1"], "author_id": ["7"], "title": ["A problem: Rob's robe, rob, MO LEE"]}
    )
    shown = privacy.pseudonymise(sna.build_forum(people=people, posts=posts), key=KEY)
    rob, mo = (
        shown.posts["author_id"][0],
        next(p for p in shown.people["person_id"] if p != shown.posts["author_id"][0]),
    )
    assert shown.posts["title"][0] == f"A problem: {rob}'s robe, {rob}, {mo}"


def test_same_key_same_pseudonyms_other_key_others_short_key_refused(chatty):
    first, again = (privacy.pseudonymise(chatty, key=KEY) for _ in range(2))
    other = privacy.pseudonymise(chatty, key=KEY + b"!")
    assert first.equals(again)
    assert not set(first.people["person_id"]) & set(other.people["person_id"])
    with pytest.raises(sna.SnaError, match="at least 16 bytes"):
        privacy.pseudonymise(chatty, key="short")


def test_people_who_opted_out_are_nowhere_and_threads_stay_whole():
    forum = make_forum(opt_out_share=0.1, n_people=60, n_threads=80, rng=1).forum
    gone = forum.people.filter("opt_out")["person_id"].to_list()
    assert len(gone) == 6
    rest = privacy.without_opted_out(forum)
    shown = set(_everything(rest).split("\n"))
    assert not shown & set(gone)
    assert rest.posts.height == forum.posts.height
    assert rest.signals.height == forum.signals.height
    mine = forum.posts["author_id"].is_in(gone)
    assert mine.sum() > 0
    assert rest.posts.filter(mine).select("author_id", "title", "text").null_count().row(0) == (mine.sum(),) * 3
    assert rest.posts.filter(~mine).equals(forum.posts.filter(~mine))
    assert rest.issues.row(0, named=True)["n"] == 6
    assert privacy.without_opted_out(rest) is rest


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a\u202eb\u2066c", "abc"),
        ("two\r\nlines\t", "two lines"),
        ("nul\x00\x1b[31m", "nul[31m"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("\ufeffbom\u200b", "bom"),
        ("é 日本 👩‍🔬", "é 日本 👩‍🔬"),
        ("A\u00adnn\u200d Sm\u200cith", "Ann Smith"),
        ("\u0645\u06cc\u200c\u0631\u0648\u062f", "\u0645\u06cc\u200c\u0631\u0648\u062f"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_labels_are_one_line_and_harmless(text, safe):
    assert privacy.clean_label(text) == safe


def test_csv_cells_are_never_formulas(tmp_path):
    texts = [
        "=1+1",
        "+1",
        "-2",
        "@SUM(A1)",
        "\t=1",
        " =cmd|'/c calc'!A0",
        "\uff1d1",
        "fine",
        "a=b",
        "two\nlines",
        None,
        ";=1+1",
        "\u3000=1+1",
        ",\u00a0@x",
    ]
    frame = pl.DataFrame({"=name": texts, "n": range(len(texts)), "x": [-1.5] * len(texts)})
    path = privacy.write_csv_safely(frame, tmp_path / "deep" / "out.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["'=name", "n", "x"]
    for original, (cell, _, number) in zip(texts, rows[1:], strict=True):
        assert not cell.lstrip(" '\t;,\u00a0\u3000").startswith(("=", "+", "-", "@", "\uff1d")) or cell.startswith("'")
        assert cell.removeprefix("'") == (original or "")
        assert number == "-1.5"


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = privacy.write_csv_safely(pl.DataFrame({"a": [1]}), tmp_path / "out.csv")

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(sna.ReadError, match="No space left"):
        privacy.write_csv_safely(pl.DataFrame({"a": [2]}), path)
    assert path.read_text() == '"a"\n1\n'
    assert list(tmp_path.iterdir()) == [path]
