"""Commands about which version scores: compare, promote, rollback, history, retrain and reproduce."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mqlml.cli.app import DEFAULT, ConfigPath, Json, Terminal, app, now, show
from mqlml.errors import GateRefused

Why = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why, to be recorded in the history.")
]


@app.command(short_help="Compare two versions on later leads.", epilog="Example: mqlml compare 1 2")
def compare(
    first: Annotated[
        str | None,
        typer.Argument(metavar="A", help="A number or alias; given alone, it is compared with the champion."),
    ] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="B", help="A number or alias; the challenger by default.")
    ] = None,
    config: ConfigPath = DEFAULT,
    as_json: Json = False,
) -> None:
    """Compare two versions on the same later snapshots that neither learned from, and on the open leads.

    For two models that predict different outcomes (NAME@champion OTHER@champion), it shows whom each would call.
    """
    from mqlml.commands.compare import compare_versions
    from mqlml.render.console.outcomes import format_outcomes
    from mqlml.render.console.versions import format_compare
    from mqlml.render.version_results import CompareResult

    result = compare_versions(config, first, second, now=now(), progress=Terminal())
    text = format_compare(result) if isinstance(result, CompareResult) else format_outcomes(result)
    show(result, text, as_json)


@app.command(short_help="Make a version the champion.", epilog="Example: mqlml promote 3")
def promote(
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="A number or alias; the challenger by default.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote it regardless of the rule; needs --reason.")
    ] = False,
    reason: Why = None,
    config: ConfigPath = DEFAULT,
    as_json: Json = False,
) -> None:
    """Make a version the champion, which does the scoring, if it is shown to predict later leads better."""
    from mqlml.commands.promote import promote_version
    from mqlml.render.console.versions import format_champion

    progress = Terminal()
    result = promote_version(config, version, force=force, reason=reason, now=now(), progress=progress)
    show(result, format_champion(result), as_json)
    if not result.changed:
        raise typer.Exit(GateRefused.exit_code)


@app.command(short_help="Undo the last promotion.", epilog="Example: mqlml rollback --reason 'too many MQLs'")
def rollback(
    reason: Why = None,
    config: ConfigPath = DEFAULT,
    as_json: Json = False,
) -> None:
    """Make the previous champion the champion again."""
    from mqlml.commands.promote import roll_back
    from mqlml.render.console.versions import format_champion

    result = roll_back(config, reason=reason, now=now(), progress=Terminal())
    show(result, format_champion(result), as_json)


@app.command(
    short_help="Show which version was the champion when.", epilog="Example: mqlml history --at 2026-03-01"
)
def history(
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="TIME", help="Show which version was the champion at this time, in data.timezone."
        ),
    ] = None,
    config: ConfigPath = DEFAULT,
    as_json: Json = False,
) -> None:
    """Show every change of the champion: who, when, why and on what evidence."""
    from mqlml.commands.promote import show_history
    from mqlml.render.console.versions import format_history

    result = show_history(config, at=at)
    show(result, format_history(result), as_json)


@app.command(
    short_help="Train, compare, and promote the new version or keep the old.",
    epilog="Example: mqlml retrain --out report.html",
)
def retrain(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where the report goes; report.html by default."),
    ] = None,
    config: ConfigPath = DEFAULT,
    as_json: Json = False,
) -> None:
    """Train a version, compare it with the champion, promote it if it is shown to be better, and write the report.

    For unattended jobs: one line says what happened. Exit code 3 if the new model was refused.
    """
    from mqlml.commands.retrain import retrain
    from mqlml.render.console.versions import format_retrain

    result = retrain(config, out, now=now(), progress=Terminal())
    show(result, format_retrain(result), as_json)
    if result.outcome == "refused":
        raise typer.Exit(GateRefused.exit_code)


@app.command(short_help="Train a version again.", epilog="Example: mqlml reproduce 3")
def reproduce(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A number or alias.")],
    config: ConfigPath = DEFAULT,
    as_json: Json = False,
) -> None:
    """Train a version again from its own config, and show that predictions are identical, or what has changed.

    Exit code 3 if they are not.
    """
    from mqlml.commands.reproduce import reproduce
    from mqlml.render.console.versions import format_reproduce

    result = reproduce(config, version, now=now(), progress=Terminal())
    show(result, format_reproduce(result), as_json)
    if not result.identical:
        raise typer.Exit(GateRefused.exit_code)
