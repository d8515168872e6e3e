"""From the simulated world to the tables an export would hold, nuisances included, and to the truth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from sna.forum import Source, build_forum
from sna.schema import CAMPAIGNS, CAPABILITIES, TIME
from sna.simulate.clock import month_hours, to_times
from sna.simulate.conversation import Talk, World, change_hour
from sna.simulate.design import DEPARTMENTS, SITES, Design, Simulation, Truth
from sna.simulate.org import Staff
from sna.simulate.posts import Posts, draw_accepted, draw_likes, kind_names, texts_of
from sna.simulate.words import make_names, space_names
from sna.types import Bools, Floats, Ints

_VIEWS_PER_THREAD = 2.0


def make_record(world: World, posts: Posts, *, rng: np.random.Generator) -> Simulation:
    """Write down the world."""
    design, staff, talk = world.design, world.staff, world.talk
    person_ids = make_ids("p", design.n_people)
    filed, misfiled = _file_threads(design, posts, rng=rng)
    frame = _posts(design, posts, filed, person_ids, rng=rng)
    expected_views = _expected_views(design, staff, talk)
    forum = build_forum(
        posts=frame,
        people=_people(design, staff, posts, person_ids, rng=rng),
        roles=_roles(design, staff, person_ids, rng=rng),
        mentions=_mentions(design, talk, posts, person_ids, rng=rng),
        signals=_signals(world, posts, person_ids, rng=rng),
        events=_views(design, expected_views, person_ids, rng=rng),
        memberships=_memberships(design, staff, person_ids),
        campaigns=_campaigns(design),
        source=_source(design),
    )
    return Simulation(forum, _truth(design, staff, talk, misfiled, expected_views.sum(axis=0), person_ids))


def make_ids(letter: str, n: int) -> list[str]:
    """Ids of equal length: p001, p002, ..."""
    width = len(str(n))
    return [f"{letter}{i:0{width}d}" for i in range(1, n + 1)]


def _pick(values: Sequence[str], rows: Ints) -> pl.Series:
    return pl.Series(list(values), dtype=pl.String).gather(rows)


def _times(design: Design, hours: Floats) -> pl.Series:
    return pl.Series(to_times(design, hours)).dt.replace_time_zone("UTC").cast(TIME)


def _author_ids(design: Design, person_ids: list[str]) -> list[str]:
    return person_ids + [f"bot-{i + 1}" for i in range(design.n_bots)]


def _people(
    design: Design, staff: Staff, posts: Posts, person_ids: list[str], *, rng: np.random.Generator
) -> pl.DataFrame:
    """People and bots; whoever posted after the month of leaving left after that post."""
    months = np.append(month_hours(design), np.nan)
    last = np.full(design.n_people + design.n_bots, -np.inf)
    np.maximum.at(last, posts.author, posts.at)
    left = np.fmax(months[staff.left], np.where(np.isnan(months[staff.left]), np.nan, last[: design.n_people] + 1))
    none = np.full(design.n_bots, np.nan)
    tenure = -24.0 * np.round(rng.gamma(2, 700, design.n_people))
    joined = np.where(staff.joined > 0, months[staff.joined], tenure)
    opted = np.zeros(design.n_people + design.n_bots, dtype=bool)
    opted[rng.permutation(design.n_people)[: round(design.opt_out_share * design.n_people)]] = True
    names = make_names(design.n_people, rng=rng) + [f"Helper Bot {i + 1}" for i in range(design.n_bots)]
    return pl.DataFrame(
        {
            "person_id": _author_ids(design, person_ids),
            "name": names,
            "kind": ["human"] * design.n_people + ["bot"] * design.n_bots,
            "joined_at": _times(design, np.append(joined, none)),
            "left_at": _times(design, np.append(left, none)),
            "opt_out": opted,
        }
    )


def _roles(design: Design, staff: Staff, person_ids: list[str], *, rng: np.random.Generator) -> pl.DataFrame:
    """Spells of role, department, level, location and manager, from joining to leaving."""
    hidden = np.zeros(design.n_people, dtype=bool)
    hidden[rng.permutation(design.n_people)[: round(design.missing_role_share * design.n_people)]] = True
    last = staff.role.shape[1] - 1
    moved = np.where(staff.moved <= last, staff.moved, -1)
    after = np.maximum(moved, 0)
    rows = np.arange(design.n_people)
    early = np.where(moved >= 0, np.maximum(after - 1, 0), 0)
    parts = []
    for name, values, table in (("role", design.roles, staff.role), ("department", DEPARTMENTS, staff.department)):
        before, later = _pick(values, table[rows, early]), _pick(values, table[rows, after])
        keep = ~hidden if name == "role" else np.ones_like(hidden)
        parts += _spells(design, staff, name, before, later, moved, keep, person_ids)
    level, site = (staff.level.astype(str), np.array(SITES)[staff.site])
    for name, fixed in (("level", level), ("location", site)):
        value = pl.Series(fixed.tolist())
        parts += _spells(design, staff, name, value, value, moved, np.ones_like(hidden), person_ids)
    ids = [*person_ids, ""]
    before, later = _pick(ids, staff.manager), _pick(ids, staff.manager_later)
    parts += _spells(design, staff, "manager", before, later, moved, staff.manager >= 0, person_ids)
    return pl.concat(parts)


def _spells(
    design: Design,
    staff: Staff,
    name: str,
    before: pl.Series,
    later: pl.Series,
    moved: Ints,
    keep: Bools,
    person_ids: list[str],
) -> list[pl.DataFrame]:
    """One spell per person, or two for those whose value changes."""
    months = np.append(month_hours(design), np.nan)
    begin = np.where(staff.joined > 0, months[staff.joined], np.nan)
    changes = (moved >= 0) & (before != later).to_numpy()
    first = pl.DataFrame(
        {
            "person_id": person_ids,
            "attribute": [name] * len(person_ids),
            "value": before,
            "valid_from": _times(design, begin),
            "valid_to": _times(design, np.where(changes, months[moved], np.nan)),
            "basis": ["effective_dated"] * len(person_ids),
        }
    )
    second = first.with_columns(value=later, valid_from=_times(design, months[moved]), valid_to=pl.lit(None, TIME))
    return [first.filter(pl.Series(keep)), second.filter(pl.Series(keep & changes))]


def _file_threads(design: Design, posts: Posts, *, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Recorded space of every thread, and the rows of threads filed wrongly."""
    n = int(posts.thread.max()) + 1
    space = np.zeros(n, dtype=np.int64)
    space[posts.thread] = posts.space
    wrong = (rng.random(n) < design.channel_error) & (design.n_spaces > 1) & (np.arange(n) < design.n_threads)
    elsewhere = (space + rng.integers(1, max(design.n_spaces, 2), n)) % design.n_spaces
    return np.where(wrong, elsewhere, space), np.flatnonzero(wrong)


