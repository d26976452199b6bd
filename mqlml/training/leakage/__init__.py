"""TODO training.leakage"""

from mqlml.training.leakage.audit import audit_flat, audit_journeys
from mqlml.training.leakage.columns import audit_columns
from mqlml.training.leakage.events import EventCounts, audit_events, count_events
from mqlml.training.leakage.findings import Clue, Finding, refused_actions, refused_columns
from mqlml.training.leakage.perturbation import (
    PerturbationTest,
    perturbation_findings,
    prove,
    require_leak_test,
    sample_snapshots,
    take_leads,
)

__all__ = [
    "Clue",
    "EventCounts",
    "Finding",
    "PerturbationTest",
    "audit_columns",
    "audit_events",
    "audit_flat",
    "audit_journeys",
    "count_events",
    "perturbation_findings",
    "prove",
    "refused_actions",
    "refused_columns",
    "require_leak_test",
    "sample_snapshots",
    "take_leads",
]
