"""The types every floor shares: a moment as callers give it, and arrays of numbers."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

Moment = datetime | date | str | None
"""A point in time: aware datetimes as they are, naive ones and dates as UTC, text in ISO 8601; None: no limit."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
