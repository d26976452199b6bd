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

    What young leads may still do is estimated from older ones, so that recent periods do not look worse.
    """
    from mqlml.commands.funnel import show_funnel
    from mqlml.render.console.funnel import format_funnel

    result = show_funnel(config, by=by, now=now(), progress=Terminal())
    show(result, format_funnel(result), as_json)


@app.command(
    short_help="Plan how many leads a number of customers takes.",
    epilog="Example: mqlml plan --customers 20 --by 2026-06-30 --json",
)
def plan(
    customers: Annotated[int, typer.Option("--customers", metavar="N", help="New customers wanted.")],
    by: Annotated[
        str, typer.Option("--by", metavar="DATE", help="The last day that counts, after the end of the data.")
    ],
    config: ConfigPath = DEFAULT,
    as_json: Json = False,
) -> None:
    """Show how many leads and MQLs a number of new customers takes by a date, and what today's pace brings.

    Customers are counted from the end of the data. Leads that come in late have little time to become customers.
    """
    from mqlml.commands.plan import plan_customers
    from mqlml.render.console.funnel import format_plan

    result = plan_customers(config, customers=customers, by=by, now=now(), progress=Terminal())
    show(result, format_plan(result), as_json)
