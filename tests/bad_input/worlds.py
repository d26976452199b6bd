"""Two small companies in which a country or a score tells who converts: one of journeys, one as a flat table."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from tests.bad_input.front_door import Desk

DAY_0 = dt.date(2024, 1, 1)
AS_OF = "2024-05-01"


def journeys_company(desk: Desk, *, n: int = 300) -> None:
    """Two leads a day; those from the US convert often, within three days; the last ten days are still open."""
    rng = np.random.default_rng(0)
    leads, events, outcomes = ["lead_id,created_at,country,lead_status"], ["lead_id,occurred_at,action"], []
    for lead in range(1, n + 1):
        day = DAY_0 + dt.timedelta(days=lead // 3)
        country = "US" if rng.random() < 0.4 else "DE"
        wins = rng.random() < (0.75 if country == "US" else 0.15)
        leads.append(f"{lead},{day},{country},{'Customer' if wins else 'Open'}")
        events.append(f"{lead},{day} 10:00,visit")
        if wins and lead < n - 30:
            outcomes.append(f"{lead},{day + dt.timedelta(days=3)},closed_won")
    desk.write("leads.csv", "\n".join(leads) + "\n")
    desk.write("events.csv", "\n".join(events) + "\n")
    desk.write("outcomes.csv", "\n".join(["lead_id,occurred_at,stage", *outcomes]) + "\n")
    desk.settings = {
        "name": "leads",
        "data": {
            "observed_until": "2024-04-05",
            "leads": {"path": "leads.csv"},
            "events": {"path": "events.csv"},
            "outcomes": {"path": "outcomes.csv"},
        },
        "problem": {"horizon": "7d", "snapshots": {"ages": ["0d"]}},
        "windows": ["all"],
        "gate": {"min_positives": 10},
    }


def flat_company(desk: Desk, *, n: int = 400, skill: bool = True) -> None:
    """One row a lead: the more visits, the likelier it converts; without skill nothing tells who does."""
    rng = np.random.default_rng(0)
    visits = rng.normal(size=n)
    weight = 1.5 if skill else 0.0
    wins = rng.random(n) < 1 / (1 + np.exp(1 - weight * visits))
    rows = ["id,visits,country,day,quality,converted"]
    for place in range(n):
        country, quality = ("US" if place % 3 else "DE"), ("high" if wins[place] else "low")
        day = DAY_0 + dt.timedelta(days=place // 2)
        rows.append(f"{place + 1},{visits[place]:.3f},{country},{day},{quality},{int(wins[place])}")
    desk.write("flat.csv", "\n".join(rows) + "\n")
    flat: dict[str, Any] = {"path": "flat.csv", "lead_id": "id", "label": "converted", "order": "day"}
    desk.settings = {"name": "leads", "data": {"flat": flat}, "gate": {"min_positives": 10}}
