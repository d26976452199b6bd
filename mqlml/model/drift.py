"""Drift: out-of-time predictions period by period go in, whether the level of conversions moves comes out.

It is told, not followed: what is followed is in `mqlml.model.level`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.stats import chi2

from mqlml.model.level import solve_shift

__all__ = ["Drift", "PeriodLevel", "measure_drift"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_SURE = 0.01
"""A calibration that holds in every period shows so large a difference between periods with this probability."""


@dataclass(frozen=True)
class PeriodLevel:
    """One period: conversions promised by one calibration over all periods, and those that came.

    ``deviations`` is the difference in its standard deviations, with accounts or leads as the units that vary.
    """

    start: int
    end: int
    n: int
    promised: float
    came: int
    deviations: float


@dataclass(frozen=True)
class Drift:
    """Whether the level of conversions moves between the periods in a way the features do not tell.

    Attributes
    ----------
    periods : tuple of PeriodLevel
    p_value : float or None
        Of so large deviations if one calibration held in all periods; None with fewer than two periods.
    """

    periods: tuple[PeriodLevel, ...]
    p_value: float | None

    @property
    def found(self) -> bool:
        """Whether the periods differ beyond noise, so that no calibration can be promised to hold in the next."""
        return self.p_value is not None and self.p_value < _SURE


def measure_drift(
    log_odds: FloatArray, y: FloatArray, period: IntArray, group: IntArray, periods: Sequence[tuple[int, int]]
) -> Drift:
    """How far each period lies from one calibration over all of them.

    Parameters
    ----------
    log_odds, y, group : arrays of shape (n,)
        Out-of-time predictions, what became of the rows, and the account or lead of each.
    period : array of int, shape (n,)
        The place in ``periods`` of each row.
    periods : sequence of (start, end), in order of time. Fewer than two tell nothing of how they differ.
    """
    common = log_odds + solve_shift(log_odds, y) if len(periods) > 1 else log_odds
    levels = []
    for number, span in enumerate(periods):
        rows = period == number
        levels.append(_level(common[rows], y[rows], group[rows], span))
    if len(levels) < 2:
        return Drift(tuple(levels), None)
    # One level was fitted to all periods, which takes one degree of freedom.
    squares = sum(level.deviations**2 for level in levels)
    return Drift(tuple(levels), float(chi2.sf(squares, len(levels) - 1)))


def _level(log_odds: FloatArray, y: FloatArray, group: IntArray, span: tuple[int, int]) -> PeriodLevel:
    promised = expit(log_odds)
    _, unit = np.unique(group, return_inverse=True)
    # Under the promise a row varies by p (1 − p); rows of one account or lead share their fate, so their residuals
    # are added up before they are squared, and the larger of the two variances counts.
    per_unit = np.bincount(unit, weights=y - promised)
    variance = max(float(per_unit @ per_unit), float((promised * (1 - promised)).sum()), 1e-12)
    return PeriodLevel(
        start=span[0],
        end=span[1],
        n=len(y),
        promised=float(promised.sum()),
        came=int(y.sum()),
        deviations=float((y - promised).sum()) / math.sqrt(variance),
    )
