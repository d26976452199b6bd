"""The report's section on attribution: the methods side by side, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from mqlml.insight.channels.attribution import METHODS, Attribution, ChannelCredit, Method
from mqlml.render.report.rows import escape_markdown, markdown_table, to_markdown
from mqlml.render.report.svg import (
    WIDTH,
    Scale,
    coord,
    draw_chart,
    draw_line,
    draw_text,
    nice_ticks,
)
from mqlml.render.report.text import mark, mark_count, mark_number
from mqlml.texts import format_name, format_number, format_percent, pluralize

__all__ = ["CAUSES", "METHOD_NAMES", "AttributionSection", "describe_attribution", "write_attribution"]

METHOD_NAMES: dict[Method, str] = {
    "first": "first touch",
    "last": "last touch",
    "linear": "linear",
    "time_decay": "time decay",
    "position": "position",
    "markov": "Markov",
    "shapley": "Shapley",
}
"""The methods as people call them."""

CAUSES = "Credit says which channels leads saw before a sale, not that they caused it; only an experiment shows that."
"""What attribution cannot say."""

_SHOWN = 8
"""Channels in the chart; the table has all."""

_AGREE = 0.1
"""Methods agree about a channel if they differ by at most this share of what the most generous gives."""


@dataclass(frozen=True)
class _Row:
    channel: str
    leads: Markup
    won: Markup
    credits: tuple[Markup, ...]


@dataclass(frozen=True)
class AttributionSection:
    """What the section shows.

    Attributes
    ----------
    sentence : Markup
        What a marketer takes from it.
    chart : Markup
    more : str
        How many channels the chart leaves out; empty where it shows all.
    methods : tuple of str
        Heads of the table's columns of credit.
    rows : tuple
        A row for each channel.
    rests_on, causes : str
        What it was computed from, and what it cannot say.
    """

    sentence: Markup
    chart: Markup
    more: str
    methods: tuple[str, ...]
    rows: tuple[_Row, ...]
    rests_on: str
    causes: str = CAUSES


def describe_attribution(found: Attribution) -> AttributionSection:
    """The texts, the chart and the rows of the section."""
    found = replace(
        found, channels=tuple(replace(one, channel=format_name(one.channel)) for one in found.channels)
    )
    methods = tuple(method for method in METHODS if method in found.channels[0].credit)
    hidden = len(found.channels) - _SHOWN
    return AttributionSection(
        sentence=_sentence(found, methods),
        chart=Markup(attribution_chart(found.channels[:_SHOWN], methods)),
        more=pluralize(hidden, "channel") if hidden > 0 else "",
        methods=tuple(METHOD_NAMES[method].capitalize() for method in methods),
        rows=tuple(
            _Row(
                channel.channel,
                mark_count(channel.journeys),
                mark_count(channel.won),
                tuple(mark_number(channel.credit[method].value, 1) for method in methods),
            )
            for channel in found.channels
        ),
        rests_on=_rests_on(found),
    )


def _sentence(found: Attribution, methods: Sequence[Method]) -> Markup:
    leaders = [max(found.channels, key=lambda one: one.credit[method].value) for method in methods]
    first = max(found.channels, key=leaders.count)  # of equals the one with most sales by the Markov chain
    low, high = _ends(first, methods)
    text = Markup("{} gets the most sales by {}: {} to {} of {}.").format(
        first.channel[:1].upper() + first.channel[1:],
        _how_many(leaders.count(first), len(methods)),
        _few(low),
        _few(high),
        _sales(found),
    )
    unsure = max(found.channels, key=lambda channel: _gap(channel, methods))
    low, high = _ends(unsure, methods)
    if _gap(unsure, methods) <= _AGREE * high:
        return text + " The methods agree on every channel to within a tenth."
    return text + Markup(
        " The methods disagree most about {}: {} gives it {}, {} gives it {}. Test such a channel before you move "
        "any budget."
    ).format(
        unsure.channel,
        METHOD_NAMES[min(methods, key=lambda method: unsure.credit[method].value)],
        _few(low),
        METHOD_NAMES[max(methods, key=lambda method: unsure.credit[method].value)],
        _few(high),
    )


def _how_many(methods: int, of: int) -> str:
    return "every method" if methods == of else f"{methods} of {of} methods"


def _few(sales: float) -> Markup:
    """Sales with about two digits, as a sentence shows them."""
    return mark(sales, format_number(sales, 0 if sales >= 10 else 1))


def _ends(channel: ChannelCredit, methods: Sequence[Method]) -> tuple[float, float]:
    values = [channel.credit[method].value for method in methods]
    return min(values), max(values)


def _gap(channel: ChannelCredit, methods: Sequence[Method]) -> float:
    low, high = _ends(channel, methods)
    return high - low


def _sales(found: Attribution) -> Markup:
    return Markup("{} {}").format(mark_count(found.sales), "sale" if found.sales == 1 else "sales")


def _rests_on(found: Attribution) -> str:
    text = f"Computed from {pluralize(found.journeys, 'lead')} with a touch."
    if not found.untouched:
        return text
    share = format_percent(found.untouched / (found.untouched + found.sales))
    return (
        f"{text} {pluralize(found.untouched, 'more sale')} ({share} of all) had no touch before, so no "
        "channel gets credit for them."
    )


_LANE = 7.0
"""Units from one method's mark to the next one's below."""


def attribution_chart(
    channels: Sequence[ChannelCredit], methods: Sequence[Method], *, key: str = "attribution-chart"
) -> str:
    """A row for each channel, in it a mark with its interval for each method, in the order of the legend."""
    left, right, top = 8.0, WIDTH - 8.0, 58.0
    ticks = nice_ticks(max(channel.credit[method].high for channel in channels for method in methods))
    across = Scale(0, ticks[-1], left, right)
    height = 20 + _LANE * len(methods) + 8
    bottom = top + height * len(channels)
    parts = [draw_line(across(tick), top, across(tick), bottom, "grid") for tick in ticks]
    parts += [
        draw_text(across(tick), bottom + 16, f"{tick:g}", anchor="end" if tick == ticks[-1] else "middle")
        for tick in ticks
    ]
    parts.append(draw_text(right, bottom + 32, "Sales →", anchor="end", tone="axis"))
    for place, method in enumerate(methods):
        x, y = left + (place % 4) * 88, 12.0 + (place // 4) * 20
        parts += [
            _method_mark(x + 5, y, method),
            draw_text(x + 14, y + 4, METHOD_NAMES[method], anchor="start"),
        ]
    for row, channel in enumerate(channels):
        start = top + row * height
        parts.append(draw_text(left, start + 14, channel.channel, anchor="start", tone="name"))
        for lane, method in enumerate(methods):
            y, credit = start + 22 + lane * _LANE, channel.credit[method]
            parts.append(draw_line(across(credit.low), y, across(credit.high), y, "whisker"))
            parts.append(_method_mark(across(credit.value), y, method))
    text = "; ".join(
        f"{channel.channel}: "
        + ", ".join(
            f"{METHOD_NAMES[method]} {format_number(channel.credit[method].value, 1)}" for method in methods
        )
        for channel in channels
    )
    return draw_chart(key, bottom + 38, "Sales of each channel by each method", f"{text}.", parts)


_RULES: tuple[Method, ...] = ("first", "last", "linear", "time_decay", "position")
"""Methods that only look at where a touch stands in a path that was won."""


def _method_mark(x: float, y: float, method: Method) -> str:
    """Methods differ in shape, not in color alone: rules are round or square, the two models turned squares."""
    tone = "method" if method in _RULES else "method model"
    hollow = " hollow" if method in ("last", "time_decay", "shapley") else ""
    shape = f'class="{tone}{hollow}"'
    if method in ("first", "last"):
        return f'<circle {shape} cx="{coord(x)}" cy="{coord(y)}" r="3"/>'
    if method == "position":
        points = f"{coord(x)},{coord(y - 3.4)} {coord(x + 3.4)},{coord(y + 2.6)}"
        return f'<polygon {shape} points="{points} {coord(x - 3.4)},{coord(y + 2.6)}"/>'
    turned = "" if method in _RULES else f' transform="rotate(45 {escape(coord(x))} {coord(y)})"'
    return f'<rect {shape} x="{coord(x - 2.7)}" y="{coord(y - 2.7)}" width="5.4" height="5.4"{turned}/>'


def write_attribution(section: AttributionSection) -> list[str]:
    """The section as lines of Markdown."""
    rows = (
        (
            escape_markdown(row.channel),
            *(to_markdown(cell) for cell in (row.leads, row.won, *row.credits)),
        )
        for row in section.rows
    )
    return [
        "### Which channels are linked to sales?",
        "",
        to_markdown(section.sentence),
        "",
        *markdown_table(("Channel", "Leads", "Won", *section.methods), rows),
        "",
        escape_markdown(f"{section.rests_on} {section.causes}"),
    ]
