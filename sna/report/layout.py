"""What a page is made of: sections with sentences, tables as text, and pictures as PNG.

Everything that comes from an export passes `clean_label` here; the template escapes it.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from sna.people.privacy import clean_label
from sna.results import format_cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 130
_CELL_LENGTH = 600


@dataclass(frozen=True)
class Figure:
    """A picture as base64 PNG, and what it shows."""

    png: str
    caption: str


@dataclass(frozen=True)
class TableView:
    """A table as text; ``numeric`` are the columns to align right; a folded one opens on a click."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """The answer to one question; ``headlines`` go to the top of the page, ``refused`` says why there is no answer."""

    headlines: Sequence[str] = ()
    answer: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[TableView] = ()
    notes: Sequence[str] = ()
    refused: str = ""


def draw_picture(draw: Callable[[Axes], object], *, caption: str, width: float = 8.0, height: float = 3.4) -> Figure:
    """Draw on fresh axes and keep the result as PNG; no window opens and no global state changes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(canvas)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the font lacks some scripts; tables show them
        draw(canvas.subplots())
        canvas.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return Figure(base64.b64encode(buffer.getvalue()).decode("ascii"), caption)


def view_table(
    frame: pl.DataFrame, caption: str, *, header: Mapping[str, str] | None = None, folded: bool = False
) -> TableView:
    """Any frame as text: numbers to three digits, texts cleaned of control characters.

    Parameters
    ----------
    frame
        The rows.
    caption
        Says what a row is.
    header
        Columns to show, each with its heading; None shows all of them.
    folded
        Show the caption only, until the reader opens it.
    """
    header = header or {name: name.replace("_", " ") for name in frame.columns}
    frame = frame.select(list(header))
    numeric = frozenset(k for k, dtype in enumerate(frame.dtypes) if dtype.is_numeric())
    rows = [[_cell(name, value) for name, value in row.items()] for row in frame.iter_rows(named=True)]
    return TableView(caption, list(header.values()), rows, numeric, folded)


def _cell(name: str, value: Any) -> str:
    if "share" in name and isinstance(value, float):
        return f"{value:.0%}"
    return clean_label(format_cell(name, value), max_length=_CELL_LENGTH)
