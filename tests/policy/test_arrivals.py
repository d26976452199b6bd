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


def test_without_a_year_before_nothing_is_known_of_the_season() -> None:
    time = arrive(season(60, 400, 0.3))
    assert forecast_arrivals(time, np.arange(len(time)), (50, 60), 12).factor == 1.0


def test_a_season_counts_as_far_as_chance_does_not_explain_it() -> None:
    """Twenty accounts say next to nothing, and a few leads a week little, whatever their ratio was."""
    time = arrive(season(80, 400, 0.3))
    assert forecast_arrivals(time, np.arange(len(time)) % 20, (70, 80), 12).factor == pytest.approx(
        1, abs=0.02
    )
    few = [arrive(season(80, 3, 0.3), seed) for seed in range(30)]
    factors = [math.log(forecast_arrivals(time, np.arange(len(time)), (70, 80), 12).factor) for time in few]
    assert np.std(factors) < 0.1  # their ratios differ by 0.26


@pytest.mark.parametrize("size", [0.0, 0.12])
def test_the_forecast_errs_less_than_either_extreme(size: float) -> None:
    """A season as strong as a simulated company's, or none, in 300 companies of 50 leads a week: the ratio taken as
    it is errs by 0.068 and 0.067, and none at all by 0.090 where there is one."""
    errors = []
    for seed in range(300):
        phase = np.random.default_rng(1000 + seed).integers(52)
        level = 50 * np.exp(size * np.sin(2 * np.pi * (np.arange(92) + phase) / 52))
        time = arrive(level[:80], seed)
        factor = forecast_arrivals(time, np.arange(len(time)), (72, 80), 12).factor
        errors.append(math.log(factor * level[72:80].mean() / level[80:].mean()))
    assert np.sqrt(np.mean(np.square(errors))) < 0.06


def test_without_a_year_before_the_variance_allows_for_a_season() -> None:
    """Leads with a season like that of simulated companies, and half as strong a one in the share that reaches a
    label: the next ten weeks lie within the 90% interval in nine of ten."""
    within = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        level = np.exp(0.12 * np.sin(2 * np.pi * (np.arange(60) + rng.integers(52)) / 52))
        time = arrive(40 * level[:50], seed)
        found = forecast_arrivals(time, np.arange(len(time)), (42, 50), 10)
        before, after = (12 * level[weeks] ** 1.5 for weeks in (slice(42, 50), slice(50, 60)))
        ratio = math.log(rng.poisson(after.sum()) / 10) - math.log(rng.poisson(before.sum()) / 8)
        chance = 1 / before.sum() + 1 / after.sum()
        within.append(abs(ratio) <= 1.645 * math.sqrt(found.variance + chance))
    assert 0.86 <= np.mean(within) <= 0.94


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
