"""``points``: a points table for a CRM, distilled from a version, or from a company's own rates."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone

from mqlml.commands.check import make_table, read_data
from mqlml.commands.choose_model import PastFolds, calibrate, find_levels
from mqlml.commands.inputs import load_model
from mqlml.config import Config, read_config
from mqlml.errors import PopulationError, UsageError
from mqlml.evaluation.holdout import RANDOM_STATE, fit_past
from mqlml.insight.points.conditions import find_conditions
from mqlml.insight.points.evaluation import LaterRows, choose_total, evaluate_points
from mqlml.insight.points.more_wins import expect_more_wins
from mqlml.insight.points.table import (
    PointsRule,
    PointsTable,
    describe_rows,
    fit_points,
    make_scale,
    total_points,
)
from mqlml.journeys import FlatTable, Journeys
from mqlml.model.signals import report_signals
from mqlml.progress import Progress
from mqlml.registry import Bundle
from mqlml.render.report.value.points import write_points
from mqlml.render.results import PointsResult
from mqlml.scoring import check_target, write_table, write_text
from mqlml.training import TrainingTable, describe_holdout, require_leak_test
from mqlml.types import Floats, Rows

__all__ = ["RIDGE", "compute_points", "make_points"]

RIDGE = 20.0
"""Of the weights that are learned from outcomes. Among 3, 10, 20, 40 and 80 it beat the base rate by most on
simulated companies of under 50 wins (benchmarks/README.md)."""


def make_points(
    config_path: str | Path,
    *,
    model: str | None = None,
    out: str | Path | None = None,
    now: dt.datetime,
    progress: Progress,
) -> PointsResult:
    """Make the points table of the champion, or of the version named; without wins enough for a model, of own rates.

    Parameters
    ----------
    out : path ending in ``.csv`` for the rows, or in ``.md`` for all of it.

    Raises
    ------
    UsageError
        If a version is named, but there are too few wins for one.
    VersionError
        If there are wins enough for a model, but no version.
    """
    config = read_config(config_path)
    target = None if out is None else check_target(out, suffixes=(".csv", ".md"))
    data = read_data(config, progress, now=now)
    table = make_table(data, config, progress)
    require_leak_test(table.leak_test)
    bundle = version = None
    if _wins(table) >= config.gate.min_positives:
        with progress.step("load"):
            bundle, version = load_model(config, model)
    elif model is not None:
        raise UsageError(
            f"--model needs at least {config.gate.min_positives} conversions to learn from (gate.min_positives); "
            f"found {_wins(table):,}. Leave it out, and points come from the company's own rates"
        )
    found = compute_points(config, data, table, bundle, progress)
    if target is not None:
        if target.suffix == ".md":
            write_text("\n".join(write_points(found)) + "\n", target)
        else:
            write_table(pd.DataFrame([dataclasses.asdict(row) for row in found.rows]), target)
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return PointsResult(
        **values,
        model=config.name,
        version=None if version is None else version.version,
        out=None if target is None else str(out),
    )


def _wins(table: TrainingTable) -> int:
    return int(table.label[table.holdout.train].sum())


def compute_points(
    config: Config,
    data: Journeys | FlatTable,
    table: TrainingTable,
    bundle: Bundle | None,
    progress: Progress,
) -> PointsTable:
    """A points table learned before the held-out period and evaluated on it; nothing is chosen on that period.

    With a bundle, its settings are trained again on the past, as ``train`` did, so that neither the model that
    teaches nor the one beside the points knows the held-out period.

    Raises
    ------
    PopulationError
        If nobody converts before the held-out period.
    """
    past = table.holdout.train
    if not table.label[past].any():
        raise PopulationError(
            f"points need at least one conversion to learn from; found none in {len(past):,} snapshots before the "
            "held-out period. Bring a longer history, or predict an earlier stage, which more leads reach"
        )
    with progress.step("points"):
        taught = _teach(bundle, table) if bundle is not None else _own_rates(table)
        rule, rows = taught.rule, table.features.iloc[taught.rows]
        total = total_points(rule, rows)
        thresholds = {} if bundle is None else dict(bundle.policy.thresholds)
        totals = {
            label: choose_total(table.lead[taught.rows], total, taught.target >= threshold)
            for label, threshold in thresholds.items()
        }
        last = table.holdout.test
        later = total_points(rule, table.features.iloc[last])
        evaluation = evaluate_points(
            LaterRows(
                converted=table.label[last].astype(np.float64),
                lead=table.lead[last],
                group=table.group[last],
                total=later,
                probability=rule.probability(later),
                by_model=taught.later,
            ),
            base_rate=float(table.label[past].mean()),
            thresholds=thresholds,
            totals=totals,
            random_state=RANDOM_STATE,
        )
    needs = expect_more_wins(table, needed=config.gate.min_positives, holdout=config.problem.holdout)
    return PointsTable(
        source="own_rates" if bundle is None else "model",
        learned_from=len(taught.rows),
        base_rate=float(table.label[past].mean()),
        rows=describe_rows(rule, rows),
        scale=make_scale(rule, total, tuple(totals.items())),
        held_out=describe_holdout(table),
        evaluation=evaluation,
        more_wins=needs if bundle is None else None,
        signals=report_signals(data, table, random_state=RANDOM_STATE) if bundle is None else None,
    )


@dataclass(frozen=True)
class _Taught:
    """A rule, the rows and the target that it was learned from, and the model's probability of later rows."""

    rule: PointsRule
    rows: Rows
    target: Floats
    later: Floats | None


def _teach(bundle: Bundle, table: TrainingTable) -> _Taught:
    """Learn from what the model says of rows that it did not learn from."""
    scorer = clone(bundle.scorer)
    out_of_time = PastFolds(table, random_state=RANDOM_STATE).predict(scorer)
    fitted = fit_past(scorer, table)
    calibrator = calibrate(fitted, find_levels(out_of_time, table))
    target = calibrator.predict_proba(out_of_time.raw)[:, 1]
    raw = np.concatenate(
        [
            model.decision_function(table.features.iloc[test])
            for model, (_, test) in zip(fitted, table.holdout.parts, strict=True)
        ]
    )
    found = find_conditions(table.plan.features, table.features.iloc[out_of_time.rows])
    rule = fit_points(found, target, ridge=0.0)
    return _Taught(rule, out_of_time.rows, target, calibrator.predict_proba(raw)[:, 1])


def _own_rates(table: TrainingTable) -> _Taught:
    """Learn from what happened, with weights that are shrunk towards none."""
    past = table.holdout.train
    target = table.label[past].astype(np.float64)
    found = find_conditions(table.plan.features, table.features.iloc[past])
    return _Taught(fit_points(found, target, ridge=RIDGE), past, target, None)
