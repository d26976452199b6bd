"""The report's section on monitoring: whether the version still holds, ready to be shown, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from markupsafe import Markup

from mqlml.monitoring import MonitorResult
from mqlml.monitoring.realized import RealizedGroup
from mqlml.render.monitoring import describe_reason, describe_verdict, format_evidence
from mqlml.render.report.rows import escape_markdown, markdown_table, to_markdown
from mqlml.render.report.text import format_date, mark_count, mark_number, mark_percent
from mqlml.texts import format_label, format_percent, pluralize

__all__ = ["Monitored", "describe_monitoring", "write_monitoring"]

_STATES = {"fine": "good", "recalibrate": "care", "retrain": "care", "stop": "bad"}
_RANGE = "The likely range holds 95% of what happens while the percentages are right."
_SIGNALS = 8
_REASONS = 3


@dataclass(frozen=True)
class _Realized:
    name: str
    n: Markup
    predicted: Markup
    range: Markup
    observed: Markup
    within: str


@dataclass(frozen=True)
class _Shifted:
    name: str
    stability: Markup
    present: Markup
    present_before: Markup
    missing: Markup
    missing_before: Markup


@dataclass(frozen=True)
class _Answered:
    label: str
    leads: Markup
    accepted: Markup
    rejected: Markup
    waiting: Markup
    reasons: str


@dataclass(frozen=True)
class Monitored:
    """What the section shows.

    Attributes
    ----------
    state : {"good", "care", "bad"}
    title, sentence, evidence, inputs, expected, unknown, ranking, handover : str
        Texts; ``expected`` and ``ranking`` are empty where there is nothing to say; ``unknown`` is said where no
        outcome is known.
    reasons : tuple of str
    range : what the likely ranges of ``realized`` are
    realized, shifted, answered : rows of the tables
    """

    state: str
    title: str
    sentence: str
    reasons: tuple[str, ...]
    evidence: str
    inputs: str
    expected: str
    unknown: str
    ranking: str
    handover: str
    range: str
    realized: tuple[_Realized, ...]
    shifted: tuple[_Shifted, ...]
    answered: tuple[_Answered, ...]


def describe_monitoring(result: MonitorResult | None) -> Monitored | None:
    """The texts and rows of the section; None without a result."""
    if result is None:
        return None
    title, sentence = describe_verdict(result.verdict)
    return Monitored(
        state=_STATES[result.verdict],
        title=f"{title}, as of {format_date(result.as_of, result.timezone)}",
        sentence=sentence,
        reasons=tuple(describe_reason(reason, result) for reason in result.reasons),
        evidence=_evidence(result),
        inputs=_inputs(result),
        expected=_expected(result),
        unknown=_unknown(result),
        ranking=_ranking(result),
        handover=_handover(result),
        range=_RANGE,
        realized=_realized(result),
        shifted=tuple(
            _Shifted(
                one.sentence,
                mark_number(one.stability.value, 2),
                mark_percent(one.present),
                mark_percent(one.present_before),
                mark_percent(one.missing),
                mark_percent(one.missing_before),
            )
            for one in result.inputs.signals
            if one.stability.shifted
        )[:_SIGNALS],
        answered=tuple(
            _Answered(
                format_label(name),
                mark_count(found.leads),
                mark_count(found.accepted),
                mark_count(found.rejected),
                mark_count(found.waiting),
                "; ".join(f"{text} ({n:,})" for text, n in list(found.reasons.items())[:_REASONS]),
            )
            for name, found in result.feedback.labels.items()
        ),
    )


def _evidence(result: MonitorResult) -> str:
    found = result.evidence
    reached = (
        f" It was reached on {format_date(found.since, result.timezone, time=False)}." if found.since else ""
    )
    return (
        f"Evidence against this version: {format_evidence(found.value)} now, {format_evidence(found.highest)} at "
        f"most. Evidence of a recent break, which starts again every week and so finds one sooner: "
        f"{format_evidence(found.recent)} now, {format_evidence(found.recent_highest)} at most. The alarm is at "
        f"{found.alarm_at:g} for both.{reached} They may be read every week: while the odds lie within "
        f"{format_percent(found.tolerance)} of those predicted, the first ever reaches the alarm with a chance of at "
        f"most 1 in {found.alarm_at:g}; a false alarm of the second takes {found.runs_per_false_alarm:,.0f} weekly "
        "runs or more, on average."
    )


def _inputs(result: MonitorResult) -> str:
    volume, score = result.inputs.volume, result.inputs.score
    return (
        f"{pluralize(volume.new_leads, 'new lead')} in the last week, {volume.new_leads_before:.0f} a week before. "
        f"The mean probability is {format_percent(score.mean)}; the leads of the training have "
        f"{format_percent(score.mean_before)}."
    )


def _expected(result: MonitorResult) -> str:
    found = result.estimated
    if found is None:
        return ""
    won = found.conversions
    return (
        f"Of {pluralize(found.leads, 'open lead')}, {won.value:.0f} should convert ({won.low:.0f} to "
        f"{won.high:.0f}), if the percentages hold."
    )


def _unknown(result: MonitorResult) -> str:
    first = format_date(result.scored.first_known, result.timezone, time=False)
    return f"No outcome of its scores is known yet; the first is known on {first}."


def _ranking(result: MonitorResult) -> str:
    if result.realized is None or result.realized.metrics is None:
        return ""
    now, before = result.realized.metrics.roc_auc, result.roc_auc_before
    return (
        f"Of two leads, it picked the better one {format_percent(now.value)} of the time "
        f"({format_percent(now.low)} to {format_percent(now.high)}); in the test period of the training "
        f"{format_percent(before.value)}."
    )


def _group(name: str, group: RealizedGroup) -> _Realized:
    return _Realized(
        name,
        mark_count(group.n),
        mark_number(group.predicted, 0),
        mark_number(group.low, 0) + Markup(" to ") + mark_number(group.high, 0),
        mark_count(group.observed),
        "yes" if group.within else "no",
    )


def _realized(result: MonitorResult) -> tuple[_Realized, ...]:
    found = result.realized
    if found is None:
        return ()
    labels = (_group(format_label(name), group) for name, group in found.labels.items())
    return (_group("All", found.total), *labels)


def _handover(result: MonitorResult) -> str:
    over = result.feedback.handover
    label = format_label(over.label)
    return (
        f"{pluralize(over.handed_over, 'lead')} reached {label}; sales rejected or lost {over.too_early:,} of them "
        f"within {over.soon_days:g} days, so they were too early. Sales took up {pluralize(over.accepted, 'lead')}; "
        f"{over.never:,} of these never were {label}, and {over.too_late:,} only afterwards."
    )


def write_monitoring(section: Monitored) -> list[str]:
    """The section as lines of Markdown."""
    lines = [
        "## Is it still true?",
        "",
        f"**{escape_markdown(section.title)}.** {escape_markdown(section.sentence)}",
        "",
        *(("### Why", "") if section.reasons else ()),
        *(f"- {escape_markdown(reason)}" for reason in section.reasons),
        "",
        escape_markdown(f"{section.inputs} {section.expected}"),
        "",
    ]
    if section.realized:
        heads = ("Label", "Snapshots", "Predicted", "Likely range", "Converted", "Within range")
        lines += [
            *_write_table(heads, section.realized),
            "",
            escape_markdown(f"{section.ranking} {section.range}"),
        ]
    else:
        lines += [escape_markdown(section.unknown)]
    if section.shifted:
        heads = (
            "Signals that shifted",
            "Stability index",
            "Have it",
            "Before",
            "Missing",
            "Missing before",
        )
        lines += ["", *_write_table(heads, section.shifted)]
    heads = ("What sales did", "Leads", "Accepted", "Rejected", "No answer", "Most frequent reasons")
    lines += ["", *_write_table(heads, section.answered)]
    return [*lines, "", escape_markdown(section.handover), "", escape_markdown(section.evidence)]


def _write_table(heads: Sequence[str], rows: Iterable[_Realized | _Shifted | _Answered]) -> list[str]:
    cells = (
        [to_markdown(cell) if isinstance(cell, Markup) else escape_markdown(cell) for cell in astuple(row)]
        for row in rows
    )
    return markdown_table(heads, cells)
