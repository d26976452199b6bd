"""History: attributes that change; changes and snapshots go in, each value as known at the cutoff comes out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.features.builder import Source
from mqlml.features.windows import match_ids
from mqlml.times import NEVER, column_to_microseconds

__all__ = ["rows_as_of"]

_PAIRS = 4_000_000
"""Pairs of a snapshot and a change of its lead looked at in one go."""


def rows_as_of(source: Source, field: str) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """The changes of one attribute, and for each snapshot the row that held at its cutoff (-1 none).

    A change holds if it was valid and recorded before the cutoff and had not ended by then. Of several, the one
    that became valid last, then the one recorded last, then the last in alphabetical order.
    """
    history, asked = source.history, source.asked
    changes = history[(history["field"] == field).to_numpy()].reset_index(drop=True)
    lead = match_ids(changes["lead_id"], asked.ids)
    valid = column_to_microseconds(changes["valid_from"], missing=NEVER)
    known = np.maximum(valid, column_to_microseconds(changes["recorded_at"], missing=NEVER))
    ended = column_to_microseconds(changes["valid_to"], missing=NEVER)
    rank = changes["value"].astype("str").rank(method="dense").fillna(0).to_numpy()
    order = np.lexsort((rank, known, valid, lead))
    order = order[lead[order] >= 0]
    begin = np.searchsorted(lead[order], np.arange(len(asked.ids) + 1))
    number = np.diff(begin)[asked.lead]
    held = np.full(len(asked.lead), -1, np.int64)
    batches = np.flatnonzero(np.diff(np.cumsum(number) // _PAIRS)) + 1
    for snapshots in np.split(np.arange(len(asked.lead)), batches):
        each = number[snapshots]
        snapshot = np.repeat(snapshots, each)
        within = np.arange(len(snapshot)) - np.repeat(np.cumsum(each) - each, each)
        row = order[begin[asked.lead[snapshot]] + within]
        cutoff = asked.cutoff[snapshot]
        holds = (known[row] < cutoff) & (ended[row] >= cutoff)
        held[snapshot[holds]] = row[holds]  # rows of a snapshot come in order, so the last one stays
    return changes, held
