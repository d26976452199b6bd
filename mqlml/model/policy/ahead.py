"""The next period: what a threshold brought in periods before goes in, an interval for what it will bring comes out.

Chance in what came before and in what comes, and how periods differ beyond chance, are kept apart. Three to five
periods hardly tell the latter, so it is believed to be small before they speak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

__all__ = ["Band", "predict_rate", "predict_share"]

FloatArray = npt.NDArray[np.float64]

_COVERED = 0.9
_TAILS = ((1 - _COVERED) / 2, 0.5, (1 + _COVERED) / 2)

_BETWEEN = 0.02
"""Before any evidence, how far periods differ beyond chance, on the scale of arcsine of the root: a share of a
quarter by 0.02. On 105 worlds of two kinds, at two thresholds, this covers in 0.94 of cases."""

_LEARNED = 0.25
"""A model that learned from n conversions selects others than its successor with more; in variance, this over n."""

_SHIFT = 1.0
"""How far all log-odds of a model lie from those of its successor: this over the root of its conversions."""


@dataclass(frozen=True)
class Band:
    """A number and the interval that covers it in 90 % of periods."""

    low: float
    value: float
    high: float


def predict_share(
    selected: FloatArray, converted: FloatArray, learned: FloatArray, coming: float
) -> Band | None:
    """The share of the next period's selected rows that converts; None where nobody was selected before.

    A random-effects meta-analysis of the periods' shares on the scale of arcsine of the root, with a half-normal
    prior on the standard deviation between periods: C. Röver, "Bayesian random-effects meta-analysis using the
    bayesmeta R package", Journal of Statistical Software 93, 2020. Periods of models that had learned from less
    count less.

    Parameters
    ----------
    selected, converted, learned : arrays of shape (periods,)
        What a threshold selected in each period, how many of those converted, and the conversions that the period's
        model had learned from.
    coming : float, above 0
        How many the next period is expected to bring above the threshold.
    """
    told = selected > 0
    if not told.any():
        return None
    n, won, known = selected[told], converted[told], learned[told]
    share = np.arcsin(np.sqrt((won + 0.375) / (n + 0.75)))
    chance = 1 / (4 * (n + 0.5)) + _LEARNED * np.maximum(1 / known - 1 / known[-1], 0.0)
    low, middle, high = _predict(share, chance, 1 / (4 * coming))
    return Band(*(math.sin(min(max(end, 0.0), math.pi / 2)) ** 2 for end in (low, middle, high)))


def predict_rate(
    selected: float, length: float, *, steepness: float, learned: float, ahead: float, dispersion: float = 1.0
) -> Band:
    """How many a unit of time the next period brings above a threshold.

    The logarithm varies by chance in what was counted and in what comes, and by ``steepness`` where the log-odds of
    the model that ships lie above or below those of the model that was counted with.

    Parameters
    ----------
    selected : float, above 0, how many reached the threshold in the latest period.
    length : float, of that period; ``ahead``, that of the next one.
    steepness : float
        Share of the selected that lies within a log-odd above the threshold, per log-odd: the density of all looks at
        the threshold over the share at or above it.
    learned : float, the conversions that the model counted with had learned from.
    dispersion : float, at least 1
        Variance of the number of looks a week over their mean.
    """
    rate = selected / length
    variance = 1 / selected + dispersion / (rate * ahead) + (_SHIFT * steepness) ** 2 / learned
    wide = math.exp(float(ndtri(_TAILS[2])) * math.sqrt(variance))
    return Band(rate / wide, rate, rate * wide)


def _predict(value: FloatArray, chance: FloatArray, coming: float) -> tuple[float, float, float]:
    """Quantiles of the next value: a mixture of normals over the standard deviation between periods."""
    grid = np.concatenate([[0.0], np.geomspace(_BETWEEN / 20, 5 * _BETWEEN, 40)])
    variance = chance + grid[:, None] ** 2
    weight = 1 / variance
    total = weight.sum(axis=1)
    mean = (weight @ value) / total
    squares = (weight * (value - mean[:, None]) ** 2).sum(axis=1)
    log_density = -0.5 * (np.log(variance).sum(axis=1) + np.log(total) + squares + (grid / _BETWEEN) ** 2)
    mass = np.exp(log_density - log_density.max()) * np.gradient(grid)
    mass /= mass.sum()
    spread = np.sqrt(1 / total + grid**2 + coming)
    ends = float((mean - 9 * spread).min()), float((mean + 9 * spread).max())

    def quantile(share: float) -> float:
        return float(brentq(lambda x: float(mass @ ndtr((x - mean) / spread)) - share, *ends))

    low, middle, high = (quantile(share) for share in _TAILS)
    return low, middle, high
