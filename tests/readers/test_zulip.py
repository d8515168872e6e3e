"""Zulip and Gitter: a small but whole export written here, in its newer and its older shape."""

import copy
import io
import json
import random
import tarfile
from datetime import UTC, datetime

import polars as pl
import pytest

import sna
from sna.readers import collect

T0 = 1_700_000_000
LINK = "https://zulip.example.org/#narrow/stream/1-help/topic/Beans/near/{}"
SAID = f"@_**Ann|1** [said]({LINK}):\n```quote\n@**Bob|2** asked\n```\n"


def message(key, sender, text, second, *, topic="Beans", recipient=11, **more):
    return {
        "id": key,
        "sender": sender,
        "recipient": recipient,
        "subject": topic,
        "content": text,
        "date_sent": T0 + second + 0.123456,
        "last_edit_time": None,
        **more,
    }


MESSAGES = [
    message(100, 1, "hello @**Bob** and @**Cat|3**, `@**Ann**` https://x.example.org/a?key=1", 0),
    message(101, 2, SAID.format(100) + "Thanks! @**Ann|1**", 10, last_edit_time=T0 + 99.5),
    message(102, 3, SAID.format(102) + "me too", 20, topic="beans"),
    message(103, 3, "done", 30, topic="✔ Beans"),
    message(104, 1, SAID.format(100) + "elsewhere", 40, topic="Peas"),
    message(105, 1, "@*cooks* @**all** @_**Bob|2** hi", 50, topic="Peas"),
    message(106, 9, "beep", 60, topic="Peas"),
    message(107, 1, "salary", 70, recipient=12),
    message(108, 1, "psst", 80, recipient=13, topic=""),
    message(109, 2, "psst back", 90, recipient=14, topic=""),
    message(110, 1, "from nowhere", 95, recipient=99),
    message(100, 1, "again", 99),
]
FLAGS = [
    {"id": 1, "user_profile": 1, "message": 100, "flags_mask": 1},
    {"id": 2, "user_profile": 2, "message": 100, "flags_mask": 1 | 8 | 2},
    {"id": 3, "user_profile": 3, "message": 100, "flags_mask": 0},
    {"id": 4, "user_profile": 2, "message": 107, "flags_mask": 1},
    {"id": 5, "user_profile": 3, "message": 105, "flags_mask": 1 | 8},
    {"id": 6, "user_profile": 3, "message": 101, "flags_mask": 1 | 8},
]


def audit(kind, person, second, **more):
    return {
        "event_type": kind,
        "modified_user": person,
        "event_time": T0 + second,
        "backfilled": False,
        "extra_data": {},
        **more,
    }


