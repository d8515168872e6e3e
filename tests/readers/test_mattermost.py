"""Mattermost: bulk export, compliance CSV and XML, REST pages; written here, and the samples' counted truth."""

import csv
import io
import json
import random
import zipfile
from datetime import UTC, datetime

import polars as pl
import pytest

import sna
from sna.readers.mattermost.bulk import find_move

T0 = 1_700_000_000_000


def user(name, channels=(), **more):
    teams = [{"name": "hq", "roles": "team_user", "channels": [{"name": c, "last_viewed_at": T0} for c in channels]}]
    return {
        "type": "user",
        "user": {"username": name, "email": f"{name}@example.org", "roles": "system_user", "teams": teams, **more},
    }


def post(author, text, at, **more):
    return {
        "type": "post",
        "post": {"team": "hq", "channel": "help", "user": author, "message": text, "create_at": T0 + at, **more},
    }


BULK = [
    {"type": "version", "version": 1},
    {"type": "team", "team": {"name": "hq"}},
    {"type": "channel", "channel": {"team": "hq", "name": "help", "type": "O"}},
    {"type": "channel", "channel": {"team": "hq", "name": "board", "type": "P"}},
    user(
        "ann", ["help", "board"], roles="system_admin system_user", position="Baker", first_name="Ann", last_name="A."
    ),
    user("bob.", ["help"]),
    user("cat", [], delete_at=T0 + 99_000, teams=None),
    {"type": "bot", "bot": {"username": "robo", "owner": "ann", "display_name": "Robo"}},
    post("ann", "ann joined the channel.", 0),
    post(
        "ann",
        "hello @bob., @cat: @all `@robo` @nobody https://x.example.org/?token=1",
        1000,
        edit_at=T0 + 9000,
        replies=[{"user": "bob.", "message": "hi @ann", "create_at": T0 + 900, "reactions": []}],
        reactions=[{"user": "bob.", "emoji_name": "tada", "create_at": T0 + 2000}],
        flagged_by=["cat"],
    ),
    post("bob.", "same", 3000),
    post("bob.", "same", 3000, replies=[{"user": "ann", "message": "why twice?", "create_at": T0 + 4000}]),
    post("ann", "bob. was added to the channel by ann", 5000),
    post("bob.", "ann joined the channel.", 6000),
    post("bob.", "bob left the channel.", 6500, type=""),
    post("robo", "ping", 7000),
    post("ann", "system words", 8000, type="system_header_change"),
    post("x", "ann removed", 8500, type="system_remove_from_channel", props={"removedUsername": "ann"}),
    {
        "type": "post",
        "post": {
            "team": "hq",
            "channel": "board",
            "user": "ann",
            "message": "salary",
            "create_at": T0,
            "replies": [{"user": "ann", "message": "more salary", "create_at": T0}],
        },
    },
    {"type": "direct_channel", "direct_channel": {"members": ["ann", "bob."]}},
    {
        "type": "direct_post",
        "direct_post": {"channel_members": ["ann", "bob."], "user": "ann", "message": "psst", "create_at": T0},
    },
    post("cat", "no time", 0, create_at=None),
]
HEADER = [
    *(f"{thing} {fact}" for thing in ("Team", "Channel") for fact in ("Id", "Name", "Display Name")),
    *("Channel Type", "User Id", "User Email", "Username", "Post Id", "Edited By Post Id", "Replied to Post Id"),
    *("Post Message", "Post Type"),
]
HEADER.insert(0, "Post Creation Time")


def lines(objects):
    return "\n".join(item if isinstance(item, str) else json.dumps(item) for item in objects).encode()


def bulk(tmp_path, objects=BULK, name="import.jsonl"):
    path = tmp_path / name
    path.write_bytes(lines(objects))
    return path


def reasons(forum, table="posts", kind="withheld"):
    rows = forum.issues.filter((pl.col("table") == table) & (pl.col("kind") == kind))
    return dict(rows.group_by("reason").agg(pl.col("n").sum()).iter_rows())


