"""Small worlds: journeys with everything that makes features hard, from a seed or from hypothesis."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from mqlml.config import Config, make_config
from mqlml.features.families.builder import Builder, Columns, Piece
from mqlml.journeys import Journeys
from mqlml.journeys.contract import TIMES, WORDS, empty_table

START = pd.Timestamp("2024-01-01", tz="UTC")
HOUR = pd.Timedelta(hours=1)
ACTIONS = (
    "page_view",
    "email_click",
    "Demo request",
    "demo-request",
    "webinar",
    "guide_download",
    "other",
    "unsubscribe",
    "Careers page",
)
CHANNELS = (None, "email", "ads", "organic", "referral", "missing")
CAMPAIGNS = (None, "spring", "summer", "autumn")
CONTENTS = (None, None, "guide", "prices")
BEGUN_BY = (None, "lead", "company")
ACCOUNTS = (None, "A", "B")
TITLES = (None, "Student", "VP Sales", "Marketing manager", "wizard", " ")
MAILS = (None, "a@gmail.com", "b@acme.example", "nobody", "c@Yahoo.co.uk")
COUNTRIES = (None, "US", "DE", "FR", "")


def make_config_of(**sections: Any) -> Config:
    """The smallest config, with some sections of its own."""
    return make_config(
        {
            "name": "world",
            "data": {
                "observed_until": "2025-01-01",
                "leads": {"path": "leads.csv"},
                "outcomes": {"path": "outcomes.csv", "stage": "closed_won"},
            },
            **sections,
        },
        folder=Path("."),
    )


def frame(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A table of the contract from plain rows, whatever their number."""
    series = {}
    for column in columns:
        values = [row.get(column) if column in OPTIONAL else row[column] for row in rows]
        if column in TIMES:
            series[column] = pd.Series(pd.DatetimeIndex(values, tz="UTC")).astype("datetime64[us, UTC]")
        elif column in WORDS:
            series[column] = pd.Series(values, dtype="str").astype("category")
        elif column in ("value", "size") and not isinstance(next(iter(values), None), str):
            series[column] = pd.Series(values, dtype="float64")
        elif column == "lead_id" and all(isinstance(value, int) for value in values):
            series[column] = pd.Series(values, dtype="int64")
        else:
            series[column] = pd.Series(values, dtype="str")
    return pd.DataFrame(series)


OPTIONAL = ("account_id", "content", "initiated_by")
"""Columns that a plain row need not name."""


def make_journeys(
    leads: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]], history: Sequence[dict[str, Any]] = ()
) -> Journeys:
    """Journeys from plain rows that name every column but the `OPTIONAL` ones."""
    event_columns = (
        *("lead_id", "occurred_at", "recorded_at", "action", "channel", "value", "campaign"),
        *("content", "initiated_by"),
    )
    history_columns = ("lead_id", "field", "value", "valid_from", "valid_to", "recorded_at")
    lead_columns = ("lead_id", "created_at", "account_id", "country", "size", "email", "job_title")
    tables = {"leads": frame(leads, lead_columns), "events": frame(events, event_columns)}
    tables["history"] = frame(history, history_columns) if history else empty_table("history")
    ids = tables["leads"]["lead_id"].dtype
    for table in tables.values():
        table["lead_id"] = table["lead_id"].astype(ids)
    return Journeys(
        **tables,
        outcomes=empty_table("outcomes", ids),
        observed_until=dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
        quarantine=pd.DataFrame(),
        rows_read={},
    )


def make_snapshots(rows: Sequence[tuple[Any, pd.Timestamp]], ids: Any) -> pd.DataFrame:
    """Snapshots with an index of their own, which must come back."""
    return pd.DataFrame(
        {
            "lead_id": pd.Series([lead for lead, _ in rows], dtype=ids),
            "cutoff_time": pd.Series(pd.DatetimeIndex([cutoff for _, cutoff in rows], tz="UTC")).astype(
                "datetime64[us, UTC]"
            ),
        }
    ).set_axis([f"row {i}" for i in range(len(rows))])


