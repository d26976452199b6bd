"""The result of monitoring: the verdict on a version at one moment, with all figures behind it.

``monitor --json``, the console and the report read it. It holds aggregates only, no single lead.
"""

from __future__ import annotations

from dataclasses import dataclass

from mqlml.evaluation.bootstrap import Estimate
from mqlml.monitoring.drift import InputDrift
from mqlml.monitoring.estimated import EstimatedPerformance
from mqlml.monitoring.evidence import Evidence
from mqlml.monitoring.feedback import Feedback
from mqlml.monitoring.realized import RealizedPerformance
from mqlml.monitoring.verdict import Reason, Verdict
from mqlml.results import Result

__all__ = ["MonitorResult", "ScoredPeriod"]


@dataclass(frozen=True)
class ScoredPeriod(Result):
    """The scores that were read."""

    source: str
    """The file or database, without a password; "the version" where it scored the past weeks again."""
    first: str
    """ISO time of the first run."""
    last: str
    """ISO time of the last one that counts."""
    runs: int
    """Weekly runs; runs closer than a week are skipped."""
    snapshots: int
    """Snapshots of these runs."""
    mature: int
    """Those of them whose outcome is known."""
    unknown_leads: int
    """Snapshots left out because their lead is not in the data."""
    learned_from: int
    """Scores left out because the version was trained on outcomes of that time."""
    converted_before: int
    """Snapshots left out because the lead had converted by then, which was recorded only later."""


@dataclass(frozen=True, kw_only=True)
class MonitorResult(Result):
    """Whether a version still holds."""

    model: str
    """The model's name."""
    version: int
    """Its version."""
    run_id: str
    """The run that made the version."""
    as_of: str
    """ISO time in UTC up to which everything counts."""
    timezone: str
    """``data.timezone``, in which times are shown to people."""
    verdict: Verdict
    """``fine``, ``recalibrate``, ``retrain`` or ``stop``."""
    reasons: tuple[Reason, ...]
    """Why, the most severe first; empty where it is fine."""
    evidence: Evidence
    """What the verdict rests on: evidence that may be read every week."""
    scored: ScoredPeriod
    """Which scores were read, and how many of their outcomes are known."""
    inputs: InputDrift
    """Signal by signal, how the leads of the last run differ from those of the training."""
    estimated: EstimatedPerformance | None
    """What to expect of the leads of the last run; null where all outcomes are known."""
    realized: RealizedPerformance | None
    """Realized against predicted; null before the first outcomes are known."""
    roc_auc_before: Estimate
    """The ROC AUC on the held-out period of the training."""
    feedback: Feedback
    """The answers of sales, by label."""
