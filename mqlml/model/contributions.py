"""Contributions of each column to each lead's log-odds, and scores for other values of a few columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mqlml.errors import ScorerError
from mqlml.features import FAMILIES, Family
from mqlml.model.calibration import SigmoidCalibrator
from mqlml.model.scorer import LeadScorer
from mqlml.model.shapley import TreeShapley
from mqlml.types import Floats, Ints

__all__ = [
    "Contributions",
    "Contributor",
    "PartialScores",
    "add_up",
    "calibrate",
    "contribute",
    "contribute_in_parts",
    "family_points",
]


@dataclass(frozen=True)
class Contributions:
    """What each column adds to the log-odds of each row.

    Attributes
    ----------
    base : float
        Log-odds before anything is known of a lead: the mean over the training rows.
    added : ndarray of float64, shape (n, columns of the training table)
    names : tuple of str
        The columns.
    """

    base: float
    added: Floats
    names: tuple[str, ...]

    @property
    def total(self) -> Floats:
        """Log-odds of each row, shape (n,)."""
        total: Floats = self.base + self.added.sum(axis=1)
        return total


def contribute(scorer: LeadScorer, X: Any) -> Contributions:
    """What each column adds to the raw log-odds, ``scorer.decision_function(X)``.

    Parameters
    ----------
    scorer : LeadScorer, fitted
    X : DataFrame of shape (n, columns), or array
        As for ``decision_function``.

    Raises
    ------
    ScorerError
        If the columns are not those of the training.
    """
    parts = list(contribute_in_parts(scorer, X))
    return Contributions(parts[0].base, np.concatenate([part.added for part in parts]), parts[0].names)


def contribute_in_parts(scorer: LeadScorer, X: Any) -> Iterator[Contributions]:
    """`contribute` in parts of consecutive rows, for tables whose contributions would not fit into memory."""
    matrices = scorer.encode_in_parts(X)
    contributor = Contributor(scorer)
    for matrix in matrices:
        yield contributor.contribute(matrix)


class Contributor:
    """The contributions of one scorer, whose Shapley tables are built once for any number of matrices.

    Parameters
    ----------
    scorer : LeadScorer, fitted
    """

    def __init__(self, scorer: LeadScorer) -> None:
        self._scorer = scorer
        self._names = tuple(scorer.encoder_.feature_names_)
        place = {name: position for position, name in enumerate(self._names)}
        self._used = [place[name] for name in scorer.encoder_.matrix_names_]
        weight = scorer.tree_weight
        self._trees: TreeShapley | None = None
        self._base = (1.0 - weight - scorer.linear_weight) * scorer.prior_
        if scorer.trees_ is not None:
            width = len(self._names)
            self._trees = TreeShapley(scorer.trees_, weight=weight, places=self._used, width=width)
            self._base += self._trees.expected
        if scorer.linear_ is not None:
            self._base += scorer.linear_weight * scorer.linear_.base

    def contribute(self, matrix: Floats) -> Contributions:
        """The contributions to the raw log-odds of the rows of a matrix from ``scorer.encode_in_parts``."""
        return self.predict_and_contribute(matrix)[1]

    def predict_and_contribute(self, matrix: Floats) -> tuple[Floats, Contributions]:
        """The raw log-odds, as by ``scorer.predict_matrix`` to the bit, and the contributions to them."""
        scorer = self._scorer
        parts = np.full((len(matrix), 2), scorer.prior_, order="F")
        if self._trees is None:
            added = np.zeros((len(self._names), len(matrix)))
        else:
            parts[:, 0], values = self._trees.predict_and_explain(matrix)
            added = values.T
        if scorer.linear_ is not None:
            for position, values in scorer.linear_.share_and_predict(matrix, parts[:, 1]):
                added[self._used[position]] += scorer.linear_weight * values
        return scorer.blend(parts), Contributions(self._base, added.T, self._names)


def calibrate(contributions: Contributions, calibrator: SigmoidCalibrator) -> Contributions:
    """The contributions to the calibrated log-odds: scaled by the slope, the intercept added to the base.

    Base and contributions then sum to ``calibrator.decision_function(raw)``, whose sigmoid is the probability.
    """
    slope = calibrator.slope_
    return Contributions(
        slope * contributions.base + calibrator.intercept_,
        slope * contributions.added,
        contributions.names,
    )


def family_points(contributions: Contributions, families: Sequence[Family]) -> Floats:
    """What each family adds to the log-odds of each row: fit is profile, engagement channel and actions.

    Parameters
    ----------
    contributions : Contributions
    families : sequence of str
        The family of each column.

    Returns
    -------
    ndarray of float64, shape (n, 4), in the order of `FAMILIES`.

    Raises
    ------
    ScorerError
        If there is not one family for each column.
    """
    if len(families) != len(contributions.names) or not set(families) <= set(FAMILIES):
        raise ScorerError(
            f"each of the {len(contributions.names)} columns needs a family out of {', '.join(FAMILIES)}; "
            f"found {len(families)}: {sorted(set(families))!r}"
        )
    return add_up(contributions, [FAMILIES.index(family) for family in families], len(FAMILIES))


def add_up(contributions: Contributions, group: Sequence[int], number: int) -> Floats:
    """The contributions of each group of columns, shape (n, number); ``group`` holds each column's.

    One column after the other, so that a row's sums have the same last digits whatever rows stand beside it.
    """
    sums = np.zeros((number, len(contributions.added)))
    for own, added in zip(group, contributions.added.T, strict=True):
        sums[own] += added
    return sums.T


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
