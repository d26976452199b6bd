"""Changes: the attribute history goes in; which columns of the leads were still changed after the cutoff comes out.

The leads table holds values as they stand now. Where the history says that a value was set or changed after the
moment at which the lead is first looked at, the leads table tells of the lead's future.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.times import NEVER, column_to_microseconds
from mqlml.training.audit.bounds import lower_share
from mqlml.training.audit.findings import Clue
from mqlml.training.snapshots import first_known
from mqlml.types import Micros

__all__ = ["ChangeCounts", "count_changes", "judge_changes"]

_CHANGED = 0.01
"""A share of leads above this, surely, is more than corrections of typing errors."""

_LOADED = 0.2
"""A share of first entries above this at one instant: the history was begun then, whenever values were set."""


@dataclass(frozen=True)
class ChangeCounts:
    """How many leads each attribute was changed for. Those of several parts of a table, cut by lead, add up.

    Attributes
    ----------
    table : DataFrame, one row per attribute (the index)
        ``leads`` that the history tells of and that are looked at; ``changed`` of them after the first cutoff;
        ``won``, those of the changed that converted; ``won_after``, changed at or after their conversion.
    """

    table: pd.DataFrame

    def __add__(self, other: ChangeCounts) -> ChangeCounts:
        return ChangeCounts(self.table.add(other.table, fill_value=0).astype(np.int64))


def count_changes(
    history: pd.DataFrame,
    fields: Collection[str],
    lead: npt.NDArray[np.intp],
    looked_at: Micros,
    converted: Micros,
) -> ChangeCounts:
    """Count, for one part of the leads, the values that were set or changed after the first cutoff.

    Parameters
    ----------
    history : DataFrame of the contract.
    fields : the attributes asked for.
    lead : int array, one per row of ``history``: the lead's place in the two arrays that follow; -1 for none.
    looked_at, converted : int64 microseconds, per lead: its first cutoff, its conversion; `NEVER` where there is
        none.
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
    asked = looked_at[who] < NEVER
    after = changed & asked & (known >= looked_at[who])
    won = converted[who] < NEVER
    counts = {
        "leads": asked & first,
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


def judge_changes(counts: ChangeCounts, *, error: float) -> dict[str, Clue]:
    """The attributes that were changed after the first cutoff for more leads than corrections explain."""
    clues = {}
    for row in counts.table.itertuples():
        name = str(row.Index)
        leads, changed, won, won_after = (int(number) for number in row[1:])
        low = lower_share(changed, leads, error=error)
        if low < _CHANGED:
            continue
        said = f", and for {won_after:,} of them at or after the conversion" if won_after else ""
        clues[name] = Clue(
            "changed",
            f"the history shows that it was set or changed for {changed:,} of {leads:,} leads after the moment at "
            f"which they are first looked at{said}; read it as it was then: profile: {{history: [{name}]}}",
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
