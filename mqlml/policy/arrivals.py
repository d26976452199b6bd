"""Arrivals: how many leads came in past weeks says how the volume of the next weeks differs from that of the latest.

Two things move a volume besides chance: the season, known where there was a year before, and all else, of which past
weeks show how large it usually is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mqlml.types import Floats, Rows

__all__ = ["STEADY", "ArrivalForecast", "forecast_arrivals"]

_YEAR = 52.0
"""Weeks; a whole number, so that weekdays fall together."""

_WANDER = 0.03
"""Prior standard deviation by which the logarithm of a volume moves in a week, beyond chance."""

_BELIEF = 4.0
"""Independent comparisons of past weeks that weigh as much as this prior."""


@dataclass(frozen=True)
class ArrivalForecast:
    """How the volume of the next period relates to that of the latest weeks.

    Attributes
    ----------
    factor : float, the ratio expected.
    variance : float, of the logarithm of the ratio, beyond chance.
    """

    factor: float
    variance: float


STEADY = ArrivalForecast(1.0, 0.0)
"""Where nothing is known: the next period is like the latest weeks."""


def forecast_arrivals(
    time: Floats, account: Rows, latest: tuple[float, float], length: float
) -> ArrivalForecast:
    """How arrivals in the period after ``latest`` relate to those in it.

    The season is the same ratio a year before, moved towards 1 as far as chance may explain it (the positive-part
    estimator of James and Stein, 1961); without a year before, it is 1.

    Parameters
    ----------
    time, account : arrays of shape (n,)
        Of the first snapshot of each lead, in weeks. Leads of an account come together, so they count as fewer.
    latest : (start, end) of the weeks that the volume is measured on
    length : of the period that follows, in weeks
    """
    start, end = latest
    if not len(time) or length <= 0:
        return STEADY
    time = np.sort(time)
    per_account = np.unique(account, return_counts=True)[1].astype(np.float64)
    design = float(per_account @ per_account / per_account.sum())
    distance = (end - start + length) / 2
    factor = 0.0
    if time[0] <= start - _YEAR and length <= _YEAR:
        until = min(end - _YEAR + length, float(time[-1]))
        found = _compare(time, start - _YEAR, end - _YEAR, until)
        if found is not None:
            ratio, chance = found
            factor = ratio * max(0.0, 1 - design * chance / ratio**2) if ratio else 0.0
    moved = []
    split = float(time[-1]) - length
    while split - (end - start) >= time[0]:
        found = _compare(time, split - (end - start), split, split + length)
        if found is not None:
            moved.append((found[0] ** 2 - design * found[1]) / distance)
        split -= max(end - start, length) / 2  # neighbors share half of their weeks
    seen = len(moved) / 2
    per_week = (_BELIEF * _WANDER**2 + seen * float(np.mean(moved or [0.0]))) / (_BELIEF + seen)
    return ArrivalForecast(math.exp(factor), max(per_week, 0.0) * distance)


def _compare(time: Floats, start: float, split: float, end: float) -> tuple[float, float] | None:
    """Logarithm of the ratio of arrivals a week after and before a split, and its variance by chance."""
    if not start < split < end:
        return None
    first, middle, last = np.searchsorted(time, (start, split, end))
    before, after = int(middle - first), int(last - middle)
    if not before or not after:
        return None
    ratio = math.log((after / (end - split)) / (before / (split - start)))
    return ratio, 1 / before + 1 / after
