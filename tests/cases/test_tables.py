"""One file that is several tables, several files that are one, and files as they are packed."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest

from mqlml.config import make_config
from mqlml.errors import ConfigError, ContractError, QuarantineError, SourceError
from mqlml.journeys import FlatTable, read_flat
from tests.journeys.files import LEADS, findings, read, write

CONTACTS = (
    "Record ID,Create Date,Became MQL,Became a Customer Date,Amount\n"
    "1,2024-01-01 10:00,2024-01-05 11:00,2024-02-01 12:00,900\n2,2024-01-02 10:00,2024-01-06 10:00,,\n"
    "3,2024-01-03 10:00,,,\n"
)
HUBSPOT: dict[str, Any] = {
    "leads": {"path": "contacts.csv", "columns": {"lead_id": "Record ID", "created_at": "Create Date"}},
    "outcomes": {
        "path": "contacts.csv",
        "columns": {"lead_id": "Record ID", "amount": "Amount"},
        "stage_dates": {"Became MQL": "mql", "Became a Customer Date": "closed_won"},
    },
}


def rows(table: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in table[list(columns)].astype("str").fillna("-").itertuples(index=False)]


def test_stage_dates_in_columns_are_outcomes_and_blank_ones_are_none(tmp_path: Path) -> None:
    journeys = read(tmp_path, {"contacts.csv": CONTACTS}, **HUBSPOT, max_quarantined=0.0)
    assert rows(journeys.outcomes, "lead_id", "stage", "occurred_at", "amount") == [
        ("1", "mql", "2024-01-05 11:00:00+00:00", "-"),
        ("2", "mql", "2024-01-06 10:00:00+00:00", "-"),
        ("1", "closed_won", "2024-02-01 12:00:00+00:00", "900.0"),
    ]
    assert journeys.rows_read["outcomes"] == 3


def test_a_stage_date_that_is_none_is_set_aside(tmp_path: Path) -> None:
    contacts = CONTACTS.replace("2024-02-01 12:00", "soon")
    journeys = read(tmp_path, {"contacts.csv": contacts}, **HUBSPOT)
    assert findings(journeys.quarantine) == [
        ("outcomes", 1, "Became a Customer Date", "soon", "not an ISO date or time")
    ]
    lacking = {**HUBSPOT["outcomes"], "stage_dates": {"Became a customer": "closed_won"}}
    with pytest.raises(
        ContractError, match="did you mean 'Became a Customer Date'. it is named in data.outcomes.stage_d"
    ):
        read(tmp_path, {"contacts.csv": CONTACTS}, **{**HUBSPOT, "outcomes": lacking})


def test_blank_dates_of_one_stage_are_told_what_to_write(tmp_path: Path) -> None:
    outcomes = {
        "path": "contacts.csv",
        "columns": {"lead_id": "Record ID", "occurred_at": "Became a Customer Date"},
        "stage": "closed_won",
    }
    remedy = "write data.outcomes.stage_dates: {Became a Customer Date: closed_won} in place of stage"
    with pytest.raises(QuarantineError, match=remedy):
        read(tmp_path, {"contacts.csv": CONTACTS}, **{**HUBSPOT, "outcomes": outcomes}, max_quarantined=0.1)


def test_stage_dates_and_a_stage_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="data.outcomes: 'stage_dates' says both the stage and its date; remove"
    ):
        read(tmp_path, {"contacts.csv": CONTACTS}, outcomes={**HUBSPOT["outcomes"], "stage": "mql"})


def test_several_event_tables_and_a_constant_action(tmp_path: Path) -> None:
    fairs = {"path": "fairs.csv", "columns": {"lead_id": "visitor", "action": {"constant": "fair"}}}
    files: dict[str, Any] = {"fairs.csv": "visitor,occurred_at\n1,2024-01-09\n7,2024-01-09\n"}
    journeys = read(tmp_path, files, events=[{"path": "events.csv"}, fairs])
    assert rows(journeys.events, "lead_id", "action") == [("1", "visit"), ("2", "demo"), ("1", "fair")]
    assert journeys.rows_read["events"] == 4
    assert findings(journeys.quarantine) == [("events", 2, "visitor", "7", "unknown lead")]
    with pytest.raises(
        ContractError, match=r"data\.events\[0\] .* has no column 'action'; .*constant: touch"
    ):
        read(tmp_path, files, events=[{"path": "fairs.csv", "columns": {"lead_id": "visitor"}}])
    with pytest.raises(
        ConfigError, match=r"data\.events\.columns\.occurred_at must name a column; a constant can"
    ):
        read(tmp_path, files, events={"path": "events.csv", "columns": {"occurred_at": {"constant": "2024"}}})


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ({"true": "closed_won", "false": "ignore"}, ["TRUE", "false"]),
        ({"Yes": "closed_won", "No": "ignore"}, ["yes", "NO"]),
        ({"Closed Won": "closed_won", "In talks": "ignore"}, ["closed  won", "IN TALKS"]),
    ],
    ids=["truths", "answers", "spacing"],
)
def test_words_that_are_stages_and_words_that_are_none(
    stages: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    outcomes = f"lead_id,occurred_at,stage\n1,2024-02-01,{words[0]}\n2,2024-02-01,{words[1]}\n"
    spec = {"path": "outcomes.csv", "stages": stages}
    journeys = read(tmp_path, {"outcomes.csv": outcomes}, outcomes=spec, max_quarantined=0.0)
    assert rows(journeys.outcomes, "lead_id", "stage") == [("1", "closed_won")]
    assert [(notice.kind, notice.rows) for notice in journeys.notices] == [("ignored_stages", 1)]


def test_a_truth_column_of_parquet_is_a_stage(tmp_path: Path) -> None:
    table = pa.table({"lead_id": [1, 2], "occurred_at": ["2024-02-01"] * 2, "stage": [True, False]})
    spec = {"path": "deals.parquet", "stages": {"true": "closed_won", "false": "closed_lost"}}
    journeys = read(tmp_path, {"deals.parquet": table}, outcomes=spec)
    assert rows(journeys.outcomes, "lead_id", "stage") == [("1", "closed_won"), ("2", "closed_lost")]


def flat(folder: Path, path: str, **keys: Any) -> FlatTable:
    section = {"path": path, "lead_id": "id", "label": "won", "positive": True, "order": "day", **keys}
    named = {name: value for name, value in section.items() if value is not None}
    return read_flat(make_config({"name": "w", "data": {"flat": named}}, folder=folder))


FLAT = "id,day,won,size\n7,2024-01-01,Yes,3\n8,2024-01-02,no,4\n9,2024-01-03,YES,5\n"


def test_a_flat_table_says_all_that_it_lacks_and_can_number_its_rows(tmp_path: Path) -> None:
    write(tmp_path, {"flat.csv": FLAT})
    with pytest.raises(ConfigError, match=r"data\.flat: needs 'lead_id' and 'order': .*number_rows: true"):
        flat(tmp_path, "flat.csv", lead_id=None, order=None)
    table = flat(tmp_path, "flat.csv", lead_id=None, order=None, number_rows=True)
    assert table.leads["lead_id"].tolist() == [1, 2, 3]
    assert table.order.tolist() == [0, 1, 2]
    assert table.label.tolist() == [1, 0, 1]


def zipped(**members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"export/{name}.csv", text)
    return file.getvalue()


def workbook(*sheets: str) -> bytes:
    book = openpyxl.Workbook()
    for number, name in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet()
        assert sheet is not None
        sheet.title = name
        sheet.append(["id", "day", "won", "size"])
        for row, won in enumerate([True, False, True]):
            sheet.append([row + 7, pd.Timestamp(2024, 1, row + 1, 10).to_pydatetime(), won, row + 3])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "keys"),
    [
        ("flat.csv.gz", gzip.compress(FLAT.encode()), {}),
        ("flat.zip", zipped(leads=FLAT), {}),
        ("flat.csv", FLAT.replace("size", "größe").encode("latin-1"), {"encoding": "latin-1"}),
        ("flat.xlsx", workbook("Leads"), {}),
        ("named-wrong.csv", workbook("Leads"), {}),
        ("two.xlsx", workbook("Old", "Leads"), {"sheet": "Leads"}),
    ],
    ids=["gzip", "zip", "latin-1", "Excel", "Excel called CSV", "a sheet of two"],
)
def test_files_as_they_are_packed(name: str, data: bytes, keys: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, {name: data})
    table = flat(tmp_path, name, **keys)
    assert table.leads["lead_id"].tolist() == [7, 8, 9]
    assert table.leads.iloc[:, 1].tolist() == [3, 4, 5]
    assert table.label.tolist() == [1, 0, 1]
    assert table.order.tolist() == [0, 1, 2]


LONG = FLAT + "".join(f"{n},2024-02-01,no,4\n" for n in range(10, 9000))
DAMAGED = {
    "broken off": (
        "a.csv.gz",
        gzip.compress(LONG.encode())[:-4000],
        "a.csv.gz cannot be unpacked to its end",
    ),
    "garbage behind": (
        "a.csv.gz",
        gzip.compress(FLAT.encode()) + b"garbage",
        "cannot be unpacked to its end",
    ),
    "broken archive": ("a.zip", zipped(leads=FLAT)[:-30], "a.zip cannot be unpacked to its end"),
    "two files": (
        "a.zip",
        zipped(leads=FLAT, deals=FLAT),
        r"must hold one file and holds 2 \('export/leads.csv', ",
    ),
    "no workbook": ("a.xlsx", b"PK\x03\x04" + bytes(99), "a.xlsx cannot be read as an Excel workbook"),
    "which sheet": (
        "a.xlsx",
        workbook("Old", "Leads"),
        "several sheets with rows, 'Old', 'Leads'; name one, as sheet: Old",
    ),
    "latin-1 unsaid": (
        "a.csv",
        FLAT.replace("no", "nö").encode("latin-1"),
        "a.csv is not utf-8 text; name its encoding",
    ),
}


@pytest.mark.parametrize(("name", "data", "message"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_files_are_named(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    write(tmp_path, {name: data})
    with pytest.raises(SourceError, match=message):
        flat(tmp_path, name)


def test_leads_are_unharmed_by_an_unknown_column(tmp_path: Path) -> None:
    assert list(read(tmp_path, {"leads.csv": LEADS}).leads.columns) == ["lead_id", "created_at", "country"]
