"""Commands that use a version: score all open leads, explain one, report on the version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from mqlml.cli.app import DEFAULT, AsOf, ConfigPath, Json, Model, Terminal, app, now, show
from mqlml.cli.terminal import JsonLog, Session


@app.command(
    short_help="Label every open lead.", epilog="Example: mqlml score --as-of 2018-06-01 --out scores.parquet"
)
def score(
    context: typer.Context,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE_OR_URL",
            help="Where the scores go: .parquet, .csv, or the URL of a database: postgresql://…, sqlite:///FILE or "
            "duckdb:///FILE (${NAME} is read from the environment).",
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
            help="The last scores, or several such as 'scores/*.parquet', for labels with hold or exit, changes and "
            "trends; a database knows its own.",
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="NAME", help="The table in a database; lead_scores if left out."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", metavar="NAME,…", help="Columns to write to a file, from the scores or the leads."
        ),
    ] = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Write only leads whose label changed since --previous.")
    ] = False,
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
            help="Write nothing if more than this share of leads would change label.",
        ),
    ] = None,
    accounts: Annotated[
        str | None,
        typer.Option(
            "--accounts",
            metavar="FILE",
            help="Also write one row per account (.parquet or .csv): how likely any of its leads converts, who is "
            "engaged, which personas are missing.",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for another job on the same target instead of ending.")
    ] = False,
    memory_limit: Annotated[
        str | None,
        typer.Option("--memory-limit", metavar="SIZE", help="Replaces data.memory_limit, such as 800MB."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check data, version and target without scoring.")
    ] = False,
    log: Annotated[
        Literal["text", "json"],
        typer.Option(
            "--log", help="Progress and errors for people, or as JSON lines with the id of the run."
        ),
    ] = "text",
    as_json: Json = False,
) -> None:
    """Label every lead that is open on the prediction date."""
    from mqlml.commands.score import ScoreOptions, check_score, score_leads
    from mqlml.render.console.common import format_score, format_score_check
    from mqlml.results import to_json_safe

    session: Session = context.obj
    lines = JsonLog() if log == "json" else None
    session.listener = lines or session.listener

    options = ScoreOptions(
        model=model,
        leads=leads,
        previous=previous,
        table=table,
        columns=None if columns is None else tuple(name.strip() for name in columns.split(",")),
        changed=changed,
        exact=exact,
        max_change=max_change,
        accounts=accounts,
        wait=wait,
        memory_limit=memory_limit,
        job_id=None if lines is None else lines.run_id,
    )
    if check:
        found = check_score(
            config, as_of=as_of, out=out, now=now(), progress=session.listener, options=options
        )
        show(found, format_score_check(found), as_json)
        return
    scored = score_leads(config, as_of=as_of, out=out, now=now(), progress=session.listener, options=options)
    result = replace(scored, seconds=session.listener.seconds)
    session.listener.finish(to_json_safe(result))
    show(result, format_score(result), as_json)


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
            help="What to compare with; by default a week earlier, or when the lead was created.",
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
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page about the lead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Explain the score of one open lead: its events, the reasons for and against, and what has changed."""
    from mqlml.commands.explain import Earlier, explain_one_lead, write_lead_page
    from mqlml.render.console.explain import format_explain

    result = explain_one_lead(
        config,
        lead_id,
        as_of=as_of,
        earlier=Earlier(since, previous),
        model=model,
        leads=leads,
        now=now(),
        progress=Terminal(),
    )
    if page is not None:
        write_lead_page(result, page)
    show(result, format_explain(result), as_json)


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
        Path | None,
        typer.Option("--scores", metavar="FILE", help="Scores of open leads to summarize in the report."),
    ] = None,
    tables: Annotated[
        Path | None,
        typer.Option("--tables", metavar="FOLDER", help="Write every table as CSV to this folder."),
    ] = None,
    monitoring: Annotated[
        Path | None,
        typer.Option(
            "--monitoring", metavar="FILE", help="Output of mqlml monitor --json, to add as a section."
        ),
    ] = None,
    insight: Annotated[
        bool, typer.Option("--insight", help="Read all tables and add the chapter on what pays.")
    ] = False,
    config: ConfigPath = DEFAULT,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Write one self-contained HTML page about a version: what matters, and whether it can be trusted."""
    from mqlml.commands.report import ReportOptions, write_report
    from mqlml.render.console.common import format_report

    options = ReportOptions(form, scores, tables, monitoring, insight)
    result = write_report(config, out, model=model, options=options, now=now(), progress=Terminal())
    show(result, format_report(result), as_json)
