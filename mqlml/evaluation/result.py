"""The result of a training: all that was measured and decided, in one record that a version stores.

``train --json``, the console and the report read it. It holds aggregates only, no single lead and no personal data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mqlml.evaluation.accounts import AccountCalibration
from mqlml.evaluation.ageing import LearningPoint
from mqlml.evaluation.by_lead import ByLead
from mqlml.evaluation.curves import CalibrationBand, Decile, FitEngagementCell
from mqlml.evaluation.gate import GateResult
from mqlml.evaluation.importance import Importance
from mqlml.evaluation.labels import Disqualification, LabelEvaluation, Promotion
from mqlml.evaluation.metrics import Baseline, Metrics
from mqlml.evaluation.periods import OverTimePeriod
from mqlml.evaluation.slices import Slice
from mqlml.journeys.quarantine import Notice, TableCount
from mqlml.model import SignalReport
from mqlml.results import Number, Result
from mqlml.training import ColumnQuestion, Finding, LeftOut, PerturbationTest, Population

__all__ = [
    "CalibrationPeriod",
    "CalibrationSummary",
    "Choice",
    "DataFindings",
    "DataSummary",
    "HoldoutEvaluation",
    "HoldoutFindings",
    "LabelFindings",
    "ModelFindings",
    "OutOfTimeLoss",
    "Question",
    "SetAside",
    "TrainingResult",
    "TriedSettings",
]


@dataclass(frozen=True)
class Question(Result):
    """The problem as text."""

    sentence: str
    """Without a full stop: "Won within 60 days, scored 0, 7 and 30 days after the lead came in"."""
    converts: str
    """What a lead that converts will do, after "will": "be won within 60 days"."""
    converted: str
    """What a lead that converted did: "were won within 60 days"."""
    repeated: bool
    """Whether one lead can have several snapshots."""


@dataclass(frozen=True)
class SetAside(Result):
    """Rows of one table that were quarantined for one reason."""

    table: str
    """Our name of the table."""
    column: str
    """Empty where the reason is none of a single column."""
    reason: str
    """What is wrong with the rows."""
    rows: int
    """How many rows."""


@dataclass(frozen=True)
class DataSummary(Result):
    """What was read."""

    tables: dict[str, TableCount]
    """Rows read and quarantined, by table."""
    quarantine: tuple[SetAside, ...]
    """What was quarantined, and why."""
    observed_until: str | None
    """ISO time up to which outcomes are complete; None for a flat table."""
    notices: tuple[Notice, ...] = ()
    """What was changed or found while the tables were read."""


@dataclass(frozen=True, kw_only=True)
class HoldoutEvaluation(Metrics):
    """The model of the past on the last period, which was held out from every choice."""

    start: Annotated[str, Field(alias="from")]
    """ISO time of the first cutoff; its place in the order, where a flat table's order is no time."""
    until: str
    """The last cutoff, likewise."""
    leads: int
    """Leads that the snapshots are of."""
    accessed_with_other_settings: int
    """With how many settings other than these the period was opened before."""
    accessed_by_versions: tuple[int, ...]
    """The versions trained then."""
    accessed_since: str | None
    """ISO time of the first such access."""

    @property
    def base_rate(self) -> float:
        """The share of the held-out snapshots that converts."""
        return self.positives / self.n if self.n else math.nan


@dataclass(frozen=True)
class OutOfTimeLoss(Result):
    """Log loss on later leads inside the past, nats per snapshot, of each part of the blend."""

    base_rate: Number
    """Of giving everyone the base rate known then."""
    trees: Number
    """Of the trees alone."""
    logistic: Number
    """Of the logistic part alone."""
    blend: Number
    """Of the blend."""


@dataclass(frozen=True)
class TriedSettings(Result):
    """Settings that were tried."""

    settings: dict[str, int | float]
    """What differs from the defaults."""
    out_of_time_log_loss: Number
    """Of their blend."""
    chosen: bool
    """Whether these settings were kept."""


@dataclass(frozen=True)
class Choice(Result):
    """The model that was chosen on the past."""

    tree_weight: float
    """Weight of the trees."""
    linear_weight: float
    """Weight of the logistic part."""
    out_of_time_log_loss: OutOfTimeLoss
    """Log loss of the parts and of their blend."""
    in_time: bool
    """Whether the history was long enough to predict later leads from earlier ones."""
    trials: tuple[TriedSettings, ...]
    """The settings that tuning tried; empty without tuning."""
    stopped: bool
    """Whether somebody stopped the tuning before its last trial."""


