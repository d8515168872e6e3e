"""Discourse: JSON of the API, category exports and administrators' CSVs."""

import gzip
import json
import random
import zipfile
from datetime import UTC, datetime

import polars as pl
import pytest

import sna
from sna.errors import ReadError, SnaError
from sna.formats.html import html_to_text, scan_html, scan_markdown
from sna.readers.discourse.people import change_spells


def post(number, user, *, topic=7, identifier=None, **more):
    """One post object as the API writes it."""
    names = {1: "ann", 2: "bob", 3: "cat", -1: "system"}
    return {
        "id": identifier or 100 + number,
        "topic_id": topic,
        "post_number": number,
        "post_type": 1,
        "user_id": user,
        "username": names.get(user),
        "name": "",
        "created_at": f"2024-03-0{number}T09:00:00.250Z",
        "updated_at": f"2024-03-0{number}T10:00:00.000Z",
        "cooked": f"<p>words {number}</p>",
        "reply_to_post_number": None,
        "actions_summary": [],
        "trust_level": 1,
        "admin": False,
        "moderator": False,
        "version": 1,
        **more,
    }


def topic(posts, *, identifier=7, **more):
    return {
        "id": identifier,
        "title": "VPN is down",
        "category_id": 4,
        "archetype": "regular",
        "posts_count": len(posts),
        "post_stream": {"posts": posts, "stream": [p["id"] for p in posts]},
        **more,
    }


def save(folder, name, value):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return folder / name


POSTS = [
    post(1, 1),
    post(2, 2, reply_to_post_number=1, accepted_answer=True, actions_summary=[{"id": 2, "count": 3}, {"id": 3}]),
    post(3, 3, cooked='<aside class="quote" data-post="2" data-topic="7"><p>@dan said</p></aside><p>and then</p>'),
    post(4, 1, cooked='<p>so <a class="mention" href="/u/bob">@bob</a> <code>@cat</code></p>', version=2),
    post(5, 2, reply_to_post_number=9),
    post(6, -1, post_type=3, action_code="closed.enabled", cooked=""),
]


def rows(frame, *names):
    return {row[0]: row[1:] for row in frame.select(names).iter_rows()}


def test_a_topic_file_gives_parents_with_the_way_they_are_known(tmp_path):
    forum = sna.read_forum(save(tmp_path, "7.json", topic(POSTS)))
    assert rows(forum.posts, "post_id", "parent_id", "parent_basis", "kind", "author_id") == {
        "101": (None, "none", "root", "1"),
        "102": ("101", "explicit", "reply", "2"),
        "103": ("102", "quote", "reply", "3"),
        "104": ("101", "root_default", "reply", "1"),
        "105": (None, "none", "reply", "2"),
    }
    assert forum.posts["space"].unique().to_list() == ["4"]
    assert forum.posts.filter(kind="root")["title"].to_list() == ["VPN is down"]
    assert forum.posts["created_at"][0] == datetime(2024, 3, 1, 9, 0, 0, 250_000, tzinfo=UTC)
    assert forum.posts.filter(pl.col("edited_at").is_not_null())["post_id"].to_list() == ["104"]
    lost = forum.issues.filter(reason="parent_missing")
    assert lost.select("kind", "position", "detail").rows() == [("repaired", "post_id 105", "reply to post number 9")]


def test_words_mentions_likes_and_acceptance(tmp_path):
    forum = sna.read_forum(save(tmp_path, "7.json", topic(POSTS)))
    texts = rows(forum.posts, "post_id", "text")
    assert texts["103"] == ("and then",)
    assert texts["104"] == ("so @bob @cat",)
    assert forum.mentions.rows() == [("104", "2", "markup")]
    assert forum.signals.select("post_id", "person_id", "kind", "n").rows() == [
        ("102", None, "accept", 1),
        ("102", None, "like", 3),
    ]


def test_small_actions_are_withheld_and_every_row_is_accounted_for(tmp_path):
    forum = sna.read_forum(save(tmp_path, "7.json", topic(POSTS)))
    account = forum.accounting().filter(table="posts").row(0, named=True)
    assert account == {"table": "posts", "read": 6, "used": 5, "rejected": 0, "withheld": 1, "added": 0}
    assert rows(forum.people, "person_id", "name", "kind")["-1"] == ("system", "system")


def test_a_topic_file_that_holds_only_its_first_posts_is_flagged(tmp_path):
    short = topic(POSTS)
    short["post_stream"]["stream"] = [101, 102, 103, 104, 105, 106, 107, 108]
    forum = sna.read_forum(save(tmp_path, "7.json", short))
    note = forum.issues.filter(reason="topic_incomplete").row(0, named=True)
    assert note["position"] == "topic 7"
    assert note["detail"].startswith("6 of 8 posts")
    whole = sna.read_forum(save(tmp_path, "8.json", topic(POSTS)))
    assert whole.issues.filter(reason="topic_incomplete").is_empty()


