"""Any table of posts or ties becomes a Forum; nothing is guessed in silence, nothing lost without an issue."""

import gzip
import random
import zipfile
from datetime import UTC, datetime

import pandas
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sna
from sna.errors import ParameterError, ReadError, SchemaError
from sna.formats.csv import find_separator
from sna.formats.frames import load_frame
from sna.formats.times import parse_times
from sna.talk.interactions import list_interactions
from tests.workbook import make_workbook

COLUMNS = {"author": "who", "created_at": "when", "thread": "topic", "kind": "type", "text": "body"}
ROWS = [
    ("ann", "2024-01-01 09:00:00", "help", "question", "How?"),
    ("bob", "2024-01-01 10:00:00", "help", "answer", "So."),
    ("ann", "2024-01-02 09:00:00", "help", "question", "And how?"),
    ("cat", "2024-01-03 09:00:00", "help", "answer", 'Like "this"; and, that\nway'),
    ("bob", "2024-01-04 09:00:00", "tea", "question", "Tea?"),
]
FRAME = pl.DataFrame(ROWS, schema=["who", "when", "topic", "type", "body"], orient="row")


def balanced(forum):
    table = forum.accounting()
    return (table["added"] >= 0).all() and (table["used"] >= 0).all()


def reasons(forum):
    return dict(forum.issues.group_by("reason").agg(pl.col("n").sum()).iter_rows())


def test_replies_go_to_the_question_before_them():
    forum = sna.read_table(FRAME, columns=COLUMNS)
    assert forum.posts.select("post_id", "parent_id", "kind", "parent_basis").rows() == [
        ("help#1", None, "root", "none"),
        ("help#2", "help#1", "answer", "root_default"),
        ("help#3", None, "root", "none"),
        ("help#4", "help#3", "answer", "root_default"),
        ("tea#1", None, "root", "none"),
    ]
    assert forum.people["person_id"].to_list() == ["ann", "bob", "cat"]
    assert forum.supports("reply_parent") == "partial"
    assert forum.supports("spaces") == "no"
    assert forum.supports("exact_times") == "yes"
    assert balanced(forum)


def test_without_columns_the_error_shows_a_mapping_that_works():
    with pytest.raises(SchemaError) as caught:
        sna.read_table(FRAME)
    code = caught.value.hint.split("\n", 1)[1]
    forum = eval(code, {"sna": sna, "frame": FRAME})
    assert forum.posts["thread_id"].n_unique() == 2
    assert forum.posts["text"].null_count() == 0
    guess = sna.guess_columns(FRAME)
    assert dict(guess.select("field", "column").iter_rows()) == {
        "author": "who",
        "created_at": "when",
        "thread": "topic",
        "kind": "type",
        "text": "body",
    }
    assert guess["confidence"].is_between(0, 1).all()
    assert (guess["reasons"].str.len_chars() > 0).all()


def test_a_guess_says_what_it_did_not_find():
    with pytest.raises(SchemaError, match=r'"author": \.\.\.,  # not found'):
        sna.read_table(pl.DataFrame({"xx": ["q"], "posted at": ["2024-01-01"], "timestamp": ["2024-01-01"]}))


@pytest.mark.parametrize("kind", ["csv", "semicolon", "tab", "utf16", "bom", "gz", "zip", "jsonl", "json", "parquet"])
def test_every_container_gives_the_same_forum(tmp_path, kind):
    path = write_as(tmp_path, kind)
    forum = sna.read_table(path, columns=COLUMNS)
    direct = sna.read_table(FRAME, columns=COLUMNS)
    assert forum.posts.equals(direct.posts)
    assert forum.people.equals(direct.people)
    assert balanced(forum)


