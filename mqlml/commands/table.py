"""``table`` writes the training table to a file or a folder, also where it does not fit in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mqlml.commands.check import check_rules, make_table, read_data, read_leads, require_past
from mqlml.commands.inputs import with_memory_limit
from mqlml.commands.partitioned_table import (
    PartitionedTable,
    build_parts,
    identify,
    memory_needed,
    working_in,
)
from mqlml.config import Config, read_config
from mqlml.journeys import Journeys
from mqlml.journeys.databases import copied_tables
from mqlml.journeys.leadids import LeadIds
from mqlml.journeys.partitions import estimate_events
from mqlml.journeys.read import read_events
from mqlml.progress import Progress
from mqlml.render.results import TableResult
from mqlml.scoring import (
    TABLE_SUFFIXES,
    check_folder,
    check_target,
    replace_file,
    replace_folder,
    write_batches,
    write_table,
)
from mqlml.training import TrainingTable, build_table, require_leak_test
from mqlml.training.table import Rows, choose_rows

__all__ = ["make_any_table", "write_training_table"]


def write_training_table(
    config_path: str | Path,
    out: str | Path,
    *,
    memory_limit: str | None = None,
    now: dt.datetime,
    progress: Progress,
) -> TableResult:
    """Write ``lead_id, cutoff_time, label`` and the features to a Parquet or CSV file, or to a folder of Parquet.

    The rows of each file are sorted by cutoff, then lead.

    Parameters
    ----------
    out : path ending in ``.parquet`` or ``.csv``, or a folder that is new, empty or holds only an earlier table
    memory_limit : replaces ``data.memory_limit``, such as ``"800MB"``
    """
    config = read_config(config_path)
    if memory_limit is not None:
        config = with_memory_limit(config, memory_limit)
    suffix = Path(out).suffix.lower()
    whole_file = suffix in TABLE_SUFFIXES or (bool(suffix) and not Path(out).is_dir())
    target = check_target(out, suffixes=TABLE_SUFFIXES) if whole_file else check_folder(out)
    work = target.with_name(f".{target.name}.mqlml-work")
    with make_any_table(config, work, one_file=whole_file, now=now, progress=progress) as table:
        require_leak_test(table.leak_test)
        with progress.step("write"):
            _write(table, target, work, whole_file, config.data.memory_limit)
        label, parts = (
            (table.rows.label, len(table.files)) if isinstance(table, PartitionedTable) else (table.label, 1)
        )
        return TableResult(
            out=str(target),
            rows=len(label),
            positives=int(label.sum()),
            features=len(table.plan.features),
            parts=parts,
        )


def _write(
    table: TrainingTable | PartitionedTable, target: Path, work: Path, whole_file: bool, limit: int
) -> None:
    if isinstance(table, PartitionedTable):
        if whole_file:
            whole_seconds = bool((table.rows.time % 1_000_000 == 0).all())
            # In the checkpoint directory, where the next run removes an unfinished file.
            finished = work / f"whole{target.suffix}"
            write_batches(table.batches(limit), finished, whole_seconds=whole_seconds)
            replace_file(finished, target)
        else:
            replace_folder(table.files[0].parent, target)
    elif whole_file:
        write_table(table.frame(), target)
    else:
        folder = work.with_name(f"{work.name}-one")
        folder.mkdir(exist_ok=True)
        write_table(table.frame(), folder / "part-0000.parquet")
        replace_folder(folder, target)


@contextmanager
def make_any_table(
    config: Config, work: Path, *, one_file: bool, now: dt.datetime, progress: Progress
) -> Iterator[TrainingTable | PartitionedTable]:
    """The training table: in memory, or where that needs more than ``data.memory_limit``, in partitions in a
    checkpoint directory that is removed afterwards."""
    if config.data.flat is not None:
        yield make_table(read_data(config, progress, now=now), config, progress)
        return
    require_past(config, now)
    with copied_tables(config) as copied, _make_from_journeys(copied, work, one_file, progress) as table:
        yield table


@contextmanager
def _make_from_journeys(
    config: Config, work: Path, one_file: bool, progress: Progress
) -> Iterator[TrainingTable | PartitionedTable]:
    with progress.step("read"):
        journeys, ids = read_leads(config)
    check_rules(journeys.leads, config)
    rows = choose_rows(journeys, config)
    if _fits(config, journeys, rows):
        whole = _read_rest(config, journeys, ids, progress)
        with progress.step("features"):
            table = build_table(whole, config, rows=rows)
        yield table
        return
    with progress.step("fingerprint"):
        key = identify(config, journeys)
    with working_in(work, key):
        yield build_parts(
            config,
            journeys,
            ids,
            rows,
            work,
            limit=config.data.memory_limit,
            one_file=one_file,
            progress=progress,
        )


def _fits(config: Config, journeys: Journeys, rows: Rows) -> bool:
    """Whether the whole table fits in memory."""
    events = estimate_events(config)
    return events is not None and memory_needed(events, journeys, rows) <= config.data.memory_limit


def _read_rest(config: Config, journeys: Journeys, ids: LeadIds, progress: Progress) -> Journeys:
    with progress.step("read"):
        return read_events(config, journeys, ids)
