"""Commands that make versions: backtest and train."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from mqlml.cli.app import DEFAULT, ConfigPath, Json, Terminal, app, now, show
from mqlml.errors import GateRefused


@app.command(short_help="Test on the past, period by period.", epilog="Example: mqlml backtest --json")
def backtest(
    config: ConfigPath = DEFAULT,
    periods: Annotated[int, typer.Option(min=2, max=60, help="Split the past into at most this many.")] = 12,
    as_json: Json = False,
) -> None:
    """Predict each past period with a model trained before it, and see how models age.

    The held-out period is not used.
    """
    from mqlml.commands.backtest import backtest
    from mqlml.render.console.explain import format_backtest

    result = backtest(config, periods=periods, now=now(), progress=Terminal())
    show(result, format_backtest(result), as_json)


@app.command(short_help="Train, evaluate and register a version.", epilog="Example: mqlml train --dry-run")
def train(
    config: ConfigPath = DEFAULT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Evaluate, but register nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Train, calibrate, choose thresholds, evaluate on the held-out last period, and register a version."""
    from mqlml.commands.train import train_version
    from mqlml.render.console.train import format_train

    progress = Terminal()
    trained = train_version(config, register_it=not dry_run, now=now(), progress=progress)
    result = replace(trained, seconds=progress.seconds)
    show(result, format_train(result), as_json)
    if not result.gate.passed:
        typer.echo("mqlml: the gate refused this model; nothing was registered", err=True)
        raise typer.Exit(GateRefused.exit_code)