def write_as(folder, kind):
    text = FRAME.write_csv(separator={"semicolon": ";", "tab": "\t"}.get(kind, ","))
    path = folder / f"t.{kind}"
    if kind == "utf16":
        path.write_bytes(text.encode("utf-16"))
    elif kind == "bom":
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    elif kind == "gz":
        path = folder / "t.csv.gz"
        path.write_bytes(gzip.compress(text.encode()))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("posts.csv", text)
    elif kind == "jsonl":
        FRAME.write_ndjson(path)
    elif kind == "json":
        FRAME.write_json(path)
    elif kind == "parquet":
        FRAME.write_parquet(path)
    else:
        path.write_text(text)
    return path


def test_pandas_without_an_arrow_library():
    table = pandas.DataFrame({name: FRAME[name].to_list() for name in FRAME.columns})
    table["when"] = pandas.to_datetime(table["when"]).dt.tz_localize("Europe/Berlin")
    table["id"] = [1.0, 2.0, float("nan"), 4.0, 5.0]
    table["topic"] = table["topic"].astype("category")
    forum = sna.read_table(table, columns={**COLUMNS, "post_id": "id"})
    assert forum.posts["post_id"].to_list() == ["1", "2", "4", "5"]
    assert forum.posts["created_at"][0] == datetime(2024, 1, 1, 8, tzinfo=UTC)
    assert reasons(forum) == {"missing_id": 1}
    assert balanced(forum)


def test_attributes_become_spells_that_change_with_the_posts():
    rows = [
        ("ann", "2024-01-01", "Staff"),
        ("ann", "2024-01-02", "Staff"),
        ("ann", "2024-01-03", "Expert"),
        ("ann", "2024-01-04", ""),
        ("ann", "2024-01-05", "Staff"),
        ("bob", "2024-01-01", "Expert"),
    ]
    frame = pl.DataFrame(rows, schema=["who", "when", "role"], orient="row")
    forum = sna.read_table(frame, columns={"author": "who", "created_at": "when"}, attributes={"role": "role"})
    spells = forum.roles.select("person_id", "value", pl.col("valid_from").dt.day(), pl.col("valid_to").dt.day())
    assert spells.rows() == [("ann", "Staff", 1, 3), ("ann", "Expert", 3, 5), ("ann", "Staff", 5, None),
                             ("bob", "Expert", 1, None)]  # fmt: skip
    assert forum.roles["basis"].unique().to_list() == ["inferred"]
    as_of = sna.join_attribute(forum, forum.posts, by="role", person="author_id")
    assert as_of.filter(pl.col("author_id") == "ann")["role"].to_list() == [
        "Staff", "Staff", "Expert", "Expert", "Staff"]  # fmt: skip


def test_two_values_at_one_moment_are_settled_and_said():
    frame = pl.DataFrame({"who": ["a"] * 3, "when": ["2024-01-01"] * 3, "role": ["x", "y", "y"]})
    forum = sna.read_table(frame, columns={"author": "who", "created_at": "when"}, attributes={"role": "role"})
    assert forum.roles["value"].to_list() == ["y"]
    assert reasons(forum)["conflicting_attribute"] == 1


def test_bad_rows_are_issues_and_the_books_balance(tmp_path):
    lines = [
        "id,who,when,topic",
        "1,ann,2024-01-01,t",
        "2,bob,yesterday,t",
        "3,cat,2024-01-03,t,extra",
        "4,dan",
        "1,eve,2024-01-05,t",
        ",fay,2024-01-06,t",
        "5,,2024-01-07,t",
        "6,gus,2024-01-08,,",
        "",
        '="007",=cmd(),2024-01-09,t',
        "1.23E+11,h\x00al,2024-01-10,t",
    ]
    path = tmp_path / "bad.csv"
    path.write_text("\n".join(lines))
    forum = sna.read_table(path, columns={"author": "who", "created_at": "when", "thread": "topic", "post_id": "id"})
    assert reasons(forum) == {
        "bad_time": 1,
        "times_removed": 1,
        "damaged_row": 2,
        "duplicate_id": 1,
        "missing_id": 1,
        "missing_author": 1,
        "missing_thread": 1,
        "formula_cell": 1,
        "spreadsheet_number": 1,
        "nul_bytes": 1,
    }
    books = forum.accounting().row(by_predicate=pl.col("table") == "posts", named=True)
    assert books == {"table": "posts", "read": 10, "used": 6, "rejected": 4, "withheld": 0, "added": 0}
    assert set(forum.posts["post_id"]) == {"1", "2", "5", "6", "007", "1.23E+11"}
    assert "hal" in forum.people["person_id"]
    assert forum.issues.filter(pl.col("reason") == "damaged_row")["position"].sort().to_list() == ["line 4", "line 5"]


