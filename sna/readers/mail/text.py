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
_OUTLOOK_WORDS = ("Subject:", "Betreff:", "Objet:", "Asunto:")
_WROTE = re.compile(
    r"(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev)[^\n]{0,80}:[ \t]*\n(?=[ \t\n]{0,80}>)"
)
_OPENING = re.compile(r"(?:On|Am|Le|El|Il|Op|Em|Den)\b")
_OPENING_LINES = 3
_QUOTED = re.compile(r"^[ \t]*>[^\n]*\n?", re.MULTILINE)
_NOTICE = re.compile(r"^[ \t]*\[\[alternative HTML version deleted\]\][ \t]*$", re.MULTILINE)
_GAPS = re.compile(r"\n[ \t]*\n[ \t\n]*(?=[^ \t\n]|\Z)")
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
    if "--" in plain or "____" in plain or "forwarded" in plain:
        plain = _before(plain, _CUT)
    if any(word in plain for word in _OUTLOOK_WORDS):
        plain = _before(plain, _OUTLOOK)
    if ">" in plain:
        plain = _QUOTED.sub("", _without_openings(plain))
    if "[[alternative" in plain:
        plain = _NOTICE.sub("", plain)
    return _GAPS.sub("\n\n", plain).strip()


def _before(text: str, mark: re.Pattern[str]) -> str:
    found = mark.search(text)
    return text[: found.start()] if found else text


def _without_openings(text: str) -> str:
    """Cut "On Monday, Bob wrote:" before a quote, up to three lines long."""
    kept, position = [], 0
    for found in _WROTE.finditer(text):
        begin = line = text.rfind("\n", 0, found.start()) + 1
        for _ in range(_OPENING_LINES):
            if _OPENING.match(text, line):
                begin = line
                break
            line = text.rfind("\n", 0, max(line - 1, 0)) + 1
        kept.append(text[position : max(begin, position)])
        position = found.end()
    return "".join(kept) + text[position:]


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
