"""Collect the rows that cannot be used, and stop the run if they are too many.

Nothing is dropped in silence: every row a source has is either kept or stands in the quarantine, once for each
thing that is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from mqlml.errors import QuarantineError
from mqlml.journeys.parse import as_text
from mqlml.journeys.sources import Source
from mqlml.results import Result
from mqlml.types import Mask

__all__ = [
    "QUARANTINE",
    "Ledger",
    "Notice",
    "NoticeKind",
    "QuarantineGroup",
    "TableCount",
    "Tally",
    "count_rows",
    "empty_quarantine",
    "group_quarantine",
]

QUARANTINE = ("table", "row", "column", "value", "reason", "file")
"""The columns of the quarantine table; ``column`` and ``file`` are the source's names."""

_SHOWN = 200


def empty_quarantine() -> pd.DataFrame:
    """A quarantine table without rows."""
    types = {name: "int64" if name == "row" else "str" for name in QUARANTINE}
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in types.items()})


@dataclass(frozen=True)
class TableCount(Result):
    """How many rows of one table were read, and how many of these were quarantined."""

    rows: int
    """Rows read, lines that are no rows included."""
    quarantined: int
    """Rows that were quarantined, each counted once."""


@dataclass(frozen=True)
class QuarantineGroup(Result):
    """Rows of one table that were quarantined for one reason, with the first of them as an example."""

    table: str
    """``leads``, ``events``, ``outcomes``, ``history`` or ``flat``."""
    column: str
    """The source's name of the column that is wrong; empty where the whole line is."""
    reason: str
    """What is wrong, as a sentence for people."""
    rows: int
    """Rows in the group."""
    first_row: int
    """The first of them, counted from 1 for the first row after the header."""
    first_value: str | None
    """What stands there, in that row and column; null where nothing does."""


def count_rows(rows_read: Mapping[str, int], quarantine: pd.DataFrame) -> dict[str, TableCount]:
    """Rows read and quarantined, by table."""
    return {
        name: TableCount(int(rows), int(quarantine.loc[quarantine["table"] == name, "row"].nunique()))
        for name, rows in rows_read.items()
    }


