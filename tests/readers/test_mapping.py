"""The mapping language, its errors, and every preset on a small export of its own platform."""

import json
import struct
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import sna
from sna.errors import FormatError, ParameterError, ReadError, SchemaError
from sna.formats import sqldump
from sna.formats.bson import read_bson
from sna.formats.container import open_container
from sna.formats.sqldump import list_sql_tables, read_sql_tables
from sna.readers.mapping.compute import plain_text
from tests.workbook import make_workbook


def counted(forum):
    rows = forum.issues.group_by("table", "reason").agg(pl.col("n").sum()).rows()
    return {(table, reason): n for table, reason, n in rows}


def balanced(forum):
    return (forum.accounting()["added"] >= 0).all() and (forum.accounting()["used"] >= 0).all()


def posts(forum, *columns):
    return forum.posts.sort("post_id").select("post_id", *columns).rows()


# ------------------------------------------------------------------------------------------------ the language
MAPPING = """
name: notes
settings:
  null_values: ["", "-"]
  timezone: Europe/Berlin
  dialect: {sep: ";"}
people:
  - from: {table: staff}
    columns: {person_id: nr, name: {template: "{first} {last}"}, kind: {col: what, map: {robot: bot, "*": human}}}
posts:
  - from: {table: notes}
    drop: {state: trash}
    private_when: [{room: secret}, {room: boss}]
    dedupe_key: [post_id]
    columns:
      post_id: {col: id, prefix: "n"}
      author_id: {col: login, lookup: {table: staff, key: login, value: nr}}
      created_at: {col: on, type: strptime, format: "%d.%m.%y %H:%M"}
      space: {coalesce: [room, {const: hall}]}
      kind: {col: sort, map: {Q: root, A: answer}}
      text: {col: words, type: html}
mentions:
  - from: {table: notes}
    explode: {col: words, regex: '@(\\w+)', as: who}
    where: {state: {not: trash}, room: {not: [secret, boss]}}
    dedupe_key: [post_id, person_id]
    columns:
      post_id: {col: id, prefix: "n"}
      person_id: {col: who, lookup: {table: staff, key: login, value: nr}}
capabilities: {threads: no, text: yes, mentions: partial}
"""


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "staff.csv").write_text("nr;login;first;last;what\n1;ann;Ann;Ax;\n2;bob;Bob;By;\n3;r2;R;2;robot\n")
    (folder / "notes.csv").write_text(
        "id;login;on;room;sort;words;state\n"
        '1;ann;01.02.24 10:00;-;Q;"<b>Hi</b> @bob &amp; @bob @nobody";ok\n'
        "2;bob;01.07.24 10:00;lab;A;so;ok\n"
        "3;bob;32.07.24 10:00;lab;X;so;ok\n"
        "4;ann;01.02.24 10:00;secret;Q;shh;ok\n"
        "5;ann;01.02.24 10:00;lab;Q;gone;trash\n"
        "2;bob;01.07.24 10:00;lab;A;so;ok\n"
        "-;bob;01.07.24 10:00;lab;A;so;ok\n"
        "7;bob\n"
    )
    (tmp_path / "notes.yaml").write_text(MAPPING)
    return folder


def test_every_word_of_the_language(notes, tmp_path):
    forum = sna.read_mapped(notes, tmp_path / "notes.yaml")
    assert posts(forum, "author_id", "created_at", "space", "kind", "text") == [
        ("n1", "1", datetime(2024, 2, 1, 9, tzinfo=UTC), "hall", "root", "Hi @bob & @bob @nobody"),
        ("n2", "2", datetime(2024, 7, 1, 8, tzinfo=UTC), "lab", "answer", "so"),
        ("n3", "2", None, "lab", "root", "so"),
    ]
    assert forum.people.select("person_id", "name", "kind").rows() == [
        ("1", "Ann Ax", "human"), ("2", "Bob By", "human"), ("3", "R 2", "bot")]  # fmt: skip
    assert forum.mentions.select("post_id", "person_id").rows() == [("n1", "2")]
    assert counted(forum) == {
        ("posts", "private_space"): 1,
        ("posts", "dropped_by_mapping"): 1,
        ("posts", "bad_time"): 1,
        ("posts", "times_removed"): 1,
        ("posts", "unknown_kind"): 1,
        ("posts", "duplicate_row"): 1,
        ("posts", "missing_value"): 1,
        ("posts", "damaged_row"): 1,
        ("mentions", "missing_value"): 1,
        ("mentions", "duplicate_row"): 1,
    }
    books = forum.accounting().row(by_predicate=pl.col("table") == "posts", named=True)
    assert books == {"table": "posts", "read": 8, "used": 3, "rejected": 3, "withheld": 2, "added": 0}
    assert balanced(forum)
    assert forum.supports("text") == "yes"
    assert forum.supports("mentions") == "partial"
    private = sna.read_mapped(notes, tmp_path / "notes.yaml", include_private=True)
    assert "n4" in private.posts["post_id"]


