"""Training as a whole, on journeys whose true probability is known."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from sklearn.metrics import log_loss, roc_auc_score

from mqlml.commands.learn import Trained, train
from mqlml.config import Config, make_config
from mqlml.errors import GateRefused
from mqlml.evaluation import Disqualification, Estimate, TrainingResult
from mqlml.features import build_features
from mqlml.journeys import Journeys
from mqlml.render.report.page import render_report
from mqlml.results import from_json_safe, to_json_safe
from mqlml.scoring import score
from mqlml.simulate import Simulation, simulate
from mqlml.times import DAY

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def config(**keys: Any) -> Config:
    values: dict[str, Any] = {
        "name": "simulated",
        "data": {"observed_until": "2025-06-24", "leads": {"path": "l"}, "outcomes": {"path": "o"}},
        "problem": {"horizon": "60d", "snapshots": {"ages": ["0d", "7d", "30d"]}},
        "windows": ["7d", "30d", "all"],
        **keys,
    }
    return make_config(values, folder=Path(), where="test")


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulate(5000, random_state=11)


RULES = {
    "promote": [
        {
            "when": {"action": {"in": ["demo_request", "demo_requst"]}, "within": "14d"},
            "to": "sql",
            "reason": "asked",
        }
    ],
    "disqualify": [
        {"when": {"job_title": {"in": ["student", "intern"]}}, "reason": "not a buyer"},
        {
            "when": {"job_title": {"in": ["Student"]}, "country": {"in": ["US"]}},
            "reason": "not a buyer, twice",
        },
    ],
}


@pytest.fixture(scope="module")
def trained(world: Simulation) -> Trained:
    return train(config(rules=RULES), world.journeys(), now=NOW)


def later_looks(world: Simulation) -> pd.DataFrame:
    """Looks at leads of the held-out months, at ages that training saw too; open ones only."""
    leads = world.leads[world.leads["created_at"] >= pd.Timestamp("2025-02-01", tz="UTC")]
    snapshots = pd.concat(
        [
            pd.DataFrame(
                {"lead_id": leads["lead_id"], "cutoff_time": leads["created_at"] + pd.Timedelta(age, "D")}
            )
            for age in (7, 30)
        ],
        ignore_index=True,
    )
    snapshots = snapshots[snapshots["cutoff_time"] < pd.Timestamp(world.observed_until)].reset_index(
        drop=True
    )
    truth = world.true_probability(snapshots, 60 * 86_400_000_000)
    return snapshots.assign(truth=truth)[~np.isnan(truth)].reset_index(drop=True)


def test_probabilities_follow_the_truth(world: Simulation, trained: Trained) -> None:
    """The model cannot know what the oracle knows, but it must rank like it, and mean what it says on average."""
    assert trained.bundle is not None
    snapshots = later_looks(world)
    features = build_features(world.journeys(), snapshots[["lead_id", "cutoff_time"]], trained.bundle.plan)
    found = trained.bundle.calibrator.predict_proba(trained.bundle.scorer.decision_function(features))[:, 1]
    truth = snapshots["truth"].to_numpy()
    assert abs(found.mean() - truth.mean()) < 0.015
    assert np.corrcoef(np.log(found), np.log(truth))[0, 1] > 0.5
    tenth = pd.qcut(found, 10, labels=False, duplicates="drop")
    predicted, real = (pd.Series(values).groupby(tenth).mean().to_numpy() for values in (found, truth))
    assert np.abs(predicted - real).mean() < 0.02
    base = np.full(len(truth), truth.mean())

    def expected_loss(chance: np.ndarray) -> float:
        return float(-(truth * np.log(chance) + (1 - truth) * np.log1p(-chance)).mean())

    gain = (expected_loss(base) - expected_loss(found)) / (expected_loss(base) - expected_loss(truth))
    assert gain > 0.4


def test_the_json_has_what_the_interface_promises(trained: Trained) -> None:
    summary = to_json_safe(trained.result)
    assert {"model", "population", "holdout", "by_age", "baselines", "labels", "leaks", "gate"} <= set(
        summary
    )
    holdout = summary["holdout"]
    assert set(holdout["roc_auc"]) == {"value", "low", "high"}
    assert holdout["roc_auc"]["low"] < holdout["roc_auc"]["value"] < holdout["roc_auc"]["high"]
    assert {"0d", "7d", "30d"} >= set(summary["by_age"])
    assert set(summary["baselines"]) == {"base_rate", "points", "logistic"}
    assert summary["baselines"]["base_rate"]["brier"]["value"] == pytest.approx(holdout["brier_base_rate"])
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert from_json_safe(TrainingResult, summary, where="the stored result") == trained.result


def test_those_a_rule_turns_away_are_counted_once_and_by_the_first_rule(
    world: Simulation, trained: Trained
) -> None:
    first, second = trained.result.disqualified
    titles = world.leads["job_title"].isin(["Student", "Intern"])
    assert 0 < first.selected < 2 * titles.mean() * trained.result.holdout.n
    assert 0 <= first.converted <= 0.5 * first.selected
    assert second == Disqualification("not a buyer, twice", selected=0, converted=0)
    assert f'not a buyer: <data value="{first.selected}">' in render_report(trained.result)


def test_what_the_config_asks_for_in_vain_is_among_the_warnings(trained: Trained) -> None:
    told = [
        warning for warning in trained.gate.warnings if "'demo_requst', which is no event's action" in warning
    ]
    assert len(told) == 1
    assert told[0].endswith("did you mean 'demo_request'?")
    assert escape(told[0]) in render_report(trained.result)


def test_the_error_over_time_ends_with_that_of_the_held_out_period(trained: Trained) -> None:
    periods, held = trained.result.over_time, trained.result.holdout
    assert len(periods) >= 3
    assert [period.held_out for period in periods] == [*[False] * (len(periods) - 1), True]
    assert [period.start for period in periods] == sorted(period.start for period in periods)
    assert all(before.until < after.start for before, after in itertools.pairwise(periods))
    last = periods[-1]
    assert (last.n, last.positives, last.log_loss) == (held.n, held.positives, held.log_loss)
    total = 0.0
    for period in periods:
        assert period.log_loss_base_rate is not None
        assert period.log_loss is not None
        assert period.gain is not None
        gain = period.log_loss_base_rate.value - period.log_loss.value
        assert period.gain.value == pytest.approx(gain)
        assert period.gain.low < gain < period.gain.high
        total += 0.0 if period.held_out else period.n * period.log_loss.value
    # Earlier periods were predicted by the chosen model: together they gain what the choice says they do.
    loss = total / sum(period.n for period in periods[:-1])
    assert loss == pytest.approx(trained.result.choice.out_of_time_log_loss.blend, abs=0.01)


def test_fit_and_engagement_place_all_held_out_looks_and_rank_them(trained: Trained) -> None:
    cells, held = trained.result.fit_by_engagement, trained.result.holdout
    assert sum(cell.n for cell in cells) == held.n
    assert sum(cell.positives for cell in cells) == held.positives
    rate = {(cell.fit, cell.engagement): cell.rate.value for cell in cells}
    predicted = {(cell.fit, cell.engagement): cell.predicted for cell in cells}
    assert len(rate) == 16
    assert rate[3, 3] > rate[0, 0]
    for quarter in range(4):
        assert predicted[quarter, 3] > predicted[quarter, 2] > predicted[quarter, 1] > predicted[quarter, 0]
        assert predicted[3, quarter] > predicted[2, quarter] > predicted[1, quarter] > predicted[0, quarter]


def test_the_result_has_the_learning_curve_and_the_promotions(trained: Trained) -> None:
    curve = trained.result.learning_curve
    assert len(curve) > 1
    assert curve[-1].saved is not None
    assert "Would more history help?" in render_report(trained.result)
    (rule,) = trained.result.promoted
    assert (rule.reason, rule.to) == ("asked", "sql")
    assert rule.selected >= rule.raised >= 0
    assert rule.selected > 0
    assert rule.precision is not None
    assert rule.precision.value == rule.converted / rule.selected


def test_importance_tells_every_feature_in_words_those_that_move_nothing_last(trained: Trained) -> None:
    assert trained.bundle is not None
    importance = trained.result.importance
    assert importance is not None
    used = set(trained.bundle.scorer.get_feature_names_out())
    sentences = {feature.name: feature.sentence for feature in trained.bundle.plan.features}
    assert {row.name for row in importance.features} <= set(sentences)
    assert len({row.name for row in importance.features} & used) > 20
    assert all(row.sentence == sentences[row.name] for row in importance.features)
    moves = [row.drop != Estimate(0.0, 0.0, 0.0) for row in importance.features]
    assert moves == sorted(moves, reverse=True)
    assert sum(row.direction is not None for row in importance.features) == 15


def test_a_version_keeps_the_one_result_and_no_single_lead(world: Simulation, trained: Trained) -> None:
    assert trained.bundle is not None
    assert trained.bundle.result is trained.result
    assert trained.gate is trained.result.gate
    stored = json.dumps(to_json_safe(trained.result))
    assert not [lead for lead in world.leads["email"].dropna().head(200) if lead in stored]


def test_labels_are_judged_at_the_thresholds_of_the_past(trained: Trained) -> None:
    assert trained.bundle is not None
    for name in ("mql", "sql"):
        found = trained.result.labels[name]
        assert found.threshold == trained.bundle.policy.thresholds[name]
        assert found.precision is not None
        assert found.per_week is not None
        assert found.precision.low <= found.precision.value <= found.precision.high
        assert found.per_week.value > 0
    assert trained.bundle.policy.thresholds["mql"] <= trained.bundle.policy.thresholds["sql"]
    mql, sql = (trained.result.labels[name].precision for name in ("mql", "sql"))
    assert mql is not None
    assert sql is not None
    assert sql.value > mql.value


def test_the_same_data_gives_the_same_version(world: Simulation, trained: Trained) -> None:
    shuffled = world.journeys()
    shuffled = replace(
        shuffled,
        events=shuffled.events.sample(frac=1, random_state=1),
        outcomes=shuffled.outcomes.sample(frac=1, random_state=2),
    )
    again = train(config(rules=RULES), shuffled, now=NOW)
    assert to_json_safe(again.result) == to_json_safe(trained.result)
    assert again.bundle is not None
    assert trained.bundle is not None
    assert again.bundle.fingerprint == trained.bundle.fingerprint
    assert again.bundle.policy == trained.bundle.policy


def without_later_wins(journeys: Journeys, start: pd.Timestamp) -> Journeys:
    """One win in 25 at or after a moment was a loss; whoever was open then still is."""
    outcomes = journeys.outcomes.copy()
    late = (outcomes["stage"] == "closed_won") & (outcomes["occurred_at"] >= start)
    outcomes.loc[late & (outcomes["lead_id"].astype("int64") % 25 == 0), "stage"] = "closed_lost"
    return replace(journeys, outcomes=outcomes)


def test_the_held_out_period_has_no_say_in_what_it_judges(world: Simulation, trained: Trained) -> None:
    start = pd.Timestamp(trained.result.holdout.start)
    other = train(config(), without_later_wins(world.journeys(), start), now=NOW)
    assert other.result.holdout.positives < trained.result.holdout.positives
    for name in ("mql", "sql"):
        assert other.result.labels[name].evaluated_at == trained.result.labels[name].evaluated_at
        # Nor in who is selected, as the leads are scored by what was learned before.
        assert other.result.labels[name].selected == trained.result.labels[name].selected


def test_no_signal_is_refused() -> None:
    world = simulate(4000, random_state=3, signal=0.0)
    found = train(config(), world.journeys(), now=NOW)
    assert not found.gate.passed
    assert found.bundle is None
    assert found.result.labels == {}
    page = render_report(found.result)
    assert "efused" in page


def test_too_few_conversions_are_refused_before_training(world: Simulation) -> None:
    with pytest.raises(
        GateRefused, match=r"conversions can be learned from .* 5000 are needed \(gate.min_positives\)"
    ):
        train(config(gate={"min_positives": 5000}), world.journeys(), now=NOW)


def test_the_oracle_is_better_and_mqlml_is_no_oracle(world: Simulation, trained: Trained) -> None:
    """An AUC above the oracle's would be a leak."""
    snapshots = later_looks(world)
    won = world.outcomes[world.outcomes["stage"] == "closed_won"].groupby("lead_id")["occurred_at"].min()
    when = snapshots["lead_id"].map(won)
    label = (
        (when >= snapshots["cutoff_time"]) & (when < snapshots["cutoff_time"] + pd.Timedelta(60, "D"))
    ).to_numpy()
    mature = (
        snapshots["cutoff_time"] + pd.Timedelta(60, "D") <= pd.Timestamp(world.observed_until)
    ).to_numpy()
    oracle = roc_auc_score(label[mature], snapshots["truth"][mature])
    assert log_loss(label[mature], snapshots["truth"][mature]) < log_loss(
        label[mature], np.full(mature.sum(), label[mature].mean())
    )
    assert trained.result.holdout.roc_auc.value < oracle + 0.02


def test_on_a_calendar_grid_probabilities_mean_what_they_say() -> None:
    """The same leads are looked at time and again; what ships must not count on those alone that are gone since."""
    world = simulate(1500, random_state=6)
    every = {"horizon": "60d", "snapshots": {"every": "14d"}, "age_limits": ["0d", "365d"]}
    found = train(config(problem=every, windows=["30d", "all"]), world.journeys(), now=NOW)
    assert found.bundle is not None
    now = world.observed_until
    scores = score(found.bundle, world.journeys(), config(), as_of=now, scored_at=now)
    truth = world.true_probability(scores[["lead_id", "cutoff_time"]], 60 * DAY)
    assert scores["probability"].mean() == pytest.approx(
        truth.mean(), rel=0.15
    )  # 0.044 and 0.047; once 0.031
