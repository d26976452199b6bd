"""The level: how far each period of the past lay from what was known goes in, a shift for the next period comes out.

A model is at the level of the past that it learned from. The next period may lie above or below it, by a season, a
campaign or for good, and all its leads share that: the unit that varies is the period, however many leads it has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import t

__all__ = ["PeriodLevels", "Slope", "forecast_shift", "measure_levels", "measure_slope", "solve_shift"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

PSEUDO = 4.0
"""A level moves as if this many expected conversions had come in as promised: few outcomes move it little."""

FEWEST_PERIODS = 3
"""Fewer periods than this do not tell how periods differ."""

NOISE = 0.05
"""What periods of one level show with at most this probability is beyond noise."""

_CARRIED = 2.0
"""Before any evidence the level before is not believed to carry over; this, in squared log-odds, is how firmly."""

_STEADY = 0.5
"""Of what the periods lie off their promise on average, this share is taken to last."""

_MOST_STEPS = 100


@dataclass(frozen=True)
class PeriodLevels:
    """Levels of the periods of out-of-time predictions, in their order.

    Attributes
    ----------
    prior : ndarray of float64, shape (periods,)
        Log-odds of the base rate that each period's model knew.
    shift : ndarray of float64, shape (periods,)
        What must be added to the period's log-odds for them to promise what came.
    """

    prior: FloatArray
    shift: FloatArray


@dataclass(frozen=True)
class Slope:
    """How much of the score later data bear out: 1 means all of it, 0 none. ``error`` is its standard error."""

    value: float
    error: float

    @property
    def z(self) -> float:
        """The slope in its standard errors; 0 where nothing is known of it."""
        return self.value / self.error if math.isfinite(self.error) and self.error > 0 else 0.0


def measure_levels(log_odds: FloatArray, prior: FloatArray, y: FloatArray, period: IntArray) -> PeriodLevels:
    """Where each period lay. A period in which nobody or everybody converted counts like any other.

    Parameters
    ----------
    log_odds, prior, y : arrays of shape (n,)
        Out-of-time predictions, the base rate that their models knew as log-odds, and what became of the rows.
    period : array of int, shape (n,)
        Which period each row lies in; a greater number is a later one.
    """
    rows = [np.flatnonzero(period == number) for number in np.unique(period)]
    return PeriodLevels(
        np.array([float(prior[inside].mean()) for inside in rows]),
        np.array([solve_shift(log_odds[inside], y[inside]) for inside in rows]),
    )


def forecast_shift(levels: PeriodLevels, prior: float) -> float:
    """What to add to the log-odds of the next period, by a model that knew the base rate ``prior`` (log-odds).

    Two ways in which levels have moved are carried on, as far as the past bears them out. A share of the distance
    between the latest level and what was known then stays, ``carry``, by least squares with a ridge. What periods lie
    off their promise besides, if it is beyond noise in a t-test in which each period counts once, is moved by half,
    in the direction of the latest level only and no further than that. With fewer than three periods: 0.
    """
    shift, n = levels.shift, len(levels.shift)
    if n < FEWEST_PERIODS:
        return 0.0
    level = levels.prior + shift
    last = float(level[-1]) - prior
    distance = np.append(0.0, level[:-1] - levels.prior[1:])
    carry = float(np.clip(distance @ shift / (distance @ distance + _CARRIED), 0.0, 1.0))
    rest = shift - carry * distance
    mean, error = float(rest.mean()), float(rest.std(ddof=1)) / math.sqrt(n)
    steady = 0.0
    if abs(mean) > float(t.isf(NOISE, n - 1)) * error and mean * last > 0:
        steady = math.copysign(min(abs(mean), abs((1.0 - carry) * last)), mean)
    return carry * last + _STEADY * steady


def solve_shift(log_odds: FloatArray, y: FloatArray, weight: FloatArray | None = None) -> float:
    """What must be added to the log-odds for as many (weighted) conversions to be promised as came.

    `PSEUDO` more are added to both sides, spread over the rows like the promise itself, which holds the shift
    towards 0. The difference falls without end in the shift, so there is one root.
    """
    given = np.ones(len(y)) if weight is None else weight
    expected = float(given @ expit(log_odds))
    own = given * (1.0 + PSEUDO / max(expected, 1e-12))
    wanted = float(given @ y) + PSEUDO

    def short(shift: float) -> float:
        return wanted - float(own @ expit(log_odds + shift))

    return float(brentq(short, -20.0, 20.0)) if short(-20.0) > 0 > short(20.0) else 0.0


def measure_slope(log_odds: FloatArray, y: FloatArray, period: IntArray, group: IntArray) -> Slope:
    """The slope of least log loss with a level of its own for each period, and its standard error.

    The units are accounts or leads: five looks at one lead do not pass for five leads. Where all scores of each
    period are equal, or no period saw both outcomes, nothing is known: slope 0, endless error.
    """
    _, code = np.unique(period, return_inverse=True)
    n = int(code.max()) + 1 if len(code) else 0
    size = np.bincount(code, minlength=n)
    wins = np.bincount(code, weights=y, minlength=n)
    both = ((wins > 0) & (wins < size))[code]
    if not both.any():
        return Slope(0.0, math.inf)
    score, target, (_, code) = log_odds[both], y[both], np.unique(code[both], return_inverse=True)
    share = len(np.unique(group[both])) / len(target)
    n = int(code.max()) + 1
    mean = np.bincount(code, weights=score) / np.bincount(code)
    score = score - mean[code]
    if float(np.abs(score).max()) < 1e-9:
        return Slope(0.0, math.inf)
    rate = np.bincount(code, weights=target) / np.bincount(code)
    slope, level = 0.0, np.log(rate / (1 - rate))

    def loss(slope: float, level: FloatArray) -> float:
        odds = slope * score + level[code]
        return float((np.logaddexp(0.0, odds) - target * odds).sum())

    current = loss(slope, level)
    for _ in range(_MOST_STEPS):
        chance = expit(slope * score + level[code])
        error, bend = chance - target, chance * (1 - chance)
        mass = np.bincount(code, weights=bend, minlength=n) + 1e-12
        cross = np.bincount(code, weights=bend * score, minlength=n)
        of_level = np.bincount(code, weights=error, minlength=n)
        known = float(bend @ score**2) - float((cross**2 / mass).sum())
        step = (float(error @ score) - float((cross / mass) @ of_level)) / max(known, 1e-12)
        steps = (of_level - cross * step) / mass
        length = 1.0
        while (proposed := loss(slope - length * step, level - length * steps)) > current and length > 1e-8:
            length /= 2
        slope, level = slope - length * step, level - length * steps
        gained, current = current - proposed, proposed
        if gained <= 1e-10 * abs(current):
            break
    chance = expit(slope * score + level[code])
    bend = chance * (1 - chance)
    mass = np.bincount(code, weights=bend, minlength=n) + 1e-12
    known = float(bend @ score**2) - float(
        (np.bincount(code, weights=bend * score, minlength=n) ** 2 / mass).sum()
    )
    return Slope(slope, 1.0 / math.sqrt(max(share * known, 1e-12)))
