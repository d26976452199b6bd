"""Estimated and realized performance, calibration drift, and population stability."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mqlml.monitoring.drift import population_stability
from mqlml.monitoring.estimated import estimate_performance
from mqlml.monitoring.realized import measure_calibration_drift, measure_realized


def draw(seed: int, n: int = 2000) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 9, n)
    return p, (rng.random(n) < p).astype(float)


def test_a_label_s_precision_is_the_mean_probability_of_its_leads() -> None:
    p = np.array([0.1, 0.2, 0.4, 0.5])
    found = estimate_performance(p, {"mql": p >= 0.2, "sql": p >= 0.5, "top": p > 1}, random_state=0)
    assert found is not None
    mql, sql, top = (found.labels[name] for name in ("mql", "sql", "top"))
    assert mql.precision is not None
    assert sql.recall is not None
    assert mql.precision.value == pytest.approx(1.1 / 3)
    assert sql.recall.value == pytest.approx(0.5 / 1.2)
    assert (top.leads, top.precision) == (0, None)
    assert found.conversions.value == pytest.approx(1.2)
    assert found.brier.value == pytest.approx(np.mean(p * (1 - p)))


def test_nobody_open_has_no_estimate() -> None:
    assert estimate_performance(np.zeros(0), {"mql": np.zeros(0, bool)}, random_state=0) is None


def test_intervals_hold_what_is_observed_where_the_probabilities_are_right() -> None:
    inside = np.zeros(3)
    for seed in range(100):
        p, y = draw(seed, 400)
        found = estimate_performance(p, {"mql": p >= 0.15}, random_state=seed)
        assert found is not None
        label = found.labels["mql"].precision
        assert label is not None
        observed = y.sum(), roc_auc_score(y, p), y[p >= 0.15].mean()
        for place, (seen, range_) in enumerate(
            zip(observed, (found.conversions, found.roc_auc, label), strict=True)
        ):
            inside[place] += range_.low <= seen <= range_.high
    assert (inside >= 89).all(), inside
    assert (inside < 100).any(), "intervals that hold everything say nothing"


def test_realized_groups_add_up_and_a_halving_lies_outside_the_range() -> None:
    p, y = draw(5)
    cluster = np.arange(len(p))
    labels = {"mql": p >= 0.15, "unqualified": p < 0.15}
    found = measure_realized(y, p, cluster, labels, base_rate=0.1, random_state=0)
    assert found is not None
    assert found.metrics is not None
    assert found.total.within
    assert found.total.observed == sum(one.observed for one in found.labels.values()) == int(y.sum())
    assert found.total.predicted == pytest.approx(sum(one.predicted for one in found.deciles))
    assert len(found.deciles) == 10
    assert found.deciles[0].predicted > found.deciles[-1].predicted
    halved = y * (np.random.default_rng(0).random(len(y)) < 0.5)
    broken = measure_realized(halved, p, cluster, labels, base_rate=0.1, random_state=0)
    assert broken is not None
    assert broken.total.observed < broken.total.low
    assert broken.calibration is not None
    assert broken.calibration.level.high < 0


def test_leads_of_one_account_widen_the_range() -> None:
    rng = np.random.default_rng(2)
    p = np.full(600, 0.1)
    account = np.repeat(np.arange(60), 10)
    y = (rng.random(60) < 0.1).astype(float)[account]
    alone = measure_realized(y, p, np.arange(600), {}, base_rate=0.1, random_state=0)
    shared = measure_realized(y, p, account, {}, base_rate=0.1, random_state=0)
    assert alone is not None
    assert shared is not None
    assert shared.total.high - shared.total.low > 2 * (alone.total.high - alone.total.low)


def test_few_conversions_have_no_metrics() -> None:
    p = np.full(50, 0.1)
    y = np.zeros(50)
    y[:9] = 1
    found = measure_realized(y, p, np.arange(50), {}, base_rate=0.1, random_state=0)
    assert found is not None
    assert (found.metrics, found.calibration) == (None, None)
    none = np.zeros(0)
    assert measure_realized(none, none, none.astype(int), {}, base_rate=0.1, random_state=0) is None


def test_level_and_slope_are_those_of_a_logistic_regression() -> None:
    p, _ = draw(7, 5000)
    rng = np.random.default_rng(8)
    y = (rng.random(len(p)) < expit(0.6 * logit(p) - 0.3)).astype(float)
    found = measure_calibration_drift(y, p, np.arange(len(p)))
    assert found is not None
    peer = LogisticRegression(C=1e10, tol=1e-10, max_iter=1000).fit(logit(p)[:, None], y)
    assert found.slope.value == pytest.approx(float(peer.coef_[0, 0]), abs=1e-3)
    assert found.slope.low < 0.6 < found.slope.high < 1
    assert float(expit(logit(p) + found.level.value).sum()) == pytest.approx(y.sum())


def test_right_probabilities_have_level_zero_and_slope_one_within_their_intervals() -> None:
    inside = [
        (found.level.low <= 0 <= found.level.high, found.slope.low <= 1 <= found.slope.high)
        for found in (
            measure_calibration_drift(y, p, np.arange(len(p)))
            for p, y in (draw(seed, 800) for seed in range(100))
        )
        if found is not None
    ]
    assert (np.mean(inside, axis=0) >= 0.88).all()


def test_equal_distributions_are_stable_and_a_moved_one_has_shifted() -> None:
    rng = np.random.default_rng(0)
    before = pd.Series(rng.normal(size=5000))
    assert population_stability(before, before).value == 0
    same = population_stability(before, pd.Series(rng.normal(size=300)))
    assert not same.shifted
    moved = population_stability(before, pd.Series(rng.normal(1.0, size=300)))
    assert moved.shifted


def test_stability_of_words_by_hand_and_missing_is_a_value() -> None:
    before = pd.Series(["a"] * 50 + ["b"] * 50, dtype="str")
    now = pd.Series(["a"] * 30 + [None] * 70, dtype="str")
    by_hand = (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.005 - 0.5) * math.log(0.005 / 0.5)
    by_hand += (0.7 - 0.005) * math.log(0.7 / 0.005)
    assert population_stability(before, now).value == pytest.approx(by_hand)


def test_chance_stands_beside_a_stability_of_few_leads() -> None:
    rng = np.random.default_rng(1)
    beyond = []
    for _ in range(300):
        found = population_stability(pd.Series(rng.normal(size=1000)), pd.Series(rng.normal(size=40)))
        beyond.append((found.value > 0.2, found.value > found.chance))
    plain, ours = np.mean(beyond, axis=0)
    assert plain > 0.3
    assert ours < 0.06


def test_nobody_now_has_no_stability() -> None:
    found = population_stability(pd.Series([1.0]), pd.Series([], dtype=float))
    assert math.isnan(found.value)
    assert not found.shifted
