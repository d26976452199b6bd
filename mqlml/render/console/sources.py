"""Console text of ``mqlml sources``: what leads are worth, what they cost, and what to do."""

from __future__ import annotations

from mqlml.evaluation import Estimate
from mqlml.render.console.common import columns
from mqlml.render.results import SourcesResult
from mqlml.render.sources import (
    LIMITS,
    describe_average,
    describe_period,
    describe_source,
    format_money,
    name_source,
    range_money,
    range_worth,
)
from mqlml.texts import format_number, format_percent, pluralize

__all__ = ["format_sources"]

_MOST = 20


def format_sources(result: SourcesResult) -> str:
    """The value of each source, its costs where there is spend, and a verdict on each."""
    shown = result.sources[:_MOST]
    lines = [describe_average(result), *columns(_value_rows(result))]
    if len(result.sources) > _MOST:
        rest = result.sources[_MOST:]
        leads = pluralize(sum(one.leads for one in rest), "lead")
        lines.append(f"  and {pluralize(len(rest), 'more source')} with {leads}; --json has all")
    if result.in_revenue and result.without_amount:
        lines.append(
            f"The amount of {pluralize(result.without_amount, 'sale')} is not known; each counts as much as others "
            "of its source."
        )
    if result.spend is not None:
        lines += [*describe_period(result.spend), *columns(_cost_rows(result))]
    lines += [describe_source(one, result) for one in shown]
    lines += _open_lines(result)
    return "\n".join([*lines, LIMITS])


def _value_rows(result: SourcesResult) -> list[tuple[str, ...]]:
    head: tuple[str, ...] = ("", "leads", "customers", "a lead is worth, 90% interval")
    rows = [(*head, "become customers", "a sale brings in") if result.in_revenue else head]
    for one in result.sources[:_MOST]:
        row: tuple[str, ...] = (
            name_source(one.source),
            format_number(one.leads),
            format_number(one.customers),
            range_worth(one.value, result),
        )
        if one.amount is not None:
            row = (*row, format_percent(one.customer_rate.value), format_money(one.amount.value))
        rows.append(row)
    return rows


def _cost_rows(result: SourcesResult) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in result.sources[:_MOST]:
        cost = one.cost
        if cost is not None:
            rows.append(
                (
                    name_source(one.source),
                    format_money(cost.spent),
                    format_number(cost.leads),
                    format_money(cost.per_lead),
                    _money(cost.per_mql),
                    range_money(cost.per_customer),
                    "-" if cost.returns is None else range_money(cost.returns),
                )
            )
    head = (
        "",
        "spent",
        "leads",
        "per lead",
        "per MQL",
        "per customer, 90% interval",
        "back for each 1 spent",
    )
    return [head, *rows] if rows else []


def _money(estimate: Estimate | None) -> str:
    return "-" if estimate is None else format_money(estimate.value)


def _open_lines(result: SourcesResult) -> list[str]:
    """The open leads of each source, most valuable first."""
    found = [(one.source, one.open) for one in result.sources if one.open is not None]
    if not found:
        return []
    by_worth = sorted(found, key=lambda one: -(one[1].revenue if result.in_revenue else one[1].customers))
    rows: list[tuple[str, ...]] = [
        ("open leads", "number", "customers to expect", *(["revenue"] if result.in_revenue else []))
    ]
    for source, opened in by_worth[:_MOST]:
        row = (name_source(source), format_number(opened.leads), format_number(opened.customers, 1))
        rows.append((*row, *([format_money(opened.revenue)] if result.in_revenue else [])))
    lines = columns(rows)
    if result.open_elsewhere:
        lines.append(f"  and {pluralize(result.open_elsewhere, 'open lead')} of none of these sources")
    return lines
