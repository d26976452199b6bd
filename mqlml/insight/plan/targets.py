"""What round numbers of customers by the ends of the coming quarters take, and how such forecasts did before."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from mqlml.config import Problem
from mqlml.insight.funnel.stages import read_stages
from mqlml.insight.plan.forecast import Outlook, PastForecast, forecast_customers, forecast_past
from mqlml.journeys import Journeys
from mqlml.results import Result
from mqlml.times import DAY, format_instant, from_microseconds, parse_instant, to_microseconds

__all__ = ["Targets", "TargetsBy", "choose_numbers", "plan_quarters", "quarter_ends"]

_QUARTERS = 2

_SOONEST = 28 * DAY
"""A quarter that ends sooner is too near to plan for."""

_NUMBERS = 5
"""About so many numbers of customers for a date."""


@dataclass(frozen=True)
class TargetsBy(Result):
    """The plan for one date."""

    by: str
    """The last day that counts, as an ISO date in the config's zone."""
    outlook: Outlook
    """Customers at today's pace, and what round numbers of them take."""


@dataclass(frozen=True)
class Targets(Result):
    """The plan for the coming quarters."""

    quarters: tuple[TargetsBy, ...]
    """The ends of the next two quarters that are at least 28 days away."""
    past: tuple[PastForecast, ...]
    """The same method at the start of past quarters, earliest first; empty where the history is too short."""


def plan_quarters(journeys: Journeys, problem: Problem, *, zone: str = "UTC") -> Targets:
    """Plan for the ends of the coming quarters, from the end of the data on.

    Raises
    ------
    PopulationError
        If there are no leads or no customers, or the history is too short.
    """
    leads = read_stages(journeys, problem)
    found = []
    for last_day in quarter_ends(leads.until, zone):
        until = to_microseconds(parse_instant(last_day + dt.timedelta(days=1), zone))
        # The numbers depend on what today's pace brings, which the first run says.
        expected = forecast_customers(leads, until).expected
        numbers = choose_numbers(expected.low, expected.high)
        found.append(TargetsBy(last_day.isoformat(), forecast_customers(leads, until, numbers)))
    return Targets(tuple(found), forecast_past(journeys, problem))


def quarter_ends(until: int, zone: str) -> tuple[dt.date, ...]:
    """The last days of the next quarters that are far enough away to plan for.

    >>> march = to_microseconds(parse_instant("2026-03-20", "UTC"))
    >>> [str(day) for day in quarter_ends(march, "UTC")]
    ['2026-06-30', '2026-09-30']
    """
    today = dt.date.fromisoformat(format_instant(from_microseconds(until + _SOONEST), zone)[:10])
    quarter = today.year * 4 + (today.month - 1) // 3
    starts = [
        dt.date(number // 4, number % 4 * 3 + 1, 1) for number in range(quarter + 1, quarter + 1 + _QUARTERS)
    ]
    return tuple(start - dt.timedelta(days=1) for start in starts)


def choose_numbers(low: float, high: float) -> tuple[int, ...]:
    """Round numbers of customers around what today's pace brings: from a little below to half as many more.

    >>> choose_numbers(8, 19), choose_numbers(130, 190), choose_numbers(0, 2)
    ((10, 15, 20, 25), (150, 175, 200, 225, 250, 275), (1, 2, 3))
    """
    top = max(1.5 * high, 3.0)
    rough = max((top - low) / _NUMBERS * 0.8, 1.0)
    power = 10 ** math.floor(math.log10(rough))
    steps = [factor * power // 2 for factor in (2, 4, 5, 10, 20) if factor * power % 2 == 0]
    step = next(step for step in steps if step >= rough * (1 - 1e-9))
    first = max(math.ceil(low / step), 1)
    return tuple(step * number for number in range(first, max(int(top // step), first) + 1))
