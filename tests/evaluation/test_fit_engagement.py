"""Thirds of fit by thirds of engagement, counted by hand; intervals that widen with accounts and hold at nought."""

from __future__ import annotations

import numpy as np
import pytest

from mqlml.evaluation.curves import wilson_interval
from mqlml.evaluation.fit_engagement import measure_fit_by_engagement


def test_cells_are_counted_by_hand() -> None:
    fit = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    engagement = np.array([3.0, 2.0, 1.0, 3.0, 2.0, 1.0, 3.0, 2.0, 1.0])
    y = np.array([0, 1, 0, 0, 0, 0, 1, 1, 0])
    chance = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    found = measure_fit_by_engagement(fit, engagement, y, chance, clusters=np.arange(9))
    assert [(cell.fit, cell.engagement) for cell in found] == [(i, j) for i in range(3) for j in range(3)]
    assert [(cell.n, cell.positives) for cell in found] == [(1, won) for won in (0, 1, 0, 0, 0, 0, 0, 1, 1)]
    assert [cell.predicted for cell in found] == [0.3, 0.2, 0.1, 0.6, 0.5, 0.4, 0.9, 0.8, 0.7]
    assert found[0].rate.low == 0
    assert found[0].rate.high == wilson_interval(0, 1)[1]


def test_equal_points_are_no_thirds() -> None:
    y = np.array([0, 1, 0, 1, 0, 0])
    found = measure_fit_by_engagement(np.arange(6.0), np.zeros(6), y, np.full(6, 0.3), clusters=np.arange(6))
    assert [(cell.fit, cell.engagement, cell.n, cell.positives) for cell in found] == [
        (0, 1, 2, 1),
        (1, 1, 2, 1),
        (2, 1, 2, 0),
    ]


def test_rows_that_share_an_account_are_worth_fewer() -> None:
    rng = np.random.default_rng(0)
    account = np.repeat(np.arange(60), 10)
    y = np.repeat(rng.random(60) < 0.3, 10).astype(int)  # whole accounts convert, or do not
    points = np.repeat(rng.normal(size=(2, 60)), 10, axis=1)
    alone = measure_fit_by_engagement(points[0], points[1], y, np.full(600, 0.3), clusters=np.arange(600))
    shared = measure_fit_by_engagement(points[0], points[1], y, np.full(600, 0.3), clusters=account)
    for one, other in zip(alone, shared, strict=True):
        assert one.rate.value == other.rate.value
        assert (other.rate.high - other.rate.low) > 2 * (one.rate.high - one.rate.low)


@pytest.mark.parametrize("all_won", [0, 1], ids=["nobody converts", "everybody converts"])
def test_one_class_is_no_error(all_won: int) -> None:
    y = np.full(9, all_won)
    found = measure_fit_by_engagement(
        np.arange(9.0), np.arange(9.0), y, np.full(9, 0.5), clusters=np.zeros(9, dtype=int)
    )
    assert [(cell.n, cell.positives) for cell in found] == [(3, 3 * all_won)] * 3


def test_intervals_hold_the_true_rate_as_often_as_they_say() -> None:
    """Accounts of four leads that share half of what moves them, and their engagement: 540 cells of 60 worlds."""
    inside = []
    truth = [0.11507, 0.21186, 0.38209]  # the normal distribution function at the thresholds
    threshold = np.array([-1.2, -0.8, -0.3])  # by engagement alone, so that the truth is known cell by cell
    account = np.repeat(np.arange(300), 4)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        fit, engagement = rng.normal(size=1200), rng.normal(size=300)[account]
        moved = np.sqrt(0.5) * (rng.normal(size=300)[account] + rng.normal(size=1200))
        thirds = np.argsort(np.argsort(engagement, kind="stable")) * 3 // 1200
        y = (moved < threshold[thirds]).astype(int)
        inside += [
            cell.rate.low <= truth[cell.engagement] <= cell.rate.high
            for cell in measure_fit_by_engagement(fit, engagement, y, np.full(1200, 0.2), clusters=account)
        ]
    assert len(inside) == 540
    assert 0.93 <= np.mean(inside) <= 0.98
