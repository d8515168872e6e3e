"""Discourse backups and live databases: one made-up site, as pg_dump text and in a real PostgreSQL server."""

import gzip
import io
import json
import os
import pwd
import random
import shutil
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import sna
from sna.errors import ParameterError, ReadError, SnaError

T = "timestamp without time zone"
SITE = {
    "users": (
        "id integer, username text, name text, admin boolean, moderator boolean, trust_level integer, title text, "
        f"password_hash text, salt text, ip_address text, created_at {T}",
        [
            (-1, "system", "system", "t", "f", 4, None, None, None, None, "2020-01-01 00:00:00"),
            (1, "ann", "Ann", "f", "t", 2, "", "HASH-SECRET", "SALT-SECRET", "10.9.8.7", "2020-01-01 10:00:00"),
            (2, "bob_new", "Bob", "f", "f", 3, "Guru", "HASH-SECRET", "x", "10.9.8.7", "2020-01-02 10:00:00.5"),
            (3, "cat", None, "f", "f", 0, None, "HASH-SECRET", "x", None, "2021-01-02 10:00:00"),
            (4, "silent", "Si", "f", "f", 0, None, "HASH-SECRET", "x", None, "2021-06-02 10:00:00"),
        ],
    ),
    "user_emails": (
        'user_id integer, email text, "primary" boolean',
        [(1, "Ann@example.org", "t"), (1, "old@example.org", "f"), (2, "bob@example.org", "t")],
    ),
    "api_keys": ("id integer, key text", [(1, "KEY-SECRET")]),
    "categories": (
        "id integer, name text, parent_category_id integer, read_restricted boolean",
        [(3, "IT", None, "f"), (4, "Help", 3, "f"), (5, "Board", None, "t")],
    ),
    "topics": (
        f"id integer, title text, user_id integer, category_id integer, archetype text, created_at {T}, deleted_at {T}",
        [
            (7, "VPN\tis \\ down", 1, 4, "regular", "2024-03-01 09:00:00", None),
            (8, "Pay", 1, 5, "regular", "2024-03-01 09:00:00", None),
            (9, "psst", 2, None, "private_message", "2024-03-01 09:00:00", None),
            (10, "Lunch", 3, 3, "regular", "2024-04-01 09:00:00", None),
        ],
    ),
    "posts": (
        "id integer, user_id integer, topic_id integer, post_number integer, raw text, cooked text, created_at "
        f"{T}, updated_at {T}, reply_to_post_number integer, deleted_at {T}, user_deleted boolean, post_type integer, "
        f"version integer, last_version_at {T}, like_count integer, raw_email text",
        [
            (
                71,
                1,
                7,
                1,
                "help\n\n@all C:\\temp\\new",
                "<p>help</p><p>C:\\temp\\new</p>",
                "2024-03-01 09:00:00.123456",
                "2024-03-09 00:00:00",
                None,
                None,
                "f",
                1,
                2,
                "2024-03-02 09:00:00",
                0,
                "MAIL-SECRET",
            ),
            (
                72,
                2,
                7,
                2,
                "try",
                '<p>try <a class="mention" href="/u/cat">@cat</a></p>',
                "2024-03-01 10:00:00",
                "2024-03-01 10:00:00",
                1,
                None,
                "f",
                1,
                1,
                "2024-03-01 10:00:00",
                2,
                None,
            ),
            (
                73,
                3,
                7,
                3,
                "thx",
                '<p>thx <a class="mention">@bob</a></p>',
                "2024-03-01 11:00:00",
                "2024-03-01 11:00:00",
                2,
                None,
                "f",
                1,
                1,
                "2024-03-01 11:00:00",
                0,
                None,
            ),
            (74, -1, 7, 4, "", "", "2024-03-01 12:00:00", "2024-03-01 12:00:00", None, None, "f", 3, 1, None, 0, None),
            (
                75,
                None,
                7,
                5,
                "gone",
                "<p>gone</p>",
                "2024-03-01 13:00:00",
                "2024-03-01 13:00:00",
                None,
                "2024-03-05 00:00:00",
                "f",
                1,
                1,
                None,
                0,
                None,
            ),
            (
                76,
                1,
                7,
                6,
                "staff only",
                "<p>staff only</p>",
                "2024-03-01 14:00:00",
                "2024-03-01 14:00:00",
                None,
                None,
                "f",
                4,
                1,
                None,
                0,
                None,
            ),
            (
                81,
                1,
                8,
                1,
                "pay",
                "<p>PAY-SECRET</p>",
                "2024-03-02 09:00:00",
                "2024-03-02 09:00:00",
                None,
                None,
                "f",
                1,
                1,
                None,
                1,
                None,
            ),
            (
                91,
                2,
                9,
                1,
                "psst",
                "<p>PM-SECRET</p>",
                "2024-03-02 09:00:00",
                "2024-03-02 09:00:00",
                None,
                None,
                "f",
                1,
                1,
                None,
                0,
                None,
            ),
            (
                101,
                3,
                10,
                1,
                "lunch",
                "<p>lunch</p>",
                "2024-04-01 09:00:00",
                "2024-04-01 09:00:00",
                None,
                None,
                "f",
                1,
                1,
                None,
                0,
                None,
            ),
        ],
    ),
    "post_actions": (
        f"id integer, post_id integer, user_id integer, post_action_type_id integer, created_at {T}, deleted_at {T}",
        [
            (1, 72, 1, 2, "2024-03-01 10:30:00", None),
            (2, 72, 3, 2, "2024-03-01 10:40:00", None),
            (3, 71, 3, 2, "2024-03-01 10:50:00", "2024-03-01 10:51:00"),
            (4, 81, 2, 2, "2024-03-02 10:50:00", None),
            (5, 73, 2, 8, "2024-03-02 10:55:00", None),
            (6, 73, 2, 99, "2024-03-02 10:56:00", None),
        ],
    ),
    "discourse_reactions_reactions": (
        "id integer, post_id integer, reaction_type integer, reaction_value text, reaction_users_count integer",
        [(1, 72, 0, "tada", 1)],
    ),
    "discourse_reactions_reaction_users": (
        f"id integer, reaction_id integer, user_id integer, post_id integer, created_at {T}",
        [(1, 1, 3, 72, "2024-03-01 10:40:00")],
    ),
    "bookmarks": (
        f"user_id integer, bookmarkable_id integer, bookmarkable_type text, created_at {T}",
        [(4, 72, "Post", "2024-03-07 00:00:00"), (4, 7, "Topic", "2024-03-07 00:00:00")],
    ),
    "user_actions": (
        "id integer, action_type integer, user_id integer, acting_user_id integer, target_topic_id integer, "
        f"target_post_id integer, created_at {T}",
        [
            (1, 7, 3, 2, 7, 72, "2024-03-01 10:00:00"),
            (2, 15, 2, 1, 7, 72, "2024-03-01 15:00:00"),
            (3, 1, 2, 1, 7, 72, "2024-03-01 15:00:00"),
        ],
    ),
    "topic_custom_fields": (
        f"id integer, topic_id integer, name text, value text, created_at {T}",
        [(1, 7, "accepted_answer_post_id", "72", "2024-03-01 15:00:01"), (2, 7, "other", "1", None)],
    ),
    "discourse_solved_solved_topics": (
        f"id integer, topic_id integer, answer_post_id integer, accepter_user_id integer, created_at {T}",
        [(1, 7, 73, 4, "2025-03-01 15:00:00")],
    ),
    "user_histories": (
        "id integer, action integer, acting_user_id integer, target_user_id integer, previous_value text, "
        f"new_value text, ip_address text, created_at {T}",
        [
            (1, 2, -1, 2, "1", "2", "10.9.8.7", "2022-01-01 00:00:00"),
            (2, 15, -1, 2, "2", "3", "10.9.8.7", "2023-01-01 00:00:00"),
            (3, 34, -1, 1, None, None, "10.9.8.7", "2023-06-01 00:00:00"),
            (4, 21, -1, 2, "bob", "bob_new", "10.9.8.7", "2024-05-01 00:00:00"),
        ],
    ),
    "groups": ("id integer, name text, automatic boolean", [(50, "vpn", "f"), (11, "trust_level_1", "t")]),
    "group_users": (
        f"id integer, group_id integer, user_id integer, created_at {T}",
        [(1, 50, 1, "2023-01-01 00:00:00"), (2, 11, 1, "2023-01-01 00:00:00"), (3, 50, 4, "2023-02-01 00:00:00")],
    ),
    "group_histories": (
        f"id integer, group_id integer, acting_user_id integer, target_user_id integer, action integer, created_at {T}",
        [
            (1, 50, -1, 1, 2, "2022-01-01 00:00:00"),
            (2, 50, -1, 1, 3, "2022-06-01 00:00:00"),
            (3, 50, -1, 1, 2, "2023-01-01 00:00:00"),
            (4, 50, -1, 2, 3, "2022-07-01 00:00:00"),
        ],
    ),
    "user_fields": ("id integer, name text", [(1, "Department"), (2, "Phone number")]),
    "user_custom_fields": (
        "id integer, user_id integer, name text, value text",
        [(1, 1, "user_field_1", "IT"), (2, 1, "user_field_2", "555-12"), (3, 1, "last_chat_channel_id", "9")],
    ),
    "user_visits": (
        "id integer, user_id integer, visited_at date, posts_read integer",
        [(1, 4, "2024-03-01", 3), (2, 4, "2024-03-02", 0)],
    ),
    "topic_views": (
        "topic_id integer, viewed_at date, user_id integer, ip_address text",
        [(7, "2024-03-01", 4, "10.9.8.7"), (7, "2024-03-01", None, "10.9.8.7"), (8, "2024-03-01", 2, None)],
    ),
    "post_timings": (
        "topic_id integer, post_number integer, user_id integer, msecs integer",
        [(7, 1, 4, 100), (7, 2, 4, 50), (8, 1, 2, 10)],
    ),
}
SECRETS = ("SECRET", "10.9.8.7", "555-12", "old@example.org")


