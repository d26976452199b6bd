"""mqlml's own engine, from files and from memory, and the floor below which none can go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from engines.files import read_journeys, read_plan

Table = pd.DataFrame


def with_mqlml(folder: Path) -> Callable[[], Table]:
    """Read, then build."""
    from mqlml.features import FeaturePlan, build_features

    plan = FeaturePlan.from_dict(read_plan(folder))
    return lambda: build_features(*read_journeys(folder), plan)


def with_mqlml_in_memory(folder: Path) -> Callable[[], Table]:
    """Build only, from journeys already in memory."""
    from mqlml.features import FeaturePlan, build_features

    plan = FeaturePlan.from_dict(read_plan(folder))
    journeys, snapshots = read_journeys(folder)
    return lambda: build_features(journeys, snapshots, plan)


def with_floor(folder: Path) -> Callable[[], Table]:
    """What cannot be saved: read the columns and sort the rows by lead and time."""

    def run() -> Table:
        journeys, _ = read_journeys(folder)
        lead = journeys.events["lead_id"].to_numpy()
        time_ = journeys.events["occurred_at"].astype("int64").to_numpy()
        order = np.argsort(time_, kind="stable")
        low, high = lead[order].astype(np.uint16), (lead[order] >> 16).astype(np.uint16)
        first = np.argsort(low, kind="stable")
        order[first][np.argsort(high[first], kind="stable")]
        return pd.DataFrame()

    return run
