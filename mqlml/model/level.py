"""The level: whether conversions move between periods by more than chance, and the shift of log-odds that follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import chi2, t

from mqlml.types import Floats, Rows

__all__ = [
    "FEWEST_PERIODS",
    "Drift",
    "PeriodLevel",
    "PeriodLevels",
    "forecast_shift",
    "measure_drift",
    "measure_levels",
    "solve_shift",
]


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


FEWEST_PERIODS = 3
"""Fewer periods than this do not show how periods differ."""

_PSEUDO = 4.0
"""A level moves as if this many more conversions had been predicted and observed: few outcomes move it little."""

_NOISE = 0.05
"""What periods of one level show with at most this probability is beyond noise."""

_RIDGE = 2.0
"""In squared log-odds: how firmly the latest level is believed not to last, before any evidence."""

_STEADY = 0.5
"""Share of the periods' mean distance from their predictions that is taken to last."""


@dataclass(frozen=True)
class PeriodLevels:
    """Levels of the periods of out-of-time predictions, in their order.

    Attributes
    ----------
    prior : ndarray of float64, shape (periods,)
        Log-odds of the base rate that each period's model knew.
    shift : ndarray of float64, shape (periods,)
        What must be added to the period's log-odds for them to predict as many conversions as were observed.
    """

    prior: Floats
    shift: Floats

    def then(self, later: PeriodLevels) -> PeriodLevels:
        """These levels followed by later ones."""
        return PeriodLevels(np.append(self.prior, later.prior), np.append(self.shift, later.shift))


def measure_levels(log_odds: Floats, prior: Floats, y: Floats, period: Rows) -> PeriodLevels:
    """Where each period lay. A period in which nobody or everybody converted counts like any other.

    Parameters
    ----------
    log_odds, prior, y : arrays of shape (n,)
        Out-of-time predictions, the base rate that their models knew as log-odds, and the outcomes (0 or 1).
    period : array of int, shape (n,)
        Which period each row lies in; a greater number is a later one.
    """
    rows = [np.flatnonzero(period == number) for number in np.unique(period)]
    return PeriodLevels(
        np.array([float(prior[of].mean()) for of in rows]),
        np.array([solve_shift(log_odds[of], y[of]) for of in rows]),
    )


def forecast_shift(levels: PeriodLevels, prior: float) -> float:
    """What to add to the log-odds of the next period, by a model that knew the base rate ``prior`` (log-odds).

    Two ways in which levels have moved are continued, as far as the past supports them. A share of the distance
    between the latest level and what was known then lasts, ``carry``, by least squares with a ridge. What periods lie
    off their predictions besides, if it is beyond noise in a t-test in which each period counts once, is moved by
    half, in the direction of the latest level only and no further than that. With fewer than three periods: 0.
    """
    shift, n = levels.shift, len(levels.shift)
    if n < FEWEST_PERIODS:
        return 0.0
    level = levels.prior + shift
    last = float(level[-1]) - prior
    distance = np.append(0.0, level[:-1] - levels.prior[1:])
    carry = float(np.clip(distance @ shift / (distance @ distance + _RIDGE), 0.0, 1.0))
    rest = shift - carry * distance
    mean, error = float(rest.mean()), float(rest.std(ddof=1)) / math.sqrt(n)
    steady = 0.0
    if abs(mean) > float(t.isf(_NOISE, n - 1)) * error and mean * last > 0:
        steady = math.copysign(min(abs(mean), abs((1.0 - carry) * last)), mean)
    return carry * last + _STEADY * steady


def solve_shift(log_odds: Floats, y: Floats) -> float:
    """What must be added to the log-odds for as many conversions to be predicted as were observed.

    `_PSEUDO` more are added to both sides, spread over the rows like the prediction itself, which pulls the shift
    towards 0. The difference falls without end in the shift, so there is one root.
    """
    more = 1.0 + _PSEUDO / max(float(expit(log_odds).sum()), 1e-12)
    wanted = float(y.sum()) + _PSEUDO

    def short(shift: float) -> float:
        return wanted - more * float(expit(log_odds + shift).sum())

    return float(brentq(short, -20.0, 20.0)) if short(-20.0) > 0 > short(20.0) else 0.0
