"""The command line's app: what every command shares, from options and the clock to printing a result."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqlml import __version__
from mqlml.cli.terminal import Terminal

if TYPE_CHECKING:
    from mqlml.results import Result

__all__ = [
    "DEFAULT",
    "AsOf",
    "ConfigPath",
    "Json",
    "Model",
    "Terminal",
    "app",
    "now",
    "order_commands",
    "show",
    "show_json",
]

app = typer.Typer(
    name="mqlml",
    help="Learn from closed-won history which leads convert, and label every open lead MQL, SQL or neither.",
    epilog="To try it: mqlml demo. With your own data: mqlml init FILES, then mqlml check, train, score, report.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The config: what to read and predict.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        help="The prediction date in data.timezone, such as 2018-06-01 or 2018-06-01T09:00.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME@VERSION",
        help="A version other than the champion, by number or alias, such as leads@3.",
    ),
]

DEFAULT = Path("mqlml.yml")


def order_commands(*names: str) -> None:
    """Let help list the commands in this order, those that are not named last."""
    places = {name: place for place, name in enumerate(names)}
    app.registered_commands.sort(
        key=lambda one: places.get(str(one.name or getattr(one.callback, "__name__", "")), len(places))
    )


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def show(result: Result, text: str, as_json: bool) -> None:
    if as_json:
        from mqlml.results import to_json_safe

        show_json(to_json_safe(result))
    else:
        typer.echo(text)


def show_json(values: dict[str, object]) -> None:
    typer.echo(json.dumps(values, ensure_ascii=False, allow_nan=False))


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"mqlml {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What every command shares."""
