"""Room 3, what it led to: snapshots, labels, splits in time, the leakage audit and the training table."""

from mqlml.training.later import build_later
from mqlml.training.leakage.audit import audit_flat, audit_journeys
from mqlml.training.leakage.columns import audit_columns
from mqlml.training.leakage.events import EventCounts, audit_events, count_events
from mqlml.training.leakage.findings import Clue, ColumnQuestion, Finding, refused_actions, refused_columns
from mqlml.training.leakage.perturbation import (
    PerturbationTest,
    perturbation_findings,
    require_leak_test,
    run_leak_test,
    sample_snapshots,
    take_leads,
)
from mqlml.training.nights import Nights, build_nights
from mqlml.training.snapshots import (
    Snapshots,
    Step,
    assign_labels,
    build_snapshots,
    exclude_leads,
    open_leads,
)
from mqlml.training.splits import Fold, holdout_split, rolling_folds
from mqlml.training.table import (
    HoldoutPeriod,
    LeftOut,
    Population,
    TrainingTable,
    build_table,
    describe_holdout,
    describe_place,
    describe_population,
    list_left_out,
)
from mqlml.training.warnings import DataWarning, find_data_warnings

__all__ = [
    "Clue",
    "ColumnQuestion",
    "DataWarning",
    "EventCounts",
    "Finding",
    "Fold",
    "HoldoutPeriod",
    "LeftOut",
    "Nights",
    "PerturbationTest",
    "Population",
    "Snapshots",
    "Step",
    "TrainingTable",
    "assign_labels",
    "audit_columns",
    "audit_events",
    "audit_flat",
    "audit_journeys",
    "build_later",
    "build_nights",
    "build_snapshots",
    "build_table",
    "count_events",
    "describe_holdout",
    "describe_place",
    "describe_population",
    "exclude_leads",
    "find_data_warnings",
    "holdout_split",
    "list_left_out",
    "open_leads",
    "perturbation_findings",
    "refused_actions",
    "refused_columns",
    "require_leak_test",
    "rolling_folds",
    "run_leak_test",
    "sample_snapshots",
    "take_leads",
]
