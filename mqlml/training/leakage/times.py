"""Times: dates in attributes and changes in their history, compared with first cutoffs and conversions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.features.parsers.attributes import read_dates
from mqlml.times import DAY, MISSING_TIME, NEVER, column_to_microseconds, to_clock
from mqlml.training.leakage.findings import Clue, Finding
from mqlml.training.leakage.univariate import AUDIT_ERROR, filled_rows, lower_share
from mqlml.training.snapshots import first_known
from mqlml.types import Micros

__all__ = [
    "ChangeCounts",
    "Moments",
    "audit_creation",
    "check_changes",
    "check_times",
    "count_changes",
    "read_instants",
]


_MINUTE = 60_000_000
_ENOUGH = 50_000
"""At most so many leads, evenly spread, are read: parsing texts as times is slow."""
_NEARLY_ALL = 0.95
_LATER = 0.05
"""Clocks and typing errors put fewer times than this share after the cutoff."""
_BEYOND = 0.001
"""Mistyped years put at most this share of a record's times beyond the end of the data, where nothing else tells."""
_FEWER = 0.5
"""A column has fewer times beyond the end than this share of what its waits would bring: it is cut off there."""
_ON_THE_WAY = 0.95
"""More winners than this share, surely, hold a time before their conversion: it is a step on the way to it."""
_ALIGNED = 0.5
"""If more winners than this share hold the time of their win, the column is the win's time."""

_UNITS = (1_000_000, 1_000, 1)
"""Microseconds in a second, a millisecond, a microsecond."""
_YEAR_2000 = 946_684_800_000_000


@dataclass(frozen=True)
class Moments:
    """Each lead's times in the journeys: int64 microseconds, one per row of the leads.

    Attributes
    ----------
    created : when the lead was created; `NEVER` where that is missing.
    first_cutoff : its first cutoff; `NEVER` where it has none.
    converted : when it first reached the predicted stage; `NEVER` where it has not.
    end : end of the data: ``observed_until``, or a later creation or outcome.
    zone : of times without an offset.
    """

    created: Micros
    first_cutoff: Micros
    converted: Micros
    end: int
    zone: ZoneInfo

    def take(self, rows: slice) -> Moments:
        """The times of some leads."""
        return replace(
            self,
            created=self.created[rows],
            first_cutoff=self.first_cutoff[rows],
            converted=self.converted[rows],
        )


def _read_numbers(numbers: npt.NDArray[np.float64], until: int) -> Micros | None:
    for scale in _UNITS:
        plausible = (numbers * scale > _YEAR_2000) & (numbers * scale < until + 3_650 * DAY)
        if plausible.mean() >= _NEARLY_ALL:
            return np.where(plausible, numbers * scale, MISSING_TIME).astype(np.int64)
    return None


def read_instants(values: pd.Series, moments: Moments) -> Micros | None:
    """Read a column's instants, `MISSING_TIME` where it is empty; None if it does not hold times.

    Texts may be dates and times in the usual formats; numbers may be seconds, milliseconds or microseconds since
    1970, between the year 2000 and ten years after the data ends.
    """
    rows = filled_rows(values)
    filled = values[rows]
    if len(filled) == 0:
        return None
    if values.dtype.kind in "fiub":
        read = _read_numbers(filled.to_numpy(np.float64), moments.end)
    else:
        read = read_dates(filled, moments.zone)
    if read is None:
        return None
    times = np.full(len(values), MISSING_TIME)
    times[rows] = read
    return times