def names(columns):
    return [part.split()[0] for part in columns.split(", ")]


def cell(value):
    if value is None:
        return "\\N"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def dump(site=SITE, *, seed=None, backwards=False):
    """The site as pg_dump writes it; shuffled rows and columns for ``seed``."""
    rng = random.Random(seed)
    text = ["-- PostgreSQL database dump", "SET client_encoding = 'UTF8';", "\\connect other", "SELECT pg_sleep(9);"]
    for table, (columns, rows) in sorted(site.items(), reverse=backwards):
        order = list(range(len(names(columns))))
        rows = list(rows)
        if seed is not None:
            rng.shuffle(order)
            rng.shuffle(rows)
        text.append(f"CREATE TABLE public.{table} ({columns});")
        text.append(f"COPY public.{table} ({', '.join(names(columns)[i] for i in order)}) FROM stdin;")
        text += ["\t".join(cell(row[i]) for i in order) for row in rows]
        text += ["\\.", ""]
    return "\n".join(text).encode()


def backup(folder, *, name="site-2024-05-02-030405-v20240501.tar.gz", data=None):
    """A backup as Discourse makes it: tar.gz with dump.sql.gz and uploads."""
    folder.mkdir(exist_ok=True)
    members = {"dump.sql.gz": gzip.compress(dump() if data is None else data), "uploads/default/a.json": b"{}"}
    with tarfile.open(folder / name, "w:gz") as bundle:
        for member, content in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return folder / name


