from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from mqlml.errors import MqlmlError, PopulationError, ScorerError
from mqlml.model import Contributor, LeadScorer, SigmoidCalibrator
from mqlml.model import scorer as scorer_module
from tests.model.tables import make_table


@pytest.fixture(scope="module")
def fitted() -> tuple[LeadScorer, pd.DataFrame, np.ndarray]:
    table, label, _ = make_table(1_500, seed=1)
    return LeadScorer(n_trees=40).fit(table, label), table, label


def test_it_finds_most_of_the_signal_there_is() -> None:
    table, label, _ = make_table(4_000, seed=2)
    later, later_label, truth = make_table(4_000, seed=3)
    raw = LeadScorer().fit(table, label).decision_function(later)
    best = roc_auc_score(later_label, truth)
    assert best - 0.02 < roc_auc_score(later_label, raw) < best + 0.01


def test_a_calibrated_scorer_comes_near_the_true_probability() -> None:
    table, label, _ = make_table(6_000, seed=20)
    forward, forward_label, _ = make_table(3_000, seed=21)
    later, _, log_odds = make_table(6_000, seed=22)
    scorer = LeadScorer().fit(table, label)
    calibrator = SigmoidCalibrator().fit(scorer.decision_function(forward), forward_label)
    chance, truth = calibrator.predict_proba(scorer.decision_function(later))[:, 1], expit(log_odds)
    assert np.abs(chance - truth).mean() < 0.04
    bands = np.digitize(chance, np.quantile(chance, np.linspace(0.1, 0.9, 9)))
    for band in range(10):
        assert chance[bands == band].mean() == pytest.approx(truth[bands == band].mean(), abs=0.03)


def test_probabilities_agree_with_the_raw_score_and_sum_to_one(fitted) -> None:
    scorer, table, _ = fitted
    raw, chance = scorer.decision_function(table), scorer.predict_proba(table)
    np.testing.assert_allclose(chance.sum(axis=1), 1.0, rtol=0, atol=1e-15)
    assert ((chance > 0) & (chance < 1)).all()
    np.testing.assert_allclose(np.log(chance[:, 1] / chance[:, 0]), raw, rtol=1e-9)
    np.testing.assert_array_equal(scorer.predict(table), scorer.classes_[(raw > 0).astype(int)])


