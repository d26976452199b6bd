"""A work folder: what a long job has finished lies there, so that a job that was killed goes on where it stopped.

The folder belongs to one process at a time, by a lock that goes with the process however it ends, and to one task: a
key says what the task is made of, and a folder with another key is emptied first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import TypeVar

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from filelock import FileLock, Timeout

from mqlml import __version__
from mqlml.config import Config, format_size
from mqlml.errors import ConfigError, OutputError
from mqlml.features import EventFacts, FeaturePlan, check_own, gather_facts
from mqlml.journeys import Journeys
from mqlml.journeys.partitions import PartitionedEvents, find_partitions, open_events, partition_events
from mqlml.journeys.read import LeadIds, add_events
from mqlml.journeys.sources import blaming, find_files
from mqlml.journeys.stream import fingerprint_query
from mqlml.progress import Progress
from mqlml.registry import fingerprint_tables
from mqlml.scoring import write_table
from mqlml.scoring.parts import interleave
from mqlml.times import to_microseconds
from mqlml.training import (
    EventCounts,
    Finding,
    PerturbationTest,
    count_events,
    prove,
    sample_snapshots,
    take_leads,
)
from mqlml.training.partitions import BuildSpec, Shards, assign_partitions, build_part, make_build_spec
from mqlml.training.table import Rows, learn_plan

__all__ = [
    "PartitionedTable",
    "build_parts",
    "count_parts",
    "fingerprint_file",
    "fingerprint_values",
    "identify",
    "memory_needed",
    "working_in",
]

_KEY = "key.json"
_ENDS = 1 << 16


def fingerprint_values(values: Mapping[str, object]) -> str:
    """SHA-256 of plain values; whatever JSON cannot hold counts as its text."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def fingerprint_file(path: Path) -> str:
    """SHA-256 of a file's name, size, time of change, beginning and end: what a change leaves as it was is rare,
    and reading all of a large file would take as long as the work that is to be spared."""
    found = path.stat()
    digest = hashlib.sha256(f"{path.absolute()} {found.st_size} {found.st_mtime_ns}".encode())
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(found.st_size - _ENDS, 0))
        digest.update(file.read(_ENDS))
    return digest.hexdigest()


@contextlib.contextmanager
def working_in(folder: Path, key: str) -> Iterator[None]:
    """Hold a work folder, as it was left by a task of the same key or else empty.

    It is taken away once the work is done, and stays where the work ends with an error or not at all.

    Raises
    ------
    OutputError
        If another process works in it, or it cannot be made.
    """
    try:
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / "lock").acquire(blocking=False)
    except Timeout:
        raise OutputError(
            f"another process is making the same table in {str(folder)!r}; wait for it, or name another --out"
        ) from None
    except OSError as error:
        raise OutputError(
            f"no work folder can be made at {str(folder)!r} ({error.strerror or error}); name another --out"
        ) from error
    with lock:
        if _read_key(folder) != key:
            for item in folder.iterdir():
                if item.is_dir():
                    shutil.rmtree(item)
                elif item.name != "lock":
                    item.unlink()
            unfinished = folder / f"{_KEY}.part"
            unfinished.write_text(json.dumps({"key": key}), encoding="utf-8")
            os.replace(unfinished, folder / _KEY)
        yield
        # The key goes first: were this stopped halfway, what is left must not be taken for finished work.
        (folder / _KEY).unlink()
        shutil.rmtree(folder)


def _read_key(folder: Path) -> str | None:
    try:
        key: str = json.loads((folder / _KEY).read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError):
        return None
    return key


Item = TypeVar("Item")

_EVENT_BYTES = 250
"""What an event takes while the part it is in is worked on: itself, its columns, its place in the sorted order."""

_SNAPSHOT_BYTES = 8_000
"""What a snapshot takes: three hundred numbers, copied twice while they are written."""

_OVERHEAD = 200_000_000
_OVERHEAD_OF_A_ROW = 300
"""What reading in batches takes; less where all rows are fewer than a batch."""

_ROW_BYTES = 100
"""What each row's id, cutoff, label and place take, without its features."""

_READ_BYTES = 150
"""What an event takes more while the whole table is read in one piece."""

_SIDE_BY_SIDE = 16
"""All parts are read side by side when they are put in one file: a row group of each takes this part of the limit."""


