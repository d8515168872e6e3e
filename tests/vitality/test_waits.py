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
from tests.vitality.conftest import CAPABLE, asking_forum


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


def test_solutions_by_hand(four):
    """a: bob's post on day 2 was accepted on day 9. b: ann, not the asker, gave thanks; c: cat for the own question."""
    signals = pl.DataFrame(
        [("2", "ann", "accept", day(9)), ("6", "ann", "thanks", day(7)), ("7", "cat", "thanks", day(11))],
        schema=["post_id", "person_id", "kind", "at"],
        orient="row",
    )
    forum = sna.build_forum(posts=four.posts, people=four.people, signals=signals, source=CAPABLE)
    waits = answers.list_waits(forum, to="solution")
    assert waits.filter("is_answered").select("thread_id", "wait_hours").rows() == [("a", 48)]
    row = answers.time_to_solution(forum).row(0, named=True)
    assert (row["n_questions"], row["n_solved"], row["solved_share"]) == (4, 1, 0.25)
    assert (row["solved_share_low"], row["solved_share_high"]) == pytest.approx((0.0456, 0.6994), abs=1e-4)
    assert row["restricted_mean_hours"] == pytest.approx((48 + 168 * 3) / 4)
    with pytest.raises(sna.NotAnswerableError, match="whether a question was solved"):
        answers.time_to_solution(four)
    with pytest.raises(sna.SnaError, match="to is one of"):
        answers.list_waits(four, to="reply")


def test_only_questions_wait():
    """An announcement that nobody answers does not wait, and a thread with words only counts where it asks."""
    columns = ["post_id", "thread_id", "author_id", "created_at", "kind", "text"]
    rows = [
        ("1", "a", "ann", day(0), "root", "What should I check first?"),
        ("2", "a", "bob", day(1), "reply", "The seal."),
        ("3", "b", "ann", day(0), "root", "Choir meets again. All are welcome."),
    ]
    posts = pl.DataFrame(rows, schema=columns, orient="row")
    waits = answers.list_waits(sna.build_forum(posts=posts, source=CAPABLE))
    assert waits.select("thread_id", "basis").rows() == [("a", "text")]


def test_ignoring_hard_questions_does_not_make_answers_faster():
    """Naive: the mean of answered waits falls when the slow ones are left open. Ours does not."""
    slow = [(f"q{i}", f"t{i}", "ann", day(0), "root") for i in range(10)]
    fast = [(f"a{i}", f"t{i}", "bob", day(0.1), "answer") for i in range(5)]
    late = [(f"a{i}", f"t{i}", "bob", day(9), "answer") for i in range(5, 10)]
    all_answered, half_open = (answers.time_to_answer(asking_forum(rows)) for rows in (slow + fast + late, slow + fast))
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
    assert answered.height > 150
    assert (answered["wait_hours"] - answered["first_wait_hours"]).abs().max() < 2 / 3600
    never = waits.filter(pl.col("first_wait_hours").is_null())
    assert not never["is_answered"].any()


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
