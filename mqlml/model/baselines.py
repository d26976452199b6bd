"""What a model must beat: the same tables go in as for `LeadScorer`, a probability from a simpler idea comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression

from mqlml.errors import PopulationError, ScorerError
from mqlml.features.catalogue import Feature
from mqlml.model.calibration import SigmoidCalibrator
from mqlml.model.encode import TableEncoder
from mqlml.model.threads import limit_threads

__all__ = [
    "BASELINES",
    "BaseRateBaseline",
    "Baseline",
    "LogisticBaseline",
    "PointsBaseline",
    "make_baselines",
]

FloatArray = npt.NDArray[np.float64]

BASELINES = ("base_rate", "points", "logistic")
"""The baselines' names, as ``train --json`` has them."""

_POINTS = 10.0
_EARNS = {"actions": _POINTS, "undesirables": -_POINTS}


class Baseline(Protocol):
    """A simpler idea of how likely a lead is to convert."""

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Learn from leads whose outcome is known."""
        ...

    def predict(self, X: pd.DataFrame) -> FloatArray:
        """Probability of conversion, shape (n,)."""
        ...


def make_baselines(features: Sequence[Feature]) -> dict[str, Baseline]:
    """One of each baseline, by name, ready to fit; ``features`` is the catalogue of the table's columns."""
    return {
        "base_rate": BaseRateBaseline(),
        "points": PointsBaseline(features),
        "logistic": LogisticBaseline(),
    }


def _check_target(y: npt.ArrayLike) -> FloatArray:
    target = np.asarray(y, dtype=np.float64)
    converted = int(target.sum())
    if not 0 < converted < len(target):
        raise PopulationError(
            f"y must hold leads that converted and leads that did not; {converted} of {len(target)} converted. "
            "Take a longer history, another outcome, or a longer horizon"
        )
    return target


class BaseRateBaseline:
    """Everyone has the share of leads that converted in training: all that was known, were there no features.

    Attributes
    ----------
    base_rate_ : float
    """

    base_rate_: float

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Learn the base rate; see `Baseline`."""
        target = _check_target(y)
        if len(target) != len(X):
            raise ScorerError(f"X and y must be of one length; found {len(X)} and {len(target)}")
        self.base_rate_ = float(target.mean())
        return self

    def predict(self, X: pd.DataFrame) -> FloatArray:
        """The base rate, once per row."""
        return np.full(len(X), self.base_rate_)


class LogisticBaseline:
    """Logistic regression, given a fair chance: one column per frequent word, counts on a log scale.

    Numbers are taken as ``sign(x) · log(1 + |x|)``, since most are counts and days with long tails, a missing one as
    the training's median beside a column that says so. All columns are standardised, and the ridge is scikit-learn's
    default, so the fit is the same on every run.
    """

    _medians: FloatArray
    _has_missing: npt.NDArray[np.bool_]

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Learn the weights; see `Baseline`."""
        target = _check_target(y)
        self._encoder = TableEncoder().fit(X)
        matrix = self._encoder.transform(X)
        self._medians = np.nanquantile(_compress(matrix), 0.5, axis=0)
        self._has_missing = np.logical_or.reduce(np.isnan(matrix), axis=0)
        columns = self._expand(matrix)
        self._mean = columns.mean(axis=0)
        spread = columns.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._regression = LogisticRegression(max_iter=2_000)
        # Sums over rows that BLAS shares out among threads end in other last digits.
        with limit_threads(1):
            self._regression.fit((columns - self._mean) / self._spread, target)
        return self

    def predict(self, X: pd.DataFrame) -> FloatArray:
        """Probability of conversion, shape (n,)."""
        columns = (self._expand(self._encoder.transform(X)) - self._mean) / self._spread
        with limit_threads(1):
            probability: FloatArray = self._regression.predict_proba(columns)[:, 1]
        return probability

    def _expand(self, matrix: FloatArray) -> FloatArray:
        columns: list[npt.NDArray[Any]] = []
        compressed = _compress(matrix)
        for position, name in enumerate(self._encoder.matrix_names_):
            levels = self._encoder.levels_.get(name)
            values = matrix[:, position]
            if levels is None:
                missing = np.isnan(values)
                columns.append(np.where(missing, self._medians[position], compressed[:, position]))
                if self._has_missing[position]:
                    columns.append(missing)
            else:
                # One per frequent word; the other words together are what is left when all of these are 0.
                columns += [values == code for code in range(len(levels))]
                if self._has_missing[position]:
                    columns.append(np.isnan(values))
        return np.column_stack(columns).astype(np.float64)


def _compress(values: FloatArray) -> FloatArray:
    compressed: FloatArray = np.sign(values) * np.log1p(np.abs(values))
    return compressed


class PointsBaseline:
    """The usual points rule: +10 for each kind of act the lead has done, −10 for each undesirable.

    It looks at what asks for presence in the families Actions and Undesirables, and gives the points for an act once,
    whatever the window or the number. How many points are worth which probability is learned with a sigmoid;
    the points are not. Where no column gives points, or all leads have the same, everyone has the base rate.

    Parameters
    ----------
    features : sequence of Feature
        The catalogue of the table's columns.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = features

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Learn what the points are worth; see `Baseline`."""
        target = _check_target(y)
        points = self.points(X)
        self._base_rate = float(target.mean())
        self._calibrator = SigmoidCalibrator().fit(points, target) if np.ptp(points) > 0 else None
        return self

    def predict(self, X: pd.DataFrame) -> FloatArray:
        """Probability of conversion, shape (n,)."""
        if self._calibrator is None:
            return np.full(len(X), self._base_rate)
        return self._calibrator.predict(self.points(X))

    def points(self, X: pd.DataFrame) -> FloatArray:
        """The points of each lead, shape (n,)."""
        acts: dict[tuple[str, str], npt.NDArray[np.bool_]] = {}
        for feature in self.features:
            if feature.asks != "presence" or feature.family not in _EARNS:
                continue
            act = feature.family, feature.what
            done = X[feature.name].to_numpy(dtype=np.float64, na_value=np.nan) > 0
            acts[act] = acts[act] | done if act in acts else done
        points = np.zeros(len(X))
        for (family, _), done in acts.items():
            points += np.where(done, _EARNS[family], 0.0)
        return points
