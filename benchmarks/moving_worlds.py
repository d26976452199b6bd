"""Worlds that move: ``mqlml train`` of several source trees on made-up companies whose levels and effects change.

    python benchmarks/moving_worlds.py --tree old=/path/to/old new=. [--kinds odd late] [--seeds 100 110] [--out F]

Each world is written by ``../shared/cases/make_worlds.py``; where that file is absent, nothing is done. Every tree
trains on it in a process of its own. Printed for each kind and tree: how many versions the gate lets pass, the mean
gain in log loss over the base rate on the held-out period (of all versions, and of those that ship, refused ones
counted as 0), CPU seconds, and the difference to the first tree, paired by world, with its standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

MAKER = Path(__file__).resolve().parents[2] / "shared" / "cases" / "make_worlds.py"
KINDS = ("odd", "late", "short", "walk", "reverse", "surge", "weak")


def train(tree: Path, folder: Path) -> dict[str, Any]:
    """What one tree's ``train`` says of a world; where it stops before the held-out period, a gain of 0."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", "from mqlml.cli import main; main()", "train", "-c", "mqlml.yml", "--json"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    try:
        result = json.loads(done.stdout)
        gain = -result["baselines"]["base_rate"]["log_loss_difference"]["value"]
        passed = bool(result["gate"]["passed"])
    except (json.JSONDecodeError, KeyError):
        return {"gain": 0.0, "passed": False, "seconds": seconds, "error": done.stderr[-200:]}
    return {"gain": gain, "passed": passed, "seconds": seconds}


def summarize(kind: str, rows: list[dict[str, Any]], trees: list[str]) -> None:
    gain = {tree: np.array([row[tree]["gain"] for row in rows]) for tree in trees}
    middle = (
        np.median if kind == "walk" else np.mean
    )  # one world of kind walk may weigh as much as ten others
    for tree in trees:
        passed = np.array([row[tree]["passed"] for row in rows])
        text = f"{kind:8s} {tree:6s} {len(rows):3d} worlds, {passed.sum():3d} pass, gain {middle(gain[tree]):+.4f}, "
        text += f"shipped {middle(gain[tree] * passed):+.4f}, CPU {np.mean([r[tree]['seconds'] for r in rows]):.1f} s"
        if tree != trees[0] and len(rows) > 1:
            paired = gain[tree] - gain[trees[0]]
            text += f", paired {paired.mean():+.4f} ± {paired.std(ddof=1) / len(rows) ** 0.5:.4f}"
        print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tree", nargs="+", default=["new=."], metavar="NAME=PATH")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    parser.add_argument(
        "--seeds", type=int, nargs=2, default=[200, 206], help="the first, and one past the last"
    )
    parser.add_argument("--out", type=Path, help="one line of JSON a world")
    asked = parser.parse_args()
    if not MAKER.exists():
        print(f"{MAKER} is absent: no worlds, nothing done")
        return
    trees = {name: Path(path).resolve() for name, path in (tree.split("=", 1) for tree in asked.tree)}
    write = runpy.run_path(str(MAKER))["write"]
    for kind in asked.kinds:
        rows = []
        for seed in range(*asked.seeds):
            with tempfile.TemporaryDirectory() as folder:
                write(kind, seed, folder)
                rows.append({name: train(tree, Path(folder)) for name, tree in trees.items()})
            if asked.out:
                with asked.out.open("a") as file:
                    file.write(json.dumps({"kind": kind, "seed": seed, **rows[-1]}) + "\n")
        summarize(kind, rows, list(trees))


if __name__ == "__main__":
    main()
