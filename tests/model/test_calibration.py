from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.calibration import _SigmoidCalibration

from mqlml.errors import PopulationError, ScorerError
from mqlml.model import SigmoidCalibrator


def _drawn(n: int, slope: float, intercept: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    raw = rng.normal(-2.0, 1.5, n)
    return raw, (rng.random(n) < expit(slope * raw + intercept)).astype(int)


def test_it_finds_the_sigmoid_the_labels_were_drawn_from() -> None:
    calibrator = SigmoidCalibrator().fit(*_drawn(200_000, slope=0.6, intercept=-1.0))
    assert calibrator.slope_ == pytest.approx(0.6, abs=0.02)
    assert calibrator.intercept_ == pytest.approx(-1.0, abs=0.04)
    assert calibrator.note_ is None


def test_it_mends_a_model_that_is_too_sure_of_itself() -> None:
    raw, label = _drawn(20_000, slope=0.4, intercept=0.5, seed=1)
    later, later_label = _drawn(20_000, slope=0.4, intercept=0.5, seed=2)
    chance = SigmoidCalibrator().fit(raw, label).predict_proba(later)[:, 1]
    for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 1.0)):
        band = (chance >= low) & (chance < high)
        assert later_label[band].mean() == pytest.approx(chance[band].mean(), abs=0.02)


def test_it_agrees_with_scikit_learns_platt_scaling() -> None:
    raw, label = _drawn(500, slope=0.8, intercept=0.0, seed=3)
    theirs = _SigmoidCalibration().fit(raw, label)
    np.testing.assert_allclose(
        SigmoidCalibrator().fit(raw, label).predict_proba(raw)[:, 1], theirs.predict(raw), atol=1e-5
    )


@given(
    values=st.lists(
        st.tuples(st.integers(-50, 50), st.integers(0, 1), st.integers(0, 3)), min_size=4, max_size=40
    ).filter(lambda rows: {y for _, y, w in rows if w} == {0, 1} and len({r for r, _, w in rows if w}) > 1)
)
def test_no_other_sigmoid_has_a_smaller_loss(values: list[tuple[int, int, int]]) -> None:
    raw, label, weight = (np.array(column, dtype=float) for column in zip(*values, strict=True))
    raw /= 10
    wins, losses = weight @ label, weight @ (1 - label)
    target = np.where(label > 0, (wins + 1) / (wins + 2), 1 / (losses + 2))

    def loss(parameters: np.ndarray) -> float:
        log_odds = parameters[0] * raw + parameters[1]
        return float(weight @ (np.logaddexp(0, log_odds) - target * log_odds))

    best = minimize(loss, [0.0, 0.0], method="L-BFGS-B", bounds=[(0, None), (None, None)]).fun
    fitted = SigmoidCalibrator().fit(raw, label, weight)
    assert loss(np.array([fitted.slope_, fitted.intercept_])) <= best + 1e-6 * max(1.0, abs(best))


def test_weights_equal_repeated_rows() -> None:
    raw, label = _drawn(300, slope=0.7, intercept=0.0, seed=4)
    times = np.random.default_rng(5).integers(0, 4, len(raw))
    weighted = SigmoidCalibrator().fit(raw, label, times)
    repeated = SigmoidCalibrator().fit(np.repeat(raw, times), np.repeat(label, times))
    np.testing.assert_allclose(
        weighted.predict_proba(raw)[:, 1], repeated.predict_proba(raw)[:, 1], rtol=1e-9
    )


@pytest.mark.parametrize(
    ("scale", "shift"), [(1e-6, 0.0), (1.0, 1e6), (1e6, -3e6)], ids=["small", "far", "large"]
)
def test_the_scale_of_the_scores_does_not_matter(scale: float, shift: float) -> None:
    raw, label = _drawn(400, slope=0.7, intercept=0.0, seed=6)
    plain = SigmoidCalibrator().fit(raw, label).predict_proba(raw)[:, 1]
    moved = raw * scale + shift
    np.testing.assert_allclose(
        SigmoidCalibrator().fit(moved, label).predict_proba(moved)[:, 1], plain, atol=1e-6
    )


def test_few_conversions_perfectly_ranked_do_not_become_certainty() -> None:
    raw = np.arange(40.0)
    chance = SigmoidCalibrator().fit(raw, raw >= 37).predict_proba(raw)[:, 1]
    assert 0 < chance.min() < chance.max() < 1
    assert chance.mean() == pytest.approx(3 / 40, abs=0.03)


