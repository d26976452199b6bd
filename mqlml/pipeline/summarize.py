"""Figures of a training: what was read and the held-out period go in; their records in its result come out."""

from __future__ import annotations

import numpy as np

from mqlml.config import Config
from mqlml.evaluation import DataSummary, HoldoutEvaluation, Metrics, SetAside
from mqlml.evaluation.heldout import Opened
from mqlml.journeys import FlatTable, Journeys
from mqlml.journeys.quarantine import count_rows, group_quarantine
from mqlml.times import format_instant
from mqlml.training import TrainingTable, describe_holdout

__all__ = ["summarize_data", "summarize_holdout"]


def summarize_data(data: Journeys | FlatTable, config: Config) -> DataSummary:
    """Rows read and set aside; the examples of the quarantine stay behind, as they may be personal data."""
    until = config.data.observed_until
    return DataSummary(
        tables=count_rows(data.rows_read, data.quarantine),
        quarantine=tuple(
            SetAside(found.table, found.column, found.reason, found.rows)
            for found in group_quarantine(data.quarantine)
        ),
        observed_until=format_instant(until) if until else None,
    )


def summarize_holdout(metrics: Metrics, table: TrainingTable, opened: Opened) -> HoldoutEvaluation:
    """The metrics on the held-out period, from when until when it runs, and who opened it before."""
    period = describe_holdout(table)
    return HoldoutEvaluation(
        **vars(metrics),
        start=period.start,
        until=period.until,
        leads=len(np.unique(table.lead[table.holdout.test])),
        opened_with_other_settings=opened.settings,
        opened_by_versions=opened.versions,
        opened_since=opened.since,
    )
