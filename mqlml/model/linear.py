"""The linear part of the score: the encoder's matrix goes in, log-odds come out that are a sum over the columns.

A logistic regression with a ridge. It says less than trees can, and so needs far fewer conversions to say it well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from mqlml.model.encode import TableEncoder
from mqlml.model.threads import limit_threads

__all__ = ["ColumnEffect", "LinearPart", "NumberEffect", "WordEffect", "fit_linear"]

FloatArray = npt.NDArray[np.float64]

# Some hundred weights do not get better from more rows than these, drawn at random where there are more.
_MOST_ROWS = 100_000
_ROWS_AT_ONCE = 8_192
_MOST_STEPS = 100
_TAIL = 0.005


@dataclass(frozen=True)
class NumberEffect:
    """What a number adds to the log-odds: ``slope · (z − centre) − offset``, or ``missing − offset``.

    ``z`` is the number on a logarithmic scale, ``sign(x) · log(1 + |x|)``, kept within ``low`` and ``high``: beyond
    what was common in training a line must not go on rising.
    """

    low: float
    high: float
    centre: float
    slope: float
    missing: float
    offset: float

    def add(self, values: FloatArray) -> FloatArray:
        """The effect of each value of the matrix's column, shape (n,)."""
        present = self.slope * (np.clip(compress(values), self.low, self.high) - self.centre)
        effect: FloatArray = np.where(np.isnan(values), self.missing, present) - self.offset
        return effect

    @property
    def moves(self) -> bool:
        """Whether any value gives another effect than any other."""
        return self.slope != 0 or self.missing != 0


@dataclass(frozen=True)
class WordEffect:
    """What a word adds to the log-odds, by its code: the last of ``words`` is for seldom and never-seen ones."""

    words: tuple[float, ...]
    missing: float
    offset: float

    def add(self, values: FloatArray) -> FloatArray:
        """The effect of each code of the matrix's column, shape (n,)."""
        # A missing code points at the last place.
        codes = np.where(np.isnan(values), len(self.words), values).astype(np.int64)
        return np.array([*self.words, self.missing])[codes] - self.offset

    @property
    def moves(self) -> bool:
        """Whether any word gives another effect than any other."""
        return self.missing != 0 or any(self.words)


ColumnEffect = NumberEffect | WordEffect


@dataclass(frozen=True)
class LinearPart:
    """A fitted logistic regression on a table, as `fit_linear` makes it.

    Attributes
    ----------
    encoder : TableEncoder, fitted
        Makes the matrix from a table.
    base : float
        Log-odds of the average training row: every column's effects average 0 over the training rows.
    effects : tuple
        One for each of the encoder's ``matrix_names_``.
    """

    encoder: TableEncoder = field(compare=False)
    base: float
    effects: tuple[ColumnEffect, ...]

    def predict_matrix(self, matrix: FloatArray) -> FloatArray:
        """Log-odds of rows that are encoded already, shape (n,)."""
        raw = np.full(len(matrix), self.base)
        for effect, values in zip(self.effects, matrix.T, strict=True):
            raw += effect.add(values)
        return raw

    def decision_function(self, X: pd.DataFrame) -> FloatArray:
        """Log-odds of a table with the columns of the training, shape (n,)."""
        return self.predict_matrix(self.encoder.transform(X))

    def contributions(self, X: pd.DataFrame) -> tuple[float, FloatArray]:
        """What each column of the table adds to the log-odds: ``base``, and an array of shape (n, table columns).

        Base and columns together are `decision_function`, but for rounding. A column that training could not use
        adds 0.
        """
        matrix = self.encoder.transform(X)
        place = {name: position for position, name in enumerate(self.encoder.feature_names_)}
        added = np.zeros((len(matrix), len(place)))
        for name, effect, values in zip(self.encoder.matrix_names_, self.effects, matrix.T, strict=True):
            added[:, place[name]] = effect.add(values)
        return self.base, added

    @property
    def used_features(self) -> frozenset[str]:
        """The columns that can move the log-odds."""
        names = zip(self.encoder.matrix_names_, self.effects, strict=True)
        return frozenset(name for name, effect in names if effect.moves)


def compress(values: FloatArray) -> FloatArray:
    """``sign(x) · log(1 + |x|)``: most numbers are counts and days with long tails."""
    compressed: FloatArray = np.sign(values) * np.log1p(np.abs(values))
    return compressed


@dataclass(frozen=True)
class _Number:
    """How a number's column becomes columns of the design: in standard units, and whether it is missing."""

    low: float
    high: float
    centre: float
    spread: float
    has_missing: bool

    @property
    def width(self) -> int:
        return 1 + self.has_missing

    def expand(self, values: FloatArray) -> list[npt.NDArray[Any]]:
        missing = np.isnan(values)
        present = (np.clip(compress(values), self.low, self.high) - self.centre) / self.spread
        return [np.where(missing, 0.0, present), *([missing] if self.has_missing else [])]

    def effect(self, weights: FloatArray, offset: float) -> ColumnEffect:
        missing = float(weights[1]) if self.has_missing else 0.0
        return NumberEffect(
            self.low, self.high, self.centre, float(weights[0]) / self.spread, missing, offset
        )


@dataclass(frozen=True)
class _Words:
    """How a category's codes become columns of the design: one for each code, one for missing."""

    width: int

    def expand(self, values: FloatArray) -> list[npt.NDArray[Any]]:
        codes = np.where(np.isnan(values), self.width - 1, values)
        return [codes == code for code in range(self.width)]

    def effect(self, weights: FloatArray, offset: float) -> ColumnEffect:
        return WordEffect(tuple(weights[:-1].tolist()), float(weights[-1]), offset)


