"""What other thresholds would bring: leads a week, precision, customers caught, and who would change label."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mqlml.errors import LabelPolicyError
from mqlml.evaluation.bootstrap import Estimate
from mqlml.evaluation.by_lead import ByLead, ThresholdPoint
from mqlml.policy import LabelOutcome, LabelPolicy
from mqlml.results import Number, Result
from mqlml.types import Floats, Ints

__all__ = ["LabelMove", "ThresholdRow", "count_moves", "set_thresholds", "tabulate_thresholds"]

_ROWS = 12


@dataclass(frozen=True)
class ThresholdRow(Result):
    """What one threshold brings, by the held-out period of the training, counted in leads."""

    threshold: Number
    """The probability from which a lead is selected."""
    label: str | None
    """The label whose threshold it was in that period; null for others."""
    leads: int
    """Leads selected."""
    per_week: float | None
    """Leads a week that reach it in a run every night, each counted once; null without dates."""
    converted: int
    """Those of them that converted."""
    precision: Estimate
    """The share that converted."""
    caught: Estimate
    """Of all leads that converted, the share selected."""


@dataclass(frozen=True)
class LabelMove(Result):
    """Open leads that would change from one label to another."""

    before: str
    """Their label now."""
    after: str
    """Their label then."""
    leads: int
    """How many."""
    expected: Number
    """How many of them will convert by their probabilities."""


def tabulate_thresholds(by_lead: ByLead) -> tuple[ThresholdRow, ...]:
    """About twelve thresholds from the highest to the lowest, those of the labels among them."""
    labels = {point.threshold: name for name, point in by_lead.labels.items()}
    curve = by_lead.curve
    chosen = set(np.unique(np.linspace(0, len(curve) - 1, _ROWS).round().astype(int)).tolist())
    return tuple(
        _row(point, labels.get(point.threshold), by_lead)
        for place, point in enumerate(curve)
        if place in chosen or point.threshold in labels
    )


def _row(point: ThresholdPoint, label: str | None, by_lead: ByLead) -> ThresholdRow:
    per_week = by_lead.weekly(point)
    return ThresholdRow(
        point.threshold, label, point.leads, per_week, point.converted, point.precision, point.recall
    )


def nearest_row(by_lead: ByLead, threshold: float, label: str) -> ThresholdRow:
    """What a threshold brings: of the curve, the lowest point that is not below it, else the highest one."""
    above = [point for point in by_lead.curve if point.threshold >= threshold]
    point = min(above, key=lambda one: one.threshold) if above else by_lead.curve[0]
    return replace(_row(point, label, by_lead), threshold=threshold)


def set_thresholds(policy: LabelPolicy, values: Mapping[str, float], by_lead: ByLead | None) -> LabelPolicy:
    """The policy with other thresholds for some labels, by the rule ``fixed``; gates, hold and exit stay.

    Raises
    ------
    LabelPolicyError
        If a label is unknown, differs by team, or a threshold lies below that of a lower label.
    """
    known = [outcome.label for outcome in policy.outcomes]
    for name, value in values.items():
        if name not in known:
            raise LabelPolicyError(
                f"--set must name a label of the version, {', '.join(known)}; found {name!r}. Name one of these"
            )
        if not 0 < value < 1:
            raise LabelPolicyError(f"--set {name} must be a probability between 0 and 1; found {value:g}")
    outcomes = tuple(
        _fixed(outcome, values[outcome.label], by_lead) if outcome.label in values else outcome
        for outcome in policy.outcomes
    )
    for lower, higher in itertools.pairwise(outcomes):
        if higher.threshold < lower.threshold:
            raise LabelPolicyError(
                f"the threshold of {higher.label} must not lie below that of {lower.label}: {higher.threshold:.4g} "
                f"and {lower.threshold:.4g}. Set both, as --set {lower.label}=… --set {higher.label}=…"
            )
    return replace(policy, outcomes=outcomes)


def _fixed(outcome: LabelOutcome, value: float, by_lead: ByLead | None) -> LabelOutcome:
    if outcome.teams is not None:
        raise LabelPolicyError(
            f"--set {outcome.label} needs one threshold for all; this version's differ by team. Change the "
            "capacities in the config and train"
        )
    rule: dict[str, Any] = {
        key: outcome.rule[key] for key in ("min_fit", "min_engagement", "hold", "exit") if key in outcome.rule
    }
    row = None if by_lead is None else nearest_row(by_lead, value, outcome.label)
    return LabelOutcome(
        label=outcome.label,
        rule={"policy": "fixed", "value": value, **rule},
        threshold=value,
        precision=row.precision.value if row is not None and row.leads else None,
        recall=row.caught.value if row is not None and row.leads else None,
        per_week=None if row is None else row.per_week,
        selected=0 if row is None else row.leads,
        converted=0 if row is None else row.converted,
        note="set by hand",
    )


def count_moves(scores: pd.DataFrame, before: LabelPolicy, after: LabelPolicy) -> tuple[LabelMove, ...]:
    """Which open leads would change label if only the thresholds changed.

    Parameters
    ----------
    scores : one row a lead, with ``probability`` and ``label``; leads with a label that is none of the policy's, as
        disqualified ones, stay, and so do those whose label no threshold gave (a rule, a gate or a hold).
    before, after : the thresholds now and then
    """
    chance = scores["probability"].to_numpy(np.float64)
    names = before.names
    old, new = (_levels(policy, chance) for policy in (before, after))
    given = scores["label"].to_numpy(dtype=object)
    moves = (given == names[old]) & (old != new)
    found: list[LabelMove] = []
    for low in range(len(names)):
        for high in range(len(names)):
            own = moves & (old == low) & (new == high)
            if own.any():
                found.append(
                    LabelMove(str(names[low]), str(names[high]), int(own.sum()), float(chance[own].sum()))
                )
    return tuple(found)


def _levels(policy: LabelPolicy, chance: Floats) -> Ints:
    thresholds = np.array([outcome.threshold for outcome in policy.outcomes])
    return np.asarray((chance[:, None] >= thresholds).sum(axis=1))
