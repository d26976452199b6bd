"""The report's section on sources: what a lead from each is worth and costs, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate
from mqlml.insight.channels.sources import Sources, SourceValue
from mqlml.insight.channels.spend import SourceCost, SpendPeriod
from mqlml.render.report.rows import escape_markdown, markdown_table, to_markdown
from mqlml.render.report.svg import WIDTH, Scale, coord, draw_chart, draw_line, draw_text, nice_ticks
from mqlml.render.report.text import mark, mark_count, mark_percent
from mqlml.texts import format_name, format_number, format_percent, is_known, join_texts, pluralize

__all__ = [
    "LIMITS",
    "SourcesSection",
    "describe_average",
    "describe_cost_cells",
    "describe_period",
    "describe_sources",
    "describe_value_cells",
    "describe_verdicts",
    "format_money",
    "name_source",
    "source_chart",
    "write_sources",
]

LIMITS = (
    "A source's value is what its leads bring in, not what the source causes. Only an experiment shows how many "
    "leads would have come without it."
)
"""What the value of a source cannot say."""

_SHOWN = 12
"""Sources in the chart; the table has all."""

_NAMED = 10
_LONGEST_NAME = 44


def name_source(source: str | None) -> str:
    """The source as people read it."""
    return "(source not known)" if source is None else format_name(source)


def format_money(value: float | None) -> str:
    """A sum of money in at least three digits.

    >>> format_money(1.4812), format_money(16384.2), format_money(0.01234)
    ('1.48', '16,384', '0.0123')
    """
    if not is_known(value) or value == 0:
        return format_number(value)
    return format_number(value, min(max(0, 2 - math.floor(math.log10(abs(value)))), 8))


def _money(value: float) -> Markup:
    return mark(value, format_money(value))


def _money_range(estimate: Estimate) -> Markup:
    return Markup("{} ({} to {})").format(*map(_money, (estimate.value, estimate.low, estimate.high)))


def _worth(estimate: Estimate, found: Sources) -> Markup:
    """The value of a lead: money, or the share that become customers where amounts are unknown."""
    if found.in_revenue:
        return _money_range(estimate)
    return Markup("{} ({} to {})").format(*map(mark_percent, (estimate.value, estimate.low, estimate.high)))


def describe_average(found: Sources) -> Markup:
    """The value of the average lead, and of how many leads that is known."""
    among = Markup("{} {} among {} {} that came in at least {} before the end of the data").format(
        mark_count(found.customers),
        "customer" if found.customers == 1 else "customers",
        mark_count(found.leads),
        "lead" if found.leads == 1 else "leads",
        pluralize(found.span_days, "day"),
    )
    if found.in_revenue:
        return Markup("The average lead is worth {} in the currency of your amounts, based on {}.").format(
            _worth(found.average, found), among
        )
    return Markup(
        "{} of all leads become customers, based on {}. Sale amounts are not known (data.outcomes.columns: amount), "
        "so sources are compared by how many of their leads become customers."
    ).format(_worth(found.average, found), among)


def describe_verdicts(found: Sources) -> list[Markup]:
    """What to do: sources that cost more than they bring in, that pay, and how the others compare."""
    costs = [(one, one.cost) for one in found.sources if one.cost is not None]
    rest = [one for one in found.sources if one.cost is None or one.cost.verdict is None]
    lines = [
        _describe_cost(one.source, cost)
        for verdict in ("loses", "pays", "unclear")
        for one, cost in costs
        if cost.verdict == verdict
    ]
    for comparison in ("above", "below"):
        lines += [_describe_difference(one, found) for one in rest if one.against_average == comparison]
    alike = [one for one in rest if one.against_average == "unclear" and one.leads]
    if alike:
        lines.append(
            Markup("No clear difference from the average lead: {}.").format(
                _listed([name_source(one.source) for one in alike])
            )
        )
    young = [name_source(one.source) for one in found.sources if not one.leads]
    if young:
        lines.append(
            Markup("No leads are old enough yet to say what one is worth: {}.").format(_listed(young))
        )
    return lines


def _describe_cost(source: str | None, cost: SourceCost) -> Markup:
    name, per_lead = name_source(source), _money(cost.per_lead)
    worth = Markup() if cost.value is None else _money_range(cost.value)
    if cost.verdict == "loses":
        return Markup(
            "Cut {}, or make it cheaper: a lead from it is worth {}, less than the {} it costs."
        ).format(name, worth, per_lead)
    if cost.verdict == "pays":
        return Markup("{} pays: a lead from it is worth {}, more than the {} it costs.").format(
            name[:1].upper() + name[1:], worth, per_lead
        )
    return Markup("It is too early to say whether {} pays: a lead from it is worth {} and costs {}.").format(
        name, worth, per_lead
    )


def _describe_difference(one: SourceValue, found: Sources) -> Markup:
    text = "a lead from it is worth {}" if found.in_revenue else "{} of its leads become customers"
    worth = Markup(text).format(_worth(one.value, found))
    name = name_source(one.source)
    return Markup("{} is {} average: {}.").format(name[:1].upper() + name[1:], one.against_average, worth)


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    return join_texts([*names[:_NAMED], *more])


def describe_period(period: SpendPeriod) -> list[Markup]:
    """What the spend brought back, and what it could not be matched with."""
    text = Markup("From {} to {}, {} was spent and {} {} came in").format(
        period.start,
        period.until,
        _money(period.spent),
        mark_count(period.leads),
        "lead" if period.leads == 1 else "leads",
    )
    back = (
        "."
        if period.returns is None
        else Markup("; each 1 spent brings back {}.").format(_money_range(period.returns))
    )
    lines = [text + back]
    if not period.from_period:
        lines.append(
            Markup(
                "Too few leads from this time are known customers yet, so values are those of all earlier leads."
            )
        )
    if period.in_vain:
        names = [f"{name_source(one.source)} ({format_money(one.spent)})" for one in period.in_vain]
        lines.append(Markup("Money was spent without a single lead on {}.").format(_listed(names)))
    if period.free:
        lines.append(
            Markup("Nothing was spent on {}, which brought {} leads.").format(
                _listed([name_source(one) for one in period.free]), mark_count(period.free_leads)
            )
        )
    if period.later:
        lines.append(
            Markup(
                "{} was spent after the end of the data, or in a week or month that had not ended by then; it is not "
                "counted."
            ).format(_money(period.later))
        )
    return lines


_VALUE_HEADS = ("Source", "Leads", "Customers", "A lead is worth (90% interval)")
_COST_HEADS = (
    "Source",
    "Spent",
    "Leads",
    "Per lead",
    "Per MQL",
    "Per customer (90% interval)",
    "Return per 1 spent",
)


def describe_value_cells(found: Sources) -> tuple[tuple[str, ...], list[tuple[Markup | str, ...]]]:
    """Heads and rows of the table of values."""
    heads: tuple[str, ...] = (*_VALUE_HEADS, "Become customers", "A sale brings in")
    if not found.in_revenue:
        heads = (*_VALUE_HEADS[:3], "Become customers (90% interval)")
    rows: list[tuple[Markup | str, ...]] = []
    for one in found.sources:
        row = (
            name_source(one.source),
            mark_count(one.leads),
            mark_count(one.customers),
            _worth(one.value, found),
        )
        more = () if one.amount is None else (mark_percent(one.customer_rate.value), _money(one.amount.value))
        rows.append((*row, *more))
    return heads, rows


def describe_cost_cells(found: Sources) -> tuple[tuple[str, ...], list[tuple[Markup | str, ...]]]:
    """Heads and rows of the table of costs; no rows without spend."""
    rows: list[tuple[Markup | str, ...]] = [
        (
            name_source(one.source),
            _money(cost.spent),
            mark_count(cost.leads),
            _money(cost.per_lead),
            "–" if cost.per_mql is None else _money(cost.per_mql.value),
            _money_range(cost.per_customer),
            "–" if cost.returns is None else _money_range(cost.returns),
        )
        for one in found.sources
        if (cost := one.cost) is not None
    ]
    return _COST_HEADS, rows


@dataclass(frozen=True)
class SourcesSection:
    """What the section shows.

    Attributes
    ----------
    sentence : Markup
        The value of the average lead.
    verdicts : tuple of Markup
        What to do about which source.
    chart : Markup
    more : str
        How many sources the chart leaves out; empty where it shows all.
    spend : tuple of Markup
        What was spent; empty without spend.
    values, costs : (heads, rows) of the two tables
    limits : str
    """

    sentence: Markup
    verdicts: tuple[Markup, ...]
    chart: Markup
    more: str
    spend: tuple[Markup, ...]
    values: tuple[tuple[str, ...], list[tuple[Markup | str, ...]]]
    costs: tuple[tuple[str, ...], list[tuple[Markup | str, ...]]]
    limits: str = LIMITS


def describe_sources(found: Sources) -> SourcesSection:
    """The texts, the chart and the tables of the section."""
    hidden = len(found.sources) - _SHOWN
    return SourcesSection(
        sentence=describe_average(found),
        verdicts=tuple(describe_verdicts(found)),
        chart=Markup(source_chart(found)),
        more=pluralize(hidden, "source") if hidden > 0 else "",
        spend=() if found.spend is None else tuple(describe_period(found.spend)),
        values=describe_value_cells(found),
        costs=describe_cost_cells(found),
    )


_ROW = 38.0


def source_chart(found: Sources, *, key: str = "sources-chart") -> str:
    """A row for each source: what a lead is worth with its interval, what it costs, and the average lead."""
    shown = found.sources[:_SHOWN]
    left, right, top = 8.0, WIDTH - 8.0, 36.0
    costs = [None if one.cost is None else one.cost.per_lead for one in shown]
    reach = max([one.value.high for one in shown] + [cost for cost in costs if cost is not None])
    ticks = nice_ticks(reach)
    across, bottom = Scale(0, ticks[-1], left, right), top + _ROW * len(shown)

    def label(value: float) -> str:
        return f"{value:,g}" if found.in_revenue else f"{100 * value:g}%"

    parts = [draw_line(across(tick), top, across(tick), bottom, "grid") for tick in ticks]
    for tick in ticks:
        anchor = "start" if tick == 0 else "end" if tick == ticks[-1] else "middle"
        parts.append(draw_text(across(tick), bottom + 16, label(tick), anchor=anchor))
    axis = "Revenue per lead →" if found.in_revenue else "Share that become customers →"
    parts.append(draw_text(right, bottom + 32, axis, anchor="end", tone="axis"))
    average = across(found.average.value)
    parts.append(draw_line(average, top, average, bottom, "guide"))
    parts += [_worth_mark(left + 5, 12), draw_text(left + 14, 16, "worth", anchor="start")]
    if any(cost is not None for cost in costs):
        parts += [_cost_mark(left + 75, 12), draw_text(left + 84, 16, "costs", anchor="start")]
    parts += [
        draw_line(left + 145, 12, left + 165, 12, "guide"),
        draw_text(left + 171, 16, "average lead", anchor="start"),
    ]
    for row, (one, cost) in enumerate(zip(shown, costs, strict=True)):
        start = top + row * _ROW
        parts.append(
            draw_text(left, start + 14, _short(name_source(one.source)), anchor="start", tone="name")
        )
        y = start + 26
        parts.append(draw_line(across(one.value.low), y, across(one.value.high), y, "whisker"))
        parts.append(_worth_mark(across(one.value.value), y))
        if cost is not None:
            parts.append(_cost_mark(across(cost), y))
    text = "; ".join(
        f"{name_source(one.source)}: worth {_plain(one.value.value, found)}"
        + ("" if cost is None else f", costs {format_money(cost)}")
        for one, cost in zip(shown, costs, strict=True)
    )
    return draw_chart(key, bottom + 38, "What a lead from each source is worth", f"{text}.", parts)


def _plain(value: float, found: Sources) -> str:
    return format_money(value) if found.in_revenue else format_percent(value)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _worth_mark(x: float, y: float) -> str:
    return f'<circle class="method" cx="{coord(x)}" cy="{coord(y)}" r="4"/>'


def _cost_mark(x: float, y: float) -> str:
    """A hollow square on its corner, so that it differs from the value in shape, not in color alone."""
    place = f'x="{coord(x - 3.5)}" y="{coord(y - 3.5)}" width="7" height="7"'
    return f'<rect class="method model hollow" {place} transform="rotate(45 {coord(x)} {coord(y)})"/>'


def write_sources(section: SourcesSection) -> list[str]:
    """The section as lines of Markdown."""
    lines = ["### Which sources pay?", "", to_markdown(section.sentence), ""]
    lines += [f"- {to_markdown(verdict)}" for verdict in section.verdicts]
    lines += ["", *_write_table(*section.values)]
    for sentence in section.spend:
        lines += ["", to_markdown(sentence)]
    if section.costs[1]:
        lines += ["", *_write_table(*section.costs)]
    return [*lines, "", escape_markdown(section.limits)]


def _write_table(heads: Sequence[str], rows: Sequence[Sequence[Markup | str]]) -> list[str]:
    cells = (
        [to_markdown(cell) if isinstance(cell, Markup) else escape_markdown(cell) for cell in row]
        for row in rows
    )
    return markdown_table(heads, cells)
