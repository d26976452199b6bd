"""What pays, all pieces of one company together; a piece that does not apply is named with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from mqlml.insight.channels.attribution import Attribution
from mqlml.insight.channels.sources import Sources
from mqlml.insight.funnel.cohorts import Funnel
from mqlml.insight.paths.steps import JourneyPaths
from mqlml.insight.personas.buyers import Personas
from mqlml.insight.plan.targets import Targets
from mqlml.insight.points.table import PointsTable
from mqlml.results import Result

__all__ = ["PIECES", "InsightResults", "Piece"]

Piece = Literal["attribution", "sources", "points", "funnel", "plan", "personas", "paths"]
"""A piece is named as its field in `InsightResults`."""

PIECES: tuple[Piece, ...] = get_args(Piece)


@dataclass(frozen=True)
class InsightResults(Result):
    """What pays: one field a piece, None where it does not apply."""

    attribution: Attribution | None = None
    """How sales divide among channels."""
    sources: Sources | None = None
    """What a lead from each source is worth."""
    funnel: Funnel | None = None
    """How far leads get, by the quarter in which they were created."""
    plan: Targets | None = None
    """How many leads and MQLs more customers take by the ends of the coming quarters."""
    personas: Personas | None = None
    """The kinds of buyers among won leads."""
    paths: JourneyPaths | None = None
    """Which steps in a lead's first days go with a later sale."""
    points: PointsTable | None = None
    """A points table for a CRM."""
    missing: dict[Piece, str] = field(default_factory=dict)
    """Pieces that do not apply, each with the reason as one sentence for people."""
