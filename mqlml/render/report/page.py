"""The pages about a version and about one lead: self-contained HTML documents, without any outside request."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mqlml.evaluation import Importance, TrainingResult
from mqlml.features.wording import format_word
from mqlml.insight import InsightResults, OpenLeads
from mqlml.model.reasons import NOTHING_AGAINST, NOTHING_FOR
from mqlml.monitoring import MonitorResult
from mqlml.render.report import parts, thresholds
from mqlml.render.report import periods as history
from mqlml.render.report.advice import list_advice
from mqlml.render.report.against import describe_against
from mqlml.render.report.charts import (
    calibration_chart,
    decile_chart,
    dot_grid,
    interval_bar,
    trend_chart,
)
from mqlml.render.report.groups import fit_engagement_grid, slice_groups
from mqlml.render.report.monitoring import describe_monitoring
from mqlml.render.report.periods import over_time
from mqlml.render.report.signals import DIRECTIONS, describe_signals
from mqlml.render.report.svg import zero_scale
from mqlml.render.report.text import (
    CONFIDENCE,
    Headline,
    caught_by_top,
    format_date,
    format_leak_test,
    format_notice,
    headline,
    mark,
    mark_count,
    mark_interval,
    mark_number,
    mark_percent,
    period_zone,
    short_date,
    unit,
)
from mqlml.render.report.trust import verdict
from mqlml.render.report.value.chapter import describe_insight
from mqlml.render.results import ExplainResult
from mqlml.render.version_results import CompareResult
from mqlml.texts import format_label, format_number, format_percent, pluralize

__all__ = ["environment", "render_lead", "render_report"]


SHOWN_FEATURES = 12
SHOWN_GROUPS = 8


@functools.cache
def environment() -> Environment:
    """The templates, with the filters that they use."""
    environment = Environment(
        loader=PackageLoader("mqlml.render.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=mark_percent,
        count=mark_count,
        decimal=mark_number,
        interval=mark_interval,
        label_name=format_label,
        plural=pluralize,
        word=format_word,
    )
    return environment


_KINDS = {"column": "column", "action": "event type", "feature": "feature"}
"""What a finding is about, in a marketer's words."""


