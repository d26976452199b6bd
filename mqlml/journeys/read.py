"""Read the tables that a config names as `Journeys` that keep the contract.

Each table is read whole, each of its columns parsed, and the rows that something is wrong with set aside. Leads
come first, since a row of another table counts only if its lead is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mqlml.config import Config, Table
from mqlml.errors import ConfigError, ContractError
from mqlml.journeys.cleaning import join_spellings, treat_machine_events
from mqlml.journeys.contract import (
    REQUIRED,
    TIMES,
    WORDS,
    Journeys,
    MergedLeads,
    chain_merges,
    empty_table,
)
from mqlml.journeys.leadids import Aliases, LeadIds, OwnIds
from mqlml.journeys.outcomes import read_outcomes
from mqlml.journeys.parse import parse_ids
from mqlml.journeys.people import count_exclusions, find_duplicates
from mqlml.journeys.quarantine import Notice, NoticeKind, empty_quarantine
from mqlml.journeys.sources import read_source
from mqlml.journeys.tables import DUPLICATE, TableReader, later_duplicates, missing_column, read_table
from mqlml.times import MISSING_TIME, column_to_microseconds, microseconds_to_column
from mqlml.types import Mask, Micros

__all__ = [
    "LeadIds",
    "add_events",
    "finish_events",
    "parse_events",
    "read_around_events",
    "read_events",
    "read_journeys",
    "read_lead_ids",
]


EVENT_WORDS = ("channel", "campaign", "content", "initiated_by", "user_agent")


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
    ids = pc.unique(parse_ids(source.column(column), verbatim=True).data).to_pylist()
    named = [str(value) for value in ids if value not in (None, "")]
    if not named:
        raise ContractError(
            f"{source.where} must name leads to score, and names none; fill its column {column!r}"
        )
    return named


def _read_leads(reader: TableReader) -> tuple[pd.DataFrame, LeadIds]:
    created = reader.times("created_at")
    ids = reader.ids("lead_id", verbatim=True)
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
    table = reader.keep(known | attributes)
    table.insert(0, "lead_id", leads.kept.to_pandas())
    return table, leads


@dataclass(frozen=True)
class ParsedEvents:
    """Events as they were parsed, good rows and bad ones.

    Attributes
    ----------
    columns : ours but ``lead_id``; times as microseconds.
    lead : the place of each event's lead among the kept ones.
    event_ids : None where the source has none.
    """

    columns: dict[str, Any]
    lead: npt.NDArray[np.int32]
    event_ids: Any


def parse_events(reader: TableReader, leads: LeadIds) -> ParsedEvents:
    """Parse all columns of events; what is wrong with a row goes to the reader's ledger."""
    happened = reader.times("occurred_at")
    known = reader.recorded(happened)
    reader.leave_out_later(happened, known)
    rows = leads.resolve(reader)
    reader.leave_out_later(rows.since)
    columns: dict[str, Any] = {
        "occurred_at": happened,
        "recorded_at": np.maximum(known, rows.since),
        "action": reader.words("action", required=True),
    }
    for word in EVENT_WORDS:
        if reader.has(word):
            columns[word] = reader.words(word)
    if reader.has("value"):
        columns["value"] = reader.numbers("value")
    event_ids = reader.ids("event_id", required=False) if reader.has("event_id") else None
    return ParsedEvents(columns, rows.place, event_ids)


def _read_events(reader: TableReader, leads: LeadIds) -> tuple[pd.DataFrame, npt.NDArray[np.int32]]:
    """The good rows without ``lead_id``, and the place of each one's lead."""
    parsed = parse_events(reader, leads)
    if parsed.event_ids is not None:
        repeated = later_duplicates(parsed.event_ids, reader.ledger.usable)
        reader.refuse(repeated, "event_id", DUPLICATE)
    columns = {
        name: microseconds_to_column(values) if name in TIMES else values
        for name, values in parsed.columns.items()
    }
    return reader.keep(columns), parsed.lead[reader.ledger.usable]


def _read_history(reader: TableReader, leads: LeadIds) -> pd.DataFrame:
    since = reader.times("valid_from")
    until = (
        reader.times("valid_to", required=False)
        if reader.has("valid_to")
        else np.full(len(since), MISSING_TIME)
    )
    reader.refuse((until != MISSING_TIME) & (until < since), "valid_to", "valid_to is before valid_from")
    known = reader.recorded(since)
    reader.leave_out_later(since, known)
    field, value = reader.words("field", required=True), reader.text("value")
    rows = leads.resolve(reader)
    reader.leave_out_later(rows.since)
    columns = {
        "field": field,
        "value": value,
        "valid_from": microseconds_to_column(since),
        "valid_to": microseconds_to_column(until),
        "recorded_at": microseconds_to_column(np.maximum(known, rows.since)),
    }
    table = reader.keep(columns)
    table.insert(0, "lead_id", leads.column(rows.place, reader))
    return table


