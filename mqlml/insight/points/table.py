"""A points table: a few conditions with whole points, whose sum stands for a probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit

from mqlml.insight.points.conditions import Condition, ConditionTable, hold
from mqlml.insight.points.evaluation import PointsEvaluation
from mqlml.insight.points.more_wins import MoreWins
from mqlml.model.signals import SignalReport
from mqlml.results import Number, Result
from mqlml.training import HoldoutPeriod
from mqlml.types import Floats

__all__ = [
    "MOST_ROWS",
    "PointsRow",
    "PointsRule",
    "PointsTable",
    "ScaleStep",
    "describe_rows",
    "fit_points",
    "make_scale",
    "total_points",
]

MOST_ROWS = 12
"""Rows of a table; more are hard to keep in a CRM and gained little."""

HIGHEST = 10
"""Points of the row that counts most."""

_SAME_SIGNAL = 2
"""Rows about one signal: one number of demo requests may be worth more than another, but a table stays broad."""

_LEAST_GAIN = 0.003
"""A row must add at least this share to what the rows before it gained."""

_LEAST_WEIGHT = 0.1
"""Log-odds. Where no condition changes the odds by a tenth, there is no table: whole points would magnify nothing."""

_SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class PointsRule:
    """Conditions with whole points.

    Attributes
    ----------
    conditions : tuple of Condition
    points : tuple of int
    log_odds : float
        Of a lead with 0 points.
    unit : float
        What each point adds to the log-odds.
    """

    conditions: tuple[Condition, ...]
    points: tuple[int, ...]
    log_odds: float
    unit: float

    def probability(self, total: Floats) -> Floats:
        """The probability of leads with so many points."""
        found: Floats = expit(self.log_odds + self.unit * np.asarray(total, dtype=np.float64))
        return found


@dataclass(frozen=True)
class PointsRow(Result):
    """One row of the table."""

    condition: str
    """What must hold, as it is entered in a CRM."""
    points: int
    """What a lead gets if it holds."""
    share: Number
    """Share of the snapshots learned from that meet it."""
    feature: str
    """The feature that the condition reads."""
    at_least: Number
    """The number from which it holds; null where it asks for a level."""
    level: str | None
    """The level of an attribute; null where it asks for a number."""


@dataclass(frozen=True)
class ScaleStep(Result):
    """What a number of points stands for."""

    points: int
    """At least so many points."""
    probability: Number
    """The probability of converting with exactly so many."""
    share: Number
    """Share of the snapshots learned from with as many or more."""
    label: str | None
    """The label that begins here; null for none."""


@dataclass(frozen=True)
class PointsTable(Result):
    """A points table, what its points stand for, and how good it is on later leads."""

    source: Literal["model", "own_rates"]
    """Distilled from a model, or from the company's own conversion rates."""
    learned_from: int
    """Snapshots that it was learned from."""
    base_rate: Number
    """Share of these that convert."""
    rows: tuple[PointsRow, ...]
    """The conditions, most points first; none where nothing tells leads apart."""
    scale: tuple[ScaleStep, ...]
    """What a number of points stands for, highest first."""
    held_out: HoldoutPeriod
    """The later period that the points did not learn from."""
    evaluation: PointsEvaluation
    """How good the points are there."""
    more_wins: MoreWins | None
    """What a model still needs; null where there are conversions enough for one."""
    signals: SignalReport | None
    """What goes with converting, in place of a model's report; null with a model, or where nothing compares."""


def fit_points(found: ConditionTable, target: Floats, *, ridge: float, most: int = MOST_ROWS) -> PointsRule:
    """Choose conditions and give them whole points.

    Conditions join one by one, each the one that lowers the log loss most, until the next one adds little. Their
    weights, from a ridge logistic regression, are rounded to whole points, the largest to `HIGHEST`. That is the idea
    of risk scores (B. Ustun, C. Rudin, "Learning optimized risk scores", JMLR 20, 2019) by rounding, without their
    search for the best integers.

    Parameters
    ----------
    found : ConditionTable
    target : ndarray of float64, shape (n,)
        The probability by a model, or what happened: 0 or 1.
    ridge : float
        Half of it, times the sum of the squared weights, is added to the log loss of all rows together.
    most : int

    Raises
    ------
    ValueError
        If the mean target is 0 or 1.
    """
    base = float(target.mean())
    if not 0 < base < 1:
        raise ValueError(f"the mean target must lie between 0 and 1; found {base}")
    chosen, weights = _choose(found, target, ridge, most)
    largest = max(map(abs, weights), default=0.0)
    unit = largest / HIGHEST
    whole = [round(weight / unit) if largest >= _LEAST_WEIGHT else 0 for weight in weights]
    kept = [(found.conditions[place], points) for place, points in zip(chosen, whole, strict=True) if points]
    used = [place for place, points in zip(chosen, whole, strict=True) if points]
    points = np.array([points for _, points in kept], dtype=np.float64)
    total = found.held[:, used] @ points
    return PointsRule(
        tuple(condition for condition, _ in kept),
        tuple(points for _, points in kept),
        log_odds=_level(unit * total, base),
        unit=unit,
    )


