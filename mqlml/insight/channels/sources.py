"""Source value: what a lead from each source brings in, and whether that is more than it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from mqlml.config import Problem
from mqlml.errors import PopulationError
from mqlml.evaluation import Estimate
from mqlml.evaluation.bootstrap import cluster_inflation, make_estimate
from mqlml.insight.channels.attribution import sale_amounts
from mqlml.insight.channels.pooling import draw_amounts, draw_rates
from mqlml.insight.channels.spend import (
    PeriodDraws,
    SourceCost,
    SpendPeriod,
    SpendRows,
    compare_costs,
    match_spend,
)
from mqlml.journeys import Journeys
from mqlml.results import Number, Result
from mqlml.times import DAY, NEVER, describe_duration, format_instant, to_clock, to_microseconds
from mqlml.training.snapshots import conversion_times, creation_times, group_leads, stage_times
from mqlml.types import Floats, Ints, Mask

__all__ = ["Comparison", "OpenValue", "SourceValue", "Sources", "value_sources"]

Comparison = Literal["above", "below", "unclear"]

_TAIL = 0.05
_FEWEST_AMOUNTS = 5
"""Sales with an amount below which their spread cannot be told."""

_NOTHING = 1e-9
"""Share of the largest amount up to which a sale counts as free: on a log scale it would outweigh all others."""

MOST_SOURCES = 1000
"""More values than that are no sources but names of people or things."""


@dataclass(frozen=True)
class OpenValue(Result):
    """The open leads of one source, on the date of the scores."""

    leads: int
    """How many."""
    customers: Number
    """Customers to expect among them within the horizon: the sum of their probabilities."""
    revenue: Number
    """Revenue to expect from these: customers times the usual amount of the source; null without amounts."""


@dataclass(frozen=True)
class SourceValue(Result):
    """What leads from one source bring in."""

    source: str | None
    """The source; null for leads whose source is not known."""
    leads: int
    """Leads old enough for their outcome to be known."""
    customers: int
    """Those of them that became customers in time."""
    revenue: Number
    """What these brought in, as far as amounts are known; null without amounts."""
    value: Estimate
    """Revenue per lead, or customers per lead without amounts, with its 90% interval."""
    customer_rate: Estimate
    """Customers per lead, with its 90% interval."""
    amount: Estimate | None
    """Revenue of a sale, with its 90% interval; null without amounts."""
    against_average: Comparison
    """Whether the interval of the value lies above or below the value of the average lead, or holds it."""
    cost: SourceCost | None = None
    """What its leads cost in the period of the spend; null where it had none."""
    open: OpenValue | None = None
    """Its open leads; null without scores, or without any."""


@dataclass(frozen=True)
class Sources(Result):
    """What a lead is worth, by source."""

    column: str
    """The column of the leads that holds the source."""
    leads: int
    """Leads created at least one horizon before the end of the data."""
    customers: int
    """Those of them that became customers within the horizon."""
    span_days: Number
    """Days after the creation of a lead in which a sale counts: the horizon, and the gap before it."""
    in_revenue: bool
    """Whether values are revenue per lead; customers per lead where too few amounts are known."""
    without_amount: int
    """Sales whose amount is not known; they are taken to be as large as others from their source."""
    average: Estimate
    """The value of the average lead, with its 90% interval."""
    sources: tuple[SourceValue, ...]
    """Sources, highest value first."""
    spend: SpendPeriod | None = None
    """What was spent; null without a table of spend."""
    open_elsewhere: int = 0
    """Open leads in the scores whose source has no row here, or that are not in the leads table."""


@dataclass(frozen=True)
class _Leads:
    """One row a lead: code of its source, account, creation, whether its outcome is known, customer, amount, MQL."""

    names: tuple[str | None, ...]
    source: Ints
    account: Ints
    created: Ints
    mature: Mask
    customer: Mask
    amount: Floats
    mql: Mask | None


@dataclass(frozen=True)
class _Draws:
    """Draws of each source's value, customers per lead, revenue of a sale, MQLs per lead: (n_draws, n_sources)."""

    value: Floats
    customers: Floats
    amount: Floats | None
    mqls: Floats | None


