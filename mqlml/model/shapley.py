"""Exact Shapley values of boosted trees: trees and a matrix go in, what each column adds to each row's sum comes out.

What a tree says of a row depends on the answers to its few yes/no questions only. So for each group of leaves that
ask ten questions or fewer together, the Shapley values for all patterns of answers are worked out beforehand; a row
then costs one comparison a question and one addition a column, about what its prediction costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from mqlml.compiled import compiled
from mqlml.types import Floats, Ints, Mask, Nodes

__all__ = ["TreeShapley"]

_MOST_QUESTIONS = 10
"""A table of all patterns of ten answers, 80 kB at most, still lies in a processor's second cache."""

_ROWS = 2048
"""Rows at a time, so that the columns of one tree, and the sums for them, stay in the cache."""


class _Questions(NamedTuple):
    """What some inner nodes ask: does ``feature`` hold at most ``threshold``, or nothing where that goes left?"""

    feature: Ints
    threshold: Floats
    missing_left: Mask


class _Table(NamedTuple):
    """What each of ``players`` adds for every pattern of answers (bit ``q`` set: left of question ``q``).

    ``leaf`` is the value of the leaf that a row with that pattern ends in, 0 if it is none of the table's.
    """

    questions: _Questions
    players: Ints
    values: Floats
    leaf: Floats


class _Leaf(NamedTuple):
    """A leaf and the way to it: its questions (inner nodes) from the root on, and which of them it is left of."""

    value: float
    questions: tuple[int, ...]
    left: tuple[bool, ...]


class _Way(NamedTuple):
    """The way to one leaf: what it asks, and the terms of the leaf's integral at each of its points.

    Attributes
    ----------
    left : for each question, whether the way goes left of it.
    player : for each question, the place of its column among ``players``.
    factors, terms : float64, shape (points, players, 2); for a row that follows all splits of the player, and for
        one that does not.
    leaf : the value of the leaf.
    """

    questions: _Questions
    left: Mask
    player: Ints
    players: Ints
    factors: Floats
    terms: Floats
    leaf: float


class TreeShapley:
    """Shapley values of the log-odds of a `HistGradientBoostingClassifier` of two classes and no categories.

    The game is TreeSHAP's with ``feature_perturbation="tree_path_dependent"``: where a column is not in the
    coalition, a row goes both ways at its splits, in the proportion of the training rows that did.

    For one leaf, what a coalition is worth is a product over the columns on the way to it: 1 or 0 for a column in the
    coalition (whether the row follows all its splits), the share of training rows that follow for one outside. The
    Shapley value of such a game is the integral over [0, 1] of a polynomial, which a few points of Gauss and Legendre
    give exactly, and with positive weights, so that nothing cancels.

    Parameters
    ----------
    trees : HistGradientBoostingClassifier, fitted
    weight : float
        What the log-odds are multiplied by.
    places : array of int, one for each of the trees' columns, optional
        Where each column stands among ``width`` columns of a wider result; the others get 0.
    width : int, optional

    Attributes
    ----------
    expected : float
        The mean of the weighted log-odds over the training rows, as the nodes count them.

    References
    ----------
    S. M. Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature
    Machine Intelligence 2, 2020: the game. G. Owen, "Multilinear extensions of games", Management Science 18, 1972:
    the integral. A. Nadel and R. Wettenstein, "From decision trees to Boolean logic: a fast and unified SHAP
    algorithm", 2025: one table of answers for all rows.
    """

    def __init__(
        self,
        trees: HistGradientBoostingClassifier,
        *,
        weight: float = 1.0,
        places: Sequence[int] | None = None,
        width: int | None = None,
    ) -> None:
        grown = [predictor.nodes for (predictor,) in trees._predictors]
        self._baseline = float(trees._baseline_prediction[0, 0])
        self.expected = weight * (self._baseline + sum(map(_mean, grown)))
        self._width = trees.n_features_in_ if width is None else width
        place = np.arange(trees.n_features_in_) if places is None else np.array(places, dtype=np.int64)
        self._parts: list[_Table | _Way] = []
        for nodes in grown:
            for leaves in _groups(nodes):
                questions = sorted({question for leaf in leaves for question in leaf.questions})
                if len(questions) <= _MOST_QUESTIONS:
                    table = _make_table(nodes, leaves, questions)
                    self._parts.append(
                        table._replace(players=place[table.players], values=weight * table.values)
                    )
                else:
                    for way in (_make_way(nodes, leaf) for leaf in leaves):
                        self._parts.append(way._replace(players=place[way.players], terms=weight * way.terms))

    def values(self, matrix: Floats) -> Floats:
        """What each column adds to ``expected``; with it, each row sums to the trees' weighted log-odds.

        Parameters
        ----------
        matrix : ndarray of float64, shape (n, columns), Fortran order for speed; NaN is missing.

        Returns
        -------
        ndarray of float64, shape (n, width), Fortran order.
        """
        return self.predict_and_explain(matrix)[1]

    def predict_and_explain(self, matrix: Floats) -> tuple[Floats, Floats]:
        """The log-odds without the weight, to the bit those of the trees' ``decision_function``, and `values`.

        The answers that choose from the tables also tell the leaf, so a prediction of its own would ask all again.
        """
        columns = np.ascontiguousarray(matrix.T)
        log_odds, out = np.full(len(matrix), self._baseline), np.zeros((self._width, len(matrix)))
        for low in range(0, len(matrix), _ROWS):
            rows = low, min(low + _ROWS, len(matrix))
            for part in self._parts:
                if isinstance(part, _Table):
                    _add_table(columns, rows, *part.questions, *part[1:], log_odds, out)
                    continue
                inside = np.ones((len(part.players), rows[1] - low), np.bool_)
                _follow(columns, rows, *part.questions, part.left, part.player, inside)
                _add_way(rows, inside, part.players, part.factors, part.terms, out)
                log_odds[slice(*rows)] += np.where(inside.all(axis=0), part.leaf, 0.0)
        return log_odds, out.T