def test_validate_shows_what_a_mapping_fills(notes, tmp_path):
    shown = sna.validate_mapping(tmp_path / "notes.yaml")
    assert shown["table"].to_list() == ["people", "posts", "mentions"]
    assert shown["source"].to_list() == ["table staff", "table notes", "table notes"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("person_id: nr", "person: nr", "the keys are person_id"),
        ("type: strptime", "type: moment", "one of time, iso"),
        ("kind: {col: sort", "kind: {kol: sort", "the keys are col"),
        ("drop: {state: trash}", "remove: {state: trash}", "the keys are from, explode"),
        ("'@(\\w+)'", "'@(\\w+)(?=x)'", "without look-around"),
        ("timezone: Europe/Berlin", "timezone: Mars", "Europe/Berlin"),
        ("format: ", "formula: ", "the keys are col"),
        ("threads: no", "threads: maybe", "one of yes, partial, no"),
        ("name: notes", "name: My Notes", "one word in small letters"),
        ('post_id: {col: id, prefix: "n"}\n      author', "author", "must fill post_id"),
        ("value: nr}}\n      created", "wert: nr}}\n      created", "lookup"),
        ("{template: ", "{const: x, template: ", "exactly one of"),
    ],
)
def test_mistakes_name_the_line_and_what_is_allowed(tmp_path, old, new, words):
    path = tmp_path / "bad.yaml"
    assert old in MAPPING
    line = MAPPING[: MAPPING.index(old)].count("\n") + 1
    path.write_text(MAPPING.replace(old, new))
    with pytest.raises(SchemaError, match=words) as caught:
        sna.validate_mapping(path)
    found = int(str(caught.value).split("line ")[1].split(",")[0])
    assert abs(found - line) <= 1, str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x\n", "anchors"),
        ("a: [1\n", "valid YAML"),
        ("name: a\nname: b\n", "may occur once"),
        ("name: a\n", "fills posts or people"),
        ("[1, 2]", "this is a mapping"),
        ("name: !!python/object/apply:os.system [x]\n", "valid YAML"),
    ],
)
def test_yaml_that_is_no_mapping(tmp_path, text, words):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SchemaError, match=words):
        sna.validate_mapping(path)


def test_what_is_not_there_is_told(notes, tmp_path):
    with pytest.raises(ParameterError, match="presets: askbot"):
        sna.read_mapped(notes, "nothing")
    (notes / "staff.csv").unlink()
    with pytest.raises(FormatError, match="needs the tables"):
        sna.read_mapped(notes, tmp_path / "notes.yaml")


def test_a_guess_is_a_mapping_with_reasons_that_works(tmp_path):
    path = tmp_path / "posts.csv"
    rows = "".join(f"{i},{'ann' if i % 2 else 'bob'},2024-01-0{i},t{i // 3},some words here\n" for i in range(1, 9))
    path.write_text("id,author,created,thread,body\n" + rows)
    guess = sna.guess_mapping(path)
    assert "named like author" in str(guess)
    (tmp_path / "m.yaml").write_text(str(guess))
    forum = sna.read_mapped(path, tmp_path / "m.yaml")
    assert (forum.posts.height, forum.posts["thread_id"].n_unique()) == (8, 3)
    assert forum.supports("threads") == "yes"
    (tmp_path / "x").mkdir()
    (tmp_path / "x/a.bin").write_bytes(b"\x00")
    (tmp_path / "x/b.bin").write_bytes(b"\x00")
    with pytest.raises(FormatError, match="must hold a table"):
        sna.guess_mapping(tmp_path / "x")


# ------------------------------------------------------------------------------------------------ SQL dumps
DUMP = r"""-- MySQL dump
CREATE TABLE `my_posts` (
  `pid` int unsigned NOT NULL,
  `tid` int, `fid` int,
  `note` enum('a','b') DEFAULT 'a',
  PRIMARY KEY (`pid`),
  KEY `x` (`tid`)
);
INSERT INTO `my_secrets` VALUES (1,'hunter2');
INSERT INTO `my_posts` VALUES (1,2,3,'it''s; (a) \'test\', \\ \n'),(2,NULL,-3.5,0x4142);
INSERT INTO my_posts (pid, note) VALUES
(3, 'line one
line two'),
(4, _binary 'b');
INSERT INTO `my_posts` VALUES (5,6),(7,8,9,'torn
"""


def test_inserts_are_tokenised_not_run(tmp_path):
    path = tmp_path / "d.sql"
    path.write_text(DUMP.replace("`tid` int, `fid` int", "`tid` int,\n  `fid` int"))
    with open_container(path) as box:
        assert list_sql_tables(box, "d.sql") == {"my_posts": ["pid", "tid", "fid", "note"], "my_secrets": []}
        rows = [(columns, values) for _, columns, values, _ in read_sql_tables(box, "d.sql", wanted=["my_posts"])]
    assert rows[0][1] == ["1", "2", "3", "it's; (a) 'test', \\ \n"]
    assert rows[1][1] == ["2", None, "-3.5", "0x4142"]
    assert rows[2] == (["pid", "note"], ["3", "line one\nline two"])
    assert rows[3][1] == ["4", "b"]
    assert [values for _, values in rows[4:]] == [None, None]


