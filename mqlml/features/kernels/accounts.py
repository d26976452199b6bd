"""Compiled scan over accounts: what the other leads of each snapshot's account did in each window.

A group is an account, and its rows are its leads' events by time of occurrence. Nothing here depends on the order of
events, so late ones need no copies: an event enters when it is known and leaves a window when it becomes too old.
"""

from __future__ import annotations

import numpy as np

from mqlml.features.kernels.sorting import compiled
from mqlml.times import DAY, MISSING_TIME
from mqlml.types import Codes, Floats32, Ints, Mask


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