def render_report(
    result: TrainingResult,
    *,
    version: str | None = None,
    run_id: str | None = None,
    monitored: MonitorResult | None = None,
    open_leads: OpenLeads | None = None,
    compared: CompareResult | None = None,
    insight: InsightResults | None = None,
) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : TrainingResult
        What was not measured is named as missing.
    version, run_id : str, optional
        As the store calls the version; None for a model that was not registered.
    monitored : MonitorResult, optional
        Whether the version still holds.
    open_leads : OpenLeads, optional
        The leads that were last scored.
    compared : CompareResult, optional
        The version against the champion before it.
    insight : InsightResults, optional
        What pays.

    Returns
    -------
    str
        A whole document in UTF-8 with its style and charts inside; the same result gives the same text.
    """
    head = headline(result)
    return (
        environment()
        .get_template("page.html")
        .render(
            result=result,
            version=version,
            run_id=run_id,
            head=head,
            dots=_dots(head),
            verdict=verdict(result),
            monitored=describe_monitoring(monitored),
            unit=unit(result),
            snapshot="snapshots" if result.question.repeated else "leads",
            directions=DIRECTIONS,
            against=describe_against(compared),
            insight=describe_insight(insight, result),
            advice=list_advice(result, insight),
            leak_kinds=_KINDS,
            confidence=format_percent(CONFIDENCE),
            **_dates(result),
            **_measured(result),
            **_model_use(result),
            **_labels(result),
            **_open(result, open_leads),
        )
    )


Parts = dict[str, object]
"""Values of the template by name."""


def _dates(result: TrainingResult) -> Parts:
    zone = period_zone(result)
    return {
        "created": format_date(result.created, result.timezone),
        "held_from": format_date(result.holdout.start, zone),
        "held_until": format_date(result.holdout.until, zone),
        "observed_until": format_date(result.data.observed_until or "", zone),
    }


def _measured(result: TrainingResult) -> Parts:
    """How good it is, for whom, and what the data was."""
    heads, metric_rows = parts.metric_rows(result)
    return {
        "matters": describe_signals(result),
        "grid": fit_engagement_grid(result.fit_by_engagement),
        "slices": slice_groups(result.slices),
        "calibration": Markup(calibration_chart(result.calibration.bands)),
        "deciles": Markup(decile_chart(result.deciles, result.holdout.base_rate)),
        "caught": [text for tenths in (1, 2, 3) if (text := caught_by_top(result, tenths)) is not None],
        "ages": parts.age_rows(result.by_age),
        "more_history": history.more_history(result.learning_curve),
        "doublings": history.doublings(result.learning_curve),
        "over_time": over_time(result.over_time, period_zone(result)),
        "metric_heads": heads,
        "metric_rows": metric_rows,
        "waterfall": parts.waterfall(result.population.waterfall),
        "notices": [format_notice(notice) for notice in result.data.notices],
        "quarantined": sum(found.rows for found in result.data.quarantine),
        "leak_test": format_leak_test(result.leak_test),
    }


def _model_use(result: TrainingResult) -> Parts:
    """What the model leans on."""
    importance = result.importance or Importance((), (), n=0)
    features = parts.effect_rows(importance, result.holdout, "features")
    groups = parts.effect_rows(importance, result.holdout, "groups")
    drop_heading, drops = parts.drop_texts(importance)
    return {
        "families": parts.effect_rows(importance, result.holdout, "families"),
        "groups": [row for row in groups if row.kind == "helps"][:SHOWN_GROUPS],
        "features": features[:SHOWN_FEATURES],
        "hidden_features": max(0, len(features) - SHOWN_FEATURES),
        "drop_texts": drop_heading,
        "drops": drops,
    }


def _labels(result: TrainingResult) -> Parts:
    tones = thresholds.label_tones(result.labels)
    return {
        "cards": thresholds.label_cards(result),
        "strips": thresholds.strips(result.by_lead),
        "beside_company": thresholds.compare_with_company(result.by_lead),
        "beside_points": thresholds.compare_with_points(result.by_lead),
        "what_if": thresholds.what_if(result.by_lead),
        "tones": [
            ("unqualified", thresholds.no_label(result.labels)),
            *((tones[name], format_label(name)) for name in result.labels),
        ][::-1],
    }


def _open(result: TrainingResult, open_leads: OpenLeads | None) -> Parts:
    if open_leads is None:
        return {"open_leads": None, "open_labels": [], "scored_at": "", "open_bands": [], "open_splits": []}
    highest_first = [
        *reversed(result.labels),
        *(name for name in open_leads.labels if name not in result.labels),
    ]
    return {
        "open_leads": open_leads,
        "open_labels": [
            (name, open_leads.labels[name]) for name in highest_first if name in open_leads.labels
        ],
        "scored_at": format_date(open_leads.as_of, result.timezone),
        "open_bands": parts.band_rows(open_leads),
        "open_splits": parts.split_tables(open_leads, result.labels),
    }


@dataclass(frozen=True)
class _Dots:
    """A share of leads as dots that one can count."""

    name: str
    filled: int
    chart: Markup


def _dots(head: Headline) -> list[_Dots]:
    if not head.called or head.total > 1000:
        return []
    found = []
    for key, title, filled in (("picked", head.called, head.picked), ("random", "at random", head.random)):
        name = f"{format_number(head.total)} leads {title}"
        chart = dot_grid(
            min(filled, head.total), head.total, title=f"{name}: {filled} convert", key=f"dots-{key}"
        )
        found.append(_Dots(name, filled, Markup(chart)))
    return found


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
        for change in (() if lead.earlier is None else lead.earlier.changes[:SHOWN_CHANGES])
    ]
    days = [(short_date(point.at, lead.timezone)[0], point.probability) for point in lead.trend]
    return (
        environment()
        .get_template("lead.html")
        .render(
            lead=lead,
            as_of=format_date(lead.as_of, lead.timezone),
            score=f"{lead.score:g}",
            ways=[
                ("What speaks for it", 1, rows(1), NOTHING_FOR),
                ("What speaks against it", -1, rows(-1), NOTHING_AGAINST),
            ],
            trend=Markup(trend_chart(days)) if len(days) > 1 else "",
            since="" if lead.earlier is None else format_date(lead.earlier.at, lead.timezone),
            changes=changes,
        )
    )


def _points(points: float) -> Markup:
    sign = "+" if points > 0 else ""
    return mark(points, f"{sign}{format_number(points, 2)}")