VALUE = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00\x08\x1a\r"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), VALUE), min_size=1, max_size=4))
def test_any_value_survives_a_dump(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("d") / "d.sql"
    escaped = [
        "NULL" if v is None else "'" + v.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
        for v in values
    ]
    columns = ", ".join(f"c{i}" for i in range(len(values)))
    path.write_bytes(f"INSERT INTO t ({columns}) VALUES ({', '.join(escaped)});\n".encode())
    with open_container(path) as box:
        assert [row for _, _, row, _ in read_sql_tables(box, "d.sql", wanted=["t"])] == [values]


def bson(record):
    body = b""
    for key, value in record.items():
        name = key.encode() + b"\x00"
        if isinstance(value, bool):
            body += b"\x08" + name + bytes([value])
        elif isinstance(value, str):
            body += b"\x02" + name + struct.pack("<i", len(value.encode()) + 1) + value.encode() + b"\x00"
        elif isinstance(value, int):
            body += b"\x12" + name + struct.pack("<q", value)
        elif isinstance(value, datetime):
            body += b"\x09" + name + struct.pack("<q", int(value.timestamp() * 1000))
        elif isinstance(value, list):
            body += b"\x04" + name + bson({str(i): item for i, item in enumerate(value)})
        else:
            body += b"\x03" + name + bson(value)
    return struct.pack("<i", len(body) + 5) + body + b"\x00"


def test_bson_is_read_or_refused(tmp_path):
    record = {"a": "ü", "b": [1, True], "c": {"d": datetime(2024, 1, 1, tzinfo=UTC)}}
    path = tmp_path / "x.bson"
    path.write_bytes(bson(record) * 2)
    with path.open("rb") as stream:
        assert list(read_bson(stream)) == [{"a": "ü", "b": [1, True], "c": {"d": "2024-01-01T00:00:00+00:00"}}] * 2
    for damage in (bson(record)[:-3], b"\xff\xff\xff\x7f", b"\x06\x00\x00\x00\x99\x00"):
        path.write_bytes(damage)
        with path.open("rb") as stream, pytest.raises(ReadError):
            list(read_bson(stream))


def test_plain_text_leaves_out_quotes_and_tags():
    words = [
        "[quote=bob post_id=3]old[/quote]<b>new</b> &lt;x&gt; [url=http://x]y[/url]",
        "<r><QUOTE>old</QUOTE>new</r>",
    ]
    assert plain_text(pl.Series(words)).to_list() == ["new <x> y", "new"]


# ------------------------------------------------------------------------------------------------ presets
def insert(table, columns, *rows):
    values = ",\n".join("(" + ",".join(row) + ")" for row in rows)
    return f"INSERT INTO {table} ({', '.join(columns.split())}) VALUES\n{values};\n"


def test_mybb(tmp_path):
    dump = (
        insert("mybb_users", "uid username email usergroup regdate lastvisit password",
               ("1", "'ann'", "'a@x.io'", "4", "1700000000", "1700000500", "'hash'"),
               ("2", "'bob'", "''", "2", "1700000000", "0", "'hash'"))
        + insert("mybb_threads", "tid fid firstpost", ("7", "3", "10"))
        + insert("mybb_forums", "fid name", ("3", "'Help'"))
        + insert("mybb_posts", "pid tid replyto fid subject uid dateline message edittime visible",
                 ("10", "7", "0", "3", "'Hi'", "1", "1700000100", "'[b]x[/b]'", "0", "1"),
                 ("11", "7", "10", "3", "''", "2", "1700000200", "'y'", "1700000300", "1"),
                 ("12", "7", "0", "3", "''", "0", "1700000250", "'guest'", "0", "1"),
                 ("13", "7", "10", "3", "''", "2", "1700000400", "'spam'", "0", "0"))
        + insert("mybb_reputation", "rid uid adduid pid reputation dateline",
                 ("1", "1", "2", "10", "1", "1700000600"), ("2", "1", "2", "0", "1", "1700000600"),
                 ("3", "2", "1", "11", "-1", "1700000600"))
    )  # fmt: skip
    path = tmp_path / "board.sql"
    path.write_text(dump)
    forum = sna.read_forum(path)
    assert forum.source.platform == "mybb"
    assert posts(forum, "parent_id", "author_id", "kind", "space") == [
        ("10", None, "1", "root", "Help"),
        ("11", "10", "2", "reply", "Help"),
        ("12", "10", None, "reply", "Help"),
    ]
    assert forum.signals.select("post_id", "person_id", "kind").rows() == [
        ("10", "2", "endorse"),
        ("11", "1", "downvote"),
    ]
    assert forum.roles["value"].to_list() == ["admin"]
    assert forum.events.height == 1
    assert counted(forum) == {("posts", "dropped_by_mapping"): 1}
    assert balanced(forum)
    assert sna.guess_mapping(path).preset == "mybb"


def test_phpbb_replies_go_to_the_quote_or_the_post_before(tmp_path):
    dump = (
        insert("phpbb_users", "user_id username user_type user_email user_regdate",
               ("1", "'Anonymous'", "2", "''", "0"), ("2", "'ann'", "3", "'a@x.io'", "1700000000"),
               ("3", "'bob'", "0", "''", "1700000000"))
        + insert("phpbb_topics", "topic_id forum_id", ("5", "1"))
        + insert("phpbb_posts", "post_id topic_id forum_id poster_id post_time post_subject post_text post_visibility",
                 ("1", "5", "1", "2", "1700000001", "'s'", "'<t>Hello</t>'", "1"),
                 ("2", "5", "1", "3", "1700000002", "'s'", "'plain'", "1"),
                 ("3", "5", "1", "2", "1700000003", "'s'",
                  "'<r><QUOTE author=\"ann\" post_id=\"1\" time=\"1\" user_id=\"2\">Hello</QUOTE>back</r>'", "1"),
                 ("4", "5", "1", "1", "1700000004", "'s'", "'[quote=\"bob\" post_id=2 time=1]plain[/quote]guest'", "1"),
                 ("5", "5", "1", "3", "1700000005", "'s'", "'waiting'", "0"))
    )  # fmt: skip
    path = tmp_path / "x.sql"
    path.write_text(dump)
    forum = sna.read_forum(path)
    assert posts(forum, "parent_id", "parent_basis", "author_id", "text") == [
        ("1", None, "none", "2", "Hello"),
        ("2", "1", "previous", "3", "plain"),
        ("3", "1", "quote", "2", "back"),
        ("4", "2", "quote", None, "guest"),
    ]
    assert counted(forum) == {("posts", "dropped_by_mapping"): 1}
    assert forum.people["person_id"].to_list() == ["2", "3"]


def test_flarum(tmp_path):
    dump = (
        "CREATE TABLE `fl_discussions` (\n `id` int,\n `title` text,\n `user_id` int,\n `first_post_id` int,\n"
        " `created_at` datetime,\n `is_private` int,\n `best_answer_post_id` int,\n `best_answer_user_id` int,\n"
        " `best_answer_set_at` datetime\n);\n"
        "INSERT INTO `fl_discussions` VALUES (1,'How?',1,1,'2024-01-01 00:00:00',0,2,1,'2024-01-03 00:00:00'),"
        "(2,'Secret',1,9,'2024-01-01 00:00:00',1,NULL,NULL,NULL);\n"
        + insert("fl_users", "id username email joined_at", ("1", "'ann'", "'a@x.io'", "'2023-01-01 00:00:00'"),
                 ("2", "'bob'", "''", "NULL"))
        + insert("fl_posts", "id discussion_id number user_id type content created_at hidden_at is_private",
                 ("1", "1", "1", "1", "'comment'", "'<t>Q</t>'", "'2024-01-01 00:00:00'", "NULL", "0"),
                 ("2", "1", "2", "2", "'comment'", "'<r>A</r>'", "'2024-01-02 00:00:00'", "NULL", "0"),
                 ("3", "1", "3", "1", "'comment'", "'<t>Re</t>'", "'2024-01-03 00:00:00'", "'2024-01-04'", "0"),
                 ("4", "1", "4", "1", "'discussionRenamed'", "'[]'", "'2024-01-03 00:00:00'", "NULL", "0"),
                 ("9", "2", "1", "1", "'comment'", "'<t>S</t>'", "'2024-01-01 00:00:00'", "NULL", "0"))
        + insert("fl_post_mentions_post", "post_id mentions_post_id", ("3", "2"))
        + insert("fl_post_likes", "post_id user_id created_at", ("2", "1", "'2024-01-05 00:00:00'"))
    )  # fmt: skip
    path = tmp_path / "f.sql"
    path.write_text(dump)
    forum = sna.read_forum(path)
    assert posts(forum, "parent_id", "parent_basis", "text", "title") == [
        ("1", None, "none", "Q", "How?"),
        ("2", "1", "root_default", "A", "How?"),
        ("3", "2", "explicit", "Re", "How?"),
    ]
    assert forum.posts["deleted_at"].null_count() == 2
    assert forum.signals.select("post_id", "person_id", "kind").rows() == [("2", "1", "accept"), ("2", "1", "like")]
    assert counted(forum) == {("posts", "private_space"): 1}
    assert balanced(forum)


def test_jive_escapes_quotes_with_a_backslash(tmp_path):
    folder = tmp_path / "jive"
    folder.mkdir()
    (folder / "users.csv").write_text(
        "userid,email,firstname,lastname,username,creationdate\n1,a@x.io,Ann,Ax,ann,1700000000000\n2,b@x.io,Bob,By,bob,1700000000000\n"
    )
    (folder / "messages.csv").write_text(
        "messageid,parentmessageid,threadid,containerid,userid,subject,body,creationdate\n"
        '1,0,9,4,1,"A \\"big\\" thing","<p>one,\ntwo</p>",1700000000000\n2,1,9,4,2,Re,"no",1700000100000\n'
    )
    (folder / "communities.csv").write_text("communityid,name\n4,Lounge\n")
    (folder / "groups.csv").write_text("groupid,name\n6,Club\n")
    (folder / "group_members.csv").write_text("userid,groupid\n1,6\n")
    forum = sna.read_forum(folder)
    assert forum.source.platform == "jive"
    assert posts(forum, "parent_id", "title", "text", "space") == [
        ("1", None, 'A "big" thing', "one,\ntwo", "Lounge"), ("2", "1", "Re", "no", "Lounge")]  # fmt: skip
    assert forum.posts["created_at"][0] == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert forum.memberships.select("person_id", "space").rows() == [("1", "Club")]
    assert balanced(forum)


def test_discord(tmp_path):
    def message(number, kind="Default", **extra):
        author = {"id": "77", "name": "ann", "nickname": "Ann", "isBot": False, "roles": [{"id": "5", "name": "Mod"}]}
        base = {"id": str(number), "type": kind, "timestamp": f"2024-01-0{number}T00:00:00+00:00", "content": "x",
                "author": author, "mentions": [], "reactions": [], "timestampEdited": None}  # fmt: skip
        return base | extra

    bot = {"id": "88", "name": "bot", "isBot": True}
    everything = [
        message(1, reactions=[{"emoji": {"code": "fire"}, "count": 1, "users": [{"id": "99"}]},
                              {"emoji": {"name": "Y"}, "count": 3}]),
        message(2, "Reply", author=bot, reference={"messageId": "1"}, mentions=[{"id": "77", "name": "ann"}]),
        message(3, "ChannelPinnedMessage"),
    ]  # fmt: skip
    export = {"guild": {"id": "1"}, "channel": {"id": "2", "type": "GuildTextChat", "name": "general"},
              "dateRange": {}, "exportedAt": "2024-02-01T00:00:00+00:00", "messages": everything}  # fmt: skip
    path = tmp_path / "c.json"
    path.write_text(json.dumps(export))
    forum = sna.read_forum(path)
    assert posts(forum, "parent_id", "thread_id", "author_id", "space") == [
        ("1", None, "1", "77", "general"), ("2", "1", "1", "88", "general")]  # fmt: skip
    assert forum.signals.select("person_id", "kind", "n").rows() == [(None, "emoji:Y", 3), ("99", "emoji:fire", 1)]
    assert dict(forum.people.select("person_id", "kind").iter_rows()) == {"77": "human", "88": "bot", "99": "human"}
    assert forum.mentions["person_id"].to_list() == ["77"]
    assert forum.roles.select("person_id", "value").rows() == [("77", "Mod")]
    export["channel"]["type"] = "DirectTextChat"
    path.write_text(json.dumps(export))
    with pytest.raises(ReadError, match="private"):
        sna.read_forum(path)
    assert sna.read_forum(path, include_private=True).posts.height == 2


def test_humhub_comments_hang_on_posts_and_comments(tmp_path):
    folder = tmp_path / "hum"
    folder.mkdir()
    post, comment = "humhub\\modules\\post\\models\\Post", "humhub\\modules\\comment\\models\\Comment"
    tables = {
        "user": ["id,username,email,created_at", "1,ann,a@x.io,2024-01-01 00:00:00", "2,bob,,"],
        "space": ["id,name,contentcontainer_id", "1,Hall,5"],
        "post": ["id,message", "1,hello", "2,hush"],
        "content": ["id,object_model,object_id,created_by,created_at,visibility,contentcontainer_id",
                    f"1,{post},1,1,2024-01-01 00:00:00,1,5", f"2,{post},2,1,2024-01-01 00:00:00,0,5"],
        "comment": ["id,message,object_model,object_id,created_by,created_at", f"1,yes,{post},1,2,2024-01-02 00:00:00",
                    f"2,why,{comment},1,1,2024-01-03 00:00:00", f"3,psst,{post},2,2,2024-01-04 00:00:00",
                    f"4,psst,{comment},3,2,2024-01-04 00:00:00"],
        "like": ["id,object_model,object_id,created_by,created_at", f"1,{comment},1,1,2024-01-05 00:00:00"],
    }  # fmt: skip
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    forum = sna.read_forum(folder)
    assert posts(forum, "parent_id", "thread_id", "author_id", "space", "text") == [
        ("c1", "p1", "p1", "2", "Hall", "yes"), ("c2", "c1", "p1", "1", "Hall", "why"),
        ("p1", None, "p1", "1", "Hall", "hello")]  # fmt: skip
    assert counted(forum) == {("posts", "private_space"): 3}
    assert forum.signals.select("post_id", "person_id").rows() == [("c1", "1")]
    assert balanced(forum)


@pytest.mark.parametrize("packing", ["bson", "json"])
def test_rocketchat_dump_with_private_rooms(tmp_path, packing):
    folder = tmp_path / "rc"
    folder.mkdir()
    ann, bob = {"_id": "A", "username": "ann", "name": "Ann"}, {"_id": "B", "username": "bob"}
    when = datetime(2024, 1, 1, tzinfo=UTC)
    files = {
        "users": [{"_id": "A", "username": "ann", "name": "Ann", "type": "user", "createdAt": when},
                  {"_id": "Z", "username": "zbot", "type": "bot", "createdAt": when}],
        "rocketchat_room": [{"_id": "R", "t": "c", "name": "general"}, {"_id": "P", "t": "d", "name": "x"}],
        "rocketchat_message": [
            {"_id": "m1", "rid": "R", "msg": "hi", "ts": when, "u": ann, "_updatedAt": when,
             "reactions": {":ok:": {"usernames": ["zbot"]}}},
            {"_id": "m2", "rid": "R", "msg": "@ann", "ts": when, "u": bob, "tmid": "m1", "_updatedAt": when,
             "mentions": [ann, {"_id": "all"}]},
            {"_id": "m3", "rid": "P", "msg": "psst", "ts": when, "u": ann, "_updatedAt": when},
            {"_id": "m4", "rid": "R", "msg": "ann", "t": "uj", "ts": when, "u": ann, "_updatedAt": when},
        ],
    }  # fmt: skip
    for name, records in files.items():
        if packing == "bson":
            (folder / f"{name}.bson").write_bytes(b"".join(map(bson, records)))
        else:
            dated = json.dumps(records, default=lambda d: {"$date": d.isoformat()})
            (folder / f"{name}.json").write_text("\n".join(json.dumps(r) for r in json.loads(dated)))
    forum = sna.read_forum(folder)
    assert forum.source.platform == "rocketchat"
    assert posts(forum, "parent_id", "parent_basis", "author_id", "space") == [
        ("m1", None, "none", "A", "general"), ("m2", "m1", "root_default", "B", "general")]  # fmt: skip
    assert dict(forum.people.select("person_id", "kind").iter_rows()) == {"A": "human", "B": "human", "Z": "bot"}
    assert forum.mentions["person_id"].to_list() == ["A"]
    assert forum.signals.select("person_id", "kind").rows() == [("Z", "emoji:ok")]
    withheld = forum.accounting().filter(pl.col("table") == "posts")["withheld"].item()
    assert withheld == 2
    assert balanced(forum)


def test_atom_with_a_document_type_is_refused(tmp_path):
    path = tmp_path / "x.xml"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "b">]><feed xmlns="http://www.w3.org/2005/Atom">&a;</feed>'
    )
    with pytest.raises(ReadError, match="DOCTYPE"):
        sna.read_mapped(path, "hcl_connections")


