"""Room 10, why: what moved a lead's score, what goes with sales, which sources pay, how far leads get, who buys."""

from mqlml.insight.channels.attribution import Attribution, ChannelCredit
from mqlml.insight.channels.sources import Sources, SourceValue, value_sources
from mqlml.insight.leads.impact import Impact, measure_impact
from mqlml.insight.leads.lead import (
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
from mqlml.insight.leads.open_leads import (
    OpenLeads,
    OpenLeadsGroup,
    OpenLeadsSplit,
    ProbabilityBand,
    summarize_open_leads,
)
from mqlml.insight.paths.steps import JourneyPaths
from mqlml.insight.personas.buyers import Persona, Personas
from mqlml.insight.pieces import InsightResults, Piece
from mqlml.insight.points.evaluation import PointsEvaluation, PointsLabel, PointsLoss
from mqlml.insight.points.more_wins import MoreWins
from mqlml.insight.points.table import PointsRow, PointsTable, ScaleStep

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
    "MoreWins",
    "OpenLeads",
    "OpenLeadsGroup",
    "OpenLeadsSplit",
    "Persona",
    "Personas",
    "Piece",
    "PointsEvaluation",
    "PointsLabel",
    "PointsLoss",
    "PointsPercentile",
    "PointsRow",
    "PointsTable",
    "ProbabilityBand",
    "Reason",
    "ScaleStep",
    "SourceValue",
    "Sources",
    "TimelineEvent",
    "TrendPoint",
    "compare_moments",
    "explain_flat_lead",
    "explain_lead",
    "measure_impact",
    "read_timeline",
    "summarize_open_leads",
    "value_sources",
]