def group_quarantine(quarantine: pd.DataFrame) -> tuple[QuarantineGroup, ...]:
    """What was quarantined: one group for each table, column and reason, in alphabetical order."""
    found = []
    for _, rows in quarantine.groupby(["table", "column", "reason"], sort=True):
        first = rows.iloc[0]
        found.append(
            QuarantineGroup(
                table=str(first["table"]),
                column=str(first["column"]),
                reason=str(first["reason"]),
                rows=int(rows["row"].nunique()),
                first_row=int(first["row"]),
                first_value=None if pd.isna(first["value"]) else str(first["value"]),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class _Entry:
    """Rows that share a column and a reason."""

    column: str
    reason: str
    remedy: str
    rows: npt.NDArray[np.int64]
    found: Sequence[str | None]
    files: Sequence[str]


class Ledger:
    """What is wrong with the rows of one table.

    Parameters
    ----------
    table : our name of the table, as ``events``.
    source : what was read. Lines that were not even rows are entered at once.

    Attributes
    ----------
    bad : bool array, one per row of ``source.table``: True if anything is wrong with it.
    left_out : bool array, one per row: True if nothing is wrong, but the config leaves it out.
    entries : what is wrong, in the order in which it was found.
    """

    def __init__(self, table: str, source: Source) -> None:
        self.table = table
        self.source = source
        self.bad: Mask = np.zeros(source.table.num_rows, dtype=bool)
        self.left_out: Mask = np.zeros(source.table.num_rows, dtype=bool)
        self.entries: list[_Entry] = []
        for reason in dict.fromkeys(misfit.reason for _, misfit in source.misfits):
            lines = [(file, misfit) for file, misfit in source.misfits if misfit.reason == reason]
            self.entries.append(
                _Entry(
                    column="",
                    reason=reason,
                    remedy="quote fields that hold the delimiter or a line break",
                    rows=np.array([misfit.row for _, misfit in lines], dtype=np.int64),
                    found=[misfit.text[:_SHOWN] for _, misfit in lines],
                    files=[file for file, _ in lines],
                )
            )

    @property
    def usable(self) -> Mask:
        """Which rows are kept."""
        return ~(self.bad | self.left_out)

    @property
    def rows_read(self) -> int:
        """All rows of the source, those that do not fit its header included."""
        return len(self.bad) + len(self.source.misfits)

    @property
    def rows_bad(self) -> int:
        """Rows set aside; one with two bad columns counts once."""
        return int(np.count_nonzero(self.bad)) + len(self.source.misfits)

    def refuse(self, mask: Mask, *, column: str, reason: str, remedy: str = "") -> None:
        """Set rows aside.

        Parameters
        ----------
        mask : bool array over the rows of the source.
        column : the source's name of the column that is wrong.
        reason : the same words for the same thing, since rows are counted by it.
        remedy : what the user can do if there are too many of these.
        """
        places = np.flatnonzero(mask)
        if not len(places):
            return
        self.bad |= mask
        found: Sequence[str | None] = [None] * len(places)
        if column in self.source.table.column_names:
            texts = as_text(self.source.column(column).take(pa.array(places))).to_pylist()
            found = [None if text is None else text[:_SHOWN] for text in texts]
        self.entries.append(
            _Entry(column, reason, remedy, self.source.rows[places], found, self.source.file_of(places))
        )

    def to_frame(self) -> pd.DataFrame:
        """The quarantine table's rows of this table, in the source's order."""
        return _make_frame(self.table, self.entries)

    def check(self, allowed: float) -> None:
        """Stop if more than the allowed share of this table's rows is set aside.

        Raises
        ------
        QuarantineError
            Naming the rows per reason, most frequent first, an example, and the remedy for the most frequent.
        """
        if self.rows_bad > allowed * self.rows_read:
            raise _too_many(self.source.where, self.rows_bad, self.rows_read, allowed, self.entries, {})


class Tally:
    """The ledgers of a table that is read in batches, one after another, as the ledger of the whole would be.

    Parameters
    ----------
    table : our name of the table.
    where : what to call its source in a message.
    rows_read : all rows of the source, lines that are no rows included.
    allowed : share of them that may be set aside. Rows above it are hardly more than counted: the run will stop, and
        they could be all rows of a table that is larger than memory.
    """

    def __init__(self, table: str, where: str, *, rows_read: int, allowed: float) -> None:
        self.table = table
        self.where = where
        self.rows_read = rows_read
        self.rows_bad = 0
        self._allowed = allowed
        self._entries: list[_Entry] = []
        self._further: dict[str, int] = {}

    def add(self, ledger: Ledger) -> None:
        """Take in the ledger of the next batch, or a further one of a batch before."""
        full = self.rows_bad > self._allowed * self.rows_read
        self.rows_bad += ledger.rows_bad
        shown = {entry.reason for entry in self._entries} if full else set()
        for entry in ledger.entries:
            if entry.reason in shown:
                self._further[entry.reason] = self._further.get(entry.reason, 0) + len(entry.rows)
            else:
                self._entries.append(entry)

    def check(self) -> None:
        """As `Ledger.check`."""
        if self.rows_bad > self._allowed * self.rows_read:
            raise _too_many(
                self.where, self.rows_bad, self.rows_read, self._allowed, self._entries, self._further
            )

    def to_frame(self) -> pd.DataFrame:
        """As `Ledger.to_frame`."""
        return _make_frame(self.table, self._entries)


def _make_frame(table: str, entries: Sequence[_Entry]) -> pd.DataFrame:
    if not entries:
        return empty_quarantine()
    frames = [
        pd.DataFrame(
            {
                "table": table,
                "row": entry.rows,
                "column": entry.column,
                "value": pd.array(entry.found, dtype="str"),
                "reason": entry.reason,
                "file": pd.array(entry.files, dtype="str"),
            }
        )
        for entry in entries
    ]
    types: Any = empty_quarantine().dtypes.to_dict()
    frame = pd.concat(frames, ignore_index=True).astype(types)
    return frame.sort_values(["file", "row"], kind="stable", ignore_index=True)


def _too_many(
    where: str, bad: int, read: int, allowed: float, entries: Sequence[_Entry], further: Mapping[str, int]
) -> QuarantineError:
    reasons: dict[str, int] = {}
    for entry in entries:
        reasons[entry.reason] = reasons.get(entry.reason, 0) + len(entry.rows)
    for reason, count in further.items():
        reasons[reason] = reasons.get(reason, 0) + count
    by_count = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    counts = ", ".join(f"{count:,} × {reason}" for reason, count in by_count)
    worst = next(entry for entry in entries if entry.reason == by_count[0][0])
    place = f"row {worst.rows[0]}" + (f" of {worst.files[0]}" if worst.files[0] else "")
    what = f"{worst.column} = {worst.found[0]!r}" if worst.column else repr(worst.found[0])
    remedy = f"{worst.remedy}; or mend the source" if worst.remedy else "Mend the source"
    return QuarantineError(
        f"{where}: {bad:,} of {read:,} rows cannot be used "
        f"({bad / read:.1%}; data.max_quarantined allows {allowed:.1%}): {counts}.\n"
        f"For example {place}: {what}. {remedy[:1].upper()}{remedy[1:]}, or raise data.max_quarantined."
    )


NoticeKind = Literal[
    "spellings",
    "machine_events",
    "machine_events_flagged",
    "merged",
    "ignored_merges",
    "duplicates",
    "duplicates_merged",
    "excluded",
    "not_yet_known",
    "ignored_stages",
    "ambiguous_numbers",
    "perhaps_thousands",
    "words_among_numbers",
]
"""What happened: ``spellings`` of one word were joined, ``machine_events`` were left out or
``machine_events_flagged``, leads were ``merged`` (``ignored_merges`` had no effect), ``duplicates`` of older leads
were found or ``duplicates_merged``, leads were ``excluded`` by a rule or
``not_yet_known`` at ``data.data_as_of``, rows of ``ignored_stages`` were no outcomes,
``ambiguous_numbers`` may be read in two ways and stay text, a point read as decimal may be one of
``perhaps_thousands``, and ``words_among_numbers`` may stand for a missing value."""


@dataclass(frozen=True)
class Notice(Result):
    """One thing that was changed or found in a table while it was read."""

    kind: NoticeKind
    """What happened."""
    table: str
    """``leads``, ``events``, ``outcomes`` or ``flat``."""
    column: str
    """The column it is about, by our name or the source's; empty where it is about rows."""
    rows: int
    """Rows that it concerns."""
    leads: int
    """Leads that they belong to."""
    examples: tuple[str, ...] = ()
    """A few of the words concerned, or the reason that the config gives."""
