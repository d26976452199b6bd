"""Costs: what was spent on each source in a period, beside the leads, MQLs and customers that the period brought."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from mqlml.errors import PopulationError
from mqlml.evaluation import Estimate
from mqlml.evaluation.bootstrap import make_estimate
from mqlml.results import Number, Result
from mqlml.texts import normalize_name
from mqlml.times import DAY, from_microseconds, month_starts, months_since_1970, to_clock, to_microseconds
from mqlml.types import Floats, Ints

__all__ = [
    "CostVerdict",
    "MatchedSpend",
    "PeriodDraws",
    "SourceCost",
    "SpendPeriod",
    "SpendRows",
    "compare_costs",
    "match_spend",
]

CostVerdict = Literal["pays", "loses", "unclear"]

_TAIL = 0.05
_DAYS_OF_A_WEEK, _DAYS_OF_A_MONTH = 7, 28


@dataclass(frozen=True)
class SpendRows:
    """Rows of spend.

    Attributes
    ----------
    rows : DataFrame with ``source``, ``day`` (days since 1970) and ``cost``
    zone : the zone of the days
    """

    rows: pd.DataFrame
    zone: str


@dataclass(frozen=True)
class SourceCost(Result):
    """What the leads of one source cost that came in during the period of the spend."""

    spent: Number
    """What was spent on the source."""
    leads: int
    """Leads from it that came in."""
    per_lead: Number
    """Cost of a lead."""
    per_mql: Estimate | None
    """Cost of an MQL, with its 90% interval; null where the company makes no MQLs."""
    per_customer: Estimate
    """Cost of a customer, with its 90% interval."""
    value: Estimate | None
    """Revenue per lead of the period, with its 90% interval; null without amounts."""
    returns: Estimate | None
    """Revenue per unit of money spent: 1 is what was spent. With its 90% interval; null without amounts."""
    verdict: CostVerdict | None
    """Whether a lead ``pays`` (its value is above its cost throughout the interval), ``loses`` (below it) or whether
    that cannot be told yet (``unclear``); null without amounts."""


@dataclass(frozen=True)
class SpentInVain(Result):
    """A source that money was spent on and no lead came from."""

    source: str
    """The source, as the table of spend calls it."""
    spent: Number
    """What was spent."""


@dataclass(frozen=True)
class SpendPeriod(Result):
    """The period that the table of spend covers."""

    start: str
    """Its first day, as ``2026-01-31``."""
    until: str
    """The day after its last."""
    spent: Number
    """What was spent in it, on all sources."""
    leads: int
    """Leads that came in."""
    mature_leads: int
    """Those of them whose outcome is known."""
    from_period: bool
    """Whether values are those of the period's own leads; those of all leads where it has too few customers yet."""
    returns: Estimate | None
    """Revenue of the sources that cost something, per unit of money spent on all; null without amounts."""
    in_vain: tuple[SpentInVain, ...]
    """Sources that money was spent on and no lead came from in the period."""
    free: tuple[str | None, ...]
    """Sources of leads in the period that nothing was spent on; null for leads whose source is not known."""
    free_leads: int
    """Leads from these."""
    later: Number
    """What was spent after the end of the data, or in a week or month that was not over then; it is not counted."""


@dataclass(frozen=True)
class MatchedSpend:
    """The spend of a period by source.

    Attributes
    ----------
    start, until : its first day and the day after its last, in days since 1970.
    spent : array of shape (n_sources,)
    unmatched : by name, what was spent on sources that no lead has.
    later : what was spent in days, weeks or months that were not over at the end of the data.
    """

    start: int
    until: int
    spent: Floats
    unmatched: dict[str, float]
    later: float


def match_spend(spend: SpendRows, names: Sequence[str | None], observed_until: dt.datetime) -> MatchedSpend:
    """Add up the spend by the leads' sources, which it may write in another case or with other separators.

    The period runs from the first day to the last. Where all days are the same day of different months, or lie
    whole weeks apart, each row stands for a month or a week, and the last one is whole.

    Raises
    ------
    PopulationError
        If no row is over at the end of the data.
    """
    rows = spend.rows
    ends = _ends(rows["day"].to_numpy(np.int64))
    end = int(to_clock(np.array([to_microseconds(observed_until)]), spend.zone)[0]) // DAY
    over = ends <= end
    if not over.any():
        raise PopulationError(
            f"spend must have rows of days that are over at the end of the data, {_date(end)}; found none among "
            f"{len(rows):,}. Bring spend of earlier days"
        )
    exact = {name: code for code, name in enumerate(names) if name is not None}
    alike: dict[str, int] = {}
    for name, code in exact.items():
        alike.setdefault(normalize_name(name), code)
    spent = np.zeros(len(names))
    unmatched: dict[str, float] = {}
    totals = rows[over].groupby("source", sort=True)["cost"].sum()
    for called, cost in zip(map(str, totals.index), totals, strict=True):
        at = exact.get(called, alike.get(normalize_name(called)))
        if at is None:
            unmatched[called] = float(cost)
        else:
            spent[at] += float(cost)
    later = float(rows["cost"][~over].sum())
    return MatchedSpend(int(rows["day"][over].min()), int(ends[over].max()), spent, unmatched, later)


