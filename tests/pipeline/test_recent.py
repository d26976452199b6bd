"""The recent weeks: who looks at them, and that a capacity is kept by what comes next."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from mqlml.config import Config
from mqlml.evaluation.heldout import HeldOut
from mqlml.journeys.simulate import Simulation, simulate
from mqlml.model import LeadScorer, SigmoidCalibrator
from mqlml.pipeline import Trained, train
from mqlml.pipeline.judge import fit_past
from mqlml.pipeline.recent import find_end, look_recently
from mqlml.timeutil import DAY
from mqlml.training import OpenLooks, TrainingTable, build_open, build_table
from tests.pipeline.test_learn import NOW, config

WEEK = 7 * DAY
SCORER = LeadScorer(n_trees=20, random_state=0)


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulate(700, random_state=5)


@pytest.fixture(scope="module")
def calibrator() -> SigmoidCalibrator:
    found = SigmoidCalibrator()
    found.slope_, found.intercept_, found.note_ = 1.0, 0.0, None
    return found


def parted(world: Simulation, settings: Config) -> tuple[TrainingTable, OpenLooks]:
    held = HeldOut(build_table(world.journeys(), settings))
    return held.past, held.recent


def test_the_model_of_the_past_looks_at_what_came_since(
    world: Simulation, calibrator: SigmoidCalibrator
) -> None:
    settings = config()
    past, recent = parted(world, settings)
    (model,) = fit_past(SCORER, past)
    learned = [(model, past.holdout.train)]
    looks = look_recently(learned, past, recent, calibrator, world.journeys(), settings, None)
    assert looks is not None
    np.testing.assert_array_equal(looks.probability, model.predict_proba(recent.features)[:, 1])
    assert looks.weeks == pytest.approx(60 / 7)
    assert np.isnan(looks.label).all()
    assert len(np.unique(looks.lead)) == len(np.unique(recent.lead))


def test_where_outcomes_come_soon_a_model_of_eight_weeks_ago_looks_at_what_came_since(
    calibrator: SigmoidCalibrator,
) -> None:
    world = simulate(1500, random_state=5)
    settings = config(problem={"horizon": "28d", "snapshots": {"ages": ["0d", "7d"]}})
    past, recent = parted(world, settings)
    start = recent.end - 8 * WEEK
    known = np.flatnonzero(past.time + past.reach <= start)
    model = clone(SCORER).fit(past.features.iloc[known], past.label[known])
    since = past.time > start
    looks = look_recently(
        [(model, past.holdout.train)], past, recent, calibrator, world.journeys(), settings, None
    )
    assert looks is not None
    assert looks.weeks == pytest.approx(8)
    mature = model.predict_proba(past.features[since])[:, 1]
    np.testing.assert_array_equal(looks.probability[: len(mature)], mature)
    assert len(looks.probability) == since.sum() + len(recent.time)


def test_a_day_of_a_grid_stands_for_the_time_until_the_next_and_is_judged_by_who_does_not_know_it(
    world: Simulation, calibrator: SigmoidCalibrator
) -> None:
    settings = config(problem={"horizon": "60d", "snapshots": {"every": "14d"}, "age_limits": ["0d", "365d"]})
    past, recent = parted(world, settings)
    parts = past.holdout.parts
    assert len(parts) == 3
    learned = [(model, rows) for model, (rows, _) in zip(fit_past(SCORER, past), parts, strict=True)]
    looks = look_recently(learned, past, recent, calibrator, world.journeys(), settings, None)
    assert looks is not None
    days = len(np.unique(recent.time))
    assert looks.weeks == pytest.approx(2 * days)
    for place in range(0, len(recent.time), 50):
        strangers = [model for model, rows in learned if recent.group[place] not in past.group[rows]]
        assert strangers
        found = strangers[0].predict_proba(recent.features.iloc[[place]])[0, 1]
        assert looks.probability[place] == found


def test_without_recent_looks_there_is_nothing_to_see(
    world: Simulation, calibrator: SigmoidCalibrator
) -> None:
    grid = {"every": "14d", "until": "2025-03-01"}
    settings = config(problem={"horizon": "60d", "snapshots": grid, "age_limits": ["0d", "90d"]})
    table = build_table(world.journeys(), settings)
    looks = build_open(world.journeys(), settings, table.plan)
    assert len(looks.time) == 0
    learned = [(SCORER, np.arange(0))]
    assert look_recently(learned, table, looks, calibrator, world.journeys(), settings, None) is None


@pytest.fixture(scope="module")
def trained() -> Trained:
    labels = {
        "mql": {"policy": "value", "gain": 1000, "cost": 60},
        "sql": {"policy": "capacity", "per_week": 5},
    }
    return train(config(labels=labels), simulate(2000, random_state=3).journeys(), now=NOW)


def test_what_a_capacity_allows_is_what_comes(trained: Trained) -> None:
    """Thresholds from forward predictions alone let 2.1 times as many in, see benchmarks/README.md."""
    sql = trained.summary["labels"]["sql"]
    assert 3.5 <= sql["per_week"] <= 7
    assert sql["promised"]["per_week"]["value"] == pytest.approx(5, rel=0.15)
    assert sql["next"]["per_week"]["value"] == pytest.approx(5, rel=0.15)


def test_every_promise_of_the_road_has_an_interval(trained: Trained) -> None:
    for name, promised in (
        ("mql", {"precision", "recall", "per_week", "value"}),
        ("sql", {"precision", "recall", "per_week"}),
    ):
        found = trained.summary["labels"][name]
        for stage in ("promised", "next"):
            assert set(found[stage]) == promised
            for promise in found[stage].values():
                assert promise["low"] < promise["value"] < promise["high"]
        assert set(found["kept"]) == promised


def test_two_periods_cannot_promise_calibration_and_the_report_says_so(trained: Trained) -> None:
    assert len(trained.summary["calibration"]["periods"]) == 2
    assert not trained.summary["calibration"]["drift"]
    said = [warning for warning in trained.gate.warnings if "Calibration cannot be promised yet" in warning]
    assert len(said) == 1
    assert "only 2 periods could be predicted before the held-out one" in said[0]
    assert said[0] in trained.report.gate.warnings


@pytest.mark.parametrize("seed", [0, 1])
def test_where_nothing_tells_leads_apart_the_gate_refuses(seed: int) -> None:
    """The held-out period alone says so: the blend is never held back before it."""
    found = train(config(), simulate(1000, random_state=seed, signal=0).journeys(), now=NOW)
    assert found.bundle is None
    assert found.gate.reasons
    assert found.summary["calibration"]["slope"] == 1.0


@pytest.mark.parametrize(
    ("days", "end", "found"),
    [
        (list(range(100)), 100, 100),
        (list(range(100)), 106, 106),
        (list(range(100)), 160, 100),
        ([*range(0, 100, 10)], 105, 105),
        ([*range(0, 100, 10)], 125, 91),
        ([*range(40), *range(60, 100)], 135, 135),
        ([5], 6, 6),
        ([5], 60, 6),
    ],
    ids=[
        "to the end",
        "a week at most",
        "quiet",
        "few leads",
        "few, and quiet",
        "a pause before",
        "one",
        "one long ago",
    ],
)
def test_a_quiet_end_is_no_time_in_which_leads_came(days: list[int], end: int, found: int) -> None:
    time = np.array(days, dtype=np.int64) * DAY
    np.random.default_rng(0).shuffle(time)
    assert find_end(time, end * DAY) == found * DAY
