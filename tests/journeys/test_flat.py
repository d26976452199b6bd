"""Flat tables: which label wins, what stands for time, and what is left as attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mqlml.config import Config
from mqlml.errors import ContractError, MqlmlError, QuarantineError
from mqlml.journeys import FlatTable, read_flat

from .files import config, findings, write

TABLE = "id,number,country,visits,won,org\na,30,US,1,1,7\nb,10,Select,,0,7.0\nc,20,DE,3,,\nd,20,US,4,1,8\n"


def flat_config(folder: Path, *, max_quarantined: float = 1.0, **keys: Any) -> Config:
    usual = {"path": "flat.csv", "lead_id": "id", "label": "won", "order": "number"}
    return config(
        folder,
        leads=None, events=None, outcomes=None, observed_until=None, max_quarantined=max_quarantined,
        flat=usual | keys,
    )  # fmt: skip


def read(folder: Path, content: str | pa.Table = TABLE, **keys: Any) -> FlatTable:
    name = keys.setdefault("path", "flat.csv")
    write(folder, {name: content})
    return read_flat(flat_config(folder, **keys))


def test_a_flat_table(tmp_path: Path) -> None:
    flat = read(tmp_path, account_id="org", missing=["Select"])
    expected = pd.DataFrame(
        {
            "lead_id": pd.Series(["a", "b", "c", "d"], dtype="str"),
            "account_id": pd.Series(["7", "7", None, "8"], dtype="str"),
            "country": pd.Series(["US", None, "DE", "US"], dtype="str"),
            "visits": [1.0, np.nan, 3.0, 4.0],
        }
    )
    pd.testing.assert_frame_equal(flat.leads, expected)
    pd.testing.assert_series_equal(flat.label, pd.Series([1, 0, np.nan, 1]))
    pd.testing.assert_series_equal(flat.order, pd.Series([2, 0, 1, 1]))
    assert flat.quarantine.empty
    assert flat.rows_read == {"flat": 4}


@pytest.mark.parametrize(
    ("values", "positive", "expected"),
    [
        (["1", "0", "1.0", ""], 1, [1, 0, 1, np.nan]),
        (["1", "0", "1.0", "Select"], "1", [1, 0, 1, np.nan]),
        (["True", "FALSE", "true", None], True, [1, 0, 1, np.nan]),
        (["yes", "no", " yes ", "Yes"], "yes", [1, 0, 1, 1]),
        (["won", "lost", "signed", "open"], ["won", "signed"], [1, 0, 1, 0]),
        ([True, False, None, True], "true", [1, 0, np.nan, 1]),
        ([1, 0, None, 2], [1, 2], [1, 0, np.nan, 1]),
        ([1.0, 0.0, None, 0.5], 1, [1, 0, np.nan, 0]),
    ],
    ids=["numbers", "missing word", "truths", "words", "several", "typed truths", "integers", "floats"],
)
def test_labels(tmp_path: Path, values: list[Any], positive: Any, expected: list[float]) -> None:
    content = pa.table({"id": [1, 2, 3, 4], "number": [1, 2, 3, 4], "won": values})
    flat = read(tmp_path, content, path="flat.parquet", positive=positive, missing=["Select"])
    pd.testing.assert_series_equal(flat.label, pd.Series(expected, dtype="float64"))


@pytest.mark.parametrize(
    ("columns", "order", "expected"),
    [
        ({"n": ["30", "4", "4"]}, "n", [1, 0, 0]),
        ({"n": ["-1.5", "1e2", "7"]}, "n", [0, 2, 1]),
        ({"n": [str(2**60 + 1), str(2**60), "5"]}, "n", [2, 1, 0]),
        ({"n": ["2024-02-01", "2023-12-31T23:00Z", "2024-01-01"]}, "n", [2, 0, 1]),
        ({"n": ["01/02/2024", "31/01/2024", "01/12/2023"]}, {"column": "n", "format": "%d/%m/%Y"}, [2, 1, 0]),
        ({"n": ["20240102", "20230102", "20231231"]}, {"column": "n", "format": "%Y%m%d"}, [2, 0, 1]),
        ({"year": ["2024", "2023", "2024"], "month": ["1", "12", "10"]}, ["year", "month"], [1, 0, 2]),
        ({"year": ["2024", "2023", "2024"], "month": ["1", "12", "10"]}, ["month", "year"], [0, 2, 1]),
        ({"n": ["007", "08", "1"]}, "n", [1, 2, 0]),
    ],
    ids=["integers", "floats", "beyond floats", "dates", "dd/mm/yyyy", "yyyymmdd", "two columns", "the other way",
         "zeros in front"],
)  # fmt: skip
def test_orders(tmp_path: Path, columns: dict[str, list[str]], order: Any, expected: list[int]) -> None:
    frame = pd.DataFrame({"id": [1, 2, 3], "won": [0, 1, 1], "x": [5, 6, 7], **columns})
    flat = read(tmp_path, frame.to_csv(index=False), order=order)
    pd.testing.assert_series_equal(flat.order, pd.Series(expected))
    assert flat.leads.columns.tolist() == ["lead_id", "x"]


def test_typed_dates_as_order(tmp_path: Path) -> None:
    dates = pa.array([19_000, 18_000, None], pa.date32())
    flat = read(tmp_path, pa.table({"id": [1, 2, 3], "won": [0, 1, 1], "number": dates}), path="flat.parquet")
    assert flat.order.tolist() == [1, 0]
    assert flat.times is not None
    assert [f"{time:%Y-%m-%d}" for time in flat.times] == ["2022-01-08", "2019-04-14"]
    assert findings(flat.quarantine) == [("flat", 3, "number", None, "required value is missing")]


@pytest.mark.parametrize(
    ("columns", "order", "known"),
    [
        ({"day": ["2024-03-01", "2023-03-01", "2024-01-01"]}, "day", True),
        ({"n": ["3", "1", "2"]}, "n", False),
        ({"day": ["2024-03-01", "2023-03-01", "2024-01-01"], "n": ["1", "2", "3"]}, ["day", "n"], True),
        ({"day": ["2024-03-01", "2023-03-01", "2024-01-01"], "n": ["1", "2", "3"]}, ["n", "day"], False),
    ],
    ids=["dates", "numbers", "dates, then numbers", "numbers, then dates"],
)
def test_times_are_kept_where_they_are_the_order(
    tmp_path: Path, columns: dict[str, list[str]], order: Any, known: bool
) -> None:
    frame = pd.DataFrame({"id": [1, 2, 3], "won": [0, 1, 1], **columns})
    flat = read(tmp_path, frame.to_csv(index=False), order=order)
    assert (flat.times is not None) is known
    if flat.times is not None:
        assert flat.times.dt.strftime("%Y-%m-%d").tolist() == columns["day"]


def test_bad_rows(tmp_path: Path) -> None:
    flat = read(
        tmp_path,
        "id,number,won,x\na,1,1,1\n,2,1,1\nb,x,1,1\na,4,0,1\nc,5,0,inf\nd,,0\ne,7,0,2\n",
    )
    assert findings(flat.quarantine) == [
        ("flat", 2, "id", None, "required value is missing"),
        ("flat", 3, "number", "x", "not a number"),
        ("flat", 4, "id", "a", "duplicate key"),
        ("flat", 5, "x", "inf", "not a finite number"),
        ("flat", 6, "", "d,,0", "line has fewer fields than the header"),
    ]
    assert flat.rows_read == {"flat": 7}
    assert flat.leads["lead_id"].tolist() == ["a", "e"]
    assert flat.label.tolist() == [1, 0]
    assert flat.order.tolist() == [0, 1]
    assert flat.leads.index.tolist() == flat.label.index.tolist() == flat.order.index.tolist() == [0, 1]


def test_new_leads_may_lack_label_and_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = flat_config(write(tmp_path, {"flat.csv": TABLE}))
    monkeypatch.chdir(write(tmp_path / "inbox", {"new.csv": "id,country,visits,org\nx,US,2,9\ny,,,\n"}))
    flat = read_flat(made, "new.csv")
    assert flat.leads.columns.tolist() == ["lead_id", "country", "visits", "org"]
    assert flat.leads["lead_id"].tolist() == ["x", "y"]
    assert flat.label.isna().all()
    assert flat.label.dtype == "float64"
    assert flat.order.tolist() == [0, 0]
    write(tmp_path, {"open.csv": "id,country,visits,org,won\nx,US,2,9,0\n"})
    assert read_flat(made, tmp_path / "open.csv").label.tolist() == [0], (
        "nobody of the new ones need have won"
    )
    assert read_flat(made, tmp_path / "flat.csv").label.tolist()[:2] == [1, 0]


def test_a_source_column_called_lead_id_stays_an_attribute(tmp_path: Path) -> None:
    flat = read(tmp_path, "id,number,won,lead_id\na,1,1,x\n")
    assert flat.leads.columns.tolist() == ["lead_id", "lead_id_in_source"]


@pytest.mark.parametrize(
    ("content", "keys", "error", "words"),
    [
        (TABLE, {"label": "Won"}, ContractError, r"'Won'; did you mean 'won'\? it is named by data.flat.label"),
        (TABLE, {"order": ["number", "day"]}, ContractError, "no column 'day'; it is named by data.flat.order"),
        (TABLE, {"lead_id": "key"}, ContractError, "it is named by data.flat.lead_id"),
        (TABLE, {"account_id": "acc"}, ContractError, "it is named by data.flat.account_id"),
        (TABLE, {"positive": "yes"}, ContractError,
         r"no row's 'won' is data.flat.positive, 'yes'.*Found: '1' \(2 rows\), '0' \(1 rows\)"),
        ("id,number,won\n", {}, ContractError, "has a header and no rows"),
        ("id,number,won\na,soon,1\nb,later,0\n", {"max_quarantined": 0.1}, QuarantineError,
         r"2 × not an ISO date or time.\nFor example row 1 of flat.csv: number = 'soon'. Say how it is written, as "
         r"data.flat.order: {column: number, format"),
    ],
    ids=["label", "order", "lead_id", "account_id", "positive", "no rows", "order is no time"],
)  # fmt: skip
def test_flat_tables_that_break_the_contract(
    tmp_path: Path, content: str, keys: dict[str, Any], error: type[MqlmlError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        read(tmp_path, content, **keys)
    assert str(caught.value).count("\n") <= 1
