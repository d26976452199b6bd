"""Drift: whether conversions move between periods by more than chance explains.

It is reported, not corrected: what is corrected is in `mqlml.model.level`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import chi2

from mqlml.model.level import solve_shift
from mqlml.types import Floats, Rows

__all__ = ["Drift", "PeriodLevel", "measure_drift"]

_SURE = 0.01
"""A calibration that holds in every period shows so large a difference between periods with this probability."""


@dataclass(frozen=True)
class PeriodLevel:
    """One period: conversions predicted by one calibration over all periods, and those observed.

    ``deviations`` is the difference in its standard deviations, with accounts or leads as the units that vary.
    """

    start: int
    end: int
    n: int
    predicted: float
    observed: int
    deviations: float


@dataclass(frozen=True)
class Drift:
    """Whether the level of conversions moves between the periods in a way the features do not explain.

    Attributes
    ----------
    periods : tuple of PeriodLevel
    p_value : float or None
        Of deviations this large if one calibration held in all periods; None with fewer than two periods.
    """

    periods: tuple[PeriodLevel, ...]
    p_value: float | None

    @property
    def found(self) -> bool:
        """Whether the periods differ beyond noise, so that no calibration is sure to hold in the next."""
        return self.p_value is not None and self.p_value < _SURE


def measure_drift(
    log_odds: Floats, y: Floats, period: Rows, group: Rows, periods: Sequence[tuple[int, int]]
) -> Drift:
    """How far each period lies from one calibration over all of them.

    Parameters
    ----------
    log_odds, y, group : arrays of shape (n,)
        Out-of-time predictions, the outcomes (0 or 1), and the account or lead of each row.
    period : array of int, shape (n,)
        The place in ``periods`` of each row.
    periods : sequence of (start, end), in order of time. Fewer than two do not show how periods differ.
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


def _level(log_odds: Floats, y: Floats, group: Rows, span: tuple[int, int]) -> PeriodLevel:
    chance = expit(log_odds)
    _, code = np.unique(group, return_inverse=True)
    # A row whose chance is p varies by p (1 − p); rows of one account or lead share their outcome, so their residuals
    # are added up before they are squared, and the larger of the two variances counts.
    per_group = np.bincount(code, weights=y - chance)
    variance = max(float(per_group @ per_group), float((chance * (1 - chance)).sum()), 1e-12)
    return PeriodLevel(
        start=span[0],
        end=span[1],
        n=len(y),
        predicted=float(chance.sum()),
        observed=int(y.sum()),
        deviations=float((y - chance).sum()) / math.sqrt(variance),
    )
