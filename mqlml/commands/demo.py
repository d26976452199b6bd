"""``demo``: write a simulated company's export and config, and run every step on it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import yaml

from mqlml.commands.report import ReportOptions, write_report
from mqlml.commands.score import score_leads
from mqlml.commands.train import train_version
from mqlml.config import read_config
from mqlml.errors import ConfigError, GateRefused, OutputError
from mqlml.progress import Progress
from mqlml.render.results import DemoResult
from mqlml.scoring import write_text
from mqlml.simulate import simulate
from mqlml.times import format_instant

__all__ = ["DEMO_CONFIG", "make_demo"]

DEMO_CONFIG = """\
# A simulated company. Replace the paths and the column names by your own, then: mqlml check
name: demo-leads
data:
  timezone: UTC                      # for times without an offset
  observed_until: {observed_until}         # the export holds every outcome up to here
  leads:
    path: data/leads.csv
    columns: {{lead_id: lead_id, created_at: created_at, account_id: account_id}}
  events:
    path: data/events.csv
    columns: {{lead_id: lead_id, occurred_at: occurred_at, recorded_at: recorded_at, action: action,
              channel: channel, campaign: campaign, content: content, value: value,
              initiated_by: initiated_by}}
  outcomes:
    path: data/outcomes.csv
    columns: {{lead_id: lead_id, occurred_at: occurred_at, recorded_at: recorded_at, stage: stage}}
problem:
  outcome: closed_won
  horizon: 60d                       # the probability is that of a win within these days
  snapshots: {{ages: [0d, 7d, 30d]}}   # learn from each lead as it was at these ages
  age_limits: [0d, 37d]              # score leads up to this age, hardly older than those learned from
profile:
  static: auto                       # every attribute that the leakage audit does not refuse
windows: [7d, 30d, all]
labels:
  mql: {{policy: min_recall, value: 0.6}}
  sql: {{policy: min_precision, value: 0.25}}
rules:
  disqualify:
    - {{when: {{job_title: {{in: [Student, Intern]}}}}, reason: not a buyer}}
"""


def _may_be_used(folder: Path, text: str) -> bool:
    """Whether a folder is empty, or holds an earlier demo with unchanged settings."""
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        return bool(read_config(folder / "mqlml.yml").written == yaml.safe_load(text))
    except ConfigError:
        return False


def make_demo(folder: str | Path, *, n_leads: int, now: dt.datetime, progress: Progress) -> DemoResult:
    """Simulate, train, score and report into a folder.

    Raises
    ------
    OutputError
        If the folder holds anything but an unchanged earlier demo, or cannot be written.
    GateRefused
        If so few leads were simulated that nothing can be learned from them.
    """
    folder = Path(folder)
    config = folder / "mqlml.yml"
    with progress.step("simulate"):
        world = simulate(n_leads, random_state=7, leaky_columns=True)
        until = format_instant(world.observed_until)
        text = DEMO_CONFIG.format(observed_until=until)
        if folder.exists() and not _may_be_used(folder, text):
            raise OutputError(
                f"{str(folder)!r} exists and is not an unchanged earlier demo; name a new folder: mqlml demo DIR"
            )
        try:
            world.write(folder / "data")
        except OSError as error:
            raise OutputError(
                f"{str(folder)!r} cannot be made or written in: {error.strerror}; name another folder: mqlml demo DIR"
            ) from error
        write_text(text, config)
    few = f"{n_leads:,} simulated leads are too few for a model that passes the gate; take more, as --leads 4000"
    try:
        trained = train_version(config, now=now, progress=progress)
    except GateRefused as error:
        raise GateRefused(few) from error
    if not trained.gate.passed:
        raise GateRefused(few)
    scored = score_leads(config, as_of=until, out=folder / "scores.csv", now=now, progress=progress)
    options = ReportOptions(scores=scored.out, insight=True)
    reported = write_report(config, folder / "report.html", options=options, now=now, progress=progress)
    return DemoResult(
        folder=str(folder),
        config=str(config),
        data=str(folder / "data"),
        store=str(folder / "models"),
        leads=len(world.leads),
        events=len(world.events),
        model=trained.model,
        version=trained.version,
        roc_auc=trained.holdout.roc_auc,
        labels=scored.labels,
        scores=scored.out,
        report=reported.out,
    )
