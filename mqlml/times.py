"""Durations and instants: the only place where times are converted.

Every instant inside mqlml is an integer count of microseconds since 1970-01-01T00:00:00Z, or a
``datetime64[us, UTC]`` column; every duration is an integer count of microseconds. An instant that is missing in a
column is one of two integers, and whoever converts says which: `MISSING_TIME`, which lies before all instants, or
`NEVER`, which lies after all of them. Both become NaT again.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from mqlml.errors import ConfigError
from mqlml.texts import pluralize

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Ints = npt.NDArray[np.int64]

__all__ = [
    "DAY",
    "HOUR",
    "MISSING_TIME",
    "NEVER",
    "TIME_DTYPE",
    "column_to_microseconds",
    "describe_duration",
    "describe_range",
    "format_column",
    "format_duration",
    "format_instant",
    "from_microseconds",
    "microseconds_to_column",
    "month_starts",
    "months_since_1970",
    "parse_duration",
    "parse_instant",
    "to_clock",
    "to_microseconds",
]

HOUR = 3_600_000_000
DAY = 24 * HOUR

MISSING_TIME = -(2**63)
"""The instant of a missing value where only its being missing matters; numpy's and pandas' own NaT."""

NEVER = 2**63 - 1
"""An instant after all others: what has not happened, is not known, or has no end."""

TIME_DTYPE = "datetime64[us, UTC]"
"""The dtype of every column of instants."""

_QUARTER = HOUR // 4

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


def describe_duration(microseconds: int) -> str:
    """A duration as people write it: ``"60 days"``, ``"12 hours"``."""
    if microseconds % DAY == 0:
        return pluralize(microseconds // DAY, "day")
    return pluralize(round(microseconds / HOUR, 1), "hour")


def describe_range(low: int, high: int) -> str:
    """Two durations as people write them: ``"0 to 37 days"``, ``"12 hours to 2 days"``."""
    start = str(low // DAY) if low % DAY == high % DAY == 0 else describe_duration(low)
    return f"{start} to {describe_duration(high)}"


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


def from_microseconds(microseconds: int) -> dt.datetime:
    """The instant in UTC so many microseconds after 1970-01-01T00:00:00Z, exact.

    Raises
    ------
    OverflowError
        If no datetime is so early or late, as for `MISSING_TIME` and `NEVER`.
    """
    return _EPOCH + dt.timedelta(microseconds=int(microseconds))


def format_instant(instant: dt.datetime, zone: str = "UTC") -> str:
    """ISO text as clocks in ``zone`` show it, with the offset; without a time of day where it is midnight there."""
    instant = instant.astimezone(ZoneInfo(zone))
    if instant.time() == dt.time(0):
        return instant.date().isoformat()
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


def column_to_microseconds(times: pd.Series, *, missing: int = MISSING_TIME) -> Ints:
    """A column of times as microseconds since 1970 in UTC.

    Parameters
    ----------
    times : Series of datetime64 in any unit, of any zone; without a zone it is taken as UTC. Anything finer than a
        microsecond is rounded down.
    missing : int
        What NaT becomes: `MISSING_TIME`, or `NEVER` for facts that count only once their time has come.

    Returns
    -------
    ndarray of int64, a copy

    Examples
    --------
    >>> import pandas as pd
    >>> times = pd.Series(pd.to_datetime(["1970-01-02", None], utc=True))
    >>> column_to_microseconds(times, missing=NEVER).tolist() == [DAY, NEVER]
    True
    """
    import numpy as np

    naive = times if times.dt.tz is None else times.dt.tz_convert(None)
    ticks = np.array(naive.to_numpy(dtype="datetime64[us]").view(np.int64))
    if missing != MISSING_TIME:
        ticks[ticks == MISSING_TIME] = missing
    return ticks


def microseconds_to_column(microseconds: Ints, *, index: pd.Index | None = None) -> pd.Series:
    """Instants as a ``datetime64[us, UTC]`` column; `MISSING_TIME` and `NEVER` are NaT.

    Parameters
    ----------
    microseconds : ndarray of int64, since 1970 in UTC
    index : Index, optional
        Of the column; a range if left out.
    """
    import numpy as np
    import pandas as pd

    ticks = np.ascontiguousarray(microseconds, dtype=np.int64)
    never = ticks == NEVER
    if never.any():
        ticks = np.where(never, MISSING_TIME, ticks)
    return pd.Series(pd.DatetimeIndex(ticks.view("datetime64[us]")).tz_localize("UTC"), index=index)


def format_column(times: pd.Series, *, whole_seconds: bool | None = None) -> pd.Series:
    """A column of times as ISO text in UTC, missing where the time is.

    Parameters
    ----------
    times : as for `column_to_microseconds`
    whole_seconds : bool, optional
        Whether fractions of a second are left out; by default where no time has any.
    """
    import numpy as np
    import pandas as pd

    ticks = column_to_microseconds(times)
    missing = ticks == MISSING_TIME
    if whole_seconds is None:
        whole_seconds = bool((ticks[~missing] % 1_000_000 == 0).all())
    unit: Literal["s", "us"] = "s" if whole_seconds else "us"
    text = np.datetime_as_string(ticks.view("datetime64[us]"), unit=unit, timezone="UTC")
    return pd.Series(text, index=times.index, dtype="str").mask(missing)


def months_since_1970(instants: Ints) -> Ints:
    """The calendar month in UTC that each instant lies in; January 1970 is 0."""
    import numpy as np

    return np.asarray(instants, np.int64).view("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def month_starts(months: Ints) -> Ints:
    """The first instant in UTC of each month, counted as by `months_since_1970`."""
    import numpy as np

    return np.asarray(months, np.int64).view("datetime64[M]").astype("datetime64[us]").astype(np.int64)


def to_clock(instants: Ints, zone: str) -> Ints:
    """What the clocks of a zone show at each instant, as if that were microseconds since 1970 in UTC.

    `MISSING_TIME` and `NEVER` stay what they are.
    """
    import numpy as np

    if zone == "UTC" or len(instants) == 0:
        return instants
    there = (instants != MISSING_TIME) & (instants != NEVER)
    if not there.all():
        clocks = instants.copy()
        clocks[there] = to_clock(instants[there], zone)
        return clocks
    # a zone's offset changes at full quarters of an hour (since 1972), so each quarter is converted only once
    quarters = instants // _QUARTER
    first, last = int(quarters.min()), int(quarters.max())
    if last - first > len(instants) + 100_000:
        return instants + _offset(instants, zone)
    return instants + _offset(np.arange(first, last + 1) * _QUARTER, zone)[quarters - first]


def _offset(instants: Ints, zone: str) -> Ints:
    """How far the clocks of a zone are ahead of UTC at each instant, in microseconds."""
    clocks = microseconds_to_column(instants).dt.tz_convert(zone).dt.tz_localize(None)
    return column_to_microseconds(clocks) - instants
