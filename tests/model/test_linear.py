"""The linear part: exact sums over columns, weights that agree with scikit-learn's, and no surprise tomorrow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from mqlml.model import LeadScorer, TableEncoder, linear_fit
from mqlml.model.linear import LinearPart, NumberEffect, WordEffect, compress
from mqlml.model.linear_fit import fit_linear
from tests.model.tables import make_table


def fit(table: pd.DataFrame, label: npt.ArrayLike, *, spread: float = 1.0) -> LinearPart:
    encoder = TableEncoder().fit(table)
    return fit_linear(encoder, encoder.transform(table), label, spread=spread)


def test_base_and_columns_are_the_score() -> None:
    table, label, _ = make_table(600, seed=1)
    table.insert(2, "constant", 1.0)
    part = fit(table, label)
    later, _, _ = make_table(200, seed=2)
    later.insert(2, "constant", 7.0)
    base, added = part.contributions(later)
    assert added.shape == (200, table.shape[1])
    np.testing.assert_allclose(base + added.sum(axis=1), part.decision_function(later), atol=1e-12)
    assert (added[:, 2] == 0).all()
    assert part.used_features == set(table.columns) - {"constant"}


def test_effects_average_nothing_over_the_training() -> None:
    table, label, _ = make_table(600, seed=1)
    _, added = fit(table, label).contributions(table)
    np.testing.assert_allclose(added.mean(axis=0), 0.0, atol=1e-12)


def test_of_many_rows_some_are_learned_from_with_their_labels_and_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linear_fit, "_MOST_ROWS", 400)
    table, label, _ = make_table(900, seed=1)
    weight = np.random.default_rng(2).uniform(0.5, 2.0, 900)
    scorer = LeadScorer(tree_weight=0.0, linear_weight=1.0, random_state=5)
    scorer.fit(table, label, sample_weight=weight)
    rows = linear_fit.draw_rows(900, 5)
    assert rows is not None
    assert len(rows) == len(set(rows.tolist())) == 400
    encoder = scorer.encoder_
    some = fit_linear(
        encoder,
        encoder.transform(table)[rows],
        label[rows],
        sample_weight=weight[rows],
        spread=scorer.linear_spread,
    )
    assert scorer.linear_ is not None
    np.testing.assert_allclose(
        scorer.linear_.decision_function(table), some.decision_function(table), atol=1e-9
    )


def test_weights_are_those_of_scikit_learns_ridge() -> None:
    """The same design by hand, the same penalty, another solver."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=500), "b": rng.normal(size=500)})
    label = rng.random(500) < expit(table["a"] - 1.5)
    part = fit(table, label, spread=0.5)
    design = np.column_stack(
        [
            (clipped - clipped.mean()) / clipped.std()
            for clipped in (
                np.clip(z, np.sort(z)[2], np.sort(z)[497])
                for z in (compress(table[n].to_numpy()) for n in "ab")
            )
        ]
    )
    peer = LogisticRegression(C=0.5**2 / 2, tol=1e-10, max_iter=1000).fit(design, label)
    np.testing.assert_allclose(part.decision_function(table), peer.decision_function(design), atol=1e-5)


def test_effects_by_hand() -> None:
    number = NumberEffect(low=0.0, high=np.log(4.0), centre=np.log(2.0), slope=2.0, missing=0.5, offset=0.1)
    found = number.add(np.array([1.0, 3.0, 1000.0, -5.0, np.nan]))
    np.testing.assert_allclose(
        found, [-0.1, 2 * np.log(2) - 0.1, 2 * np.log(2) - 0.1, -2 * np.log(2) - 0.1, 0.4]
    )
    word = WordEffect(words=(1.0, -1.0, 0.25), missing=3.0, offset=1.0)
    assert word.add(np.array([0.0, 1.0, 2.0, np.nan])).tolist() == [0.0, -2.0, -0.75, 2.0]


def test_a_stronger_belief_in_sameness_holds_leads_together() -> None:
    table, label, _ = make_table(300, seed=3)
    spreads = [fit(table, label, spread=spread).decision_function(table).std() for spread in (0.01, 0.3, 3.0)]
    assert spreads[0] < 0.02
    assert spreads[0] < spreads[1] < spreads[2]
    assert fit(table, label, spread=0.001).base == pytest.approx(logit(label.mean()), abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(value=st.floats(allow_nan=True, allow_infinity=False))
def test_no_number_of_tomorrow_leaves_what_was_common(value: float) -> None:
    table, label, _ = make_table(300, seed=4)
    part = fit(table, label)
    seen = part.contributions(table)[1][:, 1]
    tomorrow = table.head(1).assign(days=np.float64(value))
    added = part.contributions(tomorrow)[1][0, 1]
    assert seen.min() - 1e-12 <= added <= seen.max() + 1e-12


def test_a_weight_of_two_is_a_row_twice() -> None:
    table, label, _ = make_table(300, seed=5)
    weight = 1.0 + (np.arange(300) % 3 == 0)
    again = np.repeat(np.arange(300), weight.astype(int))
    blend = LeadScorer(tree_weight=0.0, linear_weight=1.0)
    weighted = blend.fit(table, label, sample_weight=weight).decision_function(table)
    repeated = blend.fit(table.iloc[again], label[again]).decision_function(table)
    np.testing.assert_allclose(weighted, repeated, atol=1e-9)


def test_conversions_that_a_column_tells_perfectly_do_not_run_away() -> None:
    table = pd.DataFrame({"x": np.arange(60.0)})
    raw = fit(table, table["x"] > 30, spread=3.0).decision_function(table)
    assert np.isfinite(raw).all()
    assert (raw[31:] > raw[:31].max()).all()


def test_more_rows_than_it_needs_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mqlml.model.linear_fit._MOST_ROWS", 2_000)
    table, label, truth = make_table(6_000, seed=6)
    few = fit(table, label)
    assert np.corrcoef(few.decision_function(table), truth)[0, 1] > 0.9
    assert few == fit(table, label)
