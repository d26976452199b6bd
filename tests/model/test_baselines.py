from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from mqlml.errors import PopulationError, ScorerError
from mqlml.features import Family, Feature
from mqlml.features.catalogue import Unit
from mqlml.features.wording import Named
from mqlml.model import BaseRateBaseline, LogisticBaseline, PointsBaseline, make_baselines
from tests.model.tables import make_table

NAMES = ("base_rate", "points", "logistic")


def _feature(family: Family, what: str, aggregate: str, unit: Unit = "number", **fields: Any) -> Feature:
    return Feature(family, what, aggregate, Named(what), unit, **fields)


FEATURES = (
    _feature("actions", "demo", "count", "count", asks="presence", window="7d"),
    _feature("actions", "demo", "count", "count", asks="presence", window="all"),
    _feature("actions", "download", "count", "count", asks="presence", window="all"),
    _feature("actions", "any", "count", "count", window="all"),
    _feature("actions", "demo", "days_since", "days"),
    _feature("undesirables", "bounce", "count", "count", asks="presence", window="all"),
    _feature("undesirables", "free_mail", "flag", "flag", asks="presence"),
    _feature("profile", "size", "value", asks="presence"),
)

ACTS = pd.DataFrame(
    {
        "actions__demo__count__7d": [0, 1, 0, 5, 0],
        "actions__demo__count__all": [0, 1, 3, 5, 0],
        "actions__download__count__all": [0, 0, 2, 1, np.nan],
        "actions__any__count__all": [0, 1, 5, 6, 0],
        "actions__demo__days_since": [np.nan, 2, 40, 1, np.nan],
        "undesirables__bounce__count__all": [0, 0, 0, 1, 1],
        "undesirables__free_mail__flag": [1, 0, 0, 0, 1],
        "profile__size__value": [5, 5, 5, 5, 5],
    }
)


def test_the_columns_are_those_of_the_features() -> None:
    assert [feature.name for feature in FEATURES] == list(ACTS)


def test_points_are_given_once_for_each_act_and_taken_for_each_undesirable() -> None:
    rule = PointsBaseline(FEATURES)
    assert rule.points(ACTS).tolist() == [-10, 10, 20, 10, -20]


def test_points_become_a_probability_that_rises_with_them() -> None:
    rule = PointsBaseline(FEATURES)
    table = pd.concat([ACTS] * 20, ignore_index=True)
    label = np.tile([0, 0, 1, 1, 0], 20)
    chance = rule.fit(table, label).predict_proba(ACTS)[:, 1]
    assert np.argsort(chance, kind="stable").tolist() == [4, 0, 1, 3, 2]
    assert ((chance > 0) & (chance < 1)).all()


def test_points_of_columns_that_give_none_are_the_base_rate() -> None:
    table, label, _ = make_table(200, seed=1)
    rule = PointsBaseline([_feature("profile", name, "value") for name in table]).fit(table, label)
    np.testing.assert_array_equal(rule.predict_proba(table)[:, 1], np.full(200, label.mean()))


def test_the_base_rate_is_that_of_training() -> None:
    table, label, _ = make_table(300, seed=2)
    later = make_table(50, seed=3)[0]
    np.testing.assert_array_equal(
        BaseRateBaseline().fit(table, label).predict_proba(later)[:, 1], np.full(50, label.mean())
    )


def test_logistic_regression_is_a_fair_opponent() -> None:
    table, label, _ = make_table(3_000, seed=4)
    later, later_label, truth = make_table(3_000, seed=5)
    chance = LogisticBaseline().fit(table, label).predict_proba(later)[:, 1]
    assert roc_auc_score(later_label, chance) > roc_auc_score(later_label, truth) - 0.02
    best = log_loss(later_label, 1 / (1 + np.exp(-truth)))
    assert best - 0.01 < log_loss(later_label, chance) < best + 0.02


def test_logistic_regression_takes_missing_never_seen_and_far_values() -> None:
    table, label, _ = make_table(400, seed=6)
    fitted = LogisticBaseline().fit(table, label)
    odd = pd.concat([table.iloc[:1]] * 3, ignore_index=True)
    odd["source"] = pd.Series(["fax", None, "ads"], dtype="str")
    odd["days"] = np.array([np.nan, 1e30, -1e30], dtype=np.float32)
    chance = fitted.predict_proba(odd)[:, 1]
    assert ((chance >= 0) & (chance <= 1)).all()
    np.testing.assert_array_equal(LogisticBaseline().fit(table, label).predict_proba(odd)[:, 1], chance)


def test_the_design_is_filled_alike_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    table, label, _ = make_table(300, seed=4)
    whole = LogisticBaseline().fit(table, label).predict_proba(table)
    monkeypatch.setattr("mqlml.model.baselines._ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(
        LogisticBaseline().fit(table, label).predict_proba(table), whole, rtol=0, atol=1e-13
    )


def test_a_row_is_rated_alike_among_any_others() -> None:
    rng = np.random.default_rng(0)
    table = rng.uniform(0, 3, (40, 3))
    fitted = LogisticBaseline().fit(table, table[:, 0] > 1.7)
    whole = fitted.predict_proba(table)
    for size in range(1, 41):
        rows = rng.permutation(40)[:size]
        # Products in single precision differ by 6e-8 on processors whose kernels take several rows at once.
        np.testing.assert_allclose(fitted.predict_proba(table[rows]), whole[rows], rtol=0, atol=1e-13)


def test_all_baselines_share_one_face() -> None:
    table = pd.concat([ACTS] * 20, ignore_index=True)
    label = np.tile([0, 0, 1, 1, 0], 20)
    made = make_baselines(FEATURES)
    assert tuple(made) == NAMES
    for baseline in made.values():
        chance = baseline.fit(table, label).predict_proba(ACTS)
        assert chance.shape == (5, 2)
        assert ((chance > 0) & (chance < 1)).all()
        np.testing.assert_allclose(chance.sum(axis=1), 1, rtol=1e-15)
        assert baseline.predict(ACTS).tolist() == (chance[:, 1] > 0.5).astype(int).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_one_class_is_refused(name: str) -> None:
    baseline = make_baselines(FEATURES)[name]
    with pytest.raises(
        PopulationError, match=r"y must hold two classes; found one class only: \[0\.0\] in all 5"
    ):
        baseline.fit(ACTS, np.zeros(5))


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ScorerError, match="one row per lead .*; found inconsistent numbers: 5 in X, 3 in y"):
        BaseRateBaseline().fit(ACTS, [0, 1, 1])
