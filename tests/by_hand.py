"""Small tables written by hand: the contract's columns and types from short rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pandas as pd

from mqlml.config import Problem
from mqlml.journeys import Journeys
from mqlml.journeys.contract import TIMES, WORDS, empty_table


def instant(text: str) -> pd.Timestamp:
    """``"01-31"`` or ``"01-31 08:00"`` of 2024, in UTC."""
    return pd.Timestamp(f"2024-{text}", tz="UTC")


def table(name: str, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A table of the contract; times are written as for `instant`, `recorded_at` falls back to `occurred_at`."""
    if not rows:
        return empty_table(name)
    frame = pd.DataFrame(rows)
    if name in ("events", "outcomes") and "recorded_at" not in frame:
        frame["recorded_at"] = None
    if "recorded_at" in frame and "occurred_at" in frame:
        frame["recorded_at"] = frame["recorded_at"].where(frame["recorded_at"].notna(), frame["occurred_at"])
    for column in frame.columns:
        if column in TIMES:
            times = [None if pd.isna(text) else instant(text) for text in frame[column]]
            frame[column] = pd.Series(pd.DatetimeIndex(times, tz="UTC")).astype("datetime64[us, UTC]")
        elif column in WORDS:
            frame[column] = frame[column].astype("str").astype("category")
    return frame


def journeys(
    leads: Sequence[dict[str, Any]],
    *,
    events: Sequence[dict[str, Any]] = (),
    outcomes: Sequence[dict[str, Any]] = (),
    history: Sequence[dict[str, Any]] = (),
    observed_until: str = "12-31",
) -> Journeys:
    """Journeys from short rows."""
    return Journeys(
        leads=table("leads", leads),
        events=table("events", events),
        outcomes=table("outcomes", outcomes),
        history=table("history", history),
        observed_until=instant(observed_until).to_pydatetime().astimezone(dt.UTC),
        quarantine=pd.DataFrame(columns=["table", "row", "column", "value", "reason"]),
        rows_read={},
    )


def problem(**keys: Any) -> Problem:
    """A `Problem` as it would be written in the config; ten days ahead at creation unless told otherwise."""
    return Problem.model_validate(
        {
            "horizon": "10d",
            "snapshots": {"ages": ["0d"]},
            "age_limits": ["0d", "365d"],
            **keys,
        }
    )
