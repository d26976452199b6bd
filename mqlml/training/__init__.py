"""What it led to: snapshots, labels, splits in time, the leakage audit and the training table."""

from mqlml.training.audit import Clue, Finding, Proof, audit_columns, refused_columns, require_proof
from mqlml.training.labels import assign_labels
from mqlml.training.snapshots import Snapshots, Step, build_snapshots, open_leads
from mqlml.training.splits import Fold, holdout_split, rolling_folds
from mqlml.training.summary import (
    HoldoutPeriod,
    LeftOut,
    Population,
    describe_holdout,
    describe_population,
    list_left_out,
)
from mqlml.training.table import OpenLooks, TrainingTable, build_open, build_table

__all__ = [
    "Clue",
    "Finding",
    "Fold",
    "HoldoutPeriod",
    "LeftOut",
    "OpenLooks",
    "Population",
    "Proof",
    "Snapshots",
    "Step",
    "TrainingTable",
    "assign_labels",
    "audit_columns",
    "build_open",
    "build_snapshots",
    "build_table",
    "describe_holdout",
    "describe_population",
    "holdout_split",
    "list_left_out",
    "open_leads",
    "refused_columns",
    "require_proof",
    "rolling_folds",
]
