"""The real data sets: what is read of them, counted once by hand with other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from mqlml.config import make_config
from mqlml.journeys import Journeys, read_flat, read_journeys


def journeys(folder: Path, **data: Any) -> Journeys:
    return read_journeys(make_config({"name": "real", "data": data}, folder=folder))


def test_olist(real_data: Path) -> None:
    read = journeys(
        real_data / "olist",
        timezone="America/Sao_Paulo",
        observed_until="2018-11-14",
        leads={
            "path": "olist_marketing_qualified_leads_dataset.csv",
            "columns": {"lead_id": "mql_id", "created_at": "first_contact_date"},
        },
        outcomes={
            "path": "olist_closed_deals_dataset.csv",
            "columns": {"lead_id": "mql_id", "occurred_at": "won_date", "amount": "declared_monthly_revenue"},
            "stage": "closed_won",
        },
    )
    assert read.rows_read == {"leads": 8000, "outcomes": 842}
    assert read.quarantine.empty
    assert read.leads["lead_id"].dtype == "str"
    assert read.leads["origin"].isna().sum() == 60
    # 2017-10-15 began at 01:00 in Brazil; every other day begins at midnight, three or two hours behind UTC.
    assert set(read.leads["created_at"].dt.hour) == {2, 3}
    won = read.outcomes.merge(read.leads[["lead_id", "created_at"]], on="lead_id")
    assert (won["occurred_at"] < won["created_at"]).sum() == 1
    assert read.outcomes["amount"].notna().sum() == 842


def test_relax(real_data: Path) -> None:
    created = {"column": "creation_time", "format": "%d-%m-%Y %H:%M"}
    columns = {"lead_id": "object_id", "account_id": "invited_by_user_id", "created_at": created}
    logins = (
        "select user_id as lead_id, time_stamp as occurred_at, 'login' as action from 'user_engagement.csv'"
    )
    read = journeys(
        real_data / "relax",
        observed_until="2014-06-06",
        leads={"path": "users.csv", "columns": columns},
        events={"sql": logins},
        outcomes={
            "path": "users.csv",
            "columns": {
                "lead_id": "object_id",
                "occurred_at": {"column": "creation_time", "format": "%d-%m-%Y %H:%M"},
            },
            "stage": "mql",
        },
    )
    assert read.rows_read == {"leads": 12_000, "events": 207_917, "outcomes": 12_000}
    assert read.quarantine.empty
    assert read.leads["lead_id"].dtype == "int64"
    assert read.leads["account_id"].dropna().iloc[:2].tolist() == ["10803", "316"]
    assert read.leads["created_at"].iloc[0] == pd.Timestamp("2014-04-22 03:53", tz="UTC")
    assert read.leads["last_session_creation_time"].dtype == "float64"


def test_codecademy(real_data: Path) -> None:
    source = {"path": "attribution.csv"}
    at = {"column": "timestamp", "format": "%m/%d/%y %H:%M"}
    read = journeys(
        real_data / "codecademy",
        observed_until="2018-02-04",
        max_quarantined=1,
        leads=source | {"columns": {"lead_id": "user_id", "created_at": at}},
        events=source
        | {
            "columns": {
                "lead_id": "user_id",
                "occurred_at": at,
                "action": "page_name",
                "channel": "utm_source",
            }
        },
        outcomes=source
        | {
            "columns": {"lead_id": "user_id", "occurred_at": at, "stage": "page_name"},
            "stages": {"4 - purchase": "closed_won"},
        },
    )
    assert len(read.leads) == 1979
    assert len(read.events) == 5692
    assert len(read.outcomes) == 361
    assert read.quarantine.groupby("table")["reason"].agg(["nunique", "first", "size"]).to_dict("index") == {
        "leads": {"nunique": 1, "first": "duplicate key", "size": 5692 - 1979},
        "outcomes": {"nunique": 1, "first": "unknown stage", "size": 5692 - 361},
    }
    assert read.events["action"].cat.categories.tolist() == [
        "1 - landing_page", "2 - shopping_cart", "3 - checkout", "4 - purchase",
    ]  # fmt: skip


def test_dbt_crm(real_data: Path) -> None:
    read = journeys(
        real_data / "dbt_crm",
        observed_until="2022-05-16",
        leads={"path": "leads.csv", "columns": {"lead_id": "id"}},
        outcomes={
            "sql": "select id, converted_at from 'leads.csv' where converted_at is not null",
            "columns": {"lead_id": "id", "occurred_at": "converted_at"},
            "stage": "opportunity",
        },
    )
    assert read.rows_read == {"leads": 946, "outcomes": 461}
    assert read.quarantine.empty
    assert (read.leads.dtypes.drop(["created_at"]) == "str").all()


def test_x_education(real_data: Path) -> None:
    flat = {
        "path": "Leads.csv", "lead_id": "Prospect ID", "label": "Converted", "order": "Lead Number",
        "missing": ["Select"],
    }  # fmt: skip
    read = read_flat(make_config({"name": "real", "data": {"flat": flat}}, folder=real_data / "xeducation"))
    assert read.leads.shape == (9240, 35)
    assert read.quarantine.empty
    assert read.label.sum() == 3561
    assert read.order.is_unique
    assert not (read.leads.select_dtypes("str") == "Select").any(axis=None)
    assert read.leads.select_dtypes("float64").columns.tolist() == [
        "TotalVisits", "Total Time Spent on Website", "Page Views Per Visit", "Asymmetrique Activity Score",
        "Asymmetrique Profile Score",
    ]  # fmt: skip
