"""`mqlml train` under faults: many at once on an empty store, and killed at random moments of the whole run.

``python benchmarks/registry_faults.py --starts 10 --kills 30``: a small company. First that many trains
start at the same moment on an empty store. Then, in another folder, runs are killed (SIGKILL) after a time drawn
between 0 and the length of an undisturbed run; after each kill the store must be readable, every alias must mean a
version that loads, and no version may be half there. A last run must work. The exit code is 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mqlml.errors import VersionError
from mqlml.registry import Store, list_versions, load_version, make_store
from tests.bad_input.front_door import Desk
from tests.bad_input.worlds import journeys_company

WAITS = "mqlml: waiting up to "
"""What a command that waits for another one says; it is no fault."""


def make_company(folder: Path) -> Store:
    """Write the files and config of a small company whose models pass the gate; the store that its config means."""
    desk = Desk(folder)
    journeys_company(desk)
    desk.save()
    return make_store("sqlite:///models/mlflow.db", folder=folder)


def start(folder: Path) -> subprocess.Popen[str]:
    """A train of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "mqlml", "train", "--json"],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def find_faults(store: Store) -> list[str]:
    """What is wrong with a store: each alias and version must mean a bundle that loads."""
    if store.file is None or not store.file.exists():
        return []
    try:
        versions = list_versions(store, "leads")
    except VersionError:
        return []
    except Exception as error:
        return [f"the store cannot be read: {error}"]
    faults = []
    for version in versions:
        try:
            load_version(store, "leads", str(version.version))
        except Exception as error:
            faults.append(f"version {version.version} {version.aliases}: {error}")
    aliases = Counter(alias for version in versions for alias in version.aliases)
    return [*faults, *(f"{number} versions are {alias}" for alias, number in aliases.items() if number > 1)]


def start_at_once(folder: Path, starts: int) -> list[str]:
    """Start many trains at the same moment on an empty store."""
    store = make_company(folder)
    (folder / "tmp").mkdir()
    begin = time.monotonic()
    processes = [start(folder) for _ in range(starts)]
    ends = [process.communicate() for process in processes]
    faults = [
        f"a start ended with {process.returncode}: {err.strip()[-300:]}"
        for process, (_, err) in zip(processes, ends, strict=True)
        if process.returncode or [line for line in err.splitlines() if not line.startswith(WAITS)]
    ]
    numbers = sorted(json.loads(out).get("version") or 0 for out, _ in ends if out)
    if numbers != list(range(1, starts + 1)):
        faults.append(f"the versions are {numbers}")
    faults += find_faults(store)
    print(
        f"{starts} trains at once: {time.monotonic() - begin:.0f} s; versions {numbers}; {len(faults)} faults"
    )
    return faults


def kill_at_random(folder: Path, kills: int, seed: int) -> list[str]:
    """Kill trains at random moments; one store for all of them."""
    store = make_company(folder)
    (folder / "tmp").mkdir()
    begin = time.monotonic()
    out, err = (process := start(folder)).communicate()
    length = time.monotonic() - begin
    faults = [] if process.returncode == 0 else [f"the undisturbed run: {err}{out}"]
    draw, states, killed = random.Random(seed), Counter[str](), 0
    while killed < kills:
        process = start(folder)
        try:
            process.communicate(timeout=draw.uniform(0, length))
            states["ended before its kill"] += 1
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
            states["killed"] += 1
        faults += [f"after {killed} kills: {fault}" for fault in find_faults(store)]
    process = start(folder)
    out, err = process.communicate()
    if process.returncode:
        faults.append(f"the last run: {err}")
    left = sorted(path.name for path in (folder / "models").iterdir())
    expected = ["artifacts", "mlflow.champions.leads.jsonl", "mlflow.db", "mlflow.db.lock"]
    if left != [*expected, "mlflow.holdout_access.jsonl"]:
        faults.append(f"left beside the store: {left}")
    versions = len(list_versions(store, "leads"))
    print(f"run of {length:.0f} s; {dict(states)}; {versions} versions, all load; {len(faults)} faults")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faults = []
    with tempfile.TemporaryDirectory() as name:
        for part in ("starts", "kills"):
            (Path(name) / part).mkdir()
        if options.starts:
            faults += start_at_once(Path(name) / "starts", options.starts)
        if options.kills:
            faults += kill_at_random(Path(name) / "kills", options.kills, options.seed)
    print(*faults, sep="\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
