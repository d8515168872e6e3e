"""Pseudonyms reach every table, hidden groups stay hidden, labels and spreadsheets are safe."""

import csv

import numpy as np
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
        issues=sna.forum.make_issues("posts", "odd", kind="note", position="person ann@x.org", detail="Ann Lee"),
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


def _table(counts):
    rows, columns = counts.shape
    return pl.DataFrame(
        {
            "role": np.repeat([f"r{i}" for i in range(rows)], columns),
            "level": np.tile([f"l{j}" for j in range(columns)], rows),
            "n_people": counts.ravel().astype(int),
        }
    )


def _random_table(seed):
    return np.random.default_rng(seed).negative_binomial(0.9, 0.9 / (0.9 + 18), (8, 5))


def test_primary_suppression_alone_can_be_undone_and_ours_cannot():
    undone, cells, kept = 0, 0, 0
    for seed in range(4):
        counts = _table(_random_table(seed))
        naive = counts.with_columns(
            suppressed=pl.when(pl.col("n_people").is_between(1, 9)).then(pl.lit("small")).otherwise(pl.lit(""))
        )
        attack = privacy.audit_suppression(counts, naive, by=("role", "level"))
        undone += (attack["width"] < 1e-6).sum()
        cells += attack.height
        ours = privacy.suppress_small_groups(counts, by=("role", "level"), with_totals=True)
        audit = privacy.audit_suppression(counts, ours, by=("role", "level"))
        assert audit["safe"].all()
        assert (audit["width"] >= 10).all()
        kept += (ours["suppressed"] == "").sum()
        inner = ours.head(40)
        assert (inner.filter(suppressed="")["n_people"] >= 10).sum() + (inner["n_people"] == 0).sum() == (
            inner["suppressed"] == ""
        ).sum()
    assert undone > 0.15 * cells
    assert kept > 60


def test_hidden_values_hold_the_truth_between_the_bounds():
    counts = _table(_random_table(3))
    ours = privacy.suppress_small_groups(counts, by=("role", "level"), with_totals=True)
    audit = privacy.audit_suppression(counts, ours, by=("role", "level")).join(counts, on=["role", "level"])
    assert audit.height > 3
    assert (audit["low"] <= audit["n_people"]).all()
    assert (audit["n_people"] <= audit["high"]).all()


def test_one_cell_and_its_total_alone_in_a_row():
    """Hiding 12 to protect 3 does not help when 12 is alone in its row and the row's total is printed."""
    counts = _table(np.array([[3, 40, 50], [12, 0, 0], [60, 70, 80]]))
    ours = privacy.suppress_small_groups(counts, by=("role", "level"), with_totals=True)
    assert privacy.audit_suppression(counts, ours, by=("role", "level"))["safe"].all()


def test_dominated_groups_and_every_other_column_are_hidden():
    frame = pl.DataFrame(
        {"role": ["a", "b", "c"], "n_people": [30, 40, 50], "largest": [0.6, 0.1, 0.2], "mean_posts": [9.0, 2.0, 3.0]}
    )
    shown = privacy.suppress_small_groups(frame, by="role", largest_share="largest")
    assert shown["suppressed"].to_list() == ["dominated", "complementary", ""]
    assert shown["mean_posts"].to_list() == [None, None, 3.0]
    assert shown["n_people"].to_list() == [None, None, 50]


def test_the_floor_and_bad_tables_are_refused():
    frame = pl.DataFrame({"role": ["a", "a"], "n_people": [3, 4]})
    with pytest.raises(sna.SnaError, match="Groups below 5"):
        privacy.suppress_small_groups(frame, by="role", smallest=4)
    with pytest.raises(sna.SchemaError, match="repeated"):
        privacy.suppress_small_groups(frame, by="role")
    with pytest.raises(sna.SchemaError, match="needs the columns n"):
        privacy.suppress_small_groups(frame, by="role", n="n")


def test_suppression_does_not_depend_on_the_order_of_rows():
    counts = _table(_random_table(5))
    ours = privacy.suppress_small_groups(counts, by=("role", "level"))
    mixed = privacy.suppress_small_groups(counts.sample(fraction=1, shuffle=True, seed=2), by=("role", "level"))
    assert mixed.sort("role", "level").equals(ours.sort("role", "level"))


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a\u202eb\u2066c", "abc"),
        ("two\r\nlines\t", "two lines"),
        ("nul\x00\x1b[31m", "nul[31m"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("\ufeffbom\u200b", "bom"),
        ("é 日本 👩‍🔬", "é 日本 👩‍🔬"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_labels_are_one_line_and_harmless(text, safe):
    assert privacy.clean_label(text) == safe


def test_csv_cells_are_never_formulas(tmp_path):
    texts = ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", " =cmd|'/c calc'!A0", "\uff1d1", "fine", "a=b", "two\nlines", None]
    frame = pl.DataFrame({"=name": texts, "n": range(11), "x": [-1.5] * 11})
    path = privacy.write_csv_safely(frame, tmp_path / "deep" / "out.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["'=name", "n", "x"]
    for original, (cell, _, number) in zip(texts, rows[1:], strict=True):
        assert not cell.lstrip(" '\t").startswith(("=", "+", "-", "@", "\uff1d")) or cell.startswith("'")
        assert cell.removeprefix("'") == (original or "")
        assert number == "-1.5"
