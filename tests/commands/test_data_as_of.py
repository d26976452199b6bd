"""``data.data_as_of``: history as it was known on a day, and nothing that was recorded or came in later."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mqlml.commands.check import read_data
from mqlml.commands.inputs import find_cutoff
from mqlml.config import Config, make_config
from mqlml.errors import ConfigError, UsageError
from mqlml.journeys import Journeys
from mqlml.progress import Silent
from mqlml.render.console.common import format_notice

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
