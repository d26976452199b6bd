"""The training table on Spark: a real session on two threads gives the rows that memory gives, to the last bit."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from mqlml.errors import ContractError, UsageError
from mqlml.journeys import Journeys
from mqlml.training import build_table
from mqlml.training.partitions import build_table_on_spark
from tests.training.test_parts import AGES, WEEKLY, company, config

pytest.importorskip("pyspark", reason="needs pyspark: pip install 'mqlml[spark]'")
pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="needs Java 17 for Spark"),
    # Only Arrow goes between Spark and us, nothing of pandas.
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]

PARTS = 3


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    made = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.shuffle.partitions", str(PARTS))
        .config("spark.sql.session.timeZone", "Asia/Tokyo")
        .getOrCreate()
    )
    made.sparkContext.setLogLevel("ERROR")
    yield made
    made.stop()


def to_arrow(table: pd.DataFrame) -> pa.Table:
    """A table of the contract as a user has it: plain text and instants."""
    columns = {}
    for name, column in table.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            micros = column.dt.tz_convert(None).to_numpy("datetime64[us]")
            columns[name] = pa.array(micros, pa.timestamp("us"), from_pandas=True).cast(
                pa.timestamp("us", "UTC")
            )
        elif isinstance(column.dtype, pd.CategoricalDtype):
            columns[name] = pa.array(column.astype("str").array, pa.string(), from_pandas=True)
        else:
            columns[name] = pa.array(column.array, from_pandas=True)
    return pa.table(columns)


def put(session: Any, journeys: Journeys) -> dict[str, Any]:
    tables = {"leads": journeys.leads, "events": journeys.events, "outcomes": journeys.outcomes,
              "history": journeys.history}  # fmt: skip
    return {name: session.createDataFrame(to_arrow(table)) for name, table in tables.items()}


@pytest.mark.parametrize(
    ("problem", "text_ids"), [(AGES, True), (WEEKLY, False)], ids=["ages, text", "grid, numbers"]
)
def test_spark_makes_the_rows_that_memory_makes(
    session: Any, problem: dict[str, Any], text_ids: bool
) -> None:
    journeys, settings = company(text_ids=text_ids), config(problem=problem)
    whole = build_table(journeys, settings).frame()
    table = build_table_on_spark(session, settings, **put(session, journeys))
    assert dict(table.dtypes)["cutoff_time"] == "timestamp"
    made = table.toArrow()
    assert made.column_names == list(whole.columns)
    frame = pd.DataFrame(
        {
            name: pd.DatetimeIndex(np.array(made[name].cast(pa.int64())).view("datetime64[us]"), tz="UTC")
            if name == "cutoff_time"
            else made[name].to_pandas().astype(whole[name].dtype)
            for name in whole.columns
        }
    )
    order = np.lexsort((frame["lead_id"].to_numpy(), frame["cutoff_time"].to_numpy()))
    assert_frame_equal(frame.iloc[order].reset_index(drop=True), whole, check_exact=True)


def test_spark_leaves_out_the_leads_that_memory_leaves_out(session: Any) -> None:
    journeys = company(text_ids=True)
    rule = {"when": {"lead_id": {"in": journeys.leads["lead_id"].iloc[10:40].tolist()}}, "reason": "staff"}
    settings = config(rules={"exclude": [rule]})
    whole = build_table(journeys, settings).frame()
    made = build_table_on_spark(session, settings, **put(session, journeys)).toArrow()
    assert len(set(whole["lead_id"])) <= 90
    assert sorted(made["lead_id"].to_pylist()) == sorted(whole["lead_id"])


def test_tables_that_do_not_keep_the_contract_are_refused(session: Any) -> None:
    journeys, settings = company(text_ids=False), config()
    tables = put(session, journeys)
    with pytest.raises(ContractError, match="events must have the column 'action'"):
        build_table_on_spark(session, settings, **{**tables, "events": tables["events"].drop("action")})
    as_text = tables["events"].withColumn("occurred_at", tables["events"]["occurred_at"].cast("string"))
    with pytest.raises(ContractError, match="events.occurred_at must be a timestamp.* found string"):
        build_table_on_spark(session, settings, **{**tables, "events": as_text})
    text_ids = tables["outcomes"].withColumn("lead_id", tables["outcomes"]["lead_id"].cast("string"))
    with pytest.raises(
        ContractError, match="the same in all tables; found bigint in leads and string in outcomes"
    ):
        build_table_on_spark(session, settings, **{**tables, "outcomes": text_ids})
    fewer = tables["leads"].where("lead_id != 7")
    with pytest.raises(ContractError, match="needs a lead that is in leads; found lead_id 7"):
        build_table_on_spark(session, settings, **{**tables, "leads": fewer})
    twice = tables["leads"].union(tables["leads"])
    with pytest.raises(ContractError, match="every lead needs one row in leads"):
        build_table_on_spark(session, settings, **{**tables, "leads": twice})


def test_without_pyspark_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    nothing: Any = None
    with pytest.raises(UsageError, match="pip install 'mqlml\\[spark\\]'"):
        build_table_on_spark(nothing, config(), leads=nothing, events=nothing, outcomes=nothing)
