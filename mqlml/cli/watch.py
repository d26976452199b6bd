"""Commands that watch a version and adjust it: monitor."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mqlml.cli.app import DEFAULT, AsOf, ConfigPath, Json, Model, Terminal, app, now, show
from mqlml.errors import GateRefused


@app.command(
    short_help="See whether a version still holds.",
    epilog="Example: mqlml monitor --as-of 2018-09-01 --scores 'scores-*.parquet' --fail-on retrain",
)
def monitor(
    as_of: AsOf = None,
    scores: Annotated[
        str | None,
        typer.Option(
            "--scores",
            metavar="PATH",
            help="Stored scores: a file, a folder, a pattern with *, or the URL of a database. Without, the version "
            "scores the open leads of each week since its training again.",
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="NAME", help="The table in a database; lead_scores if left out."),
    ] = None,
    fail_on: Annotated[
        Literal["recalibrate", "retrain", "stop"] | None,
        typer.Option("--fail-on", help="End with exit code 3 for this verdict or a more severe one."),
    ] = None,
    config: ConfigPath = DEFAULT,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Compare what a version scored with what has happened since, and say what to do about it."""
    from mqlml.commands.monitor import MonitorOptions, monitor_version
    from mqlml.monitoring import is_at_least
    from mqlml.render.console.monitor import format_monitor

    options = MonitorOptions(model=model, scores=scores, table=table)
    result = monitor_version(config, as_of=as_of, options=options, now=now(), progress=Terminal())
    show(result, format_monitor(result), as_json)
    if fail_on is not None and is_at_least(result.verdict, fail_on):
        typer.echo(f"mqlml: the verdict is {result.verdict} (--fail-on {fail_on})", err=True)
        raise typer.Exit(GateRefused.exit_code)