def _posts(
    design: Design, posts: Posts, filed: Ints, person_ids: list[str], *, rng: np.random.Generator
) -> pl.DataFrame:
    title, text = texts_of(posts, rng=rng)
    ids = pl.Series(make_ids("m", posts.size), dtype=pl.String)
    lost = (posts.parent >= 0) & (rng.random(posts.size) < design.missing_parent_share)
    deleted = rng.random(posts.size) < design.deleted_share
    gone = np.where(deleted, posts.at + rng.exponential(48, posts.size), np.nan)
    gone[gone >= (design.end - design.start).total_seconds() / 3600] = np.nan
    linked = (posts.parent >= 0) & ~lost
    parent = ids.gather(np.where(linked, posts.parent, 0))
    threads = make_ids("t", int(posts.thread.max()) + 1)
    return pl.DataFrame(
        {
            "post_id": ids,
            "thread_id": _pick(threads, posts.thread),
            "parent_id": pl.select(pl.when(pl.Series(linked)).then(parent)).to_series(),
            "parent_basis": _pick(("none", "explicit"), linked.astype(np.int64)),
            "author_id": _pick(_author_ids(design, person_ids), posts.author),
            "created_at": _times(design, posts.at),
            "space": _pick(space_names(design.n_spaces), filed[posts.thread]),
            "kind": kind_names(posts),
            "title": title,
            "text": text,
            "deleted_at": _times(design, gone),
        }
    ).with_columns(pl.when(pl.col("deleted_at").is_null()).then(pl.col("text")).alias("text"))


