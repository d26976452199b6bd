"""Training chooses the label policy from out-of-time predictions and the rules of the config."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from mqlml.commands.choose_model import FOLD_POSITIVES, Chosen
from mqlml.config import Config
from mqlml.evaluation import Disqualification, Promotion, evaluate_selection
from mqlml.evaluation.backtest import Measure, OutOfTime
from mqlml.evaluation.holdout import RANDOM_STATE
from mqlml.features import FeaturePlan
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import LeadScorer, SigmoidCalibrator
from mqlml.policy import (
    GateInputs,
    LabelPolicy,
    ThresholdData,
    add_prediction_intervals,
    choose_policy,
    forecast_arrivals,
    interest_points,
    make_threshold_data,
    make_volume_data,
    match_promotions,
    match_rules,
)
from mqlml.times import DAY
from mqlml.training import ImmatureSnapshots, TrainingTable
from mqlml.training.splits import Fold
from mqlml.types import Floats, Ints, Rows

__all__ = [
    "Learned",
    "ask_interest",
    "choose_labels",
    "count_disqualified",
    "evaluate_promotions",
    "find_end",
    "last_fold",
    "make_gate_inputs",
    "measure_interest",
    "out_of_time_periods",
    "predict_others",
    "read_recent_weeks",
    "with_rows",
]

Periods = Sequence[tuple[int, int]]

_WEEK = 7 * DAY

_PAUSES = 50
"""The number of latest pauses between days with snapshots that show how long a pause can be."""


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
    recent : the latest snapshots, see `read_recent_weeks`; None to measure volumes on ``rows``
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
        policy, snapshots, config.labels, length=length, learned=learned, recent=recent
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


def _threshold_data(
    probability: Floats,
    table: TrainingTable,
    rows: Rows,
    periods: Periods,
    gate_inputs: GateInputs,
) -> ThresholdData:
    stretches = _stretches(table, periods)
    dated = table.dated
    known = table.time + table.label_span
    learned = tuple(float(table.label[known <= start].sum()) for start, _ in periods)
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


LEAST_TIME = 8 * _WEEK
"""A volume is measured on at least this much time: in fewer weeks too few leads meet a high threshold."""

Learned = tuple[LeadScorer, Rows]
Scored = tuple[Rows, Floats]


def read_recent_weeks(
    fitted: Sequence[Learned],
    table: TrainingTable,
    recent: ImmatureSnapshots,
    calibrator: SigmoidCalibrator,
    data: Journeys | FlatTable,
    config: Config,
    measure: Measure | None,
    scored: Scored,
) -> ThresholdData | None:
    """The latest snapshots, scored by models that were not fitted on them; None where there are none.

    Parameters
    ----------
    fitted : sequence of (LeadScorer, rows of the table)
        The models that ship, and the rows each was fitted on; after them others, for the leads that those learned
        from. Where fewer than eight weeks are immature, another model is fitted on what was known eight weeks ago
        and scores everything since.
    table : TrainingTable, up to where ``recent`` begins.
    recent : ImmatureSnapshots
    calibrator, data, config
    measure : of fit and engagement, where a label has a gate
    scored : the rows of the table with out-of-time raw scores, and these
    """
    if not table.dated or len(recent.time) == 0:
        return None
    end = find_end(np.concatenate([table.time, recent.time]), recent.end)
    quiet, recent = end < recent.end, replace(recent, end=end)
    if recent.end - recent.start < LEAST_TIME:
        earlier = _before(table, recent.end - LEAST_TIME)
        if earlier is not None:
            return read_recent_weeks(
                _learn(fitted, table, earlier),
                table,
                _with_mature(table, recent),
                calibrator,
                data,
                config,
                measure,
                scored,
            )
        if quiet:
            return None  # what is left is too short to measure a volume on
    raw = predict_others(fitted, table, recent.features, recent.group)
    points = None
    if measure is not None:
        points = np.empty((len(raw), 2))
        for model, rows in _share_rows(fitted, table, recent.group):
            points[rows] = measure(model, recent.features.iloc[rows])
    start, end = recent.start, recent.end
    if table.every:  # each date of a grid covers the time until the next
        start, end = int(recent.time.min()), int(recent.time.max()) + table.every
    snapshots = make_volume_data(
        calibrator.predict_proba(raw)[:, 1],
        lead=recent.lead,
        time=recent.time / _WEEK,
        period=(start / _WEEK, end / _WEEK),
        account=recent.group,
        gate_inputs=make_gate_inputs(data, recent.lead_id, config, points),
        before=_highest_before(start, scored, table, recent, calibrator),
    )
    return replace(snapshots, learned=(float(table.label[fitted[0][1]].sum()),))


def _highest_before(
    start: int, scored: Scored, table: TrainingTable, recent: ImmatureSnapshots, calibrator: SigmoidCalibrator
) -> Floats:
    """The highest out-of-time probability of each row's lead before ``start``; 0 where there is none."""
    rows, raw = scored
    earlier = np.flatnonzero(table.time[rows] < start)
    highest = np.zeros(max(int(table.lead.max(initial=0)), int(recent.lead.max())) + 1)
    if len(earlier):
        np.maximum.at(highest, table.lead[rows[earlier]], calibrator.predict_proba(raw[earlier])[:, 1])
    found: Floats = highest[recent.lead]
    return found


