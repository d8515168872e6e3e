"""What chat readers share: people listed and met, threads known by their root, mentions, spells of membership."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sna.readers.collect import Collector

Moves = dict[tuple[str, str], list[tuple[datetime, bool]]]
"""Joins (True) and leaves (False) of a person and a space."""


@dataclass
class Roster:
    """People the export lists, and people met in its messages only."""

    log: Collector
    listed: set[str] = field(default_factory=set)
    met: dict[str, tuple[bool, str, str]] = field(default_factory=dict)

    def admit(self, person: str | None, *, file: str, position: str = "", detail: str = "") -> bool:
        """Whether a listed person is a new one; a row without an id or listed before is logged."""
        if person is None:
            self.log.reject("people", "missing_id", file=file, position=position, detail=detail)
        elif person in self.listed:
            self.log.withhold("people", "listed_twice", file=file)
        else:
            self.listed.add(person)
            return True
        return False

    def meet(self, person: str, *, name: str | None = None, email: str | None = None, bot: bool = False) -> str:
        """Remember somebody who is not in the user list; of several names the first in order is kept."""
        if person not in self.listed:
            was_bot, old_name, old_email = self.met.get(person, (False, "", ""))
            names = sorted(filter(None, (old_name, name)))
            self.met[person] = (was_bot or bot, names[0] if names else "", old_email or email or "")
        return person

    def write_met(self) -> None:
        """Add the people met; nobody knows whether they still belong to the forum, so humans are placeholders."""
        for person, (bot, name, email) in self.met.items():
            facts = {"name": name or None, "email": email or None, "kind": "bot" if bot else "human"}
            self.log.derive("people", person_id=person, placeholder=not bot, **facts)


def place_in_thread(post_id: str, root: str | None) -> dict[str, Any]:
    """Ids, parent and kind of a post on a platform that records a reply's root only.

    Examples
    --------
    >>> place_in_thread("2", "1")["parent_basis"], place_in_thread("1", None)["kind"]
    ('root_default', 'root')
    """
    return {
        "post_id": post_id,
        "thread_id": root or post_id,
        "parent_id": root,
        "parent_basis": "root_default" if root else "none",
        "kind": "reply" if root else "root",
    }


def add_mentions(log: Collector, post_id: str, *, said: Mapping[str, int], basis: str, file: str) -> None:
    """One row per person a post mentions; further mentions of the person in that post are counted."""
    for person, times in said.items():
        log.add("mentions", post_id=post_id, person_id=person, basis=basis)
        if times > 1:
            log.withhold("mentions", "repeated_in_post", file=file, n=times - 1)


def list_spells(
    changes: Iterable[tuple[datetime, bool]], *, member_now: bool
) -> list[tuple[datetime | None, datetime | None]]:
    """Membership spells from joins (True) and leaves (False) and, where known, today's membership.

    Examples
    --------
    >>> from datetime import datetime
    >>> day = lambda n: datetime(2024, 1, n)
    >>> [(a and a.day, b and b.day) for a, b in list_spells([(day(2), True), (day(5), False)], member_now=True)]
    [(2, 5), (5, None)]
    """
    ordered = sorted(set(changes))
    inside = not ordered[0][1] if ordered else member_now
    opened: datetime | None = None
    spells: list[tuple[datetime | None, datetime | None]] = []
    for at, joined in ordered:
        if joined and not inside:
            opened = at
        elif inside and not joined:
            spells.append((opened, at))
        inside = joined
    if inside:
        spells.append((opened, None))
    elif member_now:
        spells.append((ordered[-1][0], None))
    return spells


def add_memberships(
    log: Collector,
    members: Iterable[tuple[str, str]],
    *,
    moves: Moves,
    implied: Iterable[tuple[str, str]] = (),
) -> None:
    """Events and spells from joins and leaves, and one open spell for each of today's members.

    ``members`` are rows of the source; ``implied`` memberships follow from them.
    """
    listed = set(members)
    now = listed | set(implied)
    for key in now:
        spells = list_spells(moves.get(key, ()), member_now=True)
        add = log.add if key in listed else log.derive
        add("memberships", person_id=key[0], space=key[1], valid_from=spells[-1][0])
    for (person, space), changes in moves.items():
        for at, joined in changes:
            log.derive("events", person_id=person, kind="join" if joined else "leave", object=space, at=at)
        for start, end in list_spells(changes, member_now=(person, space) in now):
            if end is not None or (person, space) not in now:
                log.derive("memberships", person_id=person, space=space, valid_from=start, valid_to=end)
