"""Readers of question-and-answer sites: Stack Exchange dumps, Stack Internal JSON, GitHub discussions and issues."""

import json
import random
import zipfile
from datetime import UTC, datetime

import polars as pl
import pytest

import sna
from sna.formats import xmlrows
from sna.formats.container import Limits, open_container

QUESTION = 'PostTypeId="1" CreationDate="2024-03-01T09:00:00.000"'
POSTS = [
    f'<row Id="1" {QUESTION} AcceptedAnswerId="3" OwnerUserId="10" Title="How &amp; why?" Tags="&lt;car&gt;&lt;oil&gt;"'
    ' Body="&lt;p&gt;Use &lt;code&gt;a &amp;lt; b&lt;/code&gt; &amp;amp; c&lt;/p&gt;&#xA;" Score="3" />',
    '<row Id="2" PostTypeId="2" ParentId="1" CreationDate="2024-03-01T10:00:00.000" OwnerUserId="11" Body="x" />',
    '<row Id="3" PostTypeId="2" ParentId="1" CreationDate="2024-03-01T11:00:00.5" OwnerUserId="12" Body="y"'
    ' LastEditDate="2024-03-04T00:00:00.000" />',
    '<row Id="4" PostTypeId="1" CreationDate="2024-03-02T09:00:00.000" OwnerUserId="-1" Tags="|oil|"'
    ' Title="T" Body="z" />',
    '<row Id="5" PostTypeId="2" ParentId="4" CreationDate="2024-03-03T09:00:00.000" Body="gone" />',
    '<row Id="6" PostTypeId="5" CreationDate="2024-03-02T09:00:00.000" OwnerUserId="12" Body="wiki" />',
    '<row Id="7" PostTypeId="2" CreationDate="2024-03-02T09:00:00.000" OwnerUserId="12" Body="nowhere" />',
]
USERS = [
    '<row Id="-1" DisplayName="Site" CreationDate="2024-01-01T00:00:00.000" Reputation="1" />',
    '<row Id="10" DisplayName="Ada Lin" CreationDate="2024-01-02T00:00:00.000" Reputation="120" Location=" Oslo "'
    ' LastAccessDate="2024-05-01T08:00:00.000" />',
    '<row Id="11" DisplayName="Adam" CreationDate="2024-01-03T00:00:00.000" Reputation="7" />',
    '<row Id="12" DisplayName="Zoë" CreationDate="2024-01-04T00:00:00.000" Reputation="9" />',
    '<row Id="13" DisplayName="Silent" CreationDate="2024-01-05T00:00:00.000" Reputation="1" />',
]
COMMENTS = [
    '<row Id="1" PostId="2" Text="Thanks" CreationDate="2024-03-01T12:00:00.000" UserId="10" />',
    '<row Id="2" PostId="2" Text="@Ada, you are welcome" CreationDate="2024-03-01T13:00:00.000" UserId="11" />',
    '<row Id="3" PostId="2" Text="@adam @zoë hi" CreationDate="2024-03-01T14:00:00.000" UserId="10" />',
    '<row Id="4" PostId="99" Text="lost" CreationDate="2024-03-01T14:00:00.000" UserId="10" />',
    '<row Id="5" PostId="3" Text="no name" CreationDate="2024-03-01T15:00:00.000" UserDisplayName="x" />',
]
VOTES = [
    '<row Id="1" PostId="3" VoteTypeId="1" CreationDate="2024-03-05T00:00:00.000" />',
    '<row Id="2" PostId="3" VoteTypeId="2" CreationDate="2024-03-02T00:00:00.000" />',
    '<row Id="3" PostId="3" VoteTypeId="2" CreationDate="2024-03-02T00:00:00.000" />',
    '<row Id="4" PostId="3" VoteTypeId="2" CreationDate="2024-03-03T00:00:00.000" />',
    '<row Id="5" PostId="2" VoteTypeId="3" CreationDate="2024-03-02T00:00:00.000" />',
    '<row Id="6" PostId="77" VoteTypeId="2" CreationDate="2024-03-02T00:00:00.000" />',
    '<row Id="7" PostId="1" VoteTypeId="8" UserId="13" BountyAmount="50" CreationDate="2024-03-04T00:00:00.000" />',
    '<row Id="8" PostId="3" VoteTypeId="9" BountyAmount="50" CreationDate="2024-03-06T00:00:00.000" />',
    '<row Id="9" PostId="3" VoteTypeId="16" CreationDate="2024-03-06T00:00:00.000" />',
    '<row Id="10" PostId="2" VoteTypeId="1" CreationDate="2024-03-01T00:00:00.000" />',
]
BADGES = [
    '<row Id="1" UserId="12" Name="Teacher" Date="2024-03-02T01:00:00.000" Class="3" TagBased="False" />',
    '<row Id="2" UserId="12" Name="oil" Date="2024-03-02T01:00:00.000" Class="3" TagBased="True" />',
]
SITE = {"Posts": POSTS, "Users": USERS, "Comments": COMMENTS, "Votes": VOTES, "Badges": BADGES}


def moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def xml(root: str, rows: list[str], *, head: str = '<?xml version="1.0" encoding="utf-8"?>') -> str:
    return "\ufeff" + head + f"\r\n<{root.lower()}>\r\n  " + "\r\n  ".join(rows) + f"\r\n</{root.lower()}>"


def write_site(folder, **changed):
    for table, rows in {**SITE, **changed}.items():
        if rows is not None:
            (folder / f"{table}.xml").write_text(xml(table, rows), encoding="utf-8", newline="")
    return folder


@pytest.fixture
def site(tmp_path):
    return write_site(tmp_path)


def lost(forum, kind="rejected"):
    rows = forum.issues.filter(pl.col("kind") == kind).group_by("table", "reason").agg(pl.col("n").sum())
    return {(table, reason): n for table, reason, n in rows.iter_rows()}


def test_questions_answers_and_comments_become_posts_with_their_parents(site):
    posts = sna.read_forum(site).posts.sort("post_id")
    shown = {row["post_id"]: row for row in posts.iter_rows(named=True)}
    assert sorted(shown) == ["1", "2", "3", "4", "5", "c1", "c2", "c3", "c5"]
    parents = {key: (row["thread_id"], row["parent_id"], row["kind"]) for key, row in shown.items()}
    assert parents["1"] == ("1", None, "root")
    assert parents["3"] == ("1", "1", "answer")
    assert parents["c2"] == ("1", "2", "comment")
    assert parents["c5"] == ("1", "3", "comment")
    assert {row["parent_basis"] for row in shown.values() if row["parent_id"]} == {"explicit"}
    assert [shown[key]["space"] for key in ("1", "3", "c5", "4", "5")] == ["car", "car", "car", "oil", "oil"]
    assert shown["1"]["title"] == "How & why?"
    assert shown["1"]["text"] == "Use a < b & c"
    assert shown["3"]["created_at"] == moment(2024, 3, 1, 11, 0, 0, 500_000)
    assert shown["3"]["edited_at"] == moment(2024, 3, 4)
    assert shown["5"]["author_id"] is None
    assert shown["c5"]["author_id"] is None


def test_people_keep_the_silent_and_tell_the_system_account(site):
    forum = sna.read_forum(site)
    people = {row["person_id"]: row for row in forum.people.iter_rows(named=True)}
    assert sorted(people) == ["-1", "10", "11", "12", "13"]
    assert people["-1"]["kind"] == "system"
    assert people["13"]["kind"] == "human"
    assert people["10"]["joined_at"] == moment(2024, 1, 2)
    roles = forum.roles.select("person_id", "attribute", "value", "basis").rows()
    assert ("10", "reputation", "120", "snapshot") in roles
    assert ("10", "location", "Oslo", "snapshot") in roles
    assert forum.attribute("reputation").filter(pl.col("person_id") == "12")["reputation"].to_list() == ["9"]
    badges = forum.events.filter(pl.col("kind") == "badge")
    assert badges.select("person_id", "object", "at").rows() == [
        ("12", "Teacher", moment(2024, 3, 2, 1)),
        ("12", "oil", moment(2024, 3, 2, 1)),
    ]
    assert forum.observed_until == moment(2024, 5, 1, 8)


def test_votes_are_summed_by_day_and_acceptance_is_dated_by_its_vote(site):
    signals = sna.read_forum(site).signals.select("post_id", "person_id", "kind", "at", "n").rows()
    assert sorted(signals, key=str) == sorted(
        [
            ("3", "10", "accept", moment(2024, 3, 5), 1),
            ("3", None, "upvote", moment(2024, 3, 2), 2),
            ("3", None, "upvote", moment(2024, 3, 3), 1),
            ("2", None, "downvote", moment(2024, 3, 2), 1),
            ("1", "13", "bounty_offer", moment(2024, 3, 4), 1),
            ("3", None, "bounty", moment(2024, 3, 6), 1),
        ],
        key=str,
    )


def test_acceptance_without_votes_has_no_date(tmp_path):
    forum = sna.read_forum(write_site(tmp_path, Votes=None))
    assert forum.signals.select("post_id", "person_id", "kind", "at").rows() == [("3", "10", "accept", None)]
    assert forum.supports("acceptance_time") == "no"
    assert forum.supports("reactions") == "no"
    assert forum.supports("acceptance") == "yes"


