"""The level: how far past periods lay from what was known then gives a shift of the log-odds for the next one.

A model is at the level of the past that it learned from. The next period may lie above or below it, by a season, a
campaign or for good, and all its leads share that: the unit that varies is the period, however many leads it has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import t

from mqlml.types import Floats, Rows

__all__ = ["FEWEST_PERIODS", "PeriodLevels", "forecast_shift", "measure_levels", "solve_shift"]

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