def test_probabilities_are_never_0_or_1_and_keep_the_order() -> None:
    calibrator = SigmoidCalibrator().fit(*_drawn(400, slope=0.7, intercept=0.0))
    raw = np.linspace(-40, 40, 1_001)
    chance = calibrator.predict_proba(raw)[:, 1]
    assert (np.diff(chance) > 0).all()
    far = calibrator.predict_proba([-1e9, 1e9])
    assert ((far > 0) & (far < 1)).all()


def test_scores_that_rank_the_wrong_way_round_give_everyone_the_base_rate() -> None:
    raw, label = _drawn(2_000, slope=-1.0, intercept=-2.0)
    calibrator = SigmoidCalibrator().fit(raw, label)
    assert calibrator.slope_ == 0
    np.testing.assert_allclose(calibrator.predict_proba(raw)[:, 1], label.mean(), rtol=1e-2)
    assert "higher scores went with fewer conversions" in str(calibrator.note_)


@pytest.mark.parametrize("slope", [0.5, -0.5], ids=["skill", "the wrong way round"])
def test_json_gives_the_same_bits(slope: float) -> None:
    raw, label = _drawn(200, slope=slope, intercept=-1 / 3)
    fitted = SigmoidCalibrator().fit(raw, label)
    again = SigmoidCalibrator.from_dict(json.loads(json.dumps(fitted.to_dict())))
    np.testing.assert_array_equal(again.predict_proba(raw)[:, 1], fitted.predict_proba(raw)[:, 1])
    assert again.to_dict() == fitted.to_dict()


@pytest.mark.parametrize(
    ("raw", "label", "error", "message"),
    [
        ([1.0, 1.0, 1.0], [0, 1, 0], ScorerError, "calibration needs scores that differ; all 3 are"),
        ([1.0, 2.0, 3.0], [0, 0, 0], PopulationError, "converted and leads that did not; found 0 and 3"),
        ([1.0, 2.0, 3.0], [1, 1, 1], PopulationError, "converted and leads that did not; found 3 and 0"),
        ([1.0, np.nan, 3.0], [0, 1, 0], ScorerError, r"must be finite numbers.*shape \(3,\) with 1 values"),
        ([[1.0], [2.0]], [0, 1], ScorerError, r"one per lead; found shape \(2, 1\)"),
        ([1.0, 2.0], [0, 1, 1], ScorerError, "of one length; found 2, 3 and 2"),
        (["a", "b"], [0, 1], ScorerError, "must be finite numbers, one per lead: could not convert"),
    ],
    ids=["constant", "nobody", "everybody", "missing", "two-dimensional", "another length", "words"],
)
def test_what_cannot_be_calibrated_is_refused(raw, label, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SigmoidCalibrator().fit(raw, label)


@pytest.mark.parametrize(
    "weight",
    [[0, 0, 0], [1, -1, 1], [1, np.nan, 1], [[1], [1], [1]]],
    ids=["zero", "negative", "missing", "2-D"],
)
def test_weights_that_are_none_are_refused(weight: list) -> None:
    with pytest.raises(
        ScorerError, match="weights must be numbers from 0 up, one per lead, not all of them zero"
    ):
        SigmoidCalibrator().fit([1.0, 2.0, 3.0], [0, 1, 0], weight)


def test_labels_may_be_words() -> None:
    raw, label = _drawn(400, slope=0.7, intercept=0.0)
    plain = SigmoidCalibrator().fit(raw, label)
    words = SigmoidCalibrator().fit(raw, np.array(["lost", "won"])[label])
    np.testing.assert_array_equal(words.predict_proba(raw), plain.predict_proba(raw))
    assert words.predict([-50.0, 50.0]).tolist() == ["lost", "won"]
    assert SigmoidCalibrator.from_dict(plain.to_dict()).predict([-50.0, 50.0]).tolist() == [0, 1]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kind": "isotonic", "slope": 1.0, "intercept": 0.0},
        {"kind": "sigmoid", "slope": -1.0, "intercept": 0.0},
        {"kind": "sigmoid", "slope": float("nan"), "intercept": 0.0},
        {"kind": "sigmoid", "slope": 1.0, "intercept": None},
    ],
    ids=["empty", "another kind", "falling", "not a number", "no intercept"],
)
def test_a_stored_calibrator_that_is_none_is_refused(values: dict) -> None:
    with pytest.raises(ScorerError, match="a stored calibrator must be of kind 'sigmoid'"):
        SigmoidCalibrator.from_dict(values)


def test_a_shift_moves_all_log_odds_alike() -> None:
    raw = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(SigmoidCalibrator.at_shift(0.4).predict_proba(raw)[:, 1], expit(raw + 0.4))
    assert SigmoidCalibrator.at_shift(0.4).predict(raw).tolist() == [0, 1, 1]
