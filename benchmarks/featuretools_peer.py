"""featuretools on the benchmark's files, run by a Python of its own (featuretools needs an older numpy and pandas).

It makes what its primitives can say of the 135 features: counts per action and channel, sums, means, distinct
channels and first and last touch, one pass per window. An act is known from the later of its two times, since there
is one time index; so windows may differ by the late rows, and only ``all`` is compared.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import featuretools as ft
import pandas as pd

WINDOWS = {"7d": "7 days", "30d": "30 days", "90d": "90 days", "all": None}


def read(folder: Path, plan: dict) -> tuple[ft.EntitySet, pd.DataFrame]:
    """The files as an entity set, rare words as one, and the snapshots as cutoff times."""
    events = pd.read_parquet(folder / "events.parquet")
    for column, family in (("action", "actions"), ("channel", "channel")):
        words = plan[family]["actions" if family == "actions" else "channels"]["words"]
        events[column] = events[column].astype(str).where(events[column].isin(words), "other")
    events["known_at"] = events[["occurred_at", "recorded_at"]].max(axis=1).dt.tz_localize(None)
    events = events[["lead_id", "known_at", "action", "channel", "value"]].rename_axis("row").reset_index()
    leads = pd.read_parquet(folder / "leads.parquet")
    leads["created_at"] = leads["created_at"].dt.tz_localize(None)
    entities = ft.EntitySet("journeys")
    words = {"action": "Categorical", "channel": "Categorical"}
    entities.add_dataframe(
        dataframe_name="events", dataframe=events, index="row", time_index="known_at", logical_types=words
    )
    entities.add_dataframe(dataframe_name="leads", dataframe=leads, index="lead_id", time_index="created_at")
    entities.add_relationship("leads", "lead_id", "events", "lead_id")
    for column in words:
        entities.add_interesting_values(
            dataframe_name="events", values={column: sorted(events[column].unique())}
        )
    asked = pd.read_parquet(folder / "snapshots.parquet")
    cutoffs = pd.DataFrame({"lead_id": asked["lead_id"], "time": asked["cutoff_time"].dt.tz_localize(None)})
    return entities, cutoffs


def build(entities: ft.EntitySet, cutoffs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A table for each window, in the order of the cutoffs."""
    made = {}
    for window, length in WINDOWS.items():
        table, _ = ft.dfs(
            entityset=entities,
            target_dataframe_name="leads",
            cutoff_time=cutoffs,
            agg_primitives=["count", "sum", "mean", "num_unique", "first", "last", "time_since_last"],
            trans_primitives=[],
            where_primitives=["count", "time_since_last"],
            training_window=length,
            include_cutoff_time=False,
            cutoff_time_in_index=True,
        )
        made[window] = table
    return made


def main() -> None:
    """Measure once: a second pass costs the same, as nothing is compiled."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    plan = json.loads((folder / "plan.json").read_text())
    entities, cutoffs = read(folder, plan)
    begin, start = time.perf_counter(), time.process_time()
    made = build(entities, cutoffs)
    cpu, wall = time.process_time() - start, time.perf_counter() - begin
    counts = (
        made["all"]
        .filter(regex=r"^COUNT\(events WHERE action = ")
        .rename(columns=lambda c: c.split(" = ")[1][:-1])
    )
    counts.reset_index().to_parquet(folder / "featuretools.parquet")
    lines = Path("/proc/self/status").read_text().splitlines()
    memory = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024**2
    columns = sum(table.shape[1] for table in made.values())
    print(json.dumps({"cold": cpu, "cpu": [cpu], "wall": [wall], "memory": memory, "columns": columns}))


if __name__ == "__main__":
    main()
