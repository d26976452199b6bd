"""The results of watching and adjusting a version: the verdict with its figures, and what an adjustment brings.

``monitor``, ``recalibrate`` and ``thresholds`` print them, and the report reads them. They hold no single lead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mqlml.evaluation.bootstrap import Estimate
from mqlml.monitoring.drift import InputDrift
from mqlml.monitoring.estimated import EstimatedPerformance
from mqlml.monitoring.evidence import Evidence
from mqlml.monitoring.feedback import Feedback
from mqlml.monitoring.realized import RealizedPerformance
from mqlml.monitoring.verdict import Reason, Verdict
from mqlml.monitoring.what_if import LabelMove, ThresholdRow
from mqlml.results import Number, Result

__all__ = ["MonitorResult", "RecalibrateResult", "ScoredPeriod", "ThresholdsResult"]


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
    first_known: str
    """ISO time at which the outcomes of the first run are known."""
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


@dataclass(frozen=True, kw_only=True)
class ThresholdsResult(Result):
    """What other thresholds would bring, and the version that has them, if one was made."""

    model: str
    """The model's name."""
    version: int
    """The version whose thresholds they are compared with."""
    thresholds: dict[str, float]
    """Its thresholds, lowest label first; the lowest one where teams differ."""
    rows: tuple[ThresholdRow, ...]
    """Thresholds from the highest to the lowest, by the held-out period of the training."""
    proposed: dict[str, float]
    """The thresholds with those of ``--set``."""
    set_rows: tuple[ThresholdRow, ...]
    """What those of ``--set`` bring."""
    moves: tuple[LabelMove, ...] | None
    """How many open leads would change label; null without ``--scores`` or ``--set``."""
    new_version: int | None
    """The version with the proposed thresholds; null without ``--reason``."""
    aliases: tuple[str, ...]
    """Its aliases."""


@dataclass(frozen=True, kw_only=True)
class CalibrationState(Result):
    """How raw log-odds become probabilities, and which of these get a label."""

    slope: float
    """By which raw log-odds are multiplied."""
    intercept: float
    """What is added to them."""
    thresholds: dict[str, float]
    """Probability from which a lead has each label."""
    log_loss: Number
    """Measured on later snapshots."""


@dataclass(frozen=True, kw_only=True)
class RecalibrateResult(Result):
    """The same trees with a new level and slope, and thresholds chosen by them."""

    model: str
    """The model's name."""
    version: int
    """The version that was recalibrated; its trees are those of the new one."""
    snapshots: int
    """Mature snapshots whose outcome the version had not learned from."""
    positives: int
    """Those of them that converted."""
    start: Annotated[str, Field(alias="from")]
    """ISO time of the first of them."""
    until: str
    """ISO time of the last."""
    before: CalibrationState
    """Of the version; its log loss is measured on the later half of the snapshots."""
    after: CalibrationState
    """Now; its log loss on the later half is that of a calibration learned on the earlier half."""
    log_loss_difference: Estimate
    """After less before, paired by snapshot; below 0 is better."""
    new_version: int | None
    """The version that was registered; null with ``--dry-run``."""
    aliases: tuple[str, ...]
    """Its aliases."""
