"""Frozen results: an Estimate, a Hypothesis written before looking, the Verdict on it; and how numbers are written.

Monte-Carlo p-values follow Phipson & Smyth (2010), (1 + k) / (1 + n), so they are never zero.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from sna.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DECISIONS = ("supported", "refuted", "undecided", "not answerable")


def format_number(value: float | None, *, digits: int = 3) -> str:
    """Write a number to ``digits`` significant digits, with thousands separators; ``-`` for none.

    Numbers below 0.0001 are written as powers of ten, so that no cell is longer than ten characters.

    Examples
    --------
    >>> format_number(0.12345), format_number(12345.6), format_number(None), format_number(5e-270)
    ('0.123', '12,346', '-', '5.0e-270')
    """
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == int(value) or abs(value) >= 10**digits:
        return f"{value:,.0f}"
    if abs(value) < _SMALL:
        return f"{value:.1e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


_SMALL = 1e-4


def format_day(moment: date) -> str:
    """Write a day as people do.

    Examples
    --------
    >>> format_day(date(2024, 7, 5))
    '5 July 2024'
    """
    return f"{moment.day} {moment:%B %Y}"


def format_space(name: str | None) -> str:
    """The name of a space as a reader knows it; empty where the export holds only its id.

    Examples
    --------
    >>> format_space("help"), format_space("10"), format_space("C02ABCDEFGH"), format_space(None)
    ('help', '', '', '')
    """
    return "" if name is None or _ID.fullmatch(name) else name


_ID = re.compile(r"\d+|[CDG][A-Z0-9]{8,}|[0-9a-f]{16,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+:\S+@thread\S*")
"""Ids of channels and categories: numbers, Slack, hexadecimal, UUID, Teams."""


def format_p(p_value: float | None) -> str:
    """Write a p-value; never as zero.

    Examples
    --------
    >>> format_p(0.0004), format_p(0.031), format_p(None)
    ('p < 0.001', 'p = 0.031', 'no p')
    """
    if p_value is None or math.isnan(p_value):
        return "no p"
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def format_count(n: int, noun: str, *, plural: str = "") -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> format_count(1, "reply", plural="replies"), format_count(1200, "person", plural="people")
    ('1 reply', '1,200 people')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {plural or noun + 's'}"


def format_duration(hours: float) -> str:
    """Write hours as people say them: minutes below two hours, days from two days on, always rounded down.

    Examples
    --------
    >>> [format_duration(h) for h in (0.01, 1 / 60, 1.5, 2.0, 47.9, 49.0, 24 * 400)]
    ['less than a minute', '1 minute', '90 minutes', '2 hours', '47 hours', '2 days', '400 days']
    """
    minutes = math.floor(hours * 60 + 1e-6)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return format_count(minutes, "minute")
    whole = math.floor(hours + 1e-6)
    return format_count(whole, "hour") if whole < 48 else format_count(whole // 24, "day")


class Frozen:
    """Shared faces of a result: one English sentence, a small HTML table, a one-row frame."""

    def sentence(self) -> str:
        """The result as one English sentence."""
        raise TypeError(f"{type(self).__name__} must say its sentence.")

    def __repr__(self) -> str:
        return self.sentence()

    def _cells(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(k)}</th><td>{html.escape(format_cell(k, v))}</td></tr>"
            for k, v in self._cells().items()
            if isinstance(v, str | int | float | date) and v != ""  # tables and nested results have faces of their own
        )
        return f"<p>{html.escape(self.sentence())}</p><table>{rows}</table>"


def format_cell(name: str, value: object) -> str:
    """Write the value of a column for people: p-values never as zero, dates as dates, "-" for none.

    Examples
    --------
    >>> format_cell("p_value", 1e-9), format_cell("ratio", 1.4567), format_cell("ratio", None)
    ('< 0.001', '1.46', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        is_p = name.split("_")[0] == "p" and not math.isnan(value)
        return format_p(value).removeprefix("p = ").removeprefix("p ") if is_p else format_number(value)
    return f"{value:%Y-%m-%d}" if hasattr(value, "strftime") else str(value)


@dataclass(frozen=True, repr=False)
class Estimate(Frozen):
    """One number with its yardstick and its uncertainty.

    Attributes
    ----------
    measure
        What was measured, in the literature's words.
    value
        The observed value, in ``unit``.
    low, high
        Ends of the interval at ``level``; None when there is none.
    expected
        The value under ``null``; None without a null.
    p_value
        Two-sided unless ``measure`` says otherwise; Monte-Carlo p is (1 + k) / (1 + draws).
    null
        Name of the null model.
    n
        Number of units the estimate rests on, and ``unit`` what they are.
    draws
        Number of Monte-Carlo draws; None for a closed form.

    Examples
    --------
    >>> Estimate("cross-role share", 0.31, low=0.28, high=0.34, expected=0.4, p_value=0.004,
    ...          null="thread participation", n=350, unit="threads", draws=999)
    cross-role share: 0.310 (95% interval 0.280 to 0.340); expected 0.400 under the thread participation null, \
p = 0.004; 350 threads.
    """

    measure: str
    value: float
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    expected: float | None = None
    p_value: float | None = None
    null: str = ""
    n: int = 0
    unit: str = ""
    draws: int | None = None

    def sentence(self) -> str:
        """Value, interval, yardstick, size."""
        text = f"{self.measure}: {format_number(self.value)}"
        if self.low is not None and self.high is not None:
            text += f" ({self.level:.0%} interval {format_number(self.low)} to {format_number(self.high)})"
        if self.expected is not None:
            text += f"; expected {format_number(self.expected)} under the {self.null} null"
        if self.p_value is not None:
            text += f", {format_p(self.p_value)}"
        return text + (f"; {self.n:,} {self.unit}".rstrip() if self.n else "") + "."

    def to_frame(self) -> pl.DataFrame:
        """One row, always the same columns."""
        return pl.DataFrame([self._cells()], schema=_ESTIMATE_SCHEMA)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw value, interval and expectation on ``ax``."""
        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(figsize=(6, 1.4))
        ax.plot([self.value], [0], "o", color="C0")
        if self.low is not None and self.high is not None:
            ax.plot([self.low, self.high], [0, 0], color="C0", lw=2)
        if self.expected is not None:
            ax.axvline(self.expected, color="0.5", ls="--", label=f"expected ({self.null})")
            ax.legend(frameon=False)
        ax.set_yticks([])
        ax.set_xlabel(self.measure)
        return ax


_ESTIMATE_SCHEMA = pl.Schema(
    {
        "measure": pl.String,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "level": pl.Float64,
        "expected": pl.Float64,
        "p_value": pl.Float64,
        "null": pl.String,
        "n": pl.Int64,
        "unit": pl.String,
        "draws": pl.Int64,
    }
)


@dataclass(frozen=True, repr=False)
class Hypothesis(Frozen):
    """A claim and how it will be judged, written before looking at the outcome.

    ``needs`` names the capabilities of a source it requires; ``smallest_effect`` is the smallest value of the
    estimand that would matter to anybody; ``direction`` is "greater", "less" or "two-sided".
    """

    id: str
    claim: str
    estimand: str
    outcome: str = ""
    contrast: str = ""
    adjust: tuple[str, ...] = ()
    direction: str = "two-sided"
    smallest_effect: float = 0.0
    checks: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.direction not in ("greater", "less", "two-sided"):
            raise ParameterError("direction is 'greater', 'less' or 'two-sided'.", got=f"Got {self.direction!r}.")

    def sentence(self) -> str:
        """Id, claim and estimand."""
        return f"{self.id}: {self.claim} Estimand: {self.estimand}."


@dataclass(frozen=True, repr=False)
class Verdict(Frozen):
    """What the data say about a hypothesis; a failed check is said first.

    ``checks`` maps each check to True, False or None (could not be run); ``decision`` is one of
    supported / refuted / undecided / not answerable.
    """

    hypothesis: Hypothesis
    estimate: Estimate | None
    checks: Mapping[str, bool | None]
    decision: str
    text: str

    def __post_init__(self) -> None:
        if self.decision not in DECISIONS:
            raise ParameterError(f"decision is one of {DECISIONS}.", got=f"Got {self.decision!r}.")

    def sentence(self) -> str:
        """Failed checks, decision, text."""
        failed = [name for name, passed in self.checks.items() if passed is False]
        warning = f"Check failed: {', '.join(failed)}. " if failed else ""
        return f"{warning}{self.hypothesis.id} {self.decision}: {self.text}"
