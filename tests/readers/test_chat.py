"""What the chat readers share, who recognises what, and what damage does to real exports."""

import json
import random
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sna
from sna.formats.container import open_container
from sna.formats.html import html_to_text
from sna.readers import chat, collect, list_readers
from sna.readers.collect import Collector
from sna.readers.secrets import hide_secrets
from sna.readers.teams import _words

SAMPLES = {
    "slack/zulip/test_slack_importer.zip": "slack",
    "slack/slackdump/source_export.zip": "slack",
    "slack/slackdump/CHY5HUESG.dump.json": "slack",
    "slack/zulip/thread_with_broadcast_reply.json": "slack",
    "slack/perceval/slack_history.json": "slack",
    "msteams/TeamsData_ZulipChat_abridged": "teams",
    "msteams/graph_list_channel_messages_doc_example.json": "teams",
    "mattermost/zulip/export_abridged.jsonl": "mattermost",
    "mattermost/compliance/csv_export.zip": "mattermost_compliance",
    "mattermost/compliance/actiance_export.xml": "mattermost_actiance",
    "mattermost/perceval/mattermost_posts.json": "mattermost_api",
    "zulip/messages-000001.json": "zulip",
    "zulip/gitter_data.json": "gitter",
}
OURS = frozenset(SAMPLES.values())
OTHERS = (
    "discourse",
    "github",
    "rocketchat",
    "socialcast",
    "stack_internal",
    "askbot",
    "hr",
    "scim",
    "synthetic",
    "phpbb",
    "mybb",
)


def claims(path):
    with open_container(path) as container:
        return [reader.name for reader in list_readers() if reader.name in OURS and reader.recognise(container)]


@pytest.mark.parametrize(("name", "owner"), SAMPLES.items())
def test_each_sample_is_claimed_by_its_reader_only(shared, name, owner):
    assert claims(shared / "fixtures" / name) == [owner]
    assert sna.recognise(shared / "fixtures" / name).platform == owner


@pytest.mark.parametrize("folder", OTHERS)
def test_samples_of_other_platforms_are_claimed_by_none_of_ours(shared, folder):
    files = [
        path
        for path in sorted((shared / "fixtures" / folder).rglob("*"))
        if path.is_file() and path.name != "SOURCE.md"
    ]
    assert {str(path): found for path in files if (found := claims(path))} == {}


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "zulip/messages-000001.json"])
def test_books_balance_and_the_canonical_folder_gives_an_equal_forum(shared, tmp_path, name):
    for private in (False, True):
        forum = sna.read_forum(shared / "fixtures" / name, include_private=private)
        books = forum.accounting()
        assert (books["read"] == books["used"] + books["rejected"] + books["withheld"]).all()
        assert (books["added"] >= 0).all()
        folder = sna.write_forum(forum, tmp_path / str(private))
        assert sna.read_forum(folder).equals(forum)


def test_no_sample_leaks_a_token_or_a_query_string(shared):
    for name in SAMPLES:
        if name != "zulip/messages-000001.json":
            texts = sna.read_forum(shared / "fixtures" / name, include_private=True).posts["text"].drop_nulls()
            assert not texts.str.contains(r"xox[a-z]-|https?://\S+\?\S*=").any(), name


def test_capabilities_follow_the_published_record():
    levels = {reader.name: reader.capabilities for reader in list_readers() if reader.name in OURS}
    assert all(set(record) <= set(sna.schema.CAPABILITIES) for record in levels.values())
    assert {name for name, record in levels.items() if record.get("reads", "no") == "yes"} == {"zulip"}
    assert {name for name, record in levels.items() if record.get("reaction_times") == "yes"} == {
        "teams",
        "mattermost",
        "mattermost_api",
    }
    assert not any(record.get("reply_parent") == "yes" for record in levels.values())
    assert "threads" not in levels["mattermost_actiance"]


# --- damage -----------------------------------------------------------------------------------------------------------

DAMAGED = [name for name in SAMPLES if Path(name).suffix in (".json", ".jsonl", ".zip")]


def damage(data, how, rng):
    """One of the things that happen to files."""
    at = rng.randrange(len(data))
    if how == "truncate":
        return data[:at]
    if how == "flip":
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    if how == "cut":
        return data[:at] + data[at + rng.randrange(1, 200) :]
    if how == "double":
        return data[:at] + data[at : at + 500] + data[at:]
    return data.decode("utf-8", "replace").encode("utf-16" if how == "utf-16" else "latin-1", "replace")


@pytest.mark.parametrize("name", DAMAGED)
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(how=st.sampled_from(["truncate", "flip", "cut", "double", "utf-16", "latin-1"]), seed=st.integers(0, 2**20))
def test_damaged_samples_are_read_with_issues_or_refused(shared, tmp_path, name, how, seed):
    rng = random.Random(seed)
    source = shared / "fixtures" / name
    path = tmp_path / source.name
    if source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w") as copy:
            members = [member for member in archive.namelist() if not member.endswith("/")]
            hit = rng.choice(members)
            for member in members:
                data = archive.read(member)
                copy.writestr(member, damage(data, how, rng) if member == hit else data)
    else:
        path.write_bytes(damage(source.read_bytes(), how, rng))
    try:
        forum = sna.read_forum(path, platform=SAMPLES[name])
    except sna.SnaError:
        return
    books = forum.accounting()
    assert (books["added"] >= 0).all()


