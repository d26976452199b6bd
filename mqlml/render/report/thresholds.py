"""The section on labels: what was asked, what the test period delivered, and what other thresholds would bring."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from mqlml.evaluation import ByLead, Estimate, LabelByLead, LabelEvaluation, LabelFindings, LabelPrediction
from mqlml.render.report.charts import Segment, share_strip
from mqlml.render.report.text import (
    has_interval,
    mark,
    mark_count,
    mark_interval,
    mark_number,
    mark_percent,
    value_of,
)
from mqlml.texts import format_label, format_number, is_known, pluralize

__all__ = [
    "CurveRow",
    "LabelCard",
    "PredictionRow",
    "WhatIf",
    "compare_with_company",
    "compare_with_points",
    "label_cards",
    "label_tones",
    "no_label",
    "strips",
    "what_if",
]

_WEEKLY = (30, 60)
"""Leads a week that the page offers at a click."""

_TABLE_ROWS = 10
_NEAR = 0.1
"""A threshold that brings more than this share of leads more, or fewer, is not the one asked about."""


@dataclass(frozen=True)
class PredictionRow:
    """What was predicted of a threshold, what was observed, whether that is within, and what is predicted next."""

    title: str
    predicted: Markup
    observed: Markup
    within_range: Literal["yes", "no", "not known"]
    next: Markup


@dataclass(frozen=True)
class LabelCard:
    """What one threshold means, ready to be shown; ``sentence`` tells what was asked and what was delivered."""

    name: str
    tone: str
    threshold: Markup
    measured_at: Markup
    policy: str
    sentence: Markup
    figures: list[tuple[str, Markup, Markup]]
    predictions: list[PredictionRow]
    teams: list[tuple[str, Markup]]
    notes: list[str]


_PREDICTIONS = {
    "precision": "share that converts",
    "recall": "conversions caught",
    "per_week": "leads a week",
    "value": "value of the follow-ups",
}


def label_cards(result: LabelFindings) -> list[LabelCard]:
    """Highest label first, as a reader asks for it."""
    cards: list[LabelCard] = []
    tones = label_tones(result.labels)
    for name, label in reversed(result.labels.items()):
        counted = None if result.by_lead is None else result.by_lead.labels.get(name)
        notes = [label.note] if label.note else []
        if counted is not None and counted.same_as is not None:
            notes.append(
                f"In the test period {format_label(name)} and {format_label(counted.same_as)} selected exactly the "
                "same leads."
            )
        moved = f"{label.evaluated_at:.3f}" != f"{label.threshold:.3f}"
        cards.append(
            LabelCard(
                name=format_label(name) + (" or better" if cards else ""),
                tone=tones[name],
                threshold=mark_percent(label.threshold, 1),
                measured_at=mark_percent(label.evaluated_at, 1) if moved else Markup(""),
                policy=label.policy,
                sentence=_delivered(label, counted),
                figures=_figures(label, counted, result),
                predictions=_prediction_rows(label),
                teams=[(team, mark_percent(threshold, 1)) for team, threshold in (label.teams or {}).items()],
                notes=notes,
            )
        )
    return cards


def _delivered(label: LabelEvaluation, counted: LabelByLead | None) -> Markup:
    """``You asked for 25%; the test period delivered 18% (13% to 25%).``"""
    if counted is None or counted.asked is None:
        return Markup("")
    observed = getattr(label, counted.asked.what)
    if value_of(observed) is None:
        return Markup("")
    wanted = counted.asked.value
    if counted.asked.what == "per_week":
        asked, suffix = Markup("at most {}").format(mark(wanted, f"{wanted:,g}")), " leads a week"
        text = Markup("You asked for {}{}; the test period delivered {}.")
    else:
        asked = Markup("at least {}").format(mark_percent(wanted))
        suffix = " of leads to convert" if counted.asked.what == "precision" else " of all conversions"
        text = Markup("You asked for {}{}; the test period delivered {}, counting every scoring date.")
    text = text.format(asked, suffix, _with_range(counted.asked.what, observed))
    following = getattr(label.next, counted.asked.what)
    sure = ", with 90% confidence" if has_interval(following) else ""
    return text + Markup(" Forecast for the next period{}: {}.").format(
        sure, _forecast(counted.asked.what, following)
    )


def _figures(
    label: LabelEvaluation, counted: LabelByLead | None, result: LabelFindings
) -> list[tuple[str, Markup, Markup]]:
    weekly = ("leads a week", *_weekly(label.per_week))
    by_lead = result.by_lead
    if counted is None or by_lead is None:
        return [
            ("of them convert", mark_percent(value_of(label.precision)), mark_interval(label.precision)),
            (
                "of all conversions are caught",
                mark_percent(value_of(label.recall)),
                mark_interval(label.recall),
            ),
            weekly,
        ]
    share = counted.leads / by_lead.leads if by_lead.leads else None
    return [
        (
            f"of {format_number(by_lead.leads)} leads get this label",
            mark_count(counted.leads),
            mark_percent(share),
        ),
        (
            "of these leads convert",
            mark_percent(value_of(counted.precision)),
            mark_interval(counted.precision),
        ),
        (
            f"of {pluralize(by_lead.converted, 'lead')} that converted",
            mark_count(counted.converted),
            mark_percent(value_of(counted.recall)),
        ),
        weekly,
    ]


def _weekly(per_week: Estimate | None) -> tuple[Markup, Markup]:
    """Leads a week and their interval; below ten with a decimal."""
    if per_week is None:
        return Markup("not known"), Markup("")
    value = value_of(per_week)
    decimals = 1 if value is not None and 0 < value < 9.95 else 0
    ends = [mark_number(end, decimals) for end in (per_week.low, per_week.high)]
    between = Markup("{} to {}").format(*ends) if has_interval(per_week) else Markup("")
    return mark_number(value, decimals), between


def _with_range(what: str, measured: Estimate | None) -> Markup:
    """A prediction, or what was observed: its middle and the interval behind it."""
    value = value_of(measured)
    if measured is None or value is None:
        return Markup("–")
    if what in ("precision", "recall"):
        middle, ends = mark_percent(value), mark_interval(measured)
    else:
        decimals = 1 if abs(value) < 9.95 else 0
        low, high = (mark_number(end, decimals) for end in (measured.low, measured.high))
        middle, ends = mark_number(value, decimals), Markup("{} to {}").format(low, high)
    return middle + (
        Markup(' <span class="range">({})</span>').format(ends) if has_interval(measured) else ""
    )


def _forecast(what: str, predicted: Estimate | None) -> Markup:
    return Markup("not enough history") if predicted is None else _with_range(what, predicted)


def _prediction_rows(label: LabelEvaluation) -> list[PredictionRow]:
    observed = LabelPrediction(label.precision, label.recall, label.per_week, label.value)
    rows = []
    for what, title in _PREDICTIONS.items():
        predicted, following = getattr(label.predicted, what), getattr(label.next, what)
        if predicted is None and following is None and getattr(observed, what) is None:
            continue
        within = getattr(label.within_range, what)
        rows.append(
            PredictionRow(
                title,
                _forecast(what, predicted),
                _with_range(what, getattr(observed, what)),
                "not known" if within is None else "yes" if within else "no",
                _forecast(what, following),
            )
        )
    return rows


def label_tones(labels: Collection[str]) -> dict[str, str]:
    """The color of each label: the highest strongest, the next weaker, all below these pale."""
    if len(labels) == 1:
        return dict.fromkeys(labels, "mql")
    tones = [*["low"] * (len(labels) - 2), "mql", "sql"][-len(labels) :]
    return dict(zip(labels, tones, strict=False))


def no_label(labels: Collection[str]) -> str:
    """What leads are called that have none of the labels."""
    return "Neither" if len(labels) == 2 else "No label"


def strips(by_lead: ByLead | None) -> list[tuple[str, Markup]]:
    """All leads, and those that converted, cut by label; only where the labels nest as they must."""
    if by_lead is None or not by_lead.labels:
        return []
    strips = []
    labels = by_lead.labels
    for key, title, values in (
        (
            "share",
            f"All {format_number(by_lead.leads)} leads",
            [one.leads / by_lead.leads for one in labels.values()],
        ),
        (
            "recall",
            f"The {format_number(by_lead.converted)} that converted",
            [one.recall.value for one in labels.values()],
        ),
    ):
        steps = [1.0, *values]
        if not all(map(is_known, values)) or steps != sorted(steps, reverse=True):
            continue
        names = [no_label(labels), *map(format_label, labels)]
        tones = ["unqualified", *label_tones(labels).values()]
        segments = [
            Segment(step - less, tone, name)
            for step, less, tone, name in zip(steps, [*values, 0.0], tones, names, strict=True)
        ]
        strips.append(
            (title, Markup(share_strip(segments[::-1], title=f"{title}, by label", key=f"strip-{key}")))
        )
    return strips


def compare_with_points(by_lead: ByLead | None) -> list[Markup]:
    """Each label beside the points rule at the same number of leads; empty without labels or points."""
    if by_lead is None:
        return []
    texts = []
    for name, label in reversed(by_lead.labels.items()):
        if not label.leads or not is_known(label.points_converted) or not has_interval(label.precision):
            continue
        low, high = (format_number(label.leads * end) for end in (label.precision.low, label.precision.high))
        texts.append(
            Markup(
                "Picking {} leads as {}, the points rule finds {} that convert; mqlml finds {} ({} to {})."
            ).format(
                mark_count(label.leads),
                format_label(name),
                mark(label.points_converted, format_number(label.points_converted)),
                mark_count(label.converted),
                low,
                high,
            )
        )
    return texts


def compare_with_company(by_lead: ByLead | None) -> Markup | None:
    """The company's own MQLs beside as many leads of the model; None where the data does not tell them."""
    if by_lead is None or by_lead.company_mqls is None:
        return None
    own = by_lead.company_mqls
    low, high = (format_number(end) for end in (own.model_converted.low, own.model_converted.high))
    text = Markup(
        "Your own MQL rule picked {} leads and found {} of the {} that converted in the test period; picking as "
        "many, mqlml finds {} ({} to {})."
    )
    return text.format(
        mark_count(own.leads),
        mark_count(own.converted),
        mark_count(by_lead.converted),
        mark(own.model_converted.value, format_number(own.model_converted.value)),
        low,
        high,
    )


