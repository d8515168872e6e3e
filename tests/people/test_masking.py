"""Names are found in every spelling; ordinary words stay as they are."""

import unicodedata

import polars as pl
import pytest

import sna
from sna.people.masking import build_masker, plain
from sna.people.privacy import pseudonymise

PEOPLE = [
    ("Ann", "Smith"),
    ("J\u00f6rg", "M\u00fcller"),
    ("Zo\u00eb", "O\u2019Neill"),
    ("\u0141ukasz", "\u017b\u00f3\u0142kowski"),
    ("Jean-Luc", "Lef\u00e8vre"),
    ("\u0410\u043d\u043d\u0430", "\u0418\u0432\u0430\u043d\u043e\u0432\u0430"),
    ("\u039c\u03b1\u03c1\u03af\u03b1", "\u03a0\u03b1\u03c0\u03ac"),
    ("\u0130pek", "Y\u0131lmaz"),
    ("Maria", "de la Cruz"),
    ("\u0645\u062d\u0645\u062f", "\u0639\u0644\u064a"),
    ("\u05e8\u05d5\u05e0\u05d9\u05ea", "\u05db\u05d4\u05df"),
    ("\u0930\u093e\u0939\u0941\u0932", "\u0936\u0930\u094d\u092e\u093e"),
]
SPELLINGS = {
    "first last": "{f} {l}",
    "last first": "{l} {f}",
    "last, first": "{l}, {f}",
    "first only": "{f}",
    "last only": "{l}",
    "dotted": "{f}.{l}",
    "at handle": "@{f}.{l}",
    "underscore": "{f}_{l}",
    "no-break space": "{f}\u00a0{l}",
    "two spaces": "{f}  {l}",
    "possessive": "{f}'s",
    "brackets": "({f} {l})",
    "quoted": "\u201c{f}\u201d",
    "zero-width": "{f}\u200b {l}",
}
CASES = {"as is": str, "upper": str.upper, "lower": str.lower}
FORMS = ("NFC", "NFD", "NFKC")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
def test_names_are_found_in_every_script_order_case_and_normal_form(case, form):
    names = {f"{first} {last}": f"person-{i}" for i, (first, last) in enumerate(PEOPLE)}
    masker = build_masker(names)
    missed = []
    for i, (first, last) in enumerate(PEOPLE):
        for label, shape in SPELLINGS.items():
            spelt = unicodedata.normalize(form, CASES[case](shape.format(f=first, l=last)))
            masked = masker.mask(f"xx {spelt} yy")
            if f"person-{i}" not in masked or any(len(part) > 2 and part in _words(masked) for part in _parts(spelt)):
                missed.append((label, spelt, masked))
    total = len(PEOPLE) * len(SPELLINGS)
    assert len(missed) <= 0.01 * total, missed[:5]


def _parts(spelt):
    return {plain(part) for part in spelt.replace(".", " ").replace("_", " ").split() if part.isalpha()}


def _words(text):
    return {plain(word.strip("()\u201c\u201d,'@")) for word in text.split()}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("\u5c71\u7530 \u592a\u90ce", "\u4eca\u65e5\u306f\u5c71\u7530\u3055\u3093\u304c"),
        ("\u5f20\u4f1f", "\u8bf7\u95ee\u5f20\u4f1f\u5728\u5417"),
        ("\uae40\ubbfc\uc218", "\uae40\ubbfc\uc218\ub2d8\uaed8"),
        ("\u0e2a\u0e21\u0e0a\u0e32\u0e22", "\u0e04\u0e38\u0e13\u0e2a\u0e21\u0e0a\u0e32\u0e22\u0e04\u0e23\u0e31\u0e1a"),
    ],
)
def test_names_in_scripts_without_spaces_are_found_inside_running_text(name, text):
    assert "person-1" in build_masker({name: "person-1"}).mask(text)


ORDINARY = [
    "will it work, and who will mark it as done with grace? support will answer",
    "the will of the team; we mark support tickets and thank the support team for the grace period",
] * 5


@pytest.mark.parametrize(
    "text",
    [
        "Will this work?",
        "it will do",
        "Mark it as solved. Grace is needed",
        "How Will This Mark Be Removed",
        "fine-tune the quantum solution",
        "final support",
        "NOTHING WILL HELP",
    ],
)
def test_ordinary_words_that_are_names_too_stay(text):
    masker = build_masker(
        {"Will Brown": "p1", "Grace Hill": "p2", "Mark Stone": "p3"},
        handles={"quantum": "p4", "support": "p5", "al": "p6"},
        texts=[*ORDINARY, "quantum quantum states"],
    )
    assert masker.mask(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Thanks, Will!", "Thanks, p1!"),
        ("Will, could you look?", "p1, could you look?"),
        ("ask Will Brown or brown, will", "ask p1 or p1"),
        ("ping @quantum about quantum", "ping @p4 about quantum"),
        ("Brown knows; ask brown", "p1 knows; ask p1"),
    ],
)
def test_they_are_names_where_somebody_is_addressed(text, masked):
    masker = build_masker(
        {"Will Brown": "p1", "Mark Stone": "p3"}, handles={"quantum": "p4"}, texts=[*ORDINARY, "quantum quantum"]
    )
    assert masker.mask(text) == masked


def test_a_product_that_is_an_account_is_a_topic():
    texts = ["Acme is down again and Acme must be mended"] * 40
    assert build_masker({}, handles={"Acme": "p1"}, texts=texts).mask("Is Acme down?") == "Is Acme down?"


def test_addresses_of_strangers_leave_no_trace():
    assert build_masker({}).mask("write to jo.doe+x@mail.example.org.") == "write to [address]."


def test_pseudonymised_forums_mask_titles_spaces_groups_and_campaigns():
    people = pl.DataFrame({"person_id": ["u1"], "name": ["Ann Smith"]})
    posts = pl.DataFrame(
        {
            "post_id": ["1"],
            "thread_id": ["t"],
            "author_id": ["u1"],
            "title": ["ann SMITH asks"],
            "space": ["team-smith"],
        }
    )
    roles = pl.DataFrame({"person_id": ["u1"], "attribute": ["team"], "value": ["Team Smith"], "basis": ["snapshot"]})
    campaigns = pl.DataFrame({"campaign_id": ["c"], "name": ["Coffee with Ann"], "kind": ["leader"]})
    forum = sna.build_forum(people=people, posts=posts, roles=roles, campaigns=campaigns)
    shown = pseudonymise(forum, key=b"0123456789abcdef")
    new = shown.people["person_id"][0]
    assert shown.posts.select("title", "space").row(0) == (f"{new} asks", f"team-{new}")
    assert shown.roles["value"].to_list() == [f"Team {new}"]
    assert shown.campaigns["name"].to_list() == [f"Coffee with {new}"]