def value_sources(
    journeys: Journeys,
    problem: Problem,
    *,
    column: str,
    spend: SpendRows | None = None,
    scores: pd.DataFrame | None = None,
    n_draws: int = 4000,
    random_state: int = 0,
) -> Sources:
    """Estimate what a lead from each source brings in, and compare it with its cost.

    A hurdle model with partial pooling: customers per lead are beta-binomial over the sources (`draw_rates`), log
    amounts normal with a mean of each source (`draw_amounts`); a value is a rate times a mean amount, which is taken
    back from logs by smearing (N. Duan, "Smearing estimate", JASA 78, 1983), so that amounts need not be log-normal.
    Leads, and sales, of one account from one source count as fewer independent ones, by their design effect.

    Counted are leads created at least gap plus horizon before the end of the data; a customer is one whose first
    sale was within that time of its creation. Leads merged into another, and those sold before their day of
    creation, are left out.

    Parameters
    ----------
    journeys : Journeys
    problem : Problem
    column : column of the leads that holds the source
    spend : SpendRows, optional
    scores : DataFrame, optional
        ``lead_id`` as text, ``cutoff_time``, ``probability`` of open leads; the latest run counts.
    n_draws, random_state : of the posterior simulation

    Raises
    ------
    PopulationError
        If no lead is old enough, none became a customer, or the column holds too many values.
    """
    leads = _read_leads(journeys, problem, column)
    draws = _draw(leads, leads.mature, n_draws, random_state)
    number = np.bincount(leads.source[leads.mature], minlength=len(leads.names))
    won = np.bincount(leads.source[leads.mature & leads.customer], minlength=len(leads.names))
    average = _estimate(draws.value @ (number / number.sum()))
    counted = leads.mature & leads.customer
    revenue = np.bincount(leads.source, np.where(counted, np.nan_to_num(leads.amount), 0), len(leads.names))
    period, costs = (None, {}) if spend is None else _compare(leads, draws, spend, journeys, random_state)
    opened, elsewhere = (
        ({}, 0) if scores is None else _open_values(leads, journeys.leads, column, scores, draws)
    )
    in_revenue = draws.amount is not None
    found = []
    for code, name in enumerate(leads.names):
        value = _estimate(draws.value[:, code])
        found.append(
            SourceValue(
                source=name,
                leads=int(number[code]),
                customers=int(won[code]),
                revenue=float(revenue[code]) if in_revenue else float("nan"),
                value=value,
                customer_rate=_estimate(draws.customers[:, code]),
                amount=None if draws.amount is None else _estimate(draws.amount[:, code]),
                against_average=_compare_intervals(value, average.value),
                cost=costs.get(code),
                open=opened.get(code),
            )
        )
    return Sources(
        column=column,
        leads=int(number.sum()),
        customers=int(won.sum()),
        span_days=(problem.gap + problem.horizon) / DAY,
        in_revenue=in_revenue,
        without_amount=int(np.isnan(leads.amount[counted]).sum()) if in_revenue else int(won.sum()),
        average=average,
        sources=tuple(sorted(found, key=lambda one: -one.value.value)),
        spend=period,
        open_elsewhere=elsewhere,
    )


