"""The nights of the latest weeks: which model scores them, and that a capacity holds in the next weeks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from markupsafe import escape

from mqlml.commands.choose_thresholds import _count_learned
from mqlml.commands.count_nights import find_window, learn_from_others, read_later_nights, score_nights
from mqlml.commands.learn import Trained, train
from mqlml.config import Config, LabelRule
from mqlml.evaluation.holdout import HeldOut, fit_past
from mqlml.model import LeadScorer, SigmoidCalibrator
from mqlml.policy import choose_policy, make_threshold_data
from mqlml.render.report.page import render_report
from mqlml.simulate import Simulation, simulate
from mqlml.times import DAY
from mqlml.training import Nights, TrainingTable, build_nights, build_table
from mqlml.training.snapshots import creation_times
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


def latest(world: Simulation, settings: Config) -> tuple[TrainingTable, Nights]:
    """The past of a table, and the nights of the eight weeks before its held-out period."""
    past = HeldOut(build_table(world.journeys(), settings)).past
    start, end = find_window(world.journeys(), past.holdout.start)
    found = build_nights(world.journeys(), settings, past.plan, start=start, end=end)
    assert found is not None
    return past, found


def test_the_model_of_the_past_scores_nights_of_later_leads(
    world: Simulation, calibrator: SigmoidCalibrator
) -> None:
    settings = config()
    past, nights = latest(world, settings)
    (model,) = fit_past(SCORER, past)
    learned = [(model, past.holdout.train)]
    volume = score_nights(nights, learned, past, calibrator, world.journeys(), settings, None, NOBODY)
    inside = nights.time >= nights.start
    expected = model.predict_proba(nights.features[inside])[:, 1]
    np.testing.assert_array_equal(volume.probability, expected)
    assert volume.weeks == pytest.approx(8)
    assert volume.share == 1
    assert np.isnan(volume.label).all()


def test_a_lead_that_met_a_threshold_before_the_window_is_not_counted_again(
    world: Simulation, calibrator: SigmoidCalibrator
) -> None:
    settings = config()
    past, nights = latest(world, settings)
    (model,) = fit_past(SCORER, past)
    rows = np.flatnonzero(past.time >= past.time.max() - 8 * WEEK)
    raw = model.decision_function(past.features.iloc[rows])
    learned = [(model, past.holdout.train)]
    volume = score_nights(nights, learned, past, calibrator, world.journeys(), settings, None, (rows, raw))
    by_age = model.predict_proba(past.features.iloc[rows])[:, 1]
    by_night = model.predict_proba(nights.features)[:, 1]
    earlier, inside = nights.time < nights.start, np.flatnonzero(nights.time >= nights.start)
    expected = [
        max(
            max(by_age[past.lead[rows] == lead], default=0.0),
            max(by_night[earlier & (nights.lead == lead)], default=0.0),
        )
        for lead in nights.lead[inside]
    ]
    np.testing.assert_allclose(volume.before, expected)
    assert volume.before is not None
    assert 0 < (volume.before > 0).mean() < 1
    threshold = float(np.quantile(volume.probability, 0.9))
    rules = {"sql": LabelRule(policy="fixed", value=threshold)}
    known = make_threshold_data(by_age, past.label[rows], weeks=8.0)
    policy = choose_policy(known, rules, recent=volume)
    everyone = choose_policy(known, rules, recent=replace(volume, before=None))
    met = set(volume.lead[volume.probability >= threshold])
    new = met - set(volume.lead[volume.before >= threshold])
    assert 0 < len(new) < len(met)
    assert policy.outcomes[0].per_week < everyone.outcomes[0].per_week


def test_leads_that_the_model_learned_from_are_scored_by_one_that_did_not(
    calibrator: SigmoidCalibrator,
) -> None:
    world = simulate(1500, random_state=5)
    settings = config(problem={"horizon": "28d", "snapshots": {"ages": ["0d", "7d"]}})
    past, nights = latest(world, settings)
    (model,) = fit_past(SCORER, past)
    learned = learn_from_others([(model, past.holdout.train)], past, nights.group)
    assert learned[0] == (model, past.holdout.train)
    assert len(learned) == 3
    of_window = np.isin(past.group[past.holdout.train], nights.group)
    for _, rows in learned[1:]:
        left_out = np.setdiff1d(past.holdout.train, rows)
        assert set(past.group[left_out]) <= set(nights.group)
        assert len(left_out) == pytest.approx(of_window.sum() / 2, rel=0.2)
    volume = score_nights(nights, learned, past, calibrator, world.journeys(), settings, None, NOBODY)
    counts = [int(past.label[rows].sum()) for _, rows in learned]
    assert volume.learned is not None
    assert min(counts) < volume.learned[0] < counts[0]
    inside = np.flatnonzero(nights.time >= nights.start)
    seen = np.random.default_rng(0).choice(len(inside), 60, replace=False)
    for place in seen:
        row = inside[place]
        strangers = [one for one, rows in learned if nights.group[row] not in past.group[rows]]
        assert strangers
        assert volume.probability[place] == strangers[0].predict_proba(nights.features.iloc[[row]])[0, 1]


def test_without_leads_known_before_no_further_model_is_fitted(world: Simulation) -> None:
    past, _ = latest(world, config())
    learned = [(SCORER, past.holdout.train)]
    assert learn_from_others(learned, past, np.array([past.group.max() + 1])) == learned


def test_a_window_ends_with_the_arrivals_and_begins_with_the_period(world: Simulation) -> None:
    data = world.journeys()
    last = int(creation_times(data.leads).max())
    until = last + 300 * DAY
    assert find_window(data, until) == (last + DAY - 8 * WEEK, last + DAY)
    assert find_window(data, last + 1, last - 12 * WEEK) == (last - 12 * WEEK, last + 1)
    assert find_window(data, until, last - 12 * WEEK) == (last - 12 * WEEK, last + DAY)
    first = int(creation_times(data.leads).min())
    assert find_window(data, first + 3 * WEEK)[0] == first  # weeks before the data would halve a volume


def test_volumes_of_the_held_out_period_are_counted_on_all_of_it(
    world: Simulation, calibrator: SigmoidCalibrator
) -> None:
    """Their predictions are for a period as long as that."""
    held = HeldOut(build_table(world.journeys(), config()))
    fitted = fit_past(SCORER, held.past)
    table = held.open()
    volume = read_later_nights(world.journeys(), config(), fitted, table, calibrator, None, NOBODY)
    assert volume is not None
    assert table.holdout.end - table.holdout.start > 10 * WEEK
    (period,) = volume.periods
    assert period == pytest.approx((table.holdout.start / WEEK, table.holdout.end / WEEK), abs=1 / 7)
    assert volume.time.min() < period[0] + 1 / 7
    assert not np.isnan(volume.label).any()


def test_folds_that_ignore_time_learned_from_the_other_parts_of_their_period(world: Simulation) -> None:
    """They begin where the past does, when no outcome was known; later folds learned from what was known then."""
    past, _ = latest(world, config())
    first, last = int(past.time.min()), int(past.time.max())
    assert _count_learned(past, first, last) == pytest.approx(0.8 * past.label.sum())
    middle = (first + last) // 2
    known = past.label[past.time + past.label_span <= middle].sum()
    assert 0 < known == _count_learned(past, middle, last)


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
