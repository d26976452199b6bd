"""Forecasts across periods: each fold's model learns from its past and predicts its own period and later ones.

A table with its folds gives the raw scores of each pair of model and period, and the one slope that makes them
probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.base import clone

from mqlml.errors import ScorerError
from mqlml.evaluation.metrics import log_losses
from mqlml.model import LeadScorer
from mqlml.training import Fold
from mqlml.types import Floats, Labels, Rows

__all__ = ["Forecast", "fit_slope", "forecast_across_periods", "of_one_size", "shrink"]

Track = Callable[[Sequence[int], str], Iterable[int]]


@dataclass(frozen=True)
class Forecast:
    """The predictions of one fold's model for the leads of one period, its own or a later one.

    Attributes
    ----------
    made, period : int, numbers of the folds.
    rows : ndarray of int, positions in the table, none of a lead or account that this model learned from.
    raw : ndarray of float64, log-odds.
    """

    made: int
    period: int
    rows: Rows
    raw: Floats


def forecast_across_periods(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: Labels,
    group: Rows,
    folds: Sequence[Fold],
    *,
    later: bool,
    track: Track = lambda folds, _: folds,
) -> tuple[Forecast, ...]:
    """Each fold's model on its own period and, with ``later``, on every later one.

    It costs a fit for each fold and a prediction for each pair. Of a later period only those are predicted whose
    lead and account the model did not learn from; where groups were assigned to parts, each by a part's model that
    had not learned from it.
    """
    forecasts = []
    for made in track(range(len(folds)), "a model for each period"):
        models = [_learn(scorer, features.iloc[train], label[train]) for train, _ in folds[made].parts]
        known = [np.unique(group[train]) for train, _ in folds[made].parts]
        raw = [model(features.iloc[test]) for model, (_, test) in zip(models, folds[made].parts, strict=True)]
        forecasts.append(Forecast(made, made, folds[made].test, np.concatenate(raw)))
        for period in range(made + 1, len(folds) if later else 0):
            rows, raw = [], []
            left = folds[period].test
            for model, learned in zip(models, known, strict=True):
                foreign = ~np.isin(group[left], learned)
                if foreign.any():
                    rows.append(left[foreign])
                    raw.append(model(features.iloc[left[foreign]]))
                left = left[~foreign]
            if rows:
                forecasts.append(Forecast(made, period, np.concatenate(rows), np.concatenate(raw)))
    return tuple(forecasts)


def _learn(scorer: LeadScorer, features: pd.DataFrame, label: Labels) -> Callable[[pd.DataFrame], Floats]:
    """The raw scores of a model that learned from these rows; where none of them can be used, the base rate's."""
    try:
        fitted: LeadScorer = clone(scorer).fit(features, label)
    except ScorerError:  # no column varies in so few rows
        rate = float(logit(label.mean()))
        return lambda table: np.full(len(table), rate)
    return fitted.decision_function


def of_one_size(folds: Sequence[Fold]) -> list[Fold]:
    """The same folds with no more rows to learn from than the smallest has, the newest ones.

    Older models have mostly learned from less. Models that learned from equally much differ by their age alone.
    """
    size = min(len(train) for fold in folds for train, _ in fold.parts)
    return [
        replace(
            fold, train=fold.train[-size:], parts=tuple((train[-size:], test) for train, test in fold.parts)
        )
        for fold in folds
    ]


def shrink(raw: Floats, *, base_rate: float, slope: float) -> Floats:
    """Probabilities whose log-odds keep a share of their distance from those of the base rate known when training.

    A model's raw scores are surer than they should be on later leads. Fitting a calibrator for each fold would add
    its noise to every comparison, and an intercept fitted later would hide what drift of the base rate costs.
    """
    middle = logit(base_rate)
    probability: Floats = expit(middle + slope * (raw - middle))
    return probability


def fit_slope(parts: Iterable[tuple[Floats, Labels, float]]) -> float:
    """The one slope of least log loss for the forecasts of several models.

    Parameters
    ----------
    parts : for each model its raw scores of later leads, their labels, and the base rate it knew.
    """
    parts = list(parts)

    def loss(slope: float) -> float:
        return sum(
            float(log_losses(label.astype(np.float64), shrink(raw, base_rate=rate, slope=slope)).sum())
            for raw, label, rate in parts
        )

    return float(minimize_scalar(loss, bounds=(0.0, 2.0), method="bounded").x)
