"""Scores after a change of a few columns: a scorer and encoded rows go in, raw scores for other values come out.

Only the trees that split on a changed column predict again, and only its own effects of the logistic part. For many
columns in turn the cost so grows with the number of splits, not of columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mqlml.model.scorer import LeadScorer
from mqlml.types import Floats, Ints

__all__ = ["PartialScores"]


class PartialScores:
    """Raw scores of some rows, as they are and with other values in a few columns.

    Parameters
    ----------
    scorer : LeadScorer, fitted
    matrix : ndarray of float64, shape (n, columns of ``scorer.get_feature_names_out()``)
        Encoded rows; copied.

    Attributes
    ----------
    matrix : ndarray of float64, the copy.
    raw : ndarray of float64, shape (n,), the scores as they are.
    place : dict of str to int, the column of each feature.
    """

    def __init__(self, scorer: LeadScorer, matrix: Floats) -> None:
        self.matrix = np.array(matrix, order="F")
        self.raw = scorer.predict_matrix(self.matrix)
        self.place = {str(name): at for at, name in enumerate(scorer.get_feature_names_out())}
        self._tree_weight, self._linear_weight = scorer.tree_weight, scorer.linear_weight
        self._linear = scorer.linear_
        self._trees = (
            [] if scorer.trees_ is None else [tree for step in scorer.trees_._predictors for tree in step]
        )
        self._maps = (
            None if scorer.trees_ is None else scorer.trees_._bin_mapper.make_known_categories_bitsets()
        )
        self._said = [self._ask(tree) for tree in self._trees]
        self._splits: dict[int, list[int]] = {}
        for number, tree in enumerate(self._trees):
            nodes = tree.nodes
            for column in np.unique(nodes["feature_idx"][nodes["is_leaf"] == 0]):
                self._splits.setdefault(int(column), []).append(number)

    def _ask(self, tree: Any) -> Floats:
        assert self._maps is not None
        values: Floats = tree.predict(self.matrix, *self._maps, 1)
        return values

    def change(self, columns: Mapping[str, Floats | float]) -> Floats:
        """Raw scores, shape (n,), if these columns of the matrix held these values."""
        raw = self.raw.copy()
        places = {self.place[name]: values for name, values in columns.items()}
        kept = {at: self.matrix[:, at].copy() for at in places}
        if self._linear is not None:
            raw -= self._linear_weight * self._linear.add_columns(self.matrix, places)
        try:
            for at, values in places.items():
                self.matrix[:, at] = values
            for number in sorted({number for at in places for number in self._splits.get(at, ())}):
                raw += self._tree_weight * (self._ask(self._trees[number]) - self._said[number])
            if self._linear is not None:
                raw += self._linear_weight * self._linear.add_columns(self.matrix, places)
        finally:
            for at, before in kept.items():
                self.matrix[:, at] = before
        return raw

    def shuffle(self, names: list[str], order: Ints) -> Floats:
        """Raw scores if these columns were shuffled, together, among the rows."""
        return self.change({name: self.matrix[order, self.place[name]] for name in names})