@dataclass(frozen=True)
class PartitionedTable:
    """A finished table in parts.

    Attributes
    ----------
    rows : all rows, in the order of the table.
    part : int32 array, the part in which each row is; a part's rows come in the order of the table.
    files : the Parquet file of each part.
    plan, leaks, proof : as in `TrainingTable`.
    journeys : leads, outcomes, history; no events, but their share of ``quarantine`` and ``rows_read``.
    """

    rows: Rows
    part: npt.NDArray[np.int32]
    files: tuple[Path, ...]
    plan: FeaturePlan
    leaks: tuple[Finding, ...]
    leak_test: PerturbationTest
    journeys: Journeys

    def batches(self, limit: int) -> Iterator[pa.Table]:
        """The rows in the order of the table, as many at a time as the limit (bytes) bears."""
        return interleave(self.files, self.part, _rows_within(limit // 4, self.plan, 1))


def _rows_within(limit: int, plan: FeaturePlan, files: int) -> int:
    """How many rows of each of so many files may be held at a time."""
    return min(max(limit // (_SIDE_BY_SIDE * files * (_ROW_BYTES + 4 * len(plan.features))), 128), 1 << 16)


def identify(config: Config, journeys: Journeys) -> str:
    """A key for the table that a config describes: it is another if anything it is made of has changed."""
    spec = config.data.events
    if spec is None:
        events = []
    elif spec.path is not None:
        with blaming("data.events"):
            events = [fingerprint_file(path) for _, path in find_files(spec, config.folder)]
    else:
        events = [fingerprint_query(spec, where="data.events", base=config.folder, zone=config.data.timezone)]
    tables = {"leads": journeys.leads, "outcomes": journeys.outcomes, "history": journeys.history}
    ids = pd.util.hash_array(journeys.leads["lead_id"].to_numpy())
    return fingerprint_values(
        {
            "mqlml": __version__,
            "pandas": pd.__version__,
            "config": config.model_dump(mode="json"),
            "tables": fingerprint_tables(tables)["sha256"],
            "order of leads": hashlib.sha256(ids.tobytes()).hexdigest(),
            "events": events,
        }
    )


def _held(events: int, journeys: Journeys, rows: Rows) -> int:
    """Bytes that are in memory all the time: all tables but the events, the rows' places, and a batch of events."""
    tables = (journeys.leads, journeys.outcomes, journeys.history)
    held = sum(int(table.memory_usage(deep=True, index=False).sum()) for table in tables)
    return held + len(rows.time) * _ROW_BYTES + min(_OVERHEAD, events * _OVERHEAD_OF_A_ROW)


def memory_needed(events: int, journeys: Journeys, rows: Rows) -> int:
    """Bytes that the table takes to build in one piece, about."""
    work = events * (_EVENT_BYTES + _READ_BYTES) + len(rows.time) * _SNAPSHOT_BYTES
    return _held(0, journeys, rows) + work


def count_parts(events: int, journeys: Journeys, rows: Rows, *, limit: int, workers: int) -> int:
    """How many parts a table is cut into, so that as many as there are workers fit in the memory that is left.

    Parameters
    ----------
    events : rows of the source.
    limit : bytes.

    Raises
    ------
    ConfigError
        If hardly any memory is left.
    """
    held = _held(events, journeys, rows)
    need = events * _EVENT_BYTES + len(rows.time) * _SNAPSHOT_BYTES
    left = limit - held
    if left < limit // 10:
        raise ConfigError(
            f"data.memory_limit must hold leads, outcomes and attribute changes, about {_said(held)} with the "
            f"reading of events, and room for parts; found {format_size(limit)}. Raise it to {_said(held * 3 // 2)}"
        )
    # A hash deals unevenly, and so do leads: the largest part may be twice the average.
    return max(1, -(-2 * need * workers // left))


def _said(size: int) -> str:
    return format_size(-(-size // 10**6) * 10**6)


def build_parts(
    config: Config,
    journeys: Journeys,
    ids: LeadIds,
    rows: Rows,
    folder: Path,
    *,
    limit: int,
    one_file: bool,
    progress: Progress,
) -> PartitionedTable:
    """Make all parts, or those that an earlier run left to be made.

    Parameters
    ----------
    journeys, ids : from `mqlml.journeys.read.read_around_events`.
    rows : from `choose_rows`.
    folder : a work folder that holds nothing, or what an earlier run of the same table finished.
    limit : bytes that may be used.
    one_file : whether the parts will be read side by side, by `PartitionedTable.batches`. They are then written in
        row
        groups as small as that needs, which cost more to write.

    Raises
    ------
    ConfigError
        If the limit leaves no room for parts.
    QuarantineError, ContractError, LeakageError
        As reading and building in memory.
    """
    workers = joblib.cpu_count()
    with progress.step("events"):
        partitioned, part = _deal(config, journeys, ids, rows, folder / "events", limit, workers)
    parts = len(partitioned.rows)
    journeys = add_events(journeys, journeys.events, partitioned.quarantine, partitioned.rows_read)
    shards = Shards(journeys, part, parts)

    def take(number: int) -> Journeys:
        return shards.take(number, partitioned.read(number, journeys.leads["lead_id"]))

    with progress.step("plan"):
        plan, leaks = _learn(config, journeys, rows, take, parts, workers, progress)
    with progress.step("leak_test"):
        leak_test = _prove(journeys, rows, plan, partitioned)
    build_spec = make_build_spec(journeys.leads, config, plan)
    finished = folder / "parts"
    finished.mkdir(exist_ok=True)
    for unfinished in finished.glob(".*.part"):  # of the parts that were being written when a run was killed
        unfinished.unlink()
    files = tuple(finished / f"part-{number:04d}.parquet" for number in range(parts))
    group = _rows_within(limit, plan, parts) if one_file else None
    with progress.step("features"):
        missing = [number for number in range(parts) if not files[number].exists()]
        _each(
            lambda number: _make(take(number), build_spec, files[number], group),
            missing,
            workers,
            progress,
            "parts",
        )
    return PartitionedTable(rows, part[rows.lead], files, plan, leaks, leak_test, journeys)


def _each(
    work: Callable[[int], Item], numbers: list[int], workers: int, progress: Progress, name: str
) -> list[Item]:
    """Do some work for each part, several at a time. In threads: they share what is held in memory, the compiled
    walks run side by side, and none of them outlives a process that is killed."""
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(work, numbers)
        return [next(results) for _ in progress.track(numbers, name)]


def _deal(
    config: Config,
    journeys: Journeys,
    ids: LeadIds,
    rows: Rows,
    folder: Path,
    limit: int,
    workers: int,
) -> tuple[PartitionedEvents, npt.NDArray[np.int32]]:
    """The events in parts, and the part of each lead."""
    partitioned = find_partitions(folder)
    if partitioned is None:
        shutil.rmtree(folder, ignore_errors=True)
        stream = open_events(config, folder)
        parts = count_parts(stream.rows_read, journeys, rows, limit=limit, workers=workers)
        part = assign_partitions(journeys.leads, parts)
        return partition_events(stream, config, ids, part, parts, folder), part
    return partitioned, assign_partitions(journeys.leads, len(partitioned.rows))


def _learn(
    config: Config,
    journeys: Journeys,
    rows: Rows,
    take: Callable[[int], Journeys],
    parts: int,
    workers: int,
    progress: Progress,
) -> tuple[FeaturePlan, tuple[Finding, ...]]:
    """The plan and the findings, from what all parts say together."""
    before = to_microseconds(rows.holdout_start)

    def look(number: int) -> tuple[EventFacts, EventCounts]:
        part = take(number)
        return gather_facts(part.events, before=before), count_events(part, config.problem)

    found = _each(look, list(range(parts)), workers, progress, "looking through events")
    facts = reduce(add, (facts for facts, _ in found))
    around = reduce(add, (counts for _, counts in found))
    return learn_plan(journeys, config, rows, events=facts, around=around)


def _prove(
    journeys: Journeys, rows: Rows, plan: FeaturePlan, partitioned: PartitionedEvents
) -> PerturbationTest:
    snapshots = pd.DataFrame({"lead_id": rows.lead_id, "cutoff_time": rows.cutoff_time})
    sample = sample_snapshots(journeys.leads, snapshots)
    few = take_leads(journeys, sample)
    asked = journeys.leads["lead_id"].isin(few.leads["lead_id"]).to_numpy()
    few = replace(few, events=partitioned.read_leads(asked, journeys.leads["lead_id"]))
    check_own(few, sample, plan)
    return prove(few, sample, plan)


def _make(part: Journeys, build_spec: BuildSpec, file: Path, group: int | None) -> None:
    write_table(build_part(part, build_spec), file, rows_in_group=group)
