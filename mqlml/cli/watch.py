"""Commands that watch a version and adjust it: monitor, recalibrate and thresholds."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mqlml.cli.app import DEFAULT, AsOf, ConfigPath, Json, Model, Terminal, app, now, show
from mqlml.errors import GateRefused


@app.command(
    short_help="Check whether a version still performs.",
    epilog="Example: mqlml monitor --as-of 2018-09-01 --scores 'scores-*.parquet' --fail-on retrain",
)
def monitor(
    as_of: AsOf = None,
    scores: Annotated[
        str | None,
        typer.Option(
            "--scores",
            metavar="PATH",
            help="Stored scores: a file, a folder, a pattern with *, or the URL of a database. Without it, the "
            "version scores the open leads of each week since its training again.",
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
    """Compare a version's scores with what has happened since, and say what to do about it."""
    from mqlml.commands.monitor import MonitorOptions, monitor_version
    from mqlml.monitoring import is_at_least
    from mqlml.render.console.monitor import format_monitor

    options = MonitorOptions(model=model, scores=scores, table=table)
    result = monitor_version(config, as_of=as_of, options=options, now=now(), progress=Terminal())
    show(result, format_monitor(result), as_json)
    if fail_on is not None and is_at_least(result.verdict, fail_on):
        typer.echo(f"mqlml: the verdict is {result.verdict} (--fail-on {fail_on})", err=True)
        raise typer.Exit(GateRefused.exit_code)


@app.command(
    short_help="Fit a version to recent outcomes without retraining.", epilog="Example: mqlml recalibrate"
)
def recalibrate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the result, but register nothing.")
    ] = False,
    config: ConfigPath = DEFAULT,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Make a version with the same trees, whose probabilities and thresholds fit outcomes since training."""
    from mqlml.commands.recalibrate import recalibrate_version
    from mqlml.render.console.adjust import format_recalibrate

    result = recalibrate_version(config, model=model, register_it=not dry_run, now=now(), progress=Terminal())
    show(result, format_recalibrate(result), as_json)


@app.command(
    short_help="Try other thresholds.",
    epilog="Example: mqlml thresholds --set mql=0.12 --scores scores.csv --reason 'more leads for the new team'",
)
def thresholds(
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="LABEL=P", help="A threshold to try, such as mql=0.12; may be repeated."
        ),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason", metavar="TEXT", help="Why; given this, a version with these thresholds is registered."
        ),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(
            "--scores", metavar="PATH", help="Stored scores, to show which open leads would change label."
        ),
    ] = None,
    config: ConfigPath = DEFAULT,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Show what thresholds bring: leads a week, precision, customers caught, and who changes label."""
    from mqlml.commands.thresholds import parse_thresholds, show_thresholds
    from mqlml.render.console.adjust import format_thresholds

    result = show_thresholds(
        config,
        values=parse_thresholds(values or []),
        reason=reason,
        scores=scores,
        model=model,
        now=now(),
        progress=Terminal(),
    )
    show(result, format_thresholds(result), as_json)