def with_rows(models: Sequence[LeadScorer], fold: Fold) -> list[Learned]:
    """The models of a fold's parts, each with the rows it was fitted on."""
    return [(model, rows) for model, (rows, _) in zip(models, fold.parts, strict=True)]


def last_fold(chosen: Chosen) -> list[Learned]:
    """The models of the last out-of-time fold; none where folds ignored time."""
    if not chosen.folds:
        return []
    fold = chosen.folds[-1]
    models = chosen.out_of_time.models[-len(fold.parts) :]
    return with_rows([model.scorer for model in models], fold)


def find_end(time: Ints, end: int) -> int:
    """The end of the time in which leads arrive, at most ``end``: exports often end with weeks of outcomes alone.

    Time without snapshots at the end is cut off where it is longer than a week and twice the longest of the latest
    pauses between days with snapshots.

    Parameters
    ----------
    time : array of shape (n,), microseconds, in any order; at least one.
    end : the latest time a snapshot could have, in microseconds.
    """
    days = np.unique(time[time <= end] // DAY)
    if not len(days):
        return end
    pause = int(np.diff(days[-_PAUSES - 1 :]).max()) if len(days) > 1 else 0
    last = int(time[time <= end].max())
    return min(end, last + DAY) if end - last > max(_WEEK, 2 * pause * DAY) else end


def _before(table: TrainingTable, moment: int) -> Rows | None:
    """The rows with outcomes known at a moment; None if they are too few to fit a model."""
    rows = np.flatnonzero(table.time + table.label_span <= moment)
    positives = int(table.label[rows].sum())
    return rows if min(positives, len(rows) - positives) >= FOLD_POSITIVES else None


def _learn(fitted: Sequence[Learned], table: TrainingTable, rows: Rows) -> list[Learned]:
    return [(clone(fitted[0][0]).fit(table.features.iloc[rows], table.label[rows]), rows)]


def _with_mature(table: TrainingTable, recent: ImmatureSnapshots) -> ImmatureSnapshots:
    """All snapshots of the last eight weeks, mature or not, without outcomes."""
    start = recent.end - LEAST_TIME
    rows = slice(int(np.searchsorted(table.time, start, side="right")), len(table.time))
    return ImmatureSnapshots(
        lead_id=pd.concat([table.lead_id.iloc[rows], recent.lead_id], ignore_index=True),
        features=pd.concat([table.features.iloc[rows], recent.features], ignore_index=True),
        time=np.concatenate([table.time[rows], recent.time]),
        group=np.concatenate([table.group[rows], recent.group]),
        lead=np.concatenate([table.lead[rows], recent.lead]),
        start=start,
        end=recent.end,
    )


def predict_others(
    fitted: Sequence[Learned], table: TrainingTable, features: pd.DataFrame, group: Rows
) -> Floats:
    """Raw scores of snapshots, each by the first model that was not fitted on its account, else by the first model.

    Parameters
    ----------
    fitted : models, each with the rows of the table it was fitted on.
    features, group : of the snapshots; ``group`` as in the table.
    """
    raw = np.empty(len(group))
    for model, rows in _share_rows(fitted, table, group):
        raw[rows] = model.decision_function(features.iloc[rows])
    return raw


def _share_rows(
    fitted: Sequence[Learned], table: TrainingTable, group: Rows
) -> Iterator[tuple[LeadScorer, Rows]]:
    """The models that score any of these snapshots, each with those that it scores."""
    number = np.full(len(group), -1, dtype=np.intp)
    for place, (_, rows) in enumerate(fitted):
        number[(number < 0) & ~np.isin(group, table.group[rows])] = place
    number = np.maximum(number, 0)
    for place, (model, _) in enumerate(fitted):
        rows = np.flatnonzero(number == place)
        if len(rows):
            yield model, rows
