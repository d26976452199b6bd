"""The front door: each command parses its options, calls one function and prints the result."""

from __future__ import annotations

import datetime as dt
import json
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import typer

from mqlml import __version__
from mqlml.errors import GateRefused, MqlmlError

if TYPE_CHECKING:
    from mqlml.results import Result

__all__ = ["app", "main"]

app = typer.Typer(
    name="mqlml",
    help="Learns from your closed-won history which leads convert, and labels every open lead MQL, SQL or neither.",
    epilog="Start with: mqlml demo. Your own data: write mqlml.yml, then mqlml check, train, score, report.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Item = TypeVar("Item")

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The file that says what to read and predict.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        help="The prediction date, as 2018-06-01 or 2018-06-01T09:00, in data.timezone.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME@VERSION",
        help="A version other than the champion, by number or alias, as leads@3.",
    ),
]

DEFAULT = Path("mqlml.yml")


class Terminal:
    """A `Progress` that times every step and shows it on standard error if that is a terminal."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._shown = sys.stderr.isatty()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        took = time.perf_counter() - start
        self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 3)
        if self._shown:
            typer.echo(f"  {name}: {took:.1f} s", err=True)

    def track(self, items: Sequence[Item], name: str) -> Iterable[Item]:
        from tqdm import tqdm

        bar: Iterable[Item] = tqdm(
            items, desc=f"  {name}", disable=not self._shown, leave=False, file=sys.stderr
        )
        return bar

    def note(self, text: str) -> None:
        typer.echo(f"mqlml: {text}", err=True)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def _show(result: Result, text: str, as_json: bool) -> None:
    if as_json:
        from mqlml.results import to_json_safe

        _show_json(to_json_safe(result))
    else:
        typer.echo(text)


def _show_json(values: dict[str, object]) -> None:
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


@app.command(short_help="Run every step on simulated data.", epilog="Example: mqlml demo try-it")
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write to.")] = Path(
        "mqlml-demo"
    ),
    leads: Annotated[int, typer.Option(min=500, help="How many leads to simulate.")] = 4000,
    as_json: Json = False,
) -> None:
    """Simulate a company's leads and run every step: check, train, score, report."""
    from mqlml.commands import make_demo
    from mqlml.render import format_demo

    result = make_demo(folder, n_leads=leads, now=_now(), progress=Terminal())
    _show(result, format_demo(result), as_json)


@app.command(short_help="Check the data before training.", epilog="Example: mqlml check --config mqlml.yml")
def check(config: ConfigPath = DEFAULT, as_json: Json = False) -> None:
    """Read everything and show what is usable, what was set aside, what may leak, and whether it is enough."""
    from mqlml.commands import check_data
    from mqlml.render import format_check

    result = check_data(config, now=_now(), progress=Terminal())
    _show(result, format_check(result), as_json)


@app.command(
    short_help="List the features, and what was left out.",
    epilog="Example: mqlml features --model leads@champion",
)
def features(config: ConfigPath = DEFAULT, model: Model = None, as_json: Json = False) -> None:
    """List every feature of your config and data, or of a version: name, family, meaning, window, source.

    What became no feature is listed with the reason. Features of your own are checked.
    """
    from mqlml.commands import format_features, list_features, list_version_features

    if model is None:
        result = list_features(config, now=_now(), progress=Terminal())
    else:
        result = list_version_features(config, model=model, progress=Terminal())
    _show(result, format_features(result), as_json)


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
            help="Replaces data.memory_limit, as 800MB.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the training table: lead_id, cutoff_time, label and every feature, as known at the cutoff.

    A table larger than the memory limit is built in parts; after a stop, the next run continues.
    """
    from mqlml.commands import write_training_table
    from mqlml.render import format_table

    result = write_training_table(config, out, memory_limit=memory_limit, now=_now(), progress=Terminal())
    _show(result, format_table(result), as_json)


@app.command(short_help="Test on the past, period by period.", epilog="Example: mqlml backtest --json")
def backtest(
    config: ConfigPath = DEFAULT,
    periods: Annotated[int, typer.Option(min=2, max=60, help="Cut the past into at most this many.")] = 12,
    as_json: Json = False,
) -> None:
    """Predict each period of the past with a model trained before it, and see how models age.

    The held-out period is not used.
    """
    from mqlml.commands import backtest
    from mqlml.render import format_backtest

    result = backtest(config, periods=periods, now=_now(), progress=Terminal())
    _show(result, format_backtest(result), as_json)


@app.command(short_help="Train, evaluate and register a version.", epilog="Example: mqlml train --dry-run")
def train(
    config: ConfigPath = DEFAULT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Evaluate, but register nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Train, calibrate, choose thresholds, evaluate on the held-out last period, and register a version."""
    from mqlml.commands import train_version
    from mqlml.render import format_train

    progress = Terminal()
    trained = train_version(config, register_it=not dry_run, now=_now(), progress=progress)
    result = replace(trained, seconds=progress.seconds)
    _show(result, format_train(result), as_json)
    if not result.gate.passed:
        typer.echo("mqlml: the gate refused this model; nothing was registered", err=True)
        raise typer.Exit(GateRefused.exit_code)