# ------------------------------------------------------------------------------------------------ real samples
def test_real_socialcast(shared, tmp_path):
    for name in ("users.json", "messages.json"):
        (tmp_path / name).write_bytes((shared / "fixtures/socialcast" / name).read_bytes())
    oracle = json.loads((shared / "fixtures/ORACLES.json").read_text())["socialcast"]
    forum = sna.read_forum(tmp_path, include_private=True)
    assert forum.people.height == oracle["users"]
    assert forum.roles.filter(attribute="manager").height == oracle["with_manager"]
    kinds = dict(forum.posts["kind"].value_counts().iter_rows())
    assert kinds == {"root": oracle["messages"], "comment": oracle["comments"]}
    assert forum.signals.height >= oracle["likes"]
    whole = sna.read_forum(shared / "fixtures/socialcast", include_private=True)
    assert dict(whole.posts["kind"].value_counts().iter_rows()) == {"root": 40, "comment": 38}
    assert whole.signals.height == 43
    assert balanced(whole)


@pytest.mark.parametrize(
    ("name", "platform", "n_posts", "n_people"),
    [
        ("hcl_connections", "hcl_connections", 12, 1),
        ("rocketchat/perceval", "rocketchat", 3, 2),
        ("phpbb/mention.xml", "phpbb3", 2, 10),
        ("askbot/askbot_api_questions.json", "askbot", 1, 1),
    ],
)
def test_real_samples(shared, name, platform, n_posts, n_people):
    forum = sna.read_forum(shared / "fixtures" / name)
    assert forum.source.platform == platform
    assert (forum.posts.height, forum.people.height) == (n_posts, n_people)
    assert balanced(forum)


def test_a_real_dump_of_an_empty_board_says_that_it_is_empty(shared):
    with pytest.raises(ReadError, match="must hold posts"):
        sna.read_forum(shared / "fixtures/flarum")


def test_presets_are_checked_and_in_the_package():
    names = sna.list_presets()
    assert {
        "phpbb3",
        "mybb",
        "flarum",
        "rocketchat",
        "hcl_connections",
        "jive",
        "socialcast",
        "discord",
        "humhub",
    } <= set(names)
    known = {reader.name for reader in sna.list_readers()}
    assert set(names) <= known
    for name in names:
        assert "posts" in sna.validate_mapping(name)["table"]


def test_the_example_in_the_docs_is_a_mapping(tmp_path):
    text = (Path(__file__).parents[2] / "docs/readers/mapping.md").read_text(encoding="utf-8")
    block = text.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "m.yaml").write_text(block)
    assert sna.validate_mapping(tmp_path / "m.yaml")["table"].to_list() == ["posts", "mentions"]
    assert all(f"| {name} |" in text for name in sna.list_presets())


def test_a_create_table_on_one_line_names_its_columns():
    line = (
        "`a` enum('x,(y'), b decimal(10,2) DEFAULT '1,5' COMMENT 'c, d', PRIMARY KEY (`a`,`b`(3)), `key` int) ENGINE=x"
    )
    assert sqldump._columns_of(line) == ["a", "b", "key"]
    assert sqldump._columns_of(line.replace(", ", ",\n  ")) == ["a", "b", "key"]


