"""``personas``: find the kinds of buyers among won leads."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

from mqlml.commands.check import read_data
from mqlml.commands.features import learn_features
from mqlml.config import Config, read_config
from mqlml.insight.personas.buyers import Personas, find_personas, read_leads
from mqlml.journeys import FlatTable, Journeys
from mqlml.progress import Progress
from mqlml.render.results import PersonasResult

__all__ = ["compute_personas", "describe_buyers"]


def compute_personas(data: Journeys | FlatTable, config: Config) -> Personas:
    """Find the personas of some data, by the attributes that the config's features are made from.

    Raises
    ------
    PopulationError
        As `read_leads` and `find_personas`.
    """
    plan, _ = learn_features(data, config)
    return find_personas(read_leads(data, config, plan))


def describe_buyers(config_path: str | Path, *, now: dt.datetime, progress: Progress) -> PersonasResult:
    """Find the personas of a config's data; a flat table has them too.

    Raises
    ------
    PopulationError
        If there are too few won leads or attributes.
    """
    config = read_config(config_path)
    data = read_data(config, progress, now=now)
    with progress.step("personas"):
        found = compute_personas(data, config)
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return PersonasResult(
        model=config.name, outcome=config.problem.outcome if isinstance(data, Journeys) else None, **values
    )
