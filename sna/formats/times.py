"""Read times written in any common way, all values of a column at once. What is ambiguous is never guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

import polars as pl

from sna.errors import ParameterError, SchemaError
from sna.schema import TIME

_NAIVE = pl.Datetime("us")
_ISO = (
    r"^(\d{4})-?(\d{2})-?(\d{2})"
    r"(?:[T ]+(\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?$"
)
_PARTED = (
    r"^(\d{1,2})([/.-])(\d{1,2})[/.-](\d{4})"
    r"(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*([AaPp]\.?[Mm]\.?)?)?$"
)
_WORDED = (
    "%d %b %Y %H:%M:%S",
    "%d %b %Y %H:%M",
    "%d %b %Y",
    "%d %B %Y %H:%M:%S",
    "%d %B %Y %H:%M",
    "%d %B %Y",
    "%b %d, %Y %I:%M %p",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d-%b-%Y %H:%M:%S",
    "%d-%b-%Y",
    "%a, %d %b %Y %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
)
_EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_EPOCH_RANGES = {"epoch_s": (1e8, 1e10), "epoch_ms": (1e11, 1e13), "epoch_us": (1e14, 1e16)}
_DISCORD_EPOCH_MS = 1_420_070_400_000
_EXCEL_EPOCH_DAYS = 25_569
_MAIL_YEARS = range(1980, 2200)
_LATEST_US = 253_402_300_800_000_000

TIME_FORMATS = (
    "iso",
    "dmy",
    "mdy",
    "epoch_s",
    "epoch_ms",
    "epoch_us",
    "float_epoch",
    "slack_ts",
    "snowflake",
    "excel",
)
"""Named time formats; any ``strftime`` pattern with a % is allowed too."""


def parse_times(values: pl.Series, *, time_format: str | None = None, timezone: str = "UTC") -> pl.Series:
    """Read a column of times into UTC; what cannot be read is null.

    Parameters
    ----------
    values
        Times, dates, numbers or text.
    time_format
        One of `TIME_FORMATS` or a ``strftime`` pattern; found out when None.
    timezone
        Zone of times that carry none.

    Raises
    ------
    SchemaError
        When the values could mean two things (3/4/2024; numbers that could be seconds or days).
    ParameterError
        For an unknown format or zone.

    Examples
    --------
    >>> parse_times(pl.Series(["2024-05-01 12:00", "2024-05-01T12:00:00+02:00"])).dt.hour().to_list()
    [12, 10]
    """
    check_time_format(time_format, timezone)
    if values.dtype == pl.Date:
        values = values.cast(_NAIVE)
    if isinstance(values.dtype, pl.Datetime):
        aware = values.dtype.time_zone is not None
        return values.dt.convert_time_zone("UTC").cast(TIME) if aware else _to_utc(values.cast(_NAIVE), timezone)
    if values.dtype.is_numeric():
        return _from_numbers(values.cast(pl.Float64), time_format or _epoch_unit(values), values=values)
    text = values.cast(pl.String).str.strip_chars()
    if time_format is None:
        return _from_any_text(text, timezone)
    return _from_text(text, time_format, timezone)


def iso_time(column: str) -> pl.Expr:
    """A column of ISO-8601 text as times in UTC, where no zone means UTC; null where it is none.

    Examples
    --------
    >>> pl.DataFrame({"at": ["2024-05-01T12:00:00.5+02:00", "?"]}).select(iso_time("at").dt.hour())["at"].to_list()
    [10, None]
    """
    return pl.col(column).map_batches(lambda text: parse_times(text, time_format="iso"), return_dtype=TIME)


def check_time_format(time_format: str | None, timezone: str) -> None:
    """Refuse unknown formats and zones.

    Raises
    ------
    ParameterError
        With the formats known.
    """
    if time_format is not None and time_format not in TIME_FORMATS and "%" not in time_format:
        raise ParameterError(
            f"time_format is one of {', '.join(TIME_FORMATS)}, or a strftime pattern such as '%d.%m.%Y %H:%M'.",
            got=f"Got {time_format!r}.",
        )
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise ParameterError("timezone is a name such as 'Europe/Berlin'.", got=f"Got {timezone!r}.") from error


def _from_any_text(text: pl.Series, timezone: str) -> pl.Series:
    present = text.drop_nulls().filter(text.drop_nulls() != "")
    if present.is_empty():
        return pl.Series(text.name, [None] * len(text), dtype=TIME)
    numbers = present.cast(pl.Float64, strict=False)
    if numbers.null_count() <= 0.5 * len(present) and not present.str.contains(r"^(?:19|20)\d{6}$").all():
        return _from_text(text, _epoch_unit(numbers), timezone)
    if present.head(200).str.contains(_PARTED).mean() > 0.5:  # type: ignore[operator]
        return _from_text(text, _day_first(present), timezone)
    iso = _from_iso_text(text, timezone)
    if iso.null_count() == text.null_count():
        return iso
    return iso if iso.drop_nulls().len() > 0.5 * len(present) else _from_words(text, iso, timezone)


def _from_text(text: pl.Series, time_format: str, timezone: str) -> pl.Series:
    if time_format == "iso":
        return _from_iso_text(text, timezone)
    if time_format in ("dmy", "mdy"):
        return _from_parts(text, time_format, timezone)
    if "%" in time_format:
        return _from_pattern(text, time_format, timezone)
    whole = text.cast(pl.Int64, strict=False)
    exact = whole.null_count() == text.cast(pl.Float64, strict=False).null_count()
    return _from_numbers(text.cast(pl.Float64, strict=False), time_format, values=whole if exact else text)


def _epoch_unit(values: pl.Series) -> str:
    size = values.cast(pl.Float64).drop_nulls().drop_nans().abs()
    for unit, (low, high) in _EPOCH_RANGES.items():
        if len(size) and (size >= low).all() and (size < high).all():
            return unit
    raise SchemaError(
        "The times must be readable in one way only.",
        got=f"They are numbers from {size.min()!r} to {size.max()!r}.",
        hint='say what they are: time_format="epoch_s" (seconds), "epoch_ms", "epoch_us" or "excel" (days)',
    )


def _from_numbers(numbers: pl.Series, unit: str, *, values: pl.Series) -> pl.Series:
    """Numbers to UTC. ``values`` keeps whole numbers exact where a float would lose digits."""
    if unit in _EPOCHS and values.dtype.is_integer():
        micro = values.cast(pl.Int64) * _EPOCHS[unit]
    elif unit in _EPOCHS:
        micro = (numbers * _EPOCHS[unit]).round(0)
    elif unit in ("float_epoch", "slack_ts"):
        micro = (numbers * 1e6).round(0)
    elif unit == "excel":
        micro = ((numbers - _EXCEL_EPOCH_DAYS) * 86_400).round(0) * 1_000_000
    elif unit == "snowflake":
        micro = ((values.cast(pl.Int64, strict=False) // 2**22) + _DISCORD_EPOCH_MS) * 1_000
    else:
        raise ParameterError("Numbers are read as epoch or Excel times.", got=f"time_format is {unit!r}.")
    usable = micro.is_between(-62_135_596_800_000_000, _LATEST_US, closed="left")
    return micro.zip_with(usable.fill_null(False), _nulls(micro)).cast(pl.Int64, strict=False).cast(TIME)


def _nulls(like: pl.Series) -> pl.Series:
    return pl.Series(like.name, [None], dtype=like.dtype).new_from_index(0, len(like))


def _from_iso_text(text: pl.Series, timezone: str) -> pl.Series:
    parts = text.str.extract_groups(_ISO).struct.unnest()
    parts.columns = ["y", "mo", "d", "h", "mi", "s", "f", "z"]
    return _assemble(parts, timezone).alias(text.name)


def _from_parts(text: pl.Series, order: str, timezone: str) -> pl.Series:
    parts = text.str.extract_groups(_PARTED).struct.unnest()
    parts.columns = ["a", "dot", "b", "y", "h", "mi", "s", "half"]
    day, month = ("a", "b") if order == "dmy" else ("b", "a")
    hour = pl.col("h").cast(pl.Int32)
    afternoon = pl.col("half").str.to_lowercase().str.starts_with("p")
    clock = pl.when(pl.col("half").is_null()).then(hour).otherwise(hour % 12 + 12 * afternoon.cast(pl.Int32))
    return _assemble(
        parts.select(
            "y",
            pl.col(month).str.zfill(2).alias("mo"),
            pl.col(day).str.zfill(2).alias("d"),
            clock.cast(pl.String).str.zfill(2).alias("h"),
            "mi",
            "s",
            pl.lit(None, pl.String).alias("f"),
            pl.lit(None, pl.String).alias("z"),
        ),
        timezone,
    ).alias(text.name)


def _assemble(parts: pl.DataFrame, timezone: str) -> pl.Series:
    """Year, month... as text to UTC, minding each value's own offset."""
    zero = pl.lit("00")
    written = pl.concat_str(
        [pl.col("y"), pl.col("mo"), pl.col("d"), *(pl.col(c).fill_null(zero) for c in ("h", "mi", "s"))], separator=" "
    )
    fraction = pl.col("f").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    sign = pl.when(pl.col("z").str.starts_with("-")).then(-1).otherwise(1)
    digits = pl.col("z").str.replace_all(r"\D", "").str.pad_end(4, "0")
    minutes = sign * (digits.str.slice(0, 2).cast(pl.Int64) * 60 + digits.str.slice(2, 2).cast(pl.Int64))
    frame = parts.select(
        (
            written.str.to_datetime("%Y %m %d %H %M %S", strict=False, time_unit="us")
            + pl.duration(microseconds=fraction)
        )
        .cast(_NAIVE)
        .alias("local"),
        pl.when(pl.col("z").str.contains(r"\d")).then(minutes).when(pl.col("z").is_not_null()).then(0).alias("offset"),
    )
    naive = _to_utc(frame["local"], timezone)
    moved = frame.select((pl.col("local") - pl.duration(minutes=pl.col("offset"))).dt.replace_time_zone("UTC"))
    return (
        frame["offset"]
        .is_null()
        .to_frame()
        .select(pl.when(pl.col("offset")).then(naive).otherwise(moved.to_series()).cast(TIME))
        .to_series()
    )