def _mean(nodes: Nodes) -> float:
    leaves = nodes[nodes["is_leaf"] == 1]
    return float(leaves["value"] @ (leaves["count"] / nodes["count"][0]))


def _leaves(nodes: Nodes) -> Iterator[_Leaf]:
    """The leaves from left to right."""
    waiting: list[tuple[int, tuple[int, ...], tuple[bool, ...]]] = [(0, (), ())]
    while waiting:
        at, questions, left = waiting.pop()
        node = nodes[at]
        if node["is_leaf"]:
            yield _Leaf(float(node["value"]), questions, left)
        else:
            waiting.append((int(node["right"]), (*questions, at), (*left, False)))
            waiting.append((int(node["left"]), (*questions, at), (*left, True)))


def _groups(nodes: Nodes) -> Iterator[list[_Leaf]]:
    """Neighbouring leaves that ask few enough questions together; a leaf that asks too many stays alone."""
    group: list[_Leaf] = []
    asked: set[int] = set()
    for leaf in _leaves(nodes):
        if group and len(asked | set(leaf.questions)) > _MOST_QUESTIONS:
            yield group
            group, asked = [], set()
        group.append(leaf)
        asked |= set(leaf.questions)
    yield group


def _ask(nodes: Nodes, questions: Sequence[int]) -> _Questions:
    asked = nodes[list(questions)]
    return _Questions(
        asked["feature_idx"].astype(np.int64),
        asked["num_threshold"].astype(np.float64),
        asked["missing_go_to_left"] == 1,
    )


def _make_table(nodes: Nodes, leaves: list[_Leaf], questions: list[int]) -> _Table:
    asked = _ask(nodes, questions)
    patterns = np.arange(1 << len(questions))
    goes_left = (patterns >> np.arange(len(questions))[:, None]) & 1 == 1
    columns = np.unique(asked.feature)
    table, value = np.zeros((len(columns), len(patterns))), np.zeros(len(patterns))
    for leaf in leaves:
        if not leaf.questions:  # a tree without a split
            value[:] = leaf.value
            continue
        way = _make_way(nodes, leaf)
        inside = np.ones((len(way.players), len(patterns)), np.bool_)
        follows = goes_left[np.searchsorted(questions, leaf.questions)] == way.left[:, None]
        np.logical_and.at(inside, way.player, follows)
        value[inside.all(axis=0)] = leaf.value
        for factors, terms in zip(way.factors, way.terms, strict=True):
            product = np.where(inside, factors[:, :1], factors[:, 1:]).prod(axis=0)
            table[np.searchsorted(columns, way.players)] += product * np.where(
                inside, terms[:, :1], terms[:, 1:]
            )
    return _Table(asked, columns, table, value)


