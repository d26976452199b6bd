"""Splits keep time and people apart, whatever the rows look like."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mqlml.errors import PopulationError
from mqlml.training import Fold, holdout_split, rolling_folds

ROWS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 25), st.integers(0, 1)), min_size=2, max_size=80)


def check_promises(fold: Fold, time: np.ndarray, group: np.ndarray, reach: int) -> None:
    assert time[fold.test].min() == fold.start
    assert time[fold.test].max() == fold.end
    assert (time[fold.train] + reach <= fold.start).all()
    assert (time[fold.train] < fold.start).all()
    assert not set(group[fold.train]) & set(group[fold.test])


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, reach=st.integers(0, 20), share=st.floats(0.1, 0.6))
def test_holdout_promises(rows: list[tuple[int, int, int]], reach: int, share: float) -> None:
    time, group, _ = (np.array(column) for column in zip(*rows, strict=True))
    try:
        fold = holdout_split(time, group, reach=reach, share=share)
    except PopulationError as error:
        assert "nothing is left to learn from" in str(error)  # noqa: PT017
        return
    check_promises(fold, time, group, reach)
    assert set(fold.test) == set(np.flatnonzero(time >= fold.start))  # nobody of the last period is left out
    learnable = np.flatnonzero((time < fold.start) & (time + reach <= fold.start))
    assert set(learnable) - set(fold.train) == {row for row in learnable if group[row] in group[fold.test]}
    assert fold.purged == len(learnable) - len(fold.train)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, reach=st.integers(0, 20), n_folds=st.integers(1, 5), least=st.integers(1, 4))
def test_folds_promises(rows: list[tuple[int, int, int]], reach: int, n_folds: int, least: int) -> None:
    time, group, label = (np.array(column) for column in zip(*rows, strict=True))
    subset = np.arange(0, len(rows), 2)
    folds = rolling_folds(
        time, label.astype(np.int8), group, subset, reach=reach, n_folds=n_folds, min_positives=least
    )
    assert len(folds) <= n_folds
    judged = [row for fold in folds for row in fold.test]
    assert len(judged) == len(set(judged))
    for fold in folds:
        check_promises(fold, time, group, reach)
        assert set(fold.train) | set(fold.test) <= set(subset)
        assert min(label[fold.train].sum(), (label[fold.train] == 0).sum()) >= least
    assert all(a.end < b.start for a, b in itertools.pairwise(folds))


def test_holdout_is_the_last_share() -> None:
    time = np.arange(100) * 10
    fold = holdout_split(time, np.arange(100), reach=50, share=0.3)
    assert fold.test.tolist() == list(range(70, 100))
    assert fold.train.tolist() == list(range(66))  # 65 * 10 + 50 = 700: its window ends as the holdout begins


def test_an_account_in_the_holdout_is_not_learned_from() -> None:
    time = np.arange(10)
    group = np.array([0, 1, 2, 3, 4, 5, 6, 0, 8, 9])
    fold = holdout_split(time, group, reach=0, share=0.3)
    assert fold.train.tolist() == [1, 2, 3, 4, 5, 6]
    assert fold.purged == 1


def test_one_account_everywhere_says_so() -> None:
    with pytest.raises(PopulationError, match="every earlier row shares a lead or account"):
        holdout_split(np.arange(10), np.zeros(10, dtype=int), reach=0, share=0.3)


def test_a_horizon_longer_than_the_history_says_so() -> None:
    with pytest.raises(PopulationError, match="history is too short.*Shorten problem.horizon"):
        holdout_split(np.arange(10), np.arange(10), reach=100, share=0.3)


def test_folds_cover_the_time_after_the_first_positives() -> None:
    time = np.arange(1000)
    label = (time % 10 == 0).astype(np.int8)
    folds = rolling_folds(time, label, time, time, reach=100, n_folds=3, min_positives=20)
    assert folds[0].start == 290  # the twentieth conversion, at 190, is known 100 later
    assert folds[-1].end == 999
    assert [len(fold.test) for fold in folds] == [236, 237, 237]
