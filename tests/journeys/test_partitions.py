"""Events dealt to parts in batches: what is kept and what is set aside is what reading the whole table gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from mqlml.config import Config
from mqlml.errors import MqlmlError
from mqlml.journeys import partitions as partitioned
from mqlml.journeys import read_journeys, stream
from mqlml.journeys.partitions import (
    EventRules,
    PartitionedEvents,
    find_partitions,
    open_events,
    partition_events,
)
from mqlml.journeys.read import read_around_events
from mqlml.training.partitions import assign_partitions

from .files import config, write

PARTS = 3
N = 40


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BATCH", 7)
    monkeypatch.setattr(partitioned, "_IDS_AT_ONCE", 20)


def leads(ids: Any) -> pa.Table:
    return pa.table({"lead_id": ids, "created_at": ["2024-01-01"] * (len(ids) - 1) + ["soon"]})


def deal(config: Config, folder: Path) -> PartitionedEvents:
    journeys, ids = read_around_events(config)
    part = assign_partitions(journeys.leads, PARTS)
    rules = EventRules(config.journeys.bots, journeys.merged)
    return partition_events(open_events(config, folder), config, ids, part, PARTS, folder, rules)


def plain(events: pd.DataFrame) -> pd.DataFrame:
    """Words as text, since the order of categories means nothing."""
    words = {name: events[name].astype("str") for name in events.columns[events.dtypes == "category"]}
    return events.assign(**words).reset_index(drop=True)


def refused(read: Callable[[], object]) -> tuple[type, str] | None:
    """What a reading ends with, where it ends with an error."""
    try:
        read()
    except MqlmlError as error:
        return type(error), str(error)
    return None


def check_alike(config: Config, folder: Path) -> None:
    """Dealing keeps and sets aside what reading the whole does, the message of a refusal included."""
    folder.mkdir()
    refusal = refused(lambda: read_journeys(config))
    if refusal is not None:
        assert refused(lambda: deal(config, folder)) == refusal
        return
    whole, made = read_journeys(config), deal(config, folder)
    part = pd.Series(assign_partitions(whole.leads, PARTS), index=whole.leads["lead_id"])
    for number in range(PARTS):
        mine = whole.events[(part.loc[whole.events["lead_id"]] == number).to_numpy()]
        assert_frame_equal(plain(made.read(number, whole.leads["lead_id"])), plain(mine), check_exact=True)
    some = np.arange(len(whole.leads)) % 3 == 0
    theirs = whole.events[whole.events["lead_id"].isin(whole.leads["lead_id"][some])]
    assert_frame_equal(plain(made.read_leads(some, whole.leads["lead_id"])), plain(theirs), check_exact=True)
    aside = whole.quarantine[whole.quarantine["table"] == "events"].reset_index(drop=True)
    assert_frame_equal(made.quarantine, aside)
    assert made.rows_read == whole.rows_read["events"]
    again = find_partitions(folder, made.rules)
    assert again is not None
    assert_frame_equal(again.quarantine, aside)
    assert_frame_equal(again.read(0, whole.leads["lead_id"]), made.read(0, whole.leads["lead_id"]))


MESSY = """event_id,lead_id,occurred_at,recorded_at,action,channel,value,campaign
e1,3,2024-01-05 10:00,2024-01-06,visit,email,1.5,a

e2,4,2024-01-05T10:00:00.123456+02:00,,demo, ads ,2,b
e1,3,2024-01-07,,visit,email,1,a
,5,2024-01-05 10:00,,visit,,,
,5,2024-01-05 10:00,,visit,,,
e3,99,2024-01-05,,visit,email,1,a
e3,7,not a time,,visit,email,1,a
e3,7,2024-02-30,,visit,email,1,a
e4,39,2024-01-05,,of a lead in quarantine,email,1,a
 e3 ,8,2024-01-05,,visit,email,much,a
