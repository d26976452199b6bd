"""Where scores go: a file, or tables in a database, which take over a whole run in one step."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from mqlml.errors import UsageError
from mqlml.journeys.databases import is_postgres
from mqlml.scoring.batches import Batch, interleave, order_scores, read_batches
from mqlml.scoring.database import PostgresTarget
from mqlml.scoring.sinks import TABLE_SUFFIXES, CsvStyle, check_target, replace_file, write_batches

__all__ = ["FileTarget", "Target", "make_target"]

_ROWS = 1 << 16
_TIMES = ("cutoff_time", "scored_at", "label_since", "changed_at")


class Target(Protocol):
    """A place that scores are written to."""

    shown: str
    """What to call it in messages, without a password."""

    def holding(self, *, wait: bool) -> contextlib.AbstractContextManager[None]:
        """Keep other jobs off it."""

    def prepare(self, *, integer_ids: bool) -> None:
        """Make what is needed to write to it."""

    def last_scores(self, as_of: dt.datetime, model_name: str) -> pd.DataFrame | None:
        """The scores before a moment that it holds; None where it holds the last run only."""

    def publish(self, batch: Batch) -> None:
        """Take over a run, whole or not at all."""


class FileTarget:
    """A Parquet or CSV file, which is replaced whole.

    Parameters
    ----------
    path : checked by `check_target`.
    columns : the columns to write, in their order; all if None.
    style : how a CSV is written for people; as data if None.
    """

    def __init__(
        self, path: str | Path, *, columns: Sequence[str] | None = None, style: CsvStyle | None = None
    ) -> None:
        self.path = check_target(path, suffixes=TABLE_SUFFIXES)
        self._columns, self._style = columns, style
        self.shown = str(path)

    def holding(self, *, wait: bool) -> contextlib.AbstractContextManager[None]:
        """Nothing to do: the work folder beside the file has its own lock."""
        del wait
        return contextlib.nullcontext()

    def prepare(self, *, integer_ids: bool) -> None:
        """Nothing to do."""
        del integer_ids

    def last_scores(self, as_of: dt.datetime, model_name: str) -> pd.DataFrame | None:
        """None: the file holds one run, and running that again must give the same labels."""
        del as_of, model_name
        return None

    def publish(self, batch: Batch) -> None:
        """Write the scores, highest first."""
        files = batch.files
        # In the work folder first, where the next run removes what a kill leaves of a large file.
        finished = files[0].parent.parent / f"whole{self.path.suffix}"
        rows = interleave(files, order_scores(files), _ROWS)
        if self._columns is not None:
            rows = (table.select(list(self._columns)) for table in rows)
        whole = all(
            bool((np.asarray(column.cast(pa.int64()).drop_null()) % 1_000_000 == 0).all())
            for batch_of_times in read_batches(files, _TIMES)
            for column in batch_of_times.columns
        )
        write_batches(rows, finished, whole_seconds=whole, style=self._style)
        replace_file(finished, self.path)


def make_target(
    out: str, *, table: str | None, columns: Sequence[str] | None, style: CsvStyle | None
) -> Target:
    """The target that ``--out`` names: a PostgreSQL database by its URL, else a file.

    Raises
    ------
    UsageError
        If an option does not go with the target.
    OutputError
        If the file cannot be written.
    """
    if is_postgres(out):
        if columns is not None:
            raise UsageError("--columns is for files; a database gets all columns")
        return PostgresTarget(out, table or "lead_scores")
    if table is not None:
        raise UsageError("--table names a table of a database; give --out a URL, as postgresql://…")
    return FileTarget(out, columns=columns, style=style)