@pytest.mark.parametrize(("encoding", "note"), [("cp1252", "cp1252"), ("utf-8", None), ("utf-16-le", "utf-16-le")])
def test_other_encodings_are_found_and_said(tmp_path, encoding, note):
    path = tmp_path / "t.csv"
    path.write_bytes("who,when\nJürgen,2024-01-01\nZoë,2024-01-02\n".encode(encoding))
    forum = sna.read_table(path, columns={"author": "who", "created_at": "when"})
    assert forum.people["person_id"].to_list() == ["Jürgen", "Zoë"]
    found = forum.issues.filter(pl.col("reason") == "encoding")["detail"].to_list()
    assert (note is None and not found) or note in found[0]


def test_damaged_utf8_stays_utf8(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"who,when\n" + "Jürgen,2024-01-01\n".encode() * 30 + b"Zo\xff,2024-01-02\n")
    forum = sna.read_table(path, columns={"author": "who", "created_at": "when"})
    assert forum.people["person_id"].to_list() == ["Jürgen", "Zo\ufffd"]


def test_bad_json_lines_are_rejected_one_by_one(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"who": {"id": 7}, "when": 1700000000}\n{"who": \n[1]\n{"late": "x", "who": {"id": 8}}\n')
    forum = sna.read_table(path, columns={"author": "who.id", "created_at": "when", "text": "late"})
    assert forum.people["person_id"].to_list() == ["7", "8"]
    assert forum.posts.filter(pl.col("author_id") == "8")["text"].to_list() == ["x"]
    assert reasons(forum) == {"damaged_row": 2}
    assert balanced(forum)


def test_threads_follow_from_parents_and_survive_a_missing_root():
    frame = pl.DataFrame({"i": ["a", "b", "c", "d", "e"], "up": [None, "a", "b", "gone", "gone"], "w": list("vwxyz")})
    forum = sna.read_table(frame, columns={"author": "w", "post_id": "i", "parent": "up"})
    assert dict(forum.posts.select("post_id", "thread_id").iter_rows()) == {
        "a": "a", "b": "a", "c": "a", "d": "gone", "e": "gone"}  # fmt: skip
    assert forum.supports("reply_parent") == "yes"
    assert reasons(forum) == {"parent_missing": 2}


def test_private_rows_are_withheld_unless_asked_for():
    frame = pl.DataFrame({"w": ["a", "b"], "p": [True, False]})
    columns = {"author": "w", "private": "p"}
    assert sna.read_table(frame, columns=columns).people["person_id"].to_list() == ["b"]
    books = sna.read_table(frame, columns=columns).accounting()
    assert books.filter(pl.col("table") == "posts")["withheld"].item() == 1
    assert sna.read_table(frame, columns=columns, include_private=True).posts.height == 2


def test_signals_mentions_and_people_from_columns():
    frame = pl.DataFrame({"w": ["a", "b"], "to": ["b", ""], "ok": ["no", "yes"], "n": [3, 0], "mail": ["A@x", None],
                          "bot": ["", "true"], "t": ["t", "t"], "when": ["2024-01-01", "2024-01-02"]})  # fmt: skip
    forum = sna.read_table(
        frame,
        columns={"author": "w", "addressee": "to", "accepted": "ok", "likes": "n", "thread": "t", "created_at": "when"},
        people_columns={"email": "mail", "kind": "bot"},
    )
    assert forum.signals.select("post_id", "kind", "n").rows() == [("t#1", "like", 3), ("t#2", "accept", 1)]
    assert forum.mentions["person_id"].to_list() == ["b"]
    assert forum.people.select("person_id", "email", "kind").rows() == [("a", "A@x", "human"), ("b", None, "bot")]
    assert {c for c in ("mentions", "acceptance", "reactions") if forum.supports(c) != "no"} == {
        "mentions", "acceptance", "reactions"}  # fmt: skip


def test_a_word_that_is_neither_yes_nor_no_is_said():
    frame = pl.DataFrame({"w": list("abcd"), "ok": ["no", "yes", "wontfix", None], "t": "t",
                          "when": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]})  # fmt: skip
    columns = {"author": "w", "accepted": "ok", "thread": "t", "created_at": "when"}
    forum = sna.read_table(frame, columns=columns)
    assert forum.signals["post_id"].to_list() == ["t#2"]
    told = forum.issues.select("reason", "kind", "position", "detail").rows()
    assert told == [("unknown_flag", "repaired", "row 3", "accepted wontfix")]


