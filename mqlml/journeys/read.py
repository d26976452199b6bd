"""Read the tables that a config names as `Journeys` that keep the contract.

Each table is read whole, each of its columns parsed, and the rows that something is wrong with set aside. Leads
come first, since a row of another table counts only if its lead is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mqlml.config import STAGES, Config, Outcomes, Table
from mqlml.errors import ConfigError, ContractError
from mqlml.journeys.contract import REQUIRED, Journeys, empty_table
from mqlml.journeys.parse import parse_ids
from mqlml.journeys.quarantine import empty_quarantine
from mqlml.journeys.sources import read_source
from mqlml.journeys.tables import DUPLICATE, TableReader, later_duplicates, missing_column, read_table
from mqlml.times import MISSING_TIME, microseconds_to_column

__all__ = [
    "LeadIds",
    "add_events",
    "parse_events",
    "read_around_events",
    "read_events",
    "read_journeys",
    "read_lead_ids",
]


def read_lead_ids(config: Config, path: str | Path) -> list[str]:
    """The ids in a file, each once, as text; a file of the same columns as the leads table will do.

    Parameters
    ----------
    config : for what the leads table calls its column of ids.
    path : CSV or Parquet, relative to the working directory.

    Raises
    ------
    SourceError, ContractError
        If the file cannot be read, has no such column, or names nobody.
    """
    leads = config.data.leads
    if leads is None:
        raise ConfigError("the config describes a flat table; its new rows are read with read_flat")
    spec = Table(path=str(Path(path).absolute()), delimiter=leads.delimiter, encoding=leads.encoding)
    column = leads.column("lead_id")
    source = read_source(
        spec, where="--leads", base=config.folder, zone=config.data.timezone, wanted=[column]
    )
    if column not in source.names:
        raise missing_column(source, column, "it is what data.leads calls lead_id")
    ids = pc.unique(parse_ids(source.column(column)).data).to_pylist()
    named = [str(value) for value in ids if value not in (None, "")]
    if not named:
        raise ContractError(
            f"{source.where} must name leads to score, and names none; fill its column {column!r}"
        )
    return named


_UNKNOWN_STAGE = "unknown stage"


@dataclass(frozen=True)
class LeadIds:
    """Ids of the leads that are kept, and of those in quarantine; Arrow arrays of one type, int64 or text."""

    kept: Any
    aside: Any

    @cached_property
    def _numbers(self) -> pd.Index[Any]:
        numbers: pd.Index[Any] = pd.Index(np.asarray(self.kept))
        return numbers

    def find(self, ids: Any) -> npt.NDArray[np.int32]:
        """The place of each id among the kept leads, -1 where it is not among them or missing."""
        if pa.types.is_int64(ids.type) and pa.types.is_int64(self.kept.type):
            # The index keeps its table of hashes, which Arrow rebuilds for every batch of a long table.
            places = self._numbers.get_indexer(pd.Index(np.asarray(pc.fill_null(ids, 0))))
            return np.where(np.asarray(pc.is_valid(ids)), places, -1).astype(np.int32)
        kept, ids = (pc.cast(values, pa.string()) for values in (self.kept, ids))
        found = pc.index_in(ids, value_set=kept.combine_chunks(), skip_nulls=True)
        return np.asarray(pc.fill_null(found, -1), np.int32)

    def resolve(self, reader: TableReader) -> tuple[Any, npt.NDArray[np.int32]]:
        """The lead ids of another table's rows, and their places. Rows without a kept lead are set aside."""
        ids = reader.ids("lead_id")
        places = self.find(ids)
        present = np.asarray(pc.is_valid(ids))
        strange = present & (places < 0)
        orphaned = np.zeros(len(places), dtype=bool)
        if strange.any():
            rows, aside = ids, self.aside
            if rows.type != aside.type:
                rows, aside = (pc.cast(values, pa.string()) for values in (rows, aside))
            orphaned = np.asarray(pc.is_in(rows, value_set=aside)) & strange
        reader.refuse(orphaned, "lead_id", "its lead is in quarantine")
        leads = "check that data.leads holds all leads, and that lead_id is written alike in both tables"
        reader.refuse(strange & ~orphaned, "lead_id", "unknown lead", leads)
        return ids, places

    def column(self, ids: Any, reader: TableReader) -> pd.Series:
        """The ids of the rows that are kept, in the type that leads have."""
        if reader.ledger.bad.any():
            ids = ids.filter(pa.array(~reader.ledger.bad))
        series: pd.Series = pc.cast(ids, self.kept.type).to_pandas()
        return series


def _keep(reader: TableReader, leads: LeadIds, ids: Any, columns: dict[str, Any]) -> pd.DataFrame:
    """The good rows, ``lead_id`` first."""
    table = reader.keep(columns)
    table.insert(0, "lead_id", leads.column(ids, reader))
    return table


