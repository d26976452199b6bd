"""The page: a `ReportData` goes in, one self-contained HTML document comes out, without script or outside request."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mqlml.report import story, words
from mqlml.report.charts import (
    Scale,
    Segment,
    calibration_chart,
    decile_chart,
    dot_grid,
    interval_bar,
    share_strip,
    zero_scale,
)
from mqlml.report.data import AgeGroup, Effect, Measured, Metrics, ReportData, Step

__all__ = ["render_report"]

SHOWN_FEATURES = 12

_FAMILIES = {
    "profile": ("Profile", "who they are"),
    "channel": ("Channel", "how they came"),
    "actions": ("Actions", "what they did"),
    "undesirables": ("Undesirables", "warning signs"),
}

_DROPS = {
    "roc_auc": "extra pairs in 100 in the wrong order without it",
    "average_precision": "average precision lost without it",
    "log_loss": "log loss added without it",
    "brier": "Brier score added without it",
}

_METRICS: dict[str, tuple[str, str, int]] = {
    "roc_auc": (
        "ROC AUC",
        "How often a lead that converted is ranked above one that did not. 0.5 is a coin.",
        3,
    ),
    "average_precision": (
        "Average precision",
        "The share that converts among leads ranked high, averaged over all cut-offs. "
        "A random order gives the base rate.",
        3,
    ),
    "lift_top_decile": (
        "Lift of the top tenth",
        "How many times as often the top tenth converts as the average lead.",
        2,
    ),
    "brier": ("Brier score", "The average squared error of the probabilities. Lower is better.", 4),
    "log_loss": ("Log loss", "Like the Brier score, but hard on confident mistakes. Lower is better.", 4),
    "ece": (
        "Calibration error",
        "The average gap between the promised and the observed share. Lower is better.",
        4,
    ),
}
"""Title, what it means, and decimals shown, for each measure of the table."""

_COLUMNS = {"points": "Points rule", "logistic": "Logistic regression", "base_rate": "Base rate"}


@dataclass(frozen=True)
class EffectRow:
    """One line of the importance lists."""

    title: str
    detail: str
    tone: str
    kind: str
    bar: Markup
    number: Markup


@dataclass(frozen=True)
class LabelCard:
    """What one threshold means, ready to be shown."""

    name: str
    tone: str
    threshold: Markup
    policy: str
    figures: list[tuple[str, Markup, Markup]]


def _percent(value: float | None, decimals: int | None = None) -> Markup:
    return story.mark(value, words.percent(value, decimals))


def _count(value: float | None) -> Markup:
    return story.mark(value, words.count(value))


def _decimal(value: float | None, decimals: int = 3) -> Markup:
    return story.mark(value, words.decimal(value, decimals))


def _interval(measured: Measured | None, decimals: int | None = None) -> Markup:
    """``(26 % to 36 %)``, or nothing."""
    if measured is None or not (words.finite(measured.low) and words.finite(measured.high)):
        return Markup("")
    return Markup("{} to {}").format(_percent(measured.low, decimals), _percent(measured.high, decimals))


def _drop(value: float | None, metric: str) -> Markup:
    if metric == "roc_auc" and value is not None and words.finite(value):
        return story.mark(value, words.decimal(100 * value, 1))
    return _decimal(value, 4)


def _effect_rows(effects: Sequence[Effect], metric: str, *, families: bool) -> list[EffectRow]:
    """The strongest first: those that clearly help, then the rest by size."""
    scale = zero_scale(value for effect in effects for value in (effect.drop, effect.low, effect.high))
    rows = []
    for effect in sorted(
        effects,
        key=lambda item: (
            story.effect_kind(item) != "helps",
            -abs(item.drop) if item.drop is not None and words.finite(item.drop) else 1.0,
            item.name,
        ),
    ):
        kind = story.effect_kind(effect)
        if families:
            title, detail = _FAMILIES.get(effect.family, (words.label_name(effect.family), ""))
        else:
            title, detail = effect.sentence, effect.name if effect.name != effect.sentence else ""
        tone = effect.family if effect.family in _FAMILIES else "other"
        number = _drop(effect.drop, metric)
        if words.finite(effect.low) and words.finite(effect.high):
            number += Markup(' <span class="range">{} to {}</span>').format(
                _drop(effect.low, metric), _drop(effect.high, metric)
            )
        bar = interval_bar(
            effect.drop,
            effect.low,
            effect.high,
            scale=scale,
            tone=f"bar none {tone}" if kind == "none" else f"bar {tone}",
            title=f"{title}: {words.decimal(effect.drop, 4)}",
        )
        rows.append(EffectRow(title, detail, tone, kind, Markup(bar), number))
    return rows


def _label_cards(data: ReportData) -> list[LabelCard]:
    """Highest label first, as a reader asks for it."""
    cards = []
    for label in reversed(data.labels):
        or_better = "" if label is data.labels[-1] else " or better"
        precision, recall = label.precision, label.recall
        figures = [
            ("of all leads reach it", _percent(label.share), Markup("")),
            ("of those convert", _percent(precision.value if precision else None), _interval(precision)),
            (
                "of all conversions are among them",
                _percent(recall.value if recall else None),
                _interval(recall),
            ),
            ("leads a week", _count(label.per_week), Markup("")),
        ]
        if label.per_week is None:
            figures[-1] = ("leads a week", Markup("not known"), Markup(""))
        elif 0 < label.per_week < 9.95:
            figures[-1] = ("leads a week", _decimal(label.per_week, 1), Markup(""))
        cards.append(
            LabelCard(
                words.label_name(label.name) + or_better,
                label.name,
                _percent(label.threshold, 1),
                label.policy,
                figures,
            )
        )
    return cards


def _strips(data: ReportData) -> list[tuple[str, Markup]]:
    """All leads, and those that converted, cut by label; only where the thresholds nest as they must."""
    strips = []
    for key, title, values in (
        ("share", "All leads", [label.share for label in data.labels]),
        (
            "recall",
            "Those that converted",
            [label.recall.value if label.recall else None for label in data.labels],
        ),
    ):
        known = [value for value in values if value is not None and words.finite(value)]
        steps = [1.0, *known]
        if len(known) < len(values) or not known or steps != sorted(steps, reverse=True) or known[-1] < 0:
            continue
        names = ["Neither", *(words.label_name(label.name) for label in data.labels)]
        tones = ["unqualified", *(label.name for label in data.labels)]
        below = [*known, 0.0]
        segments = [
            Segment(step - less, tone, name)
            for step, less, tone, name in zip(steps, below, tones, names, strict=True)
        ]
        strips.append(
            (title, Markup(share_strip(segments[::-1], title=f"{title}, by label", key=f"strip-{key}")))
        )
    return strips


def _age_rows(groups: Sequence[AgeGroup]) -> list[dict[str, Any]]:
    scale = Scale(0.4, 1.0, 0, 100)
    rows = []
    for group in groups:
        auc = group.metrics.roc_auc or Measured(None)
        title = words.age_in_words(group.age)
        bar = interval_bar(
            auc.value,
            auc.low,
            auc.high,
            scale=scale,
            tone="bar plain",
            title=f"{title}: {words.percent(auc.value)}",
            origin=0.5,
        )
        rows.append(
            {
                "title": title[:1].upper() + title[1:],
                "bar": Markup(bar),
                "number": _percent(auc.value),
                "range": _interval(auc),
                "n": group.metrics.n,
                "positives": group.metrics.positives,
            }
        )
    return rows


def _waterfall(steps: Sequence[Step]) -> list[dict[str, Any]]:
    scale = zero_scale(float(step.n) for step in steps)
    before = [None, *(step.n for step in steps)][: len(steps)]
    return [
        {
            "step": step.step,
            "n": step.n,
            "gone": words.count(last - step.n) if last is not None and last > step.n else "",
            "bar": Markup(
                interval_bar(
                    step.n,
                    None,
                    None,
                    scale=scale,
                    tone="bar plain",
                    title=f"{step.step}: {words.count(step.n)}",
                )
            ),
        }
        for step, last in zip(steps, before, strict=True)
    ]


def _metric_rows(data: ReportData) -> tuple[list[str], list[dict[str, Any]]]:
    """Column heads, and per metric its plain words and a cell for mqlml and each baseline."""
    names = [name for name in _COLUMNS if name in data.baselines]
    metrics = data.metrics or Metrics()
    rows = []
    for field, (title, definition, decimals) in _METRICS.items():
        measured = getattr(metrics, field)
        if measured is None:
            continue
        cells = [_decimal(measured.value, decimals)]
        if words.finite(measured.low) and words.finite(measured.high):
            cells[0] += Markup(' <span class="range">{} to {}</span>').format(
                _decimal(measured.low, decimals), _decimal(measured.high, decimals)
            )
        for name in names:
            rival = getattr(data.baselines[name], field)
            cells.append(_decimal(rival.value, decimals) if rival is not None else Markup("–"))
        rows.append({"title": title, "definition": definition, "cells": cells})
    return ["mqlml", *(_COLUMNS[name] for name in names)], rows


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mqlml.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=_percent,
        count=_count,
        decimal=_decimal,
        date=words.date,
        interval=_interval,
        times=words.times,
    )
    return environment


def render_report(data: ReportData) -> str:
    """The report as HTML text.

    Parameters
    ----------
    data : ReportData
        Aggregates of one version; missing parts are said to be missing.

    Returns
    -------
    str
        A whole document in UTF-8 with its style and charts inside; the same data gives the same text.
    """
    head = story.headline(data)
    dots = []
    if head.called and head.total <= 1000:
        for key, title, filled in (
            ("picked", head.called, head.picked),
            ("random", "at random", head.random),
        ):
            name = f"{words.count(head.total)} leads {title}"
            chart = dot_grid(
                min(filled, head.total), head.total, title=f"{name}: {filled} convert", key=f"dots-{key}"
            )
            dots.append({"name": name, "filled": filled, "chart": Markup(chart), "key": key})
    importance = data.importance
    features = _effect_rows(importance.features, importance.metric, families=False) if importance else []
    shown = len(features) if len(features) <= SHOWN_FEATURES + 3 else SHOWN_FEATURES
    heads, metric_rows = _metric_rows(data)
    quarantined = sum(row.n for row in data.data.quarantined) if data.data else 0
    return (
        _environment()
        .get_template("page.html")
        .render(
            data=data,
            head=head,
            dots=dots,
            verdict=story.verdict(data),
            unit=story.unit(data),
            families=_effect_rows(importance.families, importance.metric, families=True)
            if importance
            else [],
            features=features[:shown],
            more_features=features[shown:],
            drop_words=_DROPS.get(importance.metric, f"{importance.metric} lost without it")
            if importance
            else "",
            calibration=Markup(calibration_chart(data.calibration)),
            deciles=Markup(decile_chart(data.deciles, data.holdout.base_rate if data.holdout else None)),
            caught=[said for tenths in (1, 2, 3) if (said := story.caught_by_top(data, tenths)) is not None],
            cards=_label_cards(data),
            strips=_strips(data),
            caught_by_label=story.caught_by_label(data),
            tones=[
                ("unqualified", "Neither"),
                *((label.name, words.label_name(label.name)) for label in data.labels),
            ][::-1],
            ages=_age_rows(data.by_age),
            waterfall=_waterfall(data.population),
            quarantined=quarantined,
            rows_read=sum(data.data.rows.values()) if data.data else 0,
            metric_heads=heads,
            metric_rows=metric_rows,
            confidence=words.percent(data.confidence),
        )
    )
