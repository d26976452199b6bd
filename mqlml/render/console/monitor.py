"""Console text of ``mqlml monitor``."""

from __future__ import annotations

from mqlml.evaluation import Estimate
from mqlml.monitoring import MonitorResult
from mqlml.monitoring.drift import PSI_SHIFT
from mqlml.monitoring.realized import RealizedGroup
from mqlml.render.console.common import columns, local_day, ranged
from mqlml.render.monitoring import describe_reason, describe_verdict, format_evidence
from mqlml.texts import format_label, format_percent, pluralize

__all__ = ["format_monitor"]

_SIGNALS = 5
_REASONS = 3


def format_monitor(result: MonitorResult) -> str:
    """What ``mqlml monitor`` prints."""
    word, sentence = describe_verdict(result.verdict)
    zone, scored = result.timezone, result.scored
    lines = [f"{word}. {sentence}", *(f"  {describe_reason(one, result)}" for one in result.reasons)]
    evidence = result.evidence
    reached = f", reached {local_day(evidence.since, zone)}" if evidence.since else ""
    lines += [
        f"Evidence: {format_evidence(evidence.value)} now, {format_evidence(evidence.highest)} at most; of a recent "
        f"break {format_evidence(evidence.recent)} and {format_evidence(evidence.recent_highest)}; alarm at "
        f"{evidence.alarm_at:g}{reached}",
        f"Scores: {pluralize(scored.runs, 'weekly run')} from {local_day(scored.first, zone)} until "
        f"{local_day(scored.last, zone)}, {pluralize(scored.snapshots, 'snapshot')}, {scored.mature:,} with a known "
        "outcome",
    ]
    left = (
        (scored.unknown_leads, "of leads that are not in the data"),
        (scored.learned_from, "of the time that the version learned from"),
        (scored.converted_before, "of leads that had converted already"),
    )
    lines += [f"  left out: {pluralize(n, 'score')} {why}" for n, why in left if n]
    return "\n".join([*lines, *_inputs(result), *_estimated(result), *_realized(result), *_feedback(result)])


def _inputs(result: MonitorResult) -> list[str]:
    volume, score = result.inputs.volume, result.inputs.score
    lines = [
        f"Leads: {volume.new_leads:,} new in the last week ({volume.new_leads_before:.0f} a week before, "
        f"{volume.low:.0f} to {volume.high:.0f}), {volume.open_leads:,} open",
        f"Mean probability: {format_percent(score.mean)} ({format_percent(score.mean_before)} before); stability "
        f"index {score.stability.value:.2f} (above {PSI_SHIFT:g} is a shift)",
    ]
    shifted = [one for one in result.inputs.signals if one.stability.shifted]
    if not shifted:
        return [*lines, "Signals: no shift beyond chance"]
    lines.append(f"Signals that shifted: {len(shifted)} of {len(result.inputs.signals)}")
    rows = [("", "stability", "have it", "before", "missing", "before")]
    rows += [
        (
            one.sentence,
            f"{one.stability.value:.2f}",
            format_percent(one.present),
            format_percent(one.present_before),
            format_percent(one.missing),
            format_percent(one.missing_before),
        )
        for one in shifted[:_SIGNALS]
    ]
    return [*lines, *columns(rows)]


def _estimated(result: MonitorResult) -> list[str]:
    found = result.estimated
    if found is None:
        return []
    lines = [
        f"Expected of {pluralize(found.leads, 'open lead')}: {ranged(found.conversions, 0)} conversions, ROC AUC "
        f"{ranged(found.roc_auc, 2)} ({result.roc_auc_before.value:.2f} when it was trained)"
    ]
    rows = [("", "leads", "convert")]
    rows += [
        (format_label(name), f"{label.leads:,}", _share(label.precision))
        for name, label in found.labels.items()
    ]
    return [*lines, *columns(rows)]


def _share(found: Estimate | None) -> str:
    if found is None:
        return "-"
    return f"{format_percent(found.value)} ({format_percent(found.low)} to {format_percent(found.high)})"


def _group(name: str, group: RealizedGroup) -> tuple[str, ...]:
    within = "yes" if group.within else "no"
    likely = f"{group.predicted:.0f} ({group.low:.0f} to {group.high:.0f})"
    return name, f"{group.n:,}", likely, f"{group.observed:,}", within


def _realized(result: MonitorResult) -> list[str]:
    found = result.realized
    if found is None:
        first = local_day(result.scored.first_known, result.timezone)
        return [f"Realized: no outcome is known yet, the first on {first}"]
    rows = [("Realized", "snapshots", "predicted", "observed", "within range"), _group("all", found.total)]
    rows += [_group(format_label(name), group) for name, group in found.labels.items()]
    lines = [row.removeprefix("  ") if place == 0 else row for place, row in enumerate(columns(rows))]
    if found.metrics is not None:
        lines.append(f"ROC AUC {ranged(found.metrics.roc_auc, 2)}")
    if found.calibration is not None:
        lines.append(
            f"Calibration: level {ranged(found.calibration.level, 2, signed=True)}, slope "
            f"{ranged(found.calibration.slope, 2)}; 0 and 1 are right"
        )
    return lines


def _feedback(result: MonitorResult) -> list[str]:
    rows = [("Sales", "leads", "accepted", "rejected", "no answer", "most frequent reasons")]
    for name, found in result.feedback.labels.items():
        reasons = "; ".join(f"{text} ({n:,})" for text, n in list(found.reasons.items())[:_REASONS])
        rows.append(
            (
                format_label(name),
                f"{found.leads:,}",
                f"{found.accepted:,}",
                f"{found.rejected:,}",
                f"{found.waiting:,}",
                reasons,
            )
        )
    lines = [row.removeprefix("  ") if place == 0 else row for place, row in enumerate(columns(rows))]
    over = result.feedback.handover
    label = format_label(over.label)
    lines.append(
        f"Ever {label} or higher: {over.handed_over:,} leads; {over.too_early:,} too early (rejected or lost within "
        f"{over.soon_days:g} days)"
    )
    lines.append(
        f"Accepted by sales: {over.accepted:,} leads; {over.never:,} of them never were {label}, {over.too_late:,} "
        "only afterwards"
    )
    return lines
