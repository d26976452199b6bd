"""`mqlml score` killed at random moments: the scores that are there in the end must be those of an undisturbed run.

    PYTHONPATH=. python benchmarks/score_kills.py --kills 50 --target file
    PYTHONPATH=. python benchmarks/score_kills.py --kills 50 --target postgres
    PYTHONPATH=. python benchmarks/score_kills.py --kills 50 --target sqlite     # or duckdb

A run of its own gives the rows and the length. Then runs on one target are killed (SIGKILL) after a time drawn
between 0.05 s and that length, each resuming where the one before it stopped; after each kill the target must hold
all rows of the night or none. A run that ends before its kill is compared, and its rows are taken away. Then comes a
last run. Each run is a process, forked from one that has imported everything, so that kills fall into the work.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from mqlml.scoring import database, job, targets
from tests.scoring.company import (
    SMALL,
    ask,
    make_company,
    make_database,
    read_file,
    read_table,
    run,
    running_server,
)

NIGHT = "2025-03-08"
IMPORTED = (database, job, targets)
"""Modules that are imported before the first fork."""


class FileTarget:
    """A Parquet file."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "made" / "scores.parquet"
        self.out.parent.mkdir()

    def rows(self) -> pd.DataFrame | None:
        return pd.read_parquet(self.out) if self.out.exists() else None

    def clear(self) -> None:
        self.out.unlink()

    def left(self) -> list[str]:
        return sorted(path.name for path in self.out.parent.iterdir() if path != self.out)


class PostgresTarget:
    """Tables in a database."""

    def __init__(self, folder: Path, url: str) -> None:
        self.out, self._folder = url, folder

    def rows(self) -> pd.DataFrame | None:
        rows = read_table(self.out, "lead_scores")
        assert not rows.duplicated(["lead_id", "cutoff_time"]).any()
        return rows if len(rows) else None

    def clear(self) -> None:
        ask(self.out, "DELETE FROM lead_scores")

    def left(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir() if path.name.startswith(".mqlml-work"))


class DatabaseFile:
    """Tables in a SQLite or DuckDB file."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._file = folder / "made" / "crm.db"
        self._file.parent.mkdir()
        self.out, self._kind = f"{kind}:///{self._file}", kind

    def rows(self) -> pd.DataFrame | None:
        try:
            rows = read_file(self._kind, self._file, "lead_scores")
        except (pd.errors.DatabaseError, duckdb.CatalogException):  # killed before the tables were made
            return None
        assert not rows.duplicated(["lead_id", "cutoff_time"]).any()
        return rows if len(rows) else None

    def clear(self) -> None:
        connect = sqlite3.connect if self._kind == "sqlite" else duckdb.connect
        with contextlib.closing(connect(self._file)) as connection:
            connection.execute("DELETE FROM lead_scores")
            connection.commit()

    def left(self) -> list[str]:
        return sorted(path.name for path in self._file.parent.iterdir() if path != self._file)


AnyTarget = FileTarget | PostgresTarget | DatabaseFile


@contextlib.contextmanager
def make_target(kind: str, folder: Path) -> Iterator[AnyTarget]:
    if kind == "file":
        yield FileTarget(folder)
        return
    if kind in ("sqlite", "duckdb"):
        yield DatabaseFile(folder, kind)
        return
    with running_server() as server:
        yield PostgresTarget(folder, make_database(server, "kills"))


def start(work: Callable[[], object]) -> int:
    """Do something in a process of its own; its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def finish(child: int, seconds: float | None) -> bool:
    """Whether a run ended by itself, within so many seconds if any; else it is killed."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, 0 if end is None else os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"a run ended with {os.waitstatus_to_exitcode(status)}")
            return True
        if end is not None and time.monotonic() >= end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.005)


def stage(config: Path, target: AnyTarget) -> str:
    """How far a killed run had come, by what lies in its work folder."""
    folder = config.parent if isinstance(target, PostgresTarget) else config.parent / "made"
    work = next((path for path in folder.iterdir() if "mqlml-work" in path.name), None)
    if work is None or not (work / "key.json").exists():
        return "before the work folder or after its removal"
    finished = len(list(work.glob("parts/part-*.parquet")))
    if finished:
        return f"{finished} parts finished"
    return "parts begun" if (work / "events" / "events.json").exists() else "reading"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--target", choices=("file", "postgres", "sqlite", "duckdb"), default="file")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "mqlml.yml"
        # In a process of its own as well, so that this one starts no thread before it forks.
        finish(start(lambda: make_company(Path(name))), None)
        with make_target(options.target, Path(name)) as target:

            def job_on_target() -> None:
                run(config, target.out, as_of=NIGHT, memory_limit=SMALL)

            finish(start(job_on_target), None)  # compiles what is compiled once
            target.clear()
            begin = time.monotonic()
            finish(start(job_on_target), None)
            length = time.monotonic() - begin
            expected = target.rows()
            assert expected is not None
            target.clear()
            killed: Counter[str] = Counter()
            before = 0
            while killed.total() < options.kills:
                if finish(start(job_on_target), draw.uniform(0.05, length)):
                    before += 1
                else:
                    killed[stage(config, target)] += 1
                rows = target.rows()
                if rows is not None:
                    if not rows.equals(expected):
                        raise SystemExit(f"after {killed.total()} kills the scores are others")
                    target.clear()
            finish(start(job_on_target), None)
            rows = target.rows()
            if rows is None or not rows.equals(expected):
                raise SystemExit("the last scores are others")
            left = target.left()
    stages = ", ".join(f"{where} {count}" for where, count in sorted(killed.items()))
    print(
        f"{options.target}: {len(expected)} leads, run of {length:.1f} s; {killed.total()} kills ({stages}); "
        f"{before} runs ended before their kill; all scores equal, the last too; left behind: {left or 'nothing'}"
    )


if __name__ == "__main__":
    main()
