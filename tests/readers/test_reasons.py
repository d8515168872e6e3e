"""Every reason in ``forum.issues`` is a word of one vocabulary, and every word of the vocabulary is used."""

import ast
from pathlib import Path

import sna
from sna.readers.reasons import REASONS, is_known_reason

PACKAGE = Path(sna.__file__).parent
SOURCES = [path for floor in ("formats", "readers", "people") for path in sorted((PACKAGE / floor).rglob("*.py"))]
SOURCES.remove(PACKAGE / "people" / "privacy.py")
AT = {"reject": (1, 0), "withhold": (1,), "reject_rows": (1,), "note": (0, 1), "drop": (1,), "make_issues": (1,)}
AT |= {"log": (2,), "list_problems": (0,), "_split": (3,), "_refused": (4,), "refuse": (0,)}
"""Where a call that logs an issue has its reason."""


def words(node):
    """The texts an expression can be; of a text with gaps what stands before the first gap."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [*words(node.body), *words(node.orelse)]
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return [node.values[0].value]
    return []


def written():
    """``(file, reason)`` of every call that logs an issue with a reason written there."""
    tables = set(sna.schema.TABLES)
    for path in (*SOURCES, PACKAGE / "admit.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "drop" and getattr(node.func.value, "id", "") != "table":
                continue
            given = [word for at in AT.get(name, ()) if at < len(node.args) for word in words(node.args[at])]
            given += [word for key in node.keywords if key.arg == "reason" for word in words(key.value)]
            yield from ((path.name, word) for word in given if word not in tables and " " not in word)


def test_every_reason_a_reader_writes_is_in_the_vocabulary():
    found = list(written())
    assert len(found) > 100
    assert [(file, word) for file, word in found if not is_known_reason(word)] == []


def test_the_vocabulary_holds_no_word_that_is_not_used():
    source = "\n".join(path.read_text() for path in SOURCES if path.name != "reasons.py")
    source += (PACKAGE / "admit.py").read_text()
    unused = [
        word for word in REASONS if not any(f"{quote}{word.removesuffix('*')}" in source for quote in ('"', "f'"))
    ]
    assert unused == []


def test_reasons_of_real_exports_are_in_the_vocabulary(shared):
    folders = ("slack", "msteams", "discourse", "mattermost", "stack_internal", "mailinglists", "github", "synthetic")
    for name in folders:
        reasons = sna.read_forum(shared / "fixtures" / name).issues["reason"].unique().to_list()
        assert [word for word in reasons if not is_known_reason(word)] == [], name


def test_the_page_of_readers_lists_the_vocabulary():
    page = (PACKAGE.parent / "docs" / "readers" / "platforms.md").read_text()
    assert [word for word in REASONS if f"| `{word}` |" not in page] == []
