"""What the report says, as plain aggregates: the pipeline fills it, a version stores it, the page shows it.

No lead-level and no personal data belongs here. Every part may be missing (None, or empty), and every number may
be None or NaN where it could not be measured; the page then says so.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mqlml.errors import BundleError
from mqlml.plain import to_plain

__all__ = [
    "AgeGroup",
    "CalibrationRow",
    "DataSummary",
    "DecileRow",
    "Effect",
    "GateResult",
    "Holdout",
    "Importance",
    "LabelSummary",
    "Leak",
    "LearningPoint",
    "LeftOut",
    "Measured",
    "Metrics",
    "Period",
    "Placement",
    "Promotion",
    "Quarantined",
    "Question",
    "ReasonCount",
    "ReportData",
    "ShapePoint",
    "SliceRow",
    "Step",
]


@dataclasses.dataclass(frozen=True)
class Measured:
    """A number measured on held-out data, with its interval where there is one."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Metrics:
    """How good something is. ``n`` and ``positives`` count the snapshots it was measured on."""

    roc_auc: Measured | None = None
    average_precision: Measured | None = None
    log_loss: Measured | None = None
    brier: Measured | None = None
    brier_base_rate: Measured | None = None
    ece: Measured | None = None
    lift_top_decile: Measured | None = None
    n: int | None = None
    positives: int | None = None


@dataclasses.dataclass(frozen=True)
class Question:
    """The problem in words.

    Attributes
    ----------
    sentence : str
        Without a full stop: "Won within 60 days, looked at 0, 7 and 30 days after creation".
    converts : str
        What a lead that converts will do, after "will": "be won within 60 days".
    repeated : bool
        Whether one lead can be looked at more than once, so that rows are looks rather than leads.
    """

    sentence: str
    converts: str = "convert"
    repeated: bool = False


@dataclasses.dataclass(frozen=True)
class Quarantined:
    """How many rows of one table were set aside, and why."""

    table: str
    reason: str
    n: int


@dataclasses.dataclass(frozen=True)
class DataSummary:
    """What was read: rows per table, rows set aside, and the ISO date up to which outcomes are complete."""

    rows: dict[str, int] = dataclasses.field(default_factory=dict)
    quarantined: tuple[Quarantined, ...] = ()
    observed_until: str | None = None


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of the population waterfall: how many are left after it."""

    step: str
    n: int


@dataclasses.dataclass(frozen=True)
class Holdout:
    """The later period the version was judged on: ISO dates, or places in the order of a flat table.

    ``opened_before`` counts the other settings that were judged on it before.
    """

    start: str
    until: str
    n: int
    positives: int
    base_rate: float
    opened_before: int = 0


@dataclasses.dataclass(frozen=True)
class AgeGroup:
    """The metrics for leads looked at one age after creation, as ``"7d"``."""

    age: str
    metrics: Metrics


@dataclasses.dataclass(frozen=True)
class GateResult:
    """Whether the version may be used, why not, and what to watch."""

    passed: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ShapePoint:
    """One value of a feature (None: missing), and the mean probability if every lead had it."""

    value: float | str | None
    probability: float


@dataclasses.dataclass(frozen=True)
class Effect:
    """How much worse the model does on later data when one feature, one family, or a group of alike features is
    shuffled.

    ``drop`` above 0 means that it helps. For a family, ``name`` and ``family`` are the same. ``direction`` is how the
    probability moves with a feature's values (``rises``, ``falls``, ``peaks``, ``dips``, ``varies``, ``differs``,
    ``flat``), and ``points`` are the curve. ``alike`` counts the other features of a group.
    """

    name: str
    family: str
    sentence: str
    drop: float | None
    low: float | None = None
    high: float | None = None
    direction: str | None = None
    points: tuple[ShapePoint, ...] = ()
    alike: int = 0


@dataclasses.dataclass(frozen=True)
class Importance:
    """Effects by family, feature and group of alike ones; ``metric`` is the field of `Metrics` that gets worse."""

    families: tuple[Effect, ...] = ()
    features: tuple[Effect, ...] = ()
    metric: str = "log_loss"
    groups: tuple[Effect, ...] = ()


@dataclasses.dataclass(frozen=True)
class SliceRow:
    """One group of held-out leads: what was promised, what happened, how well it ranks there, and what fails."""

    column: str
    value: str
    n: int
    positives: int
    promised: float | None
    rate: Measured
    roc_auc: Measured | None = None
    fails: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class CalibrationRow:
    """A group of held-out leads with similar probabilities: what was promised, and what happened."""

    mean_predicted: float | None
    observed: float | None
    low: float | None
    high: float | None
    n: int


@dataclasses.dataclass(frozen=True)
class DecileRow:
    """One tenth of the held-out leads by rank; 1 is ranked highest. ``cumulative_share`` is of conversions."""

    decile: int
    n: int
    positives: int
    rate: float | None
    cumulative_share: float | None
    lift: float | None


@dataclasses.dataclass(frozen=True)
class LabelSummary:
    """What one threshold means on held-out data; it counts all who reach it, so MQL includes SQL.

    Attributes
    ----------
    name : str
        ``"mql"``, ``"sql"``, or what the user calls it.
    threshold : float
        The probability from which a lead gets the label.
    policy : str
        How it was chosen, in words, without a full stop.
    share : float or None
        Of the held-out leads, how many are at or above the threshold.
    precision, recall : Measured or None
        Of those above it, how many converted; of those that converted, how many are above it.
    per_week : Measured or None
        Leads a week at or above the threshold; None where the data has no dates.
    value : Measured or None
        What the follow-ups brought against none, a week or (without dates) a look; None for other policies.
    promised : dict of str to Measured
        What the threshold promised of these four for the held-out period, before it was opened.
    kept : dict of str to bool, whether what came lies within that; None where it could not be measured.
    coming : dict of str to Measured
        What the version that ships promises for a period as long as the held-out one.
    teams : dict of str to float
        Threshold by team, where each has its own.
    """

    name: str
    threshold: float | None
    policy: str
    share: float | None = None
    precision: Measured | None = None
    recall: Measured | None = None
    per_week: Measured | None = None
    value: Measured | None = None
    promised: dict[str, Measured] = dataclasses.field(default_factory=dict)
    kept: dict[str, bool | None] = dataclasses.field(default_factory=dict)
    coming: dict[str, Measured] = dataclasses.field(default_factory=dict)
    teams: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Promotion:
    """What a rule that promotes at once did on the held-out period.

    ``n`` counts the looks after such an act, ``raised`` those of them that the model alone would have left lower.
    """

    reason: str
    to: str
    n: int
    raised: int
    precision: Measured | None = None


@dataclasses.dataclass(frozen=True)
class Leak:
    """A column or event type written after the outcome: why it is suspected, how surely, and what was done.

    ``severity`` is None in the report of a version that was made before there was one.
    """

    column: str
    reason: str
    action: str
    severity: str | None = None
    kind: str = "column"


@dataclasses.dataclass(frozen=True)
class LearningPoint:
    """The error on the same later leads of a model that learned from a ``share`` of the history before them.

    ``rows`` and ``positives`` were learned from; ``saved`` is how much smaller the error is than with half as much.
    """

    share: float
    rows: int
    positives: int
    log_loss: Measured
    saved: Measured | None = None


@dataclasses.dataclass(frozen=True)
class Period:
    """One period of the past, or the held-out one, judged by a model that learned from what was known before it.

    ``start`` and ``until`` are ISO times or places in an order; ``base_rate`` is the error of quoting the base rate
    known then to everyone, and ``saved`` how much smaller the model's is.
    """

    start: str
    until: str
    n: int
    positives: int
    log_loss: Measured | None
    base_rate: Measured | None
    saved: Measured | None
    held_out: bool = False


@dataclasses.dataclass(frozen=True)
class Placement:
    """Held-out leads of one third by fit and one by engagement (0 lowest, 2 highest): promised, and what happened."""

    fit: int
    engagement: int
    n: int
    positives: int
    promised: float | None
    rate: Measured


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A column that did not become a feature, and why."""

    column: str
    reason: str