def _read_leads(reader: TableReader) -> tuple[pd.DataFrame, LeadIds]:
    created = reader.times("created_at")
    ids = reader.ids("lead_id")
    account = None
    if reader.has("account_id"):
        account = pc.cast(reader.ids("account_id", required=False), pa.string()).to_pandas().astype("str")
    attributes = reader.attributes()
    # Among the usable rows only: a bad row must not make a good row after it a duplicate.
    reader.refuse(later_duplicates(ids, ~reader.ledger.bad), "lead_id", DUPLICATE)
    good = pa.array(~reader.ledger.bad)
    leads = LeadIds(kept=ids.filter(good), aside=ids.filter(pc.invert(good)).drop_null())
    known = {"created_at": microseconds_to_column(created)} | (
        {} if account is None else {"account_id": account}
    )
    return _keep(reader, leads, ids, known | attributes), leads


@dataclass(frozen=True)
class ParsedEvents:
    """Events as they were parsed, good rows and bad ones: our columns but ``lead_id``; the lead ids, and the place of
    each among the kept leads; the event ids, None where the source has none."""

    columns: dict[str, Any]
    ids: Any
    lead: npt.NDArray[np.int32]
    event_ids: Any


def parse_events(reader: TableReader, leads: LeadIds) -> ParsedEvents:
    """Parse all columns of events; what is wrong with a row goes to the reader's ledger."""
    happened = reader.times("occurred_at")
    columns: dict[str, Any] = {
        "occurred_at": microseconds_to_column(happened),
        "recorded_at": microseconds_to_column(reader.recorded(happened)),
        "action": reader.words("action", required=True),
    }
    for word in ("channel", "campaign", "content", "initiated_by"):
        if reader.has(word):
            columns[word] = reader.words(word)
    if reader.has("value"):
        columns["value"] = reader.numbers("value")
    ids, lead = leads.resolve(reader)
    event_ids = reader.ids("event_id", required=False) if reader.has("event_id") else None
    return ParsedEvents(columns, ids, lead, event_ids)


def _read_events(reader: TableReader, leads: LeadIds) -> pd.DataFrame:
    parsed = parse_events(reader, leads)
    if parsed.event_ids is not None:
        repeated = later_duplicates(parsed.event_ids, ~reader.ledger.bad)
        reader.refuse(repeated, "event_id", DUPLICATE)
    return _keep(reader, leads, parsed.ids, parsed.columns)


