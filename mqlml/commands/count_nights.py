"""Training counts whom a nightly job would hand over: which model scores which night, and in which weeks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.base import clone

from mqlml.commands.choose_model import FOLD_POSITIVES, Chosen
from mqlml.commands.choose_thresholds import make_gate_inputs
from mqlml.config import Config
from mqlml.evaluation.backtest import Measure
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import LeadScorer, SigmoidCalibrator
from mqlml.policy import ThresholdData, make_volume_data
from mqlml.times import DAY
from mqlml.training import Fold, Nights, TrainingTable, assign_labels, build_nights
from mqlml.training.nights import WINDOW
from mqlml.training.snapshots import creation_times
from mqlml.types import Floats, Ints, Rows

__all__ = [
    "Learned",
    "Scored",
    "find_end",
    "find_window",
    "last_fold",
    "learn_from_others",
    "predict_others",
    "read_later_nights",
    "read_recent_nights",
    "score_nights",
    "with_rows",
]

_WEEK = 7 * DAY

_PAUSES = 50
"""The number of latest pauses between days with new leads that show how long a pause can be."""


Learned = tuple[LeadScorer, Rows]
Scored = tuple[Rows, Floats]


def read_recent_nights(
    data: Journeys | FlatTable,
    config: Config,
    learned: Sequence[Learned],
    table: TrainingTable,
    until: int,
    calibrator: SigmoidCalibrator,
    measure: Measure | None,
    scored: Scored,
) -> ThresholdData | None:
    """The latest eight weeks before a moment, to choose thresholds on; None for a flat table.

    The other parameters are those of `score_nights`; ``learned`` are its models. Where the first of them learned from
    snapshots of these weeks, others are fitted for its leads, see `learn_from_others`.
    """
    if not isinstance(data, Journeys):
        return None
    start, end = find_window(data, until)
    nights = build_nights(data, config, table.plan, start=start, end=end)
    if nights is None:
        return None
    rows = learned[0][1]
    if len(rows) and int(table.time[rows].max()) > nights.start:
        learned = learn_from_others(learned, table, nights.group)
    return score_nights(nights, learned, table, calibrator, data, config, measure, scored)


def read_later_nights(
    data: Journeys | FlatTable,
    config: Config,
    fitted: Sequence[LeadScorer],
    table: TrainingTable,
    calibrator: SigmoidCalibrator,
    measure: Measure | None,
    scored: Scored,
) -> ThresholdData | None:
    """The held-out period with its outcomes, to evaluate thresholds and what was predicted for it; None for a flat
    table."""
    if not isinstance(data, Journeys):
        return None
    fold = table.holdout
    start, end = find_window(data, fold.end + 1, fold.start)
    nights = build_nights(data, config, table.plan, start=start, end=end)
    if nights is None:
        return None
    models = with_rows(fitted, fold)
    volume = score_nights(nights, models, table, calibrator, data, config, measure, scored)
    inside = nights.snapshots[nights.time >= nights.start]
    return replace(volume, label=assign_labels(data, inside, config.problem).astype(np.float64))


def find_window(journeys: Journeys, until: int, since: int | None = None) -> tuple[int, int]:
    """The time in which leads arrived, up to one moment: the latest eight weeks of it, or since another moment.

    It begins no earlier than the first lead, or a volume would be spread over weeks that the data does not have.
    """
    created = creation_times(journeys.leads)
    created = created[(created >= (since or 0)) & (created < until)]
    if not len(created):
        return (until - WINDOW if since is None else since), until
    end = find_end(created, until)
    return (max(end - WINDOW, int(created.min())) if since is None else since), end


def learn_from_others(fitted: Sequence[Learned], table: TrainingTable, group: Rows) -> list[Learned]:
    """The models with two more, second in line: each learned from all rows of the first but those of half of the
    accounts in ``group``, and so can score these."""
    scorer, rows = fitted[0]
    known = np.intersect1d(group, table.group[rows])
    found = []
    for half in (known[::2], known[1::2]):
        others = rows[~np.isin(table.group[rows], half)]
        positives = int(table.label[others].sum())
        if len(half) and min(positives, len(others) - positives) >= FOLD_POSITIVES:
            model: LeadScorer = clone(scorer).fit(table.features.iloc[others], table.label[others])
            found.append((model, others))
    return [fitted[0], *found, *fitted[1:]]


def score_nights(
    nights: Nights,
    fitted: Sequence[Learned],
    table: TrainingTable,
    calibrator: SigmoidCalibrator,
    data: Journeys,
    config: Config,
    measure: Measure | None,
    scored: Scored,
) -> ThresholdData:
    """The nights of a window with probabilities by models that did not learn from their leads, without outcomes.

    Parameters
    ----------
    nights : Nights
    fitted : sequence of (LeadScorer, rows of the table)
        The models that ship, and the rows each was fitted on; after them others, for the leads that those learned
        from; see `learn_from_others`.
    table, calibrator, data, config
    measure : of fit and engagement, where a label has a gate
    scored : the rows of the table with out-of-time raw scores, and these
    """
    raw = predict_others(fitted, table, nights.features, nights.group)
    probability = calibrator.predict_proba(raw)[:, 1]
    inside = np.flatnonzero(nights.time >= nights.start)
    points = None
    if measure is not None:
        points = np.empty((len(inside), 2))
        for place, rows in _share_rows(fitted, table, nights.group[inside]):
            points[rows] = measure(fitted[place][0], nights.features.iloc[inside[rows]])
    volume = make_volume_data(
        probability[inside],
        lead=nights.lead[inside],
        time=nights.time[inside] / _WEEK,
        period=(nights.start / _WEEK, nights.end / _WEEK),
        account=nights.group[inside],
        gate_inputs=make_gate_inputs(data, nights.snapshots["lead_id"].iloc[inside], config, points),
        before=_highest_before(nights, probability, scored, table, calibrator)[inside],
        share=nights.share,
    )
    return replace(volume, learned=(_count_learned(fitted, table, nights.group[inside]),))


def _count_learned(fitted: Sequence[Learned], table: TrainingTable, group: Rows) -> float:
    """The conversions that the models of these rows learned from: the harmonic mean over the rows, as the variance of
    a model goes with one over their number."""
    weight = sum(
        len(rows) / max(float(table.label[fitted[place][1]].sum()), 1.0)
        for place, rows in _share_rows(fitted, table, group)
    )
    return len(group) / weight


def _highest_before(
    nights: Nights,
    probability: Floats,
    scored: Scored,
    table: TrainingTable,
    calibrator: SigmoidCalibrator,
) -> Floats:
    """The highest probability of each row's lead before the window; 0 where it was not scored."""
    rows, raw = scored
    highest = np.zeros(max(int(table.lead.max(initial=0)), int(nights.lead.max())) + 1)
    earlier = np.flatnonzero(table.time[rows] < nights.start)
    if len(earlier):
        np.maximum.at(highest, table.lead[rows[earlier]], calibrator.predict_proba(raw[earlier])[:, 1])
    first = nights.time < nights.start
    np.maximum.at(highest, nights.lead[first], probability[first])
    found: Floats = highest[nights.lead]
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

    Time without new leads at the end is cut off where it is longer than a week and twice the longest of the latest
    pauses between days with new leads.

    Parameters
    ----------
    time : array of shape (n,), microseconds, in any order; at least one.
    end : the latest time at which a lead could arrive, in microseconds.
    """
    days = np.unique(time[time <= end] // DAY)
    if not len(days):
        return end
    pause = int(np.diff(days[-_PAUSES - 1 :]).max()) if len(days) > 1 else 0
    last = int(time[time <= end].max())
    return min(end, last + DAY) if end - last > max(_WEEK, 2 * pause * DAY) else end


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
    for place, rows in _share_rows(fitted, table, group):
        raw[rows] = fitted[place][0].decision_function(features.iloc[rows])
    return raw


def _share_rows(fitted: Sequence[Learned], table: TrainingTable, group: Rows) -> Iterator[tuple[int, Rows]]:
    """The places of the models that score any of these snapshots, each with those that it scores."""
    number = np.full(len(group), -1, dtype=np.intp)
    for place, (_, rows) in enumerate(fitted):
        number[(number < 0) & ~np.isin(group, table.group[rows])] = place
    number = np.maximum(number, 0)
    for place in range(len(fitted)):
        rows = np.flatnonzero(number == place)
        if len(rows):
            yield place, rows
