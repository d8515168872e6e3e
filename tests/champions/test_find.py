"""Champions on planted counts, on the six-person forum, and on forums that lack what a facet needs."""

import dataclasses
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

import sna
from sna.champions.chances import count_chances
from sna.champions.facets import FACETS
from sna.champions.find import CHAMPION_COLUMNS
from sna.champions.helps import build_helping
from tests.conftest import START, day


def make_posts(*, rates, n_threads=400, seed=0, spaces=("a", "b"), accept=True):
    """Threads asked in turn by 20 askers; person i answers each with probability rates[i]."""
    rng = np.random.default_rng(seed)
    posts, signals = [], []
    for t in range(n_threads):
        at = START + timedelta(hours=6 * t)
        asker, space = f"q{t % 20:02d}", spaces[t % len(spaces)]
        posts.append((f"t{t:04d}", f"t{t:04d}", None, asker, at, space, "root"))
        for i in np.flatnonzero(rng.random(len(rates)) < rates).tolist():
            name = f"t{t:04d}a{i:02d}"
            posts.append((name, f"t{t:04d}", f"t{t:04d}", f"h{i:02d}", at + timedelta(minutes=10 + i), space, "reply"))
            if accept and rng.random() < 0.3:
                signals.append((name, asker, "accept", at + timedelta(hours=5)))
    names = ["post_id", "thread_id", "parent_id", "author_id", "created_at", "space", "kind"]
    return (
        pl.DataFrame(posts, schema=names, orient="row"),
        pl.DataFrame(signals, schema=["post_id", "person_id", "kind", "at"], orient="row") if signals else None,
    )


EXACT = 0.1
"""Chances are known well in the forums made here: everybody could see every thread."""
RATES = np.array([0.24, 0.24] + [0.03] * 28)


@pytest.fixture(scope="module")
def planted():
    posts, signals = make_posts(rates=RATES)
    people = pl.DataFrame({"person_id": [f"h{i:02d}" for i in range(30)]}).with_columns(
        joined_at=pl.lit(START - timedelta(days=30))
    )
    askers = pl.DataFrame({"person_id": [f"q{i:02d}" for i in range(20)] + ["silent"]}).with_columns(
        joined_at=pl.lit(START - timedelta(days=30))
    )
    roles = pl.concat([people, askers]).select(
        "person_id",
        attribute=pl.lit("role"),
        value=pl.when(pl.col("person_id").str.starts_with("h")).then(pl.lit("IT")).otherwise(pl.lit("Sales")),
    )
    return sna.build_forum(posts=posts, signals=signals, people=pl.concat([people, askers]), roles=roles)


def test_planted_champions_are_selected_and_certainly_on_top(planted):
    found = sna.find_champions(planted, top=2, opportunity_error=EXACT)
    assert tuple(found.columns) == CHAMPION_COLUMNS
    assert set(found.filter("selected")["person_id"]) == {"h00", "h01"}
    assert set(found.filter("certainly_top")["person_id"]) == {"h00", "h01"}
    assert found["person_id"].head(2).sort().to_list() == ["h00", "h01"]
    assert found.filter("selected")["verdict"].str.starts_with("champion").all()
    assert found.filter("selected")["contribution_low"].min() > 1.5


def test_everybody_is_listed_and_the_silent_say_so(planted):
    found = sna.find_champions(planted, opportunity_error=EXACT)
    assert found["person_id"].n_unique() == found.height == planted.people.height
    silent = found.filter(person_id="silent")
    assert silent["verdict"].item() == "silent in this period"
    assert silent["n_helps"].item() == 0
    assert not silent["selected"].item()


def test_counts_are_those_of_the_forum(planted):
    found = sna.find_champions(planted, opportunity="all", opportunity_error=EXACT)
    answers = planted.posts.filter(kind="reply")["author_id"].value_counts()
    for name, n in answers.iter_rows():
        assert found.filter(person_id=name)["n_helps"].item() == n
    chances = count_chances(planted, build_helping(planted), opportunity="all", hours=False)
    assert chances.filter(person_id="h00")["n_chances"].item() == 400
    assert chances.filter(person_id="q00")["n_chances"].item() == 380


def test_people_who_opt_out_are_nowhere(planted):
    people = planted.people.with_columns(opt_out=pl.col("person_id") == "h00")
    hidden = dataclasses.replace(planted, people=people)
    found = sna.find_champions(hidden, opportunity_error=EXACT)
    assert "h00" not in found["person_id"]
    assert set(found.filter("selected")["person_id"]) == {"h01"}
    assert "h00" not in sna.champion_stability(hidden, opportunity_error=EXACT)["person_id"]


def test_bots_are_not_champions(planted):
    people = planted.people.with_columns(
        kind=pl.when(pl.col("person_id") == "h00").then(pl.lit("bot")).otherwise(pl.col("kind"))
    )
    assert (
        "h00"
        not in sna.find_champions(dataclasses.replace(planted, people=people), opportunity_error=EXACT)["person_id"]
    )


def test_rows_in_another_order_give_the_same_table(planted):
    shuffled = sna.build_forum(
        posts=planted.posts.sample(fraction=1.0, shuffle=True, seed=3),
        signals=planted.signals.sample(fraction=1.0, shuffle=True, seed=4),
        people=planted.people.sample(fraction=1.0, shuffle=True, seed=5),
        roles=planted.roles.sample(fraction=1.0, shuffle=True, seed=6),
    )
    assert sna.find_champions(shuffled, opportunity_error=EXACT).equals(
        sna.find_champions(planted, opportunity_error=EXACT)
    )


