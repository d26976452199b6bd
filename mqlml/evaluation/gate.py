"""The gate: metrics on the held-out period go in, whether this version may be registered, and why not, come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mqlml.evaluation.bootstrap import Estimate
from mqlml.model import Slope

__all__ = ["GateResult", "check_gate"]

_TOO_GOOD = 0.95

_THIN = 2.0
"""Where forward predictions bear the score out by fewer standard errors than this, the held-out period must do so at
99 % instead of 95 %: of 200 worlds without signal 8 get by at 95 %, 4 with a limit of 1 here, 3 with 2, and no world
with signal is lost."""


@dataclass(frozen=True)
class GateResult:
    """The verdict, in plain sentences.

    Attributes
    ----------
    passed : bool
    reasons : tuple of str
        Why it is refused; empty if it passed.
    warnings : tuple of str
        What does not refuse it but should be known.
    """

    passed: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def check_gate(
    metrics: Mapping[str, Any],
    baselines: Mapping[str, Mapping[str, Any]],
    *,
    min_positives: int,
    positives: int,
    forward: Slope | None = None,
) -> GateResult:
    """Refuse a model without skill on later data, or judged on too few conversions.

    The held-out period alone decides. Where the forward evidence before it is thin, it has to be surer.

    Parameters
    ----------
    metrics : what `evaluate_probabilities` gave on the held-out period
    baselines : what `evaluate_baselines` gave there, by name
    min_positives : int
        ``gate.min_positives`` of the config.
    positives : int
        How many conversions there were to learn from.
    forward : Slope, optional
        How much of the score the forward predictions bear out; without, as if it were plenty.
    """
    auc: Estimate = metrics["roc_auc"]
    brier: Estimate = metrics["brier"]
    reasons = []
    if positives < min_positives:
        reasons.append(
            f"There are {positives} conversions to learn from, and {min_positives} are needed (gate.min_positives)."
        )
    # A NaN, from too few conversions for a single resample of both classes, shows no skill either.
    if not auc.low > 0.5:
        reasons.append(
            f"It does not rank later leads better than chance: ROC AUC {auc.value:.3f}, interval {_interval(auc)}, "
            "and 0.5 is chance."
        )
    elif forward is not None and forward.z < _THIN and not metrics["roc_auc_99"].low > 0.5:
        reasons.append(
            "It does not rank later leads better than chance beyond doubt. Before the held-out period its scores "
            f"told nothing clear of later leads (slope {forward.value:.2f}, standard error {forward.error:.2f}), so "
            f"its AUC must be above chance at 99 %, not 95 %: ROC AUC {auc.value:.3f}, interval at 99 % "
            f"{_interval(metrics['roc_auc_99'])}, and 0.5 is chance."
        )
    if not brier.value < metrics["brier_base_rate"]:
        reasons.append(
            f"Its probabilities are no better than giving every lead the base rate known when training: Brier score "
            f"{brier.value:.4f}, against {metrics['brier_base_rate']:.4f} (less is better)."
        )
    warnings = []
    if auc.value > _TOO_GOOD:
        warnings.append(
            f"Too good to be true: ROC AUC {auc.value:.3f} on later leads. Look for a leak: a column that is filled "
            "in after the outcome."
        )
    for name, found in baselines.items():
        warnings += _compare(name, found.get("log_loss_difference"))
    return GateResult(passed=not reasons, reasons=tuple(reasons), warnings=tuple(warnings))


_SPOKEN = {
    "base_rate": "the base rate known when training",
    "points": "the points rule",
    "logistic": "logistic regression",
}


def _compare(name: str, difference: Estimate | None) -> list[str]:
    if difference is None or difference.high < 0:
        return []
    spoken = _SPOKEN.get(name, name)
    numbers = f"log loss {difference.value:+.4f} against it, interval {_interval(difference, '+.4f')}"
    if difference.low > 0:
        return [f"On later leads {spoken} is better than the model, beyond noise: {numbers}."]
    return [f"On later leads the model is not clearly better than {spoken}: {numbers}."]


def _interval(estimate: Estimate, form: str = ".3f") -> str:
    return f"{estimate.low:{form}} to {estimate.high:{form}}"
