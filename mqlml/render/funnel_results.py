"""What the commands about the funnel return."""

from __future__ import annotations

from dataclasses import dataclass

from mqlml.insight.funnel import Funnel

__all__ = ["FunnelResult"]


@dataclass(frozen=True, kw_only=True)
class FunnelResult(Funnel):
    """``funnel``: how far leads get, by the period of their creation."""

    model: str
    """The config's name."""
    observed_until: str
    """The end of the data, as an ISO time in UTC; nothing later counts."""
