"""Checks of what the classifiers of this room take, with errors that scikit-learn's own tools understand as well."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d
from threadpoolctl import ThreadpoolController

from mqlml.model.encode import EmptyClassError, TableError, check_table
from mqlml.types import Floats, Mask, Rows

__all__ = [
    "TrainingRows",
    "check_labels",
    "check_new_rows",
    "check_training_rows",
    "limit_threads",
    "pick_class",
    "two_classes",
]


@contextmanager
def limit_threads(number: int) -> Iterator[None]:
    """Use at most ``number`` threads inside the block."""
    with _controller().limit(limits=number):
        yield


@cache
def _controller() -> ThreadpoolController:
    """The libraries that are loaded, looked for once.

    The search calls Python back from C, where a Ctrl-C would be lost; so one that comes meanwhile is kept for later.
    """
    if threading.current_thread() is not threading.main_thread():
        return ThreadpoolController()
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        found = ThreadpoolController()
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
    return found


@dataclass(frozen=True)
class TrainingRows:
    """What `check_training_rows` found usable.

    Attributes
    ----------
    table : DataFrame of shape (n, columns), whose columns have names.
    target : ndarray of shape (n,), 1 for the second class, else 0.
    weight : ndarray of shape (n,), or None where none was given.
    """

    table: pd.DataFrame
    target: Rows
    weight: Floats | None


def check_labels(estimator: object, y: npt.ArrayLike) -> npt.NDArray[Any]:
    """Labels in one dimension, at most two different values, none missing.

    Raises
    ------
    TableError
        If they are something else.
    """
    if y is None:
        raise TableError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    labels: npt.NDArray[Any] = column_or_1d(y, warn=True)
    missing = pd.isna(labels)
    if labels.dtype.kind == "f":
        missing |= np.isinf(labels)
    if missing.any():
        raise TableError(
            f"y must hold two values, none missing; {int(missing.sum())} of {len(labels)}: "
            "Input y contains NaN or infinity. Leave out leads whose outcome is not known yet"
        )
    check_classification_targets(labels)
    classes = np.unique(labels)
    if len(classes) > 2:
        raise TableError(
            f"Only binary classification is supported: y must hold two values; found {len(classes)}: "
            f"{classes[:5].tolist()!r}"
        )
    return labels


def check_training_rows(
    estimator: Any, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
) -> TrainingRows:
    """The rows a classifier learns from; its ``classes_`` and the names and number of its columns are set.

    Raises
    ------
    ScorerError
        If table, labels and weights do not fit together or cannot be used.
    PopulationError
        If ``y`` holds one class only, rows of weight 0 aside.
    """
    labels = check_labels(estimator, y)
    table, named = check_table(X, estimator=type(estimator).__name__)
    if len(labels) != len(table):
        raise TableError(
            f"X and y must have one row per lead and moment each; found inconsistent numbers: {len(table)} in X, "
            f"{len(labels)} in y"
        )
    classes, target = np.unique(labels, return_inverse=True)
    weight = None
    present = np.unique(target)
    if sample_weight is not None:
        weight = _check_sample_weight(sample_weight, table, dtype=np.float64, ensure_non_negative=True)
        present = np.unique(target[weight > 0])
    if len(present) < 2:
        raise EmptyClassError(
            f"y must hold two classes; found one class only: {classes[present].tolist()} in all {len(labels)} rows "
            "(of weight above 0). Take a longer history, another outcome, or a longer horizon"
        )
    estimator.classes_ = classes
    estimator.n_features_in_ = table.shape[1]
    if named:
        estimator.feature_names_in_ = np.asarray(table.columns, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
    return TrainingRows(_with_names(table, named), target, weight)


def check_new_rows(estimator: Any, X: Any) -> pd.DataFrame:
    """The rows a fitted classifier is to predict, their columns named as in training where they have no names.

    Raises
    ------
    ScorerError
        If names are missing, or a table without names has another number of columns than the training.
    """
    table, named = check_table(X, estimator=type(estimator).__name__)
    if hasattr(estimator, "feature_names_in_"):
        if not named:
            raise TableError(
                "the model was trained on named columns and needs a DataFrame with those names; found "
                f"{type(X).__name__} without them"
            )
        return table
    if table.shape[1] != estimator.n_features_in_:
        raise TableError(
            f"X has {table.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input; build it as the training table was built"
        )
    return _with_names(table, False)


def two_classes(positive: Floats) -> Floats:
    """Probabilities of both classes, shape (n, 2), from those of the second; each column is contiguous."""
    both: Floats = np.stack([1.0 - positive, positive]).T
    return both


def pick_class(estimator: Any, positive: Mask) -> npt.NDArray[Any]:
    """The second class where it is the likelier one, else the first."""
    picked: npt.NDArray[Any] = estimator.classes_[positive.astype(np.intp)]
    return picked


def _with_names(table: pd.DataFrame, named: bool) -> pd.DataFrame:
    return table if named else table.set_axis([f"x{i}" for i in range(table.shape[1])], axis=1)
