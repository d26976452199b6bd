"""Labels in training: out-of-time predictions and the config's rules go in, a policy with predictions comes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from mqlml.commands.choose_model import FOLD_POSITIVES
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
    interest_points,
    make_threshold_data,
    make_volume_data,
    match_promotions,
    match_rules,
)
from mqlml.times import DAY
from mqlml.training import ImmatureSnapshots, TrainingTable
from mqlml.types import Floats, Rows

__all__ = [
    "ask_interest",
    "choose_labels",
    "count_disqualified",
    "evaluate_promotions",
    "make_gate_inputs",
    "measure_interest",
    "out_of_time_periods",
    "read_recent_weeks",
]

Periods = Sequence[tuple[int, int]]

_WEEK = 7 * DAY


def out_of_time_periods(table: TrainingTable, out_of_time: OutOfTime) -> Periods:
    """The first and last cutoff of each stretch that forward predictions cover; one stretch if they ignore time."""
    past = table.holdout.train
    return out_of_time.periods or ((int(table.time[past].min()), int(table.time[past].max())),)


def ask_interest(config: Config, plan: FeaturePlan) -> Measure | None:
    """How a model is asked for the fit and engagement of leads; None where no label has a gate on them."""
    rules = config.labels.values()
    if all(rule.min_fit is None and rule.min_engagement is None for rule in rules):
        return None
    return measure_interest(plan)


def measure_interest(plan: FeaturePlan) -> Measure:
    """How a model is asked for the fit and engagement of leads."""
    families = [feature.family for feature in plan.features]
    return lambda model, features: interest_points(model, features, families)


def make_gate_inputs(
    data: Journeys | FlatTable,
    lead_id: pd.Series,
    config: Config,
    points: Floats | None,
) -> GateInputs:
    """What besides the probability decides the labels of some rows.

    Parameters
    ----------
    lead_id : whom each row is a look at.
    points : fit and engagement of the rows, as `ask_interest` has them; None where no label has a gate.
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
    random_state: int,
) -> LabelPolicy:
    """Thresholds by the config's rules, each with what it predicts of a period as long as the held-out one.

    Parameters
    ----------
    probability : calibrated, of ``rows`` of the table, by models that had not seen their outcomes
    periods : first and last cutoff of each stretch that ``rows`` cover
    gate_inputs : of ``rows``
    recent : the latest looks, see `read_recent_weeks`; None where volumes can only be read off ``rows``.
    """
    snapshots = _threshold_data(probability, table, rows, periods, gate_inputs)
    policy = choose_policy(snapshots, config.labels, recent=recent)
    held = (table.holdout.start, table.holdout.end)
    length = sum(end - start for start, end in _stretches(table, [held]))
    return add_prediction_intervals(
        policy, snapshots, config.labels, length=length, recent=recent, random_state=random_state
    )