@dataclass(frozen=True)
class _Merges:
    """Merges of two leads that are there; ids of leads that are gone, merged into one that is there, or (``gone``)
    into one that is left out."""

    old: list[int]
    new: list[int]
    at: list[int]
    aliases: Aliases
    gone: Any


def _read_merges(reader: TableReader, leads: LeadIds) -> _Merges:
    at = reader.times("at").copy()
    old, new = leads.places(reader, "from"), leads.places(reader, "into")
    gone = old.strange & ~leads.among_excluded(reader.plain_ids("from"))
    reader.leave_out(old.strange & ~gone)
    if new.strange.any():
        _follow(reader, gone, new, at, leads.among_excluded(reader.plain_ids("into")))
    leads.refuse(reader, "into", new.strange & (new.place < 0))
    ids = reader.plain_ids("from")
    into_excluded = ids.filter(pa.array(gone & reader.ledger.left_out & ~reader.ledger.bad))
    # A lead that is gone keeps its place whenever it was merged: its rows are known from then on.
    there, gone = reader.ledger.usable & (old.place >= 0), reader.ledger.usable & gone
    there &= at < reader.known_before
    return _Merges(
        old=old.place[there].tolist(),
        new=new.place[there].tolist(),
        at=at[there].tolist(),
        aliases=Aliases(ids.filter(pa.array(gone)), new.place[gone], at[gone]),
        gone=into_excluded if len(into_excluded) else None,
    )


def _follow(reader: TableReader, gone: Mask, new: OwnIds, at: Micros, into_excluded: Mask) -> None:
    """Lead merges into a lead that is gone, too, on to the one that it went into in turn.

    Where that one is left out (``into_excluded``), so is the merge.
    """
    names, targets = (reader.plain_ids(column).to_pylist() for column in ("from", "into"))
    onward = {names[row]: row for row in np.flatnonzero(gone)[::-1].tolist()}
    for row in np.flatnonzero(new.strange).tolist():
        seen, step = set(), row
        while new.place[step] < 0 and targets[step] in onward and step not in seen:
            seen.add(step)
            step = onward[targets[step]]
            at[row] = max(at[row], at[step])
        new.place[row] = new.place[step]
        reader.ledger.left_out[row] |= into_excluded[step]


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


def read_around_events(
    config: Config, exclude: Callable[[pd.DataFrame, Config], pd.Series] | None = None
) -> tuple[Journeys, LeadIds]:
    """As `read_journeys`, but leave the events, which may be too many for memory, where they are.

    Parameters
    ----------
    exclude : says why leads are left out with all their rows, missing for those that stay.

    Notes
    -----
    With ``data.data_as_of``, rows that had not happened or were not recorded by then, leads that came in later and
    later merges are left out, as if the export were of that moment. An attribute of a lead has no time of recording
    and stays as it is now; what changes belongs into ``history``.

    Returns
    -------
    Journeys without events, and the ids by which those are matched.
    """
    data = config.data
    if data.leads is None or data.outcomes is None or data.observed_until is None:
        raise ConfigError("the config describes a flat table (data.flat); read it with read_flat")
    quarantine: list[pd.DataFrame] = [empty_quarantine()]
    rows_read: dict[str, int] = {}

    def close(reader: TableReader) -> None:
        reader.ledger.check(data.max_quarantined)
        quarantine.append(reader.ledger.to_frame())
        rows_read[reader.name] = reader.ledger.rows_read

    reader = read_table("leads", data.leads, config)
    leads, ids = _read_leads(reader)
    close(reader)
    notices = [*reader.notices]
    if exclude is not None:
        leads, ids, told = _leave_out(leads, ids, exclude(leads, config), "excluded")
        notices += told
    if data.data_as_of is not None:
        later = leads["created_at"] >= pd.Timestamp(data.data_as_of)
        reasons = pd.Series("data.data_as_of", index=leads.index, dtype="object").where(later)
        leads, ids, told = _leave_out(leads, ids, reasons, "not_yet_known")
        notices += told
    merges = None
    if data.merges is not None:
        reader = read_table("merges", data.merges, config)
        merges = _read_merges(reader, ids)
        ids = replace(ids, aliases=merges.aliases, gone=merges.gone)
        close(reader)
    merged, told_of_merges = _merge(leads, merges, config)
    notices += told_of_merges
    merged, leads = merged.share_accounts(leads)
    events, history = (empty_table(name, leads["lead_id"].dtype) for name in ("events", "history"))
    spec = data.outcomes
    given = ("stage", "occurred_at") if spec.stage_dates else ("stage",) if spec.stage else ()
    reader = read_table("outcomes", spec, config, given=given, further=list(spec.stage_dates))
    outcomes, read_as = read_outcomes(reader, ids, spec)
    notices += read_as
    close(reader)
    if data.history is not None:
        reader = read_table("history", data.history, config)
        history = _read_history(reader, ids)
        close(reader)
    journeys = Journeys(
        leads=leads,
        events=events,
        outcomes=merged.add_outcomes(outcomes, leads["lead_id"], config.problem.outcome),
        history=history,
        observed_until=data.observed_until,
        quarantine=pd.concat(quarantine, ignore_index=True),
        rows_read={name: rows_read[name] for name in REQUIRED if name in rows_read},
        notices=tuple(notices),
        merged=merged,
    )
    return journeys, ids


