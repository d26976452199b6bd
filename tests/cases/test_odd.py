"""Odd tables: long ids, nested and binary Parquet types, dictionaries, old timestamps, decimals, many columns."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mqlml.errors import ContractError
from mqlml.journeys import Journeys
from tests.journeys.files import findings, read

DAYS = [dt.datetime(2024, 1, day, 10, tzinfo=dt.UTC) for day in (1, 2, 3)]
"""The usual events are of the leads 1 and 2."""


def leads(**columns: Any) -> pa.Table:
    usual = {"lead_id": pa.array([1, 2, 3]), "created_at": pa.array(DAYS, pa.timestamp("us", "UTC"))}
    return pa.table({**usual, **columns})


def read_leads(folder: Path, table: pa.Table, **options: Any) -> Journeys:
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / "leads.parquet", **options)
    return read(folder, {}, leads={"path": "leads.parquet"})


READ: dict[str, tuple[Any, list[Any]]] = {
    "list": (pa.array([["a", "b"], [], None]), ["['a', 'b']", "[]", np.nan]),
    "struct": (pa.array([{"a": 1}, {"a": 2}, None]), ["{'a': 1}", "{'a': 2}", np.nan]),
    "map": (pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())), ["[('a', 1)]", "[]", np.nan]),
    "bytes": (pa.array([b"ab", b"\xffc", None]), ["ab", "\\xffc", np.nan]),
    "dictionary": (pa.array(["x", "y", None]).dictionary_encode(), ["x", "y", np.nan]),
    "dictionary of numbers": (pa.array([7, 8, None]).dictionary_encode(), [7, 8, np.nan]),
    "decimal": (pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.25"), None]), [1.5, 2.25, np.nan]),
    "large text": (pa.array(["x", "y", None], pa.large_string()), ["x", "y", np.nan]),
    "text view": (pa.array(["x", "y", None], pa.string_view()), ["x", "y", np.nan]),
    "nothing": (pa.nulls(3), [np.nan] * 3),
    "day": (pa.array([dt.date(2024, 1, 1), None, None]), ["2024-01-01", np.nan, np.nan]),
    "duration": (pa.array([90, 60, None], pa.duration("s")), [90, 60, np.nan]),
    "half": (pa.array(np.array([0.5, 1, 2], np.float16)), [0.5, 1, 2]),
}


@pytest.mark.parametrize(("column", "expected"), READ.values(), ids=READ.keys())
def test_attributes_of_every_parquet_type_are_read(column: Any, expected: list[Any], tmp_path: Path) -> None:
    found = read_leads(tmp_path, leads(odd=column)).leads["odd"].tolist()
    assert [None if value != value else value for value in found] == [
        None if value != value else value for value in expected
    ]


def test_old_timestamps_are_the_instants_that_they_mean(tmp_path: Path) -> None:
    journeys = read_leads(tmp_path, leads(), use_deprecated_int96_timestamps=True)
    assert journeys.leads["created_at"].tolist() == DAYS


IDS: dict[str, tuple[Any, list[Any]]] = {
    "dictionary": (pa.array(["1", "2", "3"]).dictionary_encode(), ["1", "2", "3"]),
    "decimal": (pa.array([decimal.Decimal(n) for n in (1, 2, 3)]), ["1", "2", "3"]),
    "bytes": (pa.array([b"1", b"2", b"3"]), ["1", "2", "3"]),
    "unsigned": (pa.array([1, 2, 3], pa.uint64()), ["1", "2", "3"]),
}


@pytest.mark.parametrize(("column", "expected"), IDS.values(), ids=IDS.keys())
def test_ids_of_odd_types_match_those_of_other_tables(
    column: Any, expected: list[Any], tmp_path: Path
) -> None:
    journeys = read_leads(tmp_path, leads().set_column(0, "lead_id", column))
    assert journeys.leads["lead_id"].astype("str").tolist() == expected
    assert journeys.events["lead_id"].astype("str").tolist() == ["1", "2"]


NESTED = {
    "list": pa.array([[1], [2], [3]]),
    "struct": pa.array([{"id": 1}, {"id": 2}, {"id": 3}]),
}


@pytest.mark.parametrize("column", NESTED.values(), ids=NESTED.keys())
@pytest.mark.parametrize("name", ["lead_id", "created_at"])
def test_a_nested_column_is_no_id_and_no_time(name: str, column: Any, tmp_path: Path) -> None:
    table = leads()
    place = table.column_names.index(name)
    with pytest.raises(ContractError, match=rf"'?{name}'?.* data.leads \(leads.parquet\).*(list|struct)<"):
        read_leads(tmp_path, table.set_column(place, name, column))


def test_an_id_of_a_megabyte_is_an_id_and_is_shown_shortened(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    files: dict[str, Any] = {
        "leads.csv": f"lead_id,created_at\n{long},2024-01-01\nb,2024-01-01\n",
        "events.csv": f"lead_id,occurred_at,action\n{long},2024-01-02,a\n{long}y,2024-01-02,a\n",
        "outcomes.csv": "lead_id,occurred_at,stage\nb,2024-02-01,closed_won\n",
    }
    journeys = read(tmp_path, files)
    assert journeys.leads["lead_id"].tolist() == [long, "b"]
    assert journeys.events["lead_id"].tolist() == [long]
    assert findings(journeys.quarantine) == [("events", 2, "lead_id", "x" * 200, "unknown lead")]


def test_many_columns_are_read_in_their_order(tmp_path: Path) -> None:
    names = [f"text_{n}" for n in range(600)]
    lines = [",".join(["lead_id", "created_at", *names])]
    lines += [",".join([str(row), "2024-01-01", *(f"v{row}_{n}" for n in range(600))]) for row in (1, 2, 3)]
    table = read(tmp_path, {"leads.csv": "\n".join(lines) + "\n"}).leads
    assert table.columns[2:].tolist() == names
    assert table.iloc[2, -1] == "v3_599"
