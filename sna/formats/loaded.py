"""A table as it came out of a file: its rows as text or plain values, where each begins, and what could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

PROBLEM = pl.Schema({"reason": pl.String, "kind": pl.String, "position": pl.String, "detail": pl.String})
"""Columns of `Loaded.problems`; the kind is "rejected" for a lost row, else "note"."""


def list_problems(reason: str, rows: Sequence[tuple[str, str]], *, kind: str = "rejected") -> pl.DataFrame:
    """Problems of one reason, from pairs of position and detail.

    Examples
    --------
    >>> list_problems("damaged_row", [("line 3", "2 cells instead of 4")]).rows()
    [('damaged_row', 'rejected', 'line 3', '2 cells instead of 4')]
    """
    return pl.DataFrame([(reason, kind, *row) for row in rows], schema=PROBLEM, orient="row")


@dataclass(frozen=True)
class Loaded:
    """A table as it came: ``frame``, the ``name`` of its file, and the ``problems`` met (columns `PROBLEM`).

    ``lines`` holds, for text formats, the line each row starts at; None where rows have no line. ``place`` is the word
    before a row's number, "line " or "row " by default; rows without lines are numbered from ``first``.
    """

    frame: pl.DataFrame
    name: str
    problems: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PROBLEM))
    lines: pl.Series | None = None
    place: str = ""
    first: int = 1

    @property
    def n_read(self) -> int:
        """Rows met, those that could not be read too."""
        return self.frame.height + int((self.problems["kind"] == "rejected").sum())

    @property
    def positions(self) -> pl.Series:
        """Where each row is: "line 7", or "row 7" where rows have no line; shape (n rows,)."""
        numbers = (
            pl.int_range(self.first, self.frame.height + self.first, eager=True) if self.lines is None else self.lines
        )
        return ((self.place or ("row " if self.lines is None else "line ")) + numbers.cast(pl.String)).alias("position")