def lines(folder, *, order):
    """The same topic as topics.jsonl.gz and posts.jsonl.gz."""
    folder.mkdir()
    bare = {key: value for key, value in topic(POSTS).items() if key != "post_stream"}
    for name, objects in (("topics", [bare]), ("posts", [POSTS[i] for i in order])):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(item) + "\n" for item in objects)
    return folder


def test_one_object_per_line_reads_like_topic_files_in_any_order(tmp_path):
    order = list(range(len(POSTS)))
    first = sna.read_forum(lines(tmp_path / "a", order=order))
    random.Random(1).shuffle(order)
    second = sna.read_forum(lines(tmp_path / "b", order=order))
    whole = sna.read_forum(save(tmp_path / "c", "7.json", topic(POSTS)))
    assert first.equals(second)
    for table in ("posts", "people", "roles", "mentions", "signals"):
        assert getattr(first, table).equals(getattr(whole, table)), table


def test_the_same_post_in_two_files_counts_once_whatever_the_order(tmp_path):
    older = post(2, 2, cooked="<p>old</p>")
    newer = post(2, 2, cooked="<p>new</p>", updated_at="2024-06-01T00:00:00.000Z", like_count=2, actions_summary=None)
    texts = set()
    for name, pair in (("a", (older, newer)), ("b", (newer, older))):
        folder = tmp_path / name
        save(folder, "1.json", topic([POSTS[0], pair[0]]))
        save(folder, "2.json", {"latest_posts": [pair[1]]})
        forum = sna.read_forum(folder)
        texts.add(rows(forum.posts, "post_id", "text")["102"][0])
        assert forum.issues.filter(reason="duplicate_id", kind="rejected")["position"].to_list() == ["post_id 102"]
        assert forum.signals["n"].to_list() == [2]
    assert texts == {"new"}


def test_platform_roles_are_the_latest_snapshot(tmp_path):
    posts = [
        post(1, 1),
        post(2, 1, moderator=True, trust_level=3, user_title="Helper"),
        post(3, 2, admin=True, moderator=True),
    ]
    forum = sna.read_forum(save(tmp_path, "7.json", topic(posts)))
    assert rows(forum.attribute("platform_role"), "person_id", "platform_role") == {
        "1": ("moderator",),
        "2": ("admin",),
    }
    assert rows(forum.attribute("trust_level"), "person_id", "trust_level")["1"] == ("3",)
    assert rows(forum.attribute("title"), "person_id", "title")["1"] == ("Helper",)
    assert forum.roles["basis"].unique().to_list() == ["snapshot"]


EXPORT = {
    "groups": [{"id": 9, "name": "vpn", "user_ids": [1, 2]}],
    "categories": [
        {"id": 4, "name": "Help", "parent_category_id": 3, "permissions_params": {"vpn": 1, "everyone": 2}},
        {"id": 3, "name": "IT", "permissions_params": {}},
        {"id": 5, "name": "Board", "permissions_params": {"board": 1}},
    ],
    "users": [
        {"id": 1, "username": "ann", "name": "Ann", "email": "ANN@example.org", "created_at": "2020-01-01T00:00:00Z"}
    ],
    "topics": [
        {"id": 7, "title": "a", "category_id": 4, "archetype": "regular", "posts": [post(1, 1), post(2, 2)]},
        {"id": 8, "title": "b", "category_id": 5, "posts": [post(1, 1, identifier=201, like_count=4)]},
        {"id": 9, "title": "c", "archetype": "private_message", "posts": [post(1, 2, identifier=301)]},
    ],
}


def test_a_category_export_keeps_private_posts_out_unless_asked_for(tmp_path):
    path = save(tmp_path, "category-export.json", EXPORT)
    forum = sna.read_forum(path)
    assert forum.posts["post_id"].to_list() == ["101", "102"]
    assert forum.posts["space"].unique().to_list() == ["IT / Help"]
    withheld = forum.issues.filter(kind="withheld").select("table", "reason", "n").rows()
    assert withheld == [
        ("posts", "private_message", 1),
        ("posts", "restricted_category", 1),
        ("signals", "private_space", 1),
    ]
    assert "words" not in json.dumps(forum.issues.to_dicts())
    whole = sna.read_forum(path, include_private=True)
    assert rows(whole.posts, "post_id", "space")["201"] == ("Board",)
    assert rows(whole.posts, "post_id", "space")["301"] == ("private message",)
    assert whole.signals["n"].to_list() == [4]
    assert forum.memberships.select("person_id", "space").rows() == [("1", "group:vpn"), ("2", "group:vpn")]
    ann = forum.people.filter(person_id="1").row(0, named=True)
    assert (ann["email"], ann["joined_at"]) == ("ann@example.org", datetime(2020, 1, 1, tzinfo=UTC))


