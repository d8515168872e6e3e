"""Read times written in any common way, all values of a column at once. What is ambiguous is never guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

import polars as pl

from sna.errors import ParameterError, SchemaError
from sna.schema import TIME

_NAIVE = pl.Datetime("us")
_CLOCK = (
    r"(?:[T ,]+(?P<h>\d{1,2}):?(?P<mi>\d{2})(?::?(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
    r"\s*(?P<z>Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?(?:\s*\(.*\))?$"
)
_YEAR, _DAY, _MONTH = r"(?P<y>\d{4}|\d{2})", r"(?P<d>\d{1,2})", r"(?P<mo>[A-Za-z]{3,9})\.?"
_WEEKDAY = r"^(?:[A-Za-z]{3,9},?\s+)?"
_PARTED = rf"^(?P<a>\d{{1,2}})(?P<dot>[/.-])(?P<b>\d{{1,2}})[/.-]{_YEAR}{_CLOCK}"
_FORMS = (
    rf"^(?P<y>\d{{4}})-?(?P<mo>\d{{2}})-?(?P<d>\d{{2}}){_CLOCK}",
    rf"^(?P<y>\d{{4}})[/.](?P<mo>\d{{1,2}})[/.](?P<d>\d{{1,2}}){_CLOCK}",
    rf"{_WEEKDAY}{_DAY}[ -]{_MONTH}[ -]{_YEAR}{_CLOCK}",
    rf"{_WEEKDAY}{_MONTH} {_DAY},? {_YEAR}{_CLOCK}",
)
"""The unambiguous ways: ISO 8601, 2024/5/1, 1 May 2024, May 1, 2024; each with a clock, a zone, or neither."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PIVOT = 70
"""Years of two digits: 70 to 99 are 1970 to 1999, 00 to 69 are 2000 to 2069."""
_EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_EPOCH_RANGES = {"epoch_s": (1e8, 1e10), "epoch_ms": (1e11, 1e13), "epoch_us": (1e14, 1e16)}
_DISCORD_EPOCH_MS = 1_420_070_400_000
_EXCEL_EPOCH_DAYS = 25_569
_MAIL_YEARS = range(1980, 2200)
_YEARS = (1900, 2199)
_RANGE_US = (-2_208_988_800_000_000, 7_258_118_400_000_000)

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
    """Read a column of times into UTC; what cannot be read is null, and so is a year before 1900 or after 2199.

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
    >>> parse_times(pl.Series(["25.06.15 05:52", "1.2.99"])).dt.year().to_list()
    [2015, 1999]
    """
    check_time_format(time_format, timezone)
    if values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        times = _from_moments(values, timezone)
    elif values.dtype.is_numeric():
        times = _from_numbers(values.cast(pl.Float64), time_format or _epoch_unit(values), values=values)
    else:
        text = values.cast(pl.String).str.strip_chars()
        times = _from_text(text, time_format or _format_of(text), timezone)
    return times.set(~times.dt.year().is_between(*_YEARS).fill_null(True), None).alias(values.name)


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


def _from_moments(values: pl.Series, timezone: str) -> pl.Series:
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None:
        return values.dt.convert_time_zone("UTC").cast(TIME)
    return _to_utc(values.cast(_NAIVE), timezone)


def _format_of(text: pl.Series) -> str:
    """The format most values are written in: a unit of numbers, "dmy" or "mdy", else "any"."""
    present = text.filter((text != "").fill_null(False))
    numbers = _decimal(present)
    if (
        len(present)
        and numbers.null_count() <= 0.5 * len(present)
        and not present.str.contains(r"^(?:19|20)\d{6}$").all()
    ):
        return _epoch_unit(numbers)
    parted = present.head(200).str.contains(_PARTED)
    return _day_first(present) if parted.sum() > 0.5 * len(parted) else "any"