@dataclass(frozen=True)
class CalibrationPeriod(Result):
    """Conversions of one out-of-time period: predicted by one calibration over all periods, and observed."""

    start: int
    """Microseconds, or a place in an order."""
    end: int
    """Its last cutoff, likewise."""
    n: int
    """Snapshots in it."""
    predicted: Number
    """Conversions that one calibration over all periods predicts."""
    observed: int
    """Snapshots that converted."""
    deviations: Number
    """The difference in its standard deviations."""


@dataclass(frozen=True)
class CalibrationSummary(Result):
    """How log-odds become probabilities, how that held over time, and how it did on the held-out period."""

    slope: float
    """By which raw log-odds are multiplied: 1."""
    intercept: float
    """What is added to them: how far the next period is expected to lie from the base rate known."""
    p_value: float | None
    """Of deviations this large if one calibration held in all periods; None with fewer than two periods."""
    drift: bool
    """Whether conversions move from period to period by more than one calibration explains."""
    periods: tuple[CalibrationPeriod, ...]
    """The out-of-time periods, earliest first."""
    bands: tuple[CalibrationBand, ...]
    """The held-out period, lowest probability first."""


@dataclass(frozen=True, kw_only=True)
class DataFindings(Result):
    """What the model was asked, and what it was given to learn from."""

    question: Question
    """What is predicted, as text."""
    data: DataSummary
    """Rows read, rows quarantined, and how far outcomes are complete."""
    population: Population
    """Whom the model learns from."""
    left_out: tuple[LeftOut, ...]
    """Columns that became no feature."""
    leaks: tuple[Finding, ...]
    """What the leakage audit found."""
    questions: tuple[ColumnQuestion, ...] = ()
    """Columns that carry most of the skill, to be confirmed as known at the cutoff."""
    leak_test: PerturbationTest | None
    """None for a flat table, which has no times."""


@dataclass(frozen=True, kw_only=True)
class ModelFindings(Result):
    """What was learned on the past."""

    choice: Choice
    """The model that was chosen, and what it was chosen from."""
    learning_curve: tuple[LearningPoint, ...]
    """Least history first."""
    calibration: CalibrationSummary
    """How raw scores become probabilities."""
    signals: SignalReport | None
    """What goes with converting, by signal; None where no signal could be evaluated."""
    importance: Importance | None
    """None for a model that was refused."""


@dataclass(frozen=True, kw_only=True)
class HoldoutFindings(Result):
    """How good the model is on the held-out period."""

    holdout: HoldoutEvaluation
    """How good the model is on the held-out period."""
    by_age: dict[str, Metrics]
    """By age of the lead, youngest first; ages with too few conversions are left out."""
    over_time: tuple[OverTimePeriod, ...]
    """Earliest first, the held-out one last; empty where the history was too short to go forward in time."""
    slices: tuple[Slice, ...]
    """By column, largest first within one."""
    fit_by_engagement: tuple[FitEngagementCell, ...]
    """Lowest fit first, lowest engagement first within one."""
    deciles: tuple[Decile, ...]
    """Of the held-out period, highest rank first."""
    baselines: dict[str, Baseline]
    """``base_rate``, ``points`` and ``logistic``, on the held-out period."""
    accounts: AccountCalibration | None = None
    """How the leads of an account combine; None without accounts, and in versions of earlier releases."""


@dataclass(frozen=True, kw_only=True)
class LabelFindings(Result):
    """What the labels and rules do on the held-out period."""

    labels: dict[str, LabelEvaluation]
    """Lowest label first; empty for a model that was refused."""
    by_lead: ByLead | None
    """The held-out period counted in leads; None for a model that was refused."""
    promoted: tuple[Promotion, ...]
    """What the rules that promote did on the held-out period."""
    disqualified: tuple[Disqualification, ...]
    """Whom the rules that disqualify turn away there."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult(LabelFindings, HoldoutFindings, ModelFindings, DataFindings):
    """The result of a training, whether or not the gate let the model pass."""

    model: str
    """The name of the registered model."""
    timezone: str
    """Of the config, in which times are shown."""
    created: str
    """ISO time."""
    mqlml_version: str
    """The release of mqlml that trained it."""
    gate: GateResult
    """Whether the version may be registered, and why not."""
