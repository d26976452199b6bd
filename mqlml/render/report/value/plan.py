"""The report's section on the plan: what a number of customers takes, by the ends of the coming quarters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate
from mqlml.insight.plan.forecast import MONTH_DAYS, Need, Outlook, PastForecast
from mqlml.insight.plan.targets import Targets, TargetsBy
from mqlml.render.report.rows import Row, escape_markdown, flatten, markdown_table, to_markdown
from mqlml.render.report.svg import WIDTH, Scale, coord, draw_chart, draw_line, draw_text, nice_ticks
from mqlml.render.report.text import format_date, mark_count, mark_percent
from mqlml.results import to_json_safe
from mqlml.texts import format_number, format_percent, is_known, pluralize

__all__ = [
    "PLAN_LIMITS",
    "PlanSection",
    "describe_more",
    "describe_need",
    "describe_outlook",
    "describe_past",
    "describe_plan",
    "list_plan_rows",
    "next_number",
    "plan_chart",
    "write_plan",
]

PLAN_LIMITS = (
    "MQLs are leads with that stage in your data. The plan assumes that new leads are like those of recent months; "
    "leads from another source, or many more of them, may convert less often."
)
"""What the plan cannot know."""


def describe_outlook(found: Outlook, by: str) -> str:
    """Customers at today's pace."""
    others, new_leads = max(found.expected.value - found.from_open.value, 0), round(found.new_leads.value)
    more = (
        f"about {format_number(others)} from {pluralize(new_leads, 'new one')} "
        f"({format_number(found.leads_per_month)} a month)"
        if new_leads
        else "none from new ones, since hardly any come in"
    )
    return (
        f"At today's pace, you will have {_ranged(found.expected, 'new customers')} by {by}: "
        f"about {format_number(found.from_open.value)} from the {pluralize(found.open_leads, 'lead')} of any age "
        f"that are open now and {more}."
    )


def describe_need(need: Need, found: Outlook, by: str) -> str:
    """What a number of customers takes."""
    wanted = pluralize(need.customers, "customer")
    if not is_known(need.leads.value):
        return f"{by} is too soon for {wanted}: no number of new leads brings that many by then."
    if need.leads.value == 0:
        more = (
            f"; to be safe, plan for {format_number(need.leads.high)} new leads"
            if is_known(need.leads.high) and need.leads.high > 0
            else ""
        )
        return f"The leads that are open now should bring {wanted} by {by} without any new leads{more}."
    mqls = ""
    if need.mqls is not None:
        mqls = f", of which {format_number(need.mqls.value)} become MQLs by then"
    change = need.leads_per_month - found.leads_per_month
    pace = (
        f"{format_number(abs(change))} {'more' if change > 0 else 'fewer'} leads a month than now"
        if abs(change) >= 0.5
        else "as many as now"
    )
    text = f"For {wanted} by {by}, you need about {_ranged(need.leads, 'new leads')}{mqls}: {pace}."
    if need.mqls is None:
        text += " How many become MQLs is not known: the data has no MQL stage."
    return f"{text} At today's pace, the chance of {wanted} is {format_percent(need.chance)}."


_MORE = 10
"""Customers for which the price in leads is said."""


def describe_more(found: Outlook) -> str:
    """What customers beyond today's pace take, for a number that stands in no table; empty where it is not known."""
    beyond = [
        need for need in found.needs if need.customers > found.expected.value and is_known(need.leads.value)
    ]
    if not beyond:
        return ""
    last = beyond[-1]
    each = (last.leads.value - found.new_leads.value) / (last.customers - found.expected.value)
    months = found.days / MONTH_DAYS
    if each <= 0 or months <= 0:
        return ""
    return (
        f"For every {_MORE} customers beyond what today's pace brings, add about {format_number(_MORE * each)} "
        f"new leads ({format_number(_MORE * each / months)} a month)."
    )


def describe_past(past: Sequence[PastForecast]) -> str:
    """How well the same method did on past quarters."""
    if not past:
        return "The history is too short to test the plan on past quarters."
    inside = sum(one.inside for one in past)
    return (
        f"Tested on past quarters: the range held the actual number of customers in {inside} of {len(past)}."
    )


def _ranged(found: Estimate, what: str) -> str:
    """``310 new leads (240 to 420)``."""
    high = format_number(found.high) if is_known(found.high) else "any number"
    return f"{format_number(found.value)} {what} ({format_number(found.low)} to {high})"


_OUT_OF_REACH = "out of reach"


@dataclass(frozen=True)
class _NeedRow:
    customers: Markup
    chance: Markup
    leads: Markup
    mqls: Markup
    a_month: Markup


@dataclass(frozen=True)
class _Quarter:
    by: str
    outlook: str
    need: str
    more: str
    chart: Markup
    rows: tuple[_NeedRow, ...]


@dataclass(frozen=True)
class _PastRow:
    quarter: str
    forecast: Markup
    customers: Markup
    inside: str


@dataclass(frozen=True)
class PlanSection:
    """What the section shows.

    Attributes
    ----------
    quarters : tuple
        For each date: customers at today's pace, what more of them take, the chart and the table.
    with_mqls : bool
        Whether the data says how many leads become MQLs.
    past : tuple
        The forecasts of past quarters beside what became of them.
    tested, limits : str
        How often they were right, and what the plan cannot know.
    """

    quarters: tuple[_Quarter, ...]
    with_mqls: bool
    past: tuple[_PastRow, ...]
    tested: str
    limits: str = PLAN_LIMITS


