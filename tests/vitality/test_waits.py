"""Waiting for an answer: open questions are censored, own answers and bots do not count."""

from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest
from scipy import stats

import sna
from sna.simulate import make_forum
from sna.stats.waits import kaplan_meier, survival_quantile
from sna.vitality import waits as answers
from tests.conftest import day

CAPABLE = sna.Source("test", capabilities={"threads": "yes", "exact_times": "yes"}, exported_at=day(20))


def forum_of(rows, **tables):
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
    return forum_of(rows, people=people, roles=roles)


def test_waits_by_hand(four):
    waits = answers.list_waits(four)
    assert waits["thread_id"].to_list() == ["a", "b", "c", "d"]
    assert waits["wait_hours"].to_list() == [48, 120, 240, 192]
    assert waits["is_answered"].to_list() == [True, True, False, False]
    assert answers.list_waits(four, bots=True).height == 5
    assert answers.list_waits(four, bots=True).filter(thread_id="d")["wait_hours"][0] == pytest.approx(0.24)


def test_unanswered_questions_are_censored_and_coverage_is_shown(four):
    row = answers.time_to_answer(four).row(0, named=True)
    assert (row["n_questions"], row["n_answered"], row["coverage_share"]) == (4, 2, 0.5)
    assert row["median_hours"] == 120
    assert row["answered_24h_share"] == 0
    assert row["answered_7d_share"] == 0.5
    assert row["restricted_mean_hours"] == pytest.approx((48 + 120 + 168 + 168) / 4)
    assert row["followed_share"] == 1


def test_questions_are_cut_by_when_they_were_asked_and_answers_never(four):
    assert answers.list_waits(four, since=day(0), until=day(1))["wait_hours"].to_list() == [48]
    assert answers.list_waits(four, since=day(1), until=day(11))["thread_id"].to_list() == ["b", "c"]


def test_groups_by_role_of_the_asker_with_the_unknown_named(four):
    table = answers.time_to_answer(four, by="role")
    assert dict(table.select("group", "n_questions").rows()) == {"(missing)": 1, "HR": 2, "IT": 1}
    assert answers.time_to_answer(four, every="1mo")["group"].to_list() == ["2024-01"]
    assert answers.time_to_answer(four, every="1q")["group"].to_list() == ["2024-Q1"]


def test_ignoring_hard_questions_does_not_make_answers_faster():
    """Naive: the mean of answered waits falls when the slow ones are left open. Ours does not."""
    slow = [(f"q{i}", f"t{i}", "ann", day(0), "root") for i in range(10)]
    fast = [(f"a{i}", f"t{i}", "bob", day(0.1), "answer") for i in range(5)]
    late = [(f"a{i}", f"t{i}", "bob", day(9), "answer") for i in range(5, 10)]
    all_answered, half_open = (answers.time_to_answer(forum_of(rows)) for rows in (slow + fast + late, slow + fast))
    assert half_open["restricted_mean_hours"][0] == all_answered["restricted_mean_hours"][0]
    assert half_open["answered_7d_share"][0] == all_answered["answered_7d_share"][0] == 0.5


def test_same_rows_in_another_order_same_answer():
    forum = make_forum(n_people=60, n_threads=80, rng=3).forum
    mixed = sna.build_forum(
        **{name: getattr(forum, name).sample(fraction=1, shuffle=True, seed=1) for name in sna.schema.TABLES},
        source=forum.source,
    )
    assert answers.time_to_answer(mixed, by="space").equals(answers.time_to_answer(forum, by="space"))


def test_waits_equal_the_planted_ones():
    simulation = make_forum(n_threads=300, rng=5)
    waits = answers.list_waits(simulation.forum).join(
        simulation.truth.threads.select("thread_id", "first_wait_hours"), on="thread_id"
    )
    answered = waits.filter("is_answered")
    assert answered.height > 200
    assert (answered["wait_hours"] - answered["first_wait_hours"]).abs().max() < 2 / 3600
    never = waits.filter(pl.col("first_wait_hours").is_null())
    assert not never["is_answered"].any()


def test_a_planted_slowdown_shows_with_its_sign_and_none_without():
    def joined(hours):
        rows = []
        rng = np.random.default_rng(1)
        for i in range(200):
            asked = i * 0.05
            wait = rng.exponential(1) / 24 * (hours if i >= 100 else 8)
            rows += [
                (f"q{i}", f"t{i}", f"ann{i % 25}", day(asked), "root"),
                (f"a{i}", f"t{i}", "bob", day(asked + wait), "answer"),
            ]
        return forum_of(rows)

    slower = answers.waiting_time_change(joined(24), split_at=day(5))
    assert slower.value == pytest.approx(16, abs=6)
    assert slower.low > 0
    assert slower.p_value < 0.001
    same = answers.waiting_time_change(joined(8), split_at=day(5))
    assert same.low < 0 < same.high
    assert same.p_value > 0.05


