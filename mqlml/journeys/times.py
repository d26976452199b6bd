"""Parse times as people and programs write them into whole microseconds in UTC."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mqlml.config import ColumnFormat
from mqlml.errors import ConfigError, ContractError
from mqlml.journeys.parse import ISO, Form, Parsed, find_date_evidence, parse_numbers, plain_text, true_where
from mqlml.times import DAY, MISSING_TIME, column_to_microseconds, microseconds_to_column, to_microseconds
from mqlml.types import Mask

__all__ = ["OUT_OF_RANGE", "guess_format", "guess_unit", "parse_times"]

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - what a clock shows has no zone
_FIRST = to_microseconds(dt.datetime(1900, 1, 1, tzinfo=dt.UTC))
_END = to_microseconds(dt.datetime(2200, 1, 1, tzinfo=dt.UTC))
_EXCEL_ZERO = to_microseconds(dt.datetime(1899, 12, 30, tzinfo=dt.UTC))
_EXCEL_FIRST, _EXCEL_END = (_FIRST - _EXCEL_ZERO) // DAY, (_END - _EXCEL_ZERO) // DAY
_EXCEL_USUAL = (32_874, 54_789)
"""The spreadsheet's days from 1990 to 2050."""
OUT_OF_RANGE = "time outside 1900 to 2199"

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MICROSECONDS = {"d": DAY, "s": 1_000_000, "ms": 1_000, "us": 1}
_UNIT_WORDS = {"d": "days", "s": "seconds", "ms": "milliseconds", "us": "microseconds"}

_COMMON = re.compile(
    r"(\d{4}|\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{1,2})(?:([ T])\d{1,2}:\d{2}(:\d{2})?( [AaPp][Mm])?)?",
    re.ASCII,
)
_OFFSET = r":\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$"


