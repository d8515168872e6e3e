"""Microsoft Teams: Graph pages and the PascalCase tree; both written here, and the samples."""

import json
import random
import zipfile
from datetime import UTC, datetime

import polars as pl
import pytest

import sna

TEAM = "11111111-1111-1111-1111-111111111111"
SECRET = "22222222-2222-2222-2222-222222222222"
ANN, BOB, CAT, GUEST, APP = (f"aaaaaaaa-0000-0000-0000-00000000000{n}" for n in range(1, 6))
CHANNEL, HIDDEN = "19:open@thread.tacv2", "19:closed@thread.tacv2"


def pascal(value):
    """The same object with the other kind of keys."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: pascal(item) for key, item in value.items()}
    return [pascal(item) for item in value] if isinstance(value, list) else value


def who(person, kind="user"):
    return {
        "application": None,
        "device": None,
        "user": None,
        kind: {"id": person, "displayName": f"name {person[-1]}"},
    }


def message(key, author, text, second, **more):
    return {
        "id": str(key),
        "replyToId": None,
        "messageType": "message",
        "createdDateTime": f"2024-03-01T10:00:{second:02d}.12Z",
        "lastModifiedDateTime": f"2024-03-01T10:00:{second:02d}Z",
        "from": author and who(author),
        "body": {"contentType": "html", "content": text},
        "channelIdentity": {"teamId": TEAM, "channelId": CHANNEL},
        "chatId": None,
        "mentions": [],
        "reactions": [],
        "attachments": [],
        **more,
    }


def mention(n, person, text):
    return {"id": n, "mentionText": text, "mentioned": {"user": {"id": person, "displayName": text}}}


def event(key, kind, people, second):
    detail = {"@odata.type": f"#microsoft.graph.{kind}EventMessageDetail", "members": [{"id": p} for p in people]}
    body = {"contentType": "html", "content": "<systemEventMessage/>"}
    return message(key, None, "", second, messageType="unknownFutureValue", body=body, eventDetail=detail)


REACTION = {"reactionType": "like", "createdDateTime": "2024-03-01T11:00:00Z", "user": {"user": {"id": CAT}}}
ROOT = message(
    1,
    ANN,
    '<p>Who knows? <at id="0">Bob</at>&nbsp;<at id="1">Builder</at> <at id="2">Team</at> '
    'see <a href="https://x.example.org/a?sig=secret">https://x.example.org/a?sig=secret</a></p>',
    1,
    subject="A question",
    mentions=[
        mention(0, BOB, "Bob"),
        mention(1, BOB, "Builder"),
        {"id": 2, "mentioned": {"user": None, "conversation": {"id": "c", "displayName": "Team"}}},
    ],
    reactions=[REACTION, {**REACTION, "reactionType": "\U0001f62e"}],
)
QUOTE = {"id": "2", "contentType": "messageReference", "content": json.dumps({"messageId": "2"})}
MESSAGES = [
    ROOT,
    message(2, BOB, "I do &amp; more", 2, replyToId="1"),
    message(3, CAT, '<attachment id="2"></attachment>right', 3, replyToId="1", attachments=[QUOTE]),
    message(4, ANN, "", 4, deletedDateTime="2024-03-02T00:00:00Z"),
    message(5, None, "beep", 5, **{"from": who(APP, "application")}),
    message(6, BOB, "stray", 6, replyToId="999"),
    event(7, "membersAdded", [BOB, CAT], 7),
    event(8, "membersDeleted", [CAT], 8),
    event(9, "teamDescriptionUpdated", [], 9),
    message(10, ANN, "secret plan", 10, channelIdentity={"teamId": TEAM, "channelId": HIDDEN}),
]
CHAT = [
    message(20, ANN, "psst", 20, channelIdentity=None, chatId="19:chat@thread.v2"),
    message(
        21,
        BOB,
        "what",
        21,
        channelIdentity=None,
        chatId="19:chat@thread.v2",
        attachments=[{**QUOTE, "id": "20", "content": "{"}],
    ),
]
USERS = [
    {
        "id": ANN,
        "displayName": "Ann",
        "mail": "ann@example.org",
        "userPrincipalName": "ann@example.org",
        "jobTitle": "Baker",
        "businessPhones": ["+44123"],
        "officeLocation": "Oslo",
    },
    {"id": BOB, "displayName": "Bob", "mail": None, "userPrincipalName": "bob@example.org", "jobTitle": None},
]
TREE = {
    "users/usersList.json": USERS,
    f"users/{ANN}/messages_{ANN}.json": CHAT,
    f"users/{BOB}/messages_{BOB}.json": CHAT,
    "teams/teamsList.json": [
        {"groupsId": TEAM, "name": "Crew", "privacy": "Public"},
        {"groupsId": SECRET, "name": "S", "privacy": "Private"},
    ],
    f"teams/{TEAM}/channels_{TEAM}.json": [
        {"id": CHANNEL, "displayName": "General", "membershipType": "standard"},
        {"id": "19:other", "displayName": "Other", "membershipType": "standard"},
        {"id": HIDDEN, "displayName": "Board", "membershipType": "private"},
    ],
    f"teams/{TEAM}/teamMembers_{TEAM}.json": [
        {"name": "Ann", "userId": ANN, "userName": "ann@example.org", "role": "Owner"},
        {"name": "Bob", "userId": BOB, "userName": "bob@example.org", "role": None},
        {"name": "Gil", "userId": GUEST, "userName": "gil.g_home.org#EXT#@tenant.example.org", "role": "Guest"},
    ],
    f"teams/{TEAM}/messages_{TEAM}.json": MESSAGES,
    f"teams/{SECRET}/teamMembers_{SECRET}.json": [
        {"name": "Ann", "userId": ANN, "userName": "ann@example.org", "role": None}
    ],
    f"teams/{SECRET}/messages_{SECRET}.json": [
        message(30, ANN, "hidden", 30, channelIdentity={"teamId": SECRET, "channelId": "19:s"})
    ],
}


def write(root, files, turn=pascal):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(turn(content)), encoding="utf-8")
    return root


def reasons(forum, table="posts", kind="withheld"):
    rows = forum.issues.filter((pl.col("table") == table) & (pl.col("kind") == kind))
    return dict(rows.group_by("reason").agg(pl.col("n").sum()).iter_rows())


def post(forum, key):
    return forum.posts.filter(pl.col("post_id") == f"{CHANNEL}:{key}").row(0, named=True)


@pytest.fixture
def forum(tmp_path):
    return sna.read_forum(write(tmp_path / "tree", TREE))


def test_tree_is_recognised_and_the_books_balance(tmp_path, forum):
    assert sna.recognise(tmp_path / "tree").platform == "teams"
    books = {row["table"]: row for row in forum.accounting().iter_rows(named=True)}
    assert books["posts"] == {"table": "posts", "read": 15, "used": 6, "rejected": 0, "withheld": 9, "added": 0}
    assert reasons(forum) == {
        "private_space": 6,
        "system_message:membersadded": 1,
        "system_message:membersdeleted": 1,
        "system_message:teamdescriptionupdated": 1,
    }
    assert books["people"] == {"table": "people", "read": 2, "used": 2, "rejected": 0, "withheld": 0, "added": 3}
    assert (books["memberships"]["read"], books["memberships"]["withheld"]) == (4, 1)
    assert (books["mentions"]["read"], books["mentions"]["used"]) == (3, 1)


def test_both_cases_of_keys_give_the_same_forum(tmp_path, forum):
    assert sna.read_forum(write(tmp_path / "camel", TREE, turn=lambda value: value)).equals(forum)


def test_threads_quotes_and_text(forum):
    root = post(forum, 1)
    assert root["text"] == "Who knows? Bob Builder Team see https://x.example.org/a"
    assert (root["title"], root["space"], root["kind"]) == ("A question", "Crew/General", "root")
    assert root["created_at"] == datetime(2024, 3, 1, 10, 0, 1, 120_000, tzinfo=UTC)
    assert (post(forum, 2)["parent_id"], post(forum, 2)["parent_basis"], post(forum, 2)["text"]) == (
        f"{CHANNEL}:1",
        "root_default",
        "I do & more",
    )
    assert (post(forum, 3)["parent_id"], post(forum, 3)["parent_basis"], post(forum, 3)["text"]) == (
        f"{CHANNEL}:2",
        "quote",
        "right",
    )


def test_deleted_messages_stay_with_their_time(forum):
    assert post(forum, 4)["deleted_at"] == datetime(2024, 3, 2, tzinfo=UTC)
    assert post(forum, 4)["text"] is None


def test_a_reply_whose_root_is_missing_keeps_its_thread(forum):
    assert (post(forum, 6)["parent_id"], post(forum, 6)["thread_id"]) == (None, f"{CHANNEL}:999")
    assert reasons(forum, kind="repaired") == {"parent_missing": 1}


def test_a_split_name_is_one_mention_and_a_team_is_none(forum):
    assert forum.mentions.select("person_id", "basis").rows() == [(BOB, "structured")]
    assert reasons(forum, "mentions") == {"broadcast": 1, "repeated_in_post": 1}


def test_reactions_have_times(forum):
    at = datetime(2024, 3, 1, 11, tzinfo=UTC)
    assert forum.signals.select("person_id", "kind", "at").rows() == [(CAT, "emoji:\U0001f62e", at), (CAT, "like", at)]


def test_member_events_become_memberships_over_time_not_posts(forum):
    general = forum.memberships.filter(pl.col("space") == "Crew/General")
    spells = {
        p: (a and a.second, b and b.second)
        for p, a, b in general.select("person_id", "valid_from", "valid_to").iter_rows()
    }
    assert spells == {ANN: (None, None), BOB: (7, None), GUEST: (None, None), CAT: (7, 8)}
    assert forum.memberships.filter(pl.col("space") == "Crew/Other")["person_id"].to_list() == [ANN, BOB, GUEST]
    assert forum.events.select("person_id", "kind").rows() == [(BOB, "join"), (CAT, "join"), (CAT, "leave")]


def test_people_missing_from_the_user_list_and_bots(forum):
    people = {row["person_id"]: row for row in forum.people.iter_rows(named=True)}
    assert (people[GUEST]["email"], people[GUEST]["placeholder"]) == ("gil.g@home.org", True)
    assert people[APP]["kind"] == "bot"
    assert people[BOB]["email"] == "bob@example.org"
    roles = set(forum.roles.select("person_id", "attribute", "value", "basis").iter_rows())
    assert roles == {
        (ANN, "job_title", "Baker", "snapshot"),
        (ANN, "location", "Oslo", "snapshot"),
        (ANN, "platform_role", "team_owner", "snapshot"),
    }
    assert "+44" not in str([frame.rows() for frame in (forum.people, forum.roles, forum.posts)])


def test_private_teams_channels_and_chats_only_when_asked(tmp_path, forum):
    assert not forum.posts["text"].str.contains("secret|psst|hidden").any()
    full = sna.read_forum(tmp_path / "tree", include_private=True)
    assert full.posts.filter(pl.col("text").str.contains("secret plan|psst|hidden")).height == 3
    assert reasons(full)["older_version"] == 2
    chat = full.posts.filter(pl.col("space") == "19:chat@thread.v2")
    assert chat.select("kind", "parent_basis").rows() == [("root", "none"), ("reply", "quote")]
    assert "S/19:s" in full.posts["space"].to_list()


def test_order_of_messages_does_not_matter(tmp_path, forum):
    mixed = {name: random.Random(4).sample(content, len(content)) for name, content in reversed(TREE.items())}
    assert sna.read_forum(write(tmp_path / "mixed", mixed)).equals(forum)


def test_graph_page_with_nested_replies_and_place_from_its_context(tmp_path):
    bare = {key: value for key, value in MESSAGES[1].items() if key not in ("channelIdentity", "replyToId")}
    root = {**ROOT, "channelIdentity": None, "replies": [bare]}
    context = (
        f"https://graph.microsoft.com/v1.0/$metadata#teams('{TEAM}')/channels('19%3Aopen%40thread.tacv2')/messages"
    )
    path = tmp_path / "page.json"
    path.write_text(json.dumps({"@odata.context": context, "value": [root]}))
    forum = sna.read_forum(path)
    assert forum.posts["parent_id"].to_list() == [None, f"{CHANNEL}:1"]
    chat = "https://graph.microsoft.com/v1.0/$metadata#chats('19%3Aabc')/messages"
    path.write_text(json.dumps({"@odata.context": chat, "value": [root, {**bare, "channelIdentity": None}]}))
    with pytest.raises(sna.ReadError, match="private_space"):
        sna.read_forum(path)


def test_pages_that_overlap_count_once_with_the_last_version(tmp_path):
    newer = {
        **MESSAGES[1],
        "lastModifiedDateTime": "2024-03-05T00:00:00Z",
        "body": {"contentType": "text", "content": "edited <b>"},
    }
    for name, items in (("a.json", MESSAGES), ("b.json", [newer])):
        (tmp_path / name).write_text(json.dumps({"value": items}))
    forum = sna.read_forum(tmp_path)
    assert post(forum, 2)["text"] == "edited <b>"
    assert reasons(forum)["older_version"] == 1


def test_one_damaged_file_is_an_issue(tmp_path, forum):
    path = tmp_path / "tree" / f"teams/{SECRET}/messages_{SECRET}.json"
    path.write_text(path.read_text()[:-5])
    again = sna.read_forum(tmp_path / "tree")
    assert reasons(again, kind="rejected") == {"damaged_file": 1}
    assert again.posts.equals(forum.posts)


def test_depth_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.json"
    path.write_text('{"value":[' + json.dumps(ROOT)[:-1] + ',"x":' + "[" * 100_000)
    with pytest.raises(sna.SnaError):
        sna.read_forum(path)


@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, True, [None], {"id": 5}])
def test_wrong_types_anywhere_never_crash(tmp_path, wrong):
    odd = [{**ROOT, "id": str(100 + n), key: wrong} for n, key in enumerate(ROOT)] + [wrong]
    users = [*USERS, *({**USERS[0], "id": f"x{key}", key: wrong} for key in USERS[0])]
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        archive.writestr("messages.json", json.dumps({"value": [ROOT, *odd]}))
        archive.writestr("users.json", json.dumps({"value": users}))
    forum = sna.read_forum(tmp_path / "odd.zip")
    assert forum.source.rows_read["posts"] == len(odd) + 1


def test_samples_are_read_whole(shared):
    folder = shared / "fixtures" / "msteams"
    tree = sna.read_forum(folder / "TeamsData_ZulipChat_abridged")
    assert tree.posts.height == tree.source.rows_read["posts"] == 4
    assert (tree.people.height, tree.memberships.height, tree.signals.height) == (7, 6, 2)
    page = sna.read_forum(folder / "graph_list_channel_messages_doc_example.json")
    assert (page.posts.height, page.source.rows_read["posts"], page.mentions.height) == (1, 2, 1)
