"""Contributions add up to the raw score, to the calibrated log-odds and to the families' points, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit

from mqlml.errors import ScorerError
from mqlml.model import (
    LeadScorer,
    SigmoidCalibrator,
    calibrate,
    contribute,
    contribute_in_parts,
    family_points,
)
from tests.model.tables import make_table

SCORERS: dict[str, dict[str, Any]] = {
    "trees": {},
    "the logistic part alone": {"tree_weight": 0.0, "linear_weight": 0.8},
    "a blend, held back": {"tree_weight": 0.5, "linear_weight": 0.3},
    "the base rate alone": {"tree_weight": 0.0, "linear_weight": 0.0},
}


def fit(**settings: Any) -> tuple[LeadScorer, pd.DataFrame]:
    table, label, _ = make_table(600, 1)
    table["constant"] = 3.0
    return LeadScorer(n_trees=30, **settings).fit(table, label), table


def strange_rows() -> pd.DataFrame:
    """Everything missing; a word and numbers never seen."""
    table = make_table(4, 2)[0].assign(constant=[3.0, 4.0, np.nan, 3.0])
    table.loc[0, ["visits", "days", "noise_0", "noise_1"]] = np.nan
    table["source"] = pd.Series([None, "fax", "ads", None], dtype="str")
    table.loc[1, "visits"] = 1e30
    return table


@pytest.mark.parametrize("settings", SCORERS.values(), ids=SCORERS)
def test_base_and_contributions_sum_to_the_raw_score(settings: dict[str, Any]) -> None:
    scorer, table = fit(**settings)
    for rows in (table, strange_rows(), table.iloc[:1]):
        found = contribute(scorer, rows)
        assert found.added.shape == rows.shape
        assert found.names == tuple(table.columns)
        np.testing.assert_allclose(found.total, scorer.decision_function(rows), rtol=0, atol=1e-9)


@pytest.mark.parametrize("settings", SCORERS.values(), ids=SCORERS)
def test_the_base_is_the_mean_of_the_training_rows(settings: dict[str, Any]) -> None:
    scorer, table = fit(**settings)
    found = contribute(scorer, table)
    assert found.base == pytest.approx(scorer.decision_function(table).mean(), abs=1e-9)


def test_a_column_that_training_could_not_use_adds_nothing() -> None:
    scorer, table = fit(linear_weight=0.5)
    found = contribute(scorer, strange_rows())
    assert not found.added[:, table.columns.get_loc("constant")].any()


def test_an_array_without_names_is_explained_too() -> None:
    table, label, _ = make_table(400, 3)
    numbers = table[["visits", "days", "noise_0"]].to_numpy()
    scorer = LeadScorer(n_trees=10).fit(numbers, label)
    found = contribute(scorer, numbers)
    assert found.names == ("x0", "x1", "x2")
    np.testing.assert_allclose(found.total, scorer.decision_function(numbers), rtol=0, atol=1e-9)


def test_parts_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, table = fit(linear_weight=0.5)
    whole = contribute(scorer, table)
    monkeypatch.setattr("mqlml.model.scorer._ENCODED_ROWS", 100)
    parts = list(contribute_in_parts(scorer, table))
    assert [len(part.added) for part in parts] == [100] * 6
    assert {part.base for part in parts} == {whole.base}
    np.testing.assert_array_equal(np.concatenate([part.added for part in parts]), whole.added)


def test_a_row_alone_has_the_contributions_it_has_in_a_batch() -> None:
    scorer, table = fit(linear_weight=0.5)
    whole = contribute(scorer, table)
    for row in (0, 7, 599):
        np.testing.assert_array_equal(
            contribute(scorer, table.iloc[[row]]).added[0], whole.added[row], strict=True
        )


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    tree_weight=st.floats(0, 1.5),
    linear_weight=st.floats(0, 1.5),
    leaves=st.integers(2, 24),
)
def test_any_blend_adds_up(seed: int, tree_weight: float, linear_weight: float, leaves: int) -> None:
    table, label, _ = make_table(200, seed)
    label[:2] = 0, 1
    scorer = LeadScorer(
        n_trees=8,
        max_leaf_nodes=leaves,
        min_samples_leaf=3,
        min_category_count=5,
        tree_weight=tree_weight,
        linear_weight=linear_weight,
    ).fit(table, label)
    rows = pd.concat([make_table(50, seed + 1)[0], strange_rows().drop(columns="constant")])
    found = contribute(scorer, rows)
    np.testing.assert_allclose(found.total, scorer.decision_function(rows), rtol=0, atol=1e-9)


def test_calibrated_contributions_sum_to_the_log_odds_of_the_probability() -> None:
    scorer, table = fit(linear_weight=0.5)
    raw = scorer.decision_function(table)
    calibrator = SigmoidCalibrator().fit(raw, make_table(600, 1)[1])
    given = contribute(scorer, table)
    found = calibrate(given, calibrator)
    np.testing.assert_allclose(found.total, calibrator.decision_function(raw), rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.total, logit(calibrator.predict_proba(raw)[:, 1]), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(given.added, contribute(scorer, table).added, "what was given is as it was")
    in_place = calibrate(given, calibrator, overwrite=True)
    assert in_place.added is given.added
    np.testing.assert_array_equal(in_place.added, found.added)


def test_points_of_the_families_sum_to_the_log_odds() -> None:
    scorer, table = fit(linear_weight=0.5)
    found = contribute(scorer, table)
    families = ["actions", "actions", "channel", "profile", "undesirables", "profile", "profile"]
    points = family_points(found, families)  # type: ignore[arg-type]
    assert points.shape == (600, 4)
    np.testing.assert_allclose(
        found.base + points.sum(axis=1), scorer.decision_function(table), rtol=0, atol=1e-9
    )
    np.testing.assert_array_equal(points[:, 1], found.added[:, 2], "channel has the one column")
    np.testing.assert_allclose(points[:, 2], found.added[:, :2].sum(axis=1), rtol=0, atol=1e-12)


def test_every_column_needs_a_family() -> None:
    scorer, table = fit()
    with pytest.raises(ScorerError, match="each of the 7 columns needs a family .* found 2: .'profile'"):
        family_points(contribute(scorer, table), ["profile", "profile"])


def test_contributions_of_the_right_variable_carry_the_truth() -> None:
    """The simulated log-odds are a sum over columns: what each adds is found again."""
    table, label, _ = make_table(20_000, 5)
    scorer = LeadScorer(linear_weight=0.5, tree_weight=0.5).fit(table, label)
    found = contribute(scorer, table)
    visits = found.added[:, found.names.index("visits")]
    few = table["visits"] < 6
    slope = np.polyfit(table.loc[few, "visits"], visits[few], 1)[0]
    assert slope == pytest.approx(0.4, abs=0.06)
    strength = dict(zip(found.names, np.abs(found.added).mean(axis=0), strict=True))
    assert max(strength["noise_0"], strength["noise_1"], strength["opted_in"]) < 0.2 * strength["visits"]
