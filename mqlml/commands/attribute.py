"""``attribute``: divide the sales of past journeys among channels."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

from mqlml.commands.check import read_data
from mqlml.commands.insight import require_journeys
from mqlml.config import read_config
from mqlml.errors import ConfigError, UsageError
from mqlml.insight.channels.attribution import attribute_sales, touches_from_journeys
from mqlml.progress import Progress
from mqlml.render.results import AttributeResult
from mqlml.times import parse_duration

__all__ = ["attribute_channels"]


def attribute_channels(
    config_path: str | Path, *, half_life: str, now: dt.datetime, progress: Progress
) -> AttributeResult:
    """Divide the sales that a config's tables tell of among the channels of its events.

    Raises
    ------
    UsageError
        If the half-life is no duration above 0, or the config names a flat table.
    PopulationError
        If there is no channel, no lead old enough or no sale with a touch before it.
    """
    try:
        decay = parse_duration(half_life)
    except ConfigError as error:
        raise UsageError(f"--half-life: {error}") from None
    if decay <= 0:
        raise UsageError(f"--half-life must be above 0; found {half_life!r}. Write it as 7d")
    config = read_config(config_path)
    data = require_journeys(read_data(config, progress, now=now), "attribute")
    with progress.step("attribution"):
        found = attribute_sales(touches_from_journeys(data, config.problem), half_life=decay)
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return AttributeResult(model=config.name, outcome=config.problem.outcome, **values)
