"""Room 10, why: what one lead did, what its score is made of, and what moved it since."""

from mqlml.insight.lead import (
    Change,
    Explanation,
    PointsPercentile,
    Reason,
    TimelineEvent,
    compare_moments,
    explain_flat_lead,
    explain_lead,
    read_timeline,
)

__all__ = [
    "Change",
    "Explanation",
    "PointsPercentile",
    "Reason",
    "TimelineEvent",
    "compare_moments",
    "explain_flat_lead",
    "explain_lead",
    "read_timeline",
]
