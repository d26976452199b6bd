"""Read the outcomes: one row a stage that a lead reached, or one column of dates for each stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import STAGES, TERMINAL_STAGES, Outcomes
from mqlml.config.values import ColumnFormat
from mqlml.journeys.cleaning import spelling_key
from mqlml.journeys.leadids import LeadIds
from mqlml.journeys.quarantine import Notice
from mqlml.journeys.tables import TableReader
from mqlml.times import MISSING_TIME, microseconds_to_column
from mqlml.types import Mask

__all__ = ["read_outcomes"]

_UNKNOWN_STAGE = "unknown stage"
_IGNORE = "ignore"


@dataclass(frozen=True)
class _Stages:
    """The stage of each row as codes, -1 where unknown or ignored; ``ignored`` rows are no outcomes."""

    stage: pd.Categorical
    ignored: Mask
    notices: tuple[Notice, ...] = ()


def _categorical(codes: npt.NDArray[np.int8], stages: Sequence[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=pd.Index(stages, dtype="str"))  # type: ignore[arg-type]


def _read_stages(reader: TableReader, spec: Outcomes) -> _Stages:
    """The source's words as our stages, whatever their case and spacing; the config's translations go first."""
    words = reader.words("stage", required=True)
    meaning: dict[str, str] = {spelling_key(stage): stage for stage in STAGES}
    meaning |= {spelling_key(word): ours for word, ours in spec.stages.items()}
    found = [str(word) for word in words.categories]
    ours = [meaning.get(spelling_key(word)) for word in found]
    codes = np.asarray(words.codes)
    unknown = np.array([*(stage is None for stage in ours), False], dtype=bool)
    if unknown.any():
        counts = pd.Series(words).value_counts()
        shown = [word for word in counts.index if meaning.get(spelling_key(word)) is None]
        listed = ", ".join(repr(word) for word in shown[:10]) + (" …" if len(shown) > 10 else "")
        each = "each of " if len(shown) > 1 else ""
        remedy = (
            f"say which of our stages {each}{listed} is, as data.outcomes.stages: {{{shown[0]}: closed_won}} "
            f"if it is a win, or {_IGNORE} if it is no outcome (ours are {', '.join(STAGES)})"
        )
        reader.refuse(unknown[codes], "stage", _UNKNOWN_STAGE, remedy)
    ignored = np.array([*(stage == _IGNORE for stage in ours), False], dtype=bool)
    stages = sorted({stage for stage in ours if stage is not None and stage != _IGNORE})
    lookup = np.array(
        [*(stages.index(stage) if stage in stages else -1 for stage in ours), -1], dtype=np.int8
    )
    notices = (*_spelled_twice(found), *_told_ignored(found, ignored, codes, reader))
    return _Stages(_categorical(lookup[codes], stages), ignored[codes], notices)


def _spelled_twice(found: Sequence[str]) -> list[Notice]:
    keys = [spelling_key(word) for word in found]
    twice = tuple(word for word, key in zip(found, keys, strict=True) if keys.count(key) > 1)
    return [Notice("spellings", "outcomes", "stage", len(twice), 0, twice[:5])] if twice else []


def _told_ignored(
    found: Sequence[str], ignored: Mask, codes: npt.NDArray[np.integer], reader: TableReader
) -> list[Notice]:
    rows = ignored[codes]
    reader.leave_out(rows)
    words = tuple(word for word, left in zip(found, ignored, strict=False) if left)
    return (
        [Notice("ignored_stages", "outcomes", "stage", int(rows.sum()), 0, words[:5])] if rows.any() else []
    )


def read_outcomes(
    reader: TableReader, leads: LeadIds, spec: Outcomes
) -> tuple[pd.DataFrame, tuple[Notice, ...]]:
    """The outcomes of a table, as the contract has them, and what to tell people."""
    if spec.stage_dates:
        return _read_stage_dates(reader, leads, spec), ()
    notices: tuple[Notice, ...] = ()
    if spec.stage is None:
        stages = _read_stages(reader, spec)
        stage, notices = stages.stage, stages.notices
    else:
        stage = _categorical(np.zeros(reader.source.table.num_rows, dtype=np.int8), [spec.stage])
    happened = reader.times("occurred_at")
    known = reader.recorded(happened)
    reader.leave_out_later(happened, known)
    rows = leads.resolve(reader)
    reader.leave_out_later(rows.since)
    columns: dict[str, Any] = {
        "stage": stage,
        "occurred_at": microseconds_to_column(happened),
        "recorded_at": microseconds_to_column(np.maximum(known, rows.since)),
        **_further(reader),
    }
    table = reader.keep(columns)
    table.insert(0, "lead_id", leads.column(rows.place, reader))
    return table, notices


def _further(reader: TableReader) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if reader.has("amount"):
        columns["amount"] = reader.numbers("amount")
    if reader.has("reason"):
        columns["reason"] = reader.text("reason")
    return columns


def _read_stage_dates(reader: TableReader, leads: LeadIds, spec: Outcomes) -> pd.DataFrame:
    """One outcome for each date in a stage's column; a lead without one has not reached the stage."""
    dates = []
    for column in spec.stage_dates:
        date = spec.stage_date(column)
        hint = None
        if date.format is not None or date.unit is not None:
            hint = ColumnFormat(column=column, format=date.format, unit=date.unit)
        dates.append((date.stage, reader.stage_dates(column, hint)))
    rows = leads.resolve(reader)
    further = reader.keep(_further(reader))
    usable = reader.ledger.usable
    ids = leads.column(rows.place, reader)
    recorded = reader.times("recorded_at", required=False) if reader.has("recorded_at") else None
    tables = []
    for stage, happened in dates:
        known = np.maximum(happened, rows.since)
        if recorded is not None:
            known = np.maximum(known, recorded)
        reached = ((happened != MISSING_TIME) & (known < reader.known_before))[usable]
        when = happened[usable][reached]
        table = pd.DataFrame(
            {
                "lead_id": ids[reached].reset_index(drop=True),
                "stage": stage,
                "occurred_at": microseconds_to_column(when),
                "recorded_at": microseconds_to_column(known[usable][reached]),
            }
        )
        for name in further:
            # What a deal brought and why it ended is written when it ends.
            values = further[name][reached].reset_index(drop=True)
            table[name] = (
                values if stage in TERMINAL_STAGES else values.where(np.zeros(len(values), dtype=bool))
            )
        tables.append(table)
    whole = pd.concat(tables, ignore_index=True)
    stages = pd.Index(sorted(whole["stage"].unique()), dtype="str")
    return whole.assign(stage=pd.Categorical(whole["stage"], categories=stages))