def check_times(values: pd.Series, moments: Moments, *, error: float) -> Clue | None:
    """Whether a column's times lie after the leads' first cutoffs, or are the times of the wins."""
    if len(values) > _ENOUGH:
        some = slice(None, None, -(-len(values) // _ENOUGH))
        values, moments = values.iloc[some], moments.take(some)
    times = read_instants(values, moments)
    if times is None:
        return None
    known = times != MISSING_TIME
    won = known & (moments.converted < NEVER)
    with_cutoff = known & (moments.first_cutoff < NEVER)
    n, n_won = int(with_cutoff.sum()), int(won.sum())
    # A date without an hour, or in another zone, may seem up to a day later.
    later = int((times[with_cutoff] - moments.first_cutoff[with_cutoff] >= DAY).sum())
    at_win = int((np.abs(times[won] - moments.converted[won]) < _MINUTE).sum())
    beyond = float((times[known] >= moments.end + DAY).mean()) if known.any() else 0.0
    figures: dict[str, float | int] = {
        "times": n,
        "after_cutoff": later,
        "share_after_cutoff": later / n if n else 0.0,
        "share_after_cutoff_low": lower_share(later, n, error=error),
        "winners": n_won,
        "at_conversion": at_win,
        "share_beyond_data": beyond,
    }
    if n_won and lower_share(at_win, n_won, error=error) >= _ALIGNED:
        text = f"it holds the minute of the conversion for {at_win:,} of {n_won:,} winners: it is the outcome's time"
        return Clue("time", text, figures, "certain")
    if figures["share_after_cutoff_low"] >= _LATER and (
        beyond <= _BEYOND or _is_record(times, moments, error=error)
    ):
        text = f"{later:,} of its {n:,} times lie after the lead's first snapshot: they were not known then"
        return Clue("time", text, figures, "certain")
    return None


def _is_record(times: Micros, moments: Moments, *, error: float) -> bool:
    """Whether times were written down as things happened, though some lie beyond the end of the data.

    Both signs compare with what the waits since creation would bring by themselves: a record is cut off at the end of
    the data, and a step on the way to a conversion comes before it.
    """
    rows = (times != MISSING_TIME) & (moments.created < NEVER)
    wait = np.sort(times[rows] - moments.created[rows])
    if len(wait) == 0:
        return False

    def share_within(limits: Micros) -> float:
        return float((np.searchsorted(wait, limits, side="right") / len(wait)).mean())

    expected = 1 - share_within(moments.end + DAY - moments.created[rows])
    inside = int((times[rows] < moments.end + DAY).sum())
    if 1 - lower_share(inside, len(wait), error=error) < _FEWER * expected:
        return True
    won = rows & (moments.converted < NEVER)
    limits = moments.converted[won] + DAY
    before = int((times[won] < limits).sum())
    if before == 0:
        return False
    usual = share_within(limits - moments.created[won])
    low = lower_share(before, int(won.sum()), error=error)
    return low >= max(_ON_THE_WAY, usual + _FEWER * (1 - usual))


_SECOND = 1_000_000
_ENTERED = 0.05
"""Mishaps put the creation of fewer winners than this share at their conversion or later."""

_ONE_HOUR = 0.9
"""If more times than this share are at one time of day, they are known by day only."""


def _by_day(clocks: Micros) -> bool:
    counts = np.unique(clocks % DAY, return_counts=True)[1]
    return bool(len(clocks) > 1 and counts.max() > _ONE_HOUR * len(clocks))


def audit_creation(moments: Moments) -> tuple[Finding, ...]:
    """Whether many winners converted before they were created, or in the same second.

    Where creations or conversions are known by day only, an earlier day counts, in the config's zone.
    """
    won = np.flatnonzero((moments.converted < NEVER) & (moments.created < NEVER))
    if len(won) == 0:
        return ()
    created, converted = (
        to_clock(times[won], moments.zone.key) for times in (moments.created, moments.converted)
    )
    by_day = _by_day(created) or _by_day(converted)
    if by_day:
        early = late = int((converted // DAY < created // DAY).sum())
    else:
        early = int((moments.converted[won] <= moments.created[won] - _SECOND).sum())
        late = int((moments.converted[won] < moments.created[won] + _SECOND).sum())
    low = lower_share(late, len(won), error=AUDIT_ERROR)
    if low < _ENTERED:
        return ()
    figures = {
        "winners": len(won),
        "created_at_conversion": late - early,
        "created_after_conversion": early,
        "share_low": low,
    }
    if 2 * early > late:
        text = (
            f"{early:,} of {len(won):,} winners converted {'on a day ' if by_day else ''}before their creation: it "
            "is the time of an import, or they were customers already. Map the time of the first contact, or leave "
            "them out"
        )
    else:
        text = (
            f"{late:,} of {len(won):,} winners were created in the second of their conversion or later: they were "
            "entered at the deal and never were open leads. Leave them out, or map the time of the first contact"
        )
    clue = Clue("time", text, figures, "likely", refuses=False)
    return (Finding("created_at", text, "noted", "likely", (clue,)),)


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
