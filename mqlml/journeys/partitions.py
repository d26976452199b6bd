"""Events are split on the disk into partitions, each with all events of its leads.

The events of one partition are rows of fixed length in one file, in the order of the source: a lead's position,
times, texts as codes, a value. The same rows are kept and quarantined as by `mqlml.journeys.read_journeys`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from mqlml.config import Config, Table
from mqlml.journeys.cleaning import choose_spellings, treat_machine_events
from mqlml.journeys.contract import IDS, NUMBERS, TIMES, WORDS, MergedLeads
from mqlml.journeys.leadids import LeadIds
from mqlml.journeys.parse import parse_ids
from mqlml.journeys.quarantine import Ledger, Tally, empty_quarantine
from mqlml.journeys.read import EVENT_WORDS, ParsedEvents, parse_events
from mqlml.journeys.sources import estimate_rows
from mqlml.journeys.stream import Stream, StreamColumns, open_stream
from mqlml.journeys.tables import (
    DUPLICATE,
    TableReader,
    check_columns,
    check_mapping,
    check_rows,
    known_columns,
    make_keys,
    share_key,
)
from mqlml.times import microseconds_to_column
from mqlml.types import Mask, Rows

__all__ = [
    "EventRules",
    "PartitionedEvents",
    "estimate_events",
    "find_partitions",
    "open_events",
    "partition_events",
]

_INDEX = "events.json"
_QUARANTINE = "quarantine.parquet"
_REPEATED = "repeated.npy"
_IDS_AT_ONCE = 2_000_000
"""Event ids compared in memory at a time."""

_READ_AT_ONCE = 1 << 14
"""Rows of a part that are read at a time."""

_Fields = dict[str, npt.NDArray[Any]]
"""The fields of some rows, each as one array."""


@dataclass(frozen=True)
class PartitionedEvents:
    """The events of all partitions.

    Attributes
    ----------
    folder : where they are stored.
    columns : our columns, as in an events table read whole.
    words : the texts behind the codes of each column of words.
    rows : number of events in each partition, including those that repeat an event id.
    rows_read : all rows of the source, quarantined ones included.
    quarantine : the rows set aside.
    repeated : places, in the order of the source, of rows that repeat an event id; sorted.
    rules : what is done with the events once all of a lead are there.
    """

    folder: Path
    columns: tuple[str, ...]
    words: dict[str, tuple[str, ...]]
    rows: tuple[int, ...]
    rows_read: int
    quarantine: pd.DataFrame
    repeated: npt.NDArray[np.int64]
    rules: EventRules

    def read(self, part: int, lead_id: pd.Series) -> pd.DataFrame:
        """The events of one partition.

        Parameters
        ----------
        lead_id : the ids of all leads, in the order in which they were partitioned.
        """
        return self._finish(self._rows(part), lead_id)

    def read_leads(self, chosen: npt.NDArray[np.bool_], lead_id: pd.Series) -> pd.DataFrame:
        """The events of a few leads from all partitions, in the order of the source.

        Parameters
        ----------
        chosen : one truth per lead.
        """
        merged = self.rules.merged
        joined = chosen.copy()
        joined[merged.old[chosen[merged.new]]] = True  # their events are those of the chosen lead, too
        found = [self._rows(part, joined) for part in range(len(self.rows))]
        rows = {name: np.concatenate([own[name] for own in found]) for name in found[0]}
        order = np.argsort(rows["place"], kind="stable")
        events = self._finish({name: values[order] for name, values in rows.items()}, lead_id)
        kept = events["lead_id"].isin(lead_id[chosen])
        return events if kept.all() else events[kept].reset_index(drop=True)

    def _rows(self, part: int, chosen: Mask | None = None) -> _Fields:
        """The fields of a part's rows; without events that repeat an id, and of some leads only if they are named."""
        record, path = _record(self.columns), _bucket(self.folder, part)
        size = path.stat().st_size // record.itemsize if path.exists() else 0
        found: _Fields = {name: np.empty(size, record[name]) for name in record.names or ()}
        for start in range(0, size, _READ_AT_ONCE):  # few enough for the cache
            rows = np.fromfile(path, record, _READ_AT_ONCE, offset=start * record.itemsize)
            for name, values in found.items():
                values[start : start + len(rows)] = rows[name]
        kept = np.ones(size, dtype=bool) if chosen is None else chosen[found["lead"]]
        if len(self.repeated):
            kept &= ~np.isin(found["place"], self.repeated, kind="sort")
        return found if kept.all() else {name: values[kept] for name, values in found.items()}

    def _finish(self, rows: _Fields, lead_id: pd.Series) -> pd.DataFrame:
        events, lead, _ = treat_machine_events(self._table(rows), rows["lead"], self.rules.bots)
        events.insert(0, "lead_id", lead_id.take(lead).reset_index(drop=True))
        return self.rules.merged.copy_events(events, lead_id)

    def _table(self, rows: _Fields) -> pd.DataFrame:
        columns: dict[str, Any] = {}
        for column in self.columns:
            values = rows[column]
            if column in TIMES:
                columns[column] = microseconds_to_column(values)
            elif column in WORDS:
                texts = sorted(
                    set(self.words[column])
                )  # several codes may share a text: spellings that were joined
                place = {text: code for code, text in enumerate(texts)}
                lookup = np.array([*(place[text] for text in self.words[column]), -1], np.int32)
                columns[column] = pd.Categorical.from_codes(
                    lookup[values], categories=pd.Index(texts, dtype="str")
                )
            else:
                columns[column] = values
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class EventRules:
    """What is done with events once all of a lead are there: ``journeys.bots``, and which leads were merged."""

    bots: Literal["drop", "flag", "keep"]
    merged: MergedLeads


