"""Names of people in free text: found in any order, case and normal form, without touching ordinary words.

Names are ordinary words (Will, Grace, Support) and ordinary words are names of accounts (quantum). No list of words
settles that in every language, so the forum itself is asked: a word that its posts write in small letters more often
than with a capital is an ordinary word there, and counts as a name only where its position says so.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import polars as pl

_IGNORED = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Characters without width: they split a name for a search and not for a reader."""
_MARKS = "".join(chr(code) for code in range(0x300, 0x1E00) if unicodedata.category(chr(code)).startswith("M"))
_TOKEN = re.compile(rf"(?:[^\W_][{_MARKS}{_IGNORED}]*)+")
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_GAP = re.compile(rf"[\s.,_'’·{_IGNORED}-]{{0,3}}")
"""What may stand between the parts of one name: "Ann Smith", "Smith, Ann", "ann.smith"."""
_GLUED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]{2,}")
"""Scripts written without spaces between words (and Korean, whose particles are glued to names)."""
_SENTENCE_END = re.compile(r"(?:^|[.!?:;…。！？\n\r\"“”«»(\[*#>])\s*$")
_ADDRESSED_BEFORE = re.compile(r"(?:^|[\n\r]|,)\s*$")
_ADDRESSED_AFTER = re.compile(r"\s*(?:[,:!]|$|[\n\r])")
_SHORTEST_PART, _SHORTEST_LONE = 2, 3
"""Two letters (Li, GL) name somebody as part of a whole name or where somebody is addressed, not alone."""
_LONGEST_NAME = 5
_SAMPLE = 20_000
"""Posts looked at to learn which words are ordinary: enough for words of 1 in 100,000, and a second of work."""
_PART_PRIOR = 3
"""Capitalised occurrences a part of a name of several words is credited with. A display name of one word that has a
capital gets one, an account name in small letters none: it is often a word taken from the language."""
_NAME_SMALL = 0.1
"""A word is a name in any case when it stands in small letters at most this often for each capital (and the credit)."""
_WORD_SMALL = 5
"""A word is ordinary when it stands in small letters more often than this for each capital (and the credit)."""
_TOPIC_SHARE, _TOPIC_LEAST = 0.001, 20
"""A word said more often than this (share of all words, and times) is a topic (a product), never a name alone."""


_ACCENTS = dict.fromkeys(range(0x300, 0x370)) | dict.fromkeys(map(ord, _IGNORED))
_LETTERS = str.maketrans("\u0131\u0142\u00f8\u0111", "ilod")
"""Letters that people write without their stroke or dot and that Unicode does not decompose."""


def plain(token: str) -> str:
    """A token as compared: without case, accents and zero-width characters.

    Examples
    --------
    >>> plain("Mu\u0308ller"), plain("M\u00dcLLER"), plain("Muller")
    ('muller', 'muller', 'muller')
    """
    bare = unicodedata.normalize("NFKD", token.casefold()).translate(_ACCENTS)
    return unicodedata.normalize("NFKC", bare.casefold()).translate(_LETTERS)