USERS = """id,name,username,email,title,created_at,last_seen_at,trust_level,active,admin,moderator,ip_address,staged,\
posts_read_count,location,external_id,Department (custom user field),Mobile (custom user field),group_names
1,Ann A,ann,ann@example.org,,2020-01-01 10:00:00 UTC,,2,true,true,false,10.9.8.7,false,80,Berlin,E1,IT,555-12,vpn;staff
2,"Bob, B",bob,bob@example.org,Lead,2020-01-02 10:00:00 UTC,,0,true,false,false,10.9.8.6,false,0,,,,
x,Broken,row,,,,,,,,,,,,,,,
"""


def test_a_user_list_adds_the_silent_people_and_their_fields_but_no_secrets(tmp_path):
    save(tmp_path / "e", "7.json", topic([post(1, 1)]))
    (tmp_path / "e" / "user_list.csv").write_text(USERS, encoding="utf-8")
    forum = sna.read_forum(tmp_path / "e")
    assert forum.people.select("person_id", "name", "email").rows() == [
        ("1", "Ann A", "ann@example.org"),
        ("2", "Bob, B", "bob@example.org"),
    ]
    assert forum.people["joined_at"][1] == datetime(2020, 1, 2, 10, tzinfo=UTC)
    facts = {(r["person_id"], r["attribute"]): r["value"] for r in forum.roles.iter_rows(named=True)}
    assert facts == {
        ("1", "department"): "IT",
        ("1", "external_id"): "E1",
        ("1", "location"): "Berlin",
        ("1", "platform_role"): "admin",
        ("1", "trust_level"): "2",
        ("2", "platform_role"): "member",
        ("2", "title"): "Lead",
        ("2", "trust_level"): "0",
    }
    everything = json.dumps([getattr(forum, t).to_dicts() for t in sna.schema.TABLES], default=str)
    assert "10.9.8" not in everything
    assert "555-12" not in everything
    assert forum.memberships["space"].to_list() == ["group:staff", "group:vpn"]
    assert forum.issues.filter(reason="bad_id").select("file", "position").rows() == [("user_list.csv", "4")]
    assert forum.accounting().filter(table="people").row(0) == ("people", 3, 2, 1, 0, 0)
    assert forum.supports("roster") == "partial"


STAFF_LOG = """staff_user,action,subject,created_at,details,context
ann,grant_moderation,bob,2023-05-01 00:00:00 UTC,,
ann,revoke_moderation,bob,2024-02-01 00:00:00 UTC,,
ann,change_trust_level,BOB,2023-07-01 00:00:00 UTC,"old trust level: 1
new trust level: 2",
ann,check_email,bob,2023-08-01 00:00:00 UTC,,
"""


def test_a_staff_log_gives_roles_over_time(tmp_path):
    save(tmp_path / "e", "7.json", topic([post(1, 1), post(2, 2)]))
    (tmp_path / "e" / "staff-action-240501.csv").write_text(STAFF_LOG, encoding="utf-8")
    forum = sna.read_forum(tmp_path / "e")
    bob = forum.roles.filter(person_id="2", basis="event")
    spells = bob.select("attribute", "value", "valid_from", "valid_to").rows()
    may, feb, july = (datetime(*d, tzinfo=UTC) for d in ((2023, 5, 1), (2024, 2, 1), (2023, 7, 1)))
    assert spells == [
        ("platform_role", "moderator", may, feb),
        ("platform_role", "member", feb, None),
        ("platform_role", "member", None, may),
        ("trust_level", "2", july, None),
        ("trust_level", "1", None, july),
    ]
    assert forum.issues.filter(reason="other_staff_action")["n"].to_list() == [1]


def test_changes_become_spells_that_do_not_overlap():
    one, two = datetime(2024, 1, 1), datetime(2024, 2, 1)
    assert change_spells([(two, "1", "2"), (one, "0", "1")]) == [("0", None, one), ("1", one, two), ("2", two, None)]
    assert change_spells([(one, None, "1"), (two, "1", "1")]) == [("1", one, None)]
    assert change_spells([]) == []


