"""The recent weeks: looks whose outcome is still to come and the models go in, a volume for each threshold comes out.

How many leads reach a threshold needs no outcome. The forward predictions that choose thresholds end where outcomes
end, were made by models that had learned from less, and leave out whoever is judged later; so they tell a volume of
the past. Here the model that will be used looks at the weeks just before it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from mqlml.config import Config
from mqlml.evaluation.backtest import Measure
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import LeadScorer, Looks, SigmoidCalibrator, make_open_looks
from mqlml.pipeline.choose_model import FOLD_POSITIVES
from mqlml.pipeline.labelling import make_traits
from mqlml.timeutil import DAY
from mqlml.training import OpenLooks, TrainingTable

__all__ = ["find_end", "look_recently"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Learned = tuple[LeadScorer, Rows]

_PAUSES = 50
"""So many of the latest pauses between days with leads say how long a pause can be."""

_WEEK = 7 * DAY

LEAST_TIME = 8 * _WEEK
"""A volume is measured on at least this much time: in fewer weeks too few leads reach a high threshold to tell."""


def look_recently(
    fitted: Sequence[Learned],
    table: TrainingTable,
    recent: OpenLooks,
    calibrator: SigmoidCalibrator,
    data: Journeys | FlatTable,
    config: Config,
    measure: Measure | None,
) -> Looks | None:
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
    if table.age is None or len(recent.time) == 0:
        return None
    end = find_end(np.concatenate([table.time, recent.time]), recent.end)
    quiet, recent = end < recent.end, replace(recent, end=end)
    if recent.end - recent.start < LEAST_TIME:
        earlier = _before(table, recent.end - LEAST_TIME)
        if earlier is not None:
            return look_recently(
                _learn(fitted, table, earlier),
                table,
                _with_mature(table, recent),
                calibrator,
                data,
                config,
                measure,
            )
        if quiet:
            return None  # what is left is too short to tell a volume
    judge = _choose_judges(fitted, table, recent)
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
    return make_open_looks(
        calibrator.predict(raw),
        lead=recent.lead,
        time=recent.time / _WEEK,
        period=(start / _WEEK, end / _WEEK),
        traits=make_traits(data, recent.lead_id, config, points),
    )


def find_end(time: npt.NDArray[np.int64], end: int) -> int:
    """When looks ended to come, at most ``end``: a volume is read from weeks in which leads came.

    An export often ends with weeks of outcomes alone, a business pauses. No lead for a week, and for longer than all
    but the very longest pauses between days with leads, is such a quiet end; whoever comes next comes as before it.

    Parameters
    ----------
    time : array of shape (n,), of the looks, in any order; at least one.
    end : up to when a look would be known.
    """
    days = np.unique(time[time <= end] // DAY)
    if not len(days):
        return end
    usual = int(np.diff(days[-_PAUSES - 1 :]).max()) if len(days) > 1 else 0
    last = int(time[time <= end].max())
    return min(end, last + DAY) if end - last > max(_WEEK, 2 * usual * DAY) else end


def _before(table: TrainingTable, moment: int) -> Rows | None:
    """The rows whose outcomes were known at a moment; None if they are too few to learn from."""
    rows = np.flatnonzero(table.time + table.reach <= moment)
    positives = int(table.label[rows].sum())
    return rows if min(positives, len(rows) - positives) >= FOLD_POSITIVES else None


def _learn(fitted: Sequence[Learned], table: TrainingTable, rows: Rows) -> list[Learned]:
    return [(clone(fitted[0][0]).fit(table.features.iloc[rows], table.label[rows]), rows)]


def _with_mature(table: TrainingTable, recent: OpenLooks) -> OpenLooks:
    """The last eight weeks: what is mature of them, without its outcomes, and what is not."""
    start = recent.end - LEAST_TIME
    rows = slice(int(np.searchsorted(table.time, start, side="right")), len(table.time))
    return OpenLooks(
        lead_id=pd.concat([table.lead_id.iloc[rows], recent.lead_id], ignore_index=True),
        features=pd.concat([table.features.iloc[rows], recent.features], ignore_index=True),
        time=np.concatenate([table.time[rows], recent.time]),
        group=np.concatenate([table.group[rows], recent.group]),
        lead=np.concatenate([table.lead[rows], recent.lead]),
        start=start,
        end=recent.end,
    )


def _choose_judges(fitted: Sequence[Learned], table: TrainingTable, recent: OpenLooks) -> Rows:
    """For each look the first model that has not learned from its account, or the first where all have."""
    judge = np.full(len(recent.time), -1, dtype=np.intp)
    for number, (_, rows) in enumerate(fitted):
        judge[(judge < 0) & ~np.isin(recent.group, table.group[rows])] = number
    return np.maximum(judge, 0)
