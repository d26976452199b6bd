from __future__ import annotations

import pytest

from mqlml.evaluation import Estimate, check_gate
from mqlml.model import Slope

CHANCE = "It does not rank later leads better than chance: ROC AUC "


def _check(
    auc=(0.7, 0.65, 0.75),
    brier=0.08,
    base=0.09,
    positives=200,
    at_99=(0.7, 0.6, 0.8),
    forward=None,
    **differences,
):
    metrics = {
        "roc_auc": Estimate(*auc),
        "roc_auc_99": Estimate(*at_99),
        "brier": Estimate(brier, 0.0, 1.0),
        "brier_base_rate": base,
    }
    baselines = {name: {"log_loss_difference": Estimate(*value)} for name, value in differences.items()}
    return check_gate(metrics, baselines, min_positives=50, positives=positives, forward=forward)


def test_a_model_with_skill_passes() -> None:
    verdict = _check(base_rate=(-0.02, -0.03, -0.01), logistic=(-0.01, -0.02, -0.005))
    assert verdict.passed
    assert verdict.reasons == ()
    assert verdict.warnings == ()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"auc": (0.53, 0.48, 0.58)},
            CHANCE + "0.530, interval 0.480 to 0.580, and 0.5 is chance.",
        ),
        (
            {"auc": (0.5, 0.5, 0.5)},
            CHANCE + "0.500, interval 0.500 to 0.500, and 0.5 is chance.",
        ),
        (
            {"auc": (0.4, 0.35, 0.45)},
            CHANCE + "0.400, interval 0.350 to 0.450, and 0.5 is chance.",
        ),
        (
            {"auc": (0.9, float("nan"), float("nan"))},
            CHANCE + "0.900, interval nan to nan, and 0.5 is chance.",
        ),
        (
            {"brier": 0.284, "base": 0.25},
            "Its probabilities are no better than giving every lead the base rate known when training: Brier score "
            "0.2840, against 0.2500 (less is better).",
        ),
        (
            {"brier": 0.09, "base": 0.09},
            "Its probabilities are no better than giving every lead the base rate known when training: Brier score "
            "0.0900, against 0.0900 (less is better).",
        ),
        (
            {"positives": 49},
            "There are 49 conversions to learn from, and 50 are needed (gate.min_positives).",
        ),
    ],
    ids=[
        "covers chance",
        "constant",
        "wrong way round",
        "no interval",
        "brier worse",
        "brier equal",
        "too few",
    ],
)
def test_a_refusal_says_why_with_its_numbers(changed: dict, reason: str) -> None:
    verdict = _check(**changed)
    assert not verdict.passed
    assert verdict.reasons == (reason,)


def test_all_reasons_are_given() -> None:
    assert len(_check(auc=(0.5, 0.4, 0.6), brier=0.3, base=0.2, positives=0).reasons) == 3


def test_exactly_enough_conversions_are_enough() -> None:
    assert _check(positives=50).passed


def test_too_good_is_a_loud_warning_and_no_refusal() -> None:
    verdict = _check(auc=(0.98, 0.97, 0.99))
    assert verdict.passed
    assert verdict.warnings == (
        "Too good to be true: ROC AUC 0.980 on later leads. Look for a leak: a column that is filled in after the "
        "outcome.",
    )


def test_a_baseline_that_is_better_or_as_good_is_a_warning() -> None:
    verdict = _check(
        logistic=(0.004, 0.001, 0.007), points=(-0.001, -0.003, 0.001), base_rate=(-0.1, -0.2, -0.05)
    )
    assert verdict.passed
    assert verdict.warnings == (
        "On later leads logistic regression is better than the model, beyond noise: log loss +0.0040 against it, "
        "interval +0.0010 to +0.0070.",
        "On later leads the model is not clearly better than the points rule: log loss -0.0010 against it, interval "
        "-0.0030 to +0.0010.",
    )


def test_baselines_without_a_comparison_are_passed_over() -> None:
    metrics = {"roc_auc": Estimate(0.7, 0.6, 0.8), "brier": Estimate(0.1, 0.0, 1.0), "brier_base_rate": 0.2}
    assert check_gate(metrics, {"own": {}}, min_positives=50, positives=50).warnings == ()


@pytest.mark.parametrize(
    ("slope", "at_99", "passes"),
    [
        (Slope(0.6, 0.2), (0.57, 0.49, 0.65), True),
        (Slope(0.3, 0.2), (0.57, 0.49, 0.65), False),
        (Slope(-0.9, 0.2), (0.57, 0.49, 0.65), False),
        (Slope(0.3, 0.2), (0.62, 0.51, 0.73), True),
        (Slope(0.0, float("inf")), (0.57, 0.5, 0.65), False),
    ],
    ids=["borne out", "thin", "the wrong way round", "thin but sure", "unknown"],
)
def test_thin_forward_evidence_asks_for_surer_proof(slope: Slope, at_99, passes: bool) -> None:
    verdict = _check(auc=(0.57, 0.51, 0.63), at_99=at_99, forward=slope)
    assert verdict.passed is passes
    if not passes:
        assert "must be above chance at 99 %, not 95 %: ROC AUC 0.570" in verdict.reasons[0]