def test_reaction_counts_of_the_plugin_stand_in_for_its_likes(tmp_path):
    reactions = [{"id": "heart", "type": "emoji", "count": 2}, {"id": "tada", "type": "emoji", "count": 1}]
    posts = [post(1, 1, reactions=reactions, actions_summary=[{"id": 2, "count": 3}])]
    forum = sna.read_forum(save(tmp_path, "7.json", topic(posts)))
    assert forum.signals.select("kind", "n").rows() == [("emoji:tada", 1), ("like", 2)]


def test_names_of_those_who_liked_replace_part_of_the_count(tmp_path):
    save(tmp_path / "e", "7.json", topic([post(1, 1, actions_summary=[{"id": 2, "count": 3}])]))
    save(tmp_path / "e", "post_action_users-101.json", {"post_action_users": [{"id": 3, "username": "cat"}]})
    save(tmp_path / "e", "who.json", {"post_action_users": [{"id": 2, "username": "bob"}]})
    forum = sna.read_forum(tmp_path / "e")
    assert forum.signals.select("person_id", "n").rows() == [("3", 1), (None, 2)]
    assert forum.issues.filter(reason="unknown_post").select("file", "position").rows() == [("who.json", "user 2")]


def test_an_accepted_answer_named_only_on_the_topic(tmp_path):
    whole = topic([POSTS[0], post(2, 2)], accepted_answer={"post_number": 2, "accepter_username": "Ann"})
    forum = sna.read_forum(save(tmp_path, "7.json", whole))
    assert forum.signals.select("post_id", "person_id", "kind").rows() == [("102", "1", "accept")]


def test_odd_values_are_logged_and_never_stop_the_reading(tmp_path):
    odd = [
        post(1, 1),
        {"id": None, "topic_id": 7, "post_number": 2},
        post(3, None, username=None, created_at="yesterday", reply_to_post_number=True),
        post(4, 2, identifier=10**18 + 1, like_count="many", actions_summary="none", reactions=[None, 3]),
        "not an object",
        {"colour": "red"},
    ]
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join(json.dumps(item) for item in odd) + '\n{"id": 1, "post_nu', encoding="utf-8")
    forum = sna.read_forum(path)
    assert set(forum.posts["post_id"]) == {"101", "103", "1000000000000000001"}
    assert forum.posts.filter(post_id="103")["author_id"].to_list() == [None]
    reasons = {(r, p) for r, p in forum.issues.select("reason", "position").iter_rows()}
    assert {("bad_id", "line 2"), ("bad_time", "post_id 103"), ("damaged_file", "line 7")} <= reasons
    assert forum.issues.filter(reason="not_recognised").height == 2
    account = forum.accounting().filter(table="posts").row(0, named=True)
    assert (account["read"], account["used"], account["rejected"], account["added"]) == (5, 3, 2, 0)


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_a_depth_bomb_ends_in_an_error_of_ours(tmp_path, depth):
    (tmp_path / "7.json").write_text('{"reply_to_post_number":' + "[" * depth + "]" * depth + "}", encoding="utf-8")
    with pytest.raises(SnaError):
        sna.read_forum(tmp_path / "7.json", platform="discourse")


def test_deep_markup_costs_no_stack_and_hides_nothing():
    assert html_to_text("<div>" * 50_000 + "end") == "end"
    assert scan_html("<aside class=quote>a<aside class=quote>b</aside>c</aside>own").text == "own"
    assert scan_html('<blockquote><a class="mention">@x</a></blockquote><a class="mention">@y</a>').mentions == ("y",)
    assert html_to_text("<script>alert(1)</script>5 &lt; 6\x00").startswith("5 < 6")
    assert html_to_text(None) == ""


def test_markdown_without_cooked_text_is_read_too():
    raw = 'a\n```\n@code\n```\n[quote="x, post:4"]\n@inside[/quote]\n@bob. and me@example.org'
    found = scan_markdown(raw)
    assert found.mentions == ("bob",)
    assert found.quotes == ((None, "4"),)
    assert "@inside" not in found.text
    assert scan_markdown("[quote]open @ann").mentions == ("ann",)


def test_other_json_is_not_taken_for_discourse(tmp_path):
    save(tmp_path, "issue.json", [{"id": 1, "title": "x", "user": {"login": "a"}, "comments": 2}])
    with pytest.raises(SnaError):
        sna.recognise(tmp_path / "issue.json")
    (tmp_path / "query.csv").write_text("username,posts\nann,3\n", encoding="utf-8")
    with pytest.raises(SnaError):
        sna.recognise(tmp_path / "query.csv")


def test_an_export_without_posts_says_so(tmp_path):
    with pytest.raises(ReadError, match="must hold posts"):
        sna.read_forum(save(tmp_path, "latest.json", {"topic_list": {"topics": [{"id": 1, "highest_post_number": 2}]}}))