def test_every_row_is_accounted_for(site):
    forum = sna.read_forum(site)
    table = {row["table"]: row for row in forum.accounting().iter_rows(named=True)}
    assert [table["posts"][key] for key in ("read", "used", "rejected", "withheld", "added")] == [12, 9, 2, 1, 0]
    assert [table["signals"][key] for key in ("read", "used", "rejected", "withheld", "added")] == [10, 6, 2, 2, 0]
    assert table["people"]["read"] == 5
    assert lost(forum) == {
        ("posts", "no_parent"): 1,
        ("posts", "unknown_post"): 1,
        ("signals", "unknown_post"): 1,
        ("signals", "accept_not_current"): 1,
    }
    assert lost(forum, "withheld") == {
        ("posts", "tag_wiki"): 1,
        ("signals", "merged_into_day_total"): 1,
        ("signals", "moderation_vote"): 1,
    }
    place = forum.issues.filter(pl.col("reason") == "no_parent").select("file", "position").row(0)
    assert place == ("Posts.xml", "Id 7")


def test_an_at_name_is_a_mention_only_when_it_fits_one_earlier_participant(site):
    # c2: "@Ada" fits Ada (its author Adam is not meant); c3: "@adam" fits exactly, Zoë has not been there.
    assert sna.read_forum(site).mentions.rows() == [("c2", "10", "text"), ("c3", "11", "text")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@Bo hello", []),
        ("@Bob hello", ["21"]),
        ("@bobby hello", ["22"]),
        ("@BobbyT's point", ["22"]),
        ("@Bobx hello", []),
        ("write to bob@example.org", []),
        ("@late hello", []),
        ("@Mary", ["24"]),
        ("@MaryAnn", ["24"]),
    ],
)
def test_names_are_compared_as_the_site_does(tmp_path, text, expected):
    users = [
        f'<row Id="{key}" DisplayName="{name}" CreationDate="2024-01-01T00:00:00" />'
        for key, name in [("20", "Me"), ("21", "Bob"), ("22", "Bobby T."), ("23", "Late"), ("24", "Mary Ann")]
    ]
    comments = [
        f'<row Id="{n}" PostId="1" Text="hi" CreationDate="2024-03-01T1{n}:00:00" UserId="{key}" />'
        for n, key in enumerate(["21", "22", "24"])
    ]
    comments += [f'<row Id="8" PostId="1" Text="{text}" CreationDate="2024-03-01T18:00:00" UserId="20" />']
    comments += ['<row Id="9" PostId="1" Text="hi" CreationDate="2024-03-01T19:00:00" UserId="23" />']
    forum = sna.read_forum(write_site(tmp_path, Users=users, Comments=comments))
    assert forum.mentions["person_id"].to_list() == expected


def test_two_people_who_fit_equally_well_are_not_guessed_between(tmp_path):
    users = [f'<row Id="{key}" DisplayName="Kim {key}" CreationDate="2024-01-01T00:00:00" />' for key in (20, 21, 22)]
    comments = [
        f'<row Id="{n}" PostId="1" Text="@Kim yes" CreationDate="2024-03-01T1{n}:00:00" UserId="{key}" />'
        for n, key in enumerate([20, 21, 22])
    ]
    forum = sna.read_forum(write_site(tmp_path, Users=users, Comments=comments))
    assert forum.mentions.rows() == [("c1", "20", "text")]


