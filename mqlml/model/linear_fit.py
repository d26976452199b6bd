"""Learning the linear part: encoder's matrix and outcomes go in, the weights of least penalised loss come out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from mqlml.model.encode import TableEncoder
from mqlml.model.inputs import limit_threads
from mqlml.model.linear import (
    MOST_PAIRS,
    ColumnEffect,
    LinearPart,
    NumberEffect,
    PairEffect,
    WordEffect,
    compress,
    find_pair,
    place_words,
)
from mqlml.types import Floats, Ints, Rows

__all__ = ["draw_rows", "fit_linear", "take_rows"]

_MOST_ROWS = 100_000
"""Some hundred weights do not get better from more rows than these, drawn at random where there are more."""

_ROWS_AT_ONCE = 8_192
_MOST_STEPS = 100

_NEAR = 1e-3
"""Once a step gains no larger share of the loss than this, the minimum is near."""

_ROWS_AFAR, _STEPS_A_CURVATURE = 16_384, 4
_TAIL = 0.005


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

    def expand(self, values: Floats) -> list[npt.NDArray[Any]]:
        missing = np.isnan(values)
        present = (np.clip(compress(values), self.low, self.high) - self.centre) / self.spread
        return [np.where(missing, 0.0, present), *([missing] if self.has_missing else [])]

    def effect(self, weights: Floats, offset: float) -> ColumnEffect:
        missing = float(weights[1]) if self.has_missing else 0.0
        return NumberEffect(
            self.low, self.high, self.centre, float(weights[0]) / self.spread, missing, offset
        )


@dataclass(frozen=True)
class _Words:
    """How a category's codes become columns of the design: one for each code, one for missing."""

    width: int

    def expand(self, values: Floats) -> list[npt.NDArray[Any]]:
        codes = place_words(values, self.width)
        return [codes == code for code in range(self.width)]

    def effect(self, weights: Floats, offset: float) -> WordEffect:
        return WordEffect(tuple(weights[:-1].tolist()), float(weights[-1]), offset)


@dataclass(frozen=True)
class _Pair:
    """How two columns of words become columns of the design: one for each cell with rows enough."""

    first: int
    second: int
    shape: tuple[int, int]
    cells: Rows

    @property
    def width(self) -> int:
        return len(self.cells)

    def effect(self, weights: Floats) -> Floats:
        cells = np.zeros(self.shape)
        cells.flat[self.cells] = weights
        return cells


def fit_linear(
    encoder: TableEncoder,
    matrix: Floats,
    target: npt.ArrayLike,
    *,
    sample_weight: Floats | None = None,
    spread: float,
) -> LinearPart:
    """Learn the weights of least penalised log loss.

    Numbers come in standard units, words and "is missing" as 0 or 1, so a rare category is shrunk more. The ridge is
    a belief about the answer, which needs no change with the number of columns: before any data, log-odds have the
    standard deviation ``spread`` between leads. Pairs that `find_pair` finds in what is left over are learned, too.

    Parameters
    ----------
    encoder : TableEncoder, fitted
    matrix : ndarray of float64, shape (n, columns)
        What the encoder made of the training table.
    target : array of shape (n,), 0 or 1, both present
    sample_weight : ndarray of shape (n,), optional
    spread : float, above 0
    """
    weight = np.ones(len(matrix)) if sample_weight is None else sample_weight
    y = np.asarray(target, dtype=np.float64)
    used = weight > 0
    if not used.all():
        matrix, y, weight = matrix[used], y[used], weight[used]
    columns = [
        _Words(len(encoder.levels_[name]) + 2) if name in encoder.levels_ else _measure(values, weight)
        for name, values in zip(encoder.matrix_names_, matrix.T, strict=True)
    ]
    words = {
        place: (place_words(matrix[:, place], column.width), column.width)
        for place, column in enumerate(columns)
        if isinstance(column, _Words)
    }
    # Sums over rows that BLAS shares out among threads end in other last digits.
    with limit_threads(1):
        design = _expand(columns, matrix)
        ridge = len(columns) / spread**2
        parameters = _minimise(design, y, weight, ridge=ridge)
        pairs: list[_Pair] = []
        while len(pairs) < MOST_PAIRS:
            chance = expit(design @ parameters)
            found = find_pair(
                words,
                y - chance,
                chance * (1 - chance),
                weight,
                min_count=encoder.min_count,
                found=[(pair.first, pair.second) for pair in pairs],
            )
            if found is None:
                break
            pair, cell = _pair(*found, words, weight, encoder.min_count)
            pairs.insert(0, pair)
            design = _put_before(cell, pair, design)
            start = np.append(np.zeros(pair.width), parameters)
            ridge = (len(columns) + len(pairs)) / spread**2
            parameters = _minimise(design, y, weight, ridge=ridge, start=start)
    of_pairs, taken = [], 0
    for pair in pairs:
        of_pairs.append(pair.effect(parameters[taken : taken + pair.width]))
        taken += pair.width
    single, shares = [], []
    means = weight @ design / weight.sum()
    for column in columns:
        place = slice(taken, taken + column.width)
        single.append(column.effect(parameters[place], 0.0))
        # A word's effect may still get some of a pair's; a number's is what it is.
        shares.append(means[place] if isinstance(column, _Words) else float(means[place] @ parameters[place]))
        taken += column.width
    return _centre(encoder, matrix, weight, float(parameters[-1]), single, shares, pairs, of_pairs)