def parse_times(
    column: Any,
    *,
    zone: ZoneInfo,
    hint: ColumnFormat | None,
    where: str,
    form: Form | None = None,
    missing: Collection[str] = (),
) -> Parsed:
    """Instants as an int64 array of microseconds since 1970 in UTC, `MISSING_TIME` where missing or bad.

    Parameters
    ----------
    column : ISO text, text in ``hint.format``, numbers in ``hint.unit``, or Arrow dates and timestamps, for
        which the hint is not needed; nor is it for other text whose whole column proves its format, and for the days
        of a spreadsheet. Anything finer than a microsecond is cut off.
    zone : of times without an offset, and of dates (and day numbers), which mean their first moment there. Where
        the clock was put back and a time occurred twice, the first is meant; a time that the clock jumped over
        is moved on by the length of the jump (02:30 to 03:30), as Python, PostgreSQL and Java do.
    where : the column's name in messages.
    form : that of the whole column, where this is a batch of it.
    missing : the words for a missing value.

    Raises
    ------
    ContractError
        If the column holds numbers and the hint names no unit, or something that is no time at all.
    ConfigError
        If the hint's format is not made of strptime directives.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return Parsed(np.full(len(column), MISSING_TIME), np.ones(len(column), dtype=bool))
    if pa.types.is_timestamp(kind):
        return _typed(column, kind.unit, None if kind.tz else zone)
    if pa.types.is_date(kind):
        return _typed(pc.cast(column, pa.timestamp("s")), "s", zone)
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if hint is not None and hint.unit == "excel":
        return _excel(column, zone, form, missing)
    if hint is not None and hint.unit is not None:
        return _epoch(column, hint.unit, zone, form, missing)
    if numeric and hint is not None and hint.format is not None:
        return _formatted(plain_text(column, form), hint.format, zone, where)
    if numeric and _all_excel_days(column, form, missing):
        return _excel(column, zone, form, missing)
    if numeric:
        raise ContractError(
            f"{where} must hold times and holds numbers; say what they count, as {{column: …, unit: "
            f"{guess_unit(column)}}} "
            '(d, s, ms, us, excel), or how they are written, as {column: …, format: "%Y%m%d"}'
        )
    if pa.types.is_boolean(kind) or pa.types.is_time(kind) or pa.types.is_nested(kind):
        raise ContractError(f"{where} must hold times; found values of type {kind}. Map another column to it")
    text = plain_text(column, form, missing)
    if hint is not None and hint.format is not None:
        return _formatted(text, hint.format, zone, where)
    evidence = find_date_evidence(text) if form is None else form.dates
    proven = evidence.formats()
    if len(proven) == 1:
        return _formatted(text, proven[0], zone, where)
    known = text.drop_null()
    # No number holds a colon; one value spares most columns of times the search for numbers.
    if len(known) and ":" not in known[0].as_py() and _all_excel_days(text, form, missing):
        return _excel(text, zone, form, missing)
    return _iso(text, zone)


def guess_format(text: str | None) -> str:
    """The strptime format that one value seems to follow, for an example; where either may be the day, the first.

    >>> guess_format("27/03/2025 03:57"), guess_format("3/27/25"), guess_format("soon")
    ('%d/%m/%Y %H:%M', '%m/%d/%y', '%d/%m/%Y')
    """
    match = _COMMON.fullmatch((text or "").strip())
    if match is None:
        return "%d/%m/%Y"
    first, mark, second, third, between, seconds, half = match.groups()
    if len(first) == 4:
        day = mark.join(("%Y", "%m", "%d"))
    else:
        year = "%Y" if len(third) == 4 else "%y"
        day = mark.join(("%m", "%d", year) if int(second) > 12 else ("%d", "%m", year))
    if between is None:
        return day
    return f"{day}{between}{'%I' if half else '%H'}:%M{':%S' if seconds else ''}{' %p' if half else ''}"


def _excel(column: Any, zone: ZoneInfo, form: Form | None, missing: Collection[str]) -> Parsed:
    """Days of a spreadsheet, whose fractions are exact to a second or so."""
    numbers = parse_numbers(column, form, missing_words=missing)
    days = np.where(np.isnan(numbers.data), 0, numbers.data)
    outside = (days < _EXCEL_FIRST) | (days >= _EXCEL_END)
    seconds = np.round(np.where(outside, 0, days) * 86_400).astype(np.int64)
    walls = _EXCEL_ZERO + seconds * 1_000_000
    local = np.full(len(walls), True)
    return _instants(walls, numbers.missing, local, zone, ("not a number of days", numbers.bad), outside)


def _all_excel_days(column: Any, form: Form | None, missing: Collection[str]) -> bool:
    """Whether all numbers are days of a spreadsheet from 1990 to 2050; no other count of days or seconds is."""
    numbers = parse_numbers(column, form, missing_words=missing)
    found = numbers.data[~np.isnan(numbers.data)]
    usual = (found >= _EXCEL_USUAL[0]) & (found < _EXCEL_USUAL[1])
    return len(found) > 0 and not numbers.bad.any() and bool(usual.all())


def guess_unit(column: Any) -> str:
    """The unit that numbers of recent years have, by their size."""
    largest = float(np.nanmax(parse_numbers(column).data, initial=0))
    limits = {"d": 1e5, "s": 1e10, "ms": 1e13}
    return next((unit for unit, limit in limits.items() if largest < limit), "us")


def _typed(column: Any, unit: str, zone: ZoneInfo | None) -> Parsed:
    missing = true_where(pc.is_null(column))
    ticks = np.asarray(pc.fill_null(pc.cast(column, pa.int64()), 0))
    scale = _PER_SECOND[unit]
    # In the source's own unit, since in microseconds a far year would overflow and come back as a near one.
    outside = (ticks < _FIRST // 1_000_000 * scale) | (ticks >= _END // 1_000_000 * scale)
    ticks = np.where(outside, 0, ticks)
    walls = ticks // 1_000 if unit == "ns" else ticks * (1_000_000 // scale)
    return _instants(
        walls, missing, np.full(len(walls), zone is not None), zone, ("", missing & False), outside
    )


def _epoch(column: Any, unit: str, zone: ZoneInfo, form: Form | None, missing: Collection[str]) -> Parsed:
    numbers = parse_numbers(column, form, missing_words=missing)
    # A float64 holds every whole microsecond of the years allowed.
    scaled = np.where(np.isnan(numbers.data), 0, numbers.data) * _MICROSECONDS[unit]
    outside = (scaled < _FIRST) | (scaled >= _END)
    walls = np.floor(np.where(outside, 0, scaled)).astype(np.int64)
    local = np.full(len(walls), unit == "d")
    return _instants(
        walls,
        numbers.missing,
        local,
        zone,
        (f"not a number of {_UNIT_WORDS[unit]} since 1970", numbers.bad),
        outside,
    )


def _iso(text: Any, zone: ZoneInfo) -> Parsed:
    fits = pc.match_substring_regex(text, ISO)
    text = pc.if_else(fits, text, pa.scalar(None, pa.string()))
    missing = true_where(pc.is_null(fits))
    text = pc.replace_substring(text, ",", ".")
    text = pc.replace_substring_regex(text, r" ?(UTC|GMT|Z)$", "Z")
    text = pc.replace_substring_regex(text, r" ([+-])", r"\1")
    text = pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")
    parsed = pd.to_datetime(text.to_pandas(), format="ISO8601", utc=True, errors="coerce")
    local = ~true_where(pc.match_substring_regex(text, _OFFSET))
    return _from_pandas(parsed, missing, local, zone, "not an ISO date or time")


def _formatted(text: Any, form: str, zone: ZoneInfo, where: str) -> Parsed:
    if not any(directive in form for directive in ("%Y", "%y", "%G", "%c", "%x")):
        raise ConfigError(
            f"the format of {where} must be written with directives and hold the year, as %d/%m/%Y or %Y%m%d; "
            f"found {form!r}"
        )
    try:
        parsed = pd.to_datetime(text.to_pandas(), format=form, utc=True, errors="coerce")
    except ValueError as error:
        raise ConfigError(f"the format of {where}, {form!r}, cannot be used: {error}") from None
    local = np.full(len(parsed), not ("%z" in form or "%Z" in form))
    return _from_pandas(
        parsed, true_where(pc.is_null(text)), local, zone, f"not a time in the format {form!r}"
    )


def _from_pandas(parsed: Any, missing: Mask, local: Mask, zone: ZoneInfo, reason: str) -> Parsed:
    bad = np.asarray(parsed.isna()) & ~missing
    walls = column_to_microseconds(parsed)
    outside = ((walls < _FIRST) | (walls >= _END)) & ~bad & ~missing
    return _instants(walls, missing, local, zone, (reason, bad), outside)


def _instants(
    walls: npt.NDArray[np.int64],
    missing: Mask,
    local: Mask,
    zone: ZoneInfo | None,
    bad: tuple[str, Mask],
    outside: Mask,
) -> Parsed:
    """Instants from what clocks showed: in UTC, or in ``zone`` where ``local``."""
    outside = outside & ~missing & ~bad[1]
    values = np.where(missing | bad[1] | outside, MISSING_TIME, walls)
    if zone is not None and zone.key != "UTC" and local.any():
        values[local] = _localise(values[local], zone)
    return Parsed(values, missing, (bad, (OUT_OF_RANGE, outside)))


def _localise(walls: npt.NDArray[np.int64], zone: ZoneInfo) -> npt.NDArray[np.int64]:
    """The instants at which clocks in ``zone`` showed these times, as Python's ``replace(tzinfo=zone)`` has them."""
    clock = microseconds_to_column(walls).dt.tz_localize(None)
    first = np.ones(len(clock), dtype=bool)
    instants = column_to_microseconds(clock.dt.tz_localize(zone, ambiguous=first, nonexistent="NaT"))
    jumped = (instants == MISSING_TIME) & (walls != MISSING_TIME)
    # pandas' own "shift_forward" is half an hour off on Lord Howe, where the clock jumps by half an hour.
    distinct, place = np.unique(walls[jumped], return_inverse=True)
    shown = [_EPOCH + dt.timedelta(microseconds=int(wall)) for wall in distinct]
    moved = [to_microseconds(time.replace(tzinfo=zone).astimezone(dt.UTC)) for time in shown]
    instants[jumped] = np.array(moved, dtype=np.int64)[place]
    return instants
