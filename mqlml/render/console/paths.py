"""Console text of ``mqlml paths``."""

from __future__ import annotations

from mqlml.insight.paths.stage_times import Quartiles
from mqlml.insight.paths.steps import Path
from mqlml.render.console.common import columns
from mqlml.render.report.value.funnel import name_stage
from mqlml.render.report.value.paths import (
    CAUSES,
    days_text,
    describe_early,
    describe_tried,
    path_text,
    sentence,
)
from mqlml.render.results import PathsResult
from mqlml.texts import format_number, format_percent, pluralize

__all__ = ["format_paths"]


def format_paths(result: PathsResult) -> str:
    """The paths that stand out, and what it takes to reach each stage."""
    lines = [
        f"{pluralize(result.leads, 'lead')} still open {days_text(result.within_days)} after creation, of which "
        f"{format_number(result.won)} ({format_percent(result.won / result.leads)}) were won in the "
        f"{days_text(result.horizon_days)} after",
        str(sentence(result).striptags()),
    ]
    if result.paths:
        heads = ("path", "leads", "won", "rate", "equally active leads", "times as often", "90% interval")
        lines += ["", *columns([heads, *map(_row, result.paths)])]
    if result.stages:
        rows = [("to reach", "leads", "days", "middle half", "touches", "middle half")]
        for stage in result.stages:
            rows.append(
                (
                    name_stage(stage.stage),
                    format_number(stage.leads),
                    *_quartiles(stage.days, 1),
                    *_quartiles(stage.touches, 0),
                )
            )
        lines += ["", *columns(rows), "Medians, with the middle half of the leads"]
    notes = [describe_tried(result), describe_early(result), CAUSES]
    return "\n".join([*lines, "", *(note for note in notes if note)])


def _row(path: Path) -> tuple[str, ...]:
    return (
        path_text(path.steps),
        format_number(path.leads),
        format_number(path.won),
        format_percent(path.rate),
        format_percent(path.expected_rate),
        format_number(path.lift.value, 1),
        f"{format_number(path.lift.low, 1)} to {format_number(path.lift.high, 1)}",
    )


def _quartiles(found: Quartiles, decimals: int) -> tuple[str, str]:
    return (
        format_number(found.median, decimals),
        f"{format_number(found.low, decimals)} to {format_number(found.high, decimals)}",
    )
