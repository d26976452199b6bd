"""Results as plain values: what was read and measured goes in; dicts and the aggregates of the report come out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pandas as pd

from mqlml import __version__, report
from mqlml.config import Config, LabelRule
from mqlml.evaluation import CalibrationBand, Decile, Importance, ImportanceRow
from mqlml.evaluation.shape import Shape
from mqlml.journeys import FlatTable, Journeys
from mqlml.pipeline.words import say_proof
from mqlml.plain import to_plain
from mqlml.times import format_instant
from mqlml.training import Step, TrainingTable, refused_columns

__all__ = [
    "describe_data",
    "describe_holdout",
    "describe_importance",
    "describe_leaks",
    "describe_left_out",
    "describe_population",
    "describe_proof",
    "make_report",
]

_KIND_WORDS = {"column": "column", "action": "event type", "feature": "feature"}
"""What a finding is about, in a marketer's words."""


SHOWN = 50
"""Features in ``train --json``; the report has all."""


def describe_data(data: Journeys | FlatTable) -> dict[str, Any]:
    """Rows read per table, and what was set aside: one entry per table, column and reason, with an example."""
    aside = data.quarantine
    groups: Any = aside.groupby(["table", "column", "reason"], sort=True) if len(aside) else []
    return {
        "tables": {
            name: {
                "rows": int(rows),
                "quarantined": int(aside.loc[aside["table"] == name, "row"].nunique()),
            }
            for name, rows in data.rows_read.items()
        },
        "quarantine": [
            {
                "table": table,
                "column": column,
                "reason": reason,
                "rows": int(rows["row"].nunique()),
                "first_row": int(rows["row"].iloc[0]),
                "first_value": None if pd.isna(rows["value"].iloc[0]) else str(rows["value"].iloc[0]),
            }
            for (table, column, reason), rows in groups
        ],
    }


def describe_population(table: TrainingTable) -> dict[str, Any]:
    """Who is learned from: the waterfall, the snapshots left, and the share of them that converts."""
    return {
        "waterfall": [_step(step) for step in table.waterfall],
        "snapshots": len(table.label),
        "positives": int(table.label.sum()),
        "base_rate": float(table.label.mean()),
    }


def _step(step: Step) -> dict[str, Any]:
    return {"step": step.step, "snapshots": step.snapshots, "leads": step.leads}


def describe_leaks(table: TrainingTable) -> list[dict[str, Any]]:
    """What the audit found, as ``train --json`` gives it; the figures are values, not only words."""
    return [
        {
            "column": leak.column,
            "kind": leak.kind,
            "reason": leak.reason,
            "action": leak.action,
            "severity": leak.severity,
            "evidence": [
                {
                    "check": clue.check,
                    "severity": clue.severity,
                    "says": clue.says,
                    "figures": dict(clue.figures),
                }
                for clue in leak.evidence
            ],
        }
        for leak in table.leaks
    ]


def describe_proof(table: TrainingTable) -> dict[str, Any] | None:
    """What was tried to make the future move a feature, and what moved; None for a flat table."""
    return None if table.proof is None else to_plain(table.proof)


def describe_left_out(table: TrainingTable) -> list[dict[str, str]]:
    """Columns that became no feature, and why; those that the audit refused are told with the leaks."""
    refused = refused_columns(table.leaks)
    return [
        {"column": column, "reason": reason}
        for column, reason in table.plan.left_out
        if column not in refused
    ]


def describe_holdout(table: TrainingTable) -> dict[str, Any]:
    """From when until when the last period runs, in dates or, for a flat table, in places of the order."""
    fold = table.holdout
    if table.age is None:
        return {"from": str(fold.start), "until": str(fold.end), "n": len(fold.test)}
    cutoffs = table.cutoff_time.iloc[fold.test]
    first, last = cutoffs.min(), cutoffs.max()
    return {"from": format_instant(first), "until": format_instant(last), "n": len(fold.test)}


