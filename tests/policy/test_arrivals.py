"""How arrivals of past weeks say what the next weeks bring."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mqlml.policy.threshold_data import STEADY, forecast_arrivals


def arrive(per_week: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    week = np.repeat(np.arange(len(per_week)), rng.poisson(per_week))
    return week + rng.random(len(week))


def season(weeks: int, per_week: float, size: float) -> np.ndarray:
    return per_week * np.exp(size * np.sin(2 * np.pi * np.arange(weeks) / 52))


def test_the_season_of_a_year_before_is_expected_again() -> None:
    time = arrive(season(80, 400, 0.3))
    found = forecast_arrivals(time, np.arange(len(time)), (72, 80), 12)
    before, after = season(92, 400, 0.3)[72:80].mean(), season(92, 400, 0.3)[80:92].mean()
    assert found.factor == pytest.approx(after / before, rel=0.04)


@pytest.mark.parametrize(
    ("weeks", "per_week", "accounts"),
    [(60, 400, None), (80, 3, None), (80, 400, 20)],
    ids=["less than a year before", "as chance may have it", "a handful of accounts"],
)
def test_what_history_cannot_tell_is_no_season(weeks: int, per_week: float, accounts: int | None) -> None:
    time = arrive(season(weeks, per_week, 0.3))
    account = np.arange(len(time)) if accounts is None else np.arange(len(time)) % accounts
    assert forecast_arrivals(time, account, (weeks - 10, weeks), 12).factor == 1.0


def test_volumes_that_wander_are_expected_to_wander_on() -> None:
    rng = np.random.default_rng(1)
    wanders = [100 * np.exp(np.cumsum(0.15 * rng.normal(size=150))) for _ in range(10)]
    found = [
        math.sqrt(forecast_arrivals(time, np.arange(len(time)), (140, 150), 10).variance)
        for time in (arrive(np.full(150, 100.0)), *map(arrive, wanders))
    ]
    assert found[0] < 0.07
    assert np.median(found[1:]) > 3 * found[0]


def test_without_arrivals_the_next_weeks_are_like_the_latest() -> None:
    assert forecast_arrivals(np.empty(0), np.empty(0, dtype=np.intp), (0, 8), 12) == STEADY
