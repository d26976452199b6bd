"""The linear part of the score: the encoder's matrix goes in, log-odds come out that are a sum over the columns.

A logistic regression with a ridge, and with the few strong two-way interactions of categories. It
can express less than trees, and so needs far fewer conversions. `linear_fit` learns it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import chi2

from mqlml.compiled import compiled
from mqlml.model.encode import TableEncoder
from mqlml.types import Floats, Ints

__all__ = [
    "MOST_PAIRS",
    "ColumnEffect",
    "LinearPart",
    "NumberEffect",
    "PairEffect",
    "WordEffect",
    "compress",
    "find_pair",
    "place_words",
]

MOST_PAIRS = 3
_MOST_WORDS = 30
"""Columns with more words are left out: their cells hold too few leads."""

_CHANCE = 1e-6
"""That any pair is found where no interaction exists. So small, since the statistic is inflated where accounts have
several rows: in a world of 50,000 leads with one true pair, that one had 1e-19, the next 2e-5."""


_ENOUGH_PAIRS, _INFLATED = 10, 3.0
"""Fewer pairs cannot tell how inflated they are: at least as if each lead had three snapshots."""


@dataclass(frozen=True)
class PairEffect:
    """What two words add to the log-odds beyond what each adds alone.

    Attributes
    ----------
    first, second : int
        Places of the two columns in the matrix.
    cells : tuple of tuples of float
        By the code of the first and that of the second column; the last of each is for missing.
    """

    first: int
    second: int
    cells: tuple[tuple[float, ...], ...]

    def add(self, matrix: Floats) -> Floats:
        """The effect in each row of the matrix, shape (n,)."""
        cells = np.array(self.cells)
        codes = (
            place_words(matrix[:, column], width)
            for column, width in zip((self.first, self.second), cells.shape, strict=True)
        )
        effect: Floats = cells[tuple(codes)]
        return effect


def place_words(values: Floats, width: int) -> Ints:
    """The place of each code among ``width`` of them; a missing one points at the last."""
    return np.where(np.isnan(values), width - 1, values).astype(np.int64)


def find_pair(
    words: Mapping[int, tuple[Ints, int]],
    left_over: Floats,
    bend: Floats,
    weight: Floats,
    *,
    min_count: float,
    found: Collection[tuple[int, int]] = (),
) -> tuple[int, int] | None:
    """The pair of columns whose categories together explain most of what a model leaves over, if beyond chance.

    Each pair's cells are tested by a score test: ``Σ (Σ weight · left_over)² / Σ weight · bend`` over the cells is
    chi-squared where nothing is left but noise. Snapshots of one lead are not independent, and a ridge leaves
    something of every column behind, both of which inflate all pairs alike: the statistic is divided by the median of
    its ratio to its degrees of freedom among the others (B. Devlin, K. Roeder, "Genomic control for association
    studies", Biometrics 55, 1999). Y. Lou and others, "Accurate intelligible models with pairwise interactions", KDD
    2013, add pairs to a sum one after the other in the same way.

    Parameters
    ----------
    words : for each column of words, by its place in the matrix, the rows' codes and how many there are.
    left_over : ndarray of shape (n,)
        Label minus predicted probability.
    bend : ndarray of shape (n,)
        ``p (1 − p)`` of the prediction.
    weight : ndarray of shape (n,)
    min_count : float
        Weight that a cell needs to be tested.
    found : pairs that the model has already.
    """
    tested = []
    few = {place: column for place, column in words.items() if column[1] <= _MOST_WORDS}
    for (first, (one, n_first)), (second, (other, n_second)) in itertools.combinations(few.items(), 2):
        cell, n_cells = one * n_second + other, n_first * n_second
        held, surplus, spread = (
            np.bincount(cell, weights=weight * values, minlength=n_cells)
            for values in (np.ones(len(cell)), left_over, bend)
        )
        used = np.flatnonzero(held >= min_count)
        freedom = len(used) - len(np.unique(used // n_second)) - len(np.unique(used % n_second)) + 1
        if freedom > 0:
            tested.append((float((surplus[used] ** 2 / spread[used]).sum()), freedom, first, second))
    ratios = np.array([statistic / freedom for statistic, freedom, *_ in tested])
    least = 1.0 if len(tested) >= _ENOUGH_PAIRS else _INFLATED
    chances = []
    for number, (statistic, freedom, first, second) in enumerate(tested):
        if (first, second) not in found:
            others = np.delete(ratios, number)
            inflated = max(least, float(np.median(others))) if len(others) else least
            chances.append((float(chi2.logsf(statistic / inflated, freedom)), first, second))
    best, first, second = min(chances, default=(0.0, 0, 0))
    return (first, second) if best + math.log(max(len(tested), 1)) < math.log(_CHANCE) else None


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

    def add(self, values: Floats) -> Floats:
        """The effect of each value of the matrix's column, shape (n,)."""
        effect = compress(values)
        _add_line(effect, self.low, self.high, self.centre, self.slope, self.missing, self.offset)
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

    def add(self, values: Floats) -> Floats:
        """The effect of each code of the matrix's column, shape (n,)."""
        effects = np.array([*self.words, self.missing])
        return effects[place_words(values, len(effects))] - self.offset

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
    pairs : tuple of PairEffect
        What pairs of columns add beyond that, mostly none.
    """

    encoder: TableEncoder = field(compare=False)
    base: float
    effects: tuple[ColumnEffect, ...]
    pairs: tuple[PairEffect, ...] = ()

    def predict_matrix(self, matrix: Floats) -> Floats:
        """Log-odds of rows that are encoded already, shape (n,)."""
        raw = np.full(len(matrix), self.base)
        raw += self.add_columns(matrix, range(len(self.effects)))
        return raw

    def add_columns(self, matrix: Floats, places: Collection[int]) -> Floats:
        """What these columns of the matrix add to the log-odds, alone and in their pairs, shape (n,)."""
        added = np.zeros(len(matrix))
        for place in places:
            added += self.effects[place].add(matrix[:, place])
        for pair in self.pairs:
            if pair.first in places or pair.second in places:
                added += pair.add(matrix)
        return added

    def share_out(self, matrix: Floats) -> Iterator[tuple[int, Floats]]:
        """What each column of the matrix adds to the log-odds: its place and an array of shape (n,), some twice.

        All of them and the base are the log-odds. Half of what a pair adds goes to each of its two columns: a pair
        averages nothing over the words of either column, so that is its Shapley value were they independent.
        """
        return self.share_and_predict(matrix, np.empty(len(matrix)))

    def share_and_predict(self, matrix: Floats, log_odds: Floats) -> Iterator[tuple[int, Floats]]:
        """As `share_out`; at its end ``log_odds`` holds what `predict_matrix` gives, to the bit."""
        total = np.zeros(len(matrix))
        for place, effect in enumerate(self.effects):
            values = effect.add(matrix[:, place])
            total += values
            yield place, values
        for pair in self.pairs:
            values = pair.add(matrix)
            total += values
            yield pair.first, 0.5 * values
            yield pair.second, 0.5 * values
        np.add(self.base, total, out=log_odds)

    def decision_function(self, X: pd.DataFrame) -> Floats:
        """Log-odds of a table with the columns of the training, shape (n,)."""
        return self.predict_matrix(self.encoder.transform(X))

    def contributions(self, X: pd.DataFrame) -> tuple[float, Floats]:
        """What each column of the table adds to the log-odds: ``base``, and an array of shape (n, table columns).

        Base and columns together are `decision_function`, but for rounding. A column that training could not use
        adds 0.
        """
        matrix = self.encoder.transform(X)
        place = {name: position for position, name in enumerate(self.encoder.feature_names_)}
        added = np.zeros((len(matrix), len(place)))
        for column, values in self.share_out(matrix):
            added[:, place[self.encoder.matrix_names_[column]]] += values
        return self.base, added

    @property
    def used_features(self) -> frozenset[str]:
        """The columns that can move the log-odds."""
        names = self.encoder.matrix_names_
        paired = {names[place] for pair in self.pairs for place in (pair.first, pair.second)}
        single = {name for name, effect in zip(names, self.effects, strict=True) if effect.moves}
        return frozenset(paired | single)


def compress(values: Floats) -> Floats:
    """``sign(x) · log(1 + |x|)``: most numbers are counts and days with long tails."""
    compressed: Floats = np.log1p(np.abs(values))
    return np.copysign(compressed, values, out=compressed)


@compiled
def _add_line(
    values: Floats, low: float, high: float, centre: float, slope: float, missing: float, offset: float
) -> None:
    """Turn each value, in place, into its effect; see `NumberEffect`."""
    for row in range(len(values)):
        value = values[row]
        present = slope * (min(max(value, low), high) - centre)
        values[row] = (missing if np.isnan(value) else present) - offset
