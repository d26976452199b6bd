"""Numbers as people read them with the exact value behind: ``<data value="0.0832">8.3 %</data>``."""

from __future__ import annotations

from markupsafe import Markup

from mqlml.evaluation import Estimate
from mqlml.render.report import text as words

__all__ = ["between", "count", "decimal", "interval", "mark", "percent", "value_of"]


def mark(value: float | None, text: str) -> Markup:
    """``text`` as it is shown, with the exact value behind it."""
    if value is None or not words.finite(value):
        return Markup("{}").format(text)
    return Markup('<data value="{}">{}</data>').format(
        repr(value) if isinstance(value, int) else repr(float(value)), text
    )


def value_of(estimate: Estimate | None) -> float | None:
    """The number, or None where it was not measured."""
    return estimate.value if estimate is not None and words.finite(estimate.value) else None


def between(estimate: Estimate | None) -> bool:
    """Whether both ends of the interval are known."""
    return estimate is not None and words.finite(estimate.low) and words.finite(estimate.high)


def percent(value: float | None, decimals: int | None = None) -> Markup:
    """`words.percent`, marked."""
    return mark(value, words.percent(value, decimals))


def count(value: float | None) -> Markup:
    """`words.count`, marked."""
    return mark(value, words.count(value))


def decimal(value: float | None, decimals: int = 3) -> Markup:
    """`words.decimal`, marked."""
    return mark(value, words.decimal(value, decimals))


def interval(estimate: Estimate | None, decimals: int | None = None) -> Markup:
    """``26 % to 36 %``, or nothing where there is no interval."""
    if estimate is None or not between(estimate):
        return Markup("")
    return Markup("{} to {}").format(percent(estimate.low, decimals), percent(estimate.high, decimals))
