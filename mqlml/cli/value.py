"""Commands about what pays: how sales divide among channels."""

from __future__ import annotations

from typing import Annotated

import typer

from mqlml.cli.app import DEFAULT, ConfigPath, Json, Terminal, app, now, show


@app.command(
    short_help="Divide sales among channels.", epilog="Example: mqlml attribute --half-life 14d --json"
)
def attribute(
    config: ConfigPath = DEFAULT,
    half_life: Annotated[
        str,
        typer.Option(
            "--half-life", metavar="TIME", help="Time decay: a touch this much earlier counts half."
        ),
    ] = "7d",
    as_json: Json = False,
) -> None:
    """Divide the sales of past journeys among the channels on the way to them, by seven methods.

    It shows how often channels go with sales. It does not show that they cause them.
    """
    from mqlml.commands import attribute_channels
    from mqlml.render import format_attribution

    result = attribute_channels(config, half_life=half_life, now=now(), progress=Terminal())
    show(result, format_attribution(result), as_json)
