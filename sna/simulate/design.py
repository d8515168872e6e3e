"""The design of a synthetic forum, and what was planted in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

import polars as pl

from sna.errors import ParameterError
from sna.forum import Forum

ROLES = ("Engineering", "Operations", "Sales", "Support", "Research", "People", "Finance", "Legal")
DEPARTMENTS = ("Pumps", "Valves", "Sensors", "Services", "Logistics", "Controls", "Materials", "Corporate")
SITES = ("Alderby", "Brunnau", "Castelmar", "Dunvik", "Estrow", "Fallowe")


@dataclass(frozen=True)
class Campaign:
    """One campaign. ``lift`` multiplies the arrival of threads while it runs, then fades over ``fade_weeks``."""

    name: str
    kind: str
    start_week: float
    n_weeks: float = 2.0
    lift: float = 2.0
    fade_weeks: float = 2.0
    audience: str = "everyone"


@dataclass(frozen=True)
class Design:
    """Every number that shapes a synthetic forum. Defaults: a clean forum without nuisances.

    Attributes
    ----------
    n_people, n_threads, n_weeks, n_spaces, n_roles, n_departments, n_sites
        Sizes. Bots and their threads come on top.
    start
        First moment; the export happens ``n_weeks`` later (minus ``censored_weeks``).
    joiner_share, leaver_share, role_change_share, silent_share
        Shares of people who join later, leave earlier, change role once, never post. Joining, leaving and changing
        happen on the first of a month, and everything personal is constant within a month.
    role_activity, level_activity
        Spread of log activity between roles (standard deviation), and log activity per level step.
    presence_spread, competence_spread
        Standard deviation of log presence (time spent reading) and of log competence per person and space.
    space_role_alignment, channel_concentration
        Chance that a person's home space is that of the role; share of attention that goes to the home space.
    champion_share, champion_factor, champion_quality, theta_shape
        Share of planted champions; their mean multiplier theta on the rate of responding; their advantage in log-odds
        of being accepted. Everybody else has theta ~ Gamma(theta_shape), mean 1 (``inf``: exactly 1).
    loud_share, loud_factor
        Decoys: people who start more threads and join more discussions, but answer no more questions.
    role_preference, role_preference_later, changes_at
        Log-odds preference for responding to one's own role; its value from the first month
        after the share ``changes_at`` of the time.
    role_weeks, role_hours, role_growth
        Roles that are active at different times: spread of log activity of each role from week to week (standard
        deviation); share of activity bound to the role's own shift of eight hours (0: none, 1: all); activity of the
        smallest role at the end as a multiple of that at the start.
    late_roles, late_at
        Number of roles (the smallest) whose people join only at this share of the time, on the first of a month.
    presence_drift
        Standard deviation, from one month to the next, of the log presence of each person.
    thread_growth, interest_spread
        Mean responders at the end as a multiple of those at the start; standard deviation of the log pull of threads.
    pair_preference
        Further log-odds by (role that starts the thread, role that responds).
    level_gap, upward
        Log-odds per level step of distance, and further per step when the one who started is the more senior.
    replies_per_thread, question_share, social_share, acceptance
        Mean responders at theta = 1; share of threads that ask; share of the others that are social; chance that a
        question with an answer of average quality has one accepted.
    burst, reply_to_last, likes_per_post, mention_share
        Chance of each further turn between asker and responder; chance that a discussion reply answers the previous
        one; mean likes; share of responses that mention the asker.
    answer_hours, novelty_floor, novelty_weeks, campaigns, office_hours
        Median time to a response; threads arrive at floor + (1 - floor) exp(-t / novelty_weeks), times campaigns,
        times office hours.
    adoption, retention, comeback, frailty_spread, reply_effect, catalysis
        Monthly chance that a person who has not started starts; that an active person stays (None: always); that a
        lapsed one returns; standard deviation of personal log-odds; log-odds added when a thread of one's own was
        answered, and further when, in a newcomer's first month, a champion answered it.
    n_bots, channel_error, opportunity_error, missing_role_share, missing_parent_share, deleted_share
        Nuisances of the record: accounts that post by themselves; share of threads filed in a wrong space; log
        standard deviation of recorded views per person; shares without role, without parent, deleted.
    opt_out_share, censored_weeks
        Share of people who opted out; weeks by which the export is early.
    """

    n_people: int = 240
    n_threads: int = 350
    n_weeks: int = 26
    n_spaces: int = 6
    n_roles: int = 5
    n_departments: int = 4
    n_sites: int = 3
    start: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    joiner_share: float = 0.0
    leaver_share: float = 0.0
    role_change_share: float = 0.0
    silent_share: float = 0.1
    role_activity: float = 0.5
    level_activity: float = 0.0
    presence_spread: float = 0.6
    competence_spread: float = 0.3
    space_role_alignment: float = 0.7
    channel_concentration: float = 0.6
    champion_share: float = 0.04
    champion_factor: float = 4.0
    champion_quality: float = 0.9
    theta_shape: float = 3.0
    loud_share: float = 0.0
    loud_factor: float = 5.0
    role_preference: float = 0.0
    role_preference_later: float | None = None
    changes_at: float = 0.5
    role_weeks: float = 0.0
    role_hours: float = 0.0
    role_growth: float = 1.0
    late_roles: int = 0
    late_at: float = 0.75
    presence_drift: float = 0.0
    thread_growth: float = 1.0
    interest_spread: float = 0.6
    pair_preference: Mapping[tuple[str, str], float] = field(default_factory=dict)
    level_gap: float = 0.0
    upward: float = 0.0
    replies_per_thread: float = 3.0
    question_share: float = 0.6
    social_share: float = 0.3
    acceptance: float = 0.5
    burst: float = 0.3
    reply_to_last: float = 0.3
    likes_per_post: float = 0.4
    mention_share: float = 0.05
    answer_hours: float = 4.0
    novelty_floor: float = 1.0
    novelty_weeks: float = 6.0
    campaigns: tuple[Campaign, ...] = ()
    office_hours: bool = True
    adoption: float = 1.0
    retention: float | None = None
    comeback: float = 0.05
    frailty_spread: float = 0.7
    reply_effect: float = 0.5
    catalysis: float = 0.0
    n_bots: int = 0
    channel_error: float = 0.0
    opportunity_error: float = 0.0
    missing_role_share: float = 0.0
    missing_parent_share: float = 0.0
    deleted_share: float = 0.0
    opt_out_share: float = 0.0
    censored_weeks: float = 0.0

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} is at least 1.", got=f"Got {getattr(self, name)!r}.")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} is between 0 and 1.", got=f"Got {getattr(self, name)!r}.")
        for name, most in (("n_roles", ROLES), ("n_departments", DEPARTMENTS), ("n_sites", SITES)):
            if getattr(self, name) > len(most):
                raise ParameterError(f"{name} is at most {len(most)}.", got=f"Got {getattr(self, name)}.")
        if self.n_people < 4 + self.n_departments:
            raise ParameterError(
                "A forum needs a head for each department and somebody to lead.",
                got=f"Got {self.n_people} people, {self.n_departments} departments.",
                hint="make n_people at least n_departments + 4",
            )
        strange = sorted({role for pair in self.pair_preference for role in pair} - set(self.roles))
        if strange:
            raise ParameterError(f"pair_preference is by role, of {', '.join(self.roles)}.", got=f"Got {strange}.")
        if self.silent_share > 0.9:
            raise ParameterError("silent_share is at most 0.9: somebody must talk.", got=f"Got {self.silent_share}.")
        self._check_growth()
        if not 0 <= self.censored_weeks < self.n_weeks:
            raise ParameterError("censored_weeks is less than n_weeks.", got=f"Got {self.censored_weeks!r}.")

    def _check_growth(self) -> None:
        if not 0 <= self.late_roles < self.n_roles:
            raise ParameterError("late_roles is less than n_roles.", got=f"Got {self.late_roles}.")
        if self.role_growth <= 0 or self.thread_growth <= 0:
            raise ParameterError("Growth is more than 0.", got=f"Got {self.role_growth}, {self.thread_growth}.")

    @property
    def end(self) -> datetime:
        """The moment of the export: nothing after it is known."""
        return self.start + timedelta(weeks=self.n_weeks - self.censored_weeks)

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles."""
        return ROLES[: self.n_roles]


