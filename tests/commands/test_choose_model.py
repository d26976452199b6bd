"""Choosing the model on a table of its own: what it picks, what stops it, and that later rows have no say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from mqlml.commands.choose_model import PastFolds, choose_model, start_settings
from mqlml.commands.summarize import describe_choice
from mqlml.config.values import Tune
from mqlml.evaluation import measure_curve
from mqlml.evaluation.backtest import measure_folds, predict_out_of_time
from mqlml.model import LeadScorer
from mqlml.policy import interest_points
from mqlml.progress import Silent
from mqlml.training import TrainingTable, rolling_folds
from mqlml.training.splits import holdout_split
from tests.model.tables import make_table


@dataclass
class Stops:
    """A progress that is interrupted before the given trial."""

    before: int

    def step(self, _name: str, /) -> AbstractContextManager[None]:
        return nullcontext()

    def track(self, items: Sequence[Any], _name: str, /) -> Iterable[Any]:
        def given() -> Iterator[Any]:
            for number, item in enumerate(items):
                if number == self.before:
                    raise KeyboardInterrupt
                yield item

        return given()


def table(n: int, *, seed: int, signal: bool = True) -> TrainingTable:
    """A flat training table; the columns tell something about the label, or nothing."""
    features, label, _ = make_table(n, seed=seed)
    if not signal:
        label = np.random.default_rng(seed).permutation(label)
    time = np.arange(n, dtype=np.int64)
    return TrainingTable(
        lead_id=pd.Series(time),
        cutoff_time=pd.Series(pd.NaT, index=features.index, dtype="datetime64[us, UTC]"),
        age=None,
        label=label.astype(np.int8),
        features=features,
        time=time,
        label_span=0,
        group=time.astype(np.intp),
        lead=time.astype(np.intp),
        holdout=holdout_split(time, time.astype(np.intp), label_span=0, share=0.3),
        plan=None,  # type: ignore[arg-type]
        leaks=(),
        waterfall=(),
    )


def choose(made: TrainingTable, tune: Tune = "none", progress: Any = None) -> Any:
    return choose_model(made, tune=tune, random_state=0, progress=progress or Silent())


def test_both_parts_weigh_one_half() -> None:
    made = table(1_500, seed=1)
    chosen = choose(made)
    assert (chosen.scorer.tree_weight, chosen.scorer.linear_weight) == (0.5, 0.5)
    np.testing.assert_allclose(chosen.out_of_time.raw, chosen.out_of_time.parts.mean(axis=1))
    found = describe_choice(chosen, made)
    losses = found.out_of_time_log_loss
    assert losses.blend < losses.base_rate
    assert losses.blend < (losses.trees + losses.logistic) / 2
    assert [(trial.settings, trial.chosen) for trial in found.trials] == [({}, True)]


def test_out_of_time_predictions_are_those_of_the_scorer_chosen() -> None:
    made = table(600, seed=2)
    chosen = choose(made)
    folds = rolling_folds(
        made.time, made.label, made.group, made.holdout.train, label_span=0, n_folds=5, min_positives=20
    )
    again = predict_out_of_time(chosen.scorer, made.features, made.label, folds)
    np.testing.assert_array_equal(again.rows, chosen.out_of_time.rows)
    np.testing.assert_array_equal(again.raw, chosen.out_of_time.raw)


@pytest.mark.parametrize("n", [600, 130], ids=["in time", "across"])
def test_a_logistic_part_fitted_once_serves_other_trees(n: int) -> None:
    """To the bit: neither part of a blend uses the other while it learns."""
    folds = PastFolds(table(n, seed=5), random_state=0)
    start = start_settings(folds.table, 0)
    folds.predict(start)
    other = clone(start).set_params(n_trees=30)
    shared, alone = folds.predict(other), PastFolds(folds.table, random_state=0).predict(other)
    np.testing.assert_array_equal(shared.raw, alone.raw)
    np.testing.assert_array_equal(
        [model.scorer.linear_weight for model in shared.models], [0.5] * len(shared.models)
    )


def interest(model: LeadScorer, rows: pd.DataFrame) -> Any:
    families: Any = ["profile", "actions"] * rows.shape[1]
    return interest_points(model, rows, families[: rows.shape[1]])


@pytest.mark.parametrize("n", [600, 130], ids=["in time", "across"])
def test_fold_models_are_measured_without_fitting_again(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = table(n, seed=5)
    fits = []
    fit = LeadScorer.fit
    monkeypatch.setattr(LeadScorer, "fit", lambda self, X, y: fits.append(1) or fit(self, X, y))
    chosen = choose(made)
    without = len(fits)
    assert chosen.out_of_time.measured is None
    chosen = choose_model(made, tune="none", random_state=0, progress=Silent(), measure=interest)
    assert len(fits) == 2 * without
    expected = measure_folds(chosen.out_of_time.models, made.features, chosen.out_of_time.rows, interest)
    np.testing.assert_array_equal(chosen.out_of_time.measured, expected)
    assert np.ptp(expected, axis=0).min() > 0


def test_the_held_out_period_has_no_say() -> None:
    made = table(600, seed=3)
    turned = made.label.copy()
    turned[made.holdout.test] = 1 - turned[made.holdout.test]
    one, other = choose(made), choose(replace(made, label=turned))
    assert one.trials == other.trials
    np.testing.assert_array_equal(one.out_of_time.raw, other.out_of_time.raw)


@pytest.fixture(scope="module")
def tuned() -> Any:
    return choose(table(300, seed=4), "quick")


def test_tuning_tries_its_budget_and_keeps_what_it_says(tuned: Any) -> None:
    assert len(tuned.trials) == 8
    assert not tuned.stopped
    chosen = [trial for trial in tuned.trials if trial.chosen]
    assert len(chosen) == 1
    assert chosen[0].loss <= tuned.trials[0].loss
    kept = tuned.scorer.get_params()
    assert {name: kept[name] for name in chosen[0].settings} == chosen[0].settings


def test_an_interruption_keeps_the_best_so_far(tuned: Any) -> None:
    stopped = choose(table(300, seed=4), "quick", Stops(before=2))
    assert stopped.stopped
    assert [(trial.settings, trial.loss) for trial in stopped.trials] == [
        (trial.settings, trial.loss) for trial in tuned.trials[:2]
    ]
    assert sum(trial.chosen for trial in stopped.trials) == 1


def test_an_interruption_before_anything_is_found_ends_the_training() -> None:
    with pytest.raises(KeyboardInterrupt):
        choose(table(300, seed=4), "quick", Stops(before=0))


def test_too_little_for_forward_folds_is_judged_across_time() -> None:
    chosen = choose(table(130, seed=5))
    assert not chosen.out_of_time.in_time
    assert np.isfinite(chosen.out_of_time.raw).all()


def test_the_learning_curve_falls_with_more_of_the_past() -> None:
    made = table(2_000, seed=6)
    chosen = choose(made)
    curve = measure_curve(chosen.scorer, made, chosen.folds, chosen.out_of_time.raw, random_state=0)
    assert [point.share for point in curve] == [0.25, 0.5, 1.0]
    losses = [point.log_loss for point in curve]
    assert all(loss.low < loss.value < loss.high for loss in losses)
    assert losses[-1].value < losses[0].value
    assert curve[0].saved is None
    assert curve[-1].saved is not None
    assert curve[-1].saved.value == pytest.approx(losses[-2].value - losses[-1].value)
    assert curve[-1].rows == len(chosen.folds[-1].train)
    assert curve[-1].positives == made.label[chosen.folds[-1].train].sum()
    assert 0.4 < curve[-2].rows / curve[-1].rows < 0.6


def test_without_forward_folds_there_is_no_learning_curve() -> None:
    chosen = choose(table(130, seed=5))
    raw = chosen.out_of_time.raw
    assert measure_curve(chosen.scorer, table(130, seed=5), chosen.folds, raw, random_state=0) == ()


@pytest.mark.parametrize(
    ("positives", "trees", "leaves", "spread"),
    [(1_499, 120, 8, 1.0), (1_500, 150, 8, 3.0), (2_999, 150, 8, 3.0), (3_000, 75, 12, 3.0)],
)
def test_settings_start_freer_with_more_conversions_in_the_past(
    positives: int, trees: int, leaves: int, spread: float
) -> None:
    made = table(8_000, seed=6)
    label = np.ones_like(made.label)
    past = made.holdout.train
    label[past[positives:]] = 0
    start = start_settings(replace(made, label=label), 0)
    assert (start.n_trees, start.max_leaf_nodes, start.linear_spread) == (trees, leaves, spread)
