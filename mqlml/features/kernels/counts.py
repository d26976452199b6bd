"""Compiled counts per window, of a lead's own rows and of what the other leads of its account did."""

from __future__ import annotations

import numpy as np

from mqlml.compiled import compiled
from mqlml.features.kernels.sorting import ScanArrays
from mqlml.times import DAY, MISSING_TIME
from mqlml.types import Codes, Floats, Floats32, Ints, Mask


@compiled
def write_extreme(scan: ScanArrays, start: Ints, value: Floats, sign: int, out: Floats32, at: int) -> None:
    """The greatest (``sign`` 1) or least (-1) value in each window: ``out[row, at:][window]``; NaN without one.

    A queue holds the rows that can still be the extreme of some later window: each beats all that come after it. A
    row enters it once and leaves it once, whatever the number of snapshots.
    """
    cells = out[:, at:]
    longest = 0
    for g in range(len(scan.group_offsets) - 1):
        longest = max(longest, scan.group_offsets[g + 1] - scan.group_offsets[g])
    queue = np.empty(longest + 1, np.int64)
    for w in range(len(start)):
        for g in range(len(scan.snapshot_offsets) - 1):
            head = 0
            tail = 0
            seen = scan.group_offsets[g]
            for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
                for i in range(seen, scan.stop[t]):
                    if np.isnan(value[i]):
                        continue
                    while tail > head and sign * value[queue[tail - 1]] <= sign * value[i]:
                        tail -= 1
                    queue[tail] = i
                    tail += 1
                seen = max(seen, scan.stop[t])
                while head < tail and queue[head] < start[w, t]:
                    head += 1
                cells[scan.row[t], w] = value[queue[head]] if head < tail else np.nan


@compiled
def _move_edges(
    band: Ints, edge: Ints, start: Ints, t: int, seen: int, code: Codes, amount: Ints | None
) -> None:
    """Move the edges to snapshot ``t``: a row that an edge passes leaves its band for the next wider one.

    Windows are nested, so a row lies in one *band* between two neighboring edges, and what a window holds is the sum
    of the bands inside it. Without an ``amount`` each row counts 1.
    """
    windows = len(edge)
    for w in range(windows):
        for i in range(edge[w], min(start[w, t], seen)):
            if code[i] >= 0:
                size = 1 if amount is None else amount[i]
                band[code[i], w] -= size
                if w + 1 < windows:
                    band[code[i], w + 1] += size
        edge[w] = start[w, t]


@compiled
def _add_to_bands(band: Ints, edge: Ints, seen: int, stop: int, code: Codes, amount: Ints | None) -> None:
    """Put the rows ``seen:stop``, new at a snapshot, into their bands."""
    for w in range(len(edge)):
        until = stop if w == 0 else edge[w - 1]
        for i in range(max(edge[w], seen), until):
            if code[i] >= 0:
                band[code[i], w] += 1 if amount is None else amount[i]


@compiled
def _write_bands(band: Ints, cells: Floats32 | Ints, row: int) -> None:
    """Write each code's total in each window: ``cells[row, code * windows + window]``."""
    place = 0
    for k in range(band.shape[0]):
        total = 0
        for w in range(band.shape[1]):
            total += band[k, w]
            cells[row, place] = total
            place += 1


@compiled
def count_codes(scan: ScanArrays, start: Ints, code: Codes, n_codes: int, out: Floats32, at: int) -> None:
    """Rows of each code in each window: ``out[row, at:][code * windows + window]``. Code -1 is not counted."""
    cells = out[:, at:]
    band = np.zeros((n_codes, len(start)), np.int64)
    edge = np.empty(len(start), np.int64)
    for g in range(len(scan.snapshot_offsets) - 1):
        if scan.snapshot_offsets[g] == scan.snapshot_offsets[g + 1]:
            continue
        band[:] = 0
        edge[:] = scan.group_offsets[g]
        seen = scan.group_offsets[g]
        for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
            _move_edges(band, edge, start, t, seen, code, None)
            _add_to_bands(band, edge, seen, scan.stop[t], code, None)
            _write_bands(band, cells, scan.row[t])
            seen = scan.stop[t]


@compiled
def sum_codes(scan: ScanArrays, start: Ints, code: Codes, n_codes: int, amount: Ints) -> Ints:
    """Sum of the amounts of each code's rows in each window: (snapshots, codes * windows). Code -1 has none."""
    sums = np.zeros((start.shape[1], n_codes * len(start)), np.int64)
    band = np.zeros((n_codes, len(start)), np.int64)
    edge = np.empty(len(start), np.int64)
    for g in range(len(scan.snapshot_offsets) - 1):
        if scan.snapshot_offsets[g] == scan.snapshot_offsets[g + 1]:
            continue
        band[:] = 0
        edge[:] = scan.group_offsets[g]
        seen = scan.group_offsets[g]
        for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
            _move_edges(band, edge, start, t, seen, code, amount)
            _add_to_bands(band, edge, seen, scan.stop[t], code, amount)
            _write_bands(band, sums, t)
            seen = scan.stop[t]
    return sums


