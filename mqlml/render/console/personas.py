"""Console text of ``mqlml personas``: the kinds of buyers, and the same as YAML for the config."""

from __future__ import annotations

import yaml

from mqlml.evaluation import Estimate
from mqlml.insight.personas.buyers import Persona, Personas, personas_as_written
from mqlml.render.report.value.personas import BUYERS, NONE_FOUND
from mqlml.render.results import PersonasResult
from mqlml.texts import format_name, format_number, format_percent, join_texts, pluralize

__all__ = ["format_persona_yaml", "format_personas"]


def format_personas(result: PersonasResult) -> str:
    """The personas in words, and what they cannot say."""
    head = (
        f"{pluralize(result.won, 'won lead')} of {pluralize(result.leads, 'lead')} "
        f"({_share(result.conversion)}), compared by {join_texts([format_name(name) for name in result.attributes])}"
    )
    if not result.personas:
        return "\n".join([head, NONE_FOUND[result.finding], BUYERS])
    lines = [head]
    for persona in result.personas:
        lines += _persona(persona)
    lines.append("To use them as features, add what mqlml personas --yaml prints to the config")
    return "\n".join([*lines, BUYERS])


def _persona(persona: Persona) -> list[str]:
    lines = [
        f"{persona.name}",
        f"  {format_percent(persona.share_of_won)} of won leads ({format_number(persona.won)}); of "
        f"{pluralize(persona.leads, 'lead')} that look alike, {_share(persona.conversion)} were won",
    ]
    if persona.traits:
        traits = (
            f"{trait.text} ({format_percent(trait.share)}, all leads {format_percent(trait.share_of_all)})"
            for trait in persona.traits[:4]
        )
        lines.append(f"  More often than among all leads: {'; '.join(traits)}")
    if persona.channels:
        channels = (
            f"{one.channel} {format_percent(one.share)} (all won {format_percent(one.share_of_won)})"
            for one in persona.channels
        )
        lines.append(f"  First seen through: {', '.join(channels)}")
    return lines


def _share(estimate: Estimate) -> str:
    low, high = format_percent(estimate.low), format_percent(estimate.high)
    return f"{format_percent(estimate.value)}, {low} to {high}"


def format_persona_yaml(result: Personas) -> str:
    """The section ``personas`` for the config, with what each is as a comment."""
    written = personas_as_written(result)
    if not written:
        return "# no stable segments among won leads\npersonas: {}"
    lines = ["personas:"]
    for persona in result.personas:
        if persona.key in written:
            name = " ".join(persona.name.split())
            lines.append(
                f"  # {name}. Met by {format_percent(persona.met_inside)} of its won leads, and by "
                f"{format_percent(persona.met_outside)} of the others"
            )
            text = yaml.safe_dump(
                {persona.key: written[persona.key]},
                default_flow_style=None,
                allow_unicode=True,
                sort_keys=False,
            )
            lines += [f"  {line}" for line in text.splitlines()]
    return "\n".join(lines)
