"""The small rules of who is who: how keys are folded, which addresses belong to nobody, how alike names are."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

_SHARED = re.compile(
    r"^(?:no-?reply|do-?not-?reply|donotreply|help-?desk|support|service-?desk|info|admin|administrator|postmaster"
    r"|webmaster|mailer-daemon|notifications?|newsletter|hr|it|office|contact|team|root|abuse|sales|billing|bot)"
    r"(?:\+[^@]*)?@",
    re.IGNORECASE,
)
_GUEST = re.compile(r"^(.+)_([^_@]+)#EXT#@.+$", re.IGNORECASE)


def name_key(value: str) -> str:
    """A name for exact comparison: Unicode NFKC, no case, single spaces.

    Examples
    --------
    >>> name_key("  Zoë   DOE ")
    'zoë doe'
    """
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def email_key(value: str | None) -> str | None:
    """An address for comparison: no case, guests decoded; None for what is no address or belongs to a function.

    Plus-addresses and dots are left alone: whether they mean the same mailbox differs between domains.

    Examples
    --------
    >>> email_key("Ann@Corp.example"), email_key("ann_corp.example#EXT#@tenant.example"), email_key("noreply@x.example")
    ('ann@corp.example', 'ann@corp.example', None)
    """
    if not value:
        return None
    text = unicodedata.normalize("NFKC", value).strip().casefold().removeprefix("mailto:")
    guest = _GUEST.match(text)
    if guest:
        text = f"{guest.group(1)}@{guest.group(2)}"
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+", text) or _SHARED.match(text):
        return None
    return text


def name_parts(value: str) -> tuple[str, ...]:
    """Words of a name without accents, in alphabetical order: "Doe, Zoë" and "Zoe Doe" are one."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", value.casefold()) if not unicodedata.combining(c))
    return tuple(sorted(re.findall(r"[^\W_]+", plain)))


def name_likeness(one: str, two: str) -> float:
    """How alike two names are, 0 to 1: by words, then by letters. Symmetric.

    Examples
    --------
    >>> name_likeness("Doe, Zoë", "zoe doe"), name_likeness("Ann Lee", "Bob Ray") < 0.5
    (1.0, True)
    """
    a, b = sorted((name_parts(one), name_parts(two)))
    if not a or not b:
        return 0.0
    return 1.0 if a == b else SequenceMatcher(None, " ".join(a), " ".join(b), autojunk=False).ratio()
