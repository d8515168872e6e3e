"""Viva Engage (Yammer): network exports, whole, in slices, nested by network, hostile."""

import csv
import io
import json
import random
import zipfile
from datetime import UTC, datetime

import pytest

import sna
from sna.errors import ReadError, SnaError

BIG = "9007199254740993"
"""2**53 + 1: the first whole number a float cannot hold."""

HEADER = [
    *("id", "replied_to_id", "thread_id", "group_id", "group_name", "participants"),
    *("in_private_group", "in_private_conversation", "sender_id", "sender_type", "sender_name", "sender_email"),
    *("body", "created_at", "deleted_at", "title", "html_body", "message_type"),
]


def message(identifier, minute, **cells):
    base = {
        "id": identifier,
        "thread_id": identifier,
        "group_id": "501",
        "group_name": "Ops: VPN",
        "in_private_group": "false",
        "in_private_conversation": "FALSE",
        "sender_id": "1",
        "sender_type": "user",
        "sender_name": "Ann",
        "sender_email": "Ann@example.org",
        "body": "hello",
        "created_at": f"2024-03-04T09:{minute:02}:00.000+00:00",
        "message_type": "update",
    }
    return {**base, **cells}


MESSAGES = [
    message(
        BIG, 0, body=f'Who knows? cc [[user:2]] [[user:{BIG}]] [[user:2]] [[tag:7]]\\nSecond\nthird, "q"', title="VPN"
    ),
    message("1002", 1, thread_id=BIG, replied_to_id=BIG, sender_id="2", body="", html_body="<p>I <b>do</b></p>"),
    message("1003", 2, thread_id=BIG, replied_to_id="1002", sender_id="3", sender_name="Bot", sender_type="bot"),
    message("1004", 3, thread_id=BIG, replied_to_id="null", deleted_at="2024-03-05T00:00:00.000+00:00"),
    message("1005", 4, message_type="system", body="Ann joined"),
    message("1006", 5, group_id="", group_name="", in_private_conversation="TRUE", participants="user:1,user:2"),
    message("1007", 6, group_id="777", group_name="Board", in_private_group="true", body="BOARD-SECRET"),
    message("1008", 7, message_type="announcement", title="New tool"),
    message("1009", 8, group_id="888", group_name="Quiet"),
]
USERS = [
    {"id": "1", "name": "Ann", "email": "ann@example.org", "job_title": "Engineer", "department": "IT",
     "joined_at": "2020-01-01T00:00:00.000+00:00", "state": "active"},
    {"id": "2", "name": "Bob", "email": "bob@example.org", "location": "Paris", "state": "soft_delete",
     "joined_at": "2020-01-01T00:00:00.000+00:00", "deleted_at": "2024-06-01T00:00:00.000+00:00"},
    {"id": "4", "name": "=cmd|' /C calc'!A0", "email": "eve@example.org", "state": "active"},
]  # fmt: skip