@pytest.fixture
def forum(tmp_path):
    return sna.read_forum(bulk(tmp_path))


def test_bulk_is_recognised_also_inside_a_zip_with_attachments(tmp_path, forum):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("import.jsonl", lines(BULK))
        archive.writestr("data/20240101/evil.json", lines(BULK))
    assert sna.recognise(path).platform == "mattermost"
    assert sna.read_forum(path).equals(forum)


def test_bulk_books_balance(forum):
    books = {row["table"]: row for row in forum.accounting().iter_rows(named=True)}
    assert books["posts"] == {"table": "posts", "read": 16, "used": 8, "rejected": 1, "withheld": 7, "added": 0}
    assert books["people"]["used"] == forum.people.height == 4
    assert books["memberships"] == {
        "table": "memberships",
        "read": 5,
        "used": 2,
        "rejected": 0,
        "withheld": 3,
        "added": 1,
    }


def test_a_join_is_a_membership_and_not_a_post(forum):
    assert reasons(forum)["system_message:membership"] == 2
    assert forum.posts.filter(pl.col("text") == "ann joined the channel.")["author_id"].to_list() == ["bob."]
    spells = forum.memberships.filter(pl.col("person_id") == "ann")
    joined = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert spells.select("space", "valid_from").rows() == [
        ("hq/help", joined),
        ("hq/help", joined.replace(second=28, microsecond=500_000)),
    ]
    assert forum.events.filter(pl.col("kind").is_in(["join", "leave"])).select("person_id", "kind").rows() == [
        ("ann", "join"),
        ("ann", "leave"),
        ("bob.", "join"),
    ]


def test_text_of_a_post_with_a_type_is_never_read_as_a_join(forum):
    assert "bob left the channel." in forum.posts["text"].to_list()


@pytest.mark.parametrize(
    ("text", "author", "expected"),
    [
        ("ann joined the team.", "ann", ("ann", True)),
        ("ann has left the channel", "ann", ("ann", False)),
        ("ann hat den Kanal verlassen.", "ann", ("ann", False)),
        ("ann a rejoint le canal.", "ann", ("ann", True)),
        ("bob was removed from the channel.", "ann", ("bob", False)),
        ("bob added to the team by @ann.", "ann", ("bob", True)),
        ("bob added to the team by cat.", "ann", None),
        ("ann joined the party.", "ann", None),
        ("I joined the channel. Hello!", "I", None),
        ("ann joined the channel." + " " * 500, "ann", None),
    ],
)
def test_sentences_of_the_server(text, author, expected):
    assert find_move(text, author=author) == expected


def test_equal_posts_are_kept_apart_whatever_the_order(tmp_path, forum):
    same = forum.posts.filter(pl.col("text") == "same")
    assert same["post_id"].n_unique() == 2
    assert reasons(forum, kind="note")["duplicate_identity"] == 1
    answered = forum.posts.filter(pl.col("text") == "why twice?")["parent_id"].item()
    assert answered in same["post_id"].to_list()
    twins = [post("ann", "twin", 50, replies=[{"user": "cat", "message": m, "create_at": T0}]) for m in "aab"]
    for who in ("ann", "cat"):
        liked = [{"user": who, "emoji_name": "tada", "create_at": T0}]
        reply = {"user": "cat", "message": "same reply", "create_at": T0}
        twins.append(post("ann", "other twin", 60, reactions=liked, replies=[reply]))
    objects = [*BULK[:-1], *twins]
    expected = sna.read_forum(bulk(tmp_path, objects, "a.jsonl"))
    assert expected.posts.filter(pl.col("text") == "twin").height == 3
    for seed in range(5):
        shuffled = sna.read_forum(bulk(tmp_path, random.Random(seed).sample(objects, len(objects)), "a.jsonl"))
        assert shuffled.equals(expected)