def test_askers_are_the_units_and_one_asker_shows_nothing(four):
    """Two askers of each role, one of them slow with everything: forty questions are still four witnesses."""
    rows = [
        row
        for i in range(40)
        for asked, wait in [(i * 0.2, (1, 60, 2, 3)[i % 4] / 24)]
        for row in (
            (f"q{i}", f"t{i}", f"asker{i % 4}", day(asked), "root"),
            (f"a{i}", f"t{i}", "bob", day(asked + wait), "answer"),
        )
    ]
    names = [f"asker{i}" for i in range(4)]
    roles = {"person_id": names, "attribute": ["role"] * 4, "value": ["HR", "HR", "IT", "IT"]}
    forum = forum_of(rows, people=pl.DataFrame({"person_id": [*names, "bob"]}), roles=pl.DataFrame(roles))
    with pytest.raises(sna.NotAnswerableError, match="at least 5 askers"):
        answers.compare_waits(forum, by="role")
    wide = answers.time_to_answer(forum).row(0, named=True)
    assert wide["restricted_mean_hours_high"] - wide["restricted_mean_hours_low"] > 40
    alone = answers.time_to_answer(forum_of([row for row in rows if row[1] == "t0"])).row(0, named=True)
    assert alone["restricted_mean_hours_low"] is None


@pytest.mark.parametrize("slow", [False, True])
def test_groups_whose_askers_differ_alone_are_not_found_to_differ(slow):
    """Forty askers with a speed of their own, ten questions each; role by role the same, or twice as slow."""
    rng, rejected = np.random.default_rng(31), 0
    for _ in range(20):
        speed = np.exp(rng.normal(2, 1, 40)) * np.where(np.arange(40) < 20, 1, 4 if slow else 1)
        rows = [
            row
            for i in range(400)
            for row in (
                (f"q{i}", f"t{i}", f"p{i % 40}", day(i * 0.02), "root"),
                (f"a{i}", f"t{i}", "bob", day(i * 0.02 + rng.exponential(speed[i % 40]) / 24), "answer"),
            )
        ]
        names = [f"p{i}" for i in range(40)]
        roles = {"person_id": names, "attribute": ["role"] * 40, "value": ["HR"] * 20 + ["IT"] * 20}
        forum = forum_of(rows, people=pl.DataFrame({"person_id": [*names, "bob"]}), roles=pl.DataFrame(roles))
        rejected += answers.compare_waits(forum, by="role").p_value < 0.05
    assert rejected >= 15 if slow else rejected <= 4


def test_the_later_period_is_not_judged_before_it_was_followed(four):
    with pytest.raises(sna.NotAnswerableError, match="followed for 7 days"):
        answers.waiting_time_change(four, split_at=day(12))
    with pytest.raises(sna.NotAnswerableError, match="two groups"):
        answers.compare_waits(four, every="1y")


def test_the_curve_starts_with_everybody_waiting(four):
    curve = answers.waiting_curve(four)
    assert curve.row(0) == ("all questions", 0.0, 1.0, 1.0, 1.0, 4)
    assert curve["waiting_share"].to_list() == pytest.approx([1, 0.75, 0.5])


@pytest.mark.parametrize("site", ["coffee_posts_2015-03", "matheducators_posts_2014-05"])
def test_real_site_equals_scipy_on_the_raw_xml(shared, site):
    folder = shared / "data" / "stackexchange" / site
    asked, first, asker = {}, {}, {}
    last = np.datetime64("1970-01-01")
    for row in ET.parse(folder / "Posts.xml").getroot():
        at = np.datetime64(row.get("CreationDate"))
        last = max(last, at)
        if row.get("PostTypeId") == "1":
            asked[row.get("Id")], asker[row.get("Id")] = at, row.get("OwnerUserId")
    for row in ET.parse(folder / "Posts.xml").getroot():
        question, owner = row.get("ParentId"), row.get("OwnerUserId")
        if row.get("PostTypeId") == "2" and (owner is None or owner != asker[question]):
            at = np.datetime64(row.get("CreationDate"))
            first[question] = min(first.get(question, at), at)
    hour = np.timedelta64(1, "h")
    done = [(first[q] - t) / hour for q, t in asked.items() if q in first]
    still = [(last - t) / hour for q, t in asked.items() if q not in first]
    reference = stats.ecdf(stats.CensoredData(uncensored=done, right=still)).sf
    median = reference.quantiles[reference.probabilities <= 0.5][0]
    row = answers.time_to_answer(sna.read_forum(folder)).row(0, named=True)
    assert (row["n_questions"], row["n_answered"]) == (len(asked), len(done))
    assert row["median_hours"] == pytest.approx(median, abs=1e-3)
    assert row["median_hours"] > np.median(done)
    assert survival_quantile(kaplan_meier(done, [True] * len(done)))[0] < median
