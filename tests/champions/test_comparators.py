"""Comparators with answers worked out on paper on the six-person forum, and on a source without threads."""

import dataclasses
from datetime import timedelta

import polars as pl
import pytest

import sna
from sna.champions.chances import chance_error, count_chances, list_opportunities
from sna.champions.comparators import COMPARATORS
from sna.champions.facets import _cross_chance, build_facets
from sna.champions.helps import build_helping
from tests.conftest import day

# bob answers ann (t1, accepted) and dan (t2), each as the only one; answers are marked, so t3's reply is none.
ON_PAPER = {
    "raw_posts": {"ann": 2, "bob": 2, "cat": 2, "dan": 2, "eve": 0},
    "raw_answers": {"ann": 0, "bob": 2, "cat": 0, "dan": 0, "eve": 0},
    "people_reached": {"ann": 0, "bob": 2, "cat": 0, "dan": 0, "eve": 0},
    "in_degree": {"ann": 1, "bob": 2, "cat": 1, "dan": 1, "eve": 0},
    "z_score": {"ann": -1, "bob": 2**0.5, "cat": -1, "dan": -1, "eve": 0},
    "acceptance_ratio": {"ann": 0, "bob": 0.5, "cat": 0, "dan": 0, "eve": 0},
    "bus_factor": {"ann": 0, "bob": 2, "cat": 0, "dan": 0, "eve": 0},
}


@pytest.mark.parametrize("name", ON_PAPER)
def test_scores_on_paper(six, name):
    found = dict(COMPARATORS[name](six).rows())
    assert found == pytest.approx(ON_PAPER[name])


def test_networks_put_the_answerer_first(six):
    for name in ("expertise_rank", "hits_authority"):
        table = COMPARATORS[name](six).sort("score", descending=True)
        assert table["person_id"][0] == "bob"
    # PageRank of asker -> answerer with damping 0.85: bob gets everything ann and dan pass on.
    ranks = dict(COMPARATORS["expertise_rank"](six).rows())
    base = ranks["eve"]
    assert ranks["bob"] == pytest.approx(base + 0.85 * 2 * base)


@pytest.mark.parametrize("name", COMPARATORS)
def test_a_window_leaves_out_what_lies_outside(six, name):
    late = COMPARATORS[name](six, since=day(20))
    assert late["person_id"].to_list() == ["ann", "bob", "cat", "dan", "eve"]
    assert late["score"].n_unique() == 1


@pytest.mark.parametrize("name", COMPARATORS)
def test_bots_and_those_who_opted_out_have_no_score(six, name):
    people = six.people.with_columns(opt_out=pl.col("person_id") == "bob")
    found = COMPARATORS[name](dataclasses.replace(six, people=people))
    assert found["person_id"].to_list() == ["ann", "cat", "dan", "eve"]


@pytest.fixture(scope="module")
def stream():
    table = pl.DataFrame(
        [("a", "b", "2024-01-01"), ("a", "c", "2024-01-02"), ("c", "b", "2024-01-08"), ("a", "b", "2024-01-03")],
        schema=["from", "to", "time"],
        orient="row",
    )
    return sna.read_edges(table, source="from", target="to", at="time")


def test_a_stream_without_threads_counts_weekly_contacts(stream):
    helping = build_helping(stream)
    assert helping.basis == "weekly contacts"
    assert helping.helps.select("person_id", "asker_id", "n_posts").sort("person_id", "asker_id").rows() == [
        ("a", "b", 2),
        ("a", "c", 1),
        ("c", "b", 1),
    ]
    assert dict(COMPARATORS["raw_answers"](stream).rows()) == {"a": 3.0, "b": 0.0, "c": 1.0}
    assert dict(COMPARATORS["in_degree"](stream).rows()) == {"a": 0.0, "b": 2.0, "c": 1.0}


def test_champions_and_ensemble_work_on_a_stream(stream):
    found = sna.find_champions(stream)
    assert found.height == 3
    assert not found["selected"].any()
    assert "catalysis: the source has no threads" in found["not_measured"][0]
    assert sna.ensemble_score(stream)["person_id"][2] == "b"  # who never acted is last


def test_chances_count_threads_of_others_while_there(six):
    helping = build_helping(six)
    chances = dict(count_chances(six, helping, opportunity="all", hours=False).select("person_id", "n_chances").rows())
    # t1 (ann, day 0), t2 (dan, day 2), t3 (cat, day 11); bob is first seen on day 1, cat on 4, dan on 2.
    assert chances == {"ann": 1.0, "bob": 1.0, "cat": 0.0, "dan": 1.0, "eve": 0.0}


