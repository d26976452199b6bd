"""The tables behind the page as rows of plain values, and the report as Markdown made from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from mqlml.evaluation import TrainingResult
from mqlml.insight import InsightResults, OpenLeads
from mqlml.monitoring import MonitorResult
from mqlml.render.report.advice import list_advice
from mqlml.render.report.monitoring import describe_monitoring, write_monitoring
from mqlml.render.report.parts import split_tables
from mqlml.render.report.rows import (
    Row,
    escape_markdown,
    flatten,
    list_rows,
    markdown_table,
    name_rows,
    to_markdown,
)
from mqlml.render.report.signals import DIRECTIONS, SignalRow, describe_signals
from mqlml.render.report.text import format_date, format_leak_test, format_notice, headline
from mqlml.render.report.thresholds import compare_with_company, compare_with_points, label_cards, what_if
from mqlml.render.report.trust import verdict
from mqlml.render.report.value.chapter import list_insight_tables, write_insight
from mqlml.results import to_json_safe
from mqlml.texts import format_label, format_number, format_percent

__all__ = ["list_tables", "render_markdown"]


def list_tables(
    result: TrainingResult, open_leads: OpenLeads | None = None, insight: InsightResults | None = None
) -> dict[str, list[Row]]:
    """Every table that is not empty, by name."""
    importance = result.importance
    tables: dict[str, Iterable[Row]] = {
        "population": list_rows(result.population.waterfall),
        "signals": _signals(result),
        "fit_by_engagement": list_rows(result.fit_by_engagement),
        "deciles": list_rows(result.deciles),
        "calibration": list_rows(result.calibration.bands),
        "groups": list_rows(result.slices),
        "periods": list_rows(result.over_time),
        "ages": name_rows("age", result.by_age),
        "baselines": name_rows("baseline", result.baselines),
        "labels": name_rows("label", result.labels),
        "labels_by_lead": name_rows("label", result.by_lead.labels if result.by_lead else {}),
        "thresholds": list_rows(result.by_lead.curve if result.by_lead else ()),
        "importance": list_rows(importance.features if importance else ()),
        "families": list_rows(importance.families if importance else ()),
        "history": list_rows(result.learning_curve),
        "suspect_columns": list_rows(result.leaks),
        "left_out": list_rows(result.left_out),
        "set_aside": list_rows(result.data.quarantine),
        "notices": list_rows(result.data.notices),
        "open_leads": list_rows(open_leads.bands if open_leads else ()),
    }
    for split in open_leads.splits if open_leads else ():
        tables[f"open_leads_by_{split.by}"] = list_rows(split.groups)
    tables |= list_insight_tables(insight)
    return {name: rows for name, found in tables.items() if (rows := list(found))}


def _signals(result: TrainingResult) -> Iterable[Row]:
    """A row for each event type and each level of an attribute."""
    for signal in result.signals.signals if result.signals else ():
        for level in signal.levels:
            found = flatten(to_json_safe(level))
            yield {
                "family": signal.signal.family,
                "kind": signal.kind,
                "importance": signal.importance,
                **found,
            }


def render_markdown(
    result: TrainingResult,
    *,
    version: str | None = None,
    run_id: str | None = None,
    monitored: MonitorResult | None = None,
    open_leads: OpenLeads | None = None,
    insight: InsightResults | None = None,
) -> str:
    """The report as Markdown text; the parameters are those of `render_report`."""
    head, trust = headline(result), verdict(result)
    lines = [
        f"# {to_markdown(head.sentence)}",
        "",
        f"{result.question.sentence}. {to_markdown(head.rests_on)}",
        "",
    ]
    advice = list_advice(result, insight)
    if advice:
        lines += [
            "## What to do next",
            "",
            *(f"{n}. {to_markdown(item)}" for n, item in enumerate(advice, 1)),
            "",
        ]
    lines += ["## Can it be trusted?", "", f"**{trust.title}.** {trust.sentence}", ""]
    lines += [f"- {escape_markdown(text)}" for text in (*result.gate.reasons, *result.gate.warnings)]
    lines += [f"- **{check.question}** {to_markdown(check.answer)}" for check in trust.checks]
    section = describe_monitoring(monitored)
    if section is not None:
        lines += ["", *write_monitoring(section)]
    lines += _matters(result)
    lines += _customers(result)
    lines += _labels(result)
    if open_leads is not None:
        lines += _open(open_leads, result)
    lines += write_insight(insight, result)
    lines += _data(result)
    name = "not registered" if version is None else f"version {version}"
    made = f"{escape_markdown(result.model)}, {name}, made {format_date(result.created, result.timezone)}"
    lines += ["", f"{made}, by mqlml {result.mqlml_version}{f', run {run_id}' if run_id else ''}."]
    return "\n".join(lines) + "\n"


def _matters(result: TrainingResult) -> list[str]:
    section = describe_signals(result)
    if section is None:
        return []
    lines = ["", "## What matters", ""]
    lines += [
        f"{to_markdown(section.sentence)} The signals below go along with converting. They are signs of interest, "
        "not proof that more of the same makes leads buy.",
        "",
    ]
    for title, rows in (
        *((group.title, group.shown) for group in section.groups),
        ("Rare but telling", section.rare),
    ):
        if rows:
            lines += [f"### {title}", "", *_signal_table(rows), ""]
            lines += [*(f"- {escape_markdown(row.explanation)}" for row in rows if row.explanation), ""]
    return lines


def _signal_table(rows: Sequence[SignalRow]) -> list[str]:
    return markdown_table(
        ("Signal", "Leads", "With", "Without", "Compared with comparable leads"),
        (
            (
                escape_markdown(row.title),
                to_markdown(row.counts),
                to_markdown(row.with_rate),
                to_markdown(row.without_rate),
                f"{DIRECTIONS[row.direction]}, {to_markdown(row.difference)}",
            )
            for row in rows
        ),
    )


def _customers(result: TrainingResult) -> list[str]:
    if not result.deciles:
        return []
    rows = (
        (
            str(row.decile),
            format_percent(row.rate),
            format_percent(row.cumulative_share),
            format_number(row.lift, 2),
        )
        for row in result.deciles
    )
    return [
        "",
        "## Who converts?",
        "",
        *markdown_table(("Group", "Converted", "Caught so far", "Lift"), rows),
    ]


def _labels(result: TrainingResult) -> list[str]:
    cards = label_cards(result)
    if not cards:
        return []
    lines = ["", "## Labels and thresholds"]
    for card in cards:
        lines += [
            "",
            f"### {card.name}: from {to_markdown(card.threshold)}",
            "",
            f"{escape_markdown(card.policy)}.",
        ]
        lines += [f"{to_markdown(card.sentence)}"] if card.sentence else []
        lines += [
            "",
            *(
                f"- {to_markdown(number)} {text} {_range(ends)}".rstrip()
                for text, number, ends in card.figures
            ),
        ]
        if card.measured_at:
            lines += [
                f"- measured at the threshold chosen before the test period, {to_markdown(card.measured_at)}"
            ]
    beside = compare_with_company(result.by_lead)
    lines += [
        "",
        *(
            to_markdown(text)
            for text in (*((beside,) if beside else ()), *compare_with_points(result.by_lead))
        ),
    ]
    if (curve := what_if(result.by_lead)) is not None:
        rows = (
            tuple(map(to_markdown, (row.threshold, row.leads, row.per_week, row.precision, row.caught)))
            for row in curve.rows
        )
        lines += [line for text in curve.weekly_texts for line in ("", to_markdown(text))]
        lines += ["", *markdown_table(("From", "Leads", "A week", "Convert", "Conversions caught"), rows)]
    return lines


def _range(ends: Markup) -> str:
    return f"({to_markdown(ends)})" if ends else ""


def _open(found: OpenLeads, result: TrainingResult) -> list[str]:
    labels = ((escape_markdown(format_label(name)), format_number(n)) for name, n in found.labels.items())
    lines = [
        "",
        "## Open leads",
        "",
        f"{format_number(found.leads)} open leads, scored {format_date(found.as_of, result.timezone)}; "
        f"about {format_number(found.expected)} should convert.",
        "",
        *markdown_table(("Label", "Leads"), labels),
    ]
    for split in split_tables(found, result.labels):
        rows = ((escape_markdown(name), *map(to_markdown, cells)) for name, cells in split.rows)
        lines += ["", f"### By {split.by}", "", *markdown_table((format_label(split.by), *split.heads), rows)]
    return lines


def _data(result: TrainingResult) -> list[str]:
    steps = (
        (escape_markdown(step.step), format_number(step.leads), format_number(step.snapshots))
        for step in result.population.waterfall
    )
    lines = ["", "## The data", "", *markdown_table(("Step", "Leads", "Snapshots"), steps), ""]
    lines += [f"- {escape_markdown(format_notice(notice))}" for notice in result.data.notices]
    lines += [f"- `{leak.column}` ({leak.action}): {escape_markdown(leak.reason)}" for leak in result.leaks]
    return [*lines, f"- {format_leak_test(result.leak_test)}."]
