"""The level of the next period: by hand, and on worlds in which levels stay, move for good, or come and go."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit

from mqlml.model import PeriodLevels, forecast_shift, measure_levels
from mqlml.model.level import solve_shift


def levels(prior: list[float], shift: list[float]) -> PeriodLevels:
    return PeriodLevels(np.array(prior), np.array(shift))


@pytest.mark.parametrize("shift", [[], [0.9], [0.9, 0.9]], ids=["none", "one", "two"])
def test_fewer_than_three_periods_move_nothing(shift: list[float]) -> None:
    assert forecast_shift(levels([-2.0] * len(shift), shift), -2.0) == 0.0


def test_a_level_that_stays_high_is_carried_on_by_hand() -> None:
    """Distances 0, 1, 1 and shifts 1, 1, 1: carry 2/(2 + 2), rests 1, ½, ½ with mean ⅔ and standard error ⅙, beyond
    noise, yet no more than half the way that is left: ½ · 1 + ½ · min(⅔, ½)."""
    assert forecast_shift(levels([-2.0] * 3, [1.0] * 3), -2.0) == pytest.approx(0.75)


def test_a_model_that_learned_at_the_new_level_is_not_moved() -> None:
    """The base rate of the model that ships is at the level already."""
    assert forecast_shift(levels([-2.0] * 3, [1.0] * 3), -1.0) == 0.0


def test_levels_that_come_and_go_are_not_followed() -> None:
    """Each lies on the other side of what was known: nothing carries over, and no mean is beyond noise."""
    assert forecast_shift(levels([-2.0] * 4, [0.8, -0.8, 0.8, -0.8]), -2.0) == 0.0


def test_what_lies_off_in_every_period_moves_no_further_than_the_latest_level() -> None:
    """A mean against the direction of the latest level is noise or over, and moves nothing."""
    assert forecast_shift(levels([-2.0, -1.2, -0.6], [0.8, 0.81, 0.79]), 1.0) <= 0.0


@pytest.mark.parametrize("sign", [-1, 1])
def test_up_and_down_are_alike(sign: int) -> None:
    found = forecast_shift(levels([sign * -1.0] * 4, [sign * x for x in (0.5, 0.7, 0.6, 0.9)]), sign * -1.0)
    other = forecast_shift(levels([1.0] * 4, [-0.5, -0.7, -0.6, -0.9]), 1.0)
    assert found == pytest.approx(-sign * other)


def test_a_shift_predicts_what_was_observed_but_for_four() -> None:
    odds, y = np.full(1_000, math.log(0.1 / 0.9)), np.arange(1_000) < 250
    shift = solve_shift(odds, y.astype(float))
    assert (1 + 4 / 100) * expit(odds + shift).sum() == pytest.approx(254)
    assert solve_shift(odds, (np.arange(1_000) < 100).astype(float)) == pytest.approx(0.0)


def test_nobody_converting_moves_a_small_period_little() -> None:
    odds = np.full(20, math.log(0.1 / 0.9))
    assert -0.5 < solve_shift(odds, np.zeros(20)) < 0.0


def test_each_period_has_its_own_level() -> None:
    odds = np.repeat([0.0, 1.0], 400)
    y = np.tile([0.0, 1.0], 400)
    found = measure_levels(odds, np.repeat([-1.0, -2.0], 400), y, np.repeat([3, 7], 400))
    np.testing.assert_array_equal(found.prior, [-1.0, -2.0])
    np.testing.assert_allclose(found.shift, [0.0, -1.0], atol=0.02)