def fit_linear(
    encoder: TableEncoder,
    matrix: FloatArray,
    target: npt.ArrayLike,
    *,
    sample_weight: FloatArray | None = None,
    spread: float,
    random_state: int,
) -> LinearPart:
    """Learn the weights of least penalised log loss.

    Numbers come in standard units, words and "is missing" as 0 or 1; so a word that is seldom is also held back
    more. The ridge is stated as a belief about the answer, so that it needs no change with the number of columns:
    before any data, log-odds have the standard deviation ``spread`` between leads.

    Parameters
    ----------
    encoder : TableEncoder, fitted
    matrix : ndarray of float64, shape (n, columns)
        What the encoder made of the training table.
    target : array of shape (n,), 0 or 1, both present
    sample_weight : ndarray of shape (n,), optional
    spread : float, above 0
    random_state : int
        Which rows are drawn, where there are more than 100,000.
    """
    weight = np.ones(len(matrix)) if sample_weight is None else sample_weight
    y = np.asarray(target, dtype=np.float64)
    if len(matrix) > _MOST_ROWS:
        rng = np.random.default_rng(random_state)
        rows = np.sort(rng.choice(len(matrix), _MOST_ROWS, replace=False))
        matrix, y, weight = matrix[rows], y[rows], weight[rows]
    used = weight > 0
    matrix, y, weight = matrix[used], y[used], weight[used]
    columns = [
        _Words(len(encoder.levels_[name]) + 2) if name in encoder.levels_ else _measure(values, weight)
        for name, values in zip(encoder.matrix_names_, matrix.T, strict=True)
    ]
    # Sums over rows that BLAS shares out among threads end in other last digits.
    with limit_threads(1):
        design = _expand(columns, matrix)
        intercept, weights = _minimise(design, y, weight, ridge=len(columns) / spread**2)
    effects = []
    start, base = 0, intercept
    for column, values in zip(columns, matrix.T, strict=True):
        own = weights[start : start + column.width]
        start += column.width
        offset = float(np.average(column.effect(own, 0.0).add(values), weights=weight))
        effects.append(column.effect(own, offset))
        base += offset
    return LinearPart(encoder, base, tuple(effects))


def _measure(values: FloatArray, weight: FloatArray) -> _Number:
    """Range, mean and standard deviation of a number, its outermost values left out where the others differ."""
    present = ~np.isnan(values)
    if not present.any():
        return _Number(0.0, 0.0, 0.0, 1.0, True)
    compressed, share = compress(values[present]), weight[present]
    order = np.argsort(compressed, kind="stable")
    ranked, passed = compressed[order], np.cumsum(share[order])
    # The tail is counted from both ends, so that a weight of 2 says the same as a row that is there twice.
    low = float(ranked[np.searchsorted(passed, _TAIL * passed[-1])])
    high = float(ranked[np.searchsorted(passed, (1 - _TAIL) * passed[-1])])
    if low == high:
        low, high = float(ranked[0]), float(ranked[-1])
    kept = np.clip(compressed, low, high)
    centre = float(np.average(kept, weights=share))
    deviation = math.sqrt(float(np.average((kept - centre) ** 2, weights=share)))
    return _Number(low, high, centre, deviation if deviation > 0 else 1.0, not present.all())


def _expand(columns: list[_Number | _Words], matrix: FloatArray) -> FloatArray:
    """The design, with a last column of ones for the intercept."""
    width = sum(column.width for column in columns) + 1
    design = np.ones((len(matrix), width))
    place = 0
    for column, values in zip(columns, matrix.T, strict=True):
        for part in column.expand(values):
            design[:, place] = part
            place += 1
    return design


def _minimise(
    design: FloatArray, y: FloatArray, weight: FloatArray, *, ridge: float
) -> tuple[float, FloatArray]:
    """Intercept and weights, by Newton's method with backtracking; the intercept carries no ridge.

    The loss is strictly convex in the weights, so this ends at its one minimum from anywhere.
    """
    width = design.shape[1]
    penalty = np.append(np.full(width - 1, ridge), 0.0)
    share = float(np.average(y, weights=weight))
    parameters = np.append(np.zeros(width - 1), math.log(share / (1 - share)))

    def loss(parameters: FloatArray) -> float:
        log_odds = design @ parameters
        fit = weight @ (np.logaddexp(0.0, log_odds) - y * log_odds)
        return float(fit + 0.5 * penalty @ parameters**2)

    current = loss(parameters)
    for _ in range(_MOST_STEPS):
        probability = expit(design @ parameters)
        gradient = design.T @ (weight * (probability - y)) + penalty * parameters
        curvature = np.diag(penalty)
        bend = weight * probability * (1 - probability)
        for low in range(0, len(design), _ROWS_AT_ONCE):  # so that no second design is held
            rows = slice(low, low + _ROWS_AT_ONCE)
            curvature += (design[rows].T * bend[rows]) @ design[rows]
        # The intercept's place stays above 0 where every probability is nearly 0 or 1.
        curvature[-1, -1] += 1e-12 * np.trace(curvature)
        step = np.linalg.solve(curvature, gradient)
        length = 1.0
        while (proposed := loss(parameters - length * step)) > current and length > 1e-10:
            length /= 2
        parameters = parameters - length * step
        if current - proposed <= 1e-12 * abs(current):
            break
        current = proposed
    return float(parameters[-1]), parameters[:-1]