def test_rocketchat_pages_under_any_name_and_both_spellings_of_a_date(tmp_path):
    user = {"_id": "u2", "username": "bob"}
    first = {
        "_id": "m1",
        "rid": "R",
        "msg": "hi",
        "ts": "2024-01-01T10:00:00.000Z",
        "u": {"_id": "u1", "username": "ann"},
    }
    first |= {"reactions": {":heart:": {"usernames": ["bob"]}}}
    second = {"_id": "m2", "rid": "R", "tmid": "m1", "msg": "re", "ts": "2024-01-01T10:01:00.000Z", "u": user}
    page = tmp_path / "pages" / "general.json"
    page.parent.mkdir()
    page.write_text(json.dumps({"messages": [first, second], "success": True}))
    forum = sna.read_forum(page.parent)
    assert forum.posts.select("post_id", "parent_id").rows() == [("m1", None), ("m2", "m1")]
    assert forum.signals.select("person_id", "kind").rows() == [("u2", "emoji:heart")]
    first["ts"], second["ts"] = {"$date": "2024-01-01T10:00:00.000Z"}, {"$date": {"$numberLong": "1704103260000"}}
    dump = tmp_path / "dump" / "rocketchat_message.json"
    dump.parent.mkdir()
    dump.write_text("\n".join(json.dumps(message) for message in (first, second)))
    again = sna.read_forum(dump.parent)
    assert again.posts["created_at"].to_list() == forum.posts["created_at"].to_list()


