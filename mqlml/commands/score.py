"""``score`` labels every open lead by a version and writes the scores to a file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from mqlml.commands.inputs import load_version_and_data
from mqlml.config import read_config
from mqlml.journeys import read_lead_ids
from mqlml.progress import Progress
from mqlml.render.results import ScoreResult
from mqlml.scoring import (
    TABLE_SUFFIXES,
    check_target,
    count_older,
    read_scores,
    score,
    score_flat,
    write_table,
)
from mqlml.times import format_instant

__all__ = ["score_leads"]


def score_leads(
    config_path: str | Path,
    *,
    as_of: str | None,
    out: str | Path,
    model: str | None = None,
    leads: str | Path | None = None,
    previous: str | Path | None = None,
    now: dt.datetime,
    progress: Progress,
) -> ScoreResult:
    """Label every lead that is open at ``as_of`` and write one row for each.

    Parameters
    ----------
    as_of : str or None
        ISO date or time, in the config's zone where it names none. A flat table needs none: then ``now``.
    out : path of a ``.parquet`` or ``.csv`` file; an earlier one is replaced whole or stays whole.
    model : ``NAME@ALIAS`` or ``NAME@NUMBER``; the champion if left out.
    leads : path, optional
        Score these leads only: a table with the column of lead ids; for a flat table, a file of new rows.
    previous : path, optional
        Earlier scores, for labels that are held (``hold``, ``exit``); those of ``as_of`` or later change nothing.
    """
    config = read_config(config_path)
    target = check_target(out, suffixes=TABLE_SUFFIXES)
    before = None if previous is None else read_scores(previous)
    loaded = load_version_and_data(
        config, command="score", as_of=as_of, model=model, leads=leads, now=now, progress=progress
    )
    bundle, version, data, moment = loaded.bundle, loaded.version, loaded.data, loaded.moment
    with progress.step("score"):
        if not data.dated:
            table = score_flat(
                bundle, data, config, as_of=moment, scored_at=now, version=version, previous=before
            )
            older = 0
        else:
            table = score(
                bundle,
                data,
                config,
                as_of=moment,
                scored_at=now,
                version=version,
                lead_ids=None if leads is None else read_lead_ids(config, leads),
                previous=before,
            )
            older = count_older(bundle, data, table, moment)
    with progress.step("write"):
        write_table(table, target)
    return ScoreResult(
        out=str(out),
        as_of=format_instant(moment),
        timezone=config.data.timezone,
        leads=len(table),
        older_than_learned=older,
        labels={str(name): int(n) for name, n in table["label"].value_counts().items()},
        model=bundle.name,
        version=version.version,
        run_id=version.run_id,
    )
