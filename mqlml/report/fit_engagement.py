"""Fit by engagement: the thirds of the held-out leads go in; the cells of a grid and a sentence about it come out."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import FitEngagementCell
from mqlml.report import marked

__all__ = ["Grid", "fit_engagement_grid"]

_THIRDS = {2: "High", 1: "Middle", 0: "Low"}
_TONES = 4


@dataclass(frozen=True)
class _Cell:
    """The leads of one third by fit and one by engagement, ready to be shown; the tone deepens with the rate."""

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
            rate=marked.percent(cell.rate.value),
            range=marked.interval(cell.rate),
            predicted=marked.percent(cell.predicted),
            n=marked.count(cell.n),
            tone=round(share * _TONES),
        )

    return Grid(
        heads=tuple(_THIRDS[number] for number in engagements),
        rows=tuple(
            (_THIRDS[fit], tuple(shown(cells.get((fit, number))) for number in engagements)) for fit in fits
        ),
        sentence=_sentence(cells),
    )


def _sentence(cells: dict[tuple[int, int], FitEngagementCell]) -> Markup:
    """The corners in words: both high, one of the two, neither."""
    corners = {
        (2, 2): "high in both",
        (2, 0): "with a good fit that are hardly engaged",
        (0, 2): "engaged without a fit",
        (0, 0): "low in both",
    }
    said = [
        Markup("{} of those {}").format(marked.percent(cells[place].rate.value), name)
        for place, name in corners.items()
        if place in cells
    ]
    if len(said) < 2:
        return Markup("")
    return Markup("{} and {} converted.").format(Markup(", ").join(said[:-1]), said[-1])
