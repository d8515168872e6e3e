"""Windows of time: both ends as UTC moments, and the rows that lie between them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from sna.errors import ParameterError
from sna.schema import TIME
from sna.types import Moment

WEEK = "1w"
"""A week, for ``dt.truncate``: weeks begin on Monday at midnight, UTC."""

Window = tuple[datetime | None, datetime | None]
"""Both ends of a window; None is open."""


def make_window(since: Moment, until: Moment) -> Window:
    """Both ends of a window as UTC times; None is open.

    Raises
    ------
    ParameterError
        When a time cannot be read, or ``since`` is not before ``until``.

    Examples
    --------
    >>> make_window("2024-01-01", None)
    (datetime.datetime(2024, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), None)
    """
    start, end = _as_time(since, "since"), _as_time(until, "until")
    if start is not None and end is not None and start >= end:
        raise ParameterError("since must be before until.", got=f"Got {start.isoformat()} and {end.isoformat()}.")
    return start, end


def in_window(window: Window, column: str = "at") -> pl.Expr:
    """Whether the time in ``column`` lies in ``since <= time < until``; null for a missing time if an end is closed.

    Examples
    --------
    >>> times = pl.DataFrame({"at": [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3)]})
    >>> times.select(in_window(make_window("2024-01-02", "2024-01-03")))["at"].to_list()
    [False, True, False]
    """
    since, until = window
    inside = pl.col(column).is_not_null() if window != (None, None) else pl.lit(value=True).alias(column)
    if since is not None:
        inside &= pl.col(column) >= pl.lit(since, TIME)
    if until is not None:
        inside &= pl.col(column) < pl.lit(until, TIME)
    return inside


def cut_window(frame: pl.DataFrame, *, since: Moment, until: Moment, column: str = "at") -> pl.DataFrame:
    """Rows whose time lies in ``since <= time < until``; rows without a time stay only when nothing is cut.

    Examples
    --------
    >>> times = pl.DataFrame({"at": [datetime(2024, 1, 1, tzinfo=UTC), None]})
    >>> cut_window(times, since=None, until=None).height, cut_window(times, since="2024-01-01", until=None).height
    (2, 1)
    """
    window = make_window(since, until)
    return frame if window == (None, None) else frame.filter(in_window(window, column))


def merge_spells(spells: pl.DataFrame, *, by: tuple[str, ...]) -> pl.DataFrame:
    """Union of spells: overlapping or touching spells of the same ``by`` become one.

    Parameters
    ----------
    spells
        Columns ``by``, ``start`` and ``end``; rows with ``start >= end`` are dropped.

    Returns
    -------
    DataFrame
        ``*by, start, end``, sorted by all of them.

    Examples
    --------
    >>> spells = pl.DataFrame({"who": ["a", "a", "a"], "start": [1, 2, 7], "end": [5, 4, 8]})
    >>> merge_spells(spells, by=("who",)).rows()
    [('a', 1, 5), ('a', 7, 8)]
    """
    rows = spells.filter(pl.col("start") < pl.col("end")).sort(*by, "start", "end")
    reach = pl.col("end").cum_max().shift(1).over(list(by))
    fresh = reach.is_null() | (pl.col("start") > reach)
    rows = rows.with_columns(fresh.cast(pl.Int32).cum_sum().over(list(by)).alias("_spell"))
    merged = rows.group_by(*by, "_spell").agg(pl.col("start").min(), pl.col("end").max())
    return merged.drop("_spell").sort(*by, "start", "end")


def _as_time(value: Moment, name: str) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ParameterError(
                f"{name} is a date or time.", got=f"Got {value!r}.", hint=f'{name}="2024-01-31"'
            ) from error
    if not isinstance(value, date):
        raise ParameterError(f"{name} is a date or time.", got=f"Got {value!r}.", hint=f'{name}="2024-01-31"')
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
