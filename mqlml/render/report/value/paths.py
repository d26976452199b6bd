"""The report's section on paths: which stand out, the flow of first steps, what it takes to reach each stage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from mqlml.insight.paths.flows import StepFlows, StepNode
from mqlml.insight.paths.stage_times import Quartiles
from mqlml.insight.paths.steps import JourneyPaths, Path
from mqlml.render.report.rows import Row, escape_markdown, flatten, markdown_table, to_markdown
from mqlml.render.report.text import mark, mark_count, mark_number, mark_percent
from mqlml.render.report.value.funnel import name_stage
from mqlml.render.report.value.sankey import Link, Node, draw_sankey
from mqlml.results import to_json_safe
from mqlml.texts import format_name, format_number, format_percent, pluralize

__all__ = [
    "CAUSES",
    "PathsSection",
    "days_text",
    "describe_early",
    "describe_paths",
    "describe_tried",
    "path_text",
    "paths_rows",
    "sentence",
    "write_paths",
]

CAUSES = (
    "Paths say what leads did before a sale, not why they bought: leads that would buy anyway take some of these "
    "steps."
)
"""What paths cannot say."""

_SHOWN = 8
"""Paths in the table; the file of tables has all."""


@dataclass(frozen=True)
class _PathRow:
    path: str
    leads: Markup
    won: Markup
    rate: Markup
    expected: Markup
    lift: Markup
    interval: Markup


@dataclass(frozen=True)
class _StageRow:
    stage: str
    leads: Markup
    days: Markup
    touches: Markup


@dataclass(frozen=True)
class _NodeRow:
    place: int
    step: str
    won: Markup
    others: Markup


@dataclass(frozen=True)
class PathsSection:
    """What the section shows.

    Attributes
    ----------
    sentence : Markup
        What a marketer takes from it.
    rows : tuple
        A row for each path, clearest first.
    more : str
        How many further paths stand out; empty if none.
    chart : Markup
        The flow of the first steps of won leads.
    nodes : tuple
        The same as rows.
    stages : tuple
        A row for each stage.
    rests_on, tried, early, causes : str
        What was compared, by which standard, what was left out, and what it cannot say.
    """

    sentence: Markup
    rows: tuple[_PathRow, ...]
    more: str
    chart: Markup
    nodes: tuple[_NodeRow, ...]
    stages: tuple[_StageRow, ...]
    rests_on: str
    tried: str
    early: str
    causes: str = CAUSES


def describe_paths(found: JourneyPaths) -> PathsSection:
    """The texts, the chart and the rows of the section."""
    hidden = len(found.paths) - _SHOWN
    flows = found.flows
    return PathsSection(
        sentence=sentence(found),
        rows=tuple(map(_path_row, found.paths[:_SHOWN])),
        more=pluralize(hidden, "more path") if hidden > 0 else "",
        chart=Markup(flow_chart(flows)),
        nodes=tuple(
            _NodeRow(
                node.place,
                _name_step(node),
                mark_percent(node.won / flows.won),
                mark_percent(node.others / flows.others),
            )
            for node in flows.nodes
        ),
        stages=tuple(
            _StageRow(
                name_stage(stage.stage),
                mark_count(stage.leads),
                _quartiles(stage.days, 1),
                _quartiles(stage.touches, 0),
            )
            for stage in found.stages
        ),
        rests_on=(
            f"This compares {pluralize(found.leads, 'lead')} that were still open {days_text(found.within_days)} "
            f"after creation by what they had done by then; {format_percent(found.won / found.leads)} of them were "
            f"won in the {days_text(found.horizon_days)} after that."
        ),
        tried=describe_tried(found),
        early=describe_early(found),
    )


def days_text(days: float) -> str:
    """``14 days``; below one day in hours."""
    return pluralize(days, "day") if days >= 1 else pluralize(24 * days, "hour")


def _name_step(node: StepNode) -> str:
    return format_name(node.step) if node.step else "other steps"


def path_text(steps: Iterable[str]) -> str:
    """``webinar > demo``."""
    return " > ".join(map(format_name, steps))


def sentence(found: JourneyPaths) -> Markup:
    """What a marketer takes from the paths."""
    more = next((path for path in found.paths if path.lift.value > 1), None)
    less = next((path for path in found.paths if path.lift.value < 1), None)
    if found.tried == 0:
        return Markup("No path was taken by the {} leads that a comparison needs.").format(
            mark_count(found.min_leads)
        )
    if more is None and less is None:
        which = Markup("the only frequent path")
        if found.tried > 1:
            which = Markup("one of the {} most frequent paths").format(mark_count(found.tried))
        return Markup(
            "No path stands out: leads that take {} are won about as often as leads with a similar number of steps."
        ).format(which)
    parts = []
    if more is not None:
        parts.append(
            Markup(
                "Leads with “{}” in their first {} are won {} times as often ({} to {}) as leads with a similar "
                "number of steps: {} compared with {}. Test whether bringing more leads there wins more of them."
            ).format(*_compare(more, found))
        )
    if less is not None:
        parts.append(
            Markup(
                "Leads with “{}” in their first {} are won less often: {}, compared with {} of leads with a similar "
                "number of steps."
            ).format(*_win_rates(less, found))
        )
    return Markup(" ").join(parts)


def _win_rates(path: Path, found: JourneyPaths) -> tuple[str | Markup, ...]:
    within = days_text(found.within_days)
    return path_text(path.steps), within, mark_percent(path.rate), mark_percent(path.expected_rate)


def _compare(path: Path, found: JourneyPaths) -> tuple[str | Markup, ...]:
    lift = path.lift
    return (
        path_text(path.steps),
        days_text(found.within_days),
        *(mark(value, format_number(value, 1)) for value in (lift.value, lift.low, lift.high)),
        mark_percent(path.rate),
        mark_percent(path.expected_rate),
    )


def describe_tried(found: JourneyPaths) -> str:
    """How many paths were tried, and the standard for showing one."""
    verb = "was" if found.tried == 1 else "were"
    text = (
        f"{pluralize(found.tried, 'path')} taken by at least {pluralize(found.min_leads, 'lead')} {verb} tested. "
        f"If paths had no effect, one would be shown in at most {format_percent(found.error_rate, 0)} of companies."
    )
    if found.paths:
        text += " With so many tested, luck plays a part in those that stand out: expect somewhat smaller effects."
    if not found.nested:
        return text
    one = found.nested == 1
    return (
        f"{text} {pluralize(found.nested, 'further path')} that {'stands' if one else 'stand'} out "
        f"{'contains' if one else 'contain'} a shown one or {'is' if one else 'are'} part of it."
    )


def describe_early(found: JourneyPaths) -> str:
    """How many sales came too early to be compared; empty if none did."""
    if not found.early:
        return ""
    return (
        f"{pluralize(found.early, 'lead')} won before that {'is' if found.early == 1 else 'are'} left out: "
        f"{'its' if found.early == 1 else 'their'} steps ended sooner, so no fair comparison is possible."
    )


def _path_row(path: Path) -> _PathRow:
    return _PathRow(
        path_text(path.steps),
        mark_count(path.leads),
        mark_count(path.won),
        mark_percent(path.rate),
        mark_percent(path.expected_rate),
        mark_number(path.lift.value, 1),
        Markup("{} to {}").format(mark_number(path.lift.low, 1), mark_number(path.lift.high, 1)),
    )


def _quartiles(found: Quartiles, decimals: int) -> Markup:
    return Markup("{} ({} to {})").format(
        *(mark_number(value, decimals) for value in (found.median, found.low, found.high))
    )


def flow_chart(flows: StepFlows, *, key: str = "paths-chart") -> str:
    """The first steps of won leads, as a Sankey diagram; steps that only other leads took are in the table."""
    drawn = [place for place, node in enumerate(flows.nodes) if node.won]
    nodes = [
        Node(
            node.place - 1,
            _name_step(node),
            format_percent(node.won / flows.won),
            node.won / flows.won,
            plain=node.kind == "other",
        )
        for node in (flows.nodes[place] for place in drawn)
    ]
    links = [
        Link(drawn.index(flow.source), drawn.index(flow.target), flow.won / flows.won)
        for flow in flows.flows
        if flow.won
    ]
    text = " ".join(
        f"Step {place}: {_list_nodes([node for node in flows.nodes if node.place == place], flows)}."
        for place in sorted({node.place for node in flows.nodes})
    )
    return draw_sankey(
        nodes,
        links,
        heads=[f"Step {place + 1}" for place in sorted({node.column for node in nodes})],
        key=key,
        title="The first steps of won leads",
        desc=f"Shares of won leads, and of the others. {text}",
    )


def _list_nodes(nodes: list[StepNode], flows: StepFlows) -> str:
    return ", ".join(
        f"{_name_step(node)} {format_percent(node.won / flows.won)} against "
        f"{format_percent(node.others / flows.others)}"
        for node in nodes
    )


def paths_rows(found: JourneyPaths) -> Iterable[Row]:
    """A row for each path."""
    return ({"path": path_text(path.steps), **flatten(to_json_safe(path))} for path in found.paths)


def write_paths(section: PathsSection) -> list[str]:
    """The section as lines of Markdown."""
    lines = ["### Which paths are linked to sales?", "", to_markdown(section.sentence), ""]
    if section.rows:
        rows = (
            (
                escape_markdown(row.path),
                *map(to_markdown, (row.leads, row.won, row.rate, row.expected, row.lift, row.interval)),
            )
            for row in section.rows
        )
        heads = ("Path", "Leads", "Won", "Rate", "Equally active leads", "Times as often", "90% interval")
        lines += [*markdown_table(heads, rows), ""]
    if section.nodes:
        nodes = (
            (
                str(node.place),
                escape_markdown(node.step),
                to_markdown(node.won),
                to_markdown(node.others),
            )
            for node in section.nodes
        )
        lines += [*markdown_table(("Place", "Step", "Won leads", "Other leads"), nodes), ""]
    if section.stages:
        stages = (
            (
                escape_markdown(row.stage),
                *map(to_markdown, (row.leads, row.days, row.touches)),
            )
            for row in section.stages
        )
        lines += [*markdown_table(("To reach", "Leads", "Days", "Touches"), stages), ""]
    notes = (section.rests_on, section.tried, section.early, section.causes)
    return [*lines, escape_markdown(" ".join(note for note in notes if note))]
