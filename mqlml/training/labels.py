"""Labels: what each snapshot led to, looked up at or after its cutoff and nowhere else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Problem
from mqlml.journeys import Journeys
from mqlml.times import column_to_microseconds
from mqlml.training.snapshots import conversion_times

__all__ = ["assign_labels"]


def assign_labels(journeys: Journeys, snapshots: pd.DataFrame, problem: Problem) -> npt.NDArray[np.int8]:
    """1 where a lead first reaches the predicted stage in its label window, else 0.

    The window is half-open: ``[cutoff + gap, cutoff + gap + horizon)``. A lead that converts inside the gap is
    a 0: nobody could have acted on it, and the probability is that of converting in the window.

    Parameters
    ----------
    snapshots : DataFrame with ``lead_id`` and ``cutoff_time``; only mature snapshots have a meaningful 0.

    Returns
    -------
    ndarray of int8, one per snapshot.
    """
    converted = conversion_times(journeys, problem)
    position = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    when = converted[position]
    start = column_to_microseconds(snapshots["cutoff_time"]) + problem.gap
    inside: npt.NDArray[np.bool_] = (when >= start) & (when < start + problem.horizon)
    return inside.astype(np.int8)
