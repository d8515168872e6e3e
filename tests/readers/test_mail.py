"""Mailing lists: splitting, decoding, threading, people behind lists and disguises, hostile mails."""

import base64
import email
import gzip
import itertools
import json
import mailbox
import random
import re
import time
import zipfile
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

import sna
from sna.errors import SnaError
from sna.readers.mail.messages import decode, decode_words, mail_text, parse_mail
from sna.readers.mail.rewritten import find_authors, read_origin
from sna.readers.mail.senders import Sender, identify, is_automatic_reply, parse_sender
from sna.readers.mail.text import base_subject, own_words
from sna.readers.mail.threads import Letter, Place, thread_mails

DAY = datetime(2024, 3, 1, 9, tzinfo=UTC)


def mail(identifier, body="hello", *, day=0, sender="Ann <ann@example.org>", subject="VPN", separator=None, **headers):
    """One message as an mbox holds it; a header given as None is left out."""
    when = (DAY + timedelta(days=day)).strftime("%a, %d %b %Y %H:%M:%S +0000")
    fields = {
        "From": sender,
        "Date": when,
        "Subject": subject,
        "Message-ID": f"<{identifier}@x>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    start = separator or "From ann@example.org Fri Mar  1 09:00:00 2024"
    return "\n".join([start, *lines, "", body, "", ""])


def box(folder, *mails, name="list.mbox", encoding="utf-8"):
    folder.mkdir(exist_ok=True)
    data = "".join(mails)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode(encoding))
    return folder / name


def read(folder, *mails, **options):
    return sna.read_forum(box(folder, *mails, **options))


def parents(forum):
    rows = forum.posts.select("post_id", "parent_id", "parent_basis").iter_rows()
    return {post: (parent, basis) for post, parent, basis in rows}


# Splitting


def test_body_lines_that_begin_with_from_do_not_split(tmp_path):
    body = "look\nFrom the book\n\nFrom 10:30 on 4 May 2020 we meet\nand more\n\nFrom me 9:00 2020"
    forum = read(tmp_path, mail("1", body), mail("2"))
    assert forum.posts["post_id"].to_list() == ["1@x", "2@x"]
    assert "and more" in forum.posts["text"][0]
    with closing(mailbox.mbox(tmp_path / "list.mbox")) as with_stdlib:
        assert len(with_stdlib) == 5


def test_any_bytes_may_stand_in_the_separator(tmp_path):
    odd = mail("1", separator="From zo\u00eb at \u201cexample\u201d Mon Mar  4 09:00:00 2024 +0200")
    forum = read(tmp_path, odd, mail("2", separator="From 14663@xxx Thu Jan 12 10:08:24 +0000 2017"))
    assert forum.posts.height == 2


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [64, 500, 8 * 1024 * 1024])
def test_blocks_and_line_ends_do_not_matter(tmp_path, monkeypatch, end, block):
    monkeypatch.setattr("sna.readers.mail.messages._BLOCK", block)
    mails = [mail(str(i), "x" * (37 * i), day=i) for i in range(12)]
    path = box(tmp_path, *(m.replace("\n", end) for m in mails))
    path.write_bytes(b"\xef\xbb\xbf\n\n" + path.read_bytes())
    forum = sna.read_forum(path)
    assert [len(text) for text in forum.posts["text"]] == [37 * i for i in range(12)]


def test_escaped_from_lines_are_not_taken_for_quotes(tmp_path):
    assert read(tmp_path, mail("1", ">From here it works\n> quoted")).posts["text"].to_list() == ["From here it works"]


# Headers and bodies


def test_encoded_words_and_wrong_charsets():
    assert decode_words("=?utf-8?q?Gr=C3=BC=C3=9Fe?= =?iso-8859-1?b?5A==?=") == "Grüßeä"
    assert decode_words("=?x-unknown?q?a=FF?=") == "aÿ"
    assert decode_words("=?utf-8?b?!!!?=").isprintable()
    assert decode(b"\x80 5", "ascii") == "€ 5"
    assert decode(b"\xc3\xa4", "nonsense-7") == "ä"
    assert decode(b"abc", "base64") == "abc"