@pytest.fixture(scope="module")
def forum(tmp_path_factory):
    return sna.read_forum(backup(tmp_path_factory.mktemp("backup")))


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_posts_of_a_backup(forum):
    posts = {row["post_id"]: row for row in forum.posts.iter_rows(named=True)}
    assert sorted(posts) == ["101", "71", "72", "73", "75"]
    first = posts["71"]
    assert first["text"] == "help\nC:\\temp\\new"
    assert first["title"] == "VPN\tis \\ down"
    assert first["space"] == "IT / Help"
    assert first["created_at"] == at(2024, 3, 1, 9, 0, 0, 123456)
    assert first["edited_at"] == at(2024, 3, 2, 9)
    assert (posts["72"]["parent_id"], posts["73"]["parent_basis"]) == ("71", "explicit")
    assert (posts["75"]["author_id"], posts["75"]["deleted_at"]) == (None, at(2024, 3, 5))
    withheld = {(r["table"], r["reason"]): r["n"] for r in forum.issues.filter(kind="withheld").iter_rows(named=True)}
    assert withheld == {
        ("posts", "small_action"): 1,
        ("posts", "whisper"): 1,
        ("posts", "restricted_category"): 1,
        ("posts", "private_message"): 1,
        ("signals", "undone"): 1,
        ("signals", "other_action"): 1,
        ("signals", "same_as_reaction"): 1,
        ("signals", "private_space"): 1,
        ("signals", "not_on_a_post"): 1,
        ("events", "anonymous"): 1,
        ("events", "private_space"): 2,
        ("memberships", "automatic_group"): 1,
    }


