"""The open leads on many nights, as the batch job would score them: whom it would hand to sales, and how often.

Snapshots at a few ages show how well a model predicts, but not how many leads reach a threshold: a job that runs
every night sees a lead rise the day after a demo, and fall again, between two of these ages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config, Problem
from mqlml.features import FeaturePlan, build_features
from mqlml.journeys import Journeys
from mqlml.times import DAY, NEVER, microseconds_to_column
from mqlml.training.partitions import assign_partitions
from mqlml.training.snapshots import calendar_grid, creation_times, exit_times, rank_ids
from mqlml.training.table import group_rows
from mqlml.types import Micros, Rows

__all__ = ["MOST_ROWS", "WINDOW", "Nights", "build_nights", "find_open_on"]

WINDOW = 8 * 7 * DAY
"""Thresholds are chosen on so much time: in fewer weeks too few leads reach a high one."""

MOST_ROWS = 150_000
"""Where the nights of a window have more rows, some accounts stand for all."""


@dataclass(frozen=True)
class Nights:
    """Snapshots of open leads on the nights of a window and of the weeks before it, in order of time.

    Attributes
    ----------
    snapshots : DataFrame with ``lead_id`` and ``cutoff_time``
    features : DataFrame, named by the plan
    time : ndarray of int64, microseconds
    lead, group : ndarray of int
        As in `Rows` of the same journeys.
    start, end : int
        The window. Rows before ``start`` show which leads had reached a threshold already.
    share : float
        The share of the accounts that these rows are of.
    """

    snapshots: pd.DataFrame
    features: pd.DataFrame
    time: Micros
    lead: npt.NDArray[np.intp]
    group: npt.NDArray[np.intp]
    start: int
    end: int
    share: float


def build_nights(
    journeys: Journeys, config: Config, plan: FeaturePlan, *, start: int, end: int
) -> Nights | None:
    """Build the snapshots of the leads that are open on each night from ``start`` until before ``end``.

    Where the config asks for snapshots on a calendar grid, its dates take the place of nights, and the last of them
    covers the time until the next. The weeks before, as many as the window or fewer where leads are not scored that
    long, come first.

    Returns
    -------
    Nights, or None if nobody is open on any of them.
    """
    problem = config.problem
    created = creation_times(journeys.leads)
    if problem.snapshots.ages is not None:
        count = max(1, -(-(end - start) // DAY))
        start, step = end - count * DAY, DAY
        before = -(-min(problem.age_limits[1], end - start) // DAY)
        moments = np.arange(start - before * DAY, end, DAY, dtype=np.int64)
    else:
        first, step, points = calendar_grid(problem, created, end - 1)
        moments = first + step * np.arange(points, dtype=np.int64)
        moments = moments[moments >= start - min(problem.age_limits[1], end - start)]
        inside = moments[moments >= start]
        if not len(inside):
            return None
        start, end = int(inside[0]), int(inside[-1]) + step
    lead, time, parts = find_open_on(journeys, problem, moments, most=MOST_ROWS)
    if not (time >= start).any():
        return None
    ids = journeys.leads["lead_id"].iloc[lead].reset_index(drop=True)
    snapshots = pd.DataFrame({"lead_id": ids, "cutoff_time": microseconds_to_column(time)})
    codes, group = group_rows(journeys.leads, ids)
    features = build_features(journeys, snapshots, plan)
    return Nights(snapshots, features, time, codes, group, start, end, 1 / parts)


def find_open_on(
    journeys: Journeys, problem: Problem, moments: Micros, *, most: int
) -> tuple[Rows, Micros, int]:
    """Rows of ``journeys.leads`` and the moments on which they are open, in order of time; and of how many equal
    parts of all accounts this is one.

    Parameters
    ----------
    moments : ascending, in microseconds.
    most : where there were more rows, one of several parts of the accounts stands for all.
    """
    created, low, high = creation_times(journeys.leads), *problem.age_limits
    dated = created < NEVER
    born = np.where(dated, created, 0)
    first = np.searchsorted(moments, born + max(low, 0), side="left")
    last = np.searchsorted(moments, np.minimum(born + high, exit_times(journeys, problem)), side="right")
    count = np.where(dated, np.maximum(last - first, 0), 0)
    parts = -(-int(count.sum()) // most) or 1
    if parts > 1:
        count[assign_partitions(journeys.leads, parts) != 0] = 0
    lead = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(lead)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    time = moments[place]
    order = np.lexsort((rank_ids(journeys.leads["lead_id"])[lead], time))
    return lead[order], time[order], parts