def _categorical(codes: npt.NDArray[np.int8], stages: Sequence[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=pd.Index(stages, dtype="str"))  # type: ignore[arg-type]


def _stage_words(reader: TableReader, spec: Outcomes) -> pd.Categorical:
    """The source's words as our stages, whatever their case; the config's translations go first."""
    words = reader.words("stage", required=True)
    meaning = {stage: stage for stage in STAGES} | {
        word.strip().casefold(): ours for word, ours in spec.stages.items()
    }
    found = list(words.categories)
    ours = [meaning.get(word.casefold()) for word in found]
    unknown = np.array([stage is None for stage in ours], dtype=bool)
    if unknown.any():
        counts = pd.Series(words).value_counts()
        shown = [word for word in counts.index if meaning.get(word.casefold()) is None]
        listed = ", ".join(repr(word) for word in shown[:10]) + (" …" if len(shown) > 10 else "")
        each = "each of " if len(shown) > 1 else ""
        remedy = (
            f"say which of our stages {each}{listed} is, as data.outcomes.stages: {{{shown[0]}: closed_won}} "
            f"if it is a win (ours are {', '.join(STAGES)})"
        )
        codes = np.asarray(words.codes)
        reader.refuse((codes >= 0) & unknown[codes], "stage", _UNKNOWN_STAGE, remedy)
    stages = sorted({stage for stage in ours if stage is not None})
    lookup = np.array(
        [stages.index(stage) if stage is not None else -1 for stage in ours] + [-1], dtype=np.int8
    )
    return _categorical(lookup[words.codes], stages)


def _read_outcomes(reader: TableReader, leads: LeadIds, spec: Outcomes) -> pd.DataFrame:
    happened = reader.times("occurred_at")
    if spec.stage is None:
        stage = _stage_words(reader, spec)
    else:
        stage = _categorical(np.zeros(len(happened), dtype=np.int8), [spec.stage])
    columns: dict[str, Any] = {
        "stage": stage,
        "occurred_at": microseconds_to_column(happened),
        "recorded_at": microseconds_to_column(reader.recorded(happened)),
    }
    if reader.has("amount"):
        columns["amount"] = reader.numbers("amount")
    if reader.has("reason"):
        columns["reason"] = reader.text("reason")
    return _keep(reader, leads, leads.resolve(reader)[0], columns)


def _read_history(reader: TableReader, leads: LeadIds) -> pd.DataFrame:
    since = reader.times("valid_from")
    until = (
        reader.times("valid_to", required=False)
        if reader.has("valid_to")
        else np.full(len(since), MISSING_TIME)
    )
    reader.refuse((until != MISSING_TIME) & (until < since), "valid_to", "valid_to is before valid_from")
    columns = {
        "field": reader.words("field", required=True),
        "value": reader.text("value"),
        "valid_from": microseconds_to_column(since),
        "valid_to": microseconds_to_column(until),
        "recorded_at": microseconds_to_column(reader.recorded(since)),
    }
    return _keep(reader, leads, leads.resolve(reader)[0], columns)


def read_journeys(config: Config) -> Journeys:
    """Read all tables that a config names, and check them against the contract.

    A null time in a required column is a bad row, also where ``outcomes.stage`` is a constant: whether "no date"
    means "has not happened" or "was not entered" is for the user to say (``sql: select … where won_date is not
    null``). An outcome or event before its lead's creation is kept. Events that agree in everything are kept too,
    unless they share an ``event_id``.

    Parameters
    ----------
    config : with ``data.leads`` and ``data.outcomes``; ``data.events`` and ``data.history`` may be absent.

    Raises
    ------
    SourceError
        If a file or query cannot be read.
    ContractError
        If a table lacks a column or has no rows.
    QuarantineError
        If more than the share ``data.max_quarantined`` of a table's rows cannot be used.
    ConfigError
        If a section contradicts itself, or the config describes a flat table.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from mqlml.config import Config
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     leads = Path(folder) / "leads.csv"
    ...     written = leads.write_text("lead_id,created_at\\n1,2025-01-01\\n2,2025-01-02\\n")
    ...     deals = Path(folder) / "deals.csv"
    ...     written = deals.write_text("lead_id,won\\n2,2025-02-01\\n")
    ...     journeys = read_journeys(
    ...         Config(
    ...             name="leads",
    ...             data={
    ...                 "observed_until": "2025-06-30",
    ...                 "leads": {"path": str(leads)},
    ...                 "outcomes": {
    ...                     "path": str(deals),
    ...                     "columns": {"occurred_at": "won"},
    ...                     "stage": "closed_won",
    ...                 },
    ...             },
    ...         )
    ...     )
    >>> journeys.outcomes[["lead_id", "stage"]].to_numpy().tolist()
    [[2, 'closed_won']]
    """
    journeys, leads = read_around_events(config)
    return read_events(config, journeys, leads)


def read_around_events(config: Config) -> tuple[Journeys, LeadIds]:
    """As `read_journeys`, but leave the events, which may be too many for memory, where they are.

    Returns
    -------
    Journeys without events, and the ids by which those are matched.
    """
    data = config.data
    if data.leads is None or data.outcomes is None or data.observed_until is None:
        raise ConfigError("the config describes a flat table (data.flat); read it with read_flat")
    if data.outcomes.stage is not None and ("stage" in data.outcomes.columns or data.outcomes.stages):
        raise ConfigError(
            "data.outcomes has a constant 'stage' and also says how to read a column of stages; remove one of the two"
        )
    quarantine: list[pd.DataFrame] = [empty_quarantine()]
    rows_read: dict[str, int] = {}

    def close(reader: TableReader) -> None:
        reader.ledger.check(data.max_quarantined)
        quarantine.append(reader.ledger.to_frame())
        rows_read[reader.name] = reader.ledger.rows_read

    reader = read_table("leads", data.leads, config)
    leads, ids = _read_leads(reader)
    close(reader)
    events, history = (empty_table(name, leads["lead_id"].dtype) for name in ("events", "history"))
    reader = read_table("outcomes", data.outcomes, config, given=("stage",) if data.outcomes.stage else ())
    outcomes = _read_outcomes(reader, ids, data.outcomes)
    close(reader)
    if data.history is not None:
        reader = read_table("history", data.history, config)
        history = _read_history(reader, ids)
        close(reader)
    journeys = Journeys(
        leads=leads,
        events=events,
        outcomes=outcomes,
        history=history,
        observed_until=data.observed_until,
        quarantine=pd.concat(quarantine, ignore_index=True),
        rows_read=rows_read,
    )
    return journeys, ids


def read_events(config: Config, journeys: Journeys, leads: LeadIds) -> Journeys:
    """What `read_around_events` left out, read whole: the journeys that `read_journeys` gives."""
    spec = config.data.events
    if spec is None:
        return journeys
    reader = read_table("events", spec, config)
    events = _read_events(reader, leads)
    reader.ledger.check(config.data.max_quarantined)
    return add_events(journeys, events, reader.ledger.to_frame(), reader.ledger.rows_read)


def add_events(
    journeys: Journeys, events: pd.DataFrame, quarantine: pd.DataFrame, rows_read: int
) -> Journeys:
    """The journeys with these events."""
    aside = journeys.quarantine
    first = aside["table"] == "leads"
    number = {**journeys.rows_read, "events": rows_read}
    return replace(
        journeys,
        events=events,
        quarantine=pd.concat([aside[first], quarantine, aside[~first]], ignore_index=True),
        rows_read={name: number[name] for name in REQUIRED if name in number},
    )
