"""Room 9, why: what one lead did, what its score is made of, and what has moved it since."""

from mqlml.insight.lead import (
    Act,
    Change,
    Explanation,
    Placement,
    Reason,
    compare_moments,
    explain_flat_lead,
    explain_lead,
    read_timeline,
)

__all__ = [
    "Act",
    "Change",
    "Explanation",
    "Placement",
    "Reason",
    "compare_moments",
    "explain_flat_lead",
    "explain_lead",
    "read_timeline",
]
