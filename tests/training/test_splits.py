"""Splits keep time and people apart, whatever the rows look like."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mqlml.errors import PopulationError
from mqlml.times import DAY
from mqlml.training import Fold, holdout_split, rolling_folds

ROWS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 25), st.integers(0, 1)), min_size=2, max_size=80)


def check_promises(fold: Fold, time: np.ndarray, group: np.ndarray, label_span: int) -> None:
    assert time[fold.test].min() == fold.start
    assert time[fold.test].max() == fold.end
    assert (time[fold.train] + label_span <= fold.start).all()
    assert (time[fold.train] < fold.start).all()
    for train, test in fold.parts:
        assert not set(group[train]) & set(group[test])
        assert set(train) <= set(fold.train)
    assert [row for _, test in fold.parts for row in test] == fold.test.tolist()
    assert {row for train, _ in fold.parts for row in train} <= set(fold.train)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, label_span=st.integers(0, 20), share=st.floats(0.1, 0.6))
def test_holdout_promises(rows: list[tuple[int, int, int]], label_span: int, share: float) -> None:
    time, group, _ = (np.array(column) for column in zip(*rows, strict=True))
    try:
        fold = holdout_split(time, group, label_span=label_span, share=share)
    except PopulationError as error:
        assert "nothing is left to learn from" in str(error)  # noqa: PT017
        return
    check_promises(fold, time, group, label_span)
    assert set(fold.test) == set(np.flatnonzero(time >= fold.start))  # nobody of the last period is left out
    learnable = np.flatnonzero((time < fold.start) & (time + label_span <= fold.start))
    left_out = set(learnable) - set(fold.train)
    assert fold.purged == len(left_out)
    if len(fold.parts) == 1 and left_out:
        assert left_out == {row for row in learnable if group[row] in group[fold.test]}


@settings(max_examples=150, deadline=None)
@given(
    rows=ROWS,
    label_span=st.integers(0, 20),
    n_folds=st.integers(1, 5),
    least=st.integers(1, 4),
    dated=st.booleans(),
)
def test_folds_promises(
    rows: list[tuple[int, int, int]], label_span: int, n_folds: int, least: int, dated: bool
) -> None:
    time, group, label = (np.array(column) for column in zip(*rows, strict=True))
    subset = np.arange(0, len(rows), 2)
    if dated:
        time, label_span = time * DAY // 2, label_span * DAY // 2
    folds = rolling_folds(
        time,
        label.astype(np.int8),
        group,
        subset,
        label_span=label_span,
        n_folds=n_folds,
        min_positives=least,
        dated=dated,
    )
    assert len(folds) <= n_folds
    judged = [row for fold in folds for row in fold.test]
    assert len(judged) == len(set(judged))
    for fold in folds:
        check_promises(fold, time, group, label_span)
        assert set(fold.train) | set(fold.test) <= set(subset)
        for train, _ in fold.parts:
            assert min(label[train].sum(), (label[train] == 0).sum()) >= least
    assert all(a.end < b.start for a, b in itertools.pairwise(folds))


def test_holdout_is_the_last_share() -> None:
    time = np.arange(100) * 10
    fold = holdout_split(time, np.arange(100), label_span=50, share=0.3)
    assert fold.test.tolist() == list(range(70, 100))
    assert fold.train.tolist() == list(range(66))  # 65 * 10 + 50 = 700: its window ends as the holdout begins


def test_an_account_in_the_holdout_is_not_learned_from() -> None:
    time = np.arange(20)
    group = np.arange(20)
    group[15] = 0
    fold = holdout_split(time, group, label_span=0, share=0.3)
    assert fold.train.tolist() == list(range(1, 14))
    assert fold.purged == 1
    assert len(fold.parts) == 1


def test_who_is_learned_from_does_not_hang_on_who_is_still_there_later() -> None:
    """A weekly look at leads that go on being looked at until they are won: half the winners are gone by then.

    Leaving everyone out who is judged later would leave winners only.
    """
    weeks, leads = 20, 600
    rng = np.random.default_rng(1)
    ends = np.where(rng.random(leads) < 0.5, rng.integers(1, 15, leads), weeks)
    lead, time = (axis.ravel() for axis in np.meshgrid(np.arange(leads), np.arange(weeks), indexing="ij"))
    there = time < ends[lead]
    lead, time = lead[there], time[there]
    won = ends[lead] < weeks
    fold = holdout_split(time, lead, label_span=0, share=0.3)
    earlier = time < fold.start
    judged = time >= fold.start
    assert won[earlier & ~np.isin(lead, lead[judged])].mean() == 1.0  # the trap
    assert fold.purged == 0
    assert len(fold.parts) == 3
    assert sorted(fold.test) == np.flatnonzero(judged).tolist()
    for train, test in fold.parts:
        assert not set(lead[train]) & set(lead[test])
        assert won[train].mean() == pytest.approx(won[earlier].mean(), abs=0.05)
        assert len(train) == pytest.approx(earlier.sum() * 2 / 3, rel=0.1)


def test_one_account_everywhere_says_so() -> None:
    with pytest.raises(PopulationError, match="every earlier row shares a lead or account"):
        holdout_split(np.arange(10), np.zeros(10, dtype=int), label_span=0, share=0.3)


def test_a_horizon_longer_than_the_history_says_so() -> None:
    with pytest.raises(PopulationError, match="history is too short.*Shorten problem.horizon"):
        holdout_split(np.arange(10), np.arange(10), label_span=100, share=0.3)


def test_folds_cover_the_time_after_the_first_positives() -> None:
    time = np.arange(1000)
    label = (time % 10 == 0).astype(np.int8)
    folds = rolling_folds(time, label, time, time, label_span=100, n_folds=3, min_positives=20)
    assert folds[0].start == 290  # the twentieth conversion, at 190, is known 100 later
    assert folds[-1].end == 999
    assert [len(fold.test) for fold in folds] == [236, 237, 237]


def test_where_there_are_dates_folds_are_months() -> None:
    """Leads come ever faster: periods of equally many rows would be ever shorter."""
    start = int(np.datetime64("2024-01-01", "us").astype(np.int64))
    time = np.sort(start + (np.sqrt(np.arange(3000) / 3000) * 210).astype(np.int64) * DAY)
    label = (np.arange(3000) % 10 == 0).astype(np.int8)
    folds = rolling_folds(
        time,
        label,
        np.arange(3000),
        np.arange(3000),
        label_span=30 * DAY,
        n_folds=5,
        min_positives=20,
        dated=True,
    )
    starts = np.array([fold.start for fold in folds]).astype("datetime64[us]").astype("datetime64[D]")
    assert [str(day) for day in starts[1:]] == ["2024-05-01", "2024-06-01", "2024-07-01"]
    assert folds[0].start == time[label == 1][19] + 30 * DAY  # on 21 March: its nine days of March join April
    assert len(folds[1].test) < len(folds[2].test) - 30
    assert (
        sorted(row for fold in folds for row in fold.test) == np.flatnonzero(time >= folds[0].start).tolist()
    )
