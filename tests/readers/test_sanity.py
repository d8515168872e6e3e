"""The gate after every reader: what was not found is not claimed, and what looks wrong is said first."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from click.testing import CliRunner

import sna
from sna.cli import main
from sna.forum import list_roster
from sna.people.privacy import pseudonymise
from sna.readers.reasons import is_known_reason
from sna.readers.sanity import settle_levels
from sna.schema import CAPABILITIES

START = datetime(2024, 3, 1, 10, tzinfo=UTC)
PEOPLE = ("ann", "bob", "cat", "dan", "eve", "fay")


def write_slack(folder, messages, *, users=PEOPLE):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "users.json").write_text(json.dumps([{"id": f"U{n.upper()}", "name": n} for n in users]))
    (folder / "channels.json").write_text(json.dumps([{"id": "C1", "name": "help", "members": []}]))
    (folder / "help").mkdir(exist_ok=True)
    (folder / "help" / "2024-03-01.json").write_text(json.dumps(messages))
    return folder


def say(number, person, *, thread=None, text="How do I open this?", at=START):
    stamp = f"{(at + timedelta(hours=number)).timestamp():.6f}"
    return {"type": "message", "user": f"U{person.upper()}", "text": text, "ts": stamp, "thread_ts": thread or stamp}


def talk(n, *, n_replies):
    """``n`` messages, the last ``n_replies`` of them replies to the first."""
    first = say(0, "ann")
    rest = [say(i, PEOPLE[i % 6], thread=first["ts"] if i >= n - n_replies else None) for i in range(1, n)]
    return [first, *rest]


def warned(forum):
    return sna.list_warnings(forum)["warning"].to_list()


def answerable(forum):
    return dict(sna.list_analyses(forum).select("analysis", "answerable").rows())


def read_rows(rows, **columns):
    named = {"author": "author", "created_at": "at", "thread": "thread", "text": "text"} | columns
    return sna.read_table(pl.DataFrame(rows), columns=named)


def posts(n, *, authors=PEOPLE, threads=3, at=START, step=timedelta(hours=5)):
    return [
        {
            "author": authors[i % len(authors)],
            "at": (at + i * step).isoformat(),
            "thread": str(i % threads),
            "text": "hi",
        }
        for i in range(n)
    ]


def test_an_export_from_before_threads_does_not_claim_that_nothing_was_answered(tmp_path):
    forum = sna.read_forum(write_slack(tmp_path / "old", talk(53, n_replies=0)))
    assert "no_replies" in warned(forum)
    assert (forum.supports("threads"), forum.supports("reply_parent")) == ("no", "no")
    can = answerable(forum)
    assert (can["who are the champions"], can["time to answer"]) == ("no", "no")
    with pytest.raises(sna.NotAnswerableError, match="needs threads"):
        sna.list_waits(forum)
    page = sna.render_report(forum)
    assert "No post is recorded as an answer" in page
    assert not re.search(r"0 % of 53|0% of 53", page)


def test_a_chat_where_hardly_anybody_uses_threads_is_no_source_of_waiting_times(tmp_path):
    few = sna.read_forum(write_slack(tmp_path / "few", talk(200, n_replies=3)))
    assert "few_replies" in warned(few)
    assert few.supports("threads") == "no"
    many = sna.read_forum(write_slack(tmp_path / "many", talk(200, n_replies=100)))
    assert "few_replies" not in warned(many)
    assert many.supports("threads") == "yes"


def test_replies_that_begin_late_are_dated(tmp_path):
    old = [say(i, PEOPLE[i % 6], at=START - timedelta(days=300)) for i in range(60)]
    forum = sna.read_forum(write_slack(tmp_path, [*old, *talk(60, n_replies=59)]))
    says = dict(sna.list_warnings(forum).select("warning", "says").rows())
    assert "2024-03-01" in says["replies_begin_late"]
    assert "60 of 120" in says["replies_begin_late"]
    assert forum.supports("threads") == "partial"


def test_what_no_row_supports_is_not_in_the_table_of_capabilities(tmp_path):
    messages = talk(12, n_replies=6)
    bare = sna.read_forum(write_slack(tmp_path / "bare", messages))
    levels = dict(sna.list_capabilities(bare).select("capability", "level").rows())
    assert {name for name, level in levels.items() if level != "no"} == {
        "reply_parent", "threads", "spaces", "platform_role", "text", "exact_times"}  # fmt: skip
    messages[3] |= {"reactions": [{"name": "tada", "users": ["UBOB"], "count": 1}], "text": "<@UBOB> look"}
    full = sna.read_forum(write_slack(tmp_path / "full", messages))
    assert (full.supports("reactions"), full.supports("mentions")) == ("yes", "yes")
    assert full.supports("reaction_times") == "no"


def test_a_forum_that_can_record_acceptance_and_has_none_solves_nothing():
    rows = [
        {
            "id": f"{t}.{i}",
            "author": PEOPLE[i],
            "at": (START + timedelta(hours=t * 9 + i)).isoformat(),
            "thread": str(t),
        }
        | {"parent": f"{t}.0" if i else None, "ok": ""}
        for t in range(6)
        for i in range(3)
    ]
    columns = {"post_id": "id", "parent": "parent", "accepted": "ok", "author": "author", "created_at": "at"}
    none = sna.read_table(pl.DataFrame(rows), columns={**columns, "thread": "thread"})
    assert "nothing_accepted" in warned(none)
    assert answerable(none)["questions solved"] == "no"
    rows[1]["ok"] = "true"
    one = sna.read_table(pl.DataFrame(rows), columns={**columns, "thread": "thread"})
    assert "nothing_accepted" not in warned(one)
    assert answerable(one)["questions solved"] == "yes"


def test_impossible_years_are_removed_and_said():
    rows = posts(20)
    rows[4]["at"], rows[5]["at"] = "0005-06-15T05:52:00+00:00", "2091-01-01T00:00:00+00:00"
    forum = read_rows(rows)
    assert forum.posts["created_at"].null_count() == 2
    assert forum.posts.height == 20
    says = dict(sna.list_warnings(forum).select("warning", "n").rows())
    assert says["times_removed"] == 2
    assert forum.period[0].year == forum.period[1].year == 2024


def test_times_counted_from_a_start_of_their_own_keep_their_order_and_are_no_dates():
    forum = read_rows(posts(20, at=datetime(1970, 1, 1, 1, tzinfo=UTC)))
    assert forum.posts["created_at"].null_count() == 0
    assert "times_are_no_dates" in warned(forum)
    assert forum.supports("exact_times") == "partial"


def test_times_to_the_day_are_said_to_be():
    forum = read_rows(posts(20, at=datetime(2024, 3, 1, tzinfo=UTC), step=timedelta(days=1)))
    assert forum.supports("exact_times") == "partial"
    days = settle_levels(replace(forum, source=replace(forum.source, capabilities={"exact_times": "yes"})))
    assert warned(days) == ["dated_to_the_day"]
    assert days.supports("exact_times") == "partial"
    assert "dated_to_the_day" not in warned(read_rows(posts(20)))


def test_a_table_without_known_authors_says_nothing_of_people():
    rows = [{**row, "author": ""} for row in posts(8)]
    forum = read_rows(rows)
    assert "no_people" in warned(forum)
    assert answerable(forum)["who are the champions"] == "no"


def test_the_address_of_the_list_is_not_a_champion(tmp_path):
    def mail(number, sender, parent=None):
        head = f"From x Fri Mar  1 10:00:00 2024\nFrom: {sender}\nMessage-ID: <{number}@x>\nSubject: s\n"
        head += f"Date: Fri, 1 Mar 2024 {10 + number // 60:02}:{number % 60:02}:00 +0000\n"
        return head + (f"In-Reply-To: <{parent}@x>\n" if parent is not None else "") + f"\nwords {number}\n"

    people = [f"{name}@corp.example" for name in PEOPLE]
    mails = [mail(i, people[i % 6] if i % 2 else "ops <ops@corp.example>", 0 if i else None) for i in range(40)]
    (tmp_path / "ops.mbox").write_text("\n".join(mails))
    assert "list_as_author" in warned(sna.read_forum(tmp_path / "ops.mbox"))
    (tmp_path / "ops.mbox").write_text("\n".join(mail(i, people[i % 6], 0 if i else None) for i in range(40)))
    assert "list_as_author" not in warned(sna.read_forum(tmp_path / "ops.mbox"))


def test_people_who_are_only_mentioned_are_no_silent_people(tmp_path):
    messages = talk(20, n_replies=15)
    for number, message in enumerate(messages):
        message["text"] = f"<@UX{number}> do you know?"
    folder = write_slack(tmp_path, messages)
    (folder / "users.json").unlink()
    forum = sna.read_forum(folder)
    assert forum.people.height == 26
    assert list_roster(forum).height == 6
    known = replace(forum, source=replace(forum.source, capabilities={**forum.source.capabilities, "roster": "yes"}))
    assert sna.weekly_momentum(known)["n_roster"].max() == 6
    assert "only_mentioned" in warned(forum)
    assert forum.supports("roster") == "no"
    assert "6 of 6 known people" in sna.render_report(forum)


def test_a_list_of_those_who_wrote_is_no_roster(tmp_path):
    all_wrote = sna.read_forum(write_slack(tmp_path / "a", talk(30, n_replies=20)))
    assert "no_silent_people" in warned(all_wrote)
    assert all_wrote.supports("roster") == "no"
    with_silent = sna.read_forum(write_slack(tmp_path / "b", talk(30, n_replies=20), users=(*PEOPLE, "gus")))
    assert with_silent.supports("roster") == "partial"
    assert "no_silent_people" not in warned(with_silent)


def test_hr_data_of_few_people_give_neither_roster_nor_roles():
    names = [f"p{i}" for i in range(40)]
    forum = read_rows(posts(80, authors=names))
    few = sna.add_org(forum, sna.read_org(pl.DataFrame({"PersonId": ["p0", "z"], "Role": ["IT", "HR"]})))
    assert {"few_in_org", "few_roles"} <= set(warned(few))
    assert (few.supports("roster"), few.supports("org_attributes")) == ("no", "no")
    assert answerable(few)["who talks across roles: change over time"] == "no"
    some = sna.add_org(forum, sna.read_org(pl.DataFrame({"PersonId": names[:16], "Role": ["IT"] * 16})))
    assert some.supports("org_attributes") == "partial"
    most = sna.add_org(forum, sna.read_org(pl.DataFrame({"PersonId": [*names, "z"], "Role": ["IT"] * 41})))
    assert not {"few_in_org", "few_roles"} & set(warned(most))
    assert (most.supports("roster"), most.supports("org_attributes")) == ("yes", "partial")


def test_org_data_take_back_a_warning_that_no_longer_holds():
    names = [f"p{i}" for i in range(10)]
    people = pl.DataFrame({"person_id": names})
    frame = pl.DataFrame(posts(30, authors=names)).with_columns(pl.col("at").str.to_datetime(time_zone="UTC"))
    rows = frame.select(
        pl.int_range(pl.len()).cast(pl.String).alias("post_id"),
        pl.col("thread").alias("thread_id"),
        pl.col("author").alias("author_id"),
        pl.col("at").alias("created_at"),
    )
    source = sna.Source("toy", capabilities={"roster": "partial", "threads": "yes"}, rows_read={"people": 10})
    forum = settle_levels(sna.build_forum(posts=rows, people=people, source=source))
    assert warned(forum) == ["no_silent_people"]
    org = sna.read_org(pl.DataFrame({"PersonId": [*names, "silent"], "Role": ["IT"] * 11}))
    assert warned(sna.add_org(forum, org)) == []


def test_a_forum_made_by_hand_goes_on_answering_after_hr_data_are_added():
    frame = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "1"], "author_id": ["a", "b"]})
    forum = sna.build_forum(posts=frame.with_columns(parent_id=pl.Series([None, "1"])))
    org = sna.read_org(pl.DataFrame({"PersonId": ["a", "b"], "Role": ["IT", "HR"]}))
    assert sna.add_org(forum, org).supports("threads") == "yes"


def test_check_says_it_first_and_to_machines_and_the_report_too(tmp_path):
    folder = write_slack(tmp_path / "old", talk(53, n_replies=0))
    words = CliRunner().invoke(main, ["check", str(folder), "--quiet"]).output.splitlines()
    assert words[1].startswith("WARNING: No post is recorded as an answer")
    assert "  [no     ] time to answer (threads: no)" in words
    facts = json.loads(CliRunner().invoke(main, ["check", str(folder), "--json"]).output)
    assert {key: value for key, value in facts["warnings"][0].items() if key != "says"} == {
        "warning": "no_replies",
        "table": "posts",
        "n": 53,
    }
    assert facts["capabilities"]["threads"] == "no"
    forum = sna.read_forum(folder)
    shown = pseudonymise(forum, key=b"k" * 32)
    assert sna.list_warnings(shown).equals(sna.list_warnings(forum))


def test_the_example_and_whole_exports_raise_no_alarm(tmp_path):
    example = sna.load_example()
    checked = settle_levels(example)
    assert warned(checked) == []
    assert checked.source.capabilities == example.source.capabilities
    silent = (*PEOPLE, "gus")
    assert warned(sna.read_forum(write_slack(tmp_path, talk(40, n_replies=30), users=silent))) == []


def test_every_way_of_reading_passes_the_gate(tmp_path):
    table = pl.DataFrame([{**row, "thread": str(i)} for i, row in enumerate(posts(12))])
    table.write_csv(tmp_path / "t.csv")
    rule = {"from": {"table": "t"}, "columns": {"post_id": "thread", "author_id": "author", "created_at": "at"}}
    mapped = sna.read_mapped(
        tmp_path / "t.csv",
        {"name": "t", "capabilities": {"threads": "yes", "edits": "yes"}, "posts": [rule]},
    )
    ties = pl.DataFrame({"a": list(PEOPLE), "b": list(PEOPLE[::-1]), "t": ["0005-01-01"] + ["2024-03-01"] * 5})
    edges = sna.read_edges(ties, source="a", target="b", at="t")
    for forum in (read_rows(table.to_dicts()), mapped):
        assert forum.supports("threads") == "no"
        assert "no_replies" in warned(forum)
    assert mapped.supports("edits") == "no"
    assert "times_removed" in warned(edges)


def test_warnings_are_words_of_the_vocabulary_and_lower_known_levels(tmp_path):
    forum = sna.read_forum(write_slack(tmp_path, talk(53, n_replies=0)))
    assert all(map(is_known_reason, warned(forum)))
    assert set(forum.source.capabilities) == set(CAPABILITIES)


def test_a_page_cut_off_in_its_first_message_is_not_lost_in_silence(tmp_path):
    def page(number):
        sender = {"user": {"id": f"u{number % 3}", "displayName": f"N{number % 3}"}}
        at = (START + timedelta(hours=number)).isoformat()
        place = {"teamId": "t", "channelId": "c"}
        message = {"id": str(number), "createdDateTime": at, "messageType": "message", "from": sender}
        return json.dumps({"value": [message | {"channelIdentity": place, "body": {"content": "hi"}}]})

    for number in range(3):
        (tmp_path / f"messages{number}.json").write_text(page(number))
    assert "files_lost" not in warned(sna.read_forum(tmp_path))
    (tmp_path / "messages1.json").write_text(page(1)[:40])
    cut = sna.list_warnings(sna.read_forum(tmp_path)).filter(warning="files_lost")
    assert cut["says"].item().startswith("0 files damaged or cut off, 1 file with nothing readable")


def test_a_damaged_day_is_said(tmp_path):
    folder = write_slack(tmp_path, talk(20, n_replies=10))
    (folder / "help" / "2024-03-02.json").write_text('[{"type": "message", "ts": "17')
    says = dict(sna.list_warnings(sna.read_forum(folder)).select("warning", "says").rows())
    assert says["files_lost"].startswith("1 file damaged or cut off")


def test_a_table_of_which_nothing_is_known_is_not_assumed_to_know_all():
    forum = sna.read_table(pl.DataFrame({"who": list(PEOPLE)}), columns={"author": "who"})
    assert set(forum.source.capabilities.values()) == {"no"}
    assert set(sna.list_analyses(forum)["answerable"]) == {"no"}
    with pytest.raises(sna.NotAnswerableError, match="needs threads"):
        sna.list_waits(forum)