def test_replies_reactions_and_saved_posts(forum):
    root = forum.posts.filter(pl.col("text").str.starts_with("hello")).row(0, named=True)
    reply = forum.posts.filter(pl.col("text") == "hi @ann").row(0, named=True)
    assert (reply["parent_id"], reply["parent_basis"], reply["thread_id"]) == (
        root["post_id"],
        "root_default",
        root["post_id"],
    )
    assert root["edited_at"] == datetime(2023, 11, 14, 22, 13, 29, tzinfo=UTC)
    assert root["text"].endswith("https://x.example.org/")
    assert forum.signals.select("person_id", "kind").rows() == [("cat", "bookmark"), ("bob.", "emoji:tada")]


def test_mentions_resolve_names_with_trailing_dots_but_not_code_or_all(forum):
    assert forum.mentions["person_id"].to_list().count("bob.") == 1
    assert sorted(forum.mentions["person_id"]) == ["ann", "bob.", "cat"]
    assert reasons(forum, "mentions") == {"broadcast": 1, "unknown_person": 1}


def test_people_have_roles_titles_and_leaving_times(forum):
    roles = set(forum.roles.select("person_id", "attribute", "value").iter_rows())
    assert {
        ("ann", "platform_role", "admin"),
        ("ann", "job_title", "Baker"),
        ("bob.", "platform_role", "member"),
    } <= roles
    cat = forum.people.filter(pl.col("person_id") == "cat").row(0, named=True)
    assert cat["left_at"] == datetime(2023, 11, 14, 22, 14, 59, tzinfo=UTC)
    assert forum.people.filter(pl.col("kind") == "bot")["person_id"].to_list() == ["robo"]


def test_private_channels_and_direct_posts_only_when_asked(tmp_path, forum):
    assert not forum.posts["text"].str.contains("salary|psst").any()
    assert reasons(forum)["private_space"] == 3
    full = sna.read_forum(bulk(tmp_path), include_private=True)
    assert full.posts.filter(pl.col("text").str.contains("salary|psst")).height == 3
    assert "direct:ann,bob." in full.posts["space"].to_list()


def test_an_unlisted_channel_is_private(tmp_path):
    stray = {
        "type": "post",
        "post": {"team": "hq", "channel": "elsewhere", "user": "ann", "message": "?", "create_at": T0},
    }
    assert "?" not in sna.read_forum(bulk(tmp_path, [*BULK, stray])).posts["text"].to_list()


def test_a_broken_line_is_one_issue(tmp_path):
    forum = sna.read_forum(bulk(tmp_path, [*BULK[:-1], '{"type":"post","post":{"team":', '{"type":"user","user":']))
    assert reasons(forum, kind="rejected") == {"damaged_file": 1}
    assert reasons(forum, "people", "rejected") == {"damaged_file": 1}


def test_late_keys_and_long_lines_are_read(tmp_path):
    many = [post("ann", f"n {i}", 10_000 + i) for i in range(200)]
    long = post("ann", "long " + "x" * 5_000_000, 99_999)
    long["post"]["replies"] = [{"user": "bob.", "message": f"r{i}", "create_at": T0 + 100_000 + i} for i in range(2000)]
    last = post("ann", "late", 200_000, reactions=[{"user": "cat", "emoji_name": "wave", "create_at": T0}])
    forum = sna.read_forum(bulk(tmp_path, [*BULK, *many, long, last]))
    assert forum.posts.filter(pl.col("text").str.starts_with("r")).height == 2000
    assert "emoji:wave" in forum.signals["kind"].to_list()


