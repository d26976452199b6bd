"""Training chooses the label policy from out-of-time predictions and the rules of the config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config
from mqlml.evaluation import Disqualification, Promotion, evaluate_selection
from mqlml.evaluation.backtest import N_PARTS, Measure, OutOfTime
from mqlml.evaluation.holdout import RANDOM_STATE
from mqlml.features import FeaturePlan
from mqlml.journeys import FlatTable, Journeys
from mqlml.policy import (
    GateInputs,
    LabelPolicy,
    ThresholdData,
    add_prediction_intervals,
    choose_policy,
    forecast_arrivals,
    interest_points,
    make_threshold_data,
    match_promotions,
    match_rules,
)
from mqlml.times import DAY
from mqlml.training import TrainingTable
from mqlml.types import Floats, Rows

__all__ = [
    "ask_interest",
    "choose_labels",
    "count_disqualified",
    "evaluate_promotions",
    "make_gate_inputs",
    "measure_interest",
    "out_of_time_periods",
]

Periods = Sequence[tuple[int, int]]

_WEEK = 7 * DAY


def out_of_time_periods(table: TrainingTable, out_of_time: OutOfTime) -> Periods:
    """The first and last cutoff of each stretch of out-of-time predictions; one stretch if they ignore time."""
    past = table.holdout.train
    return out_of_time.periods or ((int(table.time[past].min()), int(table.time[past].max())),)


def ask_interest(config: Config, plan: FeaturePlan) -> Measure | None:
    """The measurement of fit and engagement; None where no label has a gate on them."""
    rules = config.labels.values()
    if all(rule.min_fit is None and rule.min_engagement is None for rule in rules):
        return None
    return measure_interest(plan)


def measure_interest(plan: FeaturePlan) -> Measure:
    """The measurement of fit and engagement by a model."""
    families = [feature.family for feature in plan.features]
    return lambda model, features: interest_points(model, features, families)


def make_gate_inputs(
    data: Journeys | FlatTable,
    lead_id: pd.Series,
    config: Config,
    points: Floats | None,
) -> GateInputs:
    """The gate inputs of some rows.

    Parameters
    ----------
    lead_id : the lead of each row
    points : fit and engagement of the rows, see `ask_interest`; None where no label has a gate
    """
    columns = {rule.teams.column for rule in config.labels.values() if rule.teams is not None}
    teams: dict[str, npt.ArrayLike] = {
        column: _teams_of(data.leads, lead_id, column) for column in sorted(columns) if column in data.leads
    }
    return (
        GateInputs(teams) if points is None else GateInputs(teams, fit=points[:, 0], engagement=points[:, 1])
    )


def choose_labels(
    probability: Floats,
    table: TrainingTable,
    rows: Rows,
    periods: Periods,
    gate_inputs: GateInputs,
    config: Config,
    *,
    recent: ThresholdData | None,
) -> LabelPolicy:
    """Thresholds by the rules of the config, each with its predictions for a period as long as the held-out one.

    Parameters
    ----------
    probability : calibrated and out-of-time, of ``rows`` of the table
    periods : first and last cutoff of each stretch that ``rows`` cover
    gate_inputs : of ``rows``
    recent : the latest nights, see `read_recent_nights`; None to measure volumes on ``rows``
    """
    snapshots = _threshold_data(probability, table, rows, periods, gate_inputs)
    held = (table.holdout.start, table.holdout.end)
    length = sum(end - start for start, end in _stretches(table, [held]))
    if recent is not None:
        recent = _look_ahead(recent, table, length)
    elif table.dated:
        snapshots = _look_ahead(snapshots, table, length)
    policy = choose_policy(snapshots, config.labels, recent=recent)
    learned = float(table.label.sum())
    return add_prediction_intervals(
        policy,
        snapshots,
        config.labels,
        length=length,
        learned=learned,
        recent=recent,
        at_ages=config.problem.snapshots.ages is not None,
    )


def _look_ahead(volume: ThresholdData, table: TrainingTable, length: float) -> ThresholdData:
    """With the forecast of arrivals in the period after these snapshots."""
    _, first = np.unique(table.lead, return_index=True)  # rows are in order of time
    latest = (min(start for start, _ in volume.periods), max(end for _, end in volume.periods))
    found = forecast_arrivals(table.time[first] / _WEEK, table.group[first], latest, length)
    return replace(volume, arrivals=found)


def evaluate_promotions(
    data: Journeys | FlatTable, table: TrainingTable, meets: npt.NDArray[np.bool_], config: Config
) -> tuple[Promotion, ...]:
    """The effect of each rule of ``rules.promote`` on the held-out period.

    Parameters
    ----------
    meets : of shape (held-out rows, number of labels), which rows have each label without an event
    """
    if not data.dated or not config.rules.promote:
        return ()
    rows = table.holdout.test
    snapshots = pd.DataFrame(
        {"lead_id": table.lead_id.iloc[rows], "cutoff_time": table.cutoff_time.iloc[rows]}
    )
    names = list(config.labels)
    found = []
    for rule in config.rules.promote:
        level, _ = match_promotions(data.events, snapshots, [rule], names, folder=config.folder)
        promoted = level > 0
        selection = evaluate_selection(
            promoted, table.label[rows], clusters=table.group[rows], random_state=RANDOM_STATE
        )
        raised = int((promoted & ~meets[:, names.index(rule.to)]).sum())
        found.append(Promotion(**vars(selection), reason=rule.reason, to=rule.to, raised=raised))
    return tuple(found)


def count_disqualified(
    data: Journeys | FlatTable, table: TrainingTable, config: Config
) -> tuple[Disqualification, ...]:
    """What each rule of ``rules.disqualify`` excludes in the held-out period; the first rule that holds counts."""
    rows = table.holdout.test
    place = pd.Index(data.leads["lead_id"]).get_indexer(pd.Index(table.lead_id.iloc[rows]))
    leads = data.leads.iloc[place]
    left = np.ones(len(rows), dtype=bool)
    found = []
    for rule in config.rules.disqualify:
        rules = config.rules.model_copy(update={"disqualify": [rule]})
        reasons = match_rules(leads, rules, folder=config.folder, email=config.profile.email)
        excluded = left & reasons.notna().to_numpy()
        left &= ~excluded
        converted = int(table.label[rows][excluded].sum())
        found.append(Disqualification(rule.reason, int(excluded.sum()), converted))
    return tuple(found)


def _teams_of(leads: pd.DataFrame, lead_id: pd.Series, column: str) -> npt.NDArray[np.str_]:
    """One column of some leads as text without outer blanks; empty where it is missing."""
    place = pd.Index(leads["lead_id"]).get_indexer(pd.Index(lead_id))
    text = leads[column].iloc[place].astype("str").str.strip().fillna("")
    return np.asarray(text, dtype=np.str_)


def _stretches(table: TrainingTable, periods: Periods) -> list[tuple[float, float]]:
    """Periods in weeks, or in positions of an order, the last one included."""
    if not table.dated:
        return [(float(start), float(end + 1)) for start, end in periods]
    return [(start / _WEEK, start / _WEEK + (table.weeks(start, end) or 0.0)) for start, end in periods]


def _count_learned(table: TrainingTable, start: int, end: int) -> float:
    """The conversions that the model of a period learned from."""
    before = float(table.label[table.time + table.label_span <= start].sum())
    # Only folds that ignore time begin before anything is known; each learned from the other parts of the period.
    inside = (table.time >= start) & (table.time <= end)
    return before or float(table.label[inside].sum()) * (1 - 1 / N_PARTS)


def _threshold_data(
    probability: Floats,
    table: TrainingTable,
    rows: Rows,
    periods: Periods,
    gate_inputs: GateInputs,
) -> ThresholdData:
    stretches = _stretches(table, periods)
    dated = table.dated
    learned = tuple(_count_learned(table, start, end) for start, end in periods)
    snapshots = make_threshold_data(
        probability,
        table.label[rows],
        weeks=sum(end - start for start, end in stretches) if dated else None,
        lead=table.lead[rows],
        account=table.group[rows],
        time=table.time[rows] / _WEEK if dated else table.time[rows],
        periods=stretches,
        gate_inputs=gate_inputs,
    )
    return replace(snapshots, learned=learned)
