"""The draft: tables, columns and question of a first config, with what the user must check."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mqlml.config import TERMINAL_STAGES, make_config
from mqlml.draft.columns import Column
from mqlml.draft.exports import Export, open_exports
from mqlml.draft.links import Link
from mqlml.draft.names import find_stage, sounds_like_close, sounds_like_open
from mqlml.draft.problem import Suggestion, suggest_problem
from mqlml.draft.tables import Found, TableName, Tables, find_meaning, find_tables
from mqlml.draft.yaml_text import write_yaml
from mqlml.errors import MqlmlError
from mqlml.journeys import read_journeys
from mqlml.texts import format_percent, join_texts, pluralize

__all__ = ["Draft", "draft_config"]

_HEAD = "# Drafted from your files by mqlml init. Read it through, settle what says CHECK, then run: mqlml check\n"
_FEW_WINS = 50


@dataclass(frozen=True)
class Draft:
    """A first config.

    Attributes
    ----------
    text : str
        The file, with comments.
    tables : Tables
    suggestion : Suggestion or None
        None for a flat table, or where the journeys cannot be read yet.
    to_check : tuple of str
        What the files do not tell, a sentence each.
    """

    text: str
    tables: Tables
    suggestion: Suggestion | None
    to_check: tuple[str, ...]


class _Sheet:
    """The config as it grows: values, comments by place, and what is to be checked."""

    def __init__(self) -> None:
        self.comments: dict[tuple[str, ...], str] = {}
        self.to_check: list[str] = []

    def ask(self, place: tuple[str, ...], question: str) -> None:
        self.comments[place] = f"CHECK: {question}"
        self.to_check.append(f"{'.'.join(place)}: {question}")


def draft_config(paths: Sequence[Path], *, folder: Path, name: str, now: dt.datetime) -> Draft:
    """Write the config that a user's files suggest.

    Parameters
    ----------
    paths : files, one table each.
    folder : where the config will stand; paths in it start there.
    name : of the model.
    now : datetime in UTC; outcomes after it are plans.

    Raises
    ------
    SourceError
        If a file cannot be read, no file can hold the leads, or none says who was won.
    ContractError
        If two columns of a file share a name.
    """
    tables = find_tables(open_exports(paths, folder))
    sheet = _Sheet()
    if tables.leads.table == "flat":
        values: dict[str, Any] = {"name": name, "data": {"flat": _flat(tables.leads, sheet)}}
        suggestion = None
    else:
        data = _tables(tables, sheet)
        suggestion = _suggest(data, name, folder, now, sheet)
        values = {"name": name, "data": _dated(data, suggestion, now, sheet)}
        if tables.all("spend"):
            values["spend"] = _spend(tables.all("spend")[0])
        values["problem"] = _problem(suggestion, bool(tables.all("events")), sheet)
        values["labels"] = _labels(suggestion, sheet)
    bridges = [found.link.bridge.export for found in tables.others if found.link and found.link.bridge]
    for export in (export for export in tables.unused if export not in bridges):
        sheet.to_check.append(
            f"{export.name} is not used: its rows are neither deals nor things that leads did"
        )
    single: tuple[TableName, ...] = ("history", "spend")
    for table in single:
        for found in tables.all(table)[1:]:
            sheet.to_check.append(f"{found.export.name} is not used: {table} is read from one file only")
    make_config(values, folder=folder)  # what is written can be read
    return Draft(_HEAD + write_yaml(values, sheet.comments), tables, suggestion, tuple(sheet.to_check))


def _source(export: Export) -> dict[str, Any]:
    written = export.spec.model_dump(
        exclude_defaults=True, include={"path", "sheet", "delimiter", "encoding"}
    )
    return {key: value for key, value in written.items() if value is not None}


def _mapped(columns: dict[str, Column], place: tuple[str, ...], sheet: _Sheet) -> dict[str, Any]:
    mapped: dict[str, Any] = {}
    for ours, column in columns.items():
        hint = column.time
        is_time = ours in ("created_at", "occurred_at", "recorded_at", "valid_from", "valid_to")
        needed = is_time and hint is not None and (hint.format or hint.unit)
        mapped[ours] = hint.model_dump(exclude_none=True) if needed and hint is not None else column.name
        if is_time and column.either_order:
            sheet.ask((*place, ours), "day or month may come first; %m/%d if it is the month")
    return mapped


def _tables(tables: Tables, sheet: _Sheet) -> dict[str, Any]:
    data: dict[str, Any] = {}
    leads = tables.leads
    place = ("data", "leads", "columns")
    data["leads"] = {**_source(leads.export), "columns": _mapped(leads.columns, place, sheet)}
    if "account_id" not in leads.columns:
        sheet.comments["data", "leads", "columns"] = (
            "account_id: which leads are of one company, if a column says so"
        )
    events = [_linked(found, ("data", "events"), tables, sheet) for found in tables.all("events")]
    if events:
        data["events"] = events[0] if len(events) == 1 else events
    data["outcomes"] = _outcomes(tables, sheet)
    for found in tables.all("history")[:1]:
        data["history"] = _linked(found, ("data", "history"), tables, sheet)
    return data


def _linked(found: Found, place: tuple[str, ...], tables: Tables, sheet: _Sheet) -> dict[str, Any]:
    """A table whose rows name their leads, at once or through a query."""
    assert found.link is not None
    columns = _mapped(found.columns, (*place, "columns"), sheet)
    if found.table == "events" and "action" not in columns:
        columns["action"] = {"constant": found.export.stem}
    link, dated = found.link, found.columns["occurred_at"] if found.table == "outcomes" else None
    all_dated = dated is None or dated.filled == found.export.rows
    if link.is_direct and all_dated:
        return {**_source(found.export), "columns": {"lead_id": link.column, **columns}}
    between = tables.leads.export if link.bridge is None else link.bridge.export
    if not (found.export.is_csv and between.is_csv):
        remedy = (
            f"rows without {dated.name!r} cannot be used; leave them out of the export"
            if link.is_direct and dated is not None
            else f"rows name their leads by {link.column!r}, which is not the id of the leads; write that id into "
            "the file, or join the two with sql"
        )
        sheet.ask(place, remedy)
        return {**_source(found.export), "columns": {"lead_id": link.column, **columns}}
    query = _query(found.export, link, tables.leads)
    if not all_dated and dated is not None:
        query += f"\nwhere mine.{_identifier(dated.name)} is not null"
        sheet.comments[(*place, "sql")] = f"rows without {dated.name!r} are still open"
    key = link.column if link.is_direct else "lead_key"
    return {"sql": query, "columns": {"lead_id": key, **columns}}


def _query(export: Export, link: Link, leads: Found) -> str:
    """A query that gives each row the id of its lead."""
    rows, column = _read_csv(export), _identifier(link.column)
    if link.is_direct:
        return f"select * from {rows} as mine"
    if link.divider is not None:
        ids = f"unnest(string_split({column}, '{link.divider}'))"
        return f"select trim({ids}) as lead_key, * from {rows} as mine"
    between, key = leads.export, leads.columns["lead_id"].name
    if link.bridge is not None:
        between, key = link.bridge.export, link.bridge.column
    assert link.via is not None
    return (
        f"select other.{_identifier(key)} as lead_key, mine.*\n"
        f"from {rows} as mine\n"
        f"join {_read_csv(between)} as other on other.{_identifier(link.via)} = mine.{column}"
    )


def _read_csv(export: Export) -> str:
    path = export.path.replace("'", "''")
    cut = f", delim = '{export.spec.delimiter}'" if export.spec.delimiter else ""
    return f"read_csv('{path}', header = true, all_varchar = true{cut})"


def _identifier(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _outcomes(tables: Tables, sheet: _Sheet) -> dict[str, Any]:
    (found,) = tables.all("outcomes")
    place = ("data", "outcomes")
    if found.stage_dates:
        return _stage_dates(found, tables.leads, place, sheet)
    section = _linked(found, place, tables, sheet)
    stage = found.columns.get("stage")
    if stage is None:
        sheet.ask((*place, "stage"), "every row is taken for a win")
        return {**section, "stage": "closed_won"}
    section["stages"] = {}
    closed = found.columns["occurred_at"]
    ends = sounds_like_close(closed.short)
    if ends and closed.filled == found.export.rows:
        still_open = f"still open: its {closed.name!r} is only planned"
    else:
        still_open = "still open"
    for word in sorted(stage.texts):
        ours = find_meaning(stage, word)
        section["stages"][word] = ours or "ignore"
        if ends and (sounds_like_open(word) or (ours is not None and ours not in TERMINAL_STAGES)):
            section["stages"][word] = "ignore"
            sheet.comments[(*place, "stages", word)] = still_open
        elif ours is None:
            sheet.ask((*place, "stages", word), "which stage is it? ignore leaves it out")
    if "closed_won" not in section["stages"].values():
        sheet.ask((*place, "stages"), "none of these is closed_won yet")
    return section


def _stage_dates(found: Found, leads: Found, place: tuple[str, ...], sheet: _Sheet) -> dict[str, Any]:
    dates: dict[str, Any] = {}
    for column in found.stage_dates:
        stage = find_stage(column.short)
        hint = column.time
        meant = stage or "closed_won"
        if stage is None:
            sheet.ask((*place, "stage_dates", column.name), "taken for the date of the sale")
        formatted = hint is not None and (hint.format or hint.unit)
        dates[column.name] = (
            {"stage": meant, **hint.model_dump(exclude_none=True, exclude={"column"})}
            if formatted and hint is not None
            else meant
        )
    return {
        **_source(leads.export),
        "columns": {"lead_id": leads.columns["lead_id"].name},
        "stage_dates": dates,
    }


def _spend(found: Found) -> dict[str, Any]:
    return {**_source(found.export), "columns": {ours: column.name for ours, column in found.columns.items()}}


def _flat(found: Found, sheet: _Sheet) -> dict[str, Any]:
    place = ("data", "flat")
    section: dict[str, Any] = _source(found.export)
    for ours in ("lead_id", "order"):
        if ours in found.columns:
            section[ours] = found.columns[ours].name
    if "order" not in section:
        section["number_rows"] = True
        sheet.ask((*place, "number_rows"), "the rows must stand in the order in which the leads came in")
    else:
        sheet.ask((*place, "order"), "a later lead must have a greater number")
    label = found.columns["label"]
    section["label"] = label.name
    words = sorted(label.texts)
    positive = next((word for word in words if word.lower() in ("1", "true", "yes", "y", "won")), None)
    if positive is None:
        positive = next((word for word in words if find_stage(word) == "closed_won"), words[-1])
        sheet.ask((*place, "positive"), f"which of {join_texts(words, 'or')} is a sale?")
    section["positive"] = int(positive) if positive == "1" else positive
    return section


def _suggest(
    data: dict[str, Any], name: str, folder: Path, now: dt.datetime, sheet: _Sheet
) -> Suggestion | None:
    """Read leads and outcomes as drafted; what cannot be read is something to check, not an end."""
    known = {key: value for key, value in data.items() if key in ("leads", "outcomes")}
    drafted = {
        "name": name,
        "data": {**known, "observed_until": now.date().isoformat(), "max_quarantined": 1.0},
    }
    try:
        return suggest_problem(read_journeys(make_config(drafted, folder=folder)), now=now)
    except MqlmlError as error:
        sheet.to_check.append(f"as drafted, the tables cannot be read yet: {error}")
        return None


def _dated(
    data: dict[str, Any], suggestion: Suggestion | None, now: dt.datetime, sheet: _Sheet
) -> dict[str, Any]:
    last = suggestion.last_outcome if suggestion is not None else None
    sheet.comments["data", "timezone"] = "for times without an offset"
    sheet.ask(
        ("data", "observed_until"),
        "the day of the export? This is the day of the last outcome"
        if last is not None
        else "the day of the export, up to which the outcomes are complete",
    )
    return {"timezone": "UTC", "observed_until": (last or now).date(), **data}


def _problem(suggestion: Suggestion | None, has_events: bool, sheet: _Sheet) -> dict[str, Any]:
    horizon = 60 if suggestion is None else suggestion.horizon
    if suggestion is not None and suggestion.within is not None:
        sheet.comments["problem", "horizon"] = (
            f"{format_percent(suggestion.within)} of {pluralize(suggestion.wins, 'win')} came within these days"
        )
    ages = ["0d"] if not has_events else ["0d", "1d", "7d"] if horizon <= 14 else ["0d", "7d", "30d"]
    sheet.comments["problem", "snapshots"] = "learn from each lead as it was at these ages"
    if suggestion is not None and suggestion.wins < _FEW_WINS:
        sheet.to_check.append(
            f"the files hold {pluralize(suggestion.wins, 'win')}, and a model needs {_FEW_WINS}; until then, mqlml "
            "points makes a points table"
        )
    return {"outcome": "closed_won", "horizon": f"{horizon}d", "snapshots": {"ages": ages}}


def _labels(suggestion: Suggestion | None, sheet: _Sheet) -> dict[str, Any]:
    per_week = 10 if suggestion is None else max(round(suggestion.per_week / 10), 1)
    sheet.comments["labels", "mql"] = "catch 60% of all conversions"
    sheet.ask(("labels", "sql"), "how many leads a week can sales take?")
    return {
        "mql": {"policy": "min_recall", "value": 0.6},
        "sql": {"policy": "capacity", "per_week": per_week},
    }