@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, True, 1.5, 10**30])
def test_wrong_types_anywhere_never_crash(tmp_path, wrong):
    keys = [
        "team",
        "channel",
        "user",
        "message",
        "create_at",
        "replies",
        "reactions",
        "flagged_by",
        "type",
        "props",
        "edit_at",
    ]
    odd = [post("ann", "ok", i, **{key: wrong}) for i, key in enumerate(keys)]
    people = [user("dan", **{key: wrong}) for key in ("username", "roles", "teams", "delete_at", "email", "position")]
    forum = sna.read_forum(bulk(tmp_path, [*BULK, *people, *odd, {"type": "post", "post": wrong}]))
    assert forum.source.rows_read["posts"] >= 16 + len(odd) + 1


# --- compliance CSV ---------------------------------------------------------------------------------------------------


def row(at, who, text, *, post_id="", root="", edited_by="", kind="message", space="public", **more):
    cells = [
        T0 + at,
        "t1",
        "hq",
        "HQ",
        f"c-{space}",
        f"{space}-chan",
        "Chan",
        space,
        f"id-{who}",
        f"{who}@example.org",
        who,
    ]
    return [*cells, post_id, edited_by, root, text, kind, *more.values()]


ROWS = [
    row(0, "ann", "User ann was already in the channel", kind="previously-joined"),
    row(0, "ann", "User ann was already in the channel", kind="previously-joined"),
    row(500, "bob", "User bob joined the channel", kind="join"),
    row(1000, "ann", 'hello\n"quoted", @bob', post_id="p1"),
    row(2000, "bob", "hi", post_id="p2", root="p1"),
    row(2500, "bob", "hi (first words)", post_id="p0", edited_by="p2"),
    row(2600, "ann", "file.png", post_id="p1", kind="attachment"),
    row(3000, "bob", "User bob leaved the channel", kind="leave"),
    row(4000, "ann", "salary", post_id="p3", space="private"),
    row(4000, "ann", "x", post_id="p4", kind="system_header_change"),
    row(5000, "ann", "no id"),
    row(1000, "ann", 'hello\n"quoted", @bob', post_id="p1"),
]


def compliance(tmp_path, rows=ROWS, header=HEADER, name="csv.zip"):
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("posts.csv", text.getvalue())
        archive.writestr("metadata.json", "{}")
    return path


def test_compliance_rows_become_posts_memberships_and_events(tmp_path):
    path = compliance(tmp_path)
    assert sna.recognise(path).platform == "mattermost_compliance"
    forum = sna.read_forum(path)
    read = forum.source.rows_read
    assert read["posts"] + read["events"] + read["memberships"] == len(ROWS)
    assert forum.posts.select("post_id", "parent_id", "text").rows() == [
        ("p1", None, 'hello\n"quoted", @bob'),
        ("p2", "p1", "hi"),
    ]
    assert reasons(forum) == {
        "older_version": 1,
        "attachment_row:attachment": 1,
        "private_space": 1,
        "exact_copy": 1,
        "system_message:system_header_change": 1,
    }
    assert reasons(forum, kind="rejected") == {"missing_id": 1}
    assert forum.posts["edited_at"].to_list()[1] is not None
    spells = {
        person: (start and start.microsecond, end and end.second)
        for person, start, end in forum.memberships.select("person_id", "valid_from", "valid_to").iter_rows()
    }
    assert spells == {"id-ann": (None, None), "id-bob": (500_000, 23)}
    assert forum.mentions.select("post_id", "person_id").rows() == [("p1", "id-bob")]


def test_compliance_order_and_newer_columns_do_not_matter(tmp_path):
    newer = [*HEADER, "User Type", "Previews Post Id"]
    rows = [[*cells, "bot" if "bob" in cells[-6] else "user", ""] for cells in ROWS]
    plain = sna.read_forum(compliance(tmp_path, rows, newer))
    mixed = list(range(len(newer)))
    random.Random(1).shuffle(mixed)
    turned = [[cells[i] for i in mixed] for cells in random.Random(2).sample(rows[:-2] + rows[-1:], len(rows) - 1)]
    other = sna.read_forum(compliance(tmp_path, turned, [newer[i] for i in mixed], "b.zip"))
    for table in ("posts", "people", "memberships", "mentions", "events"):
        assert getattr(other, table).equals(getattr(plain, table)), table


