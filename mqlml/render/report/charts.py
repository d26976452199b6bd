"""The report's charts as SVG text, colored by the page's CSS variables.

Charts with text are drawn 360 units wide, so that their letters stay readable on a phone; bars in a table row
are stretched to the row. Values that are None or not finite are left out. Same numbers, same text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import escape

from mqlml.evaluation import CalibrationBand, Decile, Estimate, OverTimePeriod
from mqlml.render.report.text import short_date
from mqlml.texts import format_number, format_percent, is_known

__all__ = [
    "Scale",
    "Segment",
    "calibration_chart",
    "decile_chart",
    "dot_grid",
    "dumbbell",
    "interval_bar",
    "nice_ticks",
    "predicted_bar",
    "shape_line",
    "share_strip",
    "time_chart",
    "trend_chart",
    "zero_scale",
]

WIDTH = 360


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


@dataclass(frozen=True)
class Segment:
    """A part of a `share_strip`: its share of the whole, the CSS class that colours it, and its name."""

    share: float
    tone: str
    name: str


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


def _n(value: float) -> str:
    """A coordinate with at most two decimals, never ``-0``."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _chart(key: str, height: float, title: str, desc: str, parts: list[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {_n(height)}" role="img" '
        f'aria-labelledby="{escape(key)}-title {escape(key)}-desc" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{escape(key)}-title">{escape(title)}</title>'
        f'<desc id="{escape(key)}-desc">{escape(desc)}</desc>{"".join(parts)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, tone: str) -> str:
    return f'<line class="{escape(tone)}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "middle", tone: str = "tick") -> str:
    return (
        f'<text class="{escape(tone)}" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _bar(x: float, y: float, width: float, height: float, tone: str) -> str:
    return (
        f'<rect class="{escape(tone)}" x="{_n(x)}" y="{_n(y)}" width="{_n(max(0.0, width))}" '
        f'height="{_n(max(0.0, height))}"/>'
    )


def _axis_percent(value: float) -> str:
    return f"{100 * value:g}%"


def calibration_chart(rows: Sequence[CalibrationBand], *, key: str = "calibration") -> str:
    """Predicted against observed share, with intervals; on the dashed line both are equal."""
    left, right, top, bottom = 44.0, 340.0, 30.0, 292.0
    known = [row for row in rows if is_known(row.mean_predicted) and is_known(row.observed.value)]
    reach = [
        value
        for row in known
        for value in (row.mean_predicted, row.observed.value, row.observed.high)
        if math.isfinite(value)
    ]
    ticks = [tick for tick in nice_ticks(min(1.0, max(reach, default=1.0))) if tick <= 1.0]
    across, up = Scale(0, ticks[-1], left, right), Scale(0, ticks[-1], bottom, top)
    parts = [_line(left, up(tick), right, up(tick), "grid") for tick in ticks]
    parts += [_text(left - 7, up(tick) + 4, _axis_percent(tick), anchor="end") for tick in ticks]
    parts += [_text(across(tick), bottom + 18, _axis_percent(tick)) for tick in ticks]
    parts.append(_line(left, bottom, right, top, "guide"))
    parts.append(_text(left - 38, 14, "↑ Actual", anchor="start", tone="axis"))
    parts.append(_text(right, bottom + 38, "Forecast →", anchor="end", tone="axis"))
    for row in known:
        x = across(row.mean_predicted)
        if is_known(row.observed.low) and is_known(row.observed.high):
            parts.append(_line(x, up(row.observed.low), x, up(row.observed.high), "whisker"))
    parts += [
        f'<circle class="point" cx="{_n(across(row.mean_predicted))}" '
        f'cy="{_n(up(row.observed.value))}" r="4.5"/>'
        for row in known
    ]
    text = "; ".join(
        f"forecast {format_percent(row.mean_predicted)}, actual {format_percent(row.observed.value)}"
        for row in known
    )
    return _chart(
        key,
        336,
        "Forecast and actual share that converts",
        f"By group of leads: {text}." if text else "No group could be measured.",
        parts,
    )


def decile_chart(rows: Sequence[Decile], base_rate: float, *, key: str = "deciles") -> str:
    """A column per tenth of the leads, ranked highest first, with the base rate as a dashed line."""
    left, right, top, bottom = 4.0, 356.0, 44.0, 204.0
    rates = [row.rate for row in rows if math.isfinite(row.rate)]
    base = base_rate if math.isfinite(base_rate) else None
    up = Scale(0, max([*rates, base or 0.0, 1e-6]), bottom, top)
    slot = (right - left) / max(len(rows), 1)
    width = min(slot * 0.76, 56.0)
    columns, labels = [], [_text(left, 14, "↑ Share that converted, in %", anchor="start", tone="axis")]
    for place, row in enumerate(rows):
        middle = left + (place + 0.5) * slot
        labels.append(_text(middle, bottom + 16, str(row.decile)))
        if not math.isfinite(row.rate):
            continue
        y = up(row.rate)
        columns.append(_bar(middle - width / 2, y, width, bottom - y, "column" if place else "column first"))
        # The sign is left to the axis: ten numbers with it do not fit side by side.
        short = format_percent(row.rate).replace("under ", "<").replace("over ", ">").removesuffix("%")
        labels.append(_text(middle, y - 5, short, tone="value"))
    guide = []
    if base is not None:
        guide.append(_line(left, up(base), right, up(base), "guide"))
        labels.append(
            _text(right, up(base) - 6, f"at random {format_percent(base)}", anchor="end", tone="note")
        )
    axis = [
        _line(left, bottom, right, bottom, "base"),
        _text(left, bottom + 36, "← ranked highest", anchor="start", tone="axis"),
        _text(right, bottom + 36, "ranked lowest →", anchor="end", tone="axis"),
    ]
    text = "; ".join(f"group {row.decile}, {format_percent(row.rate)}" for row in rows)
    return _chart(
        key,
        246,
        "Share that converted, by place in the ranking",
        f"{text}." if text else "Nothing was ranked.",
        [*columns, *guide, *axis, *labels],
    )


def time_chart(periods: Sequence[OverTimePeriod], zone: str | None, *, key: str = "over-time") -> str:
    """The error of each period with its interval, beside that of the base rate; the held-out period on a ground."""
    left, right, top, bottom = 40.0, 356.0, 30.0, 224.0
    ends = [
        end
        for row in periods
        for found in (row.log_loss, row.log_loss_base_rate)
        if found is not None
        for end in (found.value, found.low, found.high)
        if math.isfinite(end)
    ]
    ticks = nice_ticks(max(ends, default=1.0))
    up = Scale(0, ticks[-1], bottom, top)
    slot = (right - left) / max(len(periods), 1)
    ground, marks = [], []
    labels = [_text(left - 36, 14, "↑ Error (log loss): lower is better", anchor="start", tone="axis")]
    labels += [_text(left - 7, up(tick) + 4, f"{tick:g}", anchor="end") for tick in ticks]
    year = ""
    for place, row in enumerate(periods):
        middle = left + (place + 0.5) * slot
        if row.held_out:
            ground.append(_bar(left + place * slot, top - 8, slot, bottom - top + 8, "ground"))
            labels.append(_text(middle, bottom - 6, "held out", tone="note"))
        apart = min(slot * 0.14, 9.0)
        marks += _measured_mark(row.log_loss_base_rate, middle + apart, up, "base-mark")
        marks += _measured_mark(row.log_loss, middle - apart, up, "model-mark")
        day, of_year = short_date(row.start, zone)
        labels.append(_text(middle, bottom + 16, day))
        if of_year != year:
            labels.append(_text(middle, bottom + 30, of_year))
            year = of_year
    text = "; ".join(
        f"{'held out, ' if row.held_out else ''}from {' '.join(short_date(row.start, zone)).strip()}: "
        f"{format_number(row.log_loss.value if row.log_loss else None, 3)} against "
        f"{format_number(row.log_loss_base_rate.value if row.log_loss_base_rate else None, 3)}"
        for row in periods
    )
    return _chart(
        key,
        bottom + 36,
        "The error of each period, beside that of the base rate",
        f"Log loss of mqlml against the base rate’s, by period: {text}." if text else "Nothing was measured.",
        [*ground, *(_line(left, up(tick), right, up(tick), "grid") for tick in ticks), *marks, *labels],
    )


def _measured_mark(found: Estimate | None, x: float, up: Scale, tone: str) -> list[str]:
    """A dot with its interval; nothing where it was not measured."""
    if found is None or not math.isfinite(found.value):
        return []
    parts = []
    if is_known(found.low) and is_known(found.high):
        parts.append(_line(x, up(found.low), x, up(found.high), f"whisker {tone}"))
    y = up(found.value)
    if tone == "base-mark":  # told apart by shape, too
        return [*parts, _bar(x - 4, y - 4, 8, 8, f"point {tone}")]
    return [*parts, f'<circle class="point {tone}" cx="{_n(x)}" cy="{_n(y)}" r="4.5"/>']


def dot_grid(filled: int, total: int, *, title: str, key: str) -> str:
    """``total`` dots, of which the first ``filled`` stand out: a share as people one can count."""
    across = 10 if total <= 100 else 40
    pitch = WIDTH / across
    dots = "".join(
        f'<circle class="{"dot on" if place < filled else "dot"}" cx="{_n((place % across + 0.5) * pitch)}" '
        f'cy="{_n((place // across + 0.5) * pitch)}" r="{_n(pitch * 0.34)}"/>'
        for place in range(total)
    )
    height = math.ceil(total / across) * pitch
    return _chart(key, height, title, f"{filled} of {total} dots are filled.", [dots])


def interval_bar(
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    scale: Scale,
    tone: str,
    title: str,
    origin: float = 0.0,
) -> str:
    """A bar for one table row, from ``origin`` to ``value``, with its interval; stretched by the page.

    It is hidden from screen readers: the numbers stand next to it in the same row.
    """
    parts = [f"<title>{escape(title)}</title>"]
    start = scale(origin)
    if value is not None and math.isfinite(value):
        end = scale(value)
        parts.append(_bar(min(start, end), 4, abs(end - start), 12, tone))
    parts.append(_line(start, 0, start, 20, "zero"))
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        parts.append(_line(scale(low), 10, scale(high), 10, "whisker"))
        parts += [_line(scale(end), 6.5, scale(end), 13.5, "whisker") for end in (low, high)]
    return (
        '<svg class="rowbar" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def shape_line(values: Sequence[float], *, title: str, steps: bool) -> str:
    """A small curve for one table row, from 0 up: a line through numbers, or ``steps`` for words.

    It is hidden from screen readers: its words stand next to it in the same row.
    """
    top = max([*values, 1e-9])
    up = Scale(0, top, 22, 2)
    slot = 100 / max(len(values), 1)
    parts = [f"<title>{escape(title)}</title>", _line(0, 22, 100, 22, "zero")]
    if steps:
        parts += [
            _bar(place * slot + slot * 0.15, up(value), slot * 0.7, 22 - up(value), "bar plain")
            for place, value in enumerate(values)
        ]
    else:
        across = Scale(0, max(len(values) - 1, 1), 2, 98)
        points = " ".join(f"{_n(across(place))},{_n(up(value))}" for place, value in enumerate(values))
        parts.append(f'<polyline class="curve" points="{points}"/>')
    return (
        '<svg class="shape" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def predicted_bar(
    predicted: float,
    rate: Estimate,
    *,
    scale: Scale,
    title: str,
) -> str:
    """A bar for what was observed, with its interval, and a mark where it was predicted to end."""
    bar = interval_bar(rate.value, rate.low, rate.high, scale=scale, tone="bar plain", title=title)
    if not math.isfinite(predicted):
        return bar
    return (
        bar.removesuffix("</svg>") + _line(scale(predicted), 1, scale(predicted), 19, "forecast") + "</svg>"
    )


def trend_chart(points: Sequence[tuple[str, float]], *, key: str = "trend") -> str:
    """Probability over time as a line with a dot for each date; ``points`` are dates as text, and probabilities."""
    left, right, top, bottom = 44.0, 340.0, 20.0, 150.0
    ticks = [
        tick for tick in nice_ticks(max([chance for _, chance in points] or [1.0]), about=3) if tick <= 1
    ]
    up = Scale(0, ticks[-1], bottom, top)
    across = Scale(0, max(len(points) - 1, 1), left + 10, right - 10)
    parts = [_line(left, up(tick), right, up(tick), "grid") for tick in ticks]
    parts += [_text(left - 7, up(tick) + 4, _axis_percent(tick), anchor="end") for tick in ticks]
    line = " ".join(f"{_n(across(place))},{_n(up(chance))}" for place, (_, chance) in enumerate(points))
    parts.append(f'<polyline class="curve" points="{line}"/>')
    parts += [
        f'<circle class="point" cx="{_n(across(place))}" cy="{_n(up(chance))}" r="4"/>'
        for place, (_, chance) in enumerate(points)
    ]
    for place in {0, len(points) - 1} if points else ():
        anchor = "start" if place == 0 else "end"
        parts.append(_text(across(place), bottom + 18, points[place][0], anchor=anchor))
    text = "; ".join(f"{day}: {format_percent(chance)}" for day, chance in points)
    return _chart(
        key, 176, "Probability of converting over time", f"{text}." if text else "Nothing known.", parts
    )


def dumbbell(
    with_rate: float,
    without_rate: float,
    like_leads: float | None,
    *,
    top: float,
    weight: float,
    tone: str,
    title: str,
) -> str:
    """Two dots on a line from 0 to ``top``: hollow without a signal, filled with it, and a tick for like leads.

    The area of the filled dot grows with ``weight``, from 0 to 1. It is hidden from screen readers: the numbers stand
    next to it in the same row.
    """
    across = Scale(0, top, 12, WIDTH - 12)
    parts = [f"<title>{escape(title)}</title>", _line(12, 14, WIDTH - 12, 14, "grid")]
    if math.isfinite(with_rate) and math.isfinite(without_rate):
        parts.append(_line(across(without_rate), 14, across(with_rate), 14, f"link {tone}"))
        if like_leads is not None:
            parts.append(_line(across(like_leads), 4, across(like_leads), 24, "like"))
        radius = 3.5 + 6.5 * math.sqrt(min(1.0, max(0.0, weight)))
        parts.append(f'<circle class="without" cx="{_n(across(without_rate))}" cy="14" r="5"/>')
        parts.append(f'<circle class="with {tone}" cx="{_n(across(with_rate))}" cy="14" r="{_n(radius)}"/>')
    return (
        f'<svg class="dumbbell" viewBox="0 0 {WIDTH} 28" aria-hidden="true" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def share_strip(segments: Sequence[Segment], *, title: str, key: str) -> str:
    """One whole, cut into shares, each with its percentage where there is room for it."""
    known = [segment for segment in segments if is_known(segment.share) and segment.share > 0]
    whole = sum(min(segment.share, 1.0) for segment in known)
    scale = Scale(0, max(whole, 1.0), 0, WIDTH)
    parts, at = [], 0.0
    for segment in known:
        x, end = scale(at), scale(at + min(segment.share, 1.0))
        parts.append(_bar(x, 0, end - x, 34, f"part {segment.tone}"))
        if end - x >= 36:
            parts.append(
                _text((x + end) / 2, 22, format_percent(segment.share), tone=f"inside {segment.tone}")
            )
        at += min(segment.share, 1.0)
    text = ", ".join(f"{segment.name} {format_percent(segment.share)}" for segment in known)
    return _chart(key, 34, title, f"{text}." if text else "Nothing to show.", parts)
