"""Leakage audit: what the user brought goes in; what was written after the outcome, and the proof, come out.

Columns that are filled in after the outcome are the commonest leak in lead scoring. Each module looks for one sign:

* of attributes: `names`, `alone` (near-perfect by itself), `gaps` (or by being filled in), `identifiers`, `times`
  (later than the cutoff), `changes` (in the history);
* of event types: `events` (that follow the conversion); of leads: `creation` (at the deal).

`findings` puts the signs together, and `bounds` keeps chance from being taken for one. The `proof` changes the future
of some leads (`disturb`) and looks whether a feature moves.
"""

from mqlml.training.audit.columns import audit_columns
from mqlml.training.audit.events import EventCounts, audit_events, count_events
from mqlml.training.audit.findings import Clue, Finding, refused_actions, refused_columns
from mqlml.training.audit.journeys import audit_flat, audit_journeys
from mqlml.training.audit.proof import (
    Proof,
    moved_findings,
    prove,
    require_proof,
    sample_snapshots,
    take_leads,
)

__all__ = [
    "Clue",
    "EventCounts",
    "Finding",
    "Proof",
    "audit_columns",
    "audit_events",
    "audit_flat",
    "audit_journeys",
    "count_events",
    "moved_findings",
    "prove",
    "refused_actions",
    "refused_columns",
    "require_proof",
    "sample_snapshots",
    "take_leads",
]
