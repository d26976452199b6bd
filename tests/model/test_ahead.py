"""Intervals for the next period: how often they cover, so that one twice as wide or half as wide is noticed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mqlml.model.policy.ahead import predict_rate, predict_share


def test_shares_are_covered_in_nine_of_ten_next_periods() -> None:
    """Half as wide they would cover in 0.6, twice as wide in 0.998."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(1_500):
        p = np.sin(np.arcsin(math.sqrt(0.25)) + 0.016 * rng.normal(size=5)) ** 2
        n = rng.integers(150, 500, size=5)
        won = rng.binomial(n, p)
        band = predict_share(n[:4].astype(float), won[:4].astype(float), np.full(4, 200.0), float(n[4]))
        assert band is not None
        assert band.low < band.value < band.high
        covered.append(band.low <= won[4] / n[4] <= band.high)
    assert 0.86 <= np.mean(covered) <= 0.94


def test_rates_are_covered_in_nine_of_ten_next_periods() -> None:
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(3_000):
        moved = math.exp(0.7 * rng.normal() / math.sqrt(200.0))
        counted, comes = rng.poisson(30 * 8), rng.poisson(30 * 13 * moved)
        band = predict_rate(float(counted), 8.0, steepness=0.7, learned=200.0, ahead=13.0)
        covered.append(band.low <= comes / 13 <= band.high)
    assert 0.88 <= np.mean(covered) <= 0.92


def test_periods_that_differ_widen_and_models_that_knew_less_count_less() -> None:
    n = np.full(4, 400.0)
    alike = predict_share(n, 0.25 * n, n, 400.0)
    apart = predict_share(n, np.array([0.15, 0.35, 0.2, 0.3]) * n, n, 400.0)
    early = predict_share(n, np.array([0.1, 0.3, 0.3, 0.3]) * n, np.array([20.0, 400, 400, 400]), 400.0)
    plain = predict_share(n, np.array([0.1, 0.3, 0.3, 0.3]) * n, n, 400.0)
    assert alike is not None
    assert apart is not None
    assert early is not None
    assert plain is not None
    assert apart.high - apart.low > 1.3 * (alike.high - alike.low)
    assert early.value > plain.value


@pytest.mark.parametrize("won", [0.0, 5.0], ids=["nobody", "everybody"])
def test_few_rows_do_not_make_certainty(won: float) -> None:
    band = predict_share(np.array([5.0]), np.array([won]), np.array([50.0]), 5.0)
    assert band is not None
    assert 0 <= band.low < band.high <= 1
    assert band.high - band.low > 0.2


def test_where_nobody_was_selected_nothing_is_said() -> None:
    assert predict_share(np.zeros(3), np.zeros(3), np.ones(3), 5.0) is None
