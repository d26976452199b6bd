"""Room 10, why: what one lead did and what moved its score, and which channels and paths sales go with."""

from mqlml.insight.attribution import Attribution, ChannelCredit
from mqlml.insight.impact import Impact, measure_impact
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
from mqlml.insight.paths import JourneyPaths
from mqlml.insight.pieces import InsightResults, Piece

__all__ = [
    "Attribution",
    "Change",
    "ChannelCredit",
    "EarlierMoment",
    "Explanation",
    "Impact",
    "InsightResults",
    "JourneyPaths",
    "LogOdds",
    "OpenLeads",
    "OpenLeadsGroup",
    "OpenLeadsSplit",
    "Piece",
    "PointsPercentile",
    "ProbabilityBand",
    "Reason",
    "TimelineEvent",
    "TrendPoint",
    "compare_moments",
    "explain_flat_lead",
    "explain_lead",
    "measure_impact",
    "read_timeline",
    "summarize_open_leads",
]