def test_the_raw_score_is_that_of_the_trees_whatever_the_chunks(
    fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, table, _ = fitted
    whole = scorer.trees_.decision_function(scorer.encoder_.transform(table))
    monkeypatch.setattr(scorer_module, "_ENCODED_ROWS", 700)
    monkeypatch.setattr(scorer_module, "_PREDICTED_ROWS", 256)
    np.testing.assert_array_equal(scorer.decision_function(table), whole)


def test_one_lead_alone_scores_as_in_a_batch(fitted) -> None:
    scorer, table, _ = fitted
    raw = scorer.decision_function(table.iloc[:50])
    alone = [scorer.decision_function(table.iloc[[i]])[0] for i in range(50)]
    np.testing.assert_array_equal(alone, raw)


def test_same_seed_same_bits_and_predictions_do_not_depend_on_threads(fitted) -> None:
    scorer, table, label = fitted
    again = LeadScorer(n_trees=40).fit(table, label)
    np.testing.assert_array_equal(again.decision_function(table), scorer.decision_function(table))
    np.testing.assert_array_equal(
        again.set_params(n_threads=2).decision_function(table), scorer.decision_function(table)
    )


def test_two_threads_fit_the_same_trees(fitted) -> None:
    scorer, table, label = fitted
    two = LeadScorer(n_trees=40, n_threads=2).fit(table, label)
    np.testing.assert_allclose(two.decision_function(table), scorer.decision_function(table), rtol=1e-9)


def test_doubled_weights_equal_duplicated_rows() -> None:
    rng = np.random.default_rng(4)
    table, label, _ = make_table(400, seed=4)
    # Few different values, so that binning, which looks at rows and not at weights, cuts the same.
    table = table[["visits", "source", "opted_in"]]
    times = rng.integers(0, 4, len(table))
    rows = np.repeat(np.arange(len(table)), times)
    # A leaf's least number of rows counts rows, never weights.
    settings = {"n_trees": 30, "min_samples_leaf": 1, "min_category_count": 1}
    weighted = LeadScorer(**settings).fit(table, label, sample_weight=times)
    repeated = LeadScorer(**settings).fit(table.iloc[rows].reset_index(drop=True), label[rows])
    assert weighted.encoder_.levels_ == repeated.encoder_.levels_
    np.testing.assert_allclose(
        weighted.decision_function(table), repeated.decision_function(table), atol=1e-5
    )


def test_weights_of_one_change_nothing(fitted) -> None:
    scorer, table, label = fitted
    weighted = LeadScorer(n_trees=40).fit(table, label, sample_weight=np.ones(len(label)))
    np.testing.assert_allclose(weighted.decision_function(table), scorer.decision_function(table), rtol=1e-9)


def test_a_rise_of_a_helpful_feature_raises_the_score(fitted) -> None:
    scorer, table, _ = fitted
    means = [scorer.decision_function(table.assign(visits=np.float32(v))).mean() for v in (0, 2, 4, 6)]
    assert means == sorted(means)


def test_it_works_with_scikit_learns_tools() -> None:
    table, label, _ = make_table(600, seed=5)
    scorer = LeadScorer(n_trees=20)
    assert clone(scorer).get_params() == scorer.get_params()
    assert cross_val_score(scorer, table, label, cv=3, scoring="roc_auc", error_score="raise").min() > 0.6
    search = GridSearchCV(
        make_pipeline(scorer), {"leadscorer__max_leaf_nodes": [3, 8]}, cv=2, scoring="neg_log_loss"
    )
    assert search.fit(table, label).best_params_["leadscorer__max_leaf_nodes"] in (3, 8)
    assert search.predict_proba(table).shape == (600, 2)


def test_the_constructor_only_stores() -> None:
    odd = LeadScorer(learning_rate="fast", n_trees=-1)
    assert odd.get_params()["learning_rate"] == "fast"
    assert odd.set_params(n_trees=5).n_trees == 5


def test_names_of_what_goes_in_and_of_the_matrix(fitted) -> None:
    table, label = fitted[1].assign(constant=1.0), fitted[2]
    scorer = LeadScorer(n_trees=5).fit(table, label)
    assert scorer.feature_names_in_.tolist() == table.columns.tolist()
    assert scorer.n_features_in_ == table.shape[1]
    assert scorer.get_feature_names_out().tolist() == table.columns.drop("constant").tolist()
    with pytest.raises(ScorerError, match="input_features must be the column names of the training"):
        scorer.get_feature_names_out(["visits"])


def test_an_array_of_numbers_is_a_table_without_names() -> None:
    table, label, _ = make_table(300, seed=6)
    array = table[["visits", "days"]].to_numpy()
    scorer = LeadScorer(n_trees=10).fit(array, label)
    assert not hasattr(scorer, "feature_names_in_")
    assert scorer.get_feature_names_out().tolist() == ["x0", "x1"]
    with pytest.raises(ScorerError, match="X has 1 features, but LeadScorer is expecting 2 features"):
        scorer.predict(array[:, :1])
    named = LeadScorer(n_trees=10).fit(table[["visits", "days"]], label)
    np.testing.assert_array_equal(
        named.decision_function(table[["visits", "days"]]), scorer.decision_function(array)
    )
    with pytest.raises(
        ScorerError, match="trained on named columns and needs a DataFrame with those names; found ndarray"
    ):
        named.predict(array)
    assert not hasattr(named.fit(array, label), "feature_names_in_")


def test_labels_may_be_any_two_values(fitted) -> None:
    scorer, table, label = fitted
    won = LeadScorer(n_trees=40).fit(table, np.where(label > 0, "won", "lost"))
    assert won.classes_.tolist() == ["lost", "won"]
    np.testing.assert_array_equal(won.decision_function(table), scorer.decision_function(table))
    assert set(LeadScorer().fit(table, won.classes_[label]).predict(table)) == {"lost", "won"}


@pytest.mark.parametrize("scale", [1e-30, 1e30], ids=["tiny", "huge"])
def test_extreme_numbers_are_only_ranks_to_trees(fitted, scale: float) -> None:
    scorer, table, label = fitted
    scaled = table.astype({"days": "float64"}).assign(days=lambda t: t["days"] * scale)
    got = LeadScorer(n_trees=40).fit(scaled, label).decision_function(scaled)
    np.testing.assert_allclose(got, scorer.decision_function(table), atol=1e-6)


def test_a_word_that_appears_only_tomorrow_and_a_missing_one_are_scored(fitted) -> None:
    scorer, table, _ = fitted
    tomorrow = pd.concat([table.iloc[:1]] * 2, ignore_index=True)
    tomorrow["source"] = pd.Series(["webinar", None], dtype="str")
    assert np.isfinite(scorer.decision_function(tomorrow)).all()


@pytest.mark.parametrize(
    ("label", "error", "message"),
    [
        (
            np.zeros(20),
            PopulationError,
            r"y must hold two classes; found one class only: \[0.0\] in all 20 rows",
        ),
        (np.arange(20) % 3, ScorerError, r"Only binary classification is supported.*found 3: \[0, 1, 2\]"),
        (np.arange(10) % 2, ScorerError, r"one row per lead.*inconsistent numbers: 20 in X, 10 in y"),
        (
            np.where(np.arange(20) < 2, np.nan, np.arange(20) % 2),
            ScorerError,
            r"none missing; 2 of 20: Input y contains",
        ),
        (None, ScorerError, "requires y to be passed, but the target y is None"),
    ],
    ids=["one class", "three classes", "another length", "unknown outcomes", "none"],
)
def test_labels_that_cannot_be_learned_are_refused(label, error: type[MqlmlError], message: str) -> None:
    table = pd.DataFrame({"x": np.arange(20.0)})
    with pytest.raises(error, match=message):
        LeadScorer().fit(table, label)


def test_a_class_of_weight_zero_is_no_class() -> None:
    label = np.arange(20) % 2
    with pytest.raises(PopulationError, match=r"one class only: \[1\]"):
        LeadScorer().fit(pd.DataFrame({"x": np.arange(20.0)}), label, sample_weight=label)


def test_a_table_unlike_the_training_is_refused_with_the_difference(fitted) -> None:
    scorer, table, _ = fitted
    with pytest.raises(ScorerError, match=r"missing: 'visits' \(is it 'visit'\?\); unexpected: 'visit'"):
        scorer.predict(table.rename(columns={"visits": "visit"}))


def test_a_few_leads_and_few_conversions_are_enough_to_run() -> None:
    table, _, _ = make_table(30, seed=7)
    label = np.zeros(30)
    label[:2] = 1
    raw = LeadScorer().fit(table, label).decision_function(table)
    assert np.isfinite(raw).all()


def test_one_account_holding_half_the_leads_is_no_special_case() -> None:
    table, label, _ = make_table(400, seed=8)
    table["account"] = pd.Series(["giant"] * 200 + [f"a{i}" for i in range(200)], dtype="str")
    scorer = LeadScorer(n_trees=20).fit(table, label)
    assert scorer.encoder_.levels_["account"] == ["giant"]
    assert np.isfinite(scorer.decision_function(table)).all()


def test_only_used_features_move_a_prediction() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"tells": rng.normal(size=500), "constant": 1.0, "word": rng.choice(["a", "b"], 500)}
    )
    scorer = LeadScorer().fit(table, (table["tells"] > 0).astype(int))
    assert "tells" in scorer.used_features_
    assert "constant" not in scorer.used_features_
    before = scorer.decision_function(table)
    for name in set(table.columns) - scorer.used_features_:
        assert (scorer.decision_function(table.assign(**{name: table[name].iloc[0]})) == before).all()
    matrix = scorer.encoder_.transform(table)
    assert (scorer.predict_matrix(matrix) == before).all()


