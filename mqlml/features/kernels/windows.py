"""Find the event rows in each snapshot's lookback windows, and compute sums and ratios over them.

A row counts at a cutoff if it occurred *and* was recorded before it, strictly; a window of length w holds the
rows that occurred in ``[cutoff - w, cutoff)``. The rows of a lead are sorted once by
(occurred, known, action, channel, campaign, value), so the order of the table never matters; then every snapshot
is a few edges between rows. Only this module handles rows that were recorded in another order than they occurred:
a snapshot whose known rows are not simply the first ones gets its own copy of them.

Leads are cut into ranges of bounded work, which bounds the memory and keeps the rows in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.errors import ContractError
from mqlml.features.catalogue import Window
from mqlml.features.kernels import sorting
from mqlml.features.kernels.sorting import ScanArrays
from mqlml.features.vocabulary import Words, read_words
from mqlml.times import NEVER, column_to_microseconds
from mqlml.types import Codes, Floats, Ints, Mask

_WORK = 500_000
"""Rows and snapshots in one range of leads: about 10,000 leads of 50 events."""

UNIT = 1e-6
"""Values are added up in whole millionths: such sums are exact, so neither order nor partition changes them."""

LARGEST = 2**63 * UNIT

_COPIES = 4_000_000
"""Rows copied at a time for snapshots that need their own."""


@dataclass(frozen=True)
class SnapshotKeys:
    """The snapshots, in the order given.

    Attributes
    ----------
    ids : Index of the different leads.
    lead : int64 array, position in ``ids`` of each snapshot's lead.
    cutoff : int64 array, microseconds.
    """

    ids: pd.Index
    lead: Ints
    cutoff: Ints


def _sort_of_id(ids: pd.Series | pd.Index) -> str:
    return "whole numbers" if pd.api.types.is_integer_dtype(ids.dtype) else "text"


def read_snapshot_keys(snapshots: pd.DataFrame, leads: pd.DataFrame) -> tuple[SnapshotKeys, Ints]:
    """Check the snapshots and find their leads: the keys, and the row in ``leads`` of each id.

    Raises
    ------
    ContractError
        If a column or a value is missing, or a snapshot's lead has no row in ``leads`` or several.
    """
    for column in ("lead_id", "cutoff_time"):
        if column not in snapshots:
            raise ContractError(
                f"snapshots need the columns 'lead_id' and 'cutoff_time'; found {list(snapshots.columns)!r}"
            )
        if snapshots[column].hasnans:
            row = int(np.flatnonzero(snapshots[column].isna())[0])
            raise ContractError(f"every snapshot needs a {column}; the one at position {row} has none")
    times = snapshots["cutoff_time"]
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise ContractError(
            f"snapshots.cutoff_time must hold times with a zone (datetime64[us, UTC]); found {times.dtype}"
        )
    if len(snapshots) and _sort_of_id(snapshots["lead_id"]) != _sort_of_id(leads["lead_id"]):
        raise ContractError(
            f"lead_id is {_sort_of_id(leads['lead_id'])} in leads, but {_sort_of_id(snapshots['lead_id'])} in the "
            "snapshots; make them the same"
        )
    lead, ids = pd.factorize(snapshots["lead_id"])
    keys = SnapshotKeys(pd.Index(ids), lead.astype(np.int64), column_to_microseconds(times))
    place = match_ids(leads["lead_id"], keys.ids)
    rows = np.bincount(place[place >= 0], minlength=len(ids))
    if (rows != 1).any():
        wrong = np.flatnonzero(rows != 1)
        named = ", ".join(map(repr, keys.ids[wrong[:3]].tolist())) + (", …" if len(wrong) > 3 else "")
        found = "none" if rows[wrong[0]] == 0 else str(rows[wrong[0]])
        raise ContractError(
            f"every snapshot's lead needs one row in leads; lead_id {named} has {found} "
            f"({len(wrong):,} such in all)"
        )
    position = np.empty(len(ids), np.int64)
    found_rows = np.flatnonzero(place >= 0)
    position[place[found_rows]] = found_rows
    return keys, position


def match_ids(values: pd.Series, ids: pd.Index) -> Codes:
    """Position of each value in ``ids``, -1 where it is not among them."""
    if len(ids) == 0 or len(values) == 0:
        return np.full(len(values), -1, np.int32)
    if isinstance(values.dtype, pd.CategoricalDtype):
        table = np.append(match_ids(pd.Series(values.cat.categories), ids), np.int32(-1))
        return table[values.cat.codes.to_numpy()]
    if pd.api.types.is_integer_dtype(values.dtype) and pd.api.types.is_integer_dtype(ids.dtype):
        numbers = ids.to_numpy(np.int64)
        lowest, highest = int(numbers.min()), int(numbers.max())
        if highest - lowest <= 4 * (len(values) + len(ids)) + 1_000_000:
            dense = np.full(highest - lowest + 1, -1, np.int32)
            dense[numbers - lowest] = np.arange(len(ids), dtype=np.int32)
            return sorting.look_up(values.to_numpy(np.int64), lowest, dense)
        return pd.Index(numbers).get_indexer(pd.Index(values.to_numpy(np.int64))).astype(np.int32)
    return _match_text(values, ids)


def _match_text(values: pd.Series, ids: pd.Index) -> Codes:
    # Arrow looks whole columns up without making a Python object of each text
    import pyarrow as pa
    import pyarrow.compute as pc

    among = pa.array(ids.to_numpy(object), type=pa.large_string())
    text = pa.array(values.array, type=pa.large_string())
    return np.asarray(
        pc.fill_null(pc.index_in(text, value_set=among), -1).to_numpy(zero_copy_only=False), np.int32
    )


class Events:
    """The events table as arrays: instants, words and values, each read once, when first needed."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        # A row without a time is known at no cutoff.
        self.occurred = column_to_microseconds(table["occurred_at"], missing=NEVER)
        self.known = np.maximum(self.occurred, column_to_microseconds(table["recorded_at"], missing=NEVER))
        self._words: dict[str, Words] = {}
        self._kept: dict[Hashable, npt.NDArray[Any]] = {}

    def __contains__(self, column: str) -> bool:
        return column in self.table

    def words(self, column: str) -> Words:
        """The codes and texts of a column of words."""
        if column not in self._words:
            self._words[column] = read_words(self._column(column))
        return self._words[column]

    def kept(self, key: Hashable, make: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """What ``make`` gives, made once for each key: a table of all words is the same for every scan."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def values(self) -> Floats:
        """The column ``value``; NaN is missing."""
        return self._column("value").to_numpy(np.float64)

    def _column(self, column: str) -> pd.Series:
        if column in self.table:
            return self.table[column]
        if len(self.table):
            raise ContractError(
                f"the features were planned with a column {column!r} in events; found {list(self.table.columns)!r}. "
                "Map it under data.events.columns, or retrain"
            )
        return pd.Series([], dtype="float64" if column == "value" else "category")

    def tie_keys(self, rows: Ints) -> tuple[Ints, Ints]:
        """Two keys that put rows of one instant in order: their words, then their value."""
        key = np.zeros(len(rows), np.int64)
        size = 1
        for column in ("action", "channel", "campaign"):
            if column not in self:
                continue
            words = self.words(column)
            number = len(words.text) + 1
            if size > 2**62 // number:
                seen, key = np.unique(key, return_inverse=True)
                size = len(seen)
            key = key * number + words.ranks()[words.codes[rows]]
            size *= number
        if "value" not in self:
            return key, np.zeros(len(rows), np.int64)
        bits = self.values()[rows].view(np.int64)
        # As integers, floats are then in order of size.
        return key, np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)


@dataclass(frozen=True)
class WindowScan:
    """Some snapshots, their event rows and the edges of their windows.

    Attributes
    ----------
    arrays : ScanArrays, the groups of rows and of snapshots.
    order : int64 array (rows,), row number in the events table.
    windows : the windows, shortest first.
    start : int64 array (windows, snapshots), first row of each window.
    """

    arrays: ScanArrays
    order: Ints
    windows: tuple[Window, ...]
    start: Ints

    @property
    def row(self) -> Ints:
        """Where each snapshot stands in the output."""
        return self.arrays.row

    @property
    def stop(self) -> Ints:
        """The first row that each snapshot does not know yet."""
        return self.arrays.stop

    @property
    def first(self) -> Ints:
        """The first row of each snapshot's group; it knows none where this is not below ``stop``."""
        return np.repeat(self.arrays.group_offsets[:-1], np.diff(self.arrays.snapshot_offsets))

    def starts(self, windows: Sequence[Window]) -> Ints:
        """The rows of ``start`` for some of the windows."""
        return self.start[[self.windows.index(window) for window in windows]]

    def only(self, keep: Mask) -> WindowScan:
        """The same snapshots and windows over some of the rows."""
        if keep.all():
            return self
        before = np.zeros(len(keep) + 1, np.int64)
        np.cumsum(keep, out=before[1:])
        arrays = self.arrays._replace(
            group_offsets=before[self.arrays.group_offsets],
            stop=before[self.stop],
            occurred=self.arrays.occurred[keep],
        )
        return replace(self, arrays=arrays, order=self.order[keep], start=before[self.start])


def scan_windows(events: Events, keys: SnapshotKeys, windows: Sequence[Window]) -> Iterator[WindowScan]:
    """Scans that together hold every snapshot once, each over a range of leads of bounded work."""
    chosen = tuple(sorted(set(windows), key=lambda window: np.inf if isinstance(window, str) else window))
    n_leads = len(keys.ids)
    if n_leads == 0:
        return
    by_lead = np.lexsort((keys.cutoff, keys.lead))
    cutoff = keys.cutoff[by_lead]
    snapshot_offsets = np.zeros(n_leads + 1, np.int64)
    np.cumsum(np.bincount(keys.lead, minlength=n_leads), out=snapshot_offsets[1:])
    lead = match_ids(events.table["lead_id"], keys.ids)
    order, begin = sorting.sort_by_lead(lead, events.known, cutoff[snapshot_offsets[1:] - 1])
    del lead
    for first, last in cut_ranges(begin, snapshot_offsets):
        rows = slice(begin[first], begin[last])
        snapshots = slice(snapshot_offsets[first], snapshot_offsets[last])
        of_leads = slice(first, last + 1)
        begins = begin[of_leads] - begin[first], snapshot_offsets[of_leads] - snapshot_offsets[first]
        yield from _scans_of_range(
            events, order[rows], *begins, by_lead[snapshots], cutoff[snapshots], chosen
        )


def cut_ranges(begin: Ints, snapshot_offsets: Ints) -> Iterator[tuple[int, int]]:
    """Ranges of groups, each of bounded work, from where each group's rows and snapshots begin."""
    work = begin[1:] + snapshot_offsets[1:]
    cuts = np.searchsorted(work, np.arange(_WORK, work[-1], _WORK), side="left") + 1
    yield from pairwise(np.unique(np.concatenate([[0], cuts, [len(work)]])))


def _scans_of_range(
    events: Events,
    order: Ints,
    begin: Ints,
    snapshot_offsets: Ints,
    row: Ints,
    cutoff: Ints,
    windows: tuple[Window, ...],
) -> Iterator[WindowScan]:
    occurred = events.occurred[order]
    known = events.known[order]
    sorting.sort_segments(begin, occurred, known, order)
    places, runs = sorting.find_ties(begin, occurred, known)
    if len(places):
        tied = order[places]
        sorting.sort_segments(runs, *events.tie_keys(tied), tied)
        order[places] = tied
    lengths = np.array([-1 if isinstance(window, str) else window for window in windows], np.int64)
    stop, split = sorting.find_known(begin, snapshot_offsets, known, cutoff)

    def scan(arrays: ScanArrays, order: Ints) -> WindowScan:
        return WindowScan(arrays, order, windows, sorting.find_starts(arrays, lengths))

    if not split.any():
        yield scan(ScanArrays(begin, snapshot_offsets, row, stop, cutoff, occurred), order)
        return
    whole = ~split
    if whole.any():
        kept = np.concatenate([[0], np.cumsum(whole)])[snapshot_offsets]
        yield scan(ScanArrays(begin, kept, row[whole], stop[whole], cutoff[whole], occurred), order)
    apart = np.flatnonzero(split)
    lead = np.searchsorted(snapshot_offsets, apart, side="right") - 1
    copied = np.cumsum(begin[lead + 1] - begin[lead])
    for batch in np.split(np.arange(len(apart)), np.flatnonzero(np.diff(copied // _COPIES)) + 1):
        own = apart[batch]
        low, high = begin[lead[batch]], begin[lead[batch] + 1]
        begins, own_occurred, own_order = sorting.copy_known(low, high, cutoff[own], known, occurred, order)
        each = np.arange(len(own) + 1)
        yield scan(ScanArrays(begins, each, row[own], begins[1:], cutoff[own], own_occurred), own_order)


def count_ranks(rank: Codes, start: Ints, stop: Ints) -> Ints:
    """Different ranks among the rows ``start:stop``, where ranks never fall."""
    if len(rank) == 0:
        return np.zeros_like(start)
    first = rank[np.minimum(start, len(rank) - 1)]
    return np.where(stop > start, rank[stop - 1] - first + 1, 0)


def sum_in_windows(amount: Ints, start: Ints, stop: Ints) -> Ints:
    """Sum of the amounts of the rows ``start:stop``; the running total may wrap, its differences are exact."""
    total = np.zeros(len(amount) + 1, np.int64)
    np.cumsum(amount, out=total[1:])
    return total[stop] - total[start]


def divide(amount: npt.NDArray[np.number], number: Ints) -> Floats:
    """The amount for each of a number, NaN where there is none."""
    return np.where(number > 0, amount / np.maximum(number, 1), np.nan)


def whole_values(scan: WindowScan, value: Floats) -> tuple[Ints, Mask]:
    """Values in whole millionths, 0 where there is none, and where there is one.

    Raises
    ------
    ContractError
        If the values of a lead are too large to be added up exactly.
    """
    present = ~np.isnan(value)
    value = np.where(present, value, 0.0)
    if not np.abs(value).sum() < LARGEST:
        size = np.abs(value)
        offsets = scan.arrays.group_offsets
        each = np.add.reduceat(np.append(size, 0.0), np.minimum(offsets[:-1], len(size)))
        each[np.diff(offsets) == 0] = 0.0
        if not each.max() < LARGEST:
            raise ContractError(
                f"the values of one lead's events add up to {each.max():.3g}, above the {LARGEST:.1e} that can be "
                "summed exactly; give events.value in a larger unit, and no infinite ones"
            )
    return np.rint(value / UNIT).astype(np.int64), present
