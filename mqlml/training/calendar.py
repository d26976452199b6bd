"""Calendar periods: a stretch of time goes in, the moments at which its weeks, months or quarters begin come out.

Folds that begin with a month can be named, lie beside the company's own monthly figures, and do not move when a few
leads more are exported.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mqlml.times import DAY, month_starts, months_since_1970
from mqlml.types import Micros

__all__ = ["cut_calendar"]

_FIRST_MONDAY = 4  # 1970-01-05, in days since 1970


def _every_days(days: int, offset: int) -> Callable[[int, int], Micros]:
    """Starts of periods of a fixed number of days, counted from one day of 1970."""

    def starts(first: int, last: int) -> Micros:
        length, origin = days * DAY, offset * DAY
        return np.arange((first - origin) // length, (last - origin) // length + 1) * length + origin

    return starts


def _every_months(months: int) -> Callable[[int, int], Micros]:
    """Starts of periods of a number of months that divides the year, or of whole years, counted from a January."""

    def starts(first: int, last: int) -> Micros:
        low, high = months_since_1970(np.array([first, last])) // months * months
        return month_starts(np.arange(low, high + 1, months))

    return starts


_UNITS: tuple[Callable[[int, int], Micros], ...] = (
    _every_days(1, 0),
    _every_days(7, _FIRST_MONDAY),
    _every_days(14, _FIRST_MONDAY),
    _every_months(1),
    _every_months(2),
    _every_months(3),
    _every_months(6),
    *(_every_months(12 * years) for years in (1, 2, 5, 10, 25, 100)),
)
"""Days, weeks from Monday, fortnights, months, two months, quarters, half-years, years; in UTC."""


def cut_calendar(first: int, last: int, *, most: int) -> Micros:
    """Cut ``[first, last]`` into at most ``most`` calendar periods, of the shortest unit that makes so few.

    What is left at either end, less than half a period long, joins its neighbour.

    Parameters
    ----------
    first, last : int, microseconds since 1970, both included.
    most : int, at least 1.

    Returns
    -------
    ndarray of int64, microseconds: where each period begins, the first at ``first``.
    """
    for starts in _UNITS:
        cuts = starts(first, last)
        inner = cuts[(cuts > first) & (cuts <= last)]
        if len(inner) and inner[0] - first < _half(cuts, 0):
            inner = inner[1:]
        if len(inner) and last + 1 - inner[-1] < _half(cuts, len(cuts) - 2):
            inner = inner[:-1]
        if len(inner) < most:
            return np.concatenate([[first], inner]).astype(np.int64)
    return np.array([first], dtype=np.int64)


def _half(cuts: Micros, place: int) -> float:
    return float(cuts[place + 1] - cuts[place]) / 2