def test_memberships_and_views_are_chances_where_they_are_known(six):
    inside = pl.DataFrame(
        {"person_id": ["eve", "eve"], "space": ["help", "help"], "valid_from": [day(0), day(1)]},
    ).with_columns(valid_to=pl.lit(None, pl.Datetime("us", "UTC")))
    people = six.people.with_columns(joined_at=pl.lit(day(0)))
    forum = dataclasses.replace(six, memberships=sna.admit.conform(inside, sna.schema.MEMBERSHIPS), people=people)
    assert list_opportunities(forum)[0] == "memberships"
    helping = build_helping(forum)
    assert dict(count_chances(forum, helping).select("person_id", "n_chances").rows())["eve"] == 2.0
    views = pl.DataFrame({"person_id": ["eve"], "kind": ["view"], "at": [day(3)], "n": [7]})
    forum = dataclasses.replace(forum, events=sna.admit.conform(views, sna.schema.EVENTS))
    assert list_opportunities(forum)[0] == "reads"
    assert dict(count_chances(forum, helping).select("person_id", "n_chances").rows())["eve"] == 7.0
    with pytest.raises(sna.SnaError, match="recorded per person"):
        count_chances(six, build_helping(six), opportunity="reads")


def build(posts, **tables):
    names = ["post_id", "thread_id", "parent_id", "author_id", "created_at", "space", "kind"]
    return sna.build_forum(posts=pl.DataFrame(posts, schema=names, orient="row"), **tables)


def test_the_act_by_which_somebody_enters_is_no_help_against_chances():
    posts = [
        ("1", "1", None, "ann", day(0), "a", "root"),
        ("2", "1", "1", "bob", day(1), "a", "reply"),  # bob is first seen by this help
        ("3", "3", None, "ann", day(2), "a", "root"),
        ("4", "3", "3", "bob", day(3), "a", "reply"),
    ]
    forum = build(posts)
    row = build_facets(forum, build_helping(forum)).people.filter(person_id="bob")
    assert row.select("n_helps", "n_counted").row(0) == (2, 1)


def test_likes_of_oneself_are_no_recognition():
    posts = [("1", "1", None, "ann", day(0), "a", "root"), ("2", "1", "1", "bob", day(1), "a", "reply")]
    signals = pl.DataFrame(
        {"post_id": ["2"] * 3, "person_id": ["bob", "ann", None], "kind": ["like", "like", "emoji:tada"]}
    )
    helps = build_helping(build(posts, signals=signals)).helps
    assert helps["n_likes"].to_list() == [2]
    assert helps["n_thanks"].to_list() == [0]


def test_own_threads_are_no_chance_to_bridge():
    """Bob (IT) could help ann (Sales) or cat (IT): the chance that a help of his crosses is 1 in 2, not 1 in 4."""
    posts = [(f"b{i}", f"b{i}", None, "bob", day(0), "a", "root") for i in range(2)]
    posts += [("1", "1", None, "ann", day(1), "a", "root"), ("2", "2", None, "cat", day(1), "a", "root")]
    posts += [("3", "1", "1", "bob", day(2), "a", "reply")]
    roles = pl.DataFrame(
        {"person_id": ["ann", "bob", "cat"], "attribute": ["role"] * 3, "value": ["Sales", "IT", "IT"]}
    )
    forum = build(posts, roles=roles)
    helping = build_helping(forum)
    acts = helping.helps.with_columns(own=pl.lit("IT"))
    assert _cross_chance(forum, helping, acts, "role").to_list() == [0.5]


def test_hours_at_which_nobody_answers_are_no_chance():
    """Ten people ask and answer at noon; one is there at midnight only: most threads are no chance for them."""
    posts = []
    for t in range(60):
        at = day(t) + timedelta(hours=12)
        posts.append((f"t{t}", f"t{t}", None, f"q{t % 10}", at, "a", "root"))
        posts.append((f"a{t}", f"t{t}", f"t{t}", f"h{t % 10}", at + timedelta(minutes=30), "a", "reply"))
        posts.append((f"n{t}", f"n{t}", None, "night", day(t), "a", "root"))
    forum = build(posts)
    helping = build_helping(forum)
    counted = count_chances(forum, helping, opportunity="all")
    night, noon = (counted.filter(person_id=name).row(0, named=True) for name in ("night", "h5"))
    assert night["hours_share"] < 0.4
    assert noon["hours_share"] > 0.7
    whole = count_chances(forum, helping, opportunity="all", hours=False).filter(person_id="night")
    assert whole["n_chances"].item() == 60


def test_the_error_of_chances_shows_where_weeks_differ():
    """The same helps, every week or only in every second one."""

    def forum(every):
        posts = []
        for t in range(400):
            at = day(t / 2)
            posts.append((f"t{t}", f"t{t}", None, f"q{t % 10}", at, "a", "root"))
            if (at.toordinal() - 719163) // 7 % every == 0:
                posts.append((f"a{t}", f"t{t}", f"t{t}", f"h{t % 5}", at + timedelta(minutes=30), "a", "reply"))
        return build(posts)

    errors = []
    for every in (1, 2):
        made = forum(every)
        helping = build_helping(made)
        errors.append(chance_error(helping, count_chances(made, helping, opportunity="all", hours=False)))
    assert errors[0] < 0.1
    assert errors[1] > 0.7