e3,8,2024-01-05,,visit,email,inf,a
e3,8,2024-01-05 12:00,,visit,email,-7e2,a
e5,9,2024-01-05
e5,9,2024-01-05,,visit,email,1,a,too many
e5,9,2024-01-05,,,email,1,a
e5,,2024-01-05,,visit,email,1,a
e5,9,1850-01-05,,visit,email,1,a
e5,9,2024-01-05,never,visit,email,1,a
e5,9,2024-03-31 02:30,,visit,email,1,a
"""

WRITTEN = {"path": "events.csv", "columns": {"occurred_at": {"column": "ts", "format": "%Y%m%d"}}}
MAPPED = {"path": "events.csv", "columns": {"occurred_at": {"column": "ts", "unit": "s"}}}


def codes(values: list[Any]) -> str:
    """A CSV of one event a row, whose words and ids look like numbers or truths."""
    rows = [f"{i % N},2024-01-{i % 27 + 1:02d},{value},{value}" for i, value in enumerate(values)]
    return "lead_id,occurred_at,action,event_id\n" + "\n".join(rows) + "\n"


def coded(values: list[str]) -> pa.Table:
    """As `codes`, in Parquet, whose forms are found batch by batch."""
    days = [f"2024-01-{i % 27 + 1:02d}" for i in range(len(values))]
    return pa.table(
        {
            "lead_id": [i % N for i in range(len(values))],
            "occurred_at": days,
            "action": values,
            "event_id": values,
        }
    )


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "messy": ({"events.csv": MESSY}, {}),
    "other lines": ({"events.csv": MESSY.replace("\n", "\r\n", 9)}, {}),
    "latin": ({"events.csv": MESSY.replace("demo", "d\xe9mo").encode("latin-1")},
              {"events": {"path": "events.csv", "encoding": "latin-1"}}),
    "known on a day": ({"events.csv": MESSY}, {"data_as_of": "2024-01-06", "observed_until": "2024-01-06"}),
    "many files": ({"events/b.csv": MESSY, "events/a.csv": MESSY.replace("e", "E", 3).replace("E", "e", 3),
                    "events/c/d.csv": MESSY.replace("e1", "e9")}, {"events": {"path": "events"}}),
    "sql": ({"raw.csv": MESSY.replace("e5,9,2024-01-05\n", "").replace(",too many", "")},
            {"events": {"sql": "select * from read_csv('raw.csv', all_varchar = true)"}}),
    "whole numbers with .0": ({"events.csv": codes(["1", "2", "3.0", "4", "1.0"] * 8)}, {}),
    "one fraction at the end": ({"events.csv": codes(["1", "2", "3.0", "4", "1.0"] * 8 + ["1.5"])}, {}),
    "truths": ({"events.csv": codes(["True", "FALSE", "true"] * 8)}, {}),
    "no truths": ({"events.csv": codes(["True", "FALSE", "true"] * 8 + ["perhaps"])}, {}),
    "beyond int64": ({"events.csv": codes([str(i) for i in range(20)] + ["9223372036854775808"])}, {}),
    "a code": ({"events.csv": codes([str(i) for i in range(20)] + ["007"])}, {}),
    "numbers in the first batch": ({"events.parquet": coded(["1", "2", "3.0", "4", "1.0"] * 8 + ["1.5"])},
                                   {"events": {"path": "events.parquet"}}),
    "numbers in the last batch": ({"events.parquet": coded(["x", *(["1", "2", "3.0", "4", "1.0"] * 8)])},
                                  {"events": {"path": "events.parquet"}}),
    "truths in the first batch": ({"events.parquet": coded(["True", "FALSE", "true"] * 8 + ["perhaps"])},
                                  {"events": {"path": "events.parquet"}}),
    "all truths": ({"events.parquet": coded(["True", "FALSE", "true"] * 8)}, {"events": {"path": "events.parquet"}}),
    "days": ({"events.csv": "lead_id,ts,action\n" + "".join(f"{i % N},{i * 86400}.0,a\n" for i in range(30))},
             {"events": MAPPED}),
    "a format": ({"events.csv": "lead_id,ts,action\n"
                  + "".join(f"{i},202401{i % 27 + 1:02d}.0,a\n" for i in range(30))},
                 {"events": WRITTEN}),
    "typed": ({"events.parquet": pa.table({
        "lead_id": pa.array([i % 50 if i % 11 else None for i in range(60)], pa.int32()),
        "occurred_at": pa.array([i * 86_400_000_000_000 if i % 13 else None for i in range(60)], pa.timestamp("ns")),
        "action": pa.array([["a", "b ", None][i % 3] for i in range(60)]),
        "channel": pa.array([["a", " b", None][i % 3] for i in range(60)]).dictionary_encode(),
        "value": pa.array([float(i) if i % 7 else np.inf for i in range(60)]),
        "event_id": pa.array([i // 2 for i in range(60)], pa.uint64()),
    })}, {"events": {"path": "events.parquet"}}),
    "two types": ({
        "events/1.parquet": pa.table({"lead_id": pa.array([1, 2], pa.int32()), "occurred_at": ["2024-01-01"] * 2,
                                      "action": pa.array([1, 2]), "event_id": pa.array([1.0, 2.5])}),
        "events/2.parquet": pa.table({"lead_id": pa.array([3, 1], pa.int64()), "occurred_at": ["2024-01-02"] * 2,
                                      "action": pa.array([3, 4]), "event_id": pa.array([1, 1])}),
    }, {"events": {"path": "events"}}),
    "fractions as words": ({"events.parquet": pa.table({
        "lead_id": list(range(30)), "occurred_at": ["2024-01-01"] * 30, "action": [float(i % 4) for i in range(30)],
    })}, {"events": {"path": "events.parquet"}}),
    "clashing types": ({
        "events/1.parquet": pa.table({"lead_id": [1], "occurred_at": ["2024-01-01"], "action": ["a"]}),
        "events/2.parquet": pa.table({"lead_id": ["x"], "occurred_at": ["2024-01-01"], "action": ["a"]}),
    }, {"events": {"path": "events"}}),
    "different columns": ({"events/1.csv": "lead_id,occurred_at,action\n1,2024-01-01,a\n",
                           "events/2.csv": "lead_id,occurred_at,deed\n1,2024-01-01,a\n"},
                          {"events": {"path": "events"}}),
    "no rows": ({"events.csv": "lead_id,occurred_at,action\n"}, {}),
    "nothing mapped": ({"events.csv": "lead,occurred_at,action\n1,2024-01-01,a\n"}, {}),
    "broken quotes": ({"events.csv":
                       'lead_id,occurred_at,action\n1,2024-01-01,"a\n2,2024-01-01,b\n3,2024-01-01,"c\n'}, {}),
    "not utf-8": ({"events.csv": "lead_id,occurred_at,action\n1,2024-01-01,é\n".encode("latin-1")}, {}),
    "mostly bad": ({"events.csv": MESSY}, {"max_quarantined": 0.1}),
}  # fmt: skip


@pytest.mark.parametrize(
    "ids", [range(N), [f"{i}" if i else "zero" for i in range(N)]], ids=["integers", "text"]
)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_dealing_is_reading(tmp_path: Path, case: tuple[dict[str, Any], dict[str, Any]], ids: Any) -> None:
    files, data = case
    outcomes = "lead_id,occurred_at,stage\n1,2024-02-01,closed_won\n"
    write(tmp_path, {"leads.parquet": leads(list(ids)), "outcomes.csv": outcomes, **files})
    check_alike(
        config(tmp_path, timezone="Europe/Berlin", leads={"path": "leads.parquet"}, **data),
        tmp_path / "dealt",
    )


def test_a_stream_has_batches_of_all_kinds_of_files(tmp_path: Path) -> None:
    rows = {"lead_id": list(range(30)), "occurred_at": ["2024-01-01"] * 30, "action": ["a"] * 30}
    long = "".join(
        f"{i % 30},2024-01-01,a\n" for i in range(5000)
    )  # DuckDB gives no fewer than 2,048 at a time
    write(
        tmp_path,
        {"e/1.csv": f"lead_id,occurred_at,action\n{long}", "e/2.csv": "lead_id,occurred_at,action\n"},
    )
    write(tmp_path, {"p/1.parquet": pa.table(rows)})
    (tmp_path / "work").mkdir()
    for path, sizes in (("e", [5000]), ("p", [7, 7, 7, 7, 2])):
        (made,) = open_events(config(tmp_path, events={"path": path}), tmp_path / "work")
        batches = list(made.batches())
        assert sum(batch.table.num_rows for batch in batches) == sum(sizes)
        assert len(batches) > 1
        assert [number for batch in batches for number in batch.rows] == list(range(1, sum(sizes) + 1))


def test_dirty_events_of_several_tables_are_dealt_as_they_are_read(tmp_path: Path) -> None:
    clicks = "".join(f"3,2024-02-01 10:00:0{second},Click,\n" for second in range(10) for _ in range(3))
    files: dict[str, str | bytes | pa.Table] = {
        "leads.csv": "lead_id,created_at\n" + "".join(f"{n},2024-01-01\n" for n in range(1, 9)),
        "events.csv": "lead_id,occurred_at,action,channel\n1,2024-01-02 10:00:01,Demo,mail\n"
        f"1,2024-01-03 10:00:02,DEMO,\n{clicks}9,2024-01-04 11:00:03,demo ,Mail\n99,2024-01-04,demo,x\n",
        "fairs.csv": "visitor,day\n" + "".join(f"{n},{n + 12}/02/2024\n" for n in range(1, 5)),
        "outcomes.csv": "lead_id,occurred_at,stage\n2,2024-03-01,closed_won\n",
        "merged.csv": "from,into,at\n1,2,2024-02-10\n9,4,2024-02-11\n",
    }
    fairs = {
        "path": "fairs.csv",
        "columns": {"lead_id": "visitor", "occurred_at": "day", "action": {"constant": "fair"}},
    }
    settings = config(
        write(tmp_path, files), events=[{"path": "events.csv"}, fairs], merges={"path": "merged.csv"}
    )
    check_alike(settings, tmp_path / "parts")
    events = read_journeys(settings).events
    assert set(events["action"]) == {"demo", "fair"}  # the thirty clicks within ten seconds are gone
    assert set(events["channel"].dropna()) == {"mail"}
