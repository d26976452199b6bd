"""Journeys from files: what is kept, what is set aside and why, and that nothing disappears on the way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.errors import ConfigError, ContractError, MqlmlError, QuarantineError
from mqlml.journeys import Journeys, read_flat, read_journeys
from mqlml.journeys.contract import empty_table
from mqlml.journeys.leadids import LeadIds

from .files import config, findings, read, write

INSTANT = "datetime64[us, UTC]"


def times(series: pd.Series) -> list[str]:
    return series.dt.strftime("%m-%d %H:%M").tolist()


def test_columns_are_mapped_and_every_type_is_the_contracts(tmp_path: Path) -> None:
    journeys = read(
        tmp_path,
        {
            "leads.csv": "Id,Signed up,Org,Country,Employees,created_at\n"
            "7,2024-01-01,12.0, US ,10,x\n8,2024-01-02,,,,y\n",
            "events.csv": "who,what,when,loaded,via,n,ignored\n"
            "7,visit,2024-01-03 10:00,2024-01-04,email,1.5,z\n8,demo,2024-01-03 11:00,,,,\n",
            "outcomes.csv": "who,won,revenue,why\n8,2024-02-01,99,price\n",
        },
        timezone="Europe/Berlin",
        leads={
            "path": "leads.csv",
            "columns": {"lead_id": "Id", "created_at": "Signed up", "account_id": "Org", "region": "Country"},
        },
        events={
            "path": "events.csv",
            "columns": {
                "lead_id": "who", "action": "what", "occurred_at": "when", "recorded_at": "loaded",
                "channel": "via", "value": "n",
            },
        },
        outcomes={
            "path": "outcomes.csv",
            "columns": {"lead_id": "who", "occurred_at": "won", "amount": "revenue", "reason": "why"},
            "stage": "closed_won",
        },
    )  # fmt: skip
    assert journeys.leads.dtypes.astype("str").to_dict() == {
        "lead_id": "int64", "created_at": INSTANT, "account_id": "str", "region": "str", "Employees": "float64",
        "created_at_in_source": "str",
    }  # fmt: skip
    assert journeys.leads["account_id"].tolist() == ["12", np.nan]
    assert journeys.leads["region"].tolist() == ["US", np.nan]
    assert times(journeys.leads["created_at"]) == ["12-31 23:00", "01-01 23:00"]
    assert journeys.events.dtypes.astype("str").to_dict() == {
        "lead_id": "int64", "occurred_at": INSTANT, "recorded_at": INSTANT, "action": "category",
        "channel": "category", "value": "float64",
    }  # fmt: skip
    assert times(journeys.events["recorded_at"]) == ["01-03 23:00", "01-03 10:00"]
    assert journeys.events["channel"].tolist() == ["email", np.nan]
    assert journeys.outcomes.dtypes.astype("str").to_dict() == {
        "lead_id": "int64", "stage": "category", "occurred_at": INSTANT, "recorded_at": INSTANT,
        "amount": "float64", "reason": "str",
    }  # fmt: skip
    assert journeys.outcomes["stage"].tolist() == ["closed_won"]
    assert journeys.observed_until == dt.datetime(2024, 12, 30, 23, tzinfo=dt.UTC)
    assert journeys.rows_read == {"leads": 2, "events": 2, "outcomes": 1}
    assert journeys.quarantine.empty
    pd.testing.assert_frame_equal(journeys.history, empty_table("history"))


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    journeys = read(
        tmp_path,
        {
            "leads.csv": "lead_id,created_at,score\n"
            "a,2024-01-01,1\n"  # 1
            ",2024-01-01,1\n"  # 2 no id
            "b,01/02/2024,1\n"  # 3 no ISO date: its later twin is kept, its events are not orphans
            "b,2024-01-02,2\n"  # 4
            "a,2024-01-05,1\n"  # 5 twin of 1
            "c,2024-01-01\n"  # 6 too few fields
            "d,,inf\n"  # 7 two things wrong
            "e,2999-01-01,1\n"  # 8
            "f,2024-01-09,1\n",  # 9
            "events.csv": "event_id,lead_id,occurred_at,action,channel,value,recorded_at\n"
            "1,a,2024-01-02,visit,email,1,\n"  # 1
            "2,b,2024-01-02,visit,,x,\n"  # 2 value is a word
            "3,zz,2024-01-02,visit,,,\n"  # 3 unknown lead
            "4,d,2024-01-02,visit,,,\n"  # 4 lead in quarantine
            "5,a,2024-01-02, ,,,\n"  # 5 no action
            "6,a,2024-01-02,visit,,,later\n"  # 6 bad recorded_at
            "1,b,2024-01-03,only here,,2,\n"  # 7 repeats event 1
            ",f,2024-01-03,demo,,,2024-01-02\n"  # 8 recorded before it happened: kept
            ",f,2024-01-03,demo,,,2024-01-02\n"  # 9 the same again, without an id: kept
            "2,f,2024-01-03,demo,,,\n",  # 10 event 2 was bad, so this one is the first
            "outcomes.csv": "lead_id,occurred_at,stage,amount\n"
            "a,2023-12-01,Won,5\n"  # 1 before the lead was created: kept
            "b,,Lost,\n"  # 2
            "f,2024-02-01,Dormant,\n"  # 3
            "f,2024-02-02,,-inf\n",  # 4 two things wrong
        },
        outcomes={"path": "outcomes.csv", "stages": {"Won": "closed_won", "lost": "closed_lost"}},
    )
    assert findings(journeys.quarantine) == [
        ("leads", 2, "lead_id", None, "required value is missing"),
        ("leads", 3, "created_at", "01/02/2024", "not an ISO date or time"),
        ("leads", 5, "lead_id", "a", "duplicate key"),
        ("leads", 6, "", "c,2024-01-01", "line has fewer fields than the header"),
        ("leads", 7, "created_at", None, "required value is missing"),
        ("leads", 7, "score", "inf", "not a finite number"),
        ("leads", 8, "created_at", "2999-01-01", "time outside 1900 to 2199"),
        ("events", 2, "value", "x", "not a number"),
        ("events", 3, "lead_id", "zz", "unknown lead"),
        ("events", 4, "lead_id", "d", "its lead is in quarantine"),
        ("events", 5, "action", " ", "required value is missing"),
        ("events", 6, "recorded_at", "later", "not an ISO date or time"),
        ("events", 7, "event_id", "1", "duplicate key"),
        ("outcomes", 2, "occurred_at", None, "required value is missing"),
        ("outcomes", 3, "stage", "Dormant", "unknown stage"),
        ("outcomes", 4, "stage", None, "required value is missing"),
        ("outcomes", 4, "amount", "-inf", "not a finite number"),
    ]
    assert set(journeys.quarantine["file"]) == {"leads.csv", "events.csv", "outcomes.csv"}
    assert journeys.rows_read == {"leads": 9, "events": 10, "outcomes": 4}
    assert journeys.leads["lead_id"].tolist() == ["a", "b", "f"]
    assert journeys.leads["score"].tolist() == [1, 2, 1]
    assert journeys.leads.index.tolist() == [0, 1, 2]
    assert journeys.events["lead_id"].tolist() == ["a", "f", "f", "f"]
    assert times(journeys.events["recorded_at"]) == [
        "01-02 00:00",
        "01-02 00:00",
        "01-02 00:00",
        "01-03 00:00",
    ]
    assert journeys.events["action"].cat.categories.tolist() == ["demo", "visit"]
    assert "event_id" not in journeys.events
    assert journeys.outcomes["lead_id"].tolist() == ["a"]
    assert journeys.outcomes["stage"].cat.categories.tolist() == ["closed_won"]


def test_bad_rows_of_several_files_name_their_file(tmp_path: Path) -> None:
    files = {
        "in/0.csv": "lead_id,created_at\n1,2024-01-01\n",
        "in/1.csv": "lead_id,created_at\n2,x\n\n1,2024-01-01\n3\n",
    }
    journeys = read(tmp_path, files, leads={"path": "in"}, events=None)
    assert journeys.quarantine[["file", "row", "reason"]].to_numpy().tolist()[:3] == [
        ["1.csv", 1, "not an ISO date or time"],
        ["1.csv", 2, "duplicate key"],
        ["1.csv", 3, "line has fewer fields than the header"],
    ]


@pytest.mark.parametrize(
    ("leads", "others", "dtype", "kept"),
    [
        (["1", "2"], ["2", "2.0"], "int64", [2]),
        (["1", "2"], ["2", " 2 "], "int64", [2, 2]),
        (["1", "2"], ["02", "2"], "int64", [2]),
        (["1", "2"], ["x", "2"], "int64", [2]),
        (["01", "2"], ["1", "2"], "str", ["2"]),
        (["01", "2"], ["01", "2"], "str", ["01", "2"]),
        (["1.0", "2.0"], ["1", "2"], "str", ["1.0", "2.0"]),
        (["1", "9223372036854775808"], ["1", "2"], "str", ["1"]),
    ],
    ids=["2.0 beside 2", "spaces", "leading zero elsewhere", "word elsewhere", "leading zero", "same zeros",
         "as written", "above int64"],
)  # fmt: skip
def test_ids_are_of_one_type_in_all_tables(
    tmp_path: Path, leads: list[str], others: list[str], dtype: str, kept: list[Any]
) -> None:
    journeys = read(
        tmp_path,
        {
            "leads.csv": "lead_id,created_at\n" + "".join(f"{lead},2024-01-01\n" for lead in leads),
            "events.csv": "lead_id,occurred_at,action\n"
            + "".join(f"{lead},2024-01-02,a\n" for lead in others),
            "outcomes.csv": "lead_id,occurred_at,stage\n"
            + "".join(f"{lead},2024-01-02,sql\n" for lead in others),
        },
    )
    if others == ["2", "2.0"]:  # a column that went through floats as a whole: both are lead 2
        kept = [2, 2]
    for table in (journeys.events, journeys.outcomes):
        assert table["lead_id"].dtype == dtype
        assert table["lead_id"].tolist() == kept
    assert journeys.leads["lead_id"].dtype == journeys.history["lead_id"].dtype == dtype


def test_float_ids_of_a_parquet_file_are_read_as_integers(tmp_path: Path) -> None:
    files = {
        "leads.parquet": pa.table({"lead_id": [1.0, 2.0, None, 3.5], "created_at": ["2024-01-01"] * 4}),
        "events.parquet": pa.table(
            {"lead_id": [2, 9], "occurred_at": ["2024-01-02"] * 2, "action": ["a", "b"]}
        ),
    }
    journeys = read(tmp_path, files, leads={"path": "leads.parquet"}, events={"path": "events.parquet"})
    assert journeys.leads["lead_id"].tolist() == [1, 2]
    assert findings(journeys.quarantine)[:3] == [
        ("leads", 3, "lead_id", None, "required value is missing"),
        (
            "leads",
            4,
            "lead_id",
            "3.5",
            "id is a number with a fraction, or too large for one stored as float",
        ),
        ("events", 2, "lead_id", "9", "unknown lead"),
    ]


def test_history(tmp_path: Path) -> None:
    journeys = read(
        tmp_path,
        {
            "history.csv": "lead_id,field,value,valid_from,valid_to\n1,size,10,2024-01-01,2024-02-01\n"
            "1,size,,2024-02-01,\n2,size,5,2024-02-01,2024-01-01\n2,,5,2024-02-01,\n9,size,5,2024-02-01,\n"
        },
        history={"path": "history.csv"},
    )
    assert journeys.history.dtypes.astype("str").to_dict() == {
        "lead_id": "int64", "field": "category", "value": "str", "valid_from": INSTANT, "valid_to": INSTANT,
        "recorded_at": INSTANT,
    }  # fmt: skip
    assert journeys.history["value"].tolist() == ["10", np.nan]
    assert journeys.history["valid_to"].isna().tolist() == [False, True]
    assert times(journeys.history["recorded_at"]) == ["01-01 00:00", "02-01 00:00"]
    assert findings(journeys.quarantine) == [
        ("history", 3, "valid_to", "2024-01-01", "valid_to is before valid_from"),
        ("history", 4, "field", None, "required value is missing"),
        ("history", 5, "lead_id", "9", "unknown lead"),
    ]


def test_the_empty_tables_have_the_types_of_the_read_ones(tmp_path: Path) -> None:
    history = "lead_id,field,value,valid_from,valid_to,recorded_at\n1,a,b,2024-01-01,,\n"
    full = read(tmp_path, {"history.csv": history}, history={"path": "history.csv"})
    without = read(tmp_path, events=None)
    for name in ("events", "history"):
        table = getattr(without, name)
        assert table.empty
        read_types, empty_types = (
            {column: str(kind) for column, kind in frame.dtypes.items()}
            for frame in (getattr(full, name), table)
        )
        assert read_types == empty_types
    assert without.rows_read == {"leads": 3, "outcomes": 1}


@pytest.mark.parametrize(
    ("words", "stages", "expected"),
    [
        (["closed_won", " SQL "], {}, ["closed_won", "sql"]),
        (
            ["Closed Won", "deal"],
            {"closed won": "closed_won", "deal": "opportunity"},
            ["closed_won", "opportunity"],
        ),
        (["TRUE", "false"], {"TRUE": "closed_won", "FALSE": "closed_lost"}, ["closed_won", "closed_lost"]),
        (["1", "0"], {"1": "closed_won", "0": "closed_lost"}, ["closed_won", "closed_lost"]),
        (["sql", "mql"], {"sql": "closed_won"}, ["closed_won", "mql"]),
    ],
    ids=["ours", "theirs", "truths", "numbers", "theirs goes first"],
)
def test_stages(tmp_path: Path, words: list[str], stages: dict[str, str], expected: list[str]) -> None:
    rows = "".join(f"1,2024-02-01,{word}\n" for word in words)
    outcomes = {"path": "outcomes.csv", "columns": {"stage": "state"}, "stages": stages}
    journeys = read(tmp_path, {"outcomes.csv": "lead_id,occurred_at,state\n" + rows}, outcomes=outcomes)
    assert journeys.outcomes["stage"].tolist() == expected
    assert journeys.outcomes["stage"].cat.categories.tolist() == sorted(expected)


def test_times_with_hints(tmp_path: Path) -> None:
    journeys = read(
        tmp_path,
        {
            "leads.csv": "lead_id,created_at\n1,31/01/2024\n2,01/02/2024\n",
            "events.csv": "lead_id,occurred_at,action\n1,1706781600,a\n2,1706781600.5,a\n",
        },
        leads={
            "path": "leads.csv",
            "columns": {"created_at": {"column": "created_at", "format": "%d/%m/%Y"}},
        },
        events={"path": "events.csv", "columns": {"occurred_at": {"column": "occurred_at", "unit": "s"}}},
    )
    assert times(journeys.leads["created_at"]) == ["01-31 00:00", "02-01 00:00"]
    assert times(journeys.events["occurred_at"]) == ["02-01 10:00", "02-01 10:00"]


@pytest.mark.parametrize(
    ("files", "data", "error", "words"),
    [
        ({"leads.csv": "lead_id,created_at\n"}, {}, ContractError, "has a header and no rows"),
        ({"events.csv": "lead_id,occurred_at,action"}, {}, ContractError, "has a header and no rows"),
        ({"leads.parquet": pa.table({"lead_id": pa.array([], pa.int64()), "created_at": pa.array([], pa.date32())})},
         {"leads": {"path": "leads.parquet"}}, ContractError, "has a header and no rows"),
        ({"leads.csv": "leadid,created_at\n1,2024-01-01\n"}, {}, ContractError,
         r"no column 'lead_id'; did you mean 'leadid'\? say which column it is, as data.leads.columns: {lead_id: …}"),
        ({}, {"leads": {"path": "leads.csv", "columns": {"lead_id": "mql"}}}, ContractError,
         r"no column 'mql'; it is mapped to lead_id in data.leads.columns, so correct it there.\n"
         "Columns found: lead_id, created_at"),
        ({}, {"leads": {"path": "leads.csv", "columns": {"region": "Country"}}}, ContractError,
         "did you mean 'country'"),
        ({}, {"events": {"path": "events.csv", "columns": {"chanel": "action"}}}, ConfigError,
         "no column 'chanel'; did you mean 'channel'"),
        ({"outcomes.csv": "lead_id,occurred_at\n1,2024-02-01\n"}, {}, ContractError,
         "as data.outcomes.stage: closed_won"),
        ({}, {"outcomes": {"path": "outcomes.csv", "stage": "sql", "columns": {"stage": "stage"}}}, ConfigError,
         "remove one of the two"),
        ({}, {"outcomes": {"path": "outcomes.csv", "stage": "sql", "stages": {"a": "sql"}}}, ConfigError,
         "remove one of the two"),
        ({}, {"leads": {"path": "leads.csv",
                        "columns": {"created_at": {"column": "created_at", "format": "%Y", "unit": "s"}}}},
         ConfigError, "'format' or 'unit', not both"),
        ({"leads.parquet": pa.table({"lead_id": [1], "created_at": [1_700_000_000]})},
         {"leads": {"path": "leads.parquet"}}, ContractError, "'created_at' of data.leads .* unit: s"),
    ],
    ids=["leads without rows", "events without rows", "Parquet without rows", "required column", "mapped column",
         "mapped attribute", "unknown column of ours", "no stage", "two stages", "stages for a constant",
         "format and unit", "numbers for times"],
)  # fmt: skip
def test_tables_that_break_the_contract(
    tmp_path: Path, files: dict[str, Any], data: dict[str, Any], error: type[MqlmlError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        read(tmp_path, files, **data)
    assert str(caught.value).count("\n") <= 1


BAD_DATES = "lead_id,created_at\n" + "".join(f"{i},{i}/01/2024\n" for i in range(1, 6)) + ",2024-01-01\n"


@pytest.mark.parametrize(
    ("files", "data", "message"),
    [
        (
            {"leads.csv": BAD_DATES},
            {},
            "data.leads (leads.csv): 6 of 6 rows cannot be used (100.0%; data.max_quarantined allows 10.0%): "
            "5 × not an ISO date or time, 1 × required value is missing.\nFor example row 1 of leads.csv: created_at "
            "= '1/01/2024'. Say how times are written, as data.leads.columns.created_at: {column: created_at, "
            'format: "%d/%m/%Y"}; or mend the source, or raise data.max_quarantined.',
        ),
        (
            {
                "outcomes.csv": "lead_id,occurred_at,stage\n1,2024-02-01,Won\n2,2024-02-01,Lost\n3,2024-02-01,Won\n"
            },
            {},
            "data.outcomes (outcomes.csv): 3 of 3 rows cannot be used (100.0%; data.max_quarantined allows 10.0%): "
            "3 × unknown stage.\nFor example row 1 of outcomes.csv: stage = 'Won'. Say which of our stages each of "
            "'Won', 'Lost' is, as data.outcomes.stages: {Won: closed_won} if it is a win, or "
            "ignore if it is no outcome (ours are mql, sql, "
            "opportunity, closed_won, closed_lost, disqualified); or mend the source, or raise data.max_quarantined.",
        ),
        (
            {"outcomes.csv": "lead_id,won\n1,2024-02-01\n2,\n3,\n"},
            {"outcomes": {"path": "outcomes.csv", "columns": {"occurred_at": "won"}, "stage": "closed_won"}},
            "data.outcomes (outcomes.csv): 2 of 3 rows cannot be used (66.7%; data.max_quarantined allows 10.0%): "
            "2 × required value is missing.\nFor example row 2 of outcomes.csv: won = None. If an empty date "
            "means not reached, write data.outcomes.stage_dates: {won: closed_won} in place of stage and "
            "occurred_at; or mend the source, or raise data.max_quarantined.",
        ),
        (
            {"events.csv": "lead_id,occurred_at,action\n77,2024-02-01,a\n1,2024-02-01\n1,2024-02-01\n"},
            {},
            "data.events (events.csv): 3 of 3 rows cannot be used (100.0%; data.max_quarantined allows 10.0%): "
            "2 × line has fewer fields than the header, 1 × unknown lead.\nFor example row 2 of events.csv: "
            "'1,2024-02-01'. Quote fields that hold the delimiter or a line break; or mend the source, or raise "
            "data.max_quarantined.",
        ),
    ],
    ids=["dates", "stages", "missing dates of a constant stage", "ragged lines"],
)
def test_too_many_bad_rows_stop_the_run(
    tmp_path: Path, files: dict[str, Any], data: dict[str, Any], message: str
) -> None:
    with pytest.raises(QuarantineError, match="cannot be used") as caught:
        read(tmp_path, files, max_quarantined=0.1, **data)
    assert str(caught.value) == message


def test_the_share_is_of_each_table_and_may_be_reached(tmp_path: Path) -> None:
    leads = "lead_id,created_at\n" + "".join(f"{i},2024-01-01\n" for i in range(9)) + "9,x\n"
    assert len(read(tmp_path, {"leads.csv": leads}, max_quarantined=0.1).leads) == 9
    with pytest.raises(QuarantineError, match="1 of 10 rows"):
        read(tmp_path, {"leads.csv": leads}, max_quarantined=0.09)


def test_the_two_readers_point_to_each_other(tmp_path: Path) -> None:
    flat = {"path": "leads.csv", "lead_id": "lead_id", "label": "won", "order": "lead_id"}
    with pytest.raises(ConfigError, match="read it with read_flat"):
        read_journeys(config(tmp_path, leads=None, events=None, outcomes=None, flat=flat))
    with pytest.raises(ConfigError, match="read them with read_journeys"):
        read_flat(config(tmp_path))


# The same table in both formats, and the count of rows: for tables that nobody would think of.

WORDS = st.sampled_from(
    ["a", "b", "x y", 'q"q', "1", "01", "2.0", "true", "False", "nan", "NULL", "é", "\u00a0", "a\nb"]
)
TEXT = st.one_of(st.none(), WORDS)
MOMENTS = st.integers(631_152_000_000_000, 1_893_456_000_000_000)  # 1990 to 2029
IDS = st.one_of(st.integers(0, 5).map(str), st.sampled_from(["x", "", "03"]))


@st.composite
def typed_tables(draw: st.DrawFn) -> dict[str, pa.Table]:
    """Leads and events with typed columns, good and bad rows among them."""
    size = draw(st.integers(1, 5))

    def column(values: st.SearchStrategy[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(draw(st.lists(values, min_size=size, max_size=size)), kind)

    maybe = lambda values: st.one_of(st.none(), values)  # noqa: E731
    leads = {
        "lead_id": column(maybe(st.integers(0, 5)), pa.int64()),
        "created_at": column(maybe(MOMENTS), pa.timestamp("us")),
        "account_id": column(maybe(st.integers(0, 3)), draw(st.sampled_from([pa.int32(), pa.float64()]))),
        "text": column(TEXT, pa.string()),
        "count": column(maybe(st.integers(-(10**16), 10**16)), pa.int64()),
        "share": column(maybe(st.floats(allow_nan=False, width=32)), pa.float64()),
        "flag": column(maybe(st.booleans()), pa.bool_()),
        "day": column(maybe(st.dates(dt.date(1990, 1, 1), dt.date(2030, 1, 1))), pa.date32()),
    }
    events = {
        "lead_id": column(maybe(st.integers(0, 5)), pa.int64()),
        "occurred_at": column(maybe(MOMENTS), pa.timestamp("us")),
        "recorded_at": column(maybe(st.dates(dt.date(1990, 1, 1), dt.date(2030, 1, 1))), pa.date32()),
        "action": column(TEXT, pa.string()),
        "channel": pa.array(draw(st.lists(TEXT, min_size=size, max_size=size)))
        .cast(pa.string())
        .dictionary_encode(),
        "value": column(maybe(st.floats(allow_nan=False)), pa.float64()),
    }
    return {"leads": pa.table(leads), "events": pa.table(events)}


def as_csv(table: pa.Table, path: Path) -> None:
    plain = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    pa.csv.write_csv(pa.table(plain, names=table.column_names), path)


def tables(journeys: Journeys) -> Iterator[pd.DataFrame]:
    yield from (journeys.leads, journeys.events, journeys.outcomes, journeys.history)


@settings(max_examples=15, deadline=None)
@given(typed_tables(), st.sampled_from(["UTC", "America/Sao_Paulo"]))
def test_csv_and_parquet_of_a_table_give_the_same_journeys(typed: dict[str, pa.Table], zone: str) -> None:
    with TemporaryDirectory() as name:
        folder = write(Path(name), {f"{table}.parquet": content for table, content in typed.items()})
        for table, content in typed.items():
            as_csv(content, folder / f"{table}.csv")
        parquet, csv = (
            read(
                folder,
                typed_csv,
                timezone=zone,
                leads={"path": f"leads.{ext}"},
                events={"path": f"events.{ext}"},
            )
            for ext, typed_csv in (
                ("parquet", {}),
                ("csv", {f"{table}.csv": (folder / f"{table}.csv").read_bytes() for table in typed}),
            )
        )
    for left, right in zip(tables(parquet), tables(csv), strict=True):
        pd.testing.assert_frame_equal(left, right)
    keys = ["table", "row", "column", "reason"]
    pd.testing.assert_frame_equal(parquet.quarantine[keys], csv.quarantine[keys])
    assert parquet.rows_read == csv.rows_read


CELLS = st.one_of(
    IDS, WORDS, st.sampled_from(["2024-01-01", "2024-01-01T10:00+02:00", "3000-01-01", "1e999", ",", '"', ""])
)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(IDS, st.sampled_from(["2024-01-01", "soon", ""]), CELLS), min_size=1, max_size=8),
    st.lists(st.lists(CELLS, min_size=4, max_size=6), min_size=1, max_size=12),
)
def test_every_row_is_kept_or_in_quarantine(leads: list[tuple[str, ...]], events: list[list[str]]) -> None:
    def lines(header: str, rows: Any) -> str:
        quoted = (",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
        return "\n".join([header, *quoted]) + "\n"

    with TemporaryDirectory() as name:
        journeys = read(
            Path(name),
            {
                "leads.csv": lines("lead_id,created_at,note", leads),
                "events.csv": lines("lead_id,occurred_at,action,value,event_id", events),
            },
        )
    quarantine = journeys.quarantine
    assert journeys.rows_read["leads"] == len(leads)
    assert journeys.rows_read["events"] == len(events)
    for table in ("leads", "events", "outcomes"):
        aside = quarantine.loc[quarantine["table"] == table, "row"]
        kept = getattr(journeys, table)
        assert len(kept) + aside.nunique() == journeys.rows_read[table]
        assert aside.between(1, journeys.rows_read[table]).all()
        required = [column for column in kept if column in ("lead_id", "created_at", "occurred_at", "action")]
        assert kept[required].notna().all(axis=None)
        assert kept["lead_id"].isin(journeys.leads["lead_id"]).all()
    assert journeys.leads["lead_id"].is_unique


@pytest.mark.parametrize("far", [8, 2**62, -(2**63)], ids=["close together", "far above", "far below"])
def test_numbers_are_found_among_ids_close_together_and_far_apart(far: int) -> None:
    ids = LeadIds(kept=pa.array([5, 7, 6, far]), aside=pa.array([], pa.int64()))
    asked = pa.array([6, 5, 9, 4, None, 7, far, 2**63 - 1, -(2**63) + 1])
    assert ids.find(asked).tolist() == [2, 0, -1, -1, -1, 1, 3, -1, -1]
