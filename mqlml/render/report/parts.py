"""The rows of the page's lists and tables, with their texts, numbers and bars."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from mqlml.evaluation import (
    Estimate,
    HoldoutFindings,
    Importance,
    ImportanceRow,
    Metrics,
)
from mqlml.insight import OpenLeads
from mqlml.render.report.charts import interval_bar
from mqlml.render.report.groups import shape_of
from mqlml.render.report.signals import format_level
from mqlml.render.report.svg import Scale, zero_scale
from mqlml.render.report.text import (
    describe_age,
    effect_kind,
    has_interval,
    mark,
    mark_count,
    mark_interval,
    mark_number,
    mark_percent,
    value_of,
)
from mqlml.texts import format_label, format_number, format_percent, is_known, pluralize
from mqlml.training import Step

__all__ = [
    "AgeRow",
    "BandRow",
    "EffectRow",
    "MetricRow",
    "SplitTable",
    "WaterfallRow",
    "age_rows",
    "band_rows",
    "drop_texts",
    "effect_rows",
    "metric_rows",
    "split_tables",
    "waterfall",
]

_FAMILIES = {
    "profile": ("Profile", "who they are"),
    "channel": ("Channel", "how they arrived"),
    "actions": ("Actions", "what they did"),
    "undesirables": ("Undesirables", "warning signs"),
}

_METRICS: dict[str, tuple[str, str, int]] = {
    "roc_auc": (
        "ROC AUC",
        "How often a lead that converted is ranked above one that did not. 0.5 is a coin flip.",
        3,
    ),
    "average_precision": (
        "Average precision",
        "The share that converts among leads ranked high, averaged over all cutoffs. "
        "A random order gives the base rate.",
        3,
    ),
    "lift_top_decile": (
        "Lift of the top tenth",
        "How many times as often leads in the top tenth convert as the average lead.",
        2,
    ),
    "brier": ("Brier score", "The average squared error of the probabilities. Lower is better.", 4),
    "log_loss": ("Log loss", "Like the Brier score, but punishes confident mistakes. Lower is better.", 4),
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
        return head, "worse mqlml ranks later leads when it cannot see one thing"
    name = _METRICS.get(importance.metric, (importance.metric,))[0].lower()
    if importance.metric == "average_precision":
        return f"{name} lost without it", f"{name} on later leads falls when mqlml cannot see one thing"
    head = "how much worse predictions get without it"
    return head, f"worse predictions for later leads get (the {name} grows) when mqlml cannot see one thing"


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
            effect_kind(item.drop) != "helps",
            -abs(item.drop.value) if is_known(item.drop.value) else 1.0,
            item.name,
        ),
    ):
        kind, drop = effect_kind(effect.drop), effect.drop
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
    leads: int
    gone: str
    bar: Markup


def waterfall(steps: Sequence[Step]) -> list[WaterfallRow]:
    """First step first."""
    scale = zero_scale(float(step.leads) for step in steps)
    before = [None, *(step.leads for step in steps)][: len(steps)]
    return [
        WaterfallRow(
            step=step.step,
            leads=step.leads,
            gone=format_number(last - step.leads) if last is not None and last > step.leads else "",
            bar=Markup(
                interval_bar(
                    step.leads,
                    None,
                    None,
                    scale=scale,
                    tone="bar plain",
                    title=f"{step.step}: {format_number(step.leads)} leads",
                )
            ),
        )
        for step, last in zip(steps, before, strict=True)
    ]


@dataclass(frozen=True)
class BandRow:
    """The open leads of one band of probabilities, ready to be shown."""

    title: str
    leads: int
    bar: Markup


def band_rows(found: OpenLeads) -> list[BandRow]:
    """Likeliest first."""
    scale = zero_scale(float(band.leads) for band in found.bands)
    rows = []
    for band in reversed(found.bands):
        title = f"{format_percent(band.low, 0)} to {format_percent(band.high, 0)}"
        bar = interval_bar(
            band.leads,
            None,
            None,
            scale=scale,
            tone="bar plain",
            title=f"{title}: {format_number(band.leads)} leads",
        )
        rows.append(BandRow(title, band.leads, Markup(bar)))
    return rows


@dataclass(frozen=True)
class SplitTable:
    """The open leads by source or region: heads of the columns, and rows with a cell for each."""

    by: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Markup, ...]], ...]


def split_tables(found: OpenLeads, labels: Collection[str]) -> list[SplitTable]:
    """A row for each group; columns for the leads, the labels, highest first, and what to expect."""
    shown = [name for name in reversed(list(labels)) if name in found.labels]
    tables = []
    for split in found.splits:
        rows = []
        for group in split.groups:
            name = "All others" if group.others else "Not given" if group.value is None else group.value
            counts = [group.leads, *(group.labels.get(label, 0) for label in shown)]
            share = group.expected / group.leads if group.leads else None
            cells = (
                *map(mark_count, counts),
                mark_number(group.expected, 1 if group.expected < 9.95 else 0),
                mark_percent(share),
            )
            rows.append((format_level(name), cells))
        heads = ("Open leads", *map(format_label, shown), "Should convert", "Share")
        tables.append(SplitTable(split.by, heads, tuple(rows)))
    return tables


@dataclass(frozen=True)
class MetricRow:
    """One metric: its name, what it means, and a cell for mqlml and each baseline."""

    title: str
    definition: str
    cells: list[Markup]


def metric_rows(result: HoldoutFindings) -> tuple[list[str], list[MetricRow]]:
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
