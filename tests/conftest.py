"""Shared test data: the six-person forum whose answers are worked out on paper, and the folder of real exports."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import sna

START = datetime(2024, 1, 1, tzinfo=UTC)


def day(n: float) -> datetime:
    return START + timedelta(days=n)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real exports; tests that need it are skipped without it."""
    root = Path(os.environ.get("SNA_SHARED", Path(__file__).parents[1] / ".." / "shared")).resolve()
    if not (root / "fixtures").is_dir():
        pytest.skip("real exports not here: set SNA_SHARED to the folder that holds fixtures/ and data/")
    return root


@pytest.fixture(scope="session")
def six() -> sna.Forum:
    """Six people, three threads.

    ann (HR), bob (IT), cat (IT), dan (Sales, HR from day 10), eve (Sales, silent), bot (a bot).
    t1 in "help": ann asks (day 0); bob answers ann (1, accepted); ann thanks bob (1.5).
    t2 in "help": dan asks (2); bob answers dan (3); cat comments on bob's answer (4).
    t3 in "lounge": cat posts (11); dan replies to cat (12); bot replies to cat (12.5). Reply network, human:
    bob->ann, ann->bob, bob->dan, cat->bob, dan->cat; each weight 1.
    """
    posts = pl.DataFrame(
        [
            ("p1", "t1", None, "none", "ann", day(0), "help", "root"),
            ("p2", "t1", "p1", "explicit", "bob", day(1), "help", "answer"),
            ("p3", "t1", "p2", "explicit", "ann", day(1.5), "help", "comment"),
            ("p4", "t2", None, "none", "dan", day(2), "help", "root"),
            ("p5", "t2", "p4", "explicit", "bob", day(3), "help", "answer"),
            ("p6", "t2", "p5", "explicit", "cat", day(4), "help", "comment"),
            ("p7", "t3", None, "none", "cat", day(11), "lounge", "root"),
            ("p8", "t3", "p7", "explicit", "dan", day(12), "lounge", "reply"),
            ("p9", "t3", "p7", "explicit", "bot", day(12.5), "lounge", "reply"),
        ],
        schema=["post_id", "thread_id", "parent_id", "parent_basis", "author_id", "created_at", "space", "kind"],
        orient="row",
    )
    people = pl.DataFrame(
        {
            "person_id": ["ann", "bob", "cat", "dan", "eve", "bot"],
            "name": ["Ann", "Bob", "Cat", "Dan", "Eve", "Bot"],
            "kind": ["human"] * 5 + ["bot"],
        }
    )
    roles = pl.DataFrame(
        [
            ("ann", "role", "HR", None, None),
            ("bob", "role", "IT", None, None),
            ("cat", "role", "IT", None, None),
            ("dan", "role", "Sales", None, day(10)),
            ("dan", "role", "HR", day(10), None),
            ("eve", "role", "Sales", None, None),
        ],
        schema={
            "person_id": pl.String,
            "attribute": pl.String,
            "value": pl.String,
            "valid_from": pl.Datetime("us", "UTC"),
            "valid_to": pl.Datetime("us", "UTC"),
        },
        orient="row",
    ).with_columns(basis=pl.lit("effective_dated"))
    signals = pl.DataFrame(
        [("p2", "ann", "accept", day(1.6)), ("p5", "dan", "like", day(5)), ("p5", "cat", "like", day(5))],
        schema=["post_id", "person_id", "kind", "at"],
        orient="row",
    )
    capabilities = dict.fromkeys(sna.schema.CAPABILITIES, "yes")
    return sna.build_forum(
        posts=posts,
        people=people,
        roles=roles,
        signals=signals,
        source=sna.Source("six", capabilities=capabilities),
    )
