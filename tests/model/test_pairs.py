"""Pairs of words: found where they say more together, left alone where they do not, and added up exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.special import expit

from mqlml.model import LeadScorer
from mqlml.model.contributions import PartialScores, contribute
from mqlml.model.encode import TableEncoder
from mqlml.model.linear import LinearPart, PairEffect, find_pair
from mqlml.model.linear_fit import fit_linear
from mqlml.types import Floats, Labels

SIZES, ROLES, LANDS = ("small", "middle", "large"), ("chief", "manager", "student", None), ("de", "fr", "nl")


def leads(n: int, *, together: float, seed: int) -> tuple[pd.DataFrame, Labels, Floats]:
    """Chiefs convert in small firms and not in large ones, as far as ``together`` says; and the true log-odds."""
    rng = np.random.default_rng(seed)
    size, role, land = rng.integers(0, 3, n), rng.integers(0, 4, n), rng.integers(0, 3, n)
    visits = rng.poisson(2.0, n)
    odds = -2.0 + 0.5 * (size == 1) - 0.8 * (role == 2) + 0.2 * np.log1p(visits)
    odds += together * (role == 0) * (1.0 - size)
    table = pd.DataFrame(
        {
            "size": np.array(SIZES, dtype=object)[size],
            "role": np.array(ROLES, dtype=object)[role],
            "land": np.array(LANDS, dtype=object)[land],
            "visits": visits.astype(float),
        }
    )
    return table, (rng.random(n) < expit(odds)).astype(np.int8), odds


def fit(table: pd.DataFrame, label: npt.ArrayLike) -> LinearPart:
    encoder = TableEncoder().fit(table)
    return fit_linear(encoder, encoder.transform(table), label, spread=3.0)


def test_the_pair_that_says_more_is_found_and_brings_the_truth_nearer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, label, _ = leads(12_000, together=1.2, seed=1)
    later, _, truth = leads(4_000, together=1.2, seed=2)
    part = fit(table, label)
    assert [
        {part.encoder.matrix_names_[p.first], part.encoder.matrix_names_[p.second]} for p in part.pairs
    ] == [{"size", "role"}]
    monkeypatch.setattr("mqlml.model.linear_fit.MOST_PAIRS", 0)
    alone = fit(table, label)
    assert not alone.pairs
    off = [float(np.mean((one.decision_function(later) - truth) ** 2)) for one in (part, alone)]
    assert off[0] < 0.2 * off[1]


@pytest.mark.parametrize("seed", range(12))
def test_no_pair_is_found_in_a_sum_whose_rows_come_again_and_again(seed: int) -> None:
    """Three looks at each lead inflate every statistic alike."""
    table, label, _ = leads(2_000, together=0.0, seed=seed)
    again = np.repeat(np.arange(2_000), 3)
    assert fit(table.iloc[again].reset_index(drop=True), label[again]).pairs == ()


def test_the_score_test_by_hand() -> None:
    """Two columns of two words, ten rows a cell, half a conversion expected in each row; a third column is noise."""
    cell = np.repeat(np.arange(4), 100)
    words = {5: (cell // 2, 2), 7: (cell % 2, 2), 9: (np.tile(np.arange(4), 100) % 2, 2)}
    left_over = np.where(np.isin(cell, (0, 3)), 0.4, -0.4)
    bend, weight = np.full(400, 0.25), np.ones(400)
    assert find_pair(words, left_over, bend, weight, min_count=20) == (5, 7)
    assert find_pair(words, left_over, bend, weight, min_count=20, found=[(5, 7)]) is None
    assert find_pair(words, left_over, bend, weight, min_count=101) is None
    assert find_pair({5: words[5]}, left_over, bend, weight, min_count=20) is None
    assert find_pair(words, 0.1 * left_over, bend, weight, min_count=20) is None


def test_a_pair_averages_nothing_over_the_words_of_either_column() -> None:
    table, label, _ = leads(12_000, together=1.2, seed=3)
    part = fit(table, label)
    (pair,) = part.pairs
    matrix = part.encoder.transform(table)
    assert pair.add(matrix).mean() == pytest.approx(0.0, abs=1e-12)
    cells = np.array(pair.cells)
    for place, other, axis in ((pair.first, pair.second, 1), (pair.second, pair.first, 0)):
        assert part.effects[place].add(matrix[:, place]).mean() == pytest.approx(0.0, abs=1e-12)
        codes = np.where(np.isnan(matrix[:, other]), cells.shape[axis] - 1, matrix[:, other]).astype(int)
        share = np.bincount(codes, minlength=cells.shape[axis])
        means = np.average(cells, axis=axis, weights=share)
        # But for the one number that makes the average over the rows nothing.
        np.testing.assert_allclose(means, means[0], atol=1e-12)


def test_effects_by_hand() -> None:
    pair = PairEffect(0, 2, ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))
    matrix = np.array([[0.0, 9.0, 0.0], [0.0, 9.0, 1.0], [np.nan, 9.0, 1.0], [np.nan, 9.0, np.nan]])
    assert pair.add(matrix).tolist() == [1.0, 2.0, 5.0, 6.0]


@pytest.mark.parametrize("weights", [(0.0, 1.0), (0.5, 0.5)], ids=["logistic", "blend"])
def test_contributions_and_changed_columns_add_up(weights: tuple[float, float]) -> None:
    table, label, _ = leads(8_000, together=1.5, seed=4)
    scorer = LeadScorer(tree_weight=weights[0], linear_weight=weights[1], linear_spread=3.0).fit(table, label)
    assert scorer.linear_ is not None
    assert scorer.linear_.pairs
    later, _, _ = leads(500, together=1.2, seed=5)
    later.loc[0, ["role", "size"]] = "unheard of"
    raw = scorer.decision_function(later)
    np.testing.assert_allclose(contribute(scorer, later).total, raw, atol=1e-9)
    base, added = scorer.linear_.contributions(later)
    np.testing.assert_allclose(base + added.sum(axis=1), scorer.linear_.decision_function(later), atol=1e-12)

    scores = PartialScores(scorer, scorer.encoder_.transform(later))
    order = np.random.default_rng(0).permutation(len(later))
    for names in (["role"], ["size"], ["role", "size"], ["visits"]):
        shuffled = later.assign(**{name: later[name].to_numpy()[order] for name in names})
        np.testing.assert_allclose(
            scores.shuffle(names, order), scorer.decision_function(shuffled), atol=1e-9
        )
