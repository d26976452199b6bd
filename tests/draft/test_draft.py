"""As a new user would: only files, then ``mqlml init``, then ``mqlml check``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from mqlml.cli import main
from tests.cases import hubspot
from tests.draft.exports import (
    Lead,
    make_leads,
    write_dynamics,
    write_german,
    write_hubspot,
    write_odoo,
    write_pipedrive,
    write_rows,
    write_salesforce,
    write_web_shop,
)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and what was printed, errors included."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    printed = capsys.readouterr()
    return int(stopped.value.code or 0), printed.out + printed.err


def draft(
    files: list[Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config that init writes, and its result; check must read the config as it stands."""
    out = folder / "mqlml.yml"
    code, text = run(capsys, "init", *map(str, files), "--out", str(out), "--json")
    assert code == 0, text
    result = json.loads(text)
    code, text = run(capsys, "check", "--config", str(out), "--json")
    assert code == 0, text
    checked = json.loads(text.splitlines()[0])
    assert all(table["quarantined"] == 0 for table in checked["tables"].values()), checked["tables"]
    return yaml.safe_load(out.read_text(encoding="utf-8")), {**result, "checked": checked}


def test_salesforce_leads_find_their_opportunities(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leads = make_leads()
    config, result = draft(write_salesforce(tmp_path, leads), tmp_path, capsys)
    data = config["data"]
    assert data["leads"]["columns"] == {"lead_id": "Id", "created_at": "CreatedDate", "account_id": "Company"}
    assert [table["columns"]["action"] for table in data["events"]] == ["TaskSubtype", "Status"]
    outcomes = data["outcomes"]
    assert 'other."ConvertedOpportunityId" = mine."Id"' in outcomes["sql"]
    assert outcomes["stages"] == {
        "Closed Lost": "closed_lost",
        "Closed Won": "closed_won",
        "Negotiation/Review": "ignore",  # its close date is only planned
        "Sent to legal": "ignore",
    }
    assert result["wins"] == sum(lead.won for lead in leads)
    assert any("Sent to legal" in text for text in result["to_check"])
    last = max(lead.ended for lead in leads if lead.ended and (lead.won or lead.number % 3 == 0))
    assert config["data"]["observed_until"] == last.date()


def test_hubspot_deals_of_several_contacts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = make_leads()
    config, result = draft(write_hubspot(tmp_path, leads), tmp_path, capsys)
    assert config["data"]["leads"]["columns"]["lead_id"] == "Record ID"
    assert "string_split" in config["data"]["outcomes"]["sql"]
    assert 'where mine."Close Date" is not null' in config["data"]["outcomes"]["sql"]
    assert config["data"]["outcomes"]["stages"]["closedwon"] == "closed_won"
    last = leads[-1]
    assert result["wins"] == 2 * sum(lead.won for lead in leads) - last.won


def test_pipedrive_s_own_counts_are_no_leads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = make_leads()
    config, result = draft(write_pipedrive(tmp_path, leads), tmp_path, capsys)
    data = config["data"]
    assert data["leads"]["columns"] == {
        "lead_id": "Person - ID",
        "created_at": "Person - Person created",
        "account_id": "Person - Organization",
    }
    assert data["events"]["columns"]["lead_id"] == "Activity - Person ID"
    outcomes = data["outcomes"]["columns"]
    assert (outcomes["stage"], outcomes["occurred_at"]) == ("Deal - Status", "Deal - Deal closed on")
    assert data["outcomes"]["stages"] == {"Lost": "closed_lost", "Open": "ignore", "Won": "closed_won"}
    assert result["wins"] == sum(lead.won for lead in leads)


def test_ids_in_columns_that_are_not_called_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = make_leads()
    config, result = draft(write_dynamics(tmp_path, leads), tmp_path, capsys)
    data = config["data"]
    assert data["events"]["columns"] == {
        "lead_id": "Regarding",
        "occurred_at": "Actual End",
        "action": "Activity Type",
    }
    assert data["outcomes"]["columns"]["lead_id"] == "Originating Lead"
    assert data["outcomes"]["columns"]["amount"] == "Actual Revenue"
    assert result["wins"] == sum(lead.won for lead in leads)


def test_sales_that_name_the_lead_by_mail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = make_leads()
    config, result = draft(write_web_shop(tmp_path, leads), tmp_path, capsys)
    data = config["data"]
    assert data["leads"]["columns"] == {"lead_id": "id", "created_at": {"column": "created", "unit": "s"}}
    assert data["events"]["columns"]["lead_id"] == "user_id"
    assert 'other."email" = mine."customer_email"' in data["outcomes"]["sql"]
    assert data["outcomes"]["stages"] == {"succeeded": "closed_won"}
    assert result["wins"] == sum(lead.won for lead in leads)


def test_one_table_of_leads_with_how_they_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = make_leads()
    config, result = draft(write_odoo(tmp_path, leads), tmp_path, capsys)
    outcomes = config["data"]["outcomes"]
    assert outcomes["columns"]["occurred_at"] == "Closed Date"
    assert (outcomes["stages"]["Won"], outcomes["stages"]["Lost"]) == ("closed_won", "closed_lost")
    assert result["wins"] == sum(lead.won for lead in leads)


def test_dates_of_stages_in_a_contacts_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hubspot.write_exports(tmp_path, contacts=1_500)
    by_hand = yaml.safe_load((tmp_path / "mqlml.yml").read_text())
    (tmp_path / "mqlml.yml").unlink()
    config, _ = draft([tmp_path / "contacts.csv", tmp_path / "activities.csv"], tmp_path, capsys)
    for table in ("leads", "events", "outcomes"):
        assert config["data"][table] == by_hand["data"][table]


def test_a_german_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = make_leads()
    config, result = draft(write_german(tmp_path, leads), tmp_path, capsys)
    assert (config["data"]["leads"]["delimiter"], config["data"]["leads"]["encoding"]) == (";", "cp1252")
    assert config["data"]["outcomes"]["stages"] == {"Gewonnen": "closed_won", "Verloren": "closed_lost"}
    assert result["wins"] == sum(lead.won for lead in leads)


def test_parquet_with_seconds_since_1970(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = make_leads()
    pd.DataFrame(
        {
            "user_id": [lead.number for lead in leads],
            "signup_at": [lead.created.timestamp() for lead in leads],
        }
    ).to_parquet(tmp_path / "users.parquet")
    pd.DataFrame(
        [(lead.number, int(at.timestamp() * 1000), what) for lead in leads for at, what in lead.acts],
        columns=["user_id", "ts", "event"],
    ).to_parquet(tmp_path / "events.parquet")
    pd.DataFrame(
        [(lead.number, lead.ended, 90.0) for lead in leads if lead.won],
        columns=["user_id", "order_date", "total"],
    ).to_parquet(tmp_path / "orders.parquet")
    config, result = draft(sorted(tmp_path.glob("*.parquet")), tmp_path, capsys)
    assert config["data"]["leads"]["columns"]["created_at"] == {"column": "signup_at", "unit": "s"}
    assert config["data"]["events"]["columns"]["occurred_at"] == {"column": "ts", "unit": "ms"}
    assert config["data"]["outcomes"]["stage"] == "closed_won"
    assert any(
        text.startswith("data.outcomes.stage: every row is taken for a win") for text in result["to_check"]
    )


def test_sheets_of_a_workbook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = make_leads(600)
    with pd.ExcelWriter(tmp_path / "crm.xlsx") as book:
        people = pd.DataFrame({"id": [f"c{lead.number}" for lead in leads]})
        people["Created on"] = [lead.created.replace(tzinfo=None) for lead in leads]
        people.to_excel(book, sheet_name="Contacts", index=False)
        deals = pd.DataFrame({"contact": [f"c{lead.number}" for lead in leads if lead.won]})
        deals["Won on"] = [lead.ended.replace(tzinfo=None) for lead in leads if lead.ended and lead.won]
        deals.to_excel(book, sheet_name="Deals", index=False)
    config, result = draft([tmp_path / "crm.xlsx"], tmp_path, capsys)
    assert (config["data"]["leads"]["sheet"], config["data"]["outcomes"]["sheet"]) == ("Contacts", "Deals")
    assert config["problem"]["snapshots"] == {"ages": ["0d"]}  # no events: a lead is the same at any age
    assert result["wins"] == sum(lead.won for lead in leads)


def test_a_flat_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"Prospect ID": f"p{n * 7919 % 1000}", "Lead Number": str(500_000 + n), "Visits": str(n % 9),
         "Converted": str(int((n % 9 + n * 31 % 11) > 11))}
        for n in range(1_000)
    ]  # fmt: skip
    config, _ = draft([write_rows(tmp_path / "leads.csv", rows)], tmp_path, capsys)
    assert config["data"]["flat"] == {
        "path": "leads.csv", "lead_id": "Prospect ID", "order": "Lead Number", "label": "Converted", "positive": 1,
    }  # fmt: skip


