"""What a mail says in its author's own words: quotes, signatures and list footers removed; base subjects."""

from __future__ import annotations

import re

_CUT = re.compile(
    r"^(?:-- ?|_{30,}|-{5,} ?Original Message ?-{5,}|-{10,} next part -{10,}|Begin forwarded message:"
    r"|-{8,} ?Forwarded message ?-{8,})[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_OUTLOOK = re.compile(
    r"^\*?(?:From|Von|De):\*?[ \t][^\n]{1,300}\n(?:[^\n]{0,300}\n){0,4}?\*?(?:Subject|Betreff|Objet|Asunto):",
    re.MULTILINE,
)
_ATTRIBUTION = re.compile(
    r"^(?:On|Am|Le|El|Il|Op|Em|Den)\b[^\n]{4,200}?(?:\n[^\n]{0,120}?){0,2}?"
    r"(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev)[^\n]{0,80}:[ \t]*\n(?=[ \t\n]*>)"
    r"|^[^\n>]{3,200}(?:wrote|writes|schrieb|a écrit|escribió)[^\n]{0,40}:[ \t]*\n(?=[ \t\n]*>)",
    re.MULTILINE,
)
_QUOTED = re.compile(r"^[ \t]*>[^\n]*\n?", re.MULTILINE)
_NOTICE = re.compile(r"^[ \t]*\[\[alternative HTML version deleted\]\][ \t]*$", re.MULTILINE)
_GAPS = re.compile(r"[ \t]*\n(?:[ \t]*\n)+")
_REPLY = r"(?:re|aw|sv|vs|antw|odp|res|rif|ynt|betr)(?:\[\d{1,3}\]|\^\d{1,3}|\(\d{1,3}\))?"
_FORWARD = r"(?:fwd?|wg|tr|rv|enc|doorst)"
_PREFIX = re.compile(
    rf"^\s*(?:(?P<blob>\[[^\[\]]{{0,100}}\])|(?P<reply>{_REPLY})\s*[::]|{_FORWARD}\s*[::])\s*", re.IGNORECASE
)
_FORWARDED = re.compile(r"^\[fwd:(.*)\]$|\s*\(fwd\)$", re.IGNORECASE | re.DOTALL)


def own_words(text: str) -> str:
    r"""Drop quoted lines and the line that introduces them, signatures, forwarded mails and list footers.

    Examples
    --------
    >>> own_words("On Monday Bob wrote:\n> hi\nhello\n-- \nAnn")
    'hello'
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    for cut in (_CUT, _OUTLOOK):
        found = cut.search(plain)
        plain = plain[: found.start()] if found else plain
    if ">" in plain:
        plain = _QUOTED.sub("", _ATTRIBUTION.sub("", plain))
    return _GAPS.sub("\n\n", _NOTICE.sub("", plain)).strip()


def base_subject(subject: str) -> tuple[str, bool]:
    """Subject without reply and forward marks and ``[list]`` tags (RFC 5256), casefolded; and whether it is a reply.

    Examples
    --------
    >>> base_subject("[ops] Re: AW: [x]  VPN  down (fwd)")
    ('vpn down', True)
    """
    rest, is_reply = " ".join(subject.split()), False
    while found := _PREFIX.match(rest):
        if found.end() == len(rest) and found["blob"]:
            break
        is_reply = is_reply or found["reply"] is not None
        rest = rest[found.end() :]
    forwarded = _FORWARDED.search(rest)
    if forwarded:
        rest = forwarded[1] if forwarded[1] is not None else rest[: forwarded.start()]
        base, inner = base_subject(rest) if forwarded[1] is not None else (rest.casefold(), False)
        return base.strip(), is_reply or inner
    return rest.casefold().strip(), is_reply
