from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from mqlml.errors import PopulationError, ScorerError
from mqlml.evaluation import Estimate, compare_log_loss, evaluate_baselines, evaluate_probabilities
from mqlml.evaluation.bootstrap import ClusterBootstrap, make_estimate
from mqlml.evaluation.metrics import Ranking
from mqlml.results import to_json_safe

INTERVALS = ("roc_auc", "average_precision", "log_loss", "brier")


def _judged(n: int = 2_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    chance = expit(rng.normal(-2.0, 1.0, n))
    return (rng.random(n) < chance).astype(int), chance


def _evaluate(label, chance, **changed):
    settings = {"clusters": np.arange(len(label)), "base_rate": 0.1, "random_state": 0, "n_bootstrap": 100}
    return evaluate_probabilities(label, chance, **{**settings, **changed})


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=30
    ).filter(lambda rows: {y for _, y, w in rows if w} == {0, 1})
)
def test_rank_metrics_equal_scikit_learns_with_ties_and_weights(rows: list[tuple[int, int, int]]) -> None:
    score, label, weight = np.array(rows, dtype=float).T
    auc, precision = Ranking(label, score).measure(np.array([weight, weight * 2]))
    used = weight > 0
    expected = roc_auc_score(label[used], score[used], sample_weight=weight[used])
    np.testing.assert_allclose(auc, [expected, expected], atol=1e-12)
    expected = average_precision_score(label[used], score[used], sample_weight=weight[used])
    np.testing.assert_allclose(precision, [expected, expected], atol=1e-12)


def test_a_weighting_of_one_class_is_undefined_not_wrong() -> None:
    auc, precision = Ranking(np.array([0.0, 1.0]), np.array([0.2, 0.3])).measure(
        np.array([[2.0, 0.0], [0.0, 2.0]])
    )
    assert np.isnan(auc).all()
    assert np.isnan(precision).all()


