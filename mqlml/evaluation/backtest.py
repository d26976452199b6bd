"""Forward predictions: models that learn from the past predict the next period, fold by fold.

These are the only predictions that calibration and thresholds may be fitted on: each was made by a model that had
seen neither the row's outcome, nor any outcome of its period, nor anyone of its account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold

from mqlml.errors import PopulationError
from mqlml.model import LeadScorer
from mqlml.training import Fold
from mqlml.types import Floats, Rows

__all__ = ["FoldModel", "Measure", "OutOfTime", "measure_folds", "predict_across", "predict_out_of_time"]

Track = Callable[[Sequence[Fold], str], Iterable[Fold]]
Measure = Callable[[LeadScorer, pd.DataFrame], npt.NDArray[np.float64]]


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
    """Out-of-sample raw scores.

    Attributes
    ----------
    rows : ndarray of int, positions of the rows predicted, each once.
    raw : ndarray of float64, log-odds, aligned with ``rows``.
    periods : tuple of (start, end), the time each fold covers; empty when time was not respected.
    in_time : bool
        False where the history was too short to go forward and folds were drawn across time instead.
    learned : ndarray of int64, the conversions that each row's model learned from, aligned with ``rows``.
    models : tuple of FoldModel
        Whose scores these are; together they predicted each row once.
    measured : ndarray of float64 or None
        What `Measure` gave for the rows, aligned with them, where it was asked; see `measure_folds`.
    """

    rows: Rows
    raw: npt.NDArray[np.float64]
    periods: tuple[tuple[int, int], ...]
    in_time: bool
    learned: npt.NDArray[np.int64]
    models: tuple[FoldModel, ...] = field(default=(), repr=False)
    measured: npt.NDArray[np.float64] | None = None


def predict_out_of_time(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: npt.NDArray[np.int8],
    folds: Sequence[Fold],
    *,
    track: Track = lambda folds, _: folds,
) -> OutOfTime:
    """Raw scores of each fold's later rows by a model that learned from its earlier rows.

    Parameters
    ----------
    scorer : LeadScorer, cloned for each fold.
    features, label : the whole table, row by row.
    folds : at least one, with disjoint ``test`` rows.
    track : wraps the folds to show progress.
    """
    models = [
        _learn(scorer, features, label, train, test)
        for fold in track(folds, "learning from the past, predicting the next period")
        for train, test in fold.parts
    ]
    return OutOfTime(
        rows=np.concatenate([fold.test for fold in folds]),
        raw=np.concatenate([model.scorer.decision_function(features.iloc[model.rows]) for model in models]),
        periods=tuple((fold.start, fold.end) for fold in folds),
        in_time=True,
        learned=np.concatenate(
            [np.full(len(test), label[train].sum()) for fold in folds for train, test in fold.parts]
        ),
        models=tuple(models),
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


def _learn(
    scorer: LeadScorer, features: pd.DataFrame, label: npt.NDArray[np.int8], train: Rows, test: Rows
) -> FoldModel:
    return FoldModel(clone(scorer).fit(features.iloc[train], label[train]), test)


def predict_across(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: npt.NDArray[np.int8],
    group: Rows,
    rows: Rows,
    *,
    n_splits: int = 5,
    random_state: int = 0,
) -> OutOfTime:
    """Raw scores by cross-validation within ``rows``, accounts kept together: the way out for short histories.

    It ignores time, so what it predicts is less sure than what `predict_out_of_time` does; the caller must say so.

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
    splitter = StratifiedGroupKFold(n_splits=min(n_splits, accounts), shuffle=True, random_state=random_state)
    splits = list(splitter.split(rows, label[rows], group[rows]))
    models = [_learn(scorer, features, label, rows[train], rows[test]) for train, test in splits]
    raw = [model.scorer.decision_function(features.iloc[model.rows]) for model in models]
    # Back from the order of the splits to that of the rows.
    back = np.argsort(np.concatenate([test for _, test in splits]), kind="stable")
    return OutOfTime(
        rows=rows,
        raw=np.concatenate(raw)[back],
        periods=(),
        in_time=False,
        learned=np.concatenate([np.full(len(test), label[rows[train]].sum()) for train, test in splits])[
            back
        ],
        models=tuple(models),
    )
