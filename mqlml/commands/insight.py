"""Every piece of what pays, computed from a config's data for the report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mqlml.commands.check import make_table, read_data
from mqlml.commands.personas import compute_personas
from mqlml.commands.points import compute_points
from mqlml.commands.sources import choose_source_column, read_spend_rows
from mqlml.config import Config
from mqlml.errors import PopulationError, UsageError
from mqlml.insight import InsightResults, Personas, PointsTable, Sources, value_sources
from mqlml.insight.channels.attribution import Attribution, attribute_sales, touches_from_journeys
from mqlml.insight.funnel.cohorts import Funnel, measure_funnel
from mqlml.insight.funnel.stages import read_stages
from mqlml.insight.paths.steps import JourneyPaths, study_paths
from mqlml.insight.pieces import Piece
from mqlml.insight.plan.targets import Targets, plan_quarters
from mqlml.journeys import FlatTable, Journeys
from mqlml.progress import Progress, Silent
from mqlml.registry import Bundle

__all__ = ["InsightInputs", "compute_insight", "read_insight", "require_journeys"]


@dataclass(frozen=True)
class InsightInputs:
    """What pieces are computed from.

    Attributes
    ----------
    config : Config
    data : Journeys or FlatTable
        The tables that the config names.
    bundle : Bundle
        The version that the report is about.
    """

    config: Config
    data: Journeys | FlatTable
    bundle: Bundle


def require_journeys(data: Journeys | FlatTable, command: str) -> Journeys:
    """The tables of leads, events and outcomes.

    Raises
    ------
    UsageError
        If the config names one flat table; ``command`` is what the message calls the one who needs them.
    """
    if isinstance(data, Journeys):
        return data
    raise UsageError(
        f"{command} needs tables of leads, events and outcomes; the config names one flat table, which has no "
        "events and no dates. Name the tables under data.leads, data.events and data.outcomes"
    )


def _attribution(inputs: InsightInputs) -> Attribution:
    journeys = require_journeys(inputs.data, "attribute")
    return attribute_sales(touches_from_journeys(journeys, inputs.config.problem))


def _sources(inputs: InsightInputs) -> Sources:
    journeys = require_journeys(inputs.data, "sources")
    column = choose_source_column(journeys, None)
    return value_sources(journeys, inputs.config.problem, column=column, spend=read_spend_rows(inputs.config))


def _funnel(inputs: InsightInputs) -> Funnel:
    config = inputs.config
    stages = read_stages(require_journeys(inputs.data, "funnel"), config.problem)
    return measure_funnel(stages, soon=config.monitoring.soon, zone=config.data.timezone)


def _plan(inputs: InsightInputs) -> Targets:
    config = inputs.config
    return plan_quarters(require_journeys(inputs.data, "plan"), config.problem, zone=config.data.timezone)


def _personas(inputs: InsightInputs) -> Personas:
    return compute_personas(inputs.data, inputs.config)


def _paths(inputs: InsightInputs) -> JourneyPaths:
    return study_paths(require_journeys(inputs.data, "paths"), inputs.config.problem)


def _points(inputs: InsightInputs) -> PointsTable:
    table = make_table(inputs.data, inputs.config, Silent())
    return compute_points(inputs.config, inputs.data, table, inputs.bundle, Silent())


_PIECES: tuple[tuple[Piece, Callable[[InsightInputs], Any]], ...] = (
    ("attribution", _attribution),
    ("sources", _sources),
    ("funnel", _funnel),
    ("plan", _plan),
    ("personas", _personas),
    ("paths", _paths),
    ("points", _points),
)
"""How each piece is computed; PopulationError and UsageError say that it does not apply."""


def compute_insight(inputs: InsightInputs, progress: Progress) -> InsightResults:
    """Every piece, or the reason why it does not apply."""
    found: dict[str, Any] = {}
    missing: dict[Piece, str] = {}
    for piece, compute in _PIECES:
        with progress.step(piece):
            try:
                found[piece] = compute(inputs)
            except (PopulationError, UsageError) as error:
                missing[piece] = f"{error}."
    return InsightResults(**found, missing=missing)


def read_insight(config: Config, bundle: Bundle, *, now: dt.datetime, progress: Progress) -> InsightResults:
    """Read the config's tables and compute every piece.

    Raises
    ------
    ContractError, SourceError, ConfigError
        If the tables cannot be read.
    """
    data = read_data(config, progress, now=now)
    return compute_insight(InsightInputs(config, data, bundle), progress)
