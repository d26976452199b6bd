"""What the commands about the funnel return."""

from __future__ import annotations

from dataclasses import dataclass

from mqlml.insight.funnel.cohorts import Funnel
from mqlml.insight.plan.forecast import Outlook, PastForecast

__all__ = ["FunnelResult", "PlanResult"]


@dataclass(frozen=True, kw_only=True)
class FunnelResult(Funnel):
    """``funnel``: how far leads get, by the period of their creation."""

    model: str
    """The config's name."""
    observed_until: str
    """The end of the data, as an ISO time in UTC; nothing later counts."""


@dataclass(frozen=True, kw_only=True)
class PlanResult(Outlook):
    """``plan``: what a number of customers by a date takes."""

    model: str
    """The config's name."""
    by: str
    """The last day that counts, as an ISO date in the config's zone."""
    past: tuple[PastForecast, ...]
    """The same method at the start of past quarters, earliest first; empty where the history is too short."""
