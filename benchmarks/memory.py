"""Memory of `mqlml table` on data larger than it may hold: simulated journeys of any size; a line a run comes out.

    python benchmarks/memory.py --leads 100000 200000 --limit 1.5GB    # twice the leads and events
    python benchmarks/memory.py --leads 500000                         # the size of the issue: 25 million events

Each run is a process of its own; the peak is that of its resident memory, less what it held after all imports.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from mqlml.journeys.simulate import simulate

AT_ONCE = 100_000
"""Leads simulated at a time; the simulator itself needs more memory than what is measured."""

RUN = """
import datetime as dt, json, resource, sys, time
import psutil
import mqlml.pipeline.table
from mqlml.pipeline import Silent, write_training_table
base = psutil.Process().memory_info().rss
wall, cpu = time.perf_counter(), time.process_time()
result = write_training_table(sys.argv[1], sys.argv[2], memory_limit=sys.argv[3], progress=Silent(),
                              now=dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(result | {"peak": peak - base, "imports": base, "cpu": time.process_time() - cpu,
                           "wall": time.perf_counter() - wall}))
"""


def write_world(folder: Path, leads: int, ages: list[str], *, activity: float) -> int:
    """Simulated journeys as Parquet, and a config beside them; the number of events."""
    (folder / "events").mkdir()
    people, ends, events, until = [], [], 0, None
    for number, start in enumerate(range(0, leads, AT_ONCE)):
        world = simulate(min(AT_ONCE, leads - start), random_state=number, activity=activity)
        shift = number * 10_000_000
        for table in (world.leads, world.events, world.outcomes):
            table["lead_id"] += shift
        known = world.leads["account_id"].notna()
        world.leads["account_id"] = world.leads["account_id"].where(
            ~known, f"{number}-" + world.leads["account_id"]
        )
        world.events.to_parquet(folder / "events" / f"{number}.parquet", index=False)
        people.append(world.leads)
        ends.append(world.outcomes)
        events, until = events + len(world.events), world.observed_until
    pd.concat(people).to_parquet(folder / "leads.parquet", index=False)
    pd.concat(ends).to_parquet(folder / "outcomes.parquet", index=False)
    config = {
        "name": "big",
        "data": {
            "observed_until": f"{until:%Y-%m-%d}",
            "leads": {"path": "leads.parquet"},
            "events": {"path": "events"},
            "outcomes": {"path": "outcomes.parquet"},
        },
        "problem": {"horizon": "60d", "snapshots": {"ages": ages}, "age_limits": ["0d", "400d"]},
    }
    (folder / "mqlml.yml").write_text(json.dumps(config), encoding="utf-8")
    return events


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leads", type=int, nargs="+", default=[500_000])
    parser.add_argument("--snapshots", type=int, default=2, help="looks at each lead, a week apart")
    parser.add_argument("--activity", type=float, default=1.08, help="1.08 gives about 50 events a lead")
    parser.add_argument("--limit", default="1.5GB")
    options = parser.parse_args()
    print("| leads | events | snapshots | parts | peak, MB | CPU s | wall s |\n|---|---|---|---|---|---|---|")
    for leads in options.leads:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ages = [f"{7 * week}d" for week in range(options.snapshots)]
            events = write_world(folder, leads, ages, activity=options.activity)
            command = [
                sys.executable,
                "-c",
                RUN,
                str(folder / "mqlml.yml"),
                str(folder / "table"),
                options.limit,
            ]
            done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            cells = (leads, events, done["rows"], done["parts"], round(done["peak"] / 1e6))
            print(
                "| "
                + " | ".join(f"{cell:,}" for cell in cells)
                + f" | {done['cpu']:.0f} | {done['wall']:.0f} |"
            )


if __name__ == "__main__":
    main()