def test_a_question_is_no_accepted_answer():
    frame = pl.DataFrame({"w": list("ab"), "ok": ["yes", "yes"], "t": "t", "when": ["2024-01-01", "2024-01-02"]})
    forum = sna.read_table(frame, columns={"author": "w", "accepted": "ok", "thread": "t", "created_at": "when"})
    assert forum.signals["post_id"].to_list() == ["t#2"]
    assert reasons(forum) == {"accepted_root": 1}


@pytest.mark.parametrize("name", ["t.xlsx", "t.zip"])
def test_a_sheet_of_a_workbook_is_a_table(tmp_path, name):
    rows = [["who", "when", "n"], ["ann", ("date", 45413.5), 7], ["bob", ("date", 45414.25), None]]
    book = make_workbook({"Posts": rows, "Empty": []})
    path = tmp_path / name
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inside.xlsx", book)
    else:
        path.write_bytes(book)
    forum = sna.read_table(path, columns={"author": "who", "created_at": "when", "post_id": "n"})
    assert forum.posts.select("post_id", "author_id", pl.col("created_at").dt.hour()).rows() == [("7", "ann", 12)]
    assert forum.issues.select("reason", "position").rows() == [("missing_id", "Posts row 3")]


def test_a_workbook_of_several_sheets_asks_which(tmp_path):
    path = tmp_path / "t.xlsx"
    path.write_bytes(make_workbook({"A": [["who"], ["ann"]], "B": [["who"], ["bob"]]}))
    with pytest.raises(ParameterError, match="sheets with rows: 'A', 'B'"):
        sna.read_table(path, columns={"author": "who"})
    assert sna.read_table(path, columns={"author": "who"}, sheet="B").people["person_id"].to_list() == ["bob"]
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ReadError, match="must be a whole workbook"):
        sna.read_table(path, columns={"author": "who"})


def test_spaces_around_names_are_kept_and_said_or_stripped():
    frame = pl.DataFrame({"w": ["ann", "ann ", "bob"]})
    forum = sna.read_table(frame, columns={"author": "w"})
    assert forum.people.height == 3
    assert reasons(forum) == {"spaces_around": 1}
    assert sna.read_table(frame, columns={"author": "w"}, strip=True).people.height == 2


