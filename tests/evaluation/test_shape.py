"""Shapes: partial dependence by hand, and its direction in a word."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from mqlml.evaluation.importance import Direction, describe_direction, measure_shapes
from mqlml.model import LeadScorer
from mqlml.model.contributions import PartialScores

N = 4000


@pytest.fixture(scope="module")
def fitted() -> tuple[LeadScorer, pd.DataFrame]:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(N, 3)), columns=["up", "hill", "idle"])
    table["down"] = rng.integers(0, 4, N).astype(float)
    table.loc[rng.random(N) < 0.3, "up"] = np.nan
    table["word"] = pd.Series(rng.choice(["x", "y", "z"], N, p=[0.5, 0.3, 0.2]), dtype="str")
    odds = (
        -2.5
        + table["up"].fillna(2.5)
        + 2 * (table["hill"].abs() < 0.7)
        - 0.6 * table["down"]
        + (table["word"] == "z")
    )
    y = (rng.random(N) < expit(odds)).astype(int)
    return LeadScorer(n_trees=60, random_state=0).fit(table, y), table


def test_shapes_are_those_of_nature(fitted: tuple[LeadScorer, pd.DataFrame]) -> None:
    scorer, table = fitted
    scores = PartialScores(scorer, scorer.encoder_.transform(table))
    found = measure_shapes(scores, expit, list(scores.place), scorer.encoder_.levels_)
    shapes = {shape.name: shape for shape in found}
    words = {name: shape.direction for name, shape in shapes.items()}
    assert words == {"up": "rises", "hill": "peaks", "idle": "flat", "down": "falls", "word": "differs"}
    assert [point.value for point in shapes["down"].points] == [0, 1, 2, 3]
    assert [point.value for point in shapes["word"].points] == ["x", "y", "z"]
    up = shapes["up"].points
    assert len(up) == 11
    assert up[-1].value is None
    assert up[-1].share == pytest.approx(0.3, abs=0.03)
    assert up[-1].probability > up[-2].probability
    # By hand: everyone has the value, all else is as it is.
    for point in shapes["down"].points:
        by_hand = scorer.predict_proba(table.assign(down=point.value))[:, 1].mean()
        assert point.probability == pytest.approx(by_hand, abs=1e-12)
    assert sum(point.share for point in shapes["down"].points) == pytest.approx(1)
    z = shapes["word"].points[2]
    assert z.probability == pytest.approx(
        scorer.predict_proba(table.assign(word="z"))[:, 1].mean(), abs=1e-12
    )
    assert z.share == pytest.approx((table["word"] == "z").mean())


@pytest.mark.parametrize(
    ("chances", "word"),
    [
        ([0.1, 0.12, 0.2], "rises"),
        ([0.1, 0.19, 0.18, 0.25], "rises"),
        ([0.3, 0.2, 0.21, 0.1], "falls"),
        ([0.1, 0.3, 0.12], "peaks"),
        ([0.1, 0.2, 0.3, 0.26, 0.3, 0.1], "peaks"),
        ([0.3, 0.1, 0.1, 0.25], "dips"),
        ([0.1, 0.3, 0.1, 0.3], "varies"),
        ([0.100, 0.102, 0.099], "flat"),
        ([0.1, 0.1, 0.1, 0.2], "rises"),
        ([0.2, 0.19, 0.18, 0.17, 0.1], "falls"),
        ([0.1], "flat"),
    ],
)
def test_the_word_for_a_curve(chances: list[float], word: Direction) -> None:
    assert describe_direction(chances, 0.15) == word
    opposite = {"rises": "falls", "falls": "rises", "peaks": "dips", "dips": "peaks"}
    assert describe_direction([0.5 - chance for chance in chances], 0.15) == opposite.get(word, word)
    mirrored = {"rises": "falls", "falls": "rises"}
    assert describe_direction(chances[::-1], 0.15) == mirrored.get(word, word)
