"""The parts that charts are drawn of, as SVG text, colored by the page's CSS variables.

Charts with text are drawn 360 units wide, so that their letters stay readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import escape

__all__ = [
    "WIDTH",
    "Scale",
    "coord",
    "draw_bar",
    "draw_chart",
    "draw_line",
    "draw_text",
    "nice_ticks",
    "zero_scale",
]

WIDTH = 360
"""Units across a chart."""


@dataclass(frozen=True)
class Scale:
    """A straight line from values ``low..high`` to places ``start..stop``; values outside stop at the ends."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        # The difference of two huge ends overflows; that of their halves does not.
        shrink = 1.0 if math.isfinite(self.high - self.low) else 0.5
        span = self.high * shrink - self.low * shrink
        share = (value * shrink - self.low * shrink) / span if span > 0 else 0.0
        return self.start + min(1.0, max(0.0, share)) * (self.stop - self.start)


def nice_ticks(top: float, *, about: int = 4) -> list[float]:
    """Round values from 0 to at least ``top``, ``about`` steps of 1, 2 or 5 times a power of ten.

    >>> nice_ticks(0.31)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    top = top if math.isfinite(top) and top > 1e-6 else 1e-6
    rough = top / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    steps = math.ceil(top / step - 1e-9)
    return [float(f"{index * step:.6g}") for index in range(steps + 1)]


def zero_scale(values: Iterable[float | None], *, start: float = 0, stop: float = 100) -> Scale:
    """One scale for many bars: from the lowest value, at most 0, to the highest, at least 0."""
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    return Scale(min([0.0, *known]), max([0.0, *known]), start, stop)


def coord(value: float) -> str:
    """A coordinate with at most two decimals, never ``-0``."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def draw_chart(key: str, height: float, title: str, desc: str, parts: list[str]) -> str:
    """A chart ``height`` units high, with a title and a description for screen readers; ids begin with ``key``."""
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {coord(height)}" role="img" '
        f'aria-labelledby="{escape(key)}-title {escape(key)}-desc" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{escape(key)}-title">{escape(title)}</title>'
        f'<desc id="{escape(key)}-desc">{escape(desc)}</desc>{"".join(parts)}</svg>'
    )


def draw_line(x1: float, y1: float, x2: float, y2: float, tone: str) -> str:
    """A line of the CSS class ``tone``."""
    return (
        f'<line class="{escape(tone)}" x1="{coord(x1)}" y1="{coord(y1)}" x2="{coord(x2)}" y2="{coord(y2)}"/>'
    )


def draw_text(x: float, y: float, text: str, *, anchor: str = "middle", tone: str = "tick") -> str:
    """A text at its baseline."""
    return f'<text class="{escape(tone)}" x="{coord(x)}" y="{coord(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def draw_bar(x: float, y: float, width: float, height: float, tone: str) -> str:
    """A rectangle of the CSS class ``tone``."""
    return (
        f'<rect class="{escape(tone)}" x="{coord(x)}" y="{coord(y)}" width="{coord(max(0.0, width))}" '
        f'height="{coord(max(0.0, height))}"/>'
    )