def describe_importance(importance: Importance | None, shapes: Sequence[Shape]) -> dict[str, Any] | None:
    """What each family, group of alike features and feature is worth; the least important features
    are left out. A feature whose shape was measured has it beside it."""
    if importance is None:
        return None
    shape = {found.name: found for found in shapes}
    plain: dict[str, Any] = to_plain(
        {
            "metric": importance.metric,
            "n": importance.n_rows,
            "families": importance.families,
            "groups": importance.groups,
            "features": [row for row in importance.features if (row.low, row.high) != (0.0, 0.0)][:SHOWN],
        }
    )
    for row in plain["features"]:
        if row["name"] in shape:
            found = to_plain(shape[row["name"]])
            row |= {"direction": found["direction"], "points": found["points"]}
    return plain


def make_report(
    config: Config,
    data: Journeys | FlatTable,
    table: TrainingTable,
    summary: dict[str, Any],
    *,
    importance: Importance | None,
    shapes: Sequence[Shape],
    calibration: Sequence[CalibrationBand],
    deciles: Sequence[Decile],
    now: dt.datetime,
) -> report.ReportData:
    """Everything the page shows; the version and run ids are filled in when it is rendered.

    Parameters
    ----------
    summary : what ``train --json`` prints, as plain values.
    importance, shapes : None, and none, for a model that was refused.
    """
    holdout, gate = summary["holdout"], summary["gate"]
    described = describe_data(data)
    until = config.data.observed_until
    return report.ReportData(
        name=config.name,
        version=None,
        run_id=None,
        created=now.isoformat(),
        mqlml_version=__version__,
        question=report.question_in_words(config.problem, flat=isinstance(data, FlatTable)),
        data=report.DataSummary(
            rows={name: entry["rows"] for name, entry in described["tables"].items()},
            quarantined=tuple(
                report.Quarantined(entry["table"], f"{entry['column']}: {entry['reason']}", entry["rows"])
                for entry in described["quarantine"]
            ),
            observed_until=format_instant(until) if until else None,
        ),
        population=tuple(report.Step(step.step, step.snapshots) for step in table.waterfall),
        holdout=report.Holdout(
            start=holdout["from"],
            until=holdout["until"],
            n=holdout["n"],
            positives=holdout["positives"],
            base_rate=holdout["positives"] / holdout["n"],
            opened_before=holdout["opened_with_other_settings"],
        ),
        metrics=_metrics(holdout),
        by_age=tuple(report.AgeGroup(age, _metrics(found)) for age, found in summary["by_age"].items()),
        baselines={name: _metrics(found) for name, found in summary["baselines"].items()},
        gate=report.GateResult(gate["passed"], tuple(gate["reasons"]), tuple(gate["warnings"])),
        slices=tuple(_slice(found) for found in summary["slices"]),
        importance=_importance(importance, shapes, table),
        calibration=tuple(
            report.CalibrationRow(band.mean_predicted, band.observed, band.low, band.high, band.n)
            for band in calibration
        ),
        drifts=summary["calibration"]["drift"],
        learning_curve=tuple(
            report.LearningPoint(
                share=point["share"],
                rows=point["rows"],
                positives=point["positives"],
                log_loss=report.Measured(**point["log_loss"]),
                saved=_measured(point["saved"]),
            )
            for point in summary["learning_curve"]
        ),
        periods=tuple(_period(found) for found in summary["over_time"]),
        placements=tuple(
            report.Placement(**{**found, "rate": report.Measured(**found["rate"])})
            for found in summary["placements"]
        ),
        deciles=tuple(
            report.DecileRow(row.decile, row.n, row.positives, row.rate, row.cumulative_share, row.lift)
            for row in deciles
        ),
        labels=tuple(
            _label(name, summary["labels"][name], rule, holdout["n"])
            for name, rule in config.labels.items()
            if name in summary["labels"]
        ),
        leaks=tuple(
            report.Leak(leak.column, leak.reason, leak.action, leak.severity, _KIND_WORDS[leak.kind])
            for leak in table.leaks
        ),
        proof=say_proof(describe_proof(table)),
        left_out=tuple(report.LeftOut(**found) for found in describe_left_out(table)),
        disqualified=tuple(
            report.ReasonCount(found["reason"], found["selected"], found["converted"])
            for found in summary["disqualified"]
        ),
        promoted=tuple(_promotion(found) for found in summary["promoted"]),
    )


