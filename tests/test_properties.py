"""What must not change an answer: other ids, row order, a silent person more, a shift in time; inputs stay as given."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sna
from sna.schema import TABLES

IDS = ("post_id", "thread_id", "parent_id", "author_id", "person_id")

PEOPLE_MEASURES = {
    "pagerank": lambda forum: sna.pagerank(sna.build_network(forum)),
    "hits": lambda forum: sna.hits(sna.build_network(forum)),
    "betweenness": lambda forum: sna.betweenness(sna.build_network(forum), normalised=False),
    "constraint": lambda forum: sna.constraint(sna.build_network(forum)),
    "reach": lambda forum: sna.reach(sna.build_network(forum)),
    "strength": lambda forum: sna.strength(sna.build_network(forum)),
    "brokerage_roles": lambda forum: sna.brokerage_roles(forum, by="role"),
    "person_activity": lambda forum: sna.person_activity(forum).select(
        "person_id", "n_posts", "n_started", "n_days_active"
    ),
}
"""Measures of people: the same number for the same person, whatever the person is called."""

FORUM_MEASURES = {
    "ei_index": lambda forum: pl.DataFrame({"value": [sna.ei_index(forum)]}),
    "cross_role_share": lambda forum: pl.DataFrame({"value": [sna.cross_role_share(forum)]}),
    "assortativity": lambda forum: sna.assortativity(forum).to_frame(),
    "mixing_matrix": lambda forum: sna.mixing_matrix(sna.build_network(forum), null="label permutation"),
    "weekly_momentum": lambda forum: sna.weekly_momentum(forum).drop("week"),
    "time_to_answer": lambda forum: sna.time_to_answer(forum),
    "roles_per_thread": lambda forum: sna.roles_per_thread(forum),
    "list_waits": lambda forum: sna.list_waits(forum).select("wait_hours").sort("wait_hours"),
}
"""Measures of the whole forum: no id is in them."""


def with_tables(forum, change):
    """The forum with every table changed; ``change`` gets its name and the frame."""
    return sna.build_forum(**{name: change(name, getattr(forum, name)) for name in TABLES}, source=forum.source)


def renamed(forum, word):
    """All ids under other names in another order of the alphabet."""

    def rename(_, frame):
        columns = [name for name in IDS if name in frame.columns]
        return frame.with_columns((pl.lit(word) + pl.col(name).str.reverse()).alias(name) for name in columns)

    return with_tables(forum, rename)


def shuffled(forum, seed):
    return with_tables(forum, lambda _, frame: frame.sample(fraction=1, shuffle=True, seed=seed))


def shifted(forum, weeks):
    def shift(_, frame):
        times = [name for name, dtype in frame.schema.items() if dtype == pl.Datetime("us", "UTC")]
        return frame.with_columns(pl.col(name) + timedelta(weeks=weeks) for name in times)

    exported_at = forum.source.exported_at
    later = replace(forum.source, exported_at=exported_at and exported_at + timedelta(weeks=weeks))
    return replace(with_tables(forum, shift), source=later)


@pytest.fixture(scope="module")
def small():
    return sna.make_forum(n_people=24, n_threads=40, n_weeks=12, rng=4).forum


def same(one, two):
    """Equal frames, floats up to the last digits."""
    assert one.columns == two.columns
    assert one.height == two.height
    for name in one.columns:
        left, right = one[name], two[name]
        assert left.is_null().to_list() == right.is_null().to_list(), name
        if left.dtype.is_float():
            near = pytest.approx(right.fill_null(0).to_list(), rel=1e-9, abs=1e-12, nan_ok=True)
            assert left.fill_null(0).to_list() == near, name
        else:
            assert left.to_list() == right.to_list(), name


few = settings(
    max_examples=2, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("name", PEOPLE_MEASURES)
@given(word=st.sampled_from(["z", "0", "Person "]), seed=st.integers(0, 99))
@few
def test_people_measures_follow_the_person_not_the_id(small, name, word, seed):
    before = PEOPLE_MEASURES[name](small)
    back = pl.col("person_id").str.strip_prefix(word).str.reverse()
    after = PEOPLE_MEASURES[name](shuffled(renamed(small, word), seed)).with_columns(back).sort("person_id")
    same(before.sort("person_id"), after)


@pytest.mark.parametrize("name", FORUM_MEASURES)
@given(word=st.sampled_from(["z", "0", "Person "]), seed=st.integers(0, 99), weeks=st.integers(-300, 300))
@few
def test_forum_measures_know_no_ids_no_row_order_and_no_era(small, name, word, seed, weeks):
    same(FORUM_MEASURES[name](small), FORUM_MEASURES[name](shifted(shuffled(renamed(small, word), seed), weeks)))


@pytest.mark.parametrize("name", [*PEOPLE_MEASURES, "ei_index", "cross_role_share", "assortativity", "list_waits"])
def test_one_more_silent_person_is_listed_and_changes_nobody_elses_answer(small, name):
    silent = small.people.head(1).with_columns(person_id=pl.lit("silent"), name=pl.lit("Silent"))
    more = with_tables(small, lambda table, frame: pl.concat([frame, silent]) if table == "people" else frame)
    measure = (PEOPLE_MEASURES | FORUM_MEASURES)[name]
    before, after = measure(small), measure(more)
    if "person_id" in after.columns:
        assert after.filter(person_id="silent").height == 1
        after = after.filter(pl.col("person_id") != "silent")
    if name == "pagerank":  # the scores of all people sum to one, the silent person's included: ratios stay
        before, after = (frame.with_columns(pl.col(name) / pl.col(name).sum()) for frame in (before, after))
    same(before, after)


@pytest.mark.parametrize("name", [*PEOPLE_MEASURES, *FORUM_MEASURES])
def test_nothing_changes_its_input(small, name):
    before = {table: getattr(small, table).clone() for table in TABLES}
    (PEOPLE_MEASURES | FORUM_MEASURES)[name](small)
    assert all(getattr(small, table).equals(frame) for table, frame in before.items())