def _make_way(nodes: Nodes, leaf: _Leaf) -> _Way:
    asked = _ask(nodes, leaf.questions)
    way = nodes[list(leaf.questions)]
    next_node = np.where(leaf.left, way["left"], way["right"])
    players, player = np.unique(asked.feature, return_inverse=True)
    share = np.ones(len(players))
    np.multiply.at(share, player, nodes["count"][next_node] / way["count"])
    # m points integrate a polynomial of degree 2m − 1 exactly; the product without one player has degree players − 1.
    points, weights = _gauss((len(players) + 1) // 2)
    point, weight = (points[:, None] + 1) / 2, weights[:, None] / 2
    factors = np.stack([point + (1 - point) * share, (1 - point) * share], axis=2)
    terms = leaf.value * weight[:, :, None] * np.stack([1 - share, -share], axis=1) / factors
    return _Way(asked, np.array(leaf.left, np.bool_), player, players, factors, terms, leaf.value)


@cache
def _gauss(number: int) -> tuple[Floats, Floats]:
    points, weights = np.polynomial.legendre.leggauss(number)
    return points, weights


# Plain arrays only: what is compiled is kept on disk by the types of its arguments, and a class of ours that a later
# version renames could not be read back.
@compiled
def _add_table(
    columns: Floats,
    rows: tuple[int, int],
    feature: Ints,
    threshold: Floats,
    missing_left: Mask,
    players: Ints,
    values: Floats,
    leaf: Floats,
    log_odds: Floats,
    out: Floats,
) -> None:
    """Add to ``rows`` (first, past the last) of ``out``, shape (columns, n), and of ``log_odds`` what the table holds
    for them."""
    low, high = rows
    n = high - low
    pattern = np.zeros(n, np.int64)
    bit = 1
    for question in range(len(feature)):
        held, limit = columns[feature[question], low:high], threshold[question]
        if missing_left[question]:
            for row in range(n):
                pattern[row] |= 0 if held[row] > limit else bit
        else:
            for row in range(n):
                pattern[row] |= bit if held[row] <= limit else 0
        bit *= 2
    for at in range(len(players)):
        total, found = out[players[at], low:high], values[at]
        for row in range(n):
            total[row] += found[pattern[row]]
    for row in range(n):
        log_odds[low + row] += leaf[pattern[row]]


@compiled
def _follow(
    columns: Floats,
    rows: tuple[int, int],
    feature: Ints,
    threshold: Floats,
    missing_left: Mask,
    left: Mask,
    player: Ints,
    inside: Mask,
) -> None:
    """Leave ``inside``, shape (players, rows), true where a row follows all splits of a player on the way."""
    low, high = rows
    for question in range(len(feature)):
        held, limit = columns[feature[question], low:high], threshold[question]
        follows = inside[player[question]]
        for row in range(high - low):
            goes_left = held[row] <= limit or (missing_left[question] and np.isnan(held[row]))
            follows[row] &= goes_left == left[question]


@compiled
def _add_way(
    rows: tuple[int, int],
    inside: Mask,
    players: Ints,
    factors: Floats,
    terms: Floats,
    out: Floats,
) -> None:
    """Add to these rows of ``out``, shape (columns, n), what one leaf adds: the sum over its points."""
    low, high = rows
    n = high - low
    product = np.empty(n)
    for point in range(len(factors)):
        product[:] = 1.0
        for at in range(len(players)):
            follows, yes, no = inside[at], factors[point, at, 0], factors[point, at, 1]
            for row in range(n):
                product[row] *= yes if follows[row] else no
        for at in range(len(players)):
            total, follows = out[players[at], low:high], inside[at]
            yes, no = terms[point, at, 0], terms[point, at, 1]
            for row in range(n):
                total[row] += product[row] * (yes if follows[row] else no)