def _mentions(
    design: Design, talk: Talk, posts: Posts, person_ids: list[str], *, rng: np.random.Generator
) -> pl.DataFrame:
    """Some responses mention who started the thread."""
    able = (posts.parent >= 0) & (posts.author < design.n_people) & (posts.thread < design.n_threads)
    able &= posts.author != talk.asker[np.minimum(posts.thread, design.n_threads - 1)]
    rows = np.flatnonzero(able & (rng.random(posts.size) < design.mention_share))
    ids = make_ids("m", posts.size)
    return pl.DataFrame(
        {
            "post_id": _pick(ids, rows),
            "person_id": _pick(person_ids, talk.asker[posts.thread[rows]]),
            "basis": ["structured"] * len(rows),
        }
    )


def _signals(world: World, posts: Posts, person_ids: list[str], *, rng: np.random.Generator) -> pl.DataFrame:
    """Acceptances by askers and likes by readers."""
    design, talk = world.design, world.talk
    accepted, accepted_at = draw_accepted(world, posts, rng=rng)
    liked, fan, liked_at = draw_likes(world, posts, rng=rng)
    ids = make_ids("m", posts.size)
    kinds = ["accept"] * len(accepted) + ["like"] * len(liked)
    return pl.DataFrame(
        {
            "post_id": _pick(ids, np.concatenate([accepted, liked])),
            "person_id": _pick(person_ids, np.concatenate([talk.asker[posts.thread[accepted]], fan])),
            "kind": pl.Series(kinds, dtype=pl.String),
            "at": _times(design, np.concatenate([accepted_at, liked_at])),
        }
    )