@pytest.mark.parametrize("write", [write_salesforce, write_hubspot, write_german, write_pipedrive])
def test_the_order_of_the_files_does_not_matter(
    write: Callable[[Path, list[Lead]], list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path, make_leads(500))
    data = []
    for number, order in enumerate((files, files[::-1], [*files[1:], files[0]])):
        out = tmp_path / f"{number}.yml"
        code, text = run(capsys, "init", *map(str, order), "--out", str(out))
        assert code == 0, text
        data.append(yaml.safe_load(out.read_text(encoding="utf-8"))["data"])
        if isinstance(data[-1].get("events"), list):
            data[-1]["events"].sort(key=lambda table: table["path"])
    assert data[0] == data[1] == data[2]


def test_what_init_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = make_leads(500)
    files = write_pipedrive(tmp_path, leads)
    code, text = run(capsys, "init", *map(str, files), "--out", str(tmp_path / "new.yml"))
    acts, deals = sum(len(lead.acts) for lead in leads), sum(lead.ended is not None for lead in leads)
    assert code == 0
    assert text.splitlines()[:4] == [
        "Leads     500 rows of people.csv, leads by column 'Person - ID'",
        f"Events    {acts:,} rows of activities.csv, leads by column 'Activity - Person ID'",
        f"Outcomes  {deals:,} rows of deals.csv, leads by column 'Deal - Person ID'",
        f"Wins      {sum(lead.won for lead in leads):,} among 500 leads",
    ]
    assert text.splitlines()[-1].startswith("Next      read ")


def test_history_and_spend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leads = make_leads(400)
    files = write_german(tmp_path, leads)
    changes = [
        {
            "lead id": f"L-{lead.number}",
            "Field": "title",
            "New value": "VP",
            "Changed at": lead.created.isoformat(),
        }
        for lead in leads
    ]
    costs = [{"Day": f"2024-10-{day:02}", "Source": "ads", "Cost": "12.50"} for day in range(1, 29)]
    files += [write_rows(tmp_path / name, changes) for name in ("changes.csv", "older.csv")]
    files += [write_rows(tmp_path / "ads.csv", costs)]
    config, result = draft(files, tmp_path, capsys)
    assert config["data"]["history"]["columns"] == {
        "lead_id": "lead id", "field": "Field", "value": "New value", "valid_from": "Changed at",
    }  # fmt: skip
    assert config["spend"]["columns"] == {"source": "Source", "day": "Day", "cost": "Cost"}
    assert "older.csv is not used: history is read from one file only" in result["to_check"]


def test_paths_start_at_the_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "work").mkdir()
    files = write_german(tmp_path / "exports", make_leads(400))
    monkeypatch.chdir(tmp_path / "exports")
    config, _ = draft([Path(file.name) for file in files], tmp_path / "work", capsys)
    assert config["data"]["leads"]["path"] == os.path.join("..", "exports", "leads.csv")


