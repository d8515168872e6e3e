"""Forums with known weeks, for the tests of this folder."""

import polars as pl

import sna
from tests.conftest import day


def forum_of(weeks, *, end=None, people=None, roster="yes"):
    """One post per person and week: ``{"ann": [0, 1, 3]}``."""
    rows = [
        (f"{name}-{week}", f"{name}-{week}", name, day(7 * week + 1), "root")
        for name, active in weeks.items()
        for week in active
    ]
    posts = pl.DataFrame(rows, schema=["post_id", "thread_id", "author_id", "created_at", "kind"], orient="row")
    source = sna.Source("test", capabilities={"roster": roster, "reply_parent": "yes"}, exported_at=end)
    return sna.build_forum(posts=posts, people=people, source=source)


def steady(values):
    """A forum in which ``values[w]`` people write in week ``w``; exported when the last week ends."""
    weeks = {f"p{i}": [w for w, n in enumerate(values) if i < n] for i in range(max(values))}
    return forum_of(weeks, end=day(7 * len(values)))
