"""The recent weeks: which model scores them, and that a capacity holds in the next weeks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from markupsafe import escape
from sklearn.base import clone

from mqlml.commands import Trained
from mqlml.commands.choose_thresholds import read_recent_weeks
from mqlml.commands.learn import train
from mqlml.config import Config, LabelRule
from mqlml.evaluation.holdout import HeldOut, fit_past
from mqlml.model import LeadScorer, SigmoidCalibrator
from mqlml.policy import choose_policy, make_threshold_data
from mqlml.render import render_report
from mqlml.simulate import Simulation, simulate
from mqlml.times import DAY
from mqlml.training import ImmatureSnapshots, TrainingTable, build_open, build_table
from tests.commands.test_learn import NOW, config

WEEK = 7 * DAY
SCORER = LeadScorer(n_trees=20, random_state=0)
NOBODY = np.arange(0), np.empty(0)


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulate(700, random_state=5)


@pytest.fixture(scope="module")
def calibrator() -> SigmoidCalibrator:
    found = SigmoidCalibrator()
    found.slope_, found.intercept_, found.note_ = 1.0, 0.0, None
    return found


def parted(world: Simulation, settings: Config) -> tuple[TrainingTable, ImmatureSnapshots]:
    held = HeldOut(build_table(world.journeys(), settings))
    return held.past, held.recent


def test_the_model_of_the_past_scores_later_leads(world: Simulation, calibrator: SigmoidCalibrator) -> None:
    settings = config()
    past, recent = parted(world, settings)
    (model,) = fit_past(SCORER, past)
    learned = [(model, past.holdout.train)]
    snapshots = read_recent_weeks(learned, past, recent, calibrator, world.journeys(), settings, None, NOBODY)
    assert snapshots is not None
    np.testing.assert_array_equal(snapshots.probability, model.predict_proba(recent.features)[:, 1])
    assert snapshots.weeks == pytest.approx(60 / 7)
    assert np.isnan(snapshots.label).all()
    assert len(np.unique(snapshots.lead)) == len(np.unique(recent.lead))


def test_a_lead_that_met_a_threshold_before_the_latest_weeks_is_not_counted_again(
    world: Simulation, calibrator: SigmoidCalibrator
) -> None:
    settings = config()
    past, recent = parted(world, settings)
    (model,) = fit_past(SCORER, past)
    rows = np.flatnonzero(past.time >= past.time.max() - 8 * WEEK)
    raw = model.decision_function(past.features.iloc[rows])
    snapshots = read_recent_weeks(
        [(model, past.holdout.train)], past, recent, calibrator, world.journeys(), settings, None, (rows, raw)
    )
    assert snapshots is not None
    probability = model.predict_proba(past.features.iloc[rows])[:, 1]
    expected = [max(probability[past.lead[rows] == lead], default=0.0) for lead in recent.lead]
    np.testing.assert_allclose(snapshots.before, expected)
    again = snapshots.before > 0
    assert again.any()
    assert not again.all()
    threshold = float(np.median(probability))
    rules = {"sql": LabelRule(policy="fixed", value=threshold)}
    known = make_threshold_data(probability, past.label[rows], weeks=8.0)
    policy = choose_policy(known, rules, recent=snapshots)
    counted = replace(snapshots, before=None)
    everyone = choose_policy(known, rules, recent=counted)
    met = set(snapshots.lead[snapshots.probability >= threshold])
    new = met - set(snapshots.lead[snapshots.before >= threshold])
    assert 0 < len(new) < len(met)
    assert policy.outcomes[0].per_week < everyone.outcomes[0].per_week


def test_with_a_short_horizon_a_model_of_eight_weeks_ago_scores_later_leads(
    calibrator: SigmoidCalibrator,
) -> None:
    world = simulate(1500, random_state=5)
    settings = config(problem={"horizon": "28d", "snapshots": {"ages": ["0d", "7d"]}})
    past, recent = parted(world, settings)
    start = recent.end - 8 * WEEK
    known = np.flatnonzero(past.time + past.label_span <= start)
    model = clone(SCORER).fit(past.features.iloc[known], past.label[known])
    since = past.time > start
    snapshots = read_recent_weeks(
        [(model, past.holdout.train)], past, recent, calibrator, world.journeys(), settings, None, NOBODY
    )
    assert snapshots is not None
    assert snapshots.weeks == pytest.approx(8)
    mature = model.predict_proba(past.features[since])[:, 1]
    np.testing.assert_array_equal(snapshots.probability[: len(mature)], mature)
    assert len(snapshots.probability) == since.sum() + len(recent.time)


def test_a_date_of_a_grid_covers_the_time_until_the_next(
    world: Simulation, calibrator: SigmoidCalibrator
) -> None:
    settings = config(problem={"horizon": "60d", "snapshots": {"every": "14d"}, "age_limits": ["0d", "365d"]})
    past, recent = parted(world, settings)
    parts = past.holdout.parts
    assert len(parts) == 3
    learned = [(model, rows) for model, (rows, _) in zip(fit_past(SCORER, past), parts, strict=True)]
    snapshots = read_recent_weeks(learned, past, recent, calibrator, world.journeys(), settings, None, NOBODY)
    assert snapshots is not None
    days = len(np.unique(recent.time))
    assert snapshots.weeks == pytest.approx(2 * days)
    for place in range(0, len(recent.time), 50):
        strangers = [model for model, rows in learned if recent.group[place] not in past.group[rows]]
        assert strangers
        found = strangers[0].predict_proba(recent.features.iloc[[place]])[0, 1]
        assert snapshots.probability[place] == found


def test_without_recent_snapshots_there_is_no_volume(
    world: Simulation, calibrator: SigmoidCalibrator
) -> None:
    grid = {"every": "14d", "until": "2025-03-01"}
    settings = config(problem={"horizon": "60d", "snapshots": grid, "age_limits": ["0d", "90d"]})
    table = build_table(world.journeys(), settings)
    snapshots = build_open(world.journeys(), settings, table.plan)
    assert len(snapshots.time) == 0
    learned = [(SCORER, np.arange(0))]
    assert (
        read_recent_weeks(learned, table, snapshots, calibrator, world.journeys(), settings, None, NOBODY)
        is None
    )


@pytest.fixture(scope="module")
def trained() -> Trained:
    labels = {
        "mql": {"policy": "value", "gain": 1000, "cost": 60},
        "sql": {"policy": "capacity", "per_week": 5},
    }
    return train(config(labels=labels), simulate(2000, random_state=3).journeys(), now=NOW)


def test_what_a_capacity_allows_is_what_comes(trained: Trained) -> None:
    """Thresholds from forward predictions alone let 2.1 times as many in, see benchmarks/README.md."""
    sql = trained.result.labels["sql"]
    assert sql.per_week is not None
    assert 3.5 <= sql.per_week.value <= 7
    for predicted in (sql.predicted, sql.next):
        assert predicted.per_week is not None
        assert predicted.per_week.value == pytest.approx(5, rel=0.15)


def test_every_prediction_has_an_interval_or_is_left_out(trained: Trained) -> None:
    """With two periods some are left out: "not enough history"."""
    for name, possible in (
        ("mql", {"precision", "recall", "per_week", "value"}),
        ("sql", {"precision", "recall", "per_week"}),
    ):
        found = trained.result.labels[name]
        for stage in (found.predicted, found.next):
            known = {what: estimate for what, estimate in vars(stage).items() if estimate is not None}
            assert {"per_week"} <= set(known) <= possible
            for estimate in known.values():
                assert estimate.low < estimate.value < estimate.high
        given = {what for what, estimate in vars(found.predicted).items() if estimate is not None}
        assert {what for what, within in vars(found.within_range).items() if within is not None} == given


def test_two_periods_cannot_promise_calibration_and_the_report_says_so(trained: Trained) -> None:
    assert len(trained.result.calibration.periods) == 2
    assert not trained.result.calibration.drift
    found = [
        warning
        for warning in trained.gate.warnings
        if "we cannot say that the percentages will stay accurate" in warning
    ]
    assert len(found) == 1
    assert "With only 2 earlier periods to test on" in found[0]
    assert escape(found[0]) in render_report(trained.result)


@pytest.mark.parametrize("seed", [0, 1])
def test_where_nothing_tells_leads_apart_the_gate_refuses(seed: int) -> None:
    """The held-out period alone decides: the model is not shrunk before it."""
    found = train(config(), simulate(1000, random_state=seed, signal=0).journeys(), now=NOW)
    assert found.bundle is None
    assert found.gate.reasons
    assert found.result.calibration.slope == 1.0