# Real exports


@pytest.fixture(scope="module")
def urho(shared):
    return sna.read_forum(shared / "data" / "urho3d_discourse")


def objects(folder):
    with gzip.open(folder / "posts.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_the_published_counts_of_a_real_forum(urho, shared):
    withheld = urho.issues.filter(reason="small_action")["n"].sum()
    assert urho.posts.height + withheld == 36_990
    assert urho.posts["thread_id"].n_unique() == 5_046
    assert urho.posts["space"].n_unique() == 11
    assert urho.people.height == 999
    assert urho.signals.filter(kind="accept")["n"].sum() == 672
    assert urho.signals.filter(kind="like")["n"].sum() == 11_199
    explicit = urho.posts.filter(parent_basis="explicit").height
    assert explicit + urho.issues.filter(reason="parent_missing").height == 10_070
    source = objects(shared / "data" / "urho3d_discourse")
    staff = {str(p["user_id"]) for p in source if p["staff"]}
    assert sum(str(p["user_id"]) in staff for p in source) == 6_113
    roles = urho.attribute("platform_role").filter(pl.col("platform_role") != "member")["person_id"]
    assert set(roles) == staff
    small = sum(p["post_type"] == 3 and str(p["user_id"]) in staff for p in source)
    assert urho.posts["author_id"].is_in(list(staff)).sum() == 6_113 - small


def test_every_row_of_a_real_forum_is_accounted_for(urho):
    for row in urho.accounting().iter_rows(named=True):
        assert row["read"] == row["used"] + row["rejected"] + row["withheld"]
        assert row["added"] == 0 or row["table"] == "people"
    assert urho.issues.filter(reason="duplicate_id").height == 185
    assert urho.issues.filter(reason="topic_incomplete").is_empty()


def test_real_topic_files_zipped_equal_the_same_files_in_a_folder(shared, tmp_path):
    folder = shared / "data" / "urho3d_discourse" / "raw_json_sample"
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        for path in sorted(folder.iterdir(), reverse=True):
            archive.write(path, f"export/{path.name}")
    packed, loose = sna.read_forum(tmp_path / "e.zip"), sna.read_forum(folder)
    assert packed.posts.equals(loose.posts)
    assert packed.posts["thread_id"].n_unique() == 25


def test_oracle_counts_of_the_topic_fixtures(shared):
    folder = shared / "fixtures" / "discourse"
    oracles = json.loads((shared / "fixtures" / "ORACLES.json").read_text(encoding="utf-8"))
    forum = sna.read_forum(folder / "perceval_discourse_topic_1148.json")
    facts = oracles["discourse/topic_1148"]
    assert forum.posts.height == facts["n"]
    assert forum.posts.filter(parent_basis="explicit").height == facts["replies"]
    detail = forum.issues.filter(reason="topic_incomplete")["detail"].item()
    assert detail.startswith(f"{facts['n']} of {facts['stream']} posts")
    other = sna.read_forum(folder / "discourse_api" / "topic.json", include_private=True)
    assert other.source.rows_read["posts"] == oracles["discourse/api_topic"]["n"]


def test_every_discourse_fixture_at_once(shared):
    forum = sna.read_forum(shared / "fixtures" / "discourse")
    for row in forum.accounting().iter_rows(named=True):
        assert row["read"] == row["used"] + row["rejected"] + row["withheld"]


def test_user_fields_of_a_user_list_are_people_attributes_when_it_has_any(tmp_path):
    head = "id,name,username,email,title,created_at,trust_level,admin,moderator,ip_address,posts_read_count"
    rows = "1,Ann,ann,a@example.org,,2019-01-01 10:00:00 UTC,2,false,false,203.0.113.9,8"
    post = {"id": 1, "topic_id": 5, "post_number": 1, "user_id": 1, "username": "ann", "cooked": "<p>x</p>"}
    post |= {"created_at": "2024-01-01T00:00:00Z", "post_type": 1, "reply_to_post_number": None}
    (tmp_path / "posts.json").write_text(json.dumps([post]))
    for field, cell, level in ((",Department (custom user field)", ",IT", "partial"), ("", "", "no")):
        (tmp_path / "user-list-1.csv").write_text(f"{head}{field},group_names\n{rows}{cell}\n")
        forum = sna.read_forum(tmp_path)
        assert (forum.supports("org_attributes"), forum.supports("roster")) == (level, "partial")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert sna.read_forum(tmp_path).issues.select("reason", "file").rows() == [("file_not_used", "other.csv")]
