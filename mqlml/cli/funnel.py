"""Commands about the funnel: how far leads get, and how many are needed."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mqlml.cli.app import DEFAULT, ConfigPath, Json, Terminal, app, now, show


@app.command(short_help="Show how far leads get.", epilog="Example: mqlml funnel --by month --json")
def funnel(
    config: ConfigPath = DEFAULT,
    by: Annotated[Literal["month", "quarter"], typer.Option("--by", help="Length of a period.")] = "quarter",
    as_json: Json = False,
) -> None:
    """Show what share of each period's leads becomes MQL, SQL and customer, and how long it takes.

    What young leads have still to come is estimated from older ones, so that the last periods do not look worse.
    """
    from mqlml.commands import show_funnel
    from mqlml.render import format_funnel

    result = show_funnel(config, by=by, now=now(), progress=Terminal())
    show(result, format_funnel(result), as_json)
