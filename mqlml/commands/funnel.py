"""``funnel``: how far leads get, by the period of their creation."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

from mqlml.commands.check import read_data
from mqlml.commands.insight import require_journeys
from mqlml.config import read_config
from mqlml.insight.funnel.cohorts import Period, measure_funnel
from mqlml.insight.funnel.stages import read_stages
from mqlml.progress import Progress
from mqlml.render.funnel_results import FunnelResult
from mqlml.times import format_instant

__all__ = ["show_funnel"]


def show_funnel(config_path: str | Path, *, by: Period, now: dt.datetime, progress: Progress) -> FunnelResult:
    """Measure the funnel of a config's tables.

    Raises
    ------
    UsageError
        If the config names a flat table.
    PopulationError
        If there are no leads or no customers.
    """
    config = read_config(config_path)
    data = require_journeys(read_data(config, progress, now=now), "funnel")
    with progress.step("funnel"):
        stages = read_stages(data, config.problem)
        found = measure_funnel(stages, by=by, soon=config.monitoring.soon, zone=config.data.timezone)
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return FunnelResult(model=config.name, observed_until=format_instant(data.observed_until), **values)
