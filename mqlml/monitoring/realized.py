"""Performance once the outcomes are known: realized against predicted, per label and decile, and the calibration.

All weekly snapshots count here, so one lead counts several times; intervals take accounts, or leads, as what varies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from mqlml.evaluation import Metrics, evaluate_probabilities
from mqlml.evaluation.bootstrap import Estimate, cluster_inflation
from mqlml.evaluation.curves import assign_bands
from mqlml.results import Number, Result
from mqlml.types import Floats, Ints, Mask

__all__ = [
    "CalibrationDrift",
    "RealizedGroup",
    "RealizedPerformance",
    "measure_calibration_drift",
    "measure_realized",
]

_NORMAL = 1.96
_FEWEST = 10
"""Conversions, and as many others, below which no metric is worth a number."""

_STEPS = 50


@dataclass(frozen=True)
class RealizedGroup(Result):
    """Some mature snapshots: conversions predicted and observed."""

    n: int
    """Snapshots."""
    predicted: Number
    """Conversions that the probabilities predict."""
    low: Number
    """The lower end of the range that holds 95% of what is observed if they are right."""
    high: Number
    """The upper end."""
    observed: int
    """Conversions observed."""

    @property
    def within(self) -> bool:
        """Whether what was observed lies in the range."""
        return self.low <= self.observed <= self.high


@dataclass(frozen=True)
class CalibrationDrift(Result):
    """The line from predicted to observed log-odds: 0 and 1 for probabilities that hold."""

    level: Estimate
    """What must be added to the log-odds, at slope 1, for as many conversions as were observed."""
    slope: Estimate
    """By what they must be multiplied; below 1 the probabilities are too far apart."""


@dataclass(frozen=True)
class RealizedPerformance(Result):
    """The mature snapshots of all weekly runs."""

    total: RealizedGroup
    """All of them."""
    labels: dict[str, RealizedGroup]
    """By label as it was given; each snapshot counts for one label."""
    deciles: tuple[RealizedGroup, ...]
    """Tenths by probability, highest first; one emptied by ties is left out."""
    metrics: Metrics | None
    """How good the probabilities were; null with fewer than ten conversions."""
    calibration: CalibrationDrift | None
    """How the calibration moved; null with fewer than ten conversions."""


def _group(y: Floats, chance: Floats, cluster: Ints) -> RealizedGroup:
    predicted = float(chance.sum())
    variance = float((chance * (1 - chance)).sum())
    _, members = np.unique(cluster, return_inverse=True)
    if len(y):
        # The spread of the accounts is measured around the level observed; a wrong level is no spread.
        level = expit(logit(chance) + _solve_level(y, chance)) if 0 < y.sum() < len(y) else chance
        variance *= cluster_inflation(y - level, level, members)
    half = _NORMAL * math.sqrt(variance)
    low, high = max(predicted - half, 0.0), min(predicted + half, float(len(y)))
    return RealizedGroup(len(y), predicted, low, high, int(y.sum()))


def _solve_level(y: Floats, chance: Floats) -> float:
    shift, odds = 0.0, logit(chance)
    for _ in range(_STEPS):
        fitted = expit(odds + shift)
        step = (y.sum() - fitted.sum()) / max(float((fitted * (1 - fitted)).sum()), 1e-9)
        shift += float(np.clip(step, -1, 1))
        if abs(step) < 1e-9:
            break
    return shift


def _robust(design: Floats, y: Floats, fitted: Floats, members: Ints) -> Floats:
    """Standard errors of a logistic regression that take clusters as what varies (the sandwich)."""
    bread = np.linalg.inv((design.T * (fitted * (1 - fitted))) @ design)
    scores = design * (y - fitted)[:, None]
    per_cluster = np.column_stack([np.bincount(members, weights=column) for column in scores.T])
    return np.sqrt(np.diag(bread @ (per_cluster.T @ per_cluster) @ bread))


def measure_calibration_drift(y: Floats, chance: Floats, cluster: Ints) -> CalibrationDrift | None:
    """Level and slope of a logistic regression of the outcomes on the predicted log-odds.

    D. R. Cox, "Two further applications of a model for binary regression", Biometrika 45, 1958.

    Parameters
    ----------
    y, chance, cluster : arrays of shape (n,)
        Outcomes, probabilities, and the account or lead.
    """
    if min(y.sum(), len(y) - y.sum()) < _FEWEST:
        return None
    _, members = np.unique(cluster, return_inverse=True)
    odds = logit(chance)
    level = _solve_level(y, chance)
    ones = np.ones((len(y), 1))
    error = float(_robust(ones, y, expit(odds + level), members)[0])
    found = Estimate(level, level - _NORMAL * error, level + _NORMAL * error)
    if np.ptp(odds) < 1e-9:
        return CalibrationDrift(found, Estimate(math.nan, math.nan, math.nan))
    # Centered, so that the two parameters hardly depend on each other and Newton's steps are safe.
    design = np.column_stack([ones, odds - odds.mean()])
    line = np.array([level + odds.mean(), 1.0])
    for _ in range(_STEPS):
        fitted = expit(design @ line)
        curvature = (design.T * (fitted * (1 - fitted))) @ design
        step = np.linalg.solve(curvature, design.T @ (y - fitted))
        line = line + np.clip(step, -1, 1)
        if float(np.abs(step).max()) < 1e-9:
            break
    spread = float(_robust(design, y, expit(design @ line), members)[1])
    slope = float(line[1])
    return CalibrationDrift(found, Estimate(slope, slope - _NORMAL * spread, slope + _NORMAL * spread))


def measure_realized(
    y: Floats,
    chance: Floats,
    cluster: Ints,
    has_label: Mapping[str, Mask],
    *,
    base_rate: float,
    random_state: int,
) -> RealizedPerformance | None:
    """Realized against predicted; None without mature snapshots.

    Parameters
    ----------
    y, chance, cluster : arrays of shape (n,)
        Outcomes, probabilities, and the account or lead, of mature snapshots.
    has_label : by label as it was given, arrays of shape (n,)
    base_rate : known when training
    random_state : of the bootstrap
    """
    if not len(y):
        return None
    bands = assign_bands(-chance)
    enough = min(y.sum(), len(y) - y.sum()) >= _FEWEST and len(np.unique(cluster)) > 1
    return RealizedPerformance(
        total=_group(y, chance, cluster),
        labels={name: _group(y[has], chance[has], cluster[has]) for name, has in has_label.items()},
        deciles=tuple(
            _group(y[of], chance[of], cluster[of]) for of in (bands == band for band in np.unique(bands))
        ),
        metrics=evaluate_probabilities(
            y, chance, clusters=cluster, base_rate=base_rate, random_state=random_state
        )
        if enough
        else None,
        calibration=measure_calibration_drift(y, chance, cluster) if enough else None,
    )