def test_a_renamed_person_stays_one_person_under_both_names(tmp_path):
    rows = [row(0, "ann", "a", post_id="p1"), row(9, "ann", "hi @ann and @anna", post_id="p2")]
    rows.append([*row(10, "ann", "b", post_id="p3")])
    rows[-1][10] = "anna"
    forum = sna.read_forum(compliance(tmp_path, rows))
    assert forum.people.select("person_id", "name").rows() == [("id-ann", "anna")]
    assert forum.mentions["person_id"].to_list() == ["id-ann", "id-ann"]


def test_compliance_sample_equals_its_counted_truth(shared):
    oracle = json.loads((shared / "fixtures" / "ORACLES.json").read_text())["mattermost/csv_export.zip"]
    path = shared / "fixtures" / "mattermost" / "compliance" / "csv_export.zip"
    forum = sna.read_forum(path, include_private=True)
    read = forum.source.rows_read
    assert read["posts"] == forum.posts.height == oracle["types"]["message"]
    assert read["memberships"] == oracle["types"]["previously-joined"]
    assert read["events"] == oracle["types"]["leave"]
    assert read["posts"] + read["memberships"] + read["events"] == oracle["rows"]
    assert forum.people.height == oracle["users"]
    assert forum.posts["parent_id"].drop_nulls().len() == oracle["replies"] == oracle["reply_parent_in_file"]
    public = sna.read_forum(path)
    hidden = sum(public.issues.filter(pl.col("reason") == "private_space")["n"])
    assert hidden == oracle["chan"]["direct"] + oracle["chan"]["group"] + oracle["chan"]["private"]
    assert public.posts.height + public.events.height + hidden == oracle["rows"]


# --- Actiance XML -----------------------------------------------------------------------------------------------------


def message(who, at, text):
    return (
        f"<Message><LoginName>{who}</LoginName><DateTimeUTC>{T0 + at}</DateTimeUTC><Content>{text}</Content></Message>"
    )


def actiance(tmp_path, inner, *, head='<?xml version="1.0" encoding="UTF-8"?>'):
    talk = (
        f'<Conversation Perspective="Help"><RoomID>public - r1</RoomID><StartTimeUTC>{T0}</StartTimeUTC>'
        f"<ParticipantEntered><LoginName>a@x.org</LoginName><DateTimeUTC>{T0 - 5000}</DateTimeUTC></ParticipantEntered>"
        f"{inner}"
        f"<ParticipantLeft><LoginName>b@x.org</LoginName><DateTimeUTC>{T0 + 50}</DateTimeUTC></ParticipantLeft>"
        f"<ParticipantLeft><LoginName>a@x.org</LoginName><DateTimeUTC>{T0 + 99}</DateTimeUTC></ParticipantLeft>"
        f"<EndTimeUTC>{T0 + 99}</EndTimeUTC></Conversation>"
        f'<Conversation Perspective="DM"><RoomID>direct - r2</RoomID>{message("a@x.org", 1, "psst")}</Conversation>'
    )
    path = tmp_path / "dump.xml"
    path.write_text(f"{head}<FileDump>{talk}</FileDump>", encoding="utf-8")
    return path


