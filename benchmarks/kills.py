"""`mqlml table` killed at random moments: every table that is finished in spite of it must be the undisturbed one.

``python benchmarks/kills.py --kills 15 --out table.parquet``: a run of its own gives the bytes and the length; then
runs on one target are killed (SIGKILL) after a time drawn between 0.2 s and that length, each going on where the one
before it stopped. A run that ends before its kill is compared and its result is taken away. Then comes a last run.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from memory import RUN, write_config, write_world


def digest(out: Path) -> str | None:
    """SHA-256 of a file, or of the names and bytes in a folder; None where there is neither."""
    if not out.exists():
        return None
    found = hashlib.sha256()
    for path in sorted(out.iterdir()) if out.is_dir() else [out]:
        found.update((path.name if out.is_dir() else "").encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def remove(out: Path) -> None:
    if out.is_dir():
        shutil.rmtree(out)
    else:
        out.unlink()


def stage(work: Path) -> str:
    """How far a killed run had come, by what lies in its work folder."""
    if not (work / "key.json").exists():
        return "before the work folder"
    if not (work / "events" / "events.json").exists():
        return "dealing events"
    if not (work / "parts").exists():
        return "plan or proof"
    return "whole file" if any(work.glob("*.part")) else "parts"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--leads", type=int, default=6000)
    parser.add_argument("--limit", default="150MB")
    parser.add_argument("--out", default="table.parquet", help="'table' is a folder, 'table.parquet' a file")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, until = write_world(folder, options.leads, activity=1.08)
        config = write_config(folder, until, 2)
        (folder / "made").mkdir()
        out = folder / "made" / options.out
        work = out.with_name(f".{out.name}.mqlml-work")
        command = [sys.executable, "-c", RUN, str(config), str(out), options.limit]

        def run_to_the_end() -> str | None:
            print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
            made = digest(out)
            remove(out)
            return made

        begin = time.monotonic()
        expected = run_to_the_end()
        length = time.monotonic() - begin
        killed: Counter[str] = Counter()
        finished = 0
        while killed.total() < options.kills:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            try:
                if process.wait(timeout=draw.uniform(0.2, length)):
                    raise SystemExit(f"after {killed.total()} kills a run ended with {process.returncode}")
                finished += 1
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed[stage(work)] += 1
            if out.exists():
                if digest(out) != expected:
                    raise SystemExit(f"after {killed.total()} kills the table is another")
                remove(out)
        if run_to_the_end() != expected:
            raise SystemExit("the last table is another")
        left = sorted(path.name for path in out.parent.iterdir())
    stages = ", ".join(f"{where} {count}" for where, count in killed.items())
    print(
        f"{options.out}: run of {length:.1f} s; {killed.total()} kills ({stages}); {finished} runs ended before"
    )
    print(f"their kill; all tables equal to the byte, the last too; left beside it: {left or 'nothing'}")


if __name__ == "__main__":
    main()
