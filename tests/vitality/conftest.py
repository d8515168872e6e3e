"""A forum of four questions whose waits are worked out on paper."""

import polars as pl
import pytest

import sna
from tests.conftest import day

CAPABLE = sna.Source("test", capabilities={"threads": "yes", "exact_times": "yes"}, exported_at=day(20))


def asking_forum(rows, **tables):
    columns = ["post_id", "thread_id", "author_id", "created_at", "kind"]
    posts = pl.DataFrame(rows, schema=columns, orient="row")
    return sna.build_forum(posts=posts, source=CAPABLE, **tables)


@pytest.fixture
def four():
    """a: answered after 2 days. b: the asker's own answer, then another's after 5. c: open for 10 days. d: bot only."""
    rows = [
        ("1", "a", "ann", day(0), "root"),
        ("2", "a", "bob", day(2), "answer"),
        ("3", "b", "bob", day(1), "root"),
        ("4", "b", "bob", day(2), "answer"),
        ("5", "b", "cat", day(3), "comment"),
        ("6", "b", None, day(6), "answer"),
        ("7", "c", "cat", day(10), "root"),
        ("8", "d", "ann", day(12), "root"),
        ("9", "d", "bot", day(12.01), "answer"),
        ("0", "e", "bot", day(13), "root"),
    ]
    people = pl.DataFrame({"person_id": ["ann", "bob", "cat", "bot"], "kind": ["human"] * 3 + ["bot"]})
    roles = pl.DataFrame({"person_id": ["ann", "bob"], "attribute": ["role"] * 2, "value": ["HR", "IT"]})
    return asking_forum(rows, people=people, roles=roles)