def mime(kind, *parts, boundary="b1"):
    pieces = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return parse_mail(
        f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\npreamble\n{pieces}--{boundary}--\n'.encode()
    )


def test_the_plain_alternative_is_read_and_attachments_are_not():
    html = "Content-Type: text/html; charset=utf-8\n\n<p>Hello <b>there</b></p>"
    plain = "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe"
    attached = "Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nATTACHED"
    packed = "Content-Transfer-Encoding: base64\n\n" + base64.b64encode("später".encode()).decode()
    assert mail_text(mime("alternative", plain, html)) == ("Grüße", None)
    assert mail_text(mime("alternative", html))[0] == "Hello there"
    assert mail_text(mime("mixed", plain, attached, packed))[0] == "Grüße\nspäter"
    assert mail_text(mime("mixed", "Content-Type: message/rfc822\n\nSubject: x\n\nFORWARDED"))[0] == ""


def nested(depth):
    text = "Content-Type: text/plain\n\ndeep"
    for i in range(depth):
        text = f'Content-Type: multipart/mixed; boundary="b{i}"\n\n--b{i}\n{text}\n--b{i}--'
    return parse_mail(text.encode())


def test_mime_bombs_are_cut_and_noted(tmp_path):
    assert mail_text(nested(15)) == ("deep", None)
    assert mail_text(nested(300)) == ("", "nested too deep")
    many = mime("mixed", *["Content-Type: text/plain\n\nx"] * 3000)
    text, trouble = mail_text(many)
    assert (text.count("x"), trouble) == (1000, "more than 1000 parts")
    body = "--b\n\nx\n" * 2000
    forum = read(tmp_path, mail("1", body, Content_Type="multipart/mixed; boundary=b"))
    assert forum.issues.filter(reason="mime_damaged")["detail"].to_list() == ["more than 1000 parts"]


@pytest.mark.parametrize(
    "body",
    [
        "On Mon\n" * 20_000,
        "On " + "a wrote " * 40_000,
        "From: x\n" * 20_000,
        "[" * 100_000,
        "> " * 100_000,
        "\n" * 200_000,
        "From: " + "a" * 1_000_000,
    ],
)
def test_hostile_bodies_are_read_in_no_time(body):
    start = time.process_time()
    own_words(body)
    base_subject(body)
    parse_sender(body)
    assert time.process_time() - start < 3


def test_own_words_only():
    text = """Hi Bob,

On Tue, Jun 22, 2021 at 10:00 PM Bob
<bob at example.org> wrote:

> why?
>> because

Try this.
[[alternative HTML version deleted]]
--
Ann, Ops"""
    assert own_words(text) == "Hi Bob,\n\nTry this."
    assert own_words("Yes.\n\n-----Original Message-----\nFrom: Bob\nno") == "Yes."
    assert own_words("Ja.\n\nVon: Bob\nGesendet: heute\nAn: Ann\nBetreff: x\n\nnein") == "Ja."
    assert own_words("a > b\nfine") == "a > b\nfine"
    assert own_words("Bob schrieb:\n> x\nGut.\n_______________________________\nfooter") == "Gut."


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("VPN", ("vpn", False)),
        ("Re: [ops] VPN", ("vpn", True)),
        ("[ops] AW: Re[2]: VPN", ("vpn", True)),
        ("Fwd: VPN", ("vpn", False)),
        ("[Fwd: Re: VPN]", ("vpn", True)),
        ("[ops]", ("[ops]", False)),
        ("R: a question", ("r: a question", False)),
        ("", ("", False)),
    ],
)
def test_base_subjects(subject, expected):
    assert base_subject(subject) == expected


