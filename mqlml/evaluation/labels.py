"""Each label on later leads: observed precision, recall, volume and value against what was predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mqlml.config import LabelRule
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, make_estimate
from mqlml.evaluation.metrics import check_rows
from mqlml.policy import GateInputs, LabelOutcome, LabelPolicy, payoff
from mqlml.results import Result
from mqlml.types import Floats

__all__ = [
    "Disqualification",
    "LabelEvaluation",
    "LabelPrediction",
    "LabelRows",
    "Promotion",
    "Selection",
    "ThresholdEvaluation",
    "VolumeRows",
    "WithinRange",
    "describe_shipped",
    "evaluate_policy",
    "evaluate_selection",
]


@dataclass(frozen=True)
class LabelPrediction(Result):
    """What a threshold should bring in a period as long as the held-out one, with 90% intervals.

    None where the policy predicts nothing of the kind.
    """

    precision: Estimate | None = None
    """Share of the selected snapshots that convert."""
    recall: Estimate | None = None
    """Share of all conversions that are selected."""
    per_week: Estimate | None = None
    """Leads a week."""
    value: Estimate | None = None
    """Value of the follow-ups against none, a week or, without dates, a snapshot."""


@dataclass(frozen=True)
class WithinRange(Result):
    """Whether what was observed lies within the predicted interval.

    None where nothing was predicted, or nothing could be measured.
    """

    precision: bool | None = None
    """Of the precision; None where it was not measured."""
    recall: bool | None = None
    """Of the recall, likewise."""
    per_week: bool | None = None
    """Of the leads a week, likewise."""
    value: bool | None = None
    """Of the value, likewise."""


@dataclass(frozen=True)
class ThresholdEvaluation(Result):
    """What one label's threshold selects on later snapshots; higher labels count too, so MQL includes SQL."""

    threshold: float
    """The probability from which a lead has the label; the lowest one where teams differ."""
    teams: dict[str, float] | None
    """Threshold by team, where each has its own."""
    selected: int
    """Snapshots that meet it."""
    converted: int
    """Those of them that convert."""
    precision: Estimate | None
    """Of those selected, the share that converts; None where nobody is selected."""
    recall: Estimate | None
    """Of those that convert, the share that is selected."""
    per_week: Estimate | None
    """Leads selected a week, each counted once; None where the data has no dates."""
    value: Estimate | None
    """Value of the follow-ups against none, a week or, without dates, a snapshot; None for other policies."""
    predicted: LabelPrediction
    """What was predicted before these snapshots were used."""
    within_range: WithinRange
    """Whether what was observed lies within the predicted interval."""


@dataclass(frozen=True, kw_only=True)
class LabelEvaluation(ThresholdEvaluation):
    """A label of the version that ships: its threshold, and how the threshold chosen on the past did."""

    evaluated_at: float
    """The threshold chosen on the past, which the measurements are of; ``threshold`` is that of the version."""
    next: LabelPrediction
    """What the version predicts of the next period."""
    policy: str
    """How the threshold was chosen, as text."""
    note: str | None
    """What a person should know about the threshold."""


@dataclass(frozen=True)
class Selection(Result):
    """How many of some snapshots were selected, and how many of these converted."""

    selected: int
    """Snapshots that are selected."""
    converted: int
    """Those of them followed by a conversion."""
    precision: Estimate | None
    """The share that converted; None where none was selected."""


@dataclass(frozen=True, kw_only=True)
class Promotion(Selection):
    """What one rule of ``rules.promote`` would have done in the held-out period."""

    reason: str
    """The rule's reason, as the config has it."""
    to: str
    """The label it promotes to."""
    raised: int
    """The selected snapshots that the model alone would have left lower."""


@dataclass(frozen=True)
class Disqualification(Result):
    """What one rule of ``rules.disqualify`` excludes in the held-out period; the first rule that holds counts."""

    reason: str
    """The rule's reason, as the config has it."""
    selected: int
    """Snapshots that the rule disqualifies."""
    converted: int
    """Those of them followed by a conversion."""


@dataclass(frozen=True)
class LabelRows:
    """The snapshots that a policy is evaluated on, the snapshots of one lead in order of time.

    Attributes
    ----------
    y : array of shape (n,), 0 or 1
    clusters : array of shape (n,)
        The account, or else the lead, of each row.
    leads : array of shape (n,), optional
        The lead of each row; one that is selected at several snapshots counts once in ``per_week`` and ``value``.
    weeks : float or None
        How many weeks these rows cover; None where the data has no dates.
    before : array of shape (n,), optional
        The highest probability of each row's lead before these rows; one that met a threshold then is not counted
        again in ``per_week`` and ``value``.
    """

    y: npt.ArrayLike
    clusters: npt.ArrayLike
    leads: npt.ArrayLike | None = None
    weeks: float | None = None
    before: npt.ArrayLike | None = None


@dataclass(frozen=True)
class VolumeRows:
    """The snapshots of many nights, on which ``per_week`` and ``value`` are measured.

    Attributes
    ----------
    probability : ndarray of float64, shape (n,)
    rows : LabelRows
    gate_inputs : GateInputs
    """

    probability: Floats
    rows: LabelRows
    gate_inputs: GateInputs


@dataclass(frozen=True)
class _Handover:
    """Rows by which leads are counted once each: ``first`` of shape (n, number of labels) is 1 where a lead newly
    has the label."""

    first: Floats
    y: Floats
    weeks: float | None
    bootstrap: ClusterBootstrap