REALM = {
    "zerver_realm": [{"id": 1, "name": "Kitchen"}],
    "zerver_stream": [{"id": 1, "name": "help"}, {"id": 2, "name": "board", "invite_only": True}],
    "zerver_recipient": [
        {"id": 11, "type": 2, "type_id": 1},
        {"id": 12, "type": 2, "type_id": 2},
        {"id": 13, "type": 1, "type_id": 2},
        {"id": 14, "type": 1, "type_id": 1},
    ],
    "zerver_userprofile": [
        {
            "id": 1,
            "full_name": "Ann",
            "delivery_email": "ann@example.org",
            "email": "user1@x",
            "role": 200,
            "is_active": True,
            "date_joined": T0 - 1000.5,
            "api_key": "SECRET",
            "password": "hash",
        },
        {"id": 2, "full_name": "Bob", "email": "bob@example.org", "role": 400, "is_active": False},
        {"id": 3, "full_name": "Cat", "email": "cat@example.org", "role": 600, "is_active": True},
        {"id": 4, "full_name": "Silent", "email": "s@example.org", "role": 400, "is_active": True},
        {"id": 9, "full_name": "Robo", "email": "r@example.org", "is_bot": True},
    ],
    "zerver_userprofile_mirrordummy": [{"id": 5, "full_name": "Ghost", "email": "g@example.org"}],
    "zerver_userprofile_crossrealm": [{"id": 6, "email": "notification-bot@zulip.com"}],
    "zerver_subscription": [
        {"id": 1, "user_profile": 1, "recipient": 11, "active": True},
        {"id": 2, "user_profile": 2, "recipient": 11, "active": False},
        {"id": 3, "user_profile": 1, "recipient": 12, "active": True},
    ],
    "zerver_realmauditlog": [
        audit(105, 3, -500, extra_data={"1": 400, "2": 600, "10": {}}),
        audit(105, 1, -400, extra_data=json.dumps({"1": 400, "2": 200})),
        audit(103, 2, 500),
        audit(301, 2, -900, modified_stream=1),
        audit(303, 2, 400, modified_stream=1),
        audit(301, 1, -900, modified_stream=1),
        audit(301, 1, -900, modified_stream=2),
        audit(105, 1, -300, extra_data="not json"),
    ],
    "zerver_customprofilefield": [
        {"id": 1, "name": "Job title", "field_data": ""},
        {"id": 2, "name": "Phone number", "field_data": ""},
        {"id": 3, "name": "Department", "field_data": json.dumps({"0": {"text": "Pastry", "order": "1"}})},
        {"id": 4, "name": "Manager", "field_data": ""},
    ],
    "zerver_customprofilefieldvalue": [
        {"id": 1, "user_profile": 1, "field": 1, "value": "Baker"},
        {"id": 2, "user_profile": 1, "field": 2, "value": "+441234"},
        {"id": 3, "user_profile": 2, "field": 3, "value": "0"},
        {"id": 4, "user_profile": 2, "field": 4, "value": "[1]"},
    ],
    "zerver_useractivityinterval": [{"id": 1, "user_profile": 4, "start": T0 - 50, "end": T0}],
    "zerver_reaction": [
        {
            "id": 1,
            "user_profile": 2,
            "message": 100,
            "emoji_name": "tada",
            "emoji_code": "1f389",
            "reaction_type": "unicode_emoji",
        },
        {"id": 2, "user_profile": 2, "message": 107, "emoji_name": "tada"},
    ],
}
EXPORT = {
    "realm.json": REALM,
    "messages-000001.json": {"zerver_message": MESSAGES[:6], "zerver_usermessage": FLAGS[:3]},
    "messages-000002.json": {"zerver_message": MESSAGES[6:], "zerver_usermessage": FLAGS[3:]},
    "attachment.json": {"zerver_attachment": []},
}


