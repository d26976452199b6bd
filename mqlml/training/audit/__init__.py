"""Leakage audit: what the user brought goes in; what was written after the outcome, and the proof, come out.

Columns that are filled in after the outcome are the commonest leak in lead scoring. Each module looks for one sign:
`names`, `alone` (near-perfect by itself), `gaps` (or by being filled in), `identifiers`, `times`, `changes` (in the
history). `findings` puts the signs together, and `bounds` keeps chance from being taken for one.
"""

from mqlml.training.audit.columns import audit_columns
from mqlml.training.audit.findings import Clue, Finding, refused_actions, refused_columns
from mqlml.training.audit.journeys import audit_flat, audit_journeys

__all__ = [
    "Clue",
    "Finding",
    "audit_columns",
    "audit_flat",
    "audit_journeys",
    "refused_actions",
    "refused_columns",
]
