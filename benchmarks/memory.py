"""Memory and growth of `mqlml table` on data larger than it may hold: simulated journeys; a line a run comes out.

    python benchmarks/memory.py --leads 100000 200000           # twice the leads, and events and snapshots with them
    python benchmarks/memory.py --leads 50000 --activity 1.08 2.16 --snapshots 1 2 4 52 --limit 400MB
    python benchmarks/memory.py --leads 500000 --out table.parquet    # the size of the issue: 25 million events

Each run is a process of its own; the peak is that of its resident memory, less what it held after all imports.
A snapshot is taken of each lead that is open then, so there are fewer than leads times dates.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from mqlml.simulate import simulate

AT_ONCE = 100_000
"""Leads simulated at a time; the simulator itself needs more memory than what is measured."""

RUN = """
import contextlib, datetime as dt, json, resource, sys, time
import psutil
import mqlml.commands.table
from mqlml.commands.table import write_training_table
from mqlml.progress import Silent
from mqlml.results import to_json_safe
steps = {}
class Steps(Silent):
    @contextlib.contextmanager
    def step(self, name):
        start = time.process_time()
        yield
        steps[name] = round(steps.get(name, 0) + time.process_time() - start, 1)
base = psutil.Process().memory_info().rss
wall, cpu = time.perf_counter(), time.process_time()
result = write_training_table(sys.argv[1], sys.argv[2], memory_limit=sys.argv[3], progress=Steps(),
                              now=dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(to_json_safe(result) | {"peak": peak - base, "imports": base, "cpu": time.process_time() - cpu,
                           "wall": time.perf_counter() - wall, "steps": steps}))
"""


def write_world(folder: Path, leads: int, *, activity: float) -> tuple[int, dt.datetime]:
    """Simulated journeys as Parquet; the number of events, and when they end."""
    (folder / "events").mkdir()
    people, ends, events = [], [], 0
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
        events += len(world.events)
    pd.concat(people).to_parquet(folder / "leads.parquet", index=False)
    pd.concat(ends).to_parquet(folder / "outcomes.parquet", index=False)
    return events, world.observed_until


def write_config(folder: Path, until: dt.datetime, snapshots: int) -> Path:
    """A config for a world: so many snapshots of each lead, a week apart; where it is."""
    config = {
        "name": "big",
        "data": {
            "observed_until": f"{until:%Y-%m-%d}",
            "leads": {"path": "leads.parquet"},
            "events": {"path": "events"},
            "outcomes": {"path": "outcomes.parquet"},
        },
        "problem": {
            "horizon": "60d",
            "snapshots": {"ages": [f"{7 * week}d" for week in range(snapshots)]},
            "age_limits": ["0d", "400d"],
        },
    }
    path = folder / "mqlml.yml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leads", type=int, nargs="+", default=[500_000])
    parser.add_argument(
        "--activity", type=float, nargs="+", default=[1.08], help="1.08: about 50 events a lead"
    )
    parser.add_argument(
        "--snapshots", type=int, nargs="+", default=[2], help="snapshots of each lead, a week apart"
    )
    parser.add_argument("--limit", default="1.5GB")
    parser.add_argument(
        "--out", nargs="+", default=["table"], help="'table' is a folder, 'table.parquet' a file"
    )
    options = parser.parse_args()
    print(
        "| leads | events | snapshots | features | result | parts | peak, MB | CPU s | wall s | CPU s of the steps |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for leads, activity in itertools.product(options.leads, options.activity):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            events, until = write_world(folder, leads, activity=activity)
            for snapshots, out in itertools.product(options.snapshots, options.out):
                config = write_config(folder, until, snapshots)
                command = [sys.executable, "-c", RUN, str(config), str(folder / out), options.limit]
                done = json.loads(
                    subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
                )
                steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in done["steps"].items())
                print(
                    f"| {leads:,} | {events:,} | {done['rows']:,} | {done['features']} | {out} | {done['parts']} "
                    f"| {done['peak'] / 1e6:.0f} | {done['cpu']:.1f} | {done['wall']:.0f} | {steps} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
