"""What was planted comes back, and what was not planted is not there."""

import numpy as np
import polars as pl
import pytest

import sna
from sna.simulate import PRESETS, Campaign, Design, conversation, make_forum

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


def test_nuisances_are_in_the_record_and_in_the_truth():
    clean = make_forum(rng=4).truth
    noisy = make_forum(
        rng=4,
        channel_error=0.2,
        missing_role_share=0.1,
        missing_parent_share=0.3,
        deleted_share=0.1,
        opt_out_share=0.05,
        n_bots=3,
    )
    forum, truth = noisy.forum, noisy.truth
    assert truth.threads.equals(clean.threads), "nuisances leave the world as it is"
    recorded = (
        forum.posts.filter(kind="root")
        .select("thread_id", "space")
        .join(truth.threads.select("thread_id", true="space"), on="thread_id")
    )
    wrong = recorded.filter(pl.col("space") != pl.col("true"))["thread_id"]
    assert tuple(wrong.sort()) == truth.misfiled
    assert 0.13 < len(wrong) / 350 < 0.27
    assert forum.posts.group_by("thread_id").agg(pl.col("space").n_unique())["space"].max() == 1
    humans = forum.people.filter(kind="human")
    assert humans.height - forum.roles.filter(attribute="role")["person_id"].n_unique() == 24
    assert (humans["opt_out"].sum(), forum.people.filter(kind="bot").height) == (12, 3)
    replies = forum.posts.filter(pl.col("kind") != "root")
    assert 0.25 < replies["parent_id"].null_count() / replies.height < 0.35
    deleted = forum.posts.filter(pl.col("deleted_at").is_not_null())
    assert 0.05 < deleted.height / forum.posts.height < 0.12
    assert deleted["text"].null_count() == deleted.height


def test_opportunity_error_blurs_the_views_and_nothing_else():
    exact, blurred = (make_forum(rng=4, opportunity_error=error) for error in (0.0, 1.0))
    assert exact.forum.posts.equals(blurred.forum.posts)
    spread = {}
    for name, simulation in (("exact", exact), ("blurred", blurred)):
        seen = simulation.forum.events.group_by("person_id").agg(pl.col("n").sum())
        both = simulation.truth.people.filter(pl.col("expected_views") > 30).join(seen, on="person_id")
        spread[name] = (both["n"] / both["expected_views"]).log().std()
    assert spread["exact"] < 0.15
    assert 0.8 < spread["blurred"] < 1.2


def test_joiners_leavers_and_changes_fall_on_the_first_of_a_month():
    forum = make_forum(joiner_share=0.2, leaver_share=0.2, role_change_share=0.2, n_weeks=40, rng=9).forum
    changes = forum.roles.filter(attribute="role").filter(pl.col("valid_to").is_not_null())
    assert changes.height == 48
    assert (changes["valid_to"].dt.day() == 1).all()
    late = forum.people.filter(pl.col("joined_at") >= forum.period[0])
    assert late.height == 48
    assert (late["joined_at"].dt.day() == 1).all()
    posts = forum.posts.join(forum.people, left_on="author_id", right_on="person_id")
    assert (posts["joined_at"] <= posts["created_at"]).all()
    assert (posts["left_at"].is_null() | (posts["created_at"] < posts["left_at"])).all()


