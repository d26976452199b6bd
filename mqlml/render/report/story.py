"""Sentences of the page, each true of the numbers behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from mqlml.evaluation import Estimate, TrainingResult
from mqlml.render.report.text import format_date, has_interval, mark, mark_percent, out_of, value_of
from mqlml.texts import format_label, format_number, format_percent, is_known

__all__ = [
    "CONFIDENCE",
    "Headline",
    "caught_by_top",
    "effect_kind",
    "headline",
    "period_zone",
    "unit",
]

CONFIDENCE = 0.95
"""What the intervals hold."""


@dataclass(frozen=True)
class Headline:
    """The first sentence, what it rests on, and, where it counts leads, how many of ``total``.

    ``picked`` is what ``called`` leads do, ``random`` what leads picked at random do.
    """

    sentence: Markup
    rests_on: Markup
    called: str = ""
    picked: int = 0
    random: int = 0
    total: int = 0


def period_zone(result: TrainingResult) -> str | None:
    """The zone in which the times of periods are shown; None where they are places in an order, not times."""
    return None if result.data.observed_until is None else result.timezone


def unit(result: TrainingResult) -> str:
    """What one row is: a lead, or one snapshot of a lead."""
    return "snapshots of leads" if result.question.repeated else "leads"


def effect_kind(drop: Estimate) -> Literal["helps", "hurts", "none", "unknown"]:
    """Whether the interval of an effect is clear of zero; without an interval nothing is claimed."""
    if not is_known(drop.value) or not has_interval(drop):
        return "unknown"
    if drop.low > 0:
        return "helps"
    return "hurts" if drop.high < 0 else "none"


def _about(rate: float, total: int) -> str:
    expected = rate * total
    if expected == 0:
        return "none"
    return f"about {format_number(expected)}" if expected >= 0.5 else "fewer than one"


def _counted(result: TrainingResult) -> Markup:
    held = result.holdout
    if result.by_lead is None or not result.question.repeated:
        return Markup("{} {}").format(mark(held.n, format_number(held.n)), unit(result))
    leads = result.by_lead.leads
    return Markup("{} leads").format(mark(leads, format_number(leads)))


def _converted(result: TrainingResult) -> Markup:
    positives = result.holdout.positives if result.by_lead is None else result.by_lead.converted
    return Markup("{} of them").format(mark(positives, format_number(positives)))


def headline(result: TrainingResult) -> Headline:
    """The page's first sentence: what a lead that mqlml picks out is worth, or why it should not be used."""
    held = result.holdout
    rests_on = Markup("Measured on {} from {} to {}, a period the model had not seen; {} converted.").format(
        _counted(result),
        format_date(held.start, period_zone(result), time=False),
        format_date(held.until, period_zone(result), time=False),
        _converted(result),
    )
    if not result.gate.passed:
        return Headline(Markup("This version was refused: please do not use it to label leads."), rests_on)

    by_lead = result.by_lead
    top = list(by_lead.labels)[-1] if by_lead is not None and by_lead.labels else None
    precision: Estimate
    if top is not None and by_lead is not None:
        precision, base = by_lead.labels[top].precision, by_lead.base_rate
        called, short = f"open leads that mqlml calls {format_label(top)}", f"called {format_label(top)}"
    else:
        called, short = "leads in the tenth that mqlml ranks highest", "ranked highest"
        rate, base = result.deciles[0].rate if result.deciles else math.nan, held.base_rate
        precision = Estimate(rate, math.nan, math.nan)
    rate_of_top = value_of(precision)
    if rate_of_top is None or not math.isfinite(base):
        if top is not None:
            sentence = (
                f"No lead in the held-out period reached the {format_label(top)} threshold, "
                "so the value of that label is not known yet."
            )
        else:
            sentence = "This version was not measured on later leads, so how well it works is not known yet."
        return Headline(Markup("{}").format(sentence), rests_on)

    total = out_of(rate_of_top, base)
    text = Markup("Out of {} {}, {} will {}; picked at random it would be {}{}.").format(
        format_number(total),
        called,
        mark(rate_of_top, _about(rate_of_top, total)),
        result.question.converts,
        mark(base, _about(base, total).removeprefix("about ")),
        ", so the label has not shown that it helps" if top is not None and precision.low <= base else "",
    )
    if has_interval(precision):
        rests_on += Markup(" With {} confidence the true share lies between {} and {}.").format(
            format_percent(CONFIDENCE), mark_percent(precision.low), mark_percent(precision.high)
        )
    return Headline(text, rests_on, short, round(rate_of_top * total), round(base * total), total)


def caught_by_top(result: TrainingResult, tenths: int) -> Markup | None:
    """What following up the best ``tenths`` of the ranking would have caught."""
    if len(result.deciles) != 10:
        return None
    row = result.deciles[tenths - 1]
    if not is_known(row.cumulative_share):
        return None
    name = {1: "the top tenth", 2: "the top fifth", 3: "the top three tenths"}.get(
        tenths, f"the top {tenths} tenths"
    )
    text = Markup("Following up only {} of the ranking would have reached {} of all conversions")
    first = result.deciles[0].lift if tenths == 1 else None
    lift = (
        Markup("; a lead there converts {} as often as the average lead").format(
            mark(first, f"{format_number(first, 1)} times")
        )
        if is_known(first)
        else ""
    )
    return text.format(name, mark_percent(row.cumulative_share)) + lift + Markup(".")
