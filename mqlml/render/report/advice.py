"""What to do next, as a short list: each item follows from a result that the page shows further down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from mqlml.evaluation import Estimate, TrainingResult
from mqlml.features import Family
from mqlml.insight import InsightResults
from mqlml.model.signals import Direction, SignalLevel
from mqlml.monitoring import Handover
from mqlml.render.report.signals import format_level, name_inside
from mqlml.render.report.text import format_date, has_interval, mark_number, mark_percent, period_zone
from mqlml.render.report.trust import is_old
from mqlml.render.report.value.plan import describe_need, next_number
from mqlml.render.report.value.sources import name_source
from mqlml.texts import format_label, is_known, join_texts

__all__ = ["list_advice"]

_NAMED = 3
"""Signals or sources that an item names."""

_OFTEN = 0.1
"""From this share on, leads that sales soon rejects are too many."""


def list_advice(result: TrainingResult, insight: InsightResults | None) -> tuple[Markup, ...]:
    """The items, most important first; none for a version that was refused."""
    if not result.gate.passed:
        return ()
    return (
        *_age(result),
        *_signals(result),
        *_labels(result),
        *(() if insight is None else (*_sources(insight), *_plan(insight), *_handover(insight))),
    )


def _age(result: TrainingResult) -> Iterator[Markup]:
    if is_old(result):
        yield Markup(
            "First, export newer data and train again. The data ends on {}, and “now” on this page means that day."
        ).format(format_date(result.data.observed_until or "", period_zone(result)))


def _signals(result: TrainingResult) -> Iterator[Markup]:
    lead_there = _name_levels(result, "actions", "more")
    if lead_there:
        these, one = ("this", "it") if len(lead_there) == 1 else ("these", "one of them")
        yield Markup(
            "Run a test that brings more people to {}: {}. Leads with {} convert more often than comparable leads."
        ).format(these, join_texts(lead_there), one)
    aim = _name_levels(result, "profile", "more")
    if aim:
        yield Markup(
            "Target more leads like these: {}. They convert more often than comparable leads."
        ).format(join_texts(aim))
    who = _name_levels(result, "profile", "less")
    if who:
        yield Markup("Spend less on these leads: {}. They convert less often than comparable leads.").format(
            join_texts(who)
        )


def _name_levels(result: TrainingResult, family: Family, direction: Direction) -> list[str]:
    """The signals of a family that differ most from comparable leads in one direction."""
    report = result.signals
    levels = [
        level
        for signal in (() if report is None else report.signals)
        if signal.signal.family == family
        for level in signal.levels
        if level.direction == direction and not level.pooled
    ]
    levels.sort(key=lambda level: -abs(level.like_leads.value))
    return [_name_level(level) for level in levels[:_NAMED]]


def _name_level(level: SignalLevel) -> str:
    title = name_inside(level.title)
    return title if level.level is None else f"{title} “{format_level(level.level)}”"


def _labels(result: TrainingResult) -> Iterator[Markup]:
    labels = {name: label for name, label in reversed(result.labels.items()) if label.per_week is not None}
    forecasts = [label.next.per_week for label in labels.values()]
    text = "expect about {} in the next period"
    found = [one for one in forecasts if one is not None and is_known(one.value)]
    if len(found) < len(labels):
        text = "the test period had {}"
        found = [label.per_week for label in labels.values() if label.per_week is not None]
    volumes = [
        Markup("{} {} a week{}").format(mark_number(one.value, 0), format_label(name), _range(one))
        for name, one in zip(labels, found, strict=True)
    ]
    if volumes:
        yield Markup(
            f"Agree with sales on how many leads to follow up: {text}{{}}. “What if you moved a threshold?” shows "
            "the alternatives."
        ).format(
            Markup(" and ").join(volumes), "; each includes the higher labels" if len(volumes) > 1 else ""
        )


def _range(found: Estimate) -> Markup:
    """`` (9 to 17)``, or nothing where there is no interval."""
    if not has_interval(found):
        return Markup("")
    return Markup(" ({} to {})").format(mark_number(found.low, 0), mark_number(found.high, 0))


def _sources(insight: InsightResults) -> Iterator[Markup]:
    if insight.sources is None:
        return
    known = [one for one in insight.sources.sources if one.leads]
    loses = [one.source for one in known if one.cost is not None and one.cost.verdict == "loses"]
    below = [one.source for one in known if one.cost is None and one.against_average == "below"]
    if loses:
        yield Markup("Cut {}, or make it cheaper: its leads cost more than they bring in.").format(
            _listed(loses)
        )
    elif below:
        yield Markup("Check what leads from {} cost: they bring in less than the average lead.").format(
            _listed(below)
        )
    else:
        reason = "none clearly costs more than it brings in"
        if all(one.cost is None for one in known):
            reason = "none brings leads that are clearly worth less than the average lead (costs are not known here)"
        yield Markup("Keep every source for now: {}.").format(reason)


def _listed(names: Sequence[str | None]) -> str:
    more = [f"{len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    return join_texts([*(name_source(name) for name in names[:_NAMED]), *more])


def _plan(insight: InsightResults) -> Iterator[Markup]:
    if insight.plan is not None and insight.plan.quarters:
        first = insight.plan.quarters[0]
        need = next_number(first.outlook)
        yield Markup("{}").format(describe_need(need, first.outlook, format_date(first.by, "UTC")))


def _handover(insight: InsightResults) -> Iterator[Markup]:
    found: Handover | None = None if insight.funnel is None else insight.funnel.handover
    if found is None or not found.handed_over:
        return
    share = found.too_early / found.handed_over
    days = f"{found.soon_days:g} days"
    if share >= _OFTEN:
        yield Markup(
            "Hand leads over later: sales rejected or lost {} of the MQLs within {}. Raise the MQL threshold, or ask "
            "sales for the reasons."
        ).format(mark_percent(share), days)
    else:
        yield Markup(
            "Keep handing leads over when you do: sales rejected or lost only {} of the MQLs within {}."
        ).format(mark_percent(share), days)
