"""The report's section on points, the sentences about a points table, and the table as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate
from mqlml.evaluation.metrics import compare_losses
from mqlml.insight.points.evaluation import PointsLoss
from mqlml.insight.points.more_wins import MoreWins
from mqlml.insight.points.table import PointsTable
from mqlml.model.signals import SignalLevel, SignalReport
from mqlml.render.report.rows import escape_markdown, markdown_table
from mqlml.render.report.text import mark, mark_percent
from mqlml.texts import (
    format_label,
    format_number,
    format_percent,
    format_signed,
    is_known,
    join_texts,
    pluralize,
)

__all__ = [
    "POINTS_LIMIT",
    "PointsSection",
    "describe_evaluation",
    "describe_labels",
    "describe_more_wins",
    "describe_points",
    "describe_use",
    "describe_wait",
    "few_wins_signals",
    "format_points_count",
    "signal_title",
    "write_points",
]

POINTS_LIMIT = (
    "Points simply add up, so they cannot say that two things together count for more or less than their sum. A "
    "condition says what goes along with a sale, not what causes it."
)
"""What points cannot say."""

_SIGNALS = 8

_LONG = 60
"""Months; nobody plans further ahead."""


def format_points_count(points: int) -> str:
    """``+8``, ``−3``."""
    return format_signed(points)


def describe_use(found: PointsTable) -> str:
    """What to do with the table, as one or two sentences."""
    if not found.rows:
        return (
            "Nothing clearly tells leads that convert from the others yet, so there are no points to give: every "
            f"lead has the average chance of {format_percent(found.base_rate)}."
        )
    text = f"For each lead, add up the points of those of the {pluralize(len(found.rows), 'condition')} that apply."
    labels = [
        f"{format_label(label)} from {pluralize(one.from_points, 'point').replace('-', '−')}"
        for label, one in found.evaluation.labels.items()
    ]
    return f"{text} It is {join_texts(labels)}." if labels else text


def describe_labels(found: PointsTable) -> list[str]:
    """What each label's leads by points are worth beside the model's, a sentence for each label."""
    return [
        f"Of the {pluralize(one.leads, 'later lead')} that the model calls {format_label(label)}, "
        f"{format_number(one.converted)} converted; of the {format_number(one.leads)} with the most points, "
        f"{format_number(one.points_converted)} did. The two picks share {format_percent(one.overlap.value)} "
        f"({format_percent(one.overlap.low)} to {format_percent(one.overlap.high)}) of their leads."
        for label, one in found.evaluation.labels.items()
        if one.leads and found.rows
    ]


def describe_evaluation(found: PointsTable) -> list[str]:
    """How good the points are on later leads beside the average rate and the model; nothing where there are none."""
    tested = found.evaluation
    if not found.rows:
        return []
    lines = [
        f"Tested on {pluralize(tested.snapshots, 'later snapshot')} of {pluralize(tested.leads, 'lead')}, of which "
        f"{format_number(tested.converted)} converted. Compared with the average rate, the points are "
        f"{_better(tested.beside_base_rate, tested.log_loss.value)}."
    ]
    beside = tested.beside_model
    if beside is None:
        return lines
    kept = _kept(tested.beside_base_rate, beside)
    lines.append(f"Compared with the model, they are {_better(beside, tested.log_loss.value)}{kept}.")
    if is_known(tested.roc_auc.value) and is_known(beside.roc_auc):
        lines.append(
            f"Of two leads, the points pick the better one {format_percent(tested.roc_auc.value)} of the time, the "
            f"model {format_percent(beside.roc_auc)} (difference {_points(beside.roc_auc_difference)})."
        )
    return lines


def _better(beside: PointsLoss, log_loss: float) -> str:
    verdict = {"better": "better", "worse": "worse", "not_clearly_better": "not clearly better or worse"}[
        compare_losses(beside.log_loss_difference)
    ]
    difference = beside.log_loss_difference
    return (
        f"{verdict}: log loss {format_number(log_loss, 4)} against {format_number(beside.log_loss, 4)}, a difference "
        f"of {_signed(difference.value)} ({_signed(difference.low)} to {_signed(difference.high)})"
    )


def _kept(base: PointsLoss, model: PointsLoss) -> str:
    """Which share of the model's gain over the base rate the points keep, where the model gains."""
    gain = base.log_loss - model.log_loss
    kept = -base.log_loss_difference.value
    return (
        f"; they keep {format_percent(kept / gain)} of its gain over the average rate"
        if 0 < kept < gain
        else ""
    )


def _signed(value: float) -> str:
    text = format_number(value, 4)
    return f"+{text}" if value > 0 and text[0].isdigit() else text


def _points(difference: Estimate) -> str:
    low, value, high = (100 * end for end in (difference.low, difference.value, difference.high))
    return f"{format_number(value, 1)} percentage points, {format_number(low, 1)} to {format_number(high, 1)}"


