"""A version that is compared with another, and what it gives snapshots of its own or of the other's choice."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from mqlml.evaluation.paired import Side
from mqlml.features import build_features, build_flat
from mqlml.journeys import FlatTable, Journeys
from mqlml.policy import GateInputs, LabelPolicy, interest_points
from mqlml.registry import Bundle, Version
from mqlml.scoring.labels import team_values
from mqlml.times import NEVER, parse_instant, to_microseconds
from mqlml.training import TrainingTable
from mqlml.types import Floats

__all__ = ["Contender", "gate_inputs", "label_side", "learned_until", "make_side", "to_time"]


@dataclass(frozen=True)
class Contender:
    """A version that is compared; its number is None before it is registered."""

    bundle: Bundle
    version: Version | None


def learned_until(bundle: Bundle) -> str | None:
    """Up to when a version knows outcomes; in a flat table whose order is one of times, its last row.

    None for an order without times, which says of no row whether it is later.
    """
    if bundle.result.data.observed_until is not None:
        return bundle.result.data.observed_until
    until = bundle.result.holdout.until
    return None if until.lstrip("-").isdigit() else until


def to_time(text: str | None) -> int:
    """Microseconds of an ISO time; `NEVER` for none."""
    return NEVER if text is None else to_microseconds(parse_instant(text, "UTC"))


def make_side(bundle: Bundle, table: TrainingTable, data: Journeys | FlatTable) -> Side:
    """What a version gives the rows, from features of its own plan."""
    features = table.features
    if bundle.plan != table.plan:
        features = _build(bundle, table, data)
    raw = bundle.scorer.decision_function(features)
    points = None
    if bundle.policy.gated:
        points = interest_points(bundle.scorer, features, [one.family for one in bundle.plan.features])
    probability = bundle.calibrator.predict_proba(raw)[:, 1]
    return label_side(bundle.policy, probability, gate_inputs(bundle.policy, table, data, points))


def _build(bundle: Bundle, table: TrainingTable, data: Journeys | FlatTable) -> pd.DataFrame:
    if isinstance(data, Journeys):
        snapshots = pd.DataFrame({"lead_id": table.lead_id, "cutoff_time": table.cutoff_time})
        return build_features(data, snapshots, bundle.plan)
    rows = pd.Index(data.leads["lead_id"]).get_indexer(pd.Index(table.lead_id))
    part = replace(
        data,
        leads=data.leads.iloc[rows].reset_index(drop=True),
        label=data.label.iloc[rows].reset_index(drop=True),
        order=data.order.iloc[rows].reset_index(drop=True),
    )
    return build_flat(part, bundle.plan)


def gate_inputs(
    policy: LabelPolicy, table: TrainingTable, data: Journeys | FlatTable, points: Floats | None
) -> GateInputs:
    rows = pd.Index(data.leads["lead_id"]).get_indexer(pd.Index(table.lead_id))
    teams = team_values(data.leads.iloc[rows], policy)
    if points is None or not policy.gated:
        return GateInputs(teams)
    return GateInputs(teams, points[:, 0], points[:, 1])


def label_side(policy: LabelPolicy, probability: Floats, inputs: GateInputs) -> Side:
    meets = policy.meets_thresholds(probability, inputs)
    return Side(probability, dict(zip(policy.thresholds, meets.T, strict=True)), policy.thresholds)
