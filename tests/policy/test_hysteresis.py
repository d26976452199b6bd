"""Labels that are held: by hand, and for any run of days against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqlml.policy import HoldRule, LastLabels, assign_with_hysteresis
from mqlml.times import DAY

THRESHOLDS = (0.25, 0.5)


def one(
    probability: float, level: int, since: int, *, now: int, hold_rules: list[HoldRule]
) -> tuple[int, int, int]:
    """Level, day since and why it was kept, of one lead that had ``level`` since day ``since``."""
    found = assign_with_hysteresis(
        np.array([probability]),
        np.array([sum(probability >= threshold for threshold in THRESHOLDS)]),
        np.array([THRESHOLDS]),
        LastLabels(np.array([level]), np.array([since * DAY])),
        now=now * DAY,
        hold_rules=hold_rules,
    )
    return int(found[0][0]), int(found[1][0]) // DAY, int(found[2][0])


HOLD = [HoldRule(hold=14 * DAY), HoldRule(hold=14 * DAY)]
EXIT = [HoldRule(exit=0.75), HoldRule(exit=0.75)]


@pytest.mark.parametrize(
    ("probability", "level", "since", "now", "hold_rules", "expected"),
    [
        (0.6, 0, 0, 30, HOLD, (2, 30, 0)),
        (0.6, 1, 20, 30, HOLD, (2, 30, 0)),
        (0.6, 2, 20, 30, HOLD, (2, 20, 0)),
        (0.1, 2, 20, 33, HOLD, (2, 20, 1)),
        (0.1, 2, 20, 34, HOLD, (0, 20, 0)),
        (0.3, 2, 20, 34, HOLD, (1, 20, 0)),
        (0.375, 2, 20, 99, EXIT, (2, 20, 2)),
        (0.37, 2, 20, 99, EXIT, (1, 20, 0)),
        (0.1875, 2, 20, 99, EXIT, (1, 20, 2)),
        (0.18, 2, 20, 99, EXIT, (0, 20, 0)),
        (0.1875, 0, 20, 99, EXIT, (0, 99, 0)),
        (0.4, 2, 20, 30, [HoldRule(), HoldRule()], (1, 20, 0)),
        (0.1, 2, 20, 30, [HoldRule(hold=30 * DAY), HoldRule(hold=5 * DAY)], (1, 20, 1)),
    ],
    ids=[
        "new",
        "risen",
        "still met",
        "held on the last day",
        "held no longer",
        "fallen by one, since when it had that or more",
        "exactly at the exit",
        "below the exit of the higher",
        "exactly at the exit of the lower",
        "below both",
        "the exit is no entry",
        "no rule",
        "the lower is held longer",
    ],
)
def test_by_hand(probability, level, since, now, hold_rules, expected) -> None:
    found = one(probability, level, since, now=now, hold_rules=hold_rules)
    # At level 0, `since` is a new start, and means nothing.
    assert (found[0], found[2]) == (expected[0], expected[2])
    assert found[0] == 0 or found[1] == expected[1]


def slow_levels(days: list[float], hold: int, exit: float | None) -> list[int]:
    """Levels day by day, the slow way: one lead, one day after another."""
    level, since, levels = 0, 0, []
    for day, probability in enumerate(days):
        met = sum(probability >= threshold for threshold in THRESHOLDS)
        kept = [
            number
            for number in range(1, level + 1)
            if day - since < hold or (exit is not None and probability >= exit * THRESHOLDS[number - 1])
        ]
        new = max([met, *kept])
        if new > level or level == 0:
            since = day
        level = new
        levels.append(level)
    return levels


@given(
    days=st.lists(
        st.sampled_from([0.1, 0.18, 0.1875, 0.2, 0.25, 0.3, 0.375, 0.45, 0.5, 0.7]), min_size=1, max_size=30
    ),
    hold=st.integers(0, 6),
    exit=st.sampled_from([None, 0.75, 1.0]),
)
def test_any_run_of_days_against_a_plain_loop(days: list[float], hold: int, exit: float | None) -> None:
    hold_rules = [HoldRule(hold=hold * DAY, exit=exit)] * 2
    level, since, levels = 0, 0, []
    for day, probability in enumerate(days):
        again = one(probability, level, since, now=day, hold_rules=hold_rules)
        level, since, _ = one(probability, level, since, now=day, hold_rules=hold_rules)
        assert again[:2] == (level, since)
        levels.append(level)
    assert levels == slow_levels(days, hold, exit)


def test_a_lead_at_the_edge_changes_its_label_far_less_often() -> None:
    rng = np.random.default_rng(0)
    n, days = 300, 60
    edge = rng.uniform(0.4, 0.6, n)

    def changes(hold_rules: list[HoldRule]) -> int:
        level, since, count = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), 0
        for day in range(days):
            probability = np.clip(edge + rng.normal(0, 0.04, n), 0, 1)
            met = (probability[:, None] >= np.array(THRESHOLDS)).sum(axis=1)
            found, since, _ = assign_with_hysteresis(
                probability,
                met,
                np.tile(THRESHOLDS, (n, 1)),
                LastLabels(level, since),
                now=day * DAY,
                hold_rules=hold_rules,
            )
            count += int((found != level).sum())
            level = found
        return count

    assert changes([HoldRule(hold=14 * DAY, exit=0.8)] * 2) < 0.2 * changes([HoldRule()] * 2)
