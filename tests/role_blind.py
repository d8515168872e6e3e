"""Forums whose people choose threads without minding roles (or with a stated preference), as coded pairs.

Roles differ in how much and in which channels people take part, which is what fools the simpler nulls: 240 people in
four roles, six channels, each role at home in some of them, log-normal activity with a mean that depends on role.
"""

import numpy as np
import polars as pl

from sna.mixing.pairs import NO_TIME, Pairs

ROLES = np.repeat(np.arange(4), [96, 72, 48, 24])
HOME = np.array([[0, 1], [2, 3], [4, 5], [0, 5]])
ACTIVITY = np.array([0.0, 0.4, -0.3, 0.6])


def make_blind_forum(
    rng,
    *,
    delta=0.0,
    n_threads=350,
    channels=True,
    people_error=0.0,
    channel_error=0.0,
    bursts=False,
):
    """Threads with an asker and the people who joined; ``delta`` multiplies the odds of one's own role by exp(delta).

    ``channel_error`` of threads are recorded in a random channel; ``people_error`` is the spread (log scale) of how
    people's habits drift between two halves of the period, which the strata do not know about.
    """
    n = len(ROLES)
    activity = np.exp(rng.normal(ACTIVITY[ROLES], 1.0))
    affinity = rng.dirichlet(np.full(6, 0.5), n)
    if channels:
        home = HOME[ROLES, rng.integers(0, 2, n)]
        affinity = 0.4 * affinity
        affinity[np.arange(n), home] += 0.6
    rate = activity[:, None] * affinity
    drift = np.exp(rng.normal(0, people_error, rate.shape)) if people_error else np.ones_like(rate)
    channel = rng.integers(0, 6, n_threads)
    rows = []
    for thread in range(n_threads):
        weight = rate[:, channel[thread]] * (drift[:, channel[thread]] if thread >= n_threads // 2 else 1.0)
        asker = rng.choice(n, p=weight / weight.sum())
        weight = weight * np.exp(delta * (ROLES[asker] == ROLES))
        weight[asker] = 0.0
        size = min(1 + rng.geometric(1 / (6.0 if bursts and rng.random() < 0.1 else 3.0)), 40)
        joiners = np.argpartition(rng.exponential(size=n) / np.maximum(weight, 1e-12), size)[:size]
        rows.append(np.stack([np.full(size, thread), joiners, np.full(size, asker)]))
    thread, source, target = np.concatenate(rows, axis=1)
    wrong = rng.random(n_threads) < channel_error
    recorded = np.where(wrong, rng.integers(0, 6, n_threads), channel)
    return code_pairs(thread, source, target, recorded[thread], ROLES)


def code_pairs(thread, source, target, stratum, roles):
    """Coded pairs from plain arrays; ``roles`` is the group code of each person."""
    roles = np.asarray(roles)
    thread, stratum = np.asarray(thread, dtype=np.int64), np.asarray(stratum, dtype=np.int64)
    n_threads = int(thread.max()) + 1
    return Pairs(
        source=np.asarray(source, dtype=np.int64),
        target=np.asarray(target, dtype=np.int64),
        source_group=roles[source].astype(np.int64),
        target_group=roles[target].astype(np.int64),
        at=np.full(len(stratum), NO_TIME),
        space=stratum,
        period=np.zeros_like(stratum),
        hour=np.zeros_like(stratum),
        stratum=stratum,
        thread=thread,
        groups=tuple("abcdefgh"[: roles.max() + 1]),
        people=pl.Series([f"p{i:04d}" for i in range(len(roles))]),
        threads=pl.Series([f"t{i:05d}" for i in range(n_threads)]),
        started=pl.Series(range(n_threads), dtype=pl.Datetime("us", "UTC")),
    )