def test_many_weightings_are_measured_as_each_one_alone() -> None:
    label, chance = _judged(1_000)
    ranking = Ranking(label.astype(float), chance)
    weight = np.random.default_rng(1).poisson(1.0, (250, 1_000)).astype(float)  # more than one piece
    alone = [ranking.measure(one[None, :]) for one in weight]
    for found, parts in zip(ranking.measure(weight), zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(found, np.concatenate(parts))


def test_weights_of_clusters_are_those_of_their_rows() -> None:
    label, chance = _judged(1_000)
    ranking = Ranking(label.astype(float), chance)
    members = np.random.default_rng(2).integers(0, 300, 1_000)
    weight = np.random.default_rng(3).poisson(1.0, (20, 300)).astype(float)
    for found, expected in zip(
        ranking.measure(weight, members), ranking.measure(weight[:, members]), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_values_equal_scikit_learns() -> None:
    label, chance = _judged()
    found = _evaluate(label, chance)
    assert found.n == 2_000
    assert found.positives == label.sum()
    assert found.roc_auc.value == pytest.approx(roc_auc_score(label, chance), abs=1e-12)
    assert found.average_precision.value == pytest.approx(average_precision_score(label, chance), abs=1e-12)
    assert found.log_loss.value == pytest.approx(log_loss(label, chance), abs=1e-12)
    assert found.brier.value == pytest.approx(brier_score_loss(label, chance), abs=1e-12)
    assert found.brier_base_rate == pytest.approx(brier_score_loss(label, np.full(2_000, 0.1)), abs=1e-12)
    for name in INTERVALS:
        assert getattr(found, name).low < getattr(found, name).value < getattr(found, name).high


def test_it_has_the_keys_that_were_promised_and_becomes_json() -> None:
    stored = to_json_safe(_evaluate(*_judged(200)))
    assert list(stored) == [
        "n",
        "positives",
        "roc_auc",
        "roc_auc_99",
        "average_precision",
        "log_loss",
        "brier",
        "brier_base_rate",
        "ece",
        "lift_top_decile",
    ]
    for name in (*INTERVALS, "ece", "lift_top_decile"):
        assert set(json.loads(json.dumps(stored))[name]) == {"value", "low", "high"}


def test_the_bootstrap_is_the_slow_one_done_at_once() -> None:
    label, chance = _judged(60, seed=3)
    clusters = np.arange(60) // 3
    found = _evaluate(label, chance, clusters=clusters, n_bootstrap=40)
    rng = np.random.default_rng(0)
    slow = []
    for _ in range(40):
        drawn = rng.integers(0, 20, size=20)
        rows = np.concatenate([np.flatnonzero(clusters == cluster) for cluster in drawn])
        slow.append((roc_auc_score(label[rows], chance[rows]), log_loss(label[rows], chance[rows])))
    auc, loss = np.quantile(np.array(slow), (0.025, 0.975), axis=0).T
    wide = np.quantile(np.array(slow)[:, 0], (0.005, 0.995))
    np.testing.assert_allclose((found.roc_auc_99.low, found.roc_auc_99.high), wide, rtol=1e-9)
    np.testing.assert_allclose((found.roc_auc.low, found.roc_auc.high), auc, rtol=1e-9)
    np.testing.assert_allclose((found.log_loss.low, found.log_loss.high), loss, rtol=1e-9)


def test_the_same_seed_gives_the_same_interval_and_blocks_do_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    label, chance = _judged(300)
    whole = _evaluate(label, chance)
    assert _evaluate(label, chance) == whole
    assert _evaluate(label, chance, random_state=1) != whole
    monkeypatch.setattr("mqlml.evaluation.bootstrap._CELLS_AT_ONCE", 700)
    small = _evaluate(label, chance)
    for name in INTERVALS:
        assert getattr(small, name).low == pytest.approx(getattr(whole, name).low, rel=1e-12)


def test_rows_of_one_lead_are_not_so_many_pieces_of_news() -> None:
    label, chance = _judged(500)
    once = _evaluate(label, chance, n_bootstrap=400)
    label, chance, lead = np.repeat(label, 6), np.repeat(chance, 6), np.repeat(np.arange(500), 6)
    clustered = _evaluate(label, chance, clusters=lead, n_bootstrap=400)
    fooled = _evaluate(label, chance, n_bootstrap=400)
    for name in INTERVALS:
        known, wide, narrow = (getattr(found, name) for found in (once, clustered, fooled))
        width = wide.high - wide.low
        assert width == pytest.approx(known.high - known.low, rel=1e-6)
        assert narrow.high - narrow.low < 0.55 * width


def test_one_account_holding_half_the_leads_widens_the_interval() -> None:
    label, chance = _judged(600)
    alone = _evaluate(label, chance)
    account = np.where(chance > np.median(chance), -1, np.arange(600))  # and it converts more than the rest
    giant = _evaluate(label, chance, clusters=account)
    assert giant.log_loss.high - giant.log_loss.low > alone.log_loss.high - alone.log_loss.low


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """95 % of 200 intervals, give or take three standard errors of a simulated coverage (4.6 %)."""
    rng = np.random.default_rng(7)
    log_odds = rng.normal(-1.0, 1.0, 400_000)
    truth_label = rng.random(400_000) < expit(log_odds)
    truth = {
        "roc_auc": roc_auc_score(truth_label, log_odds),
        "brier": np.mean((truth_label - expit(log_odds)) ** 2),
    }
    hits = dict.fromkeys(truth, 0)
    for _ in range(200):
        # Three rows of one lead share its log-odds and its luck.
        base = np.repeat(rng.normal(-1.0, 1.0, 150), 3)
        label = np.repeat(rng.random(150), 3) < expit(base)
        found = _evaluate(label, expit(base), clusters=np.repeat(np.arange(150), 3), n_bootstrap=200)
        for name, value in truth.items():
            hits[name] += getattr(found, name).low <= value <= getattr(found, name).high
    for name, count in hits.items():
        assert 0.89 <= count / 200 <= 0.995, (name, count / 200)


def test_a_resample_without_both_classes_is_left_out() -> None:
    label = np.array([1, 0, 0, 0, 0, 0, 0, 0])
    found = _evaluate(label, np.array([0.6, 0.7, 0.2, 0.1, 0.3, 0.2, 0.1, 0.2]), n_bootstrap=200)
    assert 0 <= found.roc_auc.low <= found.roc_auc.value <= found.roc_auc.high <= 1
    undefined = make_estimate(0.5, np.array([np.nan, np.nan]))
    assert to_json_safe(undefined) == {"value": 0.5, "low": None, "high": None}


def test_the_raw_score_ranks_where_calibration_made_ties() -> None:
    label, chance = _judged(500)
    found = _evaluate(label, np.full(500, 0.2), score=np.log(chance))
    assert found.roc_auc.value == pytest.approx(roc_auc_score(label, chance))
    assert _evaluate(label, np.full(500, 0.2)).roc_auc == Estimate(0.5, 0.5, 0.5)


def test_calibration_error_by_hand() -> None:
    # Two bands of equal probability: 0.2 promised and 1/5 kept, 0.6 promised and 5/5 kept.
    found = _evaluate(np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1]), np.array([0.2] * 5 + [0.6] * 5))
    assert found.ece.value == pytest.approx(0.5 * 0.0 + 0.5 * 0.4)


def test_calibration_error_is_small_for_the_truth_and_large_for_a_boast() -> None:
    label, chance = _judged(20_000)
    assert _evaluate(label, chance, n_bootstrap=2).ece.value < 0.015
    assert _evaluate(label, np.minimum(2 * chance, 1), n_bootstrap=2).ece.value > 0.1


@pytest.mark.parametrize(
    ("chance", "expected"),
    [
        ([0.9] + [0.1] * 9, 5.0),
        ([0.1] * 10, 1.0),
        ([0.9] * 2 + [0.1] * 8, 5 / 2),
        ([0.1] * 9 + [0.9], 0.0),
    ],
    ids=["one at the top", "all tied", "the border is a tie", "wrong way round"],
)
def test_lift_of_the_top_tenth_takes_ties_pro_rata(chance: list[float], expected: float) -> None:
    assert _evaluate(
        [1, 0, 0, 0, 0, 0, 1, 0, 0, 0], chance, n_bootstrap=5
    ).lift_top_decile.value == pytest.approx(expected)


