"""The tables behind the page as rows of plain values, and the report as Markdown made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from mqlml.evaluation import TrainingResult
from mqlml.insight import OpenLeads
from mqlml.render.report.parts import split_tables
from mqlml.render.report.signals import DIRECTIONS, SignalRow, describe_signals
from mqlml.render.report.text import format_date, format_leak_test, format_notice, headline
from mqlml.render.report.thresholds import compare_with_company, compare_with_points, label_cards, what_if
from mqlml.render.report.trust import verdict
from mqlml.results import Result, to_json_safe
from mqlml.texts import format_label, format_number, format_percent

__all__ = ["Row", "list_tables", "render_markdown"]


Row = dict[str, Any]
"""One row: texts and numbers by column; None for what is missing."""


def list_tables(result: TrainingResult, open_leads: OpenLeads | None = None) -> dict[str, list[Row]]:
    """Every table that is not empty, by name."""
    importance = result.importance
    tables: dict[str, Iterable[Row]] = {
        "population": _rows(result.population.waterfall),
        "signals": _signals(result),
        "fit_by_engagement": _rows(result.fit_by_engagement),
        "deciles": _rows(result.deciles),
        "calibration": _rows(result.calibration.bands),
        "groups": _rows(result.slices),
        "periods": _rows(result.over_time),
        "ages": _named("age", result.by_age),
        "baselines": _named("baseline", result.baselines),
        "labels": _named("label", result.labels),
        "labels_by_lead": _named("label", result.by_lead.labels if result.by_lead else {}),
        "thresholds": _rows(result.by_lead.curve if result.by_lead else ()),
        "importance": _rows(importance.features if importance else ()),
        "families": _rows(importance.families if importance else ()),
        "history": _rows(result.learning_curve),
        "suspect_columns": _rows(result.leaks),
        "left_out": _rows(result.left_out),
        "set_aside": _rows(result.data.quarantine),
        "notices": _rows(result.data.notices),
        "open_leads": _rows(open_leads.bands if open_leads else ()),
    }
    for split in open_leads.splits if open_leads else ():
        tables[f"open_leads_by_{split.by}"] = _rows(split.groups)
    return {name: rows for name, found in tables.items() if (rows := list(found))}


def _rows(records: Iterable[Result]) -> Iterable[Row]:
    return (_flatten(to_json_safe(record)) for record in records)


def _named(column: str, records: Mapping[str, Result]) -> Iterable[Row]:
    return ({column: name, **_flatten(to_json_safe(record))} for name, record in records.items())


def _signals(result: TrainingResult) -> Iterable[Row]:
    """A row for each event type and each level of an attribute."""
    for signal in result.signals.signals if result.signals else ():
        for level in signal.levels:
            found = _flatten(to_json_safe(level))
            yield {
                "family": signal.signal.family,
                "kind": signal.kind,
                "importance": signal.importance,
                **found,
            }


def _flatten(values: Mapping[str, Any], before: str = "") -> Row:
    """Records inside a record become columns: ``precision_value``, ``precision_low``; lists are left out."""
    row: Row = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            row |= _flatten(value, f"{before}{key}_")
        elif not isinstance(value, list):
            row[f"{before}{key}"] = value
    return row


def render_markdown(
    result: TrainingResult,
    *,
    version: str | None = None,
    run_id: str | None = None,
    open_leads: OpenLeads | None = None,
) -> str:
    """The report as Markdown text; the parameters are those of `render_report`."""
    head, trust = headline(result), verdict(result)
    lines = [f"# {_text(head.sentence)}", "", f"{result.question.sentence}. {_text(head.rests_on)}", ""]
    lines += ["## Can it be trusted?", "", f"**{trust.title}.** {trust.sentence}", ""]
    lines += [f"- {_escape(text)}" for text in (*result.gate.reasons, *result.gate.warnings)]
    lines += [f"- **{check.question}** {_text(check.answer)}" for check in trust.checks]
    lines += _matters(result)
    lines += _customers(result)
    lines += _labels(result)
    if open_leads is not None:
        lines += _open(open_leads, result)
    lines += _data(result)
    name = "not registered" if version is None else f"version {version}"
    made = f"{_escape(result.model)}, {name}, made {format_date(result.created, result.timezone)}"
    lines += ["", f"{made}, by mqlml {result.mqlml_version}{f', run {run_id}' if run_id else ''}."]
    return "\n".join(lines) + "\n"


def _matters(result: TrainingResult) -> list[str]:
    section = describe_signals(result)
    if section is None:
        return []
    lines = ["", "## What matters", ""]
    lines += [
        f"{_text(section.sentence)} These are signs of interest, not proof that more of it makes leads buy.",
        "",
    ]
    for title, rows in (
        *((group.title, group.shown) for group in section.groups),
        ("Rare but telling", section.rare),
    ):
        if rows:
            lines += [f"### {title}", "", *_signal_table(rows), ""]
            lines += [*(f"- {_escape(row.explanation)}" for row in rows if row.explanation), ""]
    return lines


def _signal_table(rows: Sequence[SignalRow]) -> list[str]:
    return _table(
        ("Signal", "Leads", "With", "Without", "Compared with like leads"),
        (
            (
                _escape(row.title),
                _text(row.counts),
                _text(row.with_rate),
                _text(row.without_rate),
                f"{DIRECTIONS[row.direction]}, {_text(row.difference)}",
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
    return ["", "## Who converts?", "", *_table(("Group", "Converted", "Caught so far", "Lift"), rows)]


def _labels(result: TrainingResult) -> list[str]:
    cards = label_cards(result)
    if not cards:
        return []
    lines = ["", "## Labels and thresholds"]
    for card in cards:
        lines += ["", f"### {card.name}: from {_text(card.threshold)}", "", f"{_escape(card.policy)}."]
        lines += [f"{_text(card.sentence)}"] if card.sentence else []
        lines += [
            "",
            *(f"- {_text(number)} {text} {_range(ends)}".rstrip() for text, number, ends in card.figures),
        ]
        if card.measured_at:
            lines += [f"- measured at the threshold chosen before the test period, {_text(card.measured_at)}"]
    beside = compare_with_company(result.by_lead)
    lines += [
        "",
        *(_text(text) for text in (*((beside,) if beside else ()), *compare_with_points(result.by_lead))),
    ]
    if (curve := what_if(result.by_lead)) is not None:
        rows = (
            tuple(map(_text, (row.threshold, row.leads, row.per_week, row.precision, row.caught)))
            for row in curve.rows
        )
        lines += ["", *_table(("From", "Leads", "A week", "Convert", "Conversions caught"), rows)]
    return lines


def _range(ends: Markup) -> str:
    return f"({_text(ends)})" if ends else ""


def _open(found: OpenLeads, result: TrainingResult) -> list[str]:
    labels = ((_escape(format_label(name)), format_number(n)) for name, n in found.labels.items())
    lines = [
        "",
        "## Open leads",
        "",
        f"{format_number(found.leads)} open leads, scored {format_date(found.as_of, result.timezone)}; "
        f"about {format_number(found.expected)} should convert.",
        "",
        *_table(("Label", "Leads"), labels),
    ]
    for split in split_tables(found, result.labels):
        rows = ((_escape(name), *map(_text, cells)) for name, cells in split.rows)
        lines += ["", f"### By {split.by}", "", *_table((format_label(split.by), *split.heads), rows)]
    return lines


def _data(result: TrainingResult) -> list[str]:
    steps = (
        (_escape(step.step), format_number(step.leads), format_number(step.snapshots))
        for step in result.population.waterfall
    )
    lines = ["", "## The data", "", *_table(("Step", "Leads", "Snapshots"), steps), ""]
    lines += [f"- {_escape(format_notice(notice))}" for notice in result.data.notices]
    lines += [f"- `{leak.column}` ({leak.action}): {_escape(leak.reason)}" for leak in result.leaks]
    return [*lines, f"- {format_leak_test(result.leak_test)}."]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(row)} |" for row in lines]


def _text(markup: Markup) -> str:
    return _escape(str(markup.striptags()))


def _escape(text: str) -> str:
    """Text of the user's that Markdown would take for its own."""
    for mark in ("\\", "|", "<", "`", "[", "*"):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
