"""Console text of ``mqlml thresholds`` and ``mqlml recalibrate``."""

from __future__ import annotations

from mqlml.monitoring import RecalibrateResult, ThresholdsResult
from mqlml.monitoring.what_if import ThresholdRow
from mqlml.render.console.common import columns, ranged
from mqlml.texts import format_label, format_number, format_percent, format_signed, pluralize

__all__ = ["format_recalibrate", "format_thresholds"]

_HEAD = ("threshold", "label", "leads", "a week", "precision", "customers caught")


def _row(row: ThresholdRow) -> tuple[str, ...]:
    return (
        f"{row.threshold:.4f}",
        "" if row.label is None else format_label(row.label),
        f"{row.leads:,}",
        format_number(row.per_week, 1) if row.per_week is not None else "-",
        format_percent(row.precision.value),
        f"{format_percent(row.caught.value)} ({row.converted:,})",
    )


def format_thresholds(result: ThresholdsResult) -> str:
    """What ``mqlml thresholds`` prints."""
    lines = [
        f"{result.model} version {result.version}, thresholds measured on the held-out period:",
        *columns([_HEAD, *map(_row, result.rows)]),
    ]
    if any(row.per_week is not None for row in result.rows):
        lines.append(
            "A week: leads that first reach it when scored every night; other columns: at the ages learned from"
        )
    if result.set_rows:
        lines += ["With --set:", *columns([_HEAD, *map(_row, result.set_rows)])]
    if result.moves is not None:
        lines.append("Open leads that change label:" if result.moves else "No open lead changes label")
        lines += [
            f"  {pluralize(move.leads, 'lead')} from {format_label(move.before)} to {format_label(move.after)}, "
            f"{move.expected:.1f} conversions expected of them"
            for move in result.moves
        ]
    if result.new_version is not None:
        lines.append(
            f"Registered as version {result.new_version} ({', '.join(result.aliases)}); the trees are the same"
        )
    elif result.set_rows:
        lines.append("Nothing was registered; to make a version with these thresholds, add --reason")
    return "\n".join(lines)


def format_recalibrate(result: RecalibrateResult) -> str:
    """What ``mqlml recalibrate`` prints."""
    rows = [("", "before", "now")]
    rows += [
        ("slope", f"{result.before.slope:.3f}", f"{result.after.slope:.3f}"),
        ("level", format_signed(result.before.intercept, 3), format_signed(result.after.intercept, 3)),
    ]
    rows += [
        (
            f"threshold of {format_label(name)}",
            f"{result.before.thresholds.get(name, float('nan')):.4f}",
            f"{now:.4f}",
        )
        for name, now in result.after.thresholds.items()
    ]
    difference = ranged(result.log_loss_difference, 4, signed=True)
    lines = [
        f"Recalibrated {result.model} version {result.version} on {pluralize(result.snapshots, 'snapshot')} with "
        f"{pluralize(result.positives, 'conversion')}, from {result.start[:10]} until "
        f"{result.until[:10]}; the trees are the same",
        *columns(rows),
        f"Log loss on the later half, learned from the earlier: {result.before.log_loss:.4f} before, "
        f"{result.after.log_loss:.4f} now, difference {difference}",
    ]
    if result.new_version is None:
        lines.append("Nothing was registered")
    else:
        lines.append(f"Registered as version {result.new_version} ({', '.join(result.aliases)})")
    return "\n".join(lines)