def _to_utc(local: pl.Series, timezone: str) -> pl.Series:
    """Local to UTC: the earlier of two (autumn), an hour later for times that do not exist (spring)."""
    if timezone == "UTC":
        return local.dt.replace_time_zone("UTC").cast(TIME)
    first = local.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    later = local.dt.offset_by("1h")
    second = later.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return first.zip_with(first.is_not_null(), second).dt.convert_time_zone("UTC").cast(TIME)


def _day_first(present: pl.Series) -> str:
    parts = present.str.extract_groups(_PARTED).struct.unnest()
    parts.columns = ["a", "dot", "b", "y", "h", "mi", "s", "half"]
    if (parts["dot"].drop_nulls() == ".").all():
        return "dmy"
    first, second = parts["a"].cast(pl.Int32).max(), parts["b"].cast(pl.Int32).max()
    over = (isinstance(first, int) and first > 12, isinstance(second, int) and second > 12)
    if over == (True, False):
        return "dmy"
    if over == (False, True):
        return "mdy"
    which = "both orders occur" if all(over) else "no day is above 12"
    raise SchemaError(
        "Dates must be readable in one way only.",
        got=f"{present[0]!r} could be day or month first: {which}.",
        hint='time_format="dmy" or time_format="mdy"',
    )


def _from_words(text: pl.Series, so_far: pl.Series, timezone: str) -> pl.Series:
    """Dates with month names and the like: the first pattern that reads the most values fills what is still null."""
    best = so_far
    plain = text.str.replace(r"\s*(?:[+-]\d{4}|GMT|UTC|Z)(?:\s*\(.*\))?$", "")
    for pattern in _WORDED:
        found = plain.str.to_datetime(pattern, strict=False, time_unit="us")
        if found.null_count() < best.null_count():
            best = _to_utc(found, timezone)
    offset = text.str.extract(r"([+-]\d{4})(?:\s*\(.*\))?$")
    if best is so_far or offset.null_count() == len(offset):
        return best
    sign = pl.when(pl.col("z").str.starts_with("-")).then(-1).otherwise(1)
    minutes = pl.col("z").str.slice(1, 2).cast(pl.Int64) * 60 + pl.col("z").str.slice(3, 2).cast(pl.Int64)
    moved = pl.col("t") - pl.duration(minutes=(sign * minutes).fill_null(0))
    return pl.DataFrame({"t": best, "z": offset}).select(moved.cast(TIME)).to_series()


