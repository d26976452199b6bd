"""Calibration over time, on conversions drawn from a level that stays or moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from mqlml.model import Drift, SigmoidCalibrator, fit_within_periods, follow_recent

LENGTH = 1_000
PERIODS = [(number * LENGTH, (number + 1) * LENGTH - 1) for number in range(6)]


def follow(levels: list[float], *, seed: int, n: int = 800, label_span: int = 0) -> tuple[Any, Drift, Any]:
    """A calibrator over periods whose log-odds lie this much above the scores; the last level is tomorrow's."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(-2.0, 1.0, n * len(levels))
    y = rng.random(len(raw)) < expit(raw + np.repeat(levels, n))
    time = np.repeat(np.arange(len(levels)) * LENGTH, n) + rng.integers(0, LENGTH, len(raw))
    past = time < 6 * LENGTH
    calibrator = SigmoidCalibrator().fit(raw[past], y[past])
    moved, drift = follow_recent(
        calibrator,
        raw[past],
        y[past],
        time=time[past],
        group=np.arange(past.sum()),
        label_span=label_span,
        periods=PERIODS,
    )

    def error(model: SigmoidCalibrator) -> float:
        return abs(float(model.predict_proba(raw[~past])[:, 1].mean() - y[~past].mean()))

    return calibrator, drift, (error(calibrator), error(moved))


def test_a_level_that_stays_is_left_alone() -> None:
    """At a 1 % test, in 40 worlds about none; and a world that is left alone is left alone to the bit."""
    found = [follow([0.0] * 7, seed=seed)[1] for seed in range(40)]
    assert sum(drift.found for drift in found) <= 2
    assert sum(drift.half_life is not None for drift in found) <= 12
    assert all(drift.shift == 0.0 for drift in found if drift.half_life is None)


@pytest.mark.parametrize("step", [-0.3, 0.3], ids=["falling", "rising"])
@pytest.mark.parametrize("label_span", [0, LENGTH], ids=["known at once", "known a period later"])
def test_a_level_that_moves_is_followed_and_told(step: float, label_span: int) -> None:
    _, drift, (before, after) = follow([step * number for number in range(7)], seed=3, label_span=label_span)
    assert drift.found
    assert drift.half_life is not None
    assert np.sign(drift.shift) == np.sign(step)
    assert after < 0.6 * before


def test_slope_stays_and_the_order_with_it() -> None:
    raw = np.linspace(-4, 0, 600)
    y = np.arange(600) % 5 == 0
    plain = SigmoidCalibrator().fit(raw, (raw > -1) | y)
    moved, _ = follow_recent(
        plain, raw, y, time=np.arange(600), group=np.arange(600), label_span=0, periods=[(0, 299), (300, 599)]
    )
    assert moved.slope_ == plain.slope_
    assert plain.note_ == moved.note_


def test_one_period_tells_nothing() -> None:
    raw, y = np.linspace(-4, 0, 100), np.arange(100) % 3 == 0
    plain = SigmoidCalibrator().fit(raw, y)
    moved, drift = follow_recent(
        plain, raw, y, time=np.arange(100), group=np.arange(100), label_span=0, periods=[(0, 99)]
    )
    assert moved is plain
    assert drift.p_value is None
    assert not drift.found


def test_promised_and_came_by_hand() -> None:
    """Two periods of four rows each at probability one half: 2 promised, 1 and 3 came, so ∓1 over √(4 · ¼) = ∓1."""
    calibrator = SigmoidCalibrator.from_dict({"kind": "sigmoid", "slope": 1.0, "intercept": 0.0})
    _, drift = follow_recent(
        calibrator,
        np.zeros(8),
        [1, 0, 0, 0, 1, 1, 1, 0],
        time=np.arange(8),
        group=np.arange(8),
        label_span=0,
        periods=[(0, 3), (4, 7)],
    )
    found = [(p.predicted, p.observed, p.deviations) for p in drift.periods]
    assert found == [pytest.approx((2.0, 1, -1.0)), pytest.approx((2.0, 3, 1.0))]
    assert drift.p_value == pytest.approx(0.1573, abs=1e-4)  # chi-squared of 2 with one degree of freedom


def within(levels: list[float], *, seed: int = 0, n: int = 4_000) -> SigmoidCalibrator:
    """A calibration of scores whose true log-odds are half of them, plus each period's own level."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(-2.0, 1.0, n * len(levels))
    y = rng.random(len(raw)) < expit(-1.0 + 0.5 * raw + np.repeat(levels, n))
    time = np.repeat(np.arange(len(levels)) * LENGTH, n)
    spans = [(number * LENGTH, (number + 1) * LENGTH - 1) for number in range(len(levels))]
    return fit_within_periods(raw, y, time=time, periods=spans)


def predicted(calibrator: SigmoidCalibrator) -> float:
    """Mean log-odds of the promise above the truth of a period that lies at level 0."""
    raw = np.linspace(-4.0, 0.0, 101)
    return float((calibrator.decision_function(raw) - (-1.0 + 0.5 * raw)).mean())


def test_the_slope_is_that_within_periods() -> None:
    """Levels far apart would bend a slope that is fitted to all rows together where scores differ, too."""
    assert within([-1.0, 1.0, 0.0, 0.8, -0.9]).slope_ == pytest.approx(0.5, abs=0.04)


def test_periods_that_disagree_leave_the_level_of_the_training() -> None:
    """The scores promise 13 to 14 conversions in a hundred, at half the slope as well, wherever the periods lie."""
    raw = np.random.default_rng(0).normal(-2.0, 1.0, 20_000)
    apart = within([-0.6, 0.9, 0.1, -0.2, 0.5])
    assert expit(apart.decision_function(raw)).mean() == pytest.approx(expit(raw).mean(), abs=0.005)


@pytest.mark.parametrize("level", [-0.8, 0.8], ids=["below", "above"])
def test_periods_that_agree_move_the_level(level: float) -> None:
    assert predicted(within([level - 0.05, level, level + 0.1, level - 0.02])) == pytest.approx(
        level, abs=0.1
    )


@pytest.mark.parametrize(
    "levels", [[0.7], [0.2, 0.9], [0.7, 0.7]], ids=["one", "two that differ", "two that agree"]
)
def test_a_period_that_may_be_a_season_leaves_the_level_of_the_training(levels: list[float]) -> None:
    raw = np.random.default_rng(0).normal(-2.0, 1.0, 20_000)
    found = within(levels)
    assert found.slope_ == pytest.approx(0.5, abs=0.05)
    assert expit(found.decision_function(raw)).mean() == pytest.approx(expit(raw).mean(), abs=0.005)
