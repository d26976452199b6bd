"""The plan: how many leads and MQLs a number of customers by a date takes, and how well such forecasts did before."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from mqlml.config import Problem
from mqlml.errors import PopulationError, UsageError
from mqlml.evaluation import Estimate
from mqlml.insight.funnel.stages import LeadStages, read_stages
from mqlml.insight.plan.pace import Draws, draw_future, learn_pace
from mqlml.journeys import Journeys
from mqlml.monitoring import known_by
from mqlml.results import Number, Result
from mqlml.times import (
    DAY,
    NEVER,
    format_instant,
    from_microseconds,
    month_starts,
    months_since_1970,
)
from mqlml.types import Ints

__all__ = ["MONTH_DAYS", "Need", "Outlook", "PastForecast", "forecast_customers", "forecast_past"]

MONTH_DAYS = 365.25 / 12

_TAIL = 0.05


@dataclass(frozen=True)
class Need(Result):
    """What a number of customers takes."""

    customers: int
    """New customers wanted between the end of the data and the date."""
    chance: Number
    """Probability that today's pace brings as many, between 0 and 1."""
    leads: Estimate
    """New leads, evenly until the date, by which there are as many: median and 90% interval; 0 where the open leads
    are enough, null where the date is too near for any number."""
    leads_per_month: Number
    """The same a month."""
    mqls: Estimate | None
    """MQLs among them by the date; null without the stage MQL."""


@dataclass(frozen=True)
class PastForecast(Result):
    """What the same method forecast at the start of a past quarter, from what was known then."""

    quarter: str
    """The quarter, as ``2026-Q1``."""
    forecast: Estimate
    """New customers by its end: median and 90% interval."""
    customers: int
    """New customers that there were."""
    inside: bool
    """Whether the interval held them."""


@dataclass(frozen=True)
class Outlook(Result):
    """New customers from the end of the data to a date."""

    since: str
    """The end of the data, as an ISO time in UTC."""
    until: str
    """The moment before which they count, as an ISO time in UTC."""
    days: Number
    """Days between these."""
    expected: Estimate
    """New customers at today's pace: median and 90% interval."""
    from_open: Estimate
    """Those of them from leads that are open now."""
    new_leads: Estimate
    """New leads at today's pace."""
    leads_per_month: Number
    """The same a month."""
    open_leads: int
    """Leads that are open now."""
    needs: tuple[Need, ...]
    """What each number of customers takes."""


def forecast_customers(
    leads: LeadStages,
    until: int,
    customers: tuple[int, ...] = (),
    *,
    n_draws: int = 4000,
    random_state: int = 0,
) -> Outlook:
    """Forecast new customers until a date, and what numbers of them take.

    Parameters
    ----------
    leads : LeadStages
    until : microseconds since 1970, after the end of the data
    customers : numbers of new customers, each at least 1
    n_draws : possible futures, see `mqlml.insight.plan.pace.draw_future`
    random_state : int

    Raises
    ------
    UsageError
        If the date is not after the end of the data.
    PopulationError
        As `mqlml.insight.plan.pace.learn_pace`.
    """
    if until <= leads.until:
        raise UsageError(
            f"the plan's date must come after the end of the data, {format_instant(from_microseconds(leads.until))}; "
            f"found {format_instant(from_microseconds(until))}. Name a later date, or set data.observed_until to "
            "the end of newer data"
        )
    days = (until - leads.until) / DAY
    pace = learn_pace(leads)
    drawn = draw_future(pace, days, n_draws=n_draws, random_state=random_state)
    new_leads = _estimate(drawn.new_leads)
    rng = np.random.default_rng((random_state, 1))
    return Outlook(
        since=format_instant(from_microseconds(leads.until)),
        until=format_instant(from_microseconds(until)),
        days=days,
        expected=_estimate(drawn.from_open + drawn.from_new),
        from_open=_estimate(drawn.from_open),
        new_leads=new_leads,
        leads_per_month=new_leads.value / days * MONTH_DAYS,
        open_leads=int(pace.open_count.sum()),
        needs=tuple(_need(drawn, number, rng) for number in customers),
    )


def _estimate(drawn: Ints) -> Estimate:
    low, middle, high = np.quantile(drawn, (_TAIL, 0.5, 1 - _TAIL), method="inverted_cdf").tolist()
    return Estimate(float(middle), float(low), float(high))


def _need(drawn: Draws, customers: int, rng: np.random.Generator) -> Need:
    """New leads until the last of the missing customers, draw by draw: negative binomial."""
    missing = np.maximum(customers - drawn.from_open, 0)
    chance = np.clip(drawn.chance, 1e-9, 1)  # so small a chance is as good as none, and the number no use
    lost = rng.negative_binomial(np.maximum(missing, 1), chance)
    leads = np.where(missing > 0, missing + lost, 0)
    mqls = None
    if drawn.chance_mql is not None:
        mqls = _reachable(rng.binomial(leads, np.minimum(drawn.chance_mql, 1)), leads)
    found = _reachable(leads, leads)
    return Need(
        customers=customers,
        chance=float((drawn.from_open + drawn.from_new >= customers).mean()),
        leads=found,
        leads_per_month=found.value / drawn.days * MONTH_DAYS,
        mqls=mqls,
    )


_MOST = 10_000_000
"""Leads; more than that is no plan."""


def _reachable(drawn: Ints, leads: Ints) -> Estimate:
    ends = _estimate(drawn)
    most = _estimate(leads)
    return Estimate(
        *(
            math.nan if needed > _MOST else value
            for value, needed in ((ends.value, most.value), (ends.low, most.low), (ends.high, most.high))
        )
    )


def forecast_past(
    journeys: Journeys, problem: Problem, *, quarters: int = 8, n_draws: int = 2000, random_state: int = 0
) -> tuple[PastForecast, ...]:
    """Forecast the customers of past quarters (UTC) at their start, each from what was known then.

    Quarters that began before there was enough history, or before the first customer, are left out.

    Parameters
    ----------
    journeys : Journeys
    problem : Problem
    quarters : at most so many, the last ones
    n_draws, random_state : as in `forecast_customers`
    """
    leads = read_stages(journeys, problem)
    won = leads.reached[leads.customer]
    last = int(months_since_1970(np.array([leads.until]))[0]) // 3
    starts = month_starts(3 * np.arange(last - quarters, last + 1)).tolist()
    found = []
    for number, (start, stop) in enumerate(itertools.pairwise(starts)):
        then = from_microseconds(start)
        try:
            known = read_stages(known_by(journeys, then), problem)
            if known.customer != leads.customer:
                continue
            forecast = forecast_customers(known, stop, n_draws=n_draws, random_state=random_state).expected
        except PopulationError:
            continue
        came = int(((won >= start) & (won < stop) & (won < NEVER)).sum())
        year, part = divmod(last - quarters + number, 4)
        found.append(
            PastForecast(f"{1970 + year}-Q{part + 1}", forecast, came, forecast.low <= came <= forecast.high)
        )
    return tuple(found)
