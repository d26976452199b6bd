"""The gate: decides by the metrics on the held-out period whether a version may be registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mqlml.evaluation.bootstrap import Estimate
from mqlml.evaluation.metrics import Baseline, Metrics
from mqlml.results import Result
from mqlml.texts import format_signed

__all__ = ["GateResult", "check_gate"]

_TOO_GOOD = 0.95


@dataclass(frozen=True)
class GateResult(Result):
    """Whether a version may be registered, in plain sentences."""

    passed: bool
    """Whether the version may be registered."""
    reasons: tuple[str, ...]
    """Why it is refused; empty if it passed."""
    warnings: tuple[str, ...]
    """What does not refuse it but should be known."""


def check_gate(
    metrics: Metrics,
    baselines: Mapping[str, Baseline],
) -> GateResult:
    """Refuse a model without skill on later data.

    The AUC must be above chance at 99%: of 400 worlds without signal 15 would pass at 95%, 3 do at 99%; of 252
    worlds with signal, small or moving, 7 more are refused.

    Parameters
    ----------
    metrics : what `evaluate_probabilities` gave on the held-out period
    baselines : what `evaluate_baselines` gave there, by name
    """
    auc, brier = metrics.roc_auc_99, metrics.brier
    reasons = []
    # A NaN, from too few conversions for a single resample of both classes, shows no skill either.
    if not auc.low > 0.5:
        reasons.append(
            f"It does not rank later leads better than chance: ROC AUC {auc.value:.3f}, 99% interval "
            f"{_interval(auc)}, and 0.5 is chance."
        )
    if not brier.value < metrics.brier_base_rate:
        reasons.append(
            f"Its probabilities are no better than giving every lead the base rate known when training: Brier score "
            f"{brier.value:.4f}, against {metrics.brier_base_rate:.4f} (less is better)."
        )
    warnings = []
    if auc.value > _TOO_GOOD:
        warnings.append(
            f"Too good to be true: ROC AUC {auc.value:.3f} on later leads. Look for a leak: a column that is filled "
            "in after the outcome."
        )
    for name, baseline in baselines.items():
        warnings += _warn_of(name, baseline)
    return GateResult(passed=not reasons, reasons=tuple(reasons), warnings=tuple(warnings))


_SPOKEN = {
    "base_rate": "the base rate known when training",
    "points": "the points rule",
    "logistic": "logistic regression",
}


def _warn_of(name: str, baseline: Baseline) -> list[str]:
    if baseline.verdict == "better":
        return []
    spoken, difference = _SPOKEN.get(name, name), baseline.log_loss_difference
    value, low, high = (
        format_signed(number, 4) for number in (difference.value, difference.low, difference.high)
    )
    numbers = f"log loss {value} against it, interval {low} to {high}"
    if baseline.verdict == "worse":
        return [f"On later leads {spoken} is better than the model, beyond noise: {numbers}."]
    return [f"On later leads the model is not clearly better than {spoken}: {numbers}."]


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.3f} to {estimate.high:.3f}"