def test_several_columns_make_one_id_without_collisions():
    frame = pl.DataFrame({"w": ["a"] * 3, "x": ["p", "p | q", "p"], "y": ["q | r", "r", "q | r"]})
    forum = sna.read_table(frame, columns={"author": "w", "thread": ["x", "y"]})
    assert forum.posts["thread_id"].n_unique() == 2


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"columns": {"author": "wh0"}}, SchemaError, "did you mean 'who'"),
        ({"columns": {"writer": "who"}}, ParameterError, "Unknown: 'writer'"),
        ({"columns": {"created_at": "when"}}, SchemaError, "must name the author"),
        ({"columns": {"author": "who", "created_at": "body"}}, SchemaError, "None could be read"),
        ({"time_format": "nonsense"}, ParameterError, "strftime"),
        ({"timezone": "Mars/Base"}, ParameterError, "Europe/Berlin"),
        ({"kinds": {"question": "starter"}}, ParameterError, "starter"),
        ({"columns": {"author": "who", "text": ["body", "type"]}}, ParameterError, "several columns"),
    ],
)
def test_mistakes_are_told_with_what_to_do(change, error, words):
    with pytest.raises(error, match=words):
        sna.read_table(FRAME, **{"columns": COLUMNS, **change})


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("empty.csv", b"", ReadError),
        ("blank.csv", b"\n \n", ReadError),
        ("head.csv", b"who,when\n", ReadError),
        ("book.xls", b"\xd0\xcf\x11\xe0" + b"\x00" * 600, ReadError),
        ("cut.parquet", b"PAR1abc", ReadError),
        ("cut.json", b'[{"who": 1}', ReadError),
    ],
)
def test_files_that_are_no_table(tmp_path, name, content, error):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error):
        sna.read_table(path, columns={"author": "who"})


def test_a_missing_file_and_something_that_is_no_table():
    with pytest.raises(ReadError, match="no such file"):
        sna.read_table("nowhere.csv", columns={"author": "who"})
    with pytest.raises(ParameterError, match="Got int"):
        sna.read_table(7, columns={"author": "who"})


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        (["2024-05-01T12:00:00+02:00", "2024-05-01 10:00Z"], {}, "2024-05-01 10:00:00"),
        (["1.5.2024 10:00", "01.05.2024 10:00:00"], {}, "2024-05-01 10:00:00"),
        (["5/31/2024", "5/31/2024 12:00 AM"], {}, "2024-05-31 00:00:00"),
        (["31/5/2024"], {}, "2024-05-31 00:00:00"),
        (["3/4/2024"], {"time_format": "dmy"}, "2024-04-03 00:00:00"),
        (["1714557600", "1714557600.0"], {}, "2024-05-01 10:00:00"),
        ([1714557600000], {}, "2024-05-01 10:00:00"),
        (["Wed, 01 May 2024 12:00:00 +0200"], {}, "2024-05-01 10:00:00"),
        (["45413.5"], {"time_format": "excel"}, "2024-05-01 12:00:00"),
        (["2024-05-01 12:00"], {"timezone": "Europe/Berlin"}, "2024-05-01 10:00:00"),
        (["2024-03-31 02:30"], {"timezone": "Europe/Berlin"}, "2024-03-31 01:30:00"),
        (["01-May-2024 10:00:00"], {"time_format": "%d-%b-%Y %H:%M:%S"}, "2024-05-01 10:00:00"),
        (["175928847299117063"], {"time_format": "snowflake"}, "2016-04-30 11:18:25"),
        (["2024-10-27 02:30"], {"timezone": "Europe/Berlin"}, "2024-10-27 00:30:00"),
        (["05/06/15 05:52"], {"time_format": "dmy"}, "2015-06-05 05:52:00"),
        (["05/06/15 05:52"], {"time_format": "mdy"}, "2015-05-06 05:52:00"),
        (["31.12.99 23:59", "31/12/99 23:59:00"], {}, "1999-12-31 23:59:00"),
        (["45413,5"], {"time_format": "excel"}, "2024-05-01 12:00:00"),
        (["Wed, 01 May 2024 12:00:00 +0200"], {"timezone": "Europe/Berlin"}, "2024-05-01 10:00:00"),
        (["May 1, 2024 10:00 AM", "1 May 2024 10:00", "2024/5/1 10:00"], {}, "2024-05-01 10:00:00"),
    ],
)
def test_times_in_all_their_clothes(values, options, expected):
    times = parse_times(pl.Series(values), **options)
    assert times.dt.strftime("%Y-%m-%d %H:%M:%S").unique().to_list() == [expected]


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (["05/06/15 05:52"], {"time_format": "%d/%m/%Y %H:%M"}),
        ([datetime(9999, 12, 31, tzinfo=UTC)], {}),
        ([datetime(1, 1, 1)], {"timezone": "Asia/Tokyo"}),
        (["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"], {}),
    ],
)
def test_impossible_years_are_not_read(values, options):
    assert parse_times(pl.Series(values), **options).null_count() == len(values)


