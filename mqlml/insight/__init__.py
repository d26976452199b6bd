"""Room 10, why: what one lead did and what moved its score, which channels sales go with, and who buys."""

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
from mqlml.insight.personas import Persona, Personas
from mqlml.insight.pieces import InsightResults, Piece

__all__ = [
    "Attribution",
    "Change",
    "ChannelCredit",
    "EarlierMoment",
    "Explanation",
    "Impact",
    "InsightResults",
    "LogOdds",
    "OpenLeads",
    "OpenLeadsGroup",
    "OpenLeadsSplit",
    "Persona",
    "Personas",
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