def test_a_mapping_that_is_not_utf8_is_said(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_bytes("name: notes\ntitle: Größe\n".encode("cp1252"))
    with pytest.raises(SchemaError, match="UTF-8"):
        sna.validate_mapping(path)


def test_what_stands_in_a_second_row_of_a_post_does_not_go_to_the_first(tmp_path):
    (tmp_path / "a.csv").write_text("id,who,on,ok\n1,ann,2024-01-01,\n2,bob,2024-01-02,\n2,cat,2024-01-03,1\n")
    rule = {"from": {"table": "a"}}
    columns = {
        "post_id": "id",
        "thread_id": {"const": "t"},
        "author_id": "who",
        "created_at": {"col": "on", "type": "iso"},
    }
    accept = {**rule, "where": {"ok": "1"}, "columns": {"post_id": "id", "kind": {"const": "accept"}}}
    forum = sna.read_mapped(tmp_path, {"name": "a", "posts": [{**rule, "columns": columns}], "signals": [accept]})
    assert forum.signals.is_empty()
    told = forum.issues.select("table", "reason", "position").rows()
    assert ("posts", "duplicate_id", "line 4") in told
    assert ("signals", "message_not_kept", "line 4") in told


def test_lone_surrogates_in_lists_are_mended(tmp_path):
    (tmp_path / "m.json").write_text('[{"id": "1", "by": "a", "likes": ["\\ud83d", "bob"]}]')
    posts = {"from": {"file": "m.json"}, "columns": {"post_id": "id", "author_id": "by"}}
    likes = {"from": {"file": "m.json"}, "explode": {"col": "likes", "as": "who"},
             "columns": {"post_id": "id", "person_id": "who", "kind": {"const": "like"}}}  # fmt: skip
    forum = sna.read_mapped(tmp_path, {"name": "m", "posts": [posts], "signals": [likes]})
    assert forum.signals.height == 2


def guessed(tmp_path, text, name="posts.csv"):
    path = tmp_path / name
    path.write_text(text)
    return sna.guess_mapping(path)


def lines_of(guess):
    """The columns of the first rule of a guess."""
    return {name: spec.get("col", spec) if isinstance(spec, dict) else spec
            for name, spec in yaml.load(guess.yaml, yaml.BaseLoader)["posts"][0]["columns"].items()}  # fmt: skip


def test_the_id_is_the_column_the_replies_name(tmp_path):
    rows = [f"{900 + i},<m{i}@x>,{f'<m{i - 1}@x>' if i % 3 else ''},u{i % 4},2024-01-{i + 1:02}" for i in range(20)]
    guess = guessed(tmp_path, "id,message_id,in_reply_to,from_id,sent\n" + "\n".join(rows) + "\n")
    assert lines_of(guess) == {"post_id": "message_id", "author_id": "from_id", "created_at": "sent",
                               "parent_id": "in_reply_to"}  # fmt: skip
    assert "13 of 13 replies find the post they answer (100%)" in guess.tested
    assert guess.tested[0] == "all 20 rows give 20 posts by 4 people, 2024-01-01 to 2024-01-20"
    forum = sna.read_mapped(tmp_path, guess.mapping)
    assert forum.posts["parent_id"].drop_nulls().len() == 13


@pytest.mark.parametrize(
    ("header", "field"),
    [("uid", "author_id"), ("sender_email", "author_id"), ("from_name", "author_id"), ("User ID", "author_id"),
     ("stream", "space"), ("list", "space")],
)  # fmt: skip
def test_headers_that_are_known(tmp_path, header, field):
    who = "" if field == "author_id" else ",author"
    rows = [f"x{i % 3},2024-01-{i + 1:02},text of {i}{',a' + str(i % 2) if who else ''}" for i in range(9)]
    guess = guessed(tmp_path, f"{header},date,body{who}\n" + "\n".join(rows) + "\n")
    assert lines_of(guess)[field] == header


def test_a_resolve_column_gives_acceptances(tmp_path):
    rows = ["1,t,ann,2024-01-01,no", "2,t,bob,2024-01-02,yes", "3,t,ann,2024-01-03,no"]
    guess = guessed(tmp_path, "id,thread,author,date,resolve\n" + "\n".join(rows) + "\n")
    assert sna.read_mapped(tmp_path, guess.mapping).signals["post_id"].to_list() == ["2"]


def test_nothing_required_is_left_out_and_what_is_open_is_refused(tmp_path):
    guess = guessed(tmp_path, "subject,posted\nhello,2024-01-01\nhello,2024-01-02\n")
    assert guess.missing == ("author_id: no column looks like a person",)
    assert "author_id: FILL_IN" in guess.yaml
    assert "post_id: {made: true}" in guess.yaml
    (tmp_path / "m.yaml").write_text(guess.yaml)
    with pytest.raises(SchemaError, match="still to be filled in"):
        sna.validate_mapping(tmp_path / "m.yaml")


def test_day_or_month_is_asked_for_and_never_chosen(tmp_path):
    guess = guessed(tmp_path, "user,date,text\nann,05/06/15 05:52,how do\nbob,07/06/15 05:52,like so\n")
    assert "type: FILL_IN" in guess.yaml
    with pytest.raises(SchemaError, match="still to be filled in"):
        guess.mapping  # noqa: B018
    (tmp_path / "m.yaml").write_text(guess.yaml.replace("FILL_IN", "date_dmy"))
    forum = sna.read_mapped(tmp_path, tmp_path / "m.yaml")
    assert [at.isoformat()[:16] for at in forum.posts["created_at"]] == ["2015-06-05T05:52", "2015-06-07T05:52"]


def test_ids_are_made_thread_by_thread_whatever_the_order_of_rows(tmp_path):
    rows = ["ann,t,2024-01-01", "bob,t,2024-01-02", "cat,u,2024-01-01", "ann,,2024-01-05"]
    forums = []
    for order in (rows, rows[::-1]):
        guess = guessed(tmp_path, "author,thread,date\n" + "\n".join(order) + "\n")
        forums.append(sna.read_mapped(tmp_path, guess.mapping))
    assert forums[0].posts["post_id"].to_list() == ["t#1", "u#1", "t#2", "post#1"]
    assert forums[0].posts.equals(forums[1].posts)


def test_like_files_are_one_table_and_the_others_are_named(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for month in range(1, 21):
        rows = "".join(f"{month}-{i},u{i},2020-01-{i + 1:02},t{month},hello there\n" for i in range(5))
        (folder / f"2020-{month:02}.csv").write_text("post_id,user,posted,topic,message\n" + rows)
    (folder / "users.csv").write_text("id,name\n1,ann\n")
    guess = sna.guess_mapping(folder)
    assert "Read: 20 of 21 files" in guess.yaml
    assert "Not read: users.csv" in guess.yaml
    assert sna.read_mapped(folder, guess.mapping).posts.height == 100
    (folder / "2020-99.csv").write_text("other,columns\n1,2\n")
    again = sna.guess_mapping(folder)
    assert sna.read_mapped(folder, again.mapping).posts.height == 100
    assert "Read: 20 of 22 files" in again.yaml


OWN_XML = """<forum><topic id="7"><title>Q</title>
<post id="11"><by>ann</by><at>2024-01-01T10:00:00</at><body>how do</body></post>
<post id="12"><by>bob</by><at>2024-01-01T11:00:00</at><body>like so</body></post></topic>
<topic id="8"><title>R</title><post id="13"><by>cat</by><at>2024-01-02T10:00:00</at><body>tea ?</body></post></topic>
</forum>"""


def test_own_xml_is_read_with_what_stands_around_it(tmp_path):
    guess = guessed(tmp_path, OWN_XML, "own.xml")
    forum = sna.read_mapped(tmp_path, guess.mapping)
    assert forum.posts.select("post_id", "thread_id", "author_id", "title", "text").rows() == [
        ("11", "7", "ann", "Q", "how do"),
        ("12", "7", "bob", "Q", "like so"),
        ("13", "8", "cat", "R", "tea ?"),
    ]


def test_a_workbook_and_nested_json_are_guessed_too(tmp_path):
    rows = [["author", "date", "text"], ["ann", ("date", 45413.5), "how do"], ["bob", ("date", 45414.25), "like so"]]
    (tmp_path / "b.xlsx").write_bytes(make_workbook({"Log": [["x"]], "Posts": rows}))
    guess = sna.guess_mapping(tmp_path / "b.xlsx")
    assert sna.read_mapped(tmp_path / "b.xlsx", guess.mapping).posts["author_id"].to_list() == ["ann", "bob"]
    data = {"channel": {"name": "hall"}, "messages": [{"id": i, "author": {"uid": "u"}, "timestamp": 1700000000 + i,
            "content": "hello there", "reply_to": i - 1 if i % 2 else None} for i in range(10)]}  # fmt: skip
    (tmp_path / "j.json").write_text(json.dumps(data))
    forum = sna.read_mapped(tmp_path / "j.json", sna.guess_mapping(tmp_path / "j.json").mapping)
    assert forum.posts["space"].unique().to_list() == ["hall"]
    assert forum.posts["parent_id"].drop_nulls().len() == 5


@pytest.mark.parametrize(
    ("name", "text"),
    [("n.md", "# Notes\n\nSome words, no table\n"), ("n.xml", "<a><b>c</b></a>"), ("n.html", "<p>x</p>")],
)
def test_what_is_no_table_is_said_to_be_none(tmp_path, name, text):
    with pytest.raises(FormatError, match="must hold a table of posts"):
        guessed(tmp_path, text, name)


def test_hostile_headers_stay_in_their_line(tmp_path):
    rows = "".join(f"u{i % 3},2024-01-{i + 1:02},some text {i}\n" for i in range(9))
    guess = guessed(tmp_path, '"auth\nor: x",date,"te""xt"\n' + rows)
    data = yaml.load(guess.yaml.replace("FILL_IN", "date"), yaml.BaseLoader)
    assert set(data) == {"name", "settings", "posts", "capabilities"}


def test_a_guess_looks_at_the_first_rows_only(tmp_path):
    path = tmp_path / "big.csv"
    n = 300_000
    frame = pl.DataFrame({"id": range(n), "user": [f"u{i % 500}" for i in range(n)], "date": "2024-01-01 10:00:00"})
    frame.write_csv(path)
    started = time.process_time()
    guess = sna.guess_mapping(path)
    assert time.process_time() - started < 3
    assert guess.tested[0].startswith("the first 5,000 rows give 5,000 posts by 500 people")


def test_a_column_that_names_each_row_is_found_whatever_it_is_called(tmp_path):
    rows = "".join(f"k{i},u{i % 3},2024-01-{i + 1:02},some text,IT\n" for i in range(9))
    guess = guessed(tmp_path, "laufnr,author,date,text,department\n" + rows)
    assert lines_of(guess)["post_id"] == "laufnr"
    assert "Columns not used: department" in guess.yaml