def test_a_time_of_an_impossible_year_is_never_silent():
    frame = pl.DataFrame({"who": ["ann", "bob"], "when": ["05/06/15", "05/06/2015"]})
    forum = sna.read_table(frame, columns={"author": "who", "created_at": "when"}, time_format="%d/%m/%Y")
    assert forum.posts["created_at"].dt.year().to_list() == [2015, None]
    assert reasons(forum) == {"bad_time": 1, "times_removed": 1}


@pytest.mark.parametrize("values", [["3/4/2024"], ["13/1/2024", "1/13/2024"], [5, 6], ["2020"]])
def test_times_that_can_mean_two_things_are_refused(values):
    with pytest.raises(SchemaError, match="one way only"):
        parse_times(pl.Series(values))


def test_separator_is_found_by_equal_widths():
    assert find_separator("a;b,c;d\n1;2,5;3\n1;2,5;3\n") == ";"
    assert find_separator("u v 12\nu w 13\nx v 14\n") == " "
    assert find_separator("text\none, two\nthree\n") == ","


def test_row_order_does_not_matter(tmp_path):
    direct = sna.read_table(FRAME, columns=COLUMNS)
    shuffled = sna.read_table(FRAME[::-1], columns=COLUMNS)
    assert direct.posts.equals(shuffled.posts)
    assert direct.equals(sna.read_table(FRAME, columns=COLUMNS))


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
TABLE = st.lists(
    st.tuples(
        CELL.filter(lambda s: s.strip() not in sna.readers.tables.posts.NULL_VALUES),
        st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)),
        CELL,
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(rows=TABLE, seed=st.integers(0, 99), sep=st.sampled_from([",", ";", "\t"]))
def test_any_table_survives_csv_and_shuffling(tmp_path_factory, rows, seed, sep):
    frame = pl.DataFrame(rows, schema={"w": pl.String, "t": pl.Datetime("us"), "x": pl.String}, orient="row")
    path = tmp_path_factory.mktemp("t") / "t.csv"
    shuffled = rows.copy()
    random.Random(seed).shuffle(shuffled)
    pl.DataFrame(shuffled, schema=frame.schema, orient="row").write_csv(path, separator=sep, quote_style="always")
    columns = {"author": "w", "created_at": "t", "text": "x"}
    direct, read = sna.read_table(frame, columns=columns), sna.read_table(path, columns=columns)
    assert direct.posts.equals(read.posts)
    assert direct.people.equals(read.people)
    assert direct.posts.height == len(rows)
    assert sorted(direct.posts["author_id"]) == sorted(w for w, _, _ in rows)
    assert balanced(read)


TIES = pl.DataFrame(
    [("ann", "bob", "2024-01-02"), ("ann", "bob", "2024-01-01"), ("bob", "bob", "2024-01-03"), ("cat", "ann", "")],
    schema=["from", "to", "time"],
    orient="row",
)


def test_edges_come_back_as_they_were():
    forum = sna.read_edges(TIES, source="from", target="to", at="time")
    back = list_interactions(forum, kinds=("mention",), self_ties=True)
    assert back.select("source", "target").rows() == [("ann", "bob"), ("ann", "bob"), ("bob", "bob"), ("cat", "ann")]
    assert back["at"].dt.day().to_list() == [1, 2, 3, None]
    assert forum.people["person_id"].to_list() == ["ann", "bob", "cat"]
    assert forum.supports("threads") == "no"
    assert balanced(forum)
    assert forum.posts.equals(sna.read_edges(TIES[::-1], source="from", target="to", at="time").posts)
    with pytest.raises(sna.NotAnswerableError):
        list_interactions(forum, kinds=("reply",))


