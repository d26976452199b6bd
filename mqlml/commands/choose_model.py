"""Choosing the model: the past goes in; a scorer with its settings and blend, and out-of-time predictions, come out.

Everything is evaluated on predictions of later leads inside the past. The held-out period, on which the choice will
be evaluated, has no part in it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
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
    Blend,
    Drift,
    LeadScorer,
    SigmoidCalibrator,
    choose_blend,
    fit_within_periods,
    follow_recent,
    shrink_slope,
)
from mqlml.model.tuning import Trial, make_trials
from mqlml.progress import Progress
from mqlml.training import Fold, TrainingTable, rolling_folds
from mqlml.types import Floats

__all__ = ["Chosen", "calibrate_out_of_time", "calibrate_past", "choose_model"]

N_FOLDS = 5
FOLD_POSITIVES = 20
"""A fold learns from at least this many conversions; with fewer its scores say little about the model that ships."""

OUT_OF_TIME_POSITIVES = 20
"""Fewer conversions than this among the forward predictions, and folds are drawn across time instead."""


MANY_POSITIVES = 1_500
"""From as many conversions on, models start out freer."""


@dataclass(frozen=True)
class Chosen:
    """What was chosen, and what it was chosen on.

    Attributes
    ----------
    scorer : LeadScorer, not fitted
        Its blend is that for all of the past; one that learns from more is held back less, see `Blend.weights`.
    out_of_time : Forward
        Its out-of-time predictions.
    blend : Blend
        The weights of its parts and the forward log loss of each.
    trials : tuple of Trial
        The settings tried, in their order, with their forward log loss; the first are those without tuning.
    folds : tuple of Fold
        The forward folds it was evaluated on; empty where time was not respected.
    stopped : bool
        Whether somebody stopped the tuning before its last trial.
    """

    scorer: LeadScorer
    out_of_time: OutOfTime
    blend: Blend
    trials: tuple[Trial, ...]
    folds: tuple[Fold, ...]
    stopped: bool


class _Folds:
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

    def predict(self, scorer: LeadScorer) -> OutOfTime:
        """Predictions forward in time; across time where the past is too short for that."""
        table = self.table
        if self.in_time:
            return predict_out_of_time(scorer, table.features, table.label, self.folds)
        return predict_across(
            scorer,
            table.features,
            table.label,
            table.group,
            table.holdout.train,
            random_state=self.random_state,
        )


def choose_model(
    table: TrainingTable,
    *,
    tune: Tune,
    random_state: int,
    progress: Progress,
    measure: Measure | None = None,
) -> Chosen:
    """Try settings, blend their parts, and keep what predicts later leads best.

    Trees and logistic part are evaluated apart and blended as `choose_blend` says. Other settings replace the best so
    far only if their blend's forward log loss is lower by more than the standard error of the difference, over
    accounts or leads: the lowest of many noisy numbers is low by luck, too.

    Parameters
    ----------
    table : TrainingTable
        ``holdout.train`` is the past; nothing else of the table is looked at.
    tune : ``"none"``, ``"quick"`` or ``"thorough"``
    random_state : int
    progress : Progress
        Shows the trials. An interruption (Ctrl-C) once the first trial is done ends the tuning, not the training:
        the best so far is kept.
    measure : Measure, optional
        Asked of the fold models of the chosen settings about the rows that they predicted: `OutOfTime.measured`.
    """
    folds = _Folds(table, random_state=random_state)
    start = _start(table, random_state)
    none = folds.predict(clone(start).set_params(tree_weight=0.0, linear_weight=0.0))
    settings = make_trials(tune, random_state=random_state)
    linear: dict[tuple[float, float], OutOfTime] = {}
    trials: list[Trial] = []
    best: tuple[int, _Candidate] | None = None
    stopped = False
    try:
        for number, changed in enumerate(progress.track(settings, "trying settings")):
            scorer = clone(start).set_params(**changed)
            key = scorer.linear_spread, scorer.min_category_count
            if key not in linear:
                alone = clone(scorer).set_params(tree_weight=0.0, linear_weight=1.0)
                linear[key] = folds.predict(alone)
            tried = _blend(table, scorer, none, folds.predict(scorer), linear[key])
            trials.append(Trial(changed, tried.blend.blend_loss))
            if best is None or _beats(tried, best[1], table.group[none.rows]):
                best = number, tried
    except KeyboardInterrupt:
        if best is None or len(settings) == 1:  # without tuning there is nothing to cut short
            raise
        stopped = True
    assert best is not None, "the first trial, the defaults, is never left out"
    number, kept = best
    trials[number] = replace(trials[number], chosen=True)
    out_of_time = replace(none, raw=kept.raw, models=kept.models)
    if measure is not None:
        out_of_time = replace(
            out_of_time, measured=measure_folds(kept.models, table.features, out_of_time.rows, measure)
        )
    in_time = tuple(folds.folds) if folds.in_time else ()
    return Chosen(kept.scorer, out_of_time, kept.blend, tuple(trials), in_time, stopped)


def _start(table: TrainingTable, random_state: int) -> LeadScorer:
    """The settings without tuning: the scorer's own; with many conversions, both parts freer.

    On 50,000 simulated leads (3,763 conversions) a logistic part of spread 3 rather than 1 raised its own share of
    the oracle's gain from 0.78 to 0.80. 150 trees of twice the learning rate say as much as 300 (0.845 and 0.847 of
    the gain alone, the same in the blend), 120 of the usual one less (0.797), in half the time.
    """
    many = int(table.label[table.holdout.train].sum()) >= MANY_POSITIVES
    if many:
        return LeadScorer(learning_rate=0.1, n_trees=150, linear_spread=3.0, random_state=random_state)
    return LeadScorer(random_state=random_state)


@dataclass(frozen=True)
class _Candidate:
    """Settings with their blend: out-of-time log-odds, and each row's loss after the shift that fits them best."""

    scorer: LeadScorer
    blend: Blend
    raw: Floats
    losses: Floats
    trees: tuple[FoldModel, ...]
    linear: tuple[FoldModel, ...]

    @property
    def models(self) -> tuple[FoldModel, ...]:
        """The blend's fold models, joined from those of its parts, which were fitted on the same rows."""
        return tuple(
            FoldModel(_join(self.scorer, trees.scorer, linear.scorer), trees.rows)
            for trees, linear in zip(self.trees, self.linear, strict=True)
        )


