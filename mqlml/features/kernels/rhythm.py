"""The compiled walks over time and order: sorted acts come in; what fades, pauses, recurs or precedes goes out.

Units, turns and rows as in `mqlml.features.kernels.counts`. Everything here follows from the sequence of a unit's
known rows alone, from its first one on, so neither the other snapshots asked for nor a partition changes a bit of it.
"""

from __future__ import annotations

import numpy as np

from mqlml.features.kernels.sorting import compiled
from mqlml.times import DAY, HOUR
from mqlml.types import Codes, Floats32, Ints

__all__ = ["count_after", "count_most", "fade_words", "write_rhythm"]


@compiled
def fade_words(
    unit: Ints,
    turn: Ints,
    row: Ints,
    stop: Ints,
    cutoff: Ints,
    occurred: Ints,
    word: Codes,
    words: int,
    half_life: int,
    out: Floats32,
    at: int,
) -> None:
    """Sum over each word's rows of 2 ** -(age / half_life), age to the cutoff: ``out[row, at:][word]``.

    The sum is carried from row to row, fading over the time between them: rows of one instant add exactly 1 each,
    so their order has no say.
    """
    cells = out[:, at:]
    level = np.empty(words, np.float64)
    since = np.empty(words, np.int64)
    for u in range(len(turn) - 1):
        if turn[u] == turn[u + 1]:
            continue
        level[:] = 0.0
        since[:] = 0
        seen = unit[u]
        for t in range(turn[u], turn[u + 1]):
            for i in range(seen, stop[t]):
                k = word[i]
                if k < 0:
                    continue
                if level[k] > 0.0 and occurred[i] > since[k]:
                    level[k] *= 2.0 ** (-(occurred[i] - since[k]) / half_life)
                level[k] += 1.0
                since[k] = occurred[i]
            seen = stop[t]
            for k in range(words):
                faded = 0.0
                if level[k] > 0.0:
                    faded = level[k] * 2.0 ** (-(cutoff[t] - since[k]) / half_life)
                cells[row[t], k] = faded


@compiled
def write_rhythm(
    unit: Ints,
    turn: Ints,
    row: Ints,
    stop: Ints,
    cutoff: Ints,
    occurred: Ints,
    local: Ints,
    session: Codes,
    out: Floats32,
    at: int,
) -> None:
    """Longest silence in days; chance that two visits begin in the same hour, on the same weekday; in office hours.

    The chance is that of two different visits drawn at random, sum of n(n - 1) / N(N - 1) (Simpson's index without
    its bias in small samples), from whole numbers, NaN below two visits. The last is the share of visits that begin
    from 8 to 18 on a weekday.
    """
    cells = out[:, at:]
    hours = np.empty(24, np.int64)
    weekdays = np.empty(7, np.int64)
    for u in range(len(turn) - 1):
        if turn[u] == turn[u + 1]:
            continue
        hours[:] = 0
        weekdays[:] = 0
        visits, same_hour, same_weekday, office, longest = 0, 0, 0, 0, 0
        seen = unit[u]
        for t in range(turn[u], turn[u + 1]):
            for i in range(seen, stop[t]):
                first = i == unit[u]
                if not first:
                    longest = max(longest, occurred[i] - occurred[i - 1])
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
            seen = stop[t]
            place = row[t]
            if visits == 0:
                cells[place, :4] = np.nan
                continue
            silence = max(longest, cutoff[t] - occurred[stop[t] - 1])
            cells[place, 0] = silence / DAY
            drawn = visits * (visits - 1) / 2
            cells[place, 1] = same_hour / drawn if visits > 1 else np.nan
            cells[place, 2] = same_weekday / drawn if visits > 1 else np.nan
            cells[place, 3] = office / visits


@compiled
def count_after(
    unit: Ints,
    turn: Ints,
    row: Ints,
    stop: Ints,
    cutoff: Ints,
    occurred: Ints,
    word: Codes,
    first: Ints,
    then: Ints,
    at_least: Ints,
    out: Floats32,
    at: int,
) -> None:
    """For each pair: acts of ``then`` with ``at_least`` acts of ``first`` before them, and days since the last such.

    ``out[row, at:][2 * pair]`` and the column after it. Acts of one instant are not before each other.
    """
    cells = out[:, at:]
    pairs = len(first)
    earlier = np.empty(pairs, np.int64)  # acts of `first` before the instant `now`, and at it
    at_once = np.empty(pairs, np.int64)
    now = np.empty(pairs, np.int64)
    number = np.empty(pairs, np.int64)
    last = np.empty(pairs, np.int64)
    for u in range(len(turn) - 1):
        if turn[u] == turn[u + 1]:
            continue
        earlier[:] = 0
        at_once[:] = 0
        now[:] = 0
        number[:] = 0
        last[:] = 0
        seen = unit[u]
        for t in range(turn[u], turn[u + 1]):
            for i in range(seen, stop[t]):
                for p in range(pairs):
                    if word[i] != first[p] and word[i] != then[p]:
                        continue
                    if occurred[i] != now[p]:
                        earlier[p] += at_once[p]
                        at_once[p] = 0
                        now[p] = occurred[i]
                    if word[i] == then[p] and earlier[p] >= at_least[p]:
                        number[p] += 1
                        last[p] = occurred[i]
                    if word[i] == first[p]:
                        at_once[p] += 1
            seen = stop[t]
            for p in range(pairs):
                place = 2 * p
                cells[row[t], place] = number[p]
                cells[row[t], place + 1] = (cutoff[t] - last[p]) / DAY if number[p] > 0 else np.nan


@compiled
def count_most(
    unit: Ints,
    turn: Ints,
    row: Ints,
    stop: Ints,
    occurred: Ints,
    word: Codes,
    words: int,
    period: int,
    out: Floats32,
    at: int,
) -> None:
    """The most different words in any stretch shorter than ``period``: ``out[row, at]``. Word -1 is none.

    Stretches end with a row and never with a cutoff: a row recorded late may lie before an earlier one.
    """
    cells = out[:, at:]
    held = np.zeros(words, np.int64)
    for u in range(len(turn) - 1):
        if turn[u] == turn[u + 1]:
            continue
        begin = unit[u]
        different = 0
        most = 0
        seen = unit[u]
        for t in range(turn[u], turn[u + 1]):
            for i in range(seen, stop[t]):
                while occurred[begin] <= occurred[i] - period:
                    if word[begin] >= 0:
                        held[word[begin]] -= 1
                        if held[word[begin]] == 0:
                            different -= 1
                    begin += 1
                if word[i] >= 0:
                    held[word[i]] += 1
                    if held[word[i]] == 1:
                        different += 1
                most = max(most, different)
            seen = stop[t]
            cells[row[t], 0] = most
        for i in range(begin, seen):
            if word[i] >= 0:
                held[word[i]] = 0