def _from_pattern(text: pl.Series, pattern: str, timezone: str) -> pl.Series:
    try:
        found = text.str.to_datetime(
            pattern, strict=False, time_unit="us", time_zone="UTC" if "%z" in pattern else None
        )
        if found.null_count() == len(found):
            found = text.str.to_date(pattern, strict=False).cast(_NAIVE)
    except pl.exceptions.PolarsError as error:
        raise ParameterError("time_format must be a strftime pattern.", got=f"Got {pattern!r}: {error}.") from error
    return found.cast(TIME) if "%z" in pattern else _to_utc(found, timezone)


def from_mail_date(value: str) -> datetime | None:
    """Date of a mail header (RFC 5322 and older spellings) to UTC; None when it is none or of no year of mail.

    Examples
    --------
    >>> from_mail_date("Fri, 1 Mar 2024 10:00:00 +0100"), from_mail_date("yesterday")
    (datetime.datetime(2024, 3, 1, 9, 0, tzinfo=datetime.timezone.utc), None)
    """
    try:
        found = parsedate_to_datetime(value.strip())
        moment = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.year in _MAIL_YEARS else None


def from_epoch(value: float | str | None, *, unit: str = "s") -> datetime | None:
    """Epoch number ("s", "ms" or "us") to UTC; None when it is not a usable time (never raises)."""
    scale = {"s": 1_000_000, "ms": 1_000, "us": 1}[unit]
    try:
        micro = int(value) * scale if isinstance(value, int) else round(float(str(value)) * scale)
        return datetime.fromtimestamp(micro // 1_000_000, UTC).replace(microsecond=micro % 1_000_000)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def from_iso(value: str | None) -> datetime | None:
    """ISO-8601 text to UTC; without a zone UTC is meant; None when unusable (never raises)."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
