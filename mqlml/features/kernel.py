"""The compiled primitives of the windows: sorted rows and window edges come in, running counts go out.

Every function walks each lead's rows and snapshots once, from the earliest to the latest. Instants and lengths
are int64 microseconds; a *unit* is a stretch of rows that one or several snapshots look at (usually a lead), and
``unit[u]:unit[u + 1]`` are its rows, ``turn[u]:turn[u + 1]`` its snapshots in order of cutoff. Nothing here knows
about lateness: all rows of a unit before ``stop`` were known at the snapshot's cutoff (`mqlml.features.windows`
sees to that).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from mqlml.timeutil import DAY

__all__ = [
    "copy_known",
    "count_distinct",
    "count_words",
    "find_known",
    "find_starts",
    "find_ties",
    "look_up",
    "rank_stretches",
    "sort_by_lead",
    "sort_segments",
    "write_days_since",
]

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.float32]
Function = TypeVar("Function", bound=Callable[..., object])

_BLOCK = 16
_LATEST = np.iinfo(np.int64).max


def _compiled(function: Function) -> Function:
    """Compiled at the first call, kept on disk for the next process; other threads may run meanwhile."""
    try:
        return cast(Function, njit(cache=True, nogil=True)(function))
    except (
        RuntimeError
    ):  # neither the package's folder nor a home can be written to: compiled in each process anew
        return cast(Function, njit(nogil=True)(function))


@_compiled
def look_up(values: Ints, lowest: int, table: Codes) -> Codes:
    """``table[value - lowest]`` for each value, -1 where the value lies outside the table."""
    found = np.empty(len(values), np.int32)
    highest = lowest + len(table) - 1
    for i in range(len(values)):
        value = values[i]
        found[i] = table[value - lowest] if lowest <= value <= highest else -1
    return found


@_compiled
def sort_by_lead(lead: Codes, known: Ints, latest: Ints) -> tuple[Ints, Ints]:
    """Row numbers grouped by lead (a counting sort), without the rows that no snapshot of their lead can see.

    ``lead`` is -1 for leads that were not asked for; ``latest[u]`` is the last cutoff of lead ``u``. Returns the
    row numbers and where each lead's stretch of them begins.
    """
    begin = np.zeros(len(latest) + 1, np.int64)
    for i in range(len(lead)):
        if lead[i] >= 0 and known[i] < latest[lead[i]]:
            begin[lead[i] + 1] += 1
    for u in range(len(latest)):
        begin[u + 1] += begin[u]
    order = np.empty(begin[-1], np.int64)
    place = begin[:-1].copy()
    for i in range(len(lead)):
        if lead[i] >= 0 and known[i] < latest[lead[i]]:
            order[place[lead[i]]] = i
            place[lead[i]] += 1
    return order, begin


@_compiled
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


@_compiled
def find_ties(begin: Ints, first: Ints, second: Ints) -> tuple[Ints, Ints]:
    """Where sorted rows of one segment share both keys: their places, and where each run of them begins."""
    tied = 0
    runs = 0
    for s in range(len(begin) - 1):
        run = 1
        for i in range(begin[s] + 1, begin[s + 1] + 1):
            if i < begin[s + 1] and first[i] == first[i - 1] and second[i] == second[i - 1]:
                run += 1
            else:
                if run > 1:
                    tied += run
                    runs += 1
                run = 1
    places = np.empty(tied, np.int64)
    starts = np.zeros(runs + 1, np.int64)
    tied = 0
    runs = 0
    for s in range(len(begin) - 1):
        run = 1
        for i in range(begin[s] + 1, begin[s + 1] + 1):
            if i < begin[s + 1] and first[i] == first[i - 1] and second[i] == second[i - 1]:
                run += 1
            else:
                if run > 1:
                    for place in range(i - run, i):
                        places[tied] = place
                        tied += 1
                    runs += 1
                    starts[runs] = tied
                run = 1
    return places, starts


@_compiled
def find_known(begin: Ints, turn: Ints, known: Ints, cutoff: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """For each snapshot: the first row not known at its cutoff, and whether a later row was known already.

    Where no later row was, the known rows are all those before ``stop``: the unit serves as it is. Where one
    was (it was recorded sooner than an earlier act), the snapshot needs a unit of its own.
    """
    stop = np.empty(len(cutoff), np.int64)
    split = np.zeros(len(cutoff), np.bool_)
    longest = 0
    for u in range(len(begin) - 1):
        longest = max(longest, begin[u + 1] - begin[u])
    earliest = np.empty(longest + 1, np.int64)  # the soonest that this row or any after it was known
    for u in range(len(begin) - 1):
        low, high = begin[u], begin[u + 1]
        if turn[u] == turn[u + 1]:
            continue
        earliest[high - low] = _LATEST
        for i in range(high - 1, low - 1, -1):
            earliest[i - low] = min(known[i], earliest[i - low + 1])
        reached = low
        for t in range(turn[u], turn[u + 1]):
            while reached < high and known[reached] < cutoff[t]:
                reached += 1
            stop[t] = reached
            split[t] = earliest[reached - low] < cutoff[t]
    return stop, split


@_compiled
def copy_known(
    low: Ints, high: Ints, cutoff: Ints, known: Ints, occurred: Ints, order: Ints
) -> tuple[Ints, Ints, Ints]:
    """One unit per snapshot with only the rows of ``low:high`` known at its cutoff, copied in their order."""
    unit = np.zeros(len(cutoff) + 1, np.int64)
    for t in range(len(cutoff)):
        count = 0
        for i in range(low[t], high[t]):
            if known[i] < cutoff[t]:
                count += 1
        unit[t + 1] = unit[t] + count
    copied_time = np.empty(unit[-1], np.int64)
    copied_order = np.empty(unit[-1], np.int64)
    place = 0
    for t in range(len(cutoff)):
        for i in range(low[t], high[t]):
            if known[i] < cutoff[t]:
                copied_time[place] = occurred[i]
                copied_order[place] = order[i]
                place += 1
    return unit, copied_time, copied_order


@_compiled
def find_starts(
    unit: Ints, turn: Ints, occurred: Ints, cutoff: Ints, stop: Ints, lengths: Ints
) -> npt.NDArray[np.int64]:
    """First row of each window of each snapshot, at most ``stop``: shape (windows, snapshots).

    A length below 0 stands for everything before the cutoff.
    """
    start = np.empty((len(lengths), len(cutoff)), np.int64)
    for w in range(len(lengths)):
        length = lengths[w]
        for u in range(len(turn) - 1):
            reached = unit[u]
            for t in range(turn[u], turn[u + 1]):
                if length >= 0:
                    edge = cutoff[t] - length
                    while reached < stop[t] and occurred[reached] < edge:
                        reached += 1
                start[w, t] = reached
    return start


@_compiled
def count_words(
    unit: Ints,
    turn: Ints,
    row: Ints,
    start: Ints,
    stop: Ints,
    word: Codes,
    words: int,
    out: Numbers,
    column: int,
) -> None:
    """Rows of each word in each window: ``out[row, column + word * windows + window]``. Word -1 is not counted.

    Windows are nested, so a row lies in one *band* between two neighbouring edges: it enters one band, passes
    from band to band as the edges move on, and a window's count is the sum of the bands inside it.
    """
    windows = len(start)
    band = np.zeros((words, windows), np.int64)
    edge = np.empty(windows, np.int64)
    for u in range(len(turn) - 1):
        if turn[u] == turn[u + 1]:
            continue
        band[:] = 0
        edge[:] = unit[u]
        seen = unit[u]
        for t in range(turn[u], turn[u + 1]):
            for w in range(windows):
                for i in range(edge[w], min(start[w, t], seen)):
                    if word[i] >= 0:
                        band[word[i], w] -= 1
                        if w + 1 < windows:
                            band[word[i], w + 1] += 1
                edge[w] = start[w, t]
            for w in range(windows):
                until = stop[t] if w == 0 else edge[w - 1]
                for i in range(max(edge[w], seen), until):
                    if word[i] >= 0:
                        band[word[i], w] += 1
            seen = stop[t]
            place = column
            for k in range(words):
                total = 0
                for w in range(windows):
                    total += band[k, w]
                    out[row[t], place] = total
                    place += 1


@_compiled
def count_distinct(
    unit: Ints,
    turn: Ints,
    row: Ints,
    start: Ints,
    stop: Ints,
    word: Codes,
    words: int,
    out: Numbers,
    column: int,
) -> None:
    """Different words in each window: ``out[row, column + window]``. Word -1 is none.

    A word lies in a window exactly if its latest row does, so only latest rows are counted in the bands. A latest
    row of an earlier unit lies before all edges of this one, and so counts for nothing.
    """
    windows = len(start)
    latest = np.full(words, -1, np.int64)
    band = np.empty(windows, np.int64)
    edge = np.empty(windows, np.int64)
    for u in range(len(turn) - 1):
        if turn[u] == turn[u + 1]:
            continue
        band[:] = 0
        edge[:] = unit[u]
        seen = unit[u]
        for t in range(turn[u], turn[u + 1]):
            for w in range(windows):
                for i in range(edge[w], min(start[w, t], seen)):
                    if word[i] >= 0 and latest[word[i]] == i:
                        band[w] -= 1
                        if w + 1 < windows:
                            band[w + 1] += 1
                edge[w] = start[w, t]
            for i in range(seen, stop[t]):
                if word[i] < 0:
                    continue
                before = latest[word[i]]
                latest[word[i]] = i
                for w in range(windows):
                    if before >= edge[w]:
                        band[w] -= 1
                        break
                for w in range(windows):
                    if i >= edge[w]:
                        band[w] += 1
                        break
            seen = stop[t]
            total = 0
            for w in range(windows):
                total += band[w]
                out[row[t], column + w] = total


@_compiled
def write_days_since(
    unit: Ints,
    turn: Ints,
    row: Ints,
    stop: Ints,
    cutoff: Ints,
    occurred: Ints,
    word: Codes,
    words: int,
    out: Numbers,
    column: int,
) -> None:
    """Days from each word's latest row to the cutoff: ``out[row, column + word]``; NaN where there is none."""
    latest = np.empty(words, np.int64)
    for u in range(len(turn) - 1):
        if turn[u] == turn[u + 1]:
            continue
        latest[:] = -1
        seen = unit[u]
        for t in range(turn[u], turn[u + 1]):
            for i in range(seen, stop[t]):
                if word[i] >= 0:
                    latest[word[i]] = i
            seen = stop[t]
            for k in range(words):
                if latest[k] >= 0:
                    out[row[t], column + k] = (cutoff[t] - occurred[latest[k]]) / DAY
                else:
                    out[row[t], column + k] = np.nan


@_compiled
def rank_stretches(unit: Ints, occurred: Ints, pause: int) -> tuple[Codes, Codes]:
    """Number of each row's day (UTC) and of its session, never falling; each unit begins new ones.

    A session ends where the next row comes more than ``pause`` later.
    """
    day = np.empty(len(occurred), np.int32)
    session = np.empty(len(occurred), np.int32)
    days = 0
    sessions = 0
    for u in range(len(unit) - 1):
        for i in range(unit[u], unit[u + 1]):
            new = i == unit[u]
            if new or occurred[i] // DAY != occurred[i - 1] // DAY:
                days += 1
            if new or occurred[i] - occurred[i - 1] > pause:
                sessions += 1
            day[i] = days
            session[i] = sessions
    return day, session
