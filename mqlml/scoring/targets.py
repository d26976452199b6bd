"""Where scores go: a file, or tables in a database, which take over a whole run in one step."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mqlml.errors import UsageError
from mqlml.journeys.databases import database_file, is_postgres
from mqlml.scoring.batches import Batch, interleave, order_scores, read_batches
from mqlml.scoring.database import DatabaseTarget
from mqlml.scoring.dialects import DuckDBFile, Postgres, SQLiteFile
from mqlml.scoring.sinks import TABLE_SUFFIXES, CsvStyle, check_target, replace_file, write_batches

__all__ = ["FileOptions", "FileTarget", "Target", "make_target"]

_ROWS = 1 << 16
_TIMES = ("cutoff_time", "scored_at", "label_since", "changed_at")


class Target(Protocol):
    """A place that scores are written to."""

    shown: str
    """What to call it in messages, without a password."""

    state: str
    """What to call it where its earlier scores decide what a run gives; empty where they do not."""

    def work_folder(self, folder: Path) -> Path:
        """Where a job keeps what it has finished; ``folder`` is that of the config."""

    def holding(self, *, wait: bool) -> contextlib.AbstractContextManager[None]:
        """Keep other jobs off it."""

    def prepare(self, *, integer_ids: bool) -> None:
        """Make what is needed to write to it."""

    def last_scores(self, as_of: dt.datetime, model_name: str, lead_id: pd.Series) -> pd.DataFrame | None:
        """Earlier scores of some leads that it holds; None where it holds the last run only."""

    def publish(self, batch: Batch) -> None:
        """Take over a run, whole or not at all."""


class FileTarget:
    """A Parquet or CSV file, which is replaced whole.

    Parameters
    ----------
    path : checked by `check_target`.
    options : FileOptions
    """

    def __init__(self, path: str | Path, options: FileOptions) -> None:
        self.path = check_target(path, suffixes=TABLE_SUFFIXES)
        self._options = options
        self.shown, self.state = str(path), ""

    def work_folder(self, folder: Path) -> Path:
        """Beside the file, so on its disk."""
        del folder
        return self.path.with_name(f".{self.path.name}.mqlml-work")

    def holding(self, *, wait: bool) -> contextlib.AbstractContextManager[None]:
        """Nothing to do: the work folder beside the file has its own lock."""
        del wait
        return contextlib.nullcontext()

    def prepare(self, *, integer_ids: bool) -> None:
        """Nothing to do."""
        del integer_ids

    def last_scores(self, as_of: dt.datetime, model_name: str, lead_id: pd.Series) -> pd.DataFrame | None:
        """None: the file holds one run, and running that again must give the same labels."""
        del as_of, model_name, lead_id
        return None

    def publish(self, batch: Batch) -> None:
        """Write the scores, highest first."""
        files = batch.files
        # In the work folder first, where the next run removes what a kill leaves of a large file.
        finished = files[0].parent.parent / f"whole{self.path.suffix}"
        rows = interleave(files, order_scores(files), _ROWS)
        columns = self._options.columns
        if self._options.changed:
            rows = (table.filter(pc.equal(table["changed_at"], table["cutoff_time"])) for table in rows)
        if columns is not None:
            rows = (table.select(list(columns)) for table in rows)
        whole = all(
            bool((np.asarray(column.cast(pa.int64()).drop_null()) % 1_000_000 == 0).all())
            for batch_of_times in read_batches(files, _TIMES)
            for column in batch_of_times.columns
        )
        write_batches(rows, finished, whole_seconds=whole, style=self._options.style)
        replace_file(finished, self.path)


@dataclass(frozen=True)
class FileOptions:
    """What is written to a file, and how.

    Attributes
    ----------
    columns : the columns, in their order; all if None.
    changed : whether only leads are written whose label is another one than before.
    style : how a CSV is written for people; as data if None.
    """

    columns: tuple[str, ...] | None = None
    changed: bool = False
    style: CsvStyle | None = None


def make_target(out: str, folder: Path, *, table: str | None, options: FileOptions) -> Target:
    """The target that ``--out`` names: a database by its URL, else a file.

    Parameters
    ----------
    folder : where the relative path of a database in a file starts: the folder of the config, as for sources.

    Raises
    ------
    UsageError
        If an option does not go with the target.
    OutputError
        If the file cannot be written.
    """
    found = None if is_postgres(out) else database_file(out, folder)
    if not is_postgres(out) and found is None:
        if table is not None:
            raise UsageError("--table names a table of a database; give --out a URL, as postgresql://…")
        return FileTarget(out, options)
    if options.columns is not None:
        raise UsageError("--columns is for files; a database gets all columns")
    if options.changed:
        raise UsageError(
            "--changed is for files; in a database, select from current_scores where changed_at = cutoff_time"
        )
    if found is None:
        return DatabaseTarget(Postgres(out), table or "lead_scores")
    kind = SQLiteFile if found.kind == "sqlite" else DuckDBFile
    return DatabaseTarget(kind(check_target(found.path)), table or "lead_scores")
