"""The people of a synthetic forum: organisation, dispositions, attention to spaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sna.simulate.clock import list_months
from sna.simulate.design import Design
from sna.types import Bools, Floats, Ints

_LEAST_AFFINITY = 0.03
_LEVEL_SHARES = (0.82, 0.13, 0.05)


@dataclass(frozen=True)
class Staff:
    """Arrays over people (row = person). ``role`` and ``department`` have one column per month.

    ``joined`` and ``left`` are month numbers (``left`` = number of months for those who stay); ``manager`` is a row
    number before and after the change at month ``moved``, -1 for nobody.
    """

    role: Ints
    department: Ints
    level: Ints
    site: Ints
    manager: Ints
    manager_later: Ints
    moved: Ints
    joined: Ints
    left: Ints
    silent: Bools
    champion: Bools
    loud: Bools
    theta: Floats
    presence: Floats
    asking: Floats
    helpfulness: Floats
    frailty: Floats
    home: Ints
    affinity: Floats
    competence: Floats

    def present(self, month: int) -> Bools:
        """Who is employed in a month."""
        return (self.joined <= month) & (month < self.left)


def make_staff(design: Design, *, rng: np.random.Generator) -> Staff:
    """Draw everybody."""
    n, months = design.n_people, len(list_months(design))
    department, level = _draw_places(design, rng=rng)
    role = rng.choice(design.n_roles, n, p=_role_shares(design.n_roles))
    joined, left = _draw_tenure(design, level, months, rng=rng)
    joined[role >= design.n_roles - design.late_roles] = min(int(np.ceil(design.late_at * months)), months - 1)
    left = np.maximum(left, np.minimum(joined + 1, months))
    moved = _draw_moves(design, level, joined, left, rng=rng)
    role_later = (role + rng.integers(1, max(design.n_roles, 2), n)) % design.n_roles
    department_later = np.where(rng.random(n) < 0.5, rng.integers(0, design.n_departments, n), department)
    after = np.arange(months)[None, :] >= moved[:, None]
    manager = _draw_managers(department, level, rng=rng)
    elsewhere = _draw_managers(np.where(moved < months, department_later, department), level, rng=rng)
    silent = _draw_share(design.silent_share, np.ones(n, dtype=bool), rng=rng)
    champion = _draw_share(design.champion_share, ~silent, rng=rng)
    home = _draw_homes(design, role, rng=rng)
    return Staff(
        role=np.where(after, role_later[:, None], role[:, None]),
        department=np.where(after, department_later[:, None], department[:, None]),
        level=level,
        site=rng.choice(design.n_sites, n),
        manager=manager,
        manager_later=np.where(department_later == department, manager, elsewhere),
        moved=moved,
        joined=joined,
        left=left,
        silent=silent,
        champion=champion,
        loud=_draw_share(design.loud_share, ~silent & ~champion, rng=rng),
        theta=_draw_theta(design, champion, rng=rng),
        presence=_draw_presence(design, role, level, rng=rng),
        asking=np.exp(rng.normal(0, 0.8, n) - 0.3 * design.role_activity * _role_scores(design.n_roles)[role]),
        helpfulness=rng.normal(0, 0.5, n) + design.champion_quality * champion,
        frailty=rng.normal(0, 1, n) * design.frailty_spread,
        home=home,
        affinity=_draw_affinity(design, home, rng=rng),
        competence=np.exp(rng.normal(0, 1, (n, design.n_spaces)) * design.competence_spread),
    )


def _role_shares(n: int) -> Floats:
    shares = 0.6 ** np.arange(n)
    return shares / shares.sum()


def _role_scores(n: int) -> Floats:
    """Standardised scores, in an order that is not that of the roles' sizes."""
    scores = np.sin(2.0 * np.arange(n) + 1)
    spread = scores.std()
    return (scores - scores.mean()) / (spread if spread else 1.0)


