"""Console text of the commands about versions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from mqlml.evaluation import Estimate, Metrics
from mqlml.evaluation.paired import LabelValue, PairedComparison, SliceDifference
from mqlml.evaluation.promotion import Decision, Evidence
from mqlml.insight import Impact
from mqlml.registry import ChampionChange
from mqlml.render.console.common import columns, local_day, local_moment, ranged
from mqlml.render.report.against import SAME_PROBABILITY, SHOWN_POINTS
from mqlml.render.version_results import (
    ChampionResult,
    ComparedVersion,
    CompareResult,
    HistoryResult,
    LaterSnapshots,
    ReproduceResult,
    RetrainResult,
)
from mqlml.texts import format_label, format_number, format_percent, format_signed, pluralize
from mqlml.times import parse_instant

__all__ = [
    "format_champion",
    "format_compare",
    "format_history",
    "format_reproduce",
    "format_retrain",
]

_SHOWN_LEADS = 5
_ACTIONS = {
    "first": "first version",
    "promoted": "promoted",
    "forced": "forced",
    "rolled_back": "rolled back",
}


def format_compare(result: CompareResult) -> str:
    """What ``mqlml compare`` prints."""
    a, b = (_named(found, result) for found in (result.champion, result.challenger))
    title = f"{result.champion.model}: {a} against {b}" if result.one_model else f"{a} against {b}"
    lines = [title, _later(result.later, result.timezone)]
    if result.comparison is not None:
        lines += _metrics(result.comparison, a, b)
        lines += _labels(result.comparison.labels)
        lines += _slices(result.comparison.slices)
    if result.impact is not None:
        lines += _impact(result.impact, result.timezone)
    lines += _evidence(result.evidence, result.decision)
    if result.one_model:
        return "\n".join([*lines, *_decision(result.decision, b)])
    found = "finds" if result.decision.promote else "does not find"
    lines += [f"The rule {found} {b} better", *(f"  {reason.text}" for reason in result.decision.reasons)]
    return "\n".join(
        [*lines, "They are versions of different models, so neither can be promoted over the other"]
    )


def _named(found: ComparedVersion, result: CompareResult) -> str:
    if found.version is None:
        return "the new version"
    return f"version {found.version}" if result.one_model else f"{found.model} {found.version}"


def _later(later: LaterSnapshots, zone: str) -> str:
    if later.since is None:
        return "There are no later leads to compare on: the table's order does not say which rows are later"
    since = local_moment(later.since, zone)
    if later.until is None:
        first = (
            ""
            if later.first_known is None
            else f"; the first is known on {local_day(later.first_known, zone)}"
        )
        return f"There are no later snapshots to compare on: none from {since} on has its outcome yet{first}"
    kind = (
        "the new version's model of the past, on held-out snapshots" if later.held_out else "later snapshots"
    )
    return (
        f"Compared on {kind} that neither learned from, {since} until {local_moment(later.until, zone)}: "
        f"{pluralize(later.n, 'snapshot')}, {later.positives:,} convert"
    )


def _metrics(found: PairedComparison, a: str, b: str) -> list[str]:
    rows: list[tuple[str, ...]] = [("", a, b, "difference, 95% interval")]
    for name, key, digits, difference in (
        ("log loss", "log_loss", 4, found.log_loss_difference),
        ("Brier score", "brier", 5, found.brier_difference),
        ("average precision", "average_precision", 3, found.average_precision_difference),
        ("ROC AUC", "roc_auc", 3, None),
        ("calibration error", "ece", 4, None),
    ):
        values = [_value(metrics, key, digits) for metrics in (found.champion, found.challenger)]
        rows.append((name, *values, "" if difference is None else ranged(difference, digits, signed=True)))
    predicted = (found.champion_calibration.predicted, found.challenger_calibration.predicted)
    observed = found.champion_calibration.observed
    rows.append(("predicted to convert", *(format_percent(share, 1) for share in predicted), ""))
    return [*columns(rows), f"  {format_percent(observed, 1)} converted"]


def _value(metrics: Metrics, key: str, digits: int) -> str:
    estimate: Estimate = getattr(metrics, key)
    return f"{estimate.value:.{digits}f}"


def _labels(labels: Mapping[str, LabelValue]) -> list[str]:
    lines = ["Labels" if labels else "The versions have no label in common"]
    for label, found in labels.items():
        unit = "money" if found.in_currency else "conversions"
        lines.append(
            f"  {format_label(label)}: {found.selected[0]:,} and {found.selected[1]:,} snapshots, "
            f"{found.converted[0]:,} and {found.converted[1]:,} convert; value a thousand snapshots, in {unit}: "
            f"{ranged(found.value_difference, 2, signed=True)}"
        )
    return lines


def _slices(slices: tuple[SliceDifference, ...]) -> list[str]:
    clear = [row for row in slices if row.brier_difference.low > 0 or row.brier_difference.high < 0]
    if not slices:
        return []
    lines = [f"Groups: {len(clear)} of {len(slices)} differ by more than chance, each taken alone"]
    return lines + [
        f"  {row.column} {row.value}: {'worse' if row.brier_difference.low > 0 else 'better'}, Brier score "
        f"{ranged(row.brier_difference, 5, signed=True)} on {pluralize(row.n, 'snapshot')}"
        for row in clear
    ]


def _impact(impact: Impact, zone: str) -> list[str]:
    share = format_percent(impact.changed / impact.open_leads if impact.open_leads else 0.0)
    lines = [
        f"Open leads on {local_moment(impact.as_of, zone)}: {impact.changed:,} of {impact.open_leads:,} ({share}) "
        "get another label"
    ]
    if impact.by_one_only:
        lines.append(f"  {pluralize(impact.by_one_only, 'lead')} are open for one of the versions only")
    if impact.changed:
        lines += _thresholds(impact.thresholds)
    lines += [
        f"  {move.leads:,} from {format_label(move.before)} to {format_label(move.after)}: {_points(move.points)}"
        for move in impact.moves
    ]
    lines += [
        f"  lead {lead.lead_id}: {format_label(lead.before)} to {format_label(lead.after)}, "
        f"{format_percent(lead.probability[0], 1)} to {format_percent(lead.probability[1], 1)}: "
        f"{_points(lead.points)}"
        for lead in impact.leads[:_SHOWN_LEADS]
    ]
    return lines


def _thresholds(thresholds: Mapping[str, tuple[float, float]]) -> list[str]:
    if not thresholds:
        return []
    texts = [
        f"{format_label(name)} from {format_percent(before, 1)} and {format_percent(after, 1)}"
        for name, (before, after) in thresholds.items()
    ]
    return [f"  thresholds of the two: {', '.join(texts)}"]


def _points(points: Mapping[str, float]) -> str:
    ranked = sorted(points.items(), key=lambda item: -abs(item[1]))
    shown = [f"{name} {format_signed(value, 2)}" for name, value in ranked if abs(value) >= SHOWN_POINTS]
    return ", ".join(shown) or SAME_PROBABILITY


def _evidence(evidence: Evidence, decision: Decision) -> list[str]:
    if not evidence.snapshots:
        return []
    return [
        f"Evidence, on the first snapshot of each of {evidence.accounts:,} accounts ({evidence.conversions:,} "
        f"convert): {format_number(evidence.for_challenger, 2)} for the challenger, "
        f"{format_number(evidence.for_champion, 2)} for the champion; {format_number(1 / decision.alpha)} decides"
    ]


def _decision(decision: Decision, challenger: str) -> list[str]:
    if decision.promote:
        return [f"The rule promotes {challenger}"]
    return ["The rule keeps the champion", *(f"  {reason.text}" for reason in decision.reasons)]


def format_champion(result: ChampionResult) -> str:
    """What ``mqlml promote`` and ``mqlml rollback`` print."""
    lines = []
    if result.change is not None:
        before = result.change.previous
        was = "" if before is None else f", in place of version {before}"
        lines.append(f"{result.model} version {result.version} is the champion{was}: {result.change.reason}")
    else:
        lines.append(f"Kept version {result.champion} as the champion of {result.model}")
        lines += [f"  {reason.text}" for reason in (result.decision.reasons if result.decision else ())]
        if result.later is not None and result.later.first_known is not None:
            first = local_day(result.later.first_known, result.timezone)
            lines.append(f"  the first of them is known on {first}; then compare again")
        lines.append('To promote it all the same: add --force --reason "why"')
    return "\n".join([*lines, *([f"Note: {result.notified}"] if result.notified else [])])


def format_history(result: HistoryResult) -> str:
    """What ``mqlml history`` prints."""
    lines = [line for change in result.changes for line in _change(change, result.timezone)]
    lines += [
        f"Note: the change to version {after.version} is dated before the one it follows, so a clock was wrong"
        for before, after in pairwise(result.changes)
        if parse_instant(after.at, "UTC") < parse_instant(before.at, "UTC")
    ]
    if result.at is not None:
        lines += _champion_at(result, local_moment(result.at, result.timezone))
    elif not result.changes:
        lines.append(f"{result.model} has no history yet; the next change of its champion begins it")
    if result.moved_by_hand is not None:
        last = result.changes[-1]
        if last.previous == result.moved_by_hand:
            lines.append(
                f"Note: the change to version {last.version} was interrupted: version {last.previous} is still the "
                f"champion. To repeat it: mqlml promote {last.version}"
            )
        else:
            lines.append(
                f"Note: the alias champion means version {result.moved_by_hand} now, not the last one of the "
                "history. It was set outside of mqlml; mqlml rollback goes to the last one of the history"
            )
    return "\n".join(lines)


def _champion_at(result: HistoryResult, moment: str) -> list[str]:
    was = "there was no champion"
    if result.champion is not None:
        was = f"version {result.champion} was the champion"
    if not result.changed_that_day:
        return [f"On {moment}, {was} of {result.model}"]
    changes = (line for change in result.changed_that_day for line in _change(change, result.timezone))
    return [
        f"When {moment} began, {was} of {result.model}. Changed that day:",
        *(f"  {line}" for line in changes),
    ]


def _change(change: ChampionChange, zone: str) -> list[str]:
    before = "" if change.previous is None else f" (before: version {change.previous})"
    lines = [
        f"{local_moment(change.at, zone)}  version {change.version}{before}, {_ACTIONS[change.action]} by "
        f"{change.by}: {change.reason}"
    ]
    if change.evidence is not None:
        found = change.evidence
        lines.append(
            f"  evidence {format_number(found.for_challenger, 1)} on {found.accounts:,} accounts, "
            f"{found.conversions:,} conversions; {found.changed:,} of {found.open_leads:,} open "
            "leads changed their label"
        )
    return lines


def format_retrain(result: RetrainResult) -> str:
    """The line that ``mqlml retrain`` prints."""
    report = f"; report: {result.report}" if result.report else ""
    note = f"\nNote: {result.notified}" if result.notified else ""
    because = "; ".join(result.reasons)
    if result.outcome == "refused":
        stays = "there is no champion"
        if result.champion is not None:
            stays = f"version {result.champion} stays the champion"
        return f"Refused: {result.model} was trained, but did not pass the gate ({because}); {stays}{report}"
    if result.outcome == "promoted":
        why = f" ({because})" if because else ""
        return f"Promoted: {result.model} version {result.version} is the champion{why}{report}{note}"
    if result.compared is not None and result.compared.later.first_known is not None:
        because += f"; the first is known on {local_day(result.compared.later.first_known, result.compared.timezone)}"
    return (
        f"Kept: {result.model} version {result.champion} stays the champion; version {result.version} is the "
        f"challenger ({because}){report}"
    )


def format_reproduce(result: ReproduceResult) -> str:
    """What ``mqlml reproduce`` prints."""
    name = f"{result.model} version {result.version}"
    if result.identical:
        lines = [
            f"{name} was trained again and is identical: {result.leads:,} leads get the same predictions"
        ]
    elif result.trained:
        lines = [
            f"{name} was trained again and differs: probabilities of {result.leads:,} leads by up to "
            f"{result.largest_difference:.2g}"
        ]
    else:
        lines = [f"{name} cannot be trained again: its data has changed"]
    lines += [
        f"  {found.what} {found.where}: {found.then} then, {found.now} now" for found in result.differences
    ]
    return "\n".join(lines)
