"""Room 8, why: what one lead did, what its score is made of, and what has moved it since."""

from mqlml.insight.change import Change, compare_moments
from mqlml.insight.lead import Explanation, Placement, Reason, explain_flat_lead, explain_lead
from mqlml.insight.timeline import Act, read_timeline

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
