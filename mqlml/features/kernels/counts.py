"""The compiled least and greatest value of each window: sorted rows and window edges go in."""

from __future__ import annotations

import numpy as np

from mqlml.features.kernels.sorting import compiled
from mqlml.times import DAY
from mqlml.types import Codes, Floats, Floats32, Ints

__all__ = [
    "count_days",
    "count_distinct",
    "count_words",
    "rank_stretches",
    "sum_words",
    "write_days_since",
    "write_extreme",
]


@compiled
def write_extreme(
    unit: Ints,
    turn: Ints,
    row: Ints,
    start: Ints,
    stop: Ints,
    value: Floats,
    sign: int,
    out: Floats32,
    at: int,
) -> None:
    """The greatest (``sign`` 1) or least (-1) value in each window: ``out[row, at:][window]``; NaN without one.

    A queue holds the rows that can still be the extreme of some later window: each beats all that come after it. A
    row enters it once and leaves it once, whatever the number of snapshots.
    """
    cells = out[:, at:]
    longest = 0
    for u in range(len(unit) - 1):
        longest = max(longest, unit[u + 1] - unit[u])
    queue = np.empty(longest + 1, np.int64)
    for w in range(len(start)):
        for u in range(len(turn) - 1):
            head = 0
            tail = 0
            seen = unit[u]
            for t in range(turn[u], turn[u + 1]):
                for i in range(seen, stop[t]):
                    if np.isnan(value[i]):
                        continue
                    while tail > head and sign * value[queue[tail - 1]] <= sign * value[i]:
                        tail -= 1
                    queue[tail] = i
                    tail += 1
                seen = max(seen, stop[t])
                while head < tail and queue[head] < start[w, t]:
                    head += 1
                cells[row[t], w] = value[queue[head]] if head < tail else np.nan


@compiled
def count_words(
    unit: Ints,
    turn: Ints,
    row: Ints,
    start: Ints,
    stop: Ints,
    word: Codes,
    words: int,
    out: Floats32,
    at: int,
) -> None:
    """Rows of each word in each window: ``out[row, at:][word * windows + window]``. Word -1 is not counted.

    Windows are nested, so a row lies in one *band* between two neighbouring edges: it enters one band, passes
    from band to band as the edges move on, and a window's count is the sum of the bands inside it.
    """
    cells = out[:, at:]
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
            place = 0
            for k in range(words):
                total = 0
                for w in range(windows):
                    total += band[k, w]
                    cells[row[t], place] = total
                    place += 1


@compiled
def count_distinct(
    unit: Ints,
    turn: Ints,
    row: Ints,
    start: Ints,
    stop: Ints,
    word: Codes,
    words: int,
    out: Floats32,
    at: int,
) -> None:
    """Different words in each window: ``out[row, at:][window]``. Word -1 is none.

    A word lies in a window exactly if its latest row does, so only latest rows are counted in the bands. A latest
    row of an earlier unit lies before all edges of this one, and so counts for nothing.
    """
    cells = out[:, at:]
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
                cells[row[t], w] = total


@compiled
def write_days_since(
    unit: Ints,
    turn: Ints,
    row: Ints,
    stop: Ints,
    cutoff: Ints,
    occurred: Ints,
    word: Codes,
    words: int,
    out: Floats32,
    at: int,
) -> None:
    """Days from each word's latest row to the cutoff: ``out[row, at:][word]``; NaN where there is none."""
    cells = out[:, at:]
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
                    cells[row[t], k] = (cutoff[t] - occurred[latest[k]]) / DAY
                else:
                    cells[row[t], k] = np.nan


@compiled
def rank_stretches(unit: Ints, occurred: Ints, local: Ints, pause: int) -> tuple[Codes, Codes]:
    """Number of each row's day (of its ``local`` time) and of its session, never falling; each unit begins new ones.

    A session ends where the next row comes more than ``pause`` later. A clock put back does not bring a day back.
    """
    day = np.empty(len(occurred), np.int32)
    session = np.empty(len(occurred), np.int32)
    days = 0
    sessions = 0
    today = 0
    for u in range(len(unit) - 1):
        for i in range(unit[u], unit[u + 1]):
            new = i == unit[u]
            if new or local[i] // DAY > today:
                today = local[i] // DAY
                days += 1
            if new or occurred[i] - occurred[i - 1] > pause:
                sessions += 1
            day[i] = days
            session[i] = sessions
    return day, session


@compiled
def count_days(
    unit: Ints,
    turn: Ints,
    row: Ints,
    start: Ints,
    stop: Ints,
    word: Codes,
    words: int,
    day: Codes,
    out: Floats32,
    at: int,
) -> None:
    """Different days of each word in each window: ``out[row, at:][word * windows + window]``.

    ``day`` never falls within a unit. A word has a day in a window exactly if its latest row of that day lies in
    it, so only those are counted in the bands (as in `count_words`): a row steps back for a later one of its day.
    """
    cells = out[:, at:]
    windows = len(start)
    band = np.zeros((words, windows), np.int64)
    edge = np.empty(windows, np.int64)
    latest = np.empty(words, np.int64)
    counts = np.ones(len(word), np.bool_)
    for u in range(len(turn) - 1):
        if turn[u] == turn[u + 1]:
            continue
        band[:] = 0
        edge[:] = unit[u]
        latest[:] = -1
        seen = unit[u]
        for t in range(turn[u], turn[u + 1]):
            for w in range(windows):
                for i in range(edge[w], min(start[w, t], seen)):
                    if word[i] >= 0 and counts[i]:
                        band[word[i], w] -= 1
                        if w + 1 < windows:
                            band[word[i], w + 1] += 1
                edge[w] = start[w, t]
            for i in range(seen, stop[t]):
                k = word[i]
                if k < 0:
                    continue
                before = latest[k]
                if before >= 0 and day[before] == day[i]:
                    counts[before] = False
                    for w in range(windows):
                        if before >= edge[w]:
                            band[k, w] -= 1
                            break
                latest[k] = i
                for w in range(windows):
                    if i >= edge[w]:
                        band[k, w] += 1
                        break
            seen = stop[t]
            place = 0
            for k in range(words):
                total = 0
                for w in range(windows):
                    total += band[k, w]
                    cells[row[t], place] = total
                    place += 1


@compiled
def sum_words(unit: Ints, turn: Ints, start: Ints, stop: Ints, word: Codes, words: int, amount: Ints) -> Ints:
    """Sum of the amounts of each word's rows in each window: (snapshots, words * windows). Word -1 has none."""
    windows = len(start)
    sums = np.zeros((start.shape[1], words * windows), np.int64)
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
                        band[word[i], w] -= amount[i]
                        if w + 1 < windows:
                            band[word[i], w + 1] += amount[i]
                edge[w] = start[w, t]
            for w in range(windows):
                until = stop[t] if w == 0 else edge[w - 1]
                for i in range(max(edge[w], seen), until):
                    if word[i] >= 0:
                        band[word[i], w] += amount[i]
            seen = stop[t]
            place = 0
            for k in range(words):
                total = 0
                for w in range(windows):
                    total += band[k, w]
                    sums[t, place] = total
                    place += 1
    return sums