def test_nobody_stands_out_where_all_are_alike():
    posts, signals = make_posts(rates=np.full(30, 0.05), seed=2)
    helpers = pl.DataFrame({"person_id": [f"h{i:02d}" for i in range(30)]})
    roles = helpers.with_columns(attribute=pl.lit("role"), value=pl.lit("IT"))
    found = sna.find_champions(sna.build_forum(posts=posts, signals=signals, roles=roles), opportunity_error=EXACT)
    assert not found["selected"].any()
    assert found["contribution"].drop_nulls().max() < 1.5


def test_missing_role_and_acceptance_are_said_not_guessed():
    posts, _ = make_posts(rates=RATES, accept=False)
    forum = sna.build_forum(posts=posts)
    found = sna.find_champions(forum, opportunity_error=EXACT)
    missing = found["not_measured"][0]
    assert "nobody's 'role' is known" in missing
    assert "helpfulness: 0 helps" in missing
    assert found["helpfulness"].null_count() == found.height
    assert found["bridging"].null_count() == found.height
    assert found["person_id"].head(2).sort().to_list() == ["h00", "h01"]
    assert found["selected"].head(2).all()
    facets = sna.list_facets(forum)
    assert facets["facet"].to_list() == list(FACETS)
    assert facets.filter(facet="bridging")["measured"].item() is False


def test_the_active_but_unhelpful_are_not_selected(planted):
    by_h01 = planted.posts.filter(pl.col("author_id") == "h01")["post_id"]
    everyone_else = planted.posts.filter((pl.col("kind") == "reply") & ~pl.col("post_id").is_in(by_h01.implode()))
    signals = everyone_else.select("post_id", person_id=pl.lit(None, pl.String), kind=pl.lit("accept"), at="created_at")
    forum = sna.build_forum(posts=planted.posts, people=planted.people, roles=planted.roles, signals=signals)
    row = sna.find_champions(forum, opportunity_error=EXACT).filter(person_id="h01")
    assert row["helpfulness_high"].item() < 1
    assert not row["selected"].item()
    assert row["verdict"].item().startswith("active, but accepted or thanked less")


def test_a_small_forum_says_insufficient(six):
    found = sna.find_champions(six)
    assert not found["selected"].any()
    assert found["standing"].null_count() == found.height
    assert found["person_id"].to_list()[:: found.height - 1] == ["bob", "eve"]
    assert found.filter(person_id="bob")["verdict"].item().startswith("insufficient data")
    assert found.filter(person_id="eve")["verdict"].item() == "silent in this period"
    assert found.filter(person_id="bob")["n_recognised"].is_null().all()


def test_two_of_two_does_not_beat_180_of_200(planted):
    signals = planted.posts.filter(kind="reply").select(
        "post_id", person_id=pl.lit(None, pl.String), kind=pl.lit("accept"), at="created_at"
    )
    by_person = planted.posts.filter(kind="reply").group_by("author_id", maintain_order=True).agg("post_id")
    few = by_person.filter(author_id="h05")["post_id"].item()
    kept = signals.filter(
        pl.col("post_id").is_in(by_person.filter(author_id="h00")["post_id"].item().to_list()[5:])
        | pl.col("post_id").is_in(few.to_list()[:2])
        | (pl.int_range(pl.len()) % 5 == 0)
    )
    posts = planted.posts.filter(~pl.col("post_id").is_in(few.to_list()[2:]))
    forum = sna.build_forum(posts=posts, people=planted.people, roles=planted.roles, signals=kept)
    found = sna.find_champions(forum, opportunity_error=EXACT)
    many, two = (found.filter(person_id=name) for name in ("h00", "h05"))
    assert two["n_recognised"].item() == two["n_helps"].item() == 2
    assert many["n_recognised"].item() < many["n_helps"].item()
    assert many["helpfulness"].item() > two["helpfulness"].item()


def test_stability_lists_the_choices(planted):
    table = sna.champion_stability(planted, opportunity_error=EXACT)
    assert set(table.filter(pl.col("selected_share") == 1)["person_id"]) == {"h00", "h01"}
    assert {"npmle prior", "no peer groups", "first half", "opportunity all"} <= set(table.columns)


def test_fairness_counts_by_role(planted):
    found = sna.find_champions(planted, opportunity_error=EXACT)
    table = sna.champion_fairness(found, planted, by=("role", "no_such_attribute"))
    it = table.filter(attribute="role", value="IT")
    assert it.select("n_people", "n_selected").row(0) == (30, 2)
    assert it["low"].item() == pytest.approx(0.0185, abs=2e-4)  # Wilson, 2 of 30
    assert it["high"].item() == pytest.approx(0.2132, abs=2e-4)
    assert set(table["attribute"]) == {"role", "tenure"}


@pytest.mark.parametrize("wrong", [{"fdr": 0}, {"factor": 0}, {"top": 0}, {"level": 1.0}, {"opportunity": "guess"}])
def test_arguments_out_of_range_are_refused(planted, wrong):
    with pytest.raises(sna.SnaError):
        sna.find_champions(planted, **wrong)


def test_a_forum_without_times_is_refused():
    posts = pl.DataFrame({"post_id": ["1"], "thread_id": ["1"], "author_id": ["a"]})
    with pytest.raises(sna.NotAnswerableError, match="dated posts"):
        sna.find_champions(sna.build_forum(posts=posts), opportunity_error=EXACT)


def test_a_window_cuts_helps_and_chances(planted):
    found = sna.find_champions(planted, until=day(50), opportunity="all", opportunity_error=EXACT)
    assert found.filter(person_id="h00")["n_chances"].item() == 200