@app.command(
    short_help="Label every open lead.", epilog="Example: mqlml score --as-of 2018-06-01 --out scores.parquet"
)
def score(
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE_OR_URL",
            help="Where the scores go: .parquet, .csv, or the URL of a PostgreSQL database (${NAME} is read from the "
            "environment).",
        ),
    ],
    as_of: AsOf = None,
    config: ConfigPath = DEFAULT,
    model: Model = None,
    leads: Annotated[
        str | None,
        typer.Option(
            "--leads",
            metavar="FILE",
            help="Score only the leads whose ids this file holds; for a flat table, the new rows that it holds.",
        ),
    ] = None,
    previous: Annotated[
        str | None,
        typer.Option(
            "--previous",
            metavar="FILE",
            help="The last scores, for labels with hold or exit; a database knows its own.",
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="NAME", help="The table in a database; lead_scores if left out."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", metavar="NAME,…", help="The columns of a file, of the scores or the leads."
        ),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Write a CSV as data: all digits, times in UTC, no apostrophe before formulas.",
        ),
    ] = False,
    max_change: Annotated[
        float | None,
        typer.Option(
            "--max-change",
            metavar="SHARE",
            min=0,
            max=1,
            help="Write nothing if a larger share of the leads changes its label.",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for another job on the same target instead of ending.")
    ] = False,
    memory_limit: Annotated[
        str | None, typer.Option("--memory-limit", metavar="SIZE", help="In place of data.memory_limit.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Try data, version and target, and score nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Label every lead that is open on the prediction date."""
    from mqlml.commands import ScoreOptions, check_score, score_leads
    from mqlml.render import format_score, format_score_check

    options = ScoreOptions(
        model=model,
        leads=leads,
        previous=previous,
        table=table,
        columns=None if columns is None else tuple(name.strip() for name in columns.split(",")),
        exact=exact,
        max_change=max_change,
        wait=wait,
        memory_limit=memory_limit,
    )
    if check:
        found = check_score(config, as_of=as_of, out=out, now=_now(), progress=Terminal(), options=options)
        _show(found, format_score_check(found), as_json)
        return
    result = score_leads(config, as_of=as_of, out=out, now=_now(), progress=Terminal(), options=options)
    _show(result, format_score(result), as_json)


@app.command(
    short_help="Explain the score of one lead.", epilog="Example: mqlml explain 1042 --as-of 2018-06-01"
)
def explain(
    lead_id: Annotated[
        str, typer.Argument(metavar="LEAD_ID", help="Which lead, by its id in the leads table.")
    ],
    as_of: AsOf = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="What to compare with; by default a week before, or the creation.",
        ),
    ] = None,
    previous: Annotated[
        str | None,
        typer.Option("--previous", metavar="FILE", help="The last scores: compare with their date."),
    ] = None,
    config: ConfigPath = DEFAULT,
    model: Model = None,
    leads: Annotated[
        str | None, typer.Option("--leads", metavar="FILE", help="For a flat table: a file of new rows.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page about the lead, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Explain the score of one open lead: its events, the reasons for and against, and what has changed."""
    from mqlml.commands import Earlier, explain_one_lead, write_lead_page
    from mqlml.render import format_explain

    result = explain_one_lead(
        config,
        lead_id,
        as_of=as_of,
        earlier=Earlier(since, previous),
        model=model,
        leads=leads,
        now=_now(),
        progress=Terminal(),
    )
    if page is not None:
        write_lead_page(result, page)
    _show(result, format_explain(result), as_json)


@app.command(short_help="Write a page about a version.", epilog="Example: mqlml report --out report.html")
def report(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where the report goes; report.html by default."),
    ] = None,
    form: Annotated[
        Literal["html", "md"], typer.Option("--format", help="One HTML page, or Markdown.")
    ] = "html",
    scores: Annotated[
        Path | None, typer.Option("--scores", metavar="FILE", help="Scores of open leads to summarize in it.")
    ] = None,
    tables: Annotated[
        Path | None,
        typer.Option("--tables", metavar="FOLDER", help="Write every table as CSV to this folder."),
    ] = None,
    config: ConfigPath = DEFAULT,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Write one self-contained HTML page about a version: what matters, and whether it can be trusted."""
    from mqlml.commands import ReportOptions, write_report
    from mqlml.render import format_report

    options = ReportOptions(form, scores, tables)
    result = write_report(config, out, model=model, options=options, progress=Terminal())
    _show(result, format_report(result), as_json)


# Typer has its own copy of click; this is the only public name of its error.
_UsageError = cast(type[Exception], typer.BadParameter.__base__)
_USAGE, _SYSTEM, _INTERRUPTED, _TERMINATED = 2, 4, 130, 143


def _complain(kind: str, message: str, as_json: bool) -> None:
    if as_json:
        from mqlml.results import CommandError, ErrorResult, to_json_safe

        _show_json(to_json_safe(ErrorResult(CommandError(kind, message))))
    typer.echo(f"mqlml: {message}", err=True)


def _usage_text(error: Any) -> str:
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    command = error.ctx.command_path if error.ctx is not None else "mqlml"
    text = f"{message[:1].lower()}{message[1:]}".replace(". Did you mean", "; did you mean")
    return f"{text}{'' if text.endswith('?') else ';'} see '{command} --help'"


def _system_text(error: OSError) -> str:
    where = f" at {str(error.filename)!r}" if error.filename is not None else ""
    return (
        f"the system refused{where}: {error.strerror or error}; check that the disk has space and is writable"
    )


def main(arguments: list[str] | None = None) -> None:
    """Run one command; an error that a user can cause ends in one or two lines and its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    with _stopping():
        code = _run(arguments, as_json="--json" in arguments)
    if code in (_INTERRUPTED, _TERMINATED):
        typer.echo("mqlml: stopped; nothing half-written was left behind", err=True)
    sys.exit(code)


@contextmanager
def _stopping() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: everything is cleaned up on the way out; a second one is ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGTERM:
            raise SystemExit(_TERMINATED)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(arguments: list[str], *, as_json: bool) -> int:
    """The exit code of one command."""
    try:
        # A command returns None; for --help and Ctrl-C typer returns an exit code.
        return int(app(arguments, prog_name="mqlml", standalone_mode=False) or 0)
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else 1
    except MqlmlError as error:
        # The nearest public kind: a room may have its own subclass.
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == MqlmlError.__module__)
        _complain(kind.__name__, str(error), as_json)
        return error.exit_code
    except _UsageError as error:
        if arguments:
            _complain("UsageError", _usage_text(error), as_json)
        else:
            typer.echo(str(error), err=True)  # the help
        return _USAGE
    except OSError as error:  # such as a missing folder for temporary files
        _complain("OSError", _system_text(error), as_json)
        return _SYSTEM
