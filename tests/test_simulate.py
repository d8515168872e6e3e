"""What was planted comes back, and what was not planted is not there."""

import numpy as np
import polars as pl
import pytest

import sna
from sna.simulate import Design, conversation, make_forum

BUSY = {"n_people": 400, "n_threads": 3000, "n_weeks": 52, "n_spaces": 4}


@pytest.fixture(scope="module")
def busy():
    return make_forum(**BUSY, champion_share=0.1, champion_factor=4.0, theta_shape=np.inf, rng=1)


def test_same_seed_same_bytes_and_another_seed_another_forum(tmp_path):
    first, again, other = (make_forum(rng=seed) for seed in (5, np.random.default_rng(5), 6))
    for name, simulation in (("a", first), ("b", again)):
        sna.write_forum(simulation.forum, tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name
    assert first.truth.people.equals(again.truth.people)
    assert not first.forum.posts.equals(other.forum.posts)


def test_books_balance_and_nothing_had_to_be_mended():
    forum = make_forum(n_bots=2, missing_parent_share=0.3, retention=0.8, leaver_share=0.2, joiner_share=0.2).forum
    assert forum.issues.is_empty()
    assert forum.posts["thread_id"].n_unique() == 350 + 2 * 26
    parents = forum.posts.select(parent_id="post_id", before="created_at")
    replies = forum.posts.join(parents, on="parent_id")
    assert (replies["created_at"] >= replies["before"]).all()
    assert forum.posts["created_at"].max() < forum.observed_until


def test_champion_factor_comes_back_from_the_oracle_rates(busy):
    people = busy.truth.people.filter(~pl.col("is_silent"))
    rate = {
        champion: group["n_answers"].sum() / group["expected_answers"].sum()
        for (champion,), group in people.group_by("is_champion")
    }
    assert rate[False] == pytest.approx(1, abs=0.04)
    # One response per thread at most, so the odds ratio of 4 shows as a little less in counts.
    assert 3.2 < rate[True] < 4.1
    assert people.filter("is_champion")["theta"].mean() == pytest.approx(4, abs=0.4)
    assert busy.truth.champions == tuple(people.filter("is_champion")["person_id"])


def test_counts_of_the_truth_are_those_of_the_posts(busy):
    posts = busy.forum.posts.filter(pl.col("parent_id").is_not_null())
    asked = busy.truth.threads.select("thread_id", "asker_id", "n_responders")
    seen = (
        posts.join(asked, on="thread_id")
        .filter(pl.col("author_id") != pl.col("asker_id"))
        .group_by("thread_id")
        .agg(pl.col("author_id").n_unique().alias("n"))
    )
    both = asked.join(seen, on="thread_id", how="left").with_columns(pl.col("n").fill_null(0))
    late = both.filter(pl.col("n") < pl.col("n_responders")).height
    assert (both["n"] <= both["n_responders"]).all()
    assert late < 0.05 * both.height


def test_silent_people_never_post_but_read():
    simulation = make_forum(silent_share=0.25, rng=2)
    silent = simulation.truth.people.filter("is_silent")["person_id"]
    assert len(silent) == 60
    assert simulation.forum.posts.filter(pl.col("author_id").is_in(silent.implode())).is_empty()
    assert simulation.forum.events.filter(pl.col("person_id").is_in(silent.implode()))["n"].sum() > 0


def test_role_preference_comes_back_and_changes_when_it_should():
    plain = {"channel_concentration": 0.0, "role_activity": 0.0, "presence_spread": 0.0, "theta_shape": np.inf}
    simulation = make_forum(
        **BUSY, **plain, champion_share=0, role_preference=1.0, role_preference_later=0.0, replies_per_thread=2, rng=3
    )
    roles = simulation.forum.attribute("role")
    first = simulation.forum.posts.filter(pl.col("kind").is_in(["answer", "reply"]) & pl.col("parent_id").is_not_null())
    pairs = (
        first.join(simulation.truth.threads.select("thread_id", "asker_id", "started_at"), on="thread_id")
        .filter(pl.col("author_id") != pl.col("asker_id"))
        .unique(["thread_id", "author_id"])
        .join(roles, left_on="author_id", right_on="person_id")
        .join(roles.rename({"role": "asker_role"}), left_on="asker_id", right_on="person_id")
    )
    early = pl.col("started_at") < simulation.truth.changed_at
    share = dict(
        roles.filter(~pl.col("person_id").is_in(_silent(simulation)))["role"].value_counts(normalize=True).rows()
    )
    for when, planted in ((early, 1.0), (~early, 0.0)):
        part = pairs.filter(when).with_columns(same=pl.col("role") == pl.col("asker_role"))
        expected = np.mean([_share_of_own(share[role], np.exp(planted)) for role in part["asker_role"]])
        assert part["same"].mean() == pytest.approx(expected, abs=0.025)


def _silent(simulation):
    return simulation.truth.people.filter("is_silent")["person_id"].implode()


def _share_of_own(share, odds):
    return share * odds / (share * odds + 1 - share)


def test_responders_of_a_space_and_month_are_exactly_exchangeable():
    """Two threads, sizes and people given: each arrangement is as likely as the other, also for a busy person.

    Persons 2 and 3 respond once each; either may have gone to thread 0 (asked by 0) or to thread 1 (asked by 1).
    """
    n, weight = 100_000, np.array([0.4, 0.7, 6.0, 0.5, 0.3])
    design = Design(n_people=8)
    draft = conversation._Draft(design, _five_people(), np.zeros(0, int), np.zeros(0, bool), weight, np.zeros(1, bool))
    g, askers = np.tile([0.2, 2.0], n), np.tile([0, 1], n)
    thread, person = draft._points(0, weight, g, askers, rng=np.random.default_rng(8))
    went = np.zeros((n, 2, 5), dtype=bool)
    went[thread // 2, thread % 2, person] = True
    assert not went[:, 0, 0].any()
    assert not went[:, 1, 1].any()
    one_each = (went.sum(axis=2) == 1).all(axis=1)
    straight = (one_each & went[:, 0, 2] & went[:, 1, 3]).sum()
    crossed = (one_each & went[:, 0, 3] & went[:, 1, 2]).sum()
    assert straight + crossed > 500
    assert abs(straight - crossed) < 3 * np.sqrt(straight + crossed)


def _five_people():
    class Five:
        role, level = np.zeros((5, 1), dtype=int), np.ones(5, dtype=int)

    return Five()


def test_waits_without_the_first_responder_are_those_of_the_second(busy):
    threads = busy.truth.threads
    several = threads.filter(pl.col("n_responders") > 1)
    assert (several["wait_without_first_hours"] >= several["first_wait_hours"]).all()
    assert threads.filter(pl.col("n_responders") < 2)["wait_without_first_hours"].is_null().all()
    assert threads.filter(pl.col("n_responders") == 0)["first_responder_id"].is_null().all()
