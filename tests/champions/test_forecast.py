"""Who will still be helping, and how good earlier lists were: on forums where the answer is known."""

from datetime import timedelta

import polars as pl
import pytest

import sna
from sna.champions.forecast import forecast_helping
from sna.champions.track_record import champion_track_record, say_track_record
from sna.champions.validate import forum_before
from tests.conftest import day

WEEKS = 104
NAMES = ["post_id", "thread_id", "parent_id", "author_id", "created_at", "kind"]


@pytest.fixture(scope="module")
def forum():
    """30 people help weekly; 30 more did until week 60; 12 write much in their own threads and never help."""
    posts = []
    for week in range(WEEKS):
        for k in range(6):
            at, thread = day(7 * week + k), f"t{week}-{k}"
            posts.append((thread, thread, None, f"asker{(week + k) % 15:02d}", at, "root"))
            posts += [
                (f"{thread}-{kind}{i}", thread, thread, f"{kind}{6 * i + k:02d}", at + timedelta(hours=1 + i), "reply")
                for i in range(5)
                for kind in (("stays", "leaves") if week < 60 else ("stays",))
            ]
        for i in range(12):
            own = f"own{week}-{i}"
            posts.append((own, own, None, f"loud{i:02d}", day(7 * week), "root"))
            posts += [(f"{own}-{j}", own, own, f"loud{i:02d}", day(7 * week + j / 10), "reply") for j in range(1, 6)]
    return sna.build_forum(posts=pl.DataFrame(posts, schema=NAMES, orient="row", infer_schema_length=None))


def test_who_helps_every_week_will_go_on_and_who_left_will_not(forum):
    table = forecast_helping(forum)
    assert table["basis"][0] == "5 earlier quarters"
    chances = dict(table.select("person_id", "chance_next_quarter").rows())
    assert min(chances[f"stays{i:02d}"] for i in range(30)) > 0.95
    assert max(chances[f"leaves{i:02d}"] for i in range(30)) < 0.1
    assert chances["loud00"] is None  # never helped


def test_a_forecast_sees_nothing_later(forum):
    moment = day(7 * 80)
    known = forecast_helping(forum_before(forum, moment), until=moment)
    assert known.equals(forecast_helping(forum, until=moment))


def test_the_list_of_a_year_ago_against_counting_posts(forum):
    table = champion_track_record(forum)
    assert table["method"].to_list() == ["this method", "counting posts"]
    # A year before the end is week 52: half of the helpers leave in week 60, after having helped again.
    assert table["n_helping"].to_list() == [10, 0]
    assert table["low"][0] == pytest.approx(0.7225, abs=1e-4)  # Wilson, 10 of 10
    sentence = say_track_record(table)
    assert "10 helped again in the 13 weeks after (95% interval 72% to 100%)" in sentence
    assert sentence.endswith("counting posts, 0 (0% to 28%).")


def test_the_list_can_be_made_at_a_given_moment(forum):
    table = champion_track_record(forum, at=day(7 * 70))
    assert table["made_at"].unique().to_list() == [day(7 * 70)]
    # Ten weeks after half of them left, only people who stay are on the list.
    assert table["n_helping"][0] == table["n_listed"][0]


def test_a_short_history_is_said(six):
    table = champion_track_record(six)
    assert table.is_empty()
    assert "too short" in say_track_record(table)
