"""Scores after a change of a few columns are those of asking anew."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mqlml.model import LeadScorer
from mqlml.model.contributions import PartialScores

N = 800


def world() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(N, 5)), columns=list("abcde"))
    table.loc[rng.random(N) < 0.2, "b"] = np.nan
    table["word"] = pd.Series(rng.choice(["x", "y", "z"], N), dtype="str")
    odds = table["a"] + table["b"].fillna(1) * 0.7 + (table["word"] == "x")
    return table, (rng.random(N) < 1 / (1 + np.exp(1 - odds))).astype(int)


@pytest.mark.parametrize(
    "weights",
    [{}, {"tree_weight": 0.6, "linear_weight": 0.3}, {"tree_weight": 0.0, "linear_weight": 1.0}],
    ids=["trees", "blend", "logistic"],
)
def test_changed_columns_score_as_if_asked_anew(weights: dict[str, float]) -> None:
    table, y = world()
    scorer = LeadScorer(n_trees=30, **weights).fit(table, y)
    matrix = scorer.encoder_.transform(table)
    before = matrix.copy()
    scores = PartialScores(scorer, matrix)
    assert (scores.raw == scorer.predict_matrix(matrix)).all()
    order = np.random.default_rng(1).permutation(N)
    for names in (["a"], ["b", "word"], list(table.columns)):
        changed = matrix.copy()
        for name in names:
            changed[:, scores.place[name]] = matrix[order, scores.place[name]]
        np.testing.assert_allclose(scores.shuffle(names, order), scorer.predict_matrix(changed), atol=1e-12)
    for value in (0.3, np.nan):
        changed = matrix.copy()
        changed[:, scores.place["b"]] = value
        np.testing.assert_allclose(scores.change({"b": value}), scorer.predict_matrix(changed), atol=1e-12)
    assert np.array_equal(matrix, before, equal_nan=True)
    assert np.array_equal(scores.matrix, before, equal_nan=True)


def test_a_column_that_nothing_looks_at_changes_nothing_to_the_bit() -> None:
    table, y = world()
    scorer = LeadScorer(n_trees=3, max_leaf_nodes=2).fit(table, y)
    scores = PartialScores(scorer, scorer.encoder_.transform(table))
    unused = next(name for name in scores.place if name not in scorer.used_features_)
    assert (scores.change({unused: 7.0}) == scores.raw).all()
