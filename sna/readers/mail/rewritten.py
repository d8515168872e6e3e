"""Lists that put their own address into From (DMARC): told by shape, so that the author is the person and not the list.

Archives often keep no header that names the list. What shows a rewritten From is the name ("Ann B via Ops"), an address
that is also the receiver, and many people behind one address.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from sna.readers.mail.senders import ADDRESS, Sender, parse_sender, parse_senders

_VIA = re.compile(
    r"^(.*?)[\s(]+(?:via|vía|över|über|tramite|przez|через|a través de|através de"
    r"|(on behalf of|im Auftrag von|namens|de la part de|en nombre de))\s+(.+)$",
    re.IGNORECASE | re.DOTALL,
)
"""Words between a person and a list; after the second group's, the list may come first."""
_ENCODED = re.compile(r"([^=\s]+)=(?:40)?((?:[\w-]+\.)+[a-z]{2,})@.+")
"""An author's address inside the list's: ``ann=example.org@groups.io``, ``ann=40example.org@dmarc.ietf.org``."""
_ORIGINAL = ("x-original-from", "x-google-original-from", "x-original-sender", "original-from", "author")
_REPLY = ("reply-to", "x-reply-to")
_LIST = ("list-post", "x-beenthere")
_WRAPPING = " \t'\"“”„()[]<>,"
_TWO, _MANY, _SHARE, _LOOKED_AT = 2, 3, 0.8, 50
"""People with unlike names behind one address: two are a list when something else says so, three always; four in five
names show the words that a list writes around them; this many names are asked for homes of their own."""
_NO_FRAME = (0, 0)


@dataclass(frozen=True)
class Origin:
    """What one mail says of its author.

    Attributes
    ----------
    shown
        From as it stands.
    original
        People named in the headers where lists keep the author they replaced.
    copied
        People in Cc; one of them is the author only when the names are equal.
    lists
        Addresses of lists that the mail's headers name.
    received
        Whether From is also among the receivers; ``listed`` whether the mail says that it came through a list.
    """

    shown: Sender
    original: tuple[Sender, ...] = ()
    copied: tuple[Sender, ...] = ()
    lists: tuple[str, ...] = ()
    received: bool = False
    listed: bool = False


def read_origin(headers: Mapping[str, str]) -> Origin:
    """What the headers of one mail say of its author."""
    shown = parse_sender(headers.get("from", "") or headers.get("sender", ""))
    named = _addresses(headers, _LIST)
    list_id = re.search(r"([^\s<>]+)>?\s*$", headers.get("list-id", ""))
    if shown.address and list_id and shown.address.replace("@", ".") == list_id[1].casefold():
        named = (*named, shown.address)
    listed = bool(named) or bool(headers.keys() & {"list-id", "mailing-list", "x-original-from"})
    receivers = _addresses(headers, ("to", "cc", *(("sender",) if listed else ())))
    original = tuple(sender for key in (*_ORIGINAL, *_REPLY) for sender in parse_senders(headers.get(key, "")))
    copied = tuple(parse_senders(headers.get("cc", "")))
    return Origin(shown, original, copied, named, shown.address in receivers, listed)


def _addresses(headers: Mapping[str, str], names: Iterable[str]) -> tuple[str, ...]:
    text = " ".join(headers.get(name, "")[:10_000] for name in names).replace("mailto:", " ")
    return tuple(found.casefold() for found in ADDRESS.findall(text.replace(" at ", "@")))


def find_authors(origins: Sequence[Origin]) -> list[Sender]:
    """The person behind each From: as it stands, or, where a list put itself there, the one it replaced.

    When it misleads
    ----------------
    A replaced author without any address is known by name only: two people of one name are then one.
    """
    lists = {address for origin in origins for address in origin.lists}
    behind: dict[str, list[Origin]] = defaultdict(list)
    homes: dict[str, set[str]] = defaultdict(set)
    for origin in origins:
        if origin.shown.address:
            behind[origin.shown.address].append(origin)
            if not origin.shown.hidden:
                homes[origin.shown.name or ""].add(origin.shown.address)
    frames = {address: _frame(address, mails) for address, mails in behind.items()}
    masks = {address for address, mails in behind.items() if _is_mask(address, mails, frames[address], homes=homes)}
    return [_author(origin, masks | lists, frames.get(origin.shown.address or "", _NO_FRAME)) for origin in origins]


