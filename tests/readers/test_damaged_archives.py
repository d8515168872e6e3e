"""One bad mail, row or file costs that mail, row or file: it is an issue, and the rest of the export is read."""

import io
import json
import os
import tarfile
import time
import zipfile

import polars as pl
import pytest

import sna
from sna.formats.container import open_container
from sna.formats.html import scan_markdown
from sna.formats.sqldump import read_sql_tables
from tests.readers.test_mail import box, mail

QUESTION = (
    '<row Id="1" PostTypeId="1" CreationDate="2024-01-01T10:00:00" OwnerUserId="1" Title="q" AcceptedAnswerId="2" />'
)
ANSWER = '<row Id="2" PostTypeId="2" ParentId="1" CreationDate="2024-01-01T11:00:00" OwnerUserId="2" Body="a" />'
POSTS = f"<posts>\n{QUESTION}\n{ANSWER}\n</posts>"
COMMENTS = "<comments>\n" + "".join(f'<row Id="{i}" PostId="1" Text="t{i}" UserId="2" />\n' for i in range(5))


def site(folder, posts=POSTS, *, encoding="utf-8", **others):
    folder.mkdir(exist_ok=True)
    (folder / "Posts.xml").write_bytes(posts.encode(encoding))
    for name, text in others.items():
        (folder / f"{name}.xml").write_text(text, encoding="utf-8")
    return folder


def reasons(forum):
    """What happened to rows and files; not what follows for the forum as a whole."""
    return set(forum.issues.filter(pl.col("kind") != "warning")["reason"]) - {"not_in_people", "bad_time"}


# Stack Exchange


@pytest.mark.parametrize("declared", ["utf-16", "UTF-16", "utf-32"])
@pytest.mark.parametrize("written", ["utf-8", "utf-16-le", "utf-16-be", "utf-16"])
def test_a_dump_is_read_as_it_is_written_and_not_as_it_says(tmp_path, declared, written):
    text = f'<?xml version="1.0" encoding="{declared}"?>\n{POSTS}'
    forum = sna.read_forum(site(tmp_path, text, encoding=written))
    assert forum.posts["post_id"].to_list() == ["1", "2"]


def test_comments_without_a_head_or_without_anything_are_not_lost_in_silence(tmp_path):
    whole = COMMENTS + "</comments>"
    assert sna.read_forum(site(tmp_path / "a", Comments=whole)).posts.height == 7
    cut = sna.read_forum(site(tmp_path / "b", Comments=whole[40:]))
    assert cut.posts.filter(kind="comment")["post_id"].to_list() == ["c1", "c2", "c3", "c4"]
    assert reasons(cut) == {"damaged_row"}
    for n, text in enumerate(("", "\x00\x00", "<comments", "404 not found")):
        forum = sna.read_forum(site(tmp_path / f"c{n}", Comments=text))
        assert reasons(forum) == {"damaged_file"}
        assert forum.issues.filter(reason="damaged_file")["file"].to_list() == ["Comments.xml"]
        assert forum.posts.height == 2


def test_posts_without_a_head_are_read_from_the_first_whole_row_on(tmp_path):
    forum = sna.read_forum(site(tmp_path, POSTS[12:]))
    assert forum.posts["post_id"].to_list() == ["2"]
    assert "damaged_row" in reasons(forum)


def test_the_acceptance_of_a_rejected_copy_reaches_no_other_answer(tmp_path):
    copy = QUESTION.replace('AcceptedAnswerId="2"', 'AcceptedAnswerId="3"')
    other = ANSWER.replace('Id="2"', 'Id="3"', 1)
    for n, rows in enumerate(([QUESTION, copy], [copy, QUESTION])):
        later = [row.replace("10:00", "10:30") if row is copy else row for row in rows]
        forum = sna.read_forum(site(tmp_path / str(n), f"<posts>{''.join(later)}{ANSWER}{other}</posts>"))
        assert forum.signals.filter(kind="accept")["post_id"].to_list() == ["2"]


def test_the_accepted_post_is_found_with_its_own_time(tmp_path):
    vote = '<votes><row Id="1" PostId="2" VoteTypeId="1" CreationDate="2024-01-05T00:00:00" /></votes>'
    forum = sna.read_forum(site(tmp_path, Votes=vote))
    found = forum.signals.filter(kind="accept").join(forum.posts, on="post_id")
    row = found.row(0, named=True)
    assert (row["kind_right"], row["thread_id"], row["created_at"].hour, row["at"].day) == ("answer", "1", 11, 5)


def test_the_second_copy_of_a_question_accepts_nothing_at_stack_internal(tmp_path):
    def question(accepted, answer):
        facts = {"creation_date": 1_700_000_000, "owner": {"user_id": 1, "display_name": "Ann"}}
        answers = [{"answer_id": answer, "body": "a", **facts}]
        return {
            "question_id": 1,
            "title": "q",
            "body": "b",
            "accepted_answer_id": accepted,
            "answers": answers,
            **facts,
        }

    (tmp_path / "questions.json").write_text(json.dumps([question(5, 5), question(6, 6)]), encoding="utf-8")
    forum = sna.read_forum(tmp_path)
    assert sorted(forum.posts["post_id"]) == ["a5", "a6", "q1"]
    assert forum.signals.filter(kind="accept")["post_id"].to_list() == ["a5"]


