"""Commands about what pays: channels, sources, paths, and points for a CRM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mqlml.cli.app import DEFAULT, ConfigPath, Json, Model, Terminal, app, now, show


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
    """Divide past sales among the channels that came before them, by seven methods.

    It shows which channels go along with sales. It does not show that they cause them.
    """
    from mqlml.commands.attribute import attribute_channels
    from mqlml.render.console.value import format_attribution

    result = attribute_channels(config, half_life=half_life, now=now(), progress=Terminal())
    show(result, format_attribution(result), as_json)


@app.command(
    short_help="Show what a lead from each source is worth.",
    epilog="Example: mqlml sources --by lead_source --scores scores.parquet",
)
def sources(
    config: ConfigPath = DEFAULT,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="COLUMN",
            help="The leads column that holds the source; by default the first one named like a source.",
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option("--scores", metavar="PATH", help="Scores of open leads, to value those of each source."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a lead from each source brings in, and, where the config names spend, what it costs.

    Small sources are pulled toward the average, so that none comes out on top by luck.
    """
    from mqlml.commands.sources import value_lead_sources
    from mqlml.render.console.sources import format_sources

    result = value_lead_sources(config, by=by, scores=scores, now=now(), progress=Terminal())
    show(result, format_sources(result), as_json)


@app.command(
    short_help="Find the paths that are linked to sales.",
    epilog="Example: mqlml paths --within 7d --step channel",
)
def paths(
    config: ConfigPath = DEFAULT,
    within: Annotated[
        str,
        typer.Option(
            "--within", metavar="TIME", help="Compare leads by what they did this long after creation."
        ),
    ] = "14d",
    step: Annotated[
        Literal["action", "channel"] | None,
        typer.Option(
            "--step",
            help="What a step is; by default the action, or the channel if there is one action only.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find sequences of steps after which leads are won more or less often than leads with as many steps.

    It shows which paths go along with sales. It does not show that they cause them.
    """
    from mqlml.commands.paths import find_journey_paths
    from mqlml.render.console.paths import format_paths

    result = find_journey_paths(config, within=within, step=step, now=now(), progress=Terminal())
    show(result, format_paths(result), as_json)


@app.command(short_help="Make a points table for a CRM.", epilog="Example: mqlml points --out points.csv")
def points(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write the rows as CSV (.csv), or everything as Markdown (.md).",
        ),
    ] = None,
    config: ConfigPath = DEFAULT,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Turn the model into a few conditions with whole points, and test them on later leads.

    With too few conversions for a model, points come from your own conversion rates, and it says when there will be
    enough.
    """
    from mqlml.commands.points import make_points
    from mqlml.render.console.value import format_points

    result = make_points(config, model=model, out=out, now=now(), progress=Terminal())
    show(result, format_points(result), as_json)
