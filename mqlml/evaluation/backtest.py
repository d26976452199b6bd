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
Floats = npt.NDArray[np.float64]
Track = Callable[[Sequence[Fold], str], Iterable[Fold]]
Measure = Callable[[LeadScorer, pd.DataFrame], Floats]


@dataclass(frozen=True)
class Forward:
    """Out-of-sample raw scores.

    Attributes
    ----------
    rows : ndarray of int, positions of the rows judged, each once.
    raw : ndarray of float64, log-odds, aligned with ``rows``.
    prior : ndarray of float64, log-odds of the base rate that each row's model knew.
    parts : ndarray of float64, shape (n, 2), log-odds of trees and logistic part alone.
    period : ndarray of int, the place in ``periods`` of each row; all 0 when time was not respected.
    periods : tuple of (start, end), the time each fold covers; empty when time was not respected.
    in_time : bool
        False where the history was too short to go forward and folds were drawn across time instead.
    measured : ndarray of float64 or None
        What `Measure` gave for the rows, aligned with them.
    """

    rows: Rows
    raw: Floats
    prior: Floats
    parts: Floats
    period: Rows
    periods: tuple[tuple[int, int], ...]
    in_time: bool
    measured: Floats | None = None


@dataclass(frozen=True)
class _Said:
    """What one model says of the rows it judges."""

    raw: Floats
    prior: Floats
    parts: Floats
    measured: Floats | None


def _fit_predict(
    scorer: LeadScorer,
    features: pd.DataFrame,
    label: npt.NDArray[np.int8],
    train: Rows,
    test: Rows,
    measure: Measure | None,
) -> _Said:
    fitted: LeadScorer = clone(scorer).fit(features.iloc[train], label[train])
    judged = features.iloc[test]
    parts = fitted.predict_parts(judged)
    weights = np.array([fitted.tree_weight, fitted.linear_weight])
    raw = (1.0 - weights.sum()) * fitted.prior_ + parts @ weights
    measured = None if measure is None else measure(fitted, judged)
    return _Said(raw, np.full(len(test), fitted.prior_), parts, measured)


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
        raw=np.concatenate([said.raw for said in found]),
        prior=np.concatenate([said.prior for said in found]),
        parts=np.concatenate([said.parts for said in found]),
        period=np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds]),
        periods=tuple((fold.start, fold.end) for fold in folds),
        in_time=True,
        measured=_together([said.measured for said in found]),
    )


def _together(parts: Sequence[Floats | None]) -> Floats | None:
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
    measured = _together([said.measured for said in found])
    return Forward(
        rows=rows,
        raw=np.concatenate([said.raw for said in found])[back],
        prior=np.concatenate([said.prior for said in found])[back],
        parts=np.concatenate([said.parts for said in found])[back],
        period=np.zeros(len(rows), dtype=np.intp),
        periods=(),
        in_time=False,
        measured=None if measured is None else measured[back],
    )
