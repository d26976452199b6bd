"""Which file is which table: the one the others point to holds the leads, and names and values tell the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mqlml.config import Stage
from mqlml.draft.columns import Column
from mqlml.draft.exports import Export
from mqlml.draft.links import Link, find_bridge, find_link, is_shared, may_be_ids
from mqlml.draft.names import (
    EVENT_FILES,
    LEAD_FILES,
    OUTCOME_FILES,
    USUAL,
    find_stage,
    sounds_like_close,
    sounds_like_id,
    sounds_like_outcome,
    usual_place,
)
from mqlml.errors import SourceError
from mqlml.texts import join_texts

__all__ = ["Found", "TableName", "Tables", "find_meaning", "find_tables"]

TableName = Literal["leads", "events", "outcomes", "history", "spend", "flat"]


@dataclass(frozen=True)
class Found:
    """One table of the config.

    Attributes
    ----------
    table : its name in the config.
    export : where it comes from.
    columns : our name of each column that was found, with theirs.
    link : to the leads; None for the leads themselves, what they cost, and a flat table.
    stage_dates : columns of dates on which leads reached a stage.
    """

    table: TableName
    export: Export
    columns: dict[str, Column]
    link: Link | None = None
    stage_dates: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Tables:
    """All tables that were found; ``unused`` files are none of them."""

    leads: Found
    others: tuple[Found, ...]
    unused: tuple[Export, ...] = ()

    def all(self, table: TableName) -> tuple[Found, ...]:
        """The tables of one name."""
        return tuple(found for found in self.others if found.table == table)


def find_tables(exports: Sequence[Export]) -> Tables:
    """Sort files into tables.

    Raises
    ------
    SourceError
        If no file can hold the leads, or none says who was won.
    """
    flat = _find_flat(exports[0]) if len(exports) == 1 else None
    if flat is not None:
        return Tables(flat, ())
    leads = _find_leads(exports)
    links = {
        export.key: link
        for export in exports
        if export is not leads.export
        and (link := find_link(export, leads.export, leads.columns["lead_id"])) is not None
    }
    others, unused = [], []
    for export in exports:
        if export is leads.export:
            continue
        link = links.get(export.key) or find_bridge(export, exports, links)
        found = _find_other(export, link)
        if found is None:
            unused.append(export)
        else:
            others.append(found)
    others = _with_one_outcomes(others)
    if not any(found.table == "outcomes" for found in others):
        others.append(_outcomes_of(leads, unused))
    order = ("events", "outcomes", "history", "spend")
    others.sort(key=lambda found: order.index(found.table))
    return Tables(leads, tuple(others), tuple(unused))


def _with_one_outcomes(found: list[Found]) -> list[Found]:
    """The tables, of which the one most like deals holds the outcomes; others like it are things that leads did."""
    points = {one.export.key: _points_for_outcomes(one.export) for one in found if one.table == "outcomes"}
    best = max(points, key=lambda key: points[key], default=None)
    kept = []
    for one in found:
        if one.table != "outcomes" or one.export.key == best or one.link is None:
            kept.append(one)
        elif (events := _events(one.export, one.link)) is not None:
            kept.append(events)
    return kept


def _usual(table: str, ours: str, columns: Iterable[Column]) -> Column | None:
    """The column with the likeliest of the usual names."""
    placed = [
        (place, column) for column in columns if (place := usual_place(table, ours, column.short)) is not None
    ]
    return min(placed, key=lambda pair: pair[0])[1] if placed else None


def _time(table: str, ours: str, export: Export, *, only: bool = False) -> Column | None:
    """The column of times with a usual name, else the only one of times, or with ``only`` no other."""
    times = [column for column in export.columns if column.time is not None]
    found = _usual(table, ours, times)
    if found is None and len(times) == 1 and not only:
        return times[0]
    return found


def _find_flat(export: Export) -> Found | None:
    """One row a lead with a column that says how it ended, and no times."""
    if any(column.time is not None for column in export.columns):
        return None
    label = _usual("flat", "label", (column for column in export.columns if len(column.texts) == 2))
    if label is None:
        return None
    keys = [column for column in export.columns if column.is_key]
    found = {"label": label}
    key = _usual("leads", "lead_id", keys) or (keys[0] if keys else None)
    if key is not None:
        found["lead_id"] = key
    order = next(
        (column for column in keys if column is not key and all(text.isdigit() for text in column.texts)),
        None,
    )
    if order is not None:
        found["order"] = order
    return Found("flat", export, found)


def _find_leads(exports: Sequence[Export]) -> Found:
    candidates = [
        (_points_for_leads(export, keys, exports), export, keys)
        for export in exports
        if (keys := [column for column in export.columns if column.is_key])
        and any(column.time is not None for column in export.columns)
    ]
    if not candidates:
        raise SourceError(
            "one file must hold the leads, a row each, with a column of ids that never repeats and one of "
            f"times; none of {', '.join(export.name for export in exports)} has both. Add the export of your leads "
            "or contacts"
        )
    _, export, keys = max(candidates, key=lambda candidate: candidate[0])
    columns = {"lead_id": _choose_key(keys, export, exports)}
    created = _time("leads", "created_at", export)
    if created is None:
        times = [column for column in export.columns if column.time is not None]
        created = next((column for column in times if not sounds_like_outcome(column.short)), times[0])
    columns["created_at"] = created
    account = _usual("leads", "account_id", export.columns)
    if account is not None and account is not columns["lead_id"]:
        columns["account_id"] = account
    return Found("leads", export, columns)


def _points_for_leads(export: Export, keys: Sequence[Column], exports: Sequence[Export]) -> float:
    """How much speaks for a file as that of the leads: its name most of all, and that other files point to it."""
    linked = sum(
        any(
            is_shared(column.texts, key.texts)
            for column in other.columns
            for key in keys
            if may_be_ids(column)
        )
        for other in exports
        if other is not export
    )
    named = next((2 - place / 10 for place, part in enumerate(LEAD_FILES) if part in export.stem), 0.0)
    named -= 2 * any(part in export.stem for part in (*OUTCOME_FILES, *EVENT_FILES))
    created = _usual("leads", "created_at", [column for column in export.columns if column.time is not None])
    stage = _usual("outcomes", "stage", export.columns) is not None
    return min(linked, 1) + 2 * named + (created is not None) - 0.5 * stage


def _choose_key(keys: Sequence[Column], export: Export, exports: Sequence[Export]) -> Column:
    """The ids that most other files have; among those, the one with the likeliest name."""

    def rank(column: Column) -> tuple[int, int]:
        others = sum(
            any(may_be_ids(theirs) and is_shared(theirs.texts, column.texts) for theirs in other.columns)
            for other in exports
            if other is not export
        )
        place = usual_place("leads", "lead_id", column.short)
        return others, -(len(USUAL["leads"]["lead_id"]) if place is None else place)

    named = [column for column in keys if sounds_like_id(column.short)]
    own = [column for column in named if usual_place("leads", "account_id", column.short) is None]
    return max(own or named or keys, key=rank)


def _find_other(export: Export, link: Link | None) -> Found | None:
    if link is None:
        return _find_spend(export)
    rest = _rest(export, link)
    history = {name: _usual("history", name, rest) for name in ("field", "value")}
    changed = _time("history", "valid_from", export, only=True)
    if changed is not None and None not in history.values():
        named = {name: column for name, column in history.items() if column is not None}
        return Found("history", export, {**named, "valid_from": changed}, link)
    if not any(column.time is not None for column in rest):
        return None
    if _points_for_outcomes(export) > _points_for_events(export):
        return _outcomes(export, link)
    return _events(export, link)


def _find_spend(export: Export) -> Found | None:
    columns = {
        name: column
        for name in USUAL["spend"]
        if (column := _usual("spend", name, export.columns)) is not None
    }
    return Found("spend", export, columns) if columns.keys() == USUAL["spend"].keys() else None


def _points_for_outcomes(export: Export) -> int:
    """How much speaks for rows that are deals: words for stages, a win among them, a date of closing, an amount."""
    stage = _choose_stage(export.columns)
    return (
        2 * (stage is not None)
        + 2 * (stage is not None and "closed_won" in _meanings(stage))
        + any(column.time is not None and sounds_like_close(column.short) for column in export.columns)
        + (_usual("outcomes", "amount", export.columns) is not None)
        + 2 * any(part in export.stem for part in OUTCOME_FILES)
    )


def _points_for_events(export: Export) -> int:
    """How much speaks for rows that are things which leads did."""
    action = _usual("events", "action", export.columns)
    return 2 * (action is not None) + 2 * any(part in export.stem for part in EVENT_FILES)


def find_meaning(column: Column, text: str) -> Stage | None:
    """Which of our stages a value of a column of stages means; of truths, that it was won or lost."""
    values = {value.lower() for value in column.texts}
    if values <= {"true", "false"} or values <= {"0", "1"}:
        return "closed_won" if text.lower() in ("true", "1") else "closed_lost"
    return find_stage(text)


def _meanings(column: Column) -> set[Stage]:
    return {stage for text in column.texts if (stage := find_meaning(column, text)) is not None}


def _choose_stage(columns: Sequence[Column]) -> Column | None:
    """The column of stages: one that knows a win, if there is one, and then the one with the likeliest name."""
    known = [
        (("closed_won" in meanings), -place, column)
        for column in columns
        if (place := usual_place("outcomes", "stage", column.short)) is not None
        and (meanings := _meanings(column))
    ]
    return max(known, key=lambda stage: stage[:2])[2] if known else None


def _rest(export: Export, link: Link) -> list[Column]:
    return [column for column in export.columns if column.name != link.column]


def _outcomes(export: Export, link: Link) -> Found:
    columns = _rest(export, link)
    times = [column for column in columns if column.time is not None]
    found: dict[str, Column] = {}
    stage = _choose_stage(columns)
    if stage is not None:
        found["stage"] = stage
    # Where wins and losses have columns of their own, the one that has both is filled in more rows.
    closes = [column for column in times if sounds_like_close(column.short)]
    found["occurred_at"] = max(closes, key=lambda column: column.filled, default=None) or (
        _usual("outcomes", "occurred_at", times) or times[-1]
    )
    for ours in ("amount", "reason", "recorded_at"):
        column = _usual("outcomes", ours, [column for column in columns if column not in found.values()])
        if column is not None and (ours == "recorded_at") == (column.time is not None):
            found[ours] = column
    return Found("outcomes", export, found, link)


def _events(export: Export, link: Link) -> Found | None:
    """What leads did; None for a table of people or companies, whose rows are nothing that they did."""
    columns = _rest(export, link)
    times = [column for column in columns if column.time is not None]
    found = {"occurred_at": _usual("events", "occurred_at", times) or times[0]}
    for ours in USUAL["events"]:
        column = _usual("events", ours, [column for column in columns if column not in found.values()])
        if ours in found or column is None or (ours == "recorded_at") != (column.time is not None):
            continue
        if ours != "event_id" or column.is_key:
            found[ours] = column
    people = any(part in export.stem for part in (*LEAD_FILES, "account", "compan"))
    if "action" not in found and people and not any(part in export.stem for part in EVENT_FILES):
        return None
    return Found("events", export, found, link)


def _outcomes_of(leads: Found, unused: Sequence[Export]) -> Found:
    """The columns of the leads that say when each stage was reached, or how and when the lead ended."""
    link = Link(leads.columns["lead_id"].name)
    times = [
        column
        for column in leads.export.columns
        if column.time is not None and column is not leads.columns["created_at"]
    ]
    dates = tuple(column for column in times if sounds_like_outcome(column.short))
    if not any(find_stage(column.short) == "closed_won" for column in dates):
        stage = _choose_stage(leads.export.columns)
        closed = any(sounds_like_close(column.short) for column in times)
        if closed and stage is not None and "closed_won" in _meanings(stage):
            return _outcomes(leads.export, link)
        dates = tuple(
            column
            for column in times
            if "convert" in column.short.lower() or sounds_like_close(column.short) or column in dates
        )
    if not dates:
        names = join_texts([export.name for export in unused])
        others = f" (no ids in {names} are those of leads)" if unused else ""
        raise SourceError(
            f"{leads.export.name} holds the leads, and no file says which of them were won and when{others}; add the "
            "export of your deals or opportunities with the ids of their leads, or a column such as 'Won date'"
        )
    return Found("outcomes", leads.export, {}, link, dates)
