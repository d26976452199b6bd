"""Commands that need no version: the demo, the first config, and what the data holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mqlml.cli.app import DEFAULT, ConfigPath, Json, Model, Terminal, app, now, show


@app.command(short_help="Run every step on simulated data.", epilog="Example: mqlml demo try-it")
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write to.")] = Path(
        "mqlml-demo"
    ),
    leads: Annotated[int, typer.Option(min=500, help="How many leads to simulate.")] = 4000,
    as_json: Json = False,
) -> None:
    """Simulate a company's leads and run every step: check, train, score, report."""
    from mqlml.commands.demo import make_demo
    from mqlml.render.console.common import format_demo

    result = make_demo(folder, n_leads=leads, now=now(), progress=Terminal())
    show(result, format_demo(result), as_json)


@app.command(
    short_help="Write a first config from your files.",
    epilog="Example: mqlml init contacts.csv activities.csv deals.csv",
)
def init(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Your exports, one table each: leads, events, outcomes."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The config to write.")] = DEFAULT,
    as_json: Json = False,
) -> None:
    """Read your files and write a first config, with comments.

    It finds out which file holds the leads, how the others point to them, what the columns mean, how times are
    written, and how far ahead to predict. What the files do not tell is marked CHECK.
    """
    from mqlml.commands.init import write_first_config
    from mqlml.render.console.common import format_init

    result = write_first_config(files, out, now=now(), progress=Terminal())
    show(result, format_init(result), as_json)


@app.command(short_help="Check the data before training.", epilog="Example: mqlml check --config mqlml.yml")
def check(config: ConfigPath = DEFAULT, as_json: Json = False) -> None:
    """Read all data and show what is usable, what was set aside, what may leak, and whether there is enough."""
    from mqlml.commands.check import check_data
    from mqlml.render.console.common import format_check

    result = check_data(config, now=now(), progress=Terminal())
    show(result, format_check(result), as_json)


@app.command(
    short_help="List the features and what was left out.",
    epilog="Example: mqlml features --model leads@champion",
)
def features(config: ConfigPath = DEFAULT, model: Model = None, as_json: Json = False) -> None:
    """List every feature of your config and data, or of a version: name, family, meaning, window, source.

    Columns that became no feature are listed with the reason. Features of your own are checked.
    """
    from mqlml.commands.features import format_features, list_features, list_version_features

    if model is None:
        result = list_features(config, now=now(), progress=Terminal())
    else:
        result = list_version_features(config, model=model, progress=Terminal())
    show(result, format_features(result), as_json)


@app.command(short_help="Write the training table.", epilog="Example: mqlml table --out training.parquet")
def table(
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", metavar="PATH", help="A .parquet or .csv file, or a folder of .parquet files."
        ),
    ],
    config: ConfigPath = DEFAULT,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            "--memory-limit",
            metavar="SIZE",
            help="Replaces data.memory_limit, such as 800MB.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the training table: lead_id, cutoff_time, label and every feature, as known at the cutoff.

    A table larger than the memory limit is built in parts; a run that stopped resumes.
    """
    from mqlml.commands.table import write_training_table
    from mqlml.render.console.common import format_table

    result = write_training_table(config, out, memory_limit=memory_limit, now=now(), progress=Terminal())
    show(result, format_table(result), as_json)