def pack(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            info = tarfile.TarInfo(f"zulip-export-abc/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def reasons(forum, table="posts", kind="withheld"):
    rows = forum.issues.filter((pl.col("table") == table) & (pl.col("kind") == kind))
    return dict(rows.group_by("reason").agg(pl.col("n").sum()).iter_rows())


def post(forum, key):
    return forum.posts.filter(pl.col("post_id") == str(key)).row(0, named=True)


@pytest.fixture
def forum(tmp_path):
    return sna.read_forum(pack(tmp_path / "zulip-export.tar.gz", EXPORT))


def test_is_recognised_and_the_books_balance(tmp_path, forum):
    assert sna.recognise(tmp_path / "zulip-export.tar.gz").platform == "zulip"
    books = {row["table"]: row for row in forum.accounting().iter_rows(named=True)}
    assert books["posts"] == {"table": "posts", "read": 12, "used": 7, "rejected": 1, "withheld": 4, "added": 0}
    assert reasons(forum) == {"private_space": 3, "unknown_space": 1}
    assert reasons(forum, kind="rejected") == {"duplicate_id": 1}
    assert books["people"] == {"table": "people", "read": 7, "used": 7, "rejected": 0, "withheld": 0, "added": 0}
    assert books["signals"] == {"table": "signals", "read": 2, "used": 1, "rejected": 0, "withheld": 1, "added": 1}
    assert (books["memberships"]["read"], books["memberships"]["withheld"], books["memberships"]["added"]) == (3, 2, 1)


def test_topics_are_threads_whatever_their_case_or_tick(forum):
    beans = forum.posts.filter(pl.col("post_id").is_in(["100", "101", "102", "103"]))
    assert beans["thread_id"].n_unique() == 1
    assert beans["kind"].to_list() == ["root", "reply", "reply", "reply"]
    assert beans["space"].unique().to_list() == ["help"]
    assert post(forum, 104)["kind"] == "root"
    assert post(forum, 100)["created_at"] == datetime(2023, 11, 14, 22, 13, 20, 123_456, tzinfo=UTC)


def test_a_quote_link_is_the_parent_in_its_own_topic_only(forum):
    assert (post(forum, 101)["parent_id"], post(forum, 101)["parent_basis"]) == ("100", "quote")
    assert post(forum, 101)["text"] == "Thanks! @**Ann|1**"
    assert (post(forum, 102)["parent_id"], post(forum, 102)["parent_basis"]) == (None, "none")
    assert (post(forum, 104)["parent_id"], post(forum, 104)["text"]) == (None, "elsewhere")
    assert reasons(forum, kind="note") == {"quotes_another_topic": 1}


def test_mentions_not_from_quotes_code_groups_or_all(forum):
    assert forum.mentions.select("post_id", "person_id", "basis").rows() == [
        ("100", "2", "structured"),
        ("100", "3", "markup"),
        ("101", "1", "markup"),
        ("101", "3", "structured"),
    ]
    assert reasons(forum, "mentions") == {"broadcast": 1, "through_a_group": 1}


def test_who_read_what_without_own_messages(forum):
    assert forum.events.filter(pl.col("kind") == "read").select("person_id", "object", "at").rows() == [
        ("2", "100", None),
        ("3", "101", None),
        ("3", "105", None),
    ]
    assert reasons(forum, "events") == {"own_message": 1, "not_read": 1, "message_not_kept": 1}
    assert forum.signals.filter(pl.col("kind") == "bookmark").select("post_id", "person_id").rows() == [("100", "2")]


def test_roles_over_time_come_from_the_audit_log(forum):
    roles = forum.roles.filter(pl.col("attribute") == "platform_role")
    ann = roles.filter(pl.col("person_id") == "1").select("value", "basis", "valid_from", "valid_to").rows()
    changed = datetime(2023, 11, 14, 22, 6, 40, tzinfo=UTC)
    assert ann == [("admin", "event", changed, None), ("member", "event", None, changed)]
    assert roles.filter(pl.col("person_id") == "4").select("value", "basis").rows() == [("member", "snapshot")]
    at = forum.attribute("platform_role", at=datetime(2023, 11, 14, 22, 0, tzinfo=UTC))
    assert dict(at.iter_rows())["1"] == "member"


def test_backfilled_changes_are_inferred(tmp_path):
    export = copy.deepcopy(EXPORT)
    export["realm.json"]["zerver_realmauditlog"][0]["backfilled"] = True
    forum = sna.read_forum(pack(tmp_path / "b.tar.gz", export))
    assert forum.roles.filter((pl.col("person_id") == "3") & (pl.col("value") == "guest"))["basis"].to_list() == [
        "inferred"
    ]


def test_memberships_over_time(forum):
    spells = forum.memberships.select("person_id", "space", pl.col("valid_to").is_null()).rows()
    assert spells == [("1", "help", True), ("2", "help", False)]
    assert forum.memberships["valid_from"].null_count() == 0


def test_profile_fields_and_people_facts_without_secrets(forum):
    roles = set(forum.roles.select("person_id", "attribute", "value").iter_rows())
    assert {("1", "job_title", "Baker"), ("2", "department", "Pastry"), ("2", "manager", "1")} <= roles
    assert reasons(forum, "roles") == {"profile_field_not_asked_for": 1}
    people = {row["person_id"]: row for row in forum.people.iter_rows(named=True)}
    assert people["2"]["left_at"] == datetime(2023, 11, 14, 22, 21, 40, tzinfo=UTC)
    assert (people["1"]["email"], people["5"]["placeholder"], people["6"]["kind"], people["9"]["kind"]) == (
        "ann@example.org",
        True,
        "system",
        "bot",
    )
    everything = str([frame.rows() for frame in (forum.people, forum.roles, forum.posts, forum.issues)])
    assert not any(secret in everything for secret in ("SECRET", "hash", "+441234", "key=1", "salary"))


def test_private_spaces_only_when_asked(tmp_path, forum):
    full = sna.read_forum(tmp_path / "zulip-export.tar.gz", include_private=True)
    assert sorted(full.posts["space"].unique()) == ["board", "direct:1,2", "help", "recipient 99"]
    direct = full.posts.filter(pl.col("space") == "direct:1,2")
    assert direct["thread_id"].n_unique() == 1
    assert ("1", "board") in full.memberships.select("person_id", "space").rows()


def test_order_does_not_matter_and_folders_are_read_too(tmp_path, forum):
    export = copy.deepcopy(EXPORT)
    export["messages-000002.json"]["zerver_message"].pop()
    plain = sna.read_forum(pack(tmp_path / "a.tar.gz", export))
    rng = random.Random(7)
    for document in export.values():
        for rows in document.values():
            rng.shuffle(rows)
    for name, document in export.items():
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / name).write_text(json.dumps(document))
    other = sna.read_forum(tmp_path / "folder")
    for table in sna.schema.TABLES:
        assert getattr(other, table).equals(getattr(plain, table)), table


def test_old_shape_with_pub_date_and_flag_words(tmp_path):
    export = copy.deepcopy(EXPORT)
    for item in export["messages-000001.json"]["zerver_message"]:
        item["pub_date"] = item.pop("date_sent")
    for user in export["realm.json"]["zerver_userprofile"]:
        user["is_realm_admin"] = user.pop("role", 0) == 200
    export["realm.json"].pop("zerver_realmauditlog")
    forum = sna.read_forum(pack(tmp_path / "old.tar.gz", export))
    assert forum.posts.height == 7
    assert dict(forum.attribute("platform_role").iter_rows())["1"] == "admin"


def test_streamed_documents_give_the_same_forum(tmp_path, monkeypatch, forum):
    def small(self, container, log):
        object.__setattr__(self, "container", container)
        object.__setattr__(self, "log", log)
        object.__setattr__(self, "whole_bytes", 50)

    monkeypatch.setattr(collect.JsonFiles, "__init__", small)
    assert sna.read_forum(tmp_path / "zulip-export.tar.gz").equals(forum)


def test_a_damaged_message_file_is_an_issue_and_a_damaged_realm_keeps_privacy(tmp_path):
    broken = {**EXPORT, "messages-000001.json": b'{"zerver_message": [{"id": 1'}
    forum = sna.read_forum(pack(tmp_path / "a.tar.gz", broken))
    assert reasons(forum, kind="rejected")["damaged_file"] == 1
    assert forum.posts.height == 2
    with pytest.raises(sna.ReadError):
        sna.read_forum(pack(tmp_path / "b.tar.gz", {**EXPORT, "realm.json": b"{"}))


@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, True, 1.5, 10**30])
def test_wrong_types_anywhere_never_crash(tmp_path, wrong):
    export = copy.deepcopy(EXPORT)
    for document in (export["realm.json"], export["messages-000001.json"], export["messages-000002.json"]):
        for rows in document.values():
            odd = [{**row, "id": 9000 + n, key: wrong} for row in rows[:2] for n, key in enumerate(row)]
            rows.extend([*odd, wrong])
    forum = sna.read_forum(pack(tmp_path / "odd.tar.gz", export))
    assert forum.posts.height >= 7
    assert all(row["added"] >= 0 for row in forum.accounting().iter_rows(named=True) if row["table"] == "posts")


