"""Periods of the calendar, named so that their order is that of time."""

from __future__ import annotations

import polars as pl

from sna.errors import ParameterError

PERIODS = ("1w", "1mo", "1q", "1y")


def name_period(at: pl.Expr, every: str) -> pl.Expr:
    """The period a time lies in, in UTC: its Monday, "2024-03", "2024-Q1" or "2024".

    Parameters
    ----------
    at
        Times.
    every
        "1w", "1mo", "1q" or "1y".

    Raises
    ------
    ParameterError
        For any other period.

    Examples
    --------
    >>> from datetime import datetime
    >>> [pl.select(name_period(pl.lit(datetime(2024, 3, 14)), every)).item() for every in PERIODS]
    ['2024-03-11', '2024-03', '2024-Q1', '2024']
    """
    names = {
        "1w": at.dt.truncate("1w").dt.strftime("%Y-%m-%d"),
        "1mo": at.dt.strftime("%Y-%m"),
        "1q": at.dt.strftime("%Y-Q") + at.dt.quarter().cast(pl.String),
        "1y": at.dt.strftime("%Y"),
    }
    if every not in names:
        raise ParameterError(f"every is one of {', '.join(PERIODS)}.", got=f"Got {every!r}.")
    return names[every]
