"""Leakage audit: which columns and event types were written with the outcome or after it.

Columns that are filled in after the outcome are the commonest leak in lead scoring. Each module looks for one sign:

* of attributes: `names` and identifiers, `univariate` (near-perfect alone, or by being filled in), `times` (later
  than the cutoff, or leads created at the deal), `columns` (changes in the history);
* of event types: `events` (that follow the conversion).

`findings` puts the signs together, `audit` runs them all. The leak test in `perturbation` changes the future of some
leads at random and checks that no feature moves.
"""

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
