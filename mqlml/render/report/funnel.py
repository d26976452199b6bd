"""The report's section on the funnel: how far the leads of each period get, and the handover to sales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate
from mqlml.insight.funnel import Cohort, Funnel
from mqlml.monitoring import Handover
from mqlml.render.report.rows import escape_markdown, markdown_table, to_markdown
from mqlml.render.report.svg import WIDTH, Scale, draw_bar, draw_chart, draw_line, draw_text, nice_ticks
from mqlml.render.report.text import mark_count, mark_interval, mark_number, mark_percent
from mqlml.texts import (
    UNKNOWN,
    format_label,
    format_number,
    format_percent,
    is_known,
    join_texts,
    pluralize,
)

__all__ = [
    "FUNNEL_LIMITS",
    "FunnelSection",
    "describe_funnel",
    "describe_handover",
    "describe_missing",
    "describe_origins",
    "describe_reach",
    "name_stage",
    "write_funnel",
]

FUNNEL_LIMITS = (
    "Stages count as they are dated in the data: a stage that sales enters late or never is missing here, and young "
    "leads are expected to move on as older ones did in the last year."
)
"""What the funnel cannot know."""

_STAGES = {"lead": "lead", "closed_won": "customer", "closed_lost": "lost"}


def name_stage(stage: str) -> str:
    """A stage as people call it."""
    return _STAGES.get(stage, format_label(stage))


def describe_reach(found: Funnel) -> str:
    """What becomes of 100 leads, in one sentence."""
    if not any(is_known(stage.share.value) for stage in found.stages):
        return f"{pluralize(found.leads, 'lead')}; too few to say how far they get."
    parts = [
        f"{format_number(_per_100(stage.share.value), _decimals(stage.share.value))} become "
        f"{_plural(stage.stage)}"
        for stage in found.stages
    ]
    last = found.stages[-1].share
    return (
        f"Of 100 leads, {join_texts(parts)} within {format_number(found.within_days)} days "
        f"({_range_per_100(last)} customers)."
    )


def _per_100(share: float) -> float:
    return 100 * share


def _decimals(share: float) -> int:
    return 0 if share >= 0.0995 else 1


def _range_per_100(share: Estimate) -> str:
    low, high = _per_100(share.low), _per_100(share.high)
    decimals = _decimals(share.value)
    return f"{format_number(low, decimals)} to {format_number(high, decimals)}"


def _plural(stage: str) -> str:
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
    early = (
        f"Too early: sales rejected or lost {handover.too_early:,} of {pluralize(handover.handed_over, 'MQL')} "
        f"within {handover.soon_days:g} days."
    )
    late = (
        f"Too late: of {pluralize(handover.accepted, 'lead')} that sales took up, {handover.too_late:,} became MQL "
        f"only afterwards, and {handover.never:,} never did."
    )
    return early, late


def describe_missing(found: Funnel) -> str:
    """Which stages the data lacks; empty where it has all."""
    if not found.missing:
        return ""
    names = join_texts([name_stage(stage) for stage in found.missing], "or")
    return f"The data has no stage {names}, so it is left out. Map it under data.outcomes.stages."


_SHOWN = 6
"""Periods in the chart, the last ones; the table has all."""


@dataclass(frozen=True)
class _Row:
    period: str
    leads: Markup
    shares: tuple[Markup, ...]


@dataclass(frozen=True)
class _Step:
    name: str
    entered: Markup
    share: Markup
    days: Markup


@dataclass(frozen=True)
class FunnelSection:
    """What the section shows.

    Attributes
    ----------
    sentence : str
        What becomes of 100 leads.
    days : str
        Age at which leads are compared.
    chart : Markup
    facts : tuple of str
        Where customers began, the handover, and stages that are missing.
    stages : tuple of str
        Heads of the table's columns.
    rows, steps : tuples
        A row for each period, and for each step.
    limits : str
        What the funnel cannot know.
    """

    sentence: str
    days: str
    chart: Markup
    facts: tuple[str, ...]
    stages: tuple[str, ...]
    rows: tuple[_Row, ...]
    steps: tuple[_Step, ...]
    limits: str = FUNNEL_LIMITS


def describe_funnel(found: Funnel) -> FunnelSection:
    """The texts, the chart and the rows of the section."""
    facts = (describe_origins(found), *describe_handover(found.handover), describe_missing(found))
    return FunnelSection(
        sentence=describe_reach(found),
        days=format_number(found.within_days),
        chart=Markup(funnel_chart(found.cohorts[-_SHOWN:])),
        facts=tuple(text for text in facts if text),
        stages=tuple(name_stage(stage.stage) for stage in found.stages),
        rows=tuple(
            _Row(
                cohort.period,
                mark_count(cohort.leads),
                tuple(_marked(stage.share) for stage in cohort.stages),
            )
            for cohort in found.cohorts
        ),
        steps=tuple(
            _Step(
                f"{name_stage(step.start)} to {name_stage(step.end)}",
                mark_count(step.entered),
                _marked(step.share),
                mark_number(step.days.value, 1),
            )
            for step in found.steps
        ),
    )


def _marked(share: Estimate) -> Markup:
    if not is_known(share.value):
        return Markup(UNKNOWN)
    return Markup("{} ({})").format(mark_percent(share.value), mark_interval(share))


_LANE = 17.0


def funnel_chart(cohorts: Sequence[Cohort], *, key: str = "funnel-chart") -> str:
    """A row for each period, in it a bar for each stage: reached so far, still to come, and the interval."""
    left, right, top = 78.0, WIDTH - 44.0, 30.0
    highest = max((stage.share.high for cohort in cohorts for stage in cohort.stages), default=1.0)
    across = Scale(0, min(1.0, nice_ticks(highest)[-1]), left, right)
    parts = [
        draw_bar(8, 6, 10, 10, "bar plain"),
        draw_text(22, 15, "so far", anchor="start"),
        draw_bar(78, 6, 10, 10, "bar none"),
        draw_text(92, 15, "still to come", anchor="start"),
        draw_line(182, 11, 198, 11, "whisker"),
        draw_text(204, 15, "90% interval", anchor="start"),
    ]
    y, told = top, []
    for cohort in cohorts:
        leads = pluralize(cohort.leads, "lead")
        parts.append(draw_text(8, y + 13, f"{cohort.period}, {leads}", anchor="start", tone="name"))
        y += 20
        for stage in cohort.stages:
            # What was reached after the age at which leads are compared does not count.
            so_far = min(stage.reached / cohort.leads, stage.share.value)
            parts += [
                draw_text(left - 6, y + 11, name_stage(stage.stage), anchor="end"),
                draw_bar(left, y + 2, across(stage.share.value) - left, 11, "bar none"),
                draw_bar(left, y + 2, across(so_far) - left, 11, "bar plain"),
                draw_line(across(stage.share.low), y + 7.5, across(stage.share.high), y + 7.5, "whisker"),
                draw_text(WIDTH - 4, y + 11, format_percent(stage.share.value), anchor="end"),
            ]
            y += _LANE
        y += 8
        told.append(
            f"{cohort.period}: "
            + ", ".join(
                f"{name_stage(stage.stage)} {format_percent(stage.share.value)}" for stage in cohort.stages
            )
        )
    return draw_chart(
        key, y, "Share of leads that reaches each stage, by quarter", f"{'; '.join(told)}.", parts
    )


def write_funnel(section: FunnelSection) -> list[str]:
    """The section as lines of Markdown."""
    rows = ((row.period, *(to_markdown(cell) for cell in (row.leads, *row.shares))) for row in section.rows)
    steps = (
        (row.name, *(to_markdown(cell) for cell in (row.entered, row.share, row.days)))
        for row in section.steps
    )
    return [
        "### How far do leads get?",
        "",
        escape_markdown(section.sentence),
        "",
        *markdown_table(("Created", "Leads", *section.stages), rows),
        "",
        *markdown_table(("Step", "Entered", "Move on", "Half of these within days"), steps),
        "",
        *(f"- {escape_markdown(text)}" for text in section.facts),
        "",
        escape_markdown(section.limits),
    ]
