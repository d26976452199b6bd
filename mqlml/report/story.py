"""What the numbers allow us to say: a `ReportData` goes in, plain sentences that hold for it come out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from mqlml.report import marked
from mqlml.report.data import Effect, Measured, ReportData
from mqlml.report.words import count, date, finite, label_name, out_of, percent, times

__all__ = ["Headline", "caught_by_label", "caught_by_top", "effect_kind", "headline", "unit"]


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


def unit(data: ReportData) -> str:
    """What one row is: a lead, or one look at a lead."""
    return "looks at leads" if data.question.repeated else "leads"


def effect_kind(effect: Effect) -> Literal["helps", "hurts", "none", "unknown"]:
    """Whether the interval of an effect is clear of zero; without an interval nothing is claimed."""
    if not finite(effect.drop):
        return "unknown"
    if (
        effect.low is None
        or effect.high is None
        or not marked.between(Measured(effect.drop, effect.low, effect.high))
    ):
        return "unknown"
    if effect.low > 0:
        return "helps"
    return "hurts" if effect.high < 0 else "none"


def _about(rate: float, total: int) -> str:
    expected = rate * total
    if expected == 0:
        return "none"
    return f"about {count(expected)}" if expected >= 0.5 else "fewer than one"


def headline(data: ReportData) -> Headline:
    """The page's first sentence: what a lead that mqlml picks out is worth, or why it should not be used."""
    held = data.holdout
    rests_on = Markup("No held-out period was measured.")
    if held is not None:
        rests_on = Markup(
            "Measured on {} {} from {} to {}, a period the model had not seen; {} of them converted."
        ).format(
            marked.mark(held.n, count(held.n)),
            unit(data),
            date(held.start),
            date(held.until),
            marked.mark(held.positives, count(held.positives)),
        )
    if data.gate is not None and not data.gate.passed:
        return Headline(Markup("This version was refused: please do not use it to label leads."), rests_on)

    base = held.base_rate if held is not None else None
    top = data.labels[-1] if data.labels else None
    measured = top.precision if top is not None else None
    if top is not None:
        called = f"open leads that mqlml calls {label_name(top.name)}"
        short = f"called {label_name(top.name)}"
    else:
        called, short = "leads in the tenth that mqlml ranks highest", "ranked highest"
        measured = Measured(data.deciles[0].rate) if data.deciles else None
    rate = marked.value_of(measured)
    if measured is None or rate is None or base is None or not math.isfinite(base):
        if top is not None and base is not None:
            said = (
                f"No lead in the held-out period reached the {label_name(top.name)} threshold, "
                "so what that label is worth is not known yet."
            )
        else:
            said = "This version was not measured on later leads, so how well it works is not known yet."
        return Headline(Markup("{}").format(said), rests_on)

    total = out_of(rate, base)
    sentence = Markup("Out of {} {}, {} will {}; picked at random it would be {}{}.").format(
        count(total),
        called,
        marked.mark(rate, _about(rate, total)),
        data.question.converts,
        marked.mark(base, _about(base, total).removeprefix("about ")),
        ", so the label has not shown that it helps"
        if finite(measured.low) and (measured.low or 0) <= base and top
        else "",
    )
    if marked.between(measured):
        rests_on += Markup(" With {} confidence the true share lies between {} and {}.").format(
            percent(data.confidence), marked.percent(measured.low), marked.percent(measured.high)
        )
    return Headline(sentence, rests_on, short, round(rate * total), round(base * total), total)


def caught_by_top(data: ReportData, tenths: int) -> Markup | None:
    """What following up the best ``tenths`` of the ranking would have caught."""
    if len(data.deciles) != 10:
        return None
    row = data.deciles[tenths - 1]
    if not finite(row.cumulative_share):
        return None
    name = {1: "the top tenth", 2: "the top fifth", 3: "the top three tenths"}.get(
        tenths, f"the top {tenths} tenths"
    )
    said = Markup("Following up only {} of the ranking would have reached {} of all conversions")
    first = data.deciles[0].lift if tenths == 1 else None
    lift = (
        Markup("; a lead there converts {} as often as the average lead").format(
            marked.mark(first, times(first))
        )
        if finite(first)
        else ""
    )
    return said.format(name, marked.percent(row.cumulative_share)) + lift + Markup(".")


def caught_by_label(data: ReportData) -> list[Markup]:
    """How few leads each label names, highest first, and how many of the conversions are among them."""
    said = []
    caught = None
    for label in reversed(data.labels):
        caught = marked.value_of(label.recall)
        if caught is None or not finite(label.share):
            continue
        or_better = "" if label is data.labels[-1] else " or better"
        said.append(
            Markup("mqlml calls {} of leads {}{}. Among them are {} of all conversions.").format(
                marked.percent(label.share), label_name(label.name), or_better, marked.percent(caught)
            )
        )
    if said and caught is not None and caught < 1:
        said.append(Markup("The other {} of conversions get no label.").format(percent(1 - caught)))
    return said