def _from_text(text: pl.Series, time_format: str, timezone: str) -> pl.Series:
    if time_format in ("dmy", "mdy"):
        return _from_parts(_parts(text, _PARTED, order=time_format), timezone)
    if time_format in ("any", "iso"):
        found = pl.Series([None], dtype=TIME).new_from_index(0, len(text))
        for form in _FORMS if time_format == "any" else _FORMS[:1]:
            found = found.zip_with(found.is_not_null(), _from_parts(_parts(text, form), timezone))
        return found
    if "%" in time_format:
        return _from_pattern(text, time_format, timezone)
    whole, numbers = text.cast(pl.Int64, strict=False), _decimal(text)
    return _from_numbers(numbers, time_format, values=whole if whole.null_count() == numbers.null_count() else text)


def _decimal(text: pl.Series) -> pl.Series:
    """Numbers, with a point or a comma before their decimals."""
    return text.str.replace(r"^(-?\d+),(\d+)$", "$1.$2").cast(pl.Float64, strict=False)


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
    usable = micro.is_between(*_RANGE_US, closed="left").fill_null(False)
    return micro.set(~usable, None).cast(pl.Int64, strict=False).cast(TIME)


def _parts(text: pl.Series, form: str, *, order: str = "") -> pl.DataFrame:
    """Year, month, day, clock and zone of each text, as text; null where it is not of this form."""
    parts = text.str.extract_groups(form).struct.unnest()
    if order:
        parts = parts.rename({"a": "d", "b": "mo"} if order == "dmy" else {"a": "mo", "b": "d"})
    named = pl.col("mo").str.slice(0, 3).str.to_lowercase()
    numbers = {month: f"{number:02}" for number, month in enumerate(_MONTHS, start=1)}
    hour = pl.col("h").cast(pl.Int32)
    afternoon = pl.col("half").str.to_lowercase().str.starts_with("p").cast(pl.Int32)
    clock = pl.when(pl.col("half").is_null()).then(hour).otherwise(hour % 12 + 12 * afternoon)
    century = pl.when(pl.col("y").cast(pl.Int32) < _PIVOT).then(pl.lit("20")).otherwise(pl.lit("19"))
    return parts.with_columns(
        pl.when(pl.col("y").str.len_chars() == 2).then(century + pl.col("y")).otherwise("y").alias("y"),
        named.replace(numbers).str.zfill(2).alias("mo"),
        pl.col("d").str.zfill(2),
        clock.cast(pl.String).str.zfill(2).alias("h"),
    )


def _from_parts(parts: pl.DataFrame, timezone: str) -> pl.Series:
    """Parts as text to UTC, minding each value's own offset."""
    clock = [pl.col(name).fill_null("00") for name in ("h", "mi", "s")]
    written = pl.concat_str(["y", "mo", "d", *clock], separator=" ")
    micro = pl.col("f").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    digits = pl.col("z").str.replace_all(r"\D", "").str.pad_end(4, "0")
    size = digits.str.slice(0, 2).cast(pl.Int64) * 60 + digits.str.slice(2, 2).cast(pl.Int64)
    minutes = pl.when(pl.col("z").str.starts_with("-")).then(-size).otherwise(size)
    local = written.str.to_datetime("%Y %m %d %H %M %S", strict=False, time_unit="us")
    frame = parts.select(
        (local + pl.duration(microseconds=micro)).cast(_NAIVE).alias("local"), minutes.alias("minutes")
    )
    moved = pl.col("local") - pl.duration(minutes=pl.col("minutes"))
    plain = _to_utc(frame["local"], timezone)
    own = frame.select(moved.dt.replace_time_zone("UTC").cast(TIME)).to_series()
    return plain.zip_with(frame["minutes"].is_null(), own)


def _to_utc(local: pl.Series, timezone: str) -> pl.Series:
    """Local to UTC: the earlier of two (autumn), an hour later for times that do not exist (spring)."""
    first = local.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    later = local.dt.offset_by("1h").dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return first.zip_with(first.is_not_null(), later).dt.convert_time_zone("UTC").cast(TIME)


def _day_first(present: pl.Series) -> str:
    parts = present.str.extract_groups(_PARTED).struct.unnest()
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


def _from_pattern(text: pl.Series, pattern: str, timezone: str) -> pl.Series:
    zone = "UTC" if "%z" in pattern else None
    try:
        found = text.str.to_datetime(pattern, strict=False, time_unit="us", time_zone=zone)
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
