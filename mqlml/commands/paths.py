"""``paths``: which steps in a lead's first days go with a later sale."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

from mqlml.commands.check import read_data
from mqlml.commands.insight import require_journeys
from mqlml.config import read_config
from mqlml.errors import ConfigError, UsageError
from mqlml.insight.paths.steps import StepKind, study_paths
from mqlml.progress import Progress
from mqlml.render.results import PathsResult
from mqlml.times import parse_duration

__all__ = ["find_journey_paths"]


def find_journey_paths(
    config_path: str | Path, *, within: str, step: StepKind | None, now: dt.datetime, progress: Progress
) -> PathsResult:
    """Find the paths that stand out in a config's tables.

    Raises
    ------
    UsageError
        If ``within`` is no duration above 0, or the config names a flat table.
    PopulationError
        If there is no such step, no lead open and old enough, or nothing to compare.
    """
    try:
        observed = parse_duration(within)
    except ConfigError as error:
        raise UsageError(f"--within: {error}") from None
    if observed <= 0:
        raise UsageError(f"--within must be above 0; found {within!r}. Write it as 14d")
    config = read_config(config_path)
    data = require_journeys(read_data(config, progress, now=now), "paths")
    with progress.step("paths"):
        found = study_paths(data, config.problem, step=step, within=observed)
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return PathsResult(model=config.name, outcome=config.problem.outcome, **values)
