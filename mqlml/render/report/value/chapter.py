"""The report's chapter on what pays: a section for each piece, and why a piece is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mqlml.evaluation import TrainingResult
from mqlml.insight.pieces import InsightResults, Piece
from mqlml.render.report.rows import Row, escape_markdown, list_rows
from mqlml.render.report.value.attribution import AttributionSection, describe_attribution, write_attribution
from mqlml.render.report.value.funnel import (
    FunnelSection,
    describe_funnel,
    list_funnel_rows,
    name_stages,
    write_funnel,
)
from mqlml.render.report.value.paths import PathsSection, describe_paths, paths_rows, write_paths
from mqlml.render.report.value.personas import (
    PersonasSection,
    describe_personas,
    list_personas,
    write_personas,
)
from mqlml.render.report.value.plan import PlanSection, describe_plan, list_plan_rows, write_plan
from mqlml.render.report.value.points import PointsSection, describe_points, write_points
from mqlml.render.report.value.sources import SourcesSection, describe_sources, write_sources
from mqlml.texts import format_percent, is_known, pluralize

__all__ = ["InsightChapter", "describe_insight", "list_insight_tables", "write_insight"]

_TITLES: dict[Piece, str] = {
    "attribution": "Which channels are linked to sales?",
    "sources": "Which sources pay?",
    "funnel": "How far do leads get?",
    "plan": "How many leads do you need for more customers?",
    "personas": "Who buys?",
    "paths": "Which paths are linked to sales?",
    "points": "Which points could your CRM use?",
}
"""What each piece answers."""

_BOTH = ("mql", "sql")
"""Stages whose names the model's labels share."""


@dataclass(frozen=True)
class InsightChapter:
    """What the chapter shows: a section for each piece, None where it does not apply.

    Attributes
    ----------
    missing : tuple of (title, reason)
        The pieces that do not apply.
    contents : tuple of (piece, title)
        The pieces that are shown.
    notes : tuple of str
        How the chapter's figures differ from those before it: intervals, time that leads are followed, stages.
    """

    attribution: AttributionSection | None
    sources: SourcesSection | None
    funnel: FunnelSection | None
    plan: PlanSection | None
    personas: PersonasSection | None
    paths: PathsSection | None
    points: PointsSection | None
    missing: tuple[tuple[str, str], ...]
    contents: tuple[tuple[Piece, str], ...]
    notes: tuple[str, ...]


def describe_insight(found: InsightResults | None, result: TrainingResult) -> InsightChapter | None:
    """The sections of the chapter; None without results."""
    if found is None:
        return None
    return InsightChapter(
        attribution=None if found.attribution is None else describe_attribution(found.attribution),
        sources=None if found.sources is None else describe_sources(found.sources),
        funnel=None if found.funnel is None else describe_funnel(found.funnel),
        plan=None if found.plan is None else describe_plan(found.plan),
        personas=None if found.personas is None else describe_personas(found.personas),
        paths=None if found.paths is None else describe_paths(found.paths),
        points=None if found.points is None else describe_points(found.points),
        missing=tuple((_TITLES[piece], reason) for piece, reason in found.missing.items()),
        contents=tuple(
            (piece, title) for piece, title in _TITLES.items() if getattr(found, piece) is not None
        ),
        notes=tuple(_list_notes(found, result)),
    )


def _list_notes(found: InsightResults, result: TrainingResult) -> Iterator[str]:
    yield "Ranges in this chapter are 90% intervals; in the sections above they are 95% unless stated otherwise."
    funnel, signals = found.funnel, result.signals
    if funnel is not None and funnel.stages and is_known(funnel.stages[-1].share.value):
        last = funnel.stages[-1]
        there = ""
        if signals is not None and signals.leads:
            share = format_percent(signals.converted / signals.leads)
            there = f"In the sections above, {share} of leads {result.question.converted}. "
        yield (
            f"{there}Here every lead is followed for {pluralize(funnel.within_days, 'day')} from the day it came "
            f"in, and {format_percent(last.share.value)} become {name_stages(last.stage)}."
        )
    staged = funnel is not None and any(stage.stage in _BOTH for stage in funnel.stages)
    if staged or (found.points is not None and found.points.evaluation.labels):
        stages = "the stages that sales recorded, not the labels that mqlml assigns above"
        labels = f"mqlml’s labels in “{_TITLES['points']}”"
        if not staged:
            yield f"MQL and SQL are {labels}."
        else:
            points = (
                "" if found.points is None or not found.points.evaluation.labels else f"; they are {labels}"
            )
            yield f"MQL and SQL are {stages}{points}."


def write_insight(found: InsightResults | None, result: TrainingResult) -> list[str]:
    """The chapter as lines of Markdown; none without results."""
    chapter = describe_insight(found, result)
    if found is None or chapter is None:
        return []
    sections = [write_attribution(chapter.attribution)] if chapter.attribution else []
    sections += [write_sources(chapter.sources)] if chapter.sources else []
    sections += [write_funnel(chapter.funnel)] if chapter.funnel else []
    sections += [write_plan(chapter.plan)] if chapter.plan else []
    sections += [write_personas(chapter.personas)] if chapter.personas else []
    sections += [write_paths(chapter.paths)] if chapter.paths else []
    sections += [write_points(found.points)] if found.points else []
    lines = ["", "## What pays", "", escape_markdown(" ".join(chapter.notes))]
    for section in sections:
        lines += ["", *section]
    if chapter.missing:
        lines += ["", "### Left out", ""]
        lines += [f"- **{title}** {escape_markdown(reason)}" for title, reason in chapter.missing]
    return lines


def list_insight_tables(found: InsightResults | None) -> dict[str, Iterable[Row]]:
    """The tables of the pieces by name."""
    if found is None:
        return {}
    return {
        "attribution": list_rows(found.attribution.channels if found.attribution else ()),
        "sources": list_rows(found.sources.sources if found.sources else ()),
        "funnel": list_funnel_rows(found.funnel) if found.funnel else (),
        "plan": list_plan_rows(found.plan) if found.plan else (),
        **list_personas(found.personas),
        "paths": paths_rows(found.paths) if found.paths else (),
        "stages": list_rows(found.paths.stages if found.paths else ()),
        "points": list_rows(found.points.rows if found.points else ()),
        "points_scale": list_rows(found.points.scale if found.points else ()),
    }