def draw_rows(n: int, random_state: int) -> Rows | None:
    """The rows to learn from, in their order: 100,000 are enough; None where there are no more."""
    if n <= _MOST_ROWS:
        return None
    rng = np.random.default_rng(random_state)
    return np.sort(rng.choice(n, _MOST_ROWS, replace=False))


def take_rows(matrix: Floats, rows: Rows) -> Floats:
    """Some rows of a matrix, in Fortran order: it is read one column at a time."""
    return np.take(matrix.T, rows, axis=1).T


def _pair(
    first: int, second: int, words: dict[int, tuple[Ints, int]], weight: Floats, min_count: float
) -> tuple[_Pair, Ints]:
    """A pair of columns, and the cell of each row."""
    (one, n_first), (other, n_second) = words[first], words[second]
    cell = one * n_second + other
    held = np.bincount(cell, weights=weight, minlength=n_first * n_second)
    return _Pair(first, second, (n_first, n_second), np.flatnonzero(held >= min_count)), cell


def _centre(
    encoder: TableEncoder,
    matrix: Floats,
    weight: Floats,
    base: float,
    single: list[ColumnEffect],
    shares: list[Floats | float],
    pairs: list[_Pair],
    of_pairs: list[Floats],
) -> LinearPart:
    """The same log-odds, with every effect averaging 0 over the training rows.

    What a pair gives each of its categories on average, over the other column's words as often as they come, is that
    word's own effect and is moved there. ``shares`` are those of the words of a column, and of a number its mean
    effect.
    """
    effects = []
    for pair, cells in zip(pairs, of_pairs, strict=True):
        for place, other, axis in ((pair.first, pair.second, 1), (pair.second, pair.first, 0)):
            width = cells.shape[axis]
            share = np.bincount(place_words(matrix[:, other], width), weights=weight, minlength=width)
            mean = np.average(cells, axis=axis, weights=share)
            cells -= np.expand_dims(mean, axis)
            effect = single[place]
            assert isinstance(effect, WordEffect)
            own = np.array([*effect.words, effect.missing]) + mean
            single[place] = WordEffect(tuple(own[:-1].tolist()), float(own[-1]), 0.0)
        added = PairEffect(pair.first, pair.second, tuple(map(tuple, cells.tolist()))).add(matrix)
        offset = float(np.average(added, weights=weight))
        effects.append(PairEffect(pair.first, pair.second, tuple(map(tuple, (cells - offset).tolist()))))
        base += offset
    centred = []
    for effect, known in zip(single, shares, strict=True):
        if isinstance(effect, WordEffect):
            known = np.dot(known, [*effect.words, effect.missing])
        offset = float(known)
        centred.append(replace(effect, offset=offset))
        base += offset
    return LinearPart(encoder, base, tuple(centred), tuple(effects))


