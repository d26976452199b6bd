"""Forward predictions: models that learn from the past predict the next period, fold by fold.

These are the only predictions that calibration and thresholds may be fitted on: each was made by a model that had
seen neither the row's outcome, nor any outcome of its period, nor anyone of its account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold

from mqlml.errors import PopulationError
from mqlml.model import LeadScorer
from mqlml.training import Fold

__all__ = ["Forward", "Measure", "predict_across", "predict_forward"]

Rows = npt.NDArray[np.intp]
Track = Callable[[Sequence[Fold], str], Iterable[Fold]]
Measure = Callable[[LeadScorer, pd.DataFrame], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Forward:
    """Out-of-sample raw scores.

    Attributes
    ----------
    rows : ndarray of int, positions of the rows judged, each once.
    raw : ndarray of float64, log-odds, aligned with ``rows``.
    periods : tuple of (start, end), the time each fold covers; empty when time was not respected.
    in_time : bool
        False where the history was too short to go forward and folds were drawn across time instead.
    learned : ndarray of int64, the conversions that each row's model learned from, aligned with ``rows``.
    measured : ndarray of float64 or None
        What `Measure` gave for the rows, aligned with them.
    """

    rows: Rows
    raw: npt.NDArray[np.float64]
    periods: tuple[tuple[int, int], ...]
    in_time: bool
    learned: npt.NDArray[np.int64]
    measured: npt.NDArray[np.float64] | None = None


def _fit_predict(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: npt.NDArray[np.int8],
    train: Rows,
    test: Rows,
    measure: Measure | None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
    fitted = clone(scorer).fit(features.iloc[train], label[train])
    judged = features.iloc[test]
    raw: npt.NDArray[np.float64] = fitted.decision_function(judged)
    return raw, None if measure is None else measure(fitted, judged)


def predict_forward(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: npt.NDArray[np.int8],
    folds: Sequence[Fold],
    *,
    track: Track = lambda folds, _: folds,
    measure: Measure | None = None,
) -> Forward:
    """Raw scores of each fold's later rows by a model that learned from its earlier rows.

    Parameters
    ----------
    scorer : LeadScorer, cloned for each fold.
    features, label : the whole table, row by row.
    folds : at least one, with disjoint ``test`` rows.
    track : wraps the folds to show progress.
    measure : asked of each fold's model about the rows it judges, one row of numbers each.
    """
    found = [
        _fit_predict(scorer, features, label, train, test, measure)
        for fold in track(folds, "learning from the past, predicting the next period")
        for train, test in fold.parts
    ]
    return Forward(
        rows=np.concatenate([fold.test for fold in folds]),
        raw=np.concatenate([raw for raw, _ in found]),
        periods=tuple((fold.start, fold.end) for fold in folds),
        in_time=True,
        learned=np.concatenate(
            [np.full(len(test), label[train].sum()) for fold in folds for train, test in fold.parts]
        ),
        measured=_together([measured for _, measured in found]),
    )


def _together(parts: Sequence[npt.NDArray[np.float64] | None]) -> npt.NDArray[np.float64] | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def predict_across(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: npt.NDArray[np.int8],
    group: Rows,
    rows: Rows,
    *,
    n_splits: int = 5,
    random_state: int = 0,
    measure: Measure | None = None,
) -> Forward:
    """Raw scores by cross-validation within ``rows``, accounts kept together: the way out for short histories.

    It ignores time, so what it promises is less sure than what `predict_forward` does; the caller must say so.

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
    found = [
        _fit_predict(scorer, features, label, rows[train], rows[test], measure) for train, test in splits
    ]
    # Back from the order of the splits to that of the rows.
    back = np.argsort(np.concatenate([test for _, test in splits]), kind="stable")
    measured = _together([part for _, part in found])
    return Forward(
        rows=rows,
        raw=np.concatenate([raw for raw, _ in found])[back],
        periods=(),
        in_time=False,
        learned=np.concatenate([np.full(len(test), label[rows[train]].sum()) for train, test in splits])[
            back
        ],
        measured=None if measured is None else measured[back],
    )
