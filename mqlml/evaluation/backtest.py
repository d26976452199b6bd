"""Out-of-time predictions: models that learn from the past predict the next period, fold by fold.

Levels and thresholds may be fitted on these only: each was made by a model that had seen neither the row's outcome,
nor any outcome of its period, nor anyone of its account.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold

from mqlml.errors import PopulationError
from mqlml.model import LeadScorer
from mqlml.training import Fold
from mqlml.types import Floats, Labels, Rows

__all__ = [
    "N_PARTS",
    "FoldModel",
    "Measure",
    "OutOfTime",
    "measure_folds",
    "predict_across",
    "predict_out_of_time",
]

N_PARTS = 5
"""Parts of the rows where folds ignore time; each is predicted by a model that learned from the others."""

Measure = Callable[[LeadScorer, pd.DataFrame], Floats]


@dataclass(frozen=True)
class FoldModel:
    """The model of one fold, or of one of its parts.

    Attributes
    ----------
    scorer : LeadScorer, fitted
    rows : ndarray of int, positions of the rows that it predicted, none of which it learned from.
    """

    scorer: LeadScorer
    rows: Rows


@dataclass(frozen=True)
class OutOfTime:
    """Out-of-sample predictions.

    Attributes
    ----------
    rows : ndarray of int, positions of the rows predicted, each once.
    raw : ndarray of float64, log-odds, aligned with ``rows`` like all arrays here.
    prior : ndarray of float64, log-odds of the base rate that each row's model knew.
    parts : ndarray of float64, shape (n, 2), see `LeadScorer.predict_parts`.
    period : ndarray of int, the place in ``periods`` of each row; all 0 when time was not respected.
    periods : tuple of (start, end), the time each fold covers; empty when time was not respected.
    in_time : bool
        False where the history was too short to go forward and folds were drawn across time instead.
    models : tuple of FoldModel
        Whose predictions these are; together they predicted each row once.
    measured : ndarray of float64 or None
        What `Measure` gave for the rows, where it was called; see `measure_folds`.
    """

    rows: Rows
    raw: Floats
    prior: Floats
    parts: Floats
    period: Rows
    periods: tuple[tuple[int, int], ...]
    in_time: bool
    models: tuple[FoldModel, ...] = field(default=(), repr=False)
    measured: Floats | None = None


def predict_out_of_time(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: Labels,
    folds: Sequence[Fold],
    *,
    linear: Sequence[FoldModel] | None = None,
) -> OutOfTime:
    """Predictions of each fold's later rows by a model that learned from its earlier rows.

    Parameters
    ----------
    scorer : LeadScorer, cloned for each fold.
    features, label : the whole table, row by row.
    folds : at least one, with disjoint ``test`` rows.
    linear : fold models of other settings of the trees, whose logistic part is used instead of fitting it again.
    """
    splits = [part for fold in folds for part in fold.parts]
    models = _learn(scorer, features, label, splits, linear)
    raw, prior, parts = _predict(models, features)
    return OutOfTime(
        rows=np.concatenate([fold.test for fold in folds]),
        raw=raw,
        prior=prior,
        parts=parts,
        period=np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds]),
        periods=tuple((fold.start, fold.end) for fold in folds),
        in_time=True,
        models=models,
    )


def _learn(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: Labels,
    splits: Sequence[tuple[Rows, Rows]],
    linear: Sequence[FoldModel] | None,
) -> tuple[FoldModel, ...]:
    """A model for each split. The parts of a blend learn apart, so one may come from elsewhere."""
    models = []
    for number, (train, test) in enumerate(splits):
        fitted: LeadScorer = clone(scorer)
        if linear is not None:
            fitted.set_params(linear_weight=0.0)
        fitted.fit(features.iloc[train], label[train])
        if linear is not None:
            fitted.set_params(linear_weight=scorer.linear_weight)
            fitted.linear_ = linear[number].scorer.linear_
        models.append(FoldModel(fitted, test))
    return tuple(models)


def _predict(models: Sequence[FoldModel], features: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Log-odds, log-odds of the base rate known, and those of the parts, model by model."""
    parts = [model.scorer.predict_parts(features.iloc[model.rows]) for model in models]
    return (
        np.concatenate([model.scorer.blend(part) for model, part in zip(models, parts, strict=True)]),
        np.concatenate([np.full(len(model.rows), model.scorer.prior_) for model in models]),
        np.concatenate(parts),
    )


def measure_folds(
    models: Sequence[FoldModel], features: pd.DataFrame, rows: Rows, measure: Measure
) -> Floats:
    """What each fold's model says of the rows that it predicted, in the order of ``rows``.

    Parameters
    ----------
    models : as in `OutOfTime`, or others of the same rows.
    features : the whole table.
    rows : positions, each in the rows of one model.
    """
    found = np.concatenate([measure(model.scorer, features.iloc[model.rows]) for model in models])
    place = np.empty(len(features), dtype=np.intp)
    place[np.concatenate([model.rows for model in models])] = np.arange(len(found))
    aligned: Floats = found[place[rows]]
    return aligned


def predict_across(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: Labels,
    group: Rows,
    rows: Rows,
    *,
    random_state: int = 0,
    linear: Sequence[FoldModel] | None = None,
) -> OutOfTime:
    """Predictions by cross-validation within ``rows``, accounts kept together, for short histories.

    It ignores time, so it is less reliable than `predict_out_of_time`; the caller must say so.

    Raises
    ------
    PopulationError
        If all rows are of one account.
    """
    accounts = len(np.unique(group[rows]))
    if accounts < 2:
        raise PopulationError(
            f"calibration needs leads of at least two accounts to learn from; found one in {len(rows):,} rows. "
            "Bring more accounts or a longer history, or check data.leads.columns.account_id"
        )
    splitter = StratifiedGroupKFold(n_splits=min(N_PARTS, accounts), shuffle=True, random_state=random_state)
    splits = list(splitter.split(rows, label[rows], group[rows]))
    models = _learn(scorer, features, label, [(rows[train], rows[test]) for train, test in splits], linear)
    found = _predict(models, features)
    # Back from the order of the splits to that of the rows.
    back = np.argsort(np.concatenate([test for _, test in splits]), kind="stable")
    raw, prior, parts = (column[back] for column in found)
    return OutOfTime(
        rows=rows,
        raw=raw,
        prior=prior,
        parts=parts,
        period=np.zeros(len(rows), dtype=np.intp),
        periods=(),
        in_time=False,
        models=models,
    )
