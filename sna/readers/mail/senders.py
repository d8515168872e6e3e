"""Who wrote a mail: addresses, also as archives hide them; lists that put themselves in From; machines."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr

from sna.readers.mail.messages import decode_words

ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,200}@[^\s<>()\[\],;:\"@]{1,200}")
_HIDDEN = re.compile(
    r"^\s*<?([^\s<>()]{1,200})\s+(?:\S{1,12}\s+){0,2}?\S{2,12}\s+([^\s<>()]{1,200})>?\s*(?:\((.*)\))?\s*$", re.DOTALL
)
_AT = re.compile(r"\s+(?:at|\(at\)|\[at\]|_at_|\{at\})\s+", re.IGNORECASE)
_COMMENT = re.compile(r"^\s*([^()]*?)\s*\((.*)\)\s*$", re.DOTALL)
_ONE = re.compile(r'(?:"[^"]*"|[^",])+')
_BROAD = re.compile(r"[asifln.@|]")
"""Characters that archives are seen to replace (by @ and |) to hide addresses, and the replacements."""
_MACHINE = re.compile(
    r"(?:^|[._+-])(?:no-?reply|do-?not-?reply|mailer-daemon|postmaster|bounces?|notifications?"
    r"|jenkins|bugzilla|buildbot|cron|daemon)"
    r"(?:[._+-]|@|$)"
)
_AWAY = re.compile(
    r"^\s*(?:automatic reply|out of (?:the )?office|auto(?:matic)?[- ]?(?:reply|response)|abwesenheits"
    r"|réponse automatique|respuesta automática)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sender:
    """A name and an address; ``hidden`` when some of its characters are replaced."""

    name: str | None
    address: str | None
    hidden: bool = False


def parse_senders(value: str) -> list[Sender]:
    """All people a header names, in its order."""
    return [parse_sender(part) for part in _ONE.findall(value[:10_000]) if part.strip()]


def parse_sender(value: str) -> Sender:
    """Name and address of one From value, also ``ann at example.org (Ann)`` and harder disguises.

    Examples
    --------
    >>> parse_sender("ann at Example.org (Ann B)")
    Sender(name='Ann B', address='ann@example.org', hidden=False)
    >>> parse_sender("@nn @end|ng |rom ex@mp|e@org (Ann B)")
    Sender(name='Ann B', address='@nn@ex@mp|e@org', hidden=True)
    """
    value = " ".join(value[:2000].split())
    plain = _AT.sub("@", value, count=1) if "@" not in value.split("(")[0] else value
    comment = _COMMENT.match(plain)
    bare = comment[1] if comment else plain
    if len(bare.split()) >= 3 and re.search(r"\s\S*[@|]\S*\s", bare) and (hidden := _HIDDEN.match(bare)):
        name = decode_words(comment[2]).strip() if comment else ""
        return Sender(name or None, f"{hidden[1]}@{hidden[2]}".casefold(), hidden=True)
    name, address = (comment[2], bare) if comment and ADDRESS.fullmatch(bare) else _parsed(plain)
    if not ADDRESS.fullmatch(address):
        found = ADDRESS.search(plain)
        address = found[0] if found else ""
        name = name or (comment[2] if comment else plain.split("<")[0].replace(address, ""))
    shown = " ".join(decode_words(name).strip().strip("\"'").split())
    return Sender(shown if re.search(r"\w", shown) else None, address.casefold() or None)


def _parsed(value: str) -> tuple[str, str]:
    """Name and address; nothing of a value nested so deeply that no mail program wrote it."""
    try:
        return parseaddr(value)
    except RecursionError:
        return "", ""


def is_automatic_reply(headers: Mapping[str, str], subject: str) -> bool:
    """A machine's answer in a person's name: vacation notes, receipts."""
    auto = headers.get("auto-submitted", "").lower()
    marked = auto.startswith("auto-replied") or headers.get("precedence", "").lower() == "auto_reply"
    return marked or "x-autoreply" in headers or "x-autorespond" in headers or _AWAY.match(subject) is not None


def is_generated(headers: Mapping[str, str]) -> bool:
    """Sent by a program rather than by a person."""
    auto = headers.get("auto-submitted", "no").lower()
    return auto.startswith("auto-generated") or headers.get("feedback-id", "").lower().startswith("bot")


def is_machine(address: str | None) -> bool:
    """Whether an address is one programs send from.

    Examples
    --------
    >>> is_machine("no-reply@example.org"), is_machine("noreen@example.org")
    (True, False)
    """
    return bool(address and _MACHINE.search(address))


def identify(senders: Iterable[Sender]) -> dict[Sender, str]:
    """Person id of every sender: the address, however it is disguised; without one, the name.

    Disguised spellings are one person when they and a clear address differ only in characters that disguises
    replace *and* bear the same name; the id is the clearest spelling. A full name without an address is the one
    person of that name who has one. Nothing else is merged.
    """
    groups: dict[tuple[str, str], set[Sender]] = defaultdict(set)
    for sender in set(senders):
        groups[_BROAD.sub("*", sender.address or ""), (sender.name or "").casefold()].add(sender)
    ids: dict[Sender, str] = {}
    named: dict[str, set[str]] = defaultdict(set)
    for (_, name), members in sorted(groups.items(), reverse=True):
        hidden = [member.address or "" for member in members if member.hidden]
        clear = sorted({member.address or "" for member in members if not member.hidden})
        spelling = clear[0] if len(clear) == 1 else min(map(_clarity, hidden), default=(0, ""))[1]
        for member in members:
            known = spelling if member.hidden else member.address
            if known is None:
                same = named[name] if " " in name else set()
                known = next(iter(same)) if len(same) == 1 else f"name:{name}" if name else ""
            ids[member] = known
            named[name].add(known)
    return ids


def _clarity(address: str) -> tuple[int, str]:
    return (address.count("@") + address.count("|"), address)