def test_who_reacted_when_and_who_accepted(forum):
    signals = {(r["post_id"], r["person_id"], r["kind"], r["at"]) for r in forum.signals.iter_rows(named=True)}
    assert signals == {
        ("72", "1", "like", at(2024, 3, 1, 10, 30)),
        ("72", "3", "emoji:tada", at(2024, 3, 1, 10, 40)),
        ("73", "2", "flag", at(2024, 3, 2, 10, 55)),
        ("72", "4", "bookmark", at(2024, 3, 7)),
        ("72", "1", "accept", at(2024, 3, 1, 15)),
        ("73", "4", "accept", at(2025, 3, 1, 15)),
    }


def test_mentions_by_record_and_by_a_former_name(forum):
    assert forum.mentions.rows() == [("72", "3", "structured"), ("73", "2", "markup")]


def test_people_roles_and_groups_over_time(forum):
    people = {row[0]: row[1:] for row in forum.people.select("person_id", "name", "kind", "email").iter_rows()}
    assert people == {
        "-1": ("system", "system", None),
        "1": ("Ann", "human", "ann@example.org"),
        "2": ("Bob", "human", "bob@example.org"),
        "3": ("cat", "human", None),
        "4": ("Si", "human", None),
    }
    trust = forum.roles.filter(person_id="2", attribute="trust_level").select(
        "value", "valid_from", "valid_to", "basis"
    )
    assert set(trust.rows()) == {
        ("1", None, at(2022, 1, 1), "event"),
        ("2", at(2022, 1, 1), at(2023, 1, 1), "event"),
        ("3", at(2023, 1, 1), None, "event"),
    }
    role = forum.attribute("platform_role", at=at(2023, 1, 1)).filter(person_id="1")["platform_role"].item()
    later = forum.attribute("platform_role", at=at(2024, 1, 1)).filter(person_id="1")["platform_role"].item()
    assert (role, later) == ("member", "moderator")
    assert forum.attribute("department").filter(person_id="1")["department"].item() == "IT"
    assert forum.attribute("title")["title"].drop_nulls().to_list() == ["Guru"]
    assert set(forum.memberships.rows()) == {
        ("1", "group:vpn", at(2022, 1, 1), at(2022, 6, 1)),
        ("1", "group:vpn", at(2023, 1, 1), None),
        ("2", "group:vpn", None, at(2022, 7, 1)),
        ("4", "group:vpn", at(2023, 2, 1), None),
    }


def test_the_silent_are_seen_reading(forum):
    assert set(forum.events.rows()) == {
        ("4", "visit", None, at(2024, 3, 1), 1),
        ("4", "visit", None, at(2024, 3, 2), 1),
        ("4", "view", "7", at(2024, 3, 1), 1),
        ("4", "read", "7", None, 2),
    }
    assert forum.issues.filter(reason="timings_summed")["detail"].item().startswith("3 rows of post_timings")


def test_secrets_of_a_backup_are_not_read_in(forum, tmp_path):
    whole = sna.read_forum(backup(tmp_path), include_private=True)
    for read, extra in ((forum, ()), (whole, ())):
        text = json.dumps([getattr(read, t).to_dicts() for t in [*sna.schema.TABLES, "issues"]], default=str)
        allowed = text.replace("PAY-SECRET", "").replace("PM-SECRET", "") if read is whole else text
        assert not [secret for secret in (*SECRETS, *extra) if secret in allowed]
    spaces = dict(whole.posts.select("post_id", "space").iter_rows())
    assert (spaces["81"], spaces["91"], spaces["76"]) == ("Board", "private message", "IT / Help")


def test_a_backup_says_when_it_was_made_and_balances(forum):
    assert forum.observed_until == at(2024, 5, 2, 3, 4, 5)
    for row in forum.accounting().iter_rows(named=True):
        assert row["read"] == row["used"] + row["rejected"] + row["withheld"]
        assert row["added"] == 0
    assert forum.supports("reads") == forum.supports("reaction_times") == "yes"


def test_order_of_rows_columns_and_tables_does_not_matter(tmp_path):
    reads = []
    for seed in (None, 1, 2):
        path = tmp_path / f"{seed}" / "dump.sql"
        path.parent.mkdir()
        path.write_bytes(dump(seed=seed, backwards=seed == 2))
        reads.append(sna.read_forum(path))
    assert reads[0].equals(reads[1])
    assert reads[0].equals(reads[2])