def describe_plan(found: Targets) -> PlanSection:
    """The texts, the charts and the rows of the section."""
    return PlanSection(
        quarters=tuple(_quarter(quarter, place) for place, quarter in enumerate(found.quarters)),
        with_mqls=any(need.mqls is not None for quarter in found.quarters for need in quarter.outlook.needs),
        past=tuple(_past_row(past) for past in found.past),
        tested=describe_past(found.past),
    )


def _quarter(found: TargetsBy, place: int) -> _Quarter:
    outlook, by = found.outlook, format_date(found.by, "UTC")
    return _Quarter(
        by=by,
        outlook=describe_outlook(outlook, by),
        need=describe_need(next_number(outlook), outlook, by),
        more=describe_more(outlook),
        chart=Markup(plan_chart(outlook, key=f"plan-chart-{place}")),
        rows=tuple(
            _NeedRow(
                customers=mark_count(need.customers),
                chance=mark_percent(need.chance),
                leads=_mark_range(need.leads),
                mqls=Markup("–") if need.mqls is None else _mark_range(need.mqls),
                a_month=mark_count(need.leads_per_month) if is_known(need.leads_per_month) else Markup("–"),
            )
            for need in outlook.needs
        ),
    )


def next_number(outlook: Outlook) -> Need:
    """The first number that is more than today's pace brings."""
    more = [need for need in outlook.needs if need.customers > outlook.expected.value]
    return more[0] if more else outlook.needs[-1]


def _mark_range(found: Estimate) -> Markup:
    if not is_known(found.value):
        return Markup(_OUT_OF_REACH)
    high = mark_count(found.high) if is_known(found.high) else Markup("any number")
    return Markup('{} <span class="range">({} to {})</span>').format(
        mark_count(found.value), mark_count(found.low), high
    )


def _past_row(past: PastForecast) -> _PastRow:
    return _PastRow(
        past.quarter, _mark_range(past.forecast), mark_count(past.customers), "yes" if past.inside else "no"
    )


def plan_chart(outlook: Outlook, *, key: str) -> str:
    """A row for each number of customers: the leads it takes with their range; today's pace as a dashed line."""
    left, right, top, lane = 96.0, WIDTH - 24.0, 44.0, 26.0
    known = [need for need in outlook.needs if is_known(need.leads.value)]
    ends = [
        end
        for need in known
        for end in (need.leads.value, need.leads.high if is_known(need.leads.high) else need.leads.value)
    ]
    ticks = nice_ticks(max([*ends, outlook.new_leads.value, 1.0]))
    across = Scale(0, ticks[-1], left, right)
    bottom = top + lane * len(outlook.needs)
    parts = [draw_line(across(tick), top, across(tick), bottom, "grid") for tick in ticks]
    parts += [draw_text(across(tick), bottom + 16, format_number(tick), anchor="middle") for tick in ticks]
    parts.append(draw_text(right, bottom + 32, "New leads by then →", anchor="end", tone="axis"))
    pace = across(outlook.new_leads.value)
    parts.append(draw_line(pace, top - 8, pace, bottom, "guide"))
    anchor = "start" if pace < (left + right) / 2 else "end"
    label = f"today's pace: {format_number(outlook.new_leads.value)}"
    parts.append(draw_text(pace, top - 14, label, anchor=anchor, tone="note"))
    for row, need in enumerate(outlook.needs):
        y = top + (row + 0.5) * lane
        parts.append(
            draw_text(
                left - 8, y + 4, f"{format_number(need.customers)} customers", anchor="end", tone="tick"
            )
        )
        if not is_known(need.leads.value):
            parts.append(draw_text(left + 4, y + 4, _OUT_OF_REACH, anchor="start", tone="note"))
            continue
        high = need.leads.high if is_known(need.leads.high) else ticks[-1]
        parts.append(draw_line(across(need.leads.low), y, across(high), y, "whisker"))
        parts.append(
            f'<circle class="point" cx="{coord(across(need.leads.value))}" cy="{coord(y)}" r="4.5"/>'
        )
    text = "; ".join(
        f"{need.customers:,} customers: "
        + (f"{format_number(need.leads.value)} leads" if is_known(need.leads.value) else _OUT_OF_REACH)
        for need in outlook.needs
    )
    return draw_chart(
        key,
        bottom + 38,
        "New leads needed for each number of customers",
        f"{text}; today's pace brings {format_number(outlook.new_leads.value)} leads.",
        parts,
    )


def list_plan_rows(found: Targets) -> list[Row]:
    """A row for each date and number of customers."""
    return [
        {"by": quarter.by, **flatten(to_json_safe(need))}
        for quarter in found.quarters
        for need in quarter.outlook.needs
    ]


def write_plan(section: PlanSection) -> list[str]:
    """The section as lines of Markdown."""
    lines = ["### How many leads do you need for more customers?"]
    heads = ["Customers", "Chance at today's pace", "New leads needed", "MQLs among them", "Leads a month"]
    for quarter in section.quarters:
        lines += [
            "",
            escape_markdown(quarter.need),
            "",
            escape_markdown(f"{quarter.outlook} {quarter.more}".rstrip()),
            "",
        ]
        lines += markdown_table(heads, (_cells(row) for row in quarter.rows))
    lines += ["", escape_markdown(f"{section.tested} {section.limits}")]
    if not section.past:
        return lines
    rows: Sequence[tuple[str, ...]] = [
        (row.quarter, to_markdown(row.forecast), to_markdown(row.customers), row.inside)
        for row in section.past
    ]
    return [*lines, "", *markdown_table(("Quarter", "Forecast", "Actual customers", "Within range?"), rows)]


def _cells(row: _NeedRow) -> tuple[str, ...]:
    return tuple(to_markdown(cell) for cell in (row.customers, row.chance, row.leads, row.mqls, row.a_month))