def make_world(seed: int, *, leads: int = 40, events: int = 700, text_ids: bool = False) -> Journeys:
    """Journeys from a seed: late rows in and out of order, equal times, leads without events, changing attributes."""
    rng = np.random.default_rng(seed)
    ids = [f"L{i}" if text_ids else i * 7 for i in range(leads)]
    half_days = [START + int(k) * 12 * HOUR for k in range(160)]

    def pick(values: Sequence[Any]) -> Any:
        return values[int(rng.integers(len(values)))]

    def event() -> dict[str, Any]:
        occurred = pick(half_days) + pick((0, 0, 1, 29, 30, 31)) * pd.Timedelta(minutes=1)
        late = pick((0, 0, 0, 2, 30, 100)) * HOUR
        return {
            "lead_id": ids[int(rng.beta(1, 3) * leads)],
            "occurred_at": occurred,
            "recorded_at": occurred + late,
            "action": pick(ACTIONS),
            "channel": pick(CHANNELS),
            "value": pick((None, -3.5, 0.0, 0.1, 12.34)),
            "campaign": pick(CAMPAIGNS),
            "content": pick(CONTENTS),
            "initiated_by": pick(BEGUN_BY),
        }

    def change() -> dict[str, Any]:
        start = pick(half_days)
        return {
            "lead_id": pick(ids),
            "field": pick(("plan", "seats")),
            "value": str(pick((1, 2, 30))),
            "valid_from": start,
            "valid_to": pick((None, start + 10 * 24 * HOUR)),
            "recorded_at": start + pick((0, 50)) * HOUR,
        }

    return make_journeys(
        [
            {
                "lead_id": lead,
                "created_at": pick(half_days[:80]),
                "account_id": pick((None, *(f"account {i}" for i in range(leads // 4)))),
                "country": pick(COUNTRIES),
                "size": pick((None, 1.0, 2.5, 1e6)),
                "email": pick(MAILS),
                "job_title": pick(TITLES),
            }
            for lead in ids
        ],
        [event() for _ in range(events)],
        [change() for _ in range(leads * 2)],
    )


def spread_snapshots(journeys: Journeys, seed: int, number: int = 120) -> pd.DataFrame:
    """Snapshots in no order, several a lead, some of them twice."""
    rng = np.random.default_rng(seed)
    ids = journeys.leads["lead_id"]
    leads = ids.to_numpy()[rng.integers(0, len(ids), number)]
    cutoffs = [START + int(k) * 12 * HOUR for k in rng.integers(0, 170, number)]
    rows = list(zip(leads, cutoffs, strict=True))
    return make_snapshots([*rows, *rows[: number // 10]], ids.dtype)


_minutes = st.sampled_from([0, 0, 0, 1, 30])
_lateness = st.sampled_from([0, 0, 0, -60, 1, 60, 24 * 60, 9 * 24 * 60])
_slot = st.integers(0, 70)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Journeys, pd.DataFrame]:
    """Journeys of up to four leads and snapshots of them, all on a coarse grid so that edges and ties abound."""
    text = draw(st.booleans())
    number = draw(st.integers(1, 4))
    ids: list[Any] = [f"lead {i}" if text else i - 1 for i in range(number)]

    def instant() -> pd.Timestamp:
        micro = draw(st.sampled_from([0, 0, 0, 1, -1]))
        minutes = draw(_slot) * 12 * 60 + draw(_minutes)
        return START + pd.Timedelta(minutes=minutes) + pd.Timedelta(microseconds=micro)

    def event() -> dict[str, Any]:
        occurred = instant()
        return {
            "lead_id": draw(st.sampled_from(ids)),
            "occurred_at": occurred,
            "recorded_at": occurred + pd.Timedelta(minutes=draw(_lateness)),
            "action": draw(st.sampled_from(ACTIONS)),
            "channel": draw(st.sampled_from(CHANNELS)),
            "value": draw(st.sampled_from([None, -7.25, 0.0, 0.1, 1e6])),
            "campaign": draw(st.sampled_from(CAMPAIGNS)),
            "content": draw(st.sampled_from(CONTENTS)),
            "initiated_by": draw(st.sampled_from(BEGUN_BY)),
        }

    def change() -> dict[str, Any]:
        start = instant()
        return {
            "lead_id": draw(st.sampled_from(ids)),
            "field": draw(st.sampled_from(["plan", "seats"])),
            "value": draw(st.sampled_from(["1", "20", "3"])),
            "valid_from": start,
            "valid_to": draw(st.sampled_from([None, start + 24 * HOUR, start + 9 * 24 * HOUR])),
            "recorded_at": start + pd.Timedelta(minutes=draw(_lateness)),
        }

    journeys = make_journeys(
        [
            {
                "lead_id": lead,
                "created_at": START + draw(st.integers(0, 10)) * 24 * HOUR,
                "account_id": draw(st.sampled_from(ACCOUNTS)),
                "country": draw(st.sampled_from(COUNTRIES)),
                "size": draw(st.sampled_from([None, 0.0, 250.0])),
                "email": draw(st.sampled_from(MAILS)),
                "job_title": draw(st.sampled_from(TITLES)),
            }
            for lead in ids
        ],
        [event() for _ in range(draw(st.integers(0, 30)))],
        [change() for _ in range(draw(st.integers(2, 6)))],
    )
    snapshots = [(draw(st.sampled_from(ids)), instant()) for _ in range(draw(st.integers(1, 8)))]
    return journeys, make_snapshots(snapshots, journeys.leads["lead_id"].dtype)


def with_first_piece(builder: Builder, write: Callable[[Any, Columns], None]) -> Builder:
    """A builder whose first piece is filled by something else."""

    def pieces(settings: Any) -> Iterator[Piece]:
        first, *others = builder.pieces(settings)
        yield replace(first, write=write)
        yield from others

    return replace(builder, pieces=pieces)
