"""The held-out period under seal: a training table goes in; its past can be had at will, its last period once.

What is chosen, a model, a calibration, a threshold, is chosen on `HeldOut.past`, which holds no row of the last
period and no outcome of its time: no choice can be made on what is not there. `HeldOut.open` gives the period out,
once, to be judged on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mqlml.errors import HeldOutError
from mqlml.training import OpenLooks, TrainingTable

__all__ = ["HeldOut", "Opened", "Period"]


@dataclass(frozen=True)
class Period:
    """Which period of which data was held out.

    Attributes
    ----------
    start, end : int, its first and last place in time (microseconds, or ranks of an order).
    dated : bool, whether these are dates.
    rows : int
    sha256 : str
        Of its leads, cutoffs and labels: equal for the same rows with the same outcomes, whatever the features.
    """

    start: int
    end: int
    dated: bool
    rows: int
    sha256: str


@dataclass(frozen=True)
class Opened:
    """How far a period is used up as a judge: who has seen it before.

    Attributes
    ----------
    settings : int
        With how many settings other than these it was opened before.
    versions : tuple of int, those that came of it.
    since : str or None, ISO time of the first such opening.
    note : str or None, why this opening is not on record, where it is not.
    """

    settings: int = 0
    versions: tuple[int, ...] = ()
    since: str | None = None
    note: str | None = None


Record = Callable[[Period], Opened]


class HeldOut:
    """A training table in two: what choices are made on, and what judges them.

    Parameters
    ----------
    table : TrainingTable
    record : function, optional
        Told of the period as it is opened; says who opened it before.

    Attributes
    ----------
    past : TrainingTable
        The rows whose outcomes were known when the held-out period began, at the same positions as in the whole
        table; its ``holdout`` has the rows to learn from and none to judge on.
    recent : OpenLooks
        The looks between that past and the held-out period, without their outcomes, which were still to come.
    period : Period
    opened : Opened
        Who opened the period before; nobody, as long as it was not opened here.
    """

    def __init__(self, table: TrainingTable, *, record: Record = lambda _: Opened()) -> None:
        self._table: TrainingTable | None = table
        self._record = record
        self.opened = Opened()
        self.past = _before(table)
        self.recent = _since(table, len(self.past.label))
        self.period = _describe(table)

    def open(self) -> TrainingTable:
        """The whole table, once.

        Raises
        ------
        HeldOutError
            If it was opened before.
        """
        if self._table is None:
            raise HeldOutError(
                "the held-out period may be opened once, to judge what was chosen before; it was opened already. "
                "Make every choice on the past, and build the table again for another model"
            )
        self.opened = self._record(self.period)
        table, self._table = self._table, None
        return table


def _before(table: TrainingTable) -> TrainingTable:
    """The rows whose outcomes were known when the held-out period began; they keep their positions."""
    fold = table.holdout
    # Rows are in order of time, so this is a slice, which copies nothing.
    n = int(((table.time < fold.start) & (table.time + table.reach <= fold.start)).sum())
    nobody = np.empty(0, dtype=np.intp)
    return replace(
        table,
        lead_id=table.lead_id.iloc[:n],
        cutoff_time=table.cutoff_time.iloc[:n],
        age=None if table.age is None else table.age.iloc[:n],
        label=table.label[:n],
        features=table.features.iloc[:n],
        time=table.time[:n],
        group=table.group[:n],
        lead=table.lead[:n],
        holdout=replace(fold, test=nobody, parts=tuple((train, nobody) for train, _ in fold.parts)),
    )


def _since(table: TrainingTable, first: int) -> OpenLooks:
    """The rows from ``first`` on that came before the held-out period."""
    start = table.holdout.start
    rows = slice(first, int(np.searchsorted(table.time, start, side="left")))
    return OpenLooks(
        lead_id=table.lead_id.iloc[rows],
        features=table.features.iloc[rows],
        time=table.time[rows],
        group=table.group[rows],
        lead=table.lead[rows],
        start=start - table.reach,
        end=start,
    )


def _describe(table: TrainingTable) -> Period:
    fold = table.holdout
    rows = fold.test
    lead = pd.util.hash_pandas_object(table.lead_id.iloc[rows].astype("str"), index=False).to_numpy()
    order = np.lexsort((lead, table.time[rows]))  # not that of the export
    digest = hashlib.sha256()
    for column in (lead, table.time[rows], table.label[rows]):
        digest.update(column[order].tobytes())
    return Period(fold.start, fold.end, table.dated, len(rows), digest.hexdigest())
