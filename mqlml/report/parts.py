"""The parts of the page that repeat: aggregates go in, rows with their words, numbers and bars come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from mqlml.report import marked, story, words
from mqlml.report.charts import Scale, Segment, interval_bar, share_strip, zero_scale
from mqlml.report.data import AgeGroup, Importance, LabelSummary, Measured, Metrics, ReportData, Step
from mqlml.report.inside import shape_of

__all__ = [
    "EffectRow",
    "LabelCard",
    "age_rows",
    "drop_words",
    "effect_rows",
    "label_cards",
    "label_tones",
    "metric_rows",
    "no_label",
    "strips",
    "waterfall",
]

_FAMILIES = {
    "profile": ("Profile", "who they are"),
    "channel": ("Channel", "how they came"),
    "actions": ("Actions", "what they did"),
    "undesirables": ("Undesirables", "warning signs"),
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
    moves: str
    curve: Markup


@dataclass(frozen=True)
class PromiseRow:
    """What a threshold promised, what came, whether that is within, and what it promises next."""

    title: str
    promised: Markup
    came: Markup
    kept: str
    coming: Markup


@dataclass(frozen=True)
class LabelCard:
    """What one threshold means, ready to be shown."""

    name: str
    tone: str
    threshold: Markup
    policy: str
    figures: list[tuple[str, Markup, Markup]]
    promises: list[PromiseRow]
    teams: list[tuple[str, Markup]]


def _drop(value: float | None, importance: Importance, metrics: Metrics | None) -> Markup:
    """An effect in a unit people can weigh: pairs in a hundred, or a share of the error there is."""
    if value is None or not words.finite(value):
        return marked.decimal(value)
    if importance.metric == "roc_auc":
        return marked.mark(value, words.decimal(100 * value, 1))
    whole = _whole_error(importance, metrics)
    return marked.decimal(value, 4) if whole is None else marked.mark(value, words.percent(value / whole, 1))


def _whole_error(importance: Importance, metrics: Metrics | None) -> float | None:
    """The error that effects are a share of, where the metric is one and was measured."""
    if metrics is None or importance.metric not in {"log_loss", "brier"}:
        return None
    whole = marked.value_of(getattr(metrics, importance.metric))
    return whole if whole is not None and whole > 1e-9 else None


def drop_words(importance: Importance) -> tuple[str, str]:
    """What a bar shows: as the head of the numbers, and as the rest of "Each bar shows how much"."""
    if importance.metric == "roc_auc":
        head = "extra pairs in 100 in the wrong order without it"
        return head, "worse mqlml orders later leads when it may not see one thing"
    name = _METRICS.get(importance.metric, (importance.metric,))[0].lower()
    if importance.metric == "average_precision":
        return f"{name} lost without it", f"{name} on later leads falls when mqlml may not see one thing"
    head = f"growth of the {name} without it"
    return head, f"larger mqlml’s error on later leads (the {name}) gets when it may not see one thing"


def effect_rows(data: ReportData, of: Literal["families", "groups", "features"]) -> list[EffectRow]:
    """The strongest first: those that clearly help, then the rest by size."""
    importance = data.importance or Importance()
    effects = {
        "families": importance.families,
        "groups": importance.groups,
        "features": importance.features,
    }[of]
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
        moves, curve = shape_of(effect) or ("", Markup(""))
        if of == "families":
            title, detail = _FAMILIES.get(effect.family, (words.label_name(effect.family), ""))
        elif of == "groups":
            title, detail = effect.sentence, f"and {words.plural(effect.alike, 'other')} like it"
        else:
            title, detail = effect.sentence, effect.name if effect.name != effect.sentence else ""
        tone = effect.family if effect.family in _FAMILIES else "other"
        number = _drop(effect.drop, importance, data.metrics)
        if words.finite(effect.low) and words.finite(effect.high):
            number += Markup(' <span class="range">{} to {}</span>').format(
                _drop(effect.low, importance, data.metrics), _drop(effect.high, importance, data.metrics)
            )
        bar = interval_bar(
            effect.drop,
            effect.low,
            effect.high,
            scale=scale,
            tone=f"bar none {tone}" if kind == "none" else f"bar {tone}",
            title=f"{title}: {words.decimal(effect.drop, 4)}",
        )
        rows.append(EffectRow(title, detail, tone, kind, Markup(bar), number, moves, curve))
    return rows


def _weekly(per_week: Measured | None) -> tuple[Markup, Markup]:
    """Leads a week and their interval; below ten with a decimal."""
    if per_week is None:
        return Markup("not known"), Markup("")
    value = marked.value_of(per_week)
    decimals = 1 if value is not None and 0 < value < 9.95 else 0
    ends = [marked.decimal(end, decimals) for end in (per_week.low, per_week.high)]
    between = Markup("{} to {}").format(*ends) if marked.between(per_week) else Markup("")
    return marked.decimal(value, decimals), between


_PROMISES = {
    "precision": "share that converts",
    "recall": "conversions among them",
    "per_week": "leads a week",
    "value": "worth of the follow-ups",
}


def _said(what: str, measured: Measured | None) -> Markup:
    """A promise: its middle and the interval behind it."""
    value = marked.value_of(measured)
    if measured is None or value is None:
        return Markup("–")
    if what in ("precision", "recall"):
        middle, ends = marked.percent(value), marked.interval(measured)
    else:
        decimals = 1 if abs(value) < 9.95 else 0
        low, high = (marked.decimal(end, decimals) for end in (measured.low, measured.high))
        middle, ends = marked.decimal(value, decimals), Markup("{} to {}").format(low, high)
    return middle + (
        Markup(' <span class="range">{}</span>').format(ends) if marked.between(measured) else ""
    )


def _promise_rows(label: LabelSummary) -> list[PromiseRow]:
    verdicts = {True: "kept", False: "not kept", None: "not known"}
    came = {
        "precision": label.precision,
        "recall": label.recall,
        "per_week": label.per_week,
        "value": label.value,
    }
    return [
        PromiseRow(
            title,
            _said(what, label.promised.get(what)),
            _said(what, came[what]),
            verdicts[label.kept.get(what)],
            _said(what, label.coming.get(what)),
        )
        for what, title in _PROMISES.items()
        if what in label.promised or what in label.coming
    ]


def label_tones(labels: Sequence[LabelSummary]) -> list[str]:
    """The colour of each label: the highest strongest, the next weaker, all below these pale."""
    if len(labels) == 1:
        return ["mql"]
    return [*["low"] * (len(labels) - 2), "mql", "sql"][-len(labels) :] if labels else []


def label_cards(data: ReportData) -> list[LabelCard]:
    """Highest label first, as a reader asks for it."""
    cards = []
    tones = dict(zip((label.name for label in data.labels), label_tones(data.labels), strict=True))
    for label in reversed(data.labels):
        or_better = "" if label is data.labels[-1] else " or better"
        precision, recall = label.precision, label.recall
        figures = [
            ("of all leads reach it", marked.percent(label.share), Markup("")),
            (
                "of those convert",
                marked.percent(precision.value if precision else None),
                marked.interval(precision),
            ),
            (
                "of all conversions are among them",
                marked.percent(recall.value if recall else None),
                marked.interval(recall),
            ),
            ("leads a week", *_weekly(label.per_week)),
        ]
        cards.append(
            LabelCard(
                words.label_name(label.name) + or_better,
                tones[label.name],
                marked.percent(label.threshold, 1),
                label.policy,
                figures,
                _promise_rows(label),
                [(team, marked.percent(threshold, 1)) for team, threshold in label.teams.items()],
            )
        )
    return cards


def no_label(data: ReportData) -> str:
    """What leads are called that have none of the labels."""
    return "Neither" if len(data.labels) == 2 else "No label"


def strips(data: ReportData) -> list[tuple[str, Markup]]:
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
        names = [no_label(data), *(words.label_name(label.name) for label in data.labels)]
        tones = ["unqualified", *label_tones(data.labels)]
        below = [*known, 0.0]
        segments = [
            Segment(step - less, tone, name)
            for step, less, tone, name in zip(steps, below, tones, names, strict=True)
        ]
        strips.append(
            (title, Markup(share_strip(segments[::-1], title=f"{title}, by label", key=f"strip-{key}")))
        )
    return strips


def age_rows(groups: Sequence[AgeGroup]) -> list[dict[str, Any]]:
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
                "number": marked.percent(auc.value),
                "range": marked.interval(auc),
                "n": group.metrics.n,
                "positives": group.metrics.positives,
            }
        )
    return rows


def waterfall(steps: Sequence[Step]) -> list[dict[str, Any]]:
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


def metric_rows(data: ReportData) -> tuple[list[str], list[dict[str, Any]]]:
    """Column heads, and per metric its plain words and a cell for mqlml and each baseline."""
    names = [name for name in _COLUMNS if name in data.baselines]
    metrics = data.metrics or Metrics()
    rows = []
    for field, (title, definition, decimals) in _METRICS.items():
        measured = getattr(metrics, field)
        if measured is None:
            continue
        cells = [marked.decimal(measured.value, decimals)]
        if words.finite(measured.low) and words.finite(measured.high):
            cells[0] += Markup(' <span class="range">{} to {}</span>').format(
                marked.decimal(measured.low, decimals), marked.decimal(measured.high, decimals)
            )
        for name in names:
            rival = getattr(data.baselines[name], field)
            cells.append(marked.decimal(rival.value, decimals) if rival is not None else Markup("–"))
        rows.append({"title": title, "definition": definition, "cells": cells})
    return ["mqlml", *(_COLUMNS[name] for name in names)], rows
