"""The report's section on the plan: customers at today's pace, and what more of them take."""

from __future__ import annotations

from collections.abc import Sequence

from mqlml.evaluation import Estimate
from mqlml.insight.plan import Need, Outlook, PastForecast
from mqlml.texts import format_number, format_percent, is_known, pluralize

__all__ = ["PLAN_LIMITS", "describe_need", "describe_outlook", "describe_past"]

PLAN_LIMITS = (
    "The plan expects new leads to be like those of the last months; leads from another source, or many more of "
    "them, may convert less."
)
"""What the plan cannot know."""


def describe_outlook(found: Outlook, by: str) -> str:
    """Customers at today's pace."""
    others = format_number(max(found.expected.value - found.from_open.value, 0))
    return (
        f"At today's pace you will have {_ranged(found.expected, 'new customers')} by {by}: "
        f"about {format_number(found.from_open.value)} from the {pluralize(found.open_leads, 'lead')} that are open "
        f"now, about {others} from {format_number(found.new_leads.value)} new ones "
        f"({format_number(found.leads_per_month)} a month)."
    )


def describe_need(need: Need, found: Outlook, by: str) -> str:
    """What a number of customers takes."""
    wanted = pluralize(need.customers, "customer")
    if not is_known(need.leads.value):
        return f"{by} is too near for {wanted}: no number of new leads brings as many by then."
    if need.leads.value == 0:
        more = (
            f"; to be safe, plan for {format_number(need.leads.high)} new leads"
            if is_known(need.leads.high) and need.leads.high > 0
            else ""
        )
        return f"The leads that are open now should bring {wanted} by {by} without any new ones{more}."
    mqls = ""
    if need.mqls is not None:
        mqls = f", of which {format_number(need.mqls.value)} become MQLs by then"
    change = need.leads_per_month - found.leads_per_month
    pace = (
        f"{format_number(abs(change))} {'more' if change > 0 else 'fewer'} a month than now"
        if abs(change) >= 0.5
        else "as many as now"
    )
    text = f"For {wanted} by {by} you need about {_ranged(need.leads, 'new leads')}{mqls}: {pace}."
    if need.mqls is None:
        text += " How many become MQLs is unknown: the data has no stage MQL."
    return f"{text} The chance of {wanted} at today's pace is {format_percent(need.chance)}."


def describe_past(past: Sequence[PastForecast]) -> str:
    """How well the same method did on past quarters."""
    if not past:
        return "The history is too short to test the plan on past quarters."
    inside = sum(one.inside for one in past)
    return f"Tested on past quarters, the range held the number of customers in {inside} of {len(past)}."


def _ranged(found: Estimate, what: str) -> str:
    """``310 new leads (240 to 420)``."""
    high = format_number(found.high) if is_known(found.high) else "any number"
    return f"{format_number(found.value)} {what} ({format_number(found.low)} to {high})"
