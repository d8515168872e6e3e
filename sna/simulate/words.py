"""Words of a synthetic forum: names, titles and sentences put together from lists of our own."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

_FIRST = ("Al", "Be", "Ca", "Do", "El", "Fa", "Gi", "Ha", "Io", "Ju", "Ke", "Li", "Ma", "No", "Or", "Pe", "Ri", "Sa")
_SECOND = ("ra", "lin", "ven", "mo", "tis", "da", "nel", "ro", "sha", "vi", "bel", "kan")
_FAMILY_FIRST = ("Bren", "Cor", "Dal", "Est", "Fen", "Gal", "Hol", "Ker", "Lor", "Mer", "Nor", "Pel", "Quin", "Ros")
_FAMILY_SECOND = ("wick", "mann", "ova", "berg", "ano", "sen", "dell", "ier", "stad", "ucci", "ley", "ford")
SPACES = ("seals", "plant-talk", "key-accounts", "help-desk", "joiners", "budget", "lab-notes", "contracts")

_THINGS: tuple[str, ...] = (
    "the coupling",
    "the filter housing",
    "the price list",
    "the test bench",
    "the spare-parts form",
    "the shift plan",
)
_THINGS += (
    "the inlet gauge",
    "the ticket queue",
    "the travel tool",
    "the drawing archive",
    "the coating",
    "the audit list",
)
_TROUBLES: tuple[str, ...] = (
    "leaks after a restart",
    "shows an old value",
    "stops at step three",
    "does not match the manual",
)
_TROUBLES += ("is late every Monday", "fails in the cold store", "rejects my login", "drifts over a week")
_ASKS = ("How do we deal with it?", "Who has seen this before?", "What should I check first?", "Is there a known way?")
_REPLIES: tuple[str, ...] = (
    "Check the second valve first",
    "We had this in spring",
    "Use the new form",
    "Replace the ring and test again",
)
_REPLIES += (
    "Reset the counter, then wait an hour",
    "The note in the archive explains it",
    "Ask for the longer version",
)
_REASONS = (
    "because the old one hides the fault",
    "and it held for months",
    "since the limits changed",
    "as the guide says",
)
_CHEERS = ("Thanks, that worked.", "Thank you, trying it now.", "Great, it runs again.", "That helped, thanks a lot.")
_TURNS = ("One more thing: does it need a permit?", "Yes, in that order.", "Which version is meant?", "The latest one.")
_VIEWS = (
    "I would keep it simple",
    "Our team does it the other way",
    "Let us try it for a month",
    "Good idea in general",
)
_NEWS = ("Notes from the line about", "An idea for", "What we learnt about", "A change to")
_SOCIAL = (
    "Who joins the lunch walk",
    "Choir meets again",
    "Pictures of the garden",
    "Football on Thursday",
    "Cake on floor two",
)
_FUN = ("Count me in", "What a picture", "Sounds like fun", "I bring the music", "See you there", "Next time for sure")
_POOLS = {
    "question": (_THINGS, _TROUBLES, _ASKS),
    "news": (_NEWS, _THINGS, ("Comments are welcome.", "Tell me what you think.", "More in the next note.")),
    "social": (_SOCIAL, ("this week", "as every month", "if the sun shines"), ("All are welcome.", "Bring a friend.")),
    "answer": (_REPLIES, _REASONS, ("Tell us how it goes.", "It takes ten minutes.", "Call if it stays.")),
    "view": (_VIEWS, _REASONS, ("My two pence.", "Happy to help.", "Just a thought.")),
    "fun": (_FUN, ("as ever", "with pleasure", "rain or shine"), ("Until then!", "Cheers!", "Bravo!")),
    "thanks": (_CHEERS, ("",), ("",)),
    "turn": (_TURNS, ("",), ("",)),
    "digest": (("Weekly digest:",), _THINGS, ("All threads of the week are in the archive.",)),
}
SORTS = tuple(_POOLS)
"""The sorts of sentences, in the order of their codes."""


def make_names(n: int, *, rng: np.random.Generator) -> list[str]:
    """Invented names of ``n`` people; made of syllables, so some may be shared."""
    parts = [rng.integers(0, len(pool), n) for pool in (_FIRST, _SECOND, _FAMILY_FIRST, _FAMILY_SECOND)]
    return [f"{_FIRST[a]}{_SECOND[b]} {_FAMILY_FIRST[c]}{_FAMILY_SECOND[d]}" for a, b, c, d in zip(*parts, strict=True)]


def make_texts(sorts: NDArray[np.int64], *, rng: np.random.Generator) -> tuple[pl.Series, pl.Series]:
    """A title (first part) and a text (all parts) for each code into `SORTS`."""
    chosen = rng.random((3, len(sorts)))
    parts = []
    for place in range(3):
        words = [word for name in SORTS for word in _POOLS[name][place]]
        sizes = np.array([len(_POOLS[name][place]) for name in SORTS])
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        index = offsets[sorts] + (chosen[place] * sizes[sorts]).astype(np.int64)
        parts.append(pl.Series(words, dtype=pl.String).gather(index))
    frame = pl.DataFrame({"a": parts[0], "b": parts[1], "c": parts[2]})
    ending = pl.when(pl.col("c") == "").then(pl.lit("")).otherwise(pl.lit(". ") + pl.col("c"))
    full = frame.select((pl.concat_str(["a", "b"], separator=" ").str.strip_chars_end() + ending).alias("text"))["text"]
    title = frame.select((pl.col("a") + " " + pl.col("b")).str.strip_chars_end().alias("title"))["title"]
    return title.str.head(1).str.to_uppercase() + title.str.slice(1), full.str.head(
        1
    ).str.to_uppercase() + full.str.slice(1)


def space_names(n: int) -> list[str]:
    """Names of ``n`` spaces."""
    return [SPACES[i] if i < len(SPACES) else f"team-{i + 1:02d}" for i in range(n)]
