"""Room 10, why: what one lead did, what its score is made of, and what moved it since."""

from mqlml.insight.lead import (
    Change,
    EarlierMoment,
    Explanation,
    LogOdds,
    PointsPercentile,
    Reason,
    TimelineEvent,
    TrendPoint,
    compare_moments,
    explain_flat_lead,
    explain_lead,
    read_timeline,
)
from mqlml.insight.open_leads import (
    OpenLeads,
    OpenLeadsGroup,
    OpenLeadsSplit,
    ProbabilityBand,
    summarize_open_leads,
)

__all__ = [
    "Change",
    "EarlierMoment",
    "Explanation",
    "LogOdds",
    "OpenLeads",
    "OpenLeadsGroup",
    "OpenLeadsSplit",
    "PointsPercentile",
    "ProbabilityBand",
    "Reason",
    "TimelineEvent",
    "TrendPoint",
    "compare_moments",
    "explain_flat_lead",
    "explain_lead",
    "read_timeline",
    "summarize_open_leads",
]
