"""Scores travel in batches: what a run writes, and tables in several sorted files read a few rows at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mqlml.config import Problem
from mqlml.journeys import Journeys
from mqlml.times import column_to_microseconds, to_microseconds
from mqlml.training.snapshots import creation_times, exit_times

__all__ = [
    "Batch",
    "RunRecord",
    "compare_labels",
    "count_labels",
    "interleave",
    "list_skipped",
    "order_scores",
    "read_batches",
]


def interleave(files: Sequence[Path], part: npt.NDArray[np.integer], rows: int) -> Iterator[pa.Table]:
    """The rows of files in a given order, so many at a time.

    Parameters
    ----------
    part : the file of each row of the whole; a file's own rows come in their order.
    rows : how many are given at a time.
    """
    readers = [_Reader(file) for file in files]
    for start in range(0, len(part), rows):
        own = part[start : start + rows]
        counts = np.bincount(own, minlength=len(files))
        found = pa.concat_tables([readers[number].take(counts[number]) for number in np.flatnonzero(counts)])
        place = np.empty(len(own), np.int64)
        place[np.argsort(own, kind="stable")] = np.arange(len(own))
        yield found.take(pa.array(place)).combine_chunks()


class _Reader:
    """The rows of one file, one after another."""

    def __init__(self, file: Path) -> None:
        self._file = pq.ParquetFile(file, pre_buffer=False)
        self._group = 0
        self._left: pa.Table | None = None

    def take(self, number: int) -> pa.Table:
        pieces = [] if self._left is None else [self._left]
        while sum(piece.num_rows for piece in pieces) < number:
            pieces.append(self._file.read_row_group(self._group, use_threads=False))
            self._group += 1
        found = pa.concat_tables(pieces)
        self._left = found.slice(number)
        return found.slice(0, number)


def order_scores(files: Sequence[Path]) -> npt.NDArray[np.int32]:
    """The file of each score, highest raw score first, then by ``lead_id``; each file is in that order."""
    keys = [pq.read_table(file, columns=["raw_score", "lead_id"], use_threads=False) for file in files]
    part = np.repeat(np.arange(len(files), dtype=np.int32), [len(table) for table in keys])
    raw = np.concatenate([table["raw_score"].to_numpy() for table in keys])
    order = np.argsort(-raw, kind="stable")
    tied = raw[order][1:] == raw[order][:-1]
    if tied.any():  # the ids are only compared where scores are equal
        ids = pd.concat([table["lead_id"].to_pandas() for table in keys], ignore_index=True)
        rows = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        frame = pd.DataFrame(
            {"raw": -raw[order[rows]], "id": ids.iloc[order[rows]].to_numpy(), "row": order[rows]}
        )
        order[rows] = frame.sort_values(["raw", "id"], kind="stable")["row"].to_numpy()
    found: npt.NDArray[np.int32] = part[order]
    return found


BATCH = 1 << 16
"""Rows that are sent to a database at a time."""

CUSTOMER = "customer already"
CLOSED = "closed"
TOO_OLD = "too old"
TOO_YOUNG = "too young"
NOT_NAMED = "not among the leads named"
NOT_CREATED = "created later"


@dataclass(frozen=True)
class RunRecord:
    """One run, as ``score_runs`` keeps it.

    Attributes
    ----------
    job_id : a text of its own for each run.
    started_at, cutoff_time : datetimes with a zone
    model_name, model_version : the version that scored.
    rows_read, quarantined : rows of all source tables, and those of them that could not be used.
    scored, skipped : leads with a score, and open or closed leads without one.
    labels : leads by label, most frequent first.
    changed_labels : leads with another label than the last time.
    newest_fact : the last moment at which the data knew something before the cutoff; None where it knew nothing.
    mqlml_version : the release that ran.
    """

    job_id: str
    started_at: dt.datetime
    cutoff_time: dt.datetime
    model_name: str
    model_version: int
    rows_read: int
    quarantined: int
    scored: int
    skipped: int
    labels: dict[str, int]
    changed_labels: int
    newest_fact: dt.datetime | None
    mqlml_version: str


@dataclass(frozen=True)
class Batch:
    """All that one run writes, in one step.

    Attributes
    ----------
    files : Parquet files of finished scores, each in the order of `mqlml.scoring.batch.sort_scores`.
    skipped : DataFrame with ``lead_id``, ``cutoff_time``, ``reason``.
    record : RunRecord
    whole : whether all open leads are in it, so that a lead that is not has no score at this cutoff.
    """

    files: tuple[Path, ...]
    skipped: pd.DataFrame
    record: RunRecord
    whole: bool


def list_skipped(
    journeys: Journeys, problem: Problem, as_of: dt.datetime, scored: pd.Series, left_out: pd.DataFrame
) -> pd.DataFrame:
    """Every lead without a score and the reason; the end of its journey comes before its age.

    Parameters
    ----------
    left_out : ``lead_id`` and ``reason`` of leads that are not among the journeys, as by a rule.

    Returns
    -------
    DataFrame with ``lead_id``, ``cutoff_time`` and ``reason``, in the order of ``journeys.leads``, then that of
    ``left_out``.
    """
    leads = journeys.leads
    at = to_microseconds(as_of)
    wins = journeys.outcomes[journeys.outcomes["stage"] == problem.outcome]
    known = np.maximum(
        column_to_microseconds(wins["occurred_at"]), column_to_microseconds(wins["recorded_at"])
    )
    customers = leads["lead_id"].isin(wins["lead_id"][known < at]).to_numpy(dtype=bool)
    created = creation_times(leads)
    low, high = problem.age_limits
    reasons = np.select(
        [
            created > at,
            customers,
            exit_times(journeys, problem) < at,
            at - created > high,
            at - created < low,
        ],
        [NOT_CREATED, CUSTOMER, CLOSED, TOO_OLD, TOO_YOUNG],
        default=NOT_NAMED,
    )
    skipped = ~leads["lead_id"].isin(scored).to_numpy(dtype=bool)
    found = leads.loc[skipped, ["lead_id"]].reset_index(drop=True)
    found["reason"] = pd.Series(reasons[skipped], dtype="str")
    found = pd.concat([found, left_out], ignore_index=True)
    found.insert(1, "cutoff_time", pd.Timestamp(as_of).as_unit("us"))
    return found


def read_batches(files: tuple[Path, ...], columns: tuple[str, ...] | None = None) -> pa.RecordBatchReader:
    """The rows of finished parts as Arrow batches, a few at a time."""
    schema = pq.read_schema(files[0])
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    schema = schema.remove_metadata()

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            with pq.ParquetFile(file, pre_buffer=False) as opened:
                for batch in opened.iter_batches(BATCH, columns=schema.names, use_threads=False):
                    yield batch.select(schema.names).cast(schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def count_labels(files: tuple[Path, ...]) -> dict[str, int]:
    """Leads by label, most frequent first."""
    labels = pd.concat([read_labels(file)["label"] for file in files])
    return {str(name): int(n) for name, n in labels.value_counts().items()}


def compare_labels(files: tuple[Path, ...]) -> tuple[int, int]:
    """Leads that were scored before, and those of them whose label is another one now."""
    before, changed = 0, 0
    for file in files:
        labels = read_labels(file)
        known = labels["previous_label"].notna()
        before += int(known.sum())
        changed += int((known & (labels["previous_label"] != labels["label"])).sum())
    return before, changed


def read_labels(file: Path) -> pd.DataFrame:
    """``label`` and ``previous_label`` of a finished part."""
    labels: pd.DataFrame = pq.read_table(
        file, columns=["label", "previous_label"], use_threads=False
    ).to_pandas()
    return labels