# Discourse


def topic(number, posts, **facts):
    stream = {"posts": posts, "stream": [post["id"] for post in posts]}
    return {"id": number, "title": f"t{number}", "posts_count": len(posts), "post_stream": stream, **facts}


def post(key, number, **facts):
    return {"id": key, "post_number": number, "user_id": key, "username": f"u{key}", "cooked": "x"} | {
        "created_at": f"2024-01-01T{10 + number}:00:00Z", "updated_at": f"2024-01-01T{10 + number}:00:00Z", **facts
    }  # fmt: skip


def discourse(folder, *documents):
    (folder / "t.json").write_text(json.dumps(list(documents)), encoding="utf-8")
    return sna.read_forum(folder / "t.json")


def test_an_accepted_number_is_an_answer_of_its_own_topic(tmp_path):
    forum = discourse(tmp_path, topic(1, [post(1, 1), post(2, 2)], accepted_answer={"post_number": 2}))
    found = forum.signals.filter(kind="accept").join(forum.posts, on="post_id").row(0, named=True)
    assert (found["post_id"], found["created_at"].hour, found["at"]) == ("2", 12, None)


def test_of_two_posts_with_the_accepted_number_the_older_one_is_meant(tmp_path):
    for n, order in enumerate(([9, 2], [2, 9])):
        (tmp_path / str(n)).mkdir()
        posts = [post(1, 1), *(post(key, 2) for key in order)]
        forum = discourse(tmp_path / str(n), topic(1, posts, accepted_answer={"post_number": 2}))
        assert forum.signals.filter(kind="accept")["post_id"].to_list() == ["2"]


def test_a_question_is_not_its_own_accepted_answer(tmp_path):
    posts = [post(1, 1, accepted_answer=True), post(2, 2)]
    forum = discourse(tmp_path, topic(1, posts, accepted_answer={"post_number": 1}))
    assert forum.signals.is_empty()
    assert reasons(forum) == {"accepted_root"}


def test_an_accepted_answer_that_is_not_there_is_said(tmp_path):
    forum = discourse(tmp_path, topic(1, [post(1, 1), post(2, 2)], accepted_answer={"post_number": 9}))
    assert forum.signals.is_empty()
    assert forum.issues.filter(reason="accepted_answer_missing")["position"].to_list() == ["topic 1"]


def test_the_acceptance_of_a_rejected_post_stays_in_its_topic(tmp_path):
    first = topic(1, [post(1, 1), post(2, 2)], accepted_answer={"post_number": 2})
    second = topic(2, [post(3, 1), post(2, 2, updated_at="2023-01-01T00:00:00Z")], accepted_answer={"post_number": 2})
    for n, documents in enumerate(([first, second], [second, first])):
        (tmp_path / str(n)).mkdir()
        forum = discourse(tmp_path / str(n), *documents)
        assert forum.posts.filter(post_id="2")["thread_id"].to_list() == ["1"]
        assert forum.signals.filter(kind="accept")["post_id"].to_list() == ["2"]
        assert forum.issues.filter(reason="accepted_answer_missing")["position"].to_list() == ["topic 2"]


@pytest.mark.parametrize("value", [2**63, 2**70, -(2**70), True, 1.5, [1], {"a": 1}, "\ud800", 1e300, None])
@pytest.mark.parametrize("cell", ["reply_to_post_number", "version", "like_count", "topic_id", "username", "cooked"])
def test_a_cell_of_an_unlikely_type_costs_no_topic(tmp_path, cell, value):
    posts = [post(1, 1, **{cell: 1}), post(2, 2, **{cell: value}), post(3, 3, **{cell: 3})]
    assert discourse(tmp_path, topic(1, posts)).posts["post_id"].to_list() == ["1", "2", "3"]


def dump(*lines):
    table = "COPY public.posts (id, user_id, topic_id, post_number, raw, created_at) FROM stdin;"
    return "\n".join(["--", "-- PostgreSQL database dump", "--", table, *lines])


@pytest.mark.parametrize("rest", ["", "\n\\.\n"])
def test_a_backup_cut_between_two_rows_or_tables_says_so(tmp_path, rest):
    row = "1\t1\t1\t1\thello\t2024-01-01 10:00:00"
    whole = dump(row, "\\.", "", "--", "-- PostgreSQL database dump complete", "--", "")
    for text, expected in ((whole, set()), (dump(row) + rest, {"table_cut_off"})):
        (tmp_path / "dump.sql").write_text(text, encoding="utf-8")
        forum = sna.read_forum(tmp_path / "dump.sql")
        assert forum.posts.height == 1
        assert reasons(forum) & {"table_cut_off"} == expected


# SQL dumps

