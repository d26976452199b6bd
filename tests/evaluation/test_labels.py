from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from mqlml.config import LabelRule
from mqlml.errors import PopulationError
from mqlml.evaluation import (
    Estimate,
    LabelPrediction,
    LabelRows,
    VolumeRows,
    WithinRange,
    describe_shipped,
    evaluate_policy,
    evaluate_selection,
)
from mqlml.policy import GateInputs, LabelOutcome, choose_thresholds
from mqlml.policy.labels import PredictionInterval


def _policy(mql: float, sql: float):
    rules = {"mql": LabelRule(policy="fixed", value=mql), "sql": LabelRule(policy="fixed", value=sql)}
    return choose_thresholds([0.1, 0.9], [0, 1], rules, weeks=1)


def test_what_each_label_gave_by_hand() -> None:
    found = evaluate_policy(
        _policy(0.4, 0.8),
        [0.4, 0.5, 0.8, 0.1, 0.3],
        LabelRows([0, 1, 1, 0, 1], clusters=[1, 2, 3, 4, 5], weeks=2),
        random_state=0,
    )
    assert list(found) == ["mql", "sql"]
    mql = found["mql"]
    assert mql.precision is not None
    assert mql.recall is not None
    assert mql.per_week is not None
    assert (mql.threshold, mql.selected, mql.converted, mql.per_week.value) == (0.4, 3, 2, 1.5)
    assert mql.precision.value == pytest.approx(2 / 3)
    assert mql.recall.value == pytest.approx(2 / 3)
    assert found["sql"].precision is not None
    assert found["sql"].precision.value == 1.0
    assert all(
        estimate.low <= estimate.value <= estimate.high
        for estimate in (mql.precision, mql.recall, mql.per_week)
    )


def test_a_lead_selected_at_several_snapshots_is_handed_over_once() -> None:
    probability, label, clusters = [0.5, 0.6, 0.7, 0.1], [0, 1, 1, 0], [1, 1, 2, 3]
    rows = LabelRows(label, clusters, leads=["a", "a", "b", "c"], weeks=1)
    found = evaluate_policy(_policy(0.4, 0.8), probability, rows, random_state=0)["mql"]
    assert found.per_week is not None
    assert (found.selected, found.per_week.value) == (3, 2.0)
    undated = evaluate_policy(_policy(0.4, 0.8), probability, LabelRows(label, clusters), random_state=0)
    assert undated["mql"].per_week is None


def test_a_lead_that_met_a_threshold_before_the_period_is_not_counted_again() -> None:
    rows = LabelRows([0, 1, 1, 0], [1, 1, 2, 3], ["a", "a", "b", "c"], weeks=1, before=[0.45, 0.45, 0.0, 0.9])
    found = evaluate_policy(_policy(0.4, 0.55), [0.5, 0.6, 0.7, 0.1], rows, random_state=0)
    assert (found["mql"].per_week.value, found["sql"].per_week.value) == (1.0, 2.0)
    assert (found["mql"].selected, found["sql"].selected) == (3, 2)


def test_volume_and_value_are_measured_on_nights_where_there_are_some() -> None:
    rules = {"mql": LabelRule(policy="value", gain=10, cost=4)}
    policy = choose_thresholds([0.1, 0.9], [0, 1], rules, weeks=1)
    by_age = LabelRows([0, 1, 1, 0], [1, 2, 3, 4], weeks=1)
    nights = LabelRows(
        [0, 1, 0, 1, 0], [1, 1, 2, 3, 4], ["a", "a", "b", "c", "d"], 2.0, [0.0, 0.0, 0.0, 0.9, 0.0]
    )
    volume = VolumeRows(np.array([0.5, 0.6, 0.7, 0.8, 0.1]), nights, GateInputs())
    found = evaluate_policy(policy, [0.5, 0.6, 0.7, 0.1], by_age, volume=volume, random_state=0)["mql"]
    assert (found.selected, found.converted) == (3, 2)
    assert found.per_week is not None
    assert found.value is not None
    # Leads a and b come, neither converts from the night on which it is called; c came before.
    assert (found.per_week.value, found.value.value) == (1.0, -4.0)


