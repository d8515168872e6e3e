"""Slack: a small export written here with every oddity of the format, and the real exports' counted truth."""

import json
import random
import zipfile
from datetime import UTC, datetime

import polars as pl
import pytest

import sna
from sna.readers import collect
from sna.readers.slack_text import block_text, parse_stamp, plain_text, to_moment

USERS = [
    {
        "id": "U1",
        "name": "ann",
        "real_name": "Ann",
        "is_admin": True,
        "profile": {"title": "Baker", "email": "ann@example.org", "phone": "+4412345678", "bot_id": ""},
    },
    {"id": "U2", "name": "bob", "deleted": True, "profile": {"real_name": "Bob"}},
    {"id": "U3", "name": "cat", "is_ultra_restricted": True, "is_restricted": True, "profile": {"fields": None}},
    {"id": "U4", "name": "helper", "is_bot": True, "profile": {"bot_id": "B4", "real_name": "Helper"}},
]
CHANNELS = [
    {"id": "C1", "name": "help", "created": 1, "members": ["U1", "U2"]},
    {"id": "C2", "name": "quiet", "members": ["U3"]},
]
GENERAL = [
    {"type": "message", "subtype": "channel_join", "user": "U2", "text": "<@U2> has joined", "ts": "1700000000.000100"},
    {
        "type": "message",
        "user": "U1",
        "text": "how? <@U2> <@U2|bob> `<@U3>` see <https://files.example.org/x.png?t=xoxe-12-secret|pic> &amp; "
        "<tel:+441|+441>",
        "ts": "1700000001.000200",
        "thread_ts": "1700000001.000200",
        "edited": {"user": "U1", "ts": "1700000005.000000"},
        "reactions": [{"name": "+1::skin-tone-2", "users": ["U2"], "count": 3}],
    },
    {"type": "message", "subtype": "pinned_item", "user": "U1", "text": "pinned", "ts": "1700000002.000000"},
    {"type": "message", "bot_id": "B4", "subtype": "bot_message", "text": "reminder", "ts": "1700000003.000000"},
    {
        "type": "message",
        "bot_id": "B9",
        "username": "feed",
        "subtype": "bot_message",
        "text": "",
        "ts": "1700000003.100000",
        "attachments": [{"fallback": "news"}],
    },
]
LATER = [
    {
        "type": "message",
        "user": "U2",
        "text": "so.",
        "ts": "1700090000.123450",
        "thread_ts": "1700000001.000200",
        "parent_user_id": "U1",
    },
    {
        "type": "message",
        "subtype": "thread_broadcast",
        "user": "U2",
        "text": "so.",
        "ts": "1700090000.123450",
        "thread_ts": "1700000001.000200",
        "root": {"user": "U1"},
    },
    {
        "type": "message",
        "subtype": "thread_broadcast",
        "user": "U3",
        "text": "only here",
        "ts": "1700090001.000000",
        "thread_ts": "1700000001.000200",
        "root": {"user": "U1"},
    },
    {
        "type": "message",
        "user": "U3",
        "text": "late",
        "ts": "1700090002.000000",
        "thread_ts": "1600000000.000001",
        "parent_user_id": "U2",
    },
    {
        "type": "message",
        "subtype": "tombstone",
        "hidden": True,
        "user": "USLACKBOT",
        "text": "This message was deleted.",
        "ts": "1700090003.000000",
        "thread_ts": "1700090003.000000",
    },
    {
        "type": "message",
        "user": "U1",
        "text": "",
        "ts": "1700090004.000000",
        "blocks": [
            {
                "type": "rich_text",
                "elements": [
                    {
                        "type": "rich_text_section",
                        "elements": [{"type": "text", "text": "ask "}, {"type": "user", "user_id": "U3"}],
                    }
                ],
            }
        ],
    },
    {
        "type": "message",
        "subtype": "file_comment",
        "text": "<@U3> commented",
        "comment": {"user": "U3", "comment": "nice"},
        "ts": "1700090005.000000",
    },
    {
        "type": "message",
        "user": "U1",
        "text": "welcome",
        "ts": "1700090006.000000",
        "thread_ts": "1700000000.000100",
        "parent_user_id": "U2",
    },
    {"type": "message", "user": "U1", "text": "no time", "ts": None},
]
PRIVATE = [{"type": "message", "user": "U1", "text": "salary", "ts": "1700000009.000000"}]
EXPORT = {
    "users.json": USERS,
    "channels.json": CHANNELS,
    "groups.json": [{"id": "G1", "name": "board", "members": ["U1"]}],
    "dms.json": [{"id": "D1", "members": ["U1", "U2"]}],
    "mpims.json": [],
    "help/2023-11-14.json": GENERAL,
    "help/2023-11-15.json": LATER,
    "board/2023-11-14.json": PRIVATE,
    "D1/2023-11-14.json": PRIVATE,
    "integration_logs.json": [
        {"user_id": "U1", "date": "1700000000", "change_type": "added", "app_type": "Feed"},
        {"user_id": 0, "date": 1700000000, "change_type": "added", "service_type": "Drive"},
    ],
}


