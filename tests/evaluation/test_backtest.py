"""Forward predictions: every row once, by a model that knew neither it nor its account nor its future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from mqlml.errors import PopulationError
from mqlml.evaluation.backtest import measure_folds, predict_across, predict_out_of_time
from mqlml.model import LeadScorer
from mqlml.training import rolling_folds

N, REACH = 3000, 300


def world() -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Accounts of ten whose members all convert or all do not; ``account`` gives it away, ``hint`` tells a little."""
    rng = np.random.default_rng(3)
    group = rng.integers(0, N // 10, N)
    fate = rng.random(N // 10) < 0.3
    label = fate[group].astype(np.int8)
    features = pd.DataFrame({"account": group.astype("float64"), "hint": label + rng.normal(0, 5, N)})
    return features, label, group, np.arange(N)


def test_nobody_is_predicted_from_their_own_account() -> None:
    """With its account on both sides a lead would be given away, as the last lines show."""
    features, label, group, time = world()
    folds = rolling_folds(time, label, group, time, label_span=0, n_folds=4, min_positives=20)
    forward = predict_out_of_time(LeadScorer(), features, label, folds)
    assert roc_auc_score(label[forward.rows], forward.raw) < 0.6
    across = predict_across(LeadScorer(), features, label, group, time)
    assert roc_auc_score(label[across.rows], across.raw) < 0.6
    open_gate = rolling_folds(time, label, time, time, label_span=0, n_folds=4, min_positives=20)
    leaking = predict_out_of_time(LeadScorer(), features, label, open_gate)
    assert roc_auc_score(label[leaking.rows], leaking.raw) > 0.65


def test_the_future_does_not_move_a_prediction() -> None:
    features, label, group, time = world()
    folds = rolling_folds(time, label, group, time, label_span=REACH, n_folds=3, min_positives=20)
    before = predict_out_of_time(LeadScorer(), features, label, folds[:1])
    changed = label.copy()
    changed[time + REACH > folds[0].start] ^= 1
    after = predict_out_of_time(LeadScorer(), features, changed, folds[:1])
    assert (before.raw == after.raw).all()


def test_every_row_once() -> None:
    features, label, group, time = world()
    folds = rolling_folds(time, label, group, time, label_span=REACH, n_folds=3, min_positives=20)
    forward = predict_out_of_time(LeadScorer(), features, label, folds)
    assert len(set(forward.rows)) == len(forward.rows) == len(forward.raw)
    assert any(len(fold.parts) > 1 for fold in folds)  # accounts of ten are nearly all in both
    for fold in folds:
        own = forward.raw[np.isin(forward.rows, fold.test)]
        apart = [
            LeadScorer().fit(features.iloc[train], label[train]).decision_function(features.iloc[test])
            for train, test in fold.parts
        ]
        assert (own == np.concatenate(apart)).all()
    assert forward.periods == tuple((fold.start, fold.end) for fold in folds)
    assert forward.in_time
    for number, fold in enumerate(folds):
        assert set(forward.rows[forward.period == number]) == set(fold.test)
    across = predict_across(LeadScorer(), features, label, group, time[::2])
    assert across.rows.tolist() == time[::2].tolist()
    assert not across.in_time
    assert np.isfinite(across.raw).all()


def test_fewer_accounts_than_folds_are_each_predicted_from_the_others() -> None:
    features, label, _, time = world()
    group = time % 3
    across = predict_across(LeadScorer(), features, label, group, time)
    assert np.isfinite(across.raw).all()
    with pytest.raises(PopulationError, match="at least two accounts to learn from; found one in 3,000 rows"):
        predict_across(LeadScorer(), features, label, np.zeros(N, dtype=int), time)


@pytest.mark.parametrize("across", [False, True], ids=["forward", "across"])
def test_fold_models_are_asked_about_the_rows_they_predicted_in_the_order_of_the_scores(across: bool) -> None:
    features, label, group, time = world()
    if across:
        forward = predict_across(LeadScorer(), features, label, group, time[::2])
    else:
        folds = rolling_folds(time, label, group, time, label_span=REACH, n_folds=3, min_positives=20)
        forward = predict_out_of_time(LeadScorer(), features, label, folds)
    found = measure_folds(
        forward.models,
        features,
        forward.rows,
        lambda model, rows: np.column_stack([model.decision_function(rows), rows["hint"]]),
    )
    np.testing.assert_array_equal(found[:, 0], forward.raw)
    np.testing.assert_array_equal(found[:, 1], features["hint"].to_numpy()[forward.rows])
