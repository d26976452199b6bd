"""The report's charts as SVG text, colored by the page's CSS variables.

Charts with text are drawn as wide as `svg.WIDTH`; bars in a table row are stretched to the row. Values that are
None or not finite are left out. Same numbers, same text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

from mqlml.evaluation import CalibrationBand, Decile, Estimate, OverTimePeriod
from mqlml.render.report.svg import (
    WIDTH,
    Scale,
    coord,
    draw_bar,
    draw_chart,
    draw_line,
    draw_text,
    nice_ticks,
)
from mqlml.render.report.text import short_date
from mqlml.texts import format_number, format_percent, is_known

__all__ = [
    "Segment",
    "calibration_chart",
    "decile_chart",
    "dot_grid",
    "dumbbell",
    "interval_bar",
    "predicted_bar",
    "shape_line",
    "share_strip",
    "time_chart",
    "trend_chart",
]


@dataclass(frozen=True)
class Segment:
    """A part of a `share_strip`: its share of the whole, the CSS class that colours it, and its name."""

    share: float
    tone: str
    name: str


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
    parts = [draw_line(left, up(tick), right, up(tick), "grid") for tick in ticks]
    parts += [draw_text(left - 7, up(tick) + 4, _axis_percent(tick), anchor="end") for tick in ticks]
    parts += [draw_text(across(tick), bottom + 18, _axis_percent(tick)) for tick in ticks]
    parts.append(draw_line(left, bottom, right, top, "guide"))
    parts.append(draw_text(left - 38, 14, "↑ Actual", anchor="start", tone="axis"))
    parts.append(draw_text(right, bottom + 38, "Forecast →", anchor="end", tone="axis"))
    for row in known:
        x = across(row.mean_predicted)
        if is_known(row.observed.low) and is_known(row.observed.high):
            parts.append(draw_line(x, up(row.observed.low), x, up(row.observed.high), "whisker"))
    parts += [
        f'<circle class="point" cx="{coord(across(row.mean_predicted))}" '
        f'cy="{coord(up(row.observed.value))}" r="4.5"/>'
        for row in known
    ]
    text = "; ".join(
        f"forecast {format_percent(row.mean_predicted)}, actual {format_percent(row.observed.value)}"
        for row in known
    )
    return draw_chart(
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
    columns, labels = [], [draw_text(left, 14, "↑ Share that converted, in %", anchor="start", tone="axis")]
    for place, row in enumerate(rows):
        middle = left + (place + 0.5) * slot
        labels.append(draw_text(middle, bottom + 16, str(row.decile)))
        if not math.isfinite(row.rate):
            continue
        y = up(row.rate)
        columns.append(
            draw_bar(middle - width / 2, y, width, bottom - y, "column" if place else "column first")
        )
        # The sign is left to the axis: ten numbers with it do not fit side by side.
        short = format_percent(row.rate).replace("under ", "<").replace("over ", ">").removesuffix("%")
        labels.append(draw_text(middle, y - 5, short, tone="value"))
    guide = []
    if base is not None:
        guide.append(draw_line(left, up(base), right, up(base), "guide"))
        # Named above the columns: beside its line the text would cover the number of a column as high as it.
        named = f"at random: {format_percent(base)}"
        labels.append(draw_text(right, 14, named, anchor="end", tone="note"))
        guide.append(draw_line(right - 130, 10, right - 106, 10, "guide"))
    axis = [
        draw_line(left, bottom, right, bottom, "base"),
        draw_text(left, bottom + 36, "← ranked highest", anchor="start", tone="axis"),
        draw_text(right, bottom + 36, "ranked lowest →", anchor="end", tone="axis"),
    ]
    text = "; ".join(f"group {row.decile}, {format_percent(row.rate)}" for row in rows)
    return draw_chart(
        key,
        246,
        "Share that converted, by rank",
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
    labels = [draw_text(left - 36, 14, "↑ Error (log loss): lower is better", anchor="start", tone="axis")]
    labels += [draw_text(left - 7, up(tick) + 4, f"{tick:g}", anchor="end") for tick in ticks]
    year = ""
    for place, row in enumerate(periods):
        middle = left + (place + 0.5) * slot
        if row.held_out:
            ground.append(draw_bar(left + place * slot, top - 8, slot, bottom - top + 8, "ground"))
            labels.append(draw_text(middle, bottom - 6, "held out", tone="note"))
        apart = min(slot * 0.14, 9.0)
        marks += _measured_mark(row.log_loss_base_rate, middle + apart, up, "base-mark")
        marks += _measured_mark(row.log_loss, middle - apart, up, "model-mark")
        day, of_year = short_date(row.start, zone)
        labels.append(draw_text(middle, bottom + 16, day))
        if of_year != year:
            labels.append(draw_text(middle, bottom + 30, of_year))
            year = of_year
    text = "; ".join(
        f"{'held out, ' if row.held_out else ''}from {', '.join(filter(None, short_date(row.start, zone)))}: "
        f"{format_number(row.log_loss.value if row.log_loss else None, 3)} against "
        f"{format_number(row.log_loss_base_rate.value if row.log_loss_base_rate else None, 3)}"
        for row in periods
    )
    return draw_chart(
        key,
        bottom + 36,
        "The error in each period, compared with that of the base rate",
        f"Log loss of mqlml against the base rate’s, by period: {text}." if text else "Nothing was measured.",
        [*ground, *(draw_line(left, up(tick), right, up(tick), "grid") for tick in ticks), *marks, *labels],
    )


def _measured_mark(found: Estimate | None, x: float, up: Scale, tone: str) -> list[str]:
    """A dot with its interval; nothing where it was not measured."""
    if found is None or not math.isfinite(found.value):
        return []
    parts = []
    if is_known(found.low) and is_known(found.high):
        parts.append(draw_line(x, up(found.low), x, up(found.high), f"whisker {tone}"))
    y = up(found.value)
    if tone == "base-mark":  # told apart by shape, too
        return [*parts, draw_bar(x - 4, y - 4, 8, 8, f"point {tone}")]
    return [*parts, f'<circle class="point {tone}" cx="{coord(x)}" cy="{coord(y)}" r="4.5"/>']


def dot_grid(filled: int, total: int, *, title: str, key: str) -> str:
    """``total`` dots, of which the first ``filled`` stand out: a share as people one can count."""
    across = 10 if total <= 100 else 40
    pitch = WIDTH / across
    dots = "".join(
        f'<circle class="{"dot on" if place < filled else "dot"}" cx="{coord((place % across + 0.5) * pitch)}" '
        f'cy="{coord((place // across + 0.5) * pitch)}" r="{coord(pitch * 0.34)}"/>'
        for place in range(total)
    )
    height = math.ceil(total / across) * pitch
    return draw_chart(key, height, title, f"{filled} of {total} dots are filled.", [dots])


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
        parts.append(draw_bar(min(start, end), 4, abs(end - start), 12, tone))
    parts.append(draw_line(start, 0, start, 20, "zero"))
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        parts.append(draw_line(scale(low), 10, scale(high), 10, "whisker"))
        parts += [draw_line(scale(end), 6.5, scale(end), 13.5, "whisker") for end in (low, high)]
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
    parts = [f"<title>{escape(title)}</title>", draw_line(0, 22, 100, 22, "zero")]
    if steps:
        parts += [
            draw_bar(place * slot + slot * 0.15, up(value), slot * 0.7, 22 - up(value), "bar plain")
            for place, value in enumerate(values)
        ]
    else:
        across = Scale(0, max(len(values) - 1, 1), 2, 98)
        points = " ".join(f"{coord(across(place))},{coord(up(value))}" for place, value in enumerate(values))
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
        bar.removesuffix("</svg>")
        + draw_line(scale(predicted), 1, scale(predicted), 19, "forecast")
        + "</svg>"
    )


def trend_chart(points: Sequence[tuple[str, float]], *, key: str = "trend") -> str:
    """Probability over time as a line with a dot for each date; ``points`` are dates as text, and probabilities."""
    left, right, top, bottom = 44.0, 340.0, 20.0, 150.0
    ticks = [
        tick for tick in nice_ticks(max([chance for _, chance in points] or [1.0]), about=3) if tick <= 1
    ]
    up = Scale(0, ticks[-1], bottom, top)
    across = Scale(0, max(len(points) - 1, 1), left + 10, right - 10)
    parts = [draw_line(left, up(tick), right, up(tick), "grid") for tick in ticks]
    parts += [draw_text(left - 7, up(tick) + 4, _axis_percent(tick), anchor="end") for tick in ticks]
    line = " ".join(f"{coord(across(place))},{coord(up(chance))}" for place, (_, chance) in enumerate(points))
    parts.append(f'<polyline class="curve" points="{line}"/>')
    parts += [
        f'<circle class="point" cx="{coord(across(place))}" cy="{coord(up(chance))}" r="4"/>'
        for place, (_, chance) in enumerate(points)
    ]
    for place in {0, len(points) - 1} if points else ():
        anchor = "start" if place == 0 else "end"
        parts.append(draw_text(across(place), bottom + 18, points[place][0], anchor=anchor))
    text = "; ".join(f"{day}: {format_percent(chance)}" for day, chance in points)
    return draw_chart(
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
    """Two dots on a line from 0 to ``top``: hollow without a signal, filled with it, and a tick for comparable leads.

    The area of the filled dot grows with ``weight``, from 0 to 1. It is hidden from screen readers: the numbers stand
    next to it in the same row.
    """
    across = Scale(0, top, 12, WIDTH - 12)
    parts = [f"<title>{escape(title)}</title>", draw_line(12, 14, WIDTH - 12, 14, "grid")]
    if math.isfinite(with_rate) and math.isfinite(without_rate):
        parts.append(draw_line(across(without_rate), 14, across(with_rate), 14, f"link {tone}"))
        if like_leads is not None:
            parts.append(draw_line(across(like_leads), 4, across(like_leads), 24, "like"))
        radius = 3.5 + 6.5 * math.sqrt(min(1.0, max(0.0, weight)))
        parts.append(f'<circle class="without" cx="{coord(across(without_rate))}" cy="14" r="5"/>')
        parts.append(
            f'<circle class="with {tone}" cx="{coord(across(with_rate))}" cy="14" r="{coord(radius)}"/>'
        )
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
        parts.append(draw_bar(x, 0, end - x, 34, f"part {segment.tone}"))
        if end - x >= 36:
            parts.append(
                draw_text((x + end) / 2, 22, format_percent(segment.share), tone=f"inside {segment.tone}")
            )
        at += min(segment.share, 1.0)
    text = ", ".join(f"{segment.name} {format_percent(segment.share)}" for segment in known)
    return draw_chart(key, 34, title, f"{text}." if text else "Nothing to show.", parts)
