"""``sources``: what a lead from each source is worth, and what it costs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
from pathlib import Path

from mqlml.commands.check import read_leads, require_past
from mqlml.config import Config, read_config
from mqlml.errors import UsageError
from mqlml.evaluation.slices import find_source_column
from mqlml.insight.channels.sources import value_sources
from mqlml.insight.channels.spend import SpendRows
from mqlml.journeys import Journeys
from mqlml.journeys.databases import AROUND_EVENTS, copied_tables
from mqlml.journeys.spend import read_spend
from mqlml.progress import Progress
from mqlml.render.results import SourcesResult
from mqlml.scoring import read_open_leads

__all__ = ["choose_source_column", "read_spend_rows", "value_lead_sources"]


def value_lead_sources(
    config_path: str | Path,
    *,
    by: str | None = None,
    scores: str | Path | None = None,
    now: dt.datetime,
    progress: Progress,
) -> SourcesResult:
    """What a lead is worth by source, in the data that a config names; beside its cost where there is spend.

    Parameters
    ----------
    by : the column of the leads that holds the source; the first that is called like one if None.
    scores : scores of open leads, by which each source's open leads are valued.

    Raises
    ------
    UsageError
        If the config names a flat table, or no column holds the source.
    PopulationError
        If no lead is old enough, or none became a customer.
    """
    config = read_config(config_path)
    if config.data.flat is not None:
        raise UsageError(
            "sources needs tables of leads and outcomes, whose dates tell which leads had time to become customers; "
            "the config names one flat table. Name the tables under data.leads and data.outcomes"
        )
    opened = None if scores is None else read_open_leads(scores)
    require_past(config, now)
    with progress.step("read"), copied_tables(config, AROUND_EVENTS) as copied:
        data, _ = read_leads(copied)
    column = choose_source_column(data, by)
    spend = read_spend_rows(config)
    with progress.step("sources"):
        found = value_sources(data, config.problem, column=column, spend=spend, scores=opened)
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return SourcesResult(model=config.name, outcome=config.problem.outcome, **values)


def choose_source_column(journeys: Journeys, by: str | None) -> str:
    """The column that is asked for, or the first that is called like one of sources.

    Raises
    ------
    UsageError
        If there is none.
    """
    columns = [str(column) for column in journeys.leads.columns if column not in ("lead_id", "created_at")]
    shown = f"columns are {', '.join(map(repr, columns[:12]))}" if columns else "there is no further column"
    if by is None:
        found = find_source_column(journeys.leads)
        if found is None:
            raise UsageError(
                "sources needs a column of the leads that says where a lead came from; none is called like one "
                f"({shown}). Name it, as mqlml sources --by COLUMN"
            )
        return found
    if by not in columns:
        near = difflib.get_close_matches(by, columns, n=1)
        hint = f"did you mean {near[0]!r}?" if near else shown
        raise UsageError(f"--by must name a column of the leads; there is no {by!r}; {hint}")
    return by


def read_spend_rows(config: Config) -> SpendRows | None:
    """The spend that the config names, for `value_sources`."""
    rows = read_spend(config)
    return None if rows is None else SpendRows(rows, config.data.timezone)