def _measure(values: Floats, weight: Floats) -> _Number:
    """Range, mean and standard deviation of a number, its outermost values left out where the others differ."""
    present = ~np.isnan(values)
    if not present.any():
        return _Number(0.0, 0.0, 0.0, 1.0, True)
    compressed, share = compress(values[present]), weight[present]
    if (share == share[0]).all():
        ranked, passed = np.sort(compressed), share[0] * np.arange(1.0, len(share) + 1)
    else:
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


def _expand(columns: list[_Number | _Words], matrix: Floats) -> Floats:
    """The design, with a last column of ones for the intercept."""
    width = sum(column.width for column in columns) + 1
    design = np.ones((len(matrix), width), order="F")  # it is filled column by column
    place = 0
    for column, values in zip(columns, matrix.T, strict=True):
        for part in column.expand(values):
            design[:, place] = part
            place += 1
    return design


def _put_before(cell: Ints, pair: _Pair, design: Floats) -> Floats:
    """The design with the columns of a pair before the others, in Fortran order as it was."""
    longer = np.empty((len(design), pair.width + design.shape[1]), order="F")
    for place, number in enumerate(pair.cells):
        longer[:, place] = cell == number
    longer[:, pair.width :] = design
    return longer


def _minimise(
    design: Floats, y: Floats, weight: Floats, *, ridge: float, start: Floats | None = None
) -> Floats:
    """The weights and, last, the intercept, by Newton's method with backtracking; the intercept carries no ridge.

    The loss is strictly convex in the weights, so this ends at its one minimum from anywhere. Any curvature near the
    true one leads there: far from the minimum that of some of the rows does, and near it one is used again and again.
    """
    width = design.shape[1]
    penalty = np.append(np.full(width - 1, ridge), 0.0)
    share = float(np.average(y, weights=weight))
    parameters = np.append(np.zeros(width - 1), math.log(share / (1 - share))) if start is None else start

    def loss(log_odds: Floats, parameters: Floats) -> float:
        return float(weight @ (np.logaddexp(0.0, log_odds) - y * log_odds) + 0.5 * penalty @ parameters**2)

    log_odds = design @ parameters
    current = loss(log_odds, parameters)
    near, taken, factor = False, 0, None
    for _ in range(_MOST_STEPS):
        probability = expit(log_odds)
        gradient = design.T @ (weight * (probability - y)) + penalty * parameters
        if factor is None or not near or taken == _STEPS_A_CURVATURE:
            bend, taken = weight * probability * (1 - probability), 0
            factor = cho_factor(_curvature(design, bend, penalty, most=None if near else _ROWS_AFAR))
        step = cho_solve(factor, gradient)
        along = design @ step
        length, taken = 1.0, taken + 1
        while (proposed := loss(log_odds - length * along, parameters - length * step)) > current:
            length /= 2
            if length < 1e-10:
                break
        parameters, log_odds = parameters - length * step, log_odds - length * along
        gained, current = current - proposed, proposed
        if near and gained <= 1e-12 * abs(current):
            break
        if not near and gained <= _NEAR * abs(current):
            near, factor = True, None
    return parameters


def _curvature(design: Floats, bend: Floats, penalty: Floats, *, most: int | None) -> Floats:
    """The second derivative of the penalised loss, or its guess from about ``most`` rows, evenly spread."""
    stride = 1 if most is None else max(1, len(design) // most)
    root = np.sqrt(stride * bend[::stride])
    curvature = np.diag(penalty)
    for low in range(0, len(root), _ROWS_AT_ONCE):  # so that no second design is held
        rows = slice(low, low + _ROWS_AT_ONCE)
        # Single precision is near enough, see `_minimise`, and takes half the time.
        part = np.multiply(design[::stride][rows], root[rows, None], dtype=np.float32, casting="same_kind")
        curvature += part.T @ part
    # The intercept's place stays above 0 where every probability is nearly 0 or 1.
    curvature[-1, -1] += 1e-12 * np.trace(curvature)
    return curvature
