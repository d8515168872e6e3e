"""Who wrote a mail: addresses, also as archives hide them; lists that put themselves in From; machines."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr

from sna.readers.mail.messages import decode_words

_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,200}@[^\s<>()\[\],;:\"@]{1,200}")
_HIDDEN = re.compile(
    r"^\s*<?([^\s<>()]{1,200})\s+(?:\S{1,12}\s+){0,2}?\S{2,12}\s+([^\s<>()]{1,200})>?\s*(?:\((.*)\))?\s*$", re.DOTALL
)
_AT = re.compile(r"\s+(?:at|\(at\)|\[at\]|_at_|\{at\})\s+", re.IGNORECASE)
_COMMENT = re.compile(r"^\s*([^()]*?)\s*\((.*)\)\s*$", re.DOTALL)
_VIA = re.compile(r"^['\"]?(.*?)['\"]?\s+(?:via|on behalf of)\s+(.+)$", re.IGNORECASE | re.DOTALL)
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


def read_sender(headers: Mapping[str, str]) -> Sender:
    """The human author of a mail, behind lists that rewrite From (DMARC).

    Examples
    --------
    >>> read_sender({"from": "Ann via Ops <ops@lists.org>", "reply-to": "Ann <ann@example.org>", "list-id": "<ops>"})
    Sender(name='Ann', address='ann@example.org', hidden=False)
    """
    sender = parse_sender(headers.get("from", "") or headers.get("sender", ""))
    lists = _lists(headers)
    rewritten = _VIA.match(sender.name or "") if lists else None
    if not rewritten and sender.address not in lists:
        return sender
    name = (rewritten[1].strip() or None) if rewritten else sender.name
    for key in ("x-original-from", "x-google-original-from", "reply-to", "x-reply-to", "cc"):
        found = parse_sender(headers.get(key, ""))
        same = key != "cc" or (found.name or "").casefold() == (name or "").casefold()
        if found.address and found.address not in (sender.address, *lists) and same:
            return Sender(name or found.name, found.address, found.hidden)
    return Sender(name, None) if rewritten else sender


def _lists(headers: Mapping[str, str]) -> list[str]:
    """Addresses of the list a mail came through; none when it did not come through one."""
    if not headers.keys() & {"list-id", "list-post", "x-beenthere", "mailing-list", "x-original-from"}:
        return []
    text = " ".join(headers.get(name, "") for name in ("list-post", "x-beenthere", "to", "sender"))
    return [found.casefold() for found in _ADDRESS.findall(text.replace("mailto:", " "))] or ["list"]


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
    name, address = (comment[2], bare) if comment and _ADDRESS.fullmatch(bare) else parseaddr(plain)
    if not _ADDRESS.fullmatch(address):
        found = _ADDRESS.search(plain)
        address = found[0] if found else ""
        name = name or (comment[2] if comment else plain.split("<")[0])
    shown = " ".join(decode_words(name).strip().strip("\"'").split())
    return Sender(shown or None, address.casefold() or None)


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
    replace *and* bear the same name; the id is the clearest spelling. Nothing else is merged.
    """
    groups: dict[tuple[str, str], set[Sender]] = defaultdict(set)
    ids: dict[Sender, str] = {}
    for sender in set(senders):
        if sender.address is None:
            ids[sender] = f"name:{sender.name.casefold()}" if sender.name else ""
        else:
            groups[_BROAD.sub("*", sender.address), (sender.name or "").casefold()].add(sender)
    for members in groups.values():
        hidden = [member for member in members if member.hidden]
        clear = sorted({member.address or "" for member in members if not member.hidden})
        ids.update({member: member.address or "" for member in members if not member.hidden})
        spelling = clear[0] if len(clear) == 1 else min((_clarity(m.address or "") for m in hidden), default=(0, ""))[1]
        ids.update(dict.fromkeys(hidden, spelling))
    return ids


def _clarity(address: str) -> tuple[int, str]:
    return (address.count("@") + address.count("|"), address)
