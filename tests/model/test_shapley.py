"""Shapley values of trees against the sum over all coalitions, the shap package, and the trees' own predictions."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from mqlml.model import shapley
from mqlml.model.shapley import TreeShapley
from mqlml.types import Floats, Nodes


def make_matrix(n: int, columns: int, seed: int, *, missing: float = 0.15) -> Floats:
    """Numbers, counts and missing values, in Fortran order as the encoder makes them."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, columns))
    matrix[:, ::2] = rng.poisson(1.5, size=matrix[:, ::2].shape)
    matrix[rng.random(matrix.shape) < missing] = np.nan
    return np.asfortranarray(matrix)


def grow(matrix: Floats, seed: int, **settings: Any) -> HistGradientBoostingClassifier:
    rng = np.random.default_rng(seed)
    held = np.nan_to_num(matrix, nan=0.7)
    log_odds = held @ rng.normal(size=held.shape[1]) + 2 * held[:, 0] * held[:, -1]
    label = rng.random(len(held)) < 1 / (1 + np.exp(-log_odds + np.median(log_odds)))
    defaults = {"max_iter": 4, "min_samples_leaf": 5, "early_stopping": False}
    return HistGradientBoostingClassifier(**{**defaults, **settings}).fit(matrix, label)


def worth(nodes: Nodes, row: Floats, coalition: frozenset[int], at: int = 0) -> float:
    """The mean of a tree over the rows that could be meant, when only the coalition's columns are known."""
    node = nodes[at]
    if node["is_leaf"]:
        return float(node["value"])
    if node["feature_idx"] in coalition:
        held = row[node["feature_idx"]]
        left = node["missing_go_to_left"] if np.isnan(held) else held <= node["num_threshold"]
        return worth(nodes, row, coalition, node["left"] if left else node["right"])
    return sum(
        float(nodes[node[side]]["count"] / node["count"]) * worth(nodes, row, coalition, node[side])
        for side in ("left", "right")
    )


def by_coalitions(trees: HistGradientBoostingClassifier, row: Floats) -> Floats:
    """The definition: the mean gain of joining, over all orders in which the columns can join."""
    columns = range(len(row))
    values = np.zeros(len(row))
    for (predictor,) in trees._predictors:
        for size in range(len(row)):
            share = math.factorial(size) * math.factorial(len(row) - size - 1) / math.factorial(len(row))
            for joined in itertools.combinations(columns, size):
                before = worth(predictor.nodes, row, frozenset(joined))
                for column in set(columns) - set(joined):
                    after = worth(predictor.nodes, row, frozenset(joined) | {column})
                    values[column] += share * (after - before)
    return values


SHAPES = {
    "stumps": {"max_leaf_nodes": 2},
    "eight leaves, as by default": {"max_leaf_nodes": 8},
    "many leaves, in several tables": {"max_leaf_nodes": 31, "min_samples_leaf": 2},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_values_are_the_mean_gain_over_all_coalitions(shape: dict[str, int]) -> None:
    matrix = make_matrix(400, 5, 1)
    trees = grow(matrix, 2, **shape)
    rows = make_matrix(6, 5, 3)
    found = TreeShapley(trees).values(rows)
    expected = np.array([by_coalitions(trees, row) for row in rows])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_way_too_long_for_a_table_gives_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = make_matrix(2_000, 9, 4)
    trees = grow(matrix, 5, max_leaf_nodes=24, min_samples_leaf=3)
    rows = make_matrix(5_000, 9, 6)  # more than are taken at a time
    usual = TreeShapley(trees)
    monkeypatch.setattr(shapley, "_MOST_QUESTIONS", 2)
    without = TreeShapley(trees)
    tables, deep = (
        [sum(isinstance(part, kind) for part in each._parts) for each in (usual, without)]
        for kind in (shapley._Table, shapley._Way)
    )
    assert deep[0] < deep[1]
    assert tables[1], "leaves near the root still have one"
    np.testing.assert_allclose(without.values(rows), usual.values(rows), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(without.predict_and_explain(rows)[0], trees.decision_function(rows))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    columns=st.integers(1, 12),
    leaves=st.integers(2, 40),
    n=st.integers(12, 300),
    missing=st.sampled_from([0.0, 0.1, 0.9]),
)
def test_expected_and_values_sum_to_the_log_odds(
    seed: int, columns: int, leaves: int, n: int, missing: float
) -> None:
    matrix = make_matrix(n, columns, seed, missing=missing)
    matrix[0] = 1.0  # the encoder keeps no column that is missing throughout, and scikit-learn takes none
    trees = grow(matrix, seed, max_leaf_nodes=leaves, min_samples_leaf=1, max_iter=6)
    rows = make_matrix(50, columns, seed + 1, missing=missing)
    explained = TreeShapley(trees)
    total = explained.expected + explained.values(rows).sum(axis=1)
    np.testing.assert_allclose(total, trees.decision_function(rows), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(explained.predict_and_explain(rows)[0], trees.decision_function(rows))


def test_trees_without_a_split_add_nothing() -> None:
    matrix = make_matrix(30, 2, 7)
    trees = grow(matrix, 8, min_samples_leaf=30)
    explained = TreeShapley(trees)
    log_odds, values = explained.predict_and_explain(matrix)
    assert not values.any()
    np.testing.assert_array_equal(log_odds, trees.decision_function(matrix))
    np.testing.assert_allclose(explained.expected, trees.decision_function(matrix), rtol=0, atol=1e-12)


@pytest.mark.parametrize("leaves", [8, 31])
def test_values_are_those_of_the_shap_package(leaves: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own plotting library
        import shap

    matrix = make_matrix(3_000, 30, 9)
    trees = grow(matrix, 10, max_leaf_nodes=leaves, max_iter=40)
    rows = make_matrix(200, 30, 11)
    explained = TreeShapley(trees)
    peer = shap.TreeExplainer(trees, feature_perturbation="tree_path_dependent")
    np.testing.assert_allclose(explained.values(rows), peer.shap_values(rows), rtol=0, atol=1e-9)
    np.testing.assert_allclose(explained.expected, peer.expected_value, rtol=0, atol=1e-9)
