"""Baselines: simpler ways to a probability, from the same tables as `LeadScorer`, that a model must beat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from mqlml.features.catalogue import Feature
from mqlml.model.calibration import SigmoidCalibrator
from mqlml.model.encode import TableEncoder
from mqlml.model.inputs import check_new_rows, check_training_rows, limit_threads, pick_class, two_classes
from mqlml.model.linear import compress
from mqlml.types import Floats, Floats32, Mask

__all__ = [
    "BaseRateBaseline",
    "Baseline",
    "LogisticBaseline",
    "PointsBaseline",
    "make_baselines",
]

_POINTS = 10.0
_EARNS = {"actions": _POINTS, "undesirables": -_POINTS}

_ROWS_AT_ONCE = 8_192


def _blocks(n_rows: int) -> Iterator[slice]:
    return (slice(low, low + _ROWS_AT_ONCE) for low in range(0, n_rows, _ROWS_AT_ONCE))


class Baseline(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A simpler way to say how likely a lead converts, as a scikit-learn classifier.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels in sorted order; the second is the one whose probability is meant.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only if the training table had text column names.
    """

    classes_: npt.NDArray[Any]

    def fit(self, X: Any, y: npt.ArrayLike) -> Self:
        """Learn from leads whose outcome is known.

        Parameters
        ----------
        X : DataFrame of shape (n, columns), or 2-D array of numbers
        y : array of shape (n,)
            Two different values; the greater one is the conversion.

        Raises
        ------
        ScorerError
            If table and labels do not fit together, or a column cannot be used.
        PopulationError
            If ``y`` holds one class only.
        """
        rows = check_training_rows(self, X, y)
        self._learn(rows.table, rows.target.astype(np.float64))
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of both classes; shape (n, 2), rows sum to one."""
        check_is_fitted(self)
        return two_classes(self._rate(check_new_rows(self, X)))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The likelier class of each row."""
        return pick_class(self, self.predict_proba(X)[:, 1] > 0.5)

    @abstractmethod
    def _learn(self, table: pd.DataFrame, target: Floats, /) -> None:
        """Learn from a table that has been checked; ``target`` is 1 for a conversion, else 0."""

    @abstractmethod
    def _rate(self, table: pd.DataFrame) -> Floats:
        """Probability of conversion, shape (n,)."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def make_baselines(features: Sequence[Feature]) -> dict[str, Baseline]:
    """One of each baseline, by the name ``train --json`` gives it; ``features`` is the catalogue of the columns."""
    return {
        "base_rate": BaseRateBaseline(),
        "points": PointsBaseline(features),
        "logistic": LogisticBaseline(),
    }


class BaseRateBaseline(Baseline):
    """Everyone has the share of leads that converted in training: all that was known, were there no features.

    Attributes
    ----------
    base_rate_ : float

    Examples
    --------
    >>> table = pd.DataFrame({"visits": [0, 1, 6, 9]})
    >>> BaseRateBaseline().fit(table, [0, 0, 0, 1]).predict_proba(table)[:, 1].tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    def _learn(self, _table: pd.DataFrame, target: Floats, /) -> None:
        self.base_rate_ = float(target.mean())

    def _rate(self, table: pd.DataFrame) -> Floats:
        return np.full(len(table), self.base_rate_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class LogisticBaseline(Baseline):
    """Logistic regression, given a fair chance: one column per frequent word, counts on a log scale.

    Numbers are taken as ``sign(x) · log(1 + |x|)``, since most are counts and days with long tails, a missing one as
    the training's median beside a column that says so. All columns are standardised, and the ridge is scikit-learn's
    default, so the fit is the same on every run.

    Attributes
    ----------
    encoder_ : TableEncoder
    medians_, has_missing_ : ndarrays of shape (matrix columns,)
        Each column's median on the log scale, and whether any of its values was missing.
    mean_, spread_ : ndarrays of shape (design columns,)
    regression_ : LogisticRegression

    Examples
    --------
    >>> table = pd.DataFrame({"visits": [0, 1, 6, 9] * 10})
    >>> fitted = LogisticBaseline().fit(table, [0, 0, 1, 1] * 10)
    >>> fitted.predict(pd.DataFrame({"visits": [0, 20]})).tolist()
    [0, 1]
    """

    encoder_: TableEncoder
    medians_: Floats
    has_missing_: Mask
    mean_: Floats
    spread_: Floats
    regression_: LogisticRegression

    def _learn(self, table: pd.DataFrame, target: Floats, /) -> None:
        self.encoder_ = TableEncoder().fit(table)
        matrix = self.encoder_.transform(table)
        self.medians_ = np.array([np.nanquantile(compress(values), 0.5) for values in matrix.T])
        self.has_missing_ = np.array([np.isnan(values).any() for values in matrix.T])
        columns = self._expand(matrix)
        del matrix
        self.mean_ = columns.mean(axis=0, dtype=np.float64)
        spread = columns.std(axis=0, dtype=np.float64)
        self.spread_ = np.where(spread > 0, spread, 1.0)
        self.regression_ = LogisticRegression(max_iter=2_000)
        # In place: a second design would be the largest table of a whole training.
        columns -= self.mean_
        columns /= self.spread_
        # Sums over rows that BLAS shares out among threads end in other last digits.
        with limit_threads(1):
            self.regression_.fit(columns, target)

    def _rate(self, table: pd.DataFrame) -> Floats:
        matrix = self.encoder_.transform(table)
        probability = np.empty(len(matrix))
        # In double precision, unlike the fit: the last digits of BLAS's products depend on a row's neighbors.
        with limit_threads(1):
            for rows in _blocks(len(matrix)):
                columns = (self._expand(matrix[rows]) - self.mean_) / self.spread_
                probability[rows] = self.regression_.predict_proba(columns)[:, 1]
        return probability

    def _expand(self, matrix: Floats) -> Floats32:
        """The design, before it is standardized: the largest table of a training, so half as precise as others."""
        levels = [len(self.encoder_.levels_.get(name, ())) for name in self.encoder_.matrix_names_]
        is_number = [name not in self.encoder_.levels_ for name in self.encoder_.matrix_names_]
        width = sum(levels) + sum(is_number) + int(self.has_missing_.sum())
        columns = np.empty((len(matrix), width), dtype=np.float32)
        for rows in _blocks(len(matrix)):  # what is filled column by column stays in the cache
            self._fill(columns[rows], matrix[rows], levels, is_number)
        return columns

    def _fill(self, columns: Floats32, matrix: Floats, levels: list[int], is_number: list[bool]) -> None:
        place = 0
        for position, values in enumerate(matrix.T):
            missing = np.isnan(values)
            if is_number[position]:
                columns[:, place] = np.where(missing, self.medians_[position], compress(values))
                place += 1
            # One per frequent word; the other words together are what is left when all of these are 0.
            for code in range(levels[position]):
                columns[:, place] = values == code
                place += 1
            if self.has_missing_[position]:
                columns[:, place] = missing
                place += 1


class PointsBaseline(Baseline):
    """The usual points rule: +10 for each action the lead has taken, −10 for each undesirable.

    It uses the features of presence in the families Actions and Undesirables, and gives the points for an action
    once, whatever the window or the number. How many points are worth which probability is learned with a sigmoid;
    the points are not. Where no column gives points, or all leads have the same, everyone has the base rate.

    Parameters
    ----------
    features : sequence of Feature
        The catalogue of the table's columns.

    Attributes
    ----------
    base_rate_ : float
    calibrator_ : SigmoidCalibrator or None
        None where all leads of the training have the same points.

    Examples
    --------
    >>> from mqlml.features.wording import Named
    >>> demo = Feature("actions", "demo", "count", Named("demo requests"), "count", asks="presence")
    >>> table = pd.DataFrame({demo.name: [0, 0, 1, 3] * 10})
    >>> fitted = PointsBaseline([demo]).fit(table, [0, 0, 0, 1] * 10)
    >>> fitted.points(table)[:4].tolist()
    [0.0, 0.0, 10.0, 10.0]
    >>> fitted.predict_proba(table)[:4, 1].round(2).tolist()
    [0.03, 0.03, 0.47, 0.47]
    """

    base_rate_: float
    calibrator_: SigmoidCalibrator | None

    def __init__(self, features: Sequence[Feature] = ()) -> None:
        self.features = features

    def _learn(self, table: pd.DataFrame, target: Floats, /) -> None:
        points = self.points(table)
        self.base_rate_ = float(target.mean())
        self.calibrator_ = SigmoidCalibrator().fit(points, target) if np.ptp(points) > 0 else None

    def _rate(self, table: pd.DataFrame) -> Floats:
        if self.calibrator_ is None:
            return np.full(len(table), self.base_rate_)
        return self.calibrator_.predict_proba(self.points(table))[:, 1]

    def points(self, X: pd.DataFrame) -> Floats:
        """The points of each lead, shape (n,)."""
        actions: dict[tuple[str, str], Mask] = {}
        for feature in self.features:
            if feature.asks != "presence" or feature.family not in _EARNS:
                continue
            action = feature.family, feature.what
            done = X[feature.name].to_numpy(dtype=np.float64, na_value=np.nan) > 0
            actions[action] = actions[action] | done if action in actions else done
        points = np.zeros(len(X))
        for (family, _), done in actions.items():
            points += np.where(done, _EARNS[family], 0.0)
        return points

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags
