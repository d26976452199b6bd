"""Ageing is found where the world changes and is not found where it stays; every pair keeps people apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from mqlml.evaluation.ageing import Ageing, AgeStep, measure_ageing, recommend
from mqlml.evaluation.bootstrap import Estimate
from mqlml.evaluation.holdout import HeldOut
from mqlml.evaluation.periods import (
    FoldEvaluation,
    Forecast,
    evaluate_folds,
    evaluate_losses,
    fit_slope,
    forecast_across_periods,
    of_one_size,
    shrink,
)
from mqlml.model import LeadScorer
from mqlml.simulate import simulate
from mqlml.times import DAY
from mqlml.training import Fold, build_table, rolling_folds
from tests.commands.test_learn import config

SCORER = LeadScorer(n_trees=20, random_state=0)


def make_world(seed: int, *, turns: float, rises: float, n: int = 5000) -> tuple[pd.DataFrame, ...]:
    """A year of leads; over it one feature's effect turns into its opposite, or the base rate rises, or neither."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.uniform(0, 360, n))
    features = pd.DataFrame(rng.normal(size=(n, 3)), columns=["one", "two", "three"])
    effect = 1.2 * (1 - turns * day / 180)
    odds = -2 + effect * features["one"] + 0.6 * features["two"] + rises * day / 360
    label = (rng.random(n) < expit(odds)).astype(np.int8)
    return features, label, (day * DAY).astype(np.int64), np.arange(n)  # type: ignore[return-value]


def age(seed: int, *, turns: float = 0.0, rises: float = 0.0) -> Ageing:
    features, label, time, group = make_world(seed, turns=turns, rises=rises)
    folds = rolling_folds(
        time, label, group, group, label_span=20 * DAY, n_folds=9, min_positives=200, dated=True
    )
    folds = of_one_size(folds)
    forecasts = forecast_across_periods(SCORER, features, label, group, folds, later=True)
    found = measure_ageing(forecasts, label, time, folds, clusters=group, random_state=0)
    assert found is not None
    return found


SEEDS = range(3)


@pytest.mark.parametrize("change", [{"turns": 1.0}, {"rises": 2.0}], ids=["effects turn", "rate rises"])
def test_where_the_world_changes_age_is_found(change: dict[str, float]) -> None:
    for seed in SEEDS:
        found = age(seed, **change)
        assert found.found
        assert found.retrain_every is not None
        assert found.retrain_every <= 95
        assert found.steps[-1].added.value > found.steps[0].added.value


def test_where_the_world_stays_age_is_not_found() -> None:
    for seed in SEEDS:
        found = age(seed)
        assert not found.found
        assert found.retrain_every is None
        assert found.skill.low > 0
        assert found.per_30_days is not None
        assert abs(found.per_30_days.value) < 0.05 * found.skill.value
        assert found.safe_days is not None
        assert 30 < found.safe_days <= found.observed


@pytest.mark.parametrize("seed", [4, 5])
@pytest.mark.parametrize("drift", [0.0, 2.5], ids=["no drift", "drift"])
def test_the_simulators_drift_is_found_and_where_there_is_none_nothing_is(drift: float, seed: int) -> None:
    """More seeds, and the settings as they ship: ``benchmarks/trust.py``."""
    world = simulate(5000, random_state=seed, drift=drift, days=720)
    until = world.observed_until.date().isoformat()
    settings = config(
        data={"observed_until": until, "leads": {"path": "l"}, "outcomes": {"path": "o"}},
        problem={"horizon": "30d", "snapshots": {"ages": ["0d", "30d"]}},
        windows=["all"],
    )
    table = HeldOut(build_table(world.journeys(), settings)).past
    folds = rolling_folds(
        table.time,
        table.label,
        table.group,
        table.holdout.train,
        label_span=table.label_span,
        n_folds=12,
        min_positives=int(table.label.sum() / 3),
        dated=True,
    )
    folds = of_one_size(folds)
    forecasts = forecast_across_periods(SCORER, table.features, table.label, table.group, folds, later=True)
    found = measure_ageing(forecasts, table.label, table.time, folds, clusters=table.group, random_state=0)
    assert found is not None
    assert found.found == (drift > 0)
    assert (found.retrain_every is not None) == (drift > 0)


def test_nobody_is_judged_by_a_model_that_learned_from_them() -> None:
    """Some accounts stay for long: in a few folds they are purged, in others dealt into parts."""
    features, label, time, _ = make_world(0, turns=0, rises=0, n=2000)
    rng = np.random.default_rng(2)
    group = np.where(rng.random(2000) < 0.25, rng.integers(0, 40, 2000), np.arange(2000))
    folds = rolling_folds(
        time, label, group, np.arange(2000), label_span=DAY, n_folds=6, min_positives=40, dated=True
    )
    assert {len(fold.parts) for fold in folds} == {1, 3} or len(folds[0].parts) > 1
    forecasts = forecast_across_periods(SCORER, features, label, group, folds, later=True)
    assert [found.made for found in forecasts if found.made == found.period] == list(range(len(folds)))
    for found in forecasts:
        fold, rows = folds[found.made], found.rows
        assert set(rows) <= set(folds[found.period].test)
        assert len(set(rows)) == len(rows) == len(found.raw)
        learned = [set(group[train]) for train, _ in fold.parts]
        for account in group[rows]:
            assert any(account not in part for part in learned)
        # Everyone whom some model of the fold did not learn from is judged.
        fit_to_judge = [
            row for row in folds[found.period].test if any(group[row] not in part for part in learned)
        ]
        assert len(rows) == len(fit_to_judge)


def test_the_loss_added_is_that_of_the_same_leads_by_hand() -> None:
    label = np.array([0, 1, 0, 1, 1, 0, 0, 1], dtype=np.int8)
    time = np.arange(8) * DAY
    folds = [
        Fold(
            np.array([0, 1]), np.array([2, 3]), ((np.array([0, 1]), np.array([2, 3])),), 2 * DAY, 3 * DAY, 0
        ),
        Fold(np.arange(4), np.array([4, 5]), ((np.arange(4), np.array([4, 5])),), 4 * DAY, 5 * DAY, 0),
        Fold(np.arange(6), np.array([6, 7]), ((np.arange(6), np.array([6, 7])),), 6 * DAY, 7 * DAY, 0),
    ]  # the base rate known is a half each time, so probabilities are those of the raw scores times the slope
    forecasts = (
        Forecast(0, 0, np.array([2, 3]), np.array([-1.0, 0.5])),
        Forecast(0, 1, np.array([4]), np.array([-1.0])),
        Forecast(0, 2, np.array([6, 7]), np.array([1.0, 1.0])),
        Forecast(1, 1, np.array([4, 5]), np.array([1.0, -2.0])),
        Forecast(1, 2, np.array([6, 7]), np.array([-1.0, 2.0])),
        Forecast(2, 2, np.array([6, 7]), np.array([-1.0, -1.0])),
    )
    found = measure_ageing(forecasts, label, time, folds, clusters=np.arange(8), random_state=0)
    assert found is not None
    own = [found for found in forecasts if found.made == found.period]
    slope = fit_slope((one.raw, label[one.rows], 0.5) for one in own)

    def loss(raw: float, won: int) -> float:
        return float(np.logaddexp(0, -slope * raw if won else slope * raw))

    near = [loss(-1, 1) - loss(1, 1), loss(-1, 0) - loss(-1, 0), loss(2, 1) - loss(-1, 1)]
    far = [loss(1, 0) - loss(-1, 0), loss(1, 1) - loss(-1, 1)]
    assert [step.older for step in found.steps] == [2.0, 4.0]
    assert [(step.pairs, step.n) for step in found.steps] == [(2, 3), (1, 2)]
    assert found.steps[0].added.value == pytest.approx(np.mean(near))
    assert found.steps[1].added.value == pytest.approx(np.mean(far))
    assert found.steps[0].since_training == pytest.approx(np.mean([2, 2, 3]))
    assert found.observed == 5
    assert found.per_30_days is not None
    line = 30 * (2 * sum(near) + 4 * sum(far)) / (4 * 3 + 16 * 2)
    assert found.per_30_days.value == pytest.approx(line)
    fresh = [loss(-1, 0), loss(0.5, 1), loss(1, 1), loss(-2, 0), loss(-1, 0), loss(-1, 1)]
    assert found.skill.value == pytest.approx(np.log(2) - np.mean(fresh))


def test_without_a_later_period_nothing_is_said() -> None:
    fold = Fold(np.arange(2), np.array([2, 3]), ((np.arange(2), np.array([2, 3])),), 2, 3, 0)
    one = (Forecast(0, 0, np.array([2, 3]), np.array([-1.0, 0.5])),)
    label = np.array([0, 1, 0, 1], dtype=np.int8)
    assert measure_ageing(one, label, np.arange(4), [fold], clusters=np.arange(4), random_state=0) is None


def step(older: float, added: float, n: int = 100) -> AgeStep:
    return AgeStep(older, older + 15, 1, n, 0.3 + added, 0.3, Estimate(added, added - 0.01, added + 0.01))


CLEAR, NOISE = Estimate(0.01, 0.005, 0.015), Estimate(0.01, -0.001, 0.02)
SKILL = Estimate(0.1, 0.08, 0.12)


@pytest.mark.parametrize(
    ("added", "line", "skill", "expected"),
    [
        ([0.001, 0.009, 0.02], CLEAR, SKILL, 60),
        ([0.001, 0.02, 0.004], CLEAR, SKILL, 30),  # smoothed: 0.012 for both later steps
        ([0.02, 0.03, 0.04], CLEAR, SKILL, 30),
        ([0.001, 0.002, 0.003], CLEAR, SKILL, None),
        ([0.02, 0.03, 0.04], NOISE, SKILL, None),
        ([0.02, 0.03, 0.04], None, SKILL, None),
        ([0.02, 0.03, 0.04], CLEAR, Estimate(0.1, -0.01, 0.2), None),
    ],
    ids=["the second", "smoothed", "even the first", "none", "noise", "too few folds", "no skill"],
)
def test_the_interval_recommended(
    added: list[float], line: Estimate | None, skill: Estimate, expected: int | None
) -> None:
    steps = [step(30 * (place + 1), value) for place, value in enumerate(added)]
    assert recommend(steps, skill, line) == expected


@pytest.mark.parametrize(
    ("line", "skill", "expected"),
    [
        # A tenth of the skill is 0.01 nats: twice what 30 days may cost.
        (Estimate(0.002, -0.001, 0.005), SKILL, 60),
        (Estimate(0.001, -0.001, 0.0001), SKILL, 200),
        (Estimate(-0.002, -0.003, -0.001), SKILL, 200),
        (Estimate(0.02, -0.01, 0.05), SKILL, 6),
        (None, SKILL, None),
        (CLEAR, Estimate(0.1, -0.01, 0.2), None),
    ],
    ids=["by the upper end", "as far as observed", "better with age", "hardly", "too few folds", "no skill"],
)
def test_how_long_a_model_surely_keeps(line: Estimate | None, skill: Estimate, expected: int | None) -> None:
    assert Ageing((), skill, line, 200, None).safe_days == expected


def test_a_slope_of_one_keeps_what_is_sure_already_and_overconfidence_is_shrunk() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(-2, 1, 20_000)
    label = (rng.random(20_000) < expit(raw)).astype(np.int8)
    rate = float(label.mean())
    middle = float(logit(rate))
    assert fit_slope([(raw, label, rate)]) == pytest.approx(1.0, abs=0.1)
    sure = middle + 2 * (raw - middle)
    assert fit_slope([(sure, label, rate)]) == pytest.approx(0.5, abs=0.05)
    assert shrink(np.array([middle, 0.0]), base_rate=rate, slope=0.0) == pytest.approx(rate)
    assert shrink(raw, base_rate=rate, slope=1.0) == pytest.approx(expit(raw))


def test_periods_are_judged_with_what_was_known_then() -> None:
    features, label, time, group = make_world(1, turns=0, rises=0, n=3000)
    folds = rolling_folds(
        time, label, group, group, label_span=20 * DAY, n_folds=6, min_positives=100, dated=True
    )
    forecasts = forecast_across_periods(SCORER, features, label, group, folds, later=True)

    def evaluate(label: np.ndarray) -> tuple[FoldEvaluation, ...]:
        evaluated, _ = evaluate_folds(
            forecasts, label, time, folds, label_span=20 * DAY, clusters=group, random_state=0
        )
        return evaluated

    found = evaluate(label)
    assert [period.n for period in found] == [len(fold.test) for fold in folds]
    assert found[0].slope == 1.0
    for period, fold in zip(found, folds, strict=True):
        assert period.base_rate_known == label[fold.train].mean()
        for name in (
            "roc_auc",
            "log_loss",
            "brier",
            "log_loss_base_rate",
            "brier_base_rate",
            "overprediction",
            "average_precision",
            "ece",
        ):
            estimate = getattr(period, name)
            assert isinstance(estimate, Estimate)
            assert estimate.low < estimate.value < estimate.high
        assert period.log_loss_base_rate is not None
        assert period.log_loss is not None
        assert period.gain is not None
        gain = period.log_loss_base_rate.value - period.log_loss.value
        assert period.gain.value == pytest.approx(gain)
    # Outcomes that became known after the third period began say nothing of how it, or any before, was predicted.
    changed = label.copy()
    changed[time + 20 * DAY > folds[2].start] ^= 1
    again = evaluate(changed)
    assert [period.slope for period in again[:3]] == [period.slope for period in found[:3]]
    assert [period.predicted for period in again[:3]] == [period.predicted for period in found[:3]]


def test_a_period_in_which_nobody_converts_is_shown_without_metrics() -> None:
    features, label, time, group = make_world(1, turns=0, rises=0, n=1500)
    folds = rolling_folds(
        time, label, group, group, label_span=20 * DAY, n_folds=6, min_positives=50, dated=True
    )
    label[folds[1].test] = 0
    forecasts = forecast_across_periods(SCORER, features, label, group, folds, later=True)
    evaluated, together = evaluate_folds(
        forecasts, label, time, folds, label_span=20 * DAY, clusters=group, random_state=0
    )
    assert evaluated[1].roc_auc is None
    assert (evaluated[1].n, evaluated[1].positives) == (len(folds[1].test), 0)
    assert evaluated[2].roc_auc is not None
    assert together.n == sum(len(fold.test) for fold in folds)
    # Losses are known all the same, and where both are, they are the same numbers.
    losses = evaluate_losses(
        forecasts, label, time, folds, label_span=20 * DAY, clusters=group, random_state=0
    )
    assert losses[1].positives == 0
    assert losses[1].log_loss is not None
    assert losses[1].log_loss.value == pytest.approx(-np.log1p(-evaluated[1].predicted), rel=0.2)
    assert (losses[2].n, losses[2].positives) == (evaluated[2].n, evaluated[2].positives)
    for name in ("log_loss", "log_loss_base_rate", "gain"):
        found, known = getattr(losses[2], name), getattr(evaluated[2], name)
        assert (found.value, found.low, found.high) == pytest.approx((known.value, known.low, known.high))


def test_a_model_that_has_nothing_to_learn_from_says_the_base_rate() -> None:
    label = np.tile([0, 0, 0, 1], 50).astype(np.int8)
    features = pd.DataFrame({"constant": np.ones(200)})
    fold = Fold(np.arange(100), np.arange(100, 200), ((np.arange(100), np.arange(100, 200)),), 100, 199, 0)
    (found,) = forecast_across_periods(SCORER, features, label, np.arange(200), [fold], later=True)
    assert found.raw == pytest.approx(logit(0.25))
