"""What the journeys suggest to ask: how far ahead, and how many leads come a week."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from mqlml.journeys import Journeys
from mqlml.times import DAY, column_to_microseconds, from_microseconds, to_microseconds
from mqlml.types import Micros

__all__ = ["Suggestion", "suggest_problem"]

_HORIZONS = (14, 30, 60, 90, 180, 365)
_MOST_WINS = 0.75
"""The horizon is the shortest that so many of the wins lie within."""

_PARTS = 4
"""A history is at least so many horizons long, or too few outcomes are known to learn from and to evaluate on."""

_RECENT = 26 * 7 * DAY


@dataclass(frozen=True)
class Suggestion:
    """What to ask of these journeys.

    Attributes
    ----------
    leads, wins : int
    last_outcome : datetime in UTC or None
        The latest outcome that is not in the future; None where there is none.
    horizon : int
        In days.
    within : float or None
        The share of the wins that came so soon after the lead was created; None without wins.
    per_week : float
        Leads that came a week, in the last half year of them.
    """

    leads: int
    wins: int
    last_outcome: dt.datetime | None
    horizon: int
    within: float | None
    per_week: float


def suggest_problem(journeys: Journeys, *, now: dt.datetime) -> Suggestion:
    """Find out how long wins take, how long the history is, and how many leads come."""
    created = column_to_microseconds(journeys.leads["created_at"])
    outcomes = journeys.outcomes
    when = column_to_microseconds(outcomes["occurred_at"])
    place = journeys.leads.reset_index(drop=True).reset_index().set_index("lead_id")["index"]
    won = (outcomes["stage"] == "closed_won").to_numpy()
    wait = (when - created[place.reindex(outcomes["lead_id"]).to_numpy()])[won]
    past = when[when <= to_microseconds(now)]
    last = int(past.max()) if len(past) else None
    history = int(np.ptp(created))
    horizon, within = _choose_horizon(wait[wait >= 0], history)
    recent = created > created.max() - _RECENT
    weeks = max(min(history, _RECENT) / (7 * DAY), 1.0)
    return Suggestion(
        leads=len(created),
        wins=int(won.sum()),
        last_outcome=None if last is None else from_microseconds(last),
        horizon=horizon,
        within=within,
        per_week=float(recent.sum() / weeks),
    )


def _choose_horizon(wait: Micros, history: int) -> tuple[int, float | None]:
    """In days, and the share of the wins that lie within."""
    if not len(wait):
        return 60, None
    possible = [days for days in _HORIZONS if days * DAY * _PARTS <= history] or [_HORIZONS[0]]
    share = {days: float(np.mean(wait <= days * DAY)) for days in possible}
    chosen = next((days for days in possible if share[days] >= _MOST_WINS), possible[-1])
    return chosen, share[chosen]