def test_a_certain_error_costs_much_but_not_infinitely() -> None:
    found = _evaluate([1, 0, 1, 0], [0.0, 0.1, 1.0, 0.2])
    assert np.isfinite(found.log_loss.value)
    assert found.log_loss.value > 5


def test_pairing_narrows_the_interval_of_a_difference() -> None:
    label, chance = _judged(4_000)
    worse = expit(np.log(chance / (1 - chance)) + 0.5)
    settings = {"clusters": np.arange(4_000), "random_state": 0}
    difference = compare_log_loss(label, chance, worse, **settings)
    assert difference.value == pytest.approx(log_loss(label, chance) - log_loss(label, worse), abs=1e-12)
    assert difference.high < 0
    own = _evaluate(label, chance).log_loss
    assert difference.high - difference.low < (own.high - own.low) / 2
    assert compare_log_loss(label, chance, chance, **settings) == Estimate(0.0, 0.0, 0.0)


def test_baselines_are_evaluated_on_the_same_leads() -> None:
    label, chance = _judged(500)
    found = evaluate_baselines(
        label,
        chance,
        {"base_rate": np.full(500, 0.1), "logistic": chance},
        clusters=np.arange(500),
        base_rate=0.1,
        random_state=0,
    )
    assert list(found) == ["base_rate", "logistic"]
    assert found["base_rate"].brier.value == pytest.approx(found["base_rate"].brier_base_rate)
    assert found["base_rate"].log_loss_difference.high < 0
    assert found["logistic"].log_loss_difference.value == 0
    assert (found["base_rate"].verdict, found["logistic"].verdict) == ("better", "not_clearly_better")


@pytest.mark.parametrize(
    ("label", "chance", "clusters", "error", "message"),
    [
        ([0, 0], [0.1, 0.2], [1, 2], PopulationError, "leads that converted and leads that did not; 0 of 2"),
        ([1, 1], [0.1, 0.2], [1, 2], PopulationError, "leads that converted and leads that did not; 2 of 2"),
        ([0, 1], [0.1, 0.2], [1, 1], PopulationError, "at least two accounts or leads.*; found 1 in 2 rows"),
        ([0, 1], [0.1, 0.2], [1, 2, 3], ScorerError, "the account or lead of each row; found 3 for 2 rows"),
        ([0, 1, 1], [0.1, 0.2], [1, 2], ScorerError, r"found shapes \(3,\) and \(2,\)"),
        ([0, 2], [0.1, 0.2], [1, 2], ScorerError, "one label, 0 or 1"),
        ([0, 1], [0.1, 1.2], [1, 2], ScorerError, "within 0 and 1"),
        (
            [0, 1],
            [0.1, np.nan],
            [1, 2],
            ScorerError,
            "within 0 and 1; found some that do not, or are missing",
        ),
    ],
    ids=["nobody", "everybody", "one account", "clusters", "lengths", "label 2", "above 1", "missing"],
)
def test_what_cannot_be_evaluated_is_refused(
    label, chance, clusters, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        _evaluate(label, chance, clusters=clusters)


def test_rows_without_an_account_are_one_cluster_and_any_type_of_id_will_do() -> None:
    bootstrap = ClusterBootstrap(
        np.array(["a", None, "b", None], dtype=object), n_bootstrap=3, random_state=0
    )
    assert bootstrap.n_clusters == 3
    assert bootstrap.codes[1] == bootstrap.codes[3]
    (total,) = bootstrap.sums(np.ones(4))
    assert total.shape == (3,)


def test_intervals_of_calibration_error_and_lift_hold_what_larger_samples_show() -> None:
    """60 draws of 800 leads: the lift of a million leads lies inside about 57 of 60 intervals."""
    rng = np.random.default_rng(8)

    def draw(n: int) -> tuple[Any, Any]:
        chance = 1 / (1 + np.exp(2.0 - rng.normal(size=n)))
        return (rng.random(n) < chance).astype(int), chance

    label, chance = draw(1_000_000)
    top = chance >= np.quantile(chance, 0.9)
    truth = label[top].mean() / label.mean()
    inside = 0
    for _ in range(60):
        label, chance = draw(800)
        found = _evaluate(label, chance, n_bootstrap=100)
        inside += found.lift_top_decile.low <= truth <= found.lift_top_decile.high
        assert 0 <= found.ece.low <= found.ece.value <= found.ece.high
    assert inside >= 51


def test_an_error_far_from_none_has_an_interval_that_says_so() -> None:
    rng = np.random.default_rng(9)
    chance = np.repeat([0.2, 0.6], 2_000)
    label = rng.random(4_000) < chance - 0.15
    found = _evaluate(label, chance, n_bootstrap=200)
    assert 0.12 < found.ece.low < found.ece.value < found.ece.high < 0.18
