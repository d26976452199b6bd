"""The rows of the page's lists and tables, with their texts, numbers and bars."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from mqlml.evaluation import (
    Estimate,
    Importance,
    ImportanceRow,
    LabelEvaluation,
    LabelPrediction,
    Metrics,
    TrainingResult,
)
from mqlml.render.report import story
from mqlml.render.report.charts import Scale, Segment, interval_bar, share_strip, zero_scale
from mqlml.render.report.groups import shape_of
from mqlml.render.report.text import (
    describe_age,
    has_interval,
    mark,
    mark_interval,
    mark_number,
    mark_percent,
    value_of,
)
from mqlml.texts import format_label, format_number, format_percent, is_known, pluralize
from mqlml.training import Step

__all__ = [
    "AgeRow",
    "EffectRow",
    "LabelCard",
    "MetricRow",
    "PredictionRow",
    "WaterfallRow",
    "age_rows",
    "drop_texts",
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
        "The average gap between the forecast and the actual share. Lower is better.",
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
class PredictionRow:
    """What was predicted of a threshold, what was observed, whether that is within, and what is predicted next."""

    title: str
    predicted: Markup
    observed: Markup
    within_range: Literal["yes", "no", "not known"]
    next: Markup


@dataclass(frozen=True)
class LabelCard:
    """What one threshold means, ready to be shown."""

    name: str
    tone: str
    threshold: Markup
    policy: str
    figures: list[tuple[str, Markup, Markup]]
    predictions: list[PredictionRow]
    teams: list[tuple[str, Markup]]


def _drop(value: float, importance: Importance, metrics: Metrics) -> Markup:
    """An effect in a unit people can weigh: pairs in a hundred, or a share of the error there is."""
    if not is_known(value):
        return mark_number(value)
    if importance.metric == "roc_auc":
        return mark(value, format_number(100 * value, 1))
    whole = _whole_error(importance, metrics)
    return mark_number(value, 4) if whole is None else mark(value, format_percent(value / whole, 1))


def _whole_error(importance: Importance, metrics: Metrics) -> float | None:
    """The error that effects are a share of, where the metric is one and was measured."""
    if importance.metric not in {"log_loss", "brier"}:
        return None
    whole = value_of(metrics.log_loss if importance.metric == "log_loss" else metrics.brier)
    return whole if whole is not None and whole > 1e-9 else None


def drop_texts(importance: Importance) -> tuple[str, str]:
    """What a bar shows: as the head of the numbers, and as the rest of "Each bar shows how much"."""
    if importance.metric == "roc_auc":
        head = "extra pairs in 100 in the wrong order without it"
        return head, "worse mqlml orders later leads when it may not see one thing"
    name = _METRICS.get(importance.metric, (importance.metric,))[0].lower()
    if importance.metric == "average_precision":
        return f"{name} lost without it", f"{name} on later leads falls when mqlml may not see one thing"
    head = "how much worse predictions get without it"
    return head, f"worse predictions for later leads get (the {name} grows) when mqlml may not see one thing"


def effect_rows(
    importance: Importance, metrics: Metrics, of: Literal["families", "groups", "features"]
) -> list[EffectRow]:
    """The strongest first: those that clearly help, then the rest by size."""
    effects = {
        "families": importance.families,
        "groups": _most_important(importance),
        "features": importance.features,
    }[of]
    alike = {group.names[0]: len(group.names) - 1 for group in importance.groups}
    scale = zero_scale(
        value for effect in effects for value in (effect.drop.value, effect.drop.low, effect.drop.high)
    )
    rows = []
    for effect in sorted(
        effects,
        key=lambda item: (
            story.effect_kind(item.drop) != "helps",
            -abs(item.drop.value) if is_known(item.drop.value) else 1.0,
            item.name,
        ),
    ):
        kind, drop = story.effect_kind(effect.drop), effect.drop
        moves, curve = shape_of(effect) or ("", Markup(""))
        if of == "families":
            title, detail = _FAMILIES.get(effect.family, (format_label(effect.family), ""))
        elif of == "groups":
            title, detail = effect.sentence, f"and {pluralize(alike[effect.name], 'other')} like it"
        else:
            title, detail = effect.sentence, effect.name if effect.name != effect.sentence else ""
        tone = effect.family if effect.family in _FAMILIES else "other"
        number = _drop(drop.value, importance, metrics)
        if has_interval(drop):
            number += Markup(' <span class="range">{} to {}</span>').format(
                _drop(drop.low, importance, metrics), _drop(drop.high, importance, metrics)
            )
        bar = interval_bar(
            drop.value,
            drop.low,
            drop.high,
            scale=scale,
            tone=f"bar none {tone}" if kind == "none" else f"bar {tone}",
            title=f"{title}: {format_number(drop.value, 4)}",
        )
        rows.append(EffectRow(title, detail, tone, kind, Markup(bar), number, moves, curve))
    return rows


def _most_important(importance: Importance) -> tuple[ImportanceRow, ...]:
    """Each group under its most important feature, with what the group is worth together."""
    features = {row.name: row for row in importance.features}
    return tuple(
        ImportanceRow(
            group.names[0], features[group.names[0]].family, group.drop, features[group.names[0]].sentence
        )
        for group in importance.groups
    )


def _weekly(per_week: Estimate | None) -> tuple[Markup, Markup]:
    """Leads a week and their interval; below ten with a decimal."""
    if per_week is None:
        return Markup("not known"), Markup("")
    value = value_of(per_week)
    decimals = 1 if value is not None and 0 < value < 9.95 else 0
    ends = [mark_number(end, decimals) for end in (per_week.low, per_week.high)]
    between = Markup("{} to {}").format(*ends) if has_interval(per_week) else Markup("")
    return mark_number(value, decimals), between


_PREDICTIONS = {
    "precision": "share that converts",
    "recall": "conversions among them",
    "per_week": "leads a week",
    "value": "worth of the follow-ups",
}


def _predicted(what: str, measured: Estimate | None) -> Markup:
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
    return middle + (Markup(' <span class="range">{}</span>').format(ends) if has_interval(measured) else "")


def _prediction_rows(label: LabelEvaluation) -> list[PredictionRow]:
    observed = LabelPrediction(label.precision, label.recall, label.per_week, label.value)
    rows = []
    for what, title in _PREDICTIONS.items():
        predicted, following = getattr(label.predicted, what), getattr(label.next, what)
        if predicted is None and following is None:
            continue
        within = getattr(label.within_range, what)
        rows.append(
            PredictionRow(
                title,
                _predicted(what, predicted),
                _predicted(what, getattr(observed, what)),
                "not known" if within is None else "yes" if within else "no",
                _predicted(what, following),
            )
        )
    return rows


def label_tones(labels: Collection[str]) -> dict[str, str]:
    """The colour of each label: the highest strongest, the next weaker, all below these pale."""
    if len(labels) == 1:
        return dict.fromkeys(labels, "mql")
    tones = [*["low"] * (len(labels) - 2), "mql", "sql"][-len(labels) :]
    return dict(zip(labels, tones, strict=False))


def label_cards(result: TrainingResult) -> list[LabelCard]:
    """Highest label first, as a reader asks for it."""
    cards: list[LabelCard] = []
    tones = label_tones(result.labels)
    for name, label in reversed(result.labels.items()):
        or_better = " or better" if cards else ""
        figures = [
            ("of all leads reach it", mark_percent(story.share_of(label, result)), Markup("")),
            (
                "of those convert",
                mark_percent(value_of(label.precision)),
                mark_interval(label.precision),
            ),
            (
                "of all conversions are among them",
                mark_percent(value_of(label.recall)),
                mark_interval(label.recall),
            ),
            ("leads a week", *_weekly(label.per_week)),
        ]
        cards.append(
            LabelCard(
                format_label(name) + or_better,
                tones[name],
                mark_percent(label.threshold, 1),
                label.policy,
                figures,
                _prediction_rows(label),
                [(team, mark_percent(threshold, 1)) for team, threshold in (label.teams or {}).items()],
            )
        )
    return cards


def no_label(labels: Collection[str]) -> str:
    """What leads are called that have none of the labels."""
    return "Neither" if len(labels) == 2 else "No label"


def strips(result: TrainingResult) -> list[tuple[str, Markup]]:
    """All leads, and those that converted, cut by label; only where the thresholds nest as they must."""
    strips = []
    labels = result.labels
    for key, title, values in (
        ("share", "All leads", [story.share_of(label, result) for label in labels.values()]),
        ("recall", "Those that converted", [value_of(label.recall) for label in labels.values()]),
    ):
        known = [value for value in values if value is not None and is_known(value)]
        steps = [1.0, *known]
        if len(known) < len(values) or not known or steps != sorted(steps, reverse=True) or known[-1] < 0:
            continue
        names = [no_label(labels), *map(format_label, labels)]
        tones = ["unqualified", *label_tones(labels).values()]
        below = [*known, 0.0]
        segments = [
            Segment(step - less, tone, name)
            for step, less, tone, name in zip(steps, below, tones, names, strict=True)
        ]
        strips.append(
            (title, Markup(share_strip(segments[::-1], title=f"{title}, by label", key=f"strip-{key}")))
        )
    return strips


@dataclass(frozen=True)
class AgeRow:
    """How well leads of one age are ranked, ready to be shown."""

    title: str
    bar: Markup
    number: Markup
    range: Markup
    n: int
    positives: int


def age_rows(by_age: Mapping[str, Metrics]) -> list[AgeRow]:
    """Youngest first."""
    scale = Scale(0.4, 1.0, 0, 100)
    rows = []
    for age, metrics in by_age.items():
        auc = metrics.roc_auc
        title = describe_age(age)
        bar = interval_bar(
            auc.value,
            auc.low,
            auc.high,
            scale=scale,
            tone="bar plain",
            title=f"{title}: {format_percent(auc.value)}",
            origin=0.5,
        )
        rows.append(
            AgeRow(
                title=title[:1].upper() + title[1:],
                bar=Markup(bar),
                number=mark_percent(auc.value),
                range=mark_interval(auc),
                n=metrics.n,
                positives=metrics.positives,
            )
        )
    return rows


@dataclass(frozen=True)
class WaterfallRow:
    """One step of the population, ready to be shown: how many are left, and how many fewer that is."""

    step: str
    n: int
    gone: str
    bar: Markup


def waterfall(steps: Sequence[Step]) -> list[WaterfallRow]:
    """First step first."""
    scale = zero_scale(float(step.snapshots) for step in steps)
    before = [None, *(step.snapshots for step in steps)][: len(steps)]
    return [
        WaterfallRow(
            step=step.step,
            n=step.snapshots,
            gone=format_number(last - step.snapshots) if last is not None and last > step.snapshots else "",
            bar=Markup(
                interval_bar(
                    step.snapshots,
                    None,
                    None,
                    scale=scale,
                    tone="bar plain",
                    title=f"{step.step}: {format_number(step.snapshots)}",
                )
            ),
        )
        for step, last in zip(steps, before, strict=True)
    ]


@dataclass(frozen=True)
class MetricRow:
    """One metric: its name, what it means, and a cell for mqlml and each baseline."""

    title: str
    definition: str
    cells: list[Markup]


def metric_rows(result: TrainingResult) -> tuple[list[str], list[MetricRow]]:
    """Column heads, and a row for each metric that was measured."""
    names = [name for name in _COLUMNS if name in result.baselines]
    rows = []
    for field, (title, definition, decimals) in _METRICS.items():
        measured: Estimate = getattr(result.holdout, field)
        if not is_known(measured.value):
            continue
        cells = [mark_number(measured.value, decimals)]
        if has_interval(measured):
            cells[0] += Markup(' <span class="range">{} to {}</span>').format(
                mark_number(measured.low, decimals), mark_number(measured.high, decimals)
            )
        for name in names:
            other = value_of(getattr(result.baselines[name], field))
            cells.append(mark_number(other, decimals) if other is not None else Markup("–"))
        rows.append(MetricRow(title, definition, cells))
    return ["mqlml", *(_COLUMNS[name] for name in names)], rows