@compiled
def count_distinct(scan: ScanArrays, start: Ints, code: Codes, n_codes: int, out: Floats32, at: int) -> None:
    """Different codes in each window: ``out[row, at:][window]``. Code -1 is none.

    A code lies in a window exactly if its latest row does, so only latest rows are counted in the bands. A latest
    row of an earlier group lies before all edges of this one, and so counts for nothing.
    """
    cells = out[:, at:]
    windows = len(start)
    latest = np.full(n_codes, -1, np.int64)
    band = np.empty(windows, np.int64)
    edge = np.empty(windows, np.int64)
    for g in range(len(scan.snapshot_offsets) - 1):
        if scan.snapshot_offsets[g] == scan.snapshot_offsets[g + 1]:
            continue
        band[:] = 0
        edge[:] = scan.group_offsets[g]
        seen = scan.group_offsets[g]
        for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
            for w in range(windows):
                for i in range(edge[w], min(start[w, t], seen)):
                    if code[i] >= 0 and latest[code[i]] == i:
                        band[w] -= 1
                        if w + 1 < windows:
                            band[w + 1] += 1
                edge[w] = start[w, t]
            for i in range(seen, scan.stop[t]):
                if code[i] < 0:
                    continue
                before = latest[code[i]]
                latest[code[i]] = i
                for w in range(windows):
                    if before >= edge[w]:
                        band[w] -= 1
                        break
                for w in range(windows):
                    if i >= edge[w]:
                        band[w] += 1
                        break
            seen = scan.stop[t]
            total = 0
            for w in range(windows):
                total += band[w]
                cells[scan.row[t], w] = total


@compiled
def count_days(
    scan: ScanArrays, start: Ints, code: Codes, n_codes: int, day: Codes, out: Floats32, at: int
) -> None:
    """Different days of each code in each window: ``out[row, at:][code * windows + window]``.

    ``day`` never falls within a group. A code has a day in a window exactly if its latest row of that day lies in
    it, so only those are in the bands: a row steps back for a later one of its day.
    """
    cells = out[:, at:]
    windows = len(start)
    band = np.zeros((n_codes, windows), np.int64)
    edge = np.empty(windows, np.int64)
    latest = np.full(n_codes, -1, np.int64)  # never reset: rows of earlier groups are told by their number
    counts = np.ones(len(code), np.int64)
    for g in range(len(scan.snapshot_offsets) - 1):
        if scan.snapshot_offsets[g] == scan.snapshot_offsets[g + 1]:
            continue
        band[:] = 0
        edge[:] = scan.group_offsets[g]
        seen = scan.group_offsets[g]
        for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
            _move_edges(band, edge, start, t, seen, code, counts)
            for i in range(seen, scan.stop[t]):
                k = code[i]
                if k < 0:
                    continue
                before = latest[k]
                latest[k] = i
                if before >= scan.group_offsets[g] and day[before] == day[i]:
                    counts[before] = 0
                    for w in range(windows):
                        if before >= edge[w]:
                            band[k, w] -= 1
                            break
                for w in range(windows):
                    if i >= edge[w]:
                        band[k, w] += 1
                        break
            _write_bands(band, cells, scan.row[t])
            seen = scan.stop[t]


@compiled
def write_days_since(scan: ScanArrays, code: Codes, n_codes: int, out: Floats32, at: int) -> None:
    """Days from each code's latest row to the cutoff: ``out[row, at:][code]``; NaN where there is none."""
    cells = out[:, at:]
    latest = np.empty(n_codes, np.int64)
    for g in range(len(scan.snapshot_offsets) - 1):
        if scan.snapshot_offsets[g] == scan.snapshot_offsets[g + 1]:
            continue
        latest[:] = -1
        seen = scan.group_offsets[g]
        for t in range(scan.snapshot_offsets[g], scan.snapshot_offsets[g + 1]):
            for i in range(seen, scan.stop[t]):
                if code[i] >= 0:
                    latest[code[i]] = i
            seen = scan.stop[t]
            for k in range(n_codes):
                if latest[k] >= 0:
                    cells[scan.row[t], k] = (scan.cutoff[t] - scan.occurred[latest[k]]) / DAY
                else:
                    cells[scan.row[t], k] = np.nan


@compiled
def rank_stretches(group_offsets: Ints, occurred: Ints, local: Ints, pause: int) -> tuple[Codes, Codes]:
    """Number of each row's day (of its ``local`` time) and of its session, never falling; each group begins new ones.

    A session ends where the next row comes more than ``pause`` later. A clock put back does not bring a day back.
    """
    day = np.empty(len(occurred), np.int32)
    session = np.empty(len(occurred), np.int32)
    days = 0
    sessions = 0
    today = 0
    for g in range(len(group_offsets) - 1):
        for i in range(group_offsets[g], group_offsets[g + 1]):
            new = i == group_offsets[g]
            if new or local[i] // DAY > today:
                today = local[i] // DAY
                days += 1
            if new or occurred[i] - occurred[i - 1] > pause:
                sessions += 1
            day[i] = days
            session[i] = sessions
    return day, session


