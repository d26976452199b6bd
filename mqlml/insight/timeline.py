"""The timeline: journeys, a lead and a moment go in, what was known of its acts by then comes out, newest first."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mqlml.journeys import Journeys
from mqlml.results import Result

__all__ = ["Act", "read_timeline"]


@dataclass(frozen=True)
class Act(Result):
    """Acts of one kind on one day."""

    day: str
    """ISO date in the zone asked for."""
    action: str
    """The event type."""
    channel: str | None
    """The channel, where it is known."""
    times: int
    """How often on that day."""


def read_timeline(journeys: Journeys, lead_id: int | str, before: pd.Timestamp, zone: str) -> list[Act]:
    """What a lead did and what was done to it, as known before a moment: the newest day first.

    Acts of one kind through one channel on one day stand together; within a day they stand by their last one.
    """
    events = journeys.events
    own = events[events["lead_id"] == lead_id]
    own = own[own[["occurred_at", "recorded_at"]].max(axis=1) < before]
    text = pd.DataFrame(
        {
            "day": own["occurred_at"].dt.tz_convert(zone).dt.strftime("%Y-%m-%d"),
            "action": own["action"].astype("str"),
            "channel": own["channel"].astype("str")
            if "channel" in own
            else pd.Series(pd.NA, own.index, "str"),
            "at": own["occurred_at"],
        }
    )
    days = (
        text.groupby(["day", "action", "channel"], dropna=False, sort=False)["at"]
        .agg(["size", "max"])
        .reset_index()
        .sort_values(["max", "action"], ascending=[False, True])
    )
    return [
        Act(str(day), str(action), None if pd.isna(channel) else str(channel), int(times))
        for day, action, channel, times in zip(
            days["day"], days["action"], days["channel"], days["size"], strict=True
        )
    ]
