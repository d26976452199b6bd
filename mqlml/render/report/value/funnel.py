"""The report's section on the funnel: what a marketer takes from it, its chart, and the tables behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate
from mqlml.insight.funnel.cohorts import Cohort, Funnel, FunnelStage, Step
from mqlml.monitoring import Handover
from mqlml.render.report.rows import Row, escape_markdown, markdown_table, to_markdown
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
from mqlml.render.report.text import has_interval, mark_count, mark_interval, mark_number, mark_percent
from mqlml.texts import format_label, format_number, format_percent, is_known, join_texts, pluralize

__all__ = [
    "FUNNEL_LIMITS",
    "FunnelSection",
    "describe_funnel",
    "describe_handover",
    "describe_missing",
    "describe_origins",
    "describe_reach",
    "funnel_chart",
    "list_funnel_rows",
    "name_stage",
    "name_stages",
    "write_funnel",
]

FUNNEL_LIMITS = (
    "In this section, MQL and SQL always mean stages in your data, not the model's labels. Stages count by their "
    "recorded dates: a stage that sales enters late or never is missing here. Young leads are expected to move on "
    "as older ones did in the last year."
)
"""What the funnel cannot know."""

_STAGES = {"lead": "lead", "closed_won": "customer", "closed_lost": "lost"}


def name_stage(stage: str) -> str:
    """A stage as people call it."""
    return _STAGES.get(stage, format_label(stage))


def describe_reach(found: Funnel) -> str:
    """What becomes of 100 leads, in one sentence."""
    if not any(is_known(stage.share.value) for stage in found.stages):
        return f"{pluralize(found.leads, 'lead')}: too few to say how far they get."
    parts = [
        f"{format_number(_per_100(stage.share.value), _decimals(stage.share.value))} become "
        f"{name_stages(stage.stage)}"
        for stage in found.stages
    ]
    last = found.stages[-1].share
    return (
        f"Of 100 leads, {join_texts(parts)} within {format_number(found.within_days)} days "
        f"({_range_per_100(last)} {name_stages(found.stages[-1].stage)})."
    )


def _per_100(share: float) -> float:
    return 100 * share


def _decimals(share: float) -> int:
    return 0 if share >= 0.0995 else 1


def _range_per_100(share: Estimate) -> str:
    low, high = _per_100(share.low), _per_100(share.high)
    decimals = _decimals(share.value)
    return f"{format_number(low, decimals)} to {format_number(high, decimals)}"


def name_stages(stage: str) -> str:
    """The leads that reached a stage, as people call them."""
    return {"mql": "MQLs", "sql": "SQLs", "opportunity": "opportunities", "closed_won": "customers"}.get(
        stage, name_stage(stage)
    )


def describe_origins(found: Funnel) -> str:
    """How many customers began as marketing leads; empty where the data cannot say."""
    if not found.origins:
        return ""
    whole = found.origins[0]
    return (
        f"{format_percent(whole.share.value)} of {pluralize(whole.customers, 'customer')} "
        f"({format_percent(whole.share.low)} to {format_percent(whole.share.high)}) began as marketing leads: MQL "
        "was their first stage."
    )


def describe_handover(handover: Handover | None) -> tuple[str, ...]:
    """Leads handed over too early and too late, and those that never were MQLs."""
    if handover is None:
        return ()
    share = f" ({format_percent(handover.too_early / handover.handed_over)})" if handover.handed_over else ""
    early = (
        f"Too early: sales rejected or lost {handover.too_early:,} of {pluralize(handover.handed_over, 'MQL')}"
        f"{share} within {handover.soon_days:g} days."
    )
    late = (
        f"Too late: of {pluralize(handover.accepted, 'lead')} that sales accepted, {handover.too_late:,} became an "
        f"MQL only afterward, and {handover.never:,} never did."
    )
    return early, late


def describe_missing(found: Funnel) -> str:
    """Which stages the data lacks; empty where it has all."""
    if not found.missing:
        return ""
    names = join_texts([name_stage(stage) for stage in found.missing], "or")
    several = len(found.missing) > 1
    return (
        f"The data has no {names} stage, so {'these are' if several else 'it is'} left out. Map "
        f"{'them' if several else 'it'} under data.outcomes.stages."
    )


_SHOWN = 6
"""Periods in the chart; the table has all."""


@dataclass(frozen=True)
class _CohortRow:
    period: str
    leads: Markup
    shares: tuple[Markup, ...]


@dataclass(frozen=True)
class _StepRow:
    name: str
    share: Markup
    days: Markup
    latest: Markup


@dataclass(frozen=True)
class FunnelSection:
    """What the section shows.

    Attributes
    ----------
    sentence : str
        What becomes of 100 leads.
    facts : tuple of str
        Where customers began, and whether leads are handed over in time.
    chart : Markup
    more : str
        How many periods the chart leaves out; empty where it shows all.
    stages : tuple of str
        Heads of the table's columns.
    cohorts, steps : tuple
        A row for each period, and for each step from one stage to the next.
    young : bool
        Whether a period is estimated in part from older leads.
    within : Markup
        Days of age at which leads are compared.
    limits : str
        What the funnel cannot know, and which stages the data lacks.
    """

    sentence: str
    facts: tuple[str, ...]
    chart: Markup
    more: str
    stages: tuple[str, ...]
    cohorts: tuple[_CohortRow, ...]
    steps: tuple[_StepRow, ...]
    young: bool
    within: Markup
    limits: str


def describe_funnel(found: Funnel) -> FunnelSection:
    """The texts, the chart and the rows of the section."""
    hidden = len(found.cohorts) - _SHOWN
    facts = (describe_origins(found), *describe_handover(found.handover))
    return FunnelSection(
        sentence=describe_reach(found),
        facts=tuple(fact for fact in facts if fact),
        chart=Markup(funnel_chart(found.stages, found.cohorts[-_SHOWN:])),
        more=pluralize(hidden, f"earlier {found.by}") if hidden > 0 else "",
        stages=tuple(_title(stage.stage) for stage in found.stages),
        cohorts=tuple(
            _CohortRow(
                cohort.period + ("" if cohort.complete else " *"),
                mark_count(cohort.leads),
                tuple(_share(stage.share) for stage in cohort.stages),
            )
            for cohort in found.cohorts
        ),
        steps=tuple(_step_row(step) for step in found.steps),
        young=not all(cohort.complete for cohort in found.cohorts),
        within=mark_count(found.within_days),
        limits=" ".join(text for text in (describe_missing(found), FUNNEL_LIMITS) if text),
    )


def _title(stage: str) -> str:
    name = name_stage(stage)
    return name[0].upper() + name[1:]


def _share(share: Estimate) -> Markup:
    if not is_known(share.value):
        return Markup("–")
    return Markup('{} <span class="range">({})</span>').format(
        mark_percent(share.value), mark_interval(share)
    )


def _step_row(step: Step) -> _StepRow:
    days = Markup("–")
    if is_known(step.days.value):
        days = mark_number(step.days.value, 1)
        if has_interval(step.days):
            days += Markup(' <span class="range">({} to {})</span>').format(
                mark_number(step.days.low, 1), mark_number(step.days.high, 1)
            )
    latest = [period for period in step.periods if is_known(period.share.value)]
    return _StepRow(
        f"{_title(step.start)} to {name_stage(step.end)}",
        _share(step.share),
        days,
        Markup("{}: {}").format(latest[-1].period, _share(latest[-1].share)) if latest else Markup("–"),
    )


def funnel_chart(
    stages: Sequence[FunnelStage], cohorts: Sequence[Cohort], *, key: str = "funnel-chart"
) -> str:
    """A group for each stage, in it a bar with its interval for each period; young periods are drawn lighter."""
    left, right, top = 66.0, WIDTH - 44.0, 8.0
    lane, head = 17.0, 24.0
    groups = list(enumerate(stages))
    height = head + lane * len(cohorts) + 8
    parts = []
    for place, stage in groups:
        start = top + place * height
        shares = [cohort.stages[place].share for cohort in cohorts]
        known = [share.high for share in shares if is_known(share.high)]
        across = Scale(0, nice_ticks(max([*known, 1e-3]))[-1], left, right)
        parts.append(
            draw_text(0, start + 14, f"{_title(stage.stage)}, % of leads", anchor="start", tone="name")
        )
        parts.append(draw_line(left, start + head - 2, left, start + head + lane * len(cohorts), "base"))
        for row, (cohort, share) in enumerate(zip(cohorts, shares, strict=True)):
            y = start + head + row * lane
            star = "" if cohort.complete else " *"
            parts.append(draw_text(left - 6, y + 11, f"{cohort.period}{star}", anchor="end"))
            if not is_known(share.value):
                continue
            tone = "column" if cohort.complete else "column young"
            parts.append(draw_bar(left, y + 2, across(share.value) - left, 11, tone))
            end = across(share.value)
            if has_interval(share):
                parts.append(draw_line(across(share.low), y + 7.5, across(share.high), y + 7.5, "whisker"))
                end = max(end, across(share.high))
            parts.append(
                f'<text class="value" x="{coord(end + 5)}" y="{coord(y + 11)}" text-anchor="start">'
                f"{format_percent(share.value)}</text>"
            )
    text = "; ".join(
        f"{cohort.period}: "
        + ", ".join(
            f"{name_stage(stage.stage)} {format_percent(stage.share.value)}" for stage in cohort.stages
        )
        for cohort in cohorts
    )
    return draw_chart(
        key,
        top + height * len(stages),
        "Share of each period's leads that reaches each stage",
        f"{text}.",
        parts,
    )


def list_funnel_rows(found: Funnel) -> list[Row]:
    """A row for each period and stage."""
    return [
        {
            "period": cohort.period,
            "leads": cohort.leads,
            "complete": cohort.complete,
            "stage": stage.stage,
            "reached": stage.reached,
            "share_value": _or_none(stage.share.value),
            "share_low": _or_none(stage.share.low),
            "share_high": _or_none(stage.share.high),
        }
        for cohort in found.cohorts
        for stage in cohort.stages
    ]


def _or_none(value: float) -> float | None:
    return value if is_known(value) else None


def write_funnel(section: FunnelSection) -> list[str]:
    """The section as lines of Markdown."""
    cohorts = (
        (row.period, *(to_markdown(cell) for cell in (row.leads, *row.shares))) for row in section.cohorts
    )
    steps = (
        (row.name, *(to_markdown(cell) for cell in (row.share, row.days, row.latest)))
        for row in section.steps
    )
    young = (
        ["", "\\* Not all of this time has passed yet: what is still to come is estimated from older leads."]
        if section.young
        else []
    )
    return [
        "### How far do leads get?",
        "",
        escape_markdown(section.sentence),
        "",
        *(f"- {escape_markdown(fact)}" for fact in section.facts),
        "",
        *markdown_table(("Came in", "Leads", *section.stages), cohorts),
        *young,
        "",
        *markdown_table(("Step", "Share that moves on", "Median days", "Latest period"), steps),
        "",
        escape_markdown(section.limits),
    ]
