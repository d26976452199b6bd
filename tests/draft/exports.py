"""Exports as CRMs write them, of one simulated company: leads, what they did, and the deals they became."""

from __future__ import annotations

import csv
import datetime as dt
import random
from dataclasses import dataclass
from pathlib import Path

START = dt.datetime(2024, 9, 1, 8, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Lead:
    """A lead: its number, when it came, what it did when, and when its deal ended how, if there was one."""

    number: int
    created: dt.datetime
    acts: tuple[tuple[dt.datetime, str], ...]
    ended: dt.datetime | None
    won: bool


def make_leads(n: int = 1_200, *, seed: int = 1) -> list[Lead]:
    draw = random.Random(seed)
    leads = []
    for number in range(n):
        created = START + dt.timedelta(seconds=draw.randrange(400 * 86_400))
        demo = draw.random() < 0.3
        acts = [(created + dt.timedelta(days=draw.random() * 9), "Email") for _ in range(draw.randrange(3))]
        if demo:
            acts.append((created + dt.timedelta(days=1), "Demo request"))
        deal = draw.random() < (0.5 if demo else 0.12)
        ended = created + dt.timedelta(days=10 + draw.random() * 40) if deal else None
        leads.append(Lead(number, created, tuple(sorted(acts)), ended, deal and draw.random() < 0.6))
    return leads


def write_rows(
    path: Path, rows: list[dict[str, str]], *, delimiter: str = ",", encoding: str = "utf-8"
) -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_salesforce(folder: Path, leads: list[Lead]) -> list[Path]:
    """A lead names its opportunity; open opportunities have a planned close date; old customers have some, too."""
    people, deals, tasks, members = [], [], [], []
    for lead in leads:
        deal = f"006{lead.number:012}" if lead.ended else ""
        people.append(
            {
                "Id": f"00Q{lead.number:012}",
                "Title": ("CEO", "Engineer", "VP Marketing")[lead.number % 3],
                "Company": f"Firm {lead.number // 2}",
                "Email": f"p{lead.number}@firm{lead.number // 2}.com",
                "LeadSource": ("Web", "Partner")[lead.number % 2],
                "Status": "Closed - Converted" if deal else "Working",
                "CreatedDate": lead.created.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
                "ConvertedDate": lead.ended.strftime("%Y-%m-%d") if lead.ended else "",
                "ConvertedOpportunityId": deal,
            }
        )
        if lead.ended:
            stage = (
                "Closed Won"
                if lead.won
                else ("Closed Lost", "Negotiation/Review", "Sent to legal")[lead.number % 3]
            )
            deals.append(_opportunity(deal, stage, lead.ended))
        for number, (at, what) in enumerate(lead.acts):
            key = f"{lead.number:010}{number:02}"
            if what == "Demo request":
                members.append(
                    {
                        "Id": f"00v{key}", "CampaignId": "701A", "LeadId": people[-1]["Id"],
                        "Status": "Requested demo", "CreatedDate": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
                    }
                )  # fmt: skip
            else:
                tasks.append(
                    {
                        "Id": f"00T{key}", "WhoId": people[-1]["Id"], "Subject": f"Email: {number}",
                        "ActivityDate": at.strftime("%Y-%m-%d"), "TaskSubtype": what, "Status": "Completed",
                    }
                )  # fmt: skip
    deals += [_opportunity(f"006X{number:011}", "Closed Won", START) for number in range(60)]
    tables = {"Lead": people, "Opportunity": deals, "Task": tasks, "CampaignMember": members}
    return [write_rows(folder / f"{name}.csv", rows) for name, rows in tables.items()]


def _opportunity(key: str, stage: str, closes: dt.datetime) -> dict[str, str]:
    return {
        "Id": key, "AccountId": f"001{key[3:]}", "StageName": stage, "Amount": "1200.0",
        "CloseDate": closes.strftime("%Y-%m-%d"), "IsWon": str(stage == "Closed Won").lower(),
    }  # fmt: skip


def write_hubspot(folder: Path, leads: list[Lead]) -> list[Path]:
    """A deal names its contacts, several with ``;`` between, and has no close date while it is open."""
    people = [
        {
            "Record ID": str(51_000_000_000 + lead.number),
            "Email": f"p{lead.number}@firm{lead.number // 2}.com",
            "Create Date": lead.created.strftime("%Y-%m-%d %H:%M"),
            "Lifecycle Stage": "Customer" if lead.won else "Lead",
            "Original Source": ("Organic Search", "Paid Social")[lead.number % 2],
            "Associated Company": f"Firm {lead.number // 2}",
        }
        for lead in leads
    ]
    acts = [
        {
            "Contact ID": str(51_000_000_000 + lead.number),
            "Activity Date": at.strftime("%Y-%m-%d %H:%M"),
            "Activity Type": what,
        }
        for lead in leads
        for at, what in lead.acts
    ]
    deals = [
        {
            "Deal ID": str(9_000 + lead.number),
            "Deal Stage": "closedwon" if lead.won else "Contract Sent" if lead.number % 2 else "closedlost",
            "Close Date": "" if not lead.won and lead.number % 2 else lead.ended.strftime("%Y-%m-%d %H:%M"),
            "Amount": "4,500.00",
            "Associated Contact IDs": ";".join(
                str(51_000_000_000 + number)
                for number in range(lead.number, min(lead.number + 2, len(leads)))
            ),
        }
        for lead in leads
        if lead.ended
    ]
    tables = {"contacts": people, "activities": acts, "deals": deals}
    return [write_rows(folder / f"{name}.csv", rows, encoding="utf-8-sig") for name, rows in tables.items()]


def write_german(folder: Path, leads: list[Lead]) -> list[Path]:
    """Semicolons, the encoding of Windows, days first, and German words."""
    people = [
        {
            "Lead ID": f"L-{lead.number}",
            "Created": lead.created.strftime("%d.%m.%Y %H:%M"),
            "Company": f"Müller & Söhne {lead.number // 2}",
            "Branche": ("Maschinenbau", "Handel")[lead.number % 2],
        }
        for lead in leads
    ]
    acts = [
        {"Lead ID": f"L-{lead.number}", "Timestamp": at.strftime("%d.%m.%Y %H:%M"), "Event": what}
        for lead in leads
        for at, what in lead.acts
    ]
    deals = [
        {
            "Lead ID": f"L-{lead.number}",
            "Stage": "Gewonnen" if lead.won else "Verloren",
            "Close date": lead.ended.strftime("%d.%m.%Y"),
            "Amount": "1.200,50",
        }
        for lead in leads
        if lead.ended
    ]
    tables = {"leads": people, "events": acts, "deals": deals}
    return [
        write_rows(folder / f"{name}.csv", rows, delimiter=";", encoding="cp1252")
        for name, rows in tables.items()
    ]


def write_pipedrive(folder: Path, leads: list[Lead]) -> list[Path]:
    """Each column begins with its table, ids are counted from 1 in each, and wins and losses have their own dates."""
    people = [
        {
            "Person - ID": str(lead.number + 1),
            "Person - Name": f"Pat {lead.number}",
            "Person - Organization": f"Org {lead.number // 2}",
            "Person - Person created": lead.created.strftime("%Y-%m-%d %H:%M:%S"),
            "Person - Last activity date": (lead.created + dt.timedelta(days=90)).strftime("%Y-%m-%d"),
        }
        for lead in leads
    ]
    deals = []
    for lead in leads:
        if lead.ended:
            status = "Won" if lead.won else ("Lost", "Open")[lead.number % 2]
            ended = lead.ended.strftime("%Y-%m-%d %H:%M:%S")
            deals.append(
                {
                    "Deal - ID": str(len(deals) + 1),
                    "Deal - Stage": ("Qualified", "Proposal made")[lead.number % 2],
                    "Deal - Status": status,
                    "Deal - Value": "900",
                    "Deal - Person ID": str(lead.number + 1),
                    "Deal - Won time": ended if lead.won else "",
                    "Deal - Lost time": ended if status == "Lost" else "",
                    "Deal - Deal closed on": "" if status == "Open" else ended,
                    "Deal - Expected close date": lead.ended.strftime("%Y-%m-%d"),
                }
            )
    acts = [
        {
            "Activity - ID": str(number),
            "Activity - Type": what,
            "Activity - Due date": at.strftime("%Y-%m-%d"),
            "Activity - Person ID": str(lead + 1),
        }
        for number, (lead, at, what) in enumerate(
            ((lead.number, at, what) for lead in leads for at, what in lead.acts), start=1
        )
    ]
    tables = {"people": people, "deals": deals, "activities": acts}
    return [write_rows(folder / f"{name}.csv", rows) for name, rows in tables.items()]


def write_odoo(folder: Path, leads: list[Lead]) -> list[Path]:
    """One table holds the leads and how they ended; a closing date alone says neither won nor lost."""
    rows = [
        {
            "ID": str(lead.number + 1),
            "Contact Name": f"Pat {lead.number}",
            "Company Name": f"Firm {lead.number // 2}",
            "Created on": lead.created.strftime("%Y-%m-%d %H:%M:%S"),
            "Closed Date": lead.ended.strftime("%Y-%m-%d %H:%M:%S") if lead.ended else "",
            "Expected Revenue": str(1_000 + lead.number),
            "Stage": ("Won" if lead.won else "Lost")
            if lead.ended
            else ("New", "Proposition")[lead.number % 2],
        }
        for lead in leads
    ]
    return [write_rows(folder / "crm_lead.csv", rows)]


def write_dynamics(folder: Path, leads: list[Lead]) -> list[Path]:
    """Ids in columns that are not called so, American times, and amounts with a currency."""
    form = "%m/%d/%Y %I:%M %p"
    people = [
        {
            "(Do Not Modify) Lead": f"{lead.number:08x}-0a",
            "(Do Not Modify) Modified On": lead.created.strftime(form),
            "Company Name": f"Firm {lead.number // 2}",
            "Created On": lead.created.strftime(form),
            "Status": "Qualified" if lead.ended else "Open",
        }
        for lead in leads
    ]
    deals = [
        {
            "(Do Not Modify) Opportunity": f"{lead.number:08x}-0b",
            "Originating Lead": f"{lead.number:08x}-0a",
            "Status": "Won" if lead.won else "Lost",
            "Status Reason": "Signed" if lead.won else "Out-sold",
            "Actual Close Date": lead.ended.strftime("%m/%d/%Y"),
            "Actual Revenue": "$1,200.00",
        }
        for lead in leads
        if lead.ended
    ]
    acts = [
        {
            "(Do Not Modify) Activity": f"{lead.number:06x}-{number}",
            "Activity Type": what,
            "Regarding": f"{lead.number:08x}-0a",
            "Actual End": at.strftime(form),
        }
        for lead in leads
        for number, (at, what) in enumerate(lead.acts)
    ]
    tables = {"Leads": people, "Opportunities": deals, "Activities": acts}
    return [write_rows(folder / f"{name}.csv", rows) for name, rows in tables.items()]


def write_web_shop(folder: Path, leads: list[Lead]) -> list[Path]:
    """Users and their events as a tracker writes them, and charges that name the user by mail address only."""
    users = [
        {
            "id": f"usr_{lead.number}",
            "email": f"p{lead.number}@firm{lead.number}.io",
            "created": str(int(lead.created.timestamp())),
        }
        for lead in leads
    ]
    tracks = [
        {
            "message_id": f"m{lead.number}-{number}",
            "anonymous_id": f"a{lead.number}",
            "user_id": f"usr_{lead.number}",
            "timestamp": at.isoformat(),
            "event": what,
        }
        for lead in leads
        for number, (at, what) in enumerate(lead.acts)
    ]
    charges = [
        {
            "id": f"ch_{lead.number}",
            "customer_email": f"p{lead.number}@firm{lead.number}.io",
            "amount": "1200",
            "created": str(int(lead.ended.timestamp())),
            "status": "succeeded",
        }
        for lead in leads
        if lead.ended and lead.won
    ]
    tables = {"users": users, "tracks": tracks, "charges": charges}
    return [write_rows(folder / f"{name}.csv", rows) for name, rows in tables.items()]
