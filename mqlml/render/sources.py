"""What is said of sources: what a lead is worth, whether it pays, and what the figures cannot say."""

from __future__ import annotations

import math

from mqlml.evaluation import Estimate
from mqlml.insight.sources import Sources, SourceValue
from mqlml.insight.spend import SpendPeriod
from mqlml.texts import format_number, format_percent, is_known, join_texts, pluralize

__all__ = [
    "LIMITS",
    "describe_average",
    "describe_period",
    "describe_source",
    "format_money",
    "format_worth",
    "name_source",
    "range_money",
    "range_worth",
]

LIMITS = (
    "A source's value is what its leads bring in, not what the source causes: only an experiment shows how many "
    "would have come without it."
)
"""What the value of a source cannot say."""

_UNKNOWN_SOURCE = "(source not known)"


def format_money(value: float | None) -> str:
    """A sum of money in at least three digits.

    >>> format_money(1.4812), format_money(16384.2), format_money(0.01234)
    ('1.48', '16,384', '0.0123')
    """
    if not is_known(value) or value == 0:
        return format_number(value)
    return format_number(value, min(max(0, 2 - math.floor(math.log10(abs(value)))), 8))


def range_money(estimate: Estimate) -> str:
    """``1.48 (1.21 to 1.80)``."""
    low, high = format_money(estimate.low), format_money(estimate.high)
    return f"{format_money(estimate.value)} ({low} to {high})"


def format_worth(value: float, result: Sources) -> str:
    """The value of a lead: money, or the share of leads that become customers where amounts are unknown."""
    return format_money(value) if result.in_revenue else format_percent(value)


def range_worth(estimate: Estimate, result: Sources) -> str:
    """`format_worth` with the 90% interval."""
    low, high = format_worth(estimate.low, result), format_worth(estimate.high, result)
    return f"{format_worth(estimate.value, result)} ({low} to {high})"


def name_source(source: str | None) -> str:
    """The source as people read it."""
    return _UNKNOWN_SOURCE if source is None else source


def describe_average(result: Sources) -> str:
    """The value of the average lead, and of how many leads that is known."""
    among = (
        f"{pluralize(result.customers, 'customer')} among {pluralize(result.leads, 'lead')} that came in at least "
        f"{pluralize(result.span_days, 'day')} before the end of the data"
    )
    if result.in_revenue:
        return f"The average lead is worth {range_worth(result.average, result)}: {among}."
    return (
        f"Of all leads {range_worth(result.average, result)} become customers: {among}. Without amounts "
        "(data.outcomes.columns: amount), a lead's value is the chance that it becomes a customer."
    )


def describe_source(one: SourceValue, result: Sources) -> str:
    """Whether a source pays, or else how it compares with the average lead."""
    name, cost = name_source(one.source), one.cost
    if cost is not None and cost.value is not None and cost.verdict is not None:
        worth, per_lead = range_money(cost.value), format_money(cost.per_lead)
        if cost.verdict == "loses":
            advice = f"Cut {name}, or make it cheaper"
            return f"{advice}: a lead from it is worth {worth}, less than the {per_lead} it costs."
        if cost.verdict == "pays":
            return f"{name} pays: a lead from it is worth {worth}, more than the {per_lead} it costs."
        return (
            f"Whether {name} pays cannot be told yet: a lead from it is worth {worth} and costs {per_lead}."
        )
    worth = range_worth(one.value, result)
    noun = "a lead from it is worth" if result.in_revenue else "of its leads become customers:"
    if not one.leads:
        return f"{name}: no lead from it is old enough yet to tell what one is worth."
    if one.against_average == "unclear":
        return f"{name} does not clearly differ from the average lead: {noun} {worth}."
    return f"{name} is {one.against_average} average: {noun} {worth}."


def describe_period(period: SpendPeriod) -> list[str]:
    """What the spend brought back, and what it could not be matched with."""
    lines = [
        f"From {period.start} until {period.until}, {format_money(period.spent)} was spent and "
        f"{pluralize(period.leads, 'lead')} came in."
    ]
    if period.returns is not None:
        lines[0] = f"{lines[0][:-1]}; each 1 spent brings back {range_money(period.returns)}."
    if not period.from_period:
        lines.append(
            "No lead of this period has become a customer yet, so values are those of all earlier leads."
        )
    if period.in_vain:
        names = [f"{one.source} ({format_money(one.spent)})" for one in period.in_vain[:10]]
        more = [f"{len(period.in_vain) - 10:,} more"] if len(period.in_vain) > 10 else []
        lines.append(f"Money was spent without a single lead on {join_texts([*names, *more])}.")
    if period.free:
        names = [name_source(name) for name in period.free[:10]]
        more = [f"{len(period.free) - 10:,} more"] if len(period.free) > 10 else []
        lines.append(
            f"Nothing was spent on {join_texts([*names, *more])}, where {pluralize(period.free_leads, 'lead')} came "
            "from."
        )
    if period.later:
        lines.append(
            f"{format_money(period.later)} was spent after the end of the data, or in a week or month that was not "
            "over then; it is not counted."
        )
    return lines
