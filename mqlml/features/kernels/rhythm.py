"""Compiled measures of rhythm and order per snapshot: decay, silence, regular hours, and what came after what.

Arguments as in `mqlml.features.kernels.counts`. Everything follows from the sequence of a group's known rows alone,
from its first one on, so neither the other snapshots nor a partition changes a bit of it.
"""

from __future__ import annotations

import numpy as np

from mqlml.compiled import compiled
from mqlml.features.kernels.sorting import ScanArrays
from mqlml.times import DAY, HOUR
from mqlml.types import Codes, Floats32, Ints


@compiled
def decay_codes(scan: ScanArrays, code: Codes, n_codes: int, half_life: int, out: Floats32, at: int) -> None:
    """Sum over each code's rows of 2 ** -(age / half_life), age to the cutoff: ``out[row, at:][code]``.

    The sum is carried from row to row, fading over the time between them: rows of one instant add exactly 1 each,
    so their order has no say.
    """
    cells = out[:, at:]
    level = np.empty(n_codes, np.float64)
    since = np.empty(n_codes, np.int64)
    for g in range(len(scan.snapshot_offsets) - 1):
        if scan.snapshot_offsets[g] == scan.snapshot_offsets[g + 1]:
            continue
        level[:] = 0.0
        since[:] = 0
        seen = scan.group_offsets[g]
        for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
            for i in range(seen, scan.stop[t]):
                k = code[i]
                if k < 0:
                    continue
                if level[k] > 0.0 and scan.occurred[i] > since[k]:
                    level[k] *= 2.0 ** (-(scan.occurred[i] - since[k]) / half_life)
                level[k] += 1.0
                since[k] = scan.occurred[i]
            seen = scan.stop[t]
            for k in range(n_codes):
                faded = 0.0
                if level[k] > 0.0:
                    faded = level[k] * 2.0 ** (-(scan.cutoff[t] - since[k]) / half_life)
                cells[scan.row[t], k] = faded


@compiled
def write_rhythm(scan: ScanArrays, local: Ints, session: Codes, out: Floats32, at: int) -> None:
    """Longest silence in days; chance that two visits begin in the same hour, on the same weekday; in office hours.

    The chance is that of two different visits drawn at random, sum of n(n - 1) / N(N - 1) (Simpson's index without
    its bias in small samples), from whole numbers, NaN below two visits. The last is the share of visits that begin
    from 8 to 18 on a weekday.
    """
    cells = out[:, at:]
    hours = np.empty(24, np.int64)
    weekdays = np.empty(7, np.int64)
    for g in range(len(scan.snapshot_offsets) - 1):
        if scan.snapshot_offsets[g] == scan.snapshot_offsets[g + 1]:
            continue
        hours[:] = 0
        weekdays[:] = 0
        visits, same_hour, same_weekday, office, longest = 0, 0, 0, 0, 0
        seen = scan.group_offsets[g]
        for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
            for i in range(seen, scan.stop[t]):
                first = i == scan.group_offsets[g]
                if not first:
                    longest = max(longest, scan.occurred[i] - scan.occurred[i - 1])
                if first or session[i] != session[i - 1]:
                    hour = (local[i] // HOUR) % 24
                    weekday = (local[i] // DAY + 3) % 7  # 1970-01-01 was a Thursday
                    same_hour += hours[hour]
                    same_weekday += weekdays[weekday]
                    hours[hour] += 1
                    weekdays[weekday] += 1
                    visits += 1
                    if weekday < 5 and 8 <= hour < 18:
                        office += 1
            seen = scan.stop[t]
            place = scan.row[t]
            if visits == 0:
                cells[place, :4] = np.nan
                continue
            silence = max(longest, scan.cutoff[t] - scan.occurred[scan.stop[t] - 1])
            cells[place, 0] = silence / DAY
            drawn = visits * (visits - 1) / 2
            cells[place, 1] = same_hour / drawn if visits > 1 else np.nan
            cells[place, 2] = same_weekday / drawn if visits > 1 else np.nan
            cells[place, 3] = office / visits


@compiled
def count_after(
    scan: ScanArrays, code: Codes, first: Ints, then: Ints, at_least: Ints, out: Floats32, at: int
) -> None:
    """For each pair: rows of ``then`` with ``at_least`` rows of ``first`` before them, and days since the last such.

    ``out[row, at:][2 * pair]`` and the column after it. Rows of one instant are not before each other.
    """
    cells = out[:, at:]
    pairs = len(first)
    earlier = np.empty(pairs, np.int64)  # rows of `first` before the instant `now`, and at it
    at_once = np.empty(pairs, np.int64)
    now = np.empty(pairs, np.int64)
    number = np.empty(pairs, np.int64)
    last = np.empty(pairs, np.int64)
    for g in range(len(scan.snapshot_offsets) - 1):
        if scan.snapshot_offsets[g] == scan.snapshot_offsets[g + 1]:
            continue
        earlier[:] = 0
        at_once[:] = 0
        now[:] = 0
        number[:] = 0
        last[:] = 0
        seen = scan.group_offsets[g]
        for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
            for i in range(seen, scan.stop[t]):
                for p in range(pairs):
                    if code[i] != first[p] and code[i] != then[p]:
                        continue
                    if scan.occurred[i] != now[p]:
                        earlier[p] += at_once[p]
                        at_once[p] = 0
                        now[p] = scan.occurred[i]
                    if code[i] == then[p] and earlier[p] >= at_least[p]:
                        number[p] += 1
                        last[p] = scan.occurred[i]
                    if code[i] == first[p]:
                        at_once[p] += 1
            seen = scan.stop[t]
            for p in range(pairs):
                place = 2 * p
                cells[scan.row[t], place] = number[p]
                cells[scan.row[t], place + 1] = (scan.cutoff[t] - last[p]) / DAY if number[p] > 0 else np.nan


@compiled
def count_most(scan: ScanArrays, code: Codes, n_codes: int, period: int, out: Floats32, at: int) -> None:
    """The most different codes in any stretch shorter than ``period``: ``out[row, at]``. Code -1 is none.

    Stretches end with a row and never with a cutoff: a row recorded late may lie before an earlier one.
    """
    cells = out[:, at:]
    held = np.zeros(n_codes, np.int64)
    for g in range(len(scan.snapshot_offsets) - 1):
        if scan.snapshot_offsets[g] == scan.snapshot_offsets[g + 1]:
            continue
        begin = scan.group_offsets[g]
        different = 0
        most = 0
        seen = scan.group_offsets[g]
        for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
            for i in range(seen, scan.stop[t]):
                while scan.occurred[begin] <= scan.occurred[i] - period:
                    if code[begin] >= 0:
                        held[code[begin]] -= 1
                        if held[code[begin]] == 0:
                            different -= 1
                    begin += 1
                if code[i] >= 0:
                    held[code[i]] += 1
                    if held[code[i]] == 1:
                        different += 1
                most = max(most, different)
            seen = scan.stop[t]
            cells[scan.row[t], 0] = most
        for i in range(begin, seen):
            if code[i] >= 0:
                held[code[i]] = 0
