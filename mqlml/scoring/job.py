"""Open leads are scored in parts that fit in memory; a run that was killed resumes with the parts it had finished."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import format_size
from mqlml.errors import ConfigError
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
from mqlml.progress import Progress
from mqlml.scoring.batch import ScoringRun, find_last, score_open, sort_scores
from mqlml.scoring.explain import Explainer
from mqlml.scoring.sinks import write_table
from mqlml.training.partitions import Shards, assign_partitions
from mqlml.types import Mask

__all__ = ["OpenLeads", "related_leads", "score_parts", "write_part"]

_EVENT_BYTES = 200
"""What an event takes in the part that is scored: itself, its columns, its place in the sorted order."""

_LEAD_BYTES = 5_000
"""What an open lead takes in its part: features, reasons, the finished row. 200,000 leads with 3.9 million events in
one part were measured to take 3,100 each, events included."""

_MOST_LEADS = 100_000
"""Leads in a part, on average, even where memory allows for more: with half a million in one part each costs a
quarter more, since less is found in the processor's cache."""

_OVERHEAD = 250_000_000
"""What reading events in batches takes beside the tables."""

_ROWS_IN_GROUP = 1 << 14
"""Rows in a row group of a finished part; one group of each part is in memory while they are put in order."""


@dataclass(frozen=True)
class OpenLeads:
    """What is known before any event is read.

    Attributes
    ----------
    journeys : leads, outcomes and history, from `mqlml.journeys.read.read_around_events`; no events.
    ids : the ids by which events are matched.
    snapshots : the leads to score, from `mqlml.scoring.batch.find_open`.
    """

    journeys: Journeys
    ids: LeadIds
    snapshots: pd.DataFrame


def related_leads(leads: pd.DataFrame, scored: pd.Series) -> Mask:
    """Which leads are scored or share an account with one that is; no other lead's events are needed."""
    found: Mask = leads["lead_id"].isin(scored).to_numpy(dtype=bool)
    if "account_id" in leads:
        account = pd.factorize(leads["account_id"])[0]
        scored_account = np.zeros(len(leads) + 1, dtype=bool)
        scored_account[account[found]] = True
        scored_account[-1] = False  # leads without an account share none
        found = found | scored_account[account]
    return found


def score_parts(
    explainer: Explainer,
    open_leads: OpenLeads,
    run: ScoringRun,
    folder: Path,
    *,
    limit: int,
    progress: Progress,
    after_part: Callable[[int, int], None],
) -> tuple[Journeys, tuple[Path, ...]]:
    """Score all open leads, or those of the parts that an earlier run left unfinished.

    Parameters
    ----------
    folder : a work folder that holds nothing, or what an earlier run of the same task finished.
    limit : bytes that may be used.
    after_part : called with the number of finished parts and of all parts after each; may raise to stop.

    Returns
    -------
    The journeys, with the counts and the quarantine of all tables and no events, and the Parquet file of each part,
    in the order of `sort_scores`.

    Raises
    ------
    ConfigError
        If the limit leaves no room for parts.
    QuarantineError, ContractError
        As `mqlml.journeys.read_journeys`.
    """
    journeys, scored = open_leads.journeys, open_leads.snapshots["lead_id"]
    config = run.config
    last = find_last(run, scored)
    finished = folder / "parts"
    finished.mkdir(exist_ok=True)
    for unfinished in finished.glob(".*.part"):
        unfinished.unlink()
    rules = EventRules(config.journeys.bots, journeys.merged)
    needed = related_leads(journeys.leads, scored)
    with progress.step("events"):
        partitioned, part = _partition(open_leads, run, rules, needed, folder / "events", limit)
    parts = len(partitioned.rows)
    journeys = add_events(journeys, journeys.events, partitioned.quarantine, partitioned.rows_read)
    # Leads that no scored lead depends on form a last part, which is never taken.
    shards = Shards(journeys, np.where(part < 0, parts, part).astype(np.int32), parts + 1)
    own_part = part[pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(scored))]
    files = tuple(finished / f"part-{number:04d}.parquet" for number in range(parts))
    finished_before = np.array([file.exists() for file in files])
    sizes = np.bincount(own_part, minlength=parts) * ~finished_before
    with progress.step("score"):
        for number in progress.track_rows(range(parts), sizes.tolist(), "leads"):
            if not files[number].exists():
                chosen = own_part == number
                if not chosen.any():
                    continue
                snapshots, own_last = (
                    table[chosen].reset_index(drop=True) for table in (open_leads.snapshots, last)
                )
                own = shards.take(number, partitioned.read(number, journeys.leads["lead_id"]))
                _write(score_open(explainer, own, snapshots, own_last, run), files[number])
            after_part(number + 1, parts)
    return journeys, tuple(file for file in files if file.exists())


def write_part(scores: pd.DataFrame, folder: Path) -> Path:
    """Finished scores as the only part of a work folder; its file."""
    (folder / "parts").mkdir(exist_ok=True)
    file = folder / "parts" / "part-0000.parquet"
    _write(scores, file)
    return file


def _write(scores: pd.DataFrame, file: Path) -> None:
    write_table(sort_scores(scores), file, rows_in_group=_ROWS_IN_GROUP)


def _partition(
    open_leads: OpenLeads, run: ScoringRun, rules: EventRules, needed: Mask, folder: Path, limit: int
) -> tuple[PartitionedEvents, npt.NDArray[np.int32]]:
    """The events of the needed leads in parts, and the part of each lead, -1 for one that is not needed."""
    leads = open_leads.journeys.leads
    partitioned = find_partitions(folder, rules)
    if partitioned is None:
        shutil.rmtree(folder, ignore_errors=True)
        streams = open_events(run.config, folder)
        parts = count_parts(sum(stream.rows_read for stream in streams), open_leads, limit)
        part = np.where(needed, assign_partitions(leads, parts), -1).astype(np.int32)
        return partition_events(streams, run.config, open_leads.ids, part, parts, folder, rules), part
    part = np.where(needed, assign_partitions(leads, len(partitioned.rows)), -1).astype(np.int32)
    return partitioned, part


def count_parts(events: int, open_leads: OpenLeads, limit: int) -> int:
    """How many parts the open leads are cut into, so that each fits in the memory that is left.

    Raises
    ------
    ConfigError
        If hardly any memory is left.
    """
    journeys = open_leads.journeys
    tables = (journeys.leads, journeys.outcomes, journeys.history)
    held = sum(int(table.memory_usage(deep=True, index=False).sum()) for table in tables)
    need = events * _EVENT_BYTES + len(open_leads.snapshots) * _LEAD_BYTES
    least = -(-len(open_leads.snapshots) // _MOST_LEADS)
    if held + need <= limit:
        return least
    left = limit - held - min(_OVERHEAD, limit // 4)
    if left < limit // 10:
        enough = format_size(-(-(held + _OVERHEAD) * 3 // 2 // 10**6) * 10**6)
        raise ConfigError(
            f"data.memory_limit must hold leads, outcomes and attribute changes ({format_size(held)}) and room for "
            f"parts; found {format_size(limit)}. Raise it to {enough}"
        )
    # A hash distributes unevenly, and so do leads: the largest part may be half as large again as the average.
    return max(2, least, -(-3 * need // (2 * left)))
