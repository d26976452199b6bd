from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit

from mqlml.config import LabelRule
from mqlml.errors import LabelPolicyError
from mqlml.evaluation import LabelRows, evaluate_policy
from mqlml.policy import (
    LabelPolicy,
    ThresholdData,
    add_prediction_intervals,
    choose_policy,
    make_threshold_data,
    make_volume_data,
)

RULES = {
    "mql": LabelRule(policy="value", gain=1000, cost=150, too_early=50, too_late=100),
    "sql": LabelRule(policy="min_precision", value=0.4),
}
WEEKS, NEXT = 40, 10


def world(
    seed: int, *, per_week: float = 25, spread: float = 0.0, weeks: int = WEEKS
) -> dict[str, np.ndarray]:
    """Leads of weeks with a true probability; ``spread`` is the sd of what each block of ten weeks adds to it."""
    rng = np.random.default_rng(seed)
    week = np.repeat(np.arange(weeks), rng.poisson(per_week, weeks))
    shift = np.repeat(rng.normal(0, spread, weeks // NEXT), NEXT)[week]
    known = rng.normal(-1.2, 1.1, len(week))
    label = rng.random(len(week)) < expit(known + shift)
    return {"time": week + rng.random(len(week)), "probability": expit(known), "label": label.astype(int)}


def past_of(data: dict[str, np.ndarray], until: float) -> ThresholdData:
    rows = data["time"] < until
    return make_threshold_data(
        data["probability"][rows],
        data["label"][rows],
        weeks=until,
        time=data["time"][rows],
        periods=[(0, until)],
    )


def promise_by(snapshots: ThresholdData, rules: dict[str, LabelRule], *, length: float = NEXT) -> LabelPolicy:
    policy = choose_policy(snapshots, rules)
    return add_prediction_intervals(policy, snapshots, rules, length=length, random_state=0, n_resamples=100)


def promised(snapshots: ThresholdData, *, length: float = NEXT) -> LabelPolicy:
    return promise_by(snapshots, RULES, length=length)


@pytest.fixture(scope="module")
def policy() -> LabelPolicy:
    return promised(past_of(world(0), WEEKS))


@pytest.mark.parametrize("spread", [0.0, 0.3], ids=["weeks alike", "weeks differ"])
def test_what_comes_lies_in_the_promise_in_nine_worlds_of_ten(spread: float) -> None:
    """At least 85 % is what is asked for; with 50 worlds the share may be 0.05 below its mean by chance."""
    kept = {("mql", "precision"): [], ("mql", "value"): [], ("mql", "per_week"): [], ("sql", "precision"): []}
    for seed in range(50):
        data = world(seed, spread=spread, weeks=WEEKS + NEXT)
        later = data["time"] >= WEEKS
        came = evaluate_policy(
            promised(past_of(data, WEEKS)),
            data["probability"][later],
            LabelRows(data["label"][later], clusters=np.arange(later.sum()), weeks=NEXT),
            random_state=0,
            n_bootstrap=2,
        )
        for label, what in kept:
            kept[label, what].append(getattr(came[label].within_range, what))
    for found in kept.values():
        assert np.mean(found) >= 0.85 - 0.05


def test_the_promise_allows_for_the_luck_that_chose_the_threshold() -> None:
    """The lowest threshold that reaches a high precision on few leads reaches it by luck; later leads show it."""
    rules = {"sql": LabelRule(policy="min_precision", value=0.8)}
    seemed, said, came, kept = [], [], [], []
    later = world(1000, per_week=1000)
    for seed in range(30):
        snapshots = past_of(world(seed, per_week=8), WEEKS)
        try:
            sql = promise_by(snapshots, rules).outcomes[0]
        except LabelPolicyError:
            continue  # no threshold seems to reach it
        reached = later["probability"] >= sql.threshold
        if "precision" in sql.predictions and reached.any():
            promise = sql.predictions["precision"]
            seemed.append(sql.precision)
            said.append(promise.value)
            came.append(later["label"][reached].mean())
            kept.append(promise.low <= came[-1] <= promise.high)
    assert len(kept) >= 20
    assert np.mean(seemed) - np.mean(came) > 0.02
    assert np.mean(said) < np.mean(seemed)
    assert np.mean(kept) >= 0.9


def test_more_leads_and_a_longer_period_promise_more_closely(policy: LabelPolicy) -> None:
    def width(found: LabelPolicy) -> float:
        promise = found.outcomes[0].predictions["precision"]
        return promise.high - promise.low

    assert width(promised(past_of(world(0, per_week=100), WEEKS))) < 0.75 * width(policy)
    assert width(promised(past_of(world(0), WEEKS), length=1)) > 1.5 * width(policy)


def test_weeks_that_differ_widen_the_promise(policy: LabelPolicy) -> None:
    apart = promised(past_of(world(0, spread=0.8), WEEKS)).outcomes[0].predictions["precision"]
    alike = policy.outcomes[0].predictions["precision"]
    assert apart.high - apart.low > 1.5 * (alike.high - alike.low)


def test_each_policy_promises_what_it_is_about(policy: LabelPolicy) -> None:
    mql, sql = policy.outcomes
    assert set(mql.predictions) == {"precision", "recall", "per_week", "value"}
    assert set(sql.predictions) == {"precision", "recall", "per_week"}
    for outcome in policy.outcomes:
        for what, promise in outcome.predictions.items():
            assert promise.low < promise.value < promise.high
            assert promise.low < getattr(outcome, what) * 1.2


def test_ten_of_ten_do_not_promise_certainty() -> None:
    probability = np.array([0.5] * 10 + [0.1] * 200)
    label = np.array([1] * 10 + [0] * 190 + [1] * 10)
    rng = np.random.default_rng(0)
    snapshots = make_threshold_data(
        probability, label, weeks=WEEKS, time=rng.random(210) * WEEKS, periods=[(0, float(WEEKS))]
    )
    rules = {"mql": LabelRule(policy="fixed", value=0.3)}
    found = add_prediction_intervals(
        choose_policy(snapshots, rules), snapshots, rules, length=NEXT * 2, random_state=0
    )
    assert found.outcomes[0].precision == 1.0
    assert found.outcomes[0].predictions["precision"].low < 0.9


def test_a_volume_is_promised_around_that_of_the_recent_weeks() -> None:
    """Twice as many leads came lately as in the past that is known; what converts is promised as it was."""
    snapshots = past_of(world(0), WEEKS)
    lately = world(1, per_week=50, weeks=10)
    recent = make_volume_data(
        lately["probability"],
        lead=np.arange(len(lately["time"])),
        time=WEEKS + lately["time"],
        period=(WEEKS, WEEKS + 10),
    )
    rules = {"mql": LabelRule(policy="capacity", per_week=8), "sql": LabelRule(policy="fixed", value=0.6)}
    policy = choose_policy(snapshots, rules, recent=recent)
    mql, sql = add_prediction_intervals(
        policy, snapshots, rules, length=NEXT, recent=recent, random_state=0, n_resamples=100
    ).outcomes
    assert mql.per_week == pytest.approx(8, abs=0.2)
    assert mql.predictions["per_week"].low < 8 < mql.predictions["per_week"].high
    assert mql.predictions["per_week"].value == pytest.approx(8, rel=0.1)
    plain = promise_by(snapshots, {"sql": rules["sql"]}).outcomes[0]
    assert sql.predictions["per_week"].value == pytest.approx(
        2 * plain.predictions["per_week"].value, rel=0.4
    )
    assert sql.predictions["precision"].value == pytest.approx(plain.predictions["precision"].value, abs=0.02)
    truth = lately["probability"][lately["probability"] >= mql.threshold].mean()
    assert mql.predictions["precision"].low < truth < mql.predictions["precision"].high


def test_the_same_looks_promise_the_same_and_json_keeps_it(policy: LabelPolicy) -> None:
    assert promised(past_of(world(0), WEEKS)) == policy
    assert LabelPolicy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy


def test_an_order_without_dates_promises_shares_and_value_but_no_volume() -> None:
    data = world(0)
    snapshots = make_threshold_data(
        data["probability"],
        data["label"],
        weeks=None,
        time=np.argsort(np.argsort(data["time"])),
        periods=[(0, len(data["time"]))],
    )
    found = promised(snapshots, length=200).outcomes[0]
    assert set(found.predictions) == {"precision", "recall", "value"}


def test_without_a_place_in_time_nothing_is_promised() -> None:
    snapshots = make_threshold_data([0.1, 0.9], [0, 1], weeks=1)
    rules = {"mql": LabelRule(policy="fixed", value=0.5)}
    found = add_prediction_intervals(
        choose_policy(snapshots, rules), snapshots, rules, length=1, random_state=0
    )
    assert found.outcomes[0].predictions == {}