def _record(columns: Sequence[str]) -> np.dtype[Any]:
    kinds = {column: "<i8" if column in TIMES else "<i4" if column in WORDS else "<f8" for column in columns}
    return np.dtype([("lead", "<i4"), ("place", "<i8"), *kinds.items()])


def _bucket(folder: Path, part: int) -> Path:
    return folder / f"events-{part:04d}.bin"


def find_partitions(folder: Path, rules: EventRules) -> PartitionedEvents | None:
    """Events partitioned by an earlier run; None if it did not finish."""
    index = folder / _INDEX
    if not index.exists():
        return None
    found = json.loads(index.read_text(encoding="utf-8"))
    return PartitionedEvents(
        folder=folder,
        columns=tuple(found["columns"]),
        words={column: tuple(texts) for column, texts in found["words"].items()},
        rows=tuple(found["rows"]),
        rows_read=found["rows_read"],
        quarantine=pd.read_parquet(folder / _QUARANTINE),
        repeated=np.load(folder / _REPEATED),
        rules=rules,
    )


def open_events(config: Config, folder: Path) -> list[Stream]:
    """The tables of events that a config names, each as a stream.

    Raises
    ------
    ConfigError, ContractError, SourceError
        As `mqlml.journeys.read_journeys`.
    """
    tables = config.data.event_tables
    return [
        _open_events(where, spec, config, folder / f"table{number}")
        for number, (where, spec) in enumerate(tables)
    ]


def estimate_events(config: Config) -> int | None:
    """About how many events the tables of a config hold; None where that cannot be told without reading them."""
    total = 0
    for where, spec in config.data.event_tables:
        rows = estimate_rows(spec, where=where, base=config.folder)
        if rows is None:
            return None
        total += rows
    return total


def _open_events(where: str, spec: Table, config: Config, folder: Path) -> Stream:
    known = known_columns("events")
    check_mapping("events", spec, known, where)
    quantities = [column for column in known if column in (*NUMBERS, *TIMES)]
    hints = {column: spec.format(column) for column in quantities}
    folder.mkdir(parents=True, exist_ok=True)
    columns = StreamColumns(
        wanted=[spec.column(column) for column in known],
        words=[spec.column(column) for column in known if column in WORDS],
        ids=[spec.column(column) for column in known if column in IDS],
        quantities=[spec.column(name) for name, hint in hints.items() if hint is None or hint.format is None],
    )
    stream = open_stream(
        spec,
        columns,
        where=where,
        base=config.folder,
        zone=config.data.timezone,
        folder=folder,
        missing=config.data.missing,
    )
    check_columns("events", spec, stream, where)
    check_rows(stream, stream.rows_read)
    return stream


