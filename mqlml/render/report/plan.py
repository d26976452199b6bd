"""The report's section on the plan: customers at today's pace, and what more of them take."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate
from mqlml.insight.plan import Need, Outlook, PastForecast, PlanTable
from mqlml.render.report.rows import escape_markdown, markdown_table, to_markdown
from mqlml.render.report.text import mark_count, mark_percent
from mqlml.texts import UNKNOWN, format_number, format_percent, is_known, pluralize
from mqlml.times import parse_instant

__all__ = [
    "PLAN_LIMITS",
    "PlanSection",
    "describe_need",
    "describe_outlook",
    "describe_past",
    "describe_plan",
    "write_plan",
]

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


@dataclass(frozen=True)
class _Row:
    customers: Markup
    leads: Markup
    per_month: Markup
    mqls: Markup
    chance: Markup


@dataclass(frozen=True)
class _Date:
    since: str
    by: str
    outlook: str
    need: str
    rows: tuple[_Row, ...]


@dataclass(frozen=True)
class _Past:
    quarter: str
    forecast: Markup
    actual: Markup
    inside: str


@dataclass(frozen=True)
class PlanSection:
    """What the section shows.

    Attributes
    ----------
    dates : tuple
        The outlook to each date, what the first number above it takes, and a row for each number of customers.
    tested : str
        How well the method did on past quarters.
    past : tuple
        A row for each of these.
    limits : str
        What the plan cannot know.
    """

    dates: tuple[_Date, ...]
    tested: str
    past: tuple[_Past, ...]
    limits: str = PLAN_LIMITS


def describe_plan(found: PlanTable) -> PlanSection:
    """The texts and rows of the section."""
    return PlanSection(
        dates=tuple(map(_describe_date, found.outlooks)),
        tested=describe_past(found.past),
        past=tuple(
            _Past(
                one.quarter, _marked(one.forecast), mark_count(one.customers), "yes" if one.inside else "no"
            )
            for one in found.past
        ),
    )


def _describe_date(outlook: Outlook) -> _Date:
    # The outlook ends at midnight; its last day is the one before.
    by = (parse_instant(outlook.until, "UTC") - dt.timedelta(days=1)).date().isoformat()
    more = [need for need in outlook.needs if need.customers > outlook.expected.value]
    return _Date(
        since=parse_instant(outlook.since, "UTC").date().isoformat(),
        by=by,
        outlook=describe_outlook(outlook, by),
        need=describe_need(more[0], outlook, by) if more else "",
        rows=tuple(
            _Row(
                mark_count(need.customers),
                _marked(need.leads),
                mark_count(need.leads_per_month),
                Markup(UNKNOWN) if need.mqls is None else _marked(need.mqls),
                mark_percent(need.chance),
            )
            for need in outlook.needs
        ),
    )


def _marked(found: Estimate) -> Markup:
    if not is_known(found.value):
        return Markup("too late")
    high = mark_count(found.high) if is_known(found.high) else "any number"
    return Markup("{} ({} to {})").format(mark_count(found.value), mark_count(found.low), high)


def write_plan(section: PlanSection) -> list[str]:
    """The section as lines of Markdown."""
    lines = ["### How many leads do we need?"]
    for date in section.dates:
        rows = (
            tuple(map(to_markdown, (row.customers, row.leads, row.per_month, row.mqls, row.chance)))
            for row in date.rows
        )
        heads = ("Customers", "New leads", "A month", "MQLs", "Chance at today's pace")
        lines += ["", escape_markdown(f"{date.outlook} {date.need}"), "", *markdown_table(heads, rows)]
    past = (
        (one.quarter, to_markdown(one.forecast), to_markdown(one.actual), one.inside) for one in section.past
    )
    lines += ["", escape_markdown(section.tested)]
    if section.past:
        lines += ["", *markdown_table(("Quarter", "Forecast", "Actual", "Within range?"), past)]
    return [*lines, "", escape_markdown(section.limits)]
