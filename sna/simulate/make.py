"""Make a synthetic forum with planted champions and planted (or absent) role preferences, and the truth behind it.

Model: METHODS "competing clocks". See `Design` for every parameter and `Truth` for what comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from sna.errors import ParameterError
from sna.simulate.clock import make_clock
from sna.simulate.conversation import World, make_talk
from sna.simulate.design import Design, Simulation
from sna.simulate.org import make_staff
from sna.simulate.posts import make_posts
from sna.simulate.record import make_record

_BLIND: dict[str, Any] = {"silent_share": 0.0, "champion_share": 0.0, "role_preference": 0.0}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "role_blind": {**_BLIND, "channel_concentration": 0.0, "burst": 0.0},
    "role_blind_channels": {**_BLIND, "burst": 0.0},
    "role_blind_bursts": {**_BLIND, "burst": 0.6},
    "champions_rich": {"n_people": 1500, "n_threads": 8000, "n_weeks": 52, "champion_factor": 4.0},
    "champions_sparse": {"n_people": 1500, "n_threads": 1500, "n_weeks": 52, "champion_factor": 4.0},
}
"""Named designs for calibration: ``make_forum(**PRESETS["role_blind_channels"], rng=1)``.

The role-blind ones plant no preference; roles differ in how much they take part (all), in where (``channels``) and
pairs talk in bursts (``bursts``). The thread-participation null is exactly right in each.
"""


def make_forum(*, rng: np.random.Generator | int | None = 0, **design: Any) -> Simulation:
    """Make a synthetic forum and the truth behind it. Same seed and design, same bytes.

    Parameters
    ----------
    rng
        Generator or seed.
    **design
        Any field of `Design`: ``n_people=240, n_threads=350, n_weeks=26, n_spaces=6, champion_share=0.04,
        champion_factor=4.0, role_preference=0.0, ...``.

    Returns
    -------
    Simulation
        ``forum`` (the tables an export would hold, nuisances included) and ``truth`` (what was planted).

    Raises
    ------
    ParameterError
        For an unknown parameter or a value out of range.

    Notes
    -----
    Each person responds to each thread of a space independently, with odds presence x affinity x competence x theta x
    exp(delta [same role] + eta |level gap|) x pull of the thread. Joining, leaving, lapsing and changing role happen
    on the first of a month. Hence with delta = eta = 0 the responders within a space and month can be permuted over
    threads without changing the distribution: who starts a thread is held, nobody is twice in a thread.

    When it misleads: responders do not react to each other, quality does not depend on the question, and nobody
    changes space; a method that works here has passed a necessary test, not a sufficient one. With ``loud_share`` the
    exactness also needs the type of thread (question or not) held.

    Examples
    --------
    >>> simulation = make_forum(n_people=60, n_threads=40, rng=1)
    >>> simulation.forum.posts["thread_id"].n_unique(), len(simulation.truth.champions)
    (40, 2)
    """
    unknown = sorted(set(design) - {f.name for f in fields(Design)})
    if unknown:
        known = ", ".join(f.name for f in fields(Design))
        raise ParameterError(f"make_forum takes {known}.", got=f"Got {', '.join(unknown)}.")
    plan = Design(**design)
    draw = np.random.default_rng(rng)
    clock = make_clock(plan)
    staff = make_staff(plan, rng=draw)
    world = World(plan, clock, staff, make_talk(plan, staff, clock=clock, rng=draw))
    return make_record(world, make_posts(world, rng=draw), rng=draw)