def _read_leads(journeys: Journeys, problem: Problem, column: str) -> _Leads:
    table, until = journeys.leads, to_microseconds(journeys.observed_until)
    created, sold = creation_times(table), conversion_times(journeys, problem)
    span = problem.gap + problem.horizon
    kept = (created <= until) & (sold >= created // DAY * DAY)
    kept[journeys.merged.old] = False
    mature = created[kept] <= until - span
    if not mature.any():
        raise PopulationError(
            f"what a source is worth needs leads created at least {describe_duration(span)} before the end of the "
            f"data, {format_instant(journeys.observed_until)}; found none among {len(table):,}. Shorten "
            "problem.horizon, or bring outcomes over a longer period"
        )
    values = table.loc[kept, column].astype("str")
    names: list[str | None] = sorted(values.dropna().unique())
    if len(names) > MOST_SOURCES:
        raise PopulationError(
            f"the column {column!r} must hold at most {MOST_SOURCES:,} different sources; found {len(names):,}. Name "
            "another column with --by"
        )
    code = pd.Index(names, dtype="object").get_indexer(pd.Index(values, dtype="object"))
    if (code < 0).any():
        code, names = np.where(code < 0, len(names), code), [*names, None]
    customer = sold[kept] < created[kept] + span
    if not (customer & mature).any():
        raise PopulationError(
            f"what a source is worth needs at least one customer ({problem.outcome} within {describe_duration(span)} "
            f"of creation); found none among {int(mature.sum()):,} leads"
        )
    none = np.full(len(table), np.nan)
    amount = sale_amounts(journeys, problem, sold) if "amount" in journeys.outcomes else none
    reached = stage_times(journeys, "mql")[kept]
    known = bool((reached < NEVER).any()) and problem.outcome != "mql"
    return _Leads(
        names=tuple(names),
        source=code.astype(np.int64),
        account=group_leads(table)[kept].astype(np.int64),
        created=created[kept],
        mature=mature,
        customer=customer,
        amount=amount[kept],
        mql=reached < created[kept] + span if known else None,
    )


def _draw(leads: _Leads, rows: Mask, n_draws: int, random_state: int) -> _Draws:
    """Draw what these leads tell of all sources."""
    rng = np.random.default_rng(random_state)
    number = np.bincount(leads.source[rows], minlength=len(leads.names)).astype(np.float64)
    cell = pd.factorize(leads.account[rows] * len(leads.names) + leads.source[rows])[0].astype(np.int64)

    def rates(reached: Mask) -> Floats:
        hits = np.bincount(leads.source[rows], reached[rows], len(leads.names))
        chance = (hits / np.maximum(number, 1))[leads.source[rows]]
        worth = 1.0
        if (chance * (1 - chance)).sum() > 0:
            worth = cluster_inflation(reached[rows] - chance, chance, cell)
        return draw_rates(hits / worth, number / worth, n_draws, rng)

    customers = rates(leads.customer)
    mqls = None if leads.mql is None else rates(leads.mql)
    least = _NOTHING * np.fmax.reduce(leads.amount, initial=0.0)
    paid = rows & leads.customer & (leads.amount > least)
    if paid.sum() < _FEWEST_AMOUNTS:
        return _Draws(customers, customers, None, mqls)
    free = leads.customer & (leads.amount <= least)
    paying = rates(leads.customer & ~free) if free[rows].any() else customers
    amount = _draw_amounts(leads, paid, n_draws, rng)
    return _Draws(paying * amount, customers, amount, mqls)


def _draw_amounts(leads: _Leads, paid: Mask, n_draws: int, rng: np.random.Generator) -> Floats:
    source, logs = leads.source[paid], np.log(leads.amount[paid])
    sales = np.bincount(source, minlength=len(leads.names)).astype(np.float64)
    mean = np.bincount(source, logs, len(leads.names)) / np.maximum(sales, 1)
    error = logs - mean[source]
    freedom = len(logs) - int((sales > 0).sum())
    if freedom < _FEWEST_AMOUNTS - 1:  # hardly two sales of any source: their spread is that around all
        error, freedom = logs - logs.mean(), len(logs) - 1
    cell = pd.factorize(leads.account[paid] * len(leads.names) + source)[0]
    together = float((np.bincount(cell, error) ** 2).sum())
    squares = float((error**2).sum())
    worth = max(1.0, together / squares) if squares > 0 else 1.0
    variance = max(squares / freedom, 1e-12)
    middle = draw_amounts(mean, sales / worth, variance, freedom / worth, n_draws, rng)
    # Residuals are smaller than errors, since each source's own mean was taken off.
    back = np.exp(error * np.sqrt(len(error) / freedom))
    spread = np.sqrt(worth / len(back)) * back.std() / back.mean()
    smearing = back.mean() * np.exp(spread * rng.standard_normal((n_draws, 1)))
    return np.asarray(np.exp(middle) * smearing)


def _estimate(draws: Floats) -> Estimate:
    return make_estimate(float(np.median(draws)), draws, tail=_TAIL)


def _compare_intervals(value: Estimate, other: float) -> Comparison:
    return "above" if value.low > other else "below" if value.high < other else "unclear"


def _compare(
    leads: _Leads, draws: _Draws, spend: SpendRows, journeys: Journeys, random_state: int
) -> tuple[SpendPeriod, dict[int, SourceCost]]:
    """Costs beside the value of the leads that were created in the period of the spend.

    Where these have no customer, or too few amounts, their value is taken to be that of all leads, as in ``draws``.
    """
    matched = match_spend(spend, leads.names, journeys.observed_until)
    day = to_clock(leads.created, spend.zone) // DAY
    inside = (day >= matched.start) & (day < matched.until)
    own = bool((inside & leads.mature & leads.customer).any())
    if own:
        period = _draw(leads, inside & leads.mature, len(draws.value), random_state)
        own = (period.amount is None) == (draws.amount is None)
        draws = period if own else draws
    return compare_costs(
        matched,
        leads.names,
        np.bincount(leads.source[inside], minlength=len(leads.names)),
        mature=int((inside & leads.mature).sum()),
        from_period=own,
        draws=PeriodDraws(None if draws.amount is None else draws.value, draws.customers, draws.mqls),
    )


def _open_values(
    leads: _Leads, table: pd.DataFrame, column: str, scores: pd.DataFrame, draws: _Draws
) -> tuple[dict[int, OpenValue], int]:
    """The open leads of each source in the latest run of scores, and how many are of a source without a row."""
    latest = scores[scores["cutoff_time"] == scores["cutoff_time"].max()]
    source = table[column].astype("str").set_axis(table["lead_id"].astype("str"))
    known = latest["lead_id"].isin(source.index).to_numpy()
    value = source.reindex(latest["lead_id"])
    named = pd.Index([name for name in leads.names if name is not None], dtype="object")
    code = named.get_indexer(pd.Index(value, dtype="object"))
    if None in leads.names:
        code = np.where(value.isna().to_numpy() & known, len(named), code)
    chance = latest["probability"].to_numpy(np.float64)
    found = {}
    for one in np.unique(code[code >= 0]).tolist():
        expected = float(chance[code == one].sum())
        usual = float("nan") if draws.amount is None else float(np.median(draws.amount[:, one]))
        found[one] = OpenValue(int((code == one).sum()), expected, expected * usual)
    return found, int((code < 0).sum())