def test_older_dumps_with_fewer_tables_and_columns_read_too(tmp_path):
    old = {
        "posts": (
            "id integer, user_id integer, topic_id integer, post_number integer, raw text, created_at text",
            [(1, 1, 7, 1, 'a [quote="x, post:9"]b[/quote]', "2024-03-01 09:00:00"), (2, 2, 7, 2, "@ann", "2024-03-02")],
        )
    }
    path = tmp_path / "dump.sql"
    path.write_bytes(dump(old).replace(b"COPY public.posts", b'COPY "public"."posts"'))
    forum = sna.read_forum(path)
    assert forum.posts.select("post_id", "parent_basis", "text").rows() == [
        ("1", "none", "a"),
        ("2", "root_default", "@ann"),
    ]
    assert forum.people["placeholder"].to_list() == [True, True]
    assert [forum.supports(c) for c in ("reads", "roster", "mentions", "spaces")] == ["no", "no", "no", "no"]
    assert forum.issues.filter(reason="unknown_person")["detail"].to_list() == ["@ann"]


def test_damaged_rows_are_rejected_one_by_one(tmp_path):
    text = dump().replace(b"3\tIT\t\\N\tf", b"3\tIT\t\\N\tf\textra\n4711")
    path = tmp_path / "dump.sql"
    path.write_bytes(text)
    bad = sna.read_forum(path).issues.filter(reason="damaged_row")
    assert bad["table"].to_list() == ["posts", "posts"]
    assert bad["detail"].unique().to_list() == ["categories"]
    first = next(i for i, line in enumerate(text.split(b"\n"), start=1) if line.endswith(b"extra"))
    assert bad["position"].to_list() == [f"line {first}", f"line {first + 1}"]


def test_a_dump_that_stops_in_the_middle_says_so(tmp_path):
    text = dump()
    path = tmp_path / "dump.sql"
    path.write_bytes(text[: text.index(b"91\t2\t9") + 20])
    forum = sna.read_forum(path)
    assert forum.issues.filter(reason="table_cut_off")["position"].to_list() == ["posts"]
    cut = gzip.compress(text)
    (tmp_path / "cut.sql.gz").write_bytes(cut[: len(cut) - 30])
    with pytest.raises(SnaError):
        sna.read_forum(tmp_path / "cut.sql.gz")


def test_other_dumps_are_refused(tmp_path):
    (tmp_path / "a.sql").write_text("COPY public.posts (id, body) FROM stdin;\n1\tx\n\\.\n", encoding="utf-8")
    with pytest.raises(SnaError):
        sna.read_forum(tmp_path / "a.sql")
    columns = "CREATE TABLE public.posts (id integer, post_number integer);\nINSERT INTO posts VALUES (1, 1);\n"
    (tmp_path / "b.sql").write_text(columns, encoding="utf-8")
    with pytest.raises(ReadError, match="COPY blocks"):
        sna.read_forum(tmp_path / "b.sql")


def test_the_hand_made_fixture(shared):
    forum = sna.read_forum(shared / "fixtures" / "synthetic" / "discourse")
    assert forum.posts.select("post_id", "parent_basis").rows() == [
        ("1", "none"),
        ("2", "explicit"),
        ("3", "root_default"),
    ]
    assert forum.posts["text"][0].endswith("\\")
    assert forum.mentions.rows() == [("2", "1", "markup")]
    assert forum.people.height == 2
    assert forum.memberships.height == 2


# A real server


def server_folder():
    """The newest PostgreSQL of Debian's packages, or one on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    found += [Path(path) for path in [shutil.which("initdb")] if path]
    return found[0].parent if found else None


def as_user(folder):
    """Words before a command: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    user = next((u for u in ("postgres", "nobody") if u in {p.pw_name for p in pwd.getpwall()}), None)
    if user is None or shutil.which("runuser") is None:
        pytest.skip("root cannot start PostgreSQL, and there is no other user to do it")
    shutil.chown(folder, user)
    return ["runuser", "-u", user, "--"]


