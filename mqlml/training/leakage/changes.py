"""Changes: values that the attribute history shows were set or changed after a lead's first snapshot."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.times import NEVER, column_to_microseconds
from mqlml.training.leakage.findings import Clue
from mqlml.training.leakage.univariate import lower_share
from mqlml.training.snapshots import first_known
from mqlml.types import Micros

__all__ = ["ChangeCounts", "check_changes", "count_changes"]

_CHANGED = 0.01
"""Corrections of typing errors change fewer leads than this share."""

_LOADED = 0.2
"""First entries of more than this share at one instant: the history started then, whenever values were set."""


@dataclass(frozen=True)
class ChangeCounts:
    """How many leads each attribute changed for; the counts of a table's partitions add up.

    Attributes
    ----------
    table : DataFrame, one row per attribute (the index)
        ``leads`` with a history and a snapshot; ``changed``, those of them changed after the first cutoff; ``won``,
        those of the changed that converted; ``won_after``, those changed at or after their conversion.
    """

    table: pd.DataFrame

    def __add__(self, other: ChangeCounts) -> ChangeCounts:
        return ChangeCounts(self.table.add(other.table, fill_value=0).astype(np.int64))


def count_changes(
    history: pd.DataFrame,
    fields: Collection[str],
    lead: npt.NDArray[np.intp],
    first_cutoff: Micros,
    converted: Micros,
) -> ChangeCounts:
    """Count, for one part of the leads, the values that were set or changed after the first cutoff.

    Parameters
    ----------
    history : DataFrame of the contract.
    fields : the attributes to count.
    lead : int array, one per row of ``history``: the lead's position in the next two arrays, -1 for none.
    first_cutoff, converted : int64 microseconds per lead, `NEVER` where there is none.
    """
    rows = np.flatnonzero(history["field"].isin(list(fields)).to_numpy() & (lead >= 0))
    part = history.iloc[rows]
    who = lead[rows]
    field, names = pd.factorize(part["field"])
    value = pd.factorize(part["value"])[0]
    since = column_to_microseconds(part["valid_from"], missing=NEVER)
    known = first_known(part, "valid_from")
    order = np.lexsort((known, since, who, field))
    field, who, value, since, known = (column[order] for column in (field, who, value, since, known))
    first = np.ones(len(order), np.bool_)
    first[1:] = (field[1:] != field[:-1]) | (who[1:] != who[:-1])
    changed = np.ones(len(order), np.bool_)
    changed[1:] = first[1:] | (value[1:] != value[:-1])
    changed &= ~_loaded(field, since, first)
    with_cutoff = first_cutoff[who] < NEVER
    after = changed & with_cutoff & (known >= first_cutoff[who])
    won = converted[who] < NEVER
    counts = {
        "leads": with_cutoff & first,
        "changed": _once(after, field, who),
        "won": _once(after & won, field, who),
        "won_after": _once(after & won & (known >= converted[who]), field, who),
    }
    return ChangeCounts(
        pd.DataFrame(
            {name: np.bincount(field[mask], minlength=len(names)) for name, mask in counts.items()},
            index=pd.Index([str(name) for name in names], dtype="str"),
        )
    )


def _once(
    mask: npt.NDArray[np.bool_], field: npt.NDArray[np.intp], who: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """One row for each attribute of a lead for which the mask holds anywhere."""
    rows = np.flatnonzero(mask)
    if len(rows) == 0:
        return rows
    new = np.ones(len(rows), np.bool_)
    new[1:] = (field[rows][1:] != field[rows][:-1]) | (who[rows][1:] != who[rows][:-1])
    return rows[new]


def _loaded(
    field: npt.NDArray[np.intp], since: Micros, first: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """First entries that were all made at one instant."""
    starts = pd.DataFrame({"field": field[first], "since": since[first]})
    size = starts.groupby(["field", "since"])["since"].transform("size").to_numpy()
    total = starts.groupby("field")["since"].transform("size").to_numpy()
    loaded = np.zeros(len(field), np.bool_)
    loaded[first] = (size > 1) & (size >= _LOADED * total)
    return loaded


def check_changes(counts: ChangeCounts, *, error: float) -> dict[str, Clue]:
    """The attributes that change after the first cutoff for more leads than corrections explain."""
    clues = {}
    for row in counts.table.itertuples():
        name = str(row.Index)
        leads, changed, won, won_after = (int(number) for number in row[1:])
        low = lower_share(changed, leads, error=error)
        if low < _CHANGED:
            continue
        late = f", and for {won_after:,} of them at or after the conversion" if won_after else ""
        clues[name] = Clue(
            "changed",
            f"the history shows that it was set or changed for {changed:,} of {leads:,} leads after their first "
            f"snapshot{late}; read it as it was then: profile: {{history: [{name}]}}",
            {
                "leads": leads,
                "changed": changed,
                "changed_low": low,
                "winners": won,
                "winners_after": won_after,
            },
            "certain",
        )
    return clues