def describe_more_wins(found: MoreWins) -> str:
    """What a model needs, and about when it will be there."""
    have = (
        f"You have {pluralize(found.conversions, 'conversion')} of {pluralize(found.leads, 'lead')} to learn from, "
        f"and a model needs {format_number(found.needed)}"
    )
    wait = describe_wait(found)
    return f"{have}. {wait}" if wait else f"{have}: {format_number(found.missing)} more."


def describe_wait(found: MoreWins) -> str:
    """About when there will be enough, as a sentence; empty where nobody can tell."""
    if not is_known(found.months.low):
        return ""
    low, high = found.months.low, found.months.high
    wait = f"more than {_LONG // 12} years" if low > _LONG else f"about {_span(found.months)} more months"
    if low <= _LONG < high:
        wait = f"{_few(low)} months to more than {_LONG // 12} years"
    return f"At {_span(found.leads_per_month)} converting leads a month, that will take {wait}."


def _span(found: Estimate) -> str:
    return f"{_few(found.low)} to {_few(found.high)}"


def _few(value: float) -> str:
    return format_number(value, 0 if value >= 10 else 1)


def few_wins_signals(report: SignalReport) -> list[SignalLevel]:
    """The levels that differ most from comparable leads, those without doubt first."""
    levels = [level for signal in report.signals for level in signal.levels if not level.pooled]
    known = [level for level in levels if is_known(level.like_leads.value)]
    known.sort(key=lambda level: (level.direction == "no_clear_difference", -abs(level.like_leads.value)))
    return known[:_SIGNALS]


def signal_title(level: SignalLevel) -> str:
    """An event type, or an attribute with its level."""
    return level.title if level.level is None else f"{level.title}: {level.level}"


@dataclass(frozen=True)
class _Row:
    condition: str
    points: Markup
    share: Markup


@dataclass(frozen=True)
class _Step:
    points: Markup
    probability: Markup
    share: Markup
    label: str


@dataclass(frozen=True)
class PointsSection:
    """What the section shows: texts, the rows of the table and what sums of points stand for."""

    use: str
    labels: tuple[str, ...]
    evaluation: tuple[str, ...]
    more_wins: str
    rows: tuple[_Row, ...]
    scale: tuple[_Step, ...]
    limit: str = POINTS_LIMIT


def describe_points(found: PointsTable) -> PointsSection:
    """The texts and rows of the section."""
    return PointsSection(
        use=describe_use(found),
        labels=tuple(describe_labels(found)),
        evaluation=tuple(describe_evaluation(found)),
        more_wins="" if found.more_wins is None else describe_more_wins(found.more_wins),
        rows=tuple(
            _Row(row.condition, mark(row.points, format_points_count(row.points)), mark_percent(row.share))
            for row in found.rows
        ),
        scale=tuple(
            _Step(
                mark(step.points, f"{step.points:,d}".replace("-", "−")),
                mark_percent(step.probability),
                mark_percent(step.share),
                "" if step.label is None else format_label(step.label),
            )
            for step in found.scale
        ),
    )


def write_points(found: PointsTable) -> list[str]:
    """The table and all that is known of it as lines of Markdown."""
    lines = ["### Which points could your CRM use?", "", escape_markdown(describe_use(found)), ""]
    if found.more_wins is not None:
        lines += [escape_markdown(describe_more_wins(found.more_wins)), ""]
    if found.rows:
        lines += markdown_table(
            ("If", "Points", "Leads"),
            (
                (escape_markdown(row.condition), format_points_count(row.points), format_percent(row.share))
                for row in found.rows
            ),
        )
        lines += [
            "",
            *markdown_table(
                ("From points", "Probability", "Leads with as many", "Label"),
                (
                    (
                        f"{step.points:,d}".replace("-", "−"),
                        format_percent(step.probability),
                        format_percent(step.share),
                        "" if step.label is None else escape_markdown(format_label(step.label)),
                    )
                    for step in found.scale
                ),
            ),
            "",
        ]
    texts = (*describe_labels(found), *describe_evaluation(found))
    lines += [*(f"- {escape_markdown(text)}" for text in texts), "", POINTS_LIMIT]
    if found.signals is not None:
        lines += ["", "### What goes with converting, on few sales", "", *_signals(found.signals)]
    return lines


def _signals(report: SignalReport) -> list[str]:
    return markdown_table(
        ("Signal", "Leads", "With", "Without", "Compared with comparable leads, 95% interval"),
        (
            (
                escape_markdown(signal_title(level)),
                format_number(level.leads),
                format_percent(level.raw.with_rate),
                format_percent(level.raw.without_rate),
                f"{format_number(100 * level.like_leads.low, 1)} to "
                f"{format_number(100 * level.like_leads.high, 1)} points",
            )
            for level in few_wins_signals(report)
        ),
    )