@pytest.fixture(scope="module")
def server():
    """Url of a PostgreSQL server of our own, reachable through a socket in its folder; gone afterwards."""
    pytest.importorskip("sqlalchemy", reason="the db extra is not installed")
    pytest.importorskip("psycopg", reason="the db extra is not installed")
    bin_folder = server_folder()
    if bin_folder is None:
        pytest.skip("no PostgreSQL server here (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="sna-pg-"))
    prefix = as_user(folder)
    try:
        data = folder / "data"
        run([*prefix, bin_folder / "initdb", "-D", data, "-U", "owner", "-A", "trust", "--no-sync", "-E", "UTF8"])
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        run([*prefix, bin_folder / "pg_ctl", "-D", data, "-o", options, "-w", "-l", folder / "log", "start"])
        try:
            yield bin_folder, f"postgresql://owner@/postgres?host={folder}"
        finally:
            run([*prefix, bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(words):
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=120, cwd="/", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def database(server):
    """The site in a database of its own, and an account that may only read."""
    import psycopg

    bin_folder, url = server
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE discourse")
    url = url.replace("/postgres?", "/discourse?")
    with psycopg.connect(url, autocommit=True) as connection:
        for table, (columns, rows) in SITE.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
            marks = ", ".join(["%s"] * len(names(columns)))
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    return bin_folder, url


TABLES = ("posts", "people", "roles", "mentions", "signals", "events", "memberships", "campaigns")


def test_a_live_database_reads_as_its_backup(database, tmp_path):
    bin_folder, url = database
    live = sna.read_discourse_database(url.replace("owner@", "reader@"))
    done = subprocess.run(
        [bin_folder / "pg_dump", "--schema=public", "--no-owner", "--no-privileges", url],
        capture_output=True,
        check=True,
    )
    (tmp_path / "dump.sql").write_bytes(done.stdout)
    dumped = sna.read_forum(tmp_path / "dump.sql")
    (tmp_path / "ours.sql").write_bytes(dump())
    ours = sna.read_forum(tmp_path / "ours.sql")
    for table in TABLES:
        assert getattr(live, table).equals(getattr(dumped, table)), table
        assert getattr(live, table).equals(getattr(ours, table)), table
    assert live.source.capabilities == dumped.source.capabilities
    assert abs((live.observed_until - datetime.now(UTC)).total_seconds()) < 600
    private = sna.read_discourse_database(url, include_private=True)
    assert "91" in private.posts["post_id"]
    assert "91" not in live.posts["post_id"]


def test_nothing_can_be_written_in_the_transaction_we_read_in(database):
    import sqlalchemy

    from sna.readers.discourse.database import _address, _connection

    with pytest.raises(ReadError, match="read-only"), _connection(_address(database[1])) as connection:
        connection.execute(sqlalchemy.text("DELETE FROM posts"))
    assert sna.read_discourse_database(database[1]).posts.height == 5


def test_a_table_we_may_not_read_or_that_is_not_there(database, server):
    with pytest.raises(ReadError, match="one of Discourse"):
        sna.read_discourse_database(server[1])
    import psycopg

    with psycopg.connect(database[1], autocommit=True) as connection:
        connection.execute("CREATE ROLE stranger LOGIN")
    with pytest.raises(ReadError, match="permission denied"):
        sna.read_discourse_database(database[1].replace("owner@", "stranger@"))


@pytest.mark.parametrize(
    "url", ["mysql://u:PASSWORD-1@h/d", "nonsense", "sqlite:///x.db", "", "postgresql://u:p@h:port/d"]
)
def test_urls_of_something_else_are_refused(url):
    pytest.importorskip("sqlalchemy", reason="the db extra is not installed")
    with pytest.raises(ParameterError) as caught:
        sna.read_discourse_database(url)
    assert "PASSWORD-1" not in str(caught.value)


def test_a_failed_connection_never_shows_the_password(tmp_path):
    pytest.importorskip("psycopg", reason="the db extra is not installed")
    for url in (
        f"postgresql://me:PASSWORD-1@/d?host={tmp_path}",
        f"postgresql://me@/d?host={tmp_path}&password=PASSWORD-1",
        "postgresql://me:PASSWORD-1@127.0.0.1:1/d",
    ):
        with pytest.raises(ReadError) as caught:
            sna.read_discourse_database(url)
        text = str(caught.value)
        assert "PASSWORD-1" not in text
        assert caught.value.__cause__ is None
        assert "let us read" in text


def test_without_the_extra_we_say_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(sna.errors.MissingDependencyError, match=r"sna-toolkit\[db\]"):
        sna.read_discourse_database("postgresql://u@h/d")


def test_spaces_are_text_even_without_categories(tmp_path):
    site = {name: SITE[name] for name in ("posts", "topics", "users")}
    (tmp_path / "dump.sql").write_bytes(dump(site))
    forum = sna.read_forum(tmp_path / "dump.sql")
    assert forum.posts.filter(pl.col("thread_id") == "10")["space"].to_list() == ["3"]
