"""A company's two HubSpot exports: contacts with stage dates in columns, and activities."""

from __future__ import annotations

import csv
import datetime as dt
import random
from pathlib import Path

CONFIG = """name: hubspot
data:
  timezone: Europe/Berlin
  observed_until: 2026-03-31
  leads:
    path: contacts.csv
    columns: {lead_id: Record ID, created_at: Create Date, account_id: Associated Company}
  events:
    path: activities.csv
    columns: {lead_id: Contact ID, occurred_at: Activity Date, action: Activity Type}
  outcomes:
    path: contacts.csv
    columns: {lead_id: Record ID}
    stage_dates:
      Became a Marketing Qualified Lead Date: mql
      Became an Opportunity Date: opportunity
      Became a Customer Date: closed_won
problem: {outcome: closed_won, horizon: 60d, snapshots: {ages: [7d]}, age_limits: [0d, 14d]}
"""


def write_exports(folder: Path, *, contacts: int, seed: int = 1) -> None:
    """Write ``contacts.csv``, ``activities.csv`` and ``mqlml.yml``; demo requests and referrals convert."""
    draw = random.Random(seed)
    people: list[dict[str, str]] = []
    done: list[dict[str, str]] = []
    for number in range(contacts):
        created = dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=draw.randrange(360 * 86_400))
        source = draw.choice(["Organic Search", "Paid Social", "Referrals", "Offline Sources"])
        demo = draw.random() < 0.3
        chance = 0.2 * (2.5 if demo else 0.45) * (1.5 if source == "Referrals" else 0.8)
        won = created + dt.timedelta(days=8 + draw.random() * 40) if draw.random() < chance else None
        qualified = won or draw.random() < 0.3
        record = str(51_000_000_000_000_000 + number)
        people.append(
            {
                "Record ID": record,
                "Email": f"p{number}@company{number // 2}.com",
                "Create Date": _written(created),
                "Original Source": source,
                "Lifecycle Stage": "Customer" if won else "Marketing Qualified Lead" if qualified else "Lead",
                "Number of Employees": f"{draw.randrange(1, 9000):,}",
                "Became a Marketing Qualified Lead Date": _written(created + dt.timedelta(days=3))
                if qualified
                else "",
                "Became an Opportunity Date": _written(won - dt.timedelta(days=4)) if won else "",
                "Became a Customer Date": _written(won) if won else "",
                "Associated Company": f"Company {number // 2}",
            }
        )
        for _ in range(draw.randrange(1, 4)):
            at = created + dt.timedelta(hours=draw.random() * 150)
            kind = draw.choice(["Email Clicked", "Page View", "email clicked"])
            done.append({"Contact ID": record, "Activity Date": _written(at), "Activity Type": kind})
        if demo:
            at = created + dt.timedelta(hours=20 + draw.random() * 60)
            done.append(
                {"Contact ID": record, "Activity Date": _written(at), "Activity Type": "Demo Request"}
            )
    for name, rows in (("contacts.csv", people), ("activities.csv", done)):
        with (folder / name).open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    (folder / "mqlml.yml").write_text(CONFIG)


def _written(time: dt.datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M")
