"""``score --check`` tries what the nightly job needs: data, version, rules and target; it scores nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd

from mqlml.commands.check import check_rules, read_leads
from mqlml.commands.inputs import load_model
from mqlml.commands.score import ScoreOptions, find_newest, read_score_options
from mqlml.errors import UsageError
from mqlml.journeys.databases import AROUND_EVENTS, copied_tables
from mqlml.progress import Progress
from mqlml.render.results import ScoreCheckResult
from mqlml.scoring.batch import ScoringRun, find_open
from mqlml.times import format_instant

__all__ = ["check_score"]


def check_score(
    config_path: str | Path,
    *,
    as_of: str | None,
    out: str | Path,
    now: dt.datetime,
    progress: Progress,
    options: ScoreOptions | None = None,
) -> ScoreCheckResult:
    """Read leads, outcomes and history, load the version, apply the rules, and prepare the target.

    Parameters
    ----------
    as_of, out, options : as for `score_leads`

    Raises
    ------
    MqlmlError
        As `score_leads`, for whatever would stop it before it scores.
    """
    options = options or ScoreOptions()
    config, target, moment = read_score_options(config_path, as_of, out, now=now, options=options)
    if config.data.flat is not None:
        raise UsageError("--check is for journeys; a flat table is read whole by mqlml check")
    with progress.step("load"):
        bundle, version = load_model(config, options.model)
    with progress.step("read"), copied_tables(config, AROUND_EVENTS) as copied:
        journeys, _ = read_leads(copied)
    check_rules(journeys.leads, config)
    snapshots = find_open(bundle, journeys, ScoringRun(config, moment, now, version), None)
    with target.holding(wait=options.wait):
        target.prepare(integer_ids=pd.api.types.is_integer_dtype(journeys.leads["lead_id"].dtype))
    newest = find_newest(journeys, moment)
    return ScoreCheckResult(
        out=target.shown,
        as_of=format_instant(moment),
        timezone=config.data.timezone,
        leads=len(snapshots),
        rows_read=dict(journeys.rows_read),
        quarantined=len(journeys.quarantine),
        newest_fact=None if newest is None else format_instant(newest),
        hours_old=None if newest is None else round((moment - newest).total_seconds() / 3600, 1),
        model=bundle.name,
        version=version.version,
    )
