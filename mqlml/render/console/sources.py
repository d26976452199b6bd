"""Console text of ``mqlml sources``: what leads are worth, what they cost, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from mqlml.render.console.common import columns
from mqlml.render.report.value.sources import (
    LIMITS,
    describe_average,
    describe_cost_cells,
    describe_period,
    describe_value_cells,
    describe_verdicts,
    format_money,
    name_source,
)
from mqlml.render.results import SourcesResult
from mqlml.texts import format_number, pluralize

__all__ = ["format_sources"]

_MOST = 20


def format_sources(result: SourcesResult) -> str:
    """The value of each source, its costs where there is spend, and a verdict on each."""
    lines = [_plain(describe_average(result)), *_table(*describe_value_cells(result))]
    if result.in_revenue and result.without_amount:
        lines.append(
            f"The amount of {pluralize(result.without_amount, 'sale')} is not known; each counts as much as others "
            "of its source."
        )
    if result.spend is not None:
        lines += [*map(_plain, describe_period(result.spend)), *_table(*describe_cost_cells(result))]
    lines += map(_plain, describe_verdicts(result))
    return "\n".join([*lines, *_open_lines(result), LIMITS])


def _plain(text: Markup | str) -> str:
    return text.striptags() if isinstance(text, Markup) else text


def _table(heads: Sequence[str], rows: Sequence[Iterable[Markup | str]]) -> list[str]:
    if not rows:
        return []
    shown = [tuple(map(_plain, row)) for row in rows[:_MOST]]
    lines = columns([tuple(heads), *shown])
    if len(rows) > _MOST:
        lines.append(f"  and {pluralize(len(rows) - _MOST, 'more source')}; --json has all")
    return lines


def _open_lines(result: SourcesResult) -> list[str]:
    """The open leads of each source, most valuable first."""
    found = [(one.source, one.open) for one in result.sources if one.open is not None]
    by_worth = sorted(found, key=lambda one: -(one[1].revenue if result.in_revenue else one[1].customers))
    heads = ("Open leads", "Number", "Customers to expect", *(["Revenue"] if result.in_revenue else []))
    rows = [
        (
            name_source(source),
            format_number(opened.leads),
            format_number(opened.customers, 1),
            *([format_money(opened.revenue)] if result.in_revenue else []),
        )
        for source, opened in by_worth
    ]
    lines = _table(heads, rows)
    if result.open_elsewhere:
        lines.append(f"  and {pluralize(result.open_elsewhere, 'open lead')} of none of these sources")
    return lines