def test_skeleton_samples_end_in_a_clear_error(shared):
    with pytest.raises(sna.SnaError, match="missing_value"):
        sna.read_forum(shared / "fixtures" / "zulip")


# --- Gitter -----------------------------------------------------------------------------------------------------------


def gitter(key, person, text, sent, **more):
    return {
        "id": key,
        "text": text,
        "sent": sent,
        "fromUser": {"id": person, "username": person, "displayName": person.title()},
        "mentions": [],
        "readBy": 3,
        **more,
    }


ROOM = [
    gitter(
        "m1",
        "ann",
        "hi @bob http://x.example.org/?t=1",
        "2020-01-01T00:00:00.5Z",
        mentions=[{"screenName": "bob", "userId": "bob"}],
    ),
    gitter("m2", "bob", "yes", "2020-01-01T00:01:00Z", parentId="m1", editedAt="2020-01-02T00:00:00Z"),
    gitter("m2", "bob", "twice", "2020-01-01T00:02:00Z"),
    gitter("m3", "bob", "never", "soon"),
]


def test_gitter_room(tmp_path):
    path = tmp_path / "kitchen.json"
    for messages in (ROOM, ROOM[::-1]):
        path.write_text(json.dumps(messages))
        forum = sna.read_forum(path)
        assert forum.source.platform == "gitter"
        assert forum.posts.select("post_id", "parent_id", "text", "space").rows() == [
            ("m1", None, "hi @bob http://x.example.org/", "kitchen"),
            ("m2", "m1", "yes", "kitchen"),
        ]
        assert reasons(forum, kind="rejected") == {"duplicate_id": 1, "missing_value": 1}
        assert forum.mentions["person_id"].to_list() == ["bob"]


def test_gitter_sample(shared):
    forum = sna.read_forum(shared / "fixtures" / "zulip" / "gitter_data.json")
    assert forum.source.rows_read["posts"] == 2
