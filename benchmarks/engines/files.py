"""The benchmark's journeys: a seed and sizes go in, Parquet files and a plan that all engines share come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400_000_000
START = 1_640_995_200_000_000  # 2022-01-01 in microseconds
WINDOWS = {"7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "all": None}
PAUSE = DAY // 48
KEPT_ACTIONS = 12
KEPT_CHANNELS = 4


def make_files(folder: Path, leads: int, events: int, snapshots: int, *, seed: int) -> None:
    """Journeys from a seed: a log in order of time, 20 actions, 6 channels, visits of several acts, 2 % late rows."""
    rng = np.random.default_rng(seed)
    created = START + rng.integers(0, 365 * DAY, leads)
    lead = rng.choice(leads, events, p=rng.dirichlet(np.full(leads, 2.0)))
    occurred = created[lead] + (rng.exponential(45 * DAY, events)).astype(np.int64)
    follows = rng.random(events) < 0.4  # an act a few minutes after another of the same lead
    earlier = np.lexsort((occurred, lead))
    after = np.roll(occurred[earlier], 1) + rng.integers(1, 40 * 60_000_000, events)
    same = np.roll(lead[earlier], 1) == lead[earlier]
    occurred[earlier] = np.where(follows & same, after, occurred[earlier])
    late = (rng.random(events) < 0.02) * rng.integers(0, 3 * DAY, events)
    order = np.argsort(occurred, kind="stable")
    weights = rng.dirichlet(np.full(20, 2.0))
    columns = {
        "lead_id": lead[order],
        "occurred_at": pa.array(occurred[order], pa.timestamp("us", "UTC")),
        "recorded_at": pa.array((occurred + late)[order], pa.timestamp("us", "UTC")),
        "action": _words("act", 20, rng.choice(20, events, p=weights)),
        "channel": _words("channel", 6, rng.choice(6, events)),
        "value": pa.array(np.round(rng.gamma(2.0, 30.0, events), 2), mask=rng.random(events) < 0.3),
    }
    pq.write_table(pa.table(columns), folder / "events.parquet")
    pq.write_table(
        pa.table({"lead_id": np.arange(leads), "created_at": pa.array(created, pa.timestamp("us", "UTC"))}),
        folder / "leads.parquet",
    )
    asked = np.concatenate(
        [np.arange(min(leads, snapshots)), rng.integers(0, leads, max(0, snapshots - leads))]
    )
    cutoff = created[asked] + rng.integers(0, 180 * DAY, snapshots)
    place = rng.permutation(snapshots)
    pq.write_table(
        pa.table(
            {"lead_id": asked[place], "cutoff_time": pa.array(cutoff[place], pa.timestamp("us", "UTC"))}
        ),
        folder / "snapshots.parquet",
    )


def _words(stem: str, number: int, codes: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int8)), [f"{stem}_{i}" for i in range(number)]
    )


def read_journeys(folder: Path) -> tuple[Any, pd.DataFrame]:
    from mqlml.journeys import Journeys
    from mqlml.journeys.contract import empty_table

    events = pq.read_table(folder / "events.parquet", read_dictionary=["action", "channel"]).to_pandas()
    journeys = Journeys(
        leads=pq.read_table(folder / "leads.parquet").to_pandas(),
        events=events,
        outcomes=empty_table("outcomes"),
        history=empty_table("history"),
        observed_until=pd.Timestamp("2030-01-01", tz="UTC").to_pydatetime(),
        quarantine=pd.DataFrame(),
        rows_read={},
    )
    return journeys, pq.read_table(folder / "snapshots.parquet").to_pandas()


def write_plan(folder: Path) -> None:
    """Learn once which words are kept; all engines are given the same ones."""
    from mqlml.config import make_config
    from mqlml.features import plan_features

    # without those that no other engine makes
    groups = dict.fromkeys(("switches", "breadth", "usual", "account"), False)
    config = make_config(
        {
            "name": "benchmark",
            "data": {
                "observed_until": "2030-01-01",
                "leads": {"path": "leads.parquet"},
                "outcomes": {"path": "none", "stage": "closed_won"},
            },
            "windows": list(WINDOWS),
            "features": {"max_actions": KEPT_ACTIONS, "max_channels": KEPT_CHANNELS, "groups": groups},
        },
        folder=folder,
    )
    plan = plan_features(read_journeys(folder)[0], config, before=None)
    (folder / "plan.json").write_text(json.dumps(plan.to_dict()))


def read_plan(folder: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    return plan
