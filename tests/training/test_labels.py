"""Labels look only at [cutoff + gap, cutoff + gap + horizon); the edges are half-open."""

from __future__ import annotations

import pandas as pd
import pytest

from mqlml.training import assign_labels
from tests.by_hand import instant, journeys, problem

CASES = {
    "at the cutoff": ("03-01", {}, 1),
    "a moment before the cutoff": ("02-29 23:59:59.999999", {}, 0),
    "on the last moment": ("03-10 23:59:59.999999", {}, 1),
    "at the end": ("03-11", {}, 0),
    "long after": ("06-01", {}, 0),
    "never": (None, {}, 0),
    "inside the gap": ("03-02", {"gap": "3d"}, 0),
    "at the end of the gap": ("03-04", {"gap": "3d"}, 1),
    "past the horizon, reached by the gap": ("03-12", {"gap": "3d"}, 1),
    "at the end of gap and horizon": ("03-14", {"gap": "3d"}, 0),
    "in a horizon of hours": ("03-01 11:59", {"horizon": "12h"}, 1),
    "at the end of a horizon of hours": ("03-01 12:00", {"horizon": "12h"}, 0),
}


@pytest.mark.parametrize(("won", "keys", "expected"), CASES.values(), ids=CASES.keys())
def test_window(won: str | None, keys: dict[str, str], expected: int) -> None:
    outcomes = [] if won is None else [{"lead_id": 1, "stage": "closed_won", "occurred_at": won}]
    data = journeys([{"lead_id": 1, "created_at": "03-01"}], outcomes=outcomes)
    snapshots = pd.DataFrame({"lead_id": [1], "cutoff_time": [instant("03-01")]})
    assert assign_labels(data, snapshots, problem(**keys)).tolist() == [expected]


def test_only_the_predicted_stage_counts() -> None:
    data = journeys(
        [{"lead_id": lead, "created_at": "03-01"} for lead in (1, 2, 3)],
        outcomes=[
            {"lead_id": 1, "stage": "sql", "occurred_at": "03-05"},
            {"lead_id": 2, "stage": "closed_lost", "occurred_at": "03-05"},
            {"lead_id": 3, "stage": "closed_won", "occurred_at": "03-05"},
        ],
    )
    snapshots = pd.DataFrame({"lead_id": [3, 2, 1], "cutoff_time": [instant("03-01")] * 3})
    assert assign_labels(data, snapshots, problem()).tolist() == [1, 0, 0]
    assert assign_labels(data, snapshots, problem(outcome="sql")).tolist() == [0, 0, 1]


def test_when_it_happened_counts_not_when_it_was_recorded() -> None:
    row = {"lead_id": 1, "stage": "closed_won", "occurred_at": "03-05", "recorded_at": "04-20"}
    data = journeys([{"lead_id": 1, "created_at": "03-01"}], outcomes=[row])
    snapshots = pd.DataFrame({"lead_id": [1], "cutoff_time": [instant("03-01")]})
    assert assign_labels(data, snapshots, problem()).tolist() == [1]


def test_the_first_conversion_counts() -> None:
    rows = [{"lead_id": 1, "stage": "closed_won", "occurred_at": when} for when in ("03-20", "03-05")]
    data = journeys([{"lead_id": 1, "created_at": "03-01"}], outcomes=rows)
    snapshots = pd.DataFrame({"lead_id": [1, 1], "cutoff_time": [instant("03-01"), instant("03-15")]})
    assert assign_labels(data, snapshots, problem()).tolist() == [1, 0]
