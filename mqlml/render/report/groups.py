"""Groups of leads on the page: fit by engagement, slices, and how the probability moves with a feature."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate, Fault, FitEngagementCell, ImportanceRow, Slice
from mqlml.render.report.charts import predicted_bar, shape_line
from mqlml.render.report.signals import format_level
from mqlml.render.report.svg import zero_scale
from mqlml.render.report.text import describe_age, mark_count, mark_interval, mark_percent
from mqlml.texts import format_percent, is_known, join_texts

__all__ = ["Grid", "SliceGroup", "fit_engagement_grid", "shape_of", "slice_groups"]

_BANDS = {3: "Highest", 2: "High", 1: "Low", 0: "Lowest"}
_TONES = 4


@dataclass(frozen=True)
class _Cell:
    """The leads of one quarter by fit and one by engagement, ready to be shown; the tone deepens with the rate."""

    rate: Markup
    range: Markup
    predicted: Markup
    n: Markup
    tone: int


@dataclass(frozen=True)
class Grid:
    """Rows by fit, highest first, each with a cell by engagement, lowest first; None where nobody is."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[_Cell | None, ...]], ...]
    sentence: Markup


def fit_engagement_grid(given: tuple[FitEngagementCell, ...]) -> Grid | None:
    """None where the model does not tell leads apart by both, so that there is no grid."""
    fits = sorted({cell.fit for cell in given}, reverse=True)
    engagements = sorted({cell.engagement for cell in given})
    if len(fits) < 2 or len(engagements) < 2:
        return None
    top = max([cell.rate.value for cell in given] or [0.0])
    cells = {(cell.fit, cell.engagement): cell for cell in given}

    def shown(cell: FitEngagementCell | None) -> _Cell | None:
        if cell is None:
            return None
        share = cell.rate.value / top if top > 0 else 0.0
        return _Cell(
            rate=mark_percent(cell.rate.value),
            range=mark_interval(cell.rate),
            predicted=mark_percent(cell.predicted),
            n=mark_count(cell.n),
            tone=round(share * _TONES),
        )

    return Grid(
        heads=tuple(_BANDS[number] for number in engagements),
        rows=tuple(
            (_BANDS[fit], tuple(shown(cells.get((fit, number))) for number in engagements)) for fit in fits
        ),
        sentence=_sentence(cells),
    )


def _sentence(cells: dict[tuple[int, int], FitEngagementCell]) -> Markup:
    """The corners as a sentence: both highest, one of the two, neither."""
    corners = {
        (3, 3): "highest in both",
        (3, 0): "with the best fit but the least engagement",
        (0, 3): "with the most engagement but the poorest fit",
        (0, 0): "lowest in both",
    }
    texts = [
        Markup("{}, {}").format(name, mark_percent(cells[place].rate.value))
        for place, name in corners.items()
        if place in cells
    ]
    if len(texts) < 2:
        return Markup("")
    return Markup("Share of leads that converted: {}.").format(Markup("; ").join(texts))


@dataclass(frozen=True)
class _Row:
    """One group of leads, ready to be shown."""

    title: str
    counts: Markup
    happened: Markup
    predicted: Markup
    ranks: Markup
    bar: Markup
    faults: str


@dataclass(frozen=True)
class SliceGroup:
    """All groups by one column; ``fails`` counts those in which something fails."""

    title: str
    rows: tuple[_Row, ...]
    fails: int


_FAULTS: dict[Fault, str] = {
    "hardly_ranks": "hardly ranks",
    "overpredicts": "predicts too much",
    "underpredicts": "predicts too little",
}


def slice_groups(slices: tuple[Slice, ...]) -> list[SliceGroup]:
    """By column, in the order given; all bars on one scale."""
    scale = zero_scale(value for row in slices for value in (row.predicted, row.rate, _rate(row).high))
    columns: dict[str, list[Slice]] = {}
    for row in slices:
        columns.setdefault(row.column, []).append(row)
    groups = []
    for column, found in columns.items():
        rows = []
        for row in found:
            rate = _rate(row)
            title = describe_age(row.value) if column == "Age of the lead" else format_level(row.value)
            bar = predicted_bar(
                row.predicted,
                rate,
                scale=scale,
                title=f"{title}: forecast {format_percent(row.predicted)}, actual {format_percent(row.rate)}",
            )
            rows.append(
                _Row(
                    title=title[:1].upper() + title[1:],
                    counts=Markup("{} scored, {} converted").format(
                        mark_count(row.n), mark_count(row.positives)
                    ),
                    happened=mark_percent(row.rate),
                    predicted=mark_percent(row.predicted),
                    ranks=mark_percent(row.roc_auc.value) if row.roc_auc is not None else Markup("–"),
                    bar=Markup(bar),
                    faults=join_texts([_FAULTS[fault] for fault in row.fails]),
                )
            )
        groups.append(SliceGroup(column, tuple(rows), sum(bool(row.fails) for row in found)))
    return groups


def _rate(row: Slice) -> Estimate:
    """The share that converted, with the interval of its distance from what was predicted."""
    gap = row.overprediction
    if not (is_known(gap.low) and is_known(gap.high)):
        return Estimate(row.rate, math.nan, math.nan)
    return Estimate(row.rate, max(0.0, row.predicted - gap.high), min(1.0, row.predicted - gap.low))


def shape_of(effect: ImportanceRow) -> tuple[str, Markup] | None:
    """How the probability moves with a feature's values: in words, and as a small curve."""
    known = [point for point in effect.points if point.value is not None and is_known(point.probability)]
    if effect.direction is None or len(known) < 2:
        return None
    chances = [point.probability for point in known]
    low, high = chances.index(min(chances)), chances.index(max(chances))
    is_category = isinstance(known[0].value, str)
    text = _SHAPES[effect.direction].format(
        first=format_percent(chances[0]),
        last=format_percent(chances[-1]),
        top=_value(known[high].value),
        bottom=_value(known[low].value),
        most=format_percent(chances[high]),
        least=format_percent(chances[low]),
    )
    line = shape_line(chances, title=f"{effect.sentence}: {text}", steps=is_category)
    return text, Markup(line)


_SHAPES = {
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
