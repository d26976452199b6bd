"""Every table behind the page, as rows of plain values: for CSV files and for Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mqlml.evaluation import TrainingResult
from mqlml.insight import OpenLeads
from mqlml.results import Result, to_json_safe

__all__ = ["Row", "list_tables"]

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
        "open_leads": _rows(open_leads.bands if open_leads else ()),
    }
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