@dataclass(frozen=True)
class CurveRow:
    """One threshold of the table that stands for the sliders in print and without script."""

    threshold: Markup
    leads: Markup
    per_week: Markup
    precision: Markup
    caught: Markup


@dataclass(frozen=True)
class WhatIf:
    """What the sliders need: a start for each label, highest first, the stored curve, and its table."""

    sliders: tuple[tuple[str, str, int], ...]
    last: int
    weekly: tuple[int, ...]
    data: Markup
    rows: tuple[CurveRow, ...]
    by_weeks: bool
    weekly_texts: tuple[Markup, ...]


def what_if(by_lead: ByLead | None) -> WhatIf | None:
    """None where there is no label, or a single threshold."""
    if by_lead is None or len(by_lead.curve) < 2 or not by_lead.labels:
        return None
    curve = by_lead.curve
    points = [
        {
            "threshold": point.threshold,
            "leads": point.leads,
            "per_week": by_lead.weekly(point),
            "converted": point.converted,
            "precision": value_of(point.precision),  # null where nobody is selected
            "low": point.precision.low if has_interval(point.precision) else None,
            "high": point.precision.high if has_interval(point.precision) else None,
        }
        for point in curve
    ]
    text = json.dumps({"converted": by_lead.converted, "points": points}, allow_nan=False)
    starts = [
        (
            name,
            format_label(name),
            min(range(len(curve)), key=lambda at: abs(curve[at].threshold - label.threshold)),
        )
        for name, label in reversed(by_lead.labels.items())
    ]
    most = by_lead.weekly(curve[-1]) or 0.0
    step = max(1, len(curve) // _TABLE_ROWS)
    return WhatIf(
        sliders=tuple(starts),
        last=len(curve) - 1,
        weekly=tuple(number for number in _WEEKLY if number <= most),
        # No text of a user's stands in it, and the one character that could end a script is written otherwise.
        data=Markup(text.replace("<", "\\u003c")),
        rows=tuple(
            CurveRow(
                threshold=mark_percent(point.threshold, 1),
                leads=mark_count(point.leads),
                per_week=_per_week(by_lead.weekly(point)),
                precision=_with_range("precision", point.precision),
                caught=Markup("{} of {}").format(mark_count(point.converted), mark_count(by_lead.converted)),
            )
            for point in curve[step - 1 :: step]
        ),
        by_weeks=by_lead.weekly(curve[-1]) is not None,
        weekly_texts=tuple(_weekly_texts(by_lead, [number for number in _WEEKLY if number <= most])),
    )


def _per_week(weekly: float | None) -> Markup:
    return Markup("–") if weekly is None else mark_number(weekly, 1)


def _weekly_texts(by_lead: ByLead, wanted: Sequence[int]) -> Iterator[Markup]:
    """What happens if sales takes so many leads a week, at the nearest threshold of the curve."""
    for number in wanted:
        weekly, point = min(
            ((by_lead.weekly(point) or 0.0, point) for point in by_lead.curve),
            key=lambda one: abs(one[0] - number),
        )
        if abs(weekly - number) > _NEAR * number:
            continue
        yield Markup(
            "If sales takes {} leads a week, the threshold is {}. Then {} of those leads convert, compared with {} "
            "of all leads, and {} of the {} conversions in the test period are caught."
        ).format(
            mark(weekly, f"about {number}"),
            mark_percent(point.threshold, 1),
            _with_range("precision", point.precision),
            mark_percent(by_lead.base_rate),
            mark_count(point.converted),
            mark_count(by_lead.converted),
        )
