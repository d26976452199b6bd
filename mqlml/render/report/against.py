"""The report's section about the change from the version before: what is different, and for whom."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate
from mqlml.render.report.text import format_date, mark, mark_percent
from mqlml.render.version_results import CompareResult
from mqlml.texts import format_label, format_number, format_percent, join_texts, pluralize

__all__ = ["SAME_PROBABILITY", "SHOWN_POINTS", "Against", "describe_against"]

SHOWN_POINTS = 0.005
"""Differences of log-odds below this are shown as none."""

SAME_PROBABILITY = "the probability is the same, but the label asks for something else"
"""Why leads get another label though their probability stays."""

_FAMILIES = {
    "profile": "who they are",
    "channel": "how they arrived",
    "actions": "what they did",
    "undesirables": "warning signs",
    "base": "where every lead starts",
}


@dataclass(frozen=True)
class _Figure:
    """One measure of both versions, and the interval of their difference."""

    title: str
    before: Markup
    after: Markup
    difference: Markup


@dataclass(frozen=True)
class _Move:
    """Open leads that get another label."""

    before: str
    after: str
    leads: Markup
    why: str


@dataclass(frozen=True)
class Against:
    """The section, ready to be shown; ``compared_on`` is empty where the verdict says that there was nothing."""

    verdict: str
    compared_on: str
    people: str
    figures: list[_Figure]
    moves: list[_Move]


def describe_against(found: CompareResult | None) -> Against | None:
    """What changes with the new version; None where there was none before."""
    if found is None:
        return None
    before = f"Version {found.champion.version}"
    if found.decision.promote:
        verdict = f"The new version predicts later leads better than {before.lower()} and may replace it."
    else:
        because = join_texts([reason.text for reason in found.decision.reasons])
        verdict = f"{before} stays the champion: {because}."
    return Against(verdict, _compared_on(found), _people(found), _figures(found), _moves(found))


def _compared_on(found: CompareResult) -> str:
    later = found.later
    if later.since is None or later.until is None:
        return ""
    dates = (format_date(at, found.timezone) for at in (later.since, later.until))
    learned = " The new version is represented by its model of the past." if later.held_out else ""
    return (
        f"Both predicted the same {pluralize(later.n, 'snapshot')} from {' to '.join(dates)}, "
        f"{later.positives:,} of which convert, and neither had learned from them.{learned}"
    )


def _people(found: CompareResult) -> str:
    impact = found.impact
    if impact is None or impact.open_leads == 0:
        return "No lead is open now, so nobody gets another label."
    share = format_percent(impact.changed / impact.open_leads)
    return (
        f"{impact.changed:,} of {pluralize(impact.open_leads, 'open lead')} ({share}) get another label from the new "
        "version."
    )


def _figures(found: CompareResult) -> list[_Figure]:
    compared = found.comparison
    if compared is None:
        return []
    a, b = compared.champion, compared.challenger
    rows: list[tuple[str, float, float, Estimate, int]] = [
        ("Brier score", a.brier.value, b.brier.value, compared.brier_difference, 4),
        ("Log loss", a.log_loss.value, b.log_loss.value, compared.log_loss_difference, 4),
        (
            "Average precision",
            a.average_precision.value,
            b.average_precision.value,
            compared.average_precision_difference,
            3,
        ),
    ]
    figures = [
        _Figure(title, _number(old, digits), _number(new, digits), _interval(difference, digits))
        for title, old, new, difference, digits in rows
    ]
    shares = compared.champion_calibration, compared.challenger_calibration
    figures.append(
        _Figure(
            "Predicted to convert",
            mark_percent(shares[0].predicted),
            mark_percent(shares[1].predicted),
            Markup("{} converted").format(mark_percent(shares[0].observed)),
        )
    )
    return figures


def _number(value: float, digits: int) -> Markup:
    return mark(value, format_number(value, digits))


def _interval(difference: Estimate, digits: int) -> Markup:
    low, high = (_signed(end, digits) for end in (difference.low, difference.high))
    return Markup("{} ({} to {})").format(_signed(difference.value, digits), low, high)


def _signed(value: float, digits: int) -> Markup:
    return mark(value, f"{'+' if value > 0 else ''}{format_number(value, digits)}")


def _moves(found: CompareResult) -> list[_Move]:
    if found.impact is None:
        return []
    return [
        _Move(
            format_label(move.before),
            format_label(move.after),
            mark(move.leads, format_number(move.leads)),
            _why(move.points),
        )
        for move in found.impact.moves
    ]


def _why(points: dict[str, float]) -> str:
    """The two families that move these leads most."""
    ranked = sorted(points.items(), key=lambda item: -abs(item[1]))[:2]
    texts = [
        f"{'more' if value > 0 else 'less'} for {_FAMILIES[name]}"
        for name, value in ranked
        if abs(value) >= SHOWN_POINTS
    ]
    return join_texts(texts) if texts else SAME_PROBABILITY
