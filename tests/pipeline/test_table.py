"""Tables made in parts are those made in memory, whatever the source; killed at any moment, they are made later."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

from mqlml.journeys.simulate import simulate
from mqlml.pipeline import Silent, write_training_table

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LIMIT = "30MB"
"""Far below what the table takes, so that it is cut into many parts."""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated journeys as messy CSV files, with a config beside them."""
    folder = tmp_path_factory.mktemp("company")
    world = simulate(1500, random_state=3)
    world.write(folder, format="csv", bad_rows=0.002)
    config = {
        "name": "company",
        "data": {
            "observed_until": world.observed_until.isoformat(),
            **{name: {"path": f"{name}.csv"} for name in ("leads", "events", "outcomes")},
        },
        "problem": {"horizon": "60d", "snapshots": {"ages": ["0d", "7d"]}, "age_limits": ["0d", "37d"]},
        "features": {"max_actions": 5},
        "windows": ["7d", "all"],
    }
    (folder / "mqlml.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def make(company: Path, out: Path, limit: str | None = LIMIT) -> dict[str, Any]:
    return write_training_table(company / "mqlml.yml", out, memory_limit=limit, now=NOW, progress=Silent())


@pytest.fixture(scope="module")
def whole(company: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The table made in memory."""
    out = tmp_path_factory.mktemp("whole") / "table.parquet"
    assert make(company, out, None)["parts"] == 1
    return pd.read_parquet(out)


def test_a_file_made_in_parts_is_the_file_made_in_memory(
    company: Path, whole: pd.DataFrame, tmp_path: Path
) -> None:
    result = make(company, tmp_path / "table.parquet")
    assert result["parts"] > 5
    assert result["rows"] == len(whole)
    assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), whole, check_exact=True)
    make(company, tmp_path / "parts.csv")
    make(company, tmp_path / "memory.csv", None)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "memory.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["memory.csv", "parts.csv", "table.parquet"]


def test_a_folder_holds_the_rows_by_part_and_time(company: Path, whole: pd.DataFrame, tmp_path: Path) -> None:
    result = make(company, tmp_path / "table")
    files = sorted((tmp_path / "table").iterdir())
    assert len(files) == result["parts"] > 5
    for file in files:
        assert pd.read_parquet(file, columns=["cutoff_time"])["cutoff_time"].is_monotonic_increasing
    keys = ["cutoff_time", "lead_id"]
    together = pd.read_parquet(tmp_path / "table").sort_values(keys, ignore_index=True)
    assert_frame_equal(together, whole.sort_values(keys, ignore_index=True), check_exact=True)
    assert make(company, tmp_path / "table", None)["parts"] == 1  # in memory, over the parts of before
    assert [file.name for file in (tmp_path / "table").iterdir()] == ["part-0000.parquet"]
