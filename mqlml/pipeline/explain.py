"""``explain``: a config, a lead and a moment go in; what there is to say of the lead comes out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from mqlml.config import read_config
from mqlml.errors import UsageError
from mqlml.insight import explain_flat_lead, explain_lead
from mqlml.journeys import FlatTable
from mqlml.pipeline.opening import open_version, read_moment
from mqlml.pipeline.progress import Progress
from mqlml.plain import to_plain
from mqlml.scoring import read_scores

__all__ = ["explain_one_lead"]


def explain_one_lead(
    config_path: str | Path,
    lead_id: str,
    *,
    as_of: str | None,
    since: str | None = None,
    previous: str | Path | None = None,
    model: str | None = None,
    leads: str | Path | None = None,
    now: dt.datetime,
    progress: Progress,
) -> dict[str, Any]:
    """Say what one open lead's score is made of, and what has changed since an earlier moment.

    Parameters
    ----------
    as_of : str or None
        ISO date or time, in the config's zone where it names none. A flat table needs none: then ``now``.
    since : str, optional
        The earlier moment. When left out: when ``previous`` last scored it, else a week before ``as_of``, or when the
        lead was created.
    previous : path, optional
        Earlier scores.
    model : ``NAME@ALIAS`` or ``NAME@NUMBER``; the champion if left out.
    leads : path, optional
        For a flat table: a file of new rows, one of which is the lead.
    """
    config = read_config(config_path)
    zone = config.data.timezone
    flat = config.data.flat is not None
    if flat and since is not None:
        raise UsageError("a flat table knows one moment only; leave --since out")
    if leads is not None and not flat:
        raise UsageError("--leads brings new rows of a flat table; with journeys, leave it out")
    earlier = None if since is None else read_moment(since, zone, option="--since")
    before = None if previous is None else read_scores(previous)
    opened = open_version(
        config, command="explain", as_of=as_of, model=model, leads=leads, now=now, progress=progress
    )
    bundle, version, data, moment = opened.bundle, opened.version, opened.data, opened.moment
    with progress.step("explain"):
        if isinstance(data, FlatTable):
            found = explain_flat_lead(bundle, data, config, lead_id, as_of=moment, version=version)
        else:
            found = explain_lead(
                bundle, data, config, lead_id, as_of=moment, since=earlier, previous=before, version=version
            )
    explained: dict[str, Any] = to_plain(found)
    return {
        **explained,
        "timezone": zone,
        "model": bundle.name,
        "version": version.version,
        "run_id": version.run_id,
    }