def pack(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return path


@pytest.fixture
def forum(tmp_path):
    return sna.read_forum(pack(tmp_path / "export.zip", EXPORT))


def post(forum, stamp):
    return forum.posts.filter(pl.col("post_id") == f"C1:{stamp}").row(0, named=True)


def reasons(forum, table="posts", kind="withheld"):
    rows = forum.issues.filter((pl.col("table") == table) & (pl.col("kind") == kind))
    return dict(rows.group_by("reason").agg(pl.col("n").sum()).iter_rows())


def test_is_recognised_and_every_row_is_accounted_for(tmp_path):
    path = pack(tmp_path / "export.zip", EXPORT)
    assert sna.recognise(path).platform == "slack"
    forum = sna.read_forum(path)
    books = {row["table"]: row for row in forum.accounting().iter_rows(named=True)}
    assert books["posts"]["read"] == len(GENERAL) + len(LATER) + 2 * len(PRIVATE)
    assert books["posts"]["rejected"] == 1
    assert books["posts"]["withheld"] == 1 + 1 + 1 + 2
    assert books["posts"]["added"] == 2
    assert books["memberships"] == {
        "table": "memberships",
        "read": 6,
        "used": 3,
        "rejected": 0,
        "withheld": 3,
        "added": 0,
    }
    assert all(row["added"] >= 0 for row in books.values())


def test_ts_is_exact_to_the_microsecond_and_stays_text(forum):
    assert post(forum, "1700090000.123450")["created_at"] == datetime(2023, 11, 15, 23, 13, 20, 123450, tzinfo=UTC)
    assert parse_stamp("99999999999.000001") == "99999999999.000001"
    assert to_moment("99999999999.000001").microsecond == 1
    assert parse_stamp("1700000000") == "1700000000.000000"
    assert [parse_stamp(value) for value in ("", None, True, "1.2.3", "-5.0", "١٢.٣", {}, "1e5")] == [None] * 8


def test_a_broadcast_is_never_counted_twice_and_never_lost(forum):
    replies = forum.posts.filter((pl.col("thread_id") == "C1:1700000001.000200") & (pl.col("kind") == "reply"))
    assert replies["text"].to_list() == ["so.", "only here"]
    assert reasons(forum)["broadcast_copy"] == 1


def test_a_broadcast_copy_with_its_own_ts_is_withheld(tmp_path):
    copy = {**LATER[1], "ts": "1700090000.999999"}
    forum = sna.read_forum(pack(tmp_path / "e.zip", {**EXPORT, "help/2023-11-15.json": [LATER[0], copy]}))
    assert forum.posts.filter(pl.col("text") == "so.").height == 1


def test_system_messages_are_not_posts_but_joins_are_memberships(forum):
    assert reasons(forum)["system_message:channel_join"] == 1
    assert not forum.posts["text"].str.contains("has joined").any()
    joined = forum.memberships.filter(pl.col("person_id") == "U2").row(0, named=True)
    assert (joined["space"], joined["valid_from"]) == ("help", datetime(2023, 11, 14, 22, 13, 20, 100, tzinfo=UTC))
    assert forum.events.filter(pl.col("kind") == "join")["person_id"].to_list() == ["U2"]


def test_a_thread_under_a_join_message_does_not_make_the_joiner_a_poster(forum):
    assert post(forum, "1700000000.000100")["author_id"] is None
    assert "root_is_system_message" in reasons(forum, kind="repaired")


def test_an_orphan_reply_gets_a_placeholder_root_by_its_known_author(forum):
    root = post(forum, "1600000000.000001")
    assert (root["author_id"], root["text"], root["kind"]) == ("U2", None, "root")
    assert post(forum, "1700090002.000000")["parent_id"] == root["post_id"]
    assert reasons(forum, kind="repaired")["missing_root"] == 1


def test_tombstones_keep_the_thread_without_author_and_words(forum):
    stone = post(forum, "1700090003.000000")
    assert (stone["author_id"], stone["text"]) == (None, None)
    assert reasons(forum, kind="note")["tombstone"] == 1


def test_authors_of_file_comments_and_bots(forum):
    assert post(forum, "1700090005.000000")["author_id"] == "U3"
    assert post(forum, "1700000003.000000")["author_id"] == "U4"
    assert post(forum, "1700000003.100000")["author_id"] == "B9"
    assert post(forum, "1700000003.100000")["text"] == "news"
    kinds = dict(forum.people.select("person_id", "kind").iter_rows())
    assert kinds == {"U1": "human", "U2": "human", "U3": "human", "U4": "bot", "B9": "bot"}


def test_mentions_once_per_post_never_from_code_and_from_blocks_when_there(forum):
    found = forum.mentions.select(pl.col("post_id").str.slice(-6), "person_id", "basis").rows()
    assert found == [("000200", "U2", "markup"), ("000000", "U3", "structured"), ("000000", "U3", "markup")]
    assert reasons(forum, "mentions") == {"repeated_in_post": 1, "system_message": 1}
    assert post(forum, "1700090004.000000")["text"] == "ask @U3"


def test_reactions_keep_an_anonymous_remainder(forum):
    assert forum.signals.select("person_id", "kind", "n").rows() == [("U2", "emoji:+1", 1), (None, "emoji:+1", 2)]


def test_roles_are_snapshots(forum):
    roles = set(forum.roles.select("person_id", "attribute", "value", "basis").iter_rows())
    assert ("U1", "platform_role", "admin", "snapshot") in roles
    assert ("U1", "job_title", "Baker", "snapshot") in roles
    assert ("U3", "platform_role", "single_channel_guest", "snapshot") in roles
    assert ("U2", "account_status", "deactivated", "snapshot") in roles


def test_secrets_and_phones_stay_out(forum):
    text = post(forum, "1700000001.000200")["text"]
    assert text == "how? @U2 @U2 `@U3` see pic & [phone]"
    everything = " ".join(str(frame.rows()) for frame in (forum.posts, forum.people, forum.roles, forum.issues))
    assert "xox" not in everything
    assert "+44" not in everything
    assert "salary" not in everything
    assert "ann@example.org" in forum.people["email"].to_list()


def test_private_conversations_only_when_asked(tmp_path, forum):
    assert forum.posts["space"].unique().to_list() == ["help"]
    assert reasons(forum)["private_space"] == 2
    full = sna.read_forum(pack(tmp_path / "p.zip", EXPORT), include_private=True)
    assert sorted(full.posts["space"].unique()) == ["D1", "board", "help"]
    assert "private_space" not in reasons(full)


def test_a_folder_that_no_index_lists_is_private(tmp_path):
    forum = sna.read_forum(pack(tmp_path / "e.zip", {**EXPORT, "unlisted/2023-11-14.json": PRIVATE}))
    assert "salary" not in forum.posts["text"].to_list()


def test_order_of_messages_and_files_does_not_matter(tmp_path, forum):
    shuffled = {}
    rng = random.Random(3)
    for name in rng.sample(sorted(EXPORT), len(EXPORT)):
        shuffled[name] = rng.sample(EXPORT[name], len(EXPORT[name]))
    again = sna.read_forum(pack(tmp_path / "shuffled.zip", shuffled))
    assert again.equals(forum)


def test_grid_layout_keeps_workspaces_apart_and_joins_shared_channels(tmp_path):
    def say(stamp, text):
        return [{"type": "message", "user": "W1", "text": text, "ts": stamp}]

    grid = {
        "org_users.json": [{"id": "W1", "name": "ann"}],
        "channels.json": [{"id": "C0", "name": "shared"}],
        "teams/north/channels.json": [{"id": "C1", "name": "general"}, {"id": "C0", "name": "shared"}],
        "teams/south/channels.json": [{"id": "C2", "name": "general"}],
        "teams/north/general/2024-01-01.json": say("1700000000.000001", "north"),
        "teams/south/general/2024-01-01.json": say("1700000000.000001", "south"),
        "shared/2024-01-01.json": say("1700000000.000003", "both"),
        "teams/north/shared/2024-01-01.json": say("1700000000.000003", "both"),
    }
    forum = sna.read_forum(pack(tmp_path / "grid.zip", grid))
    assert forum.posts.select("space", "text").sort("space").rows() == [
        ("north/general", "north"),
        ("north/shared", "both"),
        ("south/general", "south"),
    ]
    assert reasons(forum)["exact_copy"] == 1


def test_slackdump_file_with_nested_replies(tmp_path):
    root = {"type": "message", "user": "U1", "text": "q", "ts": "1700000000.000001", "thread_ts": "1700000000.000001"}
    reply = {**root, "user": "U2", "text": "a", "ts": "1700000000.000002"}
    document = {"channel_id": "C7", "name": "ops", "messages": [{**root, "slackdump_thread_replies": [reply]}]}
    path = tmp_path / "C7.json"
    path.write_text(json.dumps(document))
    forum = sna.read_forum(path)
    assert forum.posts.select("space", "kind", "parent_id").rows() == [
        ("ops", "root", None),
        ("ops", "reply", "C7:1700000000.000001"),
    ]


def test_corporate_exports_tell_edits_and_deletions(tmp_path):
    stamp = "1700000001.000200"
    records = [
        {
            "type": "message",
            "subtype": "message_changed",
            "ts": "1700000100.000000",
            "message": {**GENERAL[1], "text": "new"},
        },
        {
            "type": "message",
            "subtype": "message_deleted",
            "ts": "1700000200.000000",
            "deleted_ts": "1700000300.000000",
            "previous_message": {"user": "U2", "text": "gone", "ts": "1700000300.000000"},
        },
    ]
    forum = sna.read_forum(pack(tmp_path / "e.zip", {**EXPORT, "help/2023-11-16.json": records}))
    assert post(forum, stamp)["edited_at"] == datetime(2023, 11, 14, 22, 15, tzinfo=UTC)
    gone = post(forum, "1700000300.000000")
    assert (gone["text"], gone["author_id"]) == ("gone", "U2")
    assert gone["deleted_at"] == datetime(2023, 11, 14, 22, 16, 40, tzinfo=UTC)


def test_member_analytics_become_visits(tmp_path):
    days = [
        {
            "team_id": "T1",
            "date": "2024-01-02",
            "user_id": "U1",
            "email_address": "a@b.c",
            "is_active": True,
            "search_count": 2,
        },
        {"team_id": "T1", "date": "2024-01-02", "user_id": "U2", "is_active": False},
    ]
    lines = "\n".join(map(json.dumps, days)).encode() + b"\nbroken\n"
    forum = sna.read_forum(pack(tmp_path / "e.zip", {**EXPORT, "member_analytics_2024-01-02.json": lines}))
    visits = forum.events.filter(pl.col("kind").is_in(["visit", "search"]))
    assert visits.select("person_id", "kind", "n").rows() == [("U1", "search", 2), ("U1", "visit", 1)]
    assert forum.supports("logins") == "yes"
    assert reasons(forum, "events", "rejected") == {"damaged_file": 1}


def test_one_damaged_file_is_an_issue_and_the_rest_is_read(tmp_path):
    broken = {**EXPORT, "help/2023-11-14.json": json.dumps(GENERAL).encode()[:-40]}
    forum = sna.read_forum(pack(tmp_path / "e.zip", broken))
    assert reasons(forum, kind="rejected")["damaged_file"] == 1
    assert forum.posts.height > 5


def test_damaged_channel_index_does_not_open_private_folders(tmp_path):
    forum = sna.read_forum(pack(tmp_path / "e.zip", {**EXPORT, "channels.json": b"[{"}))
    assert "salary" not in forum.posts["text"].to_list()
    both = {**EXPORT, "channels.json": b"[{", "groups.json": b"["}
    with pytest.raises(sna.ReadError):
        sna.read_forum(pack(tmp_path / "f.zip", both))


def test_hostile_json_ends_in_an_error_of_ours(tmp_path):
    bomb = {**EXPORT, "help/2023-11-14.json": b"[" * 100_000}
    with pytest.raises(sna.SnaError, match="deep"):
        sna.read_forum(pack(tmp_path / "bomb.zip", bomb))


def test_bom_and_lone_surrogates_are_mended_with_an_issue(tmp_path):
    day = b'\xef\xbb\xbf[{"type":"message","user":"U1","text":"a\\ud800b\\\\ud800","ts":"1700000001.000000"}]'
    forum = sna.read_forum(pack(tmp_path / "e.zip", {**EXPORT, "help/2023-11-14.json": day}))
    assert post(forum, "1700000001.000000")["text"] == "a\ufffdb\\ud800"
    assert reasons(forum, kind="repaired")["text_mended"] == 1


@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, True, 1.5])
def test_wrong_types_anywhere_never_crash(tmp_path, wrong):
    keys = [
        "user",
        "text",
        "ts",
        "thread_ts",
        "reactions",
        "blocks",
        "attachments",
        "edited",
        "subtype",
        "root",
        "bot_id",
        "user_profile",
        "comment",
        "bot_profile",
        "parent_user_id",
    ]
    messages = [{**GENERAL[1], key: wrong} for key in keys] + [wrong, GENERAL[1]]
    users = [wrong, *({**USERS[0], "id": f"X{key}", key: wrong} for key in ("profile", "name", "id"))]
    files = {**EXPORT, "help/2023-11-14.json": messages, "users.json": users, "channels.json": [*CHANNELS, wrong]}
    forum = sna.read_forum(pack(tmp_path / "e.zip", files))
    assert forum.accounting()["read"][2] == len(messages) + len(LATER) + 2


