"""Choosing the model: the past goes in; a scorer with its settings, and its forward predictions, come out.

Everything is judged on predictions of later leads inside the past. The held-out period, which will judge what is
chosen here, has no part in it. Trees and logistic part weigh one half each, as they are: three to five periods cannot
teach weights, and where they move, what they teach is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from sklearn.base import clone

from mqlml.config.values import Tune
from mqlml.evaluation.backtest import Forward, Measure, predict_across, predict_forward
from mqlml.evaluation.metrics import log_losses
from mqlml.model import (
    Drift,
    LeadScorer,
    Slope,
    forecast_shift,
    measure_drift,
    measure_levels,
    measure_slope,
)
from mqlml.model.tuning import Trial, make_trials
from mqlml.pipeline.progress import Progress
from mqlml.training import Fold, TrainingTable, rolling_folds

__all__ = [
    "Chosen",
    "choose_model",
    "find_drift",
    "find_shift",
    "find_slope",
    "known_rate",
    "start_settings",
]

Floats = npt.NDArray[np.float64]

N_FOLDS = 5
FOLD_POSITIVES = 20
"""A fold learns from at least this many conversions; with fewer its scores say little about the model that ships."""

FORWARD_POSITIVES = 20
"""Fewer conversions than this among the forward predictions, and folds are drawn across time instead."""

MANY_POSITIVES = 1_500
"""From as many conversions on, models start out freer."""

WEIGHT = 0.5
"""Of trees and of logistic part. Weights learned with a level for each period, summing to one or not, held towards
one half or hardly, gained no more beyond noise on real and simulated companies and worlds that move, and lost a
quarter of the gain where one period was odd or early folds were small."""


@dataclass(frozen=True)
class Chosen:
    """What was chosen, and what it was chosen on.

    Attributes
    ----------
    scorer : LeadScorer, not fitted
    forward : Forward
        Its forward predictions.
    trials : tuple of Trial
        The settings tried, in their order, with their forward log loss; the first are those without tuning.
    folds : tuple of Fold
        The forward folds it was judged on; empty where time was not respected.
    stopped : bool
        Whether somebody stopped the tuning before its last trial.
    """

    scorer: LeadScorer
    forward: Forward
    trials: tuple[Trial, ...]
    folds: tuple[Fold, ...]
    stopped: bool


class _Judge:
    """Forward predictions of the past by any scorer, on the same folds each time."""

    def __init__(self, table: TrainingTable, *, random_state: int) -> None:
        self.table = table
        self.random_state = random_state
        self.folds = rolling_folds(
            table.time,
            table.label,
            table.group,
            table.holdout.train,
            reach=table.reach,
            n_folds=N_FOLDS,
            min_positives=FOLD_POSITIVES,
            dated=table.age is not None,
        )
        judged = [int(table.label[fold.test].sum()) for fold in self.folds]
        others = sum(len(fold.test) for fold in self.folds) - sum(judged)
        self.in_time = min(sum(judged), others) >= FORWARD_POSITIVES

    def predict(self, scorer: LeadScorer, measure: Measure | None = None) -> Forward:
        """Forward predictions in time; across time where the past is too short for that."""
        table = self.table
        if self.in_time:
            return predict_forward(scorer, table.features, table.label, self.folds, measure=measure)
        return predict_across(
            scorer,
            table.features,
            table.label,
            table.group,
            table.holdout.train,
            random_state=self.random_state,
            measure=measure,
        )


def choose_model(
    table: TrainingTable,
    *,
    tune: Tune,
    random_state: int,
    progress: Progress,
    measure: Measure | None = None,
) -> Chosen:
    """Try settings, and keep what predicts later leads best.

    Other settings replace the best so far only if their forward log loss is lower by more than the standard error of
    the difference, over accounts or leads: the lowest of many noisy numbers is low by luck, too. Each period is
    judged at the level that fits it best, which no settings could have known.

    Parameters
    ----------
    table : TrainingTable
        ``holdout.train`` is the past; nothing else of the table is looked at.
    tune : ``"none"``, ``"quick"`` or ``"thorough"``
    random_state : int
    progress : Progress
        Shows the trials. An interruption (Ctrl-C) once the first trial is done ends the tuning, not the training:
        the best so far is kept.
    measure : asked of the models about the rows they judge, see `Forward.measured`.
    """
    judge = _Judge(table, random_state=random_state)
    start = start_settings(table, random_state)
    settings = make_trials(tune, random_state=random_state)
    linear: dict[tuple[float, float], Floats] = {}
    trials: list[Trial] = []
    best: tuple[int, LeadScorer, Forward] | None = None
    stopped = False
    try:
        for number, changed in enumerate(progress.track(settings, "trying settings")):
            scorer = clone(start).set_params(**changed)
            key = scorer.linear_spread, scorer.min_category_count
            if key in linear:  # no setting of the trees moves it
                forward = judge.predict(clone(scorer).set_params(linear_weight=0.0))
                parts = np.column_stack([forward.parts[:, 0], linear[key]])
                forward = replace(forward, parts=parts, raw=WEIGHT * parts.sum(axis=1))
            else:
                forward = judge.predict(scorer, measure if len(settings) == 1 else None)
                linear[key] = forward.parts[:, 1]
            trials.append(Trial(changed, float(_losses(forward, table).mean())))
            if best is None or _beats(forward, best[2], table):
                best = number, scorer, forward
    except KeyboardInterrupt:
        if best is None or len(settings) == 1:  # without tuning there is nothing to cut short
            raise
        stopped = True
    assert best is not None, "the first trial, the defaults, is never left out"
    number, scorer, forward = best
    trials[number] = replace(trials[number], chosen=True)
    if measure is not None and forward.measured is None:
        forward = replace(forward, measured=judge.predict(scorer, measure).measured)
    folds = tuple(judge.folds) if judge.in_time else ()
    return Chosen(scorer, forward, tuple(trials), folds, stopped)


def start_settings(table: TrainingTable, random_state: int) -> LeadScorer:
    """The settings without tuning: the scorer's own; with many conversions, both parts freer.

    On 50,000 simulated leads (3,763 conversions) a logistic part of spread 3 rather than 1 raised its own share of
    the oracle's gain from 0.78 to 0.80. 150 trees of twice the learning rate say as much as 300 (0.845 and 0.847 of
    the gain alone, the same in the blend), 120 of the usual one less (0.797), in half the time.
    """
    many = int(table.label[table.holdout.train].sum()) >= MANY_POSITIVES
    if many:
        free: dict[str, Any] = {"learning_rate": 0.1, "n_trees": 150, "linear_spread": 3.0}
    else:
        free = {}
    return LeadScorer(**free, tree_weight=WEIGHT, linear_weight=WEIGHT, random_state=random_state)


def _losses(forward: Forward, table: TrainingTable) -> Floats:
    """The log loss of each row, each period at the level that fits it best."""
    target = table.label[forward.rows].astype(np.float64)
    levels = measure_levels(forward.raw, forward.prior, target, forward.period)
    _, period = np.unique(forward.period, return_inverse=True)
    return log_losses(target, expit(forward.raw + levels.shift[period]))


def _beats(one: Forward, other: Forward, table: TrainingTable) -> bool:
    """Whether the first has the lower loss, beyond the standard error of the difference."""
    gain = _losses(other, table) - _losses(one, table)
    per_group = np.bincount(table.group[one.rows], weights=gain - gain.mean())
    return bool(gain.sum() > math.sqrt(float(per_group @ per_group)))


def find_shift(forward: Forward, table: TrainingTable, prior: float) -> float:
    """What the past says the level of the next period lies above that of a model that knew ``prior`` (log-odds).

    0 where folds ignored time.
    """
    if not forward.in_time:
        return 0.0
    target = table.label[forward.rows].astype(np.float64)
    return forecast_shift(measure_levels(forward.raw, forward.prior, target, forward.period), prior)


def find_drift(forward: Forward, table: TrainingTable) -> Drift:
    """Whether the level of conversions moves between the forward periods."""
    rows = forward.rows
    return measure_drift(
        forward.raw,
        table.label[rows].astype(np.float64),
        forward.period,
        table.group[rows],
        forward.periods,
    )


def find_slope(forward: Forward, table: TrainingTable) -> Slope:
    """How much of the score the forward predictions bear out, with a level of its own for each period."""
    target = table.label[forward.rows].astype(np.float64)
    return measure_slope(forward.raw, target, forward.period, table.group[forward.rows])


def known_rate(table: TrainingTable) -> float:
    """The base rate of the past in log-odds, on average over the held-out period's models."""
    return float(np.mean([logit(table.label[train].mean()) for train, _ in table.holdout.parts]))
