"""What happened: the contract for leads, events, outcomes and history, and how they are read."""

from mqlml.journeys.contract import FlatTable, Journeys

__all__ = ["FlatTable", "Journeys"]
