"""``plan``: how many leads and MQLs a number of customers by a date takes."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

from mqlml.commands.check import read_data
from mqlml.commands.insight import require_journeys
from mqlml.config import read_config
from mqlml.errors import UsageError
from mqlml.insight.funnel.stages import read_stages
from mqlml.insight.plan.forecast import forecast_customers, forecast_past
from mqlml.progress import Progress
from mqlml.render.funnel_results import PlanResult
from mqlml.times import parse_instant, to_microseconds

__all__ = ["plan_customers"]


def plan_customers(
    config_path: str | Path, *, customers: int, by: str, now: dt.datetime, progress: Progress
) -> PlanResult:
    """Forecast the customers until the end of a day, and what a number of them takes.

    Raises
    ------
    UsageError
        If the number is below 1, the day is none or not after the end of the data, or the config names a flat table.
    PopulationError
        If there are no leads or no customers, or the history is too short.
    """
    if customers < 1:
        raise UsageError(f"--customers must be at least 1; found {customers}")
    try:
        day = dt.date.fromisoformat(by)
    except ValueError:
        raise UsageError(f"--by must be a day such as 2026-06-30; found {by!r}") from None
    config = read_config(config_path)
    data = require_journeys(read_data(config, progress, now=now), "plan")
    until = to_microseconds(parse_instant(day + dt.timedelta(days=1), config.data.timezone))
    with progress.step("plan"):
        found = forecast_customers(read_stages(data, config.problem), until, (customers,))
    with progress.step("past quarters"):
        past = forecast_past(data, config.problem)
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return PlanResult(model=config.name, by=day.isoformat(), past=past, **values)