def test_a_blend_is_what_its_formula_says() -> None:
    table, label, _ = make_table(500, seed=9)
    trees = LeadScorer(n_trees=20).fit(table, label)
    linear = LeadScorer(tree_weight=0.0, linear_weight=1.0).fit(table, label)
    blend = LeadScorer(n_trees=20, tree_weight=0.6, linear_weight=0.3).fit(table, label)
    prior = blend.prior_
    assert prior == pytest.approx(np.log(label.mean() / (1 - label.mean())))
    expected = (
        prior
        + 0.6 * (trees.decision_function(table) - prior)
        + 0.3 * (linear.decision_function(table) - prior)
    )
    np.testing.assert_allclose(blend.decision_function(table), expected, atol=1e-12)
    matrix = blend.encoder_.transform(table)
    np.testing.assert_array_equal(blend.predict_matrix(matrix), blend.decision_function(table))
    with_reasons, _ = Contributor(blend).predict_and_contribute(matrix)
    np.testing.assert_array_equal(with_reasons, blend.decision_function(table))
    assert trees.linear_ is None
    assert linear.trees_ is None
    assert linear.used_features_ == set(table.columns)


def test_no_weight_at_all_is_the_base_rate() -> None:
    table, label, _ = make_table(300, seed=9)
    scorer = LeadScorer(tree_weight=0.0, linear_weight=0.0).fit(table, label)
    np.testing.assert_allclose(scorer.predict_proba(table)[:, 1], label.mean())
    assert scorer.used_features_ == frozenset()


@pytest.mark.parametrize("name", ["tree_weight", "linear_weight"])
@pytest.mark.parametrize("weight", [-0.1, np.nan, np.inf])
def test_a_weight_of_the_blend_is_a_number_from_0_up(name: str, weight: float) -> None:
    table, label, _ = make_table(50, seed=9)
    with pytest.raises(ScorerError, match=f"{name} must be a number from 0 up; found"):
        LeadScorer(**{name: weight}).fit(table, label)


def test_a_blend_is_the_same_to_the_bit_for_one_and_two_threads() -> None:
    """9,000 rows: enough for the trees' histograms and for BLAS to share the work out among threads."""
    table, label, _ = make_table(9_000, seed=10, noise_columns=10)
    raws = [
        LeadScorer(n_trees=5, tree_weight=0.5, linear_weight=0.5, n_threads=threads)
        .fit(table, label)
        .decision_function(table)
        for threads in (1, 2)
    ]
    np.testing.assert_array_equal(raws[0], raws[1])