def test_large_day_files_are_streamed_to_the_same_forum(tmp_path, monkeypatch, forum):
    monkeypatch.setattr(collect.JsonFiles, "__init__", _small_init)
    assert sna.read_forum(pack(tmp_path / "export.zip", EXPORT)).equals(forum)


def _small_init(self, container, log):
    object.__setattr__(self, "container", container)
    object.__setattr__(self, "log", log)
    object.__setattr__(self, "whole_bytes", 100)


def test_plain_text_and_blocks():
    assert (
        plain_text("<#C1|dev> <!here> <!subteam^S1|@ops> <mailto:a@b.c|a@b.c> &lt;b&gt;") == "#dev @here @ops a@b.c <b>"
    )
    message = {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*Title*"}}]}
    assert block_text(message) == "*Title*"


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("zulip/test_slack_importer.zip", "slack/test_slack_importer.zip"),
        ("slackdump/source_export.zip", "slack/source_export.zip"),
    ],
)
def test_real_exports_equal_their_counted_truth(shared, name, truth):
    oracle = json.loads((shared / "fixtures" / "ORACLES.json").read_text())[truth]
    forum = sna.read_forum(shared / "fixtures" / "slack" / name)
    read = forum.source.rows_read
    notes = reasons(forum, kind="note")
    assert read["people"] == oracle["users"]
    assert read["posts"] == oracle["messages"]
    assert read["mentions"] == oracle["mention_tokens"]
    assert read["signals"] == oracle["reaction_edges"]
    assert forum.posts.filter(pl.col("kind") == "reply").height == oracle["thread_replies"]
    assert notes.get("posted_through_app", 0) == oracle["bot_msgs"]
    assert notes.get("tombstone", 0) == oracle["tombstones"]
    strangers = forum.people.filter("placeholder")["person_id"]
    assert (
        forum.posts.filter(pl.col("author_id").is_in(strangers.implode())).height == oracle["authors_not_in_users_json"]
    )


