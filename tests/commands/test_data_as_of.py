"""``data.data_as_of``: history as it was known on a day, and nothing that was recorded or came in later."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mqlml.commands.check import read_data
from mqlml.commands.inputs import find_cutoff
from mqlml.config import Config, make_config
from mqlml.errors import ConfigError, UsageError
from mqlml.journeys import Journeys
from mqlml.monitoring import known_by
from mqlml.progress import Silent
from mqlml.render.console.common import format_notice
from mqlml.training.snapshots import group_leads

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
TABLES = {
    "leads": ["lead_id,created_at", "1,2026-01-01", "2,2026-02-01", "3,2026-03-01"],
    "events": [
        "lead_id,occurred_at,recorded_at,action",
        "1,2026-01-05,2026-01-05,visit",
        "1,2026-01-06,2026-02-20,late",
        "2,2026-02-14,2026-02-14 12:00,edge",
        "3,2026-03-02,2026-03-02,visit",
    ],
    "outcomes": [
        "lead_id,occurred_at,recorded_at,stage",
        "1,2026-02-10,2026-02-11,closed_won",
        "2,2026-02-10,2026-02-15,closed_won",
        "3,2026-03-09,2026-03-09,closed_won",
    ],
    "history": [
        "lead_id,field,value,valid_from,recorded_at",
        "1,size,10,2026-01-02,2026-01-02",
        "1,size,20,2026-01-03,2026-03-03",
    ],
}


def read(folder: Path, **data: Any) -> tuple[Config, Journeys]:
    for name, lines in TABLES.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    tables = {name: {"path": f"{name}.csv"} for name in TABLES}
    config = make_config({"name": "leads", "data": {**tables, **data}}, folder=folder)
    journeys = read_data(config, Silent(), now=NOW)
    assert isinstance(journeys, Journeys)
    return config, journeys


def test_only_what_was_recorded_before_that_moment_is_read(tmp_path: Path) -> None:
    _, found = read(tmp_path, observed_until="2026-02-15", data_as_of="2026-02-15")
    assert found.leads["lead_id"].tolist() == [1, 2]
    assert found.events["action"].tolist() == ["visit", "edge"]
    assert found.outcomes["lead_id"].tolist() == [1], (
        "a win entered that day or later was not known before it"
    )
    assert found.history["value"].tolist() == ["10"]
    (notice,) = found.notices
    assert format_notice(notice) == "Left out 1 lead that came in after data.data_as_of."
    assert found.quarantine.empty


def test_a_later_day_knows_more_and_without_one_everything_is_known(tmp_path: Path) -> None:
    _, later = read(tmp_path, observed_until="2026-02-15", data_as_of="2026-02-16")
    assert later.outcomes["lead_id"].tolist() == [1, 2]
    _, whole = read(tmp_path, observed_until="2026-05-01")
    assert [len(table) for table in (whole.leads, whole.events, whole.outcomes, whole.history)] == [
        3,
        4,
        3,
        2,
    ]


def test_the_same_day_gives_the_same_tables_when_more_is_recorded_later(tmp_path: Path) -> None:
    _, before = read(tmp_path, observed_until="2026-02-15", data_as_of="2026-02-15")
    with (tmp_path / "outcomes.csv").open("a") as file:
        file.write("1,2026-01-20,2026-04-01,closed_lost\n")
    config = make_config(
        {
            "name": "leads",
            "data": {
                **{name: {"path": f"{name}.csv"} for name in TABLES},
                "observed_until": "2026-02-15",
                "data_as_of": "2026-02-15",
            },
        },
        folder=tmp_path,
    )
    after = read_data(config, Silent(), now=NOW)
    assert isinstance(after, Journeys)
    pd.testing.assert_frame_equal(before.outcomes, after.outcomes, check_categorical=False)


def test_outcomes_cannot_be_complete_up_to_a_later_moment(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'observed_until' must not come after 'data_as_of'"):
        read(tmp_path, observed_until="2026-05-01", data_as_of="2026-02-15")


def test_a_flat_table_has_no_times_of_recording(tmp_path: Path) -> None:
    flat = {"path": "flat.csv", "lead_id": "id", "label": "won", "positive": 1, "order": "id"}
    with pytest.raises(ConfigError, match="'data_as_of' needs times of recording"):
        make_config({"name": "x", "data": {"flat": flat, "data_as_of": "2026-01-01"}}, folder=tmp_path)


def test_nobody_is_scored_at_a_moment_of_which_nothing_is_read(tmp_path: Path) -> None:
    config, _ = read(tmp_path, observed_until="2026-02-15", data_as_of="2026-02-15")
    assert find_cutoff(config, "2026-02-15", command="score", now=NOW).day == 15
    with pytest.raises(UsageError, match=r"--as-of must not come after data\.data_as_of"):
        find_cutoff(config, "2026-02-16", command="score", now=NOW)


DAY = 15
"""The day of which history is read."""

HERE, GONE = ("1", "2", "3", "4"), ("8", "9")
DAYS = st.integers(1, 30)
KNOWN = st.one_of(st.none(), DAYS)


def _rows(draw: Any, *columns: st.SearchStrategy[Any], most: int = 6) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = draw(st.lists(st.tuples(*columns), max_size=most))
    return found


@st.composite
def exports(draw: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Tables of four leads, and rows and merges of two that are gone; days as numbers, recorded late or not said."""
    lead = st.sampled_from(HERE + GONE)
    merges = [(old, into, day) for old, into, day in _rows(draw, st.sampled_from(HERE), lead, DAYS, most=3)]
    # Every lead that is gone went into one that comes before it in this order, so that no circle is closed.
    merges += [
        ("9", draw(st.sampled_from((*HERE, "8"))), draw(DAYS)),
        ("8", draw(st.sampled_from(HERE)), draw(DAYS)),
    ]
    mail = st.sampled_from(("a@x.com", "b@x.com", ""))
    return {
        "leads": [("1", 1, draw(mail)), *((name, draw(DAYS), draw(mail)) for name in HERE[1:])],
        "events": _rows(draw, lead, DAYS, KNOWN, st.sampled_from(("visit", "call"))),
        "outcomes": _rows(draw, lead, DAYS, KNOWN, st.just("closed_won"), most=3),
        "history": _rows(draw, lead, DAYS, KNOWN, st.just("size"), st.sampled_from(("5", "6")), most=3),
        "merges": merges,
    }