def test_actiance_messages_and_memberships(tmp_path):
    twice = message("b@x.org", 7, "same") * 2
    path = actiance(tmp_path, message("a@x.org", 1, "hi &amp; bye") + twice)
    assert sna.recognise(path).platform == "mattermost_actiance"
    forum = sna.read_forum(path)
    assert forum.posts.select("author_id", "text", "space").rows() == [
        ("a@x.org", "hi & bye", "Help [r1]"),
        ("b@x.org", "same", "Help [r1]"),
        ("b@x.org", "same", "Help [r1]"),
    ]
    assert reasons(forum) == {"private_space": 1}
    assert reasons(forum, "events") == {"end_of_export_window": 1}
    assert forum.events.select("person_id", "kind").rows() == [("b@x.org", "leave")]
    assert forum.memberships.filter(pl.col("person_id") == "a@x.org")["valid_to"].to_list() == [None]


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]>',
        '<!doctype x SYSTEM "file:///etc/passwd">',
        "<!-- " + "-x" * 50_000 + "--><!DOCTYPE FileDump>",
    ],
)
def test_a_doctype_is_refused(tmp_path, head):
    path = actiance(tmp_path, message("a@x.org", 1, "hi"), head=head)
    with pytest.raises(sna.SnaError):
        sna.read_forum(path, platform="mattermost_actiance")


def test_actiance_with_forbidden_characters_and_cut_off(tmp_path):
    path = actiance(tmp_path, message("a@x.org", 1, "a&#x1;b\x02c"))
    forum = sna.read_forum(path)
    assert forum.posts["text"].to_list() == ["a\ufffdb\ufffdc"]
    path.write_text(path.read_text()[:-60])
    assert reasons(sna.read_forum(path), kind="rejected") == {"damaged_file": 1}


def test_actiance_sample_is_read_whole(shared):
    forum = sna.read_forum(
        shared / "fixtures" / "mattermost" / "compliance" / "actiance_export.xml", include_private=True
    )
    assert forum.posts.height == forum.source.rows_read["posts"] == 1853
    assert forum.source.rows_read["memberships"] == 1678
    assert forum.source.rows_read["events"] == 1610 + 160


# --- REST -------------------------------------------------------------------------------------------------------------


def test_api_pages_overlap_and_the_latest_version_counts(tmp_path):
    def item(key, **more):
        return {
            "id": key,
            "create_at": T0,
            "update_at": T0,
            "delete_at": 0,
            "edit_at": 0,
            "user_id": "u1",
            "channel_id": "c1",
            "root_id": "",
            "message": key,
            "type": "",
            **more,
        }

    gone = item("gone", delete_at=T0 + 5000)
    reply = item("r", root_id="q", metadata={"reactions": [{"user_id": "u2", "emoji_name": "ok", "create_at": T0 + 1}]})
    pages = {
        "p1.json": {
            "order": ["q", "r"],
            "posts": {"q": item("q"), "r": reply, "s": item("s", type="system_join_channel")},
        },
        "p2.json": {
            "order": ["q"],
            "posts": {"q": item("q", message="q edited @ann", update_at=T0 + 9, edit_at=T0 + 9), "g": gone},
        },
        "u1.json": {"id": "u1", "username": "ann", "email": "ann@example.org", "roles": "system_admin system_user"},
        "c1.json": {"id": "c1", "team_id": "t", "name": "help", "type": "O"},
    }
    for name, content in pages.items():
        (tmp_path / name).write_text(json.dumps(content))
    forum = sna.read_forum(tmp_path)
    assert forum.source.platform == "mattermost"
    assert forum.posts.select("post_id", "text", "space").rows() == [
        ("gone", "gone", "help"),
        ("q", "q edited @ann", "help"),
        ("r", "r", "help"),
    ]
    assert reasons(forum) == {"on_two_pages": 1, "system_message:system_join_channel": 1}
    assert forum.posts["deleted_at"].drop_nulls().len() == 1
    assert forum.mentions["person_id"].to_list() == ["u1"]
    assert forum.signals.select("person_id", "kind").rows() == [("u2", "emoji:ok")]


def test_other_samples_are_read(shared):
    folder = shared / "fixtures" / "mattermost"
    assert (
        sna.read_forum(folder / "zulip" / "export_abridged.jsonl", include_private=True).source.rows_read["posts"] == 10
    )
    assert sna.recognise(folder / "perceval").platform == "mattermost_api"
