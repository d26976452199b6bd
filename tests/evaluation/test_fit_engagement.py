"""Quarters of fit by quarters of engagement, counted by hand; intervals widen with accounts."""

from __future__ import annotations

import numpy as np
import pytest

from mqlml.evaluation.curves import measure_fit_by_engagement, wilson_interval


def test_cells_are_counted_by_hand() -> None:
    fit = np.arange(16.0)
    engagement = np.tile([4.0, 3.0, 2.0, 1.0], 4)
    y = np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1])
    chance = np.arange(16) / 20
    found = measure_fit_by_engagement(fit, engagement, y, chance, clusters=np.arange(16))
    assert [(cell.fit, cell.engagement) for cell in found] == [(i, j) for i in range(4) for j in range(4)]
    rows = [4 * i + 3 - j for i in range(4) for j in range(4)]
    assert [(cell.n, cell.positives) for cell in found] == [(1, y[row]) for row in rows]
    assert [cell.predicted for cell in found] == [chance[row] for row in rows]
    assert found[0].rate.low == 0
    assert found[0].rate.high == wilson_interval(0, 1)[1]


def test_equal_points_are_no_quarters() -> None:
    y = np.array([0, 1, 0, 1, 0, 0, 1, 1])
    found = measure_fit_by_engagement(np.arange(8.0), np.zeros(8), y, np.full(8, 0.3), clusters=np.arange(8))
    assert [(cell.fit, cell.engagement, cell.n, cell.positives) for cell in found] == [
        (0, 2, 2, 1),
        (1, 2, 2, 1),
        (2, 2, 2, 0),
        (3, 2, 2, 2),
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
    y = np.full(8, all_won)
    found = measure_fit_by_engagement(
        np.arange(8.0), np.arange(8.0), y, np.full(8, 0.5), clusters=np.zeros(8, dtype=int)
    )
    assert [(cell.n, cell.positives) for cell in found] == [(2, 2 * all_won)] * 4


def test_intervals_hold_the_true_rate_as_often_as_they_say() -> None:
    """Accounts of four leads that share half of what moves them, and their engagement: 960 cells of 60 worlds."""
    inside = []
    truth = [0.11507, 0.18406, 0.27425, 0.38209]  # the normal distribution function at the thresholds
    threshold = np.array(
        [-1.2, -0.9, -0.6, -0.3]
    )  # by engagement alone, so that the truth is known cell by cell
    account = np.repeat(np.arange(300), 4)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        fit, engagement = rng.normal(size=1200), rng.normal(size=300)[account]
        moved = np.sqrt(0.5) * (rng.normal(size=300)[account] + rng.normal(size=1200))
        quarters = np.argsort(np.argsort(engagement, kind="stable")) * 4 // 1200
        y = (moved < threshold[quarters]).astype(int)
        inside += [
            cell.rate.low <= truth[cell.engagement] <= cell.rate.high
            for cell in measure_fit_by_engagement(fit, engagement, y, np.full(1200, 0.2), clusters=account)
        ]
    assert len(inside) == 960
    assert 0.93 <= np.mean(inside) <= 0.98