def _author(origin: Origin, lists: set[str], frame: tuple[int, int]) -> Sender:
    shown = origin.shown
    name = _person(shown, frame)
    if encoded := _ENCODED.fullmatch(shown.address or ""):
        return Sender(name, f"{encoded[1]}@{encoded[2]}")
    rewritten = shown.address in lists or (name != shown.name and (origin.listed or origin.received))
    if not rewritten and not (origin.listed and origin.received):
        return shown
    same = [other for other in (*origin.original, *origin.copied) if _folded(other.name) == _folded(name)]
    for other in (*origin.original, *same) if rewritten else same:
        if other.address and other.address not in (shown.address, *lists):
            return replace(other, name=name or other.name)
    if not rewritten or not name:
        return shown if not rewritten else Sender(None, None)
    if inside := ADDRESS.search(name):
        return Sender(_bare(name.replace(inside[0], " ")), inside[0].casefold())
    return Sender(None if _letters(name) == _letters((shown.address or "").partition("@")[0]) else name, None)


def _person(sender: Sender, frame: tuple[int, int]) -> str | None:
    """The name without what the list wrote around it."""
    if found := _VIA.match(sender.name or ""):
        return _bare(_sides(found, sender.address or "")[0])
    words, (before, after) = (sender.name or "").split(), frame
    return _bare(" ".join(words[before : len(words) - after])) if before + after else sender.name


def _sides(found: re.Match[str], address: str) -> tuple[str, str]:
    """Person and list on both sides of a "via"."""
    first, reverse, last = found.groups()
    return (last, first) if reverse and _fits(first, address) and not _fits(last, address) else (first, last)


def _bare(name: str) -> str | None:
    return " ".join(name.strip(_WRAPPING).split()) or None


def _folded(name: str | None) -> str:
    return (name or "").casefold()


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text.casefold())


def _fits(words: str, address: str) -> bool:
    """Whether words hold the name of the list or host of an address: "Ops list" and ops@lists.example.org."""
    local, _, host = address.partition("@")
    labels = {_letters(local), *host.split(".")[:-1]}
    parts = {*words.split(), *re.findall(r"\w+", words)}
    return bool(labels & {_letters(words), *map(_letters, parts)} - {""})


def _is_mask(address: str, mails: Sequence[Origin], frame: tuple[int, int], *, homes: Mapping[str, set[str]]) -> bool:
    """Whether several people write from one address, as only happens when a list lends them its own."""
    names = {mail.shown.name for mail in mails if mail.shown.name}
    via = [_sides(found, address) for name in names if (found := _VIA.match(name))]
    if frame != _NO_FRAME or any(_fits(where, address) for _, where in via):
        return True
    elsewhere = [name for name in sorted(names) if homes[name] - {address}][:_LOOKED_AT]
    received = 2 * sum(mail.received for mail in mails) >= len(mails)
    return (
        _count_unlike(person for person, _ in via) >= _TWO
        or any(
            _count_unlike(pair) == _TWO and homes[pair[0]] & homes[pair[1]] <= {address}
            for pair in combinations(elsewhere, 2)
        )
        or _count_unlike(names) >= (_TWO if received else _MANY)
    )


def _count_unlike(names: Iterable[str]) -> int:
    """Names, up to three, of which no two can be one person's: what they do not share begins with other letters."""
    kept: list[set[str]] = []
    for name in sorted(set(names), key=lambda name: (len(name.split()), name)):
        words = set(re.findall(r"\w+", name.casefold()))
        if words and all(words - other and other - words and not _initials(words, other) for other in kept):
            kept.append(words)
        if len(kept) == _MANY:
            break
    return len(kept)


def _initials(some: set[str], others: set[str]) -> set[str]:
    """First letters common to the words that two names do not share."""
    return {word[0] for word in some - others} & {word[0] for word in others - some}


def _frame(address: str, mails: Sequence[Origin]) -> tuple[int, int]:
    """Words before and after that nearly all names behind an address share, whatever the language says "via" with."""
    names = sorted({tuple(mail.shown.name.split()) for mail in mails if mail.shown.name})
    after = _shared([name[::-1] for name in names], address)
    return (0, after) if after else (_shared(names, address), 0)


def _shared(names: list[tuple[str, ...]], address: str) -> int:
    """How many first words at least four in five names have in common, one of which names the list."""
    for size in range(max(map(len, names), default=0) - 1, 0, -1):
        heads = Counter(name[:size] for name in names if len(name) > size)
        for words, n in heads.most_common(1):
            rest = (" ".join(name[size:]) for name in names if name[:size] == words)
            if n >= _SHARE * len(names) and _fits(" ".join(words), address) and _count_unlike(rest) >= _TWO:
                return size
    return 0
