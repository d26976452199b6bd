"""Group by group, and thing by thing: aggregates go in; rows with words, numbers, bars and small curves come out."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from mqlml.report import marked, words
from mqlml.report.charts import kept_bar, shape_line, zero_scale
from mqlml.report.data import Effect, ReportData, SliceRow

__all__ = ["SliceGroup", "shape_of", "slice_groups"]


@dataclass(frozen=True)
class _Row:
    """One group of leads, ready to be shown."""

    title: str
    looked_at: Markup
    happened: Markup
    promised: Markup
    ranks: Markup
    bar: Markup
    said: str


@dataclass(frozen=True)
class SliceGroup:
    """All groups by one column; ``fails`` counts those in which something fails."""

    title: str
    rows: tuple[_Row, ...]
    fails: int


def slice_groups(data: ReportData) -> list[SliceGroup]:
    """By column, in the order given; all bars on one scale."""
    scale = zero_scale(
        value for row in data.slices for value in (row.promised, row.rate.value, row.rate.high)
    )
    columns: dict[str, list[SliceRow]] = {}
    for row in data.slices:
        columns.setdefault(row.column, []).append(row)
    groups = []
    for column, found in columns.items():
        rows = []
        for row in found:
            title = words.age_in_words(row.value) if column == "Age of the lead" else row.value
            bar = kept_bar(
                row.promised,
                row.rate.value,
                row.rate.low,
                row.rate.high,
                scale=scale,
                title=f"{title}: promised {words.percent(row.promised)}, happened {words.percent(row.rate.value)}",
            )
            rows.append(
                _Row(
                    title=title[:1].upper() + title[1:],
                    looked_at=Markup("{} looked at, {} converted").format(
                        marked.count(row.n), marked.count(row.positives)
                    ),
                    happened=marked.percent(row.rate.value),
                    promised=marked.percent(row.promised),
                    ranks=marked.percent(row.roc_auc.value) if row.roc_auc is not None else Markup("–"),
                    bar=Markup(bar),
                    said=words.join(list(row.fails)),
                )
            )
        groups.append(SliceGroup(column, tuple(rows), sum(bool(row.fails) for row in found)))
    return groups


def shape_of(effect: Effect) -> tuple[str, Markup] | None:
    """How the probability moves with a feature's values: in words, and as a small curve."""
    known = [point for point in effect.points if point.value is not None and words.finite(point.probability)]
    if effect.direction is None or len(known) < 2:
        return None
    chances = [point.probability for point in known]
    low, high = chances.index(min(chances)), chances.index(max(chances))
    is_words = isinstance(known[0].value, str)
    said = _SAID[effect.direction].format(
        first=words.percent(chances[0]),
        last=words.percent(chances[-1]),
        top=_value(known[high].value),
        bottom=_value(known[low].value),
        most=words.percent(chances[high]),
        least=words.percent(chances[low]),
    )
    line = shape_line(chances, title=f"{effect.sentence}: {said}", steps=is_words)
    return said, Markup(line)


_SAID = {
    "rises": "more is better: {first} to {last}",
    "falls": "less is better: {first} down to {last}",
    "peaks": "best at about {top}: {most}",
    "dips": "worst at about {bottom}: {least}",
    "varies": "up and down: {least} to {most}",
    "differs": "best “{top}” {most}, worst “{bottom}” {least}",
    "flat": "hardly moves it by itself",
}


def _value(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or "missing"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
