"""Who answers which mail: Zawinski's threading (jwz.org/doc/threading; RFC 5256 REFERENCES), without its surprises."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

_FAR_PAST = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Letter:
    """What threading needs of a mail; ``references`` run from the oldest to the direct parent."""

    post_id: str
    references: tuple[str, ...] = ()
    subject: str = ""
    is_reply: bool = False
    at: datetime | None = None


@dataclass(frozen=True)
class Place:
    """Where a mail stands: its thread, the mail it answers if that is here, and how we know."""

    thread_id: str
    parent_id: str | None
    basis: str


def thread_mails(letters: Iterable[Letter], *, merge_days: float = 90) -> dict[str, Place]:
    """Place every mail in a thread; the same answer in whatever order they come.

    Parameters
    ----------
    letters
        Mails with distinct ids.
    merge_days
        A mail *without* reply headers whose subject says "Re:" joins the latest thread of that subject that is at
        most this old; 0 turns this off. Threads that headers keep apart stay apart.

    Returns
    -------
    dict
        Post id to `Place`; basis "header", "subject" or "none". A thread is named by its first mail.

    When it misleads
    ----------------
    A new question asked by answering an old mail stays in the old thread: headers say so.
    """
    ordered = sorted(letters, key=lambda letter: (letter.at or _FAR_PAST, letter.post_id))
    here = {letter.post_id: letter for letter in ordered}
    above = _chains(ordered)
    parents = {key: _nearest(key, above, here) for key in here}
    basis = {key: "header" if parent else "none" for key, parent in parents.items()}
    tops = _roots(here, above)
    roots = {key: tops[key] for key in here}
    if merge_days > 0:
        _merge_subjects(ordered, (parents, basis, roots), timedelta(days=merge_days))
    names = _thread_names(ordered, roots)
    return {key: Place(names[roots[key]], parents[key], basis[key]) for key in here}


def _chains(ordered: Sequence[Letter]) -> dict[str, str]:
    """Child to parent over all ids named anywhere. A mail's own word on its parent outranks what others say of it."""
    chains = [[key for key in dict.fromkeys(x.references) if key != x.post_id] for x in ordered]
    above = {letter.post_id: chain[-1] for letter, chain in zip(ordered, chains, strict=True) if chain}
    for chain in chains:
        for parent, child in pairwise(chain):
            above.setdefault(child, parent)
    _open_circles(above)
    return above


def _open_circles(above: dict[str, str]) -> None:
    """Cut the last made link of every circle."""
    made = {key: number for number, key in enumerate(above)}
    seen: dict[str, str] = {}
    for start in made:
        path = []
        key = start
        while key in above and key not in seen:
            seen[key] = start
            path.append(key)
            key = above[key]
        if key in above and seen[key] == start:
            del above[max(path[path.index(key) :], key=made.__getitem__)]


def _nearest(key: str, above: dict[str, str], here: dict[str, Letter]) -> str | None:
    """The closest ancestor that is in the export."""
    while key in above:
        key = above[key]
        if key in here:
            return key
    return None


def _roots(keys: Iterable[str], above: dict[str, str]) -> dict[str, str]:
    """Top of each key's chain; each link is walked once."""
    tops: dict[str, str] = {}
    for start in keys:
        path, key = [], start
        while key not in tops and key in above:
            path.append(key)
            key = above[key]
        tops.update(dict.fromkeys([*path, key], tops.get(key, key)))
    return tops


def _merge_subjects(
    ordered: Sequence[Letter],
    places: tuple[dict[str, str | None], dict[str, str], dict[str, str]],
    span: timedelta,
) -> None:
    """Join mails without reply headers to the latest earlier thread of their subject."""
    parents, basis, roots = places
    latest: dict[str, Letter] = {}
    moved: dict[str, str] = {}
    for letter in ordered:
        earlier = latest.get(letter.subject)
        alone = letter.is_reply and not letter.references and letter.subject
        if alone and earlier and letter.at and earlier.at and letter.at - earlier.at <= span:
            target = _follow(roots[earlier.post_id], moved)
            if target != roots[letter.post_id]:
                parents[letter.post_id] = target if target in roots else earlier.post_id
                basis[letter.post_id] = "subject"
                moved[roots[letter.post_id]] = target
        latest[letter.subject] = letter
    for key in roots:
        roots[key] = _follow(roots[key], moved)


def _follow(key: str, moved: dict[str, str]) -> str:
    while key in moved:
        key = moved[key]
    return key


def _thread_names(ordered: Sequence[Letter], roots: dict[str, str]) -> dict[str, str]:
    """A thread bears the id of its root, or of its first mail when the root is not here."""
    members: dict[str, list[str]] = defaultdict(list)
    for letter in ordered:
        members[roots[letter.post_id]].append(letter.post_id)
    return {root: root if root in keys else keys[0] for root, keys in ((r, m) for r, m in members.items())}
