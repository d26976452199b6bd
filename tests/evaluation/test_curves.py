from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binomtest

from mqlml.evaluation import make_calibration_table, make_decile_table
from mqlml.evaluation.curves import assign_bands, wilson_interval

scores = st.lists(st.integers(0, 8), min_size=1, max_size=60)


@given(scores, st.integers(1, 12))
def test_bands_keep_the_order_and_never_part_a_tie(values: list[int], n_bands: int) -> None:
    score = np.array(values)
    bands = assign_bands(score, n_bands)
    assert ((bands >= 0) & (bands < n_bands)).all()
    for low, high in zip(sorted(set(values)), sorted(set(values))[1:], strict=False):
        assert len(set(bands[score == low])) == 1
        assert bands[score == low][0] <= bands[score == high][0]


@given(st.integers(1, 200))
def test_without_ties_bands_differ_by_one_row_at_most(n: int) -> None:
    sizes = np.bincount(assign_bands(np.random.default_rng(n).permutation(n)), minlength=10)
    assert sizes.max() - sizes.min() <= 1


def test_calibration_table_by_hand() -> None:
    table = make_calibration_table([0, 1, 0, 1, 1, 1], [0.1, 0.3, 0.1, 0.7, 0.9, 0.8], n_bands=2)
    assert [band.n for band in table] == [3, 3]
    assert [band.mean_predicted for band in table] == pytest.approx([0.5 / 3, 0.8])
    assert [band.observed.value for band in table] == pytest.approx([1 / 3, 1.0])


def test_the_truth_lies_within_most_of_its_intervals() -> None:
    rng = np.random.default_rng(0)
    chance = expit(rng.normal(-2, 1, 50_000))
    table = make_calibration_table(rng.random(50_000) < chance, chance, n_bands=20)
    inside = [band.observed.low <= band.mean_predicted <= band.observed.high for band in table]
    assert len(table) == 20
    assert sum(inside) >= 17


def test_decile_table_by_hand() -> None:
    label = np.zeros(20, dtype=int)
    label[[0, 1, 2, 5]] = 1
    table = make_decile_table(label, -np.arange(20.0))
    assert [row.decile for row in table] == list(range(1, 11))
    assert [row.n for row in table] == [2] * 10
    assert [row.positives for row in table] == [2, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert table[0].rate == 1.0
    assert table[0].lift == pytest.approx(5.0)
    assert [row.cumulative_share for row in table[:4]] == [0.5, 0.75, 1.0, 1.0]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=50))
def test_deciles_lose_nobody(rows: list[tuple[int, int]]) -> None:
    score, label = np.array(rows).T
    table = make_decile_table(label, score)
    assert sum(row.n for row in table) == len(rows)
    assert sum(row.positives for row in table) == label.sum()
    assert [row.decile for row in table] == sorted({row.decile for row in table})
    if label.any():
        assert table[-1].cumulative_share == pytest.approx(1.0)
    else:
        assert np.isnan(table[-1].cumulative_share)


@given(st.integers(1, 300), st.floats(0, 1))
def test_wilson_equals_scipys(n: int, share: float) -> None:
    successes = round(share * n)
    theirs = binomtest(successes, n).proportion_ci(method="wilson")
    low, high = wilson_interval(successes, n)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= low <= successes / n <= high <= 1


def test_nothing_seen_tells_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
