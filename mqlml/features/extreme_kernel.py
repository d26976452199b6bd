"""The compiled least and greatest value of each window: sorted rows and window edges go in."""

from __future__ import annotations

import numpy as np

from mqlml.features.compiled import compiled
from mqlml.types import Floats, Floats32, Ints

__all__ = ["write_extreme"]


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
