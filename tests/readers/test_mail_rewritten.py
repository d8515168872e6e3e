"""Lists that put themselves into From: the author is the person, whatever the software, and the list is nobody."""

import pytest

from sna.readers.mail.rewritten import find_authors, read_origin
from sna.readers.mail.senders import Sender, identify
from tests.readers.test_mail import mail, read

PEOPLE = {"Ann Bell": "ann@example.org", "Bob Cole": "bob@sample.net", "Zoë Ødegård": "zoe@else.no"}
LIST = "ops@lists.example.com"


def authors(*headers):
    senders = find_authors([read_origin({name.lower(): value for name, value in head.items()}) for head in headers])
    ids = identify(senders)
    return [ids[sender] for sender in senders]


NAMES = [f"name:{name.casefold()}" for name in PEOPLE]
ADDRESSES = list(PEOPLE.values())
SHAPES = {
    # software: From for a name and an address, other headers, what is known of the authors afterwards
    "mailman 2, pipermail": ("ops at lists.example.com ({name} via Ops)", {}, NAMES),
    "mailman 2, reply-to": ('"{name} via Ops" <{list}>', {"Reply-To": "{name} <{address}>"}, ADDRESSES),
    "mailman 2, list first": ("{name} via Ops <{list}>", {"Reply-To": "{list}, {name} <{address}>"}, ADDRESSES),
    "mailman 3": ("{name} via Ops <{list}>", {"Reply-To": "{list}", "Cc": "{name} <{address}>, e@x.org"}, ADDRESSES),
    "google groups": ("'{name}' via Team of operations <{list}>", {"X-Original-From": "{name} <{address}>"}, ADDRESSES),
    "google groups, sender only": ("'{name}' via Operations <{list}>", {"X-Original-Sender": "{address}"}, ADDRESSES),
    "sympa, name via list": ('"{name} via ops Mailing List" <{list}>', {}, NAMES),
    "sympa, name and address": ('"{name} ({address} via ops Mailing List)" <{list}>', {}, ADDRESSES),
    "sympa, in brackets": ('"{name} (via ops Mailing List)" <{list}>', {}, NAMES),
    "sympa, name only": ('"{name}" <{list}>', {"To": "{list}"}, NAMES),
    "list before the name": ('"ops list for {name}" <{list}>', {"To": "{list}"}, NAMES),
    "an unknown language": ('"{name} välityksellä ops" <{list}>', {}, NAMES),
    "japanese": ('"{name} (ops 経由)" <{list}>', {}, NAMES),
    "german": ('"{name} über Ops" <{list}>', {}, NAMES),
    "groups.io": ("{name} via groups.io <{coded}@groups.io>", {}, ADDRESSES),
    "ietf": ("{name} <{coded40}@dmarc.ietf.org>", {}, ADDRESSES),
    "rfc 9057": ("{name} via Ops <{list}>", {"Author": "{name} <{address}>"}, ADDRESSES),
    "list-post and a bare name": ("{name} <{list}>", {"List-Post": "<mailto:{list}>"}, NAMES),
    "list-id and a bare name": ("{name} <{list}>", {"List-Id": "Ops <ops.lists.example.com>"}, NAMES),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_author_behind_a_rewritten_from(shape):
    form, others, expected = SHAPES[shape]
    heads = []
    for name, address in PEOPLE.items():
        facts = {"name": name, "address": address, "list": LIST}
        facts |= {"coded": address.replace("@", "="), "coded40": address.replace("@", "=40")}
        heads.append({key: value.format(**facts) for key, value in {"From": form, **others}.items()})
    assert authors(*heads) == expected
    assert authors(*heads[::-1]) == expected[::-1]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_archive_of_rewritten_mails_names_the_same_authors(tmp_path, shape):
    form, others, expected = SHAPES[shape]
    mails = []
    for day, (name, address) in enumerate(PEOPLE.items()):
        facts = {"name": name, "address": address, "list": LIST}
        facts |= {"coded": address.replace("@", "="), "coded40": address.replace("@", "=40")}
        headers = {key.replace("-", "_"): value.format(**facts) for key, value in others.items()}
        mails.append(mail(str(day), day=day, sender=form.format(**facts), **headers))
    assert read(tmp_path, *mails).posts["author_id"].to_list() == expected


def test_encoded_names_are_decoded_before_they_are_looked_at():
    heads = [
        {"From": "=?utf-8?q?Zo=C3=AB_=C3=98_via_Ops?= <ops@lists.example.com>"},
        {"From": "=?utf-8?b?QW5uIELDtg==?= via Ops <ops@lists.example.com>"},
    ]
    assert authors(*heads) == ["name:zoë ø", "name:ann bö"]


def test_a_person_known_by_name_only_is_the_one_person_of_that_name():
    via = {"From": "Ann Bell via Ops <ops@lists.example.com>"}
    known = {"From": "ann at example.org (Ann Bell)"}
    other = {"From": "Ann Bell <ann@else.example>"}
    assert authors(via, known) == ["ann@example.org"] * 2
    assert authors(via, known, other)[0] == "name:ann bell"
    assert authors({"From": "Ann via Ops <ops@lists.example.com>"}, {"From": "Ann <ann@x.org>"})[0] == "name:ann"


def test_the_list_itself_is_nobody():
    heads = [{"From": f"{name} via Ops <{LIST}>"} for name in PEOPLE]
    assert authors(*heads, {"From": LIST}, {"From": f"Ops <{LIST}>"})[-2:] == ["", ""]


TWO = {
    "a surname in common, via": ("{} via Ops", {}),
    "an unknown language": ("{} listan ops kautta", {}),
    "the list first": ("ops on behalf of {}", {}),
    "bare, to the list": ("{}", {"To": LIST}),
}


@pytest.mark.parametrize("shape", TWO)
def test_two_people_behind_a_list_are_enough(shape):
    form, others = TWO[shape]
    heads = [{"From": f'"{form.format(name)}" <{LIST}>', **others} for name in ("Dan Park", "Zoë Klein")]
    assert authors(*heads) == ["name:dan park", "name:zoë klein"]


def test_people_known_elsewhere_under_addresses_of_their_own_show_that_an_address_is_lent():
    names = {"Gus Miller": "gus@x.org", "Eva Stone": "eva@x.org"}
    own = [{"From": f"{name} <{address}>"} for name, address in names.items()]
    lent = [{"From": f"{name} <{LIST}>"} for name in names]
    assert authors(*own, *lent) == [*names.values(), *names.values()]
    assert authors(*lent) == [LIST, LIST]


PERSONAL = {
    "spellings of one name": ["Ann Bell", "Bell, Ann", "Ann B", "ann", "Dr. Ann Bell-Cole"],
    "two names": ["Ann Bell", "A. Miller"],
    "three names with their house in common": ["Ann Smith Jones", "A. Smith Jones", "Annie Smith Jones"],
}


@pytest.mark.parametrize("case", PERSONAL)
def test_a_person_with_several_names_stays_one(case):
    heads = [{"From": f'"{name}" <ann.jones@example.org>', "To": LIST} for name in PERSONAL[case]]
    assert set(authors(*heads)) == {"ann.jones@example.org"}


def test_spellings_of_one_name_under_several_addresses_lend_nothing():
    plain = [{"From": f"ann.c.bell at example.org ({name})"} for name in ("Ann Bell", "Ann C Bell")]
    hidden = [{"From": "@nn@c@be|| @end|ng |rom ex@mp|e@org (Ann Bell)"}, {"From": "Ann C Bell <ann@home.org>"}]
    hidden += [{"From": "Ann Bell <bell@work.org>"}]
    assert authors(*plain, *hidden)[:2] == ["ann.c.bell@example.org"] * 2


def test_a_list_without_any_list_header_does_not_become_the_most_active_person(tmp_path):
    rewritten = "{} via Ops-talk <ops-talk@lists.example.com>"
    mails = [mail(str(i), day=i, sender=rewritten.format(name)) for i, name in enumerate(PEOPLE) for _ in range(2)]
    mails += [mail("own", day=9, sender="Ann Bell <ann@example.org>")]
    forum = read(tmp_path, *mails)
    assert sorted(forum.people["person_id"]) == ["ann@example.org", "name:bob cole", "name:zoë ødegård"]
    assert "ops-talk@lists.example.com" not in forum.posts["author_id"].to_list()
    assert set(forum.people["kind"]) == {"human"}


def test_copies_of_one_mail_with_two_froms_are_one_post_by_the_person(tmp_path):
    copies = [mail("1", sender=f"Ann Bell via Ops <{LIST}>"), mail("1", sender="Ann Bell <ann@example.org>")]
    for order, folder in ((copies, "a"), (copies[::-1], "b")):
        forum = read(tmp_path / folder, *order, mail("2", day=1, sender=f"Bob Cole via Ops <{LIST}>"))
        assert forum.posts["author_id"].to_list() == ["ann@example.org", "name:bob cole"]
        assert forum.issues["reason"].to_list() == ["duplicate_id"]


def test_of_two_copies_the_one_with_an_address_names_the_author(tmp_path):
    copies = [mail("1", sender=f"Zoe via Ops <{LIST}>"), mail("1", sender="Zoe <zoe@example.org>")]
    for order, folder in ((copies, "a"), (copies[::-1], "b")):
        assert read(tmp_path / folder, *order).posts["author_id"].to_list() == ["zoe@example.org"]


def test_two_authors_under_one_message_id_cost_one_copy_and_not_the_list(tmp_path):
    for order in (("ann@x.org", "bob@x.org"), ("bob@x.org", "ann@x.org")):
        forum = read(tmp_path / order[0], *(mail("1", sender=sender) for sender in order), mail("2", day=1))
        assert forum.posts["author_id"].to_list()[0] == "ann@x.org"
        assert forum.accounting().filter(table="posts").row(0) == ("posts", 3, 2, 1, 0, 0)


def test_a_reply_to_a_colleague_does_not_change_the_author():
    head = {"From": "Ann <ann@x.org>", "To": "ops@x.org", "Cc": "ann@x.org", "List-Id": "<ops.x.org>"}
    assert authors({**head, "Reply-To": "Bob <bob@x.org>"}) == ["ann@x.org"]


def test_a_from_nested_beyond_reason_costs_its_author_only(tmp_path):
    forum = read(tmp_path, mail("1", sender="(" * 5000), mail("2", day=1))
    assert forum.posts.height == 2
    assert forum.posts["author_id"].to_list()[1] == "ann@example.org"
    assert find_authors([read_origin({"from": "(" * 1500 + "a@x.org"})])[0] == Sender(None, "a@x.org")