def _join(blended: LeadScorer, trees: LeadScorer, linear: LeadScorer) -> LeadScorer:
    """What fitting a blend gives, from its two parts fitted apart: neither knows of the other while it learns."""
    joined: LeadScorer = copy.copy(trees).set_params(**blended.get_params())
    joined.trees_ = trees.trees_ if blended.tree_weight else None
    joined.linear_ = linear.linear_ if blended.linear_weight else None
    return joined


def _blend(
    table: TrainingTable, scorer: LeadScorer, none: OutOfTime, trees: OutOfTime, linear: OutOfTime
) -> _Candidate:
    target, learned = table.label[none.rows], none.learned.astype(np.float64)
    blend = choose_blend(
        none.raw, trees.raw, linear.raw, target, group=table.group[none.rows], learned=learned
    )
    raw = blend.mix(none.raw, trees.raw, linear.raw, learned=learned)
    weights = blend.weights(int(table.label[table.holdout.train].sum()))
    return _Candidate(
        clone(scorer).set_params(**weights),
        blend,
        raw,
        log_losses(target.astype(np.float64), expit(raw + blend.shift)),
        trees.models,
        linear.models,
    )


def _beats(one: _Candidate, other: _Candidate, group: npt.NDArray[np.intp]) -> bool:
    """Whether the first has the lower loss, beyond the standard error of the difference."""
    gain = other.losses - one.losses
    per_group = np.bincount(group, weights=gain - gain.mean())
    return bool(gain.sum() > math.sqrt(float(per_group @ per_group)))


def calibrate_past(out_of_time: OutOfTime, past: TrainingTable) -> tuple[SigmoidCalibrator, Drift]:
    """The calibration of the model that the held-out period evaluates, and how its level moved between the periods.

    Without skill everyone has the rate of the whole past, which is better known than that of the forward periods.
    """
    calibrator, drift = calibrate_out_of_time(out_of_time.raw, out_of_time.rows, out_of_time.periods, past)
    if calibrator.slope_ == 0 and drift.half_life is None:
        calibrator = calibrator.at_rate(float(past.label[past.holdout.train].mean()))
    return calibrator, drift


def calibrate_out_of_time(
    raw: Floats, rows: npt.NDArray[np.intp], periods: Sequence[tuple[int, int]], table: TrainingTable
) -> tuple[SigmoidCalibrator, Drift]:
    """The calibration that predictions of later leads bear out, and how its level moved between the periods.

    Parameters
    ----------
    raw, rows : arrays of shape (n,)
        Log-odds by models that had not seen these rows of the table.
    periods : the time that each fold covers; empty where time was not respected.
    """
    target, group = table.label[rows], table.group[rows]
    fitted = fit_within_periods(raw, target, time=table.time[rows], periods=periods)
    calibrator = shrink_slope(fitted, raw, group=group)
    return follow_recent(
        calibrator,
        raw,
        target,
        time=table.time[rows],
        group=group,
        label_span=table.label_span,
        periods=periods,
    )