def table(rows, header=None, *, bom=True):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(
        out, header or list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\r\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return ("\ufeff" if bom else "") + out.getvalue()


FILES = {
    "Messages.csv": table(MESSAGES, HEADER),
    "Users.csv": table(USERS),
    "Groups.csv": table([{"id": "501", "name": "VPN help"}, {"id": "888", "name": "Quiet", "private": "true"}]),
    "Topics.csv": table([{"id": "7", "name": "vpn"}]),
    "Campaigns.csv": table(
        [{"name": "Safety", "hashtag": "#safe", "created_at": "2024-02-01T00:00:00Z", "state": "x"}]
    ),
    "MessageVersions.csv": table([{"message_id": "1002", "body": "v2", "created_at": "2024-03-04 10:00:00 UTC"}]),
    "Admins.csv": table([{"id": "1", "name": "Ann", "type": "verified_admin"}]),
    "request.txt": "GET /api/v1/export?since=2024-01-01T00:00:00Z&until=2024-07-01T00:00:00Z",
    "Pages.csv": "id,name\n1,x\n",
}


def archive(path, files=FILES, *, folder=""):
    with zipfile.ZipFile(path, "w") as bundle:
        for name, text in files.items():
            bundle.writestr(folder + name, text)
    return path


@pytest.fixture(scope="module")
def forum(tmp_path_factory):
    return sna.read_forum(archive(tmp_path_factory.mktemp("viva") / "export.zip", folder="12345/"))


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_true_parents_and_ids_beyond_floats(forum):
    rows = forum.posts.select("post_id", "thread_id", "parent_id", "parent_basis", "kind").rows()
    assert rows == [
        (BIG, BIG, None, "none", "root"),
        ("1002", BIG, BIG, "explicit", "reply"),
        ("1003", BIG, "1002", "explicit", "reply"),
        ("1004", BIG, BIG, "root_default", "reply"),
        ("1008", "1008", None, "none", "root"),
    ]
    assert forum.posts["space"].unique().to_list() == ["VPN help"]


def test_words_and_mentions(forum):
    text = dict(forum.posts.select("post_id", "text").iter_rows())
    assert text[BIG] == f'Who knows? cc @2 @{BIG} @2 #vpn\nSecond\nthird, "q"'
    assert text["1002"] == "I do"
    assert forum.mentions.rows() == [(BIG, "2", "structured"), (BIG, BIG, "structured")]


def test_edits_deletions_and_the_end_of_the_export(forum):
    post = {row["post_id"]: row for row in forum.posts.iter_rows(named=True)}
    assert post["1002"]["edited_at"] == at(2024, 3, 4, 10)
    assert post["1004"]["deleted_at"] == at(2024, 3, 5)
    assert forum.observed_until == at(2024, 7, 1)


def test_what_is_withheld_is_counted_and_private_groups_come_on_request(forum, tmp_path):
    reasons = forum.issues.filter(kind="withheld").select("reason", "n").rows()
    assert reasons == [("private_message", 1), ("private_space", 2), ("system_message", 1)]
    assert "BOARD-SECRET" not in json.dumps(forum.posts.to_dicts(), default=str)
    whole = sna.read_forum(archive(tmp_path / "e.zip"), include_private=True)
    spaces = dict(whole.posts.select("post_id", "space").iter_rows())
    assert (spaces["1006"], spaces["1007"], spaces["1009"]) == ("private message", "Board", "Quiet")
    assert "1005" not in spaces


def test_people_roles_and_campaigns(forum):
    people = {row["person_id"]: row for row in forum.people.iter_rows(named=True)}
    assert sorted(people) == ["1", "2", "3", "4", BIG]
    assert (people["2"]["left_at"], people["2"]["email"]) == (at(2024, 6, 1), "bob@example.org")
    assert (people["3"]["kind"], people["3"]["name"]) == ("bot", "Bot")
    assert people[BIG]["placeholder"]
    facts = {(r["person_id"], r["attribute"]): r["value"] for r in forum.roles.iter_rows(named=True)}
    assert facts == {
        ("1", "department"): "IT",
        ("1", "job_title"): "Engineer",
        ("1", "platform_role"): "verified_admin",
        ("2", "location"): "Paris",
        ("2", "platform_role"): "member",
        ("3", "platform_role"): "member",
        ("4", "platform_role"): "member",
    }
    campaigns = forum.campaigns.select("campaign_id", "name", "kind", "starts_at", "audience").rows()
    assert campaigns == [
        ("#safe", "Safety", "other", at(2024, 2, 1), "#safe"),
        ("announcement:1008", "New tool", "push", at(2024, 3, 4, 9, 7), "VPN help"),
    ]


def test_every_row_is_accounted_for(forum):
    added = {"people": 1, "campaigns": 1}
    for row in forum.accounting().iter_rows(named=True):
        assert row["read"] == row["used"] + row["rejected"] + row["withheld"]
        assert row["added"] == added.get(row["table"], 0) + (row["table"] == "people")
    assert forum.supports("reactions") == "no"


def test_order_of_rows_and_columns_does_not_matter(tmp_path, forum):
    rng = random.Random(3)
    rows, header = list(MESSAGES), list(HEADER)
    rng.shuffle(rows)
    rng.shuffle(header)
    files = {**FILES, "Messages.csv": table(rows, header, bom=False), "Users.csv": table(USERS[::-1])}
    other = sna.read_forum(archive(tmp_path / "export.zip", files, folder="12345/"))
    assert other.equals(forum)


def test_slices_that_repeat_rows_keep_the_latest_state(tmp_path):
    late = [dict(MESSAGES[0], deleted_at="2024-04-01T00:00:00Z"), MESSAGES[1]]
    moved = [dict(USERS[0], job_title="Lead")]
    for name, order in (("a", (1, 2)), ("b", (2, 1))):
        folder = tmp_path / name
        for number, (messages, users) in zip(order, ((MESSAGES, USERS), (late, moved)), strict=True):
            (folder / f"2024-0{number}").mkdir(parents=True)
            (folder / f"2024-0{number}" / "Messages.csv").write_text(table(messages, HEADER), encoding="utf-8")
            (folder / f"2024-0{number}" / "Users.csv").write_text(table(users), encoding="utf-8")
        forum = sna.read_forum(folder)
        assert forum.posts.filter(post_id=BIG)["deleted_at"].item() == at(2024, 4, 1)
        assert forum.issues.filter(reason="duplicate_id")["table"].to_list() == ["people", "posts", "posts"]
        assert forum.mentions.height == 2
        title = "Lead" if name == "a" else "Engineer"
        assert forum.roles.filter(person_id="1", attribute="job_title")["value"].to_list() == [title]


def test_likes_and_best_replies_when_they_are_there(tmp_path):
    likes = [{"message_id": "1002", "user_id": "1", "created_at": "2024-03-04T10:00:00Z"}, {"message_id": "1006"}, {}]
    files = {**FILES, "LikedMessages.csv": table([{"message_id": "", "user_id": "", "created_at": ""}, *likes])}
    files["BestReplyMessages.csv"] = table([{"id": "1003", "thread_id": BIG}])
    forum = sna.read_forum(archive(tmp_path / "e.zip", files))
    assert forum.signals.select("post_id", "person_id", "kind", "at").rows() == [
        ("1002", "1", "like", at(2024, 3, 4, 10)),
        ("1003", None, "accept", None),
    ]
    assert forum.supports("acceptance") == forum.supports("reactions") == "partial"
    assert forum.issues.filter(table="signals", reason="private_space")["n"].to_list() == [1]


def test_damaged_ids_and_times_are_logged_with_their_line(tmp_path):
    rows = [
        message("1", 0),
        message("1.48976E+15", 1),
        message("", 2),
        message("2", 3, created_at="soon"),
        message("3", 4, created_at="2013/05/06 07:08:09 +0000"),
        message("4", 5, thread_id="", replied_to_id="1"),
        message("5", 5, thread_id=""),
    ]
    (tmp_path / "Messages.csv").write_text(table(rows, HEADER), encoding="utf-8")
    forum = sna.read_forum(tmp_path / "Messages.csv")
    issues = {(r["reason"], r["position"]) for r in forum.issues.filter(table="posts").iter_rows(named=True)}
    assert {
        ("id_rounded", "line 3"),
        ("bad_id", "line 4"),
        ("bad_time", "line 5"),
        ("missing_value", "line 7"),
        ("times_removed", ""),
    } == (issues)
    assert forum.posts.filter(post_id="3")["created_at"].item() == at(2013, 5, 6, 7, 8, 9)
    assert forum.posts.filter(post_id="5")["thread_id"].item() == "5"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_files_that_went_through_a_spreadsheet(tmp_path, encoding, separator):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, HEADER, delimiter=separator)
    writer.writeheader()
    writer.writerow(message("1", 0, body="Zürich"))
    (tmp_path / "Messages.csv").write_bytes(out.getvalue().encode(encoding))
    assert sna.read_forum(tmp_path / "Messages.csv").posts["text"].to_list() == ["Zürich"]