def test_times_fall_back_when_the_clock_is_wrong(tmp_path):
    received = "from a by b; Sat, 02 Mar 2024 10:00:00 +0100"
    forum = read(
        tmp_path,
        mail("1", Date="Sat, 02 Mar 2030 10:00:00 +0000", Received=received),
        mail("2", Date="Thu, 01 Jan 1970 00:00:00 +0000", Received=received),
        mail("3", Date="nonsense", separator="From a@x Mon Mar  4 09:00:00 2024"),
        mail("4", Date=None, separator="From a@x Mon Mar  4 10:00 2024 ")[:-1] + "\n",
        mail("5", Date="Fri, 01 Mar 2024 09:00:00 -0000"),
    )
    times = dict(forum.posts.select("post_id", "created_at").iter_rows())
    assert times["1@x"] == times["2@x"] == datetime(2024, 3, 2, 9, tzinfo=UTC)
    assert times["3@x"] == datetime(2024, 3, 4, 9, tzinfo=UTC)
    assert times["4@x"] == datetime(2024, 3, 4, 10, tzinfo=UTC)
    assert times["5@x"] == datetime(2024, 3, 1, 9, tzinfo=UTC)
    repaired = Counter(forum.issues.filter(kind="repaired")["reason"])
    assert repaired == {"time_from_received": 2, "time_from_separator": 2}


# Threads


def test_replies_by_header_and_by_subject(tmp_path):
    forum = read(
        tmp_path,
        mail("1"),
        mail("2", day=1, subject="Re: VPN", In_Reply_To="Your message of Friday <1@x>"),
        mail("3", day=2, subject="Re: VPN", References="<1@x>\n <gone@x>"),
        mail("4", day=3, subject="AW: vpn"),
        mail("5", day=4, subject="VPN"),
        mail("6", day=5, subject="Re: never seen"),
        mail("7", day=6, subject="Re: x", In_Reply_To="<gone2@x>"),
        mail("8", day=7, subject="Re: x", In_Reply_To="<gone2@x>"),
    )
    assert parents(forum) == {
        "1@x": (None, "none"),
        "2@x": ("1@x", "header"),
        "3@x": ("1@x", "header"),
        "4@x": ("1@x", "subject"),
        "5@x": (None, "none"),
        "6@x": (None, "none"),
        "7@x": (None, "none"),
        "8@x": (None, "none"),
    }
    threads = dict(forum.posts.select("post_id", "thread_id").iter_rows())
    assert [threads[f"{i}@x"] for i in range(1, 9)] == ["1@x"] * 4 + ["5@x", "6@x", "7@x", "7@x"]
    kinds = dict(forum.posts.select("post_id", "kind").iter_rows())
    assert [kinds[f"{i}@x"] for i in (1, 5, 6, 7, 8)] == ["root", "root", "reply", "reply", "reply"]


def letter(key, *references, subject="", is_reply=False, day=0):
    return Letter(key, references, subject, is_reply, DAY + timedelta(days=day))


