"""Later snapshots: rows whose outcomes began after some version knew its last one, to compare versions on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mqlml.config import Problem
from mqlml.features import FeaturePlan, build_features, build_flat
from mqlml.journeys import FlatTable, Journeys
from mqlml.times import MISSING_TIME, column_to_microseconds
from mqlml.training.snapshots import assign_labels, find_snapshots
from mqlml.training.splits import Fold
from mqlml.training.table import TrainingTable, group_rows
from mqlml.types import Micros, Rows

__all__ = ["build_later"]


def build_later(
    data: Journeys | FlatTable, problem: Problem, plan: FeaturePlan, *, since: int
) -> TrainingTable | None:
    """The mature snapshots from ``since`` on with the features of a plan; None if there is none.

    Leads that were learned from may be among them: their earlier snapshots told of outcomes before ``since`` only,
    and the label windows of these begin there.

    Parameters
    ----------
    since : microseconds
        The first cutoff; in a flat table, whose rows have outcomes at once, the last time that is left out.
    """
    return (
        _of_journeys(data, problem, plan, since)
        if isinstance(data, Journeys)
        else _of_flat(data, plan, since)
    )


def _of_journeys(journeys: Journeys, problem: Problem, plan: FeaturePlan, since: int) -> TrainingTable | None:
    snapshots = find_snapshots(journeys, problem)
    late = column_to_microseconds(snapshots.table["cutoff_time"]) >= since
    table = snapshots.table[late].reset_index(drop=True)
    if table.empty:
        return None
    time = column_to_microseconds(table["cutoff_time"])
    lead, group = group_rows(journeys.leads, table["lead_id"])
    return TrainingTable(
        lead_id=table["lead_id"],
        cutoff_time=table["cutoff_time"],
        age=table["age"],
        label=assign_labels(journeys, table, problem),
        features=build_features(journeys, table[["lead_id", "cutoff_time"]], plan),
        time=time,
        label_span=problem.gap + problem.horizon,
        group=group,
        lead=lead,
        holdout=_whole(time),
        plan=plan,
        leaks=(),
        waterfall=snapshots.waterfall,
        every=problem.snapshots.every or 0,
    )


def _of_flat(flat: FlatTable, plan: FeaturePlan, since: int) -> TrainingTable | None:
    if flat.times is None:
        return None  # an order without times does not say which rows an earlier version knew
    times = column_to_microseconds(flat.times)
    rows = np.flatnonzero(flat.label.notna().to_numpy() & (times > max(since, MISSING_TIME)))
    rows = rows[np.argsort(times[rows], kind="stable")]
    if len(rows) == 0:
        return None
    leads = flat.leads.iloc[rows].reset_index(drop=True)
    label = flat.label.iloc[rows].reset_index(drop=True)
    part = replace(flat, leads=leads, label=label, order=flat.order.iloc[rows].reset_index(drop=True))
    lead, group = group_rows(leads, leads["lead_id"])
    return TrainingTable(
        lead_id=leads["lead_id"],
        cutoff_time=flat.times.iloc[rows].reset_index(drop=True),
        age=None,
        label=label.to_numpy().astype(np.int8),
        features=build_flat(part, plan),
        time=times[rows],
        label_span=0,
        group=group,
        lead=lead,
        holdout=_whole(times[rows]),
        plan=plan,
        leaks=(),
        waterfall=(),
    )


def _whole(time: Micros) -> Fold:
    """Every row is there to evaluate on."""
    rows: Rows = np.arange(len(time))
    return Fold(rows, rows, ((rows, rows),), int(time[0]), int(time[-1]), 0)
