"""The compiled walk over an account: its leads' acts and its snapshots come in, what the others did goes out.

A unit is an account; ``unit[u]:unit[u + 1]`` are its acts by time of occurrence, ``entry`` the same acts by when they
were known, ``turn[u]:turn[u + 1]`` its snapshots by cutoff. Nothing here depends on the order of acts, so late ones
need no copies: an act enters when it is known and leaves a window when it has become too old for it.
"""

from __future__ import annotations

import numpy as np

from mqlml.features.kernels.sorting import compiled
from mqlml.times import DAY, MISSING_TIME
from mqlml.types import Codes, Floats32, Ints, Mask

__all__ = ["count_created", "write_others"]


@compiled
def count_created(created: Ints, unit: Ints, asked: Ints, born: Ints, cutoff: Ints) -> Ints:
    """For each snapshot the other leads of its account that were created before its cutoff.

    ``created[unit[a]:unit[a + 1]]`` are those of account ``a`` in order; ``asked`` is each snapshot's account (-1
    none) and ``born`` when its own lead was created.
    """
    others = np.zeros(len(cutoff), np.int64)
    for t in range(len(cutoff)):
        a = asked[t]
        if a < 0:
            continue
        low, high = unit[a], unit[a + 1]
        while low < high:
            middle = (low + high) // 2
            if created[middle] < cutoff[t]:
                low = middle + 1
            else:
                high = middle
        others[t] = low - unit[a] - (1 if born[t] < cutoff[t] else 0)
    return others


@compiled
def write_others(
    unit: Ints,
    turn: Ints,
    row: Ints,
    cutoff: Ints,
    own: Codes,
    occurred: Ints,
    known: Ints,
    entry: Ints,
    lead: Codes,
    leads: int,
    wanted: Mask,
    lengths: Ints,
    out: Floats32,
    at: int,
) -> None:
    """What the other leads did: in each window their acts, then their wanted acts, then how many leads were active;
    then days since the last act and since the last wanted one, NaN where there is none.

    ``own`` is each snapshot's lead and ``lead`` each act's, below ``leads``. A length below 0 stands for everything.
    """
    cells = out[:, at:]
    windows = len(lengths)
    acts = np.zeros((leads, windows), np.int64)
    wants = np.zeros((leads, windows), np.int64)
    all_acts = np.empty(windows, np.int64)
    all_wants = np.empty(windows, np.int64)
    active = np.empty(windows, np.int64)
    edge = np.empty(windows, np.int64)
    latest = np.empty(
        2, np.int64
    )  # of all acts and of wanted ones: the last, whose it is, the last of another lead
    latest_lead = np.empty(2, np.int64)
    second = np.empty(2, np.int64)
    for u in range(len(turn) - 1):
        if turn[u] == turn[u + 1]:
            continue
        all_acts[:] = 0
        all_wants[:] = 0
        active[:] = 0
        edge[:] = unit[u]
        latest[:] = MISSING_TIME
        latest_lead[:] = -1
        second[:] = MISSING_TIME
        entered = unit[u]
        before = MISSING_TIME  # acts known before this have entered
        for t in range(turn[u], turn[u + 1]):
            now = cutoff[t]
            for w in range(windows):
                if lengths[w] < 0:
                    continue
                while edge[w] < unit[u + 1] and occurred[edge[w]] < now - lengths[w]:
                    i = edge[w]
                    if known[i] < before:
                        k = lead[i]
                        acts[k, w] -= 1
                        all_acts[w] -= 1
                        wants[k, w] -= wanted[i]
                        all_wants[w] -= wanted[i]
                        if acts[k, w] == 0:
                            active[w] -= 1
                    edge[w] += 1
            while entered < unit[u + 1] and known[entry[entered]] < now:
                i = entry[entered]
                k = lead[i]
                for w in range(windows):
                    if lengths[w] < 0 or occurred[i] >= now - lengths[w]:
                        if acts[k, w] == 0:
                            active[w] += 1
                        acts[k, w] += 1
                        all_acts[w] += 1
                        wants[k, w] += wanted[i]
                        all_wants[w] += wanted[i]
                for kind in range(2 if wanted[i] else 1):
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
                cells[place, w] = all_acts[w] - acts[mine, w]
                cells[place, windows + w] = all_wants[w] - wants[mine, w]
                cells[place, 2 * windows + w] = active[w] - (1 if acts[mine, w] > 0 else 0)
            for kind in range(2):
                last = second[kind] if latest_lead[kind] == mine else latest[kind]
                since = (now - last) / DAY if last > MISSING_TIME else np.nan
                cells[place, 3 * windows + kind] = since
