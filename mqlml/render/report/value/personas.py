"""The report's section on personas: who buys, how often each kind does, and what sets it apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from mqlml.evaluation import Estimate
from mqlml.insight.personas.buyers import Persona, Personas
from mqlml.render.report.rows import Row, escape_markdown, flatten, markdown_table, to_markdown
from mqlml.render.report.svg import WIDTH, Scale, coord, draw_chart, draw_line, draw_text, nice_ticks
from mqlml.render.report.text import mark, mark_count, mark_interval, mark_percent
from mqlml.results import to_json_safe
from mqlml.texts import format_name, format_percent, join_texts, pluralize

__all__ = ["BUYERS", "NONE_FOUND", "PersonasSection", "describe_personas", "list_personas", "write_personas"]

BUYERS = (
    "Personas say who buys, not why. Leads that sales did not pursue were not won either, and what is in no column "
    "cannot tell buyers apart."
)
"""What personas cannot say."""

NONE_FOUND = {
    "found": "",
    "unstable": "No stable segments: a different set of won leads would give different segments.",
    "not_beyond_chance": "No stable segments: buyers do not fall into distinct groups. Their attributes occur "
    "together no more often than chance and gradual differences explain.",
}
"""Why there are none."""

_TRAITS = 4
"""Traits that are shown of each persona."""


@dataclass(frozen=True)
class _Row:
    name: str
    won: Markup
    share: Markup
    leads: Markup
    conversion: Markup
    interval: Markup
    traits: tuple[Markup, ...]
    channels: tuple[Markup, ...]


@dataclass(frozen=True)
class PersonasSection:
    """What the section shows.

    Attributes
    ----------
    sentence : Markup
        What a marketer takes from it.
    chart : Markup or None
        None without personas, as ``rows`` is empty then.
    rows : tuple
        A row for each persona.
    rests_on, buyers : str
        What it was computed from, and what it cannot say.
    """

    sentence: Markup
    chart: Markup | None
    rows: tuple[_Row, ...]
    rests_on: str
    buyers: str = BUYERS


def describe_personas(found: Personas) -> PersonasSection:
    """The texts, the chart and the rows of the section."""
    return PersonasSection(
        sentence=_sentence(found) if found.personas else Markup("{}").format(NONE_FOUND[found.finding]),
        chart=Markup(personas_chart(found)) if found.personas else None,
        rows=tuple(_row(persona) for persona in found.personas),
        rests_on=_rests_on(found),
    )


def _sentence(found: Personas) -> Markup:
    best = max(found.personas, key=lambda persona: persona.conversion.value)
    number, average = len(found.personas), mark_percent(found.conversion.value)
    text = Markup("Buyers fall into {} groups.").format(mark(number, str(number)))
    if best.conversion.low <= found.conversion.value:
        return text + Markup(" None of them is clearly won more often than the average lead ({}).").format(
            average
        )
    return text + Markup(
        " Leads like “{}” are won most often: {} of them ({}), compared with {} of all leads."
    ).format(best.name, mark_percent(best.conversion.value), mark_interval(best.conversion), average)


def _row(persona: Persona) -> _Row:
    return _Row(
        name=persona.name,
        won=mark_count(persona.won),
        share=mark_percent(persona.share_of_won),
        leads=mark_count(persona.leads),
        conversion=mark_percent(persona.conversion.value),
        interval=mark_interval(persona.conversion),
        traits=tuple(
            Markup("{}: {} (all leads: {})").format(
                trait.text, mark_percent(trait.share), mark_percent(trait.share_of_all)
            )
            for trait in persona.traits[:_TRAITS]
        ),
        channels=tuple(
            Markup("{} {} (all won leads: {})").format(
                one.channel, mark_percent(one.share), mark_percent(one.share_of_won)
            )
            for one in persona.channels
        ),
    )


def _rests_on(found: Personas) -> str:
    text = (
        f"Computed from {pluralize(found.won, 'won lead')} of {pluralize(found.leads, 'lead')}, compared by "
        f"{join_texts([format_name(name) for name in found.attributes])}. "
        "Only the first won lead of each account counts toward the groups."
    )
    if found.undescribed:
        text += f" Too little is known about {pluralize(found.undescribed, 'won lead')}."
    return text


def personas_chart(found: Personas) -> str:
    """A row for each persona: the share of leads like it that was won, with its interval, against all leads."""
    left, right, top, height = 8.0, WIDTH - 8.0, 8.0, 44.0
    estimates = [found.conversion, *(persona.conversion for persona in found.personas)]
    ticks = nice_ticks(max(estimate.high for estimate in estimates))
    across = Scale(0, ticks[-1], left, right)
    bottom = top + height * len(found.personas)
    parts = [draw_line(across(tick), top, across(tick), bottom, "grid") for tick in ticks]
    for place, persona in enumerate(found.personas):
        y = top + place * height
        parts.append(draw_text(left, y + 15, _shorten(persona.name), anchor="start", tone="name"))
        average = across(found.conversion.value)
        parts.append(draw_line(average, y + 21, average, y + 39, "average"))
        parts += _whisker(across, persona.conversion, y + 30)
    parts += [
        draw_text(
            across(tick), bottom + 16, format_percent(tick), anchor="end" if tick == ticks[-1] else "middle"
        )
        for tick in ticks[1:]
    ]
    parts.append(
        draw_text(right, bottom + 32, "Share of leads like it that were won →", anchor="end", tone="axis")
    )
    return draw_chart(
        "personas-chart", bottom + 38, "How often leads like each persona are won", _describe(found), parts
    )


def _whisker(across: Scale, estimate: Estimate, y: float) -> list[str]:
    point = f'<circle class="method model" cx="{coord(across(estimate.value))}" cy="{coord(y)}" r="3.5"/>'
    return [draw_line(across(estimate.low), y, across(estimate.high), y, "whisker"), point]


_LETTERS = 52
"""Letters of a name that the chart has room for; the table has all of it."""


def _shorten(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1].rstrip()}…"


def _describe(found: Personas) -> str:
    each = "; ".join(
        f"{persona.name}: {format_percent(persona.conversion.value)}, {format_percent(persona.conversion.low)} to "
        f"{format_percent(persona.conversion.high)}"
        for persona in found.personas
    )
    return f"{each}; all leads: {format_percent(found.conversion.value)}."


def list_personas(found: Personas | None) -> dict[str, Iterable[Row]]:
    """The tables: a row for each persona, for each trait and for each channel of one."""
    personas = found.personas if found else ()
    return {
        "personas": [flatten(to_json_safe(replace(persona, conditions={}))) for persona in personas],
        "persona_traits": [
            {"persona": persona.key, **flatten(to_json_safe(trait))}
            for persona in personas
            for trait in persona.traits
        ],
        "persona_channels": [
            {"persona": persona.key, **flatten(to_json_safe(channel))}
            for persona in personas
            for channel in persona.channels
        ],
    }


def write_personas(section: PersonasSection) -> list[str]:
    """The section as lines of Markdown."""
    lines = ["### Who buys?", "", to_markdown(section.sentence), ""]
    if section.rows:
        heads = (
            "Persona",
            "Won leads",
            "Of all won",
            "Leads like it",
            "Of these won",
            "90% interval",
            "Sets it apart",
        )
        rows = (
            (
                escape_markdown(row.name),
                *(
                    to_markdown(cell)
                    for cell in (row.won, row.share, row.leads, row.conversion, row.interval)
                ),
                _join(row.traits),
            )
            for row in section.rows
        )
        lines += [*markdown_table(heads, rows), ""]
    return [*lines, escape_markdown(f"{section.rests_on} {section.buyers}")]


def _join(cells: Sequence[Markup]) -> str:
    return "; ".join(to_markdown(cell) for cell in cells)