def _draw_share(share: float, eligible: Bools, *, rng: np.random.Generator) -> Bools:
    """Mark a fixed number of eligible people: the share of everybody, rounded."""
    marked = np.zeros(len(eligible), dtype=bool)
    rows = np.flatnonzero(eligible)
    size = min(round(share * len(eligible)), len(rows))
    marked[rng.permutation(rows)[:size]] = True
    return marked


def _draw_places(design: Design, *, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Department and level (5 = head of all, 4 = head of a department, 1 = staff) of everybody."""
    n, d = design.n_people, design.n_departments
    department = rng.integers(0, d, n)
    level = 1 + rng.choice(3, n, p=_LEVEL_SHARES)
    heads = rng.permutation(n)[: d + 1]
    level[heads[0]], level[heads[1:]] = 5, 4
    department[heads[1:]] = np.arange(d)
    return department, level


def _draw_managers(department: Ints, level: Ints, *, rng: np.random.Generator) -> Ints:
    """A manager of the next level up in the same department; heads of departments report to the head of all."""
    manager = np.full(len(level), -1)
    top = int(np.argmax(level))
    manager[level == 4] = top
    for unit in np.unique(department):
        for rank in (1, 2, 3):
            rows = np.flatnonzero((department == unit) & (level == rank))
            above = np.flatnonzero((department == unit) & (level > rank) & (level < 5))
            above = above[level[above] == level[above].min()] if len(above) else np.array([top])
            manager[rows] = rng.choice(above, len(rows))
    return manager


def _draw_tenure(design: Design, level: Ints, months: int, *, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Months of joining and leaving; only staff without reports come and go."""
    n, staff = design.n_people, level == 1
    joined, left = np.zeros(n, dtype=np.int64), np.full(n, months)
    if months < 2:
        return joined, left
    joins = _draw_share(design.joiner_share, staff, rng=rng)
    joined[joins] = rng.integers(1, months, joins.sum())
    leaves = _draw_share(design.leaver_share, staff & (joined < months - 1), rng=rng)
    left[leaves] = rng.integers(joined[leaves] + 1, months)
    return joined, left


def _draw_moves(design: Design, level: Ints, joined: Ints, left: Ints, *, rng: np.random.Generator) -> Ints:
    """Month in which a person changes role; beyond the last month for those who do not."""
    moved = np.full(design.n_people, np.iinfo(np.int64).max)
    changes = _draw_share(design.role_change_share, (level == 1) & (left - joined > 1), rng=rng)
    if design.n_roles > 1:
        moved[changes] = rng.integers(joined[changes] + 1, left[changes])
    return moved


def _draw_homes(design: Design, role: Ints, *, rng: np.random.Generator) -> Ints:
    anywhere = rng.integers(0, design.n_spaces, design.n_people)
    aligned = rng.random(design.n_people) < design.space_role_alignment
    return np.where(aligned, role % design.n_spaces, anywhere)


def _draw_affinity(design: Design, home: Ints, *, rng: np.random.Generator) -> Floats:
    """Share of attention by space: the home's part, the rest spread unevenly; small shares become none."""
    n, c = design.n_people, design.n_spaces
    if design.channel_concentration == 0:
        return np.full((n, c), 1 / c)
    rest = rng.dirichlet(np.full(c, 4 / c), n)
    affinity = (1 - design.channel_concentration) * rest
    affinity[np.arange(n), home] += design.channel_concentration
    affinity[affinity < _LEAST_AFFINITY] = 0
    return affinity / affinity.sum(axis=1, keepdims=True)


def _draw_theta(design: Design, champion: Bools, *, rng: np.random.Generator) -> Floats:
    n = design.n_people
    shape = design.theta_shape
    others = np.ones(n) if np.isinf(shape) else rng.gamma(shape, 1 / shape, n)
    return np.where(champion, rng.gamma(20, design.champion_factor / 20, n), others)


def _draw_presence(design: Design, role: Ints, level: Ints, *, rng: np.random.Generator) -> Floats:
    scores = _role_scores(design.n_roles)[role]
    spread = design.presence_spread
    explained = design.role_activity * scores + design.level_activity * (level - 1)
    return np.exp(explained + rng.normal(0, 1, design.n_people) * spread - spread**2 / 2)