def test_shuffled_rows_give_an_equal_forum(tmp_path):
    for seed in range(4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        shuffled = {table: random.Random(seed).sample(rows, len(rows)) for table, rows in SITE.items()}
        write_site(folder, **(shuffled if seed else SITE))
    expected = sna.read_forum(tmp_path / "0")
    for seed in range(1, 4):
        assert sna.read_forum(tmp_path / str(seed)).equals(expected)


def test_zip_and_sevenzip_equal_the_folder(tmp_path, site):
    py7zr = pytest.importorskip("py7zr")
    files = sorted(site.glob("*.xml"))
    with zipfile.ZipFile(tmp_path / "site.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
        for file in files:
            bundle.write(file, file.name)
    with py7zr.SevenZipFile(tmp_path / "site.7z", "w") as bundle:
        for file in files:
            bundle.write(file, file.name)
    folder = tmp_path / "alone"
    folder.mkdir()
    expected = sna.read_forum(write_site(folder))
    for packed in ("site.zip", "site.7z"):
        assert sna.read_forum(tmp_path / packed).equals(expected)


def test_posts_alone_make_placeholders_and_lower_the_capabilities(tmp_path):
    file = tmp_path / "Posts_2014.xml"
    file.write_text(xml("posts", POSTS), encoding="utf-8")
    forum = sna.read_forum(file)
    assert forum.people.select("person_id", "kind", "placeholder").rows() == [
        ("-1", "system", True),
        ("10", "human", True),
        ("11", "human", True),
        ("12", "human", True),
    ]
    assert forum.supports("roster") == "no"
    assert forum.supports("mentions") == "no"


def test_two_sites_are_not_mixed(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_site(tmp_path / name)
    with pytest.raises(sna.ReadError, match=r"2 places: one, two.*merge_forums"):
        sna.read_forum(tmp_path)


def test_the_plainly_named_file_wins_and_the_other_is_noted(site):
    (site / "Posts_other.xml").write_text(xml("posts", POSTS[:1]), encoding="utf-8")
    (site / "PostLinks.xml").write_text(xml("postlinks", []), encoding="utf-8")
    forum = sna.read_forum(site)
    assert forum.posts.height == 9
    assert set(forum.issues.filter(pl.col("reason") == "file_not_used")["file"]) == {"Posts_other.xml", "PostLinks.xml"}


HOSTILE = {
    "a row in a value": ('<row Id="90" PostTypeId="1" Body="<row>"', "damaged_row"),
    "an unknown entity": ('<row Id="90" PostTypeId="1" Body="&boom;" />', "damaged_row"),
    "a bare ampersand": ('<row Id="90" PostTypeId="1" Body="a & b" />', "damaged_row"),
    "a control character": ('<row Id="90" PostTypeId="1" Body="a\x01b" />', "bad_character"),
    "a control character by number": ('<row Id="90" PostTypeId="1" Body="a&#x1;b" />', "bad_character"),
    "a surrogate by number": ('<row Id="90" PostTypeId="1" Body="a&#xD800;b" />', "bad_character"),
    "an open quote": ('<row Id="90" PostTypeId="1" Body="a />', "damaged_row"),
    "a tag inside": ('<row Id="90" PostTypeId="1" Body="a<b" />', "damaged_row"),
    "an attribute twice": ('<row Id="90" Id="91" PostTypeId="1" />', "damaged_row"),
    "a row in a row": ('<row Id="90" <row PostTypeId="1" />', "damaged_row"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_bad_row_is_set_aside_and_its_neighbours_are_read(tmp_path, case):
    row, reason = HOSTILE[case]
    (tmp_path / "Posts.xml").write_text(xml("posts", [POSTS[0], row, *POSTS[1:]]), encoding="utf-8")
    forum = sna.read_forum(tmp_path)
    assert forum.posts["post_id"].sort().to_list() == ["1", "2", "3", "4", "5"]
    assert lost(forum)["posts", reason] >= 1
    clean = forum.issues.filter(pl.col("reason") == reason)["position"].to_list()
    assert "Id 90" in clean


@pytest.mark.parametrize("row", ["<row />", "<row/>", '<row PostTypeId="1" />', '<row Id="" PostTypeId="1" />'])
def test_a_row_without_an_id_is_rejected(tmp_path, monkeypatch, row):
    (tmp_path / "Posts.xml").write_text(xml("posts", [*POSTS, row]), encoding="utf-8")
    for size in (xmlrows._BLOCK, 64):
        monkeypatch.setattr(xmlrows, "_BLOCK", size)
        forum = sna.read_forum(tmp_path)
        assert forum.posts.height == 5
        assert lost(forum)["posts", "missing_id"] == 1


def test_bytes_that_are_not_utf8_cost_one_row(tmp_path):
    data = xml("posts", POSTS).encode().replace(b'Body="y"', b'Body="\xff\xfe"')
    (tmp_path / "Posts.xml").write_bytes(data)
    forum = sna.read_forum(tmp_path)
    assert "3" not in forum.posts["post_id"]
    assert lost(forum)["posts", "not_utf8"] == 1


def test_other_spellings_of_the_same_xml_read_the_same(tmp_path):
    plain = xml("posts", POSTS)
    variants = {
        "one_line": plain.replace("\r\n", ""),
        "single": plain.replace('Id="1" P', "Id='1'   P").replace('Body="x"', "Body='x'"),
        "end_tags": plain.replace(" />", "></row>"),
        "numbers": plain.replace("&amp;", "&#38;").replace("&lt;", "&#x3c;"),
        "names": plain.replace("PostTypeId", "\n\tPostTypeId"),
    }
    (tmp_path / "Posts.xml").write_text(plain, encoding="utf-8")
    expected = sna.read_forum(tmp_path / "Posts.xml").posts
    for name, text in variants.items():
        (tmp_path / "Posts.xml").write_text(text, encoding="utf-8", newline="")
        assert sna.read_forum(tmp_path / "Posts.xml").posts.equals(expected), name
    for encoding in ("utf-16", "iso-8859-1"):
        head = f'<?xml version="1.0" encoding="{encoding}"?>'
        data = xml("posts", POSTS, head=head).removeprefix("\ufeff").encode(encoding)
        (tmp_path / "Posts.xml").write_bytes(data)
        assert sna.read_forum(tmp_path / "Posts.xml").posts.equals(expected), encoding


def test_a_file_cut_off_is_read_to_the_cut_and_says_so(tmp_path):
    text = xml("posts", POSTS)
    (tmp_path / "Posts.xml").write_text(text[: text.index('<row Id="5"') + 30], encoding="utf-8")
    forum = sna.read_forum(tmp_path)
    assert forum.posts.height == 4
    assert lost(forum)["posts", "damaged_row"] == 1
    assert lost(forum, "note") == {("posts", "file_cut_off"): 1}


def test_declared_entities_are_refused_and_a_named_dtd_is_not_opened(tmp_path):
    bomb = '<?xml version="1.0"?><!DOCTYPE posts [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    (tmp_path / "Posts.xml").write_text(xml("posts", POSTS, head=bomb), encoding="utf-8")
    with pytest.raises(sna.ReadError, match="must not declare entities"):
        sna.read_forum(tmp_path)
    named = "<?xml version=\"1.0\"?><!DOCTYPE posts SYSTEM 'file:///etc/hostname'>"
    (tmp_path / "Posts.xml").write_text(xml("posts", POSTS, head=named), encoding="utf-8")
    forum = sna.read_forum(tmp_path)
    assert forum.posts.height == 5
    assert lost(forum, "note") == {("posts", "doctype_ignored"): 1}


def test_a_row_longer_than_the_limit_ends_in_an_error(tmp_path):
    (tmp_path / "Posts.xml").write_text(xml("posts", [*POSTS, f'<row Id="8" Body="{"a" * 9_000}" />']))
    with open_container(tmp_path, limits=Limits(line_bytes=5_000)) as container:
        frames = xmlrows.read_rows(container, "Posts.xml", columns=("Body",), refuse=lambda *_: None)
        with pytest.raises(sna.ReadError, match="may have 5,000 bytes"):
            list(frames)


def test_a_vote_read_twice_counts_once(tmp_path):
    forum = sna.read_forum(write_site(tmp_path, Votes=[*VOTES, VOTES[1], VOTES[4]]))
    assert forum.signals["n"].sum() == 7
    assert lost(forum)["signals", "duplicate_id"] == 2


def test_rows_cut_anywhere_by_blocks_read_the_same(tmp_path, site, monkeypatch):
    expected = sna.read_forum(site)
    for size in (64, 301):
        monkeypatch.setattr(xmlrows, "_BLOCK", size)
        assert sna.read_forum(site).equals(expected)


SITES = {
    "ai_2016-12": (421, 749, 212, 3157, 1165, 5323, 3290),
    "history.meta_2018-09": (556, 1095, 181, 2295, 3454, 0, 4931),
    "music.meta_2018-09": (708, 1223, 259, 3033, 0, 0, 5648),
    "matheducators_posts_2014-05": (397, 1507, 189, 0, 0, 0, 0),
    "coffee_posts_2015-03": (225, 327, 105, 0, 0, 0, 0),
}


@pytest.mark.parametrize("name", SITES)
def test_counts_of_real_sites_equal_those_published_with_them(shared, name):
    questions, answers, accepted, users, comments, votes, badges = SITES[name]
    forum = sna.read_forum(shared / "data" / "stackexchange" / name)
    kinds = dict(forum.posts.group_by("kind").len().iter_rows())
    assert kinds == {k: n for k, n in {"root": questions, "answer": answers, "comment": comments}.items() if n}
    assert forum.signals.filter(pl.col("kind") == "accept").height == accepted
    assert forum.source.rows_read["people"] == users
    assert forum.source.rows_read["signals"] == votes
    assert forum.events.filter(pl.col("kind") == "badge").height == badges
    table = forum.accounting()
    assert (table["added"] >= 0).all()
    if users:
        assert forum.people.height == users


def test_the_oracle_of_the_fixture_site_holds(shared):
    truth = json.loads((shared / "fixtures/ORACLES.json").read_text())["stackexchange(meta.history 2018-09)"]
    forum = sna.read_forum(shared / "fixtures" / "stackexchange")
    posts = forum.posts
    comments = posts.filter(pl.col("kind") == "comment")
    asked = posts.filter(pl.col("kind") != "comment")
    assert forum.source.rows_read["posts"] == truth["posts"] + truth["comments"]
    assert posts.filter(pl.col("kind") == "root").height == truth["types"]["1"]
    assert lost(forum, "withheld")["posts", "tag_wiki"] == truth["types"]["5"]
    assert lost(forum, "withheld")["posts", "tag_wiki_excerpt"] == truth["types"]["4"]
    owners = posts.select(pl.col("post_id").alias("parent_id"), pl.col("author_id").alias("asker"))
    answers = posts.filter(pl.col("kind") == "answer").join(owners, on="parent_id", how="left")
    assert answers.height == truth["types"]["2"]
    assert (
        answers.filter(pl.col("author_id").is_not_null() & pl.col("asker").is_not_null()).height
        == (truth["answers_with_both_owners"])
    )
    assert forum.signals.filter(pl.col("kind") == "accept").height == truth["accepted"]
    assert asked["author_id"].null_count() == truth["posts_no_owner_id"]
    assert comments.height == truth["comments"]
    assert comments["author_id"].null_count() == truth["comments_no_user"]
    assert comments.filter(pl.col("text").str.contains("@[A-Za-z]")).height == truth["comment_at_mentions"]


def owner(key, name="N"):
    return {"user_id": key, "user_type": "registered", "display_name": name}


INTERNAL = {
    "questions_answers_comments": [
        {
            "question_id": 5,
            "title": "Why &quot;this&quot;?",
            "tags": ["vpn", "mac"],
            "owner": owner(1, "Ann"),
            "creation_date": "2024-03-01T09:00:00.123Z",
            "body_markdown": "See https://files.example.org/a?sig=secret &amp; more",
            "up_vote_count": 3,
            "down_vote_count": 0,
            "favorite_count": 1,
            "mentioned_users": [{"id": 4, "name": "Dee"}],
            "is_deleted": False,
            "comments": [
                {"comment_id": 5, "owner": owner(2, "Bob Oak"), "creation_date": 1709287200, "body": "<p>Which?</p>"},
                {"comment_id": 6, "owner": owner(1, "Ann"), "creation_date": 1709290800, "body": "@BobOak this one"},
            ],
            "answers": [
                {
                    "answer_id": 5,
                    "question_id": 5,
                    "is_accepted": True,
                    "owner": {"user_type": "does_not_exist", "display_name": "user7"},
                    "creation_date": 1709287200,
                    "body": "<p>Like <b>so</b></p>",
                    "comments": [{"comment_id": 7, "owner": owner(1), "creation_date": 1709290800, "body": "thanks"}],
                }
            ],
        },
        "not an object",
        {"title": "no id", "creation_date": 1709287200},
    ],
    "articles": [
        {"article_id": 5, "title": "Guide", "owner": owner(2, "Bob Oak"), "creation_date": 1709287200, "body": "x"}
    ],
    "users": [
        {**owner(1, "Ann"), "email": "ann@example.org", "reputation": 40, "creation_date": 1700000000},
        {**owner(3, "Silent"), "last_access_date": 1710000000},
        {"id": 4, "name": "Dee", "department": "IT", "jobTitle": "Lead", "role": "Moderator"},
    ],
    "user_groups": [{"id": 9, "name": "helpers", "users": [{"id": 1, "name": "Ann"}, {"name": "lost"}]}],
    "tags": [{"name": "vpn", "smes": [{"id": 4, "name": "Dee"}]}],
}


@pytest.fixture
def internal(tmp_path):
    for name, rows in INTERNAL.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(rows, indent=4), encoding="utf-8")
    return tmp_path


def test_stack_internal_reads_both_spellings_of_times_and_names(internal):
    forum = sna.read_forum(internal)
    assert forum.source.platform == "stack_internal"
    posts = {row["post_id"]: row for row in forum.posts.iter_rows(named=True)}
    shown = {
        key: (row["thread_id"], row["parent_id"], row["kind"], row["author_id"], row["space"])
        for key, row in posts.items()
    }
    assert shown == {
        "q5": ("q5", None, "root", "1", "vpn"),
        "a5": ("q5", "q5", "answer", None, "vpn"),
        "c5": ("q5", "q5", "comment", "2", "vpn"),
        "c6": ("q5", "q5", "comment", "1", "vpn"),
        "c7": ("q5", "a5", "comment", "1", "vpn"),
        "article5": ("article5", None, "root", "2", None),
    }
    assert posts["q5"]["created_at"] == moment(2024, 3, 1, 9, 0, 0, 123_000)
    assert posts["a5"]["created_at"] == moment(2024, 3, 1, 10)
    assert posts["q5"]["title"] == 'Why "this"?'
    assert posts["q5"]["text"] == "See https://files.example.org/a & more"
    assert posts["a5"]["text"] == "Like so"


def test_stack_internal_people_roles_groups_experts_and_signals(internal):
    forum = sna.read_forum(internal)
    people = forum.people.select("person_id", "name", "email", "placeholder").rows()
    assert people == [
        ("1", "Ann", "ann@example.org", False),
        ("2", "Bob Oak", None, True),
        ("3", "Silent", None, False),
        ("4", "Dee", None, False),
    ]
    roles = set(forum.roles.select("person_id", "attribute", "value").rows())
    assert {("4", "department", "IT"), ("4", "job_title", "Lead"), ("4", "sme_tag", "vpn")} <= roles
    assert ("4", "platform_role", "Moderator") in roles
    assert set(forum.roles["basis"]) == {"snapshot"}
    assert forum.memberships.select("person_id", "space").rows() == [("1", "helpers")]
    assert forum.mentions.rows() == [("c6", "2", "text"), ("q5", "4", "structured")]
    assert forum.signals.select("post_id", "person_id", "kind", "at", "n").rows() == [
        ("a5", None, "accept", None, 1),
        ("q5", None, "bookmark", None, 1),
        ("q5", None, "upvote", None, 3),
    ]
    assert lost(forum) == {
        ("posts", "not_an_object"): 1,
        ("posts", "missing_id"): 1,
        ("memberships", "missing_id"): 1,
    }
    assert forum.supports("roster") == "yes"
    assert forum.supports("acceptance_time") == "no"


def test_stack_internal_in_the_spelling_of_the_newer_api(tmp_path):
    question = {
        "id": 8,
        "title": "T",
        "tags": [{"id": 1, "name": "vpn"}],
        "creationDate": "2024-03-01T09:00:00Z",
        "bodyMarkdown": "b",
        "owner": {"id": 1, "name": "Ann"},
        "comments": [],
        "answers": [
            {"id": 10, "isAccepted": True, "owner": {"id": 2, "name": "Bob"}, "creationDate": "2024-03-01T10:00:00Z"}
        ],
    }
    (tmp_path / "questions_answers_comments.json").write_text(json.dumps([question]))
    forum = sna.read_forum(tmp_path)
    assert forum.posts.select("post_id", "parent_id", "author_id", "space").rows() == [
        ("q8", None, "1", "vpn"),
        ("a10", "q8", "2", "vpn"),
    ]
    assert forum.signals.select("post_id", "kind").rows() == [("a10", "accept")]
    assert forum.supports("roster") == "no"


def test_stack_internal_api_pages_count_a_repeated_question_once(shared):
    forum = sna.read_forum(shared / "fixtures/stack_internal/perceval_se_api/stackexchange_question_page.json")
    assert dict(forum.posts.group_by("kind").len().iter_rows()) == {"root": 1, "answer": 2, "comment": 2}
    assert forum.people.height == 3
    assert lost(forum) == {("posts", "duplicate_id"): 1}
    whole = sna.read_forum(shared / "fixtures/stack_internal")
    assert whole.posts.equals(forum.posts)


DISCUSSION = {
    "id": "D_1",
    "number": 7,
    "title": "How?",
    "body": "Ask @Bo and @stranger, not `@cy`",
    "url": "https://github.example.org/acme/forum/discussions/7",
    "author": {"login": "Ann", "__typename": "User"},
    "authorAssociation": "MEMBER",
    "createdAt": "2024-03-01T09:00:00Z",
    "category": {"name": "Q&A", "isAnswerable": True},
    "answer": {"id": "DC_2"},
    "answerChosenAt": "2024-03-03T00:00:00Z",
    "answerChosenBy": {"login": "cy"},
    "upvoteCount": 4,
    "reactionGroups": [
        {"content": "HEART", "users": {"totalCount": 2}},
        {"content": "EYES", "users": {"totalCount": 0}},
    ],
    "comments": {
        "nodes": [
            {"id": "DC_1", "body": "x", "author": None, "createdAt": "2024-03-01T10:00:00Z", "replies": {"nodes": []}},
            {
                "id": "DC_2",
                "body": "so",
                "author": {"login": "bo"},
                "createdAt": "2024-03-01T11:00:00Z",
                "lastEditedAt": "2024-03-01T12:00:00Z",
                "isAnswer": True,
                "reactions": {
                    "nodes": [{"content": "THUMBS_UP", "createdAt": "2024-03-02T00:00:00Z", "user": {"login": "ann"}}]
                },
                "replies": {
                    "nodes": [
                        {"id": "DC_3", "body": "ok", "author": {"login": "ANN"}, "createdAt": "2024-03-01T13:00:00Z"},
                        {
                            "id": "DC_4",
                            "author": {"login": "ci", "__typename": "Bot"},
                            "createdAt": "2024-03-01T14:00:00Z",
                        },
                    ]
                },
            },
        ]
    },
}


def test_github_discussions_keep_parents_acceptance_and_reactions(tmp_path):
    file = tmp_path / "page.json"
    file.write_text(json.dumps({"data": {"repository": {"discussions": {"nodes": [DISCUSSION]}}}}))
    forum = sna.read_forum(file)
    posts = forum.posts.select("post_id", "thread_id", "parent_id", "author_id", "kind", "space").rows()
    place = ("acme/forum#7", "acme/forum: Q&A")
    assert posts == [
        ("acme/forum#7", place[0], None, "ann", "root", place[1]),
        ("cDC_1", place[0], "acme/forum#7", None, "answer", place[1]),
        ("cDC_2", place[0], "acme/forum#7", "bo", "answer", place[1]),
        ("cDC_3", place[0], "cDC_2", "ann", "comment", place[1]),
        ("cDC_4", place[0], "cDC_2", "ci", "comment", place[1]),
    ]
    assert set(forum.posts["parent_basis"]) == {"none", "explicit"}
    assert dict(forum.people.select("person_id", "kind").iter_rows()) == {
        "ann": "human", "bo": "human", "ci": "bot", "cy": "human",
    }  # fmt: skip
    assert forum.signals.select("post_id", "person_id", "kind", "at", "n").rows() == [
        ("acme/forum#7", None, "emoji:heart", None, 2),
        ("acme/forum#7", None, "upvote", None, 4),
        ("cDC_2", "cy", "accept", moment(2024, 3, 3), 1),
        ("cDC_2", "ann", "like", moment(2024, 3, 2), 1),
    ]
    assert forum.mentions.rows() == [("acme/forum#7", "bo", "text")]
    assert forum.roles.select("person_id", "value").rows() == [("ann", "member")]
    assert forum.supports("reply_parent") == "yes"
    assert forum.supports("acceptance_time") == "yes"


def test_github_issues_of_every_shape_read_the_same(tmp_path):
    place = "https://api.github.example.org/repos/acme/app/issues/3"
    site = "https://github.example.org/acme/app/issues/3"
    when = ("2024-03-01T09:00:00Z", "2024-03-01T10:00:00Z")
    rest = {
        "issues.json": [{"id": 1, "number": 3, "title": "T", "body": "b", "user": {"login": "ann", "id": 1},
                         "url": place, "html_url": site, "created_at": when[0], "comments": 1}],
        "comments.json": [{"id": 11, "issue_url": place, "user": {"login": "bo", "id": 2}, "body": "c",
                           "created_at": when[1], "html_url": f"{site}#issuecomment-11"}],
    }  # fmt: skip
    archive = {
        "issues_000001.json": [{"type": "issue", "url": site, "user": "https://github.example.org/ann", "title": "T",
                                "body": "b", "created_at": when[0]}],
        "issue_comments_000001.json": [{"type": "issue_comment", "url": f"{site}#issuecomment-11", "issue": site,
                                        "id": 11, "user": "https://github.example.org/bo", "body": "c",
                                        "created_at": when[1]}],
        "users_000001.json": [{"type": "user", "login": "ann", "name": "Ann A", "emails": []}],
    }  # fmt: skip
    tool = {
        "list.json": [{"number": 3, "title": "T", "body": "b", "author": {"login": "ann"}, "url": site,
                       "createdAt": when[0], "comments": [{"id": 11, "author": {"login": "bo"}, "body": "c",
                                                           "createdAt": when[1]}]}],
    }  # fmt: skip
    read = []
    for number, files in enumerate((rest, archive, tool)):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, rows in files.items():
            (folder / name).write_text(json.dumps(rows))
        forum = sna.read_forum(folder)
        assert forum.source.platform == "github"
        assert lost(forum) == {}
        read.append(forum.posts)
    assert read[0].select("post_id", "parent_id", "parent_basis", "author_id", "space").rows() == [
        ("acme/app#3", None, "none", "ann", "acme/app"),
        ("c11", "acme/app#3", "root_default", "bo", "acme/app"),
    ]
    assert read[1].equals(read[0])
    assert read[2].equals(read[0])


def test_github_fixture_counts(shared):
    forum = sna.read_forum(shared / "fixtures/github")
    assert dict(forum.posts.group_by("kind").len().iter_rows()) == {"root": 2, "reply": 2}
    assert forum.signals["n"].sum() == 5
    assert lost(forum) == {("posts", "duplicate_id"): 1, ("signals", "unknown_post"): 5}
    assert forum.supports("acceptance") == "no"
    table = forum.accounting()
    assert (table["added"] >= 0).all()


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"items": [1]}', '[{"question_id": 1}', "[" * 100_000])
def test_json_without_posts_is_refused_in_words(tmp_path, text):
    for name in ("questions_answers_comments.json", "issues.json"):
        (tmp_path / name).write_text(text)
        with pytest.raises(sna.SnaError):
            sna.read_forum(tmp_path / name)
