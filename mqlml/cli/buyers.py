"""The command about who buys: personas."""

from __future__ import annotations

from typing import Annotated

import typer

from mqlml.cli.app import DEFAULT, ConfigPath, Json, Terminal, app, now, show


@app.command(short_help="Find the kinds of buyers among won leads.", epilog="Example: mqlml personas --yaml")
def personas(
    config: ConfigPath = DEFAULT,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print a personas section for the config instead of text.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find the few kinds of buyers among won leads, and how often leads that look alike are won.

    Segments are printed only if they are stable and more than chance; otherwise it says so.
    """
    from mqlml.commands.personas import describe_buyers
    from mqlml.render.console.personas import format_persona_yaml, format_personas

    result = describe_buyers(config, now=now(), progress=Terminal())
    show(result, format_persona_yaml(result) if as_yaml else format_personas(result), as_json)