class _Interval(Protocol):
    """A prediction of a label policy."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def evaluate_policy(
    policy: LabelPolicy,
    probability: npt.ArrayLike,
    rows: LabelRows,
    *,
    random_state: int,
    gate_inputs: GateInputs | None = None,
    volume: VolumeRows | None = None,
    n_bootstrap: int = 500,
) -> dict[str, ThresholdEvaluation]:
    """Precision, recall, volume and value of each label on leads that did not choose it, by label.

    Parameters
    ----------
    policy : LabelPolicy
    probability : array of shape (n,)
    rows : LabelRows
    gate_inputs : GateInputs, optional
        Needed where thresholds differ by team, or a label has a gate.
    volume : VolumeRows, optional
        Snapshots to measure volume and value on; ``rows`` if left out.
    random_state, n_bootstrap : int
        Intervals are percentiles of the bootstrap over clusters; that of a volume takes the number of weeks as fixed.
    """
    target, chance = check_rows(rows.y, probability)
    bootstrap = ClusterBootstrap(rows.clusters, n_bootstrap=n_bootstrap, random_state=random_state)
    meets = policy.meets_thresholds(chance, gate_inputs).astype(np.float64)
    if volume is None:
        handover = _find_handover(policy, meets, target, rows, gate_inputs, bootstrap)
    else:
        y, chance = check_rows(volume.rows.y, volume.probability)
        drawn = ClusterBootstrap(volume.rows.clusters, n_bootstrap=n_bootstrap, random_state=random_state)
        seen = policy.meets_thresholds(chance, volume.gate_inputs).astype(np.float64)
        handover = _find_handover(policy, seen, y, volume.rows, volume.gate_inputs, drawn)
    return {
        outcome.label: _evaluate(outcome, level, meets[:, level], target, bootstrap, handover)
        for level, outcome in enumerate(policy.outcomes)
    }


def _find_handover(
    policy: LabelPolicy,
    meets: Floats,
    y: Floats,
    rows: LabelRows,
    gate_inputs: GateInputs | None,
    bootstrap: ClusterBootstrap,
) -> _Handover:
    comes = meets
    if rows.before is not None:
        comes = meets * ~policy.meets_thresholds(rows.before, gate_inputs)
    first = np.column_stack([_once(column, rows.leads) for column in comes.T])
    return _Handover(first, y, rows.weeks, bootstrap)


def evaluate_selection(
    selected: npt.NDArray[np.bool_], y: npt.ArrayLike, *, clusters: npt.ArrayLike, random_state: int
) -> Selection:
    """How many of some selected rows converted."""
    label = np.asarray(y, dtype=np.float64)
    n, converted = int(selected.sum()), int(label[selected].sum())
    precision = None
    if n:
        bootstrap = ClusterBootstrap(clusters, n_bootstrap=500, random_state=random_state)
        drawn, hits = bootstrap.sums(selected.astype(np.float64), selected * label)
        with np.errstate(invalid="ignore"):
            precision = make_estimate(converted / n, hits / drawn)
    return Selection(n, converted, precision)


def describe_shipped(found: ThresholdEvaluation, shipped: LabelOutcome, *, policy: str) -> LabelEvaluation:
    """How the threshold of the past did, beside the threshold and the predictions of the version that ships.

    Parameters
    ----------
    policy : how the threshold was chosen, as text
    """
    return LabelEvaluation(
        **{**vars(found), "threshold": shipped.threshold, "teams": shipped.teams},
        evaluated_at=found.threshold,
        next=_describe_prediction(shipped.predictions),
        policy=policy,
        note=shipped.note,
    )


def _evaluate(
    outcome: LabelOutcome,
    level: int,
    meets: Floats,
    target: Floats,
    bootstrap: ClusterBootstrap,
    handover: _Handover,
) -> ThresholdEvaluation:
    weeks, handed = handover.weeks, handover.first[:, level]
    by_value = outcome.rule["policy"] == "value"
    worth = handed * payoff(LabelRule.model_validate(outcome.rule), handover.y) if by_value else handed
    selected, converted, positives = bootstrap.sums(meets, meets * target, target)
    handed_over, total, size = handover.bootstrap.sums(handed, worth, np.ones_like(handed))
    n_selected, n_converted = int(meets.sum()), int((meets * target).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = make_estimate(n_converted / n_selected, converted / selected) if n_selected else None
        recall = make_estimate(n_converted / target.sum(), converted / positives)
        per_week = make_estimate(handed.sum() / weeks, handed_over / weeks) if weeks else None
        value = make_estimate(worth.sum() / (weeks or len(handed)), total / (weeks or size))
    predicted = _describe_prediction(outcome.predictions)
    observed = LabelPrediction(precision, recall, per_week, value if by_value else None)
    return ThresholdEvaluation(
        threshold=outcome.threshold,
        teams=outcome.teams,
        selected=n_selected,
        converted=n_converted,
        **vars(observed),
        predicted=predicted,
        within_range=WithinRange(
            precision=_within(predicted.precision, observed.precision),
            recall=_within(predicted.recall, observed.recall),
            per_week=_within(predicted.per_week, observed.per_week),
            value=_within(predicted.value, observed.value),
        ),
    )


def _describe_prediction(predictions: Mapping[str, _Interval]) -> LabelPrediction:
    return LabelPrediction(
        **{what: Estimate(found.value, found.low, found.high) for what, found in predictions.items()}
    )


def _within(predicted: Estimate | None, observed: Estimate | None) -> bool | None:
    if predicted is None or observed is None:
        return None
    return bool(predicted.low <= observed.value <= predicted.high)


def _once(meets: Floats, leads: npt.ArrayLike | None) -> Floats:
    """1 at the first selected row of each lead, 0 elsewhere."""
    if leads is None:
        return meets
    first = np.zeros_like(meets)
    rows = np.flatnonzero(meets)
    first[rows[np.unique(np.asarray(leads)[rows], return_index=True)[1]]] = 1.0
    return first
