"""The page about one lead: what speaks for and against it, its probability over time, and its events."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from mqlml.model.reasons import NOTHING_AGAINST, NOTHING_FOR
from mqlml.render.report.charts import interval_bar, trend_chart, zero_scale
from mqlml.render.report.page import environment
from mqlml.render.report.text import format_date, mark, short_date
from mqlml.render.results import ExplainResult
from mqlml.texts import format_number

__all__ = ["render_lead"]

SHOWN_REASONS = 6
SHOWN_CHANGES = 5


@dataclass(frozen=True)
class _Row:
    """A reason, or a change, ready to be shown."""

    text: str
    points: Markup
    bar: Markup
    before: str = ""


def render_lead(lead: ExplainResult) -> str:
    """The page about one lead as HTML text; it holds personal data.

    Returns
    -------
    str
        A whole document in UTF-8 with its style and chart inside; the same result gives the same text.
    """
    given = [reason for reason in lead.reasons if reason.given]
    scale = zero_scale(abs(reason.points) for reason in given)

    def rows(sign: int) -> list[_Row]:
        found = [reason for reason in given if reason.points * sign > 0][:SHOWN_REASONS]
        return [
            _Row(
                reason.sentence,
                _points(reason.points),
                Markup(
                    interval_bar(
                        abs(reason.points),
                        None,
                        None,
                        scale=scale,
                        tone=f"bar {reason.family}",
                        title=reason.sentence,
                    )
                ),
            )
            for reason in found
        ]

    changes = [
        _Row(
            text=change.now,
            points=_points(change.points),
            bar=Markup(""),
            before="as before" if change.before == change.now else f"before: {change.value_before}",
        )
        for change in lead.changes[:SHOWN_CHANGES]
    ]
    days = [(short_date(point.at, lead.timezone)[0], point.probability) for point in lead.trend]
    return (
        environment()
        .get_template("lead.html")
        .render(
            lead=lead,
            as_of=format_date(lead.as_of, lead.timezone),
            score=format_number(lead.score),
            ways=[
                ("What speaks for it", 1, rows(1), NOTHING_FOR),
                ("What speaks against it", -1, rows(-1), NOTHING_AGAINST),
            ],
            trend=Markup(trend_chart(days)) if len(days) > 1 else "",
            since="" if lead.since is None else format_date(lead.since, lead.timezone),
            changes=changes,
        )
    )


def _points(points: float) -> Markup:
    sign = "+" if points > 0 else ""
    return mark(points, f"{sign}{format_number(points, 2)}")
