"""``explain``: one lead's score, its reasons, and what changed since an earlier moment."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from mqlml.commands.inputs import load_version_and_data, read_moment
from mqlml.config import read_config
from mqlml.errors import UsageError
from mqlml.insight import explain_flat_lead, explain_lead
from mqlml.progress import Progress
from mqlml.render.report.page import render_lead
from mqlml.render.results import ExplainResult
from mqlml.scoring import check_target, read_scores, write_text

__all__ = ["Earlier", "explain_one_lead", "write_lead_page"]


@dataclass(frozen=True)
class Earlier:
    """What a lead is compared with.

    Attributes
    ----------
    since : str or None
        The earlier moment. When left out: when ``previous`` last scored the lead, else a week before, or when it was
        created.
    previous : path or None
        Earlier scores.
    """

    since: str | None = None
    previous: str | Path | None = None


def explain_one_lead(
    config_path: str | Path,
    lead_id: str,
    *,
    as_of: str | None,
    earlier: Earlier | None = None,
    model: str | None = None,
    leads: str | Path | None = None,
    now: dt.datetime,
    progress: Progress,
) -> ExplainResult:
    """Explain one open lead's score, and what changed since an earlier moment.

    Parameters
    ----------
    as_of : str or None
        ISO date or time, in the config's zone where it names none. A flat table needs none: then ``now``.
    earlier : Earlier, optional
        What it is compared with.
    model : ``NAME@ALIAS`` or ``NAME@NUMBER``; the champion if left out.
    leads : path, optional
        For a flat table: a file of new rows, one of which is the lead.
    """
    config = read_config(config_path)
    zone = config.data.timezone
    flat = config.data.flat is not None
    earlier = earlier or Earlier()
    if flat and earlier.since is not None:
        raise UsageError("a flat table knows one moment only; leave --since out")
    if leads is not None and not flat:
        raise UsageError("--leads brings new rows of a flat table; with journeys, leave it out")
    since = None if earlier.since is None else read_moment(earlier.since, zone, option="--since")
    before = None if earlier.previous is None else read_scores(earlier.previous)
    loaded = load_version_and_data(
        config, command="explain", as_of=as_of, model=model, leads=leads, now=now, progress=progress
    )
    bundle, version, data, moment = loaded.bundle, loaded.version, loaded.data, loaded.moment
    with progress.step("explain"):
        if not data.dated:
            found = explain_flat_lead(bundle, data, config, lead_id, as_of=moment, version=version)
        else:
            found = explain_lead(
                bundle, data, config, lead_id, as_of=moment, since=since, previous=before, version=version
            )
    return ExplainResult(
        **vars(found), timezone=zone, model=bundle.name, version=version.version, run_id=version.run_id
    )


def write_lead_page(result: ExplainResult, path: str | Path) -> None:
    """Write the page about an explained lead.

    Raises
    ------
    OutputError
        If the name does not end in .html, or the file cannot be written.
    """
    write_text(render_lead(result), check_target(path, suffixes=(".html",)))
