"""The cases: inputs, answers worked out on paper, and invariances. They know nothing of any implementation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Edge = tuple[str, str, float]
Values = Mapping[Any, Any]


@dataclass(frozen=True)
class Table:
    """Edges (source, target, weight), possibly with repeated pairs, and people with their attribute, if any."""

    edges: tuple[Edge, ...]
    people: Mapping[str, str | None]


@dataclass(frozen=True)
class Case:
    """One thing to get right.

    ``needs`` is the adapter's method; ``run`` calls it and returns what was found and what should be; ``smallest``
    shows the input in words.
    """

    name: str
    needs: str
    smallest: str
    run: Callable[[Any], tuple[Values, Values]]


def same(found: Values, expected: Values, *, tolerance: float = 1e-6) -> bool:
    """Same keys and, within the tolerance, same values; None and not-a-number are the same."""
    if set(found) != set(expected):
        return False
    return all(_same_value(found[key], expected[key], tolerance) for key in expected)


def _same_value(found: Any, expected: Any, tolerance: float) -> bool:
    found, expected = (None if isinstance(v, float) and math.isnan(v) else v for v in (found, expected))
    if isinstance(expected, str) or expected is None or found is None:
        return found == expected
    return math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)


def make_table(*edges: Sequence[Any], people: Mapping[str, str | None] | None = None) -> Table:
    rows = tuple((str(e[0]), str(e[1]), float(e[2]) if len(e) > 2 else 1.0) for e in edges)
    named = {person: None for row in rows for person in row[:2]}
    return Table(rows, {**dict.fromkeys(sorted(named)), **(people or {})})


# -- answers on paper ---------------------------------------------------------------------------------------------

PAIR_AND_SILENT = make_table(("a", "b", 2), people={"c": None})
BROKERS = make_table(("a", "b", 100), ("b", "c", 100), ("a", "d", 1), ("d", "c", 1))
CYCLE = make_table(("a", "b"), ("b", "a"), ("c", "a"))
FAN = make_table(("a", "c"), ("b", "c"), ("a", "d"))
TRIANGLE = make_table(("a", "b"), ("b", "c"), ("c", "a"))
UNEQUAL = make_table(("b", "a", 3), ("c", "b", 1))
ROLES = make_table(
    ("zoe", "adam"), ("mia", "adam"), ("adam", "kim"), people={"mia": "HR", "zoe": "IT", "kim": "Legal", "adam": "Ops"}
)
PHI = (1 + 5**0.5) / 2

QUESTIONS = (
    # post, thread, parent, author, kind
    ("q1", "t1", None, "hr", "root"),
    ("a1", "t1", "q1", "it", "answer"),
    ("q2", "t2", None, "legal", "root"),
    ("a2", "t2", "q2", "sales", "answer"),
    ("c2", "t2", "a2", "ops", "comment"),
)
OLD_AND_NEW = (("q", "t", None, "ann", "root"), ("r", "t", "q", "bob", "reply"))


def on_paper(name: str, needs: str, smallest: str, *arguments: Any, expected: Values, **options: Any) -> Case:
    return Case(name, needs, smallest, lambda adapter: (getattr(adapter, needs)(*arguments, **options), expected))


PAPER = (
    on_paper(
        "silent people are kept, with strength 0",
        "strength",
        "a -> b (weight 2); c listed without a tie",
        PAIR_AND_SILENT,
        expected={"a": 2, "b": 0, "c": 0},
    ),
    on_paper("strength out", "strength", "a -> b (3), c -> b (1)", UNEQUAL, expected={"a": 0, "b": 3, "c": 1}),
    on_paper(
        "reach counts people, not messages",
        "reach",
        "a -> b (weight 100), d -> c, ...",
        BROKERS,
        expected={"a": 2, "b": 1, "c": 0, "d": 1},
    ),
    on_paper(
        "PageRank by hand, damping 0.5",
        "pagerank",
        "a -> b, b -> a, c -> a",
        CYCLE,
        expected={"a": 4 / 9, "b": 7 / 18, "c": 1 / 6},
        damping=0.5,
    ),
    on_paper(
        "HITS authorities by hand",
        "authority",
        "a -> c, b -> c, a -> d",
        FAN,
        expected={"a": 0, "b": 0, "c": PHI / (PHI + 1), "d": 1 / (PHI + 1)},
    ),
    on_paper(
        "HITS: equal components, equal scores",
        "authority",
        "three separate pairs a1 -> b1, a2 -> b2, a3 -> b3",
        make_table(("a1", "b1"), ("a2", "b2"), ("a3", "b3")),
        expected={**dict.fromkeys(("a1", "a2", "a3"), 0), **dict.fromkeys(("b1", "b2", "b3"), 1 / 3)},
    ),
    on_paper(
        "HITS: nobody has a tie",
        "authority",
        "two people, no tie",
        Table((), {"a": None, "b": None}),
        expected={"a": 0, "b": 0},
    ),
    on_paper(
        "betweenness in steps: equal paths share",
        "betweenness",
        "a -> b -> c and a -> d -> c",
        BROKERS,
        expected={"a": 0, "b": 0.5, "c": 0, "d": 0.5},
    ),
    on_paper(
        "strength is not distance",
        "weighted_betweenness",
        "a -> b -> c with weight 100 beside a -> d -> c with weight 1: the broker is b",
        BROKERS,
        expected={"a": 0, "b": 1, "c": 0, "d": 0},
    ),
    on_paper(
        "equal lengths up to rounding share a path",
        "weighted_betweenness",
        "a -> x -> z with weights 3, 3 beside a -> y -> z with weights 2, 6",
        make_table(("a", "x", 3), ("x", "z", 3), ("a", "y", 2), ("y", "z", 6)),
        expected={"a": 0, "x": 0.5, "y": 0.5, "z": 0},
    ),
    on_paper(
        "constraint of a triangle", "constraint", "a -> b -> c -> a", TRIANGLE, expected=dict.fromkeys("abc", 9 / 8)
    ),
    on_paper(
        "constraint weighs both directions",
        "constraint",
        "b -> a (weight 3), c -> b (weight 1)",
        UNEQUAL,
        expected={"a": 1, "b": 10 / 16, "c": 1},
    ),
    on_paper(
        "constraint of the silent is undefined",
        "constraint",
        "a -> b; c silent",
        PAIR_AND_SILENT,
        expected={"a": 1, "b": 1, "c": None},
    ),
    on_paper(
        "attributes are joined by id, not by position",
        "attributes",
        "people listed in another order than the edges meet them",
        ROLES,
        expected=ROLES.people,
    ),
    on_paper(
        "repeated rows of a pair are summed",
        "strength",
        "a -> b (1) and again a -> b (2)",
        make_table(("a", "b", 1), ("a", "b", 2)),
        expected={"a": 3, "b": 0},
    ),
    on_paper(
        "no tie to oneself",
        "strength",
        "a -> a (5), a -> b (1)",
        make_table(("a", "a", 5), ("a", "b", 1)),
        expected={"a": 1, "b": 0},
    ),
    on_paper(
        "a comment answers the answer, not an earlier thread",
        "replies",
        "HR asks, IT answers; Legal asks, Sales answers, Ops comments on Sales' answer",
        QUESTIONS,
        expected={("it", "hr"): 1, ("sales", "legal"): 1, ("ops", "sales"): 1},
    ),
    on_paper(
        "a recent reply to an old post is kept",
        "replies",
        "ann posts on day 0, bob replies on day 1; window from day 1",
        OLD_AND_NEW,
        expected={("bob", "ann"): 1},
        since_day=1,
    ),
)

# -- invariances --------------------------------------------------------------------------------------------------

SAMPLE = make_table(
    ("a", "b", 3), ("b", "c", 2), ("c", "d", 1), ("a", "d", 1), ("d", "e", 4), ("e", "a", 1), ("b", "e", 2),
    ("f", "b", 5), ("c", "a", 2), ("f", "e", 1),
    people={"g": None},
)  # fmt: skip
MEASURES = ("strength", "reach", "pagerank", "authority", "betweenness", "weighted_betweenness", "constraint")


def relabel(table: Table, names: Mapping[str, str]) -> Table:
    edges = tuple((names[s], names[t], w) for s, t, w in table.edges)
    return Table(edges, {names[person]: value for person, value in table.people.items()})


def turn(values: Values, names: Mapping[str, str]) -> Values:
    back = {new: old for old, new in names.items()}
    return {back.get(person, person): value for person, value in values.items()}


def relabelled(measure: str) -> Callable[[Any], tuple[Values, Values]]:
    names = dict(zip("abcdefg", ["z1", "a9", "m", "B", "10", "9", "c c"], strict=True))

    def run(adapter: Any) -> tuple[Values, Values]:
        compute = getattr(adapter, measure)
        return turn(compute(relabel(SAMPLE, names)), names), compute(SAMPLE)

    return run


def changed(
    measure: str, change: Callable[[Table], Table], *, keep: str = "abcdefg", factor: float = 1.0
) -> Callable[[Any], tuple[Values, Values]]:
    def run(adapter: Any) -> tuple[Values, Values]:
        compute = getattr(adapter, measure)
        found, before = compute(change(SAMPLE)), compute(SAMPLE)
        scaled = {p: v if v is None else v * factor for p, v in before.items() if p in keep}
        return {p: v for p, v in found.items() if p in keep}, scaled

    return run


def reorder(table: Table) -> Table:
    return Table(table.edges[::-1], dict(sorted(table.people.items(), reverse=True)))


def scale(table: Table) -> Table:
    return Table(tuple((s, t, 7 * w) for s, t, w in table.edges), table.people)


def add_isolate(table: Table) -> Table:
    return Table(table.edges, {**table.people, "new": None})


def split(table: Table) -> Table:
    return Table(tuple((s, t, w / 2) for s, t, w in table.edges for _ in range(2)), table.people)


def flip(table: Table) -> Table:
    return Table(tuple((t, s, w) for s, t, w in table.edges), table.people)


def flipped_strength(adapter: Any) -> tuple[Values, Values]:
    return adapter.strength(flip(SAMPLE), mode="out"), adapter.strength(SAMPLE, mode="in")


INVARIANCES = (
    *(Case(f"{m}: renaming people", m, "everybody renamed", relabelled(m)) for m in MEASURES),
    *(Case(f"{m}: order of rows", m, "rows and people in reverse order", changed(m, reorder)) for m in MEASURES),
    *(
        Case(
            f"{m}: scaling weights", m, "all weights times 7", changed(m, scale, factor=7.0 if m == "strength" else 1.0)
        )
        for m in MEASURES
    ),
    *(
        Case(f"{m}: adding a silent person", m, "one more person without a tie", changed(m, add_isolate))
        for m in MEASURES
        if m != "pagerank"
    ),
    *(
        Case(f"{m}: splitting rows", m, "each row given twice with half its weight", changed(m, split))
        for m in MEASURES
    ),
    *(
        Case(f"{m}: turning all ties round", m, "source and target exchanged", changed(m, flip))
        for m in ("betweenness", "weighted_betweenness", "constraint")
    ),
    Case("strength: out of the turned network is in", "strength", "source and target exchanged", flipped_strength),
)
CASES = (*PAPER, *INVARIANCES)
