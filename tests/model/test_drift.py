"""Whether levels move, on conversions drawn at levels that stay or move."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from mqlml.model import Drift, measure_drift


def drift(levels: list[float], *, seed: int, n: int = 800, snapshots: int = 1) -> Drift:
    """Periods whose log-odds lie this much above the scores; each lead has so many snapshots."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(-2.0, 1.0, n * len(levels))
    period = np.repeat(np.arange(len(levels)), n)
    y = (rng.random(len(raw)) < expit(raw + np.asarray(levels)[period])).astype(float)
    raw, y, period, group = (np.repeat(column, snapshots) for column in (raw, y, period, np.arange(len(raw))))
    spans = [(number * 10, number * 10 + 9) for number in range(len(levels))]
    return measure_drift(raw, y, period, group, spans)


def test_a_level_that_stays_is_seldom_called_a_drift() -> None:
    """At a 1 % test, in 40 worlds about none, however many snapshots a lead has."""
    assert sum(drift([0.0] * 6, seed=seed).found for seed in range(40)) <= 2
    assert sum(drift([0.0] * 6, seed=seed, snapshots=4).found for seed in range(40)) <= 2


@pytest.mark.parametrize("levels", [[-0.5, -0.3, 0.0, 0.2, 0.5], [0.6, -0.5, 0.4, 0.0]])
def test_levels_that_move_are_found(levels: list[float]) -> None:
    assert drift(levels, seed=3).found


def test_one_period_tells_nothing() -> None:
    found = drift([0.5], seed=1)
    assert found.p_value is None
    assert not found.found


def test_predicted_and_observed_by_hand() -> None:
    """Two periods of four rows each at probability one half: 2 predicted, 1 and 3 seen, so ∓1 at √(4 · ¼) = 1."""
    found = measure_drift(
        np.zeros(8),
        np.array([1.0, 0, 0, 0, 1, 1, 1, 0]),
        np.repeat([0, 1], 4),
        np.arange(8),
        [(0, 3), (4, 7)],
    )
    periods = [(p.predicted, p.observed, p.deviations) for p in found.periods]
    assert periods == [pytest.approx((2.0, 1, -1.0)), pytest.approx((2.0, 3, 1.0))]
    assert found.p_value == pytest.approx(0.1573, abs=1e-4)  # chi-squared of 2 with one degree of freedom