THREADS = {
    "self reference": ([letter("a", "a")], {"a": Place("a", None, "none")}),
    "circle": (
        [letter("a", "b"), letter("b", "a", day=1)],
        {"a": Place("b", "b", "header"), "b": Place("b", None, "none")},
    ),
    "its own word beats another's": (
        [letter("a"), letter("b"), letter("c", "a", day=1), letter("d", "b", "c", day=2)],
        {
            "a": Place("a", None, "none"),
            "b": Place("b", None, "none"),
            "c": Place("a", "a", "header"),
            "d": Place("a", "c", "header"),
        },
    ),
    "missing ones in between are passed over": (
        [letter("a"), letter("c", "a", "b", day=1), letter("d", "b", day=2)],
        {"a": Place("a", None, "none"), "c": Place("a", "a", "header"), "d": Place("a", "a", "header")},
    ),
    "equal subjects with headers stay apart": (
        [letter("a", subject="s"), letter("b", "a", subject="s", is_reply=True, day=1), letter("c", subject="s", day=2),
         letter("d", "c", subject="s", is_reply=True, day=3)],
        {
            "a": Place("a", None, "none"),
            "b": Place("a", "a", "header"),
            "c": Place("c", None, "none"),
            "d": Place("c", "c", "header"),
        },
    ),
    "an old subject is not revived": (
        [letter("a", subject="s"), letter("b", subject="s", is_reply=True, day=200)],
        {"a": Place("a", None, "none"), "b": Place("b", None, "none")},
    ),
    "a reply follows its parent into the merged thread": (
        [letter("a", subject="s"), letter("b", subject="s", is_reply=True, day=1), letter("c", "b", day=2)],
        {"a": Place("a", None, "none"), "b": Place("a", "a", "subject"), "c": Place("a", "b", "header")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", THREADS)
def test_threading_cases_in_every_order(case):
    letters, expected = THREADS[case]
    for order in itertools.permutations(letters):
        assert thread_mails(order) == expected


def test_an_answer_to_a_lost_mail_opens_a_thread_and_asks_nothing(tmp_path):
    """Its subject need not say "Re:": the headers do."""
    asking = "What should I check first?"
    mails = [mail("1", asking, subject="Gauge"), mail("2", asking, subject="Valve", References="<gone@x>")]
    mails.append(mail("3", asking, subject="Re: Seal"))
    forum = read(tmp_path, *mails)
    kinds = dict(forum.posts.select("post_id", "kind").iter_rows())
    assert kinds == {"1@x": "root", "2@x": "reply", "3@x": "reply"}
    assert forum.posts["thread_id"].n_unique() == 3
    assert sna.list_questions(forum)["post_id"].to_list() == ["1@x"]


def test_subject_merging_can_be_turned_off():
    letters = [letter("a", subject="s"), letter("b", subject="s", is_reply=True, day=1)]
    assert thread_mails(letters, merge_days=0)["b"] == Place("b", None, "none")


def test_long_chains_and_circles_cost_neither_stack_nor_time():
    n = 60_000
    start = time.process_time()
    places = thread_mails(letter(f"{i:06}", f"{(i + 1) % n:06}", day=0) for i in range(n))
    assert time.process_time() - start < 10
    assert sum(place.parent_id is None for place in places.values()) == 1
    assert len({place.thread_id for place in places.values()}) == 1


def test_random_references_never_make_a_circle():
    rng = random.Random(5)
    keys = [str(i) for i in range(60)]
    for _ in range(40):
        letters = [letter(k, *rng.sample(keys, rng.randint(0, 4)), day=rng.randint(0, 9)) for k in keys]
        places = thread_mails(letters)
        rng.shuffle(letters)
        assert thread_mails(letters) == places
        for key in keys:
            steps, at = 0, key
            while places[at].parent_id is not None:
                assert places[places[at].parent_id].thread_id == places[at].thread_id
                at, steps = places[at].parent_id, steps + 1
                assert steps <= len(keys)


# Ids and order


def test_duplicates_missing_ids_and_reused_ids(tmp_path):
    mails = [
        mail("1", "same"),
        mail("1", "same"),
        mail("1", "another text", day=1),
        mail("x", "no id", Message_ID=None),
        mail("x", "no id", Message_ID=None),
    ]
    first = read(tmp_path / "a", *mails)
    second = read(tmp_path / "b", *mails[::-1])
    assert first.posts.equals(second.posts)
    ids = first.posts["post_id"].to_list()
    assert "1@x" in ids
    assert sum(i.startswith("1@x#") for i in ids) == 1
    assert sum(i.startswith("sha256:") for i in ids) == 1
    assert Counter(first.issues["reason"]) == {"duplicate_id": 2, "missing_id": 2, "id_reused": 1}
    assert first.accounting().filter(table="posts").row(0) == ("posts", 5, 3, 2, 0, 0)


def test_order_of_mails_and_files_does_not_matter(tmp_path):
    mails = [mail(str(i), f"text {i}", day=i % 7, subject="Re: s", References=f"<{i // 2}@x>") for i in range(1, 40)]
    whole = read(tmp_path / "a", *mails)
    random.Random(2).shuffle(mails)
    box(tmp_path / "b", *mails[:15], name="1.mbox")
    box(tmp_path / "b", *mails[15:], name="2.mbox")
    split = sna.read_forum(tmp_path / "b")
    drop = ["space"]
    assert whole.posts.drop(drop).equals(split.posts.drop(drop))
    assert whole.people.equals(split.people)


# People


@pytest.mark.parametrize(
    ("value", "name", "address", "hidden"),
    [
        ("Ann <Ann@Example.org>", "Ann", "ann@example.org", False),
        ("=?utf-8?q?Zo=C3=AB?= <zoe@x.org>", "Zoë", "zoe@x.org", False),
        ("ann@example.org (Ann)", "Ann", "ann@example.org", False),
        ("ann at example.org (Ann (Ops))", "Ann (Ops)", "ann@example.org", False),
        ("@nn@b @end|ng |rom ex@mp|e@org (Ann B)", "Ann B", "@nn@b@ex@mp|e@org", True),
        ("@nn m@ili@g off ex@mple@org (Ann B)", "Ann B", "@nn@ex@mple@org", True),
        ('"B, Ann" <ann@x.org>', "B, Ann", "ann@x.org", False),
        ("Ann B", "Ann B", None, False),
        ("", None, None, False),
    ],
)
def test_senders_in_many_spellings(value, name, address, hidden):
    assert parse_sender(value) == Sender(name, address, hidden)


def test_disguised_addresses_are_one_person_only_with_the_same_name():
    clear = Sender("Ann B", "ann.b@sample.org")
    first = parse_sender("@nn@b @ending from @@mple@org (Ann B)")
    second = parse_sender("@nn@b @end|ng |rom @@mp|e@org (ann b)")
    other = parse_sender("@nn@b @end|ng |rom @@mp|e@org (Ben)")
    two = Sender("Ann B", "ann.b@sampie.org")
    ids = identify([clear, first, second, other])
    assert ids[clear] == ids[first] == ids[second] == "ann.b@sample.org"
    assert ids[other] not in (ids[clear], "")
    assert identify([clear, two, first])[first] not in ("ann.b@sample.org", "ann.b@sampie.org")


def test_lists_that_put_themselves_in_from_do_not_merge_people(tmp_path):
    shared = {"List_Id": "Ops list <ops.example.org>", "To": "ops@lists.example.org"}
    via = "{} via Ops <ops@lists.example.org>"
    forum = read(
        tmp_path,
        mail("1", sender=via.format("Ann"), Reply_To="Ann <ann@example.org>", **shared),
        mail("2", day=1, sender=via.format("'Bob'"), X_Original_From="Bob <bob@example.org>", **shared),
        mail("3", day=2, sender=via.format("Cat"), Cc="Dan <dan@example.org>", **shared),
        mail("4", day=3, sender=via.format("Cat"), Cc="Cat <cat@example.org>", **shared),
        mail("5", day=4, sender="Ann <ann@example.org>", Reply_To="ops@lists.example.org", **shared),
    )
    authors = forum.posts["author_id"].to_list()
    assert authors == ["ann@example.org", "bob@example.org", "name:cat", "cat@example.org", "ann@example.org"]
    assert forum.posts["space"].unique().to_list() == ["ops.example.org"]
    assert dict(forum.people.select("person_id", "name").iter_rows())["bob@example.org"] == "Bob"


def test_somebody_called_via_without_a_list_keeps_the_address():
    assert find_authors([read_origin({"from": "Ann via Ops <a@x.org>", "cc": "b@x.org"})])[0].address == "a@x.org"


def test_machines_are_bots_and_vacation_notes_are_withheld(tmp_path):
    forum = read(
        tmp_path,
        mail("1"),
        mail("2", day=1, Auto_Submitted="auto-replied"),
        mail("3", day=2, subject="Out of office: VPN"),
        mail("4", day=3, sender="Build <jenkins@example.org>"),
        mail("5", day=4, sender="Tracker <t@example.org>", Auto_Submitted="auto-generated"),
        mail("6", day=5, sender="Ann <ann@example.org>", Auto_Submitted="auto-generated"),
    )
    kinds = dict(forum.people.select("person_id", "kind").iter_rows())
    assert kinds == {"ann@example.org": "human", "jenkins@example.org": "bot", "t@example.org": "bot"}
    assert forum.issues.filter(reason="automatic_reply")["n"].to_list() == [2]
    assert forum.accounting().filter(table="posts").row(0) == ("posts", 6, 4, 0, 2, 0)
    assert not is_automatic_reply({"auto-submitted": "no"}, "Office hours")


# Containers


def test_a_vault_export_brings_memberships(tmp_path):
    members = "Member Email,Group Email,Join Time,Role\nAnn@example.org,ops@example.org,2023-01-01T00:00:00Z,OWNER\n"
    members += "eve@example.org,ops@example.org,,MEMBER\nbroken,,,\n"
    with zipfile.ZipFile(tmp_path / "vault.zip", "w") as archive:
        archive.writestr("export-1.mbox", mail("1", List_Id="<ops.example.org>"))
        archive.writestr("export-group-membership.csv", members)
        archive.writestr("export-metadata.xml", "<a/>")
    forum = sna.read_forum(tmp_path / "vault.zip")
    assert forum.memberships.select("person_id", "space", "valid_from").rows() == [
        ("ann@example.org", "ops.example.org", datetime(2023, 1, 1, tzinfo=UTC)),
        ("eve@example.org", "ops.example.org", None),
    ]
    assert forum.people["person_id"].to_list() == ["ann@example.org", "eve@example.org"]
    assert forum.people["placeholder"].any() is False
    assert forum.roles["value"].to_list() == ["owner", "member"]
    assert forum.supports("memberships") == "yes"
    assert forum.accounting().filter(table="memberships").row(0) == ("memberships", 3, 2, 1, 0, 0)


def test_packed_archives_text_archives_and_single_mails(tmp_path):
    (tmp_path / "e").mkdir()
    for name in ("2024-March.txt", "INBOX"):
        box(tmp_path / "e", mail(name, subject=f"[ops] {name}"), name=name)
    (tmp_path / "e" / "2024q1.mbox.gz").write_bytes(gzip.compress(mail("z", subject="[ops] z").encode()))
    (tmp_path / "e" / "one.eml").write_text(mail("e", subject="Re: [ops] z").split("\n", 1)[1], encoding="utf-8")
    (tmp_path / "e" / "notes.txt").write_text("From here to there\n", encoding="utf-8")
    forum = sna.read_forum(tmp_path / "e")
    assert sorted(forum.posts["post_id"]) == ["2024-March.txt@x", "INBOX@x", "e@x", "z@x"]
    assert forum.posts["space"].unique().to_list() == ["ops"]
    assert "notes.txt" not in forum.source.files


def test_text_that_is_no_mail_is_not_taken(tmp_path):
    (tmp_path / "a.txt").write_text("From Monday 10:00 2024\nno header here\n", encoding="utf-8")
    with pytest.raises(SnaError):
        sna.recognise(tmp_path / "a.txt")


# Real archives

FIXTURES = [
    "hyperkitty-hyperkitty_2016_april.mbox",
    "hyperkitty-hyperkitty_2016_march.mbox",
    "mbox-mbox_complex.mbox",
    "mbox-mbox_iso8859_encoding.mbox",
    "mbox-mbox_multipart.mbox",
    "mbox-mbox_no_fields.mbox",
    "mbox-mbox_single.mbox",
    "mbox-mbox_unixfrom_encoding.mbox",
    "mbox-mbox_unknown_encoding.mbox",
    "pipermail-pipermail_2015_november.mbox",
    "pipermail-pipermail_2016_april.mbox",
    "pipermail-pipermail_2016_march.mbox",
]


@pytest.mark.parametrize("name", FIXTURES)
def test_oracle_counts_of_the_mailbox_fixtures(shared, name):
    path = shared / "fixtures" / "mailinglists" / "perceval" / name
    oracle = json.loads((shared / "fixtures" / "ORACLES.json").read_text(encoding="utf-8"))[f"mbox/{name}"]
    forum = sna.read_forum(path)
    account = forum.accounting().filter(table="posts").row(0, named=True)
    assert account["read"] == oracle["n"] == account["used"] + account["rejected"]
    assert forum.issues.filter(reason="missing_id").height == oracle["noid"]
    if not oracle["stdlib_errors"]:
        with closing(mailbox.mbox(path)) as with_stdlib:
            letters = [email.message_from_bytes(m.as_bytes()) for m in with_stdlib]
        known = {m["Message-ID"] for m in letters}
        answers = sum(any(i in known for i in re.findall(r"<[^>\s]+>", m["References"] or "")) for m in letters)
        assert forum.posts.filter(parent_basis="header").height == answers
    text = "".join(forum.posts["text"].drop_nulls())
    assert "\x00" not in text


def test_oracle_count_of_a_groupsio_export(shared):
    folder = shared / "fixtures" / "mailinglists" / "perceval"
    forum = sna.read_forum(folder / "groupsio-messages.zip")
    oracle = json.loads((shared / "fixtures" / "ORACLES.json").read_text(encoding="utf-8"))["mbox/groupsio"]
    assert forum.posts.height == oracle["n"]
    assert forum.posts.filter(parent_basis="header").height == oracle["irt"] == 0
    assert not forum.posts["text"].str.contains("<br>").any()
    with pytest.raises(SnaError):
        sna.read_forum(folder / "groupsio-empty.zip")


@pytest.fixture(scope="module")
def development(shared):
    return sna.read_forum(shared / "data" / "r_package_devel" / "mbox")


def test_a_real_list_equals_its_archives_own_counts(development, shared):
    folder = shared / "data" / "r_package_devel"
    meta = json.loads(gzip.decompress((folder / "archive_meta.json.gz").read_bytes()))
    assert development.posts.height == meta["total_messages"] == 12_329
    assert development.posts["created_at"].min() == datetime.fromisoformat(meta["first_message"])
    assert development.posts["created_at"].max() == datetime.fromisoformat(meta["last_message"])
    people = json.loads(gzip.decompress((folder / "archive_contributors.json.gz").read_bytes()))
    named = development.posts.join(development.people, left_on="author_id", right_on="person_id")
    ours = Counter(named["name"])
    for person in people[:5]:
        assert ours[person["name"]] == person["messageCount"]


def test_the_standard_library_splits_at_body_lines_and_we_do_not(development, shared, tmp_path):
    false_starts, ids, n = 0, set(), 0
    for path in sorted((shared / "data" / "r_package_devel" / "mbox").iterdir()):
        data = gzip.decompress(path.read_bytes())
        starts = re.findall(rb"^From [^\n]*\n[^\n]*", data, re.MULTILINE)
        n += len(starts)
        false_starts += sum(re.match(rb"From .*\d{4}\s*\nFrom: ", start) is None for start in starts)
        ids |= set(re.findall(rb"^Message-ID: *<([^>]+)>", data, re.MULTILINE | re.IGNORECASE))
    assert n == 12_367
    account = development.accounting().filter(table="posts").row(0, named=True)
    assert account["read"] == n - false_starts
    assert account["rejected"] == account["read"] - 12_329
    assert set(development.issues["reason"]) == {"duplicate_id"}
    assert set(development.posts["post_id"]) <= {i.decode("latin-1") for i in ids}


def test_disguised_addresses_of_a_real_list_come_together(development):
    named = development.posts.join(development.people, left_on="author_id", right_on="person_id")
    most = named.group_by("name").len().sort("len", descending=True).head(3)["name"]
    for name in most:
        assert named.filter(name=name)["author_id"].n_unique() == 1
    assert development.posts.filter(parent_basis="header").height > 9_500