def partition_events(
    streams: Sequence[Stream],
    config: Config,
    leads: LeadIds,
    part: npt.NDArray[np.int32],
    parts: int,
    folder: Path,
    rules: EventRules,
) -> PartitionedEvents:
    """Read all events and write each to its lead's partition.

    Parameters
    ----------
    streams : from `open_events`.
    leads : the ids that events are matched by.
    part : the partition of each lead, below ``parts``, in the order of ``leads.kept``; the events of a lead with a
        negative one are checked and not kept.
    folder : an empty one; its content is valid only once this has returned.
    rules : what is done with the events when they are read.

    Raises
    ------
    QuarantineError
        If more rows are unusable than ``data.max_quarantined`` allows.
    """
    records = _Records(_all_columns(config, streams), part, np.zeros(parts, np.int64), folder)
    quarantine, repeated = [empty_quarantine()], []
    for (where, spec), stream in zip(config.data.event_tables, streams, strict=True):
        tally = Tally("events", stream.where, rows_read=stream.rows_read, allowed=config.data.max_quarantined)
        ids = _EventIds(spec.column("event_id"), stream, folder, records.place)
        for batch in stream.batches():
            reader = TableReader("events", spec, config, batch, forms=stream.forms, where=where)
            parsed = parse_events(reader, leads)
            tally.add(reader.ledger)
            if parsed.event_ids is not None:
                ids.add(parsed.event_ids, reader.ledger.usable, records.place)
            records.write(parsed, reader.ledger.usable)
        repeated.append(ids.find_repeated(tally))
        tally.check()
        quarantine.append(tally.to_frame())
    partitioned = PartitionedEvents(
        folder=folder,
        columns=records.columns,
        words=records.joined_words(),
        rows=tuple(records.counts.tolist()),
        rows_read=sum(stream.rows_read for stream in streams),
        quarantine=pd.concat(quarantine, ignore_index=True),
        repeated=np.sort(np.concatenate(repeated)),
        rules=rules,
    )
    _write_index(partitioned)
    return partitioned


def _all_columns(config: Config, streams: Sequence[Stream]) -> tuple[str, ...]:
    """The columns that some table of events has, as `mqlml.journeys.read.parse_events` orders them."""
    there = {
        column
        for (_, spec), stream in zip(config.data.event_tables, streams, strict=True)
        for column in (*EVENT_WORDS, "value")
        if spec.constant(column) is not None or spec.column(column) in stream.names
    }
    return ("occurred_at", "recorded_at", "action", *(c for c in (*EVENT_WORDS, "value") if c in there))


@dataclass
class _Records:
    """Writes events as rows of fixed length to the files of their parts.

    Attributes
    ----------
    columns : of each row; those that a table lacks are missing in its rows.
    vocabulary : of each column of words, its texts with their numbers.
    place : rows read so far.
    """

    columns: tuple[str, ...]
    part: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]
    folder: Path
    vocabulary: dict[str, dict[str, int]] = field(default_factory=dict)
    place: int = 0

    def write(self, parsed: ParsedEvents, usable: npt.NDArray[np.bool_]) -> None:
        kept = np.flatnonzero(usable & (self.part[parsed.lead] >= 0))
        order, counts = _sort_by(self.part[parsed.lead[kept]], len(self.counts))
        kept = kept[order]
        rows = np.empty(len(kept), _record(self.columns))
        rows["lead"], rows["place"] = parsed.lead[kept], self.place + kept
        for column in self.columns:
            if column not in parsed.columns:
                rows[column] = -1 if column in WORDS else np.nan
            elif column in WORDS:
                rows[column] = self._codes(column, parsed.columns[column], kept)
            else:
                rows[column] = parsed.columns[column][kept]
        _append(rows, counts, functools.partial(_bucket, self.folder))
        self.counts += counts
        self.place += len(usable)

    def _codes(self, column: str, words: pd.Categorical, kept: Rows) -> npt.NDArray[np.int32]:
        """The kept words as numbers; new ones join the vocabulary."""
        known = self.vocabulary.setdefault(column, {})
        codes = np.asarray(words.codes)[kept].astype(np.intp)
        number = np.full(len(words.categories) + 1, -1, np.int32)
        occurs = range(len(words.categories)) if len(kept) == len(words) else np.unique(codes[codes >= 0])
        for code in occurs:
            number[code] = known.setdefault(words.categories[code], len(known))
        return number[codes]

    def joined_words(self) -> dict[str, tuple[str, ...]]:
        """The text behind each number; spellings of one action or channel have the same."""
        words = {column: tuple(places) for column, places in self.vocabulary.items()}
        for column in ("action", "channel"):
            if column in words:
                words[column] = tuple(choose_spellings(words[column]))
        return words