def test_what_was_written_before_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_german(tmp_path, make_leads(100))
    (tmp_path / "mqlml.yml").write_text("mine")
    code, text = run(capsys, "init", *map(str, files), "--out", str(tmp_path / "mqlml.yml"))
    assert (code, "exists, and what you wrote there is not replaced" in text) == (4, True)
    assert (tmp_path / "mqlml.yml").read_text() == "mine"


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["gone.csv"], "there is no file"),
        (["."], "is a folder; name the files in it"),
        (["leads.csv", "leads.csv"], "is named twice"),
        (["twice.csv"], "one file must hold the leads"),
        (["leads.csv", "events.csv"], "no file says which of them were won and when"),
        (["empty.csv"], "has a header and no rows"),
    ],
)
def test_what_cannot_be_drafted_is_said(
    names: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leads = make_leads(300)
    write_rows(
        tmp_path / "leads.csv", [{"id": str(n.number), "created": n.created.isoformat()} for n in leads]
    )
    write_rows(
        tmp_path / "events.csv",
        [{"id": str(n.number), "at": n.created.isoformat(), "event": "x"} for n in leads],
    )
    write_rows(
        tmp_path / "twice.csv", [{"id": str(n.number % 9), "at": n.created.isoformat()} for n in leads]
    )
    (tmp_path / "empty.csv").write_text("id,created\n")
    out = tmp_path / "new.yml"
    code, text = run(capsys, "init", *(str(tmp_path / name) for name in names), "--out", str(out))
    assert (code, says in text, out.exists()) == (1, True, False), text


def test_a_file_that_fits_nowhere_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_german(tmp_path, make_leads(300))
    other = write_rows(
        tmp_path / "offices.csv", [{"city": "Ulm", "rent": "900"}, {"city": "Bonn", "rent": "800"}]
    )
    _, result = draft([*files, other], tmp_path, capsys)
    assert any(text.startswith("offices.csv is not used") for text in result["to_check"])


def test_events_of_leads_that_are_gone_do_not_hide_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_hubspot(tmp_path, make_leads())
    people = (tmp_path / "contacts.csv").read_text(encoding="utf-8-sig").splitlines(keepends=True)
    (tmp_path / "contacts.csv").write_text("".join(people[:800]), encoding="utf-8")
    out = tmp_path / "mqlml.yml"
    code, _ = run(capsys, "init", *map(str, files), "--out", str(out))
    data = yaml.safe_load(out.read_text(encoding="utf-8"))["data"]
    assert (code, data["events"]["columns"]["lead_id"]) == (0, "Contact ID")


def test_counts_of_rows_are_no_ids_of_leads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_pipedrive(tmp_path, make_leads())
    path = tmp_path / "activities.csv"
    rows = [line.rsplit(",", 1)[0] for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("\n".join(rows), encoding="utf-8")  # without the ids of people
    config, result = draft(files, tmp_path, capsys)
    assert "events" not in config["data"]
    assert any(text.startswith("activities.csv is not used") for text in result["to_check"])


@pytest.mark.parametrize(("folder", "wins"), [("olist", 842), ("dbt_crm", 317)], ids=["olist", "dbt_crm"])
def test_real_exports(
    folder: str, wins: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], real_data: Path
) -> None:
    _, result = draft(sorted((real_data / folder).glob("*.csv")), tmp_path, capsys)
    assert result["wins"] == wins