def test_edges_without_header_and_with_bad_rows(tmp_path):
    path = tmp_path / "e.txt"
    path.write_text("1 2 1254192988\n3  4 1254194656\n5\n6 7 soon\n")
    forum = sna.read_edges(path, source=0, target=1, at=2)
    assert forum.posts.select("author_id", "created_at").rows() == [
        ("1", datetime(2009, 9, 29, 2, 56, 28, tzinfo=UTC)),
        ("3", datetime(2009, 9, 29, 3, 24, 16, tzinfo=UTC)),
        ("6", None),
    ]
    assert reasons(forum) == {"damaged_row": 1, "bad_time": 1, "times_removed": 1}
    books = forum.accounting().filter(pl.col("table") == "posts")
    assert books.select("read", "used", "rejected").row(0) == (4, 3, 1)


def test_one_mail_to_three_people_is_one_post():
    frame = pl.DataFrame({"m": ["1", "1", "2", "2"], "f": ["a", "a", "b", "c"], "t": ["x", "y", "x", "y"]})
    forum = sna.read_edges(frame, source="f", target="t", message="m", space="m")
    assert forum.posts.select("post_id", "author_id").rows() == [("1", "a"), ("2/b", "b"), ("2/c", "c")]
    assert forum.mentions.height == 4
    assert reasons(forum) == {"id_reused": 1}
    assert balanced(forum)


def test_edges_propose_columns_instead_of_taking_them():
    with pytest.raises(SchemaError, match=r'source="from", target="to", at="time"'):
        sna.read_edges(TIES)
    with pytest.raises(SchemaError, match="no column 'form'"):
        sna.read_edges(TIES, source="form", target="to")
    with pytest.raises(ReadError, match="No row"):
        sna.read_edges(pl.DataFrame({"f": [""], "t": ["x"]}), source="f", target="t")


def test_real_role_forum(shared):
    forum = sna.read_table(
        shared / "data/ennet_roles/ennet_dataset_2020-10-04.csv",
        columns={"author": "user", "created_at": "date_time", "thread": ["theme", "topic"], "space": "theme",
                 "kind": "type", "title": "topic", "text": "post"},
        attributes={"role": "role", "job_title": "job"},
    )  # fmt: skip
    assert forum.posts.height == 8650
    assert forum.posts["kind"].value_counts().sort("kind").rows() == [("answer", 5676), ("root", 2974)]
    assert forum.posts["thread_id"].n_unique() == 2916
    assert forum.posts["author_id"].n_unique() == 1696
    assert forum.posts["space"].n_unique() == 18
    roles = sna.join_attribute(forum, forum.posts, by="role", person="author_id")["role"].value_counts()
    assert dict(roles.drop_nulls().iter_rows()) == {
        "Normal user": 6177, "Frequent user": 1472, "Forum moderator": 677, "Technical expert": 323}  # fmt: skip
    assert balanced(forum)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("manufacturing_email/communication.csv", {"at": 2}, (167, 82_927, 5_784, 51)),
        ("email_eu_core/email-Eu-core.txt", {}, (1_005, 25_571, 25_571, 642)),
        ("sx_mathoverflow/sx-mathoverflow-a2q.txt.gz", {"at": 2}, (21_688, 107_581, 90_489, None)),
    ],
)
def test_real_edge_lists(shared, name, options, expected):
    forum = sna.read_edges(shared / "data" / name, source=0, target=1, **options)
    ties = list_interactions(forum, kinds=("mention",), self_ties=True)
    people, rows, pairs, loops = expected
    assert forum.people.height == people
    assert ties.height == rows
    assert ties.select("source", "target").unique().height == pairs
    assert loops is None or (ties["source"] == ties["target"]).sum() == loops


def test_loading_does_not_depend_on_the_quick_way(tmp_path):
    plain, quoted = tmp_path / "plain.csv", tmp_path / "quoted.csv"
    plain.write_text("a,b\n1,\n,2\n")
    quoted.write_text('a,b\n1,""\n"",2\n')
    assert load_frame(plain).frame.equals(load_frame(quoted).frame)
    assert load_frame(plain).lines.to_list() == load_frame(quoted).lines.to_list() == [2, 3]
