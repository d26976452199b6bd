"""Console text of the commands about the funnel."""

from __future__ import annotations

from mqlml.evaluation import Estimate
from mqlml.insight.funnel.cohorts import Step
from mqlml.render.console.common import columns
from mqlml.render.funnel_results import FunnelResult, PlanResult
from mqlml.render.report.value.funnel import (
    FUNNEL_LIMITS,
    describe_handover,
    describe_missing,
    describe_origins,
    describe_reach,
    name_stage,
)
from mqlml.render.report.value.plan import (
    PLAN_LIMITS,
    describe_more,
    describe_need,
    describe_outlook,
    describe_past,
)
from mqlml.texts import format_number, format_percent, is_known

__all__ = ["format_funnel", "format_plan"]


def format_funnel(result: FunnelResult) -> str:
    """How far the leads of each period get, how long each step takes, and what the data cannot say."""
    heads = ("", "leads", *(name_stage(stage.stage) for stage in result.stages))
    rows = [heads]
    for cohort in result.cohorts:
        rows.append(
            (
                cohort.period + ("" if cohort.complete else " *"),
                format_number(cohort.leads),
                *(_share(stage.share) for stage in cohort.stages),
            )
        )
    lines = [describe_reach(result), *columns(rows)]
    if not all(cohort.complete for cohort in result.cohorts):
        lines.append("  * too young to be complete: what is still to come is estimated from older leads")
    lines += [_step(step) for step in result.steps]
    lines += [
        text
        for text in (describe_origins(result), *describe_handover(result.handover), describe_missing(result))
        if text
    ]
    return "\n".join([*lines, FUNNEL_LIMITS])


def _share(share: Estimate) -> str:
    if not is_known(share.value):
        return "-"
    return f"{format_percent(share.value)} ({format_percent(share.low)} to {format_percent(share.high)})"


def _step(step: Step) -> str:
    text = f"{name_stage(step.start)} to {name_stage(step.end)}: {_share(step.share)}"
    days = step.days
    if not is_known(days.value):
        return text
    ends = f" ({format_number(days.low, 1)} to {format_number(days.high, 1)})" if is_known(days.low) else ""
    return f"{text}, half of them within {format_number(days.value, 1)} days{ends}"


def format_plan(result: PlanResult) -> str:
    """What the customers take, what today's pace brings, and how such forecasts did before."""
    lines = [describe_need(need, result, result.by) for need in result.needs]
    lines += [
        f"{describe_outlook(result, result.by)} {describe_more(result)}".rstrip(),
        describe_past(result.past),
    ]
    if result.past:
        heads = ("", "forecast", "90% interval", "actual", "")
        rows = [
            (
                one.quarter,
                format_number(one.forecast.value),
                f"{format_number(one.forecast.low)} to {format_number(one.forecast.high)}",
                format_number(one.customers),
                "within range" if one.inside else "outside",
            )
            for one in result.past
        ]
        lines += columns([heads, *rows])
    return "\n".join([*lines, PLAN_LIMITS])
