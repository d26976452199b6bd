"""How fast features are made: mqlml against pandas, Polars and DuckDB, from Parquet files to a table in memory.

Every engine makes the same features of the same snapshots from the same files, in a process of its own, once to
warm up and then ``--repeats`` times; the median of its CPU seconds (all threads) and of its wall seconds are shown,
and its table is compared with the others'. ``python benchmarks/features.py --help`` lists the sizes.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engines.files import make_files, write_plan
from engines.ours import with_floor, with_mqlml, with_mqlml_in_memory
from engines.with_duckdb import with_duckdb_filters, with_duckdb_long
from engines.with_pandas import with_pandas
from engines.with_polars import with_polars

SIZES = {
    "tiny": (500, 10_000, 1_500),
    "small": (10_000, 500_000, 15_000),
    "issue": (100_000, 5_000_000, 150_000),
    "many": (10_000, 500_000, 200_000),
    "twice the events": (100_000, 10_000_000, 150_000),
    "twice the snapshots": (100_000, 5_000_000, 300_000),
    "twice the leads, with their events and snapshots": (200_000, 10_000_000, 300_000),
    "a year of weeks": (10_000, 500_000, 520_000),
    "one look": (10_000, 500_000, 10_000),
    "featuretools": (200, 4_000, 300),
}
"""Leads, events, snapshots."""


ENGINES: dict[str, Callable[[Path], Callable[[], Any]]] = {
    "floor": with_floor,
    "mqlml": with_mqlml,
    "mqlml, journeys in memory": with_mqlml_in_memory,
    "polars": with_polars,
    "duckdb, long form": with_duckdb_long,
    "duckdb, a filter a feature": with_duckdb_filters,
    "pandas": with_pandas,
}


def run_engine(engine: str, folder: Path, repeats: int) -> None:
    """Measure one engine; called in a process of its own."""
    run = ENGINES[engine](folder)
    start = time.process_time()
    table = run()
    cold = time.process_time() - start
    cpu, wall = [], []
    for _ in range(repeats):
        table = None
        begin, start = time.perf_counter(), time.process_time()
        table = run()
        cpu.append(time.process_time() - start)
        wall.append(time.perf_counter() - begin)
    memory = peak_memory()
    if not isinstance(table, pd.DataFrame):
        table = table.to_pandas()
    table.to_parquet(folder / f"{engine}.parquet")
    print(json.dumps({"cold": cold, "cpu": cpu, "wall": wall, "memory": memory, "columns": table.shape[1]}))


def peak_memory() -> float:
    """Most memory this process ever held, in GB.

    ``ru_maxrss`` starts from the parent's peak, which made the files; Linux's own count starts at the program's.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def compare(folder: Path, engine: str) -> None:
    """Stop unless an engine's table equals mqlml's: numbers to float32's precision, texts exactly."""
    ours = pd.read_parquet(folder / "mqlml.parquet")
    theirs = pd.read_parquet(folder / f"{engine}.parquet")
    if engine == "featuretools":
        snapshots = pd.read_parquet(folder / "snapshots.parquet")
        keys = pd.DataFrame(
            {"lead_id": snapshots["lead_id"], "time": snapshots["cutoff_time"].dt.tz_localize(None)}
        )
        theirs = (
            keys.merge(theirs, on=["lead_id", "time"], how="left").drop(columns=["lead_id", "time"]).fillna(0)
        )
        theirs.columns = [f"actions__{word}__count__all" for word in theirs]
        ours = ours[theirs.columns]
    if list(ours.columns) != list(theirs.columns) or len(ours) != len(theirs):
        sys.exit(f"{engine} makes other columns or rows than mqlml")
    for name in ours:
        if pd.api.types.is_numeric_dtype(ours[name].dtype):
            same = np.allclose(
                ours[name], theirs[name].to_numpy(np.float32), rtol=1e-5, atol=1e-4, equal_nan=True
            )
        else:
            same = ours[name].fillna("").tolist() == theirs[name].fillna("").tolist()
        if not same:
            sys.exit(f"{engine} disagrees with mqlml about {name}")


def _call(engine: str, folder: Path, repeats: int, featuretools: str | None) -> dict[str, Any]:
    """One engine's figures, from a process of its own; featuretools' from a Python of its own."""
    here = [sys.executable, __file__, "--engine", engine, "--folder", str(folder), "--repeats", str(repeats)]
    peer = [str(featuretools), str(Path(__file__).with_name("featuretools_peer.py")), str(folder)]
    done = subprocess.run(
        peer if engine == "featuretools" else here, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{engine} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(size: str, engines: list[str], repeats: int, seed: int, featuretools: str | None) -> None:
    """Run the engines on one size and print a table of them."""
    leads, events, snapshots = SIZES[size]
    print(f"\n{size}: {leads:,} leads, {events:,} events, {snapshots:,} snapshots")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder, leads, events, snapshots, seed=seed)
        write_plan(folder)
        medians: dict[str, float] = {}
        print(
            "| engine | features | CPU s | wall s | peak GB | first, CPU s | against mqlml | against the floor |\n"
            "|---|---|---|---|---|---|---|---|"
        )
        for engine in engines:
            found = _call(engine, folder, repeats, featuretools)
            if found["columns"] and engine != "mqlml":
                compare(folder, engine)
            medians[engine] = cpu = statistics.median(found["cpu"])
            ratios = [f"{cpu / medians[to]:.1f}" if to in medians else "" for to in ("mqlml", "floor")]
            print(
                f"| {engine} | {found['columns']} | {cpu:.2f} | {statistics.median(found['wall']):.2f} "
                f"| {found['memory']:.1f} | {found['cold']:.2f} | {ratios[0]} | {ratios[1]} |",
                flush=True,
            )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, action="append", help="default: issue and many")
    parser.add_argument("--only", choices=ENGINES, action="append", help="default: all engines")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--featuretools", metavar="PYTHON", help="a Python that has featuretools; used at its own size"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        run_engine(arguments.engine, arguments.folder, arguments.repeats)
        return
    for size in arguments.size or ["issue", "many", *(["featuretools"] if arguments.featuretools else [])]:
        engines = arguments.only or list(ENGINES)
        if arguments.featuretools and size == "featuretools":
            engines = [*engines, "featuretools"]
        measure(size, engines, arguments.repeats, arguments.seed, arguments.featuretools)


if __name__ == "__main__":
    main()