def export_of_that_day(tables: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """Row by row, what an export made as `DAY` began would have held; of a lead that is gone now, if its merge is."""
    there = {row[0] for row in tables["leads"] if row[1] < DAY}

    def whose(name: str, since: int) -> tuple[str, int]:
        while name in GONE:
            name, day = next(row[1:] for row in tables["merges"] if row[0] == name)
            since = max(since, day)
        return name, since

    def known(name: str, *days: int | None) -> bool:
        lead, since = whose(name, 0)
        return lead in there and max(since, *(day or 0 for day in days)) < DAY

    kept = {
        name: [row for row in tables[name] if known(row[0], row[1], row[2])]
        for name in ("events", "outcomes", "history")
    }
    leads = [row for row in tables["leads"] if row[1] < DAY]
    merges = [row for row in tables["merges"] if known(row[0], row[2]) and known(row[1], row[2])]
    return {"leads": leads, **kept, "merges": merges}


def read_tables(folder: Path, tables: dict[str, list[tuple[Any, ...]]], **data: Any) -> Journeys:
    heads = {
        "leads": "lead_id,created_at,email",
        "events": "lead_id,occurred_at,recorded_at,action",
        "outcomes": "lead_id,occurred_at,recorded_at,stage",
        "history": "lead_id,valid_from,recorded_at,field,value",
        "merges": "from,into,at",
    }
    folder.mkdir(exist_ok=True)
    # A row that says nothing, so that no table is empty: of the first lead, on its first day.
    first = {
        "events": ("1", 1, 1, "first"),
        "outcomes": ("1", 1, 1, "mql"),
        "history": ("1", 1, 1, "size", "4"),
        "merges": ("0", "1", 1),
    }
    for name, rows in tables.items():
        lines = [heads[name]]
        for row in (*((first[name],) if name in first else ()), *rows):
            lines.append(
                ",".join(
                    "" if value is None else f"2026-01-{value:02d}" if isinstance(value, int) else value
                    for value in row
                )
            )
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    settings: dict[str, Any] = {name: {"path": f"{name}.csv"} for name in tables}
    settings["leads"]["duplicates"] = "merge"
    values = {"name": "leads", "data": {**settings, "observed_until": f"2026-01-{DAY}", **data}}
    found = read_data(make_config(values, folder=folder), Silent(), now=NOW)
    assert isinstance(found, Journeys)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables=exports())
