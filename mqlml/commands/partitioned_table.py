"""A table larger than memory is built in partitions, from which a killed job resumes."""

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
from mqlml.errors import ConfigError, MqlmlError, OutputError
from mqlml.features import EventFacts, FeaturePlan, check_own, gather_facts
from mqlml.journeys import Journeys
from mqlml.journeys.leadids import LeadIds
from mqlml.journeys.partitions import (
    EventRules,
    PartitionedEvents,
    find_partitions,
    open_events,
    partition_events,
)
from mqlml.journeys.read import add_events
from mqlml.journeys.sources import blaming, find_files
from mqlml.journeys.stream import fingerprint_query
from mqlml.progress import Progress
from mqlml.registry import fingerprint_tables
from mqlml.scoring import write_table
from mqlml.scoring.batches import interleave
from mqlml.times import to_microseconds
from mqlml.training import (
    EventCounts,
    Finding,
    PerturbationTest,
    count_events,
    run_leak_test,
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
    """SHA-256 of values; what JSON cannot hold counts as its text."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def fingerprint_file(path: Path) -> str:
    """SHA-256 of a file's path, size, modification time, beginning and end; hashing all of a large file would take
    as long as the work that a checkpoint saves."""
    found = path.stat()
    digest = hashlib.sha256(f"{path.absolute()} {found.st_size} {found.st_mtime_ns}".encode())
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(found.st_size - _ENDS, 0))
        digest.update(file.read(_ENDS))
    return digest.hexdigest()


@contextlib.contextmanager
def working_in(
    folder: Path,
    key: str,
    *,
    wait: bool = False,
    resumable: tuple[type[MqlmlError], ...] = (MqlmlError,),
) -> Iterator[None]:
    """Lock a checkpoint directory, empty unless an earlier run left the same key.

    It is removed when the work is done, and stays where the work fails.

    Parameters
    ----------
    wait : whether to wait for another process that has locked it.
    resumable : errors of ours that leave it to the next run; after others it is removed.

    Raises
    ------
    OutputError
        If another process has locked it, or it cannot be created.
    """
    try:
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / "lock").acquire(blocking=wait)
    except Timeout:
        raise OutputError(
            f"another process is building the same result in {str(folder)!r}; wait for it, or name another --out"
        ) from None
    except OSError as error:
        raise OutputError(
            f"cannot create the checkpoint directory {str(folder)!r} ({error.strerror or error}); name another --out"
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
        try:
            yield
        except MqlmlError as error:
            if not isinstance(error, resumable):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        # The key goes first: a half-removed directory must not count as finished work.
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
"""Memory of an event while its partition is built: itself, its columns, its position in the sorted order."""

_SNAPSHOT_BYTES = 8_000
"""Memory of a snapshot: three hundred numbers, copied twice while they are written."""

_OVERHEAD = 200_000_000
_OVERHEAD_OF_A_ROW = 300
"""Memory of reading in batches; less where all rows are fewer than a batch."""

_ROW_BYTES = 100
"""Memory of a row's id, cutoff, label and position, without its features."""

_READ_BYTES = 150
"""Additional memory of an event while the whole table is read at once."""

_SIDE_BY_SIDE = 16
"""When partitions are merged into one file, a row group of each may use this fraction of the limit."""


@dataclass(frozen=True)
class PartitionedTable:
    """A finished table in partitions.

    Attributes
    ----------
    rows : all rows, in the order of the table
    part : int32 array, the partition of each row; rows of a partition keep the order of the table
    files : the Parquet file of each partition
    plan, leaks, leak_test : as in `TrainingTable`
    journeys : leads, outcomes, history, without events; ``quarantine`` and ``rows_read`` include events
    """

    rows: Rows
    part: npt.NDArray[np.int32]
    files: tuple[Path, ...]
    plan: FeaturePlan
    leaks: tuple[Finding, ...]
    leak_test: PerturbationTest
    journeys: Journeys

    def batches(self, limit: int) -> Iterator[pa.Table]:
        """The rows in the order of the table, in batches that fit the limit (bytes)."""
        return interleave(self.files, self.part, _rows_within(limit // 4, self.plan, 1))


def _rows_within(limit: int, plan: FeaturePlan, files: int) -> int:
    """How many rows of each of so many files fit in the limit (bytes)."""
    return min(max(limit // (_SIDE_BY_SIDE * files * (_ROW_BYTES + 4 * len(plan.features))), 128), 1 << 16)


def identify(config: Config, journeys: Journeys) -> str:
    """A key for the table that a config describes: any change of its inputs changes the key."""
    events = []
    for where, spec in config.data.event_tables:
        if spec.path is not None:
            with blaming(where):
                events += [fingerprint_file(path) for _, path in find_files(spec, config.folder)]
        else:
            events.append(fingerprint_query(spec, where=where, base=config.folder, zone=config.data.timezone))
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
    """Bytes in memory all the time: all tables but the events, the rows' positions, and a batch of events."""
    tables = (journeys.leads, journeys.outcomes, journeys.history)
    held = sum(int(table.memory_usage(deep=True, index=False).sum()) for table in tables)
    return held + len(rows.time) * _ROW_BYTES + min(_OVERHEAD, events * _OVERHEAD_OF_A_ROW)


def memory_needed(events: int, journeys: Journeys, rows: Rows) -> int:
    """Approximate bytes needed to build the whole table at once."""
    work = events * (_EVENT_BYTES + _READ_BYTES) + len(rows.time) * _SNAPSHOT_BYTES
    return _held(0, journeys, rows) + work


def count_parts(events: int, journeys: Journeys, rows: Rows, *, limit: int, workers: int) -> int:
    """The number of partitions, so that one for each worker fits in the remaining memory.

    Parameters
    ----------
    events : rows of the source
    limit : bytes

    Raises
    ------
    ConfigError
        If less than a tenth of the limit is left.
    """
    held = _held(events, journeys, rows)
    need = events * _EVENT_BYTES + len(rows.time) * _SNAPSHOT_BYTES
    left = limit - held
    if left < limit // 10:
        raise ConfigError(
            f"data.memory_limit must hold leads, outcomes and attribute changes, about {_format_megabytes(held)} "
            f"with the reading of events, and room for partitions; found {format_size(limit)}. Raise it to "
            f"{_format_megabytes(held * 3 // 2)}"
        )
    # Hashes and leads are uneven: the largest partition may be twice the average.
    return max(1, -(-2 * need * workers // left))


def _format_megabytes(size: int) -> str:
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
    """Build all partitions that an earlier run did not finish.

    Parameters
    ----------
    journeys, ids : from `mqlml.journeys.read.read_around_events`.
    rows : from `choose_rows`.
    folder : a checkpoint directory, see `working_in`
    limit : bytes that may be used
    one_file : whether `PartitionedTable.batches` will merge the partitions; their row groups are then smaller

    Raises
    ------
    ConfigError
        If the limit leaves no room for partitions.
    QuarantineError, ContractError, LeakageError
        As when reading and building in memory.
    """
    workers = joblib.cpu_count()
    with progress.step("events"):
        partitioned, part = _partition(config, journeys, ids, rows, folder / "events", limit, workers)
    parts = len(partitioned.rows)
    journeys = add_events(journeys, journeys.events, partitioned.quarantine, partitioned.rows_read)
    shards = Shards(journeys, part, parts)

    def take(number: int) -> Journeys:
        return shards.take(number, partitioned.read(number, journeys.leads["lead_id"]))

    with progress.step("plan"):
        plan, leaks = _learn(config, journeys, rows, take, parts, workers, progress)
    with progress.step("leak_test"):
        leak_test = _test_leaks(journeys, rows, plan, partitioned)
    build_spec = make_build_spec(journeys.leads, config, plan)
    finished = folder / "parts"
    finished.mkdir(exist_ok=True)
    for unfinished in finished.glob(".*.part"):  # left by a killed run
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
    """Do some work for each partition in threads: they share memory, and compiled scans release the lock."""
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(work, numbers)
        return [next(results) for _ in progress.track(numbers, name)]


def _partition(
    config: Config,
    journeys: Journeys,
    ids: LeadIds,
    rows: Rows,
    folder: Path,
    limit: int,
    workers: int,
) -> tuple[PartitionedEvents, npt.NDArray[np.int32]]:
    """The partitioned events, and the partition of each lead."""
    rules = EventRules(config.journeys.bots, journeys.merged)
    partitioned = find_partitions(folder, rules)
    if partitioned is None:
        shutil.rmtree(folder, ignore_errors=True)
        streams = open_events(config, folder)
        events = sum(stream.rows_read for stream in streams)
        parts = count_parts(events, journeys, rows, limit=limit, workers=workers)
        part = assign_partitions(journeys.leads, parts)
        return partition_events(streams, config, ids, part, parts, folder, rules), part
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
    """The plan and the findings, from all partitions together."""
    before = to_microseconds(rows.holdout_start)

    def gather(number: int) -> tuple[EventFacts, EventCounts]:
        part = take(number)
        return gather_facts(part.events, before=before), count_events(part, config.problem)

    found = _each(gather, list(range(parts)), workers, progress, "reading events")
    facts = reduce(add, (facts for facts, _ in found))
    around = reduce(add, (counts for _, counts in found))
    return learn_plan(journeys, config, rows, events=facts, around=around)


def _test_leaks(
    journeys: Journeys, rows: Rows, plan: FeaturePlan, partitioned: PartitionedEvents
) -> PerturbationTest:
    snapshots = pd.DataFrame({"lead_id": rows.lead_id, "cutoff_time": rows.cutoff_time})
    sample = sample_snapshots(journeys.leads, snapshots)
    part = take_leads(journeys, sample)
    sampled = journeys.leads["lead_id"].isin(part.leads["lead_id"]).to_numpy()
    part = replace(part, events=partitioned.read_leads(sampled, journeys.leads["lead_id"]))
    check_own(part, sample, plan)
    return run_leak_test(part, sample, plan)


def _make(part: Journeys, build_spec: BuildSpec, file: Path, group: int | None) -> None:
    write_table(build_part(part, build_spec), file, rows_in_group=group)