def _ends(day: Ints) -> Ints:
    """The day after the last that each row stands for."""
    distinct = np.unique(day)
    gaps = distinct[1:] - distinct[:-1]
    month = months_since_1970(day * DAY)
    of_month = day - month_starts(month) // DAY
    if len(gaps) and (gaps >= _DAYS_OF_A_MONTH).all() and len(np.unique(of_month)) == 1:
        return month_starts(month + 1) // DAY + of_month
    weeks = len(gaps) > 0 and (gaps % _DAYS_OF_A_WEEK == 0).all()
    return day + (_DAYS_OF_A_WEEK if weeks else 1)


def _date(day: int) -> dt.date:
    return from_microseconds(day * DAY).date()


@dataclass(frozen=True)
class PeriodDraws:
    """Draws of each source's value, customers per lead and MQLs per lead, each (n_draws, n_sources).

    ``value`` is None without amounts, ``mqls`` where the company makes no MQLs.
    """

    value: Floats | None
    customers: Floats
    mqls: Floats | None


def compare_costs(
    matched: MatchedSpend,
    names: Sequence[str | None],
    number: Ints,
    *,
    mature: int,
    from_period: bool,
    draws: PeriodDraws,
) -> tuple[SpendPeriod, dict[int, SourceCost]]:
    """Costs by source.

    Parameters
    ----------
    matched : MatchedSpend
    names : the sources
    number : array of shape (n_sources,), leads of the period
    mature : leads of the period whose outcome is known
    from_period : whether ``draws`` are of the period's own leads
    draws : PeriodDraws
    """
    costs = {}
    for code in np.flatnonzero((matched.spent > 0) & (number > 0)).tolist():
        per_lead = float(matched.spent[code] / number[code])
        value = None if draws.value is None else _estimate(draws.value[:, code])
        costs[code] = SourceCost(
            spent=float(matched.spent[code]),
            leads=int(number[code]),
            per_lead=per_lead,
            per_mql=None if draws.mqls is None else _per(per_lead, draws.mqls[:, code]),
            per_customer=_per(per_lead, draws.customers[:, code]),
            value=value,
            returns=None if value is None else _scale(value, 1 / per_lead),
            verdict=None if value is None else _compare(value, per_lead),
        )
    idle = np.flatnonzero((matched.spent > 0) & (number == 0)).tolist()
    in_vain = {str(names[code]): float(matched.spent[code]) for code in idle} | matched.unmatched
    free = np.flatnonzero((matched.spent <= 0) & (number > 0)).tolist()
    spent = float(matched.spent.sum() + sum(matched.unmatched.values()))
    paid = np.where(matched.spent > 0, number, 0).astype(np.float64)
    return SpendPeriod(
        start=_date(matched.start).isoformat(),
        until=_date(matched.until).isoformat(),
        spent=spent,
        leads=int(number.sum()),
        mature_leads=mature,
        from_period=from_period,
        returns=None if draws.value is None or spent <= 0 else _estimate(draws.value @ paid / spent),
        in_vain=tuple(SpentInVain(name, cost) for name, cost in sorted(in_vain.items()) if cost > 0),
        free=tuple(names[code] for code in free),
        free_leads=int(number[free].sum()),
        later=matched.later,
    ), costs


def _estimate(draws: Floats) -> Estimate:
    return make_estimate(float(np.median(draws)), draws, tail=_TAIL)


def _per(per_lead: float, rate: Floats) -> Estimate:
    """The cost of what comes at a rate per lead."""
    found = _estimate(rate)
    return Estimate(per_lead / found.value, per_lead / found.high, per_lead / found.low)


def _scale(estimate: Estimate, by: float) -> Estimate:
    return Estimate(estimate.value * by, estimate.low * by, estimate.high * by)


def _compare(value: Estimate, per_lead: float) -> CostVerdict:
    return "pays" if value.low > per_lead else "loses" if value.high < per_lead else "unclear"