@example(
    tables={
        "leads": [("1", 1, ""), ("3", DAY, "")],
        "events": [("9", 2, None, "call"), ("8", 3, DAY, "call")],
        "outcomes": [],
        "history": [],
        "merges": [("1", "9", 1), ("9", "8", 2), ("8", "3", 1)],
    }
)
def test_reading_as_of_a_day_gives_what_an_export_of_that_day_would_have_held(
    tmp_path: Path, tables: dict[str, list[tuple[Any, ...]]]
) -> None:
    found = read_tables(tmp_path / "now", tables, data_as_of=f"2026-01-{DAY}")
    then = read_tables(tmp_path / "then", export_of_that_day(tables))
    for name in ("leads", "events", "outcomes", "history"):
        left, right = (getattr(data, name).astype("str") for data in (found, then))
        pd.testing.assert_frame_equal(left, right, obj=name)
    assert found.quarantine.empty
    assert [notice for notice in found.notices if notice.kind != "not_yet_known"] == list(then.notices)
    for column in ("old", "new", "at", "direct"):
        assert getattr(found.merged, column).tolist() == getattr(then.merged, column).tolist()


def test_a_merge_of_a_later_day_joins_nobody_before_it(tmp_path: Path) -> None:
    tables: dict[str, list[tuple[Any, ...]]] = {
        "leads": [("1", 1, ""), ("2", 2, "")],
        "events": [("2", 3, None, "call")],
        "outcomes": [("2", 5, None, "closed_won")],
        "history": [("9", 4, None, "size", "7")],
        "merges": [("2", "1", DAY), ("9", "1", DAY)],
    }
    before = read_tables(tmp_path, tables, data_as_of=f"2026-01-{DAY}")
    assert len(before.merged) == 0
    assert "account_id" not in before.leads
    assert before.history["value"].tolist() == ["4"]
    after = read_tables(tmp_path, tables, data_as_of=f"2026-01-{DAY + 1}", observed_until=f"2026-01-{DAY}")
    assert len(after.merged) == 1
    assert len(set(after.leads["account_id"])) == 1
    assert after.history["value"].tolist() == ["4", "7"]
    assert after.history["recorded_at"].dt.day.tolist() == [1, DAY], "lead 1 has its size since the merge"


MERGES = ["was,is,day", "1,2,2026-02-10", "3,4,2026-02-20", "5,2,2026-03-01"]
ACCOUNTS = ["lead_id,created_at,org", "1,2026-01-01,x", "2,2026-01-01,y", "3,2026-01-01,", "4,2026-01-01,"]
MERGED_LATER = [*ACCOUNTS, "5,2026-01-01,x", "6,2026-01-01,x"]


@pytest.mark.parametrize("leads", [MERGED_LATER, [line.rpartition(",")[0] for line in MERGED_LATER]])
@pytest.mark.parametrize("day", ["2026-02-01", "2026-02-10", "2026-02-11", "2026-02-25", "2026-03-02"])
def test_leads_share_an_account_from_their_merge_on_also_where_history_is_replayed(
    tmp_path: Path, leads: list[str], day: str
) -> None:
    (tmp_path / "merged.csv").write_text("\n".join(MERGES) + "\n")
    (tmp_path / "all.csv").write_text("\n".join(leads) + "\n")
    columns = {"account_id": "org"} if "org" in leads[0] else {}
    tables = {
        "leads": {"path": "all.csv", "columns": columns},
        "merges": {"path": "merged.csv", "columns": {"from": "was", "into": "is", "at": "day"}},
    }
    _, then = read(tmp_path, **tables, observed_until=day, data_as_of=day)
    _, whole = read(tmp_path, **tables, observed_until="2026-05-01")
    replayed = known_by(whole, dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC))
    accounts = [
        found.leads.get("account_id", pd.Series([None] * 6)).fillna("").tolist() for found in (then, replayed)
    ]
    assert accounts[0] == accounts[1]
    groups = [pd.factorize(group_leads(found.leads))[0].tolist() for found in (then, replayed)]
    assert groups[0] == groups[1]
    pairs = [list(zip(found.merged.old, found.merged.new, strict=True)) for found in (then, replayed)]
    assert pairs[0] == pairs[1]
    named = whole.merged.named_accounts(whole.leads).fillna("").tolist()
    assert named == (["x", "y", "", "", "x", "x"] if columns else [""] * 6)
