"""Durations and instants: from the text a user writes to whole microseconds in UTC.

Every instant inside mqlml is an integer count of microseconds since 1970-01-01T00:00:00Z, or a
``datetime64[us, UTC]`` column; every duration is an integer count of microseconds.
"""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

from mqlml.errors import ConfigError

__all__ = [
    "DAY",
    "HOUR",
    "format_duration",
    "format_instant",
    "parse_duration",
    "parse_instant",
    "to_microseconds",
]

HOUR = 3_600_000_000
DAY = 24 * HOUR

_UNITS = {"h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([a-z]*)")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def parse_duration(text: object) -> int:
    """Microseconds of a duration such as ``"90d"``, ``"12h"`` or ``"2w"``.

    Raises
    ------
    ConfigError
        If the text has no unit, or one other than ``h``, ``d`` and ``w``.
    """
    match = _DURATION.fullmatch(str(text).strip())
    if match is None or match[2] not in _UNITS:
        raise ConfigError(
            f"a duration is a number and a unit, h, d or w (as in 12h, 90d, 2w); found {text!r}"
        )
    return round(float(match[1]) * _UNITS[match[2]])


def format_duration(microseconds: int) -> str:
    """The shortest text that `parse_duration` reads back to the same number: ``"60d"``, ``"12h"``."""
    if microseconds % DAY == 0:
        return f"{microseconds // DAY}d"
    return f"{microseconds / HOUR:g}h"


def parse_instant(value: object, zone: str) -> dt.datetime:
    """An instant in UTC from an ISO date, an ISO time, or what YAML makes of either.

    A value without an offset is taken in ``zone``; a date means its first moment.

    Raises
    ------
    ConfigError
        If the text is not an ISO date or time.
    """
    if isinstance(value, dt.datetime):
        instant = value
    elif isinstance(value, dt.date):
        instant = dt.datetime.combine(value, dt.time(0))
    else:
        try:
            instant = dt.datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise ConfigError(
                f"a time is written as 2018-11-14 or 2018-11-14T08:30:00+01:00; found {value!r}"
            ) from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=ZoneInfo(zone))
    return instant.astimezone(dt.UTC)


def to_microseconds(instant: dt.datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z, exact."""
    return (instant - _EPOCH) // dt.timedelta(microseconds=1)


def format_instant(instant: dt.datetime, zone: str = "UTC") -> str:
    """ISO text as clocks in ``zone`` show it, with the offset; without a time of day where it is midnight there."""
    instant = instant.astimezone(ZoneInfo(zone))
    if instant.time() == dt.time(0):
        return instant.date().isoformat()
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
