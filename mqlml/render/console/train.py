"""Console text of ``mqlml train``."""

from __future__ import annotations

from mqlml.evaluation import Comparison, Estimate, LabelEvaluation, LabelPrediction, Metrics, Promotion
from mqlml.evaluation.accounts import AccountCalibration
from mqlml.render.console.common import (
    _leaks,
    _notices,
    _questions,
    _waterfall,
    columns,
    local_moment,
    ranged,
)
from mqlml.render.report.text import format_leak_test
from mqlml.render.results import TrainedVersion
from mqlml.texts import format_label, format_number, format_percent

__all__ = ["format_train"]

_VERDICTS: dict[Comparison, str] = {
    "better": "better",
    "not_clearly_better": "not clearly better",
    "worse": "worse",
}


def format_train(result: TrainedVersion) -> str:
    """What ``mqlml train`` prints."""
    holdout = result.holdout
    lines = []
    if result.set_aside_in:
        tables = ", ".join(result.set_aside_in)
        lines.append(f"Note: Some rows were set aside ({tables}); mqlml check says which and why.")
    if result.data.notices:
        lines += ["Read", *_notices(result.data.notices)]
    lines += [
        "Population",
        *_waterfall(result.population),
        *_leaks(result.leaks),
        *_questions(result.questions),
        format_leak_test(result.leak_test),
    ]
    zone = None if result.data.observed_until is None else result.timezone
    since, until = (local_moment(end, zone) for end in (holdout.start, holdout.until))
    lines.append(
        f"Evaluated on the last period, {since} until {until}: {holdout.n:,} snapshots, "
        f"{holdout.positives:,} convert ({format_percent(holdout.base_rate, 1)})"
    )
    lines += _metrics(holdout, result.baselines["base_rate"].brier)
    lines += ["Compared with simpler methods on the same leads", *_baselines(result)]
    if result.labels:
        lines.append("Labels")
        lines += [_label(name, label) for name, label in result.labels.items()]
        lines += [_promoted(rule) for rule in result.promoted]
        lines += [
            f"  Disqualified, {rule.reason}: {rule.selected:,} snapshots, {rule.converted:,} of them convert"
            for rule in result.disqualified
        ]
    if result.accounts is not None and result.accounts.all.accounts:
        lines.append(_accounts(result.accounts))
    gate = result.gate
    lines += [f"Note: {warning}" for warning in gate.warnings]
    if not gate.passed:
        lines += ["Refused", *(f"  {reason}" for reason in gate.reasons)]
    elif result.version is None:
        lines.append("Passed the gate; nothing was registered (dry run)")
    else:
        alias = f" as {', '.join(result.aliases)}" if result.aliases else ""
        lines.append(f"Registered {result.model} version {result.version}{alias}")
    return "\n".join(lines)


def _accounts(found: AccountCalibration) -> str:
    every, several = found.all, found.several
    shared = (
        f"; leads of one account tend to convert together (dependence {found.dependence:.2f} of 1)"
        if found.dependence
        else ""
    )
    return (
        f"Accounts on the held-out period: {format_number(every.predicted, 1)} of {every.accounts:,} predicted to "
        f"convert, {every.converted:,} do; with several open leads {format_number(several.predicted, 1)} of "
        f"{several.accounts:,}, {several.converted:,} do{shared}"
    )


def _metrics(holdout: Metrics, base_rate: Estimate) -> list[str]:
    rows: list[tuple[str, ...]] = [("", "value", "95% interval")]
    rows += [
        _row("ROC AUC", holdout.roc_auc),
        _row("average precision", holdout.average_precision),
        _row("log loss", holdout.log_loss, 4),
        _row("Brier score", holdout.brier, 4),
        _row("Brier score of the base rate known at training", base_rate, 4),
        _row("calibration error", holdout.ece, 4),
        _row("lift of the top tenth", holdout.lift_top_decile, 2),
    ]
    return columns(rows)


def _row(name: str, estimate: Estimate, digits: int = 3) -> tuple[str, str, str]:
    return (
        name,
        f"{estimate.value:.{digits}f}",
        f"{estimate.low:.{digits}f} to {estimate.high:.{digits}f}",
    )


def _baselines(result: TrainedVersion) -> list[str]:
    rows: list[tuple[str, ...]] = [
        (
            "",
            "ROC AUC",
            "log loss",
            "Brier score",
            "mqlml's log loss minus this, 95% interval",
            "mqlml is",
        ),
        ("mqlml", *_scores(result.holdout), "", ""),
    ]
    rows += [
        (
            name.replace("_", " "),
            *_scores(baseline),
            _signed(baseline.log_loss_difference),
            _VERDICTS[baseline.verdict],
        )
        for name, baseline in result.baselines.items()
    ]
    return columns(rows)


def _scores(metrics: Metrics) -> tuple[str, str, str]:
    return (
        f"{metrics.roc_auc.value:.3f}",
        f"{metrics.log_loss.value:.4f}",
        f"{metrics.brier.value:.4f}",
    )


def _signed(estimate: Estimate) -> str:
    return ranged(estimate, 4, signed=True)


def _label(name: str, label: LabelEvaluation) -> str:
    """Each figure beside the threshold that it belongs to: that of the version, or that of the held-out period."""
    lines = [
        f"  {format_label(name)} from a probability of {label.threshold:.3f}",
        f"    forecast for the next period: {_forecast(label.next, label)}",
    ]
    measured = f"    held-out period, from {label.evaluated_at:.3f}: "
    if label.precision is not None and label.recall is not None:
        measured += (
            f"{format_percent(label.precision.value, 1)} of those above convert, "
            f"{format_percent(label.recall.value, 1)} of all conversions are caught"
        )
    else:
        measured += "no lead is above"
    if label.per_week is not None:
        measured += f", {format_number(label.per_week.value, 1)} leads a week"
    forecast = _forecast(label.predicted, label)
    within = [
        found for found in (label.within_range.precision, label.within_range.per_week) if found is not None
    ]
    if within:
        forecast += ": " + (
            "within range" if all(within) else "partly within range" if any(within) else "out of range"
        )
    lines += [measured, f"    forecast for that period: {forecast}"]
    if label.note is not None:
        lines.append(f"    note: {label.note}")
    return "\n".join(lines)


def _forecast(predicted: LabelPrediction, label: LabelEvaluation) -> str:
    found = []
    if (precision := predicted.precision) is not None:
        found.append(f"{format_percent(precision.low, 1)} to {format_percent(precision.high, 1)} convert")
    if (per_week := predicted.per_week) is not None:
        found.append(f"{format_number(per_week.low, 1)} to {format_number(per_week.high, 1)} leads a week")
    wanted = 1 if label.per_week is None else 2
    if len(found) < wanted:
        found.append(f"not enough history{' for more' if found else ''}")
    return ", ".join(found) + (" (90% confidence)" if predicted.precision or predicted.per_week else "")


def _promoted(rule: Promotion) -> str:
    text = f"  Promoted to {format_label(rule.to)} by the rule “{rule.reason}”: {rule.selected:,} snapshots"
    if rule.precision is not None:
        text += f", {format_percent(rule.precision.value, 1)} of them convert; {rule.raised:,} were lower without it"
    return text
