"""The linear part of the score: the encoder's matrix goes in, log-odds come out that are a sum over the columns.

A logistic regression with a ridge, and with the few pairs of words that clearly say more together than their sum. It
says less than trees can, and so needs far fewer conversions to say it well. `linear_fit` learns it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mqlml.model.encode import TableEncoder
from mqlml.model.pairs import PairEffect, place_words
from mqlml.types import Floats

__all__ = ["ColumnEffect", "LinearPart", "NumberEffect", "WordEffect", "compress"]


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
        present = self.slope * (np.clip(compress(values), self.low, self.high) - self.centre)
        effect: Floats = np.where(np.isnan(values), self.missing, present) - self.offset
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
        for place, effect in enumerate(self.effects):
            yield place, effect.add(matrix[:, place])
        for pair in self.pairs:
            half = 0.5 * pair.add(matrix)
            yield pair.first, half
            yield pair.second, half

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
        alone = {name for name, effect in zip(names, self.effects, strict=True) if effect.moves}
        return frozenset(paired | alone)


def compress(values: Floats) -> Floats:
    """``sign(x) · log(1 + |x|)``: most numbers are counts and days with long tails."""
    compressed: Floats = np.sign(values) * np.log1p(np.abs(values))
    return compressed