@dataclasses.dataclass(frozen=True)
class ReasonCount:
    """How many held-out leads a rule disqualifies, with the rule's reason, and how many of them converted.

    ``converted`` is None in the report of a version that was made before it was counted.
    """

    reason: str
    n: int
    converted: int | None = None


@dataclasses.dataclass(frozen=True)
class ReportData:
    """All that the report shows. Only the first five fields are required.

    Attributes
    ----------
    name, version, run_id, created, mqlml_version : str
        ``created`` is an ISO time; ``version`` and ``run_id`` are None for a run that was not registered.
    question : Question
    data : DataSummary or None
    population : steps of the waterfall, first to last
    holdout : Holdout or None
    metrics : Metrics or None, on the held-out period
    by_age : youngest first
    slices : by column, largest first within one
    baselines : ``base_rate``, ``points``, ``logistic`` to their metrics, those that were run
    gate : GateResult or None
    importance : Importance or None
    calibration : lowest probability first
    drifts : bool or None
        Whether, from period to period of the past, more or fewer leads convert than one calibration explains; None
        if not known.
    learning_curve : least history first
    periods : earliest first; the held-out one is the last
    placements : lowest fit first, lowest engagement first within one
    deciles : highest rank first
    labels : lowest label first
    leaks, left_out, disqualified, promoted : as their classes say
    proof : whether changing the future moved a feature, in a sentence without its full stop; None if not tried
    confidence : float
        What the intervals hold: 0.95.
    """

    name: str
    version: str | None
    run_id: str | None
    created: str
    mqlml_version: str
    question: Question = Question("Whether a lead converts")
    data: DataSummary | None = None
    population: tuple[Step, ...] = ()
    holdout: Holdout | None = None
    metrics: Metrics | None = None
    by_age: tuple[AgeGroup, ...] = ()
    slices: tuple[SliceRow, ...] = ()
    baselines: dict[str, Metrics] = dataclasses.field(default_factory=dict)
    gate: GateResult | None = None
    importance: Importance | None = None
    calibration: tuple[CalibrationRow, ...] = ()
    drifts: bool | None = None
    learning_curve: tuple[LearningPoint, ...] = ()
    periods: tuple[Period, ...] = ()
    placements: tuple[Placement, ...] = ()
    deciles: tuple[DecileRow, ...] = ()
    labels: tuple[LabelSummary, ...] = ()
    leaks: tuple[Leak, ...] = ()
    proof: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    disqualified: tuple[ReasonCount, ...] = ()
    promoted: tuple[Promotion, ...] = ()
    confidence: float = 0.95

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, texts and numbers, strict JSON: NaN and infinities become None."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @staticmethod
    def from_dict(values: dict[str, Any]) -> ReportData:
        """The report data of `to_dict`, whether or not it went through JSON text.

        Keys that this release does not know are passed over, so that a newer version's report still opens.

        Raises
        ------
        BundleError
            If a value is missing or is not what it must be.
        """
        try:
            return _adapter().validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BundleError(
                f"the stored report data does not fit at {where!r}: {first['msg'].lower()}; "
                "train the version again to renew its report"
            ) from None


@functools.cache
def _adapter() -> TypeAdapter[ReportData]:
    return TypeAdapter(ReportData)
