"""Each null keeps what it says it holds, draws what it says it draws, and its closed forms equal its draws."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

import sna
from sna.mixing import participants
from sna.mixing.nulls import NULLS, channel_null, find_null, label_null, participation_null, volume_null
from sna.mixing.pairs import count_groups, lay_strata
from tests.role_blind import code_pairs, make_blind_forum


@pytest.fixture(scope="module")
def pairs():
    return make_blind_forum(np.random.default_rng(1), n_threads=60)


def person_stratum(pairs, end):
    return Counter(zip(pairs.stratum.tolist(), getattr(pairs, end).tolist(), strict=True))


HELD = {
    "who acts toward whom": lambda p: Counter(zip(p.source.tolist(), p.target.tolist(), strict=True)),
    "number of people of each group taking part": lambda p: Counter(
        dict(
            zip(p.source.tolist() + p.target.tolist(), p.source_group.tolist() + p.target_group.tolist(), strict=True)
        ).values()
    ),
    "pairs sent by each person": lambda p: Counter(p.source.tolist()),
    "pairs received by each person": lambda p: Counter(p.target.tolist()),
    "pairs sent by each person per channel and period": lambda p: person_stratum(p, "source"),
    "pairs received by each person per channel and period": lambda p: person_stratum(p, "target"),
    "threads joined by each person per channel and period": lambda p: person_stratum(p, "source"),
    "participants of each thread per period": lambda p: Counter(
        zip(p.stratum.tolist(), p.thread.tolist(), strict=True)
    ),
    "asker of each thread": lambda p: Counter(set(zip(p.thread.tolist(), p.target.tolist(), strict=True))),
    "nobody joins a thread twice or their own": lambda p: (
        len(set(zip(p.thread.tolist(), p.source.tolist(), strict=True))) == p.size,
        bool((p.source != p.target).all()),
    ),
}


@pytest.mark.parametrize("name", NULLS)
def test_every_held_quantity_is_equal_in_every_draw(name, pairs):
    null = find_null(name)
    drawn = list(null.draw(lay_strata(pairs, null.strata), 12, np.random.default_rng(2)))
    assert len(drawn) == 12
    for held in null.holds:
        expected = HELD[held](pairs)
        assert all(HELD[held](draw) == expected for draw in drawn), held


@pytest.mark.parametrize("name", NULLS)
def test_people_take_their_groups_along_unless_labels_are_shuffled(name, pairs):
    group = dict(zip(pairs.source.tolist(), pairs.source_group.tolist(), strict=True))
    null = find_null(name)
    draw = next(iter(null.draw(lay_strata(pairs, null.strata), 1, np.random.default_rng(2))))
    moved = all(group[p] == g for p, g in zip(draw.source.tolist(), draw.source_group.tolist(), strict=True))
    assert moved == (name != "label permutation")


@pytest.mark.parametrize("name", NULLS)
def test_draws_shuffle_and_do_not_touch_their_input(name, pairs):
    before = [getattr(pairs, end).copy() for end in ("source", "target", "source_group", "target_group")]
    tables = [count_groups(draw) for draw in find_null(name).draw(pairs, 8, np.random.default_rng(3))]
    assert len({table.tobytes() for table in tables}) > 4
    after = [getattr(pairs, end) for end in ("source", "target", "source_group", "target_group")]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("make", [label_null, volume_null, channel_null])
def test_moments_equal_those_of_many_draws(make, pairs):
    null, rng = make(), np.random.default_rng(4)
    pairs = lay_strata(pairs, null.strata)
    k, draws = len(pairs.groups), 3000
    contrasts = np.concatenate([np.eye(k * k).reshape(-1, k, k), 1 - np.eye(k)[None], rng.normal(size=(3, k, k))])
    mean, variance = null.moments(pairs, contrasts)
    counts = np.stack([count_groups(draw) for draw in null.draw(pairs, draws, rng)])
    sample = np.einsum("dab,mab->dm", counts, contrasts)
    assert np.abs((sample.mean(axis=0) - mean) / np.sqrt(variance / draws)).max() < 4
    assert sample.var(axis=0) / variance == pytest.approx(np.ones(len(mean)), abs=0.15)


def test_label_moments_are_exact_over_all_permutations():
    # five people, groups a a b b c; ties with weight, a mutual pair and a chain
    source, target, roles = [0, 0, 1, 2, 3, 4, 4], [1, 1, 0, 3, 4, 0, 2], np.array([0, 0, 1, 1, 2])
    pairs = code_pairs([0] * 7, source, target, [0] * 7, roles)
    contrasts = np.random.default_rng(5).normal(size=(4, 3, 3))
    values = []
    for order in permutations(range(5)):
        labels = roles[list(order)]
        values.append([sum(x[labels[i], labels[j]] for i, j in zip(source, target, strict=True)) for x in contrasts])
    mean, variance = label_null().moments(pairs, contrasts)
    assert mean == pytest.approx(np.mean(values, axis=0))
    assert variance == pytest.approx(np.var(values, axis=0))


def test_volume_cells_are_hypergeometric():
    pairs = code_pairs([0] * 6, [0, 0, 1, 2, 3, 3], [2, 3, 0, 1, 0, 1], [0] * 6, np.array([0, 0, 1, 1]))
    seen = count_groups(pairs)
    contrasts = np.zeros((1, 2, 2))
    contrasts[0, 0, 1] = 1
    mean, variance = volume_null().moments(pairs, contrasts)
    exact = stats.hypergeom(6, int(seen[0].sum()), int(seen[:, 1].sum()))
    assert (mean[0], variance[0]) == pytest.approx((exact.mean(), exact.var()))


def allowed(seats, threads, askers):
    """All distinct ways to seat people in threads, nobody twice or in their own."""
    found = set()
    for order in set(permutations(seats)):
        rows = set(zip(threads, order, strict=True))
        if len(rows) == len(seats) and all(p != askers[t] for t, p in rows):
            found.add(frozenset(rows))
    return found


THREADS, SEATS, ASKERS = [0, 0, 0, 1, 1, 2, 2, 3], [1, 2, 3, 0, 1, 0, 2, 5], [0, 3, 4, 1]


def test_participation_draws_are_uniform_over_all_configurations():
    configurations = allowed(SEATS, THREADS, ASKERS)
    assert len(configurations) == 23
    pairs = code_pairs(THREADS, SEATS, [ASKERS[t] for t in THREADS], [0] * 8, np.array([0, 1, 0, 1, 1, 0]))
    draws = list(participation_null().draw(pairs, 6000, np.random.default_rng(6)))
    # every sixth, because draws are a chain
    seen = Counter(frozenset(zip(d.thread.tolist(), d.source.tolist(), strict=True)) for d in draws[::6])
    assert set(seen) == configurations
    assert stats.chisquare([seen[c] for c in configurations]).pvalue > 1e-3


def repaired(rng):
    """Permute, then swap offenders with anybody until nobody sits twice or in their own thread."""
    threads, seats = np.array(THREADS), rng.permutation(SEATS)
    while True:
        twice = np.ones(len(seats), dtype=bool)
        twice[np.unique(threads * 100 + seats, return_index=True)[1]] = False
        bad = np.flatnonzero(twice | (seats == np.array(ASKERS)[threads]))
        if len(bad) == 0:
            return frozenset(zip(threads.tolist(), seats.tolist(), strict=True))
        for i in bad:
            j = rng.integers(len(seats))
            seats[i], seats[j] = seats[j], seats[i]


def test_repairing_a_permutation_is_not_uniform():
    rng = np.random.default_rng(6)
    seen = Counter(repaired(rng) for _ in range(3000))
    assert stats.chisquare([seen[c] for c in allowed(SEATS, THREADS, ASKERS)]).pvalue < 1e-5


def test_people_only_move_within_their_stratum():
    threads = [0, 0, 1, 1, 2, 2, 3, 3]
    pairs = code_pairs(threads, range(8), [8] * 8, [0] * 4 + [1] * 4, np.zeros(9, dtype=int))
    for draw in participation_null().draw(pairs, 20, np.random.default_rng(7)):
        assert set(draw.source[draw.stratum == 0]) == {0, 1, 2, 3}


def test_a_thread_in_two_strata_still_has_nobody_twice():
    # person 0 joins thread 1 in stratum 0, and could be moved into thread 0 where they sit in stratum 1
    threads, people = [0, 1, 0, 1, 2, 2], [1, 0, 0, 2, 1, 3]
    pairs = code_pairs(threads, people, [4] * 6, [0, 0, 1, 1, 1, 0], np.array([0, 1, 0, 1, 0]))
    for draw in participation_null().draw(pairs, 200, np.random.default_rng(8)):
        assert HELD["nobody joins a thread twice or their own"](draw) == (True, True)


def test_the_same_seed_gives_the_same_draws(pairs):
    for name in NULLS:
        first, second = (
            [count_groups(d).tobytes() for d in find_null(name).draw(pairs, 3, np.random.default_rng(9))]
            for _ in range(2)
        )
        assert first == second


def test_fast_counts_are_those_of_the_draws_however_many_processors(pairs, monkeypatch):
    null = participation_null()
    for seats in (1, 50, 10**6):
        monkeypatch.setattr(participants, "_SEATS_PER_PART", seats)
        drawn = np.stack([count_groups(draw) for draw in null.draw(pairs, 9, np.random.default_rng(9))])
        for processors in (1, 4, None):
            monkeypatch.setattr("os.cpu_count", lambda n=processors: n)
            assert (null.count(pairs, 9, np.random.default_rng(9)) == drawn).all()
        assert len({table.tobytes() for table in drawn}) > 4


def test_parts_hold_whole_strata_and_share_no_thread(monkeypatch):
    # threads 1 and 4 lie in two strata each, so strata 0, 1 and 2 belong together; 3 and 4 stand alone
    threads, strata = [0, 1, 1, 2, 3, 4, 4, 5, 6], [0, 0, 1, 3, 1, 1, 2, 4, 3]
    pairs = code_pairs(threads, range(9), [9] * 9, strata, np.zeros(10, dtype=int))
    monkeypatch.setattr(participants, "_SEATS_PER_PART", 1)
    parts = participants._split_rows(pairs)
    assert [sorted(set(pairs.stratum[rows].tolist())) for rows in parts] == [[0, 1, 2], [3], [4]]
    assert sorted(np.concatenate(parts).tolist()) == list(range(9))
    monkeypatch.setattr(participants, "_SEATS_PER_PART", 10)
    assert len(participants._split_rows(pairs)) == 1


def test_draws_of_small_parts_are_uniform_too(monkeypatch):
    # the same forum twice, in two channels: each half walks by itself
    monkeypatch.setattr(participants, "_SEATS_PER_PART", 1)
    threads, people = THREADS + [t + 4 for t in THREADS], SEATS + SEATS
    askers = [ASKERS[t % 4] for t in threads]
    pairs = code_pairs(threads, people, askers, [0] * 8 + [1] * 8, np.array([0, 1, 0, 1, 1, 0]))
    draws = list(participation_null().draw(pairs, 6000, np.random.default_rng(6)))[::6]
    configurations = allowed(SEATS, THREADS, ASKERS)
    halves = []
    for stratum in (0, 1):
        rows = [d.stratum == stratum for d in draws]
        halves.append(
            [
                frozenset(zip((d.thread[r] % 4).tolist(), d.source[r].tolist(), strict=True))
                for d, r in zip(draws, rows, strict=True)
            ]
        )
        seen = Counter(halves[-1])
        assert set(seen) == configurations
        assert stats.chisquare([seen[c] for c in configurations]).pvalue > 1e-3
    code = {c: i for i, c in enumerate(sorted(configurations, key=sorted))}
    left, right = ([code[c] for c in half] for half in halves)
    assert 0.01 < np.mean(np.array(left) == np.array(right)) < 0.1


def test_an_unknown_null_is_refused():
    with pytest.raises(sna.SnaError, match="label permutation"):
        find_null("shuffle")
