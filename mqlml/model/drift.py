"""Calibration over time: forward predictions period by period go in, a calibrator that follows the recent ones and
a verdict on whether the base rate moves come out.

A model is at the level of the past that it learned from. The next period may lie above or below it, by a season or by
chance, and that is no fault of its calibration: the slope is learned within periods, and the level moves only where
the periods agree that it must (`fit_within_periods`), or where forgetting the older ones has been the better guess
(`follow_recent`). In both the unit that varies is the period, since all leads of one share what moves it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import chi2, t

from mqlml.model.calibration import SigmoidCalibrator, solve_level
from mqlml.types import Floats, Ints, Rows

__all__ = ["FEWEST_PERIODS", "Drift", "PeriodLevel", "fit_within_periods", "follow_recent"]

_HALF_LIVES = (1.0, 2.0, 4.0)
"""In periods. Never forgetting is the other choice, and stays unless another one is better beyond noise."""

_NOISE = 0.05
"""What periods of one level show with at most this probability is beyond noise."""

_TURNS = 8
"""After so many turns slope and levels no longer move in their fourth digit."""

FEWEST_PERIODS = 3
"""Fewer periods than this do not tell how periods differ."""

_PSEUDO = 4.0
"""The level moves as if this many expected conversions had come in as promised: few outcomes move it little."""

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
    predicted: float
    observed: int
    deviations: float


@dataclass(frozen=True)
class Drift:
    """Whether the level of conversions moves between the periods in a way the features do not tell.

    Attributes
    ----------
    periods : tuple of PeriodLevel
    p_value : float or None
        Of so large deviations if one calibration held in all periods; None with fewer than two periods.
    half_life : float or None
        In the unit of the periods' time, how fast the level forgets; None: never, all periods count alike.
    shift : float
        What following the recent periods added to all log-odds.
    """

    periods: tuple[PeriodLevel, ...]
    p_value: float | None
    half_life: float | None
    shift: float

    @property
    def found(self) -> bool:
        """Whether the periods differ beyond noise, so that no calibration can be promised to hold in the next."""
        return self.p_value is not None and self.p_value < _SURE


def fit_within_periods(
    raw: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    time: Ints,
    periods: Sequence[tuple[int, int]],
) -> SigmoidCalibrator:
    """Sigmoid calibration from forward predictions, period by period.

    The slope is that of least log loss with a level of its own for each period. The level is the one that the models
    had from their training, unless the mean of what the periods lie above it differs from 0 in a t-test in which each
    period counts once; then it is moved by that mean. One or two periods, which may be a season, move nothing.
    Without periods, where folds ignored time, all rows are fitted together.

    Parameters
    ----------
    raw, y : arrays of shape (n,)
        Log-odds of models that learned from what came before each period, and what became of the rows.
    time : int64 array of shape (n,)
    periods : sequence of (start, end)
        First and last time of each period, both included.
    """
    scores, target = np.asarray(raw, dtype=np.float64), np.asarray(y, dtype=np.float64)
    inside = [(time >= start) & (time <= end) for start, end in periods]
    inside = [rows for rows in inside if 0 < target[rows].sum() < rows.sum()]
    pooled = SigmoidCalibrator().fit(scores, target)
    if not inside or pooled.slope_ == 0:
        return pooled
    fitted, level = pooled, np.zeros(len(scores))
    for _ in range(_TURNS):  # levels for the slope found, then the slope for these levels
        for rows in inside:
            alone = fitted.slope_ * scores[rows]
            level[rows] = _shift(alone, target[rows], np.ones(int(rows.sum()))) / fitted.slope_
        fitted = SigmoidCalibrator().fit(scores + level, target)
        if fitted.slope_ == 0:
            break
    if fitted.slope_ == 0:
        return fitted
    sloped = fitted.slope_ * scores
    # The level of the training: as many conversions promised as the models themselves promise.
    fitted.intercept_ = solve_level(sloped, float(expit(scores).sum()))
    chance = sloped + fitted.intercept_
    above = np.array([_shift(chance[rows], target[rows], np.ones(int(rows.sum()))) for rows in inside])
    if _differs(above):
        fitted.intercept_ += float(above.mean())
    return fitted


def _differs(values: Floats) -> bool:
    """Whether the mean of a few values is above or below 0 beyond noise; one or two do not tell."""
    if len(values) < FEWEST_PERIODS:
        return False
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    return abs(float(values.mean())) > float(t.isf(_NOISE, len(values) - 1)) * error


def follow_recent(
    calibrator: SigmoidCalibrator,
    raw: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    time: Ints,
    group: Rows,
    label_span: int,
    periods: Sequence[tuple[int, int]],
) -> tuple[SigmoidCalibrator, Drift]:
    """The calibrator with its level moved to that of the recent periods, where that has been the better guess so far.

    Parameters
    ----------
    calibrator : SigmoidCalibrator
        Fitted on these rows.
    raw, y : arrays of shape (n,)
        Forward predictions and what became of them.
    time, group : arrays of shape (n,)
        Place in time, and account or lead, of each row.
    label_span : int
        How much later an outcome is known; a period is predicted from outcomes known at its start only.
    periods : sequence of (start, end)
        First and last time of each period, both included. Fewer than two: nothing can be followed.
    """
    chance = calibrator.decision_function(raw)
    target = np.asarray(y, dtype=np.float64)
    spans = sorted(periods)
    # One calibration over all periods, whatever level the models have from their training.
    common = chance + _shift(chance, target, np.ones(len(chance))) if len(spans) > 1 else chance
    levels = tuple(_level(common, target, time, group, span) for span in spans)
    if len(levels) < 2:
        return calibrator, Drift(levels, None, None, 0.0)
    # One level was fitted to all periods, which takes one degree of freedom.
    p_value = float(chi2.sf(sum(level.deviations**2 for level in levels), len(levels) - 1))
    length = (spans[-1][1] - spans[0][0]) / len(spans)
    half_life = _choose_half_life(chance, target, time, label_span, spans, length)
    if half_life is None:
        return calibrator, Drift(levels, p_value, None, 0.0)
    shift = _shift(chance, target, _weights(time, spans[-1][1], half_life))
    moved = calibrator.with_sigmoid(calibrator.slope_, calibrator.intercept_ + shift, calibrator.note_)
    return moved, Drift(levels, p_value, half_life, shift)


def _level(
    chance: Floats,
    y: Floats,
    time: Ints,
    group: Rows,
    span: tuple[int, int],
) -> PeriodLevel:
    rows = (time >= span[0]) & (time <= span[1])
    predicted, observed = expit(chance[rows]), y[rows]
    _, unit = np.unique(group[rows], return_inverse=True)
    # Under the promise a row varies by p (1 − p); rows of one account or lead share their fate, so their residuals
    # are added up before they are squared, and the larger of the two variances counts.
    per_unit = np.bincount(unit, weights=observed - predicted)
    variance = max(float(per_unit @ per_unit), float((predicted * (1 - predicted)).sum()), 1e-12)
    surplus = float((observed - predicted).sum())
    return PeriodLevel(
        start=span[0],
        end=span[1],
        n=int(rows.sum()),
        predicted=float(predicted.sum()),
        observed=int(observed.sum()),
        deviations=surplus / math.sqrt(variance),
    )


def _weights(time: Ints, now: int, half_life: float) -> Floats:
    age = np.maximum(now - time, 0).astype(np.float64)
    weights: Floats = np.exp2(-age / half_life)
    return weights


def _shift(chance: Floats, y: Floats, weight: Floats) -> float:
    """What must be added to the log-odds for the weighted conversions to be as many as promised.

    As many more as `_PSEUDO` are added to both sides, spread over the rows like the promise itself, which holds the
    shift towards 0. The difference falls without end in the shift, so there is one root.
    """
    expected = float(weight @ expit(chance))
    own = weight * (1 + _PSEUDO / max(expected, 1e-12))
    wanted = float(weight @ y) + _PSEUDO

    def short(shift: float) -> float:
        return wanted - float(own @ expit(chance + shift))

    return float(brentq(short, -20.0, 20.0)) if short(-20.0) > 0 > short(20.0) else 0.0


def _choose_half_life(
    chance: Floats,
    y: Floats,
    time: Ints,
    label_span: int,
    spans: Sequence[tuple[int, int]],
    length: float,
) -> float | None:
    """The half-life of least log loss on all periods after, or None if never forgetting is as good within noise."""
    gains: list[Floats] = []
    for start, _ in spans[1:]:
        known, judged = time + label_span <= start, (time >= start) & (time <= spans[-1][1])
        if not known.any() or not judged.any():
            continue
        # Never forgetting means one level for all that was known then, found in the same way.
        plain = chance[judged] + _shift(chance[known], y[known], np.ones(int(known.sum())))
        losses = np.column_stack(
            [
                _loss(
                    chance[judged]
                    + _shift(chance[known], y[known], _weights(time[known], start, half_life * length)),
                    y[judged],
                )
                for half_life in _HALF_LIVES
            ]
        )
        gains.append((_loss(plain, y[judged])[:, None] - losses).mean(axis=0))
    if len(gains) < FEWEST_PERIODS:
        return None
    gain = np.stack(gains)
    best = int(np.argmax(gain.sum(axis=0)))
    if gain[:, best].mean() <= 0 or not _differs(gain[:, best]):
        return None
    return _HALF_LIVES[best] * length


def _loss(log_odds: Floats, y: Floats) -> Floats:
    loss: Floats = np.logaddexp(0.0, log_odds) - y * log_odds
    return loss
