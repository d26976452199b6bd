"""Degenerate tables, through fit and prediction of trees, logistic part and blend alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mqlml.errors import PopulationError, ScorerError
from mqlml.model import LeadScorer
from tests.model.tables import make_table

PARTS = {"trees": (1.0, 0.0), "logistic": (0.0, 1.0), "blend": (0.5, 0.5)}


@pytest.fixture(params=PARTS, scope="module")
def scorer(request: pytest.FixtureRequest) -> LeadScorer:
    trees, linear = PARTS[request.param]
    return LeadScorer(n_trees=20, tree_weight=trees, linear_weight=linear)


def test_a_constant_column_changes_nothing(scorer: LeadScorer) -> None:
    table, label, _ = make_table(300, seed=1)
    plain = scorer.fit(table, label).decision_function(table)
    wider = table.assign(constant=1.0, same="a")
    np.testing.assert_allclose(scorer.fit(wider, label).decision_function(wider), plain, atol=1e-9)
    assert not {"constant", "same"} & scorer.used_features_
    later = wider.assign(constant=9.0, same="b")
    np.testing.assert_allclose(scorer.decision_function(later), plain, atol=1e-9)


def test_a_window_that_never_differed_from_a_longer_one_does_not_move_later_leads(scorer: LeadScorer) -> None:
    """Leads of at most a week have the same events in 7 days as in all time; older ones have none in 7 days."""
    table, label, _ = make_table(300, seed=1)
    visits = np.random.default_rng(0).poisson(2, 300) + 2.0 * np.asarray(label)
    wider = table.assign(visits_7d=visits, visits_all=visits)
    scorer.fit(wider, label)
    older = wider.assign(visits_7d=0.0)
    np.testing.assert_array_equal(scorer.decision_function(older), scorer.decision_function(wider))
    assert "visits_all" in scorer.used_features_


def test_a_column_without_a_value_changes_nothing_even_where_it_has_one_tomorrow(scorer: LeadScorer) -> None:
    table, label, _ = make_table(300, seed=1)
    plain = scorer.fit(table, label).decision_function(table)
    wider = table.assign(empty=np.nan)
    scorer.fit(wider, label)
    np.testing.assert_allclose(scorer.decision_function(wider.assign(empty=5.0)), plain, atol=1e-9)


def test_every_column_without_a_value_tomorrow_is_scored(scorer: LeadScorer) -> None:
    table, label, _ = make_table(300, seed=2)
    scorer.fit(table, label)
    nothing = table.head(5).assign(visits=np.nan, days=np.nan, opted_in=pd.NA, noise_0=np.nan, noise_1=np.nan)
    nothing["source"] = pd.Series([None] * 5, dtype="str")
    raw = scorer.decision_function(nothing)
    assert np.isfinite(raw).all()
    assert np.ptp(raw) == 0


def test_no_column_that_varies_is_refused(scorer: LeadScorer) -> None:
    table = pd.DataFrame({"a": np.ones(40), "b": np.full(40, np.nan)})
    with pytest.raises(
        ScorerError, match=r"at least one column must vary over the 40 training rows; all 2 are"
    ):
        scorer.fit(table, np.arange(40) % 2)


def test_one_class_is_refused(scorer: LeadScorer) -> None:
    table, _, _ = make_table(40, seed=3)
    with pytest.raises(
        PopulationError, match=r"y must hold two classes; found one class only: \[0\] in all 40"
    ):
        scorer.fit(table, np.zeros(40, dtype=int))


def test_a_word_of_tomorrow_is_scored_as_a_seldom_one(scorer: LeadScorer) -> None:
    table, label, _ = make_table(400, seed=4)
    seldom = table.copy()
    seldom.loc[:4, "source"] = [f"seldom {i}" for i in range(5)]
    scorer.fit(seldom, label)
    one = seldom.iloc[[0, 0]].reset_index(drop=True)
    one.loc[1, "source"] = "webinar of tomorrow"
    raw = scorer.decision_function(one)
    assert np.isfinite(raw).all()
    assert raw[0] == raw[1]


def test_an_infinity_is_refused_by_name_and_row(scorer: LeadScorer) -> None:
    table, label, _ = make_table(60, seed=5)
    bad = table.astype({"days": "float64"})
    bad.loc[7, "days"] = np.inf
    said = r"column 'days' must be finite .*; 1 of 60 .*the first at row 7"
    with pytest.raises(ScorerError, match=said):
        scorer.fit(bad, label)
    scorer.fit(table, label)
    with pytest.raises(ScorerError, match=said):
        scorer.decision_function(bad)