@dataclass(frozen=True)
class Masker:
    """Replaces the names of known people in texts.

    Attributes
    ----------
    phrases
        Names of several words, as tuples of plain tokens in every order -> replacement.
    parts
        Single plain tokens that name somebody in any case -> replacement.
    capitalised
        Tokens that name somebody when they have a capital inside a sentence.
    ordinary
        Tokens that are ordinary words: they name somebody only where somebody is addressed ("Will, could you ...").
        A name of several words that are all ordinary needs its capitals.
    handles
        Account names, which after an @ always name somebody.
    glued
        Names in scripts without spaces, looked for inside runs of text; None when there are none.
    """

    phrases: Mapping[tuple[str, ...], str]
    parts: Mapping[str, str]
    capitalised: Mapping[str, str]
    ordinary: Mapping[str, str]
    handles: Mapping[str, str]
    glued: re.Pattern[str] | None = None
    glued_names: Mapping[str, str] = field(default_factory=dict)

    def mask(self, text: str) -> str:
        """The text with every name it finds replaced.

        Examples
        --------
        >>> masker = build_masker({"Ann Smith": "person-1"}, handles={"quantum": "person-2"}, texts=["a quantum leap"])
        >>> masker.mask("Ann said: Smith, Ann and @quantum will take a quantum leap (ann@x.org)")
        'person-1 said: person-1 and @person-2 will take a quantum leap ([address])'
        """
        text = _ADDRESS.sub(self._address, text)
        if self.glued is not None:
            text = self.glued.sub(lambda m: self.glued_names[m.group()], text)
        pieces, at = [], 0
        for start, end, new in self._matches(text):
            pieces += [text[at:start], new]
            at = end
        return "".join([*pieces, text[at:]])

    def _address(self, found: re.Match[str]) -> str:
        """A known person's pseudonym for an address, else the word "address"."""
        address = plain(found.group())
        return self.handles.get(address) or self.handles.get(address.partition("@")[0]) or "[address]"

    def _matches(self, text: str) -> Iterator[tuple[int, int, str]]:
        tokens = [(m.start(), m.end(), plain(m.group())) for m in _TOKEN.finditer(text)]
        shouted = _is_headline(text, tokens)
        i = 0
        while i < len(tokens):
            size, new = self._phrase_at(text, tokens, i)
            if size == 0 and (one := self._single(text, tokens[i], shouted=shouted)):
                size, new = 1, one
            if size:
                yield tokens[i][0], tokens[i + size - 1][1], new
            i += max(size, 1)

    def _phrase_at(self, text: str, tokens: Sequence[tuple[int, int, str]], i: int) -> tuple[int, str]:
        """How many tokens from the i-th make a whole name, the longest that does, and its replacement."""
        for size in range(min(_LONGEST_NAME, len(tokens) - i), 1, -1):
            run = tokens[i : i + size]
            new = self.phrases.get(tuple(token for _, _, token in run))
            if new and all(_GAP.fullmatch(text, a[1], b[0]) for a, b in pairwise(run)) and self._named(text, run):
                return size, new
        return 0, ""

    def _named(self, text: str, run: Sequence[tuple[int, int, str]]) -> bool:
        """Whether a whole name is one here: some of its words are no ordinary ones, or all have a capital."""
        return any(len(word) > 1 and word not in self.ordinary for _, _, word in run) or all(
            text[start].isupper() for start, _, _ in run
        )

    def _single(self, text: str, token: tuple[int, int, str], *, shouted: bool) -> str | None:
        start, end, word = token
        if start and text[start - 1] in "@~" and word in self.handles:
            return self.handles[word]
        if word in self.parts:
            return self.parts[word]
        if shouted or not text[start].isupper():
            return None
        before, after = text[max(0, start - 40) : start], text[end : end + 10]
        if word in self.capitalised and not _SENTENCE_END.search(before):
            return self.capitalised[word]
        addressed = _ADDRESSED_BEFORE.search(before) and _ADDRESSED_AFTER.match(after)
        return (self.capitalised.get(word) or self.ordinary.get(word) or None) if addressed else None


def _is_headline(text: str, tokens: Sequence[tuple[int, int, str]]) -> bool:
    """Whether most words after the first have a capital, so that a capital says nothing."""
    later = [text[start] for start, _, _ in tokens[1:] if text[start].isalpha()]
    return len(later) > 1 and sum(char.isupper() for char in later) > 0.5 * len(later)


def build_masker(
    names: Mapping[str, str], *, handles: Mapping[str, str] | None = None, texts: Iterable[str] = ()
) -> Masker:
    """A masker for people's names and account names.

    Parameters
    ----------
    names
        Display names -> replacement; of a name of several words every order and every part counts.
    handles
        Account names, ids and e-mail addresses -> replacement.
    texts
        Texts of the forum, from which is learnt which words are ordinary.

    Returns
    -------
    Masker

    Notes
    -----
    When it misleads: nicknames, misspelt names and descriptions ("the new head of Sales") are not found. A name that is
    an ordinary word, written in small letters, is left alone. In languages that give every noun a capital (German), a
    surname that is a noun (Koch) is replaced inside sentences also where the noun is meant.
    """
    phrases: dict[tuple[str, ...], str] = {}
    parts: dict[str, str] = {}
    accounts: dict[str, str] = {}
    strength: Counter[str] = Counter()
    for name, new in names.items():
        tokens = [token for token in _tokens(name) if not token.isdigit()]
        for order in _orders(tokens):
            phrases.setdefault(order, new)
        small = {plain(m.group()) for m in _TOKEN.finditer(name) if m.group()[0].islower()}
        particles = small if len(small) < len(tokens) else set()
        for token in tokens:
            if len(token) >= _SHORTEST_PART and token not in particles and not _GLUED.fullmatch(token):
                parts.setdefault(token, new)
                strength[token] = max(strength[token], _PART_PRIOR if len(tokens) > 1 else int(name[:1].isupper()))
    for handle, new in (handles or {}).items():
        _add_handle(handle, new, phrases, accounts)
    every = {word: new for word, new in accounts.items() if _TOKEN.fullmatch(word)} | parts
    sure, capitalised, ordinary = _sort_words(texts, every, strength, {token for phrase in phrases for token in phrase})
    glued = _glued_names(names)
    return Masker(
        phrases,
        {word: every[word] for word in sure},
        {word: every[word] for word in capitalised},
        {word: every.get(word, "") for word in ordinary},
        accounts,
        re.compile("|".join(map(re.escape, sorted(glued, key=len, reverse=True)))) if glued else None,
        glued,
    )