_POSITIVE = ("n_people", "n_threads", "n_weeks", "n_spaces", "n_roles", "n_departments", "n_sites")
_CHANCES: tuple[str, ...] = (
    "acceptance",
    "adoption",
    "burst",
    "changes_at",
    "channel_concentration",
    "channel_error",
    "comeback",
)
_CHANCES += ("late_at", "novelty_floor", "reply_to_last", "role_hours", "space_role_alignment")
_SHARES = (*(f.name for f in fields(Design) if f.name.endswith("_share")), *_CHANCES)


@dataclass(frozen=True)
class Truth:
    """What was planted, in tables.

    Attributes
    ----------
    champions
        Ids of the planted champions, sorted.
    people
        ``person_id, is_champion, theta, is_loud, is_silent, presence, helpfulness, frailty, home_space,
        expected_answers, n_answers, expected_views``: ``expected_answers`` is the exact expected number of threads
        responded to had theta been 1 and no preference been planted.
    affinity
        ``person_id, space, affinity, competence``: share of attention and competence, one row per membership.
    threads
        ``thread_id, space, asker_id, started_at, is_question, is_social, n_responders, first_responder_id,
        first_wait_hours, wait_without_first_hours``: the true space, and the potential outcome of the waiting time had
        the first responder not been there (responders act independently, so it is the second one's time; null when
        nobody else came). Times are not censored.
    misfiled
        Ids of threads recorded in a wrong space.
    role_preference
        The log-odds planted before and after ``changed_at``, the first of a month (the end, when nothing changes).
    design
        All parameters, nuisances included.
    """

    champions: tuple[str, ...]
    people: pl.DataFrame
    affinity: pl.DataFrame
    threads: pl.DataFrame
    misfiled: tuple[str, ...]
    role_preference: tuple[float, float]
    changed_at: datetime
    design: Design


@dataclass(frozen=True)
class Simulation:
    """A synthetic forum and the truth behind it."""

    forum: Forum
    truth: Truth


def logit(share: float) -> float:
    """Log-odds of a share strictly between 0 and 1; the ends are moved in by 1e-9."""
    inside = min(max(share, 1e-9), 1 - 1e-9)
    return math.log(inside / (1 - inside))
