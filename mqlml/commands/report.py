"""``report``: write the page about a version, or the same as Markdown, and its tables as CSV."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from mqlml.commands.check import read_leads
from mqlml.commands.inputs import load_model
from mqlml.commands.insight import read_insight
from mqlml.config import Config, read_config
from mqlml.errors import UsageError
from mqlml.evaluation.slices import find_group_column
from mqlml.features import Feature
from mqlml.insight import summarize_open_leads
from mqlml.insight.leads.open_leads import SPLITS, Split
from mqlml.journeys import read_flat
from mqlml.monitoring import MonitorResult
from mqlml.progress import Progress
from mqlml.registry import Version
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import list_tables, render_markdown
from mqlml.render.results import ReportResult
from mqlml.results import from_json_safe
from mqlml.scoring import check_target, make_folder, read_open_leads, write_table, write_text
from mqlml.scoring.stored import read_json

__all__ = ["ReportFormat", "ReportOptions", "write_report"]

ReportFormat = Literal["html", "md"]


@dataclass(frozen=True)
class ReportOptions:
    """What is written beside the page, and how.

    Attributes
    ----------
    format : {"html", "md"}
    scores : path, optional
        Scores of open leads, of which the report then tells.
    tables : path, optional
        A folder that gets a CSV file for each table; it is made where it does not exist.
    monitoring : path, optional
        What ``mqlml monitor --json`` printed about the version, for a section.
    insight : bool
        Whether to read the config's tables and add what pays.
    """

    format: ReportFormat = "html"
    scores: str | Path | None = None
    tables: str | Path | None = None
    monitoring: str | Path | None = None
    insight: bool = False


def write_report(
    config_path: str | Path,
    out: str | Path | None = None,
    *,
    model: str | None = None,
    options: ReportOptions | None = None,
    now: dt.datetime,
    progress: Progress,
) -> ReportResult:
    """Write the report of the champion, or of the version named; ``report.html`` or ``report.md`` unless named.

    Raises
    ------
    OutputError
        If a file or the folder of tables cannot be written.
    SourceError, ContractError
        If the scores cannot be read, or, where there are scores, the leads; with ``insight``, any table.
    """
    options = options or ReportOptions()
    config = read_config(config_path)
    target = check_target(out or f"report.{options.format}", suffixes=(f".{options.format}",))
    folder = None if options.tables is None else make_folder(options.tables, option="--tables")
    scores = None if options.scores is None else read_open_leads(options.scores)
    with progress.step("load"):
        bundle, version = load_model(config, model)
        open_leads = None
        if scores is not None:
            open_leads = summarize_open_leads(scores, _read_sources(config, bundle.plan.features))
    insight = read_insight(config, bundle, now=now, progress=progress) if options.insight else None
    monitored = None if options.monitoring is None else _read_monitoring(Path(options.monitoring), version)
    if options.format == "html":
        text = render_report(
            bundle.result,
            version=str(version.version),
            run_id=version.run_id,
            monitored=monitored,
            open_leads=open_leads,
            insight=insight,
        )
    else:
        text = render_markdown(
            bundle.result,
            version=str(version.version),
            run_id=version.run_id,
            monitored=monitored,
            open_leads=open_leads,
            insight=insight,
        )
    written = []
    with progress.step("write"):
        write_text(text, target)
        if folder is not None:
            for name, rows in list_tables(bundle.result, open_leads, insight).items():
                write_table(pd.DataFrame(rows), folder / f"{name}.csv")
                written.append(name)
    return ReportResult(
        out=str(out or target.name),
        tables=tuple(written),
        model=bundle.name,
        version=version.version,
        run_id=version.run_id,
    )


def _read_monitoring(path: Path, version: Version) -> MonitorResult:
    again = f"mqlml monitor --as-of DATE --json > {path}"
    found = read_json(path, option="--monitoring", again=again)
    result = from_json_safe(
        MonitorResult, found, where=f"--monitoring {str(path)!r}", remedy=f"write it again: {again}"
    )
    if (result.model, result.version) != (version.name, version.version):
        raise UsageError(
            f"--monitoring must be about {version.name} version {version.version}; {str(path)!r} is about "
            f"{result.model} version {result.version}. Write it for this version: {again}"
        )
    return result


def _read_sources(config: Config, features: Sequence[Feature]) -> dict[Split, pd.Series]:
    """Source and region of every lead by its id, as far as its table tells them."""
    columns = {by: feature for by in SPLITS if (feature := find_group_column(features, by)) is not None}
    if not columns:
        return {}
    leads = read_flat(config).leads if config.data.flat is not None else read_leads(config)[0].leads
    found: dict[Split, pd.Series] = {}
    for by, feature in columns.items():
        name = feature.words[0] if feature.words else feature.what
        if name in leads:
            values = leads[name].set_axis(leads["lead_id"].astype("str"))
            found[by] = values.rename(feature.text.heading)
    return found