def test_other_slack_shapes_of_the_samples(shared):
    folder = shared / "fixtures" / "slack"
    assert sna.read_forum(folder / "zulip" / "thread_with_broadcast_reply.json").posts.height == 3
    assert sna.recognise(folder / "slackdump" / "CHY5HUESG.dump.json").platform == "slack"
    assert sna.recognise(folder / "perceval").platform == "slack"


def test_other_time_stamps_are_not_slack(tmp_path):
    path = tmp_path / "other.json"
    path.write_text('[{"ts": "2024-01-01T00:00:00Z", "text": "x"}]')
    with pytest.raises(sna.errors.FormatError):
        sna.recognise(path)


def test_ids_do_not_depend_on_the_folder_an_export_lies_in(tmp_path):
    days = {"help/2023-11-14.json": GENERAL, "news/2023-11-14.json": LATER}
    plain = sna.read_forum(pack(tmp_path / "plain.zip", days))
    nested = sna.read_forum(pack(tmp_path / "nested.zip", {f"Acme export/{name}": day for name, day in days.items()}))
    assert plain.posts.equals(nested.posts)
    assert plain.posts["space"].unique().sort().to_list() == ["help", "news"]


def test_an_export_without_lists_knows_no_roster(tmp_path):
    bare = sna.read_forum(pack(tmp_path / "bare.zip", {"help/2023-11-14.json": GENERAL}))
    levels = [bare.supports(name) for name in ("roster", "platform_role", "org_attributes", "threads")]
    assert levels == ["no", "no", "no", "no"]
