"""Console text of the commands about what pays."""

from __future__ import annotations

from mqlml.insight.attribution import METHODS
from mqlml.render.console.common import columns
from mqlml.render.report.attribution import CAUSES, METHOD_NAMES
from mqlml.render.results import AttributeResult
from mqlml.texts import format_number, format_percent, join_texts, pluralize

__all__ = ["format_attribution"]

_DISAGREES = 2.0
"""Methods disagree about a channel if one gives it more than so many times what another gives."""


def format_attribution(result: AttributeResult) -> str:
    """The credit of each channel by each method, and what it cannot say."""
    known = [method for method in METHODS if method in result.channels[0].credit]
    rows = [("", "leads", "won", *(METHOD_NAMES[method] for method in known), "Markov, 90% interval")]
    for channel in result.channels:
        markov = channel.credit["markov"]
        rows.append(
            (
                channel.channel,
                format_number(channel.journeys),
                format_number(channel.won),
                *(format_number(channel.credit[method].value, 1) for method in known),
                f"{format_number(markov.low, 1)} to {format_number(markov.high, 1)}",
            )
        )
    lines = [
        f"{pluralize(result.sales, 'sale')} among {pluralize(result.journeys, 'lead')} with a touch, divided among "
        f"{pluralize(len(result.channels), 'channel')}",
        *columns(rows),
    ]
    if result.untouched:
        share = result.untouched / (result.untouched + result.sales)
        lines.append(
            f"{pluralize(result.untouched, 'more sale')} ({format_percent(share)} of all) had no touch before; "
            "no channel gets credit for those"
        )
    unsure = [
        channel.channel
        for channel in result.channels
        if max(values := [channel.credit[method].value for method in known]) > _DISAGREES * min(values)
    ]
    if unsure:
        lines.append(
            f"The methods disagree most about {join_texts(unsure)}: one gives more than twice another"
        )
    return "\n".join([*lines, CAUSES])
