"""What happened: the contract for leads, events, outcomes and history, and how they are read."""

from mqlml.journeys.contract import FlatTable, Journeys
from mqlml.journeys.flat import read_flat
from mqlml.journeys.quarantine import (
    QuarantineGroup,
    TableCount,
    count_rows,
    empty_quarantine,
    group_quarantine,
)
from mqlml.journeys.read import read_journeys, read_lead_ids

__all__ = [
    "FlatTable",
    "Journeys",
    "QuarantineGroup",
    "TableCount",
    "count_rows",
    "empty_quarantine",
    "group_quarantine",
    "read_flat",
    "read_journeys",
    "read_lead_ids",
]