def _expected_views(design: Design, staff: Staff, talk: Talk) -> Floats:
    """Expected thread views by week and person: presence x affinity x threads of the week, while employed."""
    weeks = int(np.ceil((design.end - design.start) / timedelta(weeks=1)))
    threads = np.zeros((weeks, design.n_spaces))
    np.add.at(threads, (np.minimum(talk.start // 168, weeks - 1).astype(np.int64), talk.space), 1)
    month = np.searchsorted(month_hours(design), np.arange(weeks) * 168.0, side="right") - 1
    present = np.stack([staff.present(int(m)) for m in month])
    there = present & (talk.engaged[:, month].T | staff.silent)
    return _VIEWS_PER_THREAD * (threads @ staff.affinity.T) * staff.presence * there


def _views(design: Design, expected: Floats, person_ids: list[str], *, rng: np.random.Generator) -> pl.DataFrame:
    """Views per person and week, recorded with a personal error when there is an opportunity error."""
    error = np.exp(rng.normal(0, 1, expected.shape[1]) * design.opportunity_error)
    n = rng.poisson(expected * error)
    week, person = np.nonzero(n)
    at = np.minimum(week * 168.0 + 84, (design.end - design.start).total_seconds() / 3600 - 1e-3)
    return pl.DataFrame(
        {
            "person_id": _pick(person_ids, person),
            "kind": pl.repeat("view", len(week), eager=True, dtype=pl.String),
            "at": _times(design, at),
            "n": n[week, person].astype(np.int64),
        }
    )


def _memberships(design: Design, staff: Staff, person_ids: list[str]) -> pl.DataFrame:
    person, space = np.nonzero(staff.affinity > 0)
    months = np.append(month_hours(design), np.nan)
    begin = np.where(staff.joined > 0, months[staff.joined], np.nan)
    return pl.DataFrame(
        {
            "person_id": _pick(person_ids, person),
            "space": _pick(space_names(design.n_spaces), space),
            "valid_from": _times(design, begin[person]),
            "valid_to": _times(design, months[staff.left][person]),
        }
    )


def _campaigns(design: Design) -> pl.DataFrame:
    rows = [
        {
            "campaign_id": f"c{i + 1}",
            "name": campaign.name,
            "kind": campaign.kind,
            "starts_at": design.start + timedelta(weeks=campaign.start_week),
            "ends_at": design.start + timedelta(weeks=campaign.start_week + campaign.n_weeks),
            "audience": campaign.audience,
        }
        for i, campaign in enumerate(design.campaigns)
    ]
    return pl.DataFrame(rows, schema=CAMPAIGNS.schema)


def _source(design: Design) -> Source:
    capabilities = {**dict.fromkeys(CAPABILITIES, "yes"), "edits": "no", "logins": "no", "platform_role": "no"}
    return Source("simulated", coverage="synthetic", capabilities=capabilities, exported_at=design.end)


def _truth(
    design: Design, staff: Staff, talk: Talk, misfiled: Ints, expected_views: Floats, person_ids: list[str]
) -> Truth:
    after = design.role_preference if design.role_preference_later is None else design.role_preference_later
    spaces = space_names(design.n_spaces)
    people = pl.DataFrame(
        {
            "person_id": person_ids,
            "is_champion": staff.champion,
            "theta": staff.theta,
            "is_loud": staff.loud,
            "is_silent": staff.silent,
            "presence": staff.presence,
            "helpfulness": staff.helpfulness,
            "frailty": staff.frailty,
            "home_space": _pick(spaces, staff.home),
            "expected_answers": np.maximum(talk.expected, 0.0),
            "n_answers": np.bincount(talk.person, minlength=design.n_people),
            "expected_views": expected_views,
        }
    )
    thread_ids = make_ids("t", design.n_threads)
    return Truth(
        champions=tuple(person_ids[i] for i in np.flatnonzero(staff.champion)),
        people=people,
        affinity=_affinity(staff, spaces, person_ids),
        threads=_threads(design, talk, thread_ids, person_ids),
        misfiled=tuple(thread_ids[i] for i in misfiled),
        role_preference=(design.role_preference, after),
        changed_at=min(design.start + timedelta(hours=min(change_hour(design), 1e6)), design.end),
        design=design,
    )


def _affinity(staff: Staff, spaces: list[str], person_ids: list[str]) -> pl.DataFrame:
    person, space = np.nonzero(staff.affinity > 0)
    return pl.DataFrame(
        {
            "person_id": _pick(person_ids, person),
            "space": _pick(spaces, space),
            "affinity": staff.affinity[person, space],
            "competence": staff.competence[person, space],
        }
    )


def _threads(design: Design, talk: Talk, thread_ids: list[str], person_ids: list[str]) -> pl.DataFrame:
    n = design.n_threads
    counts = np.bincount(talk.thread, minlength=n)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    first = np.where(counts > 0, starts, 0)
    second = np.where(counts > 1, starts + 1, 0)
    at, who = np.append(talk.at, np.nan), np.append(talk.person, 0)
    return pl.DataFrame(
        {
            "thread_id": thread_ids,
            "space": _pick(space_names(design.n_spaces), talk.space),
            "asker_id": _pick(person_ids, talk.asker),
            "started_at": _times(design, talk.start),
            "is_question": talk.is_question,
            "is_social": talk.is_social,
            "n_responders": counts,
            "first_responder_id": _pick(person_ids, who[first]),
            "first_wait_hours": at[first] - talk.start,
            "wait_without_first_hours": at[second] - talk.start,
        }
    ).with_columns(
        pl.when(pl.col("n_responders") > 0).then(pl.col("first_responder_id", "first_wait_hours")),
        pl.when(pl.col("n_responders") > 1).then(pl.col("wait_without_first_hours")),
    )