def _sort_by(part: npt.NDArray[np.integer], parts: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """The rows in the order of their parts, and the number of each part."""
    # Numbers of 8 or 16 bits are sorted digit by digit, several times faster.
    order = np.argsort(part.astype(np.min_scalar_type(parts)) if parts < 2**16 else part, kind="stable")
    return order, np.bincount(part, minlength=parts)


def _append(rows: npt.NDArray[Any], counts: npt.NDArray[np.int64], path: Callable[[int], Path]) -> None:
    """Append rows, which lie in the order of their parts, to the files of these."""
    edges = np.concatenate([[0], np.cumsum(counts)])
    for number in np.flatnonzero(counts).tolist():
        with path(number).open("ab") as file:
            rows[edges[number] : edges[number + 1]].tofile(file)


def _write_index(partitioned: PartitionedEvents) -> None:
    """Write what the files hold; the index comes last and in one step, so that its presence means all is complete."""
    partitioned.quarantine.to_parquet(partitioned.folder / _QUARANTINE, index=False)
    np.save(partitioned.folder / _REPEATED, partitioned.repeated)
    index = {
        "columns": partitioned.columns,
        "words": partitioned.words,
        "rows": partitioned.rows,
        "rows_read": partitioned.rows_read,
    }
    unfinished = partitioned.folder / f"{_INDEX}.part"
    unfinished.write_text(json.dumps(index), encoding="utf-8")
    unfinished.replace(partitioned.folder / _INDEX)


_KEYS = np.dtype([("key", "<u8"), ("place", "<i8")])
_MIXER = np.uint64(0x9E3779B97F4A7C15)
"""2 ** 64 over the golden ratio, odd, as in multiplicative hashing (Knuth 1973, 6.4)."""


class _EventIds:
    """Hashes of event ids on the disk, equal ones in one file, so that duplicates are found a file at a time.

    The ids themselves are read again where hashes are equal, which is rare, and not kept.

    Parameters
    ----------
    column : the source's name of the column.
    start : the place of the stream's first row.
    """

    def __init__(self, column: str, stream: Stream, folder: Path, start: int) -> None:
        self._column, self._stream, self._folder, self._start = column, stream, folder, start
        self._files = max(1, -(-stream.rows_read // _IDS_AT_ONCE))

    def _path(self, number: int) -> Path:
        return self._folder / f"ids-{number:04d}.bin"

    def add(self, ids: Any, good: npt.NDArray[np.bool_], place: int) -> None:
        """Store the hashes of the good rows of a batch that begins at ``place``."""
        there = np.flatnonzero(good & np.asarray(ids.is_valid()))
        keys = make_keys(ids)[there]
        # The upper half of a product with an odd number tells even consecutive ids apart, sooner than a remainder.
        mixed = (keys * _MIXER) >> np.uint64(32)
        order, counts = _sort_by(
            ((mixed * np.uint64(self._files)) >> np.uint64(32)).astype(np.int64), self._files
        )
        rows = np.empty(len(there), _KEYS)
        rows["key"], rows["place"] = keys[order], place + there[order]
        _append(rows, counts, self._path)

    def find_repeated(self, tally: Tally) -> npt.NDArray[np.int64]:
        """Sorted places of the rows that repeat an earlier row's id; they are quarantined."""
        shared = [np.empty(0, np.int64)]
        for path in filter(Path.exists, map(self._path, range(self._files))):
            rows = np.fromfile(path, _KEYS)
            path.unlink()
            shared.append(rows["place"][share_key(rows["key"])])
        places = np.sort(np.concatenate(shared))
        found, seen, start = [places[:0]], set[object](), self._start
        for batch in self._stream.batches([self._column]) if len(places) else ():
            own = places[slice(*np.searchsorted(places, [start, start + batch.table.num_rows]))] - start
            ids = parse_ids(
                batch.column(self._column).take(pa.array(own)), self._stream.forms.get(self._column)
            )
            again = np.zeros(len(own), dtype=bool)
            for row, name in enumerate(ids.data.to_pylist()):
                again[row] = name in seen
                seen.add(name)
            if again.any():
                repeated = np.zeros(batch.table.num_rows, dtype=bool)
                repeated[own[again]] = True
                ledger = Ledger("events", batch)
                ledger.refuse(repeated, column=self._column, reason=DUPLICATE)
                tally.add(ledger)
                found.append(start + own[again])
            start += batch.table.num_rows
        return np.concatenate(found)
