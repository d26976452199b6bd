"""The draft: tables, columns and question of a first config, with what the user must check."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mqlml.config import make_config
from mqlml.draft.columns import Column
from mqlml.draft.exports import Export, open_exports
from mqlml.draft.names import find_stage
from mqlml.draft.problem import Suggestion, suggest_problem
from mqlml.draft.tables import Found, Link, Tables, find_tables
from mqlml.draft.yaml_text import write_yaml
from mqlml.errors import MqlmlError
from mqlml.journeys import read_journeys
from mqlml.texts import format_number, format_percent, join_texts, pluralize

__all__ = ["Draft", "draft_config"]

_HEAD = "# Drafted from your files by mqlml init. Read it through, settle what says CHECK, then run: mqlml check\n"
_TRUTHS = {"true", "false"}
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
    """Look at a user's files and write the config that they suggest.

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
        suggestion = _look(data, name, folder, now, sheet)
        values = {"name": name, "data": _dated(data, suggestion, now, sheet)}
        if tables.all("spend"):
            values["spend"] = _spend(tables.all("spend")[0])
        values["problem"] = _problem(suggestion, bool(tables.all("events")), sheet)
        values["labels"] = _labels(suggestion, sheet)
    for export in tables.unused:
        sheet.to_check.append(f"{export.name} is not used: it shares no ids with {tables.leads.export.name}")
    make_config(values, folder=folder)  # what is written can be read
    return Draft(_HEAD + write_yaml(values, sheet.comments), tables, suggestion, tuple(sheet.to_check))


def _source(export: Export) -> dict[str, Any]:
    written = export.spec.model_dump(exclude_defaults=True, include={"path", "sheet", "delimiter", "encoding"})
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
        sheet.comments["data", "leads", "columns"] = "account_id: which leads are of one company, if a column says so"
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
    if found.link.via is None and found.link.divider is None:
        return {**_source(found.export), "columns": {"lead_id": found.link.column, **columns}}
    if not (found.export.is_csv and tables.leads.export.is_csv):
        sheet.ask(
            place,
            f"rows name their leads by {found.link.column!r}, which is not the id of the leads; write their id into "
            "the file, or join the two with sql",
        )
        return {**_source(found.export), "columns": {"lead_id": found.link.column, **columns}}
    return {"sql": _query(found.export, found.link, tables.leads), "columns": {"lead_id": "lead_key", **columns}}


def _query(export: Export, link: Link, leads: Found) -> str:
    """A query that gives each row the id of its lead."""
    rows, column = _read_csv(export), _identifier(link.column)
    if link.via is None:
        return f"select trim(unnest(string_split({column}, '{link.divider}'))) as lead_key, * from {rows}"
    key, via = _identifier(leads.columns["lead_id"].name), _identifier(link.via)
    return (
        f"select leads.{key} as lead_key, mine.*\n"
        f"from {rows} as mine\n"
        f"join {_read_csv(leads.export)} as leads on leads.{via} = mine.{column}"
    )


def _read_csv(export: Export) -> str:
    path = export.path.replace("'", "''")
    cut = f", delim = '{export.spec.delimiter}'" if export.spec.delimiter else ""
    return f"read_csv('{path}', header = true, all_varchar = true{cut})"


def _identifier(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _outcomes(tables: Tables, sheet: _Sheet) -> dict[str, Any]:
    found, *further = tables.all("outcomes")
    for other in further:
        sheet.to_check.append(f"{other.export.name} seems to hold outcomes, too, and is not used")
    place = ("data", "outcomes")
    if found.stage_dates:
        return _stage_dates(found, tables.leads, place, sheet)
    section = _linked(found, place, tables, sheet)
    stage = found.columns.get("stage")
    if stage is None:
        sheet.ask((*place, "stage"), "every row is taken for a win")
        return {**section, "stage": "closed_won"}
    section["stages"] = {}
    for word in sorted(stage.texts):
        ours = _meaning(stage, word)
        section["stages"][word] = ours or "ignore"
        if ours is None:
            sheet.ask((*place, "stages", word), "which stage is it? ignore leaves it out")
    if "closed_won" not in section["stages"].values():
        sheet.ask((*place, "stages"), "none of these is closed_won yet")
    return section


def _meaning(stage: Column, word: str) -> str | None:
    if {text.lower() for text in stage.texts} <= _TRUTHS or stage.texts <= {"0", "1"}:
        return "closed_won" if word.lower() in ("true", "1") else "ignore"
    return find_stage(word)


def _stage_dates(found: Found, leads: Found, place: tuple[str, ...], sheet: _Sheet) -> dict[str, Any]:
    dates: dict[str, Any] = {}
    for column in found.stage_dates:
        stage = find_stage(column.name)
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


def _look(
    data: dict[str, Any], name: str, folder: Path, now: dt.datetime, sheet: _Sheet
) -> Suggestion | None:
    """Read leads and outcomes as drafted; what cannot be read is something to check, not an end."""
    known = {key: value for key, value in data.items() if key in ("leads", "outcomes")}
    drafted = {"name": name, "data": {**known, "observed_until": now.date().isoformat(), "max_quarantined": 1.0}}
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
        "put the day of the export; until then, the last outcome in it"
        if last is not None
        else "put the day of the export; outcomes are complete up to it",
    )
    return {"timezone": "UTC", "observed_until": (last or now).date(), **data}


def _problem(suggestion: Suggestion | None, has_events: bool, sheet: _Sheet) -> dict[str, Any]:
    horizon = 60 if suggestion is None else suggestion.horizon
    if suggestion is not None and suggestion.within is not None:
        sheet.comments["problem", "horizon"] = (
            f"{format_percent(suggestion.within)} of {format_number(suggestion.wins)} "
            f"{pluralize(suggestion.wins, 'win')} came within these days of the lead"
        )
    ages = ["0d"] if not has_events else ["0d", "1d", "7d"] if horizon <= 14 else ["0d", "7d", "30d"]
    sheet.comments["problem", "snapshots"] = "ages of a lead at which it is asked whether it will convert"
    if suggestion is not None and suggestion.wins < _FEW_WINS:
        sheet.to_check.append(
            f"{format_number(suggestion.wins)} {pluralize(suggestion.wins, 'win')} were found and {_FEW_WINS} are "
            "needed to train; until then, mqlml points makes a points table"
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