SQL = """-- MySQL dump 10.13  Distrib 8.0
CREATE TABLE `posts` (`id` int, `text` text);
INSERT INTO `posts` VALUES (1,'a'),(2,'b'),(3,'c');
INSERT INTO `posts` VALUES (4,'d'),(5,'e;');
-- Dump completed on 2024-01-01
"""


def rows_of(folder, text):
    (folder / "d.sql").write_text(text, encoding="utf-8")
    with open_container(folder / "d.sql") as container:
        return [values for _, _, values, _ in read_sql_tables(container, "d.sql", wanted=["posts"])]


def test_a_mysql_dump_cut_after_a_row_has_one_torn_row_more(tmp_path):
    whole = [[str(n), text] for n, text in enumerate(["a", "b", "c", "d", "e;"], start=1)]
    assert rows_of(tmp_path, SQL) == whole
    assert rows_of(tmp_path, SQL.split("\n", 1)[1].rsplit("\n", 2)[0]) == whole
    for last, n in (("(2,'b')", 2), ("(3,'c');", 3), ("(4,'d')", 4), ("(5,'e;');", 5)):
        assert rows_of(tmp_path, SQL[: SQL.index(last) + len(last)]) == [*whole[:n], None]
    assert rows_of(tmp_path, SQL[: SQL.index("'c'")]) == [*whole[:2], None]


# Mail


def multipart(body):
    return mail("1", body, Content_Type='multipart/mixed; boundary="b"', MIME_Version="1.0")


TORN = {
    "no end boundary": "--b\nContent-Type: text/plain\n\nhello",
    "base64 cut off": "--b\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGVsbG8gd29y\nZA\n--b--",
    "boundary not found": "hello",
}


@pytest.mark.parametrize("trouble", TORN)
def test_torn_mails_keep_their_words_and_are_noted(tmp_path, trouble):
    forum = sna.read_forum(box(tmp_path, multipart(TORN[trouble]), mail("2", day=1)))
    assert forum.posts["text"][0].startswith("hello")
    assert forum.issues.filter(reason="mime_damaged").select("position", "detail").rows() == [("message 1", trouble)]


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_base64_of_any_length_is_read_to_its_last_group(tmp_path, n):
    body = f"--b\nContent-Transfer-Encoding: base64\n\n{'aGVsbG8h'[:n]}\n--b--"
    forum = sna.read_forum(box(tmp_path, multipart(body)))
    assert "hello!".startswith(forum.posts["text"][0].rstrip("\ufffd\x00@ "))
    assert forum.posts["text"][0].startswith("hel")


@pytest.mark.parametrize("charset", ["=idna", "=undefined", "*=utf-8''%ff", "=punycode", "="])
def test_a_charset_that_is_none_costs_no_mail(tmp_path, charset):
    data = mail("1", "gr\u00fcn", Content_Type="text/plain; charset" + charset)
    assert sna.read_forum(box(tmp_path, data)).posts["text"].to_list() == ["gr\u00fcn"]


# Containers


def test_links_and_inner_archives_are_issues(tmp_path):
    folder = site(tmp_path / "site")
    (tmp_path / "far.xml").write_text(COMMENTS + "</comments>", encoding="utf-8")
    os.symlink(tmp_path / "far.xml", folder / "Comments.xml")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("Posts.xml", POSTS)
    forum = sna.read_forum(folder)
    left = {reason: file for reason, file in forum.issues.select("reason", "file").iter_rows() if file}
    assert left == {"link_not_followed": "Comments.xml", "archive_inside": "more.zip"}
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("Posts.xml", POSTS)
        archive.write(folder / "more.zip", "in/more.zip")
    assert "archive_inside" in reasons(sna.read_forum(tmp_path / "outer.zip"))


@pytest.mark.parametrize(
    ("place", "value"), [(124, b"\x80" + b"\x00" * 3 + b"\x7f" + b"\xff" * 7), (124, b"\x80" + b"\xff" * 11)]
)
def test_a_tar_with_a_malformed_size_is_a_read_error(tmp_path, place, value):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in ("a.xml", "b.xml"):
            info = tarfile.TarInfo(name)
            info.size = 600
            archive.addfile(info, io.BytesIO(b"x" * 600))
    data = bytearray(made.getvalue())
    data[place : place + 12] = value
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    (tmp_path / "m.tar").write_bytes(data)
    with pytest.raises(sna.SnaError):
        sna.read_forum(tmp_path / "m.tar")


# Text


@pytest.mark.parametrize(
    "text", ["`" * 400_000, "~" * 400_000, ("`" * 40 + "a") * 9_000, "` " * 200_000, "```\n" * 80_000]
)
def test_runs_of_backticks_cost_no_time(text):
    start = time.process_time()
    scan_markdown(text + "\n@ann")
    scan_markdown(text)
    assert time.process_time() - start < 2


def test_names_in_code_are_no_mentions():
    text = "@ann\n```py\n@bob\n```\n`@cat` ``@dan`` @eve\n~~~\n@fox"
    assert scan_markdown(text).mentions == ("ann", "eve")