def _sort_words(
    texts: Iterable[str], every: Mapping[str, str], strength: Mapping[str, int], more: set[str]
) -> tuple[set[str], set[str], set[str]]:
    """Words that are names in any case, with a capital, and ordinary words, as this forum writes them."""
    capital, small, total = _count_cases(texts, every.keys() | more)
    often = max(_TOPIC_LEAST, _TOPIC_SHARE * total)
    ordinary, names = set(), set()
    for word in every.keys() | more:
        credit = capital[word] + strength.get(word, 0)
        if len(word) < _SHORTEST_LONE or capital[word] + small[word] > often or small[word] > _WORD_SMALL * credit:
            ordinary.add(word)
        elif small[word] <= strength.get(word, 0) + _NAME_SMALL * capital[word]:
            names.add(word)
    capitalised = set(every) - ordinary - names
    return names & set(every), capitalised, ordinary


def _tokens(name: str) -> list[str]:
    return [plain(match.group()) for match in _TOKEN.finditer(name)]


def _orders(tokens: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A name forwards, surname first, and first and last name without what is between."""
    if 2 <= len(tokens) <= _LONGEST_NAME:
        yield tuple(tokens)
        yield (*tokens[-1:], *tokens[:-1])
        yield (tokens[0], tokens[-1])
        yield (tokens[-1], tokens[0])


def _add_handle(handle: str, new: str, phrases: dict[tuple[str, ...], str], accounts: dict[str, str]) -> None:
    """An account name as a word, its parts as a phrase, and the part of an address before the @."""
    local = plain(handle).partition("@")[0]
    for word in {plain(handle), local}:
        if len(word) >= _SHORTEST_PART and not word.isdigit():
            accounts.setdefault(word, new)
    tokens = _tokens(local)
    if 2 <= len(tokens) <= _LONGEST_NAME and not all(token.isdigit() for token in tokens):
        phrases.setdefault(tuple(tokens), new)


def _glued_names(names: Mapping[str, str]) -> dict[str, str]:
    """Names in scripts without spaces: whole, and their parts of two characters or more."""
    found: dict[str, str] = {}
    for name, new in names.items():
        runs = _GLUED.findall(unicodedata.normalize("NFKC", name))
        for word in (*runs, "".join(runs), " ".join(runs), *("".join(runs[::-1]),)):
            if len(word) >= _SHORTEST_PART:
                found.setdefault(word, new)
    return found


def _count_cases(texts: Iterable[str], wanted: set[str]) -> tuple[Counter[str], Counter[str], int]:
    """How often each word stands with a capital inside a sentence, and in small letters; and the number of words."""
    total = 0
    capital: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for text in texts:
        tokens = [(m.start(), m.end(), plain(m.group())) for m in _TOKEN.finditer(text)]
        shouted = _is_headline(text, tokens)
        total += len(tokens)
        for start, _, word in tokens:
            if word not in wanted or text[max(0, start - 1) : start] in ("@", "~"):
                continue
            if text[start].islower():
                small[word] += 1
            elif not shouted and not _SENTENCE_END.search(text[max(0, start - 40) : start]):
                capital[word] += 1
    return capital, small, total


def sample_texts(posts: pl.DataFrame) -> list[str]:
    """Titles and texts of up to 20,000 posts, evenly spread over post ids, so that row order does not matter."""
    rows = posts.sort("post_id").gather_every(max(1, -(-posts.height // _SAMPLE)))
    return [text for column in ("title", "text") for text in rows[column].drop_nulls()]


def mask_column(column: str, masker: Masker) -> pl.Expr:
    """Expression that masks a text column; each distinct text is worked on once."""
    swap: Callable[[pl.Series], pl.Series] = lambda values: _swap(values, masker)  # noqa: E731
    return pl.col(column).map_batches(swap, return_dtype=pl.String)


def _swap(values: pl.Series, masker: Masker) -> pl.Series:
    distinct = values.drop_nulls().unique()
    masked = pl.Series([masker.mask(text) for text in distinct], dtype=pl.String)
    return values.replace_strict(distinct, masked, default=None, return_dtype=pl.String)