def test_a_cell_without_end_is_an_error_of_ours(tmp_path):
    text = table([message("1", 0)], HEADER) + '2,"' + "x" * (17 * 1024 * 1024)
    (tmp_path / "Messages.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ReadError, match="cells below"):
        sna.read_forum(tmp_path / "Messages.csv")


def test_other_message_tables_are_not_taken(tmp_path):
    (tmp_path / "Messages.csv").write_text("id,text,user\n1,a,b\n", encoding="utf-8")
    with pytest.raises(SnaError):
        sna.recognise(tmp_path / "Messages.csv")


def test_the_hand_made_fixture(shared):
    folder = shared / "fixtures" / "synthetic" / "vivaengage"
    forum = sna.read_forum(folder)
    assert forum.source.platform == "viva_engage"
    assert forum.posts.select("post_id", "parent_id").rows() == [("1001", None), ("1002", "1001"), ("1003", "1002")]
    assert forum.mentions.rows() == [("1001", "9002", "structured")]
    assert forum.people.height == 3
    assert sna.read_forum(folder, include_private=True).posts.height == 4


def test_an_announcement_repeated_by_slices_is_one_campaign_and_the_balance_holds(tmp_path):
    campaigns = table([{"name": "Safety", "hashtag": "safe", "created_at": "2024-02-01"}])
    files = {
        "1/Messages.csv": FILES["Messages.csv"],
        "2/Messages.csv": FILES["Messages.csv"],
        "Campaigns.csv": campaigns,
    }
    forum = sna.read_forum(archive(tmp_path / "e.zip", files))
    assert forum.campaigns["campaign_id"].to_list() == ["announcement:1008", "safe"]
    assert forum.accounting().filter(table="campaigns").select("read", "used", "rejected").row(0) == (1, 1, 0)


def test_messages_alone_know_no_roster_and_keep_the_name_a_sender_once_had(tmp_path):
    rows = [
        message("1", 0, sender_id="9", sender_name="Eve", body="see https://x.org/a?access_token=hunter2"),
        message("2", 5, sender_id="9", sender_name=""),
    ]
    forum = sna.read_forum(archive(tmp_path / "e.zip", {"Messages.csv": table(rows, HEADER)}))
    assert forum.people.select("person_id", "name").rows() == [("9", "Eve")]
    assert forum.posts["text"].to_list()[0] == "see https://x.org/a"
    assert [forum.supports(name) for name in ("roster", "org_attributes", "text")] == ["no", "no", "yes"]
