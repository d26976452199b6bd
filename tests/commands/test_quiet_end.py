"""Where the time in which leads arrive ends."""

from __future__ import annotations

import numpy as np
import pytest

from mqlml.commands.choose_thresholds import find_end
from mqlml.times import DAY


@pytest.mark.parametrize(
    ("days", "end", "found"),
    [
        (list(range(100)), 100, 100),
        (list(range(100)), 106, 106),
        (list(range(100)), 160, 100),
        ([*range(0, 100, 10)], 105, 105),
        ([*range(0, 100, 10)], 125, 91),
        ([*range(40), *range(60, 100)], 135, 135),
        ([5], 6, 6),
        ([5], 60, 6),
    ],
    ids=[
        "to the end",
        "a week at most",
        "quiet",
        "few leads",
        "few, and quiet",
        "a pause before",
        "one",
        "one long ago",
    ],
)
def test_a_quiet_end_is_not_time_in_which_leads_arrive(days: list[int], end: int, found: int) -> None:
    time = np.array(days, dtype=np.int64) * DAY
    np.random.default_rng(0).shuffle(time)
    assert find_end(time, end * DAY) == found * DAY