def test_arrivals_follow_novelty_campaigns_and_office_hours():
    campaign = Campaign("Push", "push", start_week=30, n_weeks=4, lift=4.0, fade_weeks=0.01)
    simulation = make_forum(
        n_people=60, n_threads=6000, n_weeks=52, novelty_floor=0.25, novelty_weeks=4, campaigns=(campaign,), rng=2
    )
    started = simulation.truth.threads["started_at"]
    week = (
        ((started - simulation.truth.design.start).dt.total_hours() // 168).value_counts().sort("started_at")["count"]
    )
    quiet = week[20:28].mean()
    assert week[0] / quiet == pytest.approx(0.25 / 0.25 + 3 * 0.885, rel=0.15)
    assert week[30:34].mean() / quiet == pytest.approx(4, rel=0.12)
    assert (started.dt.weekday() > 5).mean() < 0.05
    assert simulation.forum.campaigns.row(0, named=True)["kind"] == "push"


def test_catalysis_brings_newcomers_back():
    stays = {}
    for catalysis in (0.0, 4.0):
        truth = make_forum(
            n_people=1500,
            n_threads=6000,
            n_weeks=40,
            champion_share=0.1,
            adoption=0.2,
            retention=0.3,
            comeback=0.0,
            catalysis=catalysis,
            rng=6,
        ).truth
        stays[catalysis] = truth.people["n_answers"].sum()
    assert stays[4.0] > 1.1 * stays[0.0]


def test_people_respond_less_upward_and_across_levels_when_planted():
    def seniors(**design):
        simulation = make_forum(**BUSY, champion_share=0, rng=5, **design)
        level = simulation.forum.attribute("level").with_columns(pl.col("level").cast(pl.Int64))
        first = (
            simulation.forum.posts.filter(pl.col("kind").is_in(["answer", "reply"]))
            .join(simulation.truth.threads.select("thread_id", "asker_id"), on="thread_id")
            .filter(pl.col("author_id") != pl.col("asker_id"))
            .unique(["thread_id", "author_id"])
            .join(level, left_on="author_id", right_on="person_id")
            .join(level.rename({"level": "asker_level"}), left_on="asker_id", right_on="person_id")
        )
        return first.select(
            up=(pl.col("asker_level") > pl.col("level")).mean(),
            across=(pl.col("asker_level") != pl.col("level")).mean(),
        ).row(0)

    plain, upward, gap = seniors(), seniors(upward=-2.0), seniors(level_gap=-2.0)
    assert upward[0] < 0.4 * plain[0]
    assert gap[1] < 0.5 * plain[1]


def test_bad_designs_say_what_is_wrong():
    for design, words in (
        ({"n_peple": 3}, "Got n_peple"),
        ({"silent_share": 1.5}, "silent_share is between 0 and 1"),
        ({"n_threads": 0}, "n_threads is at least 1"),
        ({"n_people": 5}, "at least n_departments"),
        ({"n_roles": 50}, "n_roles is at most 8"),
        ({"pair_preference": {("Sales", "Pirate"): 1.0}}, "Got .'Pirate'"),
        ({"censored_weeks": 30}, "less than n_weeks"),
    ):
        with pytest.raises(sna.SnaError, match=words):
            make_forum(**design)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_work(name):
    smaller = {**PRESETS[name], "n_people": 80, "n_threads": 60, "n_weeks": 9}
    truth = make_forum(**smaller, rng=1).truth
    assert truth.role_preference == (0.0, 0.0)
    assert (len(truth.champions) == 0) == name.startswith("role_blind")


@pytest.mark.parametrize("design", [{"n_spaces": 1}, {"n_roles": 1}, {"n_weeks": 1, "n_threads": 1}, {"n_weeks": 3}])
def test_small_worlds_work(design):
    assert make_forum(**{"n_people": 20, "n_threads": 10, **design}, role_change_share=0.3, joiner_share=0.3).forum


def _responses(simulation):
    """First responses with the hour of day and the role held by who wrote them."""
    forum = simulation.forum
    roles = forum.attribute("role").rename({"person_id": "author_id"})
    first = forum.posts.filter(pl.col("kind").is_in(["answer", "reply"])).unique(["thread_id", "author_id"])
    return first.join(roles, on="author_id").with_columns(hour=pl.col("created_at").dt.hour())


def test_roles_with_shifts_start_threads_and_respond_within_them():
    simulation = make_forum(**{**BUSY, "n_threads": 600}, n_roles=3, role_hours=1.0, office_hours=False, rng=4)
    roles = simulation.truth.design.roles
    rows = _responses(simulation).filter(pl.col("hour").is_not_null())
    for place, role in enumerate(roles):
        hours = rows.filter(role=role)["hour"]
        assert len(hours) > 20
        # shifts of eight hours begin at 0, 8 and 16 o'clock; turns between people may fall outside
        assert ((hours - 8 * place) % 24 < 8).mean() > 0.8, role


def test_late_roles_come_late_and_a_growing_role_grows():
    late = make_forum(**{**BUSY, "n_threads": 600}, n_roles=4, late_roles=1, late_at=0.5, rng=4)
    role = late.truth.design.roles[-1]
    rows = _responses(late).filter(role=role)
    start, end = late.truth.design.start, late.truth.design.end
    assert len(rows) > 10
    assert rows["created_at"].min() >= start + (end - start) * 0.45
    grown = make_forum(**{**BUSY, "n_threads": 900}, n_roles=2, role_growth=19.0, rng=4)
    rows = _responses(grown).sort("created_at")
    share = [(part["role"] == grown.truth.design.roles[-1]).mean() for part in (rows.head(400), rows.tail(400))]
    assert share[1] > 2 * share[0]


def test_threads_grow_and_presence_drifts():
    grown = make_forum(**{**BUSY, "n_threads": 900}, thread_growth=7.0, rng=4).truth.threads
    early, late = (part["n_responders"].mean() for part in (grown.head(200), grown.tail(200)))
    assert late > 3 * early
    drifted = make_forum(**{**BUSY, "n_threads": 900}, presence_drift=0.5, rng=4)
    assert not drifted.forum.posts.equals(make_forum(**{**BUSY, "n_threads": 900}, rng=4).forum.posts)
    for design, words in (
        ({"late_roles": 5}, "late_roles"),
        ({"role_growth": 0}, "Growth"),
        ({"role_hours": 2}, "role_hours"),
    ):
        with pytest.raises(sna.SnaError, match=words):
            make_forum(**design)