# --- shared tools -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("no link", "no link"),
        ("http://a.org/x?y=1&z=2#frag end", "http://a.org/x end"),
        ("[a](https://a.org/(b)?t=1) and", "[a](https://a.org/(b) and"),
        ("ftp://joe:pw@host/file", "ftp://host/file"),
        ("HTTPS://A.ORG/?sig=%2F", "HTTPS://A.ORG/"),
        ("a.b://x?y", "a.b://x"),
        ("token xoxb-123-abc here", "token [token removed] here"),
        ("https://bob:p@ss@host.org/x", "https://host.org/x"),
        ("https://host.org?mail=ann@home.org", "https://host.org"),
        ("5 ?= 6 # seven", "5 ?= 6 # seven"),
    ],
)
def test_secrets_of_one_text(text, clean):
    assert hide_secrets(pl.DataFrame({"text": [text]}))["text"].to_list() == [clean]


@pytest.mark.parametrize("unit", ["a.", "://", "x?", "http://", "<", "xox", "@", "`", "```\n", "[](#narrow/"])
def test_hostile_text_takes_no_long_time(unit):
    from time import process_time

    from sna.readers.mattermost.bulk import find_move
    from sna.readers.slack_text import find_mentions, plain_text
    from sna.readers.zulip import _AT, _CODE, _GROUP, _QUOTED, _SAID

    text = unit * (200_000 // len(unit))
    start = process_time()
    hide_secrets(pl.DataFrame({"text": [text]}))
    plain_text(text)
    find_mentions({}, text + "<@")
    find_move(text, author="a")
    _words(text[:50_000])
    for rule in (_AT, _CODE, _GROUP, _QUOTED, _SAID):
        rule.sub("", text)
    assert process_time() - start < 5


def test_words_of_plain_html_equal_the_parser():
    for content in (
        '<p>Hello <at id="0">Ann</at>&nbsp;there</p><p>next &lt;b&gt;</p>',
        "<div>a<br>b</div><ul><li>one</li><li><strong>two</strong></li></ul>",
        '<attachment id="1"></attachment>only this',
        "<p>x<script>alert(1)</script></p>",
        "<p>1 > 0</p>",
        "<!-- note --><p>y</p>",
        "plain &amp; simple",
    ):
        assert _words(content) == html_to_text(content).replace("\u00a0", " "), content


def test_json_files_stream_a_large_document_in_bounded_pieces(tmp_path):
    path = tmp_path / "big.json"
    path.write_text("\ufeff" + json.dumps({"a": list(range(1000)), "b": {"x": {"n": 1}}, "c": 5}))
    with open_container(path) as container:
        small = collect.JsonFiles(container, Collector("x"), whole_bytes=10)
        whole = collect.JsonFiles(container, Collector("x"))
        for under in (("a", "b", "c"), ("a", "b", "c", "d")):
            assert list(small.items("big.json", "posts", under=under)) == list(
                whole.items("big.json", "posts", under=under)
            )
            assert len(list(small.items("big.json", "posts", under=under))) == 1001


def test_a_stream_cut_off_keeps_what_came_before(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text(json.dumps([{"n": n} for n in range(50)])[:-20])
    with open_container(path) as container:
        log = Collector("x")
        assert len(list(collect.JsonFiles(container, log, whole_bytes=10).items("cut.json", "posts"))) >= 45
        issues = log.forum(capabilities={}).issues
    told = [("files_lost", "warning", ""), ("damaged_file", "rejected", "cut.json")]
    assert issues.sort("kind", descending=True).select("reason", "kind", "file").rows() == told


def test_an_archive_bomb_is_refused_not_logged(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("channels.json", "[]")
        archive.writestr("general/2024-01-01.json", b"[" + b" " * 60_000_000 + b"]")
    with pytest.raises(sna.ReadError, match="bomb"):
        sna.read_forum(path, platform="slack")


def test_spells_from_joins_and_leaves():
    def spells(*changes, now=False):
        return chat.list_spells(changes, member_now=now)

    assert spells() == []
    assert spells(now=True) == [(None, None)]
    assert spells((1, True)) == [(1, None)]
    assert spells((5, False)) == [(None, 5)]
    assert spells((5, False), now=True) == [(None, 5), (5, None)]
    assert spells((1, True), (2, True), (3, False), (4, False), (6, True)) == [(1, 3), (6, None)]


def test_memberships_count_only_rows_of_the_source():
    log = Collector("x")
    chat.add_memberships(log, [("ann", "a")], moves={}, implied=[("ann", "b")])
    forum = log.forum(capabilities={})
    assert forum.source.rows_read["memberships"] == 1
    assert forum.memberships.select("person_id", "space").rows() == [("ann", "a"), ("ann", "b")]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("see https://bob:pw@files.example.org/a.png?t=secret#x now", "see https://files.example.org/a.png now"),
        ("xoxb-12-secret and <https://x.org/?sig=1|label>", "[token removed] and <https://x.org/|label>"),
        ("who? me & you #1", "who? me & you #1"),
        (None, None),
    ],
)
def test_every_readers_texts_are_cleaned_at_the_end(text, clean):
    frame = hide_secrets(
        pl.DataFrame({"title": [text], "text": [text]}, schema={"title": pl.String, "text": pl.String})
    )
    assert frame.row(0) == (clean, clean)


def test_query_strings_are_dropped_from_a_table_and_from_a_mapped_export(tmp_path):
    (tmp_path / "notes.csv").write_text("nr,by,words\n1,ann,see https://x.org/a?sig=hunter2 now\n2,bob,x\n")
    columns = {"post_id": "nr", "author_id": "by", "text": "words"}
    mapped = sna.read_mapped(tmp_path, {"name": "notes", "posts": [{"from": {"table": "notes"}, "columns": columns}]})
    table = sna.read_table(tmp_path / "notes.csv", columns={"author": "by", "text": "words", "post_id": "nr"})
    for forum in (mapped, table):
        assert forum.posts.filter(post_id="1")["text"].to_list() == ["see https://x.org/a now"]