def test_a_label_nobody_has_makes_no_claim_of_precision() -> None:
    rows = LabelRows([0, 1], clusters=[1, 2], weeks=1)
    found = evaluate_policy(_policy(0.2, 0.95), [0.3, 0.4], rows, random_state=0)["sql"]
    assert found.precision is None
    assert found.recall is not None
    assert found.per_week is not None
    assert (found.recall.value, found.per_week.value) == (0.0, 0.0)


def test_what_was_predicted_is_compared_with_what_was_observed() -> None:
    policy = _policy(0.4, 0.8)
    predicted = {
        "precision": PredictionInterval(0.5, 0.4, 0.7),
        "recall": PredictionInterval(0.9, 0.8, 1.0),
        "per_week": PredictionInterval(2, 1, 3),
    }
    outcomes = tuple(replace(outcome, predictions=predicted) for outcome in policy.outcomes)
    rows = LabelRows([0, 1, 1, 0, 1], clusters=[1, 2, 3, 4, 5])
    found = evaluate_policy(
        replace(policy, outcomes=outcomes), [0.4, 0.5, 0.8, 0.1, 0.3], rows, random_state=0
    )
    mql = found["mql"]
    assert mql.predicted == LabelPrediction(
        precision=Estimate(0.5, 0.4, 0.7), recall=Estimate(0.9, 0.8, 1.0), per_week=Estimate(2, 1, 3)
    )
    # Two of three convert; two of three conversions are among them; without dates no week can be counted.
    assert mql.within_range == WithinRange(precision=True, recall=False, per_week=None, value=None)


def test_a_label_that_ships_keeps_what_was_measured_beside_its_own_threshold() -> None:
    rows = LabelRows([0, 1, 1, 0, 1], clusters=[1, 2, 3, 4, 5], weeks=2)
    found = evaluate_policy(_policy(0.4, 0.8), [0.4, 0.5, 0.8, 0.1, 0.3], rows, random_state=0)["mql"]
    shipped = LabelOutcome(
        "mql",
        {"policy": "fixed", "value": 0.35},
        0.35,
        *(None, None, None),
        selected=9,
        converted=4,
        note="few conversions",
        predictions={"precision": PredictionInterval(0.4, 0.3, 0.5)},
    )
    label = describe_shipped(found, shipped, policy="Fixed by hand")
    assert (label.threshold, label.evaluated_at, label.note, label.policy) == (
        0.35,
        0.4,
        "few conversions",
        "Fixed by hand",
    )
    assert label.next == LabelPrediction(precision=Estimate(0.4, 0.3, 0.5))
    assert (label.selected, label.precision, label.predicted) == (3, found.precision, found.predicted)


def test_of_nobody_selected_nothing_is_said() -> None:
    nobody = evaluate_selection(np.zeros(3, dtype=bool), [0, 1, 1], clusters=[1, 2, 3], random_state=0)
    assert (nobody.selected, nobody.converted, nobody.precision) == (0, 0, None)
    some = evaluate_selection(np.array([True, True, False]), [0, 1, 1], clusters=[1, 2, 3], random_state=0)
    assert some.precision is not None
    assert (some.selected, some.converted, some.precision.value) == (2, 1, 0.5)


def test_intervals_cover_what_later_weeks_bring_when_leads_are_clustered() -> None:
    rng = np.random.default_rng(1)
    truth = expit(rng.normal(-1, 1, 400_000))
    precision = truth[truth >= 0.4].mean()
    hits = 0
    for _ in range(100):
        chance = np.repeat(expit(rng.normal(-1, 1, 200)), 2)
        label = np.repeat(rng.random(200), 2) < chance
        found = evaluate_policy(
            _policy(0.4, 0.6),
            chance,
            LabelRows(label, clusters=np.repeat(np.arange(200), 2), weeks=4),
            random_state=0,
            n_bootstrap=200,
        )["mql"]
        assert found.precision is not None
        hits += found.precision.low <= precision <= found.precision.high
    assert 87 <= hits <= 100


def test_one_class_is_refused() -> None:
    with pytest.raises(PopulationError, match="0 of 2 converted"):
        evaluate_policy(
            _policy(0.2, 0.5), [0.3, 0.4], LabelRows([0, 0], clusters=[1, 2], weeks=1), random_state=0
        )
