"""CPU seconds and memory of ``mqlml train`` of several source trees, in turns on the same simulated company.

    python benchmarks/train_cost.py --tree old=/path/to/old new=. [--leads 4000] [--activity 1] [--pairs 3]

The company and its config are those of ``mqlml demo``. In each pair every tree trains once, in a process of its own
with one thread and a store of its own; compiled code is made beforehand by a run on 4,000 leads at most, which is not
counted. Printed for each run: CPU seconds and the highest resident memory; at the end the median of the ratios to the
first tree.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from mqlml.commands.demo import DEMO_CONFIG
from mqlml.simulate import simulate
from mqlml.times import format_instant

TRAIN = """
import resource, sys
import mqlml
from mqlml.cli import main
assert mqlml.__file__.startswith(sys.argv[2]), mqlml.__file__
try:
    main(["train", "-c", sys.argv[1], "--json"])
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, file=sys.stderr)
"""


def write_company(n_leads: int, activity: float, folder: Path) -> Path:
    """The tables and the config; where the latter lies."""
    folder.mkdir()
    world = simulate(n_leads, random_state=7, activity=activity, leaky_columns=True)
    print(f"{len(world.leads):,} leads, {len(world.events):,} events", flush=True)
    world.write(folder / "data")
    config = folder / "mqlml.yml"
    config.write_text(DEMO_CONFIG.format(observed_until=format_instant(world.observed_until)))
    return config


def train(tree: Path, config: Path) -> tuple[float, float]:
    """CPU seconds and GB of one training into an empty store."""
    shutil.rmtree(config.parent / "models", ignore_errors=True)
    settings = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(config), str(tree)],
        env=settings,
        cwd=config.parent,  # Python looks here before PYTHONPATH: from a tree's root, every tree would be that one
        capture_output=True,
        text=True,
    )
    seconds, memory = done.stderr.splitlines()[-1].split()
    return float(seconds), float(memory)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tree", nargs="+", required=True, metavar="NAME=PATH")
    parser.add_argument("--leads", type=int, default=4000)
    parser.add_argument("--activity", type=float, default=1.0, help="multiplies the rates of all events")
    parser.add_argument("--pairs", type=int, default=3)
    asked = parser.parse_args()
    trees = {name: Path(path).resolve() for name, path in (tree.split("=", 1) for tree in asked.tree)}
    with tempfile.TemporaryDirectory() as folder:
        small = write_company(min(asked.leads, 4000), asked.activity, Path(folder) / "small")
        for tree in trees.values():
            train(tree, small)
        config = write_company(asked.leads, asked.activity, Path(folder) / "company")
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in trees}
        for _ in range(asked.pairs):
            for name, tree in trees.items():
                found[name].append(train(tree, config))
                print(f"{name}: {found[name][-1][0]:.1f} CPU s, {found[name][-1][1]:.2f} GB", flush=True)
    first, *others = found
    for name in others:
        ratios = np.array(found[name]) / np.array(found[first])
        seconds, memory = np.median(ratios, axis=0)
        print(f"{name} / {first}: {seconds:.2f} of the CPU seconds, {memory:.2f} of the memory")


if __name__ == "__main__":
    main()