@compiled
def count_created(created: Ints, members: Ints, account: Ints, own_created: Ints, cutoff: Ints) -> Ints:
    """For each snapshot the other leads of its account that were created before its cutoff.

    ``created[members[a]:members[a + 1]]`` are those of account ``a`` in order; ``account`` is each snapshot's account
    (-1 none) and ``own_created`` when its own lead was created.
    """
    others = np.zeros(len(cutoff), np.int64)
    for t in range(len(cutoff)):
        a = account[t]
        if a < 0:
            continue
        low, high = members[a], members[a + 1]
        while low < high:
            middle = (low + high) // 2
            if created[middle] < cutoff[t]:
                low = middle + 1
            else:
                high = middle
        others[t] = low - members[a] - (1 if own_created[t] < cutoff[t] else 0)
    return others


@compiled
def write_others(
    group_offsets: Ints,
    snapshot_offsets: Ints,
    row: Ints,
    cutoff: Ints,
    occurred: Ints,
    own: Codes,
    known: Ints,
    entry: Ints,
    lead: Codes,
    leads: int,
    high_intent: Mask,
    lengths: Ints,
    out: Floats32,
    at: int,
) -> None:
    """What the other leads did: per window their events, high-intent events and how many leads were active.

    Then days since the last event and since the last of high intent, NaN where there is none. ``own`` is each
    snapshot's lead and ``lead`` each event's, below ``leads``; ``known`` is when an event was known, and ``entry``
    the rows in that order. A length below 0 stands for everything.
    """
    cells = out[:, at:]
    windows = len(lengths)
    events = np.zeros((leads, windows), np.int64)
    intents = np.zeros((leads, windows), np.int64)
    all_events = np.empty(windows, np.int64)
    all_intents = np.empty(windows, np.int64)
    active = np.empty(windows, np.int64)
    edge = np.empty(windows, np.int64)
    # of all events and of those of high intent: the last, whose it is, the last of another lead
    latest = np.empty(2, np.int64)
    latest_lead = np.empty(2, np.int64)
    second = np.empty(2, np.int64)
    for g in range(len(snapshot_offsets) - 1):
        if snapshot_offsets[g] == snapshot_offsets[g + 1]:
            continue
        all_events[:] = 0
        all_intents[:] = 0
        active[:] = 0
        edge[:] = group_offsets[g]
        latest[:] = MISSING_TIME
        latest_lead[:] = -1
        second[:] = MISSING_TIME
        entered = group_offsets[g]
        before = MISSING_TIME  # events known before this have entered
        for t in range(snapshot_offsets[g], snapshot_offsets[g + 1]):
            now = cutoff[t]
            for w in range(windows):
                if lengths[w] < 0:
                    continue
                while edge[w] < group_offsets[g + 1] and occurred[edge[w]] < now - lengths[w]:
                    i = edge[w]
                    if known[i] < before:
                        k = lead[i]
                        events[k, w] -= 1
                        all_events[w] -= 1
                        intents[k, w] -= high_intent[i]
                        all_intents[w] -= high_intent[i]
                        if events[k, w] == 0:
                            active[w] -= 1
                    edge[w] += 1
            while entered < group_offsets[g + 1] and known[entry[entered]] < now:
                i = entry[entered]
                k = lead[i]
                for w in range(windows):
                    if lengths[w] < 0 or occurred[i] >= now - lengths[w]:
                        if events[k, w] == 0:
                            active[w] += 1
                        events[k, w] += 1
                        all_events[w] += 1
                        intents[k, w] += high_intent[i]
                        all_intents[w] += high_intent[i]
                for kind in range(2 if high_intent[i] else 1):
                    if k == latest_lead[kind]:
                        latest[kind] = max(latest[kind], occurred[i])
                    elif occurred[i] > latest[kind]:
                        second[kind] = latest[kind]
                        latest[kind] = occurred[i]
                        latest_lead[kind] = k
                    else:
                        second[kind] = max(second[kind], occurred[i])
                entered += 1
            before = now
            place = row[t]
            mine = own[t]
            for w in range(windows):
                cells[place, w] = all_events[w] - events[mine, w]
                cells[place, windows + w] = all_intents[w] - intents[mine, w]
                cells[place, 2 * windows + w] = active[w] - (1 if events[mine, w] > 0 else 0)
            for kind in range(2):
                last = second[kind] if latest_lead[kind] == mine else latest[kind]
                since = (now - last) / DAY if last > MISSING_TIME else np.nan
                cells[place, 3 * windows + kind] = since
