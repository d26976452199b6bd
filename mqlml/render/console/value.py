"""Console text of the commands about what pays."""

from __future__ import annotations

from mqlml.insight.channels.attribution import METHODS
from mqlml.render.console.common import columns
from mqlml.render.report.value.attribution import CAUSES, METHOD_NAMES
from mqlml.render.report.value.points import (
    POINTS_LIMIT,
    describe_evaluation,
    describe_labels,
    describe_more_wins,
    describe_use,
    few_wins_signals,
    format_points_count,
    signal_title,
)
from mqlml.render.results import AttributeResult, PointsResult
from mqlml.texts import format_label, format_number, format_percent, join_texts, pluralize

__all__ = ["format_attribution", "format_points"]

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
            f"The methods disagree most about {join_texts(unsure)}: one gives more than twice as much as another"
        )
    return "\n".join([*lines, CAUSES])


def format_points(result: PointsResult) -> str:
    """The points table, what its points stand for, how good it is, and what it cannot say."""
    if result.more_wins is None:
        lines = [f"Points distilled from {result.model} version {result.version}"]
    else:
        lines = [
            "Points from your own conversion rates, pulled toward the average; there is no model behind them",
            describe_more_wins(result.more_wins),
        ]
    lines.append(describe_use(result))
    if result.rows:
        lines += columns(
            [
                ("if", "points", "leads"),
                *(
                    (row.condition, format_points_count(row.points), format_percent(row.share))
                    for row in result.rows
                ),
            ]
        )
        lines += columns(
            [
                ("points or more", "probability", "leads", "label"),
                *(
                    (
                        f"{step.points:,d}".replace("-", "−"),
                        format_percent(step.probability),
                        format_percent(step.share),
                        "" if step.label is None else format_label(step.label),
                    )
                    for step in result.scale
                ),
            ]
        )
    lines += [*describe_labels(result), *describe_evaluation(result)]
    if result.signals is not None:
        lines.append("What goes along with converting; with so few sales, the 95% intervals are wide")
        lines += columns(
            [
                ("", "leads", "with", "without", "compared with comparable leads, points"),
                *(
                    (
                        signal_title(level),
                        format_number(level.leads),
                        format_percent(level.raw.with_rate),
                        format_percent(level.raw.without_rate),
                        f"{format_number(100 * level.like_leads.low, 1)} to "
                        f"{format_number(100 * level.like_leads.high, 1)}",
                    )
                    for level in few_wins_signals(result.signals)
                ),
            ]
        )
    lines.append(POINTS_LIMIT)
    return "\n".join(lines if result.out is None else [*lines, f"Written to {result.out}"])
