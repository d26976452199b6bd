from __future__ import annotations

import math

import pytest

from mqlml.evaluation import Baseline, Estimate, GateResult, Metrics, check_gate, compare_losses

CHANCE = "It does not rank later leads better than chance: ROC AUC "


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def _metrics(auc: Estimate, brier: float, base: float) -> Metrics:
    return Metrics(
        1000,
        80,
        UNKNOWN,
        auc,
        UNKNOWN,
        UNKNOWN,
        Estimate(brier, 0.0, 1.0),
        base,
        ece=UNKNOWN,
        lift_top_decile=UNKNOWN,
    )


def _check(auc=(0.7, 0.65, 0.75), brier=0.08, base=0.09, **differences) -> GateResult:
    metrics = _metrics(Estimate(*auc), brier, base)
    baselines = {
        name: Baseline(
            **vars(_metrics(UNKNOWN, math.nan, base)),
            log_loss_difference=Estimate(*value),
            verdict=compare_losses(Estimate(*value)),
        )
        for name, value in differences.items()
    }
    return check_gate(metrics, baselines)


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
            CHANCE + "0.530, 99% interval 0.480 to 0.580, and 0.5 is chance.",
        ),
        (
            {"auc": (0.5, 0.5, 0.5)},
            CHANCE + "0.500, 99% interval 0.500 to 0.500, and 0.5 is chance.",
        ),
        (
            {"auc": (0.4, 0.35, 0.45)},
            CHANCE + "0.400, 99% interval 0.350 to 0.450, and 0.5 is chance.",
        ),
        (
            {"auc": (0.9, float("nan"), float("nan"))},
            CHANCE + "0.900, 99% interval nan to nan, and 0.5 is chance.",
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
    ],
    ids=[
        "covers chance",
        "constant",
        "wrong way round",
        "no interval",
        "brier worse",
        "brier equal",
    ],
)
def test_a_refusal_says_why_with_its_numbers(changed: dict, reason: str) -> None:
    verdict = _check(**changed)
    assert not verdict.passed
    assert verdict.reasons == (reason,)


def test_all_reasons_are_given() -> None:
    assert len(_check(auc=(0.5, 0.4, 0.6), brier=0.3, base=0.2).reasons) == 2


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
        "On later leads the model is not clearly better than the points rule: log loss −0.0010 against it, interval "
        "−0.0030 to +0.0010.",
    )


def test_a_baseline_of_ones_own_is_called_by_its_name() -> None:
    (warning,) = _check(own=(0.0, -0.001, 0.001)).warnings
    assert warning.startswith("On later leads the model is not clearly better than own: log loss 0.0000")
