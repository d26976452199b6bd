"""Compiled sorting of event rows by lead and time, and the search for window edges.

Instants and lengths are int64 microseconds. A *group* is a run of rows that one or several snapshots share (usually a
lead); `ScanArrays` says how groups, their rows and their snapshots are laid out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mqlml.compiled import compiled
from mqlml.times import NEVER
from mqlml.types import Codes, Ints, Mask


class ScanArrays(NamedTuple):
    """What the kernels read of a scan. Arrays, all int64, sorted by group and then by time.

    Attributes
    ----------
    group_offsets : (groups + 1,) rows of group g are ``group_offsets[g]:group_offsets[g + 1]``.
    snapshot_offsets : (groups + 1,) its snapshots are ``snapshot_offsets[g]:snapshot_offsets[g + 1]``, by cutoff.
    row : (snapshots,) where each snapshot stands in the output.
    stop : (snapshots,) first row of the group that is not known yet.
    cutoff : (snapshots,) microseconds.
    occurred : (rows,) microseconds.
    """

    group_offsets: Ints
    snapshot_offsets: Ints
    row: Ints
    stop: Ints
    cutoff: Ints
    occurred: Ints


_BLOCK = 16


@compiled
def look_up(values: Ints, lowest: int, table: Codes) -> Codes:
    """``table[value - lowest]`` for each value, -1 where the value lies outside the table."""
    found = np.empty(len(values), np.int32)
    highest = lowest + len(table) - 1
    for i in range(len(values)):
        value = values[i]
        found[i] = table[value - lowest] if lowest <= value <= highest else -1
    return found


@compiled
def sort_by_lead(lead: Codes, known: Ints, latest: Ints) -> tuple[Ints, Ints]:
    """Row numbers grouped by lead (a counting sort), without the rows that no snapshot of their lead can see.

    ``lead`` is -1 for leads without a snapshot; ``latest[g]`` is the last cutoff of lead ``g``. Returns the
    row numbers and where each lead's stretch of them begins.
    """
    begin = np.zeros(len(latest) + 1, np.int64)
    for i in range(len(lead)):
        if lead[i] >= 0 and known[i] < latest[lead[i]]:
            begin[lead[i] + 1] += 1
    for g in range(len(latest)):
        begin[g + 1] += begin[g]
    order = np.empty(begin[-1], np.int64)
    place = begin[:-1].copy()
    for i in range(len(lead)):
        if lead[i] >= 0 and known[i] < latest[lead[i]]:
            order[place[lead[i]]] = i
            place[lead[i]] += 1
    return order, begin


@compiled
def sort_segments(begin: Ints, first: Ints, second: Ints, order: Ints) -> None:
    """Sort the three arrays in place by (first, second) within each segment; equal keys keep their order.

    A merge sort that leaves sorted stretches alone, so rows that come in order cost one comparison each and a
    million rows of one lead in disorder cost n log n.
    """
    longest = 0
    for s in range(len(begin) - 1):
        longest = max(longest, begin[s + 1] - begin[s])
    spare_first = np.empty(longest, np.int64)
    spare_second = np.empty(longest, np.int64)
    spare_order = np.empty(longest, np.int64)
    for s in range(len(begin) - 1):
        low, high = begin[s], begin[s + 1]
        inorder = True
        for i in range(low + 1, high):
            if first[i] < first[i - 1] or (first[i] == first[i - 1] and second[i] < second[i - 1]):
                inorder = False
                break
        if inorder:
            continue
        for block in range(low, high, _BLOCK):
            for i in range(block + 1, min(block + _BLOCK, high)):
                a, b, row = first[i], second[i], order[i]
                j = i - 1
                while j >= block and (first[j] > a or (first[j] == a and second[j] > b)):
                    first[j + 1], second[j + 1], order[j + 1] = first[j], second[j], order[j]
                    j -= 1
                first[j + 1], second[j + 1], order[j + 1] = a, b, row
        width = _BLOCK
        while width < high - low:
            for left in range(low, high - width, 2 * width):
                middle = left + width
                right = min(middle + width, high)
                a, b = first[middle - 1], second[middle - 1]
                if a < first[middle] or (a == first[middle] and b <= second[middle]):
                    continue
                for i in range(width):
                    spare_first[i] = first[left + i]
                    spare_second[i] = second[left + i]
                    spare_order[i] = order[left + i]
                i, j, k = 0, middle, left
                while i < width and j < right:
                    a, b = spare_first[i], spare_second[i]
                    if first[j] < a or (first[j] == a and second[j] < b):
                        first[k], second[k], order[k] = first[j], second[j], order[j]
                        j += 1
                    else:
                        first[k], second[k], order[k] = a, b, spare_order[i]
                        i += 1
                    k += 1
                while i < width:
                    first[k], second[k], order[k] = spare_first[i], spare_second[i], spare_order[i]
                    i += 1
                    k += 1
            width *= 2


@compiled
def find_ties(begin: Ints, first: Ints, second: Ints) -> tuple[Ints, Ints]:
    """Where sorted rows of one segment share both keys: their places, and where each run of them begins."""
    tied = np.zeros(begin[-1] + 1, np.bool_)
    begins = np.zeros(begin[-1] + 1, np.bool_)
    for s in range(len(begin) - 1):
        for i in range(begin[s] + 1, begin[s + 1]):
            if first[i] == first[i - 1] and second[i] == second[i - 1]:
                begins[i - 1] = not tied[i - 1]
                tied[i - 1] = True
                tied[i] = True
    places = np.flatnonzero(tied)
    starts = np.append(np.flatnonzero(begins[places]), len(places))
    return places, starts


@compiled
def find_known(begin: Ints, snapshot_offsets: Ints, known: Ints, cutoff: Ints) -> tuple[Ints, Mask]:
    """For each snapshot: the first row not known at its cutoff, and whether a later row was known already.

    Where no later row was, the known rows are all those before ``stop``: the group serves as it is. Where one
    was (it was recorded sooner than an earlier event), the snapshot needs a group of its own.
    """
    stop = np.empty(len(cutoff), np.int64)
    split = np.zeros(len(cutoff), np.bool_)
    longest = 0
    for g in range(len(begin) - 1):
        longest = max(longest, begin[g + 1] - begin[g])
    earliest = np.empty(longest + 1, np.int64)  # the soonest that this row or any after it was known
    for g in range(len(begin) - 1):
        low, high = begin[g], begin[g + 1]
        if snapshot_offsets[g] == snapshot_offsets[g + 1]:
            continue
        earliest[high - low] = NEVER
        for i in range(high - 1, low - 1, -1):
            earliest[i - low] = min(known[i], earliest[i - low + 1])
        reached = low
        for t in range(snapshot_offsets[g], snapshot_offsets[g + 1]):
            while reached < high and known[reached] < cutoff[t]:
                reached += 1
            stop[t] = reached
            split[t] = earliest[reached - low] < cutoff[t]
    return stop, split


@compiled
def copy_known(
    low: Ints, high: Ints, cutoff: Ints, known: Ints, occurred: Ints, order: Ints
) -> tuple[Ints, Ints, Ints]:
    """One group per snapshot with only the rows of ``low:high`` known at its cutoff, copied in their order."""
    group_offsets = np.zeros(len(cutoff) + 1, np.int64)
    for t in range(len(cutoff)):
        count = 0
        for i in range(low[t], high[t]):
            if known[i] < cutoff[t]:
                count += 1
        group_offsets[t + 1] = group_offsets[t] + count
    copied_time = np.empty(group_offsets[-1], np.int64)
    copied_order = np.empty(group_offsets[-1], np.int64)
    place = 0
    for t in range(len(cutoff)):
        for i in range(low[t], high[t]):
            if known[i] < cutoff[t]:
                copied_time[place] = occurred[i]
                copied_order[place] = order[i]
                place += 1
    return group_offsets, copied_time, copied_order


@compiled
def find_starts(scan: ScanArrays, lengths: Ints) -> Ints:
    """First row of each window of each snapshot, at most its ``stop``: shape (windows, snapshots).

    A length below 0 stands for everything before the cutoff.
    """
    start = np.empty((len(lengths), len(scan.cutoff)), np.int64)
    for w in range(len(lengths)):
        length = lengths[w]
        for g in range(len(scan.snapshot_offsets) - 1):
            reached = scan.group_offsets[g]
            for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
                if length >= 0:
                    edge = scan.cutoff[t] - length
                    while reached < scan.stop[t] and scan.occurred[reached] < edge:
                        reached += 1
                start[w, t] = reached
    return start