def evaluate_promotions(
    data: Journeys | FlatTable, table: TrainingTable, reached: npt.NDArray[np.bool_], config: Config
) -> tuple[Promotion, ...]:
    """What each rule of ``rules.promote`` would have done in the held-out period.

    Parameters
    ----------
    reached : of shape (rows held out, number of labels), who has each label without an event
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
        raised = int((promoted & ~reached[:, names.index(rule.to)]).sum())
        found.append(Promotion(**vars(selection), reason=rule.reason, to=rule.to, raised=raised))
    return tuple(found)


def count_disqualified(
    data: Journeys | FlatTable, table: TrainingTable, config: Config
) -> tuple[Disqualification, ...]:
    """Whom each rule of ``rules.disqualify`` turns away in the held-out period; the first rule that holds counts."""
    rows = table.holdout.test
    place = pd.Index(data.leads["lead_id"]).get_indexer(pd.Index(table.lead_id.iloc[rows]))
    leads = data.leads.iloc[place]
    left = np.ones(len(rows), dtype=bool)
    found = []
    for rule in config.rules.disqualify:
        rules = config.rules.model_copy(update={"disqualify": [rule]})
        reasons = match_rules(leads, rules, folder=config.folder, email=config.profile.email)
        away = left & reasons.notna().to_numpy()
        left &= ~away
        converted = int(table.label[rows][away].sum())
        found.append(Disqualification(rule.reason, int(away.sum()), converted))
    return tuple(found)


def _teams_of(leads: pd.DataFrame, lead_id: pd.Series, column: str) -> npt.NDArray[np.str_]:
    """The value of one column for some leads as text, blanks at its ends left out; empty where it is missing."""
    place = pd.Index(leads["lead_id"]).get_indexer(pd.Index(lead_id))
    text = leads[column].iloc[place].astype("str").str.strip().fillna("")
    return np.asarray(text, dtype=np.str_)


def _stretches(table: TrainingTable, periods: Periods) -> list[tuple[float, float]]:
    """Periods as looks take them: in weeks, or in places of an order, the last one included."""
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
    return make_threshold_data(
        probability,
        table.label[rows],
        weeks=sum(end - start for start, end in stretches) if dated else None,
        lead=table.lead[rows],
        account=table.group[rows],
        time=table.time[rows] / _WEEK if dated else table.time[rows],
        periods=stretches,
        gate_inputs=gate_inputs,
    )


Learned = tuple[LeadScorer, Rows]


LEAST_TIME = 8 * _WEEK
"""A volume is measured on at least this much time: in fewer weeks too few leads reach a high threshold to tell."""


def read_recent_weeks(
    fitted: Sequence[Learned],
    table: TrainingTable,
    recent: ImmatureSnapshots,
    calibrator: SigmoidCalibrator,
    data: Journeys | FlatTable,
    config: Config,
    measure: Measure | None,
) -> ThresholdData | None:
    """The latest looks, as the models see them that have not learned from them; None where there are none.

    Parameters
    ----------
    fitted : sequence of (LeadScorer, rows of the table)
        The models that will be used, and what each learned from. Where the outcomes of fewer than eight weeks are
        still to come, a further one learns from what was known eight weeks ago, and looks at all that came since.
    table : TrainingTable, up to where ``recent`` begins.
    recent : OpenLooks
    calibrator, data, config
    measure : what is asked of the models for gates on fit and engagement, if any.
    """
    if not table.dated or len(recent.time) == 0:
        return None
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
            )
    judge = _choose_evaluators(fitted, table, recent)
    raw = np.empty(len(recent.time))
    points = None if measure is None else np.empty((len(raw), 2))
    for number, (model, _) in enumerate(fitted):
        rows = np.flatnonzero(judge == number)
        if len(rows):
            features = recent.features.iloc[rows]
            raw[rows] = model.decision_function(features)
            if measure is not None and points is not None:
                points[rows] = measure(model, features)
    start, end = recent.start, recent.end
    if table.every:  # each day of a grid stands for the time until the next
        start, end = int(recent.time.min()), int(recent.time.max()) + table.every
    return make_volume_data(
        calibrator.predict_proba(raw)[:, 1],
        lead=recent.lead,
        time=recent.time / _WEEK,
        period=(start / _WEEK, end / _WEEK),
        gate_inputs=make_gate_inputs(data, recent.lead_id, config, points),
    )


def _before(table: TrainingTable, moment: int) -> Rows | None:
    """The rows whose outcomes were known at a moment; None if they are too few to learn from."""
    rows = np.flatnonzero(table.time + table.label_span <= moment)
    positives = int(table.label[rows].sum())
    return rows if min(positives, len(rows) - positives) >= FOLD_POSITIVES else None


def _learn(fitted: Sequence[Learned], table: TrainingTable, rows: Rows) -> list[Learned]:
    return [(clone(fitted[0][0]).fit(table.features.iloc[rows], table.label[rows]), rows)]


def _with_mature(table: TrainingTable, recent: ImmatureSnapshots) -> ImmatureSnapshots:
    """The last eight weeks: what is mature of them, without its outcomes, and what is not."""
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


def _choose_evaluators(fitted: Sequence[Learned], table: TrainingTable, recent: ImmatureSnapshots) -> Rows:
    """For each look the first model that has not learned from its account, or the first where all have."""
    judge = np.full(len(recent.time), -1, dtype=np.intp)
    for number, (_, rows) in enumerate(fitted):
        judge[(judge < 0) & ~np.isin(recent.group, table.group[rows])] = number
    return np.maximum(judge, 0)
