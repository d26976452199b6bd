"""Choosing the model: the past goes in; a scorer with its settings, and its out-of-time predictions, come out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.base import clone

from mqlml.config.values import Tune
from mqlml.evaluation.backtest import (
    FoldModel,
    Measure,
    OutOfTime,
    measure_folds,
    predict_across,
    predict_out_of_time,
)
from mqlml.evaluation.metrics import log_losses
from mqlml.model import (
    Drift,
    LeadScorer,
    PeriodLevels,
    SigmoidCalibrator,
    forecast_shift,
    measure_drift,
    measure_levels,
)
from mqlml.progress import Progress
from mqlml.training import Fold, TrainingTable, rolling_folds
from mqlml.types import Floats

__all__ = [
    "BUDGETS",
    "Chosen",
    "PastFolds",
    "Trial",
    "calibrate",
    "choose_model",
    "find_drift",
    "find_levels",
    "make_trials",
    "start_settings",
]


# By hand: each goes one way from the defaults, towards less or towards more than they learn.
_QUICK: tuple[dict[str, float], ...] = (
    {},
    {"linear_spread": 3.0},
    {"linear_spread": 0.4},
    {"max_leaf_nodes": 4, "n_trees": 80},
    {"learning_rate": 0.03, "n_trees": 400, "max_features": 0.5},
    {"max_leaf_nodes": 16, "min_samples_leaf": 50, "max_features": 0.5},
    {"learning_rate": 0.1, "max_leaf_nodes": 4, "max_features": 0.3},
    {"learning_rate": 0.05, "n_trees": 300, "max_leaf_nodes": 6, "linear_spread": 2.0},
)

_SPACE: dict[str, tuple[Any, ...]] = {
    "learning_rate": (0.02, 0.03, 0.05, 0.08),
    "n_trees": (60, 120, 240, 480),
    "max_leaf_nodes": (3, 4, 6, 8, 16, 31),
    "min_samples_leaf": (10, 20, 50, 100),
    "l2_regularization": (1.0, 10.0, 50.0),
    "max_features": (0.2, 0.5, 1.0),
    "linear_spread": (0.4, 1.0, 2.0, 3.0),
    "min_category_count": (10, 20, 50),
}

BUDGETS: dict[Tune, int] = {"none": 1, "quick": len(_QUICK), "thorough": 40}
"""Trials of each budget; the first is always the defaults."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes
    ----------
    settings : dict, what differs from the defaults.
    loss : float, out-of-time log loss in nats per row, each period at its best level.
    chosen : bool
    """

    settings: dict[str, float]
    loss: float
    chosen: bool = False


def make_trials(tune: Tune, *, random_state: int) -> list[dict[str, float]]:
    """The settings to try, the defaults (nothing changed) first.

    Random search, since few of the settings matter on any one data set and nobody knows which: J. Bergstra,
    Y. Bengio, "Random search for hyper-parameter optimization", Journal of Machine Learning Research 13, 2012.
    """
    trials = [dict(changed) for changed in _QUICK[: BUDGETS[tune]]]
    rng = np.random.default_rng(random_state)
    while len(trials) < BUDGETS[tune]:
        drawn = {name: values[int(rng.integers(len(values)))] for name, values in _SPACE.items()}
        if drawn not in trials:
            trials.append(drawn)
    return trials


N_FOLDS = 5
FOLD_POSITIVES = 20
"""A fold learns from at least this many conversions; with fewer its scores say little about the model that ships."""

OUT_OF_TIME_POSITIVES = 20
"""Fewer conversions than this among the out-of-time predictions, and folds are drawn across time instead."""

MANY_POSITIVES = 1_500
"""From as many conversions on, models start out freer."""

PLENTY_OF_POSITIVES = 3_000
"""From as many conversions on, half as many trees, each larger, say as much."""

WEIGHT = 0.5
"""Of trees and of logistic part. Weights learned with a level for each period gained no more beyond noise, on real
and simulated companies and on worlds that move, and lost a quarter of the gain where one period was odd or early
folds were small (benchmarks/README.md)."""


@dataclass(frozen=True)
class Chosen:
    """What was chosen, and what it was chosen on.

    Attributes
    ----------
    scorer : LeadScorer, not fitted
    out_of_time : OutOfTime
        Its out-of-time predictions.
    trials : tuple of Trial
        The settings tried, in their order, with their out-of-time log loss; the first are those without tuning.
    folds : tuple of Fold
        The folds it was evaluated on; empty where time was not respected.
    stopped : bool
        Whether somebody stopped the tuning before its last trial.
    """

    scorer: LeadScorer
    out_of_time: OutOfTime
    trials: tuple[Trial, ...]
    folds: tuple[Fold, ...]
    stopped: bool


class PastFolds:
    """Out-of-time predictions of the past by any scorer, on the same folds each time."""

    def __init__(self, table: TrainingTable, *, random_state: int) -> None:
        self.table = table
        self.random_state = random_state
        self.folds = rolling_folds(
            table.time,
            table.label,
            table.group,
            table.holdout.train,
            label_span=table.label_span,
            n_folds=N_FOLDS,
            min_positives=FOLD_POSITIVES,
            dated=table.dated,
        )
        positives = sum(int(table.label[fold.test].sum()) for fold in self.folds)
        others = sum(len(fold.test) for fold in self.folds) - positives
        self.in_time = min(positives, others) >= OUT_OF_TIME_POSITIVES
        self._linear: dict[tuple[float, float], tuple[FoldModel, ...]] = {}

    def predict(self, scorer: LeadScorer) -> OutOfTime:
        """Predictions forward in time; across time where the past is too short for that."""
        table = self.table
        # No setting of the trees changes the logistic part.
        key = scorer.linear_spread, scorer.min_category_count
        linear = self._linear.get(key)
        if self.in_time:
            found = predict_out_of_time(scorer, table.features, table.label, self.folds, linear=linear)
        else:
            found = predict_across(
                scorer,
                table.features,
                table.label,
                table.group,
                table.holdout.train,
                random_state=self.random_state,
                linear=linear,
            )
        self._linear.setdefault(key, found.models)
        return found


def choose_model(
    table: TrainingTable,
    *,
    tune: Tune,
    random_state: int,
    progress: Progress,
    measure: Measure | None = None,
) -> Chosen:
    """Try settings, and keep what predicts later leads best.

    Other settings replace the best so far only if their out-of-time log loss is lower by more than the standard error
    of the difference, over accounts or leads: the lowest of many noisy numbers is low by luck, too. Each period is
    evaluated at the level that fits it best, which no settings could have known.

    Parameters
    ----------
    table : TrainingTable
        ``holdout.train`` is the past; nothing else of the table is used.
    tune : ``"none"``, ``"quick"`` or ``"thorough"``
    random_state : int
    progress : Progress
        Shows the trials. An interruption (Ctrl-C) once the first trial is done ends the tuning, not the training:
        the best so far is kept.
    measure : Measure, optional
        Called with the fold models of the chosen settings and the rows that they predicted: `OutOfTime.measured`.
    """
    folds = PastFolds(table, random_state=random_state)
    start = start_settings(table, random_state)
    settings = make_trials(tune, random_state=random_state)
    trials: list[Trial] = []
    best: tuple[int, LeadScorer, OutOfTime] | None = None
    stopped = False
    try:
        for number, changed in enumerate(progress.track(settings, "trying settings")):
            scorer = clone(start).set_params(**changed)
            found = folds.predict(scorer)
            trials.append(Trial(changed, float(_losses(found, table).mean())))
            if best is None or _beats(found, best[2], table):
                best = number, scorer, found
    except KeyboardInterrupt:
        if best is None or len(settings) == 1:  # without tuning there is nothing to cut short
            raise
        stopped = True
    assert best is not None, "the first trial, the defaults, is never left out"
    number, scorer, out_of_time = best
    trials[number] = replace(trials[number], chosen=True)
    if measure is not None:
        measured = measure_folds(out_of_time.models, table.features, out_of_time.rows, measure)
        out_of_time = replace(out_of_time, measured=measured)
    in_time = tuple(folds.folds) if folds.in_time else ()
    return Chosen(scorer, out_of_time, tuple(trials), in_time, stopped)


def start_settings(table: TrainingTable, random_state: int) -> LeadScorer:
    """The settings without tuning: the scorer's own; with many conversions, both parts freer.

    On 50,000 simulated leads (3,763 conversions in the past) a logistic part of spread 3 rather than 1 raised its own
    share of the oracle's gain from 0.78 to 0.80. 150 trees of twice the learning rate say as much as 300 (0.845 and
    0.847 of the gain alone, the same in the blend), 120 of the usual one less (0.797), in half the time. In the blend
    75 trees of 12 leaves with a stronger ridge reach what 150 of 8 do (0.887 of the gain, nine companies), in 0.63 of
    the CPU seconds; with 2,300 conversions, fewer trees lose about 1% of it (benchmarks/README.md).
    """
    scorer = LeadScorer(tree_weight=WEIGHT, linear_weight=WEIGHT, random_state=random_state)
    positives = int(table.label[table.holdout.train].sum())
    if positives >= MANY_POSITIVES:
        scorer.set_params(learning_rate=0.1, n_trees=150, linear_spread=3.0)
    if positives >= PLENTY_OF_POSITIVES:
        scorer.set_params(learning_rate=0.15, n_trees=75, max_leaf_nodes=12, l2_regularization=40.0)
    return scorer


def _losses(found: OutOfTime, table: TrainingTable) -> Floats:
    """The log loss of each row, each period at the level that fits it best."""
    target = table.label[found.rows].astype(np.float64)
    levels = measure_levels(found.raw, found.prior, target, found.period)
    _, period = np.unique(found.period, return_inverse=True)
    return log_losses(target, expit(found.raw + levels.shift[period]))


def _beats(one: OutOfTime, other: OutOfTime, table: TrainingTable) -> bool:
    """Whether the first has the lower loss, beyond the standard error of the difference."""
    gain = _losses(other, table) - _losses(one, table)
    per_group = np.bincount(table.group[one.rows], weights=gain - gain.mean())
    return bool(gain.sum() > math.sqrt(float(per_group @ per_group)))


def find_levels(found: OutOfTime, table: TrainingTable) -> PeriodLevels:
    """The level of each out-of-time period; of none where folds ignored time."""
    rows = found.rows if found.in_time else found.rows[:0]
    n = len(rows)
    target = table.label[rows].astype(np.float64)
    return measure_levels(found.raw[:n], found.prior[:n], target, found.period[:n])


def find_drift(found: OutOfTime, table: TrainingTable) -> Drift:
    """Whether the level of conversions moves between the out-of-time periods."""
    target = table.label[found.rows].astype(np.float64)
    return measure_drift(found.raw, target, found.period, table.group[found.rows], found.periods)


def calibrate(models: Sequence[LeadScorer], levels: PeriodLevels) -> SigmoidCalibrator:
    """The calibrator of these models for the period after those: it moves their log-odds by `forecast_shift`."""
    return SigmoidCalibrator.at_shift(
        forecast_shift(levels, float(np.mean([model.prior_ for model in models])))
    )