def _choose(found: ConditionTable, target: Floats, ridge: float, most: int) -> tuple[list[int], Floats]:
    """Places of the chosen conditions, most valuable first, and their weights."""
    held = found.held.astype(np.float64)
    signals = [condition.signal for condition in found.conditions]
    chosen: list[int] = []
    weights = np.empty(0)
    log_odds = np.full(len(target), float(logit(target.mean())))
    gained = 0.0
    while len(chosen) < min(most, held.shape[1]):
        gain = _gains(held, target, expit(log_odds), ridge)
        taken = [
            signal for signal in set(signals) if [signals[c] for c in chosen].count(signal) >= _SAME_SIGNAL
        ]
        gain[
            [place for place, signal in enumerate(signals) if signal in taken or place in chosen]
        ] = -math.inf
        best = int(np.argmax(gain))
        if not gain[best] > max(_LEAST_GAIN * gained, 0.0):
            break
        chosen.append(best)
        gained += float(gain[best])
        weights, log_odds = _fit(held[:, chosen], target, ridge)
    return chosen, weights


def _gains(held: Floats, target: Floats, chance: Floats, ridge: float) -> Floats:
    """How much each condition would lower the penalized log loss, by one Newton step beside a free intercept."""
    spread = chance * (1 - chance)
    mean = (spread @ held) / spread.sum()
    score = (target - chance) @ held - (target - chance).sum() * mean
    curvature = spread @ held - spread.sum() * mean**2 + ridge
    gain: Floats = score**2 / (2 * np.maximum(curvature, 1e-12))
    return gain


def _fit(held: Floats, target: Floats, ridge: float) -> tuple[Floats, Floats]:
    """Weights of a ridge logistic regression with a free intercept, and the log-odds of the rows; by Newton steps."""
    design = np.column_stack([held, np.ones(len(held))])
    penalty = np.append(np.full(held.shape[1], ridge + 1e-6), 0.0)
    weights = np.append(np.zeros(held.shape[1]), float(logit(target.mean())))
    for _ in range(50):
        chance = expit(design @ weights)
        gradient = design.T @ (chance - target) + penalty * weights
        curvature = design.T @ (design * (chance * (1 - chance))[:, None]) + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        step *= min(
            1.0, 2.0 / max(float(np.abs(step).max()), 1e-12)
        )  # far from the solution, no further than 2
        weights -= step
        if float(np.abs(step).max()) < 1e-9:
            break
    return weights[:-1], design @ weights


def _level(added: Floats, base: float) -> float:
    """The log-odds of a lead with 0 points, so that the mean probability is the base rate."""
    start = float(logit(base))
    if not added.any():
        return start
    reach = float(np.abs(added).max(initial=0.0)) + 1.0
    return float(
        brentq(lambda level: float(expit(level + added).mean()) - base, start - reach, start + reach)
    )


def total_points(rule: PointsRule, table: pd.DataFrame) -> Floats:
    """The points of each row of a table of features."""
    total = np.zeros(len(table))
    for condition, points in zip(rule.conditions, rule.points, strict=True):
        total += points * hold(condition, table)
    return total


def describe_rows(rule: PointsRule, table: pd.DataFrame) -> tuple[PointsRow, ...]:
    """The rows of the table, most points first; shares are of the rows of a table of features."""
    rows = [
        PointsRow(
            condition.text,
            points,
            float(hold(condition, table).mean()),
            condition.feature,
            condition.at_least,
            condition.level,
        )
        for condition, points in zip(rule.conditions, rule.points, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -row.points))


def make_scale(
    rule: PointsRule, total: Floats, labels: Sequence[tuple[str, int]] = ()
) -> tuple[ScaleStep, ...]:
    """What points stand for, highest first: at round shares of the leads, and where a label begins.

    Parameters
    ----------
    total : ndarray of float64, shape (n,)
        The points of the leads.
    labels : sequence of (label, points from which it is given)
    """
    begins = {points: label for label, points in labels}
    at = {int(value) for value in np.quantile(total, _SHARES, method="inverted_cdf")} | set(begins)
    return tuple(
        ScaleStep(
            points,
            float(rule.probability(np.array([points]))[0]),
            float((total >= points).mean()),
            begins.get(points),
        )
        for points in sorted(at, reverse=True)
    )