def _leave_out(
    leads: pd.DataFrame, ids: LeadIds, reasons: pd.Series, kind: NoticeKind
) -> tuple[pd.DataFrame, LeadIds, tuple[Notice, ...]]:
    out = reasons.notna().to_numpy()
    if not out.any():
        return leads, ids, ()
    return leads[~out].reset_index(drop=True), ids.leave_out(reasons), count_exclusions(reasons, kind)


def _merge(leads: pd.DataFrame, merges: _Merges | None, config: Config) -> tuple[MergedLeads, list[Notice]]:
    """The merges that the config's table holds, and those of duplicates if it asks for them; what to tell people."""
    old, new, at, notices = [], [], [], []
    if merges is not None:
        old, new, at = list(merges.old), list(merges.new), list(merges.at)
        done = int(chain_merges(old, new, at).direct.sum())
        if done:
            notices.append(Notice("merged", "leads", "", done, done))
        if len(old) > done:
            notices.append(Notice("ignored_merges", "merges", "", len(old) - done, len(old) - done))
    asked = config.data.leads is not None and config.data.leads.duplicates == "merge"
    found = find_duplicates(leads, config.profile).without(old)
    notices += found.notices(merged=asked)
    if asked:
        old += found.newer.tolist()
        new += found.older.tolist()
        # Just before its creation, or the newer lead would be open at that very moment.
        at += (column_to_microseconds(leads["created_at"])[found.newer] - 1).tolist()
    return chain_merges(old, new, at), notices


def read_events(config: Config, journeys: Journeys, leads: LeadIds) -> Journeys:
    """What `read_around_events` left out, read whole: the journeys that `read_journeys` gives."""
    tables = config.data.event_tables
    if not tables:
        return journeys
    found, quarantine, rows_read = [], [empty_quarantine()], 0
    for where, spec in tables:
        reader = read_table("events", spec, config, where=where)
        found.append(_read_events(reader, leads))
        reader.ledger.check(config.data.max_quarantined)
        quarantine.append(reader.ledger.to_frame())
        rows_read += reader.ledger.rows_read
    events = _stack([table for table, _ in found])
    lead = np.concatenate([place for _, place in found])
    events, notices = finish_events(events, lead, journeys, config.journeys.bots)
    aside = pd.concat(quarantine, ignore_index=True)
    return replace(add_events(journeys, events, aside, rows_read), notices=(*journeys.notices, *notices))


def _stack(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Several tables of events as one; a column that one of them lacks is missing there."""
    if len(tables) == 1:
        return tables[0]
    stacked = pd.concat(
        [table.astype({name: "str" for name in WORDS if name in table}) for table in tables],
        ignore_index=True,
    )
    return stacked.astype({name: "category" for name in WORDS if name in stacked})


def finish_events(
    events: pd.DataFrame, lead: npt.NDArray[np.int32], journeys: Journeys, bots: str
) -> tuple[pd.DataFrame, list[Notice]]:
    """Events as journeys have them, from all rows that were kept: one spelling of each word, no machines, those of
    merged leads for both.

    Parameters
    ----------
    events : the columns of `parse_events`.
    lead : the place of each event's lead among ``journeys.leads``.
    """
    notices = []
    for column in ("action", "channel"):
        if column in events:
            words, notice = join_spellings(events[column].array, "events", column, lead)
            if notice is not None:
                events = events.assign(**{column: words})
                notices.append(notice)
    events, lead, notice = treat_machine_events(events, lead, bots)
    if notice is not None:
        notices.append(notice)
    ids = journeys.leads["lead_id"]
    events.insert(0, "lead_id", ids.take(lead).reset_index(drop=True))
    return journeys.merged.copy_events(events, ids), notices


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