def _measured(found: Any) -> report.Measured | None:
    if found is None:
        return None
    if isinstance(found, dict):
        return report.Measured(found["value"], found["low"], found["high"])
    return report.Measured(found)


def _metrics(found: dict[str, Any]) -> report.Metrics:
    names = ("roc_auc", "average_precision", "log_loss", "brier", "brier_base_rate", "ece", "lift_top_decile")
    measured = {name: _measured(found.get(name)) for name in names}
    for name in ("ece", "lift_top_decile"):
        if found.get(f"{name}_low") is not None:
            measured[name] = report.Measured(found[name], found[f"{name}_low"], found[f"{name}_high"])
    return report.Metrics(**measured, n=found["n"], positives=found["positives"])


def _label(name: str, found: dict[str, Any], rule: LabelRule, n: int) -> report.LabelSummary:
    def measured(what: str) -> report.Measured | None:
        if found[what] is None:
            return None
        return report.Measured(found[what], found[f"{what}_low"], found[f"{what}_high"])

    return report.LabelSummary(
        name=name,
        threshold=found["threshold"],
        policy=report.policy_in_words(rule),
        share=found["selected"] / n,
        precision=measured("precision"),
        recall=measured("recall"),
        per_week=measured("per_week"),
        value=measured("value"),
        promised={what: report.Measured(**promise) for what, promise in found["promised"].items()},
        kept=found["kept"],
        coming={what: report.Measured(**promise) for what, promise in found["next"].items()},
        teams=found["teams"] or {},
    )


def _promotion(found: dict[str, Any]) -> report.Promotion:
    precision = None
    if found["precision"] is not None:
        ends = (found["precision_low"], found["precision_high"])
        precision = report.Measured(found["precision"], *ends)
    return report.Promotion(found["reason"], found["to"], found["selected"], found["raised"], precision)


def _period(found: dict[str, Any]) -> report.Period:
    return report.Period(
        start=found["from"],
        until=found["until"],
        n=found["n"],
        positives=found["positives"],
        log_loss=_measured(found["log_loss"]),
        base_rate=_measured(found["log_loss_base_rate"]),
        saved=_measured(found["gain"]),
        held_out=found["held_out"],
    )


def _slice(found: dict[str, Any]) -> report.SliceRow:
    promised, gap = found["promised"], found["too_much"]
    known = gap["low"] is not None
    rate = report.Measured(
        found["rate"],
        max(0.0, promised - gap["high"]) if known else None,
        min(1.0, promised - gap["low"]) if known else None,
    )
    return report.SliceRow(
        column=found["column"],
        value=found["value"],
        n=found["n"],
        positives=found["positives"],
        promised=promised,
        rate=rate,
        roc_auc=_measured(found["roc_auc"]),
        fails=tuple(found["fails"]),
    )


def _importance(
    found: Importance | None, shapes: Sequence[Shape], table: TrainingTable
) -> report.Importance | None:
    if found is None:
        return None
    sentences = {feature.name: feature.sentence for feature in table.plan.features}
    families = {feature.name: feature.family for feature in table.plan.features}
    shape = {one.name: one for one in shapes}

    def effect(row: ImportanceRow) -> report.Effect:
        sentence = sentences.get(row.name, row.name)
        curve = shape.get(row.name)
        points = tuple(report.ShapePoint(one.value, one.probability) for one in curve.points) if curve else ()
        return report.Effect(
            row.name,
            row.family,
            sentence,
            row.drop,
            row.low,
            row.high,
            direction=curve.direction if curve else None,
            points=points,
        )

    return report.Importance(
        families=tuple(map(effect, found.families)),
        features=tuple(map(effect, found.features)),
        metric=found.metric,
        groups=tuple(
            report.Effect(
                group.names[0],
                families[group.names[0]],
                sentences[group.names[0]],
                group.drop,
                group.low,
                group.high,
                alike=len(group.names) - 1,
            )
            for group in found.groups
        ),
    )
